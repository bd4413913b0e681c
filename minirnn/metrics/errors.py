"""The means of losses, as metrics."""

from minirnn import ops
from minirnn.autograd import Tensor, no_grad
from minirnn.losses import functions
from minirnn.metrics.metric import Mean, MeanMetricWrapper


class MeanSquaredError(MeanMetricWrapper):
    """The mean of `losses.mean_squared_error`."""

    def __init__(self, name="mean_squared_error", dtype=None):
        super().__init__(functions.mean_squared_error, name, dtype)


class MeanAbsoluteError(MeanMetricWrapper):
    """The mean of `losses.mean_absolute_error`."""

    def __init__(self, name="mean_absolute_error", dtype=None):
        super().__init__(functions.mean_absolute_error, name, dtype)


class RootMeanSquaredError(Mean):
    """The square root of the mean squared error over all batches."""

    def __init__(self, name="root_mean_squared_error", dtype=None):
        super().__init__(name, dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Take in targets and predictions of one shape (or but for a last axis of size 1)."""
        with no_grad():
            y_true, y_pred = functions.fit_targets(y_true, y_pred, self.name)
            super().update_state(ops.square(y_pred - y_true), sample_weight)

    def result(self) -> Tensor:
        return ops.sqrt(super().result())


class BinaryCrossentropy(MeanMetricWrapper):
    """The mean of `losses.binary_crossentropy`."""

    def __init__(self, name="binary_crossentropy", dtype=None, from_logits=False, label_smoothing=0):
        options = {"from_logits": from_logits, "label_smoothing": label_smoothing}
        super().__init__(functions.binary_crossentropy, name, dtype, **options)


class CategoricalCrossentropy(MeanMetricWrapper):
    """The mean of `losses.categorical_crossentropy`."""

    def __init__(
        self, name="categorical_crossentropy", dtype=None, from_logits=False, label_smoothing=0, axis=-1
    ):
        options = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(functions.categorical_crossentropy, name, dtype, **options)


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """The mean of `losses.sparse_categorical_crossentropy`."""

    def __init__(self, name="sparse_categorical_crossentropy", dtype=None, from_logits=False, axis=-1):
        options = {"from_logits": from_logits, "axis": axis}
        super().__init__(functions.sparse_categorical_crossentropy, name, dtype, **options)
