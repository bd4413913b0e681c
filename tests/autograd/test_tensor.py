"""Tensors and Variables: operators, mixing with arrays and numbers, NumPy's functions, conversion."""

import operator
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import config
from minirnn.autograd import Tensor, Variable, convert

BINARY = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow,
    operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge,
]  # fmt: skip

a = np.array([[1.5, 2.0, 3.0], [0.5, 4.0, 1.0]], "float32")
b = np.array([2.0, 1.0, 3.0], "float32")


def same(tensor, array):
    assert isinstance(tensor, Tensor)
    assert tensor.dtype == array.dtype and tensor.shape == array.shape
    np.testing.assert_allclose(tensor.numpy(), array, rtol=1e-6)


@pytest.mark.parametrize("op", BINARY)
def test_operators_with_arrays_and_tensors_on_either_side_are_numpys(op):
    expected = op(a, b)
    same(op(convert(a), convert(b)), expected)
    same(op(convert(a), b), expected)
    same(op(a, convert(b)), expected)


@pytest.mark.parametrize("op", BINARY)
@pytest.mark.parametrize("number", [2, 2.5, np.float64(2.5), np.float32(2.5), np.int64(2)])
def test_numbers_are_weak_on_either_side(op, number):
    weak = number.item() if isinstance(number, np.generic) else number
    same(op(convert(a), number), op(a, weak))
    same(op(number, convert(a)), op(weak, a))


@pytest.mark.parametrize(
    "x, y, expected",
    [
        ("int32", "float32", "float32"),
        ("int64", "float16", "float16"),
        ("bool", "float32", "float32"),
        ("bool", "int32", "int32"),
        ("uint8", "int8", "int16"),
        ("int32", "int64", "int64"),
        ("float16", "float32", "float32"),
        ("float32", "float64", "float64"),
        ("int64", "uint64", "float32"),
    ],
)
def test_mixed_dtypes_join_as_in_keras(x, y, expected):
    one, two = np.ones(2, x), np.ones(2, y)
    assert (convert(one) + convert(two)).dtype == expected
    assert (convert(two) * one).dtype == expected


@pytest.mark.parametrize(
    "dtype, number, expected",
    [
        ("int32", 1, "int32"), ("int32", 1.0, "float32"), ("bool", 1, "int32"), ("bool", 1.0, "float32"),
        ("bool", True, "bool"), ("float16", 2.0, "float16"), ("float16", 2, "float16"), ("uint8", 3, "uint8"),
    ],
)  # fmt: skip
def test_a_python_number_takes_the_dtype_that_it_meets(dtype, number, expected):
    assert (convert(np.ones(2, dtype)) + number).dtype == expected
    assert (number * convert(np.ones(2, dtype))).dtype == expected


