"""`TimeDistributed`: a layer applied to each time step."""

from typing import Any

from minirnn import ops, tree
from minirnn.autograd import inferring_shapes
from minirnn.layers.context import signature_of
from minirnn.layers.rnn.state import tensors_of
from minirnn.layers.wrapper import Wrapper


class TimeDistributed(Wrapper):
    """Applies a layer to each time step of its inputs, one after the other, with the same weights.

    Parameters
    ----------
    layer : Layer
        Gets (batch, ...) of inputs (batch, time, ...), alone or in a nested structure.

    Notes
    -----
    Each step is a call of its own, as in Keras: a `Dropout` inside draws a mask for each step, and a
    `BatchNormalization` inside takes its statistics from each step. The step's part of the mask, if any, is
    passed to a layer whose ``call`` takes one.

    Raises
    ------
    ValueError
        If `layer` is no layer; at the call, if an input has fewer than three axes or no time steps, or the
        mask does not start with (batch, time).
    """

    def __init__(self, layer, **kwargs):
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        shapes = tree.flatten(input_shape, is_leaf=tree.is_shape)
        if any(shape is None or len(shape) < 3 for shape in shapes):
            raise ValueError(
                f"{self._where}: inputs must have shape (batch, time, ...) with 3 axes or more; got "
                f"{input_shape}."
            )
        super().build(tree.map_shape_structure(lambda s: (s[0], *s[2:]), input_shape))

    def call(self, inputs, training: bool | None = False, mask=None):
        flat = tensors_of(self, inputs)
        leading = flat[0].shape[:2]
        if any(x.ndim < 3 or x.shape[:2] != leading for x in flat) or leading[1] == 0:
            shapes = [x.shape for x in flat]
            raise ValueError(
                f"{self._where}: inputs must have shape (batch, time, ...) with 3 axes or more and at least "
                f"one time step, the same for all; got {shapes[0] if len(shapes) == 1 else shapes}."
            )
        signature = signature_of(type(self.layer).call)
        masks = self._masks(mask, leading)
        if not signature.takes_mask:
            masks = None
        steps = [ops.unstack(x, axis=1) for x in flat]
        outputs = []
        for t in range(1 if inferring_shapes() else leading[1]):
            options: dict[str, Any] = {} if masks is None else {"mask": masks[t]}
            if signature.takes_training:
                options["training"] = training
            outputs.append(self.layer(tree.pack_sequence_as(inputs, [x[t] for x in steps]), **options))
        if inferring_shapes():
            outputs *= leading[1]  # all steps give outputs of one shape
        return tree.map_structure(lambda *ys: ops.stack(ys, axis=1), *outputs)

    def _masks(self, mask, leading):
        given = [m for m in tree.flatten(mask) if m is not None]
        if not given:
            return None
        if given[0].shape[:2] != leading:
            raise ValueError(
                f"{self._where}: mask must have a shape that starts with (batch, time) = {leading}; got "
                f"{given[0].shape}."
            )
        return ops.unstack(given[0], axis=1)
