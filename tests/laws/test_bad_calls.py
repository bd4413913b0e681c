"""What a layer cannot be called on is refused before anything has changed, and the next good call works."""

import numpy as np
import pytest

import minirnn
from minirnn import layers
from tests.laws.bad_input import check_refused, snapshot

B, T, D, H = 4, 5, 3, 2


def x_BTD(*shape):
    return np.random.default_rng(0).standard_normal(shape or (B, T, D)).astype("float32")


# Every way to a recurrent layer, with dropout and a seed, which a refused call must not draw from either.
MAKERS = {
    "SimpleRNN": lambda **options: layers.SimpleRNN(H, dropout=0.5, seed=1, **options),
    "GRU": lambda **options: layers.GRU(H, dropout=0.5, seed=1, **options),
    "LSTM": lambda **options: layers.LSTM(H, dropout=0.5, seed=1, **options),
    "RNN": lambda **options: layers.RNN(layers.LSTMCell(H, dropout=0.5, seed=1), **options),
    "stacked": lambda **options: layers.RNN(
        [layers.GRUCell(H, dropout=0.5, seed=1), layers.LSTMCell(H)], **options
    ),
    "Bidirectional": lambda **options: layers.Bidirectional(layers.GRU(H, dropout=0.5, seed=1, **options)),
    "TimeDistributed": lambda **options: layers.TimeDistributed(layers.Dropout(0.5, seed=1), **options),
}
RECURRENT = [name for name in MAKERS if name != "TimeDistributed"]
STATES = {"SimpleRNN": 1, "GRU": 1, "LSTM": 2, "RNN": 2, "stacked": 3, "Bidirectional": 2}
# Who may speak: a cell or a half knows better what is wrong, and says whose it is.
CLASSES = {
    "stacked": "RNN|GRUCell",
    "RNN": "RNN|LSTMCell",
    "Bidirectional": "Bidirectional|'forward_mine'|'backward_mine'",
}
every_kind = pytest.mark.parametrize("kind", list(MAKERS))
recurrent = pytest.mark.parametrize("kind", RECURRENT)
built_or_not = pytest.mark.parametrize("built", [False, True], ids=["unbuilt", "built"])


def made(kind, built=True, **options):
    layer = MAKERS[kind](name="mine", **options)
    if built:
        layer(x_BTD(), training=True)
    return layer


def refused_by(kind, layer, call, *words):
    """Refused in the layer's name, with nothing changed, and a good call works afterwards."""
    check_refused(call, CLASSES.get(kind, kind), *words, unchanged=[layer])
    outputs = layer(x_BTD(), training=True)
    assert np.isfinite(np.asarray(minirnn.tree.flatten(outputs)[0])).all()


@every_kind
@built_or_not
@pytest.mark.parametrize("shape", [(), (B,), (B, T), (B, T, D, 1), (B, 0, D)], ids=str)
def test_inputs_of_another_rank_or_without_steps(kind, built, shape):
    layer = made(kind, built)
    if kind == "TimeDistributed" and len(shape) == 4:
        return
    words = ["time"] if shape[1:2] == (0,) else ["axes|shape"]
    # A cell speaks of one step.
    step = str(shape[:1] + shape[2:])
    got = "scalar|()" if shape == () else f"{shape}|{step}" if kind in ("RNN", "stacked") else str(shape)
    refused_by(kind, layer, lambda: layer(np.zeros(shape, "float32"), training=True), *words, got)


@recurrent
@pytest.mark.parametrize("features", [D - 1, D + 1, 0])
def test_inputs_with_another_number_of_features(kind, features):
    layer = made(kind)
    refused_by(kind, layer, lambda: layer(x_BTD(B, T, features), training=True), str(features), str(D))


NO_ARRAYS = {
    "object": np.array([[[1, None, "a"]]], object),
    "text": np.array([[["a", "b", "c"]]]),
    "ragged": [[[1.0, 2.0, 3.0]], [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]],
    "complex": np.zeros((B, T, D), complex),
    "dates": np.zeros((B, T, D), "datetime64[s]"),
    "None": None,
    "str": "abc",
    "function": len,
}


@every_kind
@built_or_not
@pytest.mark.parametrize("value", NO_ARRAYS.values(), ids=NO_ARRAYS)
def test_inputs_that_are_no_arrays_of_numbers(kind, built, value):
    layer = made(kind, built)
    refused_by(kind, layer, lambda: layer(value, training=True), "inputs|input|array|numbers|sequences")


@recurrent
@built_or_not
@pytest.mark.parametrize(
    "shape", [(B, T + 1), (B + 1, T), (B,), (T,), (T, B), (B, T, 1), (B, T, D), (), (1, T)], ids=str
)
def test_a_mask_of_another_shape(kind, built, shape):
    layer = made(kind, built)
    mask = np.ones(shape, bool)
    refused_by(kind, layer, lambda: layer(x_BTD(), mask=mask, training=True), "mask", str((B, T)), str(shape))


