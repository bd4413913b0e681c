"""What is raised where a file is refused."""

from collections.abc import Iterator
from contextlib import contextmanager


class UnsafeFileError(ValueError):
    """A file is refused: it is damaged, or asks for more than reading a model takes.

    Its text is one line that says which file, and what in it was refused.
    """


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
