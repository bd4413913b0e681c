"""Losses against real Keras: values, gradients, reductions, weights, masks, arguments, configs."""

import inspect
import json

import numpy as np
import pytest

import minirnn
from minirnn import backend, losses, metrics
from minirnn.autograd import convert, grad
from minirnn.utils import deserialize_keras_object, serialize_keras_object

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
    ("MeanAbsolutePercentageError", {}),
    ("MeanSquaredLogarithmicError", {}),
    ("Huber", {"delta": 0.4}),
    ("LogCosh", {}),
    ("CosineSimilarity", {}),
    ("CosineSimilarity", {"axis": 1}),
    ("Hinge", {}),
    ("SquaredHinge", {}),
    ("CategoricalHinge", {}),
    ("KLDivergence", {}),
    ("Poisson", {}),
    ("BinaryFocalCrossentropy", {}),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "alpha": 0.6, "gamma": 1.5}),
    ("BinaryFocalCrossentropy", {"from_logits": True, "label_smoothing": 0.2}),
    ("CategoricalFocalCrossentropy", {"alpha": 0.7, "gamma": 1.5}),
    ("CategoricalFocalCrossentropy", {"from_logits": True, "label_smoothing": 0.2}),
]


# What predictions of any size are for.
UNBOUNDED = ("MeanSquaredError", "MeanAbsoluteError", "MeanAbsolutePercentageError", "Huber", "LogCosh")
UNBOUNDED += ("MeanSquaredLogarithmicError", "CosineSimilarity")


def batch(name, options, seed):
    rng = np.random.default_rng(seed)
    x = floats(seed, 4, 3, 5)
    p = x if options.get("from_logits") or name in UNBOUNDED else 1 / (1 + np.exp(-x))
    if name.startswith("Sparse"):
        y = rng.integers(0, 5, (4, 3))
        if options.get("ignore_class") == -1:
            y = np.where(rng.uniform(size=y.shape) < 0.3, -1, y)
        return y, p
    if name in UNBOUNDED or name == "KLDivergence":
        return rng.uniform(size=x.shape), p
    return np.eye(5)[rng.integers(0, 5, (4, 3))], p


WEIGHTS = [(None, False), ("samples", False), ("steps", False), (None, True), ("steps", True)]
CALLS = [(*loss, "sum_over_batch_size", *w) for loss in LOSSES for w in (WEIGHTS[0], WEIGHTS[4])]
CALLS += [(*LOSSES[i], reduction, *w) for i in (0, 10, 14) for reduction in REDUCTIONS for w in WEIGHTS]


@pytest.mark.parametrize("name, options, reduction, weights, masked", CALLS)
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
            backend.set_keras_mask(p, convert(mask))
        return ours(y, p, sample_weight=weight)

    def their_loss(p):
        p = keras.ops.convert_to_tensor(p)
        if masked:
            keras.src.backend.set_keras_mask(p, keras.ops.convert_to_tensor(mask))
        return theirs(y, p, sample_weight=weight)

    close(our_loss(convert(p)), their_loss(p))
    close(grad(lambda p: our_loss(p).sum())(p), jax.grad(lambda p: their_loss(p).sum())(p), 2e-5)


NAMES = [
    "mse",
    "MAE",
    "MAPE",
    "msle",
    "bce",
    "kld",
    "huber",
    "log_cosh",
    "cosine_similarity",
    "hinge",
    "poisson",
]
NAMES += ["squared_hinge", "categorical_hinge", "binary_focal_crossentropy", "categorical_focal_crossentropy"]


@pytest.mark.parametrize("name", [*NAMES, "categorical_crossentropy", "sparse_categorical_crossentropy"])
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


# Of images and of pairs, which recurrent models have no use for.
ELSEWHERE = {"Circle", "Dice", "Tversky", "circle", "dice", "tversky"}


def test_the_names_of_losses_are_those_of_keras(keras):
    from keras.src.losses import ALL_OBJECTS_DICT

    assert set(losses._table.objects) == set(ALL_OBJECTS_DICT) - ELSEWHERE


@pytest.mark.parametrize("name", sorted(n for n in losses.__all__ if n[0].isupper() and "Loss" not in n))
def test_a_loss_has_the_arguments_and_defaults_of_keras(keras, name):
    ours, theirs = (inspect.signature(getattr(module.losses, name)) for module in (minirnn, keras))
    assert [(p.name, p.default) for p in ours.parameters.values()] == [
        (p.name, p.default) for p in theirs.parameters.values()
    ]


@pytest.mark.parametrize("name, options", [*LOSSES, ("CTC", {}), ("MeanSquaredError", {"name": "m"})])
def test_configs_of_losses_are_those_of_keras_and_each_reads_the_others(keras, name, options):
    ours, theirs = getattr(losses, name)(**options), getattr(keras.losses, name)(**options)
    our_config = json.loads(json.dumps(serialize_keras_object(ours)))
    their_config = json.loads(json.dumps(keras.saving.serialize_keras_object(theirs)))
    # Keras leaves out some options, such as a Huber's delta, and so loses them.
    lost = {k: v for k, v in our_config["config"].items() if k not in their_config["config"]}
    assert set(lost) <= {"axis", "delta"}
    assert our_config == {**their_config, "config": {**their_config["config"], **lost}}
    again = deserialize_keras_object(their_config)
    assert type(again) is type(ours)
    assert again.get_config().items() >= {k: v for k, v in ours.get_config().items() if k not in lost}.items()
    of_ours = keras.saving.deserialize_keras_object(our_config)
    assert keras.saving.serialize_keras_object(of_ours) == their_config


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


@pytest.mark.parametrize(
    "values, weights", [((2,), (2, 1)), ((2,), (2,)), ((2, 3), (2, 1)), ((2, 3), (2, 3, 1)), ((2, 1), (2,))]
)
def test_unreduced_values_have_the_shape_that_they_have_in_keras(keras, values, weights):
    p, w = np.ones((*values, 2), np.float32), np.arange(1, 1 + np.prod(weights)).reshape(weights)
    ours, theirs = (
        module.losses.MeanSquaredError(reduction=None)(0 * p, p, sample_weight=w)
        for module in (minirnn, keras)
    )
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs))
    assert ours.shape == tuple(theirs.shape)


def test_a_weight_for_each_sample_of_a_sequence_is_for_keras_what_the_page_of_differences_says(keras):
    values = np.arange(9.0, dtype=np.float32).reshape(3, 3, 1)
    weight = np.array([1.0, 2.0, 3.0], np.float32)
    found = float(keras.losses.MeanSquaredError()(0 * values, values, weight))
    assert np.isclose(found, 50.67, atol=0.01)
