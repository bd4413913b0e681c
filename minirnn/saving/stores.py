"""What the two kinds of weights files have in common: groups of arrays, known by their paths."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from minirnn.saving.errors import UnsafeFileError


@dataclass
class Stored:
    """An array in a file that has not been read: what is known of it, and how to read it."""

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[], np.ndarray]

    @property
    def size(self) -> int:
        size = 1
        for n in self.shape:
            size *= n
        return size


class Group(Mapping):
    """The arrays under one path of a file, by their names; each is read when it is asked for.

    Parameters
    ----------
    where : str
        What errors call it.
    arrays : dict of str to Stored
    """

    def __init__(self, where, arrays):
        self.where, self._arrays = where, arrays

    def __getitem__(self, name) -> np.ndarray:
        return self._arrays[name].read()

    def __iter__(self):
        return iter(self._arrays)

    def __len__(self):
        return len(self._arrays)

    def shape(self, name) -> tuple[int, ...]:
        """Return the shape of an array without reading it."""
        return self._arrays[name].shape


class Store:
    """The arrays of a weights file.

    Parameters
    ----------
    path : str
        What errors call the file.
    arrays : dict of str to Stored
        By their whole paths: "layers/dense/vars/0".
    """

    def __init__(self, path, arrays):
        self.path, self.arrays = path, arrays
        self._groups: dict[str, dict[str, Stored]] = {}
        for name, stored in arrays.items():
            group, _, last = name.rpartition("/")
            self._groups.setdefault(group, {})[last] = stored

    @property
    def size(self) -> int:
        """How many numbers there are in all arrays together."""
        return sum(stored.size for stored in self.arrays.values())

    def group(self, path) -> Group:
        """Return the arrays under a path; none are there if nothing is."""
        return Group(f"{self.path}: {path}", self._groups.get(path, {}))


def check_numbers(where, dtype) -> None:
    """Raise UnsafeFileError if an array holds anything but numbers: objects above all, which are pickled."""
    if dtype.kind not in "biuf" or dtype.itemsize > 8 or dtype.subdtype is not None:
        raise UnsafeFileError(f"{where}: refused, since it holds {dtype} where numbers are expected.")
