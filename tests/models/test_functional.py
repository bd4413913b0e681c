"""`Functional`: graphs of any form, nested inputs and outputs, what is kept and what is refused."""

import copy
import gc
import json
import weakref
from collections import OrderedDict, namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import Functional, Input, Model, Sequential, grad, layers, no_grad, ops, tree
from minirnn.backend import get_keras_mask
from tests.models.helpers import X, two_headed

Pair = namedtuple("Pair", ["left", "right"])


def structures(leaves):
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3),
            st.tuples(inner, inner),
            st.dictionaries(st.sampled_from("zyab"), inner, min_size=1, max_size=3),
            st.builds(Pair, inner, inner),
        ),
        max_leaves=5,
    )


@pytest.mark.filterwarnings("ignore:Functional .* stands under the key")
@given(structures(st.integers(1, 3)))
def test_inputs_and_outputs_nest_in_any_way(sizes):
    tensors = iter([Input((n,), name=f"i{k}") for k, n in enumerate(tree.flatten(sizes))])
    inputs = tree.map_structure(lambda _: next(tensors), sizes)
    outputs = tree.map_structure(lambda t: ops.multiply(t, 2.0) + 1.0, inputs)
    model = Model({"all": inputs}, Pair(outputs, tree.flatten(outputs)[0]))
    x = tree.map_structure(lambda n: np.full((2, n), float(n)), sizes)
    for y in (model({"all": x}), model.predict({"all": x}, verbose=0)):
        assert isinstance(y, Pair)
        tree.assert_same_structure(y.left, x)
        for value, n in zip(tree.flatten(y.left), tree.flatten(sizes), strict=True):
            np.testing.assert_array_equal(value, np.full((2, n), 2.0 * n + 1))


def test_an_output_in_a_list_of_one_comes_alone_as_in_keras():
    x = Input((3,))
    assert Model([x], [x * 2])(np.ones((2, 3))).shape == (2, 3)
    assert Model(x, {"y": x * 2})(np.ones((2, 3)))["y"].shape == (2, 3)


def test_a_shared_layer_has_one_set_of_weights_and_the_gradient_of_both_calls():
    shared = layers.Dense(2)
    a, b = Input((3,)), Input((3,))
    model = Model([a, b], shared(a) + shared(b))
    assert len(model.weights) == 2
    total = ops.sum(model([X[:, 0], X[:, 1]]))
    kernel = grad(total, model.trainable_weights)[0]
    np.testing.assert_allclose(kernel[:, 0], (X[:, 0] + X[:, 1]).sum(axis=0), atol=1e-5)


def test_states_are_passed_from_an_encoder_to_a_decoder():
    source, target = Input((None,), dtype="int32"), Input((None,), dtype="int32")
    _, *states = layers.LSTM(4, return_state=True, name="encoder")(layers.Embedding(9, 5)(source))
    decoder = layers.LSTM(4, name="decoder")
    output = decoder(layers.Embedding(8, 5)(target), initial_state=states)
    model = Model([source, target], layers.Dense(2)(output))
    a, b = np.array([[1, 2, 3]]), np.array([[4, 5]])
    embeddings = [layer for layer in model.layers if isinstance(layer, layers.Embedding)]
    _, h, c = model.get_layer("encoder")(embeddings[0](a))
    expected = model.layers[-1](decoder(embeddings[1](b), initial_state=[h, c]))
    np.testing.assert_array_equal(model([a, b]), expected)
    assert not np.array_equal(model([a, b]), model([a[:, ::-1], b]))


def test_models_are_layers_and_ops_stand_between_layers():
    inner_input = Input((3,), name="x")
    inner = Model(inner_input, layers.Dense(2)(ops.tanh(inner_input)), name="inner")
    x = Input((3,))
    model = Model(x, ops.concatenate([inner(x), inner(2.0 * x)], axis=-1)[:, 1:])
    expected = np.concatenate([inner(X[:, 0]), inner(2 * X[:, 0])], axis=-1)[:, 1:]
    np.testing.assert_allclose(model(X[:, 0]), expected, rtol=1e-6)
    assert inner in model.layers and len(model.weights) == 2


def test_a_model_may_begin_in_the_middle_of_another():
    x = Input((3,))
    middle = layers.Dense(4, name="first")(x)
    y = layers.Dense(2, name="second")(middle)
    whole, end = Model(x, y), Model(middle, y)
    assert [layer.name for layer in end.layers][1:] == ["second"]
    np.testing.assert_array_equal(end(Model(x, middle)(X[:, 0])), whole(X[:, 0]))


