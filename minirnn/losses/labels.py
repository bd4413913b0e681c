"""Whether class numbers are such: looked at where they are, without a copy, on a GPU read once at most."""

import numpy as np

from minirnn import backend
from minirnn.autograd import Tensor, convert

# How many labels are looked at in one piece. What comparing makes is as large as a piece, so that targets
# in a file that is mapped to memory need not fit into it.
PIECE = 1 << 20


def check_labels(where, y_true, classes, ignore_class=None) -> None:
    """Raise ValueError unless all labels are integers from 0 to ``classes - 1``, or `ignore_class`.

    Labels that are also in the host's memory (see `Tensor._host`) are looked at there. Of others on a GPU one
    bool is read, once for each Tensor.

    Parameters
    ----------
    where : str
        Begins the error.
    y_true : Tensor or array, any shape
    classes : int
    ignore_class : int, optional
    """
    labels = y_true if backend.is_array(y_true) else convert(y_true).data
    question = (classes, ignore_class)
    remembers = isinstance(y_true, Tensor) and not isinstance(labels, np.ndarray)
    if remembers:
        if y_true._labels_of == question:
            return
        labels = labels if y_true._host is None else y_true._host
    found = None
    for piece in pieces(labels):
        wrong = _wrong(piece, classes, ignore_class).any()
        found = wrong if found is None else found | wrong
    if found is not None and bool(found):
        _refuse(where, labels, classes, ignore_class)
    if remembers:
        y_true._labels_of = question


def pieces(labels):
    """Yield views of some rows each; there is no other way to cut an array of any strides without a copy."""
    rows = max(1, PIECE // max(1, labels.size // max(1, len(labels)))) if labels.ndim else 1
    for first in range(0, len(labels) if labels.ndim else 1, rows):
        yield labels[first : first + rows] if labels.ndim else labels


def _wrong(labels, classes, ignore_class):
    if not isinstance(labels, np.ndarray) and labels.dtype.kind in "biu":
        labels = labels.astype("int64")  # NumPy compares any integers, but not each array module does
    wrong = (labels < 0) | (labels >= classes)
    if labels.dtype.kind == "f":
        wrong |= labels != backend.array_module(labels).floor(labels)
    if ignore_class is not None:
        wrong &= labels != ignore_class
    return wrong


def _refuse(where, labels, classes, ignore_class):
    for piece in pieces(labels):
        values = backend.to_numpy(piece)
        wrong = values[_wrong(values, classes, ignore_class)]
        if wrong.size:
            values = values if ignore_class is None else values[values != ignore_class]
            low, high = values.min(), values.max()
            got = f"{wrong[0]}" if 0 <= low <= high < classes else f"{low} to {high}"
            raise ValueError(
                f"{where}: labels must be integers from 0 to {classes - 1}, the output having {classes} "
                f"classes; got {got}."
            )
