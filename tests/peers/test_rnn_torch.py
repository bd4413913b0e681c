"""Recurrent layers beside PyTorch's: outputs, last states and gradients, in float64."""

import numpy as np
import pytest

import minirnn
from minirnn import kernels, layers
from tests.arrays import leaf

KINDS = {"RNN": layers.SimpleRNN, "GRU": layers.GRU, "LSTM": layers.LSTM}
# Where PyTorch keeps each of Keras's gates: GRU z, r, h is its r, z, n; LSTM's order is the same.
ORDER = {"RNN": (0,), "GRU": (1, 0, 2), "LSTM": (0, 1, 2, 3)}
B, T, D, H = 3, 5, 4, 6


def to_keras(kind, weight):
    """Return PyTorch's matrix, shape (gates · H, N), as Keras's, shape (N, gates · H); vectors likewise."""
    gates = weight.reshape(len(ORDER[kind]), H, -1)[list(ORDER[kind])]
    return gates.reshape(-1, gates.shape[-1]).T


def weights_of(kind, peer, suffix="l0", gradient=False):
    """Return kernel, recurrent kernel and bias (two of them, as the peer has) in Keras's layout."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    parts = [getattr(peer, f"{n}_{suffix}") for n in names]
    parts = [(p.grad if gradient else p).detach().cpu().numpy() for p in parts]
    kernel, recurrent, bias, recurrent_bias = [to_keras(kind, p) for p in parts]
    return kernel, recurrent, bias[0], recurrent_bias[0]


def set_weights(kind, torch, layer, peer, suffix="l0"):
    if kind != "GRU":  # one bias in Keras, two in PyTorch, of which only the sum matters
        with torch.no_grad():
            getattr(peer, f"bias_hh_{suffix}").zero_()
    kernel, recurrent, bias, recurrent_bias = weights_of(kind, peer, suffix)
    both = np.stack([bias, recurrent_bias])
    layer.set_weights([kernel, recurrent, both if kind == "GRU" else bias])


def gradients(kind, layer, peer, suffix="l0"):
    """Return each weight's gradient beside the peer's, in Keras's layout."""
    kernel, recurrent, bias, recurrent_bias = weights_of(kind, peer, suffix, gradient=True)
    both = np.stack([bias, recurrent_bias])
    expected = [kernel, recurrent, both if kind == "GRU" else bias]
    return [(w.grad.numpy(), want) for w, want in zip(layer.trainable_weights, expected)]


def assert_gradients(kind, layer, peer, suffix="l0"):
    for got, want in gradients(kind, layer, peer, suffix):
        np.testing.assert_allclose(got, want, atol=1e-11)


def cotangents(*arrays):
    rng = np.random.default_rng(7)
    return [rng.normal(size=tuple(a.shape)) for a in arrays]


def backward_ours(results):
    losses = [(y * w).sum() for y, w in zip(results, cotangents(*results))]
    minirnn.ops.sum(minirnn.ops.stack(losses)).backward()


def backward_theirs(torch, results):
    sum((y * torch.from_numpy(w)).sum() for y, w in zip(results, cotangents(*results))).backward()


def data(torch, kind):
    rng = np.random.default_rng(3)
    x_BTD, states = (
        rng.normal(size=(B, T, D)),
        [rng.normal(size=(B, H)) for _ in range(2 if kind == "LSTM" else 1)],
    )
    ours = leaf(x_BTD), [leaf(s) for s in states]
    theirs = (
        torch.tensor(x_BTD, requires_grad=True),
        [torch.tensor(s[None], requires_grad=True) for s in states],
    )
    return ours, theirs


