"""Which arrays the tests run on: ``pytest --arrays numpy|hostcupy|cupy``, and what ran on which kernel.

With ``numpy``, the default, on NumPy. With ``hostcupy`` on hostcupy and emulated cuDNN, the stand-ins for
CuPy and cuDNN, on any machine. With ``cupy``, which ``-m gpu`` implies, on the real ones; where CuPy or a GPU
is missing each test is skipped with the reason. The last line before pytest's own counts the calls of
recurrent layers by kernel, and names the arrays: a stand-in is called one.
"""

import os
import re
import sys
from collections import Counter
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from unittest import mock

import hypothesis
import pytest

from minirnn import backend, kernels, tree
from minirnn.autograd import Tensor, convert
from minirnn.backend.cupy_backend import CupyBackend, Unavailable
from tests.standins import hostcupy, hostcupy_for_cupy

HERE = Path(__file__).parent
# What `-m gpu` runs, with the tests that are marked themselves: the laws, and the agreement of the tiers.
GPU_FOLDERS = ("gpu", "kernels", "laws")
# What makes no array, or makes them in a process of its own, which no stand-in reaches.
WITHOUT_ARRAYS = (
    *("benchmarks", "datasets", "docs", "examples"),
    *("test_house.py", "test_main.py", "test_package.py"),
)

calls: Counter[tuple[str, str]] = Counter()  # of recurrent layers, by arrays and tier
missing: list[str] = []  # why there are no arrays of a GPU, where they are asked for


def chosen(config: pytest.Config) -> str:
    """Return the arrays that a run is on."""
    asked = config.getoption("arrays")
    if asked is None:
        asked = "cupy" if re.search(r"(?<!not )\bgpu\b", config.option.markexpr) else "numpy"
    return asked


def leaf(values) -> Tensor:
    """Return values as a Tensor of the arrays that the tests run on, of which gradients are wanted."""
    return Tensor(convert(values).data, requires_grad=True)


@contextmanager
def on_gpu():
    """Make new arrays on a GPU: that of the run, or where the run is on NumPy the stand-ins of one."""
    with nullcontext() if backend.current().name == "cupy" else hostcupy_for_cupy():
        yield


class _NumpysDraws:
    """NumPy's draws as arrays of the current device."""

    def __init__(self, generator):
        self._generator = generator

    def __getattr__(self, name):
        def draw(*args, **options):
            args, options = tree.map_structure(self._on_host, (args, options))
            return backend.asarray(getattr(self._generator, name)(*args, **options))

        return draw

    @staticmethod
    def _on_host(value):
        return backend.to_numpy(value) if backend.is_array(value) else value


@contextmanager
def drawing_as_numpy():
    """Let a GPU draw NumPy's random numbers, so that what depends on them can be compared with NumPy.

    hostcupy does so by itself.
    """
    numpys = lambda self, seed: _NumpysDraws(backend._BACKENDS["numpy"].generator(seed))
    with mock.patch.object(CupyBackend, "generator", numpys):
        yield


def fastest() -> str:
    """Return the tier of a layer that every kernel serves."""
    return "cudnn" if backend.current().cudnn is not None else "fused"


def kind(of: backend.NumpyBackend) -> str:
    """Return which of the choices a backend's arrays are."""
    xp = of.xp
    return "hostcupy" if xp is hostcupy else "cupy" if isinstance(of, CupyBackend) else "numpy"


def describe(arrays: str) -> str:
    """Return the name of arrays and of the cuDNN beside them, with their versions."""
    if arrays == "hostcupy":
        alone = calls.total() and not calls[arrays, "cudnn"]
        return "hostcupy (a stand-in)" if alone else "hostcupy and emulated cuDNN (stand-ins)"
    if arrays == "numpy":
        return "NumPy"
    gpu = backend.current()
    properties = gpu.xp.cuda.runtime.getDeviceProperties(gpu.xp.cuda.Device().id)
    library = f"cuDNN {gpu.cudnn.version_text}" if gpu.cudnn else f"no cuDNN: {gpu.why_no_cudnn}"
    return f"CuPy {gpu.xp.__version__} on {properties['name'].decode()}, {library}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--arrays",
        choices=("numpy", "hostcupy", "cupy"),
        help="the arrays that tests run on; default: numpy, with -m gpu cupy; hostcupy is a stand-in of CuPy",
    )


