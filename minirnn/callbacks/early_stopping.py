"""`EarlyStopping`: ends training when a value has stopped improving."""

from typing import Any

from minirnn.callbacks.monitor import MonitorCallback
from minirnn.callbacks.progress import say
from minirnn.optimizers.arguments import check_count


class EarlyStopping(MonitorCallback):
    """End training when a value of the logs has not improved for some epochs.

    Parameters
    ----------
    monitor : str
    min_delta : float
        A smaller change is no improvement.
    patience : int
        How many epochs in a row without improvement end training; 0 is as 1. The first epoch never does.
    verbose : int
        Above 0: say so.
    mode : "auto", "min" or "max"
        Which way is better; "auto" asks the metric.
    baseline : float, optional
        Only what is better than that, too, begins the count anew.
    restore_best_weights : bool
        Whether to go back, at the end, to the weights of the best epoch; of all epochs if none was better
        than `baseline`.
    start_from_epoch : int
        Before this one, counted from 0, nothing is looked at.

    Attributes
    ----------
    best : float or None
    best_epoch, stopped_epoch : int
        Counted from 0; 0 too where there is none.
    wait : int
        Epochs since the last improvement.

    Raises
    ------
    ValueError
        If `patience` or `start_from_epoch` is no integer of 0 or more; at the start of training, if the mode
        is "auto" and no metric tells which way is better.
    """

    def __init__(
        self,
        monitor="val_loss",
        min_delta: float = 0,
        patience=0,
        verbose=0,
        mode="auto",
        baseline=None,
        restore_best_weights=False,
        start_from_epoch=0,
    ):
        check_count("EarlyStopping", 0, patience=patience, start_from_epoch=start_from_epoch)
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self._reset()

    def _reset(self):
        self.best = None
        self.best_weights: Any = None
        self.best_epoch = self.wait = self.stopped_epoch = 0

    def on_train_begin(self, logs=None):
        self._reset()
        if self.monitor_op is None:
            self._set_monitor_op(required=False)

    def on_epoch_end(self, epoch, logs=None):
        if self.monitor_op is None:
            self._set_monitor_op()
        current = self.get_monitor_value(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        better = self._is_improvement(current, self.best)
        if self.restore_best_weights and (better or self.best_weights is None):
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if better:
            self.best, self.best_epoch = current, epoch
            if self.baseline is None or self._is_improvement(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        if self.stopped_epoch > 0 and self.verbose > 0:
            say(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                say(f"EarlyStopping: back to the weights of the best epoch, {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)

    def get_monitor_value(self, logs):
        """Return the monitored value; warn, and return None, if the logs have none."""
        return self._monitored(logs or {}, "training does not stop by it")

    def get_state(self):
        names = ("best", "best_weights", "best_epoch", "wait", "stopped_epoch")
        return {name: getattr(self, name) for name in names}

    def set_state(self, state):
        self.__dict__.update(state)
