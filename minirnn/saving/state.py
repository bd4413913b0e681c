"""What a model holds, by the paths that Keras has for it in a file, and how it is set from there.

Keras walks through the attributes of a model, in the order of their names, those with a leading underscore
last, and through lists and dicts in them. What it finds is stored under the path that led there first:
"layers/lstm/cell/vars/0". So does this, through what the attributes hold.
"""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from minirnn.layers.layer import Layer
from minirnn.layers.rollback import all_or_nothing
from minirnn.layers.tracking import _NOT_OWNED
from minirnn.optimizers.optimizer import Optimizer
from minirnn.random import SeedGenerator
from minirnn.utils.naming import to_snake_case

# Beside "vars", which is Keras's: what else the next call depends on, which Keras does not keep.
_OWN = "minirnn"


def walk(root) -> Iterator[tuple[str, Any]]:
    """Give each layer and optimizer that a model holds once, with its path, the model itself first."""
    # With the things themselves: a list that a property has just made would be freed, and another get its id.
    seen: dict[int, Any] = {}

    def visit(path, thing):
        if id(thing) in seen:
            return
        seen[id(thing)] = thing
        if isinstance(thing, Layer | Optimizer):
            yield path, thing
            for name, value in _attributes(thing):
                yield from visit(f"{path}/{name}" if path else name, value)
        elif isinstance(thing, list | tuple | dict):
            counts: dict[str, int] = {}
            for item in thing.values() if isinstance(thing, dict) else thing:
                # Not under their names, which may be others in the next program.
                kind = to_snake_case(type(item).__name__) if isinstance(item, Layer | Optimizer) else None
                if kind is None and isinstance(item, list | tuple | dict):
                    kind = "container"
                if kind is not None:
                    number = counts.get(kind, 0)
                    counts[kind] = number + 1
                    yield from visit(f"{path}/{kind}_{number}" if number else f"{path}/{kind}", item)

    return visit("", root)


def _attributes(thing) -> Iterator[tuple[str, Any]]:
    if getattr(thing, "stores_layers_first", False):
        yield "layers", thing.layers
    values = {k: v for k, v in vars(thing).items() if k not in _NOT_OWNED}
    properties = set()
    for cls in type(thing).__mro__:
        if cls.__module__.split(".")[0] not in ("minirnn", "builtins"):
            properties |= {k for k, v in vars(cls).items() if isinstance(v, property)}
    if hasattr(type(thing), "layers"):
        properties.add("layers")
    for name in sorted(values.keys() | properties, key=lambda k: f"~{k}" if k.startswith("_") else k):
        if name in properties:
            # A property of the user's may not be ready to be asked.
            with contextlib.suppress(Exception):
                yield name, getattr(thing, name)
        elif not name.startswith("__"):
            yield name, values[name]


def _extras(thing) -> list:
    """Return the Variables that decide what comes next, though Keras does not keep them: seeds and the states
    of stateful layers."""
    if not isinstance(thing, Layer):
        return []
    carried = getattr(thing, "_carried", None)
    return [s.state for s in thing._find(SeedGenerator)] + ([] if carried is None else carried.flat)


def collect(model) -> Iterator[tuple[str, str | None, dict]]:
    """Give the groups of arrays that a file of the model has: the path, the name, the arrays."""
    for path, thing in walk(model):
        arrays: dict[str, Any] = {}
        thing.save_own_variables(arrays)
        prefix = f"{path}/" if path else ""
        yield f"{prefix}vars", thing.name, {key: _as_array(value) for key, value in arrays.items()}
        extras = {str(i): v.numpy() for i, v in enumerate(_extras(thing))}
        if extras:
            yield f"{prefix}{_OWN}", None, extras


def _as_array(value) -> np.ndarray:
    return value.numpy() if hasattr(value, "numpy") else np.asarray(value)


def restore(model, store, skip_mismatch=False, skip=()) -> None:
    """Set what a model holds from a file, all of it or, if anything does not fit, nothing.

    Parameters
    ----------
    model : Model
        Built.
    store : Store
    skip_mismatch : bool
        Whether to leave layers that do not fit as they are, with a warning.
    skip : sequence of layers and optimizers
        What is left as it is.

    Raises
    ------
    ValueError
        If the arrays for a layer are not there, or have other shapes.
    """
    left = []

    def restore_all():
        for path, thing in walk(model):
            if any(thing is other for other in skip):
                continue
            try:
                all_or_nothing(_restore_one, path, thing, store)
            except (ValueError, KeyError) as error:
                if not skip_mismatch or not isinstance(thing, Layer):
                    raise
                left.append(str(error))

    all_or_nothing(restore_all)
    if left:
        warnings.warn(f"{len(left)} layer(s) are left as they are: {' '.join(left)}", stacklevel=3)


def _never_used(group) -> bool:
    """Whether an optimizer was stored that had not been built: it has counts and rates alone."""
    return 0 < len(group) <= 4 and all(group.shape(key) == () for key in group) and not group["0"]


def _restore_one(path, thing, store):
    prefix = f"{path}/" if path else ""
    group = store.group(f"{prefix}vars")
    if isinstance(thing, Optimizer) and _never_used(group) and len(group) < len(thing.variables):
        # Nothing to be warned of: its state is that of a new one.
        thing.variables[0].assign(group["0"])
        if len(group) == 2 and len(thing.variables[1].shape) == 0:
            thing.variables[1].assign(group["1"])
        return
    try:
        thing.load_own_variables(group)
    except KeyError as error:
        raise ValueError(f"{thing._where}: {group.where} has no array {error}.") from error
    kept = store.group(f"{prefix}{_OWN}")
    extras = _extras(thing)
    if len(kept) == len(extras):
        for i, variable in enumerate(extras):
            # The states of a stateful layer are those of a batch of one size.
            if str(i) in kept and kept.shape(str(i)) == variable.shape:
                variable.assign(kept[str(i)])
