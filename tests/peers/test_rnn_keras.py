"""Recurrent layers beside Keras's own on JAX: outputs, last states, gradients, weights and configs."""

import numpy as np
import pytest

import minirnn
from minirnn import kernels, tree
from tests.arrays import leaf

B, T, D, H = 3, 5, 4, 6
RIGHT = np.arange(T) < np.array([[5], [2], [3]])
LEFT = np.arange(T) >= np.array([[0], [2], [3]])
HOLES = np.array([[1, 1, 0, 1, 1], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0]], bool)
ALL = {"return_sequences": True, "return_state": True}


def make(module, spec):
    """Return the layer of Keras or of minirnn that a nested spec (class, arguments, options) describes."""
    name, arguments, options = spec
    arguments = [make_argument(module, a) for a in arguments]
    return getattr(module.layers, name)(*arguments, **options)


def make_argument(module, argument):
    if isinstance(argument, list):
        return [make(module, a) for a in argument]
    return make(module, argument) if isinstance(argument, tuple) else argument


def cotangents(shapes):
    rng = np.random.default_rng(11)
    return [rng.normal(size=s).astype("float32") for s in shapes]


def run_keras(keras, layer, weights, x_BTD, states, mask_BT):
    """Return outputs and gradients by weights, inputs and states, compiled once."""
    import jax

    layer.build((B, *x_BTD.shape[1:]))
    layer.set_weights(weights)
    fixed = [v.value for v in layer.non_trainable_variables]

    @jax.jit
    def both(trainable, x, initial_state):
        def loss(trainable, x, initial_state):
            given = {} if initial_state is None else {"initial_state": initial_state}
            given |= {} if mask_BT is None else {"mask": mask_BT}
            outputs, _ = layer.stateless_call(trainable, fixed, x, **given)
            flat = keras.tree.flatten(outputs)
            return sum((y * w).sum() for y, w in zip(flat, cotangents([y.shape for y in flat]))), flat

        numbers = (0, 1) if initial_state is None else (0, 1, 2)
        gradients, flat = jax.grad(loss, argnums=numbers, has_aux=True)(trainable, x, initial_state)
        return flat, gradients

    flat, gradients = both([v.value for v in layer.trainable_variables], x_BTD, states)
    return [np.asarray(y) for y in flat], [np.asarray(g) for g in keras.tree.flatten(gradients)]


def run_ours(layer, weights, x_BTD, states, mask_BT, tier):
    layer.build((B, *x_BTD.shape[1:]))
    layer.set_weights(weights)
    x = leaf(x_BTD)
    given = {} if mask_BT is None else {"mask": mask_BT}
    if states is not None:
        states = tree.map_structure(leaf, states)
        given["initial_state"] = states
    with kernels.use_tier(tier):
        flat = tree.flatten(layer(x, **given))
    losses = [(y * w).sum() for y, w in zip(flat, cotangents([y.shape for y in flat]))]
    leaves = [*layer.trainable_variables, x, *tree.flatten(states or [])]
    gradients = minirnn.grad(minirnn.ops.sum(minirnn.ops.stack(losses)), leaves)
    zeros = [np.zeros(leaf.shape) for leaf in leaves]
    return [y.numpy() for y in flat], [z if g is None else g.numpy() for g, z in zip(gradients, zeros)]


def plain_config(config):
    """Return a config without what is this library's or Keras's alone: modules, and policies for dtypes."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return config["config"]["name"]
        skipped = ("module", "registered_name", "name", "build_config", "input_axes", "output_axes")
        return {k: plain_config(v) for k, v in config.items() if k not in skipped}
    return [plain_config(v) for v in config] if isinstance(config, list | tuple) else config


def without_numbers(path):
    """Return a weight's path without the numbers at the end of automatic names."""
    parts = [p.rsplit("_", 1) for p in path.split("/")]
    return "/".join(p[0] if len(p) == 2 and p[1].isdigit() else "_".join(p) for p in parts)


