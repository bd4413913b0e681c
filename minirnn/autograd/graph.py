"""The graph and its reverse pass: nodes, `backward`, `grad`, `value_and_grad`, `no_grad`.

A node is numbered when it is made, so its inputs always have smaller numbers than itself. Walking the
nodes from the largest number down therefore visits each one after all that used it: a heap in place of
a recursive topological sort, whatever the length of the sequence.
"""

import heapq
import itertools
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

from minirnn import backend, tree
from minirnn.autograd.tensor import Tensor, state
from minirnn.autograd.variable import Variable
from minirnn.backend import blas

_numbers = itertools.count()


class Node:
    """One application of a primitive: what the reverse pass needs to know of it.

    Attributes
    ----------
    number : int
        Grows with time of making.
    primitive : Primitive
        Does the reverse step, ``primitive.pull_back(node, cotangents)``.
    inputs : tuple
        The arguments: Tensors, or whatever else the primitive took; None once freed.
    arrays : tuple of array
        The raw outputs.
    saved : object
        Parameters of a plain primitive, residuals of a kernel.
    """

    __slots__ = ("arrays", "inputs", "number", "primitive", "saved")

    def __init__(self, primitive, inputs, arrays, saved):
        self.number = next(_numbers)
        self.primitive: Any = primitive
        self.inputs: Any = inputs
        self.arrays: tuple = arrays
        self.saved: Any = saved

    def output(self, index=0) -> Tensor:
        """Return output `index` as a Tensor made by this node."""
        tensor = Tensor(self.arrays[index])
        if tensor.data.dtype.kind == "f":
            tensor.node, tensor.index, tensor.requires_grad = self, index, True
        return tensor

    def free(self):
        """Drop what only the reverse pass needed."""
        self.inputs = self.saved = None


class _AliasNode(Node):
    """Stands between a Variable and the value it had: `propagate` goes on to the Variable at once."""

    __slots__ = ()


def alias(variable: Variable, data=None) -> Tensor:
    """Return the Variable's present value, or `data` made of it, as a Tensor with the Variable's gradient."""
    data = variable.data if data is None else data
    return _AliasNode(None, (variable,), (data,), None).output() if variable.requires_grad else Tensor(data)


@contextmanager
def _switch(name, value):
    before = getattr(state, name)
    setattr(state, name, value)
    try:
        yield
    finally:
        setattr(state, name, before)


def no_grad():
    """Return a context in which nothing is recorded: less memory, no gradients."""
    return _switch("recording", False)


def enable_grad():
    """Return a context in which recording is on, inside of `no_grad` too."""
    return _switch("recording", True)


def inferring(value=True):
    """Return a context in which Variables ignore `assign`: layers are run for their shapes alone."""
    return _switch("inferring", value)


def making_up_sizes():
    """Return a context in which sizes stand in for unknown ones while layers are run for their shapes."""
    return _switch("made_up_sizes", True)


def sizes_are_made_up() -> bool:
    """Whether layers are being run for their shapes alone, and on sizes that stand in for unknown ones."""
    return state.inferring and state.made_up_sizes


def inferring_shapes() -> bool:
    """Whether layers are being run for their shapes alone."""
    return state.inferring


def stop_gradient(value: Tensor) -> Tensor:
    """Return the same value as a constant."""
    return Tensor(value.data)


def _fit(cotangent: Tensor, tensor: Tensor) -> Tensor:
    """Bring a cotangent to its Tensor's dtype and shape: the one place where broadcasting is undone."""
    from minirnn.autograd import primitives as P

    if cotangent.data.dtype != tensor.data.dtype:
        cotangent = P.cast(cotangent, dtype=tensor.data.dtype)
    shape = tensor.data.shape
    if cotangent.data.shape == shape:
        return cotangent
    lead = cotangent.data.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(
        lead + i for i, n in enumerate(shape) if n == 1 and cotangent.data.shape[lead + i] != 1
    )
    return P.reshape(P.sum(cotangent, axis=axes, keepdims=True), shape=shape)


