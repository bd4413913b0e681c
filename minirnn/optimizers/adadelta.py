"""Adadelta."""

from typing import Any

from minirnn import backend
from minirnn.autograd import Tensor
from minirnn.optimizers.arguments import check_number
from minirnn.optimizers.constructor import takes_common_arguments
from minirnn.optimizers.optimizer import Optimizer


class Adadelta(Optimizer):
    """Steps in the unit of the weights, by moving mean squares of gradients and steps (Zeiler 2012)::

        a = rho * a + (1 - rho) * g**2
        step = g * sqrt(d + epsilon) / sqrt(a + epsilon)
        d = rho * d + (1 - rho) * step**2
        w = w - learning_rate * step

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
        The paper has 1.
    rho : float
        In [0, 1].
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
    def __init__(self, learning_rate: Any = 0.001, rho=0.95, epsilon=1e-7, **kwargs):
        check_number(type(self).__name__, "in [0, 1]", rho=rho)
        check_number(type(self).__name__, "0 or more", epsilon=epsilon)
        super().__init__(learning_rate, **kwargs)
        self.rho, self.epsilon = rho, epsilon

    def build(self, variables):
        if not self.built:
            super().build(variables)
            self._of_gradients, self._of_steps = self.add_optimizer_variables(
                variables, ["accumulated_grad", "accumulated_delta_var"]
            )

    def update_step(self, gradient, variable, learning_rate):
        xp = backend.array_module(variable.data)
        index = self._get_variable_index(variable)
        g, rho = gradient.data, self.rho
        a_slot, d_slot = self._of_gradients[index], self._of_steps[index]
        a = rho * a_slot.data + (1 - rho) * (g * g)
        step = g * xp.sqrt(d_slot.data + self.epsilon) / xp.sqrt(a + self.epsilon)
        a_slot.assign(Tensor(a))
        d_slot.assign(Tensor(rho * d_slot.data + (1 - rho) * (step * step)))
        variable.assign(Tensor(variable.data - learning_rate * step))

    def get_config(self):
        return {**super().get_config(), "rho": self.rho, "epsilon": self.epsilon}
