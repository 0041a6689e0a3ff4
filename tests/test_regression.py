"""What is in the frozen set of reference recordings, and what ``ncs check`` says when something moves.

That nothing has moved in the frozen set itself is a test for every recording of it, made by ``ncs.testing.plugin``.
"""

import json
import shutil
import sys
from pathlib import Path

import pytest

import ncs
from benchmarks import make_reference
from ncs import cli, regression
from ncs.errors import FileAccessError, InvalidInputError
from ncs.measure import techniques
from ncs.model import Technique

REFERENCE = Path(__file__).resolve().parents[1] / "fixtures" / "reference"
FEW = ("motor_clean", "motor_no_response", "f_wave_healthy")


@pytest.fixture
def few(tmp_path):
    """A small set of our own."""
    for name in FEW:
        for ending in (".edf", regression.EXPECTED):
            shutil.copy(REFERENCE / f"{name}{ending}", tmp_path)
    shutil.copy(REFERENCE / regression.TOLERANCES, tmp_path)
    return tmp_path


@pytest.fixture
def typed(monkeypatch, capsys):
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["ncs", *map(str, words)])
        capsys.readouterr()
        try:
            cli.main()
        except SystemExit as leaving:
            status = leaving.code or 0
        else:
            status = 0
        return (status, *capsys.readouterr())

    return run


def tamper(folder, name, change):
    path = folder / f"{name}{regression.EXPECTED}"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    return path


def rows(document, quantity):
    return [row for row in document["measurements"] + document["marks"] if row["quantity"] == quantity]


def moved_by(quantity, by):
    def change(document):
        for row in rows(document, quantity):
            row["value"] += by

    return change


def only(report, name="motor_clean.edf"):
    (file,) = [file for file in report.files if file.moves or file.problem]
    assert file.name == name
    return file


def test_the_frozen_set_is_part_of_the_suite(pytestconfig):
    """Without this setting nobody would notice that nothing is checked any more."""
    assert pytestconfig.getini("ncs_reference") == [REFERENCE]
    assert "fixtures/reference" in pytestconfig.getini("testpaths")
    assert len(regression.recordings(REFERENCE)) == 25


def test_every_technique_has_its_recording_with_truth():
    with_truth = set()
    n_expected = 0
    for name in regression.recordings(REFERENCE):
        document = json.loads((REFERENCE / f"{Path(name).stem}{regression.EXPECTED}").read_text())
        entries = document["measurements"] + document["marks"]
        assert any("truth" in entry for entry in entries), name
        n_expected += len(entries)
        with_truth |= {study.technique for study in ncs.read(REFERENCE / name).studies}
    assert n_expected > 1000
    simulated = set(Technique) & set(techniques())
    assert simulated <= with_truth, f"no reference recording for {sorted(simulated - with_truth)}"


def test_the_set_is_small():
    files = list(REFERENCE.iterdir())
    assert sum(path.stat().st_size for path in files) < 1_500_000
    assert len([path for path in files if path.suffix == ".edf"]) <= 25


def test_the_set_can_be_made_again_to_the_byte(tmp_path):
    made = make_reference.motor("clean", "healthy median nerve, good signal", 1)
    shutil.copy(REFERENCE / regression.TOLERANCES, tmp_path)
    make_reference.write(tmp_path, made)
    assert (tmp_path / "motor_clean.edf").read_bytes() == (REFERENCE / "motor_clean.edf").read_bytes()
    assert regression.check(tmp_path).n_breaches == 0
    assert regression.tolerances_text() == (REFERENCE / regression.TOLERANCES).read_text()


def test_a_value_beyond_its_tolerance_is_a_breach_with_truth_and_tolerance(few):
    tamper(few, "motor_clean", moved_by("motor_latency", 0.5))
    first, *_ = only(regression.check(few)).moves
    assert (first.what, first.place.quantity, first.place.words, first.breach) == (
        "value", "motor_latency", "wrist", True,
    )  # fmt: skip
    assert first.old - first.new == pytest.approx(0.5)
    assert (first.tolerance, first.unit, first.truth) == (0.02, "ms", 3.4)


