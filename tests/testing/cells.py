"""A cell of one's own, for a script to import."""

import minirnn
from minirnn import layers, ops


@minirnn.saving.register_keras_serializable(package="tests")
class Leaky(layers.Layer):
    """h' = leak h + x W."""

    def __init__(self, units, leak=0.9, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units
        self.leak = leak

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")

    def call(self, inputs, states):
        h = self.leak * states[0] + ops.matmul(inputs, self.kernel)
        return h, [h]

    def get_config(self):
        return {**super().get_config(), "units": self.units, "leak": self.leak}
