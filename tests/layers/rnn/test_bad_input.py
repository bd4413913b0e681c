"""Bad input is refused, in words that say where and what was expected, before anything changes."""

import re

import numpy as np
import pytest

import minirnn
from minirnn import kernels, layers, ops, tree

KINDS = (layers.SimpleRNN, layers.GRU, layers.LSTM)
X = np.random.default_rng(0).normal(size=(3, 6, 4))


def check_refused(error, message):
    return pytest.raises(error, match=re.escape(message))


class TestConstructors:
    @pytest.mark.parametrize("kind", (*KINDS, *(k.cell_class for k in KINDS)))
    def test_units(self, kind):
        for units in (0, -1, 2.5, float("nan"), "3", None, [3], True):
            with check_refused(ValueError, "units must be a positive integer; got"):
                kind(units)
        assert kind(np.int64(3)).units == 3

    @pytest.mark.parametrize("kind", (*KINDS, *(k.cell_class for k in KINDS)))
    @pytest.mark.parametrize("name", ("dropout", "recurrent_dropout"))
    @pytest.mark.parametrize("value", (1.01, -0.1, 2, float("nan"), "0.5", None, True))
    def test_dropout(self, kind, name, value):
        with check_refused(ValueError, f"{name} is the share to drop, a number in [0, 1]; got {value!r}."):
            kind(3, **{name: value})

    @pytest.mark.parametrize("kind", KINDS)
    def test_names_that_are_not_known(self, kind):
        with check_refused(ValueError, "activation: unknown name 'tahn'; the nearest known name is 'tanh'"):
            kind(3, activation="tahn")
        with check_refused(ValueError, "initializer"):
            kind(3, kernel_initializer="glorot")
        with check_refused(ValueError, "unknown argument(s) unit_forget_gate"):
            kind(3, unit_forget_gate=True)

    def test_what_is_no_cell(self):
        with check_refused(
            ValueError, "RNN: a cell needs a method call(inputs, states) and an attribute state_size"
        ):
            layers.RNN(3)
        with check_refused(ValueError, "has no state_size"):
            layers.RNN(layers.Dense(3))
        with check_refused(ValueError, "StackedRNNCells: a cell needs"):
            layers.RNN([layers.LSTMCell(3), layers.Dense(3)])
        with check_refused(ValueError, "StackedRNNCells: at least one cell is needed"):
            layers.StackedRNNCells([])

    def test_bidirectional(self):
        with check_refused(
            ValueError, "merge_mode must be one of 'sum', 'mul', 'ave', 'concat', None; got 'avg'."
        ):
            layers.Bidirectional(layers.LSTM(3), merge_mode="avg")
        with check_refused(ValueError, "Bidirectional: layer must be a recurrent layer such as LSTM(64)"):
            layers.Bidirectional(layers.Dense(3))
        with check_refused(ValueError, "Bidirectional: layer must be"):
            layers.Bidirectional("lstm")
        with check_refused(ValueError, "Bidirectional: backward_layer must be"):
            layers.Bidirectional(layers.LSTM(3), backward_layer=layers.LSTMCell(3))
        with check_refused(ValueError, "Bidirectional 'it': backward_layer must have go_backwards=True"):
            layers.Bidirectional(layers.LSTM(3), backward_layer=layers.LSTM(3), name="it")
        with check_refused(ValueError, "must have the same return_sequences; got False and True"):
            layers.Bidirectional(
                layers.LSTM(3), backward_layer=layers.LSTM(3, go_backwards=True, return_sequences=True)
            )

    def test_time_distributed(self):
        with check_refused(ValueError, "TimeDistributed: layer must be a layer such as Dense(10); got 3."):
            layers.TimeDistributed(3)


def snapshot(layer):
    return [v.numpy() for v in (*layer.variables, *tree.flatten(layer.states or []))]


