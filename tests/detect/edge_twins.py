"""Slow numpy twins of the kernels that fit the rising edge: everything as lists and dense matrices.

``bins`` are pairs of first and last (exclusive) sample. An ``Edge`` here holds what a fit knows: its bins, how many of
them are quiet, the mean, weight and nuisances of each, and estimate and priors, as long as there are parameters.
"""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from ncs.detect import _kernels as k
from tests.detect import twins

N = k.N_NUISANCE


@dataclass(frozen=True)
class Edge:
    bins: list
    quiet: int
    value: Any
    weight: Any
    nuisances: Any
    x: Any = None
    x0: Any = None
    w0: Any = None

    @property
    def middles(self):
        return np.array([0.5 * (first + last - 1) for first, last in self.bins])


def nuisance_at(t_ms):
    after = t_ms > 0
    phase = 2 * np.pi * k.MAINS_HZ * t_ms / 1000
    return np.array(
        [
            1.0, t_ms / 10, np.exp(-t_ms / k.TAIL_MS[0]) if after else 0.0,
            np.exp(-t_ms / k.TAIL_MS[1]) if after else 0.0, np.sin(phase), np.cos(phase) - 1.0,
        ]
    )  # fmt: skip


def nuisance_value(x, t_ms):
    return x[:N] @ nuisance_at(t_ms)


# Bins