def test_quotients_of_integers_are_floats():
    assert (convert(np.array([3], "int32")) / 2).dtype == "float32"
    assert (convert(np.array([3], "int32")) // 2).dtype == "int32"


def test_unary_operators_and_matrix_products():
    x = convert(a)
    same(-x, -a)
    same(+x, a)
    same(abs(-x), a)
    same(x @ b, a @ b)
    same(a @ convert(b), a @ b)
    same(~convert(a > 1), ~(a > 1))
    same(convert(a > 1) & (b > 1), (a > 1) & (b > 1))
    same((a > 1) | convert(b > 1), (a > 1) | (b > 1))
    same(convert(a > 1) ^ (b > 1), (a > 1) ^ (b > 1))


def test_methods_are_numpys_and_numpys_functions_call_them():
    x = convert(a)
    same(x.sum(axis=0), a.sum(0))
    same(x.mean(axis=1, keepdims=True), a.mean(1, keepdims=True))
    same(x.max(), a.max())
    same(x.min(axis=-1), a.min(-1))
    same(x.reshape(3, 2), a.reshape(3, 2))
    same(x.reshape((3, -1)), a.reshape(3, 2))
    same(x.transpose(), a.T)
    same(x.transpose(-1, 0), a.T)
    same(x.T, a.T)
    same(x.astype("int32"), a.astype("int32"))
    same((x > 1).any(axis=0), (a > 1).any(0))
    same((x > 1).all(), (a > 1).all())
    same(np.sum(x, axis=0), a.sum(0))
    same(np.max(x), a.max())
    same(np.mean(x), a.mean())
    np.testing.assert_array_equal(np.exp(x), np.exp(a))
    np.testing.assert_array_equal(np.concatenate([x, a]), np.concatenate([a, a]))
    np.testing.assert_array_equal(np.asarray(x, "float64"), a.astype("float64"))


def test_numpys_functions_take_a_dtype_and_refuse_to_write():
    x = Tensor(np.full(4, 0.1, "float16"))
    assert np.sum(x, dtype="float64").dtype == np.mean(x, dtype="float64").dtype == np.float64
    np.testing.assert_array_equal(np.sum(x, dtype="float64"), np.sum(x.numpy(), dtype="float64"))
    assert x.max(0, None, True).shape == x.sum(0, None, None, True).shape == (1,)
    for function in (np.sum, np.mean, np.max, np.min, np.any, np.all):
        with pytest.raises(TypeError, match="out must be None"):
            function(x, out=np.zeros(()))


@pytest.mark.parametrize("number", [-(2**63), 2**63 - 1, -(2**31), 2**31 - 1, 2**31])
def test_an_integer_keeps_its_value(number):
    assert convert(number).item() == number
    assert convert([number, 1]).tolist() == [number, 1]


def test_a_numpy_copy_can_be_written_into_without_changing_the_tensor():
    x = convert(a.copy())
    for copy in (x.numpy(), np.array(x), np.asarray(x)):
        copy[:] = 0.0
    same(x, a)


def test_indexing_is_numpys_with_tensors_inside_too():
    x = convert(a)
    same(x[1], a[1])
    same(x[..., None, ::2], a[..., None, ::2])
    same(x[[1, 0]], a[[1, 0]])
    same(x[convert(np.array([1, 0]))], a[[1, 0]])
    same(x[convert(a > 1)], a[a > 1])
    same(x[convert(np.array([1, 0])), [0, 2]], a[[1, 0], [0, 2]])
    same(x[convert(np.array(1))], a[1])
    assert [row.shape for row in x] == [(3,), (3,)] and len(x) == 2


def test_python_numbers_of_tensors():
    x = convert(np.float32(2.5).reshape(()))
    assert float(x) == 2.5 and int(x) == 2 and x.item() == 2.5 and bool(x)
    assert f"{x:.2f}" == "2.50"
    assert list(range(5))[convert(np.array(3))] == 3
    for call in (lambda: list(range(5))[x], lambda: len(x), lambda: list(x)):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(IndexError, match=r"getitem.*out of bounds"):
        convert(a)[5]


@given(st.integers(0, 2), st.sampled_from(["float32", "float64", "int32", "bool"]))
def test_results_of_no_axes_are_arrays_of_no_axes(ndim, dtype):
    x = convert(np.ones((1,) * ndim, dtype))
    for y in (x.sum(), x + x if dtype == "float32" else x * x, x[(0,) * ndim], x.max()):
        assert isinstance(y.data, type(x.data))


def test_lists_of_floats_become_floatx_and_arrays_keep_their_dtype():
    assert convert([1.0, 2.0]).dtype == "float32"
    assert convert(1.5).dtype == "float32"
    assert convert([1, 2]).dtype == "int32"
    assert convert([2**40]).dtype == "int64"
    assert convert([True]).dtype == "bool"
    assert convert([]).dtype == "float32"
    assert convert(np.ones(2)).dtype == "float64"
    assert convert(np.float64(1)).dtype == "float64"
    assert convert([1.0], "float16").dtype == "float16"
    try:
        config.set_floatx("float64")
        assert convert([1.0]).dtype == "float64"
    finally:
        config.set_floatx("float32")


def test_lists_of_tensors_at_any_depth_stack_and_keep_their_gradient():
    x, y = Variable(1.0), Variable(2.0)
    matrix = convert([[x, 0.0], [y * 2.0, x]])
    same(matrix, np.array([[1, 0], [4, 1]], "float32"))
    matrix.sum().backward()
    assert (x.grad.item(), y.grad.item()) == (2.0, 2.0)


@pytest.mark.parametrize("bad", [object(), None, "text", ["a"], {"a": 1}, np.array([None]), np.array(["a"])])
def test_what_is_no_number_is_refused_by_type(bad):
    with pytest.raises(TypeError, match="convert_to_tensor: expected numbers; got"):
        convert(bad)
    with pytest.raises(TypeError, match="expected numbers"):
        convert(a) + bad


def test_rows_of_different_lengths_are_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"rows of one length.*Pad"):
        convert([[1.0, 2.0], [3.0]])


def test_shapes_that_do_not_broadcast_are_named():
    with pytest.raises(ValueError, match=r"^add: .*float32 \(2, 3\), float32 \(2,\)"):
        convert(a) + convert(b[:2])
    with pytest.raises(ValueError, match=r"^matmul: .*float32 \(2, 3\), float32 \(2, 3\)"):
        convert(a) @ convert(a)
    with pytest.raises(ValueError, match=r"^sum: axis 5 is out of bounds.*axis=5"):
        convert(a).sum(axis=5)


def test_variables_say_what_they_need():
    with pytest.raises(ValueError, match="'w': a callable initializer needs shape"):
        Variable(lambda shape, dtype: np.zeros(shape, dtype), name="w")
    with pytest.raises(ValueError, match="every axis of shape"):
        Variable(lambda shape, dtype: np.zeros(shape, dtype), shape=(None, 2))
    w = Variable(lambda shape, dtype: np.ones(shape, dtype), shape=(2, 3), dtype="float64")
    assert w.shape == (2, 3) and w.dtype == "float64" and w.trainable and w.requires_grad
    w.trainable = False
    assert not w.requires_grad and not (w * 1.0).requires_grad


def test_variables_take_part_like_tensors():
    w = Variable(a, name="kernel")
    same(w + b, a + b)
    same(b * w, b * a)
    same(w[0], a[0])
    same(w @ b, a @ b)
    assert "kernel" in repr(w) and "float32" in repr(convert(a))


def test_tensors_pickle_by_value():
    same(pickle.loads(pickle.dumps(convert(a))), a)
