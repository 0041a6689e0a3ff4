"""What the demonstration claims: the published counts come out, and an unchanged nerve is not called changed."""

import csv
from dataclasses import replace

import pytest

import ncs
from ncs import demo, longitudinal, simulate
from ncs.errors import FileAccessError, StoreError
from ncs.longitudinal import NotComparable, Verdict

CHANGED = (Verdict.INCREASED, Verdict.DECREASED)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return demo.run(tmp_path_factory.mktemp("demo"))


def change_of(cohorts):
    """Analyse cohorts into one store in memory, and compare the visits."""
    with ncs.open_store(":memory:") as store:
        store.save_many(ncs.analyze(each.visit) for cohort in cohorts for each in cohort.visits)
        return longitudinal.change(store, "motor_conduction_velocity", "median")


def parallel_cohorts(rise_m_s, n=200):
    """Return cohorts of nine subjects, 20 to 38 m/s at first; sessions differ by 3 %, as in the rule's own source.

    Ten times nine nerves are examined again and again: what is random between cohorts is session and noise.
    """
    return [
        simulate.cohort(
            simulate.steady_plan(rise_m_s=rise_m_s, prefix=f"C{number:03d}-", anatomy=9 * (number % 10)),
            seed=(2008, number),
            session_cv_percent=3.0,
        )
        for number in range(n)
    ]


def test_the_published_counts_come_out(made):
    assert made.cohort.n == 9
    assert made.table.counts() == {
        Verdict.INCREASED: 7, Verdict.DECREASED: 0, Verdict.UNCHANGED: 2, Verdict.NOT_COMPARABLE: 0
    }  # fmt: skip
    assert {row.subject for row in made.table.last() if row.verdict is Verdict.UNCHANGED} == {"S05", "S07"}
    found = {summary.name: summary for summary in made.cohort.covariates}
    assert (found["VEGF"].n, found["VEGF"].fell, found["VEGF"].normalised) == (9, 9, 5)
    assert (found["ONLS"].fell, found["ONLS"].same, found["ONLS"].rose) == (6, 3, 0)
    assert found["VEGF"].upper_limit == 100.0
    assert (round(made.cohort.months_low), round(made.cohort.months_high)) == (8, 23)
    assert "7 of 9" in made.cohort.sentence


def test_what_cannot_be_compared_says_why(made):
    reasons = {(row.subject, row.visit.date.isoformat()): row.reason for row in made.table.rows if row.reason}
    assert reasons == {
        ("S03", "2020-08-10"): NotComparable.NOT_RECORDABLE_NOW,
        ("S04", "2020-08-31"): NotComparable.OTHER_DISTANCE,
    }
    assert made.cohort.lost_at_any_visit == 1
    assert made.cohort.lost == 0


@pytest.mark.parametrize("seed", range(5))
def test_the_counts_do_not_depend_on_the_seed(seed):
    plan = [replace(subject, only_median_motor=True) for subject in simulate.PUBLISHED_SUMMARY]
    table = change_of([simulate.cohort(plan, seed=seed)])
    assert table.counts()[Verdict.INCREASED] == 7
    assert table.counts()[Verdict.UNCHANGED] == 2
    for row in table.last():
        share = row.difference / row.error_95
        assert share > 2.0 if row.verdict is Verdict.INCREASED else abs(share) < 0.7


def test_measured_is_true_within_its_own_error(made):
    assert [c.subject for c in made.comparisons if c.true_m_s is None] == ["S03"]
    for c in made.comparisons:
        assert (c.measured_m_s is None) == (c.true_m_s is None)
        if c.true_m_s is not None:
            assert abs(c.measured_m_s - c.true_m_s) < min(0.1 + 5 * c.sd_m_s, 0.04 * c.true_m_s)


