"""SimpleRNN, GRU, LSTM and Bidirectional as ONNX's operators RNN, GRU and LSTM.

The operators take time first and know the lengths of sequences, but no masks. With a mask, the steps that
count are therefore moved to the front of each sequence, in their order, and each step of the output takes the
result of the step that it repeats: so any mask gives what it gives here, padded on the right or not.
"""

from dataclasses import dataclass

import numpy as np

from minirnn.interop import layout
from minirnn.interop.extras import check_floats, kind_of, one_of, weights_of
from minirnn.interop.onnx_activations import recurrent_attributes
from minirnn.interop.onnx_graph import Graph, Value, refuse

_OPERATORS = {"SimpleRNN": "RNN", "GRU": "GRU", "LSTM": "LSTM"}


def check(layer, inner) -> str:
    """Return the kind of a recurrent layer, or refuse it in the name of `layer`, itself or around it."""
    kind = kind_of(inner)
    if kind is None:
        what = one_of(type(inner.cell if hasattr(inner, "cell") else inner))
        refuse(
            layer, f"{what}; of recurrent layers it takes SimpleRNN, GRU, LSTM, or an RNN of one such cell"
        )
    if inner.stateful:
        refuse(layer, "stateful=True; take the states with return_state and give them as initial_state")
    check_floats(inner.cell, lambda _, what: refuse(layer, what))
    return kind


@dataclass
class Steps:
    """The steps that count, of a mask; each attribute is the name of a value.

    Attributes
    ----------
    mask : bool, shape (batch, time)
    counts : int64, shape (batch, time)
        How many steps up to and with this one count.
    lengths : int64, shape (batch,)
    order : int64, shape (batch, time)
        Which step comes where if those that count come first.
    """

    mask: str
    counts: str
    lengths: str
    order: str


def steps_of(g: Graph, mask: str) -> Steps:
    """Add the nodes that find the steps that count."""
    ones = g.cast_name(mask, np.int64)
    zero, one = g.constant(0, np.int64), g.constant(1, np.int64)
    number = g.node("Gather", g.node("Shape", mask), one)
    behind = g.node("Mul", g.node("Sub", one, ones), number)
    place = g.node("Add", g.node("Range", zero, number, one), behind)
    count = g.node("Reshape", number, g.integers(1))
    _, order = g.node_of("TopK", [place, count], ["place", "order"], axis=1, largest=0, sorted=1)
    return Steps(mask, g.node("CumSum", ones, one), g.sum(ones, 1), order)


def take(g: Graph, x: str, order: str) -> str:
    """Return the steps of `x`, (batch, time, features), that `order`, (batch, time), names."""
    return g.node("GatherND", x, g.unsqueeze(order, 2), batch_dims=1)


@dataclass
class Results:
    """What one direction gives, as names: its output and its last states, each (batch, units)."""

    output: str
    states: list[str]


def run(g: Graph, layer, inner_layers, x: Value, states: list[str], in_time_order: bool) -> list[Results]:
    """Add the operator of one layer, or of a forward and a backward one.

    Parameters
    ----------
    g : Graph
    layer : Layer
        In whose name things are refused.
    inner_layers : list of Layer
    x : Value, shape (batch, time, features)
    states : list of str
        The first states of the first layer, then those of the second; none are zeros.
    in_time_order : bool
        Whether outputs of all steps are in the order of time, or in that of processing.
    """
    kind = check(layer, inner_layers[0])
    x = g.cast(x, inner_layers[0].compute_dtype)
    steps = None if x.mask is None else steps_of(g, x.mask)
    sequence = x.name if steps is None else take(g, x.name, steps.order)
    arrays = [layout.to_parts(weights_of(inner.cell), layout.ONNX[kind]) for inner in inner_layers]
    weights = [g.constant(np.stack([a.kernel_GD for a in arrays]), x.dtype, "kernel")]
    weights.append(g.constant(np.stack([a.recurrent_GH for a in arrays]), x.dtype, "recurrent_kernel"))
    biases = [b for a in arrays for b in a[2:] if b is not None]
    bias = g.constant(np.reshape(biases, (len(arrays), -1)), x.dtype, "bias") if biases else ""
    lengths = "" if steps is None else g.cast_name(steps.lengths, np.int32)
    count = 2 if kind == "LSTM" else 1
    firsts = [_stacked(g, states[i::count]) for i in range(count)] if states else [""] * count
    directions = ["reverse" if inner.go_backwards else "forward" for inner in inner_layers]
    attributes = recurrent_attributes(
        layer, [f for inner in inner_layers for f in _functions(kind, inner.cell)]
    )
    if kind == "GRU":
        attributes["linear_before_reset"] = int(inner_layers[0].cell.reset_after)
    y, *lasts = g.node_of(
        _OPERATORS[kind],
        [g.node("Transpose", sequence, perm=[1, 0, 2]), *weights, bias, lengths, *firsts],
        ["outputs", "h", "c"][: 1 + count],
        hidden_size=inner_layers[0].cell.units,
        direction="bidirectional" if len(directions) == 2 else directions[0],
        **attributes,
    )
    results = []
    for number, inner in enumerate(inner_layers):
        first = states[number * count : (number + 1) * count]
        last = [_one(g, name, number, len(directions), 0) for name in lasts]
        if steps is not None:
            last = _where_any(g, steps, last, first, x.dtype)
        if inner.return_sequences:
            output = _one(g, y, number, len(directions), 1)
            output = g.node("Transpose", output, perm=[1, 0, 2])
            output = _masked(g, inner, steps, output, first, x.dtype)
            if inner.go_backwards and not in_time_order:
                output = _reversed(g, output)
        else:
            output = _last_output(g, inner, steps, last[0], x.dtype)
        results.append(Results(output, last))
    return results


