"""A recurrent layer run in chunks of time: of each only the first states are kept for the reverse pass.

With T steps in chunks of about √T, that is √T states and, in the reverse pass, what √T steps leave behind at
once, in place of what T steps do (Gruslys et al. 2016, "Memory-efficient backpropagation through time").

Leaves of structures are in flat lists here: inputs, then states, then outputs of a chunk, which each have an
axis of time in the order of the inputs; chunks are in the order in which they are processed.
"""

import functools
import math
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from minirnn import backend, kernels, tree
from minirnn.autograd import Tensor, enable_grad, inferring_shapes, no_grad
from minirnn.autograd import primitives as P
from minirnn.autograd.graph import Node
from minirnn.autograd.tensor import state
from minirnn.backend import blas
from minirnn.kernels import shards
from minirnn.kernels.padding import Padding
from minirnn.layers.replay import (
    Replay,
    attributes,
    gradients,
    in_order,
    key_of,
    mark,
    recorded,
    restore,
    sources,
)
from minirnn.layers.rnn.bidirectional import Bidirectional
from minirnn.layers.rnn.built_in import BuiltInRNN
from minirnn.layers.rnn.dropout_rnn_cell import dropping_cells
from minirnn.layers.rnn.rnn import RNN


def run_in_chunks(layer, steps=None) -> bool:
    """Let a recurrent layer, or the two of a `Bidirectional`, run in chunks from now on.

    Returns
    -------
    bool
        Whether it is such a layer; another is left as it is.
    """
    layers = [layer.forward_layer, layer.backward_layer] if isinstance(layer, Bidirectional) else [layer]
    if not all(isinstance(one, RNN) and type(one).call is RNN.call for one in layers):
        return False
    for one in layers:
        one.inner_loop = ChunkedLoop(one, steps)
    if layer not in layers:
        layer.__dict__["_in_one_call"] = _in_two_calls
    return True


def _in_two_calls(*_):
    """Take the place of `Bidirectional._in_one_call`, which does not go through ``inner_loop``."""


class ChunkedLoop:
    """Takes the place of a layer's ``inner_loop``.

    Parameters
    ----------
    layer : RNN
    steps : int, optional
        In a chunk; default: the root of their number.
    """

    def __init__(self, layer, steps=None):
        self.layer, self.steps = layer, steps

    def __call__(self, sequences, initial_state, mask, training: bool | None = False):
        layer = self.layer
        loop = functools.partial(type(layer).inner_loop, layer)
        T = tree.flatten(sequences)[0].shape[1]
        steps = self.steps or math.ceil(math.sqrt(T))
        if steps >= T or not state.recording or inferring_shapes():
            return loop(sequences, initial_state, mask, training)
        leaves = [*tree.flatten(sequences), *tree.flatten(initial_state), *layer.trainable_weights]
        choice = kernels.select(layer, sequences, mask)
        refused = choice.tier != "cudnn" and getattr(layer, "use_cudnn", None) is True
        if refused or not any(x.requires_grad for x in leaves):
            return loop(sequences, initial_state, mask, training)
        call = _Call(loop, layer, sequences, initial_state, mask, training, steps)
        # One tier for all chunks, whatever their masks are.
        with kernels.use_tier(choice.tier), call.steady_blas():
            return call.forward()


class _Masks:
    """The dropout masks of a call, drawn in the first chunk and the same in the others."""

    def __init__(self, cells):
        self.drawn = [(cell, []) for cell in cells]

    @contextmanager
    def for_a_chunk(self):
        with ExitStack() as stack:
            for cell, masks in self.drawn:
                draw = _Draw(type(cell).draw_dropout_mask.__get__(cell), masks)
                stack.enter_context(attributes(cell, draw_dropout_mask=draw))
            yield


class _Draw:
    def __init__(self, draw, masks):
        self.draw, self.masks, self.count = draw, masks, 0

    def __call__(self, shape, rate):
        if self.count == len(self.masks):
            self.masks.append(self.draw(shape, rate))
        self.count += 1
        return self.masks[self.count - 1]


class _Chunks:
    """The node of a call in chunks; what it saved is the `_Call`."""

    name = "recompute"

    def pull_back(self, node, cotangents):
        call = node.saved
        if state.recording:
            return call.backward_at_once(node, cotangents)
        with call.steady_blas():
            return call.backward(node, cotangents)


