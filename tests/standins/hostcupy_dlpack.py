"""DLPack between hostcupy's arrays: its capsule means nothing to a library that computes in host memory."""

from tests.standins.hostcupy_arrays import ndarray, new
from tests.standins.hostcupy_rules import Device

_CPU, _CUDA = 1, 2


class Capsule:
    """What CuPy gives in a PyCapsule, whose memory is that of a GPU."""

    def __init__(self, array):
        self.array = array


def _device(self):
    return _CUDA, self.device.id


def _dlpack(self, *, stream=None, max_version=None, dl_device=None, copy=None):
    if dl_device is not None and dl_device[0] == _CPU:
        if copy is False:
            raise ValueError("GPU memory cannot be exported to the CPU without a copy.")
        return self.get().__dlpack__(max_version=max_version)
    return Capsule(self.copy() if copy else self)


def from_dlpack(array, *, device=None, copy=None):
    """Return an array in the memory of another that is on a device."""
    kind, number = array.__dlpack_device__()
    if kind != _CUDA:
        raise TypeError(
            "CPU arrays cannot be directly imported to CuPy. Use `cupy.array(numpy.from_dlpack(input))` "
            "instead."
        )
    with Device(number):
        capsule = array.__dlpack__(stream=1, max_version=(1, 0), copy=copy)
        if not isinstance(capsule, Capsule):
            raise ValueError("A DLPack tensor object cannot be consumed multiple times")
        return new(capsule.array._host.view())


ndarray.__dlpack__, ndarray.__dlpack_device__ = _dlpack, _device
