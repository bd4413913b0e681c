"""`Masking`."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minirnn import grad, ops
from minirnn.backend import get_keras_mask
from minirnn.layers import Masking


@given(
    x=hnp.arrays(
        "float32", hnp.array_shapes(min_dims=2, max_dims=4, max_side=4), elements=st.sampled_from([0, 1, 2])
    ),
    value=st.sampled_from([0.0, 1.0, -1.0]),
)
def test_steps_of_the_value_alone_are_masked_and_set_to_zero(x, value):
    y = Masking(value)(x)
    mask = (x != value).any(-1)
    np.testing.assert_array_equal(get_keras_mask(y).numpy(), mask)
    np.testing.assert_array_equal(y.numpy(), np.where(mask[..., None], x, 0))


def test_the_gradient_of_a_masked_step_is_zero():
    x = np.array([[[0, 0], [1, 0]]], "float32")
    gradient = grad(lambda x: ops.sum(Masking()(x)))(x)
    assert gradient.numpy().tolist() == [[[0, 0], [1, 1]]]
