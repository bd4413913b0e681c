"""Activations in ONNX: as operators, and as attributes of its recurrent operators."""

import math

from minirnn.interop.extras import name_of
from minirnn.interop.onnx_graph import Graph, Value, refuse

# Of one operator: its name and attributes. Where ONNX's defaults are not Keras's, they are given.
_OPERATORS: dict[str, tuple] = {
    "relu": ("Relu", {}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "softmax": ("Softmax", {"axis": -1}),
    "log_softmax": ("LogSoftmax", {"axis": -1}),
    "elu": ("Elu", {"alpha": 1.0}),
    "celu": ("Celu", {"alpha": 1.0}),
    "selu": ("Selu", {}),
    "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.2}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "hard_silu": ("HardSwish", {}),
    "exponential": ("Exp", {}),
}

# In LSTM, GRU and RNN: the name, and the numbers alpha and beta that it takes.
_RECURRENT: dict[str, tuple] = {
    "linear": ("Affine", (1.0,), (0.0,)),
    "relu": ("Relu", (), ()),
    "sigmoid": ("Sigmoid", (), ()),
    "tanh": ("Tanh", (), ()),
    "elu": ("Elu", (1.0,), ()),
    "softplus": ("Softplus", (), ()),
    "softsign": ("Softsign", (), ()),
    "leaky_relu": ("LeakyRelu", (0.2,), ()),
    "hard_sigmoid": ("HardSigmoid", (1 / 6,), (0.5,)),
}


def clip(g: Graph, x: Value, low, high) -> str:
    """Return the name of `x` between two numbers; None is no bound."""
    bounds = ["" if bound is None else g.constant(bound, x.dtype) for bound in (low, high)]
    return g.node("Clip", x.name, *bounds)


def _times_sigmoid(g, x):
    return g.node("Mul", x.name, g.node("Sigmoid", x.name))


def _gelu(g, x):
    half, root, one = (g.constant(v, x.dtype) for v in (0.5, 1 / math.sqrt(2), 1.0))
    share = g.node("Add", one, g.node("Erf", g.node("Mul", x.name, root)))
    return g.node("Mul", g.node("Mul", x.name, half), share)


def _mish(g, x):
    return g.node("Mul", x.name, g.node("Tanh", g.node("Softplus", x.name)))


def _log_sigmoid(g, x):
    return g.node("Neg", g.node("Softplus", g.node("Neg", x.name)))


_COMPOSED = {
    "linear": lambda g, x: x.name,
    "relu6": lambda g, x: clip(g, x, 0, 6),
    "hard_tanh": lambda g, x: clip(g, x, -1, 1),
    "silu": _times_sigmoid,
    "gelu": _gelu,
    "mish": _mish,
    "log_sigmoid": _log_sigmoid,
}


def known(names) -> str:
    return ", ".join(sorted(names))


def activate(g: Graph, layer, function, x: Value) -> str:
    """Return the name of ``function(x)``, or refuse it in the name of a layer."""
    name = name_of(function)
    if name in _COMPOSED:
        return _COMPOSED[name](g, x)
    if name not in _OPERATORS:
        refuse(layer, f"activation={name or function!r}; it knows {known(_COMPOSED | _OPERATORS)}")
    operator, attributes = _OPERATORS[name]
    return g.node(operator, x.name, **attributes)


def recurrent_attributes(layer, functions) -> dict:
    """Return the attributes of a recurrent operator for pairs of option and function, gate after gate."""
    found = []
    for option, function in functions:
        name = name_of(function)
        if name not in _RECURRENT:
            refuse(layer, f"{option}={name or function!r} of a recurrent layer; it knows {known(_RECURRENT)}")
        found.append(_RECURRENT[name])
    attributes = {"activations": [operator for operator, _, _ in found]}
    # An operator takes the next of these for each activation that has one, so none is left out.
    alphas, betas = ([v for row in found for v in row[i]] for i in (1, 2))
    return (
        attributes
        | ({"activation_alpha": alphas} if alphas else {})
        | ({"activation_beta": betas} if betas else {})
    )
