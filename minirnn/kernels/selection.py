"""Which kernel runs a recurrent layer, and why not a faster one.

A layer or cell is known here by what it says of itself: ``fused_kernel``, the name of a whole-sequence
kernel, and the options of Keras's SimpleRNN, GRU and LSTM.
"""

import threading
from contextlib import contextmanager
from functools import cached_property

from minirnn import backend
from minirnn.autograd import Tensor
from minirnn.kernels import activations
from minirnn.kernels.padding import padding_of

# From the fastest to the one that runs everything.
TIERS = ("cudnn", "fused", "generic")
# Of all kernels but the generic one, which takes any.
_DTYPES = ("float16", "float32", "float64")


class _Limit(threading.local):
    fastest = 0


_limit = _Limit()


@contextmanager
def use_tier(tier):
    """Hold recurrent layers to a tier, or slower ones, in a ``with`` block of this thread.

    Parameters
    ----------
    tier : str
        "cudnn", which is no limit; "fused"; or "generic", whose gradients have gradients.

    Raises
    ------
    ValueError
        If there is no such tier.
    """
    if tier not in TIERS:
        raise ValueError(f"kernels.use_tier: tier must be one of {', '.join(TIERS)}; got {tier!r}.")
    before, _limit.fastest = _limit.fastest, TIERS.index(tier)
    try:
        yield
    finally:
        _limit.fastest = before


class Choice:
    """The tier that runs a layer, and why no faster one does.

    Attributes
    ----------
    tier : str
        One of `TIERS`.
    reasons : dict of str to list of str
        For each faster tier the conditions that are not met, a sentence each.
    """

    def __init__(self, tier, layer, inputs, mask):
        self.tier = tier
        self._call = layer, inputs, mask

    @cached_property
    def reasons(self) -> dict[str, list[str]]:
        # Most calls never ask, so the sentences are made only here.
        return {tier: list(_unmet(tier, *self._call)) for tier in TIERS[: TIERS.index(self.tier)]}

    def __str__(self):
        layer = self._call[0]
        lines = [f"{type(layer).__name__} {layer.name!r} runs on the {self.tier} kernel."]
        for tier, reasons in self.reasons.items():
            lines += [f"Not on {tier}:", *(f"  - {reason}" for reason in reasons)]
        return "\n".join(lines)

    def __repr__(self):
        return f"<Choice {self.tier}, reasons={self.reasons}>"


def select(layer, inputs=None, mask=None) -> Choice:
    """Return the fastest tier that may run a recurrent layer.

    Parameters
    ----------
    layer : RNN
    inputs : Tensor or structure of Tensor, optional
        What it is called on; without it, what does not depend on the inputs is looked at.
    mask : Tensor, bool, shape (batch, time), optional
    """
    for tier in TIERS:
        if next(_unmet(tier, layer, inputs, mask), None) is None:
            break
    return Choice(tier, layer, inputs, mask)


def _unmet(tier, layer, inputs, mask):
    """Yield the conditions for a tier that are not met, the cheapest to find out first."""
    fastest = TIERS[_limit.fastest]
    if TIERS.index(tier) < _limit.fastest:
        yield f"kernels.use_tier({fastest!r}) holds layers to that tier or slower ones."
    if tier == "cudnn":
        yield from _unmet_by_cudnn(layer, inputs, mask)
    elif tier == "fused":
        yield from _unmet_by_fused(layer, inputs)


def _unmet_by_fused(layer, inputs):
    if not _has_kernel(layer):
        yield _no_kernel(layer)
        return
    cell = layer.cell
    for option in _activations(cell):
        name = _activation_name(getattr(cell, option))
        if name is None:
            yield f"{option} is a function of one's own; the kernel knows the built-in ones."
        elif not activations.supported(name):
            yield f"{option} is {name}: {activations.why_not(name)}."
    yield from _unmet_dtype(layer, inputs)


def _unmet_by_cudnn(layer, inputs, mask):
    device = backend.backend_of(inputs.data) if isinstance(inputs, Tensor) else backend.current()
    if device.name == "numpy":
        yield "There is no GPU: the backend is numpy, whose arrays are in the host's memory."
    if device.cudnn is None:
        yield f"There is no library: {device.why_no_cudnn}"
    if getattr(layer, "use_cudnn", "auto") is False:
        yield "The layer was made with use_cudnn=False."
    if not _has_kernel(layer):
        yield _no_kernel(layer)
        return
    cell = layer.cell
    simple = layer.fused_kernel == "simple_rnn"
    wanted = {"activation": ("tanh", "relu") if simple else ("tanh",), "recurrent_activation": ("sigmoid",)}
    for option in _activations(cell):
        function = getattr(cell, option)
        if _activation_name(function) not in wanted[option]:
            got = getattr(function, "__name__", type(function).__name__)
            yield f"{option} must be {' or '.join(wanted[option])}; it is {got}."
    if cell.recurrent_dropout > 0:
        yield f"recurrent_dropout must be 0; it is {cell.recurrent_dropout}."
    if cell.dropout > 0 and cell.dropout_mask_count is not None:
        yield "implementation must be 2 where there is dropout; with 1 each gate drops other inputs."
    if layer.unroll:
        yield "unroll must be False; it is True."
    if not getattr(cell, "reset_after", True):
        yield "reset_after must be True; it is False."
    yield from _unmet_dtype(layer, inputs)
    if isinstance(inputs, Tensor) and 0 in inputs.data.shape:
        yield f"The inputs must not be empty; their shape is {inputs.data.shape}."
    if mask is not None and not padding_of(mask).right:
        yield "The mask must be strictly right-padded: in each row all True steps come first."


def _has_kernel(layer) -> bool:
    # A subclass of a built-in cell may compute anything, so the cell's own class must say that it has one.
    cell = layer.cell
    kernel = getattr(layer, "fused_kernel", None)
    own = type(cell).__dict__.get("fused_kernel")
    return kernel is not None and kernel == own and "call" not in cell.__dict__


def _no_kernel(layer) -> str:
    return (
        f"{type(layer).__name__} steps through its {type(layer.cell).__name__}: whole-sequence kernels are "
        "for the layers SimpleRNN, GRU and LSTM with their own cells."
    )


def _activations(cell) -> tuple[str, ...]:
    return (
        ("activation", "recurrent_activation") if hasattr(cell, "recurrent_activation") else ("activation",)
    )


def _activation_name(function) -> str | None:
    """Return the name of a built-in activation; None for any other function."""
    return function.__name__ if getattr(function, "__module__", "") == "minirnn.activations" else None


def _unmet_dtype(layer, inputs):
    dtype = layer.cell.compute_dtype
    if dtype not in _DTYPES:
        yield f"dtype must be one of {', '.join(_DTYPES)}; it is {dtype}."
    elif isinstance(inputs, Tensor) and inputs.data.dtype.kind == "f" and inputs.data.dtype != dtype:
        yield f"The inputs must be of the layer's dtype {dtype}; they are {inputs.data.dtype.name}."
