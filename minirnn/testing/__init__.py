"""Differential testing: hold one engine against another, on drawn calls of layers, and find the difference.

``compare`` looks at one call, ``assert_agree`` raises on a difference, `strategies` (with Hypothesis) draws
whole cases, and ``python -m minirnn compare`` runs hundreds and prints a table. docs/comparing.md shows each.
"""

import importlib

from minirnn.testing.case import Case, Question, make
from minirnn.testing.comparison import assert_agree, compare
from minirnn.testing.difference import TOLERANCES, Difference, Disagreement, Report
from minirnn.testing.engine import Answer
from minirnn.testing.script import unpack
from minirnn.testing.sides import Side, side_of

__all__ = [
    "TOLERANCES",
    "Answer",
    "Case",
    "Difference",
    "Disagreement",
    "Question",
    "Report",
    "Side",
    "assert_agree",
    "compare",
    "make",
    "side_of",
    "unpack",
]


def __getattr__(name):
    if name == "strategies":  # needs Hypothesis, an extra
        return importlib.import_module("minirnn.testing.strategies")
    raise AttributeError(f"module 'minirnn.testing' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), "strategies"})
