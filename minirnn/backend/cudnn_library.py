"""libcudnn itself: where it is looked for, the functions called in it, and how its errors read."""

import ctypes
import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from ctypes import c_char_p, c_float, c_int, c_int32, c_size_t, c_uint32, c_ulonglong, c_void_p
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["SIGNATURES", "CuDNNError", "Functions", "LibraryUnavailable", "load_functions"]

OLDEST = 8000  # the first with these calls
NINE = 90_000  # from here on versions are counted otherwise
INSTALL = (
    'Install cuDNN with `pip install "minirnn[cuda12]"`, or `[cuda13]` where nvidia-smi shows CUDA version '
    "13."
)


class LibraryUnavailable(RuntimeError):
    """There is no libcudnn here that can be used; the message says what was tried and what to install."""


class CuDNNError(RuntimeError):
    """A call of cuDNN failed.

    Attributes
    ----------
    function : str
        The C function.
    status : int
        The ``cudnnStatus_t`` that it returned.
    """

    def __init__(self, function, status, words):
        super().__init__(f"{function} failed: {words}")
        self.function = function
        self.status = status


class Signature(NamedTuple):
    """What ctypes has to know of a function."""

    returns: Any
    parameters: tuple


# P is any address or opaque pointer, I an int or an enumeration, N a size in bytes.
P, I, N = c_void_p, c_int, c_size_t
I32, U32 = c_int32, c_uint32

# Each function that is called, with its parameters in the groups in which they are passed.
SIGNATURES = {
    "cudnnGetVersion": Signature(N, ()),
    "cudnnGetErrorString": Signature(c_char_p, (I,)),
    "cudnnCreate": Signature(I, (P,)),
    "cudnnDestroy": Signature(I, (P,)),
    "cudnnSetStream": Signature(I, (P, P)),
    "cudnnCreateTensorDescriptor": Signature(I, (P,)),
    "cudnnDestroyTensorDescriptor": Signature(I, (P,)),
    "cudnnSetTensorNdDescriptor": Signature(I, (P, I, I, P, P)),
    "cudnnGetTensorNdDescriptor": Signature(I, (P, I, P, P, P, P)),
    "cudnnCreateDropoutDescriptor": Signature(I, (P,)),
    "cudnnDestroyDropoutDescriptor": Signature(I, (P,)),
    "cudnnSetDropoutDescriptor": Signature(I, (P, P, c_float, P, N, c_ulonglong)),
    "cudnnCreateRNNDescriptor": Signature(I, (P,)),
    "cudnnDestroyRNNDescriptor": Signature(I, (P,)),
    "cudnnSetRNNDescriptor_v8": Signature(I, (P, *(I,) * 5, *(I,) * 3, *(I32,) * 4, P, U32)),
    "cudnnCreateRNNDataDescriptor": Signature(I, (P,)),
    "cudnnDestroyRNNDataDescriptor": Signature(I, (P,)),
    "cudnnSetRNNDataDescriptor": Signature(I, (P, I, I, *(I,) * 3, P, P)),
    "cudnnGetRNNWeightSpaceSize": Signature(I, (P, P, P)),
    "cudnnGetRNNTempSpaceSizes": Signature(I, (P, P, I, P, P, P)),
    "cudnnGetRNNWeightParams": Signature(I, (P, P, I32, *(N, P), I32, *(P, P) * 2)),
    "cudnnRNNForward": Signature(I, (P, P, I, P, *(P, P) * 2, *(P, P, P) * 2, *(N, P) * 3)),
    "cudnnRNNBackwardData_v8": Signature(I, (P, P, P, P, P, P, P, P, *(P, P, P, P) * 2, *(N, P) * 3)),
    "cudnnRNNBackwardWeights_v8": Signature(I, (P, P, I, P, *(P, P) * 3, *(N, P) * 3)),
}
LAST_ERROR = Signature(None, (P, N))  # of cudnnGetLastErrorString, which came with 9

_REPORT = (
    "Please report this with what `python -m minirnn info` prints; until then give the layer use_cudnn=False."
)
_FAILED = (
    "The GPU or its driver failed, perhaps in an earlier call: run again with CUDA_LAUNCH_BLOCKING=1 to see "
    "which, and update the driver."
)
# What to do, by a part of the status's name (numbers differ between cuDNN 8 and 9). The first one counts.
_ADVICE = {
    "BAD_PARAM": _REPORT,
    "INVALID_VALUE": _REPORT,
    "ALLOC": "Memory is full: use smaller batches or shorter sequences, or stop other programs on the GPU.",
    "NOT_INITIALIZED": "cuDNN cannot start: see with nvidia-smi whether there is a GPU, whether its driver "
    "is as new as this cuDNN's CUDA, and whether memory is left.",
    "MISMATCH": f"This cuDNN does not fit this GPU, its driver, or the rest of its own files. {INSTALL}",
    "SUBLIBRARY": f"Files of this cuDNN are missing. {INSTALL}",
    "PREREQUISITE": f"A library that this cuDNN needs is missing. {INSTALL}",
    "INCOMPATIBLE": "Update the GPU's driver, or install a cuDNN for an older CUDA.",
    "NOT_SUPPORTED": "This cuDNN or this GPU cannot do it: give the layer use_cudnn=False.",
    "EXECUTION_FAILED": _FAILED,
    "INTERNAL_ERROR": _FAILED,
    "MAPPING_ERROR": _FAILED,
}


