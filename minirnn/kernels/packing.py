"""Keras's weights in the layout of a kernel, and remembered there."""

import weakref

import numpy as np


def compute_dtype(dtype):
    """Return the dtype that a kernel computes in: float16 is stored, but computed in float32."""
    return np.dtype("float32") if dtype == np.float16 else dtype


def from_keras(weights_NX, order: tuple[int, ...]):
    """Return Keras's weights, shape (N, gates · units), as (gates, units, N) with gates in that order."""
    N, X = weights_NX.shape
    return weights_NX.reshape(N, len(order), X // len(order)).transpose(1, 2, 0)[list(order)]


def to_keras(xp, gradient_GHN, order: tuple[int, ...], dtype):
    """Return a gradient of what `from_keras` made as one of what it took, in `dtype`."""
    G, H, N = gradient_GHN.shape
    gradient_NGH = xp.empty((N, G, H), dtype)
    gradient_NGH[:, list(order)] = gradient_GHN.transpose(2, 0, 1)
    return gradient_NGH.reshape(N, G * H)


def remember(pack):
    """Cache ``pack(xp, *arrays)`` for as long as all the arrays live, by their identity.

    A Variable's array is replaced, never written to, so the same array means the same weights. A model
    that takes one short step a call would spend more time packing weights than computing.
    """
    packed, watchers = {}, {}

    def remembered(xp, *arrays):
        key = tuple(map(id, arrays))
        found = packed.get(key)
        if found is None:

            def forget(_):
                packed.pop(key, None)
                watchers.pop(key, None)

            found = pack(xp, *arrays)
            watchers[key] = [weakref.ref(array, forget) for array in arrays if array is not None]
            packed[key] = found
        return found

    return remembered