def test_a_value_within_its_tolerance_is_shown_and_no_breach(few, typed):
    tamper(few, "motor_clean", moved_by("onset_ms", 0.01))
    report = regression.check(few)
    assert [(move.place.quantity, move.breach) for move in only(report).moves] == [("onset_ms", False)] * 2
    assert report.n_breaches == 0
    status, out, _ = typed("check", few)
    assert status == 0
    assert "within" in out
    assert "BREACH" not in out


def test_arithmetic_is_no_movement(few):
    tamper(few, "motor_clean", moved_by("onset_ms", 1e-6))
    assert regression.check(few).n_moved == 0


def test_a_quantity_without_a_tolerance_may_not_move_at_all(few):
    path = few / regression.TOLERANCES
    document = json.loads(path.read_text())
    del document["marks"]["onset_ms"]
    path.write_text(json.dumps(document))
    tamper(few, "motor_clean", moved_by("onset_ms", 0.001))
    assert [(move.tolerance, move.breach) for move in only(regression.check(few)).moves] == [(None, True)] * 2


def test_missing_extra_reason_flags_unit_and_sd_are_breaches(few):
    def change(document):
        measurements = document["measurements"]
        vanished = rows(document, "residual_latency")[0]
        measurements.remove(vanished)  # now extra
        measurements.append({"quantity": "cmap_amplitude", "site": "axilla", "value": 1.0, "unit": "uV"})  # now missing
        latency = rows(document, "terminal_latency_index")[0]
        del latency["value"]
        latency["word"] = "no_distance"
        rows(document, "cmap_area")[0]["flags"] = ["never"]
        rows(document, "cmap_duration")[0]["unit"] = "s"
        del rows(document, "motor_conduction_velocity")[0]["sd"]

    tamper(few, "motor_clean", change)
    moves = only(regression.check(few)).moves
    assert {(move.what, move.place.quantity) for move in moves} == {
        ("extra", "residual_latency"), ("missing", "cmap_amplitude"), ("reason", "terminal_latency_index"),
        ("flags", "cmap_area"), ("unit", "cmap_duration"), ("sd", "motor_conduction_velocity"),
    }  # fmt: skip
    assert all(move.breach for move in moves)
    by = {move.what: move for move in moves}
    assert by["reason"].old == "no_distance"
    assert isinstance(by["reason"].new, float)


def test_a_response_that_appears_is_a_breach(few):
    """The other direction: a number where a reason was expected."""
    folder = few
    shutil.copy(folder / "motor_clean.edf", folder / "motor_no_response.edf")
    file = only(regression.check(folder), "motor_no_response.edf")
    assert "SHA-256" in file.problem
    changed = {move.place.quantity for move in file.moves if move.what == "reason" and move.old == "no_response"}
    assert {"motor_latency", "cmap_amplitude", "outcome"} <= changed


def test_tampered_expectation_exits_1_and_update_puts_it_right(few, typed):
    path = tamper(few, "motor_clean", moved_by("motor_latency", 0.5))
    frozen = (REFERENCE / path.name).read_text()
    status, out, err = typed("check", few)
    assert status == 1
    assert "motor_latency" in out
    assert "BREACH" in out
    assert "--update" in err
    assert path.read_text() != frozen, "only --update writes"

    status, out, err = typed("check", few, "--update")
    assert status == 0
    assert "BREACH" in out, "differences are shown before they are accepted"
    assert "1 expectations rewritten: motor_clean.edf" in err
    assert path.read_text() == frozen, "truth and description stay, and so does the form"
    assert typed("check", few)[:2] == (0, "Nothing moved.\n")


