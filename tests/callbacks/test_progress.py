"""The progress bar: live in a terminal, a line an epoch in a file, nothing where nothing was asked for."""

import io
import re
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import Input, Sequential, callbacks, layers
from minirnn.callbacks import progress

X, Y = np.ones((10, 3), "float32"), np.ones((10, 2), "float32")
BAR = "━" * 20
LINE = rf"{{}}/{{}} {BAR} \d+s \d+(ms|us|s)/step - loss: \d+\.\d{{{{4}}}}(e-\d+)? - mae: \d+\.\d{{{{4}}}}"


def model():
    found = Sequential([Input((3,)), layers.Dense(2)])
    found.compile("sgd", "mse", metrics=["mae"])
    return found


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def test_a_file_gets_the_last_line_of_each_epoch_alone(capsys):
    model().fit(X, Y, batch_size=2, epochs=2)
    lines = capsys.readouterr().out.splitlines()
    assert [lines[0], lines[2]] == ["Epoch 1/2", "Epoch 2/2"] and len(lines) == 4
    for line in (lines[1], lines[3]):
        assert re.fullmatch(LINE.format(5, 5), line), line


def test_validation_is_part_of_the_line_and_shows_no_bar_of_its_own(capsys):
    model().fit(X, Y, batch_size=5, validation_split=0.5)
    (line,) = capsys.readouterr().out.splitlines()
    assert re.search(r"^1/1 .* - loss: \S+ - mae: \S+ - val_loss: \S+ - val_mae: \S+$", line)


def test_verbose_2_is_a_line_without_a_bar_and_0_is_nothing(capsys):
    model().fit(X, Y, epochs=2, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Epoch 1/2"
    assert re.fullmatch(r"1/1 - 0s - \d+(ms|us|s)/step - loss: \S+ - mae: \S+", lines[1])
    model().fit(X, Y, epochs=2, verbose=0)
    model().evaluate(X, Y, verbose=0)
    model().predict(X, verbose=0)
    assert capsys.readouterr().out == ""


def test_evaluate_and_predict_have_a_line_too(capsys):
    model().evaluate(X, Y, batch_size=5)
    model().predict(X, batch_size=5)
    first, second = capsys.readouterr().out.splitlines()
    assert re.fullmatch(LINE.format(2, 2), first)
    assert re.fullmatch(rf"2/2 {BAR} \d+s \d+(ms|us|s)/step", second)


def test_the_steps_of_a_generator_are_counted(capsys):
    model().fit((X[:2], Y[:2]) for _ in range(7))
    assert capsys.readouterr().out.startswith(f"7/7 {BAR}")


def test_a_terminal_is_written_to_as_training_goes_on(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(progress, "_INTERVAL", 0.0)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    say = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: print(f"said {batch}"))
    model().fit(X, Y, batch_size=2, callbacks=[say])
    written = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert [f"{i}/5 " in written for i in range(1, 6)] == [True] * 5
    assert re.search(LINE.format(5, 5), written)
    assert [f"said {i}" in written for i in range(5)] == [True] * 5


def test_a_terminal_is_given_back_after_an_error(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(progress, "_INTERVAL", 0.0)
    monkeypatch.setenv("TERM", "xterm-256color")
    batches = iter([(X[:2], Y[:2]), (X[:2], Y[:1])])
    with pytest.raises(ValueError, match="one length"):
        model().fit(batches)
    assert sys.stdout is terminal
    shown, hidden = terminal.getvalue().rfind("\x1b[?25h"), terminal.getvalue().rfind("\x1b[?25l")
    assert shown > hidden


def test_a_notebook_writes_over_one_line(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ipykernel", object())
    monkeypatch.setattr(progress, "_INTERVAL", 0.0)
    model().fit(X, Y, batch_size=5)
    written = capsys.readouterr().out
    assert written.count("\r") >= 2 and written.count("\n") == 1
    assert re.search(LINE.format(2, 2), written)


def test_an_output_that_knows_no_unicode_gets_plain_characters(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    model().fit(X, Y)
    assert raw.getvalue().startswith(b"1/1 --------------------")


@given(st.integers(1, 10**6))
def test_durations_read_as_hours_minutes_and_seconds(seconds):
    text = progress._duration(seconds)
    parts = [int(part) for part in text.removesuffix("s").split(":")]
    assert sum(n * 60**i for i, n in enumerate(reversed(parts))) == seconds


@pytest.mark.parametrize("seconds, text", [(0, "0s"), (3.2, "3s"), (0.0123, "12ms"), (4.5e-5, "45us")])
def test_the_time_of_a_step_has_a_fitting_unit(seconds, text):
    assert progress._time_of_a_step(seconds) == f"{text}/step"


def test_the_first_step_which_warms_up_is_left_out_of_the_estimate(monkeypatch):
    clock = iter([0.0, 9.0, 9.0, 10.0, 10.0])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    bar = progress.Progbar(3)
    bar._note(1)
    assert bar._step_time(1, 9.0) == 9.0
    assert bar._step_time(2, 10.0) == 1.0
