"""A computation that can be done again as it was done: only what it starts from is kept, and not its graph.

What makes a second run differ from the first are the Variables that the first one assigned (seeds, carried
states, moving statistics) and what surrounded it (whether it is training, which kernels it may use). Both are
noted in the first run and put back for the second, after which all is as it was before the second.
`recomputed` makes a node of the graph from this, as do Chen et al. 2016, "Training deep nets with sublinear
memory cost".
"""

from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from minirnn import backend, tree
from minirnn.autograd import Tensor, Variable, enable_grad
from minirnn.autograd.graph import Node, _AliasNode, propagate
from minirnn.autograd.tensor import state
from minirnn.autograd.variable import restore
from minirnn.kernels import selection
from minirnn.layers.context import context


class _Entry:
    """Stands for the outermost layer, so that losses added inside are found afterwards."""

    def __init__(self):
        self._contributors = []

    def take_losses(self) -> list[tuple[Any, list]]:
        """Return each layer that added losses, with these, and take them away from it."""
        taken = [(layer, layer._losses) for layer in self._contributors]
        for layer in self._contributors:
            layer._losses = []
        return taken


class Replay:
    """What a function needs to be run again as it was run before.

    The function takes no arguments and returns a structure of Tensors. Its draws must go through
    `minirnn.random`, and all that it changes must be Variables.

    Parameters
    ----------
    variables : iterable of Variable
        What it may read, beside what gradients reach.

    Attributes
    ----------
    before : dict
        What each Variable that the latest first run assigned held before, by its id.
    adders : list of Layer
        The layers that added losses in that run.
    """

    def __init__(self, variables=()):
        self.before: dict[int, tuple[Variable, Any]] = {}
        self.adders: list = []
        self._noted: dict[int, tuple[Variable, Any]] = {}
        self.note(variables)
        self._training, self._cast = context.training, context.cast
        self._tier = selection.TIERS[selection._limit.fastest]
        self._on_host = backend.on_host()

    def note(self, tensors) -> None:
        """Let another run find the Variables among `tensors` with the values that they have now."""
        for v in tensors:
            if isinstance(v, Variable):
                self._noted.setdefault(id(v), (v, v.stored))

    def first(self, function):
        """Run a function; return what it returns and the list of lists of losses that `adders` added."""
        around = context.entry
        held = [] if around is None else [(layer, layer._losses) for layer in around._contributors]
        entry = context.entry = _Entry()
        outer, state.assigned = state.assigned, {}
        try:
            outputs = function()
        finally:
            self.before, state.assigned = state.assigned, outer
            if outer is not None:
                for key, before in self.before.items():
                    outer.setdefault(key, before)
            context.entry = around
            added = entry.take_losses()
            for layer, losses in held:
                layer._losses = losses
        self.adders = [layer for layer, _ in added]
        return outputs, [losses for _, losses in added]

    def again(self, function, before=None):
        """Run a function as a first run did, with nothing changed afterwards; return the same.

        Parameters
        ----------
        function : callable
        before : dict, optional
            The attribute of that name after the run that is meant; default: the latest.
        """
        values = {**self._noted, **(self.before if before is None else before)}
        now = {key: (v, v.stored) for key, (v, data) in values.items() if v.stored is not data}
        held = [(layer, layer._losses) for layer in self.adders]
        around, training, cast = context.entry, context.training, context.cast
        entry = context.entry = _Entry()
        context.training, context.cast = self._training, self._cast
        outer, state.assigned = state.assigned, {}
        try:
            restore(values)
            with selection.use_tier(self._tier), backend.device("cpu") if self._on_host else nullcontext():
                outputs = function()
        finally:
            restore(state.assigned)
            state.assigned = outer
            restore(now)
            context.entry, context.training, context.cast = around, training, cast
            added = dict(entry.take_losses())
            for layer, losses in held:
                layer._losses = losses
        return outputs, [added.get(layer, []) for layer in self.adders]


def mark() -> int:
    """Return a number between those of the nodes made so far and those made later."""
    return Node(None, (), (), None).number


def _source(tensor):
    """Return the Variable of which a Tensor is the value, or the Tensor."""
    return tensor.node.inputs[0] if isinstance(tensor.node, _AliasNode) else tensor


