"""How a case is chosen: one choice after another, each with a name and its simplest answer first.

The same choices are made by a random generator, by Hypothesis, and by whoever makes a failing case smaller.
"""

import random
from collections.abc import Callable

from minirnn.testing.case import Case

_ACTIVATIONS = (
    "tanh",
    "tanh",
    "sigmoid",
    "relu",
    "linear",
    "softsign",
    "elu",
    "gelu",
    "hard_sigmoid",
    "silu",
)
_GATES = ("sigmoid", "sigmoid", "hard_sigmoid", "tanh", "softsign")
# Few, so that what a peer compiles is used again; the last is the usual one.
_SIZES = ((1, 1, 1, 1), (1, 2, 1, 1), *((2, 4, 3, 2),) * 6)
_BUILT_IN = ("SimpleRNN", "GRU", "LSTM")
KINDS = (
    *_BUILT_IN,
    "RNN",
    "Bidirectional",
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "TimeDistributed",
    "Sequential",
    "ConvLSTM1D",
)
MASKS = ("none", "none", "right", "left", "holes", "rows", "all")
_OPTIMIZERS = (
    None,
    {"class": "SGD", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True},
    {"class": "Adam", "learning_rate": 0.1, "epsilon": 0.1},
    {"class": "RMSprop", "learning_rate": 0.1, "epsilon": 0.1},
    {"class": "SGD", "learning_rate": 0.1, "clipnorm": 0.5},
)


class Choices:
    """Answers by name. `made` holds the number of each, so that they can be given again, or simpler ones.

    Parameters
    ----------
    pick : callable
        ``pick(name, count)`` returns a number below `count`.
    """

    def __init__(self, pick: Callable[[str, int], int]):
        self.pick = pick
        self.made: dict[str, int] = {}

    def of(self, name: str, options):
        """Return one of the options, of which the first is the simplest."""
        number = min(self.pick(name, len(options)), len(options) - 1)
        self.made[name] = number
        return options[number]

    def flag(self, name: str, one_in: int = 2) -> bool:
        """Return True once in so many times."""
        return self.of(name, (False,) * (one_in - 1) + (True,))


def numbered(seed: int, number: int) -> Choices:
    """Return the choices of the case with that number, whatever cases were drawn before it."""
    rng = random.Random(f"{seed}/{number}")
    return Choices(lambda name, count: rng.randrange(count))


def again(made: dict[str, int]) -> Choices:
    """Return choices that were made before; what was not, or is not there any more, is the simplest."""
    return Choices(lambda name, count: made.get(name, 0))


def choose_case(choices: Choices, kinds=KINDS, sizes=None, for_torch=False) -> Case:
    """Return a case.

    Parameters
    ----------
    choices : Choices
    kinds : sequence of str
        Classes of layers, the simplest first.
    sizes : tuple of 4 int, optional
        Batch, time, features and units; default: one of a few, so that compiled programs are used again.
    for_torch : bool
        Only what ``torch.nn.RNN``, ``GRU`` and ``LSTM`` can do.
    """
    if for_torch:
        kinds = (*_BUILT_IN, "Bidirectional")
    kind = choices.of("kind", tuple(kinds))
    B, T, D, H = sizes or choices.of("sizes", _SIZES)
    layer = choose_layer(choices, kind, H, for_torch=for_torch)
    shape = (B, T, D)
    if kind == "ConvLSTM1D":
        shape = (B, T, 4, D)
    options: dict = {"dtype": choices.of("dtype", ("float32",) * 5 + ("float64",))}
    leading = layer["layers"][0]["class"] if kind == "Sequential" else ""
    if leading == "Embedding":
        shape = (B, T)
    forms = ("none",) if leading == "Embedding" else ("none", "right") if for_torch else MASKS
    options["mask"] = choose_mask(choices, B, T, forms)
    recurrent = kind not in ("TimeDistributed", "Sequential")
    if options["mask"] is not None and leading != "Masking" and not for_torch:
        options["mask_travels"] = choices.flag("mask travels", 3)
    inner = layer.get("layer", layer)
    if recurrent:
        options["initial_state"] = choices.flag("initial state", 3)
    if inner.get("stateful"):
        options["calls"] = 2
    options["steps"] = choices.of("steps", (0, 0, 0, 2))
    if options["steps"]:
        options["optimizer"] = choices.of("optimizer", _OPTIMIZERS)
    if not for_torch and choices.flag("wrong", 20):
        options["wrong"] = _choose_wrong(choices, options)
    seed = sum((n + 1) * 31**i for i, n in enumerate(choices.made.values())) % 1000
    return Case(layer, shape, seed=seed, **options)


