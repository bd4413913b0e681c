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


def has_nan(question):
    """Answer as minirnn does, with a nan in the first output."""
    found = arrays(question)
    return {k: np.full_like(v, np.nan) if k == "output 0" else v for k, v in found.items()}


def arrays(question):
    answer = Minirnn().answer(question)
    if answer.refusal is not None:
        raise ValueError(answer.refusal)
    return answer.arrays
