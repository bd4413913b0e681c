"""The graph of a functional model: the calls that lead from inputs to outputs, and how to replay them.

Two things are made of the symbolic tensors once, when the model is made: the list of operations in the order
in which Keras lists a model's layers, and the plan, a list of steps on numbered slots. Neither walks the
graph by recursion, so a model may be as deep as it likes.
"""

from minirnn import tree
from minirnn.layers.layer import Layer
from minirnn.ops.symbolic import KerasTensor, SymbolicCall, symbolic_leaves


class Operation:
    """A layer, an input, or an op of a model, and its calls in it.

    Attributes
    ----------
    thing : Layer, KerasTensor or SymbolicCall
        The layer; of an input its tensor; of an op its one call.
    name : str
    layer : Layer or None
        None of an op.
    calls : list of SymbolicCall
        Those in the model, first to last; none of an input.
    """

    def __init__(self, thing, name):
        self.thing, self.name = thing, name
        self.layer: Layer | None = thing if isinstance(thing, Layer) else getattr(thing, "input_layer", None)
        self.calls: list[SymbolicCall] = []


def free_name(stem, taken, next_numbers) -> str:
    """Return `stem`, or where that is taken the first of stem_1, stem_2, ... that is not.

    `next_numbers`, a dict, keeps where to go on: many may have one stem.
    """
    name, number = stem, next_numbers.get(stem, 1)
    while name in taken:
        name, number = f"{stem}_{number}", number + 1
    next_numbers[stem] = number
    return name


def _thing_of(node):
    return node.function if isinstance(node, SymbolicCall) and isinstance(node.function, Layer) else node


class Graph:
    """The calls between some inputs and some outputs.

    Parameters
    ----------
    inputs, outputs : list of KerasTensor
    where : str
        Begins the errors.

    Attributes
    ----------
    operations : list of Operation
        The farthest from the outputs first, as Keras has them.

    Raises
    ------
    ValueError
        If an output depends on an input that is not given, or two operations have one name.
    """

    def __init__(self, inputs, outputs, where):
        self.inputs, self.outputs, self._where = inputs, outputs, where
        self._given = {id(t): t for t in inputs}
        found, met = self._walk()
        depths, depth_of_thing = self._depths(found)
        for unused in inputs:
            if id(unused) not in depth_of_thing:
                depth_of_thing[id(unused)], met[id(unused)] = 0, (-1, unused)
        ordered = sorted(met, key=lambda key: (-depth_of_thing[key], met[key][0]))
        calls = [node for node in found if isinstance(node, SymbolicCall)]
        self.calls = sorted(calls, key=lambda call: -depths[id(call)])
        self.operations = self._named([met[key][1] for key in ordered])
        self.plan = Plan(inputs, outputs, self.calls)

    def _node(self, tensor):
        """Return what a tensor comes from here: its call, or itself if it is one of the inputs."""
        if id(tensor) in self._given or tensor.call is None:
            return tensor
        return tensor.call

    def _parents(self, node):
        return [self._node(t) for t in node.inputs] if isinstance(node, SymbolicCall) else []

    def _walk(self):
        """Return the nodes, each after those it needs, and the things in order of meeting, depth first."""
        found, done, met = [], set(), {}
        for output in self.outputs:
            stack: list[tuple] = [(self._node(output), output, None)]
            while stack:
                node, tensor, parents = stack.pop()
                if parents is None:
                    if id(node) in done:
                        continue
                    if isinstance(node, KerasTensor) and id(node) not in self._given:
                        self._disconnected(tensor, output)
                    thing = _thing_of(node)
                    met.setdefault(id(thing), (len(met), thing))
                    done.add(id(node))
                    sources = node.inputs if isinstance(node, SymbolicCall) else []
                    parents = iter([(self._node(t), t) for t in sources])
                following = next(parents, None)
                if following is None:
                    found.append(node)
                else:
                    stack.append((node, tensor, parents))
                    stack.append((*following, None))
        return found, met

    def _disconnected(self, missing, output):
        names = [t.name for t in self.inputs]
        raise ValueError(
            f"{self._where}: the output {output.name!r} depends on the input {missing.name!r} of shape "
            f"{missing.shape}, which is not among the inputs {names}. Add it to inputs."
        )

    def _depths(self, found):
        """Return the most calls that lie between each node and the outputs, and the same of each thing."""
        depths, of_thing = {}, {}
        for node in reversed(found):
            key = id(_thing_of(node))
            depth = max(depths.get(id(node), 0), of_thing.get(key, 0))
            depths[id(node)] = of_thing[key] = depth
            for parent in self._parents(node):
                depths[id(parent)] = max(depth + 1, depths.get(id(parent), 0))
        return depths, of_thing

    def _named(self, things):
        operations, taken, next_numbers = [], {}, {}
        for thing in things:
            if not isinstance(thing, SymbolicCall):
                if thing.name in taken:
                    raise ValueError(
                        f"{self._where}: the name {thing.name!r} is used by two operations, "
                        f"{taken[thing.name]!r} and {thing!r}; give one of them another name=."
                    )
                taken[thing.name] = thing
        for thing in things:
            name = thing.name if not isinstance(thing, SymbolicCall) else None
            if name is None:
                stem = getattr(thing.function, "__name__", type(thing.function).__name__)
                name = free_name(stem, taken, next_numbers)
                taken[name] = thing
            operations.append(Operation(thing, name))
        self._by_thing = {id(operation.thing): operation for operation in operations}
        for call in sorted(self.calls, key=lambda call: call.number):
            self._by_thing[id(_thing_of(call))].calls.append(call)
        self._number_calls(operations)
        return operations

    def _number_calls(self, operations):
        self._numbers = {id(call): i for operation in operations for i, call in enumerate(operation.calls)}

    def __setstate__(self, state):
        # In a copy the same things are other objects.
        self.__dict__.update(state)
        self._given = {id(t): t for t in self.inputs}
        self._by_thing = {id(operation.thing): operation for operation in self.operations}
        self._number_calls(self.operations)

    def origin(self, tensor):
        """Return where a symbolic tensor comes from: Operation, number of the call, number of the output."""
        node = self._node(tensor)
        operation = self._by_thing[id(_thing_of(node))]
        if not isinstance(node, SymbolicCall):
            return operation, 0, 0
        return operation, self._numbers[id(node)], tensor.index


