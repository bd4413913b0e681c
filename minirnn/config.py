"""Global settings: the default float type and the fuzz factor."""

_FLOAT_TYPES = ("float16", "float32", "float64")
_settings = {"floatx": "float32", "epsilon": 1e-7}


def floatx() -> str:
    """Return the default float type: "float16", "float32" or "float64"."""
    return _settings["floatx"]


def set_floatx(value: str) -> None:
    """Set the default float type of new weights and of converted Python numbers.

    Raises
    ------
    ValueError
        If `value` is not "float16", "float32" or "float64".
    """
    if value not in _FLOAT_TYPES:
        raise ValueError(f"set_floatx: value must be one of {', '.join(_FLOAT_TYPES)}; got {value!r}.")
    _settings["floatx"] = str(value)


def epsilon() -> float:
    """Return the small number added where a division by zero or log(0) could arise (1e-7)."""
    return _settings["epsilon"]


def set_epsilon(value: float) -> None:
    """Set the fuzz factor returned by `epsilon`."""
    _settings["epsilon"] = float(value)
