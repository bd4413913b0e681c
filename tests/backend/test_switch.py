"""The switch between NumPy and CuPy: what is looked for, when, and what is said where it does not work."""

import os
import subprocess
import sys
import types
import warnings

import numpy as np
import pytest

import minirnn
from minirnn import backend, ops
from minirnn.autograd import Tensor, Variable
from tests.standins import hostcupy, hostcupy_for_cupy


class _CudaError(RuntimeError):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


def _raise(error):
    def function(*_):
        raise error

    return function


def cupy_like(count=lambda: 1, driver=13000, ones=hostcupy.ones):
    """Return a module that answers to what is asked of CuPy before it is used."""
    runtime = types.SimpleNamespace(getDeviceCount=count, driverGetVersion=lambda: driver)
    cuda = types.SimpleNamespace(runtime=runtime)
    return types.SimpleNamespace(cuda=cuda, ones=ones, ndarray=hostcupy.ndarray)


NO_GPU = {
    "no driver": cupy_like(_raise(_CudaError(35, "driver is insufficient")), driver=0),
    "no device": cupy_like(_raise(_CudaError(100, "no CUDA-capable device"))),
    "none counted": cupy_like(lambda: 0),
    "not installed": None,
}
OLD = cupy_like(_raise(_CudaError(35, "driver is insufficient")), driver=10000)
BROKEN = {
    "an old driver": (OLD, "insufficient"),
    "nothing compiles": (cupy_like(ones=_raise(OSError("libnvrtc.so.12 is missing"))), "libnvrtc"),
}


@pytest.fixture
def installed(monkeypatch):
    """Return a function that puts a module, or None for none, in CuPy's place, with nothing chosen yet."""

    def install(module):
        monkeypatch.setitem(sys.modules, "cupy", module)
        monkeypatch.setattr(backend, "_BACKENDS", {"numpy": backend._BACKENDS["numpy"]})
        monkeypatch.setattr(backend, "_chosen", [])
        monkeypatch.setattr(backend, "_warned", set())
        monkeypatch.delenv("MINIRNN_BACKEND", raising=False)

    return install


@pytest.mark.parametrize("module", NO_GPU.values(), ids=NO_GPU.keys())
def test_without_cupy_or_a_gpu_numpy_computes_and_nothing_is_said(installed, module):
    installed(module)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(ops.ones(2).data, np.ndarray)


@pytest.mark.parametrize("module", NO_GPU.values(), ids=NO_GPU.keys())
def test_cupy_asked_for_by_name_is_an_error_without_it_or_a_gpu(installed, module):
    installed(module)
    with pytest.raises(RuntimeError, match=r"minirnn\[cuda12\]" if module is None else "no NVIDIA GPU"):
        backend.set_backend("cupy")
    assert backend.current().name == "numpy"


@pytest.mark.parametrize("module, reason", BROKEN.values(), ids=BROKEN.keys())
def test_a_cupy_that_does_not_work_is_warned_of_once_and_is_an_error_by_name(installed, module, reason):
    installed(module)
    with pytest.warns(RuntimeWarning, match=f"computes with NumPy. .*{reason}") as warned:
        [backend.set_backend("auto") for _ in range(2)]
    assert len(warned) == 1 and backend.current().name == "numpy"
    with pytest.raises(RuntimeError, match=reason):
        backend.set_backend("cupy")


def test_a_cupy_that_cannot_be_imported_is_broken(installed, tmp_path, monkeypatch):
    (tmp_path / "cupy.py").write_text("raise ImportError('libcudart.so.12: cannot open')")
    monkeypatch.syspath_prepend(tmp_path)
    installed(None)
    monkeypatch.delitem(sys.modules, "cupy")
    with pytest.warns(RuntimeWarning, match="cannot be imported: ImportError: libcudart.*minirnn.cuda12"):
        assert isinstance(ops.ones(2).data, np.ndarray)


def test_cupy_with_a_gpu_that_works_is_taken_unasked(installed):
    """hostcupy stands in for CuPy."""
    installed(hostcupy)
    assert isinstance(ops.ones(2).data, hostcupy.ndarray)
    assert backend.current().name == "cupy"


@pytest.mark.parametrize("name", ["numpy", "cupy", "auto"])
def test_the_environment_chooses(installed, monkeypatch, name):
    installed(hostcupy)
    monkeypatch.setenv("MINIRNN_BACKEND", name)
    assert isinstance(ops.ones(2).data, np.ndarray if name == "numpy" else hostcupy.ndarray)


