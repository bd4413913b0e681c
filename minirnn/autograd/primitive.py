"""How a primitive is applied and recorded, and how values become Tensors.

A `Primitive` is a function of raw arrays, ``function(xp, *arrays, **parameters)``, and a name under which
`rules.py` holds its vector-Jacobian products. (Whole-sequence kernels are primitives of another kind, with a
reverse pass of their own: `minirnn.kernels.primitive`.)
"""

import functools
import inspect
from typing import Any

import numpy as np
from numpy import ndarray

from minirnn import backend, config
from minirnn.autograd.graph import Node, state
from minirnn.autograd.tensor import OPERATORS, Operators, SymbolicArgumentError, Tensor
from minirnn.autograd.variable import Variable
from minirnn.backend.allowance import allowances, of_this_thread

PRIMITIVES: dict[str, "Primitive"] = {}
RULES: dict[str, tuple] = {}
VARIADIC_RULES: dict = {}


def convert(value: Any, dtype=None) -> Tensor:
    """Return `value` as a Tensor: arrays keep their dtype, floats become floatx, integers int32.

    An array is not copied. Write nothing into it before the gradient has been taken, or use
    `ops.convert_to_tensor`, which does copy.

    Parameters
    ----------
    value : Tensor, array, number, or nested list of these
    dtype : str, optional

    Raises
    ------
    TypeError
        If `value` holds objects, text or anything else that is no number.
    ValueError
        If `value` is a list whose rows have different lengths.
    """
    if isinstance(value, Tensor):
        if dtype is None or value.data.dtype == dtype:
            return value
        return PRIMITIVES["cast"](value, dtype=np.dtype(dtype))
    if isinstance(value, Operators):
        raise SymbolicArgumentError("A symbolic tensor has no value.")
    if isinstance(value, list | tuple) and _holds_tensors(value):
        return PRIMITIVES["stack"](*(convert(v, dtype) for v in value), axis=0)
    given = value.__class__ is ndarray or backend.is_array(value)
    try:
        data: Any = value if given else np.asarray(value)
    except ValueError as error:
        raise ValueError(
            "convert_to_tensor: expected rows of one length; got a list whose rows have several. "
            "Pad them to one length first."
        ) from error
    if data.dtype.kind not in "biufc" and data.dtype.name != "bfloat16":
        raise TypeError(
            f"convert_to_tensor: expected numbers; got {type(value).__name__} of dtype {data.dtype}. "
            "Rows of different lengths make such an array: pad them to one length first."
        )
    if dtype is None and not given and not isinstance(value, np.generic):
        if data.dtype.kind == "f":
            dtype = config.floatx()
        elif data.dtype == np.int64 and (data.size == 0 or (data.min() >= -(2**31) and data.max() < 2**31)):
            dtype = "int32"
    return Tensor(backend.asarray(data, dtype))


def from_dlpack(array) -> Tensor:
    """Return another library's array as a Tensor on the same device, without a copy.

    Parameters
    ----------
    array : object with ``__dlpack__`` and ``__dlpack_device__``
        An array of NumPy, CuPy, PyTorch, JAX or another library; it may be read-only.

    Raises
    ------
    TypeError, ValueError, RuntimeError, BufferError
        See `minirnn.backend.from_dlpack`.

    Notes
    -----
    minirnn never writes into the array of a Tensor, so the other library's array stays as it is. If *it* is
    written to, the Tensor changes with it, and so does all that shares its memory: views, a Variable that it
    was assigned to, values that a gradient yet to be taken depends on; weights packed for a kernel may not.
    Where that can happen, let the other library copy it first. A new Variable of the Tensor is a copy too.
    """
    return Tensor(backend.from_dlpack(array))


def _holds_tensors(items) -> bool:
    return any(isinstance(v, Operators) or (isinstance(v, list | tuple) and _holds_tensors(v)) for v in items)


def convert_float(value) -> Tensor:
    """Return `value` as a Tensor of floats; integers and bools become floatx."""
    tensor = value if isinstance(value, Tensor) else convert(value)
    return tensor if tensor.data.dtype.kind in "fc" else convert(tensor, config.floatx())


def common_dtype(*tensors: Tensor) -> np.dtype:
    """Return the dtype that Tensors are brought to together: NumPy's, but integers never widen a float."""
    dtypes = [t.data.dtype for t in tensors]
    if dtypes.count(dtypes[0]) == len(dtypes):
        return dtypes[0]
    floats = [d for d in dtypes if d.kind in "fc"]
    joint = np.result_type(*(floats or dtypes))
    # No integer holds both int64 and uint64; NumPy then takes float64.
    return joint if floats or joint.kind != "f" else np.dtype(config.floatx())


