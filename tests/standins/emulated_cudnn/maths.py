"""Recurrent layers by the equations of cuDNN's documentation, in float64, one direction at a time.

Rows b of a batch are independent; row b has `lengths[b]` steps. Step s of the reverse direction reads and
writes time lengths[b] - 1 - s. W are the matrices of the input x, R those of the state h, b_W and b_R the
biases (zero where the bias mode has none), ∘ the product by elements, σ the logistic function.

relu, tanh (one gate)   h' = act(W x + b_W + R h + b_R)
LSTM (gates i f c o)    i, f, o = σ(W x + b_W + R h + b_R), each with its own;  c~ = tanh(the like)
                        c' = f ∘ c + i ∘ c~;  h' = o ∘ tanh(c')
GRU (gates r z h)       r, z = σ(W x + b_W + R h + b_R);  h~ = tanh(W_h x + b_Wh + r ∘ (R_h h + b_Rh))
                        h' = (1 - z) ∘ h~ + z ∘ h

`kept[b, t]` are the quantities that the way back needs: h'; or i, f, c~, o, c'; or r, z, h~, R_h h + b_Rh.
`deltas[b, t]` are the derivatives of the loss by what stands inside the activations, by gate; a GRU has a
fourth, by R_h h + b_Rh.
"""

from typing import NamedTuple

import numpy as np

GATES = {"relu": 1, "tanh": 1, "lstm": 4, "gru": 3}
KEPT = {"relu": 1, "tanh": 1, "lstm": 5, "gru": 4}
DELTAS = {"relu": 1, "tanh": 1, "lstm": 4, "gru": 4}


class Weights(NamedTuple):
    """Lists with one array a gate, float64: matrices [H, D] and [H, H], biases [H]."""

    W: list
    R: list
    b_W: list
    b_R: list


def _sigmoid(a):
    return 1.0 / (1.0 + np.exp(-a))


def _steps(lengths, reverse, backwards=False):
    """Yield, step by step, the step, the rows that have it, and the time at which each has it."""
    order = range(int(lengths.max(initial=0)))
    for s in order[::-1] if backwards else order:
        rows = np.flatnonzero(lengths > s)
        yield s, rows, (lengths[rows] - 1 - s if reverse else np.full(len(rows), s))


def forward(cell, weights, x, h, c, lengths, reverse, kept):
    """Return (y, h, c): the state after each step, and each row's last; fill `kept` if it is an array.

    Where a row has no step y stays nan.
    """
    h, c = h.copy(), None if c is None else c.copy()
    y = np.full((*x.shape[:2], h.shape[1]), np.nan)
    for _, rows, times in _steps(lengths, reverse):
        h_new, c_new, quantities = _step(
            cell, weights, x[rows, times], h[rows], None if c is None else c[rows]
        )
        h[rows] = y[rows, times] = h_new
        if c is not None:
            c[rows] = c_new
        if kept is not None:
            for number, quantity in enumerate(quantities):
                kept[rows, times, number] = quantity
    return y, h, c


def _step(cell, weights, x, h, c):
    """Return the new h and c, and what is kept."""
    W, R, b_W, b_R = weights
    of_x = [x @ W[g].T + b_W[g] for g in range(GATES[cell])]
    of_h = [h @ R[g].T + b_R[g] for g in range(GATES[cell])]
    if cell == "lstm":
        i, f, o = (_sigmoid(of_x[g] + of_h[g]) for g in (0, 1, 3))
        candidate = np.tanh(of_x[2] + of_h[2])
        c = f * c + i * candidate
        return o * np.tanh(c), c, (i, f, candidate, o, c)
    if cell == "gru":
        r, z = (_sigmoid(of_x[g] + of_h[g]) for g in (0, 1))
        candidate = np.tanh(of_x[2] + r * of_h[2])
        return (1 - z) * candidate + z * h, None, (r, z, candidate, of_h[2])
    a = of_x[0] + of_h[0]
    h = np.tanh(a) if cell == "tanh" else np.maximum(a, 0)
    return h, None, (h,)


def backward_data(cell, weights, y, dy, h0, c0, dh, dc, lengths, reverse, kept, deltas):
    """Return (dx, dh, dc) and fill `deltas`; dx is nan where a row has no step."""
    dh, dc = dh.copy(), None if dc is None else dc.copy()
    dx = np.full((*dy.shape[:2], weights.W[0].shape[1]), np.nan)
    for s, rows, times in _steps(lengths, reverse, backwards=True):
        before = times + 1 if reverse else times - 1
        h_before = h0[rows] if s == 0 else y[rows, before]
        d = dh[rows] + dy[rows, times]
        now = kept[rows, times].transpose(1, 0, 2)
        if cell == "lstm":
            i, f, candidate, o, c = now
            c_before = c0[rows] if s == 0 else kept[rows, before, 4]
            d_c = dc[rows] + d * o * (1 - np.tanh(c) ** 2)
            dc[rows] = d_c * f
            of_gates = (
                d_c * candidate * i * (1 - i),
                d_c * c_before * f * (1 - f),
                d_c * i * (1 - candidate**2),
                d * np.tanh(c) * o * (1 - o),
            )
            recurrent, directly = of_gates, 0.0
        elif cell == "gru":
            r, z, candidate, product = now
            inside = d * (1 - z) * (1 - candidate**2)
            of_gates = (inside * product * r * (1 - r), d * (h_before - candidate) * z * (1 - z), inside)
            recurrent, directly = (*of_gates[:2], inside * r), d * z
        else:
            (h,) = now
            of_gates = (d * (1 - h**2) if cell == "tanh" else d * (h > 0),)
            recurrent, directly = of_gates, 0.0
        for number, delta in enumerate((*of_gates, *([recurrent[2]] if cell == "gru" else []))):
            deltas[rows, times, number] = delta
        dx[rows, times] = sum(delta @ matrix for delta, matrix in zip(of_gates, weights.W, strict=True))
        dh[rows] = directly + sum(delta @ matrix for delta, matrix in zip(recurrent, weights.R, strict=True))
    return dx, dh, dc


def backward_weights(cell, x, y, h0, lengths, reverse, deltas):
    """Return the gradients of one direction's weights, summed over the steps of all rows."""
    gates, features, units = GATES[cell], x.shape[2], y.shape[2]
    total = Weights(
        [np.zeros((units, features)) for _ in range(gates)],
        [np.zeros((units, units)) for _ in range(gates)],
        [np.zeros(units) for _ in range(gates)],
        [np.zeros(units) for _ in range(gates)],
    )
    for s, rows, times in _steps(lengths, reverse):
        h_before = h0[rows] if s == 0 else y[rows, times + 1 if reverse else times - 1]
        for g in range(gates):
            of_input = deltas[rows, times, g]
            of_state = deltas[rows, times, 3] if cell == "gru" and g == 2 else of_input
            total.W[g][...] += of_input.T @ x[rows, times]
            total.R[g][...] += of_state.T @ h_before
            total.b_W[g][...] += of_input.sum(0)
            total.b_R[g][...] += of_state.sum(0)
    return total
