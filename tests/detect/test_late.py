"""F waves and H reflexes found on the tail of an M wave, against simulated truth."""

from dataclasses import replace

import numpy as np
import pytest

from ncs import detect
from ncs.detect import Flag, Outcome
from ncs.detect._late_waves import m_wave_sizes, noise_outside, smoothed, without_tail
from ncs.errors import InvalidInputError
from ncs.measure._extremes import extremes_of
from ncs.simulate import Contamination
from ncs.simulate.late import F_RECORDING, H_RECORDING, AWave, f_wave_study, h_reflex_study
from ncs.testing import assert_marks_close

THREE_SIGMA_UV = 40.0 / 3.0
"""Noise of which the smallest F wave that counts, 40 uV peak to peak, is three standard deviations."""


def noisy(recording, noise_uv):
    return replace(recording, contamination=replace(recording.contamination, noise_uv=noise_uv))


def marked(study, response, **more):
    trace = study.traces[0]
    return detect.mark(
        trace.samples_uv, trace.sampling_rate_hz, stimulus_ms=trace.stimulus_ms, response=response, **more
    )


def f_waves(seed, *, noise_uv=THREE_SIGMA_UV, **more):
    study, truth = f_wave_study(seed=[5, seed], population="test", recording=noisy(F_RECORDING, noise_uv), **more)
    return marked(study, "f_wave"), truth


def present(marks):
    return np.isfinite(marks.peak_to_peak_uv)


@pytest.mark.slow
def test_persistence_and_shortest_latency_in_noise_of_three_sigma():
    wrong, shortest, onsets, deviations = [], [], [], []
    for seed in range(25):
        marks, truth = f_waves(seed)
        wrong.append(abs(int(present(marks).sum()) - int(truth.f_waves.has_response.sum())))
        both = present(marks) & truth.f_waves.has_response
        onsets.extend((marks.onset_ms - truth.f_waves.onset_ms)[both])
        deviations.extend(marks.onset_sd_ms[both])
        found = extremes_of(marks.onset_ms[present(marks)], marks.onset_sd_ms[present(marks)])
        shortest.append(found.shortest - truth.latencies_ms.min())
    assert max(wrong) <= 1
    assert np.median(np.abs(shortest)) < 0.2
    assert np.mean(np.abs(shortest) <= 0.3) >= 0.8
    assert np.nanmedian(np.abs(onsets)) < 0.15
    assert 0.9 < np.mean(np.abs(onsets) < 1.96 * np.array(deviations)) < 0.99


def test_no_f_wave_is_seen_where_there_is_none():
    for seed in range(3):
        marks, _ = f_waves(seed, persistence=0.0)
        assert (marks.outcome == Outcome.NO_RESPONSE).all()
        assert not present(marks).any()
        assert np.isnan(marks.onset_ms).all()


def test_trap_8_a_waves_are_not_counted_as_f():
    a_wave = AWave(latency_ms=22.0, amplitude_uv=150.0)
    counted = 0
    for seed in range(6):
        marks, truth = f_waves(seed, persistence=0.0, a_waves=(a_wave,))
        assert not truth.f_waves.has_response.any()
        counted += int(present(marks).sum())
        assert ((marks.flags & Flag.A_WAVE) > 0).mean() > 0.9
    assert counted == 0


def test_an_a_wave_is_not_the_beginning_of_an_f_wave():
    """An F wave follows within 8 ms; a rest of the A wave must not be taken for its first deflection."""
    for seed in range(4):
        marks, truth = f_waves(seed, noise_uv=5.0, a_waves=(AWave(latency_ms=18.5),))
        both = present(marks) & truth.f_waves.has_response
        assert np.min((marks.onset_ms - truth.f_waves.onset_ms)[both]) > -2.0


def test_an_a_wave_in_some_sweeps_leaves_the_f_waves_of_all():
    marks, truth = f_waves(0, noise_uv=5.0, a_waves=(AWave(latency_ms=40.0, share=0.7),))
    seen = (marks.flags & Flag.A_WAVE) > 0
    assert seen.sum() >= 6
    assert not seen[np.isnan(truth.a_wave_onset_ms[:, 0])].any()
    np.testing.assert_array_equal(present(marks), truth.f_waves.has_response)


def test_repeats_of_one_wave_are_named_and_others_are_not():
    marks, truth = f_waves(1, noise_uv=2.0, repeater_sweeps=6)
    sets = [frozenset(np.flatnonzero(row)) for row in truth.fired]
    again = np.array([bool(fired) and fired in sets[:k] for k, fired in enumerate(sets)])
    repeated = (marks.flags & Flag.REPEATER) > 0
    assert again.sum() >= 5
    assert repeated[again].sum() >= again.sum() - 1
    assert repeated[~again].sum() <= 2


