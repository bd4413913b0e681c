"""What hostcupy has in common with CuPy that needs no arrays: which names there are, and the devices."""

import types


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


class Device:
    """One of the two devices there are; inside ``with Device(1):`` arrays are made on the second."""

    current = [0]

    def __init__(self, device=None):
        self.id = self.current[-1] if device is None else int(device)
        if not 0 <= self.id < 2:
            raise RuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    def __enter__(self):
        self.current.append(self.id)
        return self

    def __exit__(self, *_):
        self.current.pop()

    def __eq__(self, other):
        return isinstance(other, Device) and self.id == other.id

    def __repr__(self):
        return f"<CUDA Device {self.id}>"


cuda = types.SimpleNamespace(
    Device=Device,
    runtime=types.SimpleNamespace(getDeviceCount=lambda: 2, driverGetVersion=lambda: 13000),
)
