"""Hypothesis strategies for calls of layers, whole or in parts: a failing one shrinks to the smallest.

Hypothesis is an extra, and is imported here and nowhere else.

Examples
--------
>>> from hypothesis import given
>>> from minirnn.testing import assert_agree, strategies
>>> @given(strategies.cases(kinds=("GRU",)))
... def test_my_kernel_agrees_with_minirnn(case):
...     assert_agree(my_kernel, "minirnn:generic", case)
"""

import hypothesis.strategies as st
import numpy as np

from minirnn.testing.case import Case
from minirnn.testing.choices import KINDS, MASKS, Choices, choose_case, choose_layer, choose_mask

__all__ = ["cases", "dtypes", "initial_states", "inputs", "layers", "masks"]


def _choices(draw) -> Choices:
    return Choices(lambda name, count: draw(st.integers(0, count - 1), label=name))


@st.composite
def cases(draw, kinds=KINDS, max_batch=3, max_time=4, max_features=3, max_units=3, for_torch=False) -> Case:
    """Draw whole cases: a layer with every option, inputs, mask, initial states, dtype, training steps.

    Parameters
    ----------
    kinds : sequence of str
        Classes of layers that may come.
    max_batch, max_time, max_features, max_units : int
    for_torch : bool
        Only what ``torch.nn.RNN``, ``GRU`` and ``LSTM`` can do.
    """
    sizes = [draw(st.integers(1, most)) for most in (max_batch, max_time, max_features, max_units)]
    kinds = tuple(dict.fromkeys(kinds))
    return choose_case(_choices(draw), kinds, tuple(sizes), for_torch)


@st.composite
def layers(draw, kinds=KINDS, max_units=3) -> dict:
    """Draw descriptions of layers, as in `Case.layer`; `testing.make` makes them."""
    kind = draw(st.sampled_from(tuple(dict.fromkeys(kinds))))
    return choose_layer(_choices(draw), kind, draw(st.integers(1, max_units)))


@st.composite
def masks(draw, batch, time, forms=MASKS):
    """Draw masks of shape (batch, time), bool, or None.

    Parameters
    ----------
    batch, time : int
    forms : sequence of str
        Of "none", "right" and "left" (where the padding is), "holes", "rows" (whole ones masked) and "all"
        (every step counts).
    """
    rows = choose_mask(_choices(draw), batch, time, tuple(dict.fromkeys(forms)))
    return None if rows is None else np.array([[c == "1" for c in row] for row in rows])


@st.composite
def inputs(draw, batch, time, *features, dtype="float32"):
    """Draw inputs of shape (batch, time, ...), of normal numbers."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    return rng.standard_normal((batch, time, *features)).astype(dtype)


@st.composite
def initial_states(draw, count, batch, units, dtype="float32"):
    """Draw None or a list of `count` states of shape (batch, units)."""
    if not draw(st.booleans()):
        return None
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    return [0.5 * rng.standard_normal((batch, units)).astype(dtype) for _ in range(count)]


def dtypes():
    """Draw the dtypes that the cases have."""
    return st.sampled_from(("float32", "float64"))
