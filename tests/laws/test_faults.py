"""A step of training that breaks, wherever it breaks, has not been: nothing that it was to change has
changed, and training goes on as if it had not been tried."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minirnn
from minirnn import layers, metrics, ops, optimizers
from minirnn.autograd import Variable
from minirnn.autograd.tensor import state
from minirnn.layers.context import context
from minirnn.models import Model, Sequential, trainer
from minirnn.optimizers.state import OptimizerState
from tests.laws import breaking
from tests.laws.breaking import (
    Broken,
    batch,
    broken_at,
    interrupted_at,
    model,
    surroundings,
    unbuilt,
    values_of,
)
from tests.standins import hostcupy, hostcupy_for_cupy

pytestmark = pytest.mark.stand_ins

OPTIMIZERS = {
    "adam": lambda: optimizers.Adam(0.01, use_ema=True, clipnorm=1.0),
    "accumulating": lambda: optimizers.SGD(0.1, momentum=0.9, gradient_accumulation_steps=2),
    "decaying": lambda: optimizers.RMSprop(0.01, momentum=0.5, centered=True, weight_decay=0.01),
    "scaling": lambda: optimizers.LossScaleOptimizer(optimizers.Adam(0.01), dynamic_growth_steps=2),
}


def step(one, n):
    minirnn.utils.set_random_seed(n)  # which two models would otherwise share
    return one.train_on_batch(*batch(n), return_dict=True)


def assert_breaks_leave_no_trace(one, twin, points, breaking_at, error, late=False):
    """Break a step of one model at each of some points, now and then do one in full, and compare with a twin.

    With `late` a step may also have been done in full when it breaks.
    """
    missed = 0
    for number, n in enumerate(points, 1):
        minirnn.utils.set_random_seed(n)
        before, around, broken = values_of(one), surroundings(), False
        try:
            with breaking_at(n):
                one.train_on_batch(*batch(n))
        except error:
            broken = True
        if not broken or (late and values_of(one) != before):
            # One step has a few calls less than another.
            step(twin, n)
            missed += 1
        else:
            assert values_of(one) == before, f"changed by a step that broke at {n}"
        assert values_of(one)[:-1] == values_of(twin)[:-1], f"done by half by a step that broke at {n}"
        assert surroundings() == around and not trainer._holding.of
        if number % 20 == 0:
            assert step(one, n) == step(twin, n), f"another result after a step that broke at {n}"
            assert values_of(one) == values_of(twin), f"not as without the step that broke at {n}"
    assert number >= 20 and missed < 0.1 * number


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
def test_a_step_that_breaks_at_any_call_has_not_been(make):
    one, twin, counted = model(make()), model(make()), model(make())
    with broken_at(None, *breaking.PLACES) as called:
        step(counted, 1)
    assert len(called) > 100 and set(called) == {name for _, name in breaking.PLACES}
    points = range(1, len(called) + 1)
    assert_breaks_leave_no_trace(one, twin, points, lambda n: broken_at(n, *breaking.PLACES), Broken)


def test_a_step_of_mixed_precision_that_breaks_at_any_call_has_not_been():
    one, twin, counted = [model(OPTIMIZERS["scaling"](), dtype="mixed_float16") for _ in range(3)]
    with broken_at(None, *breaking.PLACES) as called:
        step(counted, 1)
    points = range(1, len(called) + 1)
    assert_breaks_leave_no_trace(one, twin, points, lambda n: broken_at(n, *breaking.PLACES), Broken)


@pytest.mark.parametrize("cudnn", [False, True], ids=["fused", "cudnn"])
def test_a_step_that_runs_out_of_a_gpus_memory_at_any_point_has_not_been(cudnn):
    with hostcupy_for_cupy(cudnn=cudnn):
        one, twin, counted = model(small=True), model(small=True), model(small=True)
        with hostcupy.out_of_memory_after(None) as shortage:
            step(counted, 1)
        assert_breaks_leave_no_trace(
            one,
            twin,
            range(1, shortage.allocations + 1),
            hostcupy.out_of_memory_after,
            hostcupy.cuda.memory.OutOfMemoryError,
        )


@settings(max_examples=3)
@given(st.integers(1, 30))
def test_a_step_that_is_interrupted_at_any_line_has_been_in_whole_or_not_at_all(first):
    one, twin, counted = model(), model(), model()
    with interrupted_at(None) as lines:
        step(counted, 0)
    points = range(first, len(lines), 30)
    assert_breaks_leave_no_trace(one, twin, points, interrupted_at, KeyboardInterrupt, late=True)


FIRST = {
    "interrupt": (interrupted_at, lambda lines: len(lines), KeyboardInterrupt),
    "memory": (
        hostcupy.out_of_memory_after,
        lambda shortage: shortage.allocations,
        hostcupy.cuda.memory.OutOfMemoryError,
    ),
}


@pytest.mark.parametrize("how", FIRST)
@settings(max_examples=2)
@given(st.integers(1, 150))
def test_a_first_call_that_breaks_leaves_a_model_that_is_built_by_the_next(how, first):
    breaking_at, count, error = FIRST[how]

    def fitted(n):
        one = unbuilt()
        try:
            with breaking_at(n) as counted:
                return one, one.fit(*batch(), batch_size=2, verbose=0, shuffle=False).history, counted
        except error:
            assert surroundings() == around
            return one, one.fit(*batch(), batch_size=2, verbose=0, shuffle=False).history, counted

    around = surroundings()
    with hostcupy_for_cupy("cupy" if how == "memory" else "numpy"):
        twin, history, counted = fitted(None)
        for n in range(first, count(counted), 150):
            one, again, _ = fitted(n)
            before_the_first_step = int(one.optimizer.iterations) == int(twin.optimizer.iterations)
            if before_the_first_step:
                assert again == history and values_of(one)[:-1] == values_of(twin)[:-1], n


# Code of one's own that breaks in the second batch.


class At:
    """Calls that break once, the n-th time."""

    def __init__(self, n, error=Broken):
        self.left, self.error = n, error

    def __call__(self, value=None, *_):
        self.left -= 1
        if not self.left:
            raise self.error("broken")
        return value


class Passing(layers.Layer):
    def __init__(self, at, **kwargs):
        super().__init__(**kwargs)
        self.at = at

    def call(self, x, training=False):
        return self.at(x) if training else x


class BreakingMetric(metrics.Mean):
    def __init__(self, at, place):
        super().__init__("breaking")
        self.at, self.place = at, place

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(y_pred)
        if self.place == "update":
            self.at()

    def result(self):
        return self.at(super().result()) if self.place == "result" else super().result()


class BreakingSGD(optimizers.SGD):
    def __init__(self, at):
        super().__init__(0.1, momentum=0.9)
        self.at = at

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient, variable, learning_rate)
        self.at()


class Rate(optimizers.schedules.LearningRateSchedule):
    def __init__(self, at):
        self.at = at

    def __call__(self, step):
        return self.at(0.1)

    def get_config(self):
        return {}


def own(place, n):
    """Return a compiled model in which code of one's own breaks at its n-th call; never if n is 0."""
    minirnn.utils.set_random_seed(3)
    at, options = At(n), {"optimizer": optimizers.SGD(0.1, momentum=0.9), "loss": "mse", "metrics": ["mae"]}
    dense: dict = {}
    if place in ("kernel_regularizer", "kernel_constraint", "activation"):
        dense[place] = {"kernel_regularizer": lambda w: at(ops.sum(w * w)), "activation": at}.get(place, at)
    elif place == "loss":
        options["loss"] = lambda y, p: at(ops.mean(ops.square(y - p), axis=-1))
    elif place in ("update", "result"):
        options["metrics"] = [BreakingMetric(at, place)]
    elif place == "update_step":
        options["optimizer"] = BreakingSGD(at)
    elif place == "schedule":
        options["optimizer"] = optimizers.SGD(Rate(at), momentum=0.9)
    one = Sequential(
        [
            layers.Input(batch_shape=(breaking.N, breaking.T, breaking.D)),
            layers.GRU(2, stateful=True, dropout=0.2, seed=1),
            layers.BatchNormalization(),
            Passing(at if place == "layer" else At(0)),
            layers.Dense(2, **dense),
        ]
    )
    one.compile(**options)
    return one


