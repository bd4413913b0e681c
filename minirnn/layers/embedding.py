"""`Embedding`: a row of a table for each index."""

from typing import Any

import numpy as np

from minirnn import backend, constraints, initializers, ops, regularizers
from minirnn.autograd import Tensor
from minirnn.kernels.padding import note_host_mask
from minirnn.layers.configuration import OfBuild, positive_int
from minirnn.layers.layer import Layer


class Embedding(Layer):
    """Turn indices into vectors that are learned.

    Parameters
    ----------
    input_dim : int
        Number of rows of the table: the largest index and one.
    output_dim : int
        Length of a vector.
    embeddings_initializer : str or Initializer
    embeddings_regularizer : str or Regularizer, optional
    embeddings_constraint : str or Constraint, optional
    mask_zero : bool
        Whether index 0 is padding: a mask then goes with the output.
    weights : array, shape (input_dim, output_dim), optional
        First values.

    Attributes
    ----------
    embeddings : Variable, shape (input_dim, output_dim)

    Raises
    ------
    ValueError
        If a size is no positive integer; at the call, if an index is not in [0, input_dim).

    Notes
    -----
    Input any shape, integers (or floats, of which the whole part is taken); output that shape with an axis
    `output_dim` at its end.
    """

    embeddings: Any = OfBuild()

    def __init__(
        self,
        input_dim,
        output_dim,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer=None,
        embeddings_constraint=None,
        mask_zero=False,
        weights=None,
        **kwargs,
    ):
        label = kwargs.get("name")
        input_dim = positive_int(self, "input_dim", input_dim, label)
        output_dim = positive_int(self, "output_dim", output_dim, label)
        length = kwargs.pop("input_length", None)
        if length is not None:
            kwargs.setdefault("input_shape", (length,))
        kwargs.pop("quantization_config", None)
        super().__init__(**kwargs)
        self.input_dim = input_dim
        self.output_dim = output_dim
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = mask_zero
        self.supports_masking = mask_zero
        # Indices stay what they are: float32 would merge those beyond 2**24.
        self.autocast = False
        if weights is not None:
            self.build()
            self.set_weights(weights if isinstance(weights, list) and len(weights) == 1 else [weights])

    def build(self, input_shape=None):
        if not self.built:
            self.embeddings = self.add_weight(
                name="embeddings",
                shape=(self.input_dim, self.output_dim),
                initializer=self.embeddings_initializer,
                regularizer=self.embeddings_regularizer,
                constraint=self.embeddings_constraint,
            )

    def call(self, inputs):
        if not isinstance(inputs, Tensor):
            raise TypeError(f"{self._where}: input must be a tensor or array; got {type(inputs).__name__}.")
        self._check(inputs.data if inputs._host is None else inputs._host)
        indices = inputs if inputs.dtype.kind in "iu" else ops.cast(inputs, "int32")
        vectors = self.embeddings[indices]
        return vectors if vectors.data.dtype == self._computes else ops.cast(vectors, self.compute_dtype)

    def _check(self, indices):
        # A negative index would silently count from the end.
        if ((indices >= 0) & (indices < self.input_dim)).all():
            return
        indices = backend.to_numpy(indices)
        wrong = ~((indices >= 0) & (indices < self.input_dim))
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"{self._where}: every index must lie in [0, {self.input_dim}); got {indices[place]} at position "
            f"{place} of an input of shape {indices.shape}. input_dim must be the largest index and one."
        )

    def compute_mask(self, inputs, mask=None):
        if not self.mask_zero:
            return None
        mask = ops.not_equal(inputs, 0)
        if isinstance(inputs, Tensor) and inputs._host is not None and inputs.ndim == 2:
            note_host_mask(mask, inputs._host != 0)
        return mask

    def get_config(self):
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": regularizers.serialize(self.embeddings_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "embeddings_constraint": constraints.serialize(self.embeddings_constraint),
            "mask_zero": self.mask_zero,
            "quantization_config": None,
        }
