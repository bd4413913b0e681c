"""Callbacks: who is called when, with what, and what is refused."""

import numpy as np
import pytest

from minirnn import Input, Sequential, layers, ops
from minirnn.callbacks import Callback, CallbackList, History, LambdaCallback, ProgbarLogger
from minirnn.callbacks.callback import HOOKS
from minirnn.callbacks.callback_list import plain_logs

X, Y = np.ones((6, 3), "float32"), np.ones((6, 2), "float32")


def model():
    found = Sequential([Input((3,)), layers.Dense(2)])
    found.compile("sgd", "mse", metrics=["mae"])
    return found


def noting(notes):
    def hook(name):
        return lambda *args, **kwargs: notes.append((name, *args))

    return LambdaCallback(
        **{
            name: hook(name)
            for name in HOOKS
            if name != "on_gradients" and ("_batch_" not in name or name.count("_") > 2)
        }
    )


def test_fit_calls_the_hooks_in_order():
    notes = []
    model().fit(X, Y, batch_size=3, epochs=1, validation_data=(X, Y), callbacks=noting(notes), verbose=0)
    batches = ["on_train_batch_begin", "on_train_batch_end"] * 2
    tests = ["on_test_begin", *["on_test_batch_begin", "on_test_batch_end"] * 2, "on_test_end"]
    expected = ["on_train_begin", "on_epoch_begin", *batches, *tests, "on_epoch_end", "on_train_end"]
    assert [note[0] for note in notes] == expected
    assert [note[1] for note in notes if note[0] == "on_train_batch_end"] == [0, 1]
    logs = notes[-1][1]
    assert list(logs) == ["loss", "mae", "val_loss", "val_mae"]
    assert all(type(value) is float for value in logs.values())


def test_evaluate_and_predict_call_theirs():
    notes = []
    model().evaluate(X, Y, callbacks=noting(notes), verbose=0)
    model().predict(X, callbacks=[noting(notes)], verbose=0)
    one = [f"on_{{}}_{end}" for end in ("begin", "batch_begin", "batch_end", "end")]
    assert [n[0] for n in notes] == [hook.format(kind) for kind in ("test", "predict") for hook in one]
    outputs = next(n for n in notes if n[0] == "on_predict_batch_end")[2]["outputs"]
    assert outputs.shape == (6, 2)


BATCH_HOOKS = [name for name in HOOKS if "_batch_" in name and name.count("_") > 2]


def run_all(callback):
    used = model()
    used.fit(X, Y, batch_size=3, callbacks=[callback], verbose=0)
    used.evaluate(X, Y, batch_size=3, callbacks=[callback], verbose=0)
    used.predict(X, batch_size=3, callbacks=[callback], verbose=0)


def test_a_hook_of_a_batch_gets_its_logs_by_name_as_in_keras():
    notes = []

    def hook(name):
        return lambda self, batch, *, logs=None: notes.append((name, batch, logs))

    run_all(type("ByName", (Callback,), {name: hook(name) for name in BATCH_HOOKS})())
    assert sorted({name for name, *_ in notes}) == sorted(BATCH_HOOKS)
    assert {batch for _, batch, _ in notes} == {0, 1}
    assert all(type(logs) is dict and bool(logs) is name.endswith("end") for name, _, logs in notes)


@pytest.mark.parametrize(
    "make",
    [
        lambda notes: lambda b, values: notes.append((b, values)),
        lambda notes: lambda *args: notes.append(args),
        lambda notes: lambda *args, **named: notes.append(args),
        lambda notes: lambda batch, *, logs: notes.append((batch, logs)),
        lambda notes: lambda batch, **named: notes.append((batch, named["logs"])),
    ],
)
def test_a_function_as_a_hook_of_a_batch_may_call_its_arguments_as_it_likes(make):
    notes = []
    run_all(LambdaCallback(**{name: make(notes) for name in BATCH_HOOKS}))
    assert [batch for batch, _ in notes] == [0, 0, 1, 1] * 3
    assert all(type(logs) is dict for _, logs in notes)


def test_the_older_names_of_the_batch_hooks_are_called_too():
    class Old(Callback):
        def __init__(self):
            super().__init__()
            self.seen = []

        def on_batch_begin(self, batch, logs=None):
            self.seen.append(("begin", batch))

        def on_batch_end(self, batch, logs=None):
            self.seen.append(("end", batch, sorted(logs)))

    old = Old()
    model().fit(X, Y, callbacks=[old], verbose=0)
    assert old.seen == [("begin", 0), ("end", 0, ["loss", "mae"])]


