"""From sensory sweeps to numbers: averages without artefacts, weak responses, orthodromic latencies, review flags."""

import datetime as dt

import numpy as np
import pytest

from ncs import simulate
from ncs.analysis import Edit, TemperatureCorrection, analyze, edited, how_of
from ncs.model import Direction, Study, Subject, Technique, Trace, Visit
from ncs.results import Reason
from ncs.simulate import Contamination, Snap
from tests.detect.sensory_sweeps import RATE_HZ, STIMULUS_MS, many_sweeps, spoil
from tests.measure.build import pick


def visit(*studies: Study) -> Visit:
    return Visit(subject=Subject(id="P"), date=dt.date(2020, 5, 4), studies=studies)


def sensory(samples, *, distance_mm=140.0, site="wrist", **study) -> Study:
    trace = Trace(
        samples_uv=np.asarray(samples, np.float32), sampling_rate_hz=RATE_HZ, stimulation_site=site,
        distance_mm=distance_mm, stimulus_ms=np.full(len(np.atleast_2d(samples)), STIMULUS_MS),
    )  # fmt: skip
    return Study(traces=(trace,), technique=Technique.SENSORY, nerve="median", recording_site="finger II", **study)


def rows_of(study, **how):
    return analyze(visit(study), **how).measurements


# Averaging


@pytest.mark.parametrize("band", [{}, {"low_cut_hz": 20.0, "high_cut_hz": 2000.0}])
def test_five_microvolts_under_ten_come_out_of_a_hundred_sweeps_of_which_five_are_artefacts(band):
    for seed in range(6):
        sweeps, truth = many_sweeps(seed, contamination=Contamination(noise_uv=10.0, **band))
        spoilt = spoil(sweeps, seed)
        result = analyze(visit(sensory(sweeps)))
        kept = result.marks[0].measured_sweeps
        assert not set(spoilt) & set(kept)
        assert len(kept) >= 93
        row = pick(result.measurements, "snap_amplitude")
        assert abs(row.value - 5.0) < 3.5 * row.sd
        peak = pick(result.measurements, "sensory_peak_latency")
        assert peak.value == pytest.approx(float(truth.peak_ms[0]), abs=0.4)
        assert f"mean of {len(kept)} of 100 sweeps, {100 - len(kept)} rejected (left out: saturated, or" in row.method
        assert "sweeps_rejected" in row.flags


def test_with_its_artefacts_the_same_average_shows_nothing():
    sweeps, _ = many_sweeps(1, contamination=Contamination(noise_uv=10.0))
    spoil(sweeps, 1)
    plain = pick(rows_of(sensory(sweeps.mean(axis=0))), "snap_amplitude")
    assert plain.reason is Reason.NO_RESPONSE


def test_where_all_sweeps_are_good_all_are_averaged_and_nothing_is_said():
    sweeps, _ = many_sweeps(2, n_sweeps=20, amplitude_uv=40.0, contamination=Contamination(noise_uv=4.0))
    row = pick(rows_of(sensory(sweeps)), "snap_amplitude")
    assert "mean of 20 of 20 sweeps" in row.method
    assert "rejected" not in row.method
    assert "sweeps_rejected" not in row.flags


def test_a_weak_response_in_a_hundred_sweeps_is_timed_where_the_noise_allows_it():
    timed = 0
    for seed in range(12):
        sweeps, truth = many_sweeps(seed, contamination=Contamination(noise_uv=10.0))
        onset = pick(rows_of(sensory(sweeps)), "sensory_onset_latency")
        if onset.value is None:
            assert onset.reason is Reason.TOO_NOISY
        else:
            timed += 1
            assert abs(onset.value - float(truth.onset_ms[0])) < 4 * onset.sd
    assert timed >= 9


def test_no_response_in_a_hundred_sweeps_stays_no_response():
    noise = np.random.default_rng(1).normal(0.0, 10.0, (100, 400))
    assert pick(rows_of(sensory(noise)), "snap_amplitude").reason is Reason.NO_RESPONSE


def test_motor_sweeps_are_averaged_as_they_are():
    clean = simulate.cmap(1, seed=4, response=simulate.Cmap(amplitude_uv=6000.0)).clean_uv[0].astype(float)
    sweeps = clean + np.random.default_rng(1).normal(0.0, 5.0, (10, clean.size))
    sweeps[3] += 300.0 * np.sin(np.arange(clean.size) / 40.0)
    trace = Trace(
        samples_uv=sweeps.astype(np.float32), sampling_rate_hz=RATE_HZ, stimulation_site="wrist",
        stimulus_ms=np.full(10, 3.0), distance_mm=80.0,
    )  # fmt: skip
    study = Study(traces=(trace,), technique=Technique.MOTOR, nerve="median")
    assert analyze(visit(study)).marks[0].measured_sweeps == tuple(range(10))


# Direction


