"""`get_config` and `from_config`, of minirnn's layers and a user's."""

import json

import numpy as np
import pytest

from minirnn import initializers, layers
from minirnn.layers import Dense, Layer
from minirnn.utils import custom_object_scope

X = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3)


class Scale(Layer):
    def __init__(self, factor, offset=0.0, *, start="ones", **kwargs):
        super().__init__(**kwargs)
        self.factor, self.offset = factor, offset
        self.start = initializers.get(start)

    def build(self, shape):
        self.gain = self.add_weight(shape=(shape[-1],), initializer=self.start, name="gain")

    def call(self, x):
        return x * self.gain * self.factor + self.offset


def test_a_layer_of_the_user_needs_no_get_config():
    layer = Scale(2.0, offset=1.0, name="s", dtype="float64")
    config = layer.get_config()
    assert config == {
        "name": "s",
        "trainable": True,
        "dtype": "float64",
        "factor": 2.0,
        "offset": 1.0,
        "start": "ones",
    }
    again = Scale.from_config(config)
    np.testing.assert_allclose(again(X).numpy(), X * 2.0 + 1.0)
    assert again.get_config() == config


def test_the_present_name_and_freedom_go_into_the_config():
    layer = Scale(2.0)
    layer.trainable = False
    config = layer.get_config()
    assert config["trainable"] is False
    assert config["name"] == layer.name


def test_objects_in_the_config_survive_storage_as_json():
    with custom_object_scope({"Scale": Scale}):
        layer = Scale(2.0, start=initializers.Constant(3.0))
        stored = json.loads(json.dumps(layers.serialize(layer)))
        again = layers.deserialize(stored)
    np.testing.assert_allclose(again(X).numpy(), X * 6.0)


def test_a_constructor_without_keywords_gets_what_it_takes():
    class Plain(Layer):
        def __init__(self, units):
            super().__init__()
            self.units = units

    assert Plain(3).get_config() == {"units": 3}
    assert Plain.from_config(Plain(3).get_config()).units == 3


def test_positional_values_without_names_cannot_be_stored():
    class Many(Layer):
        def __init__(self, *values):
            super().__init__()

    assert Many().get_config() == {}
    with pytest.raises(NotImplementedError, match=r"define get_config.* the constructor took \*values"):
        Many(1, 2).get_config()


def test_a_get_config_of_the_user_may_add_to_that_of_the_base():
    class Own(Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = units

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    layer = Own(4, activity_regularizer="l2", name="own")
    config = layer.get_config()
    assert set(config) == {"name", "trainable", "dtype", "activity_regularizer", "units"}
    again = Own.from_config(config)
    assert again.units == 4
    assert again.activity_regularizer is not None


ARGUMENTS = [
    ("Activation", {"activation": "tanh"}),
    ("ActivityRegularization", {"l1": 0.1, "l2": 0.2}),
    ("Add", {}),
    ("AdditiveAttention", {"use_scale": False, "dropout": 0.1, "seed": 2}),
    ("Attention", {"use_scale": True, "score_mode": "concat", "dropout": 0.1, "seed": 2}),
    ("Average", {}),
    ("AveragePooling1D", {"pool_size": 3, "strides": 2, "padding": "same"}),
    ("BatchNormalization", {"axis": 1, "gamma_regularizer": "l2"}),
    ("Concatenate", {"axis": 1}),
    ("Conv1D", {"filters": 4, "kernel_size": 3, "padding": "causal", "dilation_rate": 2, "groups": 2}),
    ("Cropping1D", {"cropping": (0, 2)}),
    ("Dense", {"units": 3, "activation": "relu", "kernel_constraint": "max_norm"}),
    ("Dot", {"axes": (1, 2), "normalize": True}),
    ("Dropout", {"rate": 0.25, "noise_shape": (None, 1), "seed": 3}),
    ("ELU", {"alpha": 0.5}),
    ("Embedding", {"input_dim": 4, "output_dim": 2, "mask_zero": True}),
    ("Flatten", {"data_format": "channels_first"}),
    ("GaussianDropout", {"rate": 0.25, "seed": 3}),
    ("GaussianNoise", {"stddev": 0.25, "seed": 3}),
    ("GlobalAveragePooling1D", {"data_format": "channels_first", "keepdims": True}),
    ("GlobalMaxPooling1D", {"keepdims": True}),
    ("Identity", {}),
    ("InputLayer", {"shape": (3,), "dtype": "int32"}),
    ("LayerNormalization", {"axis": [1, 2]}),
    ("LeakyReLU", {"negative_slope": 0.5}),
    ("Masking", {"mask_value": -1.0}),
    ("MaxPooling1D", {"pool_size": 3, "data_format": "channels_first"}),
    ("Maximum", {}),
    ("Minimum", {}),
    ("Multiply", {}),
    ("Permute", {"dims": (2, 1)}),
    ("ReLU", {"max_value": 6.0}),
    ("RepeatVector", {"n": 3}),
    ("Rescaling", {"scale": [1.0, 2.0], "offset": 0.5}),
    ("Reshape", {"target_shape": (-1, 2)}),
    ("Softmax", {"axis": (1, 2)}),
    ("SpatialDropout1D", {"rate": 0.25, "seed": 3}),
    ("Subtract", {}),
    ("UpSampling1D", {"size": 3}),
    ("ZeroPadding1D", {"padding": (2, 1), "data_format": "channels_first"}),
]


@pytest.mark.parametrize("name, arguments", ARGUMENTS, ids=lambda v: v if isinstance(v, str) else "")
def test_every_layer_comes_back_from_its_config_and_from_json(name, arguments):
    cls = getattr(layers, name)
    layer = cls(**arguments, name="layer")
    config = layer.get_config()
    again = cls.from_config(config)
    assert again.get_config() == config
    stored = json.loads(json.dumps(layers.serialize(layer)))
    back = layers.deserialize(stored)
    assert type(back) is cls
    assert json.dumps(back.get_config()) == json.dumps(config)


def test_every_layer_is_in_the_list_above_or_named_here():
    exported = [getattr(layers, n) for n in layers.__all__]
    classes = [thing for thing in exported if isinstance(thing, type) and ".rnn." not in thing.__module__]
    others = {"InputSpec", "Lambda", "Layer", "Recompute", "Wrapper"}
    assert {c.__name__ for c in classes} == {n for n, _ in ARGUMENTS} | others


def test_build_configs_build_an_equal_layer():
    layer = Dense(2)
    assert layer.get_build_config() is None
    layer(X)
    stored = json.loads(json.dumps(layers.serialize(layer)))
    again = layers.deserialize(stored)
    assert again.built
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(X).numpy(), layer(X).numpy())


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Dense(3, unit=4), "Dense: unknown argument.* unit.*units"),
        (lambda: Dense(3, dtype="float33"), "Dense 'dense.*': dtype must be a name.* got 'float33'"),
        (lambda: layers.deserialize({"class_name": "Dens", "config": {}}), "unknown name 'Dens'.*'Dense'"),
        (lambda: layers.deserialize({"class_name": "Dense", "config": {"units": 0}}), "Dense: units must be"),
    ],
)
def test_wrong_configurations_are_errors_that_name_the_layer(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_keras_configs_of_a_dtype_policy_are_read():
    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float64"}}
    assert Dense.from_config({"units": 2, "dtype": policy}).dtype == "float64"
