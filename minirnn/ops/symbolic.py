"""Symbolic tensors: a shape and a dtype in place of a value, and the calls that functional models replay.

Shapes are not computed by formulas. The function itself is run on zeros, twice, with two different sizes
in place of each unknown axis; an axis of the result that differs is unknown too. So any op and any layer
written by a user can be called on an `Input` without a shape method.
"""

import functools
import itertools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from minirnn import backend, config, tree
from minirnn.autograd import Tensor, inferring, making_up_sizes, no_grad
from minirnn.autograd.tensor import OPERATORS, Operators, SymbolicArgumentError
from minirnn.backend import allowance

# Sizes for an unknown batch axis, and for any other unknown axis: with many divisors for reshape, and larger
# where windows along the axis say that they need it.
_BATCH_SIZES = (2, 3)
_OTHER_SIZES = ((12, 24), (240, 480), (4800, 9600))


class _Run(threading.local):
    too_short = False


_run = _Run()


def note_windows(sizes, spans, strides=()) -> None:
    """Say, while shapes are inferred, that an axis may be too short to show what windows make of it.

    Parameters
    ----------
    sizes : sequence of int
        Of the axes.
    spans, strides : sequence of int
        How many steps of each axis a window spans, and lies behind the one before.
    """
    if any(n < m for n, m in zip(sizes, spans)) or any(n < m for n, m in zip(sizes, strides)):
        _run.too_short = True


class KerasTensor(Operators):
    """A value that is known by shape and dtype alone, as `Input` returns it.

    Parameters
    ----------
    shape : tuple of (int or None)
        None stands for any size.
    dtype : str, optional
        Default `config.floatx`.
    name : str, optional

    Attributes
    ----------
    call : SymbolicCall or None
        What made it; None for an input.
    input_layer : InputLayer or None
        The layer behind an input.
    """

    def __init__(self, shape, dtype=None, name=None):
        self.shape: tuple[Any, ...] = tuple(None if n is None else int(n) for n in shape)
        self.dtype = np.dtype(dtype or config.floatx())
        self.name = name or "keras_tensor"
        self.call: Any = None
        self.input_layer: Any = None
        self.index = 0
        self._keras_mask = None

    @staticmethod
    def _apply(name, *args, **params):
        return symbolic_call(OPERATORS[name], args, params)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def _without_value(self) -> str:
        return (
            f"{self!r} is symbolic and has no value. Build a Model from it and call the model on data; "
            "inside a functional model use minirnn.ops in place of NumPy and of Python's if, float and len."
        )

    # The kinds of error are those of Keras.

    def _no_number(self, *_, **__):
        raise ValueError(self._without_value())

    def _no_value(self, *_):
        raise TypeError(self._without_value())

    __array__ = __float__ = __int__ = _no_number
    __bool__ = __index__ = __iter__ = __len__ = numpy = _no_value

    def __repr__(self):
        return f"<KerasTensor shape={self.shape} dtype={self.dtype} name={self.name}>"


def is_keras_tensor(x) -> bool:
    """Return whether `x` is known by shape and dtype alone, as what `Input` returns is."""
    return isinstance(x, KerasTensor)


class SymbolicCall:
    """One call of a layer or an op on symbolic tensors: a node of a functional model.

    Attributes
    ----------
    function : callable
        The layer, or the op.
    args, kwargs
        What it was called with.
    inputs : list of KerasTensor
        Those among the arguments, flat.
    outputs : structure of KerasTensor
    number : int
        The later the call, the higher.
    """

    _numbers = itertools.count()

    def __init__(self, function, args, kwargs, outputs):
        self.number = next(self._numbers)
        self.function, self.args, self.kwargs, self.outputs = function, args, kwargs, outputs
        self.inputs = symbolic_leaves((args, kwargs))
        for index, output in enumerate(tree.flatten(outputs)):
            if isinstance(output, KerasTensor):
                output.call, output.index = self, index


def symbolic_leaves(structure) -> list[KerasTensor]:
    """Return the symbolic tensors in a nested structure."""
    return [leaf for leaf in tree.flatten(structure) if isinstance(leaf, KerasTensor)]


def _sized(shape, run, others):
    return tuple((others if axis else _BATCH_SIZES)[run] if n is None else n for axis, n in enumerate(shape))


def infer(function, args=(), kwargs=None):
    """Return the outputs of ``function(*args, **kwargs)`` as KerasTensors, found by running it on zeros.

    Parameters
    ----------
    function : callable
        Has no lasting effect while it runs here: nothing is recorded and Variables ignore `assign`.
    args, kwargs
        May hold KerasTensors, nested in any way.
    """
    kwargs = kwargs or {}
    shapes = [t.shape for t in symbolic_leaves((args, kwargs))]
    unknown = any(None in shape for shape in shapes)

    def run(number, others):
        def zeros(leaf):
            if isinstance(leaf, KerasTensor):
                shape = _sized(leaf.shape, number, others)
                allowance.ask(*shape, max(leaf.dtype.itemsize // 4, 1))
                return Tensor(allowance.hold(backend.current().xp.zeros(shape, leaf.dtype)))
            return leaf

        real_args, real_kwargs = tree.map_structure(zeros, (args, kwargs))
        # Zeros divide by zero where values would not.
        with no_grad(), inferring(), making_up_sizes(), np.errstate(all="ignore"):
            return function(*real_args, **real_kwargs)

    def both(others):
        first = run(0, others)
        return first, run(1, others) if unknown else first

    attempts = _OTHER_SIZES if any(None in shape[1:] for shape in shapes) else _OTHER_SIZES[:1]
    first, second = _with_room_for_windows(both, attempts)

    def merge(a, b):
        if not (isinstance(a, Tensor) or backend.is_array(a)):
            return a
        return KerasTensor([m if m == n else None for m, n in zip(a.shape, b.shape, strict=True)], a.dtype)

    return tree.map_structure(merge, first, second)


def _with_room_for_windows(run, attempts):
    """Return what `run` gives of the first sizes that are large enough for the windows in it."""
    before = _run.too_short
    try:
        for others in attempts:
            _run.too_short = False
            try:
                results = run(others)
            except ValueError:
                if _run.too_short and others != attempts[-1]:
                    continue
                raise
            if not _run.too_short:
                break
        return results
    finally:
        _run.too_short = before


def symbolic_call(function, args, kwargs, name=None) -> Any:
    """Record a call on symbolic tensors and return its symbolic outputs."""
    outputs = infer(function, args, kwargs)
    label = name or getattr(function, "__name__", type(function).__name__)
    for leaf in symbolic_leaves(outputs):
        leaf.name = label
    SymbolicCall(function, args, kwargs, outputs)
    return outputs


F = TypeVar("F", bound=Callable)


def op(function: F) -> F:
    """Let a function of Tensors take symbolic tensors too: the call is recorded and its shape inferred.

    Every op first turns its arguments into Tensors. A symbolic one cannot be turned and raises; it is
    caught here, so that calls on values pay nothing for the question.
    """

    @functools.wraps(function)
    def call(*args, **kwargs) -> Any:
        try:
            return function(*args, **kwargs)
        except SymbolicArgumentError:
            return symbolic_call(call, args, kwargs)

    return call  # type: ignore[return-value]
