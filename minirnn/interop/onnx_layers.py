"""What each layer but the recurrent ones is in ONNX, as it is at inference.

A function takes the graph, the layer and its inputs, adds nodes, and returns the name of the output, or that
and the name of its mask; without one, the mask is that of the first input if the layer passes masks on.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from minirnn import layers
from minirnn.interop.extras import check_floats, one_of
from minirnn.interop.onnx_activations import activate, clip
from minirnn.interop.onnx_graph import Graph, Value, refuse

EMITTERS: dict[type, Callable] = {}


def _of(*classes):
    def register(function):
        EMITTERS.update(dict.fromkeys(classes, function))
        return function

    return register


def _floating(g, layer, x: Value) -> Value:
    check_floats(layer, refuse)
    return g.cast(x, layer.compute_dtype)


@_of(
    layers.ActivityRegularization,
    layers.Dropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.Identity,
    layers.SpatialDropout1D,
)
def _nothing(g: Graph, layer, x: Value):
    return x.name


@_of(layers.Dense)
def _dense(g: Graph, layer, x: Value):
    x = _floating(g, layer, x)
    y = g.node("MatMul", x.name, g.constant(layer.kernel.numpy(), x.dtype, "kernel"))
    if layer.bias is not None:
        y = g.node("Add", y, g.constant(layer.bias.numpy(), x.dtype, "bias"))
    return activate(g, layer, layer.activation, x.named(y))


@_of(layers.Activation)
def _activation(g: Graph, layer, x: Value):
    return activate(g, layer, layer.activation, _floating(g, layer, x))


@_of(layers.ReLU)
def _relu(g: Graph, layer, x: Value):
    x = _floating(g, layer, x)
    if layer.threshold or (layer.negative_slope and layer.max_value is not None):
        refuse(layer, f"threshold={layer.threshold}, or negative_slope and max_value together")
    if layer.negative_slope:
        return g.node("LeakyRelu", x.name, alpha=float(layer.negative_slope))
    return clip(g, x, 0, layer.max_value)


@_of(layers.LeakyReLU)
def _leaky_relu(g: Graph, layer, x: Value):
    return g.node("LeakyRelu", _floating(g, layer, x).name, alpha=float(layer.negative_slope))


@_of(layers.ELU)
def _elu(g: Graph, layer, x: Value):
    return g.node("Elu", _floating(g, layer, x).name, alpha=float(layer.alpha))


@_of(layers.Softmax)
def _softmax(g: Graph, layer, x: Value):
    if not isinstance(layer.axis, int):
        refuse(layer, f"axis={layer.axis}; it takes one axis")
    if x.mask is not None:
        refuse(layer, "a Softmax of an input with a mask")
    return g.node("Softmax", _floating(g, layer, x).name, axis=layer.axis)


@_of(layers.Rescaling)
def _rescaling(g: Graph, layer, x: Value):
    x = _floating(g, layer, x)
    y = g.node("Mul", x.name, g.constant(layer.scale, x.dtype))
    return g.node("Add", y, g.constant(layer.offset, x.dtype))


@_of(layers.Embedding)
def _embedding(g: Graph, layer, x: Value):
    check_floats(layer, refuse)
    if x.dtype not in (np.int32, np.int64):
        x = g.cast(x, np.int32)
    table = g.constant(layer.embeddings.numpy(), layer.compute_dtype, "embeddings")
    mask = None
    if layer.mask_zero:
        mask = g.node("Not", g.node("Equal", x.name, g.constant(0, x.dtype)))
    return g.node("Gather", table, x.name), mask


@_of(layers.Masking)
def _masking(g: Graph, layer, x: Value):
    x = _floating(g, layer, x)
    same = g.node("Equal", x.name, g.constant(layer.mask_value, x.dtype))
    others = g.sum(g.cast_name(g.node("Not", same), np.int32), -1)
    mask = g.node("Greater", others, g.constant(0, np.int32))
    kept = g.node("Where", g.unsqueeze(mask, -1), x.name, g.constant(0, x.dtype))
    return kept, mask


@_of(layers.LayerNormalization)
def _layer_normalization(g: Graph, layer, x: Value):
    x = _floating(g, layer, x)
    axes = [axis % x.ndim for axis in layer.axis]
    if axes != list(range(x.ndim - len(axes), x.ndim)):
        refuse(layer, f"axis={layer.axis} of an input with {x.ndim} axes; it takes the last ones, in order")
    if layer.rms_scaling:
        refuse(layer, "rms_scaling=True")
    shape = [x.shape[axis] for axis in axes]
    gamma = np.ones(shape) if layer.gamma is None else layer.gamma.numpy()
    weights = [g.constant(gamma, x.dtype, "gamma")]
    if layer.beta is not None:
        weights.append(g.constant(layer.beta.numpy(), x.dtype, "beta"))
    return g.node("LayerNormalization", x.name, *weights, axis=axes[0], epsilon=float(layer.epsilon))


@_of(layers.BatchNormalization)
def _batch_normalization(g: Graph, layer, x: Value):
    x = _floating(g, layer, x)
    # The four vectors are two at inference.
    scale = 1 / np.sqrt(layer.moving_variance.numpy().astype("float64") + layer.epsilon)
    if layer.gamma is not None:
        scale = scale * layer.gamma.numpy()
    offset = -layer.moving_mean.numpy() * scale
    if layer.beta is not None:
        offset = offset + layer.beta.numpy()
    shape = [-1 if axis == layer.axis % x.ndim else 1 for axis in range(x.ndim)]
    y = g.node("Mul", x.name, g.constant(scale.reshape(shape), x.dtype, "scale"))
    return g.node("Add", y, g.constant(offset.reshape(shape), x.dtype, "offset"))


@_of(layers.Flatten)
def _flatten(g: Graph, layer, x: Value):
    name = x.name
    if layer.data_format == "channels_first" and x.ndim > 1:
        name = g.node("Transpose", name, perm=[0, *range(2, x.ndim), 1])
    return g.node("Flatten", name, axis=1)


@_of(layers.Reshape)
def _reshape(g: Graph, layer, x: Value):
    if 0 in layer.target_shape:
        refuse(layer, f"target_shape={layer.target_shape}; it takes no axis of size 0")
    return g.node("Reshape", x.name, g.integers(0, *layer.target_shape))  # 0: the axis as it is


@_of(layers.Permute)
def _permute(g: Graph, layer, x: Value):
    return g.node("Transpose", x.name, perm=[0, *layer.dims])


@_of(layers.RepeatVector)
def _repeat_vector(g: Graph, layer, x: Value):
    return g.node("Tile", g.unsqueeze(x.name, 1), g.integers(1, layer.n, 1))


@_of(layers.GlobalAveragePooling1D)
def _global_average(g: Graph, layer, x: Value):
    x = _floating(g, layer, x)
    axis, keep = (1 if layer.data_format == "channels_last" else 2), bool(layer.keepdims)
    if x.mask is None:
        size = g.node("Gather", g.node("Shape", x.name), g.constant(axis, np.int64))
        return g.node("Div", g.sum(x.name, axis, keep), g.cast_name(size, x.dtype)), None
    counts = g.unsqueeze(x.mask, 3 - axis)
    total = g.sum(g.node("Where", counts, x.name, g.constant(0, x.dtype)), axis, keep)
    count = g.sum(g.cast_name(counts, x.dtype), axis, keep)
    return g.node("Div", total, g.node("Max", count, g.constant(1, x.dtype))), None


@_of(layers.GlobalMaxPooling1D)
def _global_max(g: Graph, layer, x: Value):
    axis, keep = (1 if layer.data_format == "channels_last" else 2), int(layer.keepdims)
    if g.opset < 18:
        return g.node("ReduceMax", x.name, axes=[axis], keepdims=keep)
    return g.node("ReduceMax", x.name, g.integers(axis), keepdims=keep)


# Those that act on the last axis alone, so that steps need not be taken one by one.
_OF_EACH_VECTOR = (layers.Activation, layers.Dense, layers.Dropout, layers.Identity)


@_of(layers.TimeDistributed)
def _time_distributed(g: Graph, layer, x: Value):
    inner = layer.layer
    if type(inner) not in _OF_EACH_VECTOR:
        names = ", ".join(cls.__name__ for cls in _OF_EACH_VECTOR)
        refuse(layer, f"{one_of(type(inner))} ({inner.name!r}) for each step; there it takes {names}")
    return EMITTERS[type(inner)](g, inner, x)


def _merge(g: Graph, layer, inputs: list[Value], merged) -> tuple[str, str | None]:
    """Return what ``merged(names, dtype)`` gives of the inputs, and the mask of that."""
    if len({x.ndim for x in inputs}) > 1:
        refuse(layer, f"inputs of {' and '.join(str(x.ndim) for x in inputs)} axes")
    dtype = np.result_type(*(x.dtype for x in inputs))
    if dtype.kind == "f":
        dtype = np.dtype(layer.compute_dtype)
    masks = [x.mask for x in inputs if x.mask is not None]
    mask = None
    if len(masks) == len(inputs):
        mask = functools.reduce(lambda a, b: g.node("Or", a, b), masks)
    return merged([g.cast(x, dtype).name for x in inputs], dtype), mask


@_of(layers.Add)
def _add(g: Graph, layer, *inputs: Value):
    return _merge(g, layer, [*inputs], lambda names, _: _folded(g, "Add", names))


@_of(layers.Subtract)
def _subtract(g: Graph, layer, *inputs: Value):
    return _merge(g, layer, [*inputs], lambda names, _: _folded(g, "Sub", names))


@_of(layers.Average)
def _average(g: Graph, layer, *inputs: Value):
    def mean(names, dtype):
        if dtype.kind != "f":
            refuse(layer, f"the mean of inputs of {dtype}")
        return g.node("Div", _folded(g, "Add", names), g.constant(len(names), dtype))

    return _merge(g, layer, [*inputs], mean)


_UNMASKED = {layers.Multiply: "Mul", layers.Maximum: "Max", layers.Minimum: "Min"}


@_of(*_UNMASKED)
def _without_masks(g: Graph, layer, *inputs: Value):
    if any(x.mask is not None for x in inputs):
        refuse(layer, f"{one_of(type(layer))} of inputs with masks")
    return _merge(g, layer, [*inputs], lambda names, _: _folded(g, _UNMASKED[type(layer)], names))


@_of(layers.Concatenate)
def _concatenate(g: Graph, layer, *inputs: Value):
    axis = layer.axis % inputs[0].ndim
    some, every = (f(x.mask is not None for x in inputs) for f in (any, all))
    if some and (axis != inputs[0].ndim - 1 or not every):
        refuse(layer, "a Concatenate of inputs with masks, but along the last axis and with a mask for each")
    return _merge(g, layer, [*inputs], lambda names, _: g.node("Concat", *names, axis=axis))


def _folded(g, operator, names):
    return functools.reduce(lambda a, b: g.node(operator, a, b), names)


def emit(g: Graph, layer, inputs: list[Value]) -> list[tuple[str, Any]]:
    """Return name and mask of the one output of a layer."""
    result = EMITTERS[type(layer)](g, layer, *inputs)
    if isinstance(result, tuple):
        return [result]
    return [(result, inputs[0].mask if layer.supports_masking else None)]
