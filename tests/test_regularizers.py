"""Regularizers against formulas in NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minirnn import regularizers
from minirnn.autograd import Variable, grad

weights = hnp.arrays(
    np.float64, hnp.array_shapes(min_dims=1, max_dims=3, max_side=4), elements=st.floats(-3, 3)
)
factors = st.floats(0, 2)


@given(weights, factors, factors)
def test_the_penalties_and_their_gradients_are_the_formulas(w, l1, l2):
    both = regularizers.L1L2(l1, l2)
    assert np.allclose(float(both(w)), l1 * np.abs(w).sum() + l2 * (w**2).sum())
    assert np.allclose(float(both(w)), float(regularizers.L1(l1)(w)) + float(regularizers.L2(l2)(w)))
    assert np.allclose(grad(both)(w).numpy(), l1 * np.sign(w) + 2 * l2 * w)


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=st.floats(-3, 3)))
def test_the_orthogonal_penalty_is_the_mean_cosine_of_pairs(w):
    for mode, rows in (("rows", w), ("columns", w.T)):
        lengths = np.maximum(np.linalg.norm(rows, axis=1), 1e-7)
        cosines = [
            abs(rows[i] @ rows[j] / lengths[i] / lengths[j]) for i in range(len(rows)) for j in range(i)
        ]
        penalty = float(regularizers.OrthogonalRegularizer(0.5, mode)(w))
        assert np.allclose(penalty, 0.5 * np.mean(cosines) if cosines else 0, atol=1e-6)


def test_an_orthogonal_matrix_has_no_orthogonal_penalty():
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    assert abs(float(regularizers.OrthogonalRegularizer()(q))) < 1e-15


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_penalty_has_the_dtype_of_the_weight_and_no_axes(dtype):
    w = Variable(np.ones((2, 2), dtype))
    for name in ("l1", "l2", "l1_l2", "orthogonal_regularizer"):
        penalty = regularizers.get(name)(w)
        assert (penalty.shape, penalty.dtype) == ((), dtype)


def test_none_means_the_default():
    assert regularizers.L1(None).get_config() == {"l1": 0.01}
    assert regularizers.L2(None).get_config() == {"l2": 0.01}
    assert regularizers.L1L2(None, None).get_config() == {"l1": 0, "l2": 0}


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf"), "x", [0.1]])
def test_bad_factors_are_refused(bad):
    for make in (regularizers.L1, regularizers.L2, regularizers.L1L2, regularizers.OrthogonalRegularizer):
        with pytest.raises(ValueError, match="must be a finite number, 0 or more"):
            make(bad)


def test_bad_modes_and_shapes_are_refused():
    with pytest.raises(ValueError, match="mode must be rows or columns; got 'both'"):
        regularizers.OrthogonalRegularizer(mode="both")
    with pytest.raises(ValueError, match=r"two axes; got shape \(3,\)"):
        regularizers.OrthogonalRegularizer()(np.ones(3))
