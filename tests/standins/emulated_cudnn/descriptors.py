"""Handles and descriptors: created, set, read back, destroyed, and each field checked when it is set."""

import ctypes
import threading
from typing import NamedTuple

import numpy as np

from tests.standins import hostcupy_memory
from tests.standins.emulated_cudnn import memory
from tests.standins.emulated_cudnn.header import Refused, check_enum
from tests.standins.emulated_cudnn.state import implements
from tests.standins.hostcupy_rules import Device

DTYPES = {0: "float32", 1: "float64", 2: "float16"}
CELLS = ("relu", "tanh", "lstm", "gru")
# By data type: precisions of the mathematics, and its types, as in the documentation.
_MATH = {0: ((0,), (0, 1, 2, 3)), 1: ((1,), (0,)), 2: ((0, 2), (0, 1, 3))}
_INTS = ctypes.c_int


class Handle(NamedTuple):
    thread: int
    device: int
    stream: int


class Tensor(NamedTuple):
    data_type: int
    dims: tuple
    strides: tuple


class Dropout(NamedTuple):
    rate: float


class Rnn(NamedTuple):
    """In the order of ``cudnnSetRNNDescriptor_v8``, whose numbers they are."""

    algo: int
    cell_mode: int
    bias_mode: int
    dir_mode: int
    input_mode: int
    data_type: int
    math_prec: int
    math_type: int
    input_size: int
    hidden_size: int
    proj_size: int
    num_layers: int
    dropout: int | None
    aux_flags: int
    clip: tuple = (0, 0.0, 0.0)

    cell = property(lambda self: CELLS[self.cell_mode])
    directions = property(lambda self: 1 + self.dir_mode)
    dtype = property(lambda self: DTYPES[self.data_type])


class Data(NamedTuple):
    data_type: int
    layout: int
    time: int
    batch: int
    vector: int
    lengths: tuple
    fill: object  # a number of the data type, or None


def _positive(**sizes):
    for name, size in sizes.items():
        if size <= 0:
            raise Refused("BAD_PARAM", f"{name} must be positive and is {size}")


def _kind(kind, create, destroy):
    """Implement how objects of a kind come and go."""

    def created(state, address):
        memory.host(address, "the place for the new object")
        memory.store(address, ctypes.c_void_p, state.create(kind).address)

    def destroyed(state, address):
        state.destroy(kind, address)

    created.__name__, destroyed.__name__ = create, destroy
    implements(created)
    implements(destroyed)


_kind("tensor", "cudnnCreateTensorDescriptor", "cudnnDestroyTensorDescriptor")
_kind("dropout", "cudnnCreateDropoutDescriptor", "cudnnDestroyDropoutDescriptor")
_kind("rnn", "cudnnCreateRNNDescriptor", "cudnnDestroyRNNDescriptor")
_kind("data", "cudnnCreateRNNDataDescriptor", "cudnnDestroyRNNDataDescriptor")


@implements
def cudnnCreate(state, address):
    memory.host(address, "the place for the handle")
    made = state.create("handle")
    made.fields = Handle(threading.get_ident(), Device.current(), 0)
    memory.store(address, ctypes.c_void_p, made.address)


@implements
def cudnnDestroy(state, handle):
    state.destroy("handle", handle)


@implements
def cudnnSetStream(state, handle, stream):
    made = state.object("handle", handle)
    if stream and stream < hostcupy_memory.TAG:
        raise Refused("BAD_PARAM", "the stream is not one of hostcupy's")
    made.fields = made.fields._replace(stream=stream or 0)


@implements
def cudnnSetTensorNdDescriptor(state, descriptor, data_type, count, dims, strides):
    made = state.object("tensor", descriptor)
    check_enum("cudnnDataType_t", data_type, "dataType")
    if not 3 <= count <= 8:
        raise Refused("NOT_SUPPORTED", f"nbDims must be 3 to 8 and is {count}")
    shape, steps = (
        tuple(memory.view(memory.host(a, what), "int32", (count,)).tolist())
        for a, what in ((dims, "dimA"), (strides, "strideA"))
    )
    if min(shape + steps) <= 0:
        raise Refused("BAD_PARAM", f"dims {shape} and strides {steps} must be positive")
    made.fields = Tensor(data_type, shape, steps)


@implements
def cudnnGetTensorNdDescriptor(state, descriptor, requested, data_type, count, dims, strides):
    tensor = state.fields("tensor", descriptor, "the tensor descriptor")
    memory.store(data_type, _INTS, tensor.data_type)
    memory.store(count, _INTS, len(tensor.dims))
    shown = min(requested, len(tensor.dims))
    for address, values in ((dims, tensor.dims), (strides, tensor.strides)):
        if shown:
            memory.view(memory.host(address, "dimA or strideA"), "int32", (shown,))[:] = values[:shown]


@implements
def cudnnDropoutGetStatesSize(state, handle, size):
    state.object("handle", handle)
    memory.store(size, ctypes.c_size_t, 4096)


@implements
def cudnnSetDropoutDescriptor(state, descriptor, handle, rate, states, size, seed):
    made = state.object("dropout", descriptor)
    number = state.object("handle", handle).fields.device
    if not 0 <= rate <= 1:
        raise Refused("BAD_PARAM", f"dropout must be 0 to 1 and is {rate}")
    if states:
        if size < 4096:
            raise Refused("BAD_PARAM_SIZE_INSUFFICIENT", f"the states need 4096 bytes and have {size}")
        memory.device(states, 4096, "states", number)
    elif rate:
        raise Refused("BAD_PARAM_NULL_POINTER", "states is NULL while dropout is not 0")
    made.fields = Dropout(rate)


