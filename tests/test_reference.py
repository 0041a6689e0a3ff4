"""Reviewed visits frozen as a reference set: nothing moves, nobody is named, and a person's marks are the truth."""

import dataclasses
import datetime as dt
import json
import re

import numpy as np
import pytest

import ncs
from ncs import reference, regression, simulate
from ncs.errors import FileAccessError, InvalidInputError, StoreAccessError
from ncs.model import Filters, ReportedMeasurement, ReportedValue, Segment, SourceFile, Study, Subject, Technique, Visit
from ncs.simulate import Train
from ncs.simulate.late import H_RECORDING
from tests.store.build import sha

FIRST, SECOND = dt.date(2019, 3, 4), dt.date(2021, 10, 6)
WRIST = {"nerve": "median", "technique": "motor", "site": "wrist"}
PERSON = {"author": "Dr. Mustermann", "reason": "Erika had moved"}
WORDS = ("mustermann", "erika", "kasse-4711", "1957", "2019-", "-mar-", "04.03.19", "2021-10", "zoe", "c0ffee")
"""What stands in the visits of this module and must not stand in a set; folded."""


def spoken(trace):
    """Return a trace in whose texts an operator has typed a name."""
    return dataclasses.replace(
        trace,
        channel="APB Mustermann",
        notes=("Erika was cold", "reference electrode: Dr. Mustermann's"),
        reported=(ReportedValue(kind="latency_ms", value=3.3, mode="by Dr. Mustermann"),),
        filters=Filters(low_cut_hz=2.0, high_cut_hz=10_000.0, text="HP:2Hz LP:10kHz Mustermann"),
        stimulus=dataclasses.replace(trace.stimulus, label=f"Stimulus {trace.stimulus.label} Erika"),
    )


def visit(studies, subject="KASSE-4711", date=FIRST, **changes):
    studies = [
        dataclasses.replace(
            study, traces=tuple(map(spoken, study.traces)), temperature_site="hand of Erika",
            skin_temperature_c=33.0 if study.skin_temperature_c is None else study.skin_temperature_c,
        )
        for study in studies
    ]  # fmt: skip
    name = "_".join(str(study.technique) for study in studies)
    sha256 = f"c0ffee{sha(f'{subject} {date} {name}')[6:]}"
    return Visit(
        subject=Subject(id=subject, sex="F", name="Erika Mustermann", birth_date=dt.date(1957, 8, 14)),
        date=date, studies=tuple(studies), covariates={"physician": "Dr. Mustermann", "height_cm": 171.0},
        sources=(SourceFile(name=f"Erika_{name}_{date}.edf", sha256=sha256, size_bytes=9, format="edf"),),
        **changes,
    )  # fmt: skip


def motor(seed=1, **nerve):
    return simulate.motor_study(simulate.MotorNerve(**nerve), seed=seed)[0]


@pytest.fixture
def store(tmp_path):
    with ncs.open_store(tmp_path / "ncs.db") as opened:
        yield opened


@pytest.fixture
def dest(tmp_path):
    return tmp_path / "set"


def frozen(dest, name):
    return json.loads((dest / f"{name}{regression.EXPECTED}").read_text())


def truths(document):
    """Return what is true, by quantity and place."""
    return {
        (row["quantity"], row.get("site") or row.get("segment"), row.get("sweep")): row["truth"]
        for row in document["measurements"] + document["marks"]
        if "truth" in row
    }


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def leaked(folder):
    """Return where in a set a word of ``WORDS`` stands, in names or in contents; numbers are digits and no words."""
    found = []
    for name, content in contents(folder).items():
        text = f"{name} {content.decode('latin-1')}".casefold()
        text = re.sub(r'"(value|sd|sha256)": [^,}]*', "", text)
        found += [(name, word) for word in WORDS if word in text]
    return found


# What is in a set


