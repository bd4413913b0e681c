"""Laws of connectionist temporal classification that hold at lengths where no one can list the paths."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import Input, Model, layers, ops
from minirnn.autograd import Variable, convert, grad
from tests.ops.calling import log_softmax
from tests.ops.calls_ctc import collapsed, spellings

seeds = st.integers(0, 999)


@st.composite
def batches(draw, max_frames=30):
    """Labels, logits, and lengths of both, such that each label fits."""
    rng = np.random.default_rng(draw(seeds))
    B, T, C = draw(st.integers(1, 4)), draw(st.integers(1, max_frames)), draw(st.integers(2, 6))
    lengths = rng.integers(0, T + 1, B)
    # Most frames blank or like the one before, so that labels are shorter than their frames.
    paths = rng.integers(0, C, (B, T)) * (rng.uniform(size=(B, T)) < 0.4)
    spelled = [collapsed(path[:n], 0) for path, n in zip(paths, lengths)]
    labels = np.zeros((B, max(map(len, spelled)) + draw(st.integers(0, 2))), int)
    for row, label in zip(labels, spelled):
        row[: len(label)] = label
    return labels, 3 * rng.normal(size=(B, T, C)), np.array([len(s) for s in spelled]), lengths


def loss_and_gradient(labels, logits, label_lengths, lengths, weights=1.0):
    logits = Variable(logits)
    loss = ops.ctc_loss(labels, logits, label_lengths, lengths)
    return loss.numpy(), grad((loss * weights).sum(), logits).numpy()


@given(batches())
def test_frames_behind_the_end_change_nothing_and_have_no_gradient(batch):
    labels, logits, label_lengths, lengths = batch
    loss, gradient = loss_and_gradient(*batch)
    for b, n in enumerate(lengths):
        alone, of_it = loss_and_gradient(
            labels[b : b + 1, : label_lengths[b]], logits[b : b + 1, :n], label_lengths[b : b + 1], [n]
        )
        assert np.isclose(alone[0], loss[b])
        assert np.allclose(of_it[0], gradient[b, :n])
        assert (gradient[b, n:] == 0).all()


@given(batches())
def test_what_stands_behind_the_end_of_a_label_or_of_its_frames_is_not_looked_at(batch):
    labels, logits, label_lengths, lengths = batch
    loss, gradient = loss_and_gradient(*batch)
    labels = np.where(np.arange(labels.shape[1]) < label_lengths[:, None], labels, -7)
    behind = np.arange(logits.shape[1]) >= lengths[:, None]
    again, of_it = loss_and_gradient(labels, np.where(behind[..., None], np.nan, logits), *batch[2:])
    assert np.array_equal(loss, again) and np.array_equal(gradient, of_it)


@given(batches(), seeds)
def test_the_gradient_is_the_difference_quotient_and_sums_to_zero_at_each_frame(batch, seed):
    labels, logits, label_lengths, lengths = batch
    rng = np.random.default_rng(seed)
    weights, direction, h = rng.normal(size=len(labels)), rng.normal(size=logits.shape), 1e-6
    _, gradient = loss_and_gradient(*batch, weights)
    ends = [
        loss_and_gradient(labels, logits + step * direction, label_lengths, lengths)[0] @ weights
        for step in (h, -h)
    ]
    assert np.isclose((gradient * direction).sum(), (ends[0] - ends[1]) / (2 * h), rtol=1e-5, atol=1e-6)
    assert np.allclose(gradient.sum(-1), 0, atol=1e-10)


@given(batches(), seeds)
def test_a_constant_added_to_the_logits_of_a_frame_changes_nothing(batch, seed):
    labels, logits, label_lengths, lengths = batch
    shift = 50 * np.random.default_rng(seed).normal(size=(*logits.shape[:2], 1))
    again = loss_and_gradient(labels, logits + shift, label_lengths, lengths)
    for one, other in zip(loss_and_gradient(*batch), again):
        assert np.allclose(one, other, atol=1e-9)


@given(batches(), seeds)
def test_a_permutation_of_the_batch_and_one_of_the_classes_commute(batch, seed):
    labels, logits, label_lengths, lengths = batch
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    loss, gradient = loss_and_gradient(*batch)
    again, of_it = loss_and_gradient(*(a[order] for a in batch))
    assert np.array_equal(again, loss[order]) and np.array_equal(of_it, gradient[order])
    names = rng.permutation(logits.shape[2])
    renamed = np.empty_like(logits)
    renamed[..., names] = logits
    loss_of_renamed = ops.ctc_loss(names[labels], renamed, label_lengths, lengths, mask_index=int(names[0]))
    assert np.allclose(loss_of_renamed.numpy(), loss)


@given(seeds, st.integers(1, 5), st.integers(2, 3))
def test_the_probabilities_of_all_labels_sum_to_one(seed, T, C):
    logits = np.random.default_rng(seed).normal(size=(1, T, C))
    labels = [label for n in range(T + 1) for label in itertools.product(range(1, C), repeat=n)]
    fitting = [
        label for label in labels if len(label) + sum(a == b for a, b in itertools.pairwise(label)) <= T
    ]
    total = 0.0
    for label in fitting:
        target = np.array(label, int).reshape(1, -1)
        total += np.exp(-ops.ctc_loss(target, logits, [len(label)], [T]).item())
    assert np.isclose(total, 1)


def test_an_empty_label_is_spelled_by_blanks_alone():
    logits = np.random.default_rng(0).normal(size=(2, 5, 4))
    loss = ops.ctc_loss(np.zeros((2, 0), int), logits, [0, 0], [5, 0]).numpy()
    assert np.allclose(loss, [-log_softmax(logits)[0, :, 0].sum(), 0])


def test_a_label_that_fills_its_frames_is_found_however_improbable_it_is():
    """Paths that end nowhere are e^30000 times as probable: products of probabilities would have lost it."""
    T = 1000
    label = np.arange(T) % 2 + 1
    logits = np.zeros((1, T, 3), np.float32)
    logits[:, :, 0] = 30.0
    loss, gradient = loss_and_gradient(label[None], logits, [T], [T])
    assert np.allclose(loss, 30.0 * T, rtol=1e-6)
    wanted = np.array([1.0, 0.0, 0.0]) - np.eye(3)[label]
    assert np.allclose(gradient[0], wanted, atol=1e-6)


def test_float32_is_near_float64_over_thousands_of_frames():
    rng = np.random.default_rng(0)
    labels, logits = rng.integers(1, 20, (2, 300)), rng.normal(size=(2, 2000, 20))
    wide = loss_and_gradient(labels, logits, [300, 200], [2000, 1500])
    narrow = loss_and_gradient(labels, logits.astype(np.float32), [300, 200], [2000, 1500])
    assert narrow[0].dtype == narrow[1].dtype == np.float32
    assert np.allclose(wide[0], narrow[0], rtol=1e-5)
    assert np.abs(wide[1] - narrow[1]).max() < 1e-3


def test_half_precision_is_computed_in_single():
    logits = np.random.default_rng(0).normal(size=(1, 6, 4)).astype(np.float16)
    loss = ops.ctc_loss([[1, 2]], logits, [2], [6])
    assert loss.dtype == "float32"
    assert np.isclose(loss.item(), ops.ctc_loss([[1, 2]], logits.astype(np.float32), [2], [6]).item())


def test_a_class_that_cannot_be_makes_a_label_with_it_infinitely_improbable():
    logits = np.zeros((2, 4, 3))
    logits[:, :, 2] = -np.inf
    loss = ops.ctc_loss([[1, 0], [1, 2]], logits, [1, 2], [4, 4]).numpy()
    assert np.isclose(loss[0], -np.log(10 / 16)) and loss[1] == np.inf


def test_a_second_derivative_is_refused_by_name():
    loss = lambda x: ops.ctc_loss([[1]], x, [1], [3]).sum()
    x = np.zeros((1, 3, 2))
    with pytest.raises(NotImplementedError, match="ctc_loss has no second derivative"):
        grad(lambda x: (grad(loss)(x) ** 2).sum())(x)


@given(seeds, st.integers(1, 5), st.integers(2, 4))
def test_the_score_of_what_a_full_search_finds_is_minus_its_loss(seed, T, C):
    logits = np.random.default_rng(seed).normal(size=(1, T, C))
    symbols, scores = ops.ctc_decode(logits, [T], strategy="beam_search", beam_width=2000, top_paths=3)
    assert np.all(np.diff(scores.numpy()[0]) <= 0)
    for found, score in zip(symbols.numpy()[:, 0], scores.numpy()[0]):
        length = int((found >= 0).sum())
        if score > -np.inf:
            loss = ops.ctc_loss(found[None, :length], logits, [length], [T])
            assert np.isclose(-loss.item(), score)


@given(seeds)
def test_a_narrow_search_finds_nothing_better_than_a_wide_one(seed):
    logits = 2 * np.random.default_rng(seed).normal(size=(1, 8, 4))
    scores = [
        ops.ctc_decode(logits, [8], strategy="beam_search", beam_width=width)[1].item()
        for width in (1, 3, 10)
    ]
    best = max(np.log(p) for p in spellings(logits[0, :8], 0).values())
    assert all(score <= best + 1e-9 for score in scores)


def test_no_frames_spell_nothing():
    logits = np.zeros((2, 3, 4), np.float32)
    for strategy, score in (("greedy", 0.0), ("beam_search", 0.0)):
        symbols, scores = ops.ctc_decode(logits, [0, 3], strategy=strategy)
        assert (symbols.numpy()[0, 0] == -1).all() and scores.numpy()[0, 0] == score


x = np.zeros((2, 4, 3))
y = np.array([[1, 2], [2, 2]])
BAD = [
    (lambda: ops.ctc_loss(y, x[0], [2, 2], [4, 4]), r"\(batch, places\) and .*; got \(2, 2\) and \(4, 3\)"),
    (lambda: ops.ctc_loss(y[:1], x, [2, 2], [4, 4]), r"got \(1, 2\) and \(2, 4, 3\)"),
    (lambda: ops.ctc_loss(y, x, [2], [4, 4]), r"target_length must have shape \(2,\); got \(1,\)"),
    (lambda: ops.ctc_loss(y, x, [2, 2], [[4, 4]]), r"output_length must have shape \(2,\); got \(1, 2\)"),
    (
        lambda: ops.ctc_loss(y, x, [2, 2], [4, 4], mask_index=3),
        "mask_index must be a class from 0 to 2; got 3",
    ),
    (
        lambda: ops.ctc_loss(y, x, [2, 3], [4, 4]),
        "row 1: the length of a label must be from 0 to 2, .* got 3",
    ),
    (lambda: ops.ctc_loss(y, x, [2, -1], [4, 4]), "row 1: the length of a label .* got -1"),
    (lambda: ops.ctc_loss(y, x, [2, 2], [5, 4]), "row 0: an output's length must be from 0 to 4, .* got 5"),
    (
        lambda: ops.ctc_loss(y + 1, x, [2, 2], [4, 4]),
        "row 0: a label must be made of .* 0 to 2 .* got 3 among",
    ),
    (lambda: ops.ctc_loss(y - 1, x, [2, 2], [4, 4]), "row 0: .* other than the blank's, 0, .* got 0 among"),
    (lambda: ops.ctc_loss(y, x, [2, 2], [4, 4], mask_index=2), "the blank's, 2, .* got 2 among its first 2"),
    (
        lambda: ops.ctc_loss(y, x, [2, 2], [1, 4]),
        "row 0: a label of 2 symbols, 0 of them .* needs 2 .* got 1",
    ),
    (
        lambda: ops.ctc_loss(y, x, [2, 2], [2, 2]),
        "row 1: .* 2 symbols, 1 of them .* needs 3 frames, .* got 2",
    ),
    (lambda: ops.ctc_decode(x[0], [4, 4]), r"got \(4, 3\) and \(2,\)"),
    (lambda: ops.ctc_decode(x, [4, 5]), "sequence_lengths must be from 0 to 4, .* got 4 to 5"),
    (lambda: ops.ctc_decode(x, [4, 4], strategy="beam"), "'greedy' or 'beam_search'; got 'beam'"),
    (lambda: ops.ctc_decode(x, [4, 4], "beam_search", 2, 3), "top_paths from 1 to beam_width; got 2 and 3"),
    (lambda: ops.ctc_decode(x, [4, 4], mask_index=-1), "mask_index must be a class from 0 to 2; got -1"),
]


@pytest.mark.parametrize("call, match", BAD)
def test_what_does_not_fit_is_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_labels_and_lengths_are_integers():
    for arguments in ((y.astype(float), [2, 2], [4, 4]), (y, [2.0, 2.0], [4, 4]), (y, [2, 2], [4.0, 4.0])):
        target, *lengths = map(convert, arguments)
        with pytest.raises(TypeError, match="must be integers; got dtype float"):
            ops.ctc_loss(target, x, *lengths)


@pytest.mark.parametrize("places, blank", [(None, 0), (4, 0), (None, 6)])
def test_a_layer_that_adds_the_loss_takes_symbolic_tensors(places, blank):
    """Labels that are made up for the shapes alone are not looked at."""

    class Endpoint(layers.Layer):
        def call(self, labels, logits):
            rows = ops.ones((ops.shape(labels)[0],), dtype="int32")
            lengths = ops.shape(labels)[1] * rows, ops.shape(logits)[1] * rows
            self.add_loss(ops.mean(ops.ctc_loss(labels, logits, *lengths, mask_index=blank)))
            return logits

    labels, x = Input((places,), dtype="int32"), Input((20, 8))
    model = Model([labels, x], Endpoint()(labels, layers.Dense(7)(x)))
    model.compile("sgd")
    data = [np.array([[1, 2, 3, 1]] * 3), np.ones((3, 20, 8))]
    assert np.isfinite(model.fit(data, verbose=0).history["loss"][0])
    with pytest.raises(ValueError, match="a label must be made of class numbers"):
        model([data[0] * 0 + blank, data[1]])
