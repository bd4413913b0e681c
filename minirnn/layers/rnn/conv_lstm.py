"""`ConvLSTM1D` and `ConvLSTM2D`: an LSTM whose products with matrices are convolutions."""

from typing import Any

from minirnn import ops, regularizers
from minirnn.layers.configuration import positive_int
from minirnn.layers.input_spec import InputSpec
from minirnn.layers.rnn.built_in import checked, given, of_cell, option_names
from minirnn.layers.rnn.lstm import LSTM, LSTMCell
from minirnn.layers.rnn.rnn import RNN
from minirnn.layers.rnn.state import TensorShape, described_shapes
from minirnn.layers.windows import check_not_both, check_windows, data_format_of, integers_of, padding_of
from minirnn.ops.windows import count_of_windows

_WINDOWS = ("kernel_size", "strides", "padding", "data_format", "dilation_rate")


def _checked_windows(where, rank, options) -> dict:
    """Return the options that describe the windows, in their full form, or raise ValueError."""
    found = {
        name: integers_of(where, name, options[name], rank)
        for name in ("kernel_size", "strides", "dilation_rate")
    }
    check_not_both(where, found["strides"], found["dilation_rate"])
    padding = padding_of(where, options["padding"])
    return {**found, "padding": padding, "data_format": data_format_of(where, options["data_format"])}


