"""Losses: formulas, gradients, reductions, masks, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minirnn import backend, losses
from minirnn.autograd import Tensor, grad

REDUCTIONS = ["sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none", None]
shapes = hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=4)
seeds = st.integers(0, 1000)


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def examples(name, shape, seed, logits):
    """Targets and predictions that suit a loss."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    if name == "sparse_categorical_crossentropy":
        return rng.integers(0, shape[-1], shape[:-1]), x if logits else softmax(x)
    if name == "categorical_crossentropy":
        return softmax(rng.normal(size=shape)), x if logits else softmax(x)
    if name == "binary_crossentropy":
        return rng.uniform(size=shape), x if logits else 1 / (1 + np.exp(-x))
    return rng.normal(size=shape), x


def expected(name, y, p, logits, smoothing=0.0):
    if name == "mean_squared_error":
        return ((y - p) ** 2).mean(-1)
    if name == "mean_absolute_error":
        return np.abs(y - p).mean(-1)
    if name == "binary_crossentropy":
        p = 1 / (1 + np.exp(-p)) if logits else p
        y = y * (1 - smoothing) + smoothing / 2
        return -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(-1)
    p = softmax(p) if logits else p / p.sum(-1, keepdims=True)
    if name == "sparse_categorical_crossentropy":
        y = np.eye(p.shape[-1])[y]
    y = y * (1 - smoothing) + smoothing / p.shape[-1]
    return -(y * np.log(p)).sum(-1)


NAMES = [
    ("mean_squared_error", False),
    ("mean_absolute_error", False),
    ("binary_crossentropy", False),
    ("binary_crossentropy", True),
    ("categorical_crossentropy", False),
    ("categorical_crossentropy", True),
    ("sparse_categorical_crossentropy", False),
    ("sparse_categorical_crossentropy", True),
]


def function(name, logits):
    kwargs = {"from_logits": logits} if "crossentropy" in name else {}
    return lambda y, p, **more: getattr(losses, name)(y, p, **kwargs, **more)


@pytest.mark.parametrize("name, logits", NAMES)
@given(shape=shapes, seed=seeds)
def test_a_loss_is_its_formula_for_each_sample(name, logits, shape, seed):
    y, p = examples(name, shape, seed, logits)
    values = function(name, logits)(y, p)
    assert (values.shape, values.dtype) == (shape[:-1], "float64")
    assert np.allclose(values.numpy(), expected(name, y, p, logits), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name, logits", NAMES)
@given(shape=shapes, seed=seeds)
def test_the_gradient_of_a_loss_is_its_difference_quotient(name, logits, shape, seed):
    y, p = examples(name, shape, seed, logits)
    rng = np.random.default_rng(seed + 1)
    weights, direction, h = rng.normal(size=shape[:-1]), rng.normal(size=shape), 1e-6
    loss = lambda p: (function(name, logits)(y, p) * weights).sum()
    difference = (float(loss(p + h * direction)) - float(loss(p - h * direction))) / (2 * h)
    assert np.allclose((grad(loss)(p).numpy() * direction).sum(), difference, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["binary_crossentropy", "categorical_crossentropy"])
@given(shape=shapes, seed=seeds, smoothing=st.floats(0, 1))
def test_label_smoothing_moves_targets_towards_the_even_ones(name, shape, seed, smoothing):
    y, p = examples(name, shape, seed, True)
    values = getattr(losses, name)(y, p, from_logits=True, label_smoothing=smoothing)
    assert np.allclose(values.numpy(), expected(name, y, p, True, smoothing), rtol=1e-5, atol=1e-6)


@given(shape=shapes, seed=seeds)
def test_sparse_and_plain_crossentropy_agree_on_rows_with_a_one(shape, seed):
    y, p = examples("sparse_categorical_crossentropy", shape, seed, True)
    rows = np.eye(shape[-1])[y]
    sparse = losses.sparse_categorical_crossentropy(y, p, from_logits=True).numpy()
    assert np.allclose(sparse, losses.categorical_crossentropy(rows, p, from_logits=True).numpy())
    assert np.allclose(
        sparse, losses.sparse_categorical_crossentropy(y[..., None], p, from_logits=True).numpy()
    )


@given(shape=shapes, seed=seeds, axis=st.integers(0, 2))
def test_the_axis_of_the_classes_may_be_any(shape, seed, axis):
    y, p = examples("sparse_categorical_crossentropy", shape, seed, True)
    axis %= len(shape)
    moved = np.moveaxis(p, -1, axis)
    rows = np.moveaxis(np.eye(shape[-1])[y], -1, axis)
    last = losses.sparse_categorical_crossentropy(y, p, from_logits=True).numpy()
    assert np.allclose(
        losses.sparse_categorical_crossentropy(y, moved, from_logits=True, axis=axis).numpy(), last
    )
    assert np.allclose(
        losses.categorical_crossentropy(rows, moved, from_logits=True, axis=axis).numpy(), last
    )
    column = np.expand_dims(y, axis)
    sparse = losses.sparse_categorical_crossentropy(column, moved, from_logits=True, axis=axis)
    assert np.allclose(sparse.numpy(), last)


@given(seed=seeds)
def test_an_ignored_class_is_as_if_it_were_not_there(seed):
    rng = np.random.default_rng(seed)
    y, p = rng.integers(-1, 4, (6, 3)), rng.normal(size=(6, 3, 4))
    loss = losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1, dtype="float64")
    kept = y != -1
    if kept.any():
        rest = losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64")(y[kept], p[kept])
        assert np.isclose(float(loss(y, p)), float(rest))
    gradient = grad(lambda p: loss(y, p))(p).numpy()
    assert (gradient[~kept] == 0).all()


