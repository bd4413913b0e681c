"""Bad arguments: what came, what was expected, under the op's name."""

import numpy as np
import pytest

from minirnn import ops

X = np.ones((2, 3), "float32")
OBJECTS = np.array([None, {}], dtype=object)


# How each op is called with something bad in place of an array.
WITH = {
    "reshape": lambda bad: ops.reshape(bad, (2,)),
    "clip": lambda bad: ops.clip(bad, 0, 1),
    "take": lambda bad: ops.take(bad, [0]),
    "where": lambda bad: ops.where(bad, X, X),
    "cast": lambda bad: ops.cast(bad, "int32"),
    "concatenate": lambda bad: ops.concatenate([X, bad]),
    "stack": lambda bad: ops.stack([bad]),
    "matmul": lambda bad: ops.matmul(X, bad),
    "einsum": lambda bad: ops.einsum("i->", bad),
    "one_hot": lambda bad: ops.one_hot(bad, 3),
    "pad": lambda bad: ops.pad(bad, 1),
    "split": lambda bad: ops.split(bad, 2),
    "expand_dims": lambda bad: ops.expand_dims(bad, 0),
    "tile": lambda bad: ops.tile(bad, 2),
    "repeat": lambda bad: ops.repeat(bad, 2),
    "scan": lambda bad: ops.scan(lambda c, x: (c, x), bad, X),
    "moments": lambda bad: ops.moments(bad, [0]),
    "binary_crossentropy": lambda bad: ops.binary_crossentropy(bad, X),
    "slice": lambda bad: ops.slice(bad, [0], [1]),
    "add": lambda bad: ops.add(X, bad),
    "multiply": lambda bad: ops.multiply(bad, 2.0),
    "divide": lambda bad: ops.divide(bad, X),
    "power": lambda bad: ops.power(bad, 2.0),
    "equal": lambda bad: ops.equal(bad, bad),
}
WITH |= {
    name: getattr(ops, name)
    for name in [
        "tanh",
        "sigmoid",
        "negative",
        "logical_not",
        "round",
        "sum",
        "mean",
        "max",
        "argmax",
        "sort",
        "norm",
        "cumsum",
        "softmax",
        "relu",
        "logsumexp",
        "convert_to_tensor",
        "convert_to_numpy",
        "stop_gradient",
        "zeros_like",
        "unique",
        "transpose",
        "squeeze",
        "flip",
    ]
}


