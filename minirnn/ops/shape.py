"""Axes and shapes: reorder, split, join, repeat."""

import itertools
from typing import Any

import numpy as np

from minirnn import backend
from minirnn.autograd import Tensor
from minirnn.autograd import primitives as P
from minirnn.autograd.primitive import align, convert
from minirnn.backend import allowance
from minirnn.ops.arguments import along, line, one_axis, own, some_axes, whole_shape
from minirnn.ops.symbolic import op


@op
def reshape(x, newshape) -> Tensor:
    """Return the same elements, in the same order, in another shape.

    Parameters
    ----------
    x : Tensor or array
    newshape : int or sequence of int
        One entry may be −1: whatever is left.

    Raises
    ------
    ValueError
        If the number of elements differs.
    """
    x, shape = own(x), whole_shape(newshape)
    if min(shape, default=0) < -1:
        raise ValueError(f"reshape: sizes must be 0 or more, or −1 for one that is left; got {shape}.")
    return P.reshape(x, shape=shape)


@op
def ravel(x) -> Tensor:
    """Return the elements of `x` along one axis."""
    x = own(x)
    return P.reshape(x, shape=(x.size,))


@op
def transpose(x, axes=None) -> Tensor:
    """Return `x` with its axes in another order.

    Parameters
    ----------
    x : Tensor or array
    axes : sequence of int, optional
        Which axis of `x` comes first, second, and so on; by default the last comes first.

    Raises
    ------
    ValueError
        If `axes` does not name each axis once.
    """
    x = own(x)
    if axes is not None:
        order = some_axes("transpose", tuple(axes), x.ndim)
        if len(order) != x.ndim:
            raise ValueError(f"transpose: axes must name each of the {x.ndim} axes once; got {tuple(axes)}.")
        axes = order
    return P.transpose(x, axes=axes)


@op
def swapaxes(x, axis1, axis2) -> Tensor:
    """Return `x` with two of its axes in each other's place."""
    x = own(x)
    a, b = one_axis("swapaxes", axis1, x.ndim), one_axis("swapaxes", axis2, x.ndim)
    order = list(range(x.ndim))
    order[a], order[b] = b, a
    return P.transpose(x, axes=tuple(order))


@op
def moveaxis(x, source, destination) -> Tensor:
    """Return `x` with the axes `source` moved to the places `destination`; the others keep their order.

    Parameters
    ----------
    x : Tensor or array
    source, destination : int or sequence of int
    """
    x = own(x)
    source, destination = (some_axes("moveaxis", a, x.ndim) for a in (source, destination))
    if len(source) != len(destination):
        raise ValueError(f"moveaxis: source and destination must be as many; got {source} and {destination}.")
    order = [i for i in range(x.ndim) if i not in source]
    for place, axis in sorted(zip(destination, source, strict=True)):
        order.insert(place, axis)
    return P.transpose(x, axes=tuple(order))


@op
def expand_dims(x, axis) -> Tensor:
    """Return `x` with new axes of size 1.

    Parameters
    ----------
    x : Tensor or array
    axis : int or sequence of int
        Where they stand in the result.
    """
    x = own(x)
    ndim = x.ndim + (len(axis) if isinstance(axis, list | tuple) else 1)
    new = some_axes("expand_dims", axis, ndim)
    sizes = iter(x.shape)
    return P.reshape(x, shape=tuple(1 if i in new else next(sizes) for i in range(ndim)))


@op
def squeeze(x, axis=None) -> Tensor:
    """Return `x` without axes of size 1.

    Parameters
    ----------
    x : Tensor or array
    axis : int or sequence of int, optional
        Default: all that have size 1.

    Raises
    ------
    ValueError
        If an axis named has another size.
    """
    x = own(x)
    axes = (
        [i for i, n in enumerate(x.shape) if n == 1] if axis is None else some_axes("squeeze", axis, x.ndim)
    )
    for i in axes:
        if x.shape[i] != 1:
            raise ValueError(
                f"squeeze: axis {i} of an array of shape {x.shape} has size {x.shape[i]}, not 1."
            )
    return P.reshape(x, shape=tuple(n for i, n in enumerate(x.shape) if i not in axes))


