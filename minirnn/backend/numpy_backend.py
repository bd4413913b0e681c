"""The reference backend: NumPy arrays on the host."""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np


def _is_integers(value) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "iu"


# Numerator and denominator, highest power first: of erf(x) / x in x², of erfc(x) · exp(x²) in x, and beyond
# x = 4 of (1/√π − erfc(x) · exp(x²) · x) · x² in 1/x².
_ERF = (
    (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2)
    + (3.20937758913846947e3,),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
_ERFC = (
    (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1)
    + (2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3)
    + (1.23033935479799725e3,),
    (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3)
    + (3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3),
)
_FAR_ERFC = (
    (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1)
    + (1.60837851487422766e-2, 6.58749161529837803e-4),
    (1.0, 2.56852019228982242, 1.87295284992346725, 5.27905102951428412e-1, 6.05183413124413191e-2)
    + (2.33520497626869185e-3,),
)


def _ratio(numerator, denominator, z):
    """Return the quotient of two polynomials, by Horner's rule in place."""
    top, bottom = np.full_like(z, numerator[0]), np.full_like(z, denominator[0])
    for values, coefficients in ((top, numerator), (bottom, denominator)):
        for coefficient in coefficients[1:]:
            values *= z
            values += coefficient
    top /= bottom
    return top


def _erf_near(x):
    """Return erf(x) of floats from −0.5 to 0.5."""
    return x * _ratio(*_ERF, x * x)


def _erfc_middle(x):
    """Return erfc(x) of floats from 0.5 to 4; beyond, what is exact beside 1."""
    return _ratio(*_ERFC, x) * np.exp(-x * x)


def _erfc_far(x):
    """Return erfc(x) of floats from 4 on."""
    z = 1 / np.square(x)
    return (1 / math.sqrt(math.pi) - z * _ratio(*_FAR_ERFC, z)) * np.sqrt(z) * np.exp(-x * x)


class NumpyBackend:
    """What array modules do differently, as NumPy does it; another backend overrides only its differences."""

    name = "numpy"
    xp: Any = np
    cudnn: Any = None
    why_no_cudnn: str | None = "cuDNN computes on arrays of a GPU."

    def owns(self, array) -> bool:
        """Whether `array` is one of this backend's arrays."""
        return isinstance(array, np.ndarray)

    def asarray(self, value, dtype=None):
        """Return `value` as an array of this backend; no copy where it is one of that dtype already."""
        return np.asarray(value, dtype)

    def asarray_beside(self, value, array, dtype=None):
        """Return `value` as `asarray` does, but on the device of `array`, one of this backend's arrays."""
        return self.asarray(value, dtype)

    def copy(self, array):
        """Return a copy of one of this backend's arrays, on its device."""
        return array.copy()

    def to_numpy(self, array) -> np.ndarray:
        """Return a copy of `array` in host memory."""
        return np.array(array)

    def devices(self) -> list[str]:
        """Return the names of the devices on which this backend makes arrays."""
        return ["CPU:0"]

    def device_of(self, array) -> str:
        """Return the name of the device of one of this backend's arrays."""
        return "CPU:0"

    def on(self, number: int) -> AbstractContextManager:
        """Return a context in which new arrays are made on the device of that number."""
        return nullcontext()

    def scatter_add(self, array, index, values) -> None:
        """Add `values` into ``array[index]`` in place, counting repeated indices each time."""
        rows: Any = index[0] if isinstance(index, tuple) and len(index) == 1 else index
        if array.ndim > 1 and array.flags.c_contiguous and _is_integers(rows):
            # Whole rows, as an Embedding's gradient has them: four times faster by flat indices.
            width = math.prod(array.shape[1:])
            places = rows.astype(np.intp).reshape(-1, 1) * width + np.arange(width)
            values = np.broadcast_to(values, rows.shape + array.shape[1:])
            np.add.at(array.reshape(-1), places.ravel(), values.ravel())
        else:
            np.add.at(array, index, values)

    def generator(self, seed: tuple[int, ...]) -> Any:
        """Return a random generator whose stream depends on `seed` alone."""
        return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))

    def erf(self, x):
        """Return the error function of `x`, correct to about 1e-15: NumPy has none, and SciPy is no need.

        References
        ----------
        Cody 1969, "Rational Chebyshev approximations for the error function".
        """
        signed = x.astype(np.float64)
        size = np.abs(signed)
        far = np.copysign(1.0 - _erfc_middle(np.clip(size, 0.5, 6.0)), signed)
        return np.where(size < 0.5, _erf_near(np.clip(signed, -0.5, 0.5)), far).astype(x.dtype)

    def erfc(self, x):
        """Return 1 − erf(x), to 13 digits where it is nearly 0 too; see `erf`."""
        signed = x.astype(np.float64)
        size = np.abs(signed)
        near = 1.0 - _erf_near(np.clip(signed, -0.5, 0.5))
        middle, beyond = _erfc_middle(np.clip(size, 0.5, 4.0)), _erfc_far(np.clip(size, 4.0, 30.0))
        far = np.where(size < 4.0, middle, beyond)
        return np.where(size < 0.5, near, np.where(signed < 0, 2.0 - far, far)).astype(x.dtype)
