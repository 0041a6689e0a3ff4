"""A visit as EDF files and back: every field, every sample; whatever another program made of it."""

import dataclasses
import datetime as dt
import warnings
from dataclasses import replace

import numpy as np
import pyedflib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ncs
from ncs.errors import InvalidInputError, NcsWarning
from ncs.io import merge
from ncs.io.edf_write import encode_continuous, export_visit, is_continuous, sample_bytes_of
from ncs.model import (
    Calibration,
    Direction,
    Filters,
    ReportedMeasurement,
    ReportedValue,
    Segment,
    Side,
    Stimulus,
    Study,
    Subject,
    Technique,
    Trace,
    Visit,
)
from tests.io.test_edf_write import studies as simple_studies

DAY = dt.date(2020, 2, 29)
CODES = Calibration(unit="mV", digital_min=-8985, digital_max=10265, physical_min=-25.0, physical_max=25.0)
WIDE = Calibration(
    unit="uV", digital_min=-8388608, digital_max=8388607, physical_min=-262144.0, physical_max=262143.0
)  # fmt: skip


def samples(calibration, shape, seed=0, *, share=0.9):
    """Samples that a converter of this calibration can have given."""
    low, high = calibration.digital_min, calibration.digital_max
    codes = np.random.default_rng(seed).integers(int(low * share), int(high * share), shape).astype(np.float64)
    factor = {"mV": 1000.0, "uV": 1.0}[calibration.unit]
    step = (calibration.physical_max - calibration.physical_min) * factor / (high - low)
    return ((codes - low) * step + calibration.physical_min * factor).astype(np.float32)


def full_trace(site="wrist", seed=0, **changes):
    fields = {
        "samples_uv": samples(CODES, (3, 400), seed), "sampling_rate_hz": 20_000.0, "calibration": CODES,
        "stimulus_ms": np.array([-0.065, 0.3, 2.00025]), "stimulation_site": site, "distance_mm": 80.0 + 220 * seed,
        "elapsed_s": np.array([0.1, 0.433, 0.7665]), "averaged_count": 12, "channel": "R APB",
        "stimulus": Stimulus(intensity_ma=np.array([8.2, 9.0, np.nan]), intensity_v=np.array([np.nan, 120.0, 130.0]),
                             duration_ms=0.2, label="S 1: strömung"),
        "filters": Filters(low_cut_hz=2.0, high_cut_hz=10_000.0, notch_hz=50.0, text="2 Hz to 10 kHz, notch"),
        "reported": (ReportedValue(kind="latency_ms", value=3.8, mode="onset"),
                     ReportedValue(kind="amplitude_uv", value=7200.0, mode="baseline to peak"),
                     ReportedValue(kind="velocity_m_s", value=55.25, mode="segmental")),
        "notes": ("cold hand", "a < b & c", "StimZ"),
    }  # fmt: skip
    return Trace(**{**fields, **changes})


def full_study(*traces, **changes):
    fields = {
        "nerve": "median", "side": Side.RIGHT, "technique": Technique.MOTOR, "recording_site": "extensor brevis",
        "skin_temperature_c": 32.1, "temperature_site": "left hand", "distance_sd_mm": 4.5,
        "segments": (Segment(distal_site="wrist", proximal_site="elbow", distance_mm=221.5),),
    }  # fmt: skip
    return Study(traces=traces or (full_trace(), full_trace("elbow", 1)), **{**fields, **changes})


def visit_of(*studies, **changes):
    fields = {"subject": Subject(id="P-7", sex="F"), "date": DAY, "studies": studies or (full_study(),),
              "covariates": {"vegf_pg_ml": 812.25, "score": "3 <worse>", "tiny": 1e-12}}  # fmt: skip
    return Visit(**{**fields, **changes})


def read_back(paths):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NcsWarning)  # remarks are in ``problems``
        return merge([ncs.read(path) for path in paths])


def differences(first, second, place=""):
    """Return every field in which two nouns differ, but for where values came from."""
    if dataclasses.is_dataclass(first):
        if type(first) is not type(second):
            return [f"{place}: {first!r} {second!r}"]
        names = [field.name for field in dataclasses.fields(first) if field.name not in {"provenance", "origin"}]
        return [
            line
            for name in names
            for line in differences(getattr(first, name), getattr(second, name), f"{place}.{name}")
        ]
    if isinstance(first, np.ndarray) or isinstance(second, np.ndarray):
        same = first is not None and second is not None and np.array_equal(first, second, equal_nan=True)
        return [] if same else [f"{place}: {first} {second}"]
    if isinstance(first, tuple) and isinstance(second, tuple) and len(first) == len(second):
        return [line for at, pair in enumerate(zip(first, second, strict=True))
                for line in differences(*pair, f"{place}[{at}]")]  # fmt: skip
    return [] if first == second else [f"{place}: {first!r} {second!r}"]


