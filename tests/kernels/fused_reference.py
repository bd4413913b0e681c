"""What the fused kernels are held against: plain loops over steps, and cases drawn of every option.

The loops follow Keras's equations gate by gate, on real or on complex arrays. Fed with ``x + 1e-30j v`` they
give the derivative in direction v in their imaginary part, to machine precision, kinks included: no
difference is taken (the complex step).
"""

import math
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from minirnn import backend
from minirnn.kernels import gru, lstm, simple_rnn

KERNELS = {"lstm": lstm, "gru": gru, "simple_rnn": simple_rnn}
GATES = {"lstm": 4, "gru": 3, "simple_rnn": 1}
STATES = {"lstm": 2, "gru": 1, "simple_rnn": 1}


def _pick(a, *pieces):
    """Return a piecewise function: pieces (condition on the real part, value), the first that holds."""
    return np.select([condition for condition, _ in pieces], [value + 0 * a for _, value in pieces])


def _clip(a, low, high):
    return _pick(a, (a.real < low, low), (a.real > high, high), (a.real == a.real, a))


def _abs(a):
    return _pick(a, (a.real < 0, -a), (a.real >= 0, a))


def _sigmoid(a):
    return 0.5 * np.tanh(0.5 * a) + 0.5


def _softplus(a):
    return _pick(a, (a.real > 0, a), (a.real <= 0, 0)) + np.log1p(np.exp(-_abs(a)))


def _erf(a):
    real = np.array([math.erf(value) for value in a.real.flat]).reshape(a.shape)
    slope = 2 / math.sqrt(math.pi) * np.exp(-(a.real**2))
    return real + (a - a.real) * slope  # to first order in the imaginary part, which is all that is asked


def _elu(a):
    return _pick(a, (a.real > 0, a), (a.real <= 0, np.exp(_clip(a, -np.inf, 0)) - 1))


ACTIVATIONS = {
    "celu": _elu,
    "elu": _elu,
    "exponential": np.exp,
    "gelu": lambda a: 0.5 * a * (1 + _erf(a / math.sqrt(2))),
    "hard_shrink": lambda a: _pick(a, (_abs(a).real > 0.5, a), (a.real == a.real, 0)),
    "hard_sigmoid": lambda a: _clip(a, -3, 3) / 6 + 0.5,
    "hard_silu": lambda a: a * (_clip(a, -3, 3) / 6 + 0.5),
    "hard_swish": lambda a: a * (_clip(a, -3, 3) / 6 + 0.5),
    "hard_tanh": lambda a: _clip(a, -1, 1),
    "leaky_relu": lambda a: _pick(a, (a.real >= 0, a), (a.real < 0, 0.2 * a)),
    "linear": lambda a: a,
    "log_sigmoid": lambda a: -_softplus(-a),
    "mish": lambda a: a * np.tanh(_softplus(a)),
    "relu": lambda a: _clip(a, 0, np.inf),
    "relu6": lambda a: _clip(a, 0, 6),
    "selu": lambda a: (
        1.0507009873554805 * _pick(a, (a.real > 0, a), (a.real <= 0, 1.6732632423543772 * _elu(a)))
    ),
    "sigmoid": _sigmoid,
    "silu": lambda a: a * _sigmoid(a),
    "soft_shrink": lambda a: a - _clip(a, -0.5, 0.5),
    "softplus": _softplus,
    "softsign": lambda a: a / (1 + _abs(a)),
    "sparse_plus": lambda a: _pick(a, (a.real <= -1, 0), (a.real < 1, (a + 1) ** 2 / 4), (a.real >= 1, a)),
    "sparse_sigmoid": lambda a: _clip((a + 1) / 2, 0, 1),
    "squareplus": lambda a: (a + np.sqrt(a * a + 4)) / 2,
    "swish": lambda a: a * _sigmoid(a),
    "tanh": np.tanh,
    "tanh_shrink": lambda a: a - np.tanh(a),
}
# Fed back to itself, exp overflows in a few steps.
IN_LOOPS = tuple(name for name in ACTIVATIONS if name != "exponential")
SMOOTH = ("tanh", "sigmoid", "softplus", "silu", "mish", "gelu", "tanh_shrink", "squareplus", "linear")


