"""libcudnn: the table of its functions, where it is looked for, and what is said where something is wrong.

Where functions have to be called, emulated cuDNN, a stand-in, answers.
"""

import ctypes
import importlib.util
import json
import subprocess
import sys
import threading
import types
from pathlib import Path
from unittest import mock

import pytest

from minirnn.backend import cudnn, cudnn_descriptors, cudnn_library
from minirnn.backend.cudnn_library import LAST_ERROR, SIGNATURES, CuDNNError, Functions, LibraryUnavailable
from minirnn.backend.cupy_backend import CupyBackend
from minirnn.backend.numpy_backend import NumpyBackend
from tests.standins import emulated_cudnn, hostcupy

CDLL = ctypes.CDLL  # which a test may have put another in the place of
API = json.loads(Path(__file__).with_name("cudnn_rnn_api.json").read_text())
CTYPES = {
    "int": ctypes.c_int,
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "size_t": ctypes.c_size_t,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
    "unsigned long long": ctypes.c_uint64,
    "const char *": ctypes.c_char_p,
    "void": None,
}


def ctype(of):
    """Return how ctypes passes a type of the header."""
    if of in CTYPES:
        return CTYPES[of]
    return ctypes.c_int if of in API["enums"] else ctypes.c_void_p


@pytest.mark.parametrize("name", [*SIGNATURES, "cudnnGetLastErrorString"])
def test_the_table_has_the_signatures_of_the_public_headers(name):
    signature, header = SIGNATURES.get(name, LAST_ERROR), API["functions"][name]
    assert signature.returns == ctype(header["returns"])
    assert list(signature.parameters) == [ctype(of) for _, of in header["parameters"]]


def test_the_constants_have_the_values_of_the_public_headers():
    values = dict(API["macros"])
    for enum in API["enums"].values():
        values |= enum
    ours = {**vars(cudnn_descriptors), **vars(cudnn)}
    ours = {name: value for name, value in ours.items() if name.startswith("CUDNN_")}
    assert len(ours) == 21
    assert ours == {name: values[name] for name in ours}


def test_a_function_that_is_not_in_the_table_is_not_called():
    functions = Functions(emulated_cudnn.library(), "here")
    with pytest.raises(KeyError, match="cudnnRNNSetClip_v9"):
        functions("cudnnRNNSetClip_v9", None, 0, 0.0, 0.0)


