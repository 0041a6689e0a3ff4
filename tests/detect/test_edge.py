"""The model of the rising edge against dense matrices and numerical differences."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncs.detect import _kernels as k
from ncs.detect._rise import rise_model
from tests.detect import twins

EXAMPLES = settings(deadline=None, max_examples=12, derandomize=True)

SEED = st.integers(0, 2**32 - 1)
RATE = 20.0
N_MODES = 3
STIMULUS = 60.0
N = 700


def scratch() -> k.Edge:
    bins, width = k.MOST_BINS, k.WIDTH
    whole, numbers = np.empty(bins, np.int64), np.empty(bins)
    return k.Edge(
        whole, whole.copy(), numbers, numbers.copy(), np.zeros((bins + 1, width)),
        np.empty((k.N_NUISANCE, k.N_NUISANCE)), np.empty(k.N_NUISANCE), np.zeros((width, width)), np.zeros(width),
        np.zeros(width), np.zeros(width), np.zeros(width), np.empty(bins),
    )  # fmt: skip


def smooth_rise() -> k.Rise:
    """A rise whose slopes are exact, on a grid so fine that straight lines between its points do not matter."""
    step = 1e-3
    u = np.arange(-2.0, 2.0, step)
    wave = 1 / (1 + np.exp(-6 * (u - 0.7)))
    table = np.zeros((u.size, 3 + 2 * N_MODES))
    table[:, 0] = 0.01 + 0.002 * u
    table[:, 1] = 6 * wave * (1 - wave)
    table[:, 2] = wave
    for i in range(N_MODES):
        table[:, 3 + i] = np.sin((i + 1) * u) * wave
        table[:, 3 + N_MODES + i] = (i + 1) * np.cos((i + 1) * u) * wave + np.sin((i + 1) * u) * table[:, 1]
    return k.Rise(table, np.array([0.1, 0.05, 0.02]), np.array([u[0], step]))


RISE = smooth_rise()
N_PAR = k.P_MODES + N_MODES


def filled(seed):
    """A sweep cut into bins, with an estimate and priors drawn by lot."""
    rng = np.random.default_rng(seed)
    edge = scratch()
    onset, scale, density = rng.uniform(150, 300), rng.uniform(8, 60), rng.uniform(1, 30)
    y = rng.normal(0, math.sqrt(density), N) + 900 * np.interp((np.arange(N) - onset) / scale, [0, 1.2], [0, 1])
    pre, before = 0, int(rng.integers(0, 50))
    lo = int(rng.integers(70, 140))
    top = int(onset + rng.uniform(0.3, 1.2) * scale)
    quiet, count = k.cut_bins(pre, before, lo, onset, scale, top, edge)
    k.fill_bins(twins.running_sum(y), STIMULUS, RATE, density, quiet, count, edge)
    edge.x0[:N_PAR] = rng.normal(0, 1, N_PAR)
    edge.w0[:N_PAR] = rng.uniform(1e-4, 1, N_PAR)
    edge.x[:N_PAR] = [
        *rng.normal(0, [5, 5, 20, 20, 5, 5]), onset + rng.normal(), math.log(scale), rng.uniform(100, 1500),
        *rng.normal(0, 0.05, N_MODES),
    ]  # fmt: skip
    return y, density, edge, quiet, count


def middles(edge, count):
    return 0.5 * (edge.first[:count] + edge.last[:count] - 1)


def predictions(x, edge, quiet, count):
    """Model and variance of its shape in every bin; quiet bins know of no rise."""
    flat = x.copy()
    flat[k.P_HEIGHT] = 0.0
    return np.array(
        [
            twins.edge_model(flat if b < quiet else x, RISE, middle, STIMULUS, RATE)
            for b, middle in enumerate(middles(edge, count))
        ]
    ).T


@settings(EXAMPLES, max_examples=60)
@given(st.integers(0, 80), st.integers(0, 60), st.integers(0, 200), st.floats(-100.0, 400.0), st.floats(1.5, 200.0))
def test_bins_are_disjoint_ordered_and_inside_what_is_to_be_fitted(pre, length, gap, onset, scale):
    edge = scratch()
    before = pre + length
    lo = before + gap
    for top in (lo - 5, lo, lo + 4, lo + 137):
        quiet, count = k.cut_bins(pre, before, lo, onset, scale, top, edge)
        bins = list(zip(edge.first[:count].tolist(), edge.last[:count].tolist(), strict=True))
        assert 0 <= quiet <= count <= k.MOST_BINS
        assert all(first < last for first, last in bins)
        assert all(last <= first for (_, last), (first, _) in pairwise(bins))
        assert all(pre <= first and (last <= before or lo <= first) for first, last in bins)
        assert all(last <= max(top, lo) for first, last in bins if first >= lo)
        covered = sum(last - first for first, last in bins if first < lo or last <= top)
        if count < k.MOST_BINS:
            assert covered == length + max(top - lo, 0)
        assert all(last <= max(lo, math.ceil(onset - scale)) for _, last in bins[:quiet])


@EXAMPLES
@given(SEED)
def test_a_bin_holds_the_mean_of_its_samples_and_weighs_as_many(seed):
    y, density, edge, _, count = filled(seed)
    for b in range(count):
        part = y[edge.first[b] : edge.last[b]]
        assert edge.value[b] == pytest.approx(part.mean(), rel=1e-6, abs=1e-6)
        assert edge.weight[b] == pytest.approx(part.size / density)
    rows = [twins.nuisances((middle - STIMULUS) / RATE) for middle in middles(edge, count)]
    np.testing.assert_allclose(edge.row[:count, : k.N_NUISANCE], rows, rtol=1e-9, atol=1e-12)


@EXAMPLES
@given(SEED)
def test_the_design_row_is_the_derivative_of_the_model(seed):
    _, _, edge, quiet, count = filled(seed)
    x = edge.x[:N_PAR].copy()
    steps = np.r_[np.full(6, 1e-3), 1e-2, 1e-4, 1e-2, np.full(N_MODES, 1e-5)]
    for b in range(quiet, count):
        middle = middles(edge, count)[b]
        model, variance = k.rise_row(edge, b, RISE, N_MODES, math.exp(x[k.P_SCALE]))
        expected, spread = twins.edge_model(x, RISE, middle, STIMULUS, RATE)
        assert model == pytest.approx(expected, rel=1e-9, abs=1e-9)
        assert variance == pytest.approx(spread**2, rel=1e-9, abs=1e-12)
        for p in range(N_PAR):
            ahead, behind = x.copy(), x.copy()
            ahead[p] += steps[p]
            behind[p] -= steps[p]
            rise = twins.edge_model(ahead, RISE, middle, STIMULUS, RATE)[0]
            fall = twins.edge_model(behind, RISE, middle, STIMULUS, RATE)[0]
            size = max(abs(x[k.P_HEIGHT]), 1.0)
            assert edge.row[b, p] == pytest.approx((rise - fall) / (2 * steps[p]), rel=2e-2, abs=2e-3 * size)


def test_before_the_rise_the_design_row_is_that_of_the_nuisances():
    _, _, edge, quiet, _ = filled(0)
    edge.x[k.P_ONSET] = 1e4
    edge.row[quiet, k.N_NUISANCE :] = 7.0
    model, variance = k.rise_row(edge, quiet, RISE, N_MODES, 20.0)
    assert model == pytest.approx(edge.x[: k.N_NUISANCE] @ edge.row[quiet, : k.N_NUISANCE])
    assert variance == 0
    assert not edge.row[quiet, k.N_NUISANCE : N_PAR].any()


@EXAMPLES
@given(SEED)
def test_the_equations_are_those_of_weighted_least_squares_with_priors(seed):
    _, _, edge, quiet, count = filled(seed)
    x = edge.x[:N_PAR].copy()
    k.edge_equations(edge, RISE, quiet, count, N_MODES)
    model, rest = predictions(x, edge, quiet, count)
    weight = 1 / (1 / edge.weight[:count] + rest**2)
    rows = edge.row[:count, :N_PAR].copy()
    rows[:quiet, k.N_NUISANCE :] = 0.0
    difference = edge.value[:count] - model
    precision = np.diag(edge.w0[:N_PAR]) + rows.T @ (weight[:, None] * rows)
    gradient = edge.w0[:N_PAR] * (edge.x0[:N_PAR] - x) + rows.T @ (weight * difference)
    np.testing.assert_allclose(np.tril(edge.a[:N_PAR, :N_PAR]), np.tril(precision), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(edge.g[:N_PAR], gradient, rtol=1e-6, atol=1e-6 * np.abs(gradient).max())
    rising = slice(quiet, count)
    expected = np.sum(weight[rising] * difference[rising] ** 2 - np.log(weight[rising]))
    misfit = k.rise_misfit(edge, RISE, quiet, count, N_MODES)
    assert misfit == pytest.approx(expected, rel=1e-9, abs=1e-9)


@EXAMPLES
@given(SEED)
def test_the_gradient_of_the_equations_is_that_of_the_criterion(seed):
    _, _, edge, quiet, count = filled(seed)
    x = edge.x[:N_PAR].copy()
    k.edge_equations(edge, RISE, quiet, count, N_MODES)
    weight = 1 / (1 / edge.weight[:count] + predictions(x, edge, quiet, count)[1] ** 2)

    def criterion(at):
        difference = edge.value[:count] - predictions(at, edge, quiet, count)[0]
        return np.sum(weight * difference**2) + np.sum(edge.w0[:N_PAR] * (at - edge.x0[:N_PAR]) ** 2)

    steps = np.r_[np.full(6, 1e-3), 1e-2, 1e-4, 1e-2, np.full(N_MODES, 1e-5)]
    numerical = np.array([(criterion(x + s) - criterion(x - s)) / (2 * s.max()) for s in np.diag(steps)])
    np.testing.assert_allclose(-2 * edge.g[:N_PAR], numerical, rtol=2e-2, atol=1e-3 * np.abs(numerical).max())


@EXAMPLES
@given(SEED)
def test_the_misfit_of_the_quiet_bins(seed):
    _, _, edge, quiet, count = filled(seed)
    model, _ = predictions(edge.x[:N_PAR], edge, quiet, count)
    z, w = edge.value[:quiet], edge.weight[:quiet]
    expected = np.sum(w * (z - model[:quiet]) ** 2) - np.sum(w * z**2)
    assert k.quiet_misfit(edge) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@EXAMPLES
@given(SEED)
def test_the_gain_of_a_rise_is_the_difference_of_two_criteria(seed):
    _, _, edge, quiet, count = filled(seed)
    x, x0, w0 = edge.x[:N_PAR].copy(), edge.x0[:N_PAR], edge.w0[:N_PAR]
    z, w = edge.value[:count].copy(), edge.weight[:count].copy()
    model, rest = predictions(x, edge, quiet, count)
    weight = 1 / (1 / w + rest**2)
    rising = slice(quiet, count)
    full = np.sum(weight * (z - model) ** 2) - np.sum(np.log(weight[rising])) + np.sum(w0 * (x - x0) ** 2)
    rows = edge.row[:count, : k.N_NUISANCE].copy()
    prior = np.sqrt(w0[: k.N_NUISANCE])
    design = np.vstack([np.sqrt(w)[:, None] * rows, np.diag(prior)])
    target = np.r_[np.sqrt(w) * z, prior * x0[: k.N_NUISANCE]]
    without = np.sum((target - design @ np.linalg.lstsq(design, target, rcond=None)[0]) ** 2)
    without -= np.sum(np.log(w[rising]))
    gain = k.rise_gain(edge, RISE, quiet, count, N_MODES)
    assert gain == pytest.approx(without - full, rel=1e-5, abs=1e-3)


@EXAMPLES
@given(SEED, st.floats(0.02, 0.1))
def test_the_onset_is_where_the_fitted_rise_crosses_and_its_spread_that_of_the_estimate(seed, share):
    rng = np.random.default_rng(seed)
    _, _, edge, _, _ = filled(seed)
    x = edge.x[:N_PAR]
    precision = rng.normal(size=(N_PAR + 3, N_PAR))
    precision = precision.T @ precision + np.eye(N_PAR)
    edge.a[:N_PAR, :N_PAR] = np.linalg.cholesky(precision)
    grid = RISE.grid[0] + RISE.grid[1] * np.arange(RISE.table.shape[0])

    def crossing(at):
        shape = RISE.table[:, 2] + RISE.table[:, 3 : 3 + N_MODES] @ at[k.P_MODES :]
        last = np.flatnonzero(shape[grid <= 1.0] <= share)[-1]
        u = np.interp(share, shape[last : last + 2], grid[last : last + 2])
        return at[k.P_ONSET] + math.exp(at[k.P_SCALE]) * u, u

    onset, sd = k.onset_of(edge, RISE, share, np.empty(k.WIDTH))
    expected, u = crossing(x)
    assert onset == pytest.approx(expected, abs=1e-6)
    steps = np.r_[np.full(9, 1e-4), np.full(N_MODES, 1e-4)]
    gradient = np.array([(crossing(x + s)[0] - crossing(x - s)[0]) / (2 * s.max()) for s in np.diag(steps)])
    shape = RISE.table[:, 2] + RISE.table[:, 3 : 3 + N_MODES] @ x[k.P_MODES :]
    slope = np.interp(u, grid, np.gradient(shape, grid))
    left = math.exp(x[k.P_SCALE]) * np.interp(u, grid, RISE.table[:, 0]) / slope
    assert sd == pytest.approx(math.hypot(left, twins.spread(precision, gradient)), rel=0.02)


def test_a_rise_that_never_crosses_has_no_onset():
    _, _, edge, _, _ = filled(1)
    assert all(math.isnan(value) for value in k.onset_of(edge, RISE, -5.0, np.empty(k.WIDTH)))


@EXAMPLES
@given(SEED, st.floats(-3.0, 40.0))
def test_the_nuisance_at_a_time(seed, t_ms):
    _, _, edge, _, _ = filled(seed)
    expected = edge.x[: k.N_NUISANCE] @ twins.nuisances(t_ms)
    assert k.nuisance_value(edge, t_ms, np.empty(k.N_NUISANCE)) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("response", ["cmap", "snap"])
def test_the_learned_rises_are_what_the_model_takes_them_for(response):
    table, prior_sd, grid = rise_model(response)
    n_modes = prior_sd.size
    u = grid[0] + grid[1] * np.arange(table.shape[0])
    assert table.shape[1] == 3 + 2 * n_modes
    assert k.P_MODES + n_modes <= k.WIDTH
    assert np.isfinite(table).all()
    assert (prior_sd > 0).all()
    assert (table[:, 0] >= 0).all()
    mean = table[:, 2]
    assert np.interp(0.0, u, mean) == pytest.approx(0.02, abs=2e-3)
    assert np.interp(1.0, u, mean) == pytest.approx(0.6, abs=5e-3)
    rising = (u > -0.2) & (u < 1.3)
    assert (np.diff(mean)[rising[:-1]] > 0).all()
    inside = slice(2, -2)
    np.testing.assert_allclose(table[inside, 1], np.gradient(mean, u)[inside], atol=0.02)
    modes, slopes = table[:, 3 : 3 + n_modes], table[:, 3 + n_modes : 3 + 2 * n_modes]
    np.testing.assert_allclose(slopes[inside], np.gradient(modes, u, axis=0)[inside], atol=0.02 * np.abs(slopes).max())
