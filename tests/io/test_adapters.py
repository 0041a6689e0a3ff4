"""Recordings of other recorders, through the libraries that read them."""

import importlib.util
import sys
import warnings

import numpy as np
import pytest

import ncs
from ncs.errors import MissingDependencyError, ReadError
from ncs.io import registry
from ncs.model import Origin
from tests.io.recorder_files import blackrock, brainvision, dicom, winwcp

RATE = 10_000.0


def read(path, sidecar=None, **more):
    """Read without the warnings, which stand in ``problems`` as well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ncs.errors.NcsWarning)
        return ncs.read(path, sidecar=None if sidecar is None else {"ncs_sidecar": 1, **sidecar}, **more)


def ramp(seconds=2.0):
    """Sample k holds k (mod 4000) in half microvolts, so that every sample says where it stands."""
    return (np.arange(round(seconds * RATE)) % 4000) * 0.5


def only_trace(visit):
    (study,) = visit.studies
    (trace,) = study.traces
    return trace


# -- mne ---------------------------------------------------------------------------------------------------------------


def test_brainvision_stimulus_markers_cut_sweeps(tmp_path):
    marks = [("Stimulus", "S  1", 5000), ("Comment", "cold hand", 5100), ("Stimulus", "S  1", 15_000)]
    path = brainvision(tmp_path, {"R APB": ("µV", ramp())}, RATE, marks)
    visit = read(path)
    trace = only_trace(visit)
    assert visit.problems == ()
    assert (trace.samples_uv.shape, trace.sampling_rate_hz) == ((2, 1050), RATE)
    np.testing.assert_allclose(trace.samples_uv, ramp()[np.array([[4950], [14_950]]) + np.arange(1050)], rtol=1e-6)
    np.testing.assert_allclose(trace.stimulus_ms, 5.0, atol=1e-9)
    assert (trace.stimulus.label, trace.channel, trace.notes) == ("Stimulus/S  1", "R APB", ("Comment/cold hand",))
    assert trace.provenance["stimulus_ms"] is Origin.FILE
    assert (visit.studies[0].recording_site, visit.studies[0].side.value) == ("APB", "right")
    assert str(visit.date) == "2024-03-05"


def test_brainvision_calibration_and_source_files(tmp_path):
    path = brainvision(tmp_path, {"APB": ("mV", ramp() / 1000)}, RATE, [("Stimulus", "S1", 5000)], resolution=0.0005)
    visit = read(path)
    trace = only_trace(visit)
    known = trace.calibration
    assert (known.unit, known.digital_min, known.digital_max) == ("mV", -32768, 32767)
    assert known.physical_max == pytest.approx(32767 * 0.0005)
    np.testing.assert_allclose(trace.samples_uv[0], ramp()[4950:6000], atol=1e-3)
    (source,) = visit.sources
    files = sorted(tmp_path.iterdir())
    assert (source.name, source.size_bytes) == ("study.vhdr", sum(file.stat().st_size for file in files))
    for changed in (path.with_suffix(".eeg"), path.with_suffix(".vmrk")):
        kept = changed.read_bytes()
        changed.write_bytes(kept + b"\r\n")
        assert read(path).sources[0].sha256 != source.sha256, changed.name
        changed.write_bytes(kept)
    assert read(path).sources[0].sha256 == source.sha256


def test_a_changed_data_file_is_analysed_again(tmp_path):
    path = brainvision(tmp_path, {"APB": ("µV", ramp())}, RATE, [("Stimulus", "S1", 5000)])
    (tmp_path / "study.ncs.json").write_text('{"ncs_sidecar": 1, "subject": "P07", "technique": "motor"}')
    with ncs.open_store(tmp_path / "lab.db") as store:
        done = ncs.analyze_files(tmp_path, store=store)
        assert (done.n_done, done.failures) == (1, ()), "data and marker file are parts, not recordings that failed"
        assert ncs.analyze_files(path, store=store).n_skipped == 1
        data = path.with_suffix(".eeg")
        data.write_bytes(data.read_bytes()[:-2] + b"\1\0")
        assert ncs.analyze_files(path, store=store).n_done == 1


def test_brainvision_sweeps_do_not_reach_across_a_new_segment(tmp_path):
    marks = [
        ("Stimulus", "S1", 5000),
        ("New Segment", "", 10_000),
        ("Stimulus", "S1", 9980),
        ("Stimulus", "S1", 15_000),
    ]
    path = brainvision(tmp_path, {"APB": ("µV", ramp())}, RATE, marks)
    visit = read(path)
    assert only_trace(visit).samples_uv.shape == (2, 1050), "the sweep that the break cuts short is left out"
    assert [problem.field for problem in visit.problems] == ["sweep of APB"]


def test_brainvision_channel_that_is_no_voltage_is_left_out_and_named(tmp_path):
    channels = {"APB": ("µV", ramp()), "Temp": ("C", np.full(20_000, 31.0))}
    visit = read(brainvision(tmp_path, channels, RATE, [("Stimulus", "S1", 5000)], resolution=0))
    assert [study.traces[0].channel for study in visit.studies] == ["APB"]
    (problem,) = visit.problems
    assert (problem.place, problem.field) == ("channel Temp", "unit")


def test_a_library_that_fails_gives_a_read_error_that_names_file_and_reason(tmp_path):
    path = brainvision(tmp_path, {"APB": ("µV", ramp())}, RATE)
    path.with_suffix(".eeg").unlink()
    with pytest.raises(ReadError, match=r"study\.vhdr.*a file that mne can read.*FileNotFoundError"):
        read(path)
    broken = tmp_path / "broken.gdf"
    broken.write_bytes(b"GDF 2.20" + bytes(100))
    with pytest.raises(ReadError, match=r"broken\.gdf.*a file that mne can read"):
        read(broken)


def test_fif_through_mne_with_annotations(tmp_path):
    import mne

    info = mne.create_info(["R APB", "STI 014"], RATE, ["emg", "stim"])
    codes = np.zeros(20_000)
    codes[5000:5010], codes[15_000:15_010] = 4, 5
    raw = mne.io.RawArray(np.stack([ramp() * 1e-6, codes]), info, verbose="ERROR")
    raw.save(tmp_path / "study_raw.fif", verbose="ERROR")
    visit = read(tmp_path / "study_raw.fif", {"stimuli": {"markers": {"4": "wrist", "5": "elbow"}}})
    (study,) = visit.studies
    assert [trace.stimulation_site for trace in study.traces] == ["wrist", "elbow"]
    assert study.traces[0].provenance["stimulation_site"] is Origin.SIDECAR
    np.testing.assert_allclose(study.traces[0].samples_uv[0], ramp()[4950:6000], rtol=1e-6)
    raw.set_meas_date(1_700_000_000)
    raw.set_annotations(mne.Annotations([0.3], [0.0], ["Stimulus wrist"]))
    raw.save(tmp_path / "cropped_raw.fif", tmin=0.2, verbose="ERROR")
    trace = only_trace(read(tmp_path / "cropped_raw.fif"))
    assert (trace.stimulus.label, trace.stimulation_site) == ("Stimulus wrist", "wrist")
    assert trace.samples_uv[0, 50] == pytest.approx(ramp()[3000])


def test_own_reader_wins_for_edf_and_mne_reads_it_by_name(recordings):
    path = recordings / "edf_continuous" / "test_subsecond.edf"
    assert read(path).sources[0].format == "edf"
    ours, theirs = read(path), read(path, format="mne")
    assert theirs.sources[0].format == "mne"
    by_channel = {study.traces[0].channel: study.traces[0] for study in ours.studies}
    assert len(theirs.studies) == len(by_channel)
    for study in theirs.studies:
        (trace,) = study.traces
        known = by_channel[trace.channel].samples_uv
        np.testing.assert_allclose(trace.samples_uv, known, atol=1e-4 * float(np.abs(known).max()) + 1e-3)


# -- neo ---------------------------------------------------------------------------------------------------------------


def test_winwcp_records_are_sweeps_and_the_trigger_channel_tells_the_stimulus(tmp_path):
    records = np.zeros((3, 512, 2), np.int16)
    records[:, :, 0] = np.arange(512) + 1000 * np.arange(3)[:, np.newaxis]
    for number, at in enumerate((40, 50, 60)):
        records[number, at : at + 20, 1] = 16_000
    path = winwcp(tmp_path / "study.wcp", records, RATE, labels=["APB", "Trig"], units=["mV", "V"])
    visit = read(path)
    trace = only_trace(visit)
    assert visit.sources[0].format == "neo"
    assert trace.samples_uv.shape == (3, 512)
    np.testing.assert_allclose(trace.samples_uv, records[:, :, 0] * (10.0 / 32767) * 1000, rtol=1e-5)
    np.testing.assert_allclose(trace.stimulus_ms, [4.0, 5.0, 6.0], atol=1e-6)
    assert str(visit.date) == "2024-03-05"


def test_blackrock_samples_are_scaled_and_cut_at_the_times_of_the_sidecar(tmp_path):
    counts = np.arange(60_000) % 3001
    path = blackrock(tmp_path / "study.ns5", counts, label="R APB")
    trace = only_trace(read(path, {"stimuli": {"times_s": {"wrist": [0.5, 1.0]}}}))
    assert (trace.sampling_rate_hz, trace.samples_uv.shape, trace.stimulation_site) == (30_000.0, (2, 3150), "wrist")
    np.testing.assert_allclose(trace.samples_uv[1], counts[29_850:33_000] * (8191 / 32764), rtol=1e-5)
    assert trace.provenance["stimulus_ms"] is Origin.SIDECAR


class FakeSource:
    """A source as neo's raw readers are: two channels, an event channel, two segments with a gap."""

    def __init__(self, filename):
        self.filename = filename
        self.raw_annotations = {"blocks": [{"segments": []}]}

    def parse_header(self):
        channel = [("name", "U64"), ("id", "U64"), ("sampling_rate", "f8"), ("units", "U64"), ("stream_id", "U64")]
        self.header = {
            "signal_streams": np.array([("signals", "0")], [("name", "U64"), ("id", "U64")]),
            "signal_channels": np.array(
                [("L ADM", "1", RATE, "mV", "0"), ("DIG-IN", "2", RATE, "", "0")], channel
            ),
            "event_channels": np.array([("Keyboard", "3", b"event")], [("name", "U64"), ("id", "U64"), ("type", "S5")]),
        }  # fmt: skip

    segment_count = staticmethod(lambda block: 2)
    signal_streams_count = staticmethod(lambda: 1)
    get_signal_size = staticmethod(lambda block, segment, stream: 10_000)
    get_signal_t_start = staticmethod(lambda block, segment, stream: 10.0 * segment)

    def get_analogsignal_chunk(self, *, block_index, seg_index, stream_index, channel_indexes):
        values = np.arange(10_000) + 10_000 * seg_index
        return (values if channel_indexes == [0] else values * 0)[:, np.newaxis]

    def rescale_signal_raw_to_float(self, raw, *, dtype, stream_index, channel_indexes):
        return raw * 0.25

    def get_event_timestamps(self, block, segment, index):
        return np.array([5000, 7000]) + 100_000 * segment, None, np.array(["w", "note"])

    def rescale_event_timestamp(self, stamps, *, dtype, event_channel_index):
        return stamps / RATE


