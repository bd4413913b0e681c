"""Means, variances and what is normalised by them."""

from typing import Any

import numpy as np

from minirnn import config
from minirnn.autograd import Tensor
from minirnn.autograd import primitives as P
from minirnn.autograd.primitive import convert, convert_float
from minirnn.ops.arguments import one_axis, some_axes, wide_float
from minirnn.ops.linalg import norm
from minirnn.ops.reduction import mean
from minirnn.ops.symbolic import op


@op
def moments(x, axes, keepdims=False, synchronized=False) -> tuple[Tensor, Tensor]:
    """Return the mean and the variance along axes.

    Parameters
    ----------
    x : Tensor or array
    axes : int or sequence of int
    keepdims : bool
        Leave each reduced axis with size 1.
    synchronized : bool
        For Keras's signature; only False is taken.
    """
    if synchronized:
        raise ValueError("moments: synchronized=True needs several devices; there is one.")
    given, x = convert_float(x).dtype, wide_float(x)
    axes = some_axes("moments", axes, x.ndim)
    centre = mean(x, axes, keepdims=True)
    variance = mean(P.square(x - centre), axes, keepdims=keepdims)
    centre = centre if keepdims else P.reshape(centre, shape=variance.shape)
    if given.itemsize < x.dtype.itemsize:
        limit = P.convert(float(np.finfo(given).max), x.dtype)
        centre, variance = (P.minimum(P.maximum(t, -limit), limit) for t in (centre, variance))
    return convert(centre, given), convert(variance, given)


@op
def batch_normalization(x, mean, variance, axis, offset=None, scale=None, epsilon=1e-3) -> Tensor:
    """Return (x − mean) / √(variance + epsilon) · scale + offset.

    Parameters
    ----------
    x : Tensor or array
    mean, variance : Tensor or array of one axis, of the size of `axis`
    axis : int
        The axis of features.
    offset, scale : Tensor or array, like `mean`, optional
    epsilon : float
    """
    x = convert_float(x)
    axis = one_axis("batch_normalization", axis, x.ndim)
    shape = tuple(n if i == axis else 1 for i, n in enumerate(x.shape))

    def column(values):
        return P.reshape(convert(values, x.dtype), shape=shape)

    factor = P.rsqrt(column(variance) + epsilon)
    if scale is not None:
        factor = factor * column(scale)
    y = (x - column(mean)) * factor
    return y if offset is None else y + column(offset)


def _aligned(parameter, x, axes):
    """Bring scale or offset to the axes of `x` that are normalised, if it has fewer axes than `x`."""
    parameter = convert(parameter, x.dtype)
    if parameter.ndim == x.ndim:
        return parameter
    return P.reshape(parameter, shape=tuple(n if i in axes else 1 for i, n in enumerate(x.shape)))


@op
def layer_normalization(x, gamma=None, beta=None, axis: Any = -1, epsilon=None) -> Tensor:
    """Return (x − mean) / √(variance + epsilon) · gamma + beta, mean and variance taken along `axis`.

    Parameters
    ----------
    x : Tensor or array
    gamma, beta : Tensor or array, of the shape of the axes, optional
    axis : int or sequence of int
    epsilon : float, optional
        Default: `config.epsilon`.
    """
    given, x = convert_float(x).dtype, wide_float(x)
    axes = tuple(sorted(some_axes("layer_normalization", axis, x.ndim)))
    y, _, _ = P.standardize(x, axes=axes, epsilon=config.epsilon() if epsilon is None else epsilon)
    if gamma is not None:
        y = y * _aligned(gamma, x, axes)
    if beta is not None:
        y = y + _aligned(beta, x, axes)
    return convert(y, given)


@op
def rms_normalization(x, scale=None, axis: Any = -1, epsilon=None) -> Tensor:
    """Return x / √(mean(x²) + epsilon) · scale, the mean taken along `axis`.

    Parameters
    ----------
    x : Tensor or array
    scale : Tensor or array, of the shape of the axes, optional
    axis : int or sequence of int
    epsilon : float, optional
        Default: `config.epsilon`.
    """
    given, x = convert_float(x).dtype, wide_float(x)
    axes = tuple(sorted(some_axes("rms_normalization", axis, x.ndim)))
    square = mean(P.square(x), axes, keepdims=True)
    y = x * P.rsqrt(square + (config.epsilon() if epsilon is None else epsilon))
    return convert(y if scale is None else y * _aligned(scale, x, axes), given)


@op
def normalize(x, axis: Any = -1, order=2, epsilon=None) -> Tensor:
    """Return `x` divided by its norm along axes, or by `epsilon` where the norm is smaller.

    Parameters
    ----------
    x : Tensor or array
    axis : int or sequence of int
    order : int, 1 or more
    epsilon : float, optional
        Default: `config.epsilon`.
    """
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"normalize: order must be an integer, 1 or more; got {order!r}.")
    x = convert_float(x)
    x = x if x.ndim else P.reshape(x, shape=(1,))
    epsilon = config.epsilon() if epsilon is None else epsilon
    axes = some_axes("normalize", axis, x.ndim)
    if order == 2:
        # The same as dividing by max(norm, epsilon), with a gradient at 0.
        least = max(epsilon**2, float(np.finfo(x.dtype).tiny))
        return x * P.rsqrt(P.maximum(P.sum(P.square(x), axis=axes, keepdims=True), least))
    return x / P.maximum(norm(x, order, axes, keepdims=True), epsilon)
