"""`ConvLSTM1D` and `ConvLSTM2D`: what they are made of, and the laws of recurrent layers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minirnn
from minirnn import kernels, layers
from minirnn.autograd import convert
from minirnn.layers.rnn.conv_lstm import ConvLSTMCell
from tests.laws.strategies import arrays, assert_equal

X = np.random.default_rng(0).standard_normal((3, 4, 6, 2)).astype("float32")
OPTIONS = {
    "plain": {},
    "same": {"padding": "same", "activation": "relu"},
    "strided": {"strides": 2, "recurrent_activation": "hard_sigmoid"},
    "dilated": {"dilation_rate": 2, "use_bias": False},
    "first": {"data_format": "channels_first"},
}
every_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())


def built(layer, x=X, seed=5):
    layer(x)
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.uniform(-0.5, 0.5, w.shape) for w in layer.get_weights()])
    if layer.stateful:
        layer.reset_state()
    return layer


def made(options, **more):
    return built(layers.ConvLSTM1D(3, 2, **options, **more))


def run(layer, x=X, **options):
    return arrays(layer(x, **options))


def test_with_a_kernel_of_one_step_it_is_an_lstm_at_each_place():
    conv = built(layers.ConvLSTM1D(3, 1, return_sequences=True, return_state=True))
    lstm = layers.LSTM(3, return_sequences=True, return_state=True)
    lstm.build((None, None, 2))
    kernel, recurrent, bias = conv.get_weights()
    lstm.set_weights([kernel[0], recurrent[0], bias])
    outputs = run(conv)
    for place in range(6):
        alone = run(lstm, X[:, :, place])
        assert_equal([outputs[0][:, :, place], *[s[:, place] for s in outputs[1:]]], alone, "float32")


def test_an_image_of_one_row_is_a_row_of_sensors():
    options = {"padding": "same", "return_sequences": True}
    one = built(layers.ConvLSTM1D(3, 2, **options))
    two = layers.ConvLSTM2D(3, (1, 2), **options)
    two(X[:, :, None])
    two.set_weights([w if w.ndim == 1 else w[None] for w in one.get_weights()])
    assert_equal([run(two, X[:, :, None])[0][:, :, 0]], run(one), "float32")


def test_a_step_is_the_equations():
    layer = made({"strides": 2}, return_state=True)
    kernel, recurrent, bias = layer.get_weights()
    h, c = np.random.default_rng(1).standard_normal((2, 3, 3, 3)).astype("float32")
    sigmoid = lambda x: 1 / (1 + np.exp(-x))
    from_x = np.stack([X[:, 0, p : p + 2].reshape(3, -1) @ kernel.reshape(4, -1) for p in (0, 2, 4)], 1)
    after = np.pad(h, ((0, 0), (0, 1), (0, 0)))  # of an even kernel "same" adds at the end
    from_h = np.stack([after[:, p : p + 2].reshape(3, -1) @ recurrent.reshape(6, -1) for p in range(3)], 1)
    i, f, candidate, o = np.split(from_x + from_h + bias, 4, axis=-1)
    c_new = sigmoid(f) * c + sigmoid(i) * np.tanh(candidate)
    h_new = sigmoid(o) * np.tanh(c_new)
    assert_equal(run(layer, X[:, :1], initial_state=[h, c]), [h_new, h_new, c_new], "float32")


@every_option
@given(cut=st.integers(1, 3), backwards=st.booleans())
def test_a_whole_sequence_equals_its_chunks_with_carried_state(options, cut, backwards):
    layer = made(options, return_sequences=True, return_state=True, go_backwards=backwards)
    stateful = made(options, return_sequences=True, return_state=True, go_backwards=backwards, stateful=True)
    output, *states = run(layer)
    parts = [slice(0, cut), slice(cut, 4)][:: -1 if backwards else 1]
    first, second = parts
    start = run(layer, X[:, first])
    end = run(layer, X[:, second], initial_state=start[1:])
    assert_equal([np.concatenate([start[0], end[0]], axis=1), *end[1:]], [output, *states], "float32")
    for _ in range(2):
        run(stateful, X[:, first])
        assert_equal(run(stateful, X[:, second]), end, "float32")
        assert_equal(arrays(stateful.states), states, "float32")
        stateful.reset_state()


@every_option
def test_go_backwards_equals_flipping(options):
    forwards, backwards = (made(options, return_sequences=True, go_backwards=b) for b in (False, True))
    assert_equal(run(backwards), run(forwards, X[:, ::-1]), "float32")


@every_option
@pytest.mark.parametrize("zero", [False, True])
def test_padding_with_a_mask_equals_the_shorter_sequence(options, zero):
    layer = made(options, return_sequences=True, return_state=True, zero_output_for_mask=zero)
    mask = np.array([[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]], bool)
    x = np.where(mask[:, :, None, None], X, np.float32(np.nan))
    output, *states = run(layer, x, mask=mask)
    for row, length in enumerate(mask.sum(axis=1)):
        here = slice(row, row + 1)
        expected, *last = run(layer, X[here, :length])
        assert_equal([output[here, :length]], [expected], "float32")
        assert_equal([s[here] for s in states], last, "float32")
        after = output[here, length:]
        assert_equal([after], [np.zeros_like(after) + (0 if zero else expected[:, -1:])], "float32")


@every_option
def test_where_channels_stand_makes_no_difference(options):
    options = {**options, "data_format": "channels_last"}
    last = made(options, return_sequences=True)
    first = layers.ConvLSTM1D(3, 2, **{**options, "data_format": "channels_first"}, return_sequences=True)
    first(X.swapaxes(2, 3))
    first.set_weights(last.get_weights())
    assert_equal([run(first, X.swapaxes(2, 3))[0].swapaxes(2, 3)], run(last), "float32")


@pytest.mark.parametrize("name", ["dropout", "recurrent_dropout"])
@pytest.mark.parametrize("options", [{}, OPTIONS["first"]], ids=["last", "first"])
def test_dropout_is_in_training_alone_and_one_mask_a_gate_for_all_steps(name, options):
    plain, layer = made(options), made({**options, name: 0.4}, seed=3)
    layer.set_weights(plain.get_weights())
    np.testing.assert_array_equal(run(layer)[0], run(plain)[0])
    drawn = {}
    cell = layer.cell
    draw = cell.draw_dropout_mask
    cell.draw_dropout_mask = lambda shape, rate: drawn.setdefault(rate, draw(shape, rate))
    dropped = run(layer, training=True)[0]
    assert drawn[0.4].shape[0] == 4 and (dropped != run(plain)[0]).any()
    # A mask of ones drops nothing.
    drawn[0.4] = convert(np.ones(drawn[0.4].shape, "float32"))
    assert_equal(run(layer, training=True), run(plain), "float32")


def test_it_is_described_by_what_it_was_made_with():
    layer = layers.ConvLSTM2D(3, 2, strides=(2, 1), padding="SAME", dropout=0.2, seed=1)
    assert layer.filters == 3 and layer.kernel_size == (2, 2) and layer.strides == (2, 1)
    assert layer.padding == "same" and layer.data_format == "channels_last" and layer.dropout == 0.2
    assert layer.states is None
    with pytest.raises(ValueError, match="known when it is built"):
        layer.get_initial_state(2)
    layer.build((None, None, 5, 4, 2))
    assert [s.shape for s in layer.get_initial_state(2)] == [(2, 3, 4, 3)] * 2
    kernel, recurrent, bias = layer.weights
    assert (kernel.shape, recurrent.shape, bias.shape) == ((2, 2, 2, 12), (2, 2, 3, 12), (12,))
    np.testing.assert_array_equal(bias.numpy(), [0.0] * 3 + [1.0] * 3 + [0.0] * 6)
    assert layer.compute_output_shape((None, 7, 5, 4, 2)) == (None, 3, 4, 3)
    report = layer.kernel_report()
    assert report.tier == "generic" and "steps through its ConvLSTMCell" in report.reasons["fused"][0]


def test_its_cell_runs_in_any_rnn_once_it_is_built():
    layer = made({"padding": "same"}, return_sequences=True)
    cell = ConvLSTMCell(1, 3, 2, padding="same")
    cell.build((None, 6, 2))
    cell.set_weights(layer.get_weights())
    assert_equal(run(layers.RNN(cell, return_sequences=True)), run(layer), "float32")


def test_both_directions_are_their_two_halves():
    layer = layers.Bidirectional(layers.ConvLSTM1D(3, 2, return_sequences=True))
    both = run(layer)[0]
    half = run(layer.forward_layer)[0], run(layer.backward_layer)[0][:, ::-1]
    assert_equal([both], [np.concatenate(half, axis=-1)], "float32")


def test_gradients_have_gradients():
    x = X.astype("float64")[:1, :2]
    layer = layers.ConvLSTM1D(2, 2, dtype="float64")
    layer(x)
    inner = minirnn.grad(lambda x: minirnn.ops.sum(layer(x) ** 2))
    slope = lambda x: float(minirnn.ops.sum(inner(x) ** 2))
    second = minirnn.grad(lambda x: minirnn.ops.sum(inner(x) ** 2))(x).numpy()
    step = np.random.default_rng(0).standard_normal(x.shape)
    difference = (slope(x + 1e-6 * step) - slope(x - 1e-6 * step)) / 2e-6
    assert np.sum(second * step) == pytest.approx(difference, rel=1e-6)


def test_in_a_model_that_trains_and_predicts():
    minirnn.utils.set_random_seed(2)
    model = minirnn.Sequential(
        [
            layers.Input((4, 6, 2)),
            layers.ConvLSTM1D(4, 3, padding="same", return_sequences=True),
            layers.TimeDistributed(layers.GlobalMaxPooling1D()),
            layers.GlobalAveragePooling1D(),
            layers.Dense(1),
        ]
    )
    x = np.random.default_rng(3).standard_normal((64, 4, 6, 2)).astype("float32")
    y = x.max(axis=(1, 2))[:, :1]
    model.compile(minirnn.optimizers.Adam(0.02), "mse")
    losses = model.fit(x, y, epochs=6, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    with kernels.use_tier("generic"):
        np.testing.assert_allclose(model.predict(x[:5], verbose=0), model(x[:5]).numpy(), rtol=1e-5)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("padding, strides", [("same", 1), ("same", 2), ("valid", 2)])
@pytest.mark.parametrize("return_sequences", [False, True])
def test_shapes_are_known_but_for_the_places_that_are_not(data_format, padding, strides, return_sequences):
    layer = layers.ConvLSTM2D(
        3,
        2,
        strides,
        padding,
        data_format,
        return_sequences=return_sequences,
        return_state=True,
    )
    shape = (2, 4, 6, 7, 2) if data_format == "channels_last" else (2, 4, 2, 6, 7)
    known = layer.compute_output_shape(shape)
    place = 2 if data_format == "channels_last" else 3
    partly = layer.compute_output_shape(tuple(None if i == place else n for i, n in enumerate(shape)))
    for got, whole in zip(partly, known, strict=True):
        axis = place - 1 + len(whole) - 4
        assert got == tuple(None if i == axis else n for i, n in enumerate(whole))
    if data_format == "channels_last":
        assert layer.compute_output_shape((None,) * 4 + (2,))[1] == (None, None, None, 3)
