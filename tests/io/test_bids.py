"""BIDS: the example data set, tables beside plain EDF files, and data sets that ncs writes, by the rules of BIDS."""

import csv
import datetime as dt
import importlib.util
import json
import math
import re
import shutil
import subprocess
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyedflib
import pytest

import ncs
from ncs import simulate
from ncs.errors import ConflictError, InvalidInputError, NcsWarning
from ncs.io._bids import entities, is_recording, metadata_files
from ncs.io._bids_columns import EVENT_COLUMNS
from ncs.io.bids_write import write_dataset
from ncs.io.edf_write import encode_continuous
from ncs.io.registry import choose
from ncs.model import Origin, Side, Stimulus, Study, Subject, Technique, Trace, Visit

DAY = dt.date(2021, 3, 1)
NAME = re.compile(
    r"sub-[A-Za-z0-9]+_ses-[A-Za-z0-9]+_task-[A-Za-z0-9]+(_acq-[A-Za-z0-9]+)?(_run-\d+)?"
    r"_(emg\.edf|emg\.bdf|emg\.json|channels\.tsv|events\.tsv|events\.json)"
)


def visits():
    first, _ = simulate.visit("P-1", DAY, seed=1, sensory=[simulate.SensoryNerve()])
    later, _ = simulate.visit("P-1", dt.date(2021, 9, 6), seed=2, sensory=[])
    other, _ = simulate.visit("Q2", dt.date(2020, 1, 7), seed=3, sensory=[])
    return [
        replace(first, covariates={"vegf_pg_ml": 812.5, "drug": "thalidomide"}, subject=Subject(id="P-1", sex="F")),
        later,
        other,
    ]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bids") / "set"
    write_dataset([visits()[0], [ncs.analyze(visits()[1])], visits()[2]], folder)
    return folder


def table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def quietly(path, **how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NcsWarning)
        return ncs.read(path, **how)


# Rules of the specification (schema 1.11.1). Each names the rule it was written from.


def test_description_has_what_is_required(dataset):
    for place, kind in ((dataset, "raw"), (dataset / "derivatives" / "ncs", "derivative")):
        about = json.loads((place / "dataset_description.json").read_text())
        assert about["Name"]
        assert re.fullmatch(r"\d+\.\d+\.\d+", about["BIDSVersion"])
        assert about["DatasetType"] == kind
        assert about["GeneratedBy"][0]["Name"] == "ncs"
    assert (dataset / "README.md").stat().st_size > 150  # rules.checks.general.ReadmeFileSmall


def test_every_file_name_is_one_of_the_specification(dataset):
    """rules.files.raw.emg, channels__emg, events__emg: task is required, run and acquisition are optional."""
    inside = list(dataset.glob("sub-*/ses-*/*/*"))
    assert inside
    for path in inside:
        assert path.parent.name == "emg"
        assert NAME.fullmatch(path.name), path.name
        subject, session = path.parts[-4], path.parts[-3]
        assert path.name.startswith(f"{subject}_{session}_")
        assert list(entities(path.name)) == [
            key for key in ("sub", "ses", "task", "acq", "run") if f"{key}-" in path.name
        ]


def test_every_recording_has_its_metadata(dataset):
    """rules.sidecars.emg.EMGRequired, EMGTaskInformation, EMGPlacementSchemeDescription."""
    recordings = list(dataset.rglob("*_emg.edf"))
    assert len(recordings) == 4
    for path in recordings:
        about = json.loads(path.with_suffix(".json").read_text())
        assert about["TaskName"]
        assert about["EMGPlacementScheme"] in {"ChannelSpecific", "Measured", "Other"}
        assert about["EMGPlacementSchemeDescription"]
        assert isinstance(about["EMGReference"], str)
        assert about["SamplingFrequency"] > 0
        assert about["PowerLineFrequency"] == "n/a" or about["PowerLineFrequency"] > 0
        assert about["RecordingType"] in {"continuous", "epoched", "discontinuous"}
        assert about["SoftwareFilters"] == "n/a" or isinstance(about["SoftwareFilters"], dict)
        assert about["RecordingType"] != "epoched" or about["EpochLength"] > 0


