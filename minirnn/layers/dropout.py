"""`Dropout`, `SpatialDropout1D`: in training, a share of the inputs is 0."""

import numpy as np

from minirnn import random
from minirnn.layers.configuration import share_to_drop
from minirnn.layers.input_spec import InputSpec
from minirnn.layers.layer import Layer


class Dropout(Layer):
    """In training, set a share of the inputs to 0 and divide the others by 1 - rate; else do nothing.

    Parameters
    ----------
    rate : float
        The share, in [0, 1]; at 1 all outputs in training are 0.
    noise_shape : tuple of (int or None), optional
        The shape of what is drawn, broadcast against the inputs; None stands for the inputs' own size. With
        (batch, 1, features) all steps of a sequence drop the same features.
    seed : int, optional

    Raises
    ------
    ValueError
        If `rate` or `noise_shape` is none of these.

    References
    ----------
    Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting".
    """

    def __init__(self, rate, noise_shape=None, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.rate = share_to_drop(self, "rate", rate, self.name)
        self.seed = seed
        self.noise_shape = self._checked(noise_shape)
        if rate > 0:
            self.seed_generator = random.SeedGenerator(seed)
        self.supports_masking = True

    def _checked(self, noise_shape):
        if noise_shape is None:
            return None
        if isinstance(noise_shape, list | tuple) and all(
            n is None or (isinstance(n, int | np.integer) and not isinstance(n, bool) and n > 0)
            for n in noise_shape
        ):
            return tuple(noise_shape)
        raise ValueError(
            f"{self._where}: noise_shape must be a tuple of positive integers and None; got {noise_shape!r}."
        )

    def call(self, inputs, training: bool | None = False):
        if not training or self.rate == 0:
            return inputs
        if self.noise_shape is not None:
            self._check_fits(self.noise_shape, inputs.shape)
        return random.dropout(inputs, self.rate, noise_shape=self.noise_shape, seed=self.seed_generator)

    def _check_fits(self, noise_shape, shape):
        fits = len(shape) == len(noise_shape) and all(
            n is None or n in (1, m) for n, m in zip(noise_shape, shape)
        )
        if not fits:
            raise ValueError(
                f"{self._where}: noise_shape {noise_shape} must have, for each axis of the input of "
                f"shape {shape}, None, 1 or its size."
            )

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed, "noise_shape": self.noise_shape}


class SpatialDropout1D(Dropout):
    """A `Dropout` that drops features of a sequence at all its steps together.

    Parameters
    ----------
    rate : float
        The share of the features, in [0, 1].
    seed : int, optional

    Raises
    ------
    ValueError
        If `rate` is no such number; at the call, if the input has not three axes.

    References
    ----------
    Tompson et al. 2015, "Efficient object localization using convolutional networks".
    """

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(rate, (None, 1, None), seed, **kwargs)
        self.input_spec = InputSpec(ndim=3)

    def get_config(self):
        return {"rate": self.rate, "seed": self.seed, "name": self.name, "dtype": self.dtype}
