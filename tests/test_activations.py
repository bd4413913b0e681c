"""Activations against formulas in NumPy, and their gradients against differences."""

import inspect
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minirnn import activations, ops
from minirnn.autograd import Tensor, convert, grad
from minirnn.layers import Dense
from minirnn.ops.symbolic import KerasTensor


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _softplus(x):
    return np.log(1 + np.exp(x))


FORMULAS = {
    "relu": lambda x: np.where(x > 0, x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "relu6": lambda x: np.clip(x, 0, 6),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "celu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "selu": lambda x: 1.05070098 * np.where(x > 0, x, 1.67326324 * (np.exp(x) - 1)),
    "softplus": _softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "squareplus": lambda x: (x + np.sqrt(x * x + 4)) / 2,
    "soft_shrink": lambda x: np.where(x > 0.5, x - 0.5, np.where(x < -0.5, x + 0.5, 0)),
    "hard_shrink": lambda x: np.where(np.abs(x) > 0.5, x, 0),
    "tanh_shrink": lambda x: x - np.tanh(x),
    "sparse_plus": lambda x: np.where(x <= -1, 0, np.where(x < 1, (x + 1) ** 2 / 4, x)),
    "sparse_sigmoid": lambda x: np.clip((x + 1) / 2, 0, 1),
    "silu": lambda x: x * _sigmoid(x),
    "gelu": lambda x: x * np.vectorize(lambda v: (1 + math.erf(v / math.sqrt(2))) / 2)(x),
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "log_sigmoid": lambda x: -_softplus(-x),
    "exponential": np.exp,
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard_silu": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "linear": lambda x: x,
    "mish": lambda x: x * np.tanh(_softplus(x)),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
    "log_softmax": lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True)),
    "glu": lambda x: x[..., :2] * _sigmoid(x[..., 2:]),
}
values = hnp.arrays(np.float64, st.sampled_from([(4,), (2, 4), (3, 2, 4)]), elements=st.floats(-8, 8))
# A step of the differences must not cross a corner.
CORNERS = np.array([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0])


@pytest.mark.parametrize("name", FORMULAS)
@given(x=values)
def test_an_activation_is_its_formula(name, x):
    y = activations.get(name)(convert(x))
    assert isinstance(y, Tensor)
    assert y.dtype == "float64"
    assert np.allclose(y.numpy(), FORMULAS[name](x), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", FORMULAS)
@given(x=values)
def test_the_gradient_of_an_activation_is_its_difference_quotient(name, x):
    near = np.abs(x[..., None] - CORNERS).min(-1) < 1e-3
    x = np.where(near, x + 0.01, x)
    function = activations.get(name)
    weights = np.random.default_rng(0).normal(size=np.shape(FORMULAS[name](x)))
    gradient = grad(lambda x: (function(x) * weights).sum())(convert(x)).numpy()
    direction = np.random.default_rng(1).normal(size=x.shape)
    h = 1e-5
    ends = [(np.asarray(function(convert(x + s * h * direction))) * weights).sum() for s in (1, -1)]
    assert np.allclose((gradient * direction).sum(), (ends[0] - ends[1]) / (2 * h), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", sorted(set(FORMULAS) - {"hard_shrink"}))  # 0 in Keras too
def test_an_activation_keeps_nan(name):
    y = getattr(activations, name)(convert(np.full((2, 4), np.nan)))
    assert np.isnan(y.numpy()).all()


@given(x=values, slope=st.sampled_from([0.0, 0.1]), top=st.sampled_from([2.0, np.inf]), start=st.floats(0, 2))
def test_relu_with_slope_maximum_and_threshold(x, slope, top, start):
    expected = np.where(x > start, np.minimum(x, top), slope * (x - start))
    y = activations.relu(x, negative_slope=slope, max_value=None if top == np.inf else top, threshold=start)
    assert np.allclose(y.numpy(), expected, atol=1e-12)


@given(x=values)
def test_sparsemax_is_the_nearest_point_of_the_simplex(x):
    y = activations.sparsemax(x).numpy()
    assert np.allclose(y.sum(-1), 1, atol=1e-6)
    assert (y >= 0).all()
    # Nearest: x - y is the same wherever y is positive, no larger elsewhere (Martins 2016, proposition 1).
    shift = np.where(y > 1e-9, x - y, -np.inf).max(-1, keepdims=True)
    assert np.allclose(np.maximum(x - shift, 0), y, atol=1e-6)


def test_threshold_replaces_what_is_not_above_it():
    assert activations.threshold(np.array([0.5, 1.0, 2.0]), 1.0, -7.0).numpy().tolist() == [-7, -7, 2]


def test_every_function_is_known_by_its_name():
    public = [
        name
        for name, f in vars(activations).items()
        if inspect.isfunction(f) and f.__module__ == activations.__name__ and not name.startswith("_")
    ]
    names = set(public) - {"get", "serialize", "deserialize"}
    assert len(names) == 32
    for name in names:
        assert activations.get(name) is getattr(activations, name)
        assert activations.deserialize(activations.serialize(activations.get(name))) is activations.get(name)


@pytest.mark.parametrize("name", sorted(set(vars(ops)) & set(FORMULAS) - {"gelu"}))
def test_an_op_is_written_down_as_the_activation_of_its_name(name):
    op = getattr(ops, name)
    assert activations.serialize(op) == name
    x = np.linspace(-4, 4, 8).reshape(2, 4)
    assert np.array_equal(np.asarray(op(x)), np.asarray(getattr(activations, name)(x)))


def test_an_op_that_is_no_activation_or_another_one_is_not_written_down_as_a_name():
    assert isinstance(activations.serialize(ops.exp), dict)
    assert isinstance(activations.serialize(ops.gelu), dict)
    assert Dense(2, activation=ops.tanh).get_config()["activation"] == "tanh"


@pytest.mark.parametrize("name", sorted(set(FORMULAS) - {"glu", "linear"}))
def test_a_symbolic_tensor_gives_a_symbolic_tensor(name):
    y = activations.get(name)(KerasTensor((None, 4)))
    assert isinstance(y, KerasTensor)
    assert (y.shape, y.dtype) == ((None, 4), "float32")
