"""The fused tier: the whole-sequence kernels as primitives, and a recurrent layer run by one of them."""

from minirnn.kernels import gru, lstm, simple_rnn
from minirnn.kernels.primitive import KernelPrimitive

PRIMITIVES = {
    "simple_rnn": KernelPrimitive("simple_rnn", simple_rnn.forward, simple_rnn.backward),
    "gru": KernelPrimitive("gru", gru.forward, gru.backward),
    "lstm": KernelPrimitive("lstm", lstm.forward, lstm.backward),
}


def run_layer(layer, sequences, states, mask, training):
    """Run a SimpleRNN, GRU or LSTM over whole sequences.

    Parameters
    ----------
    layer : SimpleRNN, GRU or LSTM
    sequences : Tensor, shape (batch, time, features)
    states : list of Tensor, shape (batch, units)
    mask : Tensor, bool, shape (batch, time), or None
    training : bool
        Whether dropout is applied.

    Returns
    -------
    output : Tensor, shape (batch, time, units) if the layer returns sequences, else (batch, units)
    states : list of Tensor, shape (batch, units)
    """
    cell, kernel = layer.cell, layer.fused_kernel
    input_dropout = recurrent_dropout = None
    if training:
        batch, _, features = sequences.shape
        input_dropout = cell.draw_dropout_mask((batch, features), cell.dropout)
        recurrent_dropout = cell.draw_dropout_mask((batch, cell.units), cell.recurrent_dropout)
    options = {"activation": cell.activation.__name__}
    if kernel != "simple_rnn":
        options["recurrent_activation"] = cell.recurrent_activation.__name__
    if kernel == "gru":
        options["reset_after"] = cell.reset_after
    output, *states = PRIMITIVES[kernel](
        sequences,
        *states,
        cell.kernel,
        cell.recurrent_kernel,
        cell.bias,
        input_dropout,
        recurrent_dropout,
        mask,
        go_backwards=layer.go_backwards,
        return_sequences=layer.return_sequences,
        zero_output_for_mask=layer.zero_output_for_mask,
        **options,
    )
    return output, states
