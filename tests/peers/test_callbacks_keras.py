"""Callbacks beside real Keras: the same decisions on the same histories, the same files, the same calls."""

import inspect
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minirnn
from minirnn.callbacks.monitor import direction_of

NAMES = [
    "BackupAndRestore",
    "CSVLogger",
    "EarlyStopping",
    "History",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "SwapEMAWeights",
    "TerminateOnNaN",
]

# Values that float32 holds exactly, differences of them too: Keras compares in float32.
values = st.integers(-16, 16).map(lambda n: n / 8)
histories = st.lists(st.one_of(values, st.just(math.nan)), min_size=1, max_size=12)
deltas = st.integers(0, 8).map(lambda n: n / 16)


class Stub:
    """What a callback asks of a model, and a note of what it did."""

    def __init__(self, optimizer=None):
        self.optimizer, self.metrics, self.stop_training = optimizer, [], False
        self.weights, self.saved = [np.zeros(1)], []

    def get_weights(self):
        return [w.copy() for w in self.weights]

    def set_weights(self, weights):
        self.weights = weights

    def save(self, path, overwrite=True):
        self.saved.append(("model", path))

    save_weights = lambda self, path, overwrite=True: self.saved.append(("weights", path))


def driven(callback, history, optimizer=None, watch=lambda callback, model, logs: None):
    """Return what is seen of a callback and its model after each epoch of a history, and the model."""
    model = Stub(optimizer)
    callback.set_model(model)
    callback.on_train_begin()
    seen = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for epoch, value in enumerate(history):
            callback.on_epoch_begin(epoch)
            model.weights = [np.full(1, float(epoch))]
            logs = {} if value is None else {"loss": 1.0, "score": value}
            callback.on_epoch_end(epoch, logs)
            seen.append((model.stop_training, watch(callback, model, logs)))
            if model.stop_training:
                break
        callback.on_train_end()
    return seen, model


def equal(ours, theirs):
    return np.testing.assert_equal(ours, theirs)


@pytest.mark.parametrize("name", NAMES)
def test_the_arguments_and_their_defaults_are_keras_s(keras, name):
    def arguments(library):
        found = inspect.signature(getattr(library.callbacks, name).__init__).parameters.values()
        return [(p.name, p.default) for p in found if p.kind is p.POSITIONAL_OR_KEYWORD]

    assert arguments(minirnn) == arguments(keras)


@settings(max_examples=60)
@given(
    histories,
    deltas,
    st.integers(0, 4),
    st.sampled_from(["min", "max"]),
    st.one_of(st.none(), values),
    st.booleans(),
    st.integers(0, 3),
    st.booleans(),
)
def test_early_stopping_decides_as_keras(
    keras, history, delta, patience, mode, baseline, restore, start, gaps
):
    history = [None if gaps and i % 3 == 2 else value for i, value in enumerate(history)]

    def watch(callback, model, logs):
        return callback.wait, callback.best, callback.best_epoch, callback.stopped_epoch

    def outcome(library):
        callback = library.callbacks.EarlyStopping(
            "score", delta, patience, 0, mode, baseline, restore, start_from_epoch=start
        )
        seen, model = driven(callback, history, watch=watch)
        return seen, model.weights[0].tolist()

    equal(outcome(minirnn), outcome(keras))


@settings(max_examples=60)
@given(
    histories,
    deltas,
    st.integers(0, 3),
    st.integers(0, 3),
    st.sampled_from(["min", "max"]),
    st.sampled_from([0.0, 0.01, 0.5]),
)
def test_the_rate_is_reduced_as_in_keras(keras, history, delta, patience, cooldown, mode, least):
    def watch(callback, model, logs):
        rate = float(np.asarray(model.optimizer.learning_rate))
        return rate, logs["learning_rate"], callback.wait, callback.cooldown_counter, callback.best

    def outcome(library):
        callback = library.callbacks.ReduceLROnPlateau(
            "score", 0.5, patience, 0, mode, delta, cooldown, least
        )
        return driven(callback, history, library.optimizers.SGD(0.125), watch)[0]

    equal(outcome(minirnn), outcome(keras))


@settings(max_examples=40)
@given(
    histories,
    st.sampled_from(["min", "max"]),
    st.booleans(),
    st.booleans(),
    st.one_of(st.none(), values),
    st.sampled_from(["{epoch:02d}-{score:.2f}", "run"]),
)
def test_a_checkpoint_saves_what_and_when_keras_does(keras, history, mode, best, weights, threshold, name):
    path = name + (".weights.h5" if weights else ".keras")

    def outcome(library):
        callback = library.callbacks.ModelCheckpoint(
            path, "score", 0, best, weights, mode, "epoch", threshold
        )
        return driven(callback, history)[1].saved

    assert outcome(minirnn) == outcome(keras)


