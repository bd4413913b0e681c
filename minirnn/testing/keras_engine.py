"""Keras's side of a comparison, on the backend that this process runs Keras on."""

from typing import Any

import numpy as np

from minirnn.testing.case import Question, make
from minirnn.testing.engine import REFUSALS, Answer, Engine, cotangent, refused, run, weight_names


class KerasEngine(Engine):
    """What is the same on each of Keras's backends; the numpy one has no gradients."""

    differentiates = False

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

    def numpy_dtype(self, value):
        return self.module.backend.standardize_dtype(value.dtype)

    def total(self, outputs):
        factors = [self.tensor(cotangent(i, y.shape, self.numpy_dtype(y))) for i, y in enumerate(outputs)]
        terms = [self.module.ops.sum(y * factor) for y, factor in zip(outputs, factors)]
        return sum(terms[1:], terms[0])

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

    def _wanted(self, layer, question):
        """Return the names of what gradients are taken by, in the order weights, states, inputs."""
        names = weight_names(layer.trainable_variables)
        names += [f"state {i}" for i in range(len(question.states or []))]
        return names + (["inputs"] if question.x.dtype.kind == "f" else [])

    def apply(self, optimizer, layer, gradients):
        optimizer.apply([self.tensor(g) for g in gradients], layer.trainable_variables)


class OnJax(KerasEngine):
    """Keras on JAX, step by step: compiling each case would take ten times as long as running it."""

    differentiates = True

    def __init__(self):
        super().__init__()
        import jax

        self.jax = jax

    def gradients(self, layer, question):
        def total(weights, states, x):
            x, options = self.options(layer, question, x, states if question.states is not None else None)
            # stateless_call would not see the mask that comes with the inputs.
            with self.module.StatelessScope(list(zip(layer.trainable_variables, weights))):
                return self.total(self.flatten(layer(x, **options)))

        weights = [v.value for v in layer.trainable_variables]
        states = [self.tensor(s) for s in question.states or []]
        x = self.tensor(question.x)
        numbers = (0, 1, 2) if question.x.dtype.kind == "f" else (0, 1)
        found = self.flatten(self.jax.grad(total, argnums=numbers)(weights, states, x))
        return {name: np.array(g) for name, g in zip(self._wanted(layer, question), found)}


class OnTorch(KerasEngine):
    """Keras on PyTorch."""

    differentiates = True

    def gradients(self, layer, question):
        states = None
        if question.states is not None:
            states = [self.tensor(s).requires_grad_() for s in question.states]
        leaf = self.tensor(question.x)
        if question.x.dtype.kind == "f":
            leaf.requires_grad_()
        x, options = self.options(layer, question, leaf, states)
        weights = [v.value for v in layer.trainable_variables]
        for value in weights:
            value.grad = None
        total: Any = self.total(self.flatten(layer(x, **options)))
        if total.requires_grad:
            total.backward()
        leaves = [*weights, *(states or []), leaf]
        return {
            name: np.zeros(tuple(t.shape), self.numpy_dtype(t)) if t.grad is None else np.array(t.grad)
            for name, t in zip(self._wanted(layer, question), leaves)
        }


class OnTensorFlow(KerasEngine):
    """Keras on TensorFlow, eager."""

    differentiates = True

    def gradients(self, layer, question):
        import tensorflow as tf

        states = None if question.states is None else [self.tensor(s) for s in question.states]
        leaf = self.tensor(question.x)
        with tf.GradientTape() as tape:
            tape.watch([leaf, *(states or [])] if question.x.dtype.kind == "f" else states or [])
            x, options = self.options(layer, question, leaf, states)
            total: Any = self.total(self.flatten(layer(x, **options)))
        leaves = [*(v.value for v in layer.trainable_variables), *(states or []), leaf]
        names = self._wanted(layer, question)
        zero = tf.UnconnectedGradients.ZERO
        found: Any = tape.gradient(total, leaves[: len(names)], unconnected_gradients=zero)
        return {name: np.array(tf.convert_to_tensor(g)) for name, g in zip(names, found)}


ENGINES = {"jax": OnJax, "torch": OnTorch, "tensorflow": OnTensorFlow, "numpy": KerasEngine}


class KerasHere:
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
        self.engine.module.config.set_floatx(question.dtype)
        try:
            if self.backend != "jax":
                return run(self.engine, question, self.layer, fast=True)
            import jax

            with jax.disable_jit():
                return run(self.engine, question, self.layer, fast=True)
        except REFUSALS as error:
            return refused(error)

    def make(self, spec, dtype):
        """Return the layer that a description stands for."""
        return make(self.engine.module, spec, dtype)

    def close(self) -> None:
        """There is nothing to close."""