def test_events_of_neo_are_markers_and_segments_are_stretches(tmp_path, monkeypatch):
    import neo.rawio

    monkeypatch.setattr(neo.rawio, "Spike2RawIO", FakeSource)
    path = tmp_path / "study.smr"
    path.write_bytes(b"\x09\x00(C) CED 87" + bytes(500))
    trace = only_trace(read(path, {"stimuli": {"markers": {"w": "wrist"}}}))
    assert (trace.stimulation_site, trace.stimulus.label, trace.channel) == ("wrist", "Keyboard/w", "L ADM")
    np.testing.assert_allclose(trace.samples_uv[:, 50], [5000 * 250.0, 15_000 * 250.0])
    np.testing.assert_allclose(trace.stimulus_ms, 5.0, atol=1e-6)
    whole = read(path)
    assert [trace.n_samples for trace in whole.studies[0].traces] == [10_000, 10_000]
    assert "'Keyboard/w', 'Keyboard/note'" in whole.problems[0].found


# -- acq ---------------------------------------------------------------------------------------------------------------


def test_acq_markers_of_the_real_file_cut_sweeps(recordings):
    import bioread

    path = recordings / "acq" / "r35_test.acq"
    visit = read(path, {"stimuli": {"markers": ["3-23/1"]}})
    assert visit.sources[0].format == "acq"
    assert len(visit.studies) == 2
    trace = visit.studies[0].traces[0]
    known = bioread.read_file(str(path)).channels[0]
    assert (trace.sampling_rate_hz, trace.calibration.unit) == (100.0, "mV")
    np.testing.assert_allclose(trace.samples_uv[0], known.data[672:682] * 1000, rtol=1e-6)
    assert trace.calibration.physical_min == pytest.approx(-32768 * known.raw_scale_factor + known.raw_offset)