def propagate(
    output: Tensor, cotangent: Tensor, wanted=(), *, create_graph=False, retain_graph=False, above=-1
):
    """Walk the graph from `output` down and return the cotangents of its leaves and of `wanted`.

    What a node made whose number is not greater than `above` is a leaf too.

    Returns
    -------
    list of (Tensor, Tensor)
        Each leaf that requires a gradient, with its gradient.
    dict
        ``id(node), index`` of each Tensor in `wanted` that has a node, and its gradient.
    """
    pending: dict[Node, list] = {}
    heap: list[tuple[int, Node]] = []
    leaves: dict[int, list] = {}
    between = {(id(t.node), t.index): None for t in wanted if t.node is not None}

    def receive(tensor, cotangent):
        if tensor.node.__class__ is _AliasNode:
            # The shares of all its uses are added up in the Variable's dtype, not in that of a cast value.
            tensor = tensor.node.inputs[0]
        cotangent = _fit(cotangent, tensor)
        node = tensor.node
        if node is None or node.number <= above:
            slot = leaves.setdefault(id(tensor), [tensor, None])
            slot[1] = cotangent if slot[1] is None else slot[1] + cotangent
            return
        slots = pending.get(node)
        if slots is None:
            slots = pending[node] = [None] * len(node.arrays)
            heapq.heappush(heap, (-node.number, node))
        before = slots[tensor.index]
        slots[tensor.index] = cotangent if before is None else before + cotangent

    with _switch("recording", create_graph), blas.by_size():
        receive(output, cotangent)
        while heap:
            node = heapq.heappop(heap)[1]
            cotangents = pending.pop(node)
            for index, value in enumerate(cotangents):
                if value is not None and (id(node), index) in between:
                    between[id(node), index] = value
            inputs = node.inputs
            if inputs is None:
                raise RuntimeError(
                    f"backward: the graph through {node.primitive.name!r} was freed by an earlier backward "
                    "pass. Pass retain_graph=True to the earlier call, or compute the value again."
                )
            gradients = node.primitive.pull_back(node, cotangents)
            if not (create_graph or retain_graph):
                node.free()
            for tensor, gradient in zip(inputs, gradients, strict=True):
                if gradient is not None and isinstance(tensor, Tensor) and tensor.requires_grad:
                    receive(tensor, gradient)
    return list(leaves.values()), between


def _seed(output: Tensor, cotangent) -> Tensor:
    if not isinstance(output, Tensor):
        raise TypeError(f"backward: a gradient can be taken of a Tensor; got {type(output).__name__}.")
    if cotangent is None:
        if output.size != 1:
            raise ValueError(
                f"backward: the gradient of a Tensor of shape {output.shape} needs a cotangent of that "
                "shape; only that of a scalar starts from 1 by itself."
            )
        from minirnn.autograd import primitives as P

        return P.ones_like(output)
    seed = cotangent
    if not isinstance(seed, Tensor):
        seed = Tensor(backend.asarray_beside(cotangent, output.data, output.data.dtype))
    if seed.shape != output.shape:
        raise ValueError(f"backward: the cotangent must have shape {output.shape}; got {seed.shape}.")
    return seed


def backward(output: Tensor, cotangent=None, *, retain_graph=False) -> None:
    """Accumulate the gradient of `output` in ``.grad`` of every leaf; see `Tensor.backward`."""
    cotangent = _seed(output, cotangent)
    if not output.requires_grad:
        raise ValueError("backward: this Tensor depends on nothing that requires a gradient.")
    leaves, _ = propagate(output, cotangent, retain_graph=retain_graph)
    with no_grad():
        for leaf, gradient in leaves:
            leaf.grad = gradient if leaf.grad is None else leaf.grad + gradient


def _gradients(output, inputs, cotangent, create_graph, retain_graph) -> list:
    cotangent = _seed(output, cotangent)
    # A Variable asked for by its snapshot is the Variable.
    inputs = [t.node.inputs[0] if isinstance(t.node, _AliasNode) else t for t in inputs]
    if not output.requires_grad:
        return [None] * len(inputs)
    leaves, between = propagate(
        output, cotangent, inputs, create_graph=create_graph, retain_graph=retain_graph
    )
    by_leaf = {id(leaf): gradient for leaf, gradient in leaves}
    return [by_leaf.get(id(t)) if t.node is None else between.get((id(t.node), t.index)) for t in inputs]


