"""``ncs show``: visits, a subject, a visit, failures; as tables, JSON and CSV."""

import csv
import io
import json
from dataclasses import replace

import pytest

from ncs import read as read_visit
from ncs import simulate
from ncs.io.edf_write import write_edf
from tests.io.edf_examples import spec_37


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_all_visits(stored):
    done = stored("show")
    assert done.status == 0
    assert [line.split()[:4] for line in done.out.splitlines() if line.startswith("P")] == [
        ["P1", "2021-03-01", "2", "median"], ["P1", "2021-09-06", "2", "median"], ["P2", "2021-05-03", "2", "median"],
    ]  # fmt: skip
    assert [row["subject"] for row in rows_of(stored("show", "--format", "csv").out)] == ["P1", "P1", "P2"]
    assert len(json.loads(stored("show", "--format", "json").out)["visits"]) == 3


def test_a_subject_side_by_side(stored):
    done = stored("show", "P1")
    assert done.status == 0
    assert "2021-03-01" in done.out
    velocity = next(line for line in done.out.splitlines() if " MCV " in line)
    assert velocity.split()[0] == "wrist-elbow"
    assert velocity.count("±") == 2
    sensory = next(line for line in done.out.splitlines() if " SCV " in line)
    assert "±" in sensory
    assert sensory.endswith("(a)")
    assert "(a) no response above the noise" in done.out
    rows = rows_of(stored("show", "P1", "--format", "csv").out)
    assert {row["date"] for row in rows} == {"2021-03-01", "2021-09-06"}


def test_a_visit_in_every_format_has_the_same_numbers(stored):
    table = stored("show", "P1", "2021-09-06").out
    assert table.startswith("P1, 2021-09-06")
    rows = rows_of(stored("show", "P1", "2021-09-06", "--format", "csv").out)
    (velocity,) = [row for row in rows if row["quantity"] == "motor_conduction_velocity"]
    assert f"{float(velocity['value']):.1f} ±{float(velocity['sd']):.1f}" in table
    (latency,) = [r for r in rows if (r["quantity"], r["site"]) == ("motor_latency", "elbow")]
    assert f"{float(latency['value']):.2f} ±" in table
    (amplitude,) = [r for r in rows if (r["quantity"], r["site"]) == ("cmap_amplitude", "wrist")]
    assert f"{float(amplitude['value']) / 1000:.2f} ±" in table  # stored in uV, shown in mV
    (missing,) = [r for r in rows if r["quantity"] == "snap_amplitude"]
    assert (missing["value"], missing["reason"]) == ("", "no_response")
    document = json.loads(stored("show", "P1", "2021-09-06", "--format", "json").out)
    values = [m["value"] for result in document["visits"][0]["results"] for m in result["measurements"]]
    assert len(values) == len(rows)
    assert [v for v in values if v is not None] == [float(r["value"]) for r in rows if r["value"]]


def test_what_is_not_there_is_said_with_what_is(stored):
    for words, text in [
        (["show", "P7"], "no subject 'P7' in ncs.db; the store holds P1, P2"),
        (["show", "P1", "2021-01-01"], "there are 2021-03-01, 2021-09-06"),
        (["show", "P1", "2021-13-45"], "expected a date as YYYY-MM-DD, found '2021-13-45'"),
        (["show", "P1", "--format", "xml"], "'xml'"),
        (["show", "P1", "--failures"], "leave the subject out"),
        (["show", "--store", "other.db"], "Analyse something into it first"),
        (["show", "--store", "absent/ncs.db"], "absent"),
    ]:
        done = stored(*words)
        assert done.status == 2, words
        assert done.out == ""
        assert text in done.err, words


def test_a_store_that_is_none_is_left_alone(ncs, tmp_path):
    letter = tmp_path / "letter.db"
    letter.write_text("Dear colleague, thank you for the referral. " * 50)
    before = letter.read_bytes()
    done = ncs("show", "--store", "letter.db")
    assert done.status == 2
    assert "letter.db" in done.err
    assert letter.read_bytes() == before


def test_failures_are_listed_until_they_succeed(stored, exports, tmp_path):
    assert stored("show", "--failures").out == "Nothing has failed.\n"
    bad = tmp_path / "later.edf"
    bad.touch()
    assert stored("analyze", "later.edf").status == 1
    assert "later.edf" in stored("show", "--failures").out
    (failure,) = json.loads(stored("show", "--failures", "--format", "json").out)["failures"]
    assert failure["problems"][0]["found"] == "an empty file"
    assert rows_of(stored("show", "--failures", "--format", "csv").out)[0]["path"] == str(bad)
    bad.write_bytes((exports / "P2_2021-05-03_motor.edf").read_bytes())
    assert stored("analyze", "later.edf").status == 0
    assert stored("show", "--failures").out == "Nothing has failed.\n"


