"""From a visit to its result: which sweeps count, what is missing and why, the long table, and the fingerprint."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from ncs import detect, simulate
from ncs.analysis import analysis_fingerprint, analyze
from ncs.errors import InvalidInputError
from ncs.model import SourceFile, Stimulus, Study, Subject, Technique, Trace, Visit
from ncs.quantities import QUANTITIES
from ncs.results import COLUMNS, Measurement, Reason

RATE_HZ = 20_000.0
NOISE = simulate.Contamination(noise_uv=5.0)
BIG = simulate.cmap(
    1, seed=4, stimulus_ms=3.0, response=simulate.Cmap(amplitude_uv=6000.0, onset_ms=4.0), contamination=NOISE
)
NOTHING = simulate.nothing(1, seed=5, contamination=NOISE).samples_uv[0]
SUBJECT = Subject(id="P01")


def trace(*sweeps, stimulus_ms=3.0, **more) -> Trace:
    return Trace(
        samples_uv=np.array(sweeps, np.float32), sampling_rate_hz=RATE_HZ, stimulation_site="wrist", distance_mm=70.0,
        stimulus_ms=None if stimulus_ms is None else np.asarray(stimulus_ms, float), **more,
    )  # fmt: skip


def study(*traces, technique=Technique.MOTOR, **more) -> Study:
    return Study(traces=traces, technique=technique, nerve="median", **more)


def visit(*studies, **more) -> Visit:
    return Visit(subject=SUBJECT, date=dt.date(2020, 5, 4), studies=studies, **more)


def result_of(*traces, **more):
    return analyze(visit(study(*traces, **more)))


def the(result, quantity) -> Measurement:
    return next(row for row in result.measurements if row.quantity == quantity)


@pytest.fixture(scope="module")
def whole():
    examined, truth = simulate.visit("P07", dt.date(2021, 3, 1), seed=11)
    return examined, truth, analyze(examined)


def test_a_visit_with_a_motor_and_a_sensory_study(whole):
    examined, truth, result = whole
    assert result.subject == examined.subject
    assert result.date == dt.date(2021, 3, 1)
    for index, (quantity, tolerance) in enumerate(
        (("motor_conduction_velocity", 0.5), ("sensory_conduction_velocity", 1.0))
    ):
        row = the(result, quantity)
        assert row.study_index == index
        assert row.value == pytest.approx(truth.studies[index].true_velocity_m_s, abs=tolerance)
    assert [(m.study_index, m.trace_index) for m in result.marks] == [(0, 0), (0, 1), (1, 0)]
    assert {row.quantity for row in result.measurements} <= set(QUANTITIES)


def test_analysing_twice_gives_the_same(whole):
    examined, _, result = whole
    assert analyze(examined).measurements == result.measurements


def test_another_onset_method_is_named_in_every_value(whole):
    examined, _, result = whole
    other = analyze(examined, onset_method="percent_of_peak")
    assert all("percent_of_peak" in row.method for row in other.measurements)
    assert all("changepoint" in row.method for row in result.measurements)
    assert the(other, "distal_motor_latency").value > the(result, "distal_motor_latency").value
    assert the(other, "cmap_amplitude").value == the(result, "cmap_amplitude").value


def test_an_unknown_onset_method_is_refused_even_without_studies():
    with pytest.raises(InvalidInputError, match="onset_method"):
        analyze(visit(), onset_method="by eye")


def test_a_visit_without_studies_has_an_empty_table_with_all_columns():
    frame = analyze(visit()).to_dataframe()
    assert list(frame.columns) == list(COLUMNS)
    assert len(frame) == 0


# Which sweeps count


def test_equal_sweeps_are_averaged_and_the_average_is_measured():
    clean = BIG.clean_uv[0]
    noise = np.random.default_rng(1).normal(0.0, 40.0, (25, clean.size))
    result = result_of(trace(*(clean + noise)))
    found = result.marks[0]
    assert found.measured_sweeps == tuple(range(25))
    assert len(found.sweeps) == 25
    assert found.measured.noise_uv[0] == pytest.approx(8.0, rel=0.25)
    assert the(result, "motor_latency").value == pytest.approx(4.0, abs=0.05)
    assert "mean of 25 of 25 sweeps" in the(result, "cmap_amplitude").method


def test_sweeps_are_aligned_at_their_stimuli_before_they_are_averaged():
    late = np.roll(BIG.samples_uv[0], 37)
    result = result_of(trace(BIG.samples_uv[0], late, stimulus_ms=[3.0, 3.0 + 37 / 20]))
    alone = result_of(trace(BIG.samples_uv[0]))
    assert the(result, "motor_latency").value == pytest.approx(the(alone, "motor_latency").value, abs=0.01)
    assert the(result, "cmap_amplitude").value == pytest.approx(the(alone, "cmap_amplitude").value, rel=1e-3)


def test_a_part_of_a_sample_between_stimuli_goes_into_the_time_of_the_mean():
    sweep = BIG.samples_uv[0]
    result = result_of(trace(sweep, sweep, stimulus_ms=[3.0, 3.02]))
    assert the(result, "motor_latency").value == pytest.approx(
        the(result_of(trace(sweep)), "motor_latency").value - 0.01, abs=1e-3
    )


@pytest.mark.parametrize("unit", ["intensity_ma", "intensity_v"])
def test_of_rising_intensities_the_highest_counts(unit):
    stimulus = Stimulus(**{unit: np.array([5.0, 30.0, 10.0, 30.0])})
    small = 0.1 * BIG.samples_uv[0]
    result = result_of(trace(small, BIG.samples_uv[0], small, BIG.samples_uv[0], stimulus=stimulus))
    assert result.marks[0].measured_sweeps == (1, 3)
    assert the(result, "cmap_amplitude").value == pytest.approx(6000.0, rel=0.01)
    assert "mean of 2 of 4 sweeps" in the(result, "cmap_amplitude").method


def test_one_sweep_of_several_is_named_in_the_method():
    stimulus = Stimulus(intensity_ma=np.array([np.nan, 5.0, 30.0]))
    result = result_of(trace(NOTHING, NOTHING, BIG.samples_uv[0], stimulus=stimulus))
    assert result.marks[0].measured_sweeps == (2,)
    assert "sweep 3 of 3" in the(result, "cmap_amplitude").method


def test_intensities_that_are_not_stated_do_not_choose():
    stimulus = Stimulus(intensity_ma=np.array([np.nan, np.nan]))
    assert result_of(trace(NOTHING, NOTHING, stimulus=stimulus)).marks[0].measured_sweeps == (0, 1)


def test_a_sweep_without_a_stimulus_time_is_left_out_of_the_mean():
    result = result_of(trace(BIG.samples_uv[0], NOTHING, BIG.samples_uv[0], stimulus_ms=[3.0, np.nan, 3.0]))
    assert result.marks[0].measured_sweeps == (0, 2)
    assert result.marks[0].sweeps.outcome.tolist() == [0, int(detect.Outcome.INVALID_INPUT), 0]
    assert the(result, "cmap_amplitude").value == pytest.approx(6000.0, rel=0.01)


def test_stimuli_further_apart_than_the_sweeps_are_long_leave_nothing_to_measure():
    result = result_of(trace(BIG.samples_uv[0], NOTHING, stimulus_ms=[3.0, 300.0]))
    assert the(result, "motor_latency").reason is Reason.INVALID_SAMPLES


def test_a_trace_without_sweeps():
    result = result_of(replace(trace(NOTHING), samples_uv=np.empty((0, 100), np.float32), stimulus_ms=np.empty(0)))
    assert {row.reason for row in result.measurements} == {Reason.INVALID_SAMPLES, Reason.ONE_SITE}


# What is missing and why


@pytest.mark.parametrize("stimulus_ms", [None, [np.nan, np.nan]])
def test_without_a_stimulus_time_nothing_is_marked(stimulus_ms):
    result = result_of(trace(BIG.samples_uv[0], BIG.samples_uv[0], stimulus_ms=stimulus_ms))
    assert result.marks == ()
    assert {row.reason for row in result.measurements} == {Reason.NO_STIMULUS_TIME, Reason.ONE_SITE}


def test_without_a_technique_every_trace_says_so():
    result = result_of(trace(BIG.samples_uv[0]), trace(NOTHING), technique=None)
    assert [(row.quantity, row.reason) for row in result.measurements] == [("onset_latency", Reason.NO_TECHNIQUE)] * 2
    assert result.marks == ()


def test_one_study_without_technique_does_not_stop_the_next():
    both = visit(study(trace(NOTHING), technique=None), study(trace(BIG.samples_uv[0])))
    result = analyze(both)
    assert the(result, "distal_motor_latency").study_index == 1


@pytest.mark.parametrize(
    ("sweep", "reason"),
    [
        (NOTHING, Reason.NO_RESPONSE),
        (np.zeros(1000), Reason.INVALID_SAMPLES),
        (np.full(1000, np.nan), Reason.INVALID_SAMPLES),
        (np.zeros(1), Reason.INVALID_SAMPLES),
        (BIG.samples_uv[0].clip(-2000.0, 2000.0), Reason.CLIPPED),
        (BIG.samples_uv[0][:150], Reason.AT_WINDOW_EDGE),
    ],
    ids=["noise", "flat", "not a number", "one sample", "saturated", "cut on the rise"],
)
def test_what_cannot_be_measured_has_its_reason(sweep, reason):
    row = the(result_of(trace(sweep)), "cmap_amplitude")
    assert (row.value, row.sd, row.reason) == (None, None, reason)


def test_the_reasons_that_analysis_can_give_all_have_a_sentence():
    assert all(reason.sentence for reason in Reason)


def test_a_measurement_has_a_value_or_a_reason():
    with pytest.raises(ValueError, match="exactly one"):
        Measurement(quantity="motor_latency", value=None, unit="ms")
    with pytest.raises(ValueError, match="exactly one"):
        Measurement(quantity="motor_latency", value=1.0, unit="ms", reason=Reason.CLIPPED)


# The long table


def test_the_long_table(whole):
    _, _, result = whole
    frame = result.to_dataframe()
    assert list(frame.columns) == [
        "subject", "date", "nerve", "side", "technique", "recording_site", "site", "segment", "quantity", "value",
        "sd", "unit", "reason", "method", "distance_mm", "skin_temperature_c", "flags", "source", "sha256", "version",
    ]  # fmt: skip
    assert len(frame) == len(result.measurements)
    assert set(frame["subject"]) == {"P07"}
    assert set(frame["date"]) == {"2021-03-01"}
    assert set(frame["technique"]) == {"motor", "sensory"}
    assert frame["source"].isna().all()
    assert frame["value"].dtype == frame["sd"].dtype == np.float64
    for (_, line), row in zip(frame.iterrows(), result.measurements, strict=True):
        assert line["quantity"] == row.quantity
        assert line["value"] == row.value or (np.isnan(line["value"]) and row.value is None)
        assert line["unit"] == QUANTITIES[row.quantity].unit


def test_a_missing_number_is_nan_in_the_table_and_its_reason_beside_it():
    frame = result_of(trace(NOTHING)).to_dataframe()
    amplitude = frame.set_index("quantity").loc["cmap_amplitude"]
    assert np.isnan(amplitude["value"])
    assert np.isnan(amplitude["sd"])
    assert amplitude["reason"] == "no_response"
    assert not (frame["value"] == 0).any()


def test_the_source_is_in_the_table():
    source = SourceFile(name="a.edf", sha256="ab" * 32, size_bytes=1, format="edf")
    frame = analyze(visit(study(trace(BIG.samples_uv[0])), sources=(source,))).to_dataframe()
    assert set(frame["source"]) == {"a.edf"}
    assert set(frame["sha256"]) == {"ab" * 32}


# The fingerprint


def test_the_fingerprint_tells_methods_and_settings_apart():
    several = [
        analysis_fingerprint(),
        analysis_fingerprint(onset_method="tangent"),
        analysis_fingerprint(sidecar_sha256="aa"),
        analysis_fingerprint(protocol_sha256="aa"),
        analysis_fingerprint(sidecar_sha256="aa", protocol_sha256="aa"),
    ]
    assert len(set(several)) == len(several)
    assert all(len(one) == 64 for one in several)


def test_the_fingerprint_is_that_of_the_settings_and_of_nothing_else():
    source = SourceFile(name="a.edf", sha256="a", size_bytes=1, format="edf", sidecar_sha256="s", protocol_sha256="p")
    one = visit(study(trace(BIG.samples_uv[0])), sources=(source,))
    other = visit(study(trace(NOTHING)), sources=(replace(source, name="b.edf", sha256="b"),))
    assert analyze(one).fingerprint == analyze(other).fingerprint
    assert analyze(one).fingerprint == analysis_fingerprint(sidecar_sha256="s", protocol_sha256="p")
    assert analyze(one, onset_method="aic").fingerprint != analyze(one).fingerprint


def test_the_fingerprint_changes_with_the_detector(monkeypatch):
    before = analysis_fingerprint.__wrapped__()
    monkeypatch.setattr(detect, "DETECTOR_VERSION", detect.DETECTOR_VERSION + 1)
    assert analysis_fingerprint.__wrapped__() != before


def test_a_trace_shows_how_many_samples_it_has_and_not_all_of_them():
    visit, _ = simulate.visit("P01", dt.date(2024, 1, 1), seed=1)
    trace = visit.studies[0].traces[0]
    shown = repr(trace)
    assert shown.startswith(f"Trace(samples_uv=<1 x {trace.n_samples}>, sampling_rate_hz=20000.0, ")
    assert "stimulation_site='wrist'" in shown
    assert "elapsed_s" not in shown
    assert "array([[" not in shown