def align(*values) -> list[Tensor]:
    """Return values as Tensors of one dtype; see `common_dtype`."""
    tensors = [v if v.__class__ is Tensor else convert(v) for v in values]
    dtype = common_dtype(*tensors)
    return [t if t.data.dtype is dtype else convert(t, dtype) for t in tensors]


def operands(a, b):
    """Return two operands of one dtype, as Keras has it: numbers are weak, integers join a float's dtype."""
    if isinstance(a, Tensor) and isinstance(b, Tensor) and a.data.dtype == b.data.dtype:
        return a, b
    weak_a, weak_b = isinstance(a, _NUMBERS), isinstance(b, _NUMBERS)
    if weak_b and not weak_a:
        return _weak(convert(a), b)
    if weak_a and not weak_b:
        b, a = _weak(convert(b), a)
        return a, b
    return align(a, b)


_NUMBERS = int | float | np.generic


def _weak(tensor: Tensor, number):
    """Bring a number to a Tensor's dtype, or an integer Tensor to floats if the number has a fraction."""
    kind = tensor.data.dtype.kind
    if isinstance(number, np.generic):
        number = number.item()
    if kind in "biu" and isinstance(number, float):
        tensor = convert(tensor, config.floatx())
    elif kind == "b" and not isinstance(number, bool):
        tensor = convert(tensor, "int32")
    elif kind == "f" and isinstance(number, int):
        number = float(number)
    return tensor, number


def _snapshot(value):
    return value.snapshot() if isinstance(value, Variable) else value


def _wrapped(xp, result) -> Any:
    """Return what a function of the array module gave, scalars too, as a Tensor or a tuple of them."""
    if result.__class__ is tuple:
        return tuple([Tensor(xp.asarray(r)) for r in result])
    return Tensor(xp.asarray(result))


class Primitive:
    """A function of raw arrays that is recorded with its rule; see `define`."""

    def __init__(self, name, function):
        self.name = name
        self.function = function
        PRIMITIVES[name] = self

    def __repr__(self):
        return f"<primitive {self.name}>"

    def __call__(self, x, *more, **parameters) -> Any:
        """Apply to Tensors (and Python numbers, which stay weak); returns a Tensor or a tuple of them."""
        if allowances and (allowance := of_this_thread()) is not None:
            return allowance.call(self, (x, *more), parameters)
        # One NumPy value and nothing to record, the most frequent case, goes straight through.
        recording = state.recording
        if (
            not more
            and x.__class__ is Tensor
            and x.data.__class__ is ndarray
            and not (recording and x.requires_grad)
        ):
            try:
                result = self.function(np, x.data, **parameters)
            except (TypeError, ValueError, IndexError) as error:
                raise self._explained(error, [x.data], parameters) from error
            return Tensor(result) if result.__class__ is ndarray else _wrapped(np, result)
        args = (x, *more)
        record, raw = False, [np]
        for a in args:
            if isinstance(a, Tensor):
                if a.requires_grad:
                    record = recording
                a = a.data
                if a.__class__ is not ndarray:
                    raw[0] = backend.array_module(a)
            raw.append(a)
        if raw[0] is not np:
            backend.check_one_device(self.name, *raw[1:])
        try:
            result = self.function(*raw, **parameters)
        except (TypeError, ValueError, IndexError) as error:
            raise self._explained(error, raw[1:], parameters) from error
        outputs = Tensor(result) if result.__class__ is ndarray else _wrapped(raw[0], result)
        if not record:
            return outputs
        inputs = tuple([a if a.__class__ is Tensor else _snapshot(a) for a in args])
        if outputs.__class__ is Tensor:
            if outputs.data.dtype.kind == "f":
                outputs.node = Node(self, inputs, (outputs.data,), parameters)
                outputs.requires_grad = True
            return outputs
        node = Node(self, inputs, tuple([y.data for y in outputs]), parameters)
        return tuple([node.output(i) for i in range(len(outputs))])

    def _explained(self, error, raw, parameters):
        """Return the array module's error with what the primitive was called with."""
        # Not its own class: those of NumPy may need more than a text to be made.
        kind = next(k for k in (ValueError, IndexError, TypeError) if isinstance(error, k))
        got = [f"{a.dtype} {a.shape}" if hasattr(a, "dtype") else repr(a) for a in raw]
        got += [f"{name}={value}" for name, value in parameters.items() if not hasattr(value, "dtype")]
        return kind(f"{self.name}: {str(error).rstrip('. ')}. Got {', '.join(got)}.")

    def pull_back(self, node: Node, cotangents: list) -> list:
        """Return the gradient for each input, by the rules of this primitive."""
        y = node.output() if len(node.arrays) == 1 else tuple(map(node.output, range(len(node.arrays))))
        g = cotangents[0] if len(cotangents) == 1 else cotangents
        rules, variadic = RULES.get(self.name, ()), VARIADIC_RULES.get(self.name)
        if not rules and variadic is None:
            raise NotImplementedError(
                f"No gradient is defined for the primitive {self.name!r}; add a rule with def_vjp, "
                "or wrap the computation in custom_gradient or stop_gradient."
            )
        if variadic is not None:
            return list(variadic(g, y, *node.inputs, **node.saved))
        return [
            rules[i](g, y, *node.inputs, **node.saved) if isinstance(a, Tensor) and a.requires_grad else None
            for i, a in enumerate(node.inputs)
        ]


