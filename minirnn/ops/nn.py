"""Activations: the functions that layers apply to their outputs."""

import math
from collections.abc import Callable
from typing import Any

from minirnn.autograd import Tensor
from minirnn.autograd import primitives as P
from minirnn.autograd.primitive import convert, convert_float
from minirnn.autograd.tensor import SymbolicArgumentError
from minirnn.ops.arguments import along, number, one_axis, some_axes
from minirnn.ops.elementwise import clip
from minirnn.ops.symbolic import op, symbolic_call

_DOC = """{summary}

    Parameters
    ----------
    x : Tensor or array, any shape

    Returns
    -------
    Tensor, the shape of `x`, of floats
    """

# Klambauer et al. 2017, "Self-normalizing neural networks", equation 14.
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def _activation(name: str, formula: Callable[[Tensor], Tensor], summary: str) -> Callable[[Any], Tensor]:
    """Make the op of one argument from its formula on a Tensor of floats."""

    def function(x) -> Tensor:
        try:
            return formula(convert_float(x))
        except SymbolicArgumentError:
            return symbolic_call(function, (x,), {})

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _DOC.format(summary=summary)
    return function


def _below(x: Tensor) -> Tensor:
    """Return `x` where it is below 0 and 0 elsewhere, so that an exponential of it cannot overflow."""
    return P.where(P.greater(x, 0), P.zeros_like(x), x)


def _elu(x, alpha=1.0):
    return P.where(P.greater(x, 0), x, alpha * P.expm1(_below(x)))


def _relu6(x):
    # Asked this way round, NaN is kept.
    return P.where(P.greater_equal(x, 6), 6, P.relu(x))


def _hard_sigmoid(x):
    return _relu6(x + 3.0) / 6.0


def _hard_tanh(x):
    return P.where(P.less_equal(P.absolute(x), 1), x, P.sign(x))


def _sparse_plus(x):
    middle = P.square(clip(x, -1.0, 1.0) + 1.0) / 4.0
    return P.where(P.greater_equal(x, 1), x, middle)


sigmoid = _activation("sigmoid", P.sigmoid, "Return 1 / (1 + exp(−x)).")
log_sigmoid = _activation("log_sigmoid", lambda x: -P.softplus(-x), "Return log(1 / (1 + exp(−x))).")
hard_sigmoid = _activation("hard_sigmoid", _hard_sigmoid, "Return x/6 + 1/2, kept within 0 and 1.")
sparse_sigmoid = _activation(
    "sparse_sigmoid", lambda x: clip((x + 1.0) * 0.5, 0.0, 1.0), "Return (x + 1)/2, kept within 0 and 1."
)
hard_tanh = _activation("hard_tanh", _hard_tanh, "Return `x` kept within −1 and 1.")
tanh_shrink = _activation("tanh_shrink", lambda x: x - P.tanh(x), "Return x − tanh(x).")
softplus = _activation("softplus", P.softplus, "Return log(1 + exp(x)) without overflow.")
sparse_plus = _activation(
    "sparse_plus", _sparse_plus, "Return 0 below −1, (x + 1)²/4 from there to 1, and `x` above."
)
softsign = _activation("softsign", lambda x: x / (1.0 + P.absolute(x)), "Return x / (1 + |x|).")
silu = _activation("silu", lambda x: x * P.sigmoid(x), "Return x · sigmoid(x), also called swish.")
swish = silu
hard_silu = _activation(
    "hard_silu",
    lambda x: x * _hard_sigmoid(x),
    "Return x · hard_sigmoid(x), also called hard_swish.",
)
hard_swish = hard_silu
selu = _activation(
    "selu", lambda x: _SELU_SCALE * _elu(x, _SELU_ALPHA), "Return the scaled exponential linear unit of `x`."
)


@op
def relu(x) -> Tensor:
    """Return max(x, 0), of the dtype of `x`; the gradient at 0 is 0."""
    return P.relu(number(x))


@op
def relu6(x) -> Tensor:
    """Return `x` kept within 0 and 6, of its dtype."""
    return _relu6(number(x))


@op
def leaky_relu(x, negative_slope=0.2) -> Tensor:
    """Return `x` above 0 and ``negative_slope * x`` below, of floats."""
    x = convert_float(x)
    return P.where(P.greater_equal(x, 0), x, negative_slope * x)


