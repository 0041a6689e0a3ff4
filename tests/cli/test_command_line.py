"""What all verbs share: help, speed, encodings, pipes; and the two small verbs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ncs as package
from ncs.cli._errors import describe
from ncs.errors import InvalidInputError, Problem, ReadError
from ncs.report.numbers import Notes, number
from ncs.results import Measurement, Reason

VERBS = (
    "analyze", "covariates", "change", "repeatability", "show", "report", "formats", "check", "reference", "simulate",
    "demo",
)  # fmt: skip


def typed_in_a_shell(command, folder, **environment):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command, shell=True, cwd=folder, env=os.environ | {"PATH": path} | environment, capture_output=True,
        timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(ncs, verb):
    done = ncs(verb, "--help")
    assert done.status == 0
    assert f"Example: ncs {verb}" in done.out
    assert ncs("--help").out.count(verb) >= 1


def test_version(ncs):
    assert ncs("--version").out == f"ncs {package.__version__}\n"


def test_help_loads_nothing_heavy():
    heavy = ["numpy", "pandas", "sqlalchemy", "mne", "numba", "scipy", "pydantic", "rich.table"]
    code = f"""
import sys
from ncs import cli
sys.argv = ["ncs", "--help"]
try:
    cli.main()
except SystemExit:
    pass
print([name for name in {heavy} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stderr.replace("'", '"')))
    # typer itself may bring pydantic along; nothing of ours may bring the rest
    assert loaded <= {"pydantic"}


def test_a_terminal_without_unicode_is_no_error(stored, tmp_path):
    done = typed_in_a_shell("ncs show P1 2021-03-01", tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert b"+/-" in done.stdout
    assert done.stdout.isascii()


def test_a_decimal_comma_locale_and_no_color_change_nothing(stored, tmp_path):
    plain = typed_in_a_shell("ncs show P1", tmp_path, LC_ALL="C.UTF-8")
    other = typed_in_a_shell("ncs show P1", tmp_path, LC_ALL="de_DE.UTF-8", LANG="de_DE.UTF-8", NO_COLOR="1")
    assert plain.returncode == other.returncode == 0
    assert plain.stdout == other.stdout
    assert b"\x1b" not in plain.stdout


def test_a_pipe_gets_whole_lines_whatever_the_window(stored, tmp_path):
    wide = typed_in_a_shell("ncs show P1 2021-03-01", tmp_path, COLUMNS="40", PYTHONIOENCODING="utf-8")
    lines = wide.stdout.decode().splitlines()
    assert any(line.startswith("right median  APB") and "APB-wrist" in line for line in lines)


def test_a_reader_that_goes_away_is_no_error(stored, tmp_path):
    done = typed_in_a_shell("ncs show P1 --format csv | head -1", tmp_path)
    assert done.stdout.startswith(b"subject,")
    assert done.stderr == b""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_narrow_window_gets_small_tables(stored, tmp_path):
    import pty

    code = (
        "import fcntl, struct, termios, sys, os; "
        "fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack('HHHH', 40, 60, 0, 0)); "
        "os.environ.update(TERM='xterm', NO_COLOR='1'); os.environ.pop('COLUMNS', None); "
        "sys.argv = ['ncs', 'show', 'P1', '2021-03-01']; from ncs.cli import main; main()"
    )
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        text = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break
            if not piece:
                break
            text += piece
    os.close(ours)
    assert process.returncode == 0, text
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text.decode()).split("\r\n")
    tables = lines[: lines.index("skin temperature  33.0 °C")]
    assert "right median, recorded from APB" in lines
    assert max(len(line) for line in tables if "p/d:" not in line and "standard deviation" not in line) <= 60
    assert any(line.startswith("wrist-elbow") and "220" in line for line in tables)


def test_formats_and_schema(ncs):
    done = ncs("formats")
    assert done.status == 0
    assert {"edf", "text"} <= set(done.out.split())
    assert "stimulus time" in done.out
    listed = json.loads(ncs("formats", "--format", "json").out)
    assert {"edf", "text"} <= {entry["name"] for entry in listed["formats"]}
    assert json.loads(ncs("formats", "--json").out) == listed
    for entry in listed["not_read"]:
        assert entry["name"] in done.out
        assert entry["instead"] in done.out
    assert {".adicht", ".smrx", ".sd"} <= {ending for entry in listed["not_read"] for ending in entry["extensions"]}
    schema = json.loads(ncs("formats", "--schema").out)
    assert "stimulus_ms" in schema["properties"]
    assert ncs("formats", "--format", "csv").status == 2


