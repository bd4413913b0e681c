"""Differences of the peers that are understood: each has its heading in docs/differences.md."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from minirnn.testing.case import WRONG, Case
from minirnn.testing.difference import TOLERANCES, Report


@dataclass(frozen=True)
class Known:
    """A difference of a peer that is understood.

    Attributes
    ----------
    title : str
        The heading in docs/differences.md.
    peers : tuple of str
        How the names of the peers begin.
    applies : callable
        ``applies(case, report)``: whether it explains all that the report has.
    as_peer : callable, optional
        ``as_peer(case)``: a case on which minirnn must then give what the peer gives on this one.
    """

    title: str
    peers: tuple[str, ...]
    applies: Callable[[Case, Report], bool]
    as_peer: Callable[[Case], Case] | None = None


def known_difference(case: Case, report: Report, agrees_as: Callable[[Case], bool]) -> str | None:
    """Return the heading of the known difference that a report shows, None if it shows none.

    Parameters
    ----------
    case : Case
    report : Report
        Of minirnn as the candidate and a peer as the reference.
    agrees_as : callable
        ``agrees_as(other)``: whether minirnn's outputs and gradients on another case are the peer's on this.
    """
    for known in KNOWN:
        if not report.reference.startswith(known.peers) or not known.applies(case, report):
            continue
        if known.as_peer is None or agrees_as(known.as_peer(case)):
            return known.title
    return None


def _peer_refused(report: Report, words: str = "") -> bool:
    ours, theirs = report.refusals
    return ours is None and theirs is not None and words in theirs


def _only_minirnn_refused(case, report):
    ours, theirs = report.refusals
    return case.wrong == WRONG[4] and ours is not None and "mask must have shape" in ours and theirs is None


def _has(case: Case, name: str) -> bool:
    return any(part.get(name) for part in case.parts())


def _is_masked(case: Case) -> bool:
    embedded = any(part.get("mask_zero") for part in case.parts())
    return embedded or case.mask is not None


def _starts_masked(case: Case) -> bool:
    """Whether a row's first or last step is masked, where its first state need not be zero."""
    ends = any("0" in (row[0], row[-1]) for row in case.mask or ())
    return ends and (case.initial_state or _has(case, "stateful"))


def _but_states(report: Report) -> bool:
    """Whether states agree, and what differs are outputs and what depends on them."""
    names = [d.name.rpartition(": ")[2] for d in report.failures]
    return bool(names) and not any(name.startswith(("state", "carried", "mask")) for name in names)


def _zeroes_unrolled(case: Case) -> bool:
    """Whether a layer that is unrolled gives zeros for masked steps; those in Bidirectional do."""
    zeroes = _has(case, "zero_output_for_mask") or any(p["class"] == "Bidirectional" for p in case.parts())
    return zeroes and _has(case, "unroll") and _is_masked(case)


def _is_rounding_to_float32(case: Case, report: Report) -> bool:
    if case.dtype != "float64" or not report.failures:
        return False
    return all(
        "float32" in d.words if d.words else d.relative <= TOLERANCES["float32"] for d in report.failures
    )


KNOWN = [
    Known(
        "A layer in Bidirectional that goes backwards",
        ("keras",),
        lambda case, report: _peer_refused(report, "different `go_backwards`"),
    ),
    Known("A mask of another length than the inputs", ("keras",), _only_minirnn_refused),
    Known("float64", ("keras:jax", "keras:torch"), _is_rounding_to_float32),
    Known(
        "A stack of cells in a stack",
        ("keras",),
        lambda case, report: (
            _peer_refused(report) and any(part["class"] == "StackedRNNCells" for part in case.parts())
        ),
    ),
    Known(
        "A stateful RNN of several cells",
        ("keras",),
        lambda case, report: _peer_refused(report, "has no attribute 'assign'"),
    ),
    Known(
        "Masks and states from Bidirectional",
        ("keras",),
        lambda case, report: _peer_refused(report, "'generator' and 'int'"),
    ),
    Known(
        "ConvLSTM with a mask on JAX",
        ("keras:jax",),
        lambda case, report: (
            report.refusals[0] is None and case.layer["class"].startswith("ConvLSTM") and _is_masked(case)
        ),
    ),
    Known(
        "unroll and go_backwards with a mask on PyTorch",
        ("keras:torch",),
        lambda case, report: (
            _peer_refused(report, "AttributeError") and _has(case, "unroll") and _is_masked(case)
        ),
    ),
    Known(
        "Gradients of a stateful layer on PyTorch",
        ("keras:torch",),
        lambda case, report: (
            _peer_refused(report, "modified by an inplace operation") and _has(case, "stateful")
        ),
    ),
    Known(
        "Masks that are not right-padded on TensorFlow",
        ("keras:tensorflow",),
        lambda case, report: _peer_refused(report, "right-padded"),
    ),
    Known(
        "A mask that comes with the inputs, and initial_state",
        ("keras",),
        lambda case, report: bool(case.mask_travels and case.initial_state and report.failures),
        as_peer=lambda case: dataclasses.replace(case, mask=None, mask_travels=False),
    ),
    Known(
        "unroll and zero_output_for_mask",
        ("keras:jax", "keras:numpy"),
        lambda case, report: _zeroes_unrolled(case) and bool(report.failures),
    ),
    Known(
        "Outputs before the first step that counts",
        ("keras:torch", "keras:tensorflow", "keras:numpy"),
        lambda case, report: _starts_masked(case) and _but_states(report),
    ),
    Known(
        "Outputs before the first step that counts",
        ("keras:jax",),
        lambda case, report: _has(case, "unroll") and _starts_masked(case) and _but_states(report),
    ),
]
