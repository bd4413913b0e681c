r"""The LSTM over a whole sequence, forward and backward.

In the notation of Greff et al. 2017, "LSTM: A Search Space Odyssey", section II and appendix, without
peepholes: input x, output y (Keras says h), cell c, block input z, gates i, f, o; ⊙ is elementwise, a bar
marks a value before its activation, σ is `recurrent_activation`, g and h are both `activation`.

Forward::

    z̄ᵗ = Wz xᵗ + Rz yᵗ⁻¹ + bz        zᵗ = g(z̄ᵗ)        block input
    īᵗ = Wi xᵗ + Ri yᵗ⁻¹ + bi        iᵗ = σ(īᵗ)        input gate
    f̄ᵗ = Wf xᵗ + Rf yᵗ⁻¹ + bf        fᵗ = σ(f̄ᵗ)        forget gate
    ōᵗ = Wo xᵗ + Ro yᵗ⁻¹ + bo        oᵗ = σ(ōᵗ)        output gate
    cᵗ = zᵗ ⊙ iᵗ + cᵗ⁻¹ ⊙ fᵗ                           cell
    yᵗ = h(cᵗ) ⊙ oᵗ                                    output

Backward, with Δᵗ the gradient that reaches yᵗ from above::

    δyᵗ = Δᵗ + Rzᵀ δz̄ᵗ⁺¹ + Riᵀ δīᵗ⁺¹ + Rfᵀ δf̄ᵗ⁺¹ + Roᵀ δōᵗ⁺¹
    δōᵗ = δyᵗ ⊙ h(cᵗ) ⊙ σ'(ōᵗ)
    δcᵗ = δyᵗ ⊙ oᵗ ⊙ h'(cᵗ) + δcᵗ⁺¹ ⊙ fᵗ⁺¹
    δf̄ᵗ = δcᵗ ⊙ cᵗ⁻¹ ⊙ σ'(f̄ᵗ)
    δīᵗ = δcᵗ ⊙ zᵗ ⊙ σ'(īᵗ)
    δz̄ᵗ = δcᵗ ⊙ iᵗ ⊙ g'(z̄ᵗ)
    δxᵗ = Wᵀ δᵗ,    δW = Σₜ δᵗ xᵗᵀ,    δR = Σₜ δᵗ yᵗ⁻¹ᵀ,    δb = Σₜ δᵗ

where δᵗ stacks z̄, ī, f̄, ō. All that multiplies δy and δc is known before the backward pass begins: it is
computed for a block of steps at once, and what is left for each step is short. Gates are stored in the
order z, i, f, o: σ is then one call on the last three, and δc one product with the first three. Keras
stores i, f, z, o.

References
----------
Greff et al. 2017, IEEE Transactions on Neural Networks and Learning Systems 28(10).
Gers et al. 2000, "Learning to Forget", Neural Computation 12(10), the forget gate.
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
from minirnn.kernels.packing import compute_dtype, from_keras, remember, to_keras

_ORDER = (2, 0, 1, 3)  # where Keras keeps z, i, f, o


def forward(
    x_BTD,
    y0_BH,
    c0_BH,
    kernel_DG,
    recurrent_kernel_HG,
    bias_G,
    input_dropout,
    recurrent_dropout,
    mask_BT,
    *,
    keep,
    xp,
    activation="tanh",
    recurrent_activation="sigmoid",
    go_backwards=False,
    return_sequences=False,
    zero_output_for_mask=False,
):
    """Run an LSTM over a sequence.

    Parameters
    ----------
    x_BTD : array, shape (batch, time, features), float
        The input; float16 is computed in float32.
    y0_BH, c0_BH : array, shape (batch, units)
        The initial output and cell.
    kernel_DG, recurrent_kernel_HG, bias_G : array
        Keras's weights, shapes (features, 4 units), (units, 4 units), (4 units,), gates in the order
        i, f, c, o. The bias may be None. They are packed once and remembered by identity: never write to
        an array that was passed here.
    input_dropout, recurrent_dropout : array or None
        Masks, scaled, the same at all steps: shape (batch, features) and (batch, units), or with a
        leading axis of 4, a mask for each gate in Keras's order.
    mask_BT : array, bool, or None
        False where a step carries its state over, which is then its output; before the first True that
        is the initial state.
    keep : bool
        Whether a backward pass will follow; if not, memory does not grow with time.
    xp : module
        numpy or one like it, whose arrays all of these are.
    activation, recurrent_activation : str
        Names in `activations.ELEMENTWISE`.
    go_backwards : bool
        Whether time is processed from the end; outputs are in the order of processing.
    return_sequences : bool
        Whether the output is that of all steps, or of the last.
    zero_output_for_mask : bool
        Whether outputs at masked steps are zero.

    Returns
    -------
    outputs : tuple of array
        Output (batch, time, units) or (batch, units), and the last output and cell, (batch, units).
    residuals : Residuals or None
        What `backward` takes; None unless `keep`.
    """
    g, σ = activations.get(activation), activations.get(recurrent_activation)
    weights_4HK = _pack(xp, kernel_DG, recurrent_kernel_HG, bias_G)
    return run_forward(
        lambda sequence, weights_4HK: _forward_rows(sequence, weights_4HK, g, σ),
        weights_4HK,
        x_BTD,
        (y0_BH, c0_BH),
        input_dropout,
        recurrent_dropout,
        mask_BT,
        work=weights_4HK.size,
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
        The gradients of the three outputs.
    needs : tuple of bool
        Which of the nine arrays' gradients are wanted.

    Returns
    -------
    tuple of (array or None)
        Nine gradients in the order of the arguments, None for masks and for what is not needed.
    """
    dx_BTD, (dy0_BH, dc0_BH), dweights = run_backward(_backward_rows, residuals, cotangents, needs)
    gradients = (dx_BTD, dy0_BH, dc0_BH, *_unpack(residuals, *dweights), None, None, None)
    return tuple(gradient if need else None for gradient, need in zip(gradients, needs))


