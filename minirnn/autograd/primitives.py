"""The primitives: each a name and what it does to raw arrays. Their gradients stand in `rules.py`.

`xp` is the array module of the arguments. What NumPy lacks is asked of the arrays' backend.
"""

import itertools
import math

import numpy as np

from minirnn import backend
from minirnn.autograd.primitive import convert as convert
from minirnn.autograd.primitive import define
from minirnn.backend import blas

# Elementwise, of two arguments.
add = define("add", lambda xp, a, b: xp.add(a, b))
subtract = define("subtract", lambda xp, a, b: xp.subtract(a, b))
multiply = define("multiply", lambda xp, a, b: xp.multiply(a, b))
divide = define("divide", lambda xp, a, b: xp.divide(a, b))
floor_divide = define("floor_divide", lambda xp, a, b: xp.floor_divide(a, b))
mod = define("mod", lambda xp, a, b: xp.mod(a, b))
power = define("power", lambda xp, a, b: a**b)  # faster than xp.power for the exponents 2 and 0.5
maximum = define("maximum", lambda xp, a, b: xp.maximum(a, b))
minimum = define("minimum", lambda xp, a, b: xp.minimum(a, b))
arctan2 = define("arctan2", lambda xp, a, b: xp.arctan2(a, b))
logaddexp = define("logaddexp", lambda xp, a, b: xp.logaddexp(a, b))

# Elementwise, of one argument.
identity = define("identity", lambda xp, x: x)
negative = define("negative", lambda xp, x: xp.negative(x))
exp = define("exp", lambda xp, x: xp.exp(x))
expm1 = define("expm1", lambda xp, x: xp.expm1(x))
log = define("log", lambda xp, x: xp.log(x))
log1p = define("log1p", lambda xp, x: xp.log1p(x))
log2 = define("log2", lambda xp, x: xp.log2(x))
log10 = define("log10", lambda xp, x: xp.log10(x))
sqrt = define("sqrt", lambda xp, x: xp.sqrt(x))
rsqrt = define("rsqrt", lambda xp, x: 1.0 / xp.sqrt(x))
square = define("square", lambda xp, x: xp.square(x))
reciprocal = define("reciprocal", lambda xp, x: 1.0 / x)
absolute = define("absolute", lambda xp, x: xp.absolute(x))
sin = define("sin", lambda xp, x: xp.sin(x))
cos = define("cos", lambda xp, x: xp.cos(x))
tan = define("tan", lambda xp, x: xp.tan(x))
sinh = define("sinh", lambda xp, x: xp.sinh(x))
cosh = define("cosh", lambda xp, x: xp.cosh(x))
tanh = define("tanh", lambda xp, x: xp.tanh(x))
arcsin = define("arcsin", lambda xp, x: xp.arcsin(x))
arccos = define("arccos", lambda xp, x: xp.arccos(x))
arctan = define("arctan", lambda xp, x: xp.arctan(x))
arcsinh = define("arcsinh", lambda xp, x: xp.arcsinh(x))
arccosh = define("arccosh", lambda xp, x: xp.arccosh(x))
arctanh = define("arctanh", lambda xp, x: xp.arctanh(x))
erf = define("erf", lambda xp, x: backend.backend_of(x).erf(x))
erfc = define("erfc", lambda xp, x: backend.backend_of(x).erfc(x))
cbrt = define("cbrt", lambda xp, x: xp.cbrt(x))
relu = define("relu", lambda xp, x: xp.maximum(x, 0))


def _sigmoid(xp, x):
    if x.dtype.kind == "c":
        return 1 / (1 + xp.exp(-x))
    y = xp.negative(x, out=xp.empty_like(x))
    # An infinite exp(−x) gives 0, which is right to the smallest normal float.
    with np.errstate(over="ignore"):
        xp.exp(y, out=y)
    xp.add(y, 1, out=y)
    return xp.divide(1, y, out=y)


def _softplus(xp, x):
    """Return log(1+exp(x)) as max(x, 0) + log(1+exp(−|x|)), in which nothing overflows."""
    if x.dtype.kind == "c":
        return xp.log(1 + xp.exp(x))
    y = xp.absolute(x, out=xp.empty_like(x))
    xp.negative(y, out=y)
    xp.log1p(xp.exp(y, out=y), out=y)
    return xp.add(y, xp.maximum(x, 0), out=y)


sigmoid = define("sigmoid", _sigmoid)
softplus = define("softplus", _softplus)

# Elementwise and piecewise constant.
sign = define("sign", lambda xp, x: xp.sign(x))
floor = define("floor", lambda xp, x: xp.floor(x))
ceil = define("ceil", lambda xp, x: xp.ceil(x))
trunc = define("trunc", lambda xp, x: xp.trunc(x))
round = define("round", lambda xp, x, *, decimals=0: xp.round(x, decimals))
zeros_like = define("zeros_like", lambda xp, x: xp.zeros_like(x))
ones_like = define("ones_like", lambda xp, x: xp.ones_like(x))

