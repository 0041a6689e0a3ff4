"""Slow numpy twins of the kernels that decide: where a fit starts, whether it is believed, and what follows the peak.

They are built from the twins of the smaller kernels; ``y`` is a sweep, negative up.
"""

import math

import numpy as np

from ncs.detect import _kernels as k
from tests.detect import edge_twins as edge
from tests.detect import twins


def mean_around(y, i, half):
    return twins.box_mean(y, i - half, i + half + 1)


def start_edge(y, lo, foot, summit, base, half, rate, rise):
    """Estimate, priors, and the last sample (exclusive) that is fitted."""
    height = mean_around(y, summit, half) - base
    t60, t30 = (twins.fall_back(y, foot, summit, half, base + share * height) for share in (0.6, 0.3))
    scale = np.clip(2.1 * (t60 - t30), max(0.15 * rate, 1.5), 4.0 * rate)
    n_modes = rise.prior_sd.size
    x, sd = np.zeros(k.WIDTH), np.full(k.WIDTH, np.inf)
    x[[0, k.P_ONSET, k.P_SCALE, k.P_HEIGHT]] = base, t60 - scale, math.log(scale), height
    sd[: k.N_NUISANCE] = [10 * height, k.DRIFT_SD_UV, *k.TAIL_SD_UV, k.MAINS_SD_UV, k.MAINS_SD_UV]
    sd[[k.P_ONSET, k.P_SCALE, k.P_HEIGHT]] = 100 * scale, 0.7, 0.15 * height
    sd[k.P_MODES : k.P_MODES + n_modes] = rise.prior_sd
    end = min(max(int(t60 + 0.35 * scale) + 1, lo + 4), summit + 1)
    return x, sd**-2.0, end


