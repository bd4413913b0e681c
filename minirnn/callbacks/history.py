"""`History`: the logs of every epoch, as `fit` returns them."""

from minirnn.callbacks.callback import Callback


class History(Callback):
    """Keeps the logs of every epoch; `fit` adds one by itself and returns it.

    Attributes
    ----------
    epoch : list of int
        The epochs done, counted from 0.
    history : dict of str to list of float
        From the name of a loss or metric to its value after each epoch; names that start with "val_" are of
        the validation.
    """

    def __init__(self):
        super().__init__()
        self.epoch: list[int] = []
        self.history: dict[str, list] = {}

    def on_train_begin(self, logs=None):
        self.epoch = []

    def on_epoch_end(self, epoch, logs=None):
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        self.model.history = self
