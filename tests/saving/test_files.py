"""`write_atomically`: whatever happens, the file is the old one or the new one."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import minirnn
from minirnn import layers, saving
from minirnn.saving.files import write_atomically

ROOT = Path(__file__).parents[2]
MOMENTS = 50

SAVER = """
import sys
import numpy as np
import minirnn
from minirnn import layers
path = sys.argv[1]
model = minirnn.Sequential([minirnn.Input((None, 8)), layers.LSTM(64), layers.Dense(8)])
model.compile("adam", "mse")
model.save(path)
print("ready", flush=True)
n = 0
while True:
    n += 1
    model.set_weights([np.full_like(w, n) for w in model.get_weights()])
    model.save(path)
"""


def written(path, text):
    with write_atomically(path) as name:
        Path(name).write_text(text)


def test_the_file_is_there_once_the_block_is_left_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    with write_atomically(path) as name:
        assert os.path.dirname(name) == str(tmp_path) and "file" in os.path.basename(name)
        Path(name).write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["file"]
    written(path, "newer")
    assert path.read_text() == "newer"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError(errno.ENOSPC, "No space left")])
def test_a_block_that_breaks_leaves_the_old_file_and_no_other(tmp_path, error):
    path = tmp_path / "file"
    written(path, "old")

    def broken():
        with write_atomically(path) as name:
            Path(name).write_text("half of")
            raise error

    with pytest.raises(error if isinstance(error, type) else OSError):
        broken()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_what_cannot_be_written_is_named_as_it_was_given(tmp_path):
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "missing" / "file", tmp_path / "folder"):
        with pytest.raises(OSError, match=r"missing|folder") as caught:
            written(path, "new")
        assert str(caught.value).endswith(f": '{path}'")
    assert os.listdir(tmp_path) == ["folder"] and not os.listdir(tmp_path / "folder")


def test_what_a_killed_process_left_is_named_so_and_harmless(tmp_path):
    path = tmp_path / "model.keras"
    block = write_atomically(path)
    name = block.__enter__()
    Path(name).write_text("half of")
    block = None  # the process is gone; the file stays
    assert os.path.basename(name).startswith(".model.keras.") and name.endswith(".tmp")
    written(path, "whole")
    assert path.read_text() == "whole"


def small_model():
    model = minirnn.Sequential([minirnn.Input((3,)), layers.Dense(2)])
    model.compile("adam", "mse")
    return model


@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5", "model.weights.npz"])
def test_a_full_disk_leaves_the_old_file(tmp_path, name, monkeypatch):
    pytest.importorskip("h5py")
    path, model = tmp_path / name, small_model()
    save = model.save if name.endswith(".keras") else model.save_weights
    save(path)
    before = path.read_bytes()
    model.set_weights([w + 1 for w in model.get_weights()])

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [name]


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit on the size of files")
@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5", "model.weights.npz"])
def test_a_file_that_may_not_grow_leaves_the_old_one(tmp_path, name):
    """The write itself fails, in the middle: the system allows files of 2000 bytes and no more."""
    pytest.importorskip("h5py")
    code = f"""
import resource, signal, sys
sys.path.insert(0, {str(ROOT)!r})
from tests.saving.test_files import small_model
model = small_model()
save = model.save if {name!r}.endswith(".keras") else model.save_weights
save({str(tmp_path / name)!r})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
try:
    save({str(tmp_path / name)!r})
except OSError:
    print("refused")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.stdout == "refused\n", done.stderr
    assert os.listdir(tmp_path) == [name]
    small_model().load_weights(tmp_path / name)


def check_whole(path) -> float:
    """Return the number of which all weights in a file are, or 0 if they are the first."""
    first = [float(w.flat[0]) for w in saving.load_model(path).get_weights()]
    if first[0] == int(first[0]) > 0:
        assert len(set(first)) == 1, "a file with weights of two moments"
        return first[0]
    return 0.0


@pytest.mark.host_only("the program that is killed saves in a process of its own")
@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
def test_kill_at_any_moment_of_saving_leaves_a_file_that_loads(tmp_path):
    """The program is started a few times, and stopped and looked at at many moments before it is killed."""
    path, rng = tmp_path / "model.keras", random.Random(0)
    command = [sys.executable, "-c", SAVER, str(path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    starts, seen = 2, set[float]()
    for _ in range(starts):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None and process.stdout.readline() == b"ready\n"
            for _ in range(MOMENTS // starts):
                time.sleep(rng.uniform(0, 0.02))
                # Stopped, what it has written is what a kill now would leave.
                process.send_signal(signal.SIGSTOP)
                seen.add(check_whole(path))
                process.send_signal(signal.SIGCONT)
        finally:
            process.kill()
            process.wait()
        seen.add(check_whole(path))
    assert len(seen) > 5
    left = [name for name in os.listdir(tmp_path) if name != "model.keras"]
    assert all(name.startswith(".model.keras.") and name.endswith(".tmp") for name in left)
