"""Initializers: their distributions, seeds and configs."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import config, initializers
from minirnn.autograd import Tensor
from minirnn.random import SeedGenerator

RANDOM = [
    "random_normal",
    "random_uniform",
    "truncated_normal",
    "variance_scaling",
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_uniform",
    "lecun_normal",
    "orthogonal",
]
SHAPE = (300, 200)


def make(name, **kwargs):
    return initializers.get({"class_name": name, "config": kwargs})


@pytest.mark.parametrize(
    "name, variance",
    [
        ("glorot_uniform", 2 / 500),
        ("glorot_normal", 2 / 500),
        ("he_uniform", 2 / 300),
        ("he_normal", 2 / 300),
        ("lecun_uniform", 1 / 300),
        ("lecun_normal", 1 / 300),
        ("random_normal", 0.05**2),
        ("random_uniform", 0.1**2 / 12),
        ("truncated_normal", (0.05 * 0.8796) ** 2),
    ],
)
def test_the_mean_is_zero_and_the_variance_is_the_formulas(name, variance):
    x = make(name, seed=1)(SHAPE).numpy()
    assert x.dtype == "float32"
    assert abs(x.mean()) < 0.02 * math.sqrt(variance)
    assert abs(x.var() / variance - 1) < 0.03


@given(
    st.floats(0.1, 10),
    st.sampled_from(["fan_in", "fan_out", "fan_avg"]),
    st.sampled_from(["uniform", "normal", "truncated_normal", "untruncated_normal"]),
)
def test_variance_scaling_has_the_variance_asked_for(scale, mode, distribution):
    x = initializers.VarianceScaling(scale, mode, distribution, seed=2)(SHAPE, "float64").numpy()
    wanted = scale / {"fan_in": 300, "fan_out": 200, "fan_avg": 250}[mode]
    assert abs(x.var() / wanted - 1) < 0.03
    limit = {"uniform": math.sqrt(3), "untruncated_normal": math.inf}.get(distribution, 2 / 0.8796)
    assert np.abs(x).max() <= limit * math.sqrt(wanted) * 1.001


@pytest.mark.parametrize(
    "shape, fans",
    [((), (1, 1)), ((7,), (7, 7)), ((2, 3), (2, 3)), ((5, 2, 3), (10, 15)), ((4, 5, 2, 3), (40, 60))],
)
def test_fans_count_inputs_and_outputs(shape, fans):
    assert initializers.compute_fans(shape) == fans


def test_fans_may_be_named():
    assert initializers.compute_fans((2, 3, 5, 7), (1,), (2, 3)) == (3, 35)
    x = initializers.HeNormal(1, input_axes=(1,), output_axes=(0, 2))((50, 30, 40), "float64").numpy()
    assert abs(x.var() / (2 / 30) - 1) < 0.03


@given(st.lists(st.integers(1, 5), min_size=2, max_size=4).map(tuple), st.floats(0.5, 2))
def test_orthogonal_has_orthonormal_rows_or_columns_times_its_gain(shape, gain):
    x = initializers.Orthogonal(gain, seed=3)(shape, "float64").numpy()
    assert x.shape == shape
    matrix = x.reshape(-1, shape[-1]) / gain
    if matrix.shape[0] < matrix.shape[1]:
        matrix = matrix.T
    assert np.allclose(matrix.T @ matrix, np.eye(matrix.shape[1]), atol=1e-12)


def test_orthogonal_matrices_are_evenly_distributed():
    # Of an even distribution the first entry has mean 0 and variance 1/n; QR alone gives it one sign.
    entries = np.array(
        [initializers.Orthogonal(seed=i)((3, 3), "float64").numpy()[0, 0] for i in range(2000)]
    )
    assert abs(entries.mean()) < 0.05
    assert abs(entries.var() - 1 / 3) < 0.03


def test_the_constant_ones():
    assert initializers.Zeros()((2,)).numpy().tolist() == [0, 0]
    assert initializers.Ones()((2,)).numpy().tolist() == [1, 1]
    assert initializers.Constant(3)((2,)).numpy().tolist() == [3, 3]
    assert initializers.Constant([1, 2])((2, 2)).numpy().tolist() == [[1, 2], [1, 2]]
    assert initializers.Identity(2.0)((2, 3)).numpy().tolist() == [[2, 0, 0], [0, 2, 0]]


@pytest.mark.parametrize("name", [*RANDOM, "zeros", "ones", "constant", "identity"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtypes_are_as_asked_and_floatx_by_default(name, dtype):
    assert initializers.get(name)((3, 3), dtype=dtype).dtype == dtype
    before = config.floatx()
    config.set_floatx(dtype)
    try:
        assert initializers.get(name)((3, 3)).dtype == dtype
    finally:
        config.set_floatx(before)


@pytest.mark.parametrize("name", RANDOM)
def test_an_integer_seed_or_none_repeats_and_a_generator_does_not(name):
    fixed, free = make(name, seed=4), make(name)
    assert np.array_equal(fixed((3, 3)).numpy(), fixed((3, 3)).numpy())
    assert np.array_equal(fixed((3, 3)).numpy(), make(name, seed=4)((3, 3)).numpy())
    assert np.array_equal(free((3, 3)).numpy(), free((3, 3)).numpy())
    assert not np.array_equal(free((3, 3)).numpy(), make(name)((3, 3)).numpy())
    stream = initializers.get(type(fixed))
    stream.seed = SeedGenerator(4)
    assert not np.array_equal(stream((3, 3)).numpy(), stream((3, 3)).numpy())


@pytest.mark.parametrize("name", RANDOM)
def test_a_clone_has_the_config_and_with_a_seed_the_values(name):
    original = make(name, seed=5)
    clone = original.clone()
    assert clone is not original
    assert clone.get_config() == original.get_config()
    assert np.array_equal(clone((3, 3)).numpy(), original((3, 3)).numpy())


def test_get_takes_names_aliases_classes_arrays_and_callables():
    assert isinstance(initializers.get("uniform"), initializers.RandomUniform)
    assert isinstance(initializers.get("normal"), initializers.RandomNormal)
    assert isinstance(initializers.get("OrthogonalInitializer"), initializers.Orthogonal)
    assert isinstance(initializers.get(initializers.HeNormal), initializers.HeNormal)
    assert initializers.get(np.ones) is np.ones
    from_array = initializers.get(np.array([1, 2]))
    assert from_array((2,), dtype="float32").numpy().tolist() == [1, 2]
    assert isinstance(initializers.get(Tensor(np.zeros(3)))((3,)), Tensor)


@pytest.mark.parametrize(
    "call, match",
    [
        (lambda: initializers.Orthogonal()((3,)), r"Orthogonal: .* got \(3,\)"),
        (lambda: initializers.Identity()((3,)), r"Identity: .* got \(3,\)"),
        (lambda: initializers.VarianceScaling(scale=0), "scale must be above 0; got 0"),
        (lambda: initializers.VarianceScaling(mode="fan"), "mode must be .* got 'fan'"),
        (lambda: initializers.VarianceScaling(distribution="odd"), "distribution must be .* got 'odd'"),
        (lambda: initializers.GlorotUniform(seed="x"), "GlorotUniform: seed must be"),
        (lambda: initializers.get(np.zeros(3))((4,)), r"shape \(4,\); got \(3,\)"),
    ],
)
def test_bad_arguments_are_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
