"""What importing minirnn costs over ``import numpy``, in fresh interpreters.

Run ``python tests/benchmarks/bench_import.py [pairs]``. Each pair is one interpreter that imports NumPy alone
and one that imports minirnn, taking turns at being first; the figure is the median of their differences.
Names of minirnn load when they are first used, so the second line is what a program with a model in it pays.
"""

import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ASKED_MS = 60.0
BASE = "import numpy"
# An installed package has its compiled files. Let this checkout have them too, whatever the shell says.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
STATEMENTS = (
    "import numpy, minirnn",
    "import numpy; from minirnn import layers, losses, metrics, models, optimizers",
)


def milliseconds(statement: str) -> float:
    code = f"import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{statement!r} failed:\n{done.stderr}")
    return float(done.stdout) * 1e3


def row(statement: str, pairs: int) -> str:
    milliseconds(statement)  # compiles the files and fills the disk cache, as any first import does
    base, ours = [], []
    for i in range(pairs):
        for kept, measured in ((base, BASE), (ours, statement))[:: 1 if i % 2 else -1]:
            kept.append(milliseconds(measured))
    over = [b - a for a, b in zip(base, ours, strict=True)]
    low, median, high = statistics.quantiles(over, n=4)
    medians = f"{statistics.median(base):.1f} ms | {statistics.median(ours):.1f} ms | {median:.1f} ms"
    verdict = "reached" if median <= ASKED_MS else "missed"
    return f"| `{statement}` | {medians} | {low:.1f} to {high:.1f} ms | {ASKED_MS:.0f} ms | {verdict} |"


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    milliseconds(BASE)
    print(f"Medians of {pairs} pairs of fresh interpreters.")
    print("| statement | `import numpy` | statement | over NumPy | quartiles | asked | |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | --- |")
    for statement in STATEMENTS:
        print(row(statement, pairs), flush=True)


if __name__ == "__main__":
    main()
