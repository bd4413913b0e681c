"""Sides with a fault that is known, for the tests to find."""

import dataclasses

import numpy as np

from minirnn.testing.minirnn_engine import Minirnn


def ignores_the_mask(question):
    """Answer as minirnn does, without any mask."""
    return arrays(dataclasses.replace(question, mask=None))


def has_wrong_recurrent_gradients(question):
    """Answer as minirnn does, but for gradients of recurrent kernels, which are a thousandth too large."""
    found = arrays(question)
    return {k: v * 1.001 if "gradient" in k and "recurrent" in k else v for k, v in found.items()}


def is_off_by_a_little(question):
    """Answer as minirnn does, but for outputs, which are an eighth too large, each exactly so."""
    return {k: v * v.dtype.type(1.125) if k.startswith("output") else v for k, v in arrays(question).items()}


def has_nan(question):
    """Answer as minirnn does, with a nan in the first output."""
    found = arrays(question)
    return {k: np.full_like(v, np.nan) if k == "output 0" else v for k, v in found.items()}


def fails_backwards_at_holes(question):
    """Answer as minirnn does, but for a layer that goes backwards over a mask with a hole."""
    found = arrays(question)
    layer, mask = question.layer, question.mask
    if layer.get("go_backwards") and isinstance(mask, np.ndarray) and _has_hole(mask):
        found = {k: v + 1 if k.startswith("output") else v for k, v in found.items()}
    return found


def _has_hole(mask):
    return any("101" in "".join("01"[int(c)] for c in row) for row in mask)


def fails_in_float16(question):
    """Answer as minirnn does, but for a layer of several inputs in float16."""
    found = arrays(question)
    if isinstance(question.x, list) and "float16" in question.dtype:
        found["output 0"] = found["output 0"] + 1
    return found


def arrays(question):
    answer = Minirnn().answer(question)
    if answer.refusal is not None:
        raise ValueError(answer.refusal)
    return answer.arrays


def knows_lstm_alone(question):
    """Answer as minirnn does for an LSTM in float32; it has no other layer."""
    if question.layer["class"] != "LSTM":
        raise NotImplementedError("LSTM alone")
    return arrays(question)


def breaks(question):
    """Fail as code with a fault does."""
    raise ZeroDivisionError("no answer")


def returns_an_array(question):
    """Return what is no answer."""
    return np.zeros(3)


def returns_nothing(question):
    """Return an answer without anything in it."""
    return {}


def returns_words(question):
    """Return an answer that is no number."""
    return {"output 0": "tanh"}


NO_FUNCTION = 3
