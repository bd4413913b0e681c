"""Recurrent layers of mixed precision on each tier: float16 weights, float32 gradients, one result.

Without a GPU the cudnn tier runs on two stand-ins, hostcupy and emulated cuDNN.
"""

import contextlib
from unittest import mock

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from minirnn import backend, grad, kernels, layers, ops
from minirnn.autograd import Variable
from minirnn.kernels import cudnn_rnn, packing
from tests.standins import hostcupy_for_cupy

KINDS = {"SimpleRNN": layers.SimpleRNN, "GRU": layers.GRU, "LSTM": layers.LSTM}


@pytest.fixture(autouse=True)
def on_a_gpu_or_its_stand_ins():
    with hostcupy_for_cupy(cudnn=True) if backend.on_host() else contextlib.nullcontext():
        yield


def run(tier, policy, kind, both, x_BTD, mask_BT, options):
    """Return outputs and all gradients of a call on a tier, and the dtypes that they came in."""
    layer = KINDS[kind](3, dtype=policy, return_state=True, **options)
    if both:
        layer = layers.Bidirectional(layer, dtype=policy)
    layer.build(x_BTD.shape)
    rng = np.random.default_rng(0)
    layer.set_weights([0.5 * rng.normal(size=w.shape) for w in layer.weights])
    x = Variable(x_BTD, dtype="float32")
    with kernels.use_tier(tier):
        outputs = layer(x, mask=mask_BT)
        total = sum(
            ops.sum(ops.cast(y, "float32") * rng.normal(size=y.shape).astype("float32")) for y in outputs
        )
        gradients = grad(total, [x, *layer.trainable_weights])
    return [y.numpy() for y in outputs], [g.numpy() for g in gradients]


@settings(max_examples=30)
@given(
    st.sampled_from(tuple(KINDS)),
    st.booleans(),
    st.booleans(),
    st.sampled_from([{}, {"return_sequences": True}, {"go_backwards": True, "use_bias": False}]),
    st.integers(0, 2**31 - 1),
)
def test_the_tiers_agree_in_mixed_precision_with_one_another_and_with_float32(
    kind, both, masked, options, seed
):
    rng = np.random.default_rng(seed)
    x_BTD = rng.normal(size=(3, 5, 4))
    mask_BT = np.arange(5) < rng.integers(1, 6, 3)[:, None] if masked else None
    case = (kind, both, x_BTD, mask_BT, options)
    outputs, gradients = run("generic", "float32", *case)
    for tier in kernels.selection.TIERS:
        got, got_gradients = run(tier, "mixed_float16", *case)
        assert {y.dtype.name for y in got} == {"float16"}, tier
        assert {g.dtype.name for g in got_gradients} == {"float32"}, tier
        for a, b in zip([*got, *got_gradients], [*outputs, *gradients], strict=True):
            np.testing.assert_allclose(a, b, atol=1e-2 * max(1.0, np.abs(b).max()), rtol=0, err_msg=tier)


@pytest.mark.parametrize("kind", KINDS)
def test_cudnn_serves_mixed_layers_alone_and_in_both_directions(kind):
    x = backend.asarray(np.ones((2, 3, 4), "float16"))
    report = KINDS[kind](3, dtype="mixed_float16").kernel_report(x)
    assert (report.tier, report.reasons) == ("cudnn", {})
    layer = layers.Bidirectional(KINDS[kind](3, dtype="mixed_float16"), dtype="mixed_float16")
    with mock.patch.object(cudnn_rnn, "_call", wraps=cudnn_rnn._call) as call:
        layer(x)
    assert call.call_count == 1


def test_two_directions_of_another_policy_than_what_holds_them_make_calls_of_their_own():
    layer = layers.Bidirectional(layers.LSTM(3, dtype="mixed_float16"), dtype="float16")
    with mock.patch.object(cudnn_rnn, "_call", wraps=cudnn_rnn._call) as call:
        assert layer(np.ones((2, 3, 4))).dtype == "float16"
    assert call.call_count == 2


@pytest.mark.parametrize("tier", ["cudnn", "fused"])
def test_weights_are_cast_and_packed_once_for_each_value(tier):
    layer = layers.LSTM(3, dtype="mixed_float16")
    x = np.ones((2, 5, 4), "float32")
    layer(x)
    module = cudnn_rnn if tier == "cudnn" else kernels.lstm
    name = "packed" if tier == "cudnn" else "_pack"
    made = []

    def pack(*args, **options):
        made.append([a.dtype.name for a in args[1:]])
        return np_pack(*args, **options)

    np_pack = cudnn_rnn._pack if tier == "cudnn" else kernels.lstm._pack
    with mock.patch.object(module, name, packing.remember(pack)), kernels.use_tier(tier):
        layer(x), layer(x)
        assert made == [["float16"] * 3]
        layer.cell.kernel.assign_add(0.5)
        layer(x), layer(x)
    assert made == [["float16"] * 3] * 2
