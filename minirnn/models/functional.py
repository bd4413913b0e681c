"""`Functional`: a model made of the calls between symbolic inputs and outputs."""

import functools
import inspect
import warnings
from typing import Any

from minirnn import tree
from minirnn.autograd import Tensor, convert
from minirnn.autograd import primitives as P
from minirnn.backend import get_keras_mask, set_keras_mask
from minirnn.layers.input import InputLayer
from minirnn.layers.layer import Layer
from minirnn.models.graph import Graph, free_name
from minirnn.models.model import Model
from minirnn.ops.symbolic import KerasTensor


@functools.cache
def functional_class(cls):
    """Return a class like `cls`, a subclass of Model, with Functional beneath it."""
    members = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    return cls if issubclass(cls, Functional) else type(cls.__name__, (cls, Functional), members)


class Functional(Model):
    """A model made from symbolic tensors; ``Model(inputs, outputs)`` returns one.

    Calling it replays the calls between inputs and outputs, one after the other, and drops each value after
    the last call that needs it. Layers may be shared, models may be layers, ops may stand between, and inputs
    and outputs may nest in lists, dicts and namedtuples.

    Parameters
    ----------
    inputs, outputs : KerasTensor or nested structure of KerasTensor
    name : str, optional
    trainable : bool, optional

    Attributes
    ----------
    input, output : structure of KerasTensor
        As given.
    inputs, outputs : list of KerasTensor
        The same, flat.
    input_names, output_names : list of str

    Raises
    ------
    ValueError
        If inputs or outputs hold anything else, an output depends on an input that is not given, or two
        layers have one name.
    """

    # In a file, whatever else a subclass holds.
    stores_layers_first = True

    def __init__(self, inputs, outputs, name=None, trainable=None, **kwargs):
        super().__init__(name=name, **kwargs)
        for what, structure in (("inputs", inputs), ("outputs", outputs)):
            leaves = tree.flatten(structure)
            wrong = [leaf for leaf in leaves if not isinstance(leaf, KerasTensor)]
            if wrong or not leaves:
                raise ValueError(
                    f"{self._where}: {what} must be symbolic tensors, of Input or of layers called on them, "
                    f"alone or nested; got {wrong[0] if wrong else structure!r}."
                )
        # Copies of the structures: the caller may go on to change a list.
        self.input = tree.map_structure(lambda t: t, inputs)
        self.output = tree.map_structure(lambda t: t, outputs)
        self.inputs, self.outputs = tree.flatten(inputs), tree.flatten(outputs)
        if isinstance(inputs, dict):
            self._warn_of_other_names(inputs)
        self._graph = Graph(self.inputs, self.outputs, self._where)
        self._layers: list[Layer] = []
        for operation in self._graph.operations:
            if operation.layer is None and isinstance(operation.thing, KerasTensor):
                # The model begins in the middle of another one.
                shape, dtype = operation.thing.shape, operation.thing.dtype.name
                operation.name += "CLONE"
                operation.layer = InputLayer(batch_shape=shape, dtype=dtype, name=operation.name)
            if operation.layer is not None:
                self._layers.append(operation.layer)
        self.input_names = [t.name for t in self.inputs]
        self.output_names = self._names_of_outputs()
        # Inputs are cast here, each to the dtype of its own.
        self.autocast = False
        self.built = True
        if trainable is not None:
            self.trainable = trainable

    def _warn_of_other_names(self, inputs):
        for key, tensor in inputs.items():
            if isinstance(tensor, KerasTensor) and tensor.name != key:
                warnings.warn(
                    f"{self._where}: the input {tensor.name!r} stands under the key {key!r}. Data must use "
                    f"the key; name the input alike with Input(..., name={key!r}).",
                    stacklevel=4,
                )

    def _names_of_outputs(self):
        """Name each output after its layer; a second output of one layer gets a number, as before Keras 3."""
        names, next_numbers = {}, {}
        for tensor in self.outputs:
            names[free_name(self._graph.origin(tensor)[0].name, names, next_numbers)] = None
        return list(names)

    @property
    def layers(self) -> list:
        """The layers, those of the inputs included, from the inputs to the outputs as Keras orders them."""
        return list(self._layers)

    @property
    def operations(self) -> list:
        """The layers, and between them the ops that are no layers, as `Operation` objects."""
        return list(self._graph.operations)

    @property
    def input_shape(self) -> Any:
        return _shapes(self.input)

    @property
    def output_shape(self) -> Any:
        return _shapes(self.output)

    def build(self, input_shape=None) -> None:
        """Do nothing: the layers were built when they were called."""

    def call(self, inputs, training=None, mask=None):
        """Replay the calls for values of the inputs."""
        values = self._match(inputs)
        masks = [None] * len(values)
        if mask is not None:
            masks = tree.flatten(mask)
        values = [self._fit(x, t, m) for x, t, m in zip(values, self.inputs, masks)]
        outputs = self._graph.plan.run(values)
        # Keras takes the output out of a list or tuple of one.
        alone = type(self.output) in (list, tuple) and len(self.output) == len(outputs) == 1
        return outputs[0] if alone else tree.pack_sequence_as(self.output, outputs)

    def _match(self, inputs) -> list:
        """Return the values of `self.inputs` from what was passed in their place."""
        expected = self.input
        if isinstance(expected, KerasTensor):
            if isinstance(inputs, dict) and expected.name in inputs:
                return [inputs[expected.name]]
            flat = tree.flatten(inputs)
        elif isinstance(inputs, dict) and not isinstance(expected, dict):
            if set(self.input_names) <= set(inputs):
                return [inputs[name] for name in self.input_names]
            self._mismatch(inputs)
        elif isinstance(inputs, dict):
            flat = self._match_dict(inputs, expected)
        elif isinstance(expected, dict) and list(expected) != sorted(expected):
            # A list in place of a dict is read in the order of the sorted keys, not in the order seen here.
            self._mismatch(inputs)
        else:
            flat = tree.flatten(inputs)
        if len(flat) != len(self.inputs):
            self._mismatch(inputs)
        return flat

    def _match_dict(self, inputs, expected):
        if not set(expected) <= set(inputs):
            self._mismatch(inputs)
        # In a dict of the same kind, since an OrderedDict is walked in an order of its own.
        return tree.flatten(type(expected)((key, inputs[key]) for key in expected))

    def _mismatch(self, inputs):
        got = tree.map_structure(lambda v: tuple(v.shape) if hasattr(v, "shape") else v, inputs)
        wanted = tree.map_structure(lambda t: t.shape, self.input)
        raise ValueError(
            f"{self._where}: the inputs must have the structure of {wanted}, named {self.input_names}; got "
            f"{got}."
        )

    def _fit(self, x, tensor, mask):
        """Bring one input to the dtype and rank of its symbolic tensor, and give it its mask."""
        layer = tensor.input_layer
        if x is None:
            if layer is not None and layer.optional:
                return None
            raise ValueError(f"{self._where}: the input {tensor.name!r} is missing; got None.")
        found = get_keras_mask(x) if isinstance(x, Tensor) else None
        value = convert(x, tensor.dtype)
        if value is not x and isinstance(x, Tensor) and x.data.dtype.kind == value.data.dtype.kind:
            value._host = x._host
        shape, wanted = value.shape, tensor.shape
        if len(shape) == len(wanted) + 1 and shape[-1] == 1:
            value = P.reshape(value, shape=shape[:-1])
        elif len(shape) == len(wanted) - 1 and wanted[-1] == 1:
            value = P.reshape(value, shape=(*shape, 1))
        shape = value.shape
        if len(shape) != len(wanted) or any(w not in (None, n) for n, w in zip(shape[1:], wanted[1:])):
            raise ValueError(
                f"{self._where}: the input {tensor.name!r} must have shape {wanted}; got {tuple(x.shape)}."
            )
        mask = found if mask is None else mask
        if mask is not None and get_keras_mask(value) is not mask:
            # A Tensor of the caller's stays without the mask.
            value = P.identity(value) if value is x else value
            set_keras_mask(value, mask)
        return value

    def compute_output_shape(self, input_shape):
        """Return the shapes of the outputs for inputs of the given shapes."""
        if tree.map_shape_structure(tuple, input_shape) == tree.map_structure(lambda t: t.shape, self.input):
            return tree.map_structure(lambda t: t.shape, self.output)
        return super().compute_output_shape(input_shape)

    def get_config(self) -> dict:
        """Return the layers, their configs and calls, in the form of Keras."""
        if not functional_like(type(self)):
            return super().get_config()
        from minirnn.models.functional_config import config_of

        return config_of(self)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Make the model that `get_config` described, with new weights.

        Parameters
        ----------
        config : dict
        custom_objects : dict of str to class or function, optional
            What the config names and is not known.
        """
        if "layers" not in config or not functional_like(cls):
            return super().from_config(config, custom_objects)
        from minirnn.models.functional_config import from_config

        return from_config(cls, config, custom_objects)


def functional_like(cls) -> bool:
    """Whether a class is made from inputs and outputs as `Functional` is."""
    names = list(inspect.signature(cls.__init__).parameters)
    return names[1:3] == ["inputs", "outputs"] or cls.__init__ in (Functional.__init__, Model.__init__)


def _shapes(structure):
    shapes = tree.map_structure(lambda t: t.shape, structure)
    return shapes[0] if isinstance(structure, list) and len(structure) == 1 else shapes
