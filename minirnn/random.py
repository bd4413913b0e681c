"""Random draws under the names of ``keras.random``. Every draw goes through a `SeedGenerator`.

A draw is a pure function of two numbers, a seed and a counter: the generator that makes it starts from both
and is dropped afterwards. So a state is two integers, which can be saved, restored and compared, and what one
object draws does not depend on what others drew before it. The values are not those of Keras, whose own
differ from one backend to the next as well.
"""

import numbers
import operator
import random as python_random
from typing import Any

import numpy as np

from minirnn import backend, config
from minirnn.autograd import Tensor, Variable, convert, convert_float
from minirnn.autograd import primitives as P
from minirnn.backend import allowance
from minirnn.ops.arguments import along
from minirnn.ops.symbolic import op
from minirnn.utils.naming import auto_name

__all__ = [
    "SeedGenerator",
    "beta",
    "binomial",
    "categorical",
    "dropout",
    "gamma",
    "make_default_seed",
    "normal",
    "randint",
    "shuffle",
    "truncated_normal",
    "uniform",
]

_SEED_LIMIT = 2**32
_global: list["SeedGenerator"] = []


def make_default_seed() -> int:
    """Return a seed from Python's `random`, for an object that was given none."""
    return python_random.randint(1, int(1e9))


def check_seed(seed, where) -> int:
    """Return `seed` as a Python int, or raise ValueError in the name of `where`."""
    if not isinstance(seed, numbers.Integral) or not 0 <= int(seed) < _SEED_LIMIT:
        raise ValueError(f"{where}: seed must be an integer in [0, 2**32); got {seed!r}.")
    return operator.index(seed)


class SeedGenerator:
    """A source of seeds: each draw with it takes the next one.

    Parameters
    ----------
    seed : int, optional
        In [0, 2**32); default: `make_default_seed`.
    name : str, optional

    Attributes
    ----------
    state : Variable, shape (2,), uint32
        The seed and the number of draws so far. Assign it to go back to an earlier point.

    Raises
    ------
    ValueError
        If `seed` is not such an integer.
    """

    def __init__(self, seed=None, name=None):
        self.name = name or auto_name(type(self).__name__)
        self._initial_seed = seed
        value = make_default_seed() if seed is None else check_seed(seed, f"SeedGenerator {self.name!r}")
        # It stays on the host, which reads it for each draw.
        with backend.device("cpu"):
            self.state = Variable(
                np.array([value, 0], np.uint32),
                dtype="uint32",
                trainable=False,
                name="seed_generator_state",
                path=f"{self.name}/seed_generator_state",
            )

    def __setstate__(self, kept):
        # What is loaded from a file is on the current device by now.
        self.__dict__.update(kept)
        self.state.data = backend.to_numpy(self.state.data)

    def next(self, ordered=True) -> Tensor:
        """Return the present state, shape (2,), and count one draw."""
        state = Tensor(self.state.data)
        self._advance()
        return state

    def _advance(self) -> tuple[int, int]:
        # The counter wraps, as a sum of uint32 does; 2**32 draws later the first one comes again.
        seed, counter = self.state.data.tolist()
        self.state.assign(Tensor(np.array([seed, (counter + 1) % _SEED_LIMIT], "uint32")))
        return seed, counter

    def get_config(self) -> dict:
        return {"seed": self._initial_seed, "name": self.name}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def set_global_seed(seed: int) -> None:
    """Start the generator of draws without ``seed=`` anew."""
    _global[:] = [SeedGenerator(seed, name="global_seed_generator")]


def draw_seed(seed) -> tuple[int, int]:
    """Return the two numbers that a draw starts from.

    Parameters
    ----------
    seed : int, SeedGenerator or None
        The same values at each call; the generator's next; the global generator's next.
    """
    if isinstance(seed, SeedGenerator):
        return seed._advance()
    if seed is None:
        if not _global:
            set_global_seed(make_default_seed())
        return _global[0]._advance()
    if isinstance(seed, numbers.Integral):
        return check_seed(seed, "random"), 0
    raise ValueError(f"random: seed must be an integer, a SeedGenerator or None; got {seed!r}.")


