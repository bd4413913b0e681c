"""`InputSpec`: what a layer asks of the shape and dtype of its inputs, and the check."""

from minirnn import tree
from minirnn.autograd import Tensor


class InputSpec:
    """Rank, shape and dtype that a layer expects of one input.

    Parameters
    ----------
    dtype : str, optional
    shape : tuple, optional
        None stands for any size; sets `ndim`.
    ndim, max_ndim, min_ndim : int, optional
        Exact, largest and smallest number of axes, the batch axis included.
    axes : dict, optional
        From an axis to the size it must have.
    allow_last_axis_squeeze : bool
        Whether a last axis of size 1 may be missing, or present beyond `shape`.
    name : str, optional
        The key of this input where inputs come as a dict.
    optional : bool
        Whether None may be passed.
    """

    def __init__(
        self,
        dtype=None,
        shape=None,
        ndim=None,
        max_ndim=None,
        min_ndim=None,
        axes=None,
        allow_last_axis_squeeze=False,
        name=None,
        optional=False,
    ):
        self.dtype = dtype
        self.shape = None if shape is None else tuple(shape)
        self.ndim = ndim if shape is None else len(self.shape or ())
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.axes = {int(k): v for k, v in (axes or {}).items()}
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        self.name = name
        self.optional = optional

    def __repr__(self):
        names = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes")
        given = [(name, getattr(self, name)) for name in names]
        return f"InputSpec({', '.join(f'{name}={value}' for name, value in given if value)})"

    def get_config(self):
        return {
            "dtype": self.dtype,
            "shape": self.shape,
            "ndim": self.ndim,
            "max_ndim": self.max_ndim,
            "min_ndim": self.min_ndim,
            "axes": self.axes,
        }

    def problem(self, value) -> str | None:
        """Return what is wrong with `value`, as "expected ...; got ...", or None."""
        shape = value.shape
        expected = self._expected(shape, len(shape))
        if expected is None and self.dtype is not None and value.dtype != self.dtype:
            return f"expected dtype {self.dtype}; got {value.dtype}"
        return None if expected is None else f"expected {expected}; got shape {tuple(shape)}"

    def _expected(self, shape, ndim):
        if self.shape is not None:
            return self._expected_shape(tuple(shape), self.shape)
        if self.ndim is not None and ndim != self.ndim:
            return f"{self.ndim} axes"
        if self.max_ndim is not None and ndim > self.max_ndim:
            return f"at most {self.max_ndim} axes"
        if self.min_ndim is not None and ndim < self.min_ndim:
            return f"at least {self.min_ndim} axes"
        for axis, size in self.axes.items():
            if not -ndim <= axis < ndim:
                return f"an axis {axis}"
            if size is not None and shape[axis] != size and shape[axis] is not None:
                return f"size {size} on axis {axis}"
        return None

    def _expected_shape(self, shape, expected):
        if self.allow_last_axis_squeeze:
            shape = shape[:-1] if shape and shape[-1] == 1 else shape
            expected = expected[:-1] if expected and expected[-1] == 1 else expected
        fits = len(shape) == len(expected) and all(
            want is None or have is None or want == have for want, have in zip(expected, shape)
        )
        return None if fits else f"shape {self.shape}"


def check_inputs(layer, specs, inputs) -> None:
    """Raise ValueError unless `inputs` are as `specs` has them.

    Parameters
    ----------
    layer : Layer
        Named in the error.
    specs : InputSpec or structure of InputSpec
    inputs : Tensor or structure of Tensor

    Raises
    ------
    ValueError
        If the number of inputs, a shape or a dtype is another.
    TypeError
        If an input is no tensor.
    """
    if isinstance(specs, InputSpec) and isinstance(inputs, Tensor):
        problem = specs.problem(inputs)
        if problem:
            raise ValueError(f"{layer._where}: input: {problem}.")
        return
    specs = tree.flatten(specs)
    if isinstance(inputs, dict) and all(s is not None and s.name for s in specs):
        missing = [s.name for s in specs if s.name not in inputs and not s.optional]
        if missing:
            raise ValueError(
                f"{layer._where}: expected inputs named {[s.name for s in specs]}; got {sorted(inputs)}. "
                f"Add {missing} to the dict of inputs."
            )
        inputs = [inputs.get(s.name) for s in specs]
    leaves = tree.flatten(inputs)
    if len(leaves) != len(specs):
        raise ValueError(f"{layer._where}: expected {len(specs)} input tensor(s); got {len(leaves)}.")
    for number, (value, spec) in enumerate(zip(leaves, specs)):
        if spec is None or (value is None and spec.optional):
            continue
        if not hasattr(value, "shape"):
            raise TypeError(f"{layer._where}: inputs must be tensors or arrays; got {type(value).__name__}.")
        problem = spec.problem(value)
        if problem:
            which = f"input {number}: " if len(leaves) > 1 else "input: "
            raise ValueError(f"{layer._where}: {which}{problem}.")
