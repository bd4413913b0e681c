"""Loading a `.keras` file of about 10 MB, beside real Keras loading the same file in the same run.

Run ``python tests/benchmarks/bench_load.py [rounds]``. Keras writes the file: an embedding, two LSTMs and a
Dense layer, compiled and trained for one step if the optimizer's state is to be in it. The two take turns;
each figure is a median over the rounds, after one load by each that is not counted.
"""

import os
import statistics
import sys
import tempfile
import time
import warnings

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import numpy as np

from minirnn import saving

ASKED_RATIO = 1.0


def write(path, trained, units) -> None:
    import keras

    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(2000, 128, mask_zero=True),
            keras.layers.LSTM(units, return_sequences=True),
            keras.layers.LSTM(units),
            keras.layers.Dense(100, activation="softmax"),
        ]
    )
    if trained:
        model.compile("adam", "sparse_categorical_crossentropy")
        model.train_on_batch(np.ones((2, 3), "int32"), np.zeros(2, "int32"))
    model.save(path)


def seconds(load, path) -> float:
    start = time.perf_counter()
    load(path)
    return time.perf_counter() - start


def row(what, trained, units, rounds, folder) -> str:
    import keras

    path = os.path.join(folder, f"{units}.keras")
    write(path, trained, units)
    loads = (saving.load_model, keras.saving.load_model)
    ours, theirs = saving.load_model(path).get_weights(), keras.saving.load_model(path).get_weights()
    assert all((a == b).all() for a, b in zip(ours, theirs, strict=True))
    times: tuple[list, list] = ([], [])
    for _ in range(rounds):
        for load, kept in zip(loads, times):
            kept.append(seconds(load, path))
    ours, theirs = map(statistics.median, times)
    verdict = "reached" if ours <= theirs * ASKED_RATIO else "missed"
    size = os.path.getsize(path) / 1e6
    return (
        f"| {what} | {size:.1f} MB | {ours * 1e3:.0f} ms | {theirs * 1e3:.0f} ms | {ours / theirs:.2f} | "
        f"{ASKED_RATIO} | {verdict} |"
    )


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    warnings.simplefilter("ignore")
    print(f"Medians of {rounds} loads, in turns.")
    print("| file | size | minirnn | Keras | ratio | asked | |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | --- |")
    with tempfile.TemporaryDirectory() as folder:
        print(row("weights", False, 400, rounds, folder), flush=True)
        print(row("weights and Adam's state", True, 200, rounds, folder), flush=True)


if __name__ == "__main__":
    main()
