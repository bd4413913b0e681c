"""Calls of convolutions and poolings, against loops over the windows."""

import itertools
import math

import numpy as np

from tests.ops.calling import F, c, entry


def each_window(x, size, strides, padding, dilation):
    """Yield each place and the numbers of its window, shape (*size, batch, channels), NaN outside of `x`."""
    n = x.ndim - 2
    strides, dilation = (v if isinstance(v, tuple) else (v,) * n for v in (strides, dilation))
    axes = []
    for steps, k, s, d in zip(x.shape[1:-1], size, strides, dilation, strict=True):
        span = (k - 1) * d + 1
        if padding == "same":
            count = math.ceil(steps / s)
            first = -(max((count - 1) * s + span - steps, 0) // 2)
        else:
            count, first = (steps - span) // s + 1, 0
        axes.append([[first + p * s + i * d for i in range(k)] for p in range(count)])
    for place in itertools.product(*(range(len(a)) for a in axes)):
        window = np.full((*size, x.shape[0], x.shape[-1]), np.nan)
        for offset in itertools.product(*map(range, size)):
            step = [a[p][i] for a, p, i in zip(axes, place, offset)]
            if all(0 <= t < m for t, m in zip(step, x.shape[1:-1])):
                window[offset] = x[(slice(None), *step)]
        yield place, window


def by_window(function, x, size, strides, padding="valid", data_format=None, dilation=1):
    """Return what a function gives of each window's numbers, shape (batch, ...)."""
    first = data_format == "channels_first"
    x = (np.moveaxis(x, 1, -1) if first else x).astype(F)
    results = {place: function(w) for place, w in each_window(x, size, strides, padding, dilation)}
    last = max(results)
    y = np.zeros((x.shape[0], *(n + 1 for n in last), next(iter(results.values())).shape[-1]))
    for place, value in results.items():
        y[(slice(None), *place)] = value
    return np.moveaxis(y, -1, 1) if first else y


def conv(x, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1):
    *size, per_group, filters = kernel.shape

    def product(window):
        groups = window.shape[-1] // per_group
        each = filters // groups
        return np.concatenate(
            [
                np.tensordot(
                    np.moveaxis(np.nan_to_num(window), -2, 0)[..., g * per_group : (g + 1) * per_group],
                    kernel[..., g * each : (g + 1) * each].astype(F),
                    len(size) + 1,
                )
                for g in range(groups)
            ],
            axis=-1,
        )

    return by_window(product, x, tuple(size), strides, padding, data_format, dilation_rate)


def pool(reduce):
    def reference(x, pool_size, strides=None, padding="valid", data_format=None):
        n = x.ndim - 2
        size = pool_size if isinstance(pool_size, tuple) else (pool_size,) * n
        function = lambda window: reduce(window, axis=tuple(range(n)))
        return by_window(function, x, size, size if strides is None else strides, padding, data_format)

    return reference


FIRST = "channels_first"
entry("conv", lambda m: c(m.x(m.B, m.T + 2, m.D), m.x(3, m.D, 4)), conv)
entry("conv", lambda m: c(m.x(m.B, 7, m.D), m.x(2, m.D, 3), strides=2, padding="same"), conv)
entry("conv", lambda m: c(m.x(m.B, m.T + 6, 6), m.x(4, 2, 3), dilation_rate=2), conv)
entry("conv", lambda m: c(m.x(m.B, m.D, m.T), m.x(1, m.D, 2), data_format=FIRST), conv)
entry("conv", lambda m: c(m.x(m.B, 5, m.T + 3, 4), m.x(2, 3, 2, 6), strides=(2, 1), padding="same"), conv)
entry(
    "conv",
    lambda m: c(m.x(m.B, m.D, 6, 5), m.x(2, 3, m.D, 2), dilation_rate=(1, 2), data_format=FIRST),
    conv,
)
entry("conv", lambda m: c(m.x(1, 3, 4, 3, 2), m.x(2, 2, 3, 2, 2)), conv)
for _name, _reduce in {"max_pool": np.nanmax, "average_pool": np.nanmean}.items():
    entry(_name, lambda m: c(m.x(m.B, m.T + 2, m.D), 2, 1), pool(_reduce))
    entry(_name, lambda m: c(m.x(m.B, m.D, 7), 3, 2, padding="same", data_format=FIRST), pool(_reduce))
    entry(_name, lambda m: c(m.x(m.B, 7, m.T + 2, m.D), (3, 2), (4, 2)), pool(_reduce))
    entry(_name, lambda m: c(m.x(m.B, 5, m.T, m.D), (2, 3), (1, 2), padding="same"), pool(_reduce))
