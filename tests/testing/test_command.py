"""``python -m minirnn compare``: the table, the exit status, the page."""

import re

import pytest

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
    assert main([*OWN, *FAULT, "--seed", "1", "--case", number[0]]) == 1
    assert "\n1 cases: 0 agreed, 0 known, 1 differed" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options, words",
    [
        (["--peer", "torch", "--peer-backend", "jax"], "--peer-backend"),
        (["--peer", "minirnn", "--peer-backend", "fastest"], "a side must be"),
        (["--peer", "tests.testing.faulty:no_such_function"], "no_such_function"),
        (["no-such-model.keras"], "no such file"),
    ],
)
def test_what_cannot_be_run_is_status_2_with_a_line_that_says_why(options, words, capsys):
    assert main(["compare", *options]) == 2
    assert words in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_told_before_any_work(capsys, tmp_path):
    assert main([*OWN, "--cases", "100000", "--report", str(tmp_path / "no" / "r.html")]) == 2


def test_a_question_goes_through_a_pipe_as_it_is():
    for number in range(20):
        question = choose_case(numbered(0, number)).question()
        assert repr(unpack_question(*pack_question(question))) == repr(question)
