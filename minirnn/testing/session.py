"""Many cases in a row, and what is counted of them: ``python -m minirnn compare``."""

import shlex
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from minirnn.testing.case import Case, Question
from minirnn.testing.choices import Choices, again, choose_case, numbered, smaller
from minirnn.testing.comparison import compare_case
from minirnn.testing.difference import Report, compare_answers
from minirnn.testing.kinds import KINDS
from minirnn.testing.minirnn_engine import Minirnn
from minirnn.testing.pool import Asked, KerasPool, ahead, processes_for
from minirnn.testing.sides import Function, Side, side_of

STATUSES = ("agreed", "known", "differed", "both refused")
NOT_COMPARED = "not compared"  # a function has no such layer; named only where there is such a case
MOST_SHRUNK = 5  # failing cases that are made smaller; the rest are shown as they came


@dataclass
class Failure:
    """A case that differed.

    Attributes
    ----------
    number : int
    case : Case
    report : Report
    smallest : Case, optional
        The smallest found that differs too.
    smallest_report : Report, optional
    """

    number: int
    case: Case
    report: Report
    smallest: Case | None = None
    smallest_report: Report | None = None


@dataclass
class Session:
    """What a run found.

    Attributes
    ----------
    candidate, reference : str
    counts : Counter
        Of each of `statuses`.
    by_kind, by_option : dict of str to Counter
    known : Counter
        Of known differences, by their headings in docs/differences.md.
    unasked : list of int
        Numbers of cases that both refused though nothing was wrong with them on purpose.
    failures : list of Failure
    relative, ulps : list of float
        The largest difference of each case in which both answered the same, or nearly.
    seconds : float
        Without the start of a peer's process.
    versions : dict
    last : tuple of str and Report, optional
        What was asked last, and what was found.
    """

    candidate: str
    reference: str
    seed: int = 0
    counts: Counter = field(default_factory=Counter)
    by_kind: dict[str, Counter] = field(default_factory=dict)
    by_option: dict[str, Counter] = field(default_factory=dict)
    known: Counter = field(default_factory=Counter)
    unasked: list[int] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    relative: list[float] = field(default_factory=list)
    ulps: list[float] = field(default_factory=list)
    seconds: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    last: tuple[str, Report] | None = None

    @property
    def statuses(self) -> tuple[str, ...]:
        """What is counted: `STATUSES`, and `NOT_COMPARED` if there is such a case."""
        return (*STATUSES, NOT_COMPARED) if self.counts[NOT_COMPARED] else STATUSES

    @property
    def cases(self) -> int:
        """How many were run."""
        return sum(self.counts.values())

    def add(self, number: int, case: Case, report: Report, asked: str | None = None) -> None:
        """Count a case; `asked` is what was asked, in words, if the case does not say it."""
        self.last = asked or repr(case), report
        status = "known" if report.known else report.status
        self.counts[status] += 1
        self.by_kind.setdefault(case.layer["class"], Counter())[status] += 1
        for option in options_of(case):
            self.by_option.setdefault(option, Counter())[status] += 1
        if report.known:
            self.known.update(report.known)
        elif status == "differed":
            self.failures.append(Failure(number, case, report))
        elif status == "both refused" and not case.wrong:
            self.unasked.append(number)
        if report.agreed and report.largest is not None:
            self.relative.append(report.largest.relative)
            self.ulps.append(max(d.ulps for d in report.differences))


def options_of(case: Case) -> list[str]:
    """Return all that a case has beyond defaults, as "name=value", each once."""
    found = []
    for part in case.parts():
        for name, value in part.items():
            if name in ("class", "units", "filters", "input_dim", "output_dim", "kernel_size"):
                continue
            plain = not isinstance(value, dict | list)
            found.append(f"{name}={value}" if plain else name)
        if part is not case.layer:
            found.append(f"inner {part['class']}")
    found += [f"dtype={case.dtype}"]
    if case.mask is not None:
        found.append("mask, with the inputs" if case.mask_travels else "mask, passed")
        if case.mask_dtype != "bool":
            found.append(f"mask dtype={case.mask_dtype}")
    if isinstance(case.shape, list | dict):
        found.append(f"inputs in a {type(case.shape).__name__}")
    found += [f"call {name}={value}" for name, value in (case.arguments or {}).items()]
    found += ["weights as they begin"] * case.own_weights
    found += ["initial_state"] * case.initial_state + ["training steps"] * bool(case.steps)
    return list(dict.fromkeys(found))


