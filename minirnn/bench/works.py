"""What is measured, in minirnn: each work is made for one kernel, and one call of it is timed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import minirnn
from minirnn import backend, datasets, kernels, layers, losses, models, ops


@dataclass(frozen=True)
class Sizes:
    """How much is computed: the recurrent layers', the digit classifier's, and the single steps' sizes."""

    units: int = 512
    features: int = 512
    batch: int = 64
    steps: int = 100
    digit_units: int = 64
    digit_batches: int = 20  # in one call, at 64 digits
    step_units: int = 128
    single_steps: int = 200  # in one call
    rounds: int = 5


USUAL = Sizes()
QUICK = Sizes(
    units=8,
    features=4,
    batch=3,
    steps=5,
    digit_units=4,
    digit_batches=2,
    step_units=4,
    single_steps=5,
    rounds=2,
)
DIGIT_BATCH = 64


class Runner(NamedTuple):
    """One work on one kernel, ready to be timed.

    Attributes
    ----------
    call : callable
    count : int
        How many of what is measured one call does.
    """

    call: Callable[[], object]
    count: int = 1


class Work(NamedTuple):
    """One line of the table.

    Attributes
    ----------
    key : str
        For JSON, and for the peer that does the same.
    title : str
        What one of it is, with its sizes.
    layer : Layer
        Whose kernel it is about.
    inputs : Tensor
        What the layer is called on.
    runner : Runner
        The kernel is the one that `kernels.use_tier` allows when it is called.
    """

    key: str
    title: str
    layer: Any
    inputs: Any
    runner: Runner


def make_works(sizes: Sizes):
    """Yield each work, made on the current device."""
    for cell in (layers.LSTM, layers.GRU):
        yield from _layer_works(cell, sizes)
    yield _fit_work(sizes)
    yield _single_step_work(sizes)


def titles(sizes: Sizes) -> dict[str, str]:
    """Return what each work is, by its key."""
    s = sizes
    digit = f"fit step of the digit classifier, LSTM({s.digit_units}): batch {DIGIT_BATCH}, 28 steps"
    shape = f"batch {s.batch}, {s.steps} steps, {s.features} features"
    return {
        "lstm_forward": f"LSTM({s.units}) forward: {shape}",
        "lstm_training": f"LSTM({s.units}) forward and backward: {shape}",
        "gru_forward": f"GRU({s.units}) forward: {shape}",
        "gru_training": f"GRU({s.units}) forward and backward: {shape}",
        "digit_fit_step": digit,
        "single_step": f"one step of a stateful LSTM({s.step_units}): batch 1, {s.step_units} features",
    }


def inputs_of(sizes: Sizes) -> np.ndarray:
    """Return the inputs of the recurrent layers."""
    shape = (sizes.batch, sizes.steps, sizes.features)
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


def digits(sizes: Sizes):
    """Return the images and labels that the classifier is fitted to."""
    (x, y), _ = datasets.mnist.load_data()
    count = DIGIT_BATCH * sizes.digit_batches
    return (x[:count] / 255.0).astype("float32"), y[:count]


def _layer_works(cell, sizes):
    layer, x = cell(sizes.units, return_sequences=True), ops.convert_to_tensor(inputs_of(sizes))
    layer(x)

    def forward():
        with minirnn.no_grad():
            return layer(x)

    def train():
        return minirnn.grad(ops.sum(layer(x, training=True)), layer.trainable_weights)

    name = cell.__name__.lower()
    for key, call in ((f"{name}_forward", forward), (f"{name}_training", train)):
        yield Work(key, titles(sizes)[key], layer, x, Runner(call))


def _fit_work(sizes):
    x, y = digits(sizes)
    lstm = layers.LSTM(sizes.digit_units)
    model = models.Sequential([layers.Input((28, 28)), lstm, layers.BatchNormalization(), layers.Dense(10)])
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])

    def fit():
        return model.fit(x, y, batch_size=DIGIT_BATCH, shuffle=False, verbose=0)

    runner = Runner(fit, sizes.digit_batches)
    key = "digit_fit_step"
    return Work(key, titles(sizes)[key], lstm, ops.convert_to_tensor(x[:DIGIT_BATCH]), runner)


def _single_step_work(sizes):
    layer = layers.LSTM(sizes.step_units, stateful=True)
    x = ops.convert_to_tensor(np.ones((1, 1, sizes.step_units), "float32"))
    layer(x)

    def step():
        with minirnn.no_grad():
            for _ in range(sizes.single_steps):
                layer(x)

    key = "single_step"
    return Work(key, titles(sizes)[key], layer, x, Runner(step, sizes.single_steps))


def on_tier(work: Work, tier: str) -> tuple[Runner | None, list[str]]:
    """Return what runs a work on a tier, or None and why it cannot be run there."""
    with kernels.use_tier(tier):
        choice = work.layer.kernel_report(work.inputs)
    if choice.tier != tier:
        return None, choice.reasons[tier]

    def call():
        with kernels.use_tier(tier):
            return work.runner.call()

    return work.runner._replace(call=call), []


def synchronizer() -> Callable[[], object]:
    """Return what waits until the current device has done all that it was given."""
    here = backend.current()
    if here.name == "numpy":
        return lambda: None
    return lambda: here.xp.cuda.Device().synchronize()
