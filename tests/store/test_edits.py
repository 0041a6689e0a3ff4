"""A person's mark wins in every number that rests on it, survives, can be taken back, and never leaves the history."""

import dataclasses
import threading

import numpy as np
import pandas as pd
import pytest
import scipy.integrate

import ncs
from ncs._joining import join_split_studies
from ncs.analysis import analyze
from ncs.detect.marks import Outcome
from ncs.errors import InvalidInputError, StoreError
from ncs.model import Subject
from tests.store.build import differences, sha
from tests.store.recorded import (
    DATE,
    ELBOW,
    MOTOR,
    PERSON,
    WRIST,
    examined,
    from_file,
    only,
    result,
    several_sweeps,
    the,
    with_trace,
)

VISIT = ("P07", DATE)


@pytest.fixture
def store():
    with ncs.open_store(":memory:") as store:
        store.save(result())
        yield store


def onset(found, study=0, trace=0):
    (entry,) = [e for e in found.marks if (e.study_index, e.trace_index) == (study, trace)]
    return float(entry.measured.onset_ms[0])


def test_every_number_that_rests_on_the_mark_follows(store):
    before = store.measurements()
    store.edit_mark(*VISIT, **WRIST, mark="onset_ms", value=3.2, **PERSON)
    now = store.measurements()
    far = the(now, "motor_latency", site="elbow")["value"]
    distance = the(now, "motor_conduction_velocity")["distance_mm"]
    near = examined().studies[0].traces[0].distance_mm
    velocity = distance / (far - 3.2)
    end = float(result().marks[0].measured.end_ms[0])
    assert the(now, "motor_latency", site="wrist")["value"] == 3.2
    assert the(now, "distal_motor_latency")["value"] == 3.2
    assert the(now, "motor_conduction_velocity")["value"] == pytest.approx(velocity)
    assert the(now, "terminal_latency_index")["value"] == pytest.approx(near / (velocity * 3.2))
    assert the(now, "residual_latency")["value"] == pytest.approx(3.2 - near / velocity)
    assert the(now, "cmap_duration", site="wrist")["value"] == pytest.approx(end - 3.2)
    distal, proximal = (the(now, "cmap_duration", site=site)["value"] for site in ("wrist", "elbow"))
    assert the(now, "cmap_duration_ratio")["value"] == pytest.approx(proximal / distal)
    edited = now["flags"].str.contains("edited")
    assert now[edited]["sd"].isna().all()
    assert now[edited]["method"].str.contains("onset moved by A. Author", regex=False).all()
    assert set(now[edited]["quantity"]) == {
        "motor_latency", "distal_motor_latency", "cmap_area", "cmap_duration", "cmap_total_duration", "cmap_area_ratio",
        "cmap_duration_ratio", "motor_conduction_velocity", "terminal_latency_index", "residual_latency",
    }  # fmt: skip
    same = [name for name in now.columns if name != "run"]
    pd.testing.assert_frame_equal(now[~edited][same], before[~edited][same])


def test_area_is_that_of_the_waveform_between_the_marks(store):
    store.edit_mark(*VISIT, **WRIST, mark="onset", value=4.0, **PERSON)
    store.edit_mark(*VISIT, **WRIST, mark="end", value=7.5, **PERSON)
    trace = examined().studies[0].traces[0]
    base = float(result().marks[0].measured.baseline_uv[0])
    times = np.arange(trace.n_samples) / trace.sampling_rate_hz * 1000 - trace.stimulus_ms[0]
    fine = np.linspace(4.0, 7.5, 20_001)
    expected = scipy.integrate.trapezoid(-np.interp(fine, times, trace.samples_uv[0]) - base, fine)
    assert the(store.measurements(), "cmap_area", site="wrist")["value"] == pytest.approx(expected, rel=2e-3)


def test_amplitude_is_read_where_the_peak_was_put(store):
    store.edit_mark(*VISIT, **WRIST, mark="peak", value=5.3, **PERSON)
    trace = examined().studies[0].traces[0]
    times = np.arange(trace.n_samples) / trace.sampling_rate_hz * 1000 - trace.stimulus_ms[0]
    base = float(result().marks[0].measured.baseline_uv[0])
    expected = -float(np.interp(5.3, times, trace.samples_uv[0])) - base
    now = store.measurements()
    assert the(now, "cmap_amplitude", site="wrist")["value"] == pytest.approx(expected)
    trough = float(result().marks[0].measured.trough_uv[0])
    assert the(now, "cmap_peak_to_peak_amplitude", site="wrist")["value"] == pytest.approx(expected - trough)
    assert the(now, "motor_latency", site="wrist")["flags"] == ""


