"""The sides of a comparison by name, and of whatever object is given: a layer, a module, a function."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from minirnn import tree
from minirnn.layers import Layer
from minirnn.testing.case import Question
from minirnn.testing.engine import Answer
from minirnn.testing.minirnn_engine import Minirnn

EXPECTED = (
    '"minirnn", "minirnn:generic", "minirnn:fused", "keras:jax", "keras:torch", "keras:tensorflow", '
    '"keras:numpy", "torch", or "module:function"'
)


class Side(Protocol):
    """What can be compared."""

    name: str

    def answer(self, question: Question) -> Answer:
        """Return what this side gives, or with what it refuses."""
        ...

    def close(self) -> None:
        """Let go of what was opened."""
        ...


class Function:
    """The side of any callable: ``function(question)`` if it is one for cases, else ``function(inputs)``.

    Parameters
    ----------
    function : callable
        With `whole`, it gets a `Question` and returns a dict of arrays by their names ("output 0", "state 0",
        "gradient of inputs", ...), of which those that are missing are not compared. Otherwise it gets the
        inputs, and what keywords it takes of ``mask``, ``initial_state`` and further arguments of the call,
        and returns outputs alone.
    whole : bool
    """

    def __init__(self, function: Callable, whole=False):
        self.function, self.whole = function, whole
        self.name = getattr(function, "__name__", type(function).__name__)

    def answer(self, question: Question) -> Answer:
        """Return what the function gives; a TypeError or ValueError is a refusal, others are raised.

        Raises
        ------
        TypeError
            If what it gives is no answer.
        """
        try:
            if self.whole:
                given = self.function(question)
            else:
                options = {
                    "mask": question.mask,
                    "initial_state": question.states,
                    **(question.arguments or {}),
                }
                options = {name: value for name, value in options.items() if value is not None}
                given = self.function(question.x, **taken(self.function, options))
        except (TypeError, ValueError) as error:
            return Answer(refusal=f"{type(error).__name__}: {error}")
        if self.whole:
            return self._named(given)
        outputs = tree.flatten(given)
        # What comes after a first output may be states; they are compared in their order.
        return Answer({f"output {i}": np.asarray(y) for i, y in enumerate(outputs)}, lacks=("",))

    def _named(self, given) -> Answer:
        expected = f"testing: {self.name} must return a dict of arrays by their names"
        if not isinstance(given, dict) or not given:
            kind = "an empty one" if isinstance(given, dict) else type(given).__name__
            raise TypeError(f"{expected}; got {kind}.")
        found = {name: np.asarray(value) for name, value in given.items()}
        for name, value in found.items():
            if value.dtype.kind not in "biufcV":  # V is bfloat16
                raise TypeError(f"{expected}; {name!r} is {given[name]!r}.")
        return Answer(found, lacks=_all_but(found))

    def close(self) -> None:
        """There is nothing to close."""


def taken(function: Callable, options: dict[str, Any]) -> dict[str, Any]:
    """Return those of the keywords that a function takes, of which its first argument is none."""
    try:
        _, *parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # one that does not tell its arguments, or has none
        return {}
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return options
    names = {p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
    return {name: value for name, value in options.items() if name in names}


def _all_but(found) -> tuple[str, ...]:
    names = ("call", "carried", "gradient", "losses", "mask", "output", "state", "weight")
    return tuple(n for n in names if not any(name.startswith(n) for name in found))


def side_of(what: Any, whole=False) -> Side:
    """Return the side that a name or an object stands for.

    Parameters
    ----------
    what : str, Layer, keras.Layer, torch.nn.Module, callable or Side
        A Keras layer is called in this process, on the backend that Keras has here.
    whole : bool
        As in `Function`.

    Raises
    ------
    ValueError, TypeError
        If there is no such side.
    """
    if isinstance(what, str):
        return _by_name(what)
    if isinstance(what, Layer):
        return Minirnn(layer=what)
    if hasattr(what, "answer"):
        return what
    home = [base.__module__.split(".")[0] for base in type(what).__mro__]
    if "keras" in home:
        from minirnn.testing.keras_engine import KerasHere

        return KerasHere(what)
    if "torch" in home:
        from minirnn.testing import torch_side

        kind = torch_side.kind_of(what)
        if kind is not None:
            return kind(what)
    if callable(what):
        return Function(what, whole)
    raise TypeError(f"testing: a side is a layer, a module, a function, or one of {EXPECTED}; got {what!r}.")


def _by_name(name) -> Side:
    kind, _, rest = name.partition(":")
    if kind == "minirnn" and rest in ("", "generic", "fused"):
        return Minirnn(rest or None)
    if kind == "keras":
        from minirnn.testing.keras_engine import ENGINES
        from minirnn.testing.process import KerasProcess

        if (rest or "jax") in ENGINES:
            return KerasProcess(rest or "jax")
    if name == "torch":
        from minirnn.testing.torch_side import Torch

        return Torch()
    if rest and kind not in ("minirnn", "keras", "torch"):
        function = getattr(importlib.import_module(kind), rest)
        if not callable(function):
            raise ValueError(f"testing: {name} must be a function; it is {function!r}.")
        return Function(function, whole=True)
    raise ValueError(f"testing: a side must be {EXPECTED}; got {name!r}.")
