"""Data sets larger than memory: arrays that are mapped from files are read a batch at a time."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minirnn import Sequential, layers, utils

ROOT = Path(__file__).parents[2]

# The file is 128 MiB of holes, which no disk holds. The process gets 48 MiB of memory of its own beyond what
# it has, and NumPy's arrays are not to take a tenth of the file at once.
PROGRAM = """
import sys, tracemalloc
import numpy as np
import resource
from minirnn import Sequential, layers, utils

ROWS, STEPS, FEATURES = 2048, 128, 128
folder, way = sys.argv[1:]
np.lib.format.open_memmap(folder + "/x.npy", "w+", "float32", (ROWS, STEPS, FEATURES))
np.lib.format.open_memmap(folder + "/y.npy", "w+", "uint8", (ROWS, STEPS * FEATURES))
x, y = np.load(folder + "/x.npy", "r"), np.load(folder + "/y.npy", "r")
labels = y[:, :1]

model = Sequential([layers.Input((None, FEATURES)), layers.GRU(4), layers.Dense(3, activation="softmax")])
model.compile("sgd", "sparse_categorical_crossentropy")
model.fit(x[:64, ::16], labels[:64], verbose=0)


def work():
    if way == "labels":
        wide = Sequential([layers.Input((STEPS, FEATURES)), layers.Flatten(), layers.Reshape((-1, 1))])
        wide.add(layers.Dense(3, activation="softmax"))
        wide.compile("sgd", "sparse_categorical_crossentropy")
        wide.fit(x, y, batch_size=2, steps_per_epoch=8, verbose=0)
    elif way == "windows":
        series, targets = x.reshape(-1, FEATURES), y.reshape(-1, FEATURES)[:, :1]
        data = utils.timeseries_dataset_from_array(series, targets, 8, 128, batch_size=64, shuffle=True)
        model.fit(data, verbose=0)
    elif way == "chunks":
        chunked = Sequential([layers.Input(batch_shape=(16, None, FEATURES))])
        chunked.add(layers.SimpleRNN(4, stateful=True, return_sequences=True))
        chunked.compile("sgd", "mse")
        series = x.reshape(16, -1, FEATURES)
        chunked.fit(utils.StatefulChunks(series, series[..., :4], chunk_length=256, workers=2), verbose=0)
    else:
        shuffle = {"shuffled": True, "in order": False, "batches": "batch"}[way]
        options = {"batch_size": 64, "verbose": 0}
        steps = x[:, ::16]
        model.fit(steps, labels, shuffle=shuffle, validation_split=0.25, class_weight={1: 2.0}, **options)
        model.evaluate(steps, labels, **options)
        assert model.predict(steps, **options).shape == (ROWS, 3)


size = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmData"))
limit = int(size) * 1024 + 48 * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    np.array(x)
except MemoryError:
    pass
else:
    raise SystemExit("the limit does not hold")
tracemalloc.start()
work()
peak = tracemalloc.get_traced_memory()[1]
assert peak < 0.1 * x.nbytes, peak / x.nbytes
"""


@pytest.mark.parametrize("way", ["shuffled", "in order", "batches", "labels", "windows", "chunks"])
def test_a_data_set_larger_than_memory_trains(way, tmp_path):
    if not Path("/proc/self/status").exists():
        pytest.skip("needs Linux, which says and limits how much memory a process has of its own")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path, way],
        env={**os.environ, "PYTHONPATH": str(ROOT), "MINIRNN_BACKEND": "numpy", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("shuffle", [True, False, "batch"])
def test_mapped_arrays_train_to_the_same_bits_as_arrays_in_memory(shuffle, tmp_path):
    random = np.random.default_rng(0)
    arrays = random.normal(size=(30, 4, 3)).astype("float32"), random.integers(0, 3, 30)
    mapped = []
    for number, array in enumerate(arrays):
        np.save(tmp_path / f"{number}.npy", array)
        mapped.append(np.load(tmp_path / f"{number}.npy", "r"))

    def run(x, y):
        utils.set_random_seed(0)
        model = Sequential([layers.Input((4, 3)), layers.LSTM(4), layers.Dense(3)])
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(x, y, batch_size=7, epochs=2, shuffle=shuffle, class_weight={0: 3.0}, verbose=0)
        return [w.tobytes() for w in model.get_weights()], model.predict(x, verbose=0).tobytes()

    assert run(*mapped) == run(*arrays)
