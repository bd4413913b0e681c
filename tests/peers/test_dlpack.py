"""Tensors and arrays of PyTorch and JAX in the same memory."""

import numpy as np
import pytest
from hypothesis import given

import minirnn
from minirnn import layers, ops
from minirnn.autograd import Tensor, Variable
from tests.backend.test_dlpack import DTYPES, arrays

pytestmark = pytest.mark.host_only("shares memory with the CPU builds of PyTorch and JAX")
# JAX has no 64 bits unless it is told to.
NARROW = [name for name in DTYPES if name not in ("float64", "int64", "uint64", "complex128")]


@pytest.fixture(scope="session")
def jax():
    module = pytest.importorskip("jax", reason="JAX is not installed; the extra 'test' brings it")
    module.config.update("jax_platforms", "cpu")
    return module


@pytest.mark.parametrize("dtype", DTYPES)
def test_pytorch_gives_and_takes_every_dtype_in_the_same_memory(torch, dtype):
    theirs = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype))
    tensor = minirnn.from_dlpack(theirs)
    assert tensor.dtype == dtype and tensor.data.ctypes.data == theirs.data_ptr()
    back = torch.from_dlpack(tensor)
    assert back.dtype == theirs.dtype and back.data_ptr() == theirs.data_ptr()
    assert torch.equal(back, theirs)


@given(array=arrays())
def test_pytorch_takes_a_tensor_of_any_strides(torch, array):
    theirs = torch.from_dlpack(Tensor(array))
    assert tuple(theirs.shape) == array.shape
    np.testing.assert_array_equal(theirs.numpy(), array)


@given(array=arrays(backwards=False))
def test_pytorch_s_strides_come_over(torch, array):
    theirs = torch.from_dlpack(array)
    tensor = minirnn.from_dlpack(theirs)
    np.testing.assert_array_equal(tensor.data, array)
    assert array.size == 0 or np.shares_memory(tensor.data, array)


def test_a_write_in_pytorch_is_seen(torch):
    theirs = torch.zeros(2)
    tensor = minirnn.from_dlpack(theirs)
    theirs[0] = 7.0
    assert tensor.tolist() == [7.0, 0.0]


def test_a_gradient_ends_where_memory_is_shared_and_each_side_says_how(torch):
    with pytest.raises(BufferError, match="detach"):
        minirnn.from_dlpack(torch.ones(2, requires_grad=True))
    with pytest.raises(BufferError, match=r"minirnn\.stop_gradient"):
        torch.from_dlpack(Variable([1.0, 2.0]))
    assert torch.from_dlpack(minirnn.stop_gradient(Variable([1.0, 2.0]))).tolist() == [1.0, 2.0]


def test_a_dtype_of_pytorch_that_numpy_has_not_is_an_error_that_names_it(torch):
    with pytest.raises(BufferError, match=r"dtype is torch\.bfloat16"):
        minirnn.from_dlpack(torch.ones(2, dtype=torch.bfloat16))


def test_a_layer_runs_on_what_pytorch_made_and_pytorch_goes_on_from_there(torch):
    x = torch.rand(2, 4, 3)
    layer = layers.LSTM(5, trainable=False)
    theirs = torch.from_dlpack(layer(minirnn.from_dlpack(x)))
    np.testing.assert_array_equal(theirs.numpy(), layer(x.numpy()))


@pytest.mark.parametrize("dtype", NARROW)
def test_jax_gives_every_dtype_in_the_same_memory_and_takes_it_back(jax, dtype):
    theirs = jax.numpy.arange(6).reshape(2, 3).astype(dtype)
    tensor = minirnn.from_dlpack(theirs)
    assert tensor.dtype == dtype and tensor.data.ctypes.data == theirs.unsafe_buffer_pointer()
    back = jax.dlpack.from_dlpack(tensor)
    assert back.dtype == theirs.dtype and (back == theirs).all()


def test_what_jax_holds_is_read_only_and_every_op_works_on_it(jax):
    tensor = minirnn.from_dlpack(jax.numpy.ones((2, 4, 3)))
    assert not tensor.data.flags.writeable
    layer = layers.LSTM(5)
    assert layer(tensor).shape == (2, 5)
    weight = Variable(tensor)
    gradient = minirnn.grad(ops.sum(weight * tensor), weight)
    np.testing.assert_array_equal(gradient, np.ones((2, 4, 3)))


@pytest.mark.parametrize("axes", [(0, 1), (1, 0)])
def test_jax_takes_tensors_whose_axes_are_permuted(jax, axes):
    tensor = ops.transpose(np.arange(6, dtype="float32").reshape(2, 3), axes)
    np.testing.assert_array_equal(jax.dlpack.from_dlpack(tensor), tensor)
