"""LossScaleOptimizer: the loss as large as float16 gradients bear it."""

import functools
import inspect
import operator
from typing import Any

import numpy as np

from minirnn import backend, initializers
from minirnn.autograd import Tensor, Variable, convert, no_grad
from minirnn.optimizers.arguments import check_count, check_number
from minirnn.optimizers.optimizer import Optimizer
from minirnn.utils import registry

_SMALLEST = float(np.finfo("float32").tiny)


class LossScaleOptimizer(Optimizer):
    """Lets another optimizer see the gradients of a loss that was scaled up, scaled down again.

    Small gradients are 0 in float16, unless the loss is multiplied before the reverse pass. The scale is
    halved when a gradient comes out infinite or NaN, and that step is left out; it is doubled after so many
    steps without one (Micikevicius et al. 2018, section 3.2).

    Parameters
    ----------
    inner_optimizer : Optimizer
        It updates the weights; its own `loss_scale_factor` is set to None.
    initial_scale : float
        The scale to start with, above 0.
    dynamic_growth_steps : int
        1 or more.
    name : str, optional
    **kwargs
        Other arguments of `Optimizer` at their defaults, as old files have them. Others belong to
        `inner_optimizer`.

    Attributes
    ----------
    dynamic_scale : Variable, float32, scalar
        The present scale; there once it is built.
    step_counter : Variable, int32, scalar
        The steps since the scale last changed; there once it is built.

    Notes
    -----
    Whether all gradients are finite is read from the device, once in each step: the number of updates, on
    which most rules depend, is kept on the host.

    Raises
    ------
    TypeError
        If `inner_optimizer` is no optimizer.
    ValueError
        If another argument is none of these.
    """

    step_counter: Variable
    dynamic_scale: Variable

    def __init__(
        self, inner_optimizer, initial_scale=2.0**15, dynamic_growth_steps=2000, name=None, **kwargs
    ):
        where = type(self).__name__
        if not isinstance(inner_optimizer, Optimizer):
            raise TypeError(f"{where}: inner_optimizer must be an Optimizer; got {inner_optimizer!r}.")
        check_number(where, "above 0", initial_scale=initial_scale)
        check_count(where, 1, dynamic_growth_steps=dynamic_growth_steps)
        if not kwargs.pop("dynamic", True):
            raise ValueError(
                f"{where}: dynamic=False, a scale that does not change, is loss_scale_factor of the inner "
                "optimizer."
            )
        parameters = inspect.signature(Optimizer.__init__).parameters
        for argument in kwargs.keys() & parameters.keys():
            value = kwargs.pop(argument)
            if value != parameters[argument].default:
                inner = type(inner_optimizer).__name__
                raise ValueError(
                    f"{where}: {argument}={value!r} belongs to the inner optimizer: "
                    f"{where}({inner}({argument}={value!r}))."
                )
        super().__init__(0.0, name=name, **kwargs)
        self.inner_optimizer = inner_optimizer
        self.initial_scale, self.dynamic_growth_steps = initial_scale, dynamic_growth_steps
        inner_optimizer.loss_scale_factor = None

    def build(self, variables):
        if not self.built:
            variables = list(variables)
            # Both stay on the host, which reads them in each step.
            with backend.device("cpu"):
                self.step_counter = self.add_variable((), dtype="int32", name="step_counter")
                self.dynamic_scale = self.add_variable(
                    (), initializers.Constant(self.initial_scale), "float32", name="dynamic_scale"
                )
            self.inner_optimizer.build(variables)
            super().build(variables)

    @property
    def variables(self) -> list[Variable]:
        """Its own state, then that of the inner optimizer."""
        return self._variables + self.inner_optimizer.variables

    @property
    def iterations(self) -> Any:
        """The updates so far; steps that were left out do not count."""
        return self.inner_optimizer.iterations

    @property
    def learning_rate(self):
        """That of the inner optimizer."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        self.inner_optimizer.learning_rate = value

    def apply(self, grads, trainable_variables=None) -> None:
        """Update weights by the gradients of the scaled loss, unless one of them is infinite or NaN.

        Parameters and errors are those of `Optimizer.apply`.
        """
        with no_grad():
            pairs = self._pairs(grads, trainable_variables)
            if not pairs:
                return
            scale, steps = float(self.dynamic_scale), int(self.step_counter) + 1
            if not _all_finite([gradient for gradient, _ in pairs]):
                # Down to 0 it would let a later gradient pass as 0 / 0.
                self.dynamic_scale.assign(max(scale / 2, _SMALLEST))
                self.step_counter.assign(0)
                return
            unscaled = [Tensor(_at_least_float32(gradient) / scale) for gradient, _ in pairs]
            self.inner_optimizer.apply(unscaled, [variable for _, variable in pairs])
            if steps == self.dynamic_growth_steps:
                self.dynamic_scale.assign(scale * 2)
                steps = 0
            self.step_counter.assign(steps)

    def scale_loss(self, loss) -> Any:
        """Return the loss times the present scale, float32 at least."""
        scale = float(self.dynamic_scale) if self.built else self.initial_scale
        loss = convert(loss)
        return (convert(loss, "float32") if loss.data.dtype.itemsize < 4 else loss) * scale

    def finalize_variable_values(self, var_list) -> None:
        """See `Optimizer`; the inner one keeps the averages."""
        self.inner_optimizer.finalize_variable_values(var_list)

    def exclude_from_weight_decay(self, var_list=None, var_names=None) -> None:
        """See `Optimizer`; it is the inner one that lets weights decay."""
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    def get_config(self) -> dict:
        return {
            "name": self.name,
            "inner_optimizer": registry.serialize_keras_object(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        inner = registry.deserialize_keras_object(config.pop("inner_optimizer"), custom_objects)
        return cls(inner, **config)


def _at_least_float32(gradient):
    data = gradient.data
    return data.astype("float32") if data.dtype.itemsize < 4 else data


def _all_finite(grads) -> bool:
    """Whether no gradient has an infinite or NaN entry: one flag read from the device."""
    flags = [backend.array_module(g.data).isfinite(g.data).all() for g in grads]
    return bool(functools.reduce(operator.and_, flags))