@recurrent
@pytest.mark.parametrize(
    "mask",
    ["abc", np.array([["a"] * T] * B), np.full((B, T), None), len],
    ids=["str", "text", "object", "function"],
)
def test_a_mask_that_is_no_array_of_bools(kind, mask):
    layer = made(kind)
    refused_by(kind, layer, lambda: layer(x_BTD(), mask=mask, training=True), "mask")


@recurrent
@built_or_not
@pytest.mark.parametrize(
    "change", ["one less", "one more", "none", "batch", "units", "rank", "text", "object", "str"]
)
def test_initial_states_of_another_number_or_shape(kind, built, change):
    layer = made(kind, built)
    states = [np.zeros((B, H), "float32") for _ in range(STATES[kind])]
    match change:
        case "one less":
            states = states[:-1]
        case "one more":
            states += states[:1]
        case "none":
            states = []
        case "batch":
            states[-1] = np.zeros((B + 1, H), "float32")
        case "units":
            states[-1] = np.zeros((B, 2 * H), "float32")
        case "rank":
            states[-1] = np.zeros((H,), "float32")
        case "text":
            states[-1] = np.full((B, H), "a")
        case "object":
            states[-1] = np.full((B, H), None)
        case "str":
            states = "zeros"
    refused_by(
        kind, layer, lambda: layer(x_BTD(), initial_state=states, training=True), "initial_state|state"
    )


@recurrent
def test_a_stateful_layer_that_meets_another_batch_size(kind):
    layer = made(kind, stateful=True)
    for size in (B - 1, B + 1, 1, 0):
        refused_by(
            kind,
            layer,
            lambda size=size: layer(x_BTD(size, T, D), training=True),
            "stateful",
            str(B),
            str(size),
        )


@recurrent
def test_a_stateful_layer_is_as_it_was_after_any_refused_call(kind):
    layer = made(kind, stateful=True)
    if kind == "Bidirectional":
        # The forward half must not have gone on where the backward half cannot.
        assert all(np.asarray(s).any() for s in layer.states)
    bad_states = [np.zeros((B, H), "float32")] * (STATES[kind] - 1) + [np.zeros((B, H + 1), "float32")]
    check_refused(lambda: layer(x_BTD(), initial_state=bad_states), unchanged=[layer])
    check_refused(lambda: layer(x_BTD(), mask=np.ones((B, T + 1), bool)), unchanged=[layer])
    check_refused(lambda: layer(x_BTD(B, T, D + 1)), unchanged=[layer])


@pytest.mark.parametrize("kind", [k for k in RECURRENT if k != "Bidirectional"])
def test_states_to_reset_to_of_another_shape(kind):
    layer = made(kind, stateful=True)
    good = [np.ones((B, H), "float32")] * STATES[kind]
    for states in (
        [np.ones((B, H + 1))] * STATES[kind],
        good[:-1],
        good + good,
        "zeros",
        [np.full((B, H), "a")] * STATES[kind],
    ):
        check_refused(
            lambda states=states: layer.reset_state(states),
            CLASSES.get(kind, kind),
            "state",
            unchanged=[layer],
        )
    layer.reset_state(good)
    other = made(kind)
    check_refused(lambda: other.reset_state(good), CLASSES.get(kind, kind), "stateful")


@recurrent
def test_a_symbolic_call_that_cannot_be(kind):
    layer = made(kind)
    before = snapshot([layer])
    for shape in [(T,), (T, D + 1), (T, D, 1)]:
        check_refused(lambda shape=shape: layer(layers.Input(shape)), CLASSES.get(kind, kind), "got")
    check_refused(
        lambda: layer(layers.Input((T, D)), initial_state=[layers.Input((H + 1,))] * STATES[kind]),
        "initial_state",
    )
    check_refused(
        lambda: layer(layers.Input((T, D)), initial_state=[layers.Input((H,))] * 5), "initial_state"
    )
    assert snapshot([layer]) == before
    check_refused(lambda: made(kind, False, stateful=True)(layers.Input((T, D))), "stateful", "batch")


@every_kind
def test_build_for_a_shape_that_cannot_be(kind):
    for shape in [(), (None,), (None, None), "abc", 3, None, (None, None, None), (B, T, -1), (B, T, "a")]:
        layer = made(kind, False)
        if kind == "TimeDistributed" and shape not in [(), (None,), (None, None)]:
            continue
        check_refused(lambda shape=shape, layer=layer: layer.build(shape), unchanged=[layer])
        layer(x_BTD())


