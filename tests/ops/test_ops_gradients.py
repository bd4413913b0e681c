"""The gradient of every op that gives floats, against central differences in float64."""

import numpy as np
import pytest

from minirnn import ops, tree
from minirnn.autograd import Tensor, Variable, grad
from tests.ops.calls import ENTRIES, Maker

# Constants by their description, no Tensors, or functions that jump where the table calls them.
WITHOUT = {
    "linspace",
    "stop_gradient",
    "convert_to_numpy",
    "zeros_like",
    "ones_like",
    "empty_like",
    "full_like",
}
WITHOUT |= {"divide_no_nan", "nan_to_num", "ctc_decode"}


def float_arrays(call):
    leaves = tree.flatten((call.args, call.kwargs))
    return leaves, [i for i, a in enumerate(leaves) if isinstance(a, np.ndarray) and a.dtype == "float64"]


def has_floats(entry):
    call = entry.make(Maker(dtype="float64"))
    if entry.name in WITHOUT or not float_arrays(call)[1]:
        return False
    results = tree.flatten(getattr(ops, entry.name)(*call.args, **call.kwargs))
    return any(isinstance(y, Tensor) and y.dtype == "float64" for y in results)


DIFFERENTIABLE = [e for e in ENTRIES if has_floats(e)]


@pytest.mark.parametrize("entry", DIFFERENTIABLE, ids=[f"{e.name}-{i}" for i, e in enumerate(DIFFERENTIABLE)])
def test_the_gradient_of_an_op_is_its_difference(entry):
    call = entry.make(Maker(dtype="float64"))
    leaves, places = float_arrays(call)
    rng = np.random.default_rng(0)
    directions = [rng.standard_normal(leaves[i].shape) for i in places]
    weights = {}

    def projected(arrays):
        replaced = list(leaves)
        for i, a in zip(places, arrays, strict=True):
            replaced[i] = a
        args, kwargs = tree.pack_sequence_as((call.args, call.kwargs), replaced)
        total = 0.0
        for k, y in enumerate(tree.flatten(getattr(ops, entry.name)(*args, **kwargs))):
            if isinstance(y, Tensor) and y.dtype == "float64":
                total = total + (y * weights.setdefault(k, rng.standard_normal(y.shape))).sum()
        return total

    variables = [Variable(leaves[i]) for i in places]
    total = projected(variables)
    gradients = grad(total, variables)
    assert total.requires_grad, "the graph was lost"
    slope = sum(
        float((g.numpy() * d).sum()) for g, d in zip(gradients, directions, strict=True) if g is not None
    )
    ends = [
        float(projected([leaves[i] + h * d for i, d in zip(places, directions, strict=True)]))
        for h in (1e-6, -1e-6)
    ]
    assert slope == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6, abs=1e-7)


def test_second_order_goes_through_composed_ops():
    x = np.linspace(-2.1, 2.0, 7)
    for op in (
        ops.softmax,
        ops.gelu,
        ops.log_softmax,
        ops.silu,
        ops.logsumexp,
        ops.normalize,
        ops.std,
        ops.elu,
    ):
        inner = lambda t, op=op: ops.sum(op(t) * np.arange(7.0))
        slope = lambda t, inner=inner: ops.sum(grad(inner)(t) * np.cos(np.arange(7.0)))
        second = grad(slope)(x)
        direction = np.sin(np.arange(7.0))
        ends = [float(slope(x + h * direction)) for h in (1e-5, -1e-5)]
        assert float((second.numpy() * direction).sum()) == pytest.approx(
            (ends[0] - ends[1]) / 2e-5, rel=1e-5, abs=1e-7
        )


def test_an_embedding_lookup_adds_up_the_gradient_of_a_row_used_twice():
    table = Variable(np.ones((3, 2)))
    rows = ops.take(table, np.array([[0, 2], [0, 0]]), axis=0)
    np.testing.assert_array_equal(grad(ops.sum(rows), table).numpy(), [[3, 3], [0, 0], [1, 1]])


def test_ops_do_not_lose_the_graph_of_variables_given_directly():
    w = Variable(np.ones((2, 2)))
    for value in (
        ops.convert_to_tensor(w),
        ops.copy(w),
        ops.reshape(w, (4,)),
        ops.cast(w, "float32"),
        ops.array(w),
    ):
        assert grad(ops.sum(value), w) is not None
    assert not ops.stop_gradient(w).requires_grad
