"""What Python's operators and a Tensor's methods mean, with Keras's rules for mixed dtypes."""

from typing import Any

import numpy as np
from numpy import ndarray

from minirnn import backend
from minirnn.autograd import primitives as P
from minirnn.autograd.primitive import align, convert, convert_float, operands, operator
from minirnn.autograd.tensor import Tensor, state
from minirnn.backend.allowance import allowances

# The dtypes of which NumPy's functions give what Keras's do.
FLOATS = frozenset(np.dtype(name) for name in ("float16", "float32", "float64"))
_PLAIN = FLOATS | {np.dtype(name) for name in ("int32", "int64", "bool")}


def _float_operands(a, b):
    """Return operands as `operands` does, but of floats."""
    return [convert_float(v) if isinstance(v, Tensor) else v for v in operands(a, b)]


def _no_bools(a, b):
    """Return operands as `operands` does, but two bools as int32."""
    a, b = operands(a, b)
    tensor: Any = a if isinstance(a, Tensor) else b
    return (convert(a, "int32"), convert(b, "int32")) if tensor.data.dtype.kind == "b" else (a, b)


def _factors(a, b):
    """Return Tensors of one dtype; of int8, whose products overflow at once, as int32."""
    a, b = convert(a), convert(b)
    return align(convert(a, "int32") if a.data.dtype == b.data.dtype == np.int8 else a, b)


def _binary(name, prepare, dtypes, plain=None):
    """Make an operator of two arguments, which `prepare` makes ready for the primitive unless of `dtypes`."""
    primitive, plain = P.__dict__[name], plain or getattr(np, name)

    def function(a, b):
        if allowances:
            return primitive(*prepare(a, b))
        # Two NumPy values of one dtype, or one and a number, with nothing to record are by far the most
        # frequent case. The general way below costs three times as much for small arrays.
        x = a.data if a.__class__ is Tensor and not (a.requires_grad and state.recording) else a
        y = b.data if b.__class__ is Tensor and not (b.requires_grad and state.recording) else b
        if x.__class__ is ndarray:
            if y.__class__ is ndarray:
                direct = x.dtype is y.dtype and x.dtype in dtypes
            else:
                direct = (y.__class__ is float or y.__class__ is int) and x.dtype in FLOATS
        else:
            direct = x.__class__ is float and y.__class__ is ndarray and y.dtype in FLOATS
        if direct and (not (a.__class__ is ndarray or b.__class__ is ndarray) or backend.on_host()):
            try:
                result = plain(x, y)
            except (TypeError, ValueError):  # said again below, with names
                return primitive(*operands(a, b))
            return Tensor(result if result.__class__ is ndarray else np.asarray(result))
        return primitive(*prepare(a, b))

    return operator(name, function)


for _name in ("add", "subtract", "multiply", "maximum", "minimum"):
    _binary(_name, operands, _PLAIN)
for _name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
    _binary(_name, operands, _PLAIN)
for _name in ("logical_and", "logical_or", "logical_xor"):
    _binary(_name, operands, _PLAIN)
for _name in ("divide", "arctan2", "logaddexp"):
    _binary(_name, _float_operands, FLOATS)
for _name in ("floor_divide", "mod"):
    _binary(_name, _no_bools, FLOATS)
_binary("power", _no_bools, FLOATS, pow)
_binary("matmul", _factors, FLOATS - {np.dtype("float16")})


@operator("getitem")
def getitem(x, index):
    """Index as NumPy does; Tensors inside the index are taken by value."""
    if index.__class__ is tuple:
        index = tuple(_raw(i, x) for i in index)
    else:
        index = _raw(index, x)
    return P.getitem(x, index=index)


def _raw(index, x):
    if isinstance(index, Tensor):
        return index.data
    # What the host holds goes where `x` is.
    return backend.backend_of(x.data).asarray(index) if isinstance(index, list | ndarray) else index


@operator("reshape")
def reshape(x, newshape):
    shape = (newshape,) if isinstance(newshape, int) else tuple(int(n) for n in newshape)
    return P.reshape(convert(x), shape=shape)


@operator("transpose")
def transpose(x, axes=None):
    return P.transpose(convert(x), axes=None if axes is None else tuple(axes))


@operator("cast")
def cast(x, dtype):
    dtype = np.dtype(dtype)
    x = convert(x)
    return x if x.data.dtype == dtype else P.cast(x, dtype=dtype)


def _axis(axis):
    return tuple(axis) if isinstance(axis, list) else axis


def wide(dtype) -> np.dtype:
    """Return the dtype of sums and products: bools and integers below 32 bits become 32 bits wide."""
    if dtype.kind in "biu" and dtype.itemsize < 4:
        return np.dtype("uint32" if dtype.kind == "u" else "int32")
    return dtype


@operator("sum")
def sum(x, axis=None, keepdims=False):
    x = convert(x)
    total = P.sum(x, axis=_axis(axis), keepdims=keepdims)
    # NumPy goes up to 64 bits with integers.
    return total if x.data.dtype.kind == "f" else convert(total, wide(x.data.dtype))


@operator("mean")
def mean(x, axis=None, keepdims=False):
    x = convert_float(x)
    if x.data.dtype == np.float16:  # whose sums overflow soon
        return cast(mean(cast(x, "float32"), axis, keepdims), "float16")
    total = P.sum(x, axis=_axis(axis), keepdims=keepdims)
    # An empty mean is 0/0 = NaN, as in NumPy.
    return (
        P.divide(total, float(x.size / total.size)) if total.size and x.size else P.divide(total, total * 0)
    )


for _name in ("max", "min", "any", "all"):

    def _reduce(x, axis=None, keepdims=False, primitive=P.__dict__[_name]):
        return primitive(convert(x), axis=_axis(axis), keepdims=keepdims)

    operator(_name, _reduce)

operator("round", lambda x, decimals=0: P.round(convert(x), decimals=decimals))

for _name in ("negative", "absolute", "logical_not"):

    def _unary(x, primitive=P.__dict__[_name]):
        return primitive(convert(x))

    operator(_name, _unary)
