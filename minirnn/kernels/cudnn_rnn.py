r"""LSTM, GRU and SimpleRNN over whole sequences through cuDNN: weight layouts, lengths, calls.

cuDNN computes the equations of `lstm.py`, `gru.py` (``reset_after=True``) and `simple_rnn.py`, in one or in
both directions. What differs is where things stand:

- All weights of a call lie in one block of memory, each gate's matrix with shape (units, columns), the
  transpose of Keras's, at places that are asked of cuDNN. Gates of a GRU come as r, z, h; Keras has z, r, h.
- Each gate has two biases, of the input's product and of the state's. Keras's GRU has both too. Its LSTM and
  SimpleRNN have one, which goes into the first; the second stays zero, and no gradient is taken from it.
- Rows end by their lengths, and the reverse direction starts at each row's own last step. So masks must be
  right-padded. Beyond a row's end cuDNN's outputs are zero, where Keras repeats the last one. A row of length
  0 is refused: it is given as one of length 1, and what comes out of it is dropped.

What is put right around the calls (masked outputs, rows of length 0, reading backwards) is done on Tensors,
whose gradients follow by themselves; `forward` and `backward` are the calls alone.
"""

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minirnn import backend, config
from minirnn.autograd import primitives as P
from minirnn.backend.cudnn import Configuration, Lengths
from minirnn.kernels.packing import remember
from minirnn.kernels.padding import padding_of
from minirnn.kernels.primitive import KernelPrimitive

STATES = {"lstm": 2, "gru": 1, "simple_rnn": 1}
# Where Keras keeps cuDNN's gates.
_KERAS_GATES = {"lstm": (0, 1, 2, 3), "gru": (1, 0, 2), "tanh": (0,), "relu": (0,)}


class Block(NamedTuple):
    """Gates whose weights stand side by side both in Keras's arrays and in cuDNN's memory.

    Attributes
    ----------
    direction : int
    recurrent : bool
        Whether they multiply the state, or the input.
    columns : slice
        Of Keras's arrays.
    offset, shape : int, tuple of int
        Where in cuDNN's memory the matrix (rows, input or state size) begins, in bytes.
    bias_offset : int or None
    """

    direction: int
    recurrent: bool
    columns: slice
    offset: int
    shape: tuple[int, int]
    bias_offset: int | None


@functools.lru_cache(maxsize=256)
def blocks(rnn) -> tuple[Block, ...]:
    """Return where the weights of a `backend.cudnn.RNN` go, in as few pieces as can be copied at once."""
    gates = _KERAS_GATES[rnn.configuration.cell]
    units, itemsize = rnn.configuration.units, np.dtype(rnn.configuration.dtype).itemsize
    found: list[Block] = []
    for p in rnn.parameters:
        start = gates[p.number % len(gates)] * units
        new = Block(
            p.direction,
            p.number >= len(gates),
            slice(start, start + units),
            p.matrix_offset,
            p.matrix_shape,
            p.bias_offset,
        )
        joined = _joined(found[-1], new, itemsize) if found else None
        found[-1:] = [*found[-1:], new] if joined is None else [joined]
    return tuple(found)


def _joined(one: Block, other: Block, itemsize: int) -> Block | None:
    """Return two blocks as one, if the second begins where the first ends, in both memories."""
    (rows, width), (more, _) = one.shape, other.shape
    follows = (
        (one.direction, one.recurrent) == (other.direction, other.recurrent)
        and one.columns.stop == other.columns.start
        and one.offset + rows * width * itemsize == other.offset
        and (one.bias_offset is None or one.bias_offset + rows * itemsize == other.bias_offset)
    )
    if not follows:
        return None
    return one._replace(columns=slice(one.columns.start, other.columns.stop), shape=(rows + more, width))


def _places(rnn, space):
    """Yield each block with views of its matrix and its bias (or None) in cuDNN's memory."""
    dtype = np.dtype(rnn.configuration.dtype)
    for block in blocks(rnn):
        rows, width = block.shape
        matrix = space[block.offset : block.offset + rows * width * dtype.itemsize].view(dtype)
        bias, start = None, block.bias_offset
        if start is not None:
            bias = space[start : start + rows * dtype.itemsize].view(dtype)
        yield block, matrix.reshape(rows, width), bias


def _keras_bias(block, bias):
    """Return the bias of Keras, or its part, that a block reads; None where Keras has none."""
    if bias is None or bias.ndim == 2:
        return bias if bias is None else bias[int(block.recurrent)]
    return None if block.recurrent else bias


