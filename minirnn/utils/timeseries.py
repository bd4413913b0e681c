"""`timeseries_dataset_from_array`: windows of a long series as batches."""

import copy
import math
from typing import Any

import numpy as np

from minirnn import backend, random
from minirnn.models.data import as_array, positive_int
from minirnn.utils.py_dataset import PyDataset

_WHERE = "timeseries_dataset_from_array"


def timeseries_dataset_from_array(
    data,
    targets,
    sequence_length,
    sequence_stride=1,
    sampling_rate=1,
    batch_size=128,
    shuffle=False,
    seed=None,
    start_index=None,
    end_index=None,
    format="tf",
):
    """Return windows of a series in batches, to iterate over or to pass to `fit`, `evaluate` and `predict`.

    Window number `n` holds the time steps ``start_index + n * sequence_stride + k * sampling_rate`` for `k`
    from 0 to ``sequence_length - 1``, and goes with the target at the place of its first step. They are cut
    when their batch is asked for, so `data` may be mapped to memory from a file and larger than memory.

    Parameters
    ----------
    data : array, shape (time, ...)
    targets : array, shape (time, ...), or None
        ``targets[i]`` belongs to the window that starts at ``data[i]``; windows that start beyond their end
        are left out. With None batches are windows alone.
    sequence_length : int
        Time steps of a window.
    sequence_stride : int
        Time steps from the start of a window to that of the next.
    sampling_rate : int
        Time steps from one step of a window to the next.
    batch_size : int or None
        The last batch may be smaller. With None single windows come, without an axis of batches.
    shuffle : bool
        Whether windows come in another order at each pass. `fit` leaves their order alone.
    seed : int, optional
        Of the orders. Default: they come from the global generator (see `utils.set_random_seed`).
    start_index, end_index : int, optional
        Only ``data[start_index:end_index]`` is used.
    format : "tf" or "grain"
        Taken for Keras's sake; what is returned is neither, but a `PyDataset`.

    Returns
    -------
    PyDataset
        With ``len``, ``[number]``, iteration, and ``take(count)`` for the first batches. Batches are
        ``(windows, targets)`` of shapes (batch_size, sequence_length, ...) and (batch_size, ...), in the
        dtypes of the arrays, or the windows alone.

    Raises
    ------
    ValueError, TypeError
        If an argument is none of these, or not one window fits into the data.
    """
    numbers = {
        "sequence_length": sequence_length,
        "sequence_stride": sequence_stride,
        "sampling_rate": sampling_rate,
    }
    for name, value in numbers.items():
        positive_int(value, name, _WHERE)
    if batch_size is not None:
        positive_int(batch_size, "batch_size", _WHERE)
    if seed is not None:
        seed = random.check_seed(seed, _WHERE)
    if format not in ("tf", "grain"):
        raise ValueError(f'{_WHERE}: format must be "tf" or "grain"; got {format!r}.')
    data = as_array(np.asarray(data) if isinstance(data, list | tuple) else data, "data", _WHERE)
    if targets is not None:
        targets = np.asarray(targets) if isinstance(targets, list | tuple) else targets
        targets = as_array(targets, "targets", _WHERE)
    time = len(data)
    start = 0 if start_index is None else positive_int(start_index, "start_index", _WHERE, at_least=0)
    end = time if end_index is None else positive_int(end_index, "end_index", _WHERE)
    if not start < end <= time:
        raise ValueError(
            f"{_WHERE}: start_index must lie before end_index, and that not behind the {time} time steps of "
            f"the data; got {start} and {end}."
        )
    count = end - start - (sequence_length - 1) * sampling_rate
    if count < 1:
        raise ValueError(
            f"{_WHERE}: a window of {sequence_length} steps at a sampling_rate of {sampling_rate} takes "
            f"{(sequence_length - 1) * sampling_rate + 1} time steps; there are {end - start}."
        )
    if targets is not None:
        count = min(count, len(targets) - start)
        if count < 1:
            raise ValueError(
                f"{_WHERE}: targets must reach beyond start_index={start}; there are {len(targets)}."
            )
    starts = np.arange(start, start + count, sequence_stride)
    steps = np.arange(sequence_length) * sampling_rate
    return Windows(data, targets, starts, steps, batch_size, shuffle, seed)


class Windows(PyDataset):
    """Windows of a series in batches; see `timeseries_dataset_from_array`."""

    _most: Any = math.inf  # batches

    def __init__(self, data, targets, starts, steps, batch_size, shuffle, seed, **kwargs):
        super().__init__(**kwargs)
        self.data, self.targets, self.batch_size = data, targets, batch_size
        self._starts, self._steps, self._shuffle, self._seed = starts, steps, shuffle, seed
        self._passes = 0

    def __len__(self):
        return min(math.ceil(len(self._starts) / (self.batch_size or 1)), self._most)

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(f"{_WHERE}: there are {len(self)} batches; got number {index}.")
        if self.batch_size is None:
            starts = self._starts[index]
            steps = starts + self._steps
        else:
            starts = self._starts[index * self.batch_size : (index + 1) * self.batch_size]
            steps = starts[:, None] + self._steps
        windows = self._taken(self.data, steps)
        return windows if self.targets is None else (windows, self._taken(self.targets, starts))

    def take(self, count):
        """Return the first `count` batches, or all if there are fewer, as windows like these."""
        first = copy.copy(self)
        first._most = min(positive_int(count, "count", f"{_WHERE}: take", at_least=0), self._most)
        return first

    @staticmethod
    def _taken(array, index):
        return array[backend.array_module(array).asarray(index)]

    def __iter__(self):
        self._passes += 1
        here = self.begin_pass(self._passes)
        return (here[index] for index in range(len(self)))

    def begin_pass(self, number):
        """Return what pass `number` takes its batches from, in its own order: this, or one shuffled."""
        if not self._shuffle:
            return self
        seed = random.draw_seed(None) if self._seed is None else [self._seed, number]
        shuffled = copy.copy(self)
        shuffled._starts = np.random.default_rng(seed).permutation(self._starts)
        return shuffled
