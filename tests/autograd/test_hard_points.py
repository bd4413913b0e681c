"""Gradients where formulas divide by zero, tie or overflow; NumPy's warnings are errors here."""

import math

import numpy as np
import pytest

from minirnn.autograd import Variable, convert, grad
from minirnn.autograd import primitives as P

pytestmark = pytest.mark.filterwarnings("error")

INF = math.inf


def gradient(function, *arrays):
    arrays = [np.asarray(a, "float64") for a in arrays]
    result = grad(lambda *ts: function(*ts).sum(), argnums=tuple(range(len(arrays))))(*arrays)
    return [g.numpy() for g in result]


@pytest.mark.parametrize("zeros", [[], [1], [0, 2]])
def test_a_product_with_zeros_has_the_gradient_of_a_polynomial(zeros):
    x = np.array([2.0, 3.0, 5.0])
    x[zeros] = 0.0
    (g,) = gradient(lambda t: P.prod(t), x)
    np.testing.assert_allclose(g, [x[1] * x[2], x[0] * x[2], x[0] * x[1]])


@pytest.mark.parametrize("zeros", [[], [1], [0, 2], [0, 1, 2]])
def test_cumulative_products_with_zeros_have_the_gradient_of_polynomials(zeros):
    x = np.array([2.0, 3.0, 5.0])
    x[zeros] = 0.0
    a, b, c = x
    (g,) = gradient(lambda t: P.cumprod(t, axis=0), x)
    np.testing.assert_allclose(g, [1 + b + b * c, a + a * c, a * b])


def test_the_second_derivative_of_a_product_with_zeros_is_right():
    x = np.array([0.0, 0.0, 5.0])
    second = grad(lambda t: grad(P.prod)(t)[0])(x)
    np.testing.assert_allclose(second.numpy(), [0.0, 5.0, 0.0])


@pytest.mark.parametrize(
    "base, exponent, by_base, by_exponent",
    [
        (0.0, 2.0, 0.0, 0.0),
        (0.0, 1.0, 1.0, 0.0),
        (0.0, 0.0, 0.0, 0.0),
        (2.0, 0.0, 0.0, math.log(2.0)),
        (-2.0, 3.0, 12.0, 0.0),
        (-2.0, 0.0, 0.0, 0.0),
    ],
)
def test_powers_at_zero_and_below_have_finite_gradients(base, exponent, by_base, by_exponent):
    assert gradient(P.power, base, exponent) == pytest.approx([by_base, by_exponent])
    if by_exponent == 0.0:
        assert gradient(lambda x: x**exponent, base) == pytest.approx([by_base])


def test_the_mixed_second_derivative_of_a_power_at_exponent_zero_is_one_over_the_base():
    by_both = grad(lambda b: grad(P.power)(np.float64(2.0), b))(np.float64(0.0))
    assert by_both.item() == pytest.approx(0.5)


def test_where_they_tie_the_larger_and_the_smaller_share_the_gradient():
    for primitive in (P.maximum, P.minimum):
        np.testing.assert_array_equal(gradient(primitive, [1.0, 2.0], [1.0, 2.0]), np.full((2, 2), 0.5))
    for primitive in (P.max, P.min):
        np.testing.assert_array_equal(gradient(primitive, [3.0, 3.0, 3.0, 3.0]), np.full((1, 4), 0.25))


def test_infinities_and_nans_that_are_not_taken_get_no_gradient():
    assert gradient(P.maximum, 1.0, -INF) == [1.0, 0.0]
    assert gradient(P.minimum, 1.0, INF) == [1.0, 0.0]
    x = np.array([1.0, INF, math.nan])
    (g,) = gradient(lambda t: P.where(convert(np.isfinite(x)), t, P.zeros_like(t)), x)
    np.testing.assert_array_equal(g, [1.0, 0.0, 0.0])


def test_logarithms_of_no_probability_have_a_gradient_of_zero():
    np.testing.assert_array_equal(
        gradient(P.logaddexp, [-INF, -INF, 0.0], [-INF, 0.0, -INF]), [[0, 0, 1], [0, 1, 0]]
    )
    (g,) = gradient(lambda x: P.logsumexp(x, axis=1), [[-INF, -INF], [-INF, 3.0]])
    np.testing.assert_array_equal(g, [[0, 0], [0, 1]])


@pytest.mark.parametrize("x", [0.0, 1e-3, 30.0, 90.0, 800.0, 1e30, INF])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_sigmoid_and_softplus_neither_overflow_nor_lose_their_tails(x, dtype):
    x = (
        np.array([x, -x], "float64").astype(dtype)
        if x < 6e4 or dtype != "float16"
        else np.array([INF, -INF], dtype)
    )
    exact = x.astype("float64")
    sigmoid = np.where(
        exact >= 0, 1 / (1 + np.exp(-abs(exact))), np.exp(-abs(exact)) / (1 + np.exp(-abs(exact)))
    )
    softplus = np.maximum(exact, 0) + np.log1p(np.exp(-abs(exact)))
    info = np.finfo(dtype)
    for primitive, value in ((P.sigmoid, sigmoid), (P.softplus, softplus)):
        y = primitive(convert(x)).numpy()
        assert y.dtype == dtype
        np.testing.assert_allclose(y, value, rtol=4 * float(info.eps), atol=float(info.tiny))


def test_the_gradient_of_softmax_survives_large_logits():
    (g,) = gradient(lambda x: P.softmax(x, axis=-1)[0], [1e6, -1e6, 0.0])
    np.testing.assert_array_equal(g, [0.0, 0.0, 0.0])


def test_an_einsum_term_that_is_summed_away_alone_spreads_its_gradient():
    a, b = gradient(lambda x, y: P.einsum(x, y, subscripts="ij,k->k"), np.ones((2, 3)), [1.0, 2.0])
    np.testing.assert_array_equal(a, np.full((2, 3), 3.0))
    np.testing.assert_array_equal(b, [6.0, 6.0])


def test_repeated_indices_add_up_their_gradients():
    (g,) = gradient(lambda x: x[np.array([0, 2, 0, 0])], [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(g, [3.0, 0.0, 1.0])


def test_a_gradient_has_the_dtype_and_shape_of_its_variable_whatever_it_met():
    single = Variable(np.ones((3, 1), "float32"))
    loss = (single * convert(np.ones((2, 3, 4), "float64")) + np.arange(4)).sum()
    assert loss.dtype == "float64"
    (g,) = grad(loss, [single])
    assert g.dtype == "float32" and g.shape == (3, 1)
    np.testing.assert_array_equal(g.numpy(), np.full((3, 1), 8.0))


def test_sums_of_mods_differentiate_by_the_divisor_as_the_floor_of_the_quotient():
    a, b = gradient(P.mod, [7.5, -7.5], [2.0, 2.0])
    np.testing.assert_array_equal(a, [1.0, 1.0])
    np.testing.assert_array_equal(b, [-3.0, 4.0])
