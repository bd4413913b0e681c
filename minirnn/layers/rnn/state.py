"""Structures of states: what a cell's ``state_size`` stands for, and states carried from call to call."""

import inspect
import operator

from minirnn import ops, tree
from minirnn.autograd import Tensor, Variable, convert, inferring_shapes


class TensorShape(tuple):
    """The shape of one state or output of a cell, without the batch axis: ``TensorShape([20, 30])``.

    A tuple, which inside of a ``state_size`` always is one state's shape and never several states.

    Parameters
    ----------
    dims : int or iterable of (int or None)
    """

    __slots__ = ()

    def __new__(cls, dims=()):
        dims = (dims,) if isinstance(dims, int) else dims
        return super().__new__(cls, (None if n is None else operator.index(n) for n in dims))

    def __getitem__(self, index):
        found = super().__getitem__(index)
        return TensorShape(found) if isinstance(index, slice) else found

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self)

    def as_list(self) -> list:
        """Return the sizes as a list."""
        return list(self)

    def __repr__(self):
        return f"TensorShape({list(self)})"


def state_shapes(size):
    """Return the structure of states that a ``state_size`` describes, with a TensorShape for each.

    Parameters
    ----------
    size : int, TensorShape or structure of these
        An int or a TensorShape is one state, and gives a list of one. A list or tuple is several states.
        Inside of a list, tuple, namedtuple or dict, a list or tuple of ints is the shape of one state.

    Raises
    ------
    ValueError
        If it holds anything else.
    """
    if isinstance(size, int | TensorShape):
        return [_shape(size)]
    if isinstance(size, list | tuple) and not hasattr(size, "_fields"):
        return [tree.map_structure(_shape, s, is_leaf=tree.is_shape) for s in size]
    return tree.map_structure(_shape, size, is_leaf=tree.is_shape)


def _shape(size) -> TensorShape:
    try:
        shape = TensorShape(size)
        valid = not isinstance(size, bool) and all(n >= 0 for n in shape)
    except TypeError:
        valid = False
    if not valid:
        raise ValueError(
            "state_size must be an int, a TensorShape, or a list, tuple, namedtuple or dict of these; "
            f"got {size!r} in it."
        )
    return shape


def is_state_shape(value) -> bool:
    """Whether `value` is a TensorShape: a leaf of what `state_shapes` returns."""
    return isinstance(value, TensorShape)


def shapes_of(cell):
    """Return the structure of the states of a cell, with a TensorShape for each."""
    own = getattr(cell, "state_shapes", None)
    return state_shapes(cell.state_size) if own is None else own


def output_shapes_of(cell):
    """Return the structure of a cell's output, of TensorShapes; by default that of its first state."""
    size = getattr(cell, "output_size", None)
    if size is None:
        return tree.flatten(shapes_of(cell), is_leaf=is_state_shape)[0]
    shapes = state_shapes(size)
    return shapes[0] if isinstance(size, int | TensorShape) else shapes


def tensors_of(layer, inputs) -> list[Tensor]:
    """Return the leaves of a layer's inputs, or raise TypeError unless they are Tensors."""
    leaves = tree.flatten(inputs)
    if not leaves or not all(isinstance(x, Tensor) for x in leaves):
        got = ", ".join(type(x).__name__ for x in leaves) or "none"
        raise TypeError(f"{layer._where}: inputs must be tensors or arrays; got {got}.")
    return leaves


def initial_states_of(cell, batch_size, dtype, inputs=None):
    """Return the states that a cell starts from: what its ``get_initial_state`` gives, or zeros.

    The method may take any of ``batch_size``, ``inputs`` and ``dtype``, as it did in older versions of Keras.
    """
    function = getattr(cell, "get_initial_state", None)
    if function is None:
        return zero_states(shapes_of(cell), batch_size, dtype)
    known = {"batch_size": batch_size, "inputs": inputs, "dtype": dtype}
    taken = inspect.signature(function).parameters
    return function(**{k: v for k, v in known.items() if k in taken})


def zero_states(shapes, batch_size, dtype):
    """Return zeros for a structure of TensorShapes."""
    return tree.map_structure(
        lambda shape: ops.zeros((batch_size, *shape), dtype), shapes, is_leaf=is_state_shape
    )


def pack_states(shapes, states):
    """Return the leaves of `states` in the structure of `shapes`."""
    return tree.pack_sequence_as(shapes, tree.flatten(states), is_leaf=is_state_shape)


def children(states) -> list:
    """Return what a structure of states is made of at its top: of a dict its values, by sorted keys."""
    return [states[key] for key in sorted(states)] if isinstance(states, dict) else list(states)


class CarriedState:
    """The states that a stateful layer keeps from one call to the next, as Variables.

    It is no list, tuple or dict, so a layer that has one does not count them among its weights; nor does
    Keras.

    Parameters
    ----------
    states : structure of Tensor
        The first states, which `reset` goes back to.
    path : str
        Of the layer.
    """

    def __init__(self, states, path):
        self.initial = [convert(s) for s in tree.flatten(states)]
        self.flat = [
            Variable(s, trainable=False, name="rnn_state", path=f"{path}/rnn_state") for s in self.initial
        ]
        self.variables = tree.pack_sequence_as(states, self.flat)
        self.is_list = isinstance(states, list) and all(isinstance(s, Tensor) for s in states)

    @property
    def batch_size(self) -> int | None:
        """The size of the batches whose states these are; None if there are no states."""
        return self.flat[0].data.shape[0] if self.flat else None

    def read(self):
        """Return the states as Tensors that nothing changes later."""
        values = [Tensor(v.data) for v in self.flat]
        return values if self.is_list else tree.pack_sequence_as(self.variables, values)

    def write(self, states) -> None:
        """Take over new states: their values, not what they depend on."""
        for variable, state in zip(self.flat, states if self.is_list else tree.flatten(states)):
            variable.assign(state)

    def reset(self) -> None:
        """Go back to the first states."""
        self.write(tree.pack_sequence_as(self.variables, self.initial))


def described_shapes(shapes, names="") -> str:
    """Return "2 arrays [h, c] of shape (3, 4)" for two such shapes."""
    count = f"{len(shapes)} array{'s' if len(shapes) != 1 else ''}{f' {names}' if names else ''}"
    if not shapes:
        return count
    same = len(set(shapes)) == 1
    return f"{count} of shape {shapes[0]}" if same else f"{count} of shapes {', '.join(map(str, shapes))}"


def one_mask(where, mask, shape):
    """Return the mask of a call, in any form, as a Tensor of bool; None if there is none.

    Raises
    ------
    ValueError
        In the name of `where`, if it has not that shape, (batch, time), or the inputs have masks that differ.
    """
    leaves = [m for m in tree.flatten(mask) if m is not None]
    if not leaves:
        return None
    if not isinstance(mask, Tensor):
        whole = [m for m in leaves if getattr(m, "ndim", 0) == 2]
        mask = whole[0] if whole else mask
        if any(m.shape != mask.shape or bool(ops.any(convert(m) != convert(mask))) for m in whole[1:]):
            raise ValueError(
                f"{where}: the inputs come with masks that differ, and a step counts for all of them or for "
                "none. Pass the one that is meant as mask=."
            )
    mask = convert(mask, "bool")
    if mask.shape == shape:
        return mask
    if inferring_shapes():
        return None  # sizes are made up here, and no shape depends on a mask
    raise ValueError(f"{where}: mask must have shape (batch, time) = {shape}; got {mask.shape}.")
