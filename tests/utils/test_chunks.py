"""StatefulChunks: training on chunks is truncated back-propagation through the whole sequences."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirnn import Input, Model, Sequential, callbacks, grad, layers, ops, utils
from minirnn.utils import StatefulChunks

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 23, 2)).astype("float32")
Y = RNG.normal(size=(3, 23, 1)).astype("float32")


def compiled(batch=3, features=2, stateful=True, seed=0, sequences=True):
    utils.set_random_seed(seed)
    model = Sequential(
        [
            layers.Input(batch_shape=(batch, None, features)),
            layers.GRU(4, return_sequences=True, stateful=stateful),
            layers.LSTM(3, return_sequences=sequences, stateful=stateful),
            layers.Dense(1),
        ]
    )
    model.compile("adam", "mse")
    return model


def bits(model):
    return [w.tobytes() for w in model.get_weights()]


@given(st.integers(1, 3), st.integers(1, 12), st.integers(1, 14))
def test_chunks_are_the_sequences_cut_in_order(batch, time, length):
    x = np.arange(batch * time).reshape(batch, time)
    chunks = StatefulChunks({"a": x, "b": [x * 2]}, x[..., None], x + 1, chunk_length=length)
    parts = list(chunks)
    assert len(parts) == len(chunks) == -(-time // length)
    assert all(y.shape[1] == length for _, y, _ in parts[:-1])
    np.testing.assert_array_equal(np.concatenate([p[0]["a"] for p in parts], axis=1), x)
    np.testing.assert_array_equal(np.concatenate([p[0]["b"][0] for p in parts], axis=1), x * 2)
    np.testing.assert_array_equal(np.concatenate([p[1] for p in parts], axis=1), x[..., None])
    np.testing.assert_array_equal(np.concatenate([p[2] for p in parts], axis=1), x + 1)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("length", [1, 5, 23, 40])
def test_fit_on_chunks_is_the_loop_written_by_hand(length, workers):
    fitted, by_hand = compiled(), compiled()
    fitted.fit(StatefulChunks(X, Y, chunk_length=length, workers=workers), epochs=2, verbose=0)
    for _ in range(2):
        by_hand.reset_states()
        for start in range(0, 23, length):
            by_hand.train_on_batch(X[:, start : start + length], Y[:, start : start + length])
    assert bits(fitted) == bits(by_hand)


@settings(max_examples=8)
@given(st.integers(1, 25))
def test_without_learning_chunks_give_what_the_whole_sequence_gives(length):
    model, whole = compiled(), compiled(stateful=False)
    chunks = StatefulChunks(X, Y, chunk_length=length)
    expected = whole.predict(X, verbose=0)
    for _ in range(2):  # from the first states each time
        np.testing.assert_allclose(model.predict(chunks, verbose=0), expected, atol=2e-6)
    # The mean over all chunks weighs them by sequences, as Keras does, whatever their lengths.
    losses = [((expected - Y)[:, s : s + length] ** 2).mean() for s in range(0, 23, length)]
    assert model.evaluate(chunks, verbose=0) == pytest.approx(np.mean(losses), rel=1e-4)


def test_gradients_end_at_the_start_of_a_chunk_and_are_those_of_a_constant_first_state():
    rnn = layers.GRU(4, return_sequences=True, stateful=True)
    first = ops.convert_to_tensor(X[:, :10])
    first.requires_grad = True
    before = rnn(first)
    second = rnn(X[:, 10:])
    of_first, from_weights = grad(ops.sum(second), [first, rnn.trainable_weights[1]])
    assert of_first is None
    fresh = layers.GRU(4, return_sequences=True)
    fresh.build((3, None, 2))
    fresh.set_weights(rnn.get_weights())
    given_state = fresh(X[:, 10:], initial_state=before.numpy()[:, -1])
    (expected,) = grad(ops.sum(given_state), [fresh.trainable_weights[1]])
    np.testing.assert_allclose(from_weights, expected, rtol=1e-5, atol=1e-6)


def test_states_are_reset_at_each_pass_and_carried_on_in_between():
    starts = []

    class Look(callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            starts.append(bool(np.any(self.model.layers[0].states[0].numpy())))

    model = compiled()
    chunks = StatefulChunks(X, Y, chunk_length=6)
    model.fit(chunks, epochs=2, callbacks=[Look()], verbose=0)
    assert starts == [False, True, True, True] * 2
    starts.clear()
    # Two epochs are one pass: what is carried goes past the end of the first, and past a validation there.
    val = StatefulChunks(-X, -Y, chunk_length=4)
    model.fit(chunks, epochs=4, steps_per_epoch=2, callbacks=[Look()], validation_data=val, verbose=0)
    assert starts == [False, True, True, True] * 2


def test_validation_in_the_middle_of_a_pass_changes_no_bit_of_training():
    run = {"epochs": 4, "steps_per_epoch": 2, "verbose": 0}
    alone, validated = compiled(), compiled()
    alone.fit(StatefulChunks(X, Y, chunk_length=6), **run)
    data = StatefulChunks(X[:, ::-1], Y, chunk_length=6)
    history = validated.fit(StatefulChunks(X, Y, chunk_length=6), validation_data=data, **run).history
    assert bits(alone) == bits(validated)
    assert validated.evaluate(data, verbose=0) == pytest.approx(history["val_loss"][-1])


def test_a_run_that_is_broken_off_and_restored_ends_with_the_same_bits(tmp_path):
    class Break(callbacks.Callback):
        def __init__(self, at):
            super().__init__()
            self.left = at

        def on_train_batch_end(self, batch, logs=None):
            self.left -= 1
            if not self.left:
                raise ZeroDivisionError

    def run(model, *more):
        backup = callbacks.BackupAndRestore(str(tmp_path / "backup"), save_freq=1)
        chunks = StatefulChunks(X, Y, chunk_length=4, workers=2)
        model.fit(chunks, epochs=4, steps_per_epoch=3, callbacks=[backup, *more], verbose=0)

    alone = compiled()
    run(alone)
    for at in (2, 4, 6, 8, 11):
        with pytest.raises(ZeroDivisionError):
            run(compiled(), Break(at))
        resumed = compiled(seed=9)
        run(resumed)
        assert bits(resumed) == bits(alone)


def peak_of_one_chunk(time):
    x = np.zeros((8, time, 2), "float32")
    model = compiled(batch=8)
    model.fit(StatefulChunks(x[:, :10], x[:, :10, :1], chunk_length=10), verbose=0)
    tracemalloc.start()
    try:
        model.fit(StatefulChunks(x, x[..., :1], chunk_length=time), verbose=0)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_depend_on_the_length_of_the_sequences():
    def peak(time):
        # Views of one number: the sequences themselves take no memory.
        x = np.broadcast_to(np.float32(0.5), (8, time, 2))
        chunks = StatefulChunks(x, x[..., :1], chunk_length=100)
        model = compiled(batch=8)
        model.fit(chunks, steps_per_epoch=2, verbose=0)
        tracemalloc.start()
        try:
            model.fit(chunks, verbose=0)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    short, long = peak(400), peak(4_000)
    # Python itself keeps some small freed objects for later use.
    assert long < short + 200_000, (short, long)
    assert long < 0.25 * peak_of_one_chunk(2_000)


def test_a_model_of_several_inputs_takes_chunks_of_each():
    a, b = Input(batch_shape=(3, None, 2), name="a"), Input(batch_shape=(3, None, 1), name="b")
    joined = layers.Concatenate()([a, b])
    outputs = layers.SimpleRNN(2, return_sequences=True, stateful=True)(joined)
    model = Model({"a": a, "b": b}, outputs)
    model.compile("sgd", "mse")
    data = StatefulChunks({"a": X, "b": Y}, X, np.ones((3, 23)), chunk_length=5)
    model.fit(data, epochs=2, verbose=0)
    assert model.predict(StatefulChunks({"a": X, "b": Y}, chunk_length=5), verbose=0).shape == (3, 23, 2)


@pytest.mark.parametrize(
    "error, words, arguments",
    [
        (ValueError, "chunk_length must be an int of 1 or more; got 0", {"chunk_length": 0}),
        (ValueError, "chunk_length must be", {"chunk_length": 2.5}),
        (ValueError, r"x of shape \(3, 23, 2\) and y of shape \(3, 22, 1\)", {"y": Y[:, 1:]}),
        (ValueError, r"and y of shape \(3,\)", {"y": Y[:, 0, 0]}),
        (ValueError, r"sample_weight of shape \(2, 23\)", {"sample_weight": np.ones((2, 23))}),
        (ValueError, r"x of shape \(3,\)", {"x": X[:, 0, 0], "y": None}),
        (ValueError, r"x of shape \(3, 0, 2\)", {"x": X[:, :0], "y": None}),
        (ValueError, "got none", {"x": None, "y": None}),
        (TypeError, "x must be an array", {"x": "abc"}),
        (ValueError, "workers must be", {"workers": -1}),
    ],
)
def test_arrays_that_have_no_chunks_are_refused_in_words(error, words, arguments):
    with pytest.raises(error, match=words) as caught:
        StatefulChunks(**{"x": X, "y": Y, "chunk_length": 5, **arguments})
    assert str(caught.value).startswith("StatefulChunks: ")


def test_a_model_that_carries_nothing_is_refused_before_training():
    model = compiled(stateful=False)
    before = bits(model)
    for method in (model.fit, model.evaluate, model.predict):
        with pytest.raises(ValueError, match=r"no layer that goes on from one to the next.*stateful=True"):
            method(StatefulChunks(X, Y, chunk_length=5), verbose=0)
    assert bits(model) == before


def test_outputs_without_an_axis_of_time_are_refused_by_predict():
    model = compiled(sequences=False)
    with pytest.raises(ValueError, match=r"predict: .*\(batch, time, \.\.\.\); got \(3, 1\)"):
        model.predict(StatefulChunks(X, chunk_length=5), verbose=0)


def test_a_chunk_that_there_is_not_is_refused():
    with pytest.raises(IndexError, match="5 chunks; got number 5"):
        StatefulChunks(X, chunk_length=5)[5]
