r"""The simple recurrent network over a whole sequence, forward and backward.

Elman 1990, with the letters of Goodfellow et al. 2016, section 10.2, but for W and U, which are Keras's
kernel and recurrent kernel here: input x, state h, a before its activation φ; ⊙ is elementwise.

Forward::

    aᵗ = b + U hᵗ⁻¹ + W xᵗ
    hᵗ = φ(aᵗ)

Backward, with Δᵗ the gradient that reaches hᵗ from above::

    δaᵗ = δhᵗ ⊙ φ'(aᵗ)
    δhᵗ⁻¹ = Δᵗ⁻¹ + Uᵀ δaᵗ
    δxᵗ = Wᵀ δaᵗ,    δW = Σₜ δaᵗ xᵗᵀ,    δU = Σₜ δaᵗ hᵗ⁻¹ᵀ,    δb = Σₜ δaᵗ

φ' is computed for a block of steps at once.

References
----------
Elman 1990, "Finding Structure in Time", Cognitive Science 14(2).
Goodfellow, Bengio and Courville 2016, "Deep Learning", equations 10.8, 10.9 and 10.22 to 10.28.
"""

from dataclasses import dataclass
from typing import Any

from minirnn.kernels import activations
from minirnn.kernels.activations import Activation
from minirnn.kernels.common import (
    Cotangents,
    Residuals,
    Sequence,
    StepInputs,
    pull_back,
    run_backward,
    run_forward,
)
from minirnn.kernels.packing import compute_dtype, remember


def forward(
    x_BTD,
    h0_BH,
    kernel_DH,
    recurrent_kernel_HH,
    bias_H,
    input_dropout,
    recurrent_dropout,
    mask_BT,
    *,
    keep,
    xp,
    activation="tanh",
    go_backwards=False,
    return_sequences=False,
    zero_output_for_mask=False,
):
    """Run a simple recurrent network over a sequence.

    Parameters
    ----------
    x_BTD : array, shape (batch, time, features), float
        The input; float16 is computed in float32.
    h0_BH : array, shape (batch, units)
        The initial state.
    kernel_DH, recurrent_kernel_HH, bias_H : array
        Keras's weights, shapes (features, units), (units, units), (units,). The bias may be None. They
        are packed once and remembered by identity: never write to an array that was passed here.
    input_dropout, recurrent_dropout : array or None
        Masks, scaled, the same at all steps: shape (batch, features) and (batch, units).
    mask_BT : array, bool, or None
        False where a step carries its state over, which is then its output; before the first True that
        is the initial state.
    keep : bool
        Whether a backward pass will follow; if not, memory does not grow with time.
    xp : module
        numpy or one like it, whose arrays all of these are.
    activation : str
        A name in `activations.ELEMENTWISE`.
    go_backwards : bool
        Whether time is processed from the end; outputs are in the order of processing.
    return_sequences : bool
        Whether the output is that of all steps, or of the last.
    zero_output_for_mask : bool
        Whether outputs at masked steps are zero.

    Returns
    -------
    outputs : tuple of array
        Output (batch, time, units) or (batch, units), and the last state, (batch, units).
    residuals : Residuals or None
        What `backward` takes; None unless `keep`.
    """
    φ = activations.get(activation)
    weights_HK = _pack(xp, kernel_DH, recurrent_kernel_HH, bias_H)
    return run_forward(
        lambda sequence, weights_HK: _forward_rows(sequence, weights_HK, φ),
        weights_HK,
        x_BTD,
        (h0_BH,),
        input_dropout,
        recurrent_dropout,
        mask_BT,
        work=weights_HK.size,
        keep=keep,
        xp=xp,
        go_backwards=go_backwards,
        return_sequences=return_sequences,
        zero_output_for_mask=zero_output_for_mask,
    )


def backward(residuals, cotangents, needs):
    """Return the gradients of the arrays that `forward` took.

    Parameters
    ----------
    residuals : Residuals
        From `forward`; not changed, so that it may be used again.
    cotangents : tuple of (array or None)
        The gradients of the two outputs.
    needs : tuple of bool
        Which of the eight arrays' gradients are wanted.

    Returns
    -------
    tuple of (array or None)
        Eight gradients in the order of the arguments, None for masks and for what is not needed.
    """
    dx_BTD, (dh0_BH,), dweights = run_backward(_backward_rows, residuals, cotangents, needs)
    gradients = (dx_BTD, dh0_BH, *_unpack(residuals, *dweights), None, None, None)
    return tuple(gradient if need else None for gradient, need in zip(gradients, needs))


