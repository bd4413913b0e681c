"""How far two answers are apart, and where."""

from dataclasses import dataclass, field

import numpy as np

from minirnn.testing.engine import Answer

# Relative to the largest entry of the reference, or to 1. A number has 53, 24 and 11 bits: a result is off by
# 1e-16, 6e-8 and 5e-4 each time that it is rounded. Sums are added in other orders, a gradient goes through
# all steps, and an error of a state is one of all states after it. So float64 and float32 get some hundred
# roundings. float16 gets forty: kernels that keep sums in float32 between its roundings are as right as those
# that round each sum, and differ from them by a few at each step.
TOLERANCES = {"float64": 1e-9, "float32": 3e-5, "float16": 2e-2}


@dataclass
class Difference:
    """Two values of one thing, compared.

    Attributes
    ----------
    name : str
        "output 0", "gradient of weight 1 recurrent_kernel", ...
    agrees : bool
    relative : float
        The largest difference, over the largest entry of the reference or 1.
    ulps : float
        The largest difference, in units in the last place of the larger of the two numbers.
    where : tuple of int
        Where it is.
    candidate, reference : float
        The two numbers there.
    words : str
        What is to be said in place of numbers: another shape or dtype, or that one side has none.
    """

    name: str
    agrees: bool
    relative: float = 0.0
    ulps: float = 0.0
    where: tuple[int, ...] = ()
    candidate: float = 0.0
    reference: float = 0.0
    words: str = ""

    def __str__(self):
        if self.words:
            return f"{self.name}: {self.words}"
        at = f" at {list(self.where)}" if self.where else ""
        return (
            f"{self.name}: {self.candidate:.9g} and {self.reference:.9g}{at}, "
            f"{self.relative:.2g} relative, {self.ulps:.3g} ulps"
        )


@dataclass
class Report:
    """What a comparison found.

    Attributes
    ----------
    candidate, reference : str
        Names of the two sides.
    status : str
        "agreed", "differed" or "both refused".
    differences : list of Difference
        Of all that both have, the largest first.
    refusals : tuple of (str or None)
        The error of each side that refused.
    not_compared : list of str
        What one side gave and the other cannot give.
    script : str
        A program that makes the comparison again, if the two did not agree.
    known : list of str
        Headings in docs/differences.md, if all that differs are known differences of the reference.
    note : str
        What may explain a difference.
    """

    candidate: str
    reference: str
    status: str
    differences: list[Difference] = field(default_factory=list)
    refusals: tuple[str | None, str | None] = (None, None)
    not_compared: list[str] = field(default_factory=list)
    script: str = ""
    known: list[str] = field(default_factory=list)
    note: str = ""

    @property
    def agreed(self) -> bool:
        """Whether nothing differed: both gave the same, or both refused, and then nothing was compared.

        `assert_agree` tells the two apart; so does `status`.
        """
        return self.status != "differed"

    @property
    def failures(self) -> list[Difference]:
        """The differences beyond rounding."""
        return [d for d in self.differences if not d.agrees]

    @property
    def largest(self) -> Difference | None:
        """The largest difference, None if nothing was compared."""
        return self.differences[0] if self.differences else None

    def __str__(self):
        lines = [f"{self.candidate} and {self.reference}: {self.status}"]
        if self.known:
            lines[0] += f", as docs/differences.md has it: {'; '.join(self.known)}"
        for name, words in zip((self.candidate, self.reference), self.refusals):
            if words is not None:
                lines.append(f"  {name} refused: {words}")
        shown = self.failures or self.differences[:1]
        if shown is not self.failures and shown:
            lines.append("  largest difference:")
        lines += [f"  {d}" for d in shown[:12]]
        if len(shown) > 12:
            lines.append(f"  and {len(shown) - 12} more")
        if self.not_compared:
            lines.append(f"  not compared: {', '.join(self.not_compared)}")
        if self.note and not self.agreed:
            lines.append(f"  note: {self.note}")
        if self.script and not self.agreed:
            lines += ["This shows it:", *(f"    {line}" for line in self.script.splitlines())]
        return "\n".join(lines)


