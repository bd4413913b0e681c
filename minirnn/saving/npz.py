"""Weights as NumPy's .npz, for where there is no h5py: each array under its path, and no pickle.

Keras has a format of that name too, in which each group is a dict, which NumPy can only pickle. Keras 3.15.1
still writes it and refuses to read it, and so does this.
"""

import io

import numpy as np

from minirnn.saving.archive import Archive, write_archive
from minirnn.saving.errors import UnsafeFileError, refusing
from minirnn.saving.stores import Store, Stored, check_numbers

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class File:
    """A file of arrays, to be read; a context manager.

    Parameters
    ----------
    path : str
        Of the file, or what errors call it.
    content : bytes, optional
        The file itself, where it is a member of an archive.

    Attributes
    ----------
    store : Store
        Its arrays.

    Raises
    ------
    UnsafeFileError
        If it is no such file, a damaged one, or holds anything but arrays of numbers.
    """

    def __init__(self, path, content=None):
        self.path, self._archive = path, Archive(path, content)
        try:
            self.store = Store(path, dict(map(self._stored, self._archive.members)))
        except BaseException:
            self._archive.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._archive.__exit__()

    def _stored(self, member) -> tuple[str, Stored]:
        size = self._archive.check(member)
        if not member.endswith(".npy"):
            raise UnsafeFileError(f"{self.path}: refused, since its member {member!r} is no array.")
        with refusing(self.path, f"its member {member!r}"), self._archive.open(member) as file:
            version = np.lib.format.read_magic(file)
            if version not in _HEADERS:
                raise UnsafeFileError(f"{self.path}: refused, since {member!r} is of version {version}.")
            shape, fortran, dtype = _HEADERS[version](file)
            start = file.tell()
        check_numbers(f"{self.path}: {member!r}", dtype)
        stored = Stored(shape, dtype, lambda: self._read(member, start, shape, fortran, dtype))
        if stored.size * dtype.itemsize != size - start or min(shape, default=0) < 0:
            raise UnsafeFileError(
                f"{self.path}: refused, since {member!r} claims shape {shape}, and {size - start} bytes are "
                "there."
            )
        return member.removesuffix(".npy"), stored

    def _read(self, member, start, shape, fortran, dtype) -> np.ndarray:
        content = self._archive.read(member)
        array = np.frombuffer(content, dtype, offset=start)
        return array.reshape(shape, order="F" if fortran else "C")


def to_bytes(groups) -> bytes:
    """Return a file.

    Parameters
    ----------
    groups : iterable of (str, str or None, dict of str to array)
        The path of each, its name, which is not kept, and the arrays in it.
    """
    members = {}
    for path, _, arrays in groups:
        for key, array in arrays.items():
            member = io.BytesIO()
            if array.dtype.name == "bfloat16":  # a dtype of no name in this format
                array = array.astype("float32")
            np.lib.format.write_array(member, array, (1, 0), allow_pickle=False)
            members[f"{path}/{key}.npy"] = member.getvalue()
    file = io.BytesIO()
    write_archive(file, members)
    return file.getvalue()
