"""What each constructor argument of a layer may be: a class's options are those of its own signature."""

import functools
import inspect
from typing import Any

from minirnn import layers

# Bounded, or nearly: in a recurrent layer others grow from step to step.
ACTIVATIONS = ("tanh", "sigmoid", "relu", "linear", "softsign", "elu", "gelu", "hard_sigmoid", "silu")
ALL_ACTIVATIONS = (
    *ACTIVATIONS,
    *("softmax", "log_softmax", "leaky_relu", "relu6", "celu", "selu", "softplus", "squareplus", "mish"),
    *("exponential", "hard_silu", "hard_tanh", "log_sigmoid", "soft_shrink", "tanh_shrink", "sparse_plus"),
    *("sparse_sigmoid", "sparsemax"),
)
_REGULARIZERS = (4, ("l2", "l1"))
_CONSTRAINTS = (4, ("unit_norm", "max_norm", "non_neg", "min_max_norm"))

# By argument: how often the default counts among the other values, and these; what has no default counts 0.
PARAMETERS: dict[str, tuple[int, tuple]] = {
    "activation": (2, ACTIVATIONS),
    "recurrent_activation": (2, ("hard_sigmoid", "tanh", "softsign")),
    "use_bias": (3, (False,)),
    "unit_forget_bias": (2, (False,)),
    "reset_after": (2, (False,)),
    # Neither drops anything but in training; they change how a step is computed.
    "dropout": (7, (0.3,)),
    "recurrent_dropout": (7, (0.3,)),
    "return_sequences": (1, (True,)),
    "return_state": (1, (True,)),
    "go_backwards": (3, (True,)),
    "zero_output_for_mask": (3, (True,)),
    "unroll": (3, (True,)),
    "stateful": (3, (True,)),
    "use_cudnn": (7, (False,)),
    "filters": (0, (1, 2, 4)),
    "kernel_size": (0, (1, 2, 3)),
    "strides": (2, (2,)),
    "dilation_rate": (3, (2,)),
    "groups": (1, (2,)),
    "padding": (1, ("same",)),
    "data_format": (4, ("channels_first",)),
    "pool_size": (0, (1, 2, 3)),
    "keepdims": (2, (True,)),
    "cropping": (1, (1, [0, 1], [1, 0])),
    "size": (1, (1, 3)),
    "axis": (3, (1,)),
    "momentum": (1, (0.5,)),
    "epsilon": (2, (0.1,)),
    "center": (3, (False,)),
    "scale": (3, (False,)),
    "use_scale": (1, (True, False)),
    "score_mode": (1, ("concat",)),
    "normalize": (1, (True,)),
    "axes": (0, (2, 1, [1, 1], [2, 2])),
    "n": (0, (1, 3)),
    "rate": (0, (0.3,)),
    "stddev": (0, (0.3,)),
    "max_value": (2, (0.5,)),
    "negative_slope": (2, (0.1,)),
    "threshold": (2, (0.2,)),
    "alpha": (2, (0.5,)),
    "offset": (1, (0.5,)),
    "mask_value": (2, (0.5,)),
    "mask_zero": (1, (True,)),
    "input_dim": (0, (4,)),
    "l1": (1, (0.1,)),
    "l2": (1, (0.1,)),
    "renorm": (4, (True,)),
    "renorm_momentum": (2, (0.5,)),
    "renorm_clipping": (2, ({"rmax": 1.5, "rmin": 0.5, "dmax": 0.5},)),
}
_OF_CLASS: dict[str, dict[str, tuple[int, tuple]]] = {
    "Conv1D": {"padding": (2, ("same", "causal")), "activation": (2, ALL_ACTIVATIONS)},
    "Dense": {"activation": (2, ALL_ACTIVATIONS)},
    "Activation": {"activation": (0, ALL_ACTIVATIONS)},
    "ZeroPadding1D": {"padding": (1, ([0, 1], [2, 0]))},
    "LayerNormalization": {"axis": (3, (1, [1, 2]))},
    "Concatenate": {"axis": (2, (1,))},
    "Softmax": {"axis": (3, (1,))},
    "Rescaling": {"scale": (0, (2.0, -0.5))},
    "Permute": {"dims": (0, ([2, 1], [1, 2]))},
    "Reshape": {"target_shape": (0, ([-1], [1, -1]))},
    "ConvLSTM2D": {"kernel_size": (0, (1, 2, [1, 2]))},
}
_RECURRENT = (
    *("return_sequences", "return_state", "go_backwards"),
    *("stateful", "unroll", "zero_output_for_mask"),
)
# Arguments of **kwargs that change a result.
_MORE = {name: {"zero_output_for_mask": False} for name in ("SimpleRNN", "GRU", "LSTM")}
# Arguments that are no choice here: set elsewhere, or without a result that can be compared.
UNCHOSEN = {
    "units": "the sizes of a case",
    "output_dim": "the sizes of a case",
    "layer": "a choice of its own",
    "backward_layer": "a choice of its own",
    "merge_mode": "a choice of its own",
    "cell": "a choice of its own",
    "cells": "a choice of its own",
    "weights": "a case sets them",
    "seed": "chance",
    "noise_shape": "chance",
    "synchronized": "there is one device",
    "kwargs": "name, dtype and trainable",
}


