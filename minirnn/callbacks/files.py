"""The files that callbacks write: whether they can be written is found out before training starts."""

import os


def write_atomically(path):
    """See `minirnn.saving.files.write_atomically`, which is imported when a file is written."""
    from minirnn.saving.files import write_atomically

    return write_atomically(path)


def check_files(callbacks) -> None:
    """Raise unless each callback can write its files, and no two write the same.

    A callback names them, or the folder that it keeps for itself, in ``output_files``.

    Raises
    ------
    ValueError
        If two callbacks write the same file.
    OSError
        If a folder is missing and cannot be made, or cannot be written to, or a file is a folder.
    """
    owners: dict = {}
    for callback in callbacks:
        for path in getattr(callback, "output_files", ()):
            where = type(callback).__name__
            place = os.path.realpath(path)
            if place in owners:
                raise ValueError(
                    f"{where}: {path!r} is written by another callback, {owners[place]}, too; give each a "
                    "file of its own."
                )
            owners[place] = where
            _check_writable(path, where, is_folder=getattr(callback, "writes_folder", False))


def _check_writable(path, where, is_folder):
    import tempfile  # takes longer than all else here, and most runs write no file

    folder = path if is_folder else os.path.dirname(path) or "."
    if not is_folder and os.path.isdir(path):
        raise IsADirectoryError(f"{where}: {path!r} is a folder; give the name of a file.")
    # A folder whose name depends on the epoch cannot be known yet: the one that it will be in is looked at.
    known = folder.split("{")[0] if "{" in folder else folder
    known = known if known == folder else os.path.dirname(known) or "."
    try:
        os.makedirs(known, exist_ok=True)
        # What the permissions say and what the system allows may differ.
        with tempfile.TemporaryFile(dir=known):
            pass
    except OSError as error:
        raise type(error)(
            error.errno,
            f"{where}: the folder {known!r} cannot be written to ({error.strerror}); choose another for "
            f"{path!r}",
        ) from error