def test_masks_flow_by_themselves():
    tokens = Input((None,), dtype="int32")
    embedded = layers.Embedding(9, 4, mask_zero=True)(tokens)
    model = Model(tokens, [layers.LSTM(3, return_sequences=True)(embedded), layers.GRU(2)(embedded)])
    x = np.array([[3, 4, 0, 0], [1, 2, 5, 0]])
    sequence, last = model(x)
    np.testing.assert_array_equal(get_keras_mask(sequence), x != 0)
    assert get_keras_mask(last) is None
    np.testing.assert_allclose(last[0], model(x[:1, :2])[1][0], atol=1e-6)


def test_a_mask_may_be_given_and_the_caller_s_tensor_stays_without():
    steps = Input((None, 3))
    model = Model(steps, layers.LSTM(2)(steps))
    x = ops.convert_to_tensor(X)
    mask = np.arange(4) < np.array([2] * 23)[:, None]
    np.testing.assert_allclose(model(x, mask=mask), model(x[:, :2]), atol=1e-6)
    assert get_keras_mask(x) is None


def test_inputs_are_taken_by_name_by_place_and_alone():
    model = two_headed()
    a, b = X[:, 0], X[:, 1]
    expected = model([a, b])
    for inputs in ((a, b), {"a": a, "b": b}, {"b": b, "a": a, "other": a}):
        for key, y in model(inputs).items():
            np.testing.assert_array_equal(y, expected[key])
    x = Input((3,), name="x")
    for inputs in (a, [a], {"x": a}):
        np.testing.assert_array_equal(Model(x, x * 2)(inputs), a * 2)


@pytest.mark.parametrize("kind", [dict, OrderedDict])
def test_inputs_in_an_ordered_dict_are_taken_by_their_keys(kind):
    late, early = Input((2,), name="late"), Input((2,), name="early")
    model = Model(OrderedDict(late=late, early=early), late - early)
    data = kind(late=np.full((1, 2), 5.0), early=np.ones((1, 2)))
    np.testing.assert_array_equal(model.predict(data, verbose=0), np.full((1, 2), 4.0))


def test_a_last_axis_of_size_one_may_come_or_go_as_in_keras():
    column, flat = Input((1,)), Input((None,))
    assert Model(column, column * 2)(np.ones(5)).shape == (5, 1)
    assert Model(flat, flat * 2)(np.ones((5, 4, 1))).shape == (5, 4)


def test_training_reaches_the_layers_unless_a_call_says_otherwise():
    x = Input((50,))
    always, sometimes = layers.Dropout(0.5), layers.Dropout(0.5)
    model = Model(x, [always(x, training=True), sometimes(x)])
    ones = np.ones((1, 50))
    assert [bool((y.numpy() == 0).any()) for y in model(ones)] == [True, False]
    assert [bool((y.numpy() == 0).any()) for y in model(ones, training=True)] == [True, True]


def test_no_value_outlives_the_last_call_that_needs_it():
    alive, most = [], 0

    def note(x):
        nonlocal most
        gc.collect()
        most = max(most, sum(ref() is not None for ref in alive))
        y = x + 1.0
        alive.append(weakref.ref(y.data))
        return y

    x = y = Input((3,))
    for _ in range(20):
        y = layers.Lambda(note)(y)
    model = Model(x, y)
    alive.clear()
    most = 0
    with no_grad():
        model(np.zeros((1, 3)))
    assert most <= 2


def test_a_graph_of_thousands_of_calls_needs_no_recursion():
    x = y = Input((2,))
    for _ in range(3000):
        y = y + 1.0
    model = Model(x, y)
    assert float(model(np.zeros((1, 2)))[0, 0]) == 3000
    assert len(model.operations) == 3001


def test_a_copy_is_independent():
    model = two_headed()
    twin = copy.deepcopy(model)
    twin.set_weights([w + 1 for w in model.get_weights()])
    inputs = [X[:, 0], X[:, 1]]
    assert not np.array_equal(twin(inputs)["first"], model(inputs)["first"])
    model.set_weights(twin.get_weights())
    np.testing.assert_array_equal(twin(inputs)["first"], model(inputs)["first"])
    assert twin.get_config() == model.get_config()


