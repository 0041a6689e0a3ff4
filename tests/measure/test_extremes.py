"""Shortest and longest of many uncertain latencies, against what was drawn."""

import numpy as np
import pytest

from ncs.measure._extremes import extremes_of


def drawn(seed, *, n=16, sd=0.3):
    """True latencies between 26 and 30 ms, and the same with errors."""
    rng = np.random.default_rng(seed)
    true = 26.0 + 4.0 * rng.beta(2.0, 2.0, n)
    return true, true + sd * rng.standard_normal(n), np.full(n, sd)


def test_the_shortest_of_many_noisy_values_is_not_too_short():
    plain, ours, z = [], [], []
    for seed in range(200):
        true, value, sd = drawn(seed)
        found = extremes_of(value, sd)
        plain.append(value.min() - true.min())
        ours.append(found.shortest - true.min())
        z += [(found.shortest - true.min()) / found.shortest_sd, (found.longest - true.max()) / found.longest_sd]
    assert np.mean(plain) < -0.1
    assert abs(np.mean(ours)) < 0.75 * abs(np.mean(plain))
    assert np.sqrt(np.mean(np.square(ours))) < 0.95 * np.sqrt(np.mean(np.square(plain)))
    assert 0.7 < np.sqrt(np.mean(np.square(z))) < 1.2


def test_what_is_known_well_is_left_as_it_is():
    _, value, sd = drawn(1, sd=0.03)
    found = extremes_of(value, sd)
    assert found.shortest == pytest.approx(value.min(), abs=0.03)
    assert found.longest == pytest.approx(value.max(), abs=0.03)
    assert found.shortest_sd < 0.05


def test_later_values_give_later_extremes_and_mirrored_ones_the_other():
    _, value, sd = drawn(2)
    found, later = extremes_of(value, sd), extremes_of(value + 10.0, sd)
    assert later.shortest - found.shortest == pytest.approx(10.0, abs=1e-3)
    assert later.longest - found.longest == pytest.approx(10.0, abs=1e-3)
    mirrored = extremes_of(-value, sd)
    assert mirrored.shortest == pytest.approx(-found.longest, abs=0.05)
    assert mirrored.shortest_sd == pytest.approx(found.longest_sd, abs=0.02)


def test_one_value_is_both_extremes():
    found = extremes_of(np.array([27.0]), np.array([0.2]))
    assert found.shortest == pytest.approx(27.0, abs=0.02)
    assert found.longest == pytest.approx(27.0, abs=0.02)
    assert 0.15 < found.shortest_sd <= 0.21


def test_a_value_far_from_all_others_is_the_extreme():
    value = np.array([20.0, 27.0, 27.5, 28.0, 90.0])
    found = extremes_of(value, np.full(5, 0.1))
    assert found.shortest == pytest.approx(20.0, abs=0.1)
    assert found.longest == pytest.approx(90.0, abs=0.1)


def test_without_any_standard_deviation_the_values_stand():
    found = extremes_of(np.array([27.0, 25.0]), np.full(2, np.nan))
    assert (found.shortest, found.longest) == (25.0, 27.0)
    assert np.isnan(found.shortest_sd)
    assert np.isnan(found.longest_sd)
