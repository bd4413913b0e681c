"""`LayerNormalization`: each example gets mean 0 and variance 1 along its features."""

import warnings
from typing import Any

import numpy as np

from minirnn import constraints, initializers, ops, regularizers
from minirnn.autograd import Tensor
from minirnn.autograd import primitives as P
from minirnn.layers.layer import Layer


def at_least_float32(x: Tensor) -> Tensor:
    """Return `x` in a dtype in which sums of squares are safe: float16 and integers become float32."""
    return x if x.dtype.kind == "f" and x.dtype.itemsize >= 4 else ops.cast(x, "float32")


class LayerNormalization(Layer):
    """Normalize along some axes, then scale by `gamma` and shift by `beta`.

    Parameters
    ----------
    axis : int or list of int
    epsilon : float
        Added to the variance.
    center, scale : bool
        Whether there is a `beta`, a `gamma`.
    beta_initializer, gamma_initializer : str or Initializer
    beta_regularizer, gamma_regularizer : str or Regularizer, optional
    beta_constraint, gamma_constraint : str or Constraint, optional
    rms_scaling : bool
        Divide by the standard deviation without subtracting the mean, without `beta`. For old models.

    Attributes
    ----------
    gamma, beta : Variable or None
        Of the sizes along `axis`.

    Raises
    ------
    TypeError
        If `axis` is no integer or list of them.
    ValueError
        When built, if the input has no such axis.

    References
    ----------
    Ba, Kiros and Hinton 2016, "Layer normalization", equations 3 and 4.
    """

    def __init__(
        self,
        axis: Any = -1,
        epsilon=1e-3,
        center=True,
        scale=True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer=None,
        gamma_regularizer=None,
        beta_constraint=None,
        gamma_constraint=None,
        **kwargs,
    ):
        rms_scaling = kwargs.pop("rms_scaling", False)
        super().__init__(**kwargs)
        axes = axis if isinstance(axis, list | tuple) else [axis]
        if not all(isinstance(a, int | np.integer) and not isinstance(a, bool) for a in axes):
            raise TypeError(f"{self._where}: axis must be an integer or a list of integers; got {axis!r}.")
        if rms_scaling:
            warnings.warn(
                f"{self._where}: rms_scaling divides by the standard deviation, not by the root mean square, "
                "and is kept for old models only.",
                stacklevel=2,
            )
        self.axis: Any = list(axis) if isinstance(axis, list | tuple) else axis
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        self.rms_scaling = rms_scaling
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.gamma: Any = None
        self.beta: Any = None
        self.supports_masking = True
        # A wider input keeps its precision and its dtype up to the end.
        self.autocast = False

    def _axes(self, shape) -> tuple[int, ...]:
        axes = self.axis if isinstance(self.axis, list) else [self.axis]
        if any(not -len(shape) <= a < len(shape) for a in axes):
            raise ValueError(
                f"{self._where}: axis {self.axis} is not one of an input of shape {tuple(shape)}."
            )
        return tuple(sorted(a % len(shape) for a in axes))

    def build(self, input_shape):
        self._axes(input_shape)
        self.axis = sorted(self.axis) if isinstance(self.axis, list) else [self.axis]
        # In Keras's order, in which -1 comes before 0.
        shape = tuple(input_shape[a] for a in self.axis)
        if self.scale or self.rms_scaling:
            self.gamma = self.add_weight(
                name="gamma",
                shape=shape,
                initializer=self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
                autocast=False,
            )
        if self.center and not self.rms_scaling:
            self.beta = self.add_weight(
                name="beta",
                shape=shape,
                initializer=self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
                autocast=False,
            )

    def call(self, inputs):
        axes = self._axes(inputs.shape)
        shape = tuple(inputs.shape[a] if a in axes else 1 for a in range(inputs.ndim))
        for weight in (self.gamma, self.beta):
            if weight is not None and weight.shape != tuple(inputs.shape[a] for a in self.axis):
                raise ValueError(
                    f"{self._where}: was built for sizes {weight.shape} along axis {self.axis}; got an input "
                    f"of shape {inputs.shape}."
                )
        x = at_least_float32(inputs)
        outputs, _, variance = P.standardize(x, axes=axes, epsilon=self.epsilon)
        if self.rms_scaling:
            outputs = ops.divide(x, ops.sqrt(variance + self.epsilon))
        if self.gamma is not None:
            outputs = ops.multiply(outputs, ops.reshape(ops.cast(self.gamma, x.dtype), shape))
        if self.beta is not None:
            outputs = ops.add(outputs, ops.reshape(ops.cast(self.beta, x.dtype), shape))
        return ops.cast(outputs, self.compute_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "axis": self.axis,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "rms_scaling": self.rms_scaling,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": constraints.serialize(self.beta_constraint),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
        }
