"""Functions that Keras stored as Python bytecode: run only for who says that the file is trusted."""

import base64
import marshal
from types import CellType, CodeType, FunctionType
from typing import Any


def with_functions(config) -> Any:
    """Return a config in which the functions that were stored as bytecode are functions.

    To be called only with ``safe_mode=False``: whoever wrote the config may do whatever this program may.
    Bytecode is that of one version of Python, and of another it may crash.
    """
    if isinstance(config, list):
        return [with_functions(item) for item in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "__lambda__":
        inner = config["config"]
        stored = inner.get("value") or (inner["code"], inner.get("defaults"), inner.get("closure"))
        return _function(*stored)
    return {key: with_functions(value) for key, value in config.items()}


def _function(code, defaults, closure) -> FunctionType:
    body = marshal.loads(base64.b64decode(code))
    if not isinstance(body, CodeType):
        raise TypeError(f"A function's code is needed; got {type(body).__name__}.")
    # Keras writes tuples as lists.
    cells = None if closure is None else tuple(CellType(value) for value in closure)
    return FunctionType(body, {"__builtins__": __builtins__}, argdefs=_tuple(defaults), closure=cells)


def _tuple(value):
    return None if value is None else tuple(value)