def test_nothing_moves_and_nobody_is_named(store, dest):
    store.save(ncs.analyze(visit([motor(), simulate.sensory_study(seed=2)[0]])))
    store.save(ncs.analyze(visit([motor(seed=3)], date=SECOND)))
    store.save(ncs.analyze(visit([motor(seed=4, amplitude_uv=0.0)], subject="ZOE")))
    store.edit_mark("KASSE-4711", FIRST, mark="onset", value=3.2, **WRIST, **PERSON)
    made = reference.make(store, dest)
    assert (made.failed, made.notes) == ([], [])
    assert [(each.subject, each.date, each.name, len(each.recordings), each.n_edits) for each in made.visits] == [
        ("KASSE-4711", "2019-03-04", "S01_V1", 2, 1), ("KASSE-4711", "2021-10-06", "S01_V2", 1, 0),
        ("ZOE", "2019-03-04", "S02_V1", 1, 0),
    ]  # fmt: skip
    assert made.texts == {"median", "APB", "wrist", "elbow", "finger II"}
    stems = ["S01_V1_right_median_motor_APB", "S01_V1_right_median_sensory_finger-II",
             "S01_V2_right_median_motor_APB", "S02_V1_right_median_motor_APB"]  # fmt: skip
    files = {f"{stem}{ending}" for stem in stems for ending in (".edf", regression.EXPECTED)}
    assert set(contents(dest)) == {*files, regression.TOLERANCES, "README.md"}
    assert leaked(dest) == []
    report = regression.check(dest)
    assert (len(report.files), report.n_moved, report.n_breaches) == (4, 0, 0)
    for file in report.files:
        assert file.result.visit.date is None
        assert file.result.subject == Subject(id=file.name[:3])
        assert file.result.visit.covariates == {}


def test_the_leaks_would_be_found(store, dest):
    """The other side of the test above: an export of the same visit says all of it."""
    from ncs.io.edf_write import export_visit

    export_visit(visit([motor()]), dest, keep_identifiers=True)
    assert {word for _, word in leaked(dest)} == {
        "mustermann", "erika", "kasse-4711", "1957", "2019-", "-mar-", "04.03.19",
    }  # fmt: skip


def test_what_the_analysis_takes_from_texts_stays(store, dest):
    """When a train was given and which side was stimulated stand in labels that are otherwise left out."""
    trains = (Train(decrement_percent=20.0), Train(condition="after exercise 30 s"))
    blink = simulate.blink_study(seed=5, recording=dataclasses.replace(simulate.BLINK_RECORDING, n_sweeps=3))[0]
    whole = visit([simulate.repetitive_study(seed=6, trains=trains)[0], *blink])
    result = ncs.analyze(whole)
    store.save(result)
    made = reference.make(store, dest)
    assert (made.failed, made.notes, leaked(dest)) == ([], [], [])
    found = [m for name in made.visits[0].recordings for m in ncs.analyze(ncs.read(dest / name)).measurements]
    places = [(m.quantity, m.site, m.segment, m.reason) for m in found]
    assert places == [(m.quantity, m.site, m.segment, m.reason) for m in result.measurements]
    assert {"at rest", "30 s after exercise"} <= {segment for *_, segment, _ in places}
    np.testing.assert_allclose(
        [m.value for m in found if m.value is not None],
        [m.value for m in result.measurements if m.value is not None], rtol=2e-3, atol=0.01,
    )  # fmt: skip


def test_the_same_store_gives_the_same_bytes(store, tmp_path):
    store.save(ncs.analyze(visit([motor()])))
    for name in ("one", "two"):
        reference.make(store, tmp_path / name)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


# A person's marks


