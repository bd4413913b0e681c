"""Packed weights are remembered for as long as the weights live, and not for others that come after them."""

import sys

import numpy as np
import pytest

from minirnn.kernels.packing import remember


@pytest.fixture
def packing():
    """Return a function that is remembered, and how often it was called with each number."""
    calls = []

    @remember
    def pack(xp, weights, bias=None, *, order=1):
        calls.append(float(weights[0]))
        return weights * order

    return pack, calls


def test_weights_are_packed_once_for_each_way(packing):
    pack, calls = packing
    weights = np.full(3, 2.0)
    assert pack(np, weights) is pack(np, weights)
    assert pack(np, weights, order=2) is pack(np, weights, order=2)
    assert calls == [2.0, 2.0]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("interrupted", [False, True])
def test_weights_in_the_place_of_others_that_are_gone_are_packed_anew(packing, interrupted, monkeypatch):
    """An interrupt that comes while weights are being forgotten is lost, and they are not forgotten."""
    pack, calls = packing
    monkeypatch.setattr("minirnn.kernels.packing.id", lambda array: 1, raising=False)
    weights = np.full(3, 1.0)
    assert pack(np, weights)[0] == 1.0

    def interrupt(frame, event, argument):
        if frame.f_code.co_name == "forget":
            raise KeyboardInterrupt

    before = sys.gettrace()
    if interrupted:
        sys.settrace(interrupt)
    try:
        del weights
    finally:
        sys.settrace(before)
    assert pack(np, np.full(3, 2.0))[0] == 2.0
    assert calls == [1.0, 2.0]
