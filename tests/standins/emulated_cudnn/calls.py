"""Sizes and places of weights, and the three calls that compute."""

import ctypes
import threading
import zlib
from typing import NamedTuple

import numpy as np

from tests.standins.emulated_cudnn import maths, memory
from tests.standins.emulated_cudnn.descriptors import Tensor
from tests.standins.emulated_cudnn.header import Refused, check_enum
from tests.standins.emulated_cudnn.state import implements
from tests.standins.hostcupy_rules import Device, get_current_stream

_HEAD = 8  # words of 8 bytes at the beginning of a reserve space
_MARK = 0x6375444E4E  # of a reserve space that a forward pass filled
_FORWARD, _BACKWARD = 1, 2  # what was done last with it


class Place(NamedTuple):
    """Where a gate's matrix and bias are in the weights, in bytes; `bias` is None where there is none."""

    matrix: int
    columns: int
    bias: int | None


def places(rnn, gap):
    """Return a dict with the place of each (direction, linLayerID), and the size of all.

    As in cuDNN the matrices of a direction come before its biases. Between one and the next there are `gap`
    bytes, and before the first, so that who has not asked where they are does not find them.
    """
    gates, size, end, found = maths.GATES[rnn.cell], np.dtype(rnn.dtype).itemsize, gap, {}

    def take(count):
        nonlocal end
        start = -(-end // memory.ITEM) * memory.ITEM if gap else end
        end = start + count * size + gap
        return start

    for direction in range(rnn.directions):
        matrices = []
        for number in range(2 * gates):
            columns = rnn.input_size if number < gates else rnn.hidden_size
            matrices.append((take(rnn.hidden_size * columns), columns))
        for number, (start, columns) in enumerate(matrices):
            has_bias = rnn.bias_mode in ((1, 2) if number < gates else (3, 2))
            found[direction, number] = Place(start, columns, take(rnn.hidden_size) if has_bias else None)
    return found, end


def temporary(rnn, data, training):
    """Return the sizes of workspace and reserve space."""
    rows = rnn.directions * data.batch * rnn.hidden_size
    kept = maths.KEPT[rnn.cell] + maths.DELTAS[rnn.cell]
    reserve = 8 * (_HEAD + rows * data.time * kept) if training else 0
    return 64 + 4 * rows * maths.GATES[rnn.cell] + data.time, reserve


@implements
def cudnnGetRNNWeightSpaceSize(state, handle, descriptor, size):
    state.object("handle", handle)
    rnn = state.fields("rnn", descriptor, "rnnDesc")
    memory.store(size, ctypes.c_size_t, places(rnn, state.gap)[1])


@implements
def cudnnGetRNNTempSpaceSizes(state, handle, descriptor, mode, x_desc, work, reserve):
    state.object("handle", handle)
    rnn, data = state.fields("rnn", descriptor, "rnnDesc"), state.fields("data", x_desc, "xDesc")
    check_enum("cudnnForwardMode_t", mode, "fwdMode")
    _check_input(rnn, data)
    for place, size in zip((work, reserve), temporary(rnn, data, mode)):
        memory.store(place, ctypes.c_size_t, size)


@implements
def cudnnGetRNNWeightParams(
    state, handle, descriptor, direction, size, space, number, m_desc, m_addr, b_desc, b_addr
):
    device = state.object("handle", handle).fields.device
    rnn = state.fields("rnn", descriptor, "rnnDesc")
    found, needed = places(rnn, state.gap)
    _enough(size, needed, "weightSpaceSize")
    memory.device(space, needed, "weightSpace", device, None, memory.ITEM)
    if (direction, number) not in found:
        raise Refused("BAD_PARAM_OUT_OF_BOUND", f"there is no pseudoLayer {direction}, linLayerID {number}")
    place = found[direction, number]
    rows = rnn.hidden_size
    for descriptor, address, start, columns in (
        (m_desc, m_addr, place.matrix, place.columns),
        (b_desc, b_addr, place.bias, 1),
    ):
        made = state.object("tensor", descriptor)
        dims, strides = (1, rows, columns), (rows * columns, columns, 1)
        made.fields = Tensor(rnn.data_type, *(((), ()) if start is None else (dims, strides)))
        memory.store(address, ctypes.c_void_p, None if start is None else space + start)


def _enough(given, needed, what):
    if given < needed:
        raise Refused("BAD_PARAM_SIZE_INSUFFICIENT", f"{what} is {given} where {needed} bytes are needed")


def _check_input(rnn, x):
    if x.data_type != rnn.data_type:
        raise Refused("BAD_PARAM", f"dataType is {rnn.data_type} in rnnDesc and {x.data_type} in xDesc")
    if x.vector != rnn.input_size:
        raise Refused(
            "BAD_PARAM_SHAPE_MISMATCH", f"inputSize is {rnn.input_size} and vectorSize of xDesc {x.vector}"
        )


class Call:
    """What the three calls have in common: the checks, the buffers, the weights.

    Buffers are arrays on raw memory, x and its kin as [B, T, ...] whatever the layout.
    """

    def __init__(self, state, handle, rnn, lengths, x, y, h, c):
        self.handle = state.object("handle", handle).fields
        self.rnn = state.fields("rnn", rnn, "rnnDesc")
        self.x, self.y = state.fields("data", x, "xDesc"), state.fields("data", y, "yDesc")
        self.lstm, self.gap = self.rnn.cell == "lstm", state.gap
        self.written, self.read = [], []
        self._check_handle()
        self._check_data()
        self._check_state(state.fields("tensor", h, "hDesc"), "hDesc")
        if self.lstm:
            self._check_state(state.fields("tensor", c, "cDesc"), "cDesc")
        device_lengths = self.buffer(lengths, "int32", (self.x.batch,), "devSeqLengths")
        self.lengths = np.array(self.x.lengths)
        if (device_lengths != self.lengths).any():
            raise Refused(
                "EXECUTION_FAILED",
                f"devSeqLengths is {device_lengths.tolist()} and seqLengthArray {self.lengths.tolist()}",
            )

    def _check_handle(self):
        if self.handle.device != Device.current():
            raise Refused(
                "EXECUTION_FAILED",
                f"the handle is of device {self.handle.device}, and {Device.current()} is current",
            )
        if self.handle.thread != threading.get_ident():
            raise Refused("EXECUTION_FAILED", "the handle was created by another thread")
        if self.handle.stream != get_current_stream().ptr:
            raise Refused("BAD_PARAM_STREAM_MISMATCH", "the handle is not set on the current stream")

    def _check_data(self):
        rnn, x, y = self.rnn, self.x, self.y
        _check_input(rnn, x)
        if y.data_type != rnn.data_type:
            raise Refused("BAD_PARAM", f"dataType is {rnn.data_type} in rnnDesc and {y.data_type} in yDesc")
        if y.vector != rnn.hidden_size * rnn.directions:
            raise Refused(
                "BAD_PARAM_SHAPE_MISMATCH",
                f"vectorSize of yDesc is {y.vector}, hiddenSize {rnn.hidden_size}, dirMode {rnn.dir_mode}",
            )
        for name in ("layout", "time", "batch", "lengths"):
            ours, theirs = getattr(x, name), getattr(y, name)
            if ours != theirs:
                raise Refused("BAD_PARAM_SHAPE_MISMATCH", f"{name} is {ours} in xDesc and {theirs} in yDesc")
        if x.layout == 1:
            raise Refused("NOT_SUPPORTED_LAYOUT", "the packed layout is not emulated")
        if set(x.lengths) != {x.time}:
            if rnn.algo:
                raise Refused("NOT_SUPPORTED", "persistent algorithms need rows of one length")
            if not rnn.aux_flags:
                raise Refused("BAD_PARAM", "rows end before maxSeqLength while padded input is disabled")
        if not any(x.lengths):
            raise Refused("EXECUTION_FAILED", "all rows have length 0")

    def _check_state(self, tensor, what):
        rnn, batch = self.rnn, self.x.batch
        if tensor.data_type != rnn.data_type:
            raise Refused(
                "BAD_PARAM", f"dataType is {rnn.data_type} in rnnDesc and {tensor.data_type} in {what}"
            )
        dims = (rnn.directions, batch, rnn.hidden_size)
        if tensor.dims != dims:
            raise Refused("BAD_PARAM_SHAPE_MISMATCH", f"{what} must be of dims {dims} and has {tensor.dims}")
        if tensor.strides != (batch * rnn.hidden_size, rnn.hidden_size, 1):
            raise Refused("BAD_PARAM", f"{what} must be packed and has strides {tensor.strides}")

    def buffer(self, address, dtype, shape, what, written=False, alignment=None, any_type=False):
        """Return a required buffer."""
        size = np.dtype(dtype).itemsize
        nbytes = size * int(np.prod(shape))
        start = memory.device(
            address, nbytes, what, self.handle.device, None if any_type else dtype, alignment or size
        )
        (self.written if written else self.read).append((what, start, nbytes))
        return memory.view(start, dtype, shape)

    def sequence(self, data, address, what, written=False):
        """Return x, y or one of their gradients."""
        batch_major = data.layout == 2
        shape = (data.batch, data.time) if batch_major else (data.time, data.batch)
        found = self.buffer(address, self.rnn.dtype, (*shape, data.vector), what, written)
        return found if batch_major else found.transpose(1, 0, 2)

    def state(self, address, what, written=False):
        """Return a state or its gradient; None where it is not given, or the cell has no such state."""
        if not address or (what.strip("d")[0] == "c" and not self.lstm):
            return None
        shape = (self.rnn.directions, self.x.batch, self.rnn.hidden_size)
        return self.buffer(address, self.rnn.dtype, shape, what, written)

    def start(self, array, what):
        """Return a state in float64, zero where none is given; None where the cell has none."""
        if what == "c" and not self.lstm:
            return [None] * self.rnn.directions
        shape = (self.rnn.directions, self.x.batch, self.rnn.hidden_size)
        return np.zeros(shape) if array is None else array.astype("float64")

    def weights(self, size, address, written=False):
        """Return arrays on the weights, as a `maths.Weights` a direction; None for a bias that is not."""
        found, needed = places(self.rnn, self.gap)
        _enough(size, needed, "weightSpaceSize")
        name = "dweightSpace" if written else "weightSpace"
        space = self.buffer(address, "uint8", (needed,), name, written, memory.ITEM, True)
        base, units, gates = space.ctypes.data, self.rnn.hidden_size, maths.GATES[self.rnn.cell]

        def array(start, shape):
            return None if start is None else memory.view(base + start, self.rnn.dtype, shape)

        each = []
        for d in range(self.rnn.directions):
            of = [found[d, n] for n in range(2 * gates)]
            matrices = [array(p.matrix, (units, p.columns)) for p in of]
            biases = [array(p.bias, (units,)) for p in of]
            each.append(maths.Weights(matrices[:gates], matrices[gates:], biases[:gates], biases[gates:]))
        return each

    def float64(self, weights):
        """Return weights to compute with."""
        units = self.rnn.hidden_size
        return maths.Weights(
            *([np.zeros(units) if a is None else a.astype("float64") for a in kind] for kind in weights)
        )

    def spaces(self, training, work_size, work, reserve_size, reserve):
        """Return the reserve space as (head, kept, deltas), None if not training; spoil the workspace."""
        needed, reserved = temporary(self.rnn, self.x, training)
        _enough(work_size, needed, "workSpaceSize")
        workspace = self.buffer(work, "uint8", (work_size,), "workSpace", True, memory.ITEM, True)
        found = None
        if training:
            _enough(reserve_size, reserved, "reserveSpaceSize")
            words = self.buffer(
                reserve, "float64", (reserve_size // 8,), "reserveSpace", True, memory.ITEM, True
            )
            shape = (self.rnn.directions, self.x.batch, self.x.time, -1, self.rnn.hidden_size)
            middle = int(np.prod(np.abs(shape))) * maths.KEPT[self.rnn.cell]
            rest = words[_HEAD : reserved // 8]
            found = (
                words[:_HEAD].view("uint64"),
                rest[:middle].reshape(shape),
                rest[middle:].reshape(shape),
            )
        memory.apart(self.written, self.read)
        workspace[:] = 255
        return found

    def fingerprint(self):
        """Return a number for all that a forward pass and its backward pass must have alike."""
        rnn = self.rnn._replace(dropout=None)
        return zlib.crc32(repr((rnn, self.x[:-1], self.gap)).encode())


def _write(target, values):
    with np.errstate(over="ignore"):
        target[...] = values


@implements
def cudnnRNNForward(
    state, handle, rnn, mode, lengths, x_desc, x, y_desc, y, h_desc, hx, hy, c_desc, cx, cy,
    weight_size, weight_space, work_size, work, reserve_size, reserve,
):  # fmt: skip
    check_enum("cudnnForwardMode_t", mode, "fwdMode")
    call = Call(state, handle, rnn, lengths, x_desc, y_desc, h_desc, c_desc)
    x, y = call.sequence(call.x, x, "x"), call.sequence(call.y, y, "y", written=True)
    hx, cx = call.state(hx, "hx"), call.state(cx, "cx")
    finals = call.state(hy, "hy", written=True), call.state(cy, "cy", written=True)
    weights = call.weights(weight_size, weight_space)
    space = call.spaces(mode == 1, work_size, work, reserve_size, reserve)
    cell, units = call.rnn.cell, call.rnn.hidden_size
    h0, c0 = call.start(hx, "h"), call.start(cx, "c")
    if space is not None:
        state.tickets += 1
        space[0][:4] = _MARK, state.tickets, call.fingerprint(), _FORWARD
        space[1][...] = space[2][...] = np.nan
    x = x.astype("float64")
    for d in range(call.rnn.directions):
        kept = None if space is None else space[1][d]
        with np.errstate(all="ignore"):
            out, *ends = maths.forward(
                cell, call.float64(weights[d]), x, h0[d], c0[d], call.lengths, d == 1, kept
            )
        if call.y.fill is not None:
            out[np.arange(call.x.time) >= call.lengths[:, None]] = call.y.fill
        _write(y[:, :, d * units : (d + 1) * units], out)
        for final, end in zip(finals, ends):
            if final is not None:
                _write(final[d], end)


def _check_reserve(state, call, head, wanted):
    mark, ticket, fingerprint, stage = (int(word) for word in head[:4])
    if mark != _MARK or not 1 <= ticket <= state.tickets:
        raise Refused("EXECUTION_FAILED", "the reserve space is not from a forward pass in training mode")
    if fingerprint != call.fingerprint():
        raise Refused("EXECUTION_FAILED", "the reserve space is from a forward pass of another configuration")
    if stage != wanted:
        words = (
            "was used by BackwardData before" if stage == _BACKWARD else "has not been through BackwardData"
        )
        raise Refused("EXECUTION_FAILED", f"the reserve space {words}")
    if not call.lengths.all():
        raise Refused("EXECUTION_FAILED", "rows of length 0 have no backward pass")


@implements
def cudnnRNNBackwardData_v8(
    state, handle, rnn, lengths, y_desc, y, dy, x_desc, dx, h_desc, hx, dhy, dhx, c_desc, cx, dcy, dcx,
    weight_size, weight_space, work_size, work, reserve_size, reserve,
):  # fmt: skip
    call = Call(state, handle, rnn, lengths, x_desc, y_desc, h_desc, c_desc)
    y, dy = call.sequence(call.y, y, "y"), call.sequence(call.y, dy, "dy")
    dx = call.sequence(call.x, dx, "dx", written=True)
    hx, dhy, cx, dcy = (call.state(*a) for a in ((hx, "hx"), (dhy, "dhy"), (cx, "cx"), (dcy, "dcy")))
    firsts = call.state(dhx, "dhx", written=True), call.state(dcx, "dcx", written=True)
    weights = call.weights(weight_size, weight_space)
    head, kept, deltas = call.spaces(True, work_size, work, reserve_size, reserve)
    _check_reserve(state, call, head, _FORWARD)
    head[3] = _BACKWARD
    h0, c0 = call.start(hx, "h"), call.start(cx, "c")
    dh, dc = call.start(dhy, "h"), call.start(dcy, "c")
    units, total = call.rnn.hidden_size, 0.0
    y, dy = y.astype("float64"), dy.astype("float64")
    for d in range(call.rnn.directions):
        half = slice(d * units, (d + 1) * units)
        with np.errstate(all="ignore"):
            part, *starts = maths.backward_data(
                call.rnn.cell, call.float64(weights[d]), y[:, :, half], dy[:, :, half], h0[d], c0[d],
                dh[d], dc[d], call.lengths, d == 1, kept[d], deltas[d],
            )  # fmt: skip
        total = total + part
        for first, start in zip(firsts, starts):
            if first is not None:
                _write(first[d], start)
    _write(dx, total)


@implements
def cudnnRNNBackwardWeights_v8(
    state, handle, rnn, add, lengths, x_desc, x, h_desc, hx, y_desc, y,
    weight_size, dweight_space, work_size, work, reserve_size, reserve,
):  # fmt: skip
    check_enum("cudnnWgradMode_t", add, "addGrad")
    if add:
        raise Refused("NOT_SUPPORTED", "addGrad must be CUDNN_WGRAD_MODE_ADD")
    # A call has no cDesc; what it would be was checked before.
    call = Call(state, handle, rnn, lengths, x_desc, y_desc, h_desc, h_desc)
    x, y = call.sequence(call.x, x, "x"), call.sequence(call.y, y, "y")
    hx = call.state(hx, "hx")
    weights = call.weights(weight_size, dweight_space, written=True)
    head, _, deltas = call.spaces(True, work_size, work, reserve_size, reserve)
    _check_reserve(state, call, head, _BACKWARD)
    h0, units = call.start(hx, "h"), call.rnn.hidden_size
    x, y = x.astype("float64"), y.astype("float64")
    for d in range(call.rnn.directions):
        half = slice(d * units, (d + 1) * units)
        with np.errstate(all="ignore"):
            found = maths.backward_weights(
                call.rnn.cell, x, y[:, :, half], h0[d], call.lengths, d == 1, deltas[d]
            )
            for targets, gradients in zip(weights[d], found):
                for target, gradient in zip(targets, gradients):
                    if target is not None:
                        _write(target, target + gradient)
