"""Where a sweep is too short, too flat or too odd for a rule: nothing is claimed, and what was known stays."""

import dataclasses

import numpy as np
import pytest

from ncs.detect import Outcome, mark
from ncs.detect._kernels import INVALID_INPUT, NO_RESPONSE
from ncs.detect.artefact import find_artefacts
from ncs.detect.averaging import Fate, choose_sweeps
from ncs.detect.blink import _crossing
from ncs.detect.marks import Marks
from ncs.detect.positive import onset_at_positive_peak
from ncs.detect.weak import find_weak_snap
from ncs.errors import InvalidInputError
from ncs.simulate.late import f_wave_study, h_reflex_study
from tests.detect.sensory_sweeps import RATE_HZ

PER_MS = RATE_HZ / 1000


def marks_of(**values):
    """Marks of one sweep; what is not stated is as in a sweep of 40 uV in noise of 0.1 uV."""
    stated = {"peak_uv": 40.0, "noise_uv": 0.1, "baseline_uv": 0.0, **values}
    fields = {f.name: np.array([stated.get(f.name, 0 if f.name in {"outcome", "flags"} else np.nan)])
              for f in dataclasses.fields(Marks)}  # fmt: skip
    return Marks(
        **{name: value.astype(np.int8) if name in {"outcome", "flags"} else value for name, value in fields.items()}
    )


def negative_up(values, n=80):
    """A sweep that is 0 but for its first values, given with negative upwards as detectors see it."""
    sweep = np.zeros(n)
    sweep[: len(values)] = values
    return -sweep


# The initial positive peak


def test_a_peak_right_after_the_stimulus_leaves_no_room_for_a_positive_one():
    sweep = negative_up([0, 0, 0, -20, 40])
    found = onset_at_positive_peak(sweep, RATE_HZ, stimulus_ms=0.0, marks=marks_of(peak_ms=0.6, onset_ms=0.4))
    assert (found.onset_ms[0], found.flags[0]) == (0.4, 0)


@pytest.mark.parametrize(
    "start",
    [
        [0, -10, -10],  # at the very beginning of the record, so that there is nothing to the left of it
        [0, 0, 0, 0, 0, 0, 0, 0, -8, -10, 0, -10, -8],  # two dips with a summit between them
    ],
)
def test_a_dip_through_which_no_parabola_goes_is_no_positive_peak(start):
    known = marks_of(peak_ms=3.0, onset_ms=2.5)
    found = onset_at_positive_peak(negative_up(start), RATE_HZ, stimulus_ms=-2.0, marks=known)
    assert (found.onset_ms[0], found.flags[0]) == (2.5, 0)


def test_one_dip_at_the_same_place_is_a_positive_peak():
    dip = [0, 0, 0, 0, 0, 0, 0, -2, -8, -10, -8, -2]
    found = onset_at_positive_peak(
        negative_up(dip), RATE_HZ, stimulus_ms=-2.0, marks=marks_of(peak_ms=3.0, onset_ms=2.5)
    )
    assert found.onset_ms[0] == pytest.approx(2.0 + 9 / PER_MS, abs=0.01)
    assert found.flags[0] != 0


# A response that only many sweeps prove


def weak(shape, noise_uv=5.0, n_sweeps=60):
    """Marks of the mean of sweeps of one shape (negative up, stimulus at 5 ms), before and after the search."""
    sweeps = np.random.default_rng(4).normal(0.0, noise_uv, (n_sweeps, 600)) + shape(np.arange(600) / PER_MS - 5.0)
    known = mark(-sweeps.mean(axis=0)[np.newaxis], RATE_HZ, stimulus_ms=5.0, response="snap")
    return known, find_weak_snap(-sweeps, RATE_HZ, stimulus_ms=5.0, marks=known)


@pytest.mark.parametrize("tau_ms", [1.0, 3.0, 6.0])
@pytest.mark.parametrize("size_uv", [20.0, 300.0])
def test_the_tail_of_an_artefact_is_in_every_sweep_and_no_response(tau_ms, size_uv):
    known, found = weak(lambda t: np.where(t >= 0, size_uv * np.exp(-np.maximum(t, 0) / tau_ms), 0.0))
    assert known.outcome[0] == found.outcome[0] == Outcome.NO_RESPONSE
    assert np.isnan(found.peak_uv[0])


def test_a_response_that_does_not_fall_below_the_baseline_has_no_trough():
    _, found = weak(lambda t: 8 * np.exp(-(((t - 4) / 0.3) ** 2)) + np.where(t >= 4.2, 3.0, 0.0))
    assert found.outcome[0] == Outcome.TOO_NOISY
    assert found.peak_ms[0] == pytest.approx(4.0, abs=0.15)
    assert np.isnan(found.trough_ms[0])
    assert np.isnan(found.peak_to_peak_uv[0])


