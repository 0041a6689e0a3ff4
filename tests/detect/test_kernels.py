"""Every small kernel equals its slow twin, at the edges of the sweep too.

Samples are whole numbers, so that sums are exact and ties are common.
"""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ncs.detect import ONSET_METHODS
from ncs.detect import _kernels as k
from tests.detect import edge_twins, twins

EXAMPLES = settings(deadline=None, max_examples=60, derandomize=True)

SAMPLES = st.lists(st.integers(-9, 9), min_size=1, max_size=60).map(lambda v: np.array(v, np.float64))
LEVEL = st.integers(-20, 20).map(lambda v: v / 2)
HALF = st.integers(0, 6)
SEED = st.integers(0, 2**32 - 1)


def assert_same(found, expected, **tolerance):
    assert found == pytest.approx(expected, nan_ok=True, **({"rel": 1e-9, "abs": 1e-9} | tolerance))


@st.composite
def spans(draw, least=1):
    """A sweep, and two positions in it in ascending order."""
    y = draw(SAMPLES.filter(lambda v: v.size >= least))
    lo, hi = sorted((draw(st.integers(0, y.size - 1)), draw(st.integers(0, y.size - 1))))
    return y, lo, hi


def walk(seed, n):
    """A sweep without ties."""
    return np.cumsum(np.random.default_rng(seed).normal(size=n))


# Onset rules


@EXAMPLES
@given(spans(), LEVEL)
def test_last_crossing(span, level):
    assert_same(k.last_crossing(*span, level), twins.last_crossing(*span, level))


@EXAMPLES
@given(spans(), LEVEL, st.integers(1, 8))
def test_sd_crossing(span, level, hold):
    assert_same(k.sd_crossing(*span, level, hold), twins.sd_crossing(*span, level, hold))


@EXAMPLES
@given(spans(), LEVEL, st.integers(1, 6))
def test_tangent_foot(span, base, half):
    assert_same(k.tangent_foot(*span, base, half), twins.tangent_foot(*span, base, half))


@EXAMPLES
@given(SEED, st.integers(1, 80), st.data(), st.integers(2, 6))
def test_curvature_peak(seed, n, data, half):
    y = walk(seed, n)
    lo, peak = sorted((data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, n - 1))))
    assert_same(k.curvature_peak(y, lo, peak, half), twins.curvature_peak(y, lo, peak, half), abs=1e-6)


def test_curvature_peak_uses_the_second_derivative_of_a_savitzky_golay_filter_of_order_three():
    from scipy.signal import savgol_filter

    y = walk(3, 200) + np.linspace(0, 100, 200)
    bend = savgol_filter(y, 21, 3, deriv=2)
    slope = savgol_filter(y, 21, 2, deriv=1)
    steepest = 20 + slope[20:180].argmax()
    expected = 20 + bend[20 : steepest + 1].argmax()
    assert k.curvature_peak(y, 20, 179, 10) == pytest.approx(expected, abs=0.5)


@EXAMPLES
@given(*[st.floats(-1e6, 1e6)] * 3)
def test_parabola_offset_stays_within_half_a_sample(left, middle, right):
    assert abs(k.parabola_offset(left, middle, right)) <= 0.5


@EXAMPLES
@given(*[st.integers(-1000, 1000)] * 3)
def test_parabola_offset(left, middle, right):
    assert_same(k.parabola_offset(float(left), float(middle), float(right)), twins.parabola_offset(left, middle, right))


@EXAMPLES
@given(spans(), st.integers(0, 10))
def test_rising_run(span, shortest):
    assert_same(k.rising_run(*span, shortest), twins.rising_run(*span, shortest))


