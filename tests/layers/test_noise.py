"""Layers that do something in training alone: noise, dropped features, a penalty."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import grad, layers, ops

X = np.full((40, 25, 4), 3.0, "float32")
TRAINED = [
    lambda **options: layers.GaussianNoise(0.3, **options),
    lambda **options: layers.GaussianDropout(0.3, **options),
    lambda **options: layers.SpatialDropout1D(0.3, **options),
]


@given(st.floats(0.05, 1), st.integers(0, 99))
def test_gaussian_noise_has_mean_0_and_the_deviation_asked_for(stddev, seed):
    noise = layers.GaussianNoise(stddev, seed=seed)(X, training=True).numpy() - X
    # 4,000 draws: six standard deviations of their mean, and of their deviation.
    assert abs(noise.mean()) < 6 * stddev / np.sqrt(X.size)
    assert abs(noise.std() / stddev - 1) < 6 / np.sqrt(2 * X.size)


@given(st.floats(0.05, 0.9), st.integers(0, 99))
def test_gaussian_dropout_has_the_mean_and_the_deviation_of_dropout(rate, seed):
    factors = layers.GaussianDropout(rate, seed=seed)(X, training=True).numpy() / 3
    stddev = np.sqrt(rate / (1 - rate))
    assert abs(factors.mean() - 1) < 6 * stddev / np.sqrt(X.size)
    assert abs(factors.std() / stddev - 1) < 6 / np.sqrt(2 * X.size)


@given(st.floats(0.05, 0.9), st.integers(0, 99))
def test_spatial_dropout_drops_a_feature_at_all_steps_or_at_none(rate, seed):
    y = layers.SpatialDropout1D(rate, seed=seed)(X, training=True).numpy()
    assert (y == y[:, :1]).all()
    kept = y[:, 0] != 0
    np.testing.assert_allclose(y[:, 0][kept], 3 / (1 - rate), rtol=1e-6)
    assert abs(kept.mean() - (1 - rate)) < 6 * np.sqrt(rate * (1 - rate) / kept.size)


@pytest.mark.parametrize("make", TRAINED)
def test_nothing_happens_outside_of_training(make):
    np.testing.assert_array_equal(make()(X).numpy(), X)


@pytest.mark.parametrize("kind", [layers.GaussianNoise, layers.GaussianDropout, layers.SpatialDropout1D])
def test_nothing_happens_at_0_and_no_seed_is_kept(kind):
    layer = kind(0)
    np.testing.assert_array_equal(layer(X, training=True).numpy(), X)
    assert not layer.variables


@pytest.mark.parametrize("make", TRAINED)
def test_a_seed_repeats_the_draws_and_each_call_draws_anew(make):
    a, b = make(seed=4), make(seed=4)
    first, second = a(X, training=True).numpy(), a(X, training=True).numpy()
    np.testing.assert_array_equal(b(X, training=True).numpy(), first)
    assert (first != second).any()


def test_noise_has_the_layers_dtype_and_leaves_the_gradient():
    layer = layers.GaussianNoise(0.5, seed=1, dtype="float64")
    assert layer(X, training=True).dtype == "float64"
    gradient = grad(lambda x: ops.sum(layer(x, training=True)))(X.astype("float64"))
    np.testing.assert_array_equal(gradient.numpy(), np.ones(X.shape))


def test_activity_regularization_adds_its_penalty_for_each_of_the_batch():
    layer = layers.ActivityRegularization(l1=0.1, l2=0.2)
    np.testing.assert_array_equal(layer(X).numpy(), X)
    (penalty,) = layer.losses
    assert float(penalty) == pytest.approx((0.1 * 3 + 0.2 * 9) * 100, rel=1e-5)
