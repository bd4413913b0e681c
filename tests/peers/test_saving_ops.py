"""Functional models with ops between their layers: built in one library, read in the other, equal outputs."""

import importlib
import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import basic_indices

import minirnn
from minirnn import ops, tree
from minirnn.models import op_config
from tests.ops.calls import Maker
from tests.ops.test_ops_symbolic import SYMBOLIC, floats
from tests.peers.test_ops_keras import one_of_a_kind

# Keras's own, from its Variables under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

X = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
T = np.linspace(0.5, 2, 20, dtype="float32").reshape(4, 5)

# From a symbolic tensor of shape (2, 5, 4) and the ops of a library.
INDEXED = {
    "[:, 0]": lambda x, ops: x[:, 0],
    "[1]": lambda x, ops: x[1],
    "[0, 1]": lambda x, ops: x[0, 1],
    "[:, -1, :]": lambda x, ops: x[:, -1, :],
    "[..., 1]": lambda x, ops: x[..., 1],
    "[:, None]": lambda x, ops: x[:, None],
    "[None, ..., 2:]": lambda x, ops: x[None, ..., 2:],
    "[:, ::-1]": lambda x, ops: x[:, ::-1],
    "[:, 1:3]": lambda x, ops: x[:, 1:3],
    "[1:, ...]": lambda x, ops: x[1:, ...],
}
OPERATORS = {
    "tensor + tensor": lambda x, ops: x + x[:, :1],
    "tensor + number": lambda x, ops: x + 1.0,
    "number - tensor": lambda x, ops: 1 - x,
    "tensor * array": lambda x, ops: x * T[:, 0],
    "number / tensor": lambda x, ops: 2.0 / (x * x + 1),
    "tensor // number": lambda x, ops: x // 2,
    "tensor % number": lambda x, ops: x % 2.0,
    "number ** tensor": lambda x, ops: 2.0**x,
    "tensor ** number": lambda x, ops: x**2,
    "tensor @ array": lambda x, ops: x @ T,
    "comparisons": lambda x, ops: [x > 0, x >= 0.5, x < 0.5, x <= x[:, :1], ops.equal(x, x), x != 0],
    "logic": lambda x, ops: [(x > 0) & (x < 1), (x > 0) | (x < 1), (x > 0) ^ (x < 1), ~(x > 0)],
    "-": lambda x, ops: -x,
    "abs": lambda x, ops: abs(x),
}
FUNCTIONS = {
    "named arguments": lambda x, ops: [ops.mean(x=x, axis=(1, 2), keepdims=True), ops.add(x1=x, x2=1.0)],
    "where": lambda x, ops: [ops.where(x > 0, x, 0.0), ops.where(condition=x > 0, x1=1.0, x2=x)],
    "take": lambda x, ops: ops.take(x, [[0, 1], [4, 2]], axis=1),
    "dtypes": lambda x, ops: [ops.cast(x, "int32"), ops.cumsum(x, 1, dtype="int32"), ops.ones_like(x)],
    "split": lambda x, ops: [y * 2 for y in ops.split(x, [1, 3], axis=1)],
    "moments": lambda x, ops: list(ops.moments(x, [0, 1])),
    "clip": lambda x, ops: ops.clip(x, -1, 0.5),
    "tensors in a list": lambda x, ops: [ops.concatenate([x, x[:, :1]], axis=1), ops.stack((x, x), 1)],
    "einsum": lambda x, ops: ops.einsum("bij,bkj->bik", x, x),
    "meshgrid": lambda x, ops: ops.meshgrid(x[0, 0], x[1, 1], indexing="ij"),
    "norms": lambda x, ops: [ops.layer_normalization(x), ops.rms_normalization(x), ops.normalize(x)],
}
WRITTEN = INDEXED | OPERATORS | FUNCTIONS
# What Keras reads, and cannot be built from in Keras.
NOT_BUILT_IN_KERAS = {
    "[1:]": lambda x, ops: x[1:],
    "[None]": lambda x, ops: x[None],
    "array * tensor": lambda x, ops: T[:, 0] * x,
    "NumPy's integers": lambda x, ops: x[np.int64(1), :, np.int32(-1)] ** np.float32(2),
}
# What is written in a form of minirnn's, since Keras's has none.
NOT_READ_BY_KERAS = {
    "[:, [0, 2]]": lambda x, ops: x[:, [0, 2]],
    "[[1, 0]]": lambda x, ops: x[[1, 0]],
    "[array]": lambda x, ops: x[:, np.array([[0, 1], [2, 3]])],
    "[tensor]": lambda x, ops: x[ops.convert_to_tensor([1, 0, 1])],
    "clip to a tensor": lambda x, ops: ops.clip(x, x[:, :1], 1.0),
    "repeat by an array": lambda x, ops: ops.repeat(x, np.array([1, 0, 2, 1, 1]), axis=1),
}


def model_of(lib, build, *shapes):
    inputs = [lib.Input(batch_shape=shape) for shape in shapes]
    return lib.Model(inputs, build(*inputs, lib.ops))


def outputs(model, values):
    import jax

    with jax.disable_jit():
        return [np.asarray(y) for y in tree.flatten(model(values))]


def assert_read_alike(model, target, values):
    """The other library reads the model, and it gives what it gave."""
    read = target.models.model_from_json(model.to_json())
    for ours, theirs in zip(outputs(read, values), outputs(model, values), strict=True):
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def both_ways(keras):
    return (keras, minirnn), (minirnn, keras), (minirnn, minirnn)