def test_channels_begin_with_the_columns_that_are_required(dataset):
    """rules.tabular_data.emg.EMGChannels: initial columns, and none beside those defined; EMGChannelCountReq."""
    defined = {"name", "type", "units", "description", "sampling_frequency", "signal_electrode", "reference", "group",
               "target_muscle", "placement_scheme", "placement_description", "interelectrode_distance", "low_cutoff",
               "high_cutoff", "notch", "status", "status_description"}  # fmt: skip
    for path in dataset.rglob("*_channels.tsv"):
        rows = table(path)
        assert list(rows[0])[:3] == ["name", "type", "units"]
        assert set(rows[0]) <= defined
        about = json.loads(path.with_name(path.name.replace("channels.tsv", "emg.json")).read_text())
        assert sum(row["type"] == "EMG" for row in rows) == about["EMGChannelCount"]
        assert len({row["name"] for row in rows}) == len(rows)


def test_events_are_in_order_and_every_column_is_explained(dataset):
    """rules.tabular_data.events.Events: onset and duration first; other columns with a data dictionary."""
    for path in dataset.rglob("*_events.tsv"):
        rows = table(path)
        assert list(rows[0]) == [column.name for column in EVENT_COLUMNS]
        assert list(rows[0])[:2] == ["onset", "duration"]
        onsets = [float(row["onset"]) for row in rows]
        assert onsets == sorted(onsets)
        explained = json.loads(path.with_suffix(".json").read_text())
        assert set(explained) >= set(rows[0])
        assert all(entry["Description"] for entry in explained.values())
        assert all(cell == cell.strip() != "" for row in rows for cell in row.values())


def test_participants_and_sessions_are_those_of_the_folders(dataset):
    """rules.tabular_data.modality_agnostic.Participants, Sessions; SubjectFolders."""
    people = [row["participant_id"] for row in table(dataset / "participants.tsv")]
    assert people == sorted(path.name for path in dataset.glob("sub-*"))
    assert set(table(dataset / "participants.tsv")[0]) <= set(json.loads((dataset / "participants.json").read_text()))
    for person in people:
        file = dataset / person / f"{person}_sessions.tsv"
        rows = table(file)
        assert [row["session_id"] for row in rows] == sorted(path.name for path in (dataset / person).glob("ses-*"))
        assert set(rows[0]) <= set(json.loads(file.with_suffix(".json").read_text()))
        for row in rows:
            dt.datetime.fromisoformat(row["acq_time"])


def test_the_validator_of_bids_has_no_error(dataset):
    """Runs where the validator is installed (package ``bids-validator-deno``); it carries the schema itself."""
    program = shutil.which("bids-validator-deno")
    if program is None:
        pytest.skip("bids-validator-deno is not installed")
    done = subprocess.run([program, "--ignoreWarnings", "--json", str(dataset)], capture_output=True, check=False)
    if not done.stdout.strip():
        pytest.skip(f"bids-validator-deno does not run here: {done.stderr.decode(errors='replace')[-200:]}")
    report = json.loads(done.stdout)
    assert [issue["code"] for issue in report["issues"]["issues"] if issue["severity"] == "error"] == []
    assert report["summary"]["modalities"] == ["emg"]


# Nothing personal


def test_days_are_moved_and_intervals_kept(dataset):
    assert [row["acq_time"] for row in table(dataset / "sub-P1" / "sub-P1_sessions.tsv")] == [
        "1900-01-01T00:00:00", "1900-07-09T00:00:00",
    ]  # fmt: skip
    assert dt.date(1900, 7, 9) - dt.date(1900, 1, 1) == dt.date(2021, 9, 6) - DAY
    for path in dataset.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"2021" not in content, path
            assert b"-MAR-" not in content, path


