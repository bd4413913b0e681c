"""What a side does with a question: the same steps for minirnn and for Keras on any backend."""

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minirnn import tree
from minirnn.testing.case import Question, make, make_optimizer

# What a call that makes no sense may raise; anything else ends the run.
REFUSALS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    RuntimeError,
    StopIteration,
    TypeError,
    ValueError,
)


@dataclass
class Answer:
    """What a side gave.

    Attributes
    ----------
    arrays : dict of str to ndarray
        Each by what it is: "output 0", "state 1", "mask of output 0", "gradient of weight 2 bias", ...
    refusal : str, optional
        The error with which it refused.
    crashed : bool
        Whether that error is none that says that the call is wrong.
    lacks : tuple of str
        How the names of those begin that it cannot give.
    """

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    refusal: str | None = None
    crashed: bool = False
    lacks: tuple[str, ...] = ()


def refused(error: BaseException, deliberate=(TypeError, ValueError)) -> Answer:
    """Return the answer of a side that raised an error."""
    words = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split())  # Keras colours its errors
    words = words if len(words) < 400 else f"{words[:200]} ... {words[-200:]}"
    return Answer(refusal=f"{type(error).__name__}: {words}", crashed=not isinstance(error, deliberate))


def cotangent(number: int, shape, dtype) -> np.ndarray:
    """Return what an output is multiplied by to make a scalar: each entry counts otherwise."""
    return np.random.default_rng(1000 + number).standard_normal(tuple(shape)).astype(dtype)


def output_names(layer, count: int) -> list[str]:
    """Return the names of all that a call returned."""
    if not getattr(layer, "return_state", False):
        return [f"output {i}" for i in range(count)]
    outputs = 2 if hasattr(layer, "merge_mode") and layer.merge_mode is None else 1
    return [f"output {i}" if i < outputs else f"state {i - outputs}" for i in range(count)]


class Engine:
    """The operations of one framework that `run` needs.

    Attributes
    ----------
    module : module
        Has ``layers``, ``optimizers`` and ``Sequential``.
    differentiates : bool
    lacks : tuple of str
        As in `Answer`.
    """

    module: Any
    differentiates = True
    lacks: tuple[str, ...] = ()

    def tensor(self, array: np.ndarray) -> Any:
        raise NotImplementedError

    def numpy(self, value) -> np.ndarray:
        raise NotImplementedError

    def mask_of(self, value) -> Any:
        raise NotImplementedError

    def with_mask(self, value, mask) -> Any:
        raise NotImplementedError

    def flatten(self, structure) -> list:
        raise NotImplementedError

    def pack_states(self, layer, states, batch_size) -> Any:
        """Return states, a flat list, in the structure in which the layer takes them."""
        return states

    def differentiate(self, layer, total, states: list, inputs: list) -> list[np.ndarray]:
        """Return the gradients of ``total(states, inputs)`` by weights, states and inputs, zeros for none."""
        raise NotImplementedError

    def apply(self, optimizer, layer, gradients) -> None:
        raise NotImplementedError

    # Shared.

    def options(self, layer, question: Question, x, states):
        """Return the inputs, with their mask if it travels, and the keywords of a call."""
        options = dict(question.arguments or {})
        if question.mask is not None:
            several = isinstance(question.mask, list)
            masks = [
                None if m is None else self.tensor(m) for m in (question.mask if several else [question.mask])
            ]
            if question.mask_travels:
                flat = tree.flatten(x)
                pairs = zip(flat, masks if several else masks * len(flat))
                x = tree.pack_sequence_as(x, [y if m is None else self.with_mask(y, m) for y, m in pairs])
            else:
                options["mask"] = masks if several else masks[0]
        if states is not None:
            options["initial_state"] = self.pack_states(layer, states, len(tree.flatten(question.x)[0]))
        return x, options

    def total(self, layer, question, outputs) -> Any:
        """Return a scalar to which each entry of the outputs adds in its own measure, and each loss."""
        ops = self.module.ops
        wide = "float64" if question.dtype == "float64" else "float32"
        terms = [ops.cast(loss, wide) for loss in layer.losses]
        for i, y in enumerate(outputs):
            terms.append(ops.sum(ops.cast(y, wide) * self.tensor(cotangent(i, y.shape, wide))))
        return sum(terms[1:], terms[0])

    def gradients(self, layer, question) -> dict[str, np.ndarray]:
        """Return the gradients of `total` by weights, states and inputs, by their names."""
        arrays = tree.flatten(question.x)
        floats = [i for i, array in enumerate(arrays) if array.dtype.kind == "f"]
        names = weight_names(layer.trainable_variables)
        names += [f"state {i}" for i in range(len(question.states or []))]
        names += ["inputs" if len(arrays) == 1 else f"inputs {i}" for i in floats]

        def total(states, inputs):
            given = dict(zip(floats, inputs))
            flat = [given[i] if i in given else self.tensor(a) for i, a in enumerate(arrays)]
            x = tree.pack_sequence_as(question.x, flat)
            x, options = self.options(layer, question, x, None if question.states is None else states)
            return self.total(layer, question, self.flatten(layer(x, **options)))

        states = [self.tensor(s) for s in question.states or []]
        found = self.differentiate(layer, total, states, [self.tensor(arrays[i]) for i in floats])
        return dict(zip(names, found))