# Comparisons, logic and other functions whose results are no floats: nothing to differentiate.
equal = define("equal", lambda xp, a, b: xp.equal(a, b))
not_equal = define("not_equal", lambda xp, a, b: xp.not_equal(a, b))
less = define("less", lambda xp, a, b: xp.less(a, b))
less_equal = define("less_equal", lambda xp, a, b: xp.less_equal(a, b))
greater = define("greater", lambda xp, a, b: xp.greater(a, b))
greater_equal = define("greater_equal", lambda xp, a, b: xp.greater_equal(a, b))
logical_and = define("logical_and", lambda xp, a, b: xp.logical_and(a, b))
logical_or = define("logical_or", lambda xp, a, b: xp.logical_or(a, b))
logical_xor = define("logical_xor", lambda xp, a, b: xp.logical_xor(a, b))
logical_not = define("logical_not", lambda xp, x: xp.logical_not(x))
bitwise_and = define("bitwise_and", lambda xp, a, b: xp.bitwise_and(a, b))
bitwise_or = define("bitwise_or", lambda xp, a, b: xp.bitwise_or(a, b))
bitwise_xor = define("bitwise_xor", lambda xp, a, b: xp.bitwise_xor(a, b))
bitwise_not = define("bitwise_not", lambda xp, x: xp.invert(x))
bitwise_left_shift = define("bitwise_left_shift", lambda xp, a, b: xp.left_shift(a, b))
bitwise_right_shift = define("bitwise_right_shift", lambda xp, a, b: xp.right_shift(a, b))
isnan = define("isnan", lambda xp, x: xp.isnan(x))
isinf = define("isinf", lambda xp, x: xp.isinf(x))
isfinite = define("isfinite", lambda xp, x: xp.isfinite(x))
any = define("any", lambda xp, x, *, axis=None, keepdims=False: x.any(axis=axis, keepdims=keepdims))
all = define("all", lambda xp, x, *, axis=None, keepdims=False: x.all(axis=axis, keepdims=keepdims))
argmax = define("argmax", lambda xp, x, *, axis=None, keepdims=False: x.argmax(axis=axis, keepdims=keepdims))
argmin = define("argmin", lambda xp, x, *, axis=None, keepdims=False: x.argmin(axis=axis, keepdims=keepdims))
argsort = define("argsort", lambda xp, x, *, axis=-1: xp.argsort(x, axis=axis, kind="stable"))

# Reductions.
sum = define("sum", lambda xp, x, *, axis=None, keepdims=False: x.sum(axis=axis, keepdims=keepdims))
prod = define("prod", lambda xp, x, *, axis=None, keepdims=False: x.prod(axis=axis, keepdims=keepdims))
max = define("max", lambda xp, x, *, axis=None, keepdims=False: x.max(axis=axis, keepdims=keepdims))
min = define("min", lambda xp, x, *, axis=None, keepdims=False: x.min(axis=axis, keepdims=keepdims))


def _standardize(xp, x, *, axes, epsilon):
    n = x.dtype.type(math.prod(x.shape[a] for a in axes))
    mean = xp.add.reduce(x, axis=axes, keepdims=True) / n
    centred = x - mean
    variance = xp.add.reduce(centred * centred, axis=axes, keepdims=True) / n
    return centred / xp.sqrt(variance + x.dtype.type(epsilon)), mean, variance


# (x − μ) / √(v + ε) with the mean μ and the variance v along some axes; then μ and v, which keep the axes.
standardize = define("standardize", _standardize)


def _logsumexp(xp, x, *, axis=None, keepdims=False):
    peak = x.max(axis=axis, keepdims=True) if x.size else xp.zeros((), x.dtype)
    peak = xp.where(xp.isfinite(peak), peak, x.dtype.type(0))  # no inf − inf
    # The log of no probability at all is −inf; a difference that overflows is one of those.
    with np.errstate(divide="ignore", over="ignore"):
        y = xp.log(xp.exp(x - peak).sum(axis=axis, keepdims=True)) + peak
    return y if keepdims else xp.squeeze(y, axis=axis)


def _softmax(xp, x, *, axis):
    if not x.size:
        return x.copy()
    with np.errstate(over="ignore", invalid="ignore"):  # −inf alone has no softmax: NaN
        y = xp.exp(x - x.max(axis=axis, keepdims=True))
        return y / y.sum(axis=axis, keepdims=True)


logsumexp = define("logsumexp", _logsumexp)
softmax = define("softmax", _softmax)
cumsum = define("cumsum", lambda xp, x, *, axis: x.cumsum(axis=axis, dtype=x.dtype))
cumprod = define("cumprod", lambda xp, x, *, axis: x.cumprod(axis=axis, dtype=x.dtype))


# Products.
_HALF = np.dtype("float16")


def _matmul(xp, a, b):
    if xp is np and b.ndim:  # of none NumPy says what is wrong
        blas.before_product(a.size * b.shape[-1])
        if a.dtype == b.dtype == _HALF:
            # BLAS knows no float16, and loops without it take 30 times as long.
            return np.matmul(a.astype("float32"), b.astype("float32")).astype(_HALF)
    return xp.matmul(a, b)


