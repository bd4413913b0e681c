"""What a mask says of the rows of a batch: whether it is padding at their ends, and how long they are."""

from typing import NamedTuple

import numpy as np

from minirnn import backend
from minirnn.autograd import Tensor


class Padding(NamedTuple):
    """A mask in a few numbers, in the host's memory.

    Attributes
    ----------
    right : bool
        Whether the mask is strictly right-padded: in each row all True steps come first.
    lengths_B : numpy.ndarray of int32, shape (batch,)
        How many steps of each row are True.
    """

    right: bool
    lengths_B: np.ndarray


def padding_of(mask: Tensor) -> Padding:
    """Return what a mask, bool, shape (batch, time), says of its rows.

    It is found out once a mask and kept with it. That takes one transfer of (batch + 1) integers where the
    mask is on a GPU, and none where it was made on the host; see `note_host_mask`.
    """
    if mask._padding is None:
        mask._padding = _padding(mask.data)
    return mask._padding


def note_host_mask(mask: Tensor, host_mask_BT) -> None:
    """Keep with a mask what the array in the host's memory says from which it was made."""
    mask._padding = _padding(host_mask_BT)


def _padding(mask_BT) -> Padding:
    xp = backend.array_module(mask_BT)
    lengths_B = mask_BT.sum(axis=1, dtype="int32")
    begun_again = mask_BT[:, 1:] & ~mask_BT[:, :-1]
    numbers = xp.concatenate((lengths_B, begun_again.sum(dtype="int32").reshape(1)))
    numbers = backend.to_numpy(numbers)
    return Padding(not numbers[-1], numbers[:-1])
