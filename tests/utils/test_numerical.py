"""to_categorical and normalize."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minirnn.autograd import Tensor, convert
from minirnn.utils import normalize, to_categorical

labels = hnp.arrays(
    np.int64, hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4), elements=st.integers(0, 6)
)


@given(labels)
def test_the_place_of_the_one_is_the_label(x):
    squeezed = x[..., 0] if x.ndim > 1 and x.shape[-1] == 1 else x
    rows = to_categorical(x)
    assert rows.shape == (*squeezed.shape, x.max() + 1)
    assert (rows.argmax(-1) == squeezed).all()
    assert (rows.sum(-1) == 1).all()


def test_num_classes_widens_the_rows_and_a_tensor_gives_a_tensor():
    assert to_categorical([0, 2], 4).tolist() == [[1, 0, 0, 0], [0, 0, 1, 0]]
    result = to_categorical(convert(np.array([1])), 3)
    assert isinstance(result, Tensor)
    assert result.numpy().tolist() == [[0, 1, 0]]


@pytest.mark.parametrize("bad, classes", [([0, 3], 3), ([-1], 3), ([], None), ([0.5], 3)])
def test_labels_that_are_out_of_range_missing_or_fractions_are_refused(bad, classes):
    with pytest.raises(ValueError, match="to_categorical: "):
        to_categorical(bad, classes)


@pytest.mark.parametrize(
    "words, bad",
    [
        (r"in \[0, 3\); got 3 at index 1, and 1 more out of range", [0, 3, 1, -1]),
        (r"got -1 at index \(1, 0\), and 0 more", [[0, 1], [-1, 2]]),
    ],
)
def test_a_label_that_is_out_of_range_is_named_with_its_place(words, bad):
    with pytest.raises(ValueError, match=words):
        to_categorical(bad, 3)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("kind", [np.asarray, Tensor])
def test_norms_become_one_and_zeros_stay(order, kind):
    x = np.random.default_rng(0).normal(size=(3, 4))
    x[1] = 0
    y = np.asarray(normalize(kind(x), axis=-1, order=order))
    norms = (np.abs(y) ** order).sum(-1) ** (1 / order)
    assert np.allclose(norms, [1, 0, 1], atol=1e-6)
