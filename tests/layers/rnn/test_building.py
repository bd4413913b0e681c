"""Building a recurrent model: shapes are found without running the steps of a sequence."""

import pytest

from minirnn import Input, Layer, Sequential, layers, ops


class Counting(Layer):
    """A cell, and a layer for a step, that counts its calls."""

    state_size = output_size = 2
    calls = 0

    def build(self, *_):
        self.kernel = self.add_weight((3, 2), name="kernel")

    def call(self, inputs, states=None):
        self.calls += 1
        output = inputs @ self.kernel
        return output if states is None else (output, states)


@pytest.mark.parametrize(
    "make",
    [
        lambda counting: layers.RNN(counting, return_sequences=True),
        lambda counting: layers.Bidirectional(layers.RNN(counting, return_sequences=True)),
        lambda counting: layers.TimeDistributed(counting),
    ],
)
def test_a_sequence_of_any_length_is_built_by_a_few_steps(make):
    counting = Counting()
    layer = make(counting)
    model = Sequential([Input((5000, 3)), layer])
    assert model.output_shape[:2] == (None, 5000)
    assert counting.calls + getattr(getattr(layer, "backward_layer", None), "cell", counting).calls < 20


@pytest.mark.parametrize("kind", [layers.SimpleRNN, layers.GRU, layers.LSTM])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("state", [False, True])
def test_shapes_are_those_that_a_call_gives(kind, sequences, state):
    layer = kind(4, return_sequences=sequences, return_state=state)
    symbolic = layer(Input((7, 3), batch_size=2))
    real = layer(ops.zeros((2, 7, 3)))
    symbolic, real = (x if isinstance(x, list | tuple) else [x] for x in (symbolic, real))
    assert [tuple(s.shape) for s in symbolic] == [r.shape for r in real]
    assert [s.dtype for s in symbolic] == [r.dtype for r in real]
