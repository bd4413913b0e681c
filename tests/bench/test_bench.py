"""``python -m minirnn bench``: what is timed, in which order, and what is said of it.

On a machine without a GPU the command's GPU side runs on stand-ins, whose times mean nothing.
"""

import json
import statistics
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import minirnn
from minirnn import backend, bench, config, kernels
from minirnn.__main__ import main
from minirnn.bench import pytorch, report, run
from minirnn.bench.works import Runner, make_works, on_tier, titles
from tests.standins import hostcupy_for_cupy

KEYS = list(titles(bench.USUAL))


@pytest.fixture
def no_pytorch(monkeypatch):
    """Leave PyTorch out, whose import takes seconds; it has tests among the peers."""
    monkeypatch.setattr(pytorch, "find", lambda gpu: (None, "PyTorch is not installed."))


@pytest.fixture
def no_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(backend, "_BACKENDS", {"numpy": backend._BACKENDS["numpy"]})


def test_the_usual_sizes_are_those_that_figures_are_asked_for():
    s = bench.USUAL
    assert (s.units, s.batch, s.steps, s.digit_units) == (512, 64, 100, 64)
    for words in (
        "LSTM(512) forward: batch 64, 100 steps",
        "GRU(512) forward and backward",
        "digit",
        "one step",
    ):
        assert any(words in title for title in titles(s).values())


