"""Laws of the global settings."""

import numpy as np
import pytest

from minirnn import backend, config, layers, mixed_precision, ops


@pytest.fixture(autouse=True)
def settings_as_they_were():
    floatx, epsilon = config.floatx(), config.epsilon()
    yield
    config.set_floatx(floatx)
    config.set_epsilon(epsilon)


def test_other_names_of_keras_set_the_same():
    backend.set_epsilon(1e-4)
    mixed_precision.set_global_policy("mixed_float16")
    try:
        assert config.epsilon() == backend.epsilon() == 1e-4
        assert mixed_precision.global_policy().name == layers.Dense(2).dtype_policy.name == "mixed_float16"
        assert mixed_precision.Policy("float32").compute_dtype == "float32"
    finally:
        config.set_dtype_policy(None)
    assert config.backend() == backend.backend() == backend.current().name


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
