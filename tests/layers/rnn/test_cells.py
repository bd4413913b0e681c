"""Cells by themselves: one step, stacks of them, and dropout inside of them."""

import numpy as np
import pytest

import minirnn
from minirnn import kernels, layers, ops, tree
from minirnn.autograd import convert

KINDS = (layers.SimpleRNN, layers.GRU, layers.LSTM)
X = np.random.default_rng(0).normal(size=(3, 6, 4))


@pytest.mark.parametrize("kind", KINDS)
def test_steps_of_a_cell_make_the_layer(kind):
    layer = kind(5, return_state=True, dtype="float64")
    expected = layer(X)
    states = layer.cell.get_initial_state(batch_size=3)
    for t in range(6):
        y, states = layer.cell(X[:, t], states)
    for got, want in zip((y, *states), expected):
        np.testing.assert_allclose(got, want, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS[:2])
def test_a_single_state_may_come_without_its_list(kind):
    cell = kind.cell_class(5)
    h = np.ones((3, 5))
    y, bare = cell(X[:, 0], h)
    again, (listed,) = cell(X[:, 0], [h])
    for got in (bare, again, listed):
        np.testing.assert_array_equal(got, y)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_checks_its_step(kind):
    cell = kind.cell_class(5, name="it")
    cell(X[:, 0], cell.get_initial_state(3))
    with pytest.raises(
        ValueError, match=rf"{kind.cell_class.__name__} 'it': input: expected size 4 on axis -1"
    ):
        cell(X[:, 0, :3], cell.get_initial_state(3))


def test_a_stack_is_its_cells_one_after_the_other():
    cells = [layers.LSTMCell(5), layers.GRUCell(3), layers.SimpleRNNCell(2)]
    stack = layers.StackedRNNCells(cells)
    states = stack.get_initial_state(batch_size=3)
    assert [[s.shape for s in tree.flatten(cell)] for cell in states] == [
        [(3, 5), (3, 5)],
        [(3, 3)],
        [(3, 2)],
    ]
    y, new = stack(X[:, 0], states)
    by_hand = X[:, 0]
    for cell, old, got in zip(cells, states, new):
        by_hand, expected = cell(by_hand, old)
        for a, b in zip(got, expected):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(y, by_hand)
    assert stack.output_size == 2 and stack.state_size == [[5, 5], 3, 2]


def test_before_the_first_step_that_counts_a_stack_gives_the_state_of_its_top():
    layer = layers.RNN([layers.GRUCell(4), layers.LSTMCell(4)], return_sequences=True)
    states = [[np.full((3, 4), 1.0)], [np.full((3, 4), 2.0), np.full((3, 4), 3.0)]]
    y = layer(X, mask=np.arange(6) >= np.array([[6], [2], [0]]), initial_state=states)
    np.testing.assert_array_equal(y[0], np.full((6, 4), 2.0))
    np.testing.assert_array_equal(y[1, :2], np.full((2, 4), 2.0))
    assert np.all(np.asarray(y[1, 2:]) != 2.0)


def test_stacks_of_stacks():
    inner = layers.StackedRNNCells([layers.GRUCell(3), layers.LSTMCell(2)])
    layer = layers.RNN([inner, layers.SimpleRNNCell(4)], return_state=True, stateful=True)
    y, lower, upper = layer(X, mask=np.arange(6) < np.array([[6], [2], [0]]))
    assert [s.shape for s in tree.flatten([y, lower, upper])] == [(3, 4), (3, 3), (3, 2), (3, 2), (3, 4)]
    flat = layers.RNN([*inner.cells, layer.cell.cells[1]])
    np.testing.assert_allclose(flat(X)[0], y[0], atol=1e-6)