def test_names_and_comments_stay_out(tmp_path):
    visit = visits()[0]
    (study, *_) = visit.studies
    spoken = replace(study.traces[0], notes=("Mrs. Somebody was cold", "reference electrode: tendon"))
    person = Subject(id="P-1", name="Some Body", birth_date=dt.date(1951, 5, 2))
    write_dataset([replace(visit, subject=person, studies=(replace(study, traces=(spoken,)),))], tmp_path)
    for path in tmp_path.rglob("*.*"):
        if path.is_file():
            assert not re.search(rb"Some|1951|cold", path.read_bytes()), path
    (about,) = tmp_path.rglob("*_emg.json")
    assert json.loads(about.read_text())["EMGReference"] == "tendon"


def test_true_days_on_request(tmp_path):
    write_dataset(visits()[:1], tmp_path, keep_dates=True, power_line_hz=50.0)
    (path, *_) = sorted(tmp_path.rglob("*_emg.edf"))
    assert path.parts[-3] == "ses-20210301"
    assert quietly(path).date == DAY
    assert json.loads(path.with_suffix(".json").read_text())["PowerLineFrequency"] == 50.0


# There and back


def test_a_written_data_set_gives_the_same_numbers(dataset, tmp_path):
    with ncs.open_store(tmp_path / "ncs.db") as store, ncs.open_store(tmp_path / "whole.db") as other:
        summary = ncs.analyze_files(dataset, store=store)
        assert (summary.n_done, summary.failures, summary.warnings) == (4, (), ())
        for visit in visits():
            other.save(ncs.analyze(visit))
        columns = ["nerve", "side", "technique", "recording_site", "site", "segment", "quantity", "unit", "reason",
                   "distance_mm", "skin_temperature_c"]  # fmt: skip
        for (subject, day), (theirs, their_day) in {
            ("P1", "1900-01-01"): ("P-1", "2021-03-01"),
            ("P1", "1900-07-09"): ("P-1", "2021-09-06"),
            ("Q2", "1900-01-01"): ("Q2", "2020-01-07"),
        }.items():
            again, first = store.measurements(subject, day), other.measurements(theirs, their_day)
            assert again[columns].to_csv() == first[columns].to_csv()
            np.testing.assert_allclose(again["value"], first["value"], rtol=2e-3, atol=0.01)
        assert store.load_visit("P1", "1900-01-01").covariates == {"vegf_pg_ml": 812.5, "drug": "thalidomide"}


def test_samples_of_a_recorder_come_back_bit_for_bit(tmp_path):
    (tmp_path / "in").mkdir()
    from ncs.io.edf_write import write_edf

    write_edf(visits()[1], tmp_path / "in" / "one.edf")
    first = ncs.read(tmp_path / "in" / "one.edf")
    write_dataset([first], tmp_path / "out")
    (path,) = (tmp_path / "out").rglob("*_emg.edf")
    again = ncs.read(path)
    for one, two in zip(first.studies[0].traces, again.studies[0].traces, strict=True):
        assert np.array_equal(one.samples_uv, two.samples_uv)
        assert np.array_equal(one.stimulus_ms, two.stimulus_ms)
        assert one.stimulus.label == two.stimulus.label


def test_results_are_a_derivative(dataset):
    folder = dataset / "derivatives" / "ncs" / "sub-P1" / "ses-19000709" / "emg"
    result = ncs.analyze(visits()[1])
    rows = table(folder / "sub-P1_ses-19000709_desc-ncs_measurements.tsv")
    assert len(rows) == len(result.measurements)
    for row, m in zip(rows, result.measurements, strict=True):
        assert row["quantity"] == m.quantity
        assert row["value"] == ("n/a" if m.value is None else repr(float(m.value)))
    marks = table(folder / "sub-P1_ses-19000709_desc-ncs_marks.tsv")
    assert len(marks) == sum(len(entry.sweeps) + 1 for entry in result.marks)
    assert float(marks[0]["onset_ms"]) == result.marks[0].sweeps.onset_ms[0]
    for what in ("measurements", "marks"):
        file = folder / f"sub-P1_ses-19000709_desc-ncs_{what}.tsv"
        explained = json.loads(file.with_suffix(".json").read_text())
        assert set(table(file)[0]) <= set(explained)
        assert explained["Parameters"][0]["onset_method"] == "changepoint"


