"""Automatic differentiation: Tensors, the graph that hangs on them, and the table of gradient rules.

Reading order: `tensor.py`, `variable.py`, `graph.py`, `primitive.py`, `primitives.py`, `rules.py`,
`operators.py`.
"""

# A table of contents, so not one name a line.
# ruff: noqa: I001
# fmt: off
from minirnn.autograd import operators, primitives, rules
from minirnn.autograd.graph import (
    backward, enable_grad, grad, inferring, inferring_shapes, making_up_sizes, no_grad, sizes_are_made_up,
    stop_gradient, value_and_grad,
)
from minirnn.autograd.primitive import (
    convert, convert_float, custom_gradient, def_vjp, def_vjp_variadic, define, from_dlpack,
)
from minirnn.autograd.tensor import SymbolicArgumentError, Tensor
from minirnn.autograd.variable import Variable

__all__ = [
    "SymbolicArgumentError", "Tensor", "Variable", "backward", "convert", "convert_float", "custom_gradient",
    "def_vjp", "def_vjp_variadic", "define", "enable_grad", "from_dlpack", "grad", "inferring",
    "inferring_shapes", "making_up_sizes", "no_grad", "operators", "primitives", "rules",
    "sizes_are_made_up", "stop_gradient", "value_and_grad",
]
