"""The generic loop: any cell, one step at a time on the graph. Faster kernels are held to what it gives."""

from minirnn import tree
from minirnn.autograd import primitives as P
from minirnn.autograd.primitive import align, convert
from minirnn.backend import blas


@blas.by_size()
def rnn_loop(
    step,
    inputs,
    states,
    mask=None,
    *,
    go_backwards=False,
    zero_output_for_mask=False,
    return_all=False,
    output_before=None,
):
    """Run a step function along the time axis of its inputs.

    Parameters
    ----------
    step : callable
        ``step(inputs_at_t, states) -> (output, new_states)``; new states in the structure of `states`.
    inputs : Tensor or structure of Tensor, shapes (batch, time, ...)
    states : structure of Tensor, shapes (batch, ...)
    mask : Tensor, bool, shape (batch, time), optional
        False where a step does not count: the states stay, and the output is that of the step before.
    go_backwards : bool
        Whether time is processed from the end; outputs are in the order of processing.
    zero_output_for_mask : bool
        Whether the output of a step that does not count is zero instead.
    return_all : bool
        Whether the output of all steps is returned, or that of the last.
    output_before : Tensor, optional
        What stands for the output of the step before the first, if it has the form of an output; zeros
        otherwise.

    Returns
    -------
    output : structure of Tensor, shapes (batch, ...), or (batch, time, ...) with `return_all`
    states : structure of Tensor
        After the last step.
    """
    flat = tree.flatten(inputs)
    if mask is not None:
        flat = [_finite_where_masked(x, mask) for x in flat]
    xs = [P.unstack(x, axis=1) for x in flat]
    counts = None if mask is None else P.unstack(mask, axis=1)
    times = range(len(xs[0]))
    before, outputs, form = None, [], None
    for t in reversed(times) if go_backwards else times:
        form, new_states = step(tree.pack_sequence_as(inputs, [x[t] for x in xs]), states)
        output = [convert(y) for y in tree.flatten(form)]
        if counts is None:
            states = new_states
        else:
            if zero_output_for_mask:
                before = [P.zeros_like(y) for y in output]
            elif before is None:
                before = _outputs_before(output, output_before)
            output = [_choose(counts[t], y, old) for y, old in zip(output, before)]
            kept = zip(tree.flatten(new_states), tree.flatten(states), strict=True)
            states = tree.pack_sequence_as(states, [_choose(counts[t], new, old) for new, old in kept])
            before = output
        if return_all:
            outputs.append(output)
        else:
            outputs = [output]
    if return_all:
        last = [P.stack(*ys, axis=1) for ys in zip(*outputs)]
    else:
        last = outputs[0]
    return tree.pack_sequence_as(form, last), states


def _finite_where_masked(x, mask):
    """Return `x` with 0 for each nan and inf in steps that do not count.

    Their outputs are dropped, but in the reverse pass 0 times nan would be nan.
    """
    if x.dtype.kind != "f":
        return x
    finite = P.isfinite(x)
    if P.all(finite):
        return x
    counts = P.reshape(mask, shape=mask.shape + (1,) * (x.ndim - 2))
    return P.where(P.logical_or(finite, counts), x, P.zeros_like(x))


def _choose(counts, new, old):
    """Return `new` in the rows where the step counts and `old` in the others."""
    new, old = align(new, old)
    return P.where(P.reshape(counts, shape=counts.shape + (1,) * (new.ndim - 1)), new, old)


def _outputs_before(output, candidate):
    """Return what a step repeats that does not count and has no step before it that does.

    Keras on JAX takes the first state. That is the output of the step before for all cells whose output is
    their first state, so that a sequence in pieces gives what the whole gives. Other cells get zeros.
    """
    if candidate is not None and len(output) == 1 and candidate.shape == output[0].shape:
        return [candidate]
    return [P.zeros_like(y) for y in output]
