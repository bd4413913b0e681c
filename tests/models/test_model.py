"""Subclassed models: their layers, masks, states, and what they say when they are used too early."""

import warnings

import numpy as np
import pytest

from minirnn import Input, Model, Sequential, layers, ops
from minirnn.backend import get_keras_mask
from tests.models.helpers import VALUES, X, compiled, regressor


class Net(Model):
    def __init__(self, units=4, name=None):
        super().__init__(name=name)
        self.blocks = [layers.Dense(units, activation="tanh") for _ in range(2)]
        self.heads = {"a": layers.Dense(2), "b": layers.Dense(1)}

    def call(self, x, training=False):
        for block in self.blocks:
            x = block(x)
        return {name: head(x) for name, head in self.heads.items()}


def test_layers_in_lists_and_dicts_belong_to_the_model():
    model = Net()
    assert model.layers == [*model.blocks, *model.heads.values()]
    model(X[:, 0])
    assert len(model.weights) == 8
    assert model.get_layer(model.blocks[1].name) is model.blocks[1]


def test_it_is_built_by_a_call_by_build_and_by_a_symbolic_input():
    called, built, symbolic = Net(), Net(), Net()
    called(X[:, 0])
    built.build((None, 3))
    x = Input((3,))
    whole = Model(x, symbolic(x)["a"])
    shapes = [w.shape for w in called.weights]
    assert [w.shape for w in built.weights] == [w.shape for w in symbolic.weights] == shapes
    np.testing.assert_array_equal(whole(X[:, 0]), symbolic(X[:, 0])["a"])


def test_outputs_in_a_dict_train_by_their_keys():
    model = Net()
    model.compile("sgd", {"a": "mse", "b": "mae"}, metrics={"a": ["mae"]})
    history = model.fit(X[:, 0], {"a": VALUES, "b": VALUES[:, :1]}, verbose=0).history
    assert list(history) == ["a_loss", "a_mae", "b_loss", "loss"]


def test_the_constructor_s_arguments_are_the_config():
    model = Net(units=5, name="net")
    twin = Net.from_config(model.get_config())
    assert (twin.name, twin.blocks[0].units) == ("net", 5)


def test_masks_reach_call_and_are_what_the_layers_say():
    class Reader(Model):
        def __init__(self):
            super().__init__()
            self.embedding = layers.Embedding(9, 4, mask_zero=True)
            self.rnn = layers.GRU(3, return_sequences=True)

        def call(self, tokens):
            return self.rnn(self.embedding(tokens))

    tokens = np.array([[3, 4, 0], [1, 0, 0]])
    np.testing.assert_array_equal(get_keras_mask(Reader()(tokens)), tokens != 0)


def test_a_mask_of_the_input_is_not_that_of_an_output_of_another_form():
    model = Sequential([Input((None, 3)), layers.LSTM(2)])
    x = ops.convert_to_tensor(X)
    x._keras_mask = ops.convert_to_tensor(np.ones((23, 4), bool))
    with warnings.catch_warnings():
        # The layers inside took note of the mask; that the model drops it would be a false alarm.
        warnings.simplefilter("error")
        assert get_keras_mask(model(x)) is None


def test_states_of_all_stateful_layers_inside_are_reset():
    class Twice(Model):
        def __init__(self):
            super().__init__()
            self.inner = Sequential([layers.GRU(2, stateful=True, return_sequences=True)])
            self.outer = layers.Bidirectional(layers.SimpleRNN(2, stateful=True))

        def call(self, x):
            return self.outer(self.inner(x))

    model = Twice()
    first = model(X[:2])
    assert not np.array_equal(model(X[:2]), first)
    model.reset_states()
    np.testing.assert_array_equal(model(X[:2]), first)
    model.reset_state()
    np.testing.assert_array_equal(model(X[:2]), first)


def test_metrics_are_those_of_compile_and_of_the_attributes():
    model = compiled(loss="mse")
    assert model.metrics_names == ["loss", "compile_metrics"]
    model.evaluate(X, np.zeros((23, 3)), verbose=0)
    assert sorted(model.get_metrics_result()) == ["accuracy", "loss"]
    model.reset_metrics()
    assert float(model.get_metrics_result()["loss"]) == 0


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_what_needs_compile_says_so(method):
    model = Sequential([Input((3,)), layers.Dense(2)], name="net")
    with pytest.raises(ValueError, match=rf"Sequential 'net': call compile\(.*\) before {method}"):
        getattr(model, method)(X[:, 0], VALUES)


def test_a_model_without_a_call_says_so():
    with pytest.raises(NotImplementedError, match="define call"):
        Model(name="empty")(X)
    with pytest.raises(TypeError, match="positional"):
        Model(1)


def test_metrics_variables_are_those_of_all_metrics():
    model = regressor()
    assert model.metrics_variables == []
    model.compile("sgd", "mse", metrics=["mae"])
    model.evaluate(X, VALUES, verbose=0)
    assert len(model.metrics_variables) == 4  # total and count of the loss and of the metric
    model.reset_metrics()
    assert not any(float(v) for v in model.metrics_variables)
