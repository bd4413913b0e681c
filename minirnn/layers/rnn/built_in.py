"""What SimpleRNN, GRU and LSTM have in common: the weights and options of cells, the kernels of layers."""

import inspect
from collections.abc import Callable
from typing import Any

from minirnn import activations, constraints, initializers, kernels, ops, regularizers
from minirnn.autograd import Tensor, inferring_shapes
from minirnn.kernels import cudnn_rnn, fused
from minirnn.layers.configuration import OfBuild, positive_int, share_to_drop
from minirnn.layers.input_spec import InputSpec
from minirnn.layers.layer import Layer
from minirnn.layers.rnn.dropout_rnn_cell import DropoutRNNCell
from minirnn.layers.rnn.rnn import RNN
from minirnn.layers.rnn.state import described_shapes
from minirnn.random import SeedGenerator
from minirnn.utils.naming import to_snake_case

_TABLES = {
    "activation": activations,
    "initializer": initializers,
    "regularizer": regularizers,
    "constraint": constraints,
}


def option_names(constructor) -> tuple[str, ...]:
    """Return the names of a constructor's arguments, without its kwargs."""
    return tuple(name for name in inspect.signature(constructor).parameters if name not in ("self", "kwargs"))


def given(arguments: dict) -> dict:
    """Return a constructor's arguments by name, from the ``locals()`` at its start, without its kwargs."""
    return {k: v for k, v in arguments.items() if k not in ("self", "kwargs", "__class__")}


def _table_of(option):
    """Return the module that makes and serializes the value of an option; None if it is a plain value."""
    return _TABLES.get(option.split("_")[-1])


def checked(layer, label, units, dropout=0.0, recurrent_dropout=0.0) -> tuple[int, float, float]:
    """Return the size and the rates of dropout as numbers, or raise in the name of a layer or cell.

    Raises
    ------
    ValueError
        If `units` is no integer of 1 or more, or a rate is no number in [0, 1].
    """
    units = positive_int(layer, "units", units, label)
    dropout = share_to_drop(layer, "dropout", dropout, label)
    return units, dropout, share_to_drop(layer, "recurrent_dropout", recurrent_dropout, label)


