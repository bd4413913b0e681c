"""How much memory and work a computation may take, for what somebody else's file asks for.

Shapes are inferred by running layers and ops on zeros, so a file that asks for an array of a terabyte would
get it before anybody could look at its shape. While a file is loaded, each primitive says before it runs how
large its result may be at most, each result counts for as long as it lives, and all of it is work, of which
only so much is done.
"""

import math
import operator
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

# By thread. It is empty nearly always, and then a call of a primitive looks no further.
allowances: dict[int, "Allowance"] = {}

# What one call costs beside its numbers, and how many multiplications of a product cost as much as a number.
_CALL, _PRODUCTS = 40_000, 16


class AllowanceError(ValueError):
    """A computation asks for more than it may have."""


class Allowance:
    """What a computation may still take.

    Parameters
    ----------
    numbers : int
        How many numbers of 4 bytes all arrays together may hold at a time.
    work : int
        How many numbers may be computed in all, a call counting as tens of thousands.
    """

    def __init__(self, numbers, work):
        self.numbers, self.work = numbers, work
        self.held = 0
        self._alive: dict[int, weakref.ref] = {}

    def ask(self, size, work=0) -> None:
        """Raise AllowanceError if an array of `size` numbers, or that much work, is too much."""
        self.work -= _CALL + size + work
        if self.held + size > self.numbers:
            raise AllowanceError(
                f"An array of {size} numbers, beside {self.held} of others, is more than the {self.numbers} "
                "allowed."
            )
        if self.work < 0:
            raise AllowanceError("It takes more work than is allowed.")

    def hold(self, array) -> None:
        """Count an array for as long as it, or a view of it, is there."""
        array = _owner(array)
        key, size = id(array), array.size * max(array.dtype.itemsize // 4, 1)
        if key in self._alive:
            return

        def gone(_):
            del self._alive[key]
            self.held -= size

        with suppress(TypeError):  # of some modules' arrays nothing tells when they go
            self._alive[key] = weakref.ref(array, gone)
            self.held += size

    def call(self, primitive, args, parameters) -> Any:
        """Return what a primitive gives, if it may have the memory and the work."""
        arrays = [a.data for a in args if hasattr(a, "requires_grad")]
        size, work = _SIZES.get(primitive.name, _elementwise)(arrays, parameters)
        self.ask(size * _width(arrays, parameters), work)
        with unlimited():
            outputs = primitive(*args, **parameters)
        given = {id(_owner(a)) for a in arrays}
        for output in outputs if isinstance(outputs, tuple) else (outputs,):
            if id(_owner(output.data)) not in given:
                self.hold(output.data)
        return outputs


def _owner(array):
    """Return the array whose memory a view shows."""
    while isinstance(getattr(array, "base", None), type(array)):
        array = array.base
    return array


def _width(arrays, parameters) -> int:
    """Return the size of the largest kind of number that takes part, in units of 4 bytes."""
    dtypes = [a.dtype for a in arrays]
    if parameters.get("dtype") is not None:
        dtypes.append(np.dtype(parameters["dtype"]))
    return max([d.itemsize // 4 for d in dtypes], default=1) or 1


@contextmanager
def limited(numbers, work) -> Iterator[None]:
    """Let what this thread computes inside have no more memory and work than given; see `Allowance`."""
    with _with(Allowance(numbers, work)):
        yield


@contextmanager
def unlimited() -> Iterator[None]:
    """Let what this thread computes inside have all that it asks for: what is limited in another way."""
    with _with(None):
        yield


@contextmanager
def _with(allowance):
    thread = threading.get_ident()
    before = allowances.pop(thread, None)
    if allowance is not None:
        allowances[thread] = allowance
    try:
        yield
    finally:
        allowances.pop(thread, None)
        if before is not None:
            allowances[thread] = before


def of_this_thread() -> Allowance | None:
    """Return what limits this thread, if anything does."""
    return allowances.get(threading.get_ident())


def ask(*shape, work=0) -> None:
    """Raise AllowanceError if this thread is limited and may not make an array of that shape."""
    if allowances:
        allowance = of_this_thread()
        if allowance is not None:
            allowance.ask(max(math.prod(map(operator.index, shape)), 0), operator.index(work))


def hold(array):
    """Return an array, which counts as long as it lives, where what this thread may do is limited."""
    if allowances:
        allowance = of_this_thread()
        if allowance is not None:
            allowance.hold(array)
    return array


# For each primitive whose result may be larger than its arguments, or smaller than it seems: how many numbers
# the result has at most, and the work beside them. What is not here broadcasts its arguments and computes
# number by number.


def _broadcast(*shapes) -> int:
    """Return the size of what shapes broadcast to."""
    ndim = max(map(len, shapes), default=0)
    return math.prod(max(s[i + len(s)] for s in shapes if len(s) >= -i) for i in range(-ndim, 0))


def _elementwise(arrays, parameters):
    return _broadcast(*(a.shape for a in arrays)), 0


def _reduction(arrays, parameters):
    x, axis = arrays[0], parameters.get("axis")
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    reduced = math.prod(x.shape[i] for i in axes if -x.ndim <= i < x.ndim)
    return x.size // max(reduced, 1), x.size


def _joined(arrays, parameters):
    return sum(a.size for a in arrays), 0


def _shaped(arrays, parameters):
    return math.prod(max(n, 1) for n in parameters["shape"]), 0


def _padded(arrays, parameters):
    return math.prod(n + a + b for n, (a, b) in zip(arrays[0].shape, parameters["pad_width"])), 0


def _product(arrays, parameters):
    a, b = arrays
    rows, columns = a.shape[-2:-1] or (1,), b.shape[-1:] if b.ndim > 1 else (1,)
    size = _broadcast(a.shape[:-2], b.shape[:-2]) * rows[0] * columns[0]
    return size, size * (a.shape[-1] if a.ndim else 1) // _PRODUCTS


def _einsum(arrays, parameters):
    left, _, out = parameters["subscripts"].partition("->")
    sizes: dict[str, int] = {}
    for term, array in zip(left.split(","), arrays):
        for letter, n in zip(term, array.shape):
            sizes[letter] = max(n, sizes.get(letter, 1))
    every = math.prod(sizes.values())
    # Of more than two, what lies between them may be as large as all axes together.
    size = every if len(arrays) > 2 else math.prod(sizes.get(letter, 1) for letter in out)
    return size, every // _PRODUCTS


def _selected(arrays, parameters):
    """Return how many numbers an index takes: arrays in it broadcast, and take the place of their axes."""
    index, shape = parameters["index"], arrays[0].shape
    items = list(index) if isinstance(index, tuple) else [index]
    spread = [i for i, item in enumerate(items) if item is Ellipsis]
    if spread:
        whole = [slice(None)] * max(len(shape) - sum(map(_axes_of, items)), 0)
        items[spread[0] : spread[0] + 1] = whole
    axes, taken, places = list(shape), 1, []
    for item in items:
        if isinstance(item, slice) and axes:
            taken *= len(range(*item.indices(axes.pop(0))))
        elif item is not None and not isinstance(item, slice):
            places.append((np.size(item),) if _is_bools(item) else np.shape(item))
            del axes[: _axes_of(item)]
    return _broadcast(*places) * taken * math.prod(axes), 0


def _is_bools(item) -> bool:
    return getattr(item, "dtype", None) == np.dtype(bool)


def _axes_of(item) -> int:
    """Return how many axes an entry of an index stands for."""
    return 0 if item is None or item is Ellipsis else np.ndim(item) if _is_bools(item) else 1


def _along_axis(arrays, parameters):
    return _broadcast(arrays[0].shape, parameters["indices"].shape), 0


def _ctc(arrays, parameters):
    logits_BTC, labels_BL = arrays[0], parameters["labels_BL"]
    states = math.prod(logits_BTC.shape[:2]) * (2 * labels_BL.shape[-1] + 1)
    # The gradient keeps three arrays of them.
    return (4 if parameters["with_gradient"] else 1) * states + 2 * logits_BTC.size, 4 * states


def _recurrent(arrays, parameters):
    """Return what a kernel that walks along whole sequences takes: gates for each step, a product a step."""
    sequence, weights = arrays[0], [a for a in arrays[1:] if a.ndim == 2]
    rows = math.prod(sequence.shape[:2])
    size = rows * (sequence.shape[-1] + 2 * sum(w.shape[-1] for w in weights))
    return size, rows * sum(w.size for w in weights) // _PRODUCTS + sequence.shape[1] * _CALL


def _round(arrays, parameters):
    # NumPy multiplies by 10 so often.
    return arrays[0].size, 10 * abs(operator.index(parameters.get("decimals", 0)))


_SIZES: dict[str, Callable] = {
    **dict.fromkeys(("any", "all", "argmax", "argmin", "sum", "prod", "max", "min"), _reduction),
    **dict.fromkeys(("concatenate", "stack"), _joined),
    **dict.fromkeys(("broadcast_to", "overlap_add", "scatter", "scatter_along_axis"), _shaped),
    **dict.fromkeys(("simple_rnn", "gru", "lstm"), _recurrent),
    "pad": _padded,
    "matmul": _product,
    "einsum": _einsum,
    "getitem": _selected,
    "take_along_axis": _along_axis,
    # A view, of which more is known when it is read.
    "windows": lambda arrays, parameters: (0, 0),
    "ctc_loss": _ctc,
    # As many results as there are steps, or parts.
    "unstack": lambda arrays, parameters: (arrays[0].size, max(arrays[0].shape, default=0) * _CALL),
    "split": lambda arrays, parameters: (arrays[0].size, len(parameters["sizes"]) * _CALL),
    "round": _round,
}
