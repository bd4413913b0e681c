"""The fused kernels' hand-derived backward passes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.fused_reference import (
    KERNELS,
    SMOOTH,
    cases,
    project,
    random_like,
    relative_error,
)
from tests.kernels.test_fused_forward import plain_case


def drop_some(cotangents, kept):
    return tuple(cotangent if keep else None for cotangent, keep in zip(cotangents, kept))


some = st.lists(st.booleans(), min_size=3, max_size=3).filter(any)


@settings(max_examples=8 * settings.default.max_examples)  # there are many options, and it is quick
@given(cases(min_batch=0), some)
def test_gradients_equal_complex_steps_through_a_plain_loop(case, kept):
    outputs, residuals = case.forward()
    cotangents = drop_some(random_like(outputs, seed=1), kept)
    gradients = case.backward(residuals, cotangents)
    directions = random_like(case.arrays, seed=2)
    assert [gradient is not None for gradient in gradients] == list(case.differentiable)
    for position, gradient in enumerate(gradients):
        if gradient is None:
            continue
        assert gradient.shape == case.arrays[position].shape
        arrays = list(case.arrays)
        arrays[position] = arrays[position] + 1e-30j * directions[position]
        want = project(case.reference(arrays), cotangents)
        want = np.imag(want) / 1e-30
        assert relative_error((gradient * directions[position]).sum(), want) < 1e-10


@given(cases(activations=SMOOTH, gate_activations=("sigmoid", "tanh")), some)
def test_gradients_equal_central_differences(case, kept):
    outputs, residuals = case.forward()
    cotangents = drop_some(random_like(outputs, seed=1), kept)
    gradients = case.backward(residuals, cotangents)
    directions = random_like(case.arrays, seed=2)
    moved = {}
    for sign in (1, -1):
        arrays = [
            array if gradient is None else array + sign * 1e-6 * direction
            for array, gradient, direction in zip(case.arrays, gradients, directions)
        ]
        moved[sign] = project(case.forward(arrays, keep=False)[0], cotangents)
    along = sum((g * d).sum() for g, d in zip(gradients, directions) if g is not None)
    assert relative_error(along, (moved[1] - moved[-1]) / 2e-6) < 1e-6


@given(cases(activations=("tanh", "sigmoid"), gate_activations=("sigmoid", "tanh")))
def test_forward_of_complex_arrays_gives_the_same_gradients(case):
    """The complex step through the kernel itself: forward and backward are one function's."""
    case.arrays[-1] = None
    outputs, residuals = case.forward()
    cotangents = random_like(outputs, seed=1)
    gradients = case.backward(residuals, cotangents)
    directions = random_like(case.arrays, seed=2)
    arrays = [
        array
        if array is None
        else array.astype(complex) + (1e-30j * direction if gradient is not None else 0)
        for array, gradient, direction in zip(case.arrays, gradients, directions)
    ]
    want = np.imag(project(case.forward(arrays)[0], cotangents)) / 1e-30
    along = sum((g * d).sum() for g, d in zip(gradients, directions) if g is not None)
    assert relative_error(along, want) < 1e-10


@given(cases(), some)
def test_a_missing_cotangent_is_a_zero_one(case, kept):
    outputs, residuals = case.forward()
    cotangents = drop_some(random_like(outputs), kept)
    zeros = [np.zeros_like(o) if c is None else c for o, c in zip(outputs, cotangents)]
    for got, want in zip(case.backward(residuals, cotangents), case.backward(residuals, zeros)):
        if want is not None:
            assert relative_error(got, want) < 1e-14


@given(cases(), st.lists(st.booleans(), min_size=9, max_size=9))
def test_only_what_is_needed_is_given_and_asking_for_less_changes_nothing(case, wanted):
    outputs, residuals = case.forward()
    cotangents = random_like(outputs)
    full = case.backward(residuals, cotangents)
    needs = tuple(need and possible for need, possible in zip(wanted, case.differentiable))
    for got, want, need in zip(case.backward(residuals, cotangents, needs), full, needs):
        assert (got is not None) == need
        if need:
            np.testing.assert_array_equal(got, want)


@given(cases(), st.sampled_from([(np.float32, 1e-4), (np.float16, 4e-2)]))
def test_lower_precision_gradients_differ_by_rounding_only(case, precision):
    dtype, tolerance = precision
    case.options["activation"] = "tanh"
    if "recurrent_activation" in case.options:
        case.options["recurrent_activation"] = "sigmoid"
    outputs, residuals = case.forward()
    cotangents = random_like(outputs)
    low = case.astype(dtype)
    low_cotangents = [cotangent.astype(dtype) for cotangent in cotangents]
    gradients = low.backward(low.forward()[1], low_cotangents)
    of_weights = range(len(gradients) - 6, len(gradients) - 3)
    for i, (got, want) in enumerate(zip(gradients, case.backward(residuals, cotangents))):
        if want is not None:
            # Weights may have been cast for the kernel, and their gradients keep what it computes in.
            assert got.dtype == (np.float32 if i in of_weights else dtype)
            assert relative_error(got.astype(np.float64), want) < tolerance


@given(cases(), st.sampled_from([np.nan, 1e30]))
def test_what_stands_in_masked_steps_reaches_no_gradient(case, garbage):
    mask = case.arrays[-1] = np.zeros(case.arrays[0].shape[:2], bool)
    mask[:, ::2] = True
    outputs, residuals = case.forward()
    cotangents = random_like(outputs)
    want = case.backward(residuals, cotangents)
    case.arrays[0] = np.where(mask[:, :, None], case.arrays[0], garbage)
    got = case.backward(case.forward()[1], cotangents)
    for g, w in zip(got, want):
        if w is not None:
            np.testing.assert_array_equal(g, w)
    assert not got[0][~mask].any()


@pytest.mark.parametrize("kind", KERNELS)
def test_blocks_of_time_change_nothing_but_rounding(kind, monkeypatch):
    case = plain_case(kind, B=3, T=11, return_sequences=True)
    outputs, residuals = case.forward()
    cotangents = random_like(outputs)
    whole = case.backward(residuals, cotangents)
    for columns in (1, 6, 9):  # blocks of one step, of two, of three: none divides eleven but the first
        monkeypatch.setattr("minirnn.kernels.common.BLOCK_NUMBERS", 0)
        monkeypatch.setattr("minirnn.kernels.common.BLOCK_COLUMNS", columns)
        for got, want in zip(case.backward(residuals, cotangents), whole):
            if want is not None:
                assert relative_error(got, want) < 1e-13
