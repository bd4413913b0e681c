"""Checks of what optimizers and schedules are made with. An error says whose argument it is and what came."""

import difflib
import inspect
import math
from typing import Any

import numpy as np

from minirnn.autograd import Tensor

_INTERVALS = {
    "above 0": lambda x: 0 < x < math.inf,
    "0 or more": lambda x: 0 <= x < math.inf,
    "1 or more": lambda x: 1 <= x < math.inf,
    "in [0, 1]": lambda x: 0 <= x <= 1,
    "in [0, 1)": lambda x: 0 <= x < 1,
    "in (0, 1]": lambda x: 0 < x <= 1,
}


def check_number(where, interval, **arguments) -> None:
    """Raise ValueError unless each argument is a number in an interval, one of the texts above."""
    for name, value in arguments.items():
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not number or not _INTERVALS[interval](value):
            raise ValueError(f"{where}: {name} must be a number {interval}; got {value!r}.")


def check_optional(where, interval, **arguments) -> None:
    """The same, where None is allowed as well."""
    check_number(where, interval, **{name: value for name, value in arguments.items() if value is not None})


def check_count(where, at_least, **arguments) -> None:
    """Raise ValueError unless each argument is an integer of `at_least` or more."""
    for name, value in arguments.items():
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < at_least:
            raise ValueError(f"{where}: {name} must be an integer, {at_least} or more; got {value!r}.")


def plain(value: Any) -> Any:
    """Return what an array or Tensor of one number holds, such as an optimizer's rate; all else as it is."""
    if isinstance(value, Tensor):
        value = value.numpy()
    return value.item() if isinstance(value, np.ndarray | np.number) and value.size == 1 else value


def rate_of(value: Any, where) -> float:
    """Return a learning rate as a float, or raise ValueError."""
    rate = plain(value)
    if isinstance(rate, bool) or not isinstance(rate, int | float):
        raise ValueError(
            f"{where}: learning_rate must be a number, a LearningRateSchedule or a callable; got {value!r}."
        )
    check_number(where, "0 or more", learning_rate=rate)
    return float(rate)


def check_known(cls, arguments, base) -> None:
    """Raise ValueError if arguments were left over that no class from `cls` to `base` takes."""
    if not arguments:
        return
    classes = [c for c in cls.__mro__ if issubclass(c, base)]
    known = {name for c in classes for name in inspect.signature(c.__init__).parameters}
    known -= {"self", "args", "kwargs"}
    unknown = []
    for name in arguments:
        nearest = difflib.get_close_matches(name, known, n=1)
        unknown.append(f"{name} (the nearest known name is {nearest[0]})" if nearest else name)
    raise ValueError(
        f"{cls.__name__}: unknown argument(s) {', '.join(unknown)}. Known are {', '.join(sorted(known))}."
    )
