"""Laws of the switch, and of what the reference backend does by itself."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minirnn
from minirnn import backend
from minirnn.backend.numpy_backend import NumpyBackend


@pytest.fixture(autouse=True)
def backend_as_it_was():
    before = backend.current().name
    yield
    backend.set_backend(before)


@pytest.fixture
def without_a_gpu(monkeypatch):
    """Let there be no CuPy, whatever the machine has and the tests run on."""
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.delitem(backend._BACKENDS, "cupy", raising=False)


@pytest.mark.usefixtures("without_a_gpu")
@pytest.mark.parametrize("name", ["auto", "numpy"])
def test_without_a_gpu_every_choice_is_numpy(name):
    backend.set_backend(name)
    assert backend.current().name == "numpy" and backend.current().xp is np


def test_an_unknown_backend_is_an_error_that_names_those_known_and_changes_nothing():
    before = backend.current()
    with pytest.raises(ValueError, match=r"auto, numpy, cupy; got 'cuda'.*MINIRNN_BACKEND"):
        backend.set_backend("cuda")
    assert backend.current() is before


@pytest.mark.parametrize("name", ["cpu", "CPU", "CPU:0", "/CPU:0", "cpu:0", "/device:CPU:0"])
def test_the_host_has_all_the_names_that_the_guide_and_keras_give_it(name):
    with minirnn.device(name):
        assert backend.current().xp is np
        assert isinstance(minirnn.ops.ones(2).data, np.ndarray)


@pytest.mark.usefixtures("without_a_gpu")
@pytest.mark.parametrize("name", ["gpu", "GPU:0", "gpu:1", "CPU:1"])
def test_a_device_that_is_not_here_is_an_error_that_names_those_that_are(name):
    with pytest.raises(RuntimeError, match="the devices here are CPU:0"), minirnn.device(name):
        pass


@pytest.mark.parametrize("name", ["", "tpu", "cpu:x", "cpu:", None, 0])
def test_what_names_no_device_is_an_error(name):
    if name == "cpu:":
        with minirnn.device(name):
            return
    with pytest.raises(ValueError, match="name must be like"), minirnn.device(name):
        pass


def test_a_block_on_a_device_ends_with_the_backend_of_before_even_if_it_fails():
    before = backend.current()
    with pytest.raises(KeyError), minirnn.device("cpu"):
        raise KeyError
    assert backend.current() is before


def test_a_copy_on_the_host_is_a_copy():
    array = np.ones(3)
    backend.to_numpy(array)[0] = 5
    assert array[0] == 1


@given(hnp.arrays(np.float64, st.integers(0, 20), elements=st.floats(-30, 30)))
def test_erf_is_that_of_the_c_library(x):
    np.testing.assert_allclose(
        NumpyBackend().erf(x), np.array([math.erf(v) for v in x], np.float64), rtol=2e-15, atol=1e-320
    )


@given(hnp.arrays(np.float64, st.integers(0, 20), elements=st.floats(-30, 26)))
def test_erfc_is_that_of_the_c_library_where_it_is_nearly_0_too(x):
    expected = np.array([math.erfc(v) for v in x], np.float64)
    np.testing.assert_allclose(NumpyBackend().erfc(x), expected, rtol=5e-13, atol=1e-320)


def test_erfc_has_limits_and_keeps_the_dtype():
    limits = NumpyBackend().erfc(np.array([np.nan, np.inf, -np.inf, -0.0], np.float32))
    assert limits.dtype == np.float32
    np.testing.assert_array_equal(limits, np.array([np.nan, 0, 2, 1]))


def test_erf_has_limits_and_keeps_the_dtype():
    limits = NumpyBackend().erf(np.array([np.nan, np.inf, -np.inf, -0.0], np.float32))
    assert limits.dtype == np.float32
    np.testing.assert_array_equal(limits, np.array([np.nan, 1, -1, 0]))
    assert np.signbit(limits[3])


@given(st.data())
def test_values_are_added_once_for_each_time_their_index_occurs(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=4))
    rows = data.draw(
        hnp.arrays(np.int64, hnp.array_shapes(max_dims=2, max_side=5), elements=st.integers(0, shape[0] - 1))
    )
    values = np.arange(rows.size * math.prod(shape[1:]), dtype=float).reshape(rows.shape + shape[1:])
    array, expected = np.zeros(shape), np.zeros(shape)
    NumpyBackend().scatter_add(array, rows, values)
    for place in np.ndindex(rows.shape):
        expected[rows[place]] += values[place]
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("row", [4, -5])
@pytest.mark.parametrize("shape", [(4,), (4, 3)])
def test_values_are_added_at_no_row_out_of_range(shape, row):
    array = np.zeros(shape)
    with pytest.raises(IndexError):
        NumpyBackend().scatter_add(array, np.array([row]), np.ones((1, *shape[1:])))
    assert not array.any()


@given(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 1000)))
def test_a_stream_of_random_numbers_depends_on_the_seed_alone(seed):
    first, second = (NumpyBackend().generator(seed).random(4) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, NumpyBackend().generator((seed[0], seed[1] + 1)).random(4))
