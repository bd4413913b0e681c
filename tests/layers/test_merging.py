"""The layers of several inputs: `Add`, `Concatenate`, `Dot` and their kin."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import layers
from minirnn.autograd import convert
from minirnn.backend import get_keras_mask, set_keras_mask
from minirnn.layers import Input

X = np.linspace(-1, 1, 24, dtype="float32").reshape(2, 4, 3)

DEFINITIONS = {
    "Add": lambda xs: functools.reduce(np.add, xs),
    "Multiply": lambda xs: functools.reduce(np.multiply, xs),
    "Average": lambda xs: functools.reduce(np.add, xs) / len(xs),
    "Maximum": lambda xs: functools.reduce(np.maximum, xs),
    "Minimum": lambda xs: functools.reduce(np.minimum, xs),
}


@given(
    name=st.sampled_from(sorted(DEFINITIONS)),
    shape=st.lists(st.integers(1, 3), min_size=2, max_size=4),
    ones=st.lists(st.booleans(), min_size=4, max_size=4),
    count=st.integers(1, 4),
)
def test_merging_is_elementwise_with_broadcasting(name, shape, ones, count):
    rng = np.random.default_rng(0)
    small = [n if i == 0 or not one else 1 for i, (n, one) in enumerate(zip(shape, ones))]
    xs = [rng.normal(size=small if i % 2 else shape) for i in range(count)]
    got = getattr(layers, name)(dtype="float64")(xs)
    np.testing.assert_allclose(got.numpy(), DEFINITIONS[name](xs), rtol=1e-12)
    functional = getattr(layers, name.lower())(xs, dtype="float64")
    np.testing.assert_array_equal(functional.numpy(), got.numpy())


def test_missing_axes_come_after_the_batch_axis():
    small = np.ones((2, 3), "float32")
    np.testing.assert_allclose(layers.add([X, small]).numpy(), X + small[:, None])
    np.testing.assert_allclose(layers.subtract([small, X]).numpy(), small[:, None] - X)


@pytest.mark.parametrize(
    "name", ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"]
)
@pytest.mark.parametrize(
    "inputs, message",
    [
        (X, "expected a list of .* inputs; got a single tensor"),
        (Input((4, 3)), "expected a list of .* inputs; got a single tensor"),
        ([], "expected a list of .* inputs; got a list of 0"),
        ([X, X[:1]], "batch size|equal sizes"),
        ([X, X[:, :3, :2]], "equal sizes"),
        ([Input((4, 3)), Input((3, 2))], "equal sizes"),
    ],
)
def test_inputs_that_do_not_go_together_are_refused(name, inputs, message):
    layer = getattr(layers, name)(name="m")
    with pytest.raises(ValueError, match=f"{name} 'm': .*({message})"):
        layer(inputs)
    layer([X, X])
    with pytest.raises(ValueError, match=f"{name} 'm': .*({message})"):
        layer(inputs)


def test_subtract_takes_two():
    with pytest.raises(ValueError, match="Subtract 'm': expected a list of 2 inputs; got a list of 3"):
        layers.Subtract(name="m")([X, X, X])


@given(axis=st.integers(-3, 2), sizes=st.lists(st.integers(0, 3), min_size=1, max_size=3))
def test_concatenate_by_its_definition(axis, sizes):
    xs = [np.full([n if i == axis % 3 else 2 for i in range(3)], n, "float32") for n in sizes]
    got = layers.Concatenate(axis=axis)(xs)
    np.testing.assert_array_equal(got.numpy(), np.concatenate(xs, axis))
    np.testing.assert_array_equal(layers.concatenate(xs, axis=axis).numpy(), got.numpy())


def test_concatenate_refuses_an_axis_that_is_not_there_and_other_ranks():
    with pytest.raises(ValueError, match="Concatenate 'c': inputs must have the same number of axes"):
        layers.Concatenate(axis=3, name="c")([X, X])
    with pytest.raises(ValueError, match="Concatenate 'c': inputs must have the same number of axes"):
        layers.Concatenate(name="c")([X, X[:, 0]])


def test_masks_are_joined_where_all_inputs_have_one():
    def masked(mask):
        tensor = convert(X)
        set_keras_mask(tensor, convert(np.array(mask)))
        return tensor

    a, b = [[True, False, True, False]] * 2, [[True, True, False, False]] * 2
    joined = get_keras_mask(layers.add([masked(a), masked(b)])).numpy()
    assert joined.tolist() == [[True, True, True, False]] * 2
    assert get_keras_mask(layers.add([masked(a), convert(X)])) is None


@given(
    batch=st.integers(0, 3),
    left=st.lists(st.integers(1, 3), max_size=2),
    right=st.lists(st.integers(1, 3), max_size=2),
    size=st.integers(1, 4),
    data=st.data(),
)
def test_dot_by_its_definition(batch, left, right, size, data):
    rng = np.random.default_rng(0)
    a, b = data.draw(st.integers(1, len(left) + 1)), data.draw(st.integers(1, len(right) + 1))
    x = rng.normal(size=(batch, *left[: a - 1], size, *left[a - 1 :]))
    y = rng.normal(size=(batch, *right[: b - 1], size, *right[b - 1 :]))
    got = layers.Dot((a, b), dtype="float64")([x, y]).numpy()
    rows = [np.tensordot(p, q, (a - 1, b - 1)) for p, q in zip(x, y)]
    want = np.array(rows).reshape(batch, *left, *right)
    np.testing.assert_allclose(got, want if left or right else want[:, None], rtol=1e-10)
    negative = layers.dot([x, y], axes=(a - x.ndim, b - y.ndim), dtype="float64").numpy()
    np.testing.assert_array_equal(negative, got)


def test_dot_of_normalized_vectors_is_their_cosine():
    x, y = X.reshape(2, 12), X.reshape(2, 12)[::-1].copy()
    got = layers.Dot(1, normalize=True)([x, y]).numpy()[:, 0]
    cosine = [(p @ q) / np.linalg.norm(p) / np.linalg.norm(q) for p, q in zip(x, y)]
    np.testing.assert_allclose(got, cosine, rtol=1e-5)


@pytest.mark.parametrize(
    "axes, inputs, message",
    [
        (1, [X, X, X], "expected a list of 2 inputs; got a list of 3"),
        (1, X, "got a single tensor"),
        ((1, 2), [X, X], "contracted axes 1 and 2 must have equal sizes"),
        (0, [X, X], "other than the batch axis"),
        (3, [X, X], "must name an axis"),
        (1, [X, X[:1]], "one batch size"),
    ],
)
def test_dot_refuses_inputs_that_do_not_go_together(axes, inputs, message):
    with pytest.raises(ValueError, match=f"Dot 'd': .*{message}"):
        layers.Dot(axes, name="d")(inputs)


@pytest.mark.parametrize(
    "axes, error", [("ab", TypeError), (1.5, TypeError), ((1,), ValueError), ((1, "a"), ValueError)]
)
def test_dot_refuses_axes_of_other_things_than_integers(axes, error):
    with pytest.raises(error, match="Dot 'd': axes must be an integer or two"):
        layers.Dot(axes, name="d")


def test_symbolic_shapes():
    a, b = Input((None, 3)), Input((None, 3))
    assert layers.add([a, b]).shape == (None, None, 3)
    assert layers.concatenate([a, b], axis=1).shape == (None, None, 3)
    assert layers.Concatenate()([a, b]).shape == (None, None, 6)
    assert layers.dot([a, b], axes=2).shape == (None, None, None)
