"""What hostcupy has in common with CuPy that needs no arrays: which names there are, and the devices."""

import itertools
import threading
import types

from tests.standins.hostcupy_memory import TAG, OutOfMemoryError


def names(text):
    return frozenset(text.split())


# What NumPy has and CuPy 14.0 has not, of that which is no type; see `test_hostcupy.py`.
LACKING = names(
    """asmatrix block bmat busday_count busday_offset cumulative_prod cumulative_sum datetime_as_string
    datetime_data einsum_path errstate frompyfunc fromregex geomspace get_include getbufsize geterr geterrcall
    histogram_bin_edges info insert is_busday isdtype isnat matrix_transpose matvec nanpercentile nanquantile
    ndenumerate nditer nested_iters polyder polydiv polyint setbufsize seterr seterrcall show_runtime spacing
    test unstack vecdot vecmat"""
)
LACKING_LINALG = names(
    """diagonal matmul matrix_norm matrix_transpose multi_dot outer svdvals tensordot test trace vecdot
    vector_norm"""
)
# Functions whose first argument is a shape or a number, and may be a list.
FROM_NUMBERS = names(
    """arange bartlett broadcast_shapes can_cast dtype empty eye finfo full hamming identity iinfo indices
    linspace logspace ones promote_types result_type tri zeros"""
)
DRAWS = names(
    """beta binomial chisquare dirichlet exponential f gamma geometric hypergeometric integers logseries
    poisson power random standard_exponential standard_gamma standard_normal uniform"""
)
NEVER = ("initial", "where", "subok", "like")  # options of NumPy's reductions that CuPy's do not have


class _Thread(threading.local):
    """What is current in a thread, as in CuPy: the devices that were entered, and a stream on each."""

    def __init__(self):
        self.devices, self.streams = [0], {}


_thread = _Thread()


class Device:
    """One of the two devices there are; inside ``with Device(1):`` arrays are made on the second."""

    def __init__(self, device=None):
        self.id = self.current() if device is None else int(device)
        if not 0 <= self.id < 2:
            raise RuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    @staticmethod
    def current():
        return _thread.devices[-1]

    def use(self):
        _thread.devices[-1] = self.id

    def synchronize(self):
        pass

    def __enter__(self):
        _thread.devices.append(self.id)
        return self

    def __exit__(self, *_):
        _thread.devices.pop()

    def __eq__(self, other):
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self):
        return hash(self.id)

    def __int__(self):
        return self.id

    def __repr__(self):
        return f"<CUDA Device {self.id}>"


class Stream:
    """A queue of work on a device, which here has always been done; address 0 is the one used by default."""

    _numbers = itertools.count(1)
    null: "Stream"

    def __init__(self, null=False, non_blocking=False):
        self.ptr = 0 if null else TAG + (next(self._numbers) << 8)
        self._before = []

    def use(self):
        _thread.streams[Device.current()] = self
        return self

    def synchronize(self):
        pass

    def __enter__(self):
        self._before.append(get_current_stream())
        return self.use()

    def __exit__(self, *_):
        self._before.pop().use()


Stream.null = Stream(null=True)


def get_current_stream(device_id=-1):
    return _thread.streams.get(Device.current() if device_id < 0 else device_id, Stream.null)


cuda = types.SimpleNamespace(
    Device=Device,
    Stream=Stream,
    get_current_stream=get_current_stream,
    memory=types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
    runtime=types.SimpleNamespace(getDeviceCount=lambda: 2, driverGetVersion=lambda: 13000),
)
