"""`Variable`: a Tensor with a name, whose value can be assigned."""

import importlib
from typing import Any

import numpy as np

from minirnn import backend, config
from minirnn.autograd.tensor import Tensor, state

# Of numbers that come without one, by their kind.
_DTYPES = {"b": "bool", "i": "int32"}


class Variable(Tensor):
    """A named Tensor whose value can be assigned: a weight, a moving mean, a state, a counter.

    Parameters
    ----------
    initializer : array, Tensor, number or callable
        The first value; a callable takes ``(shape, dtype=...)``, and a name stands for an initializer.
    shape : tuple of int, optional
        Needed with a callable.
    dtype : str, optional
        Default: that of an array; int32 of integers, bool of truth values, else `config.floatx`.
    trainable : bool
        Whether gradients are wanted by default.
    name : str, optional
        Default "variable".
    autocast : bool
        Whether layers of mixed precision may cast its value in their call.

    Raises
    ------
    ValueError
        If `initializer` is callable and `shape` is missing, or `shape` has an axis below 0.
    """

    autocast = True
    _snapshot: Any = None

    def __init__(
        self, initializer, shape=None, dtype=None, trainable=True, name=None, path=None, autocast=True
    ):
        label = f"Variable {name or 'variable'!r}"
        if isinstance(initializer, str):
            initializer = importlib.import_module("minirnn.initializers").get(initializer)
        if callable(initializer):
            if shape is None:
                raise ValueError(f"{label}: a callable initializer needs shape=.")
            if any(n is None or n < 0 for n in shape):
                raise ValueError(
                    f"{label}: every axis of shape must be known and 0 or more; got {tuple(shape)}."
                )
            initializer = initializer(tuple(shape), dtype=dtype or config.floatx())
        value: Any = initializer.data if isinstance(initializer, Tensor) else initializer
        if dtype is None:
            known = value if backend.is_array(value) else np.asarray(value)
            dtype = known.dtype if known is value else _DTYPES.get(known.dtype.kind, config.floatx())
        super().__init__(backend.owned(backend.asarray(value, dtype), value))
        if not autocast:
            self.autocast = False
        self.name = name or "variable"
        self.path = path or self.name
        self.regularizer: Any = None
        self.constraint: Any = None
        self.created_trainable = self._trainable = bool(trainable)
        self.requires_grad = self._trainable and self.data.dtype.kind == "f"

    @property
    def trainable(self) -> bool:
        return self._trainable

    @trainable.setter
    def trainable(self, value):
        self._trainable = bool(value)
        self.requires_grad = self._trainable and self.data.dtype.kind == "f"
        self._snapshot = None

    @property
    def stored(self) -> Any:
        """The array that is kept, where `data` may be one that a layer of mixed precision had made of it."""
        return self.data

    @property
    def value(self) -> Tensor:
        """The present value, as a Tensor that later assignments do not change."""
        return self.snapshot()

    def snapshot(self) -> Tensor:
        """Return the present value as a Tensor through which gradients still reach this Variable."""
        # Whether it is of the present value is asked each time: another thread may assign between two lines.
        snapshot = self._snapshot
        if snapshot is None or snapshot.data is not self.stored:
            from minirnn.autograd.graph import alias

            snapshot = self._snapshot = alias(self)
        return snapshot

    def assign(self, value):
        """Replace the value; the array itself is never written into, so a graph keeps what it saw.

        Raises
        ------
        ValueError
            If `value` has another shape.
        """
        data = value.data if isinstance(value, Tensor) else value
        if data.__class__ is not self.data.__class__ or data.dtype != self.data.dtype:
            data = backend.asarray_beside(data, self.data, self.data.dtype)
        if not isinstance(value, Tensor):
            data = backend.owned(data, value)
        if data.shape != self.data.shape:
            raise ValueError(
                f"Variable {self.path!r}: assign needs a value of shape {self.shape}; got {data.shape}."
            )
        if not state.inferring:
            if state.assigned is not None:
                state.assigned.setdefault(id(self), (self, self.data))
            self.data = data
        return self

    def assign_add(self, value):
        """Add `value` to the present value."""
        return self.assign(Tensor(self.data + self._beside(value)))

    def assign_sub(self, value):
        """Subtract `value` from the present value."""
        return self.assign(Tensor(self.data - self._beside(value)))

    def _beside(self, value):
        """Return an operand on the device of this Variable; a number stays weak."""
        data = value.data if isinstance(value, Tensor) else value
        if data.__class__ is self.data.__class__ or isinstance(data, int | float | np.generic):
            return data
        return backend.asarray_beside(data, self.data)

    def __repr__(self):
        return f"<Variable path={self.path} shape={self.shape} dtype={self.dtype} value={self.numpy()}>"


def restore(assigned) -> None:
    """Give Variables back what they held, as `state.assigned` noted it.

    `Variable.assign` replaces an array and never writes into it, so the array that it replaced first is all
    that need be kept, and nothing is copied.
    """
    for variable, data in assigned.values():
        variable.data = data
