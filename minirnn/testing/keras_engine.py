"""Keras's side of a comparison, on the backend that this process runs Keras on."""

import sys
from typing import Any

import numpy as np

from minirnn import tree
from minirnn.testing.case import Question, make
from minirnn.testing.engine import REFUSALS, Answer, Engine, Holder, refused, run


class KerasEngine(Engine):
    """What is the same on each of Keras's backends; the numpy one has no gradients."""

    differentiates = False
    refusals = REFUSALS

    def __init__(self):
        import keras
        from keras.src import backend

        self.module, self.backend = keras, backend

    def tensor(self, array):
        return self.module.ops.convert_to_tensor(array, dtype=array.dtype.name)  # else float64 becomes floatx

    def numpy(self, value):
        return np.array(self.module.ops.convert_to_numpy(value))

    def mask_of(self, value):
        return self.backend.get_keras_mask(value)

    def with_mask(self, value, mask):
        self.backend.set_keras_mask(value, mask)
        return value

    def flatten(self, structure):
        return self.module.tree.flatten(structure)

    def pack_states(self, layer, states, batch_size):
        layers = (
            [layer] if not hasattr(layer, "forward_layer") else [layer.forward_layer, layer.backward_layer]
        )
        packed, rest = [], list(states)
        for inner in layers:
            cells = getattr(getattr(inner, "cell", None), "cells", None)
            if cells is None:
                count = len(rest) if inner is layers[-1] else len(self.flatten(inner.state_size))
                packed, rest = packed + rest[:count], rest[count:]
                continue
            form = inner.get_initial_state(batch_size)
            count = len(self.flatten(form))
            packed += self.module.tree.pack_sequence_as(form, rest[:count])
            rest = rest[count:]
        return packed

    def build(self, layer, question):
        """Build a layer; one without a method for that, like a model of one's own, is called."""
        if not getattr(layer.build, "_is_default", False):
            super().build(layer, question)
            return
        states = None if question.states is None else [self.tensor(s) for s in question.states]
        x, options = self.options(layer, question, tree.map_structure(self.tensor, question.x), states)
        layer(x, **options)
        for part in layer._flatten_layers():
            if getattr(part, "stateful", False) and hasattr(part, "reset_state"):
                part.reset_state()

    def answered(self) -> None:
        """Let go of what an answer has left behind."""

    def apply(self, optimizer, layer, gradients):
        optimizer.apply([self.tensor(g) for g in gradients], layer.trainable_variables)


class OnJax(KerasEngine):
    """Keras on JAX, step by step: compiling each case would take ten times as long as running it."""

    differentiates = True

    def __init__(self):
        super().__init__()
        import jax

        self.jax = jax
        # What each operation was lowered to takes over a megabyte, and is not needed once it is compiled. JAX
        # has no public way to let go of that alone; where its private ones have gone, memory just grows.
        modules = [sys.modules.get(f"jax._src.{name}") for name in ("pjit", "interpreters.pxla")]
        kept = zip(modules, ("_pjit_lower", "_cached_lowering_to_hlo"))
        self._lowered = [found for module, name in kept if (found := getattr(module, name, None)) is not None]

    def answered(self):
        for cache in self._lowered:
            getattr(cache, "cache_clear", int)()

    def differentiate(self, layer, total, states, inputs):
        def of_weights(weights, states, inputs):
            # stateless_call would not see the mask that comes with the inputs.
            variables = list(zip(layer.trainable_variables, weights))
            with self.module.StatelessScope(variables, collect_losses=True):
                return total(states, inputs)

        weights = [v.value for v in layer.trainable_variables]
        found = self.jax.grad(of_weights, argnums=(0, 1, 2))(weights, states, inputs)
        return [np.array(g) for g in self.flatten(found)]


class OnTorch(KerasEngine):
    """Keras on PyTorch."""

    differentiates = True

    def differentiate(self, layer, total, states, inputs):
        for leaf in (*states, *inputs):
            leaf.requires_grad_()
        leaves = [*(v.value for v in layer.trainable_variables), *states, *inputs]
        value: Any = total(states, inputs)
        found = [None] * len(leaves)
        if value.requires_grad and leaves:
            # The parameters' own .grad is the user's, and stays as it is.
            found = sys.modules["torch"].autograd.grad(value, leaves, allow_unused=True)
        dtype = self.module.backend.standardize_dtype
        return [
            np.zeros(tuple(leaf.shape), dtype(leaf.dtype)) if slope is None else np.array(slope)
            for leaf, slope in zip(leaves, found)
        ]


class OnTensorFlow(KerasEngine):
    """Keras on TensorFlow, eager."""

    differentiates = True

    def __init__(self):
        super().__init__()
        import tensorflow as tf

        self.refusals = (*REFUSALS, tf.errors.OpError)

    def differentiate(self, layer, total, states, inputs):
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch([*states, *inputs])
            value: Any = total(states, inputs)
        leaves = [*(v.value for v in layer.trainable_variables), *states, *inputs]
        zero = tf.UnconnectedGradients.ZERO
        found: Any = tape.gradient(value, leaves, unconnected_gradients=zero)
        return [np.array(tf.convert_to_tensor(g)) for g in found]


ENGINES = {"jax": OnJax, "torch": OnTorch, "tensorflow": OnTensorFlow, "numpy": KerasEngine}


class KerasHere(Holder):
    """The side of Keras in this process.

    Parameters
    ----------
    layer : keras.Layer, optional
        What is called; default: what the question describes.
    """

    def __init__(self, layer=None):
        import keras

        self.layer = layer
        self.backend = keras.config.backend()
        self.engine = ENGINES[self.backend]()
        self.name = f"keras:{self.backend}"

    def answer(self, question: Question) -> Answer:
        """Return what Keras answers."""
        # In float64 Keras computes only where that is its default too: see docs/differences.md.
        floatx = "float64" if question.dtype == "float64" else "float32"
        config = self.engine.module.config
        before = config.floatx(), config.dtype_policy()
        config.set_floatx(floatx)
        config.set_dtype_policy(floatx)  # the first default would stay that of all
        try:
            if self.backend != "jax":
                return run(self.engine, question, self.layer, fast=True)
            import jax

            with jax.disable_jit():
                return run(self.engine, question, self.layer, fast=True)
        except self.engine.refusals as error:
            return refused(error)
        finally:
            config.set_floatx(before[0])
            config.set_dtype_policy(before[1])
            self.engine.answered()

    def make(self, spec, dtype):
        """Return the layer that a description stands for."""
        return make(self.engine.module, spec, dtype)

    def close(self) -> None:
        """There is nothing to close."""
