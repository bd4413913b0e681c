"""Names that objects get by themselves: ``auto_name("LSTM")`` is "lstm", then "lstm_1"."""

import gc
import re
from collections import defaultdict

_counts: defaultdict[str, int] = defaultdict(int)


def to_snake_case(name: str) -> str:
    """Return a class name as a variable name: "SimpleRNN" gives "simple_rnn", "LSTM" gives "lstm"."""
    name = re.sub(r"\W+", "", name)
    return re.sub(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", name).lower()


def uniquify(name: str) -> str:
    """Return `name` the first time, then name_1, name_2, ..."""
    count = _counts[name]
    _counts[name] = count + 1
    return f"{name}_{count}" if count else name


def auto_name(prefix: str) -> str:
    """Return a name, not given before, for an object of a class of name `prefix`."""
    return uniquify(to_snake_case(prefix))


def clear_session(free_memory: bool = True) -> None:
    """Forget the automatic names given so far; nothing else outlives the models that made it.

    Parameters
    ----------
    free_memory : bool
        Also run Python's garbage collector, since a model's layers refer to one another.
    """
    _counts.clear()
    if free_memory:
        gc.collect()


def get_object_name(thing) -> str:
    """Return the name under which an object is reported: its own, or that of its function or class."""
    name = getattr(thing, "name", None)
    if name is not None:
        return name
    return to_snake_case(getattr(thing, "__name__", type(thing).__name__))
