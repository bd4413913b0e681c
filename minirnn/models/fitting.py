"""`Fitting`: the loop that trains."""

from typing import Any

import numpy as np

from minirnn.callbacks.callback_list import CallbackList
from minirnn.callbacks.history import History
from minirnn.layers.rollback import all_or_nothing
from minirnn.models.data import positive_int, unpack_x_y_sample_weight
from minirnn.models.evaluation import Evaluation, checked_verbose
from minirnn.models.faults import ACCUMULATE
from minirnn.models.run import Run
from minirnn.models.sources import ArraySource, source_of


def _epochs_to_validate(frequency, where):
    """Return a function that says of an epoch, counted from 1, whether it is validated."""
    if isinstance(frequency, list | tuple | set):
        return lambda epoch: epoch in frequency
    every = positive_int(frequency, "validation_freq (if no list)", where)
    return lambda epoch: epoch % every == 0


class Fitting(Evaluation):
    """The part of a model that trains it on data."""

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose: int | str | None = "auto",
        callbacks=None,
        validation_split: float | None = 0.0,
        validation_data=None,
        shuffle: bool | str = True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq: Any = 1,
    ) -> History:
        """Train the model.

        All that can be wrong with the arguments and with the form of the data is looked at, on the first
        batch too, before a weight changes.

        Parameters
        ----------
        x : array, nested structure of arrays, or iterable of batches
            A generator, or anything to iterate over or with ``__len__`` and ``__getitem__``, gives batches
            ``(x, y)``, ``(x, y, sample_weight)`` or ``(x,)``; then `y`, `sample_weight` and `batch_size` stay
            None. Floats are cast to floatx batch by batch, never all at once.
        y : array or nested structure of arrays, optional
        batch_size : int, optional
            Default 32.
        epochs, initial_epoch : int
            Training goes from epoch `initial_epoch`, counted from 0, to `epochs`.
        verbose : "auto", 0, 1 or 2
            Nothing (also None), a progress bar (also "auto"), or a line an epoch.
        callbacks : Callback or list of Callback, optional
        validation_split : float
            In (0, 1): set apart so much of the end of the arrays.
        validation_data : tuple or iterable, optional
            ``(x, y)`` or ``(x, y, sample_weight)``, or batches.
        shuffle : bool or "batch"
            Of arrays the samples, of a sequence of batches the batches; "batch" of arrays the batches.
        class_weight : dict of int to float, optional
            The weight of samples by class; 1 for classes it leaves out.
        sample_weight : array or structure of arrays, optional
            A weight for each sample, or each value of the loss.
        steps_per_epoch, validation_steps : int, optional
            How many batches; default all. A generator, which ends once, needs the first with epochs above 1.
        validation_batch_size : int, optional
            Default `batch_size`.
        validation_freq : int or list of int
            Validate every so many epochs, or after these (counted from 1).

        Returns
        -------
        History
            Its ``history`` has the value of every loss and metric after every epoch.

        Raises
        ------
        ValueError, TypeError
            If the model is not compiled, or an argument or the data has a wrong form.
        KeyboardInterrupt
            On Ctrl-C. The model is as after some batch, each in whole or not at all, and can be used and
            trained on; `history` has the History of the whole epochs.
        """
        self._check_compiled("fit")
        where = f"{self._where}: fit"
        epochs = positive_int(epochs, "epochs", where, at_least=0)
        initial_epoch = positive_int(initial_epoch, "initial_epoch", where, at_least=0)
        verbose = checked_verbose(verbose, where)
        validate_at = _epochs_to_validate(validation_freq, where)
        steps = None if steps_per_epoch is None else positive_int(steps_per_epoch, "steps_per_epoch", where)
        validation_split = 0.0 if validation_split is None else validation_split
        if shuffle not in (None, True, False, "batch"):
            raise ValueError(f'{where}: shuffle must be True, False or "batch"; got {shuffle!r}.')
        if not isinstance(validation_split, int | float | np.number) or not 0 <= validation_split < 1:
            raise ValueError(
                f"{where}: validation_split must be in (0, 1), or 0 for none; got {validation_split!r}."
            )
        options = {"where": where, "batch_size": batch_size, "steps": steps}
        if validation_split and validation_data is None:
            whole = source_of(x, y, sample_weight, **options)
            if not isinstance(whole, ArraySource):
                raise ValueError(f"{where}: validation_split needs arrays; pass validation_data for batches.")
            rest, validation_data = whole.split(validation_split, where)
            x, y, sample_weight = rest
        source = source_of(x, y, sample_weight, shuffle=shuffle, class_weight=class_weight, **options)
        many = epochs - initial_epoch > 1
        if many and source.one_shot and steps is None:
            raise ValueError(
                f"{where}: a {type(source.data).__name__} can be gone through once; epochs={epochs} needs "
                "steps_per_epoch, and a generator that does not end."
            )
        feed = self._feed(source, steps, where)
        validation = self._validation(
            validation_data, batch_size, validation_batch_size, validation_steps, many
        )
        self._dry_run(source, "train_step", where)
        if validation is not None:
            self._dry_run(validation.source, "test_step", f"{where}: validation")

        if not isinstance(callbacks, CallbackList):
            callbacks = CallbackList(
                callbacks,
                add_history=True,
                add_progbar=verbose != 0,
                model=self,
                verbose=verbose,
                epochs=epochs,
                steps=feed.steps,
            )
        self.stop_training = False
        around = self._run, self._gradients_hook
        run = Run(self, feed, validation, callbacks, initial_epoch)
        try:
            self._run = run
            # These set many weights; an interrupt between two of them leaves all as they were.
            all_or_nothing(callbacks.on_train_begin)
            if callbacks.gradients_wanted:
                self._gradients_hook = callbacks.on_gradients
            for epoch in range(run.epoch, epochs):
                if not run.batch and (feed.exhausted or run.stopped):
                    break
                logs = self._train_epoch(epoch, run)
                if validation is not None and validate_at(epoch + 1) and not validation.exhausted:
                    val_logs = self._validate(validation, run, f"{where}: validation")
                    logs.update({f"val_{name}": value for name, value in val_logs.items()})
                run.at(epoch + 1, 0, logs)
                callbacks.on_epoch_end(epoch, logs)
                if self.stop_training:
                    break
            all_or_nothing(self._finish, callbacks, run.logs)
        finally:
            self._run, self._gradients_hook = around
            callbacks.close()
            for begun in (feed, validation):
                if begun is not None:
                    begun.close()
        return self.history

    def _validate(self, validation, run, where) -> dict:
        carried = []
        if run.feed.source.carries_state:
            # Training goes on with its own sequences, maybe in the middle of them.
            layers = [getattr(layer, "_carried", None) for layer in self._flatten_layers()]
            carried = [(v, v.data) for layer in layers if layer for v in layer.flat]
        validation.restart()
        logs = self._evaluate(validation, run.callbacks, where)
        all_or_nothing(lambda: [variable.assign(data) for variable, data in carried])
        return logs

    def _finish(self, callbacks, logs):
        if self.optimizer is not None and self.optimizer.built:
            self.optimizer.finalize_variable_values(self.trainable_weights)
        callbacks.on_train_end(logs)

    def _train_epoch(self, epoch, run) -> dict:
        where, callbacks = f"{self._where}: fit: epoch {epoch + 1}", run.callbacks
        self._forget_batches(where)
        callbacks.on_epoch_begin(epoch)
        done = all_or_nothing(run.begin_epoch)
        logs = run.logs if done else None
        with self._hold():
            for begin, end, batches in () if done and run.stopped else run.feed.epoch(done):
                callbacks.on_train_batch_begin(begin)
                for number, batch in enumerate(batches, begin + 1):
                    logs = self._logs_of(self.train_step, batch, f"{where}, batch {number}", ACCUMULATE)
                run.at(epoch, end + 1, logs)
                callbacks.on_train_batch_end(end, logs)
                if self.stop_training:
                    break
        if logs is None:
            raise ValueError(f"{where}: the data yielded no batch.")
        return dict(logs)

    def _validation(self, data, batch_size, validation_batch_size, steps, many):
        """Return the feed of the validation data, or None."""
        if data is None:
            return None
        where = f"{self._where}: fit: validation_data"
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        steps = None if steps is None else positive_int(steps, "validation_steps", where)
        if validation_batch_size is None and (isinstance(x, list | tuple | dict) or hasattr(x, "__array__")):
            validation_batch_size = batch_size
        source = source_of(x, y, sample_weight, where=where, batch_size=validation_batch_size, steps=steps)
        if many and source.one_shot and steps is None:
            raise ValueError(
                f"{where}: a {type(source.data).__name__} can be gone through once; with several epochs it "
                "needs validation_steps."
            )
        return self._feed(source, steps, where)