@dataclass
class Case:
    """One call of a kernel: its arrays in the order of the arguments, its options."""

    kind: str
    arrays: list
    options: dict = field(default_factory=dict)

    def forward(self, arrays=None, keep=True):
        """Run the kernel on arrays of the current backend; returns outputs as NumPy's, and residuals."""
        here = _each(backend.asarray, arrays or self.arrays)
        xp = backend.current().xp
        outputs, residuals = KERNELS[self.kind].forward(*here, keep=keep, xp=xp, **self.options)
        return _each(_on_host, outputs), residuals

    def backward(self, residuals, cotangents, needs=None):
        needs = needs or self.differentiable
        here = _each(backend.asarray, cotangents)
        return _each(_on_host, KERNELS[self.kind].backward(residuals, here, needs))

    def reference(self, arrays=None):
        return _reference(self.kind, *_split(self.kind, arrays or self.arrays), **self.options)

    @property
    def differentiable(self):
        """Which arguments have a gradient: input, initial states and weights that are there."""
        count = 1 + STATES[self.kind] + 3
        return tuple(i < count and array is not None for i, array in enumerate(self.arrays))

    def astype(self, dtype):
        return Case(
            self.kind,
            [a if a is None or a.dtype == bool else a.astype(dtype) for a in self.arrays],
            self.options,
        )


def _each(move, arrays):
    return tuple(None if array is None else move(array) for array in arrays)


def _on_host(array):
    return array if isinstance(array, np.ndarray) else backend.to_numpy(array)


def _split(kind, arrays):
    states = STATES[kind]
    return arrays[0], arrays[1 : 1 + states], arrays[1 + states : 4 + states], *arrays[4 + states :]


def _reference(
    kind,
    x_BTD,
    states,
    weights,
    input_dropout,
    recurrent_dropout,
    mask_BT,
    *,
    activation="tanh",
    recurrent_activation="sigmoid",
    reset_after=True,
    go_backwards=False,
    return_sequences=False,
    zero_output_for_mask=False,
):
    kernel, recurrent_kernel, bias = weights
    H = len(recurrent_kernel)
    act, gate_act = ACTIVATIONS[activation], ACTIVATIONS[recurrent_activation]

    def dropped(values, dropout, gate):
        if dropout is None:
            return values
        return values * (dropout if dropout.ndim == 2 else dropout[gate])

    def project(gate, values, matrix, dropout):
        return dropped(values, dropout, gate) @ matrix[:, gate * H : (gate + 1) * H]

    def added_bias(gate, row=None):
        if bias is None:
            return 0
        return (bias if row is None else bias[row])[gate * H : (gate + 1) * H]

    def simple_rnn_step(x, h):
        from_x, from_h = (
            project(0, x, kernel, input_dropout),
            project(0, h, recurrent_kernel, recurrent_dropout),
        )
        return (act(from_x + from_h + added_bias(0)),)

    def lstm_step(x, h, c):
        i, f, g, o = (
            project(gate, x, kernel, input_dropout)
            + project(gate, h, recurrent_kernel, recurrent_dropout)
            + added_bias(gate)
            for gate in range(4)
        )
        c = gate_act(f) * c + gate_act(i) * act(g)
        return gate_act(o) * act(c), c

    def gru_step(x, h):
        input_row, recurrent_row = (0, 1) if reset_after else (None, None)
        from_x = [project(gate, x, kernel, input_dropout) + added_bias(gate, input_row) for gate in range(3)]
        from_h = [project(gate, h, recurrent_kernel, recurrent_dropout) for gate in range(3)]
        if reset_after:
            from_h = [part + added_bias(gate, recurrent_row) for gate, part in enumerate(from_h)]
        z, r = gate_act(from_x[0] + from_h[0]), gate_act(from_x[1] + from_h[1])
        if reset_after:
            candidate = act(from_x[2] + r * from_h[2])
        else:
            candidate = act(from_x[2] + (r * dropped(h, recurrent_dropout, 2)) @ recurrent_kernel[:, 2 * H :])
        return (z * h + (1 - z) * candidate,)

    step = {"lstm": lstm_step, "gru": gru_step, "simple_rnn": simple_rnn_step}[kind]
    outputs = []
    T = x_BTD.shape[1]
    for t in reversed(range(T)) if go_backwards else range(T):
        new_states = step(x_BTD[:, t], *states)
        if mask_BT is not None:
            valid = mask_BT[:, t, None]
            new_states = [np.where(valid, new, old) for new, old in zip(new_states, states)]
        states = new_states
        zero = zero_output_for_mask and mask_BT is not None
        outputs.append(np.where(valid, states[0], 0) if zero else states[0])
    return (np.stack(outputs, axis=1) if return_sequences else outputs[-1], *states)


