"""The cudnn tier gives what the generic loop gives, and faults planted in it are seen.

Without a GPU it runs on two stand-ins: hostcupy for CuPy's arrays, and emulated cuDNN, which computes from
raw memory by code of its own. With one (``pytest -m gpu``) the same runs on CuPy and cuDNN.
"""

import contextlib
from dataclasses import dataclass

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import minirnn
from minirnn import backend, config, kernels, layers, models, ops
from minirnn.autograd import Variable, convert, grad
from minirnn.backend import cudnn
from minirnn.kernels import cudnn_rnn, packing
from tests.standins import hostcupy, hostcupy_for_cupy

KINDS = {"SimpleRNN": layers.SimpleRNN, "GRU": layers.GRU, "LSTM": layers.LSTM}
TOLERANCE = {"float64": 1e-10, "float32": 1e-5}
OPTIONS = ("use_bias", "return_sequences", "go_backwards", "zero_output_for_mask", "stateful")


@pytest.fixture(autouse=True)
def on_a_gpu_or_its_stand_ins():
    """Where CuPy is the backend already, on a GPU or on stand-ins, nothing is put in its place."""
    with hostcupy_for_cupy(cudnn=True) if backend.on_host() else contextlib.nullcontext():
        yield


@st.composite
def cases(draw, dtypes=("float64",), kinds=tuple(KINDS), rates=(0.0, 0.4)):
    """Draw what cuDNN serves: layers, with and without a right-padded mask, initial states and training."""
    kind = draw(st.sampled_from(kinds))
    B, T, D, H = (draw(st.integers(1, n)) for n in (4, 5, 3, 4))
    options = {"units": H, "dtype": draw(st.sampled_from(dtypes)), "seed": 3}
    options |= {name: draw(st.booleans()) for name in OPTIONS}
    options["dropout"] = draw(st.sampled_from(rates))
    if kind == "SimpleRNN":
        options["activation"] = draw(st.sampled_from(("tanh", "relu")))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lengths = rng.integers(0, T + 1, B)[:, None]
    mask_BT = draw(st.sampled_from((None, np.arange(T) < lengths, np.zeros((B, T), bool))))
    both = draw(st.booleans())
    count = (2 if kind == "LSTM" else 1) * (2 if both else 1)
    states = [rng.normal(size=(B, H)) for _ in range(count)] if draw(st.booleans()) else None
    return kind, options, both, rng.normal(size=(B, T, D)), mask_BT, states, draw(st.booleans())


def run(tier, case):
    """Return outputs, states and all gradients of a call on a tier, as NumPy arrays by name."""
    kind, options, both, x_BTD, mask_BT, states, training = case
    dtype = options["dtype"]
    minirnn.utils.set_random_seed(5)  # the copies that Bidirectional makes have no seed of their own
    layer = KINDS[kind](**options, return_state=True, name="layer")
    if both:
        layer = layers.Bidirectional(layer, dtype=dtype, name="both")
    layer.build(x_BTD.shape)
    rng = np.random.default_rng(0)
    layer.set_weights([0.5 * rng.normal(size=w.shape) for w in layer.weights])
    x = Variable(x_BTD, dtype=dtype)
    starts = [Variable(s, dtype=dtype) for s in states or []]
    with kernels.use_tier(tier):
        results = layer(x, initial_state=starts or None, mask=mask_BT, training=training)
        total = sum(ops.sum(y * rng.normal(size=y.shape).astype(dtype)) for y in results)
        gradients = grad(total, [x, *starts, *layer.trainable_weights])
    names = ["x", *(f"state {i}" for i in range(len(starts))), *(w.path for w in layer.trainable_weights)]
    found = {f"output {i}": y for i, y in enumerate(results)}
    found |= {f"gradient of {n}": g for n, g in zip(names, gradients)}
    if options["stateful"]:
        found |= {f"carried {i}": s for i, s in enumerate(layer.states)}
    return {name: None if value is None else value.numpy() for name, value in found.items()}


def assert_agrees(case):
    got, expected = run("cudnn", case), run("generic", case)
    dtype = case[1]["dtype"]
    for name, value in expected.items():
        other = got[name]
        assert other.dtype == value.dtype == dtype and other.shape == value.shape, name
        scale = max(np.abs(value).max(initial=0), 1e-3)
        np.testing.assert_allclose(other / scale, value / scale, atol=TOLERANCE[dtype], rtol=0, err_msg=name)


