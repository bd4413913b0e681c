"""The base class of metrics, and the means that most of them are."""

from typing import Any

from minirnn import backend, config, dtype_policies, initializers, ops
from minirnn.autograd import Tensor, Variable, convert, no_grad
from minirnn.backend import allowance
from minirnn.losses.loss import apply_mask, squeeze_or_expand_to_same_rank
from minirnn.utils import registry
from minirnn.utils.naming import auto_name

_CONTAINERS = list | tuple | dict | set
# What holds nothing to track, as nearly everything in a list does.
_PLAIN = frozenset({type(None), bool, int, float, str, bytes})


def _collect(value, found: list, seen: dict) -> None:
    """Append the Variables and metrics in a value, each once; `seen` holds the containers looked through."""
    if isinstance(value, Variable | Metric):
        found.append(value)
    elif isinstance(value, _CONTAINERS) and id(value) not in seen:
        seen[id(value)] = value
        items = value.values() if isinstance(value, dict) else value
        if not _PLAIN.issuperset(map(type, items)):
            for item in items:
                _collect(item, found, seen)


class Metric:
    """The base class: subclasses define ``update_state`` and ``result``, and make Variables in ``__init__``.

    Parameters
    ----------
    dtype : str or DTypePolicy, optional
        Of the computations; default floatx.
    name : str, optional

    Attributes
    ----------
    variables : list of Variable
        Its own, in the order of making, then those of metrics that it holds: attributes are looked through,
        and lists, tuples, dicts and sets in them.
    """

    # "up" or "down": which way is better, where the kind of metric says it.
    _direction: str | None = None

    def __init__(self, dtype=None, name=None):
        self._variables: list[Variable] = []
        self._metrics: list[Metric] = []
        self.name = name or auto_name(type(self).__name__)
        self.dtype = dtype_policies.get(dtype or config.floatx()).compute_dtype

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if isinstance(value, Variable | Metric | _CONTAINERS):
            self._track()

    def _track(self):
        """Note the Variables and metrics that attributes hold by now, in the order of their coming."""
        found, seen = [], {}
        for name, value in list(vars(self).items()):
            if name not in ("_variables", "_metrics"):
                _collect(value, found, seen)
        for item in found:
            known = self._store("_variables" if isinstance(item, Variable) else "_metrics")
            if not any(item is other for other in known):
                known.append(item)

    def _store(self, name) -> list:
        try:
            return self.__dict__[name]
        except KeyError:
            raise RuntimeError(
                f"{type(self).__name__}: call super().__init__(name=name) first in __init__."
            ) from None

    @property
    def variables(self) -> list[Variable]:
        self._track()  # a list or dict may have grown since it was set
        return [*self._variables, *(v for metric in self._metrics for v in metric.variables)]

    def add_variable(
        self, shape, initializer: Any = "zeros", dtype=None, aggregation="sum", name=None
    ) -> Variable:
        """Make a Variable of the metric's state.

        Parameters
        ----------
        shape : tuple of int
        initializer : str or callable
        dtype : str, optional
            Default: that of the metric.
        aggregation : str
            How several devices would put theirs together; there is only one.
        name : str, optional
        """
        known = self._store("_variables")
        self._track()
        name = name or "variable"
        allowance.ask(*shape)
        variable = Variable(
            initializers.get(initializer),
            shape=shape,
            dtype=dtype or self.dtype,
            trainable=False,
            name=name,
            path=f"{self.name.replace('/', '>')}/{name}",
        )
        allowance.hold(variable.data)
        known.append(variable)
        return variable

    def add_weight(self, shape: Any = (), initializer: Any = "zeros", dtype=None, name=None) -> Variable:
        """Make a Variable; see `add_variable`."""
        return self.add_variable(shape, initializer or "zeros", dtype, name=name)

    def reset_state(self) -> None:
        """Set every Variable to 0."""
        for variable in self.variables:
            variable.assign(ops.zeros(variable.shape, dtype=variable.dtype))

    def update_state(self, *args, **kwargs):
        """Take a batch into account."""
        raise NotImplementedError(f"{type(self).__name__} must define update_state().")

    def result(self) -> Any:
        """Return the value for all batches since the last reset: a scalar Tensor or a dict of them."""
        raise NotImplementedError(f"{type(self).__name__} must define result().")

    def __call__(self, *args, **kwargs):
        """Update, then return the result."""
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self) -> dict:
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __repr__(self):
        return f"<{type(self).__name__} name={self.name}>"


