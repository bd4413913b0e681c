"""Every op against NumPy, in sizes, values and dtypes that hypothesis draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import backend, ops, tree
from minirnn.autograd import Tensor, convert
from tests.ops.calls import ENTRIES, OTHERS, Maker

TOLERANCE = {"float64": 1e-12, "float32": 2e-5, "int32": 0}


def named_apart(entries):
    return [f"{e.name}-{i}" for i, e in enumerate(entries)]


def agree(ours, expected, tolerance, name):
    if expected is None:
        return
    expected = expected if isinstance(expected, list | tuple) else [expected]
    ours = ours if isinstance(ours, list | tuple) else [ours]
    assert len(ours) == len(expected)
    for y, e in zip(ours, expected, strict=True):
        assert isinstance(y, np.ndarray if name == "convert_to_numpy" else Tensor | int | float)
        e = np.asarray(e)
        assert np.shape(y) == e.shape
        np.testing.assert_allclose(np.asarray(y), e, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("entry", ENTRIES, ids=named_apart(ENTRIES))
@given(
    seed=st.integers(0, 999),
    sizes=st.tuples(*[st.integers(1, 4)] * 3),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_an_op_gives_what_numpy_gives(entry, seed, sizes, dtype):
    call = entry.make(Maker(seed, sizes, dtype))
    ours = getattr(ops, entry.name)(*call.args, **call.kwargs)
    expected = entry.reference(*call.args, **call.kwargs)
    agree(ours, expected, TOLERANCE["float32"] if dtype == "float32" else 1e-7, entry.name)


@pytest.mark.parametrize("entry", ENTRIES, ids=named_apart(ENTRIES))
def test_an_op_takes_tensors_as_it_takes_arrays(entry):
    call = entry.make(Maker())
    wrap = lambda leaf: convert(leaf) if isinstance(leaf, np.ndarray) else leaf
    args, kwargs = tree.map_structure(wrap, (call.args, call.kwargs))
    by_arrays = tree.flatten(getattr(ops, entry.name)(*call.args, **call.kwargs))
    by_tensors = tree.flatten(getattr(ops, entry.name)(*args, **kwargs))
    for a, b in zip(by_arrays, by_tensors, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
        assert np.asarray(a).dtype == np.asarray(b).dtype


@pytest.mark.parametrize("entry", ENTRIES, ids=named_apart(ENTRIES))
def test_an_op_neither_changes_its_arrays_nor_gives_away_their_memory(entry):
    call = entry.make(Maker())
    here = lambda leaf: backend.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf
    args, kwargs = tree.map_structure(here, (call.args, call.kwargs))
    arrays = [leaf for leaf in tree.flatten((args, kwargs)) if backend.is_array(leaf)]
    before = [backend.to_numpy(a) for a in arrays]
    results = tree.flatten(getattr(ops, entry.name)(*args, **kwargs))
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(backend.to_numpy(array), copy)
        for y in results:
            if isinstance(y, Tensor):
                assert not backend.array_module(array).may_share_memory(y.data, array)


def test_every_public_op_is_in_the_table():
    assert set(ops.__all__) - OTHERS == {entry.name for entry in ENTRIES}
    assert len(set(ops.__all__)) == len(ops.__all__)


@pytest.mark.parametrize("name", ops.__all__)
def test_a_public_op_has_its_name_a_docstring_and_its_module(name):
    function = getattr(ops, name)
    assert function.__doc__ and function.__module__.startswith("minirnn.ops.")
    assert getattr(ops, function.__name__) is function