def test_studies_of_one_name_become_runs(tmp_path):
    visit = visits()[1]
    write_dataset([replace(visit, studies=visit.studies * 2)], tmp_path)
    names = sorted(path.name for path in tmp_path.rglob("*_emg.edf"))
    assert len(names) == 2
    assert "_run-2_emg" in names[1] or "_run-2_emg" in names[0]


def test_labels_that_would_be_the_same_are_refused(tmp_path):
    visit = visits()[1]
    with pytest.raises(InvalidInputError, match="'P-1' and 'P1' would both be sub-P1"):
        write_dataset([visit, replace(visit, subject=Subject(id="P1"))], tmp_path)
    with pytest.raises(InvalidInputError, match="at least one"):
        write_dataset([], tmp_path)


# Data sets of others


@pytest.mark.filterwarnings("ignore::ncs.errors.NcsWarning")
def test_the_example_data_set(recordings, tmp_path):
    folder = recordings / "bids_emg"
    (path,) = folder.rglob("*_emg.edf")
    visit = ncs.read(path)
    assert visit.sources[0].format == "bids"
    assert (visit.subject.id, visit.subject.sex) == ("01", "F")
    assert visit.provenance["subject"] is Origin.SIDECAR
    (study,) = visit.studies
    assert study.recording_site == "Flexor carpi radialis, Pronator teres, Brachioradialis"
    assert study.traces[0].sampling_rate_hz == 2000.0
    assert {problem.field for problem in visit.problems} == {"stimulus", "units"}
    with ncs.open_store(tmp_path / "ncs.db") as store:
        summary = ncs.analyze_files(folder, store=store)
        assert (summary.n_done, summary.failures) == (1, ())


def plain_recording(folder, *, events, channels=None, about=None, name="sub-07_task-nerve_emg.edf", annotated=False):
    """A continuous EDF file without any annotation, as other programs write it, and its tables."""
    study, _ = simulate.motor_study(seed=4)
    wave = np.concatenate([np.zeros((1, 1000), np.float32), *(t.samples_uv for t in study.traces)], axis=1)
    rate = study.traces[0].sampling_rate_hz
    trace = Trace(samples_uv=wave, sampling_rate_hz=rate, channel="EMG1")
    bare = Study(traces=(trace,))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(encode_continuous(bare))
    stem = name.removesuffix("_emg.edf")
    lines = ["\t".join(map(str, row)) for row in (events or [])]
    if lines:
        (folder / f"{stem}_events.tsv").write_text("\n".join(lines) + "\n")
    header = channels or [("name", "type", "units"), ("EMG1", "EMG", "uV")]
    (folder / f"{stem}_channels.tsv").write_text("\n".join("\t".join(map(str, row)) for row in header) + "\n")
    (folder / f"{stem}_emg.json").write_text(json.dumps(about or {"TaskName": "nerve"}))
    length = study.traces[0].n_samples
    return folder / name, [(1000 + at * length) / rate + t.stimulus_ms[0] / 1000 for at, t in enumerate(study.traces)]


