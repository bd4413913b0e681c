"""An ONNX graph under construction: values, constants, and nodes one operator at a time."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np


@dataclass(frozen=True)
class Value:
    """A value in the graph.

    Attributes
    ----------
    name : str
    dtype : numpy.dtype
    shape : tuple of (int or None)
    mask : str or None
        The name of the mask that goes with it, bool, shape (batch, time).
    """

    name: str
    dtype: np.dtype
    shape: tuple
    mask: str | None = None

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def named(self, name: str) -> "Value":
        return replace(self, name=name)


def refuse(layer, what) -> NoReturn:
    """Raise ValueError that a layer cannot be written."""
    raise ValueError(f"{layer._where}: to_onnx cannot express {what}.")


class Graph:
    """The nodes and constants so far.

    Parameters
    ----------
    onnx : module
    opset : int
    """

    def __init__(self, onnx, opset: int):
        self.onnx, self.opset = onnx, opset
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._names: set[str] = set()
        self._known: dict[tuple, str] = {}
        self._scope = ""

    def within(self, scope: str) -> None:
        """Let names of values begin with that of a layer."""
        self._scope = f"{scope}/" if scope else ""

    def free_name(self, stem: str) -> str:
        """Return a name that no other value has, and take it."""
        stem, name, number = self._scope + stem, self._scope + stem, 1
        while name in self._names:
            name, number = f"{stem}_{number}", number + 1
        self._names.add(name)
        return name

    def constant(self, value, dtype, name="constant") -> str:
        """Return the name of a constant array; that of the same weight or number is shared."""
        array = np.ascontiguousarray(np.asarray(value, dtype=dtype)).reshape(np.shape(value))
        key = (array.dtype.str, array.shape, hashlib.sha256(array.tobytes()).digest())
        if key not in self._known:
            self._known[key] = self.free_name(name)
            self.constants.append(self.onnx.numpy_helper.from_array(array, self._known[key]))
        return self._known[key]

    def integers(self, *values: int) -> str:
        """Return the name of a constant vector of int64, as shapes and axes are given."""
        return self.constant(values, np.int64, "integers")

    def node(self, operator: str, *inputs: str, **attributes) -> str:
        """Add an operator with one output and return the name of that; "" is an input left out."""
        return self.node_of(operator, inputs, (operator,), **attributes)[0]

    def node_of(self, operator, inputs, outputs, **attributes) -> list[str]:
        """Add an operator with several outputs, of the given stems, and return their names."""
        names = [self.free_name(stem.lower()) for stem in outputs]
        node = self.onnx.helper.make_node(
            operator, list(inputs), names, name=f"{names[0]}:node", **attributes
        )
        self.nodes.append(node)
        return names

    def type_of(self, dtype) -> int:
        """Return ONNX's number of a dtype."""
        return self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))

    def cast_name(self, name: str, dtype) -> str:
        return self.node("Cast", name, to=self.type_of(dtype))

    def cast(self, x: Value, dtype) -> Value:
        """Return `x` in another dtype, itself if it has that already."""
        dtype = np.dtype(dtype)
        return x if x.dtype == dtype else replace(x, name=self.cast_name(x.name, dtype), dtype=dtype)

    def sum(self, name: str, axis: int, keepdims=False) -> str:
        return self.node("ReduceSum", name, self.integers(axis), keepdims=int(keepdims))

    def unsqueeze(self, name: str, axis: int) -> str:
        return self.node("Unsqueeze", name, self.integers(axis))

    def squeeze(self, name: str, axis: int) -> str:
        return self.node("Squeeze", name, self.integers(axis))
