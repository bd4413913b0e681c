"""A program for `test_kills`: for each line of its input, of seconds and a folder, a process that trains.

The process is killed after so many seconds, if it is not done before. Its exit code is written: 0, or minus
the number of the signal. A process that comes to its end leaves what it has learnt in the folder as "result".
"""

import hashlib
import json
import os
import signal
import sys
import time

import numpy as np

import minirnn
from minirnn import callbacks, layers, losses, saving, utils

EPOCHS, BATCHES, SIZE = 3, 5, 4


def train(folder):
    utils.set_random_seed(7)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((BATCHES * SIZE, 5, 3)).astype("float32")
    y = np.arange(len(x)) % 3
    model = minirnn.Sequential(
        [
            layers.Input(batch_shape=(SIZE, 5, 3)),
            layers.LSTM(8, stateful=True, dropout=0.2),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(3),
        ]
    )
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    watching = [
        callbacks.BackupAndRestore(f"{folder}/backup", save_freq=1),
        callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True),
        callbacks.ReduceLROnPlateau("val_loss", patience=1, min_delta=0.1),
        callbacks.CSVLogger(f"{folder}/log.csv"),
        callbacks.ModelCheckpoint(f"{folder}/last.keras", save_freq=4),
    ]
    model.fit(
        x, y, batch_size=SIZE, epochs=EPOCHS, verbose=0, validation_data=(x[:8], y[:8]), callbacks=watching,
        validation_batch_size=SIZE,
    )  # fmt: skip
    learnt = [v.numpy().tobytes() for v in (*model.variables, *model.optimizer.variables)]
    learnt += [state.numpy().tobytes() for state in model.layers[0].states]
    result = {"history": model.history.history, "learnt": hashlib.sha256(b"".join(learnt)).hexdigest()}
    with open(f"{folder}/result", "w") as file:
        json.dump(result, file)


def load_all():
    """Import what would be imported when it is first used, by each process anew."""
    minirnn.Sequential([layers.Input((1,))]).compile("adam", "mse", metrics=["accuracy"])
    for name in callbacks.__all__:
        getattr(callbacks, name)
    for name in saving.__all__:
        getattr(saving, name)


def main():
    load_all()
    for line in sys.stdin:
        seconds, folder = line.rstrip("\n").split(" ", 1)
        end = time.perf_counter() + float(seconds)
        child = os.fork()
        if not child:
            train(folder)
            os._exit(0)
        ended, status = 0, 0
        while not ended and time.perf_counter() < end:
            time.sleep(0.0005)
            ended, status = os.waitpid(child, os.WNOHANG)
        if not ended:
            os.kill(child, signal.SIGKILL)
            ended, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
