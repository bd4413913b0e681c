"""Dropout inside of a recurrent cell: one mask for all steps of a call."""

from minirnn import random
from minirnn.autograd import Tensor
from minirnn.layers.layer import Layer


class DropoutRNNCell:
    """What a cell inherits from, beside Layer, to drop inputs and states by the same mask at every step.

    A mask is drawn when it is first asked for and kept until it is reset, which `RNN` does before and after
    each call (Gal and Ghahramani 2016).

    Attributes
    ----------
    dropout, recurrent_dropout : float
        Shares of the inputs and of the states to drop, in [0, 1]. At 1 all of them are dropped, where some of
        Keras's cells drop none.
    dropout_mask_count : int or None
        How many masks are drawn, one for each gate; None for a single one without that axis.
    seed_generator : SeedGenerator
    """

    dropout = 0.0
    recurrent_dropout = 0.0
    dropout_mask_count: int | None = None
    seed_generator: random.SeedGenerator
    compute_dtype: str
    _dropout_mask: Tensor | None = None
    _recurrent_dropout_mask: Tensor | None = None

    def draw_dropout_mask(self, shape, rate) -> Tensor | None:
        """Return a new mask of 0 and ``1 / (1 - rate)``, of 0 alone if the rate is 1; None if it is 0.

        Parameters
        ----------
        shape : tuple of int
            That of a step's input or state, (batch, size).
        rate : float

        Returns
        -------
        Tensor or None
            Shape (batch, size), or (gates, batch, size) if there are masks for each gate.
        """
        if rate == 0:
            return None
        if self.dropout_mask_count is not None:
            shape = (self.dropout_mask_count, *shape)
        return Tensor(random.dropout_mask(shape, rate, self.compute_dtype, self.seed_generator))

    def get_dropout_mask(self, step_input) -> Tensor | None:
        """Return the mask for a step's input, the same until `reset_dropout_mask`, or None."""
        if self._dropout_mask is None:
            self._dropout_mask = self.draw_dropout_mask(step_input.shape, self.dropout)
        return self._dropout_mask

    def get_recurrent_dropout_mask(self, step_input) -> Tensor | None:
        """Return the mask for a step's state, the same until `reset_recurrent_dropout_mask`, or None."""
        if self._recurrent_dropout_mask is None:
            self._recurrent_dropout_mask = self.draw_dropout_mask(step_input.shape, self.recurrent_dropout)
        return self._recurrent_dropout_mask

    def reset_dropout_mask(self) -> None:
        """Forget the mask for inputs, so that the next step draws another."""
        self._dropout_mask = None

    def reset_recurrent_dropout_mask(self) -> None:
        """Forget the mask for states, so that the next step draws another."""
        self._recurrent_dropout_mask = None


def dropping_cells(cell) -> list[DropoutRNNCell]:
    """Return the cell and the cells inside of it, as far as they keep dropout masks."""
    cells = cell._flatten_layers() if isinstance(cell, Layer) else [cell]
    return [c for c in cells if isinstance(c, DropoutRNNCell)]


def reset_masks(cells) -> None:
    """Let cells forget all their masks."""
    for cell in cells:
        cell.reset_dropout_mask()
        cell.reset_recurrent_dropout_mask()