@dataclass(slots=True)
class _Kept:
    """What the steps of some rows leave for the backward pass."""

    φ: Activation
    v: StepInputs
    a_THB: Any  # None where the derivative does not need it


def _forward_rows(sequence: Sequence, weights_HK, φ: Activation) -> _Kept:
    _, T, H = sequence.sizes
    S, N = sequence.state_slots, sequence.step_slots
    v = StepInputs(sequence, order=(0,))
    a_NHB = sequence.xp.empty((N, H, len(sequence.x_BTD)), sequence.dtype) if φ.reads_input else None

    for t in range(T):
        old, new = t % S, (t + 1) % S
        h = v.h_SHB[new]
        a = h if a_NHB is None else a_NHB[t % N]
        sequence.xp.matmul(weights_HK, v.at(t)[0], out=a)
        φ.forward(sequence.xp, a, h)
        sequence.hold(t, h, v.h_SHB[old])
        sequence.emit(t, h)

    sequence.finish(v.h_SHB[T % S])
    return _Kept(φ, v, a_NHB)


def _backward_rows(kept: _Kept, weights_HK, cotangents: Cotangents):
    xp, v = cotangents.sequence.xp, kept.v
    H = len(weights_HK)
    U_PHH = weights_HK[None, :, :H].swapaxes(1, 2)
    W_PDH = weights_HK[None, :, H + 1 :].swapaxes(1, 2)
    dweights_HK = xp.zeros_like(weights_HK)

    (δh,) = cotangents.states_HB
    held_HB = xp.empty_like(δh)
    for steps in cotangents.blocks(1):
        Δ_LHB, masked_L1B = cotangents.outputs(steps), cotangents.masked(steps)
        h_LHB = v.h_SHB[steps.start + 1 : steps.stop + 1]
        factors_LHB = xp.empty(h_LHB.shape, h_LHB.dtype)
        kept.φ.derivative(xp, h_LHB, None if kept.a_THB is None else kept.a_THB[steps], factors_LHB)
        if masked_L1B is not None:
            xp.copyto(factors_LHB, 0, where=masked_L1B)
        δa_LPHB = factors_LHB[:, None]  # each step turns its factors into gradients, in place

        for l in reversed(range(len(factors_LHB))):
            if Δ_LHB is not None:
                xp.add(δh, Δ_LHB[l], out=δh)
            if masked_L1B is not None:
                xp.multiply(δh, masked_L1B[l], out=held_HB)
            xp.multiply(δh, factors_LHB[l], out=δa_LPHB[l, 0])
            pull_back(xp, U_PHH, δa_LPHB[l], v.recurrent_dropout_PHB, out=δh)
            if masked_L1B is not None:
                xp.add(δh, held_HB, out=δh)

        cotangents.to_weights(dweights_HK[None], δa_LPHB, v.columns_SPKB[steps])
        cotangents.to_inputs(steps, W_PDH, δa_LPHB, v.input_dropout_PDB)
    return (dweights_HK,)


@remember
def _pack(xp, kernel_DH, recurrent_kernel_HH, bias_H):
    """Return ``[U | b | W]``."""
    D, H = kernel_DH.shape
    weights_HK = xp.zeros((H, H + 1 + D), compute_dtype(kernel_DH.dtype))
    weights_HK[:, :H] = recurrent_kernel_HH.T
    weights_HK[:, H + 1 :] = kernel_DH.T
    if bias_H is not None:
        weights_HK[:, H] = bias_H
    return weights_HK


def _unpack(residuals: Residuals, dweights_HK):
    """Return the gradients of kernel, recurrent kernel and bias."""
    gradient_KH = residuals.sequence.xp.ascontiguousarray(dweights_HK.T)
    H = gradient_KH.shape[1]
    return gradient_KH[H + 1 :], gradient_KH[:H], gradient_KH[H]
