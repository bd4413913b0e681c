"""A case: one call of one layer, as plain data, and the arrays that belong to it."""

import dataclasses
import functools
import importlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from minirnn import tree
from minirnn.dtype_policies import DTypePolicy
from minirnn.layers.rnn.state import is_state_shape

# What may be wrong with a call on purpose: both sides are to refuse it.
WRONG = (
    "",
    "states: one too few",
    "states: one unit too many",
    "inputs: no time axis",
    "mask: one step too many",
    "inputs: one array too few",
)


@dataclass(frozen=True)
class Case:
    """One call of a layer, in all that matters, as plain data: it prints as what makes it again.

    Attributes
    ----------
    layer : dict
        ``"class"`` names the class, and the rest are its arguments. A cell or a layer in it is such a dict
        too, and several are a list of them. A class that is not among the layers is named by a function that
        gets minirnn or Keras and returns it, as "package.module:function"; see `minirnn.testing.cells`.
    shape : tuple of int, or list or dict of these
        Of the inputs.
    dtype : str
        The dtype of inputs, weights and computation, or a policy that has several, like "mixed_float16".
    mask : tuple of str, optional
        For each row a string with "1" for a step that counts and "0" for one that is masked, or a tuple of
        such rows where steps have steps. A list of these, or None, for inputs that are a list.
    mask_dtype : str
        Of the mask as an array.
    mask_travels : bool
        Whether the mask comes with the inputs, as from an Embedding, and not as ``mask=``.
    initial_state : bool
        Whether initial states are passed.
    arguments : dict, optional
        Further arguments of the call: ``{"training": True}``.
    own_weights : bool
        Whether the layer starts with the weights that its initializers make, not with random ones.
    calls : int
        How often the layer is called; of a stateful one the states after each are looked at.
    steps : int
        How many training steps are taken.
    optimizer : str or dict, optional
        Which takes them: a name, or described as a layer is; default: plain gradient descent.
    wrong : str
        What is wrong with the call on purpose; one of `WRONG`.
    seed : int
        Of the values of inputs, states and weights.

    Raises
    ------
    ValueError
        If `wrong` is none of `WRONG`, or there is no such optimizer.
    """

    layer: dict
    shape: Any
    dtype: str = "float32"
    mask: Any = None
    mask_dtype: str = "bool"
    mask_travels: bool = False
    initial_state: bool = False
    arguments: dict | None = None
    own_weights: bool = False
    calls: int = 1
    steps: int = 0
    optimizer: str | dict | None = None
    wrong: str = ""
    seed: int = 0

    def __post_init__(self):
        if self.wrong not in WRONG:
            raise ValueError(f"Case: wrong must be one of {', '.join(map(repr, WRONG))}; got {self.wrong!r}.")
        check_optimizer(self.optimizer)

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
        several = isinstance(data["shape"], list) and not tree.is_shape(data["shape"])
        data["shape"] = tree.map_shape_structure(tuple, data["shape"])
        masks = data["mask"] if several else [data["mask"]]
        masks = None if masks is None else [None if m is None else _tuples(m) for m in masks]
        data["mask"] = masks if several or masks is None else masks[0]
        return cls(**data)

    def parts(self) -> list[dict]:
        """Return the description of the layer, and those of all layers and cells in it."""
        return parts_of(self.layer)

    def question(self) -> "Question":
        """Return the arrays of the case: all that either side is told."""
        from minirnn.testing.minirnn_engine import MODULE

        rng = np.random.default_rng(self.seed)
        dtype = array_dtype(self.dtype)
        indices = _of_indices(self.layer)

        def draw(shape):
            x = rng.integers(0, indices, shape) if indices else rng.standard_normal(shape)
            return x.astype("int32" if indices else dtype)

        x: Any = tree.map_shape_structure(draw, self.shape)
        masks = [None if m is None else np.array(_bits(m), self.mask_dtype) for m in self.masks()]
        mask: Any = None if self.mask is None else masks if isinstance(self.mask, list) else masks[0]
        for part in self.parts():
            if part["class"] == "Masking" and mask is not None:
                value = part.get("mask_value", 0.0)
                x, mask = np.where(mask[..., None].astype(bool), x, value).astype(dtype), None
        weights, states = None, None
        try:
            # The shapes are minirnn's; where it refuses the layer, the other side may too.
            layer = make(MODULE, self.layer, self.dtype)
            layer.build(self.shape)
            if not self.own_weights:
                weights = [_weight(rng, w, dtype) for w in layer.weights]
            if self.initial_state:
                sizes = [(len(tree.flatten(x)[0]), *shape) for shape in state_shapes(layer)]
                states = [0.5 * rng.standard_normal(size).astype(dtype) for size in sizes]
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
                arguments=self.arguments,
                weights=weights,
                dtype=self.dtype,
                calls=self.calls,
                steps=self.steps,
                optimizer=self.optimizer,
            ),
        )

    def masks(self) -> list:
        """Return the mask of each input, or None where it has none; one mask is that of all."""
        return self.mask if isinstance(self.mask, list) else [self.mask]


