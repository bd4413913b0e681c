"""Emulated cuDNN, a stand-in: the RNN functions of libcudnn on hostcupy's memory, as strict as cuDNN or more.

`library` gives what ``ctypes.CDLL`` gives of a real one: functions with C's calling convention and the
signatures of cuDNN's headers. They read descriptors, weights and data from raw memory and compute by their
own plain code, which shares nothing with minirnn's. Where cuDNN would read past an array or compute nonsense,
they return a status, and words. What they do not know (projections, more than one layer, packed layouts) is
NOT_SUPPORTED.

Beyond the header: an address must be one that hostcupy gave out on the handle's device, of a contiguous array
of the right type that still lives; a handle is used by the thread that made it, on the current stream;
`devSeqLengths` is needed; a reserve space goes through BackwardData once. What cuDNN does not promise to fill
is nan: padded steps of dx, and of y where no `paddingFill` is given.
"""

import ctypes
import traceback
from _ctypes import FUNCFLAG_CDECL, CFuncPtr

from tests.standins.emulated_cudnn import calls, descriptors  # noqa: F401 - each adds its functions
from tests.standins.emulated_cudnn.header import FUNCTIONS, SINCE_9, Refused, name_of, prototype, status_of
from tests.standins.emulated_cudnn.state import IMPLEMENTATIONS, State


class _Function(CFuncPtr):
    """As from ``ctypes.CDLL``: gives an int, and knows nothing of its arguments until it is told."""

    _flags_ = FUNCFLAG_CDECL
    _restype_ = ctypes.c_int


class EmulatedLibrary:
    """What stands for ``ctypes.CDLL("libcudnn.so.9")``; its other attributes are the functions.

    Attributes
    ----------
    calls : Counter
        How often each function was called.
    live : Counter
        How many objects were created and not destroyed: "handle", "rnn", "data", "tensor", "dropout".
    last_words : str
        Why the last call that was refused was, whatever thread made it.
    """

    def __init__(self, version, without, fail, gap):
        self._state = State(version, gap, fail)
        self._names = set(FUNCTIONS) - set(without) - set(SINCE_9 if version < 90000 else ())
        self._name = f"emulated libcudnn.so.{version // (10000 if version >= 90000 else 1000)}"
        self._callbacks = {}

    calls = property(lambda self: self._state.calls)
    live = property(lambda self: self._state.live())
    last_words = property(lambda self: self._state.last_words)

    def fail_after(self, name, n, status=5000):
        """Let the n-th call of a function from now end with a status of cuDNN 9, and no later one."""
        self._state.fail[name] = (self._state.calls[name] + n, status)

    def __getattr__(self, name):
        if name.startswith("_") or name not in self._names:
            raise AttributeError(f"{self._name}: undefined symbol: {name}")
        callback = prototype(name)(_callback(self._state, name))
        self._callbacks[name] = callback  # must live as long as the function
        function = _Function(ctypes.cast(callback, ctypes.c_void_p).value)
        function.__name__ = name
        setattr(self, name, function)
        return function


def library(version=92700, without=(), fail=None, gap=48):
    """Return a freshly loaded library.

    Parameters
    ----------
    version : int
        As from ``cudnnGetVersion``. Before 90000 statuses and names are cuDNN 8's.
    without : iterable of str
        Functions that it lacks.
    fail : dict, optional
        By name of a function, which call of it fails: a number, or (number, status of cuDNN 9).
    gap : int
        Bytes left free between the parameters in the weights; 0 joins them, as cuDNN may.
    """
    return EmulatedLibrary(version, without, fail, gap)


def _callback(state, name):
    """Return a function in which nothing that goes wrong is silent, which a callback's exceptions are."""
    if name in _OTHER:
        return lambda *arguments: _OTHER[name](state, *arguments)

    def run(*arguments):
        with state.lock:
            try:
                state.fault(name)
                IMPLEMENTATIONS[name](state, *arguments)
            except Refused as refused:
                return _failed(state, refused.status, f"{name}: {refused}")
            except BaseException:  # noqa: BLE001 - it is told by its status and its words
                return _failed(state, 4000, f"{name}: the emulation is at fault:\n{traceback.format_exc()}")
        return 0

    return run


def _failed(state, status, words):
    state.thread.words = state.last_words = words
    return status_of(status, state.version)


def _error_string(state, status):
    if status not in state.strings:
        state.strings[status] = ctypes.create_string_buffer(name_of(status, state.version).encode())
    return ctypes.addressof(state.strings[status])


def _last_error_string(state, address, size):
    words = getattr(state.thread, "words", "").encode()
    state.thread.words = ""
    if address and size:
        ctypes.memmove(address, words[: size - 1] + b"\0", min(len(words), size - 1) + 1)


_OTHER = {
    "cudnnGetVersion": lambda state: state.version,
    "cudnnGetCudartVersion": lambda state: 12090,
    "cudnnGetErrorString": _error_string,
    "cudnnGetLastErrorString": _last_error_string,
}
