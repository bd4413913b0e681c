"""Limits for gradients, by value and by norm."""

import numpy as np

from minirnn import backend
from minirnn.autograd import Tensor


def _norm(grads):
    """Return the norm of all gradients together, float64, on their device."""
    flat = [gradient.data.reshape(-1) for gradient in grads]
    # The squares of ordinary numbers pass the largest float16.
    flat = [g.astype("float32") if g.dtype.itemsize < 4 else g for g in flat]
    return backend.array_module(flat[0]).sqrt(sum(g.dot(g).astype("float64") for g in flat))


def _scaled(grads, norm, limit, offset=0.0) -> list[Tensor]:
    scale = limit / backend.array_module(norm).maximum(norm, limit) + offset
    return [Tensor(g.data * scale.astype(g.dtype)) for g in grads]


def clip(grads, clipvalue=None, clipnorm=None, global_clipnorm=None) -> list[Tensor]:
    """Return gradients within the limit that is given, if one is; see `Optimizer`."""
    if clipvalue is not None:
        return [Tensor(g.data.clip(-clipvalue, clipvalue)) for g in grads]
    if clipnorm is not None:
        return [_scaled([g], _norm([g]), clipnorm)[0] for g in grads]
    if global_clipnorm is not None and grads:
        norm = _norm(grads)
        # The difference is 0, but NaN for a norm of infinity, which is not to pass for a small step.
        with np.errstate(invalid="ignore"):
            return _scaled(grads, norm, global_clipnorm, norm - norm)
    return grads
