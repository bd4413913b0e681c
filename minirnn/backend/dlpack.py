"""Memory shared with other libraries, by the DLPack protocol of the Python array API standard."""

import numpy as np

_HOST = (1, 3)  # memory of the CPU, and that of it which CUDA has pinned
_CUDA = (2, 13)  # memory of a GPU, and that which CUDA moves by itself
_OTHERS = {
    4: "OpenCL",
    7: "Vulkan",
    8: "Metal",
    9: "VPI",
    10: "ROCm",
    11: "ROCm host",
    14: "oneAPI",
    15: "WebGPU",
}


def is_on_host(value) -> bool:
    """Whether what offers `value` by DLPack has it in the host's memory; False if it is on a CUDA GPU.

    Raises
    ------
    TypeError
        If `value` does not offer itself by DLPack.
    ValueError
        If it is on neither.
    """
    if not (hasattr(value, "__dlpack__") and hasattr(value, "__dlpack_device__")):
        raise TypeError(
            "from_dlpack: expected an array of NumPy, CuPy, PyTorch, JAX or another library that has "
            f"__dlpack__ and __dlpack_device__; got {type(value).__name__}."
        )
    kind, number = value.__dlpack_device__()
    if kind not in (*_HOST, *_CUDA):
        raise ValueError(
            "from_dlpack: the array must be on the CPU or on a CUDA GPU; it is on a device of type "
            f"{int(kind)} ({_OTHERS.get(int(kind), 'another')}), number {number}. Copy it to the CPU first."
        )
    return kind in _HOST


def export(array, copied, *, stream=None, max_version=None, dl_device=None, copy=None):
    """Return the DLPack capsule of a raw array; the options are those of ``__dlpack__``.

    It shares the array's memory, but is of a copy where consumers could not take the array itself: PyTorch
    ends the process at a negative stride, and without a `max_version` of 1.0 or more nobody can be told that
    memory is read-only.

    Parameters
    ----------
    array : array
    copied : callable
        Returns a copy of an array on its device.

    Raises
    ------
    BufferError
        If a copy is needed and `copy` is False, or the dtype is none of DLPack's.
    """
    backwards = any(stride < 0 for stride in array.strides)
    silent = max_version is None or max_version[0] < 1
    if backwards or (silent and isinstance(array, np.ndarray) and not array.flags.writeable):
        if copy is False:
            why = "its strides are negative" if backwards else "its memory is read-only"
            raise BufferError(f"__dlpack__: the array must be copied as {why}, but copy=False.")
        array, copy = copied(array), None
    options = {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
    # What was not asked for is not passed on: NumPy 2.0 knows `stream` alone.
    return array.__dlpack__(**{name: value for name, value in options.items() if value is not None})