def assert_same(got, expected, what):
    scale = max(1.0, float(np.abs(expected).max(initial=0)))
    np.testing.assert_allclose(got / scale, expected / scale, atol=3e-6, rtol=0, err_msg=what)


CASES = {
    "simple_rnn": (("SimpleRNN", [H], ALL), 1, None),
    "simple_rnn, relu, right mask": (("SimpleRNN", [H], {**ALL, "activation": "relu"}), 1, RIGHT),
    "simple_rnn, backwards, last output alone": (
        ("SimpleRNN", [H], {"go_backwards": True, "use_bias": False}),
        0,
        HOLES,
    ),
    "gru": (("GRU", [H], ALL), 1, None),
    "gru, left mask": (("GRU", [H], {**ALL, "activation": "softsign"}), 1, LEFT),
    "gru, reset before, holes": (
        ("GRU", [H], {**ALL, "reset_after": False, "recurrent_activation": "hard_sigmoid"}),
        1,
        HOLES,
    ),
    "gru, no bias, backwards": (("GRU", [H], {**ALL, "use_bias": False, "go_backwards": True}), 0, None),
    "lstm": (("LSTM", [H], ALL), 2, None),
    "lstm, holes": (("LSTM", [H], {**ALL, "unit_forget_bias": False}), 2, HOLES),
    "lstm, holes, zero output": (("LSTM", [H], {**ALL, "zero_output_for_mask": True}), 2, HOLES),
    "lstm, last output, zero where masked": (("LSTM", [H], {"zero_output_for_mask": True}), 0, RIGHT),
    "lstm, backwards, right mask": (
        ("LSTM", [H], {**ALL, "go_backwards": True, "activation": "elu"}),
        0,
        RIGHT,
    ),
    "lstm, unrolled": (("LSTM", [H], {"unroll": True, "use_bias": False}), 0, None),
    "rnn of a cell": (("RNN", [("GRUCell", [H], {})], ALL), 1, HOLES),
    "stacked cells": (
        ("RNN", [[("LSTMCell", [H], {}), ("GRUCell", [3], {}), ("SimpleRNNCell", [2], {})]], ALL),
        None,
        RIGHT,
    ),
    "bidirectional": (("Bidirectional", [("LSTM", [H], ALL)], {}), 4, None),
    "bidirectional, holes": (("Bidirectional", [("GRU", [H], ALL)], {"merge_mode": "ave"}), 2, HOLES),
    "bidirectional, two outputs": (
        ("Bidirectional", [("SimpleRNN", [H], {"return_sequences": True})], {"merge_mode": None}),
        0,
        RIGHT,
    ),
    "bidirectional, last output": (("Bidirectional", [("GRU", [H], {})], {"merge_mode": "mul"}), 0, LEFT),
    "bidirectional, sum": (("Bidirectional", [("LSTM", [H], {})], {"merge_mode": "sum"}), 0, None),
    "time distributed": (("TimeDistributed", [("Dense", [H], {"activation": "tanh"})], {}), 0, None),
}


@pytest.mark.parametrize("case", CASES)
def test_outputs_states_gradients_paths_and_configs_are_keras(keras, case):
    spec, count, mask_BT = CASES[case]
    theirs, ours = make(keras, spec), make(minirnn, spec)
    rng = np.random.default_rng(5)
    x_BTD = rng.normal(size=(B, T, D)).astype("float32")
    states = None
    if count is None:
        sizes = ((H, H), (3,), (2,))
        states = [[rng.normal(size=(B, n)).astype("float32") for n in cell] for cell in sizes]
    elif count:
        states = [rng.normal(size=(B, H)).astype("float32") for _ in range(count)]
    ours.build((B, T, D))
    weights = [0.5 * rng.normal(size=w.shape).astype("float32") for w in ours.weights]

    outputs, gradients = run_keras(keras, theirs, weights, x_BTD, states, mask_BT)
    assert [without_numbers(w.path) for w in ours.weights] == [
        without_numbers(w.path) for w in theirs.weights
    ]
    assert [w.shape for w in ours.weights] == [tuple(w.shape) for w in theirs.weights]
    assert plain_config(ours.get_config()) == plain_config(theirs.get_config())
    for tier in ("fused", "generic"):
        again = type(ours).from_config(ours.get_config())
        found, slopes = run_ours(again, weights, x_BTD, states, mask_BT, tier)
        assert len(found) == len(outputs) and len(slopes) == len(gradients)
        for number, (got, want) in enumerate(zip(found, outputs)):
            assert_same(got, want, f"{tier}: output {number}")
        for number, (got, want) in enumerate(zip(slopes, gradients)):
            assert_same(got, want, f"{tier}: gradient {number}")


