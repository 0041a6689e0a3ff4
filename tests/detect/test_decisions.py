"""The deciding kernels against their slow twins, on sweeps like those they meet and on noise."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncs import detect, simulate
from ncs.detect import _kernels as k
from ncs.detect._rise import rise_model
from tests.detect import decision_twins as slow
from tests.detect import twins
from tests.detect.test_edge import scratch

EXAMPLES = settings(deadline=None, max_examples=40, derandomize=True)
SEED = st.integers(0, 10_000)
RATE = 10.0
HALF = 2
RISE = k.Rise(*rise_model("cmap"))
N_MODES = RISE.prior_sd.shape[0]
OPTIONS = np.array([RATE, 0.6, 50.0, 0.3, 50.0, 0.02, 15.0, 25.0, 30.0])


@pytest.fixture(scope="module")
def sweeps():
    """Clear, faint and absent responses under noise, tails and mains, negative up, with their stimulus times."""
    kinds = [simulate.CONDITIONS[name] for name in ("8mV_10uV_tail", "0.3mV_10uV_tail_mains")]
    made = [kind.sweeps(40, seed=(5, n), sampling_rate_hz=1e3 * RATE) for n, kind in enumerate(kinds)]
    mixed = simulate.Contamination(noise_uv=10.0, mains_uv=(5.0, 40.0), drift_uv=50.0, tail_uv=100.0, tail_ms=1.0)
    made.append(simulate.nothing(400, seed=6, sampling_rate_hz=1e3 * RATE, stimulus_ms=(2.0, 5.0), contamination=mixed))
    pairs = [pair for s in made for pair in zip(s.samples_uv, s.stimulus_ms, strict=True)]
    return [(-row.astype(np.float64), RATE * time) for row, time in pairs]


def candidate(sweeps, seed):
    """One of the sweeps, and the places that the kernels before these have found in it; ``None`` where they stop."""
    rng = np.random.default_rng(seed)
    y, p0 = sweeps[rng.integers(len(sweeps))]
    lo, hi = int(p0 + 0.6 * RATE) + 1 + HALF, len(y)
    base = float(y[: max(int(p0) - 2, 1)].mean())
    foot, top, height = k.largest_rise(twins.running_sum(y), lo, hi, HALF, base)
    if not (height > 0 and 3 <= top < hi - 4):
        return None
    foot, summit = k.first_summit(twins.running_sum(y), lo, top, HALF, base, 0.12 * height)
    density = float(rng.uniform(20, 200))
    return y, p0, (lo, hi, foot, top, summit), base, height, density


@EXAMPLES
@given(SEED)
def test_start_edge(sweeps, seed):
    found = candidate(sweeps, seed)
    if found is None:
        return
    y, _, (lo, _, foot, _, summit), base, _, _ = found
    if not slow.mean_around(y, summit, HALF) > base:
        return
    edge = scratch()
    end = k.start_edge(twins.running_sum(y), lo, foot, summit, base, HALF, RATE, edge, RISE)
    x, weight, expected = slow.start_edge(y, lo, foot, summit, base, HALF, RATE, RISE)
    assert end == expected
    np.testing.assert_allclose(edge.x, x, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(edge.x0, x, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(edge.w0, weight, rtol=1e-9)


@EXAMPLES
@given(SEED, st.floats(-40.0, 40.0), st.floats(0.1, 10.0), st.floats(-30.0, 30.0))
def test_checked_onset(sweeps, seed, off, onset_sd, tail):
    found = candidate(sweeps, seed)
    if found is None:
        return
    y, p0, (lo, _, foot, _, summit), base, height, density = found
    edge = scratch()
    edge.x[: k.N_NUISANCE] = [base, 0.0, 3 * tail, tail, 0.0, 0.0]
    x = edge.x.copy()
    for onset in (foot + off, math.nan):
        place = (lo, foot, summit, HALF, onset, onset_sd, base, height, density, RATE)
        checked = k.checked_onset(twins.running_sum(y), edge, p0, *place)
        assert checked == pytest.approx(slow.checked_onset(y, x, p0, *place), rel=1e-6)


@EXAMPLES
@given(SEED, st.floats(0.0, 400.0) | st.just(math.nan), st.integers(0, 400), st.floats(-100.0, 100.0))
def test_floor_limit(sweeps, seed, onset, foot, base):
    y, _ = sweeps[seed % len(sweeps)]
    found = k.floor_limit(twins.running_sum(y), onset, foot, HALF, base, 4.0)
    assert found == pytest.approx(slow.floor_limit(y, onset, foot, HALF, base, 4.0), rel=1e-6)


def test_a_tail_is_not_carried_on_under_the_peak_beyond_what_the_sweep_shows_before_the_onset():
    """Few motor units: the first stands alone, and two tails of opposite sign imitated it (2.66 mV instead of 3)."""
    study, _ = simulate.cmap_scan_study(
        seed=17, population="test", n_units=(5, 20), size_spread=0.8, amplitude_uv=3000.0
    )
    trace = study.traces[0]
    strong = np.argsort(trace.stimulus.intensity_ma)[-30:]
    marks = detect.mark(trace.samples_uv[strong], trace.sampling_rate_hz, stimulus_ms=trace.stimulus_ms[strong])
    assert np.median(marks.peak_uv) == pytest.approx(3000.0, rel=0.02)


@EXAMPLES
@given(SEED, st.integers(0, 200), st.integers(0, 300), st.integers(4, 60))
def test_usual_change(sweeps, seed, before, gap, pace):
    y, _ = sweeps[seed % len(sweeps)]
    late = before + gap
    found = k.usual_change(twins.running_sum(y), before, late, len(y), HALF, pace, np.empty(k.MOST_BINS))
    assert found == pytest.approx(slow.usual_change(y, before, late, len(y), HALF, pace, k.MOST_BINS), rel=1e-6)


@EXAMPLES
@given(SEED, st.integers(20, 400), st.integers(3, 80), st.sampled_from([200.0, RATE / 0.06]), st.floats(1.0, 60.0))
def test_repeats(sweeps, seed, start, length, period, size):
    y, p0 = sweeps[seed % len(sweeps)]
    top, blank = min(start + length, len(y) - 3), int(p0) - 1
    summit = slow.mean_around(y, top, HALF)
    place = (blank, blank + 8, start, top, HALF, period, summit, size)
    assert k.repeats(twins.running_sum(y), *place) == slow.repeats(y, *place)


@given(SEED, st.floats(-2.0, 30.0))
def test_tail_doubt(seed, t_ms):
    edge = scratch()
    edge.x[:] = np.random.default_rng(seed).normal(size=edge.x.size)
    edge.x[k.P_HEIGHT] = 10.0
    found = k.tail_doubt(edge, t_ms, edge.row[k.MOST_BINS])
    assert found == pytest.approx(slow.tail_doubt(edge.x, t_ms), rel=1e-9, abs=1e-12)
    edge.x[2:4] = 0.0
    assert k.tail_doubt(edge, t_ms, edge.row[k.MOST_BINS]) == 0.0


@settings(EXAMPLES, max_examples=1000)
@given(SEED, st.floats(0.2, 2.0), st.floats(0.1, 3.0), st.floats(2.0, 15.0), st.floats(10.0, 40.0))
def test_presence(sweeps, seed, tall, loud, slowest, swing):
    found = candidate(sweeps, seed)
    if found is None:
        return
    y, p0, window, base, height, density = found
    lo, _, foot, _, summit = window
    total, edge = twins.running_sum(y), scratch()
    before = max(int(p0) - 2, 1)
    end = k.start_edge(total, lo, foot, summit, base, HALF, RATE, edge, RISE)
    quiet, count = k.fit_edge(total, lo, end, p0, 0, before, RATE, density, edge, RISE)
    x = edge.x.copy()
    gain = k.rise_gain(edge, RISE, quiet, count, N_MODES) if count else None
    edge.x[:] = x
    smooth = loud * math.sqrt(density / (2 * HALF + 1))
    numbers = (HALF, tall * height, base, smooth, RATE, slowest * RATE, swing)
    present = k.presence(edge, total, p0, window, *numbers, quiet, count, RISE)
    assert present == slow.presence(y, gain, p0, window, *numbers, k.MOST_BINS)


@settings(EXAMPLES, max_examples=120)
@given(SEED, st.floats(0.0, 60.0), st.booleans())
def test_after_peak(sweeps, seed, before, is_timed):
    found = candidate(sweeps, seed)
    if found is None:
        return
    y, p0, (_, hi, _, top, _), base, height, density = found
    onset, onset_sd = (top - before, 1.5) if is_timed else (math.nan, math.nan)
    row = np.full(k.N_OUTPUTS, math.nan)
    marks = (HALF, density, base, 2.0, onset, onset_sd, height)
    k.after_peak(y, twins.running_sum(y), p0, hi, top, *marks, OPTIONS, row)
    expected = slow.after_peak(y, p0, hi, top, *marks, RATE, OPTIONS[4])
    for column, value in expected.items():
        assert row[column] == pytest.approx(value, rel=1e-6, abs=1e-6, nan_ok=True), column


@settings(EXAMPLES, max_examples=80)
@given(SEED)
def test_positive_peak(sweeps, seed):
    found = candidate(sweeps, seed)
    if found is None:
        return
    y, p0, (_, hi, _, top, _), base, height, density = found
    row = np.full(k.N_OUTPUTS, math.nan)
    k.positive_peak(y, twins.running_sum(y), p0, hi, top, HALF, density, base, height, RATE, row)
    expected = slow.positive_peak(y, p0, hi, top, HALF, density, base, height, RATE)
    assert {c: row[c] for c in np.flatnonzero(~np.isnan(row))} == pytest.approx(expected, rel=1e-6, abs=1e-6)


@settings(EXAMPLES, max_examples=80)
@given(SEED, st.integers(2, 30), st.floats(0.0, 40.0))
def test_negative_peak(sweeps, seed, reach, floor_sd):
    found = candidate(sweeps, seed)
    if found is None:
        return
    y, p0, (_, _, _, top, _), base, height, density = found
    reach = max(2, min(reach, top, len(y) - 1 - top))
    row = np.full(k.N_OUTPUTS, math.nan)
    place = (p0, top, HALF, reach, density, base, floor_sd, height, RATE)
    k.negative_peak(y, twins.running_sum(y), *place, row)
    expected = slow.negative_peak(y, *place)
    assert {c: row[c] for c in np.flatnonzero(~np.isnan(row))} == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_every_outcome_of_presence_is_met(sweeps):
    """The comparison above would be worth little if all candidates ended alike."""
    met = set()
    for seed in range(150):
        found = candidate(sweeps, seed)
        if found is not None:
            y, p0, window, base, height, density = found
            numbers = (HALF, height, base, math.sqrt(density / (2 * HALF + 1)), RATE, 15.0 * RATE, 18.0)
            met.add(slow.presence(y, None, p0, window, *numbers, k.MOST_BINS))
    assert {k.FOUND, k.NO_RESPONSE} <= met
