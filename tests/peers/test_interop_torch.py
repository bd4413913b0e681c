"""`interop.from_torch` and `interop.to_torch`: outputs, last states and gradients are PyTorch's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minirnn
from minirnn import interop, layers
from tests.arrays import leaf

KINDS = {"RNN": layers.SimpleRNN, "GRU": layers.GRU, "LSTM": layers.LSTM}
# Written here once more, so that a wrong order in minirnn finds none like it.
ORDER = {"RNN": [0], "GRU": [1, 0, 2], "LSTM": [0, 1, 2, 3]}
B, T, D, H = 3, 5, 4, 6

options = st.fixed_dictionaries(
    {
        "num_layers": st.integers(1, 3),
        "bidirectional": st.booleans(),
        "bias": st.booleans(),
        "batch_first": st.booleans(),
        "dtype": st.sampled_from(["float32", "float64"]),
    }
)


def made(torch, kind, nonlinearity="tanh", **options):
    torch.manual_seed(0)
    options["dtype"] = getattr(torch, options.get("dtype", "float64"))
    if kind == "RNN":
        options["nonlinearity"] = nonlinearity
    return getattr(torch.nn, kind)(D, H, **options)


def tolerance(dtype):
    return 2e-5 if dtype == "float32" else 1e-11


def theirs(torch, module, x_BTD):
    """Return the output, batch first, and the states, layer by layer, as layers of minirnn return them."""
    x = x_BTD if module.batch_first else x_BTD.transpose(0, 1)
    y, last = module(x)
    last = last if isinstance(last, tuple) else (last,)
    states = [part[i] for i in range(last[0].shape[0]) for part in last]
    return [y if module.batch_first else y.transpose(0, 1), *states]


def keras_layout(kind, rows):
    """Return rows of gates, as PyTorch has them, as columns, as Keras does."""
    return np.concatenate([np.split(rows, len(ORDER[kind]))[i] for i in ORDER[kind]]).T


def gradients_of(kind, module):
    """Return the gradients of a module in the order and layout of minirnn's weights."""
    found = []
    for number in range(module.num_layers):
        for suffix in ("", "_reverse") if module.bidirectional else ("",):
            names = ("weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if module.bias else ()))
            rows = [getattr(module, f"{n}_l{number}{suffix}").grad.numpy() for n in names]
            kernel, recurrent, *biases = [keras_layout(kind, r) for r in rows]
            found += [kernel, recurrent]
            if module.bias:
                found.append(np.stack(biases) if kind == "GRU" else biases[0])
    return found


def assert_equal_to(torch, kind, module, ours):
    """Compare outputs, states and gradients for random cotangents."""
    dtype = str(next(module.parameters()).dtype).removeprefix("torch.")
    rng, atol = np.random.default_rng(1), tolerance(dtype)
    data = rng.normal(size=(B, T, D)).astype(dtype)
    x, x_t = leaf(data), torch.tensor(data, requires_grad=True)
    got, want = minirnn.tree.flatten(ours(x)), theirs(torch, module, x_t)
    assert len(got) == len(want)
    weights = [rng.normal(size=tuple(w.shape)).astype(dtype) for w in want]
    sum((y * w).sum() for y, w in zip(got, weights)).backward()
    sum((y * torch.from_numpy(w)).sum() for y, w in zip(want, weights)).backward()
    for y, y_t in zip(got, want):
        assert y.dtype == dtype
        np.testing.assert_allclose(y.numpy(), y_t.detach().numpy(), atol=atol)
    np.testing.assert_allclose(x.grad.numpy(), x_t.grad.numpy(), atol=10 * atol)
    slopes = gradients_of(kind, module)
    assert len(slopes) == len(ours.trainable_weights)
    for weight, slope in zip(ours.trainable_weights, slopes):
        np.testing.assert_allclose(weight.grad.numpy(), slope, atol=10 * atol)


@pytest.mark.parametrize("kind, nonlinearity", [("RNN", "tanh"), ("RNN", "relu"), ("GRU", ""), ("LSTM", "")])
@settings(max_examples=10)
@given(options=options)
def test_a_module_that_was_read_gives_pytorchs_outputs_states_and_gradients(
    torch, kind, nonlinearity, options
):
    module = made(torch, kind, nonlinearity, **options)
    assert_equal_to(torch, kind, module, interop.from_torch(module, return_state=True))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10)
