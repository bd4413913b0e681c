"""cuDNN itself: which layers it runs, how exact it is, and that it agrees with PyTorch's use of it."""

import numpy as np
import pytest

from minirnn import backend, config, kernels, layers, ops
from minirnn.autograd import grad
from minirnn.bench.pytorch import Peer, tensor_float_32
from tests.arrays import leaf
from tests.peers import test_rnn_torch as peers
from tests.standins import hostcupy

KINDS = {"RNN": layers.SimpleRNN, "GRU": layers.GRU, "LSTM": layers.LSTM}


@pytest.fixture(autouse=True)
def a_library():
    if backend.current().cudnn is None:
        pytest.skip(f"needs cuDNN: {backend.current().why_no_cudnn}")


def size():
    """B, T, D, H of what a card has its own ways to compute; little for the emulation's loops."""
    return (3, 5, 4, 6) if backend.current().xp is hostcupy else (32, 50, 96, 256)


@pytest.mark.parametrize("cls", KINDS.values(), ids=KINDS.keys())
def test_a_default_layer_runs_on_cudnn(cls):
    report = cls(4).kernel_report(np.zeros((2, 3, 5), "float32"), np.array([[1, 1, 0], [1, 0, 0]], bool))
    assert report.tier == "cudnn", str(report)


def run(cls, dtype, tier, both=False, padded=True):
    """Return output, last states and gradients of a layer as float64 arrays, from the same numbers."""
    B, T, D, H = size()
    rng = np.random.default_rng(0)
    layer = cls(H, return_sequences=True, return_state=True, dtype=dtype)
    if both:
        layer = layers.Bidirectional(layer, dtype=dtype)
    layer.build((B, T, D))
    layer.set_weights([rng.normal(0, w.shape[0] ** -0.5, w.shape) for w in layer.weights])
    x = leaf(rng.normal(size=(B, T, D)).astype(dtype))
    mask = np.arange(T) < rng.integers(1, T + 1, B)[:, None] if padded else None
    with kernels.use_tier(tier):
        assert (layer.forward_layer if both else layer).kernel_report(x, mask).tier == tier
        results = layer(x, mask=mask)
        total = sum(ops.sum(y * rng.normal(size=y.shape).astype(dtype)) for y in results)
        gradients = grad(total, [x, *layer.trainable_weights])
    return [np.asarray(a, "float64") for a in (*results, *gradients)]


def differences(got, expected):
    """Return the largest difference of each pair of arrays relative to the largest entry."""
    return [float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-3)) for a, b in zip(got, expected)]


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("cls", KINDS.values(), ids=KINDS.keys())
def test_float32_without_tf32_agrees_with_float64(cls, both):
    """TF32, with its ten bits, would be off by 1e-3."""
    assert not config.tensor_float_32_execution_enabled()
    exact = run(cls, "float64", "cudnn", both)
    assert max(differences(run(cls, "float32", "cudnn", both), exact)) < 1e-5


@pytest.mark.parametrize("cls", KINDS.values(), ids=KINDS.keys())
def test_tf32_where_it_is_enabled_agrees_to_its_ten_bits(cls):
    exact = run(cls, "float64", "cudnn")
    config.enable_tensor_float_32_execution(True)
    try:
        assert max(differences(run(cls, "float32", "cudnn"), exact)) < 3e-2
    finally:
        config.enable_tensor_float_32_execution(False)


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-10), ("float32", 1e-5)])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("cls", KINDS.values(), ids=KINDS.keys())
def test_the_tiers_agree_in_sizes_of_real_models(cls, both, dtype, tolerance):
    fused = run(cls, dtype, "fused", both)
    assert max(differences(run(cls, dtype, "cudnn", both), fused)) < tolerance


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-10), ("float32", 2e-5)])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_outputs_states_and_gradients_are_those_of_pytorchs_cudnn(
    torch, device, kind, both, dtype, tolerance
):
    torch.manual_seed(0)
    B, T, D, H = peers.B, peers.T, peers.D, peers.H
    peer = getattr(torch.nn, kind)(
        D, H, batch_first=True, bidirectional=both, dtype=getattr(torch, dtype), device=device
    )
    layer = KINDS[kind](H, return_sequences=True, return_state=True, dtype=dtype, name=kind)
    directions = {"l0": layer}
    if both:
        layer = layers.Bidirectional(layer, dtype=dtype)
        directions = {"l0": layer.forward_layer, "l0_reverse": layer.backward_layer}
    layer.build((B, T, D))
    for suffix, one in directions.items():
        peers.set_weights(kind, torch, one, peer, suffix)
    x_BTD = np.random.default_rng(3).normal(size=(B, T, D)).astype(dtype)
    x, x_t = leaf(x_BTD), torch.tensor(x_BTD, device=device, requires_grad=True)
    with tensor_float_32(Peer(torch, device), False):
        results = layer(x)
        y, last = peer(x_t)
        last = last if kind == "LSTM" else [last]
        expected = [y, *(s[number] for number in range(1 + both) for s in last)]
        weights = [torch.tensor(w.astype(dtype), device=device) for w in peers.cotangents(*results)]
        sum((a * w).sum() for a, w in zip(expected, weights)).backward()
    total = sum(ops.sum(a * w.astype(dtype)) for a, w in zip(results, peers.cotangents(*results)))
    total.backward()
    ours, theirs = [*results, x.grad], [*expected, x_t.grad]
    pairs = [(a.numpy(), b.detach().cpu().numpy()) for a, b in zip(ours, theirs)]
    for suffix, one in directions.items():
        pairs += peers.gradients(kind, one, peer, suffix)
    for got, want in pairs:
        assert got.shape == want.shape and got.dtype == dtype
        np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * max(1.0, np.abs(want).max()))
