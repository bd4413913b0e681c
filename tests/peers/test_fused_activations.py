"""The fused kernels' table of activations against Keras's."""

import numpy as np
import pytest

from minirnn.kernels import activations

A = np.concatenate([np.linspace(-8, 8, 161), [-40.0, 40.0]]).astype(np.float32)


@pytest.mark.parametrize("name", activations.ELEMENTWISE)
def test_values_equal_keras(keras, name):
    y = np.empty_like(A)
    activations.get(name).forward(np, A, y)
    expected = np.asarray(keras.activations.get("hard_silu" if name == "hard_swish" else name)(A))
    np.testing.assert_allclose(y, expected, rtol=2e-6, atol=2e-6)


def test_every_activation_of_keras_is_supported_or_refused_with_a_reason(keras):
    names = {name for name in dir(keras.activations) if not name.startswith("_")}
    names -= {"get", "serialize", "deserialize"}
    refused = {name for name in names if not activations.supported(name)}
    assert refused == {"softmax", "log_softmax", "sparsemax", "glu", "threshold"}
