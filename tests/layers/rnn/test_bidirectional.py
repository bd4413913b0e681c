"""`Bidirectional`: two halves and how they are merged."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minirnn
from minirnn import layers
from minirnn.autograd import convert
from tests.layers.rnn.nested_cells import RotatingCell

KINDS = (layers.SimpleRNN, layers.GRU, layers.LSTM)
MERGED = {
    "sum": np.add,
    "mul": np.multiply,
    "ave": lambda a, b: (a + b) / 2,
    "concat": lambda a, b: np.concatenate([a, b], axis=-1),
    None: lambda a, b: (a, b),
}
X = np.random.default_rng(0).normal(size=(3, 6, 4))


@given(
    st.sampled_from(KINDS),
    st.sampled_from(list(MERGED)),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from(("none", "right", "left", "holes")),
)
def test_it_equals_its_two_halves(kind, merge_mode, return_sequences, return_state, with_states, masked):
    rng = np.random.default_rng(1)
    lengths = np.array([[6], [2], [0]])
    mask = {
        "none": None,
        "right": np.arange(6) < lengths,
        "left": np.arange(6) >= lengths,
        "holes": rng.random((3, 6)) < 0.6,
    }[masked]
    options = {"return_sequences": return_sequences, "return_state": return_state, "dtype": "float64"}
    layer = layers.Bidirectional(kind(5, **options), merge_mode=merge_mode, dtype="float64")
    layer.build(X.shape)
    count = 2 if kind is layers.LSTM else 1
    states = [rng.normal(size=(3, 5)) for _ in range(2 * count)] if with_states else None
    got = layer(X, mask=mask, initial_state=states)
    got = got if isinstance(got, tuple) else (got,)

    halves = []
    for number, inner in enumerate((layer.forward_layer, layer.backward_layer)):
        half = kind(5, **options, zero_output_for_mask=return_sequences, go_backwards=bool(number))
        half.build(X.shape)
        half.set_weights(inner.get_weights())
        given_states = None if states is None else states[number * count : (number + 1) * count]
        y, *last = (lambda r: r if isinstance(r, tuple) else (r,))(
            half(X, mask=mask, initial_state=given_states)
        )
        y = np.asarray(y)
        halves.append((y[:, ::-1] if number and return_sequences else y, last))
    (y, last), (y_back, last_back) = halves
    merged = MERGED[merge_mode](y, y_back)
    expected = [*(merged if merge_mode is None else [merged]), *last, *last_back]
    assert len(got) == len(expected)
    for a, b in zip(got, expected):
        np.testing.assert_allclose(a, b, atol=1e-12)
    if return_sequences:
        travels = minirnn.backend.get_keras_mask(got[0])
        assert travels is None if mask is None else np.array_equal(travels, mask)


def test_names_weights_and_what_is_copied():
    inner = layers.LSTM(3, name="it", use_cudnn=False, dropout=0.2)
    inner.build((None, None, 4))
    layer = layers.Bidirectional(inner, name="both")
    layer.build((None, None, 4))
    assert (layer.forward_layer.name, layer.backward_layer.name) == ("forward_it", "backward_it")
    names = ("kernel", "recurrent_kernel", "bias")
    expected = [f"both/{way}_it/lstm_cell/{n}" for way in ("forward", "backward") for n in names]
    assert [w.path for w in layer.weights] == expected
    assert layer.backward_layer.go_backwards and layer.backward_layer.dropout == 0.2
    assert layer.forward_layer.use_cudnn is layer.backward_layer.use_cudnn is False
    assert not np.array_equal(layer.weights[0], inner.weights[0])
    assert not np.array_equal(layer.weights[0], layer.weights[3])


def test_a_backward_layer_of_ones_own():
    back = layers.GRU(2, go_backwards=True, name="back")
    layer = layers.Bidirectional(layers.LSTM(3), backward_layer=back)
    y = layer(X)
    assert layer.backward_layer is back and y.shape == (3, 5)
    np.testing.assert_array_equal(y[:, 3:], back(X))


def test_a_layer_that_goes_backwards_is_turned_over():
    layer = layers.Bidirectional(layers.GRU(3, go_backwards=True))
    assert layer.forward_layer.go_backwards and not layer.backward_layer.go_backwards


def test_weights_to_start_with():
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=s).astype("float32") for s in ((4, 2), (2, 2), (2,)) * 2]
    layer = layers.Bidirectional(layers.SimpleRNN(2), weights=weights)
    layer(X)
    for got, want in zip(layer.get_weights(), weights):
        np.testing.assert_array_equal(got, want)


def test_stateful_pieces_go_on_in_both_directions():
    layer = layers.Bidirectional(layers.GRU(3, stateful=True, return_sequences=True), merge_mode=None)
    assert layer.states is None
    first = layer(X)
    assert [v.shape for v in layer.states] == [(3, 3), (3, 3)]
    second = layer(X)
    layer.reset_states()
    again = layer(X)
    for a, b, c in zip(first, again, second):
        np.testing.assert_array_equal(a, b)
        assert np.abs(a.numpy() - c.numpy()).max() > 1e-3


def test_a_cell_that_nobody_registered_is_copied():
    class Scaled(layers.GRUCell):
        def call(self, inputs, states, training=False):
            h, states = super().call(inputs, states, training)
            return h * 3.0, states

    layer = layers.Bidirectional(layers.RNN(Scaled(3)))
    assert layer(X).shape == (3, 6)
    assert type(layer.backward_layer.cell) is Scaled
    nested = layers.Bidirectional(layers.RNN(RotatingCell(3, 2, "dict")), merge_mode="sum")
    y = nested([np.zeros((2, 4, 3)), np.zeros((2, 4, 3, 2))])
    assert {k: v.shape for k, v in y.items()} == {"first": (2, 3), "second": (2, 3, 2)}


@pytest.mark.parametrize("merge_mode", MERGED)
def test_it_comes_back_from_its_config(merge_mode):
    layer = layers.Bidirectional(layers.LSTM(3, return_sequences=True), merge_mode=merge_mode, name="both")
    layer(X)
    again = layers.Bidirectional.from_config(layer.get_config())
    again.build(X.shape)
    again.set_weights(layer.get_weights())
    assert [w.path for w in again.weights] == [w.path for w in layer.weights]
    for a, b in zip(layer(X), again(X)):
        np.testing.assert_array_equal(a, b)


def test_symbolic_shapes():
    x = minirnn.Input((None, 4))
    assert layers.Bidirectional(layers.LSTM(3))(x).shape == (None, 6)
    y, *states = layers.Bidirectional(layers.LSTM(3, return_state=True, return_sequences=True))(x)
    assert y.shape == (None, None, 6) and [s.shape for s in states] == [(None, 3)] * 4
    y, *again = layers.Bidirectional(layers.LSTM(3, return_state=True), merge_mode="sum")(
        x, initial_state=states
    )
    assert y.shape == (None, 3) and len(again) == 4


def test_gradients_reach_both_directions():
    layer = layers.Bidirectional(layers.LSTM(3, dtype="float64"), merge_mode="mul", dtype="float64")
    layer.build(X.shape)
    direction = np.random.default_rng(2).normal(size=X.shape)
    slope = minirnn.grad(lambda x: (layer(x) ** 2).sum())(convert(X))
    ends = [(layer(X + sign * 1e-6 * direction) ** 2).sum().item() for sign in (1, -1)]
    np.testing.assert_allclose((slope.numpy() * direction).sum(), (ends[0] - ends[1]) / 2e-6, rtol=1e-6)
