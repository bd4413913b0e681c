"""Laws of the graph: no recursion, no leaks, no second walk over a freed graph, values as they were."""

import gc
import threading
import tracemalloc
import weakref

import numpy as np
import pytest

from minirnn import ops
from minirnn.autograd import (
    Variable,
    convert,
    enable_grad,
    grad,
    inferring_shapes,
    no_grad,
    stop_gradient,
    value_and_grad,
)
from minirnn.autograd import primitives as P
from minirnn.backend import allowance
from minirnn.kernels.primitive import KernelPrimitive


def chain(x, steps):
    for _ in range(steps):
        x = x * 1.0001
    return x


def test_backward_goes_through_ten_thousand_steps_without_recursion():
    x = Variable(1.0)
    chain(x, 10_000).backward()
    assert x.grad.item() == pytest.approx(1.0001**10_000, rel=1e-3)


def test_a_chain_that_is_never_walked_is_freed_without_recursion():
    x = Variable(1.0)
    first = x * 1.0
    ends = weakref.ref(first), weakref.ref(y := chain(first, 100_000))
    del first, y
    assert [end() for end in ends] == [None, None]


def test_the_graph_is_freed_with_its_result():
    w = Variable(np.ones((100, 100)))
    gc.disable()
    try:
        loss = P.tanh(P.matmul(w, w)).sum()
        nodes = [weakref.ref(t) for t in (loss, loss.node.inputs[0])]
        del loss
        assert [n() for n in nodes] == [None, None]
    finally:
        gc.enable()


def test_backward_frees_arrays_as_it_goes_and_training_keeps_no_memory():
    w = Variable(np.ones((64, 64), "float32"))

    def step():
        loss = P.tanh(P.matmul(w, P.sigmoid(w))).sum()
        (g,) = grad(loss, [w])
        w.assign_sub(1e-6 * g)
        return loss

    step()
    tracemalloc.start()
    try:
        step()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(20):
            kept = step()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept.shape == ()
    assert after - before < 3 * w.data.nbytes


def test_a_second_backward_over_a_freed_graph_raises():
    x = Variable(2.0)
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match=r"freed.*retain_graph=True"):
        y.backward()


