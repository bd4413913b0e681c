"""Connectionist temporal classification: the loss, of labels whose place in time is not known.

A label of U symbols l_1 ... l_U is written with blanks around and between them, as S = 2U + 1 states

    l' = blank, l_1, blank, l_2, ..., l_U, blank.

A path starts in one of the first two states, ends in one of the last two, and at each frame stays where it
is, goes on to the next state, or skips a blank: from s − 2 to s, where l'_s is a symbol other than l'_{s−2}.
With y_t(k), the probability of class k at frame t (the softmax of the logits u_t), the probability of the
label is the sum over all paths of the products of the y_t(l'_s) on the way.

Forward, in logarithms, as the products of hundreds of frames would underflow (equations 5 to 8):

    α_0(0) = 0, else −∞                             before the first frame: as if in the first state
    from_j = α_{t−1}(s − j)                         j = 0 (stay), 1 (go on), 2 (skip, or −∞ if forbidden)
    α_t(s) = log y_t(l'_s) + log Σ_j exp(from_j)
    loss   = −log p = −log(exp α_T(S − 1) + exp α_T(S − 2))

and of all paths that are in state s at frame t, the share that came there by move j is

    m_t(j, s) = exp(from_j) / Σ_i exp(from_i).

Backward: the share γ_t(s) of all paths to the label that are in state s at frame t, which in the paper is
α_t(s) β_t(s) / (y_t(l'_s) p). Given the shares m it is linear, needs no logarithm and sums to 1 at each t:

    γ_T(s)     = exp(α_T(s)) / p                    for the last two states, else 0
    γ_{t−1}(s) = Σ_j γ_t(s + j) m_t(j, s + j)
    ∂loss/∂u_t(k) = y_t(k) − Σ_{s: l'_s = k} γ_t(s)                     (equation 16)

Arrays are state-major, rows of the batch last, so that each move is a shift by whole rows. Names carry axes:
B rows of the batch, T frames, C classes, L places of symbols, S states, J moves.

References
----------
Graves, Fernández, Gomez and Schmidhuber 2006, "Connectionist temporal classification: labelling unsegmented
sequence data with recurrent neural networks", section 4.1.
"""

from typing import Any

import numpy as np

from minirnn import backend
from minirnn.autograd import Tensor, convert, def_vjp, define, sizes_are_made_up
from minirnn.autograd import primitives as P
from minirnn.autograd.tensor import state
from minirnn.backend import blas
from minirnn.ops.arguments import wide_float
from minirnn.ops.symbolic import op

# The logarithm of no probability. Finite, so that differences of two are no NaN; so far down that the
# logarithms of all frames together never reach it.
NONE = -1e30