def test_acq_segments_filters_and_units_of_the_real_file(recordings):
    visit = read(recordings / "acq" / "r42_test.acq")
    muscle = next(study for study in visit.studies if study.traces[0].channel.startswith("EMG"))
    assert [trace.n_samples for trace in muscle.traces] == [3881, 4020], "what was appended later stands apart"
    assert (muscle.traces[0].filters.low_cut_hz, muscle.traces[0].filters.high_cut_hz) == (30.0, 500.0)
    assert muscle.recording_site is None, "a band is no place"
    assert {problem.field for problem in visit.problems} == {"unit", "stimulus"}
    assert "microsiemen" in str(visit.problems[0])


def test_acq_markers_that_the_file_does_not_have_are_an_error_that_lists_those_it_has(recordings):
    with pytest.raises(ReadError, match=r"'S1' \(the sidecar\), found .*'3-23/1'"):
        read(recordings / "acq" / "r35_test.acq", {"stimuli": {"markers": ["S1"]}})


@pytest.mark.parametrize("length", [300, 3000])
def test_acq_that_ends_too_early(recordings, tmp_path, length):
    path = tmp_path / "short.acq"
    path.write_bytes((recordings / "acq" / "r42_test.acq").read_bytes()[:length])
    with pytest.raises(ReadError, match=r"short\.acq.*a file that bioread can read"):
        read(path)