def _generator(seed):
    return backend.current().generator(draw_seed(seed))


def _shape(shape) -> tuple[int, ...]:
    whole = isinstance(shape, numbers.Integral)
    sizes = (operator.index(shape),) if whole else tuple(map(operator.index, shape))
    allowance.ask(*sizes)
    return sizes


def _dtype(dtype, where, kinds="f", kind_name="floating point") -> np.dtype:
    dtype = np.dtype(dtype or config.floatx())
    if dtype.kind not in kinds:
        raise ValueError(f"random.{where}: dtype must be a {kind_name} type; got {dtype.name}.")
    return dtype


def _draw_dtype(dtype):
    """Return the type in which generators draw for `dtype`: they know no float16."""
    return dtype if dtype.itemsize >= 4 else np.dtype("float32")


def _raw(parameter):
    """Return a parameter of a distribution as a number or a raw array of the current device."""
    return parameter if isinstance(parameter, int | float) else convert(parameter).data


def normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None) -> Tensor:
    """Draw from a normal distribution.

    Parameters
    ----------
    shape : tuple of int
    mean, stddev : float, Tensor or array
    dtype : str, optional
        A floating point type; default floatx.
    seed : int, SeedGenerator or None
        See `draw_seed`.

    Raises
    ------
    ValueError
        If `dtype` is not of floats, or `seed` of another kind.
    """
    dtype = _dtype(dtype, "normal")
    x = _generator(seed).standard_normal(_shape(shape), dtype=_draw_dtype(dtype))
    return Tensor((x * _raw(stddev) + _raw(mean)).astype(dtype, copy=False))


def truncated_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None) -> Tensor:
    """Draw from a normal distribution cut off two standard deviations from its mean; see `normal`.

    Values beyond are drawn again, so what is left has a standard deviation of about ``0.88 * stddev``.
    """
    dtype = _dtype(dtype, "truncated_normal")
    generator = _generator(seed)
    x = generator.standard_normal(_shape(shape), dtype=_draw_dtype(dtype))
    flat = x.reshape(-1)
    beyond = abs(flat) > 2
    while count := int(beyond.sum()):
        flat[beyond] = generator.standard_normal(count, dtype=x.dtype)
        beyond = abs(flat) > 2
    return Tensor((x * _raw(stddev) + _raw(mean)).astype(dtype, copy=False))


def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None) -> Tensor:
    """Draw evenly from ``[minval, maxval)``; see `normal`."""
    dtype = _dtype(dtype, "uniform")
    generator = _generator(seed)
    low, high = _raw(minval), _raw(maxval)
    x = generator.random(_shape(shape), dtype=_draw_dtype(dtype))
    x = (x * (high - low) + low).astype(dtype, copy=False)
    # Rounding may carry the largest values up to maxval itself, which does not belong to the range.
    xp = backend.array_module(x)
    low, high = (xp.asarray(v, dtype) for v in (low, high))
    return Tensor(xp.where(low < high, xp.minimum(x, xp.nextafter(high, low)), x))


def randint(shape, minval, maxval, dtype: Any = "int32", seed=None) -> Tensor:
    """Draw integers evenly from ``[minval, maxval)``.

    Raises
    ------
    ValueError
        If `dtype` is not of integers, or the range is empty.
    """
    dtype = _dtype(dtype, "randint", "iu", "integer")
    minval, maxval = int(minval), int(maxval)
    if minval >= maxval:
        raise ValueError(f"random.randint: minval must be below maxval; got [{minval}, {maxval}).")
    return Tensor(_generator(seed).integers(minval, maxval, size=_shape(shape), dtype=dtype))


