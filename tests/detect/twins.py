"""Slow, obvious numpy twins of the kernels of ``ncs.detect``; a kernel that changes its answer changes its twin.

``y`` is a sweep, negative up; where a kernel takes running sums, the twin takes the samples themselves.
"""

import itertools
import math

import numpy as np

from ncs.detect import _kernels as k

NAN = math.nan


def running_sum(y):
    return np.concatenate([[0.0], np.cumsum(y)])


def box_mean(y, first, last):
    part = y[max(first, 0) : max(last, 0)]
    return part.sum() / part.size if part.size else NAN


def level_at_end(y, hi, width):
    """Mean of ``width`` samples before ``hi`` or the end: of the stretch whose halves differ less."""
    parts = [y[end - width : end] for end in (hi, len(y))]
    changes = [abs(part[-(width // 2) :].mean() - part[: width - width // 2].mean()) for part in parts]
    return parts[int(np.argmin(changes))].mean()


def smoothed(y, half):
    """The sweep as a moving average, cut to the sweep at its ends."""
    return np.array([box_mean(y, i - half, i + half + 1) for i in range(len(y))])


# Onset rules


def last_crossing(y, lo, peak, level):
    below = [i for i in range(lo, peak + 1) if not y[i] > level]
    if not below or below[-1] == peak:
        return NAN
    i = below[-1]
    return i + (level - y[i]) / (y[i + 1] - y[i])


def sd_crossing(y, lo, peak, level, hold):
    upward = [i for i in range(lo, peak) if y[i] <= level < y[i + 1] and np.all(y[i + 1 : i + 1 + hold] > level)]
    if not upward:
        return NAN
    i = upward[-1]
    return i + (level - y[i]) / (y[i + 1] - y[i])


def tangent_foot(y, lo, peak, base, half):
    middles = range(lo + half, peak - half + 1)
    slopes = np.array([(y[i + half] - y[i - half]) / (2 * half) for i in middles])
    if slopes.size == 0 or slopes.max() <= 0:
        return NAN
    at = middles[int(slopes.argmax())]
    return at - (y[at] - base) / slopes.max()


def curvature_peak(y, lo, peak, half):
    first, last = max(lo, half), min(peak, len(y) - 1 - half)
    offsets = np.arange(-half, half + 1)
    fits = {i: np.polyfit(offsets, y[i - half : i + half + 1], 2) for i in range(first, last + 1)}
    if not fits:
        return NAN
    steepest = max(fits, key=lambda i: fits[i][1])
    if fits[steepest][1] <= 0:
        return NAN
    bends = {i: fits[i][0] for i in range(first, steepest + 1)}
    at = max(bends, key=lambda i: bends[i])
    if bends[at] <= 0:
        return NAN
    if not first < at < steepest:
        return float(at)
    return at + parabola_offset(bends[at - 1], bends[at], bends[at + 1])


def parabola_offset(left, middle, right):
    if left - 2 * middle + right == 0:
        return 0.0
    a, b, _ = np.linalg.solve([[1, -1, 1], [0, 0, 1], [1, 1, 1]], [left, middle, right])
    return float(np.clip(-b / (2 * a), -0.5, 0.5))


def rising_run(y, lo, peak, shortest):
    rises = np.diff(y[lo : peak + 1]) > 0
    best, start = 0, lo
    for rising, group in itertools.groupby(range(rises.size), key=lambda i: rises[i]):
        indices = list(group)
        if rising and len(indices) > best:
            best, start = len(indices), lo + indices[0]
    return float(start) if best > shortest else NAN


def aic_minimum(y, lo, peak):
    part = y[lo : peak + 1]
    n = part.size
    if n < 8:
        return NAN
    values = {}
    for cut in range(2, n - 2):
        before, after = part[:cut], part[cut:]
        if np.ptp(before) > 0 and np.ptp(after) > 0:
            values[cut] = cut * math.log(before.var()) + (n - cut - 1) * math.log(after.var())
    return float(lo + min(values, key=values.get)) if values else NAN


# Loading


def load(row):
    """The sweep negative up, its running sum, lowest, highest, and whether all is finite."""
    y = -row.astype(np.float64)
    return y, running_sum(y), y.min(), y.max(), bool(np.isfinite(row).all())


# Noise


def step_noise(y, density, least):
    steps = np.abs(np.diff(y))
    smallest = steps[steps > 0].min() if (steps > 0).any() else 0.0
    return max(density, max(smallest, least) ** 2 / 12)


def second_difference(y, i, width, lag):
    a, b, c = (y[j : j + width].sum() for j in (i, i + lag, i + 2 * lag))
    return (a - 2 * b + c) ** 2


def bend_noise(y, first, last, width, lag):
    squares = [second_difference(y, i, width, lag) for i in range(first, last - 2 * lag - width + 1, width)]
    return np.mean(squares) / (6 * width**2) if squares else NAN


def quiet_level(y, skip_first, skip_last, width, lag, pieces, rank):
    length = max(len(y) // pieces, 2 * lag + 2 * width)
    starts = [s for s in range(0, len(y) - length + 1, length) if s + length <= skip_first or s >= skip_last]
    if not starts:
        return NAN
    values = sorted(bend_noise(y, s, s + length, width, lag) for s in starts)
    freedom = max(1.0, 0.5 * (length - 2 * lag) / width)
    return values[int(rank * (len(values) - 1))] * (1 + (1.8 - 3 * rank) / math.sqrt(freedom))


def noise_density(y, skip_first, skip_last, rate):
    skip, lag, wide = (skip_first, skip_last), max(2, int(0.3 * rate + 0.5)), max(2, int(0.4 * rate + 0.5))
    density = 2 * quiet_level(y, *skip, 2, 2, 12, 0.4)
    coarse = wide * quiet_level(y, *skip, wide, wide, 8, 0.3)
    return quiet_level(y, *skip, 1, lag, 12, 0.4), coarse if coarse > 1.7 * density else density


# Shape of the smoothed sweep


def largest_rise(y, lo, hi, half, base):
    s = smoothed(y, half)
    gains = [s[i] - max(s[lo : i + 1].min(), base) for i in range(lo, hi)]
    if not gains or max(gains) <= 0:
        return lo, lo, 0.0
    top = lo + int(np.argmax(gains))
    return lo + int(np.argmin(s[lo : top + 1])), top, max(gains)


def lowest_between(y, first, last, half):
    return first + int(np.argmin(smoothed(y, half)[first : last + 1]))


def stays_high(y, top, hi, half, level, longest):
    if top + longest + half >= hi:
        return False
    return bool((smoothed(y, half)[top : top + longest + 1] >= level).all())


def first_summit(y, lo, top, half, base, least):
    s = smoothed(y, half)
    foot = lo
    for i in range(lo, top + 1):
        if s[i] < s[foot]:
            foot = i
        at = foot + int(np.argmax(s[foot : i + 1]))
        rise = s[at] - max(s[foot], base)
        if rise >= least and s[at] - base >= least and s[at] - s[i] >= least:
            return foot, at
    return foot, top


def fall_back(y, foot, start, half, level):
    s = smoothed(y, half)
    if s[start] <= level:
        return float(start)
    below = [i for i in range(foot, start) if s[i] <= level]
    if not below:
        return float(foot)
    i = below[-1]
    return i + (level - s[i]) / (s[i + 1] - s[i])


def crossing_with_sd(y, foot, top, half, level, density):
    at = fall_back(y, foot, top, half, level)
    i, span = int(at), 2 * half + 1
    slope = (box_mean(y, i + 1, i + 1 + span) - box_mean(y, i + 1 - span, i + 1)) / span
    return at, math.sqrt(density / span) / slope if slope > 0 else NAN


def falling_crossing(y, start, hi, half, level):
    s = smoothed(y, half)
    below = [i for i in range(start, max(hi, start + 1)) if s[i] <= level]
    if not below:
        return NAN
    i = below[0]
    return float(i) if i == start else i - 1 + (s[i - 1] - level) / (s[i - 1] - s[i])


def last_return(y, end, hi, half, base, threshold, gap):
    s = smoothed(y, half)
    result = end
    while True:
        window = range(int(result) + 1, min(int(result) + gap, hi))
        later = [i for i in window if s[i] > base + threshold]
        if not later:
            return result
        result = falling_crossing(y, later[0], hi, half, base)
        if math.isnan(result):
            return NAN


def falls_before(y, lo, foot, half):
    s = smoothed(y, half)
    return max([*s[lo:foot], s[foot]]) - s[foot]


def ringing_end(y, lo, until, hi, half):
    changes = np.abs(np.diff(y))
    later = changes[max(until, 0) : hi - 1]
    if later.size == 0:
        return lo
    steep = [i for i in range(lo - half + 1, until) if changes[i] > 2 * later.max()]
    return min(steep[-1] + 2 + half, until) if steep else lo


def width_above(y, at, half, level, most):
    for width in range(1, most):
        sides = [box_mean(y, at + sign * width - half, at + sign * width + half + 1) for sign in (-1, 1)]
        if any(side < level for side in sides):
            return width
    return max(most, 1)


def is_clipped(y, around, amplitude, rate):
    if y[around] not in (y.min(), y.max()):
        return False
    edges = np.flatnonzero(np.diff(np.r_[False, y == y[around], False].astype(int)))
    first, after = next((a, b) for a, b in edges.reshape(-1, 2) if a <= around < b)
    if after - first >= max(8, int(0.5 * rate)):
        return True
    flanks = [abs(y[around] - y[i]) for i in (first - 1, after) if 0 <= i < len(y)]
    return bool(after - first >= 4 and max(flanks, default=0.0) > 0.01 * amplitude)


def extreme_sample(y, at, half, sign):
    first, last = max(at - half, 0), min(at + half + 1, len(y))
    return first + int(np.argmax(sign * y[first:last]))


def area_between(y, onset, end):
    """Integral of the staircase whose steps are the samples; the outermost ones go on for ever."""

    left = np.arange(len(y)) - 0.5
    right = left + 1.0
    left[0], right[-1] = min(onset, end, left[0]), max(onset, end, right[-1])

    def integral_to(position):
        return float(np.sum(y * np.clip(np.minimum(right, position) - left, 0.0, None)))

    return integral_to(end) - integral_to(onset)


# The top of a peak


def cubic_top(y, middle, half, sign):
    """Newton's steps on the fitted cubic from the top of its parabola; that top itself, where they end at none."""
    u = np.arange(-half, half + 1) / half
    z = sign * y[middle - half : middle + half + 1]
    c = np.r_[np.polynomial.polynomial.polyfit(u, z, 3 if half > 1 else 2), 0.0][:4]
    if c[2] >= 0:
        return float(middle), z[half], 0.0
    at = start = -c[1] / (2 * c[2])
    slope = np.polynomial.Polynomial(c).deriv()
    for _ in range(4):
        if slope.deriv()(at) >= 0:
            break
        at -= slope(at) / slope.deriv()(at)
    if not (abs(at) <= 1 and slope.deriv()(at) <= 0):
        at, c[3] = np.clip(start, -1, 1), 0.0
    cubic = np.polynomial.Polynomial(c)
    return middle + half * at, cubic(at), cubic.deriv(2)(at) / half**2


def peak_share(snr):
    return float(np.clip(0.5 + 0.2 * np.emath.logn(5.0, max(snr, 1.0) / 20.0), 0.5, 0.9))


# Rules


def rule_onset(method, y, lo, peak, base, sigma, height, rate, parameter):
    return {
        k.METHOD_THRESHOLD: lambda: last_crossing(y, lo, peak, base + parameter),
        k.METHOD_SD: lambda: sd_crossing(y, lo, peak, base + parameter * sigma, max(1, int(rate / 2))),
        k.METHOD_PERCENT_OF_PEAK: lambda: last_crossing(y, lo, peak, base + parameter * height),
        k.METHOD_TANGENT: lambda: tangent_foot(y, lo, peak, base, max(1, int(parameter * rate / 2 + 0.5))),
        k.METHOD_SECOND_DERIVATIVE: lambda: curvature_peak(y, lo, peak, max(2, int(parameter * rate / 2 + 0.5))),
        k.METHOD_RISING_RUN: lambda: rising_run(y, lo, peak, int(parameter * rate + 0.5)),
        k.METHOD_AIC: lambda: aic_minimum(y, lo, peak),
    }[method]()


# Linear algebra


def solve(a, g):
    """Solution and Cholesky factor of a symmetric system of which the lower half is given; ``None`` without one."""
    matrix = np.tril(a) + np.tril(a, -1).T
    try:
        return np.linalg.solve(matrix, g), np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return None


def spread_of(precision, gradient):
    return math.sqrt(gradient @ np.linalg.inv(precision) @ gradient)
