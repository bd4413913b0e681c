"""Which layers there are, how each is chosen with all that it holds, and the shapes of its inputs."""

from typing import Any

from minirnn.testing.case import parts_of
from minirnn.testing.cells import NESTED, OWN, TWO_INPUTS
from minirnn.testing.options import choose_options, initializers_of

BUILT_IN = ("SimpleRNN", "GRU", "LSTM")
CELLS = ("SimpleRNNCell", "GRUCell", "LSTMCell")
RECURRENT = (*BUILT_IN, "RNN", "Bidirectional")
CONVOLUTIONAL = ("ConvLSTM1D", "ConvLSTM2D")
# Steps to steps, as many: may stand between the layers of a stack.
_BY_STEP = ("Dense", "LayerNormalization", "BatchNormalization", "Activation", "Dropout", "TimeDistributed")
_OVER_STEPS = ("Conv1D", "MaxPooling1D", "AveragePooling1D", "ZeroPadding1D", "UpSampling1D")
_TO_ONE = ("GlobalMaxPooling1D", "GlobalAveragePooling1D", "Flatten")
MERGING = (
    *("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot"),
    *("Attention", "AdditiveAttention"),
)
BESIDE = (
    *("Dense", "Conv1D", "MaxPooling1D", "AveragePooling1D", "GlobalMaxPooling1D", "GlobalAveragePooling1D"),
    *("ZeroPadding1D", "Cropping1D", "UpSampling1D", "BatchNormalization", "LayerNormalization"),
    *("Embedding", "Masking", "RepeatVector", "Activation", "ReLU", "LeakyReLU", "ELU", "Softmax"),
    *("Flatten", "Permute", "Reshape", "Rescaling", "Identity", "ActivityRegularization"),
    *("Dropout", "SpatialDropout1D", "GaussianNoise", "GaussianDropout"),
    *MERGING,
)
# How often each comes, and the simplest first.
KINDS = (
    "SimpleRNN",
    *(*BUILT_IN, "RNN", "Bidirectional", "Sequential", "TimeDistributed") * 6,
    *("GRU", "LSTM", "RNN", "RNN", "Bidirectional", "Sequential") * 3,
    *CONVOLUTIONAL * 2,
    *BESIDE,
)


# No zeros and no ones: there many an activation has a kink.
_STARTS = tuple({"class_name": "Constant", "config": {"value": value}} for value in (0.3, -0.2))


def choose_layer(choices, kind: str, units: int, at="layer", for_torch=False) -> dict:
    """Return the description of a layer, with any of its options.

    Parameters
    ----------
    choices : Choices
    kind : str
        The class.
    units : int
    at : str
        How the names of the choices begin.
    for_torch : bool
        Only what ``torch.nn`` has too.
    """
    if for_torch and kind != "Bidirectional":
        return _choose_for_torch(choices, kind, units, at)
    composed = {
        "RNN": _choose_rnn,
        "Bidirectional": _choose_bidirectional,
        "TimeDistributed": _choose_time_distributed,
        "Sequential": _choose_stack,
    }
    if kind in composed:
        return composed[kind](choices, units, at, for_torch)
    layer: dict[str, Any] = {"class": kind, **choose_options(choices, kind, at)}
    sizes = {"units": units, "output_dim": units}
    return _fitting(layer | {k: v for k, v in sizes.items() if k in _required(kind)})


def _required(kind):
    return {"Embedding": ("output_dim",), "Dense": ("units",)}.get(
        kind, ("units",) if kind in (*BUILT_IN, *CELLS) else ()
    )


def _fitting(layer) -> dict:
    """Leave out options that no layer takes beside the others of this one."""
    kind = layer["class"]
    if layer.get("strides", 1) != 1:
        layer.pop("dilation_rate", None)
    if layer.get("filters", 0) % layer.get("groups", 1):
        layer["filters"] *= layer["groups"]
    if kind == "BatchNormalization" and not layer.get("renorm"):
        layer.pop("renorm_clipping", None)
        layer.pop("renorm_momentum", None)
    return layer


def _choose_rnn(choices, units, at, for_torch):
    options = choose_options(choices, "RNN", at)
    return {"class": "RNN", "cell": _choose_cells(choices, units, f"{at}.cell"), **options}


