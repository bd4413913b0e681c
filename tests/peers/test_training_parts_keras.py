"""Activations, initializers, regularizers, constraints, losses, metrics and optimizers against real Keras."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minirnn
from minirnn import activations, backend, constraints, initializers, losses, metrics, optimizers, regularizers
from minirnn.autograd import Tensor, Variable, grad
from minirnn.utils import deserialize_keras_object, normalize, serialize_keras_object, to_categorical
from minirnn.utils.naming import to_snake_case

seeds = st.integers(0, 1000)
REDUCTIONS = ["sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none", None]


def close(a, b, tolerance=1e-5):
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    assert np.allclose(a, b, rtol=tolerance, atol=tolerance * max(1.0, float(np.abs(b).max(initial=0))))


def floats(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture
def jax(keras):
    return pytest.importorskip("jax", reason="JAX is not installed; the extra 'test' brings it")


# The sparsemax of Keras 3.15.1 adds up cumulative sums where one is meant, and its rows do not sum to 1.
@pytest.mark.parametrize("name", sorted(set(activations._table.objects) - {"threshold", "sparsemax"}))
def test_an_activation_and_its_gradient_are_those_of_keras(keras, jax, name):
    ours, theirs = activations.get(name), keras.activations.get(name)
    x = np.concatenate([floats(0, 6, 8) * 3, np.linspace(-8.9, 9.2, 16, dtype=np.float32).reshape(2, 8)])
    close(ours(x), theirs(x))
    weights = floats(1, *np.shape(theirs(x)))
    theirs_gradient = jax.grad(lambda x: (theirs(x) * weights).sum())(x)
    close(grad(lambda x: (ours(x) * weights).sum())(x), theirs_gradient)


@pytest.mark.parametrize(
    "options",
    [
        {"negative_slope": 0.2},
        {"max_value": 2.0},
        {"threshold": 0.7},
        {"negative_slope": 0.1, "threshold": -0.5, "max_value": 1.0},
    ],
)
def test_relu_takes_the_options_of_keras(keras, options):
    x = floats(0, 5, 8) * 3
    close(activations.relu(x, **options), keras.activations.relu(x, **options))


def test_threshold_is_that_of_keras(keras):
    x = floats(0, 5, 8)
    close(activations.threshold(x, 0.3, -1.0), keras.activations.threshold(x, 0.3, -1.0))


@given(name=st.text("abcXYZRN12_", min_size=1, max_size=12))
def test_names_in_snake_case_are_those_of_keras(keras, name):
    from keras.src.utils import naming

    assert to_snake_case(name) == naming.to_snake_case(name)


@pytest.mark.parametrize(
    "name, options", [("L1", {"l1": 0.3}), ("L2", {"l2": 0.3}), ("L1L2", {"l1": 0.1, "l2": 0.2})]
)
def test_a_regularizer_and_its_gradient_are_those_of_keras(keras, jax, name, options):
    ours, theirs = getattr(regularizers, name)(**options), getattr(keras.regularizers, name)(**options)
    w = floats(0, 4, 5)
    close(ours(w), theirs(w))
    close(grad(ours)(w), jax.grad(theirs)(w))


@pytest.mark.parametrize("mode", ["rows", "columns"])
def test_the_orthogonal_regularizer_is_that_of_keras(keras, jax, mode):
    ours = regularizers.OrthogonalRegularizer(0.3, mode)
    theirs = keras.regularizers.OrthogonalRegularizer(0.3, mode)
    w = keras.ops.convert_to_tensor(floats(0, 4, 5))
    close(ours(np.asarray(w)), theirs(w))
    close(grad(ours)(np.asarray(w)), jax.grad(theirs)(w))


@pytest.mark.parametrize(
    "name, options",
    [
        ("MaxNorm", {"max_value": 1.0}),
        ("MaxNorm", {"max_value": 0.5, "axis": 1}),
        ("NonNeg", {}),
        ("UnitNorm", {}),
        ("UnitNorm", {"axis": (0, 1)}),
        ("MinMaxNorm", {"min_value": 0.5, "max_value": 1.0, "rate": 0.7}),
    ],
)
def test_a_constraint_is_that_of_keras(keras, name, options):
    w = floats(0, 4, 5) * np.linspace(0, 2, 5, dtype=np.float32)
    close(getattr(constraints, name)(**options)(w), getattr(keras.constraints, name)(**options)(w))


@given(shape=st.lists(st.integers(1, 6), max_size=4))
def test_fans_are_those_of_keras(keras, shape):
    from keras.src.initializers.random_initializers import compute_fans

    assert initializers.compute_fans(shape) == compute_fans(shape)


@pytest.mark.parametrize(
    "name", ["he_normal", "glorot_uniform", "lecun_normal", "truncated_normal", "random_uniform"]
)
def test_a_random_initializer_is_spread_as_in_keras(keras, name):
    ours = np.asarray(initializers.get(name)((200, 300)))
    theirs = np.asarray(keras.initializers.get(name)((200, 300)))
    assert abs(ours.std() / theirs.std() - 1) < 0.02
    assert abs(np.abs(ours).max() / np.abs(theirs).max() - 1) < 0.02
    quantiles = np.linspace(0.02, 0.98, 25)
    assert np.abs(np.quantile(ours, quantiles) - np.quantile(theirs, quantiles)).max() < 0.05 * theirs.std()


LOSSES = [
    ("MeanSquaredError", {}),
    ("MeanAbsoluteError", {}),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}),
    ("BinaryCrossentropy", {"from_logits": True}),
    ("BinaryCrossentropy", {"from_logits": True, "axis": 1}),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}),
    ("CategoricalCrossentropy", {"from_logits": True}),
    ("CategoricalCrossentropy", {"from_logits": True, "axis": 1}),
    ("SparseCategoricalCrossentropy", {}),
    ("SparseCategoricalCrossentropy", {"from_logits": True}),
    ("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": 2}),
    ("SparseCategoricalCrossentropy", {"ignore_class": -1}),
]


def batch(name, options, seed):
    rng = np.random.default_rng(seed)
    x = floats(seed, 4, 3, 5)
    p = x if options.get("from_logits") or "Mean" in name else 1 / (1 + np.exp(-x))
    if name.startswith("Sparse"):
        y = rng.integers(0, 5, (4, 3))
        if options.get("ignore_class") == -1:
            y = np.where(rng.uniform(size=y.shape) < 0.3, -1, y)
        return y, p
    return (rng.uniform(size=x.shape) if "Mean" in name else np.eye(5)[rng.integers(0, 5, (4, 3))]), p


PLAIN = [(name, options, "sum_over_batch_size") for name, options in LOSSES]
REDUCED = [(*LOSSES[i], reduction) for i in (0, 10) for reduction in REDUCTIONS[1:]]


@pytest.mark.parametrize("name, options, reduction", PLAIN + REDUCED)
@pytest.mark.parametrize(
    "weights, masked",
    [(None, False), ("samples", False), ("steps", False), (None, True), ("steps", True)],
)
def test_a_loss_and_its_gradient_are_those_of_keras(keras, jax, name, options, reduction, weights, masked):
    ours = getattr(losses, name)(reduction=reduction, **options)
    theirs = getattr(keras.losses, name)(reduction=reduction, **options)
    rng = np.random.default_rng(1)
    y, p = batch(name, options, 0)
    weight = None if weights is None else rng.uniform(size=(4, 1) if weights == "samples" else p.shape[:-1])
    if options.get("axis") == 1 and (weight is not None or masked):
        weight, masked = None, False
    mask = rng.uniform(size=p.shape[:-1]) > 0.3

    def our_loss(p):
        if masked:
            backend.set_keras_mask(p, Tensor(mask))
        return ours(y, p, sample_weight=weight)

    def their_loss(p):
        p = keras.ops.convert_to_tensor(p)
        if masked:
            keras.src.backend.set_keras_mask(p, keras.ops.convert_to_tensor(mask))
        return theirs(y, p, sample_weight=weight)

    close(our_loss(Tensor(p)), their_loss(p))
    close(grad(lambda p: our_loss(p).sum())(p), jax.grad(lambda p: their_loss(p).sum())(p), 2e-5)


@pytest.mark.parametrize(
    "name", ["mse", "MAE", "bce", "categorical_crossentropy", "sparse_categorical_crossentropy"]
)
def test_a_loss_by_name_is_that_of_keras(keras, name):
    y, p = batch({"sparse": "Sparse"}.get(name[:6], name), {}, 0)
    close(losses.get(name)(y, p), keras.losses.get(name)(y, p))


@pytest.mark.parametrize(
    "y_shape, p_shape",
    [((4,), (4, 1)), ((4, 1), (4,)), ((4, 3), (4, 3, 1)), ((4, 3, 1), (4, 3)), ((4,), (4,))],
)
@pytest.mark.parametrize("weights", [None, (4,), (4, 1)])
def test_axes_of_size_one_are_fitted_as_in_keras(keras, y_shape, p_shape, weights):
    y, p = floats(0, *y_shape), floats(1, *p_shape)
    weight = (
        None if weights is None or len(weights) >= max(len(y_shape), len(p_shape)) else floats(2, *weights)
    )
    close(losses.MeanSquaredError()(y, p, weight), keras.losses.MeanSquaredError()(y, p, weight))


METRICS = [
    ("Accuracy", {}, "numbers"),
    ("BinaryAccuracy", {"threshold": 0.3}, "binary"),
    ("CategoricalAccuracy", {}, "rows"),
    ("SparseCategoricalAccuracy", {}, "labels"),
    ("TopKCategoricalAccuracy", {"k": 2}, "rows"),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, "labels"),
    ("MeanSquaredError", {}, "rows"),
    ("RootMeanSquaredError", {}, "rows"),
    ("MeanAbsoluteError", {}, "rows"),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}, "rows"),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, "rows"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "labels"),
]


def metric_batch(kind, seed):
    rng = np.random.default_rng(seed)
    labels, p = rng.integers(0, 5, (6, 3)), rng.uniform(0.01, 0.99, (6, 3, 5)).astype(np.float32)
    # Ties between the best classes.
    p[0, 0, :3] = 0.995
    return {
        "numbers": (labels, rng.integers(0, 5, (6, 3))),
        "binary": (labels % 2, p[..., 0]),
        "rows": (np.eye(5, dtype=np.float32)[labels], p),
        "labels": (labels, p),
    }[kind]


@pytest.mark.parametrize("name, options, kind", METRICS)
@pytest.mark.parametrize(
    "weights, masked",
    [
        (None, False),
        ((6,), False),
        ((6, 3), False),
        ((6, 1), False),
        (None, True),
        ((6, 3), True),
        ((6, 1), True),
    ],
)
def test_a_metric_over_batches_is_that_of_keras(keras, name, options, kind, weights, masked):
    ours, theirs = getattr(metrics, name)(**options), getattr(keras.metrics, name)(**options)
    for seed in range(3):
        rng = np.random.default_rng(100 + seed)
        y, p = metric_batch(kind, seed)
        weight = None if weights is None else rng.uniform(size=weights).astype(np.float32)
        mask = rng.uniform(size=(6, 3)) > 0.4
        our_p, their_p = Tensor(p), keras.ops.convert_to_tensor(p)
        if masked:
            backend.set_keras_mask(our_p, Tensor(mask))
            keras.src.backend.set_keras_mask(their_p, keras.ops.convert_to_tensor(mask))
        ours.update_state(y, our_p, sample_weight=weight)
        theirs.update_state(y, their_p, sample_weight=weight)
        close(ours.result(), theirs.result())
    assert [v.shape for v in ours.variables] == [tuple(v.shape) for v in theirs.variables]


@pytest.mark.parametrize("name", ["Mean", "Sum"])
@pytest.mark.parametrize(
    "shape, weights", [((), None), ((5,), (5,)), ((5, 3), (5,)), ((5, 3), (5, 3)), ((5, 3), ())]
)
def test_mean_and_sum_are_those_of_keras(keras, name, shape, weights):
    ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
    for seed in range(2):
        weight = None if weights is None else np.abs(floats(seed + 9, *weights))
        for metric in (ours, theirs):
            metric.update_state(floats(seed, *shape), sample_weight=weight)
    close(ours.result(), theirs.result())


@pytest.mark.parametrize(
    "y_shape, p_shape", [((8, 1), (8, 1)), ((8,), (8, 1)), ((8,), (8, 4)), ((8, 1), (8, 4)), ((8, 4), (8, 4))]
)
def test_accuracy_and_crossentropy_mean_what_they_mean_in_keras(keras, y_shape, p_shape):
    from keras.src.trainers import compile_utils

    y, p = keras.KerasTensor(y_shape), keras.KerasTensor(p_shape)
    theirs = compile_utils.get_metric("accuracy", y, p)
    assert metrics.resolve_accuracy(y_shape, p_shape).__name__ == type(theirs).__name__
    loss = compile_utils.get_loss("crossentropy", y, p)
    assert losses.resolve_crossentropy(y_shape, p_shape).__name__ == loss.fn.__name__


OPTIMIZERS = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.5, "centered": True, "epsilon": 1e-3}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True, "beta_1": 0.8, "beta_2": 0.9}),
]
AROUND = [
    {},
    {"clipnorm": 1.5},
    {"clipvalue": 0.7},
    {"global_clipnorm": 2.0},
    {"weight_decay": 0.1},
    {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 3},
    {"gradient_accumulation_steps": 2, "clipnorm": 1.0},
    {"loss_scale_factor": 4.0},
]


@pytest.mark.parametrize("name, options", OPTIMIZERS)
@pytest.mark.parametrize("around", AROUND, ids=str)
def test_steps_of_an_optimizer_are_those_of_keras(keras, name, options, around):
    arguments = {"learning_rate": 0.05, **options, **around}
    ours, theirs = getattr(optimizers, name)(**arguments), getattr(keras.optimizers, name)(**arguments)
    start = [floats(i, *s) for i, s in enumerate([(3, 4), (4,), ()])]
    our_weights = [Variable(w, name=f"w{i}") for i, w in enumerate(start)]
    their_weights = [keras.Variable(w, name=f"w{i}") for i, w in enumerate(start)]
    our_weights[0].constraint = constraints.MaxNorm(1.5)
    their_weights[0].constraint = keras.constraints.MaxNorm(1.5)
    for step in range(7):
        gradients = [np.asarray(floats(50 + 3 * step + i, *w.shape) * 2) for i, w in enumerate(start)]
        ours.apply(gradients, our_weights)
        theirs.apply([keras.ops.convert_to_tensor(g) for g in gradients], their_weights)
        for a, b in zip(our_weights, their_weights):
            close(a, b)
    assert int(ours.iterations) == int(theirs.iterations)
    assert len(ours.variables) == len(theirs.variables)
    for a, b in zip(ours.variables, theirs.variables):
        close(a, b, 1e-4)
        assert a.name.split("_")[-1] == b.name.split("_")[-1]


SAVED = [
    ("initializers", "GlorotUniform", {"seed": 3}),
    ("initializers", "VarianceScaling", {"scale": 2.0, "mode": "fan_avg"}),
    ("initializers", "Orthogonal", {"gain": 0.5, "seed": 1}),
    ("initializers", "Constant", {"value": 0.25}),
    ("initializers", "RandomUniform", {}),
    ("regularizers", "L1L2", {"l1": 0.5, "l2": 0.25}),
    ("regularizers", "OrthogonalRegularizer", {"factor": 0.5}),
    ("constraints", "MinMaxNorm", {"rate": 0.5}),
    ("losses", "BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}),
    ("losses", "MeanSquaredError", {"name": "m", "reduction": "sum"}),
    ("metrics", "SparseTopKCategoricalAccuracy", {"k": 2}),
    ("metrics", "BinaryAccuracy", {"threshold": 0.25}),
    ("metrics", "Mean", {"name": "m"}),
    ("optimizers", "SGD", {"momentum": 0.5, "clipnorm": 1.0, "name": "s"}),
    ("optimizers", "Adam", {"weight_decay": 0.5, "name": "a"}),
    ("optimizers", "RMSprop", {"centered": True, "name": "r"}),
]


@pytest.mark.parametrize("module, name, options", SAVED)
def test_configs_are_those_of_keras_and_each_reads_the_others(keras, module, name, options):
    ours = getattr(getattr(minirnn, module), name)(**options)
    theirs = getattr(getattr(keras, module), name)(**options)
    our_config = json.loads(json.dumps(serialize_keras_object(ours)))
    their_config = json.loads(json.dumps(keras.saving.serialize_keras_object(theirs)))
    assert {k: v for k, v in our_config.items() if k != "config"} == {
        k: v for k, v in their_config.items() if k != "config"
    }
    # Keras leaves out the defaults of some options.
    assert their_config["config"].items() <= our_config["config"].items()
    assert serialize_keras_object(deserialize_keras_object(their_config)) == our_config
    assert (
        keras.saving.serialize_keras_object(keras.saving.deserialize_keras_object(our_config)) == their_config
    )


def test_functions_are_named_as_in_keras(keras):
    for name in ("relu", "tanh", "silu"):
        ours, theirs = getattr(activations, name), getattr(keras.activations, name)
        assert activations.serialize(ours) == keras.activations.serialize(theirs)
        assert serialize_keras_object(ours) == keras.saving.serialize_keras_object(theirs)
    config = keras.losses.serialize(keras.losses.mean_squared_error)
    assert losses.deserialize(config) is losses.mean_squared_error


@given(seed=seeds)
def test_labels_and_norms_are_those_of_keras(keras, seed):
    labels, x = np.random.default_rng(seed).integers(0, 5, (3, 1)), floats(seed, 3, 4)
    assert np.array_equal(to_categorical(labels), keras.utils.to_categorical(labels))
    close(normalize(x, axis=1), keras.utils.normalize(x, axis=1))
