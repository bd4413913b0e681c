"""Limits for gradients, by value and by norm."""

import math

from minirnn.autograd import Tensor


def _norm(grads) -> float:
    """Return the norm of all gradients together."""
    total = 0.0
    for gradient in grads:
        flat = gradient.data.reshape(-1)
        total += float(flat.dot(flat))
    return math.sqrt(total)


def clip(grads, clipvalue=None, clipnorm=None, global_clipnorm=None) -> list[Tensor]:
    """Return gradients within the limit that is given, if one is; see `Optimizer`."""
    if clipvalue is not None:
        return [Tensor(g.data.clip(-clipvalue, clipvalue)) for g in grads]
    if clipnorm is not None:
        return [Tensor(g.data * (clipnorm / max(_norm([g]), clipnorm))) for g in grads]
    if global_clipnorm is not None:
        norm = _norm(grads)
        # The difference is 0, but NaN for a norm of infinity, which is not to pass for a small step.
        scale = global_clipnorm / max(norm, global_clipnorm) + (norm - norm)
        return [Tensor(g.data * scale) for g in grads]
    return grads
