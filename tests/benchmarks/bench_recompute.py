"""What `minirnn.recompute` costs and saves on 10,000 steps, beside the same layer without it in the same run.

Run ``python tests/benchmarks/bench_recompute.py [rounds]``. What NumPy takes is counted by tracemalloc, from
before the forward pass to after the gradients, without what stood before. Times are of the same without
tracemalloc, in turn; the figure is the median over the rounds of the ratio within one round.
"""

import gc
import statistics
import sys
import time
import tracemalloc

import numpy as np

import minirnn
from minirnn import kernels, layers, ops

STEPS, UNITS, FEATURES = 10_000, 64, 28
ASKED_SHARE, ASKED_TIME = 1 / 20, 1.5


def training_step(tier: str, batch: int, recomputed: bool):
    """Return a function that runs a forward and backward pass."""
    layer = layers.LSTM(UNITS)
    x_BTD = np.random.default_rng(0).normal(size=(batch, STEPS, FEATURES)).astype("float32")
    layer(x_BTD[:, :2])
    call = minirnn.recompute(layer) if recomputed else layer

    def step() -> None:
        with kernels.use_tier(tier):
            minirnn.grad(ops.sum(call(x_BTD)), layer.trainable_weights)

    return step


def peak_bytes(step) -> int:
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    step()
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    return peak


def seconds(step) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(
        f"| LSTM({UNITS}), {STEPS:,} steps | peak | recomputed | share | time | recomputed | ratio | asked |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    for tier, batch in (("fused", 32), ("fused", 16), ("fused", 1), ("generic", 1)):
        steps = [training_step(tier, batch, recomputed) for recomputed in (False, True)]
        peaks = [peak_bytes(step) for step in steps]
        times = [[seconds(step) for step in steps] for _ in range(rounds if tier == "fused" else 1)]
        share, ratio = peaks[1] / peaks[0], statistics.median(b / a for a, b in times)
        ordinary, recomputed = (statistics.median(t) for t in zip(*times))
        reached = "reached" if share <= ASKED_SHARE and ratio <= ASKED_TIME else "missed"
        print(
            f"| {tier}, batch {batch} | {peaks[0] / 2**20:.1f} MiB | {peaks[1] / 2**20:.2f} MiB | "
            f"1/{1 / share:.0f} | {ordinary:.2f} s | {recomputed:.2f} s | {ratio:.2f} | {reached} |",
            flush=True,
        )
    print(f"\nasked: at most 1/{1 / ASKED_SHARE:.0f} of the memory and {ASKED_TIME} times the time")


if __name__ == "__main__":
    main()