def _einsum(xp, *arrays, subscripts):
    if xp is np:
        axes = itertools.chain(*(a.shape for a in arrays))
        sizes = dict(zip(subscripts.split("->")[0].replace(",", ""), axes))
        blas.before_product(math.prod(sizes.values()))
    return xp.einsum(subscripts, *arrays, optimize=len(arrays) > 1)


matmul = define("matmul", _matmul)
einsum = define("einsum", _einsum)


# Windows that slide over the axes between the first and the last: what convolutions and poolings are made of.
def _windows(xp, x, *, size, strides, dilation):
    """Return the windows of `x`, shape (batch, *steps, channels), as (batch, *places, *size, channels).

    Window p holds along each axis the steps p · stride + k · dilation, for k below its size. It is a view.
    """
    places = [
        (n - (k - 1) * d - 1) // s + 1
        for n, k, s, d in zip(x.shape[1:-1], size, strides, dilation, strict=True)
    ]
    if [n for n in places if n < 1]:
        raise ValueError("no window fits into the array")
    first, *between, last = x.strides
    from_place_to_place = [b * s for b, s in zip(between, strides)]
    within = [b * d for b, d in zip(between, dilation)]
    return xp.lib.stride_tricks.as_strided(
        x,
        shape=(x.shape[0], *places, *size, x.shape[-1]),
        strides=(first, *from_place_to_place, *within, last),
    )


def _overlap_add(xp, values, *, shape, strides, dilation):
    """Return zeros of `shape` with windows added where `windows` takes them from: its transpose."""
    n = len(strides)
    places, size = values.shape[1 : n + 1], values.shape[n + 1 : -1]
    x = xp.zeros(shape, values.dtype)
    for offsets in itertools.product(*map(range, size)):
        part = [
            slice(k * d, k * d + (p - 1) * s + 1, s) for k, p, s, d in zip(offsets, places, strides, dilation)
        ]
        x[(slice(None), *part)] += values[(slice(None),) * (n + 1) + offsets]
    return x


windows = define("windows", _windows)
overlap_add = define("overlap_add", _overlap_add)

# Shapes.
cast = define("cast", lambda xp, x, *, dtype: x.astype(dtype))
reshape = define("reshape", lambda xp, x, *, shape: x.reshape(shape))
transpose = define("transpose", lambda xp, x, *, axes=None: x.transpose(axes))
broadcast_to = define("broadcast_to", lambda xp, x, *, shape: xp.broadcast_to(x, shape))
concatenate = define("concatenate", lambda xp, *arrays, axis: xp.concatenate(arrays, axis=axis))
stack = define("stack", lambda xp, *arrays, axis: xp.stack(arrays, axis=axis))
unstack = define("unstack", lambda xp, x, *, axis: tuple(xp.moveaxis(x, axis, 0)))


def _split(xp, x, *, sizes, axis):
    """Return `x` cut along an axis into parts of these sizes."""
    axis %= x.ndim
    ends = itertools.accumulate(sizes)
    return tuple([x[(slice(None),) * axis + (slice(end - n, end),)] for n, end in zip(sizes, ends)])


split = define("split", _split)
pad = define("pad", lambda xp, x, *, pad_width, value=0: xp.pad(x, pad_width, constant_values=value))

# Selection.
where = define("where", lambda xp, condition, a, b: xp.where(condition, a, b))
getitem = define("getitem", lambda xp, x, *, index: x[index])


def _scatter(xp, values, *, index, shape):
    """Return zeros of `shape` with `values` added at `index`: the transpose of getitem."""
    array = xp.zeros(shape, values.dtype)
    if _is_basic(index):
        array[index] = values
    else:
        backend.backend_of(array).scatter_add(array, index, values)
    return array


def _is_basic(index) -> bool:
    """Whether an index selects each element at most once: no arrays of integers in it."""
    items = index if isinstance(index, tuple) else (index,)
    return not [i for i in items if isinstance(i, list) or (backend.is_array(i) and i.dtype.kind != "b")]


scatter = define("scatter", _scatter)


def _slice_update(xp, x, values, *, index):
    array = x.copy()
    array[index] = values
    return array


slice_update = define("slice_update", _slice_update)
take_along_axis = define(
    "take_along_axis", lambda xp, x, *, indices, axis: xp.take_along_axis(x, indices, axis)
)


def _scatter_along_axis(xp, values, *, indices, axis, shape):
    """Return zeros of `shape` with `values` added at `indices` along `axis`: transpose of take_along_axis."""
    index = list(xp.ix_(*[xp.arange(n) for n in indices.shape]))
    index[axis] = indices
    array = xp.zeros(shape, values.dtype)
    if indices.shape[axis] == 1:  # no place can come twice
        array[tuple(index)] = values
    else:
        backend.backend_of(array).scatter_add(array, tuple(index), values)
    return array


scatter_along_axis = define("scatter_along_axis", _scatter_along_axis)
