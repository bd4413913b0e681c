"""Laws of the global settings."""

import numpy as np
import pytest

from minirnn import config, layers, ops


@pytest.fixture(autouse=True)
def settings_as_they_were():
    floatx, epsilon = config.floatx(), config.epsilon()
    yield
    config.set_floatx(floatx)
    config.set_epsilon(epsilon)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floatx_is_the_dtype_of_python_floats_and_of_new_weights(dtype):
    config.set_floatx(dtype)
    assert ops.convert_to_tensor([1.5]).dtype == dtype
    layer = layers.Dense(2)
    assert layer(np.ones((1, 3))).dtype == dtype and layer.kernel.dtype == dtype


def test_another_float_type_is_an_error_and_changes_nothing():
    with pytest.raises(ValueError, match="float16, float32, float64; got 'float8'"):
        config.set_floatx("float8")
    assert config.floatx() == "float32"


def test_epsilon_is_what_it_was_set_to():
    config.set_epsilon(1e-3)
    assert config.epsilon() == 1e-3
