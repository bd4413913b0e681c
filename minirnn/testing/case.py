"""A case: one call of one layer, as plain data, and the arrays that belong to it."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from minirnn import tree
from minirnn.layers.rnn.state import is_state_shape

# What may be wrong with a call on purpose: both sides are to refuse it.
WRONG = (
    "",
    "states: one too few",
    "states: one unit too many",
    "inputs: no time axis",
    "mask: one step too many",
)


@dataclass(frozen=True)
class Case:
    """One call of a layer, in all that matters, as plain data: it prints as what makes it again.

    Attributes
    ----------
    layer : dict
        ``"class"`` names the class, and the rest are its arguments. A cell or a layer in it is such a dict
        too, and several are a list of them.
    shape : tuple of int
        Of the inputs.
    dtype : str
        Of inputs, weights and computation.
    mask : tuple of str, optional
        For each row a string with "1" for a step that counts and "0" for one that is masked.
    mask_travels : bool
        Whether the mask comes with the inputs, as from an Embedding, and not as ``mask=``.
    initial_state : bool
        Whether initial states are passed.
    calls : int
        How often the layer is called; of a stateful one the states after each are looked at.
    steps : int
        How many training steps are taken.
    optimizer : dict, optional
        Which takes them, described as a layer is; default: plain gradient descent.
    wrong : str
        What is wrong with the call on purpose; one of `WRONG`.
    seed : int
        Of the values of inputs, states and weights.
    """

    layer: dict
    shape: tuple[int, ...]
    dtype: str = "float32"
    mask: tuple[str, ...] | None = None
    mask_travels: bool = False
    initial_state: bool = False
    calls: int = 1
    steps: int = 0
    optimizer: dict | None = None
    wrong: str = ""
    seed: int = 0

    def __repr__(self):
        given = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        default = {f.name: f.default for f in dataclasses.fields(self)}
        shown = ", ".join(f"{name}={value!r}" for name, value in given.items() if value != default[name])
        return f"Case({shown})"

    def to_json(self) -> str:
        """Return the case as JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Case":
        """Return the case that `to_json` wrote."""
        data = json.loads(text)
        data["shape"] = tuple(data["shape"])
        data["mask"] = None if data["mask"] is None else tuple(data["mask"])
        return cls(**data)

    def parts(self) -> list[dict]:
        """Return the description of the layer, and those of all layers and cells in it."""
        return list(_parts(self.layer))

    def question(self) -> "Question":
        """Return the arrays of the case: all that either side is told."""
        from minirnn.testing.minirnn_engine import MODULE

        rng = np.random.default_rng(self.seed)
        mask = None if self.mask is None else np.array([[c == "1" for c in row] for row in self.mask])
        indices = _of_indices(self.layer)
        x = rng.integers(0, indices, self.shape) if indices else rng.standard_normal(self.shape)
        x = x.astype("int32" if indices else self.dtype)
        if any(part["class"] == "Masking" for part in self.parts()) and mask is not None:
            x, mask = np.where(mask[..., None], x, 0).astype(self.dtype), None
        weights, states = None, None
        try:
            # The shapes are minirnn's; where it refuses the layer, the other side may too.
            layer = make(MODULE, self.layer, self.dtype)
            layer.build(self.shape)
            weights = [_weight(rng, w, self.dtype) for w in layer.weights]
            if self.initial_state:
                sizes = [(self.shape[0], *shape) for shape in state_shapes(layer)]
                states = [0.5 * rng.standard_normal(size).astype(self.dtype) for size in sizes]
        except (TypeError, ValueError):
            pass
        return spoiled(
            self.wrong,
            Question(
                layer=self.layer,
                x=x,
                mask=mask,
                mask_travels=self.mask_travels,
                states=states,
                weights=weights,
                dtype=self.dtype,
                calls=self.calls,
                steps=self.steps,
                optimizer=self.optimizer,
            ),
        )


@dataclass(frozen=True)
class Question:
    """A call with its arrays: what a side gets. `layer` is None where the side has its own."""

    x: np.ndarray
    layer: dict | None = None
    mask: np.ndarray | None = None
    mask_travels: bool = False
    states: list | None = None
    weights: list | None = None
    dtype: str = "float32"
    calls: int = 1
    steps: int = 0
    optimizer: dict | None = None


def make(module, spec: dict, dtype: str | None = None, fast=False) -> Any:
    """Return the layer, cell or optimizer that a description stands for.

    Parameters
    ----------
    module : module
        minirnn, Keras, or another that has ``layers`` with the same names.
    spec : dict
    dtype : str, optional
        Of it and of all in it.
    fast : bool
        Start weights at zero where they are set afterwards anyway.
    """
    name = spec["class"]
    home = module if name == "Sequential" else module.layers
    options = {k: _argument(module, v, dtype, fast) for k, v in spec.items() if k != "class"}
    if name != "Sequential" and dtype is not None:
        options["dtype"] = dtype
    if fast and "units" in options and name != "Dense":
        options = {"kernel_initializer": "zeros", "recurrent_initializer": "zeros", **options}
    return getattr(home, name)(**options)


def _argument(module, value, dtype, fast):
    if isinstance(value, dict) and "class" in value:
        return make(module, value, dtype, fast)
    if isinstance(value, list | tuple) and value and all(isinstance(v, dict) for v in value):
        return [make(module, v, dtype, fast) for v in value]
    return value


def make_optimizer(module, spec: dict | None):
    """Return an optimizer; by default one that subtracts a tenth of the gradient."""
    options: dict = dict(spec or {"class": "SGD", "learning_rate": 0.1})
    kind: str = options.pop("class")
    return getattr(module.optimizers, kind)(**options)


def _parts(value):
    if isinstance(value, dict):
        if "class" in value:
            yield value
        for inner in value.values():
            yield from _parts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _parts(inner)


def _of_indices(spec) -> int:
    """Return how many indices there are for a layer that looks up its inputs; 0 for another."""
    while spec.get("layers"):
        spec = spec["layers"][0]
    return spec.get("input_dim", 0) if spec["class"] == "Embedding" else 0


def _weight(rng, weight, dtype):
    value = 0.5 * rng.standard_normal(weight.shape)
    return (np.abs(value) if "variance" in weight.name else value).astype(dtype)


def state_shapes(layer) -> list[tuple[int, ...]]:
    """Return the shapes of a minirnn layer's states without the batch, in the order they are passed in."""
    if hasattr(layer, "forward_layer"):
        return state_shapes(layer.forward_layer) + state_shapes(layer.backward_layer)
    shapes = getattr(layer, "state_shapes", [])
    return [tuple(shape) for shape in tree.flatten(shapes, is_leaf=is_state_shape)]


def spoiled(wrong: str, question: Question) -> Question:
    """Return the question with one thing wrong; see `WRONG`."""
    states, mask = question.states, question.mask
    if wrong == WRONG[1] and states:
        return dataclasses.replace(question, states=states[:-1])
    if wrong == WRONG[2] and states:
        wider = [np.concatenate([s, s[:, :1]], axis=1) for s in states]
        return dataclasses.replace(question, states=wider)
    if wrong == WRONG[3]:
        return dataclasses.replace(question, x=question.x[:, 0])
    if wrong == WRONG[4] and mask is not None:
        return dataclasses.replace(question, mask=np.concatenate([mask, mask[:, :1]], axis=1))
    return question
