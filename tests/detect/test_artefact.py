"""The beginning of the stimulus artefact: how often it is found, and how far off it is."""

import numpy as np
import pytest
from scipy.io import loadmat

from ncs.detect.artefact import ArtefactOutcome, find_artefacts, stimulus_artefact
from ncs.errors import InvalidInputError
from ncs.simulate import Cmap, Contamination, cmap, nothing, snap

MOTOR = Contamination(noise_uv=5.0, artefact_uv=(500.0, 3000.0), tail_uv=(20.0, 150.0), tail_ms=(0.5, 2.0))
SENSORY = Contamination(
    noise_uv=0.4, low_cut_hz=20.0, high_cut_hz=2000.0, artefact_uv=(20.0, 150.0), tail_uv=(1.0, 8.0)
)


def outcomes(found):
    return np.bincount(found.outcome, minlength=len(ArtefactOutcome))


@pytest.mark.parametrize("rate", [10_000.0, 20_000.0, 48_000.0])
def test_motor_artefacts_are_found_within_a_tenth_of_a_millisecond(rate):
    sweeps = cmap(200, seed=3, stimulus_ms=(3.0, 12.0), contamination=MOTOR, sampling_rate_hz=rate)
    found = stimulus_artefact(sweeps.samples_uv, rate)
    error = found.stimulus_ms - sweeps.stimulus_ms
    assert outcomes(found)[ArtefactOutcome.FOUND] == 200
    assert abs(np.median(error)) < 0.03
    assert np.abs(error).max() < 0.12


def test_sensory_artefacts_are_found_within_an_eighth_of_a_millisecond():
    sweeps = snap(200, seed=4, stimulus_ms=(3.0, 12.0), contamination=SENSORY)
    found = stimulus_artefact(sweeps.samples_uv, sweeps.sampling_rate_hz)
    assert outcomes(found)[ArtefactOutcome.FOUND] == 200
    assert np.abs(found.stimulus_ms - sweeps.stimulus_ms).max() < 0.125


@pytest.mark.parametrize("noise", [0.5, 5.0])
@pytest.mark.parametrize("response", ["cmap", "snap", "nothing"])
def test_a_response_or_noise_is_never_taken_for_an_artefact(response, noise):
    make = {"cmap": cmap, "snap": snap, "nothing": nothing}[response]
    sweeps = make(300, seed=6, contamination=Contamination(noise_uv=noise))
    found = stimulus_artefact(sweeps.samples_uv, sweeps.sampling_rate_hz)
    assert outcomes(found)[ArtefactOutcome.NONE] == 300
    assert np.isnan(found.stimulus_ms).all()


def test_small_artefacts_are_missed_rather_than_misplaced():
    faint = Contamination(noise_uv=5.0, artefact_uv=(60.0, 300.0), tail_uv=(5.0, 50.0), mains_uv=10.0, drift_uv=50.0)
    sweeps = cmap(200, seed=3, stimulus_ms=(3.0, 12.0), contamination=faint, response=Cmap(amplitude_uv=500.0))
    found = stimulus_artefact(sweeps.samples_uv, sweeps.sampling_rate_hz)
    assert outcomes(found)[ArtefactOutcome.FOUND] > 150
    assert np.nanmax(np.abs(found.stimulus_ms - sweeps.stimulus_ms)) < 0.35


def real_artefacts(recordings, seed=1):
    """Each real artefact after a stretch of its own quiet end, of random length; the record began at the stimulus."""
    library = loadmat(recordings / "stimulus_artefacts" / "EMG_artifacts_templib.mat")["EMG_save"][0]
    rng = np.random.default_rng(seed)
    for entry in library:
        samples = np.squeeze(entry["data"]).astype(np.float64)
        quiet = samples[-600:] - np.polyval(np.polyfit(np.arange(600), samples[-600:], 1), np.arange(600))
        lead = 440 + int(rng.integers(0, 400))
        yield np.concatenate([np.resize(np.concatenate([quiet, quiet[::-1]]), lead) + samples[0], samples]), lead