def _masks(draw, rng, B, T):
    kind = draw(
        st.sampled_from(["none", "right", "left", "any", "all valid", "all masked", "one row masked"])
    )
    lengths = rng.integers(0, T + 1, B)
    match kind:
        case "none":
            return None
        case "right":
            return np.arange(T) < lengths[:, None]
        case "left":
            return np.arange(T) >= lengths[:, None]
        case "any":
            return rng.random((B, T)) < 0.5
    mask = np.full((B, T), kind != "all masked")
    if kind == "one row masked":
        mask[:1] = False
    return mask


def _dropout(draw, rng, kind, B, N):
    shapes = [None, (B, N)] + ([] if kind == "simple_rnn" else [(GATES[kind], B, N)])
    shape = draw(st.sampled_from(shapes))
    return None if shape is None else (rng.random(shape) < 0.6) / 0.6


@st.composite
def cases(draw, activations=IN_LOOPS, gate_activations=IN_LOOPS, min_batch=1):
    """Draw calls of any kernel, of any shape, with any options."""
    kind = draw(st.sampled_from(list(KERNELS)))
    B, T = draw(st.integers(min_batch, 4)), draw(st.integers(1, 6))
    D, H = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    G = GATES[kind] * H
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    booleans = ["go_backwards", "return_sequences", "zero_output_for_mask"]
    options = {name: draw(st.booleans()) for name in booleans}
    options["activation"] = draw(st.sampled_from(activations))
    bias_shape = (G,)
    if kind != "simple_rnn":
        options["recurrent_activation"] = draw(st.sampled_from(gate_activations))
    if kind == "gru":
        options["reset_after"] = draw(st.booleans())
        bias_shape = (2, G) if options["reset_after"] else (G,)
    # Small weights: with activations that have no bound, states would else explode in a few steps.
    arrays = [
        rng.standard_normal((B, T, D)),
        *(0.5 * rng.standard_normal((STATES[kind], B, H))),
        0.5 * rng.standard_normal((D, G)),
        0.5 / H * rng.standard_normal((H, G)),
        0.5 * rng.standard_normal(bias_shape) if draw(st.booleans()) else None,
        _dropout(draw, rng, kind, B, D),
        _dropout(draw, rng, kind, B, H),
        _masks(draw, rng, B, T),
    ]
    return Case(kind, arrays, options)


def random_like(arrays, seed=0):
    """Return normal arrays of the shapes of these, None for None."""
    rng = np.random.default_rng(seed)
    return [
        None if array is None else rng.standard_normal(array.shape).astype(array.dtype) for array in arrays
    ]


def project(outputs, cotangents):
    """Return the scalar whose gradient with respect to `outputs` is `cotangents`."""
    return sum(
        (output * cotangent).sum() for output, cotangent in zip(outputs, cotangents) if cotangent is not None
    )


def relative_error(got, expected):
    """Return the largest difference, relative to the largest expected entry or one."""
    if np.size(expected) == 0:
        return 0.0
    return float(np.max(np.abs(got - expected)) / max(1.0, np.max(np.abs(expected))))