def checked_onset(y, x, p0, lo, foot, summit, half, onset, onset_sd, base, peak, density, rate):
    fine = max(1, half // 2)
    noise = math.sqrt(density / (2 * fine + 1))
    clear = 0.02 * peak >= 6 * noise
    level = 0.02 * peak if clear else 6 * noise
    cross, cross_sd = twins.crossing_with_sd(y, foot, summit, fine, base + level, density)
    cross_sd = cross_sd if math.isfinite(cross_sd) else 0.3 * rate
    if math.isnan(onset):
        return cross, cross_sd if clear else max(cross_sd, 0.3 * rate)
    away = abs(edge.nuisance_value(x, (onset - p0) / rate) - base)
    slack = max(0.15 * rate, fine + 0.5) + 3 * onset_sd + min(away, level / 2) * cross_sd / noise
    tail_grows = away > abs(mean_around(y, lo, fine) - base) + 3 * noise + 0.1 * peak
    if not clear and away > 3 * noise and not tail_grows:
        return onset, onset_sd
    if onset - cross > slack or (clear and cross - onset > slack):
        is_apart = away > level and abs(mean_around(y, foot, half) - base) > level
        doubt = cross - onset if is_apart else 0.0
        return cross, math.hypot(cross_sd if clear else max(cross_sd, 0.3 * rate), doubt)
    return onset, onset_sd


def floor_limit(y, onset, foot, half, base, smooth):
    before = foot if math.isnan(onset) else int(onset)
    left = y[max(before - 4 * half, 0) : max(before - half + 1, 0)]
    return abs(left.mean() - base) + k.MAINS_SD_UV + 3 * smooth if left.size else math.inf


def usual_change(y, before, late, hi, half, pace, most):
    s = twins.smoothed(y, half)
    stretches = [(half, before - half - pace), (late, hi - half - pace)]
    room = sum(max(0, last - first if first == late else last) for first, last in stretches)
    step = max(half, room // most + 1)
    starts = [i for first, last in stretches for i in range(first, last, step)][:most]
    changes = sorted(abs(s[i + pace] - s[i]) for i in starts)
    return 1.4826 * changes[len(changes) // 2] if len(changes) >= 8 else 0.0


def repeats(y, blank, lo, start, top, half, period, summit, size):
    for shift in (-int(period + 0.5), int(period + 0.5)):
        first, last = start + shift - half, top + shift + half + 1
        if first < 0 or last > len(y) or (first < lo and last > blank):
            continue
        before, after = mean_around(y, start + shift, half), mean_around(y, top + shift, half)
        if after - before > 0.6 * size and after > summit - 0.5 * size:
            return True
    return False


def tail_doubt(x, t_ms):
    """Samples by which an onset moves when the baseline is off by the whole tail."""
    tail = edge.nuisance_at(t_ms)[2:4] @ x[2:4]
    return abs(tail) / x[k.P_HEIGHT] * math.exp(x[k.P_SCALE])


def presence(y, gain, p0, window, half, peak, base, smooth, rate, slowest, swing, most):
    """Outcome of a candidate; ``gain`` is by how much the fitted rise explains the sweep better, ``None`` without."""
    lo, hi, foot, top, first = window
    s = twins.smoothed(y, half)
    low = max(base, s[foot])
    size = min(peak, s[top] - low)
    start = twins.fall_back(y, foot, top, half, low + 0.1 * (s[top] - low))
    pace = max(4 * half, min(int(top - start), int(8 * rate)))
    late = top + min(4 * pace, int(12 * rate))
    unrest = usual_change(y, int(p0) - 1, late, hi, half, pace, most)
    if size < 4 * unrest or top - start > slowest or top < lo + 0.5 * rate:
        return k.NO_RESPONSE
    valley = int(start) if top == first else twins.lowest_between(y, first, top, half)
    climb = min(size, s[top] - s[valley])
    for period in (20 * rate, rate / 0.06):
        around = (y, int(p0) - 1, lo)
        if repeats(*around, int(start), top, half, period, s[top], size):
            return k.NO_RESPONSE
        if climb > 0.5 * size and repeats(*around, valley, top, half, period, s[top], climb):
            return k.NO_RESPONSE
    if twins.stays_high(y, top, hi, half, 0.5 * (low + s[top]), 5 * max(int(top - start), int(0.5 * rate))):
        return k.NO_RESPONSE
    until = min(hi, top + 3 * pace + int(0.4 * slowest))
    fall = s[top] - min([s[top], *s[top:until]])
    less = min(size, fall)
    is_tall = less > 9 * smooth or (less > 5 * smooth and size + fall > swing * smooth)
    if not (is_tall or (gain is not None and gain > k.EVIDENCE)):
        return k.NO_RESPONSE
    if fall < 0.3 * size:
        return k.AT_WINDOW_EDGE if hi - top < 2 * pace else k.NO_RESPONSE
    return k.FOUND


def after_peak(y, p0, hi, top, half, density, floor, floor_sd, onset, onset_sd, peak, rate, threshold):
    """Columns 6 to 17 of the output, NaN where there is none."""
    out = dict.fromkeys((6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16), math.nan)
    smooth = math.sqrt(density / (2 * half + 1))
    end = twins.falling_crossing(y, top, hi, half, floor)
    out[17] = max(threshold, 5 * smooth, 0.05 * peak)
    if math.isfinite(end):
        last = twins.last_return(y, end, hi, half, floor, out[17], int(8 * rate))
        out[6], out[7] = (end - p0) / rate, (last - p0) / rate
        if math.isfinite(onset):
            e, span = int(end), end - onset
            fall = (twins.box_mean(y, e - 2 * half, e) - twins.box_mean(y, e, e + 2 * half)) / (2 * half)
            end_sd = math.hypot(smooth, floor_sd) / fall if fall > 0 else math.nan
            out[10] = (twins.area_between(y, onset, end) - floor * span) / rate
            out[11] = math.sqrt(density * span + (floor_sd * span) ** 2) / rate
            out[14], out[15], out[16] = span / rate, math.hypot(end_sd, onset_sd) / rate, (last - onset) / rate
    return out | positive_peak(y, p0, hi, top, half, density, floor, peak, rate)


def positive_peak(y, p0, hi, top, half, density, floor, peak, rate):
    """Columns 8, 9, 12 and 13 of the output, none where there is no positive peak."""
    s = twins.smoothed(y, half)
    until = min(hi, top + int(25 * rate))
    lowest = top + int(np.argmin(s[top:until])) if until > top else top
    if not (lowest + half + 1 < until and floor - s[lowest] > 5 * math.sqrt(density / (2 * half + 1))):
        return {}
    level = floor - 0.9 * (floor - s[lowest])
    reach = 2
    while reach < 8 * half + 8 and top < lowest - reach - half and lowest + reach + half < until:
        if max(s[lowest - reach], s[lowest + reach]) > level:
            break
        reach += 1
    reach = min(reach, lowest, len(y) - 1 - lowest)
    at, deep, _ = twins.cubic_top(y, lowest, reach, -1.0)
    positive = -deep - floor
    return {8: (at - p0) / rate, 9: positive, 12: peak - positive, 13: math.sqrt(4.5 * density / (2 * reach + 1))}


def negative_peak(y, p0, top, half, reach, density, floor, floor_sd, peak, rate):
    """Columns 2 to 5 of the output."""
    level = floor + twins.peak_share(peak / math.sqrt(density)) * peak
    width = twins.width_above(y, top, half, level, 4 * half + len(y) // 8)
    m = max(reach, min(width, top, len(y) - 1 - top))
    at, _, bend = twins.cubic_top(y, top, m, 1.0)
    slope_sd = math.sqrt(density / (np.arange(-m, m + 1) ** 2).sum())
    return {
        2: (at - p0) / rate,
        3: 3.2 * slope_sd / max(-bend, 1e-30) / rate,
        4: peak,
        5: math.hypot(1.5 * math.sqrt(density / (2 * reach + 1)), floor_sd),
    }