def test_real_artefacts(recordings):
    rate = 22_000.0
    errors, missed = [], 0
    for samples, lead in real_artefacts(recordings):
        found = stimulus_artefact(samples[np.newaxis], rate)
        if found.outcome[0] == ArtefactOutcome.FOUND:
            errors.append(found.stimulus_ms[0] - lead / rate * 1000)
        else:
            missed += 1
    assert missed <= 3, f"{missed} of 190"
    assert 0.0 <= np.median(errors) < 0.06, "one sample is 0.045 ms"
    assert min(errors) > -0.05
    assert max(errors) < 0.25


def test_real_responses_without_artefact_are_not_taken_for_one(recordings):
    import pandas as pd

    for name, rate in (("ExampleData2.csv", 10_000.0), ("ExampleData3.csv", 30_000.0)):
        table = pd.read_csv(recordings / "m_wave_rodent" / name)
        sweeps = [one["amplitude_mV"].to_numpy() for _, one in table.groupby(["recording_index", "channel_index"])]
        length = min(map(len, sweeps))
        found = stimulus_artefact(np.array([sweep[:length] for sweep in sweeps]) * 1000, rate)
        assert outcomes(found)[ArtefactOutcome.FOUND] == 0


def test_every_artefact_of_a_long_recording_is_found_once():
    parts = [cmap(1, seed=number, stimulus_ms=20.0, duration_ms=250.0, contamination=MOTOR) for number in range(8)]
    found = find_artefacts(np.concatenate([part.samples_uv[0] for part in parts]), 20_000.0)
    np.testing.assert_allclose(found, 20.0 + 250.0 * np.arange(8), atol=0.12)


def test_two_artefacts_in_a_sweep_leave_the_stimulus_open():
    parts = [cmap(1, seed=number, stimulus_ms=20.0, duration_ms=60.0, contamination=MOTOR) for number in range(2)]
    found = stimulus_artefact(np.concatenate([part.samples_uv for part in parts], axis=1), 20_000.0)
    assert (found.outcome[0], np.isnan(found.stimulus_ms[0])) == (ArtefactOutcome.SEVERAL, True)


def test_an_artefact_that_had_begun_before_the_record_gives_no_time():
    sweeps = cmap(20, seed=3, stimulus_ms=0.0, contamination=MOTOR)
    found = stimulus_artefact(sweeps.samples_uv, sweeps.sampling_rate_hz)
    assert set(found.outcome.tolist()) == {ArtefactOutcome.AT_START}


def test_a_shift_and_a_gain_change_nothing_else():
    sweeps = cmap(20, seed=8, stimulus_ms=10.0, contamination=MOTOR)
    known = stimulus_artefact(sweeps.samples_uv, 20_000.0).stimulus_ms
    np.testing.assert_allclose(
        stimulus_artefact(sweeps.samples_uv[:, 40:], 20_000.0).stimulus_ms, known - 2.0, atol=0.02
    )
    np.testing.assert_allclose(stimulus_artefact(sweeps.samples_uv * -4.0, 20_000.0).stimulus_ms, known, atol=1e-6)


def test_a_slow_recording_is_not_searched():
    found = stimulus_artefact(np.zeros((3, 500)), 3000.0)
    assert set(found.outcome.tolist()) == {ArtefactOutcome.TOO_SLOW}


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros(3), np.zeros(500), np.full(500, 7.5), np.full(500, np.nan)])
def test_flat_short_and_unusable_input_has_no_artefact(samples):
    assert len(find_artefacts(samples, 20_000.0)) == 0


def test_bad_arguments():
    with pytest.raises(InvalidInputError, match="n_sweeps, n_samples"):
        stimulus_artefact(np.zeros(5), 20_000.0)
    with pytest.raises(InvalidInputError, match="above 0"):
        find_artefacts(np.zeros(5), 0.0)
