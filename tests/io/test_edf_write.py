"""What is written is read back: samples to one step of the digital range, and every field."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncs.errors import InvalidInputError
from ncs.io.edf_write import encode_edf, write_edf
from ncs.model import (
    Calibration,
    Filters,
    ReportedValue,
    Side,
    Stimulus,
    Study,
    Subject,
    Technique,
    Trace,
    Visit,
)
from tests.io.edf_examples import mncv, read, sncv, spec_37

STUDY_FIELDS = ("nerve", "side", "technique", "recording_site", "skin_temperature_c", "temperature_site")
TRACE_FIELDS = ("stimulation_site", "distance_mm", "averaged_count", "reported", "notes", "sampling_rate_hz")


def waves(n_sweeps=1, n_samples=400, seed=1):
    rng = np.random.default_rng(seed)
    t = np.arange(n_samples) / 20
    return (-8000 * np.exp(-(((t - 6) / 1.5) ** 2)) + rng.normal(0, 10, (n_sweeps, n_samples))).astype(np.float32)


def a_trace(site="wrist", distance_mm=65.0, n_sweeps=1, seed=1, **more):
    fields = {
        "samples_uv": waves(n_sweeps, seed=seed), "sampling_rate_hz": 20_000.0, "stimulus_ms": np.full(n_sweeps, 2.0),
        "stimulation_site": site, "distance_mm": distance_mm,
        "stimulus": Stimulus(intensity_ma=np.full(n_sweeps, 8.2), duration_ms=0.2),
        "filters": Filters(low_cut_hz=3.0, high_cut_hz=10_000.0, notch_hz=50.0),
    }  # fmt: skip
    return Trace(**(fields | more))


def a_study(*traces, **more):
    fields = {"nerve": "median", "side": Side.RIGHT, "technique": Technique.MOTOR, "recording_site": "APB",
              "skin_temperature_c": 32.4, "temperature_site": "right hand"}  # fmt: skip
    return Study(traces=traces or (a_trace(), a_trace("elbow", 285.0, seed=2)), **(fields | more))


def assert_same(study, again, *, lsb_uv=None):
    for name in STUDY_FIELDS:
        assert getattr(again, name) == getattr(study, name), name
    assert len(again.traces) == len(study.traces)
    for before, after in zip(study.traces, again.traces, strict=True):
        for name in TRACE_FIELDS:
            assert getattr(after, name) == getattr(before, name), name
        assert after.filters.low_cut_hz == before.filters.low_cut_hz
        assert after.filters.high_cut_hz == before.filters.high_cut_hz
        assert after.filters.notch_hz == before.filters.notch_hz
        assert after.stimulus.duration_ms == before.stimulus.duration_ms
        for left, right in ((after.stimulus_ms, before.stimulus_ms),
                            (after.stimulus.intensity_ma, before.stimulus.intensity_ma),
                            (after.stimulus.intensity_v, before.stimulus.intensity_v)):  # fmt: skip
            assert (left is None) == (right is None)
            if left is not None:
                np.testing.assert_array_equal(left, right)
        step = lsb_uv if lsb_uv is not None else np.abs(before.samples_uv).max() / 32_000 + 1e-5
        assert np.abs(after.samples_uv - before.samples_uv).max() <= step


def test_every_field_is_read_back():
    study = a_study(
        a_trace(n_sweeps=3, averaged_count=10, notes=("cold hand", "<electrode>ring</electrode>"),
                reported=(ReportedValue(kind="latency_ms", value=3.8),
                          ReportedValue(kind="amplitude_uv", value=7200.0, mode="baseline to peak"),
                          ReportedValue(kind="velocity_m_s", value=55.0, mode="segmental"))),
        a_trace("elbow", 285.0, seed=3, stimulus=Stimulus(intensity_v=np.array([40.1]), duration_ms=0.1)),
    )  # fmt: skip
    visit = read(encode_edf(study, subject=Subject(id="P-7", sex="F"), date=dt.date(2024, 5, 3)))
    assert visit.problems == ()
    assert (visit.subject, visit.date) == (Subject(id="P-7", sex="F"), dt.date(2024, 5, 3))
    (again,) = visit.studies
    assert_same(study, again)


@pytest.mark.parametrize("variant", ["plain", "xml"])
def test_a_recording_with_a_digital_range_is_written_to_the_last_bit(variant):
    rng = np.random.default_rng(5)
    visit = read(spec_37(rng.normal(0, 9000, (2, 1000)), variant))
    again = read(encode_edf(visit.studies[0], subject=visit.subject, date=visit.date))
    assert_same(visit.studies[0], again.studies[0], lsb_uv=0)
    assert [trace.stimulus.label for trace in again.studies[0].traces] == [
        trace.stimulus.label for trace in visit.studies[0].traces
    ]
    assert again.studies[0].traces[0].calibration == visit.studies[0].traces[0].calibration
    assert again.studies[0].traces[0].channel == "R APB"


@pytest.mark.parametrize("example", [mncv, sncv])
def test_examples_survive_writing(example):
    rng = np.random.default_rng(5)
    visit = read(example(rng.normal(0, 40, (2, 500))))
    again = read(encode_edf(visit.studies[0], subject=visit.subject, date=visit.date))
    assert_same(visit.studies[0], again.studies[0], lsb_uv=0)
    assert (again.date, again.subject) == (visit.date, visit.subject)


def test_range_that_would_clip_is_not_kept():
    narrow = Calibration(unit="mV", digital_min=-100, digital_max=100, physical_min=-0.001, physical_max=0.001)
    study = a_study(a_trace(calibration=narrow))
    (again,) = read(encode_edf(study)).studies
    assert_same(study, again)


def test_bare_study_gains_nothing():
    bare = Study(traces=(Trace(samples_uv=waves(), sampling_rate_hz=20_000.0),))
    visit = read(encode_edf(bare))
    assert (visit.subject, visit.date) == (Subject(), None)
    (again,) = visit.studies
    assert_same(bare, again)
    assert again.traces[0].stimulus_ms is None
    assert again.traces[0].stimulus.label == ""


def test_names_are_written_only_on_request():
    subject = Subject(id="P-7", sex="M", name="Some Body", birth_date=dt.date(1951, 5, 2))
    quiet = encode_edf(a_study(), subject=subject)
    assert b"Some" not in quiet
    assert b"1951" not in quiet
    asked = read(encode_edf(a_study(), subject=subject, keep_identifiers=True), keep_identifiers=True)
    assert asked.subject == subject


def test_label_that_contradicts_the_trace_is_replaced():
    old = "Stimulus right wrist 0.2ms x 8.2mA at 6.5cm from recording site"
    kept = a_study(a_trace(stimulus=Stimulus(intensity_ma=np.array([8.2]), duration_ms=0.2, label=old)))
    assert read(encode_edf(kept)).studies[0].traces[0].stimulus.label == old
    changed = a_study(
        a_trace(distance_mm=70.0, stimulus=Stimulus(intensity_ma=np.array([8.2]), duration_ms=0.2, label=old))
    )
    content = encode_edf(changed)
    assert b"\x14Stimulus_wrist\x14" in content
    (again,) = read(content).studies
    assert again.traces[0].stimulus.label == old
    assert again.traces[0].distance_mm == 70.0


def test_traces_of_one_site_stay_apart():
    study = a_study(a_trace(seed=1), a_trace(seed=2))
    (again,) = read(encode_edf(study)).studies
    assert [trace.stimulus.label for trace in again.traces] == ["Stimulus_wrist", "Stimulus_wrist_2"]
    assert_same(study, again)


@pytest.mark.parametrize("note", ["StimA", "Response 7mV at 3ms", "<b>bold", "a & b < c", "average of 7", "two\nlines"])
def test_notes_are_read_back_as_notes(note):
    (again,) = read(encode_edf(a_study(a_trace(notes=(note,))))).studies
    assert again.traces[0].notes == (note,)
    assert again.traces[0].reported == ()


@pytest.mark.parametrize(
    ("n_samples", "rate_hz"), [(400, 20_000.0), (193, 3200.0), (960, 48_000.0), (1024, 25_600.0), (5, 0.5)]
)
def test_sampling_rates_are_exact(n_samples, rate_hz):
    trace = a_trace(samples_uv=waves(1, n_samples), sampling_rate_hz=rate_hz)
    assert read(encode_edf(a_study(trace))).studies[0].traces[0].sampling_rate_hz == rate_hz


def test_sampling_rate_without_an_exact_duration_is_close():
    trace = a_trace(samples_uv=waves(1, 1000), sampling_rate_hz=30_000.0)
    assert read(encode_edf(a_study(trace))).studies[0].traces[0].sampling_rate_hz == pytest.approx(30_000, rel=2e-6)


@pytest.mark.parametrize(
    ("study", "words"),
    [
        (a_study(a_trace(), a_trace("elbow", sampling_rate_hz=10_000.0)), "sampling_rate_hz"),
        (a_study(a_trace(), a_trace("elbow", samples_uv=waves(1, 300))), "sweeps of one length"),
        (a_study(a_trace(samples_uv=np.array([[0.0, np.nan]]))), "finite"),
        (Study(traces=()), "at least one sweep"),
    ],
)
def test_what_one_file_cannot_hold_is_refused(study, words):
    with pytest.raises(InvalidInputError, match=words):
        encode_edf(study)


def test_everything_that_is_wrong_is_named_at_once():
    study = a_study(a_trace(samples_uv=np.array([[np.inf]])), a_trace("elbow", sampling_rate_hz=1.0))
    with pytest.raises(InvalidInputError, match=r"(?s)sampling_rate_hz.*samples_uv.*subject.id"):
        encode_edf(study, subject=Subject(id="Ä"))


def test_file_is_replaced_in_one_step(tmp_path):
    path = tmp_path / "one.edf"
    path.write_bytes(b"old")
    visit = Visit(subject=Subject(id="P"), date=None, studies=(a_study(),))
    write_edf(visit, path)
    assert_same(a_study(), read(path.read_bytes()).studies[0])
    assert [entry.name for entry in tmp_path.iterdir()] == ["one.edf"]


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "one.edf"
    path.write_bytes(b"old")

    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_edf(Visit(subject=Subject(), date=None, studies=(a_study(),)), path)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["one.edf"]


def test_visit_with_several_studies_needs_an_index(tmp_path):
    visit = Visit(subject=Subject(), date=None, studies=(a_study(), a_study(nerve="ulnar")))
    with pytest.raises(InvalidInputError, match="say which"):
        write_edf(visit, tmp_path / "x.edf")
    with pytest.raises(InvalidInputError, match="0 to 1"):
        write_edf(visit, tmp_path / "x.edf", study=2)
    write_edf(visit, tmp_path / "x.edf", study=1)
    assert read((tmp_path / "x.edf").read_bytes()).studies[0].nerve == "ulnar"


moments = st.floats(-50, 50).map(lambda value: round(value, 12))
positive = st.floats(0.001, 5000, allow_nan=False)
words = st.sampled_from(["wrist", "elbow", "below elbow", "axilla", "erb's point", "digit 2", "fibular head", None])


@st.composite
def studies(draw):
    n_samples = draw(st.integers(1, 50))
    rate = draw(st.sampled_from([1000.0, 5000.0, 10_000.0, 25_000.0]))
    sites = draw(st.lists(words, min_size=1, max_size=4, unique=True))
    traces = []
    for site in sites:
        n_sweeps = draw(st.integers(1, 3))
        largest = draw(st.sampled_from([0.0, 1e-3, 1.0, 250.0, 31_234.5, 2e6]))
        shape = (n_sweeps, n_samples)
        samples = draw(st.integers(0, 99).map(lambda seed, s=shape: np.random.default_rng(seed).uniform(-1, 1, s)))
        intensities = draw(st.none() | st.lists(positive, min_size=n_sweeps, max_size=n_sweeps).map(np.array))
        traces.append(
            Trace(
                samples_uv=(samples * largest).astype(np.float32), sampling_rate_hz=rate, stimulation_site=site,
                stimulus_ms=draw(st.lists(moments, min_size=n_sweeps, max_size=n_sweeps).map(np.array)),
                distance_mm=draw(st.none() | positive), averaged_count=draw(st.none() | st.integers(1, 999)),
                stimulus=Stimulus(intensity_ma=intensities, duration_ms=draw(st.none() | positive)),
                notes=tuple(draw(st.lists(st.sampled_from(["cold", "a < b", "StimZ"]), unique=True, max_size=2))),
            )
        )  # fmt: skip
    return Study(
        traces=tuple(traces), nerve=draw(st.sampled_from(["median", "deep fibular", "dorsal scapular", None])),
        side=draw(st.sampled_from([*Side, None])), technique=draw(st.sampled_from([*Technique, None])),
        recording_site=draw(st.sampled_from(["APB", "Second finger", "extensor digitorum brevis", None])),
        skin_temperature_c=draw(st.none() | st.floats(20, 40)),
    )  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(study=studies())
def test_writing_then_reading_is_identity(study):
    visit = read(encode_edf(study, subject=Subject(id="P"), date=dt.date(2020, 2, 29)))
    assert {problem.field for problem in visit.problems} <= {"stimulus"}, "a stimulus may lie outside its record"
    (again,) = visit.studies
    assert len(again.traces) == len(study.traces)
    largest = max(float(np.abs(trace.samples_uv).max()) for trace in study.traces)
    assert_same(study, again, lsb_uv=largest / 32_000 * 1.02 + 1.6e-5)
