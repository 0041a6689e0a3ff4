"""The stimulus artefact: when the stimulus came, for recordings that do not say it. Arrays only, and only on request.

An artefact is told from a response by its abruptness: within a tenth of a millisecond it bends more than anything that
a nerve or muscle does. Its beginning, not its peak, is the stimulus.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ncs.errors import InvalidInputError

__all__ = ["ARTEFACT_PARAMETERS", "ArtefactOutcome", "Artefacts", "find_artefacts", "stimulus_artefact"]

FloatArray = NDArray[np.float64]

ARTEFACT_PARAMETERS = {
    "artefact_version": 1,
    "artefact_bend_ms": 0.1,
    "artefact_over_noise": 8.0,
    "artefact_abruptness": 0.4,
    "artefact_least_share": 0.1,
    "artefact_pulse_ms": 1.0,
    "artefact_apart_ms": 5.0,
    "artefact_least_rate_hz": 8000.0,
}
"""Everything that can change a result; part of the fingerprint of an analysis that looks for artefacts."""

_BEND_MS = float(ARTEFACT_PARAMETERS["artefact_bend_ms"])
_OVER_NOISE = ARTEFACT_PARAMETERS["artefact_over_noise"]
_ABRUPTNESS = ARTEFACT_PARAMETERS["artefact_abruptness"]
_LEAST_SHARE = ARTEFACT_PARAMETERS["artefact_least_share"]
_PULSE_MS = ARTEFACT_PARAMETERS["artefact_pulse_ms"]
_APART_MS = ARTEFACT_PARAMETERS["artefact_apart_ms"]
_LEAST_RATE_HZ = ARTEFACT_PARAMETERS["artefact_least_rate_hz"]
_BASELINE_MS = 2.0
_LEAST_BASELINE = 4
_FIRST_SIGN_SD = 6.0
_FIRST_SIGN_SHARE = 0.01


class ArtefactOutcome(IntEnum):
    """What became of a sweep."""

    FOUND = 0
    NONE = 1
    SEVERAL = 2
    AT_START = 3
    TOO_SLOW = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Artefacts:
    """Stimulus times of ``n_sweeps`` sweeps.

    Parameters
    ----------
    stimulus_ms
        Beginning of the artefact after sample 0, shape ``(n_sweeps,)``; NaN where there is none that can be used.
    outcome
        ``ArtefactOutcome`` codes, int8: found; none; several, any of which could be the stimulus; one that had begun
        before the record, or has no baseline before it; a sampling rate at which an artefact cannot be told from a
        response.
    """

    stimulus_ms: FloatArray
    outcome: NDArray[np.int8]


def stimulus_artefact(samples_uv: NDArray[np.floating], sampling_rate_hz: float) -> Artefacts:
    """Return when the stimulus of every sweep came, as far as its artefact shows it.

    Parameters
    ----------
    samples_uv
        Shape ``(n_sweeps, n_samples)``.
    sampling_rate_hz
        Samples per second.

    Returns
    -------
    Artefacts
        One time per sweep.

    Raises
    ------
    InvalidInputError
        When the array is not two-dimensional, or the rate is not a number above 0.

    Examples
    --------
    >>> from ncs.simulate import Contamination, nothing
    >>> sweep = nothing(1, seed=1, stimulus_ms=4.0, contamination=Contamination(noise_uv=2.0, artefact_uv=800.0))
    >>> found = stimulus_artefact(sweep.samples_uv, sweep.sampling_rate_hz)
    >>> bool(abs(found.stimulus_ms[0] - 4.0) < 0.1)
    True
    """
    samples = np.asarray(samples_uv, np.float64)
    if samples.ndim != 2:
        raise InvalidInputError(f"samples_uv: expected shape (n_sweeps, n_samples), found {samples.shape}")
    times = np.full(len(samples), np.nan)
    outcome = np.full(len(samples), ArtefactOutcome.NONE, np.int8)
    if sampling_rate_hz < _LEAST_RATE_HZ:
        outcome[:] = ArtefactOutcome.TOO_SLOW
    for index, sweep in enumerate(samples if sampling_rate_hz >= _LEAST_RATE_HZ else ()):
        found = find_artefacts(sweep, sampling_rate_hz)
        if len(found) == 1:
            times[index] = found[0]
            outcome[index] = ArtefactOutcome.AT_START if np.isnan(found[0]) else ArtefactOutcome.FOUND
        elif len(found) > 1:
            outcome[index] = ArtefactOutcome.SEVERAL
    return Artefacts(stimulus_ms=times, outcome=outcome)


def find_artefacts(samples_uv: NDArray[np.floating], sampling_rate_hz: float) -> FloatArray:
    """Return when the artefacts of one sweep, or of a continuous recording, begin.

    Parameters
    ----------
    samples_uv
        Shape ``(n_samples,)``.
    sampling_rate_hz
        Samples per second.

    Returns
    -------
    numpy.ndarray
        Milliseconds after sample 0, rising; NaN for an artefact without a baseline before it. None at all below 8 kHz,
        where a response is as abrupt as an artefact.

    Raises
    ------
    InvalidInputError
        When the rate is not a number above 0.

    Notes
    -----
    The bend of the curve is its second difference over 0.1 ms; the median of its size gives its noise. An artefact is a
    group of samples, no more than 1 ms apart, whose bend exceeds 8 standard deviations of the noise, 0.4 of the
    peak-to-peak voltage within 1 ms, and 0.1 of the largest bend of such a group in the recording. What follows an
    artefact within 5 ms belongs to it. It begins where the voltage first leaves the noise (6 standard deviations, or
    1 % of the artefact) within the millisecond before.
    """
    if not (0.0 < sampling_rate_hz < np.inf):
        raise InvalidInputError(f"sampling_rate_hz: expected a number above 0, found {sampling_rate_hz}")
    samples = np.asarray(samples_uv, np.float64)
    step = max(1, round(_BEND_MS * sampling_rate_hz / 1000))
    if (
        sampling_rate_hz < _LEAST_RATE_HZ
        or samples.ndim != 1
        or len(samples) < 4 * step + 2
        or not np.isfinite(samples).all()
    ):
        return np.empty(0)
    bend = np.zeros_like(samples)
    bend[step:-step] = np.abs(samples[2 * step :] - 2.0 * samples[step:-step] + samples[: -2 * step])
    noise = 1.4826 * float(np.median(bend[step:-step]))
    rounding = float(np.finfo(np.float32).eps * np.abs(samples).max())
    bent = np.flatnonzero(bend > max(_OVER_NOISE * noise, rounding))
    if not len(bent):
        return np.empty(0)
    per_ms = sampling_rate_hz / 1000
    groups = np.split(bent, np.flatnonzero(np.diff(bent) > _PULSE_MS * per_ms) + 1)
    abrupt = [group for group in groups if _is_abrupt(samples, bend, group, per_ms)]
    largest = max((float(bend[group].max()) for group in abrupt), default=0.0)
    begins: list[float] = []
    last = -np.inf
    for group in abrupt:
        if bend[group].max() >= _LEAST_SHARE * largest and group[0] - last > _APART_MS * per_ms:
            begins.append(_beginning(samples, bend, group, per_ms, step))
            last = float(group[0])
    return np.array(begins)


def _around(sharpest: int, per_ms: float) -> slice:
    reach = max(2, round(_PULSE_MS * per_ms))
    return slice(max(0, sharpest - reach), sharpest + reach + 1)


def _is_abrupt(samples: FloatArray, bend: FloatArray, group: NDArray[np.intp], per_ms: float) -> bool:
    sharpest = int(group[np.argmax(bend[group])])
    return bool(bend[sharpest] >= _ABRUPTNESS * np.ptp(samples[_around(sharpest, per_ms)]))


def _beginning(samples: FloatArray, bend: FloatArray, group: NDArray[np.intp], per_ms: float, step: int) -> float:
    """Return when one artefact begins, in milliseconds; NaN where no baseline comes before it."""
    first, sharpest = int(group[0]), int(group[np.argmax(bend[group])])
    start = max(0, first - max(2, round(_PULSE_MS * per_ms)))
    before = samples[max(0, start - max(_LEAST_BASELINE, round(_BASELINE_MS * per_ms))) : start]
    if len(before) < _LEAST_BASELINE:
        start = max(0, first - step)
        before = samples[:start]
    if len(before) < _LEAST_BASELINE:
        return float("nan")
    level = float(np.median(before))
    spread = max(float(np.std(before)), 1.4826 * float(np.median(np.abs(before - level))))
    sign = max(_FIRST_SIGN_SD * spread, _FIRST_SIGN_SHARE * float(np.ptp(samples[_around(sharpest, per_ms)])))
    away = np.abs(samples[start : sharpest + step + 1] - level)
    outside = np.flatnonzero(away > sign)
    if not len(outside):
        return sharpest / per_ms
    after = int(outside[0])
    if after == 0:
        return start / per_ms
    left, right = away[after - 1], away[after]
    return float(start + after - 1 + (sign - left) / (right - left)) / per_ms
