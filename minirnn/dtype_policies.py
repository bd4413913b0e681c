"""Dtype policies: in which dtype a layer keeps its weights, and in which it computes.

A name of a dtype means both. "mixed_float16" keeps weights in float32 and computes in float16, where small
changes of large weights would be lost (Micikevicius et al. 2018, "Mixed precision training").
"""

import difflib
from typing import Any

import numpy as np

from minirnn import config
from minirnn.utils import registry

# From a name to the dtypes of computation and of weights.
_MIXED = {"mixed_float16": ("float16", "float32")}
_DTYPES = (
    *("float16", "float32", "float64", "int8", "int16", "int32", "int64"),
    *("uint8", "uint16", "uint32", "uint64", "bool"),
)


class DTypePolicy:
    """The dtype of a layer's weights and that of its computation.

    Parameters
    ----------
    name : str, optional
        "float32", "float64", "float16" or "mixed_float16"; "bfloat16" where another library has taught it to
        NumPy; integers and "bool" for layers that compute in them. Default: the global policy's.

    Raises
    ------
    TypeError
        If `name` is no str.
    ValueError
        If there is no such policy.
    """

    def __init__(self, name=None):
        if name is None:
            name = config.dtype_policy().name
        self._name = name
        self._compute_dtype, self._variable_dtype = self._parse_name(name)

    def _parse_name(self, name) -> tuple[str, str]:
        """Return the dtypes of computation and of weights."""
        if not isinstance(name, str):
            raise TypeError(f"DTypePolicy: name must be a str like 'mixed_float16'; got {name!r}.")
        if name in _MIXED:
            return _MIXED[name]
        try:
            dtype = np.dtype(name).name
        except TypeError:
            dtype = None
        if dtype in _DTYPES or dtype == "bfloat16":
            return dtype, dtype
        raise ValueError(f"DTypePolicy: unknown name {name!r}; {_hint(name)}")

    @property
    def name(self) -> str:
        """The name that it was made with."""
        return self._name

    @property
    def compute_dtype(self) -> str:
        """What layers cast floating inputs and weights to."""
        return self._compute_dtype

    @property
    def variable_dtype(self) -> str:
        """What weights are made in, and stay in."""
        return self._variable_dtype

    def get_config(self) -> dict:
        return {"name": self.name}

    @classmethod
    def from_config(cls, config):
        """Make a policy from what `get_config` returned."""
        return cls(**config)

    def __eq__(self, other):
        return type(self) is type(other) and self._name == other._name

    def __hash__(self):
        return hash((type(self), self._name))

    def __repr__(self):
        return f'<{type(self).__name__} "{self._name}">'


FloatDTypePolicy = DTypePolicy
_table: Any = registry.Table(
    "dtype policy",
    "keras.dtype_policies",
    (DTypePolicy,),
    {"FloatDTypePolicy": DTypePolicy},
    base=DTypePolicy,
    snake_case=False,
)


def _hint(name) -> str:
    if name.endswith("bfloat16"):
        return (
            "NumPy has no bfloat16. 'mixed_float16' computes in float16, whose largest number, 65504, is "
            "smaller; compile() then scales the loss."
        )
    nearest = difflib.get_close_matches(name.lower(), (*_MIXED, *_DTYPES), n=1)
    if nearest:
        return f"the nearest known name is {nearest[0]!r}."
    return "known are 'float32', 'float64', 'float16', 'mixed_float16' and the names of other real dtypes."


def serialize(dtype_policy) -> dict:
    """Return a policy as plain values; Keras's own are found in its module "keras"."""
    config_ = registry.serialize_keras_object(dtype_policy)
    return {**config_, "module": "keras"} if type(dtype_policy) is DTypePolicy else config_


def deserialize(config, custom_objects=None) -> DTypePolicy:
    """Return the policy that `serialize` described."""
    return registry.deserialize_keras_object(config, custom_objects, table=_table)


def get(identifier) -> DTypePolicy:
    """Return a policy from its name, a dtype, its config, or itself; None gives the global one.

    Raises
    ------
    TypeError, ValueError
        If `identifier` is none of these, or there is no policy of that name.
    """
    if identifier is None:
        return config.dtype_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, str):
        return DTypePolicy(identifier)
    if isinstance(identifier, dict):
        policy = deserialize(identifier)
    else:
        try:
            policy = DTypePolicy(np.dtype(identifier).name)
        except TypeError:
            policy = None
    if not isinstance(policy, DTypePolicy):
        raise ValueError(
            "dtype_policies.get: expected the name of a policy or of a dtype, a DTypePolicy or its config; "
            f"got {identifier!r}."
        )
    return policy