def test_csv_cannot_command_the_terminal(ncs, tmp_path):
    assert ncs("analyze", "x").status == 1  # makes the store
    (tmp_path / "evil\x1b[2J.edf").touch()
    assert ncs("analyze", "evil\x1b[2J.edf").status == 1
    for output in ("table", "json", "csv"):
        assert "\x1b" not in ncs("show", "--failures", "--format", output).out


@pytest.fixture
def reporting(ncs, tmp_path):
    """A visit whose machine wrote its own numbers into the file: those of the specification's section 3.7."""
    study, _ = simulate.motor_study(
        seed=0, velocity_m_s=55.0, distal_latency_ms=3.8, distal_distance_mm=65.0, segment_mm=220.0,
        recording=simulate.Recording(stimulus_ms=0.0, duration_ms=50.0),
    )  # fmt: skip
    (tmp_path / "spec.edf").write_bytes(spec_37([trace.samples_uv[0] for trace in study.traces]))
    assert ncs("analyze", "spec.edf").status == 0
    return ncs


def test_what_the_machine_measured_stands_beside_our_numbers(reporting):
    shown = reporting("show", "MCH-0234567", "2002-03-02").out
    assert "Measured by the machine itself (difference: machine less ncs)" in shown
    (line,) = [line for line in shown.splitlines() if " motor conduction velocity " in line]
    words = line.split()
    assert words[:4] == ["wrist-elbow", "motor", "conduction", "velocity"]
    machine, ours, difference = (float(word.replace("\N{MINUS SIGN}", "-")) for word in words[4:7])
    assert machine == 55.0
    assert difference == pytest.approx(machine - ours, abs=0.11)


def test_the_comparison_is_the_same_in_every_format(reporting):
    where = ("show", "MCH-0234567", "2002-03-02")
    document = json.loads(reporting(*where, "--format", "json").out)
    (result,) = document["visits"][0]["results"]
    compared = {(one["kind"], one["site"]): one for one in result["reported"]}
    assert set(compared) == {
        ("latency_ms", "wrist"), ("amplitude_uv", "wrist"), ("latency_ms", "elbow"), ("amplitude_uv", "elbow"),
        ("velocity_m_s", "elbow"),
    }  # fmt: skip
    by_name = {m["quantity"]: m["value"] for m in result["measurements"] if m["site"] == "wrist"}
    assert compared["latency_ms", "wrist"]["computed"] == by_name["motor_latency"]
    for one in compared.values():
        assert one["difference"] == pytest.approx(one["reported"] - one["computed"])
    for choice in (where, where[:2]):
        rows = rows_of(reporting(*choice, "--format", "csv").out)
        reported = [
            (row["quantity"], float(row["reported"]), float(row["difference"])) for row in rows if row["reported"]
        ]
        assert sorted(reported) == sorted((c["quantity"], c["reported"], c["difference"]) for c in compared.values())
        assert len(rows) == len(result["measurements"])


def test_a_visit_without_numbers_of_the_machine_shows_no_comparison(stored):
    assert "Measured by the machine" not in stored("show", "P1", "2021-03-01").out
    rows = rows_of(stored("show", "P1", "2021-03-01", "--format", "csv").out)
    assert {row["reported"] for row in rows} == {""}


def test_studies_that_stay_apart_are_named_with_the_reason(ncs, exports, tmp_path):
    visit = read_visit(exports / "P1_2021-03-01_motor.edf")
    (study,) = visit.studies
    for trace, warmth in zip(study.traces, (33.0, 30.5), strict=True):
        alone = replace(study, traces=(trace,), skin_temperature_c=warmth)
        write_edf(replace(visit, studies=(alone,)), tmp_path / f"{trace.stimulation_site}.edf")
    done = ncs("analyze", ".")
    assert done.status == 0
    for text in (done.err, ncs("show", "P1", "2021-03-01").out):
        assert "skin_temperature_c" in text
        assert "stay apart" in text
    document = json.loads(ncs("show", "P1", "2021-03-01", "--format", "json").out)
    (warning,) = document["visits"][0]["warnings"]
    assert warning["field"] == "skin_temperature_c"
