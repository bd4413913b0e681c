"""Order: sorting, ranks, extremes by position, quantiles, and what lies in which interval."""

import math
from typing import Any

import numpy as np

from minirnn import backend
from minirnn.autograd import Tensor
from minirnn.autograd import primitives as P
from minirnn.autograd.primitive import align, convert, convert_float
from minirnn.ops.arguments import line, one_axis, own, some_axes
from minirnn.ops.symbolic import op

_INT = np.dtype("int32")


def _position(name, x, axis, keepdims) -> Tensor:
    x = convert(x)
    axis = None if axis is None else one_axis(name, axis, x.ndim)
    return P.cast(P.__dict__[name](x, axis=axis, keepdims=keepdims), dtype=_INT)


@op
def argmax(x, axis=None, keepdims=False) -> Tensor:
    """Return the index of the largest element along an axis, the first of equal ones; int32.

    Parameters
    ----------
    x : Tensor or array
    axis : int, optional
        Default: the index in the flattened array.
    keepdims : bool
        Leave the reduced axis with size 1.

    Raises
    ------
    ValueError
        If the axis is out of range or has no elements.
    """
    return _position("argmax", x, axis, keepdims)


@op
def argmin(x, axis=None, keepdims=False) -> Tensor:
    """Return the index of the smallest element along an axis, the first of equal ones; int32.

    Parameters
    ----------
    x : Tensor or array
    axis : int, optional
        Default: the index in the flattened array.
    keepdims : bool
        Leave the reduced axis with size 1.

    Raises
    ------
    ValueError
        If the axis is out of range or has no elements.
    """
    return _position("argmin", x, axis, keepdims)


@op
def argsort(x, axis: Any = -1) -> Tensor:
    """Return the indices that sort `x` along an axis, equal elements in their order; int32.

    Parameters
    ----------
    x : Tensor or array
    axis : int or None
        None: the flattened array.
    """
    x, axis = line("argsort", convert(x), axis)
    return P.cast(P.argsort(x, axis=axis), dtype=_INT)


@op
def sort(x, axis: Any = -1) -> Tensor:
    """Return `x` in ascending order along an axis.

    Parameters
    ----------
    x : Tensor or array
    axis : int or None
        None: the flattened array.
    """
    x, axis = line("sort", own(x), axis)
    return P.take_along_axis(x, indices=P.argsort(x, axis=axis).data, axis=axis)


@op
def top_k(x, k, sorted=True) -> tuple[Tensor, Tensor]:
    """Return the `k` largest elements along the last axis, and where they stand (int32).

    Parameters
    ----------
    x : Tensor or array, shape (..., n)
    k : int
    sorted : bool
        For Keras's signature: the largest comes first in any case, and of equal ones the first.

    Raises
    ------
    ValueError
        If `k` is above n.
    """
    x = convert(x)
    if x.ndim == 0 or not 0 <= k <= x.shape[-1]:
        raise ValueError(f"top_k: k must be from 0 to the size of the last axis of {x.shape}; got {k}.")
    # Sorted from the back and read from the back: descending, and equal elements in their order.
    backwards = x.data[..., ::-1]
    order = x.shape[-1] - 1 - P.argsort(Tensor(backwards), axis=-1).data[..., ::-1]
    order = order[..., :k]
    return P.take_along_axis(x, indices=order, axis=-1), Tensor(order.astype(_INT))


@op
def in_top_k(targets, predictions, k) -> Tensor:
    """Return whether the prediction for each target is among the `k` largest, ties included.

    Parameters
    ----------
    targets : array of int, shape (...)
    predictions : Tensor or array, shape (..., classes)
    k : int

    Returns
    -------
    Tensor of bools, shape (...)
    """
    targets, predictions = convert(targets), convert(predictions)
    if targets.shape != predictions.shape[:-1] or targets.dtype.kind not in "iu":
        raise ValueError(
            f"in_top_k: targets must be integers of shape {predictions.shape[:-1]}; "
            f"got {targets.dtype} {targets.shape}."
        )
    chosen = P.take_along_axis(predictions, indices=targets.data[..., None], axis=-1)
    higher = P.sum(P.greater(predictions, chosen), axis=-1)
    finite = P.logical_not(P.isnan(chosen[..., 0])) if predictions.dtype.kind == "f" else True
    return P.logical_and(P.less(higher, k), finite)


@op
def nonzero(x) -> tuple[Tensor, ...]:
    """Return where `x` is not 0: one array of indices (int32) for each axis."""
    return tuple(Tensor(i.astype(_INT)) for i in convert(x).data.nonzero())


@op
def unique(x, sorted=True, return_index=False, return_inverse=False, return_counts=False, axis=None) -> Any:
    """Return the different elements of `x`, in ascending order.

    Parameters
    ----------
    x : Tensor or array
    sorted : bool
        For Keras's signature: they are sorted in any case.
    return_index, return_inverse, return_counts : bool
        Return also, as int32, where each first stands in the flattened `x`; which of them stands at each
        place of `x`; how often each does.
    axis : None
        Only the flattened array is taken.

    Returns
    -------
    Tensor, or a tuple of Tensors
    """
    if axis is not None:
        raise ValueError(f"unique: only axis=None is defined here; got {axis}.")
    x = own(x)
    flat = P.reshape(x, shape=(x.size,))
    xp = backend.array_module(flat.data)
    _, index, inverse, counts = xp.unique(
        flat.data, return_index=True, return_inverse=True, return_counts=True
    )
    asked = [(return_index, index), (return_inverse, inverse.reshape(x.shape)), (return_counts, counts)]
    values = flat[index]
    more = [Tensor(array.astype(_INT)) for wanted, array in asked if wanted]
    return (values, *more) if more else values


