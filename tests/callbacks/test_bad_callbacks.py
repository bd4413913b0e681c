"""What is wrong with callbacks is said before training starts, with what to do."""

import os
import warnings

import numpy as np
import pytest

from minirnn import Input, Model, Sequential, callbacks, layers, optimizers
from minirnn.optimizers import schedules

X, Y = np.ones((8, 3), "float32"), np.ones((8, 2), "float32")


def model(optimizer="sgd", **options):
    found = Sequential([Input((3,)), layers.Dense(2)])
    found.compile(optimizer, "mse", metrics=["mae", "cosine_similarity"], **options)
    return found


def refused(match, *found, error=ValueError, trained=None, **options):
    """Assert that `fit` refuses callbacks before a weight has changed."""
    trained = trained or model()
    before = [v.numpy().tobytes() for v in trained.variables]
    with pytest.raises(error, match=match):
        trained.fit(X, Y, verbose=0, callbacks=list(found), **options)
    assert [v.numpy().tobytes() for v in trained.variables] == before
    assert trained._run is None


WRONG = {
    "patience below 0": (lambda: callbacks.EarlyStopping(patience=-1), "patience.*0 or more; got -1"),
    "half an epoch": (lambda: callbacks.EarlyStopping(patience=2.5), "patience.*integer.*2.5"),
    "a start before the first": (
        lambda: callbacks.EarlyStopping(start_from_epoch=-1),
        "start_from_epoch.*got -1",
    ),
    "a plateau's patience": (lambda: callbacks.ReduceLROnPlateau(patience=-3), "patience.*got -3"),
    "a cooldown": (lambda: callbacks.ReduceLROnPlateau(cooldown=-1), "cooldown.*got -1"),
    "a factor of 1": (lambda: callbacks.ReduceLROnPlateau(factor=1.0), "factor must be below 1.*1.0"),
    "a factor of 0": (lambda: callbacks.ReduceLROnPlateau(factor=0), "factor must be a number above 0"),
    "a lowest rate": (lambda: callbacks.ReduceLROnPlateau(min_lr=-1e-3), "min_lr.*0 or more"),
    "save_freq of 0": (lambda: callbacks.ModelCheckpoint("a.keras", save_freq=0), "save_freq.*got 0"),
    "save_freq of text": (
        lambda: callbacks.ModelCheckpoint("a.keras", save_freq="b"),
        "'epoch' or a number.*'b'",
    ),
    "an ending": (lambda: callbacks.ModelCheckpoint("a.txt"), r"end in \.keras or \.h5; got 'a\.txt'"),
    "the ending of a model": (
        lambda: callbacks.ModelCheckpoint("a.keras", save_weights_only=True),
        r"save_weights_only=True.*end in \.weights\.h5",
    ),
    "every 0 steps": (lambda: callbacks.GradientNorms(every=0), "every.*1 or more"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_argument_out_of_range_is_refused(case):
    make, match = WRONG[case]
    with pytest.raises(ValueError, match=match):
        make()


def test_a_schedule_that_is_no_function_and_a_separator_of_two_are_refused():
    with pytest.raises(TypeError, match=r"schedule must be a function.*got float"):
        callbacks.LearningRateScheduler(0.1)
    with pytest.raises(TypeError, match="separator must be one character"):
        callbacks.CSVLogger("a.csv", separator=", ")


def test_an_unknown_mode_is_warned_of_with_the_nearest():
    with pytest.warns(UserWarning, match="'auto' is taken. Did you mean 'min'") as caught:
        assert callbacks.EarlyStopping(mode="minimum").mode == "auto"
    assert caught[0].filename == __file__ or "early_stopping" in caught[0].filename


MONITORS = [callbacks.EarlyStopping, callbacks.ReduceLROnPlateau]


@pytest.mark.parametrize("kind", MONITORS)
def test_a_monitor_whose_direction_cannot_be_told_is_refused_with_the_nearest(kind):
    refused(
        rf"{kind.__name__}: which way 'val_cosin_similarity' is better.*mode='min'.*loss, mae, "
        "cosine_similarity.*Did you mean 'cosine_similarity'",
        kind("val_cosin_similarity"),
    )


def test_a_best_model_by_an_unknown_value_is_refused(tmp_path):
    path = tmp_path / "a.keras"
    refused("which way 'mea' is better", callbacks.ModelCheckpoint(path, "mea", save_best_only=True))


@pytest.mark.parametrize("kind", MONITORS)
def test_a_monitor_that_is_not_in_the_logs_is_warned_of_with_the_nearest(kind):
    with pytest.warns(UserWarning, match="have no 'maee', so.*loss, mae.*Did you mean 'mae'"):
        model().fit(X, Y, verbose=0, callbacks=[kind("maee", mode="min")])
    with pytest.warns(UserWarning, match=r"'val_loss'.*no validation: pass validation_data.*'loss'"):
        model().fit(X, Y, verbose=0, callbacks=[kind()])


def test_the_direction_is_that_of_the_metric_of_an_output_too():
    x = Input((3,))
    outputs = {"a": layers.Dense(1, name="a")(x), "b": layers.Dense(1, name="b")(x)}
    trained = Model(x, outputs)
    trained.compile(
        "sgd", {"a": "mse", "b": "mse"}, metrics={"a": ["cosine_similarity"], "b": ["mae", "accuracy"]}
    )
    names = {
        "a_cosine_similarity": "gt",
        "val_b_mae": "lt",
        "b_accuracy": "gt",
        "val_a_loss": "lt",
        "loss": "lt",
    }
    found = [callbacks.EarlyStopping(name) for name in names]
    targets = {"a": Y[:, :1], "b": Y[:, :1]}
    trained.fit(X, targets, validation_data=(X, targets), verbose=0, callbacks=found)
    assert [one.monitor_op.__name__ for one in found] == list(names.values())


def test_a_rate_that_cannot_be_set_is_refused():
    scheduled = lambda: model(optimizers.SGD(schedules.ExponentialDecay(0.1, 10, 0.9)))
    for callback in (
        callbacks.ReduceLROnPlateau("loss"),
        callbacks.LearningRateScheduler(lambda epoch, rate: rate),
    ):
        refused("has a schedule or a callable", callback, error=TypeError, trained=scheduled())
    with pytest.raises(ValueError, match="must return a float; for epoch 0 it returned 1"):
        model().fit(X, Y, verbose=0, callbacks=[callbacks.LearningRateScheduler(lambda epoch, rate: 1)])


# Files.


def test_two_callbacks_of_one_file_are_refused(tmp_path):
    name = str(tmp_path / "a.keras")
    pairs = [
        (
            callbacks.CSVLogger(tmp_path / "a.csv"),
            callbacks.CSVLogger(f"{tmp_path}/../{tmp_path.name}/a.csv"),
        ),
        (callbacks.ModelCheckpoint(name), callbacks.ModelCheckpoint(name, "loss", save_best_only=True)),
        (callbacks.BackupAndRestore(tmp_path / "b"), callbacks.BackupAndRestore(tmp_path / "b", 2)),
    ]
    for pair in pairs:
        refused(f"{type(pair[0]).__name__}: .* is written by another callback", *pair)
    assert not (tmp_path / "a.csv").exists()


def writers(folder):
    return [
        callbacks.CSVLogger(os.path.join(folder, "a.csv")),
        callbacks.ModelCheckpoint(os.path.join(folder, "{epoch}.keras")),
        callbacks.ModelCheckpoint(os.path.join(folder, "{epoch}", "a.keras")),
        callbacks.BackupAndRestore(os.path.join(folder, "backup")),
    ]


def test_a_folder_that_cannot_be_written_to_is_named_before_training_starts(tmp_path):
    for writer in writers("/proc/minirnn") if os.path.isdir("/proc") else []:
        where = type(writer).__name__
        refused(f"{where}: the folder '/proc/minirnn.* cannot be written to", writer, error=OSError)
    (tmp_path / "file").write_text("")
    for writer in writers(str(tmp_path / "file")):
        refused("file.*cannot be written to", writer, error=OSError)


def test_a_folder_where_a_file_is_to_be_is_refused(tmp_path):
    (tmp_path / "a.csv").mkdir()
    refused("a.csv' is a folder", callbacks.CSVLogger(tmp_path / "a.csv"), error=IsADirectoryError)


def test_folders_are_made(tmp_path):
    logger = callbacks.CSVLogger(tmp_path / "new" / "deep" / "a.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model().fit(X, Y, verbose=0, callbacks=[logger])
    assert len((tmp_path / "new" / "deep" / "a.csv").read_text().splitlines()) == 2


def test_a_placeholder_that_is_not_known_is_named_with_those_there_are(tmp_path):
    checkpoint = callbacks.ModelCheckpoint(tmp_path / "{epoch}-{vall_loss:.2f}.keras")
    with pytest.raises(KeyError, match=r"vall_loss.*epoch, cosine_similarity, loss, mae"):
        model().fit(X, Y, verbose=0, callbacks=[checkpoint])


# Data that ends or breaks.


def test_a_generator_that_ends_early_is_warned_of_and_leaves_its_history():
    batches = ((X[:4], Y[:4]) for _ in range(5))
    trained = model()
    with pytest.warns(UserWarning, match=r"ended after 1 of 2 batches.*steps \* epochs"):
        history = trained.fit(batches, steps_per_epoch=2, epochs=4, verbose=0)
    assert history.epoch == [0, 1, 2] and int(trained.optimizer.iterations) == 5


def test_a_generator_that_raises_leaves_the_epochs_that_were_whole():
    def batches():
        for _ in range(5):
            yield X[:4], Y[:4]
        raise RuntimeError("the disk is gone")

    trained = model()
    with pytest.raises(RuntimeError, match="the disk is gone"):
        trained.fit(batches(), steps_per_epoch=2, epochs=4, verbose=0)
    assert trained.history.epoch == [0, 1] and int(trained.optimizer.iterations) == 5
    trained.fit(X, Y, verbose=0)


@pytest.mark.parametrize("split", [1.0, 1.5, -0.1, "0.2"])
def test_a_validation_split_outside_of_0_and_1_is_refused(split):
    refused(r"validation_split must be in \(0, 1\)", validation_split=split)
