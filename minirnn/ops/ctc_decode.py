"""From the frames of a model trained with CTC to symbols: the best class of each frame, or a beam search."""

import numpy as np

from minirnn import backend
from minirnn.autograd import Tensor, convert
from minirnn.autograd import primitives as P
from minirnn.backend import allowance
from minirnn.ops.arguments import wide_float
from minirnn.ops.nn import log_softmax
from minirnn.ops.symbolic import op


@op
def ctc_decode(
    inputs,
    sequence_lengths,
    strategy="greedy",
    beam_width=100,
    top_paths=1,
    merge_repeated=True,
    mask_index=0,
) -> tuple[Tensor, Tensor]:
    """Return the symbols that frames spell, padded with −1, and scores.

    Parameters
    ----------
    inputs : Tensor or array, shape (batch, frames, classes)
        Logits.
    sequence_lengths : array of int, shape (batch,)
        How many of the frames belong to each row.
    strategy : {"greedy", "beam_search"}
        Greedy takes the best class of each frame. A beam search adds up all paths to the same symbols, over
        the `beam_width` most probable beginnings; it is done on the host, a row after another.
    beam_width : int
    top_paths : int
        How many of the best results a beam search returns.
    merge_repeated : bool
        Whether greedy decoding takes a class that comes in several frames on end for one symbol.
    mask_index : int
        The class of the blank.

    Returns
    -------
    symbols : Tensor of int32, shape (1, batch, frames), or (top_paths, batch, frames) of a beam search
    scores : Tensor, shape (batch, 1), or (batch, top_paths)
        Greedy: minus the sum of the frames' best logits. Beam search: the logarithm of the probability of the
        symbols; −∞ where there are fewer results.

    Raises
    ------
    ValueError
        If the shapes do not match, or an option or a length is out of range.

    References
    ----------
    Graves et al. 2006, section 3.2 (greedy: best path decoding). Hannun et al. 2014, "First-pass large
    vocabulary continuous speech recognition using bi-directional recurrent DNNs" (the beam search).
    """
    inputs, lengths = wide_float(inputs), convert(sequence_lengths)
    if inputs.ndim != 3 or lengths.shape != inputs.shape[:1] or lengths.dtype.kind not in "iu":
        raise ValueError(
            "ctc_decode: inputs and sequence_lengths must have shapes (batch, frames, classes) and (batch,), "
            f"the latter of integers; got {inputs.shape} and {lengths.shape} of {lengths.dtype}."
        )
    if not 0 <= mask_index < inputs.shape[2]:
        raise ValueError(
            f"ctc_decode: mask_index must be a class from 0 to {inputs.shape[2] - 1}; got {mask_index!r}."
        )
    if bool(((lengths.data < 0) | (lengths.data > inputs.shape[1])).any()):
        raise ValueError(
            f"ctc_decode: sequence_lengths must be from 0 to {inputs.shape[1]}, the number of frames; got "
            f"{int(lengths.data.min())} to {int(lengths.data.max())}."
        )
    if strategy == "greedy":
        return _greedy(inputs, lengths, merge_repeated, mask_index)
    if strategy != "beam_search":
        raise ValueError(f"ctc_decode: strategy must be 'greedy' or 'beam_search'; got {strategy!r}.")
    if not 1 <= top_paths <= beam_width:
        raise ValueError(
            f"ctc_decode: beam_width must be 1 or more, and top_paths from 1 to beam_width; got "
            f"{beam_width!r} and {top_paths!r}."
        )
    return _beam_search(inputs, lengths, beam_width, top_paths, mask_index)


def _greedy(inputs, lengths, merge_repeated, blank):
    xp, T = backend.array_module(inputs.data), inputs.shape[1]
    frame_T = xp.arange(T)
    here_BT = frame_T < lengths.data[:, None]
    best_BT = xp.where(here_BT, inputs.data.argmax(axis=-1), blank)
    symbol_BT = best_BT != blank
    if merge_repeated:
        symbol_BT[:, 1:] &= best_BT[:, 1:] != best_BT[:, :-1]
    # The symbols in their order, then all else.
    order_BT = xp.argsort(xp.where(symbol_BT, frame_T, T), axis=1)
    symbols_BT = xp.take_along_axis(xp.where(symbol_BT, best_BT, -1), order_BT, 1).astype("int32")
    scores = P.where(Tensor(here_BT), P.max(inputs, axis=-1), P.zeros_like(inputs[:, :, 0]))
    return Tensor(symbols_BT[None]), -P.sum(scores, axis=1, keepdims=True)


