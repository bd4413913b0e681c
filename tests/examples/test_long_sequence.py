"""The example on a long sequence runs, learns, and its memory does not grow."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_example_learns_in_memory_that_does_not_grow(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "long_sequence.py", "100000"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        timeout=240,  # alone it takes 4 seconds
        check=False,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    parts = re.findall(
        r"([\d,]+) steps, .*: loss ([\d.]+), accuracy ([\d.]+), peak memory ([\d.]+)", done.stdout
    )
    steps, losses, accuracies, peaks = zip(*parts)
    assert [int(n.replace(",", "")) for n in steps] == list(range(10_000, 100_001, 10_000))
    assert float(losses[-1]) < 0.5 * float(losses[0]), done.stdout
    assert float(accuracies[-1]) > 0.9
    assert float(peaks[-1]) - float(peaks[0]) < 1.5, "MiB of memory for 90,000 steps more"
    best = re.search(r"exact filter .*: loss ([\d.]+)", done.stdout)
    assert best and float(best[1]) < float(losses[-1])
    assert not list(tmp_path.iterdir()), "the example left files behind"


@pytest.mark.parametrize(
    "argument, status, words",
    [("--help", 0, "memory that does not depend on its length"), ("many", 2, "2000"), ("20", 2, "2000")],
)
def test_the_example_tells_what_it_takes(argument, status, words):
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "long_sequence.py", argument],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == status and "Traceback" not in done.stderr
    assert words in (done.stderr if status else done.stdout)