@op
def searchsorted(sorted_sequence, values, side="left") -> Tensor:
    """Return where `values` would stand in a sorted sequence, as int32.

    Parameters
    ----------
    sorted_sequence : Tensor or array of one axis
    values : Tensor, array or number
    side : {"left", "right"}
        Whether before or after elements that are equal.
    """
    a, b = align(sorted_sequence, values)
    if a.ndim != 1 or side not in ("left", "right"):
        raise ValueError(
            f"searchsorted: needs a sequence of one axis, and side left or right; got {a.shape}, {side!r}."
        )
    return P.cast(convert(backend.array_module(a.data).searchsorted(a.data, b.data, side=side)), dtype=_INT)


@op
def digitize(x, bins) -> Tensor:
    """Return for each element the number of the interval in which it lies, as int32.

    Parameters
    ----------
    x : Tensor or array
    bins : sequence of number
        Ascending bounds: below the first is interval 0; a bound belongs to the interval above it.
    """
    return searchsorted(bins, convert(x), side="right")


@op
def bincount(x, weights=None, minlength=0, sparse=False) -> Tensor:
    """Return how often each number from 0 comes, or the sum of its weights.

    Parameters
    ----------
    x : array of int, 0 or more, shape (n,)
    weights : Tensor or array, shape (n,), optional
    minlength : int
        The least size of the result.
    sparse : bool
        For Keras's signature; only False is taken.
    """
    x = convert(x)
    if sparse or x.ndim != 1 or x.dtype.kind not in "iu" or (x.size and x.data.min() < 0):
        raise ValueError(
            f"bincount: needs integers of one axis, 0 or more, and sparse=False; got {x.dtype} {x.shape}, "
            f"sparse={sparse}."
        )
    length = max(int(x.data.max()) + 1 if x.size else 0, minlength)
    values = convert(np.ones(x.shape, _INT)) if weights is None else convert(weights)
    return P.scatter(values, index=(x.data,), shape=(length,))


@op
def quantile(x, q, axis=None, method="linear", keepdims=False) -> Tensor:
    """Return the values below which the fractions `q` of the elements lie.

    Parameters
    ----------
    x : Tensor or array
    q : float or sequence of float
        From 0 to 1; a sequence gives the result a first axis.
    axis : int or tuple of int, optional
        Default: all axes.
    method : {"linear", "lower", "higher", "midpoint", "nearest"}
        What to take between two elements.
    keepdims : bool
        Leave each reduced axis with size 1.

    Raises
    ------
    ValueError
        If `q` is not within 0 to 1, `method` is another one, or there are no elements.
    """
    x, fractions = convert_float(x), np.asarray(q, "float64")
    axes = some_axes("quantile", axis, x.ndim)
    count = math.prod(x.shape[a] for a in axes)
    weights = {
        "linear": lambda t: t,
        "lower": lambda t: t * 0,
        "higher": lambda t: np.ceil(t),
        "midpoint": lambda t: np.where(t == 0, t, 0.5),
        "nearest": lambda t: t,
    }
    if method not in weights:
        raise ValueError(f"quantile: method must be one of {', '.join(weights)}; got {method!r}.")
    if not count:
        raise ValueError(f"quantile: there is nothing along axis={axis} of an array of shape {x.shape}.")
    if ((fractions < 0) | (fractions > 1)).any():
        raise ValueError(f"quantile: q must be from 0 to 1; got {fractions}.")
    rest = tuple(i for i in range(x.ndim) if i not in axes)
    kept = tuple(x.shape[i] for i in rest)
    rows = P.reshape(P.transpose(x, axes=rest + axes), shape=(*kept, count))
    ranked = P.take_along_axis(rows, indices=P.argsort(rows, axis=-1).data, axis=-1)
    place = fractions * (count - 1)
    if method == "nearest":
        place = np.round(place)
    low = np.floor(place).astype(int)
    high = backend.asarray(np.minimum(low + 1, count - 1))
    weight = convert(weights[method](place - low), x.dtype)
    below, above = ranked[..., backend.asarray(low)], ranked[..., high]
    # Of an infinity that is not asked for, not even 0 times it.
    above = P.where(P.equal(weight, 0), below, above)
    value = below * (1 - weight) + above * weight
    value = P.transpose(value, axes=(*range(len(kept), value.ndim), *range(len(kept))))
    if keepdims:
        value = P.reshape(
            value, shape=(*fractions.shape, *(1 if i in axes else n for i, n in enumerate(x.shape)))
        )
    return value


@op
def median(x, axis=None, keepdims=False) -> Tensor:
    """Return the middle element along axes, or the mean of the two in the middle.

    Parameters
    ----------
    x : Tensor or array
    axis : int or tuple of int, optional
        Default: all axes.
    keepdims : bool
        Leave each reduced axis with size 1.
    """
    return quantile(convert(x), 0.5, axis, keepdims=keepdims)
