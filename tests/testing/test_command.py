"""``python -m minirnn compare``: the table, the exit status, the page."""

import re

import pytest

import minirnn
from minirnn.__main__ import main
from minirnn.testing.choices import choose_case, numbered
from minirnn.testing.process import pack_question, unpack_question

OWN = ["compare", "--peer", "minirnn"]
FAULT = ["--candidate", "tests.testing.faulty:ignores_the_mask"]


def test_where_all_agrees_the_status_is_0_and_the_table_counts_each_case(capsys):
    assert main([*OWN, "--cases", "60", "--seed", "2"]) == 0
    shown = capsys.readouterr().out
    assert re.search(
        r"^60 cases: \d+ agreed, 0 known, 0 differed, [1-9]\d* both refused; .* ms a case$", shown, re.M
    )
    counted = re.findall(r"^\| (\w+) \| (.*) \|$", shown.split("| option")[0], re.M)
    assert sum(int(n) for _, row in counted for n in row.split(" | ") if n.isdecimal()) == 60


def test_a_difference_is_status_1_shrunk_and_on_the_page_with_its_script(capsys, tmp_path):
    page = tmp_path / "report.html"
    assert main([*OWN, *FAULT, "--cases", "20", "--seed", "1", "--report", str(page)]) == 1
    shown = capsys.readouterr().out
    (number, *_) = re.findall(r"^case (\d+) differs; (.*) runs it again", shown, re.M)
    assert "The smallest case like it" in shown and "candidate" not in shown.split("cases:")[-1]
    text = page.read_text(encoding="utf-8")
    assert (
        f"Case {number[0]}" in text and "from minirnn.testing import Case, compare" in text and "<svg" in text
    )
    assert not re.search(r"https?:|src=|href=|url\(|@import|<link|<script", text)
    headings = re.findall(r"<h2>(.*?)</h2>", text)
    assert headings[0] == "Cases that differ" and text.index('class="counts"') < text.index(headings[0])
    # A table that is wider than a narrow window scrolls in its own frame, and the page does not.
    assert text.count("<table>") == text.count('<div class="table"><table>') > 2
    assert re.search(r"^\.table \{.*overflow-x: auto", text, re.M)
    assert main([*OWN, *FAULT, "--seed", "1", "--case", number[0]]) == 1
    assert "\n1 case: 0 agreed, 0 known, 1 differed" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options, words",
    [
        (["--peer", "torch", "--peer-backend", "jax"], "--peer-backend"),
        (["--peer", "minirnn", "--peer-backend", "fastest"], "a side must be"),
        (["--peer", "tests.testing.faulty:no_such_function"], "no_such_function"),
        (["no-such-model.keras"], "no such file"),
        (
            ["--peer", "tests.testing.faulty:NO_FUNCTION"],
            "tests.testing.faulty:NO_FUNCTION must be a function",
        ),
        (["--peer", "minirnn", "--kinds", "LSTM,Gru"], "no 'Gru' to draw; did you mean 'GRU'"),
        (["--peer", "torch", "--kinds", "Dense"], "no 'Dense' to draw"),
        (["no-such-model.keras", "--kinds", "LSTM"], "--kinds is of layers that are drawn"),
    ],
)
def test_what_cannot_be_run_is_status_2_with_a_line_that_says_why(options, words, capsys):
    assert main(["compare", *options]) == 2
    assert words in capsys.readouterr().err


def test_the_candidate_for_a_saved_model_must_be_minirnn(capsys, tmp_path):
    model = minirnn.Sequential([minirnn.Input((None, 1)), minirnn.layers.GRU(1)])
    model.save(tmp_path / "model.keras")
    assert main(["compare", str(tmp_path / "model.keras"), "--candidate", "torch"]) == 2
    assert "the candidate for a saved model must be" in capsys.readouterr().err


def peer(name):
    return ["--peer", f"tests.testing.faulty:{name}", "--cases", "20"]