def _functions(kind, cell):
    own = ("activation", cell.activation)
    if kind == "SimpleRNN":
        return [own]
    gates = ("recurrent_activation", cell.recurrent_activation)
    return [gates, own, own] if kind == "LSTM" else [gates, own]


def _stacked(g, states):
    """Return states, (batch, units) each, as one array, (directions, batch, units)."""
    parts = [g.unsqueeze(s, 0) for s in states]
    return parts[0] if len(parts) == 1 else g.node("Concat", *parts, axis=0)


def _one(g, name, number, directions, axis):
    if directions == 1:
        return g.squeeze(name, axis)
    return g.node("Gather", name, g.constant(number, np.int64), axis=axis)


def _where_any(g, steps, last, first, dtype):
    """Return last states, and where no step counts the first ones."""
    any_BO = g.node("Greater", g.unsqueeze(steps.lengths, 1), g.constant(0, np.int64))
    zero = g.constant(0, dtype)
    starts = first or [zero] * len(last)
    return [g.node("Where", any_BO, name, start) for name, start in zip(last, starts)]


def _masked(g, inner, steps, output, first, dtype):
    """Return the outputs of all steps from those that count: each at its place, or where it is repeated."""
    if steps is None:
        return output
    one = g.constant(1, np.int64)
    if inner.go_backwards:
        # The step that counts at or behind this one; there is none from the length on.
        place = g.node("Sub", steps.counts, g.cast_name(steps.mask, np.int64))
        exists = g.node("Less", place, g.unsqueeze(steps.lengths, 1))
    else:
        place = g.node("Sub", steps.counts, one)
        exists = g.node("Greater", steps.counts, g.constant(0, np.int64))
    # Where there is none, any place will do.
    place = g.node("Where", exists, place, g.constant(0, np.int64))
    outputs = take(g, output, place)
    zero = g.constant(0, dtype)
    if inner.zero_output_for_mask:
        return g.node("Where", g.unsqueeze(steps.mask, 2), outputs, zero)
    before = g.unsqueeze(first[0], 1) if first else zero
    return g.node("Where", g.unsqueeze(exists, 2), outputs, before)


def _last_output(g, inner, steps, last, dtype):
    """Return the output of the step that is processed last."""
    if steps is None or not inner.zero_output_for_mask:
        return last
    at = 0 if inner.go_backwards else -1
    counts = g.node("Gather", steps.mask, g.integers(at), axis=1)
    return g.node("Where", counts, last, g.constant(0, dtype))


def _reversed(g, x):
    lowest = np.iinfo(np.int64).min + 1
    return g.node("Slice", x, g.integers(-1), g.integers(lowest), g.integers(1), g.integers(-1))


def recurrent(g: Graph, layer, inputs: list[Value], states: list[Value]) -> list[tuple[str, str | None]]:
    """Return name and mask of each output of a SimpleRNN, GRU, LSTM or RNN."""
    (x,) = inputs
    names = [g.cast(s, layer.compute_dtype).name for s in states]
    (result,) = run(g, layer, [layer], x, names, in_time_order=False)
    found = [(result.output, x.mask if layer.return_sequences else None)]
    return found + ([(s, None) for s in result.states] if layer.return_state else [])


def bidirectional(g: Graph, layer, inputs: list[Value], states: list[Value]) -> list[tuple[str, str | None]]:
    """Return name and mask of each output of a Bidirectional."""
    (x,) = inputs
    one, other = layer.forward_layer, layer.backward_layer
    kinds = [check(layer, inner) for inner in (one, other)]
    if one.go_backwards:
        refuse(layer, "a forward layer with go_backwards=True; give that one as backward_layer")
    for what in ("units", "use_bias", "compute_dtype", "reset_after"):
        values = [getattr(inner.cell, what, None) for inner in (one, other)]
        if kinds[0] != kinds[1] or values[0] != values[1]:
            refuse(layer, "a forward and a backward layer of different kinds, units, dtype or biases")
    names = [g.cast(s, one.compute_dtype).name for s in states]
    results = run(g, layer, [one, other], x, names, in_time_order=True)
    y, y_back = (r.output for r in results)
    mask = x.mask if layer.return_sequences else None
    last = [(s, None) for r in results for s in r.states] if layer.return_state else []
    if layer.merge_mode is None:
        return [(y, mask), (y_back, mask), *last]
    return [(_merged(g, layer, y, y_back), mask), *last]


def _merged(g, layer, y, y_back):
    if layer.merge_mode == "concat":
        return g.node("Concat", y, y_back, axis=-1)
    merged = g.node("Mul" if layer.merge_mode == "mul" else "Add", y, y_back)
    if layer.merge_mode == "ave":
        merged = g.node("Mul", merged, g.constant(0.5, layer.forward_layer.compute_dtype))
    return merged