def test_callbacks_know_their_model_and_the_run():
    class Knowing(Callback):
        def on_train_begin(self, logs=None):
            self.found = (self.model, dict(self.params))

    knowing, trained = Knowing(), model()
    trained.fit(X, Y, batch_size=4, epochs=3, callbacks=[knowing], verbose=0)
    assert knowing.found == (trained, {"verbose": 0, "epochs": 3, "steps": 2})


def test_a_callback_that_does_nothing_at_a_batch_costs_no_fetch_of_the_logs():
    class Counted(float):
        fetched = 0

        def __float__(self):
            Counted.fetched += 1
            return 1.0

    class Scalar:
        ndim, size = 0, 1

        def __float__(self):
            Counted.fetched += 1
            return 1.0

    callbacks = CallbackList([Callback(), LambdaCallback(on_epoch_end=lambda epoch, logs: None)])
    callbacks.on_train_batch_end(0, {"loss": Scalar()})
    assert Counted.fetched == 0
    callbacks.on_epoch_end(0, {"loss": Scalar()})
    assert Counted.fetched == 1
    callbacks.append(LambdaCallback(on_train_batch_end=lambda batch, logs: None))
    callbacks.on_train_batch_end(0, {"loss": Scalar()})
    assert Counted.fetched == 2


def test_logs_become_floats_in_the_order_of_their_names():
    logs = {
        "b": ops.convert_to_tensor(2.0),
        "a": {"z": np.float32(1), "y": 3},
        "c": ops.ones((2,)),
        "d": "text",
    }
    plain = plain_logs(logs)
    assert list(plain) == ["y", "z", "b", "c", "d"]
    assert plain["b"] == 2.0 and type(plain["b"]) is float and type(plain["z"]) is float
    assert plain["c"].tolist() == [1, 1] and plain["d"] == "text"
    assert plain_logs(None) == {}


def test_what_a_callback_adds_to_the_logs_of_an_epoch_is_in_history_and_in_the_bar(capsys):
    add = LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(mine=1.5 + epoch))
    history = model().fit(X, Y, epochs=2, callbacks=[add]).history
    assert history["mine"] == [1.5, 2.5]
    assert " - mine: 2.5000" in capsys.readouterr().out.splitlines()[-1]


def test_one_that_runs_last_is_called_after_those_behind_it():
    notes = []
    last = noting(notes)
    last.runs_last, last.on_epoch_end = True, lambda epoch, logs: notes.append("last")
    model().fit(
        X, Y, verbose=0, callbacks=[last, LambdaCallback(on_epoch_end=lambda *_: notes.append("first"))]
    )
    assert [n for n in notes if isinstance(n, str)] == ["first", "last"]


def test_names_are_loaded_when_used_and_the_lists_of_them_agree():
    import minirnn.callbacks as room

    assert sorted(room._WHERE) == sorted(room.__all__)
    assert all(getattr(room, name).__name__ == name for name in room.__all__)
    assert set(room.__all__) <= set(dir(room))
    with pytest.raises(AttributeError, match=r"'minirnn\.callbacks' has no attribute 'EarlyStoping'"):
        room.EarlyStoping  # noqa: B018


def test_history_and_progress_are_added_once():
    own = History()
    found = CallbackList(
        [own], add_history=True, add_progbar=True, model=model(), verbose=0, epochs=1, steps=1
    )
    assert [type(callback) for callback in found.callbacks] == [History, ProgbarLogger]
    trained = model()
    assert trained.fit(X, Y, callbacks=[own], epochs=2, verbose=0) is own
    assert own.epoch == [0, 1] and len(own.history["loss"]) == 2
    assert trained.fit(X, Y, verbose=0) is not own


def test_what_is_no_callback_or_no_hook_is_refused():
    for wrong in (print, Callback, "early"):
        with pytest.raises(TypeError, match="instances of Callback"):
            CallbackList([wrong])
    with pytest.raises(TypeError, match=r"'on_epoch_ends' is no hook.*on_epoch_end"):
        LambdaCallback(on_epoch_ends=print)
    with pytest.raises(TypeError, match="on_epoch_end must be a function"):
        LambdaCallback(on_epoch_end=3)
