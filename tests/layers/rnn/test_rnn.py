"""`RNN` and the three built-in layers: options, states, masks, and cells of every form."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import minirnn
from minirnn import kernels, layers, ops, tree

KINDS = (layers.SimpleRNN, layers.GRU, layers.LSTM)
TIERS = ("fused", "generic")
kinds = st.sampled_from(KINDS)
tiers = st.sampled_from(TIERS)


def sequence(seed=0, shape=(3, 6, 4)):
    return np.random.default_rng(seed).normal(size=shape)


def close(got, want, atol=1e-10):
    for a, b in zip(tree.flatten(got), tree.flatten(want), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), atol=atol, rtol=0)


class TestLaws:
    @given(kinds, tiers, st.lists(st.integers(1, 4), min_size=1, max_size=4), st.booleans())
    def test_pieces_with_carried_state_equal_the_whole(self, kind, tier, pieces, masked):
        x = sequence(len(pieces), (2, sum(pieces), 3))
        mask = np.random.default_rng(1).random(x.shape[:2]) < 0.6 if masked else np.ones(x.shape[:2], bool)
        whole = kind(4, return_sequences=True, dtype="float64")
        stateful = kind(4, return_sequences=True, stateful=True, dtype="float64")
        manual = kind(4, return_sequences=True, return_state=True, dtype="float64")
        with kernels.use_tier(tier):
            expected = whole(x, mask=mask)
            for layer in (stateful, manual):
                layer.build((2, None, 3))
                layer.set_weights(whole.get_weights())
            outputs, by_hand, states, start = [], [], None, 0
            for n in pieces:
                part = slice(start, start + n)
                outputs.append(stateful(x[:, part], mask=mask[:, part]))
                y, *states = manual(x[:, part], mask=mask[:, part], initial_state=states)
                by_hand.append(y)
                start += n
        close(np.concatenate(outputs, axis=1), expected)
        close(np.concatenate(by_hand, axis=1), expected)

    @given(kinds, tiers, st.booleans())
    def test_go_backwards_equals_flipping(self, kind, tier, return_sequences):
        x, mask = sequence(), np.random.default_rng(1).random((3, 6)) < 0.6
        layer = kind(
            4, return_sequences=return_sequences, return_state=True, go_backwards=True, dtype="float64"
        )
        forward = kind(4, return_sequences=return_sequences, return_state=True, dtype="float64")
        with kernels.use_tier(tier):
            got = layer(x, mask=mask)
            forward.build(x.shape)
            forward.set_weights(layer.get_weights())
            close(got, forward(x[:, ::-1], mask=mask[:, ::-1]))

    @given(kinds, tiers, st.integers(0, 6))
    def test_right_padding_equals_the_shorter_sequence(self, kind, tier, length):
        x = sequence()
        mask = np.broadcast_to(np.arange(6) < length, (3, 6))
        layer = kind(4, return_state=True, dtype="float64")
        with kernels.use_tier(tier):
            got = layer(x, mask=mask)
            want = layer(x[:, :length]) if length else [np.zeros((3, 4))] * len(got)
        close(got, want)

    @given(kinds, tiers)
    def test_a_batch_permutation_commutes(self, kind, tier):
        x, mask = sequence(), np.random.default_rng(1).random((3, 6)) < 0.6
        layer = kind(4, return_sequences=True, dtype="float64")
        order = [2, 0, 1]
        with kernels.use_tier(tier):
            close(layer(x[order], mask=mask[order]), np.asarray(layer(x, mask=mask))[order])

    @given(kinds, tiers, st.booleans())
    def test_masked_steps_repeat_the_output_or_give_zero(self, kind, tier, zero):
        x, mask = sequence(), np.random.default_rng(1).random((3, 6)) < 0.5
        layer = kind(4, return_sequences=True, zero_output_for_mask=zero, dtype="float64")
        with kernels.use_tier(tier):
            y = np.asarray(layer(x, mask=mask))
        for b, t in zip(*np.nonzero(~mask)):
            np.testing.assert_array_equal(y[b, t], 0 if zero or t == 0 else y[b, t - 1])
        assert np.all(y[mask] != 0)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("tier", TIERS)
    def test_before_the_first_step_that_counts_the_output_is_the_state_that_was_given(self, kind, tier):
        x, mask = sequence(), np.arange(6) >= np.array([[2], [0], [6]])
        layer = kind(4, return_sequences=True, dtype="float64")
        h = np.ones((3, 4))
        with kernels.use_tier(tier):
            y = np.asarray(layer(x, mask=mask, initial_state=[h] * (2 if kind is layers.LSTM else 1)))
        np.testing.assert_array_equal(y[0, :2], 1)
        np.testing.assert_array_equal(y[2], 1)
        assert np.all(y[1] != 1)

    @pytest.mark.parametrize("kind", KINDS)
    def test_unroll_changes_nothing(self, kind):
        x, mask = sequence(), np.random.default_rng(1).random((3, 6)) < 0.5
        layer = kind(4, return_sequences=True)
        expected = layer(x, mask=mask)
        layer.unroll = True
        close(layer(x, mask=mask), expected, atol=0)


class TestMasks:
    def test_any_form_is_taken(self):
        layer = layers.GRU(4)
        x = sequence(shape=(2, 3, 4))
        rows = [[True, False, True], [True, True, False]]
        expected = layer(x, mask=np.array(rows))
        integers = [[1, 0, 1], [1, 1, 0]]
        forms = [rows, integers, np.array(integers), np.array(rows, "float32"), ops.convert_to_tensor(rows)]
        forms += [tuple(map(tuple, rows)), [np.array(r) for r in rows]]
        for mask in forms:
            close(layer(x, mask=mask), expected, atol=0)
            close(layer(x, None, mask), expected, atol=0)

    def test_the_mask_that_travels_is_honoured_also_with_an_initial_state(self):
        """Keras 3.15.1 loses it in that case."""
        layer = layers.LSTM(4)
        x = layers.Masking()(np.where(np.arange(6)[:, None] < 3, sequence(), 0.0))
        states = [np.ones((3, 4))] * 2
        close(layer(x, initial_state=states), layer(np.asarray(x)[:, :3], initial_state=states), atol=1e-6)

    @pytest.mark.parametrize("kind", KINDS)
    def test_it_goes_on_with_sequences_and_ends_with_the_last_output(self, kind):
        x = layers.Masking()(sequence())
        mask = minirnn.backend.get_keras_mask(x)
        assert mask is not None
        y, *states = kind(4, return_sequences=True, return_state=True)(x)
        assert minirnn.backend.get_keras_mask(y) is mask
        assert all(minirnn.backend.get_keras_mask(s) is None for s in states)
        assert minirnn.backend.get_keras_mask(kind(4)(x)) is None

    def test_compute_mask(self):
        mask = ops.ones((3, 6), "bool")
        x = ops.zeros((3, 6, 4))
        assert layers.LSTM(4).compute_mask(x, mask) is None
        assert layers.LSTM(4, return_sequences=True).compute_mask(x, mask) is mask
        assert layers.LSTM(4, return_sequences=True, return_state=True).compute_mask(x, mask) == [
            mask,
            None,
            None,
        ]


class TestStates:
    @pytest.mark.parametrize("kind", KINDS)
    def test_initial_states_come_in_many_forms(self, kind):
        layer = kind(4, return_state=True)
        x = sequence()
        count = 2 if kind is layers.LSTM else 1
        arrays = [np.random.default_rng(n).normal(size=(3, 4)) for n in range(count)]
        expected = layer(x, initial_state=arrays)
        forms = [
            tuple(arrays),
            [ops.convert_to_tensor(a) for a in arrays],
            [minirnn.Variable(a) for a in arrays],
        ]
        forms += [{"a": arrays}] + ([arrays[0]] if count == 1 else [])
        for given_state in forms:
            close(layer(x, initial_state=given_state), expected, atol=0)
        close(layer(x, arrays), expected, atol=0)
        assert np.abs(np.asarray(expected[0]) - np.asarray(layer(x)[0])).max() > 0.01

    @pytest.mark.parametrize("kind", KINDS)
    def test_symbolic_states(self, kind):
        count = 2 if kind is layers.LSTM else 1
        x, states = minirnn.Input((None, 4)), [minirnn.Input((5,)) for _ in range(count)]
        y, *last = kind(5, return_sequences=True, return_state=True)(x, initial_state=states)
        assert y.shape == (None, None, 5)
        assert [s.shape for s in last] == [(None, 5)] * count

    def test_states_that_are_known_for_a_sequence_that_is_not(self):
        states = [np.ones((3, 5)), np.zeros((3, 5))]
        assert layers.LSTM(5)(minirnn.Input((None, 4)), initial_state=states).shape == (None, 5)
        with pytest.raises(ValueError, match="initial_state must be 2 arrays"):
            layers.LSTM(6)(minirnn.Input((None, 4)), initial_state=states)

    def test_state_size_and_initial_state(self):
        assert layers.LSTM(4).state_size == [4, 4]
        assert layers.GRU(4).state_size == [4]
        assert layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)]).state_size == [[4, 4], 3]
        assert [s.shape for s in layers.LSTM(4).get_initial_state(batch_size=2)] == [(2, 4), (2, 4)]
        cell = layers.GRUCell(3)
        assert [s.shape for s in cell.get_initial_state(batch_size=2)] == [(2, 3)]

    @pytest.mark.parametrize("tier", TIERS)
    def test_what_is_carried_is_a_value_and_holds_no_graph(self, tier):
        layer = layers.LSTM(4, stateful=True)
        for _ in range(3):
            with kernels.use_tier(tier):
                y = layer(sequence())
            assert y.requires_grad
            assert not any(v.requires_grad or v.node is not None for v in layer.states)

    def test_states_are_no_weights(self):
        layer = layers.LSTM(4, stateful=True, name="it")
        layer(sequence())
        assert len(layer.weights) == 3 and not layer.non_trainable_weights
        assert [v.path for v in layer.states] == ["it/rnn_state", "it/rnn_state"]
        layer.trainable = False
        layer.trainable = True
        assert not any(v.trainable for v in layer.states)

    @pytest.mark.parametrize("reset", ("reset_state", "reset_states"))
    def test_reset_starts_anew_or_from_what_is_given(self, reset):
        layer = layers.GRU(4, stateful=True)
        assert layer.states is None
        getattr(layer, reset)()
        x = sequence()
        first, second = layer(x), layer(x)
        assert np.abs(np.asarray(first) - np.asarray(second)).max() > 1e-3
        getattr(layer, reset)()
        close(layer(x), first, atol=0)
        getattr(layer, reset)(states=np.ones((3, 4)))
        close(layer(x), layer(x, initial_state=np.ones((3, 4))), atol=0)

    def test_initial_state_takes_the_place_of_what_was_carried_and_the_end_is_carried(self):
        layer = layers.GRU(4, stateful=True, return_state=True)
        _, h = layer(sequence(), initial_state=np.ones((3, 4)))
        close(layer.states, [h], atol=0)

    def test_shapes_are_inferred_without_a_trace(self):
        layer = layers.GRU(4, stateful=True, dropout=0.5, seed=1)
        layer(sequence(), training=True)
        before = [v.numpy() for v in (*layer.states, *layer.variables)]
        assert layer(minirnn.Input((None, 4)), training=True).shape == (None, 4)
        assert layer.compute_output_shape((None, None, 4)) == (None, 4)
        close(before, [*layer.states, *layer.variables], atol=0)

    def test_a_layer_inside_of_one_that_is_called_symbolically_carries_from_its_first_real_call(self):
        class Outer(layers.Layer):
            def __init__(self, **kwargs):
                super().__init__(**kwargs)
                self.inner = layers.LSTM(4, stateful=True)
                self.both = layers.Bidirectional(layers.GRU(4, stateful=True))

            def call(self, x):
                return self.inner(x) + self.both(x)[:, :4]

        outer = Outer()
        outer(minirnn.Input((None, 4)))
        outer(sequence())
        assert outer.inner.states[0].shape == outer.both.states[0].shape == (3, 4)
        with pytest.raises(ValueError, match="have the same size, 3; got 2"):
            outer(sequence(shape=(2, 6, 4)))


class MinimalCell(layers.Layer):
    """As Keras's documentation has it."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.units), initializer="uniform", name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, self.units), initializer="uniform", name="recurrent_kernel"
        )

    def call(self, inputs, states):
        prev_output = states[0]
        h = ops.matmul(inputs, self.kernel)
        output = h + ops.matmul(prev_output, self.recurrent_kernel)
        return output, [output]


