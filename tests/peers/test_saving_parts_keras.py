"""Each layer, loss, metric and schedule that both have, through a file to the other library: all of them."""

import numpy as np
import pytest

import minirnn
from minirnn import layers, losses, metrics, optimizers, saving
from tests.peers.test_layers_keras import CASES
from tests.peers.test_saving_keras import (
    BUILT,
    OPTIMIZERS,
    assert_equal,
    numbers,
    outputs,
    randomize,
)

# Keras's own, from its Variables under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RNG = np.random.default_rng(1)
PROBABILITIES = RNG.dirichlet(np.ones(3), 8).astype("float32")
CLASSES = RNG.integers(0, 3, 8)
ONE_HOT = np.eye(3, dtype="float32")[CLASSES]
NUMBERS = RNG.uniform(0.1, 2.0, (8, 3)).astype("float32")
SIGNS = np.where(NUMBERS > 1, 1.0, -1.0).astype("float32")
X = numbers((8, 4))

# Arguments other than the defaults, and targets.
LOSSES = {
    "MeanSquaredError": ({"reduction": "sum"}, NUMBERS),
    "MeanAbsoluteError": ({"name": "mine"}, NUMBERS),
    "MeanAbsolutePercentageError": ({}, NUMBERS),
    "MeanSquaredLogarithmicError": ({}, NUMBERS),
    "Huber": ({}, NUMBERS),  # its delta is not in the config that Keras writes
    "LogCosh": ({"reduction": "sum"}, NUMBERS),
    "CosineSimilarity": ({"axis": -1}, NUMBERS),
    "Hinge": ({}, SIGNS),
    "SquaredHinge": ({}, SIGNS),
    "CategoricalHinge": ({}, ONE_HOT),
    "KLDivergence": ({}, PROBABILITIES),
    "Poisson": ({"reduction": "sum"}, NUMBERS),
    "BinaryCrossentropy": ({"label_smoothing": 0.1}, ONE_HOT),
    "CategoricalCrossentropy": ({"label_smoothing": 0.2, "axis": -1}, ONE_HOT),
    "SparseCategoricalCrossentropy": ({"ignore_class": 1}, CLASSES),
    "BinaryFocalCrossentropy": ({"apply_class_balancing": True, "alpha": 0.3, "gamma": 1.5}, ONE_HOT),
    "CategoricalFocalCrossentropy": ({"alpha": 0.4, "gamma": 1.0}, ONE_HOT),
}

METRICS = {
    "Mean": None,  # of values, not of targets and predictions
    "Sum": None,
    "Metric": None,
    "MeanMetricWrapper": None,  # below
    "Accuracy": ({"name": "mine"}, ONE_HOT),
    "BinaryAccuracy": ({"threshold": 0.3}, ONE_HOT),
    "CategoricalAccuracy": ({}, ONE_HOT),
    "SparseCategoricalAccuracy": ({}, CLASSES),
    "TopKCategoricalAccuracy": ({"k": 2}, ONE_HOT),
    "SparseTopKCategoricalAccuracy": ({"k": 2}, CLASSES),
    "Precision": ({"thresholds": [0.2, 0.6], "class_id": 1}, ONE_HOT),
    "Recall": ({"top_k": 2}, ONE_HOT),
    "F1Score": ({"average": "macro", "threshold": 0.4}, ONE_HOT),
    "FBetaScore": ({"average": "micro", "beta": 2.0}, ONE_HOT),
    "AUC": ({"num_thresholds": 20, "curve": "PR", "summation_method": "minoring"}, ONE_HOT),
    "TruePositives": ({"thresholds": 0.3}, ONE_HOT),
    "FalsePositives": ({"thresholds": [0.3, 0.5]}, ONE_HOT),
    "TrueNegatives": ({}, ONE_HOT),
    "FalseNegatives": ({}, ONE_HOT),
    "PrecisionAtRecall": ({"recall": 0.5, "num_thresholds": 20}, ONE_HOT),
    "RecallAtPrecision": ({"precision": 0.4}, ONE_HOT),
    "SensitivityAtSpecificity": ({"specificity": 0.5}, ONE_HOT),
    "SpecificityAtSensitivity": ({"sensitivity": 0.4}, ONE_HOT),
    "MeanSquaredError": ({}, NUMBERS),
    "RootMeanSquaredError": ({}, NUMBERS),
    "MeanAbsoluteError": ({}, NUMBERS),
    "MeanAbsolutePercentageError": ({}, NUMBERS),
    "MeanSquaredLogarithmicError": ({}, NUMBERS),
    "LogCoshError": ({}, NUMBERS),
    "CosineSimilarity": ({"axis": -1}, NUMBERS),
    "R2Score": ({"class_aggregation": "variance_weighted_average"}, NUMBERS),
    "Hinge": ({}, SIGNS),
    "SquaredHinge": ({}, SIGNS),
    "CategoricalHinge": ({}, ONE_HOT),
    "KLDivergence": ({}, PROBABILITIES),
    "Poisson": ({}, NUMBERS),
    "BinaryCrossentropy": ({"label_smoothing": 0.1}, ONE_HOT),
    "CategoricalCrossentropy": ({"label_smoothing": 0.1}, ONE_HOT),
    "SparseCategoricalCrossentropy": ({}, CLASSES),
}

