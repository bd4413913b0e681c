"""True and false, positives and negatives: counts at thresholds, precision and recall.

All of them are made of `count_outcomes`, which reads nothing from a device.
"""

from typing import Any

import numpy as np

from minirnn import backend, ops
from minirnn.autograd import Tensor, Variable, convert, no_grad
from minirnn.autograd import primitives as P
from minirnn.losses.loss import apply_mask, squeeze_or_expand_to_same_rank
from minirnn.metrics.metric import Metric, fit_weight

# Stands for a score below each threshold, and for the threshold of all scores among the best k.
LOWEST = -1e10


def count_outcomes(
    where,
    y_true,
    y_pred,
    thresholds,
    dtype,
    sample_weight=None,
    top_k=None,
    class_id=None,
    label_weights=None,
    by_label=False,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the weighted numbers of true positives, false positives, true negatives and false negatives.

    Parameters
    ----------
    where : str
        Begins the errors.
    y_true : array, shape (batch, ...)
        0, or anything else for what is positive.
    y_pred : array of that shape
        Scores: positive above the threshold, not at it, and never if NaN. What a mask leaves out is not
        counted.
    thresholds : list of float
    dtype : str
        Of the computations.
    sample_weight : array, optional
        Of that shape, or of leading axes of it.
    top_k : int, optional
        Only the best k scores along the last axis can be positive.
    class_id : int, optional
        Only this place of the last axis is counted.
    label_weights : Tensor, shape (labels,), optional
        One for each place of the last axis.
    by_label : bool
        Whether each place of the last axis, of two, is counted by itself.

    Returns
    -------
    four Tensors of shape (thresholds,), or (thresholds, labels)

    Raises
    ------
    ValueError
        If shapes do not fit, or `top_k` or `class_id` is out of range.
    """
    mask = backend.get_keras_mask(y_pred)
    weight = apply_mask(sample_weight, mask, dtype, "sum")
    y_true, y_pred = squeeze_or_expand_to_same_rank(convert(y_true, dtype), convert(y_pred, dtype))
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"{where}: y_true must have the shape of y_pred, {y_pred.shape}; got {y_true.shape}. Class "
            "numbers as targets must be made rows with a 1 first, by utils.to_categorical."
        )
    _check_places(where, y_pred.shape, top_k, class_id)
    if weight is not None:
        weight = fit_weight(weight, y_pred.shape, where)
    if label_weights is not None:
        per_label = ops.broadcast_to(label_weights, y_pred.shape)
        weight = per_label if weight is None else weight * per_label
    if top_k is not None:
        best = ops.sum(ops.one_hot(ops.top_k(y_pred, top_k)[1], y_pred.shape[-1], dtype=dtype), axis=-2)
        y_pred = ops.where(best > 0, y_pred, LOWEST)
    positive = ops.cast(y_true != 0, dtype)
    arrays = [y_pred, positive, 1.0 - positive]
    if weight is not None:
        arrays = [y_pred, positive * weight, (1.0 - positive) * weight]
    if class_id is not None:
        arrays = [array[..., class_id] for array in arrays]
    labels = arrays[0].shape[-1] if by_label else 1
    scores, is_true, is_false = (array.data.reshape(-1, labels) for array in arrays)
    true_positives, trues = _above(scores, is_true, thresholds)
    false_positives, falses = _above(scores, is_false, thresholds)
    counts = (true_positives, false_positives, falses - false_positives, trues - true_positives)
    tp, fp, tn, fn = (Tensor(count if by_label else count[:, 0]) for count in counts)
    return tp, fp, tn, fn


def _check_places(where, shape, top_k, class_id):
    # The best k may be those of one row alone.
    for name, value, first, least in (("top_k", top_k, 1, 1), ("class_id", class_id, 0, 2)):
        if value is None:
            continue
        if len(shape) < least:
            wanted = "of shape (batch, ..., classes)" if least == 2 else "with an axis of classes"
            raise ValueError(f"{where}: {name} needs predictions {wanted}; got {shape}.")
        last = shape[-1] - 1 + first
        if not first <= value <= last:
            raise ValueError(
                f"{where}: {name} must be from {first} to {last} for predictions of shape {shape}; got "
                f"{value!r}."
            )


def _above(scores_NC, weights_NC, thresholds) -> tuple[Any, Any]:
    """Return the sums of weights, for each column, of scores above each threshold, and of all scores."""
    xp = backend.array_module(scores_NC)
    C = scores_NC.shape[1]
    order = np.argsort(thresholds, kind="stable")
    ascending = xp.asarray(np.asarray(thresholds)[order].tolist(), dtype=scores_NC.dtype)
    # How many thresholds a score is above is the bin that its weight goes into: no product of scores and
    # thresholds, of which there are hundreds.
    bins_NC = xp.searchsorted(ascending, scores_NC, side="left")
    # NaN is above nothing, but is sorted behind all numbers.
    bins_NC = xp.where(xp.isnan(scores_NC), 0, bins_NC) * C + xp.arange(C)
    shape = ((len(thresholds) + 1) * C,)
    sums = P.scatter(Tensor(weights_NC.reshape(-1)), index=(bins_NC.reshape(-1),), shape=shape)
    from_end = sums.data.reshape(-1, C)[::-1].cumsum(axis=0)[::-1]
    back = xp.asarray(np.argsort(order, kind="stable").tolist())
    return from_end[1:][back], from_end[0]


def as_thresholds(where, thresholds, default) -> list[float]:
    """Return a threshold, or several, or the default, as a list; or raise ValueError."""
    found = default if thresholds is None else thresholds
    found = list(found) if isinstance(found, list | tuple | np.ndarray) else [found]
    if thresholds is not None:
        wrong = [t for t in found if isinstance(t, str) or t is None or not 0 <= t <= 1]
        if wrong or not found:
            raise ValueError(f"{where}: thresholds must be numbers from 0 to 1; got {thresholds!r}.")
    return [float(t) for t in found]


class Outcomes(Metric):
    """The base of metrics that count outcomes in Variables, one for each threshold, float32 at least.

    Attributes
    ----------
    counted : tuple of str
        Which of the outcomes are kept, under these names.
    """

    OUTCOMES = ("true_positives", "false_positives", "true_negatives", "false_negatives")
    counted: tuple[str, ...] = ()
    thresholds: list[float]
    top_k: Any = None
    class_id: Any = None

    def __init__(self, dtype=None, name=None):
        super().__init__(dtype, name)
        # Counting by ones ends in float16 at 2048.
        self._counting = self.dtype if np.dtype(self.dtype).itemsize >= 4 else "float32"

    def _make(self, shape):
        """Make the Variables."""
        for name in self.counted:
            setattr(self, name, self.add_variable(shape, dtype=self._counting, name=name))

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count.

        Parameters
        ----------
        y_true : array, shape (batch, ...)
            0 or 1.
        y_pred : array of that shape
            Probabilities of 1.
        sample_weight : array, optional
            Of that shape, or of leading axes of it.

        Raises
        ------
        ValueError
            If the shapes do not fit.
        """
        with no_grad():
            self._add(self._counts(y_true, y_pred, sample_weight))

    def _counts(self, y_true, y_pred, sample_weight, **options) -> tuple:
        where = f"{type(self).__name__} {self.name!r}"
        options = {"top_k": self.top_k, "class_id": self.class_id, **options}
        return count_outcomes(
            where, y_true, y_pred, self.thresholds, self._counting, sample_weight, **options
        )

    def _add(self, counts):
        for outcome, count in zip(self.OUTCOMES, counts):
            if outcome in self.counted:
                self._variable(outcome).assign_add(count)

    def _variable(self, outcome) -> Variable:
        return getattr(self, outcome)

    def _share(self, outcome, other) -> Tensor:
        """Return the count of an outcome as a share of it and another one together; 0 of none at all."""
        count = self._variable(outcome)
        return ops.divide_no_nan(count, count + self._variable(other))


class _Count(Outcomes):
    def __init__(self, thresholds=None, name=None, dtype=None):
        super().__init__(dtype, name)
        self.init_thresholds = thresholds
        self.thresholds = as_thresholds(f"{type(self).__name__} {self.name!r}", thresholds, 0.5)
        self.accumulator = self.add_variable(
            (len(self.thresholds),), dtype=self._counting, name="accumulator"
        )

    def _variable(self, outcome):
        return self.accumulator

    def result(self) -> Tensor:
        count = self.accumulator.value
        return count[0] if len(self.thresholds) == 1 else count

    def get_config(self):
        return {**super().get_config(), "thresholds": self.init_thresholds}


class TruePositives(_Count):
    """The weighted number of positives predicted as such: above a threshold, default 0.5, or several."""

    counted = ("true_positives",)


class FalsePositives(_Count):
    """The weighted number of negatives that are predicted as positives; see `TruePositives`."""

    counted = ("false_positives",)


class TrueNegatives(_Count):
    """The weighted number of negatives that are predicted as such; see `TruePositives`."""

    counted = ("true_negatives",)


class FalseNegatives(_Count):
    """The weighted number of positives that are predicted as negatives; see `TruePositives`."""

    counted = ("false_negatives",)


class _Share(Outcomes):
    _direction = "up"

    def __init__(self, thresholds=None, top_k=None, class_id=None, name=None, dtype=None):
        super().__init__(dtype, name)
        self.init_thresholds, self.top_k, self.class_id = thresholds, top_k, class_id
        default = 0.5 if top_k is None else LOWEST
        self.thresholds = as_thresholds(f"{type(self).__name__} {self.name!r}", thresholds, default)
        self._make((len(self.thresholds),))

    def result(self) -> Tensor:
        share = self._share(*self.counted)
        return share[0] if len(self.thresholds) == 1 else share

    def get_config(self):
        options = {"thresholds": self.init_thresholds, "top_k": self.top_k, "class_id": self.class_id}
        return {**super().get_config(), **options}


class Precision(_Share):
    """The share of true ones among all that are predicted as positives; 0 where there are none.

    Parameters
    ----------
    thresholds : float or list of float, optional
        In [0, 1]: from which probability on, itself not counted, a prediction is positive; one result for
        each. Default 0.5, or with `top_k` none.
    top_k : int, optional
        Only the best k along the last axis can be positive.
    class_id : int, optional
        Count only this class, a place of the last axis.
    name, dtype
        See `Metric`.
    """

    counted = ("true_positives", "false_positives")


class Recall(_Share):
    """The share of those predicted as such among all positives; 0 where there are none.

    The parameters are those of `Precision`.
    """

    counted = ("true_positives", "false_negatives")