CELLS = {
    "SimpleRNNCell": {"activation": "relu"},
    "GRUCell": {"reset_after": False, "recurrent_dropout": 0.1},
    "LSTMCell": {"dropout": 0.2, "kernel_regularizer": "l2", "bias_constraint": "non_neg"},
}


@pytest.mark.parametrize("name", CELLS)
def test_configs_of_cells_are_keras(keras, name):
    spec = (name, [4], CELLS[name])
    theirs, ours = make(keras, spec), make(minirnn, spec)
    assert plain_config(ours.get_config()) == plain_config(theirs.get_config())
    assert tree.flatten(ours.state_size) == tree.flatten(theirs.state_size)
    assert ours.output_size == theirs.output_size


@pytest.mark.parametrize(
    "name", ("SimpleRNN", "GRU", "LSTM", "RNN", "Bidirectional", "TimeDistributed", *CELLS)
)
def test_constructors_take_keras_arguments_with_its_defaults(keras, name):
    import inspect

    theirs, ours = (inspect.signature(getattr(m.layers, name).__init__).parameters for m in (keras, minirnn))
    extra = ["use_cudnn"] if name == "SimpleRNN" else []  # cuDNN has simple networks too
    assert [n for n in ours if n not in extra] == list(theirs)
    assert {n: p.default for n, p in ours.items() if n not in extra} == {
        n: p.default for n, p in theirs.items()
    }


@pytest.mark.parametrize("name", ("SimpleRNN", "GRU", "LSTM"))
def test_initial_weights_have_keras_distributions(keras, name):
    """Kernels within Glorot's limits, orthogonal recurrent kernels, biases 0, or 1 for the forget gate."""
    theirs, ours = make(keras, (name, [16], {})), make(minirnn, (name, [16], {}))
    for layer in (theirs, ours):
        layer.build((None, None, 8))
    kernel, recurrent, bias = (w.numpy() for w in ours.weights)
    expected_kernel, _, expected_bias = (np.asarray(w.value) for w in theirs.weights)
    np.testing.assert_array_equal(bias, expected_bias)
    limit = np.sqrt(6 / sum(kernel.shape))
    assert (
        0.9 * limit < np.abs(kernel).max() <= limit and 0.9 * limit < np.abs(expected_kernel).max() <= limit
    )
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(16), atol=1e-5)


def test_stateful_calls_and_what_is_tracked_are_keras(keras):
    rng = np.random.default_rng(5)
    theirs, ours = (make(m, ("LSTM", [H], {**ALL, "stateful": True})) for m in (keras, minirnn))
    theirs.build((B, T, D))
    ours.build((B, T, D))
    ours.set_weights([np.asarray(w.value) for w in theirs.weights])
    assert [v.shape for v in ours.states] == [tuple(v.shape) for v in theirs.states]
    assert len(ours.variables) == len(theirs.variables)
    for step in range(3):
        x_BTD = rng.normal(size=(B, T, D)).astype("float32")
        for got, want in zip(ours(x_BTD), theirs(x_BTD)):
            assert_same(got.numpy(), np.asarray(want), f"call {step}")
    theirs.reset_states()
    ours.reset_states()
    for got, want in zip(ours.states, theirs.states):
        np.testing.assert_array_equal(got.numpy(), np.asarray(want.value))
