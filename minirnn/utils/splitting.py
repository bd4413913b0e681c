"""`split_dataset`: data in two parts."""

import operator
import random as python_random
from collections.abc import Sized
from typing import Any

import numpy as np

from minirnn import backend, tree
from minirnn.autograd import Tensor
from minirnn.models.data import as_array
from minirnn.utils.py_dataset import PyDataset


def split_dataset(
    dataset, left_size=None, right_size=None, shuffle=False, seed=None, preferred_backend=None
) -> tuple[Any, Any]:
    """Return the first and the last part of some data, for training and testing, say.

    Parameters
    ----------
    dataset : array, list or tuple of arrays, or object with ``len`` and ``[index]``
        Arrays have their samples along the first axis, as many in each, and may be nested. Of an object, such
        as a `PyDataset`, the items are split, which are batches or samples.
    left_size, right_size : float or int, optional
        A share in (0, 1) or a number of samples. Default: what the other leaves; one must be given. What both
        leave is in neither.
    shuffle : bool
        Whether to take samples in another order.
    seed : int, optional
        Of that order.
    preferred_backend
        Taken for Keras's sake.

    Returns
    -------
    left, right
        Arrays in the structure of `dataset`, without a copy where it is not shuffled, so that
        ``model.fit(*left, validation_data=right)`` takes those of ``(x, y)``. Of an object, two `PyDataset`.

    Raises
    ------
    TypeError
        If `dataset` is none of these, or a size no number.
    ValueError
        If a size is out of range or a part would be empty, or arrays differ in length.
    """
    where = "split_dataset"
    is_arrays = isinstance(dataset, list | tuple | dict | Tensor) or backend.is_array(dataset)
    if is_arrays:
        arrays = tree.map_structure(lambda leaf: as_array(leaf, "dataset", where), dataset)
        lengths = [len(leaf) for leaf in tree.flatten(arrays)]
        if len(set(lengths)) != 1:
            raise ValueError(
                f"{where}: all arrays must have as many samples; got {lengths or 'no arrays at all'}."
            )
        total = lengths[0]
    elif isinstance(dataset, Sized) and hasattr(dataset, "__getitem__") and not isinstance(dataset, str):
        arrays, total = None, len(dataset)
    else:
        raise TypeError(
            f"{where}: dataset must be arrays, or an object with len(dataset) and dataset[index]; got "
            f"{type(dataset).__name__}."
        )
    left, right = _sizes(left_size, right_size, total, where)
    order = None
    if shuffle:
        # As Keras does it, but the generator that others share stays as it is.
        seed = python_random.randint(0, 10**6) if seed is None else seed
        order = list(range(total))
        python_random.Random(seed).shuffle(order)
    parts = slice(left), slice(total - right, total)
    if not is_arrays:
        places = range(total) if order is None else order
        first, last = (Part(dataset, places[part]) for part in parts)
        return first, last

    def cut(part):
        index = part if order is None else np.asarray(order[part])
        return tree.map_structure(lambda leaf: leaf[_beside(index, leaf)], arrays)

    return cut(parts[0]), cut(parts[1])


def _beside(index, array):
    return index if isinstance(index, slice) else backend.array_module(array).asarray(index)


def _sizes(left, right, total, where) -> tuple[int, int]:
    """Return the sizes of the parts as numbers of samples."""
    if left is None and right is None:
        raise ValueError(f"{where}: left_size or right_size must be given.")
    numbers = []
    for name, size in (("left_size", left), ("right_size", right)):
        share = isinstance(size, float | np.floating)
        if isinstance(size, bool) or not (size is None or share or hasattr(size, "__index__")):
            raise TypeError(f"{where}: {name} must be a float, an int or None; got {size!r}.")
        number = size if size is None or share else operator.index(size)
        if number is not None and not 0 < number < (1 if share else total):
            raise ValueError(
                f"{where}: {name} must be a share in (0, 1), or a number of samples from 1 to {total - 1}; "
                f"got {size!r}."
            )
        numbers.append(round(number * total) if share else number)
    left, right = numbers
    left = total - right if left is None else left
    right = total - left if right is None else right
    if left + right > total:
        raise ValueError(f"{where}: the parts would have {left} and {right} samples of {total}.")
    if not left or not right:
        raise ValueError(
            f"{where}: of {total} samples the parts would have {left} and {right}; each needs one at least."
        )
    return left, right


class Part(PyDataset):
    """Some of the items of another data set."""

    def __init__(self, dataset, places):
        super().__init__(getattr(dataset, "workers", 1), False, getattr(dataset, "max_queue_size", 10))
        self.dataset, self.places = dataset, places

    def __len__(self):
        return len(self.places)

    def __getitem__(self, index):
        return self.dataset[self.places[index]]
