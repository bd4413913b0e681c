"""How cases are drawn, replayed and made smaller, by number and by Hypothesis."""

from collections import Counter

import hypothesis
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minirnn
from minirnn.testing import assert_agree, compare, strategies
from minirnn.testing.case import make
from minirnn.testing.choices import KINDS, again, choose_case, numbered, smaller
from minirnn.testing.session import options_of
from tests.testing import faulty


@settings(max_examples=40)
@given(strategies.cases())
def test_kernels_agree_on_whatever_is_drawn(case):
    assert_agree("minirnn", "minirnn:generic", case)


def test_hypothesis_finds_a_planted_fault_and_the_smallest_case_that_shows_it():
    def shows(case):
        return not compare(faulty.ignores_the_mask, "minirnn:generic", case).agreed

    options = settings(max_examples=500, database=None, derandomize=True)
    case = hypothesis.find(strategies.cases(), shows, settings=options)
    assert case.mask is not None and case.shape[0] == 1 and case.steps == 0 and case.dtype == "float32"
    assert len(options_of(case)) <= 5


def test_a_case_is_drawn_again_by_its_number():
    first = [choose_case(numbered(3, n)) for n in range(50)]
    assert [choose_case(numbered(3, n)) for n in reversed(range(50))] == first[::-1]
    assert first != [choose_case(numbered(4, n)) for n in range(50)]


def test_choices_can_be_made_again():
    for number in range(50):
        choices = numbered(0, number)
        case = choose_case(choices)
        assert choose_case(again(choices.made)) == case


def test_a_failing_case_is_made_smaller():
    def shows(choices):
        return not compare(faulty.ignores_the_mask, "minirnn:generic", choose_case(choices)).agreed

    failing = next(c for n in range(100) if shows(c := numbered(0, n)))
    before, after = choose_case(again(failing.made)), choose_case(again(smaller(failing.made, shows)))
    assert not compare(faulty.ignores_the_mask, "minirnn:generic", after).agreed
    assert len(repr(after)) < len(repr(before)) and np.prod(after.shape) < np.prod(before.shape)


def test_every_kind_option_and_form_of_mask_comes():
    seen = Counter()
    for number in range(1500):
        case = choose_case(numbered(0, number))
        seen.update([case.layer["class"], *(p["class"] for p in case.parts()), *options_of(case), case.wrong])
    expected = {*KINDS, "StackedRNNCells", "Embedding", "Masking", "LayerNormalization", "dtype=float64"}
    expected |= {f"{n}=True" for n in ("unroll", "stateful", "go_backwards", "zero_output_for_mask")}
    expected |= {"merge_mode=None", "backward_layer", "reset_after=False", "initial_state"}
    expected |= {"mask, passed", "mask, with the inputs", "training steps", "mask: one step too many"}
    assert not expected - set(seen)


@given(st.data())
def test_parts_can_be_drawn_alone(data):
    layer = data.draw(strategies.layers())
    assert type(make(minirnn, layer)).__name__ == layer["class"]
    mask = data.draw(strategies.masks(2, 3))
    assert mask is None or (mask.shape == (2, 3) and mask.dtype == bool)
    assert data.draw(strategies.inputs(2, 3, 4, dtype="float64")).shape == (2, 3, 4)
    states = data.draw(strategies.initial_states(2, 3, 4))
    assert states is None or [s.shape for s in states] == [(3, 4)] * 2
    assert data.draw(strategies.dtypes()) in ("float32", "float64")


@pytest.mark.parametrize(
    "form, law",
    [
        ("right", lambda row: row == "".join(sorted(row, reverse=True))),
        ("left", lambda row: row == "".join(sorted(row))),
        ("rows", lambda row: len(set(row)) == 1),
        ("all", lambda row: "0" not in row),
    ],
)
def test_masks_have_the_form_that_is_asked_for(form, law):
    @given(strategies.masks(3, 4, forms=(form,)))
    def holds(mask):
        assert all(law("".join("01"[c] for c in row)) for row in mask.astype(int))

    holds()
