"""Late waves that recur: A waves, which are taken away, and repeats of one and the same F wave, which are named.

Every judgement is a comparison of two single waves; nothing here looks at the spread or the mean of the ensemble.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ncs.detect._late_waves import Wave, find_waves

__all__ = ["AWaves", "a_waves_removed", "repeats"]

Array = NDArray[Any]

MOST_JITTER_MS: Final = 0.5
MOST_AMPLITUDE_SHARE: Final = 0.1
LEAST_CORRELATION: Final = 0.95
NOISE_SD: Final = 2.5
"""By how many standard deviations of the noise two amplitudes may differ beyond their share."""
NOISE_POWER: Final = 1.5
"""By how much the noise in a difference may exceed its expectation."""
TAIL_POWER: Final = 5.0
WITHIN_SHARE: Final = 0.03
"""The same for two sightings of one wave, at each moment: what the fitted tails differ by, and a share of the wave."""
LEAD_MS: Final = 5.0
"""An A wave may run into an F wave: this much of its beginning is compared."""
PARTING_MS: Final = 1.0
"""A sighting that parts from the others is left out so much earlier."""
LIKE_SHARE: Final = 0.25
LIKE_MS: Final = 3.0
"""A sweep that is like this share of the sightings for so long is one of them: an F wave may begin soon after."""
LEAST_SHARE: Final = 0.4
LEAST_SWEEPS: Final = 4
"""A wave is an A wave if it is seen in this share of the sweeps, and in this many."""
CLEAR_SHARE: Final = 0.8
"""Of references that are seen nearly as often, the one that is longest free of other waves is taken."""
FEWEST_SIGHTINGS: Final = 2
LONGEST_MS: Final = 18.0
MARGIN_MS: Final = 1.0
EDGE_MS: Final = 0.5
"""What begins so early after the beginning of the window is a rest of the M wave, if most sightings do."""
MOST_A_WAVES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AWaves:
    """Rows without A waves, plain and smoothed; and in which of them, after its stimulus, there was one."""

    samples_uv: Array
    smooth_uv: Array
    seen: NDArray[np.bool_]


def a_waves_removed(y: Array, z: Array, waves: Sequence[Wave], noise_uv: Array, rate_khz: float) -> AWaves:
    """Return the rows without the waves that recur in many sweeps with one latency and one shape.

    Parameters
    ----------
    y, z
        Rows without tail, shape ``(n_sweeps, n_samples)``, and the same smoothed.
    waves
        All waves of ``z``.
    noise_uv
        Noise of ``z``, shape ``(n_sweeps,)``.
    rate_khz
        Samples per millisecond.
    """
    y, z = y.copy(), z.copy()
    seen = np.zeros(y.shape[0], np.bool_)
    needed = max(LEAST_SWEEPS, int(np.ceil(LEAST_SHARE * y.shape[0])))
    lead = round((MARGIN_MS + LEAD_MS) * rate_khz)
    left = list(waves)
    for _ in range(MOST_A_WAVES):
        found = _most_seen(z, left, noise_uv, rate_khz, needed)
        if found is None:
            break
        for rows in (y, z):
            shape = _template(rows, found, rate_khz)[: lead if found.is_rest else None]
            for sweep, lag in found.at.items():
                part = rows[sweep, found.first + lag : found.first + lag + shape.size]
                part -= shape[: part.size]
        if not found.is_rest:
            seen[list(found.at)] = True
        left = find_waves(z, noise_uv, rate_khz)
    return AWaves(samples_uv=y, smooth_uv=z, seen=seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recurring:
    """A wave that recurs: where it begins, in which sweeps it is seen with which lag, and how long each agrees.

    What begins before the window is a rest of the M wave: only its beginning is taken away, and an A wave in it is
    found by what is left.
    """

    first: int
    at: dict[int, int]
    agreed: dict[int, int]
    is_rest: bool


def _most_seen(z: Array, waves: Sequence[Wave], noise_uv: Array, rate_khz: float, needed: int) -> _Recurring | None:
    """Return what is seen in most sweeps, or ``None`` where nothing is seen in enough of them."""
    sightings = [_sightings(z, wave, noise_uv, rate_khz) for wave in waves]
    most = max(map(len, sightings), default=0)
    if most < needed:
        return None
    edge = round(EDGE_MS * rate_khz)
    clear = [i for i, at in enumerate(sightings) if len(at) >= CLEAR_SHARE * most]
    is_rest = sum(waves[i].first <= edge for i in clear) > 0.5 * len(clear)
    clear = [i for i in clear if (waves[i].first <= edge) == is_rest]
    agreed = {i: _agreement(z, waves[i], sightings[i], noise_uv, rate_khz) for i in clear}
    best = max(clear, key=lambda i: _clearness(agreed[i]))
    wave = waves[best]
    at = _with_their_like(z, wave, sightings[best], noise_uv, rate_khz)
    first = max(0, wave.first - round(MARGIN_MS * rate_khz))
    return _Recurring(first=first, at=at, agreed=_agreement(z, wave, at, noise_uv, rate_khz), is_rest=is_rest)


def repeats(z: Array, waves: Sequence[Wave | None], noise_uv: Array, rate_khz: float) -> NDArray[np.bool_]:
    """Return for each sweep whether its wave is that of an earlier sweep once more; shape ``(n_sweeps,)``."""
    margin = round(MARGIN_MS * rate_khz)
    found = np.zeros(len(waves), np.bool_)
    for later, wave in enumerate(waves):
        for earlier in waves[:later]:
            if wave is None or earlier is None or found[earlier.sweep]:
                continue
            first, last = min(wave.first, earlier.first) - margin, max(wave.last, earlier.last) + margin + 1
            if _lag(z, earlier.sweep, later, max(first, 0), min(last, z.shape[1]), noise_uv, rate_khz) is not None:
                found[later] = True
                break
    return found


def _sightings(z: Array, wave: Wave, noise_uv: Array, rate_khz: float) -> dict[int, int]:
    """Return the sweeps in which the beginning of a wave is seen again, each with its lag in samples."""
    first, last = _beginning(z, wave, rate_khz)
    lags = {k: _lag(z, wave.sweep, k, first, last, noise_uv, rate_khz) for k in range(z.shape[0])}
    return {sweep: lag for sweep, lag in lags.items() if lag is not None}


def _with_their_like(z: Array, wave: Wave, at: dict[int, int], noise_uv: Array, rate_khz: float) -> dict[int, int]:
    """Return the sightings of a wave, and the sweeps that are like enough of these, though not like the wave itself."""
    first, last = _beginning(z, wave, rate_khz, LIKE_MS)
    found = dict(at)
    for sweep in set(range(z.shape[0])) - set(at):
        lags = []
        for like, moved in at.items():
            if first + moved < 0 or last + moved > z.shape[1]:
                continue
            lag = _lag(z, like, sweep, first + moved, last + moved, noise_uv, rate_khz)
            if lag is not None:
                lags.append(moved + lag)
        if len(lags) >= LIKE_SHARE * len(at):
            found[sweep] = max(round(float(np.median(lags))), -first)
    return found


def _beginning(z: Array, wave: Wave, rate_khz: float, length_ms: float = LEAD_MS) -> tuple[int, int]:
    """Return the part of a wave that is compared."""
    first = max(0, wave.first - round(MARGIN_MS * rate_khz))
    return first, min(z.shape[1], wave.first + round(length_ms * rate_khz))


def _lag(z: Array, one: int, other: int, first: int, last: int, noise_uv: Array, rate_khz: float) -> int | None:
    """Return by how many samples a stretch of one sweep is later in another, ``None`` where it is not the same there.

    The two are the same if they correlate and agree in amplitude, as far as the noise of both lets them.
    """
    most = round(MOST_JITTER_MS * rate_khz)
    wave = z[one, first:last]
    low, high = max(-most, -first), min(most, z.shape[1] - last)
    if wave.size == 0 or high < low:
        return None
    others = np.lib.stride_tricks.sliding_window_view(z[other, first + low : last + high], wave.size)
    difference = ((others - wave) ** 2).mean(axis=1)
    best = int(difference.argmin())
    power = 0.5 * float((wave**2).mean() + (others[best] ** 2).mean())
    noise = float(noise_uv[one] ** 2 + noise_uv[other] ** 2)
    heights = np.ptp(wave), np.ptp(others[best])
    apart = MOST_AMPLITUDE_SHARE * max(heights) + NOISE_SD * np.sqrt(noise)
    same = difference[best] <= 2.0 * (1.0 - LEAST_CORRELATION) * power + NOISE_POWER * noise
    return low + best if same and abs(heights[0] - heights[1]) <= apart and power > 2.0 * noise else None


def _agreement(z: Array, wave: Wave, at: dict[int, int], noise_uv: Array, rate_khz: float) -> dict[int, int]:
    """Return for how many samples each sighting stays the wave itself, before another wave is added to either."""
    first = max(0, wave.first - round(MARGIN_MS * rate_khz))
    lead, longest = round((MARGIN_MS + LEAD_MS) * rate_khz), round(LONGEST_MS * rate_khz)
    own = z[wave.sweep, first : first + longest]
    window = max(2, round(MARGIN_MS * rate_khz))
    found = {}
    for sweep, lag in at.items():
        other = z[sweep, first + lag : first + lag + own.size]
        difference = (other - own[: other.size]) ** 2
        local = np.convolve(difference, np.full(window, 1.0 / window), "valid")
        noise = float(noise_uv[wave.sweep] ** 2 + noise_uv[sweep] ** 2)
        allowed = TAIL_POWER * noise + (WITHIN_SHARE * float(np.ptp(own[:lead]))) ** 2
        parted = np.flatnonzero(local[lead:] > allowed)
        found[sweep] = lead + int(parted[0]) if parted.size else int(other.size)
    return found


def _longest(agreed: dict[int, int]) -> int:
    """Return how long the fewest sightings that make a template agree."""
    return sorted(agreed.values())[-FEWEST_SIGHTINGS]


def _clearness(agreed: dict[int, int]) -> tuple[int, int, int]:
    """Return how good a reference is: how long its sightings agree, how many that long, and all together."""
    longest = _longest(agreed)
    return longest, sum(n >= longest for n in agreed.values()), sum(agreed.values())


def _template(rows: Array, found: _Recurring, rate_khz: float) -> Array:
    """Return the wave: the median of all sightings, each as far as it agrees with the wave.

    A sighting that parts is left out a little earlier: that is how long it takes to be seen.
    """
    lead, before = round((MARGIN_MS + LEAD_MS) * rate_khz), round(PARTING_MS * rate_khz)
    length = _longest(found.agreed)
    parts = np.full((len(found.at), length), np.nan)
    for row, (sweep, lag) in enumerate(found.at.items()):
        own = length if found.agreed[sweep] >= length else max(lead, found.agreed[sweep] - before)
        start = found.first + lag
        part = rows[sweep, start : start + own]
        parts[row, : part.size] = part[:length]
    return np.asarray(np.nanmedian(parts, axis=0))
