"""ncs.read: sources, precedence, conflicts, files that cannot be opened."""

import datetime as dt
import hashlib
import json
import os
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ncs
from ncs.errors import ConflictError, FileAccessError, InvalidInputError, NcsWarning, ReadError, SidecarError
from ncs.io import find_sidecar, registry
from ncs.io._complete import complete
from ncs.io.sidecar import load_sidecar
from ncs.model import (
    Calibration,
    Filters,
    Origin,
    Provenance,
    Side,
    Stimulus,
    Study,
    Subject,
    Technique,
    Trace,
    Visit,
)

TABLE = "1;-2\n5;-4\n3;-6\n"
TEXT = {"ncs_sidecar": 1, "unit": "uV", "polarity": "true", "stimulus_ms": 1.5, "sampling_rate_hz": 1000}


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "rec.csv"
    path.write_text(TABLE)
    return path


def write_sidecar(path, **fields):
    path.write_text(json.dumps({**TEXT, **fields}))


def test_a_sidecar_beside_the_file_is_found_and_hashed(table):
    write_sidecar(table.with_name("rec.ncs.json"), nerve="median", subject="P1", date="2024-02-03")
    visit = ncs.read(table)
    source = visit.sources[0]
    assert (source.name, source.format, source.size_bytes) == ("rec.csv", "text", len(TABLE))
    assert source.sha256 == hashlib.sha256(TABLE.encode()).hexdigest()
    assert len(source.sidecar_sha256) == 64
    assert source.protocol_sha256 == ""
    assert (visit.subject.id, visit.date, visit.studies[0].nerve) == ("P1", dt.date(2024, 2, 3), "median")
    assert visit.provenance["subject"] is visit.provenance["date"] is Origin.SIDECAR
    np.testing.assert_array_equal(visit.studies[0].traces[0].samples_uv, [[1, 5, 3], [-2, -4, -6]])


def test_the_sidecar_named_after_the_whole_file_name_goes_first(table):
    write_sidecar(table.with_name("rec.ncs.json"), nerve="median")
    write_sidecar(table.with_name("rec.csv.ncs.json"), nerve="ulnar")
    assert find_sidecar(table).name == "rec.csv.ncs.json"
    assert ncs.read(table).studies[0].nerve == "ulnar"
    assert ncs.read(table, sidecar=table.with_name("rec.ncs.json")).studies[0].nerve == "median"


def test_every_kind_of_sidecar_and_protocol_gives_the_same_result(table, tmp_path):
    path = tmp_path / "elsewhere.json"
    write_sidecar(path)
    lab = tmp_path / "lab.toml"
    lab.write_text("ncs_protocol = 1\ndistance_sd_mm = 3\n")
    results = [
        ncs.read(os.fspath(table), sidecar=sidecar, protocol=protocol)
        for sidecar, protocol in (
            (path, lab),
            (os.fspath(path), os.fspath(lab)),
            (TEXT, {"ncs_protocol": 1, "distance_sd_mm": 3.0}),
            (load_sidecar(TEXT), ncs.io.load_protocol(lab)),
        )
    ]
    assert len({visit.sources for visit in results}) == 1
    assert results[0].sources[0].protocol_sha256
    assert results[0].studies[0].distance_sd_mm == 3.0


def test_a_fault_that_did_not_stop_the_reading_is_warned_of(tmp_path):
    path = tmp_path / "gap.csv"
    path.write_text("1;2\n5;nan\n3;6\n")
    with pytest.warns(NcsWarning, match=r"gap.csv: line 2: sample: expected a number, found NaN") as caught:
        visit = ncs.read(path, sidecar=TEXT)
    assert [str(warning.message) for warning in caught] == [str(problem) for problem in visit.problems]
    assert caught[0].filename == __file__
    assert np.isnan(visit.studies[0].traces[0].samples_uv[1, 1])


