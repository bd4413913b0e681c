"""Laws of layers of mixed precision: what stays float32, what is float16, and where gradients arrive."""

import copy
import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minirnn
from minirnn import Variable, backend, config, grad, kernels, layers, no_grad, ops
from minirnn.layers.context import context
from minirnn.layers.precision import CastVariable
from minirnn.layers.recompute import recompute

MIXED = "mixed_float16"
X_BTD = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
# Layers with weights, and what each takes.
EVERY = {
    "Dense": (lambda **o: layers.Dense(6, activation="tanh", **o), X_BTD),
    "SimpleRNN": (lambda **o: layers.SimpleRNN(6, **o), X_BTD),
    "GRU": (lambda **o: layers.GRU(6, return_sequences=True, **o), X_BTD),
    "LSTM": (lambda **o: layers.LSTM(6, **o), X_BTD),
    "RNN": (lambda **o: layers.RNN(layers.LSTMCell(6, **o), **o), X_BTD),
    "stack": (lambda **o: layers.RNN([layers.GRUCell(6, **o), layers.LSTMCell(6, **o)], **o), X_BTD),
    "Bidirectional": (lambda **o: layers.Bidirectional(layers.LSTM(6, **o), **o), X_BTD),
    "TimeDistributed": (lambda **o: layers.TimeDistributed(layers.Dense(6, **o), **o), X_BTD),
    "Embedding": (lambda **o: layers.Embedding(9, 6, **o), np.arange(9).reshape(3, 3)),
    "LayerNormalization": (lambda **o: layers.LayerNormalization(**o), X_BTD),
    "BatchNormalization": (lambda **o: layers.BatchNormalization(**o), X_BTD),
    "Conv1D": (lambda **o: layers.Conv1D(6, 2, **o), X_BTD),
}


def total(y, seed=3):
    """A scalar that depends on all of an output."""
    weights = np.random.default_rng(seed).normal(size=y.shape).astype("float32")
    return ops.sum(ops.cast(y, "float32") * weights)


def equal_pair(make, x):
    """Return a layer of mixed precision and one of float32 with the same weights."""
    mixed, plain = make(dtype=MIXED), make(dtype="float32")
    mixed(x), plain(x)
    plain.set_weights(mixed.get_weights())
    return mixed, plain


@pytest.mark.parametrize("name", EVERY)
def test_outputs_are_float16_weights_and_their_gradients_float32_and_all_as_in_float32(name):
    make, x = EVERY[name]
    mixed, plain = equal_pair(make, x)
    assert {v.dtype.name for v in mixed.weights} == {"float32"}
    y, want = mixed(x), plain(x)
    assert y.dtype == "float16" and want.dtype == "float32"
    np.testing.assert_allclose(y.numpy(), want.numpy(), atol=1e-2)
    got, expected = (grad(total(z), layer.trainable_weights) for z, layer in ((y, mixed), (want, plain)))
    for g, w in zip(got, expected, strict=True):
        assert g.dtype == "float32"
        np.testing.assert_allclose(g.numpy(), w.numpy(), atol=2e-2 * max(1.0, abs(w.numpy()).max()))


@pytest.mark.parametrize("name", EVERY)
def test_symbolic_outputs_have_the_dtype_of_the_outputs(name):
    make, x = EVERY[name]
    layer = make(dtype=MIXED)
    symbolic = layer(minirnn.Input(x.shape[1:], dtype=x.dtype.name))
    assert symbolic.dtype == layer(x).dtype == layer.compute_dtype == "float16"


@pytest.mark.parametrize("name", EVERY)
def test_a_copy_a_pickle_and_a_config_keep_the_policy_and_the_outputs(name):
    make, x = EVERY[name]
    layer = make(dtype=MIXED)
    want = layer(x).numpy()
    again = layers.deserialize(json.loads(json.dumps(layers.serialize(layer))))
    again(x)
    again.set_weights(layer.get_weights())
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), again):
        assert twin.dtype_policy.name == MIXED
        np.testing.assert_array_equal(twin(x).numpy(), want)
        twin.set_weights([w + 1 for w in twin.get_weights()])
        assert not np.array_equal(twin(x).numpy(), want)
    np.testing.assert_array_equal(layer(x).numpy(), want)


def test_what_is_pickled_is_the_stored_value_alone():
    layer = layers.Dense(2, dtype=MIXED)
    layer(X_BTD)
    assert layer.kernel.__getstate__()["data"].dtype == "float32"
    assert not [v for v in layer.kernel.__getstate__().values() if getattr(v, "dtype", None) == "float16"]
    assert "_kept_cast" not in layer.kernel.__getstate__()


