"""Layers that only rearrange: `Flatten`, `Reshape`, `Permute`, `RepeatVector`."""

import math

import numpy as np

from minirnn import ops
from minirnn.autograd import inferring_shapes
from minirnn.layers.configuration import positive_int
from minirnn.layers.input_spec import InputSpec
from minirnn.layers.layer import Layer


class Flatten(Layer):
    """Make one axis of all but the batch axis.

    Parameters
    ----------
    data_format : str, optional
        "channels_last", the default, or "channels_first", which moves axis 1 to the end before.

    Raises
    ------
    ValueError
        If `data_format` is another.
    """

    def __init__(self, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.data_format = data_format or "channels_last"
        if self.data_format not in ("channels_last", "channels_first"):
            raise ValueError(
                f"{self._where}: data_format must be 'channels_last' or 'channels_first'; got "
                f"{data_format!r}."
            )
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs):
        shape = inputs.shape
        if self.data_format == "channels_first" and len(shape) > 1:
            inputs = ops.transpose(inputs, (0, *range(2, len(shape)), 1))
        return ops.reshape(inputs, (shape[0], math.prod(shape[1:])))

    def get_config(self):
        return {**super().get_config(), "data_format": self.data_format}


class _Fitting(InputSpec):
    """Asks for as many numbers a row as a target shape takes."""

    def __init__(self, target_shape):
        super().__init__(min_ndim=1)
        self.target_shape = target_shape

    def problem(self, value):
        shape = tuple(value.shape)
        if inferring_shapes() or not shape or None in shape[1:]:
            return super().problem(value)
        size, known = math.prod(shape[1:]), math.prod(n for n in self.target_shape if n != -1)
        if -1 not in self.target_shape:
            wanted = None if size == known else f"{known}"
        else:
            wanted = None if known > 0 and size % known == 0 else f"a multiple of {known}"
        return wanted and (
            f"expected {wanted} numbers a row for target_shape {self.target_shape}; got {size} in shape "
            f"{shape}"
        )


class Reshape(Layer):
    """Give all but the batch axis another shape.

    Parameters
    ----------
    target_shape : tuple of int
        Without the batch axis; one axis may be -1, which stands for what is left.

    Raises
    ------
    ValueError
        If `target_shape` is no such tuple; at the call, if the input does not fit into it.
    """

    def __init__(self, target_shape, **kwargs):
        super().__init__(**kwargs)
        valid = isinstance(target_shape, list | tuple) and all(
            isinstance(n, int | np.integer) and not isinstance(n, bool) and n >= -1 for n in target_shape
        )
        if not valid or list(target_shape).count(-1) > 1:
            raise ValueError(
                f"{self._where}: target_shape must be a tuple of integers of 0 or more, one of which may be "
                f"-1; got {target_shape!r}."
            )
        self.target_shape = tuple(int(n) for n in target_shape)
        self.input_spec = _Fitting(self.target_shape)

    def call(self, inputs):
        size, known = math.prod(inputs.shape[1:]), math.prod(n for n in self.target_shape if n != -1)
        fits = size == known if -1 not in self.target_shape else known > 0 and size % known == 0
        # What does not fit comes while shapes are inferred, with any size for an unknown axis.
        rest = size // known if fits else size
        shape = (inputs.shape[0], *(rest if n == -1 else n for n in self.target_shape))
        return ops.reshape(inputs, shape) if fits else ops.zeros(shape, inputs.dtype)

    def get_config(self):
        return {**super().get_config(), "target_shape": self.target_shape}


class Permute(Layer):
    """Bring the axes but the batch axis into another order.

    Parameters
    ----------
    dims : tuple of int
        Which axis of the input comes where, counted from 1: (2, 1) swaps the two after the batch axis.

    Raises
    ------
    ValueError
        If `dims` is no permutation of 1, 2, ...; at the call, if the input has another number of axes.
    """

    def __init__(self, dims, **kwargs):
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                f"{self._where}: dims must be 1 to {len(self.dims)} in any order; got {self.dims}. The batch "
                "axis stays where it is and is not named."
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs):
        return ops.transpose(inputs, (0, *self.dims))

    def get_config(self):
        return {**super().get_config(), "dims": self.dims}


class RepeatVector(Layer):
    """Make a sequence of one vector, repeated.

    Parameters
    ----------
    n : int
        Number of steps.

    Raises
    ------
    TypeError
        If `n` is no integer.
    ValueError
        If it is 0 or less; at the call, if the input has not two axes.

    Notes
    -----
    Input (batch, features), output (batch, n, features).
    """

    def __init__(self, n, **kwargs):
        if isinstance(n, bool) or not isinstance(n, int | np.integer):
            raise TypeError(f"RepeatVector: n must be a positive integer; got {n!r}.")
        n = positive_int(self, "n", n, kwargs.get("name"))
        super().__init__(**kwargs)
        self.n = n
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs):
        return ops.repeat(ops.expand_dims(inputs, 1), self.n, axis=1)

    def get_config(self):
        return {**super().get_config(), "n": self.n}
