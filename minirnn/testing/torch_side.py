"""PyTorch's side: ``nn.RNN``, ``nn.GRU`` and ``nn.LSTM``, with weights as Keras has them; other modules."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minirnn import tree
from minirnn.interop import layout
from minirnn.interop.extras import require
from minirnn.testing.case import Question
from minirnn.testing.engine import Answer, cotangent, is_float, refused
from minirnn.testing.sides import taken

KINDS = {"SimpleRNN": "RNN", "GRU": "GRU", "LSTM": "LSTM"}
_KERAS = {torch_name: name for name, torch_name in KINDS.items()}
_PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
_NAMES = ("kernel", "recurrent_kernel", "bias")
_REFUSALS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
# Options under which a layer is PyTorch's own, with what they then are.
_PLAIN = {
    "class": tuple(KINDS),
    "activation": ("tanh", "relu"),
    "return_sequences": (True,),
    "return_state": (True,),
    "zero_output_for_mask": (True,),
}


def kind_of(what) -> "type[Torch | TorchModule] | None":
    """Return the class of the side that an object of PyTorch's makes; None if it is no module."""
    nn = require("torch", "testing").nn
    if not isinstance(what, nn.Module):
        return None
    return Torch if type(what) in (nn.RNN, nn.GRU, nn.LSTM) else TorchModule


def gradients_of(kind: str, slopes: list) -> list[np.ndarray]:
    """Return the gradients of Keras's weights for those of PyTorch's arrays: four, or two without biases."""
    parts = layout.Parts(slopes[0], slopes[1], *(slopes[2:] or (None, None)))
    found = layout.from_parts(parts, layout.TORCH[_KERAS[kind]], two_biases=True)
    return found if kind == "GRU" else [*found[:2], *(both[0] for both in found[2:])]  # a sum's is either's


class _OfTorch:
    """What all sides of PyTorch's modules have in common."""

    module: Any = None
    name = "torch"

    def __init__(self, module=None):
        self.torch = require("torch", "testing")
        self.module = module

    @property
    def dtype(self) -> str | None:
        """The dtype of the module's parameters, if there are any."""
        parameters = () if self.module is None else self.module.parameters()
        return next((str(p.dtype).removeprefix("torch.") for p in parameters if p.is_floating_point()), None)

    def answer(self, question: Question) -> Answer:
        """Return what PyTorch answers."""
        threads = self.torch.get_num_threads()
        self.torch.set_num_threads(1)  # the arrays are small
        try:
            return self._answer(question)
        except _REFUSALS as error:
            return refused(error, _REFUSALS)
        finally:
            self.torch.set_num_threads(threads)

    def _answer(self, question: Question) -> Answer:
        raise NotImplementedError

    def _leaf(self, array):
        return self.torch.tensor(array, requires_grad=is_float(array))

    def _gradients(self, outputs, leaves) -> list[np.ndarray]:
        """Return the gradients of the outputs' total, without any that is left at the module's parameters."""
        torch = self.torch
        terms = []
        for i, y in enumerate(outputs):
            wide = "float64" if y.dtype == torch.float64 else "float32"
            terms.append((y * torch.from_numpy(cotangent(i, y.shape, wide))).sum())
        total = torch.stack(terms).sum()
        found = [None] * len(leaves)
        if total.requires_grad and leaves:
            found = torch.autograd.grad(total, leaves, allow_unused=True)
        pairs = zip(leaves, found)
        return [
            (torch.zeros_like(leaf) if slope is None else slope).detach().numpy() for leaf, slope in pairs
        ]

    def close(self) -> None:
        """There is nothing to close."""


