"""The reference backend: NumPy arrays on the host."""

import math
from typing import Any

import numpy as np


def _is_integers(value) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "iu"


class NumpyBackend:
    """What array modules do differently, as NumPy does it; another backend overrides only its differences."""

    name = "numpy"
    xp = np

    def owns(self, array) -> bool:
        """Whether `array` is one of this backend's arrays."""
        return isinstance(array, np.ndarray)

    def asarray(self, value, dtype=None):
        """Return `value` as an array of this backend; no copy where it is one of that dtype already."""
        return np.asarray(value, dtype)

    def to_numpy(self, array) -> np.ndarray:
        """Return a copy of `array` in host memory."""
        return np.array(array)

    def scatter_add(self, array, index, values) -> None:
        """Add `values` into ``array[index]`` in place, counting repeated indices each time."""
        rows: Any = index[0] if isinstance(index, tuple) and len(index) == 1 else index
        if array.ndim > 1 and array.flags.c_contiguous and _is_integers(rows):
            # Whole rows, as an Embedding's gradient has them: four times faster by flat indices.
            width = array[0].size if len(array) else 0
            flat = rows.astype(np.intp).reshape(-1, 1) % max(len(array), 1) * width + np.arange(width)
            values = np.broadcast_to(values, rows.shape + array.shape[1:])
            np.add.at(array.reshape(-1), flat.ravel(), values.ravel())
        else:
            np.add.at(array, index, values)

    def generator(self, seed: tuple[int, ...]) -> np.random.Generator:
        """Return a random generator whose stream depends on `seed` alone."""
        return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))

    def erf(self, x):
        """Return the error function of `x`, correct to about 1e-15.

        NumPy has none and SciPy is no dependency. Below 3 the Maclaurin series of
        ``exp(-x²)``-weighted terms converges fast and without cancellation; above, the continued
        fraction of erfc does (Abramowitz and Stegun, 7.1.6 and 7.1.14).
        """
        z = np.abs(x.astype(np.float64))
        near = np.minimum(z, 3.0)
        term = near * (2.0 / math.sqrt(math.pi)) * np.exp(-near * near)
        series = term.copy()
        for n in range(1, 60):
            term = term * (2.0 * near * near / (2 * n + 1))
            series += term
        far = np.maximum(z, 3.0)
        fraction = far.copy()
        for n in range(40, 0, -1):
            fraction = far + (n / 2.0) / fraction
        tail = 1.0 - np.exp(-far * far) / (fraction * math.sqrt(math.pi))
        return (np.sign(x) * np.where(z < 3.0, series, tail)).astype(x.dtype)
