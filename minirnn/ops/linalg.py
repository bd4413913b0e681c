"""Products of vectors and matrices, norms, and the diagonals and triangles of matrices."""

import math
import string
from typing import Any

import numpy as np

from minirnn import backend
from minirnn.autograd import Tensor
from minirnn.autograd import primitives as P
from minirnn.autograd.primitive import align, convert, convert_float
from minirnn.autograd.tensor import OPERATORS
from minirnn.ops.arguments import own, pair, some_axes
from minirnn.ops.shape import moveaxis
from minirnn.ops.symbolic import op


@op
def matmul(x1, x2) -> Tensor:
    """Return the matrix product over the last two axes; leading axes broadcast.

    Parameters
    ----------
    x1 : Tensor or array, shape (..., n, k) or (k,)
    x2 : Tensor or array, shape (..., k, m) or (k,)

    Returns
    -------
    Tensor, shape (..., n, m), of the common dtype (int8 with int8 gives int32)

    Raises
    ------
    ValueError
        If the inner sizes differ or an argument has no axes.
    """
    return OPERATORS["matmul"](x1, x2)


@op
def dot(x1, x2) -> Tensor:
    """Return the sum of products over the last axis of `x1` and the last but one of `x2`.

    Unlike `matmul` it makes an axis of its own of each other axis, and a number multiplies.

    Parameters
    ----------
    x1, x2 : Tensor, array or number
    """
    a, b = pair(x1, x2)
    if a.ndim == 0 or b.ndim == 0:
        return P.multiply(a, b)
    return tensordot(a, b, [[a.ndim - 1], [max(b.ndim - 2, 0)]])


@op
def tensordot(x1, x2, axes: Any = 2) -> Tensor:
    """Return the sum of products over chosen axes of two arrays; the others follow in order.

    Parameters
    ----------
    x1, x2 : Tensor or array
    axes : int or pair of sequences of int
        How many of the last axes of `x1` meet as many of the first of `x2`; or which meet which.

    Raises
    ------
    ValueError
        If axes that meet differ in size.
    """
    a, b = align(x1, x2)
    if isinstance(axes, int):
        if not 0 <= axes <= min(a.ndim, b.ndim):
            raise ValueError(f"tensordot: axes must be from 0 to {min(a.ndim, b.ndim)}; got {axes}.")
        left, right = tuple(range(a.ndim - axes, a.ndim)), tuple(range(axes))
    else:
        left, right = axes
    left, right = some_axes("tensordot", left, a.ndim), some_axes("tensordot", right, b.ndim)
    if [a.shape[i] for i in left] != [b.shape[i] for i in right]:
        raise ValueError(
            f"tensordot: axes {left} of shape {a.shape} and axes {right} of shape {b.shape} must have the "
            "same sizes."
        )
    rows, columns = ([i for i in range(t.ndim) if i not in met] for t, met in ((a, left), (b, right)))
    kept = tuple(a.shape[i] for i in rows), tuple(b.shape[i] for i in columns)
    inner = math.prod(a.shape[i] for i in left)
    flat_a = P.reshape(P.transpose(a, axes=(*rows, *left)), shape=(math.prod(kept[0]), inner))
    flat_b = P.reshape(P.transpose(b, axes=(*right, *columns)), shape=(inner, math.prod(kept[1])))
    return P.reshape(P.matmul(flat_a, flat_b), shape=(*kept[0], *kept[1]))


@op
def inner(x1, x2) -> Tensor:
    """Return the sum of products over the last axes of both arrays; a number multiplies."""
    a, b = pair(x1, x2)
    return P.multiply(a, b) if a.ndim == 0 or b.ndim == 0 else tensordot(a, b, [[-1], [-1]])


@op
def outer(x1, x2) -> Tensor:
    """Return the product of each element of `x1` with each of `x2`, both flattened: shape (n, m)."""
    a, b = pair(x1, x2)
    return P.multiply(P.reshape(a, shape=(a.size, 1)), P.reshape(b, shape=(1, b.size)))


@op
def vdot(x1, x2) -> Tensor:
    """Return the sum of products of two arrays of as many elements, both flattened."""
    a, b = align(x1, x2)
    return P.matmul(P.reshape(a, shape=(a.size,)), P.reshape(b, shape=(b.size,)))


