"""A call or more of every op, in one table.

The tests against NumPy, against Keras, with symbolic tensors and of gradients all read it. An entry draws its
arguments from a `Maker`, so that the same call comes in many sizes and with many values.
"""

from tests.ops import calls_arrays, calls_ctc, calls_elementwise, calls_nn, calls_windows
from tests.ops.calling import ENTRIES, Entry, Maker

__all__ = [
    "ENTRIES",
    "OTHERS",
    "Entry",
    "Maker",
    "calls_arrays",
    "calls_ctc",
    "calls_elementwise",
    "calls_nn",
    "calls_windows",
]

# What gives no Tensor, is no function of arrays, or is tested by itself.
OTHERS = {"shape", "dtype", "ndim", "size", "is_tensor", "custom_gradient"}