def _ctc(xp, logits_BTC, *, labels_BL, lengths_B, mask_BT, blank, with_gradient):
    """Return the loss of each row, and with it the gradient of the logits if that is asked for.

    Parameters
    ----------
    labels_BL, lengths_B : array of int
        Symbols, of which the first `lengths_B` of each row count, and fit into the frames.
    mask_BT : array of bool, or None
        False for a frame that is passed over, as if it were not there.
    """
    T, C = logits_BTC.shape[1:]
    L = labels_BL.shape[1]
    inside_BL = xp.arange(L) < lengths_B[:, None]
    labels_BL = xp.where(inside_BL, labels_BL, blank)
    masked_TB = None if mask_BT is None else xp.logical_not(mask_BT.T)
    with np.errstate(over="ignore", invalid="ignore"):  # of logits that are infinite or NaN
        logp_BTC = logits_BTC - logits_BTC.max(axis=-1, keepdims=True)
        logp_BTC -= xp.log(xp.exp(logp_BTC).sum(axis=-1, keepdims=True))
        emit_TSB, skip_SB = _states(xp, logp_BTC, labels_BL, blank)
        alpha_SB, moves_TJSB = _forward(xp, emit_TSB, skip_SB, masked_TB, with_gradient)
        s = xp.arange(2 * L + 1)[:, None]
        is_last_SB = (s == 2 * lengths_B) | (s == 2 * lengths_B - 1)
        last_SB = xp.where(is_last_SB, alpha_SB, alpha_SB.dtype.type(NONE))
        peak_B = last_SB.max(axis=0)
        share_SB = xp.exp(last_SB - peak_B)
        p_B = share_SB.sum(axis=0)
        loss_B = -(xp.log(p_B) + peak_B)
        loss_B = xp.where(peak_B < NONE / 2, loss_B.dtype.type(np.inf), loss_B)
        if not with_gradient:
            return loss_B
        gamma_TSB = _backward(xp, share_SB / p_B, moves_TJSB, masked_TB)
        # Each symbol's share goes to its class, by a product with rows of a one.
        one_BLC = (labels_BL[:, :, None] == xp.arange(C)).astype(logp_BTC.dtype)
        if xp is np:
            blas.before_product(T * L * C)
        gradient_BTC = xp.exp(logp_BTC)
        gradient_BTC -= xp.matmul(xp.ascontiguousarray(gamma_TSB[:, 1::2].transpose(2, 0, 1)), one_BLC)
        gradient_BTC[:, :, blank] -= gamma_TSB[:, ::2].sum(axis=1).T
        if mask_BT is not None:
            gradient_BTC = xp.where(mask_BT[:, :, None], gradient_BTC, gradient_BTC.dtype.type(0))
    return loss_B, gradient_BTC


def _states(xp, logp_BTC, labels_BL, blank):
    """Return log y_t(l'_s) for each frame and state, and what is added to a skip: 0, or NONE to forbid it."""
    B, T, C = logp_BTC.shape
    L = labels_BL.shape[1]
    states_SB = xp.full((2 * L + 1, B), blank, dtype="int64")
    states_SB[1::2] = labels_BL.T
    logp_TN = logp_BTC.transpose(1, 2, 0).reshape(T, C * B)
    emit_TSB = logp_TN.take(states_SB * B + xp.arange(B), axis=1)
    skip_SB = xp.full(states_SB.shape, NONE, dtype=logp_BTC.dtype)
    skip_SB[3::2] = (states_SB[3::2] == states_SB[1:-2:2]) * skip_SB.dtype.type(NONE)
    return xp.maximum(emit_TSB, NONE), skip_SB


def _forward(xp, emit_TSB, skip_SB, masked_TB, keep):
    """Return α of the last frame, and the shares m of all frames if `keep`."""
    T, S, B = emit_TSB.shape
    dtype = emit_TSB.dtype
    # Two more rows stand before the first state: from there nothing comes.
    alpha, ahead = (xp.full((S + 2, B), NONE, dtype=dtype) for _ in range(2))
    alpha[2] = 0
    moves_TJSB = xp.empty((T if keep else 1, 3, S, B), dtype=dtype)
    peak_SB = xp.empty((S, B), dtype=dtype)
    for t in range(T):
        from_JSB = moves_TJSB[t if keep else 0]
        stay_SB, on_SB, over_SB = from_JSB
        total_SB = ahead[2:]
        xp.add(alpha[:-2], skip_SB, out=over_SB)
        xp.maximum(alpha[2:], alpha[1:-1], out=peak_SB)
        xp.maximum(peak_SB, over_SB, out=peak_SB)
        xp.subtract(alpha[2:], peak_SB, out=stay_SB)
        xp.subtract(alpha[1:-1], peak_SB, out=on_SB)
        xp.subtract(over_SB, peak_SB, out=over_SB)
        xp.exp(from_JSB, out=from_JSB)
        xp.add(stay_SB, on_SB, out=total_SB)
        xp.add(total_SB, over_SB, out=total_SB)
        if keep:
            xp.divide(from_JSB, total_SB, out=from_JSB)
        xp.log(total_SB, out=total_SB)
        xp.add(total_SB, peak_SB, out=total_SB)
        xp.add(total_SB, emit_TSB[t], out=total_SB)
        if masked_TB is not None:
            xp.copyto(total_SB, alpha[2:], where=masked_TB[t])
        alpha, ahead = ahead, alpha
    return alpha[2:], moves_TJSB


