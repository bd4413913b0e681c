"""minirnn's side of a comparison."""

import warnings
from contextlib import nullcontext
from typing import Any

import numpy as np

import minirnn
from minirnn import backend, grad, kernels, tree
from minirnn.autograd import Tensor, convert
from minirnn.layers.rnn.state import is_state_shape
from minirnn.testing.case import Question
from minirnn.testing.engine import Answer, Engine, Holder, refused, run

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

    def pack_states(self, layer, states, batch_size):
        form = getattr(layer, "state_shapes", None)
        if form is None or len(tree.flatten(form, is_leaf=is_state_shape)) != len(states):
            return states
        return tree.pack_sequence_as(form, states, is_leaf=is_state_shape)

    def differentiate(self, layer, total, states, inputs):
        states, inputs = ([Tensor(t.data, requires_grad=True) for t in part] for part in (states, inputs))
        leaves = [*layer.trainable_variables, *states, *inputs]
        value = total(states, inputs)
        found: Any = grad(value, leaves) if value.requires_grad else [None] * len(leaves)
        return [
            np.zeros(leaf.shape, leaf.dtype) if gradient is None else np.asarray(gradient)
            for leaf, gradient in zip(leaves, found)
        ]

    def apply(self, optimizer, layer, gradients):
        optimizer.apply([convert(g) for g in gradients], layer.trainable_variables)


class Minirnn(Holder):
    """The side of minirnn.

    Parameters
    ----------
    tier : str, optional
        "generic" or "fused": the fastest kernel that may run.
    layer : Layer, optional
        What is called; default: what the question describes.
    """

    def __init__(self, tier: str | None = None, layer=None):
        self.tier, self.layer, self.engine = tier, layer, MinirnnEngine()
        self.name = f"minirnn:{tier}" if tier else "minirnn"

    def answer(self, question: Question) -> Answer:
        """Return what minirnn answers; it refuses with TypeError or ValueError, and all else is a crash."""
        try:
            with kernels.use_tier(self.tier) if self.tier else nullcontext(), warnings.catch_warnings():
                if self.layer is None:
                    warnings.simplefilter("ignore")  # of masks that a layer drops: they are compared
                return run(self.engine, question, self.layer)
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            return refused(error)

    def close(self) -> None:
        """There is nothing to close."""
