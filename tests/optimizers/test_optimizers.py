"""Optimizers: their rules in NumPy, and what happens around an update."""

import inspect
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import constraints, optimizers
from minirnn.autograd import Tensor, Variable, convert, value_and_grad

SHAPES = [(3, 4), (4,), ()]
seeds = st.integers(0, 1000)


def variables(seed=0, shapes=SHAPES, dtype="float64"):
    rng = np.random.default_rng(seed)
    return [
        Variable(rng.normal(size=s).astype(dtype), name=f"v{i}", path=f"m/v{i}") for i, s in enumerate(shapes)
    ]


def gradients(seed, shapes=SHAPES, dtype="float64"):
    rng = np.random.default_rng(seed + 1)
    return [np.asarray(rng.normal(size=s) * 3, dtype) for s in shapes]


def values(variables):
    return [v.numpy() for v in variables]


def sgd(w, g, slots, t, lr, momentum=0.0, nesterov=False):
    m = slots["m"] = momentum * slots.get("m", 0) - lr * g
    return w + (momentum * m - lr * g if nesterov else m)


def rmsprop(w, g, slots, t, lr, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False):
    v = slots["v"] = rho * slots.get("v", 0) + (1 - rho) * g**2
    a = slots["a"] = (rho * slots.get("a", 0) + (1 - rho) * g) * centered
    m = slots["m"] = momentum * slots.get("m", 0) + lr * g / np.sqrt(v - a**2 + epsilon)
    return w - m


def adam(w, g, slots, t, lr, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False):
    m = slots["m"] = beta_1 * slots.get("m", 0) + (1 - beta_1) * g
    v = slots["v"] = beta_2 * slots.get("v", 0) + (1 - beta_2) * g**2
    if amsgrad:
        v = slots["hat"] = np.maximum(slots.get("hat", 0), v)
    return w - lr * np.sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (np.sqrt(v) + epsilon)


