"""Marks against simulated truth: the named conditions, and one test for every known way to be wrong."""

import numpy as np
import pytest

from ncs import simulate
from ncs.detect import Flag, Outcome, mark
from ncs.simulate import CONDITIONS, Cmap, Contamination, Snap

N = 60
WHITE = Contamination(noise_uv=10.0)
FAINT = Contamination(noise_uv=0.4)


def cmaps(seed, *, contamination=WHITE, response=None, **more):
    return simulate.cmap(N, seed=seed, contamination=contamination, response=response, population="test", **more)


def snaps(seed, *, contamination=FAINT, response=None, **more):
    return simulate.snap(N, seed=seed, contamination=contamination, response=response, population="test", **more)


class Marked:
    """Marks of simulated sweeps, and how far they are from the truth."""

    def __init__(self, sweeps, response="cmap", **more):
        self.marks = mark(
            sweeps.samples_uv, sweeps.sampling_rate_hz, stimulus_ms=sweeps.stimulus_ms, response=response, **more
        )
        self.truth, self.delay = sweeps.truth, sweeps.trigger_error_ms
        self.found = self.marks.outcome == Outcome.FOUND

    def error(self, name):
        return np.abs(getattr(self.marks, name) - getattr(self.truth, name) - self.delay)

    def share(self, outcome):
        return float(np.mean(self.marks.outcome == outcome))

    def assert_onsets(self, median, *, gross=0.02):
        error = self.error("onset_ms")
        assert np.nanmedian(error) < median
        assert np.mean(~(error < 1.0)) <= gross

    def assert_voltages(self, *, amplitude=0.02, area=0.05):
        for name, most in (("peak_uv", amplitude), ("area_uv_ms", area)):
            relative = getattr(self.marks, name)[self.found] / getattr(self.truth, name)[self.found]
            assert np.nanmedian(np.abs(relative - 1.0)) < most, name


@pytest.mark.parametrize(
    ("name", "median", "gross"),
    [
        ("8mV_10uV", 0.015, 0.01),
        ("8mV_10uV_tail", 0.015, 0.01),
        ("1mV_10uV_tail", 0.05, 0.02),
        ("0.3mV_10uV_tail_mains", 0.11, 0.05),
        ("1mV_50uV_tail_mains_drift", 0.13, 0.05),
    ],
)
def test_onsets_in_the_five_named_conditions(name, median, gross):
    sweeps = CONDITIONS[name].sweeps(200, seed=77, population="test")
    found = Marked(sweeps)
    found.assert_onsets(median, gross=gross)
    error = found.error("onset_ms")[found.found]
    spread = found.marks.onset_sd_ms[found.found]
    assert np.mean(error < 3 * spread) > 0.9, "the stated standard deviation is too small"


@pytest.mark.parametrize("rate_hz", [2000.0, 5000.0, 10_000.0, 48_000.0, 100_000.0])
def test_the_sampling_rate_does_not_move_the_onset(rate_hz):
    found = Marked(cmaps(1, sampling_rate_hz=rate_hz))
    found.assert_onsets(0.03)
    found.assert_voltages()
    assert np.nanmedian(found.error("peak_ms")) < 0.03
    assert np.nanmedian(found.error("end_ms")) < 0.05


def test_a_noise_free_response_is_marked_where_it_is():
    found = Marked(cmaps(2, contamination=Contamination()))
    found.assert_onsets(0.01)
    found.assert_voltages(amplitude=1e-3, area=2e-3)
    assert np.nanmedian(found.error("peak_ms")) < 0.005
    assert np.nanmedian(found.error("end_ms")) < 0.01
    assert np.nanmedian(found.error("trough_ms")) < 0.02


def test_antidromic_snap():
    found = Marked(snaps(3), "snap")
    found.assert_onsets(0.04)
    found.assert_voltages(amplitude=0.03)
    assert np.nanmedian(found.error("peak_ms")) < 0.03


# Failure modes


def test_an_artefact_tail_that_runs_into_the_response():
    tail = Contamination(noise_uv=10.0, artefact_uv=(2000.0, 10_000.0), tail_uv=1000.0, tail_ms=(1.0, 3.0))
    found = Marked(cmaps(4, contamination=tail, response=Cmap(amplitude_uv=2000.0, onset_ms=(2.5, 4.0))))
    found.assert_onsets(0.05)
    found.assert_voltages(amplitude=0.03)


