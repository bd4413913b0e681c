"""Laws of nested structures."""

from collections import OrderedDict, namedtuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import tree

Pair = namedtuple("Pair", ["first", "second"])


def structures(leaves):
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.lists(inner, max_size=3).map(tuple)
            | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3)
            | st.builds(Pair, inner, inner)
        ),
        max_leaves=8,
    )


@given(structures(st.integers() | st.none()))
def test_packing_what_was_flattened_gives_the_structure_back(structure):
    packed = tree.pack_sequence_as(structure, tree.flatten(structure))
    assert packed == structure and type(packed) is type(structure)


@given(structures(st.integers()))
def test_mapping_is_mapping_each_leaf(structure):
    mapped = tree.map_structure(lambda a, b: a + b, structure, structure)
    assert tree.flatten(mapped) == [2 * leaf for leaf in tree.flatten(structure)]
    tree.assert_same_structure(structure, mapped)


def test_dicts_are_walked_by_sorted_keys_and_keep_their_order():
    structure = {"b": 1, "a": 2}
    assert tree.flatten(structure) == [2, 1]
    assert list(tree.map_structure(str, structure)) == ["b", "a"]
    ordered = OrderedDict([("b", 1), ("a", 2)])
    assert tree.flatten(ordered) == [1, 2] and type(tree.map_structure(str, ordered)) is OrderedDict


def test_namedtuples_stay_what_they_are():
    assert tree.map_structure(str, Pair(1, [2])) == Pair("1", ["2"])


@pytest.mark.parametrize(
    ("a", "b"), [([1, 2], [1]), ({"a": 1}, {"b": 1}), ([1, [2]], [1, 2]), ({"a": 1}, [1]), (1, [1])]
)
def test_structures_that_differ_are_an_error(a, b):
    with pytest.raises(ValueError, match="Structures differ"):
        tree.assert_same_structure(a, b)
    with pytest.raises(ValueError, match="Structures differ"):
        tree.assert_same_structure(b, a)


def test_too_many_or_too_few_leaves_are_an_error():
    for flat in ([1], [1, 2, 3]):
        with pytest.raises(ValueError, match="2 leaves"):
            tree.pack_sequence_as([0, 0], flat)


def test_a_shape_is_a_leaf_for_shapes_and_a_namedtuple_of_shapes_is_not():
    shapes = Pair((None, 3), [(2, 4), (5,)])
    assert tree.map_shape_structure(len, shapes) == Pair(2, [2, 1])
    assert not tree.is_shape(Pair(1, 2)) and not tree.is_shape((True, 2)) and tree.is_shape(())