def test_a_weight_is_cast_once_for_each_value():
    layer = layers.Dense(2, dtype=MIXED)
    layer(X_BTD[:, 0])
    seen = []
    layer.call = lambda inputs: seen.append(layer.kernel.data) or inputs
    layer(X_BTD[:, 0]), layer(X_BTD[:, 0])
    layer.kernel.assign_add(1.0)
    layer(X_BTD[:, 0])
    assert seen[0] is seen[1] is not seen[2]
    assert {array.dtype.name for array in seen} == {"float16"}
    np.testing.assert_allclose(backend.to_numpy(seen[2]), backend.to_numpy(seen[0]) + 1, atol=2e-3)


class Seeing(layers.Layer):
    """Notes how its weights look in its call."""

    def __init__(self, **options):
        super().__init__(**options)
        self.own = Variable(np.ones(3, "float32"), name="own")
        self.count = Variable(np.zeros((), "int32"), trainable=False, name="count")

    def build(self, shape):
        self.cast = self.add_weight((3,), "ones", name="cast")
        self.kept = self.add_weight((3,), "ones", name="kept", autocast=False)

    def call(self, inputs):
        named = {"own": self.own, "count": self.count, "cast": self.cast, "kept": self.kept}
        self.seen = {
            name: (v.dtype.name, v.value.dtype.name, v.numpy().dtype.name) for name, v in named.items()
        }
        return inputs * self.cast


def test_in_the_call_all_that_asks_sees_the_cast_value_and_outside_of_it_nothing():
    layer = Seeing(dtype=MIXED)
    y = layer(np.ones((2, 3)))
    assert layer.seen == {
        "own": ("float16",) * 3, "count": ("int32",) * 3, "cast": ("float16",) * 3, "kept": ("float32",) * 3,
    }  # fmt: skip
    assert y.dtype == "float16"
    assert {v.dtype.name for v in layer.weights} == {"float32", "int32"}
    assert layer.cast.value.dtype == layer.own.value.dtype == "float32"


@pytest.mark.parametrize(
    "options", [{"dtype": "float32"}, {"dtype": "float64"}, {"dtype": MIXED, "autocast": False}]
)
def test_where_nothing_is_mixed_or_nothing_is_cast_weights_are_as_they_are(options):
    layer = Seeing(**options)
    layer(np.ones((2, 3)))
    assert layer.seen["cast"] == (layer.variable_dtype,) * 3
    if options["dtype"] != MIXED:
        assert not any(isinstance(v, CastVariable) for v in layer.weights)


class Counting(layers.Layer):
    """Assigns a float weight of its own in its call."""

    def build(self, shape):
        self.total = self.add_weight((), "zeros", trainable=False, name="total")

    def call(self, inputs):
        self.total.assign_add(0.0001)
        self.total.assign(self.total.value + ops.cast(1.0, "float32") * 0)
        return inputs


def test_an_assignment_in_the_call_changes_the_stored_value():
    layer = Counting(dtype=MIXED)
    for _ in range(3):
        layer(np.ones((2, 3)))
    # The value that the call sees is of float16, and so is what it assigns.
    assert layer.total.dtype == "float32"
    assert float(layer.total) == pytest.approx(3e-4, rel=1e-3)


def test_assign_add_adds_to_the_stored_value_in_its_own_precision():
    layer = Counting(dtype=MIXED)
    layer(np.ones((2, 3)))
    layer.total.assign(1.0)
    context.cast = np.dtype("float16")
    try:
        for _ in range(4):
            layer.total.assign_add(1e-4)
            layer.total.assign_sub(ops.convert_to_tensor(5e-5))
    finally:
        context.cast = None
    assert float(layer.total) == pytest.approx(1.0002, abs=1e-6)  # in float16 each step would be lost


