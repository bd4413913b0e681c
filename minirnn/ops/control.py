"""Loops and branches on values: `scan`, `while_loop`, `fori_loop`, `cond`, `switch`, `map`.

Everything runs step by step, so Python's own loops and branches do as well; these take Keras's arguments.
"""

from typing import Any

from minirnn import tree
from minirnn.autograd import inferring, no_grad
from minirnn.autograd.primitive import convert
from minirnn.backend import allowance
from minirnn.ops.arguments import own, whole_shape
from minirnn.ops.creation import zeros
from minirnn.ops.shape import stack, unstack
from minirnn.ops.symbolic import op


@op
def scan(f, init, xs=None, length=None, reverse=False, unroll=1) -> Any:
    """Carry a state through the slices along the first axis.

    Parameters
    ----------
    f : callable
        ``f(carry, x) -> (carry, y)``; `carry` keeps its structure, `y` may be any structure or None.
    init : structure of Tensor or array
        The first carry.
    xs : structure of Tensor or array, shape (length, ...), optional
        Without it `x` is None.
    length : int, optional
        Needed without `xs`.
    reverse : bool
        Begin at the last slice; the `ys` stand where their `x` stood.
    unroll : int or bool
        For Keras's signature: there is nothing to unroll.

    Returns
    -------
    carry : structure, the last
    ys : structure of Tensor, shape (length, ...), or None

    Raises
    ------
    ValueError
        If neither `xs` nor `length` is given, or lengths or structures differ.

    Examples
    --------
    >>> total, sums = ops.scan(lambda s, x: (s + x, s + x), 0.0, ops.arange(4.0))
    """
    carry = tree.map_structure(own, init)
    xs = None if xs is None else tree.map_structure(own, xs)
    lengths = {x.shape[0] for x in tree.flatten(xs)} if xs is not None else set()
    if length is not None:
        lengths.add(whole_shape(length)[0])
    if len(lengths) != 1:
        raise ValueError(
            f"scan: needs xs of one length, or length=; got lengths {sorted(lengths) or 'none'}."
        )
    (count,) = lengths
    allowance.ask(count)
    ys = [None] * count
    flat = [] if xs is None else [unstack(x) for x in tree.flatten(xs)]
    for i in reversed(range(count)) if reverse else range(count):
        allowance.ask(1)
        before = carry
        step = None if xs is None else tree.pack_sequence_as(xs, [slices[i] for slices in flat])
        carry, ys[i] = f(carry, step)
        tree.assert_same_structure(before, carry)
        carry = tree.map_structure(convert, carry)
    if not count:
        # What one step would give says what none of them gives.
        step = None if xs is None else tree.map_structure(lambda x: zeros(x.shape[1:], x.dtype), xs)
        with no_grad(), inferring():
            ys = [f(carry, step)[1]]
    return carry, tree.map_structure(lambda *leaves: _stacked(leaves, count), *ys)


def _stacked(values, count):
    """Return the first `count` values stacked; None stays None."""
    return None if values[0] is None else stack(values)[:count]


@op
def while_loop(cond: Any, body: Any, loop_vars, maximum_iterations=None) -> Any:
    """Apply `body` to variables as long as `cond` holds.

    Parameters
    ----------
    cond : callable
        ``cond(*loop_vars) -> bool``
    body : callable
        ``body(*loop_vars) -> loop_vars``
    loop_vars : tuple, list or Tensor
    maximum_iterations : int, optional

    Returns
    -------
    tuple, or what `body` returns if `loop_vars` is a single Tensor
    """
    several = isinstance(loop_vars, list | tuple)
    values = tuple(tree.map_structure(own, v) for v in (loop_vars if several else (loop_vars,)))
    steps = 0
    while (maximum_iterations is None or steps < maximum_iterations) and bool(cond(*values)):
        allowance.ask(1)
        result = body(*values)
        values = tuple(result) if several else (result,)
        steps += 1
    values = tuple(tree.map_structure(convert, v) for v in values)
    return values if several else values[0]


@op
def fori_loop(lower, upper, body_fun, init_val) -> Any:
    """Apply ``body_fun(i, value)`` for each integer from `lower` up to, without, `upper`.

    Parameters
    ----------
    lower, upper : int
    body_fun : callable
    init_val : structure of Tensor or array

    Returns
    -------
    The last value
    """
    value = tree.map_structure(own, init_val)
    for i in range(*whole_shape((lower, upper))):
        allowance.ask(1)
        value = body_fun(i, value)
    return tree.map_structure(convert, value)


@op
def cond(pred, true_fn, false_fn) -> Any:
    """Return ``true_fn()`` if `pred` holds, else ``false_fn()``; only the one is called.

    Parameters
    ----------
    pred : bool, or Tensor of one element
    true_fn, false_fn : callable
    """
    return true_fn() if bool(convert(pred)) else false_fn()


@op
def switch(index, branches, *operands) -> Any:
    """Return ``branches[index](*operands)``; an index out of range takes the nearest branch.

    Parameters
    ----------
    index : int, or Tensor of one integer
    branches : sequence of callable
    *operands
    """
    number = min(max(int(convert(index)), 0), len(branches) - 1)
    return branches[number](*[tree.map_structure(_converted, o) for o in operands])


def _converted(value):
    return value if value is None or callable(value) else convert(value)


@op
def map(f, xs) -> Any:
    """Return ``f`` of each slice along the first axis, stacked.

    Parameters
    ----------
    f : callable
        Takes a slice of `xs` (in its structure) and returns a Tensor or a structure of them.
    xs : structure of Tensor or array, shape (n, ...)
    """
    return scan(lambda carry, x: (carry, f(x)), zeros(()), tree.map_structure(own, xs))[1]


@op
def vectorized_map(function, elements) -> Any:
    """Return `function` of each slice along the first axis, stacked; the same as `map`.

    Parameters
    ----------
    function : callable
    elements : structure of Tensor or array, shape (n, ...)
    """
    return map(function, tree.map_structure(own, elements))
