"""What the RNN calls refuse: cuDNN takes bare addresses, and would read from a wrong one without a word."""

from typing import Any, NamedTuple

import numpy as np


class Lengths(NamedTuple):
    """How many steps of each row are valid, at least 1.

    Attributes
    ----------
    host : numpy.ndarray, shape (batch,), int32
    device : array of the device, shape (batch,), int32
        The same.
    """

    host: np.ndarray
    device: Any


def check_inputs(rnn, x, h0, c0, weights, lengths: Lengths | None) -> None:
    """Raise TypeError or ValueError, naming the argument, unless `rnn` can run over these."""
    shape = getattr(x, "shape", ())
    batch, time = shape[:2] if len(shape) == 3 else ("batch", "time")
    _check(rnn, "x", x, (batch, time, rnn.configuration.features))
    if not batch or not time:
        raise ValueError(f"{_where(rnn)}: x must have rows and steps; got shape {x.shape}.")
    _check_states(rnn, "h0", h0, "c0", c0, batch)
    _check(rnn, "weights", weights, (rnn.weight_bytes,), np.dtype(np.uint8))
    if lengths is None:
        return
    _check(rnn, "lengths.device", lengths.device, (batch,), np.dtype(np.int32))
    host = lengths.host
    if not isinstance(host, np.ndarray) or host.dtype != np.int32 or host.shape != (batch,):
        raise TypeError(
            f"{_where(rnn)}: lengths.host must be a NumPy array, shape ({batch},), int32; got {host!r}."
        )
    if host.min() < 1 or host.max() > time:
        raise ValueError(
            f"{_where(rnn)}: lengths must be from 1 to {time}, the number of steps; got {host.min()} to "
            f"{host.max()}. Give 1 for a row without steps, and mask it afterwards."
        )


def check_cotangents(rnn, saved, dy, dh, dc) -> None:
    """Raise TypeError or ValueError, naming the argument, unless these are gradients of the outputs."""
    if saved is None:
        raise ValueError(f"{_where(rnn)}: backward needs what forward(..., training=True) returned last.")
    if dy is not None:
        _check(rnn, "dy", dy, saved.y.shape)
    _check_states(rnn, "dh", dh, "dc", dc, len(saved.x))


def check_device(rnn) -> None:
    """Raise ValueError unless the layer's device is the current one."""
    current = rnn.xp.cuda.Device().id
    if current != rnn.device:
        raise ValueError(
            f"{_where(rnn)}: it is of GPU:{rnn.device}, but GPU:{current} is current. Compute inside "
            f"`with minirnn.device('gpu:{rnn.device}')`."
        )


def _where(rnn):
    return f"cuDNN {rnn.configuration.cell}"


def _check_states(rnn, h_name, h, c_name, c, batch):
    shape = (rnn.configuration.directions, batch, rnn.configuration.units)
    if h is not None:
        _check(rnn, h_name, h, shape)
    if c is not None and rnn.configuration.cell != "lstm":
        raise ValueError(f"{_where(rnn)}: {c_name} must be None; only an LSTM has it.")
    if c is not None:
        _check(rnn, c_name, c, shape)


def _check(rnn, name, array, shape, dtype=None):
    dtype, error = dtype or rnn.dtype, ValueError
    if not isinstance(array, rnn.xp.ndarray):
        error, got = TypeError, f"{type(array).__module__}.{type(array).__name__}"
    elif array.dtype != dtype:
        error, got = TypeError, array.dtype
    elif array.shape != shape:
        got = f"shape {array.shape}"
    elif not array.flags.c_contiguous:
        got = f"strides {array.strides}; {rnn.xp.__name__}.ascontiguousarray puts them right"
    elif array.device.id != rnn.device:
        got = f"one on GPU:{array.device.id}"
    else:
        return
    sizes = str(tuple(shape)).replace("'", "")
    raise error(
        f"{_where(rnn)}: {name} must be a C-contiguous array of {rnn.xp.__name__} on GPU:{rnn.device}, shape "
        f"{sizes}, {dtype}; got {got}."
    )
