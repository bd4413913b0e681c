"""Emulated cuDNN, the stand-in, beside real PyTorch on the host: outputs, last states and all gradients.

PyTorch's recurrent layers have cuDNN's equations, gates in cuDNN's order and two biases, so each parameter of
one is a parameter of the other.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.standins.cudnn_driver import BIASES, CELLS, Run
from tests.standins.emulated_cudnn import library

KINDS = {"lstm": "LSTM", "gru": "GRU", "tanh": "RNN", "relu": "RNN"}
TOLERANCE = {"float64": 1e-12, "float32": 2e-6, "float16": 4e-3}


def peer_of(torch, run):
    """Return PyTorch's layer with the weights of a run; where a bias is missing it is zero."""
    options = {"nonlinearity": run.cell} if run.cell in ("tanh", "relu") else {}
    layer = getattr(torch.nn, KINDS[run.cell])(
        run.features,
        run.units,
        batch_first=True,
        bidirectional=run.directions == 2,
        dtype=torch.float64,
        **options,
    )
    with torch.no_grad():
        for (direction, side), arrays in sides(run, run.weightSpace).items():
            for part, array in zip(parts(layer, direction, side), arrays, strict=True):
                part.copy_(torch.from_numpy(array.astype("float64")))
    return layer


def sides(run, space):
    """Return {(direction, "ih" or "hh"): (matrix, bias)} with the gates of each put together."""
    parameters, found = run.parameters(space), {}
    gates = len(parameters) // (2 * run.directions)
    for direction in range(run.directions):
        for first, side in ((0, "ih"), (gates, "hh")):
            pairs = [parameters[direction, number] for number in range(first, first + gates)]
            biases = [np.zeros(run.units) if b is None else b for _, b in pairs]
            found[direction, side] = np.concatenate([m for m, _ in pairs]), np.concatenate(biases)
    return found


def parts(layer, direction, side):
    end = "_reverse" if direction else ""
    return getattr(layer, f"weight_{side}_l0{end}"), getattr(layer, f"bias_{side}_l0{end}")


def batch_first(run, array):
    host = array._host.astype("float64")
    return host if run.layout == 2 else host.transpose(1, 0, 2)


def peers_results(torch, run):
    """Return what PyTorch has for each output of the three calls, and its layer with gradients."""
    layer = peer_of(torch, run)
    leaves = {}
    for name in ("x", "hx", "cx"):
        array = batch_first(run, run.x) if name == "x" else getattr(run, name)._host.astype("float64")
        leaves[name] = torch.from_numpy(array.copy()).requires_grad_()
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        leaves["x"], torch.from_numpy(run.lengths).long(), batch_first=True, enforce_sorted=False
    )
    states = (leaves["hx"], leaves["cx"]) if run.cell == "lstm" else leaves["hx"]
    y, ends = layer(packed, states)
    y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=run.time)
    ends = ends if run.cell == "lstm" else (ends,)
    loss = (y * torch.from_numpy(batch_first(run, run.dy))).sum()
    for end, cotangent in zip(ends, (run.dhy, run.dcy)):
        loss = loss + (end * torch.from_numpy(cotangent._host.astype("float64"))).sum()
    loss.backward()
    found = {"y": y, "dx": leaves["x"].grad, "hy": ends[0], "dhx": leaves["hx"].grad}
    if run.cell == "lstm":
        found |= {"cy": ends[1], "dcx": leaves["cx"].grad}
    return {name: value.detach().numpy() for name, value in found.items()}, layer


def assert_near(ours, theirs, dtype, name):
    scale = max(1.0, np.abs(theirs).max())
    np.testing.assert_allclose(
        ours.astype("float64"), theirs, rtol=0, atol=TOLERANCE[dtype] * scale, err_msg=name
    )


def assert_like_the_peer(torch, run):
    run.forward()
    run.backward_data()
    run.backward_weights()
    expected, layer = peers_results(torch, run)
    steps = np.arange(run.time) < run.lengths[:, None]
    for name, theirs in expected.items():
        array = getattr(run, name)
        if name in ("y", "dx"):
            ours = batch_first(run, array)
            assert_near(ours[steps], theirs[steps], run.dtype, name)
        else:
            assert_near(array._host, theirs, run.dtype, name)
    for (direction, side), (matrix, bias) in sides(run, run.dweightSpace).items():
        of_matrix, of_bias = (p.grad.numpy() for p in parts(layer, direction, side))
        assert_near(matrix, of_matrix, run.dtype, f"gradient of the matrices, {side}")
        if run.bias in ("double", "input" if side == "ih" else "recurrent"):
            assert_near(bias, of_bias, run.dtype, f"gradient of the biases, {side}")


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("cell", CELLS)
def test_emulated_cudnn_computes_what_pytorch_does(torch, cell, bias, directions):
    assert_like_the_peer(torch, Run(cell, bias=bias, directions=directions))


@given(
    cell=st.sampled_from(list(CELLS)),
    directions=st.integers(1, 2),
    dtype=st.sampled_from(list(TOLERANCE)),
    layout=st.sampled_from([0, 2]),
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    padding=st.integers(0, 2),
    features=st.integers(1, 3),
    units=st.integers(1, 3),
    gap=st.sampled_from([0, 16, 40]),
    seed=st.integers(0, 99),
)
def test_it_does_in_every_shape_layout_and_type(torch, gap, padding, **shape):
    time = max(shape["lengths"]) + padding
    assert_like_the_peer(torch, Run(time=time, functions=library(gap=gap), **shape))