def test_the_automatic_run_stays_as_it_was(store):
    before = store.measurements()
    store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.2, **PERSON)
    pd.testing.assert_frame_equal(store.measurements(run=1), before)
    old = store.load_run(1)
    assert differences(result().measurements, old.measurements) == []
    assert differences(result().marks[0].measured, old.marks[0].measured) == []
    runs = store.runs(*VISIT)
    assert runs["current"].tolist() == [False, True]
    assert runs["base_run"].isna().tolist() == [True, False]
    assert runs["base_run"].iloc[1] == 1
    assert runs["edits"].tolist() == [0, 1]


def test_what_is_loaded_has_the_persons_marks(store):
    store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.2, **PERSON)
    (loaded,) = store.load_results(*VISIT)
    assert onset(loaded) == 3.2
    assert loaded.marks[0].sweeps.onset_ms.tolist() == [3.2]
    assert np.isnan(loaded.marks[0].measured.onset_sd_ms[0])
    assert loaded.parameters["edits"] == [
        {
            "study_index": 0, "trace_index": 0, "mark": "onset_ms", "value_ms": 3.2, "author": "A. Author",
            "response": "", "sweep": None,
        }
    ]  # fmt: skip
    marks = store.marks(nerve="median", site="wrist")
    assert 3.2 in marks["onset_ms"].tolist()


def test_a_new_analysis_gets_the_edit_before_it_becomes_current(store):
    edit = store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.2, **PERSON)
    outcome = store.save(result("tangent"))
    assert outcome.saved
    assert outcome.edited is not None
    assert outcome.lost_edits == ()
    now = store.measurements()
    assert set(now["run"]) == {outcome.edited}
    assert the(now, "motor_latency", site="wrist")["value"] == 3.2
    assert "tangent" in the(now, "motor_latency", site="elbow")["method"]
    assert the(now, "motor_latency", site="elbow")["value"] == onset(result("tangent"), trace=1)
    assert store.history()["edit"].tolist() == [edit]
    assert store.history()["applied"].tolist() == [True]


def test_saving_again_does_not_flip_back(store):
    store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.2, **PERSON)
    before = store.runs()
    assert not store.save(result()).saved
    key = (sha("a.edf"), result().fingerprint)
    assert store.has(*key)
    assert store.make_current([key]) == 0
    pd.testing.assert_frame_equal(store.runs(), before)


def test_making_another_analysis_current_keeps_the_edit(store):
    store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.2, **PERSON)
    store.save(result("tangent"))
    assert store.make_current([(sha("a.edf"), result().fingerprint)]) == 1
    now = store.measurements()
    assert set(now["run"]) == {2}
    assert the(now, "motor_latency", site="wrist")["value"] == 3.2
    assert "changepoint" in the(now, "motor_latency", site="elbow")["method"]


def test_an_edit_can_be_taken_back(store):
    before = store.measurements()
    edit = store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.2, **PERSON)
    withdrawal = store.withdraw_edit(edit, "B. Reader", "it was right")
    pd.testing.assert_frame_equal(store.measurements(), before)
    history = store.history()
    assert history["edit"].tolist() == [edit, withdrawal]
    assert history["in_force"].tolist() == [False, False]
    assert history["withdrawn_by"].iloc[0] == withdrawal
    assert history["withdraws"].iloc[1] == edit
    assert history["author"].tolist() == ["A. Author", "B. Reader"]
    automatic = onset(result())
    assert history["value_before"].tolist() == [automatic, 3.2]
    assert history["value"].tolist() == [3.2, automatic]
    assert len(store.runs()) == 2
    store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.2, **PERSON)
    assert store.runs()["current"].tolist() == [False, True]


def test_the_last_edit_counts_and_gives_way_to_the_one_before(store):
    store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.2, **PERSON)
    second = store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.3, author="B. Reader", reason="later")
    assert the(store.measurements(), "distal_motor_latency")["value"] == 3.3
    assert store.history()["value_before"].tolist() == [onset(result()), 3.2]
    assert store.history()["in_force"].tolist() == [False, True]
    store.withdraw_edit(second, "B. Reader", "no")
    assert the(store.measurements(), "distal_motor_latency")["value"] == 3.2
    assert store.history()["in_force"].tolist() == [True, False, False]