@given(options=options, return_sequences=st.booleans())
def test_without_states_a_module_is_a_layer_or_a_sequential(torch, kind, options, return_sequences):
    module = made(torch, kind, **options)
    ours = interop.from_torch(module, return_sequences=return_sequences, name="read")
    assert ours.name == "read"
    plain = layers.Bidirectional if options["bidirectional"] else KINDS[kind]
    assert type(ours) is (plain if options["num_layers"] == 1 else minirnn.Sequential)
    x = np.random.default_rng(1).normal(size=(B, T, D)).astype(options["dtype"])
    with torch.no_grad():
        y, *states = theirs(torch, module, torch.from_numpy(x))
    if not return_sequences:
        count = 2 if kind == "LSTM" else 1  # h of each direction
        y = torch.cat(states[-2 * count :: count] if options["bidirectional"] else states[-count::count], 1)
    np.testing.assert_allclose(ours(x).numpy(), y.numpy(), atol=tolerance(options["dtype"]))


@pytest.mark.parametrize("bidirectional", (False, True))
@pytest.mark.parametrize("kind", KINDS)
def test_one_layer_starts_from_given_states_as_pytorchs_does(torch, kind, bidirectional):
    module = made(torch, kind, bidirectional=bidirectional, batch_first=True)
    ours = interop.from_torch(module, return_state=True)
    rng, directions = np.random.default_rng(1), 2 if bidirectional else 1
    x = rng.normal(size=(B, T, D))
    states = [rng.normal(size=(directions, B, H)) for _ in range(2 if kind == "LSTM" else 1)]
    start = [torch.from_numpy(s) for s in states]
    with torch.no_grad():
        y, last = module(torch.from_numpy(x), tuple(start) if kind == "LSTM" else start[0])
    got = ours(x, initial_state=[s[i] for i in range(directions) for s in states])
    last = last if kind == "LSTM" else (last,)
    for ours_, theirs_ in zip(got, [y, *(s[i] for i in range(directions) for s in last)]):
        np.testing.assert_allclose(ours_.numpy(), theirs_.numpy(), atol=1e-12)


@pytest.mark.parametrize("bias", (False, True))
@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_goes_both_ways(torch, kind, bias):
    torch.manual_seed(0)
    module = getattr(torch.nn, f"{kind}Cell")(D, H, bias=bias, dtype=torch.float64)
    cell = interop.from_torch(module)
    back = interop.to_torch(cell)
    assert type(cell) is KINDS[kind].cell_class and type(back) is type(module)
    rng = np.random.default_rng(1)
    x, *states = [rng.normal(size=(B, n)) for n in ([D, H, H] if kind == "LSTM" else [D, H])]
    _, new = cell(x, states)
    start = [torch.from_numpy(s) for s in states]
    for peer in (module, back):
        with torch.no_grad():
            want = peer(torch.from_numpy(x), tuple(start) if kind == "LSTM" else start[0])
        for got, state in zip(new, want if kind == "LSTM" else [want]):
            np.testing.assert_allclose(got.numpy(), state.numpy(), atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10)
@given(options=options, return_state=st.booleans(), dropout=st.sampled_from([0.0, 0.5]))
def test_there_and_back_is_the_same_module(torch, kind, options, return_state, dropout):
    dropout = dropout if options["num_layers"] > 1 else 0.0
    module = made(torch, kind, dropout=dropout, **options)
    ours = interop.from_torch(module, return_state=return_state)
    back = interop.to_torch(ours, batch_first=options["batch_first"])
    assert repr(back) == repr(module)
    got, want = back.state_dict(), module.state_dict()
    assert list(got) == list(want)
    if kind != "GRU" and options["bias"]:  # of two biases their sum is kept
        for values in (got, want):
            for name in [n for n in values if n.startswith("bias_ih")]:
                values[name] = values[name] + values.pop(name.replace("ih", "hh"))
    assert all(torch.equal(got[name], want[name]) for name in want)
    again = interop.from_torch(back, return_state=return_state)
    assert all(np.array_equal(a, b) for a, b in zip(again.get_weights(), ours.get_weights(), strict=True))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10)
