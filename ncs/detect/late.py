"""Late responses: F waves and H reflexes on the tail of an M wave, one sweep at a time.

The tail is fitted and taken away, single waves are cut out of what is left, waves that recur are recognised by
comparing them one with another, and the onset of what remains is that of a fitted rising edge. Arrays in, marks out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ncs.detect._late_onset import BIN_MS, LateRise, crossing_60, late_rise, rise_onset
from ncs.detect._late_waves import (
    Wave,
    averaged,
    find_waves,
    m_wave_end,
    m_wave_sizes,
    noise_of,
    noise_outside,
    smoothed,
    smoothing_ms,
    without_tail,
)
from ncs.detect._recurring import a_waves_removed, repeats
from ncs.detect.marks import Flag, Marks, Outcome

__all__ = ["LATE", "LATE_PARAMETERS", "LateResponse", "mark_late"]

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LateResponse:
    """What is peculiar to a kind of late response.

    Parameters
    ----------
    name
        Its key in ``LATE``.
    earliest_ms, latest_ms
        Where its onset is sought; F waves not before the M wave is over.
    least_uv
        Peak-to-peak amplitude from which it counts.
    least_noise
        And that amplitude over the noise.
    varies
        Whether it changes from sweep to sweep: then what recurs is something else.
    """

    name: str
    earliest_ms: float
    latest_ms: float
    least_uv: float
    least_noise: float
    varies: bool


LATE: Final = MappingProxyType(
    {
        "f_wave": LateResponse(
            name="f_wave", earliest_ms=12.0, latest_ms=120.0, least_uv=40.0, least_noise=8.0, varies=True
        ),
        "h_reflex": LateResponse(
            name="h_reflex", earliest_ms=22.0, latest_ms=80.0, least_uv=40.0, least_noise=8.0, varies=False
        ),
    }
)
"""F waves count from 40 uV peak to peak (the rule of PhysioNeurophys, and of clinical practice)."""

LATE_PARAMETERS: Final[dict[str, Any]] = {
    name: {
        "earliest_ms": r.earliest_ms,
        "latest_ms": r.latest_ms,
        "least_uv": r.least_uv,
        "least_noise": r.least_noise,
    }
    for name, r in LATE.items()
}

_WANTED_NOISE: Final = 10.0
"""Noise is smoothed down to this part of the least amplitude, where that takes little smoothing."""
_PASSES: Final = 3
_TOGETHER_MS: Final = 8.0
"""An earlier wave that is followed by a larger one within this time belongs to it: units of one response."""
_LEAST_MS: Final = 8.0
_ARTEFACT_MS: Final = 2.5
_CROSSING_MS: Final = 0.5
_SHARP_MS: Final = 0.5
_SHARP_NOISE: Final = 30.0
"""Peaks are measured with little smoothing in a wave of this many times the noise that it leaves."""
_BEFORE_MS: Final = (4.0, 1.5)
"""Stretch before the 60 % crossing of a wave in which its level is taken."""
_EDGE_MS: Final = 0.5
_DOUBT: Final = 0.3
"""Share of what was taken away, within ``_DOUBT_MS``, that may have been taken wrongly."""
_DOUBT_MS: Final = 1.0
_FIRST_SHARE: Final = 0.15
"""The first deflection of a wave is its first extreme of at least this share of the largest, and above the noise."""


def mark_late(
    samples_uv: Array,
    rate_khz: float,
    stimulus_ms: Array,
    response: str,
    window_ms: tuple[float, float] | None,
) -> Marks:
    """Mark a late response in every sweep.

    Parameters
    ----------
    samples_uv
        Shape ``(n_sweeps, n_samples)``, true sign.
    rate_khz
        Samples per millisecond.
    stimulus_ms
        After sample 0, shape ``(n_sweeps,)``; NaN where unknown.
    response
        A key of ``LATE``.
    window_ms
        Earliest and latest time at which the response may stand; ``None`` finds where the M wave ends.

    Returns
    -------
    Marks
        ``onset_ms`` is the first deflection of either polarity; ``peak`` and ``trough`` are the largest negative and
        positive deflections, in whichever order; ``peak_to_peak_uv`` is from the one to the other; the area is that
        under the rectified response. NaN where there is none.
    """
    kind = LATE[response]
    marks = _empty(samples_uv.shape[0])
    if samples_uv.shape[1] < 2:
        return marks
    usable = np.isfinite(stimulus_ms) & np.isfinite(samples_uv).all(axis=1) & (np.ptp(samples_uv, axis=1) > 0)
    if usable.any():
        # sweeps are compared with their stimuli in one column: one that is far from the others would leave nothing
        apart = np.abs(stimulus_ms - np.median(stimulus_ms[usable]))
        usable &= np.where(usable, apart, np.inf) <= 0.25 * samples_uv.shape[1] / rate_khz
    rows = np.flatnonzero(usable)
    if rows.size:
        aligned = _aligned(samples_uv[rows], stimulus_ms[rows], rate_khz)
        if aligned is not None:
            y, t_ms, late_ms = aligned
            _mark_rows(marks, rows, y, t_ms, late_ms, rate_khz, kind, window_ms)
    return marks


def _empty(n_sweeps: int) -> Marks:
    names = [field.name for field in fields(Marks) if field.name not in {"outcome", "flags"}]
    columns = {name: np.full(n_sweeps, np.nan) for name in names}
    outcome = np.full(n_sweeps, Outcome.INVALID_INPUT, np.int8)
    return Marks(**columns, outcome=outcome, flags=np.zeros(n_sweeps, np.int8))


def _aligned(samples: Array, stimulus_ms: Array, rate_khz: float) -> tuple[Array, Array, Array] | None:
    """Return the sweeps, negative up, stimuli in one column; time of the columns; what rounding left (ms)."""
    shift = np.rint((stimulus_ms - stimulus_ms.min()) * rate_khz).astype(np.intp)
    length = samples.shape[1] - int(shift.max())
    if length < 2:
        return None
    y = np.stack([-samples[k, s : s + length].astype(np.float64) for k, s in enumerate(shift)])
    start = stimulus_ms - shift / rate_khz
    return y, np.arange(length) / rate_khz - float(start.mean()), start - float(start.mean())


def _mark_rows(
    marks: Marks,
    rows: Array,
    y: Array,
    t_ms: Array,
    late_ms: Array,
    rate_khz: float,
    kind: LateResponse,
    window_ms: tuple[float, float] | None,
) -> None:
    """Mark the aligned sweeps ``y`` into the given rows of the marks."""
    first, last = _window(y, t_ms, rate_khz, kind, window_ms)
    inside = (t_ms >= first) & (t_ms <= last)
    if np.count_nonzero(inside) < _LEAST_MS * rate_khz:
        return
    t = t_ms[inside]
    sizes = m_wave_sizes(y[:, (t_ms > _ARTEFACT_MS) & (t_ms < first)]) if kind.varies else None
    rest, taken, seen = _waves_only(y[:, inside], t, rate_khz, kind, sizes)
    marks.flags[rows[seen]] |= Flag.A_WAVE
    z, noise = _smooth(rest, rate_khz, kind)
    waves = find_waves(z, noise, rate_khz)
    tail = None if kind.varies else y[:, inside] - rest
    sweeps = _sweeps(rest, z, noise, taken, tail, waves, rate_khz)
    chosen = _chosen(waves, noise, rate_khz, kind, rows.size)
    marks.outcome[rows] = Outcome.NO_RESPONSE
    marks.noise_uv[rows] = noise
    for wave in chosen:
        if wave is not None:
            _mark_wave(marks, int(rows[wave.sweep]), wave, sweeps[wave.sweep], t, rate_khz, late_rise(kind.name))
            _clip(marks, int(rows[wave.sweep]), y[wave.sweep], t_ms, t[wave.first], t[wave.last])
    if kind.varies:
        marks.flags[rows[repeats(z, chosen, noise, rate_khz)]] |= Flag.REPEATER
    for name in ("onset_ms", "peak_ms", "trough_ms", "end_ms", "last_end_ms"):
        getattr(marks, name)[rows] -= late_ms


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sweep:
    """One sweep: without tail and A waves, this smoothed, and hardly smoothed; each with its noise.

    ``fine_noise`` is that of means over ``BIN_MS``, at every column: more where something was taken away. ``tail`` is
    that of this sweep alone, ``None`` where all sweeps have one in common.
    """

    rest: Array
    smooth: Array
    noise: float
    fine_noise: Array
    sharp: Array
    sharp_noise: float
    tail: Array | None


def _sweeps(
    rest: Array, z: Array, noise: Array, taken: Array, tail: Array | None, waves: list[Wave], rate_khz: float
) -> list[_Sweep]:
    fine = noise_outside(averaged(rest, BIN_MS, rate_khz), waves, rate_khz)
    sharp = smoothed(rest, _SHARP_MS, rate_khz)
    sharp_noise = noise_outside(sharp, waves, rate_khz)
    doubt = _DOUBT * smoothed(np.abs(taken), _DOUBT_MS, rate_khz)
    return [
        _Sweep(
            rest=rest[k], smooth=z[k], noise=float(noise[k]), fine_noise=np.hypot(fine[k], doubt[k]),
            sharp=sharp[k], sharp_noise=float(sharp_noise[k]), tail=None if tail is None else tail[k],
        )
        for k in range(rest.shape[0])
    ]  # fmt: skip


def _waves_only(
    y: Array, t_ms: Array, rate_khz: float, kind: LateResponse, sizes: Array | None
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Return the rows without the tail of the M wave and without A waves, these, and in which rows an A wave was.

    A large A wave draws the fit of the tail to itself; so where there is one, both are done again without it.
    """
    seen, whole = np.zeros(y.shape[0], np.bool_), y
    for _ in range(_PASSES):
        rest = without_tail(y, t_ms, rate_khz, sizes=sizes)
        if not kind.varies:
            break
        z, noise = _smooth(rest, rate_khz, kind)
        found = a_waves_removed(rest, z, find_waves(z, noise, rate_khz), noise, rate_khz)
        seen |= found.seen
        y = y - (rest - found.samples_uv)
        is_done = np.array_equal(found.samples_uv, rest)
        rest = found.samples_uv
        if is_done:
            break
    return rest, whole - y, seen


