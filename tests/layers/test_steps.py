"""`ZeroPadding1D`, `Cropping1D` and `UpSampling1D`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn.layers import Cropping1D, Input, UpSampling1D, ZeroPadding1D

X = np.arange(30, dtype="float32").reshape(2, 5, 3)


@given(st.integers(0, 3), st.integers(0, 3))
def test_cropping_takes_away_what_padding_added(before, after):
    padded = ZeroPadding1D((before, after))(X)
    np.testing.assert_array_equal(padded.numpy(), np.pad(X, ((0, 0), (before, after), (0, 0))))
    np.testing.assert_array_equal(Cropping1D((before, after))(padded).numpy(), X)
    first = ZeroPadding1D((before, after), data_format="channels_first")(X)
    np.testing.assert_array_equal(first.numpy(), np.pad(X, ((0, 0), (0, 0), (before, after))))


def test_one_number_is_for_both_sides():
    assert ZeroPadding1D()(X).shape == (2, 7, 3)
    np.testing.assert_array_equal(Cropping1D(1)(X).numpy(), X[:, 1:-1])
    assert Cropping1D().get_config()["cropping"] == (1, 1)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_steps_are_repeated(size):
    np.testing.assert_array_equal(UpSampling1D(size)(X).numpy(), np.repeat(X, size, axis=1))


def test_unknown_steps_stay_unknown():
    for layer in (ZeroPadding1D(), Cropping1D(20), UpSampling1D()):
        assert layer(Input((None, 3))).shape == (None, None, 3)
    assert Cropping1D((1, 0))(Input((5, 3))).shape == (None, 4, 3)