def one(direction: str, *, seed: int = 3) -> tuple[np.ndarray, simulate.SimulatedSweeps]:
    sweeps = simulate.snap(
        1, seed=seed, stimulus_ms=STIMULUS_MS, response=Snap(amplitude_uv=30.0, onset_ms=3.0, direction=direction),
        contamination=Contamination(noise_uv=0.3, low_cut_hz=20.0, high_cut_hz=2000.0),
    )  # fmt: skip
    return sweeps.samples_uv, sweeps


def test_an_orthodromic_latency_is_that_of_the_initial_positive_peak():
    samples, sweeps = one("orthodromic")
    rows = rows_of(sensory(samples, direction=Direction.ORTHODROMIC))
    clean = sweeps.clean_uv[0]
    until = round((STIMULUS_MS + float(sweeps.truth.peak_ms[0])) * RATE_HZ / 1000)
    true_ms = int(clean[:until].argmax()) * 1000 / RATE_HZ - STIMULUS_MS
    latency = pick(rows, "sensory_onset_latency")
    assert latency.value == pytest.approx(true_ms, abs=0.05)
    assert "onset_at_positive_peak" in latency.flags
    assert "initial_positivity" not in latency.flags
    assert "initial positive peak" in latency.method
    velocity = pick(rows, "sensory_conduction_velocity")
    assert velocity.value == pytest.approx(140.0 / latency.value)
    assert "initial positive peak" in velocity.method
    assert pick(rows, "snap_amplitude").value == pytest.approx(30.0, abs=1.5)


def test_an_antidromic_latency_is_that_of_the_negative_deflection():
    samples, sweeps = one("orthodromic")
    row = pick(rows_of(sensory(samples, direction=Direction.ANTIDROMIC)), "sensory_onset_latency")
    assert row.value == pytest.approx(float(sweeps.truth.onset_ms[0]), abs=0.1)
    assert "initial_positivity" in row.flags
    assert "direction_not_stated" not in row.flags


def test_without_a_direction_a_positive_peak_asks_for_it():
    samples, sweeps = one("orthodromic")
    row = pick(rows_of(sensory(samples)), "sensory_onset_latency")
    assert row.value == pytest.approx(float(sweeps.truth.onset_ms[0]), abs=0.1)
    assert "direction_not_stated" in row.flags
    samples, _ = one("antidromic", seed=8)
    assert pick(rows_of(sensory(samples)), "sensory_onset_latency").flags == ()


def test_an_orthodromic_study_without_a_positive_peak_says_so():
    samples, sweeps = one("antidromic", seed=8)
    row = pick(rows_of(sensory(samples, direction=Direction.ORTHODROMIC)), "sensory_onset_latency")
    assert row.value == pytest.approx(float(sweeps.truth.onset_ms[0]), abs=0.1)
    assert "no_initial_positive_peak" in row.flags


# Spread and review


def jittered(n_sweeps: int, jitter_ms: float) -> Study:
    rng = np.random.default_rng(7)
    y = simulate.cmap(1, seed=7, response=simulate.Cmap(amplitude_uv=5000.0)).clean_uv[0].astype(float)
    at = np.arange(y.size)
    sweeps = np.stack([np.interp(at - shift, at, y) for shift in rng.normal(0.0, 20.0 * jitter_ms, n_sweeps)])
    trace = Trace(
        samples_uv=(sweeps + rng.normal(0.0, 10.0, sweeps.shape)).astype(np.float32), sampling_rate_hz=RATE_HZ,
        stimulus_ms=np.full(n_sweeps, 3.0), stimulation_site="wrist", distance_mm=80.0,
    )  # fmt: skip
    return Study(traces=(trace,), technique=Technique.MOTOR, nerve="median", recording_site="APB")


def test_onsets_that_spread_beyond_their_deviations_are_flagged_with_numbers():
    row = pick(rows_of(jittered(20, 0.2)), "motor_latency")
    assert "spread_exceeds_sd" in row.flags
    assert "onsets of 20 sweeps spread by 0." in row.method
    quiet = pick(rows_of(jittered(20, 0.0)), "motor_latency")
    assert "spread_exceeds_sd" not in quiet.flags
    assert "spread" not in quiet.method


def test_review_changes_flags_and_fingerprint_and_no_number():
    two_peaks = simulate.cmap(
        40, seed=5, stimulus_ms=3.0, response=simulate.Cmap(amplitude_uv=4000.0, two_peaked=True),
        contamination=Contamination(noise_uv=10.0),
    )  # fmt: skip
    studies = [
        Study(
            traces=(
                Trace(
                    samples_uv=sweep, sampling_rate_hz=RATE_HZ, stimulus_ms=np.array([3.0]), stimulation_site="wrist",
                    distance_mm=80.0,
                ),
            ),
            technique=Technique.MOTOR,
        )
        for sweep in two_peaks.samples_uv
    ]  # fmt: skip
    plain, reviewed = analyze(visit(*studies)), analyze(visit(*studies), review=True)
    assert [row.value for row in plain.measurements] == [row.value for row in reviewed.measurements]
    assert not any("methods_disagree" in row.flags for row in plain.measurements)
    flagged = [row for row in reviewed.measurements if "methods_disagree" in row.flags]
    assert 5 <= len({row.study_index for row in flagged}) <= 20
    assert plain.fingerprint != reviewed.fingerprint
    assert "review" not in plain.parameters


