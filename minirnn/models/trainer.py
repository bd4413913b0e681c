"""`Trainer`: what training is (a step, a loss, metrics), without the loops around it."""

import threading
import warnings
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from minirnn import config, ops, optimizers
from minirnn import metrics as metrics_module
from minirnn.autograd import Tensor, grad, no_grad
from minirnn.backend import blas
from minirnn.layers.context import context, signature_of
from minirnn.layers.layer import Layer
from minirnn.layers.rollback import all_or_nothing
from minirnn.models.compile_utils import CompileLoss, CompileMetrics
from minirnn.models.data import positive_int, samples_of, unpack_x_y_sample_weight
from minirnn.models.faults import SMALLER, explained
from minirnn.models.nan_checks import watched


class _Compiled:
    """What `compile` made; an object of its own, so that the model does not take it for one of its parts."""

    def __init__(self, loss, metrics, arguments):
        self.loss: CompileLoss | None = loss
        self.metrics: CompileMetrics | None = metrics
        # What it was called with, for a file.
        self.arguments: dict = arguments
        self.tracker = metrics_module.Mean(name="loss")
        # The forms of data that have been tried out.
        self.seen: set = set()

    def all_metrics(self) -> list:
        found: list = [self.tracker]
        if self.metrics is not None:
            found.append(self.metrics)
        return found if self.loss is None else found + self.loss.metrics


class _Held:
    """What a model consists of, found once for a whole epoch: asking again at every step would cost as much
    as a small layer does."""

    def __init__(self, model):
        self.layers = model._flatten_layers()
        self.trainable = model.trainable_weights
        self.regularized = [v for v in self.trainable if v.regularizer is not None]
        self.metrics = model._metrics_of_parts()


class _Holding(threading.local):
    """What is held of each model, by its id, for the loops that this thread runs."""

    def __init__(self):
        self.of: dict[int, _Held] = {}


_holding = _Holding()


