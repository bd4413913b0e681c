"""`TimeDistributed`: a layer at each step."""

import numpy as np
import pytest

import minirnn
from minirnn import kernels, layers, ops
from tests.arrays import leaf

X = np.random.default_rng(0).normal(size=(3, 6, 4))


def test_each_step_is_a_call_of_the_layer():
    layer = layers.TimeDistributed(layers.Dense(5, activation="tanh"), name="it")
    y = layer(X)
    assert y.shape == (3, 6, 5)
    for t in range(6):
        np.testing.assert_allclose(y[:, t], layer.layer(X[:, t]), atol=1e-6)
    assert [w.path.split("/")[0] for w in layer.weights] == ["it", "it"]


def test_symbolic_inputs_and_more_axes():
    layer = layers.TimeDistributed(layers.Flatten())
    assert layer(minirnn.Input((None, 2, 3))).shape == (None, None, 6)
    np.testing.assert_array_equal(layer(X[..., None]), X.astype("float32"))
    inner = layers.TimeDistributed(layers.TimeDistributed(layers.Dense(2)))
    assert inner(np.zeros((2, 3, 4, 5))).shape == (2, 3, 4, 2)


def test_a_recurrent_layer_inside_gets_its_part_of_the_mask():
    layer = layers.TimeDistributed(layers.LSTM(3))
    x, mask = (
        np.random.default_rng(1).normal(size=(2, 4, 5, 3)),
        np.random.default_rng(2).random((2, 4, 5)) < 0.6,
    )
    y = layer(x, mask=mask)
    for t in range(4):
        np.testing.assert_allclose(y[:, t], layer.layer(x[:, t], mask=mask[:, t]), atol=1e-6)


def test_the_mask_goes_on():
    x = layers.Masking()(X)
    y = layers.TimeDistributed(layers.Dense(2))(x)
    assert minirnn.backend.get_keras_mask(y) is minirnn.backend.get_keras_mask(x)


def test_dropout_inside_draws_at_each_step_and_batch_statistics_are_of_each():
    y = layers.TimeDistributed(layers.Dropout(0.5, seed=1))(np.ones((1, 6, 50)), training=True).numpy()
    assert len({tuple(row) for row in y[0]}) == 6
    normalized = layers.TimeDistributed(layers.BatchNormalization(epsilon=1e-9))(X, training=True).numpy()
    np.testing.assert_allclose(normalized.mean(axis=0), 0, atol=1e-5)


def test_nested_inputs_and_outputs():
    class Both(layers.Layer):
        def call(self, inputs):
            a, b = inputs
            return {"sum": a + b, "first": a}

    y = layers.TimeDistributed(Both())([X, 2 * X])
    np.testing.assert_allclose(y["sum"], 3 * X, rtol=1e-5)
    np.testing.assert_allclose(y["first"], X, rtol=1e-5)


@pytest.mark.parametrize("inner", (layers.Dense(3), layers.LSTM(3)))
def test_it_comes_back_from_its_config(inner):
    x = X if isinstance(inner, layers.Dense) else X[:, :, None]
    layer = layers.TimeDistributed(inner, name="it")
    y = layer(x)
    again = layers.TimeDistributed.from_config(layer.get_config())
    assert not again.layer.built
    again.build(x.shape)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(x), y)
    assert [w.path for w in again.weights] == [w.path for w in layer.weights]


def test_gradients_equal_those_of_the_layer_on_all_steps_at_once():
    layer = layers.TimeDistributed(layers.Dense(3, activation="sigmoid", dtype="float64"), dtype="float64")
    layer.build(X.shape)
    x = leaf(X)
    weights = [x, *layer.weights]
    found = minirnn.grad(ops.sum(layer(x) ** 2), weights)
    expected = minirnn.grad(ops.sum(layer.layer(x) ** 2), weights)
    for a, b in zip(found, expected):
        np.testing.assert_allclose(a, b, atol=1e-12)
    with kernels.use_tier("generic"):
        assert layer(x).shape == (3, 6, 3)


def test_a_mask_of_another_length_is_refused_even_where_the_layer_has_no_use_for_one():
    layer = layers.TimeDistributed(layers.Dense(2))
    with pytest.raises(ValueError, match=r"mask must have a shape that starts with .* = \(2, 3\)"):
        layer(np.zeros((2, 3, 4), "float32"), mask=np.ones((2, 4), bool))
