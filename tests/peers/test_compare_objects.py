"""`compare` on the user's own objects: a layer of Keras, a module of PyTorch, any callable."""

from typing import Any

import numpy as np
import pytest

import minirnn
from minirnn import layers
from minirnn.testing import assert_agree, compare
from tests.testing import faulty
from tests.testing.test_compare import run

x_BTD = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
MASK = np.array([[True, True, False, False], [True, True, True, True]])
STATES = [np.random.default_rng(n).normal(size=(2, 2)).astype("float32") for n in (1, 2)]
own_process = pytest.mark.host_only(
    "the script runs in a process of its own, on NumPy, and is compared by digits"
)
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


def held(layer):
    return [np.array(v) for v in layer.variables]


def test_layers_of_keras_and_its_defaults_are_given_back_as_they_were(keras):
    def made():
        gru = keras.layers.GRU(2, return_sequences=True, dropout=0.5)
        return keras.Sequential([keras.layers.Input((4, 3)), gru, keras.layers.BatchNormalization()])

    one, other = made(), made()
    before = [held(one), held(other)]
    with_policy = keras.config.dtype_policy()
    report = compare(one, other, x_BTD, steps=2, arguments={"training": True})
    assert report.status == "differed" and "which differ" in report.note
    for model, kept in zip((one, other), before):
        assert all(np.array_equal(a, b) for a, b in zip(held(model), kept, strict=True))
    assert keras.config.dtype_policy() == with_policy
    assert_agree(one, other, x_BTD, weights="candidate", steps=2)


def test_a_stateful_layer_of_keras_is_given_back_with_its_states(keras):
    one, other = keras.layers.LSTM(2, stateful=True), keras.layers.LSTM(2, stateful=True)
    one(x_BTD)
    state = np.array(one.states[0])
    compare(one, other, x_BTD)
    assert np.array_equal(np.array(one.states[0]), state)


def test_a_module_of_pytorch_is_given_back_as_it_was(torch):
    module = torch.nn.LSTM(3, 2, batch_first=True)
    module(torch.from_numpy(x_BTD))[0].sum().backward()
    before = [(p.detach().clone(), p.grad.clone()) for p in module.parameters()]
    layer = layers.LSTM(2, **WHOLE)
    layer.build(x_BTD.shape)
    assert_agree(module, layer, x_BTD, weights=layer.get_weights())
    assert not compare(module, layer, x_BTD).agreed
    for parameter, (value, slope) in zip(module.parameters(), before):
        assert torch.equal(parameter, value) and torch.equal(parameter.grad, slope)


def test_a_layer_without_weights_gets_those_of_the_module_of_pytorch(torch):
    module, layer = torch.nn.GRU(3, 2, batch_first=True), layers.GRU(2, **WHOLE)
    assert_agree(module, layer, x_BTD)
    from_module = minirnn.interop.from_torch(module, return_state=True)
    assert all(np.array_equal(a, b) for a, b in zip(layer.get_weights(), from_module.get_weights()))


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize(
    "options",
    [
        {"num_layers": 2},
        {"num_layers": 3, "bidirectional": True, "batch_first": True},
        {"bias": False},
        {"bias": False, "num_layers": 2, "bidirectional": True},
        {},
    ],
    ids=["layers", "both directions", "no bias", "all", "time first"],
)
def test_a_module_of_pytorch_with_any_option_agrees_with_what_is_made_of_it(torch, kind, options):
    module = getattr(torch.nn, kind)(3, 2, **options)
    report = assert_agree(minirnn.interop.from_torch(module, return_state=True), module, x_BTD)
    count = (2 if kind == "LSTM" else 1) * module.num_layers * (2 if module.bidirectional else 1)
    assert {f"state {count - 1}", f"output {count}"} & names(report) and "gradient of inputs" in names(report)
    last = len(list(module.parameters())) * (3 / 4 if module.bias else 1) - 1
    assert any(name.startswith(f"gradient of weight {last:.0f} ") for name in names(report))


def test_options_of_pytorch_that_no_layer_has_are_refused_by_name(torch):
    for module, words in (
        (torch.nn.LSTM(3, 4, proj_size=2), "proj_size=2"),
        (torch.nn.GRU(3, 4, num_layers=2, dropout=0.5), "dropout=0.5"),
    ):
        with pytest.raises(ValueError, match=words):
            compare(module, layers.LSTM(2, **WHOLE), x_BTD)
    evaluated = torch.nn.GRU(3, 4, num_layers=2, dropout=0.5).eval()
    assert_agree(minirnn.interop.from_torch(evaluated, return_state=True), evaluated, x_BTD)


