"""Faults that are no mistake in the data: memory that ran out, and cuDNN that failed.

The errors stay what they are, of their own class, with all that is known of them. A note goes with them (see
``BaseException.add_note``; Python prints it below the message): where it was, what is left, and what to do.
"""

import traceback
from contextlib import contextmanager

from minirnn import tree

# How CUDA and its libraries say it where no MemoryError is raised.
_NO_MEMORY = ("cudaErrorMemoryAllocation", "ALLOC_FAILED", "OUT_OF_MEMORY", "out of memory")
SMALLER = "Choose a smaller batch_size or shorter sequences."
ACCUMULATE = (
    f"{SMALLER} With gradient_accumulation_steps an optimizer adds up the gradients of several batches. "
    "A stateful layer carries its state from one piece of a long sequence to the next."
)
IN_PARTS = "The outputs for all samples are kept at once: ask for those of a part of the samples at a time."


@contextmanager
def explained(where, batch=None, advice=SMALLER):
    """Add a note to an error of memory or of cuDNN that leaves a ``with`` block.

    Parameters
    ----------
    where : str
        The model and what it is doing.
    batch : structure of Tensor, optional
        What it is doing it with.
    advice : str
        What to do if there is no memory.
    """
    try:
        yield
    except Exception as error:
        no_memory = isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY)
        if no_memory:
            # The traceback would keep all that the step has computed for as long as the error is kept, in a
            # notebook until the next one, and the next call, however small, would find no memory either.
            traceback.clear_frames(error.__traceback__)
        if no_memory or _of_cudnn(error):
            error.add_note(_note(where, batch, advice if no_memory else None))
        raise


def _of_cudnn(error) -> bool:
    from minirnn.backend.cudnn import CuDNNError

    return isinstance(error, CuDNNError)


def _note(where, batch, advice) -> str:
    arrays = [f"{leaf.dtype} {tuple(leaf.shape)}" for leaf in tree.flatten(batch) if hasattr(leaf, "shape")]
    what = "cuDNN failed" if advice is None else "memory ran out"
    given = f" on arrays of {', '.join(arrays)}" if arrays else ""
    advice = advice or (
        "Without cuDNN the same layers run with use_cudnn=False, or inside of "
        '`with minirnn.kernels.use_tier("fused"):`.'
    )
    kept = "Weights, optimizer, metrics, states and seeds are as they were before."
    return f"{where}: {what}{given}. {kept} {advice}"
