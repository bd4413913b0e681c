"""Calls of activations, cross-entropies, normalisations and loops."""

import math

import numpy as np

from tests.ops.calling import F, c, entry, erf, log_softmax, sigmoid, wide

# Activations.
LARGE = {"low": -9.0, "high": 9.0}
entry("relu", lambda m: c(m.x(m.B, m.D)), lambda x: np.maximum(x, 0))
entry("relu6", lambda m: c(m.x(m.B, m.D, **LARGE)), lambda x: np.clip(x, 0, 6))
entry("sigmoid", lambda m: c(m.x(m.B, m.D, **LARGE)), sigmoid)
entry("log_sigmoid", lambda m: c(m.x(m.B, m.D, **LARGE)), lambda x: np.log(sigmoid(x)))
entry("hard_sigmoid", lambda m: c(m.x(m.B, m.D, **LARGE)), lambda x: np.clip(x / 6 + 0.5, 0, 1))
entry("sparse_sigmoid", lambda m: c(m.x(m.B, m.D)), lambda x: np.clip(x / 2 + 0.5, 0, 1))
entry("hard_tanh", lambda m: c(m.x(m.B, m.D)), lambda x: np.clip(x, -1, 1))
entry("tanh_shrink", lambda m: c(m.x(m.B, m.D)), lambda x: x - np.tanh(x))
entry("softplus", lambda m: c(m.x(m.B, m.D, **LARGE)), wide(lambda x: np.log1p(np.exp(x))))
entry("softsign", lambda m: c(m.x(m.B, m.D)), lambda x: x / (1 + np.abs(x)))
entry(
    "sparse_plus",
    lambda m: c(m.x(m.B, m.D)),
    lambda x: np.where(x <= -1, 0, np.where(x >= 1, x, (x + 1) ** 2 / 4)),
)
for _name in ["silu", "swish"]:
    entry(_name, lambda m: c(m.x(m.B, m.D, **LARGE)), lambda x: x * sigmoid(x))
for _name in ["hard_silu", "hard_swish"]:
    entry(_name, lambda m: c(m.x(m.B, m.D, **LARGE)), lambda x: x * np.clip(x / 6 + 0.5, 0, 1))
entry(
    "selu",
    lambda m: c(m.x(m.B, m.D)),
    wide(lambda x: 1.05070098 * np.where(x > 0, x, 1.67326324 * np.expm1(x))),
)
entry(
    "leaky_relu",
    lambda m: c(m.x(m.B, m.D), negative_slope=0.1),
    lambda x, negative_slope: np.where(x > 0, x, 0.1 * x),
)
entry("elu", lambda m: c(m.x(m.B, m.D), alpha=0.5), lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x)))
entry(
    "celu",
    lambda m: c(m.x(m.B, m.D), alpha=0.5),
    lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x / alpha)),
)
entry(
    "gelu",
    lambda m: c(m.x(m.B, m.D)),
    wide(lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))),
)
entry(
    "gelu",
    lambda m: c(m.x(m.B, m.D), approximate=False),
    wide(lambda x, approximate: x / 2 * (1 + erf(x / math.sqrt(2)))),
)
entry("squareplus", lambda m: c(m.x(m.B, m.D)), lambda x: (x + np.sqrt(x * x + 4)) / 2)
entry("soft_shrink", lambda m: c(m.x(m.B, m.D)), lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0))
entry("hard_shrink", lambda m: c(m.x(m.B, m.D)), lambda x: np.where(np.abs(x) > 0.5, x, 0))
entry("threshold", lambda m: c(m.x(m.B, m.D), 0.5, -3.0), lambda x, t, d: np.where(x > t, x, d))
entry("glu", lambda m: c(m.x(m.B, 6)), lambda x: x[:, :3] * sigmoid(x[:, 3:]))
entry("softmax", lambda m: c(m.x(m.B, m.T, m.D)), lambda x: np.exp(log_softmax(x)))
entry("softmax", lambda m: c(m.x(m.B, m.T, m.D), axis=(0, 2)), lambda x, axis: np.exp(log_softmax(x, axis)))
entry("log_softmax", lambda m: c(m.x(m.B, m.T, m.D), axis=1), log_softmax)


def sparsemax(x):
    """By bisection on the threshold at which what lies above sums to 1."""
    low, high = x.min(-1, keepdims=True).astype(F) - 1, x.max(-1, keepdims=True).astype(F)
    for _ in range(60):
        middle = (low + high) / 2
        above = np.maximum(x - middle, 0).sum(-1, keepdims=True) > 1
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.maximum(x - low, 0)


entry("sparsemax", lambda m: c(m.x(m.B, m.D)), sparsemax)


# Cross-entropies and normalisation.
def sparse_crossentropy(target, output, from_logits=False):
    log_p = log_softmax(output) if from_logits else np.log(output / output.sum(-1, keepdims=True))
    return -np.take_along_axis(log_p, target.reshape(*output.shape[:-1], 1), -1)[..., 0]