class BuiltInCell(DropoutRNNCell, Layer):
    """A cell with a kernel, a recurrent kernel and a bias, each with one block of columns for each gate.

    Attributes
    ----------
    fused_kernel : str
        The whole-sequence kernel that computes what this cell's ``call`` does, step after step. It holds for
        the class itself and not for subclasses, which may compute something else.
    gates : int
    config_names : tuple of str
        The options, which are the constructor's arguments, in the order of ``get_config``.
    """

    fused_kernel: str
    gates: int
    config_names: tuple[str, ...]
    activation: Callable
    recurrent_activation: Callable
    bias_initializer: Callable
    state_size: int | list[int]
    kernel: Any = OfBuild()
    recurrent_kernel: Any = OfBuild()
    bias: Any = OfBuild()

    def __init__(self, *, units, dropout, recurrent_dropout, use_bias, seed, implementation=2, **options):
        units, dropout, recurrent_dropout = checked(
            self, options.get("name"), units, dropout, recurrent_dropout
        )
        tables = {name: table for name in self.config_names if (table := _table_of(name))}
        objects = {name: table.get(options.pop(name)) for name, table in tables.items()}
        super().__init__(**options)
        self.units = units
        self.use_bias = use_bias
        for name, value in objects.items():
            setattr(self, name, value)
        self.dropout, self.recurrent_dropout = dropout, recurrent_dropout
        self.implementation = 1 if recurrent_dropout else implementation
        if self.gates > 1 and self.implementation == 1:
            self.dropout_mask_count = self.gates
        self.seed = seed
        self.seed_generator = SeedGenerator(seed)
        self.state_size = units
        self.output_size = units

    def build(self, input_shape):
        if len(input_shape) != 2:
            raise ValueError(
                f"{self._where}: a step's input must have shape (batch, features); got {tuple(input_shape)}."
            )
        features = input_shape[-1]
        G = self.gates * self.units
        self._add_weights((features, G), (self.units, G), self._bias_shape())
        self.input_spec = InputSpec(ndim=2, axes={-1: features})

    def _add_weights(self, kernel, recurrent_kernel, bias):
        """Add the weights of these shapes under their names, with the initializers and so on of each."""
        for name, shape in {"kernel": kernel, "recurrent_kernel": recurrent_kernel, "bias": bias}.items():
            if name == "bias" and not self.use_bias:
                self.bias = None
                continue
            option = name.removesuffix("_kernel")
            weight = self.add_weight(
                name=name,
                shape=shape,
                initializer=self._initial_bias if name == "bias" else getattr(self, f"{option}_initializer"),
                regularizer=getattr(self, f"{option}_regularizer"),
                constraint=getattr(self, f"{option}_constraint"),
            )
            setattr(self, name, weight)

    def _bias_shape(self) -> tuple[int, ...]:
        return (self.gates * self.units,)

    def _initial_bias(self, shape, dtype=None):
        return self.bias_initializer(shape, dtype=dtype)

    def _checked(self, inputs, states) -> list:
        """Return the states as a list, or raise ValueError unless their number and shapes are the cell's."""
        flat = list(states) if isinstance(states, list | tuple) else [states]
        count = len(self.state_size) if isinstance(self.state_size, list) else 1
        expected = (inputs.shape[0], self.units)
        if len(flat) != count or any(getattr(s, "shape", None) != expected for s in flat):
            got = [getattr(s, "shape", type(s).__name__) for s in flat]
            raise ValueError(
                f"{self._where}: states must be {described_shapes([expected] * count)}; got "
                f"{described_shapes(got)}."
            )
        return flat

    def _masks(self, inputs, h, training):
        """Return the dropout masks for inputs and states, None where nothing is dropped."""
        if not training:
            return None, None
        return self.get_dropout_mask(inputs), self.get_recurrent_dropout_mask(h)

    def _product(self, x, weights, dropout, gates=slice(None)):
        """Return ``x @ weights`` for some gates, `x` times its dropout mask, one or one for each gate."""
        numbers = range(self.gates)[gates]
        if len(numbers) < self.gates:
            weights = weights[:, numbers[0] * self.units : (numbers[-1] + 1) * self.units]
        if dropout is None:
            return ops.matmul(x, weights)
        if dropout.ndim == 2:
            return ops.matmul(x * dropout, weights)
        parts = [slice(i * self.units, (i + 1) * self.units) for i in range(len(numbers))]
        products = [ops.matmul(x * dropout[n], weights[:, part]) for n, part in zip(numbers, parts)]
        return ops.concatenate(products, axis=1)

    def _by_gate(self, x) -> list:
        """Return the blocks of columns of `x`, one for each gate in it."""
        batch, columns = x.shape
        return ops.unstack(ops.reshape(x, (batch, columns // self.units, self.units)), axis=1)

    def get_initial_state(self, batch_size=None) -> list:
        """Return zeros, shape (batch, units), for each state."""
        count = len(self.state_size) if isinstance(self.state_size, list) else 1
        return [ops.zeros((batch_size, self.units), dtype=self.compute_dtype) for _ in range(count)]

    def get_config(self) -> dict:
        config = super().get_config()
        for name in self.config_names:
            value, table = getattr(self, name), _table_of(name)
            config[name] = value if table is None else table.serialize(value)
        return config


def of_cell(name):
    """Return a property that gives the cell's attribute of that name."""
    return property(lambda self: getattr(self.cell, name), doc=f"The cell's ``{name}``.")


class BuiltInRNN(RNN):
    """A layer made from a cell of its own, whose options are the layer's.

    Attributes
    ----------
    cell_class : type
    fused_kernel : str
        The whole-sequence kernel that does what the loop over the cell does.
    not_in_config : tuple of str
        Options of the cell that Keras leaves out of the layer's config.
    """

    cell_class: type[BuiltInCell]
    fused_kernel: str
    not_in_config: tuple[str, ...] = ()

    units = of_cell("units")
    activation = of_cell("activation")
    use_bias = of_cell("use_bias")
    kernel_initializer = of_cell("kernel_initializer")
    recurrent_initializer = of_cell("recurrent_initializer")
    bias_initializer = of_cell("bias_initializer")
    kernel_regularizer = of_cell("kernel_regularizer")
    recurrent_regularizer = of_cell("recurrent_regularizer")
    bias_regularizer = of_cell("bias_regularizer")
    kernel_constraint = of_cell("kernel_constraint")
    recurrent_constraint = of_cell("recurrent_constraint")
    bias_constraint = of_cell("bias_constraint")
    dropout = of_cell("dropout")
    recurrent_dropout = of_cell("recurrent_dropout")

    def __init__(self, *, use_cudnn: bool | str = "auto", **kwargs):
        if use_cudnn not in ("auto", True, False):
            raise ValueError(
                f"{type(self).__name__}: use_cudnn must be 'auto', True or False; got {use_cudnn!r}."
            )
        names = (*self.cell_class.config_names, "implementation")
        options = {name: kwargs.pop(name) for name in names if name in kwargs}
        # The cell looks at these too, but what people write, and are to read in an error, is the layer.
        rates = {name: options[name] for name in ("dropout", "recurrent_dropout") if name in options}
        checked(self, kwargs.get("name"), options["units"], **rates)
        cell = self.cell_class(
            **options,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name=to_snake_case(self.cell_class.__name__),
        )
        super().__init__(cell, **kwargs)
        self.use_cudnn = use_cudnn
        self.input_spec = InputSpec(ndim=3)

    def build(self, sequences_shape, initial_state_shape=None):
        if len(sequences_shape) != 3:
            got = tuple(sequences_shape)
            raise ValueError(f"{self._where}: inputs must have shape (batch, time, features); got {got}.")
        super().build(sequences_shape, initial_state_shape)
        self.input_spec = InputSpec(ndim=3, axes={-1: sequences_shape[-1]})

    def inner_loop(self, sequences, initial_state, mask, training: bool | None = False):
        choice = kernels.select(self, sequences, mask)
        if self.use_cudnn is True and choice.tier != "cudnn":
            reasons = "\n".join(f"  - {reason}" for reason in choice.reasons["cudnn"])
            raise ValueError(
                f"{self._where}: use_cudnn=True, but cuDNN cannot run this call:\n{reasons}\n"
                "With use_cudnn='auto' the fastest kernel that can is taken."
            )
        if choice.tier == "generic":
            return super().inner_loop(sequences, initial_state, mask, training)
        if sequences.data.dtype.kind != "f":
            sequences = ops.cast(sequences, self.compute_dtype)
        # Shapes are found on arrays of made-up sizes, which no library need see.
        kernel = cudnn_rnn if choice.tier == "cudnn" and not inferring_shapes() else fused
        return kernel.run_layer(self, sequences, initial_state, mask, training)

    def get_config(self) -> dict:
        config = super().get_config()
        del config["cell"]
        own = self.cell.get_config()
        names = [name for name in self.cell.config_names if name not in self.not_in_config]
        activity = regularizers.serialize(self.activity_regularizer)
        return {**config, **{name: own[name] for name in names}, "activity_regularizer": activity}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Make a layer from what `get_config` returned."""
        return cls(**config)


def may_share_a_call(forward, backward, sequences, training) -> bool:
    """Whether two layers of opposite directions are so alike that a kernel for both can run them."""
    one, other = type(forward), type(backward)
    return (
        one is other
        and issubclass(one, BuiltInRNN)
        and (one.call, one.inner_loop) == (RNN.call, BuiltInRNN.inner_loop)
        and isinstance(sequences, Tensor)
        and not forward.go_backwards
        and all(getattr(forward, n) == getattr(backward, n) for n in ("units", "activation", "use_bias"))
        and not (training and (forward.dropout or backward.dropout))  # each layer drops other inputs
        and forward.activity_regularizer is None is backward.activity_regularizer
        and kernels.select(forward, sequences).tier == "cudnn"
    )
