"""Laws of dtype policies: names, the global one, configs. For layers see layers/test_precision.py."""

import json
import pickle

import numpy as np
import pytest

import minirnn
from minirnn import config, dtype_policies, layers, losses, metrics
from minirnn.dtype_policies import DTypePolicy


@pytest.fixture(autouse=True)
def settings_as_they_were():
    floatx = config.floatx()
    yield
    config.set_floatx(floatx)
    config.set_dtype_policy(None)


@pytest.mark.parametrize("name", ["float16", "float32", "float64", "int32", "uint8", "bool"])
def test_a_plain_policy_computes_in_the_dtype_of_its_weights(name):
    policy = DTypePolicy(name)
    assert (policy.name, policy.compute_dtype, policy.variable_dtype) == (name, name, name)


def test_mixed_float16_keeps_float32_and_computes_in_float16():
    policy = minirnn.DTypePolicy("mixed_float16")
    assert (policy.compute_dtype, policy.variable_dtype) == ("float16", "float32")
    assert repr(policy) == '<DTypePolicy "mixed_float16">'


def test_policies_of_one_name_are_equal():
    assert (
        DTypePolicy("float32") == dtype_policies.FloatDTypePolicy("float32") != DTypePolicy("mixed_float16")
    )
    assert len({DTypePolicy("float32"), DTypePolicy("float32")}) == 1
    assert DTypePolicy("float32") != "float32"


@pytest.mark.parametrize(
    "identifier",
    ["mixed_float16", DTypePolicy("mixed_float16"), dtype_policies.serialize(DTypePolicy("mixed_float16"))],
)
def test_get_takes_names_policies_and_configs(identifier):
    assert dtype_policies.get(identifier) == DTypePolicy("mixed_float16")
    assert layers.Dense(2, dtype=identifier).dtype_policy == DTypePolicy("mixed_float16")


@pytest.mark.parametrize("dtype", [np.float64, np.dtype("float64"), "double", float])
def test_get_takes_dtypes(dtype):
    assert dtype_policies.get(dtype).compute_dtype == "float64"


def test_a_policy_survives_json_and_pickle():
    policy = DTypePolicy("mixed_float16")
    stored = json.loads(json.dumps(dtype_policies.serialize(policy)))
    assert (stored["module"], stored["class_name"]) == ("keras", "DTypePolicy")
    assert dtype_policies.deserialize(stored) == policy == pickle.loads(pickle.dumps(policy))


def test_the_global_policy_is_that_of_floatx_until_one_is_set():
    assert config.dtype_policy() == DTypePolicy("float32") == DTypePolicy() == dtype_policies.get(None)
    config.set_floatx("float64")
    assert config.dtype_policy() == DTypePolicy("float64")
    config.set_dtype_policy("mixed_float16")
    assert config.dtype_policy() == DTypePolicy("mixed_float16") == layers.LSTM(2).cell.dtype_policy
    config.set_dtype_policy(DTypePolicy("float32"))
    assert layers.Dense(2).dtype_policy == DTypePolicy("float32")
    config.set_dtype_policy(None)
    assert layers.Dense(2).dtype == "float64"


def test_a_layers_own_policy_comes_before_the_global_one():
    config.set_dtype_policy("mixed_float16")
    assert layers.Dense(2, dtype="float32").compute_dtype == "float32"
    assert layers.Dense(2).compute_dtype == "float16"


@pytest.mark.parametrize(
    "name, message",
    [
        ("mixed_flaot16", "nearest known name is 'mixed_float16'"),
        ("float33", "nearest known name is 'float32'"),
        ("Mixed_Float16", "nearest known name is 'mixed_float16'"),
        ("mixed_bfloat16", "NumPy has no bfloat16"),
        ("complex64", "known are 'float32'"),
        ("quux", "known are 'float32'"),
    ],
)
def test_an_unknown_name_is_an_error_that_helps(name, message):
    for make in (DTypePolicy, config.set_dtype_policy, dtype_policies.get):
        with pytest.raises(ValueError, match=f"{name}.*{message}"):
            make(name)
    with pytest.raises(ValueError, match=f"Dense 'd': dtype must be .*got '{name}'.*{message}"):
        layers.Dense(2, dtype=name, name="d")
    assert config.dtype_policy().name == "float32"


def test_what_is_no_policy_is_an_error():
    with pytest.raises(TypeError, match=r"name must be a str.*got 16"):
        DTypePolicy(16)
    with pytest.raises(ValueError, match="set_dtype_policy: policy must be a name"):
        config.set_dtype_policy(16)
    with pytest.raises(ValueError, match=r"got 3\.5"):
        dtype_policies.get(3.5)
    with pytest.raises(ValueError, match="unknown name 'QuantizedDTypePolicy'"):
        layers.Dense(2, dtype={"class_name": "QuantizedDTypePolicy", "config": {}, "module": "keras"})


def test_losses_and_metrics_compute_in_floatx_whatever_the_policy():
    config.set_dtype_policy("mixed_float16")
    assert losses.MeanSquaredError().dtype == metrics.Mean().dtype == "float32"
    assert losses.MeanSquaredError(dtype="mixed_float16").dtype == "float16"
    assert metrics.Mean(dtype=DTypePolicy("float64")).dtype == "float64"


class Halves(DTypePolicy):
    """A policy of a user: weights in double, computation in single precision."""

    def _parse_name(self, name):
        return "float32", "float64"


def test_a_policy_of_a_users_own_class_is_kept_by_a_config():
    layer = layers.Dense(2, dtype=Halves("halves"))
    assert layer(np.ones((1, 3))).dtype == "float32" and layer.kernel.dtype == "float64"
    with minirnn.utils.custom_object_scope({"Halves": Halves}):
        again = layers.deserialize(layers.serialize(layer))
    assert again.dtype_policy == Halves("halves")