def test_the_first_deflection_may_be_positive():
    marks, truth = f_waves(2, noise_uv=2.0, positive_share=1.0)
    both = present(marks) & truth.f_waves.has_response
    assert np.median(np.abs(marks.onset_ms - truth.f_waves.onset_ms)[both]) < 0.3


def test_the_h_reflex_starts_where_it_starts():
    errors = []
    for seed in range(5):
        recording = noisy(H_RECORDING, 20.0)
        study, truth = h_reflex_study(seed=[5, seed], population="test", recording=recording)
        marks = marked(study, "h_reflex")
        large = truth.h_reflex.peak_to_peak_uv > 0.2 * truth.h_maximum_uv
        assert (marks.outcome[large] == Outcome.FOUND).all()
        error = np.abs(marks.onset_ms - truth.h_reflex.onset_ms)
        assert error[truth.h_reflex.peak_to_peak_uv.argmax()] < 0.3
        errors.extend(error[large])
        silent = truth.h_reflex.peak_to_peak_uv == 0.0
        assert np.isnan(marks.onset_ms[silent]).all()
        height = marks.peak_to_peak_uv[large] / truth.h_reflex.peak_to_peak_uv[large]
        assert np.all(np.abs(height - 1.0) < 0.05)
    assert np.median(errors) < 0.1
    assert np.quantile(errors, 0.9) < 0.3


def test_the_human_soleus_reflex(recordings):
    table = np.loadtxt(recordings / "m_h_reflex_soleus" / "example-waveforms.csv", delimiter=",")
    intensity, samples = table[0, 1:], 1000.0 * table[1:, 1:].T
    marks = detect.mark(samples, 3200.0, stimulus_ms=0.0, response="h_reflex")
    middle = (intensity >= 2.5) & (intensity <= 5.0)
    assert (marks.outcome[middle] == Outcome.FOUND).all()
    assert (marks.outcome[intensity < 2.0] == Outcome.NO_RESPONSE).all()
    assert 31.0 < np.median(marks.onset_ms[middle]) < 33.0
    # by eye the small first deflection leaves the bent tail of the M wave at 31 to 33 ms in all of them
    assert np.std(marks.onset_ms[middle]) < 1.1
    assert marks.onset_ms[middle].min() > 30.0
    assert np.ptp(marks.peak_ms[middle]) < 1.5
    height = [marks.peak_to_peak_uv[intensity == step].mean() for step in (2.5, 4.0, 5.5)]
    assert height[0] < height[1] > height[2]


# Properties


def test_a_later_stimulus_moves_nothing_but_the_samples():
    study, _ = f_wave_study(seed=3, recording=noisy(F_RECORDING, 5.0))
    trace = study.traces[0]
    first = marked(study, "f_wave")
    padded = np.pad(trace.samples_uv, [(0, 0), (40, 0)], mode="edge")
    later = detect.mark(padded, trace.sampling_rate_hz, stimulus_ms=trace.stimulus_ms + 2.0, response="f_wave")
    assert_marks_close(later, first, fields=["outcome", "onset_ms"], tolerance={"onset_ms": 1e-6})


def test_every_sweep_may_have_a_stimulus_time_of_its_own():
    study, _ = f_wave_study(seed=3, recording=noisy(F_RECORDING, 5.0))
    trace = study.traces[0]
    first = marked(study, "f_wave")
    shift = np.arange(trace.n_sweeps) % 5
    rows = [
        np.concatenate([np.full(s, row[0]), row])[: trace.n_samples]
        for s, row in zip(shift, trace.samples_uv, strict=True)
    ]
    moved = detect.mark(
        np.stack(rows), trace.sampling_rate_hz, stimulus_ms=trace.stimulus_ms + shift / 20.0, response="f_wave"
    )
    np.testing.assert_array_equal(first.outcome, moved.outcome)
    assert np.nanmax(np.abs(first.onset_ms - moved.onset_ms)) < 0.1


@pytest.mark.parametrize("response", ["f_wave", "h_reflex"])
@pytest.mark.parametrize(
    "samples",
    [np.zeros((3, 1200)), np.full((2, 1200), np.nan), np.ones((1, 1)), np.zeros((2, 0)), np.ones((2, 30))],
    ids=["flat", "nan", "one sample", "no samples", "short"],
)
def test_what_cannot_be_marked_is_an_outcome(response, samples):
    marks = detect.mark(samples, 20_000.0, stimulus_ms=2.0, response=response)
    assert (marks.outcome == Outcome.INVALID_INPUT).all()
    assert np.isnan(marks.onset_ms).all()


