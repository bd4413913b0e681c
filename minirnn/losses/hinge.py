"""Hinge losses, which ask that the right answer win by a margin of 1."""

from typing import Any

from minirnn import ops
from minirnn.autograd import Tensor
from minirnn.losses.loss import LossFunctionWrapper
from minirnn.losses.targets import fit_targets


def _margins(y_true, y_pred, where) -> Tensor:
    """Return ``max(1 - y_true * y_pred, 0)``; targets that are all 0 or 1 are taken as −1 and 1."""
    y_true, y_pred = fit_targets(y_true, y_pred, where)
    binary: Tensor = ops.all((y_true == 0) | (y_true == 1))
    signs: Any = ops.where(binary, 2.0 * y_true - 1.0, y_true)
    return ops.maximum(1.0 - signs * y_pred, 0.0)


def hinge(y_true, y_pred) -> Tensor:
    """Return the mean of ``max(1 - y_true * y_pred, 0)`` over the last axis.

    Parameters
    ----------
    y_true : array, shape (batch, ..., n)
        −1 and 1; where all are 0 or 1, each 0 is taken as −1.
    y_pred : array of that shape

    Returns
    -------
    Tensor, shape (batch, ...)

    Raises
    ------
    ValueError
        If the shapes differ by more than a last axis of size 1.
    """
    return ops.mean(_margins(y_true, y_pred, "hinge"), axis=-1)


def squared_hinge(y_true, y_pred) -> Tensor:
    """Return the mean of ``max(1 - y_true * y_pred, 0)**2`` over the last axis; see `hinge`."""
    return ops.mean(ops.square(_margins(y_true, y_pred, "squared_hinge")), axis=-1)


def categorical_hinge(y_true, y_pred) -> Tensor:
    """Return by how much the score of the true class fails to beat the best other one by 1.

    It is ``max(max((1 - y_true) * y_pred) - sum(y_true * y_pred) + 1, 0)`` over the last axis.

    Parameters
    ----------
    y_true : array, shape (batch, ..., classes)
        Rows with a 1.
    y_pred : array of that shape

    Returns
    -------
    Tensor, shape (batch, ...)

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    y_true, y_pred = fit_targets(y_true, y_pred, "categorical_hinge", " The targets are rows with a 1.")
    right = ops.sum(y_true * y_pred, axis=-1)
    wrong = ops.max((1.0 - y_true) * y_pred, axis=-1)
    return ops.maximum(wrong - right + 1.0, 0.0)


class Hinge(LossFunctionWrapper):
    """See `hinge` and `Loss`."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name="hinge", dtype=None):
        super().__init__(hinge, reduction, name, dtype)


class SquaredHinge(LossFunctionWrapper):
    """See `squared_hinge` and `Loss`."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name="squared_hinge", dtype=None):
        super().__init__(squared_hinge, reduction, name, dtype)


class CategoricalHinge(LossFunctionWrapper):
    """See `categorical_hinge` and `Loss`."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name="categorical_hinge", dtype=None):
        super().__init__(categorical_hinge, reduction, name, dtype)
