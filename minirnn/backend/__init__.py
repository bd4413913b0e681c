"""The automatic switch: which array module computes, and what travels between host and device.

Every other module asks here for its arrays; none imports an array library of its own to compute with.
A backend is an object with the few things that array modules do differently (see `numpy_backend.py`,
the readable reference); all else is called on `backend.xp`, the array module itself.
"""

import os
from contextlib import contextmanager

import numpy as np

from minirnn.backend.numpy_backend import NumpyBackend

__all__ = [
    "array_module",
    "asarray",
    "current",
    "device",
    "get_keras_mask",
    "set_backend",
    "set_keras_mask",
    "to_numpy",
]

_BACKENDS = {"numpy": NumpyBackend()}
_active: list[NumpyBackend] = []


def current() -> NumpyBackend:
    """Return the backend on which new arrays are made, choosing it on the first call.

    The environment variable ``MINIRNN_BACKEND`` (``auto``, the default, or a backend's name) decides;
    ``auto`` takes the fastest backend that works on this machine.
    """
    if not _active:
        set_backend(os.environ.get("MINIRNN_BACKEND", "auto"))
    return _active[-1]


def set_backend(name: str) -> None:
    """Choose the backend of all arrays made from now on.

    Parameters
    ----------
    name : str
        "auto" or "numpy".

    Raises
    ------
    ValueError
        If there is no backend of that name.
    """
    chosen = _BACKENDS.get("numpy" if name == "auto" else name)
    if chosen is None:
        raise ValueError(
            f"set_backend: name must be one of auto, {', '.join(_BACKENDS)}; got {name!r}. "
            "(It is also read from the environment variable MINIRNN_BACKEND.)"
        )
    _active[:] = [chosen]


@contextmanager
def device(name: str):
    """Make new arrays on the named device inside a ``with`` block; arrays that exist are not moved.

    Parameters
    ----------
    name : str
        "cpu", "CPU:0" or "/CPU:0".

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
    if kind != "cpu" or int(index or 0) != 0:
        raise RuntimeError(f"device: {name!r} is not on this machine; the devices here are CPU:0.")
    current()
    _active.append(_BACKENDS["numpy"])
    try:
        yield
    finally:
        _active.pop()


def array_module(array):
    """Return the module (numpy, or the device's) whose functions work on `array`."""
    if isinstance(array, np.ndarray | np.generic):
        return np
    for backend in _BACKENDS.values():
        if backend.owns(array):
            return backend.xp
    return current().xp


def backend_of(array) -> NumpyBackend:
    """Return the backend whose array `array` is."""
    for backend in _BACKENDS.values():
        if backend.owns(array):
            return backend
    return current()


def is_array(value) -> bool:
    """Whether `value` is an array (not a Tensor) of any backend."""
    return isinstance(value, np.ndarray) or any(backend.owns(value) for backend in _BACKENDS.values())


def asarray(value, dtype=None):
    """Return `value` as an array of the current backend, without a copy where it is one already."""
    return current().asarray(value, dtype)


def to_numpy(array) -> np.ndarray:
    """Return a NumPy copy of an array of any backend."""
    return backend_of(array).to_numpy(array)


def get_keras_mask(value):
    """Return the mask that travels with a Tensor (or symbolic tensor), or None."""
    return getattr(value, "_keras_mask", None)


def set_keras_mask(value, mask) -> None:
    """Let `mask` (bool, shape of the leading axes of `value`, or None) travel with `value`."""
    value._keras_mask = mask
