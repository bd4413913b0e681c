"""Objects as dicts of plain values and back."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from minirnn import activations, constraints, initializers, losses, metrics, optimizers, regularizers
from minirnn.autograd import convert
from minirnn.random import SeedGenerator
from minirnn.utils import (
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)

ROOT = Path(__file__).resolve().parents[2]
BUILT_IN = [
    initializers.GlorotUniform(seed=3),
    initializers.VarianceScaling(2.0, "fan_out", "uniform", seed=SeedGenerator(4)),
    initializers.Constant([1.0, 2.0]),
    regularizers.L1L2(0.1, 0.2),
    regularizers.OrthogonalRegularizer(0.3, "columns"),
    constraints.MinMaxNorm(0.1, 0.9, 0.5, 1),
    losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1, reduction="sum"),
    losses.LossFunctionWrapper(losses.binary_crossentropy, name="w", from_logits=True),
    metrics.SparseTopKCategoricalAccuracy(k=3),
    metrics.MeanMetricWrapper(metrics.binary_accuracy, name="m", threshold=0.3),
    metrics.RootMeanSquaredError(name="r"),
    optimizers.SGD(0.5, momentum=0.9, nesterov=True, clipvalue=1.0),
    optimizers.Adam(amsgrad=True, weight_decay=0.1),
    optimizers.RMSprop(centered=True, use_ema=True),
]


@pytest.fixture
def custom_objects():
    """The registry, put back afterwards."""
    before = dict(get_custom_objects())
    yield get_custom_objects()
    get_custom_objects().clear()
    get_custom_objects().update(before)


@pytest.mark.parametrize("thing", BUILT_IN, ids=lambda thing: type(thing).__name__)
def test_a_config_survives_json_and_makes_an_object_of_the_same_config(thing):
    config = json.loads(json.dumps(serialize_keras_object(thing)))
    assert set(config) == {"module", "class_name", "config", "registered_name"}
    assert config["module"].startswith("keras.")
    again = deserialize_keras_object(config)
    assert type(again) is type(thing)
    assert json.loads(json.dumps(serialize_keras_object(again))) == config


@pytest.mark.parametrize("module", ["keras.losses", "minirnn.losses", "keras.src.losses.losses"])
def test_the_module_decides_between_classes_of_one_name(module):
    config = {"module": module, "class_name": "MeanSquaredError", "config": {}, "registered_name": None}
    assert type(deserialize_keras_object(config)) is losses.MeanSquaredError
    config["module"] = module.replace("losses", "metrics")
    assert type(deserialize_keras_object(config)) is metrics.MeanSquaredError


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        2.5,
        "text",
        [1, [2.0, None]],
        {"a": 1, "b": {"c": [True]}},
        b"bytes",
        slice(1, None, 2),
        Ellipsis,
    ],
)
def test_plain_values_come_back(value):
    assert deserialize_keras_object(json.loads(json.dumps(serialize_keras_object(value)))) == value


@pytest.mark.parametrize("value", [np.arange(6).reshape(2, 3), convert(np.ones((2, 2), np.float32))])
def test_arrays_come_back_with_their_dtype(value):
    again = deserialize_keras_object(json.loads(json.dumps(serialize_keras_object(value))))
    assert again.dtype == value.dtype
    assert np.array_equal(again, np.asarray(value))


def test_numbers_of_numpy_become_pythons():
    assert type(serialize_keras_object(np.float32(0.5))) is float
    assert type(serialize_keras_object(np.array(3))) is int
    assert serialize_keras_object(np.dtype("float32")) == "float32"


def test_functions_are_found_by_name():
    config = serialize_keras_object(activations.tanh)
    assert config["config"] == "tanh"
    assert deserialize_keras_object(config) is activations.tanh
    assert activations.serialize(activations.tanh) == "tanh"
    assert activations.serialize(activations.get("swish")) == "silu"


def test_registered_classes_and_functions_are_found(custom_objects):
    @register_keras_serializable("mine")
    class Half(regularizers.L2):
        pass

    @register_keras_serializable("mine", name="double")
    def twice(x):
        return 2 * x

    assert get_registered_name(Half) == "mine>Half"
    assert get_registered_object("mine>Half") is Half
    config = serialize_keras_object(Half(0.25))
    assert config["registered_name"] == "mine>Half"
    assert type(deserialize_keras_object(config)) is Half
    assert deserialize_keras_object(serialize_keras_object(twice)) is twice
    assert activations.deserialize(activations.serialize(twice)) is twice
    assert activations.get("mine>double") is twice


def test_custom_objects_are_found_inside_their_scope_only():
    class Half(regularizers.L2):
        pass

    config = serialize_keras_object(Half(0.25))
    with custom_object_scope({"Half": Half}):
        assert type(deserialize_keras_object(config)) is Half
        assert type(regularizers.get("Half")) is Half
    assert type(deserialize_keras_object(config, {"Half": Half})) is Half
    with pytest.raises(ValueError, match="register_keras_serializable"):
        deserialize_keras_object(config)


def test_a_class_of_the_user_does_not_pass_for_a_built_in_of_its_name():
    class L2(regularizers.Regularizer):
        def get_config(self):
            return {}

    with pytest.raises(ValueError, match="unknown name 'L2'"):
        deserialize_keras_object(serialize_keras_object(L2()))


@pytest.mark.parametrize(
    "get, wrong, right",
    [
        (activations.get, "rellu", "relu"),
        (initializers.get, "glorot_unifrom", "glorot_uniform"),
        (regularizers.get, "L3", "L2"),
        (constraints.get, "maxnorm", "MaxNorm"),
        (losses.get, "sparse_categorical_crossentropi", "sparse_categorical_crossentropy"),
        (metrics.get, "binary_acuracy", "binary_accuracy"),
        (optimizers.get, "adan", "Adam"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_known_one(get, wrong, right):
    with pytest.raises(ValueError, match=f"unknown name '{wrong}'") as caught:
        get(wrong)
    assert right.lower() in str(caught.value).lower()


@pytest.mark.parametrize(
    "module", [activations, initializers, regularizers, constraints, losses, metrics, optimizers]
)
def test_what_is_no_name_config_or_callable_is_refused_and_none_is_none(module):
    with pytest.raises(ValueError, match="got 3"):
        module.get(3)
    assert module.get(None) is (activations.linear if module is activations else None)


def test_code_is_neither_written_into_configs_nor_read_from_them():
    with pytest.raises(ValueError, match="lambda"):
        serialize_keras_object(lambda x: x)
    with pytest.raises(ValueError, match="code"):
        deserialize_keras_object({"class_name": "__lambda__", "config": {"value": ["4wAA", None, None]}})
    with pytest.raises(ValueError, match="unknown name 'system'"):
        deserialize_keras_object({"module": "os", "class_name": "system", "config": {}})


def test_what_has_no_config_is_refused():
    with pytest.raises(TypeError, match="get_config"):
        serialize_keras_object(object())
    with pytest.raises(ValueError, match="get_config"):
        register_keras_serializable()(type("NoConfig", (), {}))


def test_a_config_is_read_whatever_has_been_imported_before():
    code = (
        "from minirnn.utils import deserialize_keras_object as read\n"
        "for module, name in [('losses', 'Loss'), ('optimizers', 'Adam'), ('layers', 'GRUCell')]:\n"
        "    options = {'units': 3} if module == 'layers' else {}\n"
        "    config = {'module': f'keras.{module}', 'class_name': name, 'config': options}\n"
        "    print(type(read(config)).__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["Loss", "Adam", "GRUCell"], done.stderr


def test_scopes_are_of_their_thread():
    inside, leave, seen = threading.Event(), threading.Event(), []

    def other():
        with custom_object_scope({"A": int}):
            inside.set()
            leave.wait(10)
            seen.append(get_registered_object("A"))

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(10)
    with custom_object_scope({"B": float}):
        assert get_registered_object("A") is None
        leave.set()
        thread.join()
        assert get_registered_object("B") is float
    assert seen == [int]