def test_an_initial_positive_dip_is_flagged_and_the_onset_lies_after_it():
    found = Marked(cmaps(5, response=Cmap(initial_positivity=True)))
    flagged = (found.marks.flags & Flag.INITIAL_POSITIVITY) > 0
    assert flagged.mean() > 0.9
    found.assert_onsets(0.05, gross=0.05)
    found.assert_voltages()


def test_a_snap_with_an_initial_positive_peak():
    found = Marked(snaps(6, response=Snap(direction="orthodromic", amplitude_uv=(15.0, 60.0))), "snap")
    flagged = (found.marks.flags & Flag.INITIAL_POSITIVITY) > 0
    assert flagged.mean() > 0.9
    found.assert_onsets(0.05, gross=0.05)
    found.assert_voltages(amplitude=0.05, area=0.1)


def test_no_initial_positivity_is_seen_where_there_is_none():
    assert not (Marked(cmaps(7)).marks.flags & Flag.INITIAL_POSITIVITY).any()


def test_a_dispersed_slow_rise():
    slow = Cmap(amplitude_uv=2000.0, latency_spread_ms=12.0, n_units=(60, 120))
    Marked(cmaps(8, response=slow)).assert_onsets(0.1, gross=0.05)


def test_the_onset_lies_before_the_first_of_two_peaks():
    found = Marked(cmaps(9, response=Cmap(two_peaked=True), duration_ms=60.0))
    found.assert_onsets(0.02, gross=0.03)
    assert ((found.marks.flags & Flag.MULTIPLE_PEAKS) > 0).mean() > 0.2


def test_a_response_right_after_the_stimulus():
    Marked(cmaps(10, response=Cmap(onset_ms=1.0))).assert_onsets(0.1, gross=0.05)


def test_a_response_that_runs_over_the_end_of_the_record_is_marked_or_said_to_be_at_the_edge():
    found = Marked(cmaps(11, duration_ms=30.0, response=Cmap(onset_ms=(21.0, 24.0))))
    assert found.share(Outcome.FOUND) + found.share(Outcome.AT_WINDOW_EDGE) > 0.95
    assert np.nanmax(found.error("onset_ms")) < 0.3
    assert np.isnan(found.marks.end_ms[found.truth.end_ms > 27.0]).all()


def test_a_record_that_ends_on_the_rise_says_so():
    whole = simulate.cmap(N, seed=12, contamination=WHITE, response=Cmap(onset_ms=6.0))
    for i, peak_ms in enumerate(whole.truth.peak_ms):
        until = int((3.0 + 0.5 * (6.0 + peak_ms)) * 20)
        found = mark(whole.samples_uv[i, :until], 20_000.0, stimulus_ms=3.0)
        assert found.outcome[0] in {Outcome.AT_WINDOW_EDGE, Outcome.INVALID_INPUT}
        assert np.isnan(found.onset_ms[0])
        assert np.isnan(found.peak_uv[0])


def test_a_saturated_amplifier_gives_no_amplitude():
    found = Marked(cmaps(13, contamination=Contamination(noise_uv=10.0, rail_uv=4000.0)))
    assert found.share(Outcome.CLIPPED) > 0.95
    assert not found.found.any()
    assert np.isnan(found.marks.peak_uv).all()
    assert np.nanmedian(found.error("onset_ms")) < 0.15


def test_a_coarse_converter_is_not_a_saturated_one():
    found = Marked(cmaps(14, contamination=Contamination(noise_uv=1.0, adc_step_uv=48.8)))
    assert found.share(Outcome.CLIPPED) == 0
    found.assert_onsets(0.03)


def test_mains():
    found = Marked(cmaps(15, contamination=Contamination(noise_uv=10.0, mains_uv=40.0)))
    found.assert_onsets(0.03)
    found.assert_voltages()


def test_drift():
    found = Marked(cmaps(16, contamination=Contamination(noise_uv=10.0, drift_uv=200.0)))
    found.assert_onsets(0.03)
    found.assert_voltages()


def test_jitter_of_the_stimulus_goes_with_its_stated_time():
    Marked(cmaps(17, stimulus_ms=(2.0, 12.0))).assert_onsets(0.02)


def test_a_delay_of_the_trigger_moves_latencies_by_itself():
    Marked(cmaps(18, contamination=Contamination(noise_uv=10.0, trigger_error_ms=(1.0, 2.0)))).assert_onsets(0.02)


