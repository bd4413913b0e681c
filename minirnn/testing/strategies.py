"""Hypothesis strategies for calls of layers, whole or in parts: a failing one shrinks to the smallest.

Hypothesis is an extra, and is imported here and nowhere else.

Examples
--------
>>> from hypothesis import given, settings
>>> from minirnn.testing import assert_agree, strategies
>>> @settings(max_examples=5)
... @given(strategies.cases(kinds=("GRU",)))
... def test_my_kernel_agrees_with_minirnn(case):
...     assert_agree("minirnn:fused", "minirnn:generic", case)
>>> test_my_kernel_agrees_with_minirnn()

In parts, for a function of one's own:

>>> import minirnn
>>> from minirnn.testing import make
>>> @settings(max_examples=5)
... @given(strategies.layers(kinds=("LSTM",)), strategies.inputs(2, 3, 4), strategies.masks(2, 3))
... def test_a_step_that_is_masked_changes_nothing(layer, x, mask):
...     lstm = make(minirnn, {**layer, "return_state": False, "return_sequences": False})
...     assert lstm(x, mask=mask).shape[0] == 2
>>> test_a_step_that_is_masked_changes_nothing()
"""

import numpy as np

from minirnn import tree
from minirnn.testing.case import Case
from minirnn.testing.cells import OWN
from minirnn.testing.choices import DTYPES, MASKS, Choices, choose_case, choose_mask
from minirnn.testing.kinds import CELLS, KINDS, choose_cell, choose_layer, choose_shape

try:
    import hypothesis.strategies as st
except ImportError as error:
    raise ImportError(
        f"minirnn.testing.strategies: Hypothesis is not installed or cannot be imported ({error}); "
        "`pip install 'minirnn[compare]'` brings it."
    ) from error

__all__ = ["cases", "cells", "dtypes", "initial_states", "inputs", "layers", "masks", "shapes"]


def _some(what: str, given, known) -> tuple[str, ...]:
    """Return each of the given names once; one alone may come as it is.

    Raises
    ------
    ValueError
        If there is none, or one that is not known.
    """
    names = tuple(dict.fromkeys([given] if isinstance(given, str) else given))
    wrong = [name for name in names if name not in known]
    if wrong or not names:
        got = ", ".join(map(repr, wrong)) or "none"
        raise ValueError(f"strategies: {what} must be some of {', '.join(dict.fromkeys(known))}; got {got}.")
    return names


def _choices(draw) -> Choices:
    return Choices(lambda name, count: draw(st.integers(0, count - 1), label=name))


@st.composite
def cases(draw, kinds=KINDS, max_batch=3, max_time=4, max_features=3, max_units=3, for_torch=False) -> Case:
    """Draw whole cases: a layer with every option, inputs, masks, initial states, dtype, training steps.

    Parameters
    ----------
    kinds : sequence of str, or str
        Classes of layers that may come.
    max_batch, max_time, max_features, max_units : int
    for_torch : bool
        Only what ``torch.nn.RNN``, ``GRU`` and ``LSTM`` can do.

    Examples
    --------
    >>> import hypothesis
    >>> found = hypothesis.find(cases(), lambda case: case.layer.get("go_backwards"))
    >>> found
    Case(layer={'class': 'SimpleRNN', 'go_backwards': True, 'units': 1}, shape=(1, 1, 1), seed=...)
    """
    sizes = [draw(st.integers(1, most)) for most in (max_batch, max_time, max_features, max_units)]
    return choose_case(_choices(draw), _some("kinds", kinds, KINDS), tuple(sizes), for_torch)


@st.composite
def layers(draw, kinds=KINDS, max_units=3) -> dict:
    """Draw descriptions of layers, as in `Case.layer`; `testing.make` makes them.

    Examples
    --------
    >>> import hypothesis
    >>> hypothesis.find(layers(kinds=("Conv1D",)), lambda layer: layer.get("padding") == "causal")
    {'class': 'Conv1D', 'filters': 1, 'kernel_size': 1, 'padding': 'causal'}
    """
    kind = draw(st.sampled_from(_some("kinds", kinds, KINDS)))
    return choose_layer(_choices(draw), kind, draw(st.integers(1, max_units)))


@st.composite
def cells(draw, kinds=(*CELLS, *OWN), max_units=3) -> dict:
    """Draw descriptions of cells: Keras's with every option, and the cells of `minirnn.testing.cells`.

    Examples
    --------
    >>> import hypothesis
    >>> hypothesis.find(cells(), lambda cell: cell.get("reset_after") is False)
    {'class': 'GRUCell', 'reset_after': False, 'units': 1}
    """
    kind = draw(st.sampled_from(_some("kinds", kinds, (*CELLS, *OWN))))
    return choose_cell(_choices(draw), kind, draw(st.integers(1, max_units)), "cell")


@st.composite
def shapes(draw, layer, max_batch=3, max_time=4, max_features=3):
    """Draw shapes of inputs that a layer takes: a tuple, or a list or dict of tuples.

    Examples
    --------
    >>> import hypothesis
    >>> hypothesis.find(shapes({"class": "Attention"}), lambda shape: len(shape) == 3)
    [(1, 1, 1), (1, 3, 1), (1, 3, 1)]
    """
    sizes = [draw(st.integers(1, most)) for most in (max_batch, max_time, max_features)]
    return choose_shape(_choices(draw), layer, *sizes)


@st.composite
def masks(draw, batch, time, forms=MASKS):
    """Draw masks of shape (batch, time), bool, or None.

    Parameters
    ----------
    batch, time : int
    forms : sequence of str, or str
        Of "none", "right" and "left" (where the padding is), "holes", "rows" (whole ones masked) and "all"
        (every step counts).

    Examples
    --------
    >>> import hypothesis
    >>> hypothesis.find(masks(1, 3, forms=("left",)), lambda mask: mask.sum() == 2)
    array([[False,  True,  True]])
    """
    rows = choose_mask(_choices(draw), batch, time, _some("forms", forms, MASKS))
    return None if rows is None else np.array([[c == "1" for c in row] for row in rows])


@st.composite
def inputs(draw, batch, *axes, dtype="float32"):
    """Draw inputs of normal numbers, of shape (batch, *axes), or of a structure of shapes in place of it.

    Examples
    --------
    >>> inputs(2, 3, 4).example().shape  # doctest: +SKIP
    (2, 3, 4)
    >>> [x.shape for x in inputs([(2, 3, 4), (2, 1, 4)]).example()]  # doctest: +SKIP
    [(2, 3, 4), (2, 1, 4)]
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    shape = (batch, *axes) if isinstance(batch, int) else batch
    return tree.map_shape_structure(lambda s: rng.standard_normal(s).astype(dtype), shape)


@st.composite
def initial_states(draw, count, batch, units, dtype="float32"):
    """Draw None or a list of `count` states of shape (batch, units).

    Examples
    --------
    >>> import hypothesis
    >>> hypothesis.find(initial_states(2, 1, 3), lambda states: True) is None
    True
    """
    if not draw(st.booleans()):
        return None
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    return [0.5 * rng.standard_normal((batch, units)).astype(dtype) for _ in range(count)]


def dtypes():
    """Draw the dtypes and policies that the cases have.

    Examples
    --------
    >>> import hypothesis
    >>> hypothesis.find(dtypes(), lambda dtype: "16" in dtype)
    'float16'
    """
    return st.sampled_from(tuple(dict.fromkeys(DTYPES)))
