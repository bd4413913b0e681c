"""A caller of cuDNN's RNN functions by bare ctypes, with which a test may hand over one wrong argument.

It shares nothing with minirnn's binding. A `Run` has one layer's descriptors and buffers; `call` takes them
as the arguments of a function by the header's names of its parameters, and what a test puts in their place.
"""

import ctypes
from ctypes import byref, c_double, c_float, c_int, c_size_t, c_void_p

import numpy as np
import pytest

from tests.standins import hostcupy as xp
from tests.standins.emulated_cudnn import header, library

CELLS = {"relu": 0, "tanh": 1, "lstm": 2, "gru": 3}
GATES = {"relu": 1, "tanh": 1, "lstm": 4, "gru": 3}
BIASES = {"none": 0, "input": 1, "double": 2, "recurrent": 3}
DATA = {"float32": 0, "float64": 1, "float16": 2}
MATH = {"float32": (0, 3), "float64": (1, 0), "float16": (0, 1)}

# Statuses of cuDNN 9.
NULL, MISALIGNED, NOT_SET, BOUND, SIZE, STREAM, SHAPE, KIND = 2002, 2003, 2004, 2005, 2006, 2007, 2008, 2012
BAD, UNSUPPORTED, INTERNAL, EXECUTION = 2000, 3000, 4000, 5000
UNSUPPORTED_TYPE, UNSUPPORTED_LAYOUT = 3003, 3004


class Failed(Exception):
    """A call gave a status other than success."""

    def __init__(self, name, status, words):
        super().__init__(f"{name}: {status}: {words}")
        self.status = status


def ints(values):
    return (c_int * len(values))(*values)


