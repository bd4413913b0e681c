"""One step of a stateful LSTM(128) at batch 1 through ``layer(x)``, beside PyTorch's LSTMCell.

Run ``python tests/benchmarks/bench_stateful_step.py [rounds]``. Each round is 500 steps of each in turn, in
one run; the figure is the median over the rounds. PyTorch is left out where it is missing.
"""

import importlib.util
import statistics
import sys
import time

import numpy as np

import minirnn

ASKED_US = 150.0
STEPS, UNITS, FEATURES = 500, 128, 128


def ours(record: bool):
    layer = minirnn.layers.LSTM(UNITS, stateful=True)
    x_BTD = np.random.default_rng(0).normal(size=(1, 1, FEATURES)).astype("float32")
    layer(x_BTD)

    def steps():
        if record:
            for _ in range(STEPS):
                layer(x_BTD)
        else:
            with minirnn.no_grad():
                for _ in range(STEPS):
                    layer(x_BTD)

    return steps


def theirs():
    import torch

    torch.set_num_threads(1)
    cell = torch.nn.LSTMCell(FEATURES, UNITS)
    x_BD = torch.randn(1, FEATURES)

    def steps():
        h, c = torch.zeros(1, UNITS), torch.zeros(1, UNITS)
        with torch.no_grad():
            for _ in range(STEPS):
                h, c = cell(x_BD, (h, c))

    return steps


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    runs = {"minirnn, layer(x)": ours(record=True), "minirnn, layer(x) in no_grad": ours(record=False)}
    if importlib.util.find_spec("torch"):
        runs["PyTorch LSTMCell, no_grad, 1 thread"] = theirs()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, steps in runs.items():
            start = time.perf_counter()
            steps()
            if number:
                times[name].append((time.perf_counter() - start) * 1e6 / STEPS)
    print(f"| one step of LSTM({UNITS}), batch 1, {FEATURES} features | median | lowest |")
    print("| --- | ---: | ---: |")
    for name, values in times.items():
        print(f"| {name} | {statistics.median(values):.0f} µs | {min(values):.0f} µs |")
    median = statistics.median(times["minirnn, layer(x)"])
    print(f"\nasked under {ASKED_US:.0f} µs: {'reached' if median < ASKED_US else 'missed'}")


if __name__ == "__main__":
    main()
