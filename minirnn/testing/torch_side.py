"""PyTorch's side: ``nn.RNN``, ``nn.GRU`` and ``nn.LSTM``, with weights as Keras lays them out."""

import numpy as np

from minirnn.interop import layout
from minirnn.testing.case import Question
from minirnn.testing.engine import Answer, cotangent, refused

KINDS = {"SimpleRNN": "RNN", "GRU": "GRU", "LSTM": "LSTM"}
_KERAS = {torch_name: name for name, torch_name in KINDS.items()}
_PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
_NAMES = ("kernel", "recurrent_kernel", "bias")
# Options under which a layer is PyTorch's own, with what they then are.
_PLAIN = {
    "class": tuple(KINDS),
    "activation": ("tanh", "relu"),
    "return_sequences": (True,),
    "return_state": (True,),
    "zero_output_for_mask": (True,),
}


def gradients_of(kind: str, slopes: list) -> list[np.ndarray]:
    """Return the gradients of Keras's weights for those of PyTorch's four arrays."""
    order = layout.TORCH[_KERAS[kind]]
    kernel, recurrent, both = layout.from_parts(layout.Parts(*slopes), order, two_biases=True)
    return [kernel, recurrent, both if kind == "GRU" else both[0]]  # that of a sum is that of either


class Torch:
    """The side of PyTorch.

    Parameters
    ----------
    module : torch.nn.Module, optional
        An RNN, GRU or LSTM with ``batch_first=True`` and one layer; default: what the question describes.
    """

    def __init__(self, module=None):
        import torch

        torch.set_num_threads(1)  # the arrays are small
        self.torch, self.module = torch, module
        self.name = "torch"

    def answer(self, question: Question) -> Answer:
        """Return what PyTorch answers."""
        try:
            return self._answer(question)
        except (IndexError, RuntimeError, TypeError, ValueError) as error:
            return refused(error, (IndexError, RuntimeError, TypeError, ValueError))

    def _describe(self, question):
        """Return the kind and whether both directions run, of a module of PyTorch or of a description."""
        if self.module is not None:
            return type(self.module).__name__, self.module.bidirectional
        spec = question.layer
        both = spec["class"] == "Bidirectional"
        spec = spec["layer"] if both else spec
        odd = [k for k, v in spec.items() if k not in ("units", "cell") and v not in _PLAIN.get(k, ())]
        if odd or not {"return_sequences", "return_state"} <= set(spec):
            raise ValueError(
                f"torch.nn has no layer like {spec}; {', '.join(odd) or 'its outputs'} cannot be."
            )
        return KINDS[spec["class"]], both

    def _made(self, question, kind, both):
        torch = self.torch
        spec = question.layer["layer"] if both else question.layer
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
        torch = self.torch
        kind, both = self._describe(question)
        module = self.module if self.module is not None else self._made(question, kind, both)
        suffixes = ("l0", "l0_reverse") if both else ("l0",)
        if question.weights is not None:
            with torch.no_grad():
                for i, suffix in enumerate(suffixes):
                    given = question.weights[3 * i : 3 * i + 3]
                    values = layout.to_parts(given, layout.TORCH[_KERAS[kind]])
                    for name, value in zip(_PARTS, values):
                        getattr(module, f"{name}_{suffix}").copy_(torch.from_numpy(value))
        x = torch.tensor(question.x, requires_grad=True)
        states = [torch.tensor(s, requires_grad=True) for s in question.states or []]
        outputs = self._call(module, kind, both, x, states, question.mask)
        found = {f"{'output' if i == 0 else 'state'} {max(0, i - 1)}": y for i, y in enumerate(outputs)}
        arrays = {name: y.detach().numpy() for name, y in found.items()}
        factors = [torch.from_numpy(cotangent(i, y.shape, question.dtype)) for i, y in enumerate(outputs)]
        module.zero_grad()
        torch.stack([(y * w).sum() for y, w in zip(outputs, factors)]).sum().backward()
        arrays["gradient of inputs"] = x.grad.numpy()
        arrays |= {f"gradient of state {i}": s.grad.numpy() for i, s in enumerate(states)}
        for i, suffix in enumerate(suffixes):
            slopes = [getattr(module, f"{name}_{suffix}").grad.numpy() for name in _PARTS]
            for j, slope in enumerate(gradients_of(kind, slopes)):
                arrays[f"gradient of weight {3 * i + j} {_NAMES[j]}"] = slope
        return Answer(arrays, lacks=("mask", "weight", "call", "carried", "losses"))

    def _call(self, module, kind, both, x, states, mask) -> list:
        torch, start = self.torch, None
        if states:
            count = 2 if kind == "LSTM" else 1
            first = [torch.stack(states[i::count]) for i in range(count)]
            start = tuple(first) if kind == "LSTM" else first[0]
        if mask is None:
            y, last = module(x, start)
        else:
            rnn, lengths = torch.nn.utils.rnn, torch.from_numpy(mask.sum(axis=1))
            packed = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            y, last = module(packed, start)
            y, _ = rnn.pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])
        last = last if kind == "LSTM" else (last,)
        return [y, *(part[i] for i in range(2 if both else 1) for part in last)]

    def close(self) -> None:
        """There is nothing to close."""
