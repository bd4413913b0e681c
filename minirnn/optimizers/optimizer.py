"""The base class of optimizers: what happens around one update of the weights.

In this order: gradients are checked, unscaled, accumulated, clipped; weights decay; the rule of the subclass
updates them; their moving averages and constraints follow. Nothing is changed before all checks are passed.
"""

import re
import warnings
from typing import Any

from minirnn import backend, config, initializers
from minirnn.autograd import Tensor, Variable, convert, no_grad
from minirnn.optimizers.arguments import check_count, check_known, check_number, check_optional, rate_of
from minirnn.optimizers.clipping import clip
from minirnn.optimizers.schedules import LearningRateSchedule
from minirnn.optimizers.state import OptimizerState
from minirnn.utils import registry
from minirnn.utils.naming import auto_name


class Optimizer(OptimizerState):
    """The base class: subclasses define ``build``, ``update_step`` and ``get_config``.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
        A schedule is called with the number of steps so far, a callable without arguments.
    weight_decay : float, optional
        Before each update every weight loses this share, times the learning rate, of itself.
    clipnorm : float, optional
        The largest norm of the gradient of one weight.
    clipvalue : float, optional
        The largest absolute value in a gradient.
    global_clipnorm : float, optional
        The largest norm of all gradients together. At most one of the three may be given.
    use_ema : bool
        Keep a moving average of each weight.
    ema_momentum : float
        In [0, 1]: the share of the old average in the new one.
    ema_overwrite_frequency : int, optional
        Set the weights to their averages every so many steps; by default `finalize_variable_values` does.
    loss_scale_factor : float, optional
        What `scale_loss` multiplies the loss by, and gradients are divided by.
    gradient_accumulation_steps : int, optional
        2 or more: update once in so many steps, by the mean of their gradients.
    name : str, optional

    Attributes
    ----------
    iterations : Variable, int32, scalar
        The steps so far (those that updated, if gradients are accumulated).
    variables : list of Variable
        Its whole state: the iterations, the learning rate, then what `build` made.

    Raises
    ------
    ValueError
        If an argument is none of these.
    """

    def __init__(
        self,
        learning_rate,
        weight_decay=None,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name=None,
        **kwargs,
    ):
        where = type(self).__name__
        if kwargs.pop("decay", None):  # an old config has 0
            warnings.warn(
                f"{where}: decay is ignored, as in Keras 3; for a rate that falls with the steps pass "
                "learning_rate=schedules.InverseTimeDecay(...).",
                stacklevel=4,
            )
        check_known(type(self), kwargs, Optimizer)
        limits = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        check_optional(where, "above 0", **limits, loss_scale_factor=loss_scale_factor)
        check_optional(where, "0 or more", weight_decay=weight_decay)
        if sum(limit is not None for limit in limits.values()) > 1:
            raise ValueError(
                f"{where}: at most one of clipnorm, clipvalue and global_clipnorm can be set; got "
                f"{', '.join(f'{name}={limit}' for name, limit in limits.items())}."
            )
        if gradient_accumulation_steps:
            check_count(where, 2, gradient_accumulation_steps=gradient_accumulation_steps)
        if use_ema:
            check_number(where, "in [0, 1]", ema_momentum=ema_momentum)
            if ema_overwrite_frequency:
                check_count(where, 1, ema_overwrite_frequency=ema_overwrite_frequency)
        if not callable(learning_rate):
            learning_rate = rate_of(learning_rate, where)
        super().__init__()
        self.name = name or auto_name(where)
        self.weight_decay = weight_decay
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.use_ema, self.ema_momentum = use_ema, ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.built = False
        self._trainable_variables: list[Variable] = []
        self._indices: dict[int, int] = {}
        self._no_decay: tuple[list[Variable], re.Pattern | None] = ([], None)
        self._warned = False
        self._averages: list[Variable] = []
        self._accumulators: list[Variable] = []
        # Both stay on the host, which reads them in each step.
        with backend.device("cpu"):
            self._iterations = self.add_variable((), dtype="int32", name="iteration")
            self._learning_rate: Any = learning_rate
            if not callable(learning_rate):
                self._learning_rate = self.add_variable(
                    (), initializers.Constant(learning_rate), config.floatx(), name="learning_rate"
                )

    def __setstate__(self, state):
        # In a copy the same weights are other objects.
        self.__dict__.update(state)
        self._indices = {id(v): i for i, v in enumerate(self._trainable_variables)}
        for variable in (self._iterations, self._learning_rate):
            if isinstance(variable, Variable):  # loaded from a file, on the current device
                variable.data = backend.to_numpy(variable.data)

    @property
    def iterations(self) -> Any:
        if self.gradient_accumulation_steps:
            return self._iterations // self.gradient_accumulation_steps
        return self._iterations

    @property
    def learning_rate(self) -> Any:
        """The present rate: a Variable, or what the schedule or callable gives. Assign a number to set it."""
        if isinstance(self._learning_rate, LearningRateSchedule):
            with backend.device("cpu"):
                return self._learning_rate(self._iterations)
        return self._learning_rate if isinstance(self._learning_rate, Variable) else self._learning_rate()

    @learning_rate.setter
    def learning_rate(self, value):
        variable = self._learning_rate if isinstance(self._learning_rate, Variable) else None
        if callable(value) and not isinstance(value, Tensor):
            self._learning_rate = value
            self._variables = [v for v in self._variables if v is not variable]
        elif variable is None:
            raise TypeError(
                f"{self._where}: its learning rate is a schedule or a callable and "
                "cannot be set to a number; make the optimizer with a number to set it later."
            )
        else:
            variable.assign(rate_of(value, self._where))

    def build(self, variables) -> None:
        """Make the state for these weights; subclasses add their own."""
        variables = list(variables)
        if self.use_ema:
            self._averages = self.add_optimizer_variables(variables, "average")
        if self.gradient_accumulation_steps:
            self._accumulators = self.add_optimizer_variables(variables, "gradient_accumulator")
        self._indices = {id(v): i for i, v in enumerate(variables)}
        self._trainable_variables = variables
        self.built = True

    def _get_variable_index(self, variable) -> int:
        index = self._indices.get(id(variable))
        if index is None:
            raise ValueError(
                f"{self._where}: variable {variable.path!r} is not one of those that it was built with; make "
                "another optimizer for other variables."
            )
        return index

    def assign(self, variable, value) -> None:
        """Set a Variable; for rules written as in Keras, where ``variable.assign`` does the same."""
        variable.assign(value)

    def assign_add(self, variable, value) -> None:
        """Add to a Variable."""
        variable.assign_add(value)

    def assign_sub(self, variable, value) -> None:
        """Subtract from a Variable."""
        variable.assign_sub(value)

    def update_step(self, gradient, variable, learning_rate) -> None:
        """Update one weight.

        Parameters
        ----------
        gradient : Tensor
            Of the shape and dtype of `variable`.
        variable : Variable
        learning_rate : float
        """
        raise NotImplementedError(f"{type(self).__name__} must define update_step().")

    def apply_gradients(self, grads_and_vars) -> Any:
        """Update weights from pairs of a gradient and a Variable; returns the number of calls so far."""
        pairs = list(grads_and_vars)
        self.apply([g for g, _ in pairs], [v for _, v in pairs])
        return self._iterations

    def apply(self, grads, trainable_variables=None) -> None:
        """Update weights by their gradients.

        Parameters
        ----------
        grads : list of (Tensor, array or None)
            One for each weight, of its shape; a weight with None stays as it is, with a warning at first.
        trainable_variables : list of Variable, optional
            Default: those that the optimizer was built with. The first call builds it.

        Raises
        ------
        ValueError
            If there is no gradient at all, one has another shape than its weight, or a weight is not among
            those that the optimizer was built with. Nothing is changed then.
        """
        with no_grad():
            pairs = self._pairs(grads, trainable_variables)
            if not pairs:
                return
            self._step([g for g, _ in pairs], [v for _, v in pairs])
            for _, variable in pairs:
                if variable.constraint is not None:
                    variable.assign(variable.constraint(variable))
            self._iterations.assign_add(1)

    def _pairs(self, grads, variables) -> list[tuple[Tensor, Variable]]:
        """Return the gradients with their weights, all checked, and build what is not built yet."""
        grads, where = list(grads), self._where
        if not grads:
            return []
        if variables is not None:
            variables = list(variables)
        elif self.built:
            variables = self._trainable_variables
        else:
            raise ValueError(
                f"{where}: call build(variables) first, or give the variables with the gradients."
            )
        if len(grads) != len(variables):
            raise ValueError(f"{where}: {len(variables)} variables need as many gradients; got {len(grads)}.")
        pairs = self._checked(grads, variables, where)
        if not self.built:
            self.build(variables)
        return pairs

    def _checked(self, grads, variables, where) -> list[tuple[Tensor, Variable]]:
        """Return the pairs that have a gradient, after all that can be wrong with them has been looked at."""
        pairs, missing = [], []
        for gradient, variable in zip(grads, variables):
            if self.built:
                self._get_variable_index(variable)
            if gradient is None:
                missing.append(variable.path)
                continue
            gradient = gradient if isinstance(gradient, Tensor) else convert(gradient)
            if gradient.data.shape != variable.data.shape:
                raise ValueError(
                    f"{where}: the gradient of {variable.path!r} must have its shape, {variable.shape}; got "
                    f"{gradient.shape}."
                )
            if gradient.data.dtype != variable.data.dtype:
                gradient = convert(gradient, variable.dtype)
            pairs.append((gradient, variable))
        if not pairs:
            raise ValueError(
                f"{where}: no variable has a gradient. The loss does not depend on any of {missing}; it was "
                "perhaps computed outside of the recorded function or inside of no_grad()."
            )
        if missing and not self._warned:
            self._warned = True
            warnings.warn(
                f"{where}: there is no gradient for {missing}; they stay as they are.", stacklevel=4
            )
        return pairs

    def _step(self, grads, variables):
        if self.loss_scale_factor is not None:
            grads = [Tensor(g.data / self.loss_scale_factor) for g in grads]
        if not self.gradient_accumulation_steps:
            self._update(grads, variables)
        else:
            slots = [self._accumulators[self._indices[id(v)]] for v in variables]
            if (int(self._iterations) + 1) % self.gradient_accumulation_steps:
                for slot, gradient in zip(slots, grads):
                    slot.assign_add(gradient)
            else:
                steps = self.gradient_accumulation_steps
                self._update([Tensor((g.data + s.data) / steps) for g, s in zip(grads, slots)], variables)
                for slot in self._accumulators:
                    slot.assign(Tensor(backend.array_module(slot.data).zeros_like(slot.data)))
        if self.use_ema:
            self._update_averages()

    def _update(self, grads, variables):
        grads = clip(grads, self.clipvalue, self.clipnorm, self.global_clipnorm)
        rate = float(self.learning_rate)
        if self.weight_decay is not None:
            for variable in variables:
                if self._use_weight_decay(variable):
                    variable.assign(Tensor(variable.data - variable.data * (self.weight_decay * rate)))
        for gradient, variable in zip(grads, variables):
            self.update_step(gradient, variable, rate)

    def _update_averages(self):
        step = int(self.iterations)
        momentum = self.ema_momentum if step else 0.0
        for variable, average in zip(self._trainable_variables, self._averages):
            average.assign(Tensor(momentum * average.data + (1 - momentum) * variable.data))
        if self.ema_overwrite_frequency and (step + 1) % self.ema_overwrite_frequency == 0:
            self.finalize_variable_values(self._trainable_variables)

    def finalize_variable_values(self, var_list) -> None:
        """Set the weights to their moving averages, if `use_ema`."""
        if self.use_ema:
            averages = [self._averages[self._get_variable_index(variable)] for variable in var_list]
            for variable, average in zip(var_list, averages):
                variable.assign(average)

    def exclude_from_weight_decay(self, var_list=None, var_names=None) -> None:
        """Let some weights not decay; to be called before `build`.

        Parameters
        ----------
        var_list : list of Variable, optional
        var_names : list of str, optional
            Regular expressions: a weight is excluded if one is found in its name.
        """
        if self.built:
            raise ValueError(f"{self._where}: exclude_from_weight_decay must be called before build.")
        if isinstance(var_names, str):
            raise ValueError(
                f"{self._where}: var_names must be a list of regular expressions; got {var_names!r}. Write "
                f"[{var_names!r}]."
            )
        pattern = re.compile("|".join(sorted(set(var_names)))) if var_names else None
        self._no_decay = (list(var_list or ()), pattern)

    def _use_weight_decay(self, variable) -> bool:
        excluded, pattern = self._no_decay
        listed = any(v is variable for v in excluded)
        return not listed and not (pattern and pattern.search(variable.name))

    def scale_loss(self, loss) -> Any:
        """Return the loss times `loss_scale_factor`, if there is one."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def get_config(self) -> dict:
        rate = self._learning_rate
        return {
            "name": self.name,
            "learning_rate": float(rate)
            if isinstance(rate, Variable)
            else registry.serialize_keras_object(rate),
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        if isinstance(config.get("learning_rate"), dict):
            config["learning_rate"] = registry.deserialize_keras_object(
                config["learning_rate"], custom_objects
            )
        return cls(**config)