entry(
    "binary_crossentropy",
    lambda m: c(m.b(m.B, m.D).astype(m.dtype), m.p(m.B, m.D + 1)[:, 1:]),
    lambda t, p: -np.where(t == 1, np.log(p), np.log(1 - p)),
)
entry(
    "binary_crossentropy",
    lambda m: c(m.p(m.B, m.D), m.x(m.B, m.D, **LARGE), from_logits=True),
    lambda t, x, from_logits: -t * np.log(sigmoid(x)) - (1 - t) * np.log(sigmoid(-x)),
)
entry(
    "categorical_crossentropy",
    lambda m: c(m.p(m.B, m.D + 1), m.pos(m.B, m.D + 1)),
    lambda t, p: -(t * np.log(p / p.sum(-1, keepdims=True))).sum(-1),
)
entry(
    "categorical_crossentropy",
    lambda m: c(m.p(m.B, m.T, m.D), m.x(m.B, m.T, m.D), from_logits=True, axis=1),
    lambda t, x, from_logits, axis: -(t * log_softmax(x, axis)).sum(axis),
)
entry(
    "sparse_categorical_crossentropy",
    lambda m: c(m.i(m.B, m.T, high=m.D), m.pos(m.B, m.T, m.D + 1)),
    sparse_crossentropy,
)
entry(
    "sparse_categorical_crossentropy",
    lambda m: c(m.i(m.B, m.T, 1, high=m.D), m.x(m.B, m.T, m.D), from_logits=True),
    sparse_crossentropy,
)
entry(
    "moments",
    lambda m: c(m.x(m.B, m.T, m.D), (0, 2), keepdims=True),
    lambda x, a, keepdims: (x.mean(a, keepdims=True), x.var(a, keepdims=True)),
)
entry("moments", lambda m: c(m.x(m.B, m.T, m.D), [1]), lambda x, a: (x.mean(1), x.var(1)))
entry(
    "batch_normalization",
    lambda m: c(m.x(m.B, m.T, m.D), m.x(m.T), m.pos(m.T), 1, m.x(m.T), m.x(m.T)),
    lambda x, mean, var, a, o, s: (
        (x - mean[:, None]) / np.sqrt(var[:, None] + 1e-3) * s[:, None] + o[:, None]
    ),
)
entry(
    "batch_normalization",
    lambda m: c(m.x(m.B, m.D), m.x(m.D), m.pos(m.D), -1, epsilon=0.1),
    lambda x, mean, var, a, epsilon: (x - mean) / np.sqrt(var + epsilon),
)
entry(
    "layer_normalization",
    lambda m: c(m.x(m.B, m.T, m.D + 1), m.x(m.D + 1), m.x(m.D + 1), epsilon=1e-3),
    lambda x, g, b, epsilon: (
        (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + epsilon) * g + b
    ),
)
entry(
    "layer_normalization",
    lambda m: c(m.x(m.B, m.T, m.D), m.x(m.B, m.T), axis=(0, 1), epsilon=1e-2),
    lambda x, g, axis, epsilon: (x - x.mean(axis)) / np.sqrt(x.var(axis) + epsilon) * g[..., None],
)
entry(
    "rms_normalization",
    lambda m: c(m.x(m.B, m.D), m.x(m.D)),
    lambda x, s: x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-7) * s,
)
entry("normalize", lambda m: c(m.x(m.B, m.D)), lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True))
entry(
    "normalize",
    lambda m: c(m.x(m.B, m.D), axis=0, order=3),
    lambda x, axis, order: x / np.linalg.norm(x, order, axis, keepdims=True),
)

# Control. What they call is given as a function of Tensors.
entry("cond", lambda m: c(True, lambda: 1.0, lambda: 1 / 0), lambda p, a, b: np.float32(1))
entry("fori_loop", lambda m: c(0, 3, lambda i, v: v * 2.0, m.x(m.B)), lambda a, b, f, v: v * 8)
entry(
    "while_loop",
    lambda m: c(lambda i, v: i < 3, lambda i, v: (i + 1, v * 2.0), (0, m.x(m.B))),
    lambda k, f, v: (3, v[1] * 8),
)
entry("switch", lambda m: c(1, [lambda v: v, lambda v: v * 3.0], m.x(m.B)), lambda i, b, v: v * 3)
entry("map", lambda m: c(lambda row: row * row, m.x(m.B, m.D)), lambda f, x: x * x)
entry("vectorized_map", lambda m: c(lambda row: row * row, m.x(m.B, m.D)), lambda f, x: x * x)
entry(
    "scan",
    lambda m: c(lambda s, x: (s + x, s * x), m.x(m.D), m.x(m.T, m.D)),
    lambda f, s, xs: (s + xs.sum(0), (np.cumsum(np.concatenate([s[None], xs]), 0)[:-1] * xs)),
)