def _choose_wrong(choices, options) -> str:
    from minirnn.testing.case import WRONG

    fitting = [w for w in WRONG[1:] if not w.startswith("states") or options.get("initial_state")]
    if options["mask"] is None:
        fitting = [w for w in fitting if not w.startswith("mask")]
    return choices.of("what is wrong", fitting)


def choose_layer(choices: Choices, kind: str, units: int, at="layer", for_torch=False) -> dict:
    """Return the description of a layer, with any of its options."""
    if kind == "Bidirectional":
        return _choose_bidirectional(choices, units, at, for_torch)
    if kind == "TimeDistributed":
        return {"class": kind, "layer": _choose_dense(choices, units, f"{at}.layer")}
    if kind == "Sequential":
        return _choose_stack(choices, units, at)
    if kind == "ConvLSTM1D":
        return _choose_conv(choices, at)
    if for_torch:
        return _choose_for_torch(choices, kind, units, at)
    layer: dict = {"class": kind}
    if kind == "RNN":
        layer["cell"] = _choose_cells(choices, units, f"{at}.cell")
    else:
        layer |= _choose_cell_options(choices, kind, units, at)
    for name in ("return_sequences", "return_state"):
        layer |= _flag(choices, f"{at}.{name}", name, 2)
    for name in ("go_backwards", "zero_output_for_mask", "unroll", "stateful"):
        layer |= _flag(choices, f"{at}.{name}", name, 4)
    return layer


def _flag(choices, where, name, one_in, value: object = True):
    """Return {name: value}, or nothing, which is the default and the simplest."""
    return {name: value} if choices.flag(where, one_in) else {}


def _unless(default, choices, where, name, options):
    value = choices.of(where, options)
    return {} if value == default else {name: value}


def _choose_cell_options(choices, kind, units, at) -> dict:
    options: dict = {"units": units}
    options |= _unless("tanh", choices, f"{at}.activation", "activation", _ACTIVATIONS)
    options |= _flag(choices, f"{at}.use_bias", "use_bias", 4, False)
    if not kind.startswith("SimpleRNN"):
        gates = _unless("sigmoid", choices, f"{at}.gates", "recurrent_activation", _GATES)
        options |= gates
    if kind.startswith("GRU"):
        options |= _flag(choices, f"{at}.reset_after", "reset_after", 3, False)
    # Neither drops anything but in training; they change how a step is computed.
    options |= _flag(choices, f"{at}.dropout", "dropout", 8, 0.3)
    options |= _flag(choices, f"{at}.recurrent_dropout", "recurrent_dropout", 8, 0.3)
    options |= _flag(choices, f"{at}.kernel_regularizer", "kernel_regularizer", 8, "l2")
    options |= _flag(choices, f"{at}.recurrent_constraint", "recurrent_constraint", 8, "unit_norm")
    return options


def _choose_cells(choices, units, at, depth=2):
    """Return a cell, or a list of cells, of which one may be a stack itself."""
    count = choices.of(f"{at}.count", (1, 1, 2, 3) if depth == 2 else (1, 2))
    cells: list = []
    for i in range(count):
        inner = f"{at}.{i}"
        if count > 1 and depth > 1 and choices.flag(f"{inner}.nested", 6):
            nested = _choose_cells(choices, units, inner, depth - 1)
            cells.append(
                {"class": "StackedRNNCells", "cells": nested if isinstance(nested, list) else [nested]}
            )
            continue
        kind = choices.of(f"{inner}.kind", ("SimpleRNNCell", "GRUCell", "LSTMCell"))
        cells.append({"class": kind, **_choose_cell_options(choices, kind, units, inner)})
    return cells[0] if count == 1 else cells


def _choose_bidirectional(choices, units, at, for_torch):
    kind = choices.of(f"{at}.inner", _BUILT_IN if for_torch else (*_BUILT_IN, "RNN"))
    inner = choose_layer(choices, kind, units, f"{at}.layer", for_torch)
    layer = {"class": "Bidirectional", "layer": inner}
    if for_torch:
        return layer
    layer |= _unless(
        "concat", choices, f"{at}.merge_mode", "merge_mode", ("concat", "concat", "sum", "mul", "ave", None)
    )
    if kind != "RNN" and choices.flag(f"{at}.backward_layer", 6):
        other = {k: v for k, v in inner.items() if k not in ("go_backwards", "activation")}
        layer["backward_layer"] = other if inner.get("go_backwards") else {**other, "go_backwards": True}
    return layer


