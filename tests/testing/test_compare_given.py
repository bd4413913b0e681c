"""`compare` on objects and arguments of the user's: what is refused, what is put back, and in which dtype."""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minirnn
from minirnn import layers
from minirnn.testing import Case, Disagreement, assert_agree, compare, strategies
from minirnn.testing.process import _what_brings, receive, send

x_BTD = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")


def model(*stack):
    return minirnn.Sequential([layers.Input((5, 3)), *stack])


def dropping():
    return model(
        layers.GRU(4, dropout=0.5, return_sequences=True), layers.BatchNormalization(), layers.LSTM(2)
    )


def held(layer):
    return [np.array(v) for v in layer.variables]


@pytest.mark.parametrize(
    "one, other, inputs, options",
    [
        (layers.GRU(4), layers.GRU(4), x_BTD, {"arguments": {"trainning": True}}),
        (layers.LSTMCell(4), layers.LSTMCell(4), x_BTD[:, 0], {}),
        ("minirnn", "minirnn:generic", Case({"class": "LSTM", "unit": 4}, (2, 5, 3)), {}),
    ],
    ids=["an argument with a typing error", "states that are missing", "an option with a typing error"],
)
def test_a_call_that_both_refuse_is_no_agreement_unless_it_is_meant_to_be_refused(
    one, other, inputs, options
):
    assert compare(one, other, inputs, **options).status == "both refused"
    with pytest.raises(Disagreement, match="Nothing was compared") as caught:
        assert_agree(one, other, inputs, **options)
    assert all(refusal and refusal in str(caught.value) for refusal in caught.value.report.refusals)
    assert_agree(one, other, inputs, refusal_ok=True, **options)


def test_a_case_with_something_wrong_is_meant_to_be_refused():
    wrong = Case({"class": "GRU", "units": 1}, (1, 1, 1), wrong="inputs: no time axis")
    assert assert_agree("minirnn", "minirnn:generic", wrong).status == "both refused"


@pytest.mark.parametrize(
    "options, words",
    [
        ({"optimizer": "adamm"}, "no optimizer"),
        ({"optimizer": {"class": "Adam", "rate": 1}}, "no optimizer"),
        ({"optimizer": {"learning_rate": 0.1}}, "optimizer must be a name"),
        ({"weights": [np.zeros(3)]}, "weights must have the shapes"),
        ({"weights": "mine"}, '"own" or "candidate"'),
    ],
)
def test_what_neither_side_could_take_is_refused_before_they_are_asked(options, words):
    with pytest.raises(ValueError, match=words):
        compare(layers.GRU(4), layers.GRU(4), x_BTD, steps=1, **options)


def test_a_case_with_a_value_that_there_is_not_is_refused():
    some: list[dict[str, Any]] = [{"wrong": "something"}, {"optimizer": "adamm"}]
    for options in some:
        with pytest.raises(ValueError, match=r"Case: wrong|no optimizer"):
            Case({"class": "GRU", "units": 1}, (1, 1, 1), **options)


@pytest.mark.parametrize(
    "strategy, words",
    [
        (strategies.masks(2, 3, forms=("nope",)), "forms must be .* got 'nope'"),
        (strategies.cases(kinds=("GRU", "Lstm")), "kinds must be .* got 'Lstm'"),
        (strategies.layers(kinds=()), "kinds must be .* got none"),
        (strategies.cells(kinds="GRU"), "kinds must be .* got 'GRU'"),
    ],
)
def test_a_strategy_names_what_it_cannot_draw(strategy, words):
    @settings(database=None)
    @given(strategy)
    def draw(_):
        """Nothing is asked of it."""

    with pytest.raises(ValueError, match=words):
        draw()


@settings(max_examples=5)
@given(strategies.cases(kinds="LSTM"))
def test_one_kind_may_be_given_as_a_string(case):
    assert case.layer["class"] == "LSTM"


def test_an_optimizer_may_be_a_name():
    names = {
        d.name
        for d in assert_agree(layers.GRU(2), layers.GRU(2), x_BTD, steps=2, optimizer="adam").differences
    }
    assert "weight 0 kernel after 2 steps" in names
    assert_agree(
        "minirnn", "minirnn:generic", Case({"class": "GRU", "units": 1}, (1, 2, 1), steps=1, optimizer="sgd")
    )


@pytest.mark.parametrize("weights", [None, "own", "candidate"])
def test_layers_with_weights_are_given_back_as_they_were(weights):
    one, other = dropping(), dropping()
    before = [held(one), held(other)]
    arguments = {"training": True}
    compare(one, other, x_BTD, steps=2, weights=weights, arguments=arguments, optimizer="adam")
    for model, kept in zip((one, other), before):
        assert all(np.array_equal(a, b) for a, b in zip(held(model), kept, strict=True))