@pytest.mark.parametrize("kind", [*RECURRENT, "Dense", "Embedding", "BatchNormalization", "Sequential"])
def test_weights_of_another_number_or_shape(kind):
    if kind in MAKERS:
        layer = made(kind)
    else:
        layer = {
            "Dense": lambda: layers.Dense(2),
            "Embedding": lambda: layers.Embedding(4, 2),
            "BatchNormalization": lambda: layers.BatchNormalization(),
            "Sequential": lambda: minirnn.Sequential([layers.LSTM(2), layers.Dense(3)]),
        }[kind]()
        layer(np.zeros((B, T), int) if kind == "Embedding" else x_BTD())
    weights = layer.get_weights()
    name = CLASSES.get(kind, kind)
    for bad in (
        weights[:-1],
        weights + weights[:1],
        [],
        [*weights[:-1], weights[-1][..., :-1]],
        [*weights[:-1], weights[-1][None]],
        [*weights[:-1], np.float32(0)],
        [*weights[:-1], np.full(weights[-1].shape, "a")],
        [*weights[:-1], np.full(weights[-1].shape, None)],
        [*weights[:-1], weights[-1] + 1j],
        [*weights[:-1], None],
        [*weights[:-1], "abc"],
        "abc",
    ):
        check_refused(lambda bad=bad: layer.set_weights(bad), name, "weight", unchanged=[layer])
    layer.set_weights(weights)
    unbuilt = layers.LSTM(2)
    check_refused(lambda: unbuilt.set_weights(weights[:1]), "LSTM", "built", unchanged=[unbuilt])


@pytest.mark.parametrize(
    "value", [4, 5, -1, 2**31, 10**12, -(2**40), 4.0, 1e20, float("nan"), float("-inf")], ids=repr
)
def test_an_embedding_index_out_of_range(value):
    layer = layers.Embedding(4, 2, name="words", mask_zero=True)
    for built in (False, True):
        ids = np.array([[0, 1, 2], [3, value, 0]])
        check_refused(
            lambda ids=ids: layer(ids),
            "Embedding 'words'",
            "[0, 4)",
            "(1, 1)",
            unchanged=[layer] if built else [],
        )
        check_refused(lambda ids=ids: layer(ids.tolist()), "Embedding 'words'", "[0, 4)", unchanged=[layer])
        layer(np.array([[0, 3]]))


@pytest.mark.parametrize("value", NO_ARRAYS.values(), ids=NO_ARRAYS)
def test_embedding_indices_that_are_no_numbers(value):
    layer = layers.Embedding(4, 2)
    check_refused(lambda: layer(value), "Embedding")
    layer([[0, 1]])


def dense():
    return layers.Dense(2, name="mine")


