"""States as files: nested dicts and lists of numbers, texts and arrays, in one .npz without pickle."""

import json
from typing import Any

import numpy as np

from minirnn.autograd import Tensor
from minirnn.callbacks.files import write_atomically

_ARRAY = "array:"


def write_state(path, state) -> None:
    """Write a state; the file holds all of it or what it held before.

    Parameters
    ----------
    path : str
    state : dict
        Of dicts with text as keys, lists, tuples (which come back as lists), arrays, Tensors, texts, numbers,
        bools and None.

    Raises
    ------
    TypeError
        If there is anything else in it.
    OSError
        If it cannot be written.
    """
    arrays: list[np.ndarray] = []
    text = json.dumps(_packed(state, arrays, ""))
    with write_atomically(path) as name, open(name, "wb") as file:
        # To an open file, since savez adds an ending to a name.
        entries: Any = {str(number): array for number, array in enumerate(arrays)}
        np.savez(file, json=np.frombuffer(text.encode(), np.uint8), **entries)


def read_state(path) -> dict:
    """Return the state in a file.

    Raises
    ------
    OSError
        If there is no such file, or what is in it is not whole.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            text = file["json"].tobytes().decode()
            return _unpacked(json.loads(text), file)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise OSError(f"{path} cannot be read: {error}. It was damaged, or is not of minirnn.") from error


def _packed(value, arrays, place) -> Any:
    if isinstance(value, dict):
        wrong = [key for key in value if not isinstance(key, str)]
        if wrong:
            raise TypeError(f"A state's keys must be texts; got {wrong[0]!r} in state{place}.")
        return {key: _packed(item, arrays, f"{place}[{key!r}]") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_packed(item, arrays, f"{place}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        # One that looks like the place of an array is told from it by one more colon.
        return f"{_ARRAY}:{value}" if value.startswith(_ARRAY) else value
    if isinstance(value, Tensor):
        value = value.numpy()
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        arrays.append(value)
        return f"{_ARRAY}{len(arrays) - 1}"
    raise TypeError(
        f"state{place} must be made of dicts, lists, arrays, numbers and texts; got {type(value).__name__}."
    )


def _unpacked(value, arrays) -> Any:
    if isinstance(value, dict):
        return {key: _unpacked(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_unpacked(item, arrays) for item in value]
    if not isinstance(value, str) or not value.startswith(_ARRAY):
        return value
    rest = value[len(_ARRAY) :]
    return rest[1:] if rest.startswith(":") else arrays[rest]
