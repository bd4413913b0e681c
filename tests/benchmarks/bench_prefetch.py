"""Prefetching: training from a loader that takes as long as the step, with and without worker threads.

Run ``python tests/benchmarks/bench_prefetch.py [rounds]``. The step is that of an LSTM, timed first. Two
loaders take as long: one waits, as for a disk or a network; one computes with NumPy, which takes a core that
has nothing else to do. For each an epoch is trained from batches that are there at once, from the loader
without workers, and with two workers, in turn. The figures are medians over the rounds; what is hidden is the
share of the loader's time that workers take away.
"""

import statistics
import sys
import time

import numpy as np

import minirnn
from minirnn import layers, utils

BATCH, TIME, FEATURES, UNITS, STEPS = 32, 40, 32, 64, 40
ASKED = 0.9


class Loader(utils.PyDataset):
    """Batches that take `seconds` to load, waiting or computing."""

    def __init__(self, seconds, computes, workers):
        super().__init__(workers=workers)
        self.seconds, self.computes = seconds, computes
        random = np.random.default_rng(0)
        self.x = random.normal(size=(BATCH, TIME, FEATURES)).astype("float32")
        self.y = random.normal(size=(BATCH, 1)).astype("float32")
        self.work = random.normal(size=20_000)

    def __len__(self):
        return STEPS

    def __getitem__(self, index):
        if self.computes:
            # By the time that this thread is given, not by the clock: waiting for a core is no work.
            until = time.thread_time() + self.seconds
            while time.thread_time() < until:
                np.sort(self.work)
        elif self.seconds:
            time.sleep(self.seconds)
        return self.x, self.y


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    model = minirnn.Sequential([layers.Input((TIME, FEATURES)), layers.LSTM(UNITS), layers.Dense(1)])
    model.compile("adam", "mse")

    def epoch(data) -> float:
        start = time.perf_counter()
        model.fit(data, verbose=0)
        return (time.perf_counter() - start) / STEPS

    epoch(Loader(0, False, 1))
    step = statistics.median(epoch(Loader(0, False, 1)) for _ in range(rounds))
    print(f"a step alone takes {step * 1e3:.2f} ms, and so long does a batch to load\n")
    print("| loader | at once | no workers | 2 workers | hidden |")
    print("| --- | ---: | ---: | ---: | ---: |")
    reached = []
    for name, computes in (("waits", False), ("computes", True)):
        times: dict[str, list[float]] = {"at once": [], "no workers": [], "2 workers": []}
        for _ in range(rounds):
            times["at once"].append(epoch(Loader(0, computes, 1)))
            times["no workers"].append(epoch(Loader(step, computes, 1)))
            times["2 workers"].append(epoch(Loader(step, computes, 2)))
        bare, alone, ahead = (statistics.median(values) for values in times.values())
        hidden = statistics.median((b - c) / (b - a) for a, b, c in zip(*times.values()))
        reached.append(hidden)
        cells = " | ".join(f"{value * 1e3:.2f} ms" for value in (bare, alone, ahead))
        print(f"| {name} | {cells} | {hidden:.0%} |")
    print(f"\nhidden of a loader that waits: {reached[0]:.0%}, asked {ASKED:.0%}: ", end="")
    print("reached" if reached[0] >= ASKED else "missed")


if __name__ == "__main__":
    main()
