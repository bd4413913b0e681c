"""Global settings: default dtypes, the fuzz factor, how exactly a GPU multiplies, checks for NaN."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minirnn.dtype_policies import DTypePolicy

_FLOAT_TYPES = ("float16", "float32", "float64")
_settings: dict[str, Any] = {
    "floatx": "float32",
    "dtype_policy": None,  # that of floatx
    "epsilon": 1e-7,
    "tf32": False,
    "nan_checks": False,
}


def backend() -> str:
    """Return the name of what computes: "numpy" or "cupy"."""
    from minirnn.backend import current

    return current().name


def floatx() -> str:
    """Return the default float type: "float16", "float32" or "float64"."""
    return _settings["floatx"]


def set_floatx(value: str) -> None:
    """Set the default float type of new weights and of converted Python numbers.

    Raises
    ------
    ValueError
        If `value` is not "float16", "float32" or "float64".
    """
    if value not in _FLOAT_TYPES:
        raise ValueError(f"set_floatx: value must be one of {', '.join(_FLOAT_TYPES)}; got {value!r}.")
    _settings["floatx"] = str(value)


def dtype_policy() -> "DTypePolicy":
    """Return the policy of layers that are made without ``dtype=``: that of `floatx` if none was set."""
    from minirnn import dtype_policies

    return _settings["dtype_policy"] or dtype_policies.DTypePolicy(floatx())


def set_dtype_policy(policy) -> None:
    """Set the policy of the layers and models made from now on without ``dtype=``.

    Parameters
    ----------
    policy : str, DTypePolicy or None
        "float32", "float64", "mixed_float16", ... None lets it be that of `floatx` again.

    Raises
    ------
    ValueError
        If there is no such policy, or `policy` is none of these.
    """
    from minirnn import dtype_policies

    if policy is not None and not isinstance(policy, str | dtype_policies.DTypePolicy):
        raise ValueError(
            f"set_dtype_policy: policy must be a name like 'mixed_float16', a DTypePolicy or None; "
            f"got {policy!r}."
        )
    _settings["dtype_policy"] = None if policy is None else dtype_policies.get(policy)


def epsilon() -> float:
    """Return the small number added where a division by zero or log(0) could arise (1e-7)."""
    return _settings["epsilon"]


def set_epsilon(value: float) -> None:
    """Set the fuzz factor returned by `epsilon`."""
    _settings["epsilon"] = float(value)


def tensor_float_32_execution_enabled() -> bool:
    """Return whether cuDNN may round float32 factors to TF32; False unless it was enabled."""
    return _settings["tf32"]


def enable_tensor_float_32_execution(enabled: bool) -> None:
    """Let cuDNN round the factors of float32 products to TF32, or not.

    TF32 keeps ten bits of a factor in place of 23. It is several times faster on GPUs of compute capability
    8.0 and later, and results then agree with other kernels to about 1e-3 in place of 1e-5.
    """
    _settings["tf32"] = bool(enabled)


def nan_checks_enabled() -> bool:
    """Return whether training looks for what made a loss or a gradient NaN or infinite."""
    return _settings["nan_checks"]


def enable_nan_checks(enabled: bool = True) -> None:
    """Let training and evaluation end with a FloatingPointError as soon as a loss is NaN or infinite, or not.

    The error names the first layer in which it arose, the array (an input, a weight or an output of that
    layer, or the gradient of a weight), how many of its numbers are not finite and where the first one
    stands; in `fit` also epoch and batch. The step is taken back. Each step keeps what layers return until
    its end, and reads the loss and a flag of the gradients from the device, so it is somewhat slower.

    Infinite gradients of a loss that a `LossScaleOptimizer` scales are no error: it leaves out that step.
    """
    _settings["nan_checks"] = bool(enabled)
