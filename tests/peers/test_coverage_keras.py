"""What docs/coverage.md says is not there is all that Keras has beside what is there."""

import importlib
import inspect
import re

import pytest

from tests.docs.coverage import MODULES, PAGE, listed


@pytest.mark.parametrize("module", MODULES)
def test_what_is_there_and_what_is_not_are_all_that_keras_has(keras, module):
    page = listed()[module]
    theirs = {name for name in dir(importlib.import_module(f"keras.{module}")) if not name.startswith("_")}
    assert sorted(theirs) == sorted([*page["There"], *page.get("Not there", [])])
    assert not theirs & set(page.get("Only here", []))


def parameters_of(thing):
    found = inspect.signature(thing.__init__ if inspect.isclass(thing) else thing).parameters.values()
    names = {p.name for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    return names, any(p.kind is p.VAR_KEYWORD for p in found)


@pytest.mark.parametrize("module", [m for m in MODULES[: MODULES.index("ops")] if m != "models"])
def test_what_is_there_takes_the_arguments_that_keras_takes_but_for_those_the_page_names(keras, module):
    (left_out,) = re.findall(r"all but `(\w+)`, `(\w+)` and `(\w+)`", PAGE.read_text(encoding="utf-8"))
    lacking = {}
    for name in listed()[module]["There"]:
        ours, theirs = (getattr(importlib.import_module(f"{m}.{module}"), name) for m in ("minirnn", "keras"))
        if callable(theirs):
            (names, takes_more), (expected, _) = parameters_of(ours), parameters_of(theirs)
            lacking[name] = set() if takes_more else expected - names - set(left_out)
            assert not names & set(left_out)
    assert not any(lacking.values()), lacking