def test_withdrawing_twice_or_what_is_none_is_refused(store):
    edit = store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.2, **PERSON)
    withdrawal = store.withdraw_edit(edit, "B. Reader", "it was right")
    with pytest.raises(StoreError, match=r"B\. Reader withdrew edit 1 on \d{4}-\d\d-\d\d at .* \(it was right\)"):
        store.withdraw_edit(edit, "A. Author", "again")
    with pytest.raises(StoreError, match="found none with number 99"):
        store.withdraw_edit(99, "A. Author", "again")
    with pytest.raises(StoreError, match="2 withdraws edit 1"):
        store.withdraw_edit(withdrawal, "A. Author", "again")
    with pytest.raises(InvalidInputError, match="reason: expected some words"):
        store.withdraw_edit(edit, "A. Author", " ")


def test_a_mark_can_be_taken_away(store):
    store.edit_mark(*VISIT, **WRIST, mark="onset", value=None, **PERSON)
    now = store.measurements()
    for quantity in ("motor_latency", "cmap_area", "cmap_duration"):
        row = the(now, quantity, site="wrist")
        assert np.isnan(row["value"])
        assert (row["reason"], row["flags"]) == ("not_marked", "edited")
        assert "onset taken away by A. Author" in row["method"]
    assert the(now, "motor_conduction_velocity")["reason"] == "not_marked"
    assert the(now, "cmap_amplitude", site="wrist")["value"] > 0
    assert pd.isna(store.history()["value"].iloc[0])


def test_a_whole_response_can_be_taken_away(store):
    edit = store.edit_mark(*VISIT, **WRIST, mark="response", value=None, **PERSON)
    now = store.measurements()
    assert the(now, "motor_latency", site="wrist")["reason"] == "no_response"
    assert the(now, "cmap_amplitude", site="wrist")["reason"] == "no_response"
    assert the(now, "cmap_amplitude_ratio")["flags"] == "edited"
    (loaded,) = store.load_results(*VISIT)
    assert loaded.marks[0].measured.outcome.tolist() == [Outcome.NO_RESPONSE]
    with pytest.raises(InvalidInputError, match=r"A\. Author took it away \(edit 1: .*Withdraw that edit first"):
        store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.2, **PERSON)
    store.withdraw_edit(edit, "A. Author", "there is one")
    store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.2, **PERSON)
    assert the(store.measurements(), "motor_latency", site="wrist")["value"] == 3.2


