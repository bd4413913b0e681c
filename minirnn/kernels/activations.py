"""The elementwise activations that the whole-sequence kernels know, each with its derivative.

A kernel needs of an activation only two things: to write ``y = f(a)`` over a block of pre-activations, and
to write ``f'(a)`` later from what it kept. Most derivatives follow from ``y`` alone, so that ``y`` may
overwrite ``a`` and half of the memory is saved; `Activation.reads_input` marks those that do not.

The formulas and their default constants are those of ``keras.activations``. What is not elementwise has no
place here (the kernels' backward pass rests on diagonal Jacobians); `why_not` says so for each name.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from minirnn.backend import backend_of

__all__ = ["ELEMENTWISE", "Activation", "get", "supported", "why_not"]


@dataclass(frozen=True, slots=True)
class Activation:
    """An elementwise function on raw arrays.

    Attributes
    ----------
    forward : callable
        ``forward(xp, a, out)`` writes f(a); `out` may be `a` itself unless `reads_input`.
    derivative : callable
        ``derivative(xp, y, a, out)`` writes f'(a), given y = f(a); `a` is read only if `reads_input`.
    reads_input : bool
        Whether the derivative needs the pre-activation.
    """

    forward: Callable
    derivative: Callable
    reads_input: bool = False


def _from_expressions(y, dy, reads_input=False) -> Activation:
    """Make an Activation of two expressions, ``y(xp, a)`` and ``dy(xp, y, a)``."""

    def forward(xp, a, out):
        out[...] = y(xp, a)

    def derivative(xp, y, a, out):
        out[...] = dy(xp, y, a)

    return Activation(forward, derivative, reads_input)


# The four that nearly every model uses are written call by call, so that nothing is allocated in a step.
def _sigmoid(xp, a, out):
    # exp may overflow for a large negative a, which gives the right 0; the kernels silence the warning.
    xp.negative(a, out=out)
    xp.exp(out, out=out)
    xp.add(out, 1, out=out)
    xp.reciprocal(out, out=out)


def _sigmoid_derivative(xp, y, a, out):
    xp.subtract(1, y, out=out)
    xp.multiply(out, y, out=out)


def _tanh(xp, a, out):
    xp.tanh(a, out=out)


def _tanh_derivative(xp, y, a, out):
    xp.multiply(y, y, out=out)
    xp.subtract(1, out, out=out)


def _relu(xp, a, out):
    xp.maximum(a, 0, out=out)


def _relu_derivative(xp, y, a, out):
    xp.greater(y, 0, out=out)


def _linear(xp, a, out):
    if out is not a:
        out[...] = a


def _linear_derivative(xp, y, a, out):
    out[...] = 1


def _sigmoid_of(xp, a):
    y = xp.empty_like(a)
    _sigmoid(xp, a, y)
    return y


def _softplus_of(xp, a):
    return xp.logaddexp(a, xp.zeros_like(a))


def _normal_cdf(a):
    return 0.5 * (1 + backend_of(a).erf(a * math.sqrt(0.5)))


def _mish_derivative(xp, y, a):
    t = xp.tanh(_softplus_of(xp, a))
    return t + a * (1 - t * t) * _sigmoid_of(xp, a)


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717

_elu = _from_expressions(
    lambda xp, a: xp.where(a > 0, a, xp.expm1(xp.minimum(a, 0))),
    lambda xp, y, a: xp.where(y > 0, 1, y + 1),
)
_silu = _from_expressions(
    lambda xp, a: a * _sigmoid_of(xp, a),
    lambda xp, y, a: y + _sigmoid_of(xp, a) * (1 - y),
    reads_input=True,
)
_hard_silu = _from_expressions(
    lambda xp, a: a * xp.clip(a / 6 + 0.5, 0, 1),
    lambda xp, y, a: xp.where(xp.abs(a) < 3, a / 3 + 0.5, a > 0),
    reads_input=True,
)

ELEMENTWISE = {
    "celu": _elu,  # they differ only where alpha is not 1
    "elu": _elu,
    "exponential": _from_expressions(lambda xp, a: xp.exp(a), lambda xp, y, a: y),
    "gelu": _from_expressions(
        lambda xp, a: a * _normal_cdf(a),
        lambda xp, y, a: _normal_cdf(a) + a * xp.exp(-0.5 * a * a) * (1 / math.sqrt(2 * math.pi)),
        reads_input=True,
    ),
    "hard_shrink": _from_expressions(lambda xp, a: xp.where(xp.abs(a) > 0.5, a, 0), lambda xp, y, a: y != 0),
    "hard_sigmoid": _from_expressions(
        lambda xp, a: xp.clip(a / 6 + 0.5, 0, 1), lambda xp, y, a: ((y > 0) & (y < 1)) * (1 / 6)
    ),
    "hard_silu": _hard_silu,
    "hard_swish": _hard_silu,
    "hard_tanh": _from_expressions(lambda xp, a: xp.clip(a, -1, 1), lambda xp, y, a: xp.abs(y) < 1),
    "leaky_relu": _from_expressions(
        lambda xp, a: xp.maximum(a, 0.2 * a), lambda xp, y, a: xp.where(y >= 0, 1, 0.2)
    ),
    "linear": Activation(_linear, _linear_derivative),
    "log_sigmoid": _from_expressions(
        lambda xp, a: -_softplus_of(xp, -a),
        lambda xp, y, a: -xp.expm1(y),  # sigmoid(-a) = 1 - exp(y)
    ),
    "mish": _from_expressions(
        lambda xp, a: a * xp.tanh(_softplus_of(xp, a)), _mish_derivative, reads_input=True
    ),
    "relu": Activation(_relu, _relu_derivative),
    "relu6": _from_expressions(lambda xp, a: xp.clip(a, 0, 6), lambda xp, y, a: (y > 0) & (y < 6)),
    "selu": _from_expressions(
        lambda xp, a: _SELU_SCALE * xp.where(a > 0, a, _SELU_ALPHA * xp.expm1(xp.minimum(a, 0))),
        lambda xp, y, a: xp.where(y > 0, _SELU_SCALE, y + _SELU_SCALE * _SELU_ALPHA),
    ),
    "sigmoid": Activation(_sigmoid, _sigmoid_derivative),
    "silu": _silu,
    "soft_shrink": _from_expressions(
        lambda xp, a: xp.sign(a) * xp.maximum(xp.abs(a) - 0.5, 0), lambda xp, y, a: y != 0
    ),
    "softplus": _from_expressions(_softplus_of, lambda xp, y, a: -xp.expm1(-y)),
    "softsign": _from_expressions(lambda xp, a: a / (1 + xp.abs(a)), lambda xp, y, a: (1 - xp.abs(y)) ** 2),
    "sparse_plus": _from_expressions(
        lambda xp, a: xp.where(a < 1, xp.maximum(a + 1, 0) ** 2 * 0.25, a),
        lambda xp, y, a: xp.sqrt(xp.clip(y, 0, 1)),
    ),
    "sparse_sigmoid": _from_expressions(
        lambda xp, a: xp.clip(0.5 * a + 0.5, 0, 1), lambda xp, y, a: ((y > 0) & (y < 1)) * 0.5
    ),
    "squareplus": _from_expressions(
        lambda xp, a: 0.5 * (a + xp.sqrt(a * a + 4)),
        lambda xp, y, a: y * y / (y * y + 1),  # since a = y - 1/y and sqrt(a² + 4) = y + 1/y
    ),
    "swish": _silu,
    "tanh": Activation(_tanh, _tanh_derivative),
    "tanh_shrink": _from_expressions(
        lambda xp, a: a - xp.tanh(a), lambda xp, y, a: (a - y) ** 2, reads_input=True
    ),
}

_NOT_ELEMENTWISE = {
    "glu": "glu halves the number of units",
    "log_softmax": "log_softmax mixes the units of a row",
    "softmax": "softmax mixes the units of a row",
    "sparsemax": "sparsemax mixes the units of a row",
    "threshold": "threshold takes arguments that a name does not carry",
}


def supported(name: str) -> bool:
    """Whether the kernels know the activation of that name."""
    return name in ELEMENTWISE


def get(name: str) -> Activation:
    """Return the activation of that name; KeyError where it is not `supported`."""
    return ELEMENTWISE[name]


def why_not(name: str) -> str | None:
    """Return in one clause why the kernels do not know this activation; None if they do."""
    if name in ELEMENTWISE:
        return None
    return _NOT_ELEMENTWISE.get(name, f"{name} is not one of the built-in elementwise activations")