def weight_names(weights) -> list[str]:
    """Return "weight 0 kernel" and so on."""
    return [f"weight {i} {w.name}" for i, w in enumerate(weights)]


def run(engine: Engine, question: Question, layer=None, fast=False) -> Answer:
    """Return what a framework answers; what it refuses is raised.

    Parameters
    ----------
    engine : Engine
    question : Question
    layer : Layer, optional
        Default: made of the question's description.
    fast : bool
        As in `make`.
    """
    own = question.weights is None
    found: dict[str, np.ndarray] = {}
    if layer is None:
        assert question.layer is not None
        layer = make(engine.module, question.layer, question.dtype, fast and not own)
        layer.build(tree.map_structure(lambda a: a.shape, question.x))
        if own:
            for name, weight in zip(weight_names(layer.weights), layer.weights):
                found[f"{name} at first"] = engine.numpy(weight)
    elif not layer.built:
        layer.build(tree.map_structure(lambda a: a.shape, question.x))
    if question.weights is not None:
        layer.set_weights(question.weights)
    for number in range(question.calls):
        prefix = f"call {number + 1}: " if question.calls > 1 else ""
        states = None if question.states is None else [engine.tensor(s) for s in question.states]
        x = tree.map_structure(engine.tensor, question.x)
        x, options = engine.options(layer, question, x, states)
        outputs = engine.flatten(layer(x, **options))
        for name, value in zip(output_names(layer, len(outputs)), outputs):
            found[prefix + name] = engine.numpy(value)
            mask = engine.mask_of(value) if name.startswith("output") else None
            if mask is not None:
                # A mask says yes or no; whether in the dtype in which it came is no matter.
                found[f"{prefix}mask of {name}"] = engine.numpy(mask).astype(bool)
        if getattr(layer, "stateful", False) and getattr(layer, "states", None) is not None:
            for i, state in enumerate(engine.flatten(layer.states)):
                found[f"{prefix}carried state {i}"] = engine.numpy(state)
    if layer.losses:
        found["losses"] = engine.numpy(engine.total(layer, question, []))
    statistics = {name: w for name, w in zip(weight_names(layer.weights), layer.weights) if not w.trainable}
    after = {name: engine.numpy(w) for name, w in statistics.items()}
    found |= {f"{name} after the call": value for name, value in after.items()}
    if not engine.differentiates:
        return Answer(found, lacks=("gradient", "weight", *engine.lacks))

    def gradients_now():
        if getattr(layer, "stateful", False):
            layer.reset_state()  # both sides start from the same, whatever their calls have left
        slopes = engine.gradients(layer, question)
        for name, weight in statistics.items():
            weight.assign(engine.tensor(after[name]))  # some sides count the call in them, and some do not
        return slopes

    gradients = gradients_now()
    found |= {f"gradient of {name}": value for name, value in gradients.items()}
    if question.steps and layer.trainable_variables:
        optimizer = make_optimizer(engine.module, question.optimizer)
        names = weight_names(layer.trainable_variables)
        for number in range(question.steps):
            if number:
                gradients = gradients_now()
            engine.apply(optimizer, layer, [gradients[name] for name in names])
        for name, weight in zip(weight_names(layer.weights), layer.weights):
            found[f"{name} after {question.steps} steps"] = engine.numpy(weight)
    return Answer(found, lacks=engine.lacks)
