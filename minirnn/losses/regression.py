"""Losses between numbers: how far predictions lie from targets."""

import math

from minirnn import config, ops
from minirnn.autograd import Tensor
from minirnn.losses.loss import LossFunctionWrapper
from minirnn.losses.targets import checked_number, fit_targets


def mean_squared_error(y_true, y_pred) -> Tensor:
    """Return the mean of ``(y_true - y_pred)**2`` over the last axis.

    Parameters
    ----------
    y_true, y_pred : array, shape (batch, ..., n)

    Returns
    -------
    Tensor, shape (batch, ...)

    Raises
    ------
    ValueError
        If the shapes differ by more than a last axis of size 1.
    """
    y_true, y_pred = fit_targets(y_true, y_pred, "mean_squared_error")
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def mean_absolute_error(y_true, y_pred) -> Tensor:
    """Return the mean of ``|y_true - y_pred|`` over the last axis; see `mean_squared_error`."""
    y_true, y_pred = fit_targets(y_true, y_pred, "mean_absolute_error")
    return ops.mean(ops.absolute(y_true - y_pred), axis=-1)


def mean_absolute_percentage_error(y_true, y_pred) -> Tensor:
    """Return 100 times the mean of ``|y_true - y_pred| / max(|y_true|, epsilon)`` over the last axis.

    Shapes and errors are those of `mean_squared_error`.
    """
    y_true, y_pred = fit_targets(y_true, y_pred, "mean_absolute_percentage_error")
    scale = ops.maximum(ops.absolute(y_true), config.epsilon())
    return 100.0 * ops.mean(ops.absolute((y_true - y_pred) / scale), axis=-1)


def mean_squared_logarithmic_error(y_true, y_pred) -> Tensor:
    """Return the mean of ``(log(1 + y_true) - log(1 + y_pred))**2`` over the last axis.

    Targets and predictions below epsilon count as epsilon. Shapes and errors are those of
    `mean_squared_error`.
    """
    y_true, y_pred = fit_targets(y_true, y_pred, "mean_squared_logarithmic_error")
    log_true, log_pred = (ops.log1p(ops.maximum(y, config.epsilon())) for y in (y_true, y_pred))
    return ops.mean(ops.square(log_true - log_pred), axis=-1)


def huber(y_true, y_pred, delta=1.0) -> Tensor:
    """Return the mean over the last axis of a square for small errors and a straight line for large ones.

    With the error e it is ``e**2 / 2`` up to ``|e| = delta``, beyond that ``delta * |e| - delta**2 / 2``.

    Parameters
    ----------
    y_true, y_pred : array, shape (batch, ..., n)
    delta : float
        0 or more.

    Returns
    -------
    Tensor, shape (batch, ...)

    References
    ----------
    Huber 1964, "Robust estimation of a location parameter".
    """
    y_true, y_pred = fit_targets(y_true, y_pred, "huber")
    error = y_pred - y_true
    size = ops.absolute(error)
    values = ops.where(size <= delta, 0.5 * ops.square(error), delta * size - 0.5 * delta**2)
    return ops.mean(values, axis=-1)


def log_cosh(y_true, y_pred) -> Tensor:
    """Return the mean of ``log(cosh(y_pred - y_true))`` over the last axis.

    It is near ``e**2 / 2`` for a small error e and ``|e| - log 2`` for a large one. Shapes and errors are
    those of `mean_squared_error`.
    """
    y_true, y_pred = fit_targets(y_true, y_pred, "log_cosh")
    error = y_pred - y_true
    # cosh itself overflows: log(cosh e) = log(exp(e) · (1 + exp(−2e)) / 2).
    return ops.mean(error + ops.softplus(-2.0 * error) - math.log(2.0), axis=-1)


def cosine_similarity(y_true, y_pred, axis=-1) -> Tensor:
    """Return minus the cosine of the angle between targets and predictions: −1 where they point one way.

    Parameters
    ----------
    y_true, y_pred : array, shape (batch, ..., n)
    axis : int
        Of the vectors. One of zeros has the similarity 0 to every other.

    Returns
    -------
    Tensor, shape (batch, ...)

    Raises
    ------
    ValueError
        If the shapes differ by more than a last axis of size 1.
    """
    y_true, y_pred = fit_targets(y_true, y_pred, "cosine_similarity")
    return -ops.sum(ops.normalize(y_true, axis=axis) * ops.normalize(y_pred, axis=axis), axis=axis)


class MeanSquaredError(LossFunctionWrapper):
    """See `mean_squared_error` and `Loss`."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name="mean_squared_error", dtype=None):
        super().__init__(mean_squared_error, reduction, name, dtype)


class MeanAbsoluteError(LossFunctionWrapper):
    """See `mean_absolute_error` and `Loss`."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name="mean_absolute_error", dtype=None):
        super().__init__(mean_absolute_error, reduction, name, dtype)


class MeanAbsolutePercentageError(LossFunctionWrapper):
    """See `mean_absolute_percentage_error` and `Loss`."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name="mean_absolute_percentage_error", dtype=None
    ):
        super().__init__(mean_absolute_percentage_error, reduction, name, dtype)


class MeanSquaredLogarithmicError(LossFunctionWrapper):
    """See `mean_squared_logarithmic_error` and `Loss`."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name="mean_squared_logarithmic_error", dtype=None
    ):
        super().__init__(mean_squared_logarithmic_error, reduction, name, dtype)


class Huber(LossFunctionWrapper):
    """See `huber` and `Loss`."""

    def __init__(
        self, delta=1.0, reduction: str | None = "sum_over_batch_size", name="huber_loss", dtype=None
    ):
        delta = checked_number("Huber", "delta", delta, 0)
        super().__init__(huber, reduction, name, dtype, delta=delta)


class LogCosh(LossFunctionWrapper):
    """See `log_cosh` and `Loss`."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name="log_cosh", dtype=None):
        super().__init__(log_cosh, reduction, name, dtype)


class CosineSimilarity(LossFunctionWrapper):
    """See `cosine_similarity` and `Loss`."""

    def __init__(
        self, axis=-1, reduction: str | None = "sum_over_batch_size", name="cosine_similarity", dtype=None
    ):
        super().__init__(cosine_similarity, reduction, name, dtype, axis=axis)
