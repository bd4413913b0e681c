"""Layers that add, take or repeat steps: `ZeroPadding1D`, `Cropping1D`, `UpSampling1D`."""

from typing import Any

from minirnn import ops
from minirnn.layers.configuration import positive_int
from minirnn.layers.input_spec import InputSpec
from minirnn.layers.layer import Layer
from minirnn.layers.windows import data_format_of, integers_of
from minirnn.ops.symbolic import note_windows


class ZeroPadding1D(Layer):
    """Add steps of zeros before and after a sequence.

    Parameters
    ----------
    padding : int or pair of int
        How many on each side, or before and after.
    data_format : {"channels_last", "channels_first"}, optional
        The latter for inputs of shape (batch, features, steps).

    Raises
    ------
    ValueError
        If an argument is none of these; at the call, if the input has not three axes.

    Notes
    -----
    Input (batch, steps, features), output (batch, before + steps + after, features).
    """

    def __init__(self, padding: Any = 1, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.data_format = data_format_of(self._where, data_format)
        self.padding = integers_of(self._where, "padding", padding, 2, least=0)
        self.input_spec = InputSpec(ndim=3)

    def call(self, inputs):
        none, last = (0, 0), self.data_format == "channels_last"
        return ops.pad(inputs, [none, self.padding, none] if last else [none, none, self.padding])

    def get_config(self):
        return {**super().get_config(), "padding": self.padding, "data_format": self.data_format}


class Cropping1D(Layer):
    """Take steps away from both ends of a sequence.

    Parameters
    ----------
    cropping : int or pair of int
        How many on each side, or from the beginning and from the end.

    Raises
    ------
    ValueError
        If `cropping` is none of these; at the call, if the input has not three axes, or no step is left.

    Notes
    -----
    Input (batch, steps, features), output (batch, steps that are left, features).
    """

    def __init__(self, cropping: Any = (1, 1), **kwargs):
        super().__init__(**kwargs)
        self.cropping = integers_of(self._where, "cropping", cropping, 2, least=0)
        self.input_spec = InputSpec(ndim=3)

    def call(self, inputs):
        before, after = self.cropping
        steps = inputs.shape[1]
        note_windows([steps], [before + after + 1])
        if before + after >= steps:
            raise ValueError(
                f"{self._where}: cropping {self.cropping} must leave a step of the input; got {steps} in "
                f"shape {inputs.shape}."
            )
        return inputs[:, before : steps - after]

    def get_config(self):
        return {**super().get_config(), "cropping": self.cropping}


class UpSampling1D(Layer):
    """Repeat each step of a sequence.

    Parameters
    ----------
    size : int
        How often each step comes.

    Raises
    ------
    ValueError
        If `size` is no positive integer; at the call, if the input has not three axes.

    Notes
    -----
    Input (batch, steps, features), output (batch, size · steps, features).
    """

    def __init__(self, size: Any = 2, **kwargs):
        size = positive_int(self, "size", size, kwargs.get("name"))
        super().__init__(**kwargs)
        self.size = size
        self.input_spec = InputSpec(ndim=3)

    def call(self, inputs):
        return ops.repeat(inputs, self.size, axis=1)

    def get_config(self):
        return {**super().get_config(), "size": self.size}
