"""The model of the rising edge against dense matrices and numerical differences."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncs.detect import _kernels as k
from ncs.detect._rise import rise_model
from tests.detect import edge_twins as edges
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


def as_twin(edge, quiet, count):
    """What the kernels know of a fit, for their twins."""
    bins = list(zip(edge.first[:count].tolist(), edge.last[:count].tolist(), strict=True))
    known = (edge.value[:count].copy(), edge.weight[:count].copy(), edge.row[:count, : k.N_NUISANCE].copy())
    return edges.Edge(bins, quiet, *known, edge.x[:N_PAR].copy(), edge.x0[:N_PAR].copy(), edge.w0[:N_PAR].copy())


def predictions(twin):
    """Model and variance of its shape in every bin after the quiet ones."""
    return np.array([edges.rise_row(twin, b, RISE)[1:] for b in range(twin.quiet, len(twin.bins))]).T


@settings(EXAMPLES, max_examples=60)
@given(st.integers(0, 50), st.integers(-5, 60), st.integers(0, 12), st.integers(0, 20))
def test_cut_evenly(first, length, pieces, count):
    edge = scratch()
    found = k.cut_evenly(first, first + length, pieces, edge, count)
    expected = edges.cut_evenly(first, first + length, pieces)
    assert found == count + len(expected)
    assert list(zip(edge.first[count:found].tolist(), edge.last[count:found].tolist(), strict=True)) == expected


@settings(EXAMPLES, max_examples=60)
@given(st.integers(0, 80), st.integers(0, 60), st.integers(0, 200), st.floats(-100.0, 400.0), st.floats(1.5, 200.0))
def test_bins_are_disjoint_ordered_and_inside_what_is_to_be_fitted(pre, length, gap, onset, scale):
    edge = scratch()
    before = pre + length
    lo = before + gap
    for top in (lo - 5, lo, lo + 4, lo + 137):
        quiet, count = k.cut_bins(pre, before, lo, onset, scale, top, edge)
        bins = list(zip(edge.first[:count].tolist(), edge.last[:count].tolist(), strict=True))
        assert (bins, quiet) == edges.cut_bins(pre, before, lo, onset, scale, top)
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
    y, density, edge, quiet, count = filled(seed)
    twin = as_twin(edge, quiet, count)
    expected = edges.fill_bins(y, STIMULUS, RATE, density, twin.bins, quiet)
    np.testing.assert_allclose(twin.value, expected.value, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(twin.weight, expected.weight)
    np.testing.assert_allclose(twin.nuisances, expected.nuisances, rtol=1e-9, atol=1e-12)
    precision, gradient = edges.quiet_normal(expected)
    np.testing.assert_allclose(edge.quiet, precision, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(edge.quiet_g, gradient, rtol=1e-6, atol=1e-6)


@EXAMPLES
@given(SEED, st.integers(1, N_PAR), st.floats(0.0, 10.0), st.floats(-1e3, 1e3))
def test_add_row(seed, n_par, weight, difference):
    rng = np.random.default_rng(seed)
    edge, row = scratch(), rng.normal(size=k.WIDTH)
    edge.a[:], edge.g[:] = rng.normal(size=edge.a.shape), rng.normal(size=edge.g.shape)
    used = slice(n_par)
    a, g = edges.add_row(edge.a[used, used].copy(), edge.g[used].copy(), row[used], weight, difference)
    k.add_row(edge, row, weight, difference, n_par)
    np.testing.assert_allclose(np.tril(edge.a[used, used]), np.tril(a), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(edge.g[used], g, rtol=1e-9, atol=1e-9)


@EXAMPLES
@given(SEED)
def test_rise_row(seed):
    _, _, edge, quiet, count = filled(seed)
    twin = as_twin(edge, quiet, count)
    for b in range(count):
        found = k.rise_row(edge, b, RISE, N_MODES, math.exp(edge.x[k.P_SCALE]))
        row, model, variance = edges.rise_row(twin, b, RISE)
        assert found == pytest.approx((model, variance), rel=1e-9, abs=1e-9)
        np.testing.assert_allclose(edge.row[b, :N_PAR], row, rtol=1e-9, atol=1e-9)


@EXAMPLES
@given(SEED)
def test_the_design_row_is_the_derivative_of_the_model(seed):
    _, _, edge, quiet, count = filled(seed)
    twin = as_twin(edge, quiet, count)
    steps = np.diag(np.r_[np.full(6, 1e-3), 1e-2, 1e-4, 1e-2, np.full(N_MODES, 1e-5)])
    models = [[predictions(replace(twin, x=twin.x + side * step))[0] for side in (-1, 1)] for step in steps]
    size = max(abs(twin.x[k.P_HEIGHT]), 1.0)
    for b in range(quiet, count):
        row, _, _ = edges.rise_row(twin, b, RISE)
        slopes = [
            (after[b - quiet] - at[b - quiet]) / (2 * s.max()) for (at, after), s in zip(models, steps, strict=True)
        ]
        np.testing.assert_allclose(row, slopes, rtol=2e-2, atol=2e-3 * size)


def test_before_the_rise_the_design_row_is_that_of_the_nuisances():
    _, _, edge, quiet, _ = filled(0)
    edge.x[k.P_ONSET] = 1e4
    edge.row[quiet, k.N_NUISANCE :] = 7.0
    model, variance = k.rise_row(edge, quiet, RISE, N_MODES, 20.0)
    assert model == pytest.approx(edge.x[: k.N_NUISANCE] @ edge.row[quiet, : k.N_NUISANCE])
    assert variance == 0
    assert not edge.row[quiet, k.N_NUISANCE : N_PAR].any()


@EXAMPLES
@given(SEED, st.sampled_from([k.N_NUISANCE, N_PAR]))
def test_quiet_equations(seed, n_par):
    _, _, edge, quiet, count = filled(seed)
    a, g = edges.quiet_equations(as_twin(edge, quiet, count), n_par)
    k.quiet_equations(edge, n_par)
    np.testing.assert_allclose(np.tril(edge.a[:n_par, :n_par]), np.tril(a), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(edge.g[:n_par], g, rtol=1e-6, atol=1e-6 * np.abs(g).max())


@EXAMPLES
@given(SEED)
def test_the_equations_are_those_of_weighted_least_squares_with_priors(seed):
    _, _, edge, quiet, count = filled(seed)
    twin = as_twin(edge, quiet, count)
    k.edge_equations(edge, RISE, quiet, count, N_MODES)
    a, g = edges.edge_equations(twin, RISE)
    np.testing.assert_allclose(np.tril(edge.a[:N_PAR, :N_PAR]), np.tril(a), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(edge.g[:N_PAR], g, rtol=1e-6, atol=1e-6 * np.abs(g).max())
    misfit = k.rise_misfit(edge, RISE, quiet, count, N_MODES)
    assert misfit == pytest.approx(edges.rise_misfit(twin, RISE), rel=1e-9, abs=1e-9)


@EXAMPLES
@given(SEED)
def test_the_gradient_of_the_equations_is_that_of_the_criterion(seed):
    _, _, edge, quiet, count = filled(seed)
    twin = as_twin(edge, quiet, count)
    k.edge_equations(edge, RISE, quiet, count, N_MODES)
    weight = 1 / (1 / twin.weight[quiet:] + predictions(twin)[1])

    def criterion(at):
        moved = replace(twin, x=at)
        difference = twin.value[quiet:] - predictions(moved)[0]
        return np.sum(weight * difference**2) + edges.quiet_misfit(moved) + np.sum(twin.w0 * (at - twin.x0) ** 2)

    steps = np.r_[np.full(6, 1e-3), 1e-2, 1e-4, 1e-2, np.full(N_MODES, 1e-5)]
    numerical = np.array([(criterion(twin.x + s) - criterion(twin.x - s)) / (2 * s.max()) for s in np.diag(steps)])
    np.testing.assert_allclose(-2 * edge.g[:N_PAR], numerical, rtol=2e-2, atol=1e-3 * np.abs(numerical).max())


@EXAMPLES
@given(SEED)
def test_the_misfit_of_the_quiet_bins(seed):
    _, _, edge, quiet, count = filled(seed)
    expected = edges.quiet_misfit(as_twin(edge, quiet, count))
    assert k.quiet_misfit(edge) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@EXAMPLES
@given(SEED)
def test_the_gain_of_a_rise_is_the_difference_of_two_criteria(seed):
    _, _, edge, quiet, count = filled(seed)
    expected = edges.rise_gain(as_twin(edge, quiet, count), RISE)
    assert k.rise_gain(edge, RISE, quiet, count, N_MODES) == pytest.approx(expected, rel=1e-5, abs=1e-3)


@EXAMPLES
@given(SEED)
def test_fit_edge(seed):
    y, density, edge, _, _ = filled(seed)
    rng = np.random.default_rng(seed)
    x0, lo = edge.x[:N_PAR].copy(), int(rng.integers(70, 140))
    top, before = int(x0[k.P_ONSET] + rng.uniform(0.3, 1.2) * math.exp(x0[k.P_SCALE])), int(rng.integers(0, 50))
    w0 = edge.w0[:N_PAR].copy()
    edge.x0[:N_PAR] = x0
    quiet, count = k.fit_edge(twins.running_sum(y), lo, top, STIMULUS, 0, before, RATE, density, edge, RISE)
    fit, precision = edges.fit_edge(y, lo, top, STIMULUS, 0, before, RATE, density, (x0, x0, w0), RISE)
    assert (count > 0) == (fit is not None)
    if fit is not None:
        assert (quiet, count) == (fit.quiet, len(fit.bins))
        np.testing.assert_allclose(edge.x[:N_PAR], fit.x, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(np.tril(edge.a[:N_PAR, :N_PAR]), np.linalg.cholesky(precision), rtol=1e-5, atol=1e-7)


@EXAMPLES
@given(SEED, st.floats(0.02, 0.1))
def test_the_onset_is_where_the_fitted_rise_crosses_and_its_spread_that_of_the_estimate(seed, share):
    rng = np.random.default_rng(seed)
    _, _, edge, quiet, count = filled(seed)
    x = as_twin(edge, quiet, count).x
    precision = rng.normal(size=(N_PAR + 3, N_PAR))
    precision = precision.T @ precision + np.eye(N_PAR)
    edge.a[:N_PAR, :N_PAR] = np.linalg.cholesky(precision)
    onset, sd = k.onset_of(edge, RISE, share, np.empty(k.WIDTH))
    assert (onset, sd) == pytest.approx(edges.onset_of(x, RISE, share, precision), rel=1e-6)

    def crossing(at):
        return edges.onset_of(at, RISE, share, precision)[0]

    gradient = np.array([(crossing(x + s) - crossing(x - s)) / 2e-4 for s in 1e-4 * np.eye(N_PAR)])
    grid = RISE.grid[0] + RISE.grid[1] * np.arange(RISE.table.shape[0])
    shape, scale = RISE.table[:, 2] + RISE.table[:, 3 : 3 + N_MODES] @ x[k.P_MODES :], math.exp(x[k.P_SCALE])
    u = (onset - x[k.P_ONSET]) / scale
    left = scale * np.interp(u, grid, RISE.table[:, 0]) / np.interp(u, grid, np.gradient(shape, grid))
    assert sd == pytest.approx(math.hypot(left, twins.spread_of(precision, gradient)), rel=0.02)


@settings(EXAMPLES, max_examples=60)
@given(SEED, st.sampled_from(["cmap", "snap"]), st.floats(0.02, 0.9), st.floats(0.0, 30.0))
def test_onset_of_learned_rises_however_bent(seed, response, share, bent):
    """Weights of the modes far beyond what is likely: the shape may never reach the share, or end below nothing."""
    rise = k.Rise(*rise_model(response))
    n_modes = rise.prior_sd.size
    edge, n_par = scratch(), k.P_MODES + n_modes
    edge.x[:n_par] = [0, 0, 0, 0, 0, 0, 200.0, 2.0, 500.0, *np.random.default_rng(seed).normal(0, bent * rise.prior_sd)]
    edge.a[:n_par, :n_par] = np.eye(n_par)
    found = k.onset_of(edge, rise, share, np.empty(k.WIDTH))
    expected = edges.onset_of(edge.x[:n_par], rise, share, np.eye(n_par))
    assert found == pytest.approx(expected, rel=1e-6, nan_ok=True)


def test_a_rise_that_never_crosses_has_no_onset():
    _, _, edge, _, _ = filled(1)
    assert all(math.isnan(value) for value in k.onset_of(edge, RISE, -5.0, np.empty(k.WIDTH)))


@EXAMPLES
@given(SEED, st.floats(-3.0, 40.0))
def test_the_nuisance_at_a_time(seed, t_ms):
    _, _, edge, _, _ = filled(seed)
    expected = edges.nuisance_value(edge.x, t_ms)
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
