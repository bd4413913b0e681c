"""`SimpleRNN` and its cell: h ← φ(x W + h U + b)."""

from typing import Any

from minirnn import ops, tree
from minirnn.layers.rnn.built_in import BuiltInCell, BuiltInRNN, given, option_names


class SimpleRNNCell(BuiltInCell):
    """One step of a simple recurrent network.

    Parameters
    ----------
    units : int
        Size of the state, which also is the output.
    activation : str or callable
        φ; None is the identity.
    use_bias : bool
    kernel_initializer, recurrent_initializer, bias_initializer : str or Initializer
    kernel_regularizer, recurrent_regularizer, bias_regularizer : str or Regularizer, optional
    kernel_constraint, recurrent_constraint, bias_constraint : str or Constraint, optional
    dropout, recurrent_dropout : float
        Shares of the inputs and of the state that are 0 in training, in [0, 1].
    seed : int, optional
        For dropout.

    Attributes
    ----------
    kernel : Variable, shape (features, units)
    recurrent_kernel : Variable, shape (units, units)
    bias : Variable, shape (units,), or None

    Notes
    -----
    A call takes inputs (batch, features) and states ``[h]``, (batch, units), and returns ``h, [h]``.

    Raises
    ------
    ValueError
        If `units` is no positive integer, a rate is not in [0, 1], or a name is not known.

    References
    ----------
    Elman 1990, "Finding structure in time".
    """

    fused_kernel = "simple_rnn"
    gates = 1

    def __init__(
        self,
        units,
        activation: Any = "tanh",
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
        seed=None,
        **kwargs,
    ):
        super().__init__(**given(locals()), **kwargs)

    config_names = option_names(__init__)

    def call(self, sequence, states, training: bool | None = False):
        (h,) = self._checked(sequence, states)
        x_dropout, h_dropout = self._masks(sequence, h, training)
        a = self._product(sequence, self.kernel, x_dropout)
        a = a + self._product(h, self.recurrent_kernel, h_dropout)
        if self.bias is not None:
            a = ops.add(a, self.bias)
        h = self.activation(a)
        return h, [h] if tree.is_nested(states) else h


class SimpleRNN(BuiltInRNN):
    """A simple recurrent network over sequences, as `RNN` with a `SimpleRNNCell`, but in one kernel.

    Parameters
    ----------
    units, activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer, \
kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint, recurrent_constraint, \
bias_constraint, dropout, recurrent_dropout, seed
        See `SimpleRNNCell`.
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
        As `SimpleRNNCell` and `RNN`.
    """

    cell_class = SimpleRNNCell
    fused_kernel = "simple_rnn"
    not_in_config = ("seed",)
    state_names = "[h]"
    state_hint = "A SimpleRNN's state is returned by return_state=True as output, h."

    def __init__(
        self,
        units,
        activation: Any = "tanh",
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
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        seed=None,
        use_cudnn: bool | str = "auto",
        **kwargs,
    ):
        super().__init__(**given(locals()), **kwargs)
