"""Comparison cases against Keras on JAX: how long the command takes when nothing was compiled before.

Run ``python tests/benchmarks/bench_compare.py [cases] [seed]``. It runs ``python -m minirnn compare`` twice
with a compilation cache that is empty at first: as on a new machine, and again. Wall seconds are what was
asked for; on a machine that others use too, CPU seconds over the number of cores are what it would take
alone, at best.
"""

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ASKED_SECONDS, ASKED_CASES, ASKED_CORES = 180.0, 500, 2
ROOT = Path(__file__).resolve().parents[2]


def run(cases: int, seed: int, cache: str) -> tuple[float, float, str]:
    """Return wall seconds, CPU seconds of all processes, and the line that counts the cases."""
    command = [sys.executable, "-m", "minirnn", "compare", "--peer", "keras", "--peer-backend", "jax"]
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": cache}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [*command, "--cases", str(cases), "--seed", str(seed)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode == 2:
        raise SystemExit(done.stderr)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    line = re.search(r"^\d+ cases?: .* both refused", done.stdout, re.M)
    return wall, cpu, line.group() if line else "no cases were counted"


def main() -> None:
    numbers = [int(n) for n in sys.argv[1:3]]
    cases, seed = [*numbers, *(ASKED_CASES, 0)[len(numbers) :]]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"{cases} cases of seed {seed} against Keras on JAX, on {cores} cores; asked on {ASKED_CORES}.")
    print("| compilation cache | wall | CPU | asked | | load before |")
    print("| --- | ---: | ---: | ---: | --- | ---: |")
    with tempfile.TemporaryDirectory() as cache:
        for state in ("cold", "warm"):
            load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
            wall, cpu, line = run(cases, seed, cache)
            asked = ASKED_SECONDS * cases / ASKED_CASES
            verdict = "reached" if wall <= asked else "missed"
            print(
                f"| {state} | {wall:.0f} s | {cpu:.0f} s | {asked:.0f} s | {verdict} | {load:.1f} |",
                flush=True,
            )
            print(line, file=sys.stderr)


if __name__ == "__main__":
    main()
