"""One case or more for each primitive: how to draw its arguments, and how to call it.

A case draws float64 arrays in shapes, broadcasts, memory layouts and (where allowed) zero sizes of all kinds.
Values keep a distance from multiples of ½ and from each other: there piecewise functions have their kinks,
and finite differences lie.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from minirnn import backend
from minirnn.autograd import convert
from minirnn.autograd import primitives as P


@dataclass(frozen=True)
class Case:
    """`draw` is called with hypothesis's draw and gives arrays and a function of as many Tensors."""

    name: str
    draw: Callable
    holomorphic: bool = False

    def __repr__(self):
        return self.name


CASES: list[Case] = []


def case(name, holomorphic=False):
    def register(draw):
        CASES.append(Case(name, draw, holomorphic))
        return draw

    return register


def laid_out(rng, array):
    """Return an equal array that lies in memory in some other way."""
    way = rng.integers(4)
    if array.ndim == 0 or way == 0:
        return array
    if way == 1:
        return np.asfortranarray(array)
    if way == 2:
        return np.repeat(array, 2, axis=0)[::2]
    return array[::-1].copy()[::-1]


def values(draw, *shapes, low=-2.0, high=2.0):
    """Return arrays whose values lie between `low` and `high`, all different, none near a multiple of ½."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    total = sum(math.prod(s) for s in shapes)
    flat = np.linspace(low, high, total + 2)[1:-1]
    near = np.abs(flat - np.rint(2 * flat) / 2) < 1e-3
    flat = rng.permutation(np.where(near, flat + 1.7e-3, flat))
    starts = np.cumsum([0, *(math.prod(s) for s in shapes)])
    return [laid_out(rng, flat[a : a + math.prod(s)].reshape(s)) for a, s in zip(starts, shapes)]


def shapes(min_dims=0, max_dims=3, min_side=0, max_side=4):
    return hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side)


def unary(name, low=-2.0, high=2.0, holomorphic=True):
    primitive = P.__dict__[name]

    @case(name, holomorphic)
    def draw(draw):
        return values(draw, draw(shapes()), low=low, high=high), primitive


def binary(name, low_a=-2.0, high_a=2.0, low_b=-2.0, high_b=2.0, holomorphic=True):
    primitive = P.__dict__[name]

    @case(name, holomorphic)
    def draw(draw):
        a, b = draw(
            hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=3)
        ).input_shapes
        if (low_a, high_a) == (low_b, high_b):
            arrays = values(draw, a, b, low=low_a, high=high_a)
        else:
            arrays = values(draw, a, low=low_a, high=high_a) + values(draw, b, low=low_b, high=high_b)
        if name in ("mod", "floor_divide"):
            quotient = arrays[0] / arrays[1]
            assume((np.abs(quotient - np.rint(quotient)) > 1e-4).all())
        return arrays, primitive


for _name in ("identity", "negative", "exp", "expm1", "square", "sin", "cos", "sinh", "cosh", "tanh"):
    unary(_name)
for _name in ("sigmoid", "softplus", "zeros_like", "ones_like"):
    unary(_name)
for _name in ("log", "log2", "log10", "sqrt", "rsqrt", "reciprocal"):
    unary(_name, 0.5, 3.0)
for _name in ("absolute", "relu", "erf", "erfc", "sign", "floor", "ceil", "trunc", "round"):
    unary(_name, -2.5, 2.5, holomorphic=False)
unary("cbrt", 0.5, 3.0, holomorphic=False)
unary("log1p", -0.6, 2.0)
unary("tan", -1.2, 1.2)
unary("arctan", -0.9, 0.9)
unary("arcsin", -0.9, 0.9)
unary("arccos", -0.9, 0.9)
unary("arctanh", -0.9, 0.9)
unary("arcsinh", -0.9, 0.9)
unary("arccosh", 1.2, 3.0)

for _name in ("add", "subtract", "multiply"):
    binary(_name)
binary("divide", low_b=0.5, high_b=2.5)
binary("power", 0.5, 2.5)
binary("maximum", holomorphic=False)
binary("minimum", holomorphic=False)
binary("logaddexp", holomorphic=False)
binary("arctan2", low_b=0.3, high_b=2.0, holomorphic=False)
binary("mod", -2.0, 2.0, 0.7, 2.5, holomorphic=False)
binary("floor_divide", -2.0, 2.0, 0.7, 2.5, holomorphic=False)


@case("power", holomorphic=True)
def power_of_a_number(draw):
    base = draw(st.sampled_from([0.5, 2.0, 3.0]))
    return values(draw, draw(shapes())), lambda b: P.power(base, b)


@case("power", holomorphic=True)
def power_to_a_number(draw):
    exponent = draw(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0, 3.0]))
    return values(draw, draw(shapes()), low=0.5, high=2.5), lambda a: P.power(a, exponent)


def axes_of(draw, shape):
    """Return None, one axis or several, some counted from the end."""
    n = len(shape)
    some = draw(st.sets(st.integers(0, n - 1), max_size=n)) if n else set()
    if draw(st.booleans()) or not n:
        return None
    axes = tuple(a - n if draw(st.booleans()) else a for a in sorted(some))
    return axes[0] if len(axes) == 1 and draw(st.booleans()) else axes


def reduction(name, holomorphic, min_side=0):
    primitive = P.__dict__[name]

    @case(name, holomorphic)
    def draw(draw):
        shape = draw(shapes(min_side=min_side))
        axis, keepdims = axes_of(draw, shape), draw(st.booleans())
        return values(draw, shape), lambda x: primitive(x, axis=axis, keepdims=keepdims)


reduction("sum", holomorphic=True)
reduction("prod", holomorphic=True)
reduction("logsumexp", holomorphic=False, min_side=1)
reduction("max", holomorphic=False, min_side=1)
reduction("min", holomorphic=False, min_side=1)


@case("softmax")
def softmax(draw):
    shape = draw(shapes(min_dims=1))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    return values(draw, shape), lambda x: P.softmax(x, axis=axis)


def along_axis(name):
    primitive = P.__dict__[name]

    @case(name, holomorphic=True)
    def draw(draw):
        shape = draw(shapes(min_dims=1))
        axis = draw(st.integers(-len(shape), len(shape) - 1))
        arrays = values(draw, shape)
        if name == "cumprod" and arrays[0].size and draw(st.booleans()):
            arrays[0][(0,) * len(shape)] = 0.0
        return arrays, lambda x: primitive(x, axis=axis)


along_axis("cumsum")
along_axis("cumprod")


@case("matmul", holomorphic=True)
def matmul(draw):
    n, k, m = (draw(st.integers(0, 3)) for _ in range(3))
    lead = draw(
        hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, min_side=0, max_side=2)
    ).input_shapes
    a = (k,) if draw(st.booleans()) and not lead[0] else (*lead[0], n, k)
    b = (k,) if draw(st.booleans()) and not lead[1] else (*lead[1], k, m)
    return values(draw, a, b), P.matmul


@case("einsum", holomorphic=True)
def einsum(draw):
    equations = (
        "ij,jk->ik",
        "ij,kj->ki",
        "bij,bjk->bik",
        "ij,ij->",
        "i,j->ji",
        "ijk->ki",
        "ijk->",
        "ij,jk,kl->il",
    )
    subscripts = draw(st.sampled_from([*equations, "bi,oi,bo->b", "ij,k->k", "a,a->a", "->"]))
    sizes = {c: draw(st.integers(0, 3)) for c in sorted(set(subscripts) - set(",->"))}
    terms = subscripts.split("->")[0].split(",")
    arrays = values(draw, *[tuple(sizes[c] for c in term) for term in terms])
    return arrays, lambda *xs: P.einsum(*xs, subscripts=subscripts)


@case("cast")
def cast(draw):
    return values(draw, draw(shapes())), lambda x: P.cast(x, dtype=np.dtype("float64"))


@case("reshape", holomorphic=True)
def reshape(draw):
    shape = draw(shapes())
    new = draw(st.permutations(shape)) + [1] * draw(st.integers(0, 2))
    return values(draw, shape), lambda x: P.reshape(x, shape=tuple(new))


@case("transpose", holomorphic=True)
def transpose(draw):
    shape = draw(shapes())
    order = draw(st.permutations(range(len(shape))))
    axes = tuple(a - len(shape) if draw(st.booleans()) else a for a in order)
    return values(draw, shape), lambda x: P.transpose(x, axes=axes or None)


@case("broadcast_to", holomorphic=True)
def broadcast_to(draw):
    shape = draw(shapes())
    small = tuple(draw(st.sampled_from([1, n])) for n in shape)[draw(st.integers(0, len(shape))) :]
    return values(draw, small), lambda x: P.broadcast_to(x, shape=shape)


@case("concatenate", holomorphic=True)
def concatenate(draw):
    shape = draw(shapes(min_dims=1))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        part = list(shape)
        part[axis] = draw(st.integers(0, 3))
        parts.append(tuple(part))
    return values(draw, *parts), lambda *xs: P.concatenate(*xs, axis=axis)


@case("stack", holomorphic=True)
def stack(draw):
    shape = draw(shapes())
    axis = draw(st.integers(-len(shape) - 1, len(shape)))
    return values(draw, *[shape] * draw(st.integers(1, 3))), lambda *xs: P.stack(*xs, axis=axis)


@case("unstack", holomorphic=True)
def unstack(draw):
    shape = draw(shapes(min_dims=1, min_side=1))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    used = draw(st.integers(1, shape[axis]))
    return values(draw, shape), lambda x: P.unstack(x, axis=axis)[:used]


@case("split", holomorphic=True)
def split(draw):
    shape = draw(shapes(min_dims=1))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    bounds = sorted(draw(st.lists(st.integers(0, shape[axis]), max_size=3)))
    sizes = tuple(b - a for a, b in itertools.pairwise([0, *bounds, shape[axis]]))
    used = draw(st.integers(1, len(sizes)))
    return values(draw, shape), lambda x: P.split(x, sizes=sizes, axis=axis)[:used]


@case("standardize", holomorphic=True)
def standardize(draw):
    shape = draw(shapes(min_dims=1, min_side=1))
    axes = draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))
    used = draw(st.integers(1, 3))
    return values(draw, shape), lambda x: P.standardize(x, axes=tuple(axes), epsilon=0.1)[:used]


@case("pad", holomorphic=True)
def pad(draw):
    shape = draw(shapes())
    widths = [(draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in shape]
    return values(draw, shape), lambda x: P.pad(x, pad_width=widths or 0, value=0.5) if shape else x


@case("where", holomorphic=True)
def where(draw):
    c, a, b = draw(
        hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=0, max_side=3)
    ).input_shapes
    condition = np.random.default_rng(draw(st.integers(0, 99))).random(c) < 0.5
    return values(draw, a, b), lambda x, y: P.where(convert(condition), x, y)


def index_of(draw, shape):
    """Return an index of every kind: slices, numbers, new axes, arrays with repeats, masks."""
    kind = draw(st.sampled_from(["basic", "integers", "pairs", "mask", "mixed"]))
    if kind == "basic" or not shape or 0 in shape:
        return draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    if kind == "mask":
        return (
            np.random.default_rng(draw(st.integers(0, 99))).random(shape[: draw(st.integers(1, len(shape)))])
            < 0.5
        )
    count = len(shape) if kind == "pairs" else 1
    arrays = tuple(
        np.asarray(draw(st.lists(st.integers(-n, n - 1), min_size=4, max_size=4))).reshape(2, 2)
        for n in shape[:count]
    )
    return (..., arrays[0] % shape[-1]) if kind == "mixed" else arrays


def here(index):
    """Return an index with its arrays on the device, as primitives are given it."""
    move = lambda part: backend.asarray(part) if isinstance(part, np.ndarray) else part
    return tuple(move(part) for part in index) if isinstance(index, tuple) else move(index)


@case("getitem", holomorphic=True)
def getitem(draw):
    shape = draw(shapes())
    index = index_of(draw, shape)
    return values(draw, shape), lambda x: P.getitem(x, index=here(index))


@case("scatter", holomorphic=True)
def scatter(draw):
    shape = draw(shapes())
    index = index_of(draw, shape)
    return values(draw, np.zeros(shape)[index].shape), lambda v: P.scatter(v, index=here(index), shape=shape)


@case("slice_update", holomorphic=True)
def slice_update(draw):
    shape = draw(shapes())
    index = draw(hnp.basic_indices(shape, allow_ellipsis=True))
    part = np.zeros(shape)[index].shape
    small = tuple(draw(st.sampled_from([1, n])) for n in part)
    return values(draw, shape, small), lambda x, v: P.slice_update(x, v, index=index)


def indices_along(draw, shape, axis):
    count = draw(st.integers(0, 3)) if shape[axis] else 0
    full = (*shape[: axis % len(shape)], count, *shape[axis % len(shape) + 1 :])
    n = max(shape[axis], 1)
    return np.random.default_rng(draw(st.integers(0, 99))).integers(-n, n, full)


@case("take_along_axis", holomorphic=True)
def take_along_axis(draw):
    shape = draw(shapes(min_dims=1))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    indices = indices_along(draw, shape, axis)
    return values(draw, shape), lambda x: P.take_along_axis(x, indices=here(indices), axis=axis)


@case("scatter_along_axis", holomorphic=True)
def scatter_along_axis(draw):
    shape = draw(shapes(min_dims=1))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    indices = indices_along(draw, shape, axis)
    return values(draw, indices.shape), lambda v: P.scatter_along_axis(
        v, indices=here(indices), axis=axis, shape=shape
    )


def windows_of(draw):
    """Return the shape of an array, and windows that fit into it."""
    n = draw(st.integers(1, 2))
    size, strides, dilation = (tuple(draw(st.integers(1, 3)) for _ in range(n)) for _ in range(3))
    steps = [(k - 1) * d + 1 + draw(st.integers(0, 3)) for k, d in zip(size, dilation)]
    shape = (draw(st.integers(0, 2)), *steps, draw(st.integers(0, 2)))
    return shape, {"size": size, "strides": strides, "dilation": dilation}


@case("windows", holomorphic=True)
def windows(draw):
    shape, options = windows_of(draw)
    return values(draw, shape), lambda x: P.windows(x, **options)


@case("overlap_add", holomorphic=True)
def overlap_add(draw):
    shape, options = windows_of(draw)
    full = P.windows(np.zeros(shape), **options).shape
    del options["size"]
    return values(draw, full), lambda v: P.overlap_add(v, shape=shape, **options)
