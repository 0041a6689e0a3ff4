"""The onset of a late response: a learned rise with a free time scale, fitted below 60 % of the first deflection.

The shapes are made by ``benchmarks/learn_late_rise.py``, never edited by hand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["LateRise", "crossing_60", "late_rise", "rise_onset"]

Array = NDArray[Any]

CROSSING: Final = 0.6
"""The rise is fitted up to this share of the first deflection."""
BEFORE_MS: Final = 5.0
BIN_MS: Final = 0.1
SCALE_STEP_MS: Final = 0.04
SCALES_MS: Final = (0.1, 6.0)
HEIGHT_SD: Final = 0.15
"""How far the height of the smoothed extreme may be off, as a share."""
BASELINE_SD: Final = 3.0
BASELINE_SHARE: Final = 0.01
"""How far the baseline may be off, in standard deviations of the noise and as a share of the height.

It may drift by the latter over ``BEFORE_MS``.
"""
ONSET_SHARE: Final = 0.02
CLEAR_NOISE: Final = 3.0
LEAST_SD_MS: Final = 0.05
LEAST_NOISE_SHARE: Final = 1e-4
FEWEST_BINS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LateRise:
    """Learned rise over scaled time (0 at the onset, 1 at 60 %): mean, modes, what they leave, and the time scale."""

    first: float
    step: float
    mean: Array
    modes: Array
    prior_sd: Array
    rest: Array
    log_scale: float
    log_scale_sd: float


@cache
def late_rise(response: str) -> LateRise:
    """Return the learned rise of a response."""
    with files("ncs.detect").joinpath("late_rise.npz").open("rb") as stream, np.load(stream) as data:
        first, step = (float(x) for x in data[f"{response}_grid"])
        middle, spread = (float(x) for x in data[f"{response}_log_scale"])
        parts = {name: data[f"{response}_{name}"] for name in ("mean", "modes", "prior_sd", "rest")}
    return LateRise(first=first, step=step, log_scale=middle, log_scale_sd=spread, **parts)


def crossing_60(y: Array, top: int, height: float) -> float:
    """Return where a row last rises through 60 % of a height before ``top``, in columns; NaN if it never does."""
    below = np.flatnonzero(y[: top + 1] <= CROSSING * height)
    if below.size == 0 or below[-1] == top:
        return math.nan
    i = int(below[-1])
    return i + (CROSSING * height - float(y[i])) / float(y[i + 1] - y[i])


def rise_onset(
    rise: LateRise, y: Array, crossed: float, *, height: float, largest: float, noise_uv: float, rate_khz: float
) -> tuple[float, float]:
    """Return the onset of a rise and its standard deviation, in columns.

    Parameters
    ----------
    rise
        What is learned of such rises.
    y
        One row, the first deflection upwards.
    crossed
        Where it crosses 60 % of the first deflection, in columns.
    height, largest
        Of the first deflection, and of the largest one.
    noise_uv
        Of ``y`` averaged over ``BIN_MS``.
    rate_khz
        Columns per millisecond.

    Notes
    -----
    The likelihood over the time scale, with everything else integrated out, times the learned distribution of time
    scales; its mean and standard deviation are the estimate. Where 2 % of the largest deflection stand clear of the
    noise, no shape is needed: the crossing of that level, above the fitted baseline, is the onset.
    """
    noise_uv = max(noise_uv, LEAST_NOISE_SHARE * height)
    width = max(1, round(BIN_MS * rate_khz))
    last = int(crossed) + 1
    count = min(last, round(BEFORE_MS * rate_khz)) // width
    if count < FEWEST_BINS:
        return math.nan, math.nan
    start = last - count * width
    value = y[start:last].reshape(count, width).mean(axis=1)
    before = (start + (np.arange(count) + 0.5) * width - 0.5 - crossed) / rate_khz
    scale = np.arange(SCALES_MS[0], min(SCALES_MS[1], -float(before[0])), SCALE_STEP_MS)
    score, baseline = _scores(rise, value, before, scale, height, noise_uv)
    weight = np.exp(-0.5 * (score - score.min()))
    weight /= weight.sum()
    middle = float(weight @ scale)
    if ONSET_SHARE * largest > CLEAR_NOISE * noise_uv:
        seen = _crossing(value - weight @ baseline, before, ONSET_SHARE * largest)
        if seen is not None:
            at_ms, per_uv = seen
            return crossed + at_ms * rate_khz, math.hypot(noise_uv * per_uv, LEAST_SD_MS) * rate_khz
    spread = math.sqrt(max(float(weight @ (scale - middle) ** 2), 0.0) + SCALE_STEP_MS**2 / 12)
    return crossed - middle * rate_khz, spread * rate_khz


def _crossing(value: Array, before_ms: Array, level: float) -> tuple[float, float] | None:
    """Return when binned values last rise through a level, and ms per microvolt there; ``None`` if they never do."""
    low = np.flatnonzero(value <= level)
    if low.size == 0 or low[-1] == value.size - 1:
        return None
    i = int(low[-1])
    per_uv = float(before_ms[i + 1] - before_ms[i]) / float(value[i + 1] - value[i])
    return float(before_ms[i]) + (level - float(value[i])) * per_uv, per_uv


def _scores(
    rise: LateRise, value: Array, before_ms: Array, scale_ms: Array, height: float, noise: float
) -> tuple[Array, Array]:
    """Return minus twice the log of the posterior for every time scale, and the fitted baseline, a row for each."""
    u = 1.0 + before_ms[np.newaxis, :] / scale_ms[:, np.newaxis]
    position = np.clip((u - rise.first) / rise.step, 0.0, rise.mean.size - 1.0)
    at = np.arange(rise.mean.size)
    inside = u >= rise.first
    mean, rest, *modes = (
        np.where(inside, np.interp(position, at, shape), 0.0) for shape in (rise.mean, rise.rest, *rise.modes)
    )
    variance = noise**2 + (height * rest) ** 2
    flat, drift = np.ones_like(mean), np.broadcast_to(before_ms / BEFORE_MS, mean.shape)
    columns = np.stack([height * mean, *(height * mode for mode in modes), flat, drift], axis=2)
    baseline_sd = math.hypot(BASELINE_SD * noise, BASELINE_SHARE * height)
    prior = np.array([HEIGHT_SD, *rise.prior_sd, baseline_sd, BASELINE_SHARE * height])
    left = (value[np.newaxis, :] - height * mean)[:, :, np.newaxis]
    weighted = np.swapaxes(columns / variance[:, :, np.newaxis], 1, 2)
    precision = weighted @ columns + np.diag(1.0 / prior**2)
    gain = weighted @ left
    solved = np.linalg.solve(precision, gain)
    misfit = (left[:, :, 0] ** 2 / variance).sum(axis=1) - (gain * solved).sum(axis=(1, 2))
    evidence = np.log(variance).sum(axis=1) + np.linalg.slogdet(precision)[1]
    scaled = (np.log(scale_ms) - rise.log_scale) / rise.log_scale_sd
    score = misfit + evidence + scaled**2 + 2.0 * np.log(scale_ms)
    return np.asarray(score), np.asarray(solved[:, -2] + solved[:, -1] * before_ms / BEFORE_MS)
