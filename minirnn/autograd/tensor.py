"""`Tensor`: an array and the graph node that made it.

There is no tape. A Tensor that depends on something trainable points at the `Node` that made it, the
node points at its inputs, and so the graph hangs on its results and is freed with them.
"""

import copy
import threading
from typing import Any

import numpy as np

from minirnn import backend
from minirnn.backend import dlpack

# What Python's operators and the methods below call, by name; `operators.py` fills it.
OPERATORS: dict = {}


class _State(threading.local):
    recording = True
    inferring = False
    made_up_sizes = False
    assigned: dict | None = None  # what Variables held before they were; see `restore` in variable.py


state = _State()


class SymbolicArgumentError(TypeError):
    """Raised where a value is needed and a symbolic tensor came."""


def _binary(name):
    """Return the method for an operator of two arguments, and the one for its arguments reflected."""

    def method(self, other) -> Any:
        if other is None and name in ("equal", "not_equal"):
            return name == "not_equal"
        try:
            return OPERATORS[name](self, other)
        except SymbolicArgumentError:
            return self._apply(name, self, other)

    def reflected(self, other) -> Any:
        try:
            return OPERATORS[name](other, self)
        except SymbolicArgumentError:
            return self._apply(name, other, self)

    return method, reflected


class Operators:
    """Python's operators and NumPy's methods, the same for values (`Tensor`) and symbolic tensors."""

    __slots__ = ()
    # ndarray + tensor is to be a Tensor: a higher priority makes ndarray's own operators give way.
    __array_priority__ = 1000
    __hash__ = object.__hash__

    @staticmethod
    def _apply(name, *args, **params) -> Any:
        try:
            return OPERATORS[name](*args, **params)
        except SymbolicArgumentError:
            return NotImplemented

    __add__, __radd__ = _binary("add")
    __sub__, __rsub__ = _binary("subtract")
    __mul__, __rmul__ = _binary("multiply")
    __truediv__, __rtruediv__ = _binary("divide")
    __floordiv__, __rfloordiv__ = _binary("floor_divide")
    __mod__, __rmod__ = _binary("mod")
    __pow__, __rpow__ = _binary("power")
    __matmul__, __rmatmul__ = _binary("matmul")
    __and__, __rand__ = _binary("logical_and")
    __or__, __ror__ = _binary("logical_or")
    __xor__, __rxor__ = _binary("logical_xor")
    __eq__ = _binary("equal")[0]
    __ne__ = _binary("not_equal")[0]
    __lt__ = _binary("less")[0]
    __le__ = _binary("less_equal")[0]
    __gt__ = _binary("greater")[0]
    __ge__ = _binary("greater_equal")[0]

    def __neg__(self):
        return self._apply("negative", self)

    def __pos__(self):
        return self

    def __abs__(self):
        return self._apply("absolute", self)

    def __round__(self, ndigits=None):
        return self._apply("round", self, ndigits or 0)

    def __invert__(self):
        return self._apply("logical_not", self)

    def __getitem__(self, index):
        return self._apply("getitem", self, index=index)

    @property
    def T(self):
        return self._apply("transpose", self)

    def reshape(self, *shape):
        return self._apply("reshape", self, shape[0] if len(shape) == 1 else shape)

    def astype(self, dtype):
        return self._apply("cast", self, dtype)

    def transpose(self, *axes):
        axes = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return self._apply("transpose", self, axes or None)

    # NumPy's own functions (np.max(tensor)) call these with `out=None` and perhaps `dtype`.
    def _reduced(self, name, axis, keepdims, out, dtype=None) -> Any:
        if out is not None:
            raise TypeError(f"{name}: out must be None, since a tensor is never written into; got {out!r}.")
        x = self if dtype is None else self.astype(dtype)
        return x._apply(name, x, axis=axis, keepdims=keepdims)

    def sum(self, axis=None, dtype=None, out=None, keepdims=False) -> Any:
        return self._reduced("sum", axis, keepdims, out, dtype)

    def mean(self, axis=None, dtype=None, out=None, keepdims=False) -> Any:
        return self._reduced("mean", axis, keepdims, out, dtype)

    def max(self, axis=None, out=None, keepdims=False) -> Any:
        return self._reduced("max", axis, keepdims, out)

    def min(self, axis=None, out=None, keepdims=False) -> Any:
        return self._reduced("min", axis, keepdims, out)

    def any(self, axis=None, out=None, keepdims=False) -> Any:
        return self._reduced("any", axis, keepdims, out)

    def all(self, axis=None, out=None, keepdims=False) -> Any:
        return self._reduced("all", axis, keepdims, out)