def test_a_moved_mark_is_the_truth_and_not_what_is_expected(store, dest):
    result = ncs.analyze(visit([motor()]))
    store.save(result)
    store.edit_mark("KASSE-4711", FIRST, mark="onset", value=3.2, **WRIST, **PERSON)
    reference.make(store, dest)
    document = frozen(dest, "S01_V1_right_median_motor_APB")
    rows = {(row["quantity"], row.get("site") or row.get("segment")): row for row in document["measurements"]}
    automatic = {(m.quantity, m.site or m.segment): m.value for m in result.measurements}
    assert rows["motor_latency", "wrist"]["value"] == pytest.approx(automatic["motor_latency", "wrist"], abs=1e-3)
    assert "edited" not in rows["motor_latency", "wrist"].get("flags", [])
    reviewed = {(m.quantity, m.site or m.segment): m for m in store.load_results("KASSE-4711", FIRST)[0].measurements}
    said = truths(document)
    assert {place[:2] for place in said if place[0] in {name for name, _ in reviewed}} == {
        place for place, m in reviewed.items() if "edited" in m.flags
    }
    for (quantity, place, sweep), truth in said.items():
        if (quantity, place) in reviewed:
            assert sweep is None
            assert truth == pytest.approx(reviewed[quantity, place].value, rel=1e-3)
    marks = {name: value for (name, *_), value in said.items() if name.endswith(("_ms", "_uv")) or name == "outcome"}
    assert marks == {"onset_ms": 3.2, "outcome": "found"}
    assert "A person moved marks" in document["about"]
    assert regression.check(dest).n_moved == 0


def test_updating_keeps_the_persons_truth(store, dest):
    store.save(ncs.analyze(visit([motor()])))
    store.edit_mark("KASSE-4711", FIRST, mark="onset", value=3.2, **WRIST, **PERSON)
    reference.make(store, dest)
    (path,) = dest.glob(f"*{regression.EXPECTED}")
    document = json.loads(path.read_text())
    before = truths(document)
    for row in document["measurements"]:
        row["value"] = row["value"] + 9.0
    path.write_text(json.dumps(document))
    assert regression.check(dest).n_breaches > 5
    regression.update(dest)
    assert truths(json.loads(path.read_text())) == before
    assert regression.check(dest).n_moved == 0


def test_a_mark_or_a_response_that_was_taken_away(store, dest):
    store.save(ncs.analyze(visit([motor()])))
    where = {"nerve": "median", "technique": "motor"}
    store.edit_mark("KASSE-4711", FIRST, mark="onset", value=None, site="wrist", **where, **PERSON)
    store.edit_mark("KASSE-4711", FIRST, mark="response", value=None, site="elbow", **where, **PERSON)
    reference.make(store, dest)
    said = truths(frozen(dest, "S01_V1_right_median_motor_APB"))
    assert said["onset_ms", "wrist", None] == said["motor_latency", "wrist", None] == "not_marked"
    assert said["outcome", "wrist", None] == "found"
    assert said["outcome", "elbow", None] == said["motor_latency", "elbow", None] == "no_response"
    assert ("onset_ms", "elbow", None) not in said, "that there is no response says all"
    assert ("cmap_amplitude", "wrist", None) not in said
    assert regression.check(dest).n_moved == 0


def test_a_mark_that_contradicts_a_persons_is_not_known(store, dest):
    """An onset placed after the automatic peak makes the analysis drop that peak; the person said nothing of it."""
    result = ncs.analyze(visit([motor()]))
    store.save(result)
    peak = float(result.marks[0].measured.peak_ms[0])
    end = float(result.marks[0].measured.end_ms[0])
    store.edit_mark("KASSE-4711", FIRST, mark="peak", value=(peak + end) / 2, **WRIST, **PERSON)
    store.edit_mark("KASSE-4711", FIRST, mark="onset", value=peak + 0.05, **WRIST, **PERSON)
    withdrawn = int(store.history("KASSE-4711").iloc[0]["edit"])
    store.withdraw_edit(withdrawn, **PERSON)
    reference.make(store, dest)
    said = truths(frozen(dest, "S01_V1_right_median_motor_APB"))
    assert said["onset_ms", "wrist", None] == pytest.approx(peak + 0.05)
    assert ("peak_ms", "wrist", None) not in said
    assert ("peak_uv", "wrist", None) not in said
    assert said["cmap_amplitude", "wrist", None] == "not_marked", "but the number that the store shows is this one"