def test_events_mark_the_stimuli_of_a_plain_recording(tmp_path):
    header = ("onset", "duration", "trial_type", "stimulation_site", "distance_mm", "intensity_ma", "nerve", "side",
              "technique", "recording_site", "skin_temperature_c", "pulse_duration_ms")  # fmt: skip
    fixed = ("median", "right", "motor", "APB", 33.5, 0.2)
    folder = tmp_path / "sub-07" / "emg"
    path, (first, second) = plain_recording(folder, events=None)
    rows = [
        header,
        (first, 0, "stimulus", "wrist", 80, 12.5, *fixed),
        (second, 0, "stimulus", "elbow", 300, 15, *fixed),
    ]
    plain_recording(folder, events=rows)
    visit = ncs.read(path)
    (study,) = visit.studies
    assert (study.nerve, study.side, study.technique) == ("median", Side.RIGHT, Technique.MOTOR)
    assert (study.recording_site, study.skin_temperature_c) == ("APB", 33.5)
    wrist, elbow = study.traces
    assert [(t.stimulation_site, t.distance_mm, t.stimulus.duration_ms) for t in (wrist, elbow)] == [
        ("wrist", 80.0, 0.2), ("elbow", 300.0, 0.2)
    ]  # fmt: skip
    assert wrist.stimulus.intensity_ma.tolist() == [12.5]
    for name in ("stimulus_ms", "distance_mm", "stimulation_site", "intensity_ma"):
        assert wrist.provenance[name] is Origin.SIDECAR
    (velocity,) = [m for m in ncs.analyze(visit).measurements if m.quantity == "motor_conduction_velocity"]
    assert velocity.value == pytest.approx(55, abs=6)


def test_a_change_in_a_table_is_a_change_of_the_recording(tmp_path):
    path, (first, _) = plain_recording(tmp_path, events=None)
    before = quietly(path).sources[0].sha256
    plain_recording(tmp_path, events=[("onset", "duration", "trial_type"), (first, 0, "stimulus")])
    after = quietly(path).sources[0].sha256
    assert before != after
    assert len(metadata_files(path)) == 3


def test_a_table_that_contradicts_the_recording_is_an_error(dataset, tmp_path):
    shutil.copytree(dataset / "sub-Q2", tmp_path / "sub-Q2")
    (events,) = (tmp_path / "sub-Q2").rglob("*_events.tsv")
    events.write_text(events.read_text().replace("\t80.0\t", "\t85.0\t"))
    (path,) = (tmp_path / "sub-Q2").rglob("*_emg.edf")
    with pytest.raises(ConflictError, match=r"distance_mm: expected 80 \(the EDF file\), found 85 \(events.tsv\)"):
        ncs.read(path)
    assert ncs.read(path, format="edf").studies[0].traces[0].distance_mm == 80.0


def test_what_is_wrong_with_a_table_is_noted(tmp_path):
    path, (first, second) = plain_recording(tmp_path, events=None)
    rows = [("onset", "duration", "trial_type", "distance_mm", "side"), (first, 0, "stimulus", "far", "up"),
            (second, 0, "stimulus", "far", "up"), (3, 4)]  # fmt: skip
    plain_recording(tmp_path, events=rows)
    visit = quietly(path)
    assert {(problem.field, problem.found) for problem in visit.problems} >= {
        ("distance_mm", "far"), ("side", "up"), ("BIDS", "2"),
    }  # fmt: skip
    assert visit.studies[0].side is None


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"[1, 2]", b"{", b'{"a": ' * 5000])
def test_broken_json_is_noted_not_fatal(tmp_path, content):
    path, _ = plain_recording(tmp_path, events=None)
    path.with_suffix(".json").write_bytes(content)
    assert "BIDS" in {problem.field for problem in quietly(path).problems}


def test_channels_say_filters_and_which_are_bad(tmp_path):
    channels = [("name", "type", "units", "low_cutoff", "high_cutoff", "notch", "status", "status_description"),
                ("EMG1", "EMG", "uV", 2, 10000, "n/a", "bad", "loose")]  # fmt: skip
    path, _ = plain_recording(tmp_path, events=None, channels=channels)
    visit = quietly(path)
    filters = visit.studies[0].traces[0].filters
    assert (filters.low_cut_hz, filters.high_cut_hz, filters.notch_hz) == (2.0, 10000.0, None)
    assert ("status", "bad: loose") in {(problem.field, problem.found) for problem in visit.problems}