@op
def broadcast_to(x, shape) -> Tensor:
    """Return `x` repeated along new axes, and along those of size 1, to fill `shape`."""
    return P.broadcast_to(own(x), shape=whole_shape(shape))


@op
def concatenate(xs, axis=0) -> Tensor:
    """Return arrays joined along an axis that they have.

    Parameters
    ----------
    xs : sequence of Tensor or array
        Alike in all other axes; they are brought to one dtype.
    axis : int

    Raises
    ------
    ValueError
        If there are none, or their shapes differ elsewhere.
    """
    xs = _several("concatenate", xs)
    return P.concatenate(*xs, axis=one_axis("concatenate", axis, xs[0].ndim))


@op
def stack(x, axis=0) -> Tensor:
    """Return arrays of one shape joined along a new axis.

    Parameters
    ----------
    x : sequence of Tensor or array
    axis : int
        Where the new axis stands in the result.
    """
    xs = _several("stack", x)
    return P.stack(*xs, axis=one_axis("stack", axis, xs[0].ndim + 1))


def _several(name, xs) -> list[Tensor]:
    xs = xs if isinstance(xs, list | tuple) else list(convert(xs))
    if not xs:
        raise ValueError(f"{name}: needs at least one array; got an empty sequence.")
    return align(*xs)


@op
def append(x1, x2, axis=None) -> Tensor:
    """Return `x2` joined to the end of `x1`, both flattened if `axis` is None."""
    a, b = align(x1, x2)
    return concatenate([ravel(a), ravel(b)]) if axis is None else concatenate([a, b], axis)


@op
def hstack(xs) -> Tensor:
    """Return arrays joined along the second axis, or the first if they have only one."""
    xs = [P.reshape(x, shape=(1,)) if x.ndim == 0 else x for x in _several("hstack", xs)]
    return concatenate(xs, 0 if xs[0].ndim == 1 else 1)


@op
def vstack(xs) -> Tensor:
    """Return arrays joined along the first axis; one of a single axis is a row."""
    xs = [P.reshape(x, shape=(1, x.size)) if x.ndim < 2 else x for x in _several("vstack", xs)]
    return concatenate(xs, 0)


@op
def unstack(x, num=None, axis=0) -> list[Tensor]:
    """Return the slices of `x` along an axis, which they lose, in a list.

    Parameters
    ----------
    x : Tensor or array
    num : int, optional
        How many slices are expected.
    axis : int

    Raises
    ------
    ValueError
        If the axis has another size than `num`.
    """
    x = own(x)
    axis = one_axis("unstack", axis, x.ndim)
    if num is not None and num != x.shape[axis]:
        raise ValueError(
            f"unstack: num must be {x.shape[axis]}, the size of axis {axis} of {x.shape}; got {num}."
        )
    return list(P.unstack(x, axis=axis))


