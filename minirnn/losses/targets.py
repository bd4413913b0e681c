"""What the losses ask of targets and options before they compute anything.

Predictions and targets that fit only by broadcasting, which Keras lets pass, are nearly always a mistake.
"""

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


def check_number(where, name, value, low, high=float("inf")) -> None:
    """Raise ValueError unless a number given as an option lies from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        wanted = f"from {low} to {high}" if high < float("inf") else f"{low} or more"
        raise ValueError(f"{where}: {name} must be a number {wanted}; got {value!r}.")
