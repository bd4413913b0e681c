"""`Dot`: products of two tensors along an axis of each, row by row of the batch."""

import math
from typing import Any

import numpy as np

from minirnn import ops
from minirnn.layers.merging import Merge, check_is_list


class Dot(Merge):
    """Contract one axis of each of two inputs, for each row of the batch by itself.

    Parameters
    ----------
    axes : int or tuple of two ints
        The axis of each input, the batch axis counted as 0 (which cannot be contracted).
    normalize : bool
        Whether both are divided by their norms along those axes before: cosine similarity.

    Raises
    ------
    ValueError, TypeError
        If `axes` is none of these; at the call, if the sizes along them differ.

    Notes
    -----
    Of inputs (batch, 5, k) and (batch, k, 7) with axes (2, 1) comes (batch, 5, 7); of two (batch, k),
    (batch, 1).
    """

    _count = 2

    def __init__(self, axes, normalize=False, **kwargs):
        super().__init__(**kwargs)
        pair = isinstance(axes, list | tuple)
        if not pair and (isinstance(axes, bool) or not isinstance(axes, int | np.integer)):
            raise TypeError(f"{self._where}: axes must be an integer or two; got {axes!r}.")
        if pair and (len(axes) != 2 or not all(isinstance(a, int | np.integer) for a in axes)):
            raise ValueError(f"{self._where}: axes must be an integer or two; got {axes!r}.")
        self.axes = axes
        self.normalize = normalize

    def _resolved(self, shapes) -> list[int]:
        axes = self.axes if isinstance(self.axes, list | tuple) else (self.axes, self.axes)
        for axis, shape in zip(axes, shapes):
            if not -len(shape) <= axis < len(shape) or axis % len(shape) == 0:
                raise ValueError(
                    f"{self._where}: axes {self.axes} must name an axis of each input other than the batch "
                    f"axis 0; got shapes {[tuple(s) for s in shapes]}."
                )
        return [int(axis) % len(shape) for axis, shape in zip(axes, shapes)]

    def _check_shapes(self, shapes):
        check_is_list(self, shapes, self._count)
        super()._check_shapes([s[:1] for s in shapes])
        a, b = self._resolved(shapes)
        if None not in (shapes[0][a], shapes[1][b]) and shapes[0][a] != shapes[1][b]:
            raise ValueError(
                f"{self._where}: the contracted axes {a} and {b} must have equal sizes; got shapes "
                f"{[tuple(s) for s in shapes]}."
            )

    def call(self, inputs):
        check_is_list(self, inputs, self._count)
        self._check_shapes([x.shape for x in inputs])
        x, y = inputs
        a, b = self._resolved((x.shape, y.shape))
        if self.normalize:
            x, y = ops.normalize(x, axis=a), ops.normalize(y, axis=b)
        x, y = ops.moveaxis(x, a, -1), ops.moveaxis(y, b, 1)
        batch, *left, size = x.shape
        right = y.shape[2:]
        product = ops.matmul(
            ops.reshape(x, (batch, math.prod(left), size)), ops.reshape(y, (batch, size, math.prod(right)))
        )
        return ops.reshape(product, (batch, *left, *right) if left or right else (batch, 1))

    def compute_mask(self, inputs, mask=None):
        return None

    def get_config(self):
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}


def dot(inputs, axes: Any = -1, **kwargs) -> Any:
    """Call a new `Dot` layer on `inputs`."""
    return Dot(axes=axes, **kwargs)(inputs)