def _reduce_to_samples(values, sample_weight, reduce, dtype):
    """Return weighted values and weights, one a sample, as Keras does: inner axes by `reduce` of both."""
    mask = backend.get_keras_mask(values)
    values = convert(values, dtype)
    if sample_weight is not None:
        weight = convert(apply_mask(sample_weight, mask, dtype, "sum"))
        values, weight = squeeze_or_expand_to_same_rank(values, weight)
        if values.ndim > weight.ndim:
            values = reduce(values, axis=tuple(range(weight.ndim, values.ndim)))
        if any(n not in (1, m) for n, m in zip(weight.shape, values.shape)) or weight.ndim > values.ndim:
            raise ValueError(
                f"metric: sample_weight, or a mask, must have the shape of the values of the metric, "
                f"{values.shape}, or of leading axes of it; got {weight.shape}."
            )
        weight = ops.broadcast_to(weight, values.shape)
        values = values * weight
        sample_weight = reduce(weight, axis=tuple(range(1, weight.ndim))) if weight.ndim > 1 else weight
    if values.ndim > 1:
        values = reduce(values, axis=tuple(range(1, values.ndim)))
    return values, sample_weight


def fit_weight(weight: Tensor, shape, where) -> Tensor:
    """Return weights of a shape, or of leading axes of it, broadcast to that shape; or raise ValueError."""
    given = weight.shape
    if weight.ndim == len(shape) + 1 and given[-1] == 1:
        weight = ops.squeeze(weight, -1)
    weight = ops.reshape(weight, weight.shape + (1,) * (len(shape) - weight.ndim))
    if weight.ndim > len(shape) or any(n not in (1, m) for n, m in zip(weight.shape, shape)):
        raise ValueError(
            f"{where}: sample_weight, or a mask, must have the shape of the values, {tuple(shape)}, or of "
            f"leading axes of it; got {given}."
        )
    return ops.broadcast_to(weight, shape)


class Sum(Metric):
    """The weighted sum of all values."""

    def __init__(self, name="sum", dtype=None):
        super().__init__(dtype, name)
        self.total = self.add_variable((), name="total")

    def update_state(self, values, sample_weight=None):
        """Add values, of any shape, times their weights."""
        with no_grad():
            values, _ = _reduce_to_samples(values, sample_weight, ops.sum, self.dtype)
            self.total.assign_add(ops.sum(values))

    def result(self) -> Tensor:
        return self.total.value


class Mean(Metric):
    """The weighted mean of all values; 0 before the first."""

    def __init__(self, name="mean", dtype=None):
        super().__init__(dtype, name)
        self.total = self.add_variable((), name="total")
        self.count = self.add_variable((), name="count")

    def update_state(self, values, sample_weight=None):
        """Take in values of shape (samples, ...), the mean of each sample with its weight."""
        with no_grad():
            values, weight = _reduce_to_samples(values, sample_weight, ops.mean, self.dtype)
            if weight is not None:
                count = ops.sum(weight)
            else:
                count = values.shape[0] if values.ndim else 1
            self.total.assign_add(ops.sum(values))
            self.count.assign_add(count)

    def result(self) -> Tensor:
        total, count = self.total.data, self.count.data
        xp = backend.array_module(total)
        safe = xp.where(count == 0, xp.ones_like(count), count)
        return Tensor(xp.asarray(xp.where(count == 0, xp.zeros_like(total), total / safe)))


class MeanMetricWrapper(Mean):
    """The mean of what a function ``fn(y_true, y_pred, **kwargs)`` gives for each sample.

    Parameters
    ----------
    fn : callable
    name, dtype
        See `Metric`.
    **kwargs
        Handed on to `fn`.
    """

    def __init__(self, fn, name=None, dtype=None, **kwargs):
        super().__init__(name or auto_name(type(self).__name__), dtype)
        self._fn = fn
        self._fn_kwargs = kwargs

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Take in targets and predictions; what a mask of the predictions leaves out is not counted."""
        with no_grad():
            mask = backend.get_keras_mask(y_pred)
            values = self._fn(y_true, y_pred, **self._fn_kwargs)
            for left in (mask, backend.get_keras_mask(values)):
                sample_weight = apply_mask(sample_weight, left, self.dtype, "sum")
            super().update_state(values, sample_weight)

    def get_config(self):
        extra = {"fn": self._fn, **self._fn_kwargs} if type(self) is MeanMetricWrapper else self._fn_kwargs
        return {**super().get_config(), **registry.serialize_keras_object(extra)}

    @classmethod
    def from_config(cls, config):
        return cls(**(registry.deserialize_keras_object(config) if "fn" in config else config))