@settings(max_examples=100)
@given(cases())
def test_cudnn_equals_generic_in_float64(case):
    assert_agrees(case)


@settings(max_examples=40)
@given(cases(dtypes=("float32",)))
def test_cudnn_equals_generic_in_float32(case):
    assert_agrees(case)


@settings(max_examples=40)
@given(cases(dtypes=("float16",), rates=(0.0,)))
def test_cudnn_in_float16_equals_generic_in_float32(case):
    """The generic loop rounds to float16 at each operation, and is the less exact of the two."""
    kind, options, *rest = case
    got, expected = run("cudnn", case), run("generic", (kind, {**options, "dtype": "float32"}, *rest))
    for name, value in expected.items():
        assert got[name].dtype == "float16", name
        scale = max(np.abs(value).max(initial=0), 1.0)
        np.testing.assert_allclose(got[name] / scale, value / scale, atol=1e-2, rtol=0, err_msg=name)


def test_the_layers_of_these_cases_are_served_by_cudnn():
    x = convert(np.zeros((2, 3, 4), "float32"))
    for kind in KINDS.values():
        report = kind(3).kernel_report(x, np.array([[1, 1, 0], [0, 0, 0]], bool))
        assert (report.tier, report.reasons) == ("cudnn", {})


# Where weights go.


@dataclass(eq=False)
class Layout:
    """What `cudnn.RNN` says of its weights."""

    configuration: cudnn.Configuration
    weight_bytes: int
    parameters: tuple


def layout(cell, units, features, directions, bias, gap):
    """Return a layer as the binding describes it, its parameters one after another with a gap between."""
    parameters, at = [], 0
    gates = {"lstm": 4, "gru": 3, "tanh": 1}[cell]
    for direction in range(directions):
        offsets = []
        for number in range(2 * gates):
            offsets.append(at)
            at += 8 * (units * (features if number < gates else units) + gap)
        for number, offset in enumerate(offsets):
            columns = features if number < gates else units
            parameters.append(
                cudnn.Parameter(direction, number, offset, (units, columns), at if bias else None)
            )
            at += 8 * (units + gap) if bias else 0
    configuration = cudnn.Configuration(cell, features, units, "float64", bias, directions)
    return Layout(configuration, at, tuple(parameters))


@pytest.mark.parametrize("gap", (0, 2))
@pytest.mark.parametrize("cell", ("lstm", "gru", "tanh"))
@given(data=st.data())
def test_each_gate_is_packed_where_cudnn_has_it_and_comes_back(cell, gap, data):
    units, features, directions = (data.draw(st.integers(1, n)) for n in (3, 3, 2))
    rnn = layout(cell, units, features, directions, data.draw(st.booleans()), gap)
    gates = cudnn_rnn._KERAS_GATES[cell]
    if gap == 0 and cell != "gru":
        assert len(cudnn_rnn.blocks(rnn)) == 2 * directions  # kernel and recurrent kernel, each in one piece
    rng, weights = np.random.default_rng(0), []
    for _ in range(directions):
        bias = rng.normal(size=((2,) if cell == "gru" else ()) + (len(gates) * units,))
        weights += [rng.normal(size=(n, len(gates) * units)) for n in (features, units)]
        weights.append(bias if rnn.configuration.bias else None)
    space = cudnn_rnn._pack(np, *weights, rnn=rnn)
    for p in rnn.parameters:
        gate, recurrent = gates[p.number % len(gates)], p.number >= len(gates)
        of_gate = slice(gate * units, (gate + 1) * units)
        matrix = weights[3 * p.direction + recurrent][:, of_gate].T
        found = np.frombuffer(space, "float64", matrix.size, p.matrix_offset)
        np.testing.assert_array_equal(found.reshape(matrix.shape), matrix)
        if p.bias_offset is not None:
            bias = weights[3 * p.direction + 2]
            expected = bias[int(recurrent)] if cell == "gru" else bias * (not recurrent)
            found = np.frombuffer(space, "float64", units, p.bias_offset)
            np.testing.assert_array_equal(found, expected[of_gate])
    for one, other in zip(cudnn_rnn.unpack(np, space, weights, rnn), weights):
        assert one is other is None or (one == other).all()


