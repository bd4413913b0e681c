"""A side in a process of its own, kept alive and fed by pipes: JSON and NumPy's own format, no pickle."""

import dataclasses
import hashlib
import io
import json
import os
import platform
import re
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np

from minirnn.testing.case import Question
from minirnn.testing.engine import Answer

_HEAD = struct.Struct("<QQ")
MOST_SECONDS = 120.0  # that one answer may take; the first ones compile


def send(stream, message: dict, arrays: list) -> None:
    """Write a message and arrays to a pipe."""
    text, data = json.dumps(message).encode(), io.BytesIO()
    np.savez(data, *arrays)
    body = data.getbuffer()
    stream.write(_HEAD.pack(len(text), len(body)))
    stream.write(text)
    stream.write(body)
    stream.flush()


def receive(stream) -> tuple[dict, list]:
    """Read what `send` wrote.

    Raises
    ------
    EOFError
        If the other end is closed.
    """
    text_size, size = _HEAD.unpack(_read_exactly(stream, _HEAD.size))
    message = json.loads(_read_exactly(stream, text_size))
    with np.load(io.BytesIO(_read_exactly(stream, size)), allow_pickle=False) as data:
        return message, [data[f"arr_{i}"] for i in range(len(data.files))]


def _read_exactly(stream, count: int) -> bytes:
    """Read as many bytes as are told, or raise EOFError: a process may end in the midst of an answer."""
    data = stream.read(count)
    if len(data) < count:
        raise EOFError("the other process has ended")
    return data


def pack_question(question: Question) -> tuple[dict, list]:
    """Return a question as a message and arrays."""
    arrays: list = []
    plain = {k: v if k in _PLAIN else _packed(v, arrays) for k, v in vars(question).items()}
    return plain, arrays


def unpack_question(message: dict, arrays: list) -> Question:
    """Return the question that `pack_question` packed."""
    return Question(**{k: v if k in _PLAIN else _unpacked(v, arrays) for k, v in message.items()})


# What holds no arrays in a question.
_PLAIN = ("layer", "optimizer", "arguments", "dtype")


def _packed(value, arrays):
    """Return a structure with the place among `arrays` for each array in it."""
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, dict):
        return {"dict": {k: _packed(v, arrays) for k, v in value.items()}}
    return [_packed(v, arrays) for v in value] if isinstance(value, list | tuple) else value


def _unpacked(value, arrays):
    if isinstance(value, list):
        return [_unpacked(v, arrays) for v in value]
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    return {k: _unpacked(v, arrays) for k, v in value["dict"].items()}


def pack_answer(answer: Answer) -> tuple[dict, list]:
    """Return an answer as a message and arrays."""
    plain = {f.name: getattr(answer, f.name) for f in dataclasses.fields(answer) if f.name != "arrays"}
    return {**plain, "names": list(answer.arrays)}, list(answer.arrays.values())


def unpack_answer(message: dict, arrays: list) -> Answer:
    """Return the answer that `pack_answer` packed."""
    message = dict(message)
    names = message.pop("names")
    return Answer(dict(zip(names, arrays)), **{**message, "lacks": tuple(message["lacks"])})


def _environment(backend) -> dict[str, str]:
    python = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "PYTHONPATH": os.pathsep.join(python),
    }
    return environment | _for_jax() if backend == "jax" else environment


def _for_jax() -> dict[str, str]:
    """Return what makes JAX quick at what this is: thousands of operations on small arrays, each compiled."""
    flags = (
        "--xla_cpu_multi_thread_eigen=false",
        "intra_op_parallelism_threads=1",
        "--xla_backend_optimization_level=0",
        "--xla_llvm_disable_expensive_passes=true",
        "--xla_cpu_parallel_codegen_split_count=1",
    )
    # What one process has compiled, others beside it and later ones load in a twentieth of the time.
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    cache = {
        "JAX_COMPILATION_CACHE_DIR": os.path.join(home, "minirnn", f"jax-{_processor()}"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    return {
        **{name: os.environ.get(name, value) for name, value in cache.items()},
        "JAX_PLATFORMS": "cpu",
        "JAX_ENABLE_X64": "1",  # without it JAX makes float32 of float64
        "XLA_FLAGS": " ".join([*flags, os.environ.get("XLA_FLAGS", "")]),
    }


def _processor() -> str:
    """Return a name for what this processor can do: machines of several kinds may share a home."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            lines = [line for line in file if line.startswith(("model name", "flags", "Features"))]
    except OSError:
        lines = [platform.processor()]
    told = "".join(sorted(set(lines))) + platform.machine()
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def _what_brings(error: str) -> str:
    """Return what to install where an error says that a package is missing."""
    missing = re.search(r"No module named '(\w+)", error)
    if not missing:
        return ""
    extra = {"torch": "'minirnn[torch]'", "tensorflow": "tensorflow"}.get(missing[1], "'minirnn[compare]'")
    return f". `pip install {extra}` brings it."


class KerasProcess:
    """The side of Keras on a backend, in a process that stays until `close`.

    Parameters
    ----------
    backend : str
        "jax", "torch", "tensorflow" or "numpy".
    model : str, optional
        Path of a saved model, which is called in place of what a question describes.

    Raises
    ------
    RuntimeError
        At the first use, if Keras or the backend cannot be imported there, or the model cannot be loaded.
    """

    def __init__(self, backend: str = "jax", model: str | None = None):
        self.name = f"keras:{backend}"
        self._arguments = backend, model
        # A pipe that nobody reads would fill. It is closed in `close`.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "minirnn.testing.worker", *([model] if model else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=_environment(backend),
        )
        self._hello: dict | None = None

    def greet(self) -> dict:
        """Wait until Keras is imported there; returns what the process says of itself."""
        if self._hello is None:
            try:
                self._hello, _ = receive(self._process.stdout)
            except EOFError:
                raise RuntimeError(self._last_words()) from None
        return self._hello

    @property
    def versions(self) -> dict[str, str]:
        """Versions of Keras and of the backend."""
        return self.greet()["versions"]

    @property
    def shape(self):
        """The shape of the inputs of the saved model, if one is called."""
        return self.greet()["shape"]

    def _last_words(self) -> str:
        status = self._process.wait()
        self._said.seek(0)
        said = self._said.read().decode(errors="replace").strip().splitlines()
        last = said[-1] if said else "nothing was said"
        return f"the process of {self.name} has ended with status {status}: {last}{_what_brings(last)}"

    def answer(self, question: Question) -> Answer:
        """Return what Keras answers.

        Raises
        ------
        RuntimeError
            If the process has ended. One that takes too long is ended here, and another started.
        """
        self.greet()
        timer = threading.Timer(MOST_SECONDS, self._process.kill)
        timer.start()
        try:
            send(self._process.stdin, *pack_question(question))
            return unpack_answer(*receive(self._process.stdout))
        except (EOFError, BrokenPipeError):
            if timer.is_alive():
                raise RuntimeError(self._last_words()) from None
            self.close()
            KerasProcess.__init__(self, *self._arguments)
            return Answer(refusal=f"TimeoutError: no answer in {MOST_SECONDS:.0f} s", crashed=True)
        finally:
            timer.cancel()

    def close(self) -> None:
        """End the process."""
        process = self._process
        if self._hello is None:
            process.kill()  # it is still importing
        elif process.poll() is None and process.stdin is not None:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        for file in (process.stdin, process.stdout, self._said):
            if file is not None:
                file.close()
        process.wait()
