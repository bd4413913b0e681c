"""`BackupAndRestore`: a run that is broken off anywhere and started again is as one that was left alone."""

import functools
import random as python_random

import numpy as np
import pytest

from minirnn import Input, Model, Sequential, callbacks, layers, losses, optimizers, random, utils
from minirnn.callbacks import state_file
from minirnn.callbacks.backup_and_restore import BackupAndRestore
from minirnn.optimizers import schedules

EPOCHS, BATCHES, SIZE = 3, 4, 4
RNG = np.random.default_rng(0)
X = RNG.standard_normal((BATCHES * SIZE, 3, 2)).astype("float32")
Y = np.arange(BATCHES * SIZE) % 3
RNG_X = RNG.standard_normal((2, 48, 2)).astype("float32")


@pytest.fixture(autouse=True)
def without_waiting_for_the_disk(monkeypatch):
    """Nothing that is killed here takes the system with it."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


class Killed(Exception):
    """Stands for a kill in tests that stay in one process."""


class Killer(callbacks.Callback):
    """Raises once, after a number of batches of a run or, with "epoch", after an epoch."""

    def __init__(self, at, kind="batch"):
        super().__init__()
        self.at, self.kind, self.seen = at, kind, 0

    def _count(self, kind):
        self.seen += kind == self.kind
        if kind == self.kind and self.seen == self.at:
            raise Killed

    def on_train_batch_end(self, batch, logs=None):
        self._count("batch")

    def on_test_batch_end(self, batch, logs=None):
        self._count("test")

    def on_epoch_begin(self, epoch, logs=None):
        self._count("epoch begin")

    def on_epoch_end(self, epoch, logs=None):
        self._count("epoch")


class Last(Killer):
    """One that comes after the backup."""

    runs_last = True


class Noise(layers.Layer):
    """Draws from the generators that all share."""

    def build(self, input_shape):
        self.calls = self.add_weight(shape=(), initializer="zeros", dtype="int32", trainable=False)

    def call(self, x, training=False):
        if not training:
            return x
        self.calls.assign_add(1)
        noise = random.normal(x.shape, stddev=0.1)
        return x + noise + np.float32(python_random.random() + np.random.random())  # noqa: NPY002


def loss():
    return losses.SparseCategoricalCrossentropy(from_logits=True)


def rich(optimizer=None, seed=1):
    """A model of everything that keeps something."""
    utils.set_random_seed(seed)
    model = Sequential(
        [
            Input(batch_shape=(SIZE, 3, 2)),
            layers.LSTM(3, stateful=True, return_sequences=True, dropout=0.3),
            layers.GRU(2, recurrent_dropout=0.2),
            layers.BatchNormalization(),
            Noise(),
            layers.Dropout(0.5),
            layers.Dense(3),
        ]
    )
    model.compile(optimizer or optimizers.Adam(0.01, use_ema=True), loss(), metrics=["accuracy"])
    return model


def plateau_and_stop():
    """Callbacks that remember."""
    return [
        callbacks.EarlyStopping("val_loss", patience=2, min_delta=0.01, restore_best_weights=True),
        callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=0.5),
        callbacks.LearningRateScheduler(lambda epoch, rate: 0.9 * rate),
        callbacks.GradientNorms(),
    ]


def arrays():
    return {"x": X, "y": Y, "batch_size": SIZE, "validation_data": (X[:8], Y[:8]), "validation_batch_size": 4}


def whole_state(model):
    """All that a run leaves, as bytes and numbers."""
    carried = [s.numpy() for layer in model.layers if getattr(layer, "stateful", False) for s in layer.states]
    found = [*(v.numpy() for v in (*model.variables, *model.optimizer.variables)), *carried]
    drawn = [python_random.random(), np.random.random(), random.draw_seed(None)]  # noqa: NPY002
    return [a.tobytes() for a in found], model.history.history, model.history.epoch, drawn


def run(make, data, folder, save_freq, kill=None, others=plateau_and_stop, epochs=EPOCHS, **options):
    """Train a new model, killed once or not, and return it."""
    utils.clear_session()  # as in a new process
    model, watching = make(), others()
    backup = BackupAndRestore(folder, save_freq, **options)
    model.fit(epochs=epochs, verbose=0, callbacks=[backup, *watching, *([kill] if kill else [])], **data())
    return model


@functools.cache
def left_alone(make, data, others, folder):
    return whole_state(run(make, data, folder / "alone", False, others=others))


def assert_kill_leaves_no_trace(tmp_path, save_freq, kill, make=rich, data=arrays, others=plateau_and_stop):
    alone = left_alone(make, data, others, tmp_path.parent)
    with pytest.raises(Killed):
        run(make, data, tmp_path / "killed", save_freq, kill, others=others)
    again = whole_state(run(make, data, tmp_path / "killed", save_freq, others=others))
    assert again == alone


@pytest.mark.parametrize(
    "at, save_freq",
    [*((at, 1) for at in range(1, EPOCHS * BATCHES + 1)), (7, 3), (12, 3), (3, "epoch"), (9, "epoch")],
)
def test_a_run_that_is_killed_at_any_batch_ends_as_one_that_is_left_alone(tmp_path, save_freq, at):
    assert_kill_leaves_no_trace(tmp_path, save_freq, Last(at))


@pytest.mark.parametrize("save_freq", [1, "epoch"])
@pytest.mark.parametrize("killer", [Killer, Last])
@pytest.mark.parametrize("kind, at", [("epoch", 1), ("epoch", 2), ("epoch begin", 2), ("test", 3)])
def test_a_kill_at_the_border_of_two_epochs_or_in_validation_is_no_other(
    tmp_path, save_freq, killer, kind, at
):
    assert_kill_leaves_no_trace(tmp_path, save_freq, killer(at, kind))


def test_a_run_may_be_killed_again_and_again(tmp_path):
    alone = left_alone(rich, arrays, plateau_and_stop, tmp_path.parent)
    for _ in range(EPOCHS * BATCHES - 1):
        with pytest.raises(Killed):
            run(rich, arrays, tmp_path / "killed", 1, Last(1))
    assert whole_state(run(rich, arrays, tmp_path / "killed", 1)) == alone


OPTIMIZERS = {
    "accumulating": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True, gradient_accumulation_steps=3),
    "nadam": lambda: optimizers.Nadam(0.01),
    "rmsprop": lambda: optimizers.RMSprop(0.01, momentum=0.5, centered=True, weight_decay=0.01),
    "schedule": lambda: optimizers.Lion(schedules.CosineDecay(0.01, 9, warmup_target=0.02, warmup_steps=3)),
    "scaling": lambda: optimizers.LossScaleOptimizer(optimizers.Adamax(0.01), dynamic_growth_steps=2),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_on_as_it_was(tmp_path, name):
    assert_kill_leaves_no_trace(tmp_path, 1, Last(5), make=lambda: rich(OPTIMIZERS[name]()), others=list)


def small():
    utils.set_random_seed(1)
    model = Sequential([Input((3, 2)), layers.Flatten(), layers.Dropout(0.3), layers.Dense(3)])
    model.compile("adam", loss(), metrics=["accuracy"])
    return model


class Batches(utils.PyDataset):
    """A sequence of batches, loaded on two threads."""

    def __len__(self):
        return BATCHES

    def __getitem__(self, index):
        part = slice(index * SIZE, (index + 1) * SIZE)
        return X[part], Y[part]


class Iterable:
    """Batches in an order that is drawn from NumPy's old generator as each is made."""

    def __iter__(self):
        for _ in range(BATCHES):
            index = np.random.randint(len(X), size=SIZE)  # noqa: NPY002
            yield X[index], Y[index]


