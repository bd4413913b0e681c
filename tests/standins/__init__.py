"""Stand-ins for what a machine may lack. Whatever ran on one is reported under the stand-in's name."""

from contextlib import contextmanager
from unittest import mock

from minirnn import backend
from minirnn.backend import cudnn as binding
from minirnn.backend.cupy_backend import CupyBackend
from tests.standins import emulated_cudnn, hostcupy


@contextmanager
def hostcupy_for_cupy(name="cupy", cudnn=True):
    """Let hostcupy stand in for CuPy in a ``with`` block, and make new arrays on the backend of that name.

    Parameters
    ----------
    name : str, optional
        As for `minirnn.backend.set_backend`.
    cudnn : bool or emulated_cudnn.EmulatedLibrary, optional
        Whether emulated cuDNN is there too, or which.
    """

    def load():
        if cudnn is False:
            raise binding.LibraryUnavailable("hostcupy is alone here, without emulated cuDNN.")
        functions = emulated_cudnn.library() if cudnn is True else cudnn
        return binding.Library(functions, "emulated cuDNN, a stand-in")

    stand_in = CupyBackend(hostcupy, hostcupy.special, load)
    with (
        mock.patch.dict(backend._BACKENDS, {"cupy": stand_in}),
        mock.patch.object(backend, "_chosen", []),
    ):
        backend.set_backend(name)
        yield stand_in
