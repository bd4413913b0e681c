"""Laws of training in mixed precision: weights stay float32, the loss is scaled, and it learns."""

import itertools

import numpy as np
import pytest

from minirnn import Sequential, config, datasets, layers, losses, optimizers, utils
from minirnn.optimizers import LossScaleOptimizer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 5, 3)).astype("float32")
Y = RNG.normal(size=(24, 2)).astype("float32")


@pytest.fixture
def mixed():
    config.set_dtype_policy("mixed_float16")
    yield
    config.set_dtype_policy(None)


def regressor():
    utils.set_random_seed(0)
    return Sequential([layers.Input((None, 3)), layers.LSTM(4), layers.BatchNormalization(), layers.Dense(2)])


@pytest.mark.parametrize("optimizer", ["adam", optimizers.SGD(0.1)])
def test_compile_scales_the_loss_of_a_mixed_model(mixed, optimizer):
    model = regressor()
    model.compile(optimizer, "mse")
    assert type(model.optimizer) is LossScaleOptimizer and model.optimizer.name == "loss_scale_optimizer"
    assert type(model.optimizer.inner_optimizer) in (optimizers.Adam, optimizers.SGD)


def test_compile_leaves_an_optimizer_that_is_not_to_scale_or_does_already(mixed):
    model = regressor()
    model.compile("adam", "mse", auto_scale_loss=False)
    assert type(model.optimizer) is optimizers.Adam
    own = LossScaleOptimizer(optimizers.SGD(0.1), initial_scale=2.0)
    model.compile(own, "mse")
    assert model.optimizer is own


@pytest.mark.parametrize("policy", ["float32", "float64", "float16"])
def test_compile_scales_no_loss_of_a_plain_model(policy):
    config.set_dtype_policy(policy)
    try:
        model = regressor()
    finally:
        config.set_dtype_policy(None)
    model.compile("adam", "mse")
    assert type(model.optimizer) is optimizers.Adam


def test_a_mixed_model_keeps_its_weights_and_all_that_is_reported_in_float32(mixed):
    model = regressor()
    model.compile("adam", "mse", metrics=["mae"])
    history = model.fit(X, Y, batch_size=8, epochs=3, verbose=0).history
    assert {v.dtype.name for v in model.weights} == {"float32"}
    moments = model.optimizer.inner_optimizer.variables[2:]
    assert {v.dtype.name for v in moments} == {"float32"}
    assert model.predict(X, verbose=0).dtype == "float16"
    assert all(np.isfinite(v).all() for v in history.values())
    assert history["loss"][-1] < history["loss"][0]
    assert {m.dtype for m in model.metrics[:1]} == {"float32"}


def test_a_step_whose_gradients_overflow_is_left_out_and_halves_the_scale(mixed):
    model = regressor()
    model.compile(LossScaleOptimizer(optimizers.SGD(0.1), initial_scale=1e30), "mse")
    before = [w.numpy() for w in model.trainable_weights]
    loss = model.train_on_batch(X, Y)  # no warning of what overflows: it is the scaling's way to find out
    assert np.isfinite(loss) and int(model.optimizer.iterations) == 0
    assert float(model.optimizer.dynamic_scale) == pytest.approx(5e29)
    for w, b in zip(model.trainable_weights, before):
        np.testing.assert_array_equal(w.numpy(), b)


def test_training_goes_on_once_the_scale_is_small_enough_and_the_scale_grows_again(mixed):
    model = regressor()
    model.compile(
        LossScaleOptimizer(optimizers.SGD(0.01), initial_scale=2.0**40, dynamic_growth_steps=5), "mse"
    )
    scales = []
    for _ in range(60):
        model.train_on_batch(X, Y)
        scales.append(float(model.optimizer.dynamic_scale))
    steps = int(model.optimizer.iterations)
    assert min(scales) < 2.0**30 and steps > 20
    assert any(later == 2 * earlier for earlier, later in itertools.pairwise(scales))
    assert all(np.isfinite(w.numpy()).all() for w in model.weights)


def test_nothing_warns_where_a_batch_is_split_over_threads_and_overflows(mixed):
    utils.set_random_seed(0)
    model = Sequential([layers.Input((28, 28)), layers.LSTM(64, activation="relu"), layers.Dense(2)])
    model.compile(LossScaleOptimizer(optimizers.SGD(0.1), initial_scale=1e34), "mse")
    x, y = RNG.normal(size=(256, 28, 28)), RNG.normal(size=(256, 2))
    model.train_on_batch(x, y)
    assert int(model.optimizer.iterations) == 0


def test_digits_are_learnt_in_mixed_precision_as_in_float32():
    (x, y), _ = datasets.mnist.load_data()
    x, y = (x[:1500] / 255.0).astype("float32"), y[:1500]
    found = {}
    for policy in ("float32", "mixed_float16"):
        config.set_dtype_policy(policy)
        try:
            utils.set_random_seed(0)
            model = Sequential(
                [layers.Input((28, 28)), layers.LSTM(32), layers.BatchNormalization(), layers.Dense(10)]
            )
        finally:
            config.set_dtype_policy(None)
        loss = losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, metrics=["accuracy"])
        found[policy] = model.fit(x, y, batch_size=64, epochs=4, verbose=0).history
    for epoch, (mixed, plain) in enumerate(zip(found["mixed_float16"]["loss"], found["float32"]["loss"])):
        assert mixed == pytest.approx(plain, rel=0.02), epoch
    assert found["float32"]["loss"][-1] < 0.7 * found["float32"]["loss"][0]
