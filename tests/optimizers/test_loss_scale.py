"""LossScaleOptimizer: what it lets pass, and how its scale goes up and down."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import optimizers
from minirnn.autograd import Variable, convert


def weights(dtype="float32"):
    return [
        Variable(np.arange(6, dtype=dtype).reshape(2, 3), name="a"),
        Variable(np.ones(2, dtype), name="b"),
    ]


def scaled(scale, seed=0, dtype="float32"):
    rng = np.random.default_rng(seed)
    return [(rng.normal(size=w.shape) * scale).astype(dtype) for w in weights()]


def make(inner=None, scale=16.0, steps=3):
    return optimizers.LossScaleOptimizer(inner or optimizers.Adam(0.1), scale, steps, name="l")


def test_finite_gradients_of_a_scaled_loss_give_the_steps_of_the_loss_itself():
    plain, ours = weights(), weights()
    inner, optimizer = optimizers.Adam(0.1), make(steps=2)
    for seed in range(5):
        scale = float(optimizer.scale_loss(convert(np.float32(1).reshape(()))))
        inner.apply(scaled(1.0, seed), plain)
        optimizer.apply(scaled(scale, seed), ours)
    assert scale == 64.0
    for a, b in zip(plain, ours):
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-6)


@given(st.lists(st.sampled_from(["finite", "inf", "-inf", "nan"]), max_size=12), st.integers(1, 4))
def test_the_scale_halves_at_a_bad_gradient_and_doubles_after_enough_good_ones(kinds, growth):
    optimizer, ws = make(optimizers.SGD(0.125), 16.0, growth), weights()
    optimizer.build(ws)
    scale, good, updates = 16.0, 0, 0
    for seed, kind in enumerate(kinds):
        gs = scaled(scale, seed)
        before = [w.data for w in (*ws, *optimizer.inner_optimizer.variables)]
        if kind == "finite":
            good, updates = good + 1, updates + 1
        else:
            gs[seed % 2].flat[-1] = float(kind)
            scale, good = scale / 2, 0
        optimizer.apply(gs, ws)
        if kind != "finite":
            assert all(v.data is d for v, d in zip((*ws, *optimizer.inner_optimizer.variables), before))
        if good == growth:
            scale, good = scale * 2, 0
        assert float(optimizer.dynamic_scale) == scale
        assert int(optimizer.step_counter) == good
        assert int(optimizer.iterations) == updates
    assert all(np.isfinite(w.numpy()).all() for w in ws)


def test_small_float16_gradients_count_that_would_be_0_without_it():
    w, plain = Variable(np.zeros(1, "float32")), Variable(np.zeros(1, "float32"))
    tiny = 1e-9
    optimizers.SGD(1e9).apply([np.array([tiny], "float16")], [plain])
    optimizer = make(optimizers.SGD(1e9), 2.0**15)
    optimizer.apply([np.array([tiny * 2.0**15], "float16")], [w])
    assert plain.numpy() == 0
    assert abs(float(w.numpy()[0]) + 1) < 1e-2


def test_a_float16_loss_is_scaled_in_float32():
    loss = make(scale=2.0**15).scale_loss(convert(np.float16(4).reshape(())))
    assert loss.dtype == "float32"
    assert float(loss) == 2.0**17


def test_a_scale_that_has_halved_very_often_is_not_0():
    optimizer, ws = make(), weights()
    for _ in range(200):
        optimizer.apply([np.full(w.shape, np.nan, "float32") for w in ws], ws)
    assert float(optimizer.dynamic_scale) > 0
    optimizer.apply([np.zeros(w.shape, "float32") for w in ws], ws)
    assert all(np.isfinite(w.numpy()).all() for w in ws)


def test_what_belongs_to_the_inner_optimizer_is_passed_on():
    inner = optimizers.SGD(0.5, use_ema=True, ema_momentum=0.5, weight_decay=0.5, loss_scale_factor=4.0)
    optimizer, ws = make(inner), weights()
    assert inner.loss_scale_factor is None
    optimizer.exclude_from_weight_decay(var_names=["b"])
    optimizer.learning_rate = 0.25
    assert float(inner.learning_rate) == float(optimizer.learning_rate) == 0.25
    optimizer.apply([np.zeros(w.shape) for w in ws], ws)
    assert np.allclose(ws[0].numpy(), np.arange(6).reshape(2, 3) * (1 - 0.25 * 0.5))
    assert np.array_equal(ws[1].numpy(), np.ones(2))
    for w in ws:
        w.assign(w * 0)
    optimizer.finalize_variable_values(ws)
    assert not np.array_equal(ws[0].numpy(), np.zeros((2, 3)))


def test_it_is_built_by_its_first_gradients_even_if_they_are_not_finite():
    optimizer, ws = make(), weights()
    optimizer.apply([np.full(w.shape, np.inf) for w in ws], ws)
    assert optimizer.built and optimizer.inner_optimizer.built
    assert float(optimizer.dynamic_scale) == 8.0
    assert [v.path for v in optimizer.variables[:5]] == [
        "l/iteration",
        "l/learning_rate",
        "l/step_counter",
        "l/dynamic_scale",
        f"{optimizer.inner_optimizer.name}/iteration",
    ]


def test_a_weight_without_a_gradient_stays_with_one_warning():
    optimizer, ws = make(), weights()
    with pytest.warns(UserWarning, match="no gradient for") as caught:
        optimizer.apply([scaled(1.0)[0], None], ws)
    assert len(caught) == 1
    assert np.array_equal(ws[1].numpy(), np.ones(2))


SGD = optimizers.SGD


@pytest.mark.parametrize(
    "call, kind, match",
    [
        (lambda: optimizers.LossScaleOptimizer("adam"), TypeError, "inner_optimizer must be an Optimizer"),
        (lambda: make(scale=0.0), ValueError, "initial_scale must be a number above 0"),
        (lambda: make(steps=0), ValueError, "dynamic_growth_steps must be an integer, 1 or more; got 0"),
        (
            lambda: optimizers.LossScaleOptimizer(SGD(), clipnorm=1.0),
            ValueError,
            r"clipnorm=1.0 belongs to the inner optimizer: LossScaleOptimizer\(SGD\(clipnorm=1.0\)\)",
        ),
        (lambda: optimizers.LossScaleOptimizer(SGD(), learning_rate=1.0), ValueError, "belongs to the inner"),
        (lambda: optimizers.LossScaleOptimizer(SGD(), dynamic=False), ValueError, "loss_scale_factor"),
        (lambda: optimizers.LossScaleOptimizer(SGD(), initial=1.0), ValueError, "is initial_scale"),
        (lambda: make().apply(scaled(1.0)), ValueError, r"call build\(variables\) first"),
        (lambda: make().apply(scaled(1.0)[:1], weights()), ValueError, "2 variables need as many gradients"),
        (lambda: make().apply([np.ones(3), np.ones(2)], weights()), ValueError, "must have its shape"),
    ],
)
def test_bad_input_is_refused(call, kind, match):
    with pytest.raises(kind, match=match):
        call()


def test_arguments_that_old_files_have_are_taken_at_their_defaults():
    config = make().get_config()
    old = {"weight_decay": None, "clipnorm": None, "use_ema": False, "ema_momentum": 0.99, "dynamic": True}
    assert optimizers.LossScaleOptimizer.from_config({**config, **old}).get_config() == config
