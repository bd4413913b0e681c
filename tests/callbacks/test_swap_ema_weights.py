"""`SwapEMAWeights`: averages where a model is judged, weights where it learns."""

import numpy as np
import pytest

from minirnn import Input, Sequential, callbacks, layers, optimizers, utils

X = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def make_model(optimizer=None, **options):
    utils.set_random_seed(0)
    model = Sequential([Input((3,)), layers.Dense(4, activation="tanh"), layers.Dense(1)])
    model.compile(optimizer or optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9, **options), "mse")
    return model


class Noting(callbacks.Callback):
    """Copies the weights at some points."""

    def __init__(self):
        super().__init__()
        self.seen: dict = {}

    def _note(self, name):
        self.seen.setdefault(name, []).append([np.array(w) for w in self.model.get_weights()])

    def on_train_batch_end(self, batch, logs=None):
        self._note("batch")

    def on_test_begin(self, logs=None):
        self._note("test")

    def on_epoch_begin(self, epoch, logs=None):
        self._note("begin")

    def on_epoch_end(self, epoch, logs=None):
        self._note("end")

    def on_predict_begin(self, logs=None):
        self._note("predict")


def equal(a, b):
    return all(np.array_equal(left, right) for left, right in zip(a, b, strict=True))


def fitted(swap, model=None, **options):
    model, note = model or make_model(), Noting()
    options = {"epochs": 3, "batch_size": 4, "shuffle": False, "verbose": 0, **options}
    swap = [] if swap is None else [swap]
    history = model.fit(X, Y, validation_data=(X, Y), callbacks=[*swap, note], **options).history
    return model, note.seen, history


@pytest.mark.parametrize("on_epoch", [False, True])
def test_averages_are_in_the_model_where_it_is_judged_and_learning_does_not_see_them(on_epoch):
    plain, seen, history = fitted(None)
    swapped, seen_there, history_there = fitted(callbacks.SwapEMAWeights(on_epoch))
    assert all(map(equal, seen["batch"], seen_there["batch"]))
    assert all(map(equal, seen["begin"], seen_there["begin"]))
    assert history["loss"] == history_there["loss"] and history["val_loss"] != history_there["val_loss"]
    # At the end both have the averages: the optimizer sets them.
    assert equal(plain.get_weights(), swapped.get_weights())
    assert equal(seen_there["test"][-1], swapped.get_weights())
    assert equal(seen_there["end"][-1], swapped.get_weights()) is on_epoch
    assert history_there["val_loss"][-1] == swapped.evaluate(X, Y, 4, verbose=0)


@pytest.mark.parametrize("on_epoch", [False, True])
def test_training_that_ends_early_ends_with_the_averages(on_epoch):
    class Enough(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    model, note = make_model(), Noting()
    swap = callbacks.SwapEMAWeights(on_epoch)
    options = {"epochs": 9, "batch_size": 4, "shuffle": False, "verbose": 0, "validation_data": (X, Y)}
    model.fit(X, Y, callbacks=[swap, Enough(), note], **options)
    assert equal(model.get_weights(), fitted(None, epochs=2)[0].get_weights())
    assert equal(model.get_weights(), note.seen["test"][-1])


@pytest.mark.parametrize("scaled", [False, True])
def test_evaluate_and_predict_use_the_averages_and_leave_the_weights(scaled):
    optimizer = optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9)
    model = make_model(optimizers.LossScaleOptimizer(optimizer) if scaled else optimizer)
    for _ in range(3):
        model.train_on_batch(X, Y)
    weights, swap, note = model.get_weights(), callbacks.SwapEMAWeights(), Noting()
    loss = model.evaluate(X, Y, verbose=0, callbacks=[swap, note])
    outputs = model.predict(X, verbose=0, callbacks=[swap, note])
    assert equal(model.get_weights(), weights)
    optimizer.finalize_variable_values(model.trainable_weights)
    assert equal(note.seen["test"][0], model.get_weights())
    assert equal(note.seen["predict"][0], model.get_weights())
    assert loss == model.evaluate(X, Y, verbose=0) != make_model().evaluate(X, Y, verbose=0)
    np.testing.assert_array_equal(outputs, model.predict(X, verbose=0))


def test_a_run_that_was_killed_after_an_epoch_goes_on_with_the_weights(tmp_path):
    expected = fitted(callbacks.SwapEMAWeights(True))[0]

    class Killed(callbacks.Callback):
        runs_last = True

        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise SystemExit

    options = {"epochs": 3, "batch_size": 4, "shuffle": False, "verbose": 0, "validation_data": (X, Y)}
    for killer in ([Killed()], []):
        model = make_model()
        both = [callbacks.SwapEMAWeights(True), callbacks.BackupAndRestore(str(tmp_path / "backup"))]
        try:
            model.fit(X, Y, callbacks=[*both, *killer], **options)
        except SystemExit:
            continue
    assert equal(model.get_weights(), expected.get_weights())


def test_an_optimizer_without_averages_is_refused_before_anything_is_done():
    model = make_model("sgd")
    before = model.get_weights()
    with pytest.raises(ValueError, match="use_ema=True"):
        model.fit(X, Y, verbose=0, callbacks=[callbacks.SwapEMAWeights()])
    assert equal(model.get_weights(), before)
    with pytest.raises(ValueError, match="is trained"):
        make_model().evaluate(X, Y, verbose=0, callbacks=[callbacks.SwapEMAWeights()])


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("on_epoch", [False, True])
def test_the_weights_are_back_wherever_a_run_breaks_off(on_epoch, error):
    class Break(callbacks.Callback):
        def on_test_batch_end(self, batch, logs=None):
            raise error

    model, note = make_model(), Noting()
    options = {"verbose": 0, "callbacks": [callbacks.SwapEMAWeights(on_epoch), note, Break()]}
    for run in (
        lambda: model.fit(X, Y, batch_size=4, validation_data=(X, Y), **options),
        lambda: model.evaluate(X, Y, **options),
    ):
        with pytest.raises(error):
            run()
        trained = note.seen["batch"][-1]
        assert not equal(note.seen["test"][-1], trained) and equal(model.get_weights(), trained)
