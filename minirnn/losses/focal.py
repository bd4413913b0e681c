"""Focal cross-entropies, in which what is predicted well already weighs little.

References
----------
Lin et al. 2017, "Focal loss for dense object detection", equations 4 and 5.
"""

from typing import Any

from minirnn import config, ops
from minirnn.autograd import Tensor
from minirnn.losses.crossentropy import fit_classes, smooth_bits
from minirnn.losses.loss import LossFunctionWrapper
from minirnn.losses.targets import checked_number, fit_targets


def binary_focal_crossentropy(
    y_true,
    y_pred,
    apply_class_balancing=False,
    alpha=0.25,
    gamma=2.0,
    from_logits=False,
    label_smoothing=0.0,
    axis=-1,
) -> Tensor:
    """Return the mean over `axis` of the binary cross-entropy times ``(1 - p_t)**gamma``.

    p_t is the probability given to the truth, ``y_true * p + (1 - y_true) * (1 - p)``.

    Parameters
    ----------
    y_true : array, shape (batch, ..., n)
        0, 1, or a probability.
    y_pred : array of that shape
        p, or its logit if `from_logits`.
    apply_class_balancing : bool
        Whether class 1 weighs `alpha` and class 0 ``1 - alpha``.
    alpha, gamma : float
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
    y_true, y_pred = fit_targets(y_true, y_pred, "binary_focal_crossentropy")
    y_true = smooth_bits(y_true, label_smoothing)
    p = ops.sigmoid(y_pred) if from_logits else y_pred
    p_true = y_true * p + (1.0 - y_true) * (1.0 - p)
    # Not 0, where a power below 1 has an infinite slope.
    focus = ops.power(ops.maximum(1.0 - p_true, config.epsilon()), gamma)
    values = focus * ops.binary_crossentropy(y_true, p)
    if apply_class_balancing:
        values = values * (y_true * alpha + (1.0 - y_true) * (1.0 - alpha))
    return ops.mean(values, axis=axis)


def categorical_focal_crossentropy(
    y_true, y_pred, alpha: Any = 0.25, gamma=2.0, from_logits=False, label_smoothing=0.0, axis=-1
) -> Tensor:
    """Return ``-sum(alpha * (1 - p)**gamma * y_true * log(p))`` over the classes.

    Parameters
    ----------
    y_true : array, shape (batch, ..., classes)
        Rows with a 1, or probabilities.
    y_pred : array of that shape
        p (scaled here to sum to 1, and kept epsilon away from 0 and 1), or logits if `from_logits`.
    alpha : float, or array of floats, one for each class
    gamma : float
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
    y_true, y_pred = fit_classes(y_true, y_pred, label_smoothing, axis, "categorical_focal_crossentropy")
    if from_logits:
        y_pred = ops.softmax(y_pred, axis=axis)
    epsilon = config.epsilon()
    p = ops.clip(y_pred / ops.sum(y_pred, axis=axis, keepdims=True), epsilon, 1.0 - epsilon)
    weight = ops.power(1.0 - p, gamma) * alpha
    return -ops.sum(weight * y_true * ops.log(p), axis=axis)


class BinaryFocalCrossentropy(LossFunctionWrapper):
    """See `binary_focal_crossentropy` and `Loss`."""

    def __init__(
        self,
        apply_class_balancing=False,
        alpha=0.25,
        gamma=2.0,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction: str | None = "sum_over_batch_size",
        name="binary_focal_crossentropy",
        dtype=None,
    ):
        label_smoothing = checked_number("BinaryFocalCrossentropy", "label_smoothing", label_smoothing, 0, 1)
        alpha = checked_number("BinaryFocalCrossentropy", "alpha", alpha, 0, 1)
        gamma = checked_number("BinaryFocalCrossentropy", "gamma", gamma, 0)
        options = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        options |= {"apply_class_balancing": apply_class_balancing, "alpha": alpha, "gamma": gamma}
        super().__init__(binary_focal_crossentropy, reduction, name, dtype, **options)


class CategoricalFocalCrossentropy(LossFunctionWrapper):
    """See `categorical_focal_crossentropy` and `Loss`."""

    def __init__(
        self,
        alpha: Any = 0.25,
        gamma=2.0,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction: str | None = "sum_over_batch_size",
        name="categorical_focal_crossentropy",
        dtype=None,
    ):
        label_smoothing = checked_number(
            "CategoricalFocalCrossentropy", "label_smoothing", label_smoothing, 0, 1
        )
        gamma = checked_number("CategoricalFocalCrossentropy", "gamma", gamma, 0)
        options = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        options |= {"alpha": alpha, "gamma": gamma}
        super().__init__(categorical_focal_crossentropy, reduction, name, dtype, **options)
