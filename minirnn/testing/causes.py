"""What the known differences of a peer come from: how a case shows it, and what the case is without it."""

import dataclasses
from collections.abc import Callable

from minirnn.testing.case import Case
from minirnn.testing.difference import TOLERANCES, Report


def beyond_rounding(case: Case, report: Report) -> Report:
    """Return a report without what a peer that rounds float64 to float32 makes of all."""
    if case.dtype != "float64":
        return report
    near = TOLERANCES["float32"]
    rest = [d for d in report.differences if d.agrees or d.words or d.relative > near]
    return dataclasses.replace(report, differences=rest)


def peer_refused(report: Report, *words: str) -> bool:
    """Whether the peer alone refused, and with one of these words."""
    ours, theirs = report.refusals
    return ours is None and theirs is not None and (not words or any(w in theirs for w in words))


def has(case: Case, name: str) -> bool:
    """Whether a layer or cell in a case has an option that is not false."""
    return any(part.get(name) for part in case.parts())


def is_in(case: Case, *kinds: str, **options) -> bool:
    """Whether a layer of one of the classes, with these options, is in a case."""
    return any(
        part["class"] in kinds and all(part.get(k) == v for k, v in options.items()) for part in case.parts()
    )


def is_masked(case: Case) -> bool:
    """Whether a mask is passed in a case, or made in it."""
    return has(case, "mask_zero") or is_in(case, "Masking") or case.mask is not None


def rows(mask) -> list[str]:
    """Return all rows of a mask, of however many inputs and axes."""
    if mask is None or isinstance(mask, str):
        return [] if mask is None else [mask]
    return [row for part in mask for row in rows(part)]


def starts_masked(case: Case) -> bool:
    """Whether a row's first or last step is masked, where its first state need not be zero."""
    ends = any("0" in (row[0], row[-1]) for row in rows(case.mask))
    return ends and (case.initial_state or has(case, "stateful"))


def but_states(report: Report) -> bool:
    """Whether states agree, and what differs are outputs and what depends on them."""
    names = [d.name.rpartition(": ")[2] for d in report.failures]
    return bool(names) and not any(name.startswith(("state", "carried", "mask")) for name in names)


def zeroes_unrolled(case: Case) -> bool:
    """Whether a layer that is unrolled gives zeros for masked steps; those in Bidirectional do."""
    zeroes = has(case, "zero_output_for_mask") or is_in(case, "Bidirectional")
    return zeroes and has(case, "unroll") and is_masked(case)


def is_rounding_to_float32(case: Case, report: Report) -> bool:
    """Whether all that differs in float64 is as near as float32 is, or is float32."""
    if case.dtype != "float64" or not report.failures:
        return False
    return all(
        "float32" in d.words if d.words else d.relative <= TOLERANCES["float32"] for d in report.failures
    )


def all_are(report: Report, words: str, name="") -> bool:
    """Whether all that differs is told in these words."""
    return bool(report.failures) and all(words in d.words and name in d.name for d in report.failures)


def edited(spec, edit: Callable[[dict], dict]):
    """Return a description in which each part has been given to a function, inner ones first."""
    if isinstance(spec, list):
        return [edited(part, edit) for part in spec]
    if not isinstance(spec, dict):
        return spec
    spec = {k: edited(v, edit) for k, v in spec.items()}
    return edit(spec) if "class" in spec else spec


def with_options(kind="", **options) -> Callable[[Case], Case]:
    """Return what gives all layers of a class, or all that have them, other options; None leaves them out."""

    def edit(part):
        if kind and part["class"] != kind:
            return part
        new = {k: options.get(k, v) for k, v in part.items()}
        return {k: v for k, v in new.items() if v is not None}

    return lambda case: dataclasses.replace(case, layer=edited(case.layer, edit))


def unmasked(case: Case) -> Case:
    """Return a case without its mask, and without the layers that make one."""

    def edit(part):
        return {"class": "Identity"} if part["class"] == "Masking" else part

    layer = edited(with_options(mask_zero=None)(case).layer, edit)
    return dataclasses.replace(case, layer=layer, mask=None, mask_travels=False)


def counting(case: Case, ends: bool) -> Case:
    """Return a case in which the first step counts where none does, or both ends of all rows."""

    def counted(mask):
        if isinstance(mask, str):
            return f"1{mask[1:-1]}1"[: len(mask)] if ends else mask if "1" in mask else f"1{mask[1:]}"
        return mask if mask is None else type(mask)(counted(part) for part in mask)

    return dataclasses.replace(with_options(mask_zero=None)(case), mask=counted(case.mask))


def carrying_nothing(case: Case) -> Case:
    """Return a case in which no layer is stateful."""
    return dataclasses.replace(with_options(stateful=None)(case), calls=1)


def without_dropped_losses(case: Case) -> Case:
    """Return a case without the activity regularizers that Keras does not regard."""

    def without(part):
        return {k: v for k, v in part.items() if k != "activity_regularizer"}

    def edit(part):
        if part["class"] == "TimeDistributed":
            return {**part, "layer": edited(part["layer"], without)}
        return without(part) if part["class"] == "SimpleRNN" else part

    return dataclasses.replace(case, layer=edited(case.layer, edit))


def with_softmax(case: Case) -> Case:
    """Return a case with softmax in place of sparsemax."""

    def edit(part):
        return {k: "softmax" if v == "sparsemax" else v for k, v in part.items()}

    return dataclasses.replace(case, layer=edited(case.layer, edit))


def with_l2(case: Case) -> Case:
    """Return a case in which what was regularized by absolute values is so by squares."""

    def edit(part):
        return {k: "l2" if v in ("l1", "L1L2") else v for k, v in part.items()}

    return dataclasses.replace(case, layer=edited(case.layer, edit))


def adds_by_channel(part: dict) -> bool:
    """Whether a layer adds a bias along an axis that is not the last."""
    first = part.get("data_format") == "channels_first"
    return first and "filters" in part and part.get("use_bias", True)


def without_bias_by_channel(case: Case) -> Case:
    """Return a case in which those layers have no bias."""

    def edit(part):
        if not adds_by_channel(part):
            return part
        return {**{k: v for k, v in part.items() if not k.startswith("bias_")}, "use_bias": False}

    return dataclasses.replace(case, layer=edited(case.layer, edit))
