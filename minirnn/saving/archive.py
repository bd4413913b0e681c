"""Zip archives: read without being extracted, and written without being compressed, as Keras does."""

import io
import zipfile

from minirnn.saving.errors import UnsafeFileError, refusing

# Keras stores members as they are; somebody else's tool may compress them, but not like this.
_LARGEST_RATIO = 100
_SMALL = 1 << 20
_MOST_MEMBERS = 10_000


class Archive:
    """A zip archive, to be read.

    Names of members are looked up and never used as paths. A member is read whole, into memory, once its size
    has been checked; the archive's checksums then tell whether it is as it was written.

    Parameters
    ----------
    path : str
        Of the file, or what errors call it.
    content : bytes, optional
        The archive itself, where it is not in a file.

    Raises
    ------
    UnsafeFileError
        If it is no zip archive, or a damaged one, or has very many members or two of one name.
    """

    def __init__(self, path, content=None):
        self.path = path
        with refusing(path, "the zip archive"):
            self._zip = zipfile.ZipFile(path if content is None else io.BytesIO(content))
        try:
            members = self._zip.infolist()
            self.members = {member.filename: member for member in members}
            if len(members) > _MOST_MEMBERS:
                raise UnsafeFileError(f"{path}: refused, since it has {len(members)} members.")
            if len(self.members) < len(members):
                raise UnsafeFileError(f"{path}: refused, since two of its members have one name.")
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._zip.close()

    def __contains__(self, name):
        return name in self.members

    def check(self, name, largest=None) -> int:
        """Return the size of a member, if it is one that is safe to read.

        Parameters
        ----------
        name : str
        largest : int, optional
            In bytes.

        Raises
        ------
        UnsafeFileError
            If there is none, or it is encrypted, too large, or would grow more than a hundredfold.
        """
        if name not in self.members:
            raise UnsafeFileError(f"{self.path}: refused, since it has no member {name!r}.")
        member = self.members[name]
        what = f"{self.path}: refused, since its member {name!r}"
        if member.flag_bits & 1:
            raise UnsafeFileError(f"{what} is encrypted.")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UnsafeFileError(f"{what} is compressed by method {member.compress_type}.")
        if member.file_size > max(_SMALL, _LARGEST_RATIO * member.compress_size):
            raise UnsafeFileError(
                f"{what} would grow from {member.compress_size} bytes to {member.file_size}."
            )
        if largest is not None and member.file_size > largest:
            raise UnsafeFileError(
                f"{what} has {member.file_size} bytes, more than the {largest} allowed for it."
            )
        return member.file_size

    def open(self, name):
        """Return a member as a binary file."""
        return self._zip.open(self.members[name])

    def read(self, name, largest=None) -> bytes:
        """Return the content of a member that `check` lets pass.

        Raises
        ------
        UnsafeFileError
            If it does not, or if the content is damaged.
        """
        size = self.check(name, largest)
        with refusing(self.path, f"its member {name!r}"), self.open(name) as file:
            content = file.read(size)
            # What was promised has been read; one more read looks at the checksum.
            if len(content) != size or file.read(1):
                raise UnsafeFileError(f"{self.path}: refused, since its member {name!r} is not whole.")
            return content


def write_archive(file, members) -> None:
    """Write an archive.

    Parameters
    ----------
    file : binary file
    members : dict of str to bytes
        In this order.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
