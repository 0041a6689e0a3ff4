"""What goes into a store comes out the same, once, and traceable."""

import dataclasses
import datetime as dt
import sqlite3

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import ncs
from ncs.detect.marks import Marks
from ncs.errors import InvalidInputError, Problem, StoreError
from ncs.model import Calibration, Subject
from ncs.results import COLUMNS
from ncs.store import Failure
from ncs.store._codec import decode_samples, encode_samples
from ncs.store._rows import MARK_COLUMNS
from tests.store.build import CALIBRATION, DATE, build_result, build_visit, differences, digital_samples, sha


@pytest.fixture
def sqlite_store(tmp_path):
    with ncs.open_store(tmp_path / "results.db") as store:
        yield store


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request):
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_store")
        return
    with ncs.open_store(request.getfixturevalue("postgres_database")) as store:
        yield store


def test_a_result_comes_back_in_every_field(store):
    result = build_result(1, n_sweeps=3)
    outcome = store.save(result)
    assert outcome.saved
    assert str(outcome) == "saved"
    (back,) = store.load_results("S1", DATE)
    assert differences(result, back) == []
    assert differences(result, store.load_run(outcome.run)) == []
    assert differences(result.visit, store.load_visit("S1", "2024-03-05")) == []


def test_comparison_of_results_notices_a_change():
    result = build_result(1)
    other = dataclasses.replace(result, visit=dataclasses.replace(result.visit, covariates={"vegf_pg_ml": 1.0}))
    assert differences(result, other)


def test_waveforms_with_nan_and_without_calibration_come_back(store):
    visit = build_visit(2, n_sweeps=2)
    samples = np.array([[1.5, np.nan, -0.0, np.inf], [np.pi, 1e-40, -np.inf, np.nan]], np.float32)
    trace = dataclasses.replace(visit.studies[0].traces[0], samples_uv=samples, calibration=None, stimulus_ms=None)
    study = dataclasses.replace(visit.studies[0], traces=(trace,))
    result = dataclasses.replace(build_result(2), visit=dataclasses.replace(visit, studies=(study,)), marks=())
    store.save(result)
    back = store.load_visit("S1", DATE).studies[0].traces[0]
    assert back.samples_uv.tobytes() == samples.tobytes()
    assert back.calibration is None
    assert back.stimulus_ms is None


@given(
    samples=hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=40)),
    calibration=st.sampled_from([None, CALIBRATION, Calibration(unit="furlong", digital_min=0, digital_max=1)]),
)
@settings(max_examples=80, deadline=None)
def test_packing_samples_loses_no_bit(samples, calibration):
    encoding, data = encode_samples(samples, calibration)
    assert decode_samples(encoding, data, samples.shape).tobytes() == samples.tobytes()


@pytest.mark.parametrize("limits", [(-2048, 2047, -25.0, 25.0), (-32768, 32767, -5.0, 5.0), (0, 4095, 10.0, -10.0)])
def test_samples_of_a_converter_take_its_codes(limits):
    names = ("digital_min", "digital_max", "physical_min", "physical_max")
    calibration = Calibration(unit="mV", **dict(zip(names, limits, strict=True)))
    samples = digital_samples(np.random.default_rng(3), (4, 500), calibration)
    encoding, data = encode_samples(samples, calibration)
    assert encoding == "i2-delta-split"
    assert len(data) < samples.nbytes / 2
    assert decode_samples(encoding, data, (4, 500)).tobytes() == samples.tobytes()
    long = digital_samples(np.random.default_rng(3), (4, 5000), calibration)
    encoding, data = encode_samples(long, calibration)
    assert encoding == "i2-delta-zlib"
    assert decode_samples(encoding, data, (4, 5000)).tobytes() == long.tobytes()


def test_damaged_waveforms_are_not_returned(sqlite_store, tmp_path):
    store = sqlite_store
    store.save(build_result(1))
    with sqlite3.connect(tmp_path / "results.db") as other:
        other.execute("UPDATE waveforms SET encoding = 'f4', data = zeroblob(4000)")
    other.close()
    with pytest.raises(StoreError, match="expected samples with SHA-256"):
        store.load_visit("S1", DATE)