CALLS = {
    "wrong rank": ((X[0],), {}, "GRU 'it': input: expected 3 axes; got shape (6, 4)"),
    "wrong feature size": (
        (X[:, :, :3],),
        {},
        "GRU 'it': input: expected size 4 on axis -1; got shape (3, 6, 3)",
    ),
    "no time steps": (
        (X[:, :0],),
        {},
        "GRU 'it': inputs must have shape (batch, time, ...) with at least one",
    ),
    "another batch": (
        (X[:2],),
        {},
        "GRU 'it': a stateful layer goes on where the batch before ended, so each batch must have the "
        "same size, 3; got 2.",
    ),
    "too many states": (
        (X,),
        {"initial_state": [np.zeros((3, 5))] * 2},
        "GRU 'it': initial_state must be 1 array [h] of shape (3, 5); got 2 arrays of shape (3, 5). "
        "A GRU's state is returned by return_state=True as output, h.",
    ),
    "state of another shape": (
        (X,),
        {"initial_state": np.zeros((3, 4))},
        "initial_state must be 1 array [h] of shape (3, 5); got 1 array of shape (3, 4).",
    ),
    "state of another batch": ((X,), {"initial_state": [np.zeros((2, 5))]}, "got 1 array of shape (2, 5)."),
    "mask of another length": (
        (X,),
        {"mask": np.ones((3, 5))},
        "GRU 'it': mask must have shape (batch, time) = (3, 6); got (3, 5).",
    ),
    "mask of another rank": (
        (X,),
        {"mask": np.ones((3, 6, 1))},
        "mask must have shape (batch, time) = (3, 6)",
    ),
    "mask as a flat list": (
        (X,),
        {"mask": [True] * 6},
        "mask must have shape (batch, time) = (3, 6); got (6,).",
    ),
    "text": ((np.full((3, 6, 4), "a"),), {}, "GRU 'it'"),
    "objects": ((np.array([[None]]),), {}, "GRU 'it'"),
}


@pytest.mark.parametrize("tier", ("fused", "generic"))
@pytest.mark.parametrize("case", CALLS)
def test_a_call_that_is_refused_changes_nothing(case, tier):
    args, kwargs, message = CALLS[case]
    layer = layers.GRU(5, stateful=True, dropout=0.5, recurrent_dropout=0.5, seed=1, name="it")
    layer(X, training=True)
    before = snapshot(layer)
    with kernels.use_tier(tier), pytest.raises((ValueError, TypeError), match=re.escape(message)):
        layer(*args, training=True, **kwargs)
    for old, new in zip(before, snapshot(layer)):
        np.testing.assert_array_equal(old, new)


