"""Recurrent layers of minirnn as modules of PyTorch."""

from typing import Any, NamedTuple, NoReturn

from minirnn import layers, models
from minirnn.interop import layout
from minirnn.interop.extras import KINDS, check_floats, kind_of, name_of, one_of, require, weights_of
from minirnn.ops.symbolic import KerasTensor

_MODULES = {"SimpleRNN": "RNN", "GRU": "GRU", "LSTM": "LSTM"}
_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class _Shape(NamedTuple):
    """What the layers of one module have in common."""

    kind: str
    activation: str | None
    units: int
    use_bias: bool
    bidirectional: bool
    dtype: str


def to_torch(layer_or_model, *, batch_first=True) -> Any:
    """Return a module of PyTorch that computes the same, with copies of the weights.

    Parameters
    ----------
    layer_or_model : SimpleRNN, GRU, LSTM, RNN with one such cell, Bidirectional of one, a cell, or a model
        Built. Of a model (Sequential, or Functional in which each layer takes the output of the one before)
        the layers must be one of these kinds, of equal options, with equal `Dropout` or none between each
        two: that is what PyTorch calls ``num_layers``.
    batch_first : bool
        Of the module.

    Returns
    -------
    torch.nn.RNN, GRU, LSTM, RNNCell, GRUCell or LSTMCell
        On the CPU and in training mode, as PyTorch makes it; only with dropout does that matter.

    Raises
    ------
    ImportError
        Without PyTorch.
    TypeError
        If it is no layer or model.
    ValueError
        If something is not built, or PyTorch has no such layer or option; the error names both.

    Notes
    -----
    The module returns the output of all steps and the last states of all its layers, whatever
    ``return_sequences`` and ``return_state`` are: what a layer without ``return_sequences`` returns is the
    last of the module's ``h_n`` (of two directions, the last two side by side). A single bias becomes
    ``bias_ih``, and ``bias_hh`` is 0. Regularizers and constraints belong to the training here and stay
    behind; a module knows no mask, but takes packed sequences.
    """
    if not isinstance(layer_or_model, layers.Layer):
        raise TypeError(f"to_torch: expected a layer or a model; got {layer_or_model!r}.")
    if type(layer_or_model) in KINDS:
        return _cell(layer_or_model)
    stack, dropout = _stack(layer_or_model)
    shapes = [_shape(layer) for layer in stack]
    for layer, shape in zip(stack[1:], shapes[1:]):
        if shape != shapes[0]:
            field = next(f for f, a, b in zip(_Shape._fields, shape, shapes[0]) if a != b)
            _refuse(
                layer,
                f"{field}={getattr(shape, field)!r} after {field}={getattr(shapes[0], field)!r}: the layers "
                "of one module are alike. Convert them one by one",
            )
    return _module(stack, shapes[0], dropout, batch_first)


def _refuse(layer, what) -> NoReturn:
    raise ValueError(f"{layer._where}: to_torch cannot express {what}.")


def _stack(layer) -> tuple[list, float]:
    """Return the recurrent layers, first to last, and the dropout between them."""
    if not isinstance(layer, models.Model):
        return [layer], 0.0
    if not layer.built:
        raise ValueError(f"{layer._where}: to_torch needs a built model; call it on data first.")
    parts = _chain(layer)
    stack, rates = [], []
    for number, part in enumerate(parts):
        if type(part) is not layers.Dropout:
            stack.append(part)
            continue
        if number in (0, len(parts) - 1) or type(parts[number - 1]) is layers.Dropout:
            _refuse(part, "a Dropout that is not between two recurrent layers")
        if part.noise_shape is not None:
            _refuse(part, f"noise_shape={part.noise_shape}")
        rates.append(part.rate)
    if not stack:
        raise ValueError(f"{layer._where}: to_torch needs a recurrent layer; the model has none.")
    if rates and (len(set(rates)) > 1 or len(rates) != len(stack) - 1):
        _refuse(
            layer,
            f"Dropout of rates {rates} in {len(stack) - 1} places between layers; PyTorch has one rate",
        )
    return stack, rates[0] if rates else 0.0


def _chain(model) -> list:
    """Return the layers of a model in which each takes the output of the one before."""
    if type(model).call is models.Sequential.call:
        return model.layers
    if type(model).call is not models.Functional.call:
        _refuse(model, f"the call() of {type(model).__name__}")
    if len(model.inputs) != 1:
        _refuse(model, f"{len(model.inputs)} inputs")
    x, chain = model.inputs[0], []
    for call in model._graph.calls:
        layer = call.function if isinstance(call.function, layers.Layer) else model
        # Anything but the output before alone: states, a mask, training=True.
        if layer is model or len(call.inputs) != 1 or call.inputs[0] is not x or call.kwargs:
            what = getattr(call.function, "__name__", "") if layer is model else "its call"
            _refuse(
                layer, f"{what} in a model: each layer may take the output of the one before, and no more"
            )
        x = call.outputs if isinstance(call.outputs, KerasTensor) else call.outputs[0]
        chain.append(layer)
    if model.outputs[0] is not x:
        _refuse(model, "its outputs: the first must be the output of the last layer")
    return chain


