"""The tiers agree: what a whole-sequence kernel gives is what the generic loop over the cell gives."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import minirnn
from minirnn import kernels, layers, tree
from minirnn.autograd import convert
from tests.arrays import fastest, leaf

KINDS = {"simple_rnn": layers.SimpleRNN, "gru": layers.GRU, "lstm": layers.LSTM}
ACTIVATIONS = ("tanh", "sigmoid", "relu", "linear", "softsign", "elu", "gelu", "hard_sigmoid", "mish")
# Of gates: bounded, so that nothing grows until rounding is all that is left.
GATES = ("sigmoid", "tanh", "hard_sigmoid", "softsign", "sparse_sigmoid")
TOLERANCE = {"float64": 1e-10, "float32": 1e-5}


@st.composite
def calls(draw, dtype):
    """A layer, and what it is called with: every option, every kind of mask, with and without states."""
    kind = draw(st.sampled_from(list(KINDS)))
    batch, time, features, units = draw(
        st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 3), st.integers(1, 4))
    )
    options = {
        "units": units,
        "dtype": dtype,
        "activation": draw(st.sampled_from(ACTIVATIONS)),
        "use_bias": draw(st.booleans()),
        "bias_initializer": minirnn.initializers.RandomNormal(seed=1),
        "dropout": draw(st.sampled_from((0.0, 0.4))),
        "recurrent_dropout": draw(st.sampled_from((0.0, 0.4))),
        "seed": 3,
    }
    for name in ("return_sequences", "go_backwards", "zero_output_for_mask", "unroll", "stateful"):
        options[name] = draw(st.booleans())
    if kind != "simple_rnn":
        options["recurrent_activation"] = draw(st.sampled_from(GATES))
        options["implementation"] = draw(st.sampled_from((1, 2)))
    if kind == "gru":
        options["reset_after"] = draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x_BTD = rng.normal(size=(batch, time, features)).astype(dtype)
    lengths = rng.integers(0, time + 1, batch)[:, None]
    mask_BT = {
        "none": None,
        "right": np.arange(time) < lengths,
        "left": np.arange(time) >= lengths,
        "any": rng.random((batch, time)) < 0.5,
        "all": np.zeros((batch, time), bool),
    }[draw(st.sampled_from(("none", "right", "left", "any", "all")))]
    count = 2 if kind == "lstm" else 1
    states = None
    if draw(st.booleans()):
        states = [rng.normal(size=(batch, units)).astype(dtype) for _ in range(count)]
    return kind, options, x_BTD, mask_BT, states, draw(st.booleans())


def run(tier, kind, options, x_BTD, mask_BT, states, training):
    """Return outputs, states and gradients, each by a name, of one call on a tier."""
    layer = KINDS[kind](**options, return_state=True, name=kind)
    layer.build(x_BTD.shape)
    rng = np.random.default_rng(0)
    layer.set_weights([0.5 * rng.normal(size=w.shape) for w in layer.weights])
    x = leaf(x_BTD)
    given_states = None if states is None else [leaf(s) for s in states]
    with kernels.use_tier(tier):
        assert layer.kernel_report(x).tier == tier
        results = layer(x, initial_state=given_states, mask=mask_BT, training=training)
        losses = [(y * rng.normal(size=y.shape).astype(y.dtype)).sum() for y in results]
        minirnn.ops.sum(minirnn.ops.stack(losses)).backward()
    found = {f"output {i}": y for i, y in enumerate(results)}
    found |= {f"gradient of {w.path}": w.grad for w in layer.weights}
    found |= {"gradient of x": x.grad}
    found |= {f"gradient of state {i}": s.grad for i, s in enumerate(given_states or [])}
    if layer.stateful:
        found |= {f"carried {i}": s for i, s in enumerate(layer.states)}
    return found


def assert_tiers_agree(call, dtype):
    fused, generic = run("fused", *call), run("generic", *call)
    for name, expected in generic.items():
        expected, got = expected.numpy(), fused[name].numpy()
        assert got.dtype == expected.dtype == dtype, name
        scale = max(np.abs(expected).max(initial=0), 1e-3)
        np.testing.assert_allclose(got / scale, expected / scale, atol=TOLERANCE[dtype], rtol=0, err_msg=name)


@settings(max_examples=150)
@given(calls("float64"))
def test_fused_equals_generic_in_float64(call):
    assert_tiers_agree(call, "float64")


@settings(max_examples=50)
@given(calls("float32"))
def test_fused_equals_generic_in_float32(call):
    assert_tiers_agree(call, "float32")


@pytest.mark.parametrize("kind", KINDS)
def test_rnn_of_the_cell_equals_the_layer(kind):
    """The other way to the generic loop: the same cell in a plain RNN, which has no kernel."""
    x_BTD = np.random.default_rng(0).normal(size=(3, 5, 4))
    layer = KINDS[kind](6, return_sequences=True, dtype="float64")
    other = layers.RNN(layer.cell_class(6, dtype="float64"), return_sequences=True, dtype="float64")
    expected = layer(x_BTD)
    other.build(x_BTD.shape)
    other.set_weights(layer.get_weights())
    assert layer.kernel_report(x_BTD).tier == fastest() and other.kernel_report(x_BTD).tier == "generic"
    np.testing.assert_allclose(other(x_BTD), expected, atol=1e-12)


@pytest.mark.parametrize("tier", ("fused", "generic"))
@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_in_a_masked_step_reaches_nothing(kind, tier):
    rng = np.random.default_rng(0)
    mask_BT = np.array([[True, True, False], [False, True, True]])
    clean = rng.normal(size=(2, 3, 4))
    dirty = np.where(mask_BT[:, :, None], clean, np.nan)
    options = {"units": 3, "dtype": "float64", "return_sequences": True}
    found = [run(tier, kind, options, x, mask_BT, None, False) for x in (clean, dirty)]
    for name, value in found[0].items():
        np.testing.assert_array_equal(found[1][name], value, err_msg=name)


slow = pytest.mark.host_only("what could be too deep is the graph, which is the same on all arrays")


@pytest.mark.parametrize("tier", ("cudnn", "fused", pytest.param("generic", marks=slow)))
@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_steps_train(kind, tier):
    layer = KINDS[kind](2)
    x_BTD = np.random.default_rng(0).normal(size=(1, 10_000, 2)).astype("float32")
    with kernels.use_tier(tier):
        y = layer(x_BTD)
        y.sum().backward()
    del y
    assert all(np.isfinite(w.grad.numpy()).all() and np.abs(w.grad.numpy()).max() > 0 for w in layer.weights)


def test_second_order_is_the_generic_tiers_alone():
    layer = layers.LSTM(3, dtype="float64")
    x_BTD = np.random.default_rng(0).normal(size=(2, 3, 4))
    layer.build(x_BTD.shape)

    def slope(x):
        return minirnn.grad(lambda x: (layer(x) ** 2).sum())(x).sum()

    with pytest.raises(NotImplementedError, match=r"'lstm' has no second derivative.*use_tier\('generic'\)"):
        minirnn.grad(slope)(convert(x_BTD))
    with kernels.use_tier("generic"):
        second = minirnn.grad(slope)(convert(x_BTD))
        step = np.zeros_like(x_BTD)
        step[1, 2, 0] = 1e-5
        difference = slope(convert(x_BTD + step)).item() - slope(convert(x_BTD - step)).item()
    np.testing.assert_allclose(second.numpy()[1, 2, 0], difference / 2e-5, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_generic_loop_costs_the_same_a_step_whatever_the_number_of_steps(kind):
    """Nodes are counted, not time: indexing the sequence at each step would make each a copy of it."""
    counts = []
    for time in (10, 20, 40):
        layer = KINDS[kind](2)
        with kernels.use_tier("generic"):
            y = layer(np.zeros((1, time, 2), "float32"))
        seen, stack = set(), [y.node]
        while stack:
            node = stack.pop()
            if node is not None and id(node) not in seen:
                seen.add(id(node))
                stack += [t.node for t in node.inputs if isinstance(t, minirnn.Tensor)]
        counts.append(len(seen))
    assert counts[2] - counts[1] == 2 * (counts[1] - counts[0])


def test_structures_of_the_two_tiers_are_the_same():
    x_BTD = np.zeros((2, 3, 4), "float32")
    for kind, cls in KINDS.items():
        layer = cls(3, return_state=True, name=kind)
        fused = layer(x_BTD)
        with kernels.use_tier("generic"):
            generic = layer(x_BTD)
        assert type(fused) is type(generic) is tuple
        tree.assert_same_structure(fused, generic)