@dataclass(frozen=True)
class Question:
    """A call with its arrays: what a side gets. `layer` is None where the side has its own.

    `x` is an array or a structure of arrays, and `mask` one for all, or a list of masks for a list of inputs.
    `weights` is None where the layer has its own.
    """

    x: Any
    layer: dict | None = None
    mask: Any = None
    mask_travels: bool = False
    states: list | None = None
    arguments: dict | None = None
    weights: list | None = None
    dtype: str = "float32"
    calls: int = 1
    steps: int = 0
    optimizer: str | dict | None = None


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
    options = {k: _argument(module, v, dtype, fast) for k, v in spec.items() if k != "class"}
    if name != "Sequential" and dtype is not None:
        options["dtype"] = dtype
    if fast and ":" not in name:
        from minirnn.testing.options import initializers_of

        options = {**dict.fromkeys(initializers_of(name), "zeros"), **options}
    return class_of(module, name)(**options)


@functools.cache
def class_of(module, name: str) -> type:
    """Return a class of layers of a module, or the one that a function makes for it; see `Case`.

    Raises
    ------
    AttributeError, ImportError
        If there is none.
    """
    home, _, function = name.rpartition(":")
    if not home:
        return getattr(module if name == "Sequential" else module.layers, name)
    made = getattr(importlib.import_module(home), function)(module)
    return module.saving.register_keras_serializable(package=home)(made)  # wrappers copy layers by config


def _argument(module, value, dtype, fast):
    if isinstance(value, dict) and "class" in value:
        return make(module, value, dtype, fast)
    if isinstance(value, list | tuple) and value and all(isinstance(v, dict) for v in value):
        return [make(module, v, dtype, fast) for v in value]
    return value


def make_optimizer(module, spec: str | dict | None):
    """Return an optimizer by name or description; by default one that subtracts a tenth of the gradient."""
    if isinstance(spec, str):
        return module.optimizers.get(spec)
    options: dict = dict(spec or {"class": "SGD", "learning_rate": 0.1})
    kind: str = options.pop("class")
    return getattr(module.optimizers, kind)(**options)


def check_optimizer(spec) -> None:
    """Raise ValueError if there is no such optimizer: both sides would refuse it, as if they agreed."""
    from minirnn.testing.minirnn_engine import MODULE

    if spec is None:
        return
    if not isinstance(spec, str) and not (isinstance(spec, dict) and "class" in spec):
        raise ValueError(
            'testing: optimizer must be a name, like "adam", or a dict with its "class" and arguments; '
            f"got {spec!r}."
        )
    try:
        make_optimizer(MODULE, spec)
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"testing: there is no optimizer {spec!r}: {error}") from error


def parts_of(layer: dict) -> list[dict]:
    """Return the description of a layer, and those of all layers and cells in it."""
    return list(_parts(layer))


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


def array_dtype(policy: str) -> str:
    """Return the dtype of inputs and weights under a policy."""
    return DTypePolicy(policy).variable_dtype


def _bits(rows):
    return [c == "1" for c in rows] if isinstance(rows, str) else [_bits(row) for row in rows]


def _tuples(rows):
    return rows if isinstance(rows, str) else tuple(_tuples(row) for row in rows)


def _weight(rng, weight, dtype):
    value = 0.5 * rng.standard_normal(weight.shape)
    return np.asarray(np.abs(value) if "variance" in weight.name else value, dtype)


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
        return dataclasses.replace(question, x=tree.map_structure(lambda x: x[:, 0], question.x))
    if wrong == WRONG[4] and isinstance(mask, np.ndarray):
        return dataclasses.replace(question, mask=np.concatenate([mask, mask[:, :1]], axis=1))
    if wrong == WRONG[5] and isinstance(question.x, list):
        return dataclasses.replace(question, x=question.x[:1])
    return question
