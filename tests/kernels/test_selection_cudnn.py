"""What rules cuDNN out: each condition by itself gives the one sentence that names it."""

import numpy as np
import pytest

from minirnn import backend, kernels, layers
from minirnn.autograd import convert
from minirnn.backend.cudnn import LibraryUnavailable
from minirnn.layers.rnn.built_in import BuiltInRNN
from tests.standins import hostcupy_for_cupy

pytestmark = pytest.mark.stand_ins

X_BTD = np.zeros((2, 3, 4), "float32")


@pytest.fixture(autouse=True)
def on_stand_ins():
    with hostcupy_for_cupy(cudnn=True):
        yield


def one_reason(layer, x=X_BTD, mask=None) -> str:
    """Return the only reason why a layer is not on cuDNN; that it runs on another tier is checked too."""
    x = convert(x)
    report = layer.kernel_report(x, mask)
    assert report.tier != "cudnn"
    (reason,) = report.reasons["cudnn"]
    assert reason.endswith(".") and f"  - {reason}" in str(report)
    if isinstance(layer, BuiltInRNN) and layer.use_cudnn:
        layer.use_cudnn = True
        with pytest.raises(ValueError, match="use_cudnn=True, but cuDNN cannot run this call") as refused:
            layer(x, mask=mask)
        assert reason in str(refused.value)
        layer.use_cudnn = "auto"
    layer(x, mask=mask)
    return reason


def identity(x):
    return x


@pytest.mark.parametrize(
    "make, sentence",
    (
        (lambda: layers.LSTM(3, activation="relu"), "activation must be tanh; it is relu."),
        (lambda: layers.GRU(3, activation=identity), "activation must be tanh; it is identity."),
        (
            lambda: layers.SimpleRNN(3, activation="sigmoid"),
            "activation must be tanh or relu; it is sigmoid.",
        ),
        (
            lambda: layers.LSTM(3, recurrent_activation="tanh"),
            "recurrent_activation must be sigmoid; it is tanh.",
        ),
        (lambda: layers.LSTM(3, recurrent_dropout=0.2), "recurrent_dropout must be 0; it is 0.2."),
        (lambda: layers.LSTM(3, unroll=True), "unroll must be False; it is True."),
        (lambda: layers.GRU(3, reset_after=False), "reset_after must be True; it is False."),
        (lambda: layers.LSTM(3, use_cudnn=False), "The layer was made with use_cudnn=False."),
        (
            lambda: layers.GRU(3, dropout=0.1, implementation=1),
            "implementation must be 2 where there is dropout; with 1 each gate drops other inputs.",
        ),
        (
            lambda: layers.RNN(layers.LSTMCell(3)),
            "RNN steps through its LSTMCell: whole-sequence kernels are for the layers SimpleRNN, GRU and "
            "LSTM with their own cells.",
        ),
    ),
)
def test_an_option(make, sentence):
    assert one_reason(make()) == sentence


@pytest.mark.parametrize("mask", ([[1, 0, 1], [1, 1, 1]], [[0, 1, 1], [1, 1, 1]]))
def test_a_mask_with_holes_or_on_the_left(mask):
    mask = np.array(mask, bool)
    sentence = "The mask must be strictly right-padded: in each row all True steps come first."
    assert one_reason(layers.GRU(3), mask=mask) == sentence
    assert layers.GRU(3).kernel_report(X_BTD, mask[:, ::-1][:0]).tier == "cudnn"


def test_inputs_of_another_dtype():
    sentence = "The inputs must be of the layer's dtype float32; they are float64."
    assert one_reason(layers.LSTM(3, autocast=False), X_BTD.astype("float64")) == sentence


def test_an_empty_batch():
    assert one_reason(layers.LSTM(3), X_BTD[:0]) == "The inputs must not be empty; their shape is (0, 3, 4)."


def test_arrays_of_the_host():
    layer = layers.LSTM(3)
    with backend.device("cpu"):
        reasons = layer.kernel_report(convert(X_BTD)).reasons["cudnn"]
    assert reasons == [
        "There is no GPU: the backend is numpy, whose arrays are in the host's memory.",
        "There is no library: cuDNN computes on arrays of a GPU.",
    ]


def test_no_library():
    with hostcupy_for_cupy(cudnn=False):
        sentence = one_reason(layers.LSTM(3))
        why = backend.current().why_no_cudnn
    assert sentence == f"There is no library: {why}"
    assert issubclass(LibraryUnavailable, RuntimeError)


def test_a_limit_set_by_hand():
    with kernels.use_tier("fused"):
        report = layers.LSTM(3).kernel_report(convert(X_BTD))
        reasons = report.reasons
    assert report.tier == "fused"
    assert reasons == {"cudnn": ["kernels.use_tier('fused') holds layers to that tier or slower ones."]}


def test_a_layer_without_bias_and_a_simple_rnn_are_served_unlike_in_keras():
    for layer in (
        layers.LSTM(3, use_bias=False),
        layers.SimpleRNN(3),
        layers.SimpleRNN(3, activation="relu"),
    ):
        assert layer.kernel_report(convert(X_BTD)).tier == "cudnn"
