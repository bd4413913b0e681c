"""What made a loss or a gradient NaN or infinite: the first layer and the array in which it arose.

While a step is watched, each call of a layer is noted: what it was given and what it returned, of which
nothing is looked at as long as the loss is finite. Calls are noted when they end, so inner layers come before
outer ones.
"""

import functools
import operator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from minirnn import backend, tree
from minirnn.autograd import Tensor, convert, grad
from minirnn.autograd.tensor import state
from minirnn.layers.context import context, path_of, signature_of
from minirnn.optimizers import LossScaleOptimizer


class Call(NamedTuple):
    """One call of a layer; it is an innermost one if no other was noted since `start`."""

    layer: Any
    path: str
    args: tuple
    kwargs: dict
    outputs: Any
    start: int

    @property
    def label(self) -> str:
        layer = self.layer
        return layer._where if self.path == layer.name else f"{layer._where} ({self.path})"

    def arrays(self):
        """Yield a description, a Tensor and which of its steps count, for all that could be at fault."""
        names = signature_of(type(self.layer).call).names
        named = {**dict(zip(names, self.args)), **self.kwargs}
        mask = named.get("mask")
        for name, value in named.items():
            yield from _leaves(f"the argument {name!r} of its call", value, mask)
        for variable in self.layer.weights:
            # A layer may have assigned it since.
            _, before = (state.assigned or {}).get(id(variable), (None, variable.stored))
            yield f"its weight {variable.path!r}", Tensor(before), None
        yield from _leaves("its output", self.outputs)


class Watch:
    """The calls of a step, and the checks of its loss and of its gradients.

    Parameters
    ----------
    where : str
        The model and what it is doing, for errors.
    """

    def __init__(self, where):
        self.where = where
        self.calls: list[Call] = []
        self.checked_loss = self.checked_gradients = False

    def begin(self) -> int:
        """Return what `note` is to be told of a call that begins."""
        return len(self.calls)

    def note(self, layer, args, kwargs, outputs, start) -> None:
        """Keep a call that has ended."""
        if not state.inferring:
            self.calls.append(Call(layer, path_of(layer.name), args, kwargs, outputs, start))

    def check_loss(self, loss, x=None, y=None, sample_weight=None) -> None:
        """Raise FloatingPointError, which names the first array that is not finite, unless the loss is."""
        self.checked_loss = True
        value = float(np.sum(backend.to_numpy(convert(loss).data)))
        if not np.isfinite(value):
            raise FloatingPointError(
                f"{self.where}: the loss is {value}. {self._origin(x, y, sample_weight)}"
            )

    def _origin(self, x, y, sample_weight) -> str:
        for call in self.calls:
            for what, tensor, counts in call.arrays():
                fault = fault_of(tensor, counts)
                if fault:
                    return f"It arose first in {call.label}: {what} is {fault}.{self._around(what, x)}"
        for name, value in (("y", y), ("sample_weight", sample_weight)):
            for leaf in tree.flatten(value):
                fault = fault_of(leaf)
                if fault:
                    return f"It comes from the data: {name} is {fault}. All that layers return is finite."
        return (
            "All weights and all that layers take and return is finite, and so are the targets: it arose in "
            f"a loss or regularizer.{self._sizes()}"
        )

    @staticmethod
    def _around(what, x) -> str:
        if what.startswith("its output"):
            return " What it was given and its weights are finite."
        if what.startswith("its weight"):
            return ""
        of_data = next(filter(None, map(fault_of, tree.flatten(x))), None)
        return f" The data has it: x is {of_data}." if of_data else ""

    def _sizes(self) -> str:
        """Say how large the outputs and the weights are."""
        if not self.calls:
            return ""
        last = self.calls[-1]
        outputs = [y.data for _, y, _ in _leaves("", last.outputs) if y.size]
        ranges = [f"{float(a.min()):g} to {float(a.max()):g}" for a in outputs]
        text = f" The outputs of {last.label} range from {' and from '.join(ranges)}." if ranges else ""
        largest = [(float(abs(w.data).max()), w.path) for w in last.layer.weights if w.size]
        return text + (" The largest weight, {1!r}, reaches {0:g}.".format(*max(largest)) if largest else "")

    def gradients(self, loss, variables, optimizer) -> list:
        """Return the gradients of a loss, or raise FloatingPointError if one of them is not finite.

        A `LossScaleOptimizer` means to see those that are not.
        """
        self.checked_gradients = True
        outputs = [
            (number, tensor)
            for number, call in enumerate(self.calls)
            if call.start == number
            for _, tensor, _ in _leaves("", call.outputs)
            if tensor.node is not None
        ]
        context.watch = None  # what is recomputed in the reverse pass is no part of the forward pass
        try:
            found: Any = grad(loss, [*variables, *(tensor for _, tensor in outputs)])
        finally:
            context.watch = self
        gradients, cotangents = found[: len(variables)], found[len(variables) :]
        flags = [backend.array_module(g.data).isfinite(g.data).all() for g in gradients if g is not None]
        if isinstance(optimizer, LossScaleOptimizer) or bool(functools.reduce(operator.and_, flags, True)):
            return gradients
        of_calls: dict[int, list] = {}
        for (number, _), cotangent in zip(outputs, cotangents):
            of_calls.setdefault(number, []).append(cotangent)
        raise FloatingPointError(self._origin_of_gradients(variables, gradients, of_calls))

    def _origin_of_gradients(self, variables, gradients, of_calls) -> str:
        faults = {id(v): (v, fault) for v, g in zip(variables, gradients) if (fault := fault_of(g))}
        behind: Call | None = None
        # As the reverse pass goes.
        for number, call in reversed(list(enumerate(self.calls))):
            if call.start != number:
                continue
            if any(map(fault_of, of_calls.get(number, ()))):
                place = "the loss"
                if behind is not None:
                    place = (
                        f"{behind.label}, the gradient of whose output is finite, or of an op between the two"
                    )
                return self._said(
                    *next(iter(faults.values())),
                    f"Nor is that of the output of {call.label}: it arose in the reverse pass of {place}.",
                )
            own = [v for v in call.layer.weights if id(v) in faults]
            if own:
                return self._said(
                    *faults[id(own[0])],
                    f"It arose in the reverse pass of {call.label}, the gradient of whose output is finite.",
                )
            if number in of_calls:
                behind = call
        return self._said(*next(iter(faults.values())), "")

    def _said(self, variable, fault, place) -> str:
        text = f"{self.where}: the loss is finite, but the gradient of weight {variable.path!r} is {fault}."
        return f"{text} {place}".strip()

    def check_step(self, model, logs) -> None:
        """Check a step of the user's own, which may not have gone by the methods that check."""
        if not self.checked_loss and isinstance(logs, dict) and logs.get("loss") is not None:
            self.check_loss(logs["loss"])
        if not self.checked_gradients and not isinstance(model.optimizer, LossScaleOptimizer):
            for variable in model.trainable_weights:
                fault = fault_of(variable)
                if fault:
                    raise FloatingPointError(
                        f"{self.where}: the loss is finite, but the step has set the weight "
                        f"{variable.path!r} to what is {fault}."
                    )