@pytest.mark.slow
def test_at_most_one_unchanged_nerve_in_twenty_is_called_changed():
    """The rule is meant to err in 5 % of unchanged nerves.

    Sessions that differ by exactly the 3 % that the rule assumes make it err in 4.7 % on average (noise is counted
    twice, and the most distant distances are not compared); the sampling error of 1800 subjects is 0.5 %. So 5 % is no
    wide margin: seeds 1 to 7 gave 3.8 to 5.5 %. The spread below depends less on the seed.
    """
    table = change_of(parallel_cohorts(0.0))
    counts = table.counts()
    assert sum(counts.values()) == 1800
    assert counts[Verdict.NOT_COMPARABLE] < 0.01 * 1800
    assert sum(counts[verdict] for verdict in CHANGED) <= 0.05 * 1800
    shares = [row.difference / row.error_95 for row in table.last() if row.difference is not None]
    spread = 1.96 * (sum(share**2 for share in shares) / len(shares)) ** 0.5
    assert 0.93 < spread < 1.03  # the sessions do differ, by no more than the rule allows for


@pytest.mark.slow
def test_nine_in_ten_rises_of_five_metres_per_second_are_found():
    counts = change_of(parallel_cohorts(5.0)).counts()
    assert sum(counts.values()) == 1800
    assert counts[Verdict.INCREASED] >= 0.9 * 1800
    assert counts[Verdict.DECREASED] == 0


def test_a_second_run_adds_nothing(made):
    folder = made.files.folder.parent
    with ncs.open_store(made.store) as store:
        before = len(store.measurements()), len(store.covariates())
    pages = made.visit_page.read_bytes(), made.cohort_page.read_bytes()
    again = demo.run(folder)
    assert again.cohort == made.cohort
    with ncs.open_store(made.store) as store:
        assert (len(store.measurements()), len(store.covariates())) == before
    assert (made.visit_page.read_bytes(), made.cohort_page.read_bytes()) == pages


def test_pages_are_labelled_as_simulated(made):
    for page in (made.visit_page, made.cohort_page):
        text = page.read_text(encoding="utf-8")
        assert text.index("<body>") < text.rindex(demo.LABEL) < text.index("<h1>")
        assert f"<title>{demo.LABEL}" in text
    assert made.cohort.sentence in made.cohort_page.read_text(encoding="utf-8")


def test_the_written_files_say_what_was_simulated(made):
    folder = made.files.folder
    assert len(made.files.recordings) == 3 * len(made.simulated.visits) == 105
    assert (folder / "SIMULATED.md").read_text(encoding="utf-8").startswith(demo.LABEL)
    with made.files.truth.open(encoding="utf-8", newline="") as stream:
        truth = list(csv.DictReader(stream))
    assert len(truth) == 105
    lost = [
        row
        for row in truth
        if row["nerve"] == "median" and row["technique"] == "motor" and not row["true_velocity_m_s"]
    ]
    assert [(row["subject"], row["date"], row["distal_latency_ms"]) for row in lost] == [("S03", "2020-08-10", "")]
    with made.files.covariates.open(encoding="utf-8", newline="") as stream:
        covariates = list(csv.DictReader(stream))
    assert len(covariates) == len(made.simulated.covariates) == 139
    assert {"subject": "S04", "date": "2021-05-11", "name": "VEGF", "value": "<15", "unit": "pg/mL",
            "upper_limit": "100"} in covariates  # fmt: skip


def test_a_written_visit_is_read_as_it_was_simulated(made):
    each = made.simulated.visits[0]
    name = f"{each.visit.subject}_{each.visit.date}_median_motor.edf"
    visit = ncs.read(made.files.folder / name)
    assert (str(visit.subject), visit.date) == ("S01", each.visit.date)
    read, simulated = visit.studies[0], each.visit.studies[0]
    assert [trace.distance_mm for trace in read.traces] == [trace.distance_mm for trace in simulated.traces]
    assert read.skin_temperature_c == simulated.skin_temperature_c


def test_other_recordings_in_the_folder_are_not_mixed_in(tmp_path):
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "P1.edf").touch()
    with pytest.raises(FileAccessError, match=r"without other recordings, found P1\.edf"):
        demo.run(tmp_path)


def test_other_visits_in_the_store_are_not_mixed_in(tmp_path):
    import datetime as dt

    visit, _ = simulate.visit("P1", dt.date(2020, 1, 1), seed=1, sensory=())
    with ncs.open_store(tmp_path / "ncs.db") as store:
        store.save(ncs.analyze(visit))
    with pytest.raises(StoreError, match="P1 on 2020-01-01"):
        demo.run(tmp_path)
