"""`Lambda`: a function as a layer."""

import inspect

from minirnn.layers.layer import Layer
from minirnn.utils import registry


def _stored(value):
    """Return a function by its name; a lambda has none and stays what it is."""
    if getattr(value, "__name__", None) == "<lambda>":
        return value
    return registry.serialize_keras_object(value)


class Lambda(Layer):
    """Apply a function.

    Parameters
    ----------
    function : callable
        Takes the inputs, then `arguments`, and ``mask`` and ``training`` if it names them.
    output_shape : tuple or callable, optional
        Kept for Keras; shapes are found by running the function.
    mask : Tensor or callable, optional
        The mask of the outputs, or a function of the inputs and their mask.
    arguments : dict, optional
        More arguments of `function`.

    Raises
    ------
    TypeError
        If `function` cannot be called.

    Notes
    -----
    Variables that the function uses are not the layer's weights; write a `Layer` for those.
    """

    def __init__(self, function, output_shape=None, mask=None, arguments=None, **kwargs):
        super().__init__(**kwargs)
        if not callable(function):
            raise TypeError(f"{self._where}: function must be callable; got {type(function).__name__}.")
        self.function = function
        self.output_shape = output_shape
        self.mask = mask
        self.arguments = arguments or {}
        self.supports_masking = mask is not None
        names = inspect.signature(function).parameters
        self._takes = [name for name in ("mask", "training") if name in names]

    def call(self, inputs, mask=None, training=None):
        given = {"mask": mask, "training": training}
        return self.function(inputs, **self.arguments, **{name: given[name] for name in self._takes})

    def compute_mask(self, inputs, mask=None):
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def get_config(self):
        config = {"function": _stored(self.function)}
        if self.output_shape is not None:
            config["output_shape"] = _stored(self.output_shape)
        if self.mask is not None:
            config["mask"] = _stored(self.mask)
        config["arguments"] = registry.serialize_keras_object(self.arguments)
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in ("function", "output_shape", "mask", "arguments"):
            if isinstance(config.get(name), dict):
                config[name] = registry.deserialize_keras_object(config[name])
        return cls(**config)
