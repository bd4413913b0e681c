"""Every program of the guide runs as it stands, from anywhere, and prints what the guide says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "examples" / "guide"
PROGRAMS = sorted(GUIDE.glob("[0-9]*.py"))
ARGUMENTS = {"09_nested": ["--num-batch", "2"]}
# What is printed: each of these, in any place; numbers are those of the guide's own summaries.
PRINTED = {
    "01_simple_model": ["embedding", "lstm", "dense", "64,000", "98,816", "1,290", "164,106"],
    "02_outputs_and_states": ["gru", "simple_rnn", "247,296", "49,280", "361,866"],
    "03_encoder_decoder": ["encoder", "decoder", "128,000", "33,024", "650", "258,698"],
    "04_stateful": ["(20, 64)", "largest difference from the whole sequence", "after reset_states"],
    "05_bidirectional": ["bidirectional", "(None, 5, 128)", "38,400", "41,216", "80,266"],
    "06_digits": ["LSTM", "kernel", "accuracy", "val_accuracy", "5/5"],
    "07_digits_step_by_step": ["Largest difference between the two models' outputs", "RNN(LSTMCell)"],
    "08_any_device": ["Predicted result is: [", "target result is: "],
    "09_nested": ["2/2", "loss"],
}


def test_there_is_a_program_for_each_of_the_guide():
    assert [path.stem for path in PROGRAMS] == sorted(PRINTED)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_of_the_guide_runs_as_it_stands(program, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", program, *ARGUMENTS.get(program.stem, [])],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=240,  # alone on two cores the longest takes 5 seconds
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for words, difference in re.findall(r"[Ll]argest difference (.*?) (\d\.\de-\d+)", done.stdout):
        assert float(difference) < 1e-5, words
    missing = [text for text in PRINTED[program.stem] if text not in done.stdout]
    assert not missing, f"{missing} not in:\n{done.stdout}"
    assert not done.stderr, done.stderr
    assert not list(tmp_path.iterdir()), "a program left files behind"
