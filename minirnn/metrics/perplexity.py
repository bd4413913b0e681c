"""How many equally likely classes a model of sequences leaves open at a step, on average."""

import numpy as np

from minirnn import backend, ops
from minirnn.autograd import Tensor, no_grad
from minirnn.losses.crossentropy import sparse_categorical_crossentropy
from minirnn.losses.loss import apply_mask
from minirnn.metrics.metric import Metric, fit_weight


class Perplexity(Metric):
    r"""The exponential of the mean cross-entropy a step, over all steps of all batches that are not masked.

    With labels y, weights w and the probabilities p of the predictions,

    .. math:: \exp\left(-\frac{\sum_i w_i \log p_i(y_i)}{\sum_i w_i}\right)

    summed over all steps i: one of few steps weighs in a batch of long sequences as in one of short ones. A
    model that knows nothing has the number of classes, one that is always sure and right has 1.

    Parameters
    ----------
    name, dtype
        See `Metric`.
    from_logits : bool
        Whether predictions are logits; by default they are probabilities.
    ignore_class : int, optional
        A label whose steps are not counted, such as that of padding.
    axis : int
        Of the classes in the predictions.

    References
    ----------
    Jelinek, Mercer, Bahl and Baker 1977, "Perplexity: a measure of the difficulty of speech recognition
    tasks".
    """

    _direction = "down"

    def __init__(self, name="perplexity", dtype=None, from_logits=False, ignore_class=None, axis=-1):
        super().__init__(dtype, name)
        self.from_logits, self.ignore_class, self.axis = from_logits, ignore_class, axis
        self.total = self.add_variable((), name="total")
        self.count = self.add_variable((), name="count")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Take in labels, shape (batch, ...), and predictions, shape (batch, ..., classes).

        `sample_weight` has one for each step, or for each of leading axes.
        """
        with no_grad():
            values = sparse_categorical_crossentropy(
                y_true, y_pred, self.from_logits, self.ignore_class, self.axis
            )
            for mask in (backend.get_keras_mask(y_pred), backend.get_keras_mask(values)):
                sample_weight = apply_mask(sample_weight, mask, self.dtype, "sum")
            if sample_weight is None:
                self.total.assign_add(ops.sum(values))
                self.count.assign_add(values.size)
                return
            weight = fit_weight(sample_weight, values.shape, f"{type(self).__name__} {self.name!r}")
            # Whatever is predicted where nothing counts, infinity too, is not.
            values = ops.where(weight == 0, ops.zeros_like(values), values)
            self.total.assign_add(ops.sum(values * weight))
            self.count.assign_add(ops.sum(weight))

    def result(self) -> Tensor:
        with np.errstate(over="ignore"):
            return ops.exp(ops.divide_no_nan(self.total, self.count))

    def get_config(self):
        options = {"from_logits": self.from_logits, "ignore_class": self.ignore_class, "axis": self.axis}
        return {**super().get_config(), **options}
