"""What the losses ask of targets and options before they compute anything.

Predictions and targets that fit only by broadcasting, which Keras lets pass, are nearly always a mistake.
"""

from typing import Any

import numpy as np

from minirnn.autograd import Tensor, convert, convert_float
from minirnn.losses.loss import squeeze_or_expand_to_same_rank


def fit_targets(y_true, y_pred, where, hint="") -> tuple[Tensor, Tensor]:
    """Return targets and predictions as floats of one shape, or raise ValueError."""
    y_pred = convert_float(y_pred)
    y_true, y_pred = squeeze_or_expand_to_same_rank(convert(y_true, y_pred.dtype), y_pred)
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"{where}: y_true must have the shape of y_pred, {y_pred.shape}; got {y_true.shape}.{hint}"
        )
    return y_true, y_pred


def checked_number(where, name, value, low, high=float("inf")) -> Any:
    """Return a number given as an option as Python's, or raise ValueError if it is out of bounds."""
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        wanted = f"from {low} to {high}" if high < float("inf") else f"{low} or more"
        raise ValueError(f"{where}: {name} must be a number {wanted}; got {value!r}.")
    return value.item() if isinstance(value, np.generic) else value
