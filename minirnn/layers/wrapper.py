"""`Wrapper`: what layers that work through another one have in common."""

from typing import Any

from minirnn.layers.layer import Layer
from minirnn.utils.registry import deserialize_part, serialize_keras_object


class Wrapper(Layer):
    """A layer around another, which it builds and saves; what it does with it, ``call`` of a subclass says.

    Parameters
    ----------
    layer : Layer
    **kwargs
        Those of `Layer`.

    Raises
    ------
    ValueError
        If `layer` is no layer.
    """

    def __init__(self, layer, **kwargs):
        if not isinstance(layer, Layer):
            raise ValueError(
                f"{type(self).__name__}: layer must be a layer such as Dense(10); got {layer!r}."
            )
        super().__init__(**kwargs)
        self.layer: Any = layer

    def build(self, input_shape=None):
        if not self.layer.built:
            self.layer.build(input_shape)
            self.layer.built = True

    def get_config(self) -> dict:
        return {**super().get_config(), "layer": serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Make a layer from what `get_config` returned."""
        config = dict(config)
        layer = deserialize_part(config.pop("layer"), custom_objects)
        return cls(layer, **config)
