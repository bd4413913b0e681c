"""Where batches come from: arrays, sequences of batches, or anything that can be iterated over.

`source_of` looks at what `fit`, `evaluate` or `predict` was given and returns a source: an object that can be
gone through, with the number of its batches where that is known.
"""

import math
from collections.abc import Iterator
from contextlib import closing
from itertools import chain, count, islice
from typing import Any

import numpy as np

from minirnn import backend, config, random, tree
from minirnn.autograd import Tensor
from minirnn.models.data import (
    as_array,
    pack_x_y_sample_weight,
    positive_int,
    to_tensor,
    unpack_x_y_sample_weight,
)
from minirnn.models.prefetch import load, loaded

# How many labels are looked at in one piece, so that those in a mapped file need not fit into memory.
_PIECE = 1 << 20


def class_weights(y, class_weight, where) -> np.ndarray:
    """Return the weight of each sample: that of its class, 1 for a class without.

    Parameters
    ----------
    y : array, shape (samples,), (samples, 1), or (samples, ..., classes) one-hot
    class_weight : dict of int to float
        Whole floats, and False and True for 0 and 1, will do as keys.

    Raises
    ------
    ValueError
        If it is no such dict, or names a class that the one-hot targets have not.
    """
    if not isinstance(class_weight, dict):
        raise ValueError(
            f"{where}: class_weight must be a dict from class numbers to weights; got {class_weight!r}."
        )
    if y is None or tree.is_nested(y):
        raise ValueError(f"{where}: class_weight needs one array of targets; got {type(y).__name__}.")
    labels = as_array(y, "y", where)
    classes = labels.shape[-1] if labels.ndim > 1 and labels.shape[-1] > 1 else None
    table = {}
    for key, weight in class_weight.items():
        # `np.unique` of float labels, a usual source of the keys, gives floats.
        whole = isinstance(key, bool | np.bool_ | float | np.floating) and key == np.floor(key) < np.inf
        number = positive_int(int(key) if whole else key, "each key of class_weight", where, at_least=0)
        if classes is not None and number >= classes:
            raise ValueError(f"{where}: class_weight names class {number}, but y has {classes} classes.")
        if not isinstance(weight, int | float | np.number) or not weight >= 0:
            raise ValueError(f"{where}: class_weight of class {number} must be 0 or more; got {weight!r}.")
        table[number] = float(weight)
    weights = np.ones(labels.shape[:-1] if labels.ndim > 1 else labels.shape, config.floatx())
    rows = max(1, _PIECE * len(labels) // max(1, labels.size))
    for first in range(0, len(labels), rows):
        piece = backend.to_numpy(labels[first : first + rows])
        if piece.ndim > 1:
            piece = piece.argmax(axis=-1) if classes is not None else piece[..., 0]
        piece = np.round(piece).astype(np.int64)
        for number, weight in table.items():
            weights[first : first + rows][piece == number] = weight
    return weights


class Source:
    """What there is to go through: the base of the sources below.

    Attributes
    ----------
    data : object
        What was passed.
    count : int or None
        The number of batches.
    samples, batch_size : int or None
        Known of arrays.
    one_shot : bool
        Whether it can be gone through only once.
    carries_state : bool
        Whether batches are pieces of sequences that go on from one to the next.
    """

    data: Any
    count: int | None = None
    samples: int | None = None
    batch_size: int | None = None
    one_shot = False
    carries_state = False

    def peek(self):
        """Return the first batch, without an effect on the next pass."""
        raise NotImplementedError

    def forget_first(self):
        """Let the next pass begin anew, where `peek` has begun one."""

    def begin_epoch(self):
        """Told when an epoch begins in the middle of a pass; a pass that begins knows it by itself."""

    def end_epoch(self):
        """Told when an epoch has ended."""

    def from_batch(self, number, passes=1) -> Iterator:
        """Return what is left of a new pass after so many batches; what it draws is drawn at once.

        `passes` is the number of the pass, counted from 1.
        """
        rest = iter(self)
        next(islice(rest, number, number), None)
        return rest

    def __iter__(self) -> Iterator:
        return self.from_batch(0)


class ArraySource(Source):
    """Batches cut from arrays; with `shuffle` in another order at each pass.

    Parameters
    ----------
    x, y, sample_weight : structure of array
        All of one length; None where there is none.
    batch_size : int, optional
        Default 32.
    shuffle : bool or "batch"
        "batch" keeps the samples of a batch together.
    where : str
        Begins the errors.
    """

    samples: int
    batch_size: int
    count: int

    def __init__(self, x, y, sample_weight, batch_size, shuffle, where):
        arrays = {}
        for name, value in (("x", x), ("y", y), ("sample_weight", sample_weight)):
            arrays[name] = _each_array(value, name, where)
        lengths = {f"{name}{place}": len(a) for name, value in arrays.items() for place, a in _places(value)}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{name} has {n}" for name, n in lengths.items())
            raise ValueError(f"{where}: all arrays must have as many samples; {listed}.")
        if not lengths:
            raise ValueError(f"{where}: there is no data; x must hold at least one array.")
        self.samples = next(iter(lengths.values()))
        if not self.samples:
            raise ValueError(f"{where}: the data is empty; x must hold at least one sample.")
        self.batch_size = batch_size or 32
        self.count = math.ceil(self.samples / self.batch_size)
        self.data = x
        self.x, self.sample_weight = arrays["x"], arrays["sample_weight"]
        # Targets on a GPU as Tensors, which remember what they were checked for.
        self.y = tree.map_structure(
            lambda a: a if a is None or isinstance(a, np.ndarray) else Tensor(a), arrays["y"]
        )
        self._shuffle = shuffle

    def split(self, share, where) -> tuple[tuple, tuple]:
        """Return this data without its last part, and that part, as two tuples ``(x, y, sample_weight)``."""
        at = math.floor(self.samples * (1.0 - share))
        if at in (0, self.samples):
            raise ValueError(
                f"{where}: validation_split={share} of {self.samples} samples leaves {at} for training and "
                f"{self.samples - at} for validation; both need one at least."
            )
        data = (self.x, self.y, self.sample_weight)
        first, last = self._cut(data, slice(None, at)), self._cut(data, slice(at, None))
        return tuple(first), tuple(last)

    @staticmethod
    def _cut(data, index) -> Any:
        return tree.map_structure(lambda a: None if a is None else a[index], data)

    def peek(self):
        """Return the first batch of a pass without a shuffle."""
        return self._batch(slice(0, self.batch_size))

    def _batch(self, index):
        def take(array):
            if array is None:
                return None
            data = array.data if isinstance(array, Tensor) else array
            here = index if isinstance(index, slice) else backend.array_module(data).asarray(index)
            part: Any = to_tensor(data[here])
            if isinstance(array, Tensor):
                part._labels_of = array._labels_of
            return part

        return tree.map_structure(take, pack_x_y_sample_weight(self.x, self.y, self.sample_weight))

    def from_batch(self, number, passes=1):
        """See `Source`; batches before that are not cut."""
        order = None
        if self._shuffle:
            generator = np.random.default_rng(random.draw_seed(None))
            order = generator.permutation(self.count if self._shuffle == "batch" else self.samples)
        return (self._batch(self._indices(n, order)) for n in range(number, self.count))

    def _indices(self, number, order):
        """Return which samples are in a batch."""
        if self._shuffle == "batch" and order is not None:
            number, order = int(order[number]), None
        part = slice(number * self.batch_size, (number + 1) * self.batch_size)
        return part if order is None else order[part]


def _each_array(value, name, where):
    if value is None:
        return None
    return tree.map_structure(lambda leaf: None if leaf is None else as_array(leaf, name, where), value)


def _places(value):
    """Return each array of a structure with its place in words: "", "[0]", "[1]"."""
    leaves = tree.flatten(value)
    places = [f"[{i}]" for i in range(len(leaves))] if tree.is_nested(value) else [""]
    return [(place, leaf) for place, leaf in zip(places, leaves) if leaf is not None]


class _BatchSource(Source):
    """What sources of ready batches share: each batch is checked, weighted, and turned into Tensors."""

    def __init__(self, data, class_weight, where):
        self.data, self._class_weight, self._where = data, class_weight, where

    def _convert(self, batch):
        x, y, sample_weight = unpack_x_y_sample_weight(batch)
        x, y = _each_array(x, "x", self._where), _each_array(y, "y", self._where)
        weights: Any = _each_array(sample_weight, "sample_weight", self._where)
        lengths = {len(a) for part in (x, y, weights) for _, a in _places(part)}
        if len(lengths) != 1:
            raise ValueError(
                f"{self._where}: a batch must hold arrays of one length in the form (x, y) or (x, y, "
                f"sample_weight); got lengths {sorted(lengths)}."
            )
        if self._class_weight is not None:
            if weights is not None:
                raise ValueError(
                    f"{self._where}: class_weight and sample weights in the batches exclude each other."
                )
            weights = class_weights(y, self._class_weight, self._where)
        return tree.map_structure(to_tensor, pack_x_y_sample_weight(x, y, weights))


class SequenceSource(_BatchSource):
    """Batches from an object with ``__len__`` and ``__getitem__``, such as a `PyDataset`, ours or Keras's.

    It may also have ``num_batches`` (None for no end), ``on_epoch_begin``, ``on_epoch_end``, ``workers`` and
    ``max_queue_size``; ``carries_state``, see `Source`; and ``begin_pass(number)``, which returns what to
    take the batches of a pass from, in an order that stays as it is.
    """

    def __init__(self, data, class_weight, shuffle, steps, where):
        super().__init__(data, class_weight, where)
        name = type(data).__name__
        self.count = data.num_batches if hasattr(data, "num_batches") else len(data)
        if self.count is None and steps is None:
            raise ValueError(f"{where}: {name} has no end; say how many batches make an epoch (steps).")
        if self.count is not None and not self.count:
            raise ValueError(f"{where}: the data is empty; {name} has length 0.")
        if getattr(data, "use_multiprocessing", False):
            raise ValueError(
                f"{where}: {name} has use_multiprocessing=True, but threads load batches here. Make it "
                "False, give it two workers or more, and let its __getitem__ be called by several at once."
            )
        self._workers = positive_int(getattr(data, "workers", 1), f"{name}.workers", where, at_least=0)
        self._queue = positive_int(getattr(data, "max_queue_size", 10), f"{name}.max_queue_size", where)
        self._own_order = hasattr(data, "begin_pass")
        self._shuffle = shuffle and self.count is not None and not self._own_order
        self.carries_state = bool(getattr(data, "carries_state", False))

    def peek(self):
        """Return the first batch."""
        return self._convert(load(self.data, 0, self._where))

    def begin_epoch(self):
        """See `Source`."""
        getattr(self.data, "on_epoch_begin", lambda: None)()

    def end_epoch(self):
        """See `Source`."""
        getattr(self.data, "on_epoch_end", lambda: None)()

    def from_batch(self, number, passes=1):
        """See `Source`; batches before that are not loaded."""
        self.begin_epoch()
        data = self.data.begin_pass(passes) if self._own_order else self.data
        if self.count is None:
            order = count(number)
        elif not self._shuffle:
            order = range(number, self.count)
        else:
            order = np.random.default_rng(random.draw_seed(None)).permutation(self.count)[number:].tolist()
        return self._pass(loaded(data, order, self._where, self._workers, self._queue))

    def _pass(self, batches):
        # Closed with it, and not only when it is forgotten: threads may be at work behind it.
        with closing(batches):
            for batch in batches:
                yield self._convert(batch)


class IterableSource(_BatchSource):
    """Batches from a generator or any other iterable."""

    def __init__(self, data, class_weight, where):
        super().__init__(data, class_weight, where)
        iterator = iter(data)
        self.one_shot = iterator is data
        try:
            self.count = len(data)
        except TypeError:  # some have a length only if what they read from has one
            self.count = None
        self._begun = iterator

    def peek(self):
        """Return the first batch; the next pass begins with it nevertheless."""
        iterator = iter(self.data) if self._begun is None else self._begun
        first = list(islice(iterator, 1))
        if not first:
            raise ValueError(
                f"{self._where}: the data is empty; {type(self.data).__name__} yielded no batch."
            )
        self._begun = chain(first, iterator)
        return self._convert(first[0])

    def forget_first(self):
        """Let the next pass begin anew."""
        self._begun = None

    def __iter__(self):
        iterator, self._begun = self._begun, None
        yield from map(self._convert, iter(self.data) if iterator is None else iterator)


def source_of(
    x,
    y=None,
    sample_weight=None,
    *,
    where,
    batch_size=None,
    steps=None,
    shuffle: Any = False,
    class_weight=None,
):
    """Return the source of batches for what a user passed as data.

    Raises
    ------
    ValueError, TypeError
        If it is no data, or an argument does not go with it.
    """
    if batch_size is not None:
        batch_size = positive_int(batch_size, "batch_size", where)
    if x is None:
        raise ValueError(f"{where}: x is missing; pass arrays, or an iterable of batches.")
    if isinstance(x, list | tuple | dict | Tensor) or backend.is_array(x) or hasattr(x, "__array__"):
        return _array_source(x, y, sample_weight, where, batch_size, steps, shuffle, class_weight)
    if isinstance(x, str | bytes | int | float) or not (hasattr(x, "__iter__") or hasattr(x, "__getitem__")):
        hint = " It is a function: pass what it returns." if callable(x) else ""
        raise TypeError(
            f"{where}: x must be arrays, nested in any way, or an iterable of batches; got "
            f"{type(x).__name__}.{hint}"
        )
    for name, value in (("y", y), ("sample_weight", sample_weight), ("batch_size", batch_size)):
        if value is not None:
            raise ValueError(
                f"{where}: {name} cannot be given beside an iterable of batches; each batch brings its own, "
                "in the form (x, y) or (x, y, sample_weight)."
            )
    if hasattr(x, "__getitem__") and (hasattr(x, "__len__") or hasattr(type(x), "num_batches")):
        return SequenceSource(x, class_weight, shuffle, steps, where)
    return IterableSource(x, class_weight, where)


def _array_source(x, y, sample_weight, where, batch_size, steps, shuffle, class_weight):
    if class_weight is not None:
        if sample_weight is not None:
            raise ValueError(f"{where}: class_weight and sample_weight exclude each other.")
        sample_weight = class_weights(y, class_weight, where)
    if sample_weight is not None and y is None:
        raise ValueError(f"{where}: sample_weight was given without y.")
    if steps and not batch_size:
        leaves = [leaf for leaf in tree.flatten(x) if hasattr(leaf, "shape") and len(leaf.shape)]
        batch_size = max(1, math.ceil(leaves[0].shape[0] / steps)) if leaves else None
    return ArraySource(x, y, sample_weight, batch_size, shuffle, where)