def _pack(xp, *weights, rnn):
    """Return cuDNN's block of memory for Keras's kernel, recurrent kernel and bias of each direction."""
    space = xp.zeros(rnn.weight_bytes, "uint8")
    for block, matrix, bias in _places(rnn, space):
        kernels_and_bias = weights[3 * block.direction : 3 * block.direction + 3]
        matrix[...] = kernels_and_bias[block.recurrent][:, block.columns].T
        keras_bias = _keras_bias(block, kernels_and_bias[2])
        if bias is not None and keras_bias is not None:
            bias[...] = keras_bias[block.columns]
    return space


packed = remember(_pack)


def unpack(xp, space, weights, rnn) -> list:
    """Return the gradients of Keras's weights from that of cuDNN's block of memory."""
    gradients: list[Any] = [None if w is None else xp.empty(w.shape, w.dtype) for w in weights]
    for block, matrix, bias in _places(rnn, space):
        kernels_and_bias = gradients[3 * block.direction : 3 * block.direction + 3]
        kernels_and_bias[block.recurrent][:, block.columns] = matrix.T
        keras_bias = _keras_bias(block, kernels_and_bias[2])
        if keras_bias is not None:
            keras_bias[block.columns] = bias
    return gradients


@dataclass(slots=True)
class Residuals:
    """What `backward` takes from `forward`."""

    xp: Any
    rnn: Any
    saved: Any
    states: int
    weights: tuple


def forward(x_BTD, *arrays, keep, xp, cell, directions, lengths_B=None, tf32=False):
    """Run one or both directions of a recurrent layer.

    Parameters
    ----------
    x_BTD : array, shape (batch, time, features)
    arrays : array
        For each direction its initial states, shape (batch, units) each, then for each direction Keras's
        kernel, recurrent kernel and bias (or None).
    keep : bool
        Whether a backward pass will follow.
    xp : module
        Of the arrays.
    cell : str
        "lstm", "gru", "tanh" or "relu".
    directions : int
        1, or 2 where the second reads from the end.
    lengths_B : numpy.ndarray of int32, shape (batch,), optional
        The number of steps of each row, 1 or more; default: all.
    tf32 : bool
        Whether float32 products may be rounded to TF32's ten bits.

    Returns
    -------
    outputs : tuple of array
        Shape (batch, time, directions * units), zero beyond a row's end; then each direction's last states.
    residuals : Residuals or None
    """
    weights = arrays[-3 * directions :]
    states = len(arrays[: -3 * directions]) // directions
    features, units = x_BTD.shape[2], weights[1].shape[0]
    configuration = Configuration(
        cell, features, units, x_BTD.dtype.name, weights[2] is not None, directions, tf32
    )
    rnn = backend.backend_of(x_BTD).cudnn.rnn(xp, configuration)
    lengths = None if lengths_B is None else Lengths(lengths_B, xp.asarray(lengths_B))
    starts_NBH = [xp.stack(arrays[i : states * directions : states]) for i in range(states)]
    y_BTK, h_NBH, c_NBH, saved = rnn.forward(
        xp.ascontiguousarray(x_BTD),
        starts_NBH[0],
        starts_NBH[1] if states == 2 else None,
        packed(xp, *weights, rnn=rnn),
        lengths,
        training=keep,
    )
    finals = [final_NBH[n] for n in range(directions) for final_NBH in (h_NBH, c_NBH)[:states]]
    return (y_BTK, *finals), Residuals(xp, rnn, saved, states, weights) if keep else None


def backward(residuals, cotangents, needs):
    """Return the gradients of what `forward` took, in its order."""
    xp, rnn, states = residuals.xp, residuals.rnn, residuals.states
    dy_BTK, *finals = cotangents
    ends_NBH = [_stacked(xp, finals[i::states]) for i in range(states)] + [None]
    need_weights = any(needs[-len(residuals.weights) :])
    dx_BTD, dh_NBH, dc_NBH, space = rnn.backward(
        residuals.saved,
        None if dy_BTK is None else xp.ascontiguousarray(dy_BTK),
        *ends_NBH[:2],
        need_weights=need_weights,
    )
    starts = [d_NBH[n] for n in range(len(dh_NBH)) for d_NBH in (dh_NBH, dc_NBH)[:states]]
    weights = unpack(xp, space, residuals.weights, rnn) if need_weights else [None] * len(residuals.weights)
    return (dx_BTD, *starts, *weights)


def _stacked(xp, arrays):
    """Return the gradients of a state, one a direction, as one array; None if there are none."""
    known = [a for a in arrays if a is not None]
    return xp.stack([xp.zeros_like(known[0]) if a is None else a for a in arrays]) if known else None


def _reversed_rows(x_BTN, *, keep, xp, lengths_B):
    """Reverse the first steps of each row, as many as it is long; what lies beyond stays."""
    steps_T = xp.arange(x_BTN.shape[1], dtype="int32")
    lengths_B1 = xp.asarray(lengths_B)[:, None]
    index_BT = xp.where(steps_T < lengths_B1, lengths_B1 - 1 - steps_T, steps_T)
    rows_B1 = xp.arange(len(x_BTN))[:, None]
    return (x_BTN[rows_B1, index_BT],), (xp, lengths_B)


