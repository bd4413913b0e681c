"""`LSTM` and its cell."""

from typing import Any

from minirnn import ops
from minirnn.layers.rnn.built_in import BuiltInCell, BuiltInRNN, given, of_cell, option_names


class LSTMCell(BuiltInCell):
    """One step of a long short-term memory; `minirnn.kernels.lstm` has the equations.

    Parameters
    ----------
    units : int
        Size of the output h and of the carry c.
    activation : str or callable
        Of the candidate and of the carry; None is the identity.
    recurrent_activation : str or callable
        Of the three gates.
    use_bias : bool
    kernel_initializer, recurrent_initializer, bias_initializer : str or Initializer
    unit_forget_bias : bool
        Whether the forget gate's bias starts at 1, whatever `bias_initializer` says (Jozefowicz et al. 2015).
    kernel_regularizer, recurrent_regularizer, bias_regularizer : str or Regularizer, optional
    kernel_constraint, recurrent_constraint, bias_constraint : str or Constraint, optional
    dropout, recurrent_dropout : float
        Shares of the inputs and of the state that are 0 in training, in [0, 1].
    seed : int, optional
        For dropout.

    Attributes
    ----------
    kernel : Variable, shape (features, 4 units), gates in the order i, f, c, o
    recurrent_kernel : Variable, shape (units, 4 units)
    bias : Variable, shape (4 units,), or None

    Notes
    -----
    A call takes inputs (batch, features) and states ``[h, c]``, each (batch, units), and returns
    ``h, [h, c]``. ``implementation=1`` draws a dropout mask for each gate, as `recurrent_dropout` does by
    itself; otherwise all gates share one.

    Raises
    ------
    ValueError
        If `units` is no positive integer, a rate is not in [0, 1], or a name is not known.

    References
    ----------
    Hochreiter and Schmidhuber 1997, "Long short-term memory"; Gers et al. 2000 for the forget gate.
    """

    fused_kernel = "lstm"
    gates = 4

    def __init__(
        self,
        units,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias=True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias=True,
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        **kwargs,
    ):
        arguments = given(locals())
        self.unit_forget_bias = arguments.pop("unit_forget_bias")
        super().__init__(**arguments, **kwargs)
        self.state_size = [self.units, self.units]

    config_names = option_names(__init__)

    def _initial_bias(self, shape, dtype=None):
        if not self.unit_forget_bias:
            return super()._initial_bias(shape, dtype)
        before, after = (self.bias_initializer((n * self.units,), dtype=dtype) for n in (1, 2))
        return ops.concatenate([before, ops.ones((self.units,), dtype=dtype), after])

    def call(self, inputs, states, training: bool | None = False):
        h, c = self._checked(inputs, states)
        x_dropout, h_dropout = self._masks(inputs, h, training)
        gates = self._product(inputs, self.kernel, x_dropout)
        gates = gates + self._product(h, self.recurrent_kernel, h_dropout)
        if self.bias is not None:
            gates = ops.add(gates, self.bias)
        i, f, candidate, o = self._by_gate(gates)
        kept = self.recurrent_activation(f) * c
        c = kept + self.recurrent_activation(i) * self.activation(candidate)
        h = self.recurrent_activation(o) * self.activation(c)
        return h, [h, c]


class LSTM(BuiltInRNN):
    """A long short-term memory over sequences, as `RNN` with an `LSTMCell`, but in one kernel.

    Parameters
    ----------
    units, activation, recurrent_activation, use_bias, kernel_initializer, recurrent_initializer, \
bias_initializer, unit_forget_bias, kernel_regularizer, recurrent_regularizer, bias_regularizer, \
kernel_constraint, recurrent_constraint, bias_constraint, dropout, recurrent_dropout, seed
        See `LSTMCell`.
    activity_regularizer : str or Regularizer, optional
        Of the output.
    return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask
        See `RNN`.
    use_cudnn : "auto" or bool
        Whether cuDNN may compute; True raises where it cannot.

    Notes
    -----
    Input (batch, time, features); output (batch, units), with `return_sequences` (batch, time, units). The
    states ``[h, c]`` each have shape (batch, units).

    Raises
    ------
    ValueError
        As `LSTMCell` and `RNN`.
    """

    cell_class = LSTMCell
    fused_kernel = "lstm"
    recurrent_activation = of_cell("recurrent_activation")
    unit_forget_bias = of_cell("unit_forget_bias")
    state_names = "[h, c]"
    state_hint = "An LSTM's state is returned by return_state=True as output, h, c."

    def __init__(
        self,
        units,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias=True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias=True,
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
        use_cudnn: bool | str = "auto",
        **kwargs,
    ):
        super().__init__(**given(locals()), **kwargs)
