"""Continuous recordings: windows around stimuli, and real files compared with pyEDFlib."""

import numpy as np
import pyedflib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs.io._edf_annotations import read_annotations
from ncs.io._edf_header import decode_header
from ncs.io._faults import Faults
from ncs.model import Origin
from tests.io.edf_examples import Channel, annotation_bytes, annotation_channel, build, read, tal

RATE = 10_000


def continuous(stimuli, *, records=2, rate=RATE, reserved="EDF+C", onsets=None, extra=()):
    """One-second records of a ramp (sample k holds k); ``stimuli`` are (onset text, label)."""
    channel = Channel(label="APB", unit="uV", samples=rate, physical=("-32768", "32767"))
    notes = [tal(onset, text) for onset, text in [*stimuli, *extra]]
    body = []
    for record in range(records):
        tals = [tal(f"+{record}" if onsets is None else onsets[record], ""), *(notes if record == 0 else ())]
        ramp = np.arange(record * rate, (record + 1) * rate) % 30_000
        body.append((ramp, annotation_bytes(tals, 2000)))
    return build([channel, annotation_channel(2000)], body, duration="1", reserved=reserved)


def the_trace(content):
    visit = read(content)
    (study,) = visit.studies
    (trace,) = study.traces
    return trace, visit


def test_window_is_5_ms_before_to_100_ms_after_the_stimulus():
    trace, visit = the_trace(continuous([("+0.5", "StimA")]))
    assert trace.samples_uv.shape == (1, 1050)
    np.testing.assert_allclose(trace.stimulus_ms, [5.0], atol=1e-9)
    assert trace.samples_uv[0, 0] == 4950
    assert trace.samples_uv[0, -1] == 5999
    assert trace.provenance["stimulus_ms"] == Origin.FILE
    assert visit.problems == ()


def test_stimulus_between_two_samples_keeps_its_place():
    trace, _ = the_trace(continuous([("+0.50003", "StimA")]))
    first = float(trace.samples_uv[0, 0]) / RATE
    assert first * 1000 + trace.stimulus_ms[0] == pytest.approx(500.03, abs=1e-9)


def test_window_ends_before_the_next_stimulus():
    trace, _ = the_trace(continuous([("+0.5", "StimA"), ("+0.55", "StimA"), ("+0.6", "StimA")]))
    assert trace.n_sweeps == 3
    assert trace.n_samples == 500
    np.testing.assert_allclose(trace.stimulus_ms, 5.0, atol=1e-9)
    assert trace.samples_uv[:, 0].tolist() == [4950.0, 5450.0, 5950.0]


def test_window_is_shortened_at_both_ends_of_the_recording():
    early, _ = the_trace(continuous([("+0.002", "StimA")]))
    np.testing.assert_allclose(early.stimulus_ms, [2.0])
    assert early.n_samples == 1020
    late, _ = the_trace(continuous([("+1.99", "StimA")]))
    assert late.n_samples == 150


def test_stimulus_before_the_first_sample():
    trace, _ = the_trace(continuous([("-0.02", "StimA")]))
    np.testing.assert_allclose(trace.stimulus_ms, [-20.0])
    assert (trace.samples_uv[0, 0], trace.n_samples) == (0.0, 800)


def test_sweep_much_shorter_than_its_fellows_is_left_out_and_named():
    trace, visit = the_trace(continuous([("+0.5", "StimA"), ("+1", "StimA"), ("+1.99", "StimA")]))
    assert trace.samples_uv.shape == (2, 1050)
    (problem,) = visit.problems
    assert problem.hint == "The sweep was left out."
    assert "10 ms after" in problem.found


def test_stimulus_outside_the_recording_is_noted():
    trace, visit = the_trace(continuous([("+0.5", "StimA"), ("+7", "StimA")]))
    assert trace.n_sweeps == 1
    assert "'StimA' at +7 s" in visit.problems[0].found


def test_window_reaches_across_the_border_of_two_records():
    trace, _ = the_trace(continuous([("+0.99", "StimA")]))
    assert np.all(np.diff(trace.samples_uv[0]) == 1)
    assert trace.n_samples == 1050


def test_gap_in_a_file_that_denies_it_is_noted_and_never_crossed():
    trace, visit = the_trace(continuous([("+0.99", "StimA"), ("+5.5", "StimA")], onsets=["+0", "+5"]))
    assert trace.n_sweeps == 1, "the sweep that ends at the gap is too short to stand beside the other"
    assert {problem.field for problem in visit.problems} == {"time-keeping annotation", "sweep of APB"}


def test_notes_belong_to_the_stimulus_before_them():
    note = "<EDF_XMLnote><distance unit='mm'>{}</distance></EDF_XMLnote>"
    content = continuous(
        [("+0.5", "Stimulus_wrist"), ("+1.2", "Stimulus_elbow")],
        extra=[("+0.5", note.format(60)), ("+1.3", note.format(280)), ("+0.55", "cold"), ("+0.9", "later")],
    )
    (study,) = read(content).studies
    wrist, elbow = study.traces
    assert (wrist.distance_mm, elbow.distance_mm) == (60.0, 280.0)
    assert wrist.notes == ("later", "cold")


def test_without_stimuli_a_channel_is_one_sweep_and_nothing_is_guessed():
    trace, visit = the_trace(continuous([], extra=[("+0.3", "Eyes closed")]))
    assert trace.samples_uv.shape == (1, 2 * RATE)
    assert trace.stimulus_ms is None
    assert trace.provenance["stimulus_ms"] == Origin.UNSET
    assert trace.notes == ("Eyes closed",)
    (problem,) = visit.problems
    assert problem.field == "stimulus"
    assert "'Eyes closed'" in problem.found
    assert "times_s" in problem.hint
    assert "--find-stimulus" in problem.hint


