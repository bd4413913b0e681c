"""The CTC loss forward and backward, beside PyTorch's `ctc_loss` on the CPU in the same run.

Run ``python tests/benchmarks/bench_ctc.py [rounds]``. Batch 32, 200 frames, 40 symbols a label, 30 classes,
float32, from logits to the gradient of the logits: PyTorch's softmax is counted, as it is part of ours. Once
all rows have their full lengths, once they have lengths of their own. PyTorch gets its logits as it wants
them, (frames, batch, classes), and runs with 1 thread and with 2; ours uses one. They take turns, each for
blocks of 5 calls; the figure is a median over the rounds, of a block's time by its calls.
"""

import statistics
import sys
import time

import numpy as np

import minirnn
from minirnn import ops

ASKED_RATIO = 2.0
B, T, L, C = 32, 200, 40, 30
CALLS = 5


def ours(logits, labels, label_lengths, lengths):
    inputs = minirnn.Tensor(logits, requires_grad=True)
    loss = lambda: ops.sum(ops.ctc_loss(labels, inputs, label_lengths, lengths))
    return lambda: minirnn.grad(loss(), [inputs])


def of_torch(threads, logits, labels, label_lengths, lengths):
    import torch

    inputs = torch.tensor(logits.swapaxes(0, 1).copy(), requires_grad=True)
    target, target_lengths, input_lengths = map(torch.tensor, (labels, label_lengths, lengths))

    def step():
        torch.set_num_threads(threads)
        logp = torch.log_softmax(inputs, -1)
        loss = torch.nn.functional.ctc_loss(logp, target, input_lengths, target_lengths, reduction="sum")
        return torch.autograd.grad(loss, [inputs])

    return step


def milliseconds(call) -> float:
    start = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - start) * 1e3 / CALLS


def measure(what, rounds, *batch) -> float:
    """Print the medians and return the ratio to the faster PyTorch."""
    import torch

    name = f"PyTorch {torch.__version__}"
    steps = {"minirnn": ours(*batch)}
    steps |= {f"{name}, {n} thread{'s' * (n > 1)}": of_torch(n, *batch) for n in (1, 2)}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + 1):
        for name, step in steps.items():
            value = milliseconds(step)
            if number:
                times[name].append(value)
    print(f"| CTC, B{B} T{T}, {L} symbols, {C} classes, {what} | median | lowest |")
    print("| --- | ---: | ---: |")
    for name, found in times.items():
        print(f"| {name} | {statistics.median(found):.1f} ms | {min(found):.1f} ms |")
    one, *others = times.values()
    ratios = [statistics.median(a / b for a, b in zip(one, other)) for other in others]
    print(f"\nratio {ratios[0]:.2f} to 1 thread, {ratios[1]:.2f} to 2\n")
    return max(ratios)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((B, T, C)).astype("float32")
    labels = rng.integers(1, C, (B, L))
    ratio = measure("all full", rounds, logits, labels, np.full(B, L), np.full(B, T))
    own = rng.integers(L // 2, L + 1, B), rng.integers(T // 2, T + 1, B)
    ratio = max(ratio, measure("lengths of their own", rounds, logits, labels, *own))
    print(f"asked at most {ASKED_RATIO}: {'reached' if ratio <= ASKED_RATIO else 'missed'}")


if __name__ == "__main__":
    main()