def _smooth(rest: Array, rate_khz: float, kind: LateResponse) -> tuple[Array, Array]:
    """Return the rows smoothed, and the noise of each."""
    width = smoothing_ms(rest, rate_khz, wanted_uv=kind.least_uv / _WANTED_NOISE)
    z = smoothed(rest, width, rate_khz)
    noise = noise_of(z, rate_khz, width_ms=width)
    return z, noise_outside(z, find_waves(z, noise, rate_khz), rate_khz)


def _window(
    y: Array, t_ms: Array, rate_khz: float, kind: LateResponse, window_ms: tuple[float, float] | None
) -> tuple[float, float]:
    if window_ms is not None:
        return window_ms
    first = kind.earliest_ms
    if kind.varies:
        first = max(first, m_wave_end(np.median(y, axis=0), t_ms, rate_khz))
    return first, kind.latest_ms


def _chosen(waves: list[Wave], noise: Array, rate_khz: float, kind: LateResponse, n_sweeps: int) -> list[Wave | None]:
    """Return the response of each sweep: its largest wave, with what comes shortly before; ``None`` without one.

    What begins at the very edge of the window is a rest of the M wave.
    """
    chosen: list[Wave | None] = []
    for sweep in range(n_sweeps):
        least = max(kind.least_uv, kind.least_noise * float(noise[sweep]))
        mine = [w for w in waves if w.sweep == sweep and w.first > _EDGE_MS * rate_khz]
        top = max(mine, key=lambda w: w.height_uv, default=None)
        if top is None or top.height_uv < least:
            chosen.append(None)
            continue
        early = [
            w for w in mine
            if top.first - _TOGETHER_MS * rate_khz < w.first < top.first
            and w.height_uv >= max(least, 0.2 * top.height_uv)
        ]  # fmt: skip
        first = min([w.first for w in early], default=top.first)
        chosen.append(Wave(sweep=sweep, first=first, last=top.last, height_uv=top.height_uv))
    return chosen