@pytest.mark.parametrize("called", [False, True])
def test_a_stateful_layer_is_given_back_with_the_states_that_it_carried(called):
    one, other = layers.GRU(2, stateful=True), layers.GRU(2, stateful=True)

    def carried() -> np.ndarray:
        states: Any = one.states
        return np.array(states[0])

    if called:
        one(x_BTD)
        other(x_BTD)
        other.set_weights(one.get_weights())
        other.reset_state(one.states)
    before = carried() if called else np.zeros((2, 2))
    assert_agree(one, other, x_BTD, calls=2)
    assert np.array_equal(carried(), before)


def test_two_trained_models_are_compared_as_they_are():
    one, other = model(layers.GRU(4)), model(layers.GRU(4))
    report = compare(one, other, x_BTD)
    assert not report.agreed and "kept its own weights, which differ" in str(report)
    assert_agree(one, other, x_BTD, weights="candidate")
    other.set_weights(one.get_weights())
    assert_agree(one, other, x_BTD)


def test_layers_that_were_new_go_on_from_the_same_weights():
    one, other = layers.GRU(4), layers.GRU(4)
    assert_agree(one, other, x_BTD, steps=1)
    assert_agree(one, other, x_BTD)
    assert not compare(layers.GRU(4), layers.GRU(4), x_BTD, weights="own").agreed


def test_a_function_gets_what_it_takes():
    layer = layers.GRU(4)
    layer(x_BTD)
    mask = np.ones((2, 5), bool)

    def bare(x):
        return layer(x)

    def masked(x, mask):
        return layer(x, mask=mask)

    def trained(x, *, training=None, **rest):
        assert training and set(rest) == {"mask"}
        return layer(x)

    for function in (bare, masked, trained):
        assert_agree(function, layer, x_BTD, mask=mask, arguments={"training": True})


@pytest.mark.parametrize("dtype", ["float32", "float64", "mixed_float16"])
@pytest.mark.parametrize("inputs", [x_BTD.astype("float64"), x_BTD.tolist()], ids=["float64", "lists"])
def test_floating_point_inputs_and_states_are_given_in_the_dtype_of_the_layer(dtype, inputs):
    one, other = layers.GRU(4, dtype=dtype), layers.GRU(4, dtype=dtype)
    state = np.random.default_rng(1).normal(size=(2, 4))
    report = assert_agree(one, other, inputs, initial_state=state)
    names = {d.name for d in report.differences}
    assert {"gradient of inputs", "gradient of state 0"} <= names
    rows = np.array(one(np.asarray(inputs, one.variable_dtype))).astype("float64")

    def ours(x):
        return rows

    assert_agree(ours, other, inputs)


def test_layers_that_compute_in_float16_are_judged_by_its_tolerance():
    kernels = [layers.LSTM(8, dtype="mixed_float16", return_sequences=True) for _ in range(2)]
    kernels[0].build((2, 5, 3))
    weights = kernels[0].get_weights()
    near = [w * np.float32(1.0005) for w in weights]
    kernels[0].set_weights(weights)
    kernels[1].build((2, 5, 3))
    kernels[1].set_weights(near)
    assert_agree(kernels[0], kernels[1], x_BTD)
    single = [layers.LSTM(8, return_sequences=True) for _ in range(2)]
    for layer, own in zip(single, (weights, near)):
        layer.build((2, 5, 3))
        layer.set_weights(own)
    assert not compare(single[0], single[1], x_BTD).agreed


@pytest.mark.parametrize("name", ["minirnn", "minirnn:fused", "keras:jax"])
def test_a_name_that_makes_layers_asks_for_a_case(name):
    with pytest.raises(ValueError, match="Give a Case"):
        compare(layers.GRU(2), name, x_BTD)


@settings(max_examples=30)
@given(st.data())
def test_an_answer_that_is_cut_off_anywhere_is_the_end_of_the_process(data):
    whole = io.BytesIO()
    send(whole, {"names": ["output 0"]}, [x_BTD])
    text = whole.getvalue()
    message, (array,) = receive(io.BytesIO(text))
    assert message == {"names": ["output 0"]} and np.array_equal(array, x_BTD)
    with pytest.raises(EOFError):
        receive(io.BytesIO(text[: data.draw(st.integers(0, len(text) - 1))]))


@pytest.mark.parametrize(
    "error, words",
    [
        ("ModuleNotFoundError: No module named 'keras'", "minirnn[compare]"),
        ("ModuleNotFoundError: No module named 'torch'", "minirnn[torch]"),
        ("ModuleNotFoundError: No module named 'jax.numpy'", "minirnn[compare]"),
        ("Killed", ""),
    ],
)
def test_a_peer_that_is_missing_is_told_with_what_brings_it(error, words):
    assert words in _what_brings(error) and bool(words) == bool(_what_brings(error))


@pytest.mark.parametrize(
    "options", [{"mask": np.ones((1, 1), bool)}, {"steps": 1}, {"calls": 2}, {"weights": "own"}]
)
def test_what_is_a_cases_own_is_not_taken_beside_it(options):
    case = Case({"class": "GRU", "units": 1}, (1, 1, 1))
    with pytest.raises(ValueError, match=f"{next(iter(options))} must be its own"):
        compare("minirnn", "minirnn:generic", case, **options)
    assert_agree("minirnn", "minirnn:generic", case, tolerance=1e-3)
