"""Convolutions and poolings: products with, and maxima and means over, windows that slide along axes.

All of them are made of two primitives, `windows` and its transpose `overlap_add`; see `autograd.primitives`.
"""

import math
from typing import Any

import numpy as np

from minirnn.autograd import Tensor
from minirnn.autograd import primitives as P
from minirnn.autograd.primitive import align, convert_float
from minirnn.ops.arguments import number, whole_shape
from minirnn.ops.symbolic import note_windows, op


@op
def conv(
    inputs, kernel, strides: Any = 1, padding="valid", data_format=None, dilation_rate: Any = 1
) -> Tensor:
    """Return the cross-correlation of a batch of sequences, images or volumes with a kernel.

    Parameters
    ----------
    inputs : Tensor or array, shape (batch, *steps, channels)
        With one, two or more axes of steps.
    kernel : Tensor or array, shape (*size, channels, filters)
        With fewer channels than `inputs`, of which it then is a divisor, the channels form groups, and so do
        the filters: the first filters see the first group alone, and so on.
    strides, dilation_rate : int or sequence of int
        How many steps apart windows are, and how many apart the steps within a window.
    padding : {"valid", "same"}
        Only windows within `inputs`; or with zeros around, as many as let ``ceil(steps / strides)`` windows
        fit, one more of them at the end than before where the number is odd.
    data_format : {"channels_last", "channels_first"}, optional
        The latter for `inputs` and result of shape (batch, channels, *steps). The kernel's does not change.

    Returns
    -------
    Tensor, shape (batch, *windows, filters)

    Raises
    ------
    ValueError
        If numbers of axes or channels do not fit, there is no window, or an option is none of these.
    """
    x, kernel = align(inputs, kernel)
    n = x.ndim - 2
    if n < 1 or kernel.ndim != n + 2:
        raise ValueError(
            f"conv: inputs and kernel must have the same number of axes, 3 or more; got {x.shape} and "
            f"{kernel.shape}."
        )
    first = _channels_first("conv", data_format)
    x = _moved(x, first)
    *size, per_group, filters = kernel.shape
    groups, rest = divmod(x.shape[-1], per_group) if per_group else (0, 1)
    if rest or filters % groups:
        raise ValueError(
            f"conv: the kernel's channels must divide those of the inputs, into groups whose number divides "
            f"the filters; got {x.shape[-1]} channels of the inputs and a kernel of shape {kernel.shape}."
        )
    x, options = _prepared("conv", x, tuple(size), strides, padding, dilation_rate, 0)
    columns = P.windows(x, **options)
    places, inner = columns.shape[: n + 1], math.prod(size) * per_group
    count = math.prod(places)
    if groups == 1:
        columns = P.reshape(columns, shape=(count, inner))
        y = P.matmul(columns, P.reshape(kernel, shape=(inner, filters)))
    else:
        columns = P.reshape(columns, shape=(count, math.prod(size), groups, per_group))
        columns = P.reshape(P.transpose(columns, axes=(2, 0, 1, 3)), shape=(groups, count, inner))
        kernel = P.reshape(kernel, shape=(inner, groups, filters // groups))
        y = P.transpose(P.matmul(columns, P.transpose(kernel, axes=(1, 0, 2))), axes=(1, 0, 2))
    return _moved(P.reshape(y, shape=(*places, filters)), first, back=True)


@op
def max_pool(inputs, pool_size, strides: Any = None, padding="valid", data_format=None) -> Tensor:
    """Return the largest number of each window, channel by channel.

    The gradient goes to the first of several that are equally large.

    Parameters
    ----------
    inputs : Tensor or array, shape (batch, *steps, channels)
    pool_size : int or sequence of int
        Of a window, along each axis of steps.
    strides : int or sequence of int, optional
        How many steps apart windows are; default `pool_size`.
    padding : {"valid", "same"}
        As for `conv`; what is added around is never the largest.
    data_format : {"channels_last", "channels_first"}, optional
        As for `conv`.

    Returns
    -------
    Tensor, shape (batch, *windows, channels)

    Raises
    ------
    ValueError
        If there is no window, or an option is none of these.
    """
    x, first, size, strides = _pooled("max_pool", inputs, pool_size, strides, data_format)
    low = -math.inf if x.dtype.kind == "f" else int(np.iinfo(x.dtype).min)
    x, options = _prepared("max_pool", x, size, strides, padding, 1, low)
    columns = P.windows(x, **options)
    places = columns.shape[: len(size) + 1]
    columns = P.reshape(columns, shape=(*places, math.prod(size), x.shape[-1]))
    where = P.argmax(Tensor(columns.data), axis=-2, keepdims=True).data
    y = P.take_along_axis(columns, indices=where, axis=len(places))
    return _moved(P.reshape(y, shape=(*places, x.shape[-1])), first, back=True)


@op
def average_pool(inputs, pool_size, strides: Any = None, padding="valid", data_format=None) -> Tensor:
    """Return the mean of each window, channel by channel; what ``padding="same"`` adds does not count.

    Parameters, result and errors are those of `max_pool`; integers become floats.
    """
    x, first, size, strides = _pooled("average_pool", convert_float(inputs), pool_size, strides, data_format)
    total = _window_sums(x, size, strides, padding)
    if padding == "valid":
        count = float(math.prod(size))
    else:
        count = _window_sums(P.ones_like(Tensor(x.data[:1, ..., :1])), size, strides, padding)
    return _moved(total / count, first, back=True)


def _window_sums(x, size, strides, padding):
    x, options = _prepared("average_pool", x, size, strides, padding, 1, 0)
    n = len(size)
    return P.sum(P.windows(x, **options), axis=tuple(range(n + 1, 2 * n + 1)))


def _pooled(name, inputs, pool_size, strides, data_format):
    """Return what is pooled, channels last; whether they came first; size and strides of the windows."""
    x = number(inputs)
    if x.ndim < 3:
        raise ValueError(f"{name}: inputs must have three axes or more; got shape {x.shape}.")
    first = _channels_first(name, data_format)
    size = _each(name, "pool_size", pool_size, x.ndim - 2)
    return _moved(x, first), first, size, size if strides is None else strides


def _channels_first(name, data_format) -> bool:
    if data_format not in (None, "channels_last", "channels_first"):
        raise ValueError(
            f"{name}: data_format must be 'channels_last' or 'channels_first'; got {data_format!r}."
        )
    return data_format == "channels_first"


def _moved(x, first, back=False) -> Tensor:
    """Bring the channels from axis 1 to the end, or back, if they come first."""
    if not first:
        return x
    steps = range(1, x.ndim - 1) if back else range(2, x.ndim)
    return P.transpose(x, axes=(0, x.ndim - 1, *steps) if back else (0, *steps, 1))


def _each(name, option, value, count) -> tuple[int, ...]:
    """Return an option as one positive integer for each axis of steps."""
    values = whole_shape(value)
    values = values * count if len(values) == 1 else values
    if len(values) != count or any(n < 1 for n in values):
        raise ValueError(f"{name}: {option} must be {count} integer(s) of 1 or more, or one; got {value!r}.")
    return values


def same_padding(steps, span, stride) -> tuple[int, int]:
    """Return how many steps to add before and after so that ``ceil(steps / stride)`` windows fit.

    Parameters
    ----------
    steps : int
    span : int
        From the first to the last step of a window, both counted.
    stride : int
    """
    more = max((count_of_windows(steps, span, stride, "same") - 1) * stride + span - steps, 0)
    return more // 2, more - more // 2


def count_of_windows(steps, span, stride, padding) -> int:
    """Return how many windows there are along an axis; parameters as for `same_padding`."""
    return -(-steps // stride) if padding == "same" else (steps - span) // stride + 1


def _prepared(name, x, size, strides, padding, dilation, fill):
    """Return `x` with its margin, and the parameters of the primitive `windows`; raise if none fits."""
    n = len(size)
    strides, dilation = _each(name, "strides", strides, n), _each(name, "dilation_rate", dilation, n)
    spans = [(k - 1) * d + 1 for k, d in zip(size, dilation)]
    steps = x.shape[1:-1]
    if padding == "same":
        margins = [same_padding(*axis) for axis in zip(steps, spans, strides)]
        if any(map(any, margins)):
            x = P.pad(x, pad_width=[(0, 0), *margins, (0, 0)], value=fill)
    elif padding != "valid":
        raise ValueError(f"{name}: padding must be 'valid' or 'same'; got {padding!r}.")
    note_windows(x.shape[1:-1], spans, strides)
    if 0 in steps or any(m < k for m, k in zip(x.shape[1:-1], spans)):
        raise ValueError(
            f"{name}: a window spans {_listed(spans)} step(s), which the inputs' {_listed(steps)} step(s) do "
            f"not hold with padding={padding!r}; got shape {x.shape}."
        )
    return x, {"size": size, "strides": strides, "dilation": dilation}


def _listed(sizes) -> str:
    return " × ".join(map(str, sizes))
