"""`Feed`: the batches of a source, epoch by epoch."""

import warnings
from itertools import islice
from typing import Any

from minirnn.models.faults import explained
from minirnn.models.run import random_state, set_random_state


class Feed:
    """The batches of a source, epoch by epoch.

    Parameters
    ----------
    source : ArraySource, SequenceSource or IterableSource
    steps : int, optional
        Batches an epoch; the next epoch then goes on where this one ended. Default: all of the source.
    group : int
        How many batches are given at a time.
    where : str
        Begins what is said of memory that runs out.
    at_pass : callable, optional
        Called when a pass through the source begins.

    Attributes
    ----------
    steps : int or None
        As given, or the number of batches of the source; None where it is not known yet.
    exhausted : bool
        Whether the data has ended for good.
    resumable : bool
        Whether `position` will be asked for.
    """

    def __init__(self, source, steps=None, group=1, where="Feed", at_pass=None):
        self._at_pass = at_pass
        self.source, self._given, self._group, self._where = source, steps, group, where
        self.steps = self._limit = steps or source.count
        self.exhausted = False
        self._pass: Any = None
        # Of this pass: the batches taken, its number, and the generators as they were when it began.
        self._taken = self._passes = 0
        self._began: dict = {}
        self.resumable = False

    def position(self) -> dict:
        """Return how far through the data this is, as `go_to` takes it."""
        taken = None if self._pass is None else self._taken
        return {"taken": taken, "pass": self._passes, "began": self._began, "exhausted": self.exhausted}

    def go_to(self, position) -> None:
        """Go on with the batch that came next where `position` was called.

        Draws what was drawn at the start of that pass; the generators are left somewhere else.
        """
        self._passes, self._began = position["pass"], position["began"]
        self.exhausted, self._taken = position["exhausted"], position["taken"] or 0
        self.close()
        fresh = self._passes > 1 or position["taken"] is None
        if fresh and not self.source.one_shot:
            self.source.forget_first()
        if position["taken"] is not None:
            set_random_state(self._began)
            self._pass = self._new_pass()

    def _new_pass(self):
        self.close()
        if self._at_pass is not None:
            self._at_pass()
        return self.source.from_batch(self._taken, self._passes)

    def close(self):
        """Leave the pass that has begun, and end the threads that load for it."""
        begun, self._pass = self._pass, None
        if hasattr(begun, "close"):
            begun.close()

    def restart(self):
        """Let the next epoch begin with the first batch, where the source can be gone through again."""
        if not self.source.one_shot:
            self.close()

    def epoch(self, done=0):
        """Yield the number of the first and of the last batch of each group, and the batches.

        Parameters
        ----------
        done : int
            How many batches of the epoch were done before `go_to`.
        """
        if not done and (self._pass is None or self._given is None):
            self._began = random_state() if self.resumable else {}
            self._passes += 1
            self._taken = 0
            self._pass = self._new_pass()
        elif not done:
            self.source.begin_epoch()
        count, limit = done, self._limit
        while limit is None or count < limit:
            wanted = self._group if limit is None else min(self._group, limit - count)
            with explained(f"{self._where}: making batch {count + 1}"):
                batches = list(islice(self._pass, wanted))
            if not batches:
                break
            self._taken += len(batches)
            yield count, count + len(batches) - 1, batches
            count += len(batches)
        ended = limit is not None and count < limit
        self.exhausted = self.source.one_shot and (ended or self._given is None)
        if limit is None:
            self.steps = count
        if ended:
            warnings.warn(
                f"The data ended after {count} of {limit} batches. Let it yield steps * epochs batches, or "
                "pass fewer steps.",
                stacklevel=3,
            )
        if ended or self._taken == self.source.count:
            self.close()
        self.source.end_epoch()
