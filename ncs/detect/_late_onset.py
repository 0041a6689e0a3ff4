"""The onset of a late response, from what is learned of how such waves rise.

A wave is laid with the 60 % crossing of its first deflection at time 0. What is learned is a mixture of kinds of rise,
each a mean, a few modes and what they leave, and where the onset lies in each kind: a small wave or dip that noise
hides may come before what is seen. The shapes are made by ``benchmarks/learn_late_rise.py``, never edited by hand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["BIN_MS", "CROSSING", "LateRise", "crossing_60", "late_rise", "rise_onset"]

Array = NDArray[Any]

CROSSING: Final = 0.6
"""Share of the first deflection whose crossing is time 0."""
BIN_MS: Final = 0.1
HEIGHT_SD: Final = 0.15
"""How far the height of the smoothed extreme may be off, as a share."""
BASELINE_SD: Final = 3.0
BASELINE_SHARE: Final = 0.01
"""How far the baseline may be off, in standard deviations of the noise and as a share of the height.

It may drift by the latter from the first bin to the crossing.
"""
BEND_SHARE: Final = 0.3
"""How far a baseline that is the tail itself may bend, as a share of the tail's range; level and drift by all of it."""
ONSET_SHARE: Final = 0.02
CLEAR_NOISE: Final = 3.0
AGREE_SD: Final = 3.0
LEAST_SD_MS: Final = 0.05
LEAST_NOISE_SHARE: Final = 1e-4
FEWEST_BINS: Final = 8
STEP_MS: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LateRise:
    """Kinds of rise over time from the 60 % crossing, the first deflection upwards and of height one.

    Parameters
    ----------
    first_ms, step_ms
        Times of the ``n_times`` points.
    weight
        How frequent each kind is, shape ``(n_kinds,)``.
    mean, rest
        Mean, and standard deviation of what the modes leave, shape ``(n_kinds, n_times)``.
    modes
        Each one standard deviation large, shape ``(n_kinds, n_modes, n_times)``.
    onset_ms, onset_modes_ms, onset_rest_ms
        The same for the time of the onset; shapes ``(n_kinds,)``, ``(n_kinds, n_modes)`` and ``(n_kinds,)``.
    """

    first_ms: float
    step_ms: float
    weight: Array
    mean: Array
    modes: Array
    rest: Array
    onset_ms: Array
    onset_modes_ms: Array
    onset_rest_ms: Array

    def at(self, time_ms: Array) -> tuple[Array, Array, Array]:
        """Return mean, modes and rest at other times, the ends where there is no more; the last axis is time."""
        last = self.mean.shape[1] - 1
        position = np.clip((time_ms - self.first_ms) / self.step_ms, 0.0, last)
        low = np.minimum(position.astype(np.intp), last - 1)
        share = position - low
        mean, modes, rest = (
            shape[..., low] * (1.0 - share) + shape[..., low + 1] * share
            for shape in (self.mean, self.modes, self.rest)
        )
        return mean, modes, rest


@cache
def late_rise(response: str) -> LateRise:
    """Return the learned rise of a response."""
    with files("ncs.detect").joinpath("late_rise.npz").open("rb") as stream, np.load(stream) as data:
        first, step = (float(x) for x in data[f"{response}_times"])
        names = ("weight", "mean", "modes", "rest", "onset_ms", "onset_modes_ms", "onset_rest_ms")
        parts = {name: data[f"{response}_{name}"].astype(np.float64) for name in names}
    return LateRise(first_ms=first, step_ms=step, **parts)


def crossing_60(y: Array, top: int, height: float) -> float:
    """Return where a row last rises through 60 % of a height before ``top``, in columns; NaN if it never does."""
    below = np.flatnonzero(y[: top + 1] <= CROSSING * height)
    if below.size == 0 or below[-1] == top:
        return math.nan
    i = int(below[-1])
    return i + (CROSSING * height - float(y[i])) / float(y[i + 1] - y[i])


