"""How often predictions are right: functions that give 1 or 0 a sample, and their means as metrics."""

from minirnn import config, ops
from minirnn.autograd import Tensor, convert
from minirnn.autograd import primitives as P
from minirnn.losses.crossentropy import is_binary_or_sparse
from minirnn.losses.labels import check_labels
from minirnn.losses.loss import squeeze_or_expand_to_same_rank
from minirnn.metrics.metric import MeanMetricWrapper


def _as_floats(matches: Tensor) -> Tensor:
    return ops.cast(matches, config.floatx())


def _check(y_true_shape, wanted, y_pred_shape, where):
    if tuple(y_true_shape) != tuple(wanted):
        raise ValueError(
            f"{where}: y_true must have shape {tuple(wanted)} for y_pred of shape {tuple(y_pred_shape)}; "
            f"got {tuple(y_true_shape)}."
        )


def accuracy(y_true, y_pred) -> Tensor:
    """Return 1 where `y_true` equals `y_pred`, arrays of one shape (or but for a last axis of size 1)."""
    y_true, y_pred = squeeze_or_expand_to_same_rank(convert(y_true), convert(y_pred))
    _check(y_true.shape, y_pred.shape, y_pred.shape, "accuracy")
    return _as_floats(ops.equal(y_true, y_pred))


def binary_accuracy(y_true, y_pred, threshold=0.5) -> Tensor:
    """Return 1 where `y_pred`, a probability of class 1, is on the side of `threshold` that `y_true` says."""
    y_true, y_pred = squeeze_or_expand_to_same_rank(convert(y_true), convert(y_pred))
    _check(y_true.shape, y_pred.shape, y_pred.shape, "binary_accuracy")
    return _as_floats(ops.equal(y_true, ops.cast(ops.greater(y_pred, threshold), y_true.dtype)))


def categorical_accuracy(y_true, y_pred) -> Tensor:
    """Return 1 where the largest of `y_pred` is at the place of the largest of `y_true`.

    Parameters
    ----------
    y_true, y_pred : array, shape (batch, ..., classes)

    Returns
    -------
    Tensor of floatx, shape (batch, ...)
    """
    y_true, y_pred = convert(y_true), convert(y_pred)
    _check(y_true.shape, y_pred.shape, y_pred.shape, "categorical_accuracy")
    return _as_floats(ops.equal(ops.argmax(y_true, axis=-1), ops.argmax(y_pred, axis=-1)))


def _labels(y_true, y_pred: Tensor, where) -> Tensor:
    """Return class numbers in the shape of the predictions, from which they may differ by axes of size 1.

    More axes than one of the classes would need are a mistake.
    """
    y_true = convert(y_true)
    wanted = y_pred.shape[:-1]
    same = [n for n in y_true.shape if n != 1] == [n for n in wanted if n != 1]
    if same and y_true.ndim <= y_pred.ndim:
        y_true = ops.reshape(y_true, wanted)
    _check(y_true.shape, wanted, y_pred.shape, where)
    return y_true


def sparse_categorical_accuracy(y_true, y_pred) -> Tensor:
    """Return 1 where the largest of `y_pred` is at the place `y_true`.

    Parameters
    ----------
    y_true : array of int, shape (batch, ...) or (batch, ..., 1)
    y_pred : array, shape (batch, ..., classes)

    Returns
    -------
    Tensor of floatx, shape (batch, ...)
    """
    y_pred = convert(y_pred)
    y_true = _labels(y_true, y_pred, "sparse_categorical_accuracy")
    return _as_floats(ops.equal(y_true, ops.argmax(y_pred, axis=-1)))


def top_k_categorical_accuracy(y_true, y_pred, k=5) -> Tensor:
    """Return 1 where fewer than `k` classes are predicted above that of the largest of `y_true`."""
    y_true, y_pred = convert(y_true), convert(y_pred)
    _check(y_true.shape, y_pred.shape, y_pred.shape, "top_k_categorical_accuracy")
    return _among_best(ops.argmax(y_true, axis=-1), y_pred, k)


