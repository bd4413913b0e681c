"""`Input`: where a functional model begins."""

import numpy as np

from minirnn import config
from minirnn.layers.layer import Layer
from minirnn.ops.symbolic import KerasTensor


class InputLayer(Layer):
    """The layer behind an `Input`.

    Parameters
    ----------
    shape : tuple of (int or None), optional
        Without the batch axis.
    batch_size : int, optional
    dtype : str, optional
        Default floatx.
    sparse, ragged : bool, optional
        Must be false.
    batch_shape : tuple of (int or None), optional
        With the batch axis, in place of `shape` and `batch_size`.
    input_tensor : KerasTensor, optional
        A symbolic tensor to take over in place of a new one.
    optional : bool
        Whether None may be given for it.
    name : str, optional

    Attributes
    ----------
    output : KerasTensor
        Has this layer as its ``input_layer``.

    Raises
    ------
    ValueError
        If no shape is given, two that contradict each other are, or one has an axis below 0.
    """

    def __init__(
        self,
        shape=None,
        batch_size=None,
        dtype=None,
        sparse=None,
        ragged=None,
        batch_shape=None,
        input_tensor=None,
        optional=False,
        name=None,
        **kwargs,
    ):
        shape = kwargs.pop("input_shape", shape)
        batch_shape = kwargs.pop("batch_input_shape", batch_shape)
        # By default not the policy's dtype: layers cast what comes to them.
        super().__init__(name=name, dtype=(input_tensor is None and dtype) or config.floatx(), **kwargs)
        if sparse or ragged:
            raise ValueError(
                f"{self._where}: sparse and ragged inputs do not exist here; pad to one length and mask."
            )
        if batch_shape is not None and (shape is not None or batch_size is not None):
            raise ValueError(
                f"{self._where}: give batch_shape, or shape and perhaps batch_size, but not both."
            )
        if shape is not None:
            batch_shape = (batch_size, *self._checked(shape))
        if input_tensor is not None:
            batch_shape = self._matching(input_tensor, batch_shape, dtype)
            self.dtype_policy = input_tensor.dtype.name
        if batch_shape is None:
            raise ValueError(f"{self._where}: shape is missing. For inputs of one number each it is (1,).")
        self.batch_shape = self._checked(batch_shape)
        self.optional = optional
        self.output = (
            input_tensor
            if input_tensor is not None
            else KerasTensor(self.batch_shape, self.compute_dtype, self.name)
        )
        self.output.input_layer = self
        self.built = True

    def _checked(self, shape) -> tuple:
        if isinstance(shape, int | np.integer):
            raise ValueError(f"{self._where}: shape must be a tuple like ({shape},); got {shape}.")
        for n in shape:
            if n is not None and (isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0):
                raise ValueError(
                    f"{self._where}: every axis of shape must be None or an integer of 0 or more; got "
                    f"{tuple(shape)}."
                )
        return tuple(None if n is None else int(n) for n in shape)

    def _matching(self, tensor, batch_shape, dtype) -> tuple:
        if not isinstance(tensor, KerasTensor):
            raise ValueError(
                f"{self._where}: a tensor to take over must be symbolic; got {type(tensor).__name__}."
            )
        if batch_shape is not None and (None, *batch_shape[1:]) != (None, *tensor.shape[1:]):
            raise ValueError(
                f"{self._where}: the tensor to take over has shape {tensor.shape}; got {batch_shape}."
            )
        if dtype is not None and tensor.dtype != dtype:
            raise ValueError(f"{self._where}: the tensor to take over has dtype {tensor.dtype}; got {dtype}.")
        return tensor.shape

    def call(self):
        """Return nothing: the value of an input comes from outside."""

    def get_config(self):
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "sparse": False,
            "ragged": False,
            "name": self.name,
            "optional": self.optional,
        }


def Input(
    shape=None,
    batch_size=None,
    dtype=None,
    sparse=None,
    ragged=None,
    batch_shape=None,
    name=None,
    tensor=None,
    optional=False,
) -> KerasTensor:
    """Return a symbolic tensor, to call layers on and build a functional model from.

    Parameters
    ----------
    shape : tuple of (int or None)
        Without the batch axis; None stands for any size.
    batch_size : int, optional
        Default: any.
    dtype : str, optional
        Default floatx.
    sparse, ragged : bool, optional
        Must be false.
    batch_shape : tuple of (int or None), optional
        With the batch axis, in place of `shape` and `batch_size`.
    name : str, optional
        The key of this input where a model is given a dict.
    tensor : KerasTensor, optional
        A symbolic tensor to take over in place of a new one.
    optional : bool
        Whether None may be given for it.

    Returns
    -------
    KerasTensor

    Raises
    ------
    ValueError
        If no shape is given, two that contradict each other are, or one has an axis below 0.
    """
    layer = InputLayer(
        shape=shape,
        batch_size=batch_size,
        dtype=dtype,
        sparse=sparse,
        ragged=ragged,
        batch_shape=batch_shape,
        input_tensor=tensor,
        optional=optional,
        name=name,
    )
    return layer.output
