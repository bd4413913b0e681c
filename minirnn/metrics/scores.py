"""Scores of several outputs put together from sums over batches: F-scores of classes, R² of numbers."""

import warnings
from typing import Any

from minirnn import backend, config, ops
from minirnn.autograd import Tensor, Variable, convert, no_grad
from minirnn.losses.loss import apply_mask, squeeze_or_expand_to_same_rank
from minirnn.metrics.metric import Metric, fit_weight


class _ByColumn(Metric):
    """The base of metrics with sums for each column of the predictions, made with the first of them."""

    sums: tuple[str, ...] = ()
    columns: Any = None

    def _fit(self, y_true, y_pred, sample_weight) -> tuple[Tensor, Tensor, Tensor]:
        """Return targets, predictions and weights of one shape, and make the Variables if there are none.

        What a mask of the predictions leaves out has no weight.

        Raises
        ------
        ValueError
            If the shapes do not fit.
        """
        where = f"{type(self).__name__} {self.name!r}"
        sample_weight = apply_mask(sample_weight, backend.get_keras_mask(y_pred), self.dtype, "sum")
        y_true, y_pred = convert(y_true, self.dtype), convert(y_pred, self.dtype)
        y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
        if y_pred.ndim != 2 or y_true.shape != y_pred.shape:
            raise ValueError(
                f"{where}: y_true must have the shape of y_pred, which must be (batch, outputs); got "
                f"{y_true.shape} and {y_pred.shape}."
            )
        if self.columns not in (None, y_pred.shape[1]):
            raise ValueError(
                f"{where}: there must be {self.columns} outputs, as at first; got {y_pred.shape[1]}."
            )
        if sample_weight is None:
            weight = ops.ones(y_pred.shape, self.dtype)
        else:
            weight = fit_weight(sample_weight, y_pred.shape, where)
        if self.columns is None:
            self.columns = y_pred.shape[1]
            for name in self.sums:
                setattr(self, name, self.add_variable(self._shape(), name=name))
        return y_true, y_pred, weight

    def _shape(self) -> tuple:
        return (self.columns,)


