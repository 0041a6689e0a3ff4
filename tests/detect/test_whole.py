"""The kernels that mark a whole sweep against their slow twins: what every smaller kernel found, put together."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncs import simulate
from ncs.detect import _kernels as k
from ncs.detect._rise import rise_model
from ncs.detect.response import _DIRECT, ONSET_METHODS
from tests.detect import decision_twins as slow
from tests.detect import edge_twins as edges
from tests.detect import mark_twins as whole
from tests.detect import twins
from tests.detect.test_edge import scratch

EXAMPLES = settings(deadline=None, max_examples=60, derandomize=True)
SEED = st.integers(0, 10_000)
RISES = {response: k.Rise(*rise_model(response)) for response in _DIRECT}


def sweep(seed):
    """Sweeps of every kind the kernels meet, true sign: kind of response, samples, rate in kHz, time of stimulus."""
    rng = np.random.default_rng(seed)
    response = str(rng.choice(sorted(_DIRECT)))
    rate = float(rng.choice([2.0, 5.0, 10.0, 20.0]))
    noise = float(np.exp(rng.uniform(np.log(0.5), np.log(60.0))))
    hum, tail = float(rng.choice([0.0, 20.0])), float(rng.choice([0.0, 100.0]))
    dirt = simulate.Contamination(noise_uv=noise, mains_uv=(0.0, hum), drift_uv=hum, tail_uv=tail, tail_ms=1.0)
    made = simulate.nothing(1, seed=seed, sampling_rate_hz=1e3 * rate, stimulus_ms=(0.0, 6.0), contamination=dirt)
    samples, stimulus_ms = made.samples_uv[0].astype(np.float64), float(made.stimulus_ms[0])
    after = np.arange(samples.size) / rate - stimulus_ms
    tall, wide = (3000.0, 3.0) if response == "cmap" else (20.0, 0.6)
    for _ in range(int(rng.integers(0, 3))):
        height, middle, width = rng.lognormal(np.log(tall), 1.0), rng.uniform(1.0, 15.0), wide * rng.lognormal(0, 0.3)
        u = (after - middle) / width
        samples -= height * (np.exp(-(u**2)) - rng.uniform(0, 0.5) * np.exp(-((u - 1.5) ** 2)))
    if rng.random() < 0.15:
        samples = np.clip(samples, -0.8 * abs(samples.min()), None)
    if rng.random() < 0.1:
        samples = samples[: int(rng.integers(1, samples.size))]
    return response, np.round(64 * samples) / 64, rate, stimulus_ms  # sums are exact, ties are ties


def options(response, rate, method):
    kind = _DIRECT[response]
    return np.array([
        rate, kind.blank_ms, kind.latest_ms, kind.smooth_ms, kind.peak_threshold_uv,
        ONSET_METHODS[method].parameter[response], kind.slowest_rise_ms, kind.least_uv, kind.least_swing_noise,
    ])  # fmt: skip


def same_columns(row, expected, outcome):
    for column, value in expected.items():
        assert row[column] == pytest.approx(value, rel=1e-5, abs=1e-5, nan_ok=True), (column, outcome)
    unknown = sorted(set(range(k.N_OUTPUTS)) - set(expected))
    assert np.isnan(row[unknown]).all()


@settings(EXAMPLES, max_examples=150)
@given(SEED, st.sampled_from(sorted(ONSET_METHODS)))
def test_mark_one(seed, method):
    response, samples, rate, stimulus_ms = sweep(seed)
    row, code, y, total = np.full(k.N_OUTPUTS, math.nan), np.zeros(2, np.int8), *np.empty((2, samples.size + 1))
    chosen, number, rise = options(response, rate, method), ONSET_METHODS[method].code, RISES[response]
    low, high, _ = k.load(samples, y[:-1], total)
    work = (np.empty(k.STRETCHES), scratch(), rise)
    found = k.mark_one(y[:-1], total, low, high, stimulus_ms, chosen, number, *work, row, code)
    outcome, flags, columns = whole.mark_one(y[:-1], stimulus_ms, chosen, number, rise)
    assert (found, code[1]) == (outcome, flags)
    same_columns(row, columns, outcome)


@EXAMPLES
@given(SEED, st.sampled_from(sorted(ONSET_METHODS)), st.floats(0.3, 3.0), st.floats(0.3, 3.0))
def test_measure_response(seed, method, tall, loud):
    """The same fits, judged by a height and a noise that are not theirs."""
    response, samples, rate, stimulus_ms = sweep(seed)
    y, total, low, high, _ = twins.load(samples)
    p0, n, rise, chosen = stimulus_ms * rate, y.size, RISES[response], options(response, rate, method)
    half = max(1, int(0.5 * chosen[3] * rate))
    lo, hi, before = int(p0 + chosen[1] * rate) + 1 + half, n, max(int(p0 - 0.15 * rate), 1)
    if hi - lo < 4 * half + 8:
        return
    base, density = float(y[:before].mean()), 4.0 * loud
    foot, top, height = twins.largest_rise(y, lo, hi, half, base)
    foot, summit = twins.first_summit(y, lo, top, half, base, 0.12 * height * tall)
    if not (3 <= top < n - 3 and slow.mean_around(y, summit, half) > base):
        return
    edge, window = scratch(), (lo, hi, foot, top, summit)
    end = k.start_edge(total, lo, foot, summit, base, half, rate, edge, rise)
    quiet, count = k.fit_edge(total, lo, end, p0, 0, before, rate, density, edge, rise)
    x, w0, end = slow.start_edge(y, lo, foot, summit, base, half, rate, rise)
    start = [part[: k.P_MODES + rise.prior_sd.size] for part in (x, x, w0)]
    fit = edges.fit_edge(y, lo, end, p0, 0, before, rate, density, start, rise)
    row, code, number = np.full(k.N_OUTPUTS, math.nan), np.zeros(2, np.int8), ONSET_METHODS[method].code
    found = k.measure_response(
        y, total, low, high, p0, window, base, half, density, density, quiet, count, chosen, number, edge, rise,
        row, code,
    )  # fmt: skip
    outcome, flags, columns = whole.measure_response(
        y, p0, window, base, half, density, density, fit, chosen, number, rise
    )
    assert (found, code[1]) == (outcome, flags)
    same_columns(row, columns, outcome)


@settings(EXAMPLES, max_examples=20)
@given(SEED, st.integers(1, 4), st.sampled_from([np.float32, np.float64]), st.sampled_from([None, 0, -1]))
def test_mark_sweeps(seed, n_sweeps, dtype, broken):
    response, samples, rate, stimulus_ms = sweep(seed)
    rng = np.random.default_rng(seed)
    rows = (samples + rng.normal(0, 1, (n_sweeps, samples.size))).astype(dtype)
    times = np.full(n_sweeps, stimulus_ms)
    if broken is not None:
        rows[broken, rng.integers(samples.size)] = rng.choice([math.nan, math.inf, -math.inf])
        times[0] = rng.choice([math.nan, stimulus_ms])
    out, codes = np.empty((n_sweeps, k.N_OUTPUTS)), np.full((n_sweeps, 2), 77, np.int8)
    chosen = options(response, rate, "changepoint")
    k.mark_sweeps(rows, times, chosen, k.METHOD_CHANGEPOINT, *RISES[response], out, codes)
    expected, expected_codes = whole.mark_sweeps(rows, times, chosen, k.METHOD_CHANGEPOINT, RISES[response])
    np.testing.assert_array_equal(codes, expected_codes)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)


def test_every_outcome_is_met():
    """The comparisons above would be worth little if all sweeps ended alike."""
    met, flags = set(), 0
    for seed in range(400):
        response, samples, rate, stimulus_ms = sweep(seed)
        out, codes = np.empty((1, k.N_OUTPUTS)), np.zeros((1, 2), np.int8)
        chosen = options(response, rate, "changepoint")
        k.mark_sweeps(samples[None], np.array([stimulus_ms]), chosen, 0, *RISES[response], out, codes)
        met.add(int(codes[0, 0]))
        flags |= int(codes[0, 1])
    assert met == {k.FOUND, k.NO_RESPONSE, k.CLIPPED, k.AT_WINDOW_EDGE, k.TOO_NOISY, k.INVALID_INPUT}
    assert flags == k.INITIAL_POSITIVITY | k.NO_BASELINE | k.MULTIPLE_PEAKS
