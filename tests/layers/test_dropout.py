"""`Dropout`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import grad, ops
from minirnn.layers import AdditiveAttention, Attention, Dropout, Input, SpatialDropout1D

X = np.ones((40, 50), "float32")


@given(st.floats(0.05, 0.9), st.integers(0, 1000))
def test_a_share_is_dropped_and_the_rest_scaled(rate, seed):
    y = Dropout(rate, seed=seed)(X, training=True).numpy()
    kept = y != 0
    np.testing.assert_allclose(y[kept], 1 / (1 - rate), rtol=1e-6)
    # 2,000 draws: six standard deviations of their mean.
    assert abs(kept.mean() - (1 - rate)) < 6 * np.sqrt(rate * (1 - rate) / X.size)


def test_nothing_happens_outside_of_training_or_at_rate_0():
    np.testing.assert_array_equal(Dropout(0.5)(X).numpy(), X)
    np.testing.assert_array_equal(Dropout(0)(X, training=True).numpy(), X)


def test_a_seed_repeats_the_draws_and_each_call_draws_anew():
    a, b = Dropout(0.5, seed=4), Dropout(0.5, seed=4)
    first, second = a(X, training=True).numpy(), a(X, training=True).numpy()
    np.testing.assert_array_equal(b(X, training=True).numpy(), first)
    assert (first != second).any()


def test_noise_shape_drops_the_same_along_its_axes_of_one():
    y = Dropout(0.5, noise_shape=(None, 1), seed=1)(X, training=True).numpy()
    assert (y == y[:, :1]).all()
    assert len(np.unique(y)) == 2


def test_the_gradient_is_that_of_the_mask():
    layer = Dropout(0.5, seed=1)
    state = layer.seed_generator.state.numpy()
    y = layer(X, training=True)
    layer.seed_generator.state.assign(state)
    gradient = grad(lambda x: ops.sum(layer(x, training=True)))(X)
    np.testing.assert_array_equal(gradient.numpy(), y.numpy())


@pytest.mark.parametrize("rate", [-0.1, 1.01, 1.5, "half", None, float("nan")])
def test_a_rate_outside_of_0_to_1_is_refused(rate):
    with pytest.raises(ValueError, match=r"Dropout 'd': rate is the share to drop, a number in \[0, 1\]"):
        Dropout(rate, name="d")


@pytest.mark.parametrize("rate", [1, 1.0, np.float32(1)])
@pytest.mark.parametrize(
    "make, x",
    [
        (Dropout, X),
        (lambda rate: Dropout(rate, noise_shape=(None, 1)), np.full((2, 3), np.inf)),
        (SpatialDropout1D, X[None]),
        (lambda rate: Attention(dropout=rate), [X[None], X[None]]),
        (lambda rate: AdditiveAttention(dropout=rate), [X[None], X[None]]),
    ],
)
def test_at_rate_1_all_outputs_and_gradients_are_0(make, x, rate):
    layer = make(rate)
    y = layer(x, training=True)
    assert not y.numpy().any()
    gradients = grad(lambda x: ops.sum(layer(x, training=True)))(x)
    assert not any(g.numpy().any() for g in (gradients if isinstance(x, list) else [gradients]))


@pytest.mark.parametrize("noise_shape", ["ab", 3, (2.5,), (0, 1), (None, -1)])
def test_a_noise_shape_of_other_things_than_sizes_is_refused(noise_shape):
    with pytest.raises(ValueError, match="Dropout 'd': noise_shape must be a tuple"):
        Dropout(0.5, noise_shape=noise_shape, name="d")


@pytest.mark.parametrize("noise_shape", [(1,), (1, 1, 1), (7, 1)])
def test_a_noise_shape_that_does_not_fit_is_refused_before_a_draw(noise_shape):
    layer = Dropout(0.5, noise_shape=noise_shape, seed=1, name="d")
    state = layer.seed_generator.state.numpy()
    with pytest.raises(ValueError, match=r"Dropout 'd': noise_shape .* input of shape \(40, 50\)"):
        layer(X, training=True)
    np.testing.assert_array_equal(layer.seed_generator.state.numpy(), state)


def test_a_symbolic_call_knows_the_shape():
    assert Dropout(0.5)(Input((None, 3)), training=True).shape == (None, None, 3)