class Disagreement(AssertionError):
    """Two sides that were to agree do not, or gave nothing to compare. `report` says where.

    Parameters
    ----------
    report : Report
    hint : str
        What is said besides.
    """

    def __init__(self, report: Report, hint=""):
        super().__init__(f"{report}\n{hint}" if hint else str(report))
        self.report = report


def ulps_between(one: float, other: float, dtype) -> float:
    """Return how many units in the last place of the larger number lie between two numbers."""
    largest = np.asarray(max(abs(one), abs(other)), dtype)
    return float(abs(one - other) / np.spacing(largest))


def difference(
    name: str, candidate, reference, tolerance: float | None = None, precision: str | None = None
) -> Difference:
    """Return how far two arrays are apart; nan agrees with nan, and inf with itself.

    Parameters
    ----------
    name : str
    candidate, reference : array
    tolerance : float, optional
        Relative to the largest entry; default: that of the dtype in `TOLERANCES`.
    precision : str, optional
        The dtype in which the two were computed, if it is less precise than their own.
    """
    candidate, reference = np.asarray(candidate), np.asarray(reference)
    for what in ("shape", "dtype"):
        ours, theirs = getattr(candidate, what), getattr(reference, what)
        if ours != theirs:
            return Difference(name, False, np.inf, np.inf, words=f"{what} {ours} and {theirs}")
    if not reference.size:
        return Difference(name, True)
    exact = reference.dtype.kind != "f"
    if tolerance is None:
        dtypes = (reference.dtype.name, precision or reference.dtype.name)
        tolerance = 0.0 if exact else max(TOLERANCES.get(dtype, 0.0) for dtype in dtypes)
    wide = "float64" if reference.dtype.itemsize <= 8 else reference.dtype
    one, other = candidate.astype(wide), reference.astype(wide)
    with np.errstate(invalid="ignore"):
        apart = np.abs(one - other)
    apart = np.where((one == other) | (np.isnan(one) & np.isnan(other)), 0.0, apart)
    apart = np.where(np.isnan(apart), np.inf, apart)
    where = np.unravel_index(int(np.argmax(apart)), apart.shape)
    scale = np.abs(other[np.isfinite(other)]).max(initial=1.0)
    largest, relative = float(apart[where]), float(apart[where] / scale)
    finite = np.isfinite(largest) and largest > 0 and not exact
    ulps = ulps_between(float(one[where]), float(other[where]), reference.dtype) if finite else largest
    place = tuple(int(i) for i in where)
    return Difference(
        name, relative <= tolerance, relative, ulps, place, float(one[where]), float(other[where])
    )


def compare_answers(
    candidate: Answer,
    reference: Answer,
    names=("candidate", "reference"),
    tolerance: float | None = None,
    precision: str | None = None,
) -> Report:
    """Return the report on two answers, without a script.

    Parameters
    ----------
    candidate, reference : Answer
    names : pair of str
    tolerance : float, optional
    precision : str, optional
        As in `difference`.
    """
    one, other = names
    refusals = (candidate.refusal, reference.refusal)
    if refusals != (None, None):
        both = None not in refusals and not candidate.crashed
        return Report(one, other, "both refused" if both else "differed", refusals=refusals)
    found, left = [], []
    for name in dict.fromkeys((*candidate.arrays, *reference.arrays)):
        ours, theirs = candidate.arrays.get(name), reference.arrays.get(name)
        if ours is not None and theirs is not None:
            found.append(difference(name, ours, theirs, tolerance, precision))
        elif name.startswith((candidate if ours is None else reference).lacks):
            left.append(name)
        else:
            words = f"only {names[0] if theirs is None else names[1]} has one"
            found.append(Difference(name, False, np.inf, np.inf, words=words))
    found.sort(key=lambda d: (d.agrees, -d.relative))
    agreed = all(d.agrees for d in found)
    return Report(one, other, "agreed" if agreed else "differed", found, not_compared=left)