def fault_of(value, counts=None) -> str | None:
    """Describe what of an array of floats is NaN or infinite; None if nothing is, or it is no such array.

    Parameters
    ----------
    value : Tensor, array or anything else
    counts : Tensor, bool, optional
        Of the leading axes: False where it does not matter what stands there.
    """
    array: Any = value.data if isinstance(value, Tensor) else value
    if not backend.is_array(array) or array.dtype.kind != "f":
        return None
    wrong = ~backend.array_module(array).isfinite(array)
    if isinstance(counts, Tensor) and counts.dtype == bool and counts.shape == wrong.shape[: counts.ndim]:
        wrong = wrong & counts.data.reshape(counts.shape + (1,) * (wrong.ndim - counts.ndim))
    if not bool(wrong.any()):
        return None
    places = np.argwhere(backend.to_numpy(wrong))
    first = tuple(int(i) for i in places[0])
    return (
        f"not finite: of {array.size} numbers of shape {tuple(array.shape)}, {array.dtype.name}, "
        f"{len(places)} are NaN or infinite, the first, {float(backend.to_numpy(array)[first])}, at {first}"
    )


def _leaves(what, structure, mask=None):
    tensors = [leaf for leaf in tree.flatten(structure) if isinstance(leaf, Tensor)]
    flat = [tensor for tensor in tensors if tensor.data.dtype.kind == "f"]
    for number, leaf in enumerate(flat):
        label = what if len(flat) == 1 else f"{what} (number {number})"
        yield label, leaf, leaf._keras_mask if mask is None else mask


@contextmanager
def _watching(where):
    before, context.watch = context.watch, Watch(where)
    try:
        yield context.watch
    finally:
        context.watch = before


def watched(step, model, where):
    """Return a step that raises FloatingPointError where its loss, or a gradient in it, is not finite."""

    @functools.wraps(step)
    def run(batch):
        with _watching(where) as watch:
            logs = step(batch)
            watch.check_step(model, logs)
        return logs

    return run
