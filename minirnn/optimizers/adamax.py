"""Adamax."""

from typing import Any

from minirnn import backend
from minirnn.autograd import Tensor
from minirnn.optimizers.arguments import check_number
from minirnn.optimizers.constructor import takes_common_arguments
from minirnn.optimizers.optimizer import Optimizer


class Adamax(Optimizer):
    """Adam by the largest gradient so far (Kingma and Ba 2015, algorithm 2), t counting from 1::

        m = m + (1 - beta_1) * (g - m)
        u = max(beta_2 * u, |g|)
        w = w - learning_rate * m / ((1 - beta_1**t) * (u + epsilon))

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

    @takes_common_arguments
    def __init__(self, learning_rate: Any = 0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, **kwargs):
        check_number(type(self).__name__, "in [0, 1)", beta_1=beta_1, beta_2=beta_2)
        check_number(type(self).__name__, "0 or more", epsilon=epsilon)
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def build(self, variables):
        if not self.built:
            super().build(variables)
            self._m, self._u = self.add_optimizer_variables(variables, ["momentum", "norm"])

    def update_step(self, gradient, variable, learning_rate):
        xp = backend.array_module(variable.data)
        index = self._get_variable_index(variable)
        t = int(self.iterations) + 1
        g = gradient.data
        m_slot, u_slot = self._m[index], self._u[index]
        m = m_slot.data + (1 - self.beta_1) * (g - m_slot.data)
        u = xp.maximum(self.beta_2 * u_slot.data, xp.absolute(g))
        m_slot.assign(Tensor(m))
        u_slot.assign(Tensor(u))
        step = learning_rate * m / ((1 - self.beta_1**t) * (u + self.epsilon))
        variable.assign(Tensor(variable.data - step))

    def get_config(self):
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }
