"""Initializers under the names of ``keras.initializers``: callables ``(shape, dtype=None) -> Tensor``.

A random one draws the same values at every call: it is a seed and a distribution, no stream. One that was
given no seed picks one when it is made.
"""

import math
from typing import Any

import numpy as np

from minirnn import backend, config, ops, random
from minirnn.autograd import Tensor
from minirnn.utils import registry

# The standard deviation of a normal distribution cut off at two of its own.
_TRUNCATED_STDDEV = 0.87962566103423978


class Initializer:
    """The base class: subclasses compute values from a shape and a dtype (default floatx)."""

    def __call__(self, shape, dtype=None) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} must define __call__(self, shape, dtype=None).")

    def get_config(self) -> dict:
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def clone(self):
        """Return a new initializer of the same config; without a seed it picks another."""
        return type(self).from_config(self.get_config())


class Zeros(Initializer):
    """All zeros."""

    def __call__(self, shape, dtype=None):
        return ops.zeros(shape, dtype=dtype or config.floatx())


class Ones(Initializer):
    """All ones."""

    def __call__(self, shape, dtype=None):
        return ops.ones(shape, dtype=dtype or config.floatx())


class Constant(Initializer):
    """One value everywhere, or an array that is broadcast to the shape.

    Parameters
    ----------
    value : float or array
    """

    def __init__(self, value: Any = 0.0):
        self.value = value

    def __call__(self, shape, dtype=None):
        dtype = dtype or config.floatx()
        return ops.cast(self.value, dtype) * ops.ones(shape, dtype=dtype)

    def get_config(self):
        return {"value": registry.serialize_keras_object(self.value)}

    @classmethod
    def from_config(cls, config):
        return cls(registry.deserialize_keras_object(config["value"]))


class Identity(Initializer):
    """The identity matrix times `gain`, of two axes.

    Parameters
    ----------
    gain : float
    """

    def __init__(self, gain=1.0):
        self.gain = gain

    def __call__(self, shape, dtype=None):
        if len(shape) != 2:
            raise ValueError(f"Identity: shape must have two axes; got {tuple(shape)}.")
        return ops.eye(*shape, dtype=dtype or config.floatx()) * self.gain

    def get_config(self):
        return {"gain": self.gain}


class RandomInitializer(Initializer):
    """The base of the random ones.

    Parameters
    ----------
    seed : int or SeedGenerator, optional
        An integer, or None, gives the same values at each call; a generator new ones.

    Raises
    ------
    ValueError
        If `seed` is neither.
    """

    def __init__(self, seed=None):
        self._init_seed = seed
        if isinstance(seed, dict):
            seed = registry.deserialize_keras_object(seed)
        if seed is None:
            seed = random.make_default_seed()
        elif not isinstance(seed, random.SeedGenerator):
            seed = random.check_seed(seed, type(self).__name__)
        self.seed = seed

    def get_config(self):
        return {"seed": registry.serialize_keras_object(self._init_seed)}


class RandomNormal(RandomInitializer):
    """Normal of a mean and a standard deviation."""

    def __init__(self, mean=0.0, stddev=0.05, seed=None):
        self.mean, self.stddev = mean, stddev
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        return random.normal(shape, self.mean, self.stddev, dtype, self.seed)

    def get_config(self):
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


class TruncatedNormal(RandomNormal):
    """Normal, with the values beyond two standard deviations drawn again."""

    def __call__(self, shape, dtype=None):
        return random.truncated_normal(shape, self.mean, self.stddev, dtype, self.seed)


class RandomUniform(RandomInitializer):
    """Even in ``[minval, maxval)``."""

    def __init__(self, minval=-0.05, maxval=0.05, seed=None):
        self.minval, self.maxval = minval, maxval
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        return random.uniform(shape, self.minval, self.maxval, dtype, self.seed)

    def get_config(self):
        return {**super().get_config(), "minval": self.minval, "maxval": self.maxval}


class VarianceScaling(RandomInitializer):
    """Of mean 0 and variance ``scale / n``, where n counts the connections of a unit.

    Parameters
    ----------
    scale : float
        Above 0.
    mode : str
        n is the number of inputs ("fan_in"), of outputs ("fan_out"), or their mean ("fan_avg").
    distribution : str
        "truncated_normal" (or "normal"), "untruncated_normal" or "uniform".
    seed : int or SeedGenerator, optional
    input_axes, output_axes : tuple of int, optional
        Which axes of the shape count as inputs and outputs; default: see `compute_fans`.

    Raises
    ------
    ValueError
        If an argument is none of these.
    """

    def __init__(
        self,
        scale=1.0,
        mode="fan_in",
        distribution="truncated_normal",
        seed=None,
        input_axes=None,
        output_axes=None,
    ):
        where = type(self).__name__
        if not scale > 0:
            raise ValueError(f"{where}: scale must be above 0; got {scale!r}.")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(f"{where}: mode must be fan_in, fan_out or fan_avg; got {mode!r}.")
        distribution = "truncated_normal" if distribution.lower() == "normal" else distribution.lower()
        if distribution not in ("uniform", "truncated_normal", "untruncated_normal"):
            raise ValueError(
                f"{where}: distribution must be uniform, truncated_normal or untruncated_normal; "
                f"got {distribution!r}."
            )
        self.scale, self.mode, self.distribution = scale, mode, distribution
        self.input_axes, self.output_axes = input_axes, output_axes
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, n)
        if self.distribution == "truncated_normal":
            # Wider by what the cut takes away, so that the values drawn have the variance asked for.
            stddev = math.sqrt(variance) / _TRUNCATED_STDDEV
            return random.truncated_normal(shape, 0.0, stddev, dtype, self.seed)
        if self.distribution == "untruncated_normal":
            return random.normal(shape, 0.0, math.sqrt(variance), dtype, self.seed)
        limit = math.sqrt(3 * variance)
        return random.uniform(shape, -limit, limit, dtype, self.seed)

    def get_config(self):
        return {
            **super().get_config(),
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


class _Named(VarianceScaling):
    """A `VarianceScaling` with everything but its seed and axes fixed by the class."""

    fixed: tuple[float, str, str]

    def __init__(self, seed=None, input_axes=None, output_axes=None):
        scale, mode, distribution = self.fixed
        super().__init__(scale, mode, distribution, seed, input_axes, output_axes)

    def get_config(self):
        config = super().get_config()
        return {key: config[key] for key in ("seed", "input_axes", "output_axes")}


class GlorotUniform(_Named):
    """Even, of variance ``2 / (inputs + outputs)`` (Glorot and Bengio 2010)."""

    fixed = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Named):
    """Truncated normal, of variance ``2 / (inputs + outputs)`` (Glorot and Bengio 2010)."""

    fixed = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Named):
    """Even, of variance ``2 / inputs`` (He et al. 2015)."""

    fixed = (2.0, "fan_in", "uniform")


