"""Models: `Sequential`, `Functional`, `Model`. Reading order: `sequential.py`, `graph.py`, `functional.py`,
`trainer.py`, `fitting.py`, `evaluation.py`, then what these use."""

from minirnn.models.cloning import clone_model
from minirnn.models.data import pack_x_y_sample_weight, unpack_x_y_sample_weight
from minirnn.models.functional import Functional
from minirnn.models.model import Model
from minirnn.models.sequential import Sequential
from minirnn.utils import registry

__all__ = [
    "Functional",
    "Model",
    "Sequential",
    "clone_model",
    "pack_x_y_sample_weight",
    "unpack_x_y_sample_weight",
]

_SAVING = {"load_model", "model_from_json", "save_model"}


def __getattr__(name):
    if name in _SAVING:
        from minirnn import saving

        return getattr(saving, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_table = registry.Table("model", "keras.models", (Model, Functional, Sequential), snake_case=False)
# Keras has no public name for it, and finds it under this one.
registry._exported[Functional] = ("keras.src.models.functional", "Functional")