@settings(max_examples=40)
@given(st.integers(1, 9), st.lists(st.integers(1, 7), min_size=1, max_size=5), st.integers(1, 3))
def test_a_checkpoint_counts_batches_as_keras(keras, every, epochs, group):
    def outcome(library):
        callback = library.callbacks.ModelCheckpoint("{epoch}-{batch}.keras", save_freq=every)
        model = Stub()
        callback.set_model(model)
        for epoch, count in enumerate(epochs):
            callback.on_epoch_begin(epoch)
            for batch in range(group - 1, count * group, group):
                callback.on_train_batch_end(batch, {"loss": 1.0})
        return model.saved

    assert outcome(minirnn) == outcome(keras)


def test_a_schedule_sets_the_rates_that_keras_sets(keras):
    schedules = [lambda epoch, rate: 0.9 * rate, lambda epoch: 0.5 / (1 + epoch)]
    for schedule in schedules:
        outcomes = []
        for library in (minirnn, keras):
            callback = library.callbacks.LearningRateScheduler(schedule)
            watch = lambda callback, model, logs: logs["learning_rate"]
            outcomes.append(driven(callback, [1.0] * 6, library.optimizers.SGD(0.1), watch)[0])
        equal(*outcomes)
    for library in (minirnn, keras):
        with pytest.raises(ValueError, match=r"should be a float|must return a float"):
            driven(
                library.callbacks.LearningRateScheduler(lambda epoch, rate: 1),
                [1.0],
                library.optimizers.SGD(0.1),
            )


@pytest.mark.parametrize("loss", [0.5, math.nan, math.inf, -math.inf, None])
def test_a_loss_that_is_no_number_ends_training_as_in_keras(keras, loss, capsys):
    outcomes = []
    for library in (minirnn, keras):
        callback, model = library.callbacks.TerminateOnNaN(), Stub()
        callback.set_model(model)
        callback.on_train_batch_end(3, {} if loss is None else {"loss": loss})
        outcomes.append((model.stop_training, capsys.readouterr().out))
        strict = library.callbacks.TerminateOnNaN(raise_error=True)
        if model.stop_training:
            with pytest.raises(RuntimeError):
                strict.on_train_batch_end(3, {"loss": loss})
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("append", [False, True])
def test_a_csv_file_is_keras_s_to_the_byte(keras, tmp_path, separator, append):
    first = [{"loss": 0.1, "acc": float(np.float32(1 / 3))}, {"loss": math.nan, "acc": 2, "val_loss": 0.5}]
    second = [{"b": np.arange(3), "a": "text, with commas", "val_a": 1e-30}, {"a": "one"}]
    texts = []
    for library in (minirnn, keras):
        path = tmp_path / f"{library.__name__}.csv"
        callback = library.callbacks.CSVLogger(path, separator, append)
        for run in (first, second):
            callback.set_model(Stub())
            callback.on_train_begin()
            for epoch, logs in enumerate(run):
                callback.on_epoch_end(epoch, dict(logs))
            callback.on_train_end()
        texts.append(path.read_bytes())
    assert texts[0] == texts[1]


METRICS = [
    "BinaryAccuracy",
    "binary_accuracy",
    "categorical_accuracy",
    "top_k_categorical_accuracy",
    "mse",
    "mae",
    "mape",
    "msle",
    "cosine_similarity",
    "hinge",
    "squared_hinge",
    "categorical_hinge",
    "kl_divergence",
    "poisson",
    "LogCoshError",
    "binary_crossentropy",
    "categorical_crossentropy",
    "AUC",
    "Precision",
    "Recall",
    "F1Score",
    "FBetaScore",
    "RootMeanSquaredError",
    "R2Score",
    "TruePositives",
    "FalsePositives",
    "SensitivityAtSpecificity",
    "Mean",
    "Sum",
    "losses.mean_squared_error",
    "losses.Huber",
]


@pytest.mark.parametrize("name", METRICS)
def test_which_way_a_metric_is_better_is_told_as_in_keras(keras, name):
    directions = []
    for library in (minirnn, keras):
        room, _, kind_name = name.rpartition(".")
        kind = getattr(getattr(library, room or "metrics"), kind_name, None)
        arguments = {"specificity": 0.5} if name == "SensitivityAtSpecificity" else {}
        metric = kind(**arguments) if inspect.isclass(kind) else kind or library.metrics.get(name)
        if not isinstance(metric, library.metrics.Metric):
            metric = library.metrics.MeanMetricWrapper(metric)
        found = direction_of(metric) if library is minirnn else getattr(metric, "_direction", None)
        directions.append(found)
    assert directions[0] == directions[1]


def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(12, 4)).astype("float32"), rng.integers(0, 2, (12, 1)).astype("float32")


def compiled(library):
    model = library.Sequential([library.layers.Input((4,)), library.layers.Dense(1, activation="sigmoid")])
    model.set_weights([np.full((4, 1), 0.1, "float32"), np.zeros(1, "float32")])
    auc = library.metrics.AUC(name="auc")  # one made by counting would depend on what ran before
    model.compile(library.optimizers.SGD(0.5), "binary_crossentropy", metrics=["accuracy", auc])
    return model