def grad(
    target, inputs=None, output_gradients=None, *, argnums: Any = 0, create_graph=None, retain_graph=False
) -> Any:
    """Differentiate a function, or a Tensor that was computed.

    ``grad(function, argnums=0)`` returns a function that gives the gradient of the scalar `function`
    with respect to its arguments `argnums`; nest it for higher orders. ``grad(tensor, inputs)`` returns
    the gradients of the scalar `tensor` with respect to each of `inputs`.

    Parameters
    ----------
    target : callable or Tensor
    inputs : Tensor or list of Tensor
        With a Tensor: what to differentiate by; Variables or any Tensors on the way. With a function,
        the same as `argnums`.
    output_gradients : Tensor or array, optional
        The cotangent of `target`, of its shape; needed where it is no scalar.
    argnums : int or tuple of int
        With a function: which arguments, each a Tensor, an array, a number or a nested structure.
    create_graph : bool, optional
        Record the gradient itself, so that it can be differentiated again. Default: True for a
        function, False for a Tensor.
    retain_graph : bool
        Keep the graph of `target` for another call.

    Returns
    -------
    callable, Tensor or list of (Tensor or None)
        For a list, None stands for an input on which `target` does not depend.

    Examples
    --------
    >>> float(grad(lambda x: x * x * x)(2.0))
    12.0
    >>> float(grad(grad(lambda x: x * x * x))(2.0))
    12.0
    """
    if callable(target) and not isinstance(target, Tensor):
        function = value_and_grad(target, argnums if inputs is None else inputs, create_graph=create_graph)
        return lambda *args, **kwargs: function(*args, **kwargs)[1]
    single = isinstance(inputs, Tensor)
    inputs = [inputs] if single else list(inputs or ())
    gradients = _gradients(target, inputs, output_gradients, bool(create_graph), retain_graph)
    return gradients[0] if single else gradients


def value_and_grad(
    function, argnums: Any = 0, *, has_aux=False, create_graph=None
) -> Callable[..., tuple[Any, Any]]:
    """Return a function that gives the value of `function` and its gradient; see `grad`.

    Parameters
    ----------
    function : callable
        Returns a scalar Tensor, or with `has_aux` a pair of it and anything else.
    argnums : int or tuple of int
        The arguments to differentiate by.
    has_aux : bool
        Whether `function` returns ``(value, aux)``; the result's first item is that pair then.
    create_graph : bool, optional
        Default True; False frees the graph as it is walked, where no second order is needed.
    """
    from minirnn.autograd import primitives as P

    single = isinstance(argnums, int)
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    if not all(isinstance(i, int) for i in numbers):
        raise TypeError(
            "value_and_grad: argnums must be the place of an argument, or several. To differentiate by "
            "Variables, pass them to the function that is returned: value_and_grad(function)(variables)."
        )

    def value_and_gradient(*args, **kwargs):
        args = list(args)
        if not all(-len(args) <= i < len(args) for i in numbers):
            raise ValueError(
                f"grad: argnums={argnums} needs more arguments than the {len(args)} passed by place."
            )

        def leaf(value):
            tensor = P.convert(value)
            if tensor.data.dtype.kind != "f":
                raise TypeError(
                    f"grad: an argument to differentiate by must be of floats; got dtype {tensor.dtype}."
                )
            if isinstance(tensor, Variable) and tensor.trainable:
                return tensor
            # Of an outer gradient's argument an identity is taken, so that both gradients see it.
            return P.identity(tensor) if tensor.requires_grad else Tensor(tensor.data, requires_grad=True)

        with enable_grad():
            for i in numbers:
                args[i] = tree.map_structure(leaf, args[i])
            result = function(*args, **kwargs)
        value, _ = result if has_aux else (result, None)
        value = P.convert(value)
        if value.size != 1:
            raise ValueError(f"grad: the function must return a scalar; got a Tensor of shape {value.shape}.")
        wanted = [args[i] for i in numbers]
        inputs = tree.flatten(wanted)
        again = state.recording if create_graph is None else create_graph
        gradients = _gradients(value, inputs, None, again, False)
        zeros = [P.zeros_like(x) if g is None else g for g, x in zip(gradients, inputs, strict=True)]
        packed = tree.pack_sequence_as(wanted, zeros)
        return result, packed[0] if single else tuple(packed)

    return value_and_gradient
