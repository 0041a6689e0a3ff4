"""The initial positive peak of an orthodromic sensory response, which is where its latency is taken.

Near the nerve a travelling impulse is positive first: the peak of that deflection, not the turn to negative, marks the
arrival of the fastest fibres. Marks of other responses do not pass here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ncs.detect.marks import Flag, Marks

__all__ = ["POSITIVE_PEAK_PARAMETERS", "onset_at_positive_peak"]

FloatArray = NDArray[np.float64]

_BLANK_MS: Final = 0.5
_BEFORE_MS: Final = 2.0
_SMOOTH_MS: Final = 0.15
_OVER_NOISE: Final = 3.0
_SHARE_OF_PEAK: Final = 0.05
_FIT_ABOVE: Final = 0.7
_INDEPENDENT_MS: Final = 0.25

POSITIVE_PEAK_PARAMETERS: Final[dict[str, Any]] = {
    "blank_ms": _BLANK_MS,
    "before_ms": _BEFORE_MS,
    "smooth_ms": _SMOOTH_MS,
    "over_noise": _OVER_NOISE,
    "share_of_peak": _SHARE_OF_PEAK,
    "fit_above": _FIT_ABOVE,
}


def onset_at_positive_peak(
    samples_uv: ArrayLike, sampling_rate_hz: float, *, stimulus_ms: ArrayLike, marks: Marks
) -> Marks:
    """Return marks whose onsets are at the initial positive peak, where there is one.

    Parameters
    ----------
    samples_uv
        Shape ``(n_sweeps, n_samples)``, microvolts, true sign.
    sampling_rate_hz
        Samples per second.
    stimulus_ms
        Time of the stimulus after sample 0; scalar or shape ``(n_sweeps,)``.
    marks
        Of the same sweeps, as ``mark`` returns them.

    Returns
    -------
    Marks
        ``onset_ms`` and ``onset_sd_ms`` replaced and the flag ``ONSET_AT_POSITIVE_PEAK`` set where a positive peak
        precedes the negative one by at most 2 ms, comes 0.5 ms or later after the stimulus, and exceeds 3 times the
        noise and 5 % of the negative peak. Other sweeps keep their marks. Area and durations, which begin at the
        onset, are left out where it moved.

    Notes
    -----
    The position is that of a parabola through the samples around the peak that exceed 70 % of it. Its standard
    deviation follows from the noise, of which 0.25 ms count as one independent sample, because sensory amplifiers cut
    at 2 kHz.

    Examples
    --------
    >>> from ncs import simulate
    >>> from ncs.detect import mark
    >>> s = simulate.snap(1, seed=3, response=simulate.Snap(amplitude_uv=30.0, direction="orthodromic"))
    >>> found = mark(s.samples_uv, 20_000.0, stimulus_ms=2.0, response="snap")
    >>> moved = onset_at_positive_peak(s.samples_uv, 20_000.0, stimulus_ms=2.0, marks=found)
    >>> bool(moved.onset_ms[0] < found.onset_ms[0])
    True
    """
    y = -np.atleast_2d(np.asarray(samples_uv, np.float64))
    times = np.broadcast_to(np.asarray(stimulus_ms, np.float64), (len(marks),))
    onset, onset_sd, flags = marks.onset_ms.copy(), marks.onset_sd_ms.copy(), marks.flags.copy()
    for index in np.flatnonzero(np.isfinite(marks.peak_ms)):
        found = _positive_peak(y[index], sampling_rate_hz / 1000.0, float(times[index]), marks, int(index))
        if found is not None:
            onset[index], onset_sd[index] = found
            flags[index] |= np.int8(Flag.ONSET_AT_POSITIVE_PEAK)
    moved = flags & np.int8(Flag.ONSET_AT_POSITIVE_PEAK) != 0
    from_onset = ("area_uv_ms", "area_sd_uv_ms", "duration_ms", "duration_sd_ms", "total_duration_ms")
    others = {name: np.where(moved, np.nan, getattr(marks, name)) for name in from_onset}
    return replace(marks, onset_ms=onset, onset_sd_ms=onset_sd, flags=flags, **others)


def _positive_peak(
    sweep: FloatArray, rate: float, stimulus_ms: float, marks: Marks, index: int
) -> tuple[float, float] | None:
    """Return time after the stimulus and standard deviation of the positive peak, ``None`` where there is none."""
    peak = round((stimulus_ms + float(marks.peak_ms[index])) * rate)
    first = max(int((stimulus_ms + _BLANK_MS) * rate) + 1, int(peak - _BEFORE_MS * rate), 0)
    half = max(1, int(0.5 * _SMOOTH_MS * rate))
    if peak - first < 4 * half + 2 or peak >= sweep.size:
        return None
    smooth = np.convolve(sweep, np.full(2 * half + 1, 1.0 / (2 * half + 1)), "same")
    lowest = first + int(smooth[first:peak].argmin())
    noise, floor = float(marks.noise_uv[index]), float(marks.baseline_uv[index])
    depth = floor - float(smooth[lowest])
    if lowest in {first, peak - 1} or depth <= max(_OVER_NOISE * noise, _SHARE_OF_PEAK * float(marks.peak_uv[index])):
        return None
    deep = smooth < floor - _FIT_ABOVE * depth
    left = right = lowest
    while left > first and deep[left - 1]:
        left -= 1
    while right < peak - 1 and deep[right + 1]:
        right += 1
    left, right = min(left, lowest - 2), max(right, lowest + 2)
    if left < 0 or right >= sweep.size:
        return None
    x = np.arange(left, right + 1) - float(lowest)
    bend, slope, _ = np.polyfit(x, sweep[left : right + 1], 2)
    if bend <= 0:
        return None
    shift = float(np.clip(-slope / (2 * bend), left - lowest, right - lowest))
    correlated = max(1.0, _INDEPENDENT_MS * rate)
    spread = noise * np.sqrt(correlated / ((x - x.mean()) ** 2).sum()) / (2 * bend)
    return (lowest + shift) / rate - stimulus_ms, float(spread) / rate
