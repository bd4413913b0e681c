"""Calls of the functions of shapes, matrices, indices and order, and of those that make arrays."""

import math

import numpy as np

from tests.ops.calling import c, entry

# Shapes.
entry("reshape", lambda m: c(m.x(m.B, m.T, m.D), (m.B, m.D * m.T)))
entry("reshape", lambda m: c(m.x(m.B, m.T, m.D), (-1, m.D)))
entry("ravel", lambda m: c(m.x(m.B, m.D)))
entry("transpose", lambda m: c(m.x(m.B, m.T, m.D)))
entry("transpose", lambda m: c(m.x(m.B, m.T, m.D), (1, -1, 0)))
entry("swapaxes", lambda m: c(m.x(m.B, m.T, m.D), -1, 0))
entry("moveaxis", lambda m: c(m.x(m.B, m.T, m.D), 0, -1))
entry("moveaxis", lambda m: c(m.x(m.B, m.T, m.D), (0, 2), (1, 0)))
entry("expand_dims", lambda m: c(m.x(m.B, m.D), -1))
entry("expand_dims", lambda m: c(m.x(m.B, m.D), (0, 2)))
entry("squeeze", lambda m: c(m.x(m.B + 1, 1, m.D + 1, 1)))
entry("squeeze", lambda m: c(m.x(m.B, 1, m.D, 1), axis=1))
entry("squeeze", lambda m: c(m.x(m.B, 1, m.D, 1), axis=(1, -1)))
entry("broadcast_to", lambda m: c(m.x(m.B, 1), (m.T, m.B, m.D)))
entry("concatenate", lambda m: c([m.x(m.B, m.D), m.x(m.B, m.T)], axis=-1))
entry(
    "concatenate",
    lambda m: c([m.x(m.B, m.D), m.i(m.T, m.D)]),
    lambda xs: np.concatenate([xs[0], xs[1].astype(xs[0].dtype)]),
)
entry("stack", lambda m: c([m.x(m.B, m.D), m.x(m.B, m.D)], axis=-1))
entry("append", lambda m: c(m.x(m.B, m.D), m.x(m.D)))
entry("append", lambda m: c(m.x(m.B, m.D), m.x(m.T, m.D), axis=0))
for _name in ["hstack", "vstack"]:
    entry(_name, lambda m: c([m.x(m.B, m.D), m.x(m.B, m.D)]))
    entry(_name, lambda m: c([m.x(m.D), m.x(m.D)]))
entry("unstack", lambda m: c(m.x(m.B, m.T, m.D), axis=1), lambda x, axis: list(np.moveaxis(x, axis, 0)))
entry("split", lambda m: c(m.x(m.B, 6), 3, axis=1))
entry("split", lambda m: c(m.x(6, m.D), [1, 4]))
entry("array_split", lambda m: c(m.x(m.B, 7), 3, axis=-1))
entry("tile", lambda m: c(m.x(m.B, m.D), (2, 1)))
entry("tile", lambda m: c(m.x(m.B, m.D), 2))
entry("tile", lambda m: c(m.x(m.D), (2, 3)))
entry("repeat", lambda m: c(m.x(m.B, m.D), 2))
entry("repeat", lambda m: c(m.x(m.B, m.D), 3, axis=-1))
entry("repeat", lambda m: c(m.x(m.B, 3), np.array([2, 0, 1]), axis=1))
entry("flip", lambda m: c(m.x(m.B, m.D)))
entry("flip", lambda m: c(m.x(m.B, m.T, m.D), axis=(0, -1)))
entry("roll", lambda m: c(m.x(m.B, m.D), 2))
entry("roll", lambda m: c(m.x(m.B, m.D), -1, axis=1))
entry("roll", lambda m: c(m.x(m.B, m.T, m.D), (1, 2), axis=(0, 1)))
for _k in range(-1, 4):
    entry("rot90", lambda m, k=_k: c(m.x(m.B, m.D), k=k))
entry("rot90", lambda m: c(m.x(m.B, m.T, m.D), 1, (2, 0)))
entry("pad", lambda m: c(m.x(m.B, m.D), ((1, 0), (2, 3))))
entry("pad", lambda m: c(m.x(m.B, m.D), 1, constant_values=2.5))
for _name in ["reflect", "symmetric"]:
    entry("pad", lambda m, mode=_name: c(m.x(m.B + 1, m.D + 2), ((1, 1), (0, 2)), mode=mode))

# Matrices.
entry("diag", lambda m: c(m.x(m.D), k=1))
entry("diag", lambda m: c(m.x(m.B, m.D), k=-1) if m.B > 1 else c(m.x(3, 3), k=-1))
entry("diagonal", lambda m: c(m.x(m.B, m.T, m.D), offset=1, axis1=2, axis2=0))
entry("diagonal", lambda m: c(m.x(m.T, m.D)))
entry("trace", lambda m: c(m.x(m.B, m.T, m.D), axis1=-1, axis2=1))
for _name in ["tril", "triu"]:
    entry(_name, lambda m: c(m.x(m.B, m.T, m.D), k=-1))
    entry(_name, lambda m: c(m.x(m.T, m.D)))
