"""`Identity`: a layer that does nothing."""

from minirnn.layers.layer import Layer


class Identity(Layer):
    """Return the inputs, a tensor or any structure of tensors, as they are."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs):
        return inputs
