"""What training brings from the device to the host: at most one value a batch, and none where the data came
from the host. hostcupy, a stand-in for CuPy, counts."""

import functools

import numpy as np
import pytest

import minirnn
from minirnn import callbacks, layers, losses, metrics, ops, optimizers, tree
from minirnn.callbacks import progress
from minirnn.layers import LSTM, Dense
from minirnn.models import Model, Sequential
from tests.standins import hostcupy, hostcupy_for_cupy

pytestmark = pytest.mark.stand_ins

N = 8
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, 3, 3)).astype("float32")
TOKENS = RNG.integers(0, 7, (N, 3))
LABELS = np.arange(N) % 4
SPARSE = losses.SparseCategoricalCrossentropy


def compiled(*body, loss=None, optimizer="adam", metric=(), shape=(3, 3), dtype=None):
    one = Sequential([layers.Input(shape, dtype=dtype), *body])
    one.compile(optimizer, loss or SPARSE(from_logits=True), metrics=["accuracy", *metric])
    return one


def two_inputs():
    a, b = layers.Input((3, 3)), layers.Input((3,), dtype="int32")
    read = [LSTM(4)(layers.Masking()(a)), layers.GRU(4)(layers.Embedding(7, 3, mask_zero=True)(b))]
    one = Model([a, b], Dense(4)(layers.Concatenate()(read)))
    one.compile("adam", SPARSE(from_logits=True), metrics=["accuracy"])
    return one


def taught_by_a_function():
    def loss(y, p):
        return losses.sparse_categorical_crossentropy(y, p, from_logits=True)

    return compiled(LSTM(4), Dense(4), loss=loss)


# A model, its data, and what a batch reads: of data from the host without cuDNN and with it, and of data that
# is on the device.
CASES = {
    "dropping": (
        lambda: compiled(LSTM(4, dropout=0.2), layers.BatchNormalization(), layers.Dropout(0.3), Dense(4)),
        X,
        LABELS,
        (0, 0, 0),
    ),
    "recurrent dropout": (
        lambda: compiled(layers.GRU(4, recurrent_dropout=0.2), Dense(4)),
        X,
        LABELS,
        (0, 0, 0),
    ),
    "a mask": (lambda: compiled(layers.Masking(), LSTM(4), Dense(4)), X, LABELS, (0, 1, 0)),
    "a mask for both directions": (
        lambda: compiled(layers.Masking(), layers.Bidirectional(LSTM(4)), Dense(4)),
        X,
        LABELS,
        (0, 1, 0),
    ),
    "tokens": (
        lambda: compiled(
            layers.Embedding(7, 3, mask_zero=True),
            LSTM(4, return_sequences=True),
            LSTM(4),
            Dense(4),
            shape=(3,),
            dtype="int32",
        ),
        TOKENS,
        LABELS,
        (0, 0, 1),  # whether all tokens are in the table
    ),
    "two inputs": (two_inputs, [X, TOKENS], LABELS, (0, 1, 1)),
    "labels of floats": (lambda: compiled(LSTM(4), Dense(4)), X, LABELS.astype("float32"), (0, 0, 0)),
    "labels in a column": (lambda: compiled(LSTM(4), Dense(4)), X, LABELS[:, None], (0, 0, 0)),
    "labels to ignore": (
        lambda: compiled(LSTM(4), Dense(4), loss=SPARSE(from_logits=True, ignore_class=-1)),
        X,
        np.where(LABELS == 3, -1, LABELS),
        (0, 0, 0),
    ),
    "a loss by name": (
        lambda: compiled(LSTM(4), Dense(4, activation="softmax"), loss="sparse_categorical_crossentropy"),
        X,
        LABELS,
        (0, 0, 0),
    ),
    "a function as loss": (taught_by_a_function, X, LABELS, (0, 0, 1)),
    "metrics that look at labels": (
        lambda: compiled(LSTM(4), Dense(4), metric=[metrics.SparseCategoricalCrossentropy(from_logits=True)]),
        X,
        LABELS,
        (0, 0, 0),
    ),
    "values": (lambda: compiled(LSTM(4), Dense(2), loss="mse", metric=["mae"]), X, X[:, 0, :2], (0, 0, 0)),
    "moving averages": (
        lambda: compiled(LSTM(4), Dense(4), optimizer=optimizers.Adam(use_ema=True, global_clipnorm=1.0)),
        X,
        LABELS,
        (0, 0, 0),
    ),
    "any cell": (
        lambda: compiled(layers.RNN(layers.LSTMCell(4, dropout=0.1, recurrent_dropout=0.2)), Dense(4)),
        X,
        LABELS,
        (0, 0, 0),
    ),
    "a scale for float16": (
        lambda: compiled(LSTM(4), Dense(4), optimizer=optimizers.LossScaleOptimizer(optimizers.Adam())),
        X,
        LABELS,
        (1, 1, 1),  # whether the gradients are finite
    ),
}


def reads_of(run) -> int:
    with hostcupy.count_reads() as counted:
        run()
    return counted[0]


