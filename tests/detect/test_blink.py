"""R1 and R2: onsets against simulated truth, nothing where nothing is, and hostile sweeps."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncs import simulate
from ncs.detect import Outcome, mark
from ncs.simulate import BlinkReflex
from ncs.testing import assert_marks_close

RATE = 20_000.0
ABSENT = (Outcome.NO_RESPONSE, Outcome.INVALID_INPUT, Outcome.AT_WINDOW_EDGE)


def found(trace, response, **more):
    return mark(trace.samples_uv, trace.sampling_rate_hz, stimulus_ms=trace.stimulus_ms, response=response, **more)


def test_onsets_of_both_components():
    errors = {"r1": [], "r2": []}
    for seed in range(25):
        (near, _), (truth, _) = simulate.blink_study(seed=seed, population="test")
        for response, true in (("r1", truth.r1_ms), ("r2", truth.r2_ms)):
            marks = found(near.traces[0], response)
            assert (marks.outcome == Outcome.FOUND).mean() > 0.9
            errors[response] += list((marks.onset_ms - true)[marks.outcome == Outcome.FOUND])
    assert np.median(np.abs(errors["r1"])) < 0.05
    assert np.median(np.abs(errors["r2"])) < 0.15
    assert np.quantile(np.abs(errors["r1"]), 0.95) < 0.2
    assert np.quantile(np.abs(errors["r2"]), 0.95) < 0.5


def test_marks_of_one_sweep_are_in_order():
    (near, _), _ = simulate.blink_study(seed=4)
    for response in ("r1", "r2"):
        m = found(near.traces[0], response)
        assert (m.outcome == Outcome.FOUND).all()
        for name in ("peak_ms", "trough_ms"):
            assert (m.onset_ms <= getattr(m, name)).all()
            assert (getattr(m, name) <= m.end_ms).all()
        np.testing.assert_allclose(m.duration_ms, m.end_ms - m.onset_ms)
        np.testing.assert_allclose(m.peak_to_peak_uv, m.peak_uv - m.trough_uv)
        assert (m.area_uv_ms > 0).all()


@pytest.mark.parametrize("absent", [("r1",), ("r2_ipsilateral",), ("r1", "r2_ipsilateral")])
def test_a_component_that_does_not_come_is_not_found(absent):
    names = {"r1": "r1", "r2": "r2_ipsilateral"}
    for seed in range(8):
        (near, _), _ = simulate.blink_study(BlinkReflex(absent=absent), seed=seed)
        for response, name in names.items():
            outcomes = found(near.traces[0], response).outcome
            expected = Outcome.NO_RESPONSE if name in absent else Outcome.FOUND
            assert (outcomes == expected).mean() > 0.9, (response, absent, seed)


def test_a_long_r1_is_not_the_beginning_of_r2():
    """Activity that goes on from before the window belongs to R1."""
    for seed in range(12):
        (near, _), (truth, _) = simulate.blink_study(seed=seed, r1_ms=17.0, r2_ipsilateral_ms=40.0, population="test")
        marks = found(near.traces[0], "r2")
        seen = marks.outcome == Outcome.FOUND
        assert seen.mean() > 0.5
        assert (marks.onset_ms[seen] > truth.r2_ms[seen] - 12.0).all()


def test_a_later_sample_moves_the_onset_by_its_time():
    (near, _), _ = simulate.blink_study(seed=2)
    (trace,) = near.traces
    moved = mark(
        np.roll(trace.samples_uv, 20, axis=1), RATE, stimulus_ms=trace.stimulus_ms + 1.0, response="r2",
    )  # fmt: skip
    assert_marks_close(moved, found(trace, "r2"), fields=["onset_ms"], tolerance={"onset_ms": 0.3})


@pytest.mark.parametrize("response", ["r1", "r2"])
def test_gain_scales_voltages_and_nothing_else(response):
    (near, _), _ = simulate.blink_study(seed=5)
    (trace,) = near.traces
    one = found(trace, response)
    two = mark(2.0 * trace.samples_uv, RATE, stimulus_ms=trace.stimulus_ms, response=response)
    assert_marks_close(two, one, fields=["onset_ms"], tolerance={"onset_ms": 1e-6})
    np.testing.assert_allclose(two.peak_uv, 2 * one.peak_uv, rtol=1e-5)


def test_a_window_keeps_what_lies_outside_from_being_found():
    (near, _), _ = simulate.blink_study(seed=6)
    late = found(near.traces[0], "r1", window_ms=(60.0, 75.0)).outcome
    assert (late != Outcome.FOUND).mean() > 0.5


@pytest.mark.parametrize("y", [np.full(1000, np.nan), np.full(1000, 3.0), np.zeros(0), np.arange(8.0)])
def test_a_sweep_that_cannot_be_marked_is_an_outcome(y):
    for response in ("r1", "r2"):
        assert mark(y[np.newaxis], RATE, stimulus_ms=2.0, response=response).outcome[0] == Outcome.INVALID_INPUT


def test_noise_alone_is_no_response():
    recording = simulate.BLINK_RECORDING
    for seed in range(10):
        sweeps = simulate.nothing(
            8, seed=seed, duration_ms=110.0, stimulus_ms=10.0, contamination=recording.contamination
        )
        for response in ("r1", "r2"):
            outcomes = mark(sweeps.samples_uv, RATE, stimulus_ms=sweeps.stimulus_ms, response=response).outcome
            assert (outcomes == Outcome.NO_RESPONSE).mean() > 0.85


@settings(deadline=None, max_examples=120, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1), n=st.integers(1, 3000), stimulus_ms=st.floats(-60.0, 60.0),
    response=st.sampled_from(["r1", "r2"]), shape=st.sampled_from(["noise", "walk", "steps", "spikes", "huge", "ramp"]),
)  # fmt: skip
def test_no_sweep_whatever_makes_an_error_or_a_number_without_meaning(seed, n, stimulus_ms, response, shape):
    rng = np.random.default_rng(seed)
    y = rng.normal(0.0, 10.0, (2, n))
    if shape in {"walk", "huge"}:
        y = np.cumsum(y, axis=1) * (1e30 if shape == "huge" else 1.0)
    elif shape == "steps":
        y = np.round(np.cumsum(y, axis=1) / 100) * 100
    elif shape == "spikes":
        y[:, rng.integers(0, n, 3)] += 1e5
    elif shape == "ramp":
        y += 300.0 * np.arange(n)
    m = mark(y, RATE, stimulus_ms=stimulus_ms, response=response)
    for f in fields(m):
        assert not np.isinf(getattr(m, f.name)).any(), f.name
    timed = m.outcome == Outcome.FOUND
    assert np.isfinite(m.onset_ms[timed]).all()
    assert np.isnan(m.onset_ms[np.isin(m.outcome, ABSENT)]).all()
