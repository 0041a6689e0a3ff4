"""Simulated F waves and H reflexes: what is said to be true of them is."""

from dataclasses import replace

import numpy as np
import pytest

from ncs.errors import InvalidInputError
from ncs.model import Technique
from ncs.simulate import Contamination
from ncs.simulate.late import F_RECORDING, H_RECORDING, AWave, FWaves, HReflex, f_wave_study, h_reflex_study

CLEAN = replace(F_RECORDING, contamination=Contamination())


def test_the_same_seed_gives_the_same_study_and_another_one_does_not():
    first, second, third = (f_wave_study(seed=seed)[0].traces[0].samples_uv for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, third)


def test_f_latencies_come_from_the_velocities():
    nerve = FWaves(persistence=1.0, velocity_m_s=50.0, velocity_spread=0.2, cord_distance_mm=600.0)
    assert nerve.shortest_ms == pytest.approx(3.4 + 1.0 + 24.0)
    _, truth = f_wave_study(nerve, seed=3, recording=replace(CLEAN, n_sweeps=60))
    latency = truth.f_waves.onset_ms
    assert latency.min() > nerve.shortest_ms - 0.2
    assert latency.max() < nerve.shortest_ms + 0.2 * 24.0 + 1.5


def test_persistence_is_that_of_waves_of_40_microvolts():
    _, truth = f_wave_study(seed=4, persistence=0.5, recording=replace(CLEAN, n_sweeps=200))
    assert 0.4 < truth.persistence < 0.6
    _, small = f_wave_study(seed=4, persistence=1.0, unit_uv=(5.0, 10.0), units_per_wave=1, recording=CLEAN)
    assert small.persistence == 0.0
    assert np.isfinite(small.f_waves.onset_ms).all()


def test_the_samples_hold_what_fired():
    study, truth = f_wave_study(seed=5, persistence=0.5, recording=CLEAN)
    late = study.traces[0].samples_uv[:, 800:]
    fired = truth.fired.any(axis=1)
    assert fired.any()
    assert not fired.all()
    usual = np.median(late[~fired], axis=0)
    away = np.abs(late - usual).max(axis=1)
    assert away[fired].min() > 3 * away[~fired].max()


def test_repeats_are_one_unit_alone():
    _, truth = f_wave_study(seed=6, repeater_sweeps=5, recording=CLEAN)
    alone = truth.fired[:, 0] & (truth.fired.sum(axis=1) == 1)
    assert alone.sum() >= 5
    assert np.ptp(truth.f_waves.onset_ms[alone]) == 0.0


def test_an_a_wave_is_where_it_is_said_to_be():
    with_a, truth = f_wave_study(seed=7, a_waves=(AWave(latency_ms=20.0, share=0.6),), recording=CLEAN)
    without, _ = f_wave_study(seed=7, recording=CLEAN)
    difference = with_a.traces[0].samples_uv - without.traces[0].samples_uv
    seen = np.isfinite(truth.a_wave_onset_ms[:, 0])
    assert 0 < seen.sum() < 20
    assert np.ptp(difference[seen], axis=1) == pytest.approx(150.0, rel=0.01)
    assert not difference[~seen].any()
    assert truth.a_wave_onset_ms[seen, 0] == pytest.approx(20.0, abs=0.3)


def test_the_m_wave_has_its_latency_and_a_tail():
    study, truth = f_wave_study(seed=8, persistence=0.0, low_cut_hz=20.0, recording=CLEAN)
    assert float(truth.m_wave.onset_ms[0]) == pytest.approx(3.4)
    assert study.technique is Technique.F_WAVE
    tail = study.traces[0].samples_uv[0, 500:]
    assert np.abs(tail).max() > 20.0


def test_the_reflex_rises_and_is_cancelled_as_the_m_wave_rises():
    _, truth = h_reflex_study(seed=9, recording=replace(H_RECORDING, contamination=Contamination()))
    h, m = truth.h_reflex.peak_to_peak_uv, truth.m_wave.peak_to_peak_uv
    top = int(h.argmax())
    assert 0 < top < h.size - 1
    assert h[-1] < 0.02 * h[top]
    assert m[top] < 0.7 * m[-1]
    assert np.all(np.diff(m) > -0.05 * m.max())
    assert np.isnan(truth.h_reflex.onset_ms[h == 0.0]).all()
    large = h > 0.3 * h[top]
    assert np.all(np.abs(truth.h_reflex.onset_ms[large] - 30.5) < 2.0)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: FWaves(persistence=1.5), "persistence"),
        (lambda: FWaves(cord_distance_mm=-1.0), "cord_distance_mm"),
        (lambda: AWave(share=2.0), "share"),
        (lambda: HReflex(reflex_share=-0.1), "reflex_share"),
        (lambda: HReflex(m_threshold_ma=(0.0, 1.0)), "m_threshold_ma"),
    ],
)
def test_impossible_parameters_are_named(make, name):
    with pytest.raises(InvalidInputError, match=name):
        make()