class TestDropout:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("name", ("dropout", "recurrent_dropout"))
    def test_is_for_training_alone_and_new_at_each_call(self, kind, name):
        layer = kind(5, **{name: 0.5}, seed=1)
        plain = layer(X)
        np.testing.assert_array_equal(layer(X, training=False), plain)
        one, other = layer(X, training=True), layer(X, training=True)
        assert np.abs(one.numpy() - plain.numpy()).max() > 1e-3
        assert np.abs(one.numpy() - other.numpy()).max() > 1e-3

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("tier", ("fused", "generic"))
    def test_a_seed_makes_it_the_same(self, kind, tier):
        with kernels.use_tier(tier):
            found = []
            for _ in range(2):
                layer = kind(5, dropout=0.3, recurrent_dropout=0.3, seed=7)
                layer.build(X.shape)
                layer.set_weights([0.1 + np.arange(w.size).reshape(w.shape) % 7 / 10 for w in layer.weights])
                found.append([layer(X, training=True).numpy() for _ in range(2)])
        np.testing.assert_array_equal(found[0], found[1])

    @pytest.mark.parametrize("tier", ("fused", "generic"))
    def test_one_mask_serves_all_steps(self, tier):
        """Units all of whose inputs are dropped at the first step are so at every step."""
        layer = layers.SimpleRNN(
            64, activation="linear", recurrent_initializer="zeros", dropout=0.5, return_sequences=True, seed=3
        )
        layer.build((1, 6, 64))
        layer.set_weights([np.eye(64), np.zeros((64, 64)), np.zeros(64)])
        with kernels.use_tier(tier):
            y = layer(np.ones((1, 6, 64)), training=True).numpy()[0]
        assert set(np.unique(y)) == {0.0, 2.0}
        np.testing.assert_array_equal(y, np.broadcast_to(y[0], y.shape))
        assert 16 < (y[0] == 0).sum() < 48

    @pytest.mark.parametrize("kind", (layers.GRU, layers.LSTM))
    def test_each_gate_has_a_mask_of_its_own_with_implementation_1(self, kind):
        cell = kind.cell_class(4, dropout=0.5, implementation=1)
        x = ops.ones((2, 50))
        assert cell.get_dropout_mask(x).shape == (cell.gates, 2, 50)
        assert kind.cell_class(4, dropout=0.5).get_dropout_mask(x).shape == (2, 50)
        recurrent = kind.cell_class(4, recurrent_dropout=0.5)
        assert recurrent.get_recurrent_dropout_mask(x).shape == (cell.gates, 2, 50)
        assert recurrent.get_dropout_mask(x) is None

    def test_a_cell_by_itself_keeps_its_mask_until_it_is_reset(self):
        cell = layers.GRUCell(4, dropout=0.5, seed=1)
        h = cell.get_initial_state(3)
        one, _ = cell(X[:, 0], h, training=True)
        again, _ = cell(X[:, 0], h, training=True)
        np.testing.assert_array_equal(one, again)
        cell.reset_dropout_mask()
        other, _ = cell(X[:, 0], h, training=True)
        assert np.abs(one.numpy() - other.numpy()).max() > 1e-3

    def test_a_stack_drops_in_each_cell_and_keeps_no_mask(self):
        cells = [layers.GRUCell(4, dropout=0.5), layers.LSTMCell(4, recurrent_dropout=0.5)]
        layer = layers.RNN(cells)
        layer(X, training=True)
        layer(X[:2], training=True)
        assert all(c._dropout_mask is None and c._recurrent_dropout_mask is None for c in cells)

    def test_masks_are_reset_when_a_cell_fails(self):
        class Failing(layers.GRUCell):
            def call(self, inputs, states, training=False):
                self.get_dropout_mask(inputs)
                raise RuntimeError("no")

        cell = Failing(4, dropout=0.5)
        with pytest.raises(RuntimeError, match="no"):
            layers.RNN(cell)(X, training=True)
        assert cell._dropout_mask is None

    @pytest.mark.parametrize("tier", ("fused", "generic"))
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("name", ("dropout", "recurrent_dropout"))
    def test_at_rate_1_all_inputs_or_states_count_as_0(self, kind, tier, name):
        weight = {"dropout": 0, "recurrent_dropout": 1}[name]
        layer = kind(5, return_sequences=True, dtype="float64", **{name: 1})
        with kernels.use_tier(tier):
            layer.build(X.shape)
            x = minirnn.Tensor(convert(X).data, requires_grad=True)
            y = ops.sum(layer(x, training=True))
            of_inputs, *of_weights = minirnn.grad(y, [x, *layer.weights])
            weights = layer.get_weights()
            weights[weight] = np.zeros_like(weights[weight])
            layer.set_weights(weights)
            np.testing.assert_allclose(y, ops.sum(layer(X)), atol=1e-12)
        assert not of_weights[weight].numpy().any()
        assert np.isfinite(of_inputs.numpy()).all()
        assert of_inputs.numpy().any() == (name == "recurrent_dropout")

    def test_outputs_keep_their_mean(self):
        layer = layers.SimpleRNN(1, activation="linear", recurrent_dropout=0.3, use_bias=False, seed=0)
        layer.build((20000, 2, 1))
        layer.set_weights([np.ones((1, 1)), np.ones((1, 1))])
        y = layer(np.ones((20000, 2, 1)), training=True).numpy()
        np.testing.assert_allclose(y.mean(), 2.0, atol=0.02)
        assert minirnn.random.SeedGenerator is type(layer.cell.seed_generator)
