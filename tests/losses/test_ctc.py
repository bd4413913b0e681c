"""The CTC loss in a model: padding by blanks, masks, weights, training, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minirnn
from minirnn import backend, layers, losses, models, ops
from minirnn.autograd import Variable, convert, grad
from minirnn.losses import labels as label_checks
from minirnn.losses.loss import TARGET_CHECKS
from minirnn.models.data import to_tensor
from tests.standins import hostcupy, hostcupy_for_cupy

seeds = st.integers(0, 999)
labels = np.array([[1, 2, 2], [3, 0, 0], [0, 0, 0], [2, 1, 0]])


def logits_of(seed, frames=7):
    return np.random.default_rng(seed).normal(size=(4, frames, 4))


@given(seeds)
def test_the_loss_counts_symbols_up_to_the_padding_and_all_frames(seed):
    logits = logits_of(seed)
    expected = ops.ctc_loss(labels, logits, [3, 1, 0, 2], [7] * 4)
    assert np.allclose(losses.ctc(labels, logits).numpy(), expected.numpy())
    assert np.isclose(float(losses.CTC(dtype="float64")(labels, logits)), expected.numpy().mean())


@given(seeds)
def test_frames_that_a_mask_leaves_out_are_as_if_they_were_not_there(seed):
    rng = np.random.default_rng(seed)
    mask = rng.uniform(size=(4, 12)) < 0.8
    mask[:, :5] = True
    logits = rng.normal(size=(4, 12, 4))
    logits[~mask] = np.nan

    def loss(x, reduction="none", weight=None):
        x = x * 1.0
        backend.set_keras_mask(x, convert(mask))
        return losses.CTC(reduction, dtype="float64")(labels, x, sample_weight=weight)

    x = Variable(logits)
    gradient = grad(loss(x, "sum"), x).numpy()
    assert (gradient[~mask] == 0).all()
    for b in range(4):
        alone = Variable(logits[b : b + 1][:, mask[b]])
        of_it = losses.ctc(labels[b : b + 1], alone)
        assert np.isclose(loss(x).numpy()[b], of_it.item())
        assert np.allclose(gradient[b, mask[b]], grad(of_it.sum(), alone).numpy()[0])
    weights = rng.uniform(size=4)
    assert np.isclose(float(loss(x, "sum_over_batch_size", weights)), (loss(x).numpy() * weights).mean())


def test_it_is_found_by_name_and_saved():
    for name in ("ctc", "CTC"):
        loss = losses.get(name)
        assert loss is losses.ctc or isinstance(loss, losses.CTC)
    assert losses.CTC.from_config(losses.CTC(name="c", reduction="sum").get_config()).name == "c"


@pytest.mark.parametrize("loss", ["ctc", losses.CTC()], ids=["name", "object"])
def test_a_recurrent_model_learns_to_spell_sequences_of_any_length(loss):
    """Each symbol is a bump in its own feature, at a place that no label says; the end is masked."""
    minirnn.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x, y = np.zeros((64, 16, 3), np.float32), np.zeros((64, 3), int)
    for row, label in zip(x, y):
        count, frame = rng.integers(1, 4), 0
        label[:count] = rng.integers(1, 4, count)
        for symbol in label[:count]:
            frame += rng.integers(1, 4)
            row[frame, symbol - 1] = 2
            frame += 2
        row[:frame] += 0.1
    model = models.Sequential(
        [
            layers.Input((16, 3)),
            layers.Masking(),
            layers.Bidirectional(layers.LSTM(12, return_sequences=True)),
            layers.Dense(4),
        ]
    )
    model.compile(minirnn.optimizers.Adam(0.03), loss)
    history = model.fit(x, y, batch_size=16, epochs=25, verbose=0).history["loss"]
    assert history[-1] < 0.1 * history[0]
    lengths = (x != 0).any(-1).sum(1)
    spelled = ops.ctc_decode(model.predict(x, verbose=0), lengths)[0].numpy()[0, :, :3]
    assert (np.maximum(spelled, 0) == y).all(1).mean() > 0.9


def test_on_a_device_nothing_is_read_where_the_host_has_the_labels():
    def run(fed):
        y, x = to_tensor(labels.astype("int32")), Variable(logits_of(0).astype(np.float32))
        with hostcupy.count_reads() as counted:
            loss = losses.CTC()(y if fed else convert(labels), x)
            gradient = grad(loss, [x])[0]
        return loss.numpy(), gradient.numpy(), counted[0]

    on_host = run(True)
    with hostcupy_for_cupy():
        on_device, without = run(True), run(False)
    assert (on_device[2], without[2]) == (0, 1)
    for one, other in zip(on_host[:2], on_device[:2]):
        assert np.allclose(one, other, atol=1e-6)


x = np.zeros((2, 4, 4))
BAD = [
    ([[1, 1], [1, 2]], x[:, 0], r"y_pred must be logits of shape .*; got \(2, 4\).*return_sequences=True"),
    ([1, 2], x, r"y_true must be labels of shape .* each of the 2 of y_pred, .* 0; got shape \(2,\)"),
    ([[1, 1]], x, r".*got shape \(1, 2\)"),
    ([[1, 4], [1, 2]], x, r"row 0: .* from 0 to 3 .* got 4 among its first 2"),
    ([[1, 2], [-1, 2]], x, r"row 1: .* got -1 among"),
    ([[1.5, 2], [1, 2]], x, r"row 0: .* got 1.5 among"),
    ([[1, 1, 1], [1, 2, 0]], x, r"row 0: a label of 3 symbols, 2 of them .* needs 5 frames, .* got 4"),
    ([[1, 2, 1, 2, 1], [1, 2, 0, 0, 0]], x, r"row 0: a label of 5 symbols, 0 of them .* needs 5 .* got 4"),
]


@pytest.mark.parametrize("y_true, y_pred, match", BAD)
def test_labels_that_do_not_fit_are_refused(y_true, y_pred, match):
    with pytest.raises(ValueError, match=f"ctc: {match}"):
        losses.ctc(y_true, y_pred)


@given(st.integers(0, 1000))
def test_of_a_label_with_a_blank_inside_the_first_places_count_with_a_warning(seed):
    rng = np.random.default_rng(seed)
    labels, logits = rng.integers(1, 4, (1, 4)), rng.normal(size=(1, 8, 4))
    labels[0, rng.integers(0, 3)] = 0
    lost = labels.copy()
    lost[0, 3] = rng.integers(1, 4)
    with pytest.warns(UserWarning, match="a label has the blank, 0, before its end"):
        one, other = (losses.ctc(y, logits).numpy() for y in (labels, lost))
    assert np.array_equal(one, other)
    with pytest.warns(UserWarning, match="a label has the blank"):
        TARGET_CHECKS[losses.ctc](labels, (None, 8, 4))


def test_a_mask_that_leaves_too_few_frames_is_refused():
    y_pred = convert(x * 1.0)
    backend.set_keras_mask(y_pred, convert(np.arange(4) < np.array([[4], [1]])))
    with pytest.raises(ValueError, match=r"ctc: row 1: a label of 2 symbols, .* got 1\."):
        losses.ctc([[1, 2], [1, 2]], y_pred)


def test_a_bad_label_anywhere_in_a_data_set_is_refused_before_training():
    model = models.Sequential([layers.Input((5, 2)), layers.Dense(3)])
    model.compile("sgd", "ctc")
    y = np.ones((40, 2), int)
    y[37] = 5
    before = [w.copy() for w in model.get_weights()]
    with pytest.raises(ValueError, match=r"ctc: row 37: .* got 5 among"):
        model.fit(np.ones((40, 5, 2), np.float32), y, batch_size=4, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))


@pytest.mark.parametrize("piece", [1, 5, 1 << 20])
def test_targets_that_are_looked_at_in_pieces_are_refused_by_their_row_in_the_whole(piece, monkeypatch):
    y = np.ones((20, 3), "int32")
    y[:, 1:] = 0
    monkeypatch.setattr(label_checks, "PIECE", piece)
    TARGET_CHECKS[losses.ctc](y, (None, 4, 4))
    y[13, 1] = 9
    with pytest.raises(ValueError, match=r"ctc: row 13: .* from 0 to 3 .* got 9"):
        TARGET_CHECKS[losses.ctc](y, (None, 4, 4))
