"""A fit step of the guide's digit model (batch 64), beside Keras on JAX in the same run.

Run ``python tests/benchmarks/bench_fit_step.py [rounds]``. Both train the same model on the same digits, an
epoch of 125 steps each in turn, after one epoch that is not counted; the figure is the median over the rounds
of an epoch's time by its steps.
"""

import os
import statistics
import sys
import time

os.environ.setdefault("KERAS_BACKEND", "jax")

import minirnn

ASKED_RATIO = 2.0


def train(library, x, y):
    """Return a function that trains one epoch and returns milliseconds a step."""
    layers = library.layers
    model = library.Sequential(
        [layers.Input((28, 28)), layers.LSTM(64), layers.BatchNormalization(), layers.Dense(10)]
    )
    loss = library.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(loss=loss, optimizer="adam", metrics=["accuracy"])

    def epoch() -> float:
        start = time.perf_counter()
        model.fit(x, y, batch_size=64, epochs=1, verbose=0)
        return (time.perf_counter() - start) * 1e3 / (len(x) // 64)

    return epoch


def main() -> None:
    import keras

    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    (x, y), _ = minirnn.datasets.mnist.load_data()
    x = (x / 255.0).astype("float32")
    epochs = {"minirnn": train(minirnn, x, y), f"Keras {keras.__version__} on JAX": train(keras, x, y)}
    times: dict[str, list[float]] = {name: [] for name in epochs}
    for number in range(rounds + 1):
        for name, epoch in epochs.items():
            value = epoch()
            if number:
                times[name].append(value)
    ours, theirs = times.values()
    ratio = statistics.median(a / b for a, b in zip(ours, theirs))
    print("| fit step, digit model, batch 64 | median | lowest |")
    print("| --- | ---: | ---: |")
    for name, values in times.items():
        print(f"| {name} | {statistics.median(values):.2f} ms | {min(values):.2f} ms |")
    print(
        f"\nratio {ratio:.2f}, asked at most {ASKED_RATIO}: {'reached' if ratio <= ASKED_RATIO else 'missed'}"
    )


if __name__ == "__main__":
    main()
