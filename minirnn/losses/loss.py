"""The base class of losses: from one value a sample to one number, by weights, masks and a reduction."""

from minirnn import backend, config, dtype_policies, ops, tree
from minirnn.autograd import Tensor, convert
from minirnn.utils import registry
from minirnn.utils.naming import auto_name

# From a loss function to what checks the targets of a whole data set for it.
TARGET_CHECKS: dict = {}
# The loss functions that themselves take account of a mask of the predictions.
TAKE_MASKS: set = set()

_REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


class Loss:
    """The base class: subclasses define ``call(self, y_true, y_pred)``, one value a sample or step.

    Parameters
    ----------
    name : str, optional
    reduction : str or None
        "sum_over_batch_size" or "mean": the sum over the number of values, of those that a mask leaves if
        there is one. "sum". "mean_with_sample_weight": the sum over the sum of the weights. "none" or None:
        the values as they are.
    dtype : str or DTypePolicy, optional
        What targets and predictions are cast to; default floatx.

    Raises
    ------
    ValueError
        If `reduction` is none of these.
    """

    # Whether targets are class numbers, which must not go through floats of 24 bits.
    integer_targets = False
    # Whether a mask of the predictions says which values count; otherwise `call` finds it on them.
    masks_values = True

    def __init__(self, name=None, reduction: str | None = "sum_over_batch_size", dtype=None):
        self.name = name or auto_name(type(self).__name__)
        if reduction not in _REDUCTIONS:
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: reduction must be one of "
                f"{', '.join(map(str, _REDUCTIONS))}; got {reduction!r}."
            )
        self.reduction = reduction
        self.dtype = dtype_policies.get(dtype or config.floatx()).compute_dtype

    def __call__(self, y_true, y_pred, sample_weight=None) -> Tensor:
        """Return the reduced loss.

        Parameters
        ----------
        y_true, y_pred : array, or nested structure of arrays where `call` takes one
        sample_weight : array, optional
            One for each sample, or for each value of the loss.
        """
        mask = backend.get_keras_mask(y_pred)
        if tree.is_nested(y_pred):
            y_pred = tree.map_structure(lambda y: convert(y, self.dtype), y_pred)
            y_true = tree.map_structure(lambda y: _cast(y, self.dtype), y_true)
        else:
            y_pred = convert(y_pred, self.dtype)
            y_true = convert(y_true) if self.integer_targets else _cast(y_true, self.dtype)
        if mask is not None and not self.masks_values:
            backend.set_keras_mask(y_pred, mask)
            mask = None
        values = convert(self.call(y_true, y_pred), self.dtype)
        mask_of_values = backend.get_keras_mask(values)
        if mask is not None and mask_of_values is not None:
            mask = ops.logical_and(mask, mask_of_values)
        elif mask is None:
            mask = mask_of_values
        return reduce_weighted_values(values, sample_weight, mask, self.reduction)

    def call(self, y_true, y_pred):
        raise NotImplementedError(f"{type(self).__name__} must define call(self, y_true, y_pred).")

    def check_targets(self, y_true, y_pred_shape) -> None:
        """Raise ValueError if one of `y_true`, the targets of a whole data set, is none for this loss.

        `fit` asks before it changes anything; `y_pred_shape` is that of the outputs for one batch. By default
        nothing is checked.
        """

    def get_config(self) -> dict:
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def _cast(y_true, dtype) -> Tensor:
    given = convert(y_true)
    cast = convert(given, dtype)
    if cast is not given:
        cast._host = given._host
    return cast


def squeeze_or_expand_to_same_rank(a: Tensor, b: Tensor, expand_rank_1=True):
    """Return two Tensors whose ranks differ by one, in a last axis of size 1, with the same rank."""
    for x, y, swapped in ((a, b, False), (b, a, True)):
        if x.ndim == y.ndim + 1 and x.shape[-1] == 1:
            if y.ndim == 1 and expand_rank_1:
                y = ops.expand_dims(y, -1)
            else:
                x = ops.squeeze(x, -1)
            return (y, x) if swapped else (x, y)
    return a, b


