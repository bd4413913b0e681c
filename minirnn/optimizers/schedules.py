"""Learning rates that change with the step, under the names of ``keras.optimizers.schedules``.

They are computed on the host in float64 and rounded to floatx at the end. A step may be a number, or an array
of them, as for a plot.
"""

import itertools
import math
from typing import Any

import numpy as np

from minirnn import backend, config
from minirnn.autograd import Tensor
from minirnn.optimizers.arguments import check_number, check_optional, plain
from minirnn.utils import registry


class LearningRateSchedule:
    """The base class: subclasses define ``__call__(self, step)``, which returns the rate of a step from 0 on.

    Examples
    --------
    >>> class Halving(LearningRateSchedule):
    ...     def __init__(self, start):
    ...         self.start = start
    ...
    ...     def __call__(self, step):
    ...         return self.start * 0.5 ** (int(step) // 1000)
    """

    def __call__(self, step) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __call__(self, step).")

    def get_config(self) -> dict:
        raise NotImplementedError(f"{type(self).__name__} must define get_config() to be saved.")

    @classmethod
    def from_config(cls, config):
        return cls(**config)


class _Formula(LearningRateSchedule):
    """A schedule that is a function of the step and of the constructor's arguments, which are attributes."""

    _names: tuple[str, ...]

    def _rate(self, step):
        """Return the rate at `step`, a float64 array, in the same form."""
        raise NotImplementedError

    def __call__(self, step) -> Tensor:
        raw = step.data if isinstance(step, Tensor) else step
        host = backend.to_numpy(raw) if backend.is_array(raw) else raw
        rate = self._rate(np.asarray(host, "float64"))
        return Tensor(np.asarray(rate, config.floatx()))

    def get_config(self) -> dict:
        return {name: getattr(self, name) for name in self._names}


class ExponentialDecay(_Formula):
    """Multiplies the rate by a factor every so many steps::

        initial_learning_rate * decay_rate ** (step / decay_steps)

    Parameters
    ----------
    initial_learning_rate : float
        0 or more.
    decay_steps : int
        Above 0.
    decay_rate : float
        0 or more.
    staircase : bool
        Round ``step / decay_steps`` down: the rate falls all at once.
    name : str

    Raises
    ------
    ValueError
        If an argument is none of these.
    """

    _names = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase", "name")

    def __init__(
        self, initial_learning_rate, decay_steps, decay_rate, staircase=False, name="ExponentialDecay"
    ):
        where = type(self).__name__
        initial_learning_rate = plain(initial_learning_rate)
        check_number(where, "above 0", decay_steps=decay_steps)
        check_number(where, "0 or more", initial_learning_rate=initial_learning_rate, decay_rate=decay_rate)
        self.initial_learning_rate, self.decay_rate = initial_learning_rate, decay_rate
        self.decay_steps, self.staircase, self.name = decay_steps, staircase, name

    def _periods(self, step):
        periods = step / self.decay_steps
        return np.floor(periods) if self.staircase else periods

    def _rate(self, step):
        return self.initial_learning_rate * self.decay_rate ** self._periods(step)


class InverseTimeDecay(ExponentialDecay):
    """Divides the rate by a number that grows with the steps::

        initial_learning_rate / (1 + decay_rate * step / decay_steps)

    Parameters
    ----------
    initial_learning_rate, decay_steps, decay_rate, staircase, name
        See `ExponentialDecay`.
    """

    def __init__(
        self, initial_learning_rate, decay_steps, decay_rate, staircase=False, name="InverseTimeDecay"
    ):
        super().__init__(initial_learning_rate, decay_steps, decay_rate, staircase, name)

    def _rate(self, step):
        return self.initial_learning_rate / (1 + self.decay_rate * self._periods(step))


