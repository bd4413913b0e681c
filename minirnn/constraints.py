"""Constraints under the names of ``keras.constraints``: callables from a weight to the nearest allowed one.

An optimizer applies a Variable's constraint after each of its updates.
"""

from typing import Any

from minirnn import config, ops
from minirnn.autograd import Tensor, convert
from minirnn.utils import registry


class Constraint:
    """The base class: subclasses define ``__call__(self, w)``."""

    def __call__(self, w):
        return w

    def get_config(self) -> dict:
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def _norms(w: Tensor, axis) -> Tensor:
    return ops.sqrt(ops.sum(ops.square(w), axis=axis, keepdims=True))


class MaxNorm(Constraint):
    """Norms along `axis` of at most `max_value`.

    Parameters
    ----------
    max_value : float
    axis : int or tuple of int
        0 for the inputs of each unit of a kernel of shape (inputs, units).
    """

    def __init__(self, max_value: float = 2, axis: Any = 0):
        self.max_value, self.axis = max_value, axis

    def __call__(self, w) -> Tensor:
        w = convert(w)
        norms = _norms(w, self.axis)
        return w * (ops.clip(norms, 0, self.max_value) / (norms + config.epsilon()))

    def get_config(self):
        return {"max_value": self.max_value, "axis": self.axis}


class NonNeg(Constraint):
    """Nothing below 0."""

    def __call__(self, w) -> Tensor:
        return ops.maximum(w, 0)


class UnitNorm(Constraint):
    """Norms of 1 along `axis`; see `MaxNorm`."""

    def __init__(self, axis: Any = 0):
        self.axis = axis

    def __call__(self, w) -> Tensor:
        w = convert(w)
        return w / (_norms(w, self.axis) + config.epsilon())

    def get_config(self):
        return {"axis": self.axis}


class MinMaxNorm(Constraint):
    """Norms along `axis` between two values, or a share `rate` of the way there.

    Parameters
    ----------
    min_value, max_value : float
    rate : float
        1 applies the constraint at once.
    axis : int or tuple of int
        See `MaxNorm`.
    """

    def __init__(self, min_value=0.0, max_value=1.0, rate=1.0, axis: Any = 0):
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def __call__(self, w) -> Tensor:
        w = convert(w)
        norms = _norms(w, self.axis)
        wanted = self.rate * ops.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (wanted / (norms + config.epsilon()))

    def get_config(self):
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "rate": self.rate,
            "axis": self.axis,
        }


_table = registry.Table(
    "constraint", "keras.constraints", (Constraint, MaxNorm, NonNeg, UnitNorm, MinMaxNorm)
)
max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm


def get(identifier) -> Any:
    """Return a constraint from its name, its config, its class, or itself; None gives None.

    Raises
    ------
    ValueError
        If the name is not known, or `identifier` is no callable.
    """
    return _table.get(identifier)


def serialize(constraint):
    """Return the config of a constraint."""
    return registry.serialize_keras_object(constraint)


def deserialize(config, custom_objects=None):
    """Return the constraint of a name or config."""
    return _table.deserialize(config, custom_objects)
