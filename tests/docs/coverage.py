"""What docs/coverage.md says, and what the package has."""

import importlib
import re
from pathlib import Path

from minirnn import ops

PAGE = Path(__file__).resolve().parents[2] / "docs" / "coverage.md"
# Of minirnn and of Keras alike.
MODULES = (
    "layers",
    "models",
    "losses",
    "metrics",
    "optimizers",
    "optimizers.schedules",
    "callbacks",
    "initializers",
    "regularizers",
    "constraints",
    "activations",
    "ops",
    "random",
    "utils",
    "saving",
    "tree",
    "config",
    "dtype_policies",
    "mixed_precision",
    "backend",
    "preprocessing",
    "preprocessing.sequence",
    "datasets",
)
# What other modules of minirnn use of these, and no user has to know.
HELPERS = {
    "initializers": {"RandomInitializer", "compute_fans"},
    "losses": {"LossFunctionWrapper", "resolve_crossentropy"},
    "metrics": {"resolve_accuracy"},
    "random": {"make_default_seed"},
    "tree": {"is_shape"},
    "utils": {"auto_name"},
}


def listed() -> dict[str, dict[str, list[str]]]:
    """Return the names on the page, by module and by what is said of them."""
    sections = re.split(r"^## (\S+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    line = re.compile(r"^(There|Not there|Only here): (.*)$", re.MULTILINE)
    return {
        module: {m[1]: re.findall(r"`(\w+)`", m[2]) for m in line.finditer(text)}
        for module, text in zip(sections[::2], sections[1::2])
    }


def names_of(module: str) -> set[str]:
    """Return the public names of a module: its ``__all__``, or what is defined in it or is an op."""
    found = importlib.import_module(f"minirnn.{module}")
    names = getattr(found, "__all__", None)
    if names is None:
        names = [
            name
            for name, value in vars(found).items()
            if not name.startswith("_")
            and (getattr(value, "__module__", None) == found.__name__ or getattr(ops, name, None) is value)
        ]
    return set(names) - HELPERS.get(module, set())