class PolynomialDecay(_Formula):
    """Goes down to `end_learning_rate` in `decay_steps`, with ``step`` at most `decay_steps`::

        (initial_learning_rate - end_learning_rate) * (1 - step / decay_steps) ** power + end_learning_rate

    Parameters
    ----------
    initial_learning_rate, end_learning_rate : float
        0 or more.
    decay_steps : int
        Above 0.
    power : float
        0 or more; 1 is a straight line.
    cycle : bool
        Go on after `decay_steps`: the smallest multiple of it that is not below ``step`` takes its place.
    name : str

    Raises
    ------
    ValueError
        If an argument is none of these.
    """

    _names = ("initial_learning_rate", "decay_steps", "end_learning_rate", "power", "cycle", "name")

    def __init__(
        self,
        initial_learning_rate,
        decay_steps,
        end_learning_rate=0.0001,
        power=1.0,
        cycle=False,
        name="PolynomialDecay",
    ):
        where = type(self).__name__
        initial_learning_rate, end_learning_rate = plain(initial_learning_rate), plain(end_learning_rate)
        check_number(where, "above 0", decay_steps=decay_steps)
        rates = {"initial_learning_rate": initial_learning_rate, "end_learning_rate": end_learning_rate}
        check_number(where, "0 or more", **rates, power=power)
        self.initial_learning_rate, self.end_learning_rate = initial_learning_rate, end_learning_rate
        self.decay_steps, self.power, self.cycle, self.name = decay_steps, power, cycle, name

    def _rate(self, step):
        end = self.decay_steps
        if self.cycle:
            end = end * np.maximum(1, np.ceil(step / end))
        left = 1 - np.minimum(step, end) / end
        return (self.initial_learning_rate - self.end_learning_rate) * left**self.power + (
            self.end_learning_rate
        )


def _half_cosine(fraction):
    """Return 1 at 0, 0 at 1, half a cosine between."""
    return 0.5 * (1 + np.cos(math.pi * fraction))


class CosineDecay(_Formula):
    """Goes down as half a cosine, after a straight way up if there is one::

        initial_learning_rate + (warmup_target - initial_learning_rate) * step / warmup_steps    (way up)
        start * ((1 - alpha) * (1 + cos(pi * (step - warmup_steps) / decay_steps)) / 2 + alpha)

    where ``start`` is `warmup_target`, or without one `initial_learning_rate`.

    Parameters
    ----------
    initial_learning_rate : float
        0 or more.
    decay_steps : int
        Of the way down, above 0; after it the rate stays at ``start * alpha``.
    alpha : float
        0 or more.
    name : str
    warmup_target : float, optional
        0 or more; without it there is no way up.
    warmup_steps : int
        0 or more.

    Raises
    ------
    ValueError
        If an argument is none of these.

    References
    ----------
    Loshchilov and Hutter 2017, "SGDR: stochastic gradient descent with warm restarts"; Goyal et al. 2017,
    section 2.2, for the way up.
    """

    _names = ("initial_learning_rate", "decay_steps", "alpha", "name", "warmup_target", "warmup_steps")

    def __init__(
        self,
        initial_learning_rate,
        decay_steps,
        alpha=0.0,
        name="CosineDecay",
        warmup_target=None,
        warmup_steps=0,
    ):
        where = type(self).__name__
        initial_learning_rate, warmup_target = plain(initial_learning_rate), plain(warmup_target)
        check_number(where, "above 0", decay_steps=decay_steps)
        check_number(where, "0 or more", initial_learning_rate=initial_learning_rate, alpha=alpha)
        check_number(where, "0 or more", warmup_steps=warmup_steps)
        check_optional(where, "0 or more", warmup_target=warmup_target)
        self.initial_learning_rate, self.alpha, self.name = initial_learning_rate, alpha, name
        self.decay_steps, self.warmup_steps, self.warmup_target = decay_steps, warmup_steps, warmup_target

    def _rate(self, step):
        first, target, up = self.initial_learning_rate, self.warmup_target, self.warmup_steps
        if target is None:
            target, up = first, 0
        fraction = np.clip((step - up) / self.decay_steps, 0, 1)
        down = target * ((1 - self.alpha) * _half_cosine(fraction) + self.alpha)
        return np.where(step < up, first + (target - first) * step / max(up, 1), down)


