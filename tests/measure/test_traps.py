"""Traps of nerve conduction studies that concern motor and sensory measurements; each test carries the trap's name."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from ncs import simulate
from ncs.analysis import TemperatureCorrection, analyze
from ncs.detect.marks import Outcome
from ncs.measure import motor, sensory
from ncs.model import Filters, Technique, Trace
from ncs.quantities import QUANTITIES
from ncs.results import Reason
from ncs.simulate.nerves import MOTOR_RECORDING
from tests.measure.build import marked, marks, part, pick, trace

WRIST = marks(onset_ms=3.8, peak_uv=7200.0, peak_to_peak_uv=9300.0)
ELBOW = marks(onset_ms=7.8, peak_uv=6900.0, peak_to_peak_uv=9000.0)


def motor_rows(*traces, **study):
    at = part(*traces, technique=Technique.MOTOR, **{"nerve": "median", "recording_site": "APB", **study})
    motor.measure(at)
    return at.rows


def sensory_rows(*traces, **study):
    at = part(*traces, technique=Technique.SENSORY, **{"nerve": "median", "recording_site": "finger II", **study})
    sensory.measure(at)
    return at.rows


def with_filter(at, low_cut_hz):
    return replace(at, trace=replace(at.trace, filters=Filters(low_cut_hz=low_cut_hz)))


@pytest.mark.parametrize("quantity", ["cmap_duration", "cmap_total_duration"])
def test_trap_1_without_a_low_frequency_filter_no_limit_of_a_duration_applies(quantity):
    at = marked("wrist", 80.0, WRIST)
    row = pick(motor_rows(at), quantity)
    assert row.value is not None
    assert "low_cut_not_stated" in row.flags
    assert "low_cut_not_stated" not in pick(motor_rows(with_filter(at, 2.0)), quantity).flags


def test_trap_1_a_filter_that_is_not_stated_stays_unknown():
    read = trace()
    assert read.filters.low_cut_hz is None
    assert "low_cut_not_stated" not in pick(motor_rows(marked("wrist", 80.0, WRIST)), "motor_latency").flags


def test_trap_2_without_a_distal_distance_no_terminal_index_and_no_limit_of_a_latency():
    rows = motor_rows(marked("wrist", None, WRIST), marked("elbow", None, ELBOW))
    assert pick(rows, "terminal_latency_index").value is None
    assert pick(rows, "residual_latency").value is None
    assert "distance_not_stated" in pick(rows, "distal_motor_latency").flags
    row = pick(sensory_rows(marked("wrist", None, marks(onset_ms=2.5))), "sensory_peak_latency")
    assert row.value is not None
    assert row.distance_mm is None
    assert "distance_not_stated" in row.flags
    assert (
        "distance_not_stated"
        not in pick(sensory_rows(marked("wrist", 140.0, marks(onset_ms=2.5))), "sensory_peak_latency").flags
    )


def test_trap_3_base_to_peak_and_peak_to_peak_are_two_quantities_and_ratios_never_mix_them():
    rows = motor_rows(marked("wrist", 65.0, WRIST), marked("elbow", 285.0, ELBOW))
    assert pick(rows, "cmap_amplitude", site="wrist").value == 7200.0
    assert pick(rows, "cmap_peak_to_peak_amplitude", site="wrist").value == 9300.0
    assert pick(rows, "cmap_amplitude_ratio").value == pytest.approx(6900.0 / 7200.0)
    for name in ("cmap_amplitude", "cmap_amplitude_ratio", "snap_amplitude"):
        assert "baseline" in QUANTITIES[name].definition
    for name in ("cmap_peak_to_peak_amplitude", "snap_peak_to_peak_amplitude"):
        assert "from the negative peak to the positive peak" in QUANTITIES[name].definition


def test_trap_3_a_ratio_without_one_convention_is_missing_and_not_taken_from_the_other():
    blind = marks(onset_ms=7.8, peak_uv=float("nan"), peak_to_peak_uv=9000.0)
    rows = motor_rows(marked("wrist", 65.0, WRIST), marked("elbow", 285.0, blind))
    assert pick(rows, "cmap_amplitude_ratio").value is None


@pytest.mark.parametrize("silent", ["wrist", "elbow"])
def test_trap_4_no_response_is_no_velocity_of_zero(silent):
    found = {"wrist": WRIST, "elbow": ELBOW, silent: marks(Outcome.NO_RESPONSE)}
    rows = motor_rows(marked("wrist", 65.0, found["wrist"]), marked("elbow", 285.0, found["elbow"]))
    for row in (pick(rows, "motor_conduction_velocity"), pick(rows, "motor_latency", site=silent)):
        assert row.value is None
        assert row.reason is Reason.NO_RESPONSE
    assert all(row.value != 0 for row in rows)


def test_trap_4_nothing_at_all_is_still_told():
    study, _ = simulate.motor_study(amplitude_uv=0.0, seed=4)
    silent = replace(simulate.visit("P", dt.date(2020, 1, 1), seed=1)[0], studies=(study,))
    rows = analyze(silent).measurements
    assert rows
    assert {row.reason for row in rows} == {Reason.NO_RESPONSE}


def test_trap_5_an_initial_positivity_is_flagged_and_never_marked_as_onset():
    study, truth = simulate.motor_study(initial_positivity=True, seed=3)
    visit = replace(simulate.visit("P", dt.date(2020, 1, 1), seed=1)[0], studies=(study,))
    rows = analyze(visit).measurements
    for site in truth.sites:
        row = pick(rows, "motor_latency", site=site.stimulation_site)
        assert "initial_positivity" in row.flags
        assert row.value == pytest.approx(float(site.marks.onset_ms[0]), abs=0.15)


@pytest.mark.parametrize(
    ("nerve", "muscle", "sites", "ratio", "flag"),
    [
        ("median", "APB", ("wrist", "elbow"), 1.3, "martin_gruber_3_suspected"),
        ("median", "abductor  pollicis brevis", ("Wrist", "Antecubital Fossa"), 1.3, "martin_gruber_3_suspected"),
        ("median", "ADM", ("wrist", "elbow"), 1.3, "martin_gruber_1_suspected"),
        ("median", "FDI", ("wrist", "elbow"), 1.3, "martin_gruber_2_suspected"),
        ("ulnar", "ADM", ("wrist", "below elbow"), 0.6, "martin_gruber_1_suspected"),
        ("ulnar", "FDI", ("wrist", "below elbow"), 0.6, "martin_gruber_2_suspected"),
        ("fibular", "EDB", ("ankle", "fibular head"), 1.3, "accessory_fibular_suspected"),
        ("tibial", "AH", ("ankle", "popliteal fossa"), 1.3, None),
        ("median", "APB", ("wrist", "elbow"), 0.5, None),
        ("ulnar", "ADM", ("wrist", "elbow"), 0.6, None),
        ("ulnar", "ADM", ("below elbow", "above elbow"), 0.6, None),
        ("ulnar", "ADM", ("wrist", "below elbow"), 0.9, None),
    ],
)
def test_trap_7_martin_gruber_and_accessory_fibular_are_named_for_what_they_are(nerve, muscle, sites, ratio, flag):
    found = marks(onset_ms=7.8, peak_uv=7200.0 * ratio, area_uv_ms=20_000.0 * ratio)
    rows = motor_rows(marked(sites[0], 65.0, WRIST), marked(sites[1], 285.0, found), nerve=nerve, recording_site=muscle)
    flags = pick(rows, "cmap_amplitude_ratio").flags
    named = [name for name in flags if "martin_gruber" in name or "accessory" in name]
    assert named == ([flag] if flag is not None else [])
    assert ("submaximal_suspected" in flags) == (ratio > 1)


def test_trap_7_a_drop_that_the_area_does_not_share_is_dispersion():
    far = marks(onset_ms=9.0, peak_uv=7200.0 * 0.6, area_uv_ms=19_000.0)
    rows = motor_rows(
        marked("wrist", 65.0, WRIST), marked("below elbow", 285.0, far), nerve="ulnar", recording_site="ADM"
    )
    assert pick(rows, "cmap_amplitude_ratio").flags == ()


def test_trap_7_a_larger_proximal_response_within_the_noise_is_no_pattern():
    near = marks(onset_ms=3.8, peak_uv=300.0, peak_sd_uv=30.0)
    far = marks(onset_ms=7.8, peak_uv=360.0, peak_sd_uv=30.0)
    rows = motor_rows(marked("wrist", 65.0, near), marked("elbow", 285.0, far))
    assert pick(rows, "cmap_amplitude_ratio").flags == ()


def test_trap_7_a_positivity_at_the_elbow_alone_supports_the_pattern():
    far = marks(onset_ms=7.8, peak_uv=9500.0, flags=1)
    rows = motor_rows(marked("wrist", 65.0, WRIST), marked("elbow", 285.0, far))
    assert "begins with a positivity" in pick(rows, "cmap_amplitude_ratio").method
    rows = motor_rows(marked("wrist", 65.0, marks(onset_ms=3.8, flags=1)), marked("elbow", 285.0, far))
    assert "begins with a positivity" not in pick(rows, "cmap_amplitude_ratio").method


def test_trap_9_no_temperature_correction_unless_asked_and_then_beside_the_measured_value():
    cool = replace(MOTOR_RECORDING, skin_temperature_c=28.0)
    visit = simulate.visit("P", dt.date(2020, 1, 1), seed=1, sensory=(), motor_recording=cool)[0]
    plain = analyze(visit)
    assert not any("corrected" in row.quantity or "correct" in row.method for row in plain.measurements)
    assert plain.measurements[0].skin_temperature_c == 28.0
    asked = analyze(visit, temperature_correction=TemperatureCorrection(reference_c=32.0))
    measured, corrected = (
        pick(asked.measurements, name)
        for name in ("motor_conduction_velocity", "motor_conduction_velocity_temperature_corrected")
    )
    assert measured == pick(plain.measurements, "motor_conduction_velocity")
    assert corrected.value == pytest.approx(measured.value + 8.0)
    assert asked.fingerprint != plain.fingerprint


def test_trap_9_a_corrected_value_says_that_it_may_be_invalid_in_demyelination():
    cool = replace(MOTOR_RECORDING, skin_temperature_c=28.0)
    visit = simulate.visit("P", dt.date(2020, 1, 1), seed=1, sensory=(), motor_recording=cool)[0]
    rows = analyze(visit, temperature_correction=TemperatureCorrection(reference_c=32.0)).measurements
    corrected = [row for row in rows if row.quantity.endswith("_temperature_corrected")]
    assert {row.quantity for row in corrected} == {
        "distal_motor_latency_temperature_corrected", "motor_conduction_velocity_temperature_corrected",
    }  # fmt: skip
    assert all("may be invalid in demyelination" in row.method for row in corrected)


@pytest.mark.parametrize(("length_mm", "is_short"), [(99.0, True), (100.0, False), (220.0, False)])
def test_trap_11_a_velocity_over_less_than_ten_centimetres_is_flagged(length_mm, is_short):
    rows = motor_rows(marked("wrist", 65.0, WRIST), marked("elbow", 65.0 + length_mm, ELBOW))
    assert ("short_segment" in pick(rows, "motor_conduction_velocity").flags) == is_short
    rows = sensory_rows(marked("palm", length_mm, marks(onset_ms=1.7)))
    assert ("short_segment" in pick(rows, "sensory_conduction_velocity").flags) == is_short
    assert all("short_segment" not in row.flags for row in rows if row.quantity != "sensory_conduction_velocity")


def test_a_submaximal_stimulus_at_the_wrist_is_suspected_in_a_simulated_study():
    study, _ = simulate.motor_study(seed=2)
    near, far = study.traces
    weak = Trace(
        samples_uv=near.samples_uv * np.float32(0.7), sampling_rate_hz=near.sampling_rate_hz,
        stimulus_ms=near.stimulus_ms, stimulation_site="wrist", distance_mm=near.distance_mm,
    )  # fmt: skip
    visit = simulate.visit("P", dt.date(2020, 1, 1), seed=1)[0]
    rows = analyze(replace(visit, studies=(replace(study, traces=(weak, far)),))).measurements
    assert "submaximal_suspected" in pick(rows, "cmap_amplitude_ratio").flags
    rows = analyze(replace(visit, studies=(study,))).measurements
    assert "submaximal_suspected" not in pick(rows, "cmap_amplitude_ratio").flags