@EXAMPLES
@given(SEED, st.integers(1, 80), st.floats(-1e4, 1e4))
def test_aic_minimum(seed, n, offset):
    y = np.random.default_rng(seed).normal(size=n) * np.where(np.arange(n) < n // 2, 1.0, 6.0) + offset
    lo = n // 7
    assert_same(k.aic_minimum(y, lo, n - 1), twins.aic_minimum(y, lo, n - 1))


def test_aic_minimum_of_a_flat_stretch_is_nothing():
    assert math.isnan(k.aic_minimum(np.full(50, 3.0), 2, 40))


@EXAMPLES
@given(SEED, st.integers(20, 200), st.integers(2, 30), st.floats(0.1, 1e5))
def test_aic_minimum_is_not_drawn_to_the_plateau_of_a_clipped_peak(seed, n, flat, height):
    """The variance of equal samples came out of the running sums as 1e-13 instead of 0, and won."""
    y = np.r_[np.random.default_rng(seed).normal(size=n), height * np.linspace(0.05, 1, 20), np.full(flat, height)]
    found = k.aic_minimum(y, 0, y.size - 1)
    assert_same(found, twins.aic_minimum(y, 0, y.size - 1))
    assert found < n + 19


# Loading and averaging


@EXAMPLES
@given(SAMPLES, st.sampled_from([np.float32, np.float64]))
def test_load(samples, dtype):
    y, total = np.empty(samples.size), np.empty(samples.size + 1)
    low, high, finite = k.load(samples.astype(dtype), y, total)
    expected = twins.load(samples.astype(dtype))
    np.testing.assert_array_equal(y, expected[0])
    np.testing.assert_array_equal(total, expected[1])
    assert (low, high, finite) == expected[2:] == ((-samples).min(), (-samples).max(), True)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", [0, 4, 9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_load_finds_what_is_not_finite(bad, where, dtype):
    samples = np.arange(10, dtype=dtype)
    samples[where] = bad
    assert not k.load(samples, np.empty(10), np.empty(11))[2]


def test_load_of_both_infinities_is_not_finite():
    assert not k.load(np.array([math.inf, 1.0, -math.inf]), np.empty(3), np.empty(4))[2]


@EXAMPLES
@given(SAMPLES, st.integers(-80, 80), st.integers(-80, 80))
def test_box_mean_with_any_limits(y, first, last):
    assert_same(k.box_mean(twins.running_sum(y), first, last), twins.box_mean(y, first, last))


@EXAMPLES
@given(SAMPLES.filter(lambda v: v.size >= 8), st.integers(2, 7), st.floats(0.0, 1.0))
def test_level_at_end(y, width, share):
    hi = width + int(share * (y.size - width))
    assert_same(k.level_at_end(twins.running_sum(y), hi, width), twins.level_at_end(y, hi, width))


def test_the_level_at_the_end_is_not_taken_in_the_middle_of_a_response():
    y = np.r_[np.zeros(40), np.linspace(0.0, 500.0, 40), np.zeros(40)]
    assert k.level_at_end(twins.running_sum(y), 70, 10) == 0.0
    assert k.level_at_end(twins.running_sum(y[::-1]), 20, 10) == 0.0


# Noise


@EXAMPLES
@given(spans(), st.integers(1, 5), st.integers(1, 8))
def test_bend_noise(span, width, lag):
    y, first, last = span
    assert_same(
        k.bend_noise(twins.running_sum(y), first, last, width, lag), twins.bend_noise(y, first, last, width, lag)
    )


@EXAMPLES
@given(spans(least=3), st.integers(1, 5), st.integers(1, 8))
def test_second_difference(span, width, lag):
    y, i, _ = span
    i = min(i, y.size - 2 * lag - width)
    if i >= 0:
        found = k.second_difference(twins.running_sum(y), i, width, lag)
        assert_same(found, twins.second_difference(y, i, width, lag))


@EXAMPLES
@given(SEED, st.integers(1, 900), st.data(), st.floats(0.5, 50.0))
def test_noise_density(seed, n, data, rate):
    y = walk(seed, n)
    skip = sorted((data.draw(st.integers(-10, n + 10)), data.draw(st.integers(-10, n + 10))))
    found = k.noise_density(twins.running_sum(y), *skip, rate, np.empty(k.STRETCHES))
    assert_same(found, twins.noise_density(y, *skip, rate), rel=1e-6)


@EXAMPLES
@given(
    SEED, st.integers(1, 400), st.data(), st.tuples(st.integers(1, 5), st.integers(1, 8), st.integers(1, 16)),
    st.floats(0.0, 1.0),
)  # fmt: skip
def test_quiet_level(seed, n, data, cut, rank):
    width, lag, pieces = cut
    y = walk(seed, n)
    skip = sorted((data.draw(st.integers(-10, n + 10)), data.draw(st.integers(-10, n + 10))))
    room = np.empty(k.STRETCHES)
    found = k.quiet_level(twins.running_sum(y), *skip, width, lag, pieces, rank, room)
    assert_same(found, twins.quiet_level(y, *skip, width, lag, pieces, rank), rel=1e-6)


@pytest.mark.parametrize(("rate_khz", "tolerance"), [(2.0, 0.45), (10.0, 0.25), (20.0, 0.25), (100.0, 0.25)])
def test_noise_density_of_white_noise_is_its_variance(rate_khz, tolerance):
    rng = np.random.default_rng(0)
    found = [
        k.noise_density(twins.running_sum(rng.normal(0, 3.0, int(50 * rate_khz))), 0, 0, rate_khz, np.empty(16))
        for _ in range(100)
    ]
    assert np.median(found, axis=0) == pytest.approx([9.0, 9.0], rel=tolerance)


def test_noise_density_counts_correlated_noise_as_it_weighs_in_means():
    rng = np.random.default_rng(1)
    found = []
    for _ in range(60):
        correlated = np.convolve(rng.normal(0, 1.0, 2005), np.ones(6) / 6, "valid")
        found.append(k.noise_density(twins.running_sum(correlated), 0, 0, 40.0, np.empty(16)))
    variance, density = np.median(found, axis=0)
    assert variance == pytest.approx(1 / 6, rel=0.4)
    assert density == pytest.approx(1.0, rel=0.4)


@pytest.mark.parametrize("n", [1, 2, 5, 10, 20])
def test_noise_of_too_few_samples_is_not_a_number_but_never_an_error(n):
    variance, density = k.noise_density(np.zeros(n + 1), 0, 0, 20.0, np.empty(16))
    assert math.isnan(variance) or variance == 0
    assert math.isnan(density) or density == 0


# Shape of the smoothed sweep


@EXAMPLES
@given(spans(), HALF, LEVEL)
def test_largest_rise(span, half, base):
    y, lo, hi = span
    found = k.largest_rise(twins.running_sum(y), lo, hi, half, base)
    assert_same(found, twins.largest_rise(y, lo, hi, half, base))


@EXAMPLES
@given(SAMPLES, st.floats(1e-6, 1e4), st.floats(1e-9, 1.0))
def test_step_noise(y, density, least):
    assert k.step_noise(y, density, least) == twins.step_noise(y, density, least)


@EXAMPLES
@given(spans(), HALF)
def test_lowest_between(span, half):
    y, lo, last = span
    assert k.lowest_between(twins.running_sum(y), lo, last, half) == twins.lowest_between(y, lo, last, half)


@EXAMPLES
@given(spans(), HALF, LEVEL, st.integers(0, 30))
def test_stays_high(span, half, level, longest):
    y, top, hi = span
    found = k.stays_high(twins.running_sum(y), top, hi, half, level, longest)
    assert found == twins.stays_high(y, top, hi, half, level, longest)


@EXAMPLES
@given(spans(), HALF, LEVEL, st.integers(1, 10))
def test_first_summit(span, half, base, least):
    y, lo, top = span
    found = k.first_summit(twins.running_sum(y), lo, top, half, base, least)
    assert found == twins.first_summit(y, lo, top, half, base, least)


@EXAMPLES
@given(spans(), HALF, LEVEL)
def test_fall_back(span, half, level):
    y, foot, start = span
    found = k.fall_back(twins.running_sum(y), foot, start, half, level)
    assert_same(found, twins.fall_back(y, foot, start, half, level))
    assert foot <= found <= start


@EXAMPLES
@given(spans(), HALF, LEVEL)
def test_falling_crossing(span, half, level):
    y, start, hi = span
    found = k.falling_crossing(twins.running_sum(y), start, hi, half, level)
    assert_same(found, twins.falling_crossing(y, start, hi, half, level))
    assert math.isnan(found) or start <= found <= max(hi, start)


@EXAMPLES
@given(spans(), st.floats(0.0, 0.99), HALF, st.tuples(LEVEL, st.integers(1, 6)), st.integers(0, 30))
def test_last_return(span, part, half, levels, gap):
    y, end, hi = span
    base, threshold = levels
    found = k.last_return(twins.running_sum(y), end + part, hi, half, base, threshold, gap)
    assert_same(found, twins.last_return(y, end + part, hi, half, base, threshold, gap))


@EXAMPLES
@given(spans(), HALF)
def test_falls_before(span, half):
    y, lo, foot = span
    found = k.falls_before(twins.running_sum(y), lo, foot, half)
    assert_same(found, twins.falls_before(y, lo, foot, half))
    assert found >= 0


@EXAMPLES
@given(spans(least=2), st.integers(-90, 90), HALF, st.booleans())
def test_ringing_end(span, until, half, to_the_end):
    y, lo, hi = span
    lo, hi = max(lo, half), y.size if to_the_end else hi
    assert k.ringing_end(y, lo, min(until, hi), hi, half) == twins.ringing_end(y, lo, min(until, hi), hi, half)


@EXAMPLES
@given(spans(), HALF, LEVEL, st.floats(0.01, 5.0))
def test_a_crossing_has_the_spread_that_noise_and_slope_give_it(span, half, level, density):
    y, foot, top = span
    found = k.crossing_with_sd(twins.running_sum(y), foot, top, half, level, density)
    assert_same(found, twins.crossing_with_sd(y, foot, top, half, level, density))


@EXAMPLES
@given(SAMPLES, st.data(), HALF, LEVEL, st.integers(0, 70))
def test_width_above(y, data, half, level, most):
    at = data.draw(st.integers(0, y.size - 1))
    assert k.width_above(twins.running_sum(y), at, half, level, most) == twins.width_above(y, at, half, level, most)


@EXAMPLES
@given(
    st.lists(st.sampled_from([-2.0, 1.0, 1.999, 2.0, 2.0, 2.0]), min_size=1, max_size=25).map(np.array),
    st.data(),
    st.sampled_from([0.0, 0.05, 4.0]),
    st.sampled_from([2.0, 20.0]),
)
def test_is_clipped(y, data, amplitude, rate):
    around = data.draw(st.integers(0, y.size - 1))
    found = k.is_clipped(y, y.min(), y.max(), around, amplitude, rate)
    assert found == twins.is_clipped(y, around, amplitude, rate)


@EXAMPLES
@given(SAMPLES, st.data(), HALF, st.sampled_from([-1.0, 1.0]))
def test_extreme_sample(y, data, half, sign):
    at = data.draw(st.integers(0, y.size - 1))
    assert k.extreme_sample(y, at, half, sign) == twins.extreme_sample(y, at, half, sign)


@EXAMPLES
@given(SAMPLES, st.floats(-5.0, 65.0), st.floats(-5.0, 65.0))
def test_area_between(y, one, other):
    onset, end = sorted((one, other))
    found = k.area_between(twins.running_sum(y), onset, end, y.size)
    assert_same(found, twins.area_between(y, onset, end), abs=1e-6)


def test_area_of_a_known_shape():
    t = np.arange(400) / 100
    assert k.area_between(twins.running_sum(np.sin(t)), 0.0, 100 * math.pi, 400) / 100 == pytest.approx(2.0, abs=1e-4)


# Rules


@settings(EXAMPLES, max_examples=200)
@given(SEED, st.integers(20, 200), st.data(), st.sampled_from(sorted(m.code for m in ONSET_METHODS.values())))
def test_rule_onset(seed, n, data, method):
    y, rng = walk(seed, n), np.random.default_rng(seed)
    lo, peak = sorted((data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, n - 1))))
    method = method or k.METHOD_AIC  # code 0 is no rule
    place = (lo, peak, y[lo], rng.uniform(0.1, 2), y[peak] - y[lo], rng.uniform(0.5, 40), rng.uniform(0.02, 1))
    assert_same(k.rule_onset(method, y, *place), twins.rule_onset(method, y, *place), rel=1e-6, abs=1e-6)


