"""Dtype policies under the names of `keras.mixed_precision`; see `dtype_policies` and `config`."""

from minirnn.config import dtype_policy, set_dtype_policy
from minirnn.dtype_policies import DTypePolicy
from minirnn.optimizers import LossScaleOptimizer

__all__ = [
    "DTypePolicy",
    "LossScaleOptimizer",
    "Policy",
    "dtype_policy",
    "global_policy",
    "set_dtype_policy",
    "set_global_policy",
]

Policy = DTypePolicy
global_policy, set_global_policy = dtype_policy, set_dtype_policy
