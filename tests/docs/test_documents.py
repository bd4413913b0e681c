"""What README and docs show is run, and what they quote from the source stands there."""

import contextlib
import importlib.util
import io
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def lacks_its_peers(info):
    """Whether a block says ``needs=torch,onnx`` and one of them is missing, and may be."""
    needed = [name for part in info.split() if part.startswith("needs=") for name in part[6:].split(",")]
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    return bool(missing) and not os.environ.get("MINIRNN_REQUIRE_PEERS")


def blocks(path):
    """Return ``(line, language, info, code)`` of each fenced block."""
    text = path.read_text(encoding="utf-8")
    return [(text[: m.start()].count("\n") + 1, m[1], m[2].strip(), m[3]) for m in BLOCK.finditer(text)]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_every_program_in_a_document_runs_and_prints_what_the_document_says(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    space: dict = {"__name__": "document"}
    printed: str | None = ""
    for line, language, info, code in blocks(path):
        if language == "python" and lacks_its_peers(info):
            printed = None
        elif language == "python" and not info.startswith("file="):
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile("\n" * line + code, str(path), "exec"), space)
            printed = output.getvalue()
        elif language == "text" and info != "example" and printed is not None:
            assert printed.split() == code.split(), f"{path.name}, line {line}: the output differs"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_every_quotation_stands_in_the_file_it_names(path):
    for line, _, info, code in blocks(path):
        if info.startswith("file="):
            source = (ROOT / info.removeprefix("file=")).read_text(encoding="utf-8")
            # Parts left out of a quotation are marked by a line of three dots.
            for part in re.split(r"^\s*\.\.\.\n", code, flags=re.MULTILINE):
                assert part.strip("\n") in source, f"{path.name}, line {line}: not in {info}:\n{part}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_every_file_that_a_document_names_exists(path):
    named = re.findall(r"`((?:minirnn|tests|examples|docs)/[\w./-]*\w)`", path.read_text(encoding="utf-8"))
    links = re.findall(r"\]\(([\w./-]+)\)", path.read_text(encoding="utf-8"))
    missing = [n for n in named if not (ROOT / n).exists()]
    missing += [n for n in links if not (path.parent / n).exists()]
    assert not missing
