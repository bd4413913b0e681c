"""`ModelCheckpoint`: the model saved as training goes on."""

import os
import warnings
from typing import Any

import numpy as np

from minirnn.callbacks.monitor import MonitorCallback
from minirnn.callbacks.progress import say
from minirnn.optimizers.arguments import check_count


class EveryBatches:
    """Says after which batches something is due that is to be done every so many.

    Parameters
    ----------
    save_freq : int, "epoch" or False
        With the last two it is never due.
    """

    def __init__(self, save_freq):
        self.every = None if save_freq == "epoch" or save_freq is False else save_freq
        self.since, self.last = 0, -1

    def due(self, batch) -> bool:
        """Count the batches up to number `batch`, of this epoch or a new one, and say whether it is time."""
        if self.every is None:
            return False
        self.since += batch + 1 if batch <= self.last else batch - self.last
        self.last = batch
        if self.since < self.every:
            return False
        self.since = 0
        return True


def check_save_freq(save_freq, where) -> None:
    """Raise ValueError unless it is "epoch" or a number of batches."""
    if isinstance(save_freq, str) and save_freq == "epoch":
        return
    if isinstance(save_freq, str) or not isinstance(save_freq, int | np.integer):
        raise ValueError(f"{where}: save_freq must be 'epoch' or a number of batches; got {save_freq!r}.")
    check_count(where, 1, save_freq=save_freq)


class ModelCheckpoint(MonitorCallback):
    """Save the model, or its weights, after each epoch or every so many batches.

    Each file is there as a whole or not at all: whatever ends the program leaves the one before.

    Parameters
    ----------
    filepath : str or path-like
        May have placeholders for the epoch, counted from 1, the batch and the values of the logs:
        ``"{epoch:02d}-{val_loss:.2f}.keras"``.
    monitor : str
        The value by which a model is the best.
    verbose : int
        Above 0: say what is done.
    save_best_only : bool
        Whether to save only what is better than all before.
    save_weights_only : bool
        Whether to save the weights alone (``Model.save_weights``, with the optimizer's state), in a file
        whose name ends in ".weights.h5"; otherwise the model (``Model.save``), in one that ends in ".keras"
        or ".h5".
    mode : "auto", "min" or "max"
        Which way is better; "auto" asks the metric.
    save_freq : "epoch" or int
        After each epoch, or every so many batches, when logs are those of the epoch so far.
    initial_value_threshold : float, optional
        Only what is better than that is saved, with `save_best_only`.

    Raises
    ------
    ValueError
        If the file's name or `save_freq` is none of these.
    OSError
        At the start of training, if the folder cannot be written to.
    """

    def __init__(
        self,
        filepath,
        monitor="val_loss",
        verbose=0,
        save_best_only=False,
        save_weights_only=False,
        mode="auto",
        save_freq: int | str = "epoch",
        initial_value_threshold=None,
    ):
        super().__init__(monitor, mode, initial_value_threshold)
        self.filepath, self.verbose = os.fspath(filepath), verbose
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self.save_freq = save_freq
        check_save_freq(save_freq, type(self).__name__)
        endings = (".weights.h5",) if save_weights_only else (".keras", ".h5")
        if not self.filepath.endswith(endings):
            raise ValueError(
                f"ModelCheckpoint: with save_weights_only={save_weights_only} the name of the file must end "
                f"in {' or '.join(endings)}; got {self.filepath!r}."
            )
        self._timer = EveryBatches(save_freq)
        self._current_epoch = 0

    @property
    def output_files(self) -> list[str]:
        return [self.filepath]

    def on_train_begin(self, logs=None):
        if self.save_best_only and self.monitor_op is None:
            self._set_monitor_op(required=False)

    def on_epoch_begin(self, epoch, logs=None):
        self._current_epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self._timer.due(batch):
            self._save(self._current_epoch, batch, logs or {})

    def on_epoch_end(self, epoch, logs=None):
        if self.save_freq == "epoch":
            self._save(epoch, None, logs or {})

    def _save(self, epoch, batch, logs):
        path = self._path(epoch, batch, logs)
        if not self._wanted(epoch, logs, path):
            return
        if os.path.isdir(path):
            raise IsADirectoryError(f"ModelCheckpoint: {path!r} is a folder; give the name of a file.")
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)

    def _wanted(self, epoch, logs, path) -> bool:
        what = f"Epoch {epoch + 1}: saving model to {path}"
        current: Any = None
        if self.save_best_only:
            current = self._monitored(logs, "every model is saved as if it were the best")
            if np.ndim(current) > 0:
                warnings.warn(
                    f"ModelCheckpoint: {self.monitor!r} must be one number to tell the best model; got "
                    f"{current!r}. The model is saved.",
                    stacklevel=4,
                )
                current = None
        wanted = True
        if current is not None:
            best = "None" if self.best is None else f"{self.best:.5f}"
            wanted = self._is_improvement(current, self.best)
            what = f"Epoch {epoch + 1}: {self.monitor} did not improve from {best}"
            if wanted:
                self.best = current
                what = (
                    f"Epoch {epoch + 1}: {self.monitor} improved from {best} to {current:.5f}, saving model "
                    f"to {path}"
                )
        if self.verbose > 0:
            say(what)
        return wanted

    def _path(self, epoch, batch, logs) -> str:
        known = {"epoch": epoch + 1, **logs}
        if batch is not None:
            known.setdefault("batch", batch + 1)
        try:
            return self.filepath.format(**known)
        except KeyError as error:
            raise KeyError(
                f"ModelCheckpoint: the name {self.filepath!r} has a placeholder {error} that is not known; "
                f"there are {', '.join(known)}."
            ) from error

    def get_state(self):
        return {"best": self.best, "since": self._timer.since, "last": self._timer.last}

    def set_state(self, state):
        self.best = state["best"]
        self._timer.since, self._timer.last = state["since"], state["last"]