class TestCustomCells:
    def test_the_minimal_cell(self):
        layer = layers.RNN(MinimalCell(5), return_sequences=True)
        x = sequence().astype("float32")
        y = layer(x)
        kernel, recurrent = layer.get_weights()
        h = np.zeros((3, 5))
        for t in range(6):
            h = x[:, t] @ kernel + h @ recurrent
            close(y[:, t], h, atol=1e-6)
        assert layer(minirnn.Input((None, 4))).shape == (None, None, 5)
        stack = layers.RNN([MinimalCell(5), MinimalCell(2)], return_state=True)
        output, lower, upper = stack(x)
        assert (output.shape, lower.shape, upper.shape) == ((3, 2), (3, 5), (3, 2))
        close(stack(x, initial_state=[lower, upper])[0].shape, (3, 2))

    def test_a_cell_that_is_no_layer(self):
        class Sum:
            state_size = 4

            def call(self, inputs, states):
                return states[0] + inputs, [states[0] + inputs]

        close(layers.RNN(Sum())(sequence()), sequence().sum(axis=1), atol=1e-5)

    @pytest.mark.parametrize("structure", ("tensor", "list", "tuple"))
    def test_a_single_state_may_be_returned_in_a_list_or_not(self, structure):
        class Sum(layers.Layer):
            state_size = 4

            def call(self, inputs, states):
                new = states[0] + inputs
                return new, {"tensor": new, "list": [new], "tuple": (new,)}[structure]

        y, state = layers.RNN(Sum(), return_state=True)(sequence())
        close([y, state], [sequence().sum(axis=1)] * 2, atol=1e-5)

    @pytest.mark.parametrize("old", (False, True))
    def test_a_cells_own_initial_state(self, old):
        class Sum(layers.Layer):
            state_size = 4

            def call(self, inputs, states):
                return states[0] + inputs, [states[0] + inputs]

        class New(Sum):
            def get_initial_state(self, batch_size=None):
                return ops.full((batch_size, 4), 7.0)

        class Old(Sum):
            def get_initial_state(self, inputs=None, batch_size=None, dtype=None):
                assert inputs is not None and dtype == "float32"
                return [ops.full((batch_size, 4), 7.0, dtype=dtype)]

        layer = layers.RNN(Old() if old else New())
        close(layer(sequence()), 7 + sequence().sum(axis=1), atol=1e-5)
        if not old:
            stateful = layers.RNN(New(), stateful=True)
            first = stateful(sequence())
            stateful.reset_state()
            close(stateful(sequence()), first, atol=0)

    def test_training_reaches_the_cell(self):
        class Cell(layers.Layer):
            state_size = 4

            def call(self, inputs, states, training=False):
                seen.append(training)
                return inputs, states

        for given_value, expected in ((True, True), (False, False), (None, False)):
            seen = []
            layers.RNN(Cell())(sequence(), training=given_value)
            assert seen == [expected] * 6

    def test_a_cell_without_state(self):
        class Half(layers.Layer):
            state_size = ()
            output_size = 4

            def call(self, inputs, states):
                return inputs * 0.5, states

        layer = layers.RNN(Half(), return_sequences=True, return_state=True, stateful=True)
        (y,) = layer(sequence(), mask=np.ones((3, 6)))
        close(y, sequence() * 0.5, atol=1e-6)

    def test_steps_with_many_axes(self):
        class Mean(layers.Layer):
            state_size = minirnn.TensorShape([2, 2])

            def call(self, inputs, states):
                new = (states[0] + inputs) / 2.0
                return ops.mean(new, axis=2), [new]

        x = sequence(shape=(3, 5, 2, 2))
        layer = layers.RNN(Mean(), return_sequences=True, return_state=True, dtype="float64")
        y, state = layer(x, mask=np.arange(5) < np.array([[5], [2], [0]]))
        assert (y.shape, state.shape) == ((3, 5, 2), (3, 2, 2))
        close(y[1, 4], y[1, 1])
        close([y[2], state[2]], [np.zeros((5, 2)), np.zeros((2, 2))])


