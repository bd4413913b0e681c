"""`KernelPrimitive`: how a whole-sequence kernel on raw arrays becomes one node of the graph."""

import numpy as np

from minirnn import backend
from minirnn.autograd import Tensor, Variable
from minirnn.autograd.graph import Node
from minirnn.autograd.tensor import state
from minirnn.backend.allowance import allowances, of_this_thread

_HOST = frozenset((np.ndarray, type(None)))


class KernelPrimitive:
    """A whole-sequence kernel: one node for many steps, with residuals and a hand-derived reverse pass.

    Parameters
    ----------
    name : str
    forward : callable
        ``forward(*arrays, keep, xp, **parameters) -> (outputs, residuals)``; an absent array is None.
    backward : callable
        ``backward(residuals, cotangents, needs) -> gradients``, one for each array; a missing cotangent is
        None, and so may be a gradient that is not needed.
    """

    def __init__(self, name, forward, backward):
        self.name, self.forward, self.backward = name, forward, backward

    def __call__(self, *args, **parameters) -> tuple[Tensor, ...]:
        if allowances and (allowance := of_this_thread()) is not None:
            return allowance.call(self, args, parameters)
        inputs = tuple(a.snapshot() if isinstance(a, Variable) else a for a in args)
        keep = state.recording and any(a is not None and a.requires_grad for a in inputs)
        arrays = [None if a is None else a.data for a in inputs]
        if not _HOST.issuperset(map(type, arrays)):
            backend.check_one_device(self.name, *arrays)
        xp = backend.array_module(arrays[0])
        outputs, residuals = self.forward(*arrays, keep=keep, xp=xp, **parameters)
        if not keep:
            return tuple(Tensor(y) for y in outputs)
        node = Node(self, inputs, tuple(outputs), residuals)
        return tuple(node.output(i) for i in range(len(outputs)))

    def pull_back(self, node: Node, cotangents: list) -> list:
        needs = tuple(a is not None and a.requires_grad for a in node.inputs)
        raw = tuple(None if g is None else g.data for g in cotangents)
        gradients = self.backward(node.saved, raw, needs)
        tensors = [Tensor(g) if g is not None and n else None for g, n in zip(gradients, needs, strict=True)]
        if state.recording:
            # The reverse pass is being recorded. Tie the gradients to what they depend on, so that
            # asking for a second derivative fails by name and not by silence.
            barrier = Node(_SecondOrderBarrier(self.name), (*node.inputs, *cotangents), (), None)
            for tensor in tensors:
                if tensor is not None:
                    barrier.arrays = (*barrier.arrays, tensor.data)
                    tensor.node, tensor.index, tensor.requires_grad = barrier, len(barrier.arrays) - 1, True
        return tensors


class _SecondOrderBarrier:
    def __init__(self, name):
        self.name = name

    def pull_back(self, node, cotangents):
        raise NotImplementedError(
            f"The whole-sequence kernel {self.name!r} has no second derivative. Compute inside "
            "`with minirnn.kernels.use_tier('generic'):`, which steps through the cell on the graph."
        )
