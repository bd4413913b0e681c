"""Layers of several inputs that combine them number by number: `Add`, `Multiply`, `Maximum` and their kin.

Inputs come as a list. They broadcast against each other except along the batch axis; one with fewer axes gets
the missing ones after the batch axis.
"""

import functools
from typing import Any

from minirnn import backend, ops, tree
from minirnn.layers.layer import Layer


def check_is_list(layer, inputs, count=None):
    """Raise ValueError unless `inputs`, or their shapes, are a list of one or more, or of `count`."""
    several = isinstance(inputs, list | tuple) and (not inputs or not tree.is_shape(inputs))
    number = len(inputs) if several else 0
    if not number or (count is not None and number != count):
        raise ValueError(
            f"{layer._where}: expected a list of {count or 'one or more'} inputs; got "
            f"{f'a list of {number}' if several else 'a single tensor'}."
        )


class Merge(Layer):
    """The base: checks that shapes and batch sizes agree, and merges masks."""

    _count = None  # of inputs, where it is fixed

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        self._check_shapes(input_shape)

    def _check_shapes(self, shapes):
        check_is_list(self, shapes, self._count)
        shapes = [tuple(s) for s in shapes]
        if len({s[0] for s in shapes if s} - {None}) > 1:
            raise ValueError(f"{self._where}: inputs must have one batch size; got shapes {shapes}.")
        longest = max(len(s) for s in shapes)
        for axis in range(1, longest):
            sizes = {s[-axis] for s in shapes if len(s) > axis} - {1, None}
            if len(sizes) > 1:
                raise ValueError(
                    f"{self._where}: inputs must have equal sizes, or 1, on axis {-axis}; got shapes "
                    f"{shapes}."
                )

    def call(self, inputs):
        check_is_list(self, inputs, self._count)
        self._check_shapes([x.shape for x in inputs])
        longest = max(x.ndim for x in inputs)
        spread = [
            x
            if x.ndim == longest
            else ops.reshape(x, (*x.shape[:1], *(1,) * (longest - x.ndim), *x.shape[1:]))
            for x in inputs
        ]
        return self._merge(spread)

    def _merge(self, inputs):
        raise NotImplementedError(f"{self._where}: define _merge(self, inputs).")

    def compute_mask(self, inputs, mask=None):
        if mask is None or any(m is None for m in mask):
            return None
        return functools.reduce(ops.logical_or, mask)


def _mask_like(x):
    """Return the mask that travels with `x`, of the shape of `x`, or None."""
    mask = backend.get_keras_mask(x)
    return None if mask is None else ops.broadcast_to(ops.expand_dims(mask, -1), x.shape)


class Add(Merge):
    """Return the sum of the inputs."""

    def _merge(self, inputs):
        return functools.reduce(ops.add, inputs)


class Subtract(Merge):
    """Return the first of two inputs minus the second."""

    _count = 2

    def _merge(self, inputs):
        return ops.subtract(*inputs)


class Multiply(Merge):
    """Return the product of the inputs; a masked step counts as ones, and as zeros where all are masked."""

    def _merge(self, inputs):
        masks = [_mask_like(x) for x in inputs]
        factors = [x if m is None else ops.where(m, x, ops.ones_like(x)) for x, m in zip(inputs, masks)]
        product = functools.reduce(ops.multiply, factors)
        if any(m is None for m in masks):
            return product
        kept = functools.reduce(ops.logical_or, masks)
        product = ops.where(kept, product, ops.zeros_like(product))
        backend.set_keras_mask(product, ops.any(kept, axis=-1))
        return product


class Average(Merge):
    """Return the mean of the inputs."""

    def _merge(self, inputs):
        return ops.divide(functools.reduce(ops.add, inputs), len(inputs))


class _Extreme(Merge):
    """The largest or smallest; of a masked step and one that is not, the latter counts."""

    def _merge_with(self, function, inputs):
        result, kept = inputs[0], _mask_like(inputs[0])
        for x in inputs[1:]:
            mask = _mask_like(x)
            if mask is not None:
                x = ops.where(mask, x, result)
            if kept is not None:
                result = ops.where(kept, result, x)
            kept = None if kept is None or mask is None else ops.logical_or(kept, mask)
            result = function(result, x)
        if kept is not None:
            backend.set_keras_mask(result, ops.any(kept, axis=-1))
        return result


class Maximum(_Extreme):
    """Return the larger of the inputs, number by number."""

    def _merge(self, inputs):
        return self._merge_with(ops.maximum, inputs)


class Minimum(_Extreme):
    """Return the smaller of the inputs, number by number."""

    def _merge(self, inputs):
        return self._merge_with(ops.minimum, inputs)


class Concatenate(Merge):
    """Put the inputs one after the other along an axis.

    Parameters
    ----------
    axis : int

    Raises
    ------
    ValueError
        At the call, if the inputs differ in number of axes, or in size on another axis.
    """

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis

    def _check_shapes(self, shapes):
        check_is_list(self, shapes)
        shapes = [tuple(s) for s in shapes]
        ndim = len(shapes[0])
        fits = -ndim <= self.axis < ndim and all(len(s) == ndim for s in shapes)
        if fits:
            others = [axis for axis in range(ndim) if axis != self.axis % ndim]
            fits = all(len({s[axis] for s in shapes} - {None}) < 2 for axis in others)
        if not fits:
            raise ValueError(
                f"{self._where}: inputs must have the same number of axes and equal sizes on all but axis "
                f"{self.axis}; got shapes {shapes}."
            )

    def _merge(self, inputs):
        return ops.concatenate(inputs, axis=self.axis)

    def compute_mask(self, inputs, mask=None):
        if mask is None or all(m is None for m in mask):
            return None
        masks = []
        for x, m in zip(inputs, mask):
            if m is None:
                m = ops.ones_like(x, dtype="bool")
            masks.append(ops.broadcast_to(ops.expand_dims(m, -1), x.shape) if m.ndim < x.ndim else m)
        return ops.any(ops.concatenate(masks, axis=self.axis), axis=-1)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}


def add(inputs, **kwargs) -> Any:
    """Call a new `Add` layer on `inputs`."""
    return Add(**kwargs)(inputs)


def subtract(inputs, **kwargs) -> Any:
    """Call a new `Subtract` layer on `inputs`."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs, **kwargs) -> Any:
    """Call a new `Multiply` layer on `inputs`."""
    return Multiply(**kwargs)(inputs)


def average(inputs, **kwargs) -> Any:
    """Call a new `Average` layer on `inputs`."""
    return Average(**kwargs)(inputs)


def maximum(inputs, **kwargs) -> Any:
    """Call a new `Maximum` layer on `inputs`."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs, **kwargs) -> Any:
    """Call a new `Minimum` layer on `inputs`."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs, axis=-1, **kwargs) -> Any:
    """Call a new `Concatenate` layer on `inputs`."""
    return Concatenate(axis=axis, **kwargs)(inputs)
