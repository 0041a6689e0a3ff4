"""Onsets against each other: sweeps of one stimulus, and named rules."""

import numpy as np
import pytest

from ncs import simulate
from ncs.detect import ONSET_METHODS, mark
from ncs.detect.ensemble import REVIEW_METHODS, method_spread, onset_spread
from ncs.errors import InvalidInputError
from ncs.simulate import CONDITIONS, Cmap, Contamination, Snap

RATE_HZ = 20_000.0


def repeated(n_sweeps: int, *, noise_uv: float, seed: int, jitter_ms: float = 0.0) -> np.ndarray:
    """One CMAP again and again; ``jitter_ms`` moves it by that standard deviation."""
    rng = np.random.default_rng(seed)
    y = simulate.cmap(1, seed=seed, response=Cmap(amplitude_uv=5000.0)).clean_uv[0].astype(float)
    at = np.arange(y.size)
    moved = np.stack([np.interp(at - shift, at, y) for shift in rng.normal(0.0, jitter_ms * 20.0, n_sweeps)])
    return moved + rng.normal(0.0, noise_uv, moved.shape)


# Between sweeps


@pytest.mark.campaign
def test_sweeps_that_differ_by_noise_alone_stay_within_their_stated_deviations():
    found = [
        onset_spread(mark(repeated(20, noise_uv=noise, seed=seed), RATE_HZ, stimulus_ms=3.0))
        for noise in (10.0, 50.0)
        for seed in range(30)
    ]
    assert all(spread is not None for spread in found)
    assert sum(spread.exceeds for spread in found) <= 2
    assert np.median([spread.ratio for spread in found]) < 1.0


def test_onsets_that_move_from_sweep_to_sweep_are_found_out():
    found = [
        onset_spread(mark(repeated(20, noise_uv=10.0, seed=seed, jitter_ms=0.2), RATE_HZ, stimulus_ms=3.0))
        for seed in range(20)
    ]
    assert sum(spread.exceeds for spread in found) == 20
    assert np.median([spread.spread_ms for spread in found]) == pytest.approx(0.19, abs=0.04)


def test_the_stated_uncertainty_of_the_ratio_is_that_of_chance():
    rng = np.random.default_rng(3)
    marks = mark(repeated(8, noise_uv=10.0, seed=1), RATE_HZ, stimulus_ms=3.0)
    for n in (8, 30, 100):
        chance = 0
        logs = []
        index = np.resize(np.arange(8), n)
        for _ in range(400):
            onsets = rng.normal(4.0, 0.1, n)
            drawn = type(marks)(**{name: getattr(marks, name)[index] for name in marks.__dataclass_fields__})
            object.__setattr__(drawn, "onset_ms", onsets)
            object.__setattr__(drawn, "onset_sd_ms", np.full(n, 0.1))
            spread = onset_spread(drawn)
            chance += spread.exceeds
            logs.append(np.log(spread.ratio))
        assert np.std(logs) == pytest.approx(spread.ratio_sd, rel=0.15)
        assert chance <= 4


def test_a_spread_smaller_than_the_jitter_of_a_nerve_is_no_finding():
    found = onset_spread(mark(repeated(20, noise_uv=0.5, seed=2, jitter_ms=0.01), RATE_HZ, stimulus_ms=3.0))
    assert found.spread_ms < 0.02
    assert not found.exceeds


def test_few_sweeps_say_nothing():
    marks = mark(repeated(12, noise_uv=10.0, seed=4), RATE_HZ, stimulus_ms=3.0)
    assert onset_spread(marks, [0, 1, 2, 3, 4]) is None
    assert onset_spread(marks, range(6)).n_sweeps == 6
    assert onset_spread(mark(np.zeros((10, 1000)), RATE_HZ, stimulus_ms=3.0)) is None


def test_real_m_waves_of_one_stimulus_agree_and_upside_down_they_do_not(recordings):
    path = recordings / "m_wave_rodent" / "ExampleData3.csv"
    if not path.is_file():
        pytest.skip(f"no {path}")
    import pandas as pd

    table = pd.read_csv(path)
    wide = table.pivot_table(index="stimulus_V", columns="time_point", values="amplitude_mV", aggfunc="first")
    strongest = 1000.0 * wide.to_numpy()[-15:]
    right = onset_spread(mark(strongest, 30_000.0, stimulus_ms=-float(wide.columns[0])))
    assert right.n_sweeps == 15
    assert right.spread_ms < 0.02
    assert not right.exceeds
    agreement = method_spread(strongest, 30_000.0, stimulus_ms=-float(wide.columns[0]))
    assert not agreement.disagree.any()


# Between rules


