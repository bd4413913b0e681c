"""`Embedding`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minirnn import ops
from minirnn.backend import get_keras_mask
from minirnn.layers import Embedding, Input

INDICES = hnp.arrays(
    st.sampled_from(["int32", "int64", "uint8", "float32"]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    elements=st.integers(0, 5),
)


@given(INDICES)
def test_each_index_becomes_its_row(indices):
    layer = Embedding(6, 2)
    y = layer(indices)
    assert y.shape == (*indices.shape, 2)
    assert y.dtype == "float32"
    np.testing.assert_array_equal(y.numpy(), layer.embeddings.numpy()[indices.astype(int)])


@given(INDICES)
def test_the_gradient_of_a_row_is_the_sum_of_those_of_its_uses(indices):
    layer = Embedding(6, 2)
    y = layer(indices)
    cotangent = np.random.default_rng(0).normal(size=y.shape).astype("float32")
    want = np.zeros((6, 2), "float32")
    np.add.at(want, indices.astype(int), cotangent)
    ops.sum(y * cotangent).backward()
    np.testing.assert_allclose(layer.embeddings.grad.numpy(), want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("wrong", [-1, 6, 1000])
@pytest.mark.parametrize("dtype", ["int32", "int64", "float32"])
def test_an_index_out_of_range_is_an_error_that_names_it(wrong, dtype):
    layer = Embedding(6, 2, name="e")
    indices = np.zeros((2, 3), dtype)
    indices[1, 2] = wrong
    message = rf"Embedding 'e': every index must lie in \[0, 6\); got {wrong}(\.0)? at position \(1, 2\)"
    with pytest.raises(ValueError, match=message):
        layer(indices)


def test_an_index_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match=r"every index must lie in \[0, 6\); got nan"):
        Embedding(6, 2)(np.array([1.0, np.nan]))


def test_large_indices_are_not_rounded():
    layer = Embedding(2**24 + 2, 1, embeddings_initializer="zeros")
    layer.build()
    table = np.zeros((2**24 + 2, 1), "float32")
    table[-1] = 1
    layer.set_weights([table])
    assert layer(np.array([2**24 + 1], "float64")).numpy()[0, 0] == 1


def test_zero_is_masked_on_request_alone():
    x = np.array([[1, 0], [2, 3]])
    np.testing.assert_array_equal(get_keras_mask(Embedding(6, 2, mask_zero=True)(x)).numpy(), x != 0)
    assert get_keras_mask(Embedding(6, 2)(x)) is None


def test_first_values_may_be_given():
    table = np.arange(12.0).reshape(6, 2)
    for weights in (table, [table]):
        assert Embedding(6, 2, weights=weights)(np.array([5])).numpy().tolist() == [[10, 11]]
    with pytest.raises(ValueError, match=r"has shape \(6, 3\); got \(6, 2\)"):
        Embedding(6, 3, weights=table)


def test_a_symbolic_call_knows_the_shape():
    assert Embedding(6, 2)(Input((None,), dtype="int32")).shape == (None, None, 2)


@pytest.mark.parametrize("sizes", [(0, 2), (6, -1), (6, 2.5)])
def test_sizes_must_be_positive_integers(sizes):
    with pytest.raises(ValueError, match=r"Embedding: (in|out)put_dim must be a positive integer"):
        Embedding(*sizes)