def test_cupy_is_looked_for_when_the_first_array_is_made_and_not_before(tmp_path):
    (tmp_path / "cupy.py").write_text("print('imported'); raise ImportError('broken')")
    code = (
        f"import sys, warnings; sys.path.insert(0, {str(tmp_path)!r}); warnings.simplefilter('ignore')\n"
        "import minirnn\nfrom minirnn import layers, models, losses, optimizers, backend\n"
        "layer = layers.LSTM(3)\nwith minirnn.device('cpu'): minirnn.ops.ones(2)\nprint('before')\n"
        "minirnn.ops.ones(2)"
    )
    environment = {**os.environ, "MINIRNN_BACKEND": "auto"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["before", "imported"]


@pytest.mark.parametrize("name", ["gpu", "GPU:0", "/GPU:0", "gpu:1", "/device:GPU:1"])
def test_a_gpu_has_all_its_names_and_arrays_are_made_on_it(name):
    number = int(name.endswith("1"))
    with hostcupy_for_cupy("numpy"), minirnn.device(name):
        assert ops.ones(2).data.device.id == number
        assert ops.convert_to_tensor(np.ones(2)).data.device.id == number


def test_a_device_is_chosen_against_the_backend_and_only_inside_its_block():
    with hostcupy_for_cupy():
        with minirnn.device("cpu"):
            assert isinstance(ops.ones(2).data, np.ndarray)
            with minirnn.device("gpu:1"):
                assert ops.ones(2).data.device.id == 1
            assert isinstance(ops.add(np.ones(2), np.ones(2)).data, np.ndarray)
        assert ops.ones(2).data.device.id == 0


def test_a_gpu_that_is_not_here_is_an_error_that_names_those_that_are():
    error = pytest.raises(RuntimeError, match=r"CPU:0, GPU:0, GPU:1\.$")
    with hostcupy_for_cupy(), error, minirnn.device("gpu:7"):
        pass


def tensors_of_each_device():
    with minirnn.device("cpu"):
        host = Tensor(np.ones((2, 2), "float32"))
    with minirnn.device("gpu:1"):
        second = ops.ones((2, 2))
    return {"CPU:0": host, "GPU:0": ops.ones((2, 2)), "GPU:1": second}


MIXES = {
    "operator": lambda a, b: a + b,
    "product": lambda a, b: a @ b,
    "op": lambda a, b: ops.concatenate([a, b]),
    "condition": lambda a, b: ops.where(ops.cast(a, "bool"), b, b),
}


@pytest.mark.parametrize("mix", MIXES.values(), ids=MIXES.keys())
@pytest.mark.parametrize("one, other", [("CPU:0", "GPU:0"), ("GPU:0", "CPU:0"), ("GPU:0", "GPU:1")])
def test_mixing_arrays_of_two_devices_is_an_error_that_names_both(mix, one, other):
    with hostcupy_for_cupy():
        tensors = tensors_of_each_device()
        with pytest.raises(ValueError, match=f"one on {one} and one on {other}.*device"):
            mix(tensors[one], tensors[other])


def test_a_layer_on_the_gpu_names_both_devices_when_its_input_is_a_tensor_of_the_host():
    with hostcupy_for_cupy():
        with minirnn.device("cpu"):
            x = Tensor(np.ones((2, 3, 4), "float32"))
        layer = minirnn.layers.LSTM(2)
        layer.build((None, None, 4))
        with pytest.raises(ValueError, match=r"lstm: .*one on CPU:0 and one on GPU:0"):
            layer(x)


def test_what_exists_is_not_moved_and_to_device_moves_it():
    with hostcupy_for_cupy():
        tensor, variable = ops.ones(2), Variable([1.0, 2.0])
        with minirnn.device("gpu:1"):
            assert tensor.data.device.id == variable.data.device.id == 0
            moved = backend.to_device(tensor.data)
            assert moved.device.id == 1 and backend.to_device(moved) is moved
        with minirnn.device("cpu"):
            assert isinstance(backend.to_device(tensor.data), np.ndarray)
        assert isinstance(backend.to_device(np.ones(2)), hostcupy.ndarray)


def test_a_variable_stays_on_its_device_whatever_of_the_host_is_assigned_to_it():
    with hostcupy_for_cupy():
        variable = Variable([1.0, 2.0])
        with minirnn.device("cpu"):
            variable.assign(np.array([3.0, 4.0]))
            there = Variable([0.0, 0.0])
        assert isinstance(variable.data, hostcupy.ndarray) and variable.numpy().tolist() == [3.0, 4.0]
        with pytest.raises(ValueError, match=r"assign: .*one on GPU:0 and one on CPU:0"):
            there.assign(variable)
        assert there.numpy().tolist() == [0.0, 0.0]
