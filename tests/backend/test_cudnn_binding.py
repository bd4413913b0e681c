"""The binding on the real libcudnn, which sets and reads back descriptors without a GPU; and what is freed.

Handles and buffers need a GPU: where those are counted, emulated cuDNN, a stand-in, answers.
"""

import ctypes
import gc
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from minirnn.backend import cudnn
from minirnn.backend.cudnn_descriptors import (
    Configuration,
    Owned,
    data_descriptor,
    rnn_descriptor,
    state_descriptor,
)
from minirnn.backend.cudnn_library import Functions
from tests.standins import emulated_cudnn, hostcupy

ROOT = Path(__file__).parents[2]
REQUIRED = "MINIRNN_REQUIRE_PEERS"
API = json.loads(Path(__file__).with_name("cudnn_rnn_api.json").read_text())
VALUES = {name: value for enum in API["enums"].values() for name, value in enum.items()} | API["macros"]
# What each choice is to cuDNN, by the names of its headers.
CELLS = {"relu": "CUDNN_RNN_RELU", "tanh": "CUDNN_RNN_TANH", "lstm": "CUDNN_LSTM", "gru": "CUDNN_GRU"}
DATA = {"float16": "CUDNN_DATA_HALF", "float32": "CUDNN_DATA_FLOAT", "float64": "CUDNN_DATA_DOUBLE"}

configurations = st.builds(
    Configuration,
    cell=st.sampled_from(list(CELLS)),
    features=st.integers(1, 3000),
    units=st.integers(1, 3000),
    dtype=st.sampled_from(list(DATA)),
    bias=st.booleans(),
    directions=st.sampled_from((1, 2)),
    tf32=st.booleans(),
)


@pytest.fixture(scope="module")
def real():
    """The functions of the real libcudnn of this machine."""
    try:
        library = cudnn.load()
    except cudnn.LibraryUnavailable as error:
        reason = f"no libcudnn is installed; `pip install --no-deps nvidia-cudnn-cu12` brings one. {error}"
        if os.environ.get(REQUIRED):
            pytest.fail(f"{REQUIRED} is set, so these tests may not skip: {reason}")
        pytest.skip(reason)
    return library.call


def read_back(real, name, descriptor, *places):
    """Call a function that says what was set in a descriptor."""
    function = getattr(ctypes.CDLL(real.where), name)
    pointers = [p if isinstance(p, ctypes.Array | int) else ctypes.byref(p) for p in places]
    assert function(descriptor._as_parameter_, *pointers) == 0
    return [list(p) if isinstance(p, ctypes.Array) else p if isinstance(p, int) else p.value for p in places]


def test_the_real_library_tells_its_version(real):
    assert real.version >= 8000
    assert Path(real.where).name.startswith(("libcudnn", "cudnn64"))
    major, minor, patch = map(int, real.version_text.split("."))
    assert real.version == major * (10_000 if major >= 9 else 1000) + minor * 100 + patch


@given(configurations)
def test_the_real_library_reads_a_configuration_as_it_was_meant(real, configuration):
    c = configuration
    kinds = [kind for _, kind in API["functions"]["cudnnGetRNNDescriptor_v8"]["parameters"]][1:]
    special = {"cudnnDropoutDescriptor_t *": ctypes.c_void_p, "uint32_t *": ctypes.c_uint32}
    places = [special.get(kind, ctypes.c_int)(77) for kind in kinds]
    found = read_back(real, "cudnnGetRNNDescriptor_v8", rnn_descriptor(real, c), *places)
    math = {
        "float16": "CUDNN_TENSOR_OP_MATH",
        "float32": "CUDNN_DEFAULT_MATH" if c.tf32 else "CUDNN_FMA_MATH",
        "float64": "CUDNN_DEFAULT_MATH",
    }
    precision = "CUDNN_DATA_DOUBLE" if c.dtype == "float64" else "CUDNN_DATA_FLOAT"
    names = [
        "CUDNN_RNN_ALGO_STANDARD",
        CELLS[c.cell],
        "CUDNN_RNN_DOUBLE_BIAS" if c.bias else "CUDNN_RNN_NO_BIAS",
        "CUDNN_BIDIRECTIONAL" if c.directions == 2 else "CUDNN_UNIDIRECTIONAL",
        "CUDNN_LINEAR_INPUT",
        DATA[c.dtype],
        precision,
        math[c.dtype],
    ]
    sizes = [c.features, c.units, c.units, 1]
    assert found == [*(VALUES[name] for name in names), *sizes, None, VALUES["CUDNN_RNN_PADDED_IO_ENABLED"]]


