"""What only the real thing can show. `pytest -m gpu` runs it; on the stand-ins what they can do runs too."""

import pytest

from minirnn import backend
from tests.standins import hostcupy


@pytest.fixture
def cupy():
    """CuPy itself, or a skip where hostcupy stands in for it."""
    if backend.current().xp is hostcupy:
        pytest.skip("needs CuPy itself; hostcupy has no memory pool, streams or draws of its own")
    return backend.current().xp


@pytest.fixture
def torch():
    """PyTorch with the GPU that the tests run on; beside the stand-ins PyTorch on the CPU."""
    module = pytest.importorskip("torch", reason="PyTorch is not installed")
    if backend.current().xp is not hostcupy and not module.cuda.is_available():
        pytest.skip("needs a PyTorch that finds the GPU")
    return module


@pytest.fixture
def device(torch):
    return "cpu" if backend.current().xp is hostcupy else "cuda:0"
