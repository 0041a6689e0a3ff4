"""``ncs edit``, and ``ncs show`` of what it did: in the words a person reads."""

import csv
import io
import json
import re

import pytest

VISIT = ("P1", "2021-03-01")
WRIST = ("--nerve", "median", "--technique", "motor", "--site", "wrist")
PERSON = ("--author", "A. Author", "--reason", "shoulder of the artefact")


def onset_of(ncs, site="wrist"):
    rows = csv.DictReader(io.StringIO(ncs("show", *VISIT, "--format", "csv").out))
    (row,) = [row for row in rows if (row["quantity"], row["site"]) == ("motor_latency", site)]
    return row


@pytest.fixture
def edited(stored):
    """The store in which one onset was moved to 3.05 ms."""
    done = stored("edit", *VISIT, *WRIST, "--mark", "onset", "--value", "3.05", *PERSON)
    assert done.status == 0, done.err
    return stored


def test_an_edit_says_what_has_changed(stored):
    before = float(onset_of(stored)["value"])
    done = stored("edit", *VISIT, *WRIST, "--mark", "onset", "--value", "3.05", *PERSON)
    assert done.status == 0
    first, second, *table = done.out.splitlines()
    assert re.fullmatch(rf"Edit 1: onset of \w+ median motor, wrist: {before:.2f} -> 3.05 ms", first)
    assert second == "To take it back: ncs edit --withdraw 1 --author NAME --reason TEXT"
    assert any(re.search(rf"wrist +latency +ms +{before:.2f} +3.05$", line) for line in table)
    assert any("MCV" in line for line in table)
    assert not any("sensory" in line for line in table)
    row = onset_of(stored)
    assert (row["value"], row["sd"], row["flags"]) == ("3.05", "", "edited")
    assert "onset moved by A. Author" in row["method"]


def test_a_visit_says_which_numbers_rest_on_it(edited):
    shown = edited("show", *VISIT).out
    (line,) = [line for line in shown.splitlines() if re.match(r".*APB +wrist", line)]
    (letter,) = re.findall(r"wrist \((\w)\)", line)
    assert f"({letter}) a mark was moved by hand" in shown


def test_analysing_again_keeps_it(edited, exports):
    assert edited("analyze", exports).status == 0
    assert onset_of(edited)["value"] == "3.05"
    assert edited("analyze", exports, "--onset-method", "tangent").status == 0
    assert onset_of(edited)["value"] == "3.05"
    assert "tangent" in onset_of(edited, "elbow")["method"]
    done = edited("analyze", exports)
    assert done.status == 0
    assert "changepoint" in onset_of(edited, "elbow")["method"]
    assert onset_of(edited)["value"] == "3.05"


def test_history_and_withdrawal(edited):
    automatic = onset_of_run(edited, 1)
    shown = edited("show", "--history").out
    (line,) = [line for line in shown.splitlines() if "shoulder" in line]
    assert re.match(rf" +1 .*P1 2021-03-01 .*median motor +wrist +onset +{automatic:.2f} +3.05 +A\. Author", line)
    assert line.endswith("in force")
    done = edited("edit", *VISIT, "--withdraw", "1", "--author", "B. Reader", "--reason", "it was right")
    assert done.status == 0
    assert re.match(r"Edit 1 withdrawn \(as 2\): onset of \w+ median motor, wrist: 3\.05 -> ", done.out)
    assert float(onset_of(edited)["value"]) == automatic
    assert [line.split("  ")[-1] for line in edited("show", "--history", *VISIT).out.splitlines()[-2:]] == [
        "withdrawn by 2", "withdraws 1",
    ]  # fmt: skip
    document = json.loads(edited("show", "--history", "P1", "--format", "json").out)
    assert [(row["edit"], row["withdrawn_by"], row["withdraws"]) for row in document["history"]] == [
        (1, 2, None), (2, None, 1),
    ]  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(edited("show", "--history", "--format", "csv").out)))
    assert [row["author"] for row in rows] == ["A. Author", "B. Reader"]
    assert "Nobody has moved a mark here." in edited("show", "--history", "P2").out


def onset_of_run(ncs, run):
    shown = ncs("show", *VISIT, "--run", run, "--format", "csv").out
    return next(
        float(row["value"])
        for row in csv.DictReader(io.StringIO(shown))
        if (row["quantity"], row["site"]) == ("motor_latency", "wrist")
    )


