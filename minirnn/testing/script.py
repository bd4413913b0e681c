"""The script in a report: a program that makes the comparison again, on its own."""

import ast
import base64
import importlib
import io
import json
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from minirnn import tree
from minirnn.testing.engine import REFUSALS

_SHOWN = 60  # numbers that are written out; more are packed
_OF_TORCH = ("num_layers", "nonlinearity", "bias", "batch_first", "dropout", "bidirectional")


def script_of_case(case, candidate, reference, tolerance=None) -> str:
    """Return a program that compares the two on the case again."""
    names, imports = zip(*(_expression(side, i) for i, side in enumerate((candidate, reference))))
    lines = ["from minirnn.testing import Case, compare", *filter(None, imports)]
    call = ", ".join([*names, "case", *_named("tolerance", tolerance)])
    return "\n".join([*lines, "", f"case = {case!r}", f"print(compare({call}))"])


def script_of_arrays(sides, question, tolerance=None) -> str:
    """Return a program that compares two sides on arrays again.

    Parameters
    ----------
    sides : pair
        As `compare` gets them. Without weights in the question they get those that they have.
    question : Question
    tolerance : float, optional
    """
    names, imports = zip(*(_expression(side, i) for i, side in enumerate(sides)))
    arguments = {"weights": question.weights, "mask": question.mask, "initial_state": question.states}
    options = [f"{name}={_literal(value)}" for name, value in arguments.items() if value is not None]
    options += _named("arguments", question.arguments) + _named("optimizer", question.optimizer)
    options += [
        f"{k}={getattr(question, k)}" for k, v in (("calls", 1), ("steps", 0)) if getattr(question, k) != v
    ]
    lines = ["import numpy as np", "", "from minirnn.testing import compare, unpack", *filter(None, imports)]
    lines += ["", f"x = {_literal(question.x)}"]
    if question.weights is None:
        shape = tree.map_structure(lambda array: array.shape, question.x)
        lines += [line for side, name in zip(sides, names) for line in _own_weights(side, name, shape)]
    call = ", ".join([*names, "x", *options, *_named("tolerance", tolerance)])
    return "\n".join([*lines, f"print(compare({call}))"])


def _named(name, value) -> list[str]:
    return [] if value is None else [f"{name}={_literal(value)}"]


def _own_weights(side, name, shape) -> list[str]:
    """Return the lines that give a side in a script the weights that it has."""
    if hasattr(side, "get_weights") and side.built and side.weights:
        weights = [np.array(weight) for weight in side.get_weights()]
        return [f"{name}.built or {name}.build({shape!r})", f"{name}.set_weights({_literal(weights)})"]
    if _is_recurrent_of_torch(side):
        values = {key: value.numpy() for key, value in side.state_dict().items()}
        return [
            f"values = {_literal(values)}",
            f"{name}.load_state_dict({{key: torch.tensor(value) for key, value in values.items()}})",
        ]
    return []


def _literal(value) -> str:
    """Return a Python expression for an array or a structure with arrays in it; large ones are packed."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {_literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_literal(v) for v in value)}]"
    if not isinstance(value, np.ndarray):
        return repr(value)
    if value.size <= _SHOWN:
        numbers = json.dumps(value.tolist()).replace("true", "True").replace("false", "False")
        numbers = numbers.replace("NaN", "np.nan").replace("Infinity", "np.inf")
        return f'np.array({numbers}, "{value.dtype.name}")'
    data = io.BytesIO()
    np.save(data, value)
    return f'unpack("{base64.b85encode(zlib.compress(data.getvalue())).decode()}")'


def unpack(text: str) -> np.ndarray:
    """Return the array that a script holds as text."""
    data = zlib.decompress(base64.b85decode(text))
    return np.load(io.BytesIO(data), allow_pickle=False)


def _expression(side: Any, number: int) -> tuple[str, str]:
    """Return an expression for a side in a script, and the lines that it needs before."""
    if isinstance(side, str):
        return repr(side), ""
    name = ("candidate", "reference")[number]
    function = getattr(side, "function", side)
    qualified = getattr(function, "__qualname__", "")
    if qualified.isidentifier() and getattr(function, "__module__", None) not in (
        None,
        "__main__",
        "builtins",
    ):
        return name, f"from {function.__module__} import {qualified} as {name}"
    lines = ""
    if hasattr(side, "get_config"):
        lines = _of_config(side, name, number)
    elif _is_recurrent_of_torch(side):
        options = {k: getattr(side, k) for k in _OF_TORCH if hasattr(side, k)}
        made = f"{type(side).__name__}({side.input_size}, {side.hidden_size}"
        made += "".join(f", {k}={v!r}" for k, v in options.items())
        dtype = str(next(side.parameters()).dtype)
        lines = f"import torch\n{name} = torch.nn.{made}, dtype={dtype})"
    said = " ".join(repr(side).split())
    return name, lines or f"{name} = ...  # {said}, which cannot be written as a line: put yours here"


def _is_recurrent_of_torch(side) -> bool:
    kind = type(side)
    return kind.__module__.startswith("torch.nn.") and kind.__name__ in ("RNN", "GRU", "LSTM")


def _of_config(layer, name, number) -> str:
    """Return the lines that make a layer again, or none where its config does not make one."""
    kind = type(layer)
    try:
        config = layer.get_config()
        kind.from_config(ast.literal_eval(repr(config)))
    except (*REFUSALS, SyntaxError):  # whatever a class of the user's own raises: then there is no such line
        return ""
    homes = [home for home in _homes(kind) if _holds(home, kind)]
    modules = sorted(set(_modules(config)))
    if not homes or "__main__" in modules:
        return ""
    lines = [f"import {module}" for module in modules]
    lines.append(f"from {homes[0]} import {kind.__name__} as kind{number}")
    return "\n".join([*lines, f"{name} = kind{number}.from_config({config!r})"])


def _homes(kind) -> list[str]:
    """Return the modules from which a class may be imported, the public ones first."""
    package = kind.__module__.split(".")[0]
    public = [f"{package}.layers", package] if package in ("minirnn", "keras") else []
    return [*public, *([kind.__module__] if kind.__module__ != "__main__" else [])]


def _holds(home, kind) -> bool:
    return getattr(importlib.import_module(home), kind.__name__, None) is kind


def _modules(config) -> Iterator[str]:
    """Give the modules of all classes in a config that neither minirnn nor Keras has."""
    if isinstance(config, dict):
        module = config.get("module") if "class_name" in config else None
        if isinstance(module, str) and module.split(".")[0] not in ("minirnn", "keras", "builtins"):
            yield module
    if isinstance(config, dict | list | tuple):
        for part in config.values() if isinstance(config, dict) else config:
            yield from _modules(part)
