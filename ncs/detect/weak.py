"""A weak sensory response in many sweeps: the sweeps themselves say whether it is more than their noise.

A detector that sees one averaged sweep has to guess its noise; here the sweeps, with half of their signs turned, give
averages that contain the same noise and no response.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ncs.detect.marks import Marks, Outcome

__all__ = ["WEAK_PARAMETERS", "find_weak_snap"]

FloatArray = NDArray[np.float64]

_LEAST_SWEEPS: Final = 20
_TURNS: Final = 999
_SEED: Final = 1
_WIDTHS_MS: Final = (0.2, 0.3, 0.45)
_FIRST_MS: Final = 0.8
_LAST_MS: Final = 20.0
_NEAR_MS: Final = 1.5
_OVER_CHANCE: Final = 1.15
_SHARE_OF_PEAK: Final = 0.5
_SMOOTH_MS: Final = 0.3
_REDRAWS: Final = 200
_REDRAWN_MS: Final = 0.6

WEAK_PARAMETERS: Final[dict[str, Any]] = {
    "least_sweeps": _LEAST_SWEEPS,
    "turns": _TURNS,
    "seed": _SEED,
    "widths_ms": list(_WIDTHS_MS),
    "first_ms": _FIRST_MS,
    "over_chance": _OVER_CHANCE,
    "smooth_ms": _SMOOTH_MS,
}


def find_weak_snap(sweeps_uv: ArrayLike, sampling_rate_hz: float, *, stimulus_ms: float, marks: Marks) -> Marks:
    """Return the marks of a mean of sweeps, with peak and amplitude of a response that ``mark`` has not seen in it.

    Parameters
    ----------
    sweeps_uv
        The sweeps behind the mean, aligned at the stimulus, shape ``(n_sweeps, n_samples)``, true sign.
    sampling_rate_hz
        Samples per second.
    stimulus_ms
        Time of the stimulus after sample 0.
    marks
        Of the mean, length one, with the outcome ``NO_RESPONSE``.

    Returns
    -------
    Marks
        With the outcome ``TOO_NOISY`` (too noisy to time the onset), negative peak, positive peak that follows and
        their standard deviations, where a response was found; ``marks`` itself where not, or with fewer than 20 sweeps.

    Notes
    -----
    The mean is correlated with bipolar wavelets of three widths (the negated second derivative of a Gaussian), 0.8 to
    20 ms after the stimulus. The largest value must exceed by 15 % the largest of 999 averages of the same sweeps in
    which a random half of the signs is turned: a response cancels there, the noise stays. It must also be a peak, with
    a rise and a fall of at least half its height within 1.5 ms, which the tail of a stimulus artefact is not. The signs
    come from a fixed seed, so that the same sweeps always give the same answer. Standard deviations follow from how the
    sweeps differ: that of the amplitude directly, that of the time by drawing them anew with replacement.
    """
    y = -np.asarray(sweeps_uv, np.float64)
    rate = sampling_rate_hz / 1000.0
    n_sweeps, n_samples = y.shape
    first, last = int((stimulus_ms + _FIRST_MS) * rate) + 1, min(int((stimulus_ms + _LAST_MS) * rate), n_samples)
    if n_sweeps < _LEAST_SWEEPS or first < 0 or last - first < int(4 * _NEAR_MS * rate):
        return marks
    correlated = [_scores(y, _wavelet(width * rate), first, last) for width in _WIDTHS_MS]
    over_chance = [float(scores.mean(axis=0).max()) / _largest_by_chance(scores) for scores in correlated]
    best = int(np.argmax(over_chance))
    if not over_chance[best] > _OVER_CHANCE:
        return marks
    smooth = _box(y.mean(axis=0), max(1, round(_SMOOTH_MS * rate)))
    near = first + int(correlated[best].mean(axis=0).argmax())
    reach = int(0.5 * rate)
    low = max(near - reach, first)
    top = low + int(smooth[low : near + reach + 1].argmax())
    if not _is_peak(smooth, top, first, last, int(_NEAR_MS * rate)):
        return marks
    return _marked(y, smooth, top, stimulus_ms, rate, last, marks)


def _wavelet(sigma: float) -> FloatArray:
    x = np.arange(-int(4 * sigma) - 1, int(4 * sigma) + 2) / sigma
    shape = (1.0 - x**2) * np.exp(-0.5 * x**2)
    shape -= shape.mean()
    return np.asarray(shape / np.sqrt((shape**2).sum()))


def _box(values: FloatArray, width: int) -> FloatArray:
    return np.asarray(np.convolve(values, np.full(width, 1.0 / width), "same"))


def _scores(y: FloatArray, wavelet: FloatArray, first: int, last: int) -> FloatArray:
    """Return the correlation of every sweep with a wavelet, shape ``(n_sweeps, last - first)``."""
    return np.stack([np.convolve(sweep, wavelet, "same")[first:last] for sweep in y])


def _largest_by_chance(scores: FloatArray) -> float:
    """Return the largest score in any average with half of the signs turned."""
    n = len(scores)
    signs = np.tile(np.where(np.arange(n) % 2 == 0, 1.0, -1.0), (_TURNS, 1))
    signs = np.random.default_rng(_SEED).permuted(signs, axis=1)
    largest: float = (signs @ scores).max()
    return largest / n


def _is_peak(smooth: FloatArray, top: int, first: int, last: int, near: int) -> bool:
    before, after = smooth[max(top - near, first) : top], smooth[top + 1 : min(top + near + 1, last)]
    if not before.size or not after.size:
        return False
    floor = float(np.median(smooth[first:last]))
    height = smooth[top] - floor
    least = _SHARE_OF_PEAK * height
    return bool(height > 0 and smooth[top] - before.min() > least and smooth[top] - after.min() > least)


def _time_sd(y: FloatArray, top: int, rate: float) -> float:
    """Return how far the peak moves when the sweeps are drawn anew with replacement, ms."""
    n, reach = y.shape[0], round(_REDRAWN_MS * rate)
    low, high = max(top - reach, 0), min(top + reach + 1, y.shape[1])
    width = max(1, round(_SMOOTH_MS * rate))
    margin = y[:, max(low - width, 0) : high + width]
    often = np.random.default_rng(_SEED).multinomial(n, np.full(n, 1.0 / n), size=_REDRAWS)
    means = np.stack([_box(mean, width) for mean in often @ margin / n])
    first = low - max(low - width, 0)
    at = means[:, first : first + high - low].argmax(axis=1)
    return float(at.std(ddof=1)) / rate


def _marked(
    y: FloatArray, smooth: FloatArray, top: int, stimulus_ms: float, rate: float, last: int, marks: Marks
) -> Marks:
    n = y.shape[0]
    quiet = smooth[: int((stimulus_ms - 0.15) * rate)]
    floor = float(quiet.mean()) if quiet.size > int(rate) else float(np.median(smooth))
    # what the smoothing takes from a peak comes back with the parabola through the raw mean around it
    reach = max(2, round(0.25 * rate))
    around = y[:, max(top - reach, 0) : top + reach + 1]
    x = np.arange(around.shape[1]) - float(min(top, reach))
    fit = np.linalg.pinv(np.stack([np.ones_like(x), x, x**2], axis=1))
    level, slope, bend = fit @ around.mean(axis=0)
    shift = float(np.clip(-slope / (2 * bend), -reach, reach)) if bend < 0 else 0.0
    peak = float(level + slope * shift + bend * shift**2) - floor
    each = around @ fit.T
    peak_sd = float(each[:, 0].std(ddof=1)) / np.sqrt(n)
    after = smooth[top : min(top + int(3 * rate), last)]
    trough = top + int(after.argmin())
    found = {
        "peak_ms": (top + shift) / rate - stimulus_ms,
        "peak_sd_ms": _time_sd(y, top, rate),
        "peak_uv": peak,
        "peak_sd_uv": peak_sd,
        "baseline_uv": floor,
    }
    if smooth[trough] < floor:
        found |= {
            "trough_ms": trough / rate - stimulus_ms,
            "trough_uv": float(smooth[trough]) - floor,
            "peak_to_peak_uv": peak + floor - float(smooth[trough]),
            "peak_to_peak_sd_uv": float(np.hypot(peak_sd, y[:, trough].std(ddof=1) / np.sqrt(n))),
        }
    numbers = {name: np.array([value]) for name, value in found.items()}
    absent = {f.name: np.array([np.nan]) for f in fields(Marks) if f.name in {"onset_ms", "onset_sd_ms"}}
    return replace(marks, outcome=np.array([Outcome.TOO_NOISY], np.int8), **absent, **numbers)