# The top of a peak


@settings(EXAMPLES, max_examples=200)
@given(SEED, st.integers(1, 20), st.floats(-1e3, 1e3), st.floats(0.0, 5.0), st.sampled_from([-1.0, 1.0]))
def test_cubic_top(seed, half, offset, noise, sign):
    rng = np.random.default_rng(seed)
    u = np.arange(-half - 3, half + 6) / half
    y = offset - 8 * sign * (u - rng.uniform(-1.5, 1.5)) ** 2 + rng.normal(0, noise, u.size)
    found, expected = k.cubic_top(y, half + 3, half, sign), twins.cubic_top(y, half + 3, half, sign)
    assert_same(found, expected, rel=1e-6, abs=1e-6)


@EXAMPLES
@given(st.integers(1, 40), st.floats(-0.6, 0.6), st.floats(0.01, 10.0), st.floats(-0.2, 0.2), st.sampled_from([-1, 1]))
def test_cubic_top_finds_the_top_of_a_cubic_exactly(half, at, bend, skew, sign):
    x = np.arange(-half - 1, half + 2)
    u = (x - at * half) / half
    y = sign * (5.0 - bend * u**2 * (1 + (skew * u if half > 1 else 0.0)))
    position, value, curvature = k.cubic_top(y, half + 1, half, float(sign))
    assert_same(position, half + 1 + at * half, abs=2e-3 * half)
    assert_same(value, 5.0, abs=1e-3 * bend)
    assert_same(curvature, -2 * bend / half**2, rel=0.02)


