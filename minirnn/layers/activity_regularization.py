"""`ActivityRegularization`: a penalty on what passes through."""

from minirnn import regularizers
from minirnn.layers.layer import Layer


class ActivityRegularization(Layer):
    """Return the inputs, and add ``l1 * sum(|x|) + l2 * sum(x**2)``, divided by the batch size, to the loss.

    Parameters
    ----------
    l1, l2 : float
        0 or more.

    Raises
    ------
    ValueError
        If one of them is not.
    """

    def __init__(self, l1=0.0, l2=0.0, **kwargs):
        super().__init__(activity_regularizer=regularizers.L1L2(l1, l2), **kwargs)
        self.l1, self.l2 = l1, l2
        self.supports_masking = True

    def call(self, inputs):
        return inputs

    def get_config(self):
        config = {**super().get_config(), "l1": self.l1, "l2": self.l2}
        del config["activity_regularizer"]
        return config