def test_the_message_of_the_style_guide():
    with pytest.raises(ValueError, match="LSTM") as error:
        layers.LSTM(64, name="decoder")(np.zeros((32, 5, 8)), initial_state=np.zeros((32, 128)))
    assert str(error.value) == (
        "LSTM 'decoder': initial_state must be 2 arrays [h, c] of shape (32, 64); got 1 array of shape "
        "(32, 128). An LSTM's state is returned by return_state=True as output, h, c."
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_first_call_that_is_refused_builds_nothing(kind):
    for shape in ((3, 4), (3, 2, 6, 4), (3,)):
        layer = kind(5)
        with pytest.raises(ValueError, match=r"expected 3 axes; got shape"):
            layer(np.zeros(shape))
        assert not layer.built and not layer.weights
    cell = kind.cell_class(5)
    with check_refused(ValueError, "a step's input must have shape (batch, features); got (3,)."):
        layers.RNN(cell)(np.zeros((3, 4)))
    assert not cell.weights
    with pytest.raises(ValueError, match="needs a shape without None"):
        kind(5)(minirnn.Input((None, None)))


def test_a_stateful_layer_needs_to_know_the_batch_size():
    for layer in (
        layers.LSTM(3, stateful=True, name="it"),
        layers.RNN(layers.LSTMCell(3), stateful=True, name="it"),
    ):
        with check_refused(
            ValueError, "'it': stateful=True needs a known batch size; got (None, None, 4). Give it to Input"
        ):
            layer(minirnn.Input((None, 4)))
        assert not layer.weights
    assert layers.LSTM(3, stateful=True)(minirnn.Input(batch_shape=(2, None, 4))).shape == (2, 3)


def test_states_for_reset():
    layer = layers.LSTM(3, stateful=True, name="it")
    with check_refused(
        ValueError, "LSTM 'it': to be given states, the layer must be built first: call it on data."
    ):
        layer.reset_states([np.zeros((2, 3))] * 2)
    with check_refused(ValueError, "the layer must have stateful=True."):
        layers.LSTM(3).reset_states([np.zeros((2, 3))] * 2)
    layer(X)
    before = snapshot(layer)
    for states in ([np.ones((3, 3))], [np.ones((3, 3)), np.ones((2, 3))], np.ones((3, 3))):
        with check_refused(ValueError, "LSTM 'it': states must be 2 arrays [h, c] of shape (3, 3); got"):
            layer.reset_states(states)
    for old, new in zip(before, snapshot(layer)):
        np.testing.assert_array_equal(old, new)


def test_bidirectional_checks_both_directions_before_either_runs():
    layer = layers.Bidirectional(
        layers.LSTM(3, stateful=True),
        backward_layer=layers.LSTM(2, stateful=True, go_backwards=True, name="back"),
        name="it",
    )
    layer(X)
    before = [v.numpy() for v in layer.states]
    h, g = np.ones((3, 3)), np.ones((3, 2))
    with check_refused(
        ValueError,
        "Bidirectional 'it': initial_state must be 4 arrays, 2 for the forward layer, then 2 for the "
        "backward layer; got 3: (3, 3), (3, 3), (3, 2).",
    ):
        layer(X, initial_state=[h, h, g])
    with check_refused(ValueError, "LSTM 'back': initial_state must be 2 arrays [h, c] of shape (3, 2); got"):
        layer(X, initial_state=[h, h, h, h])
    with pytest.raises(ValueError, match="have the same size, 3; got 2"):
        layer(X[:2])
    for old, new in zip(before, layer.states):
        np.testing.assert_array_equal(old, new)
    layer(X, initial_state=[h, h, g, g])


def test_time_distributed_calls():
    layer = layers.TimeDistributed(layers.Dense(3), name="it")
    with check_refused(
        ValueError, "TimeDistributed 'it': inputs must have shape (batch, time, ...) with 3 axes or more"
    ):
        layer(np.zeros((3, 4)))
    assert not layer.weights
    layer(X)
    with check_refused(ValueError, "at least one time step"):
        layer(X[:, :0])
    masked = layers.TimeDistributed(layers.LSTM(3), name="it")
    with check_refused(
        ValueError, "TimeDistributed 'it': mask must have a shape that starts with (batch, time) = (3, 6)"
    ):
        masked(X[:, :, None], mask=np.ones((3, 5)))


class TestCellsThatAreWrong:
    def test_what_they_return(self):
        class NoStates(layers.Layer):
            state_size = 4

            def call(self, inputs, states):
                return inputs

        class Wider(NoStates):
            def call(self, inputs, states):
                return inputs, [ops.zeros((3, 5))]

        class Fewer(NoStates):
            state_size = (4, 4)

            def call(self, inputs, states):
                return inputs, [states[0]]

        with check_refused(
            ValueError, "RNN 'it': NoStates.call must return (output, new_states); got Tensor."
        ):
            layers.RNN(NoStates(), name="it")(X)
        with check_refused(ValueError, "1 array of shape (3, 4); it returned 1 array of shape (3, 5)."):
            layers.RNN(Wider())(X)
        with check_refused(ValueError, "2 arrays of shape (3, 4); it returned 1 array of shape (3, 4)."):
            layers.RNN(Fewer())(X)

    def test_the_states_they_start_from(self):
        class Two(layers.Layer):
            state_size = 4

            def get_initial_state(self, batch_size):
                return [ops.zeros((batch_size, 4))] * 2

            def call(self, inputs, states):
                return inputs, states

        with check_refused(
            ValueError, "Two.get_initial_state must return 1 state(s), as state_size has it; got 2."
        ):
            layers.RNN(Two())(X)

    def test_inputs_of_different_lengths(self):
        class Cell(layers.Layer):
            state_size = 4

            def call(self, inputs, states):
                return inputs[0], states

        with check_refused(
            ValueError, "all inputs must have the same batch size and number of time steps; got [(3, 6), ("
        ):
            layers.RNN(Cell(), name="it")([X, X[:, :5]])
