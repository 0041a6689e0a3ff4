"""Single sweeps of a sensory study: which are averaged, and a response that only they prove."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncs import simulate
from ncs.detect import Marks, Outcome, mark
from ncs.detect.averaging import Fate, choose_sweeps
from ncs.detect.weak import find_weak_snap
from ncs.errors import InvalidInputError
from ncs.simulate import Contamination, Snap
from tests.detect.sensory_sweeps import RATE_HZ, STIMULUS_MS, many_sweeps, spoil

SENSORY_BAND = {"low_cut_hz": 20.0, "high_cut_hz": 2000.0}


def fates(sweeps, stimulus_ms=STIMULUS_MS):
    return choose_sweeps(sweeps, RATE_HZ, stimulus_ms=stimulus_ms).fate.tolist()


# Which sweeps are averaged


@pytest.mark.parametrize("band", [{}, SENSORY_BAND, {"pink_share": 0.5, **SENSORY_BAND}])
def test_every_artefact_is_left_out_and_hardly_a_good_sweep(band):
    wrong = 0
    for seed in range(20):
        sweeps, _ = many_sweeps(seed, contamination=Contamination(noise_uv=10.0, **band))
        spoilt = spoil(sweeps, seed)
        choice = choose_sweeps(sweeps, RATE_HZ, stimulus_ms=STIMULUS_MS)
        assert not choice.kept[spoilt].any()
        wrong += np.count_nonzero(~choice.kept) - len(spoilt)
    assert wrong <= 20


def test_the_stimulus_artefact_itself_leaves_no_sweep_out():
    sweeps, _ = many_sweeps(3, contamination=Contamination(noise_uv=10.0, artefact_uv=(50.0, 1000.0)))
    assert choose_sweeps(sweeps, RATE_HZ, stimulus_ms=STIMULUS_MS).kept.all()


def test_a_saturated_sweep_is_left_out_even_of_three():
    sweeps = np.random.default_rng(1).normal(0.0, 5.0, (3, 400))
    sweeps[1, 200:] = 2000.0
    assert fates(sweeps) == [Fate.KEPT, Fate.SATURATED, Fate.KEPT]


def test_a_converter_with_coarse_steps_is_not_taken_for_saturated():
    sweeps = np.round(np.random.default_rng(2).normal(0.0, 0.6, (10, 400)))
    assert choose_sweeps(sweeps, RATE_HZ, stimulus_ms=STIMULUS_MS).kept.all()


def test_sweeps_without_numbers_without_life_or_without_a_stimulus_are_invalid():
    sweeps = np.random.default_rng(3).normal(0.0, 5.0, (8, 400))
    sweeps[1, 7] = np.nan
    sweeps[4] = 3.0
    times = np.full(8, STIMULUS_MS)
    times[6] = np.nan
    assert np.flatnonzero(np.array(fates(sweeps, times)) == Fate.INVALID).tolist() == [1, 4, 6]


def test_of_four_sweeps_there_is_no_telling_which_is_usual():
    sweeps = np.random.default_rng(4).normal(0.0, 5.0, (4, 400))
    sweeps[0] += 500.0 * np.sin(np.arange(400) / 20.0)
    assert choose_sweeps(sweeps, RATE_HZ, stimulus_ms=STIMULUS_MS).kept.all()


def test_an_offset_is_no_artefact():
    sweeps = np.random.default_rng(5).normal(0.0, 5.0, (20, 400))
    sweeps[3] += 1000.0
    assert choose_sweeps(sweeps, RATE_HZ, stimulus_ms=STIMULUS_MS).kept.all()


def test_sweeps_are_compared_after_alignment_at_their_stimuli():
    one = simulate.snap(1, seed=1, response=Snap(amplitude_uv=400.0), stimulus_ms=STIMULUS_MS).clean_uv[0]
    shifts = np.arange(12) * 7
    noise = np.random.default_rng(6).normal(0.0, 1.0, (12, one.size))
    sweeps = np.stack([np.roll(one, shift) for shift in shifts]) + noise
    moved = choose_sweeps(sweeps, RATE_HZ, stimulus_ms=STIMULUS_MS + shifts / 20.0)
    assert moved.kept.all()
    assert moved.residual_uv.max() < 1.3


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    n=st.integers(1, 12), samples=st.integers(1, 60), gain=st.floats(1e-3, 1e4), seed=st.integers(0, 1000),
    stimulus=st.floats(-5.0, 10.0),
)  # fmt: skip
def test_gain_changes_no_fate(n, samples, gain, seed, stimulus):
    sweeps = np.random.default_rng(seed).normal(0.0, 1.0, (n, samples))
    assert fates(sweeps, stimulus) == fates(gain * sweeps, stimulus)


@pytest.mark.parametrize(
    ("sweeps", "rate", "stimulus", "message"),
    [
        (np.zeros(10), RATE_HZ, 2.0, "samples_uv"),
        (np.zeros((2, 10)), 0.0, 2.0, "sampling_rate_hz"),
        (np.zeros((2, 10)), np.nan, 2.0, "sampling_rate_hz"),
        (np.zeros((2, 10)), RATE_HZ, [1.0, 2.0, 3.0], "stimulus_ms"),
    ],
)
def test_wrong_arguments_are_named(sweeps, rate, stimulus, message):
    with pytest.raises(InvalidInputError, match=message):
        choose_sweeps(sweeps, rate, stimulus_ms=stimulus)


# A weak response


def seen(seed: int, amplitude_uv: float, contamination: Contamination) -> tuple[Marks, simulate.Truth]:
    sweeps, truth = many_sweeps(seed, amplitude_uv=amplitude_uv, contamination=contamination)
    mean = sweeps.mean(axis=0)
    marks = mark(mean, RATE_HZ, stimulus_ms=STIMULUS_MS, response="snap")
    if int(marks.outcome[0]) == Outcome.NO_RESPONSE:
        marks = find_weak_snap(sweeps, RATE_HZ, stimulus_ms=STIMULUS_MS, marks=marks)
    return marks, truth


@pytest.mark.parametrize("band", [{}, SENSORY_BAND])
def test_five_microvolts_under_ten_are_seen_in_a_hundred_sweeps(band):
    found = [seen(seed, 5.0, Contamination(noise_uv=10.0, **band)) for seed in range(15)]
    errors_ms = np.array([float(marks.peak_ms[0] - truth.peak_ms[0]) for marks, truth in found])
    errors_uv = np.array([float(marks.peak_uv[0]) - 5.0 for marks, _ in found])
    assert np.isfinite(errors_ms).all()
    assert np.abs(errors_ms).max() < 0.4
    sds_uv = np.array([float(marks.peak_sd_uv[0]) for marks, _ in found])
    assert np.abs(errors_uv / sds_uv).max() < 3.5
    assert abs(np.median(errors_uv)) < 0.6


def test_where_only_the_sweeps_prove_it_there_is_no_onset_and_the_deviations_are_honest():
    weak = [
        (marks, truth)
        for marks, truth in (seen(seed, 5.0, Contamination(noise_uv=10.0, **SENSORY_BAND)) for seed in range(25))
        if int(marks.outcome[0]) == Outcome.TOO_NOISY
    ]
    assert len(weak) > 15
    assert all(np.isnan(marks.onset_ms[0]) and marks.trough_uv[0] < 0 for marks, _ in weak)
    scores = [(float(marks.peak_uv[0]) - 5.0) / float(marks.peak_sd_uv[0]) for marks, _ in weak]
    assert 0.4 < np.std(scores) < 1.8


@pytest.mark.parametrize(
    "contamination",
    [
        Contamination(noise_uv=10.0),
        Contamination(noise_uv=10.0, **SENSORY_BAND),
        Contamination(
            noise_uv=10.0, artefact_uv=(20.0, 1500.0), tail_uv=(10.0, 80.0), tail_ms=(0.3, 3.0), **SENSORY_BAND
        ),
        Contamination(noise_uv=10.0, mains_uv=(5.0, 20.0), drift_uv=20.0, **SENSORY_BAND),
    ],
)
def test_nothing_is_seen_where_nothing_is(contamination):
    for seed in range(12):
        marks, _ = seen(seed, 1e-6, contamination)
        assert int(marks.outcome[0]) == Outcome.NO_RESPONSE


def test_the_same_sweeps_give_the_same_answer():
    first, _ = seen(1, 5.0, Contamination(noise_uv=10.0, **SENSORY_BAND))
    again, _ = seen(1, 5.0, Contamination(noise_uv=10.0, **SENSORY_BAND))
    assert first.peak_ms.tolist() == again.peak_ms.tolist()


def test_few_or_short_sweeps_prove_nothing():
    sweeps, _ = many_sweeps(1, n_sweeps=10, amplitude_uv=50.0, contamination=Contamination(noise_uv=1.0))
    nothing = mark(np.random.default_rng(1).normal(0.0, 1.0, 400), RATE_HZ, stimulus_ms=2.0, response="snap")
    assert int(nothing.outcome[0]) == Outcome.NO_RESPONSE
    assert find_weak_snap(sweeps, RATE_HZ, stimulus_ms=STIMULUS_MS, marks=nothing) is nothing
    short = np.random.default_rng(2).normal(0.0, 1.0, (50, 100))
    assert find_weak_snap(short, RATE_HZ, stimulus_ms=STIMULUS_MS, marks=nothing) is nothing
