"""Reductions along axes, cumulative sums and products, and their kin."""

import math
from collections.abc import Callable

import numpy as np

from minirnn.autograd import Tensor
from minirnn.autograd import primitives as P
from minirnn.autograd.operators import wide
from minirnn.autograd.primitive import convert, convert_float
from minirnn.autograd.tensor import OPERATORS, SymbolicArgumentError
from minirnn.ops.arguments import along, line, one_axis, some_axes, wide_float
from minirnn.ops.symbolic import op, symbolic_call

_DOC = """{summary}

    Parameters
    ----------
    x : Tensor or array
    axis : int or tuple of int, optional
        Default: all axes.
    keepdims : bool
        Leave each reduced axis with size 1.

    Returns
    -------
    Tensor, {result}

    Raises
    ------
    ValueError
        If an axis is out of range{empty}.
    """


def _reduction(name: str, summary: str, result: str, empty: str = "") -> Callable[..., Tensor]:
    """Make a reduction from the operator of that name (less the a of amax)."""
    apply = OPERATORS[name.removeprefix("a") if name.startswith("am") else name]

    def function(x, axis=None, keepdims=False) -> Tensor:
        try:
            return apply(x, axis, keepdims)
        except SymbolicArgumentError:
            return symbolic_call(function, (x,), {"axis": axis, "keepdims": keepdims})

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _DOC.format(summary=summary, result=result, empty=empty)
    return function


sum = _reduction("sum", "Return the sum along axes.", "of its dtype, integers at least of 32 bits")
mean = _reduction("mean", "Return the mean along axes.", "of floats")
any = _reduction("any", "Return whether any element along the axes is true.", "of bools")
all = _reduction("all", "Return whether all elements along the axes are true.", "of bools")
amax = _reduction("amax", "Return the largest element along axes.", "of its dtype", " or has no elements")
amin = _reduction("amin", "Return the smallest element along axes.", "of its dtype", " or has no elements")


@op
def max(x, axis=None, keepdims=False, initial=None) -> Tensor:
    """Return the largest element along axes; equal ones share the gradient.

    Parameters
    ----------
    x : Tensor or array
    axis : int or tuple of int, optional
        Default: all axes.
    keepdims : bool
        Leave each reduced axis with size 1.
    initial : number, optional
        The least that the result can be; needed where an axis has no elements.

    Raises
    ------
    ValueError
        If an axis is out of range, or has no elements and `initial` is None.
    """
    return _with_initial("max", OPERATORS["maximum"], x, axis, keepdims, initial)


@op
def min(x, axis=None, keepdims=False, initial=None) -> Tensor:
    """Return the smallest element along axes; equal ones share the gradient.

    Parameters
    ----------
    x : Tensor or array
    axis : int or tuple of int, optional
        Default: all axes.
    keepdims : bool
        Leave each reduced axis with size 1.
    initial : number, optional
        The most that the result can be; needed where an axis has no elements.

    Raises
    ------
    ValueError
        If an axis is out of range, or has no elements and `initial` is None.
    """
    return _with_initial("min", OPERATORS["minimum"], x, axis, keepdims, initial)


def _with_initial(name, pick, x, axis, keepdims, initial) -> Tensor:
    if initial is None:
        return OPERATORS[name](x, axis, keepdims)
    x = convert(x)
    axes = some_axes(name, axis, x.ndim)
    if math.prod(x.shape[a] for a in axes) == 0:
        kept = P.sum(x, axis=axes, keepdims=keepdims)
        return convert(P.zeros_like(kept) + initial, x.dtype)
    return convert(pick(OPERATORS[name](x, axes, keepdims), initial), x.dtype)


@op
def prod(x, axis=None, keepdims=False, dtype=None) -> Tensor:
    """Return the product along axes.

    Parameters
    ----------
    x : Tensor or array
    axis : int or tuple of int, optional
        Default: all axes.
    keepdims : bool
        Leave each reduced axis with size 1.
    dtype : str, optional
        Default: that of `x`; bools and integers below 32 bits become 32 bits wide.
    """
    x = convert(x, dtype)
    target = wide(x.dtype) if dtype is None else np.dtype(dtype)
    return convert(P.prod(x, axis=some_axes("prod", axis, x.ndim), keepdims=keepdims), target)


