"""`compare` and `assert_agree`: one call, two sides, and what they are given."""

import dataclasses
from contextlib import suppress
from typing import Any

import numpy as np

from minirnn import tree
from minirnn.dtype_policies import DTypePolicy
from minirnn.testing.case import Case, Question, check_optimizer
from minirnn.testing.difference import TOLERANCES, Disagreement, Report, compare_answers
from minirnn.testing.engine import REFUSALS, Answer, is_float
from minirnn.testing.known import Look, known_differences
from minirnn.testing.script import script_of_arrays, script_of_case
from minirnn.testing.sides import Function, Side, side_of


def compare(
    candidate,
    reference,
    inputs,
    *,
    weights=None,
    mask=None,
    initial_state=None,
    arguments=None,
    calls=1,
    steps=0,
    optimizer=None,
    tolerance=None,
) -> Report:
    """Compare two sides on one call: outputs, states, masks, gradients, state carried, weights trained.

    Parameters
    ----------
    candidate, reference : str, Layer, keras.Layer, torch.nn.Module, callable or Side
        See `side_of`. By name they make the layer that a case describes, and need one; a function for cases
        gets a `Question` and returns a dict of arrays, any other gets inputs and returns outputs.
    inputs : Case, array of shape (batch, time, ...), or structure of arrays
        With a case, all but `tolerance` is the case's own. Floating-point numbers, here and in states, are
        cast to the dtype of the weights of the first side that has some.
    weights : list of array, "own" or "candidate", optional
        Arrays, in Keras's layout, are for both sides. With "candidate" both get those of the candidate (where
        it is a function, of the reference); with "own" each starts with its own. Default: a side that has
        weights keeps them, and one that is not built yet gets those of the other, or, if neither is, of the
        first that is a layer. So two trained models are compared as they are, and two new layers from the
        same start.
    mask : array, bool, shape (batch, time), or list of these, optional
    initial_state : array or list of array, optional
    arguments : dict, optional
        Further arguments of the call: ``{"training": True}``.
    calls : int
        How often a stateful layer is called.
    steps : int
        How many training steps are taken.
    optimizer : str or dict, optional
        As in `Case`.
    tolerance : float, optional
        Relative to the largest entry of each array; default: by its dtype, or that in which a layer computes,
        as in `TOLERANCES`.

    Raises
    ------
    TypeError, ValueError
        If a side is none, or a name and there is no case; if there is no such optimizer, or `weights` are
        not those of the layer; if a case is given and what is its own besides.

    Returns
    -------
    Report
        Print it. ``agreed`` tells whether the two agree.

    Notes
    -----
    Layers and modules that are given are put back after it: weights, states of random seeds, states carried,
    gradients. Only one that was not built yet keeps the weights that it began with.
    """
    is_case = isinstance(inputs, Case)
    sides = side_of(candidate, is_case), side_of(reference, is_case)
    try:
        if isinstance(inputs, Case):
            beside = {
                "weights": weights,
                "mask": mask,
                "initial_state": initial_state,
                "arguments": arguments,
            }
            beside |= {"calls": calls if calls != 1 else None, "steps": steps or None, "optimizer": optimizer}
            given = [name for name, value in beside.items() if value is not None]
            if given:
                raise ValueError(
                    f"testing: of a Case, {', '.join(given)} must be its own; got them beside it."
                )
            return compare_case(*sides, inputs, tolerance, (candidate, reference))
        for given, side in zip((candidate, reference), sides):
            if isinstance(given, str) and not isinstance(side, Function):
                raise ValueError(
                    f"testing: {given!r} makes the layer that a Case describes. Give a Case in place of the "
                    "inputs, or a layer in place of the name."
                )
        check_optimizer(optimizer)
        question = Question(
            x=tree.map_structure(np.asarray, inputs) if _is_structure(inputs) else np.asarray(inputs),
            mask=_masks(mask, isinstance(inputs, list) and _is_structure(inputs)),
            states=_states(initial_state),
            arguments=arguments,
            calls=calls,
            steps=steps,
            optimizer=optimizer,
        )
        question = _cast(question, sides)
        question = dataclasses.replace(question, weights=_weights(sides, weights, question))
        answers = _answers(sides, question)
        report = compare_answers(*answers, (sides[0].name, sides[1].name), tolerance, _precision(sides))
        if report.status != "agreed":
            report.script = script_of_arrays((candidate, reference), question, tolerance)
            report.note = _note(sides, question)
        return report
    finally:
        for side, given in zip(sides, (candidate, reference)):
            if side is not given:
                side.close()


def _is_structure(inputs) -> bool:
    return tree.is_nested(inputs) and all(hasattr(a, "shape") for a in tree.flatten(inputs))


def _masks(mask, several):
    if mask is None or not several:
        return None if mask is None else np.asarray(mask)
    return [None if m is None else np.asarray(m) for m in mask]


def _states(states) -> list | None:
    if states is None or hasattr(states, "shape"):
        return None if states is None else [np.asarray(states)]
    return [np.asarray(s) for s in (tree.flatten(states) if _is_structure(states) else states)]


