"""`ReduceLROnPlateau`: a smaller learning rate when a value has stopped improving."""

import numpy as np

from minirnn.callbacks.learning_rate_scheduler import check_settable
from minirnn.callbacks.monitor import MonitorCallback
from minirnn.callbacks.progress import say
from minirnn.optimizers.arguments import check_count, check_number


class ReduceLROnPlateau(MonitorCallback):
    """Multiply the learning rate by a factor when a value of the logs has not improved for some epochs.

    Each epoch's "learning_rate", as it was in that epoch, is put into its logs.

    Parameters
    ----------
    monitor : str
    factor : float
        In (0, 1).
    patience : int
        How many epochs in a row without improvement lower the rate.
    verbose : int
        Above 0: say so.
    mode : "auto", "min" or "max"
        Which way is better; "auto" asks the metric.
    min_delta : float
        A smaller change is no improvement.
    cooldown : int
        For so many epochs after the rate was lowered, none counts.
    min_lr : float
        The rate is not set below that.

    Raises
    ------
    ValueError
        If an argument is none of these.
    TypeError
        At the start of training, if the optimizer has a schedule, which cannot be set.
    """

    def __init__(
        self,
        monitor="val_loss",
        factor=0.1,
        patience=10,
        verbose=0,
        mode="auto",
        min_delta=1e-4,
        cooldown=0,
        min_lr=0.0,
        **kwargs,
    ):
        where = type(self).__name__
        check_number(where, "above 0", factor=factor)
        if factor >= 1:
            raise ValueError(
                f"{where}: factor must be below 1, since the rate is multiplied by it; got {factor}."
            )
        check_count(where, 0, patience=patience, cooldown=cooldown)
        check_number(where, "0 or more", min_lr=min_lr)
        super().__init__(monitor, mode, min_delta=min_delta)
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self._reset()

    def _reset(self):
        self.best = None
        self.cooldown_counter = self.wait = 0

    def on_train_begin(self, logs=None):
        check_settable(self.model.optimizer, self)
        self._reset()
        if self.monitor_op is None:
            self._set_monitor_op(required=False)

    def on_epoch_end(self, epoch, logs=None):
        if self.monitor_op is None:
            self._set_monitor_op()
        logs = {} if logs is None else logs
        rate = float(self.model.optimizer.learning_rate)
        logs["learning_rate"] = rate
        current = self._monitored(logs, "the learning rate is not lowered by it")
        if current is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._is_improvement(current, self.best):
            self.best, self.wait = current, 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience and rate > np.float32(self.min_lr):
                self._reduce(rate, epoch)

    def _reduce(self, rate, epoch):
        lower = max(rate * self.factor, self.min_lr)
        self.model.optimizer.learning_rate = lower
        if self.verbose > 0:
            say(f"Epoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {lower}.")
        self.cooldown_counter, self.wait = self.cooldown, 0

    def in_cooldown(self) -> bool:
        """Whether the rate was lowered so short ago that no epoch counts."""
        return self.cooldown_counter > 0

    def get_state(self):
        return {name: getattr(self, name) for name in ("best", "cooldown_counter", "wait")}

    def set_state(self, state):
        self.__dict__.update(state)
