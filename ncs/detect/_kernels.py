"""Every numba kernel of ncs.detect, and nothing else: arrays and numbers in, arrays and numbers out.

The frame all share: ``y`` is one sweep, negative up; positions are samples; ``lo`` is the first sample that may hold the
onset, ``peak`` the sample of the negative peak, ``base`` the baseline, ``sigma`` the noise, ``rate_khz`` samples per
millisecond. Each kernel has a slow numpy twin in the tests; change both or neither.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

METHOD_CHANGEPOINT = 0
METHOD_THRESHOLD = 1
METHOD_SD = 2
METHOD_PERCENT_OF_PEAK = 3
METHOD_TANGENT = 4
METHOD_SECOND_DERIVATIVE = 5
METHOD_RISING_RUN = 6
METHOD_AIC = 7


@njit(cache=True, nogil=True, error_model="numpy")
def last_crossing(y, lo, peak, level):
    """Walk back from the peak; return the position where ``y`` last rose through ``level``, NaN if it never did."""
    i = peak
    while i >= lo and y[i] > level:
        i -= 1
    if i < lo or i == peak:
        return math.nan
    return i + (level - y[i]) / (y[i + 1] - y[i])


@njit(cache=True, nogil=True, error_model="numpy")
def sd_crossing(y, lo, peak, level, hold):
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
                return i + (level - y[i]) / (y[i + 1] - y[i])
        i -= 1
    return math.nan


@njit(cache=True, nogil=True, error_model="numpy")
def tangent_foot(y, lo, peak, base, half):
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
    return at - (y[at] - base) / best


@njit(cache=True, nogil=True, error_model="numpy")
def curvature_peak(y, lo, peak, half):
    """Return the position of the largest second derivative before the steepest rise.

    The derivatives are those of a Savitzky-Golay filter of order 3 over ``2 * half + 1`` samples, whose second derivative
    is that of the fitted parabola.
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


@njit(cache=True, nogil=True, error_model="numpy")
def parabola_offset(left, middle, right):
    """Return the position of the extremum of a parabola through three equidistant values, relative to the middle."""
    bend = left - 2 * middle + right
    if bend == 0:
        return 0.0
    return max(-0.5, min(0.5, 0.5 * (left - right) / bend))


@njit(cache=True, nogil=True, error_model="numpy")
def rising_run(y, lo, peak, shortest):
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


@njit(cache=True, nogil=True, error_model="numpy")
def aic_minimum(y, lo, peak):
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
        if left <= 0 or right <= 0:
            continue
        value = k * math.log(left) + (rest - 1) * math.log(right)
        if value < best:
            best = value
            at = k
    return float(lo + at) if at >= 0 else math.nan


N_OUTPUTS = 20
EVIDENCE = 30.0
"""Gain in twice the log likelihood that a rise must bring before it counts as a response."""
MOST_ONSET_SD_MS = 1.0
"""An onset that is less certain than this is not given."""
N_NUISANCE = 6
"""Baseline, drift, two tails, two phases of mains."""
TAIL_MS = (0.7, 3.0)
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


@njit(cache=True, nogil=True, error_model="numpy")
def load(row, y, total):
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


@njit(cache=True, nogil=True, error_model="numpy")
def box_mean(total, first, last):
    """Return the mean of the samples ``first`` to ``last`` (exclusive), cut to the sweep."""
    a = max(first, 0)
    b = min(last, total.shape[0] - 1)
    return (total[b] - total[a]) / (b - a)


@njit(cache=True, nogil=True, error_model="numpy")
def bend_noise(total, first, last, width):
    """Return the variance of means over ``width`` samples, from their second differences in ``[first, last)``; or NaN."""
    count = 0
    acc = 0.0
    i = first
    while i + 3 * width <= last:
        a = total[i + width] - total[i]
        b = total[i + 2 * width] - total[i + width]
        c = total[i + 3 * width] - total[i + 2 * width]
        acc += (a - 2 * b + c) ** 2
        count += 1
        i += width
    return acc / (6.0 * width * width * count) if count > 0 else math.nan


