"""Ops on symbolic tensors have the shapes and dtypes that the values have."""

import numpy as np
import pytest

from minirnn import ops, tree
from minirnn.ops.symbolic import KerasTensor, infer
from tests.ops.calls import ENTRIES, Maker

# What they give depends on values, or they take no arrays.
BY_VALUE = {"nonzero", "unique", "bincount", "convert_to_numpy"}


def floats(structure):
    leaves = tree.flatten(structure)
    return [i for i, a in enumerate(leaves) if isinstance(a, np.ndarray) and a.dtype == "float32" and a.ndim]


def substituted(structure, chosen, unknown):
    leaves = tree.flatten(structure)
    for i in chosen:
        shape = leaves[i].shape
        leaves[i] = KerasTensor((None, *shape[1:]) if unknown else shape, leaves[i].dtype)
    return tree.pack_sequence_as(structure, leaves)


def takes_floats(call):
    return bool(floats((call.args, call.kwargs)))


SYMBOLIC = [e for e in ENTRIES if e.name not in BY_VALUE and takes_floats(e.make(Maker()))]


@pytest.mark.parametrize("entry", SYMBOLIC, ids=[f"{e.name}-{i}" for i, e in enumerate(SYMBOLIC)])
def test_a_symbolic_result_has_the_shape_and_dtype_of_the_value(entry):
    call = entry.make(Maker(sizes=(2, 3, 4)))
    chosen = floats((call.args, call.kwargs))
    values = tree.flatten(getattr(ops, entry.name)(*call.args, **call.kwargs))
    args, kwargs = substituted((call.args, call.kwargs), chosen, unknown=False)
    symbols = tree.flatten(getattr(ops, entry.name)(*args, **kwargs))
    assert len(symbols) == len(values)
    for symbol, value in zip(symbols, values, strict=True):
        if isinstance(value, int):
            continue
        assert isinstance(symbol, KerasTensor)
        assert (symbol.shape, symbol.dtype) == (value.shape, value.dtype)
        assert symbol.call is not None and symbol.call.function is getattr(ops, entry.name)


def of_one_array(call):
    return len(call.args) == 1 and isinstance(call.args[0], np.ndarray) and not floats(call.kwargs)


def of_a_batch(entry):
    call = entry.make(Maker(sizes=(6, 13, 14)))
    return of_one_array(call) and call.args[0].ndim > 1 and call.args[0].shape[0] == 6


UNARY = [e for e in SYMBOLIC if of_a_batch(e)]


@pytest.mark.parametrize("entry", UNARY, ids=[f"{e.name}-{i}" for i, e in enumerate(UNARY)])
def test_an_unknown_batch_size_stays_unknown_where_the_result_depends_on_it(entry):
    op = getattr(ops, entry.name)
    small, large = (entry.make(Maker(sizes=(size, 13, 14))) for size in (6, 7))
    args, kwargs = substituted((small.args, small.kwargs), [0], unknown=True)
    results = (op(*args, **kwargs), op(*small.args, **small.kwargs), op(*large.args, **large.kwargs))
    for symbol, a, b in zip(*map(tree.flatten, results), strict=True):
        assert symbol.shape == tuple(m if m == n else None for m, n in zip(a.shape, b.shape, strict=True))


def test_operators_and_methods_of_symbolic_tensors_are_ops():
    x = KerasTensor((None, 4))
    w = np.ones((4, 2), "float32")
    results = [
        x + 1.0,
        1.0 + x,
        x * x,
        x @ w,
        -x,
        x[:, 0],
        x.sum(axis=1),
        x.T,
        x.reshape(-1, 2),
        x > 0,
        abs(x),
    ]
    shapes = [(None, 4)] * 3 + [
        (None, 2),
        (None, 4),
        (None,),
        (None,),
        (4, None),
        (None, 2),
        (None, 4),
        (None, 4),
    ]
    assert [y.shape for y in results] == shapes


def test_a_tensor_and_a_symbolic_tensor_meet_on_either_side():
    x, t = KerasTensor((None, 4)), ops.ones((4,))
    assert (x + t).shape == (t + x).shape == (None, 4)
    assert (t < x).dtype == "bool"


def test_shapes_and_sizes_of_symbolic_tensors():
    x = KerasTensor((None, 4), "int32")
    assert ops.shape(x) == (None, 4) and ops.ndim(x) == 2 and ops.dtype(x) == "int32"
    assert ops.size(x) is None and ops.size(KerasTensor((3, 4))) == 12
    assert not ops.is_tensor(x)


def test_a_function_of_several_ops_infers_as_one():
    def function(x, y):
        return {"sum": ops.matmul(x, y), "parts": ops.unstack(y, axis=1)}

    out = infer(function, (KerasTensor((None, 3, 4)), KerasTensor((None, 4, 2))))
    assert out["sum"].shape == (None, 3, 2)
    assert [p.shape for p in out["parts"]] == [(None, 2)] * 4


def test_symbolic_tensors_inside_lists_are_found():
    x = KerasTensor((None, 4))
    assert ops.concatenate([x, np.ones((2, 4), "float32"), x], axis=0).shape == (None, 4)
    assert ops.stack([x, x], axis=1).shape == (None, 2, 4)


@pytest.mark.parametrize(
    "error, call",
    [(TypeError, call) for call in (bool, len, list, lambda x: x.numpy())]
    + [(ValueError, call) for call in (float, int, np.asarray, np.array)],
)
def test_asking_a_symbolic_tensor_for_its_value_says_what_to_do(error, call):
    with pytest.raises(error, match=r"symbolic and has no value.*minirnn\.ops"):
        call(KerasTensor((None,)))