@EXAMPLES
@example(seed=30_000, half=16, offset=0.0)  # the steps ended in a hollow of the cubic
@given(SEED, st.integers(1, 20), st.floats(-1e6, 1e6))
def test_cubic_top_stays_in_its_window_whatever_the_samples(seed, half, offset):
    y = np.random.default_rng(seed).normal(size=2 * half + 1) + offset
    position, value, curvature = k.cubic_top(y, half, half, 1.0)
    assert 0 <= position <= 2 * half
    assert curvature <= 0
    assert math.isfinite(value)


@EXAMPLES
@given(SEED, st.integers(2, 20))
def test_cubic_top_is_the_top_of_the_least_squares_cubic(seed, half):
    x = np.arange(-half, half + 1)
    rng = np.random.default_rng(seed)
    y = 10 - 8 * (x / half - rng.uniform(-0.4, 0.4)) ** 2 + rng.normal(0, 0.2, x.size)
    cubic = np.polynomial.Polynomial.fit(x, y, 3).convert()
    tops = [r.real for r in cubic.deriv().roots() if abs(r.imag) < 1e-9 and cubic.deriv(2)(r.real) < 0]
    position, value, curvature = k.cubic_top(y, half, half, 1.0)
    if tops and abs(tops[0]) <= half:
        assert_same(position, half + tops[0], abs=0.02 * half)
        assert_same(value, cubic(tops[0]), abs=0.01)
        assert_same(curvature, cubic.deriv(2)(tops[0]), rel=0.2)