def test_architectures_survive_json_with_shared_layers_ops_models_and_namedtuples():
    inner_input = Input((3,), name="x")
    inner = Model(inner_input, layers.Dense(2, name="d")(inner_input), name="inner")
    a, b = Input((3,), name="a"), Input((3,), name="b")
    shared = layers.Dense(3, name="shared")
    joined = layers.Add(name="sum")(Pair(shared(a), shared(shared(b))))
    y = ops.tanh(inner(joined))[:, 0]
    model = Model(Pair(a, b), {"y": y, "z": [joined, inner(a)]}, name="whole")
    config = json.loads(json.dumps(model.get_config()))
    twin = Model.from_config(config)
    assert isinstance(twin, Functional) and twin.name == "whole"
    assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
    twin.set_weights(model.get_weights())
    for got, expected in zip(*(tree.flatten(m(Pair(X[:, 0], X[:, 1]))) for m in (twin, model)), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_subclass_hands_its_inputs_and_outputs_on():
    class Doubling(Model):
        def __init__(self, inputs, outputs, factor=2.0, **kwargs):
            super().__init__(inputs, outputs, **kwargs)
            self.factor = factor

        def train_step(self, data):
            return {"marker": self.factor}

    x = Input((3,))
    model = Doubling(x, layers.Dense(2)(x), factor=3.0, name="doubling")
    assert isinstance(model, Functional) and isinstance(model, Doubling)
    assert model(X[:, 0]).shape == (23, 2) and model.factor == 3.0
    model.compile("sgd", "mse")
    assert model.fit(X[:, 0], X[:, 0, :2], verbose=0).history == {"marker": [3.0]}


def test_get_layer_finds_by_name_and_place():
    model = two_headed()
    assert model.get_layer("hidden") is model.get_layer(index=3) is model.layers[3]
    for arguments, word in [({"name": "x"}, "hidden"), ({"index": 9}, "9"), ({}, "name or index")]:
        with pytest.raises(ValueError, match=word):
            model.get_layer(**arguments)


def test_a_missing_input_is_named():
    a, b = Input((3,), name="here"), Input((5,), name="forgotten")
    y = layers.Dense(2, name="out")(layers.Concatenate()([a, b]))
    with pytest.raises(
        ValueError, match=r"Functional 'net'.*'out'.*'forgotten' of shape \(None, 5\).*'here'"
    ):
        Model([a], y, name="net")


def test_an_input_that_leads_nowhere_is_kept():
    a, b = Input((3,), name="a"), Input((3,), name="b")
    model = Model([a, b], a * 2)
    assert {layer.name for layer in model.layers} == {"a", "b"}
    np.testing.assert_array_equal(model([X[:, 0], X[:, 1]]), X[:, 0] * 2)


@pytest.mark.parametrize(
    "inputs, words",
    [
        ([X[:, 0]], ["Functional 'net'", "(None, 3)", "(23, 3)"]),
        ([X[:, 0], X[:, 0], X[:, 0]], ["Functional 'net'"]),
        ({"a": X[:, 0]}, ["Functional 'net'", "'b'"]),
        ([X[:, 0], X[:, 0, :2]], ["Functional 'net'", "'b'", "(None, 3)", "(23, 2)"]),
        ([X[:, 0], X], ["Functional 'net'", "'b'", "(23, 4, 3)"]),
        ([X[:, 0], None], ["Functional 'net'", "'b'", "missing"]),
    ],
)
def test_inputs_of_another_form_are_refused(inputs, words):
    a, b = Input((3,), name="a"), Input((3,), name="b")
    model = Model([a, b], a + b, name="net")
    with pytest.raises(ValueError, match=r"Functional") as caught:
        model(inputs)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_what_is_no_symbolic_tensor_is_refused():
    x = Input((3,))
    for inputs, outputs in [(X, x), (x, X), ([], x), (x, [])]:
        with pytest.raises(ValueError, match="symbolic tensors"):
            Model(inputs, outputs)
    with pytest.raises(ValueError, match="'same'"):
        Model(x, layers.Dense(1, name="same")(layers.Dense(1, name="same")(x)))


@pytest.mark.parametrize("kind", ["sequential", "functional"])
def test_the_output_of_a_layer_inside_can_be_a_model_s(kind):
    x = Input((4, 3))
    rnn, head = layers.GRU(5, name="rnn"), layers.Dense(2)
    model = Sequential([x, rnn, head]) if kind == "sequential" else Model(x, head(rnn(x)))
    features = Model(model.input, model.get_layer("rnn").output)
    np.testing.assert_array_equal(head(features(X)), model(X))