class Functions:
    """The functions of one libcudnn; called by name, they raise CuDNNError on any status but success.

    Parameters
    ----------
    functions : ctypes.CDLL or object
        Has the functions as attributes.
    where : str
        What to call the library in errors, its path as a rule.

    Raises
    ------
    LibraryUnavailable
        If it is too old or lacks a function.
    """

    def __init__(self, functions, where: str):
        self._library, self._functions, self.where = functions, {}, where
        self.version_text = "of unknown version"
        self._declare("cudnnGetVersion", SIGNATURES["cudnnGetVersion"])
        self.version: int = self._functions["cudnnGetVersion"]()
        self.version_text = _version_text(self.version)
        if self.version < OLDEST:
            raise LibraryUnavailable(
                f"{where}: cuDNN {self.version_text} is too old; {_version_text(OLDEST)} or newer is needed. "
                f"{INSTALL}"
            )
        for name, signature in SIGNATURES.items():
            self._declare(name, signature)
        if self.version >= NINE:
            self._declare("cudnnGetLastErrorString", LAST_ERROR)

    def _declare(self, name, signature):
        try:
            function = getattr(self._library, name)
        except AttributeError as error:
            raise LibraryUnavailable(
                f"{self.where}: cuDNN {self.version_text} has no function {name}. {INSTALL}"
            ) from error
        function.restype, function.argtypes = signature
        self._functions[name] = function

    def __call__(self, name, *args):
        status = self._functions[name](*args)
        if status:
            raise CuDNNError(name, status, self._words(status))

    def _words(self, status):
        """Return what cuDNN says of a status, and what to do."""
        name = self._functions["cudnnGetErrorString"](status).decode()
        said = f"{name} ({status})"
        if self.version >= NINE:
            text = ctypes.create_string_buffer(2048)
            self._functions["cudnnGetLastErrorString"](text, len(text))
            details = " ".join(text.value.decode(errors="replace").split())
            said += f": {details}" if details else ""
        advice = next((words for part, words in _ADVICE.items() if part in name), "")
        return f"{said.rstrip('.')}. {advice}".rstrip()


def _version_text(version):
    unit = 10_000 if version >= NINE else 1000
    return f"{version // unit}.{version % unit // 100}.{version % 100}"


def load_functions() -> tuple[ctypes.CDLL, str]:
    """Find libcudnn, load it and check it; return it and where it was found.

    Raises
    ------
    LibraryUnavailable
        If no libcudnn can be used; the message has each place that was tried and what was wrong with it.
    """
    tried = []
    for place, load in _places():
        try:
            library = load()
            Functions(library, library._name)
            return library, library._name
        except (ImportError, OSError, RuntimeError) as error:
            words = " ".join(str(error).split()).removesuffix(f" {INSTALL}")
            tried.append(f"- {words}" if place in words else f"- {place}: {words}")
    raise LibraryUnavailable("\n".join(["No cuDNN that can be used was found. Tried:", *tried, INSTALL]))


def _places() -> Iterator[tuple[str, Callable[[], ctypes.CDLL]]]:
    """Yield each place in the order of search, and what loads the library from there."""
    windows = sys.platform == "win32"
    names = ("cudnn64_9.dll", "cudnn64_8.dll") if windows else ("libcudnn.so.9", "libcudnn.so.8")
    yield "cuda-pathfinder", _load_by_pathfinder
    spec = importlib.util.find_spec("nvidia")  # the namespace package of NVIDIA's wheels
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        yield "the wheels nvidia-cudnn-cu12 and nvidia-cudnn-cu13", _no_wheel
    files = [Path(folder, "cudnn", "bin" if windows else "lib", name) for folder in folders for name in names]
    for name in (*map(str, files), *names):
        yield name, functools.partial(ctypes.CDLL, name)


def _load_by_pathfinder():
    pathfinder = importlib.import_module("cuda.pathfinder")
    path = pathfinder.load_nvidia_dynamic_lib("cudnn").abs_path
    if path is None:
        raise OSError("it does not tell where the library is")
    return ctypes.CDLL(path)


def _no_wheel():
    raise ModuleNotFoundError("neither is installed")
