"""`BatchNormalization` and `LayerNormalization`; the gradient of what they share is tested as a primitive."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn.layers import BatchNormalization, Input, LayerNormalization

X = np.random.default_rng(0).normal(3, 2, (5, 4, 3)).astype("float32")


@given(st.integers(-3, 2).filter(lambda a: a not in (0, -3)), st.booleans(), st.booleans())
def test_training_normalizes_by_the_batch_and_moves_the_averages(axis, center, scale):
    layer = BatchNormalization(axis=axis, momentum=0.8, center=center, scale=scale, beta_initializer="ones")
    y = layer(X, training=True).numpy()
    others = tuple(a for a in range(3) if a != axis % 3)
    mean, variance = X.mean(others, keepdims=True), X.var(others, keepdims=True)
    np.testing.assert_allclose(y, (X - mean) / np.sqrt(variance + 1e-3) + center, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.2 * mean.ravel(), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.numpy(), 0.8 + 0.2 * variance.ravel(), rtol=1e-5)


def test_inference_uses_the_averages_and_leaves_them():
    layer = BatchNormalization()
    for _ in range(3):
        layer(X, training=True)
    before = layer.get_weights()
    y = layer(X).numpy()
    np.testing.assert_allclose(y, (X - before[2]) / np.sqrt(before[3] + 1e-3), rtol=1e-4, atol=1e-5)
    for a, b in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_frozen_layer_infers_in_training_too():
    layer = BatchNormalization()
    layer(X)
    layer.trainable = False
    np.testing.assert_array_equal(layer(X, training=True).numpy(), layer(X).numpy())


def test_masked_steps_do_not_count():
    mask = np.array([[1, 1, 0, 0]] * 5, bool)
    layer, shorter = BatchNormalization(), BatchNormalization()
    spoilt = np.where(mask[..., None], X, 1e6)
    y = layer(spoilt, training=True, mask=mask).numpy()
    np.testing.assert_allclose(y[:, :2], shorter(X[:, :2], training=True).numpy(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(layer.moving_mean.numpy(), shorter.moving_mean.numpy(), rtol=1e-5)


def test_a_batch_that_is_masked_throughout_gives_numbers():
    y = BatchNormalization()(X, training=True, mask=np.zeros((5, 4), bool)).numpy()
    assert np.isfinite(y).all()


@given(axis=st.sampled_from([-1, 1, [1, 2], [-1, 1], (0, 2)]), center=st.booleans(), scale=st.booleans())
def test_layer_normalization_by_its_definition(axis, center, scale):
    layer = LayerNormalization(axis, epsilon=0.1, center=center, scale=scale, dtype="float64")
    x = X.astype("float64")
    axes = tuple(a % 3 for a in (axis if isinstance(axis, list | tuple) else [axis]))
    layer.build(x.shape)
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    want = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 0.1)
    shape = [n if a in axes else 1 for a, n in enumerate(x.shape)]
    if scale:
        want = want * layer.gamma.numpy().reshape(shape)
    if center:
        want = want + layer.beta.numpy().reshape(shape)
    np.testing.assert_allclose(layer(x).numpy(), want, rtol=1e-9, atol=1e-9)


def test_half_precision_is_summed_in_single():
    x = np.full((8, 300), 60.0, "float16")
    x[0] = 61.0
    for layer in (LayerNormalization(axis=0, dtype="float16"), BatchNormalization(dtype="float16")):
        y = layer(x, training=True) if isinstance(layer, BatchNormalization) else layer(x)
        assert y.dtype == "float16"
        assert np.isfinite(y.numpy()).all()


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: BatchNormalization(axis=3, name="b")(X), "BatchNormalization 'b': axis 3 is not one of"),
        (lambda: LayerNormalization(axis=[0, 3], name="n")(X), "'n': axis .* is not one of"),
        (lambda: BatchNormalization(name="b")(X[:0], training=True), "'b': training needs one example"),
        (lambda: BatchNormalization(synchronized=True, name="b"), "'b': synchronized must be"),
        (
            lambda: BatchNormalization(renorm=True, renorm_clipping={"r": 1}, name="b"),
            "BatchNormalization 'b': renorm_clipping must",
        ),
        (
            lambda: BatchNormalization(name="b")(X, training=True, mask=np.ones(5, bool)),
            r"BatchNormalization 'b': the mask must have one axis less .* got \(5,\)",
        ),
        (lambda: BatchNormalization(name="b")(Input((None,))), "'b': weight 'gamma' needs"),
    ],
)
def test_wrong_arguments_are_errors_that_name_the_layer(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("cls", [BatchNormalization, LayerNormalization])
def test_an_axis_that_is_no_integer_is_refused(cls):
    with pytest.raises(TypeError, match="axis must be an integer"):
        cls(axis=1.5)


@pytest.mark.parametrize("cls", [BatchNormalization, LayerNormalization])
def test_inputs_of_another_size_are_refused_and_change_nothing(cls):
    layer = cls(name="n")
    layer(X, training=True) if cls is BatchNormalization else layer(X)
    before = layer.get_weights()
    with pytest.raises(ValueError, match=f"{cls.__name__} 'n': .*got .*shape"):
        layer(X[..., :2])
    for a, b in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
