"""The architecture of a functional model as plain values, in the form of Keras, and the model made from them.

A layer stands with its config and its calls ("inbound_nodes"). A symbolic tensor among the arguments of a
call is named by where it came from: the layer, the number of its call, the number of the output. Ops that are
no layers and namedtuples have no form in Keras that could be read here; theirs are minirnn's own.
"""

import copy
import functools
from collections import namedtuple
from typing import Any

from minirnn import ops, tree
from minirnn.autograd.tensor import OPERATORS
from minirnn.layers.layer import Layer
from minirnn.ops.symbolic import KerasTensor, symbolic_call
from minirnn.utils.naming import to_snake_case
from minirnn.utils.registry import CustomObjectScope, deserialize_keras_object, serialize_keras_object


def config_of(model) -> dict:
    """Return the config of a Functional model."""
    graph = model._graph
    layers = []
    for operation in graph.operations:
        if operation.layer is not None:
            config = dict(serialize_keras_object(operation.layer))
        else:
            config = {
                "module": "minirnn.ops",
                "class_name": "function",
                "config": operation.calls[0].function.__name__,
            }
        config["name"] = operation.name
        config["inbound_nodes"] = [_node(call, graph, operation.layer is None) for call in operation.calls]
        layers.append(config)
    config = {"name": model.name, "trainable": model.trainable, "layers": layers}

    def place(tensor):
        operation, number, index = graph.origin(tensor)
        # Keras counts the calls of a model inside of another one from 1 here, and from 0 in the calls above.
        return [operation.name, number + hasattr(operation.layer, "_graph"), index]

    config["input_layers"] = _plain(tree.map_structure(place, model.input))
    config["output_layers"] = _plain(tree.map_structure(place, model.output))
    return copy.deepcopy(config)


def _node(call, graph, of_op) -> dict:
    node: dict = {
        "args": [_encode(value, graph, of_op) for value in call.args],
        "kwargs": {name: _encode(value, graph, of_op) for name, value in call.kwargs.items()},
    }
    if "training" in node["kwargs"] and not of_op:
        # Keras writes it for every call, and goes by what the model is called with all the same.
        node["keeps_training"] = True
    return node


def _encode(value, graph, of_op):
    if isinstance(value, KerasTensor):
        operation, number, index = graph.origin(value)
        history = [operation.name, number, index]
        config = {"shape": value.shape, "dtype": value.dtype.name, "keras_history": history}
        return {"class_name": "__keras_tensor__", "config": config}
    if hasattr(value, "_fields"):
        return _namedtuple(value, lambda item: _encode(item, graph, of_op))
    if isinstance(value, list | tuple):
        items = [_encode(item, graph, of_op) for item in value]
        # To an op, an index above all, a tuple is another thing than a list; JSON has lists alone.
        return {"class_name": "__tuple__", "config": items} if of_op and isinstance(value, tuple) else items
    if isinstance(value, dict):
        return {key: _encode(item, graph, of_op) for key, item in value.items()}
    return serialize_keras_object(value)


def _namedtuple(value, encode) -> dict:
    items = {field: encode(item) for field, item in zip(value._fields, value)}
    return {"class_name": "__namedtuple__", "config": {"name": type(value).__name__, "items": items}}


def _plain(value):
    """Return a structure of places without its namedtuples, which JSON has not."""
    if hasattr(value, "_fields"):
        return _namedtuple(value, _plain)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return type(value)(map(_plain, value)) if isinstance(value, list | tuple) else value


class _NotYet(Exception):
    """A call needs the outputs of another one, which has not been made."""

    def __init__(self, call):
        super().__init__(call)
        self.call = call


def _decode(value, outputs) -> Any:
    """Return the arguments of a call, with the symbolic tensors made so far."""
    if isinstance(value, list | tuple):
        return type(value)(_decode(item, outputs) for item in value)
    if not isinstance(value, dict):
        return value
    kind, inner = value.get("class_name"), value.get("config", {})
    if kind == "__keras_tensor__":
        name, number, index = inner["keras_history"]
        if (name, number) not in outputs:
            raise _NotYet((name, number))
        return outputs[name, number][index]
    if kind == "__tuple__":
        return tuple(_decode(item, outputs) for item in inner)
    if kind == "__namedtuple__":
        items = inner["items"]
        return namedtuple(inner["name"], list(items))(*(_decode(item, outputs) for item in items.values()))
    if kind is not None:
        return deserialize_keras_object(value)
    return {key: _decode(item, outputs) for key, item in value.items()}


