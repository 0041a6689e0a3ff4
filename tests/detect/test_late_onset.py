"""The onset of a late response from the learned kinds of rise, and waves that recur, part by part."""

import numpy as np
import pytest

from ncs.detect._late_onset import BASELINE_SD, BIN_MS, CROSSING, HEIGHT_SD, crossing_60, late_rise, rise_onset
from ncs.detect._late_waves import averaged, find_waves
from ncs.detect._recurring import a_waves_removed

RATE_KHZ = 20.0
START_MS = 12.0
"""Where the crossing of 60 % lies in a made-up row."""


def row_of(rise, kind, *, height=100.0, length_ms=20.0, along=None):
    """A row that is one learned kind of rise, along one of its modes; NaN-free, and where its onset is, ms."""
    time = np.arange(round(length_ms * RATE_KHZ)) / RATE_KHZ
    mean, modes, _ = rise.at(time - START_MS)
    shape, onset = mean[kind], rise.onset_ms[kind]
    if along is not None:
        mode, size = along
        shape, onset = shape + size * modes[kind, mode], onset + size * rise.onset_modes_ms[kind, mode]
    return height * np.where(time < START_MS + rise.first_ms, 0.0, shape), START_MS + onset


def onset_of(rise, row, noise_uv, *, height=100.0, largest=100.0):
    noise = np.broadcast_to(np.asarray(noise_uv, float), row.shape)
    onset, sd = rise_onset(
        rise, row, START_MS * RATE_KHZ, height=height, largest=largest, noise_uv=noise, rate_khz=RATE_KHZ
    )
    return onset / RATE_KHZ, sd / RATE_KHZ


@pytest.mark.parametrize("response", ["f_wave", "h_reflex"])
def test_what_is_learned_is_whole(response):
    rise = late_rise(response)
    kinds, modes, times = rise.modes.shape
    assert rise.weight.shape == rise.onset_ms.shape == (kinds,)
    assert rise.weight.sum() == pytest.approx(1.0, abs=1e-5)
    assert rise.mean.shape == rise.rest.shape == (kinds, times)
    assert rise.onset_modes_ms.shape == (kinds, modes)
    assert (rise.rest > 0).all()
    assert (rise.onset_rest_ms > 0).all()
    assert (rise.onset_ms < 0).all(), "an onset comes before the crossing"
    assert np.abs(rise.at(np.zeros(1))[0] - CROSSING).max() < 0.15


@pytest.mark.parametrize("response", ["f_wave", "h_reflex"])
def test_the_onset_of_a_learned_rise_is_found(response):
    rise = late_rise(response)
    usual = int(rise.weight.argmax())
    for along in (None, (rise.modes.shape[1] - 1, 1.0), (rise.modes.shape[1] - 1, -1.0)):
        row, true = row_of(rise, usual, along=along)
        onset, sd = onset_of(rise, row, 1.0)
        assert abs(onset - true) < max(0.15, 2 * sd)
        assert sd < 0.4


def test_more_noise_makes_an_onset_less_certain_and_doubt_about_a_part_does_so_too():
    rise = late_rise("f_wave")
    row, _ = row_of(rise, int(rise.weight.argmax()))
    spread = [onset_of(rise, row, noise)[1] for noise in (1.0, 5.0, 20.0)]
    assert spread == sorted(spread)
    assert spread[2] > 1.5 * spread[0]
    doubt = np.where(np.arange(row.size) / RATE_KHZ < START_MS - 0.5, 20.0, 1.0)
    assert onset_of(rise, row, doubt)[1] > 1.2 * spread[0]


