"""How a wrong call must end: in a ValueError or TypeError that explains itself, with nothing changed."""

import numpy as np
import pytest

from minirnn import random, tree
from minirnn.layers import Layer


def snapshot(things) -> dict:
    """Return all that a call could have changed in layers, models, optimizers and arrays, and the seed."""
    found: dict = {f"global seed {n}": g.state.numpy().tobytes() for n, g in enumerate(random._global)}
    for number, thing in enumerate(things):
        if isinstance(thing, np.ndarray):
            found[f"array {number}"] = thing.tobytes()
            continue
        variables = [(v.path, v) for v in thing.variables]
        if isinstance(thing, Layer):
            for layer in thing._flatten_layers():
                # Whether a layer without weights says that it is built matters to nobody.
                found[f"{layer._where} built"] = layer.built and bool(layer.weights)
                states = tree.flatten(getattr(layer, "states", None))
                variables += [(f"{layer._where} states", s) for s in states if s is not None]
            optimizer = getattr(thing, "optimizer", None)
            if optimizer is not None:
                # Built, it has variables, all zeros; only their values count.
                found["iterations"] = int(optimizer.iterations)
                variables += [(v.path, v) for v in optimizer.variables if np.any(v.numpy())]
        for place, (path, v) in enumerate(variables):
            found[f"{place} {path}"] = (v.trainable, v.numpy().tobytes())
    return found


def check_refused(call, *words, unchanged=()):
    """Assert that a call is refused: by a ValueError or TypeError whose message has all these words.

    Parameters
    ----------
    call : callable
    words : str
        What the message must have in it; of ``"a|b"`` one.
    unchanged : tuple of Layer, Optimizer, Metric or array
        What must be as it was before.
    """
    before = snapshot(unchanged)
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    message = str(caught.value)
    # UnicodeError is a ValueError, but nobody's except clause expects it.
    assert not isinstance(caught.value, UnicodeError)
    assert len(message) > 20, f"the message explains nothing: {message!r}"
    for word in words:
        assert any(w.lower() in message.lower() for w in word.split("|")), f"no {word!r} in: {message}"
    after = snapshot(unchanged)
    changed = [k for k in {**before, **after} if before.get(k) != after.get(k)]
    assert not changed, f"{changed} changed before: {message}"
    return message
