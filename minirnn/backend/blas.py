"""How many threads NumPy's BLAS may use: one for small products, its usual number for large ones.

BLAS splits a product of a recurrent step over its threads although there is little to split. The threads wait
for one another, spinning; where another program wants one of the cores, each of thousands of small products
can take a hundred times as long. Changing the number costs about 11 µs and is for the whole process, so it is
changed inside of `by_size` alone, where a product's size asks for it, and put back at the end.
"""

import functools
import threading
from contextlib import contextmanager

LARGE_PRODUCT = 8_000_000  # multiplications in a product, from which on a second thread pays


class _State:
    depth = 0
    held = False
    usual: list[int] = []


_lock = threading.RLock()


@functools.cache
def _libraries() -> list:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas").lib_controllers


def _set(counts) -> None:
    for library, count in zip(_libraries(), counts):
        # threadpoolctl from 3.8 on lets only the thread that was first set OpenBLAS's number. Whichever of
        # ours leaves `by_size` last must be able to; the lock here keeps them apart.
        release = getattr(library, "clear_controlling_thread", lambda force: None)
        release(force=True)
        library.set_num_threads(count)
        release(force=True)


def threads() -> int:
    """Return how many threads BLAS uses for a large product."""
    with _lock:
        counts = _State.usual if _State.depth else [library.num_threads for library in _libraries()]
        return max(counts, default=1)


@contextmanager
def by_size():
    """Let `before_product` choose the number of threads in a ``with`` block; blocks may nest."""
    with _lock:
        if not _State.depth:
            _State.usual = [library.num_threads for library in _libraries()]
        _State.depth += 1
    try:
        yield
    finally:
        with _lock:
            _State.depth -= 1
            if not _State.depth and _State.held:
                _set(_State.usual)
                _State.held = False


def before_product(multiplications: float) -> None:
    """Set the number of threads for a product of so many multiplications; does nothing outside `by_size`."""
    small = multiplications < LARGE_PRODUCT
    if _State.depth and _State.held != small:
        with _lock:  # by which time another thread may have done it
            if _State.depth and _State.held != small:
                _State.held = small
                _set([1] * len(_State.usual) if small else _State.usual)


@contextmanager
def one_thread():
    """Hold BLAS to one thread in a ``with`` block, but for products that `before_product` finds large."""
    with by_size():
        before_product(0)
        yield