class _Slot:
    """The place of a value in a running plan."""

    __slots__ = ("number",)

    def __init__(self, number):
        self.number = number


class _Step:
    __slots__ = ("arguments", "dead", "function", "outputs", "single")

    def __init__(self, call, slots, given):
        def place(leaf):
            return _Slot(slots[id(leaf)]) if isinstance(leaf, KerasTensor) else leaf

        self.function = call.function
        self.arguments = tree.map_structure(place, (call.args, call.kwargs))
        # By far the most calls are of one tensor alone, and need no structure to be filled in.
        simple = len(call.args) == 1 and not call.kwargs and isinstance(call.args[0], KerasTensor)
        self.single = slots[id(call.args[0])] if simple else None
        self.outputs = [
            slots[id(leaf)] if isinstance(leaf, KerasTensor) and id(leaf) not in given else None
            for leaf in tree.flatten(call.outputs)
        ]
        self.dead: list[int] = []

    def run(self, values):
        if self.single is not None:
            result = self.function(values[self.single])
        else:
            args, kwargs = tree.map_structure(
                lambda leaf: values[leaf.number] if leaf.__class__ is _Slot else leaf, self.arguments
            )
            result = self.function(*args, **kwargs)
        for slot, value in zip(self.outputs, tree.flatten(result)):
            if slot is not None:
                values[slot] = value
        for slot in self.dead:
            values[slot] = None


class Plan:
    """The calls as steps on numbered slots; a value is dropped after the last step that needs it."""

    def __init__(self, inputs, outputs, calls):
        slots: dict[int, int] = {}
        for tensor in (*inputs, *(t for call in calls for t in symbolic_leaves(call.outputs))):
            slots.setdefault(id(tensor), len(slots))
        self._size = len(slots)
        self._inputs = [slots[id(t)] for t in inputs]
        self._outputs = [slots[id(t)] for t in outputs]
        given = {id(t) for t in inputs}
        self._steps = [_Step(call, slots, given) for call in calls]
        last = {}
        for step, call in zip(self._steps, calls):
            for tensor in (*symbolic_leaves(call.outputs), *call.inputs):
                last[slots[id(tensor)]] = step
        for slot, step in last.items():
            if slot not in self._outputs:
                step.dead.append(slot)

    def run(self, inputs) -> list:
        """Return the values of the outputs for those of the inputs, both in the order of the graph."""
        values = [None] * self._size
        for slot, value in zip(self._inputs, inputs):
            values[slot] = value
        for step in self._steps:
            step.run(values)
        return [values[slot] for slot in self._outputs]