def test_saving_the_same_again_changes_nothing(store):
    first = store.save(build_result(1))
    before = store.measurements()
    again = store.save(build_result(1))
    assert (again.run, again.saved, str(again)) == (first.run, False, "already stored")
    pd.testing.assert_frame_equal(store.measurements(), before)


def test_another_fingerprint_is_another_run_and_the_newer_is_current(store):
    old, new = store.save(build_result(1)), store.save(build_result(1, onset_method="tangent"))
    assert new.superseded == (old.run,)
    assert set(store.measurements()["run"]) == {new.run}
    assert set(store.measurements(run=old.run)["method"]) == {"onset changepoint"}
    assert len(store.measurements(run=[old.run, new.run])) == 60
    assert store.visits()["files"].tolist() == [1]
    assert not store.save(build_result(1)).saved
    assert set(store.measurements()["run"]) == {new.run}


def test_an_older_run_can_be_made_current_again(store):
    result = build_result(1)
    old = store.save(result)
    store.save(build_result(1, onset_method="tangent"))
    assert store.make_current([(sha("content 1"), result.fingerprint)]) == 1
    assert set(store.measurements()["run"]) == {old.run}
    assert store.make_current([(sha("content 1"), result.fingerprint)]) == 0


def test_the_same_content_given_another_subject_is_another_run(store):
    store.save(build_result(1, subject="wrong"))
    assert store.save(build_result(1, subject="right")).saved
    assert set(store.measurements()["subject"]) == {"right"}


def test_a_run_over_several_files_takes_their_place_and_gives_it_back(store):
    parts = [build_visit(1), build_visit(2)]
    single = [store.save(build_result(seed, visit=part)).run for seed, part in enumerate(parts, 1)]
    whole = store.load_visit("S1", DATE)
    assert [source.name for source in whole.sources] == ["file1.edf", "file2.edf"]
    joined = store.save(build_result(3, visit=whole))
    assert joined.superseded == tuple(single)
    assert set(store.measurements()["run"]) == {joined.run}
    newer = store.save(build_result(1, onset_method="tangent"))
    assert newer.superseded == (joined.run,)
    assert set(store.measurements()["run"]) == {newer.run, single[1]}


def test_files_of_one_visit_are_put_together_in_the_order_of_their_names(store):
    store.save_many(
        [build_result(2, name="b.edf"), build_result(1, name="a.edf"), build_result(3, date=dt.date(2024, 9, 1))]
    )
    visit = store.load_visit("S1", DATE)
    assert [source.name for source in visit.sources] == ["a.edf", "b.edf"]
    assert len(visit.studies) == 2
    assert "vegf_pg_ml" not in visit.covariates  # the two files state different values
    assert "vegf_pg_ml" in [problem.field for problem in visit.problems]
    assert visit.covariates["dose"] == "200 mg"
    assert len(store.load_results("S1", DATE)) == 2


def test_files_that_disagree_on_the_person_are_told_of(store):
    visit = build_visit(2)
    other = dataclasses.replace(visit, subject=Subject(id="S1", sex="M"))
    store.save_many([build_result(1), build_result(2, visit=other)])
    whole = store.load_visit("S1", DATE)
    assert whole.subject.sex is None
    (problem,) = [problem for problem in whole.problems if problem.field == "subject.sex"]
    assert "'F'" in problem.expected
    assert "'M' in file2.edf" in problem.found


def test_two_contents_under_one_name_are_told_of_and_one_can_be_withdrawn(store):
    old = store.save(build_result(1, name="median.edf"))
    new = store.save(build_result(2, name="median.edf"))
    assert old.same_name == ()
    assert new.same_name == (old.run,)
    store.withdraw(old.run)
    assert set(store.measurements()["run"]) == {new.run}
    with pytest.raises(StoreError, match="found none with number 99"):
        store.withdraw(99)


def test_a_visit_made_in_memory_can_be_saved(store):
    visit = dataclasses.replace(build_visit(1), sources=())
    assert store.save(build_result(1, visit=visit)).saved
    assert not store.save(build_result(1, visit=visit)).saved
    other = dataclasses.replace(build_visit(2), sources=())
    assert store.save(build_result(2, visit=other)).saved
    assert len(store.measurements()) == 60
    assert store.measurements()["sha256"].isna().all()


