"""Values in a config that JSON has no form for: arrays, bytes, slices."""

import numpy as np


def deserialize_value(kind, inner):
    """Return the value that ``{"class_name": kind, "config": inner}`` stands for.

    Raises
    ------
    ValueError
        If it is code or a symbolic value, or an array of something that is no number.
    """
    if kind in ("__numpy__", "__tensor__"):
        dtype = np.dtype(inner["dtype"]) if isinstance(inner["dtype"], str) else np.dtype(object)
        if dtype.kind not in "biufc" or dtype.subdtype is not None:
            raise ValueError(f"{kind}: expected a dtype of numbers; got {inner['dtype']!r}.")
        return np.array(inner["value"], dtype)
    if kind == "__bytes__":
        return inner["value"].encode("utf-8")
    if kind == "__slice__":
        return slice(inner["start"], inner["stop"], inner["step"])
    if kind == "__ellipsis__":
        return Ellipsis
    raise ValueError(
        f"deserialize_keras_object: {kind} holds code or a symbolic value, which is not read from a config. "
        "Give the function by name in custom_objects."
    )