SCHEDULES = {
    "ExponentialDecay": {"decay_steps": 2, "decay_rate": 0.5, "staircase": True},
    "InverseTimeDecay": {"decay_steps": 2, "decay_rate": 0.5},
    "PiecewiseConstantDecay": {"boundaries": [1, 2], "values": [0.3, 0.2, 0.1]},
    "PolynomialDecay": {"decay_steps": 3, "end_learning_rate": 0.01, "power": 2.0, "cycle": True},
    "CosineDecay": {"decay_steps": 3, "alpha": 0.1, "warmup_target": 0.5, "warmup_steps": 2},
    "CosineDecayRestarts": {"first_decay_steps": 2, "t_mul": 1.5, "m_mul": 0.8, "alpha": 0.1},
}


def of_both(here, there):
    """Return the names of the classes that both modules have, an alias not twice."""
    names = [n for n in here.__all__ if n[0].isupper() and hasattr(there, n)]
    return {n for n in names if getattr(here, n).__name__ == n}


def test_nothing_that_both_have_is_left_out(keras):
    bases = {
        "Layer",
        "Wrapper",
        "InputSpec",
        "Input",
        "InputLayer",
        "Loss",
        "Optimizer",
        "LearningRateSchedule",
    }
    here = {"Embedding", "StackedRNNCells", "Lambda"}
    cells = {"SimpleRNNCell", "GRUCell", "LSTMCell"}  # in layers of BUILT
    covered = {name for name, _, _ in CASES} | {name.split()[0] for name in BUILT} | here | cells
    assert of_both(layers, keras.layers) - bases <= covered
    assert of_both(losses, keras.losses) - bases == {*LOSSES, "CTC"}
    assert of_both(metrics, keras.metrics) == set(METRICS)
    assert of_both(optimizers, keras.optimizers) - bases == set(OPTIMIZERS)
    schedules = {n for n in dir(optimizers.schedules) if hasattr(keras.optimizers.schedules, n)}
    assert {n for n in schedules if n[0].isupper()} - bases == set(SCHEDULES)


def test_embeddings_and_cells_are_the_same_in_the_other_library(keras, tmp_path):
    def build(lib):
        L = lib.layers
        words = lib.Input((2,), dtype="int32")
        x = L.Embedding(7, 3, mask_zero=True, embeddings_regularizer="l2")(words)
        cells = L.StackedRNNCells([L.LSTMCell(2, dropout=0.1), L.GRUCell(3, reset_after=False)])
        return lib.Model(words, [L.RNN(cells, return_sequences=True)(x), L.RNN(L.SimpleRNNCell(2))(x)])

    words = np.array([[1, 2], [3, 0]], "int32")
    for source, target in ((keras, minirnn), (minirnn, keras)):
        model = build(source)
        randomize(model)
        model.save(str(tmp_path / "m.keras"))
        loaded = target.saving.load_model(str(tmp_path / "m.keras"))
        assert_equal(loaded.get_weights(), model.get_weights())
        assert_equal(outputs(loaded, words), outputs(model, words), 1e-5)


def test_a_lambda_layer_of_a_named_function_is_the_same_in_the_other_library_if_registered(keras, tmp_path):
    def twice(x):
        return x * 2

    for lib in (keras, minirnn):
        lib.saving.register_keras_serializable("tests", "twice")(twice)
    for source, target in ((keras, minirnn), (minirnn, keras)):
        model = source.Sequential([source.Input((3,)), source.layers.Lambda(twice), source.layers.Dense(2)])
        path = str(tmp_path / "m.keras")
        model.save(path)
        x = numbers((2, 3))
        for safe_mode in (True, False):
            loaded = target.saving.load_model(path, safe_mode=safe_mode)
            assert_equal([np.asarray(loaded(x))], [np.asarray(model(x))], 1e-5)
    del saving.get_custom_objects()["tests>twice"]
    with pytest.raises(saving.UnsafeFileError, match="Lambda layer"):
        saving.load_model(path)


