"""Every numba kernel of ncs.detect, and nothing else: arrays and numbers in, arrays and numbers out.

The frame all share: ``y`` is one sweep, negative up; positions are samples; ``lo`` is the first sample that may hold
the onset, ``peak`` the sample of the negative peak, ``base`` the baseline, ``sigma`` the noise, ``rate_khz`` samples
per millisecond. Each kernel has a slow numpy twin in the tests; change both or neither.

They share one file on purpose: what numba keeps of a kernel is made anew when its own file changes, and would go on
with the old code of a kernel that it calls from another.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ncs.detect._compiled import kernel

Array = NDArray[Any]


class Rise(NamedTuple):
    """A learned rise, see ``ncs.detect._rise``; columns of ``table``: rest, slope, mean, modes, slopes of the modes."""

    table: Array
    prior_sd: Array
    grid: Array


class Edge(NamedTuple):
    """Scratch of one fit. Parameters: the nuisances, then onset, log scale, height, weights of the modes.

    Bins have first and last (exclusive) sample, mean, weight and design row; ``quiet`` and ``quiet_g`` are the normal
    equations of the bins before the rise, ``a`` and ``g`` those of all; ``x`` is the estimate, ``x0`` and ``w0`` its
    priors.
    """

    first: Array
    last: Array
    value: Array
    weight: Array
    row: Array
    quiet: Array
    quiet_g: Array
    a: Array
    g: Array
    x: Array
    x0: Array
    w0: Array
    spare: Array


METHOD_CHANGEPOINT = 0
METHOD_THRESHOLD = 1
METHOD_SD = 2
METHOD_PERCENT_OF_PEAK = 3
METHOD_TANGENT = 4
METHOD_SECOND_DERIVATIVE = 5
METHOD_RISING_RUN = 6
METHOD_AIC = 7
ROUNDING = 2.3e-16
"""Of a number, by which a sum may be off for every number added."""


@kernel
def last_crossing(y: Array, lo: int, peak: int, level: float) -> float:
    """Walk back from the peak; return the position where ``y`` last rose through ``level``, NaN if it never did."""
    i = peak
    while i >= lo and y[i] > level:
        i -= 1
    if i < lo or i == peak:
        return math.nan
    return float(i + (level - y[i]) / (y[i + 1] - y[i]))


@kernel
def sd_crossing(y: Array, lo: int, peak: int, level: float, hold: int) -> float:
    """Return the last upward crossing of ``level`` after which ``y`` stays above it for ``hold`` samples."""
    i = peak - 1
    while i >= lo:
        if y[i] <= level < y[i + 1]:
            stays = True
            for j in range(i + 1, min(i + 1 + hold, y.shape[0])):
                if y[j] <= level:
                    stays = False
                    break
            if stays:
                return float(i + (level - y[i]) / (y[i + 1] - y[i]))
        i -= 1
    return math.nan


@kernel
def tangent_foot(y: Array, lo: int, peak: int, base: float, half: int) -> float:
    """Return where the tangent at the steepest rise meets the baseline; slope over ``2 * half`` samples."""
    best = 0.0
    at = -1
    for i in range(lo + half, peak - half + 1):
        slope = (y[i + half] - y[i - half]) / (2 * half)
        if slope > best:
            best = slope
            at = i
    if at < 0:
        return math.nan
    return float(at - (y[at] - base) / best)


@kernel
def curvature_peak(y: Array, lo: int, peak: int, half: int) -> float:
    """Return the position of the largest second derivative before the steepest rise.

    Both derivatives are those of the parabola fitted over ``2 * half + 1`` samples; the second one is that of a
    Savitzky-Golay filter of order 3.
    """
    n = y.shape[0]
    width = 2 * half + 1
    s2 = 0.0
    s4 = 0.0
    for k in range(-half, half + 1):
        s2 += k * k
        s4 += k * k * k * k
    det = width * s4 - s2 * s2
    first = max(lo, half)
    last = min(peak, n - 1 - half)
    steepest = -1
    slope_best = 0.0
    for i in range(first, last + 1):
        slope = 0.0
        for k in range(-half, half + 1):
            slope += k * y[i + k]
        if slope > slope_best:
            slope_best = slope
            steepest = i
    if steepest < 0:
        return math.nan
    best = -math.inf
    at = -1
    before = 0.0
    after = 0.0
    previous = 0.0
    for i in range(first, steepest + 1):
        bend = 0.0
        for k in range(-half, half + 1):
            bend += (width * k * k - s2) * y[i + k]
        bend /= det
        if i == at + 1:
            after = bend
        if bend > best:
            best = bend
            at = i
            before = previous
            after = bend
        previous = bend
    if at < 0 or best <= 0:
        return math.nan
    return at + parabola_offset(before, best, after) if first < at < steepest else float(at)


@kernel
def parabola_offset(left: float, middle: float, right: float) -> float:
    """Return the position of the extremum of a parabola through three equidistant values, relative to the middle."""
    bend = left - 2 * middle + right
    if bend == 0:
        return 0.0
    return max(-0.5, min(0.5, 0.5 * (left - right) / bend))


@kernel
def rising_run(y: Array, lo: int, peak: int, shortest: int) -> float:
    """Return the start of the longest run of rising samples before the peak, if longer than ``shortest`` samples."""
    best = 0
    at = -1
    run = 0
    for i in range(lo, peak):
        if y[i + 1] > y[i]:
            run += 1
            if run > best:
                best = run
                at = i + 1 - run
        else:
            run = 0
    if best <= shortest:
        return math.nan
    return float(at)


@kernel
def aic_minimum(y: Array, lo: int, peak: int) -> float:
    """Return the minimum of Akaike's criterion for a change of variance within ``[lo, peak]`` (Maeda 1985)."""
    n = peak - lo + 1
    if n < 8:
        return math.nan
    shift = y[lo]
    total = 0.0
    square = 0.0
    for i in range(lo, peak + 1):
        v = y[i] - shift
        total += v
        square += v * v
    head = 0.0
    head2 = 0.0
    best = math.inf
    at = -1
    for k in range(1, n - 1):
        v = y[lo + k - 1] - shift
        head += v
        head2 += v * v
        if k < 2 or n - k < 3:
            continue
        left = head2 / k - (head / k) ** 2
        rest = n - k
        right = (square - head2) / rest - ((total - head) / rest) ** 2
        if left <= 0 or right * rest <= n * ROUNDING * square:  # a plateau's variance is what rounding leaves
            continue
        value = k * math.log(left) + (rest - 1) * math.log(right)
        if value < best:
            best = value
            at = k
    return float(lo + at) if at >= 0 else math.nan


N_OUTPUTS = 20
EVIDENCE = 30.0
"""Gain in twice the log likelihood that a rise must bring before it counts as a response."""
EDGE_MS = 3.0
"""A response cut off by the window's end has done half of its rise in this time; drift and mains take longer."""
RINGING_MS = 1.4
"""Until this long after the stimulus the artefact may ring on."""
EDGE_GUARD_MS = 0.1
"""An onset nearer to the start of the window than this may lie before it."""
MOST_ONSET_SD_MS = 1.0
"""An onset that is less certain than this is not given."""
N_NUISANCE = 6
"""Baseline, drift, two tails, two phases of mains."""
P_ONSET = N_NUISANCE
P_SCALE = N_NUISANCE + 1
P_HEIGHT = N_NUISANCE + 2
P_MODES = N_NUISANCE + 3
WIDTH = 16
"""Room for the parameters in a design row."""
DRIFT_SD_UV = 30.0
"""Prior standard deviation of the drift over 10 ms."""
TAIL_SD_UV = (10000.0, 1000.0)
MAINS_SD_UV = 30.0
PRE_BINS = 4
QUIET_BINS = 8
MOST_BINS = 64
MOST_STEPS = 4
STRETCHES = 16
TAIL_MS = (0.7, 3.0)
FEW_NOISE = 6.0
"""Where the peak is this many times the noise, an onset is uncertain by 1.4 times what the fit says: what the fit takes
to be linear is not, and many such responses are found because the noise has helped."""
MAINS_HZ = 55.0
"""Between 50 and 60: over the few ms that are fitted, the pair describes either."""