def test_a_response_that_a_person_found(store, dest):
    store.save(ncs.analyze(visit([motor(amplitude_uv=0.0)])))
    rng = np.random.default_rng(3)
    for value in rng.uniform(4.0, 12.0, 40):
        try:
            store.edit_mark("KASSE-4711", FIRST, mark="peak", value=float(value), **WRIST, **PERSON)
        except InvalidInputError:
            continue
        break
    reference.make(store, dest)
    document = frozen(dest, "S01_V1_right_median_motor_APB")
    said = truths(document)
    assert said["outcome", "wrist", None] == "found"
    assert said["peak_ms", "wrist", None] == pytest.approx(value)
    assert said["cmap_amplitude", "wrist", None] > 0
    outcome = next(row for row in document["marks"] if row["quantity"] == "outcome")
    assert outcome["word"] == "no_response"
    assert regression.check(dest).n_moved == 0


def test_marks_of_one_sweep_and_of_one_of_several_responses(store, dest):
    study = simulate.h_reflex_study(seed=51, recording=dataclasses.replace(H_RECORDING, n_sweeps=8))[0]
    result = ncs.analyze(visit([study]))
    store.save(result)
    entry = next(each for each in result.marks if each.response == "h_reflex")
    sweep = int(np.flatnonzero(entry.sweeps.outcome == 0)[2])
    value = float(entry.sweeps.onset_ms[sweep]) - 0.5
    store.edit_mark("KASSE-4711", FIRST, mark="onset", value=value, response="h_reflex", sweep=sweep, **PERSON)
    reference.make(store, dest)
    document = frozen(dest, "S01_V1_right_tibial_h-reflex_soleus")
    marked = [row for row in document["marks"] if "truth" in row]
    assert {(row["response"], row["sweep"], row["quantity"], row["truth"]) for row in marked} == {
        ("h_reflex", sweep, "onset_ms", float(f"{value:.9g}")), ("h_reflex", sweep, "outcome", "found"),
    }  # fmt: skip
    (reviewed,) = store.load_results("KASSE-4711", FIRST)
    latency = next(m.value for m in reviewed.measurements if m.quantity == "h_minimum_latency")
    assert truths(document)["h_minimum_latency", "popliteal fossa", None] == pytest.approx(latency, abs=0.01)


# Files


def split(study, cut=100):
    """Return a study whose second trace is shorter, so that EDF needs two files for it."""
    first, second = study.traces
    shorter = dataclasses.replace(second, samples_uv=second.samples_uv[:, :-cut])
    return dataclasses.replace(study, traces=(first, shorter))


def test_traces_that_need_files_of_their_own_keep_their_edits_and_lose_what_is_between_them(store, dest):
    store.save(ncs.analyze(visit([split(motor())])))
    where = {"nerve": "median", "technique": "motor", "site": "elbow"}
    store.edit_mark("KASSE-4711", FIRST, mark="onset", value=7.0, **where, **PERSON)
    made = reference.make(store, dest)
    assert made.visits[0].recordings == ("S01_V1_right_median_motor_APB.edf", "S01_V1_right_median_motor_APB_2.edf")
    said = [truths(frozen(dest, name.removesuffix(".edf"))) for name in made.visits[0].recordings]
    assert said[0] == {}
    assert said[1]["onset_ms", "elbow", None] == said[1]["motor_latency", "elbow", None] == 7.0
    ((where, text),) = made.notes
    assert where == "KASSE-4711, 2019-03-04, right median, motor"
    assert "cmap_amplitude_ratio (wrist-elbow)" in text
    assert "motor_latency" not in text
    assert regression.check(dest).n_moved == 0


def test_two_studies_of_one_name_have_a_file_each(store, dest):
    store.save(ncs.analyze(visit([motor(seed=1), motor(seed=2)])))
    made = reference.make(store, dest)
    assert made.visits[0].recordings == ("S01_V1_right_median_motor_APB.edf", "S01_V1_right_median_motor_APB_2.edf")
    latencies = {
        row["value"] for name in made.visits[0].recordings
        for row in frozen(dest, name.removesuffix(".edf"))["measurements"] if row["quantity"] == "motor_latency"
    }  # fmt: skip
    assert len(latencies) == 4
    assert regression.check(dest).n_moved == 0