def _backward(xp, gamma_SB, moves_TJSB, masked_TB):
    """Return γ of all frames, given that of the last."""
    T, _, S, B = moves_TJSB.shape
    gamma_TSB = xp.empty((T, S, B), dtype=gamma_SB.dtype)
    part_SB = xp.empty((S, B), dtype=gamma_SB.dtype)
    gamma_TSB[T - 1 :] = gamma_SB
    for t in range(T - 1, 0, -1):
        stay_SB, on_SB, over_SB = moves_TJSB[t]
        now_SB, before_SB = gamma_TSB[t], gamma_TSB[t - 1]
        xp.multiply(now_SB, stay_SB, out=before_SB)
        for j, move_SB in ((1, on_SB), (2, over_SB)):
            xp.multiply(now_SB[j:], move_SB[j:], out=part_SB[j:])
            xp.add(before_SB[:-j], part_SB[j:], out=before_SB[:-j])
        if masked_TB is not None:
            xp.copyto(before_SB, now_SB, where=masked_TB[t])
    return gamma_TSB


def _pull_back(g, y, logits, **_):
    of_loss_B, of_gradient_BTC = g
    if of_gradient_BTC is not None:
        raise NotImplementedError("ctc_loss has no second derivative.")
    return P.reshape(of_loss_B, shape=(-1, 1, 1)) * y[1]


ctc = define("ctc_loss", _ctc)
def_vjp("ctc_loss", _pull_back)


def ctc_of_rows(output: Tensor, labels, lengths, mask, blank) -> Tensor:
    """Return the loss of each row, of raw arrays that `check_ctc` has seen; see `_ctc`."""
    parameters: dict[str, Any] = {
        "labels_BL": labels.astype("int64", copy=False),
        "lengths_B": lengths.astype("int64", copy=False),
        "mask_BT": None if mask is None or (isinstance(mask, np.ndarray) and mask.all()) else mask,
        "blank": blank,
    }
    if state.recording and output.requires_grad:
        return ctc(output, with_gradient=True, **parameters)[0]
    return ctc(output, with_gradient=False, **parameters)


def check_ctc(where, labels, lengths, frames, shape, blank, first=0) -> None:
    """Raise ValueError unless each label is made of symbols and fits into its frames; not of inferred shapes.

    Of arrays on a GPU one bool is read.

    Parameters
    ----------
    where : str
        Begins the error.
    labels : array, shape (rows, places)
    lengths : array of int, shape (rows,)
        How many places belong to each label.
    frames : array of int, shape (rows,), or int for all
    shape : tuple of int
        (..., frames, classes): of the logits.
    blank : int, optional
        No label may have it; without one, any class may stand in a label.
    first : int
        The number of the first row, where `labels` is a piece of an array.
    """
    if sizes_are_made_up():  # and the labels with them
        return
    xp = backend.array_module(labels)
    inside = xp.arange(labels.shape[1]) < lengths[:, None]
    wrong = inside & _no_symbol(xp, labels, shape[-1], blank)
    needed = lengths + (inside[:, 1:] & (labels[:, 1:] == labels[:, :-1])).sum(axis=1)
    bad = wrong.any(axis=1) | (lengths < 0) | (lengths > labels.shape[1]) | (needed > frames)
    if not isinstance(frames, int):
        bad |= (frames < 0) | (frames > shape[-2])
    if bool(bad.any()):
        row = int(backend.to_numpy(bad).argmax())
        length, available = int(lengths[row]), frames if isinstance(frames, int) else int(frames[row])
        label = backend.to_numpy(labels[row])[: max(length, 0)]
        complaint = _complaint(label, length, available, labels, shape, blank)
        raise ValueError(f"{where}: row {first + row}: {complaint}")


