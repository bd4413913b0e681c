"""The outputs of many batches put together."""

from typing import Any

import numpy as np

from minirnn import backend, tree
from minirnn.autograd import Tensor


def as_numpy(value) -> np.ndarray:
    """Return a NumPy copy of a Tensor from any device, or a number as an array."""
    return backend.to_numpy(value.data) if isinstance(value, Tensor) else np.asarray(value)


class Collected:
    """The outputs of all batches put in a row.

    They are written into arrays of the full size, made at the first batch, as long as there is one output for
    each sample; otherwise they are kept as they come.

    Parameters
    ----------
    samples : int or None
        How many there will be.
    along_time : bool
        Whether batches are pieces of the same samples, one after the other in time.
    """

    def __init__(self, samples, along_time=False):
        self._samples, self._along_time = samples, along_time
        self._structure: Any = None
        self._leaves: list | None = None
        self._filled = 0

    def add(self, outputs, samples):
        """Take in the outputs for the next `samples` samples."""
        arrays = [as_numpy(leaf) for leaf in tree.flatten(outputs)]
        row_by_row = all(a.ndim and len(a) == samples for a in arrays)
        if self._leaves is None:
            self._structure = tree.map_structure(lambda _: None, outputs)
            self._leaves = [[] for _ in arrays]
            if row_by_row and self._samples is not None:
                self._leaves = [np.empty((self._samples, *a.shape[1:]), a.dtype) for a in arrays]
        elif not row_by_row:
            self._leaves = [e if isinstance(e, list) else [e[: self._filled]] for e in self._leaves]
        for leaf, array in zip(self._leaves, arrays):
            if isinstance(leaf, list):
                leaf.append(array if array.ndim else array[None])
            else:
                leaf[self._filled : self._filled + samples] = array
        self._filled += samples

    def result(self, where):
        """Return all outputs; `where` begins the error if there are none."""
        if self._leaves is None:
            raise ValueError(f"{where}: the data yielded no batch.")
        axis = 1 if self._along_time else 0
        flat = [array.shape for e in self._leaves for array in e if axis and array.ndim < 3]
        if flat:
            raise ValueError(
                f"{where}: the data are pieces of sequences, and so must outputs be, of shape (batch, time, "
                f"...); got {flat[0]}. Recurrent layers return sequences with return_sequences=True."
            )
        whole = [np.concatenate(e, axis) if isinstance(e, list) else e[: self._filled] for e in self._leaves]
        return tree.pack_sequence_as(self._structure, whole)
