"""`pad_sequences`: sequences of different lengths as one array."""

import operator
from typing import Any

import numpy as np

_SIDES = ("pre", "post")


def pad_sequences(
    sequences, maxlen=None, dtype: Any = "int32", padding="pre", truncating="pre", value: Any = 0.0
):
    """Return sequences as one array: short ones padded, long ones cut.

    Parameters
    ----------
    sequences : list of sequence, shapes (time_i, ...)
        Whatever follows the time axis must be the same in all.
    maxlen : int, optional
        The number of time steps. Default: that of the longest.
    dtype : dtype
        Of the result. ``object`` for texts of different lengths.
    padding, truncating : "pre" or "post"
        Where to pad, and where to cut.
    value : number or str
        What to pad with.

    Returns
    -------
    np.ndarray of `dtype`, shape (len(sequences), maxlen, ...)

    Raises
    ------
    ValueError
        If `sequences` are none, or one has another inner shape, or an argument is none of these; or if
        `dtype` does not hold the values: "int32" fractions, say.
    """
    for name, side in (("padding", padding), ("truncating", truncating)):
        if side not in _SIDES:
            raise ValueError(f'pad_sequences: {name} must be "pre" or "post"; got {side!r}.')
    dtype = np.dtype(dtype)
    if isinstance(value, str) and dtype.kind not in "OUS":
        raise ValueError(
            f"pad_sequences: value {value!r} is no number, and dtype is {dtype}. Pass dtype=object for texts."
        )
    rows = _rows(sequences)
    lengths = [len(row) for row in rows]
    if maxlen is None:
        if not rows:
            raise ValueError("pad_sequences: there are no sequences to take the length from; pass maxlen.")
        maxlen = max(lengths)
    else:
        maxlen = _length(maxlen)
    first = next((number for number, length in enumerate(lengths) if length), None)
    inner = () if first is None else rows[first].shape[1:]
    result = np.full((len(rows), maxlen, *inner), _cast(np.asarray(value), dtype, "value"), dtype)
    for number, (row, length) in enumerate(zip(rows, lengths)):
        if not length:
            continue
        if row.shape[1:] != inner:
            raise ValueError(
                f"pad_sequences: all sequences must have one shape but for their length; sequence {number} "
                f"has steps of shape {row.shape[1:]}, sequence {first} of shape {inner}."
            )
        row = row[-maxlen:] if truncating == "pre" else row[:maxlen]
        place = slice(maxlen - len(row), None) if padding == "pre" else slice(len(row))
        result[number, place] = _cast(row, dtype, f"sequence {number}")
    return result


def _length(maxlen) -> int:
    try:
        number = 0 if isinstance(maxlen, bool) else operator.index(maxlen)
    except TypeError:
        number = 0
    if number < 1:
        raise ValueError(f"pad_sequences: maxlen must be an int of 1 or more; got {maxlen!r}.")
    return number


def _rows(sequences) -> list[np.ndarray]:
    """Return each sequence as an array with an axis of time."""
    if not hasattr(sequences, "__len__") or isinstance(sequences, str | bytes | dict):
        raise ValueError(
            f"pad_sequences: sequences must be a list of sequences; got {type(sequences).__name__}."
        )
    rows = []
    for number, sequence in enumerate(sequences):
        if not hasattr(sequence, "__len__") or isinstance(sequence, str | bytes | dict):
            raise ValueError(
                f"pad_sequences: sequences must be a list of sequences; sequence {number} is {sequence!r}."
            )
        try:
            row = np.asarray(sequence)
        except ValueError as error:
            raise ValueError(
                f"pad_sequences: the steps of sequence {number} have different shapes. Pad them first."
            ) from error
        rows.append(row)
    return rows


def _cast(values, dtype, what) -> np.ndarray:
    """Return values in another dtype, if it holds them."""
    if dtype.kind not in "biu" or values.dtype == dtype or not values.size:
        return values.astype(dtype)
    with np.errstate(invalid="ignore"):
        cast = values.astype(dtype)
    if values.dtype.kind in "biuf" and not np.array_equal(cast, values):
        wrong = values[cast != values].ravel()[0]
        raise ValueError(
            f"pad_sequences: dtype {dtype} does not hold {wrong} in {what}. Pass dtype="
            f"{'float32' if values.dtype.kind == 'f' else str(values.dtype)!r}."
        )
    return cast
