"""minirnn's side of a comparison."""

from contextlib import nullcontext
from typing import Any

import numpy as np

import minirnn
from minirnn import backend, grad, kernels, tree
from minirnn.autograd import Tensor, convert
from minirnn.testing.case import Question
from minirnn.testing.engine import Answer, Engine, refused, run, weight_names

MODULE = minirnn


class MinirnnEngine(Engine):
    """minirnn on the current backend."""

    module = minirnn

    def tensor(self, array):
        return convert(array)

    def numpy(self, value):
        return np.asarray(value)

    def mask_of(self, value):
        return backend.get_keras_mask(value)

    def with_mask(self, value, mask):
        backend.set_keras_mask(value, mask)
        return value

    def flatten(self, structure):
        return tree.flatten(structure)

    def gradients(self, layer, question):
        x = convert(question.x)
        if question.x.dtype.kind == "f":
            x = Tensor(x.data, requires_grad=True)
        states = None
        if question.states is not None:
            states = [Tensor(convert(s).data, requires_grad=True) for s in question.states]
        x, options = self.options(layer, question, x, states)
        total = self.total(tree.flatten(layer(x, **options)))
        leaves = dict(zip(weight_names(layer.trainable_variables), layer.trainable_variables))
        leaves |= {f"state {i}": s for i, s in enumerate(states or [])}
        if x.requires_grad:
            leaves["inputs"] = x
        found: Any = grad(total, list(leaves.values())) if total.requires_grad else [None] * len(leaves)
        return {
            name: np.zeros(leaf.shape, leaf.dtype) if gradient is None else np.asarray(gradient)
            for (name, leaf), gradient in zip(leaves.items(), found)
        }

    def apply(self, optimizer, layer, gradients):
        optimizer.apply([convert(g) for g in gradients], layer.trainable_variables)


class Minirnn:
    """The side of minirnn.

    Parameters
    ----------
    tier : str, optional
        "generic" or "fused": the fastest kernel that may run.
    layer : Layer, optional
        What is called; default: what the question describes.
    """

    def __init__(self, tier: str | None = None, layer=None):
        self.tier, self.layer = tier, layer
        self.name = f"minirnn:{tier}" if tier else "minirnn"

    def answer(self, question: Question) -> Answer:
        """Return what minirnn answers; it refuses with TypeError or ValueError, and all else is a crash."""
        try:
            with kernels.use_tier(self.tier) if self.tier else nullcontext():
                return run(MinirnnEngine(), question, self.layer)
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            return refused(error)

    def close(self) -> None:
        """There is nothing to close."""
