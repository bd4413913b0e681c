"""Ctrl-C in `fit`: a model as it was after some batch, ready to go on, and the history of whole epochs."""

import os
import signal

import numpy as np
import pytest

from minirnn import Input, Sequential, callbacks, layers, losses, optimizers, utils
from minirnn.autograd import Variable
from minirnn.models import trainer
from tests.laws.breaking import interrupted_at

pytestmark = pytest.mark.host_only("lines are counted on NumPy's way through the package")

X = np.random.default_rng(0).standard_normal((12, 3, 2)).astype("float32")
Y = np.arange(12) % 3


def made():
    utils.set_random_seed(1)
    utils.clear_session()
    model = Sequential(
        [Input((3, 2)), layers.GRU(3, dropout=0.2), layers.BatchNormalization(), layers.Dense(3)]
    )
    model.compile(
        optimizers.Adam(0.05, use_ema=True),
        losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def learnt(model):
    return [v.numpy().tobytes() for v in (*model.variables, *model.optimizer.variables)]


class Noting(callbacks.Callback):
    """Keeps what the model has learnt after each batch, and at the end."""

    runs_last = True

    def __init__(self):
        super().__init__()
        self.states = []

    def on_train_begin(self, logs=None):
        self.states.append(learnt(self.model))

    def on_train_batch_end(self, batch, logs=None):
        self.states.append(learnt(self.model))

    def on_train_end(self, logs=None):
        self.states.append(learnt(self.model))


def fit(model, *others):
    early = callbacks.EarlyStopping("loss", patience=5, restore_best_weights=True)
    reduce = callbacks.ReduceLROnPlateau("loss", patience=9)
    return model.fit(
        X, Y, batch_size=6, epochs=3, verbose=0, validation_data=(X, Y), callbacks=[early, reduce, *others]
    )


@pytest.fixture(scope="module")
def whole():
    noting, model = Noting(), made()
    history = fit(model, noting).history
    with interrupted_at(None) as lines:
        fit(made())
    return noting.states, history, len(lines)


@pytest.mark.parametrize("share", np.linspace(0.02, 1, 40).round(3).tolist())
def test_an_interrupt_at_any_line_leaves_a_usable_model_and_whole_epochs(whole, share):
    states, history, lines = whole
    model = made()
    try:
        with interrupted_at(round(share * lines)):
            fit(model)
    except KeyboardInterrupt:
        pass
    if model.optimizer.built:
        assert learnt(model) in states
    if model.history is not None:
        epochs = len(model.history.epoch)
        assert model.history.history == {n: v[:epochs] for n, v in history.items() if epochs}
    assert model._run is None and not trainer._holding.of
    assert model.predict(X, verbose=0).shape == (12, 3)
    assert len(fit(model).epoch) == 3


def test_an_interrupt_between_two_weights_that_are_set_at_the_end_sets_none(whole, monkeypatch):
    states, _, _ = whole
    for calls in (1, 2, 5, 9):

        def arm(logs=None, calls=calls):
            left, assign = iter(range(calls)), Variable.assign

            def broken(variable, value):
                if next(left, None) is None:
                    raise KeyboardInterrupt
                return assign(variable, value)

            monkeypatch.setattr(Variable, "assign", broken)

        model = made()
        with pytest.raises(KeyboardInterrupt):
            model_fit_armed(model, arm)
        monkeypatch.undo()
        assert learnt(model) == states[-2], (
            "as after the last batch, before averages and best weights are set"
        )


def model_fit_armed(model, arm):
    """Train, with what happens at the end begun by `arm`."""
    arming = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: arm() if epoch == 2 else None)
    arming.runs_last = True
    fit(model, arming)


def test_a_signal_leaves_the_same_as_so_many_batches(tmp_path, whole):
    states, history, _ = whole

    class Press(callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if int(self.model.optimizer.iterations) == 5:
                os.kill(os.getpid(), signal.SIGINT)

    model, table = made(), tmp_path / "log.csv"
    with pytest.raises(KeyboardInterrupt):
        fit(model, Press(), callbacks.CSVLogger(table))
    assert learnt(model) == states[5]
    assert model.history.epoch == [0, 1]
    assert model.history.history == {name: values[:2] for name, values in history.items()}
    rows = table.read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "0", "1"]
