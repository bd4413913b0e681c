"""`compare` on the user's own objects: a layer of Keras, a module of PyTorch, any callable."""

from typing import Any

import numpy as np
import pytest

from minirnn import layers
from minirnn.testing import assert_agree, compare
from tests.testing import faulty

x_BTD = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
MASK = np.array([[True, True, False, False], [True, True, True, True]])
STATES = [np.random.default_rng(n).normal(size=(2, 2)).astype("float32") for n in (1, 2)]
WHOLE: dict[str, Any] = {"return_sequences": True, "return_state": True}


def names(report):
    return {d.name for d in report.differences}


def test_a_layer_of_keras_and_one_of_minirnn_agree_in_all_that_a_call_has(keras):
    options = {"mask": MASK, "initial_state": STATES, "steps": 2}
    report = assert_agree(layers.LSTM(2, **WHOLE), keras.layers.LSTM(2, **WHOLE), x_BTD, **options)
    expected = {"output 0", "state 0", "state 1", "mask of output 0"}
    if keras.config.backend() != "numpy":
        expected |= {"gradient of state 1", "gradient of inputs", "weight 2 bias after 2 steps"}
    assert expected <= names(report)


def test_a_stateful_layer_of_keras_is_called_as_often_as_is_asked(keras):
    one, other = layers.SimpleRNN(2, stateful=True), keras.layers.SimpleRNN(2, stateful=True)
    report = compare(one, other, x_BTD, calls=3)
    assert report.agreed or "inplace" in (report.refusals[1] or ""), report
    if report.agreed:
        assert {"call 3: output 0", "call 3: carried state 0"} <= names(report)


def test_a_layer_of_keras_trains_as_one_of_minirnn(keras):
    options = {"arguments": {"training": True}, "steps": 1}
    report = assert_agree(layers.BatchNormalization(), keras.layers.BatchNormalization(), x_BTD, **options)
    assert {"output 0", "weight 2 moving_mean after the call"} <= names(report)


def test_layers_of_several_inputs_are_compared(keras):
    mask = [None, MASK]
    report = assert_agree(
        layers.Attention(use_scale=True), keras.layers.Attention(use_scale=True), [x_BTD] * 2, mask=mask
    )
    assert "output 0" in names(report)


@pytest.mark.parametrize("kind", ["SimpleRNN", "GRU", "LSTM"])
@pytest.mark.parametrize("both", [False, True])
def test_a_module_of_pytorch_agrees_in_outputs_states_and_gradients(torch, kind, both):
    module = getattr(torch.nn, kind.replace("Simple", ""))(3, 2, batch_first=True, bidirectional=both)
    layer = getattr(layers, kind)(2, zero_output_for_mask=True, **WHOLE)
    layer = layers.Bidirectional(layer) if both else layer
    count = (2 if kind == "LSTM" else 1) * (2 if both else 1)
    states = (STATES * 2)[:count]
    report = assert_agree(module, layer, x_BTD, mask=MASK, initial_state=states)
    assert {f"state {i}" for i in range(count)} <= names(report)
    assert {"gradient of state 0", "gradient of inputs", "gradient of weight 1 recurrent_kernel"} <= names(
        report
    )


def test_a_module_of_pytorch_with_a_fault_is_found(torch):
    module = torch.nn.GRU(3, 2, batch_first=True)
    layer = layers.GRU(2, activation="relu", **WHOLE)
    report = compare(module, layer, x_BTD)
    assert not report.agreed and "output 0" in {d.name for d in report.failures}


def test_any_callable_is_compared_with_a_layer_of_keras(keras):
    layer = keras.layers.LSTM(2, **WHOLE)
    layer.build(x_BTD.shape)
    ours = layers.LSTM(2, **WHOLE)
    ours.build(x_BTD.shape)
    ours.set_weights(layer.get_weights())

    def call(x, mask=None, initial_state=None):
        return ours(x, mask=mask, initial_state=initial_state)

    report = assert_agree(call, layer, x_BTD, mask=MASK, initial_state=STATES)
    assert {"output 0", "output 1", "output 2"} <= names(report)
    assert not compare(lambda x: call(x)[0] + 1, layer, x_BTD).agreed


def test_a_function_for_cases_is_compared_with_keras_by_name(keras, torch):
    from tests.testing.test_compare import MASKED

    report = compare(faulty.has_wrong_recurrent_gradients, "keras:torch", MASKED)
    assert [d.name for d in report.failures if "output" in d.name] in ([], ["output 0"])
    assert "gradient of weight 1 recurrent_kernel" in {d.name for d in report.failures}