def test_every_field_and_every_sample_come_back(tmp_path):
    visit = visit_of()
    paths = export_visit(visit, tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["P-7_2020-02-29_right_median_motor_extensor-brevis.edf"]
    again = read_back(paths)
    assert differences(visit.studies, again.studies) == []
    assert differences(visit.subject, again.subject) == []
    assert (again.date, again.covariates) == (visit.date, visit.covariates)
    assert again.studies[0].provenance["segments"].value == "file"


@pytest.mark.parametrize("technique", list(Technique))
def test_every_technique_comes_back(tmp_path, technique):
    visit = visit_of(full_study(technique=technique, nerve=None))
    (study,) = read_back(export_visit(visit, tmp_path)).studies
    assert (study.technique, study.nerve) == (technique, None)


@pytest.mark.parametrize("direction", [None, *Direction])
def test_the_direction_of_a_sensory_study_comes_back(tmp_path, direction):
    visit = visit_of(full_study(technique=Technique.SENSORY, direction=direction))
    assert read_back(export_visit(visit, tmp_path)).studies[0].direction is direction


@pytest.mark.parametrize(
    "changes",
    [
        {"sampling_rate_hz": 10_000.0},
        {"filters": Filters(low_cut_hz=2.0, high_cut_hz=10_000.0, notch_hz=50.0, text="other words")},
        {"samples_uv": samples(CODES, (3, 300), 5)},
        {"calibration": replace(CODES, physical_min=-50.0, physical_max=50.0),
         "samples_uv": samples(replace(CODES, physical_min=-50.0, physical_max=50.0), (3, 400))},
        {"channel": "Ch 2"},
    ],
)  # fmt: skip
def test_what_does_not_fit_into_one_file_is_joined_again(tmp_path, changes):
    visit = visit_of(full_study(full_trace(), full_trace("elbow", 1, **changes)))
    paths = export_visit(visit, tmp_path)
    assert len(paths) == 2
    again = read_back(paths)
    assert differences(visit.studies, again.studies) == []
    with ncs.open_store(tmp_path / "ncs.db") as store:
        ncs.analyze_files(paths, store=store)
        assert len(store.load_results("P-7", DAY)) == 1


def test_numbers_of_24_bits_become_bdf(tmp_path):
    traces = [full_trace(site, at, calibration=WIDE, samples_uv=samples(WIDE, (3, 400), at))
              for at, site in enumerate(("wrist", "elbow"))]  # fmt: skip
    visit = visit_of(full_study(*traces))
    assert sample_bytes_of(visit.studies[0]) == 3
    (path,) = export_visit(visit, tmp_path)
    assert path.suffix == ".bdf"
    assert path.read_bytes()[192:197] == b"BDF+D"
    assert differences(visit.studies, read_back([path]).studies) == []


@pytest.mark.parametrize("calibration", [CODES, WIDE])
@pytest.mark.parametrize(
    ("n_samples", "rate"), [(50_000, 10_000.0), (997, 1000.0), (30_011, 2000.0), (12_345, 24_000.0)]
)
def test_recordings_without_stimuli_are_continuous_files_that_others_read(tmp_path, calibration, n_samples, rate):
    trace = full_trace(stimulus_ms=None, elapsed_s=None, stimulation_site=None, distance_mm=None, averaged_count=None,
                       stimulus=Stimulus(), sampling_rate_hz=rate, calibration=calibration,
                       samples_uv=samples(calibration, (1, n_samples)))  # fmt: skip
    visit = visit_of(full_study(trace, segments=()))
    assert is_continuous(visit.studies[0])
    (path,) = export_visit(visit, tmp_path)
    again = read_back([path])
    assert differences(visit.studies, again.studies) == []
    assert again.covariates == visit.covariates
    with pyedflib.EdfReader(str(path)) as reader:
        assert reader.getSampleFrequency(0) == pytest.approx(rate, rel=2e-6)
        factor = {"mV": 1000.0, "uV": 1.0}[calibration.unit]
        assert len(reader.readSignal(0)) == n_samples
        np.testing.assert_allclose(reader.readSignal(0) * factor, trace.samples_uv[0], rtol=0, atol=0.5)
        assert reader.getPatientCode() == "P-7"


def test_a_continuous_file_holds_no_stimuli():
    with pytest.raises(InvalidInputError, match="one sweep without a stimulus"):
        encode_continuous(full_study())


def test_names_stay_out_unless_asked_for(tmp_path):
    person = Subject(id="P-7", sex="M", name="Some Body", birth_date=dt.date(1951, 5, 2))
    visit = visit_of(subject=person)
    (quiet,) = export_visit(visit, tmp_path / "quiet")
    assert b"Some" not in quiet.read_bytes()
    assert b"1951" not in quiet.read_bytes()
    (asked,) = export_visit(visit, tmp_path / "asked", keep_identifiers=True)
    assert ncs.read(asked, keep_identifiers=True).subject == person


def test_a_study_without_waveforms_is_left_out_with_a_warning(tmp_path):
    results = Study(traces=(), nerve="ulnar", reported=(
        ReportedMeasurement(quantity="reported_value", value=1.0, unit="mA", source="x"),))  # fmt: skip
    with pytest.warns(NcsWarning, match="ulnar: no waveforms, not written"):
        assert len(export_visit(visit_of(full_study(), results), tmp_path)) == 1
    with pytest.warns(NcsWarning):
        assert export_visit(visit_of(results), tmp_path) == ()


def test_nothing_is_written_where_one_study_cannot_be(tmp_path):
    broken = full_study(full_trace(samples_uv=np.full((3, 400), np.nan)))
    with pytest.raises(InvalidInputError, match="finite"):
        export_visit(visit_of(full_study(), broken), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_studies_of_one_name_do_not_replace_each_other(tmp_path):
    visit = visit_of(full_study(full_trace(seed=1)), full_study(full_trace(seed=2)))
    first, second = export_visit(visit, tmp_path)
    assert second.stem == f"{first.stem}_2"
    assert len(merge([ncs.read(first), ncs.read(second)]).studies) == 2


def test_a_sweep_without_a_stimulus_time_stays_a_sweep_without_one(tmp_path):
    trace = full_trace(stimulus_ms=np.array([1.0, np.nan, 1.0]), elapsed_s=None)
    (study,) = read_back(export_visit(visit_of(full_study(trace)), tmp_path)).studies
    timed, untimed = study.traces
    assert timed.n_sweeps == 2
    assert untimed.stimulus_ms is None
    assert np.array_equal(untimed.samples_uv[0], trace.samples_uv[1])


def test_an_empty_stimulus_name_becomes_the_one_edf_needs(tmp_path):
    trace = full_trace(stimulus=Stimulus(), channel="", filters=Filters(low_cut_hz=10.0))
    (study,) = read_back(export_visit(visit_of(full_study(trace)), tmp_path)).studies
    again = study.traces[0]
    assert (again.stimulus.label, again.channel) == ("Stimulus_wrist", "R extensor brevi")
    assert again.filters == Filters(low_cut_hz=10.0, text="HP:10Hz")


@settings(max_examples=60, deadline=None)
@given(study=simple_studies(), data=st.data())
def test_any_study_comes_back(tmp_path_factory, study, data):
    texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=30)
    single = texts.map(lambda text: " ".join(text.split()))
    cut_hz = st.floats(0.01, 100).map(lambda value: round(value, 4))
    traces = tuple(
        replace(
            trace,
            stimulus=replace(trace.stimulus, label=data.draw(single)), channel=data.draw(single),
            filters=Filters(low_cut_hz=data.draw(st.none() | cut_hz), text=data.draw(single)),
            elapsed_s=None if data.draw(st.booleans()) else np.arange(trace.n_sweeps) * 0.333,
        )
        for trace in study.traces
    )  # fmt: skip
    study = replace(
        study, traces=traces, distance_sd_mm=data.draw(st.none() | st.floats(0.01, 30)),
        temperature_site=data.draw(st.sampled_from([None, "hand", "left forearm"])),
    )  # fmt: skip
    covariates = data.draw(
        st.dictionaries(st.sampled_from(["a", "b"]), st.floats(allow_nan=False) | single.filter(bool))
    )
    visit = visit_of(study, covariates=covariates)
    paths = export_visit(visit, tmp_path_factory.mktemp("any"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NcsWarning)
        visits = [ncs.read(path) for path in paths]
    traces = [trace for one in visits for part in one.studies for trace in part.traces]
    assert all(one.covariates == covariates for one in visits)
    assert len(traces) == len(study.traces)
    by_site = {trace.stimulation_site: trace for trace in traces}
    largest = max(float(np.abs(trace.samples_uv).max()) for trace in study.traces)
    for trace in study.traces:
        again = by_site[trace.stimulation_site]
        np.testing.assert_allclose(again.samples_uv, trace.samples_uv, rtol=0, atol=largest / 32_000 * 1.02 + 1.6e-5)
        expected = replace(
            trace, samples_uv=again.samples_uv, calibration=again.calibration,
            channel=trace.channel or again.channel, filters=replace(trace.filters, text=trace.filters.text or
                                                                    again.filters.text),
            stimulus=replace(trace.stimulus, label=trace.stimulus.label or again.stimulus.label),
        )  # fmt: skip
        assert differences(expected, again) == []
    for one in visits:
        (part,) = one.studies
        assert differences(replace(study, traces=()), replace(part, traces=())) == []
