"""Stochastic gradient descent."""

from typing import Any

from minirnn import backend
from minirnn.autograd import Tensor, Variable
from minirnn.optimizers.arguments import check_number
from minirnn.optimizers.constructor import takes_common_arguments
from minirnn.optimizers.optimizer import Optimizer


class SGD(Optimizer):
    """Gradient descent, with momentum::

        m = momentum * m - learning_rate * g
        w = w + m                                         (plain)
        w = w + momentum * m - learning_rate * g          (Nesterov)

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
    momentum : float
        In [0, 1].
    nesterov : bool
    **kwargs
        See `Optimizer`; they may also stand behind these, in the order there.

    Raises
    ------
    ValueError
        If an argument is none of these.
    """

    @takes_common_arguments
    def __init__(self, learning_rate: Any = 0.01, momentum=0.0, nesterov=False, **kwargs):
        check_number(type(self).__name__, "in [0, 1]", momentum=momentum)
        super().__init__(learning_rate, **kwargs)
        self.momentum, self.nesterov = float(momentum), nesterov
        self._momentums: list[Variable] = []

    def build(self, variables):
        if not self.built:
            super().build(variables)
            if self.momentum:
                self._momentums = self.add_optimizer_variables(variables, "momentum")

    def update_step(self, gradient, variable, learning_rate):
        xp = backend.array_module(variable.data)
        step = xp.multiply(gradient.data, -learning_rate)
        if self.momentum:
            slot = self._momentums[self._get_variable_index(variable)]
            momentum = xp.multiply(slot.data, self.momentum)
            momentum += step
            slot.assign(Tensor(momentum))
            step = step + self.momentum * momentum if self.nesterov else momentum
        variable.assign(Tensor(xp.add(variable.data, step)))

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}