entry("matmul", lambda m: c(m.x(m.B, m.T, m.D), m.x(m.D, m.B)))
entry("matmul", lambda m: c(m.x(m.D), m.x(m.B, m.D, m.T)))
entry("matmul", lambda m: c(m.i(m.B, m.D), m.i(m.D, m.T)))
entry("dot", lambda m: c(m.x(m.B, m.T, m.D), m.x(m.B, m.D, m.T)))
entry("dot", lambda m: c(m.x(m.B, m.D), m.x(m.D)))
entry("dot", lambda m: c(m.x(m.B, m.D), 2.0))
entry("tensordot", lambda m: c(m.x(m.B, m.T, m.D), m.x(m.T, m.D, m.B)))
entry("tensordot", lambda m: c(m.x(m.B, m.T, m.D), m.x(m.B, m.D), axes=((0, 2), (0, 1))))
entry("tensordot", lambda m: c(m.x(m.B, m.T), m.x(m.D), axes=0))
entry("tensordot", lambda m: c(m.x(m.B, m.T), m.x(m.D, m.T), axes=(1, -1)))
entry("inner", lambda m: c(m.x(m.B, m.D), m.x(m.T, m.D)))
entry("outer", lambda m: c(m.x(m.B, m.D), m.x(m.T)))
entry("vdot", lambda m: c(m.x(m.B, m.D), m.x(m.D, m.B)))
entry("cross", lambda m: c(m.x(m.B, 3), m.x(3)))
entry("cross", lambda m: c(m.x(3, m.B), m.x(3, m.B), axis=0))
for _equation in (
    "bij,bjk->bik",
    "bij,bkj->bki",
    "bij->bji",
    "bij->",
    "...j,...j->...",
    "bij,bij",
    "b...,b...->...b",
):
    entry("einsum", lambda m, e=_equation: c(e, *[m.x(2, 2, 2) for _ in e.split("->")[0].split(",")]))
for _name in (None, 1, 2, 3, math.inf, -math.inf):
    entry("norm", lambda m, o=_name: c(m.x(m.B, m.D), ord=o, axis=-1), np.linalg.norm)
for _name in (None, "fro", 1, -1, math.inf, -math.inf):
    entry("norm", lambda m, o=_name: c(m.x(m.B, m.T, m.D), ord=o, axis=(2, 0), keepdims=True), np.linalg.norm)
entry("norm", lambda m: c(m.x(m.B, m.D)), np.linalg.norm)

# Selection and order.
entry("where", lambda m: c(m.b(m.B, 1), m.x(m.B, m.D), 0.0), lambda k, a, b: np.where(k, a, a.dtype.type(b)))
entry("where", lambda m: c(m.b(m.B, m.D), m.x(m.D), m.x(m.B, 1)))
entry(
    "select",
    lambda m: c([m.b(m.B, m.D), m.b(m.B, m.D)], [m.x(m.B, m.D), m.x(m.B, m.D)], 0.5),
    lambda k, v, d: np.select(k, v, v[0].dtype.type(d)),
)
entry("take", lambda m: c(m.x(m.B, m.D), m.i(m.T, m.B, low=-m.D, high=m.D), axis=1))
entry("take", lambda m: c(m.x(m.B, m.D), m.i(m.T, high=m.B)))
entry("take_along_axis", lambda m: c(m.x(m.B, m.D), m.i(m.B, m.T, high=m.D), axis=-1))
entry("take_along_axis", lambda m: c(m.x(m.B, m.D), m.i(1, m.T, low=-m.D, high=m.D), axis=1))
entry(
    "get_item", lambda m: c(m.x(m.B, m.T, m.D), (slice(None), 0, slice(None, None, 2))), lambda x, key: x[key]
)
entry("sort", lambda m: c(m.x(m.B, m.D)))
entry("sort", lambda m: c(m.x(m.B, m.T, m.D), axis=0))
entry("argsort", lambda m: c(m.x(m.B, m.D)))
entry("argsort", lambda m: c(m.i(m.B, m.D), axis=0), lambda x, axis: np.argsort(x, axis, kind="stable"))
entry(
    "top_k",
    lambda m: c(m.x(m.B, m.D), 2 if m.D > 1 else 1),
    lambda x, k: (np.sort(x)[..., ::-1][..., :k], np.argsort(x)[..., ::-1][..., :k]),
)
entry(
    "in_top_k",
    lambda m: c(m.i(m.B, high=m.D), m.x(m.B, m.D), 2),
    lambda t, x, k: (x > np.take_along_axis(x, t[:, None], 1)).sum(1) < k,
)
entry("nonzero", lambda m: c(m.i(m.B, m.D)))
entry("unique", lambda m: c(m.i(m.B, m.D)))
entry("unique", lambda m: c(m.i(m.B, m.D), return_inverse=True, return_counts=True))
for _name in ("left", "right"):
    entry(
        "searchsorted",
        lambda m, side=_name: c(np.arange(5, dtype=m.dtype), m.i(m.B, high=5).astype(m.dtype), side=side),
    )
