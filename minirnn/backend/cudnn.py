"""cuDNN's RNN calls on arrays of the device: handles, buffers and calls, no maths.

CuPy has no binding of them any more (what its `cupy.cudnn` wrapped is gone from cuDNN 9), so this is one by
ctypes, of the calls that cuDNN 8 and 9 share. No library is loaded before `load` is called.
"""

import threading
from collections import OrderedDict
from contextlib import contextmanager
from ctypes import byref, c_int, c_size_t, c_void_p
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minirnn.backend.cudnn_arguments import Lengths, check_cotangents, check_device, check_inputs
from minirnn.backend.cudnn_descriptors import (
    Configuration,
    Owned,
    data_descriptor,
    no_dropout,
    rnn_descriptor,
    state_descriptor,
)
from minirnn.backend.cudnn_library import CuDNNError, Functions, LibraryUnavailable, load_functions

__all__ = [
    "load",
    "Library",
    "Configuration",
    "RNN",
    "Parameter",
    "Lengths",
    "CuDNNError",
    "LibraryUnavailable",
]

CUDNN_FWD_MODE_INFERENCE, CUDNN_FWD_MODE_TRAINING = 0, 1
CUDNN_WGRAD_MODE_ADD = 0

_GATES = {"relu": 1, "tanh": 1, "lstm": 4, "gru": 3}
# How many layers a library keeps, how many kinds of batch a layer does, and how many full lengths a thread.
_RNNS, _PLANS, _LENGTHS = 64, 64, 64


def load() -> "Library":
    """Find libcudnn, load it and check it.

    Raises
    ------
    LibraryUnavailable
        If no libcudnn can be used; the message has each place that was tried and what was wrong with it.
    """
    functions, where = load_functions()
    return Library(functions, where)


class Parameter(NamedTuple):
    """Where one matrix and its bias lie in the weight space.

    Attributes
    ----------
    direction : int
    number : int
        cuDNN's linLayerID: which gate, in the input's product, then the same in the state's.
    matrix_offset : int
        Bytes from the start of the weight space.
    matrix_shape : tuple of int
        Rows (units) and columns, in C order.
    bias_offset : int or None
        Bytes to the bias, shape (units,); None where there is none.
    """

    direction: int
    number: int
    matrix_offset: int
    matrix_shape: tuple[int, int]
    bias_offset: int | None


class _Cache:
    """Values by key, shared by threads; when it is full, the one not used for longest makes way."""

    def __init__(self, size):
        self._size, self._values, self._lock = size, OrderedDict(), threading.Lock()

    def get(self, key, make):
        with self._lock:
            if key not in self._values:
                self._values[key] = make()
                if len(self._values) > self._size:
                    self._values.popitem(last=False)
            self._values.move_to_end(key)
            return self._values[key]


class _Context(NamedTuple):
    """What one thread has on one device."""

    handle: Owned
    lengths: _Cache


class _Thread(threading.local):
    """The contexts of this thread by device, as cuDNN takes a handle from one thread at a time."""

    def __init__(self):
        self.contexts: dict[int, _Context] = {}


class Library:
    """One libcudnn, with its handles and layers.

    Parameters
    ----------
    functions : ctypes.CDLL or object
        Has cuDNN's functions as ctypes callables.
    where : str
        What to call it in errors and reports, its path as a rule.

    Attributes
    ----------
    version : int
        As cuDNN counts: 92700 is 9.27.0, and 8907 is 8.9.7.
    version_text : str
        The same as "9.27.0".
    where : str

    Raises
    ------
    LibraryUnavailable
        If it is too old or lacks a function.
    """

    def __init__(self, functions, where: str):
        self.call = Functions(functions, where)
        self.version, self.version_text, self.where = self.call.version, self.call.version_text, where
        self._rnns, self._thread = _Cache(_RNNS), _Thread()

    def rnn(self, xp, configuration: Configuration) -> "RNN":
        """Return the layer of that configuration on the current device, made when it is first asked for.

        Parameters
        ----------
        xp : module
            cupy.
        configuration : Configuration

        Raises
        ------
        CuDNNError
            If cuDNN refuses the configuration or cannot use the device.
        """
        key = (xp, xp.cuda.Device().id, configuration)
        return self._rnns.get(key, lambda: RNN(self, xp, configuration))

    def context(self, xp) -> _Context:
        """Return this thread's context on the current device, its handle set on the current stream."""
        device = xp.cuda.Device().id
        context = self._thread.contexts.get(device)
        if context is None:
            context = self._thread.contexts[device] = _Context(Owned(self.call, ""), _Cache(_LENGTHS))
        self.call("cudnnSetStream", context.handle, xp.cuda.get_current_stream().ptr)
        return context


class _Plan(NamedTuple):
    """What all calls on one kind of batch have in common: descriptors, and sizes of buffers in bytes."""

    x: Owned
    y: Owned
    h: Owned
    c: Owned | None
    work: int
    reserve: int