def test_marks_can_be_placed_where_the_detector_found_nothing():
    visit = with_trace(examined(), 0, 0, samples_uv=examined().studies[0].traces[0].samples_uv * np.float32(0.0005))
    quiet = visit.studies[0].traces[0].samples_uv + np.random.default_rng(3).normal(0, 3, (1, 1000))
    visit = with_trace(visit, 0, 0, samples_uv=quiet.astype(np.float32))
    found = analyze(visit)
    assert found.marks[0].measured.outcome.tolist() == [Outcome.NO_RESPONSE]
    with ncs.open_store(":memory:") as store:
        store.save(found)
        with pytest.raises(InvalidInputError, match="Place the negative peak first"):
            store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.5, **PERSON)
        store.edit_mark(*VISIT, **WRIST, mark="peak", value=5.83, **PERSON)
        store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.5, **PERSON)
        now = store.measurements()
    row = the(now, "cmap_amplitude", site="wrist")
    assert 0 < row["value"] < 25
    assert "negative peak placed by A. Author" in row["method"]
    assert the(now, "motor_latency", site="wrist")["value"] == 3.5
    assert the(now, "motor_conduction_velocity")["value"] > 0
    assert the(now, "cmap_area", site="wrist")["reason"] == "not_marked"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nerve": "ulnar"}, r"found none with nerve 'ulnar'.*There are:\n  right median motor, wrist, recorded"),
        ({"site": None}, r"found 2 with nerve 'median', technique 'motor'\. Say which(.|\n)*trace 1 of a\.edf"),
        ({"mark": "peek"}, "mark: expected one of onset_ms, .* found 'peek'"),
        ({"mark": "peak", "value": None}, "A response without one is no response"),
        ({"mark": "response"}, "response: expected none, which takes the response away, found 3.2"),
        ({"value": 0.0}, "expected a time after the stimulus and before the sweep ends at 47.950 ms, found 0"),
        ({"value": -1.0}, "found -1"),
        ({"value": 48.0}, "found 48"),
        ({"value": float("nan")}, "found nan"),
        ({"value": 5.9}, r"before the negative peak at 5\.824 ms, found 5\.9\. .* move it first \(peak_ms\)"),
        ({"mark": "peak", "value": 3.0}, r"after the onset at 3\.411 ms"),
        ({"mark": "peak", "value": 9.0}, r"before the end of negative peak at 8\.367 ms"),
        ({"mark": "end", "value": 5.0}, "after the negative peak"),
        ({"mark": "last-end", "value": 8.0}, "after the end of negative peak"),
        ({"mark": "trough", "value": 7.0}, r"where the waveform is positive, found -\d"),
        ({"author": " \n"}, "author: expected some words, found none"),
        ({"reason": ""}, "reason: expected some words, found none"),
        ({"sweep": 1}, "study 0, trace 0: sweep: expected 0 to 0, found 1"),
        ({"response": "f_wave"}, "response: expected one of cmap, found 'f_wave'"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_and_leaves_no_trace(store, change, message):
    before = store.runs()
    with pytest.raises(InvalidInputError, match=message):
        store.edit_mark(*VISIT, **{**WRIST, "mark": "onset", "value": 3.2, **PERSON, **change})
    assert store.history().empty
    pd.testing.assert_frame_equal(store.runs(), before)


def test_unknown_visits_are_refused(store):
    with pytest.raises(StoreError, match="found visits on 2021-03-01"):
        store.edit_mark("P07", "2020-01-01", **WRIST, mark="onset", value=3.2, **PERSON)
    with pytest.raises(StoreError, match="no visit of that subject"):
        store.edit_mark("P08", DATE, **WRIST, mark="onset", value=3.2, **PERSON)


def test_a_trace_whose_stimulus_time_is_unknown_cannot_be_marked():
    with ncs.open_store(":memory:") as store:
        store.save(analyze(with_trace(examined(), 0, 0, stimulus_ms=None)))
        with pytest.raises(InvalidInputError, match="Marks are times after the stimulus"):
            store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.2, **PERSON)


def test_the_same_study_in_two_files_is_told_apart_by_the_file():
    with ncs.open_store(":memory:") as store:
        again = with_trace(examined(), 0, 0, samples_uv=examined().studies[0].traces[0].samples_uv * np.float32(1.1))
        store.save_many([result(), analyze(from_file(again, "b.edf"))])
        with pytest.raises(InvalidInputError, match=r"found 2 with .*site 'wrist'(.|\n)*a\.edf(.|\n)*b\.edf"):
            store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.2, **PERSON)
        store.edit_mark(*VISIT, **WRIST, source="b.edf", mark="onset", value=3.2, **PERSON)
        latencies = store.measurements(quantity="motor_latency", site="wrist").set_index("source")["value"]
    assert latencies["b.edf"] == 3.2
    assert latencies["a.edf"] == onset(result())


def test_who_looked_at_an_old_mark_is_told(store):
    store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.2, seen=round(onset(result()), 2), **PERSON)
    with pytest.raises(StoreError, match=r"as you saw it, found it at 3\.200 ms; A\. Author changed it on"):
        store.edit_mark(
            *VISIT, **WRIST, mark="onset", value=3.3, seen=onset(result()), author="B. Reader", reason="late"
        )
    store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.3, seen=3.2, author="B. Reader", reason="looked again")
    assert the(store.measurements(), "distal_motor_latency")["value"] == 3.3


def test_of_two_editors_at_once_one_is_first(tmp_path):
    path = tmp_path / "a.db"
    with ncs.open_store(path) as store:
        store.save(result())
    outcomes, start = [], threading.Barrier(2)

    def edit(author, value):
        with ncs.open_store(path) as own:
            start.wait()
            try:
                own.edit_mark(
                    *VISIT, **WRIST, mark="onset", value=value, seen=onset(result()), author=author, reason="x"
                )
                outcomes.append("done")
            except StoreError as error:
                outcomes.append(str(error))

    editors = [threading.Thread(target=edit, args=pair) for pair in (("A", 3.2), ("B", 3.3))]
    for each in editors:
        each.start()
    for each in editors:
        each.join()
    assert sorted(outcome == "done" for outcome in outcomes) == [False, True]
    assert any("changed it on" in outcome for outcome in outcomes)
    with ncs.open_store(path) as store:
        history = store.history()
        assert len(history) == 1
        assert the(store.measurements(), "distal_motor_latency")["value"] == history["value"].iloc[0]
        assert store.runs()["current"].sum() == 1


