"""`Sequential`: a stack of layers."""

import copy
from typing import Any

from minirnn import tree
from minirnn.autograd import Tensor, convert
from minirnn.autograd import primitives as P
from minirnn.backend import get_keras_mask, set_keras_mask
from minirnn.layers.context import name_scope
from minirnn.layers.embedding import Embedding
from minirnn.layers.input import InputLayer
from minirnn.layers.layer import Layer, shape_structure
from minirnn.models.model import Model
from minirnn.ops.symbolic import KerasTensor
from minirnn.utils.registry import CustomObjectScope, deserialize_part, serialize_keras_object


class Sequential(Model):
    """Layers of which each takes what the one before gives.

    With an `Input` first, or ``input_shape=`` on the first layer, it is built as layers are added; otherwise
    when it first sees data, or by ``build(input_shape)``. One that begins with an Embedding is built at once
    as well, for token numbers of shape (batch, time), if its layers can be.

    Parameters
    ----------
    layers : list of Layer, optional
        The first may be an `Input`.
    trainable : bool
    name : str, optional

    Raises
    ------
    ValueError
        If a layer is none, two layers have one name, an input comes second, or a layer does not fit the one
        before.

    Examples
    --------
    >>> model = Sequential([minirnn.layers.LSTM(4, input_shape=(None, 28)), minirnn.layers.Dense(10)])
    >>> model.output_shape
    (None, 10)
    """

    # In a file, whatever else a subclass holds.
    stores_layers_first = True

    def __init__(self, layers=None, trainable=True, name=None, **kwargs):
        super().__init__(trainable=trainable, name=name, **kwargs)
        # Inputs are cast here, to the dtype of the first layer.
        self.autocast = False
        self._input: InputLayer | None = None
        self._stack: list[Layer] = []
        # The symbolic input, and what each layer gives for it; none while the input is not known.
        self._tensors: list = []
        for layer in layers or []:
            self.add(layer)

    def add(self, layer, rebuild=True) -> None:
        """Put a layer on top of the stack.

        Parameters
        ----------
        layer : Layer or KerasTensor
            A symbolic tensor as `Input` returns it stands for its layer.
        rebuild : bool
            Taken for Keras's sake.
        """
        if isinstance(layer, KerasTensor):
            layer = layer.input_layer or layer
        if not isinstance(layer, Layer):
            hint = " Make an instance of it." if isinstance(layer, type) else ""
            raise ValueError(f"{self._where}: add needs a layer or an Input; got {layer!r}.{hint}")
        if any(layer.name == known.name for known in (self._input, *self._stack) if known is not None):
            raise ValueError(
                f"{self._where}: there is a layer named {layer.name!r} already. Give this one another name=."
            )
        if isinstance(layer, InputLayer):
            if self._input is not None or self._stack:
                raise ValueError(
                    f"{self._where}: an Input must come first, and once; got {layer.name!r} after that."
                )
            self._input, self._tensors = layer, [layer.output]
            return
        first, tensors = self._input, list(self._tensors)
        if not self._stack and not tensors:
            shape = layer.input_shape_argument or _known_input_shape(layer)
            if shape is not None:
                first = InputLayer(batch_shape=tuple(shape), dtype=_input_dtype(layer))
                tensors = [first.output]
            elif isinstance(layer, Embedding):
                tensors = [KerasTensor((None, None), "int32", "tokens")]
        if tensors:
            try:
                with name_scope(self):
                    tensors.append(layer(tensors[-1]))
            except (TypeError, ValueError):
                if first is not None:
                    raise
                # The input was a guess. Let the data decide.
                tensors = []
        self._stack.append(layer)
        self._input, self._tensors = first, tensors
        self.built = bool(tensors)

    def pop(self, rebuild=True) -> Layer:
        """Take the last layer off the stack and return it.

        Raises
        ------
        ValueError
            If there is none.
        """
        if not self._stack:
            raise ValueError(f"{self._where}: pop needs a layer; the model has none.")
        del self._tensors[len(self._stack) :]
        layer = self._stack.pop()
        self.built = bool(self._stack and self._tensors)
        return layer

    def build(self, input_shape=None) -> None:
        """Make the weights for inputs of a shape, the batch axis included.

        Raises
        ------
        ValueError
            If there is no layer, the model has another `Input`, or a layer does not fit the one before.
        """
        if not self._stack:
            raise ValueError(f"{self._where}: there are no layers; add one first.")
        if self._input is not None:
            known = self._input.batch_shape
            if input_shape is not None and tuple(input_shape) != known:
                raise ValueError(
                    f"{self._where}: the model is built for inputs of shape {known}; got "
                    f"{tuple(input_shape)}."
                )
            return
        if input_shape is None or not tree.is_shape(input_shape):
            # Inputs that nest have no one layer of their own; the layers are built as they are called.
            return
        first = InputLayer(batch_shape=tuple(input_shape), dtype=_input_dtype(self._stack[0]))
        tensors = [first.output]
        for layer in self._stack:
            tensors.append(layer(tensors[-1]))
        self._input, self._tensors = first, tensors

    def _build_for(self, signature, args, kwargs):
        shape: Any = shape_structure(args[0] if args else kwargs.get(signature.first))
        if tree.is_shape(shape) and not self.stateful:
            shape = (None, *shape[1:])
        self.build(shape)

    def call(self, inputs, training=None, mask=None):
        """Call each layer on what the one before gave."""
        if not self._stack:
            raise ValueError(f"{self._where}: there are no layers; add one first.")
        if self._input is not None and tree.is_nested(inputs) and len(inputs) == 1:
            # One input may come in a list, or under its name.
            inputs = tree.flatten(inputs)[0]
        x = self._fit(inputs, mask) if isinstance(inputs, Tensor) else inputs
        for layer in self._stack:
            x = layer(x)
        return x

    def _fit(self, x, mask):
        first = self._stack[0]
        dtype = _input_dtype(first) if self._input is None else self._input.dtype
        # Floats hold only small integers exactly, and an Embedding wants integers.
        if x.data.dtype != dtype and not (x.data.dtype.kind in "iu" and isinstance(first, Embedding)):
            mask = get_keras_mask(x) if mask is None else mask
            x = convert(x, dtype)
        if mask is not None and get_keras_mask(x) is not mask:
            # A Tensor of the caller's stays without the mask.
            x = P.identity(x)
            set_keras_mask(x, mask)
        return x

    @property
    def layers(self) -> list:
        """The layers without that of the input."""
        return list(self._stack)

    def _symbolic(self, index, what):
        if not self._stack or not self._tensors:
            raise AttributeError(
                f"{self._where} has no {what} yet: it is not built. Begin with an Input, or call "
                "build(input_shape)."
            )
        return self._tensors[index]

    @property
    def input(self) -> Any:
        return self._symbolic(0, "input")

    @property
    def output(self) -> Any:
        return self._symbolic(-1, "output")

    @property
    def inputs(self) -> list:
        return tree.flatten(self._symbolic(0, "inputs"))

    @property
    def outputs(self) -> list:
        return tree.flatten(self._symbolic(-1, "outputs"))

    @property
    def input_shape(self) -> Any:
        return self._symbolic(0, "input_shape").shape

    @property
    def output_shape(self) -> Any:
        return tree.map_structure(lambda t: t.shape, self._symbolic(-1, "output_shape"))

    def get_config(self) -> dict:
        """Return the configs of the layers, in the form of Keras."""
        layers = [layer for layer in (self._input, *self._stack) if layer is not None]
        config = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": self._dtype_config(),
            "layers": [serialize_keras_object(layer) for layer in layers],
        }
        if self._input is not None:
            config["build_input_shape"] = self._input.batch_shape
        return copy.deepcopy(config)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Make the model that `get_config` described, with new weights.

        Parameters
        ----------
        config : dict
        custom_objects : dict of str to class or function, optional
            What the config names and is not known.
        """
        with CustomObjectScope(custom_objects or {}):
            model = cls(name=config.get("name"))
            for layer in config["layers"]:
                model.add(deserialize_part(layer))
        if not model.built and config.get("build_input_shape") and model.layers:
            model.build(tuple(config["build_input_shape"]))
        if not config.get("trainable", True):
            model.trainable = False
        return model


def _known_input_shape(layer):
    """Return the shape of the one input of a model that is built, or None."""
    if not isinstance(layer, Model):
        return None
    shape = getattr(layer, "input_shape", None)
    return shape if tree.is_shape(shape) else None


def _input_dtype(layer) -> str:
    """Return the dtype of inputs for a first layer: token numbers, given as floats, are no float16."""
    return layer.compute_dtype if layer.autocast else layer.variable_dtype
