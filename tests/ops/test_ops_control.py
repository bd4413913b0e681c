"""Loops and branches: `scan` over structures, the others against Python's own."""

import numpy as np
import pytest

from minirnn import ops
from minirnn.autograd import Variable, grad
from minirnn.ops.symbolic import KerasTensor

X = np.arange(12.0, dtype="float32").reshape(4, 3)


def test_scan_carries_structures_and_stacks_structures():
    def step(carry, x):
        state = {"sum": carry["sum"] + x["a"], "count": carry["count"] + 1}
        return state, (state["sum"], [x["b"] * 2.0])

    init = {"sum": np.zeros(3, "float32"), "count": 0}
    carry, (sums, [doubled]) = ops.scan(step, init, {"a": X, "b": X[:, 0]})
    np.testing.assert_array_equal(carry["sum"], X.sum(0))
    assert carry["count"].item() == 4 and carry["count"].dtype == "int32"
    np.testing.assert_array_equal(sums, np.cumsum(X, 0))
    np.testing.assert_array_equal(doubled, X[:, 0] * 2)


def test_scan_in_reverse_leaves_each_output_where_its_input_stood():
    carry, ys = ops.scan(lambda s, x: (s + x, s), np.zeros(3, "float32"), X, reverse=True)
    np.testing.assert_array_equal(carry, X.sum(0))
    np.testing.assert_array_equal(ys, X.sum(0) - np.cumsum(X, 0))


def test_scan_without_inputs_counts_by_length_and_without_outputs_gives_none():
    carry, ys = ops.scan(lambda s, x: (s * 2.0, x), 1.0, length=5)
    assert carry.item() == 32.0 and ys is None


def test_scan_over_no_steps_gives_outputs_of_length_zero():
    carry, ys = ops.scan(lambda s, x: (s + x, s * x), X[0], X[:0])
    np.testing.assert_array_equal(carry, X[0])
    assert ys.shape == (0, 3)


def test_the_gradient_goes_back_through_a_scan():
    w = Variable(2.0)
    carry, ys = ops.scan(lambda s, x: (s * w + x, s), 0.0, np.ones(3, "float32"))
    assert carry.item() == 7.0  # w² + w + 1
    assert grad(carry + ops.sum(ys), w).item() == 2 * 2 + 1 + 1


def test_while_loop_stops_by_condition_or_count_and_keeps_its_form():
    assert ops.while_loop(lambda x: x < 10, lambda x: x * 2, 1).item() == 16
    x, y = ops.while_loop(lambda x, y: x < 10, lambda x, y: (x + 1, y * 2.0), (0, 1.0), maximum_iterations=3)
    assert (x.item(), y.item()) == (3, 8.0)
    assert ops.while_loop(lambda x: False, lambda x: 1 / 0, X).shape == X.shape


def test_conditions_call_the_one_branch_alone_and_carry_gradients():
    x = Variable(3.0)
    y = ops.cond(x > 2, lambda: x * x, lambda: 1 / 0)
    assert grad(y, x).item() == 6.0
    assert ops.cond(np.array(False), lambda: 1 / 0, lambda: "other") == "other"


@pytest.mark.parametrize("index, expected", [(-3, 1.0), (0, 1.0), (1, 2.0), (7, 2.0)])
def test_a_switch_out_of_range_takes_the_nearest_branch(index, expected):
    assert ops.switch(index, [lambda v: v, lambda v: v * 2.0], 1.0).item() == expected


def test_fori_loop_hands_over_the_number_of_the_step():
    assert ops.fori_loop(1, 5, lambda i, v: v + i, 0).item() == 10
    assert ops.fori_loop(3, 3, lambda i, v: 1 / 0, 0).item() == 0


def test_map_takes_and_gives_structures():
    out = ops.map(lambda s: {"sum": ops.sum(s[0]), "both": s[0] + s[1]}, (X, X))
    np.testing.assert_array_equal(out["sum"], X.sum(1))
    np.testing.assert_array_equal(out["both"], X * 2)


def test_loops_over_symbolic_tensors_are_inferred():
    x = KerasTensor((5, None, 3))
    carry, ys = ops.scan(lambda s, v: (s, v * 2.0), 0.0, x)
    assert carry.shape == () and ys.shape == (5, None, 3)
    assert ops.map(lambda v: ops.sum(v, axis=0), x).shape == (5, 3)
