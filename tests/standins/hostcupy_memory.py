"""Memory of hostcupy's devices: addresses that no host pointer equals, poison, and running out of it.

An address of a device is the host's with `TAG` added. Whoever is to read there asks `find`, as a stand-in for
a library that computes on the device does: it knows the addresses that were asked of arrays, how much lies
behind each, and whether it has been freed.
"""

import weakref
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

TAG = 1 << 60


class OutOfMemoryError(MemoryError):
    """The device has no memory for an array."""

    def __init__(self, size, total):
        super().__init__(f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes).")


class Block(NamedTuple):
    """What lies behind an address: `nbytes` is 0 where an array's elements are not side by side."""

    owner: Any  # weak reference to the array that holds the memory
    nbytes: int
    dtype: np.dtype
    device: int


_blocks: dict[int, Block] = {}  # by address on the host, as `.data` was last asked for


class MemoryPointer:
    """What an array's ``data`` is."""

    def __init__(self, host, device):
        self.device, self.ptr = device, 0
        if host.nbytes:
            address = host.__array_interface__["data"][0]
            owner = host
            while isinstance(owner.base, np.ndarray):
                owner = owner.base
            nbytes = host.nbytes if host.flags.c_contiguous else 0
            _blocks[address] = Block(weakref.ref(owner), nbytes, host.dtype, device.id)
            self.ptr = address + TAG
            if len(_blocks) > 10_000:
                for stale in [a for a, block in list(_blocks.items()) if block.owner() is None]:
                    _blocks.pop(stale, None)


def find(address: int) -> tuple[int, Block] | None:
    """Return the host's address for a device's and what is known to lie behind it; None if nothing is."""
    address -= TAG
    block = _blocks.get(address)
    if block is not None:
        return (address, block) if block.owner() is not None else None
    for start, block in list(_blocks.items()):
        if start < address < start + block.nbytes and block.owner() is not None:
            return address, block._replace(nbytes=start + block.nbytes - address)
    return None


def poisoned(host):
    """Return a fresh array filled with what no computation should have met: nan, or a large odd number."""
    if host.dtype.kind in "fc":
        host.fill(np.nan)
    elif host.dtype.kind in "iu":
        host.fill(np.iinfo(host.dtype).max)
    elif host.dtype.kind == "b":
        host.fill(True)
    return host


class _Shortage:
    """Which of the allocations from here on fails.

    Attributes
    ----------
    allocations : int
        How many there have been.
    failed : bool
        Whether the one that was to fail has been asked for.
    """

    def __init__(self, after):
        self.after, self.allocations, self.bytes = after, 0, 0
        self.failed = False


_shortages: list[_Shortage] = []


@contextmanager
def out_of_memory_after(n):
    """Let the n-th allocation in a ``with`` block fail, with OutOfMemoryError, and those after it succeed.

    Gives an object whose `allocations` counts them and whose `failed` tells whether the n-th was reached.
    """
    shortage = _Shortage(n)
    _shortages.append(shortage)
    try:
        yield shortage
    finally:
        _shortages.remove(shortage)


def allocate(host):
    """Return an array, unless it needs memory of its own and there is none left."""
    if _shortages and host.base is None and host.nbytes:
        for shortage in _shortages:
            shortage.allocations += 1
            if shortage.allocations == shortage.after:
                shortage.failed = True
                raise OutOfMemoryError(host.nbytes, shortage.bytes)
            shortage.bytes += host.nbytes
    return host