@dataclass(slots=True)
class _Kept:
    """What the steps of some rows leave for the backward pass."""

    g: Activation
    σ: Activation
    v: StepInputs
    bars_T4HB: Any  # before activation; the same array as `gates_T4HB` where derivatives do not need it
    gates_T4HB: Any
    c_SHB: Any
    h_of_c_THB: Any


def _forward_rows(sequence: Sequence, weights_4HK, g: Activation, σ: Activation) -> _Kept:
    xp = sequence.xp
    B, T, H = sequence.sizes
    S, N = sequence.state_slots, sequence.step_slots
    v = StepInputs(sequence, _ORDER)
    weights_PQK = v.by_copy(weights_4HK)

    gates_N4HB = xp.empty((N, 4, H, B), sequence.dtype)
    bars_N4HB = xp.empty_like(gates_N4HB) if g.reads_input or σ.reads_input else gates_N4HB
    bars_NPQB = v.by_copy(bars_N4HB)
    c_SHB = xp.empty((S, H, B), sequence.dtype)
    c_SHB[0] = sequence.states_BH[1].T
    h_of_c_NHB = xp.empty((N, H, B), sequence.dtype)
    cf_HB = xp.empty((H, B), sequence.dtype)

    for t in range(T):
        n, old, new = t % N, t % S, (t + 1) % S
        bars_4HB, gates_4HB = bars_N4HB[n], gates_N4HB[n]
        xp.matmul(weights_PQK, v.at(t), out=bars_NPQB[n])
        g.forward(xp, bars_4HB[0], gates_4HB[0])
        σ.forward(xp, bars_4HB[1:], gates_4HB[1:])
        z, i, f, o = gates_4HB
        c, y, h_of_c = c_SHB[new], v.h_SHB[new], h_of_c_NHB[n]
        xp.multiply(z, i, out=c)
        xp.multiply(c_SHB[old], f, out=cf_HB)
        xp.add(c, cf_HB, out=c)
        g.forward(xp, c, h_of_c)
        xp.multiply(h_of_c, o, out=y)
        sequence.hold(t, c, c_SHB[old])
        sequence.hold(t, y, v.h_SHB[old])
        sequence.emit(t, y)

    sequence.finish(v.h_SHB[T % S], c_SHB[T % S])
    return _Kept(g, σ, v, bars_N4HB, gates_N4HB, c_SHB, h_of_c_NHB)