@pytest.mark.parametrize("tier", kernels.TIERS)
@pytest.mark.parametrize("padded", (False, True))
@pytest.mark.parametrize("kind", KINDS)
def test_outputs_states_and_gradients_are_pytorchs(torch, kind, padded, tier):
    torch.manual_seed(0)
    peer = getattr(torch.nn, kind)(D, H, batch_first=True, dtype=torch.float64)
    layer = KINDS[kind](
        H, return_sequences=True, return_state=True, zero_output_for_mask=padded, dtype="float64", name=kind
    )
    layer.build((B, T, D))
    set_weights(kind, torch, layer, peer)
    (x, states), (x_t, states_t) = data(torch, kind)
    lengths = np.array([T, 2, 4])
    mask_BT = np.arange(T) < lengths[:, None] if padded else None
    with kernels.use_tier(tier):
        results = layer(x, initial_state=states, mask=mask_BT)
        backward_ours(results)
    start = tuple(states_t) if kind == "LSTM" else states_t[0]
    if padded:
        rnn = torch.nn.utils.rnn
        packed = rnn.pack_padded_sequence(
            x_t, torch.from_numpy(lengths), batch_first=True, enforce_sorted=False
        )
        y, last = peer(packed, start)
        y, _ = rnn.pad_packed_sequence(y, batch_first=True, total_length=T)
    else:
        y, last = peer(x_t, start)
    expected = [y, *(s[0] for s in (last if kind == "LSTM" else [last]))]
    backward_theirs(torch, expected)
    for got, want in zip(results, expected):
        np.testing.assert_allclose(got.numpy(), want.detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(x.grad.numpy(), x_t.grad.numpy(), atol=1e-11)
    for s, s_t in zip(states, states_t):
        np.testing.assert_allclose(s.grad.numpy(), s_t.grad[0].numpy(), atol=1e-11)
    assert_gradients(kind, layer, peer)


@pytest.mark.parametrize("kind", KINDS)
def test_bidirectional_is_pytorchs(torch, kind):
    torch.manual_seed(0)
    peer = getattr(torch.nn, kind)(D, H, batch_first=True, bidirectional=True, dtype=torch.float64)
    layer = layers.Bidirectional(
        KINDS[kind](H, return_sequences=True, return_state=True, dtype="float64"), dtype="float64"
    )
    layer.build((B, T, D))
    set_weights(kind, torch, layer.forward_layer, peer)
    set_weights(kind, torch, layer.backward_layer, peer, "l0_reverse")
    (x, _), (x_t, _) = data(torch, kind)
    results = layer(x)
    backward_ours(results)
    y, last = peer(x_t)
    last = last if kind == "LSTM" else [last]
    expected = [y, *(s[0] for s in last), *(s[1] for s in last)]
    backward_theirs(torch, expected)
    for got, want in zip(results, expected):
        np.testing.assert_allclose(got.numpy(), want.detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(x.grad.numpy(), x_t.grad.numpy(), atol=1e-11)
    assert_gradients(kind, layer.forward_layer, peer)
    assert_gradients(kind, layer.backward_layer, peer, "l0_reverse")


@pytest.mark.parametrize("kind", KINDS)
def test_stacked_cells_are_pytorchs_layers(torch, kind):
    torch.manual_seed(0)
    peer = getattr(torch.nn, kind)(D, H, num_layers=2, batch_first=True, dtype=torch.float64)
    cells = [KINDS[kind].cell_class(H, dtype="float64") for _ in range(2)]
    layer = layers.RNN(cells, return_sequences=True, return_state=True, dtype="float64")
    layer.build((B, T, D))
    for number, cell in enumerate(cells):
        set_weights(kind, torch, cell, peer, f"l{number}")
    (x, _), (x_t, _) = data(torch, kind)
    results = minirnn.tree.flatten(layer(x))
    backward_ours(results)
    y, last = peer(x_t)
    last = last if kind == "LSTM" else [last]
    expected = [y, *(s[number] for number in range(2) for s in last)]
    backward_theirs(torch, expected)
    for got, want in zip(results, expected):
        np.testing.assert_allclose(got.numpy(), want.detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(x.grad.numpy(), x_t.grad.numpy(), atol=1e-11)
    for number, cell in enumerate(cells):
        assert_gradients(kind, cell, peer, f"l{number}")


@pytest.mark.parametrize("kind", KINDS)
def test_one_step_of_a_cell_is_pytorchs(torch, kind):
    torch.manual_seed(0)
    peer = getattr(torch.nn, f"{kind}Cell")(D, H, dtype=torch.float64)
    cell = KINDS[kind].cell_class(H, dtype="float64")
    cell.build((B, D))
    with torch.no_grad():
        if kind != "GRU":
            peer.bias_hh.zero_()
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        setattr(peer, f"{name}_l0", getattr(peer, name))
    set_weights(kind, torch, cell, peer)
    (x, states), (x_t, states_t) = data(torch, kind)
    y, new = cell(x[:, 0], states)
    start = tuple(s[0] for s in states_t) if kind == "LSTM" else states_t[0][0]
    expected = peer(x_t[:, 0], start)
    expected = expected if kind == "LSTM" else [expected]
    np.testing.assert_allclose(y.numpy(), expected[0].detach().numpy(), atol=1e-12)
    for got, want in zip(new, expected):
        np.testing.assert_allclose(got.numpy(), want.detach().numpy(), atol=1e-12)
