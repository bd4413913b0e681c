"""Every op against Keras's of the same name: values, shapes, dtypes, and gradients at kinks."""

import itertools

import numpy as np
import pytest

from minirnn import ops, tree
from minirnn.autograd import convert, grad
from tests.ops.calls import ENTRIES, Maker

# Keras says nothing on the values of empty arrays, takes no functions here, or is wrong: its sparsemax sums
# cumulative sums where it should sum values, so that what it gives does not sum to 1.
UNLIKE = {"empty", "empty_like", "cond", "while_loop", "sparsemax"}


def one_of_a_kind(entries):
    """Return one call of each op with the same keywords: JAX compiles each anew, NumPy sees them all."""
    kinds = {(e.name, *sorted(e.make(Maker()).kwargs)): e for e in entries}
    return list(kinds.values())


CALLED = one_of_a_kind(e for e in ENTRIES if e.name not in UNLIKE)

DTYPES = ["bool", "uint8", "int8", "int32", "float16", "float32"]
# By Keras's own declarations. What it declares of activations of integers (integers) is not what it gives.
UNARY = [
    "sin",
    "tan",
    "tanh",
    "arcsin",
    "arctan",
    "arccosh",
    "exp",
    "expm1",
    "exp2",
    "log",
    "log1p",
    "log2",
    "log10",
    "sqrt",
    "square",
    "absolute",
    "floor",
    "ceil",
    "trunc",
    "isnan",
    "isfinite",
    "logical_not",
    "sum",
    "mean",
    "prod",
    "max",
    "min",
    "std",
    "var",
    "any",
    "all",
    "argmax",
    "count_nonzero",
    "cumsum",
    "cumprod",
    "median",
    "sort",
    "argsort",
    "ravel",
    "transpose",
    "flip",
    "norm",
    "zeros_like",
    "nan_to_num",
    "average",
    "trace",
    "tril",
    "diagonal",
    "diff",
    "copy",
    "squeeze",
]
BINARY = [
    "add",
    "multiply",
    "divide",
    "true_divide",
    "maximum",
    "minimum",
    "arctan2",
    "logaddexp",
    "equal",
    "less",
    "logical_and",
    "matmul",
    "dot",
    "inner",
    "outer",
    "tensordot",
    "vdot",
    "isclose",
    "append",
    "divide_no_nan",
]
FLOATS = ["softplus", "elu", "gelu", "softmax", "hard_silu"]
KINKS = {
    "relu": [0.0],
    "relu6": [0.0, 6.0],
    "leaky_relu": [0.0],
    "elu": [0.0],
    "selu": [0.0],
    "celu": [0.0],
    "hard_tanh": [-1.0, 1.0],
    "hard_sigmoid": [-3.0, 3.0],
    "softsign": [0.0],
    "sparse_plus": [-1.0, 1.0],
    "max": [2.0, 2.0, 1.0],
    "min": [2.0, 2.0, 3.0],
    "prod": [0.0, 2.0, 3.0],
    "cumprod": [0.0, 2.0, 0.0],
    "sign": [0.0],
    "floor": [1.0],
    "square": [0.0],
    "logsumexp": [-np.inf, 1.0],
    "sigmoid": [-200.0, 200.0],
    "softplus": [-200.0, 200.0],
    "softmax": [1e4, 0.0],
    "sort": [3.0, 1.0, 2.0],
    "tanh": [100.0],
}


def named_apart(entries):
    return [f"{e.name}-{i}" for i, e in enumerate(entries)]


def flat(structure):
    return [np.asarray(leaf) for leaf in tree.flatten(structure)]


def agree(ours, theirs, tolerance=2e-5):
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("entry", CALLED, ids=named_apart(CALLED))
def test_an_op_gives_what_keras_gives(keras, entry):
    call = entry.make(Maker())
    theirs = getattr(keras.ops, entry.name)(*call.args, **call.kwargs)
    agree(flat(getattr(ops, entry.name)(*call.args, **call.kwargs)), flat(theirs))


def declared(keras, name, *dtypes):
    result = getattr(keras.ops, name)(*(keras.KerasTensor((2, 2), d) for d in dtypes))
    return keras.backend.standardize_dtype(result.dtype)


def given(name, *dtypes):
    with np.errstate(all="ignore"):
        return getattr(ops, name)(*(convert(np.ones((2, 2), d)) for d in dtypes)).dtype.name


@pytest.mark.parametrize("name", UNARY)
def test_the_dtype_of_a_result_is_the_one_that_keras_declares(keras, name):
    assert {d: given(name, d) for d in DTYPES} == {d: declared(keras, name, d) for d in DTYPES}


@pytest.mark.parametrize("name", BINARY)
def test_mixed_dtypes_join_as_keras_declares(keras, name):
    pairs = list(itertools.product(DTYPES, DTYPES))
    assert {p: given(name, *p) for p in pairs} == {p: declared(keras, name, *p) for p in pairs}


@pytest.mark.parametrize("name", FLOATS)
def test_activations_of_integers_are_floats_as_in_keras(keras, name):
    x = np.array([[1, 2]], "int32")
    agree(flat(getattr(ops, name)(x)), flat(getattr(keras.ops, name)(x)))


@pytest.mark.parametrize("number", [2, 2.5, True], ids=repr)
@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "divide", "less"])
def test_python_numbers_are_as_weak_as_keras_declares(keras, name, number):
    for dtype in DTYPES:
        theirs = getattr(keras.ops, name)(keras.KerasTensor((2,), dtype), number).dtype
        assert getattr(ops, name)(np.ones(2, dtype), number).dtype == theirs, dtype


@pytest.mark.parametrize("name", KINKS)
def test_gradients_at_kinks_and_extremes_are_those_of_keras(keras, name):
    import jax

    x = np.array(KINKS[name], "float32")
    theirs = jax.grad(lambda t: keras.ops.sum(getattr(keras.ops, name)(t)))(x)
    ours = grad(lambda t: ops.sum(getattr(ops, name)(t)))(x)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("name", ["maximum", "minimum", "logaddexp", "power", "mod", "arctan2"])
def test_gradients_of_two_arguments_at_ties_and_zeros_are_those_of_keras(keras, name):
    import jax

    x, y = np.array([1.0, 0.0, 3.0], "float32"), np.array([1.0, 2.0, 2.0], "float32")
    theirs = jax.grad(lambda a, b: keras.ops.sum(getattr(keras.ops, name)(a, b)), (0, 1))(x, y)
    ours = grad(lambda a, b: ops.sum(getattr(ops, name)(a, b)), argnums=(0, 1))(x, y)
    agree(flat(ours), flat(theirs))


@pytest.mark.parametrize("loss", ["binary_crossentropy", "categorical_crossentropy"])
@pytest.mark.parametrize("from_logits", [False, True])
def test_gradients_of_crossentropies_are_those_of_keras_at_certain_predictions_too(keras, loss, from_logits):
    import jax

    target = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], "float32")
    output = np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]], "float32")
    theirs = jax.grad(lambda t: keras.ops.sum(getattr(keras.ops, loss)(target, t, from_logits)))(output)
    ours = grad(lambda t: ops.sum(getattr(ops, loss)(target, t, from_logits)))(output)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
