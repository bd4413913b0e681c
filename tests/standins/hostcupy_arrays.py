"""The arrays and ufuncs of hostcupy; see `hostcupy.py`, which has all else."""

import functools
import operator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tests.standins.hostcupy_memory import MemoryPointer, allocate, poisoned
from tests.standins.hostcupy_rules import FROM_NUMBERS, LACKING, NEVER, Device, names

_NUMBERS = bool | int | float | complex | np.generic

reads = 0
OWN = {}  # functions that are more than NumPy's on arrays of the device, by name; hostcupy adds them


@contextmanager
def count_reads():
    """Give a list whose only entry, at the end of the ``with`` block, is how often the host read a value."""
    before, counted = reads, []
    yield counted
    counted.append(reads - before)


def _read(array):
    global reads
    reads += 1
    return array._host


def _unsupported(value):
    return TypeError(f"Unsupported type {type(value)}")


def host_of(value):
    """Return an argument as NumPy is to have it, or raise what CuPy raises."""
    if isinstance(value, ndarray):
        if value.device.id != Device.current():
            raise ValueError(
                "Array device must be same as the current device: "
                f"array device = {value.device.id} while current = {Device.current()}"
            )
        return value._host
    if isinstance(value, list | tuple):
        return type(value)([host_of(v) for v in value])
    if hasattr(value, "__array__") and not isinstance(value, _NUMBERS | type):
        raise _unsupported(value)
    return value


def wrapped(result):
    """Return what NumPy gave as arrays of the current device."""
    if isinstance(result, np.ndarray | np.generic):
        return new(np.asarray(result))
    if isinstance(result, tuple | list):
        return tuple(wrapped(r) for r in result) if isinstance(result, tuple) else [*map(wrapped, result)]
    return result


def new(host):
    if host.dtype.kind not in "biufc":
        raise ValueError(f"Unsupported dtype {host.dtype}")
    array = object.__new__(ndarray)
    array._host, array.device = allocate(host), Device()
    return array


def call(function, args, options, first_is_array=True):
    """Call a function of NumPy on unwrapped arguments; `out` is written and returned."""
    if first_is_array and args and not isinstance(args[0], ndarray | str | list | tuple | _NUMBERS):
        raise _unsupported(args[0])
    if first_is_array and args and isinstance(args[0], list | tuple) and not _holds_arrays(args[0]):
        raise _unsupported(args[0])
    out = options.pop("out", None)
    options = {name: host_of(value) for name, value in options.items()}
    if out is not None:
        if not isinstance(out, ndarray):
            raise TypeError("Output arguments type must be cupy.ndarray")
        options["out"] = host_of(out)
    with np.errstate(all="ignore"):
        result = function(*host_of(tuple(args)), **options)
    return wrapped(result) if out is None else out


def _holds_arrays(values):
    return all(isinstance(v, ndarray) or (isinstance(v, list | tuple) and _holds_arrays(v)) for v in values)


class ufunc:
    """One of NumPy's ufuncs, on arrays of the device and numbers alone."""

    _SCATTERED = ("int32", "float16", "float32", "float64", "uint32", "uint64")

    def __init__(self, function):
        self._function, self.__name__ = function, function.__name__

    def __call__(self, *args, out=None, where=True, dtype=None, casting="same_kind"):
        for value in args:
            if not isinstance(value, ndarray | _NUMBERS):
                raise _unsupported(value)
        options = {"dtype": dtype, "casting": casting}
        if where is not True:
            options["where"] = where
        if isinstance(out, tuple):
            (out,) = out
        return call(self._function, args, {**options, "out": out}, first_is_array=False)

    def at(self, array, indices, values=None):
        if self.__name__ not in ("add", "maximum", "minimum"):
            raise NotImplementedError(f"`cupy_{self.__name__}.at` is not supported yet")
        if array.dtype.name not in self._SCATTERED:
            raise TypeError(
                "scatter_add only supports int32, float16, float32, float64, uint32, uint64, as data type"
            )
        self._function.at(host_of(array), _index(indices, array.shape), host_of(values))

    def reduce(self, array, axis=0, dtype=None, out=None, keepdims=False):
        if self.__name__ not in ("add", "multiply"):
            raise NotImplementedError(f"`cupy_{self.__name__}.reduce` is not supported yet")
        options = {"axis": axis, "dtype": dtype, "keepdims": keepdims, "out": out}
        return call(self._function.reduce, (array,), options)

    def __repr__(self):
        return f"<hostcupy ufunc {self.__name__}>"