def test_importing_the_binding_loads_no_library():
    program = """
import ctypes, numpy, sys
loaded = []
sys.addaudithook(lambda event, args: event == "ctypes.dlopen" and loaded.append(args))
import minirnn.backend.cudnn, minirnn.backend.cupy_backend, minirnn.backend
assert not loaded, loaded
assert "cupy" not in sys.modules and "cuda" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    "version, text",
    [(92700, "9.27.0"), (90100, "9.1.0"), (91002, "9.10.2"), (8907, "8.9.7"), (8200, "8.2.0")],
)
def test_versions_read_as_cudnn_counts_them(version, text):
    library = cudnn.Library(emulated_cudnn.library(version), "here")
    assert (library.version, library.version_text, library.where) == (version, text, "here")


def test_a_library_that_is_too_old_says_which_it_is_and_which_is_needed():
    with pytest.raises(
        LibraryUnavailable, match=r"/old\.so: cuDNN 7\.6\.5 is too old; 8\.0\.0 or newer .*pip"
    ):
        cudnn.Library(emulated_cudnn.library(7605), "/old.so")


@pytest.mark.parametrize("name", SIGNATURES)
@pytest.mark.parametrize("version, text", [(92700, "9.27.0"), (8907, "8.9.7")])
def test_a_missing_function_is_named_with_the_file_and_its_version(name, version, text):
    text = "of unknown version" if name == "cudnnGetVersion" else text
    with pytest.raises(LibraryUnavailable) as caught:
        cudnn.Library(emulated_cudnn.library(version, without=[name]), "/there.so")
    assert str(caught.value).startswith(f"/there.so: cuDNN {text} has no function {name}. Install cuDNN")


def test_last_words_are_needed_of_cudnn_9_alone():
    with pytest.raises(LibraryUnavailable, match="cudnnGetLastErrorString"):
        cudnn.Library(emulated_cudnn.library(92700, without=["cudnnGetLastErrorString"]), "here")
    cudnn.Library(emulated_cudnn.library(8907, without=["cudnnGetLastErrorString"]), "here")


@pytest.mark.parametrize("version", [92700, 8907])
@pytest.mark.parametrize(
    "status, advice",
    [
        (4003, "smaller batches or shorter sequences"),
        (1001, "nvidia-smi"),
        (2000, "report this"),
        (3000, "use_cudnn=False"),
        (5000, "CUDA_LAUNCH_BLOCKING=1"),
        (4000, "CUDA_LAUNCH_BLOCKING=1"),
    ],
)
def test_an_error_has_the_function_the_status_cudnns_words_and_what_to_do(version, status, advice):
    functions = emulated_cudnn.library(version, fail={"cudnnCreate": (1, status)})
    library = cudnn.Library(functions, "here")
    with pytest.raises(CuDNNError) as caught:
        library.context(hostcupy)
    error, text = caught.value, str(caught.value)
    assert error.function == "cudnnCreate"
    name = functions.cudnnGetErrorString(error.status).decode()
    words = ": cudnnCreate: call 1 of cudnnCreate was made to fail" if version >= 90000 else ""
    assert text.startswith(f"cudnnCreate failed: {name} ({error.status}){words}. ")
    assert advice in text.removeprefix(f"cudnnCreate failed: {name}")


# What each name of cuDNN's 9 would lead to, where the part of it that decides is not the first.
@pytest.mark.parametrize(
    "name, advice",
    [
        ("INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED", "smaller batches"),
        ("BAD_PARAM_SHAPE_MISMATCH", "report this"),
        ("SUBLIBRARY_VERSION_MISMATCH", "rest of its own files"),
        ("NOT_SUPPORTED_ARCH_MISMATCH", "does not fit this GPU"),
        ("NOT_SUPPORTED_SUBLIBRARY_UNAVAILABLE", "Files of this cuDNN are missing"),
        ("NOT_SUPPORTED_RUNTIME_PREREQUISITE_MISSING", "needs is missing"),
        ("NOT_SUPPORTED_INCOMPATIBLE_CUDA_DRIVER", "Update the GPU's driver"),
        ("EXECUTION_FAILED_CUDA_DRIVER", "The GPU or its driver failed"),
    ],
)
def test_the_most_telling_part_of_a_status_decides_what_to_do(name, advice):
    status = API["enums"]["cudnnStatus_t"][f"CUDNN_STATUS_{name}"]
    functions = emulated_cudnn.library(fail={"cudnnCreate": (1, status)})
    with pytest.raises(CuDNNError, match=rf"{name} \({status}\).*{advice}"):
        cudnn.Library(functions, "here").context(hostcupy)


@pytest.fixture
def machine():
    """A machine without cuDNN, on which a test installs what it wants."""
    with Machine() as made:
        yield made


class Machine:
    """What the search finds: files that open, and what cuda-pathfinder answers.

    Attributes
    ----------
    files : dict
        By path or plain name, the functions in that library.
    folders : list
        Of the namespace package ``nvidia``.
    pathfinder : module or None
    """

    def __init__(self):
        self.files, self.folders, self.pathfinder, self.opened = {}, [], None, []

    def __enter__(self):
        self._patches = [
            mock.patch.object(importlib.util, "find_spec", self.find_spec),
            mock.patch.object(ctypes, "CDLL", self.open),
            mock.patch.object(importlib, "import_module", self.load_module),
        ]
        for patch in self._patches:
            patch.start()
        return self

    def __exit__(self, *_):
        for patch in self._patches:
            patch.stop()

    def find_spec(self, name):
        assert name == "nvidia"
        return types.SimpleNamespace(submodule_search_locations=self.folders) if self.folders else None

    def open(self, name):
        self.opened.append(name)
        if name not in self.files:
            raise OSError(f"{name}: cannot open shared object file")
        self.files[name]._name = name
        return self.files[name]

    def load_module(self, name):
        assert name == "cuda.pathfinder"
        if self.pathfinder is None:
            raise ModuleNotFoundError("No module named 'cuda'")
        return types.SimpleNamespace(load_nvidia_dynamic_lib=self.pathfinder)


def wheel(folder, name="libcudnn.so.9"):
    return str(Path(folder, "cudnn", "lib", name))


def test_without_cudnn_each_place_is_told_with_what_the_loader_said(machine):
    machine.folders[:] = ["/one/nvidia", "/two/nvidia"]
    with (
        mock.patch.object(sys, "platform", "linux"),
        pytest.raises(LibraryUnavailable) as caught,
    ):
        cudnn.load()
    first, *tried, last = str(caught.value).splitlines()
    assert first == "No cuDNN that can be used was found. Tried:"
    files = [
        wheel(f"/{n}/nvidia", name) for n in ("one", "two") for name in ("libcudnn.so.9", "libcudnn.so.8")
    ]
    files += ["libcudnn.so.9", "libcudnn.so.8"]
    assert tried == [
        "- cuda-pathfinder: No module named 'cuda'",
        *(f"- {name}: cannot open shared object file" for name in files),
    ]
    assert 'pip install "minirnn[cuda12]"' in last and "[cuda13]" in last


def test_without_the_wheels_it_is_said_that_they_are_not_installed(machine):
    with pytest.raises(
        LibraryUnavailable, match="nvidia-cudnn-cu12 and nvidia-cudnn-cu13: neither is installed"
    ):
        cudnn.load()


def test_on_windows_the_names_are_those_of_dlls(machine):
    machine.folders[:] = ["/one/nvidia"]
    machine.files["cudnn64_9.dll"] = emulated_cudnn.library()
    with mock.patch.object(sys, "platform", "win32"):
        assert cudnn.load().where == "cudnn64_9.dll"
    assert machine.opened[:-1] == [str(Path("/one/nvidia/cudnn/bin", f"cudnn64_{n}.dll")) for n in (9, 8)]


def test_the_order_is_pathfinder_then_wheels_then_the_loaders_path(machine):
    machine.folders[:] = ["/one/nvidia"]
    for name in ("/found", wheel("/one/nvidia"), wheel("/one/nvidia", "libcudnn.so.8"), "libcudnn.so.9"):
        machine.files[name] = emulated_cudnn.library()
    machine.pathfinder = lambda name: types.SimpleNamespace(abs_path={"cudnn": "/found"}[name])
    for name in list(machine.files):
        assert cudnn.load().where == name
        del machine.files[name]


@pytest.mark.parametrize(
    "answer, words",
    [
        (RuntimeError("Failure finding libcudnn"), "Failure finding libcudnn"),
        (ChildProcessError("the probe\ntimed out"), "the probe timed out"),
        (types.SimpleNamespace(abs_path=None), "does not tell where"),
    ],
)
def test_a_pathfinder_that_finds_nothing_is_told_and_the_search_goes_on(machine, answer, words):
    machine.pathfinder = mock.Mock(side_effect=[answer] * 2)
    with pytest.raises(LibraryUnavailable, match=f"- cuda-pathfinder: .*{words}"):
        cudnn.load()
    machine.files["libcudnn.so.8"] = emulated_cudnn.library(8907)
    assert cudnn.load().version == 8907


def test_a_library_that_cannot_be_used_is_passed_over_for_one_that_can(machine):
    machine.folders[:] = ["/one/nvidia"]
    machine.files[wheel("/one/nvidia")] = emulated_cudnn.library(without=["cudnnRNNForward"])
    machine.files["libcudnn.so.9"] = emulated_cudnn.library(7605)
    with pytest.raises(LibraryUnavailable) as caught:
        cudnn.load()
    text = str(caught.value)
    assert f"- {wheel('/one/nvidia')}: cuDNN 9.27.0 has no function cudnnRNNForward.\n" in text
    assert "- libcudnn.so.9: cuDNN 7.6.5 is too old; 8.0.0 or newer is needed.\n" in text
    assert text.count(cudnn_library.INSTALL) == 1
    machine.files["libcudnn.so.8"] = emulated_cudnn.library(8907)
    assert cudnn.load().where == "libcudnn.so.8"


def test_a_file_that_is_no_library_is_told_in_the_loaders_own_words(machine, tmp_path):
    folder = tmp_path / "nvidia" / "cudnn" / "lib"
    folder.mkdir(parents=True)
    (folder / "libcudnn.so.9").write_text("no library")
    machine.folders[:] = [str(tmp_path / "nvidia")]
    with (
        mock.patch.object(
            ctypes, "CDLL", lambda name: CDLL(name) if "nvidia" in name else machine.open(name)
        ),
        pytest.raises(LibraryUnavailable) as caught,
    ):
        cudnn.load()
    (said,) = [line for line in str(caught.value).splitlines() if str(folder / "libcudnn.so.9") in line]
    assert said.startswith("- ") and "cannot open shared object file" not in said


def test_what_is_no_fault_of_a_library_is_not_taken_for_one(machine):
    machine.pathfinder = mock.Mock(side_effect=ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        cudnn.load()


def test_a_backend_looks_for_cudnn_once_when_it_is_asked_whatever_thread_asks():
    ready, calls = threading.Barrier(8), []

    def load():
        calls.append(None)
        return cudnn.Library(emulated_cudnn.library(), "here")

    gpu, found = CupyBackend(hostcupy, None, load), []
    assert not calls

    def ask():
        ready.wait()
        found.append((gpu.cudnn, gpu.why_no_cudnn))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert found == [(gpu.cudnn, None)] * 8 and gpu.cudnn is not None


def test_a_backend_remembers_why_there_is_no_cudnn():
    load = mock.Mock(side_effect=LibraryUnavailable("looked there; install it"))
    gpu = CupyBackend(hostcupy, None, load)
    assert (gpu.cudnn, gpu.why_no_cudnn, gpu.cudnn) == (None, "looked there; install it", None)
    load.assert_called_once_with()


def test_a_backend_does_not_hide_what_else_fails_while_it_looks():
    gpu = CupyBackend(hostcupy, None, mock.Mock(side_effect=ZeroDivisionError))
    with pytest.raises(ZeroDivisionError):
        _ = gpu.cudnn


def test_numpy_has_no_cudnn_and_says_why():
    assert NumpyBackend().cudnn is None
    assert "GPU" in (NumpyBackend().why_no_cudnn or "")