def test_files_that_cannot_be_opened(tmp_path, monkeypatch):
    fifo = tmp_path / "pipe.edf"
    os.mkfifo(fifo)
    secret = tmp_path / "secret.edf"
    secret.write_bytes(b"0")
    open_file = os.open

    def refuse(path, flags, *more, **options):
        if path == secret:
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return open_file(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", refuse)
    cases = {
        tmp_path: "a folder", tmp_path / "absent.edf": "no such file", fifo: "no regular file",
        secret: "permission denied", Path("a\0b"): "null",
    }  # fmt: skip
    for path, words in cases.items():
        with pytest.raises(FileAccessError) as caught:
            ncs.read(path)
        assert [problem.file for problem in caught.value.problems] == [str(path)]
        assert words in caught.value.problems[0].found
    with pytest.raises(OSError, match="a folder"):
        ncs.read(tmp_path)


def test_wrong_arguments(table):
    with pytest.raises(InvalidInputError, match="path"):
        ncs.read(3)
    with pytest.raises(InvalidInputError, match="format"):
        ncs.read(table, format="xyz")
    with pytest.raises(InvalidInputError, match="sidecar"):
        ncs.read(table, sidecar=[1])
    with pytest.raises(InvalidInputError, match="protocol"):
        ncs.read(table, sidecar=TEXT, protocol=1.5)
    with pytest.raises(SidecarError):
        ncs.read(table, sidecar={"ncs_sidecar": 1, "unitt": "mV"})


def test_the_subject_argument_fills_but_never_contradicts(table):
    visit = ncs.read(table, sidecar=TEXT, subject=" P9 ")
    assert (visit.subject.id, visit.provenance["subject"]) == ("P9", Origin.SIDECAR)
    assert ncs.read(table, sidecar={**TEXT, "subject": "P9"}, subject="P9").subject.id == "P9"
    with pytest.raises(ConflictError, match=r"'P8' .the argument.*'P9' .from the sidecar"):
        ncs.read(table, sidecar={**TEXT, "subject": "P9"}, subject="P8")
    with pytest.raises(InvalidInputError):
        ncs.read(table, sidecar=TEXT, subject=" ")


def test_a_reader_from_elsewhere_that_fails_is_named(table, monkeypatch):
    class Falling:
        name, description, extensions, carries, experimental = "falling", "", (), {}, True

        def sniff(self, head, path):
            return 1.0

        def read(self, request):
            raise KeyError("oops")

    entry = registry.RegisteredReader(name="falling", origin="entry point of elsewhere", reader=Falling())
    monkeypatch.setattr(registry, "_claims", lambda head, path: [(1.0, entry)])
    with pytest.raises(ReadError, match=r"reader falling .entry point of elsewhere.: KeyError: 'oops'"):
        ncs.read(table, sidecar=TEXT)


FILE = Provenance(
    nerve=Origin.FILE, stimulation_site=Origin.FILE, distance_mm=Origin.FILE, stimulus_ms=Origin.FILE,
    intensity_ma=Origin.FILE, filters=Origin.FILE,
)  # fmt: skip


def recording(site, label, distance_mm=None, sweeps=1, channel="Ch1", **fields):
    return Trace(
        samples_uv=np.arange(sweeps * 4.0).reshape(sweeps, 4), sampling_rate_hz=20_000,
        stimulus_ms=np.full(sweeps, 2.0),
        stimulation_site=site, distance_mm=distance_mm, channel=channel, calibration=Calibration(unit="mV"),
        stimulus=Stimulus(label=label), filters=Filters(low_cut_hz=2.0), provenance=FILE, **fields,
    )  # fmt: skip


def motor_visit(*traces, **fields):
    study = Study(traces=traces, nerve="median", side=Side.LEFT, technique=Technique.MOTOR, provenance=FILE, **fields)
    return Visit(subject=Subject(id="P1"), date=dt.date(2024, 2, 3), studies=(study,))


def completed(visit, **sidecar):
    return complete(visit, load_sidecar({"ncs_sidecar": 1, **sidecar}), None)


def test_a_sidecar_fills_distances_by_site_and_agrees_with_what_the_file_states():
    visit = motor_visit(recording("elbow", "StimB"), recording("wrist", "StimA", 80.0))
    done = completed(
        visit, subject="p1", date="2024-02-03", nerve="MEDIAN", side="left", skin_temperature_c=33, unit="mV",
        sampling_rate_hz=20_000.0001, stimulus_ms=2, filters={"low_cut_hz": 2, "high_cut_hz": 10_000},
        pulse_duration_ms=0.2, reference_site="thumb", covariates={"vegf": 812, "drug": "T"},
        segments=[{"distal": "wrist", "proximal": "elbow", "distance_mm": 215}],
        traces=[{"stimulation_site": "wrist", "distance_mm": 80}, {"stimulation_site": "Elbow", "distance_mm": 300}],
    )  # fmt: skip
    study = done.studies[0]
    assert [(t.stimulation_site, t.distance_mm) for t in study.traces] == [("wrist", 80.0), ("elbow", 300.0)]
    assert [t.provenance["distance_mm"] for t in study.traces] == [Origin.FILE, Origin.SIDECAR]
    assert (study.provenance["nerve"], study.provenance["skin_temperature_c"]) == (Origin.FILE, Origin.SIDECAR)
    assert study.provenance["site_order"] is Origin.SIDECAR
    assert study.segments[0].distance_mm == 215.0
    assert study.segments[0].origin is Origin.SIDECAR
    trace = study.traces[0]
    assert (trace.filters.high_cut_hz, trace.stimulus.duration_ms) == (10_000.0, 0.2)
    assert trace.provenance["filters"] is Origin.FILE
    assert trace.provenance["filters.high_cut_hz"] is Origin.SIDECAR
    assert trace.provenance["stimulus_duration_ms"] is Origin.SIDECAR
    assert trace.provenance["stimulus_ms"] is Origin.FILE
    assert trace.notes == ("reference electrode: thumb",)
    assert dict(done.covariates) == {"vegf": 812.0, "drug": "T"}
    assert done.provenance["covariates.vegf"] is Origin.SIDECAR


def test_all_contradictions_are_reported_at_once():
    visit = motor_visit(recording("wrist", "StimA", 80.0))
    with pytest.raises(ConflictError) as caught:
        completed(
            visit, subject="P2", date="2024-02-04", nerve="ulnar", side="right", technique="sensory", unit="uV",
            sampling_rate_hz=10_000, stimulus_ms=[2.5], filters={"low_cut_hz": 20},
            traces=[{"stimulation_site": "wrist", "distance_mm": 90, "intensity_ma": [1, 2]}],
            segments=[{"distal": "wrist", "proximal": "elbow", "distance_mm": 1}],
        )  # fmt: skip
    problems = {problem.field: problem for problem in caught.value.problems}
    assert set(problems) == {
        "subject", "date", "nerve", "side", "technique", "unit", "sampling_rate_hz", "stimulus_ms",
        "filters.low_cut_hz", "distance_mm", "intensity_ma", "segments[0].proximal",
    }  # fmt: skip
    assert problems["distance_mm"].place == "study 1, trace 1"
    assert problems["distance_mm"].expected == "90 (the sidecar)"
    assert problems["distance_mm"].found == "80 (the file)"
    assert problems["intensity_ma"].found == "1 sweeps (the file)"


def test_sweeps_are_split_by_number_and_label():
    visit = motor_visit(recording(None, "", sweeps=3), recording(None, "StimB", sweeps=2))
    done = completed(
        visit,
        traces=[
            {"select": {"sweeps": "1-2"}, "stimulation_site": "wrist", "intensity_ma": [8, 9]},
            {"select": {"label": "stimb"}, "stimulation_site": "elbow", "intensity_v": 30},
        ],
    )
    first, rest, second = done.studies[0].traces
    assert (first.stimulation_site, rest.stimulation_site, second.stimulation_site) == ("wrist", None, "elbow")
    np.testing.assert_array_equal(first.samples_uv, [[0, 1, 2, 3], [4, 5, 6, 7]])
    np.testing.assert_array_equal(rest.samples_uv, [[8, 9, 10, 11]])
    np.testing.assert_array_equal(first.stimulus.intensity_ma, [8, 9])
    np.testing.assert_array_equal(second.stimulus.intensity_v, [30, 30])
    assert (first.stimulus_ms.shape, rest.stimulus_ms.shape) == ((2,), (1,))


def test_sweeps_of_several_traces_are_joined_where_the_sidecar_says_they_belong_together():
    visit = motor_visit(*(recording(None, "", channel="Ch1") for _ in range(4)))
    done = completed(
        visit,
        traces=[
            {"select": {"sweeps": [1, 3]}, "stimulation_site": "wrist", "intensity_ma": [5, 7]},
            {"select": {"sweeps": [2, 4]}, "stimulation_site": "elbow"},
        ],
    )
    assert [(t.stimulation_site, t.n_sweeps) for t in done.studies[0].traces] == [("wrist", 2), ("elbow", 2)]
    np.testing.assert_array_equal(done.studies[0].traces[0].stimulus.intensity_ma, [5, 7])


def two_channels():
    studies = tuple(
        Study(traces=(recording(None, "StimA", channel=channel), recording(None, "StimB", channel=channel)))
        for channel in ("Ch1", "Ch2")
    )
    return Visit(subject=Subject(), date=None, studies=studies)


def test_studies_of_two_channels_are_described_by_channel():
    done = completed(
        two_channels(), side="right",
        studies=[
            {"select": {"channel": "ch2"}, "nerve": "ulnar",
             "traces": [
                 {"select": {"label": "StimA"}, "distance_mm": 70}, {"select": {"sweeps": [2]}, "distance_mm": 90},
             ]},
            {"select": {"channel": "Ch1"}, "nerve": "median"},
        ],
    )  # fmt: skip
    assert [(s.nerve, s.side) for s in done.studies] == [("median", Side.RIGHT), ("ulnar", Side.RIGHT)]
    assert [t.distance_mm for t in done.studies[1].traces] == [70.0, 90.0]


def test_a_channel_that_no_entry_means_stays_as_it_is():
    done = completed(two_channels(), studies=[{"select": {"channel": "Ch2"}, "nerve": "ulnar"}])
    assert [s.nerve for s in done.studies] == [None, "ulnar"]


@pytest.mark.parametrize(
    ("sidecar", "words"),
    [
        ({"recording_site": "APB"}, "Describe each study in `studies`"),
        ({"studies": [{"nerve": "median"}]}, "select.channel"),
        ({"studies": [{"select": {"channel": "Ch3"}}]}, "'Ch3' .the sidecar., found channels 'Ch1', 'Ch2'"),
        ({"studies": [{"select": {"label": "StimC"}}]}, "'StimA', 'StimB'"),
        ({"studies": [{"select": {"label": "StimA"}}]}, "sweeps of several"),
        ({"studies": [{"select": {"channel": "Ch1"}}, {"select": {"channel": "Ch1"}}]}, "each sweep in one entry"),
        ({"studies": [{"select": {"channel": "Ch1", "sweeps": "2-5"}}]}, "sweep 3, 4, 5 .the sidecar., found 2 sweeps"),
        (
            {"studies": [{"select": {"channel": "Ch1"}, "traces": [{"distance_mm": 80}]}]},
            "2 sweeps, no stimulation sites",
        ),
        (
            {"studies": [{"select": {"channel": "Ch1"}, "stimulus_ms": "time_zero"}]},
            None,
        ),
    ],
)
def test_an_entry_that_means_nothing_or_too_much_is_a_conflict(sidecar, words):
    if words is None:
        assert completed(two_channels(), **sidecar).studies[0].traces[0].stimulus_ms[0] == 2.0
        return
    with pytest.raises(ConflictError, match=words):
        completed(two_channels(), **sidecar)


def test_time_zero_needs_a_time_axis():
    bare = replace(recording("wrist", ""), stimulus_ms=None)
    with pytest.raises(ConflictError, match="a time column"):
        completed(motor_visit(bare), stimulus_ms="time_zero")


def test_intensities_that_the_file_states_for_some_sweeps_are_completed():
    partly = recording("wrist", "", sweeps=3)
    partly = replace(partly, stimulus=Stimulus(intensity_ma=np.array([5.0, np.nan, 7.0])))
    visit = motor_visit(partly)
    done = completed(visit, traces=[{"stimulation_site": "wrist", "intensity_ma": [5, 6, 7]}])
    np.testing.assert_array_equal(done.studies[0].traces[0].stimulus.intensity_ma, [5, 6, 7])
    with pytest.raises(ConflictError, match="intensity_ma"):
        completed(visit, traces=[{"stimulation_site": "wrist", "intensity_ma": [4, 6, 7]}])


def test_an_inverted_recording_is_turned_once():
    visit = motor_visit(recording("wrist", ""))
    trace = completed(visit, polarity="inverted").studies[0].traces[0]
    np.testing.assert_array_equal(trace.samples_uv, -visit.studies[0].traces[0].samples_uv)
    again = completed(replace(visit, studies=(replace(visit.studies[0], traces=(trace,)),)), polarity="inverted")
    np.testing.assert_array_equal(again.studies[0].traces[0].samples_uv, trace.samples_uv)


def test_reading_with_everything_stated_warns_of_nothing(table):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ncs.read(table, sidecar=TEXT).problems == ()