@op
def categorical(logits, num_samples, dtype: Any = "int32", seed=None) -> Tensor:
    """Draw class numbers with probabilities ``softmax(logits)``.

    Parameters
    ----------
    logits : array, shape (batch, classes)
    num_samples : int
        For each row.

    Returns
    -------
    Tensor, shape (batch, num_samples), of `dtype`

    Raises
    ------
    ValueError
        If `logits` has not two axes.
    """
    logits = convert_float(logits).data
    if logits.ndim != 2:
        raise ValueError(f"random.categorical: logits must have shape (batch, classes); got {logits.shape}.")
    xp = backend.array_module(logits)
    weights = xp.exp(logits - logits.max(axis=1, keepdims=True)).astype("float64")
    cumulative = xp.cumsum(weights, axis=1)
    cumulative /= cumulative[:, -1:]
    allowance.ask(logits.size, num_samples)
    x = _generator(seed).random((logits.shape[0], num_samples, 1))
    return Tensor((x >= cumulative[:, None, :]).sum(axis=2).astype(dtype))


@op
def shuffle(x, axis=0, seed=None) -> Tensor:
    """Return `x` with its slices along `axis` in random order; each slice stays whole."""
    x = convert(x)
    xp = backend.array_module(x.data)
    order = xp.argsort(_generator(seed).random(x.shape[axis]))
    return x[along(axis % x.ndim, order)]


def dropout_mask(shape, rate, dtype=None, seed=None):
    """Return a raw array of ``1 / (1 - rate)``, with zeros at a share `rate` of its places, up to all."""
    dtype = np.dtype(dtype or config.floatx())
    kept = _generator(seed).random(_shape(shape), dtype=np.float32) >= rate
    return kept * dtype.type(1 / (1 - rate) if rate < 1 else 0)


@op
def dropout(inputs, rate, noise_shape=None, seed=None) -> Tensor:
    """Set a share `rate` of the inputs to 0 and divide the others by ``1 - rate``.

    Parameters
    ----------
    inputs : array, float
    rate : float
        In [0, 1].
    noise_shape : tuple of (int or None), optional
        The shape of the mask, which is broadcast against `inputs`; None stands for the inputs' own size.

    Raises
    ------
    ValueError
        If `rate` is not in [0, 1] or `noise_shape` has another number of axes than `inputs`.
    """
    x = convert_float(inputs)
    if not 0 <= rate <= 1:
        raise ValueError(f"random.dropout: rate must be in [0, 1]; got {rate!r}.")
    if rate == 0:
        return x
    shape = x.shape
    if noise_shape is not None:
        if len(noise_shape) != x.ndim:
            raise ValueError(
                f"random.dropout: noise_shape must have one size for each of the {x.ndim} axes of inputs; "
                f"got {tuple(noise_shape)}."
            )
        shape = tuple(n if m is None else m for m, n in zip(noise_shape, shape))
    if rate == 1:
        return P.zeros_like(x)
    return x * Tensor(dropout_mask(shape, rate, x.dtype, seed))


def _parameter(value):
    return convert(value).data.astype("float64")


def gamma(shape, alpha, dtype=None, seed=None) -> Tensor:
    """Draw from a gamma distribution of shape parameter `alpha` (number or array) and scale 1."""
    dtype = _dtype(dtype, "gamma")
    return Tensor(_generator(seed).standard_gamma(_parameter(alpha), _shape(shape)).astype(dtype))


def beta(shape, alpha, beta, dtype=None, seed=None) -> Tensor:
    """Draw from a beta distribution of parameters `alpha` and `beta` (numbers or arrays)."""
    dtype = _dtype(dtype, "beta")
    return Tensor(_generator(seed).beta(_parameter(alpha), _parameter(beta), _shape(shape)).astype(dtype))


def binomial(shape, counts, probabilities, dtype=None, seed=None) -> Tensor:
    """Draw numbers of successes in `counts` trials, each of a probability in [0, 1] (numbers or arrays)."""
    dtype = _dtype(dtype, "binomial", "fiu", "numeric")
    counts = convert(counts).data.astype("int64")
    return Tensor(_generator(seed).binomial(counts, _parameter(probabilities), _shape(shape)).astype(dtype))
