"""Lion."""

from typing import Any

from minirnn import backend
from minirnn.autograd import Tensor
from minirnn.optimizers.arguments import check_number
from minirnn.optimizers.constructor import takes_common_arguments
from minirnn.optimizers.optimizer import Optimizer


class Lion(Optimizer):
    """Steps of one size in each weight, by the sign of a momentum (Chen et al. 2023, algorithm 2)::

        w = w - learning_rate * sign(beta_1 * m + (1 - beta_1) * g)
        m = beta_2 * m + (1 - beta_2) * g

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
        As a rule a third to a tenth of Adam's.
    beta_1 : float
        In (0, 1]; with 0 only the sign of the present gradient would count.
    beta_2 : float
        In [0, 1].
    **kwargs
        See `Optimizer`; they may also stand behind these, in the order there.

    Raises
    ------
    ValueError
        If an argument is none of these.
    """

    @takes_common_arguments
    def __init__(self, learning_rate: Any = 0.001, beta_1=0.9, beta_2=0.99, **kwargs):
        check_number(type(self).__name__, "in (0, 1]", beta_1=beta_1)
        check_number(type(self).__name__, "in [0, 1]", beta_2=beta_2)
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2 = beta_1, beta_2

    def build(self, variables):
        if not self.built:
            super().build(variables)
            self._momentums = self.add_optimizer_variables(variables, "momentum")

    def update_step(self, gradient, variable, learning_rate):
        xp = backend.array_module(variable.data)
        slot = self._momentums[self._get_variable_index(variable)]
        g, m = gradient.data, slot.data
        direction = xp.sign(self.beta_1 * m + (1 - self.beta_1) * g)
        slot.assign(Tensor(self.beta_2 * m + (1 - self.beta_2) * g))
        variable.assign(Tensor(variable.data - learning_rate * direction))

    def get_config(self):
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2}
