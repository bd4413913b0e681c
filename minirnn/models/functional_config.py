"""The architecture of a functional model as plain values, in the form of Keras, and the model made from them.

A layer stands with its config and its calls ("inbound_nodes"). A symbolic tensor among the arguments of a
call is named by where it came from: the layer, the number of its call, the number of the output. Ops are in
`op_config.py`. Namedtuples have no form in Keras; theirs is minirnn's own.
"""

import copy
import functools
from collections import namedtuple
from typing import Any

from minirnn import tree
from minirnn.layers.layer import Layer
from minirnn.models.op_config import Op, entry_of, is_op
from minirnn.ops.symbolic import KerasTensor, symbolic_call
from minirnn.utils.registry import CustomObjectScope, deserialize_keras_object, serialize_keras_object


def config_of(model) -> dict:
    """Return the config of a Functional model."""
    graph = model._graph
    layers = []
    for operation in graph.operations:
        if operation.layer is None:
            config = entry_of(operation.calls[0], operation.name, functools.partial(_encode, graph=graph))
        else:
            config = dict(serialize_keras_object(operation.layer))
            config["inbound_nodes"] = [_node(call, graph) for call in operation.calls]
        config["name"] = operation.name
        layers.append(config)
    config = {"name": model.name, "trainable": model.trainable, "layers": layers}

    def place(tensor):
        operation, number, index = graph.origin(tensor)
        # Keras counts the calls of a model inside of another one from 1 here, and from 0 in the calls above.
        return [operation.name, number + hasattr(operation.layer, "_graph"), index]

    config["input_layers"] = _plain(tree.map_structure(place, model.input))
    config["output_layers"] = _plain(tree.map_structure(place, model.output))
    return copy.deepcopy(config)


def _node(call, graph) -> dict:
    node: dict = {
        "args": [_encode(value, graph) for value in call.args],
        "kwargs": {name: _encode(value, graph) for name, value in call.kwargs.items()},
    }
    if "training" in node["kwargs"]:
        # Keras writes it for every call, and goes by what the model is called with all the same.
        node["keeps_training"] = True
    return node


def _encode(value, graph, tuples=False):
    """Return an argument as plain values; JSON has lists alone, so `tuples` are named where they matter."""
    encode = functools.partial(_encode, graph=graph, tuples=tuples)
    if isinstance(value, KerasTensor):
        operation, number, index = graph.origin(value)
        history = [operation.name, number, index]
        config = {"shape": value.shape, "dtype": value.dtype.name, "keras_history": history}
        return {"class_name": "__keras_tensor__", "config": config}
    if hasattr(value, "_fields"):
        return _namedtuple(value, encode)
    if isinstance(value, list | tuple):
        items = [encode(item) for item in value]
        return {"class_name": "__tuple__", "config": items} if tuples and isinstance(value, tuple) else items
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
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
    """Return the layer or the op of one entry."""
    if is_op(config):
        return Op(config)
    # Built when it is called: the shapes in its config have lost their namedtuples.
    rest = ("name", "inbound_nodes", "build_config")
    layer = deserialize_keras_object({k: v for k, v in config.items() if k not in rest})
    if not isinstance(layer, Layer):
        raise ValueError(f"Functional: {config['name']!r} is neither a layer nor an op.")
    return layer


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
    if isinstance(function, Op):
        args, kwargs = function.arguments(args, kwargs)
        result = symbolic_call(function.function, args, kwargs)
    else:
        if "training" in kwargs and not node.get("keeps_training"):
            del kwargs["training"]
        result = function(*args, **kwargs)
    outputs[name, number] = tree.flatten(result)
