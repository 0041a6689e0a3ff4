"""One study in several files: wrist here, elbow there. Only together do they have a velocity."""

import datetime as dt
import hashlib
import itertools
import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import ncs
from ncs import simulate
from ncs._joining import join_split_studies
from ncs.errors import InvalidInputError
from ncs.io import merge
from ncs.io.edf_write import write_edf
from ncs.model import Filters, Segment, Subject, Visit
from ncs.results import Reason

DAY = dt.date(2021, 3, 1)
VELOCITY = "motor_conduction_velocity"


@cache
def three_sites():
    study, _ = simulate.motor_study(seed=11, sites=("wrist", "elbow", "axilla"), segment_mm=(220.0, 140.0),
                                    velocity_m_s=52.0, further_velocities_m_s=(61.0,))  # fmt: skip
    return study


def part(site, *, name="P1", **changes):
    study = three_sites()
    traces = tuple(trace for trace in study.traces if trace.stimulation_site == site)
    return Visit(subject=Subject(id=name), date=DAY, studies=(replace(study, traces=traces, **changes),))


def changed(visit, **changes):
    (study,) = visit.studies
    return replace(visit, studies=(replace(study, traces=tuple(replace(t, **changes) for t in study.traces)),))


def write(folder, *sites, **changes):
    folder.mkdir(exist_ok=True)
    for site in sites:
        write_edf(part(site, **changes), folder / f"{site}.edf")
    return folder


def velocities(store):
    frame = store.measurements(quantity=VELOCITY)
    return {row.segment: row.value for row in frame.itertuples()}


def content(store):
    """Everything in force, without what depends on how many runs there were before."""
    frame = store.measurements().drop(columns=["run", "source", "sha256"])
    files = [sorted(source.name for source in result.sources) for result in store.load_results("P1", DAY)]
    return frame.to_csv(), sorted(files)


def rows(store):
    with store._reading() as connection:
        return sorted(map(str, connection.exec_driver_sql("select * from runs"))) + sorted(
            map(str, connection.exec_driver_sql("select * from run_parts"))
        )


# Joining visits


def test_sites_in_different_files_become_one_study():
    whole = merge([part("elbow"), part("wrist"), part("axilla")])
    (study,) = whole.studies
    assert [trace.stimulation_site for trace in study.traces] == ["wrist", "elbow", "axilla"]
    assert study.provenance["site_order"].value == "file"
    found = {m.segment: m.value for m in ncs.analyze(whole).measurements if m.quantity == VELOCITY}
    assert found["wrist-elbow"] == pytest.approx(52.0, abs=1.0)
    assert found["elbow-axilla"] == pytest.approx(61.0, abs=2.0)
    for trace, alone in zip(study.traces, three_sites().traces, strict=True):
        assert np.array_equal(trace.samples_uv, alone.samples_uv)


@pytest.mark.parametrize("order", list(itertools.permutations(["wrist", "elbow", "axilla"])))
def test_the_order_of_files_does_not_matter(order):
    (study,) = merge([part(site) for site in order]).studies
    assert [trace.stimulation_site for trace in study.traces] == ["wrist", "elbow", "axilla"]


def test_a_visit_by_itself_stays_what_it_is():
    visit = part("wrist")
    assert merge([visit]) is visit


def test_a_study_that_was_done_twice_stays_two_studies():
    whole = merge([part("wrist"), part("wrist")])
    assert len(whole.studies) == 2
    assert whole.problems == ()


def test_a_fact_that_one_file_states_holds_for_the_study():
    warm = part("wrist", skin_temperature_c=32.5, temperature_site="hand")
    (study,) = merge([warm, part("elbow", skin_temperature_c=None, temperature_site=None)]).studies
    assert (study.skin_temperature_c, study.temperature_site) == (32.5, "hand")


