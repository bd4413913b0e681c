"""What `fit`, with its progress bar live in a terminal, costs over the bare train step.

Run ``python tests/benchmarks/bench_fit_overhead.py [rounds]``. A step of about 5 ms (an LSTM, batch 32) is
done by hand, on batches that are ready, and by `fit` from arrays that it shuffles; an epoch each in turn, in
one process. The bar is drawn in a pseudo-terminal that a thread reads. The figure is the median, over the
rounds, of one epoch's time over the other's. As a check that does not drown in the noise of a machine with
other work, a model whose step does nothing is trained too: its time a step is what `fit` adds, for 5 ms.
"""

import contextlib
import os
import statistics
import sys
import threading
import time

import numpy as np

import minirnn
from minirnn import layers, losses

ASKED = 0.05
STEP_MS = 5.0
BATCH, STEPS = 32, 100


class Idle(minirnn.Sequential):
    """A model whose step is no work at all."""

    def train_step(self, data):
        return self.logs


@contextlib.contextmanager
def terminal():
    """Let stdout be a terminal that somebody reads."""
    reading, writing = os.openpty()
    written = [0]

    def drain():
        with contextlib.suppress(OSError):
            while data := os.read(reading, 65536):
                written[0] += len(data)

    thread = threading.Thread(target=drain, daemon=True)
    thread.start()
    before, sys.stdout = sys.stdout, os.fdopen(writing, "w", buffering=1)
    os.environ.setdefault("TERM", "xterm-256color")
    try:
        yield written
    finally:
        sys.stdout.close()
        sys.stdout = before
        thread.join(1)
        os.close(reading)


def model(kind=minirnn.Sequential):
    minirnn.utils.set_random_seed(0)
    made = kind([layers.Input((28, 28)), layers.LSTM(64), layers.Dense(10)])
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    made.compile("adam", loss, metrics=["accuracy"])
    return made


def timed(function) -> float:
    """Return milliseconds a step."""
    start = time.perf_counter()
    function()
    return (time.perf_counter() - start) * 1e3 / STEPS


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    rng = np.random.default_rng(0)
    x = rng.standard_normal((BATCH * STEPS, 28, 28)).astype("float32")
    y = rng.integers(0, 10, len(x))
    bare, fitted, idle = model(), model(), model(Idle)
    bare.train_on_batch(x[:BATCH], y[:BATCH])
    idle.logs = bare.get_metrics_result()
    batches = [
        tuple(minirnn.ops.convert_to_tensor(a[i : i + BATCH]) for a in (x, y))
        for i in range(0, len(x), BATCH)
    ]

    def by_hand():
        bare.reset_metrics()
        with bare._hold():
            for batch in batches:
                bare.train_step(batch)

    times: dict[str, list[float]] = {"by hand": [], "fit": [], "idle": []}
    with terminal() as written:
        for number in range(rounds + 1):
            for name, function in (
                ("by hand", by_hand),
                ("fit", lambda: fitted.fit(x, y, batch_size=BATCH)),
                ("idle", lambda: idle.fit(x, y, batch_size=BATCH)),
            )[:: 1 if number % 2 else -1]:
                value = timed(function)
                if number:
                    times[name].append(value)
    ratios = [b / a - 1 for a, b in zip(times["by hand"], times["fit"])]
    added = statistics.median(times["idle"])
    print(f"| a step, LSTM 64, batch {BATCH}, 28 time steps | median | lowest |")
    print("| --- | ---: | ---: |")
    for name, values in times.items():
        print(f"| {name} | {statistics.median(values):.3f} ms | {min(values):.3f} ms |")
    print(f"\nthe terminal was written {written[0]} bytes")
    for what, share in (
        ("fit over the bare step", statistics.median(ratios)),
        (f"what fit adds to a step that does nothing, of {STEP_MS:.0f} ms", added / STEP_MS),
    ):
        verdict = "reached" if share <= ASKED else "missed"
        print(f"{what}: {share:.1%}, asked at most {ASKED:.0%}: {verdict}")


if __name__ == "__main__":
    main()
