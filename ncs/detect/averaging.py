"""Which sweeps of one stimulus belong into their mean: saturated sweeps and sweeps with artefacts do not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ncs.errors import InvalidInputError

__all__ = ["AVERAGING_PARAMETERS", "AVERAGING_RULE", "Fate", "SweepChoice", "choose_sweeps"]

FloatArray = NDArray[np.float64]

_LEAST_SWEEPS: Final = 5
_OVER_SPREAD: Final = 5.0
_OVER_USUAL: Final = 2.0
_BLANK_MS: Final = (-0.15, 1.0)
_STANDS_MS: Final = 0.5
_STANDS_SAMPLES: Final = 8
_MOST_STILL: Final = 0.5
_MAD_TO_SD: Final = 1.4826

AVERAGING_PARAMETERS: Final[dict[str, Any]] = {
    "least_sweeps": _LEAST_SWEEPS,
    "over_spread": _OVER_SPREAD,
    "over_usual": _OVER_USUAL,
    "blank_ms": list(_BLANK_MS),
    "saturated_ms": _STANDS_MS,
    "most_still": _MOST_STILL,
}
AVERAGING_RULE: Final = (
    f"left out: saturated, or off the median sweep by more than {_OVER_USUAL:g} times and {_OVER_SPREAD:g} robust SD "
    "above the usual"
)


class Fate(IntEnum):
    """What became of a sweep."""

    KEPT = 0
    INVALID = 1
    """Not a number, flat, or without a stimulus time."""
    SATURATED = 2
    ARTEFACT = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SweepChoice:
    """Which sweeps to average; arrays of shape ``(n_sweeps,)``.

    Parameters
    ----------
    fate
        ``Fate`` codes, int8.
    residual_uv, largest_uv
        Root mean square and largest size of what a sweep has beside the median sweep and an offset, the stimulus
        artefact left out; NaN where it was not compared.
    """

    fate: NDArray[np.int8]
    residual_uv: FloatArray
    largest_uv: FloatArray

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Which sweeps belong into the mean."""
        return np.asarray(self.fate == Fate.KEPT)


def choose_sweeps(samples_uv: ArrayLike, sampling_rate_hz: float, *, stimulus_ms: ArrayLike) -> SweepChoice:
    """Return which sweeps of one stimulus belong into their mean.

    Parameters
    ----------
    samples_uv
        Shape ``(n_sweeps, n_samples)``, microvolts.
    sampling_rate_hz
        Samples per second.
    stimulus_ms
        Time of the stimulus after sample 0; scalar or shape ``(n_sweeps,)``.

    Returns
    -------
    SweepChoice
        The fate of every sweep.

    Raises
    ------
    InvalidInputError
        When an argument has a wrong shape or value.

    Notes
    -----
    Sweeps are aligned at their stimuli by whole samples and compared with their median, from which artefacts in fewer
    than half of them keep out. A sweep is an artefact if the root mean square or the largest size of its residual is
    more than twice the median of all sweeps, and more than five robust standard deviations above it. It is saturated if
    it stands still at its own extreme for 0.5 ms and moves at most samples elsewhere. The time from 0.15 ms before to
    1 ms after the stimulus does not count. Of fewer than five sweeps only the saturated ones are left out: there is no
    telling which of them is usual.

    Examples
    --------
    >>> sweeps = np.random.default_rng(1).normal(0.0, 1.0, (20, 400))
    >>> sweeps[7, 200:260] += 30.0
    >>> np.flatnonzero(~choose_sweeps(sweeps, 20_000.0, stimulus_ms=2.0).kept).tolist()
    [7]
    """
    samples, times = _checked(samples_uv, sampling_rate_hz, stimulus_ms)
    n = samples.shape[0]
    fate = np.full(n, Fate.KEPT, np.int8)
    residual, largest = np.full(n, np.nan), np.full(n, np.nan)
    usable = np.isfinite(times) & np.isfinite(samples).all(axis=1)
    usable &= (samples != samples[:, :1]).any(axis=1)
    fate[~usable] = Fate.INVALID
    rate = sampling_rate_hz / 1000.0
    for index in np.flatnonzero(usable):
        if _is_saturated(samples[index], times[index], rate):
            fate[index] = Fate.SATURATED
    chosen = np.flatnonzero(fate == Fate.KEPT)
    if chosen.size >= _LEAST_SWEEPS:
        aligned = _aligned(samples[chosen], times[chosen], rate)
        if aligned.shape[1] > 1:
            rest = aligned - np.median(aligned, axis=0)
            rest -= np.median(rest, axis=1, keepdims=True)
            residual[chosen] = np.sqrt(np.mean(rest**2, axis=1))
            largest[chosen] = np.abs(rest).max(axis=1)
            fate[chosen[_stands_out(residual[chosen]) | _stands_out(largest[chosen])]] = Fate.ARTEFACT
    return SweepChoice(fate=fate, residual_uv=residual, largest_uv=largest)