def test_a_stimulus_time_from_the_artefact_is_said_to_be_one(store, dest):
    study = motor()
    untimed = tuple(dataclasses.replace(trace, stimulus_ms=None) for trace in study.traces)
    result = ncs.analyze(visit([dataclasses.replace(study, traces=untimed)]), find_stimulus=True)
    store.save(result)
    reference.make(store, dest)
    (path,) = dest.glob(f"*{regression.EXPECTED}")
    assert "taken from the artefact" in json.loads(path.read_text())["about"]
    assert regression.check(dest).n_moved == 0


def test_a_recording_without_a_stimulus_is_frozen_with_its_reason(store, dest):
    study = motor()
    untimed = tuple(dataclasses.replace(trace, stimulus_ms=None) for trace in study.traces)
    store.save(ncs.analyze(visit([dataclasses.replace(study, traces=untimed)])))
    made = reference.make(store, dest)
    assert made.failed == []
    found = [m for file in regression.check(dest).files for m in file.result.measurements]
    assert {m.value for m in found} == {None}
    assert [m.reason for m in found if m.quantity == "motor_latency"] == ["no_stimulus_time"] * 2
    assert regression.check(dest).n_moved == 0


# What cannot be written


def results_only():
    value = ReportedMeasurement(quantity="rheobase", value=2.0, unit="mA", source="QTRAC, Dr. Mustermann")
    return Study(traces=(), nerve="median", technique=Technique.MOTOR, reported=(value,))


def unusable():
    study = motor(seed=8, nerve="ulnar")
    samples = study.traces[0].samples_uv.copy()
    samples[0, 40] = np.nan
    broken = dataclasses.replace(study.traces[0], samples_uv=samples)
    return dataclasses.replace(study, traces=(broken, study.traces[1]))


def test_what_cannot_be_written_is_named_and_the_rest_is_made(store, dest):
    store.save(ncs.analyze(visit([motor(), results_only(), unusable()])))
    store.save(ncs.analyze(visit([results_only()], subject="B")))
    store.add_covariates("C", FIRST, {"ONLS": 4.0}, source="scores.csv")
    made = reference.make(store, dest)
    assert [each.name for each in made.visits] == ["S02_V1"], "B is S01, and nothing of B is there"
    assert [name for name, _ in made.failed] == [
        "B, 2019-03-04, side? median, motor", "KASSE-4711, 2019-03-04, side? median, motor",
        "KASSE-4711, 2019-03-04, right ulnar, motor",
    ]  # fmt: skip
    texts = {str(error).partition(":")[0] for _, error in made.failed}
    assert texts == {"study", "samples_uv"}
    assert len(regression.recordings(dest)) == 1
    assert regression.check(dest).n_moved == 0


def test_what_edf_would_not_give_back_is_no_reference(store, dest, monkeypatch):
    from ncs import _freezing

    store.save(ncs.analyze(visit([motor()])))
    monkeypatch.setattr(_freezing, "_is_same", lambda one, other: one.stimulation_site != "elbow")
    made = reference.make(store, dest)
    ((_, error),) = made.failed
    assert "expected EDF to give back what was written, found others at elbow" in str(error)
    assert not dest.exists()


def test_only_what_is_named(store, dest):
    for subject, date in (("A", FIRST), ("A", SECOND), ("B", FIRST), ("B", SECOND)):
        store.save(ncs.analyze(visit([motor()], subject=subject, date=date)))
    store.add_covariates("C", FIRST, {"ONLS": 4.0}, source="scores.csv")
    wanted = [("B", None), ("A", "2021-10-06"), ("A", "2021-10-06"), ("A", "2021-10-07"), ("D", None), ("C", None),
              ("A", "soon")]  # fmt: skip
    steps = []
    made = reference.make(store, dest, wanted, progress=lambda *step: steps.append(step))
    assert [(each.subject, each.date, each.name) for each in made.visits] == [
        ("A", "2021-10-06", "S01_V1"), ("B", "2019-03-04", "S02_V1"), ("B", "2021-10-06", "S02_V2"),
    ]  # fmt: skip
    assert steps == [(1, 3), (2, 3), (3, 3)]
    said = dict(made.failed)
    assert "found visits on 2019-03-04, 2021-10-06" in str(said["A, 2021-10-07"])
    assert "found none called 'D'" in str(said["D"])
    assert "only covariates" in str(said["C"])
    assert "YYYY-MM-DD" in str(said["A, soon"])


