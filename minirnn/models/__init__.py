"""Models: `Sequential`, `Functional`, `Model`. Reading order: `sequential.py`, `graph.py`, `functional.py`,
`trainer.py`, `loops.py`, then what these use."""

from minirnn.models.data import pack_x_y_sample_weight, unpack_x_y_sample_weight
from minirnn.models.functional import Functional
from minirnn.models.model import Model
from minirnn.models.sequential import Sequential
from minirnn.utils import registry

__all__ = ["Functional", "Model", "Sequential", "pack_x_y_sample_weight", "unpack_x_y_sample_weight"]

_table = registry.Table("model", "keras.models", (Model, Functional, Sequential), snake_case=False)
