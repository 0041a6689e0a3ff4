"""What a library hands over is checked before it becomes a visit; what libraries differ in is said in one way."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ncs.errors import InvalidInputError, ReadError
from ncs.io import _trigger
from ncs.io._companions import companions, is_part
from ncs.io._continuous import Channel, Recording, attempt, to_visit
from ncs.io._faults import Faults
from ncs.io._recording import ReadRequest
from ncs.io._stimuli import Mark, Noted, Statements, note
from ncs.io._stimulus_notes import read_note
from ncs.io._trigger import find_edges
from ncs.io.sidecar import load_sidecar
from ncs.io.through_mne import _filters
from ncs.model import Filters, Origin
from tests.io.recorder_files import brainvision, dicom
from tests.io.test_adapters import RATE, only_trace, ramp, read

TIMED = {"stimulus_ms": 1.0}


def a_channel(values=None, **fields):
    values = np.arange(100.0) if values is None else values
    return Channel(
        **{"label": "APB", "unit": "uV", "rate_hz": 1000.0, "lengths": (100,), "values": lambda: values, **fields}
    )


def visit_of(*channels, sidecar=None, **fields):
    request = ReadRequest(
        path=Path("some.rec"), content=b"", sidecar=load_sidecar({"ncs_sidecar": 1, **(sidecar or TIMED)})
    )
    recording = Recording(channels=channels, library="a library", **fields)
    return to_visit([recording], request, Faults(file="some.rec"))


def fatal(*channels, **how):
    with pytest.raises(ReadError) as caught:
        visit_of(*channels, **how)
    return caught.value.problems[0]


# Continuous and episodic recordings


def test_a_trigger_channel_that_is_not_there_is_named_with_those_that_are():
    problem = fatal(a_channel(), sidecar={"stimuli": {"trigger_channel": "TTL"}})
    assert problem.field == "stimuli.trigger_channel"
    assert (problem.expected, problem.found) == ("a channel 'TTL'", "channels APB")


def test_a_channel_of_events_that_the_sidecar_names_gives_the_stimuli():
    events = {"TTL": [Mark("0.05", "", "event 1")], "Door": [Mark("0.07", "", "event 1")]}
    sidecar = {"stimuli": {"trigger_channel": "TTL"}}
    (study,) = visit_of(a_channel(), sidecar=sidecar, events=events).studies
    (trace,) = study.traces
    assert trace.samples_uv[0, int(trace.stimulus_ms[0])] == 50.0
    assert trace.provenance["stimulus_ms"] is Origin.FILE


def test_the_sidecar_states_the_unit_that_the_file_does_not():
    (study,) = visit_of(a_channel(unit=""), sidecar={**TIMED, "unit": "mV"}).studies
    assert study.traces[0].samples_uv[0, 1] == 1000.0
    assert study.traces[0].provenance["samples_uv"] is Origin.SIDECAR
    assert fatal(a_channel(unit="")).hint == "State the unit in the sidecar."


def test_a_recording_of_digital_lines_only_has_no_channel():
    problem = fatal(a_channel(is_digital=True))
    assert (problem.expected, problem.found) == ("a recording channel", "none")


def test_fewer_samples_than_the_header_says_are_no_recording():
    problem = fatal(a_channel(np.arange(99.0)))
    assert (problem.expected, problem.found) == ("100 samples, as the header says", "shape (99,)")


def test_voltages_beyond_reason_are_refused():
    assert fatal(a_channel(np.full(100, 1e30))).hint == "Check the unit."


def test_times_for_a_continuous_recording_do_not_fit_sweeps():
    problem = fatal(a_channel(lengths=(50, 50)), sidecar={"stimuli": {"times_s": [0.01]}},
                    onsets_s=(0.0, 1.0), is_episodic=True)  # fmt: skip
    assert (problem.field, problem.found) == ("stimuli.times_s", "2 sweeps")
    assert "`stimulus_ms`" in problem.hint


def test_a_sweep_with_two_stimuli_has_no_time_of_one():
    marks = tuple(Mark(onset, "StimA", f"mark {onset}") for onset in ("0.01", "1.01", "1.03"))
    visit = visit_of(a_channel(lengths=(50, 50)), sidecar={"nerve": "median"}, onsets_s=(0.0, 1.0), is_episodic=True,
                     marks=marks)  # fmt: skip
    times = [trace.stimulus_ms for trace in visit.studies[0].traces]
    assert [None if time is None else time.tolist() for time in times] == [[10.0], None]
    assert {(p.place, p.found) for p in visit.problems} == {
        ("sweep 2", "2 at 1.01, 1.03 s"), ("", "none in 1 of 2 sweeps")
    }  # fmt: skip


def test_an_error_of_ours_in_a_library_stays_what_it_is():
    def ours():
        raise InvalidInputError("nerve: expected text")

    with pytest.raises(InvalidInputError, match="nerve: expected text"):
        attempt("a library", Faults(file="a"), ours)


# Triggers and marks


def test_noise_is_no_trigger(monkeypatch):
    uneven = np.random.default_rng(3).uniform(size=1000) ** 2
    assert find_edges(uneven).fault == "a signal without a resting level"
    pulses = np.tile([0.0, 0, 0, 0, 5], 10)
    assert len(find_edges(pulses).positions) == 10
    monkeypatch.setattr(_trigger, "_MOST_EDGES", 9)
    assert find_edges(pulses).fault == "10 crossings of 2.5"


def test_of_texts_that_read_as_stimuli_only_those_that_are_named_count():
    marks = [Mark("1", "StimA", "mark 1"), Mark("2", "StimB", "mark 2")]
    noted = note(marks, Statements(markers=("StimB",), sidecar="a.ncs.json"))
    assert [one.said.stimulus for one in noted] == [None, "StimB"]
    assert noted[0] == Noted(marks[0], read_note("StimA")._replace(stimulus=None))


def test_as_many_times_as_marks_but_others_are_a_contradiction():
    marks = tuple(Mark(onset, "StimA", f"mark {onset}") for onset in ("0.01", "0.06"))
    problem = fatal(a_channel(), sidecar={"stimuli": {"times_s": [0.01, 0.07]}}, marks=marks)
    assert problem.expected == "2 stimuli (the sidecar)"
    assert problem.found == "as many at other times (the file), up to 10 ms apart"
    assert '"use"' in problem.hint


# Several files


def test_parts_belong_to_the_head_that_names_them(tmp_path):
    head = brainvision(tmp_path, {"R APB": ("µV", ramp())}, RATE)
    (tmp_path / "study.txt").write_text("notes of the technician")
    assert is_part(tmp_path / "study.eeg", 4096)
    assert not is_part(tmp_path / "study.txt", 4096)
    assert not is_part(head, 4096)


@pytest.mark.parametrize(
    ("head", "name", "others", "found"),
    [
        (b"EEG-1100C V01.00", "a.eeg", ("a.PNT", "a.log", "b.log", "a.txt"), ["a.PNT", "a.log"]),
        (b"\xac\x27\x91\xd6", "info.rhd", ("time.dat", "amp.dat", "x.txt"), ["amp.dat", "time.dat"]),
        (b"\xac\x27\x91\xd6", "other.rhd", ("time.dat",), []),
        (b"NEURALCD", "a.ns2", ("a.nev", "b.nev"), ["a.nev"]),
        (b"MZ", "a.exe", ("a.log",), []),
    ],
)
def test_the_other_files_of_a_recording(tmp_path, head, name, others, found):
    for other in (name, *others):
        (tmp_path / other).write_bytes(head)
    assert [path.name for path in companions(tmp_path / name, head)] == found
    for other in others:
        assert is_part(tmp_path / other, 64) == (other in found and name != "other.rhd"), other


# Single libraries


def marker(text, at, *, code=None, channel=None):
    return SimpleNamespace(text=text, sample_index=at, type_code=code, channel=channel)


def an_acq(monkeypatch, markers, *, dtype="i2", factor=0.5):
    """A file whose content the library gives as stated."""
    channel = SimpleNamespace(samples_per_second=1000.0, point_count=1000, data=np.arange(1000.0), units="mV",
                              name="EMG", dtype=np.dtype(dtype), raw_scale_factor=factor, raw_offset=0.0)  # fmt: skip
    source = SimpleNamespace(samples_per_second=1000.0, event_markers=markers, channels=[channel])
    bioread = pytest.importorskip("bioread")
    monkeypatch.setattr(bioread, "read", lambda stream: source)
    from ncs.io.acq import ACQ

    return ACQ.read(ReadRequest(path=Path("a.acq"), content=b"", sidecar=load_sidecar({"ncs_sidecar": 1, **TIMED})))


def test_acq_segments_that_begin_after_the_end_hold_nothing(monkeypatch):
    visit = an_acq(monkeypatch, [marker("", 400, code="apnd"), marker("Segment 3", 5000), marker("", 5, channel=2)])
    assert [trace.n_samples for trace in visit.studies[0].traces] == [400, 600]


def test_acq_samples_that_are_no_integers_have_no_digital_range(monkeypatch):
    known = [an_acq(monkeypatch, [], dtype=dtype).studies[0].traces[0].calibration for dtype in ("f8", "i2")]
    assert [(one.unit, one.digital_min, one.physical_max) for one in known] == [
        ("mV", None, None), ("mV", -32768, 16383.5)
    ]  # fmt: skip


def changed_dicom(path, change, **how):
    pydicom = pytest.importorskip("pydicom")
    dicom(path, [np.arange(2000) % 300], RATE, trigger_offsets_ms=[None], **how)
    data = pydicom.dcmread(path)
    change(data)
    data.save_as(path)
    return path


def test_dicom_without_a_waveform_is_refused(tmp_path):
    path = changed_dicom(tmp_path / "a.dcm", lambda data: data.__delitem__("WaveformSequence"))
    with pytest.raises(ReadError, match=r"Waveform Sequence: expected at least one multiplex group, found none"):
        read(path)


def test_dicom_labels_of_channels_go_before_their_sources(tmp_path):
    def relabel(data):
        data.WaveformSequence[0].ChannelDefinitionSequence[0].ChannelLabel = "L ADM"

    assert only_trace(read(changed_dicom(tmp_path / "a.dcm", relabel))).channel == "L ADM"


def test_dicom_annotations_by_time_and_those_of_other_groups(tmp_path):
    def by_time(data):
        first, second, third = data.WaveformAnnotationSequence
        del first.ReferencedSamplePositions
        first.ReferencedTimeOffsets = [25.0]
        second.ReferencedWaveformChannels = [7, 0]
        del third.ReferencedSamplePositions

    path = changed_dicom(tmp_path / "a.dcm", by_time, annotations=[(0, "StimA", 0), (0, "StimB", 400), (0, "StimC", 9)])
    trace = only_trace(read(path))
    assert (trace.stimulus.label, trace.n_sweeps) == ("StimA", 1)
    assert trace.elapsed_s.tolist() == [0.025]


@pytest.mark.parametrize(("stated", "date"), [("20240231", None), ("2024", None), ("20240229", "2024-02-29")])
def test_dicom_days_that_do_not_exist_are_none(tmp_path, stated, date):
    def on(data):
        data["StudyDate"]._value = stated

    with pytest.MonkeyPatch.context() as patch:
        import pydicom

        patch.setattr(pydicom.config.settings, "_writing_validation_mode", pydicom.config.IGNORE)
        patch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.IGNORE)
        visit = read(changed_dicom(tmp_path / "a.dcm", on))
    assert (None if visit.date is None else str(visit.date)) == date


def test_filters_that_differ_between_channels_are_none():
    info = SimpleNamespace(info={"highpass": 2.0, "lowpass": 3000.0, "sfreq": 10_000.0})
    faults = Faults(file="a")
    assert _filters(info, faults) == Filters(low_cut_hz=2.0, high_cut_hz=3000.0)
    faults.note("", "content", "nothing to remark", "Channels contain different lowpass filters.")
    assert _filters(info, faults) == Filters()
