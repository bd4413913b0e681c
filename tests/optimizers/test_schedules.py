"""Schedules: what their curves go through, and what they refuse. The peers' tests hold them to Keras's."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import config, optimizers
from minirnn.autograd import Variable, convert
from minirnn.optimizers import schedules

ALL = {
    "ExponentialDecay": schedules.ExponentialDecay(0.5, 10, 0.25),
    "ExponentialDecay staircase": schedules.ExponentialDecay(0.5, 10, 0.25, staircase=True),
    "InverseTimeDecay": schedules.InverseTimeDecay(0.5, 10, 3.0),
    "PolynomialDecay": schedules.PolynomialDecay(0.5, 10, 0.1, power=2.0),
    "PolynomialDecay cycle": schedules.PolynomialDecay(0.5, 10, 0.1, cycle=True),
    "CosineDecay": schedules.CosineDecay(0.5, 10, alpha=0.2),
    "CosineDecay warm": schedules.CosineDecay(0.1, 10, warmup_target=0.5, warmup_steps=4),
    "CosineDecayRestarts": schedules.CosineDecayRestarts(0.5, 10, t_mul=2.0, m_mul=0.5, alpha=0.2),
    "PiecewiseConstantDecay": schedules.PiecewiseConstantDecay([2, 9], [0.5, 0.3, 0.1]),
}
every = pytest.mark.parametrize("schedule", ALL.values(), ids=ALL.keys())
POINTS = [
    ("ExponentialDecay", {0: 0.5, 5: 0.25, 10: 0.125, 20: 0.03125}),
    ("ExponentialDecay staircase", {0: 0.5, 9: 0.5, 10: 0.125, 19: 0.125, 20: 0.03125}),
    ("InverseTimeDecay", {0: 0.5, 10: 0.125, 30: 0.05}),
    ("PolynomialDecay", {0: 0.5, 5: 0.2, 10: 0.1, 11: 0.1}),
    ("PolynomialDecay cycle", {0: 0.5, 5: 0.3, 10: 0.1, 11: 0.1 + 0.4 * 9 / 20, 20: 0.1}),
    ("CosineDecay", {0: 0.5, 5: 0.3, 10: 0.1, 99: 0.1}),
    ("CosineDecay warm", {0: 0.1, 2: 0.3, 4: 0.5, 9: 0.25, 14: 0.0, 99: 0.0}),
    ("CosineDecayRestarts", {0: 0.5, 5: 0.3, 10: 0.3, 20: 0.2, 30: 0.2}),
    ("PiecewiseConstantDecay", {0: 0.5, 2: 0.5, 3: 0.3, 9: 0.3, 10: 0.1}),
]


@pytest.mark.parametrize("name, points", POINTS)
def test_a_curve_goes_through_its_points(name, points):
    for step, rate in points.items():
        assert math.isclose(float(ALL[name](step)), rate, abs_tol=1e-7)


@every
def test_many_steps_at_once_give_the_rate_of_each(schedule):
    steps = np.arange(45)
    for form in (steps, convert(steps), steps.astype("float32")):
        assert np.array_equal(schedule(form), [float(schedule(int(s))) for s in steps])


@every
def test_a_rate_has_the_type_of_floatx(schedule):
    assert schedule(3).dtype == "float32"
    config.set_floatx("float64")
    try:
        assert schedule(Variable(3)).dtype == "float64"
    finally:
        config.set_floatx("float32")


@every
def test_a_config_makes_the_same_schedule_again(schedule):
    stored = json.loads(json.dumps(schedules.serialize(schedule)))
    again = schedules.deserialize(stored)
    assert again.get_config() == schedule.get_config()
    assert np.array_equal(again(np.arange(30)), schedule(np.arange(30)))
    optimizer = optimizers.Adam(schedule)
    assert optimizers.deserialize(optimizers.serialize(optimizer)).get_config() == optimizer.get_config()


@given(
    first=st.integers(1, 20),
    t_mul=st.floats(1.01, 3.0),
    m_mul=st.sampled_from([1.0, 0.5]),
    alpha=st.sampled_from([0.0, 0.1]),
)
def test_each_period_of_restarts_begins_and_ends_where_it_should(first, t_mul, m_mul, alpha):
    schedule = schedules.CosineDecayRestarts(1.0, first, t_mul, m_mul, alpha)
    begin = 0.0
    for period in range(5):
        end = begin + first * t_mul**period
        # Half a step after the beginning, where it is, the rate is near to the period's highest.
        top = (1 - alpha) * m_mul**period + alpha
        inside = begin + (end - begin) * 1e-3
        assert abs(float(schedule(inside)) - top) < 1e-4
        assert abs(float(schedule(end - (end - begin) * 1e-3)) - alpha) < 1e-4
        begin = end


def test_a_period_begins_at_its_first_step_whatever_logarithms_round_to():
    schedule = schedules.CosineDecayRestarts(1.0, 10, t_mul=1.5, m_mul=0.5)
    begins = [0.0, 10.0, 25.0, 47.5]
    assert np.allclose(schedule(np.array(begins)), [1.0, 0.5, 0.25, 0.125])
    # 1 + 3 + 9 + 27 + 81 steps, of which the logarithm to base 3 comes out a little too small.
    assert float(schedules.CosineDecayRestarts(1.0, 1, t_mul=3.0)(121)) == 1.0


STARTS = [
    lambda rate: schedules.ExponentialDecay(rate, 4, 0.5),
    lambda rate: schedules.InverseTimeDecay(rate, 4, 0.5),
    lambda rate: schedules.PolynomialDecay(rate, 4, rate),
    lambda rate: schedules.CosineDecay(rate, 4, warmup_target=rate, warmup_steps=2),
    lambda rate: schedules.CosineDecayRestarts(rate, 4),
    lambda rate: schedules.PiecewiseConstantDecay([2], [rate, rate]),
]


@pytest.mark.parametrize("make", STARTS)
@pytest.mark.parametrize("kind", [Variable, np.float32, lambda rate: np.array([rate])])
def test_a_schedule_may_start_from_the_rate_that_an_optimizer_has(make, kind):
    optimizer = optimizers.SGD(0.25)
    assert json.dumps(make(kind(0.25)).get_config()) == json.dumps(make(0.25).get_config())
    optimizer.learning_rate = make(optimizer.learning_rate)
    assert float(optimizer.learning_rate) == 0.25


def test_steps_use_the_rate_of_the_calls_so_far():
    w = Variable(np.array([0.0]))
    optimizer = optimizers.SGD(schedules.PiecewiseConstantDecay([0, 1], [1.0, 0.25, 0.0625]))
    rates = []
    for _ in range(4):
        before = w.numpy()
        optimizer.apply([np.array([1.0])], [w])
        rates.append(float((before - w.numpy())[0]))
    assert rates == [1.0, 0.25, 0.0625, 0.0625]
    assert [v.name for v in optimizer.variables] == ["iteration"]


@pytest.mark.parametrize(
    "call, match",
    [
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), "ExponentialDecay: decay_steps must be .*above 0"),
        (
            lambda: schedules.ExponentialDecay(-0.1, 5, 0.5),
            "initial_learning_rate must be a number 0 or more",
        ),
        (lambda: schedules.ExponentialDecay(0.1, 5, -0.5), "decay_rate must be a number 0 or more"),
        (lambda: schedules.InverseTimeDecay(0.1, -5, 0.5), "InverseTimeDecay: decay_steps must be"),
        (lambda: schedules.PolynomialDecay(0.1, 0), "PolynomialDecay: decay_steps must be a number above 0"),
        (lambda: schedules.PolynomialDecay(0.1, 5, end_learning_rate=-1), "end_learning_rate must be"),
        (lambda: schedules.PolynomialDecay(0.1, 5, power=-1), "power must be a number 0 or more"),
        (lambda: schedules.CosineDecay(0.1, 0), "CosineDecay: decay_steps must be a number above 0"),
        (lambda: schedules.CosineDecay(0.1, 5, warmup_steps=-1), "warmup_steps must be a number 0 or more"),
        (lambda: schedules.CosineDecay(0.1, 5, warmup_target="0.1"), "warmup_target must be a number"),
        (lambda: schedules.CosineDecayRestarts(0.1, 0), "first_decay_steps must be a number above 0"),
        (lambda: schedules.CosineDecayRestarts(0.1, 5, t_mul=0.5), "t_mul must be a number 1 or more"),
        (lambda: schedules.CosineDecayRestarts(0.1, 5, m_mul=-1), "m_mul must be a number 0 or more"),
        (
            lambda: schedules.PiecewiseConstantDecay([1, 2], [0.1, 0.2]),
            "one more than boundaries; got 2 and 2",
        ),
        (lambda: schedules.PiecewiseConstantDecay([2, 1], [0.1, 0.2, 0.3]), r"above the one before; got \[2"),
        (lambda: schedules.PiecewiseConstantDecay([1], [0.1, -0.2]), "values must be a number 0 or more"),
        (
            lambda: schedules.deserialize({"class_name": "CosineDeca", "config": {}}),
            "nearest .*'CosineDecay'",
        ),
    ],
)
def test_bad_arguments_are_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
