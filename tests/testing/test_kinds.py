"""Which layers, options, masks, dtypes and arguments of a call are drawn: all that change a result."""

import doctest
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings

import minirnn
from minirnn import tree
from minirnn.testing import Case, assert_agree, compare, strategies
from minirnn.testing.case import make, state_shapes
from minirnn.testing.cells import OWN
from minirnn.testing.choices import choose_case, numbered
from minirnn.testing.kinds import BESIDE, CELLS, CONVOLUTIONAL, KINDS
from minirnn.testing.options import UNCHOSEN, arguments_of, initializers_of, values_of
from minirnn.testing.session import options_of
from minirnn.testing.sides import Function
from tests.testing import faulty

CLASSES = sorted({*KINDS, *CELLS, "StackedRNNCells"} - {"Sequential"})


@pytest.mark.parametrize("name", CLASSES)
def test_each_argument_of_each_layer_is_drawn_or_said_not_to_be(name):
    for argument, default in arguments_of(name).items():
        drawn = set(map(repr, values_of(name, argument))) - {repr(default)}
        said = argument in UNCHOSEN or argument in initializers_of(name)
        assert drawn or said or (name == "SimpleRNN" and argument == "use_cudnn"), argument


def test_whatever_is_drawn_comes_in_some_case():
    seen = Counter()
    for number in range(2000):
        case = choose_case(numbered(0, number))
        seen.update([case.layer["class"], case.wrong, *options_of(case)])
        seen.update(part["class"] for part in case.parts())
        if case.layer["class"] in ("TimeDistributed", "Sequential"):
            seen.update(f"{case.layer['class']} of {part['class']}" for part in case.parts())
    expected = {*KINDS, *CELLS, *OWN, *CONVOLUTIONAL, *BESIDE, "StackedRNNCells"}
    expected |= {
        f"{n}=True" for n in ("unroll", "stateful", "go_backwards", "zero_output_for_mask", "renorm")
    }
    expected |= {"merge_mode=None", "backward_layer", "reset_after=False", "unit_forget_bias=False"}
    expected |= {"padding=causal", "groups=2", "dilation_rate=2", "data_format=channels_first", "axis=1"}
    expected |= {f"dtype={name}" for name in ("float64", "float16", "mixed_float16")}
    expected |= {"mask, passed", "mask, with the inputs", "mask dtype=int32", "mask dtype=float32"}
    expected |= {"call training=True", "call use_causal_mask=True", "call return_attention_scores=True"}
    expected |= {"inputs in a list", "inputs in a dict", "initial_state", "training steps"}
    expected |= {"weights as they begin", "mask: one step too many", "inputs: one array too few"}
    expected |= {f"TimeDistributed of {n}" for n in ("GRU", "Conv1D", "MaxPooling1D", "Bidirectional")}
    expected |= {f"Sequential of {n}" for n in ("Conv1D", "BatchNormalization", "GlobalAveragePooling1D")}
    missing = expected - set(seen)
    assert not missing


def test_nearly_all_that_is_drawn_is_a_call_that_minirnn_takes():
    refused = []
    for number in range(300):
        case = choose_case(numbered(5, number))
        if not case.wrong and compare("minirnn", "minirnn", case).status != "agreed":
            refused.append(case)
    assert len(refused) <= 3, refused


@settings(max_examples=40)
@given(strategies.cases(kinds=(*BESIDE, *CONVOLUTIONAL, "TimeDistributed", "Sequential")))
def test_kernels_agree_on_layers_beside_the_recurrent_ones(case):
    assert_agree("minirnn:fused", "minirnn:generic", case)


@settings(max_examples=40)
@given(strategies.cells())
def test_a_cell_of_any_kind_runs_in_an_rnn_and_its_states_go_on(cell):
    layer = {"class": "RNN", "cell": cell, "return_state": True, "return_sequences": True}
    shape = (2, 3, 2)
    if cell["class"] == OWN[-2]:
        shape = {"one": (2, 3, 2), "other": (2, 3, 1)}
    elif cell["class"] == OWN[-1]:
        shape = {"vector": (2, 3, 2), "matrix": (2, 3, 1, 2)}
    case = Case(layer, shape, mask=("101", "011"), initial_state=True, steps=1)
    report = assert_agree("minirnn:fused", "minirnn:generic", case)
    count = len(state_shapes(make(minirnn, layer)))
    assert {f"gradient of state {i}" for i in range(count)} <= {d.name for d in report.differences}


@pytest.mark.parametrize("name", [name for name in OWN if name != OWN[-1]])
def test_a_cell_of_ones_own_goes_in_both_directions(name):
    shape = {"one": (2, 3, 2), "other": (2, 3, 1)} if name == OWN[-2] else (2, 3, 2)
    rnn = {"class": "RNN", "cell": {"class": name, "units": 2}, "return_sequences": True}
    case = Case({"class": "Bidirectional", "layer": rnn}, shape, mask=("110", "011"))
    assert_agree("minirnn:fused", "minirnn:generic", case)


def test_what_training_changes_beside_weights_is_compared():
    case = Case({"class": "BatchNormalization"}, (2, 3, 2), arguments={"training": True}, steps=1)
    names = {d.name for d in assert_agree("minirnn", "minirnn:generic", case).differences}
    assert {"weight 2 moving_mean after the call", "weight 3 moving_variance after the call"} <= names


def test_weights_as_they_begin_are_compared():
    ones = {"kernel_initializer": "ones", "recurrent_initializer": "ones"}
    case = Case({"class": "LSTM", "units": 1, **ones}, (1, 1, 1), own_weights=True)
    assert "weight 2 bias at first" in {d.name for d in assert_agree("minirnn", "minirnn", case).differences}

    def forgets_at_first(question):
        return faulty.arrays(replace(question, layer={**question.layer, "unit_forget_bias": False}))

    forgets_at_first.__name__ = "forgets_at_first"
    side = Function(forgets_at_first, whole=True)
    failed = {d.name for d in compare(side, "minirnn", case).failures}
    assert "weight 2 bias at first" in failed


def test_a_case_of_several_inputs_and_masks_prints_and_is_read_as_what_makes_it_again():
    for number in range(200):
        case = choose_case(numbered(8, number))
        assert eval(repr(case)) == case and Case.from_json(case.to_json()) == case
        tree.assert_same_structure(case.question().x, tree.map_shape_structure(lambda s: 0, case.shape))


def test_the_examples_in_the_strategies_run():
    found = doctest.testmod(strategies, optionflags=doctest.ELLIPSIS)
    assert found.attempted > 10 and not found.failed