def test_on_numpy_every_work_is_timed_on_both_kernels(no_pytorch, capsys, tmp_path):
    file = tmp_path / "figures.json"
    assert main(["bench", "--quick", "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    assert (
        found["measured"] and not found["stand_ins"] and found["columns"] == ["fused", "generic", "PyTorch"]
    )
    assert [work["key"] for work in found["works"]] == KEYS
    for work in found["works"]:
        assert set(work["milliseconds"]) == {"fused", "generic"} and len(work["each_round"]["fused"]) == 2
        for tier, value in work["milliseconds"].items():
            assert value == statistics.median(work["each_round"][tier]) > 0
        assert set(work["ratios"]) == {"generic"}
    out = capsys.readouterr().out
    assert "medians of 2 rounds in" in out
    assert "medians of 1 round in" in "".join(report._header({**found, "rounds": 1}))
    assert "on CPU:0: " in out and "PyTorch was not run:\n  - PyTorch is not installed." in out
    rows = [line for line in out.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + len(KEYS) and rows[2].startswith("| LSTM(8) forward: batch 3")
    assert "asked" not in out


def test_on_the_stand_ins_every_kernel_is_timed_under_their_names(no_pytorch, capsys):
    with hostcupy_for_cupy(cudnn=True):
        assert main(["bench", "--gpu", "--quick", "--rounds", "1"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("stand-ins: hostcupy, emulated cuDNN; these times mean nothing for a GPU\n")
    rows = [line.split(" | ") for line in out.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == len(KEYS)
    for row in rows:
        assert all(float(cell) > 0 for cell in row[1:4]) and row[4] == "–"
    assert "asked" not in out, "nothing is claimed of a GPU"


def test_the_kernel_that_is_named_is_the_one_that_runs():
    with hostcupy_for_cupy(cudnn=True):
        for work in make_works(bench.QUICK):
            for tier in kernels.TIERS:
                runner, reasons = on_tier(work, tier)
                assert runner is not None and not reasons
                seen = _tiers_of(runner.call)
                assert seen == {tier}, f"{work.title} on {tier}"


def _tiers_of(call) -> set:
    plain, seen = kernels.select, set()

    def select(*args, **options):
        choice = plain(*args, **options)
        seen.add(choice.tier)
        return choice

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "select", select)
        call()
    return seen


def test_a_kernel_that_is_not_here_is_left_out_with_the_reasons(no_pytorch, capsys):
    with hostcupy_for_cupy(cudnn=False):
        found = bench.run_bench(gpu=True, quick=True, rounds=1)
    assert all(set(work["milliseconds"]) == {"fused", "generic"} for work in found["works"])
    out = capsys.readouterr().out
    assert "stand-ins: hostcupy; these times" in out
    assert "cudnn was not run:" in out and "There is no library: hostcupy is alone here" in out


def test_without_a_gpu_it_is_said_what_would_run_and_nothing_is_claimed(no_cupy, capsys, tmp_path):
    file = tmp_path / "figures.json"
    assert main(["bench", "--gpu", "--json", str(file)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Nothing was measured, and nothing is claimed: CuPy is not installed. Install it")
    for title in titles(bench.USUAL).values():
        assert title in out
    found = json.loads(file.read_text())
    assert found["measured"] is False and "not installed" in found["why_not"] and found["works"] == []


def test_a_file_that_cannot_be_written_is_an_error_before_anything_is_measured(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(bench, "measure", None)
    assert main(["bench", "--json", str(tmp_path / "no folder" / "figures.json")]) == 2
    assert "minirnn bench: " in capsys.readouterr().err


def test_the_backend_and_the_setting_of_tf32_are_afterwards_what_they_were(no_pytorch, monkeypatch):
    before = backend.current()
    seen = []
    monkeypatch.setattr(run, "_measured", lambda *_: seen.append(config.tensor_float_32_execution_enabled()))
    run.measure(False, bench.QUICK, 1, tf32=True)
    assert seen == [True] * len(KEYS) and not config.tensor_float_32_execution_enabled()
    monkeypatch.setattr(run, "_measured", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run.measure(False, bench.QUICK, 1, tf32=True)
    assert not config.tensor_float_32_execution_enabled() and backend.current() is before


class _Clock:
    """A clock that goes on only while something runs, and knows what is waiting on the device."""

    def __init__(self):
        self.now, self.queued, self.log = 0.0, 0.0, []

    def runner(self, name, seconds, count=1):
        def call():
            self.log.append(name)
            self.queued += seconds

        return Runner(call, count)

    def synchronize(self):
        self.now, self.queued = self.now + self.queued, 0.0


@given(
    seconds=st.lists(st.sampled_from([1e-4, 0.003, 0.5]), min_size=1, max_size=3),
    count=st.integers(1, 20),
    rounds=st.integers(1, 4),
)
def test_a_time_is_that_of_one_unit_with_all_that_was_queued_for_the_device(seconds, count, rounds):
    clock = _Clock()
    runners = {str(n): clock.runner(str(n), s, count) for n, s in enumerate(seconds)}
    advanced = []

    def advance():
        advanced.append(1)
        clock.queued += 3.0  # what another has queued is not in the times

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run.time, "perf_counter", lambda: clock.now)
        times = run.time_in_turn(runners, rounds, clock.synchronize, advance)
    for name, s in zip(runners, seconds):
        assert times[name] == pytest.approx([s * 1e3 / count] * rounds)
    assert len(advanced) == rounds


def test_all_take_turns_after_calls_that_do_not_count_one_where_it_is_long():
    clock = _Clock()
    runners = {"a": clock.runner("a", run.SHORTEST), "b": clock.runner("b", run.LONG)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run.time, "perf_counter", lambda: clock.now)
        run.time_in_turn(runners, 3, clock.synchronize)
    assert "".join(clock.log) == "aab" + "ab" * 3


def test_a_short_call_is_timed_many_times_at_once():
    clock = _Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run.time, "perf_counter", lambda: clock.now)
        run.time_in_turn({"a": clock.runner("a", run.SHORTEST / 8)}, 1, clock.synchronize)
    assert len(clock.log) == 2 + 8


def test_a_ratio_is_the_median_of_those_of_the_rounds():
    times = {
        "cudnn": [1.0, 2.0, 4.0],
        "fused": [3.0] * 3,
        "generic": [20.0, 20.0, 48.0],
        "PyTorch": [2.0] * 3,
    }
    columns = ["cudnn", "fused", "generic", "PyTorch"]
    assert run.ratios(times, columns) == {"generic": 12.0, "PyTorch": 1.0}
    assert run.ratios({"generic": [1.0]}, columns) == {}
    assert run.ratios({}, columns) == {}


def verdicts(torch, generic, stand_ins=None, units=512):
    works = [
        {
            "key": "lstm_training",
            "milliseconds": {"cudnn": 1.0},
            "ratios": {"PyTorch": torch, "generic": generic},
            "difference_from_peer": 2e-6,
        }
    ]
    return " ".join(
        report._verdicts({"works": works, "sizes": {"units": units}, "gpu": True, "stand_ins": stand_ins})
    )


def test_what_is_asked_of_a_gpu_is_said_to_be_reached_or_missed_and_of_nothing_else():
    assert "0.95 times as fast as PyTorch, asked at least 0.9: reached" in verdicts(0.95, 12.0)
    assert "0.50 times as fast as PyTorch, asked at least 0.9: missed" in verdicts(0.5, 12.0)
    assert "9.00 times as fast as generic, asked at least 10: missed" in verdicts(0.5, 9.0)
    assert "at most 2.0e-06" in verdicts(0.5, 9.0)
    assert "asked" not in verdicts(0.95, 12.0, stand_ins="hostcupy")
    assert "asked" not in verdicts(0.95, 12.0, units=8)


def test_real_cupy_and_numpy_are_no_stand_ins():
    with minirnn.device("cpu"):
        assert run.stand_ins() is None
    with hostcupy_for_cupy(cudnn=True):
        assert run.stand_ins() == "hostcupy, emulated cuDNN"


@pytest.mark.parametrize(
    "arguments", [["bench", "--rounds", "0"], ["bench", "--rounds", "x"], ["bench", "--no"]]
)
def test_options_that_mean_nothing_end_with_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2 and "usage" in capsys.readouterr().err
