"""`Lambda`: a function as a layer."""

import base64
import inspect
import json
import marshal
from types import FunctionType

from minirnn.layers.layer import Layer
from minirnn.utils import registry

# The arguments that may be functions.
_FUNCTIONS = ("function", "output_shape", "mask")


def _is_lambda(value) -> bool:
    return isinstance(value, FunctionType) and value.__name__ == "<lambda>"


def _named(value):
    """Return a function by its name; a lambda has none and stays what it is."""
    return value if _is_lambda(value) else registry.serialize_keras_object(value)


def _code_of(function) -> dict:
    """Return a lambda as its bytecode, as Keras has it, which is read where the file is trusted alone."""
    cells = function.__closure__
    values = {"defaults": function.__defaults__, "closure": cells and tuple(c.cell_contents for c in cells)}
    try:
        json.dumps(values)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Lambda: a lambda is stored with its defaults and what it closes over, {values}, which must be "
            "plain values here. Write it as a function and decorate that with @register_keras_serializable()."
        ) from error
    code = base64.encodebytes(marshal.dumps(function.__code__)).decode("ascii")
    return {"class_name": "__lambda__", "config": {"code": code, **values}}


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
        config = {"function": _named(self.function)}
        if self.output_shape is not None:
            config["output_shape"] = _named(self.output_shape)
        if self.mask is not None:
            config["mask"] = _named(self.mask)
        config["arguments"] = registry.serialize_keras_object(self.arguments)
        return {**super().get_config(), **config}

    def get_stored_config(self):
        """Return the config as a file has it: lambdas as bytecode, which a clone takes as they are."""
        config = self.get_config()
        code = {name: _code_of(config[name]) for name in _FUNCTIONS if _is_lambda(config.get(name))}
        return {**config, **code}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in (*_FUNCTIONS, "arguments"):
            if isinstance(config.get(name), dict):
                config[name] = registry.deserialize_keras_object(config[name])
        return cls(**config)
