"""Connectionist temporal classification as a loss: labels whose places among the frames are not known."""

import warnings

import numpy as np

from minirnn import backend
from minirnn.autograd import Tensor, convert, convert_float
from minirnn.losses.labels import pieces
from minirnn.losses.loss import TAKE_MASKS, TARGET_CHECKS, LossFunctionWrapper
from minirnn.ops.ctc import check_ctc, ctc_of_rows

_BLANK = 0


def ctc(y_true, y_pred) -> Tensor:
    """Return for each row −log of the probability that its frames spell its label.

    Parameters
    ----------
    y_true : array of int, shape (batch, places)
        Class numbers from 1, padded with 0, the blank, behind their end. If a label has zeros before that,
        its first places count, as many as it has other numbers: so it is in Keras.
    y_pred : array, shape (batch, frames, classes)
        Logits. Frames that a mask leaves out are passed over, wherever they are; Keras does not take a mask.

    Returns
    -------
    Tensor, shape (batch,)

    Raises
    ------
    ValueError
        If the shapes do not match; if a label has a number that is no class; if it is longer than its frames,
        counting the blanks that must stand between like symbols.

    Warns
    -----
    UserWarning
        If a label has a blank before its end, as its last symbols are then lost.

    See Also
    --------
    minirnn.ops.ctc_loss : with lengths given, and any class as the blank.
    minirnn.ops.ctc_decode : from logits to symbols.

    References
    ----------
    Graves et al. 2006, "Connectionist temporal classification: labelling unsegmented sequence data with
    recurrent neural networks".
    """
    mask = backend.get_keras_mask(y_pred)
    on_host = y_true if isinstance(y_true, np.ndarray) else None
    y_true, y_pred = convert(y_true), convert_float(y_pred)
    _check_shapes(y_true.shape, y_pred.shape)
    labels = y_true.data
    mask = None if mask is None else convert(mask).data.astype(bool)
    if mask is None:
        # What a GPU got from the host can be looked at there, which waits for nothing.
        on_host = y_true._host if on_host is None else on_host
        seen, frames = labels if on_host is None else on_host, y_pred.shape[1]
    else:
        seen, frames = labels, mask.sum(axis=1)
    _check_labels(seen, frames, y_pred.shape)
    if y_pred.dtype.itemsize < 4:
        y_pred = convert(y_pred, "float32")
    return ctc_of_rows(y_pred, labels, (labels != _BLANK).sum(axis=1), mask, _BLANK)


def _check_shapes(y_true, y_pred) -> None:
    if len(y_pred) != 3:
        raise ValueError(
            f"ctc: y_pred must be logits of shape (batch, frames, classes); got {tuple(y_pred)}. A "
            "recurrent layer before it needs return_sequences=True."
        )
    if len(y_true) != 2 or y_true[0] != y_pred[0]:
        raise ValueError(
            f"ctc: y_true must be labels of shape (batch, places), a row for each of the {y_pred[0]} of "
            f"y_pred, padded with {_BLANK}; got shape {tuple(y_true)}."
        )


def _check_labels(labels, frames, shape, first=0) -> None:
    lengths = (labels != _BLANK).sum(axis=1)
    check_ctc("ctc", labels, lengths, frames, shape, None, first)
    # Of labels that are on a GPU alone nothing more is read.
    if isinstance(labels, np.ndarray) and ((labels[:, :-1] == _BLANK) & (labels[:, 1:] != _BLANK)).any():
        warnings.warn(
            f"ctc: a label has the blank, {_BLANK}, before its end. As in Keras its first places count, as "
            "many as it has other numbers, and the rest of it is lost.",
            stacklevel=2,
        )


def _check_targets(y_true, y_pred_shape) -> None:
    labels = y_true if backend.is_array(y_true) else convert(y_true).data
    _check_shapes(labels.shape, (len(labels), *y_pred_shape[1:]))
    first = 0
    for piece in pieces(labels):
        _check_labels(piece, y_pred_shape[1], y_pred_shape, first)
        first += len(piece)


TARGET_CHECKS[ctc] = _check_targets
# It says which frames there are, not which rows count.
TAKE_MASKS.add(ctc)


class CTC(LossFunctionWrapper):
    """See `ctc` and `Loss`."""

    integer_targets = True

    def __init__(self, reduction: str | None = "sum_over_batch_size", name="ctc", dtype=None):
        super().__init__(ctc, reduction, name, dtype)