FOUND = 0
NO_RESPONSE = 1
CLIPPED = 2
AT_WINDOW_EDGE = 3
TOO_NOISY = 4
INVALID_INPUT = 5
INITIAL_POSITIVITY = 1
NO_BASELINE = 2
MULTIPLE_PEAKS = 8


@kernel
def load(row: Array, y: Array, total: Array) -> tuple[float, float, bool]:
    """Copy a sweep negative up with its running sum; return lowest, highest, and whether all is finite."""
    low = math.inf
    high = -math.inf
    acc = 0.0
    total[0] = 0.0
    for i in range(row.shape[0]):
        v = -float(row[i])
        y[i] = v
        acc += v
        total[i + 1] = acc
        low = min(low, v)
        high = max(high, v)
    return low, high, math.isfinite(acc)


@kernel
def step_noise(y: Array, density: float, least: float) -> float:
    """Return ``density``, raised to the variance of a converter's rounding where that is larger.

    The converter's step is the smallest difference between neighbours that differ, at least ``least``.
    """
    step = math.inf
    for i in range(1, y.shape[0]):
        d = abs(y[i] - y[i - 1])
        if 0.0 < d < step:
            step = d
            if step * step <= 12.0 * density:
                break
    step = max(step if step < math.inf else 0.0, least)
    return max(density, step * step / 12.0)


@kernel
def box_mean(total: Array, first: int, last: int) -> float:
    """Return the mean of the samples ``first`` to ``last`` (exclusive), cut to the sweep; NaN where nothing is left."""
    a = max(first, 0)
    b = min(last, total.shape[0] - 1)
    return (total[b] - total[a]) / (b - a) if b > a else math.nan