@pytest.mark.parametrize(
    ("second", "field", "words"),
    [
        (part("elbow", skin_temperature_c=30.0), "skin_temperature_c", "33.0 in"),
        (part("elbow", distance_sd_mm=9.0), "distance_sd_mm", "9.0, as in"),
        (changed(part("elbow"), filters=Filters(low_cut_hz=20.0, high_cut_hz=3000.0)), "filters.low_cut_hz", "20 Hz"),
        (changed(part("elbow"), stimulation_site=None), "stimulation_site", "none in"),
        (part("elbow", recording_site=None), "recording_site", "none in"),
        (part("elbow", segments=(Segment(distal_site="Elbow", proximal_site="wrist", distance_mm=200.0),)),
         "segments", "200 mm"),
    ],
)  # fmt: skip
def test_what_contradicts_stays_apart_and_is_named(second, field, words):
    segment = Segment(distal_site="wrist", proximal_site="elbow", distance_mm=220.0)
    first = part("wrist", distance_sd_mm=4.0, segments=(segment,))
    if field != "distance_sd_mm":
        second = replace(second, studies=(replace(second.studies[0], distance_sd_mm=4.0),))
    whole = merge([first, second])
    assert len(whole.studies) == 2
    (problem,) = whole.problems
    assert problem.field == field
    assert words in f"{problem.expected} {problem.found}"
    assert "apart" in problem.hint
    assert "median motor study, sites" in problem.place


def test_a_site_that_is_there_twice_leaves_open_which_one_is_meant():
    again = changed(part("elbow"), distance_mm=301.0)
    whole = merge([part("wrist"), part("elbow"), again])
    assert len(whole.studies) == 3
    (problem,) = whole.problems
    assert problem.found.startswith("elbow in ")


def test_other_nerves_sides_and_recording_sites_have_nothing_to_do_with_each_other():
    others = [part("elbow", nerve="ulnar"), part("elbow", side=ncs.Side.LEFT), part("elbow", recording_site="FDI")]
    whole = merge([part("wrist"), *others])
    assert len(whole.studies) == 4
    assert whole.problems == ()


def test_visits_of_two_subjects_or_days_are_refused():
    with pytest.raises(InvalidInputError, match=r"subject: expected visits of one subject, found P[12] .*, P[12]"):
        merge([part("wrist"), part("elbow", name="P2")])
    with pytest.raises(InvalidInputError, match="date: expected visits of one date"):
        merge([part("wrist"), replace(part("elbow"), date=dt.date(2021, 3, 2))])
    with pytest.raises(InvalidInputError, match="at least one"):
        merge([])


# A folder


def test_a_folder_yields_the_velocity(tmp_path):
    write(tmp_path / "in", "wrist", "elbow")
    (tmp_path / "whole").mkdir()
    both = merge([part("wrist"), part("elbow")])
    write_edf(both, tmp_path / "whole" / "both.edf")
    with ncs.open_store(tmp_path / "one.db") as store, ncs.open_store(tmp_path / "two.db") as other:
        summary = ncs.analyze_files(tmp_path / "in", store=store)
        ncs.analyze_files(tmp_path / "whole", store=other)
        assert (summary.n_done, summary.warnings) == (2, ())
        assert velocities(store)["wrist-elbow"] == pytest.approx(velocities(other)["wrist-elbow"], abs=0.01)
        assert set(velocities(store)) == {"wrist-elbow"}
        (result,) = store.load_results("P1", DAY)
        assert [source.name for source in result.sources] == ["elbow.edf", "wrist.edf"]
        assert store.visits()["files"].tolist() == [2]


def test_a_number_that_rests_on_several_files_names_all_of_them(tmp_path):
    folder = write(tmp_path / "in", "wrist", "elbow")
    hashes = [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("elbow.edf", "wrist.edf")]
    with ncs.open_store(tmp_path / "ncs.db") as store:
        store.save(ncs.analyze(simulate.visit("P0", DAY, seed=1)[0]))  # without a file
        ncs.analyze_files(folder, store=store)
        (result,) = store.load_results("P1", DAY)
        for frame in (
            store.measurements("P1"),
            store.measurements("P1", DAY),
            store.measurements(quantity=VELOCITY, subject="P1"),
            store.marks("P1"),
            result.to_dataframe(),
        ):
            assert set(frame["source"]) == {"elbow.edf; wrist.edf"}
            assert set(frame["sha256"]) == {"; ".join(hashes)}
        assert store.measurements("P0")["source"].isna().all()


