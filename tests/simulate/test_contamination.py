"""What is added: its size, its spectrum, its moment."""

import numpy as np
import pytest

from ncs import simulate
from ncs.errors import InvalidInputError
from ncs.simulate import Contamination


def _added(n=200, *, rate=20_000.0, duration=50.0, seed=1, **what):
    return simulate.nothing(
        n, seed=seed, sampling_rate_hz=rate, duration_ms=duration, stimulus_ms=10.0, contamination=Contamination(**what)
    ).samples_uv.astype(float)


def _power(samples, rate):
    frequency = np.fft.rfftfreq(samples.shape[1], 1 / rate)
    return frequency, (np.abs(np.fft.rfft(samples)) ** 2).mean(axis=0)


def _band(samples, rate, low, high):
    frequency, power = _power(samples, rate)
    return power[(frequency >= low) & (frequency < high)].mean()


@pytest.mark.parametrize("rate", [2_000.0, 20_000.0, 100_000.0])
@pytest.mark.parametrize("pink", [0.0, 0.5])
def test_noise_has_the_asked_root_mean_square(rate, pink):
    noise = _added(600, rate=rate, noise_uv=10.0, pink_share=pink)
    assert np.sqrt((noise**2).mean()) == pytest.approx(10.0, rel=0.02 if pink == 0.0 else 0.06)
    assert abs(noise.mean()) < 0.5


def test_noise_is_gaussian_and_independent_between_sweeps():
    noise = _added(400, noise_uv=3.0)
    z = noise.ravel() / noise.std()
    assert (z**4).mean() == pytest.approx(3.0, abs=0.05)
    neighbours = (noise[1:] * noise[:-1]).mean() / noise.var()
    assert abs(neighbours) < 0.01


def test_noise_lies_in_the_band_of_the_amplifier():
    rate = 50_000.0
    noise = _added(200, rate=rate, duration=500.0, noise_uv=10.0, low_cut_hz=50.0, high_cut_hz=5000.0)
    middle = _band(noise, rate, 500, 2000)
    assert _band(noise, rate, 4900, 5100) == pytest.approx(middle / 2, rel=0.15)
    assert _band(noise, rate, 20_000, 25_000) < 0.01 * middle
    assert _band(noise, rate, 48, 52) == pytest.approx(middle / 2, rel=0.25)
    assert _band(noise, rate, 4, 8) < 0.05 * middle


def test_pink_noise_falls_with_frequency():
    noise = _added(200, duration=500.0, noise_uv=10.0, pink_share=1.0)
    assert _band(noise, 20_000, 90, 110) / _band(noise, 20_000, 900, 1100) == pytest.approx(10.0, rel=0.2)


def test_artefact_begins_with_the_stimulus_and_dies_away():
    added = _added(50, artefact_uv=1000.0, tail_uv=100.0, tail_ms=1.0)
    assert not added[:, :200].any()
    assert (np.abs(added[:, 200:220]).max(axis=1) > 500).all()
    assert (np.abs(added[:, 400:]) < 0.1).all()


def test_spike_is_biphasic_and_tail_is_exponential():
    spike = _added(20, artefact_uv=1000.0)
    assert (spike.max(axis=1) > 300).all()
    assert (spike.min(axis=1) < -300).all()
    tail = _added(20, tail_uv=100.0, tail_ms=2.0)
    late = np.abs(tail[:, 240:400])
    slope = np.polyfit(np.arange(160) / 20.0, np.log(late).T, 1)[0]
    np.testing.assert_allclose(slope, -0.5, rtol=1e-3)
    assert {-1.0, 1.0} == set(np.sign(tail[:, 300]))


def test_second_exponential_outlasts_the_first():
    tail = np.abs(_added(20, tail_uv=100.0, tail_ms=0.5, second_tail_share=0.3, second_tail_ms=10.0))
    np.testing.assert_allclose(tail[:, 400], 30.0 * np.exp(-1.0), rtol=1e-3)


@pytest.mark.parametrize("hertz", [50.0, 60.0, None])
def test_mains_has_its_frequency_its_size_and_any_phase(hertz):
    rate = 5000.0
    mains = _added(40, rate=rate, duration=1000.0, mains_uv=20.0, mains_hz=hertz, harmonic_share=0.2)
    spectrum = np.fft.rfft(mains) / (mains.shape[1] / 2)
    size = np.abs(spectrum)
    top = size.argmax(axis=1)
    np.testing.assert_allclose(size.max(axis=1), 20.0, rtol=1e-6)
    assert set(top) == ({50, 60} if hertz is None else {int(hertz)})
    phases = np.angle(spectrum[np.arange(40), top])
    assert phases.std() > 1.0
    np.testing.assert_allclose(size[np.arange(40), 2 * top], 4.0, rtol=1e-6)


def test_drift_changes_the_baseline_by_its_size():
    drift = _added(3000, rate=2000.0, drift_uv=50.0)
    assert (drift[:, -1] - drift[:, 0]).std() == pytest.approx(50.0, rel=0.05)
    offset = _added(3000, rate=2000.0, offset_uv=7.0)
    assert offset[:, 0].std() == pytest.approx(7.0, rel=0.05)
    np.testing.assert_array_equal(offset, np.repeat(offset[:, :1], 100, axis=1))


def test_saturation_clips_at_the_rail():
    samples = _added(20, artefact_uv=5000.0, rail_uv=300.0)
    assert samples.max() == 300.0
    assert samples.min() == -300.0


def test_converter_rounds_to_its_steps():
    samples = _added(5, noise_uv=10.0, adc_step_uv=0.5)
    np.testing.assert_array_equal(samples, np.round(samples * 2) / 2)
    assert np.unique(samples).size > 20


def test_parts_add_up_and_do_not_disturb_each_other():
    noise, tail, mains = {"noise_uv": 5.0}, {"tail_uv": (10.0, 100.0)}, {"mains_uv": (5.0, 20.0)}
    together = _added(10, **noise, **tail, **mains)
    np.testing.assert_allclose(together, _added(10, **noise) + _added(10, **tail) + _added(10, **mains), atol=1e-4)


def test_contaminants_may_be_added_to_any_sweeps():
    clean = np.linspace(-1.0, 1.0, 400).reshape(2, 200)
    added = simulate.contaminate(
        clean, sampling_rate_hz=20_000, stimulus_ms=np.zeros(2), contamination=Contamination(), seed=1
    )
    np.testing.assert_array_equal(added, clean)


def test_a_stimulus_outside_the_record_leaves_only_its_tail():
    what = Contamination(artefact_uv=1000.0, tail_uv=100.0, tail_ms=2.0)
    long_ago = simulate.nothing(3, seed=1, stimulus_ms=-3.0, contamination=what).samples_uv
    np.testing.assert_allclose(np.abs(long_ago[:, 0]), 100.0 * np.exp(-1.5), rtol=1e-3)
    not_yet = simulate.nothing(3, seed=1, stimulus_ms=80.0, contamination=what).samples_uv
    assert not not_yet.any()


def test_all_wrong_parameters_are_named_at_once():
    with pytest.raises(InvalidInputError, match=r"(?s)noise_uv.*pink_share.*rail_uv"):
        Contamination(noise_uv=-1.0, pink_share=(0.0, 2.0), rail_uv=0.0)