def test_update_leaves_what_it_cannot_analyse_and_what_did_not_move(few, typed):
    (few / "motor_no_response.edf").write_bytes(b"nothing")
    before = {path.name: path.stat().st_mtime_ns for path in few.iterdir()}
    status, out, err = typed("check", few, "--update")
    assert status == 1
    assert "cannot be analysed" in out
    assert "motor_no_response.edf" in err
    assert before == {path.name: path.stat().st_mtime_ns for path in few.iterdir()}


def test_a_recording_without_expectation_is_a_breach_until_update_makes_one(few):
    (few / f"motor_clean{regression.EXPECTED}").unlink()
    assert "--update" in only(regression.check(few)).problem
    assert regression.update(few) == ("motor_clean.edf",)
    assert regression.check(few).n_breaches == 0


def test_a_recording_that_is_gone_is_a_breach(few):
    (few / "motor_clean.edf").unlink()
    assert "cannot be analysed" in only(regression.check(few)).problem


def test_json_says_the_same(few, typed):
    tamper(few, "motor_clean", moved_by("motor_latency", 0.5))
    status, out, _ = typed("check", few, "--json")
    document = json.loads(out)
    assert status == 1
    assert document["breaches"] == 2
    (file,) = [entry for entry in document["recordings"] if entry["moves"]]
    assert file["moves"][0]["truth"] == 3.4


def test_the_page_draws_old_and_new_marks(few, typed, tmp_path):
    tamper(few, "motor_clean", moved_by("onset_ms", -0.5))
    page = tmp_path / "moved.html"
    status, *_ = typed("check", few, "--html", page)
    text = page.read_text()
    assert status == 1
    assert "motor_clean.edf" in text
    assert "trace-0-mark-1" in text
    assert "trace-0-old-1" in text
    assert "f_wave_healthy" not in text, "what did not move is not on the page"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[", "expected JSON"),
        ("[]", "expected a JSON object"),
        ('{"measurements": {}}', "marks: expected an object"),
        (
            '{"measurements": {"motor_latency": {"tolerance": 0, "unit": "ms"}}, "marks": {}}',
            "a number above 0, found 0",
        ),
        ('{"measurements": {"motor_latency": {"tolerance": 1, "unit": "s"}}, "marks": {}}', "unit: expected ms"),
        ('{"measurements": {}, "marks": {"onset": {"tolerance": 1, "unit": "ms"}}}', "unit: expected None"),
    ],
)
def test_bad_tolerances_are_named(few, text, words):
    (few / regression.TOLERANCES).write_text(text)
    with pytest.raises(InvalidInputError, match=words):
        regression.check(few)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(ncs_expected=9), "ncs_expected: expected 1, found 9"),
        (lambda d: d.update(recording="../other.edf"), "expected the name of a file motor_clean"),
        (lambda d: d.update(marks=None), "marks: expected a list"),
        (lambda d: d["marks"][0].update(value="x"), r"marks\[0\].value: expected int or float, found 'x'"),
        (lambda d: d["marks"][1].update(value=float("nan")), r"marks\[1\].value"),
        (lambda d: d["measurements"][0].update(valeu=1.0), r"measurements\[0\].valeu: expected one of"),
        (lambda d: d["measurements"].insert(0, 5), r"measurements\[0\]: expected an object"),
        (lambda d: d["measurements"][0].pop("quantity"), r"measurements\[0\].quantity"),
    ],
)
def test_bad_expectations_are_named(few, change, words):
    tamper(few, "motor_clean", change)
    with pytest.raises(InvalidInputError, match=words):
        regression.check(few)


def test_a_folder_that_is_none_or_empty(tmp_path, typed):
    with pytest.raises(FileAccessError, match=regression.TOLERANCES.replace(".", r"\.")):
        regression.check(tmp_path / "nowhere")
    shutil.copy(REFERENCE / regression.TOLERANCES, tmp_path)
    with pytest.raises(InvalidInputError, match="found none"):
        regression.check(tmp_path)
    assert typed("check", tmp_path)[0] == 2
