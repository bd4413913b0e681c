"""`BackupAndRestore`: a run of `fit` that is killed goes on from where it was, as if nothing had happened."""

import os
import shutil
import warnings

from minirnn.callbacks.callback import Callback
from minirnn.callbacks.files import write_atomically
from minirnn.callbacks.model_checkpoint import EveryBatches, check_save_freq
from minirnn.callbacks.state_file import read_state, write_state

_NAME = "latest.npz"


class BackupAndRestore(Callback):
    """Write down all that a run of `fit` depends on, and go on from there when `fit` is called again.

    A program that is killed at any moment and started again ends with the same bits in weights, optimizer,
    History and files as one that was left alone. What is written down: weights, the states of stateful
    layers and of seeds, the optimizer, metrics in the middle of an epoch, how far the epoch and the pass
    through the data are, with the order of a shuffle, the generators of minirnn, NumPy (the old global one)
    and Python, and the state of each callback (`Callback.get_state`). Batches that were done before are
    taken again from a generator, which cannot begin in the middle, but not trained on.

    The program must make the same model, data and callbacks again. What it keeps elsewhere (a counter in a
    layer that is no Variable, a file that an own callback appends to, the state of its own random generator)
    is its own to restore.

    Parameters
    ----------
    backup_dir : str or path-like
        The folder of the file, for this run alone.
    save_freq : "epoch", int or False
        After each epoch, or every so many batches, counted through all epochs. With False nothing is written.
    double_checkpoint : bool
        Whether to keep the backup before the last one too, for a disk that damages files. (A kill or a full
        disk damages none: a backup replaces the one before when it is whole.)
    delete_checkpoint : bool
        Whether to remove the backup when training has ended by itself.

    Raises
    ------
    ValueError
        If an argument is none of these; at the start of training, if there is a backup of another model or of
        other data.
    OSError
        At the start of training, if the folder cannot be written to, or the backup is damaged.

    Examples
    --------
    >>> backup = BackupAndRestore("run/backup", save_freq=100)
    >>> model.fit(x, y, epochs=10, callbacks=[backup])  # doctest: +SKIP
    """

    # After all others have seen the end of an epoch or batch, so that their states are those of its end.
    runs_last = True
    writes_folder = True

    def __init__(
        self, backup_dir, save_freq: int | str = "epoch", double_checkpoint=False, delete_checkpoint=True
    ):
        super().__init__()
        if not backup_dir:
            raise ValueError("BackupAndRestore: backup_dir is empty; give the name of a folder.")
        if save_freq is not False:
            check_save_freq(save_freq, "BackupAndRestore")
        self.backup_dir, self.save_freq = os.fspath(backup_dir), save_freq
        self.double_checkpoint, self.delete_checkpoint = double_checkpoint, delete_checkpoint
        self._path = os.path.join(self.backup_dir, _NAME)
        self._previous = f"{self._path}.bkp"
        self._timer = EveryBatches(save_freq)

    @property
    def output_files(self) -> list[str]:
        return [self.backup_dir]

    def on_train_begin(self, logs=None):
        for name in os.listdir(self.backup_dir):
            # What a kill in the middle of writing left behind.
            if _NAME in name and name not in (_NAME, os.path.basename(self._previous)):
                os.remove(os.path.join(self.backup_dir, name))
        state = self._read()
        if state is None:
            return
        try:
            self.model._run.restore(state)
        except ValueError as error:
            raise ValueError(
                f"BackupAndRestore: the backup {self._path} does not fit. {error} Call fit as before, remove "
                "the backup to start anew, or give another backup_dir."
            ) from error

    def _read(self):
        """Return what the backup holds; None if there is none."""
        try:
            return read_state(self._path)
        except FileNotFoundError:
            if not os.path.exists(self._previous):
                return None
            # A backup is never away while there is one before it, unless somebody removed it.
            return read_state(self._previous)
        except OSError as error:
            if os.path.exists(self._previous):
                warnings.warn(
                    f"BackupAndRestore: {error} Training goes on from the one before.", stacklevel=2
                )
                return read_state(self._previous)
            raise OSError(
                f"BackupAndRestore: {error} Remove it to start anew; with double_checkpoint=True there would "
                "be one more."
            ) from error

    def on_train_batch_end(self, batch, logs=None):
        if self._timer.due(batch):
            self._save()

    def on_epoch_end(self, epoch, logs=None):
        if self.save_freq == "epoch":
            self._save()

    def _save(self):
        state = self.model._run.state()
        os.makedirs(self.backup_dir, exist_ok=True)
        if self.double_checkpoint and os.path.exists(self._path):
            with write_atomically(self._previous) as name:
                shutil.copyfile(self._path, name)
        write_state(self._path, state)

    def on_train_end(self, logs=None):
        if not self.delete_checkpoint:
            return
        # The older one first: while it is there, so is the last.
        for path in (self._previous, self._path):
            if os.path.exists(path):
                os.remove(path)
        if os.path.isdir(self.backup_dir) and not os.listdir(self.backup_dir):
            os.rmdir(self.backup_dir)

    def get_state(self):
        return {"since": self._timer.since, "last": self._timer.last}

    def set_state(self, state):
        self._timer.since, self._timer.last = state["since"], state["last"]
