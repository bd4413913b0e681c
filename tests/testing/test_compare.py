"""`compare`: a planted fault is found, named, and shown again by the script in the report."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minirnn import layers
from minirnn.testing import Case, Disagreement, assert_agree, compare
from minirnn.testing.cells import NESTED
from minirnn.testing.difference import difference
from tests.testing import faulty

ROOT = Path(__file__).resolve().parents[2]
MASKED = Case(
    layer={"class": "LSTM", "units": 2, "return_sequences": True, "return_state": True},
    shape=(2, 3, 2),
    mask=("110", "011"),
    initial_state=True,
    steps=1,
)


def test_two_kernels_agree_in_all_that_a_case_has():
    report = assert_agree("minirnn", "minirnn:generic", MASKED)
    names = {d.name for d in report.differences}
    assert {"output 0", "state 0", "state 1", "mask of output 0", "gradient of inputs"} <= names
    assert {"gradient of state 1", "gradient of weight 2 bias", "weight 0 kernel after 1 steps"} <= names
    assert report.largest is not None and report.largest.relative < 1e-5


def test_a_stateful_layer_is_called_twice_and_the_states_it_carries_are_compared():
    case = Case(layer={"class": "GRU", "units": 2, "stateful": True}, shape=(1, 2, 1), calls=2)
    report = assert_agree("minirnn", "minirnn:generic", case)
    assert {"call 1: carried state 0", "call 2: carried state 0"} <= {d.name for d in report.differences}


def test_a_wrong_gradient_is_named_with_its_place_and_size():
    with pytest.raises(Disagreement, match="gradient of weight 1 recurrent_kernel") as caught:
        assert_agree(faulty.has_wrong_recurrent_gradients, "minirnn:generic", MASKED)
    (failure,) = caught.value.report.failures
    assert failure.name == "gradient of weight 1 recurrent_kernel" and len(failure.where) == 2
    assert failure.ulps > 1000 and failure.candidate == pytest.approx(1.001 * failure.reference, rel=1e-5)


def test_nan_is_a_difference_and_agrees_with_nan():
    assert not compare(faulty.has_nan, "minirnn", MASKED).agreed
    assert difference("x", [np.nan, 1.0], [np.nan, 1.0]).agrees
    assert not difference("x", [np.nan, 1.0], [0.0, 1.0]).agrees
    assert difference("x", [np.inf], [np.inf]).agrees and not difference("x", [np.inf], [-np.inf]).agrees


def test_ulps_are_counted_at_the_largest_difference():
    one = np.array([1.0, 2.0], "float32")
    other = one + np.array([0.0, 3 * np.spacing(np.float32(2.0))], "float32")
    found = difference("x", other, one)
    assert found.ulps == 3 and found.where == (1,) and found.agrees


def test_shapes_and_dtypes_are_compared():
    assert "shape" in difference("x", np.zeros(2), np.zeros(3)).words
    assert "dtype" in difference("x", np.zeros(2), np.zeros(2, "float32")).words


def run(script):
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.host_only("the script runs in a process of its own, on NumPy, and is compared digit by digit")
def test_the_script_of_a_case_runs_as_it_stands_and_shows_the_difference():
    report = compare(faulty.ignores_the_mask, "minirnn:generic", MASKED)
    assert len(report.script.splitlines()) < 10
    assert str(report) == run(report.script).rstrip("\n")


@pytest.mark.host_only("the script runs in a process of its own, on NumPy, and is compared digit by digit")
@pytest.mark.parametrize(
    "case",
    [
        Case(
            {"class": "Attention", "use_scale": True}, [(1, 2, 2), (1, 3, 2)], mask=[None, ("101",)], steps=1
        ),
        Case(
            {"class": "RNN", "cell": {"class": NESTED, "units": 2}, "return_state": True},
            {"vector": (1, 2, 2), "matrix": (1, 2, 3, 2)},
            mask=("10",),
        ),
        Case(
            {"class": "TimeDistributed", "layer": {"class": "GRU", "units": 1}},
            (1, 2, 2, 1),
            mask=(("10", "11"),),
        ),
        Case({"class": "BatchNormalization"}, (2, 2, 1), "float16", arguments={"training": True}),
    ],
    ids=["several inputs", "a cell of one's own", "a mask of three axes", "training in float16"],
)
def test_the_script_of_a_case_of_any_kind_runs_as_it_stands(case):
    report = compare(faulty.is_off_by_a_little, "minirnn:generic", case)
    assert report.failures[0].name == "output 0" and not report.agreed
    assert str(report) == run(report.script).rstrip("\n")


@pytest.mark.parametrize("size", (2, 40))
def test_the_script_of_arrays_runs_as_it_stands_and_shows_the_difference(size):
    """Few numbers are written out, and many are packed."""
    layer = layers.GRU(2, return_sequences=True)
    x = np.random.default_rng(0).normal(size=(size, 3, 2)).astype("float32")
    layer(x)
    report = compare(np.negative, layer, x)
    script = report.script.replace("candidate = ...", "candidate = np.negative")
    shown = run(script)
    assert "differed" in shown and str(report).splitlines()[1] in shown


def test_the_script_of_several_inputs_runs_as_it_stands():
    x = [np.ones((1, 2, 2), "float32"), np.ones((1, 3, 2), "float32")]
    mask = [None, np.array([[True, False, True]])]
    options = {"mask": mask, "arguments": {"use_causal_mask": True}, "steps": 1}
    one, other = layers.Attention(use_scale=True), layers.Attention(score_mode="concat")
    report = compare(one, other, x, **options)
    assert not report.agreed and str(report).splitlines()[1] in run(report.script)


def test_layers_are_compared_from_the_same_weights():
    x = np.ones((1, 2, 3), "float32")
    one, other = layers.LSTM(2), layers.LSTM(2)
    assert compare(one, other, x).agreed
    assert compare(layers.LSTM(2), one, x).agreed
    assert not compare(one, layers.LSTM(2, activation="relu"), x).agreed


def test_a_function_is_compared_in_its_outputs_alone():
    layer = layers.Dense(2, use_bias=False)
    x = np.ones((3, 2), "float32")
    layer(x)
    report = assert_agree(lambda x: x @ layer.get_weights()[0], layer, x)
    assert [d.name for d in report.differences] == [
        "output 0"
    ] and "gradient of inputs" in report.not_compared


def test_a_call_that_both_refuse_is_agreement_and_one_that_one_refuses_is_not():
    wrong = Case(layer={"class": "GRU", "units": 1}, shape=(1, 1, 1), wrong="inputs: no time axis")
    assert compare("minirnn", "minirnn:generic", wrong).status == "both refused"

    def takes_all(question):
        return {"output 0": np.zeros(1)}

    report = compare(takes_all, "minirnn", wrong)
    assert report.status == "differed" and "minirnn refused" in str(report)


def test_a_case_prints_as_what_makes_it_again():
    assert eval(repr(MASKED)) == MASKED
    assert Case.from_json(MASKED.to_json()) == MASKED


@pytest.mark.parametrize("name", ("mini", "minirnn:fastest", "keras:mxnet", ""))
def test_an_unknown_side_is_refused_with_those_there_are(name):
    with pytest.raises(ValueError, match=r'a side must be "minirnn"'):
        compare(name, "minirnn", MASKED)