def _backward_rows(kept: _Kept, weights_4HK, cotangents: Cotangents):
    xp, v = cotangents.sequence.xp, kept.v
    _, _, H = cotangents.sequence.sizes
    weights_PQK = v.by_copy(weights_4HK)
    R_PHQ = weights_PQK[:, :, :H].swapaxes(1, 2)
    W_PDQ = weights_PQK[:, :, H + 1 :].swapaxes(1, 2)
    dweights_4HK = xp.zeros_like(weights_4HK)

    δy, δc = cotangents.states_HB
    scratch_HB = xp.empty_like(δy)
    for steps in cotangents.blocks(4):
        Δ_LHB, masked_L1B = cotangents.outputs(steps), cotangents.masked(steps)
        factors_L4HB, y_to_c_LHB, f_LHB = _factors(xp, kept, steps, masked_L1B)
        δ_L4HB = factors_L4HB  # each step turns its factors into gradients, in place
        δ_LPQB = v.by_copy(δ_L4HB)

        for l in reversed(range(len(δ_L4HB))):
            if Δ_LHB is not None:
                xp.add(δy, Δ_LHB[l], out=δy)
            xp.multiply(δy, y_to_c_LHB[l], out=scratch_HB)
            xp.add(δc, scratch_HB, out=δc)
            xp.multiply(δy, factors_L4HB[l, 3], out=δ_L4HB[l, 3])
            xp.multiply(δc, factors_L4HB[l, :3], out=δ_L4HB[l, :3])
            xp.multiply(δc, f_LHB[l], out=δc)
            if masked_L1B is None:
                pull_back(xp, R_PHQ, δ_LPQB[l], v.recurrent_dropout_PHB, out=δy)
            else:
                xp.multiply(δy, masked_L1B[l], out=scratch_HB)
                pull_back(xp, R_PHQ, δ_LPQB[l], v.recurrent_dropout_PHB, out=δy)
                xp.add(δy, scratch_HB, out=δy)

        cotangents.to_weights(v.by_copy(dweights_4HK), δ_LPQB, v.columns_SPKB[steps])
        cotangents.to_inputs(steps, W_PDQ, δ_LPQB, v.input_dropout_PDB)
    return (dweights_4HK,)


def _factors(xp, kept: _Kept, steps: slice, masked_L1B):
    """Return what multiplies δy or δc in a block: towards the gates, from δy to δc, from δcᵗ to δcᵗ⁻¹."""
    bars_L4HB, gates_L4HB = kept.bars_T4HB[steps], kept.gates_T4HB[steps]
    z, i, f, o = gates_L4HB.swapaxes(0, 1)
    c = kept.c_SHB[steps.start + 1 : steps.stop + 1]
    factors_L4HB = xp.empty_like(gates_L4HB)
    kept.g.derivative(xp, gates_L4HB[:, 0], bars_L4HB[:, 0], factors_L4HB[:, 0])
    kept.σ.derivative(xp, gates_L4HB[:, 1:], bars_L4HB[:, 1:], factors_L4HB[:, 1:])
    factors_L4HB[:, 0] *= i
    factors_L4HB[:, 1] *= z
    factors_L4HB[:, 2] *= kept.c_SHB[steps]
    factors_L4HB[:, 3] *= kept.h_of_c_THB[steps]
    y_to_c_LHB = xp.empty_like(c)
    kept.g.derivative(xp, kept.h_of_c_THB[steps], c, y_to_c_LHB)
    y_to_c_LHB *= o
    if masked_L1B is not None:  # no gradient to the gates, and the cell's passes by unchanged
        xp.copyto(factors_L4HB, 0, where=masked_L1B[:, None])
        xp.copyto(y_to_c_LHB, 0, where=masked_L1B)
        f = xp.where(masked_L1B, xp.ones((), f.dtype), f)
    return factors_L4HB, y_to_c_LHB, f


@remember
def _pack(xp, kernel_DG, recurrent_kernel_HG, bias_G):
    """Return ``[R | b | W]``, gates in the order z, i, f, o."""
    H, D = len(recurrent_kernel_HG), len(kernel_DG)
    weights_4HK = xp.zeros((4, H, H + 1 + D), compute_dtype(kernel_DG.dtype))
    weights_4HK[:, :, :H] = from_keras(recurrent_kernel_HG, _ORDER)
    weights_4HK[:, :, H + 1 :] = from_keras(kernel_DG, _ORDER)
    if bias_G is not None:
        weights_4HK[:, :, H : H + 1] = from_keras(bias_G[None], _ORDER)
    return weights_4HK


def _unpack(residuals: Residuals, dweights_4HK):
    """Return the gradients of kernel, recurrent kernel and bias."""
    gradient_KG = to_keras(residuals.sequence.xp, dweights_4HK, _ORDER)
    H = dweights_4HK.shape[1]
    return gradient_KG[H + 1 :], gradient_KG[:H], gradient_KG[H]
