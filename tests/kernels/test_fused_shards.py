"""A batch split over threads."""

import os
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from minirnn.backend import blas
from minirnn.kernels import shards
from tests.kernels.fused_reference import KERNELS, random_like, relative_error
from tests.kernels.test_fused_forward import plain_case

pytestmark = pytest.mark.host_only("a GPU's work is not split over the host's threads")


def blas_threads():
    """Return the numbers of threads of what is held; PyTorch and SciPy may have brought other libraries."""
    held = {library.filepath for library in blas._libraries()}
    return [library["num_threads"] for library in threadpool_info() if library["filepath"] in held]


@pytest.fixture
def always_split(monkeypatch):
    """Let work of any size be split in as many shards as there can be."""
    for name, value in {"HELD_WORK": 0, "SPLIT_WORK": 0, "PART_NUMBERS": 1, "PART_ROWS": 2}.items():
        monkeypatch.setattr(shards, f"MIN_{name}", value)
    with threadpool_limits(3, user_api="blas"):
        yield


def masked_case(kind, dropout_shape):
    case = plain_case(kind, B=9, T=6, return_sequences=True)
    rng = np.random.default_rng(0)
    if dropout_shape == "per gate" and kind != "simple_rnn":
        lead = ({"lstm": 4, "gru": 3}[kind],)
    else:
        lead = ()
    case.arrays[-3] = (rng.random((*lead, 9, 2)) < 0.5) * 2.0
    case.arrays[-2] = (rng.random((*lead, 9, 4)) < 0.5) * 2.0
    case.arrays[-1] = rng.random((9, 6)) < 0.7
    return case


@pytest.mark.parametrize("dropout_shape", ["one", "per gate"])
@pytest.mark.parametrize("kind", KERNELS)
def test_shards_together_equal_the_whole(kind, dropout_shape, always_split):
    case = masked_case(kind, dropout_shape)
    outputs, residuals = case.forward()
    assert len(residuals.parts) > 1
    gradients = case.backward(residuals, random_like(outputs))
    with threadpool_limits(1, user_api="blas"):
        whole, whole_residuals = case.forward()
        assert len(whole_residuals.parts) == 1
        whole_gradients = case.backward(whole_residuals, random_like(outputs))
    for got, want in zip((*outputs, *gradients), (*whole, *whole_gradients)):
        if want is not None:
            assert relative_error(got, want) < 1e-13


@pytest.mark.parametrize("kind", KERNELS)
def test_the_same_call_gives_the_same_bits(kind, always_split):
    case = masked_case(kind, "one")
    outputs, residuals = case.forward()
    cotangents = random_like(outputs)
    first = case.backward(residuals, cotangents)
    for _ in range(20):
        for got, want in zip(case.backward(case.forward()[1], cotangents), first):
            if want is not None:
                np.testing.assert_array_equal(got, want)


def test_blas_has_its_threads_back_afterwards_and_after_an_error(always_split):
    before = blas_threads()
    plan = shards.plan(8, 1, 1, 1, np)
    assert len(plan.parts) > 1
    seen = shards.run(plan, lambda part: blas_threads(), plan.parts)
    assert all(set(threads) == {1} for threads in seen)
    assert blas_threads() == before

    def fail(part):
        raise ValueError(f"rows {part.start}")

    with pytest.raises(ValueError, match="rows"):
        shards.run(plan, fail, plan.parts)
    assert blas_threads() == before


@pytest.mark.parametrize("B", [0, 1, 31, 32, 50, 64, 1000])
@pytest.mark.parametrize("T", [1, 20])
@pytest.mark.parametrize("H", [8, 64, 512])
def test_parts_make_up_the_batch_and_each_is_worth_a_thread(B, T, H):
    work = 4 * H * (H + 32)
    with threadpool_limits(3, user_api="blas"):
        parts, _ = shards.plan(B, T, H, work, np)
    assert [row for part in parts for row in range(B)[part]] == list(range(B))
    if len(parts) > 1:
        rows = min(part.stop - part.start for part in parts)
        assert rows >= shards.MIN_PART_ROWS
        assert (rows + 1) * H >= shards.MIN_PART_NUMBERS
        assert B * T * work >= shards.MIN_SPLIT_WORK


def test_small_steps_hold_blas_to_one_thread_and_a_single_step_does_not():
    with threadpool_limits(3, user_api="blas"):
        assert shards.plan(64, 28, 64, 24_000, np) == ([slice(0, 64)], True)
        assert shards.plan(1, 1, 128, 82_000, np) == ([slice(0, 1)], False)
        assert shards.plan(8, 28, 4096, 100_000_000, np) == ([slice(0, 8)], False)


def test_blas_limited_to_one_thread_limits_the_parts_to_one():
    with threadpool_limits(1, user_api="blas"):
        assert shards.plan(1000, 1000, 256, 1_000_000, np) == ([slice(0, 1000)], False)


def test_callers_on_several_threads_get_what_each_would_get_alone(always_split):
    before = blas_threads()
    cases = [masked_case(kind, "one") for kind in KERNELS]
    alone = [case.forward()[0][0] for case in cases]
    wrong = []

    def call_often(case, expected):
        for _ in range(30):
            if not np.array_equal(case.forward()[0][0], expected):
                wrong.append(case.kind)

    callers = [threading.Thread(target=call_often, args=pair) for pair in zip(cases, alone)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong
    assert blas_threads() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_makes_its_own_threads(always_split):
    case = masked_case("lstm", "one")
    expected = case.forward()[0][0]
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(case.forward()[0][0], expected) else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
