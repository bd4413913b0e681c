"""kill -9 at 50 random moments of training: what is on disk can be read each time, and nothing is lost."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minirnn.callbacks.state_file import read_state
from minirnn.saving import load_model

KILLS = 50
PROGRAM = Path(__file__).with_name("killed_program.py")

pytestmark = [
    pytest.mark.host_only("the program trains in processes of its own"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and signals"),
]


class Program:
    """The program, imported once: a process of training is there at once."""

    def __init__(self):
        root = str(PROGRAM.parents[2])
        environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def run(self, folder, seconds=60.0):
        """Let a process train, for so long if it is not done before; return whether it came to its end."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{seconds} {folder}\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        assert code in (0, -signal.SIGKILL), f"the program failed: {code}"
        return code == 0


@pytest.fixture
def program():
    found = Program()
    yield found
    found.process.stdin.close()
    found.process.wait(timeout=60)


def result(folder):
    learnt = json.loads((folder / "result").read_text())
    saved = [v.numpy().tobytes() for v in load_model(folder / "last.keras").variables]
    return learnt, (folder / "log.csv").read_bytes(), saved


def test_50_kills_at_random_moments_lose_nothing(program, tmp_path):
    alone, again = tmp_path / "alone", tmp_path / "again"
    for folder in (alone, again):
        folder.mkdir()
        start = time.perf_counter()
        assert program.run(folder)
    assert result(again) == result(alone)
    duration, draw = time.perf_counter() - start, random.Random(0)
    kills = runs = backups = models = 0
    while kills < KILLS:
        folder = tmp_path / f"run{runs}"
        folder.mkdir()
        resumed = loaded = 0
        # When there have been enough, the last run is let go to its end.
        while not program.run(folder, draw.uniform(0.1, 0.6) * duration if kills < KILLS else 60.0):
            kills += 1
            backup = folder / "backup" / "latest.npz"
            if backup.exists():
                state = read_state(backup)
                assert 0 <= state["epoch"] <= 3
                resumed += 1
            if (folder / "last.keras").exists():
                load_model(folder / "last.keras")
                loaded += 1
            if (folder / "log.csv").exists():
                text = (folder / "log.csv").read_text()
                assert not text or text.endswith("\n")
        assert result(folder) == result(alone)
        assert not (folder / "backup").exists()
        runs, backups, models = runs + 1, backups + resumed, models + loaded
    assert min(backups, models) > KILLS // 3, "too few kills came after a backup"
