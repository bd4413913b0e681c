"""`RNN`: the loop of any cell over the steps of a sequence."""

from typing import Any

from minirnn import kernels, tree
from minirnn.autograd import Tensor, convert, inferring_shapes
from minirnn.autograd import primitives as P
from minirnn.kernels.generic import rnn_loop
from minirnn.layers.layer import Layer
from minirnn.layers.rnn.dropout_rnn_cell import dropping_cells, reset_masks
from minirnn.layers.rnn.stacked_rnn_cells import StackedRNNCells, build_cell, check_cell, first_state, step_of
from minirnn.layers.rnn.state import (
    CarriedState,
    children,
    described_shapes,
    initial_states_of,
    is_state_shape,
    one_mask,
    output_shapes_of,
    pack_states,
    shapes_of,
    tensors_of,
    zero_states,
)
from minirnn.ops.symbolic import KerasTensor
from minirnn.utils.registry import deserialize_part, serialize_keras_object


class RNN(Layer):
    """Runs a cell over the time axis of its inputs, and keeps its states between steps.

    Parameters
    ----------
    cell : object, or list or tuple of them
        Has ``call(inputs_at_t, states) -> (output, new_states)`` and ``state_size``, as a rule a Layer. An
        int or TensorShape is the size of one state; a list, tuple, namedtuple or dict of sizes is the
        structure in which `call` gets the states (one state comes as a list of one). It may have
        ``output_size`` and ``get_initial_state(batch_size)``. Several cells are stacked; see
        `StackedRNNCells`.
    return_sequences : bool
        Whether the output of each step is returned, or that of the last.
    return_state : bool
        Whether the last states are returned too, as ``output, *states``; of a dict the values, by keys.
    go_backwards : bool
        Whether the sequence is read from its end; outputs are in the order of reading.
    stateful : bool
        Whether a call starts from the states in which the call before ended.
    unroll : bool
        Kept for Keras's sake: each call runs through its steps as they come, so there is nothing to unroll.
    zero_output_for_mask : bool
        Whether the output of a masked step is zero; by default it is that of the step before.

    Notes
    -----
    Inputs have shape (batch, time, ...), alone or in a nested structure, of which the cell gets (batch, ...).
    A mask travels with the inputs, or is passed; it counts also where `initial_state` is given (Keras 3.15.1
    loses a travelling mask then). A step that is masked leaves states and output as they were. Before the
    first step that counts, the output is the first state if that has the output's shape (what Keras does on
    JAX), else zeros.

    Raises
    ------
    TypeError, ValueError
        At construction if `cell` has no `call` or `state_size`; at the call, before anything has changed, if
        inputs, mask or initial states have other shapes than they must have, if there are no time steps, or
        if a stateful layer meets a batch of another size.
    """

    # For errors: what the states are called, and where one gets them.
    state_names = ""
    state_hint = "The layer's own are returned by return_state=True as output, *states."

    def __init__(
        self,
        cell,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        zero_output_for_mask=False,
        **kwargs,
    ):
        if isinstance(cell, list | tuple):
            cell = StackedRNNCells(cell, dtype=kwargs.get("dtype"))
        check_cell(cell, type(self).__name__)
        super().__init__(**kwargs)
        self.cell: Any = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.supports_masking = True
        try:
            self.state_shapes = shapes_of(cell)
        except ValueError as error:
            raise ValueError(f"{self._where}: {type(cell).__name__}'s {error}") from error
        self._carried: CarriedState | None = None
        self._built_for_shapes = False

    @property
    def state_size(self):
        """The sizes of the cell's states, as it gives them; of a single one a list."""
        size = self.cell.state_size
        return list(size) if type(size) in (list, tuple) else [size] if isinstance(size, int) else size

    @property
    def states(self) -> Any:
        """The Variables in which a stateful layer keeps its states; None before it is built."""
        return None if self._carried is None else self._carried.variables

    def _build_for(self, signature, args, kwargs):
        # Layers run for their shapes alone see batches of made-up sizes; what they build knows no size yet.
        self._built_for_shapes = inferring_shapes()
        self._check_call({**dict(zip(signature.names, args)), **kwargs}, signature.first)
        super()._build_for(signature, args, kwargs)

    def _check_call(self, arguments, first):
        """Check the arguments of a first call, so that one that is refused leaves no weights behind."""
        if any(isinstance(leaf, KerasTensor) for leaf in tree.flatten(arguments)):
            return
        sequences, states = arguments.get(first), arguments.get("initial_state")
        batch_size = self._check_inputs(sequences)
        self._as_mask(arguments.get("mask"), sequences)
        if states is not None:
            self._given_states(states, batch_size)

    def build(self, sequences_shape, initial_state_shape=None):
        shapes = tree.flatten(sequences_shape, is_leaf=tree.is_shape)
        if any(len(shape) < 2 for shape in shapes):
            raise ValueError(
                f"{self._where}: inputs must have shape (batch, time, ...); got {sequences_shape}."
            )
        batch_size = shapes[0][0]
        if self.stateful and batch_size is None:
            raise ValueError(
                f"{self._where}: stateful=True needs a known batch size; got {sequences_shape}. Give it "
                "to Input(batch_shape=...) or Input(batch_size=...), or call the layer on data first."
            )
        step_shape = tree.map_shape_structure(lambda s: (s[0], *s[2:]), sequences_shape)
        build_cell(self.cell, step_shape)
        if self.stateful and not self._built_for_shapes:
            self._carry(batch_size)

    def _carry(self, batch_size):
        self._carried = CarriedState(self.get_initial_state(batch_size), self.path)

    def get_initial_state(self, batch_size, inputs=None):
        """Return the states that a sequence starts from if no others are given: the cell's, or zeros.

        Parameters
        ----------
        batch_size : int
        inputs : Tensor or structure of Tensor, optional
            For a cell whose ``get_initial_state`` takes them.
        """
        dtype = getattr(self.cell, "compute_dtype", self.compute_dtype)
        states = tree.flatten(initial_states_of(self.cell, batch_size, dtype, inputs))
        count = len(tree.flatten(self.state_shapes, is_leaf=is_state_shape))
        if len(states) != count:
            raise ValueError(
                f"{self._where}: {type(self.cell).__name__}.get_initial_state must return {count} state(s), "
                f"as state_size has it; got {len(states)}."
            )
        return pack_states(self.state_shapes, [convert(s) for s in states])

    def reset_state(self, states=None) -> None:
        """Set the states that a stateful layer carries: to those of a first call, or to `states`.

        Parameters
        ----------
        states : array, Tensor, or structure of them, optional
            Shapes (batch, ...), as for ``initial_state``.

        Raises
        ------
        ValueError
            If `states` are given to a layer that is not stateful or not built, or have other shapes.
        """
        if states is None:
            if self._carried is not None:
                self._carried.reset()
            return
        if self._carried is None:
            need = "be built first: call it on data" if self.stateful else "have stateful=True"
            raise ValueError(f"{self._where}: to be given states, the layer must {need}.")
        self._carried.write(self._given_states(states, self._carried.batch_size, "states"))

    def reset_states(self, states=None) -> None:
        """The same as `reset_state`, under its older name."""
        self.reset_state(states)

    def call(self, sequences, initial_state=None, mask=None, training: bool | None = False):
        states, mask = self._begin(sequences, initial_state, mask)
        run = self._run_for_shapes if inferring_shapes() else self.inner_loop
        return self._end(*run(sequences, states, mask, training))

    def _run_for_shapes(self, sequences, initial_state, mask, training):
        """Run one step, and repeat its output: 10,000 steps take no longer to build a model for than 10."""
        steps = tree.flatten(sequences)[0].shape[1]
        first = tree.map_structure(lambda x: x[:, :1], sequences)
        mask = None if mask is None else mask[:, :1]
        output, states = self.inner_loop(first, initial_state, mask, training)
        if self.return_sequences:
            output = tree.map_structure(
                lambda y: P.broadcast_to(y, shape=(y.shape[0], steps, *y.shape[2:])), output
            )
        return output, states

    def _begin(self, sequences, initial_state, mask):
        """Return the first states and the mask of a call, both checked."""
        batch_size = self._check_inputs(sequences)
        if mask is not None:
            # If initial_state is passed, Keras 3.15.1 loses the inputs' mask, and padding changes the states.
            mask = self._as_mask(mask, sequences)
        return self._first_states(sequences, initial_state, batch_size), mask

    def _end(self, output, states):
        """Carry the last states, and return what the call returns."""
        if self._carried is not None and not inferring_shapes():
            self._carried.write(states)
        return (output, *children(states)) if self.return_state else output

    def inner_loop(self, sequences, initial_state, mask, training: bool | None = False):
        """Run all steps: the seam between the layer and the kernels.

        Parameters
        ----------
        sequences : Tensor or structure of Tensor, shapes (batch, time, ...)
        initial_state : structure of Tensor, as `state_shapes`
        mask : Tensor, bool, shape (batch, time), or None
        training : bool

        Returns
        -------
        output : Tensor or structure of Tensor
        states : structure of Tensor, as `state_shapes`
        """
        cell = self.cell
        call = step_of(cell, training)

        def step(inputs, states):
            result = call(inputs, states)
            if not isinstance(result, list | tuple) or len(result) != 2:
                raise ValueError(
                    f"{self._where}: {type(cell).__name__}.call must return (output, new_states); got "
                    f"{type(result).__name__}."
                )
            return result[0], self._checked_states(result[1], states)

        dropping = dropping_cells(cell)
        reset_masks(dropping)
        try:
            output, states = rnn_loop(
                step,
                sequences,
                initial_state,
                mask,
                go_backwards=self.go_backwards,
                zero_output_for_mask=self.zero_output_for_mask,
                return_all=self.return_sequences,
                output_before=first_state(cell, initial_state),
            )
        finally:
            reset_masks(dropping)
        return tree.map_structure(self._to_dtype, output), tree.map_structure(self._to_dtype, states)

    def kernel_report(self, inputs=None, mask=None):
        """Return which kernel runs this layer, and why no faster one does.

        Parameters
        ----------
        inputs : array or Tensor, shape (batch, time, features), optional
            What the layer is to be called on; without it, all that does not depend on it is looked at.
        mask : array or Tensor, shape (batch, time), optional
            Default: the mask that travels with `inputs`.

        Returns
        -------
        kernels.Choice
            With ``tier``, and ``reasons``, which has the unmet conditions of each faster tier. Print it.
        """
        if inputs is not None:
            mask = getattr(inputs, "_keras_mask", None) if mask is None else mask
            inputs = tree.map_structure(self._convert, inputs)
        if mask is not None:
            mask = convert(mask, "bool")
        return kernels.select(self, inputs, mask)

    def compute_mask(self, inputs, previous_mask):
        """Return the mask of the outputs: that of the inputs for each output if sequences are returned."""
        if previous_mask is None and not self.return_state:
            return None
        mask = None
        if self.return_sequences and previous_mask is not None:
            mask = self._as_mask(previous_mask, inputs)
        masks = [mask] * len(tree.flatten(output_shapes_of(self.cell), is_leaf=is_state_shape))
        if self.return_state:
            return masks + [None] * len(tree.flatten(self.state_shapes, is_leaf=is_state_shape))
        return masks if len(masks) > 1 else mask

    # What a call is given, checked before anything changes.

    def _check_inputs(self, sequences) -> int:
        if isinstance(sequences, Tensor):
            leading = sequences.data.shape[:2]
        else:
            leading, *others = [x.shape[:2] for x in tensors_of(self, sequences)]
            if any(other != leading for other in others):
                raise ValueError(
                    f"{self._where}: all inputs must have the same batch size and number of time steps; got "
                    f"{[leading, *others]}."
                )
        if len(leading) < 2 or leading[1] == 0:
            got = [tuple(x.shape) for x in tree.flatten(sequences)]
            raise ValueError(
                f"{self._where}: inputs must have shape (batch, time, ...) with at least one time step; got "
                f"{got[0] if len(got) == 1 else got}."
            )
        carried = self._carried
        if carried is not None and carried.batch_size not in (None, leading[0]) and not inferring_shapes():
            raise ValueError(
                f"{self._where}: a stateful layer goes on where the batch before ended, so each batch must "
                f"have the same size, {carried.batch_size}; got {leading[0]}."
            )
        return leading[0]

    def _as_mask(self, mask, sequences):
        """Return a mask in any form as a Tensor of bool, shape (batch, time)."""
        return one_mask(self._where, mask, tuple(tree.flatten(sequences)[0].shape[:2]))

    def _first_states(self, sequences, initial_state, batch_size):
        carries = self.stateful and not inferring_shapes()
        given = None if initial_state is None else self._given_states(initial_state, batch_size)
        if carries and self._carried is None:
            self._carry(batch_size)
        if given is not None:
            return given
        if carries and self._carried is not None:
            return self._carried.read()
        return self.get_initial_state(batch_size, sequences)

    def _given_states(self, given, batch_size, name="initial_state"):
        """Return states that were given, in any structure, as Tensors in the cell's.

        Raises
        ------
        ValueError
            If their number or shapes are not the cell's.
        """
        shapes = tree.flatten(self.state_shapes, is_leaf=is_state_shape)
        try:
            states = [s if isinstance(s, Tensor) else convert(s) for s in tree.flatten(given)]
        except (TypeError, ValueError) as error:
            raise type(error)(f"{self._where}: {name} must be arrays of numbers. {error}") from error
        if inferring_shapes() and [s.shape[1:] for s in states] == shapes:
            return zero_states(self.state_shapes, batch_size, self.compute_dtype)  # the batch is made up here
        expected = [(batch_size, *shape) for shape in shapes]
        if [s.shape for s in states] != expected:
            raise ValueError(
                f"{self._where}: {name} must be {described_shapes(expected, self.state_names)}; got "
                f"{described_shapes([s.shape for s in states])}. {self.state_hint}"
            )
        dtype = getattr(self.cell, "compute_dtype", self.compute_dtype)
        return pack_states(self.state_shapes, [convert(s, dtype) for s in states])

    def _checked_states(self, states, before):
        """Return what a cell gave as new states in the structure of those it got."""
        flat = [convert(s) for s in tree.flatten(states)]
        expected = [s.shape for s in tree.flatten(before)]
        if [s.shape for s in flat] != expected:
            raise ValueError(
                f"{self._where}: {type(self.cell).__name__}.call must return states of the shapes that it "
                f"got, {described_shapes(expected)}; it returned {described_shapes([s.shape for s in flat])}."
            )
        return tree.pack_sequence_as(before, flat)

    def _to_dtype(self, value):
        return convert(value, self.compute_dtype)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "stateful": self.stateful,
            "unroll": self.unroll,
            "zero_output_for_mask": self.zero_output_for_mask,
            "cell": serialize_keras_object(self.cell),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Make a layer from what `get_config` returned."""
        config = dict(config)
        cell = deserialize_part(config.pop("cell"), custom_objects)
        return cls(cell, **config)
