"""The house: imports go one way, files stay short, and nothing stands beside the rooms."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "minirnn"
TOP_LEVEL = {"pyproject.toml", "README.md", "LICENSE", "minirnn", "tests", "examples", "docs"}


def lines(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines())


def tracked_or_new() -> list[str]:
    """Every file that git holds or would take, relative to the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        pytest.skip(f"needs git and a git checkout: {error}")
    return done.stdout.splitlines()


def test_imports_go_one_way():
    """The contract is in pyproject.toml. A process of its own, since the linter holds its stdout."""
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", code, "--config", "pyproject.toml", "--no-cache", "--no-logo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_of_the_package_is_over_400_lines():
    long = {str(f.relative_to(ROOT)): n for f in PACKAGE.rglob("*.py") if (n := lines(f)) > 400}
    assert not long


def test_every_file_that_the_source_names_exists():
    """By its path from there or from the package; so reading orders stay true when a file is renamed."""
    missing = []
    for file in PACKAGE.rglob("*.py"):
        for name in re.findall(r"`([\w/]+\.py)`", file.read_text(encoding="utf-8")):
            if not any((folder / name).exists() for folder in (file.parent, PACKAGE, ROOT)):
                missing.append(f"{file.relative_to(ROOT)}: {name}")
    assert not missing


def lines_of_code(file: Path) -> int:
    """How many lines are left without blank ones, comments and docstrings."""
    text = file.read_text(encoding="utf-8")
    dropped = {n for n, line in enumerate(text.splitlines(), 1) if line.strip()[:1] in ("", "#")}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            dropped.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines(file) - len(dropped)


def test_autograd_without_its_table_is_under_800_lines_of_code():
    """The table is the primitives and their rules. Docstrings do not make the rest harder to read."""
    table = {"primitives.py", "rules.py"}
    counts = {f.name: lines_of_code(f) for f in (PACKAGE / "autograd").rglob("*.py") if f.name not in table}
    assert counts, "no file found"
    assert sum(counts.values()) < 800, counts


def test_the_top_level_holds_only_what_the_design_names():
    found = {name.split("/")[0] for name in tracked_or_new()}
    visible = {name for name in found if not name.startswith(".")}
    assert visible <= TOP_LEVEL
    assert {"pyproject.toml", "LICENSE", "minirnn", "tests"} <= visible