def pytest_configure(config: pytest.Config) -> None:
    arrays = chosen(config)
    missing.clear()
    # No stand-in reaches a process that a test starts.
    os.environ["MINIRNN_BACKEND"] = "cupy" if arrays == "cupy" else "numpy"
    stack = ExitStack()
    config.add_cleanup(stack.close)
    if arrays == "hostcupy":
        stack.enter_context(hostcupy_for_cupy())
        return
    if arrays == "cupy":
        if "HYPOTHESIS_PROFILE" not in os.environ:
            hypothesis.settings.load_profile("gpu")
        try:
            backend.set_backend("cupy")
        except Unavailable as error:
            missing.append(str(error))
            config.option.reportchars = "fE"  # one line says for all why they are skipped
            arrays = "numpy"  # so that the tests can be collected
    backend.set_backend(arrays)


def pytest_report_header(config: pytest.Config) -> list[str]:
    if missing:
        return [f"arrays: none: {missing[0]}"]
    lines = [f"arrays: {describe(chosen(config))}"]
    if chosen(config) != "numpy":
        lines.append(f"without arrays of their own, and left out: {', '.join(WITHOUT_ARRAYS)}")
    return lines


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if chosen(config) != "numpy" and collection_path.parent == HERE:
        return collection_path.name in WITHOUT_ARRAYS or None
    return None


@pytest.hookimpl(tryfirst=True)  # before -m looks at the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    arrays = chosen(config)
    for item in items:
        folder = item.path.relative_to(HERE).parts[0] if item.path.is_relative_to(HERE) else ""
        host_only = item.get_closest_marker("host_only")
        if folder in GPU_FOLDERS and not host_only and not item.get_closest_marker("stand_ins"):
            item.add_marker("gpu")
        if host_only and arrays != "numpy":
            item.add_marker(pytest.mark.skip(reason=f"on NumPy alone: {host_only.args[0]}"))
        elif missing:
            item.add_marker(pytest.mark.skip(reason=missing[0]))
        elif folder == "gpu" and arrays == "numpy":
            item.add_marker(pytest.mark.skip(reason="needs a GPU, and `pytest -m gpu`"))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Count the calls of recurrent layers: a fast kernel where it is selected, the loop where it runs."""
    from minirnn.layers.rnn import rnn

    stack = ExitStack()
    session.config.add_cleanup(stack.close)
    select, rnn_loop = kernels.select, rnn.rnn_loop
    calls.clear()

    def counted_select(*args, **options):
        choice = select(*args, **options)
        caller = sys._getframe(1)
        # A test that selects, and a report, run nothing.
        runs = (
            caller.f_globals["__name__"].startswith("minirnn.") and caller.f_code.co_name != "kernel_report"
        )
        if runs and choice.tier != "generic":
            calls[kind(backend.current()), choice.tier] += 1
        return choice

    def counted_loop(*args, **options):
        calls[kind(backend.current()), "generic"] += 1
        return rnn_loop(*args, **options)

    stack.enter_context(mock.patch.object(kernels, "select", counted_select))
    stack.enter_context(mock.patch.object(rnn, "rnn_loop", counted_loop))


@pytest.hookimpl(wrapper=True, tryfirst=True)  # so that it is said after all other summaries
def pytest_terminal_summary(terminalreporter, config: pytest.Config):
    result = yield
    write = terminalreporter.write_line
    if missing:
        write(f"gpu: nothing ran: {missing[0]}")
    for arrays in sorted({arrays for arrays, _ in calls}, key=chosen(config).__eq__):  # the run's own last
        counts = [calls[arrays, tier] for tier in kernels.TIERS]
        counted = "{} on cudnn, {} fused, {} generic".format(*counts)
        write(f"recurrent calls: {counted}; arrays: {describe(arrays)}")
    return result