def test_what_holds_for_several_recordings_may_stand_above(tmp_path):
    folder = tmp_path / "sub-07" / "ses-1" / "emg"
    path, _ = plain_recording(folder, events=None, name="sub-07_ses-1_task-nerve_emg.edf")
    (tmp_path / "task-nerve_emg.json").write_text('{"PowerLineFrequency": 50}')
    (tmp_path / "task-other_emg.json").write_text('{"PowerLineFrequency": 60}')
    (tmp_path / "participants.tsv").write_text("participant_id\tsex\nsub-06\tF\nsub-07\tM\n")
    (tmp_path / "sub-07" / "sub-07_sessions.tsv").write_text("session_id\tacq_time\nses-1\t1901-02-03T10:00:00\n")
    assert [file.name for file in metadata_files(path)] == [
        "sub-07_ses-1_task-nerve_channels.tsv", "sub-07_ses-1_task-nerve_emg.json", "task-nerve_emg.json"
    ]  # fmt: skip
    visit = quietly(path)
    assert (visit.subject.id, visit.subject.sex, visit.date) == ("07", "M", dt.date(1901, 2, 3))
    assert visit.provenance["date"] is Origin.SIDECAR


def test_scans_state_the_day_as_well(tmp_path):
    folder = tmp_path / "sub-07" / "emg"
    path, _ = plain_recording(folder, events=None)
    scans = "filename\tacq_time\nemg/sub-07_task-nerve_emg.edf\t1902-03-04T00:00:00\n"
    (tmp_path / "sub-07" / "sub-07_scans.tsv").write_text(scans)
    assert quietly(path).date == dt.date(1902, 3, 4)


def test_only_the_name_and_the_company_make_an_edf_file_a_bids_recording(tmp_path):
    path, _ = plain_recording(tmp_path, events=None)
    assert is_recording(path)
    assert choose(path.read_bytes(), path).name == "bids"
    for name in ("sub-08_task-nerve_emg.edf", "recording.edf", "sub-07_task-nerve_eeg.edf"):
        shutil.copy(path, tmp_path / name)
        assert choose(path.read_bytes(), tmp_path / name).name == "edf"


def test_others_read_what_is_written(dataset):
    """A continuous recording goes through another library; see ``test_edf_export`` for its samples."""
    trace = Trace(samples_uv=np.arange(3000, dtype=np.float32), sampling_rate_hz=1000.0, stimulus=Stimulus())
    visit = Visit(subject=Subject(id="C"), date=DAY, studies=(Study(traces=(trace,)),))
    folder = dataset.parent / "continuous"
    write_dataset([visit], folder)
    (path,) = folder.rglob("*_emg.edf")
    with pyedflib.EdfReader(str(path)) as reader:
        assert reader.getNSamples().tolist() == [3000]
    assert not list(folder.rglob("*_events.tsv"))
    about = json.loads(path.with_suffix(".json").read_text())
    assert (about["RecordingType"], about["RecordingDuration"]) == ("continuous", 3.0)


def test_mne_reads_a_written_recording_of_one_response(dataset):
    if importlib.util.find_spec("mne") is None:
        pytest.skip("mne is not installed")
    import mne

    (path,) = (dataset / "sub-P1" / "ses-19000101").rglob("*sensory*_emg.edf")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw = mne.io.read_raw_edf(path, preload=True, verbose="error")
    (first,) = quietly(path).studies[0].traces
    np.testing.assert_allclose(raw.get_data()[0, : first.n_samples] * 1e6, first.samples_uv[0], atol=0.01)
    assert math.isclose(raw.info["sfreq"], first.sampling_rate_hz)


def test_paths_are_returned(tmp_path):
    paths = write_dataset(visits()[1:2], tmp_path)
    assert sorted(paths) == sorted(path for path in Path(tmp_path).rglob("*") if path.is_file())
