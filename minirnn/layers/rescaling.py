"""`Rescaling`: inputs · scale + offset."""

from typing import Any

from minirnn import ops
from minirnn.layers.layer import Layer
from minirnn.utils import registry


class Rescaling(Layer):
    """Multiply by a scale and add an offset, as for pixels from 0 to 255: ``Rescaling(1 / 255)``.

    Parameters
    ----------
    scale, offset : float, or list of float
        Broadcast against the inputs.

    Notes
    -----
    The output has the layer's dtype, also where the input is of integers.
    """

    def __init__(self, scale, offset: Any = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.offset = offset
        self.supports_masking = True

    def call(self, inputs):
        scale, offset = (ops.convert_to_tensor(v, self.compute_dtype) for v in (self.scale, self.offset))
        return ops.add(ops.multiply(ops.cast(inputs, self.compute_dtype), scale), offset)

    def get_config(self):
        scale, offset = map(registry.serialize_keras_object, (self.scale, self.offset))
        return {**super().get_config(), "scale": scale, "offset": offset}

    @classmethod
    def from_config(cls, config):
        values = {name: registry.deserialize_keras_object(config[name]) for name in ("scale", "offset")}
        return cls(**{**config, **values})