def endless():
    while True:
        yield from Iterable()


DATA = {
    "batches in another order": lambda: {"x": X, "y": Y, "batch_size": SIZE, "shuffle": "batch"},
    "a sequence": lambda: {"x": Batches(workers=2)},
    "an iterable": lambda: {"x": Iterable()},
    "an endless generator": lambda: {"x": endless(), "steps_per_epoch": BATCHES},
    "arrays in other steps": lambda: {"x": X, "y": Y, "batch_size": SIZE, "steps_per_epoch": 3},
    "validation by a generator": lambda: {
        "x": X, "y": Y, "batch_size": SIZE, "validation_data": endless(), "validation_steps": 2,
    },
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:The data ended after")
@pytest.mark.parametrize("at, save_freq", [(2, 1), (3, 1), (4, 1), (5, 1), (7, 1), (7, "epoch")])
@pytest.mark.parametrize("name", DATA)
def test_every_kind_of_data_goes_on_where_it_was(tmp_path, name, at, save_freq):
    assert_kill_leaves_no_trace(tmp_path, save_freq, Last(at), make=small, data=DATA[name], others=list)


@pytest.mark.filterwarnings("ignore:The data ended after")
@pytest.mark.parametrize("steps", [None, 3])
@pytest.mark.parametrize("at", [2, 4, 5, 7])
def test_pieces_of_long_sequences_go_on_with_the_states_that_they_had(tmp_path, at, steps):
    def make():
        utils.set_random_seed(1)
        lstm = layers.LSTM(3, stateful=True, return_sequences=True, dropout=0.2)
        model = Sequential([Input(batch_shape=(2, None, 2)), lstm, layers.Dense(1)])
        model.compile("adam", "mse")
        return model

    def data():
        x = RNG_X.reshape(2, -1, 2)
        return {
            "x": utils.StatefulChunks(x, x[..., :1], chunk_length=12, workers=2),
            "steps_per_epoch": steps,
        }

    assert_kill_leaves_no_trace(tmp_path, 1, Last(at), make=make, data=data, others=list)


def test_steps_per_execution_do_not_matter(tmp_path):
    def make():
        model = small()
        model.steps_per_execution = 3
        return model

    assert_kill_leaves_no_trace(tmp_path, 2, Last(3), make=make, others=list)


def test_the_restarted_program_need_not_have_the_same_seed(tmp_path):
    alone = left_alone(rich, arrays, plateau_and_stop, tmp_path.parent)
    with pytest.raises(Killed):
        run(rich, arrays, tmp_path / "killed", 1, Last(6))
    assert whole_state(run(lambda: rich(seed=99), arrays, tmp_path / "killed", 1)) == alone


class Own(Model):
    """A model with a step of its own, which is not tried out before training."""

    def __init__(self):
        super().__init__()
        self.gru = layers.GRU(3, stateful=True)
        self.dense = layers.Dense(3)

    def call(self, x, training=False):
        return self.dense(self.gru(x))

    def train_step(self, data):
        return super().train_step(data)


def own():
    utils.set_random_seed(3)
    model = Own()
    model.compile("adam", loss(), metrics=["accuracy"])
    return model


def test_what_is_made_by_the_first_step_is_made_before_it_is_restored(tmp_path):
    assert_kill_leaves_no_trace(tmp_path, 1, Last(6), make=own, others=list)


def test_a_run_that_was_to_stop_stops(tmp_path):
    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = True

    for folder, kill in (("alone", None), ("killed", Last(1)), ("killed", None)):
        make = small
        if kill:
            with pytest.raises(Killed):
                run(make, arrays, tmp_path / folder, 1, kill, others=lambda: [Stop()])
            continue
        model = run(make, arrays, tmp_path / folder, 1, others=lambda: [Stop()])
        assert model.history.epoch == [0] and int(model.optimizer.iterations) == 1


def test_files_of_other_callbacks_are_the_same_too(tmp_path):
    for folder, kill in (("alone", None), ("killed", Last(6)), ("killed", None)):
        others = lambda folder=folder: [callbacks.CSVLogger(tmp_path / f"{folder}.csv")]
        if kill:
            with pytest.raises(Killed):
                run(small, arrays, tmp_path / folder, 1, kill, others=others)
        else:
            run(small, arrays, tmp_path / folder, 1, others=others)
    assert (tmp_path / "killed.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()
    assert len((tmp_path / "alone.csv").read_text().splitlines()) == 1 + EPOCHS


# The file.


def killed(tmp_path, at=6, **options):
    with pytest.raises(Killed):
        run(small, arrays, tmp_path / "b", 1, Last(at), others=list, **options)


def test_the_backup_is_removed_when_training_ends_and_nothing_else_is(tmp_path):
    run(small, arrays, tmp_path / "gone", "epoch", others=list)
    assert not (tmp_path / "gone").exists()
    killed(tmp_path)
    (tmp_path / "b" / "mine.txt").write_text("mine")
    run(small, arrays, tmp_path / "b", 1, others=list)
    assert [f.name for f in (tmp_path / "b").iterdir()] == ["mine.txt"]
    run(small, arrays, tmp_path / "kept", "epoch", others=list, delete_checkpoint=False)
    assert [f.name for f in (tmp_path / "kept").iterdir()] == ["latest.npz"]
    # All epochs are done: there is nothing more to do.
    model = run(small, arrays, tmp_path / "kept", "epoch", others=list, delete_checkpoint=False)
    assert model.history.epoch == list(range(EPOCHS)) and int(model.optimizer.iterations) == EPOCHS * BATCHES
    model = run(small, arrays, tmp_path / "kept", "epoch", others=list, epochs=EPOCHS + 1)
    assert model.history.epoch == list(range(EPOCHS + 1))


def test_a_damaged_backup_is_told_and_the_one_before_is_taken_where_it_was_kept(tmp_path):
    killed(tmp_path)
    path = tmp_path / "b" / "latest.npz"
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(OSError, match=r"latest\.npz cannot be read.*Remove it"):
        run(small, arrays, tmp_path / "b", 1)
    path.unlink()
    alone = whole_state(run(small, arrays, tmp_path / "alone", 1, others=list))
    killed(tmp_path, double_checkpoint=True)
    path.write_bytes(b"")
    with pytest.warns(UserWarning, match="goes on from the one before"):
        model = run(small, arrays, tmp_path / "b", 1, others=list, double_checkpoint=True)
    assert whole_state(model) == alone
    assert not (tmp_path / "b").exists()


def test_what_a_kill_in_the_middle_of_writing_left_is_removed(tmp_path):
    killed(tmp_path)
    (tmp_path / "b" / ".latest.npz.0123abcd.tmp").write_bytes(b"half")
    run(small, arrays, tmp_path / "b", 1)
    assert not (tmp_path / "b").exists()


def test_a_backup_of_another_model_or_of_other_data_is_refused_before_anything_changes(tmp_path):
    def wider():
        utils.set_random_seed(1)
        model = Sequential([Input((3, 2)), layers.Flatten(), layers.Dropout(0.3), layers.Dense(4)])
        model.compile("adam", loss(), metrics=["accuracy"])
        return model

    def other_optimizer():
        model = small()
        model.compile("sgd", loss(), metrics=["accuracy"])
        return model

    killed(tmp_path)
    model = wider()
    before = [v.numpy().tobytes() for v in model.variables]
    with pytest.raises(ValueError, match=r"does not fit.*kernel.*\(6, 4\).*\(6, 3\).*remove the backup"):
        model.fit(X, Y, batch_size=SIZE, verbose=0, callbacks=[BackupAndRestore(tmp_path / "b")])
    assert [v.numpy().tobytes() for v in model.variables] == before
    with pytest.raises(ValueError, match="variables of the optimizer; in the backup"):
        run(other_optimizer, arrays, tmp_path / "b", 1)
    with pytest.raises(ValueError, match=r"middle of an epoch, and there were 4 batches.*now there are 8"):
        run(small, lambda: {**arrays(), "batch_size": 2}, tmp_path / "b", 1)


@pytest.mark.parametrize("wrong", ["batch", 0, -1, 2.5, True, None])
def test_a_save_freq_that_is_none_is_refused(wrong, tmp_path):
    with pytest.raises(ValueError, match="save_freq must be"):
        BackupAndRestore(tmp_path, wrong)


def test_an_empty_folder_name_is_refused_and_false_writes_nothing(tmp_path):
    with pytest.raises(ValueError, match="backup_dir is empty"):
        BackupAndRestore("")
    with pytest.raises(Killed):
        run(small, arrays, tmp_path / "b", False, Last(6))
    assert not list((tmp_path / "b").iterdir())


def test_a_state_of_any_form_is_read_as_it_was_written(tmp_path):
    state = {
        "a": [1, 2.5, None, True, float("inf"), "array:0", "array::1", ""],
        "nested": {"b": np.arange(6, dtype="uint32").reshape(2, 3), "c": [np.float16(0.1), np.zeros((0, 2))]},
        "exact": [0.1, 1e-310, 2**70],
    }
    state_file.write_state(tmp_path / "s.npz", state)
    back = state_file.read_state(tmp_path / "s.npz")
    assert back["a"] == state["a"] and back["exact"] == state["exact"]
    np.testing.assert_array_equal(back["nested"]["b"], state["nested"]["b"])
    assert back["nested"]["b"].dtype == "uint32" and back["nested"]["c"][0] == float(np.float16(0.1))
    assert back["nested"]["c"][1].shape == (0, 2)
    for wrong, place in (
        ({"a": {1: 2}}, r"got 1 in state\['a'\]"),
        ({"a": [object()]}, r"state\['a'\]\[0\]"),
    ):
        with pytest.raises(TypeError, match=place):
            state_file.write_state(tmp_path / "s.npz", wrong)
    assert state_file.read_state(tmp_path / "s.npz")["a"] == state["a"]
