"""`Wrapper`: a layer of one's own around another has its weights, its config and its file."""

import numpy as np
import pytest

from minirnn import Input, Sequential, layers, saving


@saving.register_keras_serializable(package="tests")
class Twice(layers.Wrapper):
    def call(self, inputs):
        return 2 * self.layer(inputs)


def test_a_wrapper_builds_tracks_and_saves_the_layer_inside(tmp_path):
    model = Sequential([Input((3,)), Twice(layers.Dense(2))])
    wrapper = model.layers[0]
    assert wrapper.layer.built and len(model.trainable_weights) == 2
    x = np.ones((4, 3), "float32")
    np.testing.assert_array_equal(model(x).numpy(), 2 * wrapper.layer(x).numpy())
    model.save(tmp_path / "model.keras")
    again = saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    assert type(again.layers[0]) is Twice and isinstance(
        layers.TimeDistributed(layers.Dense(1)), layers.Wrapper
    )


def test_what_is_no_layer_is_refused():
    with pytest.raises(ValueError, match=r"Twice: layer must be a layer such as Dense.*; got 3"):
        Twice(3)