def _index(index, shape):
    """Return an index with its integer arrays wrapped around their axes, as CuPy's kernels do."""
    items = [_index_item(item) for item in (index if isinstance(index, tuple) else (index,))]
    spans = [_span(item) for item in items]
    result, axis = [], 0
    for item, span in zip(items, spans):
        if isinstance(item, np.ndarray) and item.dtype.kind in "iu" and axis < len(shape) and shape[axis]:
            item = item.astype(np.int64) % shape[axis]
        axis += len(shape) - sum(spans) if item is Ellipsis else span
        result.append(item)
    return tuple(result)


def _index_item(item):
    if isinstance(item, ndarray):
        return host_of(item)
    if hasattr(item, "__array__") and not isinstance(item, _NUMBERS):
        raise _unsupported(item)
    return np.array(item, None if item else np.int32) if isinstance(item, list) else item


def _span(item):
    if item is None or item is Ellipsis or isinstance(item, bool | np.bool_):
        return 0
    return item.ndim if isinstance(item, np.ndarray) and item.dtype.kind == "b" else 1


class ndarray:
    """An array in host memory that may be read only in the ways that CuPy allows."""

    __slots__ = ("__weakref__", "_host", "device")
    __array_priority__ = 100
    __hash__ = None

    def __init__(self, shape, dtype=float):
        self._host, self.device = allocate(poisoned(np.empty(shape, dtype))), Device()

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    itemsize = property(lambda self: self._host.itemsize)
    nbytes = property(lambda self: self._host.nbytes)
    strides = property(lambda self: self._host.strides)
    flags = property(lambda self: self._host.flags)
    T = property(lambda self: wrapped(self._host.T))
    real = property(lambda self: wrapped(self._host.real))
    imag = property(lambda self: wrapped(self._host.imag))

    @property
    def data(self):
        return MemoryPointer(self._host, self.device)

    def get(self):
        return _read(self).copy()

    def item(self, *args):
        return _read(self).item(*args)

    def tolist(self):
        return _read(self).tolist()

    def __bool__(self):
        return bool(_read(self))

    def __float__(self):
        return float(_read(self).item())

    def __int__(self):
        return int(_read(self).item())

    def __complex__(self):
        return complex(_read(self).item())

    def __repr__(self):
        return repr(_read(self))

    def __str__(self):
        return str(_read(self))

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy "
            "array explicitly."
        )

    def __array_ufunc__(self, function, method, *inputs, **options):
        mine = attribute(function.__name__) if method == "__call__" else NotImplemented
        return mine if mine is NotImplemented else mine(*inputs, **options)

    def __array_function__(self, function, classes, args, options):
        if not all(issubclass(c, ndarray) for c in classes):
            return NotImplemented
        return attribute(function.__name__)(*args, **options)

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return iter([self[i] for i in range(len(self))])

    def __getitem__(self, index):
        result = host_of(self)[_index(index, self.shape)]
        return wrapped(result)

    def __setitem__(self, index, value):
        if not isinstance(value, ndarray | _NUMBERS):
            raise _unsupported(value)
        with np.errstate(all="ignore"):
            host_of(self)[_index(index, self.shape)] = host_of(value)

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        with self.device:
            return self.copy()

    def __reduce__(self):
        return array, (self.get(),)

    def copy(self, order: Any = "C"):
        return wrapped(self._host.copy(order))

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
        if not copy and self.dtype == dtype:
            return self
        return call(np.ndarray.astype, (self, dtype), {"order": order})

    def fill(self, value):
        self[...] = value

    def scatter_add(self, index, values):
        attribute("add").at(self, index, values)


