"""hostcupy, a stand-in for CuPy: arrays in host memory under CuPy's names and CuPy's prohibitions.

It computes with NumPy and is no faster. What it is for is to refuse what CuPy 14 refuses: NumPy arrays among
the arguments, conversion to a NumPy array unasked, arrays of another device, names and options that CuPy
lacks. As in CuPy a reduction gives an array of no axes, never a number; an array has no `__index__`; integer
arrays used as indices wrap around an axis in place of an IndexError; nothing warns of overflow. In one thing
it is stricter: CuPy uploads NumPy arrays used as indices without a word, here they are a TypeError.

What nothing has filled is poisoned: `empty`, `empty_like` and `ndarray` give nan, or a large odd number.
`out_of_memory_after` lets an allocation fail. Addresses of arrays are those of `hostcupy_memory`.

`count_reads` counts what would wait for the device to bring a value to the host: ``get``, ``item``,
``float``, ``int``, ``bool``, ``tolist`` and what prints.
"""

import math
import types
from typing import Any

import numpy as np

from tests.standins import hostcupy_arrays as _arrays
from tests.standins.hostcupy_arrays import array, asarray, count_reads, ndarray, ufunc
from tests.standins.hostcupy_dlpack import from_dlpack
from tests.standins.hostcupy_memory import out_of_memory_after, poisoned
from tests.standins.hostcupy_rules import DRAWS, LACKING, LACKING_LINALG, Device, cuda

__all__ = [
    "DRAWS",
    "LACKING",
    "LACKING_LINALG",
    "Device",
    "array",
    "asarray",
    "count_reads",
    "cuda",
    "from_dlpack",
    "ndarray",
    "out_of_memory_after",
    "ufunc",
]


def empty(shape, dtype: Any = float, order: Any = "C"):
    """Return an array that nobody has filled."""
    return _arrays.new(poisoned(np.empty(shape, dtype, order)))


def empty_like(prototype, dtype=None, order: Any = "K", subok=None, shape=None):
    """Return an array like another, that nobody has filled."""
    if not isinstance(prototype, ndarray):
        raise TypeError(f"Unsupported type {type(prototype)}")
    return _arrays.new(poisoned(np.empty_like(_arrays.host_of(prototype), dtype, order, shape=shape)))


def ascontiguousarray(a, dtype=None):
    """Return `a`, or a copy where its memory has not that order."""
    a = asarray(a, dtype)
    return a if a.flags.c_contiguous else _arrays.new(np.ascontiguousarray(a._host))


def asnumpy(a):
    """Return a copy in host memory, the explicit way out."""
    return a.get() if isinstance(a, ndarray) else np.asarray(a)


def copyto(dst, src, casting: Any = "same_kind", where=None):
    """Write `src`, an array or a number, into `dst`."""
    if isinstance(src, np.ndarray):
        raise ValueError("non-scalar numpy.ndarray cannot be used for copyto")
    mask = True if where is None else _arrays.host_of(where)
    np.copyto(_arrays.host_of(dst), _arrays.host_of(src), casting, where=mask)


def take_along_axis(a, indices, axis):
    """Return elements at each line's own indices, which wrap around the axis."""
    inside = _arrays.host_of(indices) % max(a.shape[axis], 1)
    return _arrays.wrapped(np.take_along_axis(_arrays.host_of(a), inside, axis))


class _Philox4x3210:
    def __init__(self, seed=None):
        self._numpy = np.random.Philox(np.random.SeedSequence(seed))


class _Generator:
    """CuPy's draws; the numbers are those of NumPy's Philox, so that results can be compared."""

    def __init__(self, bit_generator):
        self._numpy = np.random.Generator(bit_generator._numpy)

    def __getattr__(self, name):
        if name not in DRAWS:
            raise AttributeError(f"'Generator' object has no attribute {name!r}")
        draw = getattr(self._numpy, name)
        return lambda *args, **options: _arrays.call(draw, args, options, first_is_array=False)


def _by_element(function):
    return lambda x: _arrays.call(np.vectorize(function, otypes=[x.dtype]), (x,), {})


def _as_strided(x, shape=None, strides=None):
    return _arrays.wrapped(np.lib.stride_tricks.as_strided(_arrays.host_of(x), shape, strides))


lib = types.SimpleNamespace(stride_tricks=types.SimpleNamespace(as_strided=_as_strided))
random = types.SimpleNamespace(Generator=_Generator, Philox4x3210=_Philox4x3210)
special = types.SimpleNamespace(erf=_by_element(math.erf), erfc=_by_element(math.erfc))  # cupyx.scipy.special


class _Linalg:
    def __getattr__(self, name):
        if name in LACKING_LINALG:
            raise AttributeError(f"module 'hostcupy.linalg' has no attribute {name!r}")
        return _arrays.wrap_function(getattr(np.linalg, name), name)


linalg = _Linalg()


_arrays.OWN.update(
    {f.__name__: f for f in (array, asarray, ascontiguousarray, copyto, empty, empty_like, take_along_axis)}
)


def __getattr__(name):
    return _arrays.attribute(name)
