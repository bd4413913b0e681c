"""Which kernel runs, and the reasons that are given."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

import minirnn
from minirnn import backend, kernels, layers
from minirnn.kernels import selection
from tests.arrays import fastest

X_BTD = np.zeros((2, 3, 4), "float32")
KINDS = (layers.SimpleRNN, layers.GRU, layers.LSTM)


@pytest.mark.host_only("there is no GPU")
@pytest.mark.parametrize("cls", KINDS)
def test_a_built_in_layer_is_fused(cls):
    layer = cls(3, name="it")
    report = layer.kernel_report(X_BTD)
    assert report.tier == "fused"
    assert list(report.reasons) == ["cudnn"]
    assert any("no GPU" in r for r in report.reasons["cudnn"])
    assert any("no library" in r for r in report.reasons["cudnn"])
    assert str(report).startswith(f"{cls.__name__} 'it' runs on the fused kernel.\nNot on cudnn:\n  - ")
    assert layer.kernel_report().tier == "fused"


@pytest.mark.parametrize("cls", KINDS)
def test_unroll_state_and_direction_do_not_slow_down(cls):
    options = [
        "unroll",
        "stateful",
        "go_backwards",
        "return_state",
        "return_sequences",
        "zero_output_for_mask",
    ]
    layer = cls(3, recurrent_dropout=0.2, dropout=0.2, use_bias=False, **dict.fromkeys(options, True))
    assert layer.kernel_report(X_BTD, np.ones((2, 3))).tier == "fused"


def a_function_of_ones_own(x):
    return x * 0.5


def named_tanh():
    def tanh(x):
        return x

    return tanh


@pytest.mark.parametrize(
    "option, value, sentence",
    (
        ("activation", a_function_of_ones_own, "activation is a function of one's own"),
        ("activation", named_tanh(), "activation is a function of one's own"),
        ("recurrent_activation", a_function_of_ones_own, "recurrent_activation is a function of one's own"),
        ("activation", "softmax", "activation is softmax: softmax mixes the units of a row."),
    ),
)
def test_what_the_kernels_do_not_know_is_generic_and_said_in_one_sentence(option, value, sentence):
    report = layers.LSTM(3, **{option: value}).kernel_report(X_BTD)
    assert report.tier == "generic"
    assert len(report.reasons["fused"]) == 1 and sentence in report.reasons["fused"][0]
    assert report.reasons["fused"][0].endswith(".")


def test_every_unmet_condition_is_listed():
    layer = layers.LSTM(3, activation="softmax", recurrent_activation=a_function_of_ones_own, use_cudnn=False)
    report = layer.kernel_report()
    assert len(report.reasons["fused"]) == 2
    # No GPU, no library; use_cudnn, both activations.
    assert len(report.reasons["cudnn"]) == (5 if backend.on_host() else 3)


def test_a_subclass_of_a_cell_is_generic_whether_or_not_it_overrides_call():
    class Halved(layers.LSTMCell):
        def call(self, inputs, states, training=False):
            h, states = super().call(inputs, states, training)
            return h * 0.5, states

    layer = layers.LSTM(3, return_sequences=True)
    layer.cell = Halved(3)
    plain = layers.LSTM(3, return_sequences=True)
    x_BTD = np.random.default_rng(0).normal(size=X_BTD.shape).astype("float32")
    y = layer(x_BTD)
    plain.build(x_BTD.shape)
    plain.set_weights(layer.get_weights())
    assert layer.kernel_report(x_BTD).tier == "generic"
    assert "LSTM steps through its Halved" in layer.kernel_report(x_BTD).reasons["fused"][0]
    np.testing.assert_allclose(y, plain(x_BTD) * 0.5, atol=1e-6)


def test_a_call_put_onto_a_cell_is_called():
    layer = layers.GRU(3)
    layer(X_BTD)
    layer.cell.call = lambda inputs, states, training=False: (states[0] + 1.0, [states[0] + 1.0])
    np.testing.assert_array_equal(layer(X_BTD), np.full((2, 3), 3.0))


def test_a_subclass_of_a_layer_keeps_its_kernel():
    class Named(layers.LSTM):
        def call(self, sequences, initial_state=None, mask=None, training=False):
            return super().call(sequences, initial_state, mask, training) + 1.0

    layer = Named(3)
    assert layer.kernel_report(X_BTD).tier == fastest()
    np.testing.assert_array_equal(layer(X_BTD), np.ones((2, 3)))


def test_rnn_of_a_cell_is_generic():
    report = layers.RNN(layers.LSTMCell(3)).kernel_report(X_BTD)
    assert report.tier == "generic"
    assert "RNN steps through its LSTMCell" in report.reasons["fused"][0]


def test_inputs_of_another_dtype_than_the_layers_are_generic():
    layer = layers.LSTM(3, autocast=False)
    report = layer.kernel_report(X_BTD.astype("float64"))
    assert report.tier == "generic"
    assert report.reasons["fused"] == ["The inputs must be of the layer's dtype float32; they are float64."]
    assert layer(X_BTD.astype("float64")).shape == (2, 3)


def test_integers_become_the_layers_floats():
    layer = layers.LSTM(3)
    x_BTD = np.arange(24).reshape(2, 3, 4) % 5
    np.testing.assert_allclose(layer(x_BTD), layer(x_BTD.astype("float32")), atol=1e-6)
    assert layer(x_BTD).dtype == "float32"


def test_use_tier_is_a_limit_and_ends_with_its_block():
    layer = layers.GRU(3)
    with kernels.use_tier("generic"):
        report = layer.kernel_report(X_BTD)
        assert report.tier == "generic"
        reason = "kernels.use_tier('generic') holds layers to that tier or slower ones."
        assert report.reasons["fused"] == [reason]
        with kernels.use_tier("fused"):
            assert layer.kernel_report(X_BTD).tier == "fused"
        assert layer.kernel_report(X_BTD).tier == "generic"
    assert layer.kernel_report(X_BTD).tier == fastest()
    with kernels.use_tier("cudnn"):
        assert layer.kernel_report(X_BTD).tier == fastest()


def test_use_tier_is_for_its_thread_alone():
    layer, found = layers.GRU(3), []
    with kernels.use_tier("generic"):
        thread = threading.Thread(target=lambda: found.append(layer.kernel_report(X_BTD).tier))
        thread.start()
        thread.join()
    assert found == [fastest()]


def test_use_tier_refuses_a_tier_that_there_is_not():
    with pytest.raises(ValueError, match="tier must be one of cudnn, fused, generic; got 'fast'"):
        kernels.use_tier("fast").__enter__()


@pytest.mark.parametrize("cls", KINDS)
def test_use_cudnn_true_raises_with_every_reason_and_changes_nothing(cls):
    layer = cls(3, use_cudnn=True, recurrent_dropout=0.2, activation="softsign", unroll=True, stateful=True)
    layer.build((2, 3, 4))
    layer.reset_state([np.ones((2, 3)) for _ in layer.states])
    before = [v.numpy() for v in (*layer.states, *layer.variables)]
    with pytest.raises(ValueError, match="use_cudnn=True") as error:
        layer(X_BTD, training=True)
    reasons = ["activation must be", "recurrent_dropout must be", "unroll must be"]
    for reason in reasons + ["no GPU", "no library"] * backend.on_host():
        assert reason in str(error.value)
    for old, new in zip(before, (*layer.states, *layer.variables)):
        np.testing.assert_array_equal(old, new)


def test_use_cudnn_takes_three_values():
    with pytest.raises(ValueError, match="use_cudnn must be 'auto', True or False; got 'yes'"):
        layers.LSTM(3, use_cudnn="yes")


class TestConditionsOfCudnn:
    """A stand-in for a backend with a GPU and the library leaves the layer's conditions."""

    @pytest.fixture(autouse=True)
    def _gpu(self, monkeypatch):
        stand_in = SimpleNamespace(name="stand-in for a GPU", cudnn=object())
        monkeypatch.setattr(selection, "backend", SimpleNamespace(current=lambda: stand_in))

    @pytest.mark.parametrize("cls", KINDS)
    def test_defaults_meet_them_with_bias_or_without(self, cls):
        assert kernels.select(cls(3)).tier == "cudnn"
        assert kernels.select(cls(3, use_bias=False, go_backwards=True, dropout=0.3)).tier == "cudnn"
        assert kernels.select(cls(3)).reasons == {}

    def test_simple_rnn_may_have_tanh_or_relu(self):
        assert kernels.select(layers.SimpleRNN(3, activation="relu")).tier == "cudnn"
        assert kernels.select(layers.GRU(3, activation="relu")).tier == "fused"

    @pytest.mark.parametrize(
        "options, sentence",
        (
            ({"activation": "relu"}, "activation must be tanh; it is relu."),
            ({"recurrent_activation": "tanh"}, "recurrent_activation must be sigmoid; it is tanh."),
            ({"recurrent_dropout": 0.5}, "recurrent_dropout must be 0; it is 0.5."),
            ({"unroll": True}, "unroll must be False; it is True."),
            ({"reset_after": False}, "reset_after must be True; it is False."),
            ({"use_cudnn": False}, "The layer was made with use_cudnn=False."),
        ),
    )
    def test_each_that_is_not_met_is_said(self, options, sentence):
        choice = kernels.select(layers.GRU(3, **options))
        assert choice.tier == "fused"
        assert choice.reasons == {"cudnn": [sentence]}

    @pytest.mark.parametrize(
        "rows, tier",
        (
            ([[1, 1, 1], [1, 1, 0]], "cudnn"),
            ([[0, 0, 0], [1, 0, 0]], "cudnn"),
            ([[0, 1, 1], [1, 1, 1]], "fused"),
            ([[1, 0, 1], [1, 1, 1]], "fused"),
        ),
    )
    def test_a_mask_must_be_right_padded(self, rows, tier):
        mask = minirnn.ops.convert_to_tensor(np.array(rows, bool))
        choice = kernels.select(layers.LSTM(3), None, mask)
        assert choice.tier == tier
        reason = "The mask must be strictly right-padded: in each row all True steps come first."
        assert choice.reasons == ({} if tier == "cudnn" else {"cudnn": [reason]})
