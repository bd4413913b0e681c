"""What the whole-sequence kernels share: layout, masks, dropout, blocks of time.

Inside a kernel arrays are feature-major: gates and units first, the rows of the batch last. So each gate is
one contiguous block, and one matrix product a step, ``weights @ [h | 1 | x]``, does recurrence, bias and
input. Array names carry their axes: B rows of the batch, T time, D features, G gates, H units,
K = H + 1 + D the entries of ``[h | 1 | x]``; P its copies (one, or one a gate where dropout masks differ
from gate to gate) and Q the units that read one copy; S slots kept of something that each step has; L steps
of a block of time.
"""

import functools
from dataclasses import dataclass, replace
from typing import Any

from minirnn.kernels import shards
from minirnn.kernels.packing import compute_dtype

# The backward pass works on blocks of steps: about this many numbers in all gates, for the cache, but
# enough columns for the products that make the weights' gradients.
BLOCK_NUMBERS = 131_072
BLOCK_COLUMNS = 64

# Inputs are copied to where the products read them for several steps at once: for so many, or for fewer if
# they are of many numbers.
INPUT_STEPS = 16
INPUT_NUMBERS = 4_096


@dataclass(slots=True)
class Sequence:
    """What has a batch axis in one call, in the order of processing, for all rows or for some.

    Attributes
    ----------
    keep : bool
        Whether what each step computes is kept for a backward pass.
    dtype : dtype
        What the kernel computes in.
    input_dropout, recurrent_dropout : array or None
        Shape (B, D) and (B, H), or (gates, B, D) and (gates, B, H).
    y_BTH : array or None
        Where the outputs of all steps are written.
    finals_BH : tuple of array
        Where the last states are written.
    """

    xp: Any
    keep: bool
    dtype: Any
    x_BTD: Any
    states_BH: tuple
    input_dropout: Any
    recurrent_dropout: Any
    mask_BT: Any
    y_BTH: Any
    finals_BH: tuple

    def rows(self, rows: slice) -> "Sequence":
        """Return the part of the sequence that has these rows; its arrays are views."""
        return replace(
            self,
            x_BTD=self.x_BTD[rows],
            states_BH=tuple(state_BH[rows] for state_BH in self.states_BH),
            input_dropout=_part(self.input_dropout, (..., rows, slice(None))),
            recurrent_dropout=_part(self.recurrent_dropout, (..., rows, slice(None))),
            mask_BT=_part(self.mask_BT, rows),
            y_BTH=_part(self.y_BTH, rows),
            finals_BH=tuple(final_BH[rows] for final_BH in self.finals_BH),
        )

    @property
    def sizes(self) -> tuple[int, int, int]:
        """The numbers of rows, steps and units."""
        B, T, _ = self.x_BTD.shape
        return B, T, self.states_BH[0].shape[1]

    @property
    def input_steps(self) -> int:
        """For how many steps inputs are copied at once."""
        B, T, D = self.x_BTD.shape
        return max(1, min(T, INPUT_STEPS, INPUT_NUMBERS // max(1, B * D)))

    @property
    def state_slots(self) -> int:
        """How many slots a buffer of states has: step t reads slot t and writes slot t + 1, modulo this."""
        return self.x_BTD.shape[1] + 1 if self.keep else max(2, self.input_steps)

    @property
    def step_slots(self) -> int:
        """How many slots a buffer of what steps compute has: step t writes slot t, modulo this."""
        return self.x_BTD.shape[1] if self.keep else 1

    def hold(self, t, new_HB, old_HB):
        """On the rows that are masked at step t, put the old state in place of the new."""
        if self.mask_BT is not None:
            self.xp.copyto(new_HB, old_HB, where=self.xp.logical_not(self.mask_BT[:, t]))

    def emit(self, t, h_HB):
        """Write the output of step t."""
        if self.y_BTH is not None:
            self.y_BTH[:, t] = h_HB.T

    def finish(self, *states_HB):
        """Write the last states."""
        for final_BH, state_HB in zip(self.finals_BH, states_HB):
            final_BH[...] = state_HB.T


def _part(array, index):
    return None if array is None else array[index]


class StepInputs:
    """The columns ``[h | 1 | x]``, one a row of the batch, that the products of each step read.

    Slot t has the output of step t - 1, a one for the bias, and the input of step t, the first and last
    times their dropout masks. Where a dropout mask differs from gate to gate there is a copy for each gate
    in ``order``, which says where Keras keeps that gate; else all gates read the same copy. The input of a
    masked step is zero, so that whatever stands there, nan too, reaches neither states nor gradients.

    Attributes
    ----------
    columns_SPKB : array
        The columns.
    h_SHB : array
        The outputs without dropout, to be written in place: part of the columns where it can be.
    input_dropout_PDB, recurrent_dropout_PHB : array or None
        The dropout masks.
    """

    def __init__(self, sequence: Sequence, order: tuple[int, ...]):
        xp, S = sequence.xp, sequence.state_slots
        B, _, H = sequence.sizes
        D = sequence.x_BTD.shape[2]
        self.sequence, self.H, self.input_steps = sequence, H, sequence.input_steps
        dropouts = sequence.input_dropout, sequence.recurrent_dropout
        self.P = P = len(order) if any(mask is not None and mask.ndim == 3 for mask in dropouts) else 1
        self.input_dropout_PDB, self.recurrent_dropout_PHB = (
            None if mask is None else _feature_major(xp, mask, order[:P], sequence.dtype) for mask in dropouts
        )
        self.columns_SPKB = xp.empty((S, P, H + 1 + D, B), sequence.dtype)
        self.columns_SPKB[:, :, H] = 1
        self.h_in_place = P == 1 and self.recurrent_dropout_PHB is None
        self.h_SHB = self.columns_SPKB[:, 0, :H] if self.h_in_place else xp.empty((S, H, B), sequence.dtype)
        self.h_SHB[0] = sequence.states_BH[0].T

    def at(self, t):
        """Return the columns of step t, shape (P, K, B).

        Steps are asked for in their order, and `h_SHB` must have the output of step t - 1.
        """
        slot = t % len(self.columns_SPKB)
        if t % self.input_steps == 0:
            self._copy_inputs(t, slot)
        columns_PKB = self.columns_SPKB[slot]
        if not self.h_in_place:
            h_PHB = columns_PKB[:, : self.H]
            h_PHB[...] = self.h_SHB[slot]
            if self.recurrent_dropout_PHB is not None:
                h_PHB *= self.recurrent_dropout_PHB
        return columns_PKB

    def _copy_inputs(self, t, slot):
        """Write the inputs of `input_steps` steps from step t on into the slots from `slot` on."""
        xp, mask_BT = self.sequence.xp, self.sequence.mask_BT
        x_LDB = self.sequence.x_BTD[:, t : t + self.input_steps].transpose(1, 2, 0)
        x_LPDB = self.columns_SPKB[slot : slot + len(x_LDB), :, self.H + 1 :]
        x_LPDB[...] = x_LDB[:, None]
        if mask_BT is not None:
            mask_L11B = mask_BT[:, t : t + len(x_LDB)].T[:, None, None]
            xp.copyto(x_LPDB, 0, where=xp.logical_not(mask_L11B))
        if self.input_dropout_PDB is not None:
            x_LPDB *= self.input_dropout_PDB

    def copies(self, first: int, stop: int) -> slice:
        """Return which copies the gates from `first` to `stop` in `order` read."""
        return slice(first, stop) if self.P > 1 else slice(0, 1)

    def by_copy(self, gates_GHN):
        """Return a view with one block of units for each copy: all gates in one block if there is one copy.

        There may be axes before those of gates and units.
        """
        if self.P > 1:
            return gates_GHN
        *leading, G, H, N = gates_GHN.shape
        return gates_GHN.reshape(*leading, 1, G * H, N)


def _feature_major(xp, dropout, order, dtype):
    """Return a mask of shape (B, N) or (gates, B, N) as (P, N, B), a gate of `order` each."""
    gates = [dropout if dropout.ndim == 2 else dropout[gate] for gate in order]
    return xp.stack([gate_BN.T for gate_BN in gates]).astype(dtype, copy=False)


@dataclass(slots=True)
class Cotangents:
    """What flows back through some rows: `run_backward` makes it, a kernel's backward pass uses it up.

    Attributes
    ----------
    sequence : Sequence
        The rows.
    dy_BTH : array or None
        The gradient of the outputs of all steps.
    states_HB : list of array
        The gradients of the last states, to be turned in place into those of the initial states.
    dx_BTD : array or None
        Where the gradient of the input is written, if it is wanted.
    weights_wanted : bool
        Whether the gradient of any weight is wanted.
    """

    sequence: Sequence
    dy_BTH: Any
    states_HB: list
    dx_BTD: Any
    weights_wanted: bool

    def blocks(self, gates: int):
        """Yield the blocks of time from the last to the first, as slices."""
        B, T, H = self.sequence.sizes
        L = max(BLOCK_NUMBERS // max(1, gates * H * B), BLOCK_COLUMNS // max(1, B), 1)
        for stop in range(T, 0, -L):
            yield slice(max(0, stop - L), stop)

    def outputs(self, steps: slice):
        """Return the outputs' gradient in a block, shape (L, H, B), or None."""
        if self.dy_BTH is None:
            return None
        xp = self.sequence.xp
        return xp.ascontiguousarray(self.dy_BTH[:, steps].transpose(1, 2, 0), dtype=self.sequence.dtype)

    def masked(self, steps: slice):
        """Return which rows are masked in a block, shape (L, 1, B), or None."""
        if self.sequence.mask_BT is None:
            return None
        return self.sequence.xp.logical_not(self.sequence.mask_BT[:, steps].T[:, None])

    def to_inputs(self, steps: slice, weights_PDQ, delta_LPQB, dropout_PDB):
        """Write the input's gradient in a block, given that of all gates before activation."""
        if self.dx_BTD is not None:
            B, L, D = self.dx_BTD[:, steps].shape
            dx_LDB = self.sequence.xp.empty((L, D, B), delta_LPQB.dtype)
            pull_back(self.sequence.xp, weights_PDQ, delta_LPQB, dropout_PDB, out=dx_LDB)
            self.dx_BTD[:, steps] = dx_LDB.transpose(2, 0, 1)

    def to_weights(self, sum_PQK, delta_LPQB, columns_LPKB):
        """Add to the weights' gradient that of a block, ``delta @ columns.T`` over its steps and rows."""
        if self.weights_wanted:
            L, P, Q, B = delta_LPQB.shape
            delta_PQN = delta_LPQB.transpose(1, 2, 0, 3).reshape(P, Q, L * B)
            columns_PKN = columns_LPKB.transpose(1, 2, 0, 3).reshape(P, sum_PQK.shape[2], L * B)
            sum_PQK += self.sequence.xp.matmul(delta_PQN, columns_PKN.swapaxes(1, 2))


def pull_back(xp, weights_PNQ, delta_PQB, dropout_PNB, out):
    """Write into `out` (N, B) the gradient of what P copies, each times its dropout, were made of.

    All but the weights and dropout may have a leading axis of steps.
    """
    if len(weights_PNQ) == 1 and dropout_PNB is None:
        xp.matmul(weights_PNQ[0], delta_PQB[..., 0, :, :], out=out)
        return
    copies_PNB = xp.matmul(weights_PNQ, delta_PQB)
    if dropout_PNB is not None:
        copies_PNB *= dropout_PNB
    xp.sum(copies_PNB, axis=-3, out=out)


@dataclass(slots=True)
class Residuals:
    """What a backward pass needs: the call, its packed weights, its parts by rows and what each kept."""

    sequence: Sequence
    weights: Any
    plan: shards.Plan
    parts: list[Sequence]
    kept: list
    go_backwards: bool
    zero_output_for_mask: bool


def run_forward(
    forward_rows,
    weights,
    x_BTD,
    states_BH,
    input_dropout,
    recurrent_dropout,
    mask_BT,
    *,
    work,
    keep,
    xp,
    go_backwards,
    return_sequences,
    zero_output_for_mask,
):
    """Run ``forward_rows(sequence, weights)`` on all rows; return the outputs and the Residuals or None.

    `forward_rows` writes outputs and last states and returns what it kept; `work` is about how many
    multiplications a step of one row takes.
    """
    B, T, _ = x_BTD.shape
    H = states_BH[0].shape[1]
    dtype = x_BTD.dtype
    if go_backwards:
        x_BTD = x_BTD[:, ::-1]
        mask_BT = None if mask_BT is None else mask_BT[:, ::-1]
    y_BTH = xp.empty((B, T, H), dtype) if return_sequences else None
    finals_BH = tuple(xp.empty((B, H), dtype) for _ in states_BH)
    sequence = Sequence(
        xp=xp,
        keep=keep,
        dtype=compute_dtype(dtype),
        x_BTD=x_BTD,
        states_BH=states_BH,
        input_dropout=input_dropout,
        recurrent_dropout=recurrent_dropout,
        mask_BT=mask_BT,
        y_BTH=y_BTH,
        finals_BH=finals_BH,
    )
    plan = shards.plan(B, T, H, work, xp)
    parts = [sequence] if len(plan.parts) == 1 else [sequence.rows(rows) for rows in plan.parts]
    kept = shards.run(plan, lambda part: forward_rows(part, weights), parts)
    y = finals_BH[0] if y_BTH is None else y_BTH
    if zero_output_for_mask and mask_BT is not None:
        y = _zero_masked(xp, y, mask_BT)
    residuals = None
    if keep:
        residuals = Residuals(sequence, weights, plan, parts, kept, go_backwards, zero_output_for_mask)
    return (y, *finals_BH), residuals


def run_backward(backward_rows, residuals: Residuals, cotangents, needs):
    """Run ``backward_rows(kept, weights, cotangents)`` on all rows.

    It returns the packed weights' gradient of its rows, as a tuple of arrays.

    Returns
    -------
    dx_BTD : array or None
    dstates_BH : list of array
    dweights : list of array
    """
    sequence, xp = residuals.sequence, residuals.sequence.xp
    B, _, H = sequence.sizes
    dy, *dfinals_BH = cotangents
    if dy is not None and residuals.zero_output_for_mask and sequence.mask_BT is not None:
        dy = _zero_masked(xp, dy, sequence.mask_BT)
    if dy is not None and dy.ndim == 2:
        dfinals_BH[0] = dy if dfinals_BH[0] is None else dy + dfinals_BH[0]
        dy = None
    weights_wanted = any(needs[1 + len(dfinals_BH) :])
    dstates_BH = [xp.empty((B, H), sequence.x_BTD.dtype) for _ in dfinals_BH]
    dx_BTD = xp.empty(sequence.x_BTD.shape, sequence.x_BTD.dtype) if needs[0] else None
    dx_processed_BTD = dx_BTD
    if dx_BTD is not None and residuals.go_backwards:
        dx_processed_BTD = dx_BTD[:, ::-1]

    def backward_part(item):
        rows, part, kept = item
        states_HB = [xp.zeros((H, part.sizes[0]), sequence.dtype) for _ in dfinals_BH]
        for state_HB, dfinal_BH in zip(states_HB, dfinals_BH):
            if dfinal_BH is not None:
                state_HB[...] = dfinal_BH[rows].T
        dx_rows = _part(dx_processed_BTD, rows)
        flow = Cotangents(part, _part(dy, rows), states_HB, dx_rows, weights_wanted)
        dweights = backward_rows(kept, residuals.weights, flow)
        for dstate_BH, state_HB in zip(dstates_BH, states_HB):
            dstate_BH[rows] = state_HB.T
        return dweights

    items = list(zip(residuals.plan.parts, residuals.parts, residuals.kept))
    dweights = shards.run(residuals.plan, backward_part, items)
    # Always from the first part to the last, so that the same call gives the same bits.
    return dx_BTD, dstates_BH, [functools.reduce(xp.add, sums) for sums in zip(*dweights)]


def _zero_masked(xp, y, mask_BT):
    return xp.where(mask_BT[:, :, None] if y.ndim == 3 else mask_BT[:, -1:], y, xp.zeros((), y.dtype))