def test_one_bad_sweep_does_not_spoil_the_others():
    study, truth = f_wave_study(seed=4, recording=noisy(F_RECORDING, 5.0))
    trace = study.traces[0]
    samples, stimulus = trace.samples_uv.copy(), trace.stimulus_ms.copy()
    samples[3, 100] = np.nan
    stimulus[[5, 6]] = np.nan, 4000.0
    marks = detect.mark(samples, trace.sampling_rate_hz, stimulus_ms=stimulus, response="f_wave")
    bad = np.isin(np.arange(20), (3, 5, 6))
    assert (marks.outcome[bad] == Outcome.INVALID_INPUT).all()
    np.testing.assert_array_equal(present(marks)[~bad], truth.f_waves.has_response[~bad])


def test_a_saturated_m_wave_leaves_the_f_waves():
    contamination = replace(F_RECORDING.contamination, noise_uv=5.0, rail_uv=2000.0)
    study, truth = f_wave_study(seed=5, recording=replace(F_RECORDING, contamination=contamination))
    marks = marked(study, "f_wave")
    np.testing.assert_array_equal(present(marks), truth.f_waves.has_response)
    assert not (marks.outcome == Outcome.CLIPPED).any()


def test_noise_free_waves_are_marked_where_they_are():
    study, truth = f_wave_study(seed=6, recording=replace(F_RECORDING, contamination=Contamination()))
    marks = marked(study, "f_wave")
    np.testing.assert_array_equal(present(marks), truth.f_waves.has_response)
    both = present(marks) & truth.f_waves.has_response
    assert np.median(np.abs(marks.onset_ms - truth.f_waves.onset_ms)[both]) < 0.1


def test_a_window_keeps_the_search_inside():
    study, _ = f_wave_study(seed=3, recording=noisy(F_RECORDING, 5.0))
    assert not present(marked(study, "f_wave", window_ms=(45.0, 55.0))).any()
    with pytest.raises(InvalidInputError, match="window_ms"):
        marked(study, "f_wave", window_ms=(30.0, 20.0))


def test_gain_scales_amplitudes_only():
    study, _ = f_wave_study(seed=3, unit_uv=(150.0, 300.0), recording=noisy(F_RECORDING, 5.0))
    trace = study.traces[0]
    one = marked(study, "f_wave")
    two = detect.mark(2 * trace.samples_uv, trace.sampling_rate_hz, stimulus_ms=trace.stimulus_ms, response="f_wave")
    both = present(one) & present(two)
    assert both.sum() >= 10
    np.testing.assert_allclose(two.peak_to_peak_uv[both], 2 * one.peak_to_peak_uv[both], rtol=0.1)
    assert np.median(np.abs(two.onset_ms - one.onset_ms)[both]) < 0.1


# Parts


def test_a_tail_of_exponentials_is_taken_away():
    t = np.arange(12.0, 55.0, 0.05)
    tail = 400.0 * np.exp(-(t - 12.0) / 6.0) - 150.0 * np.exp(-(t - 12.0) / 15.0) + 20.0
    size = np.linspace(0.9, 1.1, 7)
    rows = size[:, np.newaxis] * tail
    assert np.abs(without_tail(rows, t, 20.0, sizes=size)).max() < 1.0
    assert np.abs(without_tail(rows, t, 20.0, sizes=None)).max() < 1.0


def test_m_waves_are_sized_against_their_median():
    wave = 5000.0 * np.sin(np.linspace(0.0, 6.28, 200))
    size = np.array([0.9, 1.0, 1.0, 1.1, 1.05])
    np.testing.assert_allclose(m_wave_sizes(size[:, np.newaxis] * wave), size, rtol=1e-4)
    np.testing.assert_array_equal(m_wave_sizes(np.ones((4, 50))), 1.0)


@pytest.mark.parametrize("response", ["f_wave", "h_reflex"])
@pytest.mark.parametrize("stimulus_ms", [-100.0, -30.0, 190.0, 300.0])
def test_a_stimulus_without_an_m_wave_in_the_record(stimulus_ms, response):
    samples = np.random.default_rng(1).normal(size=(4, 2000))
    marks = detect.mark(samples, 10_000.0, stimulus_ms=stimulus_ms, response=response)
    assert not (marks.outcome == Outcome.FOUND).any()


def test_smoothing_is_symmetric_and_keeps_the_level():
    row = np.zeros((1, 201))
    row[0, 100] = 1.0
    z = smoothed(row, 1.0, 20.0)[0]
    np.testing.assert_allclose(z, z[::-1], atol=1e-12)
    assert z.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(smoothed(np.full((2, 50), 3.0), 1.0, 20.0), 3.0)


def test_noise_is_that_outside_the_waves():
    rng = np.random.default_rng(7)
    rows = rng.normal(0.0, 2.0, (10, 4000))
    assert noise_outside(rows, [], 20.0) == pytest.approx(2.0, rel=0.1)
