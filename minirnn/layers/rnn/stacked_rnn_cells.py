"""`StackedRNNCells`: several cells that act as one, each on the output of the one below."""

import functools
from collections.abc import Callable

from minirnn import tree
from minirnn.layers.context import signature_of
from minirnn.layers.layer import Layer
from minirnn.layers.rnn.state import (
    children,
    initial_states_of,
    is_state_shape,
    output_shapes_of,
    shapes_of,
)
from minirnn.utils.registry import deserialize_part, serialize_keras_object


def check_cell(cell, where) -> None:
    """Raise ValueError unless an object is a cell: has ``call`` and ``state_size``."""
    missing = [name for name in ("call", "state_size") if not hasattr(cell, name)]
    if missing:
        raise ValueError(
            f"{where}: a cell needs a method call(inputs, states) and an attribute state_size (an int, a "
            f"TensorShape, or a structure of these); {cell!r} has no {' and no '.join(missing)}."
        )


def build_cell(cell, step_shape) -> None:
    """Build a cell, if it is a layer that is not built, for a structure of shapes (batch, ...)."""
    if isinstance(cell, Layer) and not cell.built:
        cell.build(step_shape)
        cell.built = True


def step_of(cell, training) -> Callable:
    """Return a cell's ``step(inputs, states)``, which is told of `training` if the cell wants to know."""
    if isinstance(cell, Layer) and signature_of(type(cell).call).takes_training:
        return functools.partial(cell, training=training)
    return cell if callable(cell) else cell.call


def first_state(cell, states):
    """Return the first state of a cell, of a stack that of the topmost cell; None if it has none.

    It is the output of the step before, for the cells of SimpleRNN, GRU and LSTM and many others.
    """
    while isinstance(cell, StackedRNNCells):
        cell, states = cell.cells[-1], states[-1]
    flat = tree.flatten(children(states) if tree.is_nested(states) else states)
    return flat[0] if flat else None


class StackedRNNCells(Layer):
    """Cells on top of one another, to be used as one: in `RNN`, or step by step.

    Parameters
    ----------
    cells : list of cells
        The first gets the inputs, each other the output of the one before it.

    Attributes
    ----------
    state_size : list
        The ``state_size`` of each cell. States come and go as a list with the states of each cell, those too
        that are one, as of a GRUCell, in a list of their own, whether they are symbolic or values. (Keras
        3.15.1 has that list for values alone.)

    Raises
    ------
    ValueError
        If one of them is no cell, or there are none.
    """

    def __init__(self, cells, **kwargs):
        if not isinstance(cells, list | tuple):
            raise ValueError(f"{type(self).__name__}: cells must be a list of cells; got {cells!r}.")
        cells = list(cells)
        if not cells:
            raise ValueError(f"{type(self).__name__}: at least one cell is needed; got none.")
        for cell in cells:
            check_cell(cell, type(self).__name__)
        super().__init__(**kwargs)
        self.cells = cells
        self.state_shapes = [shapes_of(cell)[0] if _is_bare(cell) else shapes_of(cell) for cell in cells]

    @property
    def state_size(self) -> list:
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self):
        """The size, or structure of sizes, of the last cell's output."""
        last = self.cells[-1]
        size = getattr(last, "output_size", None)
        if size is None:
            shape = output_shapes_of(last)
            size = shape[0] if len(shape) == 1 else shape
        return size

    def get_initial_state(self, batch_size=None) -> list:
        """Return the initial states of each cell: its own, or zeros."""
        states = []
        for cell in self.cells:
            dtype = getattr(cell, "compute_dtype", self.compute_dtype)
            own = initial_states_of(cell, batch_size, dtype)
            states.append(tree.flatten(own)[0] if _is_bare(cell) else own)
        return states

    def build(self, input_shape):
        batch_size = tree.flatten(input_shape)[0]
        for cell in self.cells:
            build_cell(cell, input_shape)
            input_shape = tree.map_structure(
                lambda shape: (batch_size, *shape), output_shapes_of(cell), is_leaf=is_state_shape
            )

    def call(self, inputs, states, training: bool | None = False):
        new_states = []
        for cell, old in zip(self.cells, states):
            inputs, new = step_of(cell, training)(inputs, old if tree.is_nested(old) else [old])
            if not tree.is_nested(old) and tree.is_nested(new):
                (new,) = tree.flatten(new)
            new_states.append(new)
        return inputs, new_states

    def get_config(self) -> dict:
        return {**super().get_config(), "cells": [serialize_keras_object(cell) for cell in self.cells]}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Make a stack from what `get_config` returned."""
        config = dict(config)
        cells = [deserialize_part(cell, custom_objects) for cell in config.pop("cells")]
        return cls(cells, **config)


def _is_bare(cell) -> bool:
    """Whether a cell's one state stands in a stack's states by itself, and not in a list: as in Keras."""
    return isinstance(cell.state_size, int) and not hasattr(cell, "get_initial_state")
