"""The progress bar: live in a terminal or notebook, one line an epoch elsewhere.

Rich draws it in a terminal and is imported there alone. The metrics come as Tensors and are turned into
numbers when the line is drawn, at most ten times a second, so that a device is not made to wait for every
batch.
"""

import sys
import time

from minirnn.callbacks.callback import Callback

_WIDTH = 20
_INTERVAL = 0.1


def say(message):
    """Print a line beside a progress bar: a notebook's is on the line that is being written."""
    print(f"\n{message}" if "ipykernel" in sys.modules else message, flush=True)


def _duration(seconds) -> str:
    if seconds > 3600:
        return f"{seconds // 3600:.0f}:{seconds % 3600 // 60:02.0f}:{seconds % 60:02.0f}"
    return f"{seconds // 60:.0f}:{seconds % 60:02.0f}" if seconds > 60 else f"{seconds:.0f}s"


def _time_of_a_step(seconds) -> str:
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s/step"
    return f"{seconds * 1e3:.0f}ms/step" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us/step"


def _metrics(logs) -> str:
    parts = []
    for name, value in sorted((logs or {}).items()):
        if isinstance(value, dict):
            parts.append(_metrics(value))
            continue
        if getattr(value, "size", 1) != 1:
            continue
        value = float(value)
        parts.append(f" - {name}: {value:.4f}" if abs(value) > 1e-3 else f" - {name}: {value:.4e}")
    return "".join(parts)


class Progbar:
    """One line that says how far a run is.

    Parameters
    ----------
    target : int or None
        The number of steps, None where it is not known.
    verbose : int
        1: a bar, live where the output is a terminal or notebook. 2: the last line alone, without a bar.
    """

    def __init__(self, target, verbose=1):
        self.target = target
        self.verbose = verbose
        self.start = time.perf_counter()
        self._after_first = None
        self._drawn = -_INTERVAL
        self._width = 0
        self._live = None
        # Inside another live bar Rich stands in for stdout; what is printed then appears above that bar.
        within = type(sys.stdout).__module__.startswith("rich.")
        terminal = getattr(sys.stdout, "isatty", lambda: False)() and not within
        self._mode = "rich" if terminal else "return" if "ipykernel" in sys.modules else "last"

    def update(self, seen, logs=None):
        """Draw the line after step `seen`, unless it was drawn just before."""
        if self.verbose != 1 or self._mode == "last":
            self._note(seen)
            return
        now = time.perf_counter()
        self._note(seen)
        if now - self._drawn >= _INTERVAL:
            self._drawn = now
            self._show(self._parts(seen, logs, now, done=False))

    def finish(self, seen, logs=None):
        """Draw the line for the last time."""
        self.target = self.target or seen
        parts = self._parts(seen, logs, time.perf_counter(), done=True)
        if self.verbose == 1 and self._mode != "last":
            self._show(parts)
            self.close()
            if self._mode == "return":
                print()
        else:
            print("".join(parts), flush=True)

    def close(self):
        """Give the terminal back."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _note(self, seen):
        # The first step builds and warms up; the estimate leaves it out as soon as there is another.
        if self._after_first is None and seen:
            self._after_first = (seen, time.perf_counter())

    def _step_time(self, seen, now) -> float:
        if not seen:
            return 0.0
        first, since = self._after_first or (0, self.start)
        return (now - since) / (seen - first) if seen > first else (now - self.start) / seen

    def _parts(self, seen, logs, now, done):
        """Return count, done part of the bar, rest of it, and what follows."""
        step = self._step_time(seen, now)
        left = now - self.start if done or not self.target else step * (self.target - seen)
        if self.verbose == 2:
            count = f"{seen}/{self.target}" if self.target else f"{seen}"
            return f"{count} - {left:.0f}s - {_time_of_a_step(step)}", "", "", _metrics(logs)
        tail = f" {_duration(left)} {_time_of_a_step(step)}{_metrics(logs)}"
        if not self.target:
            return f"{seen}/Unknown", "", "", tail
        count = f"{seen:{len(str(self.target))}d}/{self.target} "
        full = int(_WIDTH * min(seen / self.target, 1))
        encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
        line = "━" if encoding.startswith("utf") else "-"
        return count, line * full, ("━" if line == "━" else ".") * (_WIDTH - full), tail

    def _show(self, parts):
        if self._mode == "return":
            text = "".join(parts)
            sys.stdout.write("\r" + text.ljust(self._width))
            sys.stdout.flush()
            self._width = len(text)
            return
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        count, full, rest, tail = parts
        line = Text.assemble((count, "bold"), (full, "green"), (rest, "bright_black"), tail)
        if self._live is None:
            self._live = Live(line, console=Console(highlight=False), auto_refresh=False)
            self._live.start()
        self._live.update(line, refresh=True)


class ProgbarLogger(Callback):
    """Shows how far `fit`, `evaluate` or `predict` is; they add one by themselves unless ``verbose=0``."""

    # The logs are wanted as they are, and turned into numbers when the line is drawn.
    takes_tensors = True

    def __init__(self):
        super().__init__()
        self.verbose, self.epochs, self.target = 1, 1, None
        self.progbar: Progbar | None = None
        self._in_fit = False
        self._seen = 0

    def set_params(self, params):
        super().set_params(params)
        self.verbose = 1 if params["verbose"] == "auto" else params["verbose"]
        self.epochs = params["epochs"]
        self.target = params["steps"]

    def close(self):
        """Give the terminal back."""
        if self.progbar is not None:
            self.progbar.close()
            self.progbar = None

    def _leave(self):
        self.close()

    def _begin(self):
        self.close()
        self._seen = 0
        if self.verbose:
            self.progbar = Progbar(self.target, self.verbose)

    def _update(self, batch, logs):
        self._seen = batch + 1
        if self.progbar is not None:
            self.progbar.update(self._seen, logs)

    def _finish(self, logs):
        if self.progbar is not None:
            self.progbar.finish(self._seen, logs)
            # A generator's length is known once it has been gone through.
            self.target = self.progbar.target
            self.progbar = None

    def on_train_begin(self, logs=None):
        self._in_fit = True

    def on_train_end(self, logs=None):
        self._in_fit = False

    def on_epoch_begin(self, epoch, logs=None):
        if self.verbose and self.epochs > 1:
            print(f"Epoch {epoch + 1}/{self.epochs}", flush=True)
        self._begin()

    def on_train_batch_end(self, batch, logs=None):
        self._update(batch, logs)

    def on_epoch_end(self, epoch, logs=None):
        self._finish(logs)

    def on_test_begin(self, logs=None):
        if not self._in_fit:
            self._begin()

    def on_test_batch_end(self, batch, logs=None):
        if not self._in_fit:
            self._update(batch, logs)

    def on_test_end(self, logs=None):
        if not self._in_fit:
            self._finish(logs)

    def on_predict_begin(self, logs=None):
        self._begin()

    def on_predict_batch_end(self, batch, logs=None):
        self._update(batch, None)

    def on_predict_end(self, logs=None):
        self._finish(None)
