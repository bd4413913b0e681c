"""CuPy arrays on a GPU: only what CuPy does otherwise than NumPy. CuPy is imported by `load`, not before."""

import importlib
import threading

import numpy as np

from minirnn.backend import cudnn
from minirnn.backend.numpy_backend import NumpyBackend

# The types that a GPU adds to atomically, which is how repeated indices are counted each time.
_ATOMIC = frozenset(("int32", "uint32", "uint64", "float16", "float32", "float64"))
_NO_DEVICE = 100  # cudaErrorNoDevice
_INSTALL = (
    'Install it with `pip install "minirnn[cuda12]"`, or `[cuda13]` where nvidia-smi shows CUDA version 13.'
)


class Unavailable(RuntimeError):
    """CuPy cannot be used here.

    Attributes
    ----------
    broken : bool
        Whether CuPy and a GPU are here but do not work, so that someone would want to know.
    """

    def __init__(self, reason, broken=False):
        super().__init__(reason)
        self.broken = broken


class CupyBackend(NumpyBackend):
    """Arrays of CuPy, or of a module that is like it.

    Parameters
    ----------
    module : module
        cupy.
    special : module, optional
        Has ``erf`` and ``erfc``; default ``cupyx.scipy.special``, imported when it is first needed.
    load_cudnn : callable, optional
        Returns a `cudnn.Library` or raises `cudnn.LibraryUnavailable`; called once, when cuDNN is needed.
    """

    name = "cupy"

    def __init__(self, module, special=None, load_cudnn=cudnn.load):
        self.xp = module
        self._special = special
        self._load_cudnn = load_cudnn
        self._loaded: tuple[cudnn.Library | None, str | None] | None = None
        self._lock = threading.Lock()

    @property
    def cudnn(self) -> cudnn.Library | None:
        """The library of RNN calls, looked for when it is first asked for; None where there is none."""
        return self._library()[0]

    @property
    def why_no_cudnn(self) -> str | None:
        """What was tried and what to install, where `cudnn` is None."""
        return self._library()[1]

    def _library(self):
        with self._lock:
            if self._loaded is None:
                try:
                    self._loaded = self._load_cudnn(), None
                except cudnn.LibraryUnavailable as error:
                    self._loaded = None, str(error)
            return self._loaded

    def owns(self, array) -> bool:
        return isinstance(array, self.xp.ndarray)

    def asarray(self, value, dtype=None):
        # CuPy's own would also bring an array here from another GPU.
        if not self.owns(value):
            return self.xp.asarray(value, dtype)
        if dtype is None or value.dtype == dtype:
            return value
        with value.device:
            return value.astype(dtype)

    def asarray_beside(self, value, array, dtype=None):
        with array.device:
            return self.asarray(value, dtype)

    def copy(self, array):
        with array.device:  # CuPy's own makes the copy on the current device
            return array.copy()

    def to_numpy(self, array) -> np.ndarray:
        return array.get()

    def devices(self) -> list[str]:
        return [f"GPU:{i}" for i in range(self.xp.cuda.runtime.getDeviceCount())]

    def device_of(self, array) -> str:
        return f"GPU:{array.device.id}"

    def on(self, number: int):
        return self.xp.cuda.Device(number)

    def scatter_add(self, array, index, values) -> None:
        add_at, dtype = self.xp.add.at, array.dtype
        if dtype.name == "int64":  # the bits of a sum do not depend on the sign
            add_at(array.view("uint64"), index, values.astype("int64", copy=False).view("uint64"))
        elif dtype.kind in "biu" and dtype.name not in _ATOMIC:
            wide = array.astype("int32")
            add_at(wide, index, values.astype("int32"))
            array[...] = wide
        else:
            add_at(array, index, values)

    def generator(self, seed: tuple[int, ...]):
        random = self.xp.random
        return random.Generator(random.Philox4x3210(list(seed)))

    def erf(self, x):
        return self._functions().erf(x)

    def erfc(self, x):
        return self._functions().erfc(x)

    def _functions(self):
        if self._special is None:
            self._special = importlib.import_module("cupyx.scipy.special")
        return self._special


def load() -> CupyBackend:
    """Import CuPy, let it compute, and return its backend.

    Raises
    ------
    Unavailable
        If there is no CuPy or no GPU, or they do not work; the message says what to do.
    """
    try:
        cupy = importlib.import_module("cupy")
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "cupy":
            raise Unavailable(f"CuPy is not installed. {_INSTALL}") from error
        raise Unavailable(
            f"CuPy is installed but cannot be imported: {_words(error)} {_INSTALL}", broken=True
        ) from error
    runtime = cupy.cuda.runtime
    try:
        count = runtime.getDeviceCount()
    except Exception as error:
        if getattr(error, "status", None) == _NO_DEVICE or not runtime.driverGetVersion():
            raise Unavailable("CuPy finds no NVIDIA GPU, or no driver of one, on this machine.") from error
        raise Unavailable(
            f"CuPy is installed but cannot reach the GPU: {_words(error)} Install an NVIDIA driver as new as "
            "CuPy's CUDA, or the CuPy for an older CUDA.",
            broken=True,
        ) from error
    if not count:
        raise Unavailable("CuPy finds no NVIDIA GPU on this machine.")
    try:
        cupy.ones(2).sum().item()  # compiles a kernel and runs it
    except Exception as error:
        raise Unavailable(
            f"CuPy is installed but cannot compute on the GPU: {_words(error)} {_INSTALL}", broken=True
        ) from error
    return CupyBackend(cupy)


def _words(error) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300].rstrip('. ')}."
