"""`Bidirectional`: a recurrent layer and its like that reads from the end, their outputs merged."""

from typing import Any

from minirnn import kernels, ops, tree
from minirnn.autograd import convert, inferring_shapes
from minirnn.kernels.cudnn_rnn import run_pair
from minirnn.layers.configuration import made_again
from minirnn.layers.context import signature_of
from minirnn.layers.layer import Layer
from minirnn.layers.rnn.built_in import may_share_a_call
from minirnn.layers.rnn.rnn import RNN
from minirnn.layers.rnn.state import is_state_shape
from minirnn.ops.symbolic import KerasTensor
from minirnn.utils.registry import deserialize_part, serialize_keras_object

MERGES = {
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: (a + b) / 2,
    "concat": lambda a, b: ops.concatenate([a, b], axis=-1),
}


class Bidirectional(Layer):
    """Runs a recurrent layer over a sequence in both directions.

    Parameters
    ----------
    layer : RNN, or another Layer with ``go_backwards``, ``return_sequences``, ``return_state``, ``stateful``
        Its options are used, not its weights: both directions are new layers, with names that start with
        "forward_" and "backward_".
    merge_mode : "concat", "sum", "mul", "ave" or None
        How the outputs of the two directions become one; None returns both.
    weights : list of array, optional
        To start with: those of the forward layer, then those of the backward layer.
    backward_layer : Layer, optional
        Reads the sequence backwards; default: one like `layer` with ``go_backwards`` turned over.

    Attributes
    ----------
    forward_layer, backward_layer : Layer

    Notes
    -----
    The backward outputs are put into the order of the input before they are merged. With `return_state` the
    outputs are followed by the forward layer's states, then the backward layer's; ``initial_state`` has the
    same order. Where sequences are returned, the outputs of masked steps are zero.

    Raises
    ------
    ValueError
        If `layer` is no such layer, `merge_mode` is not known, the two layers differ where they must not, or
        at the call if the number of initial states is not that of both.

    References
    ----------
    Schuster and Paliwal 1997, "Bidirectional recurrent neural networks".
    """

    def __init__(self, layer, merge_mode: str | None = "concat", weights=None, backward_layer=None, **kwargs):
        _check_layer("layer", layer)
        if backward_layer is not None:
            _check_layer("backward_layer", backward_layer)
        if merge_mode is not None and not (isinstance(merge_mode, str) and merge_mode in MERGES):
            known = ", ".join(map(repr, (*MERGES, None)))
            raise ValueError(f"Bidirectional: merge_mode must be one of {known}; got {merge_mode!r}.")
        super().__init__(**kwargs)
        self.merge_mode = merge_mode
        self.forward_layer = _like(layer, "forward_")
        if backward_layer is None:
            backward_layer = _like(layer, "backward_", go_backwards=not layer.go_backwards)
        self.backward_layer = backward_layer
        self._check_pair()
        for inner in (self.forward_layer, self.backward_layer):
            if hasattr(layer, "use_cudnn"):
                inner.use_cudnn = layer.use_cudnn
            # What is merged with a masked step is nothing, and not the output of the step before it.
            if getattr(inner, "zero_output_for_mask", None) is not None:
                inner.zero_output_for_mask = inner.return_sequences
        self._initial_weights = None if not weights else list(weights)
        self.stateful = layer.stateful
        self.return_sequences = layer.return_sequences
        self.return_state = layer.return_state
        self.supports_masking = True
        self.input_spec = layer.input_spec if not layer.built else None

    def _check_pair(self):
        one, other = self.forward_layer, self.backward_layer
        if one.go_backwards == other.go_backwards:
            raise ValueError(
                f"{self._where}: backward_layer must have go_backwards={not one.go_backwards}, the other way "
                f"than layer; got {other.go_backwards}."
            )
        for name in ("stateful", "return_sequences", "return_state"):
            if getattr(one, name) != getattr(other, name):
                raise ValueError(
                    f"{self._where}: layer and backward_layer must have the same {name}; got "
                    f"{getattr(one, name)} and {getattr(other, name)}."
                )

    def _build_for(self, signature, args, kwargs):
        for inner in (self.forward_layer, self.backward_layer):
            inner._built_for_shapes = inferring_shapes()  # see RNN
        arguments = {**dict(zip(signature.names, args)), **kwargs}
        sequences, initial_state = arguments.get(signature.first), arguments.get("initial_state")
        if isinstance(self.forward_layer, RNN):
            self.forward_layer._check_call(
                {"sequences": sequences, "mask": arguments.get("mask")}, "sequences"
            )
        if initial_state is not None and not any(isinstance(x, KerasTensor) for x in tree.flatten(arguments)):
            self._halves(sequences, initial_state)
        super()._build_for(signature, args, kwargs)

    def build(self, sequences_shape, initial_state_shape=None):
        for inner in (self.forward_layer, self.backward_layer):
            if not inner.built:
                inner.build(sequences_shape)
                inner.built = True
        self.input_spec = self.forward_layer.input_spec
        if self._initial_weights is not None:
            # Straight after the build, and once: what is trained later is not to be set back.
            weights, self._initial_weights = self._initial_weights, None
            self.set_weights(weights)

    def call(self, sequences, initial_state=None, mask=None, training: bool | None = False):
        options = {}
        signature = signature_of(type(self.forward_layer).call)
        if signature.takes_training:
            options["training"] = training
        if signature.takes_mask and mask is not None:
            options["mask"] = mask
        forward, backward = dict(options), dict(options)
        if initial_state is not None:
            forward["initial_state"], backward["initial_state"] = self._halves(sequences, initial_state)
        together = self._in_one_call(sequences, forward, backward)
        y, y_back = together or (
            self.forward_layer(sequences, **forward),
            self.backward_layer(sequences, **backward),
        )
        states = []
        if self.return_state:
            (y, *states), (y_back, *states_back) = y, y_back
            states += states_back
        y, y_back = tree.map_structure(lambda t: convert(t, self.compute_dtype), (y, y_back))
        if self.return_sequences and not together:
            y_back = tree.map_structure(lambda t: ops.flip(t, axis=1), y_back)
        if self.merge_mode is None:
            return (y, y_back, *states)
        output = tree.map_structure(MERGES[self.merge_mode], y, y_back)
        return (output, *states) if states else output

    def _in_one_call(self, sequences, forward, backward):
        """Return what the two layers return, from one call of cuDNN, or None where it cannot be one call.

        Outputs of all steps are in the order of time in both.
        """
        layers, options = (self.forward_layer, self.backward_layer), (forward, backward)
        if any(layer.dtype_policy != self.dtype_policy for layer in layers):
            return None  # here weights are cast as this layer says
        if not may_share_a_call(*layers, sequences, forward.get("training")) or inferring_shapes():
            return None
        calls = [
            layer._begin(sequences, given.get("initial_state"), given.get("mask"))
            for layer, given in zip(layers, options)
        ]
        (starts, mask), (starts_back, _) = calls
        if any(kernels.select(layer, sequences, mask).tier != "cudnn" for layer in layers):
            return None
        results = run_pair(layers, sequences, (starts, starts_back), mask)
        return tuple(layer._end(*result) for layer, result in zip(layers, results))

    def _halves(self, sequences, initial_state):
        """Return the initial states of each direction, both checked, so that none has run if one is wrong."""
        states = tree.flatten(initial_state)
        layers = (self.forward_layer, self.backward_layer)
        if not all(isinstance(layer, RNN) for layer in layers):
            half = len(states) // 2
            return states[:half], states[half:]
        count, count_back = (len(tree.flatten(x.state_shapes, is_leaf=is_state_shape)) for x in layers)
        if len(states) != count + count_back:
            got = ", ".join(str(getattr(s, "shape", s)) for s in states)
            raise ValueError(
                f"{self._where}: initial_state must be {count + count_back} arrays, {count} for the forward "
                f"layer, then {count_back} for the backward layer; got {len(states)}: {got}. With "
                "return_state=True they are returned in that order, after the output."
            )
        halves = states[:count], states[count:]
        batch_size = tree.flatten(sequences)[0].shape[0]
        return [layer._given_states(half, batch_size) for layer, half in zip(layers, halves)]

    @property
    def states(self) -> Any:
        """The Variables in which the two directions carry their states; None if they carry none."""
        both = self.forward_layer.states, self.backward_layer.states
        return None if None in both else (*tree.flatten(both[0]), *tree.flatten(both[1]))

    def reset_state(self) -> None:
        """Let a stateful layer forget: its next call starts as the first did."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    def reset_states(self) -> None:
        """The same as `reset_state`, under its older name."""
        self.reset_state()

    def compute_mask(self, inputs, previous_mask):
        """Return the mask of the outputs: that of the inputs if sequences are returned."""
        mask = previous_mask if self.return_sequences else None
        if isinstance(self.forward_layer, RNN) and mask is not None:
            mask = self.forward_layer._as_mask(mask, inputs)
        return (mask, mask) if self.merge_mode is None else mask

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "merge_mode": self.merge_mode,
            "layer": serialize_keras_object(self.forward_layer),
            "backward_layer": serialize_keras_object(self.backward_layer),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Make a layer from what `get_config` returned."""
        config = dict(config)
        for name in ("layer", "backward_layer"):
            if config.get(name) is not None:
                config[name] = deserialize_part(config[name], custom_objects)
        return cls(**config)


def _check_layer(name, layer):
    needed = ("go_backwards", "return_sequences", "return_state", "stateful")
    missing = [n for n in needed if not hasattr(layer, n)] if isinstance(layer, Layer) else needed
    if missing:
        raise ValueError(
            f"Bidirectional: {name} must be a recurrent layer such as LSTM(64), with {', '.join(needed)}; "
            f"got {layer!r}."
        )


def _like(layer, prefix, **changes):
    """Return a new layer with the options of `layer`, and a name that starts with `prefix`."""
    return made_again(layer, name=prefix + layer.name.removeprefix(prefix), **changes)
