"""Optimizers under the names of ``keras.optimizers``: `optimizer.py` is what they share."""

from typing import Any

from minirnn.optimizers import schedules
from minirnn.optimizers.adadelta import Adadelta
from minirnn.optimizers.adagrad import Adagrad
from minirnn.optimizers.adam import Adam
from minirnn.optimizers.adamax import Adamax
from minirnn.optimizers.adamw import AdamW
from minirnn.optimizers.lion import Lion
from minirnn.optimizers.loss_scale_optimizer import LossScaleOptimizer
from minirnn.optimizers.nadam import Nadam
from minirnn.optimizers.optimizer import Optimizer
from minirnn.optimizers.rmsprop import RMSprop
from minirnn.optimizers.sgd import SGD
from minirnn.utils import registry

__all__ = [
    "Optimizer",
    "SGD",
    "RMSprop",
    "Adam",
    "AdamW",
    "Adamax",
    "Nadam",
    "Adagrad",
    "Adadelta",
    "Lion",
    "LossScaleOptimizer",
    "schedules",
    "get",
    "serialize",
    "deserialize",
]

_table = registry.Table(
    "optimizer",
    "keras.optimizers",
    (
        Optimizer,
        SGD,
        RMSprop,
        Adam,
        AdamW,
        Adamax,
        Nadam,
        Adagrad,
        Adadelta,
        Lion,
        LossScaleOptimizer,
    ),
    base=Optimizer,
    snake_case=False,
    ignore_case=True,
)


def get(identifier) -> Any:
    """Return an optimizer from its name in any case, its config, its class, or itself; None gives None.

    Raises
    ------
    ValueError
        If the name is not known, or `identifier` is no optimizer.
    """
    return _table.get(identifier)


def serialize(optimizer):
    """Return the config of an optimizer."""
    return registry.serialize_keras_object(optimizer)


def deserialize(config, custom_objects=None):
    """Return the optimizer of a name or config."""
    return _table.deserialize(config, custom_objects)