def rise_onset(
    rise: LateRise,
    y: Array,
    crossed: float,
    *,
    height: float,
    largest: float,
    noise_uv: Array,
    rate_khz: float,
    tail_uv: float = 0.0,
) -> tuple[float, float]:
    """Return the onset of a rise and its standard deviation, in columns; NaN where too little comes before it.

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
        Of ``y`` averaged over ``BIN_MS``, at every column.
    rate_khz
        Columns per millisecond.
    tail_uv
        Range of the tail that the wave stands on, where ``y`` still has it.

    Notes
    -----
    Each kind of rise has its likelihood, with height, modes and baseline integrated out, and its own onset. The median
    of the mixture is the onset, the root mean square about it its standard deviation. Where 2 % of the largest
    deflection stand clear of the noise, no shape is needed: the crossing of that level, above the fitted baseline, is
    the onset.
    """
    width = max(1, round(BIN_MS * rate_khz))
    last = int(crossed) + 1
    before = min(last, round(-rise.first_ms * rate_khz)) // width
    longest = rise.first_ms + rise.step_ms * (rise.mean.shape[1] - 1)
    after = max(0, min(y.size - last, round(longest * rate_khz)) // width)
    if before < FEWEST_BINS:
        return math.nan, math.nan
    start = last - before * width
    value, noise = (
        row[start : last + after * width].reshape(before + after, width).mean(axis=1) for row in (y, noise_uv)
    )
    noise = np.maximum(noise, LEAST_NOISE_SHARE * height)
    time_ms = (start + (np.arange(value.size) + 0.5) * width - 0.5 - crossed) / rate_khz
    weight, onset_ms, sd_ms, baseline = _kinds(rise, value, time_ms, height, noise, tail_uv)
    middle = _median(weight, onset_ms, sd_ms)
    spread = math.sqrt(float(weight @ (sd_ms**2 + (onset_ms - middle) ** 2)))
    level = ONSET_SHARE * largest
    seen = _crossing((value - weight @ baseline)[:before], level)
    if seen is not None:
        at, share, step_uv = seen
        at_ms = float(time_ms[at] + share * (time_ms[at + 1] - time_ms[at]))
        if level > CLEAR_NOISE * noise[at] and abs(at_ms - middle) <= AGREE_SD * spread:
            per_uv = float(time_ms[at + 1] - time_ms[at]) / step_uv
            return crossed + at_ms * rate_khz, math.hypot(float(noise[at]) * per_uv, LEAST_SD_MS) * rate_khz
    return crossed + middle * rate_khz, spread * rate_khz


def _crossing(value: Array, level: float) -> tuple[int, float, float] | None:
    """Return after which bin values last rise through a level, what share of a bin later, and by how much they rise."""
    low = np.flatnonzero(value <= level)
    if low.size == 0 or low[-1] == value.size - 1:
        return None
    i = int(low[-1])
    step = float(value[i + 1] - value[i])
    return i, (level - float(value[i])) / step, step


def _kinds(
    rise: LateRise, value: Array, time_ms: Array, height: float, noise: Array, tail_uv: float
) -> tuple[Array, Array, Array, Array]:
    """Return how probable each kind of rise is, its onset with standard deviation, and its baseline, a row each."""
    mean, modes, rest = (height * shape for shape in rise.at(time_ms))
    n_kinds, n_modes, _ = modes.shape
    variance = noise**2 + rest**2
    bends, bends_sd = _baseline(time_ms / time_ms[0], height, noise, tail_uv)
    below = np.broadcast_to(bends, (n_kinds, *bends.shape))
    columns = np.concatenate([modes, mean[:, np.newaxis], below], axis=1)
    prior_sd = np.array([*np.ones(n_modes), HEIGHT_SD, *bends_sd])
    left = (value - mean)[:, :, np.newaxis]
    weighted = columns / variance[:, np.newaxis, :]
    precision = weighted @ np.swapaxes(columns, 1, 2) + np.diag(1.0 / prior_sd**2)
    gain = weighted @ left
    of_onset = np.zeros((n_kinds, prior_sd.size, 1))
    of_onset[:, :n_modes, 0] = rise.onset_modes_ms
    solved = np.linalg.solve(precision, np.concatenate([gain, of_onset], axis=2))
    misfit = (left[:, :, 0] ** 2 / variance).sum(axis=1) - (gain * solved[:, :, :1]).sum(axis=(1, 2))
    score = misfit + np.log(variance).sum(axis=1) + np.linalg.slogdet(precision)[1] - 2.0 * np.log(rise.weight)
    probable = np.exp(-0.5 * (score - score.min()))
    onset = rise.onset_ms + (of_onset * solved[:, :, :1]).sum(axis=(1, 2))
    onset_sd = np.sqrt(rise.onset_rest_ms**2 + (of_onset * solved[:, :, 1:]).sum(axis=(1, 2)))
    return probable / probable.sum(), onset, onset_sd, solved[:, -len(bends) :, 0] @ bends


def _baseline(u: Array, height: float, noise: Array, tail_uv: float) -> tuple[Array, list[float]]:
    """Return what a baseline consists of, a row each, and how large each may be; ``u`` is 1 at first, 0 at the end."""
    level = math.hypot(BASELINE_SD * float(noise.min()), BASELINE_SHARE * height, tail_uv)
    drift = math.hypot(BASELINE_SHARE * height, tail_uv)
    if tail_uv == 0.0:
        return np.stack([np.ones_like(u), u]), [level, drift]
    return np.stack([np.ones_like(u), u, u**2]), [level, drift, BEND_SHARE * tail_uv]


def _median(weight: Array, middle: Array, sd: Array) -> float:
    """Return the median of a mixture of normal distributions."""
    at = np.arange(float((middle - 4.0 * sd).min()), float((middle + 4.0 * sd).max()) + STEP_MS, STEP_MS)
    away = (at - middle[:, np.newaxis]) / sd[:, np.newaxis]
    below = np.cumsum((weight / sd) @ np.exp(-0.5 * away**2))
    return float(np.interp(0.5 * below[-1], below, at))
