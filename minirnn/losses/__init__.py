"""Losses under the names of ``keras.losses``: functions, one value a sample, and classes to reduce them."""

from minirnn.losses.classes import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
)
from minirnn.losses.functions import (
    binary_crossentropy,
    categorical_crossentropy,
    mean_absolute_error,
    mean_squared_error,
    resolve_crossentropy,
    sparse_categorical_crossentropy,
)
from minirnn.losses.loss import Loss, LossFunctionWrapper
from minirnn.utils import registry

__all__ = [
    "Loss",
    "LossFunctionWrapper",
    "MeanSquaredError",
    "MeanAbsoluteError",
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "SparseCategoricalCrossentropy",
    "mean_squared_error",
    "mean_absolute_error",
    "binary_crossentropy",
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
    "resolve_crossentropy",
    "get",
    "serialize",
    "deserialize",
]

_table = registry.Table(
    "loss",
    "keras.losses",
    (
        Loss,
        LossFunctionWrapper,
        BinaryCrossentropy,
        CategoricalCrossentropy,
        SparseCategoricalCrossentropy,
        MeanSquaredError,
        MeanAbsoluteError,
        binary_crossentropy,
        categorical_crossentropy,
        sparse_categorical_crossentropy,
        mean_squared_error,
        mean_absolute_error,
    ),
    {
        "bce": binary_crossentropy,
        "BCE": binary_crossentropy,
        "mse": mean_squared_error,
        "MSE": mean_squared_error,
        "mae": mean_absolute_error,
        "MAE": mean_absolute_error,
    },
    snake_case=False,
)


def get(identifier):
    """Return a loss function or `Loss` from its name, its config, its class, or itself; None gives None.

    Raises
    ------
    ValueError
        If the name is not known, or `identifier` is no callable.
    """
    return _table.get(identifier)


def serialize(loss):
    """Return the config of a loss."""
    return registry.serialize_keras_object(loss)


def deserialize(name, custom_objects=None):
    """Return the loss of a name or config."""
    return _table.deserialize(name, custom_objects)
