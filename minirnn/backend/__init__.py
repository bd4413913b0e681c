"""The automatic switch: which array module computes, and what travels between host and device.

Every other module asks here for the array library to compute with; shortcuts that call NumPy by name first
make sure that the arrays are NumPy's. A backend is an object with the few things that array modules do
differently (see `numpy_backend.py`, the readable reference); all else is called on `backend.xp`, the array
module itself.
"""

import importlib
import os
import threading
import warnings
from contextlib import contextmanager

import numpy as np

from minirnn.backend import dlpack
from minirnn.backend.numpy_backend import NumpyBackend

# What `keras.backend` has and minirnn has elsewhere: nothing here needs it, and it loads when asked for.
_ELSEWHERE = {
    "backend": "config",
    "clear_session": "utils.naming",
    "epsilon": "config",
    "floatx": "config",
    "is_keras_tensor": "ops.symbolic",
    "set_epsilon": "config",
    "set_floatx": "config",
}

__all__ = [
    "array_module",
    "asarray",
    "copy",
    "current",
    "device",
    "from_dlpack",
    "get_keras_mask",
    "set_backend",
    "set_keras_mask",
    "to_device",
    "to_numpy",
    *_ELSEWHERE,
]  # pyright: ignore[reportUnsupportedDunderAll]

_NAMES = ("auto", "numpy", "cupy")
_BACKENDS: dict[str, NumpyBackend] = {"numpy": NumpyBackend()}  # the others are added when they are made
_chosen: list[NumpyBackend] = []
_warned: set[str] = set()


