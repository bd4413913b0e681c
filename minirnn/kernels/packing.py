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


def to_keras(xp, gradient_GHN, order: tuple[int, ...]):
    """Return a gradient of what `from_keras` made as one of what it took.

    It stays in the dtype of the kernel: weights that were cast to float16 for it may be kept in float32.
    """
    G, H, N = gradient_GHN.shape
    gradient_NGH = xp.empty((N, G, H), gradient_GHN.dtype)
    gradient_NGH[:, list(order)] = gradient_GHN.transpose(2, 0, 1)
    return gradient_NGH.reshape(N, G * H)


def remember(pack):
    """Cache ``pack(xp, *arrays, **parameters)`` for as long as all the arrays live, by their identity.

    A Variable's array is replaced, never written to, so the same array means the same weights. A model
    that takes one short step a call would spend more time packing weights than computing.
    """
    packed = {}

    def remembered(xp, *arrays, **parameters):
        key = (*map(id, arrays), *parameters.values())
        found, watchers = packed.get(key, (None, ()))
        # An interrupt during `forget` is lost, and so is what it was to do; then a new array may have the id
        # of one that is gone.
        if found is None or any(watcher() is None for watcher in watchers):

            def forget(_):
                packed.pop(key, None)

            found = pack(xp, *arrays, **parameters)
            packed[key] = found, [weakref.ref(array, forget) for array in arrays if array is not None]
        return found

    return remembered
