"""`clone_model`: a model of new layers that are as those of another."""

from collections.abc import Callable
from typing import Any

from minirnn import tree
from minirnn.layers.configuration import made_again
from minirnn.layers.input import Input
from minirnn.layers.layer import Layer
from minirnn.models.functional import Functional, functional_like
from minirnn.models.model import Model
from minirnn.models.sequential import Sequential
from minirnn.ops.symbolic import KerasTensor, symbolic_call
from minirnn.utils.registry import deserialize_keras_object, serialize_keras_object


def clone_model(
    model: Model,
    input_tensors: Any = None,
    clone_function: Callable[[Layer], Layer] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
) -> Model:
    """Return a model of new layers of the same configs and names, and so with new weights.

    A layer that is used several times is one layer in the clone too. If the model is compiled, the clone is
    compiled alike, and the state of its optimizer is that of a first step.

    Parameters
    ----------
    model : Sequential, Functional or Model
        A Model of a class of its own is made again from its ``get_config``, without the arguments below.
    input_tensors : KerasTensor or structure of them, optional
        To build the clone on, in the structure of ``model.input``; default: new inputs, like the model's.
    clone_function : callable, optional
        Takes a layer, not that of an input, and returns the one in its place; default: made from its config.
    call_function : callable, optional
        Takes a layer of the clone and what it is called on, ``call_function(layer, *args, **kwargs)``, and
        returns what is passed on as its output; default: that of the layer. For functional models only.
    recursive : bool
        Whether models inside are cloned as `model` is, layer by layer; by default each is one layer.

    Raises
    ------
    ValueError
        If the model takes no such argument, `input_tensors` are not symbolic or have another structure, or
        `call_function` returns another number of outputs than the layer had.

    Examples
    --------
    >>> model = minirnn.Sequential([minirnn.Input((None, 4)), minirnn.layers.LSTM(8, name="encoder")])
    >>> clone = minirnn.models.clone_model(model)
    >>> [layer.name for layer in clone.layers], clone.layers[0] is model.layers[0]
    (['encoder'], False)
    """
    if not isinstance(model, Sequential | Functional):
        arguments = {"input_tensors": input_tensors, "clone_function": clone_function}
        _refuse(model, {**arguments, "call_function": call_function}, "Sequential and functional models")
        own = {type(model).__name__: type(model)}
        return deserialize_keras_object(serialize_keras_object(model), custom_objects=own)
    if isinstance(model, Sequential):
        _refuse(model, {"call_function": call_function}, "functional models, whose layers it calls")
    return _Cloning(clone_function or made_again, call_function, recursive).clone(model, input_tensors)


def _refuse(model, arguments, kinds):
    given = [name for name, value in arguments.items() if value is not None]
    if given:
        raise ValueError(f"clone_model: {', '.join(given)} can be given for {kinds}; got {model!r}.")


class _Cloning:
    """How layers are cloned, and the layers that have been."""

    def __init__(self, clone_function, call_function, recursive):
        self.clone_function, self.call_function = clone_function, call_function
        self.recursive = recursive
        self.made: dict[int, Layer] = {}

    def clone(self, model, input_tensors=None):
        """Return the clone of a Sequential or Functional model."""
        of_kind = self._sequential if isinstance(model, Sequential) else self._functional
        clone = of_kind(model, input_tensors)
        config = model.get_compile_config()
        if config is not None:
            clone.compile_from_config(config)
        return clone

    def _layer(self, layer):
        if id(layer) not in self.made:
            whole = self.recursive and isinstance(layer, Sequential | Functional)
            self.made[id(layer)] = self.clone(layer) if whole else self.clone_function(layer)
        return self.made[id(layer)]

    def _sequential(self, model, input_tensors):
        first = model._input
        layers: list = [self._layer(layer) for layer in model.layers]
        if input_tensors is not None:
            inputs = tree.flatten(input_tensors)
            _check_symbolic(inputs)
            if len(inputs) != 1:
                raise ValueError(
                    f"clone_model: input_tensors must be one tensor for a Sequential; got {len(inputs)}."
                )
            known = {} if first is None else {"name": first.name, "optional": first.optional}
            layers.insert(0, Input(tensor=inputs[0], **known))
        elif first is not None:
            layers.insert(0, _like(first.output))
        return Sequential(layers, name=model.name, trainable=model.trainable)

    def _functional(self, model, input_tensors):
        if input_tensors is None:
            input_tensors = tree.map_structure(_like, model.input)
        else:
            _check_symbolic(tree.flatten(input_tensors))
            try:
                tree.assert_same_structure(input_tensors, model.input)
            except ValueError as error:
                raise ValueError(
                    f"clone_model: input_tensors must have the structure of model.input. {error}"
                ) from error
        new = {id(t): n for t, n in zip(model.inputs, tree.flatten(input_tensors))}
        for call in sorted(model._graph.calls, key=lambda call: call.number):
            args, kwargs = tree.map_structure(lambda x: new.get(id(x), x), (call.args, call.kwargs))
            outputs = tree.flatten(self._call(call.function, args, kwargs))
            wanted = tree.flatten(call.outputs)
            if len(outputs) != len(wanted):
                raise ValueError(
                    f"clone_model: call_function must return {len(wanted)} output(s) for {call.function!r}, "
                    f"as many as the layer had; got {len(outputs)}."
                )
            new.update({id(t): n for t, n in zip(wanted, outputs)})
        outputs = tree.map_structure(lambda t: new[id(t)], model.output)
        cls = type(model) if functional_like(type(model)) else Functional
        clone = cls(input_tensors, outputs, name=model.name)
        # That of the layers is in their configs.
        clone._trainable = model._trainable
        return clone

    def _call(self, function, args, kwargs):
        if not isinstance(function, Layer):
            return symbolic_call(function, args, kwargs)
        layer = self._layer(function)
        if self.call_function is not None:
            return self.call_function(layer, *args, **kwargs)
        return layer(*args, **kwargs)


def _check_symbolic(tensors):
    wrong = [t for t in tensors if not isinstance(t, KerasTensor)]
    if wrong:
        raise ValueError(
            f"clone_model: input_tensors must be symbolic, of Input or of a layer; got {wrong[0]!r}."
        )


def _like(tensor) -> KerasTensor:
    """Return a new input that takes what `tensor`, the input of a model, does."""
    layer = tensor.input_layer
    known = {"name": tensor.name} if layer is None else {"name": layer.name, "optional": layer.optional}
    return Input(batch_shape=tensor.shape, dtype=tensor.dtype.name, **known)
