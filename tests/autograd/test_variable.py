"""A Variable's value is its own: nobody else's memory, and never one that was replaced."""

import numpy as np
import pytest

from minirnn import layers, ops
from minirnn.autograd import Tensor, Variable, graph


class Exporter:
    """Gives NumPy the array that it holds, as other libraries' arrays do."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array if dtype is None else self.array.astype(dtype, copy=False)


def memory_mapped(tmp_path):
    array = np.memmap(tmp_path / "a.bin", "float32", "w+", shape=(3,))
    return array, array


def buffer(tmp_path):
    array = np.zeros(3, "float32")
    return memoryview(array), array


def matrix(tmp_path):
    array = np.zeros((1, 3), "float32")
    return array.view(np.matrix), array


def exported(tmp_path):
    array = np.zeros(3, "float32")
    return Exporter(array), array


def plain(tmp_path):
    array = np.zeros(3, "float32")
    return array, array


def view(tmp_path):
    array = np.zeros((3, 2), "float32")
    return array.T[0], array


@pytest.mark.parametrize("make", [plain, view, memory_mapped, buffer, matrix, exported])
@pytest.mark.parametrize(
    "take",
    [
        lambda x: Variable(x, dtype="float32"),
        lambda x: Variable(np.ones(np.shape(x), "float32")).assign(x),
        ops.convert_to_tensor,
        ops.copy,
        ops.array,
    ],
    ids=["Variable", "assign", "convert_to_tensor", "copy", "array"],
)
def test_what_the_caller_writes_afterwards_is_not_seen(tmp_path, make, take):
    given, array = make(tmp_path)
    taken = take(given)
    array[...] = 7
    assert not taken.numpy().any()


def test_a_kernel_sees_the_weights_that_the_layer_has():
    layer, x = layers.LSTM(2), np.ones((1, 3, 2), "float32")
    layer(x)
    given = np.zeros((2, 8), "float32")
    layer.cell.kernel.assign(memoryview(given))
    before = layer(x).numpy()
    given += 1
    assert not layer.cell.kernel.numpy().any()
    np.testing.assert_array_equal(layer(x), before)


def test_a_value_assigned_between_two_lines_of_another_thread_is_seen(monkeypatch):
    """What happens in `alias` here is what another thread may do there."""
    variable, alias = Variable(np.zeros(2, "float32")), graph.alias

    def interrupted(x, data=None):
        tensor = alias(x, data)
        x.assign(np.ones(2, "float32"))
        return tensor

    with monkeypatch.context() as patch:
        patch.setattr(graph, "alias", interrupted)
        assert isinstance(variable.value, Tensor)
    np.testing.assert_array_equal(variable.value, variable.numpy())


def test_a_variable_is_made_of_what_keras_takes():
    assert Variable("ones", shape=(2,), dtype="int32").tolist() == [1, 1]
    assert not Variable("zeros", shape=(2, 3)).numpy().any()
    assert [str(Variable(v).dtype) for v in (2, [1, 2], [True], 2.0)] == ["int32", "int32", "bool", "float32"]
    assert not Variable(1, trainable=True).requires_grad
    assert Variable(1.0).autocast and not Variable(1.0, autocast=False).autocast
    with pytest.raises(ValueError, match="'zeroes'"):
        Variable("zeroes", shape=(2,))
