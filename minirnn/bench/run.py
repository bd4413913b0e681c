"""Measuring: all that do one work take turns, so that a change in the machine's speed meets each alike."""

import math
import statistics
import sys
import time
from contextlib import contextmanager

import minirnn
from minirnn import backend, config, info, kernels
from minirnn.bench import pytorch
from minirnn.bench.works import Runner, Sizes, make_works, on_tier, synchronizer, titles

PEER = "PyTorch"
SHORTEST = 0.02  # seconds that one measurement takes at least; the clock and starting it then hardly matter
LONG = 1.0
MOST_CALLS = 1000


def measure(gpu: bool, sizes: Sizes, rounds: int, tf32=False) -> dict:
    """Return the times of each work on each kernel and in PyTorch, and what they were measured on.

    Parameters
    ----------
    gpu : bool
        On the first GPU that CuPy finds, or on NumPy.
    sizes : Sizes
    rounds : int
        How often each is measured; the median is what is reported.
    tf32 : bool

    Returns
    -------
    dict
        ``measured`` is False where there is no GPU and one was asked for; ``why_not`` then says why.
    """
    columns = [tier for tier in kernels.TIERS if gpu or tier != "cudnn"] + [PEER]
    found = {
        "measured": False,
        "why_not": None,
        "gpu": gpu,
        "stand_ins": None,
        "columns": columns,
        "titles": titles(sizes),
        "sizes": vars(sizes),
        "rounds": rounds,
        "tf32": tf32,
        "peer": None,
        "not_run": {},
        "works": [],
    }
    if gpu:
        try:
            backend.find("cupy")
        except RuntimeError as error:
            return {**found, "why_not": str(error)}
    with minirnn.device("gpu:0" if gpu else "cpu"), _tensor_float_32(tf32):
        found["machine"] = info.collect()
        found["stand_ins"] = stand_ins()
        peer, why_no_peer = pytorch.find(gpu)
        found["peer"] = peer.name if peer else None
        if peer is None:
            found["not_run"][PEER] = [why_no_peer]
        with pytorch.tensor_float_32(peer, tf32), _progress(len(found["titles"]) * rounds) as advance:
            for work in make_works(sizes):
                found["works"].append(
                    _measured(work, sizes, columns, peer, rounds, found["not_run"], advance)
                )
    found["measured"] = True
    return found


def stand_ins() -> str | None:
    """Return the names of what stands in for CuPy and cuDNN on the current device, None if they are real."""
    here = backend.current()
    module = here.xp.__name__
    if here.name == "numpy" or module == "cupy":
        return None
    names = [module.rpartition(".")[2]]
    if here.cudnn is not None:
        names.append(here.cudnn.where.partition(",")[0])
    return ", ".join(names)


def _measured(work, sizes, columns, peer, rounds, not_run, advance) -> dict:
    runners: dict[str, Runner] = {}
    for column in columns:
        if column == PEER:
            if peer is not None:
                runners[column] = peer.runner(work, sizes)
            continue
        runner, reasons = on_tier(work, column)
        if runner is None:
            not_run.setdefault(column, reasons)
        else:
            runners[column] = runner
    times = time_in_turn(runners, rounds, synchronizer(), advance)
    compared = peer is not None and work.key.endswith(("forward", "training"))
    return {
        "key": work.key,
        "title": work.title,
        "milliseconds": {name: statistics.median(values) for name, values in times.items()},
        "each_round": times,
        "ratios": ratios(times, columns),
        "difference_from_peer": peer.difference(work) if peer is not None and compared else None,
    }


def time_in_turn(runners, rounds, synchronize, advance=lambda: None) -> dict[str, list[float]]:
    """Return the milliseconds of each runner in each round, after one or two calls that are not counted.

    The first of them compiles and packs what is kept, the second finds out how many calls are worth timing:
    where the first was long, one.
    """
    calls = {}
    for name, runner in runners.items():
        seconds = _seconds(runner, 1, synchronize)
        if seconds < LONG:
            seconds = _seconds(runner, 1, synchronize)
        calls[name] = min(MOST_CALLS, max(1, math.ceil(SHORTEST / max(seconds, 1e-9))))
    times: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(rounds):
        for name, runner in runners.items():
            seconds = _seconds(runner, calls[name], synchronize)
            times[name].append(seconds * 1e3 / (calls[name] * runner.count))
        advance()
    return times


def _seconds(runner, calls, synchronize) -> float:
    synchronize()
    start = time.perf_counter()
    for _ in range(calls):
        runner.call()
    synchronize()
    return time.perf_counter() - start


def ratios(times, columns) -> dict[str, float]:
    """Return how many times as fast minirnn's fastest kernel is as PyTorch and as the generic one.

    Each is the median of the quotients of the rounds.
    """
    tiers = [column for column in columns if column in times and column != PEER]
    if not tiers:
        return {}
    others = [name for name in ("generic", PEER) if name in times and name != tiers[0]]
    fastest = times[tiers[0]]
    return {
        name: statistics.median(other / ours for other, ours in zip(times[name], fastest)) for name in others
    }


@contextmanager
def _tensor_float_32(enabled):
    before = config.tensor_float_32_execution_enabled()
    config.enable_tensor_float_32_execution(enabled)
    try:
        yield
    finally:
        config.enable_tensor_float_32_execution(before)


@contextmanager
def _progress(total):
    """Give a function that advances a progress bar, which is shown where standard error is a terminal."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("measuring", total=total)
        yield lambda: progress.advance(task)
