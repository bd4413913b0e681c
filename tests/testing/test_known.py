"""What counts as a known difference of a peer: that which explains all of a report, and nothing beside it."""

import dataclasses

import numpy as np
import pytest

from minirnn.testing import Case
from minirnn.testing.comparison import compare_case
from minirnn.testing.known import KNOWN
from minirnn.testing.minirnn_engine import Minirnn
from minirnn.testing.pool import ahead

LOSSES = "Activity regularizers that have no effect"
DROPPED = "A mask that comes with the inputs, and initial_state"
CASE = Case(
    layer={"class": "LSTM", "units": 2},
    shape=(2, 3, 2),
    mask=("110", "100"),
    mask_travels=True,
    initial_state=True,
)
REGULARIZED = dataclasses.replace(
    CASE, layer={"class": "SimpleRNN", "units": 2, "activity_regularizer": "l2"}
)


class Peer:
    """minirnn, with differences that Keras has too, and one that it does not have.

    Parameters
    ----------
    faulty : bool
        Whether gradients of biases are a hundredth too large.
    """

    name = "keras:jax"

    def __init__(self, faulty=False):
        self.faulty = faulty

    def answer(self, question):
        layer = {k: v for k, v in question.layer.items() if k != "activity_regularizer"}
        if question.mask_travels and question.states is not None:
            question = dataclasses.replace(question, mask=None, mask_travels=False)
        answer = Minirnn().answer(dataclasses.replace(question, layer=layer))
        for name in [n for n in answer.arrays if self.faulty and "gradient" in n and "bias" in n]:
            answer.arrays[name] = answer.arrays[name] * np.float32(1.01)
        return answer

    def close(self):
        """There is nothing to close."""


@pytest.mark.parametrize(
    "case, titles",
    [
        (CASE, {DROPPED}),
        (dataclasses.replace(REGULARIZED, mask_travels=False), {LOSSES}),
        (REGULARIZED, {LOSSES, DROPPED}),
    ],
)
def test_one_or_more_known_differences_are_named_and_do_not_hide_another_fault(case, titles):
    assert set(compare_case(Minirnn(), Peer(), case).known) == titles
    report = compare_case(Minirnn(), Peer(faulty=True), case)
    assert not report.agreed and not report.known


def test_only_what_minirnn_is_held_against_has_known_differences():
    """Of another candidate nothing is known."""
    faulty = Peer()
    faulty.name = "mine"
    report = compare_case(faulty, Minirnn(), CASE)
    assert not report.agreed and not report.known


def test_a_rule_names_its_peers_and_has_a_title():
    assert all(known.title and all(p.startswith("keras") for p in known.peers) for known in KNOWN)


@pytest.mark.parametrize("most", (1, 2, 5, 20))
def test_what_is_started_ahead_comes_in_its_order_and_no_more_than_that_at_once(most):
    open_now, largest = set(), 0

    def start(item):
        nonlocal largest
        open_now.add(item)
        largest = max(largest, len(open_now))
        return -item

    for number, (item, started) in enumerate(ahead(range(10), start, most)):
        assert (item, started) == (number, -number)
        open_now.remove(item)
    assert number == 9 and not open_now and largest == min(most, 10)