OTHERS = [
    (dense, lambda layer: layer(x_BTD(B, D + 1)), ["Dense 'mine'", "3", "4"]),
    (dense, lambda layer: layer(np.float32(3)), ["Dense 'mine'"]),
    (dense, lambda layer: layer(np.zeros((D,), "float32")), ["Dense 'mine'", "axes", "(3,)"]),
    (dense, lambda layer: layer(), ["Dense|call"]),
    (dense, lambda layer: layer(x_BTD(), 3, 4, 5), ["Dense|call"]),
    (dense, lambda layer: layer(x_BTD(), nosuch=3), ["Dense|call", "nosuch"]),
    (
        lambda: layers.BatchNormalization(name="mine"),
        lambda layer: layer(x_BTD(B, D + 1)),
        ["'mine'", "3", "4"],
    ),
    (
        lambda: layers.LayerNormalization(name="mine"),
        lambda layer: layer(x_BTD(B, T, D + 1)),
        ["'mine'", "3", "4"],
    ),
    (
        lambda: layers.Reshape((2, 4), name="mine"),
        lambda layer: layer(x_BTD()),
        ["Reshape 'mine'", "(2, 4)", "(4, 5, 3)|(5, 3)"],
    ),
    (
        lambda: layers.Permute((2, 1), name="mine"),
        lambda layer: layer(x_BTD(B, 2, 2, 2)),
        ["Permute 'mine'", "(4, 2, 2, 2)"],
    ),
    (
        lambda: layers.RepeatVector(2, name="mine"),
        lambda layer: layer(x_BTD()),
        ["RepeatVector 'mine'", "(4, 5, 3)"],
    ),
    (
        lambda: layers.Add(name="mine"),
        lambda layer: layer([x_BTD(B, 2), x_BTD(B, 3)]),
        ["Add 'mine'", "(4, 2)", "(4, 3)"],
    ),
    (lambda: layers.Add(name="mine"), lambda layer: layer(x_BTD()), ["Add 'mine'", "list"]),
    (lambda: layers.Subtract(name="mine"), lambda layer: layer([x_BTD()] * 3), ["Subtract 'mine'", "2", "3"]),
    (
        lambda: layers.Concatenate(name="mine"),
        lambda layer: layer([x_BTD(B, 2, 3), x_BTD(B, 3, 2)]),
        ["Concatenate 'mine'", "(4, 2, 3)"],
    ),
    (
        lambda: layers.Concatenate(axis=5, name="mine"),
        lambda layer: layer([x_BTD(B, 2), x_BTD(B, 3)]),
        ["Concatenate 'mine'", "axis", "5"],
    ),
    (
        lambda: layers.Dot(axes=1, name="mine"),
        lambda layer: layer([x_BTD(B, 2), x_BTD(B, 3)]),
        ["Dot 'mine'", "(4, 2)", "(4, 3)"],
    ),
    (
        lambda: layers.Dot(axes=1, name="mine"),
        lambda layer: layer([x_BTD(B, 2)] * 3),
        ["Dot 'mine'", "2", "3"],
    ),
    (lambda: layers.Dot(axes=4, name="mine"), lambda layer: layer([x_BTD(B, 2)] * 2), ["Dot 'mine'", "4"]),
    (
        lambda: layers.Dropout(0.5, noise_shape=(None, 2), name="mine"),
        lambda layer: layer(x_BTD(), training=True),
        ["Dropout 'mine'", "noise_shape"],
    ),
    (lambda: layers.Softmax(name="mine"), lambda layer: layer(np.float32(1)), ["softmax"]),
    (lambda: layers.Flatten(name="mine"), lambda layer: layer(np.float32(1)), ["Flatten 'mine'"]),
    (lambda: layers.Rescaling(2.0, name="mine"), lambda layer: layer("abc"), ["Rescaling 'mine'"]),
    (
        lambda: layers.Activation("softmax", name="mine"),
        lambda layer: layer(np.float32(1)),
        ["Activation 'mine'|softmax"],
    ),
    (
        lambda: layers.LSTMCell(H, name="mine"),
        lambda layer: layer(x_BTD(B, D), [np.zeros((B, H))]),
        ["LSTMCell|states", "2"],
    ),
    (
        lambda: layers.LSTMCell(H, name="mine"),
        lambda layer: layer(x_BTD(B, D), [np.zeros((B, H + 1))] * 2),
        ["LSTMCell|states"],
    ),
    (
        lambda: layers.GRUCell(H, name="mine"),
        lambda layer: layer(x_BTD(B, D + 1), [np.zeros((B, H))]),
        ["GRUCell 'mine'", "3", "4"],
    ),
]


@pytest.mark.parametrize(
    "make, call, words", [pytest.param(*c, id=f"{n}-{c[2][0]}") for n, c in enumerate(OTHERS)]
)
def test_what_no_other_layer_can_be_called_on(make, call, words):
    layer = make()
    good = {"Dense": x_BTD(B, D), "BatchNormalization": x_BTD(B, D), "LayerNormalization": x_BTD()}.get(
        type(layer).__name__
    )
    if isinstance(layer, layers.GRUCell | layers.LSTMCell):
        layer(x_BTD(B, D), layer.get_initial_state(B))
    if good is not None:
        layer(good)
    check_refused(lambda: call(layer), *words, unchanged=[layer])
    if good is not None:
        layer(good)


def test_a_cell_that_returns_something_else():
    class Wrong(layers.Layer):
        state_size = 2

        def __init__(self, result):
            super().__init__()
            self.result = result

        def call(self, inputs, states):
            return self.result(inputs, states)

    for result in (
        lambda x, s: x,
        lambda x, s: (x, s, s),
        lambda x, s: (x, []),
        lambda x, s: (x, [s[0], s[0]]),
        lambda x, s: (x, [x]),
        lambda x, s: None,
        lambda x, s: (x, None),
        lambda x, s: (x, ["a"]),
    ):
        layer = layers.RNN(Wrong(result), stateful=True)
        check_refused(lambda layer=layer: layer(x_BTD()), "RNN|numbers", "Wrong|numbers")
        assert layer.states is None or not any(np.asarray(s).any() for s in layer.states)


def test_nested_inputs_that_do_not_go_together():
    class Both(layers.Layer):
        state_size = 2

        def call(self, inputs, states):
            return inputs["a"], states

    layer = layers.RNN(Both())
    check_refused(
        lambda: layer({"a": x_BTD(), "b": x_BTD(B, T + 1, D)}), "RNN", "time|steps", str((B, T + 1))
    )
    check_refused(lambda: layer({"a": x_BTD(), "b": x_BTD(B + 1, T, D)}), "RNN", "batch")
    check_refused(lambda: layer({}), "RNN", "input")
    check_refused(lambda: layer([]), "RNN", "input")
