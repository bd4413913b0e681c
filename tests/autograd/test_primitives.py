"""Every primitive's gradient, first and second order, against central differences and complex steps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import backend
from minirnn.autograd import convert, grad, no_grad
from minirnn.autograd import primitives as P
from minirnn.autograd.primitive import PRIMITIVES, RULES, VARIADIC_RULES
from tests.autograd.cases import CASES

ids = [case.name for case in CASES]


def outputs(function, arrays):
    result = function(*(convert(a) for a in arrays))
    return [y.numpy() for y in (result if isinstance(result, tuple) else (result,))]


def projection(function, weights):
    """Return the scalar function Σ weights · function(...), of Tensors."""

    def scalar(*tensors):
        result = function(*tensors)
        results = result if isinstance(result, tuple) else (result,)
        total = convert(np.zeros(()))
        for y, w in zip(results, weights, strict=True):
            total = total + (y * convert(w)).sum()
        return total

    return scalar


def along(scalar, arrays, directions, step):
    """Return the central difference of a scalar function along a direction, relative to its size."""

    def at(t):
        with no_grad():
            return float(
                scalar(*(convert(np.asarray(a + t * d)) for a, d in zip(arrays, directions, strict=True)))
            )

    return (at(step) - at(-step)) / (2 * step)


def dot(tensors, directions):
    return sum(float((t.numpy() * d).sum()) for t, d in zip(tensors, directions, strict=True))


def close(a, b, scale):
    assert abs(a - b) <= 2e-6 * (1 + scale), f"{a} against {b}"


@pytest.mark.parametrize("case", CASES, ids=ids)
@given(data=st.data())
def test_the_gradient_of_a_primitive_and_the_gradient_of_that_are_its_differences(case, data):
    arrays, function = case.draw(data.draw)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    weights = [rng.standard_normal(y.shape) for y in outputs(function, arrays)]
    directions = [rng.standard_normal(a.shape) for a in arrays]
    scalar = projection(function, weights)
    numbers = tuple(range(len(arrays)))
    gradient = grad(scalar, argnums=numbers)

    first = gradient(*arrays)
    for g, a in zip(first, arrays, strict=True):
        assert g.shape == a.shape and g.dtype == a.dtype
    expected = along(scalar, arrays, directions, 1e-6)
    close(dot(first, directions), expected, sum(float(np.abs(g.numpy()).sum()) for g in first))

    # CuPy scatters real numbers alone.
    if case.holomorphic and (backend.on_host() or not case.name.startswith("scatter")):
        step = 1e-200
        moved = [np.asarray(a + 1j * step * d) for a, d in zip(arrays, directions, strict=True)]
        exact = sum(
            float((y * w).sum().imag) / step for y, w in zip(outputs(function, moved), weights, strict=True)
        )
        assert dot(first, directions) == pytest.approx(exact, rel=1e-9, abs=1e-9)

    ways = [rng.standard_normal(a.shape) for a in arrays]

    def slope(*tensors):
        gradients = gradient(*tensors)
        total = convert(np.zeros(()))
        for g, w in zip(gradients, ways, strict=True):
            total = total + (g * convert(w)).sum()
        return total

    second = grad(slope, argnums=numbers)(*arrays)
    expected = along(lambda *ts: dot_tensor(gradient, ts, ways), arrays, directions, 1e-6)
    close(dot(second, directions), expected, sum(float(np.abs(g.numpy()).sum()) for g in second))


def dot_tensor(gradient, tensors, ways):
    """The slope along `ways` by first-order gradients alone, whatever recording is."""
    return dot(gradient(*tensors), ways)


def test_a_primitive_has_a_rule_or_gives_no_floats():
    without = set(PRIMITIVES) - set(RULES) - set(VARIADIC_RULES)
    x, y, i = convert(np.array([[1.5, -0.5]])), convert(np.array([[0.5, 2.5]])), convert(np.array([[1, 2]]))
    for name in sorted(without):
        primitive = PRIMITIVES[name]
        for args in ((x,), (x, y), (i,), (i, i)):
            try:
                result = primitive(*args)
            except TypeError:
                continue
            assert result.dtype.kind in "biu", f"{name} gives {result.dtype} and has no rule"
            break
        else:
            pytest.fail(f"{name} could not be called")
    assert not (set(RULES) | set(VARIADIC_RULES)) - set(PRIMITIVES)


# Defined beside its op, once `minirnn.ops.ctc` is imported, and tested in tests/ops/test_ctc.py.
BESIDE_ITS_OP = {"ctc_loss"}


def test_a_primitive_with_a_rule_has_a_case_here():
    assert (set(RULES) | set(VARIADIC_RULES)) - BESIDE_ITS_OP == {case.name for case in CASES}


def test_a_primitive_without_a_rule_says_its_name_when_a_gradient_is_asked_of_it():
    from minirnn.autograd.primitive import Primitive

    try:
        primitive = Primitive("nameless", lambda xp, x: xp.cbrt(x))
        with pytest.raises(NotImplementedError, match=r"'nameless'.*def_vjp"):
            grad(lambda x: primitive(x))(2.0)
    finally:
        del PRIMITIVES["nameless"]


def test_the_names_of_primitives_are_those_of_the_module():
    for name in set(PRIMITIVES) - BESIDE_ITS_OP:
        assert P.__dict__[name] is PRIMITIVES[name]