@dataclass(slots=True)
class _Saved:
    """What `RNN.backward` needs of the forward pass; the first one uses up the reserve space."""

    x: Any
    y: Any
    h0: Any
    c0: Any
    weights: Any
    lengths: Lengths | None
    reserve: list


class RNN:
    """One layer on one device; see `Library.rnn`. N is its number of directions, K is N times its units.

    Attributes
    ----------
    configuration : Configuration
    weight_bytes : int
        Size of the weight space.
    parameters : tuple of Parameter
        What lies where in it.
    xp : module
    device : int
        Number of the GPU.
    dtype : numpy.dtype
    """

    def __init__(self, library: Library, xp, configuration: Configuration):
        self.configuration = configuration
        self.xp, self._library, self._call = xp, library, library.call
        self.device, self.dtype = xp.cuda.Device().id, np.dtype(configuration.dtype)
        self._outputs, self._plans = configuration.directions * configuration.units, _Cache(_PLANS)
        handle, size = library.context(xp).handle, c_size_t()
        # A single layer drops nothing. NULL could be described too, but frameworks pass this, so it runs.
        self._dropout = no_dropout(self._call, handle)
        self._descriptor = rnn_descriptor(self._call, configuration, self._dropout)
        self._call("cudnnGetRNNWeightSpaceSize", handle, self._descriptor, byref(size))
        self.weight_bytes: int = size.value
        with self._advice_on_memory():
            self.parameters: tuple[Parameter, ...] = tuple(self._find_parameters(handle))

    def forward(self, x_BTD, h0_NBH, c0_NBH, weights, lengths: Lengths | None = None, training=False):
        """Run the layer over a batch.

        Parameters
        ----------
        x_BTD : array, shape (batch, time, features)
        h0_NBH, c0_NBH : array, shape (directions, batch, units), or None
            Initial states; None is zeros. Only an LSTM has a c.
        weights : array, shape (weight_bytes,), uint8
        lengths : Lengths, optional
            Default: all steps of each row.
        training : bool
            Whether `backward` will follow.

        Returns
        -------
        tuple
            y_BTK, zeros beyond a row's length; h_NBH and c_NBH (or None), the states after each row's last
            valid step, of a second direction after its first; and what `backward` takes, or None unless
            training.

        Raises
        ------
        TypeError, ValueError
            If an argument is not an array of this device with the dtype, shape and C order that are due.
        CuDNNError
            If cuDNN fails.
        """
        check_inputs(self, x_BTD, h0_NBH, c0_NBH, weights, lengths)
        inputs = (x_BTD, h0_NBH, c0_NBH, weights, lengths)
        with self._advice_on_memory():
            y, h, c, reserve = self._forward(*inputs, training)
        return y, h, c, _Saved(x_BTD, y, *inputs[1:], [reserve]) if training else None

    def backward(self, saved, dy_BTK, dh_NBH, dc_NBH, need_weights=True):
        """Return the gradients, given those of the outputs.

        cuDNN overwrites the reserve space that the forward pass left. A second call with the same `saved` is
        right too, but runs the forward pass again to have a new one.

        Parameters
        ----------
        saved
            The last of what `forward` returned, with training.
        dy_BTK, dh_NBH, dc_NBH : array or None
            In the shapes of the outputs; None is zeros.
        need_weights : bool
            Whether the gradient of the weights is wanted.

        Returns
        -------
        tuple
            dx_BTD, of no meaning beyond a row's length; dh0_NBH; dc0_NBH, None but for an LSTM; dweights,
            uint8, laid out as the weights are, or None.

        Raises
        ------
        TypeError, ValueError
            As `forward`.
        CuDNNError
            If cuDNN fails.
        """
        check_cotangents(self, saved, dy_BTK, dh_NBH, dc_NBH)
        with self._advice_on_memory():
            return self._backward(saved, dy_BTK, dh_NBH, dc_NBH, need_weights)

    def _forward(self, x, h0, c0, weights, lengths, training):
        context, plan = self._prepare(x, lengths, training)
        y = self.xp.empty((*x.shape[:2], self._outputs), self.dtype)
        h, c = self._empty_states(x)
        work, reserve = self._empty_bytes(plan.work), self._empty_bytes(plan.reserve)
        self._call(
            "cudnnRNNForward",
            *(context.handle, self._descriptor),
            CUDNN_FWD_MODE_TRAINING if training else CUDNN_FWD_MODE_INFERENCE,
            self._lengths_address(context, x, lengths),
            *(plan.x, _address(x), plan.y, _address(y)),
            *(plan.h, _address(h0), _address(h), plan.c, _address(c0), _address(c)),
            *(self.weight_bytes, _address(weights)),
            *(plan.work, _address(work), plan.reserve, _address(reserve)),
        )
        return y, h, c, reserve

    def _backward(self, saved, dy, dh, dc, need_weights):
        s, zeros = saved, self.xp.zeros
        context, plan = self._prepare(s.x, s.lengths, training=True)
        dx = self.xp.empty(s.x.shape, self.dtype)
        dh0, dc0 = self._empty_states(s.x)
        dy = zeros(s.y.shape, self.dtype) if dy is None else dy
        dweights = zeros(self.weight_bytes, "uint8") if need_weights else None
        work = self._empty_bytes(plan.work)
        try:
            reserve = s.reserve.pop()
        except IndexError:
            *_, reserve = self._forward(s.x, s.h0, s.c0, s.weights, s.lengths, training=True)
        lengths = self._lengths_address(context, s.x, s.lengths)
        buffers = (plan.work, _address(work), plan.reserve, _address(reserve))
        self._call(
            "cudnnRNNBackwardData_v8",
            *(context.handle, self._descriptor, lengths),
            *(plan.y, _address(s.y), _address(dy), plan.x, _address(dx)),
            *(plan.h, _address(s.h0), _address(dh), _address(dh0)),
            *(plan.c, _address(s.c0), _address(dc), _address(dc0)),
            *(self.weight_bytes, _address(s.weights), *buffers),
        )
        if need_weights:
            self._call(
                "cudnnRNNBackwardWeights_v8",
                *(context.handle, self._descriptor, CUDNN_WGRAD_MODE_ADD, lengths),
                *(plan.x, _address(s.x), plan.h, _address(s.h0), plan.y, _address(s.y)),
                *(self.weight_bytes, _address(dweights), *buffers),
            )
        return dx, dh0, dc0, dweights

    def _find_parameters(self, handle):
        space = self._empty_bytes(self.weight_bytes)
        start = space.data.ptr
        matrix, bias = (Owned(self._call, "TensorDescriptor") for _ in range(2))
        for direction in range(self.configuration.directions):
            for number in range(2 * _GATES[self.configuration.cell]):
                matrix_at, bias_at = c_void_p(), c_void_p()
                self._call(
                    "cudnnGetRNNWeightParams",
                    *(handle, self._descriptor, direction, self.weight_bytes, start, number),
                    *(matrix, byref(matrix_at), bias, byref(bias_at)),
                )
                dtype, ndim, shape, strides = c_int(), c_int(), (c_int * 3)(), (c_int * 3)()
                self._call("cudnnGetTensorNdDescriptor", matrix, 3, byref(dtype), byref(ndim), shape, strides)
                bias_offset = bias_at.value - start if bias_at.value else None
                yield Parameter(direction, number, matrix_at.value - start, (shape[1], shape[2]), bias_offset)

    def _prepare(self, x, lengths, training):
        """Return the context, and the plan for a batch like `x`."""
        check_device(self)
        context, (batch, time, _) = self._library.context(self.xp), x.shape
        rows = None if lengths is None else lengths.host.tobytes()
        plan = self._plans.get(
            (batch, time, rows, training), lambda: self._plan(context.handle, batch, time, rows, training)
        )
        return context, plan

    def _plan(self, handle, batch, time, rows, training):
        c, call = self.configuration, self._call
        rows = np.full(batch, time, np.int32).tobytes() if rows is None else rows
        x = data_descriptor(call, c.dtype, batch, time, c.features, rows)
        y = data_descriptor(call, c.dtype, batch, time, self._outputs, rows)
        h = state_descriptor(call, c.dtype, c.directions, batch, c.units)
        mode = CUDNN_FWD_MODE_TRAINING if training else CUDNN_FWD_MODE_INFERENCE
        work, reserve = c_size_t(), c_size_t()
        call("cudnnGetRNNTempSpaceSizes", handle, self._descriptor, mode, x, byref(work), byref(reserve))
        return _Plan(x, y, h, h if c.cell == "lstm" else None, work.value, reserve.value if training else 0)

    def _empty_bytes(self, size):
        return self.xp.empty(size, "uint8")

    def _empty_states(self, x):
        c, empty = self.configuration, self.xp.empty
        shape = (c.directions, len(x), c.units)
        return empty(shape, self.dtype), empty(shape, self.dtype) if c.cell == "lstm" else None

    def _lengths_address(self, context, x, lengths):
        if lengths is not None:
            return lengths.device.data.ptr
        xp, (batch, time, _) = self.xp, x.shape
        # By stream, as another one might read them before they are written.
        key = (xp.cuda.get_current_stream().ptr, batch, time)
        return context.lengths.get(key, lambda: xp.full(batch, time, "int32")).data.ptr

    @contextmanager
    def _advice_on_memory(self):
        try:
            yield
        except self.xp.cuda.memory.OutOfMemoryError as error:
            error.add_note("Use smaller batches or shorter sequences, or stop other programs on the GPU.")
            raise


def _address(array):
    return None if array is None else array.data.ptr
