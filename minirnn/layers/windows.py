"""What convolutions and poolings have in common: the arguments that describe windows, and their checks."""

import numpy as np

from minirnn.ops.symbolic import note_windows

DATA_FORMATS = ("channels_last", "channels_first")


def integers_of(where, name, value, count, least=1) -> tuple[int, ...]:
    """Return an argument, one integer for all axes or one for each, as a tuple of `count`.

    Errors, of this function and those below, start with `where`.

    Raises
    ------
    ValueError
        If it is neither, or a number is below `least`.
    """
    values = (value,) * count if isinstance(value, int | np.integer) else value
    valid = isinstance(values, list | tuple) and len(values) == count
    if valid:
        valid = all(
            isinstance(n, int | np.integer) and not isinstance(n, bool) and n >= least for n in values
        )
    if not valid:
        each = "" if count == 1 else f", or a tuple of {count} of them"
        raise ValueError(f"{where}: {name} must be an integer of {least} or more{each}; got {value!r}.")
    return tuple(int(n) for n in values)


def data_format_of(where, value) -> str:
    """Return ``data_format``, of which None is "channels_last"; raise ValueError if it is another."""
    if value is None:
        return "channels_last"
    name = value.lower() if isinstance(value, str) else value
    if name not in DATA_FORMATS:
        raise ValueError(f"{where}: data_format must be 'channels_last' or 'channels_first'; got {value!r}.")
    return name


def padding_of(where, value, known=("valid", "same")) -> str:
    """Return ``padding`` in lower case; raise ValueError if it is not a known one."""
    name = value.lower() if isinstance(value, str) else value
    if name not in known:
        raise ValueError(
            f"{where}: padding must be {', '.join(map(repr, known[:-1]))} or {known[-1]!r}; got {value!r}."
        )
    return name


def check_not_both(where, strides, dilation_rate) -> None:
    """Raise ValueError if both are above 1."""
    if max(strides) > 1 and max(dilation_rate) > 1:
        raise ValueError(
            f"{where}: strides and dilation_rate cannot both be above 1; got strides={strides} and "
            f"dilation_rate={dilation_rate}."
        )


def check_windows(where, shape, size, *, padding, data_format, strides, dilation_rate=None) -> None:
    """Raise ValueError if no window fits into an input of that shape; unknown sizes pass."""
    steps = tuple(shape[1:-1] if data_format == "channels_last" else shape[2:])
    spans = [(k - 1) * d + 1 for k, d in zip(size, dilation_rate or (1,) * len(size))]
    least = spans if padding == "valid" else [1] * len(size)
    known = [n for n in steps if n is not None]
    if len(known) == len(steps):
        note_windows(steps, least, strides)
    if any(n is not None and n < m for n, m in zip(steps, least)):
        raise ValueError(
            f"{where}: with padding={padding!r} the input must have {_times(least)} step(s) or more, "
            f"which a window of size {_times(size)} spans; got {_times(steps)} in shape {tuple(shape)}."
        )


def _times(sizes) -> str:
    return " × ".join(map(str, sizes))
