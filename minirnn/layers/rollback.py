"""All or nothing: what a step has assigned when it breaks is taken back."""

from contextlib import suppress

from minirnn.autograd.tensor import state
from minirnn.autograd.variable import restore
from minirnn.layers.context import context


def all_or_nothing(function, *args):
    """Return ``function(*args)``; if it raises anything, Variables have the values from before the call.

    Whatever the function assigned counts, wherever it is held: weights, the state of any optimizer, metrics,
    the states of layers, moving statistics, and seeds, the global one too. Calls may nest.

    What a thread knows of the calls around it (whether it records, which layer is being called) is put back
    too: an interrupt may come between any two lines, those of a ``finally`` among them.

    Not taken back are Variables and other attributes that the function set, and what it assigned in other
    threads.
    """
    outer, own = state.assigned, {}
    around = [(local, dict(local.__dict__)) for local in (state, context)]
    try:
        state.assigned = own
        result = function(*args)
        if outer is not None:
            for key, before in own.items():
                outer.setdefault(key, before)
        state.assigned = outer
        return result
    except BaseException:
        restore(own)
        for local, attributes in around:
            local.__dict__.clear()
            local.__dict__.update(attributes)
        raise


class _Undone(Exception):
    """Raised to have `all_or_nothing` take back what was done."""


def without_effect(function, *args) -> None:
    """Call ``function(*args)`` and take back what it assigned, as `all_or_nothing` does if it raises."""

    def call():
        function(*args)
        raise _Undone

    with suppress(_Undone):
        all_or_nothing(call)
