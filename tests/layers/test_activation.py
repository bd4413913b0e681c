"""`Activation`, `ReLU`, `Softmax`, `Identity`, `Rescaling`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minirnn import activations, layers
from minirnn.autograd import convert

FLOATS = hnp.arrays(
    "float64", hnp.array_shapes(min_dims=2, max_dims=3, max_side=4), elements=st.floats(-9, 9)
)


@given(FLOATS, st.sampled_from(["relu", "tanh", "sigmoid", "gelu", "linear", "softmax"]))
def test_an_activation_layer_is_the_function(x, name):
    got = layers.Activation(name, dtype="float64")(x)
    np.testing.assert_array_equal(got.numpy(), getattr(activations, name)(convert(x)).numpy())


def test_an_unknown_activation_is_an_error_with_the_nearest_name():
    with pytest.raises(ValueError, match=r"'than'.*'tanh'"):
        layers.Activation("than")


@given(FLOATS, st.floats(0, 3), st.floats(0, 1), st.floats(0, 1))
def test_relu_by_its_definition(x, above, slope, threshold):
    top = threshold + above
    got = layers.ReLU(top, slope, threshold, dtype="float64")(x).numpy()
    want = np.where(x > threshold, np.minimum(x, top), slope * (x - threshold))
    np.testing.assert_allclose(got, want, atol=1e-12)


@pytest.mark.parametrize("arguments", [{"max_value": -1.0}, {"negative_slope": None}, {"threshold": -0.5}])
def test_relu_refuses_numbers_below_0(arguments):
    with pytest.raises(ValueError, match=f"ReLU 'r': {next(iter(arguments))} must be a number of 0 or more"):
        layers.ReLU(**arguments, name="r")


@given(FLOATS)
def test_softmax_sums_to_one_and_gives_masked_places_nothing(x):
    mask = np.random.default_rng(0).random(x.shape) < 0.7
    mask[..., 0] = True
    y = layers.Softmax(dtype="float64")(x, mask=mask).numpy()
    np.testing.assert_allclose(y.sum(-1), 1, rtol=1e-12)
    assert (y[~mask] == 0).all()


def test_softmax_refuses_a_mask_that_does_not_broadcast():
    with pytest.raises(ValueError, match=r"Softmax 's': mask must broadcast to the input's shape \(2, 3\)"):
        layers.Softmax(name="s")(np.zeros((2, 3)), mask=np.ones((2, 2), bool))


def test_identity_returns_structures_as_they_are():
    x = {"a": np.ones((2, 3), "float32"), "b": [np.zeros(2, "float32")]}
    y = layers.Identity()(x)
    assert y["a"].numpy().tolist() == x["a"].tolist()
    assert layers.Identity()(layers.Input((3,))).shape == (None, 3)


@given(hnp.arrays("uint8", (3, 4)), st.floats(-2, 2), st.floats(-2, 2))
def test_rescaling_of_integers_gives_floats(x, scale, offset):
    y = layers.Rescaling(scale, offset, dtype="float64")(x)
    np.testing.assert_allclose(y.numpy(), x * scale + offset, atol=1e-12)


def test_rescaling_takes_a_scale_for_each_feature():
    y = layers.Rescaling([1.0, 10.0], [0.0, 1.0])(np.ones((2, 2)))
    assert y.numpy().tolist() == [[1, 11], [1, 11]]


def test_the_older_name_of_a_negative_slope_is_taken():
    layer = layers.LeakyReLU(alpha=0.25)
    assert layer.get_config()["negative_slope"] == 0.25
    assert layer(np.array([[-4.0]])).numpy().item() == -1
