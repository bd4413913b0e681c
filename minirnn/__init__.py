"""minirnn: the Keras RNN API on NumPy, small enough to read and light enough to import anywhere.

Names load when they are first used, so that ``import minirnn`` costs little more than NumPy. To read the
source, start at `minirnn.backend` and go on as ``docs/how-it-works.md`` does.
"""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_MODULES = {
    "activations",
    "autograd",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "dtype_policies",
    "initializers",
    "interop",
    "kernels",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "ops",
    "optimizers",
    "preprocessing",
    "random",
    "regularizers",
    "saving",
    "testing",
    "tree",
    "utils",
    "viz",
}

_HOMES = {
    "Callback": "callbacks",
    "DTypePolicy": "dtype_policies",
    "Functional": "models",
    "Initializer": "initializers",
    "Input": "layers",
    "InputSpec": "layers",
    "KerasTensor": "ops.symbolic",
    "Layer": "layers",
    "Loss": "losses",
    "Metric": "metrics",
    "Model": "models",
    "Optimizer": "optimizers",
    "Regularizer": "regularizers",
    "SeedGenerator": "random",
    "Sequential": "models",
    "Tensor": "autograd",
    "TensorShape": "layers.rnn.state",
    "Variable": "autograd",
    "custom_gradient": "ops",
    "device": "backend",
    "from_dlpack": "autograd",
    "grad": "autograd",
    "name_scope": "layers.context",
    "no_grad": "autograd",
    "recompute": "layers",
    "stop_gradient": "ops",
    "value_and_grad": "autograd",
}

# Written out for type checkers; a test holds it to the two tables above.
__all__ = [
    "__version__",
    "activations",
    "autograd",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "dtype_policies",
    "initializers",
    "interop",
    "kernels",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "ops",
    "optimizers",
    "preprocessing",
    "random",
    "regularizers",
    "saving",
    "testing",
    "tree",
    "utils",
    "viz",
    "Callback",
    "DTypePolicy",
    "Functional",
    "Initializer",
    "Input",
    "InputSpec",
    "KerasTensor",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Optimizer",
    "Regularizer",
    "SeedGenerator",
    "Sequential",
    "Tensor",
    "TensorShape",
    "Variable",
    "custom_gradient",
    "device",
    "from_dlpack",
    "grad",
    "name_scope",
    "no_grad",
    "recompute",
    "stop_gradient",
    "value_and_grad",
    "version",
]


def version() -> str:
    """Return the version of minirnn."""
    return __version__


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"minirnn.{name}")
    if name in _HOMES:
        value = getattr(importlib.import_module(f"minirnn.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'minirnn' has no attribute {name!r}")


def __dir__():
    return sorted({*(name for name in globals() if name.startswith("__")), *__all__})


if TYPE_CHECKING:
    from minirnn import (
        activations,
        autograd,
        backend,
        callbacks,
        config,
        constraints,
        datasets,
        dtype_policies,
        initializers,
        interop,
        kernels,
        layers,
        losses,
        metrics,
        mixed_precision,
        models,
        ops,
        optimizers,
        preprocessing,
        random,
        regularizers,
        saving,
        testing,
        tree,
        utils,
        viz,
    )
    from minirnn.autograd import Tensor, Variable, from_dlpack, grad, no_grad, value_and_grad
    from minirnn.backend import device
    from minirnn.callbacks import Callback
    from minirnn.dtype_policies import DTypePolicy
    from minirnn.initializers import Initializer
    from minirnn.layers import Input, InputSpec, Layer, recompute
    from minirnn.layers.context import name_scope
    from minirnn.layers.rnn.state import TensorShape
    from minirnn.losses import Loss
    from minirnn.metrics import Metric
    from minirnn.models import Functional, Model, Sequential
    from minirnn.ops import custom_gradient, stop_gradient
    from minirnn.ops.symbolic import KerasTensor
    from minirnn.optimizers import Optimizer
    from minirnn.random import SeedGenerator
    from minirnn.regularizers import Regularizer
