"""Activations, initializers, regularizers, constraints and helpers against real Keras."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minirnn
from minirnn import activations, constraints, initializers, losses, regularizers
from minirnn.autograd import grad
from minirnn.utils import deserialize_keras_object, normalize, serialize_keras_object, to_categorical
from minirnn.utils.naming import to_snake_case

seeds = st.integers(0, 1000)


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


SAVED = [
    ("initializers", "GlorotUniform", {"seed": 3}),
    ("initializers", "VarianceScaling", {"scale": 2.0, "mode": "fan_avg"}),
    ("initializers", "Orthogonal", {"gain": 0.5, "seed": 1}),
    ("initializers", "Constant", {"value": 0.25}),
    ("initializers", "RandomUniform", {}),
    ("regularizers", "L1L2", {"l1": 0.5, "l2": 0.25}),
    ("regularizers", "OrthogonalRegularizer", {"factor": 0.5}),
    ("constraints", "MinMaxNorm", {"rate": 0.5}),
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
