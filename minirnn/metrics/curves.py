"""What counts at many thresholds say: the area under a curve, and the best of one share given another."""

from typing import Any

from minirnn import config, ops
from minirnn.autograd import Tensor, Variable, convert_float, no_grad
from minirnn.backend import allowance, get_keras_mask, set_keras_mask
from minirnn.metrics.confusion import Outcomes

_CURVES = ("ROC", "PR", "PRGAIN")
_SUMMATIONS = ("interpolation", "majoring", "minoring")


def _between(count) -> list[float]:
    """Return thresholds at even distances, those at 0 and 1 left out."""
    allowance.ask(count, work=2000 * count)  # a list takes more memory and time than an array
    return [(i + 1) / (count - 1) for i in range(count - 2)]


def _choice(where, name, value, known):
    match = next((k for k in known if str(value).lower() == k.lower()), None)
    if match is None:
        raise ValueError(f"{where}: {name} must be one of {', '.join(known)}; got {value!r}.")
    return match


class AUC(Outcomes):
    """The area under a curve that is drawn through the outcomes at many thresholds.

    Parameters
    ----------
    num_thresholds : int
        2 or more: how many thresholds, evenly from 0 to 1; the more, the nearer to the area of all.
    curve : {"ROC", "PR", "PRGAIN"}
        The share of true ones found over the share of false ones taken for true; precision over recall; or
        the gains of these two over taking all for true.
    summation_method : {"interpolation", "majoring", "minoring"}
        Between two points the curve is a straight line, or at the height of the higher or the lower one. The
        interpolation of precision over recall is that of Davis and Goadrich, as a straight line there is too
        high.
    name, dtype
        See `Metric`.
    thresholds : list of float, optional
        Used in place of even ones, with one more below 0 and one above 1.
    multi_label : bool
        Whether predictions, shape (batch, labels), have a curve for each label. The result is the mean area.
    num_labels : int, optional
        How many labels: then Variables are made before the first batch.
    label_weights : list of float, optional
        Of each label: in the mean of areas, or else of the counts of what is predicted for it.
    from_logits : bool
        Whether predictions are logits, not probabilities.

    References
    ----------
    Davis and Goadrich 2006, "The relationship between precision-recall and ROC curves". Flach and Kull 2015,
    "Precision-recall-gain curves: PR analysis done right".
    """

    _direction = "up"
    counted = Outcomes.OUTCOMES
    true_positives: Variable

    def __init__(
        self,
        num_thresholds=200,
        curve="ROC",
        summation_method="interpolation",
        name=None,
        dtype=None,
        thresholds=None,
        multi_label=False,
        num_labels=None,
        label_weights=None,
        from_logits=False,
    ):
        super().__init__(dtype, name)
        where = f"AUC {self.name!r}"
        self.curve = _choice(where, "curve", curve, _CURVES)
        self.summation_method = _choice(where, "summation_method", summation_method, _SUMMATIONS)
        if num_labels and not multi_label:
            raise ValueError(f"{where}: num_labels is for multi_label=True; got num_labels={num_labels}.")
        if thresholds is None and num_thresholds < 2:
            raise ValueError(f"{where}: num_thresholds must be 2 or more; got {num_thresholds!r}.")
        self._given = thresholds is not None
        between = _between(num_thresholds) if thresholds is None else sorted(map(float, thresholds))
        # Ends beyond 0 and 1, so that rounding leaves nothing out.
        self.thresholds = [-config.epsilon(), *between, 1.0 + config.epsilon()]
        self.num_thresholds = len(self.thresholds)
        self.multi_label, self.num_labels, self.from_logits = multi_label, num_labels, from_logits
        self.label_weights: Any = None if label_weights is None else [float(w) for w in label_weights]
        self._made = False
        if num_labels or not multi_label:
            self._make((self.num_thresholds, num_labels) if multi_label else (self.num_thresholds,))
            self._made = True

    def _weights(self) -> Any:
        return None if self.label_weights is None else ops.array(self.label_weights, self._counting)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count outcomes of targets (0 or 1) and predictions (probabilities of 1) of one shape.

        Raises
        ------
        ValueError
            If shapes do not fit.
        """
        with no_grad():
            mask, y_pred = get_keras_mask(y_pred), convert_float(y_pred)
            self._check_labels(y_pred.shape)
            if self.from_logits:
                y_pred = ops.sigmoid(y_pred)
            if not self._given:
                y_pred = ops.clip(y_pred, 0.0, 1.0)
            set_keras_mask(y_pred, mask)
            weights = None if self.multi_label else self._weights()
            options = {"by_label": self.multi_label, "label_weights": weights}
            counts = self._counts(y_true, y_pred, sample_weight, **options)
            if not self._made:
                self._make(counts[0].shape)
                self._made = True
            self._add(counts)

    def _check_labels(self, shape):
        where = f"AUC {self.name!r}"
        if self.multi_label and len(shape) != 2:
            raise ValueError(
                f"{where}: with multi_label=True predictions must have shape (batch, labels); got {shape}."
            )
        labels = shape[-1] if shape else 1
        made = self.true_positives.shape[1] if self.multi_label and self._made else labels
        weights = labels if self.label_weights is None else len(self.label_weights)
        if labels != made or labels != weights:
            raise ValueError(
                f"{where}: there must be a prediction for each of {made if labels != made else weights} "
                f"labels; got shape {shape}."
            )

    def _points(self) -> tuple[Any, Any]:
        """Return how far right and how high the points of the curve are, from right to left."""
        recall = self._share("true_positives", "false_negatives")
        if self.curve == "ROC":
            return self._share("false_positives", "true_negatives"), recall
        if self.curve == "PR":
            return recall, self._share("true_positives", "false_positives")
        tp, fp, tn, fn = (self._variable(outcome) for outcome in self.OUTCOMES)
        odds = ops.divide_no_nan(tp + fn, tn + fp)
        recall_gain = 1.0 - odds * ops.divide_no_nan(fn, tp)
        precision_gain = 1.0 - odds * ops.divide_no_nan(fp, tp)
        none = tp == 0
        recall_gain = ops.maximum(ops.where(none, 0.0, recall_gain), 0.0)
        return recall_gain, ops.where(none, 1.0, precision_gain)

    def _pieces(self) -> Tensor:
        """Return the area of each piece of the curve between two points."""
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._interpolated()
        x, y = self._points()
        left, right = y[1:], y[:-1]
        if self.summation_method == "interpolation":
            height = (left + right) / 2.0
        else:
            height = (ops.minimum if self.summation_method == "minoring" else ops.maximum)(left, right)
        return (x[:-1] - x[1:]) * height

    def _interpolated(self) -> Tensor:
        """Return the area of each piece under precision over recall, where true positives grow evenly.

        Between two points the true positives t are a line in the number p of all that are taken for positive,
        ``t = slope * p + at_zero``, so that precision is ``t / p`` and its integral over t has a logarithm.
        """
        tp, fp, _, fn = (self._variable(outcome) for outcome in self.OUTCOMES)
        p = tp + fp
        more_true = tp[:-1] - tp[1:]
        slope = ops.divide_no_nan(more_true, ops.maximum(p[:-1] - p[1:], 0.0))
        at_zero = tp[1:] - slope * p[1:]
        both = ops.logical_and(p[:-1] > 0, p[1:] > 0)
        ratio = ops.where(both, ops.divide_no_nan(p[:-1], ops.maximum(p[1:], 0.0)), 1.0)
        area = slope * (more_true + at_zero * ops.log(ratio))
        return ops.divide_no_nan(area, ops.maximum(tp[1:] + fn[1:], 0.0))

    def result(self) -> Tensor:
        if not self._made:
            return ops.zeros((), self._counting)
        areas, weights = ops.sum(self._pieces(), axis=0), self._weights()
        if not self.multi_label:
            return areas
        if weights is None:
            return ops.mean(areas)
        return ops.divide_no_nan(ops.sum(areas * weights), ops.sum(weights))

    def get_config(self):
        options = {
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": self.label_weights,
            "from_logits": self.from_logits,
        }
        if self._given:
            options["thresholds"] = self.thresholds[1:-1]
        return {**super().get_config(), **options}


class _Best(Outcomes):
    """The largest of one share at the thresholds at which another is large enough; 0 if there is none."""

    _direction = "up"
    counted = Outcomes.OUTCOMES
    option = ""  # the name of the constructor's first argument
    best: tuple[str, str]
    given: tuple[str, str]

    def __init__(self, value, num_thresholds, class_id, name, dtype):
        super().__init__(dtype, name)
        where = f"{type(self).__name__} {self.name!r}"
        if isinstance(value, str) or not 0 <= value <= 1:
            raise ValueError(f"{where}: {self.option} must be from 0 to 1; got {value!r}.")
        if num_thresholds < 1:
            raise ValueError(f"{where}: num_thresholds must be 1 or more; got {num_thresholds!r}.")
        self.value, self.num_thresholds, self.class_id = value, num_thresholds, class_id
        setattr(self, self.option, value)
        self.thresholds = [0.5] if num_thresholds == 1 else [0.0, *_between(num_thresholds), 1.0]
        self._make((len(self.thresholds),))

    def result(self) -> Tensor:
        enough = self._share(*self.given) >= self.value
        return ops.max(ops.where(enough, self._share(*self.best), 0.0))

    def get_config(self):
        options = {"num_thresholds": self.num_thresholds, self.option: self.value, "class_id": self.class_id}
        return {**super().get_config(), **options}


_SENSITIVITY = _RECALL = ("true_positives", "false_negatives")
_SPECIFICITY = ("true_negatives", "false_positives")
_PRECISION = ("true_positives", "false_positives")


class SensitivityAtSpecificity(_Best):
    """The largest share of positives found at a threshold at which so many negatives are told apart.

    Parameters
    ----------
    specificity : float
        In [0, 1]: the least share of negatives that must be predicted as such.
    num_thresholds : int
        How many thresholds are tried, evenly from 0 to 1.
    class_id : int, optional
        Count only this class, a place of the last axis.
    name, dtype
        See `Metric`.
    """

    option, best, given = "specificity", _SENSITIVITY, _SPECIFICITY

    def __init__(self, specificity, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(specificity, num_thresholds, class_id, name, dtype)


class SpecificityAtSensitivity(_Best):
    """The largest share of negatives told apart at a threshold at which so many positives are found.

    See `SensitivityAtSpecificity`.
    """

    option, best, given = "sensitivity", _SPECIFICITY, _SENSITIVITY

    def __init__(self, sensitivity, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)


class PrecisionAtRecall(_Best):
    """The largest precision at a threshold with so much recall; see `SensitivityAtSpecificity`."""

    option, best, given = "recall", _PRECISION, _RECALL

    def __init__(self, recall, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(recall, num_thresholds, class_id, name, dtype)


class RecallAtPrecision(_Best):
    """The largest recall at a threshold with so much precision; see `SensitivityAtSpecificity`."""

    option, best, given = "precision", _RECALL, _PRECISION

    def __init__(self, precision, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(precision, num_thresholds, class_id, name, dtype)
