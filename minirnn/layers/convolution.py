"""`Conv1D`: the same weights for every window along a sequence."""

from typing import Any

from minirnn import activations, constraints, initializers, ops, regularizers
from minirnn.layers.configuration import OfBuild, positive_int
from minirnn.layers.input_spec import InputSpec
from minirnn.layers.layer import Layer
from minirnn.layers.windows import check_not_both, check_windows, data_format_of, integers_of, padding_of


class Conv1D(Layer):
    """A convolution along time: each output is a function of the steps of one window.

    ``y[t] = activation(Σ_k x[t · strides + k · dilation_rate] · kernel[k] + bias)``

    Parameters
    ----------
    filters : int
        Number of features of the output.
    kernel_size : int
        Steps in a window.
    strides : int
        How many steps a window lies behind the one before.
    padding : {"valid", "same", "causal"}
        Only windows within the sequence; or zeros on both sides, or only before the first step, so that there
        are ``ceil(steps / strides)`` windows. With "causal" no output depends on a later step.
    data_format : {"channels_last", "channels_first"}, optional
        The latter for inputs of shape (batch, features, steps).
    dilation_rate : int
        How many steps apart those of a window are; above 1 only where `strides` is 1.
    groups : int
        Number of parts of the features that are convolved each by itself, with ``filters / groups`` filters.
    activation : str or callable, optional
    use_bias : bool
    kernel_initializer, bias_initializer : str or Initializer
    kernel_regularizer, bias_regularizer, activity_regularizer : str or Regularizer, optional
    kernel_constraint, bias_constraint : str or Constraint, optional

    Attributes
    ----------
    kernel : Variable, shape (kernel_size, features / groups, filters)
    bias : Variable, shape (filters,), or None

    Raises
    ------
    ValueError
        If an argument is none of these; at the call, if the input has not three axes, another number of
        features than at first or one that `groups` does not divide, or fewer steps than a window spans.

    Notes
    -----
    Input (batch, steps, features), output (batch, windows, filters). A mask is not passed on, as in Keras.
    """

    # The number of axes that windows lie along.
    rank = 1
    kernel: Any = OfBuild()
    bias: Any = OfBuild()

    def __init__(
        self,
        filters,
        kernel_size,
        strides: Any = 1,
        padding="valid",
        data_format=None,
        dilation_rate: Any = 1,
        groups=1,
        activation=None,
        use_bias=True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        **kwargs,
    ):
        filters = positive_int(self, "filters", filters, kwargs.get("name"))
        groups = positive_int(self, "groups", groups, kwargs.get("name"))
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        if filters % groups:
            raise ValueError(
                f"{self._where}: groups must divide filters; got groups={groups} and filters={filters}."
            )
        self.filters, self.groups = filters, groups
        self.kernel_size = integers_of(self._where, "kernel_size", kernel_size, 1)
        self.strides = integers_of(self._where, "strides", strides, 1)
        self.dilation_rate = integers_of(self._where, "dilation_rate", dilation_rate, 1)
        check_not_both(self._where, self.strides, self.dilation_rate)
        self.padding = padding_of(self._where, padding, ("valid", "same", "causal"))
        self.data_format = data_format_of(self._where, data_format)
        self.activation: Any = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(ndim=3, min_ndim=3)

    @property
    def _time_axis(self) -> int:
        return 1 if self.data_format == "channels_last" else 2

    def build(self, input_shape):
        if len(input_shape) != 3:
            raise ValueError(
                f"{self._where}: inputs must have 3 axes, (batch, steps, features) or with 'channels_first' "
                f"(batch, features, steps); got shape {tuple(input_shape)}."
            )
        axis = 3 - self._time_axis
        features = input_shape[axis]
        if features is None or features % self.groups:
            raise ValueError(
                f"{self._where}: groups={self.groups} must divide the number of features, axis {axis} of the "
                f"input; got shape {tuple(input_shape)}."
            )
        self._check_windows(input_shape)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, features // self.groups, self.filters),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.filters,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        channels = -1 if self.data_format == "channels_last" else 1
        self.input_spec = InputSpec(ndim=3, min_ndim=3, axes={channels: features})

    def _check_windows(self, shape):
        check_windows(
            self._where,
            shape,
            self.kernel_size,
            padding=self.padding,
            data_format=self.data_format,
            strides=self.strides,
            dilation_rate=self.dilation_rate,
        )

    def call(self, inputs):
        self._check_windows(inputs.shape)
        padding = self.padding
        if padding == "causal":
            margins = [(0, 0)] * 3
            margins[self._time_axis] = (self.dilation_rate[0] * (self.kernel_size[0] - 1), 0)
            inputs, padding = ops.pad(inputs, margins), "valid"
        outputs = ops.conv(inputs, self.kernel, self.strides, padding, self.data_format, self.dilation_rate)
        if self.bias is not None:
            bias = self.bias if self._time_axis == 1 else ops.reshape(self.bias, (self.filters, 1))
            outputs = ops.add(outputs, bias)
        return outputs if self.activation is activations.linear else self.activation(outputs)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "groups": self.groups,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }
