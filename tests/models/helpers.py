"""Small models and data that the tests of this folder share."""

import numpy as np

from minirnn import Input, Model, Sequential, layers, utils

RNG = np.random.default_rng(0)
X = RNG.normal(size=(23, 4, 3)).astype("float32")
LABELS = RNG.integers(0, 3, size=23)
VALUES = RNG.normal(size=(23, 2)).astype("float32")


def classifier(seed=0):
    """A recurrent classifier of three classes, with weights that depend on `seed` alone."""
    utils.set_random_seed(seed)
    return Sequential([layers.Input((None, 3)), layers.GRU(4), layers.BatchNormalization(), layers.Dense(3)])


def compiled(seed=0, optimizer="sgd", **arguments):
    model = classifier(seed)
    arguments = {"metrics": ["accuracy"], **arguments}
    model.compile(optimizer, "mse" if "loss" not in arguments else arguments.pop("loss"), **arguments)
    return model


def regressor(seed=0):
    utils.set_random_seed(seed)
    return Sequential([layers.Input((4, 3)), layers.Flatten(), layers.Dense(2)])


def two_headed():
    a, b = Input((3,), name="a"), Input((3,), name="b")
    hidden = layers.Dense(4, name="hidden")(layers.Concatenate()([a, b]))
    return Model(
        [a, b], {"first": layers.Dense(1, name="f")(hidden), "second": layers.Dense(2, name="s")(hidden)}
    )


def state_of(model):
    """Everything that training changes, as bytes."""
    variables = list(model.variables)
    if model.optimizer is not None:
        variables += model.optimizer.variables
    return [v.numpy().tobytes() for v in variables]