def __getattr__(name):
    if name in _ELSEWHERE:
        return getattr(importlib.import_module(f"minirnn.{_ELSEWHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _Thread(threading.local):
    blocks: tuple[NumpyBackend, ...] = ()  # of `device`, the innermost last


_thread = _Thread()


def current() -> NumpyBackend:
    """Return the backend on which new arrays are made, choosing it on the first call.

    The environment variable ``MINIRNN_BACKEND`` (``auto``, the default, or a backend's name) decides;
    ``auto`` takes CuPy where it is installed and finds a GPU that works, and NumPy elsewhere.
    """
    blocks = _thread.blocks
    if blocks:
        return blocks[-1]
    if not _chosen:
        set_backend(os.environ.get("MINIRNN_BACKEND", "auto"))
    return _chosen[0]


def on_host() -> bool:
    """Whether new arrays are NumPy's."""
    return current().xp is np


def set_backend(name: str) -> None:
    """Choose the backend of all arrays made from now on; arrays that exist are not moved.

    Parameters
    ----------
    name : str
        "auto", "numpy" or "cupy". With "auto" a CuPy that is installed but does not work is warned of once.

    Raises
    ------
    ValueError
        If there is no backend of that name.
    RuntimeError
        If "cupy" is asked for and does not work here; the message says why and what to install.
    """
    if name not in _NAMES:
        raise ValueError(
            f"set_backend: name must be one of {', '.join(_NAMES)}; got {name!r}. "
            "(It is also read from the environment variable MINIRNN_BACKEND.)"
        )
    _chosen[:] = [_automatic() if name == "auto" else find(name)]


def find(name) -> NumpyBackend:
    """Return the backend "numpy" or "cupy", made when it is first asked for, without choosing it.

    Raises
    ------
    RuntimeError
        If it does not work here; the message says why and what to install.
    """
    if name not in _BACKENDS:
        from minirnn.backend import cupy_backend

        _BACKENDS[name] = cupy_backend.load()
    return _BACKENDS[name]


def _automatic() -> NumpyBackend:
    from minirnn.backend.cupy_backend import Unavailable

    try:
        return find("cupy")
    except Unavailable as error:
        if error.broken and str(error) not in _warned:
            _warned.add(str(error))
            warnings.warn(f"minirnn computes with NumPy. {error}", RuntimeWarning, stacklevel=2)
    return _BACKENDS["numpy"]


@contextmanager
def device(name: str):
    """Make new arrays on the named device inside a ``with`` block of this thread; none that exists is moved.

    Parameters
    ----------
    name : str
        "cpu", "CPU:0" or "/CPU:0"; "gpu", "gpu:1" or "/GPU:1".

    Raises
    ------
    ValueError
        If the name is not that of a device.
    RuntimeError
        If there is no such device on this machine.
    """
    kind, _, index = str(name).lower().removeprefix("/").removeprefix("device:").partition(":")
    if kind not in ("cpu", "gpu", "cuda") or (index and not index.isdigit()):
        raise ValueError(f"device: name must be like 'cpu', 'CPU:0' or 'gpu:1'; got {name!r}.")
    number, host, why = int(index or 0), _BACKENDS["numpy"], ""
    chosen, here = host, host.devices()
    if kind != "cpu":
        try:
            chosen = find("cupy")
            here = here + chosen.devices()
        except RuntimeError as error:
            why = f" {error}"
    if f"{'CPU' if kind == 'cpu' else 'GPU'}:{number}" not in here:
        raise RuntimeError(
            f"device: {name!r} is not on this machine; the devices here are {', '.join(here)}.{why}"
        )
    before = _thread.blocks
    _thread.blocks = (*before, chosen)
    try:
        with chosen.on(number):
            yield
    finally:
        _thread.blocks = before


def array_module(array):
    """Return the module (numpy, or the device's) whose functions work on `array`."""
    if isinstance(array, np.ndarray | np.generic):
        return np
    return backend_of(array).xp


def backend_of(array) -> NumpyBackend:
    """Return the backend whose array `array` is."""
    for backend in _BACKENDS.values():
        if backend.owns(array):
            return backend
    return _BACKENDS["numpy"] if isinstance(array, np.generic) else current()


def is_array(value) -> bool:
    """Whether `value` is an array (not a Tensor) of any backend."""
    return isinstance(value, np.ndarray) or any(backend.owns(value) for backend in _BACKENDS.values())


def asarray(value, dtype=None):
    """Return `value` as an array, without a copy where it is one already.

    What the host holds, NumPy arrays too, becomes an array of the current backend; an array of a GPU stays
    on that GPU.
    """
    gpu = _BACKENDS.get("cupy")
    return (gpu if gpu is not None and gpu.owns(value) else current()).asarray(value, dtype)


def asarray_beside(value, array, dtype=None):
    """Return `value` as an array on the device of `array`.

    Raises
    ------
    ValueError
        If it is an array of another GPU, or of a GPU where `array` is on the host.
    """
    if is_array(value) and not isinstance(value, np.ndarray):
        check_one_device("assign", value, array)
    return backend_of(array).asarray_beside(value, array, dtype)


def owned(array, value):
    """Return what `asarray` made of `value` in memory of its own: a copy, unless it surely has that already.

    NumPy takes the memory of much that is none of its arrays: memory maps, PyTorch's tensors, buffers.
    """
    if isinstance(value, list | tuple | int | float | complex | np.generic):
        return array
    if is_array(value) and (value.dtype != array.dtype or backend_of(value) is not backend_of(array)):
        return array
    return copy(array)


def check_one_device(name, *arrays) -> None:
    """Raise ValueError, in the name of an operation, if the arrays are not all on one device."""
    found = {backend_of(a).device_of(a): None for a in arrays if is_array(a)}
    if len(found) > 1:
        raise ValueError(
            f"{name}: the arrays must be on one device; got one on {' and one on '.join(found)}. Make them "
            "inside the same `with minirnn.device(...)`, or move one with minirnn.backend.to_device."
        )


def copy(array):
    """Return a copy of an array of any backend, on its own device."""
    return backend_of(array).copy(array)


def to_device(array):
    """Return an array of any device as one of the current device; see `device`.

    It is not copied where it is on that device already.
    """
    here = current()
    if here.xp is np:
        return array if isinstance(array, np.ndarray) else to_numpy(array)
    return here.xp.asarray(array)


def to_numpy(array) -> np.ndarray:
    """Return a NumPy copy of an array of any backend."""
    return backend_of(array).to_numpy(array)


def from_dlpack(value):
    """Return another library's array as a raw array on the same device, in the same memory.

    Parameters
    ----------
    value : object with ``__dlpack__`` and ``__dlpack_device__``
        An array of NumPy, CuPy, PyTorch, JAX or minirnn.

    Raises
    ------
    TypeError
        If it is no such object.
    ValueError
        If it is neither on the CPU nor on a CUDA GPU.
    RuntimeError
        If it is on a GPU and CuPy does not work here.
    BufferError
        If it cannot be shared, because of its dtype, or as it requires a gradient.
    """
    if not dlpack.is_on_host(value):
        try:
            gpu = find("cupy")
        except RuntimeError as error:
            raise RuntimeError(
                f"from_dlpack: the array is on a GPU, where minirnn computes with CuPy. {error} Or copy the "
                "array to the CPU first."
            ) from error
        return gpu.xp.from_dlpack(value)
    try:
        return np.from_dlpack(value)
    except RuntimeError as error:
        dtype = getattr(value, "dtype", "not known")
        raise BufferError(
            f"from_dlpack: NumPy cannot take the array, whose dtype is {dtype}: {error}"
        ) from error


def get_keras_mask(value):
    """Return the mask that travels with a Tensor (or symbolic tensor), or None."""
    return getattr(value, "_keras_mask", None)


def set_keras_mask(value, mask) -> None:
    """Let `mask` (bool, shape of the leading axes of `value`, or None) travel with `value`."""
    value._keras_mask = mask