@given(st.data())
def test_the_real_library_reads_a_batch_as_it_was_meant(real, data):
    dtype = data.draw(st.sampled_from(list(DATA)))
    batch, time, size = (data.draw(st.integers(1, n)) for n in (9, 50, 3000))
    lengths = data.draw(st.lists(st.integers(1, time), min_size=batch, max_size=batch))
    made = data_descriptor(real, dtype, batch, time, size, np.array(lengths, np.int32).tobytes())
    fill = (ctypes.c_ubyte * 8)(*range(1, 9))
    *found, each, filled = read_back(
        real,
        "cudnnGetRNNDataDescriptor",
        made,
        *(ctypes.c_int() for _ in range(5)),
        batch,
        (ctypes.c_int * batch)(),
        fill,
    )
    layout = VALUES["CUDNN_RNN_DATA_LAYOUT_BATCH_MAJOR_UNPACKED"]
    assert found == [VALUES[DATA[dtype]], layout, time, batch, size, batch]
    assert each == lengths
    itemsize = np.dtype(dtype).itemsize
    assert filled[:itemsize] == [0] * itemsize


@given(st.sampled_from(list(DATA)), st.sampled_from((1, 2)), st.integers(1, 70), st.integers(1, 3000))
def test_the_real_library_reads_a_state_as_it_was_meant(real, dtype, directions, batch, units):
    made = state_descriptor(real, dtype, directions, batch, units)
    found = read_back(
        real,
        "cudnnGetTensorNdDescriptor",
        made,
        8,
        ctypes.c_int(),
        ctypes.c_int(),
        (ctypes.c_int * 8)(),
        (ctypes.c_int * 8)(),
    )
    _, kind, ndim, shape, strides = found
    assert (kind, ndim, shape[:3]) == (VALUES[DATA[dtype]], 3, [directions, batch, units])
    assert strides[:3] == [batch * units, units, 1]


def test_the_real_library_refuses_in_its_own_words(real):
    with pytest.raises(
        cudnn.CuDNNError, match=r"^cudnnSetRNNDescriptor_v8 failed: CUDNN_STATUS_BAD_PARAM \("
    ) as e:
        rnn_descriptor(real, Configuration("lstm", 3, 0, "float32", True))
    assert e.value.function == "cudnnSetRNNDescriptor_v8"
    assert e.value.status == (2000 if real.version >= 90000 else 3)
    if real.version >= 90000:
        assert "hiddenSize < 1" in str(e.value)
    with pytest.raises(cudnn.CuDNNError, match="cudnnSetRNNDataDescriptor failed: CUDNN_STATUS_BAD_PARAM"):
        data_descriptor(real, "float32", 1, 0, 3, np.ones(1, np.int32).tobytes())


def test_without_a_gpu_the_real_library_says_why_there_is_no_handle(real):
    program = """
from minirnn.backend import cudnn
from tests.standins import hostcupy
library = cudnn.load()
for call in (lambda: library.context(hostcupy), lambda: library.rnn(hostcupy, CONFIGURATION)):
    try:
        call()
    except cudnn.CuDNNError as error:
        print(error.function, error.status, error)
""".replace("CONFIGURATION", repr(Configuration("lstm", 3, 4, "float32", True)).replace("Conf", "cudnn.Conf"))
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    run = subprocess.run(
        [sys.executable, "-c", program], env=hidden, cwd=ROOT, capture_output=True, text=True, check=True
    )
    lines = run.stdout.splitlines()
    status = 1001 if real.version >= 90000 else 1
    assert len(lines) == 2 and not run.stderr
    for line in lines:
        assert line.startswith(
            f"cudnnCreate {status} cudnnCreate failed: CUDNN_STATUS_NOT_INITIALIZED ({status})"
        )
        assert "nvidia-smi" in line
        assert real.version < 90000 or "cudaGetDeviceCount" in line


class Spy:
    """Passes calls on, and counts them."""

    def __init__(self, call):
        self.call, self.calls = call, Counter()

    def __call__(self, name, *args):
        self.calls[name] += 1
        return self.call(name, *args)


def test_the_real_librarys_descriptors_are_destroyed_with_the_last_reference(real):
    spy = Spy(real)
    made = [
        rnn_descriptor(spy, Configuration("gru", 3, 4, "float32", True)),
        data_descriptor(spy, "float32", 1, 2, 3, np.ones(1, np.int32).tobytes()),
        state_descriptor(spy, "float32", 1, 2, 3),
    ]
    kinds = ("RNNDescriptor", "RNNDataDescriptor", "TensorDescriptor")
    assert [spy.calls[f"cudnnCreate{kind}"] for kind in kinds] == [1, 1, 1]
    for i, kind in enumerate(kinds):
        assert not spy.calls[f"cudnnDestroy{kind}"]
        made[i] = None
        assert spy.calls[f"cudnnDestroy{kind}"] == 1


