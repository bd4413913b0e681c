"""Whole models and weights as Keras 2 wrote them, ``.h5``: read, and not written.

The config is an attribute of the file, and the weights of each layer are listed in order. What the config
says in the form of Keras 2 is put into that of Keras 3, then all goes the same way, with the same refusals.
"""

import warnings
from typing import Any

from minirnn.saving import configs, hdf5
from minirnn.saving.errors import UnsafeFileError, check_readable, refusing

# Arguments that are gone, by the class that had them; each is left out where it says what is so anyway.
_GONE: dict[str, dict[str, tuple]] = {
    "": {"implementation": (0, 1, 2), "time_major": (False,), "input_length": ()},
    "optimizer": {"decay": (0, 0.0, None), "jit_compile": (), "is_legacy_optimizer": (), "lr": ()},
}


def load_legacy_model(path, custom_objects=None, compile=True, safe_mode=True) -> Any:
    """Return the model in a file of Keras 2, or in one that Keras 3 wrote in that form.

    Its optimizer starts anew. For parameters and errors see `load_model`.
    """
    from minirnn.saving.loading import made

    check_readable(path)
    with hdf5.File(path) as file:
        config = _config(file, "model_config", safe_mode, custom_objects)
        if "model_weights" not in file.file:
            raise UnsafeFileError(f"{path}: refused, since it has no weights.")
        with refusing(path, "the config"):
            config = _modern(config)
        training = _config(file, "training_config", safe_mode, custom_objects) if compile else None

        def restore(model):
            restore_legacy(model, file)

        model = made(path, config, file.store, custom_objects, False, safe_mode, restore)
        if training is not None:
            _compile(model, training)
        return model


def _config(file, name, safe_mode, custom_objects) -> Any:
    with refusing(file.path, f"its attribute {name!r}"):
        text = file.file.attrs.get(name)
    if text is None and name == "training_config":
        return None
    if not isinstance(text, str | bytes):
        raise UnsafeFileError(
            f"{file.path}: refused, since it has no text {name!r}: it holds no whole model."
        )
    return configs.parsed(file.path, text, safe_mode, custom_objects)


def _modern(config) -> Any:
    """Return a config of Keras 2 in the form of Keras 3."""
    if isinstance(config, list):
        return [_modern(item) for item in config]
    if not isinstance(config, dict):
        return config
    kind, inner = config.get("class_name"), config.get("config")
    if kind == "Policy":
        return inner["name"] if isinstance(inner, dict) else inner
    if not isinstance(kind, str) or not isinstance(inner, dict):
        return {key: _modern(value) for key, value in config.items()}
    inner = _modern(_without(inner, _GONE[""]))
    if "layers" in inner and isinstance(inner["layers"], list):
        inner["layers"] = [_with_nodes(layer) for layer in inner["layers"]]
        if kind == "Model":
            kind = "Functional"
    return {**config, "class_name": kind, "config": inner}


def _without(config, gone) -> dict:
    return {k: v for k, v in config.items() if k not in gone or (gone[k] and v not in gone[k])}


def _with_nodes(layer) -> dict:
    """Return the entry of a layer with its calls in the form of Keras 3."""
    nodes = layer.get("inbound_nodes")
    if not isinstance(nodes, list) or all(isinstance(node, dict) for node in nodes):
        return layer
    calls = []
    for node in nodes:
        tensors = [_tensor(*place[:3]) for place in node]
        options = {key: _argument(value) for key, value in (node[0][3] if len(node[0]) > 3 else {}).items()}
        calls.append({"args": [tensors if len(tensors) > 1 else tensors[0]], "kwargs": options})
    return {**layer, "inbound_nodes": calls}


def _tensor(name, call, index) -> dict:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, call, index]}}


def _argument(value):
    """Return an argument of a call; a list that begins with a name is a tensor."""
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
        return _tensor(*value)
    if isinstance(value, list):
        return [_argument(item) for item in value]
    return value


def _compile(model, training):
    """Compile a model as it was; where that cannot be read, leave it and warn."""
    optimizer = training.get("optimizer_config") or {}
    if isinstance(optimizer.get("config"), dict):
        inner = dict(optimizer["config"])
        if "lr" in inner:
            inner.setdefault("learning_rate", inner["lr"])
        optimizer = {**optimizer, "config": _without(inner, _GONE["optimizer"])}
    arguments = {k: training.get(k) for k in ("loss", "loss_weights", "metrics", "weighted_metrics")}
    try:
        model.compile_from_config({"optimizer": optimizer or "rmsprop", **_plain_metrics(arguments)})
    except (TypeError, ValueError, KeyError) as error:
        warnings.warn(
            f"{model._where} is not compiled, since what the file says of it cannot be read: {error}",
            stacklevel=4,
        )


def _plain_metrics(value) -> Any:
    """Return metrics and losses with those that wrap a function as the name of the function."""
    if isinstance(value, list):
        return [_plain_metrics(item) for item in value]
    if not isinstance(value, dict):
        return value
    inner = value.get("config")
    if isinstance(inner, dict) and value.get("class_name") in ("MeanMetricWrapper", "LossFunctionWrapper"):
        return inner.get("fn")
    return {key: _plain_metrics(item) for key, item in value.items()}


def restore_legacy(model, file, skip_mismatch=False) -> None:
    """Set the weights of a model from a file of Keras 2, layer by layer in order; all or nothing.

    Raises
    ------
    ValueError
        If the layers that have weights are others, or one is of another shape.
    """
    top = "model_weights/" if "model_weights" in file.file else ""
    groups = []
    for name in _names(file, file.file[top or "/"], "layer_names"):
        weights = _names(file, file.file[f"{top}{name}"], "weight_names")
        if weights:
            groups.append((name, [f"{top}{name}/{weight}" for weight in weights]))
    layers = [layer for layer in model.layers if layer.weights]
    if len(layers) != len(groups) and not skip_mismatch:
        raise ValueError(
            f"{model._where}: it has {len(layers)} layers with weights, and {file.path} has {len(groups)}."
        )
    found, left = [], []
    for layer, (name, paths) in zip(layers, groups):
        variables = layer.trainable_weights + layer.non_trainable_weights
        shapes = [file.store.arrays[path].shape if path in file.store.arrays else None for path in paths]
        if shapes == [v.shape for v in variables]:
            found.append((variables, paths))
            continue
        text = f"{layer._where}: needs {[v.shape for v in variables]}; {name!r} in the file has {shapes}."
        if not skip_mismatch:
            raise ValueError(text)
        left.append(text)
    with refusing(file.path, "an array"):
        values = [
            (v, file.store.arrays[p].read()) for variables, paths in found for v, p in zip(variables, paths)
        ]
    for variable, value in values:
        variable.assign(value)
    if left:
        warnings.warn(f"{len(left)} layer(s) are left as they are: {' '.join(left)}", stacklevel=4)


def _names(file, group, attribute) -> list[str]:
    """Return a list of names, of which a long one is in several attributes."""
    with refusing(file.path, f"its attribute {attribute!r}"):
        found = group.attrs.get(attribute)
        parts = [] if found is None else [found]
        while f"{attribute}{len(parts)}" in group.attrs and found is None:
            parts.append(group.attrs[f"{attribute}{len(parts)}"])
        names = [name for part in parts for name in part]
        return [name.decode() if isinstance(name, bytes) else str(name) for name in names]
