"""The table that `Model.summary` prints. Rich draws it, and is imported for that alone."""

import math
import re
import shutil
from itertools import pairwise

from minirnn import tree
from minirnn.layers.input import InputLayer
from minirnn.ops.symbolic import KerasTensor, SymbolicCall


class _Row:
    """A layer or an op as the table shows it."""

    def __init__(self, name, kind, shape, params, trainable, connections="", layer=None):
        self.name, self.kind, self.shape, self.params = name, kind, shape, params
        self.trainable, self.connections, self.layer = trainable, connections, layer


def _shape_text(structure) -> str:
    """Return shapes as text, "?" if there are none."""
    if structure is None:
        return "?"
    texts = tree.map_structure(lambda t: str(tuple(t.shape)) if hasattr(t, "shape") else str(t), structure)
    flat = tree.flatten(texts)
    return flat[0] if len(flat) == 1 else str(texts).replace("'", "").replace('"', "")


def _output_of(layer):
    """Return the outputs of a layer that was built apart, or None where it cannot be known."""
    shapes = getattr(layer, "_build_shapes", None)
    if isinstance(layer, InputLayer):
        return layer.output
    if not layer.built or not shapes:
        return None
    try:
        found = layer.compute_output_shape(**shapes)
    except (TypeError, ValueError, NotImplementedError):
        return None
    return tree.map_shape_structure(KerasTensor, found)


def _layer_row(layer, output, connections="", prefix=""):
    weights = layer.weights
    trainable = "-" if not weights else "Y" if layer.trainable else "N"
    params = f"{layer.count_params():,}" if layer.built else "0 (unbuilt)"
    return _Row(
        prefix + layer.name, type(layer).__name__, _shape_text(output), params, trainable, connections, layer
    )


def _rows(model, expand, level=0) -> list[_Row]:
    prefix = "   " * level + "└ " if level else ""
    rows = []
    for row in _rows_of(model, prefix):
        rows.append(row)
        if expand and getattr(row.layer, "layers", None):
            rows += _rows(row.layer, expand, level + 1)
    return rows


def _rows_of(model, prefix) -> list[_Row]:
    graph = getattr(model, "_graph", None)
    if graph is not None:
        return [_graph_row(operation, graph, prefix) for operation in graph.operations]
    tensors = getattr(model, "_tensors", [])
    outputs = tensors[1:] if tensors else [None] * len(model.layers)
    return [
        _layer_row(layer, _output_of(layer) if output is None else output, prefix=prefix)
        for layer, output in zip(model.layers, outputs)
    ]


def _graph_row(operation, graph, prefix):
    connections = []
    for call in operation.calls:
        for tensor in call.inputs:
            origin, number, index = graph.origin(tensor)
            connections.append(f"{origin.name}[{number}][{index}]")
    connected = ", ".join(connections) or "-"
    if operation.layer is None:
        kind = "".join(part.title() for part in operation.calls[0].function.__name__.split("_"))
        return _Row(
            prefix + operation.name, kind, _shape_text(operation.calls[0].outputs), "0", "-", connected
        )
    output = operation.calls[-1].outputs if operation.calls else operation.layer.output
    return _layer_row(operation.layer, output, connected, prefix)


def _branches(model) -> bool:
    """Whether a model is more than one row of calls."""
    graph = getattr(model, "_graph", None)
    if graph is None:
        return False
    return (
        len(graph.inputs) > 1
        or any(
            len(operation.calls) > 1 or any(len(call.inputs) > 1 for call in operation.calls)
            for operation in graph.operations
        )
        or _fans_out(graph)
    )


def _fans_out(graph) -> bool:
    used: set[int] = set()
    for call in graph.calls:
        for tensor in call.inputs:
            source = tensor.call if isinstance(tensor.call, SymbolicCall) else tensor
            if id(source) in used:
                return True
            used.add(id(source))
    return False


def _size_text(size) -> str:
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} PB"


