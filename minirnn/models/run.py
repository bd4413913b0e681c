"""`Run`: one call of `fit`, as something that can be written down and gone on with."""

import contextlib
import random as python_random
from typing import Any

import numpy as np

from minirnn import random
from minirnn.autograd import Variable
from minirnn.backend import asarray_beside
from minirnn.callbacks.callback_list import plain_logs
from minirnn.layers.rollback import all_or_nothing


def random_state() -> dict:
    """Return the states of the generators that are shared: minirnn's, Python's and NumPy's old one."""
    shared = [generator.state.numpy() for generator in random._global]
    version, words, rest = python_random.getstate()
    python = [version, np.array(words, np.uint32), rest]
    old = np.random.get_state(legacy=False)  # noqa: NPY002 - programs that draw from it go on with it too
    return {"shared": shared, "python": python, "numpy": old}


def set_random_state(state) -> None:
    """Set the generators to what `random_state` returned."""
    if not state["shared"]:
        random._global.clear()
    for value in state["shared"]:
        if not random._global:
            random.set_global_seed(0)
        random._global[0].state.assign(np.asarray(value, np.uint32))
    version, words, rest = state["python"]
    python_random.setstate((version, tuple(words.tolist()), rest))
    np.random.set_state(state["numpy"])  # noqa: NPY002


class _Enough(Exception):
    """Ends a step that is not to have been."""


class Run:
    """One call of `fit`: how far it is, and all that the rest of it depends on.

    Parameters
    ----------
    model : Model
    feed, validation : Feed
        Of training and, or None, of validation.
    callbacks : CallbackList
    epoch : int
        The first.

    Attributes
    ----------
    epoch, batch : int
        The epoch, counted from 0, and how many of its batches are done; between two epochs the next one and
        0.
    logs : dict
        Of the last batch or, between two epochs, of the last epoch.
    stopped : bool
        Whether training was to stop where it was written down.
    """

    def __init__(self, model, feed, validation, callbacks, epoch):
        self.model, self.feed, self.validation, self.callbacks = model, feed, validation, callbacks
        self.epoch, self.batch, self.logs, self.stopped = epoch, 0, {}, False
        self._restored: dict | None = None
        feed.resumable = True
        if validation is not None:
            validation.resumable = True

    def at(self, epoch, batch, logs):
        """Note how far it is."""
        self.epoch, self.batch, self.logs = epoch, batch, logs

    def _variables(self) -> dict[str, list[Variable]]:
        model = self.model
        carried = [c for c in (getattr(layer, "_carried", None) for layer in model._flatten_layers()) if c]
        metrics = {id(v): v for metric in model.metrics for v in metric.variables}
        return {
            "weights": model.variables,
            "carried": [variable for states in carried for variable in states.flat],
            "optimizer": [] if model.optimizer is None else model.optimizer.variables,
            "metrics": list(metrics.values()),
        }

    def _data(self) -> dict[str, int | None]:
        source = self.feed.source
        return {
            "batches an epoch": self.feed.steps,
            "samples": source.samples,
            "samples a batch": source.batch_size,
        }

    def state(self) -> dict:
        """Return all that the rest of the run depends on, in dicts, lists, arrays and numbers."""
        values = {kind: [v.numpy() for v in found] for kind, found in self._variables().items()}
        return {
            "epoch": self.epoch,
            "batch": self.batch,
            "logs": plain_logs(self.logs),
            "stopped": self.model.stop_training,
            "data": self._data(),
            "feed": self.feed.position(),
            "validation": None if self.validation is None else self.validation.position(),
            "values": values,
            "callbacks": [
                [type(callback).__name__, callback.get_state()]
                for callback in self.callbacks.callbacks
                if hasattr(callback, "get_state")
            ],
            "random": random_state(),
        }

    def restore(self, state) -> None:
        """Go on from what `state` returned, in a run of the same model on the same data.

        Raises
        ------
        ValueError
            If the model or the data is another; nothing has been changed then.
        """
        self._check_data(state)
        if self._misfit(state) is not None:
            self._rehearse()
        misfit = self._misfit(state)
        if misfit is not None:
            raise ValueError(misfit)
        self.epoch, self.batch, self.logs = state["epoch"], state["batch"], state["logs"]
        self.stopped = state["stopped"]
        self.feed.go_to(state["feed"])
        if self.validation is not None and state["validation"] is not None:
            self.validation.go_to(state["validation"])
        self._set_values(state)
        self._restored = state if self.batch else None

    def begin_epoch(self) -> int:
        """Return how many batches of the epoch, whose begin callbacks have just been told, are done.

        In the middle of one what was restored is set once more, over what they did at its begin.
        """
        if self._restored is not None:
            self._set_values(self._restored)
            self._restored = None
        return self.batch

    def _set_values(self, state):
        for kind, variables in self._variables().items():
            for variable, value in zip(variables, state["values"][kind]):
                variable.assign(asarray_beside(value, variable.data, variable.dtype))
        kept: dict[str, list] = {}
        for name, values in state["callbacks"]:
            kept.setdefault(name, []).append(values)
        for callback in self.callbacks.callbacks:
            found = kept.get(type(callback).__name__)
            if found and hasattr(callback, "set_state"):
                callback.set_state(found.pop(0))
        self.model.stop_training = state["stopped"]
        set_random_state(state["random"])

    def _check_data(self, state):
        if not state["batch"]:
            return
        for what, now in self._data().items():
            before = state["data"][what]
            if before is not None and now is not None and before != now:
                raise ValueError(
                    f"It is from the middle of an epoch, and there were {before} {what}; now there are {now}."
                )

    def _misfit(self, state) -> str | None:
        """Return what of the model is not as it was, in words."""
        for kind, variables in self._variables().items():
            shapes = [v.shape for v in variables]
            before = [tuple(np.shape(value)) for value in state["values"][kind]]
            for variable, shape in zip(variables, before):
                if variable.shape != shape:
                    return f"{variable.path!r} has shape {variable.shape}; in the backup it has {shape}."
            if len(shapes) != len(before):
                what = {"carried": "states of stateful layers", "optimizer": "variables of the optimizer"}
                now = f"{len(shapes)} {what.get(kind, kind)}"
                return f"There are {now}; in the backup there are {len(before)}."
        return None

    def _rehearse(self):
        """Do the first step, so that what is made by it is there, and take it back."""

        def step(batch) -> Any:
            self.model.train_step(batch)
            raise _Enough

        with contextlib.suppress(_Enough):
            all_or_nothing(step, self.feed.source.peek())