_chunks = _Chunks()


class _Call:
    """One call of a layer in chunks, and its reverse pass."""

    def __init__(self, loop, layer, sequences, initial_state, mask, training, steps):
        self.loop, self.sequences, self.initial_state = loop, sequences, initial_state
        self.mask, self.training = mask, training
        self.go_backwards, self.return_sequences = layer.go_backwards, layer.return_sequences
        self.xs, self.states = tree.flatten(sequences), tree.flatten(initial_state)
        self.T = self.xs[0].shape[1]
        self.chunks = [(start, min(start + steps, self.T)) for start in range(0, self.T, steps)]
        # A step that is masked repeats the output before it, which may lie in the chunk before. That of a
        # built-in cell is a state, which is there.
        repeats = mask is not None and not layer.zero_output_for_mask
        self.repeats = repeats and not isinstance(layer, BuiltInRNN)
        self.dropout = _Masks(dropping_cells(layer.cell) if training else [])
        self.holds_blas = False
        if isinstance(layer, BuiltInRNN):
            x, work = self.xs[0], sum(w.size for w in layer.weights)
            plan = shards.plan(x.shape[0], self.T, layer.units, work, backend.array_module(x.data))
            self.holds_blas = plan.hold_blas
        self.replay = Replay()
        # For each chunk: what it assigned, and the arrays that it starts from, states and outputs before.
        self.befores: list[dict] = []
        self.starts: list[tuple[list, list]] = []
        # Of the outputs and states of a chunk.
        self.form: Any = None

    @contextmanager
    def steady_blas(self):
        """Keep BLAS, over all chunks, at the number of threads that a pass over all steps would choose."""
        with blas.by_size():
            if self.holds_blas:
                blas.before_product(0)
            yield

    def forward(self):
        """Return what the layer's loop over all steps returns, as outputs of one node."""
        states, outputs, weights = [s.data for s in self.states], [], []
        for number, (start, stop) in enumerate(self.chunks):
            before = [self._last(y, start) for y in outputs] if self.repeats and number else []
            self.starts.append((states, before))
            above = mark()
            # One chunk is recorded, to see which weights the cell depends on.
            with enable_grad() if number == 0 else no_grad():
                results, losses = self.replay.first(functools.partial(self._run, *self._arguments(number)))
            self.befores.append(self.replay.before)
            if losses:
                # They would have to be outputs too, each of its own chunk, and in the order of steps.
                for before in reversed(self.befores):
                    restore(before)
                return self.loop(self.sequences, self.initial_state, self.mask, self.training)
            if number == 0:
                weights = sources([y for y in results if recorded(y, above)], above)
                self.replay.note(weights)
            count = len(results) - len(states)
            outputs = self._joined(outputs, results[:count], start, stop)
            states = [s.data for s in results[count:]]
            del results  # not to be there beside those of the next chunk
        arrays = (*outputs, *states)
        node = Node(_chunks, (*self.xs, *self.states, *weights), arrays, self)
        return tree.pack_sequence_as(self.form, [node.output(i) for i in range(len(arrays))])

    def _arguments(self, number, differentiate=False):
        """Return what `_run` takes for a chunk."""
        times, (states, before) = self._times(number), self.starts[number]

        def tensors(arrays):
            return [Tensor(a, requires_grad=differentiate and a.dtype.kind == "f") for a in arrays]

        xs = [Tensor(x.data[:, times], requires_grad=differentiate and x.requires_grad) for x in self.xs]
        return xs, tensors(states), tensors(before), self._mask(times)

    def _times(self, number) -> slice:
        """Return where the inputs of a chunk lie."""
        start, stop = self.chunks[number]
        return slice(self.T - stop, self.T - start) if self.go_backwards else slice(start, stop)

    def _mask(self, times):
        if self.mask is None:
            return None
        part = Tensor(self.mask.data[:, times])
        whole = self.mask._padding
        if whole is not None and whole.right:  # so the part need not be read from a device
            part._padding = Padding(True, np.clip(whole.lengths_B - times.start, 0, times.stop - times.start))
        return part

    def _run(self, xs, states, before, mask):
        """Return the outputs and the last states of a chunk in one flat list."""
        with self.dropout.for_a_chunk():
            outputs, states = self.loop(
                tree.pack_sequence_as(self.sequences, xs),
                tree.pack_sequence_as(self.initial_state, states),
                mask,
                self.training,
            )
        self.form = tree.map_structure(lambda _: None, (outputs, states))
        outputs = tree.flatten(outputs)
        if before:
            begun = (mask.data[:, ::-1] if self.go_backwards else mask.data).cumsum(axis=1) > 0
            outputs = [self._repeated(y, old, begun) for y, old in zip(outputs, before, strict=True)]
        return outputs + tree.flatten(states)

    def _repeated(self, y, before, begun):
        """Put the output before the chunk where none of its steps has counted yet."""
        if self.return_sequences:
            before = P.reshape(before, shape=(before.shape[0], 1, *before.shape[1:]))
        else:
            begun = begun[:, -1]
        return P.where(Tensor(begun.reshape(begun.shape + (1,) * (y.ndim - begun.ndim))), y, before)

    def _last(self, y, start):
        return y[:, start - 1] if self.return_sequences else y

    def _joined(self, outputs, results, start, stop):
        """Return the outputs so far with those of a chunk."""
        if not self.return_sequences:
            return [y.data for y in results]
        if not outputs:
            xp = backend.array_module(results[0].data)
            outputs = [xp.empty((y.shape[0], self.T, *y.shape[2:]), y.dtype) for y in results]
        for output, y in zip(outputs, results):
            output[:, start:stop] = y.data
        return outputs

    def backward(self, node, cotangents):
        """Return the gradients of the node's inputs, from the last chunk to the first."""
        count = len(cotangents) - len(self.states)
        given, dstates, dbefore = cotangents[:count], cotangents[count:], [None] * count
        dxs: list = [None] * len(self.xs)
        dweights: dict = {}
        for number in reversed(range(len(self.chunks))):
            upstream = [self._upstream(number, *pair) for pair in zip(given, dbefore)]
            dparts, dstates, dbefore, found = self._chunk_backward(number, upstream + dstates)
            dbefore = dbefore or [None] * count
            times = self._times(number)
            for i, (x, dpart) in enumerate(zip(self.xs, dparts)):
                if dpart is not None:
                    if dxs[i] is None:
                        dxs[i] = backend.array_module(x.data).zeros(x.shape, x.dtype)
                    dxs[i][:, times] = dpart.data
            for key, (weight, gradient) in found.items():
                if key in dweights:
                    dweights[key][1].data[...] += gradient.data
                else:
                    dweights[key] = weight, Tensor(backend.copy(gradient.data))
        dxs = [None if dx is None else Tensor(dx) for dx in dxs]
        return [*dxs, *dstates, *in_order(dweights, node.inputs[len(dxs) + len(dstates) :])]

    def _upstream(self, number, given, dbefore):
        """Return the cotangent of an output of a chunk."""
        start, stop = self.chunks[number]
        if not self.return_sequences:
            return given if number == len(self.chunks) - 1 else dbefore
        part = None if given is None else given.data[:, start:stop]
        if dbefore is not None:
            if part is None:
                shape = (len(dbefore), stop - start, *dbefore.shape[1:])
                part = backend.array_module(dbefore.data).zeros(shape, dbefore.dtype)
            part = backend.copy(part)
            part[:, -1] += dbefore.data
        return None if part is None else Tensor(part)

    def _chunk_backward(self, number, cotangents):
        """Return the gradients of a chunk's inputs, states, outputs before and, by `key_of`, weights."""
        xs, states, before, mask = self._arguments(number, differentiate=True)
        above = mark()
        with enable_grad():
            run = functools.partial(self._run, xs, states, before, mask)
            results, _ = self.replay.again(run, self.befores[number])
        found = gradients(results, cotangents, above)
        of_arguments = [[found.pop(key_of(x), (x, None))[1] for x in part] for part in (xs, states, before)]
        return *of_arguments, found

    def backward_at_once(self, node, cotangents):
        """The same where the reverse pass is recorded: from the inputs themselves, with no chunks."""

        run = functools.partial(self._run, self.xs, self.states, [], self.mask)
        earliest = {key: old for before in reversed(self.befores) for key, old in before.items()}
        above = mark()
        with enable_grad():
            results, _ = self.replay.again(run, earliest)
        return in_order(gradients(results, cotangents, above), node.inputs)