@op
def elu(x, alpha=1.0) -> Tensor:
    """Return `x` above 0 and alpha · (exp(x) − 1) below, of floats."""
    return _elu(convert_float(x), alpha)


@op
def celu(x, alpha=1.0) -> Tensor:
    """Return `x` above 0 and alpha · (exp(x/alpha) − 1) below, of floats."""
    x = convert_float(x)
    return P.where(P.greater(x, 0), x, alpha * P.expm1(_below(x) / alpha))


@op
def gelu(x, approximate=True) -> Tensor:
    """Return the Gaussian error linear unit, x · Φ(x), of floats.

    Parameters
    ----------
    x : Tensor or array
    approximate : bool
        Φ by a tanh, ½ (1 + tanh(√(2/π) (x + 0.044715 x³))), or by the error function.
    """
    x = convert_float(x)
    if not approximate:
        return 0.5 * x * (1.0 + P.erf(x * math.sqrt(0.5)))
    return 0.5 * x * (1.0 + P.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * P.square(x))))


@op
def squareplus(x, b: float = 4) -> Tensor:
    """Return (x + √(x² + b))/2, of floats: a smooth `relu` of algebraic functions alone."""
    x = convert_float(x)
    return (x + P.sqrt(P.square(x) + b)) / 2.0


@op
def soft_shrink(x, threshold=0.5) -> Tensor:
    """Return `x` brought nearer to 0 by `threshold`, and 0 where it is nearer than that; of floats."""
    x = convert_float(x)
    return x - clip(x, -threshold, threshold)


@op
def hard_shrink(x, threshold=0.5) -> Tensor:
    """Return `x`, and 0 where its absolute value is `threshold` or less; of floats."""
    x = convert_float(x)
    return P.where(P.greater(P.absolute(x), threshold), x, P.zeros_like(x))


@op
def threshold(x, threshold, default_value) -> Tensor:
    """Return `x` where it is above `threshold` and `default_value` elsewhere; of floats."""
    x = convert_float(x)
    return P.where(P.greater(x, threshold), x, convert(default_value, x.dtype))


@op
def glu(x, axis=-1) -> Tensor:
    """Return the first half of `x` along an axis, times the sigmoid of the second; of floats.

    Raises
    ------
    ValueError
        If the axis has an odd size.
    """
    x = convert_float(x)
    axis = one_axis("glu", axis, x.ndim)
    half, odd = divmod(x.shape[axis], 2)
    if odd:
        raise ValueError(f"glu: axis {axis} must have an even size; got shape {x.shape}.")
    return x[along(axis, slice(None, half))] * P.sigmoid(x[along(axis, slice(half, None))])


@op
def softmax(x, axis: Any = -1) -> Tensor:
    """Return exp(x) divided by its sum along an axis: positive numbers that sum to 1.

    Parameters
    ----------
    x : Tensor or array
    axis : int or tuple of int, or None for all axes

    Returns
    -------
    Tensor, the shape of `x`, of floats; NaN where all of a line is −∞
    """
    x = convert_float(x)
    return P.softmax(x, axis=some_axes("softmax", axis, x.ndim))


@op
def log_softmax(x, axis: Any = -1) -> Tensor:
    """Return the logarithm of `softmax`, precise where that is near 0; arguments as there."""
    x = convert_float(x)
    return x - P.logsumexp(x, axis=some_axes("log_softmax", axis, x.ndim), keepdims=True)


@op
def sparsemax(x, axis=-1) -> Tensor:
    """Return the point nearest to `x` whose coordinates along an axis are not negative and sum to 1.

    References
    ----------
    Martins and Astudillo 2016, "From softmax to sparsemax", algorithm 1.
    """
    x = convert_float(x)
    axis = one_axis("sparsemax", axis, x.ndim)
    order = P.argsort(-Tensor(x.data), axis=axis).data
    z = P.take_along_axis(Tensor(x.data), indices=order, axis=axis)
    k = P.cumsum(P.ones_like(z), axis=axis)
    inside = P.greater(1.0 + k * z, P.cumsum(z, axis=axis))
    size = P.sum(P.cast(inside, dtype=x.dtype), axis=axis, keepdims=True)
    last = P.max(P.where(inside, -z, P.zeros_like(z) - math.inf), axis=axis, keepdims=True)
    support = P.greater_equal(x, -last)
    tau = (P.sum(P.where(support, x, P.zeros_like(x)), axis=axis, keepdims=True) - 1.0) / size
    return P.relu(x - tau)