def reads_of_a_batch(method, x, y, **options) -> float:
    """Return how much more an epoch reads for each batch that it has more."""

    def reads(batch_size):
        run = functools.partial(method, x, y, batch_size=batch_size, verbose=0, **options)
        run()
        return reads_of(run)

    few, many = reads(N // 2), reads(1)
    assert few <= 10
    return (many - few) / (N - 2)


@pytest.mark.parametrize("place", ["fused", "cudnn", "on device"])
@pytest.mark.parametrize("make, x, y, expected", CASES.values(), ids=CASES.keys())
def test_a_batch_reads_one_value_at_most(make, x, y, expected, place):
    with hostcupy_for_cupy(cudnn=place == "cudnn"):
        one = make()
        if place == "on device":
            x, y = tree.map_structure(ops.convert_to_tensor, (x, y))
        number = ["fused", "cudnn", "on device"].index(place)
        assert reads_of_a_batch(one.fit, x, y) == expected[number]
        assert reads_of_a_batch(one.evaluate, x, y) <= expected[number]


def test_batches_of_a_generator_are_looked_at_on_the_host_too():
    def batches(size):
        return [(X[n : n + size], LABELS[n : n + size]) for n in range(0, N, size)]

    with hostcupy_for_cupy():
        one = compiled(LSTM(4), Dense(4))
        one.fit(iter(batches(4)), verbose=0)
        few = reads_of(lambda: one.fit(iter(batches(4)), verbose=0))
        one.fit(iter(batches(1)), verbose=0)
        assert reads_of(lambda: one.fit(iter(batches(1)), verbose=0)) == few
        wrong = [(x, y + 3 * (n == 5)) for n, (x, y) in enumerate(batches(1))]
        with pytest.raises(ValueError, match="integers from 0 to 3"):
            one.fit(iter(wrong), verbose=0)


def test_a_label_on_the_device_that_is_none_is_refused_before_a_batch_is_trained():
    with hostcupy_for_cupy():
        one = compiled(LSTM(4), Dense(4))
        y = LABELS.copy()
        y[5] = 4
        with pytest.raises(ValueError, match=r"integers from 0 to 3.*got 0 to 4"):
            one.fit(ops.convert_to_tensor(X), ops.convert_to_tensor(y), batch_size=2, verbose=0)
        assert int(one.optimizer.iterations) == 0


@pytest.mark.parametrize("mode", ["rich", "return", "last"])
def test_a_progress_bar_reads_what_it_draws(mode, monkeypatch, capsys):
    drawn = []

    class Bar(progress.Progbar):
        def __init__(self, *args):
            super().__init__(*args)
            self._mode = mode

        def _parts(self, *args, **kwargs):
            drawn.append(1)
            return super()._parts(*args, **kwargs)

    monkeypatch.setattr(progress, "Progbar", Bar)
    with hostcupy_for_cupy():
        one = compiled(LSTM(4), Dense(4))
        one.fit(X, LABELS, batch_size=1, verbose=0)
        silent = reads_of(lambda: one.fit(X, LABELS, batch_size=1, verbose=0))
        # However fast the batches are, it is drawn ten times a second; here once more, at the end.
        monkeypatch.setattr(progress, "_INTERVAL", 1e9)
        shown = reads_of(lambda: one.fit(X, LABELS, batch_size=1, verbose=1))
    values = 2  # loss and accuracy
    assert len(drawn) == (1 if mode == "last" else 2)
    assert shown - silent <= values * len(drawn)


def test_what_a_callback_of_batches_sees_is_read_for_it_alone():
    class Noting(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            assert isinstance(logs["loss"], float)

    class Counting(callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            pass

        def on_epoch_end(self, epoch, logs=None):
            assert isinstance(logs["loss"], float)

    with hostcupy_for_cupy():
        one = compiled(LSTM(4), Dense(4))
        assert reads_of_a_batch(one.fit, X, LABELS, callbacks=[Counting()]) == 0
        assert reads_of_a_batch(one.fit, X, LABELS, callbacks=[Noting()]) == 2


DROPPING = {
    "Dropout": lambda: layers.Dropout(0.5),
    "LSTM": lambda: LSTM(4, dropout=0.3),
    "GRU": lambda: layers.GRU(4, dropout=0.3, recurrent_dropout=0.2),
    "cells": lambda: layers.RNN([layers.GRUCell(4, dropout=0.3), layers.LSTMCell(4, recurrent_dropout=0.3)]),
    "both": lambda: layers.Bidirectional(layers.SimpleRNN(4, dropout=0.3)),
    "Lambda": lambda: layers.Lambda(lambda x: x + minirnn.random.normal(x.shape)),
}


def noting(function, seen):
    def noted(value, *args, **options):
        seen.append(value)
        return function(value, *args, **options)

    return noted


@pytest.mark.parametrize("cudnn", [False, True])
@pytest.mark.parametrize("make", DROPPING.values(), ids=DROPPING.keys())
def test_what_is_drawn_is_drawn_on_the_device_and_nothing_goes_there_or_comes_back(make, cudnn, monkeypatch):
    with hostcupy_for_cupy(cudnn=cudnn):
        layer, x = make(), ops.convert_to_tensor(X)
        first = layer(x, training=True)
        sent = []
        for name in ("array", "asarray"):
            monkeypatch.setattr(hostcupy, name, noting(getattr(hostcupy, name), sent))
        assert reads_of(lambda: layer(x, training=True)) == 0
        assert not [a for a in sent if isinstance(a, np.ndarray)]
        assert np.any(layer(x, training=True).numpy() != first.numpy())
