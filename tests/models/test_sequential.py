"""`Sequential`: when it is built, and that it is what its layers are one after the other."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minirnn
from minirnn import Input, Sequential, layers
from tests.models.helpers import X


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4), st.sampled_from(["input", "shape", "data", "build"])
)
def test_it_computes_what_its_layers_do_one_after_the_other(sizes, how):
    stack = [layers.Dense(n, activation="tanh") for n in sizes]
    if how == "shape":
        stack[0] = layers.Dense(sizes[0], activation="tanh", input_shape=(3,))
    model = Sequential(([Input((3,))] if how == "input" else []) + stack)
    assert model.built == (how in ("input", "shape"))
    if how == "build":
        model.build((None, 3))
    x = y = X[:, 0]
    for layer in stack:
        y = layer(y)
    np.testing.assert_array_equal(model(x), y)
    assert model.built and model.layers == stack
    assert model.output_shape == (None, sizes[-1])
    assert [w.shape for w in model.weights] == [w.shape for layer in stack for w in layer.weights]


def test_layers_are_built_as_they_are_added_and_taken_off_again():
    model = Sequential([Input((5, 3))])
    assert not model.built and model.layers == []
    model.add(layers.LSTM(4, return_sequences=True))
    assert model.built and model.output_shape == (None, 5, 4)
    model.add(layers.Dense(2))
    assert model.output_shape == (None, 5, 2) and len(model.weights) == 5
    dense = model.layers[1]
    assert model.pop() is dense
    assert model.output_shape == (None, 5, 4) and len(model.weights) == 3
    model.add(layers.LSTM(2))
    assert model.output_shape == (None, 2)
    assert model(np.zeros((2, 5, 3))).shape == (2, 2)


def test_a_model_that_begins_with_an_embedding_is_built_at_once_unless_a_layer_needs_more():
    model = Sequential()
    model.add(layers.Embedding(input_dim=10, output_dim=4))
    model.add(layers.LSTM(3))
    model.add(layers.Dense(2))
    assert model.built and model.output_shape == (None, 2) and model.count_params() == 40 + 96 + 8
    waits = Sequential([layers.Embedding(10, 4), layers.Flatten(), layers.Dense(2)])
    assert not waits.built
    assert waits(np.zeros((2, 7), int)).shape == (2, 2)
    assert waits.weights[1].shape == (28, 2)
    # The guess binds nothing: other ranks are embedded too.
    assert Sequential([layers.Embedding(10, 4)])(np.zeros((2, 3, 5), int)).shape == (2, 3, 5, 4)


def test_large_token_numbers_reach_an_embedding_unrounded():
    model = Sequential([layers.Embedding(2**24 + 2, 1, embeddings_initializer="zeros")])
    table = np.zeros((2**24 + 2, 1), "float32")
    table[-1] = 7
    model.set_weights([table])
    assert float(model(np.array([[2**24 + 1]]))[0, 0, 0]) == 7


def test_inputs_are_cast_to_the_dtype_of_the_first_layer_alone():
    model = Sequential([layers.Dense(2, dtype="float64", input_shape=(3,))])
    x = np.full((1, 3), 1 + 1e-12)
    exact = x @ model.weights[0].numpy()
    np.testing.assert_allclose(model(x), exact, rtol=1e-15)
    integers = Sequential([Input((3,)), layers.Lambda(lambda x: x / 2)])
    assert integers(np.array([[1, 2, 3]])).numpy().tolist() == [[0.5, 1.0, 1.5]]


def test_a_model_may_be_a_layer_and_its_mask_goes_through():
    inner = Sequential([layers.Embedding(9, 4, mask_zero=True)], name="inner")
    model = Sequential([inner, layers.LSTM(3)])
    tokens = np.array([[3, 4, 0, 0], [1, 0, 0, 0]])
    np.testing.assert_allclose(model(tokens)[0], model(tokens[:1, :2])[0], atol=1e-6)
    assert model.layers[0] is inner


def test_nested_inputs_reach_the_first_layer_as_they_are():
    model = Sequential([layers.Add(), layers.Dense(2)])
    assert model([X[:, 0], X[:, 1]]).shape == (23, 2)


def test_training_reaches_the_layers():
    model = Sequential([Input((100,)), layers.Dropout(0.5)])
    x = np.ones((1, 100))
    assert (model(x).numpy() == 1).all()
    assert (model(x, training=True).numpy() == 0).any()


@pytest.mark.parametrize("known", [True, False])
def test_the_architecture_survives_json(known):
    stack = [layers.GRU(4, return_sequences=True), layers.Bidirectional(layers.LSTM(3)), layers.Dense(2)]
    model = Sequential(([Input((None, 3))] if known else []) + stack, name="net")
    copy = Sequential.from_config(json.loads(json.dumps(model.get_config())))
    assert (copy.name, copy.built) == ("net", known)
    expected = model(X)
    copy(X)
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy(X), expected)


def test_keras_s_spelling_of_the_module_works():
    model = minirnn.models.Sequential([layers.LSTM(4, input_shape=(None, 3)), layers.Dense(2)])
    assert model.input_shape == (None, None, 3)


def raises(error, words, function, *args, **kwargs):
    with pytest.raises(error) as caught:
        function(*args, **kwargs)
    for word in words:
        assert word in str(caught.value)


def test_what_does_not_belong_in_a_stack_is_refused_and_nothing_changes():
    model = Sequential([Input((3,)), layers.Dense(2, name="one")], name="stack")
    raises(ValueError, ["Sequential 'stack'", "instance"], model.add, layers.Dense)
    raises(ValueError, ["Sequential 'stack'", "'relu'"], model.add, "relu")
    raises(ValueError, ["Sequential 'stack'", "'one'"], model.add, layers.Dense(2, name="one"))
    raises(ValueError, ["Sequential 'stack'", "Input"], model.add, Input((2,)))
    raises(ValueError, ["LSTM", "3"], model.add, layers.LSTM(2))
    assert len(model.layers) == 1 and model.built and model.output_shape == (None, 2)
    raises(ValueError, ["Sequential 'stack'", "(None, 3)"], model.build, (None, 5))
    empty = Sequential(name="empty")
    raises(ValueError, ["Sequential 'empty'"], empty.pop)
    raises(ValueError, ["Sequential 'empty'"], empty, X)
    raises(AttributeError, ["Sequential 'empty'", "output_shape"], lambda: empty.output_shape)
