"""The initial positive peak of orthodromic sensory responses."""

import numpy as np
import pytest

from ncs import simulate
from ncs.detect import Flag, mark
from ncs.detect.positive import onset_at_positive_peak
from ncs.simulate import Contamination, Snap

RATE_HZ = 20_000.0
RECORDED = {
    "low_cut_hz": 20.0, "high_cut_hz": 2000.0, "artefact_uv": (20.0, 150.0), "tail_uv": (1.0, 8.0),
    "tail_ms": (0.3, 1.0),
}  # fmt: skip


def true_positive_peak(sweeps: simulate.SimulatedSweeps) -> np.ndarray:
    """Time of the highest positive sample before the negative peak, between samples by a parabola."""
    times = []
    for clean, stimulus, peak in zip(
        sweeps.clean_uv.astype(float), sweeps.stimulus_ms, sweeps.truth.peak_ms, strict=True
    ):
        at = int(clean[: round((stimulus + peak) * RATE_HZ / 1000)].argmax())
        before, top, after = clean[at - 1 : at + 2]
        times.append((at + 0.5 * (before - after) / (before - 2 * top + after)) * 1000 / RATE_HZ - stimulus)
    return np.array(times)


def moved(sweeps):
    found = mark(sweeps.samples_uv, RATE_HZ, stimulus_ms=sweeps.stimulus_ms, response="snap")
    return found, onset_at_positive_peak(sweeps.samples_uv, RATE_HZ, stimulus_ms=sweeps.stimulus_ms, marks=found)


def orthodromic(amplitude_uv, noise_uv, n=200):
    return simulate.snap(
        n, seed=2, response=Snap(amplitude_uv=amplitude_uv, direction="orthodromic"),
        contamination=Contamination(noise_uv=noise_uv, **RECORDED),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("amplitude_uv", "noise_uv", "median_ms", "share"), [(40.0, 0.3, 0.02, 0.9), (15.0, 0.8, 0.04, 0.6)]
)
def test_the_onset_is_at_the_true_positive_peak(amplitude_uv, noise_uv, median_ms, share):
    sweeps = orthodromic(amplitude_uv, noise_uv)
    found, after = moved(sweeps)
    at_peak = after.flags & Flag.ONSET_AT_POSITIVE_PEAK != 0
    error = (after.onset_ms - true_positive_peak(sweeps))[at_peak]
    assert at_peak.mean() > share
    assert np.median(np.abs(error)) < median_ms
    assert np.percentile(np.abs(error), 95) < 0.1
    assert np.median(found.onset_ms[at_peak] - after.onset_ms[at_peak]) > 0.2


def test_the_stated_deviation_is_that_of_the_error():
    for amplitude, noise in ((15.0, 0.3), (8.0, 0.3), (15.0, 0.8)):
        sweeps = orthodromic(amplitude, noise)
        _, after = moved(sweeps)
        at_peak = after.flags & Flag.ONSET_AT_POSITIVE_PEAK != 0
        score = ((after.onset_ms - true_positive_peak(sweeps)) / after.onset_sd_ms)[at_peak]
        assert 0.4 < 1.4826 * np.median(np.abs(score - np.median(score))) < 1.5


def test_what_does_not_move_stays_as_it_was():
    sweeps = simulate.snap(50, seed=4, response=Snap(amplitude_uv=30.0), contamination=Contamination(noise_uv=0.3))
    found, after = moved(sweeps)
    stays = after.flags & Flag.ONSET_AT_POSITIVE_PEAK == 0
    assert stays.mean() > 0.8
    for name in ("onset_ms", "onset_sd_ms", "area_uv_ms", "duration_ms"):
        np.testing.assert_array_equal(getattr(after, name)[stays], getattr(found, name)[stays])


def test_area_and_durations_are_left_out_where_the_onset_moved():
    _, after = moved(orthodromic(40.0, 0.3, n=20))
    at_peak = after.flags & Flag.ONSET_AT_POSITIVE_PEAK != 0
    assert at_peak.sum() > 10
    assert np.isnan(after.area_uv_ms[at_peak]).all()
    assert np.isnan(after.duration_ms[at_peak]).all()
    assert np.isfinite(after.peak_uv[at_peak]).all()


def test_no_response_and_a_stimulus_at_the_edge_move_nothing():
    noise = np.random.default_rng(1).normal(0.0, 1.0, (3, 400))
    found = mark(noise, RATE_HZ, stimulus_ms=2.0, response="snap")
    after = onset_at_positive_peak(noise, RATE_HZ, stimulus_ms=2.0, marks=found)
    assert np.isnan(after.onset_ms).all()
    sweeps = simulate.snap(20, seed=6, stimulus_ms=-1.0, response=Snap(direction="orthodromic", amplitude_uv=30.0))
    _, after = moved(sweeps)
    assert (after.onset_ms[np.isfinite(after.onset_ms)] > 0).all()
