"""`deserialize_keras_object` for programs: with every table there, whatever else has been imported."""

from minirnn import (  # noqa: F401 - each fills its table
    activations,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    regularizers,
)
from minirnn.utils.registry import deserialize_keras_object

__all__ = ["deserialize_keras_object"]