class Tensor(Operators):
    """An array of the current backend, and the graph node that made it (or none).

    Parameters
    ----------
    data : array
        An array of any backend; it is not copied.
    requires_grad : bool
        Whether gradients are wanted with respect to this Tensor (floats only).

    Attributes
    ----------
    data : array
        The raw array. Treat it as read-only: other Tensors and the graph may share it.
    node : Node or None
        What made this Tensor, if anything it depends on requires a gradient.
    grad : Tensor or None
        Where `backward` accumulates, on a Tensor without a node.
    """

    # Defaults on the class: making a Tensor then sets one attribute, not six.
    node: Any = None
    index = 0
    grad: Any = None
    requires_grad = False
    _keras_mask: Any = None
    _padding: Any = None  # of a mask; see kernels/padding.py
    _host: Any = None  # of one on a GPU: the NumPy array it was made from, if known, for checks to look at
    _labels_of: Any = None  # what it was checked to hold labels of; see losses/labels.py

    def __init__(self, data, requires_grad=False):
        self.data = data
        if requires_grad:
            self.requires_grad = True

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def dtype(self) -> np.dtype:
        return self.data.dtype

    @property
    def ndim(self) -> int:
        return self.data.ndim

    @property
    def size(self) -> int:
        return self.data.size

    def numpy(self) -> np.ndarray:
        """Return a NumPy copy of the value, from any device."""
        return backend.to_numpy(self.data)

    def __array__(self, dtype=None, copy=None):
        array = self.numpy()
        return array if dtype is None else array.astype(dtype, copy=False)

    def __dlpack__(self, stream=None, max_version=None, dl_device=None, copy=None):
        """Share the value with another library; see `minirnn.from_dlpack` for what writing there would do.

        Raises
        ------
        BufferError
            If the Tensor requires a gradient, which would be lost.
        """
        if self.requires_grad:
            raise BufferError(
                f"A Tensor of shape {self.shape} that requires a gradient cannot be shared by DLPack, as the "
                "gradient would not come back. Share minirnn.stop_gradient(x), which has the same memory."
            )
        options = {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
        return dlpack.export(self.data, backend.copy, **options)

    def __dlpack_device__(self):
        return self.data.__dlpack_device__()

    def item(self):
        """Return the value of a Tensor of one element as a Python number."""
        return self.data.item()

    def tolist(self):
        """Return the value as nested lists of Python numbers."""
        return self.data.tolist()

    def backward(self, cotangent=None, *, retain_graph=False):
        """Accumulate the gradient of this Tensor in ``.grad`` of every leaf that requires one.

        Parameters
        ----------
        cotangent : Tensor or array, optional
            The gradient with respect to this Tensor, of its shape; 1 if it is a scalar.
        retain_graph : bool
            Keep the graph for another call; by default it is freed as it is walked.
        """
        from minirnn.autograd.graph import backward

        backward(self, cotangent, retain_graph=retain_graph)

    def __len__(self):
        if not self.data.shape:
            raise TypeError("len() of a Tensor of no axes.")
        return self.data.shape[0]

    def __iter__(self):
        if not self.data.shape:
            raise TypeError("A Tensor of no axes cannot be iterated over.")
        from minirnn.autograd.primitives import unstack

        return iter(unstack(self, axis=0))

    def __bool__(self):
        return bool(self.data)

    def __float__(self):
        return float(self.data.item())

    def __int__(self):
        return int(self.data.item())

    def __index__(self):
        if self.data.ndim or self.data.dtype.kind not in "iu":
            raise TypeError(f"Only an integer Tensor of no axes is an index; got {self!r}.")
        return int(self.data.item())

    def __format__(self, spec):
        return format(self.item(), spec) if self.data.ndim == 0 and spec else repr(self)

    def __repr__(self):
        text = np.array2string(self.numpy(), separator=", ", threshold=50)
        return f"<Tensor shape={self.shape} dtype={self.dtype} value={text}>"

    def __copy__(self):
        return self

    def _kept(self) -> dict:
        """Return the attributes of a copy: the value without the graph that made it."""
        return {k: v for k, v in self.__dict__.items() if k not in ("node", "index", "grad", "_snapshot")}

    def __deepcopy__(self, memo):
        # By itself, as a copy stays on its device and what is pickled does not.
        twin = memo[id(self)] = object.__new__(type(self))
        twin.__dict__.update(copy.deepcopy(self._kept(), memo))
        return twin

    def __getstate__(self):
        # A NumPy array, so that it can be loaded where there is no GPU.
        return {**self._kept(), "data": backend.to_numpy(self.data)}

    def __setstate__(self, kept):
        self.__dict__.update(kept, data=backend.asarray(kept["data"]))
