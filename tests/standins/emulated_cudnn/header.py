"""What cuDNN's public headers say: the signatures of the functions, and the values of the enumerations."""

import ctypes
import json
from pathlib import Path

API = json.loads((Path(__file__).parents[2] / "backend" / "cudnn_rnn_api.json").read_text())
FUNCTIONS = API["functions"]
ENUMS = API["enums"]
SINCE_9 = ("cudnnGetLastErrorString", "cudnnRNNSetClip_v9", "cudnnRNNGetClip_v9")

_PLAIN = {
    "int": ctypes.c_int,
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "size_t": ctypes.c_size_t,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
    "unsigned long long": ctypes.c_ulonglong,
    "void": None,
}
# cuDNN 8 has one number for each kind of failure.
_OF_8 = {1001: 1, 4003: 2, 2: 3, 4: 4, 5: 8, 3: 9}
_NAMES_OF_8 = {
    0: "CUDNN_STATUS_SUCCESS",
    1: "CUDNN_STATUS_NOT_INITIALIZED",
    2: "CUDNN_STATUS_ALLOC_FAILED",
    3: "CUDNN_STATUS_BAD_PARAM",
    4: "CUDNN_STATUS_INTERNAL_ERROR",
    8: "CUDNN_STATUS_EXECUTION_FAILED",
    9: "CUDNN_STATUS_NOT_SUPPORTED",
}


class Refused(Exception):
    """A call ends with a status other than success.

    Parameters
    ----------
    status : str
        Its name without ``CUDNN_STATUS_``.
    words : str
        What ``cudnnGetLastErrorString`` is to say.
    """

    def __init__(self, status, words):
        super().__init__(words)
        self.status = ENUMS["cudnnStatus_t"][f"CUDNN_STATUS_{status}"]


def status_of(status: int, version: int) -> int:
    """Return a status of cuDNN 9 as a version has it."""
    if version >= 90000 or not status:
        return status
    return _OF_8.get(status, _OF_8.get(status // 1000, 4))


def name_of(status: int, version: int) -> str:
    """Return the name of a status, as ``cudnnGetErrorString`` does."""
    if version < 90000:
        return _NAMES_OF_8.get(status, "CUDNN_UNKNOWN_STATUS")
    names = [name for name, value in ENUMS["cudnnStatus_t"].items() if value == status]
    return names[0] if names else "CUDNN_UNKNOWN_STATUS"


def _ctype(of: str):
    if of.endswith(("*", "[]")):
        return ctypes.c_void_p  # an address, whatever lies there
    if of in ENUMS:
        return ctypes.c_int
    return _PLAIN.get(of, ctypes.c_void_p)  # an opaque handle


def prototype(name: str):
    """Return the type of a function with the header's signature, all addresses as ``void *``."""
    function = FUNCTIONS[name]
    return ctypes.CFUNCTYPE(_ctype(function["returns"]), *(_ctype(of) for _, of in function["parameters"]))


def check_enum(enum: str, value: int, what: str) -> None:
    """Refuse a number that is none of an enumeration's."""
    if value not in ENUMS[enum].values():
        raise Refused("BAD_PARAM", f"{what} is {value}, which is no {enum}")
