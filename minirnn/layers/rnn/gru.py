"""`GRU` and its cell, with the reset gate after or before the recurrent product."""

from typing import Any

from minirnn import ops, tree
from minirnn.layers.rnn.built_in import BuiltInCell, BuiltInRNN, given, of_cell, option_names


class GRUCell(BuiltInCell):
    """One step of a gated recurrent unit; `minirnn.kernels.gru` has the equations.

    Parameters
    ----------
    units : int
        Size of the state, which also is the output.
    activation : str or callable
        Of the candidate; None is the identity.
    recurrent_activation : str or callable
        Of the update and reset gates.
    use_bias : bool
    kernel_initializer, recurrent_initializer, bias_initializer : str or Initializer
    kernel_regularizer, recurrent_regularizer, bias_regularizer : str or Regularizer, optional
    kernel_constraint, recurrent_constraint, bias_constraint : str or Constraint, optional
    dropout, recurrent_dropout : float
        Shares of the inputs and of the state that are 0 in training, in [0, 1].
    reset_after : bool
        Whether the reset gate acts on the recurrent product, as in cuDNN, or on the state before it.
    seed : int, optional
        For dropout.

    Attributes
    ----------
    kernel : Variable, shape (features, 3 units), gates in the order z, r, h
    recurrent_kernel : Variable, shape (units, 3 units)
    bias : Variable or None
        Shape (2, 3 units) with `reset_after`, of the input and of the recurrence; else (3 units,).

    Notes
    -----
    A call takes inputs (batch, features) and states ``[h]``, (batch, units), and returns ``h, [h]``.
    ``implementation=1`` draws a dropout mask for each gate, as `recurrent_dropout` does by itself; otherwise
    all gates share one.

    Raises
    ------
    ValueError
        If `units` is no positive integer, a rate is not in [0, 1], or a name is not known.

    References
    ----------
    Cho et al. 2014, arXiv:1406.1078.
    """

    fused_kernel = "gru"
    gates = 3

    def __init__(
        self,
        units,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias=True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        reset_after=True,
        seed=None,
        **kwargs,
    ):
        arguments = given(locals())
        self.reset_after = arguments.pop("reset_after")
        super().__init__(**arguments, **kwargs)

    config_names = option_names(__init__)

    def _bias_shape(self):
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def call(self, inputs, states, training: bool | None = False):
        (h,) = self._checked(inputs, states)
        x_dropout, h_dropout = self._masks(inputs, h, training)
        bias = recurrent_bias = None
        if self.bias is not None:
            bias, recurrent_bias = ops.unstack(self.bias) if self.reset_after else (self.bias, None)
        x = self._product(inputs, self.kernel, x_dropout)
        x_z, x_r, x_h = self._by_gate(x if bias is None else ops.add(x, bias))
        gates = slice(None) if self.reset_after else slice(0, 2)
        m = self._product(h, self.recurrent_kernel, h_dropout, gates)
        m_z, m_r, *m_h = self._by_gate(m if recurrent_bias is None else ops.add(m, recurrent_bias))
        z = self.recurrent_activation(x_z + m_z)
        r = self.recurrent_activation(x_r + m_r)
        if self.reset_after:
            candidate = x_h + r * m_h[0]
        else:
            candidate = x_h + self._product(r * h, self.recurrent_kernel, h_dropout, slice(2, 3))
        h = z * h + (1 - z) * self.activation(candidate)
        return h, [h] if tree.is_nested(states) else h


class GRU(BuiltInRNN):
    """A gated recurrent unit over sequences, as `RNN` with a `GRUCell`, but in one kernel.

    Parameters
    ----------
    units, activation, recurrent_activation, use_bias, kernel_initializer, recurrent_initializer, \
bias_initializer, kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint, \
recurrent_constraint, bias_constraint, dropout, recurrent_dropout, seed, reset_after
        See `GRUCell`.
    activity_regularizer : str or Regularizer, optional
        Of the output.
    return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask
        See `RNN`.
    use_cudnn : "auto" or bool
        Whether cuDNN may compute; True raises where it cannot.

    Notes
    -----
    Input (batch, time, features); output (batch, units), with `return_sequences` (batch, time, units). The
    state ``[h]`` has shape (batch, units).

    Raises
    ------
    ValueError
        As `GRUCell` and `RNN`.
    """

    cell_class = GRUCell
    fused_kernel = "gru"
    recurrent_activation = of_cell("recurrent_activation")
    reset_after = of_cell("reset_after")
    state_names = "[h]"
    state_hint = "A GRU's state is returned by return_state=True as output, h."

    def __init__(
        self,
        units,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias=True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        reset_after=True,
        use_cudnn: bool | str = "auto",
        **kwargs,
    ):
        super().__init__(**given(locals()), **kwargs)
