"""`Lambda`."""

import json

import numpy as np
import pytest

from minirnn import layers, ops
from minirnn.backend import get_keras_mask
from minirnn.utils import custom_object_scope

X = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3)


def doubled(x, factor=2.0):
    return x * factor


def test_a_function_becomes_a_layer():
    np.testing.assert_allclose(layers.Lambda(doubled)(X).numpy(), 2 * X)
    np.testing.assert_allclose(layers.Lambda(doubled, arguments={"factor": 3.0})(X).numpy(), 3 * X)
    assert layers.Lambda(lambda x: ops.sum(x, axis=1))(layers.Input((None, 3))).shape == (None, 3)


def test_training_and_mask_reach_a_function_that_names_them():
    seen = {}

    def look(x, training, mask):
        seen.update(training=training, mask=mask)
        return x

    layers.Lambda(look)(X, training=True)
    assert seen == {"training": True, "mask": None}


def test_the_mask_of_the_output_may_be_given():
    mask = np.array([True, False, True, True])
    assert get_keras_mask(layers.Lambda(doubled, mask=mask)(X)).tolist() == mask.tolist()
    made = layers.Lambda(doubled, mask=lambda x, m: ops.any(x > 0, axis=-1))(X)
    np.testing.assert_array_equal(get_keras_mask(made).numpy(), (X > 0).any(-1))


def test_a_named_function_survives_storage_and_a_lambda_a_copy():
    layer = layers.Lambda(doubled, arguments={"factor": 3.0})
    with custom_object_scope({"doubled": doubled}):
        again = layers.deserialize(json.loads(json.dumps(layers.serialize(layer))))
    np.testing.assert_array_equal(again(X).numpy(), layer(X).numpy())
    layer = layers.Lambda(lambda x: x + 1.0)
    np.testing.assert_array_equal(layers.Lambda.from_config(layer.get_config())(X).numpy(), X + 1)
    with pytest.raises(ValueError, match="holds code"):
        layers.deserialize(layers.serialize(layer))


def test_what_cannot_be_called_is_refused():
    with pytest.raises(TypeError, match="Lambda 'l': function must be callable; got int"):
        layers.Lambda(3, name="l")
