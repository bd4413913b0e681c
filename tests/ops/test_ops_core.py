"""Conversion, dtypes, einsum's notation and other laws that the table of calls does not say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import config, ops
from minirnn.autograd import Variable, convert, grad

X = np.arange(6.0, dtype="float32").reshape(2, 3)


def test_a_converted_array_is_a_copy():
    array = X.copy()
    tensors = [
        *(
            op(array)
            for op in (ops.convert_to_tensor, ops.array, ops.copy, ops.stop_gradient, ops.nan_to_num)
        ),
        *(op(array) for op in (ops.transpose, ops.ravel, ops.flip, ops.round, ops.squeeze)),
        *(ops.unstack(array)[0], ops.split(array, 2)[0], ops.get_item(array, 0), ops.expand_dims(array, 0)),
        *(ops.reshape(array, (3, 2)), ops.broadcast_to(array, (1, 2, 3)), ops.full((2, 3), array)),
        ops.cast(array, "float32"),
    ]
    before = [t.numpy() for t in tensors]
    array[:] = -1.0
    for t, b in zip(tensors, before, strict=True):
        np.testing.assert_array_equal(t, b)


def test_a_tensor_is_returned_as_it_is_and_a_variable_by_its_present_value():
    t, v = convert(X), Variable(X)
    assert ops.convert_to_tensor(t) is t
    value = ops.convert_to_tensor(v)
    v.assign(X * 0)
    np.testing.assert_array_equal(value, X)


def test_convert_to_numpy_takes_tensors_arrays_lists_and_numbers_and_owns_what_it_gives():
    for value in (convert(X), X, X.tolist(), Variable(X), [convert(X[0]), X[1]]):
        array = ops.convert_to_numpy(value)
        assert type(array) is np.ndarray and array.flags.owndata and array.flags.writeable
        np.testing.assert_array_equal(array, X)
        array[:] = 0
    assert ops.convert_to_numpy(2.5).shape == ()
    assert X.sum() == 15.0


def test_dtypes_have_names_and_shapes_are_tuples():
    for value, name in (
        (X, "float32"),
        ([1, 2], "int32"),
        (True, "bool"),
        (convert(X.astype("float64")), "float64"),
    ):
        assert ops.dtype(value) == name and isinstance(ops.dtype(value), str)
    assert ops.shape(X) == (2, 3) and ops.shape([[1], [2]]) == (2, 1) and ops.shape(1.0) == ()
    assert ops.ndim(X) == 2 and ops.size(X) == 6 and ops.size(np.ones((0, 3))) == 0
    assert ops.is_tensor(convert(X)) and ops.is_tensor(Variable(X)) and not ops.is_tensor(X)


@given(
    st.sampled_from(["float32", "float64", "int64", "int32"]),
    st.sampled_from(["uint8", "int8", "int32", "int64"]),
)
def test_a_saturating_cast_stays_within_the_range(source, target):
    info = np.iinfo(target)
    numbers = np.array([0, 1, 126, 127, 128, 255, 256, 2**31 - 1, 2**31, 2**40, 2**62], "float64")
    x = (
        np.concatenate([numbers, -numbers]).astype(source)
        if source != "int32"
        else np.array([0, 300, -300], source)
    )
    y = ops.saturate_cast(x, target)
    exact = [max(info.min, min(info.max, int(v))) for v in x.tolist()]
    assert y.dtype == target
    # The largest integers are no floats: the nearest float below is as near as it gets.
    np.testing.assert_allclose(y.numpy().astype("float64"), exact, rtol=2e-7)


def test_a_saturating_cast_of_infinities_and_nan():
    x = np.array([np.inf, -np.inf, np.nan], "float32")
    np.testing.assert_array_equal(ops.saturate_cast(x, "uint8"), [255, 0, 0])


EQUATIONS = (
    "ij,jk ji,jk ij ba ii ii->i ii-> iij->j ijj,jk->ik iij,ijk->k i,j->ij ij,ij->ij ij,jk,kl->il i,i,i-> "
    "...ij,...jk->...ik ...i->... i...->...i ...,... ij...,jk...->ik... ...ii->...i aij,bjk->abik "
    "...ij,jk->...ik"
)


@pytest.mark.parametrize("subscripts", [*EQUATIONS.split(), "ij , jk -> ki"])
def test_einsum_in_every_notation_is_numpys(subscripts):
    rng = np.random.default_rng(0)
    operands = []
    for term in subscripts.split("->")[0].replace(" ", "").split(","):
        operands.append(rng.standard_normal((3,) * len(term.replace("...", "")) + (3, 3) * ("..." in term)))
    np.testing.assert_allclose(
        ops.einsum(subscripts, *operands), np.einsum(subscripts, *operands), atol=1e-12
    )
    x = Variable(operands[0])
    y = ops.einsum(subscripts, x, *operands[1:])
    direction, weight = rng.standard_normal(x.shape), rng.standard_normal(y.shape)
    slope = float((grad(ops.sum(y * weight), x).numpy() * direction).sum())
    ends = [
        float((np.einsum(subscripts, operands[0] + h * direction, *operands[1:]) * weight).sum())
        for h in (1, -1)
    ]
    assert slope == pytest.approx((ends[0] - ends[1]) / 2, rel=1e-9, abs=1e-9)  # it is linear in each operand


def test_the_ellipsis_of_einsum_broadcasts():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((1, 4, 2, 3)), rng.standard_normal((5, 1, 3, 2))
    np.testing.assert_allclose(ops.einsum("...ij,...jk->...ik", a, b), a @ b)
    x = Variable(a)
    weight = rng.standard_normal((5, 4, 2, 2))
    gradient = grad(ops.sum(ops.einsum("...ij,...jk->...ik", x, b) * weight), x)
    np.testing.assert_allclose(gradient, (weight @ b.swapaxes(-1, -2)).sum(0, keepdims=True))
    a, b = rng.standard_normal((4, 2)), rng.standard_normal((5, 1, 2))
    np.testing.assert_allclose(ops.einsum("...i,...i->...", a, b), (a * b).sum(-1))


def test_functions_of_floats_take_integers_and_bools_as_floatx():
    try:
        for floatx in ("float32", "float64", "float16"):
            config.set_floatx(floatx)
            for op in (ops.sin, ops.mean, ops.softmax, ops.sigmoid, ops.std, ops.log_softmax, ops.gelu):
                for x in (np.array([[1, 2]]), np.array([[True, False]]), [[1, 2]]):
                    assert op(x).dtype == floatx, op
            assert ops.zeros(2).dtype == ops.one_hot([1], 2).dtype == ops.arange(2.0).dtype == floatx
    finally:
        config.set_floatx("float32")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_stable_functions_stay_finite_and_silent_at_the_ends_of_the_range(dtype):
    top = float(np.finfo(dtype).max) / 2
    x = np.array([[-top, -80.0, 0.0, 80.0], [-1e4, -20.0, 1e-3, 1e4]], dtype)
    names = (
        "sigmoid softplus log_sigmoid softmax log_softmax logsumexp elu selu celu softsign hard_sigmoid tanh"
    )
    for op in [getattr(ops, name) for name in names.split()]:
        y = op(x)
        assert y.dtype == dtype and np.isfinite(y.numpy()).all(), op
    target = np.array([[0, 1, 0, 1], [1, 0, 1, 0]], dtype)
    losses = [
        ops.binary_crossentropy(target, x, from_logits=True),
        ops.categorical_crossentropy(target, x, from_logits=True),
        ops.sparse_categorical_crossentropy([0, 3], x, from_logits=True),
        ops.binary_crossentropy(target, target),
        ops.categorical_crossentropy(target, target) if dtype != "float16" else ops.zeros(1),
    ]
    assert not any(np.isnan(y.numpy()).any() for y in losses)
    assert np.isfinite(ops.normalize(np.zeros((2, 3), dtype)).numpy()).all()
    assert ops.mean(np.full(1000, 1000.0, dtype)).item() == 1000.0


def test_a_line_of_minus_infinities_has_a_logsumexp_of_minus_infinity():
    assert ops.logsumexp(np.array([-np.inf, -np.inf])).item() == -np.inf
    assert ops.logsumexp(np.array([np.inf, 1.0])).item() == np.inf


def test_sparsemax_is_a_distribution():
    x = np.random.default_rng(0).standard_normal((5, 7)).astype("float32")
    y = ops.sparsemax(x).numpy()
    assert (y >= 0).all() and (y == 0).any()
    np.testing.assert_allclose(y.sum(-1), 1.0, rtol=1e-5)


def test_reductions_over_nothing():
    empty = np.ones((0, 3), "float32")
    assert ops.sum(empty, axis=0).numpy().tolist() == [0, 0, 0]
    assert ops.prod(empty).item() == 1.0 and ops.all(empty).item() and not ops.any(empty).item()
    assert ops.max(empty, axis=0, initial=-1.0).numpy().tolist() == [-1, -1, -1]
    assert ops.concatenate([empty, X], axis=0).shape == (2, 3)
    assert ops.matmul(empty, X.T).shape == (0, 2)


def test_top_k_and_argsort_keep_the_order_of_equal_elements():
    x = np.array([2, 3, 3, 1, 3], "int32")
    values, indices = ops.top_k(x, 3)
    assert values.numpy().tolist() == [3, 3, 3] and indices.numpy().tolist() == [1, 2, 4]
    assert ops.argsort(x).numpy().tolist() == [3, 0, 1, 2, 4]
    assert ops.top_k(np.array([0, 255], "uint8"), 1)[0].item() == 255


def test_medians_of_values_with_infinities():
    assert ops.median(np.array([1.0, 2.0, np.inf])).item() == 2.0
    assert ops.quantile(np.array([1.0, np.inf]), 0.0).item() == 1.0


def test_bools_add_up_as_int32():
    mask = np.array([True, False, True])
    assert ops.sum(mask).item() == 2 and ops.sum(mask).dtype == "int32"
    assert ops.cumsum(mask).numpy().tolist() == [1, 1, 2]
    assert ops.argmax(mask).dtype == "int32"


def test_results_are_ready_for_every_argument_in_a_list():
    a, b = ops.split(X, [1], axis=1)
    assert [t.shape for t in (a, b)] == [(2, 1), (2, 2)]
    x = Variable(X)
    stacked = ops.stack([x, ops.zeros_like(x), X])
    assert stacked.shape == (3, 2, 3) and stacked.requires_grad


def test_hypot_does_not_overflow_and_keeps_what_is_not_finite():
    a, b = np.float32([1e30, 3e-30, 0, np.inf, np.nan]), np.float32([1e30, 4e-30, 0, 1, 1])
    np.testing.assert_allclose(ops.hypot(a, b), np.hypot(a, b), rtol=1e-6)
    slopes = grad(lambda x: ops.sum(ops.hypot(x, [4e30, 0.0])))(np.float32([3e30, -2]))
    np.testing.assert_allclose(slopes, [0.6, -1], rtol=1e-6)


def test_the_slope_of_cbrt_is_infinite_at_0():
    with np.errstate(divide="ignore"):  # NumPy warns of it, as for sqrt
        slopes = grad(lambda x: ops.sum(ops.cbrt(x)))(np.float32([0, -1]))
    np.testing.assert_allclose(slopes, [np.inf, 1 / 3], rtol=1e-6)


def test_hypot_has_no_slope_at_0():
    slopes = grad(lambda x: ops.sum(ops.hypot(x, 2 * x)))(np.float32([0, 3, -4]))
    np.testing.assert_allclose(slopes, [0, 5**0.5, -(5**0.5)], rtol=1e-6)


@pytest.mark.parametrize("name", ["divide", "divide_no_nan", "hypot", "dot", "outer", "inner"])
def test_a_number_has_the_dtype_of_the_array_beside_it(name):
    half = np.float16([1, 2])
    assert getattr(ops, name)(half, 2.5).dtype == getattr(ops, name)(2.5, half).dtype == np.float16


def test_a_bound_of_clip_may_be_left_out():
    np.testing.assert_array_equal(ops.clip(X, None, 2), np.clip(X, None, 2))
    np.testing.assert_array_equal(ops.clip(X, 2, None), np.clip(X, 2, None))
    np.testing.assert_array_equal(ops.clip(X, None, None), X)


def test_tensors_can_be_rounded_and_are_not_none():
    assert round(convert(3.7)).item() == 4 and round(convert([3.71]), 1).tolist() == [np.float32(3.7)]
    assert (convert(X) == None) is False and (convert(X) != None) is True  # noqa: E711


def test_sizes_of_1_broadcast_in_einsum_under_any_letter():
    a, b = np.ones((2, 3, 4)), np.arange(20.0).reshape(1, 4, 5)
    np.testing.assert_allclose(ops.einsum("bij,bjk->bik", a, b), a @ b)
    slopes = grad(lambda b: ops.sum(ops.einsum("bij,bjk->bik", a, b) ** 2))(b)
    np.testing.assert_allclose(slopes, grad(lambda b: ops.sum(ops.matmul(a, b) ** 2))(b))


def test_casts_that_saturate_stay_in_the_range_of_floats_and_bools():
    np.testing.assert_array_equal(
        ops.saturate_cast([1e10, -1e10, 2.0], "float16"), np.float16([65504, -65504, 2])
    )
    assert ops.saturate_cast([300, -5, 0, 0.5], "bool").tolist() == [True, False, False, True]
