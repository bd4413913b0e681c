"""A recurrent layer in chunks of time gives what it gives in one go, gradients and side effects too."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minirnn
from minirnn import kernels, layers, ops, tree
from minirnn.autograd import convert, grad, no_grad, value_and_grad
from minirnn.backend import array_module
from minirnn.layers.rnn import chunks
from tests.arrays import leaf
from tests.laws import strategies
from tests.laws.strategies import arrays, assert_equal, project
from tests.layers.rnn.nested_cells import NestedInput, RotatingCell
from tests.standins import hostcupy_for_cupy

steps_of = st.integers(1, 4)


def numbers(*shape, seed=0, dtype="float64"):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("tier", ["fused", "generic"])
@pytest.mark.parametrize("of_cell", [False, True])
@given(case=strategies.cases(min_time=2, dropout=0.4, recurrent_dropout=0.3, seed=7), steps=steps_of)
def test_outputs_states_and_gradients_are_those_of_the_layer(tier, of_cell, case, steps):
    make = case.layer_of_cell if of_cell else case.layer
    with kernels.use_tier(tier):
        for training in (False, True):
            plain, chunked = make(), minirnn.recompute(make(), steps)
            for got, expected in zip(
                case.run(chunked, training=training), case.run(plain, training=training)
            ):
                np.testing.assert_array_equal(got, expected)
            expected = case.gradients(plain, training=training)
            assert_equal(case.gradients(chunked, training=training), expected, case.dtype)
            assert_same_state(plain, chunked)


def assert_same_state(one, other):
    for a, b in zip(one.variables, other.variables, strict=True):
        np.testing.assert_array_equal(a, b)


@settings(max_examples=10)
@given(case=strategies.cases(min_time=3, return_sequences=True), steps=steps_of)
def test_both_directions_of_a_bidirectional_layer_run_in_chunks(case, steps):
    def both(wrap):
        layer = layers.Bidirectional(case.layer(), dtype=case.dtype)
        layer.build(case.x_BTD.shape)
        layer.set_weights(case.weights * 2)
        return wrap(layer)

    plain, chunked = both(lambda layer: layer), both(lambda layer: minirnn.recompute(layer, steps))
    x = leaf(case.x_BTD)

    def run(layer):
        outputs = layer(x, mask=case.mask_BT)
        return arrays([*outputs, *grad(project(outputs), [x, *layer.trainable_weights])])

    assert_equal(run(chunked), run(plain), case.dtype)


def test_both_directions_run_in_chunks_where_cudnn_could_run_them_in_one_call(monkeypatch):
    x, layer = numbers(2, 9, 3), layers.Bidirectional(layers.LSTM(2, return_sequences=True))

    def run(wrap):
        minirnn.utils.set_random_seed(1)
        y = wrap(layers.Bidirectional.from_config(layer.get_config()))
        return arrays([y(x), *grad(project(y(x)), y.trainable_weights)])

    expected = run(lambda layer: layer)
    calls, forward = [], chunks._Call.forward
    monkeypatch.setattr(chunks._Call, "forward", lambda call: calls.append(1) or forward(call))
    with hostcupy_for_cupy(cudnn=True):
        got = run(lambda layer: minirnn.recompute(layer, 4))
    assert len(calls) == 4
    assert_equal(got, expected, "float32")


class Counting(layers.Layer):
    """A cell whose output is not its state, with dropout a step, moving statistics and a count of steps."""

    state_size = 3
    output_size = 2

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dropout = layers.Dropout(0.3, seed=5, dtype="float64")
        self.normalize = layers.BatchNormalization(momentum=0.9, dtype="float64")

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1] + 3, 3), name="kernel")
        self.out = self.add_weight((3, 2), name="out")
        self.steps = self.add_weight((), "zeros", trainable=False, name="steps")

    def call(self, inputs, states, training=False):
        self.steps.assign_add(1.0)
        x = self.dropout(inputs, training=training)
        h = ops.tanh(ops.matmul(ops.concatenate([x, states[0]], axis=-1), self.kernel))
        return self.normalize(ops.matmul(h, self.out) * self.steps, training=training), [h]


@pytest.mark.parametrize("zeroed", [False, True])
@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_a_cell_of_ones_own_changes_what_it_changes_once(sequences, masked, back, zeroed):
    x = numbers(3, 11, 2)
    mask = None
    if masked:
        mask = np.random.default_rng(2).random((3, 11)) < 0.5
        mask[0] = False
        mask[1, 2:9] = False  # more than one chunk
        mask[2] = np.arange(11) > 6

    def run(wrap):
        minirnn.utils.set_random_seed(0)
        options = {"return_state": True, "go_backwards": back, "zero_output_for_mask": zeroed}
        layer = wrap(
            layers.RNN(Counting(dtype="float64"), return_sequences=sequences, dtype="float64", **options)
        )
        X = leaf(x)
        for _ in range(2):
            outputs = layer(X, mask=mask, training=True)
            gradients = grad(project(outputs), [X, *layer.trainable_weights])
        return arrays([*outputs, *gradients]), arrays(layer.variables)

    (expected, state), (got, chunked_state) = (
        run(lambda layer: layer),
        run(lambda layer: minirnn.recompute(layer, 3)),
    )
    assert_equal(got, expected)
    for a, b in zip(chunked_state, state, strict=True):
        np.testing.assert_array_equal(a, b)
    assert state[2] == 22


@pytest.mark.parametrize("form", ["dict", "list", "deep", "namedtuple"])
def test_inputs_outputs_and_states_may_be_nested(form):
    a, b = numbers(2, 7, 3), numbers(2, 7, 3, 4, seed=1)

    def run(wrap):
        minirnn.utils.set_random_seed(0)
        cell = RotatingCell(3, 4, form, dtype="float64")
        layer = wrap(layers.RNN(cell, return_sequences=True, return_state=True, dtype="float64"))
        inputs = NestedInput(leaf(a), leaf(b))
        outputs = layer(inputs)
        again = layer(inputs)
        tree.assert_same_structure(outputs, again)
        return outputs, arrays([outputs, grad(project(outputs), [*inputs, *layer.trainable_weights])])

    (form_of, expected), (chunked_form, got) = (
        run(lambda layer: layer),
        run(lambda layer: minirnn.recompute(layer, 2)),
    )
    tree.assert_same_structure(form_of, chunked_form)
    assert_equal(got, expected)


@pytest.mark.parametrize("tier", ["fused", "generic"])
def test_a_stateful_layer_carries_its_states_once(tier):
    def run(wrap):
        minirnn.utils.set_random_seed(0)
        layer = wrap(layers.LSTM(3, stateful=True, return_sequences=True, dtype="float64"))
        parts = [layer(numbers(2, 6, 2, seed=n)) for n in range(3)]
        # The latest first, so that the others are computed again from states that are gone.
        gradients = [grad(project(y), layer.trainable_weights) for y in reversed(parts)]
        return arrays([parts, gradients, layer.states])

    with kernels.use_tier(tier):
        assert_equal(run(lambda layer: minirnn.recompute(layer, 2)), run(lambda layer: layer))


def test_a_stateful_layer_in_chunks_forgets_when_it_is_told_to():
    layer = minirnn.recompute(layers.GRU(3, stateful=True), 2)
    x = numbers(2, 6, 2)
    first = layer(x).numpy()
    assert not np.array_equal(layer(x), first)
    layer.reset_states()
    assert np.array_equal(layer(x), first)
    assert layer.states is layer.layer.states
    with pytest.raises(AttributeError, match="Dense carries no state"):
        minirnn.recompute(layers.Dense(2)).reset_state()


@pytest.mark.parametrize("tier", ["fused", "generic"])
def test_weights_that_change_before_the_reverse_pass_do_not_change_the_gradient(tier):
    def run(wrap):
        minirnn.utils.set_random_seed(0)
        layer = wrap(layers.LSTM(3, dtype="float64"))
        with kernels.use_tier(tier):
            loss = project(layer(numbers(2, 6, 2)))
        values = [w.data for w in layer.weights]
        for w in layer.weights:
            w.assign(w * 2.0)
        changed = [w.data for w in layer.weights]
        gradients = arrays(grad(loss, layer.trainable_weights))
        assert all(w.data is d for w, d in zip(layer.weights, changed))
        assert not any(w.data is d for w, d in zip(layer.weights, values))
        return gradients

    assert_equal(run(lambda layer: minirnn.recompute(layer, 2)), run(lambda layer: layer))


def test_a_frozen_layer_passes_gradients_to_its_inputs_and_states():
    def run(wrap):
        minirnn.utils.set_random_seed(0)
        layer = layers.GRU(3, dtype="float64", trainable=False)
        x, h = (leaf(numbers(*s)) for s in [(2, 6, 2), (2, 3)])
        y = wrap(layer)(x, initial_state=h)
        return arrays(grad(project(y), [x, h]))

    assert_equal(run(lambda layer: minirnn.recompute(layer, 2)), run(lambda layer: layer))


def test_an_initial_state_that_is_learned_has_its_gradient():
    def run(wrap):
        minirnn.utils.set_random_seed(0)
        layer, h = wrap(layers.GRU(3, dtype="float64")), minirnn.Variable(numbers(2, 3))
        y = layer(numbers(2, 6, 2), h)
        return arrays(grad(project(y), [h, *layer.trainable_weights]))

    assert_equal(run(lambda layer: minirnn.recompute(layer, 2)), run(lambda layer: layer))


def test_second_derivatives_are_those_of_the_generic_loop():
    x = numbers(2, 5, 2)

    def run(wrap):
        minirnn.utils.set_random_seed(0)
        layer = wrap(layers.LSTM(3, dtype="float64", dropout=0.3, return_sequences=True))
        layer(x)

        def penalty(x):
            gradient = grad(lambda x: project(layer(x, training=True)))(x)
            return ops.sum(gradient * gradient)

        value, gradient = value_and_grad(penalty)(x)
        by_weight = grad(penalty(convert(x)), layer.trainable_weights)
        return arrays([value, gradient, by_weight])

    with kernels.use_tier("generic"):
        assert_equal(run(lambda layer: minirnn.recompute(layer, 2)), run(lambda layer: layer))
    with pytest.raises(NotImplementedError, match="no second derivative"):
        run(lambda layer: minirnn.recompute(layer, 2))


def test_a_graph_that_is_retained_gives_the_gradient_again():
    layer = minirnn.recompute(layers.LSTM(3, dtype="float64"), 2)
    loss = project(layer(numbers(2, 6, 2)))
    weights = layer.trainable_weights
    first = arrays(grad(loss, weights, retain_graph=True))
    assert_equal(arrays(grad(loss, weights)), first)
    with pytest.raises(RuntimeError, match="freed by an earlier backward"):
        grad(loss, weights)


class Penalized(layers.LSTMCell):
    def call(self, inputs, states, training=False):
        self.add_loss(ops.sum(states[0] * states[0]))
        return super().call(inputs, states, training=training)


def test_a_cell_that_adds_losses_is_run_in_one_go():
    def run(wrap):
        minirnn.utils.set_random_seed(0)
        layer = wrap(layers.RNN(Penalized(3, dtype="float64", dropout=0.5), dtype="float64"))
        y = layer(numbers(2, 6, 2), training=True)
        loss = sum(layer.losses, start=project(y))
        assert len(layer.losses) == 6
        return arrays([loss, *grad(loss, layer.trainable_weights), *layer.variables])

    assert_equal(run(lambda layer: minirnn.recompute(layer, 2)), run(lambda layer: layer))


def test_a_kernel_regularizer_counts_as_before():
    layer = minirnn.recompute(layers.LSTM(3, kernel_regularizer="l2", activity_regularizer="l2"), 2)
    layer(numbers(2, 6, 2))
    assert len(layer.losses) == 2


def test_the_tier_of_the_first_run_is_that_of_the_second():
    layer = minirnn.recompute(layers.LSTM(3, dtype="float64"), 2)
    x = numbers(2, 6, 2)
    ran = []
    cell_call = type(layer.layer.cell).call

    class Watched(layers.LSTMCell):
        def call(self, *args, **kwargs):
            ran.append(1)
            return cell_call(self, *args, **kwargs)

    layer(x)
    layer.layer.cell.__class__ = Watched
    Watched.fused_kernel = "lstm"
    with kernels.use_tier("generic"):
        loss = project(layer(x))
    assert len(ran) == 6
    grad(loss, layer.trainable_weights)
    assert len(ran) == 12


def test_without_a_gradient_to_come_the_layer_runs_in_one_go():
    calls = []

    class Seen(layers.LSTM):
        def inner_loop(self, sequences, *args):
            calls.append(sequences.shape[1])
            return super().inner_loop(sequences, *args)

    layer = minirnn.recompute(Seen(3), 2)
    with no_grad():
        layer(numbers(2, 6, 2))
    assert calls == [6]
    loss = project(layer(numbers(2, 6, 2)))
    assert calls == [6, 2, 2, 2]
    grad(loss, layer.trainable_weights)
    assert calls[4:] == [2, 2, 2]
    layer(numbers(2, 1, 2))
    assert calls[7:] == [1]


@pytest.mark.parametrize("tier, share", [("fused", 12), ("generic", 30)])
def test_memory_grows_with_the_root_of_the_steps(tier, share):
    def peak(wrap, steps):
        layer = layers.LSTM(16)
        x = np.zeros((4, steps, 3), "float32")
        layer(x[:, :2])
        call = wrap(layer)
        tracemalloc.start()
        with kernels.use_tier(tier):
            grad(ops.sum(call(x)), layer.trainable_weights)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(minirnn.recompute, 900) * share / 3 < peak(lambda layer: layer, 900)
    if tier == "fused":
        assert peak(minirnn.recompute, 3600) * share < peak(lambda layer: layer, 3600)


def test_use_cudnn_is_refused_as_in_the_layer():
    layer = minirnn.recompute(layers.LSTM(3, use_cudnn=True), 2)
    if array_module(minirnn.ops.zeros((1,)).data) is np:
        with pytest.raises(ValueError, match="use_cudnn=True, but cuDNN cannot run this call"):
            layer(numbers(2, 6, 2))
