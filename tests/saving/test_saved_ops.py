"""Ops between the layers of a functional model, in files."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minirnn
from minirnn import activations, layers, ops, random, saving

X = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")


def through_json(model):
    return saving.model_from_json(model.to_json())


@pytest.mark.parametrize(
    "build",
    [
        lambda x: -x,
        abs,
        lambda x: ~(x > 0),
        lambda x: activations.relu(x, 0.1, 2.0, 0.5),
        lambda x: activations.gelu(x),
        lambda x: x.mean(axis=(1, 2), keepdims=True),
        lambda x: x.transpose(0, 2, 1).astype("float64"),
        lambda x: x.T,
    ],
)
def test_a_model_with_ops_is_the_same_after_loading(build):
    i = minirnn.Input(batch_shape=X.shape)
    model = minirnn.Model(i, build(i))
    ours, again = model(X).numpy(), through_json(model)(X).numpy()
    assert ours.dtype == again.dtype
    np.testing.assert_array_equal(again, ours)
    assert through_json(through_json(model)).to_json() == through_json(model).to_json()


def as_lists(index):
    return index.tolist() if isinstance(index, np.ndarray) else index


indices = st.one_of(
    hnp.basic_indices(X.shape, allow_newaxis=True),
    hnp.integer_array_indices(X.shape),
    hnp.integer_array_indices(X.shape).map(lambda index: tuple(map(as_lists, index))),
    st.lists(st.integers(-2, 1), min_size=1, max_size=3),
)


@settings(max_examples=50)
@given(indices)
def test_any_index_is_the_same_after_loading(index):
    i = minirnn.Input(batch_shape=X.shape)
    np.testing.assert_array_equal(through_json(minirnn.Model(i, i[index]))(X).numpy(), X[index])


@pytest.mark.parametrize(
    "call, name",
    [
        (lambda x: random.dropout(x, 0.5), "dropout"),
        (lambda x: layers.recompute(np.tanh)(x), "tanh"),
        (lambda x: layers.recompute(ops.tanh)(x), "tanh"),
    ],
)
def test_an_op_that_could_not_be_read_again_is_not_saved(tmp_path, call, name):
    i = minirnn.Input((5, 4))
    model = minirnn.Model(i, call(i))
    with pytest.raises(ValueError, match=f"'{name}' between the layers.*no op of minirnn.ops"):
        model.save(tmp_path / "m.keras")
    assert not list(tmp_path.iterdir())


def tensor(name, shape=(None, 5, 4)):
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": shape, "dtype": "float32", "keras_history": [name, 0, 0]},
    }


def entry(name, op, *args, **kwargs):
    function = {"module": "minirnn.ops", "class_name": "function", "config": op}
    return {**function, "name": name, "inbound_nodes": [{"args": args, "kwargs": kwargs}]}


def test_the_form_in_which_ops_were_written_before_is_read():
    """Names of functions, with all arguments in the call and tuples named."""
    every = {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": None}}
    begin = {
        "module": "keras.layers",
        "class_name": "InputLayer",
        "config": {"batch_shape": [None, 5, 4], "name": "x"},
        "name": "x",
        "inbound_nodes": [],
    }
    entries = [
        begin,
        entry("add", "add", tensor("x"), 1.0),
        entry("getitem", "getitem", tensor("add"), index={"class_name": "__tuple__", "config": [every, -1]}),
        entry("mean", "mean", tensor("getitem"), axis=-1, keepdims=True),
    ]
    config = {
        "name": "old",
        "layers": entries,
        "input_layers": [["x", 0, 0]],
        "output_layers": [["mean", 0, 0]],
    }
    model = saving.model_from_json(
        json.dumps({"module": "keras", "class_name": "Functional", "config": config})
    )
    np.testing.assert_allclose(model(X).numpy(), (X + 1)[:, -1].mean(-1, keepdims=True), rtol=1e-6)
