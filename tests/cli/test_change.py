"""``ncs covariates``, ``ncs change`` and ``ncs repeatability`` as they are typed."""

import csv
import datetime as dt
import io
import json

import pytest

from tests.longitudinal.build import course, covariate_csv, day, paper_store, recording, store_of


@pytest.fixture
def study(ncs, tmp_path):
    """Type a command beside a store of nine subjects, covariates included."""
    paper_store(tmp_path / "ncs.db").close()
    covariate_csv(tmp_path / "vegf.csv")
    return ncs


def test_covariates_are_stored_once(study):
    first = study("covariates", "vegf.csv", "--upper", "VEGF=38.3")
    assert (first.status, first.out) == (0, "")
    assert "36 values of 18 visits, matched within 7 days, 36 of another date" in first.err
    assert "36 stored, 0 already stored, 0 left out" in first.err
    second = study("covariates", "vegf.csv", "--upper", "VEGF=38.3")
    assert (second.status, "0 stored, 36 already stored" in second.err) == (0, True)
    shown = study("covariates")
    assert any(line.split()[:4] == ["S02", "2021-03-02", "VEGF", "<15"] for line in shown.out.splitlines())
    rows = list(csv.DictReader(io.StringIO(study("covariates", "--format", "csv").out)))
    assert len(rows) == 36
    assert {row["unit"] for row in rows if row["name"] == "VEGF"} == {"pg/mL"}
    assert len(json.loads(study("covariates", "--format", "json").out)["covariates"]) == 36


def test_what_finds_no_visit_is_listed_and_the_rest_stored(study, tmp_path):
    done = study("covariates", "vegf.csv", "--within", "1")
    assert done.status == 1
    assert done.err.count("left out: vegf.csv: line") == 36
    assert "found the nearest on 2020-03-02, 2 days away" in done.err
    assert "Allow more days: --within 2" in done.err
    (tmp_path / "more.csv").write_text(
        "subject,date,name,value,unit\nS01,2020-03-02,grip,21,kg\nS77,2020-03-02,grip,9,kg\n"
    )
    done = study("covariates", "more.csv")
    assert done.status == 1
    assert "line 3, subject: expected a subject with a visit in the store, found 'S77'" in done.err
    assert "1 stored, 0 already stored, 1 left out" in done.err


def test_mistakes_in_the_file_store_nothing(study, tmp_path):
    (tmp_path / "bad.csv").write_text("subject,date,name,value,unit\nS01,2020-03-02,grip,x,kg\nS01,today,grip,9,kg\n")
    done = study("covariates", "bad.csv")
    assert done.status == 2
    assert "line 2, value: expected a number" in done.err
    assert "line 3, date: expected a date as YYYY-MM-DD, found 'today'" in done.err
    assert "No covariates are stored yet." in study("covariates").out


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["covariates", "vegf.csv", "--upper", "VEGF"], "expected NAME=VALUE"),
        (["covariates", "vegf.csv", "--upper", "VEGF=x"], "expected NAME=VALUE"),
        (["covariates", "vegf.csv", "--upper", "A=1", "--upper", "A=2"], "found two"),
        (["covariates", "--within", "3"], "need a file"),
        (["covariates", "none.csv"], "none.csv:"),
        (["change", "--repeatability", "much"], "found 'much'"),
        (["change", "--cite", "x"], "--cite belongs to --repeatability"),
        (["change", "--repeatability", "own", "--cite", "x"], "own recordings name themselves"),
        (["change", "--within", "3"], "--within belongs to --repeatability own"),
        (["change", "--covariate", "grip"], "expected names that are stored (none), found grip"),
        (["change", "--quantity", "mcv"], "expected a name in ncs.quantities.QUANTITIES, found 'mcv'"),
        (["change", "--temperature-limit", "-1"], "expected a number above 0"),
        (["change", "--repeatability", "own"], "expected at least 2 groups of visits within 14 days"),
        (["change", "--store", "none.db"], "expected a store, found no file"),
    ],
)  # fmt: skip
def test_what_is_typed_wrongly_is_explained(study, words, text):
    done = study(*words)
    assert done.status == 2
    assert text in " ".join(done.err.replace("│", " ").split())


def test_change_in_words_and_numbers(study):
    study("covariates", "vegf.csv", "--upper", "VEGF=38.3")
    done = study("change", "--covariate", "vegf")
    assert done.status == 0
    assert done.err == ""
    text = " ".join(done.out.split())
    assert "Median motor conduction velocity increased beyond error in 7 of 9 subjects" in text
    assert "VEGF fell in 9 and normalised in 5" in text
    assert "ONLS" not in text
    assert "Muscle Nerve 1998;21:1368" in text
    assert "3 p values were computed here" in text
    (first,) = [line for line in done.out.splitlines() if line.startswith("S01") and "2021-03-02" in line]
    assert first.split()[3:] == ["12.0", "31.0", "±0.1", "42.0", "±0.1", "+11.0", "+35", "3.0", "increased"]
    (lost,) = [line for line in done.out.splitlines() if line.startswith("S09") and "2021-03-02" in line]
    assert lost.endswith("not comparable: no longer recordable")
    assert " NR " in lost
    assert "0.0" not in lost


