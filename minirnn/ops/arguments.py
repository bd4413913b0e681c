"""What the ops do with their arguments before they compute: own memory, axes, and one dtype for several."""

import operator
from typing import Any

from minirnn import backend
from minirnn.autograd import Tensor
from minirnn.autograd import primitives as P
from minirnn.autograd.primitive import convert, convert_float, operands


def own(x, dtype=None) -> Tensor:
    """Return `x` as a Tensor of which views may be given away: what the caller may write to is copied."""
    tensor = convert(x, dtype)
    if isinstance(x, Tensor):
        return tensor
    data = backend.owned(tensor.data, x)
    return tensor if data is tensor.data else Tensor(data)


def pair(x1, x2) -> tuple[Tensor, Tensor]:
    """Return two operands as Tensors of one dtype; a number has that of the other one."""
    a, b = operands(x1, x2)
    like: Any = a if isinstance(a, Tensor) else b
    return convert(a, like.dtype), convert(b, like.dtype)


def wide_float(x) -> Tensor:
    """Return `x` as a Tensor of floats of 32 bits or more: in 16 bits squares overflow, and 1 − 1e-7 is 1."""
    tensor = convert_float(x)
    return convert(tensor, "float32") if tensor.dtype.itemsize < 4 else tensor


def number(x) -> Tensor:
    """Return `x` as a Tensor of numbers: bools become int32."""
    tensor = convert(x)
    return convert(tensor, "int32") if tensor.dtype.kind == "b" else tensor


def one_axis(name, axis, ndim) -> int:
    """Return `axis`, an integer that may be negative, as one from 0.

    Raises
    ------
    ValueError
        If there is no such axis; `name` is the op's.
    """
    try:
        number = operator.index(axis)
    except TypeError:
        raise TypeError(f"{name}: axis must be an integer; got {axis!r}.") from None
    if not -ndim <= number < ndim:
        raise ValueError(
            f"{name}: axis must be from {-ndim} to {ndim - 1}, the array having {ndim} axes; got {axis}."
        )
    return number % ndim


def some_axes(name, axis, ndim) -> tuple[int, ...]:
    """Return None (all), an integer or a sequence of them as a tuple of axes from 0; see `one_axis`."""
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, list | tuple) else (axis,)
    numbers = tuple(one_axis(name, a, ndim) for a in axes)
    if len(set(numbers)) != len(numbers):
        raise ValueError(f"{name}: an axis comes twice in {axis}.")
    return numbers


def line(name, x: Tensor, axis) -> tuple[Tensor, int]:
    """Return `x` and its axis from 0; without an axis `x` is laid flat, along one."""
    if axis is None:
        return P.reshape(x, shape=(x.size,)), 0
    return x, one_axis(name, axis, x.ndim)


def whole_shape(shape: Any) -> tuple[int, ...]:
    """Return an integer or a sequence of integers as a shape."""
    if hasattr(shape, "tolist"):
        shape = shape.tolist()
    if isinstance(shape, list | tuple):
        return tuple([operator.index(n) for n in shape])
    return (operator.index(shape),)


def along(axis, index) -> tuple:
    """Return the index that applies `index` to one axis (from 0) and takes all of those before it."""
    return (slice(None),) * axis + (index,)


def check_range(name, indices, size, axis) -> None:
    """Raise IndexError if an index, which may count from the end, is not within an axis of `size`."""
    wide = indices.astype("int64", copy=False)  # in which both ends of any axis can be said
    if ((wide < -size) | (wide >= size)).any():
        raise IndexError(
            f"{name}: indices along axis {axis} must be from {-size} to {size - 1}; "
            f"got {int(indices.min())} to {int(indices.max())}."
        )