class Run:
    """One layer, one batch, and everything that the calls for it are handed.

    Arrays are attributes by the header's names of the arguments: x, y, dy, dx, hx, hy, ... , with x and y of
    shape (batch, time, size), or (time, batch, size) where `layout` is 0.
    """

    def __init__(
        self,
        cell="lstm",
        *,
        bias="double",
        directions=1,
        dtype="float64",
        layout=2,
        lengths=(4, 2, 3),
        time=4,
        features=3,
        units=5,
        fill=0.0,
        functions=None,
        seed=0,
    ):
        self.functions = library() if functions is None else functions
        self.cell, self.bias, self.directions, self.dtype = cell, bias, directions, dtype
        self.layout, self.features, self.units = layout, features, units
        self.time, self.lengths = time, np.array(lengths, "int32")
        self.arguments = self._descriptors(fill)
        self._buffers(np.random.default_rng(seed))

    def call(self, name, **changed):
        """Call a function with this run's arguments, or those given by name; raise `Failed` on failure."""
        parameters = [parameter for parameter, _ in header.FUNCTIONS[name]["parameters"]]
        assert set(changed) <= set(parameters)
        known = {**self.arguments, **changed}
        status = self.bare(name)(*(self._address(known[p]) for p in parameters))
        if status:
            words = ctypes.create_string_buffer(4096)
            if hasattr(self.functions, "cudnnGetLastErrorString"):
                self.bare("cudnnGetLastErrorString")(words, len(words))
            raise Failed(name, status, words.value.decode())

    def bare(self, name):
        function, prototype = getattr(self.functions, name), header.prototype(name)
        function.argtypes = prototype._argtypes_
        function.restype = c_size_t if name.endswith("Version") else prototype._restype_
        return function

    @staticmethod
    def _address(value):
        return value.data.ptr if isinstance(value, xp.ndarray) else value

    def create(self, name, parameter=None):
        made = c_void_p()
        address = parameter or header.FUNCTIONS[name]["parameters"][0][0]
        self.call(name, **{address: byref(made)})
        return made

    def _descriptors(self, fill):
        batch, (precision, math) = len(self.lengths), MATH[self.dtype]
        self.arguments = {"streamId": None, "fwdMode": 1, "addGrad": 0}
        self.arguments["handle"] = self.create("cudnnCreate")
        self.arguments["rnnDesc"] = self.create("cudnnCreateRNNDescriptor")
        for name in ("xDesc", "yDesc"):
            self.arguments[name] = self.create("cudnnCreateRNNDataDescriptor")
        for name in ("hDesc", "cDesc", "mDesc", "bDesc"):
            self.arguments[name] = self.create("cudnnCreateTensorDescriptor")
        self.rnn_fields = {
            "algo": 0,
            "cellMode": CELLS[self.cell],
            "biasMode": BIASES[self.bias],
            "dirMode": self.directions - 1,
            "inputMode": 0,
            "dataType": DATA[self.dtype],
            "mathPrec": precision,
            "mathType": math,
            "inputSize": self.features,
            "hiddenSize": self.units,
            "projSize": self.units,
            "numLayers": 1,
            "dropoutDesc": None,
            "auxFlags": 1,
        }
        kinds = {"float16": ctypes.c_uint16, "float32": c_float, "float64": c_double}
        self.data_fields = {
            "dataType": DATA[self.dtype],
            "layout": self.layout,
            "maxSeqLength": self.time,
            "batchSize": batch,
            "vectorSize": self.features,
            "seqLengthArray": ints(self.lengths),
            "paddingFill": None if fill is None else byref(kinds[self.dtype](fill or 0)),
        }
        shape = (self.directions, batch, self.units)
        self.state_fields = {
            "dataType": DATA[self.dtype],
            "nbDims": 3,
            "dimA": ints(shape),
            "strideA": ints((shape[1] * shape[2], shape[2], 1)),
        }
        self.set_rnn()
        self.set_data("xDesc")
        self.set_data("yDesc", vectorSize=self.directions * self.units)
        self.set_state("hDesc")
        self.set_state("cDesc")
        return self.arguments

    def set_rnn(self, **changed):
        self.call("cudnnSetRNNDescriptor_v8", **{**self.rnn_fields, **changed})

    def set_data(self, which, **changed):
        rnn_data = {"rnnDataDesc": self.arguments[which], **self.data_fields, **changed}
        self.call("cudnnSetRNNDataDescriptor", **rnn_data)

    def set_state(self, which, **changed):
        tensor = {"tensorDesc": self.arguments[which], **self.state_fields, **changed}
        self.call("cudnnSetTensorNdDescriptor", **tensor)

    def size(self, name, parameter, **changed):
        found = c_size_t()
        self.call(name, **{parameter: byref(found), **changed})
        return found.value

    def _buffers(self, rng):
        batch, out = len(self.lengths), self.directions * self.units
        lead = (batch, self.time) if self.layout == 2 else (self.time, batch)
        states = (self.directions, batch, self.units)

        def fresh(*shape):
            return xp.asarray(rng.normal(size=shape).astype(self.dtype))

        for name in ("hx", "cx", "dhy", "dcy"):
            setattr(self, name, fresh(*states))
        for name in ("hy", "cy", "dhx", "dcx"):
            setattr(self, name, xp.empty(states, self.dtype))
        self.x, self.dy = fresh(*lead, self.features), fresh(*lead, out)
        self.dx, self.y = xp.empty((*lead, self.features), self.dtype), xp.empty((*lead, out), self.dtype)
        self.devSeqLengths = xp.asarray(self.lengths)
        self.weightSpaceSize = self.size("cudnnGetRNNWeightSpaceSize", "weightSpaceSize")
        places = {"workSpaceSize": byref(c_size_t()), "reserveSpaceSize": byref(c_size_t())}
        self.call("cudnnGetRNNTempSpaceSizes", **places)
        self.workSpaceSize, self.reserveSpaceSize = (places[p]._obj.value for p in places)
        self.weightSpace, self.dweightSpace = (xp.zeros(self.weightSpaceSize, "uint8") for _ in range(2))
        self.workSpace, self.reserveSpace = (
            xp.empty(n, "uint8") for n in (self.workSpaceSize, self.reserveSpaceSize)
        )
        names = """x y dx dy hx hy dhx dhy cx cy dcx dcy devSeqLengths weightSpaceSize weightSpace
            dweightSpace workSpaceSize workSpace reserveSpaceSize reserveSpace"""
        self.arguments |= {name: getattr(self, name) for name in names.split()}
        for matrix, bias in self.parameters(self.weightSpace).values():
            for array in (matrix, bias):
                if array is not None:
                    array[:] = rng.normal(size=array.shape) / 2

    def parameters(self, space):
        """Return {(direction, linLayerID): (matrix, bias or None)} as NumPy views of an array of weights."""
        found = {}
        for direction in range(self.directions):
            for number in range(2 * GATES[self.cell]):
                addresses = c_void_p(), c_void_p()
                self.call(
                    "cudnnGetRNNWeightParams",
                    pseudoLayer=direction,
                    linLayerID=number,
                    weightSpace=space,
                    mAddr=byref(addresses[0]),
                    bAddr=byref(addresses[1]),
                )
                matrix, bias = (
                    self._parameter(space, address.value, self.arguments[which])
                    for address, which in zip(addresses, ("mDesc", "bDesc"))
                )
                found[direction, number] = matrix, None if bias is None else bias[:, 0]
        return found

    def _parameter(self, space, address, descriptor):
        data_type, count, dims, strides = c_int(), c_int(), ints([0] * 4), ints([0] * 4)
        self.call(
            "cudnnGetTensorNdDescriptor",
            tensorDesc=descriptor,
            nbDimsRequested=4,
            dataType=byref(data_type),
            nbDims=byref(count),
            dimA=dims,
            strideA=strides,
        )
        assert data_type.value == DATA[self.dtype] and bool(address) == bool(count.value)
        if not address:
            return None
        assert count.value == 3 and dims[0] == 1 and list(strides[:3]) == [dims[1] * dims[2], dims[2], 1]
        start, nbytes = address - space.data.ptr, dims[1] * dims[2] * np.dtype(self.dtype).itemsize
        return space._host[start : start + nbytes].view(self.dtype).reshape(dims[1], dims[2])

    def forward(self, **changed):
        self.call("cudnnRNNForward", **changed)

    def backward_data(self, **changed):
        self.call("cudnnRNNBackwardData_v8", **changed)

    def backward_weights(self, **changed):
        self.call("cudnnRNNBackwardWeights_v8", **changed)

    def destroy(self):
        for name, function in (
            ("rnnDesc", "cudnnDestroyRNNDescriptor"),
            *((d, "cudnnDestroyRNNDataDescriptor") for d in ("xDesc", "yDesc")),
            *((d, "cudnnDestroyTensorDescriptor") for d in ("hDesc", "cDesc", "mDesc", "bDesc")),
            ("handle", "cudnnDestroy"),
        ):
            parameter = header.FUNCTIONS[function]["parameters"][0][0]
            self.call(function, **{parameter: self.arguments[name]})


def ready_for(name, **options):
    """Return a run whose next call may be of that function."""
    run = Run(**options)
    if name != "cudnnRNNForward":
        run.forward()
    if name == "cudnnRNNBackwardWeights_v8":
        run.backward_data()
    return run


def assert_refused(status, call, words="."):
    with pytest.raises(Failed, match=words) as caught:
        call()
    assert caught.value.status == status