def test_extreme_logits_and_probabilities_give_finite_losses_and_gradients():
    x = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], np.float32)
    for name, y in (
        ("sparse_categorical", np.array([1, 0])),
        ("categorical", np.eye(3)[[1, 0]]),
        ("binary", x > 0),
    ):
        loss = getattr(losses, f"{name}_crossentropy")
        for logits, p in ((True, x), (False, np.clip(x, 0, 1))):
            f = lambda p, loss=loss, y=y, logits=logits: loss(y, p, from_logits=logits).sum()
            assert np.isfinite(float(f(p)))
            assert np.isfinite(grad(f)(p).numpy()).all()


@pytest.mark.parametrize("name", ["mse", "MAE", "bce", "mean_squared_error"])
def test_a_last_axis_of_size_one_may_be_missing_on_either_side(name):
    loss = losses.get(name)
    rng = np.random.default_rng(0)
    y, p = rng.uniform(size=(4, 1)), rng.uniform(size=(4, 1))
    assert np.allclose(loss(y[:, 0], p).numpy(), loss(y, p).numpy())
    assert np.allclose(loss(y, p[:, 0]).numpy(), loss(y, p).numpy())


@given(seed=seeds, reduction=st.sampled_from(REDUCTIONS))
def test_a_reduction_is_its_definition(seed, reduction):
    rng = np.random.default_rng(seed)
    y, p, w = rng.normal(size=(5, 3, 2)), rng.normal(size=(5, 3, 2)), rng.uniform(0.1, 1, (5, 3))
    loss = losses.MeanSquaredError(reduction=reduction, dtype="float64")
    for weights in (None, w, w[:, 0], w[:, :1]):
        full = 1 if weights is None else weights.reshape(5, -1)
        values = ((y - p) ** 2).mean(-1) * full
        total = 15 if weights is None or reduction != "mean_with_sample_weight" else weights.sum()
        want = {"sum": values.sum(), "none": values, None: values}.get(reduction, values.sum() / total)
        assert np.allclose(loss(y, p, sample_weight=weights).numpy(), want)


@given(seed=seeds, name=st.sampled_from(["mean_squared_error", "mean_absolute_error", "binary_crossentropy"]))
def test_an_integer_weight_counts_as_so_many_repetitions(seed, name):
    rng = np.random.default_rng(seed)
    y, p = examples(name, (6, 2), seed, False)
    counts = rng.integers(0, 4, 6)
    loss = losses.LossFunctionWrapper(losses.get(name), reduction="sum", dtype="float64")
    repeated = loss(np.repeat(y, counts, 0), np.repeat(p, counts, 0))
    assert np.allclose(float(loss(y, p, sample_weight=counts)), float(np.sum(repeated)))


@given(seed=seeds)
def test_a_mask_leaves_a_mean_over_what_it_holds(seed):
    rng = np.random.default_rng(seed)
    y, p, mask = (
        rng.normal(size=(4, 3, 2)),
        Tensor(rng.normal(size=(4, 3, 2))),
        rng.uniform(size=(4, 3)) > 0.4,
    )
    backend.set_keras_mask(p, Tensor(mask))
    values = ((y - p.numpy()) ** 2).mean(-1)
    loss = losses.MeanSquaredError(dtype="float64")
    assert np.isclose(float(loss(y, p)), values[mask].mean() if mask.any() else 0)
    weights = rng.uniform(size=4)
    both = (values * weights[:, None])[mask].mean() if mask.any() else 0
    assert np.isclose(float(loss(y, p, sample_weight=weights)), both)
    assert np.isclose(
        float(losses.MeanSquaredError(reduction="sum", dtype="float64")(y, p)), values[mask].sum()
    )