def test_change_for_other_programs_has_the_same_numbers(study):
    rows = list(csv.DictReader(io.StringIO(study("change", "--format", "csv").out)))
    document = json.loads(study("change", "--format", "json").out)
    visits = document["change"]["visits"]
    assert len(rows) == len(visits) == 18
    assert [row["verdict"] for row in rows] == [visit["verdict"] for visit in visits]
    assert [float(row["difference"]) for row in rows if row["difference"]] == [
        visit["difference"] for visit in visits if visit["difference"] is not None
    ]
    assert document["cohort"]["counts"]["increased"] == 7
    assert document["change"]["repeatability"]["cv_percent"] == 3.0


def test_the_user_names_the_repeatability(study):
    strict = study("change", "--repeatability", "20", "--cite", "Thesis 2001")
    assert "unchanged within error in" in strict.out.replace("\n", " ")
    assert "Thesis 2001" in strict.out
    assert "20 % of the mean" in strict.out.replace("\n", " ")
    assert "sqrt(2) x 1.2 m/s" in study("change", "--repeatability", "1.2 m/s").out.replace("\n", " ")


def test_millivolts_are_microvolts(ncs, tmp_path):
    results = course("S1", 5000.0, 9000.0, quantity="cmap_amplitude", site="wrist", segment=None, sd=10.0)
    store_of(*results, path=tmp_path / "ncs.db").close()
    done = ncs("change", "--quantity", "cmap_amplitude", "--repeatability", "2mV", "--format", "json")
    (visit,) = json.loads(done.out)["change"]["visits"]
    assert visit["repeatability_sd"] == pytest.approx(2000 * 2**0.5)
    table = ncs("change", "--quantity", "cmap_amplitude").out
    assert "Median CMAP amplitude, mV" in table
    assert "+4.00" in table
    assert "±0.01" in table


def test_own_recordings_as_repeatability(ncs, tmp_path):
    pairs = [(50.0, 51.0), (40.0, 39.0), (45.0, 45.6), (42.0, 42.9)]
    results = [
        recording(f"R{k}", day(0) + dt.timedelta(days=7 * visit), value)
        for k, pair in enumerate(pairs)
        for visit, value in enumerate(pair)
    ]
    store_of(*results, *course("S1", 30.0, 36.0), path=tmp_path / "ncs.db").close()
    done = ncs("repeatability")
    assert done.status == 0
    assert "Compare visits with it: ncs change" in done.out
    assert "4 groups of visits within 14 days, 4 subjects" in done.out
    row = json.loads(ncs("repeatability", "--format", "json").out)["repeatability"][0]
    assert f"{row['cv_percent']:.2f} %" in done.out
    assert row["cv_low"] < row["cv_percent"] < row["cv_high"]
    assert len(ncs("repeatability", "--format", "csv").out.splitlines()) == 2
    changed = ncs("change", "--repeatability", "own").out.replace("\n", " ")
    assert "own repeated recordings: 4 groups" in changed
    assert "Student's t, 4 degrees of freedom" in changed


def test_nothing_to_compare_is_said_with_what_is_there(study):
    done = study("change", "--nerve", "ulnar")
    assert (done.status, done.out) == (1, "")
    assert "No motor_conduction_velocity of the ulnar nerve" in done.err
    assert "there is median" in done.err


def test_recordings_from_export_to_verdict(stored):
    done = stored("change")
    assert done.status == 0
    assert "P1" in done.out
    assert "one visit only, so not counted: P2" in done.out
    assert "few subjects: 1 can be compared" in done.out.replace("\n", " ")
    sensory = stored("change", "--quantity", "sensory_conduction_velocity")
    assert "no longer recordable" in sensory.out


def test_a_page_is_written_beside_the_table(stored, tmp_path):
    done = stored("change", "--html", "change.html")
    assert (done.status, "change.html: written." in done.err) == (0, True)
    page = (tmp_path / "change.html").read_text(encoding="utf-8")
    assert "Muscle Nerve 1998;21:1368" in page
    assert page.count("<svg") >= 2
    refused = stored("change", "--html", "nowhere/change.html")
    assert refused.status == 2
    assert "expected a file that can be written, found no such file or directory" in refused.err.lower()