@njit(cache=True, nogil=True, error_model="numpy")
def noise_density(total, skip_first, skip_last, width, scratch):
    """Return the noise variance per sample of the quiet parts of a sweep, as it counts in means over many samples.

    The sweep is cut into stretches; the quieter ones speak for the noise, since a response fills only some of them. Noise
    that is correlated over ``width`` samples counts as much as it weighs in a mean over them.
    """
    n = total.shape[0] - 1
    stretches = scratch.shape[0]
    length = max(n // stretches, 3 * width + 2)
    fine = quiet_level(total, skip_first, skip_last, 1, length, scratch)
    coarse = quiet_level(total, skip_first, skip_last, width, length, scratch) * width
    if not math.isfinite(fine):
        return math.nan, math.nan
    return fine, coarse if coarse > 2.0 * fine else fine


@njit(cache=True, nogil=True, error_model="numpy")
def quiet_level(total, skip_first, skip_last, width, length, scratch):
    """Return the 40th percentile over stretches of ``bend_noise``, leaving out stretches that meet the skipped ones."""
    n = total.shape[0] - 1
    count = 0
    start = 0
    while start + length <= n and count < scratch.shape[0]:
        if start + length <= skip_first or start >= skip_last:
            value = bend_noise(total, start, start + length, width)
            j = count
            while j > 0 and scratch[j - 1] > value:
                scratch[j] = scratch[j - 1]
                j -= 1
            scratch[j] = value
            count += 1
        start += length
    return scratch[(2 * (count - 1)) // 5] if count > 0 else math.nan


@njit(cache=True, nogil=True, error_model="numpy")
def largest_rise(total, lo, hi, half, base):
    """Return foot and top of the largest rise of the smoothed sweep in ``[lo, hi)``, and its height.

    What lies below ``base`` does not count as rise, so that the return from the positive peak is not taken for a response.
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


@njit(cache=True, nogil=True, error_model="numpy")
def first_summit(total, foot, top, half, least):
    """Return the first peak between foot and top from which the smoothed sweep falls by ``least``; else ``top``."""
    low = box_mean(total, foot - half, foot + half + 1)
    high = low
    at = foot
    for i in range(foot, top + 1):
        v = box_mean(total, i - half, i + half + 1)
        if v > high:
            high = v
            at = i
        if high - low >= least and high - v >= least:
            return at
    return top


@njit(cache=True, nogil=True, error_model="numpy")
def fall_back(total, foot, start, half, level):
    """Walk back from ``start`` to where the smoothed sweep last rose through ``level``; not before ``foot``."""
    after = box_mean(total, start - half, start + half + 1)
    i = start - 1
    while i >= foot:
        v = box_mean(total, i - half, i + half + 1)
        if v <= level:
            return i + (level - v) / (after - v) if after > v else float(i)
        after = v
        i -= 1
    return float(foot)


@njit(cache=True, nogil=True, error_model="numpy")
def solve(a, g, n):
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


@njit(cache=True, nogil=True, error_model="numpy")
def nuisance_at(t_ms, rate_khz, basis):
    """Fill ``basis`` with the nuisance functions at a time after the stimulus: level, drift, tails, mains."""
    basis[0] = 1.0
    basis[1] = 0.1 * t_ms
    basis[2] = math.exp(-t_ms / TAIL_MS[0]) if t_ms > 0 else 0.0
    basis[3] = math.exp(-t_ms / TAIL_MS[1]) if t_ms > 0 else 0.0
    phase = 2e-3 * math.pi * MAINS_HZ * t_ms
    basis[4] = math.sin(phase)
    basis[5] = math.cos(phase) - 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def cut_bins(first_pre, last_pre, lo, foot, scale, top, edges):
    """Cut the fitted stretch into bins: a few before the stimulus, a few up to the rise, fine ones on the rise.

    ``edges[j]`` receives first and last (exclusive) sample of bin ``j``; the number of bins is returned.
    """
    count = 0
    span = last_pre - first_pre
    if span >= 1:
        pieces = min(6, span)
        for k in range(pieces):
            edges[count, 0] = first_pre + (span * k) // pieces
            edges[count, 1] = first_pre + (span * (k + 1)) // pieces
            count += 1
    quiet_end = max(lo, min(int(foot - 1.0 * scale), top))
    span = quiet_end - lo
    if span >= 1:
        pieces = min(10, span)
        for k in range(pieces):
            edges[count, 0] = lo + (span * k) // pieces
            edges[count, 1] = lo + (span * (k + 1)) // pieces
            count += 1
    fine = max(1, int(0.07 * scale + 0.5))
    at = quiet_end
    while at < top and count < edges.shape[0]:
        wide = fine if at < foot + 0.6 * scale else 2 * fine
        edges[count, 0] = at
        edges[count, 1] = min(at + wide, top)
        at += wide
        count += 1
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def edge_step(total, edges, n_bins, p0, rate_khz, density, table, grid, prior_sd, x, x0, weight0, rows, a, g, use_edge):
    """Do one Gauss-Newton step of the edge model; return the criterion at ``x`` (misfit plus priors).

    ``x`` holds onset (samples), log scale, height, mode weights, nuisance weights; ``x0`` and ``weight0`` their priors
    and inverse variances. After the step ``a`` holds the Cholesky factor of the normal matrix and ``g`` the step.
    """
    k_modes = prior_sd.shape[0]
    n_edge = 3 + k_modes
    n_par = n_edge + N_NUISANCE
    onset = x[0]
    scale = math.exp(x[1])
    height = x[2]
    for i in range(n_par):
        g[i] = weight0[i] * (x0[i] - x[i])
        for j in range(i + 1):
            a[i, j] = 0.0
        a[i, i] = weight0[i]
    misfit = 0.0
    for i in range(n_par):
        misfit += weight0[i] * (x0[i] - x[i]) ** 2
    r = rows
    for b in range(n_bins):
        first = edges[b, 0]
        last = edges[b, 1]
        m = last - first
        middle = 0.5 * (first + last - 1)
        z = (total[last] - total[first]) / m
        var = density / m
        nuisance_at((middle - p0) / rate_khz, rate_khz, r[n_edge:])
        u = (middle - onset) / scale
        spot = (u - grid[0]) / grid[1]
        model = 0.0
        if use_edge and spot >= 0:
            cell = min(int(spot), table.shape[0] - 2)
            f = min(spot - cell, 1.0)
            e = 1.0 - f
            shape = e * table[cell, 0] + f * table[cell + 1, 0]
            slope = e * table[cell, 1] + f * table[cell + 1, 1]
            for k in range(k_modes):
                phi = e * table[cell, 2 + k] + f * table[cell + 1, 2 + k]
                shape += x[3 + k] * phi
                slope += x[3 + k] * (e * table[cell, 2 + k_modes + k] + f * table[cell + 1, 2 + k_modes + k])
                r[3 + k] = height * phi
            rest = height * (e * table[cell, 2 + 2 * k_modes] + f * table[cell + 1, 2 + 2 * k_modes])
            var += rest * rest
            model = height * shape
            r[0] = -height * slope / scale
            r[1] = -height * slope * u
            r[2] = shape
        else:
            for k in range(n_edge):
                r[k] = 0.0
        for k in range(N_NUISANCE):
            model += x[n_edge + k] * r[n_edge + k]
        w = 1.0 / var
        d = z - model
        misfit += w * d * d + math.log(var)
        for i in range(n_par):
            wi = w * r[i]
            g[i] += wi * d
            for j in range(i + 1):
                a[i, j] += wi * r[j]
    return misfit


@njit(cache=True, nogil=True, error_model="numpy")
def fit_edge(
    total, lo, foot, summit, height, p0, pre, before, rate_khz, density, table, grid, prior_sd, half, edges, x, x0, w0,
    rows, a, g,
):  # fmt: skip
    """Fit baseline, tails, mains and the rise from ``foot`` to ``summit``; leave the estimate in ``x``.

    Return whether the fit converged. ``a`` keeps the Cholesky factor of the normal matrix at the estimate.
    """
    k_modes = prior_sd.shape[0]
    n_edge = 3 + k_modes
    n_par = n_edge + N_NUISANCE
    low = box_mean(total, foot - half, foot + half + 1)
    high = low + height
    base = box_mean(total, pre, before) if before - pre >= 3 * half else low
    t60 = fall_back(total, foot, summit, half, base + 0.6 * (high - base))
    t30 = fall_back(total, foot, summit, half, base + 0.3 * (high - base))
    scale = min(max(2.1 * (t60 - t30), 0.15 * rate_khz, 1.5), 4.0 * rate_khz)
    height = high - base
    top = int(t60 + 0.35 * scale) + 1
    top = min(max(top, lo + 4), summit + 1)
    spread = max(abs(height), 1.0)
    for i in range(n_par):
        x[i] = 0.0
        x0[i] = 0.0
        w0[i] = 0.0
    x[0] = t60 - scale
    x[1] = math.log(scale)
    x[2] = height
    x0[0] = x[0]
    w0[0] = 1e-4 / (scale * scale)
    x0[1] = x[1]
    w0[1] = 1.0 / (0.7 * 0.7)
    x0[2] = height
    w0[2] = 1.0 / (0.15 * height) ** 2
    for k in range(k_modes):
        w0[3 + k] = 1.0 / (prior_sd[k] * prior_sd[k])
    x[n_edge] = base
    x0[n_edge] = base
    w0[n_edge] = 1e-2 / (spread * spread)
    w0[n_edge + 1] = 1.0 / (30.0 * 30.0)
    w0[n_edge + 2] = 1e-8
    w0[n_edge + 3] = 1e-6
    w0[n_edge + 4] = 1.0 / (30.0 * 30.0)
    w0[n_edge + 5] = 1.0 / (30.0 * 30.0)
    good = False
    for _ in range(6):
        n_bins = cut_bins(pre, before, lo, x[0], math.exp(x[1]), top, edges)
        edge_step(total, edges, n_bins, p0, rate_khz, density, table, grid, prior_sd, x, x0, w0, rows, a, g, True)
        if not solve(a, g, n_par):
            return False
        limit = 0.5 * math.exp(x[1])
        shrink = 1.0
        if abs(g[0]) > limit:
            shrink = limit / abs(g[0])
        if abs(g[1]) * shrink > 0.4:
            shrink = 0.4 / abs(g[1])
        for i in range(n_par):
            x[i] += shrink * g[i]
        if shrink == 1.0 and abs(g[0]) < 0.02 * rate_khz * 0.1:
            good = True
            break
    return good


@njit(cache=True, nogil=True, error_model="numpy")
def spread_of(a, n, gradient):
    """Return the standard deviation of a linear function of the estimate; ``a`` is the Cholesky factor of its precision."""
    variance = 0.0
    for i in range(n):
        v = gradient[i]
        for k in range(i):
            v -= a[i, k] * gradient[k]
        gradient[i] = v / a[i, i]
        variance += gradient[i] * gradient[i]
    return math.sqrt(variance)


@njit(cache=True, nogil=True, error_model="numpy")
def onset_of(x, a, n_par, table, grid, k_modes, share, gradient):
    """Return where the fitted rise crosses ``share`` of its height, in samples, and the standard deviation of that.

    ``gradient`` is scratch of ``n_par`` elements.
    """
    scale = math.exp(x[1])
    cell = int((0.0 - grid[0]) / grid[1] + 0.5)
    step = 1
    value = 0.0
    found = -1
    lowest = 0
    i = min(cell + int(1.0 / grid[1]), table.shape[0] - 2)
    while i >= lowest:
        value = table[i, 0]
        for k in range(k_modes):
            value += x[3 + k] * table[i, 2 + k]
        if value <= share:
            found = i
            break
        i -= step
    if found < 0:
        return math.nan, math.nan
    ahead = table[found + 1, 0]
    for k in range(k_modes):
        ahead += x[3 + k] * table[found + 1, 2 + k]
    f = (share - value) / (ahead - value)
    u = grid[0] + (found + f) * grid[1]
    slope = (ahead - value) / grid[1]
    for p in range(n_par):
        gradient[p] = 0.0
    gradient[0] = 1.0
    gradient[1] = scale * u
    for k in range(k_modes):
        phi = (1 - f) * table[found, 2 + k] + f * table[found + 1, 2 + k]
        gradient[3 + k] = -scale * phi / slope
    rest = (1 - f) * table[found, 2 + 2 * k_modes] + f * table[found + 1, 2 + 2 * k_modes]
    return x[0] + scale * u, math.hypot(scale * rest / slope, spread_of(a, n_par, gradient))


@njit(cache=True, nogil=True, error_model="numpy")
def nuisance_value(x, n_edge, t_ms, rate_khz, basis):
    """Return the fitted nuisance (level, drift, tails, mains) at a time after the stimulus."""
    nuisance_at(t_ms, rate_khz, basis)
    value = 0.0
    for k in range(N_NUISANCE):
        value += x[n_edge + k] * basis[k]
    return value


@njit(cache=True, nogil=True, error_model="numpy")
def cubic_top(y, middle, half, sign):
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
    if not abs(t) <= m:
        t = max(-m, min(m, -c1 / (2 * c2)))
        c3 = 0.0
    return middle + t, c0 + t * (c1 + t * (c2 + t * c3)), 2 * c2 + 6 * c3 * t


@njit(cache=True, nogil=True, error_model="numpy")
def width_above(total, at, half, level, most):
    """Return how far the smoothed sweep stays above ``level`` on both sides of ``at``, at the most ``most`` samples."""
    k = 1
    while k < most:
        left = box_mean(total, at - k - half, at - k + half + 1)
        right = box_mean(total, at + k - half, at + k + half + 1)
        if left < level or right < level:
            break
        k += 1
    return k


@njit(cache=True, nogil=True, error_model="numpy")
def is_clipped(y, low, high, around, amplitude):
    """Return whether the sweep stands still at its extreme around a sample, with steep flanks: a saturated amplifier."""
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
    if last - first < 3:
        return False
    flank = 0.0
    if first > 0:
        flank = max(flank, abs(extreme - y[first - 1]))
    if last < n - 1:
        flank = max(flank, abs(extreme - y[last + 1]))
    return flank > 0.01 * amplitude


@njit(cache=True, nogil=True, error_model="numpy")
def extreme_sample(y, at, half, sign):
    """Return the sample around ``at`` where ``sign * y`` is largest."""
    best = max(at - half, 0)
    for i in range(best, min(at + half + 1, y.shape[0])):
        if sign * y[i] > sign * y[best]:
            best = i
    return best


@njit(cache=True, nogil=True, error_model="numpy")
def evidence(total, edges, n_bins, p0, rate_khz, density, table, grid, prior_sd, x, x0, w0, rows, a, g, spare):
    """Return by how much the criterion of the fitted rise is better than that of the best fit without any rise."""
    n_edge = 3 + prior_sd.shape[0]
    n_par = n_edge + N_NUISANCE
    with_edge = edge_step(
        total, edges, n_bins, p0, rate_khz, density, table, grid, prior_sd, x, x0, w0, rows, a, g, True
    )
    for i in range(n_par):
        spare[i] = x0[i]
    edge_step(total, edges, n_bins, p0, rate_khz, density, table, grid, prior_sd, spare, x0, w0, rows, a, g, False)
    if not solve(a, g, n_par):
        return 0.0
    for i in range(n_par):
        spare[i] += g[i]
    without = edge_step(
        total, edges, n_bins, p0, rate_khz, density, table, grid, prior_sd, spare, x0, w0, rows, a, g, False
    )
    return without - with_edge


@njit(cache=True, nogil=True, error_model="numpy")
def falling_crossing(total, start, hi, half, level):
    """Return where the smoothed sweep first falls to ``level`` after ``start``, NaN if it does not before ``hi``."""
    before = box_mean(total, start - half, start + half + 1)
    for i in range(start + 1, hi):
        v = box_mean(total, i - half, i + half + 1)
        if v <= level:
            return i - 1 + (before - level) / (before - v) if before > v else float(i)
        before = v
    return math.nan


@njit(cache=True, nogil=True, error_model="numpy")
def last_return(total, end, hi, half, base, threshold, gap):
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


@njit(cache=True, nogil=True, error_model="numpy")
def falls_before(total, lo, foot, half):
    """Return how far the smoothed sweep falls from its highest point in ``[lo, foot]`` to the foot."""
    low = box_mean(total, foot - half, foot + half + 1)
    high = low
    for i in range(lo, foot):
        high = max(high, box_mean(total, i - half, i + half + 1))
    return high - low


@njit(cache=True, nogil=True, error_model="numpy")
def area_between(total, onset, end, n):
    """Return the integral of the sweep from ``onset`` to ``end`` (positions of samples), by whole and part samples."""
    a = max(int(onset + 0.5), 0)
    b = min(int(end + 0.5), n)
    inside = total[b] - total[a]
    first = total[min(a + 1, n)] - total[min(a, n - 1)]
    last = total[b] - total[b - 1]
    return inside + first * (a - 0.5 - onset) + last * (end - b + 0.5)


@njit(cache=True, nogil=True, error_model="numpy")
def rule_onset(method, y, lo, peak, base, sigma, height, rate_khz, parameter):
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


@njit(cache=True, nogil=True, error_model="numpy")
def mark_sweeps(samples, stimulus_ms, options, method, table, prior_sd, grid, out, codes):
    """Mark every sweep; see ``ncs.detect.response.mark`` for what goes in and what the columns of ``out`` are."""
    n = samples.shape[1]
    n_par = 3 + prior_sd.shape[0] + N_NUISANCE
    y = np.empty(n)
    total = np.empty(n + 1)
    stretches = np.empty(12)
    edges = np.empty((64, 2), np.int64)
    vectors = np.empty((6, n_par))
    a = np.empty((n_par, n_par))
    for s in range(samples.shape[0]):
        out[s, :] = math.nan
        codes[s, 1] = 0
        low, high, finite = load(samples[s], y, total)
        if not (finite and high > low and math.isfinite(stimulus_ms[s])):
            codes[s, 0] = INVALID_INPUT
            continue
        codes[s, 0] = mark_one(
            y, total, low, high, stimulus_ms[s], options, method, table, prior_sd, grid, stretches, edges, vectors, a,
            out[s], codes[s],
        )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def mark_one(
    y, total, low, high, stimulus_ms, options, method, table, prior_sd, grid, stretches, edges, vectors, a, row, code
):
    """Mark one sweep into ``row``; return the outcome. Positions are samples here and become ms on the way out."""
    rate = options[0]
    n = y.shape[0]
    p0 = stimulus_ms * rate
    half = max(1, int(0.5 * options[3] * rate))
    lo = max(int(math.ceil(p0 + options[1] * rate)) + half, 0)
    hi = min(n, int(math.floor(p0 + options[2] * rate)) + 1)
    if hi - lo < 4 * half + 8:
        return INVALID_INPUT
    fine, density = noise_density(total, int(p0) - 1, lo, max(2, int(0.25 * rate)), stretches)
    if not math.isfinite(fine):
        return INVALID_INPUT
    quantum = 1e-6 * (high - low)
    density = max(density, quantum * quantum)
    smooth = math.sqrt(density / (2 * half + 1))
    row[19] = math.sqrt(max(fine, 0.0))
    before = int(p0 - 0.15 * rate)
    has_pre = before >= 3 * half
    pre = max(0, int(p0 - 8.0 * rate)) if has_pre else max(before, 0)
    if not has_pre:
        code[1] |= NO_BASELINE
        before = pre
    base = box_mean(total, pre, before) if has_pre else box_mean(total, hi - max(1, (hi - lo) // 5), hi)
    foot, top, rise = largest_rise(total, lo, hi, half, base)
    if not rise > 5 * smooth:
        return NO_RESPONSE
    return measure_response(
        y, total, low, high, p0, lo, hi, foot, top, rise, base, has_pre, pre, half, fine, density, options, method,
        table, prior_sd, grid, edges, vectors, a, row, code,
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def measure_response(
    y, total, low, high, p0, lo, hi, foot, top, rise, base, has_pre, pre, half, fine, density, options, method,
    table, prior_sd, grid, edges, vectors, a, row, code,
):  # fmt: skip
    """Time and measure the candidate response that rises from ``foot`` to ``top``; return the outcome."""
    rate = options[0]
    n = y.shape[0]
    k_modes = prior_sd.shape[0]
    n_edge = 3 + k_modes
    n_par = n_edge + N_NUISANCE
    x, x0, w0, rows, g, spare = vectors[0], vectors[1], vectors[2], vectors[3], vectors[4], vectors[5]
    smooth = math.sqrt(density / (2 * half + 1))
    summit = first_summit(total, foot, top, half, max(0.12 * rise, 6 * smooth))
    height = box_mean(total, summit - half, summit + half + 1) - box_mean(total, foot - half, foot + half + 1)
    before = int(p0 - 0.15 * rate) if has_pre else pre
    good = fit_edge(
        total, lo, foot, summit, height, p0, pre, before, rate, density, table, grid, prior_sd, half, edges, x, x0, w0,
        rows, a, g,
    )  # fmt: skip
    if not (good or math.isfinite(x[0])):
        return NO_RESPONSE
    t_top = (top - p0) / rate
    floor = nuisance_value(x, n_edge, t_top, rate, g)
    sample = extreme_sample(y, top, half, 1.0)
    clipped = is_clipped(y, low, high, sample, rise)
    reach = width_above(total, top, half, floor + 0.9 * (box_mean(total, top - half, top + half + 1) - floor), 4 * half + n // 8)
    reach = max(2, min(reach, min(top, n - 1 - top)))
    at, value, bend = cubic_top(y, top, reach, 1.0)
    peak = value - floor
    if not peak > 5 * smooth:
        return NO_RESPONSE
    onset, onset_sd = onset_of(x, a, n_par, table, grid, k_modes, 0.02 * max(peak / x[2], 1.0), spare)
    for i in range(n_par):
        spare[i] = 0.0
    nuisance_at(t_top, rate, spare[n_edge:])
    floor_sd = spread_of(a, n_par, spare)
    n_bins = cut_bins(pre, before, lo, x[0], math.exp(x[1]), int(x[0] + 1.35 * math.exp(x[1])), edges)
    if evidence(total, edges, n_bins, p0, rate, density, table, grid, prior_sd, x, x0, w0, rows, a, g, spare) < EVIDENCE:
        return NO_RESPONSE
    if top >= hi - 1 - half or onset < lo - half - 0.3 * rate:
        return AT_WINDOW_EDGE
    dip = floor - box_mean(total, foot - half, foot + half + 1)
    if dip > max(6 * smooth, 0.03 * peak) and falls_before(total, lo, foot, half) > max(6 * smooth, 0.03 * peak):
        code[1] |= INITIAL_POSITIVITY
        onset = fall_back(total, foot, top, max(1, half // 2), base + 0.02 * peak)
        slope = box_mean(total, int(onset) + half, int(onset) + 2 * half) - box_mean(total, int(onset) - half, int(onset))
        onset_sd = 2 * half * smooth / slope if slope > 0 else math.nan
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
    if clipped:
        return CLIPPED
    m = float(reach)
    s2 = m * (m + 1) * (2 * m + 1) / 3.0
    row[2] = (at - p0) / rate
    row[3] = 2.5 * math.sqrt(density / s2) / max(-bend, 1e-30) / rate
    row[4] = peak
    row[5] = math.sqrt(2.25 * density / (2 * m + 1) + floor_sd * floor_sd)
    after_peak(y, total, p0, hi, top, half, density, floor, floor_sd, onset, onset_sd, peak, options, row)
    return outcome


@njit(cache=True, nogil=True, error_model="numpy")
def after_peak(y, total, p0, hi, top, half, density, floor, floor_sd, onset, onset_sd, peak, options, row):
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
            fall = (box_mean(total, int(end) - 2 * half, int(end)) - box_mean(total, int(end), int(end) + 2 * half)) / (2 * half)
            end_sd = math.hypot(smooth, floor_sd) / fall if fall > 0 else math.nan
            span = end - onset
            row[10] = (area_between(total, onset, end, n) - floor * span) / rate
            row[11] = math.sqrt(density * span + (floor_sd * span) ** 2) / rate
            row[14] = span / rate
            row[15] = math.hypot(end_sd, onset_sd) / rate
            row[16] = (last - onset) / rate
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
