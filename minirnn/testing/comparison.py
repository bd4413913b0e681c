"""`compare` and `assert_agree`: one call, two sides, and the script that shows the difference."""

import base64
import io
import json
import zlib
from contextlib import suppress
from typing import Any

import numpy as np

from minirnn import tree
from minirnn.dtype_policies import DTypePolicy
from minirnn.testing.case import Case, Question
from minirnn.testing.difference import TOLERANCES, Disagreement, Report, compare_answers
from minirnn.testing.engine import Answer
from minirnn.testing.known import Look, known_differences
from minirnn.testing.sides import Function, Side, side_of, weights_from

_SHOWN = 60  # numbers that are written out; more are packed


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
        See `side_of`. By name they make the layer that a case describes; a function for cases gets a
        `Question` and returns a dict of arrays, any other gets inputs and returns outputs.
    inputs : Case, array of shape (batch, time, ...), or structure of arrays
        With a case, the rest is the case's own.
    weights : list of array, optional
        In Keras's layout; both sides get them. Default: those of the first side that is built; where neither
        is, the first that is a layer is built.
    mask : array, bool, shape (batch, time), or list of these, optional
    initial_state : list of array, optional
    arguments : dict, optional
        Further arguments of the call: ``{"training": True}``.
    calls : int
        How often a stateful layer is called.
    steps : int
        How many training steps are taken.
    optimizer : dict, optional
        As in `Case`.
    tolerance : float, optional
        Relative to the largest entry of each array; default: by its dtype, as in `TOLERANCES`.

    Raises
    ------
    TypeError, ValueError
        If a side is none.

    Returns
    -------
    Report
        Print it. ``agreed`` tells whether the two agree.
    """
    is_case = isinstance(inputs, Case)
    sides = side_of(candidate, is_case), side_of(reference, is_case)
    try:
        if isinstance(inputs, Case):
            return compare_case(*sides, inputs, tolerance, (candidate, reference))
        x = tree.map_structure(np.asarray, inputs) if _is_structure(inputs) else np.asarray(inputs)
        if weights is None:
            _build_one(sides, x)
        question = Question(
            x=x,
            weights=weights_from(sides) if weights is None else [np.asarray(w) for w in weights],
            mask=_masks(mask, isinstance(x, list)),
            states=None if initial_state is None else [np.asarray(s) for s in initial_state],
            arguments=arguments,
            dtype=next((a.dtype.name for a in tree.flatten(x) if a.dtype.kind == "f"), "float32"),
            calls=calls,
            steps=steps,
            optimizer=optimizer,
        )
        report = compare_answers(*_answers(sides, question), (sides[0].name, sides[1].name), tolerance)
        report.script = _script_of_arrays((candidate, reference), question)
        return report
    finally:
        for side, given in zip(sides, (candidate, reference)):
            if side is not given:
                side.close()


def _build_one(sides, x) -> None:
    """Build the first side that is a layer, if none is built: else each would start with its own weights."""
    made = [side.layer for side in sides if getattr(side, "layer", None) is not None]
    if made and not any(layer.built for layer in made):
        with suppress(TypeError, ValueError):  # it will refuse the call too, and is then heard
            made[0].build(tree.map_structure(lambda a: a.shape, x))


def _is_structure(inputs) -> bool:
    return tree.is_nested(inputs) and all(hasattr(a, "shape") for a in tree.flatten(inputs))


def _masks(mask, several):
    if mask is None or not several:
        return None if mask is None else np.asarray(mask)
    return [None if m is None else np.asarray(m) for m in mask]


def _answers(sides, question) -> tuple[Answer, Answer]:
    candidate, reference = sides
    answers = candidate.answer(question), reference.answer(question)
    if any(isinstance(side, Function) and not side.whole for side in sides):
        # A function's outputs have no names: states of the other side are outputs like the rest.
        for answer in answers:
            results = [v for k, v in answer.arrays.items() if k.startswith(("output", "state"))]
            rest = {k: v for k, v in answer.arrays.items() if not k.startswith(("output", "state"))}
            answer.arrays = {f"output {i}": v for i, v in enumerate(results)} | rest
    return answers


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
    report.script = script_of_case(case, *(given or (candidate.name, reference.name)))
    return report


def assert_agree(candidate, reference, inputs, **options) -> Report:
    """Compare as `compare` does, and raise if the two differ.

    Raises
    ------
    Disagreement
        An AssertionError, with the report as ``report``.
    """
    report = compare(candidate, reference, inputs, **options)
    if not report.agreed:
        raise Disagreement(report)
    return report


def script_of_case(case: Case, candidate, reference) -> str:
    """Return a program that compares the two on the case again."""
    names, imports = zip(*(_expression(side, i) for i, side in enumerate((candidate, reference))))
    lines = ["from minirnn.testing import Case, compare", *filter(None, imports)]
    return "\n".join([*lines, "", f"case = {case!r}", f"print(compare({', '.join(names)}, case))"])


def _script_of_arrays(sides, question) -> str:
    names, imports = zip(*(_expression(side, i) for i, side in enumerate(sides)))
    arguments = {"weights": question.weights, "mask": question.mask, "initial_state": question.states}
    options = [f"{name}={_literal(value)}" for name, value in arguments.items() if value is not None]
    defaults = {"arguments": None, "calls": 1, "steps": 0, "optimizer": None}
    options += [f"{k}={getattr(question, k)!r}" for k, v in defaults.items() if getattr(question, k) != v]
    lines = ["import numpy as np", "", "from minirnn.testing import compare, unpack", *filter(None, imports)]
    call = ", ".join([*names, "x", *options])
    return "\n".join([*lines, "", f"x = {_literal(question.x)}", f"print(compare({call}))"])


def _literal(value) -> str:
    """Return a Python expression for an array or a structure of arrays; large ones are packed."""
    if value is None:
        return "None"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {_literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_literal(v) for v in value)}]"
    if value.size <= _SHOWN:
        numbers = json.dumps(value.tolist()).replace("true", "True").replace("false", "False")
        numbers = numbers.replace("NaN", "np.nan").replace("Infinity", "np.inf")
        return f'np.array({numbers}, "{value.dtype.name}")'
    data = io.BytesIO()
    np.save(data, value)
    return f'unpack("{base64.b85encode(zlib.compress(data.getvalue())).decode()}")'


def unpack(text: str) -> np.ndarray:
    """Return the array that a script holds as text."""
    data = zlib.decompress(base64.b85decode(text))
    return np.load(io.BytesIO(data), allow_pickle=False)


def _expression(side: Any, number: int) -> tuple[str, str]:
    """Return an expression for a side in a script, and the lines that it needs before."""
    if isinstance(side, str):
        return repr(side), ""
    name = ("candidate", "reference")[number]
    function = getattr(side, "function", side)
    qualified = getattr(function, "__qualname__", "")
    if qualified.isidentifier() and function.__module__ not in ("__main__", "builtins"):
        return name, f"from {function.__module__} import {qualified} as {name}"
    if hasattr(side, "get_config"):
        kind = type(side)
        public = kind.__module__.split(".")[0] if kind.__module__.startswith(("minirnn.", "keras.")) else ""
        home = f"{public}.layers" if public else kind.__module__
        line = f"from {home} import {kind.__qualname__} as kind{number}"
        return name, f"{line}\n{name} = kind{number}.from_config({side.get_config()!r})"
    if hasattr(side, "batch_first"):
        options = {k: getattr(side, k) for k in ("batch_first", "bidirectional")}
        made = f"{type(side).__name__}({side.input_size}, {side.hidden_size}"
        made += "".join(f", {k}={v!r}" for k, v in options.items())
        dtype = str(next(side.parameters()).dtype)
        return name, f"import torch\n{name} = torch.nn.{made}, dtype={dtype})"
    return name, f"{name} = ...  # {side!r}, which cannot be written as a line: put yours here"