def _reversed_rows_backward(residuals, cotangents, needs):
    xp, lengths_B = residuals
    return _reversed_rows(cotangents[0], keep=False, xp=xp, lengths_B=lengths_B)[0]  # its own inverse


CUDNN = {name: KernelPrimitive(name, forward, backward) for name in STATES}
REVERSE_ROWS = KernelPrimitive("reverse_rows", _reversed_rows, _reversed_rows_backward)


def run_layer(layer, sequences, states, mask, training):
    """Run a SimpleRNN, GRU or LSTM over whole sequences; see `fused.run_layer`."""
    mask, lengths_B = _lengths(mask)
    if training and layer.dropout:
        batch, _, features = sequences.shape
        dropout_mask = layer.cell.draw_dropout_mask((batch, features), layer.dropout)
        sequences = sequences * P.reshape(dropout_mask, shape=(batch, 1, features))
    turns = layer.go_backwards
    y, (finals,) = _call(
        [layer], _turned(sequences, lengths_B) if turns else sequences, [states], mask, lengths_B
    )
    if turns and layer.return_sequences:
        y = _turned(y, lengths_B)
    output = _output(layer, y, states, finals, mask)
    return _turned(output) if turns and layer.return_sequences else output, finals


def run_pair(layers, sequences, states, mask):
    """Run two layers over the same sequences, the second from the end, in one call of cuDNN.

    Parameters
    ----------
    layers : pair of SimpleRNN, GRU or LSTM
        Alike but for weights, names and direction, and without dropout in this call.
    sequences : Tensor, shape (batch, time, features)
    states : pair of list of Tensor, shape (batch, units)
    mask : Tensor, bool, shape (batch, time), or None

    Returns
    -------
    list of (output, states)
        As from each layer by itself, but that the outputs of all steps are in the order of time in both.
    """
    mask, lengths_B = _lengths(mask)
    y, finals = _call(layers, sequences, states, mask, lengths_B)
    units = layers[0].units
    halves = y[:, :, :units], y[:, :, units:]
    outputs = [_output(*each, mask) for each in zip(layers, halves, states, finals)]
    return list(zip(outputs, finals))


def _lengths(mask):
    """Return the mask, or None if all steps count, and the length of each row, or None."""
    if mask is None:
        return None, None
    lengths_B = padding_of(mask).lengths_B
    return (None, None) if (lengths_B == mask.shape[1]).all() else (mask, lengths_B)


def _call(layers, x, states, mask, lengths_B):
    """Return cuDNN's outputs and each layer's last states, those of rows of length 0 put right."""
    kind, count = layers[0].fused_kernel, STATES[layers[0].fused_kernel]
    if mask is not None:
        # Whatever stands beyond a row's end, nan too, is to reach neither states nor gradients.
        x = P.where(P.reshape(mask, shape=(*mask.shape, 1)), x, P.zeros_like(x))
    y, *flat = CUDNN[kind](
        x,
        *(state for starts in states for state in starts),
        *(w for layer in layers for w in (layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias)),
        cell=layers[0].activation.__name__ if kind == "simple_rnn" else kind,
        directions=len(layers),
        lengths_B=None if lengths_B is None else np.maximum(lengths_B, 1),
        tf32=config.tensor_float_32_execution_enabled(),
    )
    finals = [flat[i * count : (i + 1) * count] for i in range(len(layers))]
    if mask is not None and lengths_B is not None and not lengths_B.all():
        ran = mask[:, :1]
        finals = [[P.where(ran, *pair) for pair in zip(*both)] for both in zip(finals, states)]
    return y, finals


def _turned(x, lengths_B=None):
    """Return a sequence with its steps in reverse: of each row all, or its first ones."""
    if lengths_B is None:
        return x[:, ::-1]
    return REVERSE_ROWS(x, lengths_B=lengths_B)[0]


def _output(layer, y, starts, finals, mask):
    """Return a layer's output, of all steps in the order of time, as Keras has it where steps are masked."""
    if not layer.return_sequences:
        output, counts = (
            finals[0],
            None if mask is None else mask[:, :1] if layer.go_backwards else mask[:, -1:],
        )
        if counts is None or not layer.zero_output_for_mask:
            return output
        return P.where(counts, output, P.zeros_like(output))
    if mask is None:
        return y
    # The output of the step that was read before.
    held = starts[0] if layer.go_backwards else finals[0]
    batch, units = held.shape
    held = P.zeros_like(y) if layer.zero_output_for_mask else P.reshape(held, shape=(batch, 1, units))
    return P.where(P.reshape(mask, shape=(*mask.shape, 1)), y, held)
