"""Tensors and other libraries' arrays in the same memory, by the DLPack protocol."""

import re
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minirnn
from minirnn import backend, ops
from minirnn.autograd import Tensor, Variable, no_grad
from tests.standins import hostcupy, hostcupy_for_cupy

of_numpy = pytest.mark.host_only("shares memory with NumPy")
DTYPES = ["bool", "float16", "float32", "float64", "complex64", "complex128"]
DTYPES += [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)]


@st.composite
def arrays(draw, backwards=True):
    """Draw arrays of any dtype of DLPack, contiguous or not, of no size or no axes too."""
    dtype, shape = draw(st.sampled_from(DTYPES)), draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0))
    elements = st.integers(0, 1) if dtype == "bool" else st.integers(0, 100)
    array = draw(hnp.arrays("int8", shape, elements=elements)).astype(dtype)
    steps = st.sampled_from([1, 2, -1, -2] if backwards else [1, 2])
    array = array[tuple(slice(None, None, draw(steps)) for _ in shape)]
    array = array.transpose(draw(st.permutations(range(array.ndim))))
    array = np.asarray(array)  # not a number, where there are no axes
    array.flags.writeable = draw(st.booleans())
    return array


@given(arrays())
def test_an_array_becomes_a_tensor_in_the_same_memory(array):
    tensor = minirnn.from_dlpack(array)
    assert isinstance(tensor, Tensor) and not tensor.requires_grad
    assert type(tensor.data) is np.ndarray and tensor.dtype == array.dtype
    assert tensor.data.strides == array.strides or array.size <= 1
    assert tensor.data.size == 0 or np.shares_memory(tensor.data, array)
    np.testing.assert_array_equal(tensor.data, array)


@given(arrays(backwards=False))
def test_a_tensor_becomes_an_array_in_the_same_memory(array):
    back = np.from_dlpack(Tensor(array))
    assert back.dtype == array.dtype and (back.size == 0 or np.shares_memory(back, array))
    assert back.flags.writeable == array.flags.writeable
    np.testing.assert_array_equal(back, array)


@given(arrays())
def test_a_tensor_has_the_values_of_its_array_whatever_its_strides(array):
    tensor = Tensor(array)
    for back in (np.from_dlpack(tensor), np.from_dlpack(_Old(tensor)), backend.from_dlpack(tensor)):
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array)


class _Old:
    """Asks for a capsule as consumers of before DLPack 1.0 do."""

    def __init__(self, tensor):
        self._tensor = tensor

    def __dlpack__(self, **_):
        return self._tensor.__dlpack__(None)

    def __dlpack_device__(self):
        return self._tensor.__dlpack_device__()


def test_a_negative_stride_is_never_passed_on_as_some_libraries_do_not_survive_it():
    array = np.arange(6.0).reshape(2, 3)
    for reversed_array in (array[::-1], array[:, ::-1], array[::-1, ::2]):
        back = np.from_dlpack(Tensor(reversed_array))
        assert min(back.strides) > 0 and not np.shares_memory(back, array)
        with pytest.raises(BufferError, match=r"copied as its strides are negative, but copy=False"):
            Tensor(reversed_array).__dlpack__(max_version=(1, 0), copy=False)


def test_read_only_memory_is_copied_for_whom_it_cannot_be_marked():
    array = np.arange(3.0)
    array.flags.writeable = False
    assert not np.shares_memory(np.from_dlpack(_Old(Tensor(array))), array)
    with pytest.raises(BufferError, match=r"copied as its memory is read-only, but copy=False"):
        Tensor(array).__dlpack__(copy=False)


@pytest.mark.parametrize("copy, shared", [(None, True), (False, True), (True, False)])
def test_a_copy_is_made_where_it_is_asked_for(copy, shared):
    array = np.arange(3.0)
    for other in (np.from_dlpack(Tensor(array), copy=copy), np.from_dlpack(Tensor(array), device="cpu")):
        assert np.shares_memory(other, array) or not shared
        shared = True


def test_what_the_other_side_writes_is_seen_and_a_copy_does_not_see_it():
    array = np.zeros(2)
    shared = minirnn.from_dlpack(array)
    copied, variable = minirnn.from_dlpack(array.copy()), Variable(minirnn.from_dlpack(array))
    array[0] = 7.0
    assert shared.tolist() == [7.0, 0.0]
    assert copied.tolist() == variable.tolist() == [0.0, 0.0]


@of_numpy
def test_assigning_to_a_variable_never_writes_into_memory_that_was_shared():
    array = np.zeros(2, "float32")
    variable = Variable(np.ones(2, "float32"), trainable=False)
    variable.assign(minirnn.from_dlpack(array))
    variable.assign_add(np.ones(2, "float32"))
    seen = np.from_dlpack(variable)
    variable.assign([5.0, 5.0])
    assert array.tolist() == [0.0, 0.0] and seen.tolist() == [1.0, 1.0]


@of_numpy
def test_a_tensor_that_requires_a_gradient_is_not_shared_and_the_error_says_what_is():
    weight = Variable(np.ones((2, 3), "float32"))
    for tensor in (weight, weight * 2.0, weight.value):
        with pytest.raises(BufferError, match=r"shape \(2, 3\).*gradient.*minirnn\.stop_gradient"):
            np.from_dlpack(tensor)
        with pytest.raises(BufferError, match="stop_gradient"):
            minirnn.from_dlpack(tensor)
    shared = np.from_dlpack(minirnn.stop_gradient(weight))
    assert np.shares_memory(shared, weight.data)
    with no_grad():
        assert np.from_dlpack(weight * 2.0).tolist() == [[2.0] * 3] * 2