class CosineDecayRestarts(_Formula):
    """Goes down as half a cosine again and again, in period i = 0, 1, ... from its beginning to its end::

        initial_learning_rate * ((1 - alpha) * m_mul**i * (1 + cos(pi * fraction of period i)) / 2 + alpha)

    Parameters
    ----------
    initial_learning_rate : float
        0 or more.
    first_decay_steps : int
        The length of period 0, above 0.
    t_mul : float
        By what each period is longer than the one before it, 1 or more.
    m_mul : float
        By what each period starts higher than the one before it, 0 or more.
    alpha : float
        0 or more.
    name : str

    Notes
    -----
    A period starts at the step at which it should. Keras finds the period by logarithms in float32; with a
    `t_mul` that is no power of 2, the first step of one may count there as the last of the one before.

    Raises
    ------
    ValueError
        If an argument is none of these.

    References
    ----------
    Loshchilov and Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", section 3.
    """

    _names = ("initial_learning_rate", "first_decay_steps", "t_mul", "m_mul", "alpha", "name")

    def __init__(
        self,
        initial_learning_rate,
        first_decay_steps,
        t_mul=2.0,
        m_mul=1.0,
        alpha=0.0,
        name="SGDRDecay",
    ):
        where = type(self).__name__
        initial_learning_rate = plain(initial_learning_rate)
        check_number(where, "above 0", first_decay_steps=first_decay_steps)
        check_number(where, "1 or more", t_mul=t_mul)
        check_number(
            where, "0 or more", initial_learning_rate=initial_learning_rate, m_mul=m_mul, alpha=alpha
        )
        self.initial_learning_rate, self.first_decay_steps = initial_learning_rate, first_decay_steps
        self.t_mul, self.m_mul, self.alpha, self.name = t_mul, m_mul, alpha, name

    def _rate(self, step):
        period, fraction = self._place(step / self.first_decay_steps)
        decayed = (1 - self.alpha) * self.m_mul**period * _half_cosine(fraction) + self.alpha
        return self.initial_learning_rate * decayed

    def _place(self, done):
        """Return the number of the period, and how much of it is done, from the steps in first periods."""
        t = self.t_mul
        if t == 1:
            period = np.floor(done)
            return period, done - period

        def start(period):
            return (1 - t**period) / (1 - t)

        # The logarithms are rounded: the next period may have begun already.
        period = np.floor(np.log(1 - done * (1 - t)) / math.log(t))
        period = np.where(start(period + 1) <= done * (1 + 1e-12), period + 1, period)
        return period, np.maximum((done - start(period)) / t**period, 0)


class PiecewiseConstantDecay(_Formula):
    """Stays at one value up to and with each boundary: ``values[i]`` for boundary i - 1 < step <= boundary i.

    Parameters
    ----------
    boundaries : list of int
        Each above the one before.
    values : list of float
        One more, each 0 or more.
    name : str

    Raises
    ------
    ValueError
        If an argument is none of these.
    """

    _names = ("boundaries", "values", "name")

    def __init__(self, boundaries, values, name="PiecewiseConstant"):
        where = type(self).__name__
        boundaries, values = list(boundaries), [plain(value) for value in values]
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                f"{where}: values must be one more than boundaries; got {len(values)} and {len(boundaries)}."
            )
        for value in values:
            check_number(where, "0 or more", values=value)
        if not all(a < b for a, b in itertools.pairwise(boundaries)):
            raise ValueError(f"{where}: each of boundaries must be above the one before; got {boundaries}.")
        self.boundaries, self.values, self.name = boundaries, values, name

    def _rate(self, step):
        return np.asarray(self.values, "float64")[np.searchsorted(self.boundaries, step, side="left")]


_table = registry.Table(
    "learning rate schedule",
    "keras.optimizers.schedules",
    (
        LearningRateSchedule,
        ExponentialDecay,
        InverseTimeDecay,
        PolynomialDecay,
        CosineDecay,
        CosineDecayRestarts,
        PiecewiseConstantDecay,
    ),
    base=LearningRateSchedule,
)


def serialize(learning_rate_schedule):
    """Return the config of a schedule."""
    return registry.serialize_keras_object(learning_rate_schedule)


def deserialize(config, custom_objects=None):
    """Return the schedule of a config."""
    return _table.deserialize(config, custom_objects)