# Where, and how often it is called before the middle of the second batch.
OWN = {
    "layer": 2,
    "loss": 3,
    "update": 3,
    "result": 3,
    "update_step": 8,
    "schedule": 2,
    "kernel_regularizer": 3,
    "kernel_constraint": 2,
    "activation": 4,
}


@pytest.mark.parametrize("place", OWN)
def test_code_of_ones_own_that_breaks_in_the_second_batch_leaves_what_the_first_one_left(place):
    batches = [(batch(n)[0], np.ones((breaking.N, 2), "float32") * n) for n in range(3)]
    one, twin = own(place, OWN[place]), own(place, 0)
    with pytest.raises(Broken):
        one.fit(iter(batches), verbose=0)
    twin.fit(iter(batches[:1]), verbose=0)
    assert int(one.optimizer.iterations) == 1
    assert values_of(one) == values_of(twin)
    again = [one.fit(iter(batches[1:]), verbose=0).history, twin.fit(iter(batches[1:]), verbose=0).history]
    assert again[0] == again[1] and values_of(one) == values_of(twin)


class Pair(Model):
    """Two models with an optimizer each, of which the second one's step breaks."""

    def __init__(self, at):
        super().__init__()
        self.one, self.two, self.at = layers.GRU(2), layers.Dense(2), at

    def compile(self, first, second):
        super().compile()
        self.first, self.second = first, second

    def call(self, x):
        return self.two(self.one(x))

    def train_step(self, data):
        x, y = data
        for part, optimizer in ((self.one, self.first), (self.two, self.second)):
            loss = ops.mean(ops.square(self(x) - y))
            weights = part.trainable_weights
            optimizer.apply(minirnn.grad(loss, weights), weights)
            self.at()
        return {"loss": loss}


