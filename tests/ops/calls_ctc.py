"""Calls of connectionist temporal classification, beside the sum over all paths one by one."""

import itertools
from collections import defaultdict

import numpy as np

from tests.ops.calling import F, c, entry, log_softmax

BEHIND = 99  # what stands behind the end of a label, where nobody looks


def collapsed(path, blank, merge_repeated=True) -> tuple:
    """Return what a path spells: like classes on end are one, then blanks go."""
    kept = [k for k, _ in itertools.groupby(path)] if merge_repeated else path
    return tuple(int(k) for k in kept if k != blank)


def spellings(logits_TC, blank) -> dict:
    """Return the probability of all that the frames of one row can spell, by adding up every path."""
    paths = list(itertools.product(range(logits_TC.shape[1]), repeat=len(logits_TC)))
    each_PT = log_softmax(logits_TC)[np.arange(len(logits_TC)), np.array(paths)]
    found: defaultdict[tuple, float] = defaultdict(float)
    for path, probability in zip(paths, np.exp(each_PT.sum(axis=1)).tolist()):
        found[collapsed(path, blank)] += probability
    return found


def labels_that_fit(m, frames, classes, blank):
    """Return labels, their lengths and those of the outputs; some path of as many frames spells each."""
    lengths = m.i(m.B, low=1, high=frames + 1)
    paths = m.i(m.B, frames, low=0, high=classes)
    spelled = [collapsed(path[:n], blank) for path, n in zip(paths, lengths)]
    labels = np.full((m.B, frames), BEHIND, "int32")
    for row, label in zip(labels, spelled):
        row[: len(label)] = label
    return labels, np.array([len(label) for label in spelled], "int32"), lengths


def loss_by_paths(target, output, target_length, output_length, mask_index=0):
    rows = zip(target, output, target_length, output_length)
    found = [spellings(x[:frames], mask_index)[tuple(label[:n])] for label, x, n, frames in rows]
    return -np.log(np.array(found, F))


def ctc(m, *, blank):
    labels, label_lengths, lengths = labels_that_fit(m, m.T, m.D + 1, blank)
    options = {"mask_index": blank} if blank else {}
    return c(labels, m.x(m.B, m.T, m.D + 1), label_lengths, lengths, **options)


entry("ctc_loss", lambda m: ctc(m, blank=0), loss_by_paths)
entry("ctc_loss", lambda m: ctc(m, blank=m.D), loss_by_paths)


def greedy(inputs, sequence_lengths, merge_repeated=True, mask_index=0):
    symbols, scores = np.full((1, *inputs.shape[:2]), -1), np.zeros((len(inputs), 1), F)
    for b, (x, n) in enumerate(zip(inputs, sequence_lengths)):
        found = collapsed(x[:n].argmax(-1), mask_index, merge_repeated)
        symbols[0, b, : len(found)] = found
        scores[b] = -x[:n].max(-1).sum()
    return symbols, scores


def best(inputs, sequence_lengths, strategy, beam_width, top_paths):
    symbols = np.full((top_paths, *inputs.shape[:2]), -1)
    scores = np.zeros((len(inputs), top_paths), F)
    for b, (x, n) in enumerate(zip(inputs, sequence_lengths)):
        ranked = sorted(spellings(x[:n], 0).items(), key=lambda item: -item[1])
        for p, (found, probability) in enumerate(ranked[:top_paths]):
            symbols[p, b, : len(found)] = found
            scores[b, p] = np.log(probability)
    return symbols, scores


def frames(m):
    return m.x(m.B, m.T, m.D + 1), m.i(m.B, low=1, high=m.T + 1)


entry("ctc_decode", lambda m: c(*frames(m)), greedy)
entry("ctc_decode", lambda m: c(*frames(m), merge_repeated=False, mask_index=m.D), greedy)


def frames_without_ties(m):
    """Of two spellings of one probability either may come first, and even steps make such."""
    x, lengths = frames(m)
    uneven = 0.1 * np.sin(1.7 * np.arange(x.size)).reshape(x.shape)
    return (x + uneven).astype(x.dtype), lengths


entry(
    "ctc_decode",
    lambda m: c(*frames_without_ties(m), strategy="beam_search", beam_width=700, top_paths=2),
    best,
)