@op
def cross(x1, x2, axisa=-1, axisb=-1, axisc=-1, axis=None) -> Tensor:
    """Return the cross product of vectors in space.

    Parameters
    ----------
    x1, x2 : Tensor or array
        Vectors of three (or two, whose third is 0) components.
    axisa, axisb, axisc : int
        The axis of the components, in `x1`, `x2` and the result.
    axis : int, optional
        In place of all three.

    Returns
    -------
    Tensor
        Of two plane vectors the one component that is not 0, without an axis.
    """
    a, b = align(x1, x2)
    axisa, axisb, axisc = (axisa, axisb, axisc) if axis is None else (axis, axis, axis)
    a, b = moveaxis(a, axisa, -1), moveaxis(b, axisb, -1)
    if not {a.shape[-1], b.shape[-1]} <= {2, 3}:
        raise ValueError(f"cross: vectors must have 2 or 3 components; got {a.shape[-1]} and {b.shape[-1]}.")
    zero = P.zeros_like(a[..., 0]), P.zeros_like(b[..., 0])
    (ax, ay, az), (bx, by, bz) = (
        (t[..., 0], t[..., 1], t[..., 2] if t.shape[-1] == 3 else z)
        for t, z in zip((a, b), zero, strict=True)
    )
    if a.shape[-1] == b.shape[-1] == 2:
        return ax * by - ay * bx
    return moveaxis(P.stack(ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx, axis=-1), -1, axisc)


@op
def einsum(subscripts, *operands) -> Tensor:
    """Return the sum of products that Einstein's notation names.

    Parameters
    ----------
    subscripts : str
        A letter for each axis of each operand, operands parted by commas, and after ``->`` those of the
        result. ``...`` stands for all other axes, which broadcast. Without ``->`` the result has the
        letters that come once, in alphabetical order.
    *operands : Tensor or array

    Raises
    ------
    ValueError
        If letters and axes do not match, or a letter stands for two sizes.

    Examples
    --------
    >>> ops.einsum("bij,bjk->bik", a, b)
    """
    # Of one operand alone the result may be a view.
    tensors = [own(operands[0])] if len(operands) == 1 else align(*operands)
    terms, out, tensors = _explicit(subscripts, tensors)
    return P.einsum(*tensors, subscripts=",".join(terms) + "->" + out)


def _explicit(subscripts, tensors):
    """Return terms, output and operands of an einsum without ``...``, each term's letters different."""
    left, arrow, out = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(tensors):
        raise ValueError(f"einsum: {subscripts!r} is for {len(terms)} operands; got {len(tensors)}.")
    used = set(subscripts)
    free = [c for c in string.ascii_letters if c not in used]
    spread = [
        t.ndim - len(term.replace("...", "")) if "..." in term else 0 for term, t in zip(terms, tensors)
    ]
    letters = "".join(free[: max(spread, default=0)])
    terms = [
        term.replace("...", letters[len(letters) - n :] if n > 0 else "") for term, n in zip(terms, spread)
    ]
    for term, tensor in zip(terms, tensors):
        if len(term) != tensor.ndim or (term and not term.isalpha()):
            raise ValueError(
                f"einsum: {subscripts!r} gives an operand the axes {term!r}; got one of shape {tensor.shape}."
            )
    if arrow and letters and "..." not in out:
        raise ValueError(f"einsum: the result of {subscripts!r} must have '...' as well.")
    if arrow:
        out = out.replace("...", letters)
    else:
        once = sorted(c for c in set("".join(terms)) - set(letters) if "".join(terms).count(c) == 1)
        out = letters + "".join(once)
    if len(set(out)) < len(out) or not set(out) <= set("".join(terms)):
        raise ValueError(f"einsum: the result of {subscripts!r} must name axes of the operands, each once.")
    sizes = {}
    for term, tensor in zip(terms, tensors):
        for c, n in zip(term, tensor.shape):
            if sizes.setdefault(c, n) != n:
                if 1 not in (n, sizes[c]):
                    raise ValueError(
                        f"einsum: {c!r} in {subscripts!r} stands for the sizes {sizes[c]} and {n}."
                    )
                sizes[c] = max(n, sizes[c])
    simple = [_simplified(term, tensor, sizes) for term, tensor in zip(terms, tensors)]
    return [term for term, _ in simple], out, [tensor for _, tensor in simple]


def _simplified(term, tensor, sizes):
    """Take diagonals where a letter comes twice, and drop axes of size 1 that broadcast."""
    for c in sorted(set(term)):
        while term.count(c) > 1:
            first = term.index(c)
            second = term.index(c, first + 1)
            tensor = diagonal(tensor, 0, first, second)
            term = term.replace(c, "", 2) + c
    kept = [i for i, c in enumerate(term) if tensor.shape[i] == sizes[c]]
    shape = tuple(tensor.shape[i] for i in kept)
    return "".join(term[i] for i in kept), tensor if shape == tensor.shape else P.reshape(tensor, shape=shape)


