"""Peak memory of a training step by the number of time steps: linear, with the constant printed.

Run ``python tests/benchmarks/bench_memory.py``. What NumPy takes is counted by tracemalloc, from before the
forward pass to after the gradients. The last row trains 10,000 steps at batch 1 on either tier.
"""

import gc
import time
import tracemalloc

import numpy as np

import minirnn
from minirnn import kernels, layers, ops

UNITS, FEATURES = 64, 28


def peak_bytes(tier: str, steps: int, batch: int) -> tuple[int, float]:
    """Return the peak memory of a forward and backward pass beyond what stood before, and its seconds."""
    layer = layers.LSTM(UNITS)
    x_BTD = np.zeros((batch, steps, FEATURES), "float32")
    layer(x_BTD[:, :2])
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    start = time.perf_counter()
    with kernels.use_tier(tier):
        loss = ops.sum(layer(x_BTD))
        minirnn.grad(loss, layer.trainable_weights)
    seconds = time.perf_counter() - start
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    return peak, seconds


def main() -> None:
    print(f"| LSTM({UNITS}), {FEATURES} features | steps | peak | bytes a step and sequence |")
    print("| --- | ---: | ---: | ---: |")
    for tier, batch, lengths in (
        ("fused", 16, (250, 500, 1000, 2000)),
        ("generic", 16, (125, 250, 500)),
        ("fused", 1, (10_000,)),
        ("generic", 1, (10_000,)),
    ):
        peaks = [peak_bytes(tier, steps, batch)[0] for steps in lengths]
        for steps, peak in zip(lengths, peaks):
            share = peak / (steps * batch)
            print(f"| {tier}, batch {batch} | {steps} | {peak / 2**20:.1f} MiB | {share:.0f} |")
        if len(lengths) > 1:
            slope, constant = np.polyfit(lengths, peaks, 1)
            residual = np.abs(np.polyval((slope, constant), lengths) / peaks - 1).max()
            print(
                f"| {tier}, line through these | | {constant / 2**20:.1f} MiB + {slope / batch:.0f} bytes "
                f"a step and sequence | off by at most {100 * residual:.1f} % |"
            )


if __name__ == "__main__":
    main()
