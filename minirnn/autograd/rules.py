"""The table of vector-Jacobian products: the whole of differentiation, one line a primitive.

A rule takes the cotangent `g` of the output `y`, then the arguments, and gives the cotangent of one
argument. It is written with primitives itself, so it can be differentiated in its turn. Where an argument
was broadcast, the result has the broadcast shape; `graph._fit` sums it down.
"""

import functools
import math

import numpy as np

from minirnn.autograd import primitives as P
from minirnn.autograd.primitive import def_vjp, def_vjp_variadic
from minirnn.autograd.tensor import Tensor


def _mask(condition: Tensor, like: Tensor) -> Tensor:
    """Return a comparison's result as numbers of the dtype of `like`."""
    return P.cast(condition, dtype=like.dtype)


def _ties(g, above, equal):
    """Return the share of the argument that was taken: a half where both are equal."""
    return g * (_mask(above, g) + 0.5 * _mask(equal, g))


# Elementwise, of two arguments.
def_vjp("add", lambda g, y, a, b: g, lambda g, y, a, b: g)
def_vjp("subtract", lambda g, y, a, b: g, lambda g, y, a, b: -g)
def_vjp("multiply", lambda g, y, a, b: g * b, lambda g, y, a, b: g * a)
def_vjp("divide", lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b)
def_vjp("mod", lambda g, y, a, b: g, lambda g, y, a, b: -g * P.floor_divide(a, b))
def_vjp("floor_divide", lambda g, y, a, b: P.zeros_like(y), lambda g, y, a, b: P.zeros_like(y))
def_vjp(
    "maximum",
    lambda g, y, a, b: _ties(g, P.greater(a, b), P.equal(a, b)),
    lambda g, y, a, b: _ties(g, P.less(a, b), P.equal(a, b)),
)
def_vjp(
    "minimum",
    lambda g, y, a, b: _ties(g, P.less(a, b), P.equal(a, b)),
    lambda g, y, a, b: _ties(g, P.greater(a, b), P.equal(a, b)),
)
def_vjp(
    "arctan2",
    lambda g, y, a, b: g * b / (a * a + b * b),
    lambda g, y, a, b: -g * a / (a * a + b * b),
)
def_vjp(
    "logaddexp",
    lambda g, y, a, b: g * P.exp(a - _finite(y)),
    lambda g, y, a, b: g * P.exp(b - _finite(y)),
)


def _finite(y: Tensor) -> Tensor:
    """Return a logarithm with 0 in place of −∞, against which −∞ − y is no NaN: log 0 has a gradient of 0."""
    return P.where(P.equal(y, -math.inf), P.zeros_like(y), y)


def _power_base(g, y, a, b):
    if not isinstance(b, Tensor):
        return P.zeros_like(g) if b == 0 else g * b * P.power(a, b - 1)
    # Where both are 0 the power is 1 for any base, and 0 · 0⁻¹ would make it NaN.
    both = P.logical_and(P.equal(a, 0), P.equal(b, 0))
    return g * b * P.power(P.where(both, P.ones_like(y), a), b - 1)


def _power_exponent(g, y, a, b):
    # Where the base is 0 the power is constant (0) for any exponent above 0; log 0 would make it NaN.
    if not isinstance(a, Tensor):
        return g * y * (math.log(a) if a > 0 else 0.0)
    return g * y * P.log(P.where(P.greater(a, 0), a, P.ones_like(a)))


def_vjp("power", _power_base, _power_exponent)