@kernel
def level_at_end(total: Array, hi: int, width: int) -> float:
    """Return the level of the last ``width`` samples before ``hi`` or before the end, wherever it changes less.

    For sweeps without a baseline before the stimulus: a window may end in the middle of a response, or a sweep in the
    next stimulus.
    """
    best = math.nan
    least = math.inf
    for end in (hi, total.shape[0] - 1):
        change = abs(box_mean(total, end - width // 2, end) - box_mean(total, end - width, end - width // 2))
        if change < least:
            least = change
            best = box_mean(total, end - width, end)
    return best


@kernel
def bend_noise(total: Array, first: int, last: int, width: int, lag: int) -> float:
    """Return the variance of means over ``width`` samples in ``[first, last)`` from second differences over ``lag``.

    NaN where the stretch is too short for one. Two sums are kept, because one has to wait for its last addition.
    """
    count = (last - first - 2 * lag - width) // width + 1
    if count < 1:
        return math.nan
    even = 0.0
    odd = 0.0
    i = first
    for _ in range(count // 2):
        even += second_difference(total, i, width, lag)
        odd += second_difference(total, i + width, width, lag)
        i += 2 * width
    if count % 2 == 1:
        even += second_difference(total, i, width, lag)
    return (even + odd) / (6.0 * width * width * count)


@kernel
def second_difference(total: Array, i: int, width: int, lag: int) -> float:
    """Return the squared second difference over ``lag`` of sums over ``width`` samples."""
    j = i + lag
    k = j + lag
    a = total[i + width] - total[i]
    b = total[j + width] - total[j]
    c = total[k + width] - total[k]
    d = a - 2 * b + c
    return float(d * d)


@kernel
def quiet_level(
    total: Array,
    skip_first: int,
    skip_last: int,
    width: int,
    lag: int,
    pieces: int,
    rank: float,
    scratch: Array,
) -> float:
    """Return ``bend_noise`` of the quieter stretches of a sweep; those that meet the skipped samples do not count.

    The sweep is cut into ``pieces``; the value is the one at ``rank`` (a share) in ascending order, raised by what the
    ordering of so few numbers takes away: a response fills only some of the stretches.
    """
    n = total.shape[0] - 1
    length = max(n // pieces, 2 * lag + 2 * width)
    count = 0
    start = 0
    while start + length <= n and count < scratch.shape[0]:
        if start + length <= skip_first or start >= skip_last:
            value = bend_noise(total, start, start + length, width, lag)
            j = count
            while j > 0 and scratch[j - 1] > value:
                scratch[j] = scratch[j - 1]
                j -= 1
            scratch[j] = value
            count += 1
        start += length
    if count == 0:
        return math.nan
    freedom = max(1.0, 0.5 * (length - 2 * lag) / width)
    return float(scratch[int(rank * (count - 1))] * (1.0 + (1.8 - 3.0 * rank) * math.sqrt(1.0 / freedom)))


@kernel
def noise_density(total: Array, skip_first: int, skip_last: int, rate: float, scratch: Array) -> tuple[float, float]:
    """Return the noise variance, and the variance per sample as it counts in means over many samples.

    Noise that is correlated (an amplifier's low-pass) weighs more in a mean over 0.4 ms than its variance tells.
    """
    lag = max(2, int(0.3 * rate + 0.5))
    variance = quiet_level(total, skip_first, skip_last, 1, lag, 12, 0.4, scratch)
    density = 2.0 * quiet_level(total, skip_first, skip_last, 2, 2, 12, 0.4, scratch)
    wide = max(2, int(0.4 * rate + 0.5))
    coarse = wide * quiet_level(total, skip_first, skip_last, wide, wide, 8, 0.3, scratch)
    return variance, coarse if coarse > 1.7 * density else density


@kernel
def largest_rise(total: Array, lo: int, hi: int, half: int, base: float) -> tuple[int, int, float]:
    """Return foot and top of the largest rise of the smoothed sweep in ``[lo, hi)``, and its height.

    What lies below ``base`` does not count as rise, lest the return from the positive peak be taken for a response.
    """
    foot = lo
    low = box_mean(total, lo - half, lo + half + 1)
    best_foot = lo
    best_top = lo
    best = 0.0
    for i in range(lo, hi):
        v = box_mean(total, i - half, i + half + 1)
        if v < low:
            low = v
            foot = i
        elif v - max(low, base) > best:
            best = v - max(low, base)
            best_foot = foot
            best_top = i
    return best_foot, best_top, best


@kernel
def first_summit(total: Array, lo: int, top: int, half: int, base: float, least: float) -> tuple[int, int]:
    """Return foot and position of the first peak in ``[lo, top]``.

    A peak rises by ``least`` from its foot, stands ``least`` above ``base``, and is followed by a fall of ``least``;
    where none comes before, ``top`` is the peak.
    """
    low = math.inf
    high = -math.inf
    foot = lo
    at = lo
    for i in range(lo, top + 1):
        v = box_mean(total, i - half, i + half + 1)
        if v < low:
            low = v
            foot = i
            high = v
            at = i
        elif v > high:
            high = v
            at = i
        if high - max(low, base) >= least and high - base >= least and high - v >= least:
            return foot, at
    return foot, top


@kernel
def fall_back(total: Array, foot: int, start: int, half: int, level: float) -> float:
    """Walk back from ``start`` to where the smoothed sweep last rose through ``level``; not before ``foot``."""
    after = box_mean(total, start - half, start + half + 1)
    if after <= level:
        return float(start)
    i = start - 1
    while i >= foot:
        v = box_mean(total, i - half, i + half + 1)
        if v <= level:
            return i + (level - v) / (after - v)
        after = v
        i -= 1
    return float(foot)


@kernel
def solve(a: Array, g: Array, n: int) -> bool:
    """Solve ``a x = g`` (symmetric, positive definite; the lower half of ``a`` is used) into ``g``.

    ``a`` is overwritten by its Cholesky factor. Return whether the matrix was positive definite.
    """
    for j in range(n):
        d = a[j, j]
        for k in range(j):
            d -= a[j, k] * a[j, k]
        if not d > 0:
            return False
        d = math.sqrt(d)
        a[j, j] = d
        for i in range(j + 1, n):
            v = a[i, j]
            for k in range(j):
                v -= a[i, k] * a[j, k]
            a[i, j] = v / d
    for i in range(n):
        v = g[i]
        for k in range(i):
            v -= a[i, k] * g[k]
        g[i] = v / a[i, i]
    for i in range(n - 1, -1, -1):
        v = g[i]
        for k in range(i + 1, n):
            v -= a[k, i] * g[k]
        g[i] = v / a[i, i]
    return True


@kernel
def nuisance_at(t_ms: float, basis: Array) -> None:
    """Fill ``basis`` with the nuisance functions at a time after the stimulus: level, drift, tails, mains."""
    basis[0] = 1.0
    basis[1] = 0.1 * t_ms
    basis[2] = math.exp(-t_ms / TAIL_MS[0]) if t_ms > 0 else 0.0
    basis[3] = math.exp(-t_ms / TAIL_MS[1]) if t_ms > 0 else 0.0
    phase = 2e-3 * math.pi * MAINS_HZ * t_ms
    basis[4] = math.sin(phase)
    basis[5] = math.cos(phase) - 1.0


@kernel
def cut_evenly(first: int, last: int, pieces: int, edge: Edge, count: int) -> int:
    """Append at most ``pieces`` bins of about equal width that cover ``[first, last)``; return the new count."""
    span = last - first
    pieces = min(pieces, span)
    for k in range(pieces):
        edge.first[count] = first + (span * k) // pieces
        edge.last[count] = first + (span * (k + 1)) // pieces
        count += 1
    return count


@kernel
def cut_bins(pre: int, before: int, lo: int, onset: float, scale: float, top: int, edge: Edge) -> tuple[int, int]:
    """Cut the fitted stretch into bins; return how many are quiet (before the rise), and how many there are."""
    quiet = cut_evenly(pre, before, PRE_BINS, edge, 0)
    rise = max(lo, min(int(onset - scale), top))
    quiet = cut_evenly(lo, rise, QUIET_BINS, edge, quiet)
    fine = max(1, int(0.09 * scale + 0.5))
    count = quiet
    at = rise
    while at < top and count < edge.first.shape[0]:
        wide = fine if -0.35 * scale < at - onset < 0.6 * scale else 2 * fine
        edge.first[count] = at
        edge.last[count] = min(at + wide, top)
        at += wide
        count += 1
    return quiet, count


@kernel
def fill_bins(total: Array, p0: float, rate: float, density: float, quiet: int, count: int, edge: Edge) -> None:
    """Average the samples of every bin, and gather the normal equations of the quiet ones."""
    for b in range(count):
        first = edge.first[b]
        last = edge.last[b]
        edge.value[b] = (total[last] - total[first]) / (last - first)
        edge.weight[b] = (last - first) / density
        nuisance_at((0.5 * (first + last - 1) - p0) / rate, edge.row[b])
    for i in range(N_NUISANCE):
        edge.quiet_g[i] = 0.0
        for j in range(N_NUISANCE):
            edge.quiet[i, j] = 0.0
    for b in range(quiet):
        for i in range(N_NUISANCE):
            w = edge.weight[b] * edge.row[b, i]
            edge.quiet_g[i] += w * edge.value[b]
            for j in range(N_NUISANCE):
                edge.quiet[i, j] += w * edge.row[b, j]


@kernel
def quiet_equations(edge: Edge, n_par: int) -> None:
    """Start the normal equations at the estimate: priors and quiet bins."""
    for i in range(n_par):
        for j in range(i):
            edge.a[i, j] = 0.0
        edge.a[i, i] = edge.w0[i]
        edge.g[i] = edge.w0[i] * (edge.x0[i] - edge.x[i])
    for i in range(N_NUISANCE):
        edge.g[i] += edge.quiet_g[i]
        for j in range(i + 1):
            edge.a[i, j] += edge.quiet[i, j]
        for j in range(N_NUISANCE):
            edge.g[i] -= edge.quiet[i, j] * edge.x[j]


@kernel
def add_row(edge: Edge, row: Array, weight: float, difference: float, n_par: int) -> None:
    """Add one bin to the normal equations, of which the lower half is kept."""
    for i in range(n_par):
        w = weight * row[i]
        edge.g[i] += w * difference
        for j in range(i + 1):
            edge.a[i, j] += w * row[j]


@kernel
def rise_row(edge: Edge, b: int, rise: Rise, n_modes: int, scale: float) -> tuple[float, float]:
    """Complete the design row of a bin at the estimate; return the model there and the variance of its shape.

    ``scale`` is that of the estimate, in samples.
    """
    row = edge.row[b]
    x = edge.x
    height = x[P_HEIGHT]
    u = (0.5 * (edge.first[b] + edge.last[b] - 1) - x[P_ONSET]) / scale
    spot = (u - rise.grid[0]) / rise.grid[1]
    model = 0.0
    for k in range(N_NUISANCE):
        model += x[k] * row[k]
    if not spot > 0:
        for k in range(N_NUISANCE, N_NUISANCE + 3 + n_modes):
            row[k] = 0.0
        return model, 0.0
    cell = min(int(spot), rise.table.shape[0] - 2)
    f = min(spot - cell, 1.0)
    low = rise.table[cell]
    high = rise.table[cell + 1]
    shape = low[2] + f * (high[2] - low[2])
    slope = low[1] + f * (high[1] - low[1])
    for k in range(n_modes):
        phi = low[3 + k] + f * (high[3 + k] - low[3 + k])
        shape += x[P_MODES + k] * phi
        slope += x[P_MODES + k] * (low[3 + n_modes + k] + f * (high[3 + n_modes + k] - low[3 + n_modes + k]))
        row[P_MODES + k] = height * phi
    rest = height * (low[0] + f * (high[0] - low[0]))
    row[P_ONSET] = -height * slope / scale
    row[P_SCALE] = -height * slope * u
    row[P_HEIGHT] = shape
    return model + height * shape, rest * rest


@kernel
def edge_equations(edge: Edge, rise: Rise, quiet: int, count: int, n_modes: int) -> None:
    """Fill the normal equations of the whole model at the estimate."""
    n_par = P_MODES + n_modes
    scale = math.exp(edge.x[P_SCALE])
    quiet_equations(edge, n_par)
    for b in range(quiet, count):
        model, rest = rise_row(edge, b, rise, n_modes, scale)
        add_row(edge, edge.row[b], 1.0 / (1.0 / edge.weight[b] + rest), edge.value[b] - model, n_par)


@kernel
def rise_misfit(edge: Edge, rise: Rise, quiet: int, count: int, n_modes: int) -> float:
    """Return the misfit of the bins on the rise at the estimate, up to a constant."""
    scale = math.exp(edge.x[P_SCALE])
    misfit = 0.0
    for b in range(quiet, count):
        model, rest = rise_row(edge, b, rise, n_modes, scale)
        w = 1.0 / (1.0 / edge.weight[b] + rest)
        misfit += w * (edge.value[b] - model) ** 2 - math.log(w)
    return misfit


@kernel
def start_edge(
    total: Array,
    lo: int,
    foot: int,
    summit: int,
    base: float,
    half: int,
    rate: float,
    edge: Edge,
    rise: Rise,
) -> int:
    """Set estimate and priors from where the smoothed sweep crosses 30 and 60 % of the summit.

    Return the last sample (exclusive) that is fitted.
    """
    n_modes = rise.prior_sd.shape[0]
    high = box_mean(total, summit - half, summit + half + 1)
    height = high - base
    t60 = fall_back(total, foot, summit, half, base + 0.6 * height)
    t30 = fall_back(total, foot, summit, half, base + 0.3 * height)
    scale = min(max(2.1 * (t60 - t30), 0.15 * rate, 1.5), 4.0 * rate)
    x0, w0 = edge.x0, edge.w0
    for i in range(WIDTH):
        x0[i] = 0.0
        w0[i] = 0.0
    x0[0] = base
    w0[0] = 1e-2 / (height * height)
    w0[1] = 1.0 / (DRIFT_SD_UV * DRIFT_SD_UV)
    w0[2] = 1.0 / (TAIL_SD_UV[0] * TAIL_SD_UV[0])
    w0[3] = 1.0 / (TAIL_SD_UV[1] * TAIL_SD_UV[1])
    w0[4] = 1.0 / (MAINS_SD_UV * MAINS_SD_UV)
    w0[5] = w0[4]
    x0[P_ONSET] = t60 - scale
    w0[P_ONSET] = 1e-4 / (scale * scale)
    x0[P_SCALE] = math.log(scale)
    w0[P_SCALE] = 1.0 / (0.7 * 0.7)
    x0[P_HEIGHT] = height
    w0[P_HEIGHT] = 1.0 / (0.15 * height) ** 2
    for k in range(n_modes):
        w0[P_MODES + k] = 1.0 / (rise.prior_sd[k] * rise.prior_sd[k])
    for i in range(WIDTH):
        edge.x[i] = x0[i]
    top = int(t60 + 0.35 * scale) + 1
    return min(max(top, lo + 4), summit + 1)


@kernel
def fit_edge(
    total: Array,
    lo: int,
    top: int,
    p0: float,
    pre: int,
    before: int,
    rate: float,
    density: float,
    edge: Edge,
    rise: Rise,
) -> tuple[int, int]:
    """Fit baseline, tails, mains and rise up to the sample ``top`` by Gauss-Newton steps, into ``edge.x``.

    Return the number of quiet bins and of all bins (0 if the fit failed). ``edge.a`` keeps the Cholesky factor of the
    precision at the estimate before the last step.
    """
    n_modes = rise.prior_sd.shape[0]
    n_par = P_MODES + n_modes
    x, g = edge.x, edge.g
    cut_onset = math.inf
    cut_scale = 0.0
    quiet = 0
    count = 0
    for _ in range(MOST_STEPS):
        scale = math.exp(x[P_SCALE])
        if not (abs(x[P_ONSET] - cut_onset) < 0.35 * scale and abs(x[P_SCALE] - cut_scale) < 0.35):
            cut_onset = x[P_ONSET]
            cut_scale = x[P_SCALE]
            quiet, count = cut_bins(pre, before, lo, cut_onset, scale, top, edge)
            fill_bins(total, p0, rate, density, quiet, count, edge)
        edge_equations(edge, rise, quiet, count, n_modes)
        if not solve(edge.a, g, n_par):
            return quiet, 0
        shrink = 1.0
        if abs(g[P_ONSET]) > 0.5 * scale:
            shrink = 0.5 * scale / abs(g[P_ONSET])
        if abs(g[P_SCALE]) * shrink > 0.4:
            shrink = 0.4 / abs(g[P_SCALE])
        for i in range(n_par):
            x[i] += shrink * g[i]
        if shrink == 1.0 and abs(g[P_ONSET]) < 0.04 * scale and abs(g[P_SCALE]) < 0.1:
            break
    if not (math.isfinite(x[P_ONSET]) and x[P_HEIGHT] > 0):
        return quiet, 0
    return quiet, count


@kernel
def rise_gain(edge: Edge, rise: Rise, quiet: int, count: int, n_modes: int) -> float:
    """Return by how much twice the log likelihood (with priors) of the fitted rise exceeds that of a sweep without one.

    Overwrites the normal equations.
    """
    full = rise_misfit(edge, rise, quiet, count, n_modes) + quiet_misfit(edge)
    for i in range(P_MODES + n_modes):
        full += edge.w0[i] * (edge.x[i] - edge.x0[i]) ** 2
    for i in range(N_NUISANCE):
        edge.x[i] = edge.x0[i]
    quiet_equations(edge, N_NUISANCE)
    for b in range(quiet, count):
        difference = edge.value[b]
        for k in range(N_NUISANCE):
            difference -= edge.x[k] * edge.row[b, k]
        add_row(edge, edge.row[b], edge.weight[b], difference, N_NUISANCE)
    if not solve(edge.a, edge.g, N_NUISANCE):
        return 0.0
    without = 0.0
    for i in range(N_NUISANCE):
        edge.x[i] += edge.g[i]
        without += edge.w0[i] * (edge.x[i] - edge.x0[i]) ** 2
    without += quiet_misfit(edge)
    for b in range(quiet, count):
        difference = edge.value[b]
        for k in range(N_NUISANCE):
            difference -= edge.x[k] * edge.row[b, k]
        without += edge.weight[b] * difference * difference - math.log(edge.weight[b])
    return without - full


@kernel
def quiet_misfit(edge: Edge) -> float:
    """Return the misfit of the quiet bins at the estimate, up to a constant."""
    value = 0.0
    for i in range(N_NUISANCE):
        part = 0.0
        for j in range(N_NUISANCE):
            part += edge.quiet[i, j] * edge.x[j]
        value += edge.x[i] * (part - 2 * edge.quiet_g[i])
    return value


@kernel
def spread_of(a: Array, n: int, gradient: Array) -> float:
    """Return the standard deviation of a linear function of the estimate; ``a`` is the factor of its precision."""
    variance = 0.0
    for i in range(n):
        v = gradient[i]
        for k in range(i):
            v -= a[i, k] * gradient[k]
        gradient[i] = v / a[i, i]
        variance += gradient[i] * gradient[i]
    return math.sqrt(variance)


@kernel
def onset_of(edge: Edge, rise: Rise, share: float, gradient: Array) -> tuple[float, float]:
    """Return where the fitted rise crosses ``share`` of its height, in samples, and the standard deviation of that.

    ``gradient`` is scratch.
    """
    n_modes = rise.prior_sd.shape[0]
    table = rise.table
    x = edge.x
    scale = math.exp(x[P_SCALE])
    found = -1
    value = 0.0
    ahead = 0.0
    i = min(int((1.0 - rise.grid[0]) / rise.grid[1]), table.shape[0] - 1)
    while i >= 0:
        value = table[i, 2]
        for k in range(n_modes):
            value += x[P_MODES + k] * table[i, 3 + k]
        if value <= share:
            found = i
            break
        ahead = value
        i -= 1
    if found < 0 or ahead <= value:
        return math.nan, math.nan
    f = (share - value) / (ahead - value)
    u = rise.grid[0] + (found + f) * rise.grid[1]
    slope = (ahead - value) / rise.grid[1]
    for k in range(P_MODES):
        gradient[k] = 0.0
    gradient[P_ONSET] = 1.0
    gradient[P_SCALE] = scale * u
    for k in range(n_modes):
        phi = table[found, 3 + k] + f * (table[found + 1, 3 + k] - table[found, 3 + k])
        gradient[P_MODES + k] = -scale * phi / slope
    rest = table[found, 0] + f * (table[found + 1, 0] - table[found, 0])
    spread = spread_of(edge.a, P_MODES + n_modes, gradient)
    return x[P_ONSET] + scale * u, math.hypot(scale * rest / slope, spread)


@kernel
def nuisance_value(edge: Edge, t_ms: float, basis: Array) -> float:
    """Return the fitted nuisance (level, drift, tails, mains) at a time after the stimulus."""
    nuisance_at(t_ms, basis)
    value = 0.0
    for k in range(N_NUISANCE):
        value += edge.x[k] * basis[k]
    return value


@kernel
def cubic_top(y: Array, middle: int, half: int, sign: float) -> tuple[float, float, float]:
    """Fit a cubic to ``sign * y`` around ``middle``; return position and value of its maximum, and its curvature there.

    The values are those of a least-squares fit over ``2 * half + 1`` samples, by orthogonal polynomials.
    """
    m = float(half)
    n = 2 * m + 1
    s2 = m * (m + 1) * n / 3.0
    s4 = s2 * (3 * m * m + 3 * m - 1) / 5.0
    s6 = s2 * (3 * m**4 + 6 * m**3 - 3 * m + 1) / 7.0
    z0 = 0.0
    z1 = 0.0
    z2 = 0.0
    z3 = 0.0
    for k in range(-half, half + 1):
        v = sign * y[middle + k]
        z0 += v
        z1 += v * k
        z2 += v * k * k
        z3 += v * k * k * k
    det = n * s4 - s2 * s2
    c0 = (s4 * z0 - s2 * z2) / det
    c2 = (n * z2 - s2 * z0) / det
    det3 = s2 * s6 - s4 * s4
    if det3 > 0:
        c1 = (s6 * z1 - s4 * z3) / det3
        c3 = (s2 * z3 - s4 * z1) / det3
    else:
        c1 = z1 / s2
        c3 = 0.0
    if c2 >= 0:
        return float(middle), sign * y[middle], 0.0
    t = -c1 / (2 * c2)
    for _ in range(4):
        bend = 2 * c2 + 6 * c3 * t
        if bend >= 0:
            break
        t -= (c1 + 2 * c2 * t + 3 * c3 * t * t) / bend
    if not (abs(t) <= m and 2 * c2 + 6 * c3 * t <= 0):  # the cubic has no top there, its parabola has
        t = max(-m, min(m, -c1 / (2 * c2)))
        c3 = 0.0
    return middle + t, c0 + t * (c1 + t * (c2 + t * c3)), 2 * c2 + 6 * c3 * t


@kernel
def peak_share(snr: float) -> float:
    """Return above which share of the peak's height its time is fitted: the more noise, the further down the flanks.

    Found with the train population: 0.9 from 500 times the noise on, 0.7 at 100 times, 0.5 at 20 times.
    """
    return min(0.9, max(0.5, 0.5 + 0.2 * math.log(max(snr, 1.0) / 20.0) / math.log(5.0)))


@kernel
def width_above(total: Array, at: int, half: int, level: float, most: int) -> int:
    """Return how far the smoothed sweep stays above ``level`` on both sides of ``at``, at the most ``most`` samples."""
    k = 1
    while k < most:
        left = box_mean(total, at - k - half, at - k + half + 1)
        right = box_mean(total, at + k - half, at + k + half + 1)
        if left < level or right < level:
            break
        k += 1
    return k


@kernel
def is_clipped(y: Array, low: float, high: float, around: int, amplitude: float, rate: float) -> bool:
    """Return whether the sweep stands still at its extreme around a sample: for long, or with steep flanks."""
    n = y.shape[0]
    if y[around] != high and y[around] != low:
        return False
    extreme = y[around]
    first = around
    while first > 0 and y[first - 1] == extreme:
        first -= 1
    last = around
    while last < n - 1 and y[last + 1] == extreme:
        last += 1
    width = last - first + 1
    if width >= max(8, int(0.5 * rate)):
        return True
    if width < 4:
        return False
    flank = 0.0
    if first > 0:
        flank = max(flank, abs(extreme - y[first - 1]))
    if last < n - 1:
        flank = max(flank, abs(extreme - y[last + 1]))
    return flank > 0.01 * amplitude


@kernel
def extreme_sample(y: Array, at: int, half: int, sign: float) -> int:
    """Return the sample around ``at`` where ``sign * y`` is largest."""
    best = max(at - half, 0)
    for i in range(best, min(at + half + 1, y.shape[0])):
        if sign * y[i] > sign * y[best]:
            best = i
    return best


@kernel
def falling_crossing(total: Array, start: int, hi: int, half: int, level: float) -> float:
    """Return where the smoothed sweep first falls to ``level`` from ``start`` on, NaN if it does not before ``hi``."""
    before = box_mean(total, start - half, start + half + 1)
    if before <= level:
        return float(start)
    for i in range(start + 1, hi):
        v = box_mean(total, i - half, i + half + 1)
        if v <= level:
            return i - 1 + (before - level) / (before - v)
        before = v
    return math.nan


@kernel
def last_return(total: Array, end: float, hi: int, half: int, base: float, threshold: float, gap: int) -> float:
    """Return the return to ``base`` of the last later peak above ``base + threshold``; ``end`` if there is none.

    A later peak belongs to the response only if it rises within ``gap`` samples after the previous return.
    """
    result = end
    i = int(end) + 1
    while i < min(int(result) + gap, hi):
        if box_mean(total, i - half, i + half + 1) > base + threshold:
            back = falling_crossing(total, i, hi, half, base)
            if not math.isfinite(back):
                return back
            result = back
            i = int(back)
        i += 1
    return result


@kernel
def falls_before(total: Array, lo: int, foot: int, half: int) -> float:
    """Return how far the smoothed sweep falls from its highest point in ``[lo, foot]`` to the foot."""
    low = box_mean(total, foot - half, foot + half + 1)
    high = low
    for i in range(lo, foot):
        high = max(high, box_mean(total, i - half, i + half + 1))
    return high - low


@kernel
def area_between(total: Array, onset: float, end: float, n: int) -> float:
    """Return the integral of the sweep from ``onset`` to ``end`` (positions of samples), by whole and part samples.

    A sample stands for the half samples on both sides of it, the outermost ones for everything beyond them.
    """
    a = min(max(int(onset + 0.5), 0), n - 1)
    b = min(max(int(end + 0.5), 0), n - 1)
    first = total[a + 1] - total[a]
    last = total[b + 1] - total[b]
    return float(total[b] - total[a] + first * (a - 0.5 - onset) + last * (end - b + 0.5))


@kernel
def rule_onset(
    method: int,
    y: Array,
    lo: int,
    peak: int,
    base: float,
    sigma: float,
    height: float,
    rate_khz: float,
    parameter: float,
) -> float:
    """Return the onset position by one of the published rules."""
    if method == METHOD_THRESHOLD:
        return last_crossing(y, lo, peak, base + parameter)
    if method == METHOD_SD:
        return sd_crossing(y, lo, peak, base + parameter * sigma, max(1, int(0.5 * rate_khz)))
    if method == METHOD_PERCENT_OF_PEAK:
        return last_crossing(y, lo, peak, base + parameter * height)
    if method == METHOD_TANGENT:
        return tangent_foot(y, lo, peak, base, max(1, int(0.5 * parameter * rate_khz + 0.5)))
    if method == METHOD_SECOND_DERIVATIVE:
        return curvature_peak(y, lo, peak, max(2, int(0.5 * parameter * rate_khz + 0.5)))
    if method == METHOD_RISING_RUN:
        return rising_run(y, lo, peak, int(parameter * rate_khz + 0.5))
    return aic_minimum(y, lo, peak)


@kernel
def mark_sweeps(
    samples: Array,
    stimulus_ms: Array,
    options: Array,
    method: int,
    table: Array,
    prior_sd: Array,
    grid: Array,
    out: Array,
    codes: Array,
) -> None:
    """Mark every sweep; see ``ncs.detect.response.mark`` for what goes in and what the columns of ``out`` are."""
    n = samples.shape[1]
    y = np.empty(n)
    total = np.empty(n + 1)
    stretches = np.empty(STRETCHES)
    rise = Rise(table, prior_sd, grid)
    edge = Edge(
        np.empty(MOST_BINS, np.int64), np.empty(MOST_BINS, np.int64), np.empty(MOST_BINS), np.empty(MOST_BINS),
        np.zeros((MOST_BINS + 1, WIDTH)), np.empty((N_NUISANCE, N_NUISANCE)), np.empty(N_NUISANCE),
        np.zeros((WIDTH, WIDTH)), np.zeros(WIDTH), np.zeros(WIDTH), np.zeros(WIDTH), np.zeros(WIDTH),
        np.empty(MOST_BINS),
    )  # fmt: skip
    for s in range(samples.shape[0]):
        for k in range(N_OUTPUTS):
            out[s, k] = math.nan
        codes[s, 1] = 0
        low, high, finite = load(samples[s], y, total)
        if finite and high > low and math.isfinite(stimulus_ms[s]):
            codes[s, 0] = mark_one(
                y, total, low, high, stimulus_ms[s], options, method, stretches, edge, rise, out[s], codes[s]
            )
        else:
            codes[s, 0] = INVALID_INPUT


@kernel
def ringing_end(y: Array, lo: int, until: int, hi: int, half: int) -> int:
    """Return where the ringing of the artefact is over: after the last change that is twice as steep as any later one.

    Only changes before ``until`` are suspected; ``lo`` is returned where there are none, or none later to compare with.
    """
    if until >= hi - 1:
        return lo
    steepest = 0.0
    for i in range(max(until, 0), hi - 1):
        steepest = max(steepest, abs(y[i + 1] - y[i]))
    i = until - 1
    while i > lo - half:
        if abs(y[i + 1] - y[i]) > 2 * steepest:
            return min(i + 2 + half, until)
        i -= 1
    return lo


@kernel
def mark_one(
    y: Array,
    total: Array,
    low: float,
    high: float,
    stimulus_ms: float,
    options: Array,
    method: int,
    stretches: Array,
    edge: Edge,
    rise: Rise,
    row: Array,
    code: Array,
) -> int:
    """Mark one sweep into ``row``; return the outcome. Positions are samples here and become ms on the way out."""
    rate = options[0]
    n = y.shape[0]
    p0 = stimulus_ms * rate
    half = max(1, int(0.5 * options[3] * rate))
    lo = max(int(math.ceil(p0 + options[1] * rate)) + half, half)
    hi = min(n, int(math.floor(p0 + options[2] * rate)) + 1)
    if hi - lo < 4 * half + 8:
        return INVALID_INPUT
    lo = ringing_end(y, lo, min(hi, int(p0 + RINGING_MS * rate)), hi, half)
    fine, density = noise_density(total, int(p0) - 1, lo, rate, stretches)
    if not math.isfinite(fine):
        return INVALID_INPUT
    density = step_noise(y, density, 1e-6 * (high - low))
    row[19] = math.sqrt(fine)
    before = min(int(p0 - 0.15 * rate), lo - half)
    pre = max(0, int(p0 - 8.0 * rate))
    if before - pre < 3 * half:
        code[1] |= NO_BASELINE
        before = pre
        base = level_at_end(total, hi, max(2, (hi - lo) // 5))
    else:
        base = box_mean(total, pre, before)
    foot, top, height = largest_rise(total, lo, hi, half, base)
    smooth = math.sqrt(density / (2 * half + 1))
    if not height > 5 * smooth:
        return NO_RESPONSE
    if top < 3 or top >= min(hi - 1, n - 3):
        recent = box_mean(total, top - int(EDGE_MS * rate) - half, top - int(EDGE_MS * rate) + half + 1)
        steep = box_mean(total, top - half, top + half + 1) - recent > 0.5 * height
        return AT_WINDOW_EDGE if steep and height > 8 * smooth else NO_RESPONSE
    least = max(0.12 * height, 6 * smooth)
    foot, summit = first_summit(total, lo, top, half, base, least)
    if summit < min(top, int(p0 + RINGING_MS * rate)):  # the last swing of the artefact, before its tail
        lo = summit
        foot, summit = first_summit(total, lo, top, half, base, least)
    if not box_mean(total, summit - half, summit + half + 1) > base:
        return NO_RESPONSE
    end = start_edge(total, lo, foot, summit, base, half, rate, edge, rise)
    quiet, count = fit_edge(total, lo, end, p0, pre, before, rate, density, edge, rise)
    window = (lo, hi, foot, top, summit)
    return measure_response(
        y, total, low, high, p0, window, base, half, fine, density, quiet, count, options, method, edge, rise,
        row, code,
    )  # fmt: skip


@kernel
def measure_response(
    y: Array,
    total: Array,
    low: float,
    high: float,
    p0: float,
    window: tuple[int, int, int, int, int],
    base: float,
    half: int,
    fine: float,
    density: float,
    quiet: int,
    count: int,
    options: Array,
    method: int,
    edge: Edge,
    rise: Rise,
    row: Array,
    code: Array,
) -> int:
    """Measure the response whose rise has been fitted, and decide whether it is one; return the outcome."""
    rate = options[0]
    n = y.shape[0]
    lo, hi, foot, top, summit = window
    n_modes = rise.prior_sd.shape[0]
    smooth = math.sqrt(density / (2 * half + 1))
    t_top = (top - p0) / rate
    basis = edge.row[MOST_BINS]
    fitted = count > 0
    floor = nuisance_value(edge, t_top, basis)
    crest = box_mean(total, top - half, top + half + 1)
    least = max(8 * smooth, 0.05 * (crest - base))
    dip = base - box_mean(total, foot - half, foot + half + 1) > least and falls_before(total, lo, foot, half) > least
    # a dip that takes longer than any response to come back is the tail of the artefact
    positivity = dip and fall_back(total, foot, summit, half, base) - foot < options[6] * rate
    if positivity or not fitted:
        floor = base
    sample = extreme_sample(y, top, half, 1.0)
    level = floor + 0.9 * (crest - floor)
    reach = width_above(total, top, half, level, 4 * half + n // 8)
    reach = max(2, min(reach, min(top, n - 1 - top)))
    _, value, _ = cubic_top(y, top, reach, 1.0)
    peak = value - floor
    if not peak > max(5 * smooth, options[7]):
        return NO_RESPONSE
    floor_sd = smooth
    if positivity or not fitted:
        onset, onset_sd = crossing_with_sd(total, foot, summit, max(1, half // 2), base + 0.02 * peak, density)
        if not positivity and (dip or 0.02 * peak < 3 * smooth):
            onset_sd = math.inf
    else:
        onset, onset_sd = onset_of(edge, rise, 0.02 * max(peak / edge.x[P_HEIGHT], 1.0), edge.g)
        onset, onset_sd = checked_onset(
            total, edge, p0, lo, foot, summit, half, onset, onset_sd, base, peak, density, rate
        )
        onset_sd *= math.hypot(1.0, FEW_NOISE * math.sqrt(fine) / peak)
        onset_sd = math.hypot(onset_sd, tail_doubt(edge, (onset - p0) / rate, basis))
        nuisance_at(t_top, basis)
        for i in range(P_MODES + n_modes):
            edge.g[i] = basis[i] if i < N_NUISANCE else 0.0
        floor_sd = spread_of(edge.a, P_MODES + n_modes, edge.g)
        limit = floor_limit(total, onset, foot, half, base, smooth)
        if abs(floor - base) > limit:
            floor = base + math.copysign(limit, floor - base)
            floor_sd = math.hypot(floor_sd, 0.5 * limit)
            peak = value - floor
    present = presence(
        edge, total, p0, window, half, peak, base, smooth, rate, options[6] * rate, options[8], quiet, count, rise
    )
    if present != FOUND:
        return present
    if top - onset > options[6] * rate:
        return NO_RESPONSE
    if onset < lo + EDGE_GUARD_MS * rate:
        return AT_WINDOW_EDGE
    if positivity:
        code[1] |= INITIAL_POSITIVITY
    if summit != top:
        code[1] |= MULTIPLE_PEAKS
    if method != METHOD_CHANGEPOINT:
        onset = rule_onset(method, y, lo, sample, floor, math.sqrt(fine), peak, rate, options[5])
        onset_sd = math.nan
    outcome = FOUND
    if not (math.isfinite(onset) and (method != METHOD_CHANGEPOINT or onset_sd < MOST_ONSET_SD_MS * rate)):
        onset = math.nan
        onset_sd = math.nan
        outcome = TOO_NOISY
    row[18] = floor
    row[0] = (onset - p0) / rate
    row[1] = onset_sd / rate
    if is_clipped(y, low, high, sample, peak, rate):
        row[1] = math.nan
        return CLIPPED
    negative_peak(y, total, p0, top, half, reach, density, floor, floor_sd, peak, rate, row)
    after_peak(y, total, p0, hi, top, half, density, floor, floor_sd, onset, onset_sd, peak, options, row)
    return outcome


@kernel
def negative_peak(
    y: Array,
    total: Array,
    p0: float,
    top: int,
    half: int,
    reach: int,
    density: float,
    floor: float,
    floor_sd: float,
    peak: float,
    rate: float,
    row: Array,
) -> None:
    """Time the negative peak and say how certain time and height are; ``reach`` is how far its top was fitted."""
    n = y.shape[0]
    level = floor + peak_share(peak / math.sqrt(density)) * peak
    wide = max(reach, min(width_above(total, top, half, level, 4 * half + n // 8), min(top, n - 1 - top)))
    at, _, bend = cubic_top(y, top, wide, 1.0)
    m = float(wide)
    row[2] = (at - p0) / rate
    row[3] = 3.2 * math.sqrt(3 * density / (m * (m + 1) * (2 * m + 1))) / max(-bend, 1e-30) / rate
    row[4] = peak
    row[5] = math.sqrt(2.25 * density / (2 * reach + 1) + floor_sd * floor_sd)


@kernel
def floor_limit(total: Array, onset: float, foot: int, half: int, base: float, smooth: float) -> float:
    """Return how far from the baseline of before the stimulus the fitted nuisance may be under the peak.

    A tail decays: what is left of it under the peak cannot exceed what the sweep shows before the onset, apart from
    noise, mains and drift. Two tails of opposite sign can pretend otherwise where the first units stand alone.
    """
    before = int(onset) if math.isfinite(onset) else foot
    seen = abs(box_mean(total, before - 4 * half, before - half + 1) - base)
    return seen + MAINS_SD_UV + 3 * smooth if math.isfinite(seen) else math.inf


@kernel
def checked_onset(
    total: Array,
    edge: Edge,
    p0: float,
    lo: int,
    foot: int,
    summit: int,
    half: int,
    onset: float,
    onset_sd: float,
    base: float,
    peak: float,
    density: float,
    rate: float,
) -> tuple[float, float]:
    """Return the onset of the fit, or that of the plain crossing where the two contradict each other.

    Where 2 % of the peak stand clear of the noise, the onset can be seen without a model; where they do not, a sweep
    that is well above the noise before the fitted onset still refutes it. The model cannot follow a rise in steps.
    """
    fine = max(1, half // 2)
    noise = math.sqrt(density / (2 * fine + 1))
    level = max(0.02 * peak, 6 * noise)
    cross, cross_sd = crossing_with_sd(total, foot, summit, fine, base + level, density)
    if not math.isfinite(cross_sd):
        cross_sd = 0.3 * rate
    nuisance = nuisance_value(edge, (onset - p0) / rate, edge.row[MOST_BINS])
    clear = level == 0.02 * peak
    away = abs(nuisance - base)
    slack = max(0.15 * rate, fine + 0.5) + 3 * onset_sd + min(away, 0.5 * level) * cross_sd / noise
    grows = away > abs(box_mean(total, lo - fine, lo + fine + 1) - base) + 3 * noise + 0.1 * peak
    if not clear and away > 3 * noise and not grows:
        return onset, onset_sd
    if onset > cross + slack or (clear and onset < cross - slack) or not math.isfinite(onset):
        if not clear:
            cross_sd = max(cross_sd, 0.3 * rate)
        if away > level and abs(box_mean(total, foot - half, foot + half + 1) - base) > level:
            # the rise does not begin at the baseline: neither onset can be trusted
            cross_sd = math.hypot(cross_sd, onset - cross)
        return cross, cross_sd
    return onset, onset_sd


@kernel
def tail_doubt(edge: Edge, t_ms: float, basis: Array) -> float:
    """Return by how many samples an onset may be off because the artefact's tail is not quite the one that was fitted.

    A baseline that is wrong by as much as the tail is large at the onset moves the rise by that share of its height.
    """
    nuisance_at(t_ms, basis)
    tail = edge.x[2] * basis[2] + edge.x[3] * basis[3]
    return abs(float(tail / edge.x[P_HEIGHT])) * math.exp(edge.x[P_SCALE])


@kernel
def presence(
    edge: Edge,
    total: Array,
    p0: float,
    window: tuple[int, int, int, int, int],
    half: int,
    peak: float,
    base: float,
    smooth: float,
    rate: float,
    slowest: float,
    swing: float,
    quiet: int,
    count: int,
    rise: Rise,
) -> int:
    """Return the outcome of the fitted candidate: it must stand out, and from more than the noise of its own pace.

    It stands out if the rise explains the sweep much better than baseline, tail and mains do, or if it rises and falls
    by many times the noise, or by ``swing`` times the noise together. Mains and slow noise rise and fall as well, but
    everywhere: the candidate must exceed what the rest of the sweep does within the duration of its rise. Overwrites
    the normal equations.
    """
    lo, hi, foot, top, first = window
    summit = box_mean(total, top - half, top + half + 1)
    low = max(base, box_mean(total, foot - half, foot + half + 1))
    size = min(peak, summit - low)
    start = fall_back(total, foot, top, half, low + 0.1 * (summit - low))
    pace = max(4 * half, min(int(top - start), int(8 * rate)))
    late = top + min(4 * pace, int(12 * rate))
    unrest = usual_change(total, int(p0) - 1, late, hi, half, pace, edge.spare)
    if size < 4 * unrest or top - start > slowest or top < lo + 0.5 * rate:
        return NO_RESPONSE
    blank = int(p0) - 1
    valley = lowest_between(total, first, top, half) if top != first else int(start)
    climb = min(size, summit - box_mean(total, valley - half, valley + half + 1))
    for period in (20.0 * rate, rate / 0.06):
        if repeats(total, blank, lo, int(start), top, half, period, summit, size):
            return NO_RESPONSE
        if climb > 0.5 * size and repeats(total, blank, lo, valley, top, half, period, summit, climb):
            return NO_RESPONSE
    if stays_high(total, top, hi, half, 0.5 * (low + summit), 5 * max(int(top - start), int(0.5 * rate))):
        return NO_RESPONSE
    lowest = summit
    for i in range(top, min(hi, top + 3 * pace + int(0.4 * slowest))):
        lowest = min(lowest, box_mean(total, i - half, i + half + 1))
    fall = summit - lowest
    less = min(size, fall)
    stands_out = less > 9 * smooth or (less > 5 * smooth and size + fall > swing * smooth)
    if not stands_out and count > 0:
        stands_out = rise_gain(edge, rise, quiet, count, rise.prior_sd.shape[0]) > EVIDENCE
    if not stands_out:
        return NO_RESPONSE
    if fall < 0.3 * size:
        return AT_WINDOW_EDGE if hi - top < 2 * pace else NO_RESPONSE
    return FOUND


@kernel
def lowest_between(total: Array, first: int, last: int, half: int) -> int:
    """Return where the smoothed sweep is lowest in ``[first, last]``."""
    at = first
    low = math.inf
    for i in range(first, last + 1):
        v = box_mean(total, i - half, i + half + 1)
        if v < low:
            low = v
            at = i
    return at


@kernel
def stays_high(total: Array, top: int, hi: int, half: int, level: float, longest: int) -> bool:
    """Return whether the smoothed sweep stays above ``level`` for longer than ``longest`` samples after ``top``.

    A response falls about as fast as it rises; the swing of an amplifier that the artefact has driven does not.
    """
    if top + longest + half >= hi:
        return False
    for i in range(top, top + longest + 1):
        if box_mean(total, i - half, i + half + 1) < level:
            return False
    return True


@kernel
def repeats(
    total: Array, blank: int, lo: int, start: int, top: int, half: int, period: float, summit: float, size: float
) -> bool:
    """Return whether about the same rise stands one period of the mains earlier or later, clear of the artefact.

    The artefact lies in ``[blank, lo)``. Another rise counts if it is as steep and ends about as high: the return from
    the positive peak of a response does not.
    """
    for turn in (-1.0, 1.0):
        shift = int(turn * period + (0.5 if turn > 0 else -0.5))
        first = start + shift - half
        last = top + shift + half + 1
        if first < 0 or last > total.shape[0] - 1 or (first < lo and last > blank):
            continue
        before = box_mean(total, first, first + 2 * half + 1)
        after = box_mean(total, last - 2 * half - 1, last)
        if after - before > 0.6 * size and after > summit - 0.5 * size:
            return True
    return False


@kernel
def usual_change(total: Array, before: int, late: int, hi: int, half: int, pace: int, scratch: Array) -> float:
    """Return the robust standard deviation of changes over ``pace`` samples away from stimulus and response.

    0 where too little of the sweep is left to tell; ``scratch`` holds the values.
    """
    room = max(0, before - half - pace) + max(0, hi - half - pace - late)
    step = max(half, room // scratch.shape[0] + 1)
    count = 0
    for part in range(2):
        i = half if part == 0 else late
        last = before - half - pace if part == 0 else hi - half - pace
        while i < last and count < scratch.shape[0]:
            change = abs(
                box_mean(total, i + pace - half, i + pace + half + 1) - box_mean(total, i - half, i + half + 1)
            )
            j = count
            while j > 0 and scratch[j - 1] > change:
                scratch[j] = scratch[j - 1]
                j -= 1
            scratch[j] = change
            count += 1
            i += step
    return 1.4826 * float(scratch[count // 2]) if count >= 8 else 0.0


@kernel
def crossing_with_sd(total: Array, foot: int, top: int, half: int, level: float, density: float) -> tuple[float, float]:
    """Return where the smoothed sweep last rises through a level before ``top``, and the standard deviation of that."""
    at = fall_back(total, foot, top, half, level)
    i = int(at)
    span = 2 * half + 1
    slope = (box_mean(total, i + 1, i + 1 + span) - box_mean(total, i + 1 - span, i + 1)) / span
    sd = math.sqrt(density / (2 * half + 1)) / slope if slope > 0 else math.nan
    return at, sd


@kernel
def after_peak(
    y: Array,
    total: Array,
    p0: float,
    hi: int,
    top: int,
    half: int,
    density: float,
    floor: float,
    floor_sd: float,
    onset: float,
    onset_sd: float,
    peak: float,
    options: Array,
    row: Array,
) -> None:
    """Measure what follows the negative peak: returns to baseline, area, durations, positive peak."""
    rate = options[0]
    n = y.shape[0]
    smooth = math.sqrt(density / (2 * half + 1))
    end = falling_crossing(total, top, hi, half, floor)
    threshold = max(options[4], max(5 * smooth, 0.05 * peak))
    row[17] = threshold
    if math.isfinite(end):
        last = last_return(total, end, hi, half, floor, threshold, int(8.0 * rate))
        row[6] = (end - p0) / rate
        row[7] = (last - p0) / rate
        if math.isfinite(onset):
            fall = (box_mean(total, int(end) - 2 * half, int(end)) - box_mean(total, int(end), int(end) + 2 * half)) / (
                2 * half
            )
            end_sd = math.hypot(smooth, floor_sd) / fall if fall > 0 else math.nan
            span = end - onset
            row[10] = (area_between(total, onset, end, n) - floor * span) / rate
            row[11] = math.sqrt(density * span + (floor_sd * span) ** 2) / rate
            row[14] = span / rate
            row[15] = math.hypot(end_sd, onset_sd) / rate
            row[16] = (last - onset) / rate
    positive_peak(y, total, p0, hi, top, half, density, floor, peak, rate, row)


@kernel
def positive_peak(
    y: Array,
    total: Array,
    p0: float,
    hi: int,
    top: int,
    half: int,
    density: float,
    floor: float,
    peak: float,
    rate: float,
    row: Array,
) -> None:
    """Measure the positive peak that follows, where one stands clear of the noise and of the window's end."""
    n = y.shape[0]
    smooth = math.sqrt(density / (2 * half + 1))
    lowest = top
    value = math.inf
    until = min(hi, top + int(25.0 * rate))
    for i in range(top, until):
        v = box_mean(total, i - half, i + half + 1)
        if v < value:
            value = v
            lowest = i
    if lowest + half + 1 < until and floor - value > 5 * smooth:
        level = floor - 0.9 * (floor - value)
        reach = 2
        while reach < 8 * half + 8 and lowest - reach - half > top and lowest + reach + half < until:
            left = box_mean(total, lowest - reach - half, lowest - reach + half + 1)
            right = box_mean(total, lowest + reach - half, lowest + reach + half + 1)
            if left > level or right > level:
                break
            reach += 1
        reach = min(reach, min(lowest, n - 1 - lowest))
        at, deep, _ = cubic_top(y, lowest, reach, -1.0)
        row[8] = (at - p0) / rate
        row[9] = -deep - floor
        row[12] = peak - row[9]
        row[13] = math.sqrt(2 * 2.25 * density / (2 * reach + 1))
