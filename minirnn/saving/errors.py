"""What is raised where a file is refused."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager


class UnsafeFileError(ValueError):
    """A file is refused: it is damaged, or asks for more than reading a model takes.

    Its text is one line that says which file, and what in it was refused.
    """


class MissingFileError(FileNotFoundError, ValueError):
    """There is no file of that name: what Python raises, and what Keras does."""


def check_readable(path) -> None:
    """Raise an OSError, and no refusal, if a file may not be read; `MissingFileError` if there is none."""
    try:
        with open(path, "rb"):
            pass
    except FileNotFoundError:
        raise MissingFileError(errno.ENOENT, "File not found", path) from None


@contextmanager
def refusing(path, what) -> Iterator[None]:
    """Turn whatever is raised inside into an `UnsafeFileError` that says what could not be read.

    A library that reads what is damaged, or was made to break it, may raise anything.
    """
    try:
        yield
    except UnsafeFileError:
        raise
    except RecursionError as error:
        raise UnsafeFileError(f"{path}: refused, since {what} nests too deeply.") from error
    except MemoryError as error:
        raise UnsafeFileError(f"{path}: refused, since {what} needs more memory than there is.") from error
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise UnsafeFileError(f"{path}: refused, since {what} cannot be read: {text}") from error
