"""Models as ONNX files."""

from typing import Any

from minirnn import layers, models, tree
from minirnn.interop.extras import require
from minirnn.interop.onnx_graph import Graph, Value, refuse
from minirnn.interop.onnx_layers import EMITTERS, emit
from minirnn.interop.onnx_rnn import bidirectional, recurrent
from minirnn.ops.symbolic import KerasTensor, infer
from minirnn.saving.files import write_atomically

_RECURRENT = {
    **dict.fromkeys((layers.SimpleRNN, layers.GRU, layers.LSTM, layers.RNN), recurrent),
    layers.Bidirectional: bidirectional,
}
_OLDEST_OPSET = 17  # the first with LayerNormalization


def to_onnx(model_or_layer, path=None, *, opset=_OLDEST_OPSET) -> Any:
    """Return a model as an ONNX model that computes what ``model(x)`` does at inference; write it to a file.

    Parameters
    ----------
    model_or_layer : Sequential, Functional, or one of the layers that such a model may have
        Built. Axes that are None in `Input` may have any size in ONNX too; a layer by itself may be called
        with any batch and any number of steps.
    path : str or path-like, optional
        Where to write it; an old file is replaced by all of the new one or not at all.
    opset : int
        The version of ONNX's operators, 17 or later.

    Returns
    -------
    onnx.ModelProto
        Its inputs and outputs have the names of the model's; those of a layer are "input", and "output" or
        "output_0", "output_1" and so on.

    Raises
    ------
    ImportError
        Without onnx.
    TypeError
        If it is no layer or model.
    ValueError
        If something is not built, `opset` is not known, or ONNX has no such layer or option here. The error
        names all layers of a kind that cannot be written, or the one whose option cannot. No file is written
        then.

    Notes
    -----
    A mask of `Embedding` or `Masking` works as it does here, wherever the padding is. In float64 the file is
    valid too, but onnxruntime runs recurrent operators in float32 alone.

    References
    ----------
    https://onnx.ai/onnx/operators/ for LSTM, GRU and RNN.
    """
    if not isinstance(model_or_layer, layers.Layer):
        raise TypeError(f"to_onnx: expected a layer or a model; got {model_or_layer!r}.")
    _check_layers(model_or_layer)
    onnx = require("onnx", "to_onnx")
    newest = onnx.defs.onnx_opset_version()
    if not isinstance(opset, int) or not _OLDEST_OPSET <= opset <= newest:
        raise ValueError(
            f"to_onnx: opset must be an integer from {_OLDEST_OPSET} to {newest}; got {opset!r}."
        )
    export = _Export(Graph(onnx, opset))
    if isinstance(model_or_layer, models.Model):
        inputs, outputs = _ends_of(model_or_layer)
        names = _names_of_ends(model_or_layer, inputs, outputs)
    else:
        inputs, outputs = _ends_of_layer(model_or_layer)
        numbered = [f"output_{i}" for i in range(len(outputs))]
        names = ["input"], ["output"] if len(outputs) == 1 else numbered
    proto = export.whole(model_or_layer, inputs, outputs, *names)
    if path is not None:
        with write_atomically(path) as temporary_path, open(temporary_path, "wb") as file:
            file.write(proto.SerializeToString())
    return proto


def _ends_of(model) -> tuple[list[KerasTensor], list[KerasTensor]]:
    """Return the symbolic inputs and outputs of a model."""
    if type(model).call is models.Functional.call:
        return model.inputs, model.outputs
    if not model.built or not model._tensors:
        raise ValueError(
            f"{model._where}: to_onnx needs to know its input; begin with an Input, or call it on data."
        )
    return model._tensors[:1], tree.flatten(model._tensors[-1])


def _names_of_ends(model, inputs, outputs):
    if type(model).call is models.Functional.call:
        return list(model.input_names), list(model.output_names)
    last = model.layers[-1].name
    rest = [f"{last}_{i}" for i in range(1, len(outputs))]
    return [inputs[0].name], [last, *rest]


def _ends_of_layer(layer):
    """Return symbolic inputs and outputs of a layer, for any batch and any number of steps."""
    shapes = tree.flatten(layer._build_shapes or {}, is_leaf=tree.is_shape)
    shape = shapes[0] if shapes else layer.input_shape_argument
    if not layer.built or shape is None:
        raise ValueError(
            f"{layer._where}: to_onnx needs to know the shape of the input; put the layer into "
            "Sequential([Input(shape), layer]), or call it on data first."
        )
    if len(shapes) > 1 and type(layer) not in _RECURRENT:
        refuse(layer, "a layer of several inputs by itself; put it into a functional model")
    indices = type(layer) is layers.Embedding
    steps = (None,) if len(shape) > 2 or indices else shape[1:2]
    dtype = "int32" if indices else layer.compute_dtype
    x = KerasTensor((None, *steps, *shape[2:]), dtype, "input")
    return [x], tree.flatten(infer(layer, (x,)))