def key_of(tensor):
    """Return what two Tensors have in common if they are the same one in the graph."""
    return id(tensor) if tensor.node is None else (id(tensor.node), tensor.index)


def recorded(tensor, above) -> bool:
    """Whether a node that was made after a `mark` made this Tensor."""
    return isinstance(tensor, Tensor) and tensor.node is not None and tensor.node.number > above


def sources(outputs, above) -> list[Tensor]:
    """Return the Tensors and Variables made before a `mark` on which recorded outputs depend, each once."""
    found: dict = {}
    stack, seen = [y.node for y in outputs], set()
    while stack:
        node = stack.pop()
        if node.number in seen:
            continue
        seen.add(node.number)
        for tensor in node.inputs or ():
            if isinstance(tensor, Tensor) and tensor.requires_grad:
                if recorded(tensor, above):
                    stack.append(tensor.node)
                else:
                    source = _source(tensor)
                    found.setdefault(key_of(source), source)
    return list(found.values())


class _Given:
    """Stands above several outputs, and gives each its cotangent."""

    name = "recompute"

    def pull_back(self, node, cotangents):
        return node.saved


def gradients(outputs, cotangents, above) -> dict:
    """Return by `key_of` what lies below outputs that were recorded after a `mark`, and its gradients."""
    total = Node(_Given(), tuple(outputs), (np.zeros((), "float32"),), cotangents).output()
    leaves, _ = propagate(total, Tensor(total.data), create_graph=state.recording, above=above)
    found: dict = {}
    for tensor, gradient in leaves:
        source = _source(tensor)
        key = key_of(source)
        found[key] = source, gradient if key not in found else found[key][1] + gradient
    return found


def in_order(found: dict, inputs) -> list:
    """Return gradients in the order of a node's inputs, None where there is none.

    Raises
    ------
    RuntimeError
        If there are gradients of anything else.
    """
    ordered = [found.pop(key_of(x), (None, None))[1] for x in inputs]
    # A Tensor that the function made itself, to differentiate by, is another one each time.
    if any(x.node is not None or isinstance(x, Variable) for x, _ in found.values()):
        raise RuntimeError(
            "recompute: the second run depends on weights or tensors on which the first did not. " + _ADVICE
        )
    return ordered


_ADVICE = (
    "What is recomputed must do the same each time: draw through minirnn.random, and depend on nothing that "
    "changes but Variables."
)


class _Recompute:
    name = "recompute"

    def pull_back(self, node, cotangents):
        replay, function, places = node.saved
        above = mark()
        with enable_grad():
            flat = tree.flatten(replay.again(function))
        shapes = [getattr(flat[i], "shape", None) if i < len(flat) else None for i in places]
        expected = [a.shape for a in node.arrays]
        if shapes != expected:
            raise RuntimeError(
                f"recompute: the first run gave outputs of shapes {expected}, the second {shapes}. {_ADVICE}"
            )
        return in_order(gradients([flat[i] for i in places], cotangents, above), node.inputs)


_recompute = _Recompute()


def recomputed(function, variables=()):
    """Return ``function()``, which the reverse pass runs once more in place of keeping its graph.

    Parameters
    ----------
    function : callable
    variables : iterable of Variable
        See `Replay`.
    """
    replay, above = Replay(variables), mark()
    result = replay.first(function)
    flat = tree.flatten(result)
    places = [i for i, y in enumerate(flat) if recorded(y, above)]
    if places:
        inputs = sources([flat[i] for i in places], above)
        replay.note(inputs)
        arrays = tuple(flat[i].data for i in places)
        node = Node(_recompute, tuple(inputs), arrays, (replay, function, places))
        for index, place in enumerate(places):
            output = node.output(index)
            output._keras_mask = flat[place]._keras_mask
            flat[place] = output
    outputs, losses = tree.pack_sequence_as(result, flat)
    for layer, added in zip(replay.adders, losses):
        layer.add_loss(added)
    return outputs


@contextmanager
def attributes(holder, **values):
    """Give an object attributes of its own in a ``with`` block, over those of its class."""
    for name, value in values.items():
        setattr(holder, name, value)
    try:
        yield
    finally:
        for name in values:
            holder.__dict__.pop(name, None)
