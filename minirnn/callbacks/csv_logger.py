"""`CSVLogger`: a line of a CSV file for each epoch."""

import csv
import io
import os
from typing import Any

import numpy as np

from minirnn.callbacks.callback import Callback
from minirnn.callbacks.files import write_atomically


class CSVLogger(Callback):
    """Write the logs of each epoch to a CSV file.

    The columns are the epoch, counted from 0, and what the first epoch's logs have, by name; where these have
    no validation there are columns for it nevertheless. What an epoch lacks is NA. The file is replaced as a
    whole, so that whatever ends the program leaves whole lines.

    Parameters
    ----------
    filename : str or path-like
    separator : str
        Between two fields, one character.
    append : bool
        Whether to go on with a file that exists.

    Raises
    ------
    TypeError
        If `separator` is no single character.
    OSError
        At the start of training, if the file cannot be written.
    """

    def __init__(self, filename, separator=",", append=False):
        super().__init__()
        if not isinstance(separator, str) or len(separator) != 1:
            raise TypeError(f"CSVLogger: separator must be one character; got {separator!r}.")
        self.filename, self.sep, self.append = os.fspath(filename), separator, append
        self.keys: list[str] | None = None
        self._text = ""

    @property
    def output_files(self) -> list[str]:
        return [self.filename]

    def on_train_begin(self, logs=None):
        self.keys, self._text = None, ""
        if self.append and os.path.exists(self.filename):
            with open(self.filename, encoding="utf-8", newline="") as file:
                self._text = file.read()
        self._write()

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        if self.keys is None:
            self.keys = sorted(logs)
            if not any(name.startswith("val_") for name in self.keys):
                self.keys += [f"val_{name}" for name in self.keys]
        lines = io.StringIO(newline="")
        writer = csv.writer(lines, delimiter=self.sep)
        if not self._text:
            writer.writerow(["epoch", *self.keys])
        writer.writerow([epoch, *(_field(logs.get(name, "NA")) for name in self.keys)])
        self._text += lines.getvalue()
        self._write()

    def _write(self):
        with (
            write_atomically(self.filename) as name,
            open(name, "w", encoding="utf-8", newline="") as file,
        ):
            file.write(self._text)

    def get_state(self):
        return {"keys": self.keys, "text": self._text}

    def set_state(self, state):
        self.keys, self._text = state["keys"], state["text"]
        self._write()


def _field(value: Any):
    whole = isinstance(value, str) or np.ndim(value) == 0
    return value if whole else f'"[{", ".join(map(str, value))}]"'
