"""How cases are drawn, replayed and made smaller, by number and by Hypothesis."""

from dataclasses import replace
from random import Random

import hypothesis
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minirnn
from minirnn.testing import Case, assert_agree, compare, strategies
from minirnn.testing.case import make
from minirnn.testing.choices import again, choose_case, numbered, smaller
from tests.testing import faulty


@settings(max_examples=40)
@given(strategies.cases())
def test_kernels_agree_on_whatever_is_drawn(case):
    assert_agree("minirnn", "minirnn:generic", case)


def smallest(fault, **options):
    def shows(case):
        return not compare(fault, "minirnn:generic", case).agreed

    how = settings(max_examples=5000, database=None)
    return hypothesis.find(strategies.cases(**options), shows, settings=how, random=Random(0))


def test_hypothesis_finds_a_planted_fault_and_the_smallest_case_that_shows_it():
    case = smallest(faulty.ignores_the_mask, kinds=("SimpleRNN", "GRU", "LSTM", "RNN", "Bidirectional"))
    assert case.layer == {"class": "SimpleRNN", "units": 1} and case.shape in ((1, 1, 1), (1, 2, 1))
    assert case == replace(Case(case.layer, case.shape), mask=case.mask, seed=case.seed)


def test_a_fault_that_needs_two_options_shrinks_to_these_two_alone():
    case = smallest(faulty.fails_backwards_at_holes, kinds=("SimpleRNN", "GRU", "RNN"))
    assert case.layer == {"class": "SimpleRNN", "units": 1, "go_backwards": True}
    assert case.mask == ("101",) and case.shape == (1, 3, 1)
    assert case == replace(Case(case.layer, case.shape), mask=case.mask, seed=case.seed)


def test_a_fault_in_a_dtype_shrinks_to_the_simplest_layer_with_it():
    case = smallest(faulty.fails_in_float16)
    assert case == Case({"class": "Add"}, [(1, 1, 1), (1, 1, 1)], dtype="float16", seed=case.seed)


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
    def case_of(choices):
        return choose_case(choices, kinds=("GRU", "Bidirectional"))

    def shows(choices):
        return not compare(faulty.ignores_the_mask, "minirnn:generic", case_of(choices)).agreed

    failing = next(c for n in range(100) if shows(c := numbered(0, n)))
    before, after = case_of(again(failing.made)), case_of(again(smaller(failing.made, shows)))
    assert not compare(faulty.ignores_the_mask, "minirnn:generic", after).agreed
    assert len(repr(after)) < len(repr(before)) and np.prod(after.shape) < np.prod(before.shape)


@given(st.data())
def test_parts_can_be_drawn_alone(data):
    layer = data.draw(strategies.layers())
    assert type(make(minirnn, layer)).__name__ == layer["class"]
    mask = data.draw(strategies.masks(2, 3))
    assert mask is None or (mask.shape == (2, 3) and mask.dtype == bool)
    assert data.draw(strategies.inputs(2, 3, 4, dtype="float64")).shape == (2, 3, 4)
    states = data.draw(strategies.initial_states(2, 3, 4))
    assert states is None or [s.shape for s in states] == [(3, 4)] * 2
    assert data.draw(strategies.dtypes()) in ("float32", "float64", "float16", "mixed_float16")


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