def _check_layers(model):
    """Raise ValueError that names all layers of kinds that cannot be written."""
    unknown, stack = [], [model]
    while stack:
        layer = stack.pop()
        if isinstance(layer, models.Model):
            if type(layer).call not in (models.Functional.call, models.Sequential.call):
                refuse(layer, f"the call() of {type(layer).__name__}; build it of Inputs, or as a Sequential")
            stack += reversed(layer.layers)
        elif type(layer) not in (layers.InputLayer, *_RECURRENT, *EMITTERS):
            unknown.append(layer)
    if unknown:
        named = ", ".join(layer._where for layer in unknown)
        known = ", ".join(sorted(cls.__name__ for cls in (*EMITTERS, *_RECURRENT)))
        raise ValueError(f"{model._where}: to_onnx cannot express {named}. It knows {known}.")


class _Export:
    """Walks a model from its inputs to its outputs."""

    def __init__(self, graph: Graph):
        self.graph, self.values = graph, {}

    def whole(self, model, inputs, outputs, input_names, output_names):
        """Return the ONNX model of a model or layer between symbolic inputs and outputs."""
        g, helper = self.graph, self.graph.onnx.helper
        infos = []
        for x, stem in zip(inputs, input_names):
            name = g.free_name(stem)
            self.values[id(x)] = Value(name, x.dtype, x.shape)
            dims = _dims(x.shape, name if len(inputs) > 1 else "")
            infos.append(helper.make_tensor_value_info(name, g.type_of(x.dtype), dims))
        # Taken before any node is named; a model may be named as its input is.
        output_names = [g.free_name(stem) for stem in output_names]
        if isinstance(model, models.Model):
            self.between(model)
        else:
            self.call(model, (inputs[0],), {}, outputs)
        out_infos = []
        g.within("")
        for y, name in zip(outputs, output_names):
            value = self.values[id(y)]
            g.nodes.append(helper.make_node("Identity", [value.name], [name], name=f"{name}:node"))
            dims = [n if n is not None or axis else "batch" for axis, n in enumerate(y.shape)]
            out_infos.append(helper.make_tensor_value_info(name, g.type_of(value.dtype), dims))
        graph = helper.make_graph(g.nodes, model.name, infos, out_infos, g.constants)
        imports = [helper.make_opsetid("", g.opset)]
        proto = helper.make_model(
            graph,
            opset_imports=imports,
            ir_version=helper.find_min_ir_version_for(imports),
            producer_name="minirnn",
        )
        g.onnx.checker.check_model(proto, full_check=True)
        return proto

    def between(self, model):
        """Add all calls of a model whose inputs have values."""
        if type(model).call is models.Functional.call:
            calls = model._graph.calls
        else:
            calls = [tree.flatten(t)[0].call for t in model._tensors[1:]]
        for call in calls:
            if not isinstance(call.function, layers.Layer):
                name = getattr(call.function, "__name__", repr(call.function))
                refuse(model, f"the op {name!r} between layers; use a layer for it")
            self.call(call.function, call.args, call.kwargs, tree.flatten(call.outputs))

    def call(self, layer, args, kwargs, outputs):
        """Add one call of a layer, and give values to its symbolic outputs."""
        first, *more = args
        options = {k: v for k, v in kwargs.items() if v is not None}
        if options.get("training") is False:
            del options["training"]
        states = tree.flatten(options.pop("initial_state", more.pop(0) if more else []))
        if options or more or (states and type(layer) not in _RECURRENT):
            refuse(layer, f"a call with {', '.join(options) or 'further arguments'}")
        wrong = [x for x in tree.flatten((first, states)) if not isinstance(x, KerasTensor)]
        if wrong:
            refuse(layer, f"a call on {type(wrong[0]).__name__}; it takes symbolic inputs")
        inputs = [self.values[id(x)] for x in tree.flatten(first)]
        if isinstance(layer, models.Model):
            self._inner(layer, inputs, outputs)
            return
        if not layer.built:
            raise ValueError(f"{layer._where}: to_onnx needs a built layer.")
        self.graph.within(layer.name)
        if type(layer) in _RECURRENT:
            found = _RECURRENT[type(layer)](self.graph, layer, inputs, [self.values[id(s)] for s in states])
        else:
            found = emit(self.graph, layer, inputs)
        for tensor, (name, mask) in zip(outputs, found, strict=True):
            self.values[id(tensor)] = Value(name, tensor.dtype, tensor.shape, mask)

    def _inner(self, model, inputs, outputs):
        """Add the calls of a model that is a layer of another."""
        ends = _ends_of(model)
        inner = _Export(self.graph)
        for x, value in zip(ends[0], inputs, strict=True):
            value = self.graph.cast(value, x.dtype)
            inner.values[id(x)] = Value(value.name, x.dtype, x.shape, value.mask)
        inner.between(model)
        for tensor, end in zip(outputs, ends[1], strict=True):
            self.values[id(tensor)] = inner.values[id(end)]


def _dims(shape, prefix):
    """Return sizes and names of axes. Several inputs may differ in their number of steps."""
    axes = {0: "batch", 1: f"{prefix}_steps" if prefix else "steps"}
    names = [axes.get(axis, f"{prefix or 'input'}_{axis}") for axis in range(len(shape))]
    return [name if n is None else n for name, n in zip(names, shape)]
