"""The physics: potentials against a slow twin, and the polarity rules of volume conduction."""

import numpy as np
import pytest

from ncs.simulate._fibre import MuscleFibres, NerveFibres, muscle_unit_potentials, nerve_fibre_potentials

DT_MS = 0.01


def _muscle(electrode_mm=0.0, forward_mm=20.0, backward_mm=20.0, reference_mm=1e6):
    def column(value):
        return np.full((1, 1), float(value))

    return MuscleFibres(
        velocity_m_s=column(4.0), wave_length_mm=column(1.0), depth_mm=column(5.0), end_plate_mm=column(0.0),
        forward_mm=column(forward_mm), backward_mm=column(backward_mm), electrode_mm=column(electrode_mm),
        reference_mm=column(reference_mm), anisotropy=2.0,
    )  # fmt: skip


def _vm(z):
    z = np.maximum(z, 0.0)
    return 96.0 * z**3 * np.exp(-z)


def test_nerve_potential_is_the_line_source_integral_of_the_membrane_current():
    velocity, duration, depth, passing = 55.0, 0.15, 6.0, 4.0
    column = lambda value: np.full((1, 1), float(value))
    fibres = NerveFibres(
        velocity_m_s=column(velocity), duration_ms=column(duration), depth_mm=column(depth),
        entrance_mm=column(1e5), reference_mm=column(1e6), reference_share=0.0,
    )  # fmt: skip
    ours = nerve_fibre_potentials(fibres, dt_ms=DT_MS, n_samples=1000, passing_ms=passing)[0]
    z = np.arange(-450.0, 450.0, 0.05)
    twin = []
    for t in np.arange(1000) * DT_MS:
        potential = _vm((t - passing - z / velocity) / duration)
        current = np.gradient(np.gradient(potential, z), z)
        twin.append(np.sum(current / np.hypot(z, depth)) * 0.05)
    twin = np.array(twin)
    near = slice(200, 800)
    scale = ours[near] @ twin[near] / (twin[near] @ twin[near])
    assert scale > 0
    assert np.abs(ours - scale * twin)[near].max() < 0.01 * np.abs(ours).max()


def test_muscle_potential_is_the_sum_of_moving_dipoles():
    fibres = _muscle(electrode_mm=3.0, forward_mm=15.0, backward_mm=22.0)
    ours = muscle_unit_potentials(fibres, dt_ms=DT_MS, n_samples=1200)[0]
    ds = 4.0 * DT_MS
    s = np.arange(0.0, 22.0, ds)
    across = 5.0 * np.sqrt(2.0)
    forward = np.where(s < 15.0, (3.0 - s) / ((3.0 - s) ** 2 + across**2) ** 1.5, 0.0)
    backward = (3.0 + s) / ((3.0 + s) ** 2 + across**2) ** 1.5
    twin = []
    for t in np.arange(1200) * DT_MS:
        z = np.maximum(4.0 * t - s, 0.0)
        slope = 96.0 * (3.0 * z**2 - z**3) * np.exp(-z)
        twin.append(np.sum(slope * (forward - backward)))
    np.testing.assert_allclose(ours, twin, atol=1e-3 * np.abs(ours).max())


def test_on_the_end_plate_a_unit_starts_negative_and_ends_positive():
    potential = muscle_unit_potentials(_muscle(), dt_ms=DT_MS, n_samples=2000)[0]
    large = np.flatnonzero(np.abs(potential) > 0.05 * np.abs(potential).max())
    assert potential[large[0]] < 0 < potential[large[-1]]
    assert potential[0] == pytest.approx(0.0, abs=1e-9)


def test_off_the_end_plate_a_unit_starts_positive():
    potential = muscle_unit_potentials(_muscle(electrode_mm=14.0), dt_ms=DT_MS, n_samples=2000)[0]
    large = np.flatnonzero(np.abs(potential) > 0.05 * np.abs(potential).max())
    assert potential[large[0]] > 0


def test_a_unit_is_silent_after_its_waves_have_ended():
    potential = muscle_unit_potentials(_muscle(), dt_ms=DT_MS, n_samples=2000)[0]
    gone = int((20.0 + 20.0) / 4.0 / DT_MS)
    assert np.abs(potential[gone:]).max() < 1e-4 * np.abs(potential).max()


def test_a_long_nerve_gives_a_triphasic_potential():
    column = lambda value: np.full((1, 1), float(value))
    fibres = NerveFibres(
        velocity_m_s=column(55), duration_ms=column(0.15), depth_mm=column(6), entrance_mm=column(60),
        reference_mm=column(1e6), reference_share=0.0,
    )  # fmt: skip
    potential = nerve_fibre_potentials(fibres, dt_ms=DT_MS, n_samples=1200, passing_ms=5.0)[0]
    peak = potential.argmin()
    assert potential[:peak].max() > -0.1 * potential[peak]
    assert potential[peak:].max() > -0.1 * potential[peak]