# Elementwise, of one argument.
def_vjp("identity", lambda g, y, x: g)
def_vjp("negative", lambda g, y, x: -g)
def_vjp("exp", lambda g, y, x: g * y)
def_vjp("expm1", lambda g, y, x: g * (y + 1))
def_vjp("log", lambda g, y, x: g / x)
def_vjp("log1p", lambda g, y, x: g / (x + 1))
def_vjp("log2", lambda g, y, x: g / (x * math.log(2)))
def_vjp("log10", lambda g, y, x: g / (x * math.log(10)))
def_vjp("rsqrt", lambda g, y, x: -0.5 * g * y / x)
def_vjp("sqrt", lambda g, y, x: g / (2 * y))
def_vjp("square", lambda g, y, x: g * (2 * x))
def_vjp("reciprocal", lambda g, y, x: -g * P.square(y))
def_vjp("absolute", lambda g, y, x: g * P.sign(x))
def_vjp("sin", lambda g, y, x: g * P.cos(x))
def_vjp("cos", lambda g, y, x: -g * P.sin(x))
def_vjp("tan", lambda g, y, x: g * (1 + P.square(y)))
def_vjp("sinh", lambda g, y, x: g * P.cosh(x))
def_vjp("cosh", lambda g, y, x: g * P.sinh(x))
def_vjp("tanh", lambda g, y, x: g * (1 - P.square(y)))
def_vjp("arcsin", lambda g, y, x: g / P.sqrt(1 - P.square(x)))
def_vjp("arccos", lambda g, y, x: -g / P.sqrt(1 - P.square(x)))
def_vjp("arctan", lambda g, y, x: g / (1 + P.square(x)))
def_vjp("arcsinh", lambda g, y, x: g / P.sqrt(P.square(x) + 1))
def_vjp("arccosh", lambda g, y, x: g / P.sqrt(P.square(x) - 1))
def_vjp("arctanh", lambda g, y, x: g / (1 - P.square(x)))
def_vjp("erf", lambda g, y, x: g * (2 / math.sqrt(math.pi)) * P.exp(-P.square(x)))
def_vjp("erfc", lambda g, y, x: g * (-2 / math.sqrt(math.pi)) * P.exp(-P.square(x)))
def_vjp("cbrt", lambda g, y, x: g / (3.0 * P.square(y)))
def_vjp("relu", lambda g, y, x: g * _mask(P.greater(x, 0), g))
def_vjp("sigmoid", lambda g, y, x: g * y * (1 - y))
def_vjp("softplus", lambda g, y, x: g * P.sigmoid(x))

# Piecewise constant: a gradient of zero, as in Keras, rather than none.
for _name in ("sign", "floor", "ceil", "trunc", "zeros_like", "ones_like"):
    def_vjp(_name, lambda g, y, x: P.zeros_like(x))
def_vjp("round", lambda g, y, x, decimals=0: P.zeros_like(x))


