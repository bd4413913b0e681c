"""`Layer.__call__`: conversion, building, `training`, masks, symbolic calls."""

import gc
import warnings
import weakref
from collections import namedtuple

import numpy as np
import pytest

import minirnn
from minirnn import Tensor, layers, ops
from minirnn.autograd import convert
from minirnn.backend import get_keras_mask, set_keras_mask
from minirnn.layers import Dense, Input, InputSpec, Layer
from minirnn.ops.symbolic import KerasTensor

X = np.linspace(-1, 1, 24, dtype="float32").reshape(2, 4, 3)


def masked(x, mask):
    tensor = convert(np.asarray(x))
    set_keras_mask(tensor, convert(np.asarray(mask)))
    return tensor


class Echo(Layer):
    """Return the inputs and keep the arguments of the last call."""

    def call(self, inputs, training=None, mask=None, scale=1.0):
        self.seen = {"training": training, "mask": mask, "inputs": inputs}
        return ops.multiply(inputs, scale)


@pytest.mark.parametrize("value", [X, X.astype("float64"), X.tolist(), convert(X), X.astype("float16")])
def test_floats_of_any_kind_come_as_tensors_of_the_layers_dtype(value):
    for dtype in ("float32", "float64"):
        layer = Echo(dtype=dtype)
        layer(value)
        assert isinstance(layer.seen["inputs"], Tensor)
        assert layer.seen["inputs"].dtype == dtype


def test_integers_keep_their_dtype():
    layer = Echo()
    layer(np.arange(3))
    assert layer.seen["inputs"].dtype == "int64"
    layer([1, 2, 3])
    assert layer.seen["inputs"].dtype == "int32"


def test_a_layer_that_does_not_cast_gets_what_came():
    layer = Echo(autocast=False)
    layer(X.astype("float64"))
    assert layer.seen["inputs"].dtype == "float64"


def test_a_cast_keeps_the_mask():
    layer = Echo()
    layer.supports_masking = True
    layer(masked(X.astype("float64"), np.ones((2, 4), bool)))
    assert layer.seen["mask"] is not None


