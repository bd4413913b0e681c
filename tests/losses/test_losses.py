"""Losses: formulas, gradients, reductions, masks, and what is refused."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minirnn import backend, losses
from minirnn.autograd import convert, grad

# Of one class only nothing is learnt; here it is the smallest case.
pytestmark = pytest.mark.filterwarnings("ignore:.*has one class:SyntaxWarning")
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
    p = x if logits else softmax(x)
    if name == "sparse_categorical_crossentropy":
        return rng.integers(0, shape[-1], shape[:-1]), p
    if name.startswith("categorical") and "hinge" not in name:
        return softmax(rng.normal(size=shape)), p
    if name.startswith("binary"):
        return rng.uniform(size=shape), x if logits else 1 / (1 + np.exp(-x))
    if name == "kl_divergence":
        return softmax(rng.normal(size=shape)), p
    if name in ("poisson", "mean_squared_logarithmic_error"):
        return rng.poisson(2.0, shape).astype(float), np.exp(x)
    if name == "categorical_hinge":
        return np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])], x
    if "hinge" in name:
        return rng.choice([-1.0, 1.0], shape), x
    return rng.normal(size=shape), 2 * x


def expected(name, y, p, logits, smoothing=0.0):
    if "crossentropy" in name:
        return crossentropy(name, y, p, logits, smoothing)
    return FORMULAS[name](y, p)


def crossentropy(name, y, p, logits, smoothing):
    if name.startswith("binary"):
        p = 1 / (1 + np.exp(-p)) if logits else p
        y = y * (1 - smoothing) + smoothing / 2
        focus = (1 - (y * p + (1 - y) * (1 - p))) ** 2 if "focal" in name else 1
        return -(focus * (y * np.log(p) + (1 - y) * np.log(1 - p))).mean(-1)
    p = softmax(p) if logits else p / p.sum(-1, keepdims=True)
    if name.startswith("sparse"):
        y = np.eye(p.shape[-1])[y]
    y = y * (1 - smoothing) + smoothing / p.shape[-1]
    focus = 0.25 * (1 - p) ** 2 if "focal" in name else 1
    return -(focus * y * np.log(p)).sum(-1)


def categorical_hinge(y, p):
    right = (y * p).sum(-1)
    return np.maximum(np.max((1 - y) * p, -1) - right + 1, 0)


def huber(y, p):
    size = np.abs(y - p)
    return np.where(size < 1, size**2 / 2, size - 1 / 2).mean(-1)


FORMULAS = {
    "mean_squared_error": lambda y, p: ((y - p) ** 2).mean(-1),
    "mean_absolute_error": lambda y, p: np.abs(y - p).mean(-1),
    "mean_absolute_percentage_error": lambda y, p: 100 * (np.abs(y - p) / np.abs(y)).mean(-1),
    "mean_squared_logarithmic_error": lambda y, p: ((np.log(1 + y) - np.log(1 + p)) ** 2).mean(-1),
    "huber": huber,
    "log_cosh": lambda y, p: np.log(np.cosh(p - y)).mean(-1),
    "cosine_similarity": lambda y, p: -((y * p).sum(-1) / np.sqrt((y * y).sum(-1) * (p * p).sum(-1))),
    "hinge": lambda y, p: np.maximum(1 - y * p, 0).mean(-1),
    "squared_hinge": lambda y, p: (np.maximum(1 - y * p, 0) ** 2).mean(-1),
    "categorical_hinge": categorical_hinge,
    "kl_divergence": lambda y, p: (y * (np.log(y) - np.log(p))).sum(-1),
    "poisson": lambda y, p: (p - y * np.log(p)).mean(-1),
}
NAMES = [(name, False) for name in FORMULAS] + [
    (f"{name}_crossentropy", logits)
    for name in ("binary", "categorical", "sparse_categorical", "binary_focal", "categorical_focal")
    for logits in (False, True)
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


@pytest.mark.parametrize("name", [name for name, logits in NAMES if logits and "sparse" not in name])
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


@pytest.mark.parametrize("options", [{"gamma": 0.0}, {"gamma": 0.5}, {"gamma": 3.0}], ids=str)
@pytest.mark.parametrize("kind", ["binary", "categorical"])
def test_without_focus_a_focal_crossentropy_is_a_plain_one_and_any_focus_has_a_finite_slope(kind, options):
    y, x = examples(f"{kind}_crossentropy", (4, 3), 0, True)
    plain, focal = (getattr(losses, f"{kind}_{more}crossentropy") for more in ("", "focal_"))
    if kind == "categorical":
        options = {**options, "alpha": [1.0, 1.0, 1.0]}
    if options["gamma"] == 0:
        assert np.allclose(focal(y, x, from_logits=True, **options), plain(y, x, from_logits=True))
    certain = np.array([[300.0, -300.0, 0.0]], np.float32)
    for target in ([[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]]):
        loss = lambda x, target=target: focal(target, x, from_logits=True, **options).sum()
        slope = grad(loss)(certain)
        assert np.isfinite(slope.numpy()).all()


def test_class_balancing_weighs_class_one_by_alpha():
    y, p = np.array([[1.0, 0.0]]), np.array([[0.3, 0.3]])
    whole = [losses.binary_focal_crossentropy(y[:, i : i + 1], p[:, i : i + 1]).item() for i in (0, 1)]
    balanced = losses.BinaryFocalCrossentropy(apply_class_balancing=True, alpha=0.9, dtype="float64")(y, p)
    assert np.isclose(float(balanced), (0.9 * whole[0] + 0.1 * whole[1]) / 2)


def test_huber_is_a_straight_line_beyond_delta_and_log_cosh_far_away():
    y, p = np.zeros((2, 1)), np.array([[3.0], [-3e3]])
    assert np.allclose(losses.huber(y, p, delta=0.5), 0.5 * np.abs(p[:, 0]) - 0.125)
    assert np.allclose(losses.log_cosh(y, p)[1].item(), 3e3 - np.log(2))
    assert np.allclose(grad(lambda p: losses.log_cosh(y, p).sum())(p), np.tanh(p))


def test_hinges_take_zeros_and_ones_for_minus_one_and_one():
    bits, x = np.array([[0.0, 1.0, 1.0]]), np.array([[0.3, -0.2, 2.0]])
    for loss in (losses.hinge, losses.squared_hinge):
        assert np.allclose(loss(bits, x), loss(2 * bits - 1, x))
        other = np.array([[0.0, 1.0, -1.0]])
        assert not np.allclose(loss(other, x), loss(2 * other - 1, x))


def test_vectors_of_zeros_are_similar_to_nothing_and_have_a_finite_slope():
    y, p = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[1.0, 2.0], [0.0, 0.0]])
    assert (losses.cosine_similarity(y, p).numpy() == 0).all()
    assert np.isfinite(grad(lambda p: losses.cosine_similarity(y, p).sum())(p).numpy()).all()


@given(seed=seeds, axis=st.integers(0, 2))
def test_the_axis_of_vectors_may_be_any(seed, axis):
    y, p = examples("cosine_similarity", (2, 3, 4), seed, False)
    moved = [np.moveaxis(a, -1, axis) for a in (y, p)]
    last = losses.cosine_similarity(y, p)
    assert np.allclose(losses.cosine_similarity(*moved, axis=axis), last)


def test_a_single_class_is_warned_of():
    with pytest.warns(SyntaxWarning, match="one class"):
        losses.categorical_crossentropy(np.ones((3, 1)), np.ones((3, 1)))


def test_extreme_logits_and_probabilities_give_finite_losses_and_gradients():
    x = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], np.float32)
    for name, y in (
        ("sparse_categorical", np.array([1, 0])),
        ("categorical", np.eye(3)[[1, 0]]),
        ("categorical_focal", np.eye(3)[[1, 0]]),
        ("binary", x > 0),
        ("binary_focal", x > 0),
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


@pytest.mark.parametrize(
    "values, weights, shape",
    [
        ((2,), (2, 1), (2, 1)),
        ((2,), (2,), (2,)),
        ((2, 3), (2, 1), (2, 3)),
        ((2, 3), (2, 3, 1), (2, 3)),
        ((2, 3), (2,), (2, 3)),
        ((2, 1), (2,), (2, 1)),
    ],
)
def test_weights_of_a_column_for_a_vector_of_values_give_a_column(values, weights, shape):
    y, p = np.zeros((*values, 2)), np.random.default_rng(0).normal(size=(*values, 2))
    w = np.arange(1.0, 1 + np.prod(weights)).reshape(weights)
    loss = losses.MeanSquaredError(reduction=None, dtype="float64")(y, p, sample_weight=w)
    plain = (p**2).mean(-1)
    assert loss.shape == shape
    expected = plain * w.reshape(w.shape[: len(values)] + (1,) * (len(values) - w.ndim))
    np.testing.assert_allclose(loss.numpy().reshape(values), expected)


@given(seed=seeds)
def test_a_mask_leaves_a_mean_over_what_it_holds(seed):
    rng = np.random.default_rng(seed)
    y, p, mask = (
        rng.normal(size=(4, 3, 2)),
        convert(rng.normal(size=(4, 3, 2))),
        rng.uniform(size=(4, 3)) > 0.4,
    )
    backend.set_keras_mask(p, convert(mask))
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
    classes = [getattr(losses, name) for name in losses.__all__ if name[0].isupper()]
    for loss in (
        losses.MeanSquaredError(name="m", reduction="sum"),
        losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.2, axis=0),
        losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=3, axis=1),
        losses.Huber(delta=0.3),
        losses.CosineSimilarity(axis=1),
        losses.BinaryFocalCrossentropy(True, alpha=0.5, gamma=1.0),
        losses.CategoricalFocalCrossentropy(alpha=[0.5, 1.0]),
        *(cls() for cls in classes if cls not in (losses.Loss, losses.LossFunctionWrapper)),
    ):
        again = type(loss).from_config(loss.get_config())
        assert again.get_config() == loss.get_config()


@pytest.mark.parametrize(
    "name, option, value",
    [
        ("BinaryFocalCrossentropy", "gamma", np.int64(1)),
        ("BinaryFocalCrossentropy", "alpha", np.float32(0.5)),
        ("CategoricalFocalCrossentropy", "gamma", np.float64(0.5)),
        ("BinaryCrossentropy", "label_smoothing", np.float32(0.125)),
        ("CategoricalCrossentropy", "label_smoothing", np.float16(0.125)),
        ("Huber", "delta", np.float32(0.5)),
    ],
)
def test_an_option_may_be_a_number_of_numpy_and_the_config_is_plain(name, option, value):
    loss = getattr(losses, name)(**{option: value})
    plain = getattr(losses, name)(**{option: value.item()})
    assert json.dumps(loss.get_config()) == json.dumps(plain.get_config())
    with pytest.raises(ValueError, match=f"{option} must be a number"):
        getattr(losses, name)(**{option: np.True_})


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
