"""Slow numpy twins of the kernels that mark a whole sweep, built from the twins of the smaller ones."""

import math

import numpy as np

from ncs.detect import _kernels as k
from tests.detect import decision_twins as slow
from tests.detect import edge_twins as edges
from tests.detect import twins


def mark_sweeps(samples, stimulus_ms, options, method, rise):
    """Output and codes of every sweep."""
    out, codes = np.full((len(samples), k.N_OUTPUTS), math.nan), np.zeros((len(samples), 2), np.int8)
    for s, (row, time) in enumerate(zip(samples, stimulus_ms, strict=True)):
        y, _, low, high, finite = twins.load(row)
        codes[s, 0] = k.INVALID_INPUT
        if finite and high > low and math.isfinite(time):
            codes[s, 0], codes[s, 1], columns = mark_one(y, time, options, method, rise)
            for column, value in columns.items():
                out[s, column] = value
    return out, codes


def mark_one(y, stimulus_ms, options, method, rise):
    """Outcome, flags, and the columns of the output that are known."""
    rate, first_ms, last_ms, smooth_ms = options[:4]
    n, p0, half = len(y), stimulus_ms * rate, max(1, int(smooth_ms * rate / 2))
    lo = max(math.ceil(p0 + first_ms * rate) + half, half)
    hi = min(n, math.floor(p0 + last_ms * rate) + 1)
    if hi - lo < 4 * half + 8:
        return k.INVALID_INPUT, 0, {}
    ringing = int(p0 + k.RINGING_MS * rate)
    lo = twins.ringing_end(y, lo, min(hi, ringing), hi, half)
    fine, density = twins.noise_density(y, int(p0) - 1, lo, rate)
    if not math.isfinite(fine):
        return k.INVALID_INPUT, 0, {}
    density = twins.step_noise(y, density, 1e-6 * (y.max() - y.min()))
    columns = {19: math.sqrt(fine)}
    before, pre = min(int(p0 - 0.15 * rate), lo - half), max(0, int(p0 - 8 * rate))
    flags, base = 0, twins.box_mean(y, pre, before)
    if before - pre < 3 * half:
        flags, before, base = k.NO_BASELINE, pre, twins.level_at_end(y, hi, max(2, (hi - lo) // 5))
    foot, top, height = twins.largest_rise(y, lo, hi, half, base)
    smooth = math.sqrt(density / (2 * half + 1))
    if not height > 5 * smooth:
        return k.NO_RESPONSE, flags, columns
    if top < 3 or top >= min(hi - 1, n - 3):
        gained = slow.mean_around(y, top, half) - slow.mean_around(y, top - int(k.EDGE_MS * rate), half)
        is_cut = gained > height / 2 and height > 8 * smooth
        return (k.AT_WINDOW_EDGE if is_cut else k.NO_RESPONSE), flags, columns
    least = max(0.12 * height, 6 * smooth)
    foot, summit = twins.first_summit(y, lo, top, half, base, least)
    if summit < min(top, ringing):
        lo = summit
        foot, summit = twins.first_summit(y, lo, top, half, base, least)
    if not slow.mean_around(y, summit, half) > base:
        return k.NO_RESPONSE, flags, columns
    x, w0, end = slow.start_edge(y, lo, foot, summit, base, half, rate, rise)
    n_par = k.P_MODES + rise.prior_sd.size
    start = (x[:n_par], x[:n_par], w0[:n_par])
    fit = edges.fit_edge(y, lo, end, p0, pre, before, rate, density, start, rise)
    window = (lo, hi, foot, top, summit)
    outcome, more, measured = measure_response(y, p0, window, base, half, fine, density, fit, options, method, rise)
    return outcome, flags | more, columns | measured


def measure_response(y, p0, window, base, half, fine, density, fit, options, method, rise):
    """Outcome, flags and columns of a candidate; ``fit`` is what ``fit_edge`` gave."""
    rate, slowest, least_uv, swing = options[0], options[6] * options[0], options[7], options[8]
    lo, hi, foot, top, summit = window
    edge, precision = fit
    n, smooth, t_top = len(y), math.sqrt(density / (2 * half + 1)), (top - p0) / rate
    crest = slow.mean_around(y, top, half)
    least = max(8 * smooth, 0.05 * (crest - base))
    dip = base - slow.mean_around(y, foot, half) > least and twins.falls_before(y, lo, foot, half) > least
    dips = dip and twins.fall_back(y, foot, summit, half, base) - foot < slowest
    modelled = edge is not None and not dips
    floor = edges.nuisance_value(edge.x, t_top) if modelled else base
    reach = twins.width_above(y, top, half, floor + 0.9 * (crest - floor), 4 * half + n // 8)
    reach = max(2, min(reach, top, n - 1 - top))
    value = twins.cubic_top(y, top, reach, 1.0)[1]
    peak = value - floor
    if not peak > max(5 * smooth, least_uv):
        return k.NO_RESPONSE, 0, {}
    if modelled:
        share = 0.02 * max(peak / edge.x[k.P_HEIGHT], 1.0)
        onset, onset_sd = edges.onset_of(edge.x, rise, share, precision)
        place = (lo, foot, summit, half, onset, onset_sd, base, peak, density, rate)
        onset, onset_sd = slow.checked_onset(y, edge.x, p0, *place)
        onset_sd *= math.hypot(1.0, k.FEW_NOISE * math.sqrt(fine) / peak)
        onset_sd = math.hypot(onset_sd, slow.tail_doubt(edge.x, (onset - p0) / rate))
        gradient = np.r_[edges.nuisance_at(t_top), np.zeros(edge.x.size - k.N_NUISANCE)]
        floor_sd = twins.spread_of(precision, gradient)
        limit = slow.floor_limit(y, onset, foot, half, base, smooth)
        if abs(floor - base) > limit:
            floor, floor_sd = base + math.copysign(limit, floor - base), math.hypot(floor_sd, limit / 2)
            peak = value - floor
    else:
        onset, onset_sd = twins.crossing_with_sd(y, foot, summit, max(1, half // 2), base + 0.02 * peak, density)
        onset_sd = math.inf if not dips and (dip or 0.02 * peak < 3 * smooth) else onset_sd
        floor_sd = smooth
    gain = None if edge is None else edges.rise_gain(edge, rise)
    present = slow.presence(y, gain, p0, window, half, peak, base, smooth, rate, slowest, swing, k.MOST_BINS)
    if present != k.FOUND:
        return present, 0, {}
    if top - onset > slowest:
        return k.NO_RESPONSE, 0, {}
    if onset < lo + k.EDGE_GUARD_MS * rate:
        return k.AT_WINDOW_EDGE, 0, {}
    flags = k.INITIAL_POSITIVITY * dips | k.MULTIPLE_PEAKS * (summit != top)
    sample = twins.extreme_sample(y, top, half, 1.0)
    is_certain = onset_sd < k.MOST_ONSET_SD_MS * rate
    if method != k.METHOD_CHANGEPOINT:
        onset = twins.rule_onset(method, y, lo, sample, floor, math.sqrt(fine), peak, rate, options[5])
        onset_sd, is_certain = math.nan, True
    timed = math.isfinite(onset) and is_certain
    onset, onset_sd = (onset, onset_sd) if timed else (math.nan, math.nan)
    columns = {0: (onset - p0) / rate, 1: onset_sd / rate, 18: floor}
    if twins.is_clipped(y, sample, peak, rate):
        return k.CLIPPED, flags, columns | {1: math.nan}
    columns |= slow.negative_peak(y, p0, top, half, reach, density, floor, floor_sd, peak, rate)
    place = (half, density, floor, floor_sd, onset, onset_sd, peak, rate, options[4])
    return (k.FOUND if timed else k.TOO_NOISY), flags, columns | slow.after_peak(y, p0, hi, top, *place)