def _totals(model) -> list[tuple[str, int, int]]:
    def count(variables):
        unique = list({id(v): v for v in variables}.values())
        return sum(math.prod(v.shape) for v in unique), sum(v.size * v.dtype.itemsize for v in unique)

    parts = [("Trainable params", *count(model.trainable_weights))]
    parts.append(("Non-trainable params", *count(model.non_trainable_weights)))
    if model.compiled and model.optimizer is not None and model.optimizer.built:
        parts.append(("Optimizer params", *count(model.optimizer.variables)))
    total = ("Total params", sum(n for _, n, _ in parts), sum(size for _, _, size in parts))
    return [total, *parts]


def _in_range(rows, layer_range, where):
    if layer_range is None:
        return rows
    if not isinstance(layer_range, list | tuple) or [type(n) for n in layer_range] != [str, str]:
        raise ValueError(f"{where}: summary needs layer_range as a pair of names; got {layer_range!r}.")
    first = [i for i, row in enumerate(rows) if re.match(layer_range[0], row.name)]
    last = [i for i, row in enumerate(rows) if re.match(layer_range[1], row.name)]
    if not first or not last:
        raise ValueError(
            f"{where}: summary found no layer for layer_range={tuple(layer_range)}; the layers are "
            f"{[row.name for row in rows]}."
        )
    begin, end = sorted((first[0], last[-1]))
    return rows[begin : end + 1]


def print_summary(
    model, line_length, positions, print_fn, expand_nested, show_trainable, layer_range
) -> None:
    """Print the table; see `Model.summary`."""
    rows = _in_range(_rows(model, expand_nested), layer_range, model._where)
    branches = _branches(model)
    header = ["Layer (type)", "Output Shape", "Param #"] + (["Connected to"] if branches else [])
    length = 108 if branches else 88
    positions = list(positions or ((0.3, 0.56, 0.74, 1.0) if branches else (0.45, 0.80, 1.0)))
    if show_trainable:
        header.append("Trainable")
        length += 12
        positions = [p * 0.9 for p in positions] + [1.0]
    if len(positions) != len(header):
        raise ValueError(f"{model._where}: summary has {len(header)} columns; got positions={positions}.")
    length = line_length or min(length, shutil.get_terminal_size().columns - 4)
    ends = [0] + [int(p * length) for p in positions]
    widths = [b - a for a, b in pairwise(ends)]
    if min(widths) < 4:
        raise ValueError(f"{model._where}: summary needs a larger line_length; got {length}.")

    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    justify: dict = {"Param #": "right", "Trainable": "center"}
    columns = [
        Column(h, width=w, justify=justify.get(h, "left"), overflow="fold") for h, w in zip(header, widths)
    ]
    table = Table(*columns, width=length, show_lines=True)
    for row in rows:
        cells = [
            Text.assemble(row.name, " (", (row.kind, "dodger_blue1"), ")"),
            Text(row.shape),
            Text(row.params, "green"),
        ]
        if branches:
            cells.append(Text(row.connections))
        if show_trainable:
            cells.append(Text(row.trainable, "bold"))
        table.add_row(*cells)
    parts = [Text(f'Model: "{model.name}"', "bold"), table]
    for name, number, size in _totals(model):
        parts.append(
            Text.assemble((f" {name}: ", "bold"), (f"{number:,}", "green"), f" ({_size_text(size)})")
        )
    if not all(layer.built for layer in model._flatten_layers()):
        parts.append(
            Text(" Not built: weights are made when the model first sees data, or by build(input_shape).")
        )
    if print_fn is None:
        width = max(length, shutil.get_terminal_size().columns)
        Console(highlight=False, width=width).print(*parts, sep="\n")
        return
    console = Console(highlight=False, force_terminal=False, color_system=None, width=max(length, 80))
    with console.capture() as captured:
        console.print(*parts, sep="\n")
    print_fn(captured.get())
