"""Batches loaded ahead of their use by threads, in their order."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice


def load(data, index, where):
    """Return ``data[index]``; an error says which batch it was.

    Raises
    ------
    RuntimeError
        If loading raises anything; that is its ``__cause__``. A MemoryError stays one, with a note.
    """
    what = f"{where}: batch {index} of {type(data).__name__} could not be loaded"
    try:
        return data[index]
    except MemoryError as error:
        error.add_note(f"{what}.")
        raise
    except Exception as error:
        raise RuntimeError(f"{what}: {type(error).__name__}: {error}") from error


def loaded(data, order: Iterable[int], where, workers=1, max_queue_size=10) -> Iterator:
    """Yield the batches of `data` in the order of their indices.

    Parameters
    ----------
    data : object with ``__getitem__``
    order : iterable of int
        May be endless.
    where : str
        Begins the errors.
    workers : int
        How many threads load at once; with fewer than 2 each batch is loaded here when its turn comes.
    max_queue_size : int
        How many batches at most are loaded, or being loaded, before they are asked for.

    Notes
    -----
    Closing the generator, or an error in it, ends the threads: batches not begun are dropped, those being
    loaded are waited for.
    """
    if workers < 2:
        for index in order:
            yield load(data, index, where)
        return
    from concurrent.futures import ThreadPoolExecutor

    order = iter(order)
    pool = ThreadPoolExecutor(min(workers, max_queue_size), thread_name_prefix="minirnn-data")
    waiting = deque()

    def fill():
        for index in islice(order, max_queue_size - len(waiting)):
            waiting.append(pool.submit(load, data, index, where))

    try:
        fill()
        while waiting:
            batch = waiting.popleft().result()
            fill()
            yield batch
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
