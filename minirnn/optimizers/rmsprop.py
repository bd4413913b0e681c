"""RMSprop."""

from typing import Any

from minirnn import backend
from minirnn.autograd import Tensor, Variable
from minirnn.optimizers.arguments import check_number
from minirnn.optimizers.constructor import takes_common_arguments
from minirnn.optimizers.optimizer import Optimizer


class RMSprop(Optimizer):
    """Steps divided by a moving root mean square of the gradient (Hinton 2012, lecture 6)::

        v = rho * v + (1 - rho) * g**2
        a = rho * a + (1 - rho) * g                         (0 unless centered)
        step = learning_rate * g / sqrt(v - a**2 + epsilon)
        m = momentum * m + step                             (step without momentum)
        w = w - m

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
    rho, momentum : float
        In [0, 1].
    epsilon : float
        0 or more.
    centered : bool
        Divide by the standard deviation of the gradient instead.
    **kwargs
        See `Optimizer`; they may also stand behind these, in the order there.

    Raises
    ------
    ValueError
        If an argument is none of these.
    """

    @takes_common_arguments
    def __init__(
        self, learning_rate: Any = 0.001, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False, **kwargs
    ):
        check_number(type(self).__name__, "in [0, 1]", rho=rho, momentum=momentum)
        check_number(type(self).__name__, "0 or more", epsilon=epsilon)
        super().__init__(learning_rate, **kwargs)
        self.rho, self.momentum, self.epsilon, self.centered = rho, momentum, epsilon, centered
        self._momentums: list[Variable] = []
        self._average_gradients: list[Variable] = []

    def build(self, variables):
        if not self.built:
            super().build(variables)
            self._velocities = self.add_optimizer_variables(variables, "velocity")
            if self.momentum > 0:
                self._momentums = self.add_optimizer_variables(variables, "momentum")
            if self.centered:
                self._average_gradients = self.add_optimizer_variables(variables, "average_gradient")

    def update_step(self, gradient, variable, learning_rate):
        xp = backend.array_module(variable.data)
        index = self._get_variable_index(variable)
        g, rho = gradient.data, self.rho
        work = xp.multiply(g, g, out=xp.empty_like(g))
        work *= 1 - rho
        slot = self._velocities[index]
        v = xp.multiply(slot.data, rho)
        v += work
        slot.assign(Tensor(v))
        if self.centered:
            slot = self._average_gradients[index]
            average = rho * slot.data + (1 - rho) * g
            slot.assign(Tensor(average))
            xp.multiply(average, average, out=work)
            xp.subtract(v, work, out=work)
            work += self.epsilon
        else:
            xp.add(v, self.epsilon, out=work)
        xp.sqrt(work, out=work)
        step = xp.multiply(g, learning_rate)
        step /= work
        if self.momentum > 0:
            slot = self._momentums[index]
            step += self.momentum * slot.data
            slot.assign(Tensor(step))
        variable.assign(Tensor(xp.subtract(variable.data, step)))

    def get_config(self):
        return {
            **super().get_config(),
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "centered": self.centered,
        }
