"""The config in a file, looked at before anything is made of it.

A config is text that somebody wrote. It may nest without end, ask for a layer of a petabyte, or bring code.
What classes and functions it may name is a matter of `minirnn.utils.registry`, which has a closed table.
"""

import json
import math
from typing import Any

from minirnn.saving.errors import UnsafeFileError, refusing

LARGEST_TEXT = 8 << 20
_DEEPEST = 200
_MOST_VALUES = 1_000_000
_LARGEST_INTEGER = 2**31
# How many numbers an array may have that the model makes of an input of one sample, as far as can be told.
LARGEST_ARRAY = 2**26

# Integers that say no size.
_NO_SIZES = ("seed", "shared_object_id")
_SHAPES = ("batch_shape", "batch_input_shape", "input_shape", "shape", "target_shape", "build_input_shape")
# Arguments by which the output of a layer is larger than its input, each time that it stands in a model.
_GROWTHS = {"RepeatVector": "n", "UpSampling1D": "size", "ZeroPadding1D": "padding"}


def parsed(path, text, safe_mode=True) -> dict:
    """Return a config from its JSON, if it is one that is safe to make a model of.

    Parameters
    ----------
    path : str
        What errors call the file.
    text : bytes or str
    safe_mode : bool
        Whether to refuse `Lambda` layers, and functions stored as code.

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
    check(path, config, safe_mode)
    return config


def check(path, config, safe_mode=True) -> None:
    """Raise UnsafeFileError if a config, parsed already, is not safe to make a model of."""
    refused = f"{path}: refused, since the config"
    waiting: list[tuple[Any, Any, int]] = [(None, config, 0)]
    count, largest_input, growth = 0, 1, 1
    while waiting:
        key, value, depth = waiting.pop()
        count += 1
        inside = len(value) if isinstance(value, dict | list) else 0
        if depth > _DEEPEST or count + len(waiting) + inside > _MOST_VALUES:
            raise UnsafeFileError(f"{refused} nests more than {_DEEPEST} deep or has too many values.")
        if isinstance(value, dict):
            kind = value.get("class_name")
            if safe_mode and kind in ("Lambda", "__lambda__"):
                raise UnsafeFileError(
                    f"{refused} has a Lambda layer or a function stored as code; if you trust who made the "
                    "file, load it with safe_mode=False."
                )
            growth *= _growth(kind, value.get("config"))
            waiting += [(k, v, depth + 1) for k, v in value.items()]
        elif isinstance(value, list):
            if key in _SHAPES:
                largest_input = max(largest_input, _size(value))
            waiting += [(key, v, depth + 1) for v in value]
        elif isinstance(value, int) and abs(value) > _LARGEST_INTEGER and key not in _NO_SIZES:
            raise UnsafeFileError(f"{refused} has the number {value} as {key!r}.")
        if safe_mode and largest_input * growth > LARGEST_ARRAY:
            raise UnsafeFileError(
                f"{refused} asks for an array of {largest_input * growth} numbers for one sample."
            )


def _size(shape) -> int:
    return math.prod(n for n in shape if isinstance(n, int) and n > 0)


def _growth(kind, config) -> int:
    if not isinstance(kind, str) or not isinstance(config, dict):
        return 1
    value = config.get(_GROWTHS.get(kind, ""))
    numbers = value if isinstance(value, list) else [value]
    return 1 + sum(n for n in numbers if isinstance(n, int) and n > 0) if value is not None else 1
