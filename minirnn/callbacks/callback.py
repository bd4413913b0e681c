"""`Callback`: what is done at the points of a training run; `LambdaCallback`: the same from functions."""

import inspect
from typing import Any


def _default(method):
    """Mark a hook that does nothing, so that it need not be called."""
    method._is_default = True
    return method


class Callback:
    """The base class of callbacks: override the hooks that are needed.

    ``logs`` is a dict of Python floats: for a batch the metrics so far in this epoch, for an epoch those of
    the whole epoch and, with validation, the same under "val_" names. What a callback adds to an epoch's logs
    those after it see too, `History` among them. Set ``self.model.stop_training = True`` to end `fit` after
    the present batch and epoch.

    A callback that keeps something from one batch or epoch to the next says what in `get_state` and
    `set_state`, so that `BackupAndRestore` can go on with it. One that writes a file names it in
    ``output_files``; whether it can be written is looked at before training starts.

    Attributes
    ----------
    model : Model
        The one in training.
    params : dict
        "verbose", "epochs" and "steps" (None where the number of batches is not known).
    """

    def __init__(self):
        self.params: Any = None
        self._model: Any = None

    @property
    def model(self) -> Any:
        return self._model

    def set_params(self, params):
        self.params = params

    def set_model(self, model):
        self._model = model

    def _leave(self):
        """Undo what is not to outlast the loop, however that ended."""

    @_default
    def on_epoch_begin(self, epoch, logs: Any = None):
        """Called at the start of epoch number `epoch`, counted from 0."""

    @_default
    def on_epoch_end(self, epoch, logs: Any = None):
        """Called when an epoch and its validation are done."""

    @_default
    def on_batch_begin(self, batch, logs: Any = None):
        """The older name of `on_train_batch_begin`."""

    @_default
    def on_batch_end(self, batch, logs: Any = None):
        """The older name of `on_train_batch_end`."""

    @_default
    def on_train_batch_begin(self, batch, logs: Any = None):
        """Called before batch number `batch` of an epoch of `fit`, counted from 0."""
        self.on_batch_begin(batch, logs=logs)

    @_default
    def on_train_batch_end(self, batch, logs: Any = None):
        """Called after a batch of `fit`; `batch` is the last one with ``steps_per_execution`` above 1."""
        self.on_batch_end(batch, logs=logs)

    @_default
    def on_test_batch_begin(self, batch, logs: Any = None):
        """Called before a batch of `evaluate` or of the validation in `fit`."""

    @_default
    def on_test_batch_end(self, batch, logs: Any = None):
        """Called after a batch of `evaluate` or of the validation in `fit`."""

    @_default
    def on_predict_batch_begin(self, batch, logs: Any = None):
        """Called before a batch of `predict`."""

    @_default
    def on_predict_batch_end(self, batch, logs: Any = None):
        """Called after a batch of `predict`, with its outputs as ``logs["outputs"]``."""

    @_default
    def on_gradients(self, gradients, variables):
        """Called in each step of `fit`, between the gradients and the update.

        Parameters
        ----------
        gradients : list of (Tensor or None)
            Of the loss by each weight, before clipping and without the factor by which an optimizer scales
            the loss; None where it does not depend on it.
        variables : list of Variable
            The trainable weights, in the same order.
        """

    @_default
    def on_train_begin(self, logs: Any = None):
        """Called at the start of `fit`."""

    @_default
    def on_train_end(self, logs: Any = None):
        """Called at the end of `fit`, with the logs of the last epoch."""

    @_default
    def on_test_begin(self, logs: Any = None):
        """Called at the start of `evaluate` or of the validation in `fit`."""

    @_default
    def on_test_end(self, logs: Any = None):
        """Called at the end of `evaluate` or of the validation in `fit`."""

    @_default
    def on_predict_begin(self, logs: Any = None):
        """Called at the start of `predict`."""

    @_default
    def on_predict_end(self, logs: Any = None):
        """Called at the end of `predict`."""

    def get_state(self) -> dict:
        """Return what is to be kept for a restart: dicts, lists, arrays, numbers and texts."""
        return {}

    def set_state(self, state):
        """Take over what `get_state` returned, after `on_train_begin`; tuples have become lists."""


HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))


def overrides(callback, hook) -> bool:
    """Whether `callback` does anything at `hook`."""
    method = getattr(callback, hook, None)
    return method is not None and not getattr(method, "_is_default", False)


def _takes_two(function) -> bool:
    """Whether a function can be called with two arguments by place, as far as it says what it takes."""
    try:
        inspect.signature(function).bind(0, {})
    except TypeError:
        return False
    except ValueError:  # one that is not written in Python need not say
        return True
    return True


class LambdaCallback(Callback):
    """A callback made of functions.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end : callable, optional
        Take ``(epoch, logs)``.
    on_train_begin, on_train_end : callable, optional
        Take ``(logs)``.
    on_train_batch_begin, on_train_batch_end : callable, optional
        Take ``(batch, logs)``.
    **hooks : callable
        Any other hook of `Callback` by its name.

    Raises
    ------
    TypeError
        If a name is no hook, or its value cannot be called.

    Examples
    --------
    >>> LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))  # doctest: +ELLIPSIS
    <...LambdaCallback object at ...>
    """

    def __init__(
        self,
        on_epoch_begin=None,
        on_epoch_end=None,
        on_train_begin=None,
        on_train_end=None,
        on_train_batch_begin=None,
        on_train_batch_end=None,
        **hooks,
    ):
        super().__init__()
        hooks |= {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        }
        for name, function in hooks.items():
            if name not in HOOKS:
                raise TypeError(f"LambdaCallback: {name!r} is no hook; the hooks are {', '.join(HOOKS)}.")
            if function is None:
                continue
            if not callable(function):
                raise TypeError(f"LambdaCallback: {name} must be a function; got {type(function).__name__}.")
            setattr(self, name, function)
        # A function may call its second argument as it likes.
        self.by_place = {name for name, function in hooks.items() if function and _takes_two(function)}