@op
def var(x, axis=None, keepdims=False) -> Tensor:
    """Return the variance along axes: the mean squared distance from the mean.

    Parameters
    ----------
    x : Tensor or array
    axis : int or tuple of int, optional
        Default: all axes.
    keepdims : bool
        Leave each reduced axis with size 1.
    """
    x = convert_float(x)
    precise = wide_float(x)
    centred = precise - mean(precise, axis, keepdims=True)
    return convert(mean(P.square(centred), axis, keepdims), x.dtype)


@op
def std(x, axis=None, keepdims=False) -> Tensor:
    """Return the standard deviation along axes, the square root of `var`.

    Parameters
    ----------
    x : Tensor or array
    axis : int or tuple of int, optional
        Default: all axes.
    keepdims : bool
        Leave each reduced axis with size 1.
    """
    return P.sqrt(var(convert(x), axis, keepdims))


@op
def average(x, axis=None, weights=None) -> Tensor:
    """Return the mean along axes, each element counted by its weight.

    Parameters
    ----------
    x : Tensor or array
    axis : int or tuple of int, optional
        Default: all axes.
    weights : Tensor or array, optional
        Of the shape of `x`, or of one axis with the size of `axis`.

    Raises
    ------
    ValueError
        If `weights` has another shape.
    """
    x = convert_float(x)
    if weights is None:
        return mean(x, axis)
    weights = convert_float(weights)
    if weights.shape != x.shape:
        axes = some_axes("average", axis, x.ndim)
        if len(axes) != 1 or weights.shape != (x.shape[axes[0]],):
            raise ValueError(
                f"average: weights must have the shape of x, {x.shape}, or that of its one axis; "
                f"got {weights.shape} with axis={axis}."
            )
        weights = P.reshape(weights, shape=weights.shape + (1,) * (x.ndim - 1 - axes[0]))
    return sum(x * weights, axis) / sum(weights * P.ones_like(x), axis)


@op
def logsumexp(x, axis=None, keepdims=False) -> Tensor:
    """Return log(sum(exp(x))) along axes, without overflow; of −∞ alone it is −∞.

    Parameters
    ----------
    x : Tensor or array
    axis : int or tuple of int, optional
        Default: all axes.
    keepdims : bool
        Leave each reduced axis with size 1.
    """
    x = convert_float(x)
    return P.logsumexp(x, axis=some_axes("logsumexp", axis, x.ndim), keepdims=keepdims)


@op
def count_nonzero(x, axis=None) -> Tensor:
    """Return the number of elements along axes that are not 0, of int32.

    Parameters
    ----------
    x : Tensor or array
    axis : int or tuple of int, optional
        Default: all axes.
    """
    return sum(P.not_equal(convert(x), 0), axis)


def _cumulative(primitive, name, x, axis, dtype) -> Tensor:
    x = convert(x)
    x = convert(x, dtype or ("int32" if x.dtype.kind == "b" else x.dtype))
    x, axis = line(name, x, axis)
    return primitive(x, axis=axis)


@op
def cumsum(x, axis=None, dtype=None) -> Tensor:
    """Return the sums of all elements up to each along an axis.

    Parameters
    ----------
    x : Tensor or array
    axis : int, optional
        Default: along the flattened array.
    dtype : str, optional
        Default: that of `x`, bools as int32.
    """
    return _cumulative(P.cumsum, "cumsum", x, axis, dtype)


@op
def cumprod(x, axis=None, dtype=None) -> Tensor:
    """Return the products of all elements up to each along an axis.

    Parameters
    ----------
    x : Tensor or array
    axis : int, optional
        Default: along the flattened array.
    dtype : str, optional
        Default: that of `x`, bools as int32.
    """
    return _cumulative(P.cumprod, "cumprod", x, axis, dtype)


@op
def diff(a, n=1, axis=-1) -> Tensor:
    """Return the differences between neighbours along an axis, taken `n` times over.

    Parameters
    ----------
    a : Tensor or array
    n : int
    axis : int
    """
    a = convert(a)
    axis = one_axis("diff", axis, a.ndim)
    for _ in range(n):
        later, earlier = a[along(axis, slice(1, None))], a[along(axis, slice(None, -1))]
        a = P.not_equal(later, earlier) if a.dtype.kind == "b" else later - earlier
    return a
