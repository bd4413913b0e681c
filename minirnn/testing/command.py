"""``python -m minirnn compare``."""

import shlex

from minirnn.testing.page import page
from minirnn.testing.session import run_cases, run_model
from minirnn.testing.show import print_session

_DEFAULT_BACKENDS = {"keras": "jax", "minirnn": "generic"}


def run_compare(options) -> int:
    """Run the command with parsed arguments; returns 1 if there is a difference that is not known, else 0.

    Raises
    ------
    ValueError
        If a side is none, cannot be started, or ends.
    OSError
        If the report cannot be written, or the model not be read.
    """
    peer = options.peer
    backend = options.peer_backend or _DEFAULT_BACKENDS.get(peer)
    if options.peer_backend and peer not in _DEFAULT_BACKENDS:
        raise ValueError(f"--peer-backend is of keras and minirnn; --peer is {peer!r}.")
    reference = f"{peer}:{backend}" if backend else peer
    if options.report:
        open(options.report, "a", encoding="utf-8").close()  # fails now, if at all, and not after minutes
    try:
        if options.model:
            session = run_model(options.model, reference, options.cases, options.seed, options.case)
        else:
            session = run_cases(options.candidate, reference, options.cases, options.seed, options.case)
    except (AttributeError, ImportError, RuntimeError) as error:
        raise ValueError(str(error)) from error
    replay = _replay(options, peer, backend)
    print_session(session, replay)
    if options.report:
        with open(options.report, "w", encoding="utf-8") as file:
            file.write(page(session, replay))
    return 1 if session.failures else 0


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
    return shlex.join([*words, "--seed", str(options.seed)])