def test_a_second_batch_changes_nothing(tmp_path):
    write(tmp_path / "in", "wrist", "elbow")
    with ncs.open_store(tmp_path / "ncs.db") as store:
        ncs.analyze_files(tmp_path / "in", store=store)
        before = rows(store)
        summary = ncs.analyze_files(tmp_path / "in", store=store)
        assert (summary.n_done, summary.n_skipped, summary.warnings) == (0, 2, ())
        assert rows(store) == before


def test_batches_in_any_order_end_with_the_same_store(tmp_path):
    write(tmp_path / "in", "wrist", "elbow", "axilla")
    with ncs.open_store(tmp_path / "all.db") as store:
        ncs.analyze_files(tmp_path / "in", store=store)
        expected = content(store)
        assert set(velocities(store)) == {"wrist-elbow", "elbow-axilla"}
    for number, order in enumerate(itertools.permutations(["wrist", "elbow", "axilla"])):
        with ncs.open_store(tmp_path / f"{number}.db") as store:
            for site in order:
                ncs.analyze_files(tmp_path / "in" / f"{site}.edf", store=store)
            assert content(store) == expected, order


def test_a_batch_that_died_before_joining_is_made_good_by_the_next(tmp_path):
    folder = write(tmp_path / "in", "wrist", "elbow")
    with ncs.open_store(tmp_path / "ncs.db") as store:
        for site in ("wrist", "elbow"):
            store.save(ncs.analyze(ncs.read(folder / f"{site}.edf")))
        assert [math.isnan(value) for value in velocities(store).values()] == [True]
        assert ncs.analyze_files(folder, store=store).n_skipped == 2
        assert velocities(store)["wrist-elbow"] == pytest.approx(52.0, abs=1.0)


def test_another_way_of_analysing_and_back(tmp_path):
    folder = write(tmp_path / "in", "wrist", "elbow")
    with ncs.open_store(tmp_path / "ncs.db") as store:
        ncs.analyze_files(folder, store=store)
        first = velocities(store)
        ncs.analyze_files(folder, store=store, onset_method="tangent")
        second = velocities(store)
        assert second != first
        n_runs = len(rows(store))
        ncs.analyze_files(folder, store=store)
        assert velocities(store) == first
        ncs.analyze_files(folder, store=store, onset_method="tangent")
        assert velocities(store) == second
        assert len(rows(store)) == n_runs


def test_two_ways_of_analysing_make_no_velocity(tmp_path):
    folder = write(tmp_path / "in", "wrist", "elbow")
    with ncs.open_store(tmp_path / "ncs.db") as store:
        ncs.analyze_files(folder / "wrist.edf", store=store)
        ncs.analyze_files(folder / "elbow.edf", store=store, onset_method="tangent")
        assert len(store.load_results("P1", DAY)) == 2
        assert store.measurements(quantity=VELOCITY)["reason"].tolist() == ["one_site", "one_site"]


def test_a_file_that_contradicts_takes_the_study_apart(tmp_path):
    folder = write(tmp_path / "in", "wrist", "elbow")
    with ncs.open_store(tmp_path / "ncs.db") as store:
        ncs.analyze_files(folder, store=store)
        write(folder, "axilla", skin_temperature_c=30.0)
        summary = ncs.analyze_files(folder, store=store)
        assert [problem.field for problem in summary.warnings] == ["skin_temperature_c"]
        assert len(store.load_results("P1", DAY)) == 3
        (apart,) = store.load_visit("P1", DAY).problems
        assert apart.field == "skin_temperature_c"
        assert not ncs.analyze_files(folder, store=store).warnings  # said once, with the file that brought it


def test_a_file_of_the_study_that_changes(tmp_path):
    folder = write(tmp_path / "in", "wrist", "elbow")
    with ncs.open_store(tmp_path / "ncs.db") as store:
        ncs.analyze_files(folder, store=store)
        write_edf(changed(part("elbow"), distance_mm=310.0), folder / "elbow.edf")
        summary = ncs.analyze_files(folder, store=store)
        assert {problem.field for problem in summary.warnings} == {"content", "stimulation_site"}
        for problem in summary.warnings:
            if problem.field == "content":
                (run,) = {int(word) for word in problem.found.split() if word.isdigit()}
                store.withdraw(run)
        ncs.analyze_files(folder, store=store)
        assert velocities(store)["wrist-elbow"] == pytest.approx(52.0 * 230 / 220, abs=1.0)


