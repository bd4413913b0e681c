"""Helpers for arrays of labels and features, on NumPy arrays outside of any model."""

import numpy as np

from minirnn import ops
from minirnn.autograd import Tensor


def to_categorical(x, num_classes=None):
    """Return integer labels as rows of zeros with a one.

    Parameters
    ----------
    x : array-like of int, shape (...) or (..., 1)
        Labels in [0, num_classes).
    num_classes : int, optional
        Default: the largest label and one.

    Returns
    -------
    np.ndarray of float64, shape (..., num_classes)
        A Tensor of floatx for a Tensor.

    Raises
    ------
    ValueError
        If a label is out of range, or there is none to find `num_classes` from.
    """
    labels = np.asarray(x)
    if labels.dtype.kind not in "biu" and not np.array_equal(labels, np.trunc(labels)):
        raise ValueError(f"to_categorical: labels must be integers; got dtype {labels.dtype} with fractions.")
    labels = labels.astype(np.int64)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if num_classes is None:
        if not labels.size:
            raise ValueError("to_categorical: without labels num_classes= must be given.")
        num_classes = int(labels.max()) + 1
    wrong = np.argwhere((labels < 0) | (labels >= num_classes))
    if len(wrong):
        place = tuple(wrong[0].tolist())
        raise ValueError(
            f"to_categorical: labels must lie in [0, {num_classes}); got {labels[place]} at index "
            f"{place if len(place) != 1 else place[0]}, and {len(wrong) - 1} more out of range."
        )
    if isinstance(x, Tensor):
        return ops.one_hot(labels, num_classes)
    rows = np.zeros((labels.size, num_classes))
    rows[np.arange(labels.size), labels.ravel()] = 1
    return rows.reshape((*labels.shape, num_classes))


def normalize(x, axis=-1, order: float = 2):
    """Return `x` divided by its norm along an axis; what has norm 0 stays 0.

    Parameters
    ----------
    x : array-like, shape (...)
    axis : int
    order : int or float
        Of the norm: ``sum(|x|**order)**(1/order)``.

    Returns
    -------
    np.ndarray of the shape of `x`, or a Tensor for a Tensor.
    """
    if isinstance(x, Tensor):
        norm = ops.norm(x, ord=order, axis=axis, keepdims=True)
        return x / ops.where(norm == 0, ops.ones_like(norm), norm)
    x = np.asarray(x)
    norm = np.linalg.norm(x, order, axis, keepdims=True)
    return x / np.where(norm == 0, 1, norm)