@pytest.mark.parametrize(
    "value, message",
    [
        (np.array([[1, "a"], [2, 3]], object), "got ndarray of dtype object"),
        (np.array([["a", "b"]]), "got ndarray of dtype <U1"),
        ([[1.0, 2.0], [3.0]], "got list"),
        ("text", "got str"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused_before_anything_is_built(value, message):
    layer = Dense(2, name="d")
    with pytest.raises(
        (TypeError, ValueError), match=f"Dense 'd': inputs must be arrays of numbers; {message}"
    ):
        layer(value)
    assert not layer.built


def test_build_gets_the_shape_of_the_first_argument():
    class Shapes(Layer):
        def build(self, input_shape):
            self.seen = input_shape

        def call(self, inputs, other=None):
            return inputs

    layer = Shapes()
    layer(X, other=np.zeros(7))
    assert layer.seen == (2, 4, 3)
    Pair = namedtuple("Pair", "a b")
    layer = Shapes()
    layer.call = lambda inputs: inputs.a
    layer(Pair(X, [X, {"k": X[0]}]))
    assert layer.seen == Pair((2, 4, 3), [(2, 4, 3), {"k": (4, 3)}])


def test_build_may_name_the_shape_of_each_argument():
    class Attend(Layer):
        def build(self, query_shape, value_shape):
            self.seen = query_shape, value_shape

        def call(self, query, value):
            return ops.add(query, ops.sum(value))

    layer = Attend()
    layer(X, value=np.zeros((5, 2), "float32"))
    assert layer.seen == ((2, 4, 3), (5, 2))


def test_build_need_take_no_shape():
    class Scale(Layer):
        def build(self):
            self.w = self.add_weight(shape=(), initializer="ones", name="w")

        def call(self, inputs):
            return ops.multiply(inputs, self.w)

    layer = Scale(name="scale")
    np.testing.assert_array_equal(layer(X).numpy(), X)
    assert [v.path for v in layer.weights] == ["scale/w"]
    assert Scale()(Input((None, 3))).shape == (None, None, 3)
    # What is made again from its configs can be built before it sees data.
    again = Scale()
    again.build_from_config(layer.get_build_config())
    assert again.built
    assert len(again.weights) == 1


@pytest.mark.parametrize(
    "make, shape, names",
    [
        (lambda: Dense(2, name="it"), (None, 3), ["kernel", "bias"]),
        (lambda: layers.Conv1D(2, 1, name="it"), (None, 4, 3), ["kernel", "bias"]),
        (lambda: layers.Embedding(5, 2, name="it"), (None, 3), ["embeddings"]),
        (lambda: layers.SimpleRNNCell(2, name="it"), (None, 3), ["kernel", "recurrent_kernel", "bias"]),
        (lambda: layers.GRUCell(2, name="it"), (None, 3), ["kernel", "recurrent_kernel", "bias"]),
        (lambda: layers.LSTMCell(2, name="it"), (None, 3), ["kernel", "recurrent_kernel", "bias"]),
    ],
)
def test_what_build_makes_is_not_there_before(make, shape, names):
    layer = make()
    for name in names:
        assert not hasattr(layer, name)
        with pytest.raises(AttributeError, match=f"'it': You must build the layer before accessing `{name}`"):
            getattr(layer, name)
    layer.build(shape)
    assert [id(getattr(layer, name)) for name in names] == [id(v) for v in layer.weights]


def test_build_by_hand_builds_and_is_not_repeated():
    layer = Dense(2)
    layer.build((None, 3))
    assert layer.built
    kernel = layer.kernel
    layer(X)
    assert layer.kernel is kernel


def test_build_by_hand_builds_the_layers_inside_where_none_is_defined():
    class Outer(Layer):
        def __init__(self):
            super().__init__()
            self.inner = Dense(2)

        def call(self, x):
            return self.inner(x)

    layer = Outer()
    layer.build((None, 3))
    assert layer.inner.built
    assert len(layer.weights) == 2


@pytest.mark.parametrize("wrap", [lambda layer: layer, layers.TimeDistributed], ids=["alone", "wrapped"])
def test_build_by_hand_needs_no_default_of_training_and_mask(wrap):
    class Inner(Layer):
        def __init__(self):
            super().__init__()
            self.dense = Dense(2)

        def call(self, x, mask, *, training):
            assert training is False and mask is None
            return self.dense(x)

    layer = Inner()
    wrap(layer).build((None, 4, 3))
    assert layer.dense.kernel.shape == (3, 2)


def test_training_is_false_unless_said_otherwise():
    layer = Echo()
    layer(X)
    assert layer.seen["training"] is False
    layer(X, training=True)
    assert layer.seen["training"] is True
    layer(X, True)
    assert layer.seen["training"] is True


def test_training_goes_down_to_layers_inside_through_layers_that_do_not_take_it():
    class Middle(Layer):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def call(self, x):
            return self.inner(x)

    echo = Echo()
    outer = Middle(Middle(echo))
    outer(X, training=True)
    assert echo.seen["training"] is True
    outer(X)
    assert echo.seen["training"] is False


def test_an_inner_call_may_set_training_and_the_default_counts_where_nobody_does():
    class Inner(Layer):
        def call(self, x, training=True):
            self.seen = training
            return x

    class Outer(Layer):
        def __init__(self):
            super().__init__()
            self.first, self.second = Echo(), Echo()

        def call(self, x):
            return self.second(self.first(x, training=False))

    outer = Outer()
    outer(X, training=True)
    assert (outer.first.seen["training"], outer.second.seen["training"]) == (False, True)
    inner = Inner()
    inner(X)
    assert inner.seen is True


def test_training_is_as_before_after_an_error():
    class Broken(Layer):
        def call(self, x):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Broken()(X, training=True)
    echo = Echo()
    echo(X)
    assert echo.seen["training"] is False


def test_a_mask_reaches_call_and_the_output_of_a_layer_that_supports_masks():
    layer = Echo()
    layer.supports_masking = True
    mask = np.array([[1, 1, 0, 0], [1, 0, 0, 0]], bool)
    y = layer(masked(X, mask))
    np.testing.assert_array_equal(layer.seen["mask"].numpy(), mask)
    np.testing.assert_array_equal(get_keras_mask(y).numpy(), mask)
    y = layer(X, mask=mask.tolist())
    np.testing.assert_array_equal(layer.seen["mask"].numpy(), mask)
    np.testing.assert_array_equal(np.asarray(get_keras_mask(y)), mask)


def test_a_given_mask_goes_before_the_one_that_travels():
    layer = Echo()
    layer.supports_masking = True
    layer(masked(X, np.zeros((2, 4), bool)), mask=np.ones((2, 4), bool))
    assert layer.seen["mask"].numpy().all()


def test_a_mask_is_dropped_with_a_warning_by_a_layer_that_does_not_support_masks():
    class Plain(Layer):
        def call(self, x):
            return x * 2.0

    with pytest.warns(UserWarning, match="Plain 'p' was given an input with a mask") as caught:
        y = Plain(name="p")(masked(X, np.ones((2, 4), bool)))
    assert caught[0].filename == __file__
    assert get_keras_mask(y) is None


def test_no_mask_is_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Echo()(X)._keras_mask is None


def test_a_layer_may_make_a_mask_by_compute_mask():
    class Positive(Layer):
        def call(self, x):
            return ops.relu(x)

        def compute_mask(self, x, mask=None):
            return ops.any(x > 0, axis=-1)

    np.testing.assert_array_equal(get_keras_mask(Positive()(X)).numpy(), (X > 0).any(-1))


def test_masks_of_several_arguments_come_under_their_names():
    class Attend(Layer):
        def call(self, query, value, query_mask=None, value_mask=None):
            self.seen = query_mask, value_mask
            return query

    layer = Attend()
    layer.supports_masking = True
    mask = np.ones((2, 4), bool)
    layer(convert(X), masked(X, mask))
    assert layer.seen[0] is None
    np.testing.assert_array_equal(layer.seen[1].numpy(), mask)


def test_masks_of_a_list_of_inputs_come_as_a_list():
    class Take(Layer):
        def call(self, inputs, mask=None):
            self.seen = mask
            return inputs[0] * 1.0

    layer = Take()
    layer.supports_masking = True
    layer([convert(X), convert(X)])
    assert layer.seen is None
    mask = np.ones((2, 4), bool)
    layer([masked(X, mask), convert(X)])
    assert layer.seen[1] is None
    assert layer.seen[0] is not None


def test_a_layer_of_the_user_without_shape_methods_takes_symbolic_inputs():
    class Halves(Layer):
        def __init__(self):
            super().__init__()
            self.dense = Dense(6)

        def call(self, x):
            y = self.dense(x)
            return {"left": y[..., :2], "right": (ops.sum(y, axis=1), ops.shape(x)[0])}

    layer = Halves()
    y = layer(Input((None, 4)))
    assert y["left"].shape == (None, None, 2)
    assert y["right"][0].shape == (None, 6)
    assert isinstance(y["left"], KerasTensor)
    assert y["left"].call.function is layer
    assert layer(np.zeros((2, 7, 4)))["left"].shape == (2, 7, 2)


def test_a_symbolic_call_changes_no_state():
    layer = layers.BatchNormalization()
    layer(Input((3,)), training=True)
    np.testing.assert_array_equal(layer.moving_mean.numpy(), np.zeros(3))
    drop = layers.Dropout(0.5, seed=1)
    state = drop.seed_generator.state.numpy()
    drop(Input((3,)), training=True)
    np.testing.assert_array_equal(drop.seed_generator.state.numpy(), state)


def test_a_symbolic_call_inside_of_symbolic_keyword_arguments():
    layer = Echo()
    y = layer(Input((None, 3)), scale=Input((1, 1)))
    assert y.shape == (None, None, 3)
    assert len(y.call.inputs) == 2


def test_compute_output_spec_is_a_call_that_leaves_no_trace():
    layer = Dense(2)
    x = Input((None, 3))
    assert layer.compute_output_spec(x).shape == (None, None, 2)
    assert not layer.built
    layer(X)
    assert layer.compute_output_spec(x).shape == (None, None, 2)
    with pytest.raises(AttributeError, match="was not called on one of `Input`"):
        _ = layer.output


def test_compute_output_shape_says_what_other_shapes_it_needs():
    cell = layers.LSTMCell(3, name="c")
    with pytest.raises(ValueError, match=r"LSTMCell 'c': .* takes the shapes .* inputs, states; .*'states'"):
        cell.compute_output_shape((2, 4))
    assert cell.compute_output_shape((2, 4), [(2, 3), (2, 3)]) == ((2, 3), [(2, 3), (2, 3)])


def test_input_and_output_of_a_layer_are_one_tensor_or_a_flat_list_of_its_first_call():
    class Pair(Layer):
        def call(self, inputs, other=None):
            return {"b": [inputs, other], "a": inputs}

    x, y = Input((4, 3)), Input((2,))
    pair, rnn, wrapped = Pair(), layers.LSTM(2, return_state=True), layers.Dense(2)
    outputs = pair(x, other=y)
    assert pair.input == [x, y] and pair.output == [outputs["a"], *outputs["b"]]
    output, *states = rnn(x, initial_state=[y, y])
    assert rnn.input == [x, y, y] and rnn.output == [output, *states]
    rnn(x)
    assert rnn.input == [x, y, y]
    assert wrapped(x) is wrapped.output and wrapped.input is x
    found = minirnn.Model([x, y], rnn.output[1:]).predict([X, X[:, 0, :2]], verbose=0)
    assert [type(found), *([s.shape for s in found])] == [list, (2, 2), (2, 2)]


def test_compute_output_shape_does_not_build():
    layer = Dense(5)
    assert layer.compute_output_shape((None, 7, 3)) == (None, 7, 5)
    assert not layer.built


@pytest.mark.parametrize(
    "spec, problem",
    [
        (InputSpec(ndim=2), "expected 2 axes"),
        (InputSpec(min_ndim=4), "expected at least 4 axes"),
        (InputSpec(max_ndim=2), "expected at most 2 axes"),
        (InputSpec(axes={-1: 5}), "expected size 5 on axis -1"),
        (InputSpec(axes={7: 5}), "expected an axis 7"),
        (InputSpec(shape=(None, 4, 2)), r"expected shape \(None, 4, 2\)"),
        (InputSpec(shape=(None, 4)), r"expected shape \(None, 4\)"),
        (InputSpec(dtype="int32"), "expected dtype int32; got float32"),
        ([InputSpec(), InputSpec()], r"expected 2 input tensor\(s\); got 1"),
    ],
)
def test_input_specs_are_checked_and_the_error_names_the_layer(spec, problem):
    layer = Echo(name="echo")
    layer.input_spec = spec
    with pytest.raises(ValueError, match=f"Echo 'echo': .*{problem}"):
        layer(X)
    with pytest.raises(ValueError, match=f"Echo 'echo': .*{problem}"):
        layer(Input(X.shape[1:]))


def test_input_specs_let_pass_what_fits():
    specs = [
        InputSpec(ndim=3, axes={-1: 3}),
        InputSpec(shape=(None, 4, 3)),
        InputSpec(shape=(None, 4, 3, 1), allow_last_axis_squeeze=True),
        InputSpec(dtype="float32", min_ndim=3, max_ndim=3),
    ]
    for spec in specs:
        layer = Echo()
        layer.input_spec = spec
        layer(X)
        layer(Input((None, 3)))


@pytest.mark.parametrize(
    "options, text",
    [
        ({"ndim": 3, "axes": {-1: 4}}, "ndim=3, axes={-1: 4}"),
        ({"shape": (None, 3)}, "shape=(None, 3), ndim=2"),
        ({"dtype": "float32", "min_ndim": 2, "max_ndim": 4}, "dtype=float32, max_ndim=4, min_ndim=2"),
        ({}, ""),
    ],
)
def test_an_input_spec_prints_what_it_asks_for_as_in_keras(options, text):
    assert repr(InputSpec(**options)) == f"InputSpec({text})"


def test_the_input_of_several_that_is_wrong_is_named():
    class Two(Layer):
        def call(self, inputs):
            return inputs[0]

    layer = Two(name="two")
    layer.input_spec = [InputSpec(ndim=3), InputSpec(ndim=2)]
    with pytest.raises(ValueError, match=r"Two 'two': input 1: expected 2 axes; got shape \(2, 4, 3\)"):
        layer([X, X])
    layer.input_spec = [InputSpec(name="a"), InputSpec(name="b")]
    with pytest.raises(ValueError, match=r"expected inputs named .*'a', 'b'.*; got .*'a', 'c'.*Add \['b'\]"):
        layer({"a": X, "c": X})


def test_a_layer_without_call_says_what_is_missing():
    with pytest.raises(NotImplementedError, match=r"Layer 'empty': define call\(self, inputs\)"):
        Layer(name="empty")(X)


def test_a_layer_that_models_share_does_not_keep_them():
    shared, kept = layers.Dense(2), []
    x = Input((3,))
    minirnn.Model(x, shared(x))
    for _ in range(3):
        x, own = Input((3,)), layers.Dense(3)
        model = minirnn.Model(x, shared(own(x)))
        kept.append(weakref.ref(own))
        del model, own, x
    gc.collect()
    assert not any(reference() for reference in kept)