def cut_evenly(first, last, pieces):
    pieces = max(min(pieces, last - first), 0)
    return list(pairwise(first + (last - first) * i // pieces for i in range(pieces + 1))) if pieces else []


def cut_bins(pre, before, lo, onset, scale, top):
    """Bins, and how many of them are quiet."""
    rise = max(lo, min(int(onset - scale), top))
    bins = cut_evenly(pre, before, k.PRE_BINS) + cut_evenly(lo, rise, k.QUIET_BINS)
    quiet, fine = len(bins), max(1, int(0.09 * scale + 0.5))
    while rise < top and len(bins) < k.MOST_BINS:
        after = rise + (fine if -0.35 * scale < rise - onset < 0.6 * scale else 2 * fine)
        bins.append((rise, min(after, top)))
        rise = after
    return bins, quiet


def fill_bins(y, p0, rate, density, bins, quiet):
    means = np.array([y[first:last].mean() for first, last in bins])
    sizes = np.array([last - first for first, last in bins])
    rows = [nuisance_at((0.5 * (first + last - 1) - p0) / rate) for first, last in bins]
    return Edge(bins, quiet, means, sizes / density, np.reshape(rows, (-1, N)))


# Equations


def add_row(a, g, row, weight, difference):
    return a + weight * np.outer(row, row), g + weight * difference * row


def quiet_normal(edge):
    """Normal equations of the quiet bins at zero."""
    rows, weight = edge.nuisances[: edge.quiet], edge.weight[: edge.quiet]
    return rows.T @ (weight[:, None] * rows), rows.T @ (weight * edge.value[: edge.quiet])


def quiet_equations(edge, n_par):
    """Precision and gradient at the estimate, of priors and quiet bins."""
    x, x0, w0 = edge.x[:n_par], edge.x0[:n_par], edge.w0[:n_par]
    a, g = np.diag(w0), w0 * (x0 - x)
    for b in range(edge.quiet):
        row = np.r_[edge.nuisances[b], np.zeros(n_par - N)]
        a, g = add_row(a, g, row, edge.weight[b], edge.value[b] - row @ x)
    return a, g


def quiet_misfit(edge):
    rows, z, w = (part[: edge.quiet] for part in (edge.nuisances, edge.value, edge.weight))
    return np.sum(w * (z - rows @ edge.x[:N]) ** 2) - np.sum(w * z**2)


def rise_row(edge, b, rise):
    """Design row of a bin, the model there, and the variance of its shape; of nuisances alone before the table."""
    x, n_modes = edge.x, rise.prior_sd.size
    u = (edge.middles[b] - x[k.P_ONSET]) / math.exp(x[k.P_SCALE])
    grid = rise.grid[0] + rise.grid[1] * np.arange(rise.table.shape[0])
    level = nuisance_value_of(edge, b)
    if u <= grid[0]:
        return np.r_[edge.nuisances[b], np.zeros(3 + n_modes)], level, 0.0
    rest, mean_slope, mean, *both = [np.interp(u, grid, column) for column in rise.table.T]
    modes, slopes = np.array(both[:n_modes]), np.array(both[n_modes:])
    weights, height = x[k.P_MODES :], x[k.P_HEIGHT]
    shape, slope = mean + weights @ modes, mean_slope + weights @ slopes
    row = [-height * slope / math.exp(x[k.P_SCALE]), -height * slope * u, shape, *(height * modes)]
    return np.r_[edge.nuisances[b], row], level + height * shape, (height * rest) ** 2


def nuisance_value_of(edge, b):
    return edge.nuisances[b] @ edge.x[:N]


def rise_rows(edge, rise):
    """For each bin after the quiet ones: design row, weight with what the shape leaves open, and difference."""
    rows = [rise_row(edge, b, rise) for b in range(edge.quiet, len(edge.bins))]
    later = slice(edge.quiet, None)
    return [
        (row, 1 / (1 / weight + variance), value - model)
        for (row, model, variance), weight, value in zip(rows, edge.weight[later], edge.value[later], strict=True)
    ]


def edge_equations(edge, rise):
    a, g = quiet_equations(edge, edge.x.size)
    for row, weight, difference in rise_rows(edge, rise):
        a, g = add_row(a, g, row, weight, difference)
    return a, g


def rise_misfit(edge, rise):
    return sum(weight * difference**2 - math.log(weight) for _, weight, difference in rise_rows(edge, rise))


# The fit


def fit_edge(y, lo, top, p0, pre, before, rate, density, start, rise):
    """Edge at the last estimate (``None`` if the fit failed), and the precision one step before.

    ``start`` is the estimate, its priors and their weights.
    """
    x, x0, w0 = start
    edge, cut, a = None, (math.inf, 0.0), None
    for _ in range(k.MOST_STEPS):
        onset, scale = x[k.P_ONSET], math.exp(x[k.P_SCALE])
        if not (abs(onset - cut[0]) < 0.35 * scale and abs(x[k.P_SCALE] - cut[1]) < 0.35):
            cut = onset, x[k.P_SCALE]
            edge = fill_bins(y, p0, rate, density, *cut_bins(pre, before, lo, onset, scale, top))
        edge = replace(edge, x=x, x0=x0, w0=w0)
        a, g = edge_equations(edge, rise)
        solved = twins.solve(a, g)
        if solved is None:
            return None, a
        step = solved[0]
        away, wider = abs(step[k.P_ONSET]), abs(step[k.P_SCALE])
        shrink = 0.5 * scale / away if away > 0.5 * scale else 1.0
        shrink = 0.4 / wider if wider * shrink > 0.4 else shrink
        x = x + shrink * step
        if shrink == 1 and away < 0.04 * scale and wider < 0.1:
            break
    usable = math.isfinite(x[k.P_ONSET]) and x[k.P_HEIGHT] > 0
    return replace(edge, x=x) if usable else None, a


def rise_gain(edge, rise):
    """Twice the log likelihood of the estimate over that of the best sweep without a rise, by ``lstsq``."""
    full = rise_misfit(edge, rise) + quiet_misfit(edge) + np.sum(edge.w0 * (edge.x - edge.x0) ** 2)
    prior = np.sqrt(edge.w0[:N])
    design = np.vstack([np.sqrt(edge.weight)[:, None] * edge.nuisances, np.diag(prior)])
    target = np.r_[np.sqrt(edge.weight) * edge.value, prior * edge.x0[:N]]
    left = target - design @ np.linalg.lstsq(design, target, rcond=None)[0]
    quiet, later = slice(edge.quiet), slice(edge.quiet, None)
    without = left @ left - np.sum(edge.weight[quiet] * edge.value[quiet] ** 2)
    return without - np.sum(np.log(edge.weight[later])) - full


def onset_of(x, rise, share, precision):
    """Where the rise last leaves ``share`` of its height before the scaled time 1, and the deviation of that."""
    n_modes = rise.prior_sd.size
    grid = rise.grid[0] + rise.grid[1] * np.arange(rise.table.shape[0])
    modes = rise.table[:, 3 : 3 + n_modes]
    shape = rise.table[:, 2] + modes @ x[k.P_MODES :]
    until = min(int((1 - rise.grid[0]) / rise.grid[1]), grid.size - 1)
    below = np.flatnonzero(shape[: until + 1] <= share)
    if below.size == 0 or below[-1] == until:
        return math.nan, math.nan
    i, scale = below[-1], math.exp(x[k.P_SCALE])
    u = np.interp(share, shape[i : i + 2], grid[i : i + 2])
    slope = (shape[i + 1] - shape[i]) / rise.grid[1]
    at = [np.interp(u, grid, column) for column in (rise.table[:, 0], *modes.T)]
    gradient = np.r_[np.zeros(N), 1.0, scale * u, 0.0, -scale * np.array(at[1:]) / slope]
    return x[k.P_ONSET] + scale * u, math.hypot(scale * at[0] / slope, twins.spread_of(precision, gradient))
