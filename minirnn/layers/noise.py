"""Layers that add or multiply noise in training: `GaussianNoise`, `GaussianDropout`."""

import math

import numpy as np

from minirnn import random
from minirnn.layers.layer import Layer


class GaussianNoise(Layer):
    """In training, add normal noise of mean 0; else do nothing.

    Parameters
    ----------
    stddev : float
        The standard deviation, in [0, 1].
    seed : int, optional

    Raises
    ------
    ValueError
        If `stddev` is no such number.
    """

    def __init__(self, stddev, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(stddev, int | float | np.number) or not 0 <= stddev <= 1:
            raise ValueError(f"{self._where}: stddev must be a number in [0, 1]; got {stddev!r}.")
        self.stddev = float(stddev)
        self.seed = seed
        if stddev > 0:
            self.seed_generator = random.SeedGenerator(seed)
        self.supports_masking = True

    def call(self, inputs, training: bool | None = False):
        if not training or self.stddev == 0:
            return inputs
        return inputs + random.normal(inputs.shape, 0.0, self.stddev, self.compute_dtype, self.seed_generator)

    def get_config(self):
        return {**super().get_config(), "stddev": self.stddev, "seed": self.seed}


class GaussianDropout(Layer):
    """In training, multiply by normal noise of mean 1; else do nothing.

    Parameters
    ----------
    rate : float
        In [0, 1). The noise has the standard deviation ``sqrt(rate / (1 - rate))``, that of `Dropout`'s.
    seed : int, optional

    Raises
    ------
    ValueError
        If `rate` is no such number.

    References
    ----------
    Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting", section 10.
    """

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(rate, int | float | np.number) or not 0 <= rate < 1:
            raise ValueError(f"{self._where}: rate must be a number in [0, 1); got {rate!r}.")
        self.rate = float(rate)
        self.seed = seed
        if rate > 0:
            self.seed_generator = random.SeedGenerator(seed)
        self.supports_masking = True

    def call(self, inputs, training: bool | None = False):
        if not training or self.rate == 0:
            return inputs
        stddev = math.sqrt(self.rate / (1.0 - self.rate))
        return inputs * random.normal(inputs.shape, 1.0, stddev, self.compute_dtype, self.seed_generator)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