def choose_cell(choices, kind: str, units: int, at: str) -> dict:
    """Return the description of a cell, with any of its options."""
    options = {} if kind in OWN else choose_options(choices, kind, at)
    return {"class": kind, **options, "units": units}


def _choose_cells(choices, units, at, depth=2):
    """Return a cell, or a list of cells, of which one may be a stack itself."""
    count = choices.of(f"{at}.count", (1, 1, 2, 3) if depth == 2 else (1, 2))
    cells: list = []
    for i in range(count):
        inner = f"{at}.{i}"
        if count > 1 and depth > 1 and choices.flag(f"{inner}.nested", 6):
            nested = _choose_cells(choices, units, inner, depth - 1)
            cells.append(
                {"class": "StackedRNNCells", "cells": nested if isinstance(nested, list) else [nested]}
            )
            continue
        alone = count == 1 and depth == 2
        kind = choices.of(f"{inner}.kind", (*CELLS * 3, *(OWN if alone else OWN[:4])))
        cells.append(choose_cell(choices, kind, units, inner))
    return cells[0] if count == 1 else cells


def _choose_bidirectional(choices, units, at, for_torch):
    kind = choices.of(f"{at}.inner", BUILT_IN if for_torch else (*BUILT_IN, "RNN"))
    inner = choose_layer(choices, kind, units, f"{at}.layer", for_torch)
    layer = {"class": "Bidirectional", "layer": inner}
    if for_torch:
        return layer
    merge = choices.of(f"{at}.merge_mode", ("concat", "concat", "sum", "mul", "ave", None))
    layer |= {} if merge == "concat" else {"merge_mode": merge}
    if kind != "RNN" and choices.flag(f"{at}.backward_layer", 6):
        other = {k: v for k, v in inner.items() if k not in ("go_backwards", "activation")}
        layer["backward_layer"] = other if inner.get("go_backwards") else {**other, "go_backwards": True}
    return layer


def _choose_time_distributed(choices, units, at, for_torch):
    simple = ("Dense", "Dense", "LayerNormalization", "BatchNormalization", "Flatten", "Activation")
    kind = choices.of(f"{at}.kind", (*simple, "Conv1D", "MaxPooling1D", "GRU", "LSTM", "Bidirectional"))
    inner = choose_layer(choices, kind, units, f"{at}.layer")
    if kind in RECURRENT:
        _give_one_output(inner, inner.get("layer", inner).get("return_sequences", False))
    return {"class": "TimeDistributed", "layer": inner}


def _choose_stack(choices, units, at, for_torch):
    first = choices.of(f"{at}.first", ("none", "Masking", "Embedding"))
    stack: list[dict] = []
    if first != "none":
        stack.append(choose_layer(choices, first, units, f"{at}.leading"))
    count = choices.of(f"{at}.count", (1, 2, 3))
    for i in range(count):
        inner = f"{at}.{i}"
        last = i + 1 == count
        kind = choices.of(f"{inner}.kind", (*RECURRENT, *_BY_STEP, *_OVER_STEPS, *(_TO_ONE if last else ())))
        layer = choose_layer(choices, kind, units, inner)
        if kind in RECURRENT:
            _give_one_output(layer, sequences=not last or choices.flag(f"{inner}.sequences"))
        stack.append(_one_in_a_stack(layer))
    if choices.flag(f"{at}.dense"):
        stack.append(choose_layer(choices, "Dense", units, f"{at}.last"))
    return {"class": "Sequential", "layers": stack}


def _give_one_output(layer, sequences):
    """Let a recurrent layer give one output, that of all steps or of the last, and carry no states."""
    layer.pop("backward_layer", None)
    if layer.get("merge_mode", "concat") is None:
        del layer["merge_mode"]
    inner = layer.get("layer", layer)
    for name in ("return_state", "stateful", "return_sequences"):
        inner.pop(name, None)
    if sequences:
        inner["return_sequences"] = True
    cell = inner.get("cell", {})
    if isinstance(cell, dict) and cell.get("class") in (TWO_INPUTS, NESTED):
        cell["class"] = OWN[0]


