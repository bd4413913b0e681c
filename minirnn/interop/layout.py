"""Where others keep what Keras keeps in a kernel, a recurrent kernel and a bias.

Keras has matrices of shape (N, gates · units), a block of columns for each gate. PyTorch and ONNX have them
transposed, (gates · units, N), with the gates in an order of their own, and two biases of shape
(gates · units,), one of the input and one of the recurrence. Only in a GRU with ``reset_after`` are the two
more than their sum.
"""

from typing import NamedTuple

import numpy as np

# Which of Keras's gates comes where. Keras has z, r, h in a GRU and i, f, c, o in an LSTM;
# PyTorch has r, z, n and i, f, g, o, ONNX z, r, h and i, o, f, c.
TORCH = {"SimpleRNN": (0,), "GRU": (1, 0, 2), "LSTM": (0, 1, 2, 3)}
ONNX = {"SimpleRNN": (0,), "GRU": (0, 1, 2), "LSTM": (0, 3, 1, 2)}


class Parts(NamedTuple):
    """The arrays of one layer in one direction, as PyTorch and ONNX have them; G is gates · units."""

    kernel_GD: np.ndarray
    recurrent_GH: np.ndarray
    bias_G: np.ndarray | None
    recurrent_bias_G: np.ndarray | None


def to_rows(matrix: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    """Return Keras's matrix, (N, G), as one of rows, (G, N), its gates in `order`; a vector stays one."""
    gates = matrix.T.reshape(len(order), -1, *matrix.T.shape[1:])
    return np.ascontiguousarray(gates[list(order)].reshape(matrix.T.shape))


def from_rows(matrix: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    """Return a matrix of rows, (G, N), its gates in `order`, as Keras's, (N, G); a vector stays one."""
    gates = matrix.reshape(len(order), -1, *matrix.shape[1:])
    return np.ascontiguousarray(gates[np.argsort(order)].reshape(matrix.shape).T)


def to_parts(weights: list, order: tuple[int, ...]) -> Parts:
    """Return Keras's kernel, recurrent kernel and, if there is one, bias as others have them.

    Where Keras has one bias, it is the input's, and the recurrence's is 0.
    """
    kernel, recurrent, *bias = weights
    biases: list = [None, None]
    if bias:
        both = bias[0] if bias[0].ndim == 2 else np.stack([bias[0], np.zeros_like(bias[0])])
        biases = [to_rows(b, order) for b in both]
    return Parts(to_rows(kernel, order), to_rows(recurrent, order), *biases)


def from_parts(parts: Parts, order: tuple[int, ...], two_biases: bool) -> list[np.ndarray]:
    """Return Keras's weights. Where Keras has one bias, it is the sum of the two.

    Parameters
    ----------
    parts : Parts
    order : tuple of int
    two_biases : bool
        Whether the layer is a GRU with ``reset_after``.
    """
    weights = [from_rows(parts.kernel_GD, order), from_rows(parts.recurrent_GH, order)]
    if parts.bias_G is not None and parts.recurrent_bias_G is not None:
        bias, recurrent_bias = (from_rows(b, order) for b in (parts.bias_G, parts.recurrent_bias_G))
        weights.append(np.stack([bias, recurrent_bias]) if two_biases else bias + recurrent_bias)
    return weights
