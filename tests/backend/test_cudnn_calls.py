"""The RNN calls: shapes, gradients, missing cotangents, and what is refused before its address is taken.

They run on stand-ins: emulated cuDNN, which refuses what cuDNN would misread, and hostcupy, whose fresh
arrays hold nan. Gradients are held against differences of the forward pass, whose own values the tests of
kernels hold against the generic loop.
"""

import gc
import re
import weakref

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from minirnn.backend import cudnn
from minirnn.backend.cudnn import Configuration, Lengths
from tests.standins import emulated_cudnn, hostcupy, hostcupy_memory

CELLS = ("relu", "tanh", "lstm", "gru")


def new_rnn(configuration, **options):
    functions = emulated_cudnn.library(**options)
    return functions, cudnn.Library(functions, "emulated cuDNN, a stand-in").rnn(hostcupy, configuration)


class Case:
    """A layer and what it runs over, drawn from a seed; arrays are hostcupy's, `lengths_B` is NumPy's."""

    def __init__(self, configuration, batch, time, seed, padded=False, gap=48, version=92700):
        c, self.rng = configuration, np.random.default_rng(seed)
        self.functions, self.rnn = new_rnn(c, gap=gap, version=version)
        self.configuration, self.batch, self.time = c, batch, time
        state = (c.directions, batch, c.units)
        self.x = self.draw((batch, time, c.features))
        self.h0, self.c0 = self.draw(state), self.draw(state) if c.cell == "lstm" else None
        bytes_each = np.dtype(c.dtype).itemsize
        # Whole words, so that the space between the parameters is filled too.
        words = -(-self.rnn.weight_bytes // bytes_each)
        self.weights = self.draw((words,)).view("uint8")[: self.rnn.weight_bytes]
        self.lengths_B, self.lengths = np.full(batch, time, np.int32), None
        if padded:
            self.lengths_B = self.rng.integers(1, time + 1, batch, dtype=np.int32)
            self.lengths = Lengths(self.lengths_B, hostcupy.asarray(self.lengths_B))

    def draw(self, shape):
        return hostcupy.asarray(self.rng.normal(size=shape).astype(self.configuration.dtype))

    def forward(self, training=True, **changes):
        inputs = {"x": self.x, "h0": self.h0, "c0": self.c0, "weights": self.weights} | changes
        return self.rnn.forward(*inputs.values(), self.lengths, training=training)

    @property
    def valid(self):
        """Which steps count, shape (batch, time, 1)."""
        return (np.arange(self.time) < self.lengths_B[:, None])[:, :, None]


@st.composite
def cases(draw, dtype="float64"):
    features, units, batch, time = (draw(st.integers(1, n)) for n in (3, 3, 3, 4))
    configuration = Configuration(
        draw(st.sampled_from(CELLS)),
        features,
        units,
        dtype,
        draw(st.booleans()),
        draw(st.sampled_from((1, 2))),
    )
    seed, padded, gap = draw(st.integers(0, 2**32 - 1)), draw(st.booleans()), draw(st.sampled_from((0, 48)))
    return Case(configuration, batch, time, seed, padded, gap, draw(st.sampled_from((92700, 8907))))


def host(array):
    return None if array is None else array.get()


@given(cases())
def test_outputs_have_their_shapes_zeros_in_the_padding_and_the_states_at_each_rows_end(case):
    c, (y, h, cell, saved) = case.configuration, case.forward()
    state = (c.directions, case.batch, c.units)
    assert (y.shape, h.shape) == ((case.batch, case.time, c.directions * c.units), state)
    assert y.dtype == h.dtype == c.dtype and saved is not None
    assert (cell is not None) == (c.cell == "lstm") and (cell is None or cell.shape == state)
    y, h = y.get(), h.get()
    assert np.isfinite(y).all() and (y[~np.broadcast_to(case.valid, y.shape)] == 0).all()
    ends = y[np.arange(case.batch), case.lengths_B - 1, : c.units]
    np.testing.assert_array_equal(ends, h[0])
    if c.directions == 2:
        np.testing.assert_array_equal(y[:, 0, c.units :], h[1])


@given(cases())
def test_inference_gives_what_training_gives_and_saves_nothing(case):
    *got, saved = case.forward(training=False)
    *expected, kept = case.forward()
    for one, other in zip(got, expected):
        np.testing.assert_array_equal(host(one), host(other))
    assert saved is None
    case.rnn.backward(kept, *expected)


@given(cases())
def test_parameters_lie_apart_in_the_weight_space(case):
    c, rnn = case.configuration, case.rnn
    gates = {"relu": 1, "tanh": 1, "lstm": 4, "gru": 3}[c.cell]
    used = np.zeros(rnn.weight_bytes, int)
    expected = [(d, n) for d in range(c.directions) for n in range(2 * gates)]
    assert [(p.direction, p.number) for p in rnn.parameters] == expected
    for p in rnn.parameters:
        assert p.matrix_shape == (c.units, c.features if p.number < gates else c.units)
        used[p.matrix_offset : p.matrix_offset + 8 * c.units * p.matrix_shape[1]] += 1
        assert (p.bias_offset is not None) == c.bias
        if p.bias_offset is not None:
            used[p.bias_offset : p.bias_offset + 8 * c.units] += 1
    matrices = sum(c.units * p.matrix_shape[1] for p in rnn.parameters)
    assert used.max() == 1 and used.sum() == 8 * (matrices + len(expected) * c.units * c.bias)


def loss(case, cotangents, **changes):
    *outputs, _ = case.forward(training=False, **changes)
    return sum(float((y * g).sum()) for y, g in zip(outputs, cotangents) if g is not None)


@given(cases(), st.data())
def test_gradients_are_the_slopes_of_the_forward_pass(case, data):
    """Of a sum over outputs of which each may be left out: along a drawn direction of all inputs at once."""
    *outputs, saved = case.forward()
    cotangents = [None if y is None or data.draw(st.booleans()) else case.draw(y.shape) for y in outputs]
    dx, dh0, dc0, dweights = case.rnn.backward(saved, *cotangents)
    assert (dx.shape, dx.dtype) == (case.x.shape, case.x.dtype)
    dx = hostcupy.where(hostcupy.asarray(case.valid), dx, 0.0)
    slopes = {"x": dx, "h0": dh0, "c0": dc0}
    words = case.rnn.weight_bytes // 8
    along = {name: case.draw(a.shape) for name, a in slopes.items() if a is not None}
    weights, along_weights = case.weights[: 8 * words].view("float64"), case.draw((words,))
    expected = sum(float((slopes[name] * v).sum()) for name, v in along.items())
    expected += float((dweights[: 8 * words].view("float64") * along_weights).sum())

    def at(step):
        moved = {name: getattr(case, name) + step * v for name, v in along.items()}
        space = (weights + step * along_weights).view("uint8")
        tail = case.weights[8 * words :]
        return loss(case, cotangents, weights=hostcupy.concatenate((space, tail)), **moved)

    step = 1e-6
    slope = (at(step) - at(-step)) / (2 * step)
    # A relu may have its corner between the two points.
    tolerance = 1e-4 if case.configuration.cell == "relu" else 1e-6
    assert slope == pytest.approx(expected, rel=tolerance, abs=tolerance)


@given(cases())
def test_a_missing_cotangent_is_one_of_zeros(case):
    *outputs, _ = case.forward()
    zeros = [None if y is None else hostcupy.zeros_like(y) for y in outputs]
    given_ = [None if y is None else case.draw(y.shape) for y in outputs]
    for i in range(3):
        left_out = [None if i == j else g for j, g in enumerate(given_)]
        filled = [z if i == j else g for j, (z, g) in enumerate(zip(zeros, given_))]
        one = case.rnn.backward(case.forward()[3], *left_out)
        other = case.rnn.backward(case.forward()[3], *filled)
        for a, b in zip(one, other):
            np.testing.assert_array_equal(host(a), host(b))


@given(cases())
def test_missing_initial_states_are_zeros(case):
    zeros = {"h0": hostcupy.zeros_like(case.h0)}
    if case.c0 is not None:
        zeros["c0"] = hostcupy.zeros_like(case.c0)
    *one, saved = case.forward(**dict.fromkeys(zeros))
    *other, _ = case.forward(**zeros)
    for a, b in zip(one, other):
        np.testing.assert_array_equal(host(a), host(b))
    _, dh0, dc0, _ = case.rnn.backward(saved, *one)
    assert dh0.shape == case.h0.shape and (dc0 is None) == (case.c0 is None)


@given(cases())
def test_a_second_backward_runs_the_forward_pass_again_and_gives_the_same(case):
    *outputs, saved = case.forward()
    results = [case.rnn.backward(saved, *outputs) for _ in range(3)]
    assert case.functions.calls["cudnnRNNForward"] == 3
    for other in results[1:]:
        for one, same in zip(results[0], other):
            np.testing.assert_array_equal(host(one), host(same))


def test_without_gradients_of_weights_cudnn_is_not_asked_for_them():
    case = Case(Configuration("gru", 2, 3, "float32", True), 2, 3, 0)
    y, h, _, saved = case.forward()
    *_, dweights = case.rnn.backward(saved, y, h, None, need_weights=False)
    assert dweights is None and not case.functions.calls["cudnnRNNBackwardWeights_v8"]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("tf32", [False, True])
def test_each_dtype_runs_forward_and_backward(dtype, tf32):
    case = Case(Configuration("lstm", 2, 3, dtype, True, 2, tf32), 2, 3, 0, padded=True)
    *outputs, saved = case.forward()
    for gradient in case.rnn.backward(saved, *outputs)[1:3]:
        assert gradient.dtype == dtype and np.isfinite(gradient.get()).all()


def test_the_reserve_space_is_freed_once_it_is_used():
    case = Case(Configuration("lstm", 2, 3, "float32", True), 2, 3, 0)
    *outputs, saved = case.forward()
    reserve = weakref.ref(saved.reserve[0])
    gc.collect()
    assert reserve() is not None
    case.rnn.backward(saved, *outputs)
    gc.collect()
    assert reserve() is None


def a_case(padded=True):
    return Case(Configuration("lstm", 2, 3, "float32", True, 2), 4, 5, 0, padded)


WRONG = {
    "on the host": (lambda a: a.get(), TypeError, r"got numpy\.ndarray"),
    "a list": (lambda a: a.tolist(), TypeError, r"got builtins\.list"),
    "another dtype": (lambda a: a.astype("float16"), TypeError, "got float16"),
    "too large": (lambda a: hostcupy.concatenate((a, a)), ValueError, r"got shape \("),
    "of more axes": (lambda a: a[None], ValueError, r"got shape \(1, "),
    "empty": (lambda a: a[:0], ValueError, r"got shape \(0"),
    "not contiguous": (lambda a: hostcupy.stack((a, a), axis=-1)[..., 0], ValueError, "got strides"),
    "on another device": (lambda a: on_device_1(a), ValueError, "got one on GPU:1"),
}


def on_device_1(array):
    with hostcupy.cuda.Device(1):
        return hostcupy.array(array)


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", ["x", "h0", "c0", "weights", "lengths.device", "dy", "dh", "dc"])
def test_what_is_no_array_of_the_device_is_refused_by_name_before_cudnn_is_called(name, wrong):
    change, error, words = WRONG[wrong]
    case = a_case()
    *outputs, saved = case.forward()
    given_ = dict(zip(("x", "h0", "c0", "weights"), (case.x, case.h0, case.c0, case.weights)))
    cotangents, calls = dict(zip(("dy", "dh", "dc"), outputs)), dict(case.functions.calls)
    if (name, wrong) == ("x", "too large"):
        given_["x"] = hostcupy.concatenate((case.x, case.x), axis=2)
    elif name in given_:
        given_[name] = change(given_[name])
    elif name in cotangents:
        cotangents[name] = change(cotangents[name])
    else:
        case.lengths = Lengths(case.lengths_B, change(case.lengths.device))

    def call():
        if name in cotangents:
            return case.rnn.backward(saved, *cotangents.values())
        return case.forward(**given_)

    with pytest.raises(error, match=rf"^cuDNN lstm: {re.escape(name)} must .*{words}"):
        call()
    assert case.functions.calls == calls


def test_weights_one_byte_short_are_refused():
    case = a_case()
    due = case.rnn.weight_bytes
    with pytest.raises(
        ValueError, match=rf"weights must .* shape \({due},\), uint8; got shape \({due - 1},\)"
    ):
        case.forward(weights=case.weights[:-1])


@pytest.mark.parametrize(
    "lengths, error, words",
    [
        (np.array([1, 0, 2, 3], np.int32), ValueError, "from 1 to 5, .*; got 0 to 3.*mask it"),
        (np.array([1, 6, 2, 3], np.int32), ValueError, "got 1 to 6"),
        (np.array([1, 2, 3], np.int32), TypeError, r"lengths.host must be .* shape \(4,\), int32"),
        (np.array([1, 2, 3, 4]), TypeError, "lengths.host must be"),
        ([1, 2, 3, 4], TypeError, "lengths.host must be"),
    ],
)
def test_lengths_that_are_none_are_refused(lengths, error, words):
    case = a_case()
    case.lengths = Lengths(lengths, case.lengths.device)
    with pytest.raises(error, match=words):
        case.forward()


def test_lengths_need_not_be_contiguous_on_the_host():
    case = a_case()
    expected = case.forward()[0].get()
    strided = np.stack((case.lengths_B, case.lengths_B * 0 + 9), axis=1)[:, 0]
    case.lengths = Lengths(strided, case.lengths.device)
    np.testing.assert_array_equal(case.forward()[0].get(), expected)


@pytest.mark.parametrize("name", ["c0", "dc"])
def test_a_cell_state_of_what_is_no_lstm_is_refused(name):
    case = Case(Configuration("gru", 2, 3, "float32", True), 2, 3, 0)
    y, h, _, saved = case.forward()
    with pytest.raises(ValueError, match=f"cuDNN gru: {name} must be None; only an LSTM has it"):
        case.forward(c0=h) if name == "c0" else case.rnn.backward(saved, y, h, h)


def test_backward_after_inference_says_what_it_needs():
    case = a_case()
    *outputs, saved = case.forward(training=False)
    with pytest.raises(ValueError, match=r"needs what forward\(\.\.\., training=True\) returned"):
        case.rnn.backward(saved, *outputs)


def test_a_layer_of_one_device_does_not_run_on_another():
    case = a_case(padded=False)
    words = r"cuDNN lstm: it is of GPU:0, but GPU:1 is current.*minirnn\.device\('gpu:0'\)"
    with hostcupy.cuda.Device(1), pytest.raises(ValueError, match=words):
        case.forward()


@pytest.mark.parametrize("name", ["cudnnRNNForward", "cudnnRNNBackwardData_v8", "cudnnRNNBackwardWeights_v8"])
def test_after_a_call_that_failed_the_next_one_works(name):
    case = a_case()
    *outputs, saved = case.forward()
    expected = case.rnn.backward(saved, *outputs)
    *_, saved = case.forward()
    case.functions.fail_after(name, 1)
    with pytest.raises(cudnn.CuDNNError, match=f"^{name} failed: CUDNN_STATUS_EXECUTION_FAILED"):
        case.rnn.backward(saved, *outputs) if "Backward" in name else case.forward()
    for one, other in zip(case.rnn.backward(saved, *outputs)[1:], expected[1:]):
        np.testing.assert_array_equal(host(one), host(other))


@pytest.mark.parametrize("name", ["forward", "backward"])
def test_out_of_memory_anywhere_is_told_with_what_to_do_and_spoils_nothing(name):
    case = a_case()
    *outputs, saved = case.forward()
    expected = [host(g) for g in case.rnn.backward(saved, *outputs)]

    def run(n):
        """Let the n-th allocation fail; return the error, or None where there are fewer."""
        try:
            with hostcupy_memory.out_of_memory_after(n):
                case.forward() if name == "forward" else case.rnn.backward(saved, *outputs)
        except hostcupy.cuda.memory.OutOfMemoryError as error:
            return error
        return None

    n = 1
    while (error := run(n)) is not None:
        assert "smaller batches or shorter sequences" in error.__notes__[0]
        for got, due in zip(case.rnn.backward(saved, *outputs)[1:], expected[1:]):
            np.testing.assert_array_equal(got.get(), due)
        n += 1
        *_, saved = case.forward()
    assert n > 5


def test_a_layer_that_could_not_be_made_for_lack_of_memory_is_made_the_next_time():
    functions = emulated_cudnn.library()
    library, configuration = cudnn.Library(functions, "here"), Configuration("gru", 2, 3, "float32", True)
    with (
        hostcupy_memory.out_of_memory_after(1),
        pytest.raises(hostcupy.cuda.memory.OutOfMemoryError) as caught,
    ):
        library.rnn(hostcupy, configuration)
    assert "smaller batches" in caught.value.__notes__[0]
    del caught
    gc.collect()
    assert not functions.live["rnn"]
    assert len(library.rnn(hostcupy, configuration).parameters) == 6


def test_calls_on_another_stream_have_lengths_of_their_own():
    case = a_case(padded=False)
    *outputs, saved = case.forward()
    with hostcupy.cuda.Stream():
        case.rnn.backward(saved, *outputs)
    assert len(case.rnn._library.context(hostcupy).lengths._values) == 2