def test_a_run_with_all_of_them_has_keras_s_history_and_calls(keras):
    x, y = data()
    outcomes = []
    for library in (minirnn, keras):
        calls = []

        def noting(hook, calls=calls):
            def note(*args):
                logs = args[-1] if args and isinstance(args[-1], dict) else {}
                calls.append((hook, args[0] if args and isinstance(args[0], int) else None, sorted(logs)))

            return lambda *args, **kwargs: note(*args, *kwargs.values())

        hooks = [
            f"on_{kind}_{end}"
            for kind in ("epoch", "train", "train_batch", "test", "test_batch")
            for end in ("begin", "end")
        ]
        model = compiled(library)
        history = model.fit(
            x,
            y,
            batch_size=5,
            epochs=12,
            shuffle=False,
            verbose=0,
            validation_data=(x[:6], 1 - y[:6]),
            callbacks=[
                library.callbacks.EarlyStopping(patience=3, restore_best_weights=True),
                library.callbacks.ReduceLROnPlateau("val_accuracy", 0.5, 2, min_delta=0.01),
                library.callbacks.LambdaCallback(**{hook: noting(hook) for hook in hooks}),
            ],
        )
        outcomes.append((history, calls, model))
    (ours, our_calls, our_model), (theirs, their_calls, their_model) = outcomes
    assert our_calls == their_calls
    assert ours.epoch == theirs.epoch and 3 < len(ours.epoch) < 12
    assert set(ours.history) == set(theirs.history) and "learning_rate" in ours.history
    for name, expected in theirs.history.items():
        if "auc" not in name:
            np.testing.assert_allclose(ours.history[name], expected, rtol=1e-4, atol=1e-6)
    for a, b in zip(our_model.get_weights(), their_model.get_weights()):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("on_epoch", [False, True])
def test_averages_are_in_the_model_where_they_are_in_keras(keras, on_epoch):
    x, y = data()
    outcomes = []
    for library in (minirnn, keras):
        model, seen = compiled(library), []

        def note(*args, model=model, seen=seen, **kwargs):
            seen.append(np.concatenate([np.ravel(w) for w in model.get_weights()]))

        model.compile(library.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.7), "binary_crossentropy")
        hooks = ["on_epoch_begin", "on_test_begin", "on_test_end", "on_epoch_end"]
        noting = library.callbacks.LambdaCallback(**dict.fromkeys(hooks, note))
        history = model.fit(
            x,
            y,
            batch_size=5,
            epochs=3,
            shuffle=False,
            verbose=0,
            validation_data=(x[:6], 1 - y[:6]),
            callbacks=[library.callbacks.SwapEMAWeights(on_epoch), noting],
        )
        note()
        outcomes.append((np.stack(seen), history.history["val_loss"]))
    for ours, theirs in zip(*outcomes):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


REFUSED = {
    "a factor of 1": lambda c: c.ReduceLROnPlateau(factor=1.0),
    "a save_freq of text": lambda c: c.ModelCheckpoint("a.keras", save_freq="batch"),
    "an ending of a model": lambda c: c.ModelCheckpoint("a.txt"),
    "an ending of weights": lambda c: c.ModelCheckpoint("a.keras", save_weights_only=True),
    "a folder without a name": lambda c: c.BackupAndRestore(""),
    "a backup's save_freq": lambda c: c.BackupAndRestore("a", save_freq="batch"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_keras_refuses_is_refused(keras, case):
    for library in (keras, minirnn):
        with pytest.raises(ValueError):  # noqa: PT011 - the words differ
            REFUSED[case](library.callbacks)


WARNED = {
    "a mode that is none": lambda library: library.callbacks.EarlyStopping(mode="lowest"),
    "a value that the logs lack": lambda library: _at_epoch_end(
        library, library.callbacks.EarlyStopping("val_loss")
    ),
    "a best model by a value that the logs lack": lambda library: _at_epoch_end(
        library, library.callbacks.ModelCheckpoint("a.keras", "val_loss", save_best_only=True)
    ),
    "a rate by a value that the logs lack": lambda library: _at_epoch_end(
        library, library.callbacks.ReduceLROnPlateau("val_loss")
    ),
}


def _at_epoch_end(library, callback):
    model = Stub(library.optimizers.SGD(0.1))
    callback.set_model(model)
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    callback.on_epoch_end(0, {"loss": 1.0})
    assert not model.stop_training
    return model.saved


@pytest.mark.parametrize("case", WARNED)
def test_what_keras_warns_of_is_warned_of_and_done_as_there(keras, case):
    outcomes = []
    for library in (keras, minirnn):
        with pytest.warns(UserWarning, match=r"unknown|available|have no"):
            outcome = WARNED[case](library)
        outcomes.append(outcome if isinstance(outcome, list) else outcome.mode)
    assert outcomes[0] == outcomes[1]
