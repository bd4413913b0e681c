"""One batch: its form, and how arrays become Tensors."""

import operator

import numpy as np

from minirnn import backend, config, tree
from minirnn.autograd import Tensor, convert


def unpack_x_y_sample_weight(data):
    """Return ``(x, y, sample_weight)`` of a batch: ``(x,)``, ``(x, y)``, ``(x, y, w)``, or ``x`` alone.

    A list counts as a tuple, so that inputs in a list must be inside of one: ``([x1, x2],)``.

    Raises
    ------
    ValueError
        If it is a tuple of another length.
    """
    if not isinstance(data, list | tuple) or hasattr(data, "_fields"):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(
            f"A batch must be x, (x,), (x, y) or (x, y, sample_weight); got a {type(data).__name__} of "
            f"{len(data)}."
        )
    return (*data, *(None,) * (3 - len(data)))


def pack_x_y_sample_weight(x, y=None, sample_weight=None):
    """Return a batch in the shortest form that `unpack_x_y_sample_weight` takes."""
    if y is None and sample_weight is None:
        return (x,) if isinstance(x, list | tuple) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def positive_int(value, name, where, at_least=1) -> int:
    """Return `value` as an int, or raise ValueError unless it is one and large enough."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < at_least:
        raise ValueError(f"{where}: {name} must be an int of {at_least} or more; got {value!r}.")
    return number


def samples_of(batch) -> int:
    """Return the number of samples in a batch or in a part of one."""
    return next(len(leaf) for leaf in tree.flatten(batch) if leaf is not None)


def as_array(value, what, where):
    """Return a raw array of numbers with at least one axis; what is an array already is not copied.

    Raises
    ------
    TypeError
        If it holds objects or text, or is no array.
    ValueError
        If it has no axes.
    """
    array = value.data if isinstance(value, Tensor) else value
    if not backend.is_array(array):
        if not hasattr(array, "__array__"):
            raise TypeError(
                f"{where}: {what} must be an array, or arrays in a list, tuple or dict; got "
                f"{type(value).__name__}. Lists of numbers become one by np.asarray."
            )
        array = np.asarray(array)
    if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
        raise TypeError(
            f"{where}: {what} must hold numbers; got dtype {array.dtype}. Sequences of different lengths "
            "make an array of objects: pad them to one length first."
        )
    if not array.ndim:
        raise ValueError(f"{where}: {what} must have a batch axis; got a scalar.")
    return array


def to_tensor(value):
    """Return a leaf of a batch as a Tensor; floats come in floatx, integers as they are."""
    if value is None or isinstance(value, Tensor):
        return value
    kind = value.dtype.kind if hasattr(value, "dtype") else np.asarray(value).dtype.kind
    tensor = convert(value, config.floatx() if kind == "f" else None)
    if isinstance(value, np.ndarray) and not isinstance(tensor.data, np.ndarray):
        tensor._host = value
    return tensor
