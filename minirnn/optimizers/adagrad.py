"""Adagrad."""

from typing import Any

from minirnn import backend, initializers
from minirnn.autograd import Tensor
from minirnn.optimizers.arguments import check_number
from minirnn.optimizers.constructor import takes_common_arguments
from minirnn.optimizers.optimizer import Optimizer


class Adagrad(Optimizer):
    """Steps divided by the root of all squared gradients so far (Duchi et al. 2011, with a diagonal)::

        a = a + g**2                                        (starts at initial_accumulator_value)
        w = w - learning_rate * g / sqrt(a + epsilon)

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
    initial_accumulator_value : float
        0 or more.
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
    def __init__(self, learning_rate: Any = 0.001, initial_accumulator_value=0.1, epsilon=1e-7, **kwargs):
        where = type(self).__name__
        check_number(where, "0 or more", initial_accumulator_value=initial_accumulator_value, epsilon=epsilon)
        super().__init__(learning_rate, **kwargs)
        self.initial_accumulator_value, self.epsilon = initial_accumulator_value, epsilon

    def build(self, variables):
        if not self.built:
            super().build(variables)
            start = initializers.Constant(self.initial_accumulator_value)
            self._squares = self.add_optimizer_variables(variables, "accumulator", start)

    def update_step(self, gradient, variable, learning_rate):
        xp = backend.array_module(variable.data)
        slot = self._squares[self._get_variable_index(variable)]
        g = gradient.data
        squares = slot.data + g * g
        slot.assign(Tensor(squares))
        step = learning_rate * g / xp.sqrt(squares + self.epsilon)
        variable.assign(Tensor(variable.data - step))

    def get_config(self):
        return {
            **super().get_config(),
            "initial_accumulator_value": self.initial_accumulator_value,
            "epsilon": self.epsilon,
        }
