"""In which dtype a layer keeps its weights and computes: its policy, what it casts, and when."""

import functools
from typing import Any

import numpy as np

from minirnn import backend, dtype_policies, tree
from minirnn.autograd import Tensor, Variable, convert
from minirnn.autograd.graph import alias
from minirnn.backend import get_keras_mask, set_keras_mask
from minirnn.kernels.padding import note_host_mask
from minirnn.layers.context import context
from minirnn.ops.symbolic import KerasTensor


def _as_stored(method):
    """Let a method of a `CastVariable` see the value that is stored, inside of a layer's call too."""

    @functools.wraps(method)
    def wrapped(self, value):
        before, context.cast = context.cast, None
        try:
            return method(self, value)
        finally:
            context.cast = before

    return wrapped


class CastVariable(Variable):
    """A weight whose value, in the call of a layer that computes in another dtype, is one of that dtype.

    All that asks for the value gets the cast one there, and a gradient that reaches it goes on to the weight
    in the weight's own dtype. The cast array is kept until another value is assigned, so that a step casts
    once, and a kernel that knows weights by their arrays packs them once.
    """

    _kept_cast: tuple[Any, Any] = (None, None)

    @property
    def data(self) -> Any:
        stored, dtype = self.stored, context.cast
        if dtype is None or stored.dtype == dtype:
            return stored
        source, cast = self._kept_cast
        if source is not stored or cast.dtype != dtype:
            cast = stored.astype(dtype)
            self._kept_cast = stored, cast
        return cast

    @data.setter
    def data(self, value):
        self.__dict__["data"] = value

    @property
    def stored(self) -> Any:
        return self.__dict__["data"]

    def snapshot(self) -> Tensor:
        data = self.data
        return super().snapshot() if data is self.stored else alias(self, data)

    def _kept(self) -> dict:
        return {name: value for name, value in super()._kept().items() if name != "_kept_cast"}

    assign = _as_stored(Variable.assign)
    assign_add = _as_stored(Variable.assign_add)
    assign_sub = _as_stored(Variable.assign_sub)


def policy_of(dtype, where) -> dtype_policies.DTypePolicy:
    """Return the policy that a layer was given as ``dtype=``, or raise in the layer's name."""
    try:
        return dtype_policies.get(dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{where}: dtype must be a name like 'float32' or 'mixed_float16', or a DTypePolicy; got "
            f"{dtype!r}. {error}"
        ) from error


class Typed:
    """The part of `Layer` that has to do with dtypes."""

    autocast: bool
    _where: str
    _find: Any
    _policy: dtype_policies.DTypePolicy
    # What it computes in, and whether weights are kept in something else.
    _computes: np.dtype
    _mixed: bool

    def _set_policy(self, dtype):
        self._policy = policy = policy_of(dtype, self._where)
        self._computes = np.dtype(policy.compute_dtype)
        self._mixed = policy.compute_dtype != policy.variable_dtype

    @property
    def dtype_policy(self) -> dtype_policies.DTypePolicy:
        """The dtypes of weights and of computation; setting it leaves weights that exist as they are."""
        return self._policy

    @dtype_policy.setter
    def dtype_policy(self, value):
        self._set_policy(value)
        self._let_weights_be_cast()

    @property
    def dtype(self) -> str:
        """The dtype of the weights."""
        return self._policy.variable_dtype

    variable_dtype = dtype

    @property
    def compute_dtype(self) -> str:
        """The dtype of the computation, which floating inputs and weights are cast to."""
        return self._policy.compute_dtype

    input_dtype = compute_dtype

    def _let_weights_be_cast(self):
        """Make each weight of a mixed layer, those too that a user made as a Variable, one that is cast."""
        if self._mixed:
            for variable in self._find(Variable):
                if type(variable) is Variable and variable.autocast and variable.data.dtype.kind == "f":
                    variable.__class__ = CastVariable

    def _casts_to(self) -> np.dtype | None:
        """Return what weights are cast to in this layer's call, inside of a mixed one or mixed itself."""
        return self._computes if self.autocast and self._computes.kind == "f" else None

    def _convert(self, value, name=None):
        """Turn arrays into Tensors, and floats into the dtype of computation; a mask stays with its tensor.

        The first argument, without a name here, must be of numbers; others may be settings, which stay.
        """
        if isinstance(value, Tensor):
            if value.data.dtype == self._computes or not (self.autocast and value.data.dtype.kind == "f"):
                return value
            cast = convert(value, self._computes)
            set_keras_mask(cast, get_keras_mask(value))
            return cast
        if value is None or value is True or value is False or isinstance(value, KerasTensor):
            return value
        if backend.is_array(value):
            return self._convert_array(value, name)
        if tree.is_nested(value):
            leaves = tree.flatten(value)
            if name in (None, "mask") and leaves and all(isinstance(v, int | float) for v in leaves):
                return self._convert_array(value, name)
            return tree.map_structure(lambda v: self._convert(v, name), value)
        if name in (None, "mask", "initial_state") or hasattr(value, "__array__"):
            return self._convert_array(value, name)
        return value

    def _convert_array(self, value, name):
        try:
            tensor = convert(value)
        except (TypeError, ValueError) as error:
            raise type(error)(
                f"{self._where}: {name or 'inputs'} must be arrays of numbers; got {type(value).__name__}"
                f"{f' of dtype {value.dtype}' if hasattr(value, 'dtype') else ''}. {error}"
            ) from error
        if tensor.data.dtype.kind == "c":
            raise TypeError(
                f"{self._where}: {name or 'inputs'} must be arrays of real numbers; got dtype "
                f"{tensor.data.dtype}. Pass the real and the imaginary part as two features."
            )
        moved = isinstance(value, np.ndarray) and tensor.data is not value
        if moved and value.dtype == bool and value.ndim == 2:
            note_host_mask(tensor, value)  # it went to a GPU, and need not be read from there
        return self._convert(tensor)