def _mark_wave(marks: Marks, row: int, wave: Wave, sweep: _Sweep, t: Array, rate_khz: float, rise: LateRise) -> None:
    # smoothing takes something off a peak, noise adds something: each where it matters less
    y, y_noise = sweep.smooth, sweep.noise
    if wave.height_uv > _SHARP_NOISE * sweep.sharp_noise:
        y, y_noise = sweep.sharp, sweep.sharp_noise
    part = y[wave.first : wave.last + 1]
    high, low = wave.first + int(part.argmax()), wave.first + int(part.argmin())
    marks.outcome[row] = Outcome.FOUND
    marks.peak_ms[row], marks.peak_uv[row] = t[high], max(float(y[high]), 0.0)
    marks.trough_ms[row], marks.trough_uv[row] = t[low], min(float(y[low]), 0.0)
    marks.peak_to_peak_uv[row] = marks.peak_uv[row] - marks.trough_uv[row]
    marks.peak_sd_uv[row], marks.peak_to_peak_sd_uv[row] = y_noise, math.sqrt(2.0) * y_noise
    marks.baseline_uv[row] = 0.0
    marks.end_ms[row] = marks.last_end_ms[row] = t[wave.last]
    onset, sd = _onset(sweep, wave, rate_khz, rise)
    if not math.isfinite(onset):
        marks.outcome[row] = Outcome.TOO_NOISY
        return
    marks.onset_ms[row], marks.onset_sd_ms[row] = t[0] + onset / rate_khz, sd / rate_khz
    marks.duration_ms[row] = marks.total_duration_ms[row] = marks.end_ms[row] - marks.onset_ms[row]
    marks.area_uv_ms[row] = float(np.abs(part).sum()) / rate_khz


