"""What a function of `ops` or `random` or a gradient cannot be taken of is refused, in its name."""

import numpy as np
import pytest

import minirnn
from minirnn import ops
from tests.laws.bad_input import check_refused

OPS = [
    (lambda: ops.matmul(np.zeros((2, 3)), np.zeros((2, 3))), ["matmul", "(2, 3)"]),
    (lambda: ops.add(np.zeros((2, 3)), np.zeros((2, 4))), ["add", "(2, 3)", "(2, 4)"]),
    (lambda: ops.reshape(np.zeros(6), (4, 2)), ["reshape", "(4, 2)"]),
    (lambda: ops.reshape(np.zeros(6), (-1, -1)), ["reshape"]),
    (lambda: ops.concatenate([np.zeros((2, 3)), np.zeros((3, 2))], axis=0), ["concatenate"]),
    (lambda: ops.concatenate([], axis=0), ["concatenate"]),
    (lambda: ops.stack([np.zeros(2), np.zeros(3)]), ["stack"]),
    (lambda: ops.einsum("ij,jk->ik", np.zeros((2, 3)), np.zeros((2, 3))), ["einsum"]),
    (lambda: ops.einsum("ij,jk->iz", np.zeros((2, 3)), np.zeros((3, 3))), ["einsum"]),
    (lambda: ops.einsum("ij", np.zeros((2, 3)), np.zeros((3, 3))), ["einsum"]),
    (lambda: ops.tensordot(np.zeros((2, 3)), np.zeros((2, 3)), axes=1), ["tensordot"]),
    (lambda: ops.transpose(np.zeros((2, 3)), (0, 0)), ["transpose", "(0, 0)"]),
    (lambda: ops.sum(np.zeros((2, 3)), axis=2), ["axis", "2"]),
    (lambda: ops.mean(np.zeros((2, 3)), axis="a"), ["axis", "a"]),
    (lambda: ops.expand_dims(np.zeros((2, 3)), 5), ["axis", "5"]),
    (lambda: ops.squeeze(np.zeros((2, 3)), 1), ["squeeze", "1"]),
    (lambda: ops.softmax(np.zeros((2, 3)), axis=4), ["axis", "4"]),
    (lambda: ops.take(np.zeros(3), [0.5]), ["take", "integer"]),
    (lambda: ops.split(np.zeros(5), 2), ["split", "2"]),
    (lambda: ops.pad(np.zeros(3), ((-1, 0),)), ["pad", "-1"]),
    (lambda: ops.slice(np.zeros(5), (3,), (4,)), ["slice"]),
    (lambda: ops.cast(np.zeros(3), "nosuch"), ["nosuch"]),
    (lambda: ops.convert_to_tensor([[1], [1, 2]]), ["convert_to_tensor"]),
    (lambda: ops.convert_to_tensor("abc"), ["convert_to_tensor"]),
    (lambda: ops.convert_to_tensor(None), ["convert_to_tensor"]),
    (lambda: ops.broadcast_to(np.zeros((2, 3)), (2, 4)), ["broadcast_to", "(2, 4)"]),
    (lambda: ops.where([True, False], np.zeros(3), np.zeros(2)), ["where"]),
    (lambda: ops.repeat(np.zeros(3), -1), ["negative"]),
    (lambda: ops.arange(0, 5, 0), ["arange", "step|0"]),
    (lambda: ops.zeros((-1,)), ["negative"]),
    (lambda: ops.convert_to_tensor(np.zeros((2, 3))).item(), ["item|size|one"]),
    (lambda: float(ops.convert_to_tensor(np.zeros((2, 3)))), ["scalar|size|one|0-dim"]),
    (lambda: bool(ops.convert_to_tensor(np.zeros((2, 3)))), ["truth|ambiguous"]),
    (lambda: minirnn.grad(lambda x: x)(np.zeros((2, 3))), ["scalar", "(2, 3)"]),
    (lambda: minirnn.grad(lambda x: ops.sum(x))(np.zeros(3, int)), ["int|float"]),
    (lambda: minirnn.grad(lambda x: x, argnums=3)(1.0), ["argnums|3"]),
    (lambda: minirnn.grad(3), ["int"]),
    (lambda: minirnn.random.normal((2,), seed="a"), ["seed"]),
    (lambda: minirnn.random.dropout(np.zeros(3), 1.5), ["dropout|rate", "1.5"]),
]


@pytest.mark.parametrize("call, words", [pytest.param(*c, id=f"{n}-{c[1][0]}") for n, c in enumerate(OPS)])
def test_what_no_function_takes(call, words):
    check_refused(call, *words)


@pytest.mark.parametrize(
    "call",
    [
        lambda: ops.take(np.zeros(3), [5]),
        lambda: ops.take_along_axis(np.zeros((2, 3)), np.array([[5]]), axis=1),
        lambda: ops.convert_to_tensor(np.zeros((2, 3)))[5],
        lambda: ops.convert_to_tensor(np.zeros((2, 3)))[0, 0, 0],
    ],
)
def test_an_index_out_of_range_is_an_index_error_as_in_numpy(call):
    with pytest.raises(IndexError, match=r"5|too many indices"):
        call()