def deviations(condition: str, n: int = 300):
    sweeps = CONDITIONS[condition].sweeps(n, seed=21, population="test")
    found = method_spread(sweeps.samples_uv, RATE_HZ, stimulus_ms=sweeps.stimulus_ms)
    onset = mark(sweeps.samples_uv, RATE_HZ, stimulus_ms=sweeps.stimulus_ms).onset_ms
    return found, onset - sweeps.truth.onset_ms - sweeps.trigger_error_ms


@pytest.mark.campaign
@pytest.mark.parametrize("condition", CONDITIONS)
def test_good_onsets_are_seldom_called_into_question(condition):
    found, error = deviations(condition)
    good = np.abs(error) < 0.25
    assert good.sum() > 200
    assert found.disagree[good].mean() < 0.03


@pytest.mark.campaign
def test_without_their_definitions_the_rules_differ_by_little():
    found, _ = deviations("8mV_10uV")
    raw = found.onset_ms[:, :] - np.nanmedian(found.onset_ms, axis=0)
    freed = found.onset_ms - found.shift_ms - found.centre_ms
    assert np.nanmedian(np.abs(freed)) < 0.2 * np.nanmedian(np.abs(raw))
    assert np.nanmedian(np.abs(found.deviation_ms)) < 0.03
    assert np.nanmedian(found.spread_ms) < 0.05


@pytest.mark.campaign
def test_an_onset_that_is_wrong_by_half_of_the_rise_is_called_into_question():
    """The default rule looks where the window lets it; the others walk back from the peak."""
    sweeps = simulate.cmap(
        200, seed=5, response=Cmap(amplitude_uv=4000.0, two_peaked=True), contamination=Contamination(noise_uv=10.0)
    )
    found = method_spread(sweeps.samples_uv, RATE_HZ, stimulus_ms=sweeps.stimulus_ms)
    marks = mark(sweeps.samples_uv, RATE_HZ, stimulus_ms=sweeps.stimulus_ms)
    rules_at_another_peak = np.abs(found.deviation_ms) > 1.0
    assert rules_at_another_peak.sum() > 20
    assert found.disagree[rules_at_another_peak].all()
    assert (marks.flags[rules_at_another_peak] & 8 != 0).all()


@pytest.mark.campaign
@pytest.mark.parametrize(("response", "make", "kind"), [("cmap", simulate.cmap, Cmap), ("snap", simulate.snap, Snap)])
def test_the_shifts_of_the_rules_are_those_of_simulated_responses(response, make, kind):
    for amplitude, noise in ((4000.0, 10.0), (800.0, 10.0)) if response == "cmap" else ((60.0, 0.4), (20.0, 0.4)):
        band = {"low_cut_hz": 20.0, "high_cut_hz": 2000.0} if response == "snap" else {}
        sweeps = make(
            300, seed=9, response=kind(amplitude_uv=amplitude), contamination=Contamination(noise_uv=noise, **band)
        )
        found = method_spread(sweeps.samples_uv, RATE_HZ, stimulus_ms=sweeps.stimulus_ms, response=response)
        rise = sweeps.truth.peak_ms - sweeps.truth.onset_ms
        shares = np.nanmedian((found.onset_ms - sweeps.truth.onset_ms) / rise, axis=1)
        stated = np.nanmedian(found.shift_ms / rise, axis=1)
        assert shares == pytest.approx(stated, abs=0.05)


def test_nothing_is_said_where_nothing_was_found():
    found = method_spread(np.random.default_rng(1).normal(0.0, 5.0, (3, 1000)), RATE_HZ, stimulus_ms=3.0)
    assert not found.disagree.any()
    assert np.isnan(found.deviation_ms).all()
    assert found.onset_ms.shape == (len(REVIEW_METHODS), 3)


@pytest.mark.parametrize("methods", [("sd",), ("sd", "sd", "aic"), ("sd", "aic", "by eye")])
def test_too_few_or_unknown_rules_are_refused(methods):
    with pytest.raises(InvalidInputError, match="method"):
        method_spread(np.zeros((1, 100)), RATE_HZ, stimulus_ms=1.0, methods=methods)


def test_a_response_without_known_shifts_is_refused():
    with pytest.raises(InvalidInputError, match="response: expected one of cmap, snap"):
        method_spread(np.zeros((1, 100)), RATE_HZ, stimulus_ms=1.0, response="f_wave")


def test_every_published_rule_can_take_part():
    sweeps = CONDITIONS["8mV_10uV"].sweeps(20, seed=2)
    names = tuple(name for name in ONSET_METHODS if name != "changepoint")
    found = method_spread(sweeps.samples_uv, RATE_HZ, stimulus_ms=sweeps.stimulus_ms, methods=names)
    assert np.isfinite(found.onset_ms).all()
    assert np.isfinite(found.shift_ms).all()
