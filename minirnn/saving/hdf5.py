"""Weights as HDF5, through h5py: what Keras writes, and no more of the format than that.

HDF5 can make a file read another one (soft and external links, external storage, virtual datasets), run
filters that a library brings, or claim an array of a petabyte in a few bytes. None of that is in a file of
weights, so all of it is refused, before any array is read.
"""

import mmap
import struct
from typing import Any

import numpy as np

from minirnn.saving.errors import UnsafeFileError, refusing
from minirnn.saving.stores import Store, Stored, check_numbers

_LARGEST_RATIO = 100
_SMALL = 1 << 20
_MOST_OBJECTS = 100_000
_DEEPEST = 64
_MOST_TEXTS = 1_000_000
_HEAP = b"GCOL\x01"


def available() -> bool:
    """Whether h5py is installed."""
    try:
        import h5py  # noqa: F401
    except ImportError:
        return False
    return True


def require_h5py(path) -> Any:
    """Return h5py, or raise ImportError in the name of a file that cannot be read without it."""
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            f"{path}: HDF5 is read and written through h5py, which is not installed; `pip install "
            "'minirnn[keras]'` brings it. Without it, .weights.npz and .keras files with such weights can be "
            "read and written."
        ) from error
    return h5py


class File:
    """An HDF5 file, to be read; a context manager.

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
    file : h5py.File
        Everything in it has been looked at, and is a group or a dataset of numbers or text.

    Raises
    ------
    UnsafeFileError
        If it is no HDF5 file, a damaged one, or there is something in it that a file of weights has not.
    """

    def __init__(self, path, content=None):
        self.h5py = h5py = require_h5py(path)
        self.path = path
        with refusing(path, "the HDF5 file"):
            if content is None:
                self.file = h5py.File(path, "r")
            else:
                self.file = h5py.File(h5py.h5f.open_file_image(content))
        try:
            with refusing(path, "the HDF5 file"):
                self._check_texts(_mapped(path) if content is None else content)
                self.store = Store(path, self._found())
        except BaseException:
            self.file.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def _check_texts(self, content):
        """Refuse heaps, where texts of any length lie, over which HDF5 would never come to an end.

        The library goes from object to object by their sizes, also by a size of 0.
        """
        sizes = self.file.id.get_create_plist().get_sizes()
        if sizes != (8, 8):
            raise UnsafeFileError(f"{self.path}: refused, since its addresses have {sizes} bytes, and not 8.")
        left, start = _MOST_TEXTS, content.find(_HEAP)
        while start >= 0:
            size = struct.unpack_from("<Q", content, start + 8)[0] if start + 16 <= len(content) else 0
            place, end = start + 16, start + size
            while place + 16 <= end <= len(content) and left:
                number, length = struct.unpack_from("<H6xQ", content, place)
                # The last one is what is free, its own header included.
                step, left = 16 + (length + 7) // 8 * 8 if number else length, left - 1
                if not step:
                    break
                place += step
            if place + 16 <= end or place > end or not left:
                raise UnsafeFileError(f"{self.path}: refused, since the texts in it are damaged.")
            start = content.find(_HEAP, start + 1)

    def _found(self) -> dict[str, Stored]:
        h5py = self.h5py
        found: dict[str, Stored] = {}
        root = self.file.id
        groups, seen = [("", h5py.h5g.open(root, b"/"))], set()
        while groups:
            path, group = groups.pop()
            # A group may be a member of itself.
            address = h5py.h5o.get_info(group).addr
            if address in seen or path.count("/") > _DEEPEST or len(seen) + len(found) > _MOST_OBJECTS:
                raise UnsafeFileError(f"{self.path}: refused, since its groups repeat or nest without end.")
            seen.add(address)
            for key in list(group):
                place = path + key.decode()
                if group.links.get_info(key).type != h5py.h5l.TYPE_HARD:
                    raise UnsafeFileError(f"{self.path}: refused, since {place!r} is a link to elsewhere.")
                item = h5py.h5o.open(group, key)
                if isinstance(item, h5py.h5g.GroupID):
                    groups.append((f"{place}/", item))
                elif isinstance(item, h5py.h5d.DatasetID):
                    found[place] = self._stored(place, item)
                else:
                    raise UnsafeFileError(
                        f"{self.path}: refused, since {place!r} is neither group nor array."
                    )
        return found

    def _stored(self, place, dataset) -> Stored:
        """Return what is known of an array, once it is one that is safe to read."""
        h5py, what = self.h5py, f"{self.path}: refused, since the array {place!r}"
        plan = dataset.get_create_plist()
        if plan.get_external_count():
            raise UnsafeFileError(f"{what} is stored in another file.")
        if plan.get_layout() == h5py.h5d.VIRTUAL:
            raise UnsafeFileError(f"{what} is made of arrays of other files.")
        allowed = (h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32)
        for number in range(plan.get_nfilters()):
            if plan.get_filter(number)[0] not in allowed:
                raise UnsafeFileError(f"{what} is stored through a filter that is none of HDF5's own.")
        dtype, shape = dataset.dtype, dataset.shape
        bfloat16 = dtype == np.dtype("V2") and self._note(dataset, b"dtype") == "bfloat16"
        if not bfloat16:
            check_numbers(f"{self.path}: {place!r}", dtype)
        if shape is None:
            raise UnsafeFileError(f"{what} has no shape.")
        stored = Stored(shape, np.dtype("float32") if bfloat16 else dtype, lambda: _read(dataset, bfloat16))
        declared, there = stored.size * dtype.itemsize, dataset.get_storage_size()
        whole = not plan.get_nfilters() and plan.get_layout() != h5py.h5d.CHUNKED
        if declared != there if whole else declared > max(_SMALL, _LARGEST_RATIO * there):
            raise UnsafeFileError(f"{what} claims {declared} bytes, and {there} are there.")
        return stored

    def _note(self, item, name):
        """Return an attribute that is text, or None."""
        if not self.h5py.h5a.exists(item, name):
            return None
        value = self.h5py.Dataset(item).attrs[name.decode()]
        return value if isinstance(value, str) else None


def _mapped(path) -> mmap.mmap:
    """Return the content of a file, of which only what is looked at is read."""
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _read(dataset, bfloat16) -> np.ndarray:
    import h5py

    array = np.empty(dataset.shape, "V2" if bfloat16 else dataset.dtype)
    if array.size:
        dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, array, dataset.get_type() if bfloat16 else None)
    if not bfloat16:
        return array
    # The upper half of a float32.
    return (array.view("uint16").astype("uint32") << 16).view("float32")


def to_bytes(groups) -> bytes:
    """Return an HDF5 file.

    Parameters
    ----------
    groups : iterable of (str, str or None, dict of str to array)
        The path of each, what it is named in its attributes, and the arrays in it.
    """
    h5py = require_h5py("weights")
    # In memory: a full disk then breaks a plain write, and not HDF5 in the middle of its own.
    with h5py.File("weights", "w", driver="core", backing_store=False) as file:
        for path, name, arrays in groups:
            group = file.require_group(path)
            if name is not None:
                group.attrs["name"] = name
            for key, array in arrays.items():
                dataset = group.create_dataset(key, data=array)
                if array.dtype.name == "bfloat16":
                    dataset.attrs["dtype"] = "bfloat16"
        file.flush()
        return file.id.get_file_image()