def _onset(sweep: _Sweep, wave: Wave, rate_khz: float, rise: LateRise) -> tuple[float, float]:
    """Return the onset of a wave and its standard deviation, in columns.

    The fit of a single sweep's tail goes wrong under a wave that is larger than the tail: there the wave is timed on
    the sweep as it is, and what comes just before it is its baseline.
    """
    first = first_rise(sweep.rest, sweep.smooth, sweep.noise, wave, rate_khz)
    if first is None:
        return math.nan, math.nan
    largest, y, tail_uv = float(np.abs(sweep.smooth[wave.first : wave.last + 1]).max()), sweep.rest, 0.0
    if sweep.tail is not None:
        column = int(first[1])
        range_uv = float(np.ptp(sweep.tail[max(0, column + round(rise.first_ms * rate_khz)) : column + 1]))
        if range_uv < largest:
            whole = sweep.rest + sweep.tail
            whole -= _level_before(whole, column, rate_khz)
            from_here = replace(wave, first=max(0, column - 1))
            again = first_rise(whole, smoothed(whole, _SHARP_MS, rate_khz), sweep.noise, from_here, rate_khz)
            if again is not None:
                first, y, tail_uv = again, whole, range_uv
    sign, crossed, height = first
    return rise_onset(
        rise, sign * y, crossed, height=height, largest=largest, noise_uv=sweep.fine_noise, rate_khz=rate_khz,
        tail_uv=tail_uv,
    )  # fmt: skip


def _level_before(y: Array, column: int, rate_khz: float) -> float:
    """Return the level of a row shortly before a wave that has risen to 60 % at a column."""
    first, last = (max(0, column - round(ms * rate_khz)) for ms in _BEFORE_MS)
    return float(np.median(y[first : last + 1]))


def first_rise(rest: Array, z: Array, noise: float, wave: Wave, rate_khz: float) -> tuple[float, float, float] | None:
    """Return the sign of the first deflection of a wave, where it crosses 60 % (in columns), and its height."""
    at = _first_extreme(z, noise, wave)
    sign = 1.0 if z[at] > 0 else -1.0
    height = sign * float(z[at])
    crossed = crossing_60(smoothed(sign * rest, _CROSSING_MS, rate_khz), at, height)
    return (sign, crossed, height) if math.isfinite(crossed) else None


def _first_extreme(z: Array, noise: float, wave: Wave) -> int:
    """Return where the first deflection of a wave is largest."""
    part = z[wave.first : wave.last + 1]
    level = max(_FIRST_SHARE * float(np.abs(part).max()), 3.5 * noise)
    above = int((np.abs(part) >= level).argmax())
    sign = np.sign(part[above])
    same = np.flatnonzero(sign * part[above:] <= 0)
    end = above + (int(same[0]) if same.size else part.size - above)
    return wave.first + above + int((sign * part[above:end]).argmax())


def _clip(marks: Marks, row: int, y: Array, t_ms: Array, first_ms: float, last_ms: float) -> None:
    """Call a response clipped whose largest or lowest samples stand still at the limits of the sweep."""
    inside = y[(t_ms >= first_ms) & (t_ms <= last_ms)]
    for rail in (float(y.max()), float(y.min())):
        if np.count_nonzero(inside == rail) >= 3:
            marks.outcome[row] = Outcome.CLIPPED
