"""docs/coverage.md names what is there, all of it and nothing else; tests/peers holds the rest to Keras."""

import importlib

import pytest

from tests.docs.coverage import MODULES, listed, names_of


def test_the_page_has_each_module_once():
    assert tuple(listed()) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_what_the_page_says_is_there_is_there_and_the_rest_is_not(module):
    page, found = listed()[module], importlib.import_module(f"minirnn.{module}")
    here = [*page["There"], *page.get("Only here", [])]
    assert sorted(names_of(module) - set(here)) == [], "in the package and not on the page"
    assert [name for name in here if not hasattr(found, name)] == [], "on the page and not in the package"
    assert sorted(names_of(module) & set(page.get("Not there", []))) == [], "in the package after all"
    everything = [name for names in page.values() for name in names]
    assert len(everything) == len(set(everything))
