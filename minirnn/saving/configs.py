"""The config in a file, looked at before anything is made of it.

A config is text that somebody wrote. It may nest without end, have numbers without end, or bring code. What
classes and functions it may name is a matter of `minirnn.utils.registry`, which has a closed table; how large
what it asks for may be, of `minirnn.backend.allowance`.
"""

import json
from typing import Any

from minirnn.saving.errors import UnsafeFileError, refusing
from minirnn.utils.registry import get_registered_object

LARGEST_TEXT = 8 << 20
_DEEPEST = 200
_MOST_VALUES, _MOST_OBJECTS = 1_000_000, 20_000
_LARGEST_INTEGER = 2**31

# Integers that say no size.
_NO_SIZES = ("seed", "shared_object_id")


def parsed(path, text, safe_mode=True, custom_objects=None) -> dict:
    """Return a config from its JSON, if it is one that is safe to make a model of.

    Parameters
    ----------
    path : str
        What errors call the file.
    text : bytes or str
    safe_mode : bool
        Whether to refuse functions stored as code, and `Lambda` layers of functions that are not the user's.
    custom_objects : dict of str to class or function, optional
        The user's, beside those registered.

    Raises
    ------
    UnsafeFileError
        If it is no JSON object, nests too deeply, has too many values or too large numbers, or brings code.
    """
    if len(text) > LARGEST_TEXT:
        raise UnsafeFileError(f"{path}: refused, since the config has {len(text)} bytes.")
    with refusing(path, "the config"):
        config = json.loads(text)
    if not isinstance(config, dict):
        raise UnsafeFileError(f"{path}: refused, since the config is no JSON object.")
    check(path, config, safe_mode, custom_objects)
    return config


def _is_own(function, custom_objects) -> bool:
    """Return whether a config names a function that is the user's own."""
    if not isinstance(function, dict) or function.get("class_name") != "function":
        return False
    name = function.get("config")
    found = get_registered_object(name, custom_objects) if isinstance(name, str) else None
    return found is not None and not isinstance(found, type)


def _may_run(layer, custom_objects) -> bool:
    """Return whether all functions of the config of a `Lambda` layer are the user's own."""
    inner = layer.get("config")
    if not isinstance(inner, dict) or not _is_own(inner.get("function"), custom_objects):
        return False
    others = [inner[name] for name in ("mask", "output_shape") if isinstance(inner.get(name), dict)]
    arrays = ("__numpy__", "__tensor__")
    return all(other.get("class_name") in arrays or _is_own(other, custom_objects) for other in others)


def check(path, config, safe_mode=True, custom_objects=None) -> None:
    """Raise UnsafeFileError if a config, parsed already, is not safe to make a model of."""
    refused = f"{path}: refused, since the config"
    waiting: list[tuple[Any, Any, int]] = [(None, config, 0)]
    count = objects = 0
    while waiting:
        key, value, depth = waiting.pop()
        count += 1
        inside = len(value) if isinstance(value, dict | list) else 0
        if depth > _DEEPEST or count + len(waiting) + inside > _MOST_VALUES:
            raise UnsafeFileError(f"{refused} nests more than {_DEEPEST} deep or has too many values.")
        if isinstance(value, dict):
            kind = value.get("class_name")
            objects += kind is not None
            if objects > _MOST_OBJECTS:
                raise UnsafeFileError(f"{refused} describes more than {_MOST_OBJECTS} objects.")
            of_code = isinstance(kind, str) and kind.lower() in ("lambda", "__lambda__")
            if safe_mode and of_code and (kind != "Lambda" or not _may_run(value, custom_objects)):
                raise UnsafeFileError(
                    f"{refused} has a Lambda layer or a function stored as code; if you trust who made the "
                    "file, load it with safe_mode=False. A Lambda layer of a function that is registered or "
                    "among custom_objects is no such."
                )
            waiting += [(k, v, depth + 1) for k, v in value.items()]
        elif isinstance(value, list):
            waiting += [(key, v, depth + 1) for v in value]
        elif isinstance(value, int) and abs(value) > _LARGEST_INTEGER and key not in _NO_SIZES:
            raise UnsafeFileError(f"{refused} has the number {value} as {key!r}.")
