"""`Evaluation`: the loops that change no weights (`evaluate`, `predict`), and the steps on one batch."""

import functools
from contextlib import suppress
from typing import Any

import numpy as np

from minirnn import tree
from minirnn.autograd import inferring, no_grad
from minirnn.callbacks.callback_list import CallbackList, plain_logs
from minirnn.layers.rollback import all_or_nothing, without_effect
from minirnn.models.collect import Collected, as_numpy
from minirnn.models.compile_utils import CompileMetrics
from minirnn.models.data import as_array, positive_int, samples_of, to_tensor, unpack_x_y_sample_weight
from minirnn.models.faults import ACCUMULATE, IN_PARTS, SMALLER, explained
from minirnn.models.feed import Feed
from minirnn.models.sources import ArraySource, class_weights, source_of
from minirnn.models.trainer import Trainer


def checked_verbose(verbose, where) -> int | str:
    """Return `verbose`, 0 for None; raise ValueError unless it is one of those there are."""
    if verbose not in (None, "auto", 0, 1, 2):
        raise ValueError(f'{where}: verbose must be "auto", 0, 1 or 2; got {verbose!r}.')
    return 0 if verbose is None else verbose


class Evaluation(Trainer):
    """The part of a model that goes through data without learning from it."""

    def evaluate(
        self,
        x=None,
        y=None,
        batch_size=None,
        verbose: int | str | None = "auto",
        sample_weight=None,
        steps=None,
        callbacks=None,
        return_dict=False,
    ) -> Any:
        """Return the loss and the metrics on some data.

        Parameters
        ----------
        x, y, batch_size, verbose, sample_weight, callbacks
            As for `fit`.
        steps : int, optional
            How many batches; default all.
        return_dict : bool
            Whether to return them under their names.

        Returns
        -------
        float, list of float, or dict of str to float
            The loss alone if there are no metrics.

        Raises
        ------
        ValueError, TypeError
            If the model is not compiled, or an argument or the data has a wrong form.
        """
        self._check_compiled("evaluate")
        where = f"{self._where}: evaluate"
        verbose = checked_verbose(verbose, where)
        steps = None if steps is None else positive_int(steps, "steps", where)
        source = source_of(x, y, sample_weight, where=where, batch_size=batch_size, steps=steps)
        feed = self._feed(source, steps, where)
        self._dry_run(source, "test_step", where)
        callbacks = self._callbacks(callbacks, verbose, feed)
        try:
            logs = self._evaluate(feed, callbacks, where)
        finally:
            callbacks.close()
            feed.close()
        return logs if return_dict else self._in_order(logs)

    def _callbacks(self, callbacks, verbose, feed) -> CallbackList:
        if isinstance(callbacks, CallbackList):
            return callbacks
        return CallbackList(
            callbacks, add_progbar=verbose != 0, model=self, verbose=verbose, epochs=1, steps=feed.steps
        )

    def _evaluate(self, feed, callbacks, where) -> dict[str, float]:
        self.stop_evaluating = False
        callbacks.on_test_begin()
        self._forget_batches(where)
        logs = None
        with self._hold(), no_grad():
            for begin, end, batches in feed.epoch():
                callbacks.on_test_batch_begin(begin)
                for number, batch in enumerate(batches, begin + 1):
                    logs = self._logs_of(self.test_step, batch, f"{where}: batch {number}")
                callbacks.on_test_batch_end(end, logs)
                if self.stop_evaluating:
                    break
        if logs is None:
            raise ValueError(f"{where}: the data yielded no batch.")
        plain = plain_logs(logs)
        callbacks.on_test_end(plain)
        return plain

    def predict(
        self, x, batch_size=None, verbose: int | str | None = "auto", steps=None, callbacks=None
    ) -> Any:
        """Return the outputs of the model, computed batch by batch without gradients.

        Parameters
        ----------
        x : array, nested structure of arrays, or iterable of batches
        batch_size : int, optional
            Default 32.
        verbose : "auto", 0, 1 or 2
        steps : int, optional
            How many batches; default all.
        callbacks : Callback or list of Callback, optional

        Returns
        -------
        np.ndarray or structure of np.ndarray
            In the structure of the outputs.

        Raises
        ------
        ValueError, TypeError
            If an argument or the data has a wrong form.
        """
        where = f"{self._where}: predict"
        verbose = checked_verbose(verbose, where)
        steps = None if steps is None else positive_int(steps, "steps", where)
        source = source_of(x, where=where, batch_size=batch_size, steps=steps)
        feed = self._feed(source, steps, where)
        callbacks = self._callbacks(callbacks, verbose, feed)
        collected = Collected(source.samples if steps is None else None, source.carries_state)
        self.stop_predicting = False
        callbacks.on_predict_begin()
        try:
            with self._hold(), no_grad():
                for begin, end, batches in feed.epoch():
                    callbacks.on_predict_batch_begin(begin)
                    outputs = [
                        self._attempt(self.predict_step, batch, f"{where}: batch {number}")
                        for number, batch in enumerate(batches, begin + 1)
                    ]
                    with explained(where, advice=IN_PARTS):
                        for output, batch in zip(outputs, batches):
                            collected.add(output, samples_of(batch))
                    callbacks.on_predict_batch_end(end, {"outputs": outputs[-1]})
                    if self.stop_predicting:
                        break
            callbacks.on_predict_end()
        finally:
            callbacks.close()
            feed.close()
        with explained(where, advice=IN_PARTS):
            return collected.result(where)

    # One batch.

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False) -> Any:
        """Update the weights by one batch; returns as `evaluate` does, of this batch alone."""
        self._check_compiled("train_on_batch")
        where = f"{self._where}: train_on_batch"
        if class_weight is not None:
            if sample_weight is not None:
                raise ValueError(f"{where}: class_weight and sample_weight exclude each other.")
            sample_weight = class_weights(y, class_weight, where)
        return self._on_batch(x, y, sample_weight, "train_step", return_dict, where)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False) -> Any:
        """Return loss and metrics of one batch, as `evaluate` does."""
        self._check_compiled("test_on_batch")
        with no_grad():
            return self._on_batch(
                x, y, sample_weight, "test_step", return_dict, f"{self._where}: test_on_batch"
            )

    def _on_batch(self, x, y, sample_weight, step, return_dict, where):
        source = source_of(x, y, sample_weight, where=where, steps=1)
        self._dry_run(source, step, where, once=True)
        one_step = getattr(self, step)

        @functools.wraps(one_step)
        def afresh(batch):
            self.reset_metrics()
            return one_step(batch)

        advice = ACCUMULATE if step == "train_step" else SMALLER
        with explained(where, advice=advice):
            batch = source.peek()
        logs = plain_logs(self._logs_of(afresh, batch, where, advice))
        return logs if return_dict else self._in_order(logs)

    def predict_on_batch(self, x) -> Any:
        """Return the outputs for one batch as NumPy arrays, in the structure of the outputs."""
        where = f"{self._where}: predict_on_batch"
        with explained(where):
            x = tree.map_structure(
                lambda leaf: None if leaf is None else to_tensor(as_array(leaf, "x", where)), x
            )
        with no_grad():
            outputs = self._attempt(self.predict_step, (x,), where)
        return tree.map_structure(as_numpy, outputs)

    # Helpers.

    def _feed(self, source, steps, where) -> Feed:
        """Return the batches of a source, epoch by epoch, if a stateful layer can take them."""
        if source.samples and source.samples > source.batch_size and source.samples % source.batch_size:
            stateful = [
                layer.name for layer in self._flatten_layers(False) if getattr(layer, "stateful", False)
            ]
            if stateful:
                raise ValueError(
                    f"{where}: the stateful layer(s) {stateful} need batches of one size; {source.samples} "
                    f"samples in batches of {source.batch_size} leave {source.samples % source.batch_size} "
                    "over. Choose a batch_size that divides them."
                )
        at_pass = None
        if source.carries_state:
            model: Any = self
            if not model.stateful:
                raise ValueError(
                    f"{where}: {type(source.data).__name__} gives pieces of sequences, and the model has no "
                    "layer that goes on from one to the next. Make its recurrent layers with stateful=True."
                )
            at_pass = functools.partial(all_or_nothing, model.reset_states)
        return Feed(source, steps, self.steps_per_execution, where, at_pass)

    def _dry_run(self, source, step, where, once=False):
        """Compute the first batch without any effect, to build what is not built and to raise what is wrong.

        Where all targets are at hand, those of later batches are looked at too.

        It is done once for data of one form, or with `once` only where something is not built. A `train_step`
        or `test_step` of the user's own may mean something else by its data, and is not second-guessed.
        """
        compiled = self._compiled
        if compiled is None or getattr(type(self), step) is not getattr(Trainer, step):
            self._build_for_step(source, where)
            return
        where = f"{where}: trying out the first batch"
        with explained(where):
            batch = source.peek()
        form = step + str(
            tree.map_structure(lambda leaf: None if leaf is None else (leaf.shape, leaf.dtype), batch)
        )
        if not (self.built and (form in compiled.seen or (once and compiled.seen))):
            with explained(where, batch):
                all_or_nothing(self._try_out, batch, step)
            compiled.seen.add(form)
        if compiled.loss is not None and isinstance(source, ArraySource) and source.count > 1:
            compiled.loss.check_targets(source.y)

    def _build_for_step(self, source, where):
        """Build what is not built before a step of the user's own, which may ask for the weights at once."""
        if all(layer.built for layer in self._flatten_layers(include_self=False)):
            return
        with explained(where):
            x, _, _ = unpack_x_y_sample_weight(source.peek())
        # Where the data is nothing that `call` takes, the step will do something else with it, or say so.
        with suppress(Exception), no_grad(), inferring():
            all_or_nothing(functools.partial(self, x, training=False))

    def _try_out(self, batch, step):
        x, y, sample_weight = unpack_x_y_sample_weight(batch)
        with no_grad(), inferring():
            y_pred = self(x, training=False)
            # What layers add to the loss is left out here, so that there may be none.
            self._compute_loss(x, y, y_pred, sample_weight, training=False)
            # What `result` returns of nothing is the metric's own affair, so it gets to see the batch; but
            # the outputs come of a run for shapes, and may be such that there is something to divide by zero.
            with inferring(False), np.errstate(all="ignore"):
                without_effect(self.compute_metrics, x, y, y_pred, sample_weight)
        if step == "train_step" and self.optimizer is not None and not self.optimizer.built:
            self.optimizer.build(self.trainable_weights)

    def _in_order(self, logs):
        """Return logs as a list, the loss first and the rest as in `metrics`; alone if there is one."""
        names = []
        for metric in self.metrics:
            names += [m.name for m in metric.metrics] if isinstance(metric, CompileMetrics) else [metric.name]
        values = [logs[name] for name in names if name in logs]
        values += [logs[name] for name in sorted(logs) if name not in names]
        return values[0] if len(values) == 1 else values