class HeNormal(_Named):
    """Truncated normal, of variance ``2 / inputs`` (He et al. 2015)."""

    fixed = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Named):
    """Even, of variance ``1 / inputs`` (LeCun et al. 1998)."""

    fixed = (1.0, "fan_in", "uniform")


class LecunNormal(_Named):
    """Truncated normal, of variance ``1 / inputs`` (LeCun et al. 1998)."""

    fixed = (1.0, "fan_in", "truncated_normal")


class Orthogonal(RandomInitializer):
    """A random matrix with orthonormal rows or columns, whichever are fewer, times `gain` (Saxe et al. 2014).

    Of more than two axes all but the last are taken as rows.

    Parameters
    ----------
    gain : float
    seed : int or SeedGenerator, optional
    """

    def __init__(self, gain=1.0, seed=None):
        self.gain = gain
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        shape = tuple(shape)
        if len(shape) < 2:
            raise ValueError(f"Orthogonal: shape must have two axes or more; got {shape}.")
        dtype = np.dtype(dtype or config.floatx())
        rows, columns = math.prod(shape[:-1]), shape[-1]
        size = (max(rows, columns), min(rows, columns))
        # LAPACK knows no float16.
        a = random.normal(size, dtype=dtype if dtype.itemsize >= 4 else "float32", seed=self.seed).data
        xp = backend.array_module(a)
        q, r = xp.linalg.qr(a)
        # QR leaves the signs to the algorithm; with those of R's diagonal Q is evenly distributed.
        q = q * xp.where(xp.diagonal(r) < 0, -1, 1).astype(a.dtype)
        return Tensor((self.gain * (q.T if rows < columns else q).reshape(shape)).astype(dtype, copy=False))

    def get_config(self):
        return {**super().get_config(), "gain": self.gain}


def compute_fans(shape, input_axes=None, output_axes=None) -> tuple[int, int]:
    """Return the numbers of inputs and outputs of a unit of weights of a shape.

    Two axes are inputs and outputs. Of more, the last two are, and both numbers count once for each place of
    the axes before them. `input_axes` and `output_axes`, given together, name them instead.
    """
    shape = tuple(shape)
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[a] for a in input_axes), math.prod(shape[a] for a in output_axes)
    if not shape:
        return 1, 1
    if len(shape) == 1:
        return shape[0], shape[0]
    places = math.prod(shape[:-2])
    return shape[-2] * places, shape[-1] * places


_table = registry.Table(
    "initializer",
    "keras.initializers",
    (
        Initializer,
        Constant,
        Identity,
        Ones,
        Zeros,
        GlorotNormal,
        GlorotUniform,
        HeNormal,
        HeUniform,
        LecunNormal,
        LecunUniform,
        Orthogonal,
        RandomNormal,
        RandomUniform,
        TruncatedNormal,
        VarianceScaling,
    ),
    {
        "IdentityInitializer": Identity,
        "OrthogonalInitializer": Orthogonal,
        "normal": RandomNormal,
        "uniform": RandomUniform,
        "one": Ones,
        "zero": Zeros,
    },
)
_seeds = registry.Table("seed generator", "keras.random", (random.SeedGenerator,))
constant, identity, ones, zeros = Constant, Identity, Ones, Zeros
glorot_normal, glorot_uniform, he_normal, he_uniform = GlorotNormal, GlorotUniform, HeNormal, HeUniform
lecun_normal, lecun_uniform, orthogonal = LecunNormal, LecunUniform, Orthogonal
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
variance_scaling = VarianceScaling
IdentityInitializer, OrthogonalInitializer = Identity, Orthogonal


def get(identifier) -> Any:
    """Return an initializer from its name, its config, its class, itself, or an array of values.

    Raises
    ------
    ValueError
        If the name is not known, or `identifier` is none of these.
    """
    if isinstance(identifier, Tensor | np.generic) or backend.is_array(identifier):
        return _from_values(identifier)
    return _table.get(identifier)


def _from_values(values):
    def initialize(shape, dtype=None):
        if tuple(shape) != tuple(values.shape):
            raise ValueError(
                f"initializer: the array of values must have shape {tuple(shape)}; got {values.shape}."
            )
        return ops.cast(values, dtype or config.floatx())

    return initialize


def serialize(initializer):
    """Return the config of an initializer."""
    return registry.serialize_keras_object(initializer)


def deserialize(config, custom_objects=None):
    """Return the initializer of a name or config."""
    return _table.deserialize(config, custom_objects)
