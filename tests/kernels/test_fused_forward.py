"""The fused kernels' outputs and states."""

import gc
import tracemalloc
import warnings
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirnn.kernels.packing import remember
from tests.kernels.fused_reference import KERNELS, STATES, Case, cases, random_like, relative_error


def plain_case(kind, B=3, T=5, D=2, H=4, **options):
    gates = {"lstm": 4, "gru": 3, "simple_rnn": 1}[kind]
    bias = np.zeros((2, gates * H) if kind == "gru" else gates * H)
    shapes = [np.zeros((B, T, D)), *[np.zeros((B, H))] * STATES[kind]]
    shapes += [np.zeros((D, gates * H)), np.zeros((H, gates * H)), bias]
    return Case(kind, [*random_like(shapes), None, None, None], options)


@settings(max_examples=8 * settings.default.max_examples)  # there are many options, and it is quick
@given(cases(min_batch=0))
def test_outputs_and_states_equal_a_plain_loop_over_steps(case):
    outputs, _ = case.forward()
    expected = case.reference()
    assert len(outputs) == 1 + STATES[case.kind]
    for got, want in zip(outputs, expected):
        assert got.shape == want.shape and got.dtype == np.float64
        assert relative_error(got, want) < 1e-12


@given(cases(), st.sampled_from([(np.float32, 2e-5), (np.float16, 2e-2)]))
def test_lower_precision_differs_by_rounding_only(case, precision):
    dtype, tolerance = precision
    # Rounding may move a value over a kink or a jump, so only what is smooth is asked.
    case.options["activation"] = "tanh"
    if "recurrent_activation" in case.options:
        case.options["recurrent_activation"] = "sigmoid"
    outputs, _ = case.astype(dtype).forward()
    for got, want in zip(outputs, case.reference()):
        assert got.dtype == dtype
        assert relative_error(got.astype(np.float64), want) < tolerance


@given(cases(min_batch=0))
def test_keeping_nothing_changes_no_bit(case):
    kept, residuals = case.forward(keep=True)
    outputs, nothing = case.forward(keep=False)
    assert residuals is not None and nothing is None
    for got, want in zip(outputs, kept):
        np.testing.assert_array_equal(got, want)


@given(cases())
def test_arguments_are_not_written_to(case):
    before = [None if array is None else array.copy() for array in case.arrays]
    _, residuals = case.forward()
    outputs, _ = case.forward()
    case.backward(residuals, random_like(outputs))
    for got, want in zip(case.arrays, before):
        np.testing.assert_array_equal(got, want)


@given(cases(), st.sampled_from([np.nan, np.inf, 1e30]))
def test_what_stands_in_masked_steps_does_not_matter(case, garbage):
    mask = case.arrays[-1] = np.zeros(case.arrays[0].shape[:2], bool)
    mask[:, ::2] = True
    expected, _ = case.forward()
    case.arrays[0] = np.where(mask[:, :, None], case.arrays[0], garbage)
    for keep in (True, False):
        outputs, _ = case.forward(keep=keep)
        for got, want in zip(outputs, expected):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("kind", KERNELS)
def test_strided_and_reversed_arrays_are_taken_as_they_are(kind):
    case = plain_case(kind, return_sequences=True)
    views = [None if a is None else np.asfortranarray(a)[::-1][::-1] for a in case.arrays]
    for got, want in zip(case.forward(views)[0], case.forward()[0]):
        np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("kind", KERNELS)
def test_saturated_gates_give_no_warning(kind):
    case = plain_case(kind).astype(np.float32)
    case.arrays[0] *= 1e4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outputs, residuals = case.forward()
        gradients = case.backward(residuals, outputs)
    assert all(np.isfinite(array).all() for array in (*outputs, *gradients) if array is not None)


@pytest.mark.host_only("the host's memory is measured")
@pytest.mark.parametrize("kind", KERNELS)
def test_memory_does_not_grow_with_time_where_nothing_is_kept(kind):
    def peak(T):
        case = plain_case(kind, B=1, T=T, H=8)
        case.forward(keep=False)
        tracemalloc.start()
        case.forward(keep=False)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(3000) < peak(30) + 2000


@pytest.mark.parametrize("kind", KERNELS)
def test_new_weights_are_used_at_once(kind):
    case = plain_case(kind)
    case.forward()
    for position in range(1 + STATES[kind], 4 + STATES[kind]):
        case.arrays[position] = 2 * case.arrays[position]
        for got, want in zip(case.forward()[0], case.reference()):
            np.testing.assert_allclose(got, want, rtol=1e-12)


def test_packed_weights_are_remembered_while_the_weights_live():
    calls = []

    def pack(xp, *arrays):
        calls.append(arrays[0].copy())
        return xp.ones(3)

    remembered = remember(pack)
    first, second = np.zeros(2), np.ones(2)
    packed = remembered(np, first, None)
    assert remembered(np, first, None) is packed
    assert remembered(np, second, None) is not packed
    assert len(calls) == 2
    watcher = weakref.ref(packed)
    del packed, first
    gc.collect()
    assert watcher() is None
