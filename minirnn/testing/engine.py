"""What a side does with a question: the same steps for minirnn and for Keras on any backend."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
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

    def build(self, layer, question: Question) -> None:
        """Build a layer for the inputs of a question."""
        layer.build(tree.map_structure(lambda a: a.shape, question.x))

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
        floats = [i for i, array in enumerate(arrays) if is_float(array)]
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


def is_float(array) -> bool:
    """Whether an array is one of floating-point numbers."""
    return array.dtype.kind == "f"


class Holder:
    """A side that may have a layer of the user's own.

    Attributes
    ----------
    engine : Engine
    layer : Layer, optional
    """

    engine: Any
    layer: Any = None

    @property
    def dtype(self) -> str:
        """The dtype that inputs and states are given in: that of the layer's weights."""
        dtypes = [str(weight.dtype) for weight in self.layer.weights]
        return next((dtype for dtype in dtypes if "float" in dtype), self.layer.variable_dtype)

    @property
    def compute_dtypes(self) -> list[str]:
        """The dtypes in which the layer, or those in it that have weights, compute."""
        inner = [part for part in self.layer._flatten_layers() if len(part._flatten_layers()) == 1]
        return [part.compute_dtype for part in inner if part.weights] or [self.layer.compute_dtype]

    @property
    def has_weights(self) -> bool:
        """Whether the layer is built."""
        return self.layer.built

    def build(self, question: Question) -> None:
        """Build the layer."""
        self.engine.build(self.layer, question)

    def weights(self) -> list[np.ndarray]:
        """Return copies of the layer's weights."""
        return [np.array(weight) for weight in self.layer.get_weights()]


@contextmanager
def put_back(engine: Engine, layer) -> Iterator[None]:
    """Give a layer back as it was: its weights, the states of its seeds, and those carried between calls."""
    stateful = [part for part in layer._flatten_layers() if getattr(part, "stateful", False)]
    carried = [part for part in stateful if getattr(part, "states", None) is not None]
    held = [*layer.variables, *(state for part in carried for state in engine.flatten(part.states))]
    kept = [(variable, np.array(engine.numpy(variable))) for variable in held]
    try:
        yield
    finally:
        for variable, value in kept:
            variable.assign(value)
        for part in stateful:
            if part not in carried and getattr(part, "states", None) is not None:
                part.reset_state()


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
        It is given back as it was, but for the weights of one that had none. Default: made of the question's
        description.
    fast : bool
        As in `make`.
    """
    own = question.weights is None
    if layer is None:
        if question.layer is None:
            raise ValueError("testing: without a layer of its own, a side needs a Case, which describes one.")
        layer = make(engine.module, question.layer, question.dtype, fast and not own)
        engine.build(layer, question)
        names = weight_names(layer.weights) if own else []
        first = {f"{name} at first": engine.numpy(w) for name, w in zip(names, layer.weights)}
        if not own:
            layer.set_weights(question.weights)
        return _called(engine, question, layer, first)
    if not layer.built:
        engine.build(layer, question)
        if not own:
            layer.set_weights(question.weights)  # it had none: these are its first
    with put_back(engine, layer):
        if not own:
            layer.set_weights(question.weights)
        return _called(engine, question, layer, {})


def _called(engine: Engine, question: Question, layer, found: dict[str, np.ndarray]) -> Answer:
    """Return what a built layer answers, and what was found before."""
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