entry("digitize", lambda m: c(m.x(m.B, m.D), np.array([-1.0, 0.0, 1.0], m.dtype)))
entry("bincount", lambda m: c(m.i(m.B + m.D), minlength=5))
entry("bincount", lambda m: c(m.i(m.D), weights=m.x(m.D)))
entry("one_hot", lambda m: c(m.i(m.B, m.T), 3), lambda x, n: np.eye(n)[x])
entry(
    "one_hot", lambda m: c(m.i(m.B, m.T), 3, axis=0), lambda x, n, axis: np.moveaxis(np.eye(n)[x], -1, axis)
)
entry(
    "one_hot",
    lambda m: c(np.array([-1, 0, 7]), 3, dtype="int32"),
    lambda x, n, dtype: np.array([[0] * 3, [1, 0, 0], [0] * 3], dtype),
)
entry("multi_hot", lambda m: c(m.i(m.B, m.T), 3), lambda x, n: np.eye(n)[x].max(1))
entry(
    "segment_sum",
    lambda m: c(m.x(m.T, m.D), m.i(m.T), num_segments=4),
    lambda x, s, num_segments: np.stack([x[s == k].sum(0) for k in range(num_segments)]),
)

# New arrays.
for _name in ["zeros", "ones"]:
    entry(_name, lambda m: c((m.B, m.D)), lambda shape, f=_name: getattr(np, f)(shape, "float32"))
    entry(_name, lambda m: c((m.B, m.D), dtype="int32"))
entry("empty", lambda m: c((m.B, m.D)), lambda shape: None)
entry("empty_like", lambda m: c(m.x(m.B, m.D)), lambda x: None)
for _name in ["zeros_like", "ones_like"]:
    entry(_name, lambda m: c(m.x(m.B, m.D)))
    entry(_name, lambda m: c(m.x(m.B, m.D), dtype="int32"))
entry("full", lambda m: c((m.B, m.D), 2), lambda shape, v: np.full(shape, v, "float32"))
entry("full_like", lambda m: c(m.x(m.B, m.D), 2))
for _args in ((5,), (2, 5), (5, 0, -2), (0.0, 2.0, 0.5)):
    entry("arange", lambda m, a=_args: c(*a))
entry("linspace", lambda m: c(0, 1, 5), lambda a, b, n: np.linspace(a, b, n))
entry("linspace", lambda m: c(m.x(m.D), m.x(m.D), num=4, endpoint=False, axis=-1))
entry("eye", lambda m: c(3, 4, k=1))
entry("identity", lambda m: c(3))
entry("tri", lambda m: c(3, 4, k=-1))
entry("meshgrid", lambda m: c(m.x(m.B), m.x(m.T), m.x(m.D)), lambda *xs: list(np.meshgrid(*xs)))
entry(
    "meshgrid",
    lambda m: c(m.x(m.B), m.x(m.D), indexing="ij"),
    lambda *xs, indexing: list(np.meshgrid(*xs, indexing=indexing)),
)

# Conversion and blocks.
for _name in ["array", "convert_to_tensor", "copy", "convert_to_numpy", "stop_gradient"]:
    entry(_name, lambda m: c(m.x(m.B, m.D)), lambda x: x)
entry("cast", lambda m: c(m.x(m.B, m.D), "int32"), lambda x, dtype: x.astype(dtype))
entry(
    "saturate_cast",
    lambda m: c(np.array([-1.0, 300.0, 7.9, 3.5], "float32"), "uint8"),
    lambda x, d: np.array([0, 255, 7, 3], d),
)
entry("slice", lambda m: c(m.x(m.B, m.T, m.D), (0, m.T - 1, 0), (m.B, 1, m.D)), lambda x, s, n: x[:, s[1] :])
entry(
    "slice_update",
    lambda m: c(m.x(m.B, m.T, m.D), (0, m.T - 1, 0), m.x(m.B, 1, m.D)),
    lambda x, s, u: np.concatenate([x[:, : s[1]], u], 1),
)
entry(
    "scatter",
    lambda m: c(np.array([[0, 1], [1, 0], [0, 1]]), np.array([1.0, 2.0, 4.0], "float32"), (2, 2)),
    lambda i, v, s: np.array([[0, 5], [2, 0]], v.dtype),
)
entry(
    "scatter_update",
    lambda m: c(m.x(3, m.D), np.array([[2], [0]]), m.x(2, m.D)),
    lambda x, i, u: np.stack([u[1], x[1], u[0]]),
)
entry(
    "scatter_update",
    lambda m: c(m.x(3, m.D), np.array([[2], [2]]), m.x(2, m.D), reduction="add"),
    lambda x, i, u, reduction: np.stack([x[0], x[1], x[2] + u.sum(0)]),
)