@given(
    count=st.integers(1, 3),
    bidirectional=st.booleans(),
    use_bias=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
    as_model=st.booleans(),
)
def test_layers_become_a_module_with_their_outputs_and_gradients(
    torch, kind, count, bidirectional, use_bias, dtype, as_model
):
    def layer(return_state):
        inner = KINDS[kind](
            H, use_bias=use_bias, return_sequences=True, return_state=return_state, dtype=dtype
        )
        return layers.Bidirectional(inner, dtype=dtype) if bidirectional else inner

    if count == 1 and not as_model:
        ours = layer(True)
        ours.build((None, None, D))
    else:
        y = x = layers.Input((None, D), dtype=dtype)
        states = []
        for _ in range(count):
            y, *new = layer(True)(y)
            states += new
        ours = minirnn.Model(x, [y, *states])
    rng = np.random.default_rng(2)
    ours.set_weights([rng.uniform(-0.5, 0.5, w.shape).astype(dtype) for w in ours.get_weights()])
    module = interop.to_torch(ours)
    assert module.num_layers == count
    assert_equal_to(torch, kind, module, ours)


def test_an_rnn_of_a_cell_and_a_layer_of_other_names_for_its_functions_become_modules(torch):
    layer = layers.RNN(layers.GRUCell(H, activation=minirnn.ops.tanh), return_sequences=True)
    x = np.random.default_rng(1).normal(size=(B, T, D)).astype("float32")
    y = layer(x).numpy()
    with torch.no_grad():
        found = interop.to_torch(layer)(torch.from_numpy(x))[0].numpy()
    np.testing.assert_allclose(found, y, atol=1e-5)


def test_the_last_output_of_a_layer_is_the_last_state_of_the_module(torch):
    model = minirnn.Sequential(
        [layers.Input((None, D)), layers.LSTM(H, return_sequences=True), layers.LSTM(H)]
    )
    x = np.random.default_rng(1).normal(size=(B, T, D)).astype("float32")
    with torch.no_grad():
        h_n = interop.to_torch(model)(torch.from_numpy(x))[1][0]
    np.testing.assert_allclose(h_n[-1].numpy(), model(x).numpy(), atol=1e-5)


def test_dropout_stands_between_layers_and_acts_in_training_alone(torch):
    module = made(torch, "LSTM", num_layers=3, dropout=0.5, batch_first=True)
    model = interop.from_torch(module)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == ["LSTM", "Dropout", "LSTM", "Dropout", "LSTM"]
    x = np.random.default_rng(1).normal(size=(B, T, D))
    with torch.no_grad():
        want = module.eval()(torch.from_numpy(x))[0].numpy()
    np.testing.assert_allclose(model(x).numpy(), want, atol=1e-12)
    assert abs(model(x, training=True).numpy() - want).max() > 1e-3


def test_weights_are_copies(torch):
    module = made(torch, "GRU")
    layer = interop.from_torch(module)
    before = [w.copy() for w in layer.get_weights()]
    with torch.no_grad():
        for p in module.parameters():
            p.zero_()
    assert all(np.array_equal(a, b) for a, b in zip(layer.get_weights(), before))


def test_what_cannot_be_read_is_refused_by_name(torch):
    class Own(torch.nn.GRU):
        def forward(self, x):
            return x

    with pytest.raises(ValueError, match=r"LSTM has proj_size=3"):
        interop.from_torch(torch.nn.LSTM(D, H, proj_size=3))
    with pytest.raises(ValueError, match=r"GRU has weights of torch\.bfloat16"):
        interop.from_torch(torch.nn.GRU(D, H, dtype=torch.bfloat16))
    with pytest.raises(ValueError, match=r"RNN has dropout=1\.0"):
        interop.from_torch(torch.nn.RNN(D, H, num_layers=2, dropout=1.0))
    with pytest.raises(ValueError, match=r"Own has a forward\(\) of its own"):
        interop.from_torch(Own(D, H))
    with pytest.raises(TypeError, match=r"got Linear"):
        interop.from_torch(torch.nn.Linear(D, H))
