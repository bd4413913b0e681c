"""The losses as functions that give one value a sample.

Shapes and labels are checked before anything is computed: predictions and targets that fit only by
broadcasting, which Keras lets pass, are nearly always a mistake.
"""

from typing import Any

from minirnn import backend, ops
from minirnn.autograd import Tensor, convert, convert_float
from minirnn.losses.loss import TARGET_CHECKS, squeeze_or_expand_to_same_rank


def fit_targets(y_true, y_pred, where, hint="") -> tuple[Tensor, Tensor]:
    """Return targets and predictions as floats of one shape, or raise ValueError."""
    y_pred = convert_float(y_pred)
    y_true, y_pred = squeeze_or_expand_to_same_rank(convert(y_true, y_pred.dtype), y_pred)
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"{where}: y_true must have the shape of y_pred, {y_pred.shape}; got {y_true.shape}.{hint}"
        )
    return y_true, y_pred


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
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    values = ops.binary_crossentropy(y_true, y_pred, from_logits=from_logits)
    return ops.mean(values, axis=axis)


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
    """
    hint = " Class numbers as targets belong to the sparse_categorical_crossentropy."
    y_true, y_pred = fit_targets(y_true, y_pred, "categorical_crossentropy", hint)
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + label_smoothing / y_true.shape[axis]
    return ops.categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)


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
    y_pred = convert_float(y_pred)
    labels = convert(y_true).data
    xp = backend.array_module(labels)
    if not y_pred.ndim:
        raise ValueError("sparse_categorical_crossentropy: y_pred needs an axis of classes; got a scalar.")
    axis %= y_pred.ndim
    if labels.ndim == y_pred.ndim and labels.shape[axis] == 1:
        labels = labels.squeeze(axis)
    wanted = y_pred.shape[:axis] + y_pred.shape[axis + 1 :]
    if labels.shape != wanted:
        raise ValueError(
            f"sparse_categorical_crossentropy: y_true must be labels of shape {wanted} for y_pred of shape "
            f"{y_pred.shape}; got {tuple(convert(y_true).shape)}. Rows with a 1 as targets belong to the "
            "categorical_crossentropy."
        )
    if labels.dtype.kind == "f" and (labels != xp.floor(labels)).any():
        raise ValueError(
            f"sparse_categorical_crossentropy: labels must be integers; got fractions in {labels.dtype}."
        )
    if ignore_class is None:
        return ops.sparse_categorical_crossentropy(labels, y_pred, from_logits=from_logits, axis=axis)
    valid = labels != ignore_class
    values = ops.sparse_categorical_crossentropy(labels * valid, y_pred, from_logits=from_logits, axis=axis)
    mask = Tensor(valid)
    masked: Any = ops.where(mask, values, ops.zeros_like(values))
    backend.set_keras_mask(masked, mask)
    return masked


def _check_labels(y_true, y_pred_shape, from_logits=False, ignore_class=None, axis=-1) -> None:
    """Raise ValueError unless all labels are whole numbers from 0 to classes - 1, or `ignore_class`."""
    labels = convert(y_true).data
    if ignore_class is not None:
        labels = labels[labels != ignore_class]
    classes = y_pred_shape[axis]
    wrong = labels[(labels != labels // 1) | (labels < 0) | (labels >= classes)]
    if wrong.size:
        raise ValueError(
            f"sparse_categorical_crossentropy: labels must be whole numbers from 0 to {classes - 1}, the "
            f"output having {classes} classes; got {wrong.reshape(-1)[0]} among them."
        )


TARGET_CHECKS[sparse_categorical_crossentropy] = _check_labels


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
