"""Poolings along time: windows, whole sequences, masks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import grad, layers, ops

X = np.random.default_rng(0).standard_normal((3, 7, 2)).astype("float32")
MASK = np.array([[1, 1, 1, 0, 0, 0, 0], [1, 0, 1, 1, 0, 1, 1], [0, 0, 0, 0, 0, 0, 0]], bool)
POOLINGS = {layers.MaxPooling1D: np.max, layers.AveragePooling1D: np.mean}
GLOBAL = {layers.GlobalMaxPooling1D: np.max, layers.GlobalAveragePooling1D: np.mean}


def turned(x):
    return np.swapaxes(np.asarray(x), 1, 2)


@pytest.mark.parametrize("kind", POOLINGS)
@given(size=st.integers(1, 4), stride=st.integers(1, 5))
def test_windows_within_the_sequence(kind, size, stride):
    starts = range(0, 7 - size + 1, stride)
    expected = np.stack([POOLINGS[kind](X[:, s : s + size], axis=1) for s in starts], axis=1)
    np.testing.assert_allclose(kind(size, stride)(X).numpy(), expected, rtol=1e-6, atol=1e-7)
    first = kind(size, stride, data_format="channels_first")(turned(X))
    np.testing.assert_allclose(turned(first), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", POOLINGS)
@given(size=st.integers(1, 4), stride=st.integers(1, 5))
def test_windows_that_reach_beyond_take_what_is_there(kind, size, stride):
    count = -(-7 // stride)
    before = max((count - 1) * stride + size - 7, 0) // 2
    # With strides beyond the size the last windows need not reach the end.
    windows = [range(max(p * stride - before, 0), min(p * stride - before + size, 7)) for p in range(count)]
    expected = np.stack([POOLINGS[kind](X[:, list(w)], axis=1) for w in windows], axis=1)
    np.testing.assert_allclose(kind(size, stride, "same")(X).numpy(), expected, rtol=1e-6, atol=1e-7)


def test_the_stride_is_the_size_by_default():
    assert layers.MaxPooling1D().get_config()["strides"] == (2,)
    assert layers.AveragePooling1D(3)(X).shape == (3, 2, 2)


@pytest.mark.parametrize("kind", GLOBAL)
@pytest.mark.parametrize("keepdims", [False, True])
def test_the_whole_sequence(kind, keepdims):
    expected = GLOBAL[kind](X, axis=1, keepdims=keepdims)
    np.testing.assert_allclose(kind(keepdims=keepdims)(X).numpy(), expected, rtol=1e-6)
    first = kind(data_format="channels_first", keepdims=keepdims)(turned(X)).numpy()
    np.testing.assert_allclose(turned(first) if keepdims else first, expected, rtol=1e-6)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_a_mean_is_over_the_steps_that_count(keepdims, first):
    x, data_format = (turned(X), "channels_first") if first else (X, "channels_last")
    layer = layers.GlobalAveragePooling1D(data_format, keepdims)
    expected = np.stack([x[m].mean(axis=0) if m.any() else np.zeros(2) for x, m in zip(X, MASK)])
    if keepdims:
        expected = expected[..., None] if first else expected[:, None]
    np.testing.assert_allclose(layer(x, mask=MASK).numpy(), expected, rtol=1e-6, atol=1e-7)


def test_a_mask_travels_to_the_mean_and_ends_there():
    x = layers.Masking()(np.where(MASK[..., None], X, 0))
    y = layers.GlobalAveragePooling1D()(x)
    assert y._keras_mask is None
    np.testing.assert_allclose(y.numpy()[0], X[0, :3].mean(axis=0), rtol=1e-6)


def test_masked_steps_have_no_gradient_and_may_be_anything():
    layer = layers.GlobalAveragePooling1D()
    x = np.where(MASK[..., None], X, np.float32(np.nan))
    gradient = grad(lambda x: ops.sum(layer(x, mask=MASK)))(x).numpy()
    np.testing.assert_allclose(
        gradient, np.broadcast_to((MASK / np.maximum(MASK.sum(1, keepdims=True), 1))[..., None], X.shape)
    )


@pytest.mark.parametrize("layer", [layers.MaxPooling1D(30), layers.AveragePooling1D(300, padding="same")])
def test_windows_longer_than_the_sizes_tried_for_unknown_steps(layer):
    assert layer(layers.Input((None, 3))).shape == (None, None, 3)