@op
def norm(x, ord=None, axis=None, keepdims=False) -> Tensor:
    """Return the norm of vectors or matrices.

    Parameters
    ----------
    x : Tensor or array
    ord : {None, "fro", 1, 2, inf, -inf, 0} or number
        None: the root of the sum of squares. Of vectors any number p gives (Σ|x|^p)^(1/p), 0 the number of
        elements that are not 0. Of matrices 1 and −1 give the largest and smallest column sum of |x|, inf
        and −inf the row sum.
    axis : int or pair of int, optional
        One axis holds vectors, two hold matrices. Default: all axes, `x` having one or two unless `ord` is
        None.
    keepdims : bool
        Leave each reduced axis with size 1.

    Raises
    ------
    ValueError
        If a norm of this order is not defined for so many axes.
    """
    x = convert_float(x)
    axes = some_axes("norm", axis, x.ndim)
    if ord is None or (ord == "fro" and len(axes) == 2) or (ord == 2 and len(axes) == 1):
        return P.sqrt(P.sum(P.square(x), axis=axes, keepdims=keepdims))
    size = P.absolute(x)
    if len(axes) == 1 and not isinstance(ord, str):
        if ord in (math.inf, -math.inf):
            return (P.max if ord > 0 else P.min)(size, axis=axes, keepdims=keepdims)
        if ord == 0:
            return P.sum(P.cast(P.not_equal(x, 0), dtype=x.dtype), axis=axes, keepdims=keepdims)
        total = P.sum(size if ord == 1 else P.power(size, float(ord)), axis=axes, keepdims=keepdims)
        return total if ord == 1 else P.power(total, 1.0 / ord)
    if len(axes) == 2 and ord in (1, -1, math.inf, -math.inf):
        summed, rest = axes if abs(ord) == 1 else axes[::-1]
        sums = P.sum(size, axis=summed, keepdims=True)
        value = (P.max if ord > 0 else P.min)(sums, axis=rest, keepdims=True)
        kept = tuple(n for i, n in enumerate(value.shape) if keepdims or i not in axes)
        return P.reshape(value, shape=kept)
    raise ValueError(
        f"norm: no norm of order {ord!r} is defined here over {len(axes)} axes of shape {x.shape}."
    )


@op
def diagonal(x, offset=0, axis1=0, axis2=1) -> Tensor:
    """Return the diagonals of the matrices that two axes hold, along a new last axis.

    Parameters
    ----------
    x : Tensor or array
    offset : int
        Above (positive) or below the main diagonal.
    axis1, axis2 : int
    """
    x = own(x)
    if x.ndim < 2:
        raise ValueError(f"diagonal: needs two axes or more; got an array of shape {x.shape}.")
    x = moveaxis(x, (axis1, axis2), (-2, -1))
    rows, columns = x.shape[-2:]
    row = backend.asarray(np.arange(max(0, min(rows, columns - offset) - max(0, -offset))) + max(0, -offset))
    return x[..., row, row + offset]


@op
def diag(x, k=0) -> Tensor:
    """Return a matrix with `x` on a diagonal, or, of a matrix, that diagonal.

    Parameters
    ----------
    x : Tensor or array of one or two axes
    k : int
        Above (positive) or below the main diagonal.
    """
    x = own(x)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ValueError(f"diag: needs one or two axes; got an array of shape {x.shape}.")
    n = x.size + abs(k)
    row = backend.asarray(np.arange(x.size) + max(0, -k))
    return P.scatter(x, index=(row, row + k), shape=(n, n))


@op
def trace(x, offset=0, axis1=0, axis2=1) -> Tensor:
    """Return the sums of the diagonals of the matrices that two axes hold; see `diagonal`."""
    return OPERATORS["sum"](diagonal(x, offset, axis1, axis2), -1)


def _triangle(name, x, keep) -> Tensor:
    x = own(x)
    if x.ndim < 2:
        raise ValueError(f"{name}: needs two axes or more; got an array of shape {x.shape}.")
    return P.where(convert(keep(np.ones(x.shape[-2:], bool))), x, P.zeros_like(x))


@op
def tril(x, k=0) -> Tensor:
    """Return `x` with zeros above the `k`-th diagonal of its last two axes."""
    return _triangle("tril", x, lambda ones: np.tril(ones, k))


@op
def triu(x, k=0) -> Tensor:
    """Return `x` with zeros below the `k`-th diagonal of its last two axes."""
    return _triangle("triu", x, lambda ones: np.triu(ones, k))
