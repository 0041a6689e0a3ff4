"""R1 and R2 of the blink reflex: late responses of either polarity, found by how far they stand out of the noise.

R2 is polyphasic and another one in every sweep, so there is no shape to fit: what counts is where activity begins that
then goes on. Arrays in, marks out; a new component is one row of ``BLINK``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ncs.detect.marks import Flag, Marks, Outcome

__all__ = ["BLINK", "BLINK_PARAMETERS", "Component", "mark_blink"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """How one component of the blink reflex is found; times in ms.

    Parameters
    ----------
    earliest_ms, latest_ms
        Where it is sought after the stimulus: its largest deflection, and nothing of it comes earlier.
    smooth_ms
        Over which time samples are averaged.
    gap_ms
        Longest pause within the response: what lies before a longer one is not part of it.
    shortest_ms
        How long the response lasts at least.
    clear
        Multiple of the noise that its largest deflection exceeds.
    level, level_share
        Activity begins at this multiple of the noise, or this share of the largest deflection if that is more.
    least_uv
        What its largest deflection exceeds.
    """

    earliest_ms: float
    latest_ms: float
    smooth_ms: float
    gap_ms: float
    shortest_ms: float
    clear: float = 6.0
    level: float = 3.0
    level_share: float = 0.05
    least_uv: float = 20.0


BLINK: Final = MappingProxyType(
    {
        "r1": Component(earliest_ms=6.0, latest_ms=22.0, smooth_ms=0.3, gap_ms=1.0, shortest_ms=1.0),
        "r2": Component(earliest_ms=22.0, latest_ms=85.0, smooth_ms=0.6, gap_ms=4.0, shortest_ms=5.0),
    }
)

BLINK_PARAMETERS: Final[dict[str, Any]] = {
    name: {field: getattr(component, field) for field in Component.__dataclass_fields__}
    for name, component in BLINK.items()
}

_BLANK_MS = 4.0
_LATE_SHARE = 0.15
_SURE = 4.5
"""Multiple of the noise that a burst reaches which is no accident."""
_FEWEST = 8
_FIELDS = (
    "onset_ms", "onset_sd_ms", "peak_ms", "peak_sd_ms", "peak_uv", "peak_sd_uv", "end_ms", "last_end_ms", "trough_ms",
    "trough_uv", "area_uv_ms", "area_sd_uv_ms", "peak_to_peak_uv", "peak_to_peak_sd_uv", "duration_ms",
    "duration_sd_ms", "total_duration_ms", "peak_threshold_uv", "baseline_uv", "noise_uv",
)  # fmt: skip


def mark_blink(
    samples: NDArray[Any],
    rate_khz: float,
    stimulus_ms: FloatArray,
    component: Component,
    window_ms: tuple[float, float],
) -> Marks:
    """Mark one component of the blink reflex in every sweep.

    Parameters
    ----------
    samples
        Shape ``(n_sweeps, n_samples)``, microvolts, true sign.
    rate_khz
        Samples per millisecond.
    stimulus_ms
        Time of the stimulus after sample 0, shape ``(n_sweeps,)``.
    component
        A row of ``BLINK``.
    window_ms
        Earliest and latest time of the largest deflection; earlier activity does not belong to the response.

    Returns
    -------
    Marks
        ``peak`` and ``trough`` are the largest negative and the largest positive deflection, in either order; the area
        is that of the rectified response from ``onset_ms`` to ``end_ms``; ``peak_threshold_uv`` is the voltage at which
        activity begins.
    """
    columns = {name: np.full(samples.shape[0], np.nan) for name in _FIELDS}
    outcome = np.zeros(samples.shape[0], np.int8)
    flags = np.zeros(samples.shape[0], np.int8)
    for sweep in range(samples.shape[0]):
        found, outcome[sweep], flags[sweep] = _mark_one(
            -samples[sweep].astype(np.float64), rate_khz, float(stimulus_ms[sweep]), component, window_ms
        )
        for name, value in found.items():
            columns[name][sweep] = value
    return Marks(**columns, outcome=outcome, flags=flags)


def _mark_one(
    y: FloatArray, rate: float, stimulus_ms: float, c: Component, window: tuple[float, float]
) -> tuple[dict[str, float], Outcome, Flag]:
    """Mark one sweep, negative up."""
    if not (np.isfinite(y).all() and math.isfinite(stimulus_ms)) or y.size == 0 or np.ptp(y) == 0.0:
        return {}, Outcome.INVALID_INPUT, Flag.NONE
    p0, n = stimulus_ms * rate, y.size
    first = max(math.ceil(p0 + max(window[0], _BLANK_MS) * rate), 0)
    last = min(math.floor(p0 + window[1] * rate) + 1, n)
    if last - first < c.shortest_ms * rate + _FEWEST:
        return {}, Outcome.INVALID_INPUT, Flag.NONE
    before = y[: max(int(p0 - 0.15 * rate), 0)]
    flag = Flag.NONE if before.size >= _FEWEST else Flag.NO_BASELINE_BEFORE_STIMULUS
    late = y[max(n - int(_LATE_SHARE * n), first) :]
    base = float(np.median(before if before.size >= _FEWEST else late))
    smooth = _smoothed(y - base, max(1, round(c.smooth_ms * rate)))
    noise = _noise(smooth, before.size, max(n - int(_LATE_SHARE * n), first))
    size = np.abs(smooth)
    found = {"baseline_uv": base, "noise_uv": noise}
    top = first + int(size[first:last].argmax())
    if not size[top] > max(c.clear * noise, c.least_uv):
        return found, Outcome.NO_RESPONSE, flag
    if _is_cut_off(y, size, top):
        return found, Outcome.CLIPPED, flag
    level = max(c.level * noise, c.level_share * float(size[top]))
    sure = max(_SURE * noise, level)
    pauses = (round(c.smooth_ms * rate), round(c.gap_ms * rate))
    onset, end = _extent(size[first:], level, sure, top - first, pauses)
    if end - onset < c.shortest_ms * rate:
        return found, Outcome.NO_RESPONSE, flag
    if onset == 0:
        return found, Outcome.AT_WINDOW_EDGE, flag
    onset, end = first + onset, first + end
    return found | _measured(smooth, size, onset, end, level, rate, p0, noise), Outcome.FOUND, flag


def _smoothed(y: FloatArray, width: int) -> FloatArray:
    """Return means over so many samples, in the middle of which each one stands."""
    total = np.concatenate(([0.0], np.cumsum(y)))
    middle = np.arange(y.size)
    low, high = np.maximum(middle - width // 2, 0), np.minimum(middle + (width + 1) // 2, y.size)
    return np.asarray((total[high] - total[low]) / (high - low))


def _noise(smooth: FloatArray, before: int, late: int) -> float:
    """Return the standard deviation of the quieter of the two ends of the sweep: one of them may hold a blink."""
    ends = [part for part in (smooth[:before], smooth[late:]) if part.size >= _FEWEST]
    return min((1.4826 * float(np.median(np.abs(part - np.median(part)))) for part in ends), default=0.0)


def _is_cut_off(y: FloatArray, size: FloatArray, top: int) -> bool:
    """Return whether the largest deflection is a plateau at the end of the range of the sweep."""
    rail = y.max() if y[top] > y.mean() else y.min()
    at_rail = np.flatnonzero(y == rail)
    return bool(at_rail.size > 3 and (np.diff(at_rail) == 1).sum() > 2 and abs(y[top] - rail) < 0.02 * size[top])


def _extent(size: FloatArray, level: float, sure: float, top: int, pauses: tuple[int, int]) -> tuple[int, int]:
    """Return first and last sample of the activity around its largest deflection; 0 is the beginning of the window.

    Stretches above the level that lie no further apart than the first of ``pauses`` are one burst; bursts that reach
    ``sure`` belong together as long as the second of ``pauses`` does not pass without one. Noise alone makes short
    bursts that do not get as high.
    """
    active = np.flatnonzero(size >= level)
    breaks = np.flatnonzero(np.diff(active) > pauses[0]) + 1
    bursts = [part for part in np.split(active, breaks) if size[part].max() >= sure]
    starts, ends = np.array([part[0] for part in bursts]), np.array([part[-1] for part in bursts])
    place = int(np.searchsorted(starts, top, side="right")) - 1
    first = last = place
    while first > 0 and starts[first] - ends[first - 1] <= pauses[1]:
        first -= 1
    while last + 1 < starts.size and starts[last + 1] - ends[last] <= pauses[1]:
        last += 1
    return int(starts[first]), int(ends[last])


def _measured(
    smooth: FloatArray, size: FloatArray, onset: int, end: int, level: float, rate: float, p0: float, noise: float
) -> dict[str, float]:
    part = smooth[onset : end + 1]
    peak, trough = onset + int(part.argmax()), onset + int(part.argmin())
    start = _crossing(size, onset, level)
    found = {
        "onset_ms": (start - p0) / rate, "end_ms": (end - p0) / rate, "last_end_ms": (end - p0) / rate,
        "duration_ms": (end - start) / rate, "total_duration_ms": (end - start) / rate, "peak_threshold_uv": level,
        "area_uv_ms": float(size[onset : end + 1].sum()) / rate,
    }  # fmt: skip
    if smooth[peak] > 0:
        found |= {"peak_ms": (peak - p0) / rate, "peak_uv": float(smooth[peak]), "peak_sd_uv": noise}
    if smooth[trough] < 0:
        found |= {"trough_ms": (trough - p0) / rate, "trough_uv": float(smooth[trough])}
    if smooth[peak] > 0 > smooth[trough]:
        found |= {
            "peak_to_peak_uv": float(smooth[peak] - smooth[trough]), "peak_to_peak_sd_uv": noise * math.sqrt(2.0)
        }  # fmt: skip
    return found


def _crossing(size: FloatArray, at: int, level: float) -> float:
    """Return where the level is crossed between a sample and the one before it."""
    if at == 0 or size[at] == size[at - 1] or size[at - 1] >= level:
        return float(at)
    return at - 1 + float((level - size[at - 1]) / (size[at] - size[at - 1]))
