"""How a call of an op is written down: what draws its arguments, and what NumPy says to it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

F = np.float64


class Maker:
    """Draws arguments; every size is one of B, T, D."""

    def __init__(self, seed=0, sizes=(2, 3, 4), dtype="float32"):
        self.rng = np.random.default_rng(seed)
        self.B, self.T, self.D = sizes
        self.dtype = dtype

    def x(self, *shape, low=-1.95, high=2.05):
        """Floats, all different and none nearer than 0.001 to a multiple of ½."""
        n = math.prod(shape)
        flat = np.linspace(low, high, n + 2)[1:-1]
        flat = np.where(np.abs(flat - np.rint(2 * flat) / 2) < 4e-3, flat + 0.01, flat)
        return self.rng.permutation(flat).reshape(shape).astype(self.dtype)

    def pos(self, *shape):
        return self.x(*shape, low=0.55, high=2.45)

    def unit(self, *shape):
        return self.x(*shape, low=-0.9, high=0.9)

    def p(self, *shape):
        """Probabilities that sum to 1 along the last axis."""
        values = self.pos(*shape)
        return values / values.sum(axis=-1, keepdims=True)

    def i(self, *shape, low=0, high=3):
        return self.rng.integers(low, high, shape).astype("int32")

    def b(self, *shape):
        return self.rng.random(shape) < 0.5


@dataclass
class Call:
    args: tuple
    kwargs: dict


@dataclass
class Entry:
    name: str
    make: Callable[[Maker], Call]
    reference: Callable[..., Any]

    def __repr__(self):
        return self.name


ENTRIES: list[Entry] = []


def entry(name, make, reference=None):
    ENTRIES.append(Entry(name, make, reference or getattr(np, name)))


def c(*args, **kwargs):
    return Call(args, kwargs)


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(F)))


def log_softmax(x, axis=-1):
    x = x.astype(F)
    return x - np.log(np.exp(x).sum(axis=axis, keepdims=True))


def wide(function):
    """A reference that computes in float64."""
    return lambda *xs, **kwargs: function(
        *(x.astype(F) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in xs), **kwargs
    )


erf = np.vectorize(math.erf, otypes=[F])