# What a call costs.


def count_calls(monkeypatch):
    """Return a list that grows by the number of directions with each forward call of cuDNN."""
    called, forward = [], cudnn.RNN.forward

    def counted(self, *args, **options):
        called.append(self.configuration.directions)
        return forward(self, *args, **options)

    monkeypatch.setattr(cudnn.RNN, "forward", counted)
    return called


def test_both_directions_take_one_call(monkeypatch):
    called = count_calls(monkeypatch)
    layer = layers.Bidirectional(layers.LSTM(3, return_sequences=True))
    layer(np.ones((2, 5, 4), "float32"), mask=np.arange(5) < np.array([[3], [5]]))
    assert called == [2]


@pytest.mark.parametrize(
    "make",
    (
        lambda: layers.Bidirectional(layers.LSTM(3), backward_layer=layers.LSTM(5, go_backwards=True)),
        lambda: layers.Bidirectional(layers.GRU(3), backward_layer=layers.LSTM(3, go_backwards=True)),
        lambda: layers.Bidirectional(layers.GRU(3, go_backwards=True)),
        lambda: layers.Bidirectional(layers.LSTM(3, activity_regularizer="l2")),
    ),
)
def test_directions_that_differ_take_a_call_each(monkeypatch, make):
    called = count_calls(monkeypatch)
    make()(np.ones((2, 5, 4), "float32"))
    assert called == [1, 1]


def test_shapes_are_inferred_without_cudnn(monkeypatch):
    called = count_calls(monkeypatch)
    x = layers.Input((None, 3))
    model = models.Model(x, layers.Bidirectional(layers.GRU(4))(layers.LSTM(5, return_sequences=True)(x)))
    assert model.output_shape == (None, 8) and called == []
    assert model(np.ones((2, 3, 3), "float32")).shape == (2, 8) and called == [1, 2]


def test_weights_are_packed_again_when_they_change_and_not_before(monkeypatch):
    packs, pack = [], cudnn_rnn._pack
    monkeypatch.setattr(
        cudnn_rnn, "packed", packing.remember(lambda *a, **k: packs.append(1) or pack(*a, **k))
    )
    layer, x = layers.GRU(3), np.ones((2, 4, 3), "float32")
    one = layer(x).numpy()
    np.testing.assert_array_equal(layer(x).numpy(), one)
    assert len(packs) == 1
    layer.set_weights([2 * w for w in layer.get_weights()])
    assert np.abs(layer(x).numpy() - one).max() > 1e-3 and len(packs) == 2


@pytest.mark.parametrize("on_host, reads", ((True, 0), (False, 1)))
def test_a_mask_is_read_at_most_once_and_not_at_all_if_it_was_made_on_the_host(on_host, reads, monkeypatch):
    read, to_numpy = [], backend.to_numpy

    def counted_to_numpy(array):
        if not isinstance(array, np.ndarray):
            read.append(array.shape)
        return to_numpy(array)

    monkeypatch.setattr(backend, "to_numpy", counted_to_numpy)
    stack = models.Sequential([layers.LSTM(3, return_sequences=True), layers.Bidirectional(layers.GRU(3))])
    x, mask = np.ones((2, 4, 3), "float32"), np.arange(4) < np.array([[4], [2]])
    stack(x)
    read.clear()
    with hostcupy.count_reads() as counted:
        stack(convert(x), mask=mask if on_host else convert(mask))
    assert read == [(3,)] * reads
    if backend.current().xp is hostcupy:
        assert counted == [reads]


def test_tf32_is_used_where_it_was_enabled_and_not_before(monkeypatch):
    asked = []
    rnn = cudnn.Library.rnn
    monkeypatch.setattr(cudnn.Library, "rnn", lambda self, xp, c: asked.append(c.tf32) or rnn(self, xp, c))
    layer, x = layers.LSTM(3), np.ones((2, 4, 3), "float32")
    layer(x)
    config.enable_tensor_float_32_execution(True)
    try:
        layer(x)
    finally:
        config.enable_tensor_float_32_execution(False)
    assert asked == [False, True]