def test_review_has_nothing_to_say_of_an_ordinary_visit():
    examined, _ = simulate.visit("P", dt.date(2020, 1, 1), seed=11)
    assert not any("methods_disagree" in row.flags for row in analyze(examined, review=True).measurements)


def test_an_orthodromic_onset_is_not_held_against_rules_for_another_place():
    samples, _ = one("orthodromic")
    rows = rows_of(sensory(samples, direction=Direction.ORTHODROMIC), review=True)
    assert not any("methods_disagree" in row.flags for row in rows)


# Double-peaked responses


def last_return(clean_uv, threshold_uv, gap_ms=8.0):
    """Time after sample 0 at which the last negative peak above the threshold returns to zero, ms."""
    y = -clean_uv.astype(float)

    def falls(start):
        at = start + int(np.flatnonzero(y[start:] <= 0)[0])
        return at - 1 + y[at - 1] / (y[at - 1] - y[at])

    back = falls(int(y.argmax()))
    at = int(back) + 1
    while at < min(int(back) + gap_ms * RATE_HZ / 1000, y.size):
        if y[at] > threshold_uv:
            back = falls(at)
            at = int(back)
        at += 1
    return back * 1000 / RATE_HZ


def test_a_double_peaked_response_begins_with_its_first_peak_and_ends_with_its_last():
    sweeps = simulate.cmap(
        30, seed=5, stimulus_ms=3.0, response=simulate.Cmap(amplitude_uv=4000.0, two_peaked=True),
        contamination=Contamination(noise_uv=10.0),
    )  # fmt: skip
    later = 0
    for sweep, clean, onset in zip(sweeps.samples_uv, sweeps.clean_uv, sweeps.truth.onset_ms, strict=True):
        trace = Trace(
            samples_uv=sweep, sampling_rate_hz=RATE_HZ, stimulus_ms=np.array([3.0]), stimulation_site="wrist",
        )  # fmt: skip
        result = analyze(visit(Study(traces=(trace,), technique=Technique.MOTOR, nerve="median")))
        total = pick(result.measurements, "cmap_total_duration")
        threshold = float(result.marks[0].measured.peak_threshold_uv[0])
        assert f"peaks above {threshold:.0f} uV counted" in total.method
        assert pick(result.measurements, "motor_latency").value == pytest.approx(float(onset), abs=0.15)
        assert total.value == pytest.approx(last_return(clean, threshold) - 3.0 - float(onset), abs=0.3)
        if total.value > pick(result.measurements, "cmap_duration").value + 0.5:
            later += 1
            assert "multiple_peaks" in total.flags
    assert later > 10


# Marks that a person moved


def move_onset(value_ms: float) -> Edit:
    return Edit(study_index=0, trace_index=0, mark="onset_ms", value_ms=value_ms, author="A")


def test_a_moved_onset_leaves_direction_and_rejection_as_they_were():
    sweeps, _ = many_sweeps(4, n_sweeps=40, amplitude_uv=40.0, contamination=Contamination(noise_uv=4.0))
    spoilt = spoil(sweeps, 4)
    result = analyze(visit(sensory(sweeps)))
    before = pick(result.measurements, "sensory_onset_latency")
    moved = edited(result, [move_onset(before.value - 0.1)])
    after = pick(moved.measurements, "sensory_onset_latency")
    assert after.value == pytest.approx(before.value - 0.1)
    assert f"mean of {40 - len(spoilt)} of 40 sweeps, {len(spoilt)} rejected" in after.method
    assert {"sweeps_rejected", "edited"} <= set(after.flags)


def test_a_moved_mark_keeps_the_correction_for_temperature():
    samples, _ = one("antidromic")
    study = sensory(samples, skin_temperature_c=30.0)
    result = analyze(visit(study), temperature_correction=TemperatureCorrection(reference_c=32.0))
    moved = edited(result, [move_onset(2.5)])
    assert pick(moved.measurements, "sensory_onset_latency_temperature_corrected").value == pytest.approx(2.1)


def test_an_onset_that_a_person_put_elsewhere_is_no_longer_at_the_positive_peak():
    samples, _ = one("orthodromic")
    result = analyze(visit(sensory(samples, direction=Direction.ORTHODROMIC)))
    row = pick(edited(result, [move_onset(2.9)]).measurements, "sensory_onset_latency")
    assert row.value == 2.9
    assert "onset_at_positive_peak" not in row.flags
    assert "positive peak" not in row.method


def test_the_parameters_of_a_result_say_how_to_make_it_again():
    study = sensory(one("antidromic")[0], skin_temperature_c=30.0)
    for how in ({}, {"review": True}, {"temperature_correction": TemperatureCorrection(reference_c=31.0)}):
        result = analyze(visit(study), **how)
        assert analyze(visit(study), **how_of(result.parameters)).fingerprint == result.fingerprint