def test_a_retained_graph_can_be_walked_again_and_gradients_add_up():
    x = Variable(2.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 8.0


def test_two_results_share_a_part_of_the_graph_if_it_is_retained():
    x = Variable(3.0)
    shared = x * x
    a, b = shared * 2.0, shared * 5.0
    assert grad(a, x, retain_graph=True).item() == 12.0
    assert grad(b, x).item() == 30.0


def test_assigning_a_variable_between_forward_and_backward_does_not_change_the_gradient():
    w = Variable(3.0)
    y = w * w * w
    w.assign(100.0)
    (g,) = grad(y, [w])
    assert g.item() == 27.0
    assert grad(w * w, w).item() == 200.0


def test_a_value_taken_before_an_assignment_stays_as_it_was():
    w = Variable(1.0)
    before = w.value
    w.assign_add(5.0)
    assert before.item() == 1.0 and w.value.item() == 6.0
    assert not w.numpy().flags.writeable or w.numpy() is not w.numpy()


def test_a_variable_copies_the_array_that_it_is_made_of_and_assigned():
    array = np.ones(2, "float32")
    w = Variable(array)
    array[:] = 7.0
    assert w.numpy().tolist() == [1.0, 1.0]
    w.assign(array)
    array[:] = 9.0
    assert w.numpy().tolist() == [7.0, 7.0]


def test_an_assignment_of_another_shape_raises_and_changes_nothing():
    w = Variable(np.ones((2, 3)), name="kernel")
    with pytest.raises(ValueError, match=r"'kernel'.*\(2, 3\).*\(3, 2\)"):
        w.assign(np.zeros((3, 2)))
    assert w.numpy().sum() == 6.0


def test_a_tensor_used_many_times_collects_all_its_gradients():
    x = Variable(np.arange(3.0))
    y = (x + x * x + x[1] + x.sum()).sum()
    np.testing.assert_allclose(grad(y, x).numpy(), 1 + 2 * np.arange(3) + np.array([0, 3, 0]) + 3)


def test_gradients_by_values_on_the_way_and_none_where_nothing_depends():
    x, other = Variable(2.0), Variable(1.0)
    middle = x * x
    y = middle * middle
    gradients = grad(y, [middle, x, other, convert(np.zeros(2))])
    assert [None if g is None else g.item() for g in gradients] == [8.0, 32.0, None, None]


def test_one_output_of_several_that_is_not_used_does_no_harm():
    x = Variable(np.arange(6.0).reshape(2, 3))
    first, _ = P.unstack(x, axis=0)
    np.testing.assert_array_equal(grad(first.sum(), x).numpy(), [[1, 1, 1], [0, 0, 0]])


def test_nothing_is_recorded_without_a_trainable_input_or_inside_no_grad():
    constant, fixed, x = convert(np.ones(2)), Variable(1.0, trainable=False), Variable(1.0)
    assert (constant * fixed).node is None
    with no_grad():
        assert (x * x).node is None
        with enable_grad():
            assert (x * x).node is not None
    assert (x * x).node is not None


def test_integers_carry_no_gradient():
    counter = Variable(np.array(3), trainable=True)
    assert not counter.requires_grad
    x = Variable(2.0)
    assert (x > 1.0).node is None and P.cast(x, dtype=np.dtype("int32")).node is None


def test_no_grad_ends_with_its_block_even_after_an_error():
    x = Variable(1.0)
    with pytest.raises(ZeroDivisionError), no_grad():
        _ = 1 / 0
    assert (x * x).requires_grad


def test_recording_is_switched_for_one_thread_alone():
    x, seen = Variable(1.0), []
    with no_grad():
        thread = threading.Thread(target=lambda: seen.append((x * x).requires_grad))
        thread.start()
        thread.join()
    assert seen == [True] and not inferring_shapes()


def test_stopped_gradients_are_zero_or_none():
    x = Variable(3.0)
    assert grad(x * stop_gradient(x), x).item() == 3.0
    assert grad(stop_gradient(x * x), x) is None


def test_grad_of_grad_of_grad():
    cube = lambda x: x * x * x * x
    assert grad(grad(grad(cube)))(2.0).item() == 48.0


def test_second_order_by_variables_through_create_graph():
    w = Variable(2.0)
    (first,) = grad(w * w * w, [w], create_graph=True)
    assert first.item() == 12.0 and grad(first, w).item() == 12.0


def test_an_inner_gradient_by_an_argument_of_the_outer_one():
    outer = grad(lambda x: x * grad(lambda y: x * y * y)(x))
    assert outer(3.0).item() == pytest.approx(54.0)  # of x · 2x² = 2x³


def test_value_and_grad_over_structures_gives_gradients_of_the_same_structure():
    parameters = {"w": np.ones((2, 3)), "b": [np.zeros(3), (np.float64(2.0),)]}

    def loss(p, x):
        return (x @ p["w"] + p["b"][0]).sum() * p["b"][1][0], "more"

    (value, more), gradients = value_and_grad(loss, has_aux=True)(parameters, np.ones((4, 2)))
    assert (value.item(), more) == (48.0, "more")
    assert set(gradients) == {"w", "b"} and isinstance(gradients["b"][1], tuple)
    np.testing.assert_array_equal(gradients["w"].numpy(), np.full((2, 3), 8.0))
    np.testing.assert_array_equal(gradients["b"][0].numpy(), np.full(3, 8.0))
    assert gradients["b"][1][0].item() == 24.0


def test_several_argnums_give_a_tuple_and_an_unused_argument_zeros():
    value, gradients = value_and_grad(lambda a, b, c: a * a + c, argnums=(0, 1))(3.0, np.ones(2), 1.0)
    assert value.item() == 10.0
    assert gradients[0].item() == 6.0 and gradients[1].numpy().tolist() == [0.0, 0.0]


def test_the_gradient_by_a_variable_that_is_not_trainable_is_its_gradient():
    fixed = Variable(3.0, trainable=False)
    assert grad(lambda v: v * v)(fixed).item() == 6.0


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: grad(lambda x: x * x)(np.arange(3)), TypeError, "floats; got dtype int"),
        (lambda: grad(lambda x: x * x)(3), TypeError, "floats; got dtype int32"),
        (lambda: grad(lambda x: x * x)(np.ones(3)), ValueError, r"scalar; got a Tensor of shape \(3,\)"),
        (lambda: Variable(np.ones(3)).sum(axis=()).backward(), ValueError, r"shape \(3,\) needs a cotangent"),
        (lambda: convert(np.ones(())).backward(), ValueError, "depends on nothing"),
        (lambda: (Variable(np.ones(3)) * 2.0).backward(np.ones(2)), ValueError, r"\(3,\); got \(2,\)"),
        (lambda: grad(np.ones(()), []), TypeError, "a Tensor; got ndarray"),
    ],
)
def test_what_cannot_be_differentiated_says_so(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_cotangent_weighs_an_output_that_is_no_scalar():
    x = Variable(np.arange(3.0))
    (x * x).backward(np.array([1.0, 10.0, 100.0]))
    np.testing.assert_array_equal(x.grad.numpy(), [0.0, 20.0, 400.0])


def test_a_kernel_gives_its_own_gradient_and_names_itself_at_second_order():
    seen = []

    def forward(x, y, *, keep, xp):
        seen.append(keep)
        return (x * y, x + y), (x, y) if keep else None

    def backward(residuals, cotangents, needs):
        x, y = residuals
        first = np.zeros_like(x) if cotangents[0] is None else cotangents[0]
        return first * y, first * x if needs[1] else None

    kernel = KernelPrimitive("twofold", forward, backward)
    x, y = Variable(np.array([2.0, 3.0])), convert(np.array([5.0, 7.0]))
    product, _ = kernel(x, y)
    np.testing.assert_array_equal(grad(product.sum(), x).numpy(), [5.0, 7.0])
    with no_grad():
        kernel(x, y)
    assert seen == [True, False]
    (first,) = grad(kernel(x, y)[0].sum(), [x], create_graph=True)
    with pytest.raises(NotImplementedError, match="'twofold' has no second derivative"):
        grad(first.sum(), x)


CUT_AND_JOIN = {
    "concatenate": lambda x: ops.concatenate([x[:1]] * len(x)),
    "stack": lambda x: ops.stack([x[0]] * len(x)),
    "split": lambda x: sum(ops.split(x, len(x))),
    "array_split": lambda x: sum(ops.array_split(x, len(x))),
    "unstack": lambda x: sum(ops.unstack(x)),
    "iteration": sum,
    "scan": lambda x: ops.scan(lambda total, row: (total + row, row), ops.zeros(3), x)[0],
    "map": lambda x: ops.map(lambda row: row * 2, x),
}


@pytest.mark.parametrize("name", CUT_AND_JOIN)
def test_the_reverse_pass_grows_with_the_number_of_pieces_and_not_with_its_square(name):
    def work(n):
        x = Variable(np.ones((n, 3), "float32"))
        y = ops.sum(CUT_AND_JOIN[name](x))
        with allowance.limited(numbers=2**50, work=2**60):
            given = allowance.of_this_thread()
            y.backward()
            return 2**60 - given.work

    small, large = work(50), work(4000)
    assert large <= 85 * small  # of the square it would be 6,400 times as much


def test_variables_in_the_place_of_argnums_are_refused_with_the_way_out():
    v = Variable(np.ones((2, 2), "float32"))
    with pytest.raises(TypeError, match=r"value_and_grad\(function\)\(variables\)"):
        value_and_grad(lambda: ops.sum(v * v), [v])
