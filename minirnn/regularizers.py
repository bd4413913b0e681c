"""Regularizers under the names of ``keras.regularizers``: callables from a weight to a scalar penalty."""

import math
from typing import Any

from minirnn import config, ops
from minirnn.autograd import Tensor, convert
from minirnn.utils import registry


def _factor(value, name, where) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{where}: {name} must be a finite number, 0 or more; got {value!r}.")
    return float(value)


class Regularizer:
    """The base class: subclasses define ``__call__(self, x)`` and, to be saved, ``get_config``."""

    def __call__(self, x):
        return 0.0

    def get_config(self) -> dict:
        raise NotImplementedError(f"{type(self).__name__} must define get_config() to be saved.")

    @classmethod
    def from_config(cls, config):
        return cls(**config)


class L1L2(Regularizer):
    """``l1 * sum(|x|) + l2 * sum(x**2)``.

    Parameters
    ----------
    l1, l2 : float
        0 or more; None counts as 0.
    """

    def __init__(self, l1=0.0, l2=0.0):
        self.l1 = _factor(0.0 if l1 is None else l1, "l1", type(self).__name__)
        self.l2 = _factor(0.0 if l2 is None else l2, "l2", type(self).__name__)

    def __call__(self, x) -> Tensor:
        x = convert(x)
        penalty = ops.zeros((), dtype=x.dtype)
        if self.l1:
            penalty = penalty + self.l1 * ops.sum(ops.absolute(x))
        if self.l2:
            penalty = penalty + self.l2 * ops.sum(ops.square(x))
        return penalty

    def get_config(self):
        return {"l1": self.l1, "l2": self.l2}


class L1(Regularizer):
    """``l1 * sum(|x|)``."""

    def __init__(self, l1=0.01):
        self.l1 = _factor(0.01 if l1 is None else l1, "l1", type(self).__name__)

    def __call__(self, x) -> Tensor:
        return self.l1 * ops.sum(ops.absolute(x))

    def get_config(self):
        return {"l1": self.l1}


class L2(Regularizer):
    """``l2 * sum(x**2)``."""

    def __init__(self, l2=0.01):
        self.l2 = _factor(0.01 if l2 is None else l2, "l2", type(self).__name__)

    def __call__(self, x) -> Tensor:
        return self.l2 * ops.sum(ops.square(x))

    def get_config(self):
        return {"l2": self.l2}


class OrthogonalRegularizer(Regularizer):
    """`factor` times the mean of ``|cos|`` of the angles between all pairs of rows (or columns) of a matrix.

    Parameters
    ----------
    factor : float
        0 or more.
    mode : str
        "rows" or "columns".
    """

    def __init__(self, factor=0.01, mode="rows"):
        self.factor = _factor(factor, "factor", type(self).__name__)
        if mode not in ("rows", "columns"):
            raise ValueError(f"{type(self).__name__}: mode must be rows or columns; got {mode!r}.")
        self.mode = mode

    def __call__(self, x) -> Tensor:
        x = convert(x)
        if x.ndim != 2:
            raise ValueError(f"{type(self).__name__}: the weight must have two axes; got shape {x.shape}.")
        rows = x if self.mode == "rows" else ops.transpose(x)
        # Rows of length 0 stay 0.
        squared = ops.sum(ops.square(rows), axis=1, keepdims=True)
        rows = rows / ops.sqrt(ops.maximum(squared, config.epsilon() ** 2))
        count = rows.shape[0]
        cosines = ops.matmul(rows, ops.transpose(rows)) * (1.0 - ops.eye(count, dtype=x.dtype))
        # Each pair stands twice in the matrix. A single row has none, and then the sum is 0 as well.
        pairs = count * (count - 1) / 2
        return self.factor * 0.5 / max(pairs, 1.0) * ops.sum(ops.absolute(cosines))

    def get_config(self):
        return {"factor": self.factor, "mode": self.mode}


_table = registry.Table(
    "regularizer",
    "keras.regularizers",
    (Regularizer, L1, L2, L1L2, OrthogonalRegularizer),
    {"l1_l2": L1L2},
)
l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer


def get(identifier) -> Any:
    """Return a regularizer from its name, its config, its class, or itself; None gives None.

    Raises
    ------
    ValueError
        If the name is not known, or `identifier` is no callable.
    """
    return _table.get(identifier)


def serialize(regularizer):
    """Return the config of a regularizer."""
    return registry.serialize_keras_object(regularizer)


def deserialize(config, custom_objects=None):
    """Return the regularizer of a name or config."""
    return _table.deserialize(config, custom_objects)