# -- abf ---------------------------------------------------------------------------------------------------------------


def test_abf_of_a_current_is_refused_with_its_unit(recordings):
    with pytest.raises(ReadError, match="channel IN 0: unit: expected a unit of voltage, found 'A'") as caught:
        read(recordings / "abf" / "2018_12_09_pCLAMP11_0001.abf")
    assert len(caught.value.problems) == 1, "digital outputs are nothing to record from"


def test_abf_episodes_are_sweeps_and_the_sidecar_states_the_stimulus(tmp_path):
    from pyabf.abfWriter import writeABF1

    sweeps = np.sin(np.arange(1000) / 20) * np.array([[1.0], [2.0], [3.0]])
    path = tmp_path / "study.abf"
    writeABF1(sweeps, str(path), RATE, units="mV")
    trace = only_trace(read(path, {"stimulus_ms": 2.5}))
    assert (trace.samples_uv.shape, trace.sampling_rate_hz) == ((3, 1000), RATE)
    np.testing.assert_allclose(trace.samples_uv, sweeps * 1000, atol=0.5)
    np.testing.assert_allclose(trace.stimulus_ms, 2.5)
    visit = read(path)
    assert only_trace(visit).stimulus_ms is None
    (problem,) = visit.problems
    assert problem.found == "none in 3 of 3 sweeps"
    assert '"stimulus_ms"' in problem.hint


def test_abf_digital_output_that_the_sidecar_names_is_the_trigger(recordings, monkeypatch):
    import pyabf

    path = recordings / "abf" / "2018_12_09_pCLAMP11_0001.abf"
    original = pyabf.ABF.__init__

    def as_voltage(self, *args, **kwargs):
        original(self, *args, **kwargs)
        self.adcUnits = ["mV"]

    monkeypatch.setattr(pyabf.ABF, "__init__", as_voltage)
    trace = only_trace(read(path, {"stimuli": {"trigger_channel": "digital output 0"}}))
    source = pyabf.ABF(str(path))
    first = float(np.flatnonzero(np.diff(source.sweepD(0)) > 0)[0] + 1) / 10
    assert trace.n_sweeps == 10
    np.testing.assert_allclose(trace.stimulus_ms[0], first)
    assert str(read(path, {"stimulus_ms": 1.0}).date) == "2018-12-09"


# -- dicom -------------------------------------------------------------------------------------------------------------


def test_dicom_groups_are_sweeps_with_trigger_offset_units_and_filters(tmp_path):
    groups = [np.arange(500) * sign for sign in (1, -2)]
    path = dicom(tmp_path / "study.dcm", groups, RATE, trigger_offsets_ms=[-4.5, 2.0])
    visit = read(path)
    trace = only_trace(visit)
    np.testing.assert_allclose(trace.samples_uv, np.array(groups) * 0.5)
    np.testing.assert_allclose(trace.stimulus_ms, [4.5, -2.0])
    assert (trace.filters.low_cut_hz, trace.filters.high_cut_hz, trace.calibration.unit) == (2.0, 10_000.0, "uV")
    assert (visit.subject.id, visit.subject.sex, visit.subject.name) == ("P07", "F", None)
    assert read(path, keep_identifiers=True).subject.name == "Doe^Jane"
    assert (visit.studies[0].side.value, visit.studies[0].recording_site) == ("right", "APB")
    assert str(visit.date) == "2024-03-05"
    assert ["experimental" in problem.found for problem in visit.problems] == [True]


