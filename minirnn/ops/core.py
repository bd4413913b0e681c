"""Conversion, dtypes and shapes, slices and scatters, and gradients stopped or replaced."""

import builtins
import math
import operator
from typing import Any

import numpy as np

from minirnn import autograd, tree
from minirnn.autograd import Tensor, Variable
from minirnn.autograd import primitives as P
from minirnn.autograd.primitive import convert
from minirnn.ops.arguments import check_range, own
from minirnn.ops.symbolic import op


@op
def convert_to_tensor(x, dtype=None, sparse=None, ragged=None) -> Tensor:
    """Return `x` as a Tensor that later writes into `x` do not change.

    Parameters
    ----------
    x : Tensor, Variable, array, number, or nested list of these
        A Tensor is returned as it is, a Variable as its present value, an array is copied.
    dtype : str, optional
        Default: that of an array; floatx for Python floats, int32 for Python integers.
    sparse, ragged : bool, optional
        For Keras's signature; only None and False are taken.

    Raises
    ------
    TypeError
        If `x` holds anything but numbers.
    ValueError
        If the rows of a list have different lengths, or `sparse` or `ragged` is True.
    """
    if sparse or ragged:
        raise ValueError(
            "convert_to_tensor: sparse and ragged tensors do not exist here; pass a dense array."
        )
    tensor = own(x, dtype)
    return tensor.value if isinstance(tensor, Variable) else tensor


@op
def array(x, dtype=None) -> Tensor:
    """Return `x` as a Tensor; the same as `convert_to_tensor`."""
    return convert_to_tensor(own(x), dtype)


def convert_to_numpy(x) -> np.ndarray:
    """Return a Tensor, an array of any device, a number or a nested list as a NumPy array of its own."""
    return convert(x).numpy()


def is_tensor(x) -> bool:
    """Return whether `x` is a Tensor with a value: no array, no list, no symbolic tensor."""
    return isinstance(x, Tensor)


@op
def cast(x, dtype) -> Tensor:
    """Return `x` with another dtype.

    Parameters
    ----------
    x : Tensor or array
    dtype : str or np.dtype
    """
    return own(x, dtype)


@op
def saturate_cast(x, dtype) -> Tensor:
    """Return `x` with another dtype; values out of its range become the nearest value in it, NaN becomes 0.

    Parameters
    ----------
    x : Tensor or array
    dtype : str or np.dtype
    """
    x, target = convert(x), np.dtype(dtype)
    if target.kind == "b" and x.dtype.kind in "iuf":
        return P.greater(x, 0)
    if target.kind not in "iuf" or x.dtype.kind not in "iuf":
        return cast(x, dtype)
    source, limits = (np.finfo(d) if d.kind == "f" else np.iinfo(d) for d in (x.dtype, target))
    low, high = max(source.min, limits.min), min(source.max, limits.max)
    if target.kind == "f":
        if limits.max < source.max:
            x = P.minimum(P.maximum(x, x.dtype.type(limits.min)), x.dtype.type(limits.max))
        return cast(x, dtype)
    if x.dtype.kind == "f":
        x = P.where(P.isnan(x), P.zeros_like(x), x)
        # The largest integer may round up as a float, and then no longer fit.
        below = (
            np.nextafter(x.dtype.type(high), x.dtype.type(0))
            if int(x.dtype.type(high)) > limits.max
            else high
        )
        return cast(P.minimum(P.maximum(x, x.dtype.type(low)), x.dtype.type(below)), dtype)
    return cast(P.minimum(P.maximum(x, low), high), dtype)


@op
def copy(x) -> Tensor:
    """Return a Tensor with memory of its own and the value of `x`; gradients pass through."""
    return P.identity(own(x))


def shape(x) -> tuple[Any, ...]:
    """Return the shape of `x` as a tuple; None stands for an unknown axis of a symbolic tensor."""
    return tuple(x.shape) if hasattr(x, "shape") else convert(x).shape


def dtype(x) -> str:
    """Return the name of the dtype of `x`, such as ``"float32"``."""
    return np.dtype(x.dtype).name if hasattr(x, "dtype") else convert(x).dtype.name


def ndim(x) -> int:
    """Return the number of axes of `x`."""
    return len(shape(x))


def size(x) -> Any:
    """Return the number of elements of `x`; None if a symbolic tensor's is unknown."""
    lengths = shape(x)
    return None if None in lengths else math.prod(n or 0 for n in lengths)


@op
def slice(inputs, start_indices, shape) -> Tensor:
    """Return a block of `inputs`.

    Parameters
    ----------
    inputs : Tensor or array
    start_indices : sequence of int
        Where the block begins, for each axis.
    shape : sequence of int
        The block's shape; −1 takes all that is left of an axis.

    Raises
    ------
    ValueError
        If the numbers of axes differ or the block lies not wholly inside.
    """
    inputs = own(inputs)
    starts, lengths = _indices(start_indices), _indices(shape)
    if not len(starts) == len(lengths) == inputs.ndim:
        raise ValueError(
            f"slice: start_indices and shape need one entry for each of the {inputs.ndim} axes of inputs; "
            f"got {len(starts)} and {len(lengths)}."
        )
    lengths = [m - a if n == -1 else n for m, a, n in zip(inputs.shape, starts, lengths, strict=True)]
    return inputs[_block("slice", inputs.shape, starts, lengths)]


