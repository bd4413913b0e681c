"""What surrounds a layer's call: the layers around it, and whether this is training."""

import inspect
import threading
from contextlib import contextmanager
from functools import lru_cache
from typing import Any


class _Context(threading.local):
    # The layers around, from the innermost out: a pair of a layer and such a pair, or None.
    scope: Any = None
    # The outermost layer.
    entry: Any = None
    # What `training` was given to, or inherited by, the innermost.
    training: bool | None = None
    # The dtype that the innermost has its weights cast to, if any; see precision.py.
    cast: Any = None
    # Of a step that is watched for NaN, what notes each call; see models/nan_checks.py.
    watch: Any = None
    # Of a model that is being made for a file, what limits its weights; see saving/loading.py.
    loading: Any = None


context = _Context()


class _Named:
    """Stands for a layer of a name."""

    def __init__(self, name):
        if "/" in name:
            raise ValueError(f"name_scope: the name must have no '/'; got {name!r}.")
        self.name = name


@contextmanager
def name_scope(layer):
    """Make the paths of the weights that are made inside start with a name.

    Parameters
    ----------
    layer : Layer or str
        A name, or what has it; a layer that has begun one already begins no other.

    Raises
    ------
    ValueError
        If the name has a "/" in it.
    """
    if isinstance(layer, str):
        layer = _Named(layer)
    scope = context.scope
    if scope is None or scope[0] is not layer:
        context.scope = (layer, scope)
    try:
        yield
    finally:
        context.scope = scope


def path_of(name: str) -> str:
    """Return a name with those of the layers around it: "lstm/lstm_cell/kernel"."""
    names, scope = [name], context.scope
    while scope is not None:
        layer, scope = scope
        names.append(layer.name)
    return "/".join(reversed(names))


class CallSignature:
    """The parameters of a layer's ``call``: which there are, and which of them take masks."""

    def __init__(self, function):
        parameters = inspect.signature(function).parameters
        named = [p for p in parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        self.names = [p.name for p in named[1:]]
        self.required = [p.name for p in named[1:] if p.default is p.empty]
        self.first = self.names[0] if self.names else ""
        self.takes_training = "training" in self.names
        default = parameters["training"].default if self.takes_training else None
        self.training_default = None if default is inspect.Parameter.empty else default
        self.takes_mask = "mask" in self.names
        self.mask_names = {name: f"{name}_mask" for name in self.names if f"{name}_mask" in self.names}

    def argument(self, name, args, kwargs):
        """Return the argument of that name, given by place or by name; None if it is not."""
        if len(args) > 1 and name in self.names[: len(args)]:
            return args[self.names.index(name)]
        return kwargs.get(name)


@lru_cache(maxsize=1024)
def signature_of(function) -> CallSignature:
    """Return the `CallSignature` of an unbound ``call``."""
    return CallSignature(function)
