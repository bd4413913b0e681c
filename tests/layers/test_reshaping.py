"""`Flatten`, `Reshape`, `Permute`, `RepeatVector`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minirnn.layers import Flatten, Input, Permute, RepeatVector, Reshape

ARRAYS = hnp.arrays("float32", hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4))


@given(ARRAYS)
def test_flatten_keeps_the_batch_axis(x):
    y = Flatten()(x)
    size = int(np.prod(x.shape[1:]))
    np.testing.assert_array_equal(y.numpy(), x.reshape(x.shape[0], size))


@given(hnp.arrays("float32", hnp.array_shapes(min_dims=2, max_dims=4, max_side=4)))
def test_flatten_of_channels_first_moves_them_to_the_end(x):
    y = Flatten("channels_first")(x)
    np.testing.assert_array_equal(y.numpy(), np.moveaxis(x, 1, -1).reshape(len(x), -1))


def test_flatten_refuses_another_data_format_and_a_number():
    with pytest.raises(ValueError, match="Flatten 'f': data_format must be"):
        Flatten("channels", name="f")
    with pytest.raises(ValueError, match="Flatten 'f': input: expected at least 1 axes"):
        Flatten(name="f")(np.float32(1))


@given(ARRAYS, st.data())
def test_permute_by_its_definition(x, data):
    dims = data.draw(st.permutations(range(1, x.ndim)))
    np.testing.assert_array_equal(Permute(dims)(x).numpy(), x.transpose(0, *dims))


@pytest.mark.parametrize("dims", [(0, 1), (1, 1), (1, 3), (2,)])
def test_permute_refuses_what_is_no_permutation(dims):
    with pytest.raises(ValueError, match="Permute 'p': dims must be"):
        Permute(dims, name="p")


def test_permute_refuses_another_number_of_axes():
    with pytest.raises(ValueError, match=r"Permute 'p': input: expected 3 axes; got shape \(2, 3\)"):
        Permute((2, 1), name="p")(np.zeros((2, 3)))


@given(st.integers(0, 3), st.integers(1, 4), st.integers(1, 4))
def test_repeat_vector_by_its_definition(batch, n, features):
    x = np.random.default_rng(0).normal(size=(batch, features)).astype("float32")
    np.testing.assert_array_equal(RepeatVector(n)(x).numpy(), np.repeat(x[:, None], n, axis=1))


def test_repeat_vector_refuses_other_counts_and_axes():
    with pytest.raises(ValueError, match="RepeatVector: n must be a positive integer; got 0"):
        RepeatVector(0)
    with pytest.raises(TypeError, match="RepeatVector: n must be a positive integer"):
        RepeatVector("3")
    with pytest.raises(ValueError, match="RepeatVector 'r': input: expected 2 axes"):
        RepeatVector(2, name="r")(np.zeros((2, 3, 4)))


@given(st.integers(0, 3), st.permutations([2, 3, 4]), st.booleans())
def test_reshape_by_its_definition(batch, target, guess):
    x = np.arange(batch * 24, dtype="float32").reshape(batch, 6, 4)
    shape = (-1, *target[1:]) if guess else tuple(target)
    np.testing.assert_array_equal(Reshape(shape)(x).numpy(), x.reshape(batch, *target))


@pytest.mark.parametrize("target", [(5,), (-1, 5), (7, 2), (0,)])
def test_reshape_refuses_what_does_not_fit_each_time(target):
    layer = Reshape(target, name="r")
    for x in (np.zeros((2, 3, 4)), Input((3, 4))):
        with pytest.raises(ValueError, match=r"Reshape 'r': input: expected .* numbers a row .* got 12"):
            layer(x)
    layer = Reshape((12,), name="r")
    layer(np.zeros((2, 3, 4)))
    with pytest.raises(ValueError, match=r"expected 12 numbers a row .*; got 15 in shape"):
        layer(np.zeros((2, 3, 5)))


@pytest.mark.parametrize("target", [(-1, -1), (-2,), (2.5,), "ab", 3, (None, 2)])
def test_reshape_refuses_targets_of_other_things_than_sizes(target):
    with pytest.raises(ValueError, match="Reshape 'r': target_shape must be"):
        Reshape(target, name="r")


def test_unknown_axes_stay_unknown():
    assert Flatten()(Input((None, 3))).shape == (None, None)
    assert Flatten()(Input((2, 3))).shape == (None, 6)
    for size in (3, 5, 1000):
        assert Reshape((-1, size))(Input((None, 2))).shape == (None, None, size)
    assert Permute((2, 1))(Input((None, 3))).shape == (None, 3, None)
    assert RepeatVector(4)(Input((3,))).shape == (None, 4, 3)