def test_second_derivatives_are_the_generic_tiers_alone():
    layer, x = layers.LSTM(3), Variable(np.ones((2, 4, 3), "float32"))

    def slope(x):
        return minirnn.grad(lambda x: ops.sum(layer(x) ** 2))(x).sum()

    with pytest.raises(NotImplementedError, match=r"'lstm' has no second derivative.*use_tier\('generic'\)"):
        minirnn.grad(slope)(x)


def test_a_graph_can_be_walked_twice():
    layer, x = layers.LSTM(3), Variable(np.ones((2, 4, 3), "float32"))
    loss = ops.sum(layer(x) ** 2)
    loss.backward(retain_graph=True)
    once = x.grad.numpy()
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * once, rtol=1e-6)


# Faults, planted one by one: what compares the tiers must see each.


def a_case(kind, both=False, **options):
    rng = np.random.default_rng(1)
    mask_BT = np.arange(4) < np.array([[4], [2], [3]])
    options = {"units": 3, "dtype": "float64", "stateful": False, "return_sequences": True} | options
    return kind, options, both, rng.normal(size=(3, 4, 2)), mask_BT, None, False


def swapped_gates(monkeypatch):
    monkeypatch.setitem(cudnn_rnn._KERAS_GATES, "lstm", (0, 2, 1, 3))


def swapped_z_and_r(monkeypatch):
    monkeypatch.setitem(cudnn_rnn._KERAS_GATES, "gru", (0, 1, 2))


def bias_in_both_slots(monkeypatch):
    monkeypatch.setattr(cudnn_rnn, "_keras_bias", lambda block, bias: bias)


def started_at_the_padded_end(monkeypatch):
    lengths = cudnn.Lengths

    def padded(host, device):
        full = np.full_like(host, 4)
        return lengths(full, backend.current().xp.asarray(full))

    monkeypatch.setattr(cudnn_rnn, "Lengths", padded)


def dy_left_unfilled(monkeypatch):
    backward = cudnn.RNN.backward

    def unfilled(self, saved, dy_BTK, *args, **options):
        dy_BTK = self.xp.empty_like(saved.y) if dy_BTK is None else dy_BTK
        return backward(self, saved, dy_BTK, *args, **options)

    monkeypatch.setattr(cudnn.RNN, "backward", unfilled)


@pytest.mark.parametrize(
    "plant, case",
    (
        (swapped_gates, a_case("LSTM")),
        (swapped_z_and_r, a_case("GRU")),
        (bias_in_both_slots, a_case("LSTM")),
        (started_at_the_padded_end, a_case("LSTM", both=True)),
        (started_at_the_padded_end, a_case("GRU", both=True)),
        (dy_left_unfilled, a_case("LSTM", return_sequences=False)),
    ),
)
def test_a_planted_fault_is_seen(monkeypatch, plant, case):
    assert_agrees(case)
    plant(monkeypatch)
    cudnn_rnn.blocks.cache_clear()  # nothing that was remembered before the fault is to hide it
    try:
        with pytest.raises(AssertionError, match="Not equal to tolerance"):
            assert_agrees(case)
    finally:
        cudnn_rnn.blocks.cache_clear()


def workspace_a_byte_short(monkeypatch):
    empty_bytes = cudnn.RNN._empty_bytes
    monkeypatch.setattr(cudnn.RNN, "_empty_bytes", lambda self, size: empty_bytes(self, max(size - 1, 0)))


def host_array_for_a_device_one(monkeypatch):
    address = cudnn._address

    def of_the_host(array):
        return array._host.ctypes.data if array is not None and array.ndim == 3 else address(array)

    monkeypatch.setattr(cudnn, "_address", of_the_host)


@pytest.mark.parametrize("plant", (workspace_a_byte_short, host_array_for_a_device_one))
@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_buffer_is_refused(monkeypatch, kind, plant):
    if backend.current().xp is not hostcupy:
        pytest.skip("On a GPU this may write where others' memory is; the emulation looks before it writes.")
    x = np.ones((2, 4, 3), "float32")
    KINDS[kind](3)(x)
    plant(monkeypatch)
    with pytest.raises(cudnn.CuDNNError, match="cudnnRNNForward failed"):
        KINDS[kind](3)(x)
    monkeypatch.undo()
    KINDS[kind](3)(x)