def test_withdrawing_one_file_of_a_joined_study_leaves_the_others(tmp_path):
    folder = write(tmp_path / "in", "wrist", "elbow", "axilla")
    with ncs.open_store(tmp_path / "ncs.db") as store:
        store_runs = {site: store.save(ncs.analyze(ncs.read(folder / f"{site}.edf"))).run for site in
                      ("wrist", "elbow", "axilla")}  # fmt: skip
        join_split_studies(store)
        store.withdraw(store_runs["axilla"])
        join_split_studies(store)
        assert set(velocities(store)) == {"wrist-elbow"}


def test_protocol_gives_the_order_where_distances_are_missing(tmp_path):
    for site in ("wrist", "elbow"):
        write_edf(changed(part(site), distance_mm=None), tmp_path / f"{site}.edf")
    protocol = {
        "ncs_protocol": 1, "studies": [{"nerve": "median", "technique": "motor", "sites": ["wrist", "elbow"]}]
    }  # fmt: skip
    with ncs.open_store(tmp_path / "ncs.db") as store:
        ncs.analyze_files(tmp_path, store=store, protocol=protocol)
        (result,) = store.load_results("P1", DAY)
        found = {m.quantity: m for m in result.measurements if m.segment == "wrist-elbow"}
        assert found[VELOCITY].reason is Reason.NO_DISTANCE
        assert found["cmap_amplitude_ratio"].value is not None
        before = rows(store)
        join_split_studies(store)  # without the protocol the visit is left as it is
        assert rows(store) == before


def test_a_value_stated_later_stays_in_force(tmp_path):
    folder = write(tmp_path / "in", "wrist", "elbow")
    (folder / "wrist.ncs.json").write_text('{"ncs_sidecar": 1, "covariates": {"vegf_pg_ml": 812, "score": 3}}')
    with ncs.open_store(tmp_path / "ncs.db") as store:
        ncs.analyze_files(folder / "wrist.edf", store=store)
        store.add_covariates("P1", DAY, {"vegf_pg_ml": 800.0}, source="corrected.csv")
        ncs.analyze_files(folder, store=store)
        assert set(velocities(store)) == {"wrist-elbow"}
        found = store.covariates().set_index("name")["number"]
        assert found.to_dict() == {"vegf_pg_ml": 800.0, "score": 3.0}


def test_a_new_run_of_one_file_brings_the_others_back(tmp_path):
    folder = write(tmp_path / "in", "wrist", "elbow")
    with ncs.open_store(tmp_path / "ncs.db") as store:
        ncs.analyze_files(folder, store=store)
        (whole,) = store.load_results("P1", DAY)
        again = store.save(replace(ncs.analyze(ncs.read(folder / "wrist.edf")), fingerprint="other"))
        assert len(again.superseded) == 1
        assert sorted(result.sources[0].name for result in store.load_results("P1", DAY)) == ["elbow.edf", "wrist.edf"]
        assert len(whole.sources) == 2


def moved(store):
    frame = store.measurements(quantity="motor_latency", site="elbow")
    return frame["value"].tolist()


@pytest.mark.parametrize("when", ["before joining", "after joining"])
def test_a_mark_that_a_person_moved_stays_moved_whatever_is_joined(tmp_path, when):
    folder = write(tmp_path / "in", "wrist", "elbow", "axilla")
    with ncs.open_store(tmp_path / "ncs.db") as store:
        ncs.analyze_files(folder / "elbow.edf", store=store)
        if when == "after joining":
            ncs.analyze_files(folder / "wrist.edf", store=store)
        store.edit_mark("P1", DAY, site="elbow", mark="onset_ms", value=9.5, author="A", reason="artefact")
        assert moved(store) == [9.5]
        ncs.analyze_files([folder / "wrist.edf"], store=store)
        assert moved(store) == [9.5]
        slow = velocities(store)["wrist-elbow"]
        assert slow < 45
        ncs.analyze_files(folder, store=store)
        assert moved(store) == [9.5]
        assert velocities(store)["wrist-elbow"] == slow
        assert set(velocities(store)) == {"wrist-elbow", "elbow-axilla"}
        before = rows(store)
        ncs.analyze_files(folder, store=store)
        assert rows(store) == before
