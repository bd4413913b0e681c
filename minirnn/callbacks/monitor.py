"""`MonitorCallback`: what callbacks share that watch one value of the logs and wait for it to improve."""

import difflib
import operator
import warnings
from typing import Any

from minirnn import losses
from minirnn.callbacks.callback import Callback

_MODES = ("auto", "min", "max")


class MonitorCallback(Callback):
    """The base class of callbacks that act on whether a value of the logs has improved.

    Parameters
    ----------
    monitor : str
        Its name in the logs.
    mode : "auto", "min" or "max"
        Which way is better; "auto" asks the metric of that name. Another value is warned of and taken for
        "auto".
    baseline : float, optional
        What has to be improved on at first; default: nothing, so that the first value is an improvement.
    min_delta : float
        A smaller change is none; its sign does not matter.
    """

    def __init__(self, monitor="val_loss", mode="auto", baseline=None, min_delta=0.0):
        super().__init__()
        if mode not in _MODES:
            nearest = difflib.get_close_matches(str(mode).lower(), _MODES, n=1)
            hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
            warnings.warn(
                f"{type(self).__name__}: mode must be 'auto', 'min' or 'max'; {mode!r} is unknown and 'auto' "
                f"is taken.{hint}",
                stacklevel=3,
            )
            mode = "auto"
        self.monitor, self.mode = monitor, mode
        self.best: Any = baseline
        self.min_delta = abs(min_delta)
        # `operator.lt` or `operator.gt`, from the start of training on.
        self.monitor_op: Any = None

    def _set_monitor_op(self, required=True):
        """Find out which way is better.

        Raises
        ------
        ValueError
            If the mode is "auto" and no metric tells; never without `required` while metrics are to be built.
        """
        direction = {"min": "down", "max": "up"}.get(self.mode) or self._direction_by_name()
        if direction is not None:
            self.monitor_op = operator.lt if direction == "down" else operator.gt
        elif required or all(getattr(metric, "built", True) for metric in self.model.metrics):
            names = _names_of(self.model)
            raise ValueError(
                f"{type(self).__name__}: which way {self.monitor!r} is better cannot be told; pass "
                f"mode='min' or mode='max'. The loss and metrics of the model are {', '.join(names)}, and "
                f"the same after val_ with validation.{_hint(self.monitor, names)}"
            )

    def _direction_by_name(self):
        name = self.monitor.removeprefix("val_")
        if name == "loss":
            return "down"
        found = _each_metric(self.model)
        for metric in found:
            if metric.name == name and direction_of(metric):
                return direction_of(metric)
            if metric.name == name and name.endswith("_loss"):
                return "down"
        # With several outputs a metric's name in the logs comes after that of its output.
        directions = {direction_of(metric) for metric in found if name.endswith(f"_{metric.name}")}
        return directions.pop() if len(directions) == 1 else None

    def _is_improvement(self, value, reference) -> bool:
        if reference is None:
            return True
        if self.monitor_op is None:
            self._set_monitor_op()
        if self.monitor_op is operator.lt:
            return value + self.min_delta < reference
        return value - self.min_delta > reference

    def _monitored(self, logs, consequence):
        """Return the value of `monitor`; warn, and return None, if the logs have none."""
        value = logs.get(self.monitor)
        if value is None:
            hint = _hint(self.monitor, logs)
            if self.monitor.startswith("val_") and not any(name.startswith("val_") for name in logs):
                hint = f" There was no validation: pass validation_data, or monitor another value.{hint}"
            warnings.warn(
                f"{type(self).__name__}: the logs have no {self.monitor!r}, so {consequence}. They have "
                f"{', '.join(logs) or 'nothing'}.{hint}",
                stacklevel=4,
            )
        return value


def direction_of(metric) -> str | None:
    """Return "up" or "down": which way a metric is better; None if its kind does not say it."""
    direction = getattr(metric, "_direction", None)
    if direction is None:
        function = getattr(metric, "_fn", None)
        known = getattr(losses, getattr(function, "__name__", ""), None)
        if isinstance(function, losses.Loss) or (known is not None and known is function):
            return "down"
    return direction


def _each_metric(model) -> list:
    found = []
    for metric in model.metrics:
        inner = getattr(metric, "metrics", None)
        found += inner if isinstance(inner, list) else [metric]
    return found


def _names_of(model) -> list[str]:
    return list(dict.fromkeys(metric.name for metric in _each_metric(model)))


def _hint(name, known) -> str:
    nearest = difflib.get_close_matches(name, known, n=1)
    if not nearest:
        nearest = difflib.get_close_matches(name.removeprefix("val_"), known, n=1)
    return f" Did you mean {nearest[0]!r}?" if nearest and nearest[0] != name else ""
