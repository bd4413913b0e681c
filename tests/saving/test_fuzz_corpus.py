"""The files kept by fuzzing, and changes of them: a model or one refusal, and nothing else.

What this asks without atheris, tests/fuzz/fuzz_loading.py asks for as long as one likes, led by coverage.
"""

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.mutations import mutated
from tests.fuzz.targets import TARGETS, watched

pytest.importorskip("h5py", reason="h5py is not installed; the extra 'keras' brings it")

FUZZ = Path(__file__).parents[1] / "fuzz"
FILES = sorted(path for path in (FUZZ / "corpus").glob("*/*"))


@pytest.fixture(scope="module")
def targets():
    made = {name: target() for name, target in TARGETS.items()}
    yield made
    for target in made.values():
        target.close()


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_each_kept_file_is_a_model_or_a_refusal(targets, path):
    """Each is named for what is in it; the good ones are accepted, and no others."""
    assert targets[path.parent.name](path.read_bytes()) is path.name.startswith("good")


def test_the_corpus_has_files_for_each_target_and_is_small():
    assert {path.parent.name for path in FILES} == set(TARGETS)
    assert sum(path.stat().st_size for path in FILES) < 200_000


@settings(max_examples=150)
@given(st.sampled_from(FILES), st.integers(0, 2**32), st.integers(1, 3))
def test_a_changed_file_is_a_model_or_a_refusal(targets, path, seed, changes):
    """Bits flipped, pieces cut out or repeated, members exchanged, values of configs replaced."""
    content, rng = path.read_bytes(), random.Random(seed)
    for _ in range(changes):
        content = mutated(content, rng)
    targets[path.parent.name](content)


@settings(max_examples=50)
@given(st.sampled_from(FILES), st.floats(0, 1))
def test_a_truncated_file_is_a_model_or_a_refusal(targets, path, share):
    content = path.read_bytes()
    targets[path.parent.name](content[: int(share * len(content))])


@pytest.mark.parametrize(
    "deed",
    [
        lambda path: open(f"{path}.other", "w").close(),
        lambda path: __import__("this_module_is_nowhere"),
        lambda path: subprocess.run([sys.executable, "-c", ""], check=True),
        lambda path: exec("1"),
        lambda path: shutil.copy(path, f"{path}.copy"),
    ],
)
def test_what_watches_a_load_sees_what_a_load_must_not_do(tmp_path, deed):
    path = tmp_path / "file"
    path.write_text("")
    match = r"opened|imported|did|No module"
    with pytest.raises((AssertionError, ImportError), match=match), watched(str(path)):
        deed(path)


def test_the_fuzzer_says_without_atheris_what_a_file_does():
    command = [sys.executable, str(FUZZ / "fuzz_loading.py"), "--target", "npz", "--replay"]
    files = [str(FUZZ / "corpus" / "npz" / "good")]
    done = subprocess.run([*command, *files], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout == f"{files[0]} accepted\n"
