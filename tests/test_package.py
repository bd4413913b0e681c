"""The package as it is installed and imported."""

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"concurrent.futures", "cupy", "h5py", "jax", "keras", "matplotlib", "rich", "scipy", "threadpoolctl"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def run_python(code: str) -> str:
    """What a fresh interpreter prints, with this checkout's minirnn on its path."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_by(statement: str) -> set[str]:
    return set(json.loads(run_python(f"{statement}; import json, sys; print(json.dumps(list(sys.modules)))")))


@pytest.mark.parametrize(
    "statement",
    [
        "import minirnn",
        "from minirnn import layers, losses, metrics, models, ops, optimizers",
        "from minirnn import activations, callbacks, datasets, random, tree, utils",
        "from minirnn import mixed_precision, preprocessing",
    ],
)
def test_nothing_of_weight_is_loaded_but_numpy(statement):
    assert not HEAVY & (loaded_by(statement) - loaded_by("import numpy"))


def test_every_public_name_can_be_reached_in_a_fresh_interpreter():
    names = json.loads(run_python("import json, minirnn; print(json.dumps(list(minirnn.__all__)))"))
    assert names
    assert len(names) == len(set(names))
    missing = run_python(
        "import minirnn\n"
        "print([n for n in minirnn.__all__ if not hasattr(minirnn, n)])\n"
        "print(sorted(set(minirnn.__all__) - set(dir(minirnn))))"
    )
    assert missing.split() == ["[]", "[]"]


def test_importing_brings_no_room_but_that_of_the_name():
    loaded = {name for name in loaded_by("import minirnn.backend") if name.startswith("minirnn.")}
    assert all(name.startswith("minirnn.backend") for name in loaded)


def test_testing_is_loaded_when_it_is_first_used_and_names_its_strategies():
    out = run_python(
        "import sys, minirnn\n"
        "print('minirnn.testing' in sys.modules, callable(minirnn.testing.compare))\n"
        "print({'compare', 'strategies'} <= set(dir(minirnn.testing)), 'hypothesis' in sys.modules)"
    )
    assert out.split() == ["False", "True", "True", "False"]


def test_a_name_that_does_not_exist_is_an_attribute_error_that_says_so():
    out = run_python(
        "import minirnn\ntry:\n    minirnn.no_such_name\nexcept AttributeError as error:\n    print(error)"
    )
    assert "minirnn" in out
    assert "no_such_name" in out


def test_the_version_of_the_module_is_that_of_the_project():
    out = run_python("import minirnn; print(minirnn.__version__, minirnn.version())")
    assert out.split() == [PROJECT["version"]] * 2


def test_the_installed_metadata_are_those_of_the_project():
    try:
        metadata = importlib.metadata.metadata("minirnn")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("minirnn runs from its checkout and is not installed")
    assert metadata["Version"] == PROJECT["version"]
    assert metadata["License-Expression"] == "MIT"


def test_the_package_is_typed_and_its_files_make_a_wheel_under_3_mb(tmp_path):
    assert (ROOT / "minirnn" / "py.typed").is_file()
    files = [f for f in (ROOT / "minirnn").rglob("*") if f.is_file() and "__pycache__" not in f.parts]
    assert sum(f.stat().st_size for f in files if f.suffix != ".py") < 2_000_000
    with zipfile.ZipFile(tmp_path / "files.whl", "w", zipfile.ZIP_DEFLATED) as wheel:  # as a wheel is packed
        for f in files:
            wheel.write(f)
    assert (tmp_path / "files.whl").stat().st_size < 3_000_000
    assert not [f for f in files if f.suffix in {".so", ".pyd", ".dll", ".dylib", ".c", ".pyx"}]


def test_pytorch_is_no_part_of_the_extra_for_tests_and_the_readme_says_how_to_add_it():
    extras = PROJECT["optional-dependencies"]
    assert not [r for r in extras["test"] if r.startswith("torch")] and "minirnn[compare]" in extras["test"]
    (torch,) = extras["torch"]
    assert f"pip install {torch}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_each_extra_that_is_named_exists_and_brings_what_the_name_says():
    extras = PROJECT["optional-dependencies"]
    assert {"keras", "jax", "jaxlib", "hypothesis", "h5py"} == {r.split("==")[0] for r in extras["compare"]}
    files = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "minirnn").rglob("*.py")]
    for file in files:
        named = re.findall(r"minirnn\[(\w+)\]['\"`]", file.read_text(encoding="utf-8"))
        assert set(named) <= set(extras), file


def test_the_readme_has_the_two_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "pip install -e . && python -m minirnn demo" in readme
    assert "pip install -e '.[test]' && pytest" in readme
