"""A side in a process of its own, kept alive and fed by pipes: JSON and NumPy's own format, no pickle."""

import dataclasses
import io
import json
import os
import struct
import subprocess
import sys
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
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise EOFError("the other process has ended")
    text_size, size = _HEAD.unpack(head)
    message = json.loads(stream.read(text_size))
    with np.load(io.BytesIO(stream.read(size)), allow_pickle=False) as data:
        return message, [data[f"arr_{i}"] for i in range(len(data.files))]


def pack_question(question: Question) -> tuple[dict, list]:
    """Return a question as a message and arrays."""
    arrays = {"x": [question.x], "mask": [] if question.mask is None else [question.mask]}
    arrays |= {"states": question.states, "weights": question.weights}
    plain = {k: v for k, v in vars(question).items() if k not in arrays}
    counts = {name: None if value is None else len(value) for name, value in arrays.items()}
    return {**plain, "counts": counts}, [a for value in arrays.values() for a in value or []]


def unpack_question(message: dict, arrays: list) -> Question:
    """Return the question that `pack_question` packed."""
    message = dict(message)
    rest, found = list(arrays), {}
    for name, count in message.pop("counts").items():
        found[name], rest = (None, rest) if count is None else (rest[:count], rest[count:])
    (x,), mask = found.pop("x"), found.pop("mask")
    return Question(x=x, mask=mask[0] if mask else None, **found, **message)


def pack_answer(answer: Answer) -> tuple[dict, list]:
    """Return an answer as a message and arrays."""
    plain = {f.name: getattr(answer, f.name) for f in dataclasses.fields(answer) if f.name != "arrays"}
    return {**plain, "names": list(answer.arrays)}, list(answer.arrays.values())


def unpack_answer(message: dict, arrays: list) -> Answer:
    """Return the answer that `pack_answer` packed."""
    message = dict(message)
    names = message.pop("names")
    return Answer(dict(zip(names, arrays)), **{**message, "lacks": tuple(message["lacks"])})


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
        If Keras or the backend cannot be imported there, or the model cannot be loaded.
    """

    def __init__(self, backend: str = "jax", model: str | None = None):
        self.name = f"keras:{backend}"
        self._arguments = backend, model
        environment = {
            **os.environ,
            "KERAS_BACKEND": backend,
            "JAX_PLATFORMS": "cpu",
            "JAX_ENABLE_X64": "1",  # without it JAX makes float32 of float64
            "CUDA_VISIBLE_DEVICES": "",
            "OMP_NUM_THREADS": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]),
        }
        # The arrays are small, and most of the time goes by in compiling.
        flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        environment["XLA_FLAGS"] = (
            f"{os.environ.get('XLA_FLAGS', '')} {flags} --xla_backend_optimization_level=0"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-m", "minirnn.testing.worker", *([model] if model else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        try:
            hello, _ = receive(self._process.stdout)
        except EOFError:
            raise RuntimeError(self._last_words()) from None
        self.versions = hello["versions"]
        self.shape = hello["shape"]

    def _last_words(self) -> str:
        process = self._process
        said = (process.communicate()[1] or b"").decode(errors="replace").strip().splitlines()
        last = said[-1] if said else "nothing was said"
        return f"the process of {self.name} has ended with status {process.returncode}: {last}"

    def answer(self, question: Question) -> Answer:
        """Return what Keras answers.

        Raises
        ------
        RuntimeError
            If the process has ended. One that takes too long is ended here, and another started.
        """
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
        if process.poll() is None and process.stdin is not None:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        process.wait()
