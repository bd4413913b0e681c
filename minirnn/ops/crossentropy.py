"""Cross-entropies between targets and predictions, of which the losses are made."""

from minirnn import config
from minirnn.autograd import Tensor
from minirnn.autograd import primitives as P
from minirnn.autograd.primitive import convert, convert_float
from minirnn.ops.arguments import one_axis, wide_float
from minirnn.ops.elementwise import clip
from minirnn.ops.nn import log_softmax
from minirnn.ops.symbolic import op


def _probability(x: Tensor) -> Tensor:
    """Return `x` kept so far from 0 and 1 that the logarithms of both ends are finite."""
    epsilon = config.epsilon()
    return clip(x, epsilon, 1.0 - epsilon)


def _pair(name, target, output):
    output = wide_float(output)
    target = convert(target, output.dtype)
    if target.shape != output.shape:
        raise ValueError(
            f"{name}: target and output must have one shape; got {target.shape} and {output.shape}."
        )
    return target, output


@op
def binary_crossentropy(target, output, from_logits=False) -> Tensor:
    """Return −target · log(p) − (1 − target) · log(1 − p), element by element.

    Parameters
    ----------
    target : Tensor or array
        0 or 1, or a probability.
    output : Tensor or array, of the same shape
        The probability p, or with `from_logits` its logit.
    from_logits : bool

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    dtype = convert_float(output).dtype
    target, output = _pair("binary_crossentropy", target, output)
    if from_logits:
        loss = target * P.softplus(-output) + (1.0 - target) * P.softplus(output)
    else:
        p = _probability(output)
        loss = -(target * P.log(p) + (1.0 - target) * P.log(1.0 - p))
    return convert(loss, dtype)


def _log_probability(output, from_logits, axis) -> Tensor:
    if from_logits:
        return log_softmax(output, axis)
    return P.log(_probability(output / P.sum(output, axis=axis, keepdims=True)))


@op
def categorical_crossentropy(target, output, from_logits=False, axis=-1) -> Tensor:
    """Return −Σ target · log(p) over the classes.

    Parameters
    ----------
    target : Tensor or array, shape (..., classes)
        One-hot, or probabilities.
    output : Tensor or array, of the same shape
        Probabilities, which are divided by their sum; or with `from_logits` what softmax takes.
    from_logits : bool
    axis : int
        The axis of classes.

    Returns
    -------
    Tensor, shape (...)

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    dtype = convert_float(output).dtype
    target, output = _pair("categorical_crossentropy", target, output)
    axis = one_axis("categorical_crossentropy", axis, output.ndim)
    loss = -P.sum(target * _log_probability(output, from_logits, axis), axis=axis)
    return convert(loss, dtype)


@op
def sparse_categorical_crossentropy(target, output, from_logits=False, axis=-1) -> Tensor:
    """Return −log of the probability of the target class.

    Parameters
    ----------
    target : array of int, shape (...) or (..., 1)
    output : Tensor or array, shape (..., classes)
        Probabilities, which are divided by their sum; or with `from_logits` what softmax takes.
    from_logits : bool
    axis : int
        The axis of classes.

    Returns
    -------
    Tensor, shape (...)

    Raises
    ------
    ValueError
        If the shapes do not match, or a target is not from 0 to classes − 1.
    """
    name = "sparse_categorical_crossentropy"
    output = convert_float(output)
    target = convert(target).data.astype("int64")
    axis = one_axis(name, axis, output.ndim)
    expected = output.shape[:axis] + output.shape[axis + 1 :]
    if target.ndim == output.ndim and target.shape[-1] == 1:
        target = target[..., 0]
    if target.shape != expected:
        raise ValueError(
            f"{name}: target must have shape {expected}, that of output without its axis of classes; "
            f"got {target.shape} for output of {output.shape}."
        )
    classes = output.shape[axis]
    if ((target < 0) | (target >= classes)).any():
        raise ValueError(
            f"{name}: targets must be from 0 to {classes - 1}, the output having {classes} classes; "
            f"got {int(target.min())} to {int(target.max())}."
        )
    return minus_log_probability(target, output, from_logits, axis)


def minus_log_probability(labels, output: Tensor, from_logits, axis) -> Tensor:
    """Return what `sparse_categorical_crossentropy` does, of raw labels known to be from 0 to classes − 1."""
    log_p = _log_probability(wide_float(output), from_logits, axis)
    index = labels.astype("int64", copy=False).reshape(labels.shape[:axis] + (1,) + labels.shape[axis:])
    chosen = P.take_along_axis(log_p, indices=index, axis=axis)
    return convert(-P.reshape(chosen, shape=labels.shape), output.dtype)
