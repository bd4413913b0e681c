"""`GradientNorms`: how large the gradients of each layer are."""

from minirnn import backend
from minirnn.callbacks.callback import Callback
from minirnn.optimizers.arguments import check_count


class GradientNorms(Callback):
    """Measure the norm of the gradients of each layer in `fit`.

    It is the Euclidean norm of all of a layer's gradients together, as the loss gives them: before clipping,
    and without the factor of a `LossScaleOptimizer`. A layer that has others inside, such as `Bidirectional`,
    counts as one; a model inside is looked into. Gradients that vanish or explode in a deep or long recurrent
    model show here first.

    Parameters
    ----------
    every : int
        Measure every so many steps.
    in_logs : bool
        Whether to put an epoch's means into its logs, and so into History and files, as
        "gradient_norm/<layer>".

    Attributes
    ----------
    last : dict of str to float
        The norms of the last step measured, by the layer's name.
    mean, largest : dict of str to list of float
        For each epoch, over the steps measured.

    Raises
    ------
    ValueError
        If `every` is no integer of 1 or more.

    Examples
    --------
    >>> norms = GradientNorms()
    >>> model.fit(x, y, callbacks=[norms])  # doctest: +SKIP
    >>> norms.largest  # doctest: +SKIP
    {'lstm': [0.31], 'dense': [1.24]}
    """

    def __init__(self, every=1, in_logs=True):
        check_count("GradientNorms", 1, every=every)
        super().__init__()
        self.every, self.in_logs = every, in_logs
        self._forget()

    def _forget(self):
        self.mean: dict[str, list[float]] = {}
        self.largest: dict[str, list[float]] = {}
        self._steps = 0
        self._groups = None
        self._forget_epoch()

    def _forget_epoch(self):
        # Of the steps so far: sum, largest and last of each layer's norm, as arrays on the gradients' device.
        self._sums: dict = {}
        self._largest: dict = {}
        self._last: dict = {}
        self._measured = 0

    @property
    def last(self) -> dict[str, float]:
        return {name: float(value) for name, value in self._last.items()}

    def on_train_begin(self, logs=None):
        self._forget()

    def on_epoch_begin(self, epoch, logs=None):
        self._forget_epoch()
        # Layers may have been frozen or added.
        self._groups = None

    def on_gradients(self, gradients, variables):
        self._steps += 1
        if (self._steps - 1) % self.every:
            return
        if self._groups is None:
            self._groups = layers_by_weight(self.model)
        squares: dict = {}
        for gradient, variable in zip(gradients, variables):
            if gradient is not None:
                name = self._groups.get(id(variable), self.model.name)
                # The squares of large float32 numbers are no float32.
                wide = gradient.data.astype("float64")
                squares[name] = squares.get(name, 0.0) + (wide * wide).sum()
        for name, square in squares.items():
            xp = backend.array_module(square)
            norm = self._last[name] = xp.sqrt(square)
            self._sums[name] = self._sums.get(name, 0.0) + norm
            self._largest[name] = xp.maximum(self._largest.get(name, norm), norm)
        self._measured += 1

    def on_epoch_end(self, epoch, logs=None):
        for name, total in self._sums.items():
            mean = float(total) / self._measured
            self.mean.setdefault(name, []).append(mean)
            self.largest.setdefault(name, []).append(float(self._largest[name]))
            if self.in_logs and logs is not None:
                logs[f"gradient_norm/{name}"] = mean

    def get_state(self):
        kept = {"mean": self.mean, "largest": self.largest, "steps": self._steps, "measured": self._measured}
        for name, values in (("sums", self._sums), ("tops", self._largest), ("last", self._last)):
            kept[name] = {layer: float(value) for layer, value in values.items()}
        return kept

    def set_state(self, state):
        self.mean, self.largest = state["mean"], state["largest"]
        self._steps, self._measured = state["steps"], state["measured"]
        self._sums, self._largest, self._last = state["sums"], state["tops"], state["last"]


def layers_by_weight(model, prefix="") -> dict[int, str]:
    """Return the name of the layer that each weight belongs to, by the weight's id.

    Parameters
    ----------
    model : Model
    prefix : str
        Comes before each name: that of the models around, each with a slash.
    """
    found = {}
    for layer in model.layers:
        if hasattr(layer, "layers") and hasattr(layer, "train_step"):
            inner = layers_by_weight(layer, f"{prefix}{layer.name}/")
            found.update({id(v): prefix + layer.name for v in layer.weights} | inner)
        else:
            found.update({id(v): prefix + layer.name for v in layer.weights})
    return found
