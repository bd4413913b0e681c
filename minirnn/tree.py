"""Nested structures: lists, tuples, namedtuples and dicts, nested in any way, and what lies in them.

Dicts are walked in the order of their sorted keys. None is a leaf. The recursion is over the nesting of
a structure, which people write by hand, never over a graph or a sequence.
"""

from collections import OrderedDict
from typing import Any


def is_nested(value) -> bool:
    """Whether `value` is a list, tuple or dict (and not a leaf)."""
    return isinstance(value, list | tuple | dict)


def _keys(structure):
    return structure.keys() if isinstance(structure, OrderedDict) else sorted(structure)


def _children(structure):
    return [structure[k] for k in _keys(structure)] if isinstance(structure, dict) else list(structure)


def _rebuild(structure, children):
    """Return a structure of the kind of `structure` with other children."""
    if isinstance(structure, dict):
        values = dict(zip(_keys(structure), children, strict=True))
        items = [(k, values[k]) for k in structure]
        return OrderedDict(items) if isinstance(structure, OrderedDict) else dict(items)
    if hasattr(structure, "_fields"):
        return type(structure)(*children)
    return tuple(children) if isinstance(structure, tuple) else list(children)


def flatten(structure, is_leaf=None) -> list:
    """Return the leaves of `structure` in order; a leaf alone gives a list of one.

    Parameters
    ----------
    structure : nested structure
    is_leaf : callable, optional
        Says of a list, tuple or dict that it is a leaf and not to be entered.
    """
    if not is_nested(structure) or (is_leaf is not None and is_leaf(structure)):
        return [structure]
    leaves = []
    for child in _children(structure):
        leaves.extend(flatten(child, is_leaf))
    return leaves


def map_structure(function, *structures, is_leaf=None) -> Any:
    """Return the structure of the first argument with `function` applied to the leaves of all.

    Raises
    ------
    ValueError
        If the structures differ.
    """
    first = structures[0]
    if not is_nested(first) or (is_leaf is not None and is_leaf(first)):
        return function(*structures)
    for other in structures[1:]:
        _assert_same_node(first, other)
    children = zip(*(_children(s) for s in structures), strict=True)
    return _rebuild(first, [map_structure(function, *c, is_leaf=is_leaf) for c in children])


def pack_sequence_as(structure, flat, is_leaf=None) -> Any:
    """Return `flat`, a sequence of leaves, in the form of `structure`.

    Raises
    ------
    ValueError
        If the number of leaves differs.
    """
    flat = list(flat)
    count = len(flatten(structure, is_leaf))
    if count != len(flat):
        raise ValueError(f"pack_sequence_as: the structure has {count} leaves; got {len(flat)}.")
    leaves = iter(flat)
    return map_structure(lambda _: next(leaves), structure, is_leaf=is_leaf)


def _assert_same_node(a, b):
    if not is_nested(b) or isinstance(a, dict) != isinstance(b, dict) or len(a) != len(b):
        raise ValueError(f"Structures differ: {_describe(a)} against {_describe(b)}.")
    if isinstance(a, dict) and set(a) != set(b):
        raise ValueError(f"Structures differ: keys {sorted(a)} against {sorted(b)}.")


def _describe(value):
    if isinstance(value, dict):
        return f"a dict of {sorted(value)}"
    return f"a {type(value).__name__} of {len(value)}" if is_nested(value) else f"a {type(value).__name__}"


def assert_same_structure(a, b) -> None:
    """Raise ValueError unless `a` and `b` nest alike (lists and tuples of one length count as alike)."""
    map_structure(lambda *_: None, a, b)
    map_structure(lambda *_: None, b, a)


def is_shape(value) -> bool:
    """Whether `value` is a shape: a plain list or tuple of integers and Nones."""
    return (
        isinstance(value, list | tuple)
        and not hasattr(value, "_fields")
        and all(n is None or (isinstance(n, int) and not isinstance(n, bool)) for n in value)
    )


def map_shape_structure(function, structure) -> Any:
    """Return `structure`, whose leaves are shapes, with `function` applied to each shape."""
    return map_structure(function, structure, is_leaf=is_shape)
