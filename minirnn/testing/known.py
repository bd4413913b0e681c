"""Differences of the peers that are understood: each has its heading in docs/differences.md."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from minirnn.testing import causes
from minirnn.testing.case import WRONG, Case
from minirnn.testing.cells import OWN, STRUCTURED
from minirnn.testing.difference import Report

AT_ONCE = 3  # causes that one case may have


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
        ``applies(case, report)``: whether it may be the cause. Where there is neither of the next two, it is
        the cause of all that the report has.
    as_peer : callable, optional
        ``as_peer(case)``: a case on which minirnn must give what the peer gives on this one.
    without : callable, optional
        ``without(case)``: the case without it. On that both must agree, or show another known difference.
    """

    title: str
    peers: tuple[str, ...]
    applies: Callable[[Case, Report], bool]
    as_peer: Callable[[Case], Case] | None = None
    without: Callable[[Case], Case] | None = None


@dataclass(frozen=True)
class Look:
    """Both sides asked about a case.

    Attributes
    ----------
    case : Case
    report : Report
        Of minirnn as the candidate and a peer as the reference.
    agrees_as : callable
        ``agrees_as(other)``: whether minirnn's outputs and gradients on another case are the peer's on this.
    """

    case: Case
    report: Report
    agrees_as: Callable[[Case], bool]


def known_differences(look: Look, look_at: Callable[[Case], Look], most=AT_ONCE) -> list[str]:
    """Return the headings of the known differences that explain all of a report, none if they do not.

    Parameters
    ----------
    look : Look
    look_at : callable
        Asks both sides about another case.
    most : int
        Causes there may be.
    """
    case, report = look.case, look.report
    looks = [report, causes.beyond_rounding(case, report)]
    peers = [k for k in KNOWN if report.reference.startswith(k.peers)]
    found = [k for k in peers if any(k.applies(case, look) for look in looks)]
    for known in found:
        if known.as_peer is None and known.without is None:
            return [known.title]
        if known.as_peer is not None and look.agrees_as(known.as_peer(case)):
            return [known.title]
    rest = [(known, look_at(known.without(case))) for known in found if known.without is not None and most]
    for known, other in rest:
        if other.report.status == "agreed":
            return [known.title]
    for known, other in rest:
        titles = known_differences(other, look_at, most - 1) if other.report.status == "differed" else []
        if titles:
            return list(dict.fromkeys([known.title, *titles]))
    return []


_NOT_BROADCAST = ("Incompatible shapes for broadcasting", "operands could not be broadcast together")

