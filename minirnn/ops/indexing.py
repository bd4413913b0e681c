"""Selection by condition and by index, margins, and what is made of class numbers."""

import builtins
import functools
from typing import Any

import numpy as np

from minirnn import backend, config
from minirnn.autograd import Tensor
from minirnn.autograd import primitives as P
from minirnn.autograd.primitive import convert, operands
from minirnn.backend import allowance
from minirnn.ops.arguments import along, check_range, line, one_axis, own
from minirnn.ops.symbolic import op


@op
def where(condition, x1=None, x2=None) -> Any:
    """Return `x1` where the condition holds and `x2` elsewhere; without them, where it holds.

    Parameters
    ----------
    condition : Tensor or array of bools
    x1, x2 : Tensor, array or number, optional
        All three broadcast.

    Returns
    -------
    Tensor of the common dtype of `x1` and `x2`; without them a tuple of indices, as `nonzero` gives
    """
    condition = convert(condition)
    if x1 is None and x2 is None:
        return tuple(Tensor(i.astype("int32")) for i in condition.data.nonzero())
    if x1 is None or x2 is None:
        raise ValueError("where: needs both x1 and x2, or neither; got one.")
    a, b = operands(x1, x2)
    return P.where(convert(condition, "bool"), a, b)


@op
def select(condlist, choicelist, default: Any = 0) -> Tensor:
    """Return for each element the choice of the first condition that holds, or `default`.

    Parameters
    ----------
    condlist : sequence of Tensor or array of bools
    choicelist : sequence of Tensor, array or number, as many
    default : number
    """
    if len(condlist) != len(choicelist) or not condlist:
        raise ValueError(
            f"select: needs as many choices as conditions, one or more; got {len(condlist)} conditions and "
            f"{len(choicelist)} choices."
        )
    pairs = [(convert(a), convert(b)) for a, b in zip(condlist, choicelist, strict=True)]
    return functools.reduce(lambda rest, pair: where(pair[0], pair[1], rest), reversed(pairs), default)


@op
def get_item(x, key) -> Tensor:
    """Return ``x[key]``, indexed as in NumPy; `key` may hold Tensors of integers or bools.

    Raises
    ------
    IndexError
        If an index is out of range.
    """
    return own(x)[key]


@op
def take(x, indices, axis=None) -> Tensor:
    """Return the elements, or the slices along an axis, at given indices.

    Parameters
    ----------
    x : Tensor or array
    indices : array of int
        Negative ones count from the end.
    axis : int, optional
        Default: in the flattened array.

    Returns
    -------
    Tensor
        The axis is replaced by the axes of `indices`.

    Raises
    ------
    IndexError
        If an index is out of range.
    """
    x, axis = line("take", own(x), axis)
    indices = _integers("take", indices)
    check_range("take", indices, x.shape[axis], axis)
    return P.getitem(x, index=along(axis, indices))


def _integers(name, indices):
    indices = convert(indices)
    if indices.dtype.kind not in "iu" and indices.size:
        raise TypeError(f"{name}: indices must be integers; got dtype {indices.dtype}.")
    return indices.data.astype("int64", copy=False)


@op
def take_along_axis(x, indices, axis=None) -> Tensor:
    """Return, for each line along an axis, its elements at that line's own indices.

    Parameters
    ----------
    x : Tensor or array
    indices : array of int
        Of as many axes as `x`; all but `axis` broadcast against those of `x`.
    axis : int, optional
        Default: in the flattened array.

    Raises
    ------
    ValueError
        If the numbers of axes differ.
    IndexError
        If an index is out of range.
    """
    x, indices = own(x), _integers("take_along_axis", indices)
    if axis is None:
        indices = indices.reshape(-1)
    x, axis = line("take_along_axis", x, axis)
    if indices.ndim != x.ndim:
        raise ValueError(
            f"take_along_axis: indices must have the {x.ndim} axes of x; got shape {indices.shape}."
        )
    check_range("take_along_axis", indices, x.shape[axis], axis)
    rest = np.broadcast_shapes(*(s[:axis] + (1,) + s[axis + 1 :] for s in (x.shape, indices.shape)))
    full = [rest[:axis] + (s[axis],) + rest[axis + 1 :] for s in (x.shape, indices.shape)]
    indices = backend.array_module(indices).broadcast_to(indices, full[1])
    return P.take_along_axis(P.broadcast_to(x, shape=full[0]), indices=indices, axis=axis)


