"""Nadam."""

import math
from typing import Any

from minirnn import backend
from minirnn.autograd import Tensor, Variable
from minirnn.optimizers.arguments import check_number
from minirnn.optimizers.constructor import takes_common_arguments
from minirnn.optimizers.optimizer import Optimizer


class Nadam(Optimizer):
    """Adam with Nesterov momentum (Dozat 2016, algorithm 2), t counting from 1::

        u(t) = beta_1 * (1 - 0.96**t / 2)                   (the momentum of a step)
        U = u(1) * ... * u(t)
        m = m + (1 - beta_1) * (g - m)
        v = v + (1 - beta_2) * (g**2 - v)
        a = u(t + 1) * m / (1 - U * u(t + 1)) + (1 - u(t)) * g / (1 - U)
        w = w - learning_rate * a / (sqrt(v / (1 - beta_2**t)) + epsilon)

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
    beta_1, beta_2 : float
        In [0, 1).
    epsilon : float
        0 or more.
    **kwargs
        See `Optimizer`; they may also stand behind these, in the order there.

    Raises
    ------
    ValueError
        If an argument is none of these.
    """

    _u_product: Variable

    @takes_common_arguments
    def __init__(self, learning_rate: Any = 0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, **kwargs):
        check_number(type(self).__name__, "in [0, 1)", beta_1=beta_1, beta_2=beta_2)
        check_number(type(self).__name__, "0 or more", epsilon=epsilon)
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def build(self, variables):
        if not self.built:
            variables = list(variables)
            super().build(variables)
            dtype = variables[0].dtype.name if variables else None
            self._momentums, self._velocities = self.add_optimizer_variables(
                variables, ["momentum", "velocity"]
            )
            # On the host, which reads it in each step.
            with backend.device("cpu"):
                self._u_product = self.add_variable((), "ones", dtype, name="u_product")

    def _momentum_of(self, t):
        return self.beta_1 * (1 - 0.5 * 0.96**t)

    def _update(self, grads, variables):
        t = int(self.iterations) + 1
        self._u_product.assign(float(self._u_product) * self._momentum_of(t))
        super()._update(grads, variables)

    def update_step(self, gradient, variable, learning_rate):
        xp = backend.array_module(variable.data)
        index = self._get_variable_index(variable)
        t = int(self.iterations) + 1
        u, u_next, product = self._momentum_of(t), self._momentum_of(t + 1), float(self._u_product)
        g = gradient.data
        m_slot, v_slot = self._momentums[index], self._velocities[index]
        m = m_slot.data + (1 - self.beta_1) * (g - m_slot.data)
        v = v_slot.data + (1 - self.beta_2) * (g * g - v_slot.data)
        m_slot.assign(Tensor(m))
        v_slot.assign(Tensor(v))
        ahead = m * (u_next / (1 - product * u_next)) + g * ((1 - u) / (1 - product))
        divisor = xp.sqrt(v) * (1 / math.sqrt(1 - self.beta_2**t)) + self.epsilon
        variable.assign(Tensor(variable.data - learning_rate * ahead / divisor))

    def get_config(self):
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }
