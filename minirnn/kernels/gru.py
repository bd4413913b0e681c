r"""The GRU over a whole sequence, forward and backward.

In the notation of Cho et al. 2014, section 2.3: input x, state h, update gate z, reset gate r, candidate h̃
(n in the code); ⊙ is elementwise, a bar marks a value before its activation, σ is `recurrent_activation`,
φ is `activation`. The paper resets the state before the recurrent product (`reset_after` false); cuDNN
resets the product, which then has a bias of its own (`reset_after` true).

Forward::

    z̄ᵗ = Wz xᵗ + Uz hᵗ⁻¹ + bz        zᵗ = σ(z̄ᵗ)                    update gate
    r̄ᵗ = Wr xᵗ + Ur hᵗ⁻¹ + br        rᵗ = σ(r̄ᵗ)                    reset gate
    mᵗ = U (rᵗ ⊙ hᵗ⁻¹)               n̄ᵗ = W xᵗ + b + mᵗ            reset before
    mᵗ = U hᵗ⁻¹ + bm                 n̄ᵗ = W xᵗ + b + rᵗ ⊙ mᵗ       reset after
    nᵗ = φ(n̄ᵗ)                                                     candidate
    hᵗ = zᵗ ⊙ hᵗ⁻¹ + (1 - zᵗ) ⊙ nᵗ                                 state

Backward, with Δᵗ the gradient that reaches hᵗ from above::

    δn̄ᵗ = δhᵗ ⊙ (1 - zᵗ) ⊙ φ'(n̄ᵗ)
    δz̄ᵗ = δhᵗ ⊙ (hᵗ⁻¹ - nᵗ) ⊙ σ'(z̄ᵗ)
    δmᵗ = δn̄ᵗ                        δr̄ᵗ = Uᵀ δmᵗ ⊙ hᵗ⁻¹ ⊙ σ'(r̄ᵗ)    reset before
    δmᵗ = δn̄ᵗ ⊙ rᵗ                   δr̄ᵗ = δn̄ᵗ ⊙ mᵗ ⊙ σ'(r̄ᵗ)         reset after
    δhᵗ⁻¹ = Δᵗ⁻¹ + δhᵗ ⊙ zᵗ + Uzᵀ δz̄ᵗ + Urᵀ δr̄ᵗ + (Uᵀ δmᵗ ⊙ rᵗ before, Uᵀ δmᵗ after)
    δxᵗ = Wzᵀ δz̄ᵗ + Wrᵀ δr̄ᵗ + Wᵀ δn̄ᵗ
    δW = Σₜ δᵗ xᵗᵀ,    δU = Σₜ δᵗ hᵗ⁻¹ᵀ (of mᵗ, reset before: (rᵗ ⊙ hᵗ⁻¹)ᵀ),    δb = Σₜ δᵗ

All that multiplies δh is known before the backward pass begins, and is computed for a block of steps at
once. Values are stored in the order m, z, r, n: the recurrent weights act on the first three, the input
weights on the last three, and both on the gates between. Keras stores z, r, n.

References
----------
Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine
Translation", arXiv:1406.1078; its first version has reset after.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

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
from minirnn.kernels.packing import compute_dtype, from_keras, remember, to_keras

# Where Keras keeps the weights of each.
_MZR, _ZRN = (2, 0, 1), (0, 1, 2)
_MZRN = (2, 0, 1, 2)


def forward(
    x_BTD,
    h0_BH,
    kernel_DG,
    recurrent_kernel_HG,
    bias,
    input_dropout,
    recurrent_dropout,
    mask_BT,
    *,
    keep,
    xp,
    activation="tanh",
    recurrent_activation="sigmoid",
    reset_after=True,
    go_backwards=False,
    return_sequences=False,
    zero_output_for_mask=False,
):
    """Run a GRU over a sequence.

    Parameters
    ----------
    x_BTD : array, shape (batch, time, features), float
        The input; float16 is computed in float32.
    h0_BH : array, shape (batch, units)
        The initial state.
    kernel_DG, recurrent_kernel_HG, bias : array
        Keras's weights, shapes (features, 3 units), (units, 3 units), and (2, 3 units) with `reset_after`
        (of the input, of the recurrence), else (3 units,); gates in the order z, r, h. The bias may be
        None. They are packed once and remembered by identity: never write to an array passed here.
    input_dropout, recurrent_dropout : array or None
        Masks, scaled, the same at all steps: shape (batch, features) and (batch, units), or with a
        leading axis of 3, a mask for each gate in Keras's order.
    mask_BT : array, bool, or None
        False where a step carries its state over, which is then its output; before the first True that
        is the initial state.
    keep : bool
        Whether a backward pass will follow; if not, memory does not grow with time.
    xp : module
        numpy or one like it, whose arrays all of these are.
    activation, recurrent_activation : str
        Names in `activations.ELEMENTWISE`.
    reset_after : bool
        Whether the reset gate acts after the recurrent product.
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
    φ, σ = activations.get(activation), activations.get(recurrent_activation)
    weights = _pack(xp, kernel_DG, recurrent_kernel_HG, bias)
    return run_forward(
        lambda sequence, weights: _forward_rows(sequence, weights, φ, σ, reset_after),
        weights,
        x_BTD,
        (h0_BH,),
        input_dropout,
        recurrent_dropout,
        mask_BT,
        work=kernel_DG.size + recurrent_kernel_HG.size,
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


class _Weights(NamedTuple):
    """The packed weights, each for the part of the columns ``[h | 1 | x]`` that it acts on."""

    U_3HK: Any  # [U | bm] of m, z, r; the bias of z and r is in both this and W, and acts through UW
    W_3HK: Any  # [b | W] of z, r, n
    UW_2HK: Any  # [U | b | W] of z, r


@dataclass(slots=True)
class _Kept:
    """What the steps of some rows leave for the backward pass."""

    φ: Activation
    σ: Activation
    v: StepInputs
    bars_T4HB: Any  # before activation; the same array as `gates_T4HB` where derivatives do not need it
    gates_T4HB: Any
    reset_h_THB: Any  # r ⊙ h with reset before, else None


def _forward_rows(sequence: Sequence, weights: _Weights, φ: Activation, σ: Activation, reset_after) -> _Kept:
    xp = sequence.xp
    B, T, H = sequence.sizes
    S, N = sequence.state_slots, sequence.step_slots
    v = StepInputs(sequence, _MZRN)
    zr_PQK, zr_copies = v.by_copy(weights.UW_2HK), v.copies(1, 3)
    m_HK, n_HK = weights.U_3HK[0], weights.W_3HK[2]

    gates_N4HB = xp.empty((N, 4, H, B), sequence.dtype)
    bars_N4HB = xp.empty_like(gates_N4HB) if φ.reads_input or σ.reads_input else gates_N4HB
    reset_h_NHB = None if reset_after else xp.empty((N, H, B), sequence.dtype)
    scratch_HB = xp.empty((H, B), sequence.dtype)

    for t in range(T):
        k, old, new = t % N, t % S, (t + 1) % S
        columns_PKB = v.at(t)
        zr_bar, n_bar = bars_N4HB[k, 1:3], bars_N4HB[k, 3]
        m, z, r, n = gates_N4HB[k]
        h_old, h = v.h_SHB[old], v.h_SHB[new]
        xp.matmul(zr_PQK, columns_PKB[zr_copies], out=v.by_copy(zr_bar))
        σ.forward(xp, zr_bar, gates_N4HB[k, 1:3])
        xp.matmul(n_HK, columns_PKB[-1, H:], out=n_bar)
        if reset_h_NHB is None:
            xp.matmul(m_HK, columns_PKB[0, : H + 1], out=m)
            xp.multiply(r, m, out=scratch_HB)
            xp.add(n_bar, scratch_HB, out=n_bar)
        else:
            xp.multiply(r, columns_PKB[0, :H], out=reset_h_NHB[k])
            xp.matmul(m_HK[:, :H], reset_h_NHB[k], out=m)
            xp.add(n_bar, m, out=n_bar)
        φ.forward(xp, n_bar, n)
        xp.subtract(h_old, n, out=h)  # z ⊙ h + (1 - z) ⊙ n = n + z ⊙ (h - n)
        xp.multiply(h, z, out=h)
        xp.add(h, n, out=h)
        sequence.hold(t, h, h_old)
        sequence.emit(t, h)

    sequence.finish(v.h_SHB[T % S])
    return _Kept(φ, σ, v, bars_N4HB, gates_N4HB, reset_h_NHB)


def _backward_rows(kept: _Kept, weights: _Weights, cotangents: Cotangents):
    xp, v = cotangents.sequence.xp, kept.v
    _, _, H = cotangents.sequence.sizes
    reset_before = kept.reset_h_THB is not None
    first = 1 if reset_before else 0  # of m, z, r: from which on U acts on h itself
    m_HH = weights.U_3HK[0, :, :H]
    U_copies, W_copies = v.copies(first, 3), v.copies(1, 4)
    U_PHQ = v.by_copy(weights.U_3HK[first:, :, :H]).swapaxes(1, 2)
    W_PDQ = v.by_copy(weights.W_3HK[:, :, 1:]).swapaxes(1, 2)
    h_dropout = None if v.recurrent_dropout_PHB is None else v.recurrent_dropout_PHB[U_copies]
    x_dropout = None if v.input_dropout_PDB is None else v.input_dropout_PDB[W_copies]
    dU_3HK, dW_3HK = xp.zeros_like(weights.U_3HK), xp.zeros_like(weights.W_3HK)

    (δh,) = cotangents.states_HB
    carried_HB, δreset_h = xp.empty_like(δh), xp.empty_like(δh)
    for steps in cotangents.blocks(4):
        Δ_LHB, masked_L1B = cotangents.outputs(steps), cotangents.masked(steps)
        factors_L4HB, z_LHB, r_LHB = _factors(xp, kept, steps, masked_L1B)
        δ_L4HB = factors_L4HB  # each step turns its factors into gradients, in place
        δU_LPQB, δW_LPQB = v.by_copy(δ_L4HB[:, first:3]), v.by_copy(δ_L4HB[:, 1:])

        for l in reversed(range(len(δ_L4HB))):
            if Δ_LHB is not None:
                xp.add(δh, Δ_LHB[l], out=δh)
            xp.multiply(δh, z_LHB[l], out=carried_HB)
            if reset_before:
                xp.multiply(δh, factors_L4HB[l, :2], out=δ_L4HB[l, :2])
                δ_L4HB[l, 3] = δ_L4HB[l, 0]
                xp.matmul(m_HH.T, δ_L4HB[l, 0], out=δreset_h)
                xp.multiply(δreset_h, factors_L4HB[l, 2], out=δ_L4HB[l, 2])
                xp.multiply(δreset_h, r_LHB[l], out=δreset_h)
                xp.add(carried_HB, δreset_h, out=carried_HB)
            else:
                xp.multiply(δh, factors_L4HB[l], out=δ_L4HB[l])
            pull_back(xp, U_PHQ, δU_LPQB[l], h_dropout, out=δh)
            xp.add(δh, carried_HB, out=δh)

        columns_LPKB = v.columns_SPKB[steps]
        if reset_before:
            cotangents.to_weights(dU_3HK[:1, :, :H], δ_L4HB[:, :1], kept.reset_h_THB[steps, None])
        cotangents.to_weights(v.by_copy(dU_3HK[first:]), δU_LPQB, columns_LPKB[:, U_copies, : H + 1])
        cotangents.to_weights(v.by_copy(dW_3HK), δW_LPQB, columns_LPKB[:, W_copies, H:])
        cotangents.to_inputs(steps, W_PDQ, δW_LPQB, x_dropout)
    return dU_3HK, dW_3HK


def _factors(xp, kept: _Kept, steps: slice, masked_L1B):
    """Return, for a block, what multiplies δh for m, z, r, n (Uᵀ δm for r, reset before), and z and r."""
    v, bars_L4HB, gates_L4HB = kept.v, kept.bars_T4HB[steps], kept.gates_T4HB[steps]
    m, z, r, n = gates_L4HB.swapaxes(0, 1)
    factors_L4HB = xp.empty_like(gates_L4HB)
    for_m, for_z, for_r, for_n = factors_L4HB.swapaxes(0, 1)
    kept.σ.derivative(xp, gates_L4HB[:, 1:3], bars_L4HB[:, 1:3], factors_L4HB[:, 1:3])
    kept.φ.derivative(xp, n, bars_L4HB[:, 3], for_n)
    for_n *= 1 - z
    for_z *= v.h_SHB[steps] - n
    if kept.reset_h_THB is None:
        xp.multiply(for_n, r, out=for_m)
        for_r *= m
        for_r *= for_n
    else:
        for_m[...] = for_n
        for_r *= v.columns_SPKB[steps, 0, : v.H]
        if v.recurrent_dropout_PHB is not None:
            r = r * v.recurrent_dropout_PHB[0]
    if masked_L1B is not None:  # no gradient to the gates, and the state's passes by unchanged
        xp.copyto(factors_L4HB, 0, where=masked_L1B[:, None])
        z = xp.where(masked_L1B, xp.ones((), z.dtype), z)
    return factors_L4HB, z, r


@remember
def _pack(xp, kernel_DG, recurrent_kernel_HG, bias) -> _Weights:
    H, D = len(recurrent_kernel_HG), len(kernel_DG)
    dtype = compute_dtype(kernel_DG.dtype)
    U_3HK, W_3HK = xp.zeros((3, H, H + 1), dtype), xp.zeros((3, H, 1 + D), dtype)
    U_3HK[:, :, :H] = from_keras(recurrent_kernel_HG, _MZR)
    W_3HK[:, :, 1:] = from_keras(kernel_DG, _ZRN)
    if bias is not None and bias.ndim == 1:
        W_3HK[:, :, :1] = from_keras(bias[None], _ZRN)
    elif bias is not None:
        W_3HK[:, :, :1] = from_keras(bias[:1], _ZRN)
        U_3HK[:, :, H:] = from_keras(bias[1:], _MZR)
    UW_2HK = xp.concatenate([U_3HK[1:], W_3HK[:2, :, 1:]], axis=2)
    UW_2HK[:, :, H] += W_3HK[:2, :, 0]
    return _Weights(U_3HK, W_3HK, UW_2HK)


def _unpack(residuals: Residuals, dU_3HK, dW_3HK):
    """Return the gradients of kernel, recurrent kernel and bias."""
    xp = residuals.sequence.xp
    dU_KG, dW_KG = to_keras(xp, dU_3HK, _MZR), to_keras(xp, dW_3HK, _ZRN)
    reset_after = residuals.kept[0].reset_h_THB is None
    dbias = xp.stack([dW_KG[0], dU_KG[-1]]) if reset_after else dW_KG[0]
    return dW_KG[1:], dU_KG[:-1], dbias