def _no_symbol(xp, labels, classes, blank):
    wrong = (labels < 0) | (labels >= classes)
    if blank is not None:
        wrong |= labels == blank
    return wrong | (labels != xp.floor(labels)) if labels.dtype.kind == "f" else wrong


def _complaint(label, length, frames, labels, shape, blank) -> str:
    places, available = labels.shape[1], shape[-2]
    if not 0 <= length <= places:
        return f"the length of a label must be from 0 to {places}, the number of places; got {length}."
    if not 0 <= frames <= available:
        return f"an output's length must be from 0 to {available}, the number of frames; got {frames}."
    wrong = label[_no_symbol(np, label, shape[-1], blank)]
    if wrong.size:
        wanted = f"other than the blank's, {blank}, which may stand behind it only"
        return (
            f"a label must be made of class numbers from 0 to {shape[-1] - 1} "
            f"{'that are integers' if blank is None else wanted}; got {wrong[0]} among its first {length}."
        )
    repeats = int((label[1:] == label[:-1]).sum())
    return (
        f"a label of {length} symbols, {repeats} of them like the one before, needs {length + repeats} "
        f"frames, as a blank must stand between like ones; got {frames}. Give it more frames, or leave out "
        "the row."
    )


@op
def ctc_loss(target, output, target_length, output_length, mask_index=0) -> Tensor:
    """Return for each row −log of the probability that its frames spell its label.

    Between like symbols of a label there must be a blank; other repetitions are one symbol.

    Parameters
    ----------
    target : array of int, shape (batch, places)
        Class numbers. What stands behind the length of a label is not looked at.
    output : Tensor or array, shape (batch, frames, classes)
        Logits: what softmax takes.
    target_length, output_length : array of int, shape (batch,)
        How many of the places, and how many of the frames, belong to each row.
    mask_index : int
        The class of the blank.

    Returns
    -------
    Tensor, shape (batch,)

    Raises
    ------
    ValueError
        If the shapes do not match; if a symbol is the blank or no class; if a label is longer than its
        frames, counting the blanks that must stand between like symbols. (Keras returns some 100,000 there.)
    TypeError
        If labels or lengths are no integers.

    References
    ----------
    Graves et al. 2006, section 4.1, equations 5 to 16; see the top of `minirnn/ops/ctc.py`.
    """
    output, target = wide_float(output), convert(target)
    lengths, frames = convert(target_length), convert(output_length)
    if output.ndim != 3 or target.ndim != 2 or target.shape[0] != output.shape[0]:
        raise ValueError(
            "ctc_loss: target and output must have shapes (batch, places) and (batch, frames, classes); got "
            f"{target.shape} and {output.shape}."
        )
    for name, value in (("target_length", lengths), ("output_length", frames)):
        if value.shape != output.shape[:1]:
            raise ValueError(f"ctc_loss: {name} must have shape {output.shape[:1]}; got {value.shape}.")
    for name, value in (("target", target), ("target_length", lengths), ("output_length", frames)):
        if value.dtype.kind not in "iu":
            raise TypeError(f"ctc_loss: {name} must be integers; got dtype {value.dtype}.")
    if not 0 <= mask_index < output.shape[-1]:
        raise ValueError(
            f"ctc_loss: mask_index must be a class from 0 to {output.shape[-1] - 1}; got {mask_index!r}."
        )
    labels_BL, lengths_B, frames_B = (x.data.astype("int64", copy=False) for x in (target, lengths, frames))
    check_ctc("ctc_loss", labels_BL, lengths_B, frames_B, output.shape, mask_index)
    mask = backend.array_module(output.data).arange(output.shape[1]) < frames_B[:, None]
    return ctc_of_rows(output, labels_BL, lengths_B, mask, mask_index)
