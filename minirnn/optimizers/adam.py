"""Adam."""

import math
from typing import Any

from minirnn import backend
from minirnn.autograd import Tensor
from minirnn.optimizers.arguments import check_number
from minirnn.optimizers.constructor import takes_common_arguments
from minirnn.optimizers.optimizer import Optimizer


class Adam(Optimizer):
    """Adaptive moments (Kingma and Ba 2015, in the form before their section 2.1), t counting from 1::

        m = m + (1 - beta_1) * (g - m)
        v = v + (1 - beta_2) * (g**2 - v)
        alpha = learning_rate * sqrt(1 - beta_2**t) / (1 - beta_1**t)
        w = w - alpha * m / (sqrt(v) + epsilon)

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
    beta_1, beta_2 : float
        In [0, 1).
    epsilon : float
        0 or more.
    amsgrad : bool
        Divide by the root of the largest v so far (Reddi et al. 2018).
    **kwargs
        See `Optimizer`; they may also stand behind these, in the order there.

    Raises
    ------
    ValueError
        If an argument is none of these.
    """

    @takes_common_arguments
    def __init__(
        self, learning_rate: Any = 0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False, **kwargs
    ):
        check_number(type(self).__name__, "in [0, 1)", beta_1=beta_1, beta_2=beta_2)
        check_number(type(self).__name__, "0 or more", epsilon=epsilon)
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2, self.epsilon, self.amsgrad = beta_1, beta_2, epsilon, amsgrad

    def build(self, variables):
        if not self.built:
            super().build(variables)
            self._momentums, self._velocities = self.add_optimizer_variables(
                variables, ["momentum", "velocity"]
            )
            if self.amsgrad:
                self._velocity_hats = self.add_optimizer_variables(variables, "velocity_hat")

    def update_step(self, gradient, variable, learning_rate):
        xp = backend.array_module(variable.data)
        index = self._get_variable_index(variable)
        t = int(self.iterations) + 1
        alpha = learning_rate * math.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        g = gradient.data
        m_slot, v_slot = self._momentums[index], self._velocities[index]
        m = xp.subtract(g, m_slot.data)
        m *= 1 - self.beta_1
        m += m_slot.data
        m_slot.assign(Tensor(m))
        v = xp.multiply(g, g)
        v -= v_slot.data
        v *= 1 - self.beta_2
        v += v_slot.data
        v_slot.assign(Tensor(v))
        if self.amsgrad:
            hat = self._velocity_hats[index]
            v = xp.maximum(hat.data, v)
            hat.assign(Tensor(v))
        divisor = xp.sqrt(v)
        divisor += self.epsilon
        step = xp.multiply(m, alpha)
        step /= divisor
        variable.assign(Tensor(xp.subtract(variable.data, step)))

    def get_config(self):
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "amsgrad": self.amsgrad,
        }
