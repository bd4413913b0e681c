"""A `Conv1D` forward and backward, beside PyTorch's on the CPU in the same run.

Run ``python tests/benchmarks/bench_conv1d.py [rounds]``. Batch 64, 100 steps, 64 features to 64, windows of
5, float32, gradients by inputs, kernel and bias; PyTorch gets its inputs as it wants them, (batch, features,
steps). The two take turns, each for blocks of 10 calls so that its threads are awake; the figure is a median
over the rounds, of a block's time by its calls.
"""

import statistics
import sys
import time

import numpy as np

import minirnn
from minirnn import layers

ASKED_RATIO = 3.0
B, T, C, F, K = 64, 100, 64, 64, 5
CALLS = 10


def ours(x, cotangent):
    layer = layers.Conv1D(F, K)
    layer(x)
    inputs = minirnn.Tensor(x, requires_grad=True)
    sources = [inputs, *layer.trainable_weights]
    return lambda: layer(inputs), lambda: minirnn.grad(layer(inputs), sources, cotangent)


def of_torch(x, cotangent):
    import torch

    layer = torch.nn.Conv1d(C, F, K)
    inputs = torch.tensor(x.swapaxes(1, 2).copy(), requires_grad=True)
    upstream = torch.tensor(cotangent.swapaxes(1, 2).copy())
    sources = [inputs, *layer.parameters()]
    return lambda: layer(inputs), lambda: torch.autograd.grad(layer(inputs), sources, upstream)


def milliseconds(call) -> float:
    start = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - start) * 1e3 / CALLS


def main() -> None:
    import torch

    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    rng = np.random.default_rng(0)
    x = rng.standard_normal((B, T, C)).astype("float32")
    cotangent = rng.standard_normal((B, T - K + 1, F)).astype("float32")
    libraries = {"minirnn": ours(x, cotangent), f"PyTorch {torch.__version__}": of_torch(x, cotangent)}
    print(f"| Conv1D, B{B} T{T} C{C} to {F}, window {K} | forward | forward and backward |")
    print("| --- | ---: | ---: |")
    times = {name: ([], []) for name in libraries}
    for number in range(rounds + 1):
        for name, calls in libraries.items():
            for call, found in zip(calls, times[name]):
                value = milliseconds(call)
                if number:
                    found.append(value)
    for name, found in times.items():
        print(f"| {name} | {' | '.join(f'{statistics.median(f):.2f} ms' for f in found)} |")
    (_, one), (_, other) = times.values()
    ratio = statistics.median(a / b for a, b in zip(one, other))
    print(
        f"\nratio {ratio:.2f}, asked at most {ASKED_RATIO}: {'reached' if ratio <= ASKED_RATIO else 'missed'}"
    )


if __name__ == "__main__":
    main()