def exchanged(keras, tmp_path, build, check):
    """Save what `build` makes of one library, load it with the other, and `check` both."""
    for source, target in ((keras, minirnn), (minirnn, keras)):
        model = build(source)
        randomize(model)
        path = str(tmp_path / "m.keras")
        model.save(path)
        loaded = target.saving.load_model(path)
        # Compiling what is run once costs more than all else here.
        model.run_eagerly = loaded.run_eagerly = True
        check(model, loaded)


def heads(lib, count, activation="softmax"):
    inputs = lib.Input((4,))
    shared = lib.layers.Dense(3, activation=activation)(inputs)
    # Alike, so that no head decides by its weights what another is asked.
    names = [f"head_{i:02}" for i in range(count)]
    return inputs, {name: lib.layers.Activation("linear", name=name)(shared) for name in names}


def test_each_loss_gives_the_same_in_the_other_library(keras, tmp_path):
    def build(lib):
        inputs, results = heads(lib, len(LOSSES))
        model = lib.Model(inputs, results)
        kinds = zip(results, LOSSES.items())
        model.compile("sgd", {head: getattr(lib.losses, kind)(**given) for head, (kind, (given, _)) in kinds})
        return model

    def check(model, loaded):
        targets = {f"head_{i:02}": y for i, (_, y) in enumerate(LOSSES.values())}
        ours, theirs = (m.evaluate(X, targets, return_dict=True, verbose=0) for m in (model, loaded))
        assert ours.keys() == theirs.keys() and len(ours) == len(LOSSES) + 1
        for key in ours:
            np.testing.assert_allclose(theirs[key], ours[key], rtol=2e-4, err_msg=key)

    exchanged(keras, tmp_path, build, check)


def test_ctc_gives_the_same_in_the_other_library(keras, tmp_path):
    def build(lib):
        model = lib.Sequential([lib.Input((6, 3)), lib.layers.Dense(4)])
        model.compile("sgd", lib.losses.CTC(reduction="sum"))
        return model

    def check(model, loaded):
        x, y = numbers((2, 6, 3)), np.array([[1, 2, 0], [3, 0, 0]])
        ours, theirs = (np.asarray(m.test_on_batch(x, y)) for m in (model, loaded))
        np.testing.assert_allclose(theirs, ours, rtol=1e-4)

    exchanged(keras, tmp_path, build, check)


def test_each_metric_gives_the_same_in_the_other_library(keras, tmp_path):
    asked = {kind: value for kind, value in METRICS.items() if value is not None}

    def build(lib):
        inputs, results = heads(lib, len(asked) + 1)
        model = lib.Model(inputs, results)
        kinds = zip(results, asked.items())
        chosen = {head: [getattr(lib.metrics, kind)(**given)] for head, (kind, (given, _)) in kinds}
        last = list(results)[-1]
        chosen[last] = [lib.metrics.MeanMetricWrapper(lib.losses.mean_squared_error, name="wrapped")]
        model.compile("sgd", {last: "mse"}, metrics=chosen)
        return model

    def check(model, loaded):
        targets = {f"head_{i:02}": y for i, y in enumerate([*(y for _, y in asked.values()), NUMBERS])}
        ours, theirs = (m.evaluate(X, targets, return_dict=True, verbose=0) for m in (model, loaded))
        assert ours.keys() == theirs.keys() and len(ours) > len(asked)
        for key in ours:
            np.testing.assert_allclose(theirs[key], ours[key], rtol=2e-4, atol=1e-6, err_msg=key)

    exchanged(keras, tmp_path, build, check)


@pytest.mark.parametrize("name", SCHEDULES)
def test_training_by_a_schedule_goes_on_in_the_other_library(keras, tmp_path, name):
    def build(lib):
        given = dict(SCHEDULES[name])
        if "values" not in given:
            given["initial_learning_rate"] = 0.3
        model = lib.Sequential([lib.Input((4,)), lib.layers.Dense(3)])
        rate = getattr(lib.optimizers.schedules, name)(**given)
        model.compile(lib.optimizers.SGD(rate, momentum=0.5), "mse", run_eagerly=True)
        model.train_on_batch(X, NUMBERS)
        return model

    def check(model, loaded):
        for _ in range(3):
            for m in (model, loaded):
                m.train_on_batch(X, NUMBERS)
            assert_equal(loaded.get_weights(), model.get_weights(), 1e-5)
        assert loaded.optimizer.get_config() == model.optimizer.get_config()

    exchanged(keras, tmp_path, build, check)
