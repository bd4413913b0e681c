"""Stand-ins for what a machine may lack. Whatever ran on one is reported under the stand-in's name."""

from contextlib import contextmanager
from unittest import mock

from minirnn import backend
from minirnn.backend.cupy_backend import CupyBackend
from tests.standins import hostcupy


@contextmanager
def hostcupy_for_cupy(name="cupy"):
    """Let hostcupy stand in for CuPy in a ``with`` block, and make new arrays on the backend of that name."""
    stand_in = CupyBackend(hostcupy, hostcupy.special)
    with (
        mock.patch.dict(backend._BACKENDS, {"cupy": stand_in}),
        mock.patch.object(backend, "_chosen", []),
    ):
        backend.set_backend(name)
        yield stand_in
