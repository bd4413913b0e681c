"""`Dense`."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import constraints, ops
from minirnn.layers import Dense, Input

X = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3)


@given(
    lead=st.lists(st.integers(0, 3), min_size=1, max_size=3),
    features=st.integers(1, 4),
    units=st.integers(1, 4),
    use_bias=st.booleans(),
)
def test_dense_is_a_product_over_the_last_axis(lead, features, units, use_bias):
    x = np.random.default_rng(0).normal(size=(*lead, features))
    layer = Dense(units, activation="tanh", use_bias=use_bias, bias_initializer="ones", dtype="float64")
    y = layer(x)
    want = np.tanh(x @ layer.kernel.numpy() + (1.0 if use_bias else 0.0))
    assert y.shape == (*lead, units)
    np.testing.assert_allclose(y.numpy(), want, rtol=1e-10)
    assert len(layer.weights) == 1 + use_bias


def test_integers_are_multiplied_as_floats():
    layer = Dense(2, kernel_initializer="ones")
    assert layer(np.arange(6).reshape(2, 3)).numpy().tolist() == [[3, 3], [12, 12]]


def test_constraints_and_regularizers_go_to_the_weights():
    norm = constraints.MaxNorm(1)
    layer = Dense(2, kernel_constraint="non_neg", bias_constraint=norm, bias_regularizer="l1")
    layer(X)
    assert isinstance(layer.kernel.constraint, constraints.NonNeg)
    assert layer.bias.constraint is norm
    assert layer.kernel.regularizer is None
    assert layer.bias.regularizer is not None


def test_an_activation_may_be_a_function():
    layer = Dense(2, activation=lambda x: ops.square(x), kernel_initializer="ones")
    np.testing.assert_allclose(layer(X).numpy()[:, 0], X.sum(1) ** 2, rtol=1e-5)


@pytest.mark.parametrize("units", [0, -3, 2.5, 2.0, "4", None, True, (3,)])
def test_units_must_be_a_positive_integer(units):
    with pytest.raises(
        ValueError, match=re.escape(f"Dense 'd': units must be a positive integer; got {units!r}")
    ):
        Dense(units, name="d")


def test_units_may_be_a_numpy_integer():
    assert Dense(np.int64(3)).get_config()["units"] == 3


@pytest.mark.parametrize(
    "argument", ["activation", "kernel_initializer", "kernel_regularizer", "bias_constraint"]
)
def test_unknown_names_are_errors_that_name_those_known(argument):
    with pytest.raises(ValueError, match=r"unknown name 'relv'; (the nearest known name is|known are)"):
        Dense(3, **{argument: "relv"})
    with pytest.raises(ValueError, match="'relu'"):
        Dense(3, activation="relv")


def test_an_input_of_one_axis_is_refused():
    layer = Dense(3, name="d")
    with pytest.raises(ValueError, match=r"Dense 'd': input: expected at least 2 axes; got shape \(4,\)"):
        layer(X[:, 0])
    assert not layer.built


def test_an_input_of_another_size_is_refused_and_changes_nothing():
    layer = Dense(3, name="d", activity_regularizer="l2")
    layer(X)
    before = layer.get_weights(), [float(v) for v in layer.losses]
    for wrong in (X[:, :2], Input((7,))):
        with pytest.raises(ValueError, match="Dense 'd': input: expected size 3 on axis -1; got shape"):
            layer(wrong)
    np.testing.assert_array_equal(layer.get_weights()[0], before[0][0])
    assert [float(v) for v in layer.losses] == before[1]