# Linear algebra


@EXAMPLES
@given(SEED, st.integers(1, 13))
def test_solve(seed, n):
    rng = np.random.default_rng(seed)
    design = rng.normal(size=(n + 3, n))
    matrix, right = design.T @ design + 0.1 * np.eye(n), rng.normal(size=n)
    a, g = np.zeros((16, 16)), np.zeros(16)
    a[:n, :n] = np.tril(matrix)
    g[:n] = right
    assert k.solve(a, g, n)
    solution, factor = twins.solve(matrix, right)
    np.testing.assert_allclose(g[:n], solution, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(np.tril(a[:n, :n]), factor, rtol=1e-6, atol=1e-9)
    gradient = rng.normal(size=n)
    assert_same(k.spread_of(a, n, gradient.copy()), twins.spread_of(matrix, gradient), rel=1e-6)


@pytest.mark.parametrize("diagonal", [(1.0, -1.0), (0.0, 1.0), (math.nan, 1.0), (1.0, math.nan)])
def test_solve_refuses_what_is_not_positive_definite(diagonal):
    assert not k.solve(np.diag(diagonal), np.ones(2), 2)


@EXAMPLES
@given(st.floats(-50.0, 50.0))
def test_nuisance_at(t_ms):
    basis = np.empty(k.N_NUISANCE)
    k.nuisance_at(t_ms, basis)
    np.testing.assert_allclose(basis, edge_twins.nuisance_at(t_ms), rtol=1e-9, atol=1e-12)


@EXAMPLES
@given(st.floats(0.01, 1e6))
def test_peak_share(snr):
    assert_same(k.peak_share(snr), twins.peak_share(snr))