def test_no_weight_at_all_gives_zero_and_not_nan():
    loss = losses.MeanSquaredError(reduction="mean_with_sample_weight")
    assert float(loss(np.ones((2, 1)), np.zeros((2, 1)), sample_weight=[0, 0])) == 0


def test_a_loss_of_ones_own_reduces_masks_and_takes_structures():
    class Absolute(losses.Loss):
        def call(self, y_true, y_pred):
            return abs(y_true["a"] - y_pred["a"]) + abs(y_true["b"] - y_pred["b"])

    loss = Absolute()
    assert loss.name == "absolute" or loss.name.startswith("absolute_")
    y = {"a": np.array([1.0, 2.0]), "b": np.array([0.0, 0.0])}
    assert float(loss(y, {"a": np.zeros(2), "b": np.ones(2)})) == 2.5
    with pytest.raises(NotImplementedError, match=r"Loss must define call"):
        losses.Loss()([1.0], [1.0])


def test_the_config_makes_the_same_loss_again():
    for loss in (
        losses.MeanSquaredError(name="m", reduction="sum"),
        losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.2, axis=0),
        losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=3, axis=1),
    ):
        again = type(loss).from_config(loss.get_config())
        assert again.get_config() == loss.get_config()


def test_get_knows_classes_functions_and_aliases():
    assert losses.get("mse") is losses.mean_squared_error
    assert losses.get("BCE") is losses.binary_crossentropy
    assert isinstance(losses.get("MeanSquaredError"), losses.MeanSquaredError)
    config = {"class_name": "CategoricalCrossentropy", "config": {"from_logits": True}}
    assert losses.get(config).get_config()["from_logits"] is True


@pytest.mark.parametrize(
    "y, p, name",
    [
        ((4, 1), (4, 1), "binary_crossentropy"),
        ((4,), (4, 3), "sparse_categorical_crossentropy"),
        ((4, 1), (4, 3), "sparse_categorical_crossentropy"),
        ((4, 3), (4, 3), "categorical_crossentropy"),
    ],
)
def test_crossentropy_is_resolved_from_shapes(y, p, name):
    assert losses.resolve_crossentropy(y, p).__name__ == name


ones = np.ones
BAD = [
    (lambda: losses.mean_squared_error(ones((4, 2)), ones((4, 3))), r"y_pred, \(4, 3\); got \(4, 2\)"),
    (lambda: losses.MeanSquaredError()(ones((4, 1)), ones((4, 3))), r"y_pred, \(4, 3\); got \(4, 1\)"),
    (lambda: losses.binary_crossentropy(ones((4, 3)), ones((5, 3))), r"\(5, 3\); got \(4, 3\)"),
    (lambda: losses.categorical_crossentropy(ones((4,)), ones((4, 3))), "belong to the sparse_categorical"),
    (
        lambda: losses.sparse_categorical_crossentropy(ones((4, 3)), ones((4, 3))),
        r"labels of shape \(4,\) for y_pred of shape \(4, 3\); got \(4, 3\).*belong to the categorical",
    ),
    (lambda: losses.sparse_categorical_crossentropy(ones(5), ones((4, 3))), r"got \(5,\)"),
    (lambda: losses.sparse_categorical_crossentropy([0, 3], ones((2, 3))), "from 0 to 2, .* got 0 to 3"),
    (lambda: losses.sparse_categorical_crossentropy([0, -1], ones((2, 3))), "from 0 to 2, .* got -1 to 0"),
    (lambda: losses.sparse_categorical_crossentropy([0.5, 1], ones((2, 3))), "must be integers"),
    (lambda: losses.sparse_categorical_crossentropy([np.nan, 1], ones((2, 3))), "must be integers"),
    (lambda: losses.sparse_categorical_crossentropy([0, -2], ones((2, 3)), ignore_class=-1), "got -2 to 0"),
    (lambda: losses.MeanSquaredError(reduction="average"), "reduction must be one of .* got 'average'"),
    (
        lambda: losses.MeanSquaredError()(ones((4, 2)), ones((4, 2)), sample_weight=ones(3)),
        r"shape of the values of the loss, \(4,\), or of leading axes of it; got \(3,\)",
    ),
    (
        lambda: losses.MeanSquaredError()(ones((4, 2)), ones((4, 2)), sample_weight=ones((4, 2))),
        r"\(4,\), or of leading axes of it; got \(4, 2\)",
    ),
]


@pytest.mark.parametrize("call, match", BAD)
def test_bad_targets_and_weights_are_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_objects_are_no_targets():
    with pytest.raises(TypeError, match="expected numbers"):
        losses.mean_squared_error(np.array([None, 1]), ones(2))
