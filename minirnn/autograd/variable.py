"""`Variable`: a Tensor with a name, whose value can be assigned."""

from typing import Any

import numpy as np

from minirnn import backend, config
from minirnn.autograd.tensor import Tensor, state


class Variable(Tensor):
    """A named Tensor whose value can be assigned: a weight, a moving mean, a state, a counter.

    Parameters
    ----------
    initializer : array, Tensor, number or callable
        The first value; a callable takes ``(shape, dtype=...)``.
    shape : tuple of int, optional
        Needed with a callable.
    dtype : str, optional
        Default: that of an array, `config.floatx` otherwise.
    trainable : bool
        Whether gradients are wanted by default.
    name : str, optional
        Default "variable".

    Raises
    ------
    ValueError
        If `initializer` is callable and `shape` is missing, or `shape` has an axis below 0.
    """

    # Whether layers of mixed precision may cast its value in their call.
    autocast = True
    _snapshot: Any = None

    def __init__(self, initializer, shape=None, dtype=None, trainable=True, name=None, path=None):
        label = f"Variable {name or 'variable'!r}"
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
            dtype = value.dtype if backend.is_array(value) else config.floatx()
        super().__init__(backend.owned(backend.asarray(value, dtype), value))
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