def _checked(samples_uv: ArrayLike, sampling_rate_hz: float, stimulus_ms: ArrayLike) -> tuple[FloatArray, FloatArray]:
    samples = np.asarray(samples_uv, np.float64)
    if samples.ndim != 2:
        raise InvalidInputError(f"samples_uv: expected shape (n_sweeps, n_samples), found {samples.shape}")
    if not 0.0 < sampling_rate_hz < np.inf:
        raise InvalidInputError(f"sampling_rate_hz: expected a number above 0, found {sampling_rate_hz!r}")
    times = np.asarray(stimulus_ms, np.float64)
    if times.ndim > 1 or (times.ndim == 1 and times.shape[0] not in (1, samples.shape[0])):
        raise InvalidInputError(
            f"stimulus_ms: expected a number or {samples.shape[0]} numbers, found shape {times.shape}"
        )
    return samples, np.broadcast_to(times, (samples.shape[0],))


def _is_saturated(sweep: FloatArray, stimulus_ms: float, rate_khz: float) -> bool:
    """Return whether a sweep that moves elsewhere stands still at its highest or lowest value, not at the stimulus."""
    inside = (sweep > sweep.min()) & (sweep < sweep.max())
    moves = np.diff(sweep[inside])
    if moves.size and np.mean(moves == 0) > _MOST_STILL:
        return False
    longest = max(_STANDS_SAMPLES, round(_STANDS_MS * rate_khz))
    blanked = _blank(sweep.size, stimulus_ms, rate_khz)
    for extreme in (float(sweep.max()), float(sweep.min())):
        stands = np.concatenate(([False], (sweep == extreme) & ~blanked, [False]))
        edges = np.flatnonzero(stands[1:] != stands[:-1])
        if np.any(edges[1::2] - edges[::2] >= longest):
            return True
    return False


def _blank(n_samples: int, stimulus_ms: float, rate_khz: float) -> NDArray[np.bool_]:
    """Return which samples the stimulus artefact covers."""
    after = np.arange(n_samples) / rate_khz - stimulus_ms
    return np.asarray((after >= _BLANK_MS[0]) & (after <= _BLANK_MS[1]))


def _aligned(samples: FloatArray, stimulus_ms: FloatArray, rate_khz: float) -> FloatArray:
    """Return the stretch all sweeps share around their stimuli, without the artefact."""
    earliest = float(stimulus_ms.min())
    shifts = np.rint((stimulus_ms - earliest) * rate_khz).astype(np.intp)
    length = samples.shape[1] - int(shifts.max())
    if length < 1:
        return np.empty((samples.shape[0], 0))
    rows = np.stack([sweep[shift : shift + length] for sweep, shift in zip(samples, shifts, strict=True)])
    return np.asarray(rows[:, ~_blank(length, earliest, rate_khz)])


def _stands_out(size: FloatArray) -> NDArray[np.bool_]:
    usual = float(np.median(size))
    spread = _MAD_TO_SD * float(np.median(np.abs(size - usual)))
    return np.asarray((size > _OVER_USUAL * usual) & (size > usual + _OVER_SPREAD * spread))