@pytest.mark.parametrize("name", WRITTEN)
def test_an_op_is_the_same_in_the_other_library(keras, name):
    for source, target in both_ways(keras):
        assert_read_alike(model_of(source, WRITTEN[name], X.shape), target, [X])


@settings(max_examples=20)
@given(basic_indices(X.shape, allow_newaxis=True))
def test_any_index_by_numbers_and_slices_is_the_same_in_the_other_library(keras, index):
    index = index if isinstance(index, tuple) else (index,)
    for source, target in both_ways(keras):
        assert_read_alike(model_of(source, lambda x, ops: x[index], X.shape), target, [X])


@pytest.mark.parametrize("name", NOT_BUILT_IN_KERAS)
def test_what_cannot_be_built_in_keras_is_read_there(keras, name):
    for target in (keras, minirnn):
        assert_read_alike(model_of(minirnn, NOT_BUILT_IN_KERAS[name], X.shape), target, [X])


@pytest.mark.parametrize("name", NOT_READ_BY_KERAS)
def test_what_keras_has_no_form_for_is_read_here(keras, name):
    model = model_of(minirnn, NOT_READ_BY_KERAS[name], X.shape)
    assert_read_alike(model, minirnn, [X])
    with pytest.raises(TypeError, match="Could not locate function"):
        keras.models.model_from_json(model.to_json())


def test_ops_between_layers_are_the_same_in_the_other_library_through_a_file(keras, tmp_path):
    for source, target in both_ways(keras):
        i = source.Input((5, 4))
        h = source.layers.LSTM(3, return_sequences=True)(i)
        model = source.Model(i, source.layers.Dense(1)(h[:, -1] + source.ops.mean(h, 1)) * 2.0)
        model.save(tmp_path / "m.keras")
        read = target.saving.load_model(tmp_path / "m.keras")
        np.testing.assert_allclose(outputs(read, X), outputs(model, X), rtol=1e-5, atol=1e-5)


# Keras's sparsemax is another function, and functions among the arguments have no place in a config.
NOT_COMPARED = {"sparsemax", "cond", "fori_loop", "map", "scan", "switch", "vectorized_map", "while_loop"}
# Of these Keras cannot write or read some calls of its own: axes as lists, tensors that it makes an op with.
NOT_ALWAYS_IN_KERAS = {
    "average_pool",
    "clip",
    "conv",
    "hstack",
    "hypot",
    "max_pool",
    "norm",
    "quantile",
    "repeat",
    "tensordot",
}
# Takes Keras half a minute; what it decodes to is in test_ctc.py, and its arguments are below.
NOT_COMPARED |= {"ctc_decode"}
KINDS = [e for e in one_of_a_kind(SYMBOLIC) if e.name not in NOT_COMPARED]


def keras_reads_its_own(keras, build, values):
    try:
        assert_read_alike(model_of(keras, build, *(v.shape for v in values)), keras, values)
    except (AttributeError, IndexError, NotImplementedError, TypeError, ValueError):
        return False
    return True


@pytest.mark.parametrize("entry", KINDS, ids=[f"{e.name}-{i}" for i, e in enumerate(KINDS)])
def test_every_op_of_floats_is_the_same_in_the_other_library(keras, entry):
    call = entry.make(Maker())
    leaves = tree.flatten((call.args, call.kwargs))
    chosen = floats((call.args, call.kwargs))

    def build(*given):
        *inputs, ops = given
        filled = list(leaves)
        for place, tensor in zip(chosen, inputs, strict=True):
            filled[place] = tensor
        args, kwargs = tree.pack_sequence_as((call.args, call.kwargs), filled)
        return getattr(ops, entry.name)(*args, **kwargs)

    values = [leaves[place] for place in chosen]
    ways = both_ways(keras)
    if entry.name in NOT_ALWAYS_IN_KERAS and not keras_reads_its_own(keras, build, values):
        ways = [(minirnn, minirnn)]
    for source, target in ways:
        assert_read_alike(model_of(source, build, *(v.shape for v in values)), target, values)


# They give no symbolic tensor, or are no functions of any.
NO_CLASS = {"convert_to_numpy", "custom_gradient", "dtype", "is_tensor", "shape", "size", "ndim"}
NO_CLASS |= {"empty", "eye", "identity", "ones", "tri", "zeros"}
# Between two classes of one meaning; `unique` has two more arguments there, which are None.
MORE = {"layer_normalization": {"rms_scaling"}, "unique": {"size", "fill_value"}, "multi_hot": {"kwargs"}}


@pytest.mark.parametrize("name", sorted({*ops.__all__} - NO_CLASS))
def test_arguments_are_divided_as_keras_divides_them(keras, name):
    """Between making an object of its class and calling it, in the same order."""
    op = getattr(ops, name)
    if op.__module__ == "minirnn.ops.control":
        return
    module, class_name = op_config._class_of(op)
    cls = getattr(importlib.import_module(module), class_name)
    ours = inspect.signature(op).parameters
    called = [n for n in ours if n in op_config._CALLED and (op.__name__, n) not in op_config._MADE_WITH]
    theirs = [n for n in inspect.signature(cls.call).parameters if n not in ("self", "kwargs")]
    assert called == theirs
    made = inspect.signature(cls.__init__).parameters.keys() - {"self", "name"}
    assert {*ours} - {*called} - {"kwargs"} == made - MORE.get(name, set())
    assert op_config.Op({"class_name": class_name, "config": {}}).function is op