def _cast(question: Question, sides) -> Question:
    """Return the question in the dtype of the first side that has one; else in that of its inputs."""
    own = next((side.dtype for side in sides if getattr(side, "dtype", None)), None)
    found = next((a.dtype.name for a in tree.flatten(question.x) if is_float(a)), "float32")

    def cast(array):
        return array.astype(own) if own and is_float(array) else array

    states = None if question.states is None else [cast(s) for s in question.states]
    x = tree.map_structure(cast, question.x)
    return dataclasses.replace(question, x=x, states=states, dtype=own or found)


def _precision(sides) -> str | None:
    """Return the least precise dtype in which a side computes, if that is known."""
    dtypes = [dtype for side in sides for dtype in getattr(side, "compute_dtypes", ())]
    return max(dtypes, key=lambda dtype: TOLERANCES.get(dtype, 0.0), default=None)


def _weights(sides, weights, question) -> list | None:
    """Return the weights that both sides get, or None where each has its own."""
    holders: list[Any] = [side for side in sides if hasattr(side, "weights")]
    if isinstance(weights, str) and weights not in ("own", "candidate"):
        raise ValueError(f'testing: weights must be a list of arrays, "own" or "candidate"; got {weights!r}.')
    if isinstance(weights, str) and weights == "own":
        return None
    if not holders:
        return None if weights is None or isinstance(weights, str) else [np.asarray(w) for w in weights]
    if weights is None and all(side.has_weights for side in holders):
        return None
    source = holders[0]
    if weights is None:
        source = next((side for side in holders if side.has_weights), source)
    if not source.has_weights:
        with suppress(*REFUSALS):  # it will refuse the call too, and is then heard
            source.build(question)
    if not source.has_weights:
        return None
    own = source.weights()
    if weights is None or isinstance(weights, str):
        return own
    given = [np.asarray(w) for w in weights]
    if [w.shape for w in given] != [w.shape for w in own]:
        raise ValueError(
            f"testing: weights must have the shapes of those of {source.name}, {[w.shape for w in own]}; "
            f"got {[w.shape for w in given]}."
        )
    return given


def _note(sides, question) -> str:
    """Return what is to be said of two sides that kept weights of their own."""
    if question.weights is not None or not all(getattr(side, "has_weights", False) for side in sides):
        return ""
    one, other = (side.weights() for side in sides)
    same = len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other))
    return "" if same else 'each kept its own weights, which differ; weights="candidate" gives both the same'


def _answers(sides, question) -> tuple[Answer, Answer]:
    candidate, reference = sides
    answers = candidate.answer(question), reference.answer(question)
    results = [[name for name in answer.arrays if name.startswith(("output", "state"))] for answer in answers]
    if question.layer is None and results[0] != results[1]:
        # A function or a model does not tell which of its outputs are states: then all are outputs.
        for answer, names in zip(answers, results):
            outputs = {f"output {i}": answer.arrays.pop(name) for i, name in enumerate(names)}
            answer.arrays = outputs | answer.arrays
    for side, answer, other in zip(sides, answers, reversed(answers)):
        if (
            isinstance(side, Function) and not side.whole
        ):  # NumPy makes float64 of much; that is no difference
            answer.arrays = {k: _like(v, other.arrays.get(k)) for k, v in answer.arrays.items()}
    return answers


def _like(array, other):
    """Return an array in the dtype of another, if both are of floating-point numbers."""
    return array if other is None or not (is_float(array) and is_float(other)) else array.astype(other.dtype)


def compare_case(
    candidate: Side, reference: Side, case: Case, tolerance=None, given=None, question=None
) -> Report:
    """Compare two sides, which stay open, on a case; see `compare`. `question` is the case's, if made."""
    names = candidate.name, reference.name

    def look_at(case: Case, question: Question | None = None) -> Look:
        answers = _answers((candidate, reference), question or case.question())
        precision = DTypePolicy(case.dtype).compute_dtype

        def agrees_as(other: Case) -> bool:
            # In float64 the peer may have rounded to float32 besides.
            rounded = TOLERANCES["float32"] if case.dtype == "float64" else tolerance
            ours = candidate.answer(other.question())
            again = compare_answers(ours, answers[1], names, rounded, precision)
            return again.agreed or (bool(again.failures) and all("mask of" in d.name for d in again.failures))

        return Look(case, compare_answers(*answers, names, tolerance, precision), agrees_as)

    look = look_at(case, question)
    report = look.report
    if not report.agreed and candidate.name == "minirnn":
        report.known = known_differences(look, look_at)
    if report.status != "agreed":
        report.script = script_of_case(case, *(given or names), tolerance=tolerance)
    return report


def assert_agree(candidate, reference, inputs, *, refusal_ok=False, **options) -> Report:
    """Compare as `compare` does, and raise if the two differ, or if there was nothing to compare.

    Parameters
    ----------
    candidate, reference, inputs, **options
        As for `compare`.
    refusal_ok : bool
        Whether it is right that both refuse the call. It always is of a `Case` with something `wrong`.

    Raises
    ------
    Disagreement
        An AssertionError, with the report as ``report``. Also if both sides refuse the call: a mistake in it
        would else pass for agreement.
    """
    report = compare(candidate, reference, inputs, **options)
    if not report.agreed:
        raise Disagreement(report)
    if report.status == "both refused" and not (refusal_ok or getattr(inputs, "wrong", "")):
        raise Disagreement(report, "Nothing was compared. If both are to refuse it, say refusal_ok=True.")
    return report