def _one_in_a_stack(layer):
    """Let a layer take steps first, and leave at least one of however few."""
    if layer["class"] in (*_OVER_STEPS, *_TO_ONE, "TimeDistributed"):
        inner = layer.get("layer", layer)
        inner.pop("data_format", None)
        inner.pop("groups", None)
        if inner.get("padding", "valid") == "valid" and "Padding" not in inner["class"]:
            inner |= {"padding": "same"} if inner["class"] in _OVER_STEPS[:3] else {}
        inner.pop("keepdims", None)
    if layer["class"] == "TimeDistributed" and layer["layer"]["class"] not in _BY_STEP:
        layer["layer"] = {"class": "Dense", "units": 2}
    axis = layer.get("layer", layer).get("axis")
    if axis is not None:
        del layer.get("layer", layer)["axis"]
    return layer


def _choose_for_torch(choices, kind, units, at) -> dict:
    layer: dict = {"class": kind, "units": units, "return_sequences": True, "return_state": True}
    if kind == "SimpleRNN" and choices.flag(f"{at}.activation"):
        layer["activation"] = "relu"
    # Where PyTorch's packed sequences end there are zeros.
    return {**layer, "zero_output_for_mask": True}


def choose_shape(choices, layer: dict, batch: int, time: int, features: int) -> Any:
    """Return the shape of inputs that a layer takes, or a list or dict of shapes.

    Parameters
    ----------
    choices : Choices
    layer : dict
    batch, time, features : int
    """
    kind = layer["class"]
    if kind == "Sequential":
        first = layer["layers"][0]
        if first["class"] == "TimeDistributed":
            return (batch, time, features)
        return choose_shape(choices, first, batch, time, features)
    if kind in ("Bidirectional", "RNN"):
        inner = layer["layer" if kind == "Bidirectional" else "cell"]
        inner = inner[0] if isinstance(inner, list) else inner
        return choose_shape(choices, inner, batch, time, features)
    if kind == "TimeDistributed":
        return _of_steps(choices, layer["layer"], batch, time, features)
    if layer.get("groups", 1) > 1:
        features = 2 * features
    shapes: dict[str, Any] = {
        TWO_INPUTS: {"one": (batch, time, features), "other": (batch, time, 2)},
        NESTED: {"vector": (batch, time, features), "matrix": (batch, time, 3, 2)},
        "ConvLSTM1D": (batch, time, 4, features),
        "ConvLSTM2D": (batch, time, 3, 4, features),
        "Embedding": (batch, time),
        "RepeatVector": (batch, features),
        "Cropping1D": (batch, time + 2, features),
        "Dot": _of_dot(layer, batch, time, features),
    }
    if kind in ("Conv1D", "MaxPooling1D", "AveragePooling1D") and layer.get("padding", "valid") == "valid":
        time += (layer.get("kernel_size", layer.get("pool_size", 2)) - 1) * layer.get("dilation_rate", 1)
    shape = shapes.get(kind, (batch, time, features))
    if kind.endswith("Attention"):
        with_keys = choices.flag("keys", 3)
        return [shape, (batch, 3, features)] + [(batch, 3, features)] * with_keys
    if kind in MERGING and kind != "Dot":
        more = choices.flag("three inputs", 4) and kind != "Subtract"
        return [shape] * (3 if more else 2)
    if layer.get("data_format") == "channels_first":
        at = 2 if kind in CONVOLUTIONAL else 1
        shape = (*shape[:at], shape[-1], *shape[at:-1])
    return shape


def _of_steps(choices, layer, batch, time, features):
    """Return the shape of inputs of TimeDistributed: those of its layer with an axis more."""
    by_step = layer["class"] in _BY_STEP and not isinstance(layer.get("axis"), list)
    if by_step and choices.flag("vectors"):
        return (batch, time, features)
    shape = choose_shape(choices, layer, batch, 2, features)
    return (shape[0], time, *shape[1:])


def _of_dot(layer, batch, time, features):
    """Return shapes that are alike in the axes that are summed over."""
    axes = layer.get("axes", 1)
    one, other = axes if isinstance(axes, list) else (axes, axes)
    first = (batch, time, features)
    second = [batch, 2, 2]
    second[other] = first[one]
    return [first, tuple(second)]


def fix_initializers(choices, layer: dict) -> bool:
    """Let all weights of a layer, and of those in it, start with numbers that are no chance, if they can."""
    parts = parts_of(layer)
    if any(part["class"] in (*OWN, "AdditiveAttention") for part in parts):
        return False  # these have none to choose
    for number, part in enumerate(parts):
        for argument in initializers_of(part["class"]):
            part[argument] = choices.of(f"{number}.{argument}", _STARTS)
    return True