def run_cases(
    candidate: str, reference: str, count: int, seed: int = 0, only: int | None = None, kinds=KINDS
) -> Session:
    """Compare two sides on drawn cases.

    Parameters
    ----------
    candidate, reference : str
        Names, as `side_of` takes them.
    count : int
    seed : int
    only : int, optional
        Run the case of that number and no other.
    kinds : sequence of str
        Classes of layers that are drawn, the simplest first.

    Raises
    ------
    ValueError, RuntimeError, ImportError
        If there is no such side, its process ends, or its function fails with an error that is no refusal.
    """
    sides: list[Side] = []
    try:
        numbers = range(count) if only is None else [only]
        for name in (candidate, reference):
            sides.append(_opened(name, len(numbers)))
        return _run(sides, (candidate, reference), numbers, seed, kinds)
    finally:
        for side in sides:
            side.close()


def _opened(name: str, cases: int) -> Side:
    """Return the side of that name, in as many processes as that many cases are worth."""
    from minirnn.testing.keras_engine import ENGINES

    kind, _, backend = name.partition(":")
    processes = processes_for(cases)
    if kind == "keras" and (backend or "jax") in ENGINES and processes > 1:
        return KerasPool(backend or "jax", processes)
    return side_of(name)


def _run(sides: list[Side], names, numbers, seed, kinds) -> Session:
    candidate, reference = sides
    session = Session(sides[0].name, sides[1].name, seed)
    for side in sides:
        session.versions |= getattr(side, "versions", {})
    for_torch = "torch" in names

    def case_of(choices: Choices) -> Case:
        return choose_case(choices, kinds, for_torch=for_torch)

    def drawn():
        for number in numbers:
            choices = numbered(seed, number)
            case = case_of(choices)
            yield number, choices, case, case.question()

    def asked(item) -> Side:
        return Asked(reference, reference.ask(item[-1])) if isinstance(reference, KerasPool) else reference

    start = time.perf_counter()
    with progress(len(numbers), f"{names[0]} and {names[1]}") as advance:
        # Those that run in other processes are some cases ahead, so that they never wait for this one.
        most = 3 * getattr(reference, "count", 0) + 1
        for (number, choices, case, question), peer in ahead(drawn(), asked, most):
            with _named(number, sides):
                report = _compare(candidate, peer, case, given=names, question=question)
            session.add(number, case, report)
            failed = session.failures[-1:] if len(session.failures) <= MOST_SHRUNK else []
            if failed and failed[0].number == number:
                with _named(number, sides):
                    shrink(failed[0], choices.made, sides, names, case_of)
            advance()
    session.seconds = time.perf_counter() - start
    return session


def _compare(candidate: Side, reference: Side, case: Case, **options) -> Report:
    """Compare as `compare_case` does; a function's NotImplementedError says that it has no such layer."""
    try:
        return compare_case(candidate, reference, case, **options)
    except NotImplementedError as error:
        words = f"NotImplementedError: {error}"
        return Report(candidate.name, reference.name, NOT_COMPARED, not_compared=[words])


@contextmanager
def _named(number: int, sides) -> Iterator[None]:
    """Let an error of a function say in which case it was raised, and where."""
    if not any(isinstance(side, Function) for side in sides):
        yield
        return
    try:
        yield
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        called = [
            i for i, frame in enumerate(frames) if frame.filename == Function.answer.__code__.co_filename
        ]
        within = frames[called[-1] + 1 :] if called else frames
        at = f" ({within[0].filename}, line {within[0].lineno})" if within else ""
        raise RuntimeError(f"case {number}: {type(error).__name__}: {error}{at}") from error


