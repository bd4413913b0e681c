"""Cells with nested inputs, outputs and states, which Keras 3 cannot run."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import minirnn
from minirnn import layers, tree
from tests.arrays import leaf
from tests.layers.rnn.nested_cells import NestedCell, NestedInput, NestedState, RotatingCell, rotate

FORMS = ("dict", "list", "deep", "namedtuple")
INPUTS = {
    "namedtuple": NestedInput,
    "list": lambda a, b: [a, b],
    "tuple": lambda a, b: (a, b),
    "dict": lambda a, b: {"a": a, "b": b},
    "deep": lambda a, b: {"x": [a], "y": {"z": b}},
}


def shapes(structure):
    return tree.map_structure(lambda t: tuple(t.shape), structure)


def test_the_guides_cell_on_symbolic_inputs_and_on_data():
    rnn = layers.RNN(NestedCell(10, 20, 30))
    outputs = rnn(NestedInput(minirnn.Input((None, 32)), minirnn.Input((None, 64, 32))))
    assert shapes(outputs) == [(None, 10), (None, 20, 30)]
    assert [w.shape for w in rnn.weights] == [(32, 10), (64, 32, 20, 30)]
    assert [w.path.split("/")[-1] for w in rnn.weights] == ["kernel_1", "kernel_2_3"]
    rng = np.random.default_rng(0)
    x = NestedInput(rng.random((2, 3, 32)), rng.random((2, 3, 64, 32)))
    first, second = rnn(x)
    kernel_1, kernel_2_3 = (w.numpy() for w in rnn.weights)
    np.testing.assert_allclose(first, x.feature1[:, -1] @ kernel_1, atol=1e-5)
    np.testing.assert_allclose(second, np.einsum("bij,ijkl->bkl", x.feature2[:, -1], kernel_2_3), atol=1e-5)


def test_the_guides_cell_adds_up_its_states():
    rnn = layers.RNN(
        NestedCell(2, 3, 4, dtype="float64"), return_sequences=True, return_state=True, dtype="float64"
    )
    rng = np.random.default_rng(0)
    x = NestedInput(rng.random((2, 5, 3)), rng.random((2, 5, 2, 3)))
    (first, second), s1, s2 = rnn(x, initial_state=NestedState(np.ones((2, 2)), np.ones((2, 3, 4))))
    np.testing.assert_allclose(s1, first.numpy().sum(axis=1) + 1)
    np.testing.assert_allclose(s2, second.numpy().sum(axis=1) + 1)


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("form", FORMS)
def test_any_structure_of_inputs_outputs_and_states_computes_what_numpy_does(form, kind):
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 4, 3)), rng.normal(size=(2, 4, 3, 2))
    u, v = rng.normal(size=(2, 3)), rng.normal(size=(2, 3, 2))
    mask = rng.random((2, 4)) < 0.6
    for options in ({}, {"mask": mask}):
        for return_sequences in (False, True):
            layer = layers.RNN(
                RotatingCell(3, 2, form, dtype="float64"),
                return_sequences=return_sequences,
                return_state=True,
                dtype="float64",
            )
            output, *states = layer(INPUTS[kind](a, b), initial_state=[u, v], **options)
            W, w = (x.numpy() for x in layer.weights)
            *expected, last_u, last_v = rotate(a, b, u, v, W, w, options.get("mask"))
            expected = expected if return_sequences else [y[:, -1] for y in expected]
            for got, want in zip(tree.flatten(output), expected):
                np.testing.assert_allclose(got, want, atol=1e-12)
            for got, want in zip(tree.flatten(states), (last_u, last_v)):
                np.testing.assert_allclose(got, want, atol=1e-12)
            assert isinstance(output, dict if form == "dict" else list)


@given(st.sampled_from(FORMS), st.booleans(), st.booleans(), st.integers(0, 1000))
def test_gradients_equal_central_differences(form, go_backwards, masked, seed):
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=s) for s in ((2, 3, 2), (2, 3, 2, 2), (2, 2), (2, 2, 2), (2, 2), (2, 1))]
    mask = rng.random((2, 3)) < 0.6 if masked else None
    layer = layers.RNN(
        RotatingCell(2, 2, form, dtype="float64"),
        return_sequences=True,
        return_state=True,
        go_backwards=go_backwards,
        dtype="float64",
    )
    layer.build([(2, 3, 2), (2, 3, 2, 2)])
    cotangents = [rng.normal(size=s) for s in ((2, 3, 2), (2, 3, 2, 2), (2, 2), (2, 2, 2))]

    def loss(arrays):
        a, b, u, v, W, w = arrays
        layer.set_weights([W, w])
        flat = tree.flatten(layer([a, b], initial_state=[u, v], mask=mask))
        return minirnn.ops.sum(minirnn.ops.stack([(y * g).sum() for y, g in zip(flat, cotangents)]))

    leaves = [leaf(x) for x in arrays[:4]]
    value = loss([*leaves, *arrays[4:]])
    gradients = minirnn.grad(value, [*leaves, *layer.weights])
    direction = [rng.normal(size=x.shape) for x in arrays]
    ends = [loss([x + sign * 1e-6 * d for x, d in zip(arrays, direction)]).item() for sign in (1, -1)]
    along = sum((g.numpy() * d).sum() for g, d in zip(gradients, direction) if g is not None)
    np.testing.assert_allclose(along, (ends[0] - ends[1]) / 2e-6, rtol=1e-6, atol=1e-8)


def test_stateful_nested_states_carry_on():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 6, 3)), rng.normal(size=(2, 6, 3, 2))
    for form in FORMS:
        layer = layers.RNN(RotatingCell(3, 2, form, dtype="float64"), stateful=True, dtype="float64")
        whole = layers.RNN(layer.cell, dtype="float64")
        expected = whole({"a": a, "b": b})
        for part in (slice(0, 1), slice(1, 4), slice(4, 6)):
            y = layer({"a": a[:, part], "b": b[:, part]})
        for got, want in zip(tree.flatten(y), tree.flatten(expected)):
            np.testing.assert_allclose(got, want, atol=1e-12)
        assert all(isinstance(v, minirnn.Variable) for v in tree.flatten(layer.states))


def test_the_mask_goes_on_with_every_output_and_with_no_state():
    layer = layers.RNN(RotatingCell(3, 2, "dict"), return_sequences=True, return_state=True)
    output, *states = layer((np.zeros((2, 4, 3)), np.zeros((2, 4, 3, 2))), mask=[[1, 1, 0, 0], [1, 1, 1, 1]])
    for y in output.values():
        np.testing.assert_array_equal(minirnn.backend.get_keras_mask(y), [[1, 1, 0, 0], [1, 1, 1, 1]])
    assert all(minirnn.backend.get_keras_mask(s) is None for s in states)


def test_bidirectional_and_stacked_nested_cells():
    rng = np.random.default_rng(1)
    x = (rng.normal(size=(2, 4, 3)), rng.normal(size=(2, 4, 3, 2)))
    both = layers.Bidirectional(layers.RNN(RotatingCell(3, 2, "list"), return_sequences=True))
    first, second = both(x)
    assert (first.shape, second.shape) == ((2, 4, 6), (2, 4, 3, 4))
    one, other = both.forward_layer(x)[0], both.backward_layer(x)[0]
    np.testing.assert_allclose(first, np.concatenate([one, np.flip(other, 1)], axis=-1), atol=1e-6)

    stack = layers.RNN([RotatingCell(3, 2, "dict"), RotatingCell(3, 2, "deep")], return_state=True)
    output, lower, upper = stack(x)
    assert shapes(output) == [(2, 3), (2, 3, 2)]
    assert shapes(lower) == {"u": (2, 3), "v": (2, 3, 2)}
    assert shapes(upper) == {"z": [(2, 3), {"v": (2, 3, 2)}]}


def test_inputs_whose_masks_differ_are_refused():
    layer = layers.RNN(RotatingCell(3, 2, "list"))
    a, b = (minirnn.ops.zeros(s) for s in ((2, 4, 3), (2, 4, 3, 2)))
    minirnn.backend.set_keras_mask(a, minirnn.ops.ones((2, 4), "bool"))
    layer([a, b])
    minirnn.backend.set_keras_mask(b, minirnn.ops.zeros((2, 4), "bool"))
    with pytest.raises(ValueError, match=r"RNN 'rnn.*masks that differ.*Pass the one that is meant as mask="):
        layer([a, b])
    layer([a, b], mask=np.ones((2, 4)))


class TestStateSize:
    """How a ``state_size`` is read."""

    @pytest.mark.parametrize(
        "size, expected",
        (
            (3, [(3,)]),
            (minirnn.TensorShape([3, 4]), [(3, 4)]),
            ([3, 4], [(3,), (4,)]),
            ((3, 4), [(3,), (4,)]),
            ([3, [4, 5]], [(3,), (4, 5)]),
            ([(4, 5)], [(4, 5)]),
            ([minirnn.TensorShape([])], [()]),
            (NestedState(3, [4, 5]), NestedState((3,), (4, 5))),
            ({"a": 3, "b": (4, 5)}, {"a": (3,), "b": (4, 5)}),
            ([], []),
        ),
    )
    def test_structures(self, size, expected):
        from minirnn.layers.rnn.state import state_shapes

        assert state_shapes(size) == expected
        assert type(state_shapes(size)) is type(expected)

    @pytest.mark.parametrize("size", ("5", -1, [3, None], [2.5], {"a": "b"}, True, [(3, -4)]))
    def test_anything_else_is_refused_by_the_layer(self, size):
        class Cell(layers.Layer):
            state_size = size

            def call(self, inputs, states):
                return inputs, states

        with pytest.raises(
            ValueError, match=r"RNN 'rnn.*Cell's state_size must be an int, a TensorShape, or"
        ):
            layers.RNN(Cell())

    def test_tensor_shape_is_a_tuple_that_stays_one_when_sliced(self):
        shape = minirnn.TensorShape([2, 3, None])
        assert shape == (2, 3, None) and shape.rank == 3 and shape.as_list() == [2, 3, None]
        assert isinstance(shape[1:], minirnn.TensorShape) and shape[0] == 2
        assert minirnn.TensorShape(4) == (4,)
        assert repr(shape) == "TensorShape([2, 3, None])"


def test_a_stateful_stack_of_cells_with_one_state_each_carries_them():
    """As many cells as states: their states are lists in a list all the same."""
    cells = [layers.SimpleRNNCell(2), layers.GRUCell(3)]
    layer = layers.RNN(cells, stateful=True, return_state=True)
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    layer(x)
    _, *states = layer(x)
    for carried, state in zip(tree.flatten(layer.states), tree.flatten(states)):
        np.testing.assert_array_equal(carried, state)