def test_a_corrected_stimulus_time_leaves_the_place_where_it_is(store):
    store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.2, **PERSON)
    trace = examined().studies[0].traces[0]
    later = with_trace(examined(), 0, 0, stimulus_ms=trace.stimulus_ms + 0.5)
    store.save(dataclasses.replace(analyze(later), fingerprint=sha("another sidecar")))
    assert the(store.measurements(), "motor_latency", site="wrist")["value"] == pytest.approx(2.7)


def test_a_corrected_gain_keeps_the_mark(store):
    store.edit_mark(*VISIT, **WRIST, mark="peak", value=5.5, **PERSON)
    before = the(store.measurements(), "cmap_amplitude", site="wrist")["value"]
    louder = with_trace(examined(), 0, 0, samples_uv=examined().studies[0].traces[0].samples_uv * np.float32(2))
    outcome = store.save(dataclasses.replace(analyze(louder), fingerprint=sha("another sidecar")))
    assert outcome.lost_edits == ()
    row = the(store.measurements(), "cmap_amplitude", site="wrist")
    assert row["value"] == pytest.approx(2 * before, rel=1e-3)
    assert row["flags"] == "edited"


def test_an_edit_that_finds_no_place_is_told_and_kept(store):
    edit = store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.2, **PERSON)
    other = with_trace(
        examined(), 0, 0, samples_uv=examined().studies[0].traces[0].samples_uv * np.float32(2),
        stimulation_site="forearm",
    )  # fmt: skip
    outcome = store.save(dataclasses.replace(analyze(other), fingerprint=sha("another sidecar")))
    assert outcome.lost_edits == (edit,)
    assert outcome.edited is None
    history = store.history()
    assert (history["in_force"].tolist(), history["applied"].tolist()) == ([True], [False])
    store.withdraw_edit(edit, "A. Author", "the site was wrong")
    assert store.history()["value"].isna().tolist() == [False, True]


def test_an_edit_follows_the_recording_to_its_right_subject(store):
    store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.2, **PERSON)
    store.save(analyze(dataclasses.replace(examined(), subject=Subject(id="P09"))))
    now = store.measurements()
    assert set(now["subject"]) == {"P09"}
    assert the(now, "motor_latency", site="wrist")["value"] == 3.2


def test_of_two_equal_waveforms_only_the_one_that_was_meant_is_edited():
    visit = with_trace(examined(), 0, 1, samples_uv=examined().studies[0].traces[0].samples_uv)
    with ncs.open_store(":memory:") as store:
        store.save(analyze(visit))
        store.edit_mark(*VISIT, **ELBOW, mark="onset", value=3.2, **PERSON)
        store.save(analyze(visit, onset_method="tangent"))
        now = store.measurements()
    assert the(now, "motor_latency", site="elbow")["value"] == 3.2
    assert the(now, "motor_latency", site="wrist")["flags"] == ""


def test_one_sweep_of_several_can_be_edited_alone():
    visit = several_sweeps(examined(), 0, 0)
    found = analyze(visit)
    with ncs.open_store(":memory:") as store:
        store.save(found)
        store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.0, sweep=1, **PERSON)
        (loaded,) = store.load_results(*VISIT)
        assert loaded.marks[0].sweeps.onset_ms[1] == 3.0
        assert onset(loaded) == onset(found)
        assert store.history()["sweep"].tolist() == [1]
        store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.1, **PERSON)
        (loaded,) = store.load_results(*VISIT)
        assert (loaded.marks[0].sweeps.onset_ms[1], onset(loaded)) == (3.0, 3.1)
        row = the(store.measurements(), "motor_latency", site="wrist")
        assert row["value"] == 3.1
        assert "mean of 3 of 3 sweeps; onset moved by A. Author" in row["method"]


def test_the_only_sweep_and_what_is_measured_are_one_mark(store):
    store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.2, sweep=0, **PERSON)
    store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.3, **PERSON)
    assert store.history()["sweep"].isna().all()
    assert store.history()["in_force"].tolist() == [False, True]
    assert the(store.measurements(), "distal_motor_latency")["value"] == 3.3