def shrink(failure: Failure, made, sides, names, case_of) -> None:
    """Find the smallest case that fails as this one does."""
    candidate, reference = sides
    refused = [r is not None for r in failure.report.refusals]
    candidate, reference = sides

    def still_fails(choices) -> bool:
        case = case_of(choices)
        report = _compare(candidate, reference, case)
        return not report.agreed and not report.known and [r is not None for r in report.refusals] == refused

    smallest: Case = case_of(again(smaller(made, still_fails)))
    failure.smallest = smallest
    failure.smallest_report = _compare(candidate, reference, smallest, given=names)


class _Model(Side):
    """minirnn with a saved model, by a name that says which kernel is to run."""

    def __init__(self, path, name):
        from minirnn import saving

        if name not in ("minirnn", "minirnn:generic", "minirnn:fused"):
            raise ValueError(
                'the candidate for a saved model must be "minirnn", "minirnn:generic" or "minirnn:fused"; '
                f"got {name!r}."
            )
        self.model = saving.load_model(path, compile=False)
        self.side = Minirnn(name.partition(":")[2] or None, layer=self.model)
        self.name = name

    def answer(self, question):
        return self.side.answer(question)

    def close(self):
        """There is nothing to close."""


def run_model(
    path: str, reference: str, count: int, seed: int = 0, only: int | None = None, candidate="minirnn"
) -> Session:
    """Compare minirnn and Keras on a saved model, with drawn inputs.

    Parameters
    ----------
    path : str
        Of a file that Keras and minirnn can load.
    reference : str
        "keras:" and a backend.
    count, seed, only : int
        As for `run_cases`; each case is a batch of other inputs.
    candidate : str
        "minirnn", "minirnn:generic" or "minirnn:fused".

    Raises
    ------
    ValueError
        If the model has no single input, `reference` is no Keras, or `candidate` is not minirnn.
    OSError
        If there is no such file.
    """
    from minirnn.testing.process import KerasProcess

    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if not reference.startswith("keras"):
        raise ValueError(f"a saved model is compared with Keras; got {reference!r}.")
    backend = reference.partition(":")[2] or "jax"
    ours, theirs = _Model(path, candidate), KerasProcess(backend, path)
    try:
        session = Session(ours.name, theirs.name, seed, versions=theirs.versions)
        start = time.perf_counter()
        numbers = range(count) if only is None else [only]
        with progress(len(numbers), path) as advance:
            for number in numbers:
                question = _inputs_of(ours.model, theirs.shape, seed, number)
                answers = ours.answer(question), theirs.answer(question)
                report = compare_answers(*answers, (ours.name, theirs.name), precision=question.dtype)
                report.script = shlex.join(
                    ["python", "-m", "minirnn", "compare", str(path), "--peer-backend", backend]
                    + ([] if candidate == "minirnn" else ["--candidate", candidate])
                    + ["--seed", str(seed), "--case", str(number)]
                )
                case = Case({"class": type(ours.model).__name__}, question.x.shape, str(question.x.dtype))
                session.add(number, case, report, f"inputs of shape {question.x.shape}, {question.x.dtype}")
                advance()
        session.seconds = time.perf_counter() - start
        return session
    finally:
        theirs.close()


def _inputs_of(model, shape, seed, number) -> Question:
    if not isinstance(shape, list | tuple) or not all(n is None or isinstance(n, int) for n in shape):
        raise ValueError(f"only models with one input can be compared; this one has the shapes {shape}.")
    rng = np.random.default_rng([seed, number])
    sizes = [2 + number % 2 if i == 0 else 3 + number % 3 if n is None else n for i, n in enumerate(shape)]
    first = next((layer for layer in model.layers if type(layer).__name__ != "InputLayer"), None)
    dtype = model.compute_dtype
    if type(first).__name__ == "Embedding":
        x = rng.integers(0, first.input_dim, sizes).astype("int32")  # type: ignore[union-attr]
    else:
        x = rng.standard_normal(sizes).astype(dtype)
    return Question(x=x, dtype=dtype)


@contextmanager
def progress(total: int, title: str) -> Iterator:
    """Give a function that advances a progress bar, which is shown where standard error is a terminal."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda: bar.advance(task)