@pytest.mark.parametrize(
    "name, words",
    [
        ("breaks", r"case 0: ZeroDivisionError: no answer \(.*faulty.py, line \d+\)"),
        ("returns_an_array", "case 0: .*returns_an_array must return a dict of arrays.* got ndarray"),
        ("returns_nothing", "case 0: .*returns_nothing must return a dict of arrays.* got an empty one.$"),
        ("returns_words", "case 0: .*returns_words must return a dict of arrays.* 'output 0' is 'tanh'"),
    ],
)
def test_a_function_with_a_fault_ends_the_run_with_the_case_and_leaves_no_report(
    name, words, capsys, tmp_path
):
    page, old = tmp_path / "report.html", tmp_path / "old.html"
    old.write_text("the one before", encoding="utf-8")
    for file in (page, old):
        assert main(["compare", *peer(name), "--report", str(file)]) == 2
        assert re.search(words, capsys.readouterr().err, re.M)
    assert not page.exists() and old.read_text(encoding="utf-8") == "the one before"


def test_kinds_are_those_that_are_drawn_and_the_replay_has_them(capsys):
    chosen = ["--kinds", "LSTM,GRU"]
    assert main([*OWN, *chosen, "--cases", "30"]) == 0
    counted = re.findall(r"^\| (\w+) \| ", capsys.readouterr().out.split("| option")[0], re.M)
    assert counted == ["layer", "GRU", "LSTM"]
    assert main([*OWN, *FAULT, *chosen, "--cases", "20"]) == 1
    command = re.search(r"differs; python -m minirnn (.*) runs it again", capsys.readouterr().out)
    assert command and main(command[1].split()) == 1


def test_what_a_function_does_not_have_is_counted_as_not_compared(capsys, tmp_path):
    page = tmp_path / "report.html"
    assert main(["compare", *peer("knows_lstm_alone"), "--kinds", "LSTM,GRU", "--report", str(page)]) == 0
    shown = capsys.readouterr().out
    found = re.search(
        r"^20 cases: (\d+) agreed, 0 known, 0 differed, (\d+) both refused, (\d+) not", shown, re.M
    )
    assert found and min(int(found[1]), int(found[3])) > 0 and sum(map(int, found.groups())) == 20
    assert re.search(rf"^\| GRU \| – \| – \| – \| – \| {found[3]} \|$", shown, re.M)
    assert "not compared" in page.read_text(encoding="utf-8")
    assert main(["compare", *peer("knows_lstm_alone"), "--kinds", "GRU"]) == 2
    assert "No case was compared" in capsys.readouterr().out
    assert main([*OWN, "--cases", "5"]) == 0
    assert "not compared" not in capsys.readouterr().out


def test_a_case_by_its_number_is_shown_with_what_each_side_said(capsys):
    def shown(number, *options):
        status = main([*OWN, *options, "--case", str(number)])
        return status, capsys.readouterr().out

    drawn = [choose_case(numbered(0, number)) for number in range(200)]
    wrong = next(n for n, case in enumerate(drawn) if case.wrong)
    status, text = shown(wrong)
    assert status == 0 and f"\n{drawn[wrong]!r}\nminirnn and minirnn:generic: both refused\n" in text
    assert "\n  minirnn refused: " in text and "\n  minirnn:generic refused: " in text
    status, text = shown(0)
    assert status == 0 and f"\n{drawn[0]!r}\nminirnn and minirnn:generic: agreed\n" in text
    masked = next(
        n for n, c in enumerate(drawn) if c.layer["class"] == "GRU" and c.mask and "0" in str(c.mask)
    )
    status, text = shown(masked, *FAULT)
    assert status == 1 and f"\n{drawn[masked]!r}\nignores_the_mask and minirnn:generic: differed\n" in text
    assert "This shows it:" in text and text.index(repr(drawn[masked])) < text.index(
        "The smallest case like it"
    )


def test_a_report_that_cannot_be_written_is_told_before_any_work(capsys, tmp_path):
    assert main([*OWN, "--cases", "100000", "--report", str(tmp_path / "no" / "r.html")]) == 2


def test_a_question_goes_through_a_pipe_as_it_is():
    for number in range(20):
        question = choose_case(numbered(0, number)).question()
        assert repr(unpack_question(*pack_question(question))) == repr(question)
