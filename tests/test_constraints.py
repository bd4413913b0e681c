"""Constraints: what they leave is allowed, and what was allowed stays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minirnn import constraints

weights = hnp.arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=st.floats(-5, 5))
axes = st.sampled_from([0, 1, (0, 1)])


def norms(w, axis):
    return np.sqrt((np.asarray(w) ** 2).sum(axis, keepdims=True))


@given(weights, st.floats(0.5, 4), axes)
def test_max_norm_shortens_what_is_too_long_and_leaves_the_rest(w, limit, axis):
    y = constraints.MaxNorm(limit, axis)(w).numpy()
    assert (norms(y, axis) <= limit).all()
    assert np.allclose(y, w * np.minimum(1, limit / np.maximum(norms(w, axis), 1e-300)), rtol=1e-4, atol=1e-6)


@given(weights)
def test_non_neg_sets_negative_weights_to_zero(w):
    assert np.array_equal(constraints.NonNeg()(w).numpy(), np.where(w > 0, w, 0))


@given(weights, axes)
def test_unit_norm_keeps_directions(w, axis):
    y = constraints.UnitNorm(axis)(w).numpy()
    length = norms(w, axis)
    assert np.allclose(norms(y, axis)[length > 1e-2], 1, atol=1e-4)
    assert np.allclose(y * length, w, atol=1e-5)


@given(weights, st.floats(0.5, 1), st.floats(1, 3), st.floats(0, 1), axes)
def test_min_max_norm_moves_norms_into_their_range_by_its_rate(w, low, high, rate, axis):
    y = constraints.MinMaxNorm(low, high, rate, axis)(w).numpy()
    length = norms(w, axis)
    wanted = rate * np.clip(length, low, high) + (1 - rate) * length
    ok = length > 1e-2
    assert np.allclose(norms(y, axis)[ok], wanted[ok], rtol=1e-4)


@pytest.mark.parametrize("name", ["max_norm", "non_neg", "unit_norm", "min_max_norm"])
def test_the_dtype_stays_and_the_config_makes_the_same_again(name):
    constraint = constraints.get(name)
    w = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    assert constraint(w).dtype == "float32"
    again = constraints.deserialize(constraints.serialize(constraint))
    assert np.array_equal(again(w).numpy(), constraint(w).numpy())
