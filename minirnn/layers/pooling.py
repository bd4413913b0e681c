"""Poolings along time: of each window, and of the whole sequence, the largest number or the mean."""

from typing import Any

from minirnn import ops
from minirnn.layers.input_spec import InputSpec
from minirnn.layers.layer import Layer
from minirnn.layers.windows import check_windows, data_format_of, integers_of, padding_of


class _Pooling1D(Layer):
    """The base of those that take windows."""

    def __init__(self, pool_size, strides=None, padding="valid", data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.pool_size = integers_of(self._where, "pool_size", pool_size, 1)
        self.strides = self.pool_size if strides is None else integers_of(self._where, "strides", strides, 1)
        self.padding = padding_of(self._where, padding)
        self.data_format = data_format_of(self._where, data_format)
        self.input_spec = InputSpec(ndim=3)

    def _pool(self, function, inputs):
        options = {"padding": self.padding, "data_format": self.data_format, "strides": self.strides}
        check_windows(self._where, inputs.shape, self.pool_size, **options)
        return function(inputs, self.pool_size, **options)

    def get_config(self):
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "padding": self.padding,
            "strides": self.strides,
            "data_format": self.data_format,
        }


class MaxPooling1D(_Pooling1D):
    """The largest number of each window along time, feature by feature.

    Parameters
    ----------
    pool_size : int
        Steps in a window.
    strides : int, optional
        How many steps a window lies behind the one before; default `pool_size`.
    padding : {"valid", "same"}
        Only windows within the sequence, or ``ceil(steps / strides)`` of them, some of which reach beyond it.
    data_format : {"channels_last", "channels_first"}, optional
        The latter for inputs of shape (batch, features, steps).

    Raises
    ------
    ValueError
        If an argument is none of these; at the call, if the input has not three axes, or fewer steps than a
        window.

    Notes
    -----
    Input (batch, steps, features), output (batch, windows, features). A mask is not passed on, as in Keras.
    """

    def __init__(self, pool_size: Any = 2, strides=None, padding="valid", data_format=None, **kwargs):
        super().__init__(pool_size, strides, padding, data_format, **kwargs)

    def call(self, inputs):
        return self._pool(ops.max_pool, inputs)


class AveragePooling1D(_Pooling1D):
    """The mean of each window along time, feature by feature; see `MaxPooling1D`.

    Steps that ``padding="same"`` adds do not count.
    """

    def call(self, inputs):
        return self._pool(ops.average_pool, inputs)


class _GlobalPooling1D(Layer):
    """The base of those that take the whole sequence."""

    def __init__(self, data_format=None, keepdims=False, **kwargs):
        super().__init__(**kwargs)
        self.data_format = data_format_of(self._where, data_format)
        self.keepdims = keepdims
        self.input_spec = InputSpec(ndim=3)

    def _time_axis(self, inputs) -> int:
        axis = 1 if self.data_format == "channels_last" else 2
        if inputs.shape[axis] == 0:
            raise ValueError(
                f"{self._where}: the input must have one step or more; got none in shape {inputs.shape}."
            )
        return axis

    def get_config(self):
        return {**super().get_config(), "data_format": self.data_format, "keepdims": self.keepdims}


class GlobalMaxPooling1D(_GlobalPooling1D):
    """The largest number of a sequence, feature by feature.

    Parameters
    ----------
    data_format : {"channels_last", "channels_first"}, optional
        The latter for inputs of shape (batch, features, steps).
    keepdims : bool
        Whether the time axis stays, with size 1.

    Notes
    -----
    Input (batch, steps, features), output (batch, features). As in Keras it does not know masks, and warns.
    """

    def call(self, inputs):
        return ops.max(inputs, axis=self._time_axis(inputs), keepdims=self.keepdims)


class GlobalAveragePooling1D(_GlobalPooling1D):
    """The mean of a sequence, feature by feature, over the steps that are not masked.

    Parameters and shapes are those of `GlobalMaxPooling1D`.

    Notes
    -----
    A sequence of which all steps are masked gives zeros, where Keras 3.15.1 gives NaN.
    """

    def __init__(self, data_format=None, keepdims=False, **kwargs):
        super().__init__(data_format, keepdims, **kwargs)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        axis = self._time_axis(inputs)
        if mask is None:
            return ops.mean(inputs, axis=axis, keepdims=self.keepdims)
        shape = (inputs.shape[0], inputs.shape[axis])
        if tuple(mask.shape) != shape:
            raise ValueError(
                f"{self._where}: mask must have shape (batch, steps) = {shape}; got {tuple(mask.shape)}."
            )
        counts = ops.expand_dims(ops.cast(mask, "bool"), 3 - axis)
        total = ops.sum(ops.where(counts, inputs, ops.zeros_like(inputs)), axis=axis, keepdims=self.keepdims)
        count = ops.sum(ops.cast(counts, inputs.dtype), axis=axis, keepdims=self.keepdims)
        return total / ops.maximum(count, 1)

    def compute_mask(self, inputs, previous_mask):
        return None
