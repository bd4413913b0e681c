"""Files that are there as a whole or not at all."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def write_atomically(path) -> Iterator[str]:
    """Give a name to write to; what was written there has the name `path` once the block is left.

    The temporary file lies in the folder of `path`. It is flushed to disk before it is renamed, and the
    folder after that, so that whatever happens at any moment (a kill, a full disk, a power cut) `path` holds
    all of the old file or all of the new one. If the block raises anything, the temporary file is removed and
    the old file is as it was.

    Parameters
    ----------
    path : str or path-like

    Yields
    ------
    str
        The name to write to; nothing is there yet.

    Raises
    ------
    OSError
        If the file cannot be written; it names `path`.

    Examples
    --------
    >>> with write_atomically("notes.txt") as name, open(name, "w") as file:  # doctest: +SKIP
    ...     file.write("all of it")
    """
    # A link stays one, and what it points to is replaced.
    asked = os.fspath(path)
    path = os.path.realpath(asked)
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        _flush(temporary, os.O_RDWR)
        os.replace(temporary, path)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename == temporary:
            error.filename = asked
            del error.filename2  # of a rename: the name that is asked for again
        with contextlib.suppress(OSError):
            os.remove(temporary)
        raise
    with contextlib.suppress(OSError):  # some systems cannot open or flush a folder
        _flush(folder, os.O_RDONLY)


def _flush(path, flags):
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
