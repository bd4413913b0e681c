"""How a constructor comes to take, and to show, the arguments that all optimizers have."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from minirnn.optimizers.optimizer import Optimizer

_Constructor = TypeVar("_Constructor", bound=Callable[..., None])


def takes_common_arguments(constructor: _Constructor) -> _Constructor:
    """Let a constructor that hands ``**kwargs`` on to `Optimizer` take those by position too, after its own.

    Its signature, which `help` and editors show, names them all with their defaults.
    """
    *own, rest = inspect.signature(constructor).parameters.values()
    known = {p.name for p in own}
    base = inspect.signature(Optimizer.__init__).parameters.values()
    common = [p for p in base if p.kind is not p.VAR_KEYWORD and p.name not in known]
    names = [p.name for p in (*own, *common)]

    @functools.wraps(constructor)
    def __init__(self, *args, **kwargs):
        own_args, more = args[: len(own) - 1], args[len(own) - 1 :]
        given = dict(zip(names[len(own) :], more))
        twice = given.keys() & kwargs.keys()
        if len(more) > len(common) or twice:
            what = f"{sorted(twice)} twice" if twice else f"{len(args)} by position"
            raise TypeError(f"{type(self).__name__}: the arguments are {', '.join(names[1:])}; got {what}.")
        constructor(self, *own_args, **given, **kwargs)

    made: Any = __init__
    made.__signature__ = inspect.Signature([*own, *common, rest])
    return made