def test_dicom_annotations_mark_the_stimuli_of_a_continuous_waveform(tmp_path):
    path = dicom(
        tmp_path / "study.dcm", [np.arange(20_000) % 3000], RATE, trigger_offsets_ms=[None],
        annotations=[(0, "Stimulus right wrist 0.2ms x 8.2mA at 6.5cm from recording site", 5000)],
    )  # fmt: skip
    trace = only_trace(read(path))
    assert (trace.stimulation_site, trace.distance_mm, trace.samples_uv.shape) == ("wrist", 65.0, (1, 1050))
    assert trace.samples_uv[0, 50] == 2000 * 0.5
    assert trace.stimulus.intensity_ma.tolist() == [8.2]


def test_dicom_of_another_kind_is_refused(tmp_path):
    path = dicom(tmp_path / "ecg.dcm", [np.arange(100)], RATE, trigger_offsets_ms=[None],
                 sop_class="1.2.840.10008.5.1.4.1.1.9.1.1")  # fmt: skip
    with pytest.raises(ReadError, match="Electromyogram Waveform Storage"):
        read(path)


# -- all of them -------------------------------------------------------------------------------------------------------

HEADS = {
    "acq": b"\0\0" + (42).to_bytes(4, "little") + (2976).to_bytes(4, "little") + b"\4\0\0\0\1\0"
    + np.array(1.0).tobytes() + bytes(300),
    "abf": b"ABF2" + bytes(300),
    "dicom": bytes(128) + b"DICM" + b"1.2.840.10008.5.1.4.1.1.9.7.2",
    "neo": b"\x09\x00(C) CED 87" + bytes(300),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "package"), [("acq", "bioread"), ("abf", "pyabf"), ("dicom", "pydicom"), ("neo", "neo")]
)
def test_a_missing_extra_is_named_with_the_command_that_installs_it(tmp_path, monkeypatch, name, package):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda module, *rest: None if module == package else found(module))
    registry.forget()
    try:
        path = tmp_path / "recording.bin"
        path.write_bytes(HEADS[name])
        with pytest.raises(MissingDependencyError, match=rf"recording\.bin.*{package}.*pip install 'ncs\[recorders\]'"):
            ncs.read(path)
        with pytest.raises(MissingDependencyError, match=rf"needs {package}: pip install"):
            ncs.read(path, format=name)
        info = next(info for info in registry.formats() if info.name == name)
        assert not info.available
    finally:
        monkeypatch.undo()
        registry.forget()


@pytest.mark.parametrize("name", HEADS)
def test_content_that_only_begins_like_the_format_is_a_read_error(tmp_path, name):
    path = tmp_path / "recording.bin"
    path.write_bytes(HEADS[name])
    with pytest.raises(ReadError, match=r"recording\.bin"):
        ncs.read(path)


def test_adapters_import_no_library_before_they_read():
    import subprocess

    code = (
        "import sys; from ncs.io import registry; registry.formats();"
        "print([name for name in ('mne', 'neo', 'bioread', 'pyabf', 'pydicom', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_adapter_claims_noise_or_text():
    rng = np.random.default_rng(1)
    adapters = [entry.reader for entry in registry.readers() if entry.name in {"mne", "neo", "acq", "abf", "dicom"}]
    assert len(adapters) == 5
    for _ in range(200):
        head = rng.integers(0, 256, 400, np.uint8).tobytes()
        assert all(reader.sniff(head, None) == 0.0 for reader in adapters)
    assert all(reader.sniff(text, None) == 0.0 for reader in adapters for text in (b"", b"1,2\n3,4\n", bytes(500)))


def test_a_library_that_fails_at_the_samples_gives_a_read_error_too(tmp_path, monkeypatch):
    import neo.rawio

    class Failing(FakeSource):
        def get_analogsignal_chunk(self, **_):
            raise IndexError("block 7 is damaged")

    monkeypatch.setattr(neo.rawio, "Spike2RawIO", Failing)
    path = tmp_path / "study.smr"
    path.write_bytes(b"\x09\x00(C) CED 87" + bytes(500))
    with pytest.raises(ReadError, match=r"study\.smr.*that neo can read, found IndexError: block 7 is damaged"):
        read(path)


def test_what_a_library_remarks_becomes_a_problem(tmp_path, monkeypatch):
    import mne

    original = mne.io.read_raw_brainvision

    def remarking(*args, **kwargs):
        warnings.warn(
            "Limited 1 annotation(s) that were expanding outside the data range.", RuntimeWarning, stacklevel=1
        )
        return original(*args, **kwargs)

    monkeypatch.setattr(mne.io, "read_raw_brainvision", remarking)
    visit = read(brainvision(tmp_path, {"APB": ("µV", ramp())}, RATE, [("Stimulus", "S1", 5000)]))
    (problem,) = visit.problems
    assert problem.found.startswith("Limited 1 annotation(s)")
