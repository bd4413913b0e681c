"""The state of optimizers: what is saved and restored goes on as if nothing had happened, to the last bit."""

import copy
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import layers, models, optimizers
from minirnn.autograd import Variable
from minirnn.utils import set_random_seed

MAKERS = {
    "SGD": lambda **more: optimizers.SGD(0.1, momentum=0.9, nesterov=True, **more),
    "RMSprop": lambda **more: optimizers.RMSprop(0.1, momentum=0.5, centered=True, **more),
    "Adam": lambda **more: optimizers.Adam(0.1, amsgrad=True, **more),
    "AdamW": lambda **more: optimizers.AdamW(0.1, weight_decay=0.1, **more),
    "Adamax": lambda **more: optimizers.Adamax(0.1, **more),
    "Nadam": lambda **more: optimizers.Nadam(0.1, **more),
    "Adagrad": lambda **more: optimizers.Adagrad(0.1, **more),
    "Adadelta": lambda **more: optimizers.Adadelta(0.1, **more),
    "Lion": lambda **more: optimizers.Lion(0.1, **more),
    "scheduled": lambda **more: optimizers.Adam(optimizers.schedules.CosineDecay(0.1, 9), **more),
    "LossScaleOptimizer": lambda **more: optimizers.LossScaleOptimizer(
        optimizers.Nadam(0.1, **more), 8.0, dynamic_growth_steps=2
    ),
}
AROUND = [
    {},
    {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 3, "clipnorm": 1.0},
    {"gradient_accumulation_steps": 3, "use_ema": True, "global_clipnorm": 1.0},
]


def weights(dtype):
    rng = np.random.default_rng(0)
    return [Variable(rng.normal(size=s).astype(dtype), name=f"w{i}") for i, s in enumerate([(3, 2), (2,)])]


def train(optimizer, ws, steps):
    for step in steps:
        rng = np.random.default_rng(step)
        gs = [rng.normal(size=w.shape).astype(w.dtype) for w in ws]
        if step == 4:
            gs[0][0, 0] = np.inf if isinstance(optimizer, optimizers.LossScaleOptimizer) else 9
        optimizer.apply(gs, ws)


def bits(variables):
    return [v.numpy().tobytes() for v in variables]


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("around", AROUND, ids=str)
@given(before=st.integers(0, 6), dtype=st.sampled_from(["float32", "float64", "float16"]))
def test_a_restored_state_goes_on_bit_for_bit(name, around, before, dtype):
    whole = weights(dtype)
    optimizer = MAKERS[name](**around)
    train(optimizer, whole, range(10))

    parts = weights(dtype)
    first = MAKERS[name](**around)
    first.build(parts)
    train(first, parts, range(before))
    store, config = {}, json.loads(json.dumps(optimizers.serialize(first)))
    first.save_own_variables(store)
    rest = [Variable(w.numpy(), name=w.name) for w in parts]
    second = optimizers.deserialize(config)
    second.build(rest)
    second.load_own_variables(store)
    assert bits(second.variables) == bits(first.variables)
    train(second, rest, range(before, 10))
    assert bits(rest) == bits(whole)
    assert bits(second.variables) == bits(optimizer.variables)


@pytest.mark.parametrize("name", MAKERS)
def test_a_state_set_from_a_list_is_the_state(name):
    ws = weights("float32")
    first, second = MAKERS[name](), MAKERS[name]()
    second.build(weights("float32"))
    train(first, ws, range(3))
    second.set_weights([v.numpy() for v in first.variables])
    assert bits(second.variables) == bits(first.variables)
    wrong = [v.numpy() for v in first.variables]
    wrong[-1] = np.zeros((7, 7))
    before = bits(second.variables)
    with pytest.raises(ValueError, match=r"weights must have shapes .* got .*\(7, 7\)"):
        second.set_weights(wrong)
    assert bits(second.variables) == before


@pytest.mark.parametrize("name", MAKERS)
def test_a_copy_goes_on_by_itself(name):
    ws = weights("float32")
    optimizer = MAKERS[name]()
    train(optimizer, ws, range(2))
    (other, copies) = copy.deepcopy((optimizer, ws))
    train(optimizer, ws, range(2, 5))
    assert bits(copies) != bits(ws)
    train(other, copies, range(2, 5))
    assert bits(copies) == bits(ws)


@pytest.mark.parametrize("name", ["Nadam", "LossScaleOptimizer"])
def test_a_model_trained_in_two_parts_is_the_model_trained_in_one(name):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(24, 5, 3)).astype("float32"), rng.integers(0, 2, 24)

    def model():
        set_random_seed(1)
        found = models.Sequential([layers.Input((5, 3)), layers.LSTM(4), layers.Dense(2)])
        loss = "sparse_categorical_crossentropy"
        found.compile(MAKERS[name](clipnorm=1.0), loss, metrics=["accuracy"])
        return found

    def fit(found, epochs, initial_epoch=0):
        found.fit(x, y, 8, epochs=epochs, initial_epoch=initial_epoch, verbose=0, shuffle=False)

    whole, first, second = model(), model(), model()
    fit(whole, 4)
    fit(first, 2)
    store = {}
    first.optimizer.save_own_variables(store)
    second.set_weights(first.get_weights())
    second.optimizer.build(second.trainable_weights)
    second.optimizer.load_own_variables(store)
    fit(second, 4, initial_epoch=2)
    assert bits(second.weights) == bits(whole.weights)
    assert bits(second.optimizer.variables) == bits(whole.optimizer.variables)