def _choose_dense(choices, units, at) -> dict:
    layer: dict = {"class": "Dense", "units": units}
    layer |= _unless(None, choices, f"{at}.activation", "activation", (None, "tanh", "relu", "softmax"))
    return layer | _flag(choices, f"{at}.use_bias", "use_bias", 4, False)


def _choose_stack(choices, units, at) -> dict:
    first = choices.of(f"{at}.first", ("none", "Masking", "Embedding"))
    stack: list[dict] = []
    if first == "Masking":
        stack.append({"class": "Masking"})
    elif first == "Embedding":
        embedding: dict = {"class": "Embedding", "input_dim": 4, "output_dim": units}
        stack.append(embedding | _flag(choices, f"{at}.mask_zero", "mask_zero", 2))
    count = choices.of(f"{at}.count", (1, 2))
    for i in range(count):
        inner = f"{at}.{i}"
        kind = choices.of(f"{inner}.kind", (*_BUILT_IN, "Bidirectional"))
        layer = choose_layer(choices, kind, units, inner)
        _make_fit_for_a_stack(layer, sequences=i + 1 < count or choices.flag(f"{inner}.sequences"))
        stack.append(layer)
        if choices.flag(f"{inner}.normalized", 5):
            stack.append({"class": "LayerNormalization"})
    if choices.flag(f"{at}.dense"):
        stack.append(_choose_dense(choices, units, f"{at}.last"))
    return {"class": "Sequential", "layers": stack}


def _make_fit_for_a_stack(layer, sequences):
    """Let a layer give one output, that of all steps or of the last."""
    layer.pop("backward_layer", None)
    if layer.get("merge_mode", "concat") is None:
        del layer["merge_mode"]
    inner = layer.get("layer", layer)
    for name in ("return_state", "stateful", "return_sequences"):
        inner.pop(name, None)
    if sequences:
        inner["return_sequences"] = True


def _choose_conv(choices, at) -> dict:
    layer: dict = {"class": "ConvLSTM1D", "filters": choices.of(f"{at}.filters", (1, 2)), "kernel_size": 2}
    layer |= _flag(choices, f"{at}.padding", "padding", 2, "same")
    layer |= _flag(choices, f"{at}.strides", "strides", 3, 2)
    layer |= _flag(choices, f"{at}.use_bias", "use_bias", 4, False)
    for name in ("return_sequences", "return_state", "go_backwards"):
        layer |= _flag(choices, f"{at}.{name}", name, 3)
    return layer


def _choose_for_torch(choices, kind, units, at) -> dict:
    layer: dict = {"class": kind, "units": units, "return_sequences": True, "return_state": True}
    if kind == "SimpleRNN":
        layer |= _unless("tanh", choices, f"{at}.activation", "activation", ("tanh", "relu"))
    # Where PyTorch's packed sequences end there are zeros.
    return {**layer, "zero_output_for_mask": True}


def choose_mask(choices: Choices, batch: int, time: int, forms=MASKS) -> tuple[str, ...] | None:
    """Return the rows of a mask: strings of "1" for a step that counts and "0" for one that does not."""
    form = choices.of("mask", forms)
    if form == "none":
        return None
    rows = []
    # The simplest row is one that is masked: where no mask is needed, "none" is simpler still.
    for row in range(batch):
        length = choices.of(f"mask.{row}.length", tuple(range(1, time + 1)))
        counts = {
            "right": "1" * length + "0" * (time - length),
            "left": "0" * (time - length) + "1" * length,
            "all": "1" * time,
        }.get(form)
        if form == "holes":
            counts = "".join(choices.of(f"mask.{row}.{t}", "011") for t in range(time))
        elif form == "rows":
            counts = choices.of(f"mask.{row}", "011") * time
        rows.append(counts)
    return tuple(rows)


def smaller(made: dict[str, int], still_fails: Callable[[Choices], bool], most=80) -> dict[str, int]:
    """Return choices that fail too, each as simple as it may be; as many are tried as `most` says.

    Parameters
    ----------
    made : dict of str to int
        Choices of a case that fails.
    still_fails : callable
        Makes a case of choices, and returns whether it fails.
    """
    best, tried, changed = dict(made), 0, True
    while changed and tried < most:
        changed = False
        for name in list(best):
            for number in sorted({0, 1, best.get(name, 0) // 2}):
                if number >= best.get(name, 0) or tried >= most:
                    continue
                candidate = again({**best, name: number})
                tried += 1
                if still_fails(candidate):
                    # Choices that are not asked for any more are gone; others came with their simplest.
                    best, changed = dict(candidate.made), True
                    break
    return best