def apply_mask(sample_weight, mask, dtype, reduction):
    """Return weights that leave out what `mask` does not hold, or None if there are neither.

    For a mean over all values those left weigh more, so that the mean is over them alone.
    """
    if mask is None:
        return None if sample_weight is None else convert(sample_weight, dtype)
    mask = ops.cast(mask, dtype)
    if reduction in ("mean", "sum_over_batch_size"):
        mask = mask * (float(mask.size) / ops.maximum(ops.sum(mask), 1.0))
    if sample_weight is None:
        return mask
    mask, sample_weight = squeeze_or_expand_to_same_rank(mask, convert(sample_weight, dtype))
    return _append_axes(sample_weight, mask.ndim) * _append_axes(mask, sample_weight.ndim)


def _append_axes(x: Tensor, ndim) -> Tensor:
    return ops.reshape(x, x.shape + (1,) * (ndim - x.ndim)) if x.ndim < ndim else x


def reduce_weighted_values(
    values, sample_weight=None, mask=None, reduction: str | None = "sum_over_batch_size", dtype=None
):
    """Return a loss from its values, weights, and mask; see `Loss`."""
    values = convert(values, dtype)
    weight = apply_mask(sample_weight, mask, values.dtype, reduction)
    if weight is not None:
        values, weight = squeeze_or_expand_to_same_rank(values, convert(weight))
        values = values * (weight := _fit_weight(weight, values))
    if reduction in (None, "none") or not values.ndim or values.shape == (0,):
        return values
    total = ops.sum(values)
    if reduction == "sum":
        return total
    if reduction == "mean_with_sample_weight" and weight is not None:
        divisor = ops.sum(weight)
        return (
            total
            / ops.where(divisor == 0, ops.ones_like(divisor), divisor)
            * ops.cast(divisor != 0, total.dtype)
        )
    return total / float(max(values.size, 1))


def _fit_weight(weight: Tensor, values: Tensor) -> Tensor:
    """Return weights that broadcast against `values`, from one for each value or for each of leading axes."""
    shape = weight.shape
    if not values.ndim:
        return weight
    weight = _append_axes(weight, values.ndim)
    if any(n not in (1, m) for n, m in zip(weight.shape, values.shape)) or weight.ndim > values.ndim:
        raise ValueError(
            f"loss: sample_weight, or a mask, must have the shape of the values of the loss, {values.shape}, "
            f"or of leading axes of it; got {shape}."
        )
    return weight


class LossFunctionWrapper(Loss):
    """A `Loss` of a function ``fn(y_true, y_pred, **kwargs)`` that gives one value a sample.

    Parameters
    ----------
    fn : callable
    reduction, name, dtype
        See `Loss`.
    **kwargs
        Handed on to `fn`.
    """

    def __init__(self, fn, reduction: str | None = "sum_over_batch_size", name=None, dtype=None, **kwargs):
        super().__init__(name, reduction, dtype)
        self.fn = fn
        self._fn_kwargs = kwargs
        # As a function it has no class to say so.
        self.integer_targets = self.integer_targets or fn in TARGET_CHECKS
        self.masks_values = fn not in TAKE_MASKS

    def check_targets(self, y_true, y_pred_shape):
        check = TARGET_CHECKS.get(self.fn)
        if check is not None:
            check(y_true, y_pred_shape, **self._fn_kwargs)

    def call(self, y_true, y_pred):
        if isinstance(y_true, Tensor) and isinstance(y_pred, Tensor):
            y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
        return self.fn(y_true, y_pred, **self._fn_kwargs)

    def get_config(self):
        extra = {"fn": self.fn, **self._fn_kwargs} if type(self) is LossFunctionWrapper else self._fn_kwargs
        return {**super().get_config(), **registry.serialize_keras_object(extra)}

    @classmethod
    def from_config(cls, config):
        return cls(**(registry.deserialize_keras_object(config) if "fn" in config else config))

    def __repr__(self):
        return f"<{type(self).__name__} name={self.name}>"