def define(name, function) -> Primitive:
    """Make a primitive from ``function(xp, *arrays, **parameters) -> array``."""
    return Primitive(name, function)


def def_vjp(name, *rules) -> None:
    """Set the rules of a primitive, one for each array argument.

    Each is ``rule(g, y, *arguments, **parameters)``: from the cotangent `g` of the output `y`, that of
    the argument. Its result may have the broadcast shape; the reverse pass sums it down.
    """
    RULES[name] = rules


def def_vjp_variadic(name, rule) -> None:
    """Set the rule of a primitive of any number of arguments, for all of them at once.

    It is ``rule(g, y, *arguments, **parameters)`` and returns a gradient, or None, for each argument.
    """
    VARIADIC_RULES[name] = rule


class _CustomGradient:
    name = "custom_gradient"

    def __init__(self, gradient):
        self.gradient = gradient
        code: Any = getattr(gradient, "__code__", None)
        self.by_keyword = code is not None and not (
            code.co_argcount or code.co_flags & inspect.CO_VARARGS or not code.co_kwonlyargcount
        )

    def pull_back(self, node, cotangents):
        zeros_like = PRIMITIVES["zeros_like"]
        filled = [
            zeros_like(Tensor(a)) if g is None else g for g, a in zip(cotangents, node.arrays, strict=True)
        ]
        if self.by_keyword:
            gradients = self.gradient(upstream=filled[0] if len(filled) == 1 else tuple(filled))
        else:
            gradients = self.gradient(*filled)
        gradients = list(gradients) if isinstance(gradients, list | tuple) else [gradients]
        if len(gradients) != len(node.inputs):
            raise ValueError(
                f"custom_gradient: the gradient function must return one value for each of the "
                f"{len(node.inputs)} arguments; got {len(gradients)}."
            )
        return [None if g is None else convert(g) for g in gradients]


def custom_gradient(function):
    """Give a function a gradient of one's own.

    Parameters
    ----------
    function : callable
        Takes Tensors and returns ``(output, gradient)``, where ``gradient(*cotangents)`` returns the
        gradient for each argument of `function`; one that takes nothing but a keyword-only ``upstream``
        is called with that. What `gradient` uses of the values computed by `function` it may differentiate
        again, for a second order.

    Returns
    -------
    callable
        Takes the same arguments and returns the output alone. Keyword arguments are passed on as they
        are and have no gradient.

    Examples
    --------
    >>> @custom_gradient
    ... def clipped_identity(x):
    ...     return x * 1.0, lambda upstream: ops.clip(upstream, -1.0, 1.0)
    """

    @functools.wraps(function)
    def wrapped(*args, **kwargs) -> Any:
        inputs = tuple(convert(a) for a in args)
        inputs = tuple(_snapshot(a) for a in inputs)
        outputs, gradient = function(*inputs, **kwargs)
        single = not isinstance(outputs, list | tuple)
        arrays = tuple(convert(y).data for y in ([outputs] if single else outputs))
        if state.recording and any(a.requires_grad for a in inputs):
            node = Node(_CustomGradient(gradient), inputs, arrays, ())
            results = [node.output(i) for i in range(len(arrays))]
        else:
            results = [Tensor(a) for a in arrays]
        return results[0] if single else type(outputs)(results)

    return wrapped


def operator(name, function=None):
    """Let Python's operator or a Tensor's method `name` call `function`, or register by decoration.

    The function gets the name, by which files know it.
    """
    if function is None:
        return lambda f: operator(name, f)
    function.__name__ = function.__qualname__ = name
    OPERATORS[name] = function
    return function
