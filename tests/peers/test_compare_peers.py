"""The comparing tool on the peers themselves, and each case of docs/differences.md."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

import minirnn
from minirnn.__main__ import main
from minirnn.testing import Case, Report, side_of
from minirnn.testing.choices import choose_case, numbered
from minirnn.testing.comparison import compare_case
from minirnn.testing.known import KNOWN
from minirnn.testing.pool import KerasPool, ahead
from minirnn.testing.process import KerasProcess
from minirnn.testing.session import run_cases, run_model

DOCUMENT = Path(__file__).parents[2] / "docs" / "differences.md"
CASES = dict(re.findall(r"^## (.*)\n\n`(Case\(.*\))`$", DOCUMENT.read_text(encoding="utf-8"), re.M))


@pytest.fixture(scope="module")
def on_jax(keras):
    side = side_of("keras:jax")
    yield side
    side.close()


@pytest.fixture(scope="module")
def on_torch(keras, torch):
    side = side_of("keras:torch")
    yield side
    side.close()


@pytest.fixture(scope="module")
def on_tensorflow(keras):
    """Keras on TensorFlow, or None: it weighs a gigabyte, and is no part of the extra for tests."""
    side = side_of("keras:tensorflow") if importlib.util.find_spec("tensorflow") else None
    yield side
    if side is not None:
        side.close()


def test_each_known_difference_has_its_heading():
    headings = set(re.findall(r"^## (.*)$", DOCUMENT.read_text(encoding="utf-8"), re.M))
    assert {known.title for known in KNOWN} == headings


@pytest.mark.parametrize("title", CASES)
def test_each_case_that_the_document_shows_is_what_its_heading_says(title, on_jax, on_torch, on_tensorflow):
    case = eval(CASES[title], {"Case": Case})
    peers = [on_jax, on_torch, *([] if on_tensorflow is None else [on_tensorflow])]
    reports = [compare_case(side_of("minirnn"), peer, case) for peer in peers]
    shown = [
        peer
        for peer in peers
        for known in KNOWN
        if title == known.title and peer.name.startswith(known.peers)
    ]
    assert not shown or [title] in [report.known for report in reports], "\n".join(map(str, reports))
    assert all(report.agreed or report.known for report in reports), "\n".join(map(str, reports))


def test_several_processes_answer_as_one_does(on_torch):
    pool = KerasPool("torch", 2)
    try:
        questions = [choose_case(numbered(5, number)).question() for number in range(12)]
        for question, (_, future) in zip(questions, ahead(questions, pool.ask, 5)):
            one, other = on_torch.answer(question), future.result()
            assert (one.refusal, list(one.arrays)) == (other.refusal, list(other.arrays))
            for name, value in one.arrays.items():
                np.testing.assert_array_equal(value, other.arrays[name], err_msg=name)
    finally:
        pool.close()


def test_drawn_calls_agree_with_pytorch(torch):
    session = run_cases("minirnn", "torch", 60)
    assert session.counts["agreed"] == 60, [str(f.report) for f in session.failures]


def test_drawn_calls_agree_with_keras_but_for_known_differences(keras, torch):
    """On PyTorch, where nothing is compiled; hundreds on JAX are the command's own work."""
    session = run_cases("minirnn", "keras:torch", 80, seed=7)
    assert not session.failures, "\n\n".join(str(f.smallest_report or f.report) for f in session.failures)
    assert session.counts["agreed"] > 40


def test_a_saved_model_is_compared_on_the_kernel_that_the_candidate_names(keras, torch, tmp_path, capsys):
    inner = keras.layers
    model = keras.Sequential([inner.Input((None, 2)), inner.LSTM(2), inner.Dense(1)])
    model.save(tmp_path / "model.keras")
    command = ["compare", str(tmp_path / "model.keras"), "--peer-backend", "torch"]
    assert main([*command, "--candidate", "minirnn:generic", "--cases", "3"]) == 0
    assert re.search(r"^minirnn:generic and keras:torch.*\n3 cases: 3 agreed", capsys.readouterr().out, re.M)
    assert main([*command, "--case", "1"]) == 0
    shown = capsys.readouterr().out
    assert (
        "inputs of shape (3, 4, 2), float32\nminirnn and keras:torch: agreed" in shown
        and "\n1 case: " in shown
    )


def test_the_command_that_shows_a_saved_models_difference_names_the_backend(
    keras, torch, tmp_path, monkeypatch
):
    path = tmp_path / "a model.keras"
    minirnn.Sequential([minirnn.layers.Input((3, 2)), minirnn.layers.GRU(2)]).save(path)
    differed = Report("minirnn", "keras:torch", "differed")
    monkeypatch.setattr("minirnn.testing.session.compare_answers", lambda *answers, **options: differed)
    (failure,) = run_model(str(path), "keras:torch", 1, seed=3).failures
    command = f"python -m minirnn compare '{path}' --peer-backend torch --seed 3 --case 0"
    assert failure.report.script == command


def test_a_peer_whose_package_is_missing_says_what_brings_it(monkeypatch, tmp_path):
    missing = "raise ModuleNotFoundError(\"No module named 'keras'\")"
    (tmp_path / "keras.py").write_text(missing, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    side = KerasProcess("jax")
    try:
        with pytest.raises(
            RuntimeError, match=r"No module named 'keras'. `pip install 'minirnn\[compare\]'`"
        ):
            side.greet()
    finally:
        side.close()