@implements
def cudnnSetRNNDescriptor_v8(state, descriptor, *values):
    made, rnn = state.object("rnn", descriptor), Rnn(*values)
    for enum, value, what in (
        ("cudnnRNNAlgo_t", rnn.algo, "algo"),
        ("cudnnRNNMode_t", rnn.cell_mode, "cellMode"),
        ("cudnnRNNBiasMode_t", rnn.bias_mode, "biasMode"),
        ("cudnnDirectionMode_t", rnn.dir_mode, "dirMode"),
        ("cudnnRNNInputMode_t", rnn.input_mode, "inputMode"),
        ("cudnnDataType_t", rnn.data_type, "dataType"),
        ("cudnnDataType_t", rnn.math_prec, "mathPrec"),
        ("cudnnMathType_t", rnn.math_type, "mathType"),
    ):
        check_enum(enum, value, what)
    _positive(inputSize=rnn.input_size, hiddenSize=rnn.hidden_size, numLayers=rnn.num_layers)
    if not 0 < rnn.proj_size <= rnn.hidden_size:
        raise Refused("BAD_PARAM", f"projSize must be 1 to hiddenSize and is {rnn.proj_size}")
    if rnn.aux_flags not in (0, 1):
        raise Refused("BAD_PARAM", f"auxFlags is {rnn.aux_flags}")
    if rnn.data_type not in DTYPES:
        raise Refused("NOT_SUPPORTED_DATA_TYPE", f"dataType {rnn.data_type} is not emulated")
    precisions, types = _MATH[rnn.data_type]
    if rnn.math_prec not in precisions or rnn.math_type not in types:
        raise Refused(
            "NOT_SUPPORTED",
            f"mathPrec {rnn.math_prec} and mathType {rnn.math_type} do not go with dataType {rnn.data_type}",
        )
    for unmet, words in (
        (rnn.algo not in (0, 1, 3), f"algo {rnn.algo} is not emulated"),
        (rnn.input_mode != 0, "skipping the input's product is not emulated"),
        (rnn.proj_size != rnn.hidden_size, "a projection is not emulated"),
        (rnn.num_layers != 1, "more than one layer is not emulated"),
    ):
        if unmet:
            raise Refused("NOT_SUPPORTED", words)
    if rnn.dropout:
        state.fields("dropout", rnn.dropout, "dropoutDesc")
    made.fields = rnn


@implements
def cudnnGetRNNDescriptor_v8(state, descriptor, *places):
    rnn = state.fields("rnn", descriptor, "rnnDesc")
    for name, place in zip(rnn._fields, places):
        ctype = {"dropout": ctypes.c_void_p, "aux_flags": ctypes.c_uint32}.get(name, _INTS)
        if place:
            memory.store(place, ctype, getattr(rnn, name))


@implements
def cudnnRNNSetClip_v9(state, descriptor, mode, low, high):
    made = state.object("rnn", descriptor)
    rnn = state.fields("rnn", descriptor, "rnnDesc")
    check_enum("cudnnRNNClipMode_t", mode, "clipMode")
    if mode:
        raise Refused("NOT_SUPPORTED", "clipping is not emulated")
    made.fields = rnn._replace(clip=(mode, low, high))


@implements
def cudnnRNNGetClip_v9(state, descriptor, mode, low, high):
    clip = state.fields("rnn", descriptor, "rnnDesc").clip
    for place, ctype, value in zip((mode, low, high), (_INTS, ctypes.c_double, ctypes.c_double), clip):
        memory.store(place, ctype, value)


@implements
def cudnnSetRNNDataDescriptor(state, descriptor, data_type, layout, time, batch, vector, lengths, fill):
    made = state.object("data", descriptor)
    check_enum("cudnnDataType_t", data_type, "dataType")
    check_enum("cudnnRNNDataLayout_t", layout, "layout")
    if data_type not in DTYPES:
        raise Refused("NOT_SUPPORTED_DATA_TYPE", f"dataType {data_type} is not emulated")
    _positive(maxSeqLength=time, batchSize=batch, vectorSize=vector)
    each = tuple(memory.view(memory.host(lengths, "seqLengthArray"), "int32", (batch,)).tolist())
    if min(each) < 0 or max(each) > time:
        raise Refused("BAD_PARAM", f"seqLengthArray must be 0 to maxSeqLength {time} and is {each}")
    value = None
    if fill:
        value = memory.view(memory.host(fill, "paddingFill"), DTYPES[data_type], (1,))[0]
    made.fields = Data(data_type, layout, time, batch, vector, each, value)


@implements
def cudnnGetRNNDataDescriptor(
    state, descriptor, data_type, layout, time, batch, vector, requested, lengths, fill
):
    data = state.fields("data", descriptor, "the data descriptor")
    for place, value in zip((data_type, layout, time, batch, vector), data):
        memory.store(place, _INTS, value)
    shown = min(requested, data.batch)
    if shown:
        memory.view(memory.host(lengths, "seqLengthArray"), "int32", (shown,))[:] = data.lengths[:shown]
    if fill and data.fill is not None:
        memory.view(memory.host(fill, "paddingFill"), DTYPES[data.data_type], (1,))[0] = np.asarray(data.fill)