def test_stated_deviations_are_those_of_the_errors():
    """Rises drawn from what is learned, in noise: the errors over their standard deviations have a spread of one."""
    rise, rng, z = late_rise("f_wave"), np.random.default_rng(11), []
    for kind in rng.choice(rise.weight.size, 300, p=rise.weight / rise.weight.sum()):
        time = np.arange(round(20.0 * RATE_KHZ)) / RATE_KHZ
        mean, modes, rest = (part[kind] for part in rise.at(time - START_MS))
        size = rng.standard_normal(modes.shape[0])
        height = 1.0 + HEIGHT_SD * rng.standard_normal()
        row = 100.0 * (height * mean + size @ modes + rest * np.repeat(rng.standard_normal(time.size // 2), 2))
        row += BASELINE_SD * 7.0 * rng.standard_normal()
        true = START_MS + rise.onset_ms[kind] + size @ rise.onset_modes_ms[kind]
        true += rise.onset_rest_ms[kind] * rng.standard_normal()
        onset, sd = onset_of(rise, row + 7.0 * np.sqrt(BIN_MS * RATE_KHZ) * rng.standard_normal(row.size), 7.0)
        z.append((onset - true) / sd)
    assert 0.8 < np.sqrt(np.mean(np.square(z))) < 1.25
    assert 0.91 < np.mean(np.abs(z) < 1.96) < 0.99


def test_two_percent_that_stand_clear_need_no_shape():
    rise = late_rise("h_reflex")
    time = np.arange(400) / RATE_KHZ
    row = np.clip(5000.0 * (time - 10.0) / (START_MS - 10.0) * CROSSING, 0.0, None)
    onset, sd = onset_of(rise, row, 1.0, height=5000.0, largest=5000.0)
    assert onset == pytest.approx(10.0 + 0.02 / CROSSING * (START_MS - 10.0), abs=0.05)
    assert sd == pytest.approx(0.05, abs=0.01)


def test_too_little_before_the_crossing_gives_no_onset():
    rise = late_rise("f_wave")
    row, _ = row_of(rise, 0)
    short = row[round((START_MS - 0.6) * RATE_KHZ) :]
    onset, sd = rise_onset(
        rise, short, 0.6 * RATE_KHZ, height=100.0, largest=100.0, noise_uv=np.ones(short.size), rate_khz=RATE_KHZ
    )
    assert np.isnan(onset)
    assert np.isnan(sd)


def test_a_coarse_recorder_gives_the_same_onset():
    rise = late_rise("f_wave")
    row, true = row_of(rise, int(rise.weight.argmax()))
    onset, sd = rise_onset(
        rise, row[::6], START_MS * RATE_KHZ / 6, height=100.0, largest=100.0, noise_uv=np.ones(row[::6].size),
        rate_khz=RATE_KHZ / 6,
    )  # fmt: skip
    assert abs(onset / (RATE_KHZ / 6) - true) < 0.2
    assert sd / (RATE_KHZ / 6) < 0.4


def test_the_crossing_is_between_samples():
    assert crossing_60(np.array([0.0, 0.0, 0.5, 0.7, 1.0]), 4, 1.0) == pytest.approx(2.5)
    assert np.isnan(crossing_60(np.array([0.9, 1.0]), 1, 1.0))


def test_averaging_keeps_the_level_and_lowers_the_noise():
    rows = np.random.default_rng(3).normal(0.0, 4.0, (5, 4000))
    assert averaged(rows, BIN_MS, RATE_KHZ).std() == pytest.approx(4.0 / np.sqrt(2.0), rel=0.05)
    np.testing.assert_allclose(averaged(np.full((2, 30), 3.0), 0.5, RATE_KHZ), 3.0)
    np.testing.assert_allclose(averaged(rows, 0.01, RATE_KHZ), rows, atol=1e-9)


# Waves that recur

WAVE = 100.0 * np.sin(np.linspace(0.0, 2.0 * np.pi, round(6.0 * RATE_KHZ)))


def recurring(*, at_ms=8.0, spoilt=(), edge_ms=None):
    """Twelve rows of 40 ms with one wave each; in some a large wave of its own begins 4 ms later."""
    rng = np.random.default_rng(5)
    rows = rng.normal(0.0, 1.0, (12, round(40.0 * RATE_KHZ)))
    start = round((at_ms if edge_ms is None else edge_ms) * RATE_KHZ)
    rows[:, start : start + WAVE.size] += WAVE
    for k in spoilt:
        own = start + round(4.0 * RATE_KHZ)
        rows[k, own : own + WAVE.size] += (3.0 + k / 4) * WAVE[::-1]
    return rows


def removed(rows):
    noise = np.full(rows.shape[0], 1.0)
    return a_waves_removed(rows, rows, find_waves(rows, noise, RATE_KHZ), noise, RATE_KHZ)


def test_a_wave_in_every_sweep_is_taken_away():
    found = removed(recurring())
    assert found.seen.all()
    assert np.abs(found.samples_uv).max() < 10.0


def test_a_sweep_is_known_by_its_likeness_even_where_another_wave_begins_early():
    rows = recurring(spoilt=(2, 7))
    found = removed(rows)
    assert found.seen.all()
    left = found.samples_uv[2, round(8.0 * RATE_KHZ) : round(11.5 * RATE_KHZ)]
    assert np.abs(left).max() < 10.0
    own = found.samples_uv[2, round(12.0 * RATE_KHZ) : round(18.0 * RATE_KHZ)]
    np.testing.assert_allclose(own, 3.5 * WAVE[::-1], atol=15.0)


def test_a_rest_of_the_m_wave_is_taken_away_and_is_no_a_wave():
    rows = recurring(edge_ms=0.0)
    rows[:, : WAVE.size] += np.linspace(60.0, 0.0, WAVE.size)
    found = removed(rows)
    assert not found.seen.any()
    assert np.abs(found.samples_uv[:, : round(5.0 * RATE_KHZ)]).max() < 10.0
