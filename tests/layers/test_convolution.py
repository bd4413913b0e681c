"""`Conv1D` by its formula, and what no output may depend on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minirnn
from minirnn import layers
from tests.laws.strategies import assert_equal

sizes = st.integers(1, 3)


def built(x, *arguments, **options):
    layer = layers.Conv1D(*arguments, bias_initializer="random_normal", **options)
    layer(x)
    return layer


@given(st.integers(0, 99), sizes, sizes, sizes)
def test_each_output_is_the_product_of_a_window_with_the_kernel(seed, size, stride, dilation):
    x = np.random.default_rng(seed).standard_normal((2, 9, 3)).astype("float32")
    options = {"strides": stride} if seed % 2 else {"dilation_rate": dilation}
    layer = built(x, 4, size, activation="tanh", **options)
    kernel, bias = layer.get_weights()
    step, between = options.get("strides", 1), options.get("dilation_rate", 1)
    count = (9 - (size - 1) * between - 1) // step + 1
    expected = [
        sum(x[:, p * step + k * between] @ kernel[k] for k in range(size)) + bias for p in range(count)
    ]
    assert_equal([layer(x).numpy()], [np.tanh(np.stack(expected, axis=1))], "float32")


@given(st.integers(0, 7), sizes, sizes)
def test_a_causal_convolution_knows_nothing_of_later_steps(t, size, dilation):
    x = np.random.default_rng(t).standard_normal((2, 8, 3)).astype("float32")
    layer = built(x, 4, size, padding="causal", dilation_rate=dilation)
    whole = layer(x).numpy()
    changed = x.copy()
    changed[:, t + 1 :] = 99.0
    np.testing.assert_array_equal(layer(changed).numpy()[:, : t + 1], whole[:, : t + 1])
    # The last of a longer sequence is what it is of the steps that its window spans.
    span = (size - 1) * dilation + 1
    assert_equal([layer(x[:, -span:]).numpy()[:, -1]], [whole[:, -1]], "float32")


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
def test_where_features_stand_makes_no_difference(padding):
    x = np.random.default_rng(0).standard_normal((2, 7, 4)).astype("float32")
    last = built(x, 6, 3, padding=padding, groups=2)
    first = layers.Conv1D(6, 3, padding=padding, groups=2, data_format="channels_first")
    first(x.swapaxes(1, 2))
    first.set_weights(last.get_weights())
    np.testing.assert_array_equal(first(x.swapaxes(1, 2)).numpy().swapaxes(1, 2), last(x).numpy())


@pytest.mark.parametrize("padding, steps", [("valid", 3), ("same", 4), ("causal", 4)])
def test_paddings_give_as_many_steps_as_they_say(padding, steps):
    layer = layers.Conv1D(2, 3, strides=2, padding=padding)
    assert layer(np.ones((1, 7, 3), "float32")).shape == (1, steps, 2)
    assert layer.compute_output_shape((None, 7, 3)) == (None, steps, 2)
    assert layer.compute_output_shape((None, None, 3)) == (None, None, 2)


def test_a_kernel_longer_than_the_sizes_tried_for_unknown_steps():
    inputs = layers.Input((None, 3))
    x = layers.Conv1D(2, 40, padding="causal", dilation_rate=8)(inputs)
    outputs = layers.Conv1D(5, 40)(x)
    assert outputs.shape == (None, None, 5)
    model = minirnn.Model(inputs, outputs)
    assert model(np.ones((2, 50, 3), "float32")).shape == (2, 11, 5)


def test_it_learns_to_copy_what_was_three_steps_before():
    minirnn.utils.set_random_seed(1)
    x = np.random.default_rng(1).standard_normal((64, 20, 2)).astype("float32")
    y = np.concatenate([np.zeros((64, 3, 2), "float32"), x[:, :-3]], axis=1)
    model = minirnn.Sequential([layers.Conv1D(2, 4, padding="causal", use_bias=False)])
    model.compile(minirnn.optimizers.Adam(0.05), "mse")
    model.fit(x, y, epochs=60, verbose=0)
    kernel = model.get_weights()[0]
    np.testing.assert_allclose(kernel[0], np.eye(2), atol=0.05)
    np.testing.assert_allclose(kernel[1:], 0, atol=0.05)


@pytest.mark.parametrize("data_format, axis", [("channels_last", -1), ("channels_first", 1)])
def test_what_it_says_of_itself_is_what_keras_says(data_format, axis):
    layer = layers.Conv1D(3, 2, data_format=data_format)
    assert (layer.rank, layer.input_spec.min_ndim, layer.input_spec.axes) == (1, 3, {})
    layer.build((None, 6, 6))
    assert (layer.input_spec.min_ndim, layer.input_spec.axes) == (3, {axis: 6})