class FBetaScore(_ByColumn):
    """The weighted harmonic mean of precision and recall, of which recall weighs `beta` times as much.

    ``(1 + beta**2) * precision * recall / (beta**2 * precision + recall)``

    Parameters
    ----------
    average : {None, "micro", "macro", "weighted"}
        None: a score for each class. "micro": of the counts of all classes together. "macro": the mean of the
        classes' scores; "weighted": by how often each class comes.
    beta : float
        Above 0.
    threshold : float, optional
        In (0, 1]: what is predicted is all above it. By default it is the class with the largest prediction.
    name, dtype
        See `Metric`.

    References
    ----------
    van Rijsbergen 1979, "Information retrieval", chapter 7.
    """

    _direction = "up"
    sums = ("true_positives", "false_positives", "false_negatives", "intermediate_weights")
    true_positives: Variable
    false_positives: Variable
    false_negatives: Variable
    intermediate_weights: Variable

    def __init__(self, average=None, beta=1.0, threshold=None, name="fbeta_score", dtype=None):
        super().__init__(dtype, name)
        where = f"{type(self).__name__} {self.name!r}"
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(f"{where}: average must be None, micro, macro or weighted; got {average!r}.")
        if not isinstance(beta, float) or beta <= 0:
            raise ValueError(f"{where}: beta must be a float above 0; got {beta!r}.")
        if threshold is not None and not (isinstance(threshold, float) and 0 < threshold <= 1):
            raise ValueError(
                f"{where}: threshold must be a float above 0 and up to 1, or None; got {threshold!r}."
            )
        self.average, self.beta, self.threshold = average, beta, threshold

    def _shape(self):
        return () if self.average == "micro" else (self.columns,)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count outcomes of targets (0 or 1) and predictions, both of shape (batch, classes).

        Raises
        ------
        ValueError
            If the shapes are others.
        """
        with no_grad():
            y_true, y_pred, weight = self._fit(y_true, y_pred, sample_weight)
            if self.threshold is None:
                best = y_pred >= ops.max(y_pred, axis=-1, keepdims=True)
                # A row of zeros predicts no class.
                predicted = ops.logical_and(best, ops.absolute(y_pred) > 1e-9)
            else:
                predicted = y_pred > self.threshold
            predicted = ops.cast(predicted, self.dtype)
            axis = None if self.average == "micro" else 0
            self.true_positives.assign_add(ops.sum(weight * predicted * y_true, axis=axis))
            self.false_positives.assign_add(ops.sum(weight * predicted * (1.0 - y_true), axis=axis))
            self.false_negatives.assign_add(ops.sum(weight * (1.0 - predicted) * y_true, axis=axis))
            self.intermediate_weights.assign_add(ops.sum(weight * y_true, axis=axis))

    def result(self) -> Tensor:
        if self.columns is None:
            return ops.zeros((), self.dtype)
        tp, epsilon = self.true_positives, config.epsilon()
        precision = tp / (tp + self.false_positives + epsilon)
        recall = tp / (tp + self.false_negatives + epsilon)
        square = self.beta**2
        scores = (1.0 + square) * (precision * recall / (square * precision + recall + epsilon))
        if self.average is None:
            return scores
        if self.average == "weighted":
            weight = self.intermediate_weights
            return ops.sum(scores * (weight / (ops.sum(weight) + epsilon)))
        return ops.mean(scores)

    def get_config(self):
        options = {"average": self.average, "beta": self.beta, "threshold": self.threshold}
        return {**super().get_config(), **options}


class F1Score(FBetaScore):
    """The harmonic mean of precision and recall; see `FBetaScore`."""

    def __init__(self, average=None, threshold=None, name="f1_score", dtype=None):
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self):
        return {key: value for key, value in super().get_config().items() if key != "beta"}


class R2Score(_ByColumn):
    """The share of the targets' variance that predictions explain: 1 for all of it, 0 for what the mean does.

    ``1 - sum((y_true - y_pred)**2) / sum((y_true - mean(y_true))**2)``

    Parameters
    ----------
    class_aggregation : {"uniform_average", "variance_weighted_average", None}
        How the scores of several outputs become one: their mean, or one weighted by the targets' variances.
    num_regressors : int
        The number of inputs, for the adjusted score ``1 - (1 - r2) * (n - 1) / (n - num_regressors - 1)`` of
        n targets; 0 for the plain one.
    name, dtype
        See `Metric`.
    """

    _direction = "up"
    sums = ("squared_sum", "sum", "residual", "count")
    squared_sum: Variable
    sum: Variable
    residual: Variable
    count: Variable

    def __init__(
        self, class_aggregation: str | None = "uniform_average", num_regressors=0, name="r2_score", dtype=None
    ):
        super().__init__(dtype, name)
        where = f"R2Score {self.name!r}"
        if class_aggregation not in (None, "uniform_average", "variance_weighted_average"):
            raise ValueError(
                f"{where}: class_aggregation must be None, uniform_average or variance_weighted_average; got "
                f"{class_aggregation!r}."
            )
        if num_regressors < 0:
            raise ValueError(f"{where}: num_regressors must be 0 or more; got {num_regressors!r}.")
        self.class_aggregation, self.num_regressors = class_aggregation, num_regressors
        self.num_samples = self.add_variable((), name="num_samples")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add up targets and predictions, both of shape (batch, outputs).

        Raises
        ------
        ValueError
            If the shapes are others.
        """
        with no_grad():
            mask = apply_mask(None, backend.get_keras_mask(y_pred), self.dtype, "sum")
            y_true, y_pred, weight = self._fit(y_true, y_pred, sample_weight)
            kept = y_true.size if mask is None else ops.sum(fit_weight(mask, y_true.shape, self.name))
            self.sum.assign_add(ops.sum(weight * y_true, axis=0))
            self.squared_sum.assign_add(ops.sum(weight * y_true * y_true, axis=0))
            self.residual.assign_add(ops.sum(weight * ops.square(y_true - y_pred), axis=0))
            self.count.assign_add(ops.sum(weight, axis=0))
            self.num_samples.assign_add(kept)

    def result(self) -> Tensor:
        if self.columns is None:
            return ops.zeros((), self.dtype)
        total = self.squared_sum - self.sum * ops.divide_no_nan(self.sum, self.count)
        # Of targets that do not vary there is nothing to explain.
        scores: Any = ops.where(total == 0, 0.0, 1.0 - ops.divide_no_nan(self.residual, total))
        if self.class_aggregation == "uniform_average":
            scores = ops.mean(scores)
        elif self.class_aggregation == "variance_weighted_average":
            scores = ops.divide_no_nan(ops.sum(total * scores), ops.sum(total))
        return self._adjusted(scores) if self.num_regressors else scores

    def _adjusted(self, scores) -> Tensor:
        n, p = float(self.num_samples), self.num_regressors
        if p >= n - 1:
            warnings.warn(
                f"R2Score {self.name!r}: the adjusted score needs more than {p + 1} targets for {p} "
                f"regressors; got {n:.0f}. This is the plain score.",
                stacklevel=3,
            )
            return scores
        return 1.0 - (1.0 - scores) * ((n - 1.0) / (n - p - 1.0))

    def get_config(self):
        options = {"class_aggregation": self.class_aggregation, "num_regressors": self.num_regressors}
        return {**super().get_config(), **options}