def test_a_mask_that_pytorch_cannot_pack_is_refused(torch):
    module = torch.nn.GRU(3, 2, batch_first=True)
    report = compare(module, layers.GRU(2, zero_output_for_mask=True, **WHOLE), x_BTD, mask=~MASK)
    assert not report.agreed and "those at the end" in (report.refusals[0] or "")


def test_any_module_of_pytorch_is_a_side(torch):
    linear = torch.nn.Linear(3, 2)
    dense = layers.Dense(2)
    dense.build(x_BTD.shape)
    dense.set_weights([linear.weight.detach().numpy().T, linear.bias.detach().numpy()])
    report = assert_agree(linear, dense, x_BTD.astype("float64"))
    assert {"output 0", "gradient of inputs"} <= names(report)
    assert linear.weight.grad is None and not compare(linear, layers.Dense(2), x_BTD).agreed

    cell = torch.nn.GRUCell(3, 2)
    ours = minirnn.interop.from_torch(cell)

    def step(x, initial_state):
        return ours(x, initial_state)[0]

    assert "output 0" in names(assert_agree(cell, step, x_BTD[:, 0], initial_state=STATES[:1]))

    class Mine(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.norm = torch.nn.GRU(3, 2, batch_first=True), torch.nn.BatchNorm1d(2)

        def forward(self, x, mask=None):
            assert mask is not None
            return self.norm(self.rnn(x)[0][:, -1])

    mine = Mine()
    before = {name: value.clone() for name, value in mine.state_dict().items()}
    assert_agree(mine, mine, x_BTD, mask=MASK)
    assert all(torch.equal(value, before[name]) for name, value in mine.state_dict().items())


def of_ones_own(module):
    class Mine(module.Model):
        def __init__(self):
            super().__init__()
            self.rnn, self.out = module.layers.GRU(2), module.layers.Dense(1)

        def call(self, x, mask=None):
            return self.out(self.rnn(x, mask=mask))

    return Mine()


def test_a_model_of_ones_own_that_was_never_called_is_compared(keras):
    report = assert_agree(of_ones_own(minirnn), of_ones_own(keras), x_BTD, mask=MASK)
    assert report.not_compared or any(name.startswith("gradient of weight 4") for name in names(report))
    assert_agree(of_ones_own(keras), of_ones_own(minirnn), x_BTD)


def test_what_no_script_can_be_written_of_is_compared_all_the_same(keras):
    ours = layers.Dense(4, activation=lambda x: x * 2)
    assert_agree(ours, keras.layers.Dense(4, activation=lambda x: x * 2), x_BTD)
    report = compare(ours, keras.layers.Dense(4, activation=lambda x: x * 3), x_BTD, weights="candidate")
    assert not report.agreed and report.script.count("put yours here") == 2
    assert not compare(of_ones_own(minirnn), layers.Dense(2), x_BTD).agreed


def scripts_print(report):
    assert not report.agreed
    shown = run(report.script)
    assert str(report).splitlines()[1] in shown, (report.script, shown)


@own_process
def test_scripts_of_models_run_as_they_stand_and_show_the_difference(keras):
    def made(module):
        return module.Sequential([module.layers.Input((4, 3)), module.layers.GRU(2), module.layers.Dense(1)])

    report = compare(made(minirnn), made(minirnn), x_BTD)
    assert "from minirnn import Sequential" in report.script
    scripts_print(report)
    report = compare(made(keras), made(minirnn), x_BTD)
    assert "from keras import Sequential" in report.script
    scripts_print(report)


@own_process
def test_scripts_keep_the_tolerance_and_what_a_module_of_pytorch_is(torch):
    options = {"num_layers": 2, "nonlinearity": "relu", "bias": False, "bidirectional": True}
    module = torch.nn.RNN(3, 2, **options)
    report = compare(module, torch.nn.RNN(3, 2, **options), x_BTD, tolerance=1e-12)
    assert "tolerance=1e-12" in report.script
    scripts_print(report)


@own_process
def test_scripts_of_cells_of_ones_own_import_them():
    from tests.testing.cells import Leaky

    report = compare(layers.RNN(Leaky(2)), layers.RNN(Leaky(2, leak=0.5)), x_BTD)
    assert "import tests.testing.cells" in report.script
    scripts_print(report)


@own_process
def test_scripts_hold_arrays_among_the_arguments():
    cell = layers.GRUCell(2)
    options: dict[str, Any] = {"arguments": {"states": [np.zeros((2, 2), "float32")]}}
    report = compare(cell, layers.GRUCell(2, activation="relu"), x_BTD[:, 0], **options)
    scripts_print(report)