def _shape(layer) -> _Shape:
    if type(layer) is not layers.Bidirectional:
        return _one_direction(layer, backward=False)
    if layer.merge_mode != "concat":
        _refuse(layer, f"merge_mode={layer.merge_mode!r}; PyTorch has 'concat'")
    forward = _one_direction(layer.forward_layer, backward=False)
    backward = _one_direction(layer.backward_layer, backward=True)
    if forward != backward:
        field = next(f for f, a, b in zip(_Shape._fields, forward, backward) if a != b)
        values = getattr(forward, field), getattr(backward, field)
        _refuse(layer, f"a forward and a backward layer with {field} {values[0]!r} and {values[1]!r}")
    return forward._replace(bidirectional=True)


def _one_direction(layer, backward) -> _Shape:
    kind = kind_of(layer)
    if kind is None:
        if type(layer) is layers.RNN:
            _refuse(
                layer,
                f"{one_of(type(layer.cell))}; of an RNN it takes one SimpleRNNCell, GRUCell or LSTMCell",
            )
        _refuse(layer, f"{one_of(type(layer))}; it takes SimpleRNN, GRU, LSTM, and Bidirectional of them")
    if layer.go_backwards != backward:
        _refuse(layer, f"go_backwards={layer.go_backwards} here; reverse the input in time instead")
    if layer.stateful:
        _refuse(layer, "stateful=True: pass the states from call to call")
    _check_cell(layer, layer.cell, kind)
    if not layer.built:
        raise ValueError(f"{layer._where}: to_torch needs a built layer; call it on data first.")
    cell = layer.cell
    activation = name_of(cell.activation)
    return _Shape(kind, activation, cell.units, bool(cell.use_bias), False, cell.compute_dtype)


def _check_cell(layer, cell, kind):
    """Refuse what PyTorch has no option for, in the name of `layer`."""
    check_floats(cell, _refuse)
    known = ("tanh", "relu") if kind == "SimpleRNN" else ("tanh",)
    name = name_of(cell.activation)
    if name not in known:
        _refuse(layer, f"activation={name or cell.activation!r}; PyTorch has {' and '.join(known)}")
    if kind != "SimpleRNN" and name_of(cell.recurrent_activation) != "sigmoid":
        name = name_of(cell.recurrent_activation) or repr(cell.recurrent_activation)
        _refuse(layer, f"recurrent_activation={name}; PyTorch has sigmoid")
    if kind == "GRU" and not cell.reset_after:
        _refuse(layer, "reset_after=False; PyTorch's reset gate acts after the recurrent product")
    for option in ("dropout", "recurrent_dropout"):
        if getattr(cell, option):
            _refuse(layer, f"{option}={getattr(cell, option)}; PyTorch drops only between layers")


def _module(stack, shape, dropout, batch_first):
    torch = require("torch", "to_torch")
    halves = [[x.forward_layer, x.backward_layer] if shape.bidirectional else [x] for x in stack]
    options = {"nonlinearity": shape.activation} if shape.kind == "SimpleRNN" else {}
    module = getattr(torch.nn, _MODULES[shape.kind])(
        halves[0][0].cell.kernel.shape[0],
        shape.units,
        num_layers=len(stack),
        bias=shape.use_bias,
        batch_first=batch_first,
        dropout=dropout,
        bidirectional=shape.bidirectional,
        dtype=getattr(torch, shape.dtype),
        **options,
    )
    for number, pair in enumerate(halves):
        for half, suffix in zip(pair, ("", "_reverse")):
            _fill(torch, module, f"_l{number}{suffix}", shape.kind, half.cell)
    return module


def _cell(cell):
    kind = KINDS[type(cell)]
    _check_cell(cell, cell, kind)
    if not cell.built:
        raise ValueError(f"{cell._where}: to_torch needs a built cell; call it on data first.")
    torch = require("torch", "to_torch")
    options = {"nonlinearity": name_of(cell.activation)} if kind == "SimpleRNN" else {}
    module = getattr(torch.nn, f"{_MODULES[kind]}Cell")(
        cell.kernel.shape[0],
        cell.units,
        bias=bool(cell.use_bias),
        dtype=getattr(torch, cell.compute_dtype),
        **options,
    )
    _fill(torch, module, "", kind, cell)
    return module


def _fill(torch, module, suffix, kind, cell):
    parts = layout.to_parts(weights_of(cell), layout.TORCH[kind])
    with torch.no_grad():
        for name, value in zip(_NAMES, parts):
            if value is not None:
                getattr(module, name + suffix).copy_(torch.from_numpy(value))