@pytest.mark.parametrize(("of_visit", "field"), [({"subject": None}, "subject"), ({"date": None}, "date")])
def test_a_visit_without_subject_or_date_is_refused_with_the_way_out(store, of_visit, field):
    with pytest.raises(StoreError, match=rf"file1\.edf: {field}: expected .*sidecar"):
        store.save(build_result(1, **of_visit))
    assert store.is_empty


def test_a_group_is_saved_whole_or_not_at_all(store):
    with pytest.raises(StoreError, match="file2"):
        store.save_many([build_result(1), build_result(2, subject=None)])
    assert store.is_empty


def test_what_is_saved_in_a_transaction_that_fails_is_undone(store):
    def half_way():
        with store.transaction():
            store.save(build_result(1))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        half_way()
    assert store.is_empty


def test_a_measurement_of_a_study_that_is_not_there_is_refused(store):
    result = build_result(1)
    wrong = dataclasses.replace(result.measurements[0], study_index=7)
    with pytest.raises(StoreError, match=r"(?i)foreign key"):
        store.save(dataclasses.replace(result, measurements=(wrong,)))
    assert store.is_empty


def test_measurements_have_the_columns_of_a_result_and_the_same_cells(store):
    result = build_result(1)
    run = store.save(result).run
    frame = store.measurements()
    assert tuple(frame.columns) == (*COLUMNS, "run")
    pd.testing.assert_frame_equal(frame[list(COLUMNS)], result.to_dataframe(), check_dtype=False)
    assert frame["value"].dtype == frame["sd"].dtype == np.float64
    assert set(frame["run"]) == {run}


def test_measurements_can_be_chosen(store):
    store.save_many([build_result(seed, subject=f"S{seed}", date=dt.date(2024, seed, 1)) for seed in (1, 2, 3)])
    assert set(store.measurements("S2")["subject"]) == {"S2"}
    assert set(store.measurements(["S1", "S3"])["subject"]) == {"S1", "S3"}
    assert set(store.measurements(date="2024-02-01")["date"]) == {"2024-02-01"}
    assert set(store.measurements(since="2024-02-01", until=dt.date(2024, 2, 29))["subject"]) == {"S2"}
    velocity = store.measurements(
        quantity="motor_conduction_velocity", segment="wrist-elbow", nerve="median", side="left"
    )
    assert set(velocity["quantity"]) == {"motor_conduction_velocity"}
    assert len(velocity) == 3 * 7
    assert store.measurements(nerve="ulnar").empty
    assert tuple(store.measurements(nerve="ulnar").columns) == (*COLUMNS, "run")
    assert set(store.measurements(site="wrist")["site"]) == {"wrist"}


def test_a_wrong_choice_is_an_error_not_an_empty_table(store):
    with pytest.raises(InvalidInputError, match="Did you mean 'motor_conduction_velocity'"):
        store.measurements(quantity="conduction_velocity_motor")
    with pytest.raises(InvalidInputError, match=r"date: expected a date as YYYY-MM-DD, found '5\.3\.2024'"):
        store.measurements(date="5.3.2024")
    with pytest.raises(StoreError, match="found no visit of that subject"):
        store.load_visit("nobody", DATE)
    store.save(build_result(1))
    with pytest.raises(StoreError, match="found visits on 2024-03-05"):
        store.load_visit("S1", "2024-03-06")
    with pytest.raises(StoreError, match="number 17"):
        store.load_run(17)


def test_every_field_of_marks_has_its_column():
    assert {field.name for field in dataclasses.fields(Marks)} == {*MARK_COLUMNS, "outcome", "flags"}


def test_marks_have_a_row_per_sweep_and_one_measured(store):
    result = build_result(1, n_sweeps=3)
    store.save(result)
    frame = store.marks("S1", nerve="median")
    assert frame["kind"].value_counts().to_dict() == {"sweep": 6, "measured": 2}
    sweeps = frame[(frame["site"] == "elbow") & (frame["kind"] == "sweep")]
    np.testing.assert_array_equal(sweeps["onset_ms"], result.marks[1].sweeps.onset_ms)
    assert sweeps["sweep"].tolist() == [0, 1, 2]
    assert set(frame["outcome"]) <= {"found", "no_response", "clipped", "at_window_edge", "too_noisy", "invalid_input"}
    assert store.marks("nobody").empty