@op
def one_hot(x, num_classes, axis=-1, dtype=None, sparse=False) -> Tensor:
    """Return class numbers as vectors with a one at that number; zeros for a number out of range.

    Parameters
    ----------
    x : array of int, any shape
    num_classes : int
    axis : int
        Where the axis of classes stands in the result.
    dtype : str, optional
        Default: floatx.
    sparse : bool
        For Keras's signature; only False is taken.
    """
    x = convert(x)
    if sparse:
        raise ValueError("one_hot: sparse tensors do not exist here; use sparse=False.")
    if x.dtype.kind not in "iub":
        raise TypeError(f"one_hot: class numbers must be integers; got dtype {x.dtype}.")
    axis = one_axis("one_hot", axis, x.ndim + 1)
    allowance.ask(x.size + 1, num_classes)
    xp = backend.array_module(x.data)
    numbers = xp.arange(num_classes).reshape((num_classes,) + (1,) * (x.ndim - axis))
    return Tensor((xp.expand_dims(x.data, axis) == numbers).astype(dtype or config.floatx()))


@op
def multi_hot(inputs, num_classes=None, axis=-1, dtype=None, sparse=False, **kwargs) -> Tensor:
    """Return sets of class numbers as vectors with a one at each number.

    Parameters
    ----------
    inputs : array of int, shape (batch, n) or (n,)
    num_classes : int
    axis : int
        Where the axis of classes stands, before that of `inputs` is reduced.
    dtype : str, optional
        Default: floatx.
    sparse : bool
        For Keras's signature; only False is taken.
    """
    num_classes = kwargs.pop("num_tokens", None) if num_classes is None else num_classes
    if num_classes is None or kwargs:
        raise ValueError(
            f"multi_hot: needs num_classes; got {num_classes} and {sorted(kwargs) or 'no more'}."
        )
    inputs = convert(inputs)
    hot = one_hot(inputs, num_classes, axis, dtype, sparse)
    return P.max(hot, axis=1 if inputs.ndim > 1 else 0)


@op
def segment_sum(data, segment_ids, num_segments=None, sorted=False) -> Tensor:
    """Return the sum of the slices of each segment along the first axis.

    Parameters
    ----------
    data : Tensor or array, shape (n, ...)
    segment_ids : array of int, shape (n,)
        The segment to which each slice belongs.
    num_segments : int, optional
        Default: the largest number there is, plus 1.
    sorted : bool
        For Keras's signature.

    Raises
    ------
    IndexError
        If a number is not from 0 to `num_segments` − 1.
    """
    data, ids = convert(data), _integers("segment_sum", segment_ids)
    if ids.shape != data.shape[:1]:
        raise ValueError(f"segment_sum: segment_ids must have shape {data.shape[:1]}; got {ids.shape}.")
    if num_segments is None:
        num_segments = builtins.max(int(ids.max()) + 1, 0) if ids.size else 0
    if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) < num_segments:
        raise IndexError(
            f"segment_sum: numbers must be from 0 to {num_segments - 1}; "
            f"got {int(ids.min())} to {int(ids.max())}."
        )
    return P.scatter(data, index=(ids,), shape=(num_segments, *data.shape[1:]))


@op
def pad(x, pad_width, mode="constant", constant_values=None) -> Tensor:
    """Return `x` with more elements before and after along each axis.

    Parameters
    ----------
    x : Tensor or array
    pad_width : int, (before, after), or a sequence of (before, after) for each axis
    mode : {"constant", "reflect", "symmetric", "edge", "wrap"}
        What the new elements are: a number; a mirror image without and with the edge itself; the edge
        repeated; the other end.
    constant_values : number, optional
        For ``"constant"``; default 0.

    Raises
    ------
    ValueError
        If a width is negative or not given for each axis, or `mode` is another one.
    """
    x = own(x)
    widths = convert(pad_width).numpy()
    if widths.dtype.kind not in "iu" or widths.size not in (1, 2, 2 * x.ndim) or (widths < 0).any():
        raise ValueError(
            f"pad: pad_width must hold (before, after), 0 or more, for {x.ndim} axes; got {pad_width}."
        )
    widths = [(int(a), int(b)) for a, b in np.broadcast_to(widths, (x.ndim, 2))]
    if mode == "constant":
        return P.pad(
            x, pad_width=widths, value=0 if constant_values is None else convert(constant_values).item()
        )
    if mode not in ("reflect", "symmetric", "edge", "wrap"):
        raise ValueError(f"pad: mode must be constant, reflect, symmetric, edge or wrap; got {mode!r}.")
    if constant_values is not None:
        raise ValueError(f"pad: constant_values is for mode='constant'; got mode={mode!r}.")
    for axis, width in enumerate(widths):
        if any(width):
            allowance.ask(x.shape[axis] + sum(width))
            x = x[along(axis, backend.asarray(np.pad(np.arange(x.shape[axis]), width, mode=mode)))]
    return x