def _beam_search(inputs, lengths, width, top_paths, blank):
    logp_BTC = backend.to_numpy(log_softmax(Tensor(inputs.data), axis=-1).data)
    B, T, _ = logp_BTC.shape
    allowance.ask(top_paths, B, T + 1, work=B * T * width * logp_BTC.shape[2])
    symbols_PBT = np.full((top_paths, B, T), -1, np.int32)
    scores_BP = np.full((B, top_paths), -np.inf, logp_BTC.dtype)
    for b, length in enumerate(backend.to_numpy(lengths.data)):
        for p, (symbols, score) in enumerate(_search(logp_BTC[b, :length], width, blank)[:top_paths]):
            symbols_PBT[p, b, : len(symbols)] = symbols
            scores_BP[b, p] = score
    xp = backend.array_module(inputs.data)
    return Tensor(xp.asarray(symbols_PBT)), Tensor(xp.asarray(scores_BP))


def _search(logp_TC, width, blank) -> list:
    """Return the most probable symbols of one row with the logarithms of their probabilities, best first.

    A beginning is a node of a tree: the node that it goes on from, and its last symbol. For each of those in
    the beam (W) there are two probabilities: of the paths that end in a blank, and of those that do not.
    """
    C = logp_TC.shape[1]
    parents, symbols = [-1], [-1]
    known: dict[tuple[int, int], int] = {}
    node_W = np.array([0])
    blank_W, symbol_W = np.zeros(1), np.full(1, -np.inf)
    with np.errstate(invalid="ignore", divide="ignore"):
        for logp_C in logp_TC.astype(np.float64):
            parent_W = np.array([parents[node] for node in node_W])
            last_W = np.array([symbols[node] for node in node_W])
            all_W = np.logaddexp(blank_W, symbol_W)
            # One symbol more. The last one again is another symbol only behind a blank.
            more_WC = all_W[:, None] + logp_C
            begun = np.flatnonzero(last_W >= 0)
            more_WC[begun, last_W[begun]] = blank_W[begun] + logp_C[last_W[begun]]
            more_WC[:, blank] = -np.inf
            # The same symbols: a blank, or the last symbol held on; or one symbol more than one in the beam.
            blank_W = all_W + logp_C[blank]
            symbol_W = symbol_W + np.where(last_W >= 0, logp_C[last_W], -np.inf)
            child, parent = np.nonzero(parent_W[:, None] == node_W)
            symbol_W[child] = np.logaddexp(symbol_W[child], more_WC[parent, last_W[child]])
            more_WC[parent, last_W[child]] = -np.inf
            scores = np.concatenate([np.logaddexp(blank_W, symbol_W), more_WC.ravel()])
            best = np.argsort(-scores, kind="stable")[:width]
            best = best[scores[best] > -np.inf]
            kept, new = best[best < len(node_W)], best[best >= len(node_W)] - len(node_W)
            nodes = list(node_W[kept])
            for w, symbol in zip(*divmod(new, C)):
                key = (int(node_W[w]), int(symbol))
                if key not in known:
                    known[key] = len(parents)
                    parents.append(key[0])
                    symbols.append(key[1])
                nodes.append(known[key])
            symbol_W = np.concatenate([symbol_W[kept], more_WC.ravel()[new]])
            blank_W = np.concatenate([blank_W[kept], np.full(len(new), -np.inf)])
            node_W = np.array(nodes, dtype=int)
    scores_W = np.logaddexp(blank_W, symbol_W)
    return [
        (_spelled(node_W[w], parents, symbols), scores_W[w]) for w in np.argsort(-scores_W, kind="stable")
    ]


def _spelled(node, parents, symbols) -> list[int]:
    found = []
    while node > 0:
        found.append(symbols[node])
        node = parents[node]
    return found[::-1]
