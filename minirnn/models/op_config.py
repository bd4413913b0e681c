"""Ops in the config of a functional model: in the form of Keras, and in one of ours where Keras has none.

Keras has a class for each op, which is made with those arguments that are no tensors and called with the
others: ``mean(x, axis=1)`` is ``Mean(axis=1)(x)``. The form of ours names the function and has all arguments
in the call.
"""

import inspect
from types import EllipsisType
from typing import Any

import numpy as np

from minirnn import activations, ops
from minirnn.autograd.tensor import OPERATORS
from minirnn.utils.registry import get_registered_object, serialize_keras_object

# The classes whose names are not those of the ops in CamelCase.
_CLASSES = {
    "allclose": "AllClose",
    "batch_normalization": "BatchNorm",
    "ctc_decode": "CTCDecode",
    "ctc_loss": "CTCLoss",
    "layer_normalization": "LayerNorm",
    "rms_normalization": "RMSNorm",
    "searchsorted": "SearchSorted",
}
# Keras's modules, by ours and by the names of ops; all other ops are in its "numpy".
_MODULES = {
    **dict.fromkeys(("nn", "crossentropy", "ctc", "ctc_decode", "normalization", "windows"), "nn"),
    **dict.fromkeys(("one_hot", "multi_hot"), "nn"),
    **dict.fromkeys(("erf", "erfc", "rsqrt", "segment_sum", "logsumexp", "in_top_k", "top_k"), "math"),
    **dict.fromkeys(("cast", "convert_to_tensor", "saturate_cast", "scatter", "scatter_update"), "core"),
    **dict.fromkeys(("slice", "slice_update", "stop_gradient", "unstack"), "core"),
    "norm": "linalg",
}
# The arguments that Keras's objects are called with; they are made with all others.
_TENSORS = """
    x x1 x2 xs y a array inputs operands variable data values indices updates segment_ids start_indices key
    condition condlist choicelist default constant_values fill_value start stop step weights bins q kernel
    sorted_sequence target output targets predictions target_length output_length sequence_lengths rtol atol
    mean variance offset scale gamma beta
"""
_CALLED = frozenset(_TENSORS.split())
_MADE_WITH = {("allclose", "rtol"), ("allclose", "atol"), ("bincount", "weights")}
# "offset" of a diagonal is a number.
_MADE_WITH |= {("diagonal", "offset"), ("trace", "offset")}

_RELU = "keras.src.activations.activations", "ReLU"

_BY_CLASS = {_CLASSES.get(name, name).replace("_", "").lower(): name for name in ops.__all__}


def _named(name) -> Any:
    """Return the op of a name, a public one or an operator's, or None."""
    return getattr(ops, name, None) if name in ops.__all__ else OPERATORS.get(name)


def _public(function) -> Any:
    """Return the op that a config names where a model calls `function`, or None if it is no op."""
    if function is activations.relu:
        return function
    name = function.__name__
    if function not in (_named(name), OPERATORS.get(name)):
        return None
    return ops.get_item if name == "getitem" else _named(name)


def _class_of(op) -> tuple[str, str]:
    """Return the module and the name of Keras's class for an op."""
    if op is activations.relu:
        return _RELU
    name, module = op.__name__, op.__module__.rpartition(".")[2]
    class_name = _CLASSES.get(name) or "".join(part.capitalize() for part in name.split("_"))
    return f"keras.src.ops.{_MODULES.get(name) or _MODULES.get(module, 'numpy')}", class_name


def _given(function, public, call) -> dict:
    """Return the arguments of a call by the names that the public op has for them."""
    own, names = (list(inspect.signature(f).parameters) for f in (function, public))
    arguments = inspect.signature(function).bind(*call.args, **call.kwargs).arguments
    return {name if name in names else names[own.index(name)]: value for name, value in arguments.items()}


def _is_plain(value) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | int | float | np.generic)


def _is_index(key) -> bool:
    """Return whether Keras can index by it, symbolically: it takes a list for a tuple, and no array."""
    if isinstance(key, tuple):
        return all(map(_is_index, key))
    return key is None or isinstance(key, int | np.integer | slice | EllipsisType)


