"""`clone_model`: new layers of the same configs, called as the old ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import Input, Model, Sequential, layers, ops
from minirnn.layers import Dense, Dropout, Layer
from minirnn.models import Functional, clone_model

RNG = np.random.default_rng(0)
DATA = {"a": RNG.normal(size=(2, 5, 4)).astype("float32"), "b": RNG.normal(size=(2, 4)).astype("float32")}


def branched():
    """Two inputs under names, a shared layer, ops, a nested model, two outputs."""
    a, b = Input((None, 4), name="a"), Input((4,), name="b")
    shared = Dense(4, name="shared")
    steps = layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both")(shared(a))
    steps = layers.TimeDistributed(Dense(2, activation="relu"), name="each")(steps)
    inner = Sequential([Input((4,)), Dense(5, name="deep"), Dropout(0.1, seed=1)], name="inner")
    return Model({"a": a, "b": b}, [steps, inner(shared(b) * 2 + ops.relu(b))], name="branched")


def stack(first=None):
    first = [Input((5, 4), name="x")] if first is None else first
    return Sequential([*first, layers.GRU(3, name="gru", seed=1), Dense(2, name="dense")], name="stack")


def paths(model):
    return [(v.path, v.shape, v.trainable) for v in model.weights]


class Doubling(Layer):
    def call(self, x):
        return x * 2


MODELS = st.sampled_from(
    [
        (branched, DATA),
        (stack, DATA["a"]),
        (lambda: Sequential([layers.RNN([layers.GRUCell(3), layers.LSTMCell(2)]), Doubling()]), DATA["a"]),
        (lambda: Sequential([stack(), Dense(2, name="head")]), DATA["a"]),
    ]
)


@given(MODELS, st.booleans(), st.booleans())
def test_a_clone_has_the_names_shapes_and_function_of_the_model_and_other_weights(case, recursive, frozen):
    make, x = case
    model = make()
    model.layers[-1].trainable = not frozen
    model(x)
    clone = clone_model(model, recursive=recursive)
    clone(x)
    assert type(clone) is type(model)
    assert clone.name == model.name
    assert [layer.name for layer in clone.layers] == [layer.name for layer in model.layers]
    assert paths(clone) == paths(model)
    assert not {id(v) for v in clone.variables} & {id(v) for v in model.variables}
    assert not {id(x) for x in clone._flatten_layers()} & {id(x) for x in model._flatten_layers()}
    before = [w.copy() for w in model.get_weights()]
    clone.set_weights([w + 1 for w in before])
    for now, then in zip(model.get_weights(), before):
        np.testing.assert_array_equal(now, then)
    clone.set_weights(before)
    for a, b in zip(*(m(x) if isinstance(m(x), list) else [m(x)] for m in (model, clone))):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_weights_of_a_clone_are_drawn_anew():
    model = Sequential([Input((4,)), Dense(3)])
    model.layers[0].kernel.assign(np.ones((4, 3), "float32"))
    assert len(np.unique(clone_model(model).layers[0].kernel.numpy())) > 1


def test_a_model_that_is_not_built_has_a_clone_that_is_not():
    model = stack(first=[])
    clone = clone_model(model)
    assert not clone.built
    assert clone(DATA["a"]).shape == (2, 2)
    assert not model.built


def test_what_is_shared_stays_shared_through_nested_models_too():
    shared = Dense(4, name="shared")
    x = Input((4,))
    inner = Model(x, shared(x), name="inner")
    model = Model(x, inner(shared(x)))
    clone = clone_model(model, recursive=True)
    assert len(clone.weights) == 2
    assert clone.get_layer("inner").get_layer("shared") is clone.get_layer("shared")


def test_a_frozen_model_has_a_frozen_clone():
    for model in (stack(), branched()):
        model.trainable = False
        clone = clone_model(model)
        assert not clone.trainable
        assert clone.trainable_weights == []


def test_a_compiled_model_has_a_clone_compiled_alike_that_has_made_no_step():
    model = stack()
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(DATA["a"], np.zeros((2, 2)), verbose=0)
    clone = clone_model(model)
    assert int(clone.optimizer.iterations) == 0
    assert clone.optimizer is not model.optimizer
    assert set(clone.fit(DATA["a"], np.zeros((2, 2)), verbose=0).history) == {"loss", "mae"}


def test_inputs_of_a_clone_may_be_given():
    x = Input((7, 4), batch_size=2, name="other")
    assert clone_model(stack(), input_tensors=x).output_shape == (2, 2)
    assert clone_model(stack(), input_tensors=[x]).output_shape == (2, 2)
    model = branched()
    tensors = {"a": Input((7, 4), name="a"), "b": Input((4,), name="b")}
    clone = clone_model(model, input_tensors=tensors)
    assert clone.input["a"] is tensors["a"]
    assert clone.output_shape[0] == (None, 7, 2)


def test_a_clone_function_makes_the_layers_and_those_of_nested_models_if_recursive():
    def units_of_six(layer):
        config = layer.get_config()
        return type(layer).from_config({**config, "units": 6} if layer.name == "deep" else config)

    assert clone_model(branched(), clone_function=units_of_six).get_layer("inner").output_shape[-1] == 5
    clone = clone_model(branched(), clone_function=units_of_six, recursive=True)
    assert clone.get_layer("inner").output_shape[-1] == 6
    model = stack()
    assert clone_model(model, clone_function=lambda layer: layer).layers == model.layers


def test_a_call_function_calls_the_layers_of_functional_models():
    def with_dropout(layer, *args, **kwargs):
        y = layer(*args, **kwargs)
        return Dropout(0.5)(y) if layer.name == "shared" else y

    model = branched()
    clone = clone_model(model, clone_function=lambda layer: layer, call_function=with_dropout)
    assert sum(type(layer) is Dropout for layer in clone.layers) == 2
    assert clone.get_layer("shared") is model.get_layer("shared")
    with pytest.raises(ValueError, match=r"call_function must return 1 output\(s\) for <Dense .*; got 2"):
        clone_model(model, call_function=lambda layer, *args: [layer(*args)] * 2)
    with pytest.raises(ValueError, match="call_function can be given for functional models"):
        clone_model(stack(), call_function=with_dropout)


def test_a_subclass_of_functional_is_cloned_to_its_class_where_it_is_made_alike():
    class Named(Model):
        pass

    class Other(Model):
        def __init__(self, units):
            x = Input((4,))
            super().__init__(x, Dense(units)(x))

    x = Input((4,))
    assert isinstance(clone_model(Named(x, Dense(2)(x))), Named)
    assert type(clone_model(Other(3))) is Functional


class Own(Model):
    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.dense = Dense(units)

    def call(self, x):
        return self.dense(x)


def test_a_model_of_a_class_of_its_own_is_made_from_its_config_and_takes_no_functions():
    model = Own(units=5, name="own")
    model(DATA["b"])
    clone = clone_model(model)
    assert type(clone) is Own
    assert clone(DATA["b"]).shape == (2, 5)
    assert clone.dense is not model.dense
    for name in ("clone_function", "call_function", "input_tensors"):
        with pytest.raises(ValueError, match=f"clone_model: {name} can be given for"):
            clone_model(model, **{name: lambda layer: layer})


@pytest.mark.parametrize(
    "make, tensors, message",
    [
        (stack, np.zeros((2, 5, 4)), "input_tensors must be symbolic"),
        (stack, [Input((5, 4)), Input((5, 4))], "must be one tensor for a Sequential; got 2"),
        (branched, {"a": Input((5, 4)), "b": 3}, "input_tensors must be symbolic, .*; got 3"),
        (branched, [Input((5, 4))], "input_tensors must have the structure of model.input"),
    ],
)
def test_input_tensors_that_do_not_fit_are_refused(make, tensors, message):
    with pytest.raises(ValueError, match=message):
        clone_model(make(), input_tensors=tensors)