def _method(name):
    function = getattr(np.ndarray, name)

    def method(self, *args, **options):
        if unknown := set(options) & set(NEVER):
            raise TypeError(f"{name}() got an unexpected keyword argument {unknown.pop()!r}")
        return call(function, (self, *args), options)

    method.__name__ = name
    return method


for _name in names(
    """all any argmax argmin argpartition argsort choose clip compress conj cumprod cumsum diagonal dot
    flatten max mean min nonzero partition prod put ravel repeat reshape round searchsorted sort squeeze
    std sum swapaxes take trace transpose var view"""
):
    setattr(ndarray, _name, _method(_name))


def _gives_way(other):
    """Whether an operator leaves its work to the other operand's reflected one."""
    return not isinstance(other, ndarray | np.ndarray | _NUMBERS) and (
        getattr(other, "__array_priority__", -1) > ndarray.__array_priority__
    )


def _binary_operator(name, function, reflected=False):
    def method(self, other):
        if _gives_way(other):
            return NotImplemented
        if not isinstance(other, ndarray | _NUMBERS):
            raise _unsupported(other)
        args = (other, self) if reflected else (self, other)
        return call(function, args, {}, first_is_array=False)

    method.__name__ = name
    return method


def _unary_operator(function):
    return lambda self: call(function, (self,), {})


def _in_place_operator(name, function):
    def method(self, other):
        if not isinstance(other, ndarray | _NUMBERS):
            raise _unsupported(other)
        with np.errstate(all="ignore"):
            function(host_of(self), host_of(other), out=host_of(self))
        return self

    method.__name__ = name
    return method


for _name, _function in {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.true_divide,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
    "pow": np.power,
    "matmul": np.matmul,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "lshift": np.left_shift,
    "rshift": np.right_shift,
}.items():
    setattr(ndarray, f"__{_name}__", _binary_operator(_name, getattr(operator, f"__{_name}__")))
    setattr(ndarray, f"__r{_name}__", _binary_operator(_name, getattr(operator, f"__{_name}__"), True))
    if _name != "matmul":
        setattr(ndarray, f"__i{_name}__", _in_place_operator(_name, _function))
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(ndarray, f"__{_name}__", _binary_operator(_name, getattr(operator, _name)))
for _name in ("neg", "pos", "abs", "invert"):
    setattr(ndarray, f"__{_name}__", _unary_operator(getattr(operator, _name)))


def asarray(a, dtype=None, order=None):
    """Return an array of the current device; one that is there already stays what it is."""
    if isinstance(a, ndarray) and a.device == Device() and (dtype is None or a.dtype == dtype):
        return a
    return array(a, dtype)


def array(obj, dtype=None, copy=True, order="K"):
    """Return a copy on the device, of host values too."""
    if isinstance(obj, list | tuple) and obj and _holds_arrays(obj):
        obj = host_of(obj)
    elif isinstance(obj, ndarray):
        obj = obj._host  # of another device too: this is how CuPy copies between devices
    elif type(obj).__name__ == "Tensor":
        raise _unsupported(obj)
    return new(np.array(obj, dtype))


def wrap_function(function, name):
    def method(*args, **options):
        if unknown := set(options) & set(NEVER):
            raise TypeError(f"{name}() got an unexpected keyword argument {unknown.pop()!r}")
        return call(function, args, options, first_is_array=name not in FROM_NUMBERS)

    method.__name__ = name
    return method


@functools.cache
def attribute(name):
    if name in OWN:
        return OWN[name]
    if name in LACKING or name.startswith("_") or not hasattr(np, name):
        raise AttributeError(f"module 'hostcupy' has no attribute {name!r}")
    value = getattr(np, name)
    if isinstance(value, np.ufunc):
        return ufunc(value)
    if isinstance(value, type) or not callable(value):
        return value
    return wrap_function(value, name)
