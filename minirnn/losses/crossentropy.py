"""Cross-entropies: minus the logarithm of the probability that predictions give to the targets."""

import warnings
from typing import Any

from minirnn import backend, ops
from minirnn.autograd import Tensor, convert, convert_float
from minirnn.losses.labels import check_labels
from minirnn.losses.loss import TARGET_CHECKS, LossFunctionWrapper
from minirnn.losses.targets import checked_number, fit_targets
from minirnn.ops.crossentropy import minus_log_probability


def binary_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1) -> Tensor:
    """Return the mean over `axis` of ``-y_true * log(p) - (1 - y_true) * log(1 - p)``.

    Parameters
    ----------
    y_true : array, shape (batch, ..., n)
        0, 1, or a probability.
    y_pred : array of that shape
        p, or its logit if `from_logits`. Probabilities are kept epsilon away from 0 and 1.
    label_smoothing : float
        In [0, 1]: moves the targets this share of the way to 1/2.
    axis : int

    Returns
    -------
    Tensor, shape (batch, ...)

    Raises
    ------
    ValueError
        If the shapes differ by more than a last axis of size 1.
    """
    y_true, y_pred = fit_targets(y_true, y_pred, "binary_crossentropy")
    y_true = smooth_bits(y_true, label_smoothing)
    values = ops.binary_crossentropy(y_true, y_pred, from_logits=from_logits)
    return ops.mean(values, axis=axis)


def smooth_bits(y_true: Tensor, label_smoothing) -> Tensor:
    """Return probabilities moved towards 1/2."""
    return y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing if label_smoothing else y_true


def categorical_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1) -> Tensor:
    """Return ``-sum(y_true * log(p))`` over the classes.

    Parameters
    ----------
    y_true : array, shape (batch, ..., classes)
        Rows with a 1, or probabilities.
    y_pred : array of that shape
        p (scaled here to sum to 1), or logits if `from_logits`.
    label_smoothing : float
        In [0, 1]: moves the targets this share of the way to ``1 / classes``.
    axis : int
        Of the classes.

    Returns
    -------
    Tensor, shape (batch, ...)

    Raises
    ------
    ValueError
        If the shapes differ.

    Warns
    -----
    SyntaxWarning
        If there is one class only, whose probability is 1 whatever is predicted.
    """
    y_true, y_pred = fit_classes(y_true, y_pred, label_smoothing, axis, "categorical_crossentropy")
    return ops.categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)


def fit_classes(y_true, y_pred, label_smoothing, axis, where) -> tuple[Tensor, Tensor]:
    """Return rows of probabilities, smoothed, and predictions as floats of one shape; or raise ValueError."""
    hint = " Class numbers as targets belong to the sparse_categorical_crossentropy."
    y_true, y_pred = fit_targets(y_true, y_pred, where, hint)
    classes = y_pred.shape[axis]
    if classes == 1:
        warnings.warn(
            f"{where}: y_pred of shape {y_pred.shape} has one class, and nothing can be learnt. Where it "
            "is the probability of one of two classes, use the binary_crossentropy.",
            SyntaxWarning,
            stacklevel=4,
        )
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + label_smoothing / classes
    return y_true, y_pred


def sparse_categorical_crossentropy(y_true, y_pred, from_logits=False, ignore_class=None, axis=-1) -> Tensor:
    """Return ``-log(p[label])``.

    Parameters
    ----------
    y_true : array of int, shape (batch, ...) or (batch, ..., 1)
        Labels in [0, classes).
    y_pred : array, shape (batch, ..., classes)
        p (scaled here to sum to 1), or logits if `from_logits`.
    ignore_class : int, optional
        A label whose places give 0 and are masked from the mean.
    axis : int
        Of the classes in `y_pred`.

    Returns
    -------
    Tensor, shape (batch, ...)

    Raises
    ------
    ValueError
        If the shapes do not fit, or a label is no integer or out of range.
    """
    y_pred, y_true = convert_float(y_pred), convert(y_true)
    labels = y_true.data
    if not y_pred.ndim:
        raise ValueError("sparse_categorical_crossentropy: y_pred needs an axis of classes; got a scalar.")
    axis %= y_pred.ndim
    if labels.ndim == y_pred.ndim and labels.shape[axis] == 1:
        labels = labels.squeeze(axis)
    wanted = y_pred.shape[:axis] + y_pred.shape[axis + 1 :]
    if labels.shape != wanted:
        raise ValueError(
            f"sparse_categorical_crossentropy: y_true must be labels of shape {wanted} for y_pred of shape "
            f"{y_pred.shape}; got {y_true.shape}. Rows with a 1 as targets belong to the "
            "categorical_crossentropy."
        )
    check_labels("sparse_categorical_crossentropy", y_true, y_pred.shape[axis], ignore_class)
    if ignore_class is None:
        return minus_log_probability(labels, y_pred, from_logits, axis)
    valid = labels != ignore_class
    values = minus_log_probability(labels * valid, y_pred, from_logits, axis)
    mask = Tensor(valid)
    masked: Any = ops.where(mask, values, ops.zeros_like(values))
    backend.set_keras_mask(masked, mask)
    return masked


def _check_targets(y_true, y_pred_shape, from_logits=False, ignore_class=None, axis=-1) -> None:
    check_labels("sparse_categorical_crossentropy", y_true, y_pred_shape[axis], ignore_class)


TARGET_CHECKS[sparse_categorical_crossentropy] = _check_targets


def is_binary_or_sparse(y_true_shape, y_pred_shape) -> tuple[bool, bool]:
    """Return whether predictions of one number mean two classes, and whether targets are class numbers."""
    sparse = len(y_true_shape) < len(y_pred_shape) or (y_true_shape[-1] == 1 and y_pred_shape[-1] > 1)
    return y_pred_shape[-1] == 1, sparse


def resolve_crossentropy(y_true_shape, y_pred_shape):
    """Return the function that "crossentropy" means for targets and predictions of these shapes."""
    binary, sparse = is_binary_or_sparse(y_true_shape, y_pred_shape)
    if binary:
        return binary_crossentropy
    return sparse_categorical_crossentropy if sparse else categorical_crossentropy


class BinaryCrossentropy(LossFunctionWrapper):
    """See `binary_crossentropy` and `Loss`."""

    def __init__(
        self,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction: str | None = "sum_over_batch_size",
        name="binary_crossentropy",
        dtype=None,
    ):
        label_smoothing = checked_number("BinaryCrossentropy", "label_smoothing", label_smoothing, 0, 1)
        options = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(binary_crossentropy, reduction, name, dtype, **options)


class CategoricalCrossentropy(LossFunctionWrapper):
    """See `categorical_crossentropy` and `Loss`."""

    def __init__(
        self,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction: str | None = "sum_over_batch_size",
        name="categorical_crossentropy",
        dtype=None,
    ):
        label_smoothing = checked_number("CategoricalCrossentropy", "label_smoothing", label_smoothing, 0, 1)
        options = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(categorical_crossentropy, reduction, name, dtype, **options)


class SparseCategoricalCrossentropy(LossFunctionWrapper):
    """See `sparse_categorical_crossentropy` and `Loss`."""

    integer_targets = True

    def __init__(
        self,
        from_logits=False,
        ignore_class=None,
        reduction: str | None = "sum_over_batch_size",
        axis=-1,
        name="sparse_categorical_crossentropy",
        dtype=None,
    ):
        options = {"from_logits": from_logits, "ignore_class": ignore_class, "axis": axis}
        super().__init__(sparse_categorical_crossentropy, reduction, name, dtype, **options)
