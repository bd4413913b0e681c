"""`History`: the logs of every epoch, as `fit` returns them."""

from minirnn.callbacks.callback import Callback


class History(Callback):
    """Keeps the logs of every epoch; `fit` adds one by itself and returns it.

    A run that is interrupted leaves that of its whole epochs as ``model.history``.

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
        history = {name: list(values) for name, values in self.history.items()}
        for name, value in (logs or {}).items():
            history.setdefault(name, []).append(value)
        # In one call, so that an interrupt comes before the whole epoch or after it.
        self.__dict__.update(epoch=[*self.epoch, epoch], history=history)
        self.model.history = self

    def get_state(self):
        return {"epoch": self.epoch, "history": self.history}

    def set_state(self, state):
        self.epoch, self.history = state["epoch"], state["history"]