def test_plain_edf_and_bdf_are_continuous():
    samples = np.arange(200).reshape(2, 100)
    for version, reserved in ((b"0       ", ""), (b"\xffBIOSEMI", "24BIT")):
        channel = Channel(label="R APB", unit="uV", samples=100, physical=("-32768", "32767"))
        content = build([channel], [(row,) for row in samples], duration="1", reserved=reserved, version=version)
        trace, _ = the_trace(content)
        np.testing.assert_array_equal(trace.samples_uv, np.arange(200)[np.newaxis])


def test_two_stimuli_at_one_time_are_refused():
    from ncs.errors import ReadError

    with pytest.raises(ReadError, match="one stimulus at a time"):
        read(continuous([("+0.5", "StimA"), ("+0.5", "StimB")]))


@given(
    st.lists(st.integers(0, 19_999), min_size=1, max_size=12, unique=True), st.lists(st.sampled_from("AB"), min_size=12)
)
def test_windows_never_share_a_sample_and_keep_the_stimulus_time(ticks, labels):
    """Every window lies in the recording, apart from the others, and says where its stimulus was."""
    stimuli = [(f"+{tick / RATE:.4f}", f"Stim{label}") for tick, label in zip(sorted(ticks), labels, strict=False)]
    visit = read(continuous(stimuli))
    seen = np.zeros(2 * RATE, int)
    for study in visit.studies:
        for trace in study.traces:
            for sweep, stimulus in zip(trace.samples_uv, trace.stimulus_ms, strict=True):
                first = int(sweep[0])
                seen[first : first + len(sweep)] += 1
                np.testing.assert_array_equal(sweep, np.arange(first, first + len(sweep)))
                assert round(first + stimulus * RATE / 1000) in ticks
    assert seen.max(initial=0) <= 1


# -- real recordings ---------------------------------------------------------------------------------------------------


def test_real_edf_plus_c_agrees_with_pyedflib(recordings):
    path = recordings / "edf_continuous" / "test_subsecond.edf"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    content = path.read_bytes()
    trace, visit = the_trace(content)
    header = decode_header(content, Faults(file=path.name))
    timeline = read_annotations(content, header, header.records, Faults(file=path.name))
    with pyedflib.EdfReader(str(path)) as other:
        np.testing.assert_array_equal(trace.samples_uv[0], other.readSignal(0).astype(np.float32))
        assert trace.sampling_rate_hz == other.getSampleFrequency(0)
        onsets, _, texts = other.readAnnotations()
        start = other.getStartdatetime()
    assert visit.date == start.date()
    first = float(timeline.record_onsets[0])
    assert first * 1e6 % 1e6 == pytest.approx(394531, abs=1)
    ours = [(float(one.onset) - first, one.text) for one in timeline.annotations]
    assert [text for _, text in ours] == list(texts)
    np.testing.assert_allclose([onset for onset, _ in ours], onsets, atol=1e-6)
    assert (trace.calibration.physical_min, trace.calibration.physical_max) == (8711.0, -8711.0)


def test_real_bids_emg_recording_agrees_with_pyedflib(recordings):
    paths = sorted((recordings / "bids_emg").rglob("*_emg.edf"))
    if not paths:
        pytest.skip(f"no *_emg.edf below {recordings / 'bids_emg'}")
    for path in paths:
        trace, visit = the_trace(path.read_bytes())
        with pyedflib.EdfReader(str(path)) as other:
            np.testing.assert_array_equal(trace.samples_uv[0], other.readSignal(0).astype(np.float32))
            assert trace.sampling_rate_hz == other.getSampleFrequency(0)
            assert visit.date == other.getStartdatetime().date()
        assert trace.filters.text == "LP:   NaN Hz; HP:   NaN Hz; Notch: NaN"
        assert trace.stimulus_ms is None


@pytest.mark.parametrize("kind", [pyedflib.FILETYPE_EDFPLUS, pyedflib.FILETYPE_BDFPLUS])
def test_files_that_pyedflib_wrote(tmp_path, kind):
    path = tmp_path / "other.edf"
    rng = np.random.default_rng(7)
    signals = rng.normal(0, 300, (2, 20_000))
    limit = 8_388_607 if kind == pyedflib.FILETYPE_BDFPLUS else 32_767
    headers = [
        {"label": label, "dimension": unit, "sample_frequency": 10_000, "physical_max": 2000, "physical_min": -2000,
         "digital_max": limit, "digital_min": -limit - 1, "prefilter": "HP:10Hz LP:3kHz", "transducer": ""}
        for label, unit in (("R APB", "uV"), ("R ADM", "mV"))
    ]  # fmt: skip
    with pyedflib.EdfWriter(str(path), 2, kind) as writer:
        writer.setSignalHeaders(headers)
        writer.setPatientCode("P1")
        writer.writeSamples(list(signals))
        writer.writeAnnotation(0.5, -1, "Stimulus wrist")
        writer.writeAnnotation(1.5, -1, "Stimulus wrist")
    with pyedflib.EdfReader(str(path)) as other:
        expected = [other.readSignal(0), other.readSignal(1)]
    visit = read(path.read_bytes())
    assert visit.subject.id == "P1"
    assert [study.recording_site for study in visit.studies] == ["APB", "ADM"]
    for study, signal, factor in zip(visit.studies, expected, (1, 1000), strict=True):
        (trace,) = study.traces
        assert trace.samples_uv.shape == (2, 1050)
        for sweep, start in zip(trace.samples_uv, (4950, 14_950), strict=True):
            np.testing.assert_allclose(sweep, signal[start : start + 1050] * factor, rtol=1e-6, atol=1e-4 * factor)
