"""The table of activations that the fused kernels know."""

import numpy as np
import pytest

from minirnn import backend
from minirnn.kernels import activations
from tests.kernels.fused_reference import ACTIVATIONS

# Away from kinks by more than any step here, on all sides of all of them, and far out.
POINTS = np.concatenate([np.linspace(-8, 8, 161) + 0.0123, [-40.0, 40.0]])


def test_the_table_and_the_reference_have_the_same_names():
    assert set(activations.ELEMENTWISE) == set(ACTIVATIONS)
    assert all(activations.supported(name) and activations.why_not(name) is None for name in ACTIVATIONS)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values_and_derivatives_equal_the_formulas(name):
    function = activations.get(name)
    xp, host = backend.current().xp, backend.to_numpy
    a = backend.asarray(POINTS.copy())
    y, dy = xp.empty_like(a), xp.empty_like(a)
    function.forward(xp, a, y)
    function.derivative(xp, y, a if function.reads_input else None, dy)
    np.testing.assert_array_equal(host(a), POINTS)
    np.testing.assert_allclose(host(y), ACTIVATIONS[name](POINTS), rtol=1e-12, atol=1e-14)
    slope = np.imag(ACTIVATIONS[name](POINTS + 1e-30j)) / 1e-30
    np.testing.assert_allclose(host(dy), slope, rtol=1e-9, atol=1e-12)
    if not function.reads_input:
        function.forward(xp, a, a)
        np.testing.assert_array_equal(host(a), host(y))


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"hard_shrink"}))  # 0 in Keras too
def test_an_activation_keeps_nan(name):
    xp = backend.current().xp
    a = backend.asarray(np.array([np.nan, 1.0, np.nan]))
    y = xp.empty_like(a)
    with np.errstate(invalid="ignore"):
        activations.get(name).forward(xp, a, y)
    assert backend.to_numpy(xp.isnan(y)).tolist() == [True, False, True]


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "sparsemax", "glu", "threshold", "cube"])
def test_what_is_not_supported_is_named_with_a_reason(name):
    assert not activations.supported(name)
    assert name in activations.why_not(name)
