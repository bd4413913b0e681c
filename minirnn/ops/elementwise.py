"""Functions of each element by itself: arithmetic, comparison, logic, exponentials, trigonometry."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from minirnn import backend
from minirnn.autograd import Tensor, stop_gradient
from minirnn.autograd import primitives as P
from minirnn.autograd.operators import FLOATS
from minirnn.autograd.primitive import align, convert, convert_float, operands
from minirnn.autograd.tensor import OPERATORS, SymbolicArgumentError, state
from minirnn.backend.allowance import allowances
from minirnn.ops.arguments import number, own, pair
from minirnn.ops.symbolic import op, symbolic_call

_UNARY = """{summary}

    Parameters
    ----------
    x : Tensor or array, any shape

    Returns
    -------
    Tensor, the shape of `x`, {result}
    """

_BINARY = """{summary}

    Parameters
    ----------
    x1, x2 : Tensor, array or number
        Their shapes must broadcast.

    Returns
    -------
    Tensor, the broadcast shape, {result}

    Raises
    ------
    ValueError
        If the shapes do not broadcast.
    """


def _named(function, name, doc, summary, result):
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc.format(summary=summary, result=result)
    return function


def _unary(name: str, summary: str, result: str = "float") -> Callable[[Any], Tensor]:
    """Make the op of one argument from the primitive of that name; `result` says of which dtype it is."""
    primitive, plain = P.__dict__[name], getattr(np, name, None)
    to_tensor = {"float": convert_float, "number": number}.get(result, convert)

    def function(x) -> Tensor:
        # Written out for the most frequent case, floats and nothing to record: see `autograd/operators.py`.
        data = x.data if x.__class__ is Tensor and not (x.requires_grad and state.recording) else x
        direct = data.__class__ is ndarray and data.dtype in FLOATS and not allowances
        if direct and plain is not None and (x.__class__ is not ndarray or backend.on_host()):
            y = plain(data)
            return Tensor(y if y.__class__ is ndarray else np.asarray(y))
        try:
            return primitive(to_tensor(x))
        except SymbolicArgumentError:
            return symbolic_call(function, (x,), {})

    of = {"float": "of floats: integers become floatx", "same": "of its dtype", "bool": "of bools"}
    of["number"] = "of its dtype, bools as int32"
    return _named(function, name, _UNARY, summary, of[result])


def _binary(name: str, summary: str, result: str = "same") -> Callable[[Any, Any], Tensor]:
    """Make the op of two arguments from the operator of that name."""
    apply = OPERATORS[name]

    def function(x1, x2) -> Tensor:
        try:
            return apply(x1, x2)
        except SymbolicArgumentError:
            return symbolic_call(function, (x1, x2), {})

    of = {"float": "of floats", "same": "of their common dtype", "bool": "of bools"}
    return _named(function, name, _BINARY, summary, of[result])


add = _binary("add", "Return `x1 + x2`.")
subtract = _binary("subtract", "Return `x1 - x2`.")
multiply = _binary("multiply", "Return `x1 * x2`.")
divide = _binary("divide", "Return `x1 / x2`; of integers too a quotient of floats.", "float")
true_divide = divide
floor_divide = _binary("floor_divide", "Return the largest integers not above `x1 / x2`.")
mod = _binary("mod", "Return the remainder of `x1 / x2`, with the sign of `x2`.")
power = _binary("power", "Return `x1` to the power `x2`.")
maximum = _binary(
    "maximum", "Return the larger of `x1` and `x2`; where they are equal the gradient is shared."
)
minimum = _binary(
    "minimum", "Return the smaller of `x1` and `x2`; where they are equal the gradient is shared."
)
arctan2 = _binary("arctan2", "Return the angle of the point (`x2`, `x1`), from −π to π.", "float")
logaddexp = _binary("logaddexp", "Return log(exp(x1) + exp(x2)) without overflow.", "float")

equal = _binary("equal", "Return where `x1 == x2`.", "bool")
not_equal = _binary("not_equal", "Return where `x1 != x2`.", "bool")
less = _binary("less", "Return where `x1 < x2`.", "bool")
less_equal = _binary("less_equal", "Return where `x1 <= x2`.", "bool")
greater = _binary("greater", "Return where `x1 > x2`.", "bool")
greater_equal = _binary("greater_equal", "Return where `x1 >= x2`.", "bool")
logical_and = _binary("logical_and", "Return where both are true (not 0).", "bool")
logical_or = _binary("logical_or", "Return where one or both are true (not 0).", "bool")
logical_xor = _binary("logical_xor", "Return where exactly one is true (not 0).", "bool")
logical_not = _unary("logical_not", "Return where `x` is false (0).", "bool")

negative = _unary("negative", "Return `-x`.", "same")
absolute = _unary("absolute", "Return the absolute value of `x`.", "same")
abs = absolute
sign = _unary("sign", "Return −1, 0 or 1, the sign of `x`.", "same")
square = _unary("square", "Return `x * x`.", "number")
sqrt = _unary("sqrt", "Return the square root of `x`.")
rsqrt = _unary("rsqrt", "Return 1 over the square root of `x`.")
reciprocal = _unary("reciprocal", "Return `1 / x`.")
exp = _unary("exp", "Return e to the power `x`.")
expm1 = _unary("expm1", "Return exp(x) − 1, precise near 0.")
log = _unary("log", "Return the natural logarithm of `x`.")
log1p = _unary("log1p", "Return log(1 + x), precise near 0.")
log2 = _unary("log2", "Return the logarithm of `x` to the base 2.")
log10 = _unary("log10", "Return the logarithm of `x` to the base 10.")
sin = _unary("sin", "Return the sine of `x`, in radians.")
cos = _unary("cos", "Return the cosine of `x`, in radians.")
tan = _unary("tan", "Return the tangent of `x`, in radians.")
arcsin = _unary("arcsin", "Return the angle from −π/2 to π/2 whose sine is `x`.")
arccos = _unary("arccos", "Return the angle from 0 to π whose cosine is `x`.")
arctan = _unary("arctan", "Return the angle from −π/2 to π/2 whose tangent is `x`.")
sinh = _unary("sinh", "Return the hyperbolic sine of `x`.")
cosh = _unary("cosh", "Return the hyperbolic cosine of `x`.")
tanh = _unary("tanh", "Return the hyperbolic tangent of `x`.")
arcsinh = _unary("arcsinh", "Return the inverse hyperbolic sine of `x`.")
arccosh = _unary("arccosh", "Return the inverse hyperbolic cosine of `x`.")
arctanh = _unary("arctanh", "Return the inverse hyperbolic tangent of `x`.")
erf = _unary("erf", "Return the error function of `x`, 2/√π · ∫₀ˣ exp(−t²) dt.")
floor = _unary("floor", "Return the largest integers not above `x`, as floats.")
ceil = _unary("ceil", "Return the smallest integers not below `x`, as floats.")
trunc = _unary("trunc", "Return the integers next to `x` towards 0.", "same")
isnan = _unary("isnan", "Return where `x` is not a number.", "bool")
isinf = _unary("isinf", "Return where `x` is infinite.", "bool")
isfinite = _unary("isfinite", "Return where `x` is neither infinite nor NaN.", "bool")


def _integers(name: str, summary: str) -> Callable[[Any, Any], Tensor]:
    primitive = P.__dict__[name]

    @op
    def function(x, y) -> Tensor:
        a, b = operands(x, y)
        return primitive(a, b)

    doc = _BINARY.replace("x1, x2 :", "x, y :").replace("number\n", "number, of integers or bools\n")
    return _named(function, name, doc, summary, "of their common dtype")


bitwise_and = _integers("bitwise_and", "Return the bits set in both `x` and `y`.")
bitwise_or = _integers("bitwise_or", "Return the bits set in `x` or `y` or both.")
bitwise_xor = _integers("bitwise_xor", "Return the bits set in exactly one of `x` and `y`.")
bitwise_left_shift = _integers("bitwise_left_shift", "Return `x << y`.")
bitwise_right_shift = _integers("bitwise_right_shift", "Return `x >> y`.")
left_shift, right_shift = bitwise_left_shift, bitwise_right_shift


@op
def bitwise_not(x) -> Tensor:
    """Return the bits of `x`, of integers or bools, each turned over."""
    return P.bitwise_not(convert(x))


bitwise_invert = bitwise_not


@op
def round(x, decimals=0) -> Tensor:
    """Return `x` rounded to so many decimals; halves go to the even neighbour.

    Parameters
    ----------
    x : Tensor or array
    decimals : int
    """
    x = own(x)
    return x if x.dtype.kind == "b" else P.round(x, decimals=decimals)


@op
def clip(x, x_min, x_max) -> Tensor:
    """Return `x` with values below `x_min` or above `x_max` replaced by these; None is no bound.

    Parameters
    ----------
    x : Tensor or array
    x_min, x_max : number, Tensor, array or None
    """
    x = number(x)
    x = x if x_min is None else maximum(x, x_min)
    return x if x_max is None else minimum(x, x_max)


@op
def divide_no_nan(x1, x2) -> Tensor:
    """Return `x1 / x2`, and 0 where `x2` is 0; the gradient there is 0 as well.

    Parameters
    ----------
    x1, x2 : Tensor, array or number
    """
    a, b = map(convert_float, pair(x1, x2))
    zero = P.equal(b, 0)
    quotient = P.divide(a, P.where(zero, P.ones_like(b), b))
    return P.where(zero, P.zeros_like(quotient), quotient)


@op
def exp2(x) -> Tensor:
    """Return 2 to the power `x`, of floats."""
    return P.power(2.0, convert_float(x))


@op
def cbrt(x) -> Tensor:
    """Return the real cube root of `x`, of floats."""
    return P.cbrt(convert_float(x))


@op
def hypot(x1, x2) -> Tensor:
    """Return the length of the hypotenuse, √(x1² + x2²), without overflow of the squares."""
    a, b = map(convert_float, pair(x1, x2))
    # Any scale gives the same length and gradient.
    largest = stop_gradient(P.maximum(P.absolute(a), P.absolute(b)))
    zero, one = P.equal(largest, 0), P.ones_like(largest)
    scale = P.where(P.logical_or(zero, P.logical_not(P.isfinite(largest))), one, largest)
    squares = P.square(a / scale) + P.square(b / scale)
    # The root has no slope at 0; the length is given none there.
    return P.where(zero, P.zeros_like(squares), scale * P.sqrt(P.where(zero, one, squares)))


@op
def erfc(x) -> Tensor:
    """Return 1 − erf(x), exact where that is nearly 0 too."""
    return P.erfc(convert_float(x))


@op
def nan_to_num(x, nan=0.0, posinf=None, neginf=None) -> Tensor:
    """Return `x` with numbers in place of NaN and infinities.

    Parameters
    ----------
    x : Tensor or array
    nan, posinf, neginf : float
        What stands in; by default 0 and the largest and smallest finite number of the dtype.
    """
    x = own(x)
    if x.dtype.kind != "f":
        return x
    limits = np.finfo(x.dtype)
    for where, value in (
        (P.isnan(x), nan),
        (P.equal(x, math.inf), float(limits.max) if posinf is None else posinf),
        (P.equal(x, -math.inf), float(limits.min) if neginf is None else neginf),
    ):
        x = P.where(where, convert(value, x.dtype), x)
    return x


@op
def isclose(x1, x2, rtol=1e-5, atol=1e-8, equal_nan=False) -> Tensor:
    """Return where |x1 − x2| ≤ atol + rtol · |x2|, or both are the same infinity.

    Parameters
    ----------
    x1, x2 : Tensor, array or number
    rtol, atol : float
    equal_nan : bool
        Whether two NaNs are close.
    """
    a, b = (t.data for t in align(x1, x2))
    return convert(backend.array_module(a).isclose(a, b, rtol, atol, equal_nan))


@op
def allclose(x1, x2, rtol=1e-5, atol=1e-8, equal_nan=False) -> Tensor:
    """Return whether all elements are close, as one bool; see `isclose`."""
    return P.all(isclose(convert(x1), convert(x2), rtol, atol, equal_nan))
