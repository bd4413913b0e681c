"""Random draws: their distributions, and that they repeat."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import autograd, random
from minirnn.autograd import Tensor, convert, grad
from minirnn.random import SeedGenerator

N = 40_000
DRAWS = {
    "normal": lambda seed: random.normal((3, 4), seed=seed),
    "uniform": lambda seed: random.uniform((3, 4), seed=seed),
    "truncated_normal": lambda seed: random.truncated_normal((3, 4), seed=seed),
    "randint": lambda seed: random.randint((3, 4), 0, 1000, seed=seed),
    "categorical": lambda seed: random.categorical(np.zeros((3, 50)), 4, seed=seed),
    "shuffle": lambda seed: random.shuffle(np.arange(50), seed=seed),
    "dropout": lambda seed: random.dropout(np.ones((5, 8)), 0.5, seed=seed),
    "gamma": lambda seed: random.gamma((3, 4), 2.0, seed=seed),
    "beta": lambda seed: random.beta((3, 4), 2.0, 3.0, seed=seed),
    "binomial": lambda seed: random.binomial((3, 4), 1000, 0.5, seed=seed),
}


@pytest.fixture(params=DRAWS)
def draw(request):
    return lambda seed=None: np.asarray(DRAWS[request.param](seed))


def test_an_integer_seed_gives_the_same_values_at_each_call(draw):
    assert np.array_equal(draw(5), draw(5))
    assert not np.array_equal(draw(5), draw(6))


def test_a_generator_gives_other_values_at_each_call_and_the_same_from_the_same_state(draw):
    generator = SeedGenerator(5)
    first, second = draw(generator), draw(generator)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, draw(5))
    generator.state.assign(np.array([5, 1], np.uint32))
    assert np.array_equal(second, draw(generator))


def test_draws_without_a_seed_differ(draw):
    assert not np.array_equal(draw(), draw())


def test_while_shapes_are_inferred_no_draw_is_counted(draw):
    generator = SeedGenerator(5)
    with autograd.inferring():
        first = draw(generator)
        assert np.array_equal(first, draw(generator))
    assert generator.state.numpy().tolist() == [5, 0]
    assert np.array_equal(first, draw(generator))


def test_a_generator_counts_its_draws_and_its_config_makes_it_again():
    generator = SeedGenerator(9, name="mine")
    assert generator.next().numpy().tolist() == [9, 0]
    assert generator.next().numpy().tolist() == [9, 1]
    assert generator.state.numpy().tolist() == [9, 2]
    assert not generator.state.trainable
    again = SeedGenerator.from_config(generator.get_config())
    assert (again.name, again.state.numpy().tolist()) == ("mine", [9, 0])


@pytest.mark.parametrize("name", ["normal", "uniform", "truncated_normal"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@given(shape=st.lists(st.integers(0, 4), max_size=3).map(tuple))
def test_shapes_and_dtypes_are_as_asked(name, dtype, shape):
    x = getattr(random, name)(shape, dtype=dtype)
    assert isinstance(x, Tensor)
    assert (x.shape, x.dtype) == (shape, dtype)


def test_normal_has_its_mean_and_deviation():
    x = random.normal((N,), mean=3.0, stddev=2.0, dtype="float64", seed=1).numpy()
    assert abs(x.mean() - 3) < 0.05
    assert abs(x.std() - 2) < 0.05
    # A quarter lies below the lower quartile.
    assert abs((x < 3 - 2 * 0.6745).mean() - 0.25) < 0.01


def test_truncated_normal_stays_within_two_deviations_and_is_normal_there():
    x = random.truncated_normal((N,), mean=-1.0, stddev=0.5, dtype="float64", seed=1).numpy()
    assert np.abs(x + 1).max() <= 1
    assert abs(x.mean() + 1) < 0.01
    assert abs(x.std() / 0.5 - 0.8796) < 0.01
    assert np.abs(x + 1).max() > 0.99


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.sampled_from(["float16", "float32"]))
def test_uniform_includes_its_lower_end_and_never_its_upper(low, width, dtype):
    low = np.dtype(dtype).type(low)
    high = np.dtype(dtype).type(low + width)
    if not low < high:
        return
    x = random.uniform((3000,), low, high, dtype=dtype, seed=2).numpy()
    assert x.min() >= low
    assert x.max() < high


def test_uniform_is_even():
    x = random.uniform((N,), 2.0, 6.0, seed=1).numpy()
    assert np.abs(np.histogram(x, 8, (2, 6))[0] / N - 1 / 8).max() < 0.01


def test_randint_draws_every_value_of_its_range_evenly():
    x = random.randint((N,), -2, 3, seed=1)
    assert x.dtype == "int32"
    assert np.abs(np.bincount(x.numpy() + 2) / N - 1 / 5).max() < 0.01


def test_categorical_draws_classes_with_their_probabilities():
    p = np.array([[0.1, 0.2, 0.7, 0.0], [0.0, 1.0, 0.0, 0.0]])
    with np.errstate(divide="ignore"):
        x = random.categorical(np.log(p) + 5.0, N, seed=1).numpy()
    shares = np.stack([np.bincount(row, minlength=4) / N for row in x])
    assert np.abs(shares - p).max() < 0.01
    assert (shares[p == 0] == 0).all()


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_shuffle_keeps_slices_whole(axis):
    x = np.arange(60).reshape(10, 6)
    y = np.moveaxis(random.shuffle(x, axis, seed=3).numpy(), axis, 0)
    x = np.moveaxis(x, axis, 0)
    assert not np.array_equal(x, y)
    assert sorted(map(tuple, y.tolist())) == sorted(map(tuple, x.tolist()))


@given(st.floats(0, 1), st.sampled_from([None, (None, 1), (1, 8), (30, 8)]))
def test_dropout_keeps_the_mean_drops_a_share_and_broadcasts_its_noise(rate, noise_shape):
    x = np.ones((30, 8), np.float32)
    y = random.dropout(x, rate, noise_shape, seed=4).numpy()
    assert set(np.unique(y)) <= {np.float32(0), np.float32(1 / (1 - rate)) if rate < 1 else 0}
    for axis, n in enumerate(noise_shape or ()):
        if n == 1:
            assert (y == y.take([0], axis)).all()


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.9])
def test_dropout_drops_its_share(rate):
    y = random.dropout(np.ones((N,)), rate, seed=1).numpy()
    assert abs((y == 0).mean() - rate) < 0.01
    assert abs(y.mean() - 1) < 0.05


def test_the_gradient_of_dropout_is_its_mask():
    x = np.random.default_rng(0).normal(size=(4, 5))
    g = grad(lambda x: random.dropout(x, 0.4, seed=7).sum())(x)
    assert np.array_equal(g.numpy(), random.dropout(np.ones((4, 5)), 0.4, seed=7).numpy())


def test_gamma_beta_and_binomial_have_their_means_and_variances():
    gamma = random.gamma((N, 2), [2.0, 5.0], dtype="float64", seed=1).numpy()
    assert np.allclose([gamma.mean(0), gamma.var(0)], [[2, 5], [2, 5]], rtol=0.05)
    beta = random.beta((N,), 2.0, 3.0, dtype="float64", seed=1).numpy()
    assert np.allclose([beta.mean(), beta.var()], [2 / 5, 6 / 150], rtol=0.05)
    binomial = random.binomial((N,), 10, 0.3, seed=1)
    assert binomial.dtype == "float32"
    assert np.allclose([binomial.numpy().mean(), binomial.numpy().var()], [3, 2.1], rtol=0.05)


@pytest.mark.parametrize(
    "call, match",
    [
        (lambda: random.normal((2,), seed="a"), "seed must be an integer, a SeedGenerator or None"),
        (lambda: random.normal((2,), seed=-3), r"in \[0, 2\*\*32\)"),
        (lambda: SeedGenerator(0.5, name="g"), "SeedGenerator 'g': seed must be"),
        (lambda: random.normal((2,), dtype="int32"), "floating point type; got int32"),
        (lambda: random.uniform((2,), dtype="int32"), "floating point type; got int32"),
        (lambda: random.randint((2,), 0, 5, dtype="float32"), "integer type; got float32"),
        (lambda: random.randint((2,), 5, 5), r"got \[5, 5\)"),
        (lambda: random.categorical(np.zeros(3), 2), r"\(batch, classes\); got \(3,\)"),
        (lambda: random.dropout(np.zeros(3), 1.5), r"rate must be in \[0, 1\]; got 1.5"),
        (lambda: random.dropout(np.zeros(3), 0.5, (3, 1)), "one size for each of the 1 axes"),
    ],
)
def test_bad_arguments_are_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_parameters_may_be_tensors_and_arrays():
    low, high = convert([1.0, 2.0]), np.float32([2, 3])
    x = random.uniform((100, 2), low, high, seed=0).numpy()
    assert ((x >= low.numpy()) & (x < high)).all()
    x = random.normal((2,), mean=low, stddev=convert(0.0), seed=0)
    np.testing.assert_array_equal(x, low)
    np.testing.assert_array_equal(random.truncated_normal((2,), mean=low, stddev=0.0), low)
