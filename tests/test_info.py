"""``python -m minirnn info``: it says what there is, and fails at nothing that is missing."""

import json
import platform
import sys
import types
import warnings

import numpy as np
import pytest

from minirnn import __version__, backend, info, layers
from minirnn.__main__ import main
from minirnn.backend import cudnn
from tests.backend.test_switch import BROKEN
from tests.standins import hostcupy, hostcupy_for_cupy


@pytest.fixture
def machine(monkeypatch):
    """Return a function that puts a module, or None for none, in CuPy's place; nothing is chosen yet."""

    def make(cupy=None, asked=None):
        monkeypatch.setitem(sys.modules, "cupy", cupy)
        monkeypatch.setattr(backend, "_BACKENDS", {"numpy": backend._BACKENDS["numpy"]})
        monkeypatch.setattr(backend, "_chosen", [])
        monkeypatch.delenv("MINIRNN_BACKEND", raising=False)
        if asked:
            monkeypatch.setenv("MINIRNN_BACKEND", asked)

    return make


def printed(capsys, *arguments) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert main(["info", *arguments]) == 0
    out = capsys.readouterr()
    assert not out.err
    return out.out


def lines_of(text) -> dict[str, str]:
    """Return the text of each label."""
    rows = [line.strip().split("  ", 1) for line in text.splitlines() if line.startswith("  ")]
    return {row[0].strip(): row[1].strip() for row in rows if len(row) == 2}


def test_versions_devices_libraries_and_the_kernel_of_an_lstm_are_told(machine, capsys):
    machine()
    text = printed(capsys)
    lines = lines_of(text)
    assert lines["minirnn"] == __version__ and lines["NumPy"] == np.__version__
    assert lines["Python"].startswith(platform.python_version())
    assert lines["chosen"] == "numpy" and lines["MINIRNN_BACKEND"] == "not set"
    assert "CuPy is not installed. Install it with `pip install" in lines["why"]
    assert "GiB" in lines["CPU:0"] and "core(s)" in lines["CPU:0"]
    assert "thread(s)" in text and "rich " in lines["needed too"]
    assert lines["LSTM(64)"] == "runs on the fused kernel"
    for reason in layers.LSTM(64).kernel_report().reasons["cudnn"]:
        assert reason in text


def test_as_json_it_is_the_same_in_a_form_that_programs_read(machine, capsys):
    machine()
    found = json.loads(printed(capsys, "--json"))
    assert found == json.loads(json.dumps(info.collect()))
    assert found["versions"]["numpy"] == np.__version__
    assert found["backend"]["name"] == "numpy" and "not installed" in found["backend"]["why_no_cupy"]
    assert [d["device"] for d in found["devices"]] == ["CPU:0"]
    assert found["devices"][0]["memory_bytes"] > 2**20
    assert found["kernel"]["tier"] == "fused" and found["kernel"]["reasons"]["cudnn"]
    assert all(pool["num_threads"] >= 1 for pool in found["blas"])


def test_on_a_terminal_it_is_a_table(machine, capsys, monkeypatch):
    machine()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    text = printed(capsys)
    for title in info.sections(info.collect()):
        assert title in text
    assert "┌" in text and "LSTM(64)" in text and "not on cudnn" in text


def test_the_backend_that_the_environment_asks_for_is_told_with_why_it_is_not_cupy(machine, capsys):
    machine(asked="numpy")
    lines = lines_of(printed(capsys))
    assert lines["why"] == "MINIRNN_BACKEND=numpy asks for it." and lines["MINIRNN_BACKEND"] == "numpy"
    assert "CuPy is not installed" in lines["why not CuPy"]


@pytest.mark.parametrize("asked, words", [("cupy", "CuPy is not installed"), ("tpu", "must be one of auto")])
def test_a_backend_that_cannot_be_had_is_told_and_the_rest_too(machine, capsys, asked, words):
    machine(asked=asked)
    lines = lines_of(printed(capsys))
    assert lines["chosen"] == "none"
    assert lines["why"].startswith(f"MINIRNN_BACKEND={asked} stops every program") and words in lines["why"]
    assert lines["LSTM(64)"] == "runs on the fused kernel"


@pytest.mark.parametrize("module, words", BROKEN.values(), ids=BROKEN.keys())
def test_a_cupy_that_does_not_work_is_told_without_a_warning(machine, capsys, module, words):
    machine(module)
    lines = lines_of(printed(capsys))
    assert lines["chosen"] == "numpy" and words in lines["why"]


def test_each_place_where_cudnn_was_looked_for_is_told(machine, capsys, monkeypatch):
    def nowhere():
        raise cudnn.LibraryUnavailable("No cuDNN was found. Tried:\n- here: no such file\n- there: too old")

    monkeypatch.setattr(cudnn, "load", nowhere)
    machine()
    text = printed(capsys)
    assert "- here: no such file" in text and "- there: too old" in text
    assert json.loads(printed(capsys, "--json"))["cudnn"]["found"] is False


def test_a_cudnn_without_a_gpu_is_told_and_that_it_is_not_used(machine, capsys, monkeypatch):
    library = types.SimpleNamespace(version_text="9.27.0", where="/opt/libcudnn.so.9")
    monkeypatch.setattr(cudnn, "load", lambda: library)
    machine()
    lines = lines_of(printed(capsys))
    assert (lines["libcudnn"], lines["version"]) == ("/opt/libcudnn.so.9", "9.27.0")
    assert "not used: there is no GPU" in lines["use"]


def test_with_a_gpu_its_name_memory_and_cuda_are_told(capsys, monkeypatch):
    runtime = types.SimpleNamespace(
        getDeviceCount=lambda: 1,
        driverGetVersion=lambda: 13000,
        runtimeGetVersion=lambda: 12090,
        getDeviceProperties=lambda number: {"name": b"NVIDIA X100", "major": 9, "minor": 0},
    )
    monkeypatch.setattr(hostcupy.cuda, "runtime", runtime)
    monkeypatch.setattr(hostcupy.Device, "mem_info", (2**30, 3 * 2**30), raising=False)
    with hostcupy_for_cupy(cudnn=True):
        lines = lines_of(printed(capsys))
    assert lines["GPU:0"] == ("NVIDIA X100, compute capability 9.0, memory 3.0 GiB, of it free 1.0 GiB")
    assert (lines["CUDA runtime"], lines["CUDA driver"]) == ("12.9", "13.0")
    assert lines["libcudnn"] == "emulated cuDNN, a stand-in"
    assert lines["LSTM(64)"] == "runs on the cudnn kernel"


def test_a_stand_in_is_called_one(capsys):
    with hostcupy_for_cupy(cudnn=False):
        lines = lines_of(printed(capsys))
    assert lines["chosen"] == "cupy (tests.standins.hostcupy, a stand-in)"
    assert lines["why"] == "A stand-in is in the place of CuPy."
    assert "hostcupy is alone here" in lines["libcudnn"]


@pytest.mark.parametrize("error", [AttributeError, ImportError, KeyError, OSError, RuntimeError, ValueError])
def test_what_a_library_does_not_tell_is_told_as_not_known_with_its_words(error):
    def fail():
        raise error("no such thing")

    assert info._ask(fail).startswith(f"not known ({error.__name__}") and "no such thing" in info._ask(fail)
    assert info._ask(lambda: 3) == 3
