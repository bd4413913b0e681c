"""`LearningRateScheduler`: the learning rate of each epoch, from a function."""

import inspect
from typing import Any

import numpy as np

from minirnn.autograd import Tensor, Variable
from minirnn.callbacks.callback import Callback
from minirnn.callbacks.progress import say


class LearningRateScheduler(Callback):
    """Set the learning rate at the start of each epoch; "learning_rate" is put into the epoch's logs.

    Parameters
    ----------
    schedule : callable
        Takes the epoch, counted from 0, and the present rate, and returns the new one as a float. It may take
        the epoch alone.
    verbose : int
        Above 0: say so.

    Raises
    ------
    TypeError
        If `schedule` is no function; at the start of training, if the optimizer has a schedule of its own.
    ValueError
        If it returns something else.

    Examples
    --------
    >>> slower = LearningRateScheduler(lambda epoch, rate: rate if epoch < 10 else 0.9 * rate)
    """

    def __init__(self, schedule, verbose=0):
        super().__init__()
        if not callable(schedule):
            raise TypeError(
                "LearningRateScheduler: schedule must be a function of the epoch and the present learning "
                f"rate; got {type(schedule).__name__}."
            )
        self.schedule, self.verbose = schedule, verbose
        try:
            inspect.signature(schedule).bind(0, 0.0)
            self._takes_rate = True
        except TypeError:
            self._takes_rate = False
        except ValueError:  # a function of C that does not say what it takes
            self._takes_rate = True

    def on_train_begin(self, logs=None):
        check_settable(self.model.optimizer, self)

    def on_epoch_begin(self, epoch, logs=None):
        optimizer = self.model.optimizer
        present = float(optimizer.learning_rate)
        rate: Any = self.schedule(epoch, present) if self._takes_rate else self.schedule(epoch)
        scalar = isinstance(rate, Tensor) and rate.size == 1
        if not (scalar or isinstance(rate, float | np.floating)):
            raise ValueError(
                f"LearningRateScheduler: schedule must return a float; for epoch {epoch} it returned "
                f"{rate!r}."
            )
        optimizer.learning_rate = rate = float(rate)
        if self.verbose > 0:
            say(f"Epoch {epoch + 1}: LearningRateScheduler setting learning rate to {rate}.")

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


def check_settable(optimizer, callback) -> None:
    """Raise unless a callback can set the learning rate of an optimizer."""
    where = type(callback).__name__
    if optimizer is None:
        raise ValueError(f"{where}: the model has no optimizer; pass optimizer= to compile.")
    if not isinstance(optimizer.learning_rate, Variable):
        raise TypeError(
            f"{where}: {optimizer._where} has a schedule or a callable as its learning rate, which cannot be "
            "set to a number; make the optimizer with a number, or leave the callback out."
        )
