"""``python -m minirnn compare``."""

import difflib
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minirnn.testing.kinds import BUILT_IN, KINDS
from minirnn.testing.page import page
from minirnn.testing.session import run_cases, run_model
from minirnn.testing.show import print_session

_DEFAULT_BACKENDS = {"keras": "jax", "minirnn": "generic"}


def run_compare(options) -> int:
    """Run the command with parsed arguments; returns the exit status.

    It is 1 if there is a difference that is not known, 2 if the function of a side had no such layer in any
    case, else 0.

    Raises
    ------
    ValueError
        If a side is none, cannot be started, or ends, or no such layers are drawn.
    OSError
        If the report cannot be written, or the model not be read.
    """
    peer = options.peer
    backend = options.peer_backend or _DEFAULT_BACKENDS.get(peer)
    if options.peer_backend and peer not in _DEFAULT_BACKENDS:
        raise ValueError(f"--peer-backend is of keras and minirnn; --peer is {peer!r}.")
    reference = f"{peer}:{backend}" if backend else peer
    if options.kinds and options.model:
        raise ValueError("--kinds is of layers that are drawn; a saved model is compared as it is.")
    kinds = _kinds(options.kinds, "torch" in (options.candidate, peer)) if options.kinds else KINDS
    numbers = (options.cases, options.seed, options.case)
    with _report(options.report) as write:
        try:
            if options.model:
                session = run_model(options.model, reference, *numbers, candidate=options.candidate)
            else:
                session = run_cases(options.candidate, reference, *numbers, kinds=kinds)
        except (AttributeError, ImportError, RuntimeError) as error:
            raise ValueError(str(error)) from error
        replay = _replay(options, peer, backend)
        write(page(session, replay))
        print_session(session, replay, options.case is not None)
    if session.failures:
        return 1
    return 2 if session.counts["not compared"] == session.cases else 0


def _kinds(text: str, for_torch: bool) -> tuple[str, ...]:
    """Return the kinds of that text, as often as they come among all."""
    possible = tuple(dict.fromkeys(KINDS)) if not for_torch else (*BUILT_IN, "Bidirectional")
    lower = {kind.lower(): kind for kind in possible}
    asked = [name.strip() for name in text.split(",")]
    for name in asked:
        if name not in possible:
            (near,) = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.0)
            sides = " of torch" if for_torch else ""
            raise ValueError(
                f"--kinds: there is no {name!r} to draw; did you mean {lower[near]!r}? "
                f"All{sides} are: {', '.join(possible)}."
            )
    return tuple(kind for kind in KINDS if kind in asked)


@contextmanager
def _report(path: str | None) -> Iterator:
    """Give a function that writes the report; a file that was not there before is gone if there is none."""
    if path is None:
        yield lambda text: None
        return
    file = Path(path)
    old = file.exists()
    file.open("a", encoding="utf-8").close()  # fails now, if at all, and not after minutes
    written = False

    def write(text: str) -> None:
        nonlocal written
        file.write_text(text, encoding="utf-8")
        written = True

    try:
        yield write
    finally:
        if not written and not old:
            file.unlink()


def _replay(options, peer, backend) -> str:
    words = [
        "python",
        "-m",
        "minirnn",
        "compare",
        *([options.model] if options.model else []),
        "--peer",
        peer,
    ]
    if backend:
        words += ["--peer-backend", backend]
    if options.candidate != "minirnn":
        words += ["--candidate", options.candidate]
    if options.kinds:
        words += ["--kinds", options.kinds]
    return shlex.join([*words, "--seed", str(options.seed)])