def _among_best(labels: Tensor, y_pred: Tensor, k) -> Tensor:
    """Return 1 where fewer than `k` classes are predicted above the class `labels`, which must be one."""
    scores = P.take_along_axis(y_pred, indices=ops.expand_dims(labels, -1).data.astype("int64"), axis=-1)
    above = ops.sum(ops.cast(ops.greater(y_pred, scores), "int32"), axis=-1)
    return _as_floats(ops.less(above, k))


def sparse_top_k_categorical_accuracy(y_true, y_pred, k=5, from_sorted_ids=False) -> Tensor:
    """Return 1 where fewer than `k` classes are predicted above the class `y_true`.

    Parameters
    ----------
    y_true : array of int, shape (batch, ...) or (batch, ..., 1)
    y_pred : array, shape (batch, ..., classes)
        Scores; with `from_sorted_ids` the numbers of the best classes, the best first.
    k : int
    from_sorted_ids : bool

    Returns
    -------
    Tensor of floatx, shape (batch, ...)

    Raises
    ------
    ValueError
        If the shapes do not fit, or a label is no class.
    """
    where = "sparse_top_k_categorical_accuracy"
    y_true, y_pred = convert(y_true), convert(y_pred)
    labels = _labels(y_true, y_pred, where)
    if from_sorted_ids:
        return _as_floats(ops.any(ops.equal(ops.expand_dims(labels, -1), y_pred[..., :k]), axis=-1))
    check_labels(where, y_true, y_pred.shape[-1])
    return _among_best(labels, y_pred, k)


class MeanAccuracy(MeanMetricWrapper):
    """What the accuracies have in common: the larger the better."""

    _direction = "up"


class Accuracy(MeanAccuracy):
    """The mean of `accuracy`."""

    def __init__(self, name="accuracy", dtype=None):
        super().__init__(accuracy, name, dtype)


class BinaryAccuracy(MeanAccuracy):
    """The mean of `binary_accuracy`."""

    def __init__(self, name="binary_accuracy", dtype=None, threshold=0.5):
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)
        self.threshold = threshold


class CategoricalAccuracy(MeanAccuracy):
    """The mean of `categorical_accuracy`."""

    def __init__(self, name="categorical_accuracy", dtype=None):
        super().__init__(categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(MeanAccuracy):
    """The mean of `sparse_categorical_accuracy`."""

    def __init__(self, name="sparse_categorical_accuracy", dtype=None):
        super().__init__(sparse_categorical_accuracy, name, dtype)


class TopKCategoricalAccuracy(MeanAccuracy):
    """The mean of `top_k_categorical_accuracy`."""

    def __init__(self, k=5, name="top_k_categorical_accuracy", dtype=None):
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)
        self.k = k


class SparseTopKCategoricalAccuracy(MeanAccuracy):
    """The mean of `sparse_top_k_categorical_accuracy`."""

    def __init__(self, k=5, name="sparse_top_k_categorical_accuracy", dtype=None, from_sorted_ids=False):
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, k=k, from_sorted_ids=from_sorted_ids)
        self.k, self.from_sorted_ids = k, from_sorted_ids


def resolve_accuracy(y_true_shape, y_pred_shape) -> type[MeanMetricWrapper]:
    """Return the class that "accuracy" means for targets and predictions of these shapes.

    One number a prediction: `BinaryAccuracy`. Targets of one axis less, or with a last axis of size 1:
    `SparseCategoricalAccuracy`. Otherwise `CategoricalAccuracy`.
    """
    binary, sparse = is_binary_or_sparse(y_true_shape, y_pred_shape)
    if binary:
        return BinaryAccuracy
    return SparseCategoricalAccuracy if sparse else CategoricalAccuracy
