"""`CallbackList`: several callbacks called as one, and logs turned into Python numbers for them."""

from minirnn import tree
from minirnn.autograd import Tensor
from minirnn.callbacks.callback import Callback, overrides
from minirnn.callbacks.files import check_files
from minirnn.callbacks.history import History
from minirnn.callbacks.progress import ProgbarLogger


def plain_logs(logs) -> dict:
    """Return logs with Python floats in place of Tensors and nested dicts laid open, sorted by name."""
    result = {}
    for name, value in sorted((logs or {}).items()):
        if isinstance(value, dict):
            result.update(plain_logs(value))
            continue
        if getattr(value, "ndim", None) == 0:
            value = float(value)
        result[name] = value.numpy() if isinstance(value, Tensor) else value
    return result


class CallbackList(Callback):
    """Calls each of several callbacks.

    A callback that does nothing at a point is not called there, and the logs of a batch are fetched from the
    device only where one asks for them. One that has ``runs_last`` is called after all others.

    Parameters
    ----------
    callbacks : Callback or list of Callback, optional
    add_history, add_progbar : bool
        Whether to add a `History` and a `ProgbarLogger`, unless there is one.
    model : Model, optional
    **params
        Handed to `Callback.set_params`.

    Raises
    ------
    TypeError
        If one of `callbacks` is no callback.
    """

    def __init__(self, callbacks=None, add_history=False, add_progbar=False, model=None, **params):
        super().__init__()
        self.callbacks = [] if callbacks is None else tree.flatten(callbacks)
        for callback in self.callbacks:
            if isinstance(callback, type) or not hasattr(callback, "set_model"):
                raise TypeError(
                    f"callbacks: expected instances of Callback; got {callback!r}. "
                    "Make an instance, or wrap a function as LambdaCallback(on_epoch_end=function)."
                )
        self._history = self._add(History, add_history)
        self._add(ProgbarLogger, add_progbar)
        self._listeners: dict = {}
        if model is not None:
            self.set_model(model)
        if params:
            self.set_params(params)

    def _add(self, kind, wanted):
        found = [callback for callback in self.callbacks if isinstance(callback, kind)]
        if not found and wanted:
            found = [kind()]
            self.callbacks += found
        return found[-1] if found else None

    def append(self, callback):
        """Add a callback at the end."""
        self.callbacks.append(callback)
        self._listeners = {}

    def set_params(self, params):
        self.params = params
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model):
        super().set_model(model)
        if self._history is not None:
            model.history = self._history
        for callback in self.callbacks:
            callback.set_model(model)

    def close(self):
        """Leave terminal and model in order, after an interrupted run too."""
        for callback in self.callbacks:
            if isinstance(callback, Callback):
                callback._leave()

    def _of(self, hook, older=None):
        listeners = self._listeners.get(hook)
        if listeners is None:
            listeners = self._listeners[hook] = [
                callback
                for callback in self.callbacks
                if overrides(callback, hook) or (older is not None and overrides(callback, older))
            ]
            listeners.sort(key=lambda callback: getattr(callback, "runs_last", False))
        return listeners

    def _call(self, hook, *index, logs=None, older=None):
        plain = None
        for callback in self._of(hook, older):
            # Numbers, with what other callbacks added, where there are some already.
            if plain is None and not getattr(callback, "takes_tensors", False):
                plain = plain_logs(logs)
            given = logs if plain is None else plain
            if "_batch_" in hook and hook not in getattr(callback, "by_place", ()):
                # A hook of a batch may have its logs by name alone, as in Keras.
                getattr(callback, hook)(*index, logs=given)
            else:
                getattr(callback, hook)(*index, given)

    def on_epoch_begin(self, epoch, logs=None):
        self._call("on_epoch_begin", epoch, logs=logs)

    def on_epoch_end(self, epoch, logs=None):
        self._call("on_epoch_end", epoch, logs=logs)

    def on_batch_begin(self, batch, logs=None):
        self._call("on_batch_begin", batch, logs=logs)

    def on_batch_end(self, batch, logs=None):
        self._call("on_batch_end", batch, logs=logs)

    def on_train_batch_begin(self, batch, logs=None):
        self._call("on_train_batch_begin", batch, logs=logs, older="on_batch_begin")

    def on_train_batch_end(self, batch, logs=None):
        self._call("on_train_batch_end", batch, logs=logs, older="on_batch_end")

    def on_test_batch_begin(self, batch, logs=None):
        self._call("on_test_batch_begin", batch, logs=logs)

    def on_test_batch_end(self, batch, logs=None):
        self._call("on_test_batch_end", batch, logs=logs)

    def on_predict_batch_begin(self, batch, logs=None):
        self._call("on_predict_batch_begin", batch, logs=logs)

    def on_predict_batch_end(self, batch, logs=None):
        self._call("on_predict_batch_end", batch, logs=logs)

    @property
    def gradients_wanted(self) -> bool:
        """Whether one of them does anything at `on_gradients`."""
        return bool(self._of("on_gradients"))

    def on_gradients(self, gradients, variables):
        for callback in self._of("on_gradients"):
            callback.on_gradients(gradients, variables)

    def on_train_begin(self, logs=None):
        check_files(self.callbacks)
        self._call("on_train_begin", logs=logs)

    def on_train_end(self, logs=None):
        self._call("on_train_end", logs=logs)

    def on_test_begin(self, logs=None):
        self._call("on_test_begin", logs=logs)

    def on_test_end(self, logs=None):
        self._call("on_test_end", logs=logs)

    def on_predict_begin(self, logs=None):
        self._call("on_predict_begin", logs=logs)

    def on_predict_end(self, logs=None):
        self._call("on_predict_end", logs=logs)