def test_a_mark_that_contradicts_a_persons_is_dropped_when_the_detector_changes():
    with ncs.open_store(":memory:") as store:
        store.save(result())
        for mark, value in (("end", 15.0), ("peak", 8.0), ("onset", 7.0)):
            store.edit_mark(*VISIT, **WRIST, mark=mark, value=value, **PERSON)
        history = store.history()
        store.withdraw_edit(int(history["edit"].iloc[1]), "A. Author", "undo the peak")
        now = store.measurements()
    assert the(now, "motor_latency", site="wrist")["value"] == 7.0
    assert the(now, "cmap_amplitude", site="wrist")["reason"] == "not_marked"


def test_an_edit_changes_no_covariate():
    visit = dataclasses.replace(examined(), covariates={"vegf_pg_ml": 1500.0})
    with ncs.open_store(":memory:") as store:
        store.save(analyze(visit))
        store.add_covariates(*VISIT, {"vegf_pg_ml": 38.0}, source="a person")
        store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.2, **PERSON)
        assert store.covariates()["number"].tolist() == [38.0]
        assert store.load_visit(*VISIT).covariates == {"vegf_pg_ml": 1500.0}


def split_store():
    store = ncs.open_store(":memory:")
    store.save(analyze(only(examined(), 0, "wrist.edf")))
    return store


def test_a_study_in_two_files_is_joined_with_the_edit_of_one():
    with split_store() as store:
        edit = store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.2, **PERSON)
        store.save(analyze(only(examined(), 1, "elbow.edf")))
        join_split_studies(store)
        row = the(store.measurements(), "motor_conduction_velocity")
        assert row["flags"] == "edited"
        far = onset(result(), trace=1)
        assert row["value"] == pytest.approx(row["distance_mm"] / (far - 3.2))
        before = store.runs()
        join_split_studies(store)
        pd.testing.assert_frame_equal(store.runs(), before)
        store.withdraw_edit(edit, "A. Author", "was right")
        assert the(store.measurements(), "motor_conduction_velocity")["flags"] == ""
        assert store.runs()["current"].sum() == 1


def test_a_joined_study_can_be_edited_and_analysed_again():
    with split_store() as store:
        store.save(analyze(only(examined(), 1, "elbow.edf")))
        join_split_studies(store)
        store.edit_mark(*VISIT, **ELBOW, mark="onset", value=7.0, **PERSON)
        row = the(store.measurements(), "motor_conduction_velocity")
        assert row["value"] == pytest.approx(row["distance_mm"] / (7.0 - onset(result())))
        for trace, name in enumerate(("wrist.edf", "elbow.edf")):
            store.save(analyze(only(examined(), trace, name), onset_method="tangent"))
            latencies = store.measurements(quantity="motor_latency", site="elbow")["value"]
            assert latencies.tolist() == [7.0]
        join_split_studies(store)
        row = the(store.measurements(), "motor_conduction_velocity")
        assert row["value"] == pytest.approx(row["distance_mm"] / (7.0 - onset(result("tangent"))))
        assert store.runs()["current"].sum() == 1


def test_history_tells_who_when_why_and_what_was_there(store):
    assert store.history().empty
    assert "in_force" in store.history().columns
    store.edit_mark(*VISIT, **MOTOR, trace_index=0, mark="onset", value=3.2, author="A.  Author\n", reason=" a\tb ")
    row = store.history("P07", DATE).iloc[0]
    assert (row["author"], row["reason"]) == ("A. Author", "a b")
    assert (row["subject"], row["date"], row["side"], row["site"]) == ("P07", "2021-03-01", "right", "wrist")
    assert (row["source"], row["mark"]) == ("a.edf", "onset_ms")
    assert row["created_utc"].tzinfo is not None
    assert store.history("P08").empty


def test_edits_work_in_postgresql_as_well(postgres_database):
    with ncs.open_store(postgres_database) as store:
        store.save(result())
        edit = store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.2, **PERSON)
        store.save(result("tangent"))
        assert the(store.measurements(), "motor_latency", site="wrist")["value"] == 3.2
        assert store.make_current([(sha("a.edf"), result().fingerprint)]) == 1
        assert store.runs()["current"].tolist() == [False, True, False, False]
        store.withdraw_edit(edit, "B. Reader", "it was right")
        assert store.runs()["current"].tolist() == [True, False, False, False]
        assert store.history()["withdrawn_by"].iloc[0] == store.history()["edit"].iloc[1]
        with pytest.raises(StoreError, match="withdrew edit"):
            store.withdraw_edit(edit, "A. Author", "again")