def test_layers_of_other_policies_inside_of_a_mixed_one_keep_theirs():
    class Outer(layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.single, self.double = Seeing(dtype="float32"), Seeing(dtype="float64")
            self.half = Seeing(dtype=MIXED)

        def call(self, inputs):
            return self.single(inputs), self.double(inputs), self.half(inputs), context.cast

    for dtype, around in ((MIXED, "float16"), ("float32", None)):
        outer = Outer(dtype=dtype)
        *outputs, cast = outer(np.ones((2, 3), "float32"))
        assert [y.dtype for y in outputs] == ["float32", "float64", "float16"]
        assert [s.seen["cast"][0] for s in (outer.single, outer.double, outer.half)] == [
            "float32", "float64", "float16",
        ]  # fmt: skip
        assert cast == around
    assert context.cast is None


def test_a_weight_tied_to_a_layer_of_another_policy_is_cast_for_each():
    mixed, plain = Seeing(dtype=MIXED), layers.Dense(3, use_bias=False, dtype="float32")
    x = np.ones((2, 3), "float32")
    mixed(x), plain(x)
    plain.kernel = Variable(np.full((3, 3), 1 / 3, "float32"))
    mixed.own = plain.kernel
    mixed._let_weights_be_cast()
    mixed(x)
    assert mixed.seen["own"][0] == "float16" and plain(x).dtype == "float32"
    np.testing.assert_allclose(plain(x).numpy(), 1, rtol=1e-6)


def test_a_layer_of_float32_inside_of_a_mixed_one_sees_a_weight_of_the_mixed_one_as_it_is():
    class Outer(layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.inner = Seeing(dtype="float32")

        def build(self, shape):
            self.w = self.inner.own = self.add_weight((3,), "ones", name="w")

        def call(self, inputs):
            self.seen = self.w.dtype.name
            return self.inner(inputs)

    outer = Outer(dtype=MIXED)
    outer(np.ones((2, 3)))
    assert (outer.seen, outer.inner.seen["own"]) == ("float16", ("float32",) * 3)


def test_moving_statistics_beyond_float16_are_used_as_they_are():
    layer = layers.BatchNormalization(dtype=MIXED)
    layer(np.ones((2, 1)))
    layer.set_weights([[2.0], [0.0], [0.0], [1e8]])
    y = layer(np.full((2, 1), 2e4))
    assert y.dtype == "float16"
    np.testing.assert_allclose(y.numpy(), 4.0, rtol=1e-3)


def test_what_fails_in_the_call_leaves_weights_as_they_are():
    layer = layers.Dense(2, dtype=MIXED)
    layer(X_BTD[:, 0])
    with pytest.raises(ValueError, match="size 4 on axis -1"):
        layer(np.ones((2, 3)))
    layer.activation = lambda x: 1 / 0
    with pytest.raises(ZeroDivisionError):
        layer(X_BTD[:, 0])
    assert context.cast is None and layer.kernel.dtype == "float32"


def test_the_policy_of_a_layer_may_be_set_later():
    layer = layers.Dense(2, dtype="float32")
    want = layer(X_BTD[:, 0])
    layer.dtype_policy = MIXED
    y = layer(X_BTD[:, 0])
    assert y.dtype == "float16" and layer.kernel.dtype == "float32"
    assert (layer.dtype, layer.variable_dtype, layer.compute_dtype, layer.input_dtype) == (
        "float32", "float32", "float16", "float16",
    )  # fmt: skip
    layer.dtype_policy = "float32"
    np.testing.assert_array_equal(layer(X_BTD[:, 0]).numpy(), want.numpy())


def test_shares_of_a_weight_are_summed_up_in_float32():
    """4096 gradients of 1: float16 adds 1 to 2048 and gets 2048."""

    class Often(layers.Layer):
        def build(self, shape):
            self.w = self.add_weight((1,), "ones", name="w")

        def call(self, inputs):
            return [self.w * 1.0 for _ in range(4096)]

    layer = Often(dtype=MIXED)
    outputs = layer(np.ones((1, 1)))
    (g,) = grad(ops.sum(ops.stack([ops.cast(y, "float32") for y in outputs])), [layer.w])
    assert float(g.numpy()[0]) == 4096


def test_the_gradient_of_a_fused_kernels_weights_does_not_overflow_in_float16():
    layer = layers.LSTM(2, dtype=MIXED)
    x = np.ones((512, 3, 4), "float32")
    with kernels.use_tier("fused"):  # cuDNN gives gradients in float16
        y = layer(x)
    (g,) = grad(ops.sum(ops.cast(y, "float32") * 3e4), [layer.cell.bias])
    assert g.dtype == "float32" and np.isfinite(g.numpy()).all() and abs(g.numpy()).max() > 65504


@given(st.integers(0, 2**31 - 1))
def test_the_gradient_of_a_gradient_goes_through_a_cast_weight(seed):
    x = np.random.default_rng(seed).normal(size=(4, 3)).astype("float32")
    mixed, plain = equal_pair(lambda **o: layers.Dense(2, activation="tanh", **o), x)

    def penalty(layer):
        first = grad(total(layer(x)), [layer.kernel], create_graph=True)[0]
        return grad(ops.sum(ops.square(first)), [layer.kernel])[0].numpy()

    got, want = penalty(mixed), penalty(plain)
    assert got.dtype == "float32"
    np.testing.assert_allclose(got, want, atol=3e-2 * max(1, abs(want).max()))


def test_regularizers_see_the_stored_weights_and_activity_is_summed_in_float32():
    layer = layers.Dense(3, dtype=MIXED, kernel_regularizer="l2", activity_regularizer="l2")
    layer(np.full((8, 4), 100.0, "float32"))
    layer.set_weights([np.full((4, 3), 1.0), np.zeros(3)])
    layer(np.full((8, 4), 100.0, "float32"))
    activity, weights = layer.losses
    assert activity.dtype == weights.dtype == "float32"
    assert float(activity) == pytest.approx(0.01 * 3 * 400.0**2)  # the squares add up to 3.8e6


def test_stateful_layers_carry_states_between_mixed_calls():
    layer = layers.LSTM(3, stateful=True, return_sequences=True, dtype=MIXED)
    whole = layers.LSTM(3, return_sequences=True, dtype=MIXED)
    first = layer(X_BTD[:, :2])
    whole(X_BTD)
    whole.set_weights(layer.get_weights())
    rest = layer(X_BTD[:, 2:])
    got = np.concatenate([first.numpy(), rest.numpy()], 1)
    np.testing.assert_allclose(got, whole(X_BTD).numpy(), atol=2e-3)


def test_float_indices_of_a_mixed_embedding_stay_exact():
    config.set_dtype_policy(MIXED)
    try:
        model = minirnn.Sequential([layers.Embedding(5001, 1)])
        model(np.zeros((1, 2)))
    finally:
        config.set_dtype_policy(None)
    model.layers[0].set_weights([np.arange(5001.0)[:, None] % 7])
    for tokens in ([[4999, 5000]], [[4999.0, 5000.0]]):
        got = model(np.array(tokens)).numpy()
        np.testing.assert_array_equal(got.ravel(), [4999 % 7, 5000 % 7])


def test_bidirectional_returns_its_own_dtype():
    for own, inner in (("float32", MIXED), (MIXED, "float32"), ("float32", "float64")):
        layer = layers.Bidirectional(layers.LSTM(2, dtype=inner, return_sequences=True), dtype=own)
        with no_grad():
            assert layer(X_BTD).dtype == layer.compute_dtype


def test_inputs_of_a_functional_model_stay_floatx_and_layers_cast_them():
    config.set_dtype_policy(MIXED)
    try:
        inputs = minirnn.Input((4,))
        model = minirnn.Model(inputs, layers.Dense(2)(inputs))
        assert inputs.dtype == "float32"
        assert minirnn.Sequential([layers.Dense(2, input_shape=(4,))]).input.dtype == "float16"
    finally:
        config.set_dtype_policy(None)
    assert model.output.dtype == model(X_BTD[:, 0]).dtype == "float16"


class Again(layers.Layer):
    """Recomputes a part of its call, or not, that reads a weight which is trained and one which is not."""

    def __init__(self, again, **options):
        super().__init__(**options)
        self.again = recompute if again else lambda function: function
        self.rnn = layers.LSTM(5, return_sequences=True, dtype=MIXED)

    def build(self, shape):
        self.w = self.add_weight((5, 3), name="w")
        self.fixed = self.add_weight((3,), "normal", trainable=False, name="fixed")

    def call(self, x):
        self.seen = []

        def function(x):
            self.seen.append((self.w.dtype.name, self.fixed.dtype.name))
            return ops.tanh(ops.matmul(self.rnn(x), self.w) * self.fixed)

        return self.again(function)(x)


def test_what_is_recomputed_sees_weights_as_the_first_run_saw_them():
    plain, again = Again(False, dtype=MIXED), Again(True, dtype=MIXED)
    plain(X_BTD), again(X_BTD)
    again.set_weights(plain.get_weights())
    got, want = (grad(total(layer(X_BTD)), layer.trainable_weights) for layer in (again, plain))
    assert again.seen == [("float16", "float16")] * 2 and again.w.dtype == "float32"
    for g, w in zip(got, want, strict=True):
        assert g.dtype == "float32"
        np.testing.assert_array_equal(g.numpy(), w.numpy())


def test_recomputing_a_mixed_recurrent_layer_in_chunks_changes_gradients_by_rounding_alone():
    layer = layers.LSTM(4, return_sequences=True, dtype=MIXED)
    want = grad(total(layer(X_BTD)), layer.trainable_weights)
    got = grad(total(recompute(layer, steps=2)(X_BTD)), layer.trainable_weights)
    for g, w in zip(got, want, strict=True):
        assert g.dtype == "float32"
        np.testing.assert_allclose(g.numpy(), w.numpy(), atol=2e-2)