def _in_form_of_keras(call, name, encode) -> dict | None:
    public = _public(call.function)
    if public is None or public.__module__ == "minirnn.ops.control":
        return None
    op, given = public.__name__, _given(call.function, public, call)
    if op == "get_item":
        key = given["key"]
        if not _is_index(key):
            return None
        # By a slice alone Keras does not index.
        given["key"] = key if isinstance(key, tuple) else (key,)
    made, called = {"name": name}, []
    for parameter in inspect.signature(public).parameters.values():
        value = given.get(parameter.name, parameter.default)
        if parameter.kind is parameter.VAR_KEYWORD:
            if parameter.name in given:
                return None
        elif parameter.kind is parameter.VAR_POSITIONAL:
            called += given.get(parameter.name, ())
        elif parameter.name in _CALLED and (op, parameter.name) not in _MADE_WITH:
            called.append(value)
        else:
            if parameter.name == "dtype" and value is not None:
                value = np.dtype(value).name
            if not _is_plain(value):
                return None
            made[parameter.name] = serialize_keras_object(value)
    module, class_name = _class_of(public)
    return {
        "module": module,
        "class_name": class_name,
        "config": made,
        "registered_name": class_name,
        "inbound_nodes": [{"args": [encode(value) for value in called], "kwargs": {}}],
    }


def entry_of(call, name, encode) -> dict:
    """Return the entry of an op in the config of a model.

    Parameters
    ----------
    call : SymbolicCall
    name : str
        Of the op in its model.
    encode : callable
        Makes plain values of an argument; takes ``tuples=True`` for tuples that stay ones.

    Raises
    ------
    ValueError
        If it is no op that could be found when the config is read.
    """
    entry = _in_form_of_keras(call, name, encode)
    if entry is not None:
        return entry
    function = call.function.__name__
    if call.function not in (_named(function), OPERATORS.get(function)):
        raise ValueError(
            f"Functional: {function!r} between the layers, of {call.function.__module__}, is no op of "
            "minirnn.ops, so the model's config could not be read again. Call it inside of a Layer, or of a "
            "Lambda."
        )
    node = {
        "args": [encode(value, tuples=True) for value in call.args],
        "kwargs": {key: encode(value, tuples=True) for key, value in call.kwargs.items()},
    }
    return {"module": "minirnn.ops", "class_name": "function", "config": function, "inbound_nodes": [node]}


def is_op(config) -> bool:
    """Return whether an entry of a model's config describes an op, and no layer."""
    name, module = config["class_name"], config.get("module") or ""
    if name == "function" or module.startswith("keras.src.ops.") or (module, name) == _RELU:
        return True
    # In .h5 files Keras leaves the module out. An op may have the name of a layer there, but no `trainable`.
    if "module" in config or "trainable" in config["config"] or get_registered_object(name) is not None:
        return False
    return all(isinstance(node, dict) for node in config["inbound_nodes"]) and name.lower() in _BY_CLASS


class Op:
    """An op of an entry, and what is done with the arguments of its calls there.

    Raises
    ------
    ValueError
        If there is no op of the name.
    """

    def __init__(self, config):
        self._made: dict | None = None
        if config["class_name"] == "function":
            name = config["config"]
            self.function = _named(name)
        else:
            name = config["class_name"]
            relu = (config.get("module"), name) == _RELU
            self.function = activations.relu if relu else _named(_BY_CLASS.get(name.lower(), name))
            self._made = {key: value for key, value in config["config"].items() if key != "name"}
        if self.function is None:
            raise ValueError(
                f"Functional: the config names the op {name!r}, which minirnn.ops does not have."
            )

    def arguments(self, args, kwargs) -> tuple[Any, dict]:
        """Return what to call the function with, from the arguments of a call in the config."""
        if self._made is None:
            return args, kwargs
        parameters = inspect.signature(self.function).parameters.values()
        names = [parameter.name for parameter in parameters]
        # What Keras's class has and this op has not says nothing where it is off.
        made = {key: value for key, value in self._made.items() if key in names or value}
        positional = []
        for parameter in parameters:
            if parameter.kind is parameter.VAR_POSITIONAL:
                return (*positional, *args), {**made, **kwargs}
            if parameter.name in made:
                positional.append(made.pop(parameter.name))
            elif args:
                value, *args = args
                # JSON has no tuples, and Keras's class takes a list for one.
                as_tuple = self.function is ops.get_item and isinstance(value, list)
                positional.append(tuple(value) if as_tuple else value)
            else:
                break
        return (*positional, *args), {**made, **kwargs}