@pytest.mark.parametrize("bad", [OBJECTS, np.array(["a", "b"]), "text", None, object()], ids=repr)
@pytest.mark.parametrize("name", WITH)
def test_an_op_refuses_what_is_no_number(name, bad):
    with pytest.raises(TypeError, match="expected numbers; got"):
        WITH[name](bad)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: ops.sum(X, axis=2), "sum: axis 2 is out of bounds"),
        (lambda: ops.mean(X, axis=(0, -3)), "axis -3 is out of bounds"),
        (lambda: ops.max(X, axis=5), "max: axis 5"),
        (lambda: ops.argmax(X, axis=2), "argmax: axis must be from -2 to 1.* got 2"),
        (lambda: ops.cumsum(X, axis=-3), "cumsum: axis must be from -2 to 1"),
        (lambda: ops.softmax(X, axis=2), "softmax: axis must be from -2 to 1"),
        (lambda: ops.logsumexp(X, axis=(0, 0)), "logsumexp: an axis comes twice"),
        (lambda: ops.concatenate([X, X], axis=2), "concatenate: axis must be"),
        (lambda: ops.stack([X, X], axis=4), "stack: axis must be from -3 to 2"),
        (lambda: ops.expand_dims(X, 4), "expand_dims: axis must be from -3 to 2"),
        (lambda: ops.squeeze(X, axis=0), "squeeze: axis 0 .* has size 2, not 1"),
        (lambda: ops.transpose(X, (0, 0)), "transpose: an axis comes twice"),
        (lambda: ops.transpose(X, (0,)), "transpose: axes must name each of the 2 axes"),
        (lambda: ops.flip(X, axis=7), "flip: axis"),
        (lambda: ops.unstack(X, num=4), "unstack: num must be 2"),
        (
            lambda: ops.reshape(X, (4, 2)),
            r"reshape: .* size 6 .*float32 \(2, 3\), shape=\(4, 2\)",
        ),
        (lambda: ops.reshape(X, (-1, 4)), r"reshape: .*\(2, 3\), shape=\(-"),
        (lambda: ops.reshape(X, (-1, -1)), r"reshape: .*\(2, 3\), shape=\(-"),
        (lambda: ops.reshape(X, (-2, 3)), r"reshape: sizes must be 0 or more.*got \(-2, 3\)"),
        (lambda: ops.broadcast_to(X, (4, 3)), r"broadcast_to: .*float32 \(2, 3\), shape=\(4, 3\)"),
        (lambda: ops.concatenate([X, X.T], axis=0), r"concatenate: .*float32 \(2, 3\), float32 \(3, 2\)"),
        (lambda: ops.concatenate([]), "concatenate: needs at least one array"),
        (lambda: ops.stack([X, X.T]), r"stack: .*\(2, 3\), float32 \(3, 2\)"),
        (lambda: ops.split(X, 2, axis=1), "split: axis 1 of size 3 cannot be cut into 2 equal parts"),
        (lambda: ops.split(X, 0), "cannot be cut into 0"),
        (lambda: ops.matmul(X, X), r"matmul: .*\(2, 3\), float32 \(2, 3\)"),
        (lambda: ops.tensordot(X, X, axes=1), r"tensordot: axes \(1,\) of shape \(2, 3\) and axes \(0,\)"),
        (lambda: ops.add(X, X.T), r"add: .*float32 \(2, 3\), float32 \(3, 2\)"),
        (lambda: ops.einsum("ij,jk", X), "einsum: .* is for 2 operands; got 1"),
        (lambda: ops.einsum("ijk->i", X), r"gives an operand the axes 'ijk'; got one of shape \(2, 3\)"),
        (lambda: ops.einsum("ij,jk->ik", X, X), "'j' in .* stands for the sizes 3 and 2"),
        (lambda: ops.einsum("ij->ik", X), "must name axes of the operands"),
        (lambda: ops.einsum("i...->i", X), r"must have '\.\.\.' as well"),
        (lambda: ops.norm(X, "nuc"), "norm: no norm of order 'nuc'"),
        (lambda: ops.norm(X, 3), "norm: no norm of order 3"),
        (lambda: ops.pad(X, ((1, -1), (0, 0))), "pad: pad_width must hold"),
        (lambda: ops.pad(X, 1, mode="nearest"), "pad: mode must be"),
        (lambda: ops.pad(X, 1, mode="reflect", constant_values=1), "constant_values is for mode='constant'"),
        (lambda: ops.tril(X[0]), "tril: needs two axes"),
        (lambda: ops.diag(np.ones((1, 1, 1))), "diag: needs one or two axes"),
        (lambda: ops.top_k(X, 4), "top_k: k must be from 0"),
        (lambda: ops.repeat(X, [1, 2, 3], axis=0), "repeat: repeats must be one number or 2"),
        (
            lambda: ops.slice(X, (0, 2), (1, 2)),
            "slice: a block of length 2 from 2 does not fit axis 1 of size 3",
        ),
        (lambda: ops.slice(X, (0,), (1,)), "slice: start_indices and shape need one entry for each of the 2"),
        (lambda: ops.slice_update(X, (0, -1), X[:1, :1]), "start_indices must be 0 or more"),
        (
            lambda: ops.scatter_update(X, [[0]], X[:1], reduction="mul"),
            "reduction must be None or 'add'; got 'mul'",
        ),
        (lambda: ops.take_along_axis(X, [0], axis=1), "indices must have the 2 axes of x"),
        (lambda: ops.select([X > 0], []), "select: needs as many choices"),
        (lambda: ops.where(X > 0, X), "where: needs both"),
        (lambda: ops.glu(X), "glu: axis 1 must have an even size"),
        (lambda: ops.quantile(X, 1.5), "quantile: q must be from 0 to 1"),
        (lambda: ops.quantile(X, 0.5, method="cubic"), "quantile: method must be one of"),
        (lambda: ops.average(X, axis=0, weights=np.ones(3)), "average: weights must have the shape of x"),
        (lambda: ops.normalize(X, order=0), "normalize: order must be"),
        (lambda: ops.categorical_crossentropy(X, X.T), r"must have one shape; got \(2, 3\) and \(3, 2\)"),
        (
            lambda: ops.binary_crossentropy(X, X[0]),
            "binary_crossentropy: target and output must have one shape",
        ),
        (lambda: ops.sparse_categorical_crossentropy([0], X), r"target must have shape \(2,\)"),
        (lambda: ops.sparse_categorical_crossentropy([0, 3], X), "targets must be from 0 to 2.* got 0 to 3"),
        (lambda: ops.sparse_categorical_crossentropy([-1, 0], X), "got -1 to 0"),
        (lambda: ops.in_top_k([0.5, 0.5], X, 1), "in_top_k: targets must be integers"),
        (lambda: ops.segment_sum(X, [0]), "segment_ids must have shape"),
        (lambda: ops.scan(lambda c, x: (c, x), 0.0), "scan: needs xs of one length, or length="),
        (lambda: ops.scan(lambda c, x: (c, x), 0.0, [X, X[0]]), r"got lengths \[2, 3\]"),
        (lambda: ops.scan(lambda c, x: ((c, c), x), X[0], X), "Structures differ"),
        (lambda: ops.convert_to_tensor(X, sparse=True), "sparse and ragged"),
        (lambda: ops.meshgrid(X, indexing="yx"), "meshgrid: indexing must be"),
        (lambda: ops.max(np.ones((0, 2)), axis=0), "max: .*float64 \\(0, 2\\)"),
    ],
)
def test_bad_shapes_axes_and_choices_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: ops.take(X, [0, 3], axis=1), "take: indices along axis 1 must be from -3 to 2; got 0 to 3"),
        (lambda: ops.take(X, 6), "take: indices along axis 0 must be from -6 to 5"),
        (lambda: ops.take_along_axis(X, [[0], [-4]], axis=1), "from -3 to 2; got -4 to 0"),
        (lambda: ops.get_item(X, 2), "getitem: index 2 is out of bounds"),
        (
            lambda: ops.scatter([[2]], [1.0], (2,)),
            "scatter: indices along axis 0 .* got 2 to 2",
        ),
        (lambda: ops.segment_sum(X, [0, 2], num_segments=2), "segment_sum: numbers must be from 0 to 1"),
    ],
)
def test_indices_out_of_range_are_named(call, words):
    with pytest.raises(IndexError, match=words):
        call()


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: ops.take(X, [0.5], axis=1), "take: indices must be integers; got dtype float32"),
        (lambda: ops.one_hot([0.5], 3), "one_hot: class numbers must be integers"),
        (lambda: ops.scatter([[0.5]], [1.0], (2,)), "scatter: indices must be integers"),
        (lambda: ops.flip(X, axis="rows"), "flip: axis must be an integer; got 'rows'"),
        (lambda: ops.subtract(X > 0, X > 0), "subtract: .*bool"),
        (lambda: ops.bitwise_and(X, X), "bitwise_and: .*float32"),
    ],
)
def test_wrong_types_are_named(call, words):
    with pytest.raises(TypeError, match=words):
        call()