def test_demo_ends_with_the_sentence_and_the_pages(ncs, tmp_path):
    done = ncs("demo", "there")
    assert done.status == 0, done.err
    assert done.out.startswith("SIMULATED DATA")
    rows = [line.split() for line in done.out.splitlines() if re.match(r"S0\d ", line)]
    assert [row[0] for row in rows] == [f"S0{n}" for n in range(1, 10)]
    for row in rows:
        change, truth, limit = map(float, row[6:9])
        assert abs(change - truth) < 1.0
        assert " ".join(row[9:]) == ("increased" if change > limit else "unchanged within error")
    assert "not compared: S03 on 2020-08-10, no longer recordable" in done.out
    assert "not compared: S04 on 2020-08-31, other distance" in done.out
    assert "Measured 34 of 35 visits; 1 has no response." in done.out
    sentence, score, laboratory, _, visit, cohort = done.out.splitlines()[-6:]
    assert "increased beyond error in 7 of 9 subjects and was unchanged within error in 2" in sentence
    assert score.startswith("ONLS improved in 6 and was stable in 3")
    assert laboratory.startswith("VEGF fell in 9 and normalised in 5")
    pages = {line.split()[-1] for line in (visit, cohort)}
    assert pages == {str(Path("there", "visit.html")), str(Path("there", "cohort.html"))}
    assert all((tmp_path / page).is_file() for page in pages)
    assert ncs("demo", "there").out == done.out


def test_demo_into_a_file_is_refused(ncs, tmp_path):
    (tmp_path / "taken").touch()
    done = ncs("demo", "taken")
    assert done.status == 2
    assert "Name another folder" in done.err


def test_a_simulated_cohort_can_be_analysed_as_it_stands(ncs, tmp_path):
    done = ncs("simulate", "cohort", "made")
    assert done.status == 0, done.err
    assert done.out.startswith("SIMULATED DATA")
    assert {"covariates.csv", "truth.csv", "SIMULATED.md"} <= {path.name for path in (tmp_path / "made").iterdir()}
    analysed = ncs("analyze", "made")
    assert (analysed.status, len(list((tmp_path / "made").glob("*.edf")))) == (0, 105)
    assert "105 analysed, 0 already stored, 0 failed" in analysed.err
    dates = [line.split()[1] for line in analysed.out.splitlines() if line.startswith("S01 ")]
    assert dates == ["2020-03-02", "2020-06-08", "2020-10-19", "2021-05-31", "2022-01-31"]  # in the order of time
    assert ncs("covariates", Path("made", "covariates.csv")).status == 0
    assert "7 of 9" in ncs("change").out


def test_a_cohort_that_changes_alike(ncs, tmp_path):
    wanted = ("--rise", 5, "--subjects", 2, "--visits", 2, "--seed", 4, "--session-cv", 3)
    assert ncs("simulate", "cohort", "made", *wanted).status == 0
    first = {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()}
    assert sum(name.endswith(".edf") for name in first) == 4
    assert "covariates.csv" not in first
    assert ncs("simulate", "cohort", "made", *wanted).status == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()} == first


@pytest.mark.parametrize("words", [("cohort",), ("study", "made"), ("cohort", "made", "--subjects", 3)])
def test_what_cannot_be_simulated_is_refused(ncs, words):
    assert ncs("simulate", *words).status == 2


def test_numbers_in_display_units():
    notes = Notes()

    def shown(quantity, value, sd=None, reason=None):
        return number(Measurement(quantity=quantity, value=value, sd=sd, unit="", reason=reason), notes)

    assert shown("cmap_amplitude", 8949.6, 12.0) == "8.95 ±0.01"
    assert shown("cmap_amplitude", 8949.6, 1.0) == "8.95 ±<0.01"
    assert shown("motor_latency", 3.4) == "3.40"
    assert shown("cmap_amplitude", -0.1) == "0.00"
    assert shown("motor_latency", None, reason=Reason.NO_RESPONSE) == "(a)"
    assert shown("motor_conduction_velocity", None, reason=Reason.NO_DISTANCE) == "(b)"
    assert shown("motor_latency", None, reason=Reason.NO_RESPONSE) == "(a)"
    assert number(None, notes) == ""
    assert notes.lines()[1:] == ["(a) no response above the noise", "(b) the distance is not stated"]


def test_footnotes_go_on_after_z():
    notes = Notes()
    assert [notes.mark(str(n)) for n in range(28)][25:] == ["(z)", "(aa)", "(ab)"]


def test_errors_are_grouped_by_file():
    problems = [
        Problem(file=f, place=p, field="unit", expected="mV", found="kg", hint=h)
        for f, p, h in [("a.csv", "line 3", ""), ("b.csv", "", "Correct it."), ("a.csv", "line 9", "")]
    ]
    assert describe(ReadError(problems)) == [
        "a.csv:", "  line 3, unit: expected mV, found kg.", "  line 9, unit: expected mV, found kg.",
        "b.csv:", "  unit: expected mV, found kg.", "    Correct it.",
    ]  # fmt: skip
    assert describe(InvalidInputError("jobs: expected 1\x1b")) == ["jobs: expected 1 "]
