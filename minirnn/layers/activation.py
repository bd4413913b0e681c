"""Layers that are a function of each number, or of each vector: `Activation`, `ReLU`, `Softmax` and kin."""

from typing import Any

from minirnn import activations, ops
from minirnn.layers.layer import Layer


class Activation(Layer):
    """Apply an activation.

    Parameters
    ----------
    activation : str or callable
        A function of `minirnn.activations` by name, or any function of a Tensor.

    Raises
    ------
    ValueError
        If the name is not known.
    """

    def __init__(self, activation, **kwargs):
        super().__init__(**kwargs)
        self.activation: Any = activations.get(activation)
        self.supports_masking = True

    def call(self, inputs):
        return self.activation(inputs)

    def get_config(self):
        return {**super().get_config(), "activation": activations.serialize(self.activation)}


class ReLU(Layer):
    """Rectify: x above `threshold`, up to `max_value`; ``negative_slope * (x - threshold)`` below.

    Parameters
    ----------
    max_value : float, optional
        0 or more.
    negative_slope, threshold : float
        0 or more.

    Raises
    ------
    ValueError
        If one of them is below 0.
    """

    def __init__(self, max_value=None, negative_slope=0.0, threshold=0.0, **kwargs):
        super().__init__(**kwargs)
        values = {"max_value": max_value, "negative_slope": negative_slope, "threshold": threshold}
        for name, value in values.items():
            if (value is None and name != "max_value") or (value is not None and value < 0):
                raise ValueError(f"{self._where}: {name} must be a number of 0 or more; got {value!r}.")
        self.max_value = max_value
        self.negative_slope = negative_slope
        self.threshold = threshold
        self.supports_masking = True

    def call(self, inputs):
        return activations.relu(
            inputs, negative_slope=self.negative_slope, max_value=self.max_value, threshold=self.threshold
        )

    def get_config(self):
        return {
            **super().get_config(),
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }


class LeakyReLU(Layer):
    """Return x above 0, and ``negative_slope * x`` below.

    Parameters
    ----------
    negative_slope : float
        0 or more; ``alpha`` is its older name.

    Raises
    ------
    ValueError
        If it is below 0.
    """

    def __init__(self, negative_slope=0.3, **kwargs):
        negative_slope = kwargs.pop("alpha", negative_slope)
        super().__init__(**kwargs)
        if negative_slope is None or negative_slope < 0:
            raise ValueError(
                f"{self._where}: negative_slope must be a number of 0 or more; got {negative_slope!r}."
            )
        self.negative_slope = negative_slope
        self.supports_masking = True

    def call(self, inputs):
        return activations.leaky_relu(inputs, negative_slope=self.negative_slope)

    def get_config(self):
        return {**super().get_config(), "negative_slope": self.negative_slope}


class ELU(Layer):
    """Return x above 0, and ``alpha * (exp(x) - 1)`` below.

    Parameters
    ----------
    alpha : float
    """

    def __init__(self, alpha=1.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = alpha
        self.supports_masking = True

    def call(self, inputs):
        return activations.elu(inputs, alpha=self.alpha)

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha}


class Softmax(Layer):
    """Turn logits into probabilities along an axis.

    Parameters
    ----------
    axis : int or tuple of int

    Notes
    -----
    With ``mask=`` at the call (of the inputs' shape, or one that broadcasts), what is masked gets 0.
    """

    def __init__(self, axis: Any = -1, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis
        self.supports_masking = True

    def call(self, inputs, mask=None):
        if mask is not None:
            self._check_mask(inputs.shape, mask.shape)
            mask = mask if mask.dtype == "bool" else ops.greater(mask, 0.5)
            low = -3e4 if inputs.dtype == "float16" else -1e9
            inputs = ops.where(mask, inputs, ops.full_like(inputs, low))
        if isinstance(self.axis, list | tuple):
            outputs = ops.exp(inputs - ops.logsumexp(inputs, axis=tuple(self.axis), keepdims=True))
        else:
            outputs = activations.softmax(inputs, axis=self.axis)
        return outputs if mask is None else ops.where(mask, outputs, ops.zeros_like(outputs))

    def _check_mask(self, shape, mask_shape):
        if len(mask_shape) > len(shape) or any(
            m not in (1, n) for m, n in zip(mask_shape[::-1], shape[::-1])
        ):
            raise ValueError(
                f"{self._where}: mask must broadcast to the input's shape {shape}; got {tuple(mask_shape)}."
            )

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}