KNOWN = [
    Known(
        "A layer in Bidirectional that goes backwards",
        ("keras",),
        lambda case, report: causes.peer_refused(report, "different `go_backwards`"),
    ),
    Known(
        "A mask of another length than the inputs",
        ("keras",),
        lambda case, report: (
            case.wrong == WRONG[4]
            and report.refusals[1] is None
            and "mask must have shape" in (report.refusals[0] or "")
        ),
    ),
    Known(
        "A stateful layer in mixed_float16",
        ("keras",),
        lambda case, report: case.dtype.startswith("mixed") and causes.all_are(report, "dtype", "carried"),
    ),
    Known(
        "A stateful layer in mixed_float16",
        ("keras",),
        lambda case, report: (
            case.dtype.startswith("mixed") and causes.has(case, "stateful") and bool(report.failures)
        ),
        without=causes.carrying_nothing,
    ),
    Known(
        "BatchNormalization of one feature with a mask",
        ("keras",),
        lambda case, report: (
            causes.peer_refused(report, "tuple index out of range", "list index out of range")
            and causes.is_in(case, "BatchNormalization")
        ),
    ),
    Known(
        "sparsemax",
        ("keras",),
        lambda case, report: (
            bool(report.failures) and any("sparsemax" in part.values() for part in case.parts())
        ),
        without=causes.with_softmax,
    ),
    Known(
        "The mean over a row that is masked",
        ("keras",),
        lambda case, report: (
            causes.is_in(case, "GlobalAveragePooling1D")
            and any(d.reference != d.reference for d in report.failures)
        ),
        without=lambda case: causes.counting(case, ends=False),
    ),
    Known(
        "Attention in float16 where every value is masked",
        ("keras",),
        lambda case, report: (
            "float16" in case.dtype
            and case.layer["class"].endswith("Attention")
            and any(d.reference != d.reference for d in report.failures)
        ),
    ),
    Known(
        "AveragePooling1D with padding on PyTorch",
        ("keras:torch",),
        lambda case, report: bool(report.failures) and causes.is_in(case, "AveragePooling1D", padding="same"),
        without=causes.with_options("AveragePooling1D", pool_size=1),
    ),
    Known(
        "LayerNormalization over the steps on PyTorch",
        ("keras:torch",),
        lambda case, report: causes.peer_refused(report, "Given normalized_shape="),
    ),
    Known(
        "Activity regularizers that have no effect",
        ("keras",),
        lambda case, report: bool(report.failures) and case != causes.without_dropped_losses(case),
        as_peer=causes.without_dropped_losses,
        without=causes.without_dropped_losses,
    ),
    Known("float64", ("keras",), causes.is_rounding_to_float32),
    Known(
        "float64",
        ("keras",),
        # Rounded to float32, scores less 1e9 are all the same.
        lambda case, report: (
            case.dtype == "float64"
            and causes.is_in(case, "Attention", "AdditiveAttention")
            and any(d.words == "dtype float64 and float32" for d in report.failures)
        ),
        without=lambda case: dataclasses.replace(case, dtype="float32"),
    ),
    Known(
        "Attention between vectors",
        ("keras",),
        lambda case, report: (
            case.wrong == WRONG[3]
            and causes.is_in(case, "Attention", "AdditiveAttention")
            and report.refusals[1] is None
            and "must have the same number of axes" in (report.refusals[0] or "")
        ),
    ),
    Known(
        "The bias of a convolution with channels first on TensorFlow",
        ("keras:tensorflow",),
        lambda case, report: (
            bool(report.failures) and any(causes.adds_by_channel(part) for part in case.parts())
        ),
        without=causes.without_bias_by_channel,
    ),
    Known(
        "The slope of l1 at 0 on JAX",
        ("keras:jax",),
        lambda case, report: (
            case != causes.with_l2(case)
            and bool(report.failures)
            and all("gradient" in d.name or " after " in d.name for d in report.failures)
        ),
        without=causes.with_l2,
    ),
    Known(
        "Several cells in float16 on TensorFlow",
        ("keras:tensorflow",),
        lambda case, report: (
            "float16" in case.dtype
            and any(isinstance(part.get("cell"), list) for part in case.parts())
            and causes.peer_refused(report, "to be a half tensor but is a float tensor")
        ),
    ),
    Known(
        "A stack of cells in a stack",
        ("keras",),
        lambda case, report: (
            causes.is_in(case, "StackedRNNCells")
            and causes.peer_refused(
                report, "IndexError", "KeyError", "TypeError", "ValueError", "AttributeError"
            )
        ),
    ),
    Known(
        "A stack of cells in a stack",
        ("keras:jax", "keras:numpy"),
        lambda case, report: (
            causes.is_in(case, "StackedRNNCells") and causes.is_masked(case) and bool(report.failures)
        ),
        without=causes.unmasked,
    ),
    Known(
        "States, inputs and outputs in structures",
        ("keras",),
        lambda case, report: (
            causes.is_in(case, *STRUCTURED)
            and causes.peer_refused(
                report, "IndexError", "KeyError", "TypeError", "ValueError", "AttributeError"
            )
        ),
    ),
    Known(
        "A masked step where the output is not the first state",
        ("keras:jax", "keras:numpy"),
        lambda case, report: (
            causes.is_in(case, OWN[1])
            and causes.is_masked(case)
            and causes.peer_refused(report, *_NOT_BROADCAST)
        ),
    ),
    Known(
        "A masked step where the output is not the first state",
        ("keras:jax", "keras:numpy"),
        lambda case, report: causes.is_in(case, OWN[1]) and causes.is_masked(case) and bool(report.failures),
        without=causes.unmasked,
    ),
    Known(
        "A stateful RNN of several cells",
        ("keras",),
        lambda case, report: causes.peer_refused(report, "has no attribute 'assign'"),
    ),
    Known(
        "Masks and states from Bidirectional",
        ("keras",),
        lambda case, report: causes.peer_refused(report, "'generator' and 'int'"),
    ),
    Known(
        "ConvLSTM with a mask on JAX and NumPy",
        ("keras:jax", "keras:numpy"),
        lambda case, report: (
            report.refusals[0] is None
            and causes.is_in(case, "ConvLSTM1D", "ConvLSTM2D")
            and causes.is_masked(case)
        ),
        without=causes.unmasked,
    ),
    Known(
        "unroll and go_backwards with a mask on PyTorch",
        ("keras:torch",),
        lambda case, report: (
            causes.peer_refused(report, "'tuple' object has no attribute 'shape'")
            and causes.has(case, "unroll")
            and causes.is_masked(case)
        ),
    ),
    Known(
        "Gradients of a stateful layer on PyTorch",
        ("keras:torch",),
        lambda case, report: (
            causes.peer_refused(report, "modified by an inplace operation") and causes.has(case, "stateful")
        ),
    ),
    Known(
        "Masks that are not right-padded on TensorFlow",
        ("keras:tensorflow",),
        lambda case, report: causes.peer_refused(report, "right-padded"),
    ),
    Known(
        "What cannot be done on a CPU in TensorFlow",
        ("keras:tensorflow",),
        lambda case, report: causes.peer_refused(report, "UnimplementedError"),
    ),
    Known(
        "A layer that gives its inputs as they are",
        ("keras",),
        lambda case, report: (
            causes.is_in(case, "Permute", "Reshape")
            and causes.all_are(report, f"only {report.reference} has one", "mask of")
        ),
    ),
    Known(
        "A mask that comes with the inputs, and initial_state",
        ("keras",),
        lambda case, report: bool(case.mask_travels and case.initial_state and report.failures),
        as_peer=lambda case: dataclasses.replace(case, mask=None, mask_travels=False),
        without=lambda case: dataclasses.replace(case, mask_travels=False),
    ),
    Known(
        "unroll and zero_output_for_mask",
        ("keras:jax", "keras:numpy"),
        lambda case, report: causes.zeroes_unrolled(case) and bool(report.failures),
        without=causes.with_options(unroll=None),
    ),
    Known(
        "unroll and zero_output_for_mask",
        ("keras:tensorflow",),
        lambda case, report: (
            causes.zeroes_unrolled(case)
            and (causes.has(case, "go_backwards") or causes.is_in(case, "Bidirectional"))
            and bool(report.failures)
        ),
        without=causes.with_options(unroll=None),
    ),
    Known(
        "Steps without features",
        ("keras",),
        lambda case, report: (
            case.wrong == WRONG[3]
            and causes.is_in(case, "RNN")
            and causes.peer_refused(report, "IndexError", "InvalidArg")
        ),
    ),
    Known(
        "Outputs before the first step that counts",
        ("keras:torch", "keras:tensorflow", "keras:numpy"),
        lambda case, report: causes.starts_masked(case) and causes.but_states(report),
        without=lambda case: causes.counting(case, ends=True),
    ),
    Known(
        "Outputs before the first step that counts",
        ("keras:jax",),
        lambda case, report: (
            causes.has(case, "unroll") and causes.starts_masked(case) and causes.but_states(report)
        ),
        without=lambda case: causes.counting(case, ends=True),
    ),
]