@functools.cache
def arguments_of(name: str) -> dict[str, Any]:
    """Return the constructor arguments of a class of layers with their defaults."""
    if name == "Sequential":
        return {}
    signature = inspect.signature(getattr(layers, name).__init__)
    found = {p.name: p.default for p in list(signature.parameters.values())[1:]}
    return {**found, **_MORE.get(name, {})}


@functools.cache
def takes(name: str, argument: str) -> bool:
    """Whether a layer's ``call`` has an argument of that name."""
    if name == "Sequential":
        return argument in ("mask", "training")
    return argument in inspect.signature(getattr(layers, name).call).parameters


def _is_penalty(argument: str) -> bool:
    return argument.endswith(("_regularizer", "_constraint"))


def values_of(name: str, argument: str) -> tuple:
    """Return what an argument of a class may be, the simplest first; nothing for one that is no choice."""
    default = arguments_of(name)[argument]
    if argument.endswith("_regularizer"):
        often, others = _REGULARIZERS
    elif argument.endswith("_constraint"):
        often, others = _CONSTRAINTS
    else:
        often, others = _OF_CLASS.get(name, {}).get(argument) or PARAMETERS.get(argument, (0, ()))
    if name == "SimpleRNN" and argument == "use_cudnn":  # Keras's has none
        return ()
    return (default,) * often + tuple(v for v in others if v != default or often == 0)


def choose_options(choices, name: str, at: str, but=()) -> dict:
    """Return the arguments of a layer that are not the default.

    Parameters
    ----------
    choices : Choices
    name : str
        The class.
    at : str
        How the names of the choices begin.
    but : sequence of str
        Arguments that keep their default.
    """
    found: dict = {}
    penalties = [a for a in arguments_of(name) if _is_penalty(a)]
    penalized = choices.flag(f"{at}.penalties", 7)
    # First those of all recurrent layers: see choose_case.
    ordered = sorted(arguments_of(name).items(), key=lambda item: item[0] not in _RECURRENT)
    for argument, default in ordered:
        values = (
            () if argument in but or (argument in penalties and not penalized) else values_of(name, argument)
        )
        if len(values) > 1 or (values and default is inspect.Parameter.empty):
            value = choices.of(f"{at}.{argument}", values)
            if value != default:
                found[argument] = value
    return found


def initializers_of(name: str) -> list[str]:
    """Return the arguments of a class that say how its weights start."""
    return [a for a in arguments_of(name) if a.endswith("_initializer")]
