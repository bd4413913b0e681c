"""`SwapEMAWeights`: the moving averages of the weights in place of the weights, where a model is judged."""

from minirnn import backend
from minirnn.callbacks.callback import Callback


class SwapEMAWeights(Callback):
    """Evaluate and predict with the averages that an optimizer with ``use_ema=True`` keeps of the weights.

    They are in the model from the beginning of a validation, `evaluate` or `predict` to its end; then the
    weights are back, after an error or an interrupt too.

    Parameters
    ----------
    swap_on_epoch : bool
        Whether to have them there from the end of an epoch to the beginning of the next too, for callbacks
        that come after this one in the list, such as `ModelCheckpoint`.

    Raises
    ------
    ValueError
        At the beginning of each of these, if the optimizer has no averages.

    Examples
    --------
    >>> model.compile(optimizers.SGD(0.1, use_ema=True), "mse")  # doctest: +SKIP
    >>> model.fit(x, y, validation_split=0.2, callbacks=[SwapEMAWeights()])  # doctest: +SKIP
    """

    def __init__(self, swap_on_epoch=False):
        super().__init__()
        self.swap_on_epoch = swap_on_epoch
        # The weights, while the averages are in the model.
        self._weights = None

    def _optimizer(self):
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        if optimizer is None or not optimizer.use_ema:
            raise ValueError(
                "SwapEMAWeights: the optimizer keeps no averages of the weights. Compile "
                f"{self.model.name!r} with one that has use_ema=True."
            )
        return optimizer

    def _put_averages(self):
        if self._weights is not None:
            return
        optimizer = self._optimizer()
        if not optimizer.built:
            raise ValueError(
                f"SwapEMAWeights: there are no averages of the weights before {self.model.name!r} is trained."
            )
        variables = optimizer._trainable_variables
        # No array is ever written into, so that none need be copied.
        self._weights = [variable.stored for variable in variables]
        for variable, average in zip(variables, optimizer._averages):
            variable.assign(average)

    def _put_weights(self):
        if self._weights is None:
            return
        for variable, weight in zip(self._optimizer()._trainable_variables, self._weights):
            variable.assign(weight)
        self._weights = None

    def _leave(self):
        self._put_weights()

    def on_train_begin(self, logs=None):
        self._optimizer()
        self._weights = None

    def on_train_end(self, logs=None):
        # The optimizer has set the weights to their averages, for good.
        self._weights = None

    def on_epoch_begin(self, epoch, logs=None):
        self._put_weights()

    def on_epoch_end(self, epoch, logs=None):
        if self.swap_on_epoch:
            self._put_averages()

    def on_test_begin(self, logs=None):
        self._put_averages()

    def on_test_end(self, logs=None):
        self._put_weights()

    def on_predict_begin(self, logs=None):
        self._put_averages()

    def on_predict_end(self, logs=None):
        self._put_weights()

    def get_state(self):
        return {"weights": None if self._weights is None else [backend.to_numpy(w) for w in self._weights]}

    def set_state(self, state):
        self._weights = state["weights"]
