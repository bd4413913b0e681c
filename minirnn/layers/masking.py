"""`Masking`: steps of one value are padding."""

from minirnn import backend, ops
from minirnn.layers.layer import Layer


class Masking(Layer):
    """Mask the steps whose features all equal a value, and set them to 0.

    Parameters
    ----------
    mask_value : float

    Notes
    -----
    Input and output (batch, ..., features); the mask has the shape (batch, ...).
    """

    def __init__(self, mask_value=0.0, **kwargs):
        super().__init__(**kwargs)
        self.mask_value = mask_value
        self.supports_masking = True

    def compute_mask(self, inputs, mask=None):
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)

    def call(self, inputs):
        mask = self.compute_mask(inputs)
        outputs = ops.where(ops.expand_dims(mask, -1), inputs, ops.zeros_like(inputs))
        backend.set_keras_mask(outputs, mask)
        return outputs

    def get_config(self):
        return {**super().get_config(), "mask_value": self.mask_value}
