"""Ways in which a step of training can break at any point, and what it may not change then."""

import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import minirnn
from minirnn import layers, losses, metrics, optimizers, random, tree
from minirnn.autograd import Variable
from minirnn.autograd.primitive import Primitive
from minirnn.autograd.tensor import state
from minirnn.kernels.primitive import KernelPrimitive
from minirnn.layers.context import context
from minirnn.models import Sequential

# What a step does, one call after the other: methods of which one can be made to fail.
PLACES = (
    (Primitive, "__call__"),
    (Primitive, "pull_back"),
    (KernelPrimitive, "__call__"),
    (KernelPrimitive, "pull_back"),
    (Variable, "assign"),
    (random.SeedGenerator, "_advance"),
)

N, T, D, C = 4, 2, 3, 2
PACKAGE = str(Path(minirnn.__file__).parent)


def batch(n=0):
    rng = np.random.default_rng(n)
    return rng.standard_normal((N, T, D)).astype("float32"), np.arange(N) % C


class Noise(layers.Layer):
    """A layer that draws from the seed which all share, and counts its calls in a Variable."""

    def build(self, input_shape):
        self.calls = self.add_weight(shape=(), initializer="zeros", dtype="int32", trainable=False)

    def call(self, x, training=False):
        if not training:
            return x
        self.calls.assign_add(1)
        return x + random.normal(x.shape, stddev=0.01)


def _compiled(one, optimizer=None):
    one.compile(
        optimizer or optimizers.Adam(0.01, use_ema=True, clipnorm=1.0),
        losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy", metrics.SparseCategoricalCrossentropy(from_logits=True)],
    )
    return one


def model(optimizer=None, small=False, dtype=None):
    """A model of everything that keeps something, or not quite, compiled and used once."""
    minirnn.utils.set_random_seed(5)
    one = Sequential(
        [
            layers.Input(batch_shape=(N, T, D)),
            layers.LSTM(3, stateful=True, return_sequences=not small, dropout=0.3, seed=1, dtype=dtype),
            *([] if small else [layers.GRU(2, seed=3, recurrent_dropout=0.2)]),
            layers.BatchNormalization(),
            *([] if small else [Noise()]),
            layers.Dropout(0.5, seed=2),
            layers.Dense(C, kernel_regularizer="l2", kernel_constraint="max_norm"),
        ],
        name="mine",
    )
    _compiled(one, optimizer).train_on_batch(*batch())
    return one


def unbuilt():
    """A model whose layers make their weights when they see data."""
    minirnn.utils.set_random_seed(5)
    cells = [layers.GRUCell(2, seed=3, recurrent_dropout=0.2), layers.LSTMCell(2, seed=4)]
    return _compiled(
        Sequential(
            [
                layers.Bidirectional(layers.LSTM(2, return_sequences=True, dropout=0.3, seed=1)),
                layers.RNN(cells, stateful=True),
                layers.BatchNormalization(),
                Noise(),
                layers.Dense(C),
            ]
        )
    )


def variables_of(one) -> list:
    """Return all Variables that a step may assign, in the same order for each such model."""
    found = [v for layer in one._flatten_layers() for v in tree.flatten(getattr(layer, "states", None))]
    found = one.variables + [v for v in found if v is not None] + one.optimizer.variables
    for metric in one.metrics:
        found += metric.variables
    return found + [generator.state for generator in random._global]


def values_of(one) -> list:
    return [v.numpy().tobytes() for v in variables_of(one)]


def learnt_by(one) -> list:
    """Return the values of all that is kept from one epoch to the next, unlike those of metrics."""
    measured = {id(v) for metric in one.metrics for v in metric.variables}
    return [v.numpy().tobytes() for v in variables_of(one) if id(v) not in measured]


def surroundings():
    """Return what a thread knows of the calls around; nothing when there are none."""
    return (
        (state.recording, state.inferring, state.assigned),
        (context.scope, context.entry, context.training),
    )


class Broken(RuntimeError):
    """What the wrapped functions below raise."""


@contextmanager
def broken_at(n, *places, error=Broken):
    """Let the n-th call of some methods fail in a ``with`` block, before it does anything.

    Gives a list of what was called, by name.

    Parameters
    ----------
    places : pair of class and str
    """
    called, before = [], [(owner, name, owner.__dict__[name]) for owner, name in places]

    def wrap(name, function):
        def wrapped(*args, **kwargs):
            called.append(name)
            if len(called) == n:
                raise error("broken")
            return function(*args, **kwargs)

        return wrapped

    for owner, name, function in before:
        setattr(owner, name, wrap(name, function))
    try:
        yield called
    finally:
        for owner, name, function in before:
            setattr(owner, name, function)


@contextmanager
def interrupted_at(n):
    """Raise KeyboardInterrupt as minirnn comes to the n-th of its lines, each counted when it is first met.

    Never, if n is None. Gives the lines met so far, as pairs of a file and a number.
    """
    met: dict = {}
    last = sys.maxsize if n is None else n

    def watch(frame, event, argument):
        if event == "line":
            met.setdefault((frame.f_code.co_filename.removeprefix(PACKAGE), frame.f_lineno), None)
            if len(met) == last:
                sys.settrace(None)
                raise KeyboardInterrupt
        return None if len(met) >= last else watch

    def enter(frame, event, argument):
        # What is raised in a callback of the garbage collector's goes nowhere.
        ours = frame.f_code.co_filename.startswith(PACKAGE) and frame.f_code.co_name != "forget"
        return watch if ours and len(met) < last else None

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        yield met
    finally:
        sys.settrace(before)