class Torch(_OfTorch):
    """The side of PyTorch.

    Parameters
    ----------
    module : torch.nn.Module, optional
        An RNN, GRU or LSTM; default: what the question describes. Its inputs have the batch first, and are
        transposed for one without ``batch_first``. States and weights come layer by layer, of each forward
        before backward.

    Raises
    ------
    ValueError
        If it has ``proj_size``, or drops out while it is trained.
    """

    has_weights = True

    def __init__(self, module: Any = None):
        super().__init__(module)
        wrong = ""
        if getattr(module, "proj_size", 0):
            wrong = f"proj_size={module.proj_size}; no layer of Keras's projects its states"
        elif module is not None and module.training and module.dropout and module.num_layers > 1:
            wrong = (
                f"dropout={module.dropout} and is in training mode, where it is chance; call .eval() on it"
            )
        if wrong:
            raise ValueError(f"testing: torch.nn.{type(module).__name__} has {wrong}.")

    def build(self, question: Question) -> None:
        """A module has its weights from the start."""

    def weights(self) -> list[np.ndarray]:
        """Return the weights as Keras lays them out."""
        module, kind, found = self.module, type(self.module).__name__, []
        for names in _arrays_of(module):
            values = [getattr(module, name).detach().numpy() for name in names]
            parts = layout.Parts(values[0], values[1], *(values[2:] or (None, None)))
            found += layout.from_parts(parts, layout.TORCH[_KERAS[kind]], two_biases=kind == "GRU")
        return [np.array(w) for w in found]

    def _made(self, question):
        """Return the module that a question describes."""
        torch, spec = self.torch, question.layer
        if spec is None:
            raise ValueError("testing: without a module, PyTorch needs a Case, which describes one.")
        both = spec["class"] == "Bidirectional"
        spec = spec["layer"] if both else spec
        odd = [k for k, v in spec.items() if k not in ("units", "cell") and v not in _PLAIN.get(k, ())]
        if odd or not {"return_sequences", "return_state"} <= set(spec):
            raise ValueError(
                f"torch.nn has no layer like {spec}; {', '.join(odd) or 'its outputs'} cannot be."
            )
        kind = KINDS[spec["class"]]
        options = {"nonlinearity": spec.get("activation", "tanh")} if kind == "RNN" else {}
        return getattr(torch.nn, kind)(
            question.x.shape[-1],
            spec["units"],
            batch_first=True,
            bidirectional=both,
            dtype=getattr(torch, question.dtype),
            **options,
        )

    def _answer(self, question):
        if self.module is None:
            return self._of(self._made(question), question)
        with _put_back(self.module):
            return self._of(self.module, question)

    def _of(self, module, question):
        torch, kind, arrays_of = self.torch, type(module).__name__, _arrays_of(module)
        if question.weights is not None:
            size = 3 if module.bias else 2
            if len(question.weights) != size * len(arrays_of):
                raise ValueError(
                    f"{module} takes {size * len(arrays_of)} weights; got {len(question.weights)}."
                )
            with torch.no_grad():
                for i, names in enumerate(arrays_of):
                    given = question.weights[size * i : size * (i + 1)]
                    for name, value in zip(names, layout.to_parts(given, layout.TORCH[_KERAS[kind]])):
                        getattr(module, name).copy_(torch.from_numpy(value))
        x, states = self._leaf(question.x), [self._leaf(s) for s in question.states or []]
        outputs = self._call(module, kind, x, states, question.mask)
        found = {f"{'output' if i == 0 else 'state'} {max(0, i - 1)}": y for i, y in enumerate(outputs)}
        arrays = {name: y.detach().numpy() for name, y in found.items()}
        weights = [getattr(module, name) for names in arrays_of for name in names]
        slopes = self._gradients(outputs, [x, *states, *weights])
        arrays["gradient of inputs"] = slopes.pop(0)
        arrays |= {f"gradient of state {i}": slopes.pop(0) for i in range(len(states))}
        number = 0
        for names in arrays_of:
            of_these, slopes = slopes[: len(names)], slopes[len(names) :]
            for name, slope in zip(_NAMES, gradients_of(kind, of_these)):
                arrays[f"gradient of weight {number} {name}"] = slope
                number += 1
        return Answer(arrays, lacks=("mask", "weight", "call", "carried", "losses"))

    def _call(self, module, kind, x, states, mask) -> list:
        torch, start = self.torch, None
        if states:
            count = 2 if kind == "LSTM" else 1
            first = [torch.stack(states[i::count]) for i in range(count)]
            start = tuple(first) if kind == "LSTM" else first[0]
        if mask is None:
            x = x if module.batch_first else x.transpose(0, 1)
            y, last = module(x, start)
            y = y if module.batch_first else y.transpose(0, 1)
        else:
            lengths = mask.astype(bool).sum(axis=1)
            if not np.array_equal(mask.astype(bool), np.arange(mask.shape[1]) < lengths[:, None]):
                raise ValueError("PyTorch's packed sequences can mask no steps but those at the end.")
            rnn = torch.nn.utils.rnn
            packed = rnn.pack_padded_sequence(
                x, torch.from_numpy(lengths), batch_first=True, enforce_sorted=False
            )
            y, last = module(packed, start)
            y, _ = rnn.pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])
        last = last if kind == "LSTM" else (last,)
        return [y, *(part[i] for i in range(len(_arrays_of(module))) for part in last)]


class TorchModule(_OfTorch):
    """The side of any other module of PyTorch: ``module(inputs)``, with weights of its own.

    Parameters
    ----------
    module : torch.nn.Module
        It gets tensors, and what keywords its ``forward`` takes of ``mask``, further arguments of the call,
        and the initial states: as ``initial_state``, or as ``hx`` (of several a tuple), which PyTorch's cells
        have. Its outputs are compared in their order, and gradients of inputs and states.
    """

    def _answer(self, question):
        with _put_back(self.module):
            inputs = [self._leaf(a) for a in tree.flatten(question.x)]
            states = [self._leaf(s) for s in question.states or []]
            options: dict[str, Any] = dict(question.arguments or {})
            if question.mask is not None:
                options["mask"] = tree.map_structure(self.torch.tensor, question.mask)
            if states:
                options |= {"initial_state": states, "hx": states[0] if len(states) == 1 else tuple(states)}
            given = taken(self.module.forward, options)
            outputs = tree.flatten(self.module(tree.pack_sequence_as(question.x, inputs), **given))
            arrays = {f"output {i}": y.detach().numpy() for i, y in enumerate(outputs)}
            floats = [i for i, leaf in enumerate(inputs) if leaf.requires_grad]
            names = ["inputs" if len(inputs) == 1 else f"inputs {i}" for i in floats]
            names += [f"state {i}" for i in range(len(states))]
            slopes = self._gradients(outputs, [*(inputs[i] for i in floats), *states])
        arrays |= {f"gradient of {name}": slope for name, slope in zip(names, slopes)}
        return Answer(arrays, lacks=("mask", "weight", "gradient of weight", "call", "carried", "losses"))


def _arrays_of(module) -> list[list[str]]:
    """Return the names of the arrays of each direction of each layer."""
    ends = ("", "_reverse") if module.bidirectional else ("",)
    parts = _PARTS if module.bias else _PARTS[:2]
    return [[f"{part}_l{n}{end}" for part in parts] for n in range(module.num_layers) for end in ends]


@contextmanager
def _put_back(module) -> Iterator[None]:
    """Give a module back as it was."""
    kept = copy.deepcopy(module.state_dict())
    try:
        yield
    finally:
        module.load_state_dict(kept)
