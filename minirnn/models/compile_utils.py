"""What `compile` is given, resolved for each output of a model: its losses, their weights, its metrics."""

from typing import Any

import numpy as np

from minirnn import losses, metrics, ops, tree
from minirnn.autograd import Tensor
from minirnn.models.outputs import Outputs, sample_weights
from minirnn.utils.naming import get_object_name

_ACCURACY = ("accuracy", "acc")
_CROSSENTROPY = ("crossentropy", "ce")


def _check_known(spec, get, special, leaf=str):
    """Raise ValueError if a name anywhere in `spec` is not known, before anything depends on it."""
    for entry in tree.flatten(spec):
        if isinstance(entry, leaf) and entry.lower() not in special:
            get(entry)


class CompileLoss:
    """The losses of a model, weighted and added up.

    Parameters
    ----------
    loss : loss, name, callable, or a list, dict or structure of them
        None in place of one leaves that output without a loss.
    loss_weights : number, or a list or dict of numbers, optional
    output_names : list of str, optional
    where : str

    Attributes
    ----------
    metrics : list of Mean
        The mean of each loss so far, without its weight; none if there is only one.
    """

    def __init__(self, loss, loss_weights=None, output_names=None, where="Model"):
        for entry in tree.flatten(loss):
            if not (entry is None or callable(entry) or isinstance(entry, str)):
                raise ValueError(
                    f"{where}: a loss must be a name, a Loss, a function of (y_true, y_pred) or None; got "
                    f"{entry!r}."
                )
        _check_known(loss, losses.get, _CROSSENTROPY)
        for weight in tree.flatten(loss_weights):
            if weight is not None and not isinstance(weight, int | float | np.number):
                raise ValueError(
                    f"{where}: loss_weights must be numbers, one for each output, in a list or in a dict by "
                    f"name; got {weight!r}."
                )
        self._loss, self._weights, self._names, self._where = loss, loss_weights, output_names, where
        self.metrics: list[metrics.Mean] = []
        self.built = False

    def build(self, y_true, y_pred):
        """Resolve names and places for outputs like `y_pred`."""
        outputs = Outputs(y_pred, self._names, self._where)
        loss = self._loss
        if isinstance(loss, dict) and not isinstance(y_pred, dict) and set(loss) != set(outputs.names):
            raise ValueError(
                f"{self._where}: loss must name each output, {outputs.names}; got {list(loss)}. Give None "
                f"for one without a loss.{outputs.hint(set(loss) - set(outputs.names))}"
            )
        given = outputs.each(loss, "loss")
        weights = outputs.each(self._weights, "loss_weights")
        wanted = [entry is not None for entry in given]
        targets = outputs.targets(y_true, wanted=wanted)
        self._losses = []
        # Where outputs have keys, a dict of losses is reported in its own order, as in Keras.
        by_key = isinstance(y_pred, dict) and isinstance(loss, dict)
        for index in outputs.order_in(loss) if by_key else range(outputs.count):
            if given[index] is not None:
                function = self._resolve(given[index], targets[index], tree.flatten(y_pred)[index])
                self._losses.append((index, function, weights[index]))
        if len(self._losses) > 1:
            labels = outputs.logged_as([(index, function) for index, function, _ in self._losses])
            self.metrics = [metrics.Mean(name=f"{label}_loss") for label in labels]
        self._outputs, self._wanted = outputs, wanted
        self._shapes = [tuple(leaf.shape) for leaf in tree.flatten(y_pred)]
        self.built = True

    def _resolve(self, entry, y_true, y_pred):
        if isinstance(entry, str) and entry.lower() in _CROSSENTROPY:
            self._need_target(y_true)
            function = losses.resolve_crossentropy(y_true.shape, y_pred.shape)
        else:
            function = losses.get(entry)
        if isinstance(function, losses.Loss):
            return function
        return losses.LossFunctionWrapper(
            function, name=entry if isinstance(entry, str) else get_object_name(function)
        )

    def _need_target(self, y_true):
        if y_true is None:
            raise ValueError(
                f"{self._where}: there is a loss, but no targets. Pass y, or batches of the form (x, y), or "
                "give None as the loss of an output without targets."
            )

    def check_targets(self, y_true):
        """Raise ValueError if some target, of those of all batches, is none for its loss."""
        targets = self._outputs.targets(y_true, wanted=self._wanted)
        for index, function, _ in self._losses:
            function.check_targets(targets[index], self._shapes[index])

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Return the weighted sum of the losses, a scalar Tensor; None if there is none."""
        if not self.built:
            self.build(y_true, y_pred)
        total = None
        predictions = tree.flatten(y_pred)
        targets = self._outputs.targets(y_true, wanted=self._wanted)
        weights = sample_weights(self._outputs, sample_weight, self._wanted)
        for number, (index, function, scale) in enumerate(self._losses):
            self._need_target(targets[index])
            value = function(targets[index], predictions[index], weights[index])
            if value.ndim:
                value = ops.sum(value)
            if self.metrics:
                self.metrics[number].update_state(value, sample_weight=predictions[index].shape[0])
            if scale is not None:
                value = value * float(scale)
            total = value if total is None else total + value
        return total


class CompileMetrics:
    """The metrics of a model, each of its output, under Keras's names.

    Parameters
    ----------
    metrics, weighted_metrics : list, dict or structure of metrics, names and callables, optional
        The second kind takes account of sample weights.
    output_names : list of str, optional
    where : str
    """

    name = "compile_metrics"

    def __init__(self, metrics_, weighted_metrics=None, output_names=None, where="Model"):
        for name, spec in (("metrics", metrics_), ("weighted_metrics", weighted_metrics)):
            if spec is not None and not isinstance(spec, list | tuple | dict):
                raise ValueError(
                    f"{where}: {name} must be a list, or a list or dict for several outputs; got {spec!r}. "
                    f"Write {name}=[{spec!r}]."
                )
            for entry in tree.flatten(spec):
                if not (entry is None or callable(entry) or isinstance(entry, str | metrics.Metric)):
                    raise ValueError(
                        f"{where}: a metric must be a name, a Metric or a function of (y_true, y_pred); got "
                        f"{entry!r}."
                    )
            _check_known(spec, metrics.get, _ACCURACY + _CROSSENTROPY)
        self._specs = (metrics_, weighted_metrics)
        self._names, self._where = output_names, where
        self._resolved: list[list] = [[], []]
        self.built = False

    def __repr__(self):
        return f"<{type(self).__name__} name={self.name}>"

    @property
    def metrics(self) -> list[metrics.Metric]:
        """The metrics, once a batch has been seen."""
        return [metric for kind in self._resolved for _, metric in kind]

    @property
    def variables(self):
        return [v for metric in self.metrics for v in metric.variables]

    def build(self, y_true, y_pred):
        """Resolve names and places for outputs like `y_pred`."""
        self._outputs = outputs = Outputs(y_pred, self._names, self._where)
        kinds = [
            self._entries(spec, name) for name, spec in zip(("metrics", "weighted_metrics"), self._specs)
        ]
        self._wanted = [bool(plain or weighted) for plain, weighted in zip(*kinds)]
        targets, predictions = outputs.targets(y_true, wanted=self._wanted), tree.flatten(y_pred)
        resolved = []
        for entries_of_outputs in kinds:
            kind = []
            for index, entries in enumerate(entries_of_outputs):
                for entry in entries:
                    kind.append(
                        (index, _resolve_metric(entry, targets[index], predictions[index], self._where))
                    )
            resolved.append(kind)
        self._resolved = resolved
        self.built = True

    def _entries(self, spec, name):
        """Return a list of metrics for each output."""
        outputs = self._outputs
        if not spec:
            return [[]] * outputs.count
        if outputs.count == 1:
            return [[entry for entry in tree.flatten(spec) if entry is not None]]
        if (
            isinstance(spec, list | tuple)
            and len(spec) != outputs.count
            and not any(map(tree.is_nested, spec))
        ):
            # One list for all outputs, as before Keras 3; each has metrics of its own.
            return [[_fresh(entry) for entry in spec] for _ in range(outputs.count)]
        entries = outputs.each(spec, name, leaf=lambda s: s is not spec and _is_flat_list(s))
        return [
            [e for e in tree.flatten(entry) if e is not None] if entry is not None else []
            for entry in entries
        ]

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Take a batch into account."""
        if not self.built:
            self.build(y_true, y_pred)
        plain, weighted = self._resolved
        targets, predictions = self._outputs.targets(y_true, wanted=self._wanted), tree.flatten(y_pred)
        for index, metric in plain:
            metric.update_state(targets[index], predictions[index])
        if weighted:
            weights = sample_weights(self._outputs, sample_weight, self._wanted)
            for index, metric in weighted:
                metric.update_state(targets[index], predictions[index], sample_weight=weights[index])

    def reset_state(self):
        """Forget all batches."""
        for metric in self.metrics:
            metric.reset_state()

    def result(self) -> dict[str, Tensor]:
        """Return the value of each metric under its name, after that of its output if there are several with
        names."""
        results: dict = {}
        counts: dict[str, int] = {}
        for weighted, kind in enumerate(self._resolved):
            for index, metric in kind:
                outputs = self._outputs
                prefix = f"{outputs.names[index]}_" if outputs.count > 1 and outputs.named else ""
                name = prefix + metric.name
                if weighted and name in counts:
                    name = f"{prefix}weighted_{metric.name}"
                count = counts.get(name, 0)
                counts[name] = count + 1
                results[f"{name}_{count}" if count else name] = metric.result()
        return results


def _is_flat_list(entry) -> bool:
    return isinstance(entry, list | tuple) and not any(map(tree.is_nested, entry))


def _fresh(entry):
    return entry.from_config(entry.get_config()) if isinstance(entry, metrics.Metric) else entry


def _resolve_metric(entry, y_true, y_pred, where):
    name = entry.lower() if isinstance(entry, str) else None
    # A metric of the user's own may do without.
    own = name is None and not getattr(entry, "__module__", "").startswith("minirnn.")
    if y_true is None and not own:
        label = entry if isinstance(entry, str) else get_object_name(entry)
        raise ValueError(f"{where}: the metric {label!r} needs targets, and there are none for its output.")
    shape: Any = getattr(y_true, "shape", None)
    if name in _ACCURACY:
        kind: Any = metrics.resolve_accuracy(shape, y_pred.shape)
        metric = kind(name=entry)
    elif name in _CROSSENTROPY:
        metric = losses.resolve_crossentropy(shape, y_pred.shape)
    else:
        metric = metrics.get(entry)
    if not isinstance(metric, metrics.Metric):
        metric = metrics.MeanMetricWrapper(metric, name=get_object_name(metric))
    if isinstance(entry, str):
        metric.name = entry
    return metric