def test_a_descriptor_that_cannot_be_set_is_destroyed_too():
    functions = emulated_cudnn.library()
    with pytest.raises(cudnn.CuDNNError):
        rnn_descriptor(Functions(functions, "here"), Configuration("lstm", 3, 0, "float32", True))
    gc.collect()
    assert functions.calls["cudnnDestroyRNNDescriptor"] == 1 and not functions.live


def test_nothing_is_destroyed_at_exit_when_the_driver_may_be_gone():
    program = """
from minirnn.backend.cudnn_descriptors import Owned
kept = Owned(lambda name, *_: print(name), "Thing")
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("cudnnCreateThing\n", "")


@pytest.mark.parametrize("field, value", [("cell", "peephole"), ("dtype", "int32"), ("directions", 3)])
def test_a_configuration_of_what_cudnn_has_not_is_refused(field, value):
    fields = {"cell": "lstm", "features": 1, "units": 1, "dtype": "float32", "bias": True, field: value}
    with pytest.raises(ValueError, match=f"Configuration: {field} must be one of .*; got {value!r}"):
        Configuration(**fields)


def new_library():
    functions = emulated_cudnn.library()
    return functions, cudnn.Library(functions, "emulated cuDNN, a stand-in")


def test_each_thread_and_device_has_a_handle_that_goes_with_the_thread():
    functions, library = new_library()
    seen = []

    def use():
        for device in (0, 1, 0):
            with hostcupy.cuda.Device(device):
                seen.append(library.context(hostcupy).handle._as_parameter_.value)

    use()
    threads = [threading.Thread(target=use) for _ in range(3)]
    for thread in threads:
        thread.start()
        thread.join()
    gc.collect()
    assert all(seen[i] == seen[i + 2] for i in range(0, 12, 3)) and len(set(seen)) == 8
    assert functions.calls["cudnnCreate"] == 8 and functions.live["handle"] == 2


def test_a_handle_follows_the_current_stream():
    functions, library = new_library()
    handle = library.context(hostcupy).handle
    stream = hostcupy.cuda.Stream()
    with stream:
        assert library.context(hostcupy).handle is handle
        address = handle._as_parameter_.value
        assert functions._state.object("handle", address).fields.stream == stream.ptr
    library.context(hostcupy)
    assert functions._state.object("handle", address).fields.stream == 0


def test_layers_are_kept_by_configuration_and_device_and_the_oldest_make_way():
    functions, library = new_library()
    configuration = Configuration("lstm", 2, 3, "float32", True)
    first = library.rnn(hostcupy, configuration)
    assert library.rnn(hostcupy, Configuration("lstm", 2, 3, "float32", True)) is first
    with hostcupy.cuda.Device(1):
        assert library.rnn(hostcupy, configuration) is not first
    for units in range(1, 150):
        library.rnn(hostcupy, Configuration("tanh", 1, units, "float32", False))
        assert library.rnn(hostcupy, configuration) is first  # it is in use, so it stays
    gc.collect()
    assert functions.live["rnn"] == cudnn._RNNS
    del first, library
    gc.collect()
    assert not functions.live


def test_descriptors_of_batches_are_kept_and_the_oldest_make_way():
    functions, library = new_library()
    rnn = library.rnn(hostcupy, Configuration("lstm", 2, 3, "float32", True))
    weights = hostcupy.zeros(rnn.weight_bytes, "uint8")

    def forward(lengths):
        host = np.array(lengths, np.int32)
        x = hostcupy.zeros((2, 100, 2), "float32")
        rnn.forward(x, None, None, weights, cudnn.Lengths(host, hostcupy.asarray(host)))

    forward([100, 1])
    made = functions.calls["cudnnCreateRNNDataDescriptor"]
    forward([100, 1])
    assert functions.calls["cudnnCreateRNNDataDescriptor"] == made == 2
    for length in range(1, 101):
        forward([length, 100])
    assert functions.live["data"] == 2 * cudnn._PLANS
    assert functions.live["tensor"] == cudnn._PLANS
    assert functions.calls["cudnnGetRNNTempSpaceSizes"] == 101


def test_threads_that_ask_at_once_share_one_layer():
    functions, library = new_library()
    configuration, ready, found = Configuration("gru", 2, 3, "float64", True), threading.Barrier(8), []

    def ask():
        ready.wait()
        rnn = library.rnn(hostcupy, configuration)
        x, weights = hostcupy.ones((2, 3, 2)), hostcupy.zeros(rnn.weight_bytes, "uint8")
        y, h, _, saved = rnn.forward(x, None, None, weights, training=True)
        rnn.backward(saved, y, h, None)
        found.append(rnn)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(map(id, found))) == 1
    assert functions.calls["cudnnCreateRNNDescriptor"] == 1


def test_an_owned_object_is_passed_as_its_address():
    call = Functions(emulated_cudnn.library(), "here")
    made = Owned(call, "TensorDescriptor")
    assert ctypes.c_void_p.from_param(made) is made._as_parameter_