def adamax(w, g, slots, t, lr, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    m = slots["m"] = beta_1 * slots.get("m", 0) + (1 - beta_1) * g
    u = slots["u"] = np.maximum(beta_2 * slots.get("u", 0), abs(g))
    return w - lr / (1 - beta_1**t) * m / (u + epsilon)


def nadam(w, g, slots, t, lr, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    u = [beta_1 * (1 - 0.5 * 0.96**k) for k in range(1, t + 2)]
    m = slots["m"] = beta_1 * slots.get("m", 0) + (1 - beta_1) * g
    v = slots["v"] = beta_2 * slots.get("v", 0) + (1 - beta_2) * g**2
    ahead = u[t] * m / (1 - np.prod(u)) + (1 - u[t - 1]) * g / (1 - np.prod(u[:t]))
    return w - lr * ahead / (np.sqrt(v / (1 - beta_2**t)) + epsilon)


def adagrad(w, g, slots, t, lr, initial_accumulator_value=0.1, epsilon=1e-7):
    a = slots["a"] = slots.get("a", initial_accumulator_value) + g**2
    return w - lr * g / np.sqrt(a + epsilon)


def adadelta(w, g, slots, t, lr, rho=0.95, epsilon=1e-7):
    a = slots["a"] = rho * slots.get("a", 0) + (1 - rho) * g**2
    step = np.sqrt((slots.get("d", 0) + epsilon) / (a + epsilon)) * g
    slots["d"] = rho * slots.get("d", 0) + (1 - rho) * step**2
    return w - lr * step


def lion(w, g, slots, t, lr, beta_1=0.9, beta_2=0.99):
    m = slots.get("m", 0)
    slots["m"] = beta_2 * m + (1 - beta_2) * g
    return w - lr * np.sign(beta_1 * m + (1 - beta_1) * g)


RULES = [
    (optimizers.SGD, sgd, {}),
    (optimizers.SGD, sgd, {"momentum": 0.9}),
    (optimizers.SGD, sgd, {"momentum": 0.8, "nesterov": True}),
    (optimizers.RMSprop, rmsprop, {}),
    (optimizers.RMSprop, rmsprop, {"rho": 0.7, "momentum": 0.5, "epsilon": 1e-3}),
    (optimizers.RMSprop, rmsprop, {"centered": True}),
    (optimizers.Adam, adam, {}),
    (optimizers.Adam, adam, {"beta_1": 0.7, "beta_2": 0.9, "epsilon": 1e-3}),
    (optimizers.Adam, adam, {"amsgrad": True, "beta_2": 0.5}),
    (optimizers.Adamax, adamax, {}),
    (optimizers.Adamax, adamax, {"beta_1": 0.5, "beta_2": 0.5, "epsilon": 1e-3}),
    (optimizers.Nadam, nadam, {}),
    (optimizers.Nadam, nadam, {"beta_1": 0.5, "beta_2": 0.5, "epsilon": 1e-3}),
    (optimizers.Adagrad, adagrad, {}),
    (optimizers.Adagrad, adagrad, {"initial_accumulator_value": 0.0, "epsilon": 1e-3}),
    (optimizers.Adadelta, adadelta, {}),
    (optimizers.Adadelta, adadelta, {"rho": 0.5, "epsilon": 1e-3}),
    (optimizers.Lion, lion, {}),
    (optimizers.Lion, lion, {"beta_1": 0.5, "beta_2": 0.5}),
]
rule = pytest.mark.parametrize(
    "cls, formula, options", RULES, ids=lambda x: str(x) if isinstance(x, dict) else None
)
CLASSES = sorted({cls for cls, _, _ in RULES} | {optimizers.AdamW}, key=lambda cls: cls.__name__)
every = pytest.mark.parametrize("cls", CLASSES)


@rule
@given(seed=seeds, steps=st.integers(1, 5))
def test_steps_are_the_formula(cls, formula, options, seed, steps):
    ws, slots = variables(seed), [{} for _ in SHAPES]
    expected = values(ws)
    # A rate that float32, in which it is kept, has exactly.
    optimizer = cls(learning_rate=0.125, **options)
    for t in range(1, steps + 1):
        gs = gradients(seed + 17 * t)
        optimizer.apply(gs, ws)
        expected = [formula(w, g, s, t, 0.125, **options) for w, g, s in zip(expected, gs, slots)]
    assert int(optimizer.iterations) == steps
    for w, e in zip(ws, expected):
        assert np.allclose(w.numpy(), e, rtol=1e-10, atol=1e-12)


def clipped(gs, kind, limit):
    if kind == "clipvalue":
        return [np.clip(g, -limit, limit) for g in gs]
    norms = [np.sqrt((g**2).sum()) for g in gs]
    if kind == "global_clipnorm":
        norms = [np.sqrt(sum(n**2 for n in norms))] * len(gs)
    return [g * min(1, limit / n) if n else g for g, n in zip(gs, norms)]


@pytest.mark.parametrize("kind", ["clipvalue", "clipnorm", "global_clipnorm"])
@given(seed=seeds, limit=st.floats(0.01, 20))
def test_gradients_are_clipped_before_the_update(kind, seed, limit):
    plain, limited = variables(seed), variables(seed)
    gs = gradients(seed)
    gs[1] = gs[1] * 0
    optimizers.SGD(0.5).apply(clipped(gs, kind, limit), plain)
    optimizers.SGD(0.5, **{kind: limit}).apply(gs, limited)
    for a, b in zip(plain, limited):
        assert np.allclose(a.numpy(), b.numpy())


def test_an_infinite_gradient_does_not_pass_for_a_small_step():
    ws = variables()
    gs = gradients(0)
    gs[0][0, 0] = np.inf
    with np.errstate(invalid="ignore"):
        optimizers.SGD(0.5, global_clipnorm=1.0).apply(gs, ws)
    assert np.isnan(ws[1].numpy()).all()


@every
def test_weights_decay_by_their_share_before_the_update(cls):
    plain, decayed = variables(), variables()
    gs = gradients(0)
    for w in plain:
        w.assign(w * (1 - 0.125 * 0.5))
    cls(learning_rate=0.125, weight_decay=0.0).apply(gs, plain)
    cls(learning_rate=0.125, weight_decay=0.5).apply(gs, decayed)
    for a, b in zip(plain, decayed):
        assert np.allclose(a.numpy(), b.numpy())


def test_excluded_weights_do_not_decay():
    ws = variables()
    before = values(ws)
    optimizer = optimizers.SGD(0.125, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[ws[0]], var_names=["v1"])
    optimizer.apply([g * 0 for g in gradients(0)], ws)
    assert [np.array_equal(w.numpy(), b) for w, b in zip(ws, before)] == [True, True, False]
    with pytest.raises(ValueError, match="before build"):
        optimizer.exclude_from_weight_decay(var_names=["x"])


@every
def test_accumulated_gradients_update_once_by_their_mean(cls):
    together, apart = variables(), variables()
    optimizer = cls(learning_rate=0.125, gradient_accumulation_steps=3)
    for cycle in range(2):
        batches = [gradients(10 * cycle + i) for i in range(3)]
        before = values(apart)
        for i, gs in enumerate(batches):
            optimizer.apply(gs, apart)
            assert all(np.array_equal(w.numpy(), b) for w, b in zip(apart, before)) == (i < 2)
        if cycle == 0:
            plain = cls(learning_rate=0.125)
        plain.apply([np.mean(g, axis=0) for g in zip(*batches)], together)
        for a, b in zip(together, apart):
            assert np.allclose(a.numpy(), b.numpy())
        assert int(optimizer.iterations) == cycle + 1


def test_moving_averages_follow_the_weights_and_take_their_place():
    ws = variables()
    optimizer = optimizers.SGD(0.125, use_ema=True, ema_momentum=0.75)
    average = None
    for t in range(4):
        optimizer.apply(gradients(t), ws)
        average = (
            values(ws) if average is None else [0.75 * a + 0.25 * w for a, w in zip(average, values(ws))]
        )
    optimizer.finalize_variable_values(ws)
    for w, a in zip(ws, average):
        assert np.allclose(w.numpy(), a)
    often = variables()
    optimizer = optimizers.SGD(0.125, use_ema=True, ema_momentum=0.75, ema_overwrite_frequency=2)
    optimizer.apply(gradients(0), often)
    first = values(often)
    optimizer.apply(gradients(1), often)
    for w, f, g in zip(often, first, gradients(1)):
        assert np.allclose(w.numpy(), 0.75 * f + 0.25 * (f - 0.125 * g))


def test_a_scaled_loss_gives_unscaled_steps():
    plain, scaled = variables(), variables()
    optimizer = optimizers.SGD(0.125, loss_scale_factor=8.0)
    assert float(optimizer.scale_loss(convert(np.array(2.0)))) == 16
    optimizer.apply([g * 8 for g in gradients(0)], scaled)
    optimizers.SGD(0.125).apply(gradients(0), plain)
    for a, b in zip(plain, scaled):
        assert np.allclose(a.numpy(), b.numpy())


def test_constraints_hold_after_every_update():
    ws = variables()
    ws[0].constraint = constraints.NonNeg()
    optimizers.SGD(0.125).apply(gradients(0), ws)
    assert (ws[0].numpy() >= 0).all()
    assert (ws[1].numpy() < 0).any()


@every
def test_an_update_writes_into_no_array_that_someone_may_hold(cls):
    ws = variables()
    optimizer = cls(learning_rate=0.125)
    optimizer.apply(gradients(0), ws)
    gs = [convert(g) for g in gradients(1)]
    held = [x.data for x in (*ws, *optimizer.variables, *gs)]
    copies = [a.copy() for a in held]
    optimizer.apply(gs, ws)
    assert all(np.array_equal(a, b) for a, b in zip(held, copies))
    assert all(w.data is not a for w, a in zip(ws, held))


@every
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_weights_keep_their_dtype_and_state_has_it(cls, dtype):
    ws = variables(dtype=dtype)
    has_momentum = cls in (optimizers.SGD, optimizers.RMSprop)
    optimizer = cls(learning_rate=0.125, **({"momentum": 0.5} if has_momentum else {}))
    optimizer.apply(gradients(0), ws)
    optimizer.apply(gradients(1, dtype=dtype), ws)
    assert {w.dtype.name for w in (*ws, *optimizer.variables[2:])} == {dtype}


@every
def test_a_quadratic_is_minimized(cls):
    w = Variable(np.array([3.0, -2.0]))
    # Adagrad's steps get shorter, Adadelta's start short.
    optimizer = cls(learning_rate={"Adagrad": 0.5, "Adadelta": 20.0}.get(cls.__name__, 0.05))
    step = value_and_grad(lambda w: ((w - 1.0) * (w - 1.0)).sum())
    for _ in range(300):
        _, g = step(w)
        optimizer.apply_gradients([(g, w)])
    assert np.allclose(w.numpy(), 1, atol=0.05)


def test_the_learning_rate_may_be_set_scheduled_or_called():
    optimizer = optimizers.SGD(0.5)
    optimizer.learning_rate = 0.25
    assert float(optimizer.learning_rate) == 0.25
    rates = []

    class Halving(optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            rates.append(int(step))
            return 0.5 ** int(step)

        def get_config(self):
            return {}

    w = Variable(np.array([0.0]))
    scheduled = optimizers.SGD(Halving())
    for _ in range(3):
        scheduled.apply([np.array([1.0])], [w])
    assert rates == [0, 1, 2]
    assert w.numpy() == -1.75
    with pytest.raises(TypeError, match="cannot be set"):
        scheduled.learning_rate = 0.1
    config = scheduled.get_config()
    again = optimizers.SGD.from_config(config, {"Halving": Halving})
    assert type(again._learning_rate) is Halving
    called = optimizers.SGD(lambda: 0.125)
    called.apply([np.array([1.0])], [w])
    assert w.numpy() == -1.875
    optimizer.learning_rate = Halving()
    assert len(optimizer.variables) == 1


@rule
def test_the_config_and_the_state_make_the_same_optimizer_again(cls, formula, options):
    ws = variables()
    optimizer = cls(learning_rate=0.125, name="o", clipnorm=2.0, **options)
    optimizer.apply(gradients(0), ws)
    twins = variables()
    for twin, w in zip(twins, ws):
        twin.assign(w)
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert again.get_config() == optimizer.get_config()
    again.build(twins)
    store = {}
    optimizer.save_own_variables(store)
    again.load_own_variables(store)
    optimizer.apply(gradients(1), ws)
    again.apply(gradients(1), twins)
    assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(ws, twins))


def test_the_names_of_the_state_say_what_it_is():
    optimizer = optimizers.Adam(name="adam")
    optimizer.build(variables(shapes=[(2,)]))
    assert [v.path for v in optimizer.variables] == [
        "adam/iteration",
        "adam/learning_rate",
        "adam/m_v0_momentum",
        "adam/m_v0_velocity",
    ]


def test_weights_without_a_gradient_stay_with_one_warning():
    ws = variables()
    before = values(ws)
    optimizer = optimizers.SGD(0.125)
    gs = gradients(0)
    gs[1] = None
    with pytest.warns(UserWarning, match=r"no gradient for \['m/v1'\]"):
        optimizer.apply(gs, ws)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.apply(gs, ws)
    assert np.array_equal(ws[1].numpy(), before[1])
    assert not np.array_equal(ws[0].numpy(), before[0])


def _bad_calls():
    def wrong_shape(optimizer, ws):
        optimizer.apply([*gradients(0)[:2], np.ones(3)], ws)

    def too_few(optimizer, ws):
        optimizer.apply(gradients(0)[:2], ws)

    def none(optimizer, ws):
        optimizer.apply([None] * 3, ws)

    def unknown(optimizer, ws):
        optimizer.apply(gradients(0), [*ws[:2], variables()[2]])

    return [
        (wrong_shape, r"gradient of 'm/v2' must have its shape, \(\); got \(3,\)"),
        (too_few, "3 variables need as many gradients; got 2"),
        (none, r"no variable has a gradient.*'m/v0'"),
        (unknown, "'m/v2' is not one of those that it was built with"),
    ]


@pytest.mark.parametrize("call, match", _bad_calls())
def test_bad_gradients_are_refused_before_anything_changes(call, match):
    ws = variables()
    optimizer = optimizers.Adam(learning_rate=0.125)
    optimizer.build(ws)
    before = values(ws) + values(optimizer.variables)
    with pytest.raises(ValueError, match=match):
        call(optimizer, ws)
    assert all(np.array_equal(a, b) for a, b in zip(values(ws) + values(optimizer.variables), before))


def test_bad_gradients_build_no_optimizer():
    optimizer = optimizers.Adam()
    with pytest.raises(ValueError, match="must have its shape"):
        optimizer.apply([np.ones(3)], [Variable(np.ones(2))])
    assert not optimizer.built
    assert len(optimizer.variables) == 2


@pytest.mark.parametrize(
    "call, match",
    [
        (lambda: optimizers.SGD(clipnorm=1.0, clipvalue=1.0), "SGD: at most one of clipnorm"),
        (lambda: optimizers.SGD(clipnorm=1.0, global_clipnorm=1.0), "global_clipnorm=1.0"),
        (lambda: optimizers.SGD(clipnorm=-1.0), "SGD: clipnorm must be a number above 0; got -1.0"),
        (lambda: optimizers.SGD(clipvalue=0), "clipvalue must be a number above 0; got 0"),
        (lambda: optimizers.SGD(global_clipnorm=float("nan")), "global_clipnorm must be .* got nan"),
        (lambda: optimizers.SGD(momentum=1.5), r"momentum must be a number in \[0, 1\]; got 1.5"),
        (lambda: optimizers.Adam(learning_rate="fast"), "Adam: learning_rate must be a number"),
        (lambda: optimizers.Adam(learning_rate=-0.1), "learning_rate must be a number 0 or more; got -0.1"),
        (lambda: optimizers.Adam(learning_rate=float("nan")), "learning_rate must be .* got nan"),
        (lambda: optimizers.Adam(learning_rate=[0.1, 0.2]), "learning_rate must be a number"),
        (lambda: optimizers.Adam(learning_rate=np.ones(2)), "learning_rate must be a number"),
        (lambda: optimizers.Adam(learning_rate=True), "learning_rate must be a number"),
        (lambda: setattr(optimizers.SGD(name="s"), "learning_rate", -1), "SGD 's': learning_rate must be"),
        (
            lambda: optimizers.Adam(beta1=0.1),
            r"Adam: unknown argument\(s\) beta1 \(the nearest.* is beta_1\)",
        ),
        (lambda: optimizers.SGD(momentun=0.1), "the nearest known name is momentum"),
        (lambda: optimizers.AdamW(clip_norm=1), "the nearest known name is clipnorm"),
        (lambda: optimizers.SGD(qqq=1), r"unknown argument\(s\) qqq\. Known are clipnorm, "),
        (lambda: optimizers.get("rmspop"), "unknown name 'rmspop'; the nearest known name is 'RMSprop'"),
        (lambda: optimizers.Adam(beta_1=1.0), r"Adam: beta_1 must be a number in \[0, 1\); got 1.0"),
        (lambda: optimizers.Adam(beta_2=-0.1), r"beta_2 must be a number in \[0, 1\)"),
        (lambda: optimizers.Adam(epsilon=-1e-7), "epsilon must be a number 0 or more"),
        (lambda: optimizers.Adam(epsilon="small"), "epsilon must be a number 0 or more; got 'small'"),
        (lambda: optimizers.Adamax(beta_1=2), r"Adamax: beta_1 must be a number in \[0, 1\)"),
        (lambda: optimizers.Nadam(beta_1=2), r"Nadam: beta_1 must be a number in \[0, 1\)"),
        (lambda: optimizers.RMSprop(rho=1.5), r"RMSprop: rho must be a number in \[0, 1\]"),
        (lambda: optimizers.Adadelta(rho=-1), r"Adadelta: rho must be a number in \[0, 1\]"),
        (lambda: optimizers.Adagrad(initial_accumulator_value=-1), "initial_accumulator_value must be"),
        (lambda: optimizers.Lion(beta_1=0), r"Lion: beta_1 must be a number in \(0, 1\]"),
        (lambda: optimizers.SGD(weight_decay=-1), "weight_decay must be a number 0 or more"),
        (lambda: optimizers.AdamW(weight_decay=None), "AdamW: weight_decay must be .* got None"),
        (lambda: optimizers.SGD(loss_scale_factor=0), "loss_scale_factor must be a number above 0"),
        (lambda: optimizers.Adam(gradient_accumulation_steps=1), "an integer, 2 or more; got 1"),
        (lambda: optimizers.Adam(gradient_accumulation_steps=2.5), "an integer, 2 or more; got 2.5"),
        (
            lambda: optimizers.Adam(use_ema=True, ema_momentum=2.0),
            r"ema_momentum must be a number in \[0, 1\]",
        ),
        (lambda: optimizers.Adam(use_ema=True, ema_overwrite_frequency=0.5), "1 or more; got 0.5"),
        (lambda: optimizers.SGD().exclude_from_weight_decay(var_names="bias"), r"Write \['bias'\]"),
        (lambda: optimizers.SGD().add_optimizer_variables([], ["a", "b"], ["zeros"]), "as many initializers"),
        (lambda: optimizers.SGD().apply([np.ones(2)]), r"call build\(variables\) first"),
        (lambda: optimizers.get(print), "an instance of Optimizer"),
        (lambda: optimizers.Adam().set_weights([np.ones(3)]), "not built yet"),
    ],
)
def test_bad_arguments_are_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_averages_of_weights_that_it_does_not_know_are_refused():
    optimizer = optimizers.SGD(use_ema=True)
    optimizer.build(variables())
    with pytest.raises(ValueError, match="'m/v0' is not one of those that it was built with"):
        optimizer.finalize_variable_values(variables())


def test_the_squares_of_float16_gradients_do_not_overflow_in_their_norm():
    w = Variable(np.zeros(2, "float16"))
    optimizers.SGD(1.0, clipnorm=5.0).apply([np.array([300.0, -400.0], "float16")], [w])
    assert w.numpy().tolist() == [-3.0, 4.0]


def test_a_sum_of_gradients_is_forgotten_with_what_was_not_a_number_in_it():
    w = Variable(np.zeros(1))
    optimizer = optimizers.SGD(1.0, gradient_accumulation_steps=2, use_ema=False)
    for value in (np.nan, 1.0):
        optimizer.apply([np.array([value])], [w])
    w.assign([0.0])
    for value in (1.0, 2.0):
        optimizer.apply([np.array([value])], [w])
    assert w.numpy() == -1.5


def test_a_state_of_another_size_is_not_loaded():
    optimizer = optimizers.SGD()
    with pytest.warns(UserWarning, match="has 2 variables and 1 were saved"):
        optimizer.load_own_variables({"0": np.array(3)})
    assert int(optimizer.iterations) == 0


def test_a_rule_written_for_keras_runs():
    from minirnn import ops

    class Momentum(optimizers.Optimizer):
        def build(self, variables):
            super().build(variables)
            self.momentums = [
                self.add_variable_from_reference(reference_variable=v, name="momentum") for v in variables
            ]

        def update_step(self, gradient, variable, learning_rate):
            learning_rate = ops.cast(learning_rate, variable.dtype)
            m = self.momentums[self._get_variable_index(variable)]
            self.assign(m, ops.subtract(ops.multiply(m, 0.5), ops.multiply(gradient, learning_rate)))
            self.assign_add(variable, m)

    ours, theirs = variables(), variables()
    optimizer, other = Momentum(0.125), optimizers.SGD(0.125, momentum=0.5)
    for t in range(3):
        optimizer.apply(gradients(t), ours)
        other.apply(gradients(t), theirs)
    for a, b in zip(ours, theirs):
        assert np.allclose(a.numpy(), b.numpy())


def test_an_optimizer_of_ones_own_needs_only_its_rule():
    class SignDescent(optimizers.Optimizer):
        def update_step(self, gradient, variable, learning_rate):
            self.seen = (type(gradient), type(learning_rate))
            variable.assign_sub(learning_rate * np.sign(gradient.numpy()))

    w = Variable(np.array([1.0, -1.0]))
    optimizer = SignDescent(0.5)
    optimizer.apply([np.array([3.0, -0.1])], [w])
    assert w.numpy().tolist() == [0.5, -0.5]
    assert optimizer.seen == (Tensor, float)
    with pytest.raises(NotImplementedError, match="must define update_step"):
        optimizers.Optimizer(0.5).apply([np.array([3.0, -0.1])], [w])


@pytest.mark.parametrize("name", sorted(n for n in optimizers.__all__ if n[0].isupper() and n != "Optimizer"))
def test_an_optimizer_of_no_weights_is_built_and_does_nothing(name):
    cls = getattr(optimizers, name)
    optimizer = cls(optimizers.SGD()) if cls is optimizers.LossScaleOptimizer else cls()
    optimizer.build([])
    assert optimizer.built
    optimizer.apply([], [])
    assert int(optimizer.iterations) == 0


@pytest.mark.parametrize("decay", [0, 0.0, None])
def test_a_decay_of_nothing_is_dropped(decay):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        config = {**optimizers.Adam(name="a").get_config(), "decay": decay}
        assert optimizers.Adam.from_config(config).get_config() == optimizers.Adam(name="a").get_config()


def test_any_other_decay_is_ignored_with_a_warning():
    with pytest.warns(UserWarning, match="Adam: decay is ignored.*InverseTimeDecay"):
        optimizer = optimizers.Adam(0.5, decay=0.1)
    assert float(optimizer.learning_rate) == 0.5


RULES = sorted(n for n in optimizers.__all__ if n[0].isupper() and "Optimizer" not in n)
COMMON = {"clipnorm": 0.25, "use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 3, "name": "o"}


@pytest.mark.parametrize("name", RULES)
def test_what_all_optimizers_take_may_be_given_by_position_or_name(name):
    cls = getattr(optimizers, name)
    parameters = list(inspect.signature(cls).parameters.values())[:-1]
    arguments = {p.name: COMMON.get(p.name, p.default) for p in parameters}
    named, placed = cls(**arguments), cls(*arguments.values())
    assert placed.get_config() == named.get_config()
    assert placed.get_config().items() >= COMMON.items()
    with pytest.raises(TypeError, match=rf"{name}: the arguments are learning_rate, .*, name; got "):
        cls(*arguments.values(), 1)
    with pytest.raises(TypeError, match=r"got \['name'\] twice"):
        cls(*arguments.values(), name="p")


def test_the_rate_may_be_set_to_an_array_of_one_number():
    optimizer = optimizers.SGD()
    optimizer.learning_rate = np.array([0.25])
    assert float(optimizer.learning_rate) == 0.25
    assert optimizers.SGD(np.array([[0.5]])).get_config()["learning_rate"] == 0.5


def test_a_variable_of_the_state_takes_what_several_devices_would_need():
    optimizer = optimizers.SGD(name="o")
    variable = optimizer.add_variable((2,), "ones", "float32", "mean", None, "extra")
    assert (variable.path, variable.shape) == ("o/extra", (2,))
    assert optimizer.variables[-1] is variable
