"""Packages that only these functions need, and what errors say of the layers that they are given."""

import importlib
from typing import Any

import numpy as np

from minirnn import activations, ops
from minirnn.layers import GRU, LSTM, RNN, Layer, SimpleRNN

# A cell's class by name: "LSTMCell" is of the kind "LSTM".
KINDS = {cls.cell_class: cls.__name__ for cls in (SimpleRNN, GRU, LSTM)}
FLOATS = ("float32", "float64")


def require(package: str, where: str) -> Any:
    """Return a package, or raise ImportError that says what to install."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f"{where}: {package} is not installed or cannot be imported ({error}); "
            f"`pip install 'minirnn[{package}]'` brings it."
        ) from error


def name_of(activation) -> str | None:
    """Return the name of a function of `minirnn.activations`, or None of any other."""
    name = getattr(activation, "__name__", "")
    known = getattr(activations, name, None), getattr(ops, name, None)
    return name if any(activation is function for function in known) else None


def one_of(kind: type) -> str:
    """Return the name of a class after the article that it is spoken with: "a GRU", "an LSTM"."""
    name = kind.__name__
    spelled = name[:2].isupper()  # letter by letter, as "el es tee em" is
    return f"{'an' if name[0] in ('AEFHILMNORSX' if spelled else 'AEIOU') else 'a'} {name}"


def kind_of(layer) -> str | None:
    """Return "SimpleRNN", "GRU" or "LSTM" for such a layer, or an RNN with one such cell; None of others.

    A subclass may compute something else and is none of them.
    """
    if type(layer) not in (SimpleRNN, GRU, LSTM, RNN):
        return None
    return KINDS.get(type(layer.cell))


def check_floats(layer: Layer, refuse) -> None:
    """Call `refuse` unless a layer computes and keeps its weights in float32, or both in float64."""
    dtypes = layer.variable_dtype, layer.compute_dtype
    if dtypes[0] not in FLOATS or dtypes[0] != dtypes[1]:
        refuse(layer, f"dtype {layer.dtype_policy.name}; it takes float32 and float64")


def weights_of(cell) -> list[np.ndarray]:
    """Return the kernel, the recurrent kernel and the bias, if there is one, of a built cell."""
    weights = (cell.kernel, cell.recurrent_kernel, cell.bias)
    return [w.numpy() for w in weights if w is not None]
