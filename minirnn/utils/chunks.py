"""`StatefulChunks`: long sequences in chunks of time, for layers that carry their state."""

import math
from typing import Any

from minirnn import tree
from minirnn.models.data import as_array, pack_x_y_sample_weight, positive_int
from minirnn.utils.py_dataset import PyDataset


class StatefulChunks(PyDataset):
    """Long sequences cut along time, to train stateful layers on: truncated back-propagation through time.

    Batch number `n` holds steps ``n * chunk_length`` to ``(n + 1) * chunk_length`` of all sequences; the last
    may be shorter. A layer with ``stateful=True`` goes on where the batch before ended, so that it sees whole
    sequences, while gradients reach back to the start of a chunk and no further. Memory depends on
    `chunk_length` and not on the length of the sequences, which may be mapped to memory from files.

    `fit`, `evaluate` and `predict` take the chunks in order, whatever ``shuffle`` is, and reset the states of
    the model when a pass over them begins. With ``steps_per_epoch`` an epoch is a part of a pass, and states
    are carried from one epoch to the next, past a validation between them. `predict` puts the outputs
    together along time. In a loop of your own, call ``model.reset_states()`` before each pass.

    Parameters
    ----------
    x, y, sample_weight : array or structure of arrays, shapes (batch, time, ...)
        One endless sequence is a batch of 1, or ``x.reshape(batch, -1, features)``, which takes it for so
        many beside each other: faster, and another sequence begins at each cut.
    chunk_length : int
        Time steps of a chunk. What a model is to connect directly must lie so close together; what a state
        keeps is limited by nothing.
    **kwargs
        Of `PyDataset`: ``workers=2`` reads the next chunks while the model computes.

    Raises
    ------
    ValueError, TypeError
        If the arrays have not all the same batch and time, or there are none, or `chunk_length` is no
        positive int. In `fit`, if the model has no stateful layer.

    References
    ----------
    Williams and Peng 1990, "An efficient gradient-based algorithm for on-line training of recurrent network
    trajectories".

    Examples
    --------
    >>> chunks = StatefulChunks(x, y, chunk_length=100)
    >>> model.fit(chunks, epochs=3)  # doctest: +SKIP
    """

    carries_state = True

    def __init__(self, x, y=None, sample_weight=None, *, chunk_length, **kwargs):
        super().__init__(**kwargs)
        where = type(self).__name__
        self.chunk_length = positive_int(chunk_length, "chunk_length", where)
        shapes: dict[tuple[int, ...], str] = {}
        parts = []
        for name, part in (("x", x), ("y", y), ("sample_weight", sample_weight)):
            if part is not None:
                part = tree.map_structure(lambda leaf: as_array(leaf, name, where), part)  # noqa: B023
                for leaf in tree.flatten(part):
                    shapes.setdefault(tuple(leaf.shape[:2]), f"{name} of shape {tuple(leaf.shape)}")
            parts.append(part)
        if len(shapes) != 1 or len(next(iter(shapes))) != 2 or 0 in next(iter(shapes)):
            raise ValueError(
                f"{where}: all arrays must have shape (batch, time, ...), with the same batch and time, and "
                f"one of each at least; got {' and '.join(shapes.values()) or 'none'}."
            )
        self._parts: Any = tuple(parts)
        self.time = next(iter(shapes))[1]

    def __len__(self):
        return math.ceil(self.time / self.chunk_length)

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(f"{type(self).__name__}: there are {len(self)} chunks; got number {index}.")
        steps = slice(index * self.chunk_length, (index + 1) * self.chunk_length)
        cut: Any = tree.map_structure(lambda leaf: None if leaf is None else leaf[:, steps], self._parts)
        return pack_x_y_sample_weight(*cut)

    def begin_pass(self, number):
        """Return what a pass takes its batches from, in its own order."""
        return self
