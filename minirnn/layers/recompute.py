"""`recompute`: less memory for more time, around a function, a layer or a recurrent layer."""

import functools
from typing import Any

from minirnn import tree
from minirnn.autograd.tensor import state
from minirnn.layers.context import name_scope, signature_of
from minirnn.layers.layer import Layer
from minirnn.layers.replay import recomputed
from minirnn.layers.rnn.chunks import run_in_chunks
from minirnn.layers.wrapper import Wrapper
from minirnn.ops.symbolic import KerasTensor, symbolic_call


def recompute(target, steps=None) -> Any:
    """Return a layer or function that computes the same, and keeps less until the reverse pass.

    A recurrent layer, or the two of a `Bidirectional`, keeps the states after every so many steps, and the
    reverse pass computes what lies between two of them again: memory grows with the root of the number of
    time steps. Of any other layer, and of a function, only the inputs are kept, and all of it is computed
    again. Either way it costs one more forward pass.

    Parameters
    ----------
    target : Layer or callable
        A layer stays what it is, with its weights; what is returned holds it. (A recurrent layer goes on in
        this way where it is called by itself, too.) A function takes and returns Tensors, alone or in nested
        structures, and may use weights and layers from around it.
    steps : int, optional
        For a recurrent layer: how many steps lie between two states that are kept. Default: the root of the
        number of steps.

    Returns
    -------
    Recompute or callable

    Notes
    -----
    Outputs and gradients are the same, random draws too; seeds, moving statistics and carried states change
    once. So whatever a function draws must come from `minirnn.random`, and whatever it changes must be a
    Variable. The second derivative computes everything at once.

    Raises
    ------
    TypeError
        If `target` is neither a layer nor callable.
    ValueError
        If `steps` is no integer of 1 or more, or `target` has no steps.

    References
    ----------
    Chen et al. 2016, "Training deep nets with sublinear memory cost"; Gruslys et al. 2016,
    "Memory-efficient backpropagation through time".

    Examples
    --------
    >>> layer = recompute(LSTM(64, return_sequences=True))
    """
    if isinstance(target, Layer):
        return Recompute(target, steps)
    if not callable(target):
        raise TypeError(f"recompute: expected a layer or a function; got {target!r}.")
    if steps is not None:
        raise ValueError(
            "recompute: steps= is for a recurrent layer; a function is computed again as a whole."
        )

    @functools.wraps(target)
    def again(*args, **kwargs):
        if any(isinstance(leaf, KerasTensor) for leaf in tree.flatten((args, kwargs))):
            return symbolic_call(again, args, kwargs)
        if not state.recording:
            return target(*args, **kwargs)
        return recomputed(functools.partial(target, *args, **kwargs))

    return again


class Recompute(Wrapper):
    """A layer that another one is computed by, and computed again in the reverse pass; see `recompute`.

    Parameters
    ----------
    layer : Layer
        Takes what this one is called on.
    steps : int, optional
        For a recurrent layer: how many steps lie between two states that are kept.

    Raises
    ------
    ValueError
        If an argument is none of these.
    """

    def __init__(self, layer, steps=None, **kwargs):
        if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps < 1):
            raise ValueError(f"{type(self).__name__}: steps must be an integer of 1 or more; got {steps!r}.")
        super().__init__(layer, autocast=False, **kwargs)
        self.in_chunks = run_in_chunks(layer, steps)
        if steps is not None and not self.in_chunks:
            raise ValueError(
                f"{self._where}: steps= is for a recurrent layer, or a Bidirectional one; {layer!r} is "
                "computed again as a whole."
            )
        self.steps = steps
        self.supports_masking = True
        self.input_shape_argument = self.input_shape_argument or layer.input_shape_argument

    def __call__(self, *args, **kwargs):
        """Call the layer; arguments are those of the layer inside."""
        first, *others = signature_of(type(self.layer).call).names or [""]
        # What has a name in the layer is passed by it.
        kwargs.update(zip(others, args[1:]))
        inputs = args[:1] if args else (kwargs.pop(first),)
        return super().__call__(*inputs, *args[1 + len(others) :], **kwargs)

    def build(self, *shapes, **more_shapes):
        """The layer inside, which may take several inputs, is built by its first call."""

    def call(self, inputs, *args, **kwargs):
        if self.in_chunks or not state.recording:
            return self.layer(inputs, *args, **kwargs)
        return recomputed(functools.partial(self.layer, inputs, *args, **kwargs), self.layer.variables)

    def compute_mask(self, inputs, previous_mask):
        """Return the mask of the outputs: what the layer makes of that of the inputs."""
        return self.layer.compute_mask(inputs, previous_mask) if self.layer.supports_masking else None

    @property
    def states(self) -> Any:
        """The states that the layer carries, if it does; see `RNN`."""
        return getattr(self.layer, "states", None)

    def reset_state(self, *args) -> None:
        """Let a stateful layer forget; see `RNN`."""
        reset = getattr(self.layer, "reset_state", None)
        if reset is None:
            raise AttributeError(f"{self._where}: {type(self.layer).__name__} carries no state.")
        reset(*args)

    def reset_states(self, *args) -> None:
        """The same as `reset_state`, under its older name."""
        self.reset_state(*args)

    def get_build_config(self) -> dict | None:
        """Return the shapes that the layer inside was built with; None if it was not."""
        return self.layer.get_build_config()

    def build_from_config(self, config) -> None:
        """Build the layer inside as `get_build_config` has it."""
        with name_scope(self):
            self.layer.build_from_config(config)
        self.built = True

    def get_config(self) -> dict:
        return {**super().get_config(), "steps": self.steps}