@op
def slice_update(inputs, start_indices, updates) -> Tensor:
    """Return `inputs` with the block that begins at `start_indices` replaced by `updates`.

    Parameters
    ----------
    inputs : Tensor or array
    start_indices : sequence of int
    updates : Tensor or array
        Of as many axes as `inputs`; its shape is the block's.

    Raises
    ------
    ValueError
        If the numbers of axes differ or the block lies not wholly inside.
    """
    inputs = convert(inputs)
    updates = convert(updates, inputs.dtype)
    starts = _indices(start_indices)
    if not len(starts) == updates.ndim == inputs.ndim:
        raise ValueError(
            f"slice_update: start_indices and updates need one entry for each of the {inputs.ndim} axes of "
            f"inputs; got {len(starts)} and {updates.ndim}."
        )
    return P.slice_update(inputs, updates, index=_block("slice_update", inputs.shape, starts, updates.shape))


def _indices(values) -> list[int]:
    return [operator.index(n) for n in (values.tolist() if hasattr(values, "tolist") else values)]


def _block(name, shape, starts, lengths) -> tuple:
    index = ()
    for axis, (size, start, length) in enumerate(zip(shape, starts, lengths, strict=True)):
        if not 0 <= start <= start + length <= size:
            raise ValueError(
                f"{name}: a block of length {length} from {start} does not fit axis {axis} of size {size}; "
                "start_indices must be 0 or more."
            )
        index += (builtins.slice(start, start + length),)
    return index


@op
def scatter(indices, values, shape) -> Tensor:
    """Return zeros of `shape` with `values` added at `indices`; those at one place sum up.

    Parameters
    ----------
    indices : array of int, shape (..., k)
        The last axis holds a place's first `k` coordinates.
    values : Tensor or array, shape (..., *shape[k:])
    shape : sequence of int

    Raises
    ------
    IndexError
        If an index is out of range.
    """
    values, shape = convert(values), tuple(_indices(shape))
    return P.scatter(values, index=_coordinates("scatter", indices, shape), shape=shape)


@op
def scatter_update(inputs, indices, updates, reduction=None) -> Tensor:
    """Return `inputs` with `updates` put in, or added, at `indices`.

    Parameters
    ----------
    inputs : Tensor or array
    indices : array of int, shape (n, k)
        The last axis holds a place's first `k` coordinates. Without a reduction no place may come twice.
    updates : Tensor or array, shape (n, *inputs.shape[k:])
    reduction : {None, "add"}

    Raises
    ------
    ValueError
        If `reduction` is another one.
    IndexError
        If an index is out of range.
    """
    inputs = convert(inputs)
    updates = convert(updates, inputs.dtype)
    index = _coordinates("scatter_update", indices, inputs.shape)
    if reduction == "add":
        return P.add(inputs, P.scatter(updates, index=index, shape=inputs.shape))
    if reduction is not None:
        raise ValueError(f"scatter_update: reduction must be None or 'add'; got {reduction!r}.")
    return P.slice_update(inputs, updates, index=index)


def _coordinates(name, indices, shape) -> tuple:
    """Return the coordinates along each axis, which the last axis of `indices` holds."""
    indices = convert(indices)
    if indices.dtype.kind not in "iu":
        raise TypeError(f"{name}: indices must be integers; got dtype {indices.dtype}.")
    if not indices.ndim or indices.shape[-1] > len(shape):
        raise ValueError(
            f"{name}: the last axis of indices must hold up to {len(shape)} coordinates, for the axes of "
            f"{shape}; got indices of shape {indices.shape}."
        )
    coordinates = tuple(indices.data[..., i] for i in range(indices.shape[-1]))
    for axis, places in enumerate(coordinates):
        check_range(name, places, shape[axis], axis)
    return coordinates


@op
def stop_gradient(variable) -> Any:
    """Return the same value as a constant, through which no gradient passes.

    Parameters
    ----------
    variable : Tensor, array, or nested structure of these
    """
    return tree.map_structure(lambda x: autograd.stop_gradient(own(x)), variable)


def custom_gradient(f) -> Any:
    """Give a function a gradient of one's own; a decorator.

    Parameters
    ----------
    f : callable
        Takes Tensors and returns ``(output, gradient)``. ``gradient(*cotangents)`` takes the cotangent of
        each output and returns the gradient for each argument of `f`; one that takes nothing but a
        keyword-only ``upstream`` is called with that.

    Returns
    -------
    callable
        Takes the same arguments and returns the output alone.

    Examples
    --------
    >>> @custom_gradient
    ... def clipped_identity(x):
    ...     return x, lambda upstream: ops.clip(upstream, -1.0, 1.0)
    """
    return op(autograd.custom_gradient(f))
