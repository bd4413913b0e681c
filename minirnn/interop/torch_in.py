"""PyTorch's recurrent modules as layers of minirnn."""

from typing import Any

import numpy as np

from minirnn import layers, models
from minirnn.interop import layout
from minirnn.interop.extras import FLOATS, require

_CLASSES: dict[str, Any] = {"RNN": layers.SimpleRNN, "GRU": layers.GRU, "LSTM": layers.LSTM}
_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def from_torch(module, *, return_sequences=True, return_state=False, name=None):
    """Return what computes the same as a recurrent module of PyTorch, with copies of its weights.

    Parameters
    ----------
    module : torch.nn.RNN, GRU, LSTM, RNNCell, GRUCell or LSTMCell
        On any device, of float32 or float64.
    return_sequences : bool
        Whether the output of all steps is returned, as PyTorch does, or what a layer of Keras returns
        otherwise: the output of the last one of each direction.
    return_state : bool
        Whether the last states follow: layer by layer, of each layer forward before backward, of an LSTM h
        before c. PyTorch's ``h_n`` is those of h, stacked.
    name : str, optional

    Returns
    -------
    SimpleRNN, GRU, LSTM or Bidirectional
        For one layer. ``initial_state`` takes the states in the order in which they are returned.
    Sequential, or Functional with `return_state`
        For several layers, with a `Dropout` between each two where the module has dropout. The states of all
        of them are returned, after the output; they start from zeros.
    SimpleRNNCell, GRUCell or LSTMCell
        For a cell.

    Raises
    ------
    ImportError
        Without PyTorch.
    TypeError
        If `module` is none of these.
    ValueError
        If it has ``proj_size``, another dtype, a dropout of 1, or a ``forward`` of its own.

    Notes
    -----
    Inputs have the batch first, whatever ``batch_first`` is: weights do not depend on it, and an input of a
    module without it is transposed. A GRU keeps both biases. In the others only the sum of the two matters,
    which is the bias here, and its gradient is that of either. As everywhere in minirnn, dropout acts only
    where ``training=True`` is said, also where the module is in training mode.
    """
    torch = require("torch", "from_torch")
    nn = torch.nn
    for kind, cls in _CLASSES.items():
        for suffix in ("", "Cell"):
            base = getattr(nn, kind + suffix)
            if isinstance(module, base):
                _check(torch, module, base)
                if suffix:
                    return _cell(module, kind, cls.cell_class, name)
                return _layers(module, kind, cls, return_sequences, return_state, name)
    raise TypeError(
        "from_torch: module must be a torch.nn.RNN, GRU or LSTM, or a cell of one of these; got "
        f"{type(module).__name__}. Of a larger module, give its recurrent parts one by one."
    )


def _check(torch, module, base):
    where = f"from_torch: {type(module).__name__}"
    if type(module).forward is not base.forward:
        raise ValueError(f"{where} has a forward() of its own, which need not compute what {base} does.")
    if getattr(module, "proj_size", 0):
        raise ValueError(
            f"{where} has proj_size={module.proj_size}. An LSTM here returns its state h as it is; a Dense "
            "after it would not act on the recurrence. Only proj_size=0 can be read."
        )
    wrong = {str(p.dtype) for p in module.parameters()} - {f"torch.{dtype}" for dtype in FLOATS}
    if wrong:
        raise ValueError(
            f"{where} has weights of {', '.join(sorted(wrong))}; convert it by .float() or .double()."
        )
    if not getattr(module, "dropout", 0) < 1:
        raise ValueError(f"{where} has dropout={module.dropout}; a share to drop is below 1 here.")


def _options(module, kind):
    """Return what constructors of a layer and a cell both take."""
    weight = module.weight_ih_l0 if hasattr(module, "weight_ih_l0") else module.weight_ih
    options = {"use_bias": bool(module.bias), "dtype": str(weight.dtype).removeprefix("torch.")}
    return options | ({"activation": module.nonlinearity} if kind == "RNN" else {})


def _fill(layer, module, kind, suffix=""):
    """Set the weights of a built layer or cell."""
    values = [getattr(module, f"{n}{suffix}") for n in _NAMES[: 4 if module.bias else 2]]
    values = [np.array(v.detach().cpu().numpy()) for v in values]
    parts = layout.Parts(values[0], values[1], *(values[2:] or (None, None)))
    keras_kind = "SimpleRNN" if kind == "RNN" else kind
    layer.set_weights(layout.from_parts(parts, layout.TORCH[keras_kind], two_biases=kind == "GRU"))


def _cell(module, kind, cls, name):
    cell = cls(module.hidden_size, name=name, **_options(module, kind))
    cell.build((None, module.input_size))
    _fill(cell, module, kind)
    return cell


def _layers(module, kind, cls, return_sequences, return_state, name):
    features, stack = module.input_size, []
    for number in range(module.num_layers):
        last = number == module.num_layers - 1
        layer = cls(
            module.hidden_size,
            return_sequences=return_sequences or not last,
            return_state=return_state,
            name=name if module.num_layers == 1 and not module.bidirectional else None,
            **_options(module, kind),
        )
        halves = [(layer, f"_l{number}")]
        if module.bidirectional:
            layer = layers.Bidirectional(
                layer, dtype=layer.dtype_policy.name, name=name if module.num_layers == 1 else None
            )
            halves = [(layer.forward_layer, f"_l{number}"), (layer.backward_layer, f"_l{number}_reverse")]
        layer.build((None, None, features))
        for half, suffix in halves:
            _fill(half, module, kind, suffix)
        stack.append(layer)
        features = module.hidden_size * len(halves)
    return stack[0] if len(stack) == 1 else _model(module, stack, return_state, name)


def _model(module, stack, return_state, name):
    dtype = stack[0].compute_dtype
    x = inputs = layers.Input((None, module.input_size), dtype=dtype)
    between, states = [], []
    for number, layer in enumerate(stack):
        if number and module.dropout:
            dropout = layers.Dropout(module.dropout, dtype=dtype)
            between.append(dropout)
            x = dropout(x) if return_state else x
        between.append(layer)
        if return_state:
            x, *new = layer(x)
            states += new
    if return_state:
        return models.Model(inputs, [x, *states], name=name)
    return models.Sequential([inputs, *between], name=name)