class TestConfig:
    @pytest.mark.parametrize("kind", KINDS)
    def test_a_layer_comes_back_as_it_was(self, kind):
        options = {
            "units": 3,
            "activation": "relu",
            "dropout": 0.2,
            "recurrent_dropout": 0.1,
            "use_bias": False,
        }
        options |= {"kernel_regularizer": "l2", "bias_constraint": "non_neg", "activity_regularizer": "l1"}
        options |= dict.fromkeys(
            (
                "return_sequences",
                "return_state",
                "go_backwards",
                "stateful",
                "unroll",
                "zero_output_for_mask",
            ),
            True,
        )
        layer = kind(**options, name="it")
        again = kind.from_config(layer.get_config())
        assert again.get_config() == layer.get_config()
        assert again.zero_output_for_mask and again.cell.units == 3 and again.units == 3

    def test_rnn_of_cells_comes_back_with_weights_named_after_it(self):
        layer = layers.RNN(
            [layers.LSTMCell(3), layers.GRUCell(2, reset_after=False)], return_sequences=True, name="it"
        )
        layer(sequence())
        again = layers.RNN.from_config(layer.get_config())
        assert not again.cell.built
        again.build((3, 6, 4))
        again.set_weights(layer.get_weights())
        close(again(sequence()), layer(sequence()), atol=0)
        assert [w.path for w in again.weights] == [w.path for w in layer.weights]
        assert again.weights[0].path.startswith("it/stacked_rnn_cells")


def test_regularizers_and_constraints_reach_the_weights():
    layer = layers.LSTM(
        3, kernel_regularizer="l2", recurrent_constraint="max_norm", activity_regularizer="l2"
    )
    y = layer(sequence())
    kernel, recurrent, _ = layer.weights
    assert (
        kernel.regularizer is layer.kernel_regularizer and recurrent.constraint is layer.recurrent_constraint
    )
    by_hand = [0.01 * np.square(y.numpy()).sum() / 3, 0.01 * np.square(kernel.numpy()).sum()]
    np.testing.assert_allclose([float(x) for x in layer.losses], by_hand, rtol=1e-5)


def test_the_forget_gates_bias_starts_at_one():
    layer = layers.LSTM(2, bias_initializer=minirnn.initializers.Constant(0.5))
    layer.build((None, None, 3))
    np.testing.assert_array_equal(layer.get_weights()[2], [0.5, 0.5, 1, 1, 0.5, 0.5, 0.5, 0.5])
    plain = layers.LSTM(2, unit_forget_bias=False)
    plain.build((None, None, 3))
    np.testing.assert_array_equal(plain.get_weights()[2], np.zeros(8))