def test_visits_are_listed(store):
    store.save_many([build_result(1), build_result(2), build_result(3, date=dt.date(2024, 9, 1))])
    frame = store.visits()
    assert frame[["subject", "date", "sex", "files", "nerves", "measurements"]].values.tolist() == [
        ["S1", "2024-03-05", "F", 2, "median", 60],
        ["S1", "2024-09-01", "F", 1, "median", 30],
    ]
    assert str(frame["analysed_utc"].dtype).endswith("UTC]")
    assert (pd.Timestamp.now(tz="UTC") - frame["analysed_utc"]).max() < pd.Timedelta(minutes=5)
    assert len(store.visits(since="2024-04-01")) == 1


def test_covariates_of_runs_and_of_people_are_kept(store):
    store.save(build_result(1))
    store.add_covariates("S1", "2024-03-05", {"vegf_pg_ml": 1200.0, "score": 3}, source="visits.csv")
    store.add_covariates("S9", dt.date(2024, 1, 1), {"score": 1.0}, source="visits.csv")
    frame = store.covariates("S1").set_index("name")
    assert frame.loc["vegf_pg_ml", ["number", "source"]].tolist() == [1200.0, "visits.csv"]
    assert frame.loc["dose", "text"] == "200 mg"
    assert store.visits("S9")["files"].tolist() == [0]
    with pytest.raises(StoreError, match="found only covariates"):
        store.load_visit("S9", "2024-01-01")
    with pytest.raises(InvalidInputError, match="subject"):
        store.add_covariates("", DATE, {"score": 1.0}, source="visits.csv")


def test_identifiers_are_stored_only_when_the_visit_has_them(store, tmp_path):
    store.save(build_result(1))
    assert store.load_visit("S1", DATE).subject == Subject(id="S1", sex="F")
    person = Subject(id="S2", sex="M", name="Example Person", birth_date=dt.date(1950, 1, 2))
    store.save(build_result(2, visit=dataclasses.replace(build_visit(2), subject=person)))
    assert store.load_visit("S2", DATE).subject == person


def test_keys_are_known_in_bulk(store):
    results = [build_result(seed, subject=f"S{seed}") for seed in range(3)]
    store.save_many(results)
    keys = [(sha(f"content {seed}"), results[0].fingerprint) for seed in range(1000)]
    assert store.known(keys) == set(keys[:3])
    assert store.known(keys, subject="S1") == {keys[1]}
    assert store.has(*keys[0])
    assert not store.has(keys[0][0], sha("another way"))


def failure_of(path, content="", found="480"):
    problem = Problem(file=path, place="record 2", field="samples", expected="500", found=found)
    return Failure(
        path=path, error="ReadError", problems=(problem,), message=str(problem), sha256=content and sha(content)
    )


def test_failures_are_kept_until_the_file_succeeds(store):
    assert not store.has_failures
    store.record_failures([failure_of("a.edf", "content 1"), failure_of("b.edf")])
    store.record_failures([failure_of("a.edf", "content 1", found="481")])
    frame = store.failures()
    assert frame["path"].tolist() == ["a.edf", "b.edf"]
    assert frame["problems"][0][0].found == "481"
    assert store.has_failures
    store.save(build_result(1))  # the content that failed under the name a.edf
    assert store.failures()["path"].tolist() == ["b.edf"]
    store.resolve_failures(["b.edf"])
    assert store.failures().empty
    assert not store.has_failures
    everything = store.failures(include_resolved=True)
    assert len(everything) == 2
    assert everything["resolved_utc"].notna().all()


def test_a_changed_file_that_fails_again_has_one_open_failure(store):
    store.record_failures([failure_of("a.edf", "old")])
    store.record_failures([failure_of("a.edf", "new")])
    assert store.failures()["sha256"].tolist() == [sha("new")]
    assert len(store.failures(include_resolved=True)) == 2


def test_the_order_of_saving_does_not_matter(tmp_path):
    results = [build_result(seed, subject=f"S{seed % 3}") for seed in range(9)]
    frames = []
    for name, order in (("a.db", results), ("b.db", results[::-1])):
        with ncs.open_store(tmp_path / name) as store:
            store.save_many(order)
            frame = store.measurements().drop(columns="run")
            frames.append(frame.sort_values(["subject", "sha256", "quantity", "value"], ignore_index=True))
    pd.testing.assert_frame_equal(*frames)