def test_runs_are_listed_and_shown(edited):
    listed = edited("show", *VISIT, "--runs").out.splitlines()
    rows = [line for line in listed if line.lstrip()[:1].isdigit()]
    assert sum(line.endswith("yes") for line in rows) == 2  # of two files
    (line,) = [line for line in rows if "(on run 1)" in line]
    assert line.endswith("yes")
    number = int(line.split()[0])
    assert onset_of_run(edited, number) == 3.05
    assert onset_of_run(edited, 1) != 3.05
    assert "moved by hand" not in edited("show", *VISIT, "--run", 1).out
    documents = json.loads(edited("show", *VISIT, "--runs", "--format", "json").out)["runs"]
    assert {row["run"]: row["base_run"] for row in documents}[number] == 1
    one = json.loads(edited("show", *VISIT, "--run", number, "--format", "json").out)["visits"][0]["results"]
    assert one[0]["parameters"]["edits"][0]["value_ms"] == 3.05


def test_a_mark_or_a_response_is_taken_away(edited):
    done = edited("edit", *VISIT, *WRIST, "--mark", "end", "--value", "none", *PERSON)
    assert done.status == 0
    assert re.search(r"wrist +area +mV\.ms +\d+\.\d +-$", done.out, re.MULTILINE)
    done = edited("edit", *VISIT, *WRIST, "--mark", "response", "--value", "none", *PERSON)
    assert done.status == 0
    assert onset_of(edited)["reason"] == "no_response"


def test_the_page_names_what_a_person_moved(edited, tmp_path):
    assert edited("report", *VISIT, "-o", "visit.html").status == 0
    page = (tmp_path / "visit.html").read_text()
    section = page[page.index('id="edits"') :]
    text = " ".join(re.sub(r"<[^>]+>", " ", section[: section.index("</section>")]).split())
    assert re.search(r"median motor wrist onset \d\.\d\d 3\.05 A\. Author 20\d\d.*shoulder of the artefact", text)
    assert edited("edit", "--withdraw", 1, "--author", "A", "--reason", "b").status == 0
    assert edited("report", *VISIT, "-o", "visit.html").status == 0
    assert "No mark was moved by a person" in (tmp_path / "visit.html").read_text()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([*VISIT, *WRIST, "--mark", "onset", *PERSON], "--value missing"),
        (["P1", *WRIST, "--mark", "onset", "--value", "3", *PERSON], "DATE missing"),
        ([*VISIT, *WRIST, "--mark", "onset", "--value", "3,1", *PERSON], "--value: expected milliseconds or none"),
        ([*VISIT, *WRIST, "--mark", "onset", "--value", "3.1", "--author", "A"], "reason: expected some words"),
        ([*VISIT, *WRIST, "--mark", "onset", "--value", "3.1", "--reason", "b"], "author: expected some words"),
        ([*VISIT, "--mark", "onset", "--value", "3.1", *PERSON], "Say which, by side, technique"),
        ([*VISIT, "--nerve", "tibial", "--mark", "onset", "--value", "3.1", *PERSON], "found none with nerve 'tibial'"),
        ([*VISIT, *WRIST, "--mark", "onset", "--value", "300", *PERSON], "before the sweep ends at"),
        ([*VISIT, *WRIST, "--mark", "onset", "--value", "3.1", "--seen", "9", *PERSON], "as you saw it"),
        (["P7", "2021-03-01", *WRIST, "--mark", "onset", "--value", "3.1", *PERSON], "no visit of that subject"),
        ([*VISIT, "--withdraw", "1", *PERSON], "found none with number 1"),
        (["--withdraw", "1", "--mark", "onset", *PERSON], "leave --mark and --value out"),
    ],
)
def test_what_cannot_be_done_is_said(stored, words, text):
    done = stored("edit", *words)
    assert done.status == 2
    assert done.out == ""
    assert text in " ".join(done.err.split())


def test_an_edit_of_another_visit_is_not_withdrawn_by_mistake(edited):
    done = edited("edit", "P2", "2021-05-03", "--withdraw", "1", *PERSON)
    assert done.status == 2
    assert "found 1 of P1 on 2021-03-01" in done.err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--runs"], "give SUBJECT and DATE"),
        ([*VISIT, "--run", "77"], "There is no run 77 of P1 on 2021-03-01 in ncs.db; there are 1, 2"),
        (["P1", "2021-03-02", "--runs"], "There is no visit of P1 on 2021-03-02"),
        (["P7", "--history"], "no subject 'P7'"),
        ([*VISIT, "--history", "--runs"], "choose one"),
    ],
)
def test_show_says_what_is_not_there(stored, words, text):
    done = stored("show", *words)
    assert done.status == 2
    assert text in " ".join(done.err.split())


def test_what_people_write_cannot_command_the_terminal(stored):
    evil = ("--author", "A\x1b[2J", "--reason", "b\x1b]0;x\x07")
    assert stored("edit", *VISIT, *WRIST, "--mark", "onset", "--value", "3.05", *evil).status == 0
    for words in (["--history"], [*VISIT], [*VISIT, "--format", "csv"], ["--history", "--format", "csv"]):
        assert "\x1b" not in stored("show", *words).out
