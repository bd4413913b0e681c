"""Calls of the functions of each element, and of reductions."""

import math

import numpy as np

from tests.ops.calling import c, entry, erf, wide

# Elementwise.
for _name in [
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
    "arctan",
    "arcsinh",
    "exp",
    "expm1",
    "square",
    "absolute",
    "abs",
    "negative",
    "sign",
    "floor",
    "ceil",
    "trunc",
    "isnan",
    "isinf",
    "isfinite",
    "logical_not",
    "exp2",
]:
    entry(_name, lambda m: c(m.x(m.B, m.D)))
    entry(_name, lambda m: c(m.x()))
for _name in ["sqrt", "log", "log2", "log10", "log1p", "reciprocal", "cbrt"]:
    entry(_name, lambda m: c(m.pos(m.B, m.D)))
for _name in ["arcsin", "arccos", "arctanh"]:
    entry(_name, lambda m: c(m.unit(m.B, m.D)))
entry("arccosh", lambda m: c(m.pos(m.B, m.D) + 1))
entry("rsqrt", lambda m: c(m.pos(m.B, m.D)), lambda x: 1 / np.sqrt(x))
entry("cbrt", lambda m: c(m.x(m.B, m.D)))
entry("erf", lambda m: c(m.x(m.B, m.D, low=-4.0, high=4.0)), erf)
entry("erfc", lambda m: c(m.x(m.B, m.D)), lambda x: 1 - erf(x))
for _name in [
    "add",
    "subtract",
    "multiply",
    "divide",
    "true_divide",
    "floor_divide",
    "mod",
    "maximum",
    "minimum",
    "equal",
    "not_equal",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
    "arctan2",
    "logaddexp",
    "hypot",
]:
    entry(_name, lambda m: c(m.x(m.B, m.T, m.D), m.pos(m.T, 1)))
    entry(_name, lambda m: c(m.x(m.B, m.D), 1.7))
    entry(_name, lambda m: c(2.5, m.pos(m.D)))
entry("power", lambda m: c(m.pos(m.B, m.D), m.x(m.D)))
entry("power", lambda m: c(m.x(m.B, m.D), 2))
entry(
    "divide_no_nan",
    lambda m: c(m.x(m.B, m.D), m.i(m.D).astype(m.dtype)),
    lambda a, b: np.where(b == 0, 0, a / np.where(b == 0, 1, b)),
)
for _name in ["bitwise_and", "bitwise_or", "bitwise_xor"]:
    entry(_name, lambda m: c(m.i(m.B, m.D, high=9), m.i(m.D, high=9)))
    entry(_name, lambda m: c(m.b(m.B, m.D), m.b(m.D)))
for _name in ["bitwise_left_shift", "bitwise_right_shift", "left_shift", "right_shift"]:
    entry(_name, lambda m: c(m.i(m.B, m.D, high=99), m.i(m.D, high=4)))
for _name in ["bitwise_not", "bitwise_invert"]:
    entry(_name, lambda m: c(m.i(m.B, m.D, high=99)))
entry("round", lambda m: c(m.x(m.B, m.D)))
entry("round", lambda m: c(m.x(m.B, m.D), decimals=1))
entry("clip", lambda m: c(m.x(m.B, m.D), -0.75, 1))
entry("clip", lambda m: c(m.x(m.B, m.D), m.x(m.D, low=-2, high=-1), 1.0))
entry("nan_to_num", lambda m: c(np.array([1, math.nan, math.inf, -math.inf], m.dtype)))
entry(
    "nan_to_num",
    lambda m: c(np.array([math.nan, math.inf, -math.inf], m.dtype), nan=1.0, posinf=2.0, neginf=3.0),
)
entry(
    "isclose", lambda m: c(np.array([1.0, 1.0, math.nan, math.inf]), np.array([1.0, 1.1, math.nan, math.inf]))
)
entry("isclose", lambda m: c(np.array([1.0, math.nan]), np.array([1.05, math.nan]), rtol=0.1, equal_nan=True))
entry("allclose", lambda m: c(m.x(m.B), m.x(m.B)))

# Reductions.
for _name in ["sum", "mean", "prod", "max", "min", "amax", "amin", "std", "var", "any", "all"]:
    entry(_name, lambda m: c(m.x(m.B, m.T, m.D)))
    entry(_name, lambda m: c(m.x(m.B, m.T, m.D), axis=-2))
    entry(_name, lambda m: c(m.x(m.B, m.T, m.D), axis=(0, -1), keepdims=True))
for _name in ["argmax", "argmin"]:
    entry(_name, lambda m: c(m.x(m.B, m.T, m.D)))
    entry(_name, lambda m: c(m.x(m.B, m.T, m.D), axis=1, keepdims=True))
entry("max", lambda m: c(m.x(m.B, m.D), axis=1, initial=0.25))
entry("min", lambda m: c(m.x(m.B, m.D), initial=0.25))
entry("count_nonzero", lambda m: c(m.i(m.B, m.D), axis=1))
entry("count_nonzero", lambda m: c(m.i(m.B, m.D)))
entry("logsumexp", lambda m: c(m.x(m.B, m.D)), wide(lambda x: np.log(np.exp(x).sum())))
entry(
    "logsumexp",
    lambda m: c(m.x(m.B, m.D), axis=-1, keepdims=True),
    wide(lambda x, axis, keepdims: np.log(np.exp(x).sum(axis, keepdims=True))),
)
entry("average", lambda m: c(m.x(m.B, m.D), axis=1, weights=m.pos(m.B, m.D)))
entry("average", lambda m: c(m.x(m.B, m.D), axis=1, weights=m.pos(m.D)))
entry("average", lambda m: c(m.x(m.B, m.D)))
for _name in ["median"]:
    entry(_name, lambda m: c(m.x(m.B, m.T, m.D)))
    entry(_name, lambda m: c(m.x(m.B, m.T, m.D), axis=(0, 2), keepdims=True))
entry("quantile", lambda m: c(m.x(m.B, m.T, m.D), 0.3, axis=1))
entry("quantile", lambda m: c(m.x(m.B, m.T, m.D), [0.0, 0.25, 0.6, 1.0], axis=(0, -1), keepdims=True))
for _name in ["lower", "higher", "midpoint", "nearest"]:
    entry("quantile", lambda m, method=_name: c(m.x(m.B, 5), 0.3, axis=1, method=method))
for _name in ["cumsum", "cumprod"]:
    entry(_name, lambda m: c(m.x(m.B, m.T, m.D)))
    entry(_name, lambda m: c(m.x(m.B, m.T, m.D), axis=-2))
entry("diff", lambda m: c(m.x(m.B, m.D)))
entry("diff", lambda m: c(m.x(m.B, m.D), n=2, axis=0) if m.B > 1 else c(m.x(3), n=2, axis=0))
