"""What cuDNN is told of a layer and its arrays: configurations, and descriptors that free themselves."""

import weakref
from ctypes import byref, c_double, c_int, c_void_p
from dataclasses import dataclass

from minirnn.backend.cudnn_library import Functions

CUDNN_RNN_RELU, CUDNN_RNN_TANH, CUDNN_LSTM, CUDNN_GRU = 0, 1, 2, 3
CUDNN_RNN_NO_BIAS, CUDNN_RNN_DOUBLE_BIAS = 0, 2
CUDNN_UNIDIRECTIONAL, CUDNN_BIDIRECTIONAL = 0, 1
CUDNN_RNN_ALGO_STANDARD = 0  # the persistent ones refuse lengths that differ
CUDNN_LINEAR_INPUT = 0
CUDNN_RNN_PADDED_IO_ENABLED = 1
CUDNN_RNN_DATA_LAYOUT_BATCH_MAJOR_UNPACKED = 2
CUDNN_DATA_FLOAT, CUDNN_DATA_DOUBLE, CUDNN_DATA_HALF = 0, 1, 2
CUDNN_DEFAULT_MATH, CUDNN_TENSOR_OP_MATH, CUDNN_FMA_MATH = 0, 1, 3

_CELLS = {"relu": CUDNN_RNN_RELU, "tanh": CUDNN_RNN_TANH, "lstm": CUDNN_LSTM, "gru": CUDNN_GRU}
_DIRECTIONS = {1: CUDNN_UNIDIRECTIONAL, 2: CUDNN_BIDIRECTIONAL}
_DATA = {"float16": CUDNN_DATA_HALF, "float32": CUDNN_DATA_FLOAT, "float64": CUDNN_DATA_DOUBLE}
# The precision of sums and the kind of products: true float32, unless TF32 is asked for.
_MATH = {
    "float16": (CUDNN_DATA_FLOAT, CUDNN_TENSOR_OP_MATH),
    "float32": (CUDNN_DATA_FLOAT, CUDNN_FMA_MATH),
    "float64": (CUDNN_DATA_DOUBLE, CUDNN_DEFAULT_MATH),
}


@dataclass(frozen=True)
class Configuration:
    """One layer of cuDNN.

    Attributes
    ----------
    cell : str
        "relu", "tanh", "lstm" or "gru".
    features, units : int
        Size of a step of x, and of a state.
    dtype : str
        "float16", "float32" or "float64", of data and weights.
    bias : bool
        Whether there are biases: then two a gate, one in the input's product and one in the state's.
    directions : int
        1, or 2 for a second pass from the end, whose outputs are put beside those of the first.
    tf32 : bool
        Whether float32 factors may be rounded to TensorFloat-32.

    Raises
    ------
    ValueError
        If `cell`, `dtype` or `directions` is none of these.
    """

    cell: str
    features: int
    units: int
    dtype: str
    bias: bool
    directions: int = 1
    tf32: bool = False

    def __post_init__(self):
        for name, choices in (("cell", _CELLS), ("dtype", _DATA), ("directions", _DIRECTIONS)):
            if getattr(self, name) not in choices:
                due = ", ".join(map(repr, choices))
                raise ValueError(f"Configuration: {name} must be one of {due}; got {getattr(self, name)!r}.")


class Owned:
    """An object of cuDNN. Functions take it as its address; it is destroyed when nothing refers to it.

    Parameters
    ----------
    call : Functions
    kind : str
        What follows ``cudnnCreate`` and ``cudnnDestroy``; nothing for a handle.
    """

    def __init__(self, call: Functions, kind: str):
        self._as_parameter_ = c_void_p()  # what ctypes passes for this object
        call(f"cudnnCreate{kind}", byref(self._as_parameter_))
        destroy = weakref.finalize(self, call, f"cudnnDestroy{kind}", self._as_parameter_)
        destroy.atexit = False  # the driver may have gone by then, and takes everything with it


def no_dropout(call: Functions, handle: Owned) -> Owned:
    """Describe dropout at a rate of 0, which has no states."""
    descriptor = Owned(call, "DropoutDescriptor")
    call("cudnnSetDropoutDescriptor", descriptor, handle, 0.0, None, 0, 0)
    return descriptor


def rnn_descriptor(call: Functions, configuration: Configuration, dropout: Owned | None = None) -> Owned:
    """Describe a layer; `dropout`, between layers, must live as long."""
    c = configuration
    precision, products = _MATH[c.dtype]
    if c.tf32 and c.dtype == "float32":
        products = CUDNN_DEFAULT_MATH
    descriptor = Owned(call, "RNNDescriptor")
    call(
        "cudnnSetRNNDescriptor_v8",
        descriptor,
        CUDNN_RNN_ALGO_STANDARD,
        _CELLS[c.cell],
        CUDNN_RNN_DOUBLE_BIAS if c.bias else CUDNN_RNN_NO_BIAS,
        _DIRECTIONS[c.directions],
        CUDNN_LINEAR_INPUT,
        _DATA[c.dtype],
        precision,
        products,
        c.features,
        c.units,
        c.units,  # of a projection: there is none if it is as large as the state, and 0 is refused
        1,  # layers
        dropout,
        CUDNN_RNN_PADDED_IO_ENABLED,
    )
    return descriptor


def data_descriptor(call: Functions, dtype: str, batch: int, time: int, size: int, lengths: bytes) -> Owned:
    """Describe x or y, shape (batch, time, size); `lengths` are the int32 lengths of the rows."""
    descriptor = Owned(call, "RNNDataDescriptor")
    call(
        "cudnnSetRNNDataDescriptor",
        descriptor,
        _DATA[dtype],
        CUDNN_RNN_DATA_LAYOUT_BATCH_MAJOR_UNPACKED,
        time,
        batch,
        size,
        (c_int * batch).from_buffer_copy(lengths),
        byref(c_double(0)),  # fills what lies beyond a row's length: its bytes are a zero of any dtype
    )
    return descriptor


def state_descriptor(call: Functions, dtype: str, directions: int, batch: int, units: int) -> Owned:
    """Describe h or c, shape (directions, batch, units)."""
    shape = (c_int * 3)(directions, batch, units)
    strides = (c_int * 3)(batch * units, units, 1)
    descriptor = Owned(call, "TensorDescriptor")
    call("cudnnSetTensorNdDescriptor", descriptor, _DATA[dtype], 3, shape, strides)
    return descriptor