class ConvLSTMCell(LSTMCell):
    """One step of a convolutional LSTM: an `LSTMCell` that convolves where that one multiplies by matrices.

    With a convolution ∗, the product ∘ of numbers at the same place, and σ the recurrent activation::

        i = σ(x ∗ W_i + h ∗ U_i + b_i)
        f = σ(x ∗ W_f + h ∗ U_f + b_f)
        o = σ(x ∗ W_o + h ∗ U_o + b_o)
        c' = f ∘ c + i ∘ tanh(x ∗ W_c + h ∗ U_c + b_c)
        h' = o ∘ tanh(c')

    Parameters
    ----------
    rank : int
        How many axes there are beside batch and channels.
    filters : int
        Number of channels of h and of c.
    kernel_size : int or tuple of int
    strides, padding, data_format, dilation_rate
        Of the convolution of x, as for `Conv1D`, without "causal". That of h leaves its size as it is.
    activation, recurrent_activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer, \
unit_forget_bias, kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint, \
recurrent_constraint, bias_constraint, dropout, recurrent_dropout, seed
        See `LSTMCell`. Each gate drops other inputs.

    Attributes
    ----------
    kernel : Variable, shape (*kernel_size, channels, 4 filters), gates in the order i, f, c, o
    recurrent_kernel : Variable, shape (*kernel_size, filters, 4 filters)
    bias : Variable, shape (4 filters,), or None
    state_shapes : list of TensorShape
        Of h and of c; the sizes that depend on those of x are None before the cell is built.

    Raises
    ------
    ValueError
        If an argument is none of these.

    References
    ----------
    Shi et al. 2015, "Convolutional LSTM network: a machine learning approach for precipitation nowcasting",
    equation 3, without the terms in which c acts on the gates.
    """

    def __init__(
        self,
        rank,
        filters,
        kernel_size,
        strides: Any = 1,
        padding="valid",
        data_format=None,
        dilation_rate: Any = 1,
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
        options = given(locals())
        own = {name: options.pop(name) for name in ("rank", "filters", *_WINDOWS)}
        filters = positive_int(self, "filters", filters, kwargs.get("name"))
        # A dropout mask for each gate is what `implementation=1` means.
        super().__init__(filters, implementation=1, **options, **kwargs)
        self.rank, self.filters = rank, filters
        for name, value in _checked_windows(self._where, rank, own).items():
            setattr(self, name, value)
        self._set_state_shapes((None,) * rank)

    config_names = option_names(__init__)[1:]
    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation_rate: tuple[int, ...]
    padding: str
    data_format: str
    state_size: Any

    @property
    def _channel_axis(self) -> int:
        return -1 if self.data_format == "channels_last" else 1

    def state_shape(self, places) -> TensorShape:
        """Return the shape of a state with these places, without the batch axis."""
        return TensorShape((*places, self.filters) if self._channel_axis == -1 else (self.filters, *places))

    def _set_state_shapes(self, places):
        self.output_size = self.state_shape(places)
        self.state_shapes = self.state_size = [self.output_size, self.output_size]

    def places_of(self, step_shape) -> list:
        """Return the sizes of a state's places for a step's input, None for what is not known."""
        steps = step_shape[1:-1] if self._channel_axis == -1 else step_shape[2:]
        spans = [(k - 1) * d + 1 for k, d in zip(self.kernel_size, self.dilation_rate)]
        axes = zip(steps, spans, self.strides)
        return [None if axis[0] is None else count_of_windows(*axis, self.padding) for axis in axes]

    def expect(self, step_shape, where) -> None:
        """Take over the sizes of a step's input, on which those of the states depend.

        Raises
        ------
        ValueError
            In the name of `where`, if one of them is not known or no window fits.
        """
        if None in step_shape[1:]:
            raise ValueError(
                f"{where}: all sizes but those of batch and time must be known, as those of states depend "
                f"on them; got {tuple(step_shape[1:])} for one step."
            )
        options = {
            name: getattr(self, name) for name in ("padding", "data_format", "strides", "dilation_rate")
        }
        check_windows(where, step_shape, self.kernel_size, **options)
        self._set_state_shapes(self.places_of(step_shape))

    def build(self, input_shape):
        if len(input_shape) != self.rank + 2:
            raise ValueError(
                f"{self._where}: a step's input must have {self.rank + 2} axes; got shape "
                f"{tuple(input_shape)}."
            )
        self.expect(input_shape, self._where)
        channels = input_shape[self._channel_axis]
        G = self.gates * self.filters
        kernel, recurrent_kernel = ((*self.kernel_size, n, G) for n in (channels, self.filters))
        self._add_weights(kernel, recurrent_kernel, (G,))
        self.input_spec = InputSpec(shape=(None, *input_shape[1:]))

    def _checked(self, inputs, states) -> list:
        flat = list(states) if isinstance(states, list | tuple) else [states]
        expected = [(inputs.shape[0], *shape) for shape in self.state_shapes]
        got = [getattr(s, "shape", None) for s in flat]
        if got != expected:
            raise ValueError(
                f"{self._where}: states must be {described_shapes(expected)}; got {described_shapes(got)}."
            )
        return flat

    # What `LSTMCell.call` is made of. Between these two the channels, of all gates, are the last axis.

    def _product(self, x, weights, dropout, gates=slice(None)):
        """Return the convolution of `x`, times its dropout masks, one for each gate."""
        if weights is self.recurrent_kernel:
            options = {"padding": "same"}
        else:
            options = {n: getattr(self, n) for n in ("strides", "padding", "dilation_rate")}
        if dropout is None:
            return ops.conv(ops.moveaxis(x, self._channel_axis, -1), weights, **options)
        parts = [slice(n * self.filters, (n + 1) * self.filters) for n in range(self.gates)]
        dropped = [ops.moveaxis(x * dropout[n], self._channel_axis, -1) for n in range(self.gates)]
        products = [ops.conv(x, weights[..., part], **options) for x, part in zip(dropped, parts)]
        return ops.concatenate(products, axis=-1)

    def _by_gate(self, x) -> list:
        return [ops.moveaxis(gate, -1, self._channel_axis) for gate in ops.split(x, self.gates, axis=-1)]

    def get_initial_state(self, batch_size=None) -> list:
        """Return zeros, shape (batch, *places, filters), for h and for c; the cell must be built."""
        if None in self.output_size:
            raise ValueError(f"{self._where}: the sizes of states are known when it is built; call it first.")
        return [ops.zeros((batch_size, *shape), dtype=self.compute_dtype) for shape in self.state_shapes]


class ConvLSTM(RNN):
    """The base of `ConvLSTM1D` and `ConvLSTM2D`: an `RNN` with a `ConvLSTMCell`, whose options it takes."""

    rank: int
    state_names = LSTM.state_names
    state_hint = "A ConvLSTM's state is returned by return_state=True as output, h, c."

    def __init__(
        self,
        filters,
        kernel_size,
        strides: Any = 1,
        padding="valid",
        data_format=None,
        dilation_rate: Any = 1,
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
        **kwargs,
    ):
        arguments = {**given(locals()), **kwargs}
        options = {name: arguments.pop(name) for name in ConvLSTMCell.config_names}
        # The cell looks at these too, but what people write, and are to read in an error, is the layer.
        name = kwargs.get("name")
        filters = positive_int(self, "filters", filters, name)
        checked(self, name, filters, dropout, recurrent_dropout)
        _checked_windows(type(self).__name__ + (f" {name!r}" if name else ""), self.rank, options)
        cell = ConvLSTMCell(
            self.rank,
            **options,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="conv_lstm_cell",
        )
        super().__init__(cell, **arguments)
        self.input_spec = InputSpec(ndim=self.rank + 3)

    def _check_call(self, arguments, first):
        self._expect(arguments[first].shape)
        super()._check_call(arguments, first)

    def _expect(self, shape):
        self.cell.expect((shape[0], *shape[2:]), self._where)
        self.state_shapes = self.cell.state_shapes

    def build(self, sequences_shape, initial_state_shape=None):
        if len(sequences_shape) != self.rank + 3:
            raise ValueError(
                f"{self._where}: inputs must have {self.rank + 3} axes, the second of them time; got shape "
                f"{tuple(sequences_shape)}."
            )
        self._expect(sequences_shape)
        super().build(sequences_shape, initial_state_shape)
        self.input_spec = InputSpec(shape=(None, None, *sequences_shape[2:]))

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        """Return the shapes of what a call returns; here the sizes of places may be unknown, as in Keras."""
        if None not in sequences_shape[2:] or len(sequences_shape) != self.rank + 3:
            return super().compute_output_shape(sequences_shape)
        batch, time, *step = sequences_shape
        state = tuple(self.cell.state_shape(self.cell.places_of((batch, *step))))
        output = (batch, time, *state) if self.return_sequences else (batch, *state)
        return (output, (batch, *state), (batch, *state)) if self.return_state else output

    def get_config(self) -> dict:
        config = super().get_config()
        del config["cell"]
        own = self.cell.get_config()
        activity = regularizers.serialize(self.activity_regularizer)
        return {**config, **{n: own[n] for n in self.cell.config_names}, "activity_regularizer": activity}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Make a layer from what `get_config` returned."""
        return cls(**config)


for _name in ConvLSTMCell.config_names:
    setattr(ConvLSTM, _name, of_cell(_name))


class ConvLSTM1D(ConvLSTM):
    """A convolutional LSTM over a sequence of sequences, as a row of sensors gives at each time.

    Parameters
    ----------
    filters, kernel_size, strides, padding, data_format, dilation_rate, activation, recurrent_activation, \
use_bias, kernel_initializer, recurrent_initializer, bias_initializer, unit_forget_bias, kernel_regularizer, \
recurrent_regularizer, bias_regularizer, kernel_constraint, recurrent_constraint, bias_constraint, dropout, \
recurrent_dropout, seed
        See `ConvLSTMCell`.
    activity_regularizer : str or Regularizer, optional
        Of the output.
    return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask
        See `RNN`.

    Notes
    -----
    Input (batch, time, steps, channels), or (batch, time, channels, steps) with
    ``data_format="channels_first"``; output (batch, windows, filters), with `return_sequences` (batch, time,
    windows, filters). The states ``[h, c]`` each have shape (batch, windows, filters). A mask has shape
    (batch, time). (With one, Keras 3.15.1 on JAX is right with ``unroll=True`` alone.)

    Raises
    ------
    ValueError
        If an argument is none of these; at the call as `RNN`, if a size but those of batch and time is not
        known or differs from that at first, or if no window fits.
    """

    rank = 1


class ConvLSTM2D(ConvLSTM):
    """A convolutional LSTM over a sequence of images, as in a film.

    Parameters, errors and shapes are those of `ConvLSTM1D`, with rows and columns in place of steps.
    """

    rank = 2
