"""Optimizers and schedules against real Keras: steps, states, configs, signatures."""

import inspect
import json

import numpy as np
import pytest

from minirnn import constraints, optimizers
from minirnn.autograd import Variable, convert
from minirnn.utils import deserialize_keras_object, serialize_keras_object

SHAPES = [(3, 4), (4,), ()]


def floats(seed, shape):
    return np.asarray(np.random.default_rng(seed).normal(size=shape), np.float32)


def close(ours, theirs, tolerance=1e-5):
    theirs = np.asarray(theirs)
    scale = max(1.0, float(np.abs(theirs).max(initial=0)))
    np.testing.assert_allclose(np.asarray(ours), theirs, rtol=0, atol=tolerance * scale)


@pytest.fixture
def jax(keras):
    return pytest.importorskip("jax", reason="JAX is not installed; the extra 'test' brings it")


OPTIMIZERS = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.5, "centered": True, "epsilon": 1e-3}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True, "beta_1": 0.8, "beta_2": 0.9}),
    ("AdamW", {"weight_decay": 0.2}),
    ("Adamax", {}),
    ("Adamax", {"beta_1": 0.7, "beta_2": 0.8, "epsilon": 1e-2}),
    ("Nadam", {}),
    ("Nadam", {"beta_1": 0.7, "beta_2": 0.8, "epsilon": 1e-2}),
    ("Adagrad", {}),
    ("Adagrad", {"initial_accumulator_value": 0.5, "epsilon": 1e-2}),
    ("Adadelta", {}),
    ("Adadelta", {"rho": 0.7, "epsilon": 1e-2}),
    ("Lion", {}),
    ("Lion", {"beta_1": 0.7, "beta_2": 0.8}),
]
AROUND = [
    {},
    {"clipnorm": 1.5},
    {"clipvalue": 0.7},
    {"global_clipnorm": 2.0},
    {"weight_decay": 0.1, "use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 3},
    {"loss_scale_factor": 4.0},
]
ACCUMULATING = {"gradient_accumulation_steps": 2, "clipnorm": 1.0, "use_ema": True}
CASES = [(name, options, around) for around in AROUND for name, options in OPTIMIZERS]
CASES += [(name, options, ACCUMULATING) for name, options in dict(OPTIMIZERS).items()]


class Pair:
    """One of our optimizers and Keras's of the same name, on the same weights."""

    def __init__(self, keras, name, arguments):
        self.keras, self.compiled = keras, None
        start = [floats(i, s) for i, s in enumerate(SHAPES)]
        self.weights = [Variable(w, name=f"w{i}") for i, w in enumerate(start)]
        self.their_weights = [keras.Variable(w, name=f"w{i}") for i, w in enumerate(start)]
        self.weights[0].constraint = constraints.MaxNorm(1.5)
        self.their_weights[0].constraint = keras.constraints.MaxNorm(1.5)
        self.optimizer = getattr(optimizers, name)(name="o", **arguments)
        self.theirs = getattr(keras.optimizers, name)(name="o", **arguments)

    def build(self):
        self.optimizer.build(self.weights)
        self.theirs.build(self.their_weights)

    def step(self, seed):
        # Away from 0, where the sign that Lion takes is a matter of rounding.
        gradients = [floats(100 * seed + i, s) * 2 for i, s in enumerate(SHAPES)]
        self.optimizer.apply(gradients, self.weights)
        gradients = [self.keras.ops.convert_to_tensor(g) for g in gradients]
        if self.compiled is None:
            self.theirs.apply(gradients, self.their_weights)
            return
        state = self.compiled(
            [v.value for v in self.theirs.variables], gradients, [w.value for w in self.their_weights]
        )
        for variables, values in zip((self.their_weights, self.theirs.variables), state, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)

    def assert_same(self):
        for a, b in zip(self.weights, self.their_weights):
            close(a, b)
        for a, b in zip(self.optimizer.variables, self.theirs.variables, strict=True):
            if not b.path.startswith("variable"):  # what Keras gave no name
                assert (a.path, a.name) == (b.path, b.name)
            assert a.dtype == str(b.dtype) and a.shape == tuple(b.shape)
            close(a, b)
        assert int(self.optimizer.iterations) == int(self.theirs.iterations)


@pytest.mark.parametrize("name, options, around", CASES, ids=str)
def test_weights_and_state_after_each_step_are_those_of_keras(keras, jax, name, options, around):
    pair = Pair(keras, name, {"learning_rate": 0.05, **around, **options})
    pair.build()
    if around is ACCUMULATING:  # its conditionals, uncompiled, are compiled in each step
        pair.compiled = jax.jit(pair.theirs.stateless_apply)
    for step in range(5):
        pair.step(step)
        pair.assert_same()


def test_weights_left_out_of_decay_are_those_of_keras(keras):
    pair = Pair(keras, "AdamW", {"weight_decay": 0.5, "learning_rate": 0.1})
    pair.optimizer.exclude_from_weight_decay(var_list=[pair.weights[0]], var_names=["w1", "bias"])
    pair.theirs.exclude_from_weight_decay(var_list=[pair.their_weights[0]], var_names=["w1", "bias"])
    pair.build()
    pair.step(0)
    pair.assert_same()


def test_averages_that_take_the_place_of_weights_are_those_of_keras(keras):
    pair = Pair(keras, "Adam", {"learning_rate": 0.1, "use_ema": True, "ema_momentum": 0.7})
    pair.build()
    for step in range(3):
        pair.step(step)
    pair.optimizer.finalize_variable_values(pair.weights)
    pair.theirs.finalize_variable_values(pair.their_weights)
    pair.assert_same()


@pytest.mark.parametrize("name", sorted({name for name, _ in OPTIMIZERS}))
def test_a_state_that_keras_saved_goes_on_here(keras, name):
    arguments = {"learning_rate": 0.05, "use_ema": True}
    pair = Pair(keras, name, arguments)
    pair.build()
    for step in range(2):
        pair.step(step)
    store = {}
    pair.theirs.save_own_variables(store)
    pair.optimizer = getattr(optimizers, name)(name="o", **arguments)
    pair.optimizer.build(pair.weights)
    pair.optimizer.load_own_variables(store)
    pair.step(2)
    pair.assert_same()


RATE = {"initial_learning_rate": 0.1}
DECAY = {**RATE, "decay_steps": 7}
SCHEDULES = [
    ("ExponentialDecay", {**DECAY, "decay_rate": 0.6}),
    ("ExponentialDecay", {**DECAY, "decay_rate": 0.6, "staircase": True}),
    ("InverseTimeDecay", {**DECAY, "decay_rate": 0.6}),
    ("InverseTimeDecay", {**DECAY, "decay_rate": 0.6, "staircase": True}),
    ("PolynomialDecay", DECAY),
    ("PolynomialDecay", {**DECAY, "end_learning_rate": 0.02, "power": 0.5}),
    ("PolynomialDecay", {**DECAY, "power": 2.0, "cycle": True}),
    ("CosineDecay", DECAY),
    ("CosineDecay", {**DECAY, "alpha": 0.25}),
    ("CosineDecay", {**DECAY, "alpha": 0.1, "warmup_target": 0.2, "warmup_steps": 5}),
    ("CosineDecay", {**DECAY, "warmup_target": 0.2}),
    ("CosineDecayRestarts", {**RATE, "first_decay_steps": 5}),
    ("CosineDecayRestarts", {**RATE, "first_decay_steps": 4, "t_mul": 1.0, "m_mul": 0.5, "alpha": 0.1}),
    ("CosineDecayRestarts", {**RATE, "first_decay_steps": 3, "t_mul": 1.7, "m_mul": 0.8}),
    ("PiecewiseConstantDecay", {"boundaries": [3, 9, 20], "values": [0.1, 0.05, 0.02, 0.01]}),
]


@pytest.mark.parametrize("name, options", SCHEDULES)
def test_a_schedule_is_that_of_keras(keras, jax, name, options):
    ours = getattr(optimizers.schedules, name)(**options)
    theirs = getattr(keras.optimizers.schedules, name)(**options)
    # Compiled, a conditional is quick, but a division is rounded otherwise.
    function = jax.jit(theirs) if "Cosine" in name else theirs
    steps = np.arange(40, dtype=np.int32)
    rates = [function(step) for step in steps]
    close(ours(steps), rates, 1e-6)
    for step in (0, 7, 39):
        close(ours(step), rates[step], 1e-6)
        assert ours(step).dtype == "float32"
    our_config = json.loads(json.dumps(optimizers.schedules.serialize(ours)))
    assert our_config == json.loads(json.dumps(keras.optimizers.schedules.serialize(theirs)))
    assert optimizers.schedules.serialize(optimizers.schedules.deserialize(our_config)) == our_config


def test_a_step_uses_the_rate_that_its_schedule_has_in_keras(keras):
    options = {"boundaries": [1, 3], "values": [0.1, 0.01, 0.001]}
    pair = Pair(keras, "Adam", {})
    pair.optimizer.learning_rate = optimizers.schedules.PiecewiseConstantDecay(**options)
    pair.theirs.learning_rate = keras.optimizers.schedules.PiecewiseConstantDecay(**options)
    pair.build()
    for step in range(5):
        pair.step(step)
        pair.assert_same()


CONFIGS = [
    ("SGD", {"momentum": 0.5, "nesterov": True, "clipnorm": 1.0}),
    ("RMSprop", {"rho": 0.5, "centered": True}),
    ("Adam", {"beta_1": 0.5, "weight_decay": 0.1}),
    ("AdamW", {"epsilon": 1e-3, "global_clipnorm": 3.0}),
    ("Adamax", {"beta_2": 0.5, "clipvalue": 2.0}),
    ("Nadam", {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 7}),
    ("Adagrad", {"initial_accumulator_value": 0.5}),
    ("Adadelta", {"rho": 0.5, "loss_scale_factor": 8.0}),
    ("Lion", {"beta_2": 0.5, "gradient_accumulation_steps": 3}),
]


def plain(config):
    return json.loads(json.dumps(config))


@pytest.mark.parametrize("name, options", CONFIGS)
@pytest.mark.parametrize("scheduled", [False, True])
@pytest.mark.parametrize("wrapped", [False, True])
def test_configs_are_those_of_keras_and_each_reads_the_others(keras, name, options, scheduled, wrapped):
    def make(module):
        rate = 0.25
        if scheduled:
            rate = module.schedules.CosineDecay(0.1, 10, warmup_target=0.5, warmup_steps=3)
        found = getattr(module, name)(learning_rate=rate, name="o", **options)
        return module.LossScaleOptimizer(found, 8.0, 5, name="l") if wrapped else found

    ours, theirs = plain(serialize_keras_object(make(optimizers))), make(keras.optimizers)
    theirs = plain(keras.saving.serialize_keras_object(theirs))
    assert ours == theirs
    assert plain(serialize_keras_object(deserialize_keras_object(theirs))) == theirs
    again = keras.saving.deserialize_keras_object(plain(ours))
    assert plain(keras.saving.serialize_keras_object(again)) == ours


@pytest.mark.parametrize("name", [*sorted({name for name, _ in CONFIGS}), "LossScaleOptimizer"])
def test_arguments_and_their_defaults_are_those_of_keras(keras, name):
    ours, theirs = getattr(optimizers, name), getattr(keras.optimizers, name)
    one, other = (inspect.signature(cls).parameters.values() for cls in (ours, theirs))
    assert [(p.name, p.kind, p.default) for p in one] == [(p.name, p.kind, p.default) for p in other]
    alone = name == "LossScaleOptimizer"
    assert type(optimizers.get(ours(optimizers.SGD()) if alone else name.lower())) is ours


@pytest.mark.parametrize("name", sorted({name for _, name in enumerate(s for s, _ in SCHEDULES)}))
def test_arguments_of_schedules_are_those_of_keras(keras, name):
    ours, theirs = getattr(optimizers.schedules, name), getattr(keras.optimizers.schedules, name)

    def parameters(cls):
        return [(p.name, p.default) for p in inspect.signature(cls.__init__).parameters.values()]

    assert parameters(ours) == parameters(theirs)


@pytest.mark.parametrize("steps", [1, 3])
def test_a_loss_scale_grows_and_shrinks_as_in_keras(keras, jax, steps):
    pair = Pair(keras, "Adam", {"learning_rate": 0.05})
    pair.weights[0].constraint = pair.their_weights[0].constraint = None
    pair.optimizer = optimizers.LossScaleOptimizer(pair.optimizer, 16.0, steps, name="l")
    pair.theirs = keras.optimizers.LossScaleOptimizer(pair.theirs, 16.0, steps, name="l")
    pair.build()
    state = [v.value for v in pair.theirs.variables]
    weights = [w.value for w in pair.their_weights]
    # On JAX, Keras's `apply` of this class works only where the state is passed through.
    apply = jax.jit(pair.theirs.stateless_apply)
    for step in range(12):
        gradients = [np.asarray(floats(100 * step + i, s) * 1000) for i, s in enumerate(SHAPES)]
        if step in (2, 7, 8):
            gradients[step % 3].flat[0] = [np.inf, np.nan, -np.inf][step % 3]
        pair.optimizer.apply(gradients, pair.weights)
        weights, state = apply(state, gradients, weights)
        for a, b in zip((*pair.weights, *pair.optimizer.variables), (*weights, *state), strict=True):
            close(a, b)
    assert [v.path for v in pair.optimizer.variables] == [v.path for v in pair.theirs.variables]
    assert int(pair.optimizer.iterations) == 9
    loss = convert(np.float32(2.0).reshape(()))
    scale = dict(zip([v.name for v in pair.theirs.variables], state))["dynamic_scale"]
    assert float(pair.optimizer.scale_loss(loss)) == 2 * float(scale)
