"""Several processes of one peer, each with a case of its own: the answers are the same as of one."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, TypeVar

from minirnn.testing.case import Question
from minirnn.testing.engine import Answer
from minirnn.testing.process import KerasProcess

T = TypeVar("T")
CASES_A_PROCESS = 20  # for fewer it is not worth starting one more


class KerasPool:
    """The side of Keras in several processes.

    Parameters
    ----------
    backend : str
    count : int
    """

    def __init__(self, backend: str, count: int):
        self._processes = [KerasProcess(backend) for _ in range(count)]
        self.name, self.count = self._processes[0].name, count
        self._free: SimpleQueue[KerasProcess] = SimpleQueue()
        self._threads = ThreadPoolExecutor(count)
        try:
            for process in self._processes:
                process.greet()
                self._free.put(process)
        except RuntimeError:
            self.close()
            raise
        self.versions = self._processes[0].versions

    def ask(self, question: Question) -> "Future[Answer]":
        """Return at once, with what will be the answer."""
        return self._threads.submit(self._answer, question)

    def _answer(self, question):
        process = self._free.get()
        try:
            return process.answer(question)
        finally:
            self._free.put(process)

    def answer(self, question: Question) -> Answer:
        """Return what Keras answers."""
        return self.ask(question).result()

    def close(self) -> None:
        """End the processes."""
        self._threads.shutdown(cancel_futures=True)
        for process in self._processes:
            process.close()


class Asked:
    """The side of one that was asked already.

    Parameters
    ----------
    side : Side
    future : Future
        Of its answer to the first question; others are put to `side`.
    """

    def __init__(self, side, future: "Future[Answer]"):
        self.name, self._side, self._futures = side.name, side, [future]

    def answer(self, question: Question) -> Answer:
        """Return the answer."""
        return self._futures.pop().result() if self._futures else self._side.answer(question)

    def close(self) -> None:
        """The side is closed by who opened it."""


def processes_for(cases: int) -> int:
    """Return how many processes are worth starting: one a core at most."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, cases // CASES_A_PROCESS))


def ahead(items: Iterable[T], start: Callable[[T], Any], most: int) -> Iterator[tuple[T, Any]]:
    """Give each item with what `start` made of it, `most` of them started before they are asked for."""
    begun: deque[tuple[T, Any]] = deque()
    for item in items:
        begun.append((item, start(item)))
        if len(begun) == most:
            yield begun.popleft()
    yield from begun