@of_numpy
def test_a_mask_is_shared_and_rules_over_a_layer_as_its_own_does():
    layer = minirnn.layers.LSTM(3)
    x, mask = np.ones((2, 4, 2), "float32"), np.array([[1, 1, 0, 0], [1, 1, 1, 1]], bool)
    expected = layer(x, mask=mask)
    given_mask = minirnn.from_dlpack(mask)
    assert given_mask.dtype == "bool"
    np.testing.assert_array_equal(layer(minirnn.from_dlpack(x), mask=given_mask), expected)


@pytest.mark.parametrize("value", [[1.0], 3.0, None, "text", {}])
def test_what_has_no_dlpack_is_an_error_that_names_the_protocol(value):
    with pytest.raises(TypeError, match=rf"from_dlpack: .*__dlpack__.*; got {type(value).__name__}"):
        minirnn.from_dlpack(value)


class _Elsewhere:
    def __init__(self, kind, number=0, dtype="float32"):
        self.where, self.dtype = (kind, number), dtype

    def __dlpack_device__(self):
        return self.where

    def __dlpack__(self, **_):
        raise AssertionError("asked for, although it is on a device that is not here")


@pytest.mark.parametrize("kind, name", [(10, "ROCm"), (8, "Metal"), (14, "oneAPI"), (99, "another")])
def test_an_array_of_another_kind_of_device_is_refused_by_its_name(kind, name):
    with pytest.raises(ValueError, match=rf"CPU or on a CUDA GPU.*type {kind} \({name}\), number 3.*Copy it"):
        minirnn.from_dlpack(_Elsewhere(kind, 3))


@pytest.mark.parametrize("kind", [2, 13])
def test_an_array_of_a_gpu_needs_cupy_and_the_error_says_how_to_get_it(kind, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(backend, "_BACKENDS", {"numpy": backend._BACKENDS["numpy"]})
    with pytest.raises(RuntimeError, match=r"on a GPU.*CuPy.*not installed.*pip install.*copy the array"):
        minirnn.from_dlpack(_Elsewhere(kind))


def test_a_dtype_that_numpy_has_not_is_an_error_that_names_it():
    class Strange(_Elsewhere):
        def __dlpack__(self, **_):
            raise RuntimeError("Unsupported dtype in DLTensor.")

    with pytest.raises(BufferError, match=r"whose dtype is bfloat16: Unsupported dtype"):
        minirnn.from_dlpack(Strange(1, dtype="bfloat16"))


# Between arrays of a GPU; hostcupy is a stand-in for CuPy.


@given(arrays(backwards=False), st.sampled_from(["gpu:0", "gpu:1"]))
def test_an_array_of_a_gpu_becomes_a_tensor_there_in_the_same_memory(array, device):
    with hostcupy_for_cupy():
        with minirnn.device(device):
            there = hostcupy.asarray(array)
        tensor = minirnn.from_dlpack(there)
        assert isinstance(tensor.data, hostcupy.ndarray) and tensor.data.device == there.device
        assert tensor.dtype == array.dtype and tensor.shape == array.shape
        assert array.size == 0 or np.shares_memory(tensor.data._host, there._host)
        again = hostcupy.from_dlpack(tensor)
        assert again.device == there.device and (
            array.size == 0 or np.shares_memory(again._host, there._host)
        )


def test_a_tensor_of_a_gpu_says_so_and_does_not_come_to_the_host_unasked():
    with hostcupy_for_cupy():
        tensor = ops.ones((2, 3))
        with minirnn.device("gpu:1"):
            other = ops.ones(2)
        assert tuple(tensor.__dlpack_device__()) == (2, 0) and tuple(other.__dlpack_device__()) == (2, 1)
        with hostcupy.count_reads() as counted:
            # NumPy's words for memory that it cannot read differ.
            with pytest.raises((BufferError, RuntimeError, TypeError, ValueError)):
                np.from_dlpack(tensor)
            minirnn.from_dlpack(tensor)
        assert counted == [0]


def test_an_array_of_the_host_stays_there_while_a_gpu_is_current():
    with hostcupy_for_cupy():
        array = np.ones(2)
        tensor = minirnn.from_dlpack(array)
        assert np.shares_memory(tensor.data, array)
        with pytest.raises(ValueError, match=re.escape("one on CPU:0 and one on GPU:0")):
            tensor + ops.ones(2, "float64")


def test_reversed_arrays_of_a_gpu_are_copied_there():
    with hostcupy_for_cupy():
        with minirnn.device("gpu:1"):
            tensor = Tensor(ops.convert_to_tensor(np.arange(3.0)).data[::-1])
        shared = hostcupy.from_dlpack(tensor)
        assert shared.device.id == 1 and shared.strides[0] > 0
        assert shared.tolist() == [2.0, 1.0, 0.0]


def test_a_tensor_of_a_gpu_comes_to_the_host_where_the_consumer_says_so():
    with hostcupy_for_cupy():
        tensor = ops.convert_to_tensor(np.arange(3.0))
        with hostcupy.count_reads() as counted:
            assert np.from_dlpack(tensor, device="cpu").tolist() == [0.0, 1.0, 2.0]
        assert counted == [1]