@op
def split(x, indices_or_sections, axis=0) -> list[Tensor]:
    """Return `x` cut along an axis, as a list.

    Parameters
    ----------
    x : Tensor or array
    indices_or_sections : int or sequence of int
        The number of equal parts, or where each part but the first begins.
    axis : int

    Raises
    ------
    ValueError
        If the axis is not divisible into that many equal parts.
    """
    x = own(x)
    axis = one_axis("split", axis, x.ndim)
    size = x.shape[axis]
    if np.ndim(indices_or_sections):
        return _cut(x, whole_shape(indices_or_sections), axis)
    (count,) = whole_shape(indices_or_sections)
    if count < 1 or size % count:
        raise ValueError(f"split: axis {axis} of size {size} cannot be cut into {count} equal parts.")
    return _cut(x, range(size // count, size, size // count) if size else [0] * (count - 1), axis)


@op
def array_split(x, indices_or_sections, axis=0) -> list[Tensor]:
    """Return `x` cut along an axis into parts that differ in size by at most 1, the larger first.

    Parameters
    ----------
    x : Tensor or array
    indices_or_sections : int or sequence of int
        The number of parts, or where each part but the first begins.
    axis : int
    """
    x = own(x)
    axis = one_axis("array_split", axis, x.ndim)
    if np.ndim(indices_or_sections):
        return _cut(x, whole_shape(indices_or_sections), axis)
    (count,) = whole_shape(indices_or_sections)
    if count < 1:
        raise ValueError(f"array_split: the number of parts must be 1 or more; got {count}.")
    allowance.ask(count)
    each, more = divmod(x.shape[axis], count)
    return _cut(x, [i * each + min(i, more) for i in range(1, count)], axis)


def _cut(x, starts, axis) -> list[Tensor]:
    allowance.ask(len(starts))
    bounds = [0, *starts, x.shape[axis]]
    sizes = tuple([b - a for a, b in itertools.pairwise(bounds)])
    if min(sizes) >= 0:
        return list(P.split(x, sizes=sizes, axis=axis))
    # As NumPy has it, parts may overlap, and where they begin may be counted from the end.
    return [x[along(axis, slice(a, b))] for a, b in itertools.pairwise(bounds)]


@op
def tile(x, repeats) -> Tensor:
    """Return `x` laid side by side so many times along each axis.

    Parameters
    ----------
    x : Tensor or array
    repeats : int or sequence of int
        For the last axes if fewer than those of `x`; more of them add axes in front.
    """
    x, counts = own(x), whole_shape(repeats)
    ndim = max(x.ndim, len(counts))
    counts = (1,) * (ndim - len(counts)) + counts
    shape = (1,) * (ndim - x.ndim) + x.shape
    apart = P.reshape(x, shape=tuple(m for n in shape for m in (1, n)))
    laid = P.broadcast_to(apart, shape=tuple(m for r, n in zip(counts, shape, strict=True) for m in (r, n)))
    return P.reshape(laid, shape=tuple(r * n for r, n in zip(counts, shape, strict=True)))


@op
def repeat(x, repeats, axis=None) -> Tensor:
    """Return `x` with each element along an axis repeated.

    Parameters
    ----------
    x : Tensor or array
    repeats : int or sequence of int
        How often, each as often or one number for each.
    axis : int, optional
        Default: along the flattened array.
    """
    x, axis = line("repeat", own(x), axis)
    counts = whole_shape(repeats)
    if len(counts) not in (1, x.shape[axis]):
        raise ValueError(
            f"repeat: repeats must be one number or {x.shape[axis]} of them, the size of axis {axis}; "
            f"got {len(counts)}."
        )
    allowance.ask(sum(counts) * (x.shape[axis] if len(counts) == 1 else 1))
    index = np.repeat(np.arange(x.shape[axis]), np.asarray(counts, int))
    return x[along(axis, backend.asarray(index))]


@op
def flip(x, axis=None) -> Tensor:
    """Return `x` with the order of its elements reversed along axes, by default along all."""
    x = own(x)
    axes = some_axes("flip", axis, x.ndim)
    return x[tuple(slice(None, None, -1 if i in axes else 1) for i in range(x.ndim))]


@op
def roll(x, shift, axis=None) -> Tensor:
    """Return `x` with its elements moved along axes; what leaves at one end enters at the other.

    Parameters
    ----------
    x : Tensor or array
    shift : int or sequence of int
    axis : int or sequence of int, optional
        Default: along the flattened array.
    """
    x = own(x)
    if axis is None:
        return P.reshape(roll(P.reshape(x, shape=(x.size,)), shift, 0), shape=x.shape)
    axes, shifts = some_axes("roll", axis, x.ndim), whole_shape(shift)
    for i, amount in zip(axes, shifts * len(axes) if len(shifts) == 1 else shifts, strict=True):
        if amount := amount % max(x.shape[i], 1):
            ends = x[along(i, slice(-amount, None))], x[along(i, slice(None, -amount))]
            x = P.concatenate(*ends, axis=i)
    return x


@op
def rot90(array, k=1, axes: Any = (0, 1)) -> Tensor:
    """Return `array` turned `k` times by 90 degrees, from the first of two axes towards the second."""
    array, (a, b), k = own(array), axes, k % 4
    if k in (0, 2):
        return flip(array, (a, b)) if k else array
    return flip(swapaxes(array, a, b), a) if k == 1 else swapaxes(flip(array, a), a, b)
