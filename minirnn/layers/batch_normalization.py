"""`BatchNormalization`: each feature gets mean 0 and variance 1 over the batch."""

from typing import Any

import numpy as np

from minirnn import config, constraints, initializers, ops, regularizers
from minirnn.autograd import Tensor
from minirnn.autograd import primitives as P
from minirnn.layers.input_spec import InputSpec
from minirnn.layers.layer import Layer
from minirnn.layers.layer_normalization import at_least_float32


class BatchNormalization(Layer):
    """Normalize over all axes but one, then scale by `gamma` and shift by `beta`.

    In training the mean and variance are those of the batch, and moving averages of them are kept; else, and
    in a frozen layer, the moving averages are used.

    Parameters
    ----------
    axis : int
        The axis of the features.
    momentum : float
        Of the moving averages: ``moving = moving * momentum + batch * (1 - momentum)``.
    epsilon : float
        Added to the variance.
    center, scale : bool
        Whether there is a `beta`, a `gamma`.
    beta_initializer, gamma_initializer : str or Initializer
    moving_mean_initializer, moving_variance_initializer : str or Initializer
    beta_regularizer, gamma_regularizer : str or Regularizer, optional
    beta_constraint, gamma_constraint : str or Constraint, optional
    renorm : bool
        Whether to correct training towards the moving averages (batch renormalization).
    renorm_clipping : dict, optional
        Bounds "rmin", "rmax" and "dmax" of that correction.
    renorm_momentum : float
        Of the moving averages that it uses.
    synchronized : bool
        Must be False.

    Attributes
    ----------
    gamma, beta : Variable, shape (features,), or None
    moving_mean, moving_variance : Variable, shape (features,), not trainable

    Raises
    ------
    ValueError
        If an argument is none of these; at the call, if the input has another number of axes or features
        than at first, or the mask not one axis less than the input.

    Notes
    -----
    With a mask of shape (batch, ...), masked steps do not count in mean and variance.

    References
    ----------
    Ioffe and Szegedy 2015, "Batch normalization"; Ioffe 2017, "Batch renormalization".
    """

    def __init__(
        self,
        axis=-1,
        momentum=0.99,
        epsilon=1e-3,
        center=True,
        scale=True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer=None,
        gamma_regularizer=None,
        beta_constraint=None,
        gamma_constraint=None,
        renorm=False,
        renorm_clipping=None,
        renorm_momentum=0.99,
        synchronized=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if isinstance(axis, bool) or not isinstance(axis, int | np.integer):
            raise TypeError(f"{self._where}: axis must be an integer; got {axis!r}.")
        if synchronized:
            raise ValueError(f"{self._where}: synchronized must be False; there is one replica only.")
        self.axis = int(axis)
        self.momentum = float(momentum)
        self.epsilon = float(epsilon)
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer: Any = initializers.get(moving_variance_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.synchronized = synchronized
        self.renorm = renorm
        self.renorm_clipping: Any = self._checked(renorm_clipping or {}) if renorm else renorm_clipping
        self.renorm_momentum = renorm_momentum
        self.gamma: Any = None
        self.beta: Any = None
        self.moving_mean: Any = None
        self.moving_variance: Any = None
        self.supports_masking = True

    def _checked(self, clipping) -> dict:
        rmin, rmax, dmax = (clipping.get(name) for name in ("rmin", "rmax", "dmax"))
        wrong = set(clipping) - {"rmin", "rmax", "dmax"}
        if (
            wrong
            or (rmin is not None and rmax is not None and rmax < rmin)
            or (dmax is not None and dmax < 0)
        ):
            raise ValueError(
                f"{self._where}: renorm_clipping must have none but the keys rmin, rmax and dmax, with rmin "
                f"<= rmax and dmax >= 0; got {clipping}."
            )
        return clipping

    def build(self, input_shape):
        ndim = len(input_shape)
        if not -ndim <= self.axis < ndim:
            raise ValueError(
                f"{self._where}: axis {self.axis} is not one of an input of shape {tuple(input_shape)}."
            )
        shape = (input_shape[self.axis],)

        def average(name, initializer):
            return self.add_weight(
                name=name, shape=shape, initializer=initializer, trainable=False, autocast=False
            )

        def deviation(shape, dtype=None):
            return ops.sqrt(self.moving_variance_initializer(shape, dtype=dtype))

        if self.scale:
            self.gamma = self.add_weight(
                name="gamma",
                shape=shape,
                initializer=self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
                autocast=False,
            )
        if self.center:
            self.beta = self.add_weight(
                name="beta",
                shape=shape,
                initializer=self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
                autocast=False,
            )
        self.moving_mean = average("moving_mean", self.moving_mean_initializer)
        self.moving_variance = average("moving_variance", self.moving_variance_initializer)
        if self.renorm:
            self.moving_stddev = average("moving_stddev", deviation)
            self.renorm_mean = average("renorm_mean", self.moving_mean_initializer)
            self.renorm_stddev = average("renorm_stddev", deviation)
        self.input_spec = InputSpec(ndim=ndim, axes={self.axis: shape[0]})

    def call(self, inputs, training=None, mask=None):
        if mask is not None and mask.ndim != inputs.ndim - 1:
            raise ValueError(
                f"{self._where}: the mask must have one axis less than the input of shape {inputs.shape}; "
                f"got {tuple(mask.shape)}."
            )
        x = at_least_float32(inputs)
        axis = self.axis % x.ndim
        shape = tuple(n if a == axis else 1 for a, n in enumerate(x.shape))
        gamma, beta = self.gamma, self.beta
        if training and self.trainable:
            axes = tuple(a for a in range(x.ndim) if a != axis)
            if not x.size:
                raise ValueError(
                    f"{self._where}: training needs one example or more, to take the mean of; got an input "
                    f"of shape {x.shape}."
                )
            y, mean, variance = self._standardized(x, axes, mask)
            if self.renorm:
                gamma, beta = self._renormalized(mean, variance, gamma, beta)
            self._update_averages(mean.data.reshape(-1), variance.data.reshape(-1))
        else:
            factor = 1.0 / ops.sqrt(self.moving_variance + self.epsilon)
            y = (x - ops.reshape(self.moving_mean, shape)) * ops.reshape(factor, shape)
        if gamma is not None:
            y = y * (gamma if axis == x.ndim - 1 else ops.reshape(gamma, shape))
        if beta is not None:
            y = y + (beta if axis == x.ndim - 1 else ops.reshape(beta, shape))
        return ops.cast(y, self.compute_dtype)

    def _standardized(self, x, axes, mask):
        if mask is None:
            return P.standardize(x, axes=axes, epsilon=self.epsilon)
        # The fuzz keeps a batch that is masked throughout from 0/0, as in Keras.
        kept = ops.broadcast_to(ops.expand_dims(ops.cast(mask, "bool"), -1), x.shape)
        zeros = ops.zeros_like(x)
        count = ops.sum(ops.cast(kept, x.dtype), axis=axes, keepdims=True) + config.epsilon()
        mean = ops.sum(ops.where(kept, x, zeros), axis=axes, keepdims=True) / count
        squares = ops.square(ops.where(kept, x - mean, zeros))
        variance = ops.sum(squares, axis=axes, keepdims=True) / count
        return (x - mean) / ops.sqrt(variance + self.epsilon), mean, variance

    def _renormalized(self, mean, variance, gamma, beta):
        """Return `gamma` and `beta` with the correction r, d to the moving averages in them."""
        mean, variance = mean.data.reshape(-1), variance.data.reshape(-1)
        reference = ops.maximum(self.renorm_stddev, self.epsilon**0.5)
        r = Tensor((variance + self.epsilon) ** 0.5) / reference
        d = (Tensor(mean) - self.renorm_mean) / reference
        limits = self.renorm_clipping
        if limits.get("rmin") is not None:
            r = ops.maximum(r, limits["rmin"])
        if limits.get("rmax") is not None:
            r = ops.minimum(r, limits["rmax"])
        if limits.get("dmax") is not None:
            d = ops.clip(d, -limits["dmax"], limits["dmax"])
        if gamma is not None:
            r, d = r * gamma, d * gamma
        return r, d if beta is None else d + beta

    def _update_averages(self, mean, variance):
        """Move the averages towards the moments of this batch, raw arrays of shape (features,)."""

        def move(average, value, momentum):
            average.assign(Tensor((average.data * momentum + value * (1.0 - momentum)).astype(average.dtype)))

        move(self.moving_mean, mean, self.momentum)
        if not self.renorm:
            move(self.moving_variance, variance, self.momentum)
            return
        deviation = (variance + self.epsilon) ** 0.5
        move(self.renorm_mean, mean, self.renorm_momentum)
        move(self.renorm_stddev, deviation, self.renorm_momentum)
        move(self.moving_stddev, deviation, self.momentum)
        self.moving_variance.assign(ops.relu(ops.square(self.moving_stddev) - self.epsilon))

    def get_config(self):
        return {
            **super().get_config(),
            "axis": self.axis,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            "moving_mean_initializer": initializers.serialize(self.moving_mean_initializer),
            "moving_variance_initializer": initializers.serialize(self.moving_variance_initializer),
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": constraints.serialize(self.beta_constraint),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
            "synchronized": self.synchronized,
            "renorm": self.renorm,
            "renorm_clipping": self.renorm_clipping,
            "renorm_momentum": self.renorm_momentum,
        }
