"""New arrays: constants, ranges, grids."""

import math
import operator
from typing import Any

import numpy as np

from minirnn import backend, config
from minirnn.autograd import Tensor
from minirnn.autograd import primitives as P
from minirnn.autograd.primitive import align, convert
from minirnn.backend import allowance
from minirnn.ops.arguments import own, whole_shape
from minirnn.ops.symbolic import op


def zeros(shape, dtype=None) -> Tensor:
    """Return zeros.

    Parameters
    ----------
    shape : int or sequence of int
    dtype : str, optional
        Default: floatx.
    """
    shape = whole_shape(shape)
    allowance.ask(*shape)
    return Tensor(allowance.hold(backend.current().xp.zeros(shape, dtype or config.floatx())))


def ones(shape, dtype=None) -> Tensor:
    """Return ones.

    Parameters
    ----------
    shape : int or sequence of int
    dtype : str, optional
        Default: floatx.
    """
    shape = whole_shape(shape)
    allowance.ask(*shape)
    return Tensor(allowance.hold(backend.current().xp.ones(shape, dtype or config.floatx())))


def empty(shape, dtype=None) -> Tensor:
    """Return an array of any values: zeros, in fact; see `zeros`."""
    return zeros(shape, dtype)


@op
def full(shape, fill_value, dtype=None) -> Tensor:
    """Return an array of one value.

    Parameters
    ----------
    shape : int or sequence of int
    fill_value : number, Tensor or array
        Must broadcast to `shape`.
    dtype : str, optional
        Default: floatx.
    """
    value = convert(own(fill_value), dtype or config.floatx())
    return P.broadcast_to(value, shape=whole_shape(shape))


@op
def zeros_like(x, dtype=None) -> Tensor:
    """Return zeros of the shape of `x`, and of its dtype unless another is given."""
    x = convert(x)
    return Tensor(backend.array_module(x.data).zeros(x.shape, dtype or x.dtype))


@op
def ones_like(x, dtype=None) -> Tensor:
    """Return ones of the shape of `x`, and of its dtype unless another is given."""
    x = convert(x)
    return Tensor(backend.array_module(x.data).ones(x.shape, dtype or x.dtype))


empty_like = zeros_like


@op
def full_like(x, fill_value, dtype=None) -> Tensor:
    """Return an array of one value, of the shape of `x`, and of its dtype unless another is given."""
    x = convert(x)
    return full(x.shape, fill_value, dtype or x.dtype)


def arange(start, stop=None, step=None, dtype=None) -> Tensor:
    """Return the numbers from `start` up to, without, `stop`.

    Parameters
    ----------
    start : number
        With `stop` left out: the end, the start being 0.
    stop, step : number, optional
        `step` is 1 by default.
    dtype : str, optional
        Default: int32 for integers, floatx if one of the numbers is a float.
    """
    given = [v for v in (start, stop, step) if v is not None]
    if dtype is None:
        dtype = align(*given)[0].dtype
    numbers = [v.item() if isinstance(v, Tensor | np.ndarray) else v for v in given]
    if stop is None:
        numbers.insert(0, 0)
    if len(numbers) == 3 and not numbers[2]:
        raise ValueError("arange: step must not be 0.")
    if allowance.allowances:
        start, stop, step = (*numbers, 1)[:3]
        allowance.ask(math.ceil(abs((stop - start) / step)))
    return convert(np.arange(*numbers, dtype=dtype))


@op
def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0) -> Any:
    """Return numbers evenly spaced from `start` to `stop`; constants, to which no gradient goes.

    Parameters
    ----------
    start, stop : number or array
    num : int
    endpoint : bool
        Whether `stop` is the last of them, or would be the next.
    retstep : bool
        Return also the distance between two.
    dtype : str, optional
        Default: floatx, or the dtype of `start` and `stop` if arrays of floats.
    axis : int
        Where the numbers stand in the result, if `start` and `stop` are arrays.

    Returns
    -------
    Tensor, or (Tensor, step)
    """
    a, b = align(start, stop)
    kind = dtype or (a.dtype if a.dtype.kind == "f" else config.floatx())
    low, high = (t.numpy().astype("float64") for t in (a, b))
    allowance.ask(2 * operator.index(num), max(low.size, high.size))
    values, step = np.linspace(low, high, num, endpoint=endpoint, retstep=True, axis=axis)
    values = np.floor(values) if np.dtype(kind).kind in "iu" else values
    return (convert(values, kind), convert(step, kind)) if retstep else convert(values, kind)


def eye(N, M=None, k=0, dtype=None) -> Tensor:
    """Return a matrix with ones on a diagonal.

    Parameters
    ----------
    N : int
        Rows.
    M : int, optional
        Columns; default `N`.
    k : int
        Which diagonal: above (positive) or below the main one.
    dtype : str, optional
        Default: floatx.
    """
    allowance.ask(N, N if M is None else M)
    return convert(np.eye(N, M, k, dtype=dtype or config.floatx()))


def identity(n, dtype=None) -> Tensor:
    """Return the identity matrix of `n` rows; see `eye`."""
    return eye(n, dtype=dtype)


def tri(N, M=None, k=0, dtype=None) -> Tensor:
    """Return a matrix with ones on and below its `k`-th diagonal; arguments as those of `eye`."""
    allowance.ask(N, N if M is None else M)
    return convert(np.tri(N, M, k, dtype=dtype or config.floatx()))


@op
def meshgrid(*x, indexing="xy") -> list[Tensor]:
    """Return the coordinates of all points of a grid.

    Parameters
    ----------
    *x : Tensor or array of one axis
        The coordinates along each axis.
    indexing : {"xy", "ij"}
        ``"ij"``: the first `x` goes with the first axis; ``"xy"``: with the second.

    Returns
    -------
    list of Tensor, one for each `x`, all of the grid's shape
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing must be 'xy' or 'ij'; got {indexing!r}.")
    lines = [P.reshape(t, shape=(t.size,)) for t in map(own, x)]
    places = list(range(len(lines)))
    if indexing == "xy" and len(lines) > 1:
        places[:2] = 1, 0
    shape = [0] * len(lines)
    for line, place in zip(lines, places):
        shape[place] = line.size
    return [
        P.broadcast_to(
            P.reshape(line, shape=tuple(line.size if i == place else 1 for i in range(len(lines)))),
            shape=tuple(shape),
        )
        for line, place in zip(lines, places)
    ]
