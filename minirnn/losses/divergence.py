"""Losses between distributions: Kullback and Leibler's divergence, and that of Poisson's distribution."""

from minirnn import config, ops
from minirnn.autograd import Tensor
from minirnn.losses.loss import LossFunctionWrapper
from minirnn.losses.targets import fit_targets


def kl_divergence(y_true, y_pred) -> Tensor:
    """Return ``sum(y_true * log(y_true / y_pred))`` over the last axis.

    Parameters
    ----------
    y_true, y_pred : array, shape (batch, ..., classes)
        Probabilities; they are kept between epsilon and 1.

    Returns
    -------
    Tensor, shape (batch, ...)

    Raises
    ------
    ValueError
        If the shapes differ by more than a last axis of size 1.

    References
    ----------
    Kullback and Leibler 1951, "On information and sufficiency".
    """
    y_true, y_pred = fit_targets(y_true, y_pred, "kl_divergence")
    y_true, y_pred = (ops.clip(y, config.epsilon(), 1.0) for y in (y_true, y_pred))
    return ops.sum(y_true * ops.log(y_true / y_pred), axis=-1)


def poisson(y_true, y_pred) -> Tensor:
    """Return the mean of ``y_pred - y_true * log(y_pred + epsilon)`` over the last axis.

    Up to what does not depend on the predictions, it is minus the logarithm of the probability of the counts
    `y_true` where the means are `y_pred`, which must be 0 or more. Shapes and errors are those of
    `kl_divergence`.
    """
    y_true, y_pred = fit_targets(y_true, y_pred, "poisson")
    return ops.mean(y_pred - y_true * ops.log(y_pred + config.epsilon()), axis=-1)


class KLDivergence(LossFunctionWrapper):
    """See `kl_divergence` and `Loss`."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name="kl_divergence", dtype=None):
        super().__init__(kl_divergence, reduction, name, dtype)


class Poisson(LossFunctionWrapper):
    """See `poisson` and `Loss`."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name="poisson", dtype=None):
        super().__init__(poisson, reduction, name, dtype)
