"""Train on one sequence of 1,000,000 steps, in chunks of 200, in memory that does not depend on its length.

A hidden switch flips once in 2,000 steps on average, and each step shows a fifth of its position (+1 or −1)
under noise of size 1. The model is to say at every step where the switch is, for which it must weigh many
steps: a stateful layer carries its state from chunk to chunk, while gradients reach back to the start of a
chunk and no further (truncated back-propagation through time). Nothing can do better than the exact filter,
which knows how the data was made; its loss is printed last.

Run ``python examples/long_sequence.py [steps]``.
"""

import argparse
import math
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from minirnn import Sequential, callbacks, layers, losses, optimizers, utils

FLIP, SIZE = 1 / 2000, 0.2
CHUNK = 200
PARTS = 10  # of the one pass through the sequence, each reported as an epoch
PIECE = 10_000  # steps that are written to the files at once


def write_sequence(folder: Path, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Write signal and positions to two files, and return them mapped to memory, shapes (1, steps, 1)."""
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", "float32", (1, steps, 1))
    y = np.lib.format.open_memmap(folder / "y.npy", "w+", "float32", (1, steps, 1))
    random, position = np.random.default_rng(0), 1.0
    for start in range(0, steps, PIECE):
        size = min(PIECE, steps - start)
        positions = position * np.cumprod(np.where(random.random(size) < FLIP, -1, 1))
        x[0, start : start + size, 0] = SIZE * positions + random.normal(size=size)
        y[0, start : start + size, 0] = positions > 0
        position = positions[-1]
    return np.load(folder / "x.npy", "r"), np.load(folder / "y.npy", "r")


def loss_of_the_exact_filter(x_T, y_T) -> float:
    """Return the mean cross-entropy of the filter that knows how the data was made, from Bayes's rule."""
    odds, total = 0.0, 0.0
    for signal, above in zip(x_T.tolist(), y_T.tolist()):
        p = 1 / (1 + math.exp(-odds))
        p = p * (1 - FLIP) + (1 - p) * FLIP
        odds = math.log(p / (1 - p)) + 2 * SIZE * signal
        total += math.log1p(math.exp(-odds if above else odds))
    return total / len(y_T)


def memory() -> float:
    """Return the memory of this process in MiB, without the pages of files that are mapped to it.

    Where the system does not say, the most that it has been, with those pages.
    """
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    found = [line.split()[1] for line in lines if line.startswith("RssAnon:")]
    if found:
        return int(found[0]) / 2**10
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


class Report(callbacks.Callback):
    """Looks at the memory after every tenth chunk, and prints a line for each part of the pass."""

    def __init__(self, steps):
        super().__init__()
        self.steps, self.begun, self.peak = steps, time.perf_counter(), 0.0

    def on_train_batch_end(self, batch, logs=None):
        if batch % 10 == 0:
            self.peak = max(self.peak, memory())

    def on_epoch_end(self, epoch, logs=None):
        done, seconds = (epoch + 1) * self.steps, time.perf_counter() - self.begun
        loss, accuracy = (logs or {})["loss"], (logs or {})["binary_accuracy"]
        print(
            f"{done:>9,} steps, {seconds:4.1f} s: loss {loss:.3f}, accuracy {accuracy:.3f}, "
            f"peak memory {self.peak:.1f} MiB",
            flush=True,
        )


def whole_parts(text: str) -> int:
    """Return the number of steps of that text, at least a chunk for each part."""
    if not text.isdecimal() or int(text) < PARTS * CHUNK:
        raise argparse.ArgumentTypeError(f"must be a whole number of {PARTS * CHUNK} or more; got {text!r}")
    return int(text)


def main() -> None:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    told = "length of the sequence (default: %(default)s)"
    parser.add_argument("steps", nargs="?", type=whole_parts, default=1_000_000, help=told)
    steps = parser.parse_args().steps
    utils.set_random_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        x, y = write_sequence(Path(folder), steps)
        model = Sequential(
            [
                layers.Input(batch_shape=(1, None, 1)),
                layers.GRU(8, return_sequences=True, stateful=True),
                layers.Dense(1),
            ]
        )
        loss = losses.BinaryCrossentropy(from_logits=True)
        chunks = utils.StatefulChunks(x, y, chunk_length=CHUNK)
        rate = optimizers.schedules.CosineDecay(0.01, len(chunks))
        model.compile(optimizers.Adam(rate, clipnorm=1.0), loss, metrics=["binary_accuracy"])
        part = len(chunks) // PARTS
        model.fit(chunks, epochs=PARTS, steps_per_epoch=part, callbacks=[Report(part * CHUNK)], verbose=0)
        last = slice((PARTS - 1) * part * CHUNK, PARTS * part * CHUNK)
        best = loss_of_the_exact_filter(x[0, last, 0], y[0, last, 0])
        print(f"the exact filter on the last part: loss {best:.3f}")


if __name__ == "__main__":
    main()