@pytest.mark.parametrize("stimulus_ms", [-1.5, 0.0, 0.4])
def test_without_a_baseline_before_the_stimulus(stimulus_ms):
    found = Marked(cmaps(19, stimulus_ms=stimulus_ms))
    assert ((found.marks.flags & Flag.NO_BASELINE_BEFORE_STIMULUS) > 0).all()
    found.assert_onsets(0.03)
    found.assert_voltages()


def test_a_stimulus_near_the_end_of_the_record_finds_nothing_that_is_wrong():
    found = Marked(cmaps(20, stimulus_ms=45.0))
    assert np.isnan(found.marks.area_uv_ms).all()
    assert not (found.error("onset_ms") > 0.5).any()


@pytest.mark.parametrize(
    ("contamination", "most"),
    [
        (Contamination(noise_uv=10.0), 0.005),
        (Contamination(noise_uv=10.0, artefact_uv=(2000.0, 10_000.0), tail_uv=(100.0, 1000.0)), 0.01),
        (Contamination(noise_uv=10.0, mains_uv=20.0), 0.02),
        (Contamination(noise_uv=10.0, drift_uv=50.0), 0.02),
        (Contamination(noise_uv=10.0, pink_share=0.5), 0.03),
    ],
    ids=["white", "artefact and tail", "mains", "drift", "pink"],
)
@pytest.mark.parametrize("response", ["cmap", "snap"])
def test_what_is_no_response_is_not_taken_for_one(contamination, most, response):
    sweeps = simulate.nothing(300, seed=21, contamination=contamination)
    found = mark(sweeps.samples_uv, 20_000.0, stimulus_ms=sweeps.stimulus_ms, response=response)
    assert np.mean(np.isfinite(found.onset_ms)) <= most


def test_a_response_drowned_in_noise_has_no_onset_that_is_far_off():
    found = Marked(cmaps(22, contamination=Contamination(noise_uv=100.0), response=Cmap(amplitude_uv=400.0)))
    assert np.mean(found.error("onset_ms") > 2.0) < 0.05


def test_the_last_swing_of_an_artefact_is_no_first_summit():
    """1 mV after an artefact of 8 mV with a tail of 0.8 mV: two of fifteen were said to lie at the window's edge."""
    response = Cmap(amplitude_uv=1000.0, onset_ms=(3.0, 8.0))
    tail = Contamination(noise_uv=10.0, artefact_uv=8000.0, tail_uv=800.0, tail_ms=2.0)
    sweeps = simulate.cmap(200, seed=41, sampling_rate_hz=10_000.0, response=response, contamination=tail)
    marks = mark(sweeps.samples_uv, 10_000.0, stimulus_ms=sweeps.stimulus_ms)
    assert (marks.outcome == Outcome.FOUND).mean() > 0.97
    assert np.nanmedian(np.abs(marks.onset_ms - sweeps.truth.onset_ms)) < 0.05


def small_snaps(sigma, **tails):
    noise = Contamination(noise_uv=0.4, low_cut_hz=20.0, high_cut_hz=2000.0, **tails)
    many = [snaps(seed, contamination=noise, response=Snap(amplitude_uv=sigma * 0.4)) for seed in range(5)]
    return [Marked(sweeps, "snap") for sweeps in many]


def test_a_small_sensory_response_that_rises_and_falls_is_found():
    assert np.mean([m.found.mean() for m in small_snaps(10.0)]) > 0.9


def test_stated_errors_hold_on_the_tail_of_an_artefact():
    tails = {
        "artefact_uv": (20.0, 300.0),
        "tail_uv": (1.0, 30.0),
        "tail_ms": (0.3, 2.0),
        "second_tail_share": (0.0, 0.3),
    }
    marked = small_snaps(100.0, **tails)
    held = [m.error("onset_ms")[m.found] < 1.96 * m.marks.onset_sd_ms[m.found] for m in marked]
    assert 0.91 < np.concatenate(held).mean() < 0.985


def test_on_a_slow_tail_an_onset_is_right_or_missing():
    tail = Contamination(noise_uv=1.0, tail_uv=600.0, tail_ms=20.0)
    marked = Marked(cmaps(3, contamination=tail, response=Cmap(amplitude_uv=300.0), stimulus_ms=5.0))
    assert marked.found.sum() > 5
    in_sd = marked.error("onset_ms")[marked.found] / marked.marks.onset_sd_ms[marked.found]
    assert np.mean(in_sd < 1.96) > 0.85
    assert in_sd.max() < 6.0