def _operation(config):
    """Return the layer, or the op with the arguments that it always has, of one entry."""
    module = config.get("module") or ""
    if module.startswith("keras.src.ops."):
        # Keras has a class for each op, made with some of its arguments.
        name, given = to_snake_case(config["class_name"]), dict(config["config"])
        given.pop("name", None)
        return functools.partial(_operation({"class_name": "function", "config": name}), **given)
    if config["class_name"] == "function":
        name = config["config"]
        function = getattr(ops, name, None) if name in ops.__all__ else OPERATORS.get(name)
        if function is None:
            raise ValueError(
                f"Functional: the config names the op {name!r}, which minirnn.ops does not have."
            )
        return function
    # Built when it is called: the shapes in its config have lost their namedtuples.
    rest = ("name", "inbound_nodes", "build_config")
    return deserialize_keras_object({k: v for k, v in config.items() if k not in rest})


def from_config(cls, config, custom_objects=None):
    """Make a Functional model from its config.

    Raises
    ------
    ValueError
        If a class is not known, or a call needs a tensor that no other call makes.
    """
    with CustomObjectScope(custom_objects or {}):
        made: dict[str, Any] = {layer["name"]: _operation(layer) for layer in config["layers"]}
        outputs: dict[tuple[str, int], list] = {}
        waiting = []
        for layer in config["layers"]:
            name = layer["name"]
            if not layer["inbound_nodes"]:
                outputs[name, 0] = [made[name].output]
            waiting += [(name, number, node) for number, node in enumerate(layer["inbound_nodes"])]
        # Those that wait for a call, by that call, which may be the last in the config.
        parked: dict[tuple[str, int], list] = {}
        waiting.reverse()
        while waiting:
            entry = waiting.pop()
            try:
                _make(entry, made[entry[0]], outputs)
            except _NotYet as missing:
                parked.setdefault(missing.call, []).append(entry)
            else:
                waiting += reversed(parked.pop(entry[:2], ()))
        if parked:
            names = sorted({name for entries in parked.values() for name, _, _ in entries})
            raise ValueError(
                f"{cls.__name__}: the config has calls that wait for one another or for what is not there: "
                f"{names[:10]}."
            )

    def tensor(place):
        name, number, index = place
        return outputs[name, number - hasattr(made[name], "_graph")][index]

    def tensors(places):
        if _is_place(places):
            return tensor(places)
        if isinstance(places, dict) and places.get("class_name") == "__namedtuple__":
            items = places["config"]["items"]
            return namedtuple(places["config"]["name"], list(items))(*map(tensors, items.values()))
        if isinstance(places, dict):
            return {key: tensors(item) for key, item in places.items()}
        return type(places)(map(tensors, places))

    rest = {k: v for k, v in config.items() if k not in ("layers", "input_layers", "output_layers")}
    if rest.get("trainable"):
        del rest["trainable"]  # it would set that of every layer, and each has its own in its config
    return cls(inputs=tensors(config["input_layers"]), outputs=tensors(config["output_layers"]), **rest)


def _is_place(value) -> bool:
    return isinstance(value, list | tuple) and len(value) == 3 and isinstance(value[0], str)


def _make(entry, function, outputs) -> None:
    """Make a call; raise _NotYet if something that it needs is not there."""
    name, number, node = entry
    args, kwargs = _decode(node["args"], outputs), _decode(node["kwargs"], outputs)
    if isinstance(function, functools.partial):
        function, kwargs = function.func, {**function.keywords, **kwargs}
    elif "training" in kwargs and not node.get("keeps_training"):
        del kwargs["training"]
    if isinstance(function, Layer):
        result = function(*args, **kwargs)
    else:
        result = symbolic_call(function, args, kwargs)
    outputs[name, number] = tree.flatten(result)
