"""Options of attention and of convolutional LSTMs against Keras: masks, states, dropout by the same masks."""

import numpy as np
import pytest

import minirnn
from minirnn import grad
from minirnn.autograd import convert
from tests.arrays import leaf
from tests.peers.test_layers_keras import arrays, assert_same_with_masks, pair

# Keras's own, from its Variables under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

KINDS = [
    ("Attention", {}),
    ("Attention", {"use_scale": True, "score_mode": "concat"}),
    ("AdditiveAttention", {}),
]
QUERY_MASK = np.array([[1, 1, 0], [1, 0, 1]], bool)
VALUE_MASK = np.array([[1, 1, 1, 0, 0], [0, 1, 1, 1, 1]], bool)
TIMES = np.array([[1, 1, 0], [0, 1, 1]], bool)


def close(got, want):
    np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name, arguments", KINDS)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("mask", [None, (QUERY_MASK, VALUE_MASK), (None, VALUE_MASK), (QUERY_MASK, None)])
def test_attention_with_masks_is_that_of_keras(keras, name, arguments, causal, mask):
    import jax

    q, v, k = arrays([(2, 3, 4), (2, 5, 2), (2, 5, 4)])
    # A causal query may be left without any value; what Keras gives then is no law.
    if causal and mask is not None and mask[1] is not None:
        mask = (mask[0], np.roll(VALUE_MASK, 1, axis=0) | (np.arange(5) == 0))
    ours, theirs = pair(keras, name, arguments, [q, v, k])
    options = {"use_causal_mask": causal, "return_attention_scores": True}
    if mask is not None:
        options["mask"] = list(mask)
    got, want = ours([q, v, k], **options), theirs([q, v, k], **options)
    for a, b in zip(got, want, strict=True):
        close(a, b)
    cotangents = arrays([tuple(b.shape) for b in want])

    def loss(weights, inputs):
        results, _ = theirs.stateless_call(weights, [], inputs, **options)
        return sum((y * c).sum() for y, c in zip(results, cotangents))

    want_weights, want_inputs = jax.grad(loss, (0, 1))([w.value for w in theirs.weights], [q, v, k])
    inputs = [leaf(a) for a in (q, v, k)]
    total = sum((y * c).sum() for y, c in zip(ours(inputs, **options), cotangents))
    for a, b in zip(grad(total, [*ours.weights, *inputs]), [*want_weights, *want_inputs], strict=True):
        close(0 if a is None else a, b)


@pytest.mark.parametrize("name, arguments", KINDS)
@pytest.mark.parametrize("masks", [(QUERY_MASK, VALUE_MASK), (QUERY_MASK, None), (None, VALUE_MASK)])
def test_masks_that_travel_with_queries_and_values_do_what_they_do_in_keras(keras, name, arguments, masks):
    x = arrays([(2, 3, 4), (2, 5, 4)])
    ours, theirs = pair(keras, name, arguments, x)
    assert_same_with_masks(keras, ours, theirs, x, masks, single=False)


CONV = {"filters": 2, "kernel_size": 2, "padding": "same"}


def conv_pair(keras, x, **options):
    return pair(keras, "ConvLSTM1D", {**CONV, **options}, x)


@pytest.mark.parametrize("options", [{}, {"go_backwards": True}, {"zero_output_for_mask": True}], ids=str)
def test_masks_and_states_of_a_convolutional_lstm_are_those_of_keras(keras, options):
    """Unrolled: Keras's loop on JAX broadcasts a mask of (batch, 1) against the wrong axes."""
    x, h, c = arrays([(2, 3, 4, 3), (2, 4, 2), (2, 4, 2)])
    if options.get("zero_output_for_mask"):  # of which the unrolled one knows nothing
        return close(*_zeroed(keras, x))
    ours, theirs = conv_pair(keras, x, return_sequences=True, return_state=True, unroll=True, **options)
    got = ours(x, initial_state=[h, c], mask=TIMES)
    want = theirs(x, initial_state=[h, c], mask=keras.ops.convert_to_tensor(TIMES))
    # Before the first step that counts there is 0 in Keras's unrolled loop, h in the other and here.
    first = TIMES[:, ::-1] if options else TIMES
    counted = np.cumsum(first, axis=1) > 0
    close(np.asarray(got[0])[counted], np.asarray(want[0])[counted])
    for a, b in zip(got[1:], want[1:], strict=True):
        close(a, b)


def _zeroed(keras, x):
    ours, theirs = conv_pair(keras, x, return_sequences=True, zero_output_for_mask=True)
    plain = np.asarray(theirs(x[:1, :2]))
    return np.asarray(ours(x[:1], mask=TIMES[:1])), np.pad(plain, ((0, 0), (0, 1), (0, 0), (0, 0)))


def test_gradients_by_the_states_of_a_convolutional_lstm_are_those_of_keras(keras):
    import jax

    x, h, c = arrays([(2, 2, 4, 3), (2, 4, 2), (2, 4, 2)])
    ours, theirs = conv_pair(keras, x, return_state=True)
    cotangents = arrays([(2, 4, 2)] * 3, seed=4)

    def loss(states):
        results, _ = theirs.stateless_call(
            [w.value for w in theirs.trainable_variables],
            [w.value for w in theirs.non_trainable_variables],
            x,
            initial_state=states,
        )
        return sum((y * g).sum() for y, g in zip(results, cotangents))

    states = [leaf(h), leaf(c)]
    total = sum((y * g).sum() for y, g in zip(ours(x, initial_state=states), cotangents))
    for a, b in zip(grad(total, states), jax.grad(loss)([h, c]), strict=True):
        close(a, b)


def test_a_stateful_convolutional_lstm_carries_what_keras_carries(keras):
    x = arrays((2, 2, 4, 3))
    ours, theirs = conv_pair(keras, x, stateful=True)
    for layer in (ours, theirs):
        layer.reset_state()
    for batch in (x, 2 * x):
        close(ours(batch), theirs(batch))
    for a, b in zip(ours.states, theirs.states, strict=True):
        close(a.numpy(), b)


def test_dropout_of_a_convolutional_lstm_is_that_of_keras_for_the_same_masks(keras):
    x = arrays((2, 2, 4, 3))
    ours, theirs = conv_pair(keras, x, dropout=0.4, recurrent_dropout=0.3)
    rng = np.random.default_rng(0)
    for_x = (rng.random((4, 2, 4, 3)) < 0.6).astype("float32") / 0.6
    for_h = (rng.random((4, 2, 4, 2)) < 0.7).astype("float32") / 0.7
    for cell, kind in ((ours.cell, convert), (theirs.cell, list)):
        cell.get_dropout_mask = lambda step, kind=kind: kind(for_x)
        cell.get_recurrent_dropout_mask = lambda step, kind=kind: kind(for_h)
    close(ours(x, training=True), theirs(x, training=True))
    close(ours(x), theirs(x))


def test_convolutions_inside_of_wrappers_are_those_of_keras(keras):
    x = arrays((2, 3, 5, 2))

    def models(library):
        convolution = library.layers.TimeDistributed(library.layers.Conv1D(3, 2))
        both = library.layers.Bidirectional(library.layers.ConvLSTM1D(2, 2, return_sequences=True))
        return convolution, both

    for ours, theirs in zip(models(minirnn), models(keras), strict=True):
        theirs(x)
        ours(x)
        assert [w.shape for w in ours.weights] == [tuple(w.shape) for w in theirs.weights]
        ours.set_weights(theirs.get_weights())
        close(ours(x), theirs(x))
