"""What the laws are drawn over: calls of recurrent layers with every option, mask, state and dtype."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from minirnn import grad, layers, ops, tree
from minirnn.autograd import convert

KINDS = {
    "SimpleRNN": (layers.SimpleRNN, layers.SimpleRNNCell),
    "GRU": (layers.GRU, layers.GRUCell),
    "LSTM": (layers.LSTM, layers.LSTMCell),
}
STATES = {"SimpleRNN": 1, "GRU": 1, "LSTM": 2}
# Smooth, and bounded or nearly linear: values stay small and gradients well conditioned.
ACTIVATIONS = ("tanh", "sigmoid", "softsign", "relu", "linear")
# Options of the layer and not of its cell.
OF_LAYER = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll", "zero_output_for_mask")


@dataclass
class Case:
    """A recurrent layer in all but its class, and what it is called on."""

    kind: str
    options: dict
    dtype: str
    x_BTD: np.ndarray
    mask_BT: np.ndarray | None
    states: list | None
    weights: list = field(repr=False)

    def layer(self, **changes):
        """Return the layer; `changes` are options that override."""
        return self._with_weights(KINDS[self.kind][0](**self._all(changes)))

    def layer_of_cell(self, **changes):
        """Return RNN(cell) with the same options and weights."""
        options = self._all(changes)
        of_layer = {name: options.pop(name) for name in OF_LAYER if name in options}
        return self._with_weights(layers.RNN(KINDS[self.kind][1](**options), dtype=self.dtype, **of_layer))

    def _all(self, changes):
        return {**self.options, "return_state": True, "dtype": self.dtype, **changes}

    def _with_weights(self, layer):
        layer.build((len(self.x_BTD), None, self.x_BTD.shape[2]))
        layer.set_weights(self.weights)
        return layer

    def fits_cudnn(self) -> bool:
        """Whether cuDNN can run the layer, by the list in Keras's guide and what cuDNN serves beyond it."""
        options, mask = self.options, self.mask_BT
        tanh = ("tanh", "relu") if self.kind == "SimpleRNN" else ("tanh",)
        return (
            options["activation"] in tanh
            and options.get("recurrent_activation", "sigmoid") == "sigmoid"
            and options.get("reset_after", True)
            and (mask is None or not (mask[:, 1:] > mask[:, :-1]).any())
        )

    def run(self, layer, x_BTD=None, **options):
        """Return output and states of a call as arrays; what is not given is the case's own."""
        options = {"mask": self.mask_BT, "initial_state": self.states, **options}
        return arrays(layer(self.x_BTD if x_BTD is None else x_BTD, **options))

    def gradients(self, layer, **options):
        """Return a scalar's gradients by inputs, initial states and weights, None where there is none."""
        x = convert(self.x_BTD, self.dtype)
        states = None if self.states is None else [convert(s, self.dtype) for s in self.states]
        options = {"mask": self.mask_BT, **options}

        def loss(x, states):
            return project(layer(x, initial_state=states, **options))

        found = [] if states is None else grad(lambda s: loss(x, s))(states)
        by_weight = grad(loss(x, states), layer.trainable_weights)
        return arrays([grad(lambda x: loss(x, states))(x), *found, *by_weight])


def arrays(outputs) -> list:
    """Return the leaves of a structure as NumPy arrays."""
    return [None if y is None else np.asarray(y) for y in tree.flatten(outputs)]


def project(outputs):
    """Return a scalar that depends on each entry of the outputs in its own measure."""
    total = 0.0
    for number, y in enumerate(tree.flatten(outputs)):
        factors = np.random.default_rng(number).standard_normal(y.shape).astype(y.dtype)
        total = total + ops.sum(y * factors)
    return total


def assert_equal(got, expected, dtype="float64"):
    """Assert that arrays agree to the digits of a dtype, relative to the largest entry."""
    tolerance = {"float64": 1e-10, "float32": 2e-5}[dtype]
    assert len(got) == len(expected)
    for number, (one, other) in enumerate(zip(got, expected)):
        if one is None or other is None:
            assert one is None and other is None, f"array {number}: {one} and {other}"
            continue
        one, other = np.asarray(one), np.asarray(other)
        assert one.shape == other.shape, f"array {number}: shapes {one.shape} and {other.shape}"
        assert one.dtype == other.dtype, f"array {number}: dtypes {one.dtype} and {other.dtype}"
        scale = max(1.0, float(np.abs(other).max(initial=0.0)))
        error = float(np.abs(one - other).max(initial=0.0)) / scale
        assert error <= tolerance, f"array {number}: relative error {error:.2e}\n{one}\n{other}"


def masks(draw, rng, B, T, forms):
    """Draw a mask of shape (B, T), or None."""
    lengths = rng.integers(1, T + 1, B)
    match draw(st.sampled_from(forms)):
        case "right":
            return np.arange(T) < lengths[:, None]
        case "left":
            return np.arange(T) >= T - lengths[:, None]
        case "any":
            return rng.random((B, T)) < 0.6
        case "all":
            return np.ones((B, T), bool)
    return None


@st.composite
def cases(
    draw,
    kinds=tuple(KINDS),
    mask_forms=("none", "right", "left", "any", "all"),
    min_batch=1,
    min_time=1,
    with_states=None,
    **fixed,
):
    """Draw calls of SimpleRNN, GRU and LSTM with any options; `fixed` ones are as given."""
    kind = draw(st.sampled_from(list(kinds)))
    B, T = draw(st.integers(min_batch, 4)), draw(st.integers(min_time, 5))
    D, H = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from(["float64", "float32"]))
    options = {
        "units": H,
        "use_bias": draw(st.booleans()),
        "return_sequences": draw(st.booleans()),
        "go_backwards": draw(st.booleans()),
        "zero_output_for_mask": draw(st.booleans()),
    }
    # Half of them with Keras's own, which is what cuDNN computes.
    plain = draw(st.booleans())
    options["activation"] = "tanh" if plain else draw(st.sampled_from(ACTIVATIONS))
    if kind != "SimpleRNN":
        gate = st.sampled_from(["sigmoid"] if plain else ["sigmoid", "hard_sigmoid", "tanh"])
        options["recurrent_activation"] = draw(gate)
    if kind == "GRU":
        options["reset_after"] = plain or draw(st.booleans())
    options |= {name: value for name, value in fixed.items() if value is not None}
    mask = masks(draw, rng, B, T, mask_forms)
    states = None
    if draw(st.booleans()) if with_states is None else with_states:
        states = [0.5 * rng.standard_normal((B, H)).astype(dtype) for _ in range(STATES[kind])]
    gates = {"SimpleRNN": 1, "GRU": 3, "LSTM": 4}[kind]
    shapes = [(D, gates * H), (H, gates * H)]
    if options["use_bias"]:
        shapes.append((2, gates * H) if options.get("reset_after") else (gates * H,))
    # Random biases too: with the zeros they start from, swapped gates could hide.
    weights = [0.5 * rng.standard_normal(shape).astype(dtype) for shape in shapes]
    return Case(kind, options, dtype, rng.standard_normal((B, T, D)).astype(dtype), mask, states, weights)