# Reductions.
def _spread(value: Tensor, x: Tensor, axis, keepdims) -> Tensor:
    """Give a reduction's result its reduced axes back, with size 1, so that it broadcasts against `x`."""
    if keepdims or x.ndim == value.ndim:
        return value
    axes = range(x.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
    axes = {a % x.ndim for a in axes}
    return P.reshape(value, shape=tuple(1 if i in axes else n for i, n in enumerate(x.shape)))


def _extreme(g, y, x, axis=None, keepdims=False):
    hit = _mask(P.equal(x, _spread(y, x, axis, keepdims)), g)
    return _spread(g, x, axis, keepdims) * hit / P.sum(hit, axis=axis, keepdims=True)


def _prod(g, y, x, axis=None, keepdims=False):
    """Product of the others, from the left and from the right, so that a zero does no harm."""
    axes = range(x.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
    axes = sorted({a % x.ndim for a in axes})
    rest = [i for i in range(x.ndim) if i not in axes]
    order = (*rest, *axes)
    lead = tuple(x.shape[i] for i in rest)
    flat = P.reshape(P.transpose(x, axes=order), shape=(*lead, math.prod(x.shape[i] for i in axes)))
    if not flat.size:
        return P.zeros_like(x)
    one = P.ones_like(flat[..., :1])
    left = P.cumprod(P.concatenate(one, flat[..., :-1], axis=-1), axis=-1)
    right = P.cumprod(P.concatenate(one, flat[..., :0:-1], axis=-1), axis=-1)[..., ::-1]
    others = P.reshape(left * right, shape=(*lead, *(x.shape[i] for i in axes)))
    return _spread(g, x, axis, keepdims) * P.transpose(others, axes=tuple(np.argsort(order)))


def_vjp(
    "sum",
    lambda g, y, x, axis=None, keepdims=False: P.broadcast_to(_spread(g, x, axis, keepdims), shape=x.shape),
)
def_vjp("prod", _prod)
def_vjp("max", _extreme)
def_vjp("min", _extreme)


def _standardize(g, outputs, x, axes, epsilon):
    """Ioffe and Szegedy 2015, section 3, with cotangents ȳ, μ̄ and v̄:

    (ȳ − mean(ȳ) − y · mean(ȳ · y)) / √(v + ε) + μ̄ / n + v̄ · 2 (x − μ) / n
    """
    y, mean, variance = outputs
    g_y, g_mean, g_variance = g
    n = float(math.prod(x.shape[a] for a in axes))
    parts = []
    if g_y is not None:
        along = P.sum(g_y, axis=axes, keepdims=True) + y * P.sum(g_y * y, axis=axes, keepdims=True)
        parts.append((g_y - along / n) / P.sqrt(variance + epsilon))
    if g_mean is not None:
        parts.append(P.broadcast_to(g_mean / n, shape=x.shape))
    if g_variance is not None:
        parts.append(g_variance * (x - mean) * (2 / n))
    return functools.reduce(P.add, parts)


def_vjp("standardize", _standardize)


def _reverse(x: Tensor, axis) -> Tensor:
    return x[(slice(None),) * (axis % x.ndim) + (slice(None, None, -1),)]


def _cumprod(g, y, x, axis):
    """Sum over the outputs k ≥ i of g_k · Π_{j≤k, j≠i} x_j."""
    if P.all(P.not_equal(x, 0)):
        return _reverse(P.cumsum(_reverse(g * y, axis), axis=axis), axis) / x
    # A zero cannot be divided out again: a product for each pair.
    axis %= x.ndim
    n = x.shape[axis]
    last = tuple(i for i in range(x.ndim) if i != axis) + (axis,)
    moved, g_moved = P.transpose(x, axes=last), P.transpose(g, axes=last)
    # rows[..., i, j] = x_j, but 1 at j = i; its cumulative product over j is the derivative of y_k by x_i.
    eye, upper = P.convert(np.eye(n, dtype=bool)), P.convert(np.triu(np.ones((n, n), x.dtype)))
    rows = P.where(eye, P.ones_like(moved[..., None, :]), moved[..., None, :])
    gradient = P.sum(g_moved[..., None, :] * P.cumprod(rows, axis=-1) * upper, axis=-1)
    return P.transpose(gradient, axes=tuple(np.argsort(last)))


def_vjp(
    "logsumexp",
    lambda g, y, x, axis=None, keepdims=False: (
        _spread(g, x, axis, keepdims) * P.exp(x - _finite(_spread(y, x, axis, keepdims)))
    ),
)
def_vjp("softmax", lambda g, y, x, axis: y * (g - P.sum(g * y, axis=axis, keepdims=True)))
def_vjp("cumsum", lambda g, y, x, axis: _reverse(P.cumsum(_reverse(g, axis), axis=axis), axis))
def_vjp("cumprod", _cumprod)


# Products.
def _swap(x: Tensor) -> Tensor:
    return P.transpose(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _column(g: Tensor, a: Tensor, b: Tensor):
    """Give one-dimensional operands of matmul, and its cotangent, the axes that matmul left out."""
    if a.ndim == 1:
        a, g = a[None, :], g[..., None, :] if b.ndim > 1 else g[None]
    if b.ndim == 1:
        b, g = b[:, None], g[..., None]
    return g, a, b


def _matmul_left(g, y, a, b):
    g, _, b = _column(g, a, b)
    gradient = P.matmul(g, _swap(b))
    return gradient if a.ndim > 1 else _sum_leading(gradient, a)


def _matmul_right(g, y, a, b):
    g, a, b_2d = _column(g, a, b)
    if b_2d.ndim == 2 and a.ndim > 2:
        # One product over all leading axes at once, not one product each and then a sum.
        rows = math.prod(a.shape[:-1])
        flat_a, flat_g = P.reshape(a, shape=(rows, a.shape[-1])), P.reshape(g, shape=(rows, g.shape[-1]))
        return P.reshape(P.matmul(_swap(flat_a), flat_g), shape=b.shape)
    gradient = P.matmul(_swap(a), g)
    return gradient if b.ndim > 1 else _sum_leading(gradient[..., 0], b)


def _sum_leading(gradient: Tensor, like: Tensor) -> Tensor:
    return P.sum(gradient, axis=tuple(range(gradient.ndim - like.ndim)))


def_vjp("matmul", _matmul_left, _matmul_right)


def _einsum(i, g, y, *arrays, subscripts):
    """Contract the cotangent with the other operands; `subscripts` is explicit and names no axis twice."""
    terms, _, out = subscripts.partition("->")
    terms = terms.split(",")
    others = [(t, a) for j, (t, a) in enumerate(zip(terms, arrays, strict=True)) if j != i]
    have = set(out).union(*(t for t, _ in others))
    kept = "".join(c for c in terms[i] if c in have)
    equation = ",".join([out, *(t for t, _ in others)]) + "->" + kept
    partial = P.einsum(g, *(a for _, a in others), subscripts=equation)
    # An axis that only this operand had was summed over: its cotangent is the same all along it.
    shape = arrays[i].shape
    sizes = iter(partial.shape)
    spread = tuple(next(sizes) if c in have else 1 for c in terms[i])
    return P.broadcast_to(P.reshape(partial, shape=spread), shape=shape)


def_vjp_variadic(
    "einsum",
    lambda g, y, *arrays, subscripts: [
        _einsum(i, g, y, *arrays, subscripts=subscripts) if a.requires_grad else None
        for i, a in enumerate(arrays)
    ],
)


# Each is the transpose of the other.
def_vjp(
    "windows",
    lambda g, y, x, size, strides, dilation: P.overlap_add(
        g, shape=x.shape, strides=strides, dilation=dilation
    ),
)
def_vjp(
    "overlap_add",
    lambda g, y, values, shape, strides, dilation: P.windows(
        g, size=values.shape[len(strides) + 1 : -1], strides=strides, dilation=dilation
    ),
)


def _inverse(axes):
    return tuple(int(i) for i in np.argsort([a % len(axes) for a in axes]))


# Shapes.
def_vjp("cast", lambda g, y, x, dtype: P.cast(g, dtype=x.dtype))
def_vjp("reshape", lambda g, y, x, shape: P.reshape(g, shape=x.shape))
def_vjp("transpose", lambda g, y, x, axes=None: P.transpose(g, axes=axes and _inverse(axes)))
def_vjp("broadcast_to", lambda g, y, x, shape: g)


def_vjp_variadic(
    "concatenate",
    lambda g, y, *arrays, axis: P.split(g, sizes=tuple([a.shape[axis] for a in arrays]), axis=axis),
)
def_vjp_variadic("stack", lambda g, y, *arrays, axis: P.unstack(g, axis=axis))


def _filled(g, y):
    """Return the cotangents of several outputs, zeros for those that were not used."""
    if not isinstance(g, list):
        g, y = [g], [y]
    return [P.zeros_like(b) if a is None else a for a, b in zip(g, y, strict=True)]


def_vjp("split", lambda g, y, x, sizes, axis: P.concatenate(*_filled(g, y), axis=axis))
def_vjp("unstack", lambda g, y, x, axis: P.stack(*_filled(g, y), axis=axis))
def_vjp(
    "pad",
    lambda g, y, x, pad_width, value=0: g[
        tuple(slice(low, low + n) for (low, _), n in zip(pad_width, x.shape, strict=True))
    ],
)

# Selection.
def_vjp(
    "where",
    None,
    lambda g, y, condition, a, b: P.where(condition, g, P.zeros_like(g)),
    lambda g, y, condition, a, b: P.where(condition, P.zeros_like(g), g),
)
def_vjp("getitem", lambda g, y, x, index: P.scatter(g, index=index, shape=x.shape))
def_vjp("scatter", lambda g, y, values, index, shape: g[index])
def_vjp(
    "slice_update",
    lambda g, y, x, values, index: P.slice_update(g, P.zeros_like(g[index]), index=index),
    lambda g, y, x, values, index: g[index],
)
def_vjp(
    "take_along_axis",
    lambda g, y, x, indices, axis: P.scatter_along_axis(g, indices=indices, axis=axis, shape=x.shape),
)
def_vjp(
    "scatter_along_axis",
    lambda g, y, values, indices, axis, shape: P.take_along_axis(g, indices=indices, axis=axis),
)
