"""The command line as a program of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from minirnn import __version__
from minirnn.__main__ import main

ROOT = Path(__file__).parents[1]


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "minirnn", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def test_each_command_is_named_in_the_help_and_has_its_own():
    shown = run("--help")
    assert shown.returncode == 0 and not shown.stderr and "`" not in shown.stdout
    for command in ("demo", "info", "bench", "compare"):
        assert f"\n    {command} " in shown.stdout
        own = run(command, "--help")
        assert own.returncode == 0 and f"minirnn {command}" in own.stdout


def test_info_is_plain_lines_where_it_is_not_read_on_a_terminal():
    done = run("info", MINIRNN_BACKEND="numpy")
    assert done.returncode == 0 and not done.stderr
    assert f"minirnn         {__version__}" in done.stdout and "\x1b" not in done.stdout


def test_info_is_json_for_programs():
    done = run("info", "--json", MINIRNN_BACKEND="auto")
    assert json.loads(done.stdout)["versions"]["minirnn"] == __version__


def test_a_backend_that_is_not_here_ends_the_demo_with_its_words_and_info_with_none(tmp_path):
    done = run("demo", "--backend", "tpu")
    assert done.returncode == 2 and "minirnn demo: set_backend: name must be one of" in done.stderr
    assert run("info", MINIRNN_BACKEND="tpu").returncode == 0


def test_an_optimizer_that_is_not_known_ends_the_demo_before_it_trains(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--backend", "numpy", "--optimizer", "magic"]) == 2
    assert "minirnn demo: " in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="needs a shell's pipe")
def test_a_reader_that_has_had_enough_is_no_error():
    command = f"'{sys.executable}' -m minirnn info --json | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "{\n0\n" and not done.stderr


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0 and capsys.readouterr().out == f"minirnn {__version__}\n"


def test_no_command_prints_the_help_as_an_error(capsys):
    assert main([]) == 2
    told = capsys.readouterr()
    assert not told.out and "COMMAND" in told.err and "\n    compare " in told.err


def test_an_unknown_command_is_an_error_that_names_those_there_are(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["no-such-command"])
    told = capsys.readouterr().err
    assert ended.value.code == 2 and "no-such-command" in told and "compare" in told