def test_optimizers_that_are_attributes_of_a_model_are_put_back_too():
    x, y = np.ones((4, 2, 3), "float32"), np.ones((4, 2), "float32")
    minirnn.utils.set_random_seed(1)
    one = Pair(At(5))
    one.compile(optimizers.Adam(0.1), optimizers.Adam(0.1))
    one.fit(x, y, verbose=0)
    parts = [one, one.first, one.second]
    before, outputs = [v.numpy().tobytes() for part in parts for v in part.variables], one(x).numpy()
    for n in (1, 2):
        one.at.left = n
        with pytest.raises(Broken):
            one.fit(x, y, verbose=0)
        assert [v.numpy().tobytes() for part in parts for v in part.variables] == before
        np.testing.assert_array_equal(one(x), outputs)
    one.fit(x, y, verbose=0)
    assert int(one.first.iterations) == int(one.second.iterations) == 2


def test_an_interrupt_in_the_middle_of_no_grad_leaves_a_thread_that_records():
    class Net(Sequential):
        def train_step(self, data):
            # As if it had come between two lines of `no_grad` and of a layer's call.
            state.recording, state.inferring, context.entry, context.training = False, True, self, True
            raise KeyboardInterrupt

    one, before = Net([layers.Dense(2)]), surroundings()
    one.compile("sgd", "mse")
    with pytest.raises(KeyboardInterrupt):
        one.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    assert surroundings() == before


@pytest.mark.parametrize(
    "name", [name for name in optimizers.__all__ if name[0].isupper() and name != "Optimizer"]
)
def test_an_optimizer_whose_build_breaks_can_be_built_again(name):
    kind = getattr(optimizers, name)
    weights = [Variable(np.ones((2, 3), "float32")), Variable(np.ones(3, "float32"))]

    def new():
        minirnn.utils.set_random_seed(1)
        inner = [optimizers.Adam(0.1)] if issubclass(kind, optimizers.LossScaleOptimizer) else []
        return kind(*inner) if inner else kind(learning_rate=0.1, use_ema=True)

    whole = new()
    with broken_at(None, (OptimizerState, "add_variable")) as called:
        whole.build(weights)
    assert called
    for n in range(1, len(called) + 1):
        one = new()
        before = [v.path for v in one.variables]
        with pytest.raises(Broken), broken_at(n, (OptimizerState, "add_variable")):
            one.build(weights)
        assert not one.built and [v.path for v in one.variables] == before
        one.build(weights)
        assert [v.shape for v in one.variables] == [v.shape for v in whole.variables]
        one.apply([np.ones((2, 3)), np.ones(3)], weights)


def test_metrics_are_reset_all_of_them_or_none():
    one = model()
    before = values_of(one)
    measured = sum(len(metric.variables) for metric in one.metrics)
    for n in range(1, measured + 1):
        with pytest.raises(Broken), broken_at(n, (Variable, "assign")):
            one.fit(*batch(), verbose=0, shuffle=False)
        assert values_of(one) == before, n


def test_a_step_inside_of_a_step_is_taken_back_with_it():
    class Outer(Sequential):
        def train_step(self, data):
            logs = inner.train_on_batch(*data, return_dict=True)
            raise Broken(str(logs))

    x, y = batch()
    inner, outer = model(), Outer([layers.Dense(2)])
    outer.compile("sgd", "mse")
    before = values_of(inner)
    with pytest.raises(Broken, match="loss"):
        outer.fit(x, y, verbose=0, shuffle=False)
    assert values_of(inner) == before
