"""A batch split over threads: `plan` says how, `run` does it.

NumPy lets other threads run while it computes, so two halves of a batch run on two cores, each with one
thread in BLAS; a good part of a recurrent step is elementwise, which BLAS's own threads cannot help. Where
steps are too small to split, one thread in BLAS is still the better choice: its threads wait for one another
at every product, spinning, and a step takes twice the time if any other program wants one of their cores.
"""

import contextvars
import functools
import itertools
import os
from typing import NamedTuple

import numpy as np

from minirnn.backend import blas

MIN_HELD_WORK = 4_000_000  # multiplications in a pass, from which on changing BLAS's threads pays
MIN_SPLIT_WORK = 20_000_000  # and from which on starting threads of our own does
# Between two calls of NumPy threads wait for one another, so a call must have this many numbers for each.
MIN_PART_NUMBERS = 4_096
MIN_PART_ROWS = 16  # with fewer, a product mostly reads weights, and BLAS shares that better


class Plan(NamedTuple):
    """How one pass over a batch is run."""

    parts: list[slice]
    hold_blas: bool


def plan(B: int, T: int, H: int, work: int, xp) -> Plan:
    """Return how to run a pass over B rows and T steps, with `work` multiplications for H units in each.

    There are at most as many parts as BLAS has threads, so that whoever limits BLAS limits this too.
    """
    count, hold_blas = 1, False
    if xp is np and B * T * work >= MIN_HELD_WORK:
        threads = blas.threads()
        if B * T * work >= MIN_SPLIT_WORK:
            count = max(1, min(threads, B // MIN_PART_ROWS, B * H // MIN_PART_NUMBERS))
        hold_blas = threads > 1 and (count > 1 or B * H < 2 * MIN_PART_NUMBERS)
    edges = [B * i // count for i in range(count + 1)]
    return Plan([slice(start, stop) for start, stop in itertools.pairwise(edges)], hold_blas)


def run(plan: Plan, function, items: list) -> list:
    """Return ``[function(item) for item in items]``, an item for each part, each on a thread of its own."""

    def run_one(item):
        with np.errstate(over="ignore"):  # exp(-a) = inf is how the sigmoid of a large negative a becomes 0
            return function(item)

    if not plan.hold_blas:
        return [run_one(item) for item in items]
    with blas.one_thread():
        # In a copy of the context, where NumPy keeps which warnings the caller wants.
        others = [_workers().submit(contextvars.copy_context().run, run_one, item) for item in items[1:]]
        return [run_one(items[0])] + [other.result() for other in others]


@functools.cache
def _workers():
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="minirnn")


if hasattr(os, "register_at_fork"):
    # A forked child does not have its parent's threads.
    os.register_at_fork(after_in_child=_workers.cache_clear)