class Trainer(Layer):
    """The part of a model that learns: `compile`, the steps, and what they report."""

    optimizer: Any = None
    loss: Any = None
    compiled = False
    stop_training = False
    stop_evaluating = False
    stop_predicting = False
    steps_per_execution = 1
    run_eagerly = False
    jit_compile = False
    history: Any = None
    _compiled: _Compiled | None = None
    # While `fit` runs: how far it is, and who is told of the gradients.
    _run: Any = None
    _gradients_hook: Any = None

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile: bool | str = "auto",
        auto_scale_loss=True,
    ) -> None:
        """Say how the model is to be trained.

        Parameters
        ----------
        optimizer : Optimizer, str or config
        loss : loss, str or callable, or a list, dict or structure of them, optional
            One for all outputs, or one for each: by place in a list, by the name of the output in a dict.
        loss_weights : float, or a list or dict of float, optional
            What the loss of each output is multiplied by.
        metrics, weighted_metrics : list, or a list or dict of lists, optional
            Names, `Metric` objects or functions of ``(y_true, y_pred)``. The second kind is weighted by
            ``sample_weight`` and ``class_weight``. "accuracy" and "crossentropy" are resolved by the shapes
            of targets and outputs. With several outputs a list of as many entries has one entry for each
            output; any other flat list is for all of them. Outputs of a subclassed model that are no dict
            have no names: in logs their losses are called after themselves ("mse_loss"), or "output_1_loss",
            "output_2_loss" where two are the same, and their metrics too ("mae", "mae_1").
        steps_per_execution : int
            How many batches run between two calls of the callbacks.
        auto_scale_loss : bool
            Whether to put the optimizer into a `LossScaleOptimizer` if the model's own dtype policy, the
            global one of when it was made, is "mixed_float16".
        run_eagerly, jit_compile
            Taken for Keras's sake; nothing is compiled here and every step runs eagerly.

        Raises
        ------
        ValueError
            If a name is not known or an argument has another form; the model is left as it was.
        """
        where = f"{self._where}: compile"
        names = getattr(self, "output_names", None)
        optimizer = optimizers.get(optimizer)
        arguments = {
            "optimizer": optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": bool(run_eagerly),
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
        }
        mixed = optimizer is not None and self.dtype_policy.name == "mixed_float16"
        if mixed and auto_scale_loss and not isinstance(optimizer, optimizers.LossScaleOptimizer):
            optimizer = optimizers.LossScaleOptimizer(optimizer, name="loss_scale_optimizer")
        compiled_loss = None if loss is None else CompileLoss(loss, loss_weights, names, self._where)
        compiled_metrics = None
        if metrics is not None or weighted_metrics is not None:
            compiled_metrics = CompileMetrics(metrics, weighted_metrics, names, self._where)
        self.steps_per_execution = positive_int(steps_per_execution, "steps_per_execution", where)
        self.optimizer, self.loss = optimizer, loss
        self.run_eagerly, self.jit_compile = bool(run_eagerly), False
        self._compiled = _Compiled(compiled_loss, compiled_metrics, arguments)
        self.stop_training = False
        self.compiled = True

    def _check_compiled(self, method):
        if not self.compiled:
            raise ValueError(f"{self._where}: call compile(optimizer=..., loss=...) before {method}.")

    # What the model consists of, held while a loop runs.

    @contextmanager
    def _hold(self):
        before = _holding.of.pop(id(self), None)
        try:
            # What is not built will have weights that it has not now.
            if all(layer.built for layer in self._flatten_layers()):
                _holding.of[id(self)] = _Held(self)
            with blas.by_size():
                yield
        finally:
            _holding.of.pop(id(self), None)
            if before is not None:
                _holding.of[id(self)] = before

    def _attempt(self, step, batch, where, advice=SMALLER):
        """Return what a step returns; if it breaks, everything is as before it, and the error says where."""
        with explained(where, batch, advice):
            return all_or_nothing(step, batch)

    def _forget_batches(self, where):
        """Reset the metrics, all of them or none."""
        with explained(where):
            all_or_nothing(self.reset_metrics)

    def _logs_of(self, step, batch, where, advice=SMALLER) -> dict:
        """Return the logs of a step."""
        if config.nan_checks_enabled():
            step = watched(step, self, where)
        logs = self._attempt(step, batch, where, advice)
        if not isinstance(logs, dict):
            raise TypeError(
                f"{self._where}: {getattr(step, '__name__', step)} must return a dict of logs, from names to "
                f"numbers; got {type(logs).__name__}."
            )
        return logs

    @property
    def trainable_weights(self):
        held = _holding.of.get(id(self))
        return super().trainable_weights if held is None else list(held.trainable)

    @property
    def losses(self) -> list[Tensor]:
        """What `add_loss`, activity and weight regularizers contribute, one scalar Tensor each."""
        held = _holding.of.get(id(self))
        if held is None:
            return super().losses
        found = [loss for layer in held.layers for loss in layer._losses]
        return found + [v.regularizer(v) for v in held.regularized]

    def _metrics_of_parts(self) -> list:
        """The metrics that this model's attributes hold, and those of the layers in it."""
        found = self._find(metrics_module.Metric)
        for layer in self._flatten_layers(include_self=False):
            if not isinstance(layer, Trainer):
                found += layer._find(metrics_module.Metric)
        return found

    @property
    def metrics(self) -> list:
        """What is measured: the loss, the metrics of `compile` (one object), each output's loss, then those
        of the model's attributes and layers."""
        compiled = [] if self._compiled is None else self._compiled.all_metrics()
        held = _holding.of.get(id(self))
        return compiled + (self._metrics_of_parts() if held is None else held.metrics)

    @property
    def metrics_variables(self) -> list:
        """The Variables of `metrics`."""
        return [variable for metric in self.metrics for variable in metric.variables]

    @property
    def metrics_names(self) -> list[str]:
        """The names of `metrics`."""
        return [metric.name for metric in self.metrics]

    def reset_metrics(self) -> None:
        """Let all metrics forget what they have seen."""
        for metric in self.metrics:
            metric.reset_state()

    def get_metrics_result(self) -> dict:
        """Return the present value of every metric under its name."""
        results = {}
        for metric in self.metrics:
            value = metric.result()
            if isinstance(value, dict):
                results.update(value)
            else:
                results[metric.name] = value
        return results

    # One step; each of these may be overridden.

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight=None, training=True
    ) -> Tensor:
        """Return what training minimises, a scalar Tensor: the compiled losses and `losses`.

        Raises
        ------
        ValueError
            If there is nothing to minimise.
        """
        found = []
        if self._compiled is not None and self._compiled.loss is not None:
            value = self._compiled.loss(y, y_pred, sample_weight)
            if value is not None:
                found.append(value)
        found += [loss if not loss.ndim else ops.sum(loss) for loss in self.losses]
        if not found:
            if training:
                raise ValueError(
                    f"{self._where}: there is no loss. Pass loss= to compile, or use add_loss in a layer."
                )
            return ops.zeros(())
        return sum(found[1:], start=found[0])

    def _compute_loss(self, x, y, y_pred, sample_weight, training) -> Tensor:
        # Methods written before Keras 3.3 do not take `training`.
        takes = "training" in signature_of(type(self).compute_loss).names
        options = {"training": training} if takes else {}
        loss = self.compute_loss(x, y, y_pred, sample_weight, **options)
        if context.watch is not None:
            context.watch.check_loss(loss, x, y, sample_weight)
        return loss

    def _gradients(self, loss, variables, optimizer) -> Any:
        loss = optimizer.scale_loss(loss)
        # One that scales the loss leaves out a step in which float16 overflows: nothing to warn of.
        scaled = isinstance(optimizer, optimizers.LossScaleOptimizer)
        with np.errstate(over="ignore", invalid="ignore") if scaled else nullcontext():
            if context.watch is not None:
                gradients = context.watch.gradients(loss, variables, optimizer)
            else:
                gradients: Any = grad(loss, variables)
        if self._gradients_hook is not None:
            scale = float(optimizer.scale_loss(ops.ones(())))
            unscaled = gradients if scale == 1 else [None if g is None else g / scale for g in gradients]
            self._gradients_hook(unscaled, variables)
        return gradients

    def compute_metrics(self, x, y, y_pred, sample_weight=None) -> dict:
        """Update the compiled metrics by a batch, and return the value of every metric."""
        if self._compiled is not None and self._compiled.metrics is not None:
            self._compiled.metrics.update_state(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def _report(self, loss, x, y, y_pred, sample_weight) -> dict:
        with no_grad():
            tracker = None if self._compiled is None else self._compiled.tracker
            if tracker is not None:
                samples = samples_of(x)
                tracker.total.assign_add(loss.data * samples)
                tracker.count.assign_add(samples)
            return self.compute_metrics(x, y, y_pred, sample_weight)

    def train_step(self, data) -> dict:
        """Update the weights by one batch.

        Parameters
        ----------
        data : tuple
            ``(x, y)``, ``(x, y, sample_weight)``, ``(x,)`` or ``x``; `unpack_x_y_sample_weight` takes it
            apart.

        Returns
        -------
        dict of str to Tensor
            The logs.
        """
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        y_pred = self(x, training=True)
        loss = self._compute_loss(x, y, y_pred, sample_weight, training=True)
        variables = self.trainable_weights
        if variables:
            optimizer = self.optimizer
            if optimizer is None:
                raise ValueError(f"{self._where}: training needs an optimizer; pass optimizer= to compile.")
            optimizer.apply(self._gradients(loss, variables, optimizer), variables)
        else:
            warnings.warn(f"{self._where} has no trainable weights; training changes nothing.", stacklevel=2)
        return self._report(loss, x, y, y_pred, sample_weight)

    def test_step(self, data) -> dict:
        """Return the logs of one batch, as `train_step` does, without an update."""
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        y_pred = self(x, training=False)
        loss = self._compute_loss(x, y, y_pred, sample_weight, training=False)
        return self._report(loss, x, y, y_pred, sample_weight)

    def predict_step(self, data) -> Any:
        """Return the outputs for one batch."""
        x, _, _ = unpack_x_y_sample_weight(data)
        return self(x, training=False)