# Where it goes


def test_an_empty_folder_will_do_and_a_parent_is_made(store, tmp_path):
    store.save(ncs.analyze(visit([motor()])))
    (tmp_path / "there").mkdir()
    for name in ("there", "a/b", "mit Leerzeichen/größe"):
        reference.make(store, tmp_path / name)
        assert regression.check(tmp_path / name).n_moved == 0
        assert [path.name for path in (tmp_path / name).parent.iterdir() if path.name.endswith(".part")] == []


def test_no_set_is_ever_replaced(store, dest, tmp_path, monkeypatch):
    store.save(ncs.analyze(visit([motor()])))
    reference.make(store, dest)
    before = contents(dest)
    with pytest.raises(FileAccessError, match=r"holds a reference set already.*ncs check .*set.*name a new folder"):
        reference.make(store, dest)
    assert contents(dest) == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").touch()
    (tmp_path / "file").touch()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name, found in (("other", "holds letter.txt"), ("file", "a file"), ("here", "the current folder")):
        with pytest.raises(FileAccessError, match=f"found (one that )?{found}"):
            reference.make(store, tmp_path / name)


@pytest.mark.parametrize(
    ("stop", "raised"),
    [
        (OSError(28, "No space left on device"), FileAccessError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (StoreAccessError("server: expected it to answer, found nothing"), StoreAccessError),
    ],
    ids=["full disk", "stopped by hand", "store lost"],
)
def test_half_a_set_is_never_left(store, dest, monkeypatch, stop, raised):
    store.save(ncs.analyze(visit([motor()])))
    store.save(ncs.analyze(visit([motor()], date=SECOND)))
    calls = []
    load = store.load_results

    def fail(subject, date):
        calls.append(date)
        if len(calls) == 2:
            raise stop
        return load(subject, date)

    monkeypatch.setattr(store, "load_results", fail)
    with pytest.raises(raised):
        reference.make(store, dest)
    assert len(calls) == 2
    assert [
        path.name for path in dest.parent.iterdir() if path.name not in {"ncs.db", "ncs.db-wal", "ncs.db-shm"}
    ] == []


def test_an_expectation_that_cannot_be_written_ends_it(store, dest, monkeypatch):
    store.save(ncs.analyze(visit([motor()])))

    def fail(path, *_):
        raise regression.no_access(path, "a file that can be written", OSError(28, "No space left on device"))

    monkeypatch.setattr(regression, "write_entries", fail)
    with pytest.raises(FileAccessError, match="no space left"):
        reference.make(store, dest)
    assert not dest.exists()


def test_segments_and_the_tape_measure_come_along(store, dest):
    """What a velocity rests on is in the file: a distance measured directly, and how well it is known."""
    segment = Segment(distal_site="wrist", proximal_site="elbow", distance_mm=231.0)
    study = dataclasses.replace(motor(), segments=(segment,), distance_sd_mm=2.0)
    result = ncs.analyze(visit([study]))
    store.save(result)
    reference.make(store, dest)
    document = frozen(dest, "S01_V1_right_median_motor_APB")
    (velocity,) = [row for row in document["measurements"] if row["quantity"] == "motor_conduction_velocity"]
    (expected,) = [m for m in result.measurements if m.quantity == "motor_conduction_velocity"]
    assert velocity["value"] == pytest.approx(expected.value, rel=1e-4)
    assert velocity["sd"] == pytest.approx(expected.sd, rel=1e-3)
