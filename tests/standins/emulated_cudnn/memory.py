"""Raw memory: what callers hand over as addresses, and nothing of their Python objects.

An address of the device must be one that hostcupy gave out, with enough memory behind it; one of the host
must not. Where a library would crash or compute with what lies beyond an array, a call is refused here.
"""

import ctypes

import numpy as np

from tests.standins import hostcupy_memory
from tests.standins.emulated_cudnn.header import Refused

ITEM = 16  # every space that cuDNN divides by itself begins at a multiple


def view(address, dtype, shape):
    """Return an array on memory of the host's address."""
    dtype = np.dtype(dtype)
    nbytes = dtype.itemsize * int(np.prod(shape))
    return np.frombuffer((ctypes.c_byte * nbytes).from_address(address), dtype).reshape(shape)


def store(address, ctype, value, what="an output"):
    """Write a number where the host wants it."""
    ctype.from_address(host(address, what)).value = value


def host(address, what):
    """Return an address that must be one of the host."""
    if not address:
        raise Refused("BAD_PARAM_NULL_POINTER", f"{what} is NULL")
    if address >= hostcupy_memory.TAG:
        raise Refused("EXECUTION_FAILED", f"{what} must be in memory of the host and is of a device")
    return address


def device(address, nbytes, what, number, dtype=None, alignment=1):
    """Return the host's address for one of the device, with at least `nbytes` bytes behind it.

    Parameters
    ----------
    address : int or None
    nbytes : int
    what : str
        The argument's name, for the words of a refusal.
    number : int
        Of the device that it must be on.
    dtype : str, optional
        That the array must have.
    alignment : int
        The address must be a multiple.
    """
    if not address:
        raise Refused("BAD_PARAM_NULL_POINTER", f"{what} is NULL")
    if address < hostcupy_memory.TAG:
        raise Refused("EXECUTION_FAILED", f"{what} must be in memory of a device and is of the host")
    found = hostcupy_memory.find(address)
    if found is None:
        raise Refused("EXECUTION_FAILED", f"{what} is in memory that was freed or never allocated")
    address, block = found
    if block.device != number:
        raise Refused(
            "EXECUTION_FAILED", f"{what} is on device {block.device}, while the handle is of device {number}"
        )
    if dtype is not None and block.dtype != dtype:
        raise Refused("EXECUTION_FAILED", f"{what} is an array of {block.dtype} where the call is of {dtype}")
    if block.nbytes < nbytes:
        raise Refused(
            "EXECUTION_FAILED", f"{what} has {block.nbytes} contiguous bytes where the call needs {nbytes}"
        )
    if address % alignment:
        raise Refused("BAD_PARAM_MISALIGNED_POINTER", f"{what} is not aligned to {alignment} bytes")
    return address


def apart(written, read):
    """Refuse outputs that overlap another buffer of the call; both are lists of (name, address, nbytes)."""
    for i, (name, start, nbytes) in enumerate(written):
        for other, begin, length in [*written[i + 1 :], *read]:
            if start < begin + length and begin < start + nbytes:
                raise Refused("EXECUTION_FAILED", f"{name} overlaps {other}")
