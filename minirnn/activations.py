"""Activation functions under the names of ``keras.activations``.

Each takes a Tensor, array or symbolic tensor of floats and gives one of the same dtype and (but for `glu`)
shape, elementwise unless it has an `axis`.
"""

from typing import Any

from minirnn import ops
from minirnn.autograd import convert
from minirnn.ops.symbolic import op
from minirnn.utils import registry


@op
def relu(x, negative_slope=0.0, max_value=None, threshold=0.0):
    """Return x above `threshold`, ``negative_slope * (x - threshold)`` below, and `max_value` at most."""
    x = convert(x)
    if negative_slope == 0 and threshold == 0:
        positive = ops.relu(x)
    else:
        positive = ops.where(x > threshold, x, ops.zeros_like(x))
    if max_value is not None:
        positive = ops.clip(positive, 0.0, max_value)
    return positive if negative_slope == 0 else positive - negative_slope * ops.relu(threshold - x)


def leaky_relu(x, negative_slope=0.2):
    """Return x where it is above 0, ``negative_slope * x`` elsewhere."""
    return ops.leaky_relu(x, negative_slope=negative_slope)


def relu6(x):
    """Return x cut off at 0 and 6."""
    return ops.relu6(x)


def softmax(x, axis: Any = -1):
    """Return ``exp(x) / sum(exp(x))``, the sum along `axis`: positive numbers that sum to 1."""
    return ops.softmax(x, axis=axis)


def log_softmax(x, axis: Any = -1):
    """Return the logarithm of `softmax`, without its underflow."""
    return ops.log_softmax(x, axis=axis)


def elu(x, alpha=1.0):
    """Return x above 0, ``alpha * (exp(x) - 1)`` below (Clevert et al. 2016)."""
    return ops.elu(x, alpha=alpha)


def celu(x, alpha=1.0):
    """Return x above 0, ``alpha * (exp(x / alpha) - 1)`` below (Barron 2017)."""
    return ops.celu(x, alpha=alpha)


def selu(x):
    """Return `elu` scaled so that layers keep mean 0 and variance 1 (Klambauer et al. 2017)."""
    return ops.selu(x)


def softplus(x):
    """Return ``log(1 + exp(x))``."""
    return ops.softplus(x)


def softsign(x):
    """Return ``x / (1 + |x|)``."""
    return ops.softsign(x)


def squareplus(x, b: float = 4):
    """Return ``(x + sqrt(x**2 + b)) / 2`` (Barron 2021)."""
    return ops.squareplus(x, b=b)


def sparse_plus(x):
    """Return 0 up to -1, ``(x + 1)**2 / 4`` up to 1, x above."""
    return ops.sparse_plus(x)


def sparse_sigmoid(x):
    """Return ``(x + 1) / 2`` cut off at 0 and 1."""
    return ops.sparse_sigmoid(x)


def soft_shrink(x, threshold=0.5):
    """Return x moved towards 0 by `threshold`, and 0 where that would cross it."""
    return ops.soft_shrink(x, threshold=threshold)


def hard_shrink(x, threshold=0.5):
    """Return x where ``|x| > threshold``, 0 elsewhere."""
    return ops.hard_shrink(x, threshold=threshold)


def tanh_shrink(x):
    """Return ``x - tanh(x)``."""
    return ops.tanh_shrink(x)


def silu(x):
    """Return ``x * sigmoid(x)`` (Ramachandran et al. 2017)."""
    return ops.silu(x)


def gelu(x, approximate=False):
    """Return x times the normal distribution function at x, or its approximation by tanh (Hendrycks 2016)."""
    return ops.gelu(x, approximate=approximate)


def glu(x, axis=-1):
    """Return ``a * sigmoid(b)`` of the halves a and b of x along `axis` (Dauphin et al. 2016)."""
    return ops.glu(x, axis=axis)


def tanh(x):
    """Return the hyperbolic tangent."""
    return ops.tanh(x)


def sigmoid(x):
    """Return ``1 / (1 + exp(-x))``."""
    return ops.sigmoid(x)


def log_sigmoid(x):
    """Return the logarithm of `sigmoid`, without its underflow."""
    return ops.log_sigmoid(x)


def exponential(x):
    """Return ``exp(x)``."""
    return ops.exp(x)


def hard_sigmoid(x):
    """Return ``x / 6 + 1 / 2`` cut off at 0 and 1."""
    return ops.hard_sigmoid(x)


def hard_silu(x):
    """Return ``x * hard_sigmoid(x)`` (Howard et al. 2019)."""
    return ops.hard_silu(x)


def hard_tanh(x):
    """Return x cut off at -1 and 1."""
    return ops.hard_tanh(x)


def linear(x):
    """Return x itself."""
    return x


def mish(x):
    """Return ``x * tanh(softplus(x))`` (Misra 2019)."""
    return ops.multiply(x, ops.tanh(ops.softplus(x)))


def threshold(x, threshold, default_value):
    """Return x where it is above `threshold`, `default_value` elsewhere."""
    return ops.threshold(x, threshold, default_value)


def sparsemax(x, axis=-1):
    """Return the nearest point to x whose entries along `axis` are 0 or more and sum to 1 (Martins 2016)."""
    return ops.sparsemax(x, axis=axis)


_FUNCTIONS = (
    relu,
    leaky_relu,
    relu6,
    softmax,
    celu,
    elu,
    selu,
    softplus,
    softsign,
    squareplus,
    soft_shrink,
    sparse_plus,
    silu,
    gelu,
    glu,
    tanh,
    tanh_shrink,
    threshold,
    sigmoid,
    sparse_sigmoid,
    exponential,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    hard_shrink,
    linear,
    mish,
    log_softmax,
    log_sigmoid,
    sparsemax,
)
_table = registry.Table(
    "activation", "keras.activations", _FUNCTIONS, {"swish": silu, "hard_swish": hard_silu}, snake_case=False
)
swish, hard_swish = silu, hard_silu


def get(identifier) -> Any:
    """Return an activation from its name, its config or itself; None gives `linear`.

    Raises
    ------
    ValueError
        If the name is not known, or `identifier` is no callable.
    """
    return linear if identifier is None else _table.get(identifier)


def serialize(activation):
    """Return the name of a built-in activation or of the op that is the same, the config of another."""
    name = getattr(activation, "__name__", "")
    known = name in _table.objects
    # The gelu of ops is by default its approximation.
    if known and (activation in _FUNCTIONS or (getattr(ops, name, None) is activation and name != "gelu")):
        return name
    return registry.serialize_keras_object(activation)


def deserialize(config, custom_objects=None):
    """Return the activation of a name or config."""
    return _table.deserialize(config, custom_objects)
