"""Laws of convolutions and poolings, their derivatives at ties and of second order, and what they refuse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import grad, ops
from minirnn.layers import Layer
from minirnn.ops.symbolic import KerasTensor

seeds = st.integers(0, 999)
small = st.integers(1, 3)


def arrays(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in shapes]


def same(a, b):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-10, atol=1e-10)


@given(seeds, small, small, small)
def test_a_dilated_kernel_is_one_with_zeros_between(seed, steps, size, dilation):
    x, kernel = arrays(seed, (2, steps + (size - 1) * dilation, 3), (size, 3, 2))
    spread = np.zeros(((size - 1) * dilation + 1, 3, 2))
    spread[::dilation] = kernel
    same(ops.conv(x, kernel, dilation_rate=dilation), ops.conv(x, spread))


@given(seeds, small, st.integers(1, 4))
def test_a_strided_convolution_takes_every_so_many_of_all(seed, size, stride):
    x, kernel = arrays(seed, (2, size + 6, 3), (size, 3, 2))
    same(ops.conv(x, kernel, stride), ops.conv(x, kernel).numpy()[:, ::stride])


@given(seeds, small, small)
def test_groups_are_convolutions_side_by_side(seed, size, groups):
    x, kernel = arrays(seed, (2, 5, 2 * groups), (size, 2, 3 * groups))
    pairs = zip(np.split(x, groups, -1), np.split(kernel, groups, -1))
    same(ops.conv(x, kernel), np.concatenate([ops.conv(a, b).numpy() for a, b in pairs], -1))


@given(seeds, small, small)
def test_an_image_of_one_row_is_convolved_as_a_sequence(seed, size, stride):
    x, kernel = arrays(seed, (2, 6, 3), (size, 3, 2))
    flat = ops.conv(x, kernel, stride, "same").numpy()
    same(ops.conv(x[:, None], kernel[None], (1, stride), "same"), flat[:, None])


@given(seeds, small, small, st.sampled_from(["valid", "same"]))
def test_where_channels_stand_makes_no_difference(seed, size, stride, padding):
    x, kernel = arrays(seed, (2, 6, 5, 3), (size, 2, 3, 2))
    turned = np.moveaxis(x, -1, 1)
    first = ops.conv(turned, kernel, stride, padding, "channels_first")
    same(np.moveaxis(first.numpy(), 1, -1), ops.conv(x, kernel, stride, padding))
    for pool in (ops.max_pool, ops.average_pool):
        first = pool(turned, (size, 2), stride, padding, "channels_first")
        same(np.moveaxis(first.numpy(), 1, -1), pool(x, (size, 2), stride, padding))


@pytest.mark.parametrize("pool", [ops.max_pool, ops.average_pool])
def test_windows_lie_side_by_side_if_no_strides_are_given(pool):
    (x,) = arrays(0, (2, 7, 3))
    reduce = np.max if pool is ops.max_pool else np.mean
    same(pool(x, 2), reduce(x[:, :6].reshape(2, 3, 2, 3), axis=2))


def test_the_gradient_of_a_maximum_goes_to_the_first_of_equals():
    x = np.array([1.0, 1.0, 0.0, 0.0, 0.0, 2.0, 2.0, 2.0]).reshape(1, 8, 1)
    alone = grad(lambda x: ops.sum(ops.max_pool(x, 2)))(x)
    same(alone.numpy().ravel(), [1, 0, 1, 0, 0, 1, 1, 0])
    together = grad(lambda x: ops.sum(ops.max_pool(x, 3, 1, "same")))(x)
    same(together.numpy().ravel(), [2, 1, 1, 0, 0, 3, 1, 0])


def test_a_maximum_of_what_is_below_any_number_ignores_the_margin():
    assert np.isneginf(ops.max_pool(np.full((1, 2, 1), -np.inf), 2, 1, "same").numpy()).all()
    x = np.array([-5, -3, -4], "int32").reshape(1, 3, 1)
    result = ops.max_pool(x, 3, 1, "same").numpy()
    assert result.dtype == "int32" and result.ravel().tolist() == [-3, -3, -3]
    assert np.isnan(ops.max_pool(np.array([1.0, np.nan, 0.0]).reshape(1, 3, 1), 3).numpy()).all()


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ops.conv(x, ops.sin(x[0, :2, :, None]), 2, "same"),
        lambda x: ops.max_pool(x * x, 3, 1),
        lambda x: ops.average_pool(ops.exp(x), 3, 2, "same"),
    ],
)
def test_gradients_have_gradients(function):
    (x, weights, direction) = arrays(4, (2, 6, 3), function(np.ones((2, 6, 3))).shape, (2, 6, 3))
    way = np.cos(np.arange(36.0)).reshape(2, 6, 3)
    slope = lambda x: ops.sum(grad(lambda t: ops.sum(function(t) * weights))(x) * way)
    second = float(ops.sum(grad(slope)(x) * direction))
    ends = [float(slope(x + h * direction)) for h in (1e-5, -1e-5)]
    assert second == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(
    "call, shape",
    [
        (lambda x: ops.conv(x, np.ones((50, 3, 4))), (None, None, 4)),
        (lambda x: ops.conv(x, np.ones((300, 3, 4)), 300), (None, None, 4)),
        (lambda x: ops.conv(x, np.ones((5, 3, 4)), dilation_rate=40), (None, None, 4)),
        (lambda x: ops.max_pool(x, 30), (None, None, 3)),
        (lambda x: ops.average_pool(ops.max_pool(x, 5), 5), (None, None, 3)),
        (lambda x: ops.max_pool(x, 2, 40, "same"), (None, None, 3)),
        (lambda x: ops.max(ops.max_pool(x, 30), axis=1), (None, 3)),
    ],
)
def test_windows_larger_than_the_sizes_tried_for_an_unknown_axis_leave_it_unknown(call, shape):
    assert call(KerasTensor((None, None, 3))).shape == shape


def test_a_layer_of_many_windows_has_room_for_all_of_them():
    class Stack(Layer):
        def call(self, x):
            for _ in range(4):
                x = ops.average_pool(ops.conv(x, np.ones((4, 3, 3))), 2)
            return x

    assert Stack()(KerasTensor((None, None, 3))).shape == (None, None, 3)
    assert Stack()(KerasTensor((None, 100, 3))).shape == (None, 3, 3)
    with pytest.raises(ValueError, match="conv: a window spans 4"):
        Stack()(KerasTensor((None, 20, 3)))


X, W = np.ones((2, 5, 4)), np.ones((3, 4, 2))


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: ops.conv(X[0], W), r"conv: inputs and kernel must have the same number of axes"),
        (lambda: ops.conv(X, W[0]), r"got \(2, 5, 4\) and \(4, 2\)"),
        (lambda: ops.conv(X, W[:, :3]), r"conv: the kernel's channels must divide .* got 4 channels"),
        (lambda: ops.conv(X, np.ones((3, 2, 3))), r"conv: .* a kernel of shape \(3, 2, 3\)"),
        (lambda: ops.conv(X, np.ones((6, 4, 2))), r"conv: a window spans 6 .*5 step.*'valid'"),
        (lambda: ops.conv(X, W, dilation_rate=3), r"conv: a window spans 7"),
        (lambda: ops.conv(X[:, :0], W, padding="same"), r"conv: a window .* inputs' 0 step"),
        (lambda: ops.conv(X, W, 0), r"conv: strides must be 1 integer\(s\) of 1 or more, or one; got 0"),
        (lambda: ops.conv(X, W, (1, 1)), r"conv: strides .* got \(1, 1\)"),
        (lambda: ops.conv(X, W, padding="causal"), r"conv: padding must be 'valid' or 'same'; got 'causal'"),
        (lambda: ops.conv(X, W, data_format="last"), r"conv: data_format .* got 'last'"),
        (lambda: ops.max_pool(X[0], 2), r"max_pool: inputs must have three axes or more; got shape \(5, 4\)"),
        (lambda: ops.max_pool(X, 6), r"max_pool: a window spans 6"),
        (lambda: ops.max_pool(X, (2, 2)), r"max_pool: pool_size .* got \(2, 2\)"),
        (lambda: ops.average_pool(X, 2, -1), r"average_pool: strides .* got -1"),
        (lambda: ops.average_pool(X, 2, padding="full"), r"average_pool: padding .* got 'full'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call, words):
    with pytest.raises(ValueError, match=words):
        call()