# Artefacts, means, blinks


def test_an_artefact_after_a_small_step_begins_within_the_millisecond_before_it():
    """The step bends too little to belong to the artefact, and is more than noise; the search begins upon it."""
    sweep = np.random.default_rng(1).normal(0.0, 1.5, 600)
    sweep[278:] += 25.0
    sweep[300:] += 1000.0 * np.exp(-np.arange(300) / 4)
    (begin,) = find_artefacts(sweep, RATE_HZ)
    assert begin == 278 / PER_MS


def test_sweeps_without_a_moment_in_common_are_not_compared():
    sweeps = np.random.default_rng(2).normal(0.0, 5.0, (6, 200))
    found = choose_sweeps(sweeps, RATE_HZ, stimulus_ms=np.array([1.0, 1.0, 1.0, 1.0, 1.0, 30.0]))
    assert found.fate.tolist() == [Fate.KEPT] * 6
    assert np.isnan(found.residual_uv).all()


def test_a_level_that_is_not_crossed_is_taken_at_the_sample():
    assert _crossing(np.array([1.0, 3.0]), 1, 2.0) == 0.5
    for size, at in (([3.0, 4.0], 0), ([3.0, 3.0], 1), ([2.5, 3.0], 1)):
        assert _crossing(np.array(size), at, 2.0) == at


# A single sweep


@pytest.mark.parametrize("smooth_ms", [0.0, -0.1, float("nan"), 1e6])
def test_a_smoothing_that_is_none_is_refused(smooth_ms):
    with pytest.raises(InvalidInputError, match="smooth_ms: expected a number above 0"):
        mark(np.zeros((1, 400)), RATE_HZ, stimulus_ms=2.0, smooth_ms=smooth_ms)


def test_a_window_that_holds_hardly_a_sample_cannot_be_searched():
    sweep = np.random.default_rng(3).normal(0.0, 5.0, (1, 400))
    assert mark(sweep, RATE_HZ, stimulus_ms=2.0, window_ms=(1.0, 1.3)).outcome[0] == INVALID_INPUT
    assert mark(sweep, RATE_HZ, stimulus_ms=2.0, window_ms=(1.0, 15.0)).outcome[0] == NO_RESPONSE


# Late responses


def test_sweeps_of_two_samples_whose_stimuli_fall_between_them_share_nothing():
    samples = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 2.0]])
    found = mark(samples, RATE_HZ, stimulus_ms=np.array([0.0, 0.51 / PER_MS, 0.0]), response="f_wave")
    assert found.outcome.tolist() == [Outcome.INVALID_INPUT] * 3


def late_sweeps(response):
    """Sweeps with late responses in little noise, their rate, and when the stimuli were."""
    study = {"f_wave": f_wave_study, "h_reflex": h_reflex_study}[response](seed=4)[0]
    trace = study.traces[0]
    return trace.samples_uv.astype(float), trace.sampling_rate_hz, trace.stimulus_ms


@pytest.mark.parametrize("response", ["f_wave", "h_reflex"])
def test_a_window_without_room_for_a_late_response_gives_none(response):
    samples, rate_hz, stimulus_ms = late_sweeps(response)
    whole = mark(samples, rate_hz, stimulus_ms=stimulus_ms, response=response)
    assert (whole.outcome == Outcome.FOUND).any()
    found = mark(samples, rate_hz, stimulus_ms=stimulus_ms, response=response, window_ms=(30.0, 30.5))
    assert found.outcome.tolist() == [Outcome.INVALID_INPUT] * len(samples)
    assert np.isnan(found.onset_ms).all()


def test_late_responses_that_stand_still_at_the_limit_of_the_amplifier_are_clipped():
    """The limit lies within the larger half of the F waves, and within all M waves."""
    samples, rate_hz, stimulus_ms = late_sweeps("f_wave")
    known = mark(samples, rate_hz, stimulus_ms=stimulus_ms, response="f_wave")
    there = np.flatnonzero(known.outcome == Outcome.FOUND)
    time_ms = np.arange(samples.shape[1]) / rate_hz * 1000 - stimulus_ms[:, np.newaxis]
    late = (time_ms > known.onset_ms[:, np.newaxis]) & (time_ms < known.end_ms[:, np.newaxis])
    lowest = np.array([samples[sweep][late[sweep]].min() for sweep in there])
    limit = float(np.median(lowest))
    found = mark(np.maximum(samples, limit), rate_hz, stimulus_ms=stimulus_ms, response="f_wave")
    flat = np.array([np.count_nonzero(samples[sweep][late[sweep]] <= limit) >= 3 for sweep in there])
    assert 0 < flat.sum() < len(there)
    assert (found.outcome[there[flat]] == Outcome.CLIPPED).all()
    assert not (found.outcome[there[lowest > limit]] == Outcome.CLIPPED).any()
