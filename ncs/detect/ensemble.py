"""Onsets checked against each other: between the sweeps of one stimulus, and between the named rules.

Neither check changes a mark. What they can say is that a stated standard deviation is too small, or that a person
should look.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ncs.detect.marks import Marks
from ncs.detect.response import DEFAULT_ONSET_METHOD, ONSET_METHODS, check_method, mark
from ncs.errors import InvalidInputError

__all__ = [
    "REVIEWED_RESPONSES", "REVIEW_METHODS", "REVIEW_PARAMETERS", "MethodSpread", "OnsetSpread", "method_spread",
    "onset_spread",
]  # fmt: skip

FloatArray = NDArray[np.float64]

LEAST_SWEEPS: Final = 6
MOST_CHANCE_DEVIATION: Final = 3.1
"""A ratio that many standard deviations above its expectation comes about by chance once in a thousand."""
LEAST_SPREAD_MS: Final = 0.02
"""Nerve, muscle and the rounding of stimulus times to samples move onsets by as much."""
MAD_TO_SD: Final = 1.4826
REVIEW_METHODS: Final = ("threshold", "sd", "percent_of_peak", "tangent", "aic")
"""Rules that keep their place relative to the rise over a wide range of noise."""
_LIMITS: Final = MappingProxyType({"cmap": (0.08, 1.5), "snap": (0.16, 2.0)})
"""Share of the rise that a deviation may be, and what noise over peak adds to it: 99 of 100 good onsets stay below."""
REVIEWED_RESPONSES: Final = tuple(_LIMITS)
_LEAST_LIMIT_MS: Final = 0.1
REVIEW_PARAMETERS: Final[dict[str, Any]] = {
    "methods": list(REVIEW_METHODS),
    "share_of_rise": {name: list(shares) for name, shares in _LIMITS.items()},
    "least_limit_ms": _LEAST_LIMIT_MS,
}

# Where a rule puts the onset, as a share of the rise from onset to peak: first row what the share depends on, second
# row the median over simulated responses. Rules that wait for a level depend on that level, the others on the noise,
# both as shares of the peak. ``tests/detect/test_ensemble.py`` derives the same from simulation.
_LEVEL_BIAS: Final = (
    (0.0033, 0.0063, 0.0125, 0.02, 0.026, 0.05, 0.1, 0.13, 0.25, 0.5),
    (-0.101, -0.067, -0.031, 0.0, 0.019, 0.075, 0.152, 0.192, 0.295, 0.48),
)
_NOISE_BIAS: Final = MappingProxyType(
    {
        "tangent": ((0.0006, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1), (0.15, 0.155, 0.16, 0.175, 0.2, 0.24, 0.28)),
        "aic": (
            (0.0006, 0.0025, 0.005, 0.01, 0.02, 0.025, 0.05, 0.1, 0.2),
            (-0.101, -0.036, 0.006, 0.055, 0.12, 0.143, 0.216, 0.318, 0.4),
        ),
        "second_derivative": ((0.001,), (0.14,)),
        "rising_run": ((0.0006, 0.0025, 0.01), (-0.17, -0.1, 0.0)),
        DEFAULT_ONSET_METHOD: ((0.001,), (0.0,)),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnsetSpread:
    """How far the onsets of sweeps of one stimulus differ, beside what was stated for each of them.

    Parameters
    ----------
    n_sweeps
        Sweeps with an onset and its standard deviation.
    spread_ms
        Robust standard deviation of their onsets.
    stated_sd_ms
        Median of the standard deviations stated for them.
    ratio
        ``spread_ms`` over ``stated_sd_ms``. The stated one covers the shape of the response too, which all sweeps
        share, so that a ratio below 1 is usual.
    ratio_sd
        Standard deviation that a ratio of 1 would have with so few sweeps.
    exceeds
        Whether the ratio is so far above 1 as comes about by chance once in a thousand, and the spread above 0.02 ms.
    """

    n_sweeps: int
    spread_ms: float
    stated_sd_ms: float
    ratio: float
    ratio_sd: float
    exceeds: bool


def onset_spread(marks: Marks, sweeps: ArrayLike | None = None) -> OnsetSpread | None:
    r"""Return the spread of onsets over sweeps of the same stimulus; ``None`` with fewer than six of them.

    Parameters
    ----------
    marks
        As ``mark`` returns them.
    sweeps
        Indices of the sweeps that had the same stimulus; default all.

    Notes
    -----
    With :math:`n` sweeps, onsets :math:`t_i` and stated deviations :math:`\sigma_i`:
    :math:`r = 1.4826\,\mathrm{median}|t_i - \mathrm{median}(t)| / \mathrm{median}(\sigma_i)`. For normal errors
    :math:`\ln r` has about the mean :math:`-1.6 / n` and the standard deviation :math:`1.2 / \sqrt{n}`.

    Examples
    --------
    >>> from ncs import simulate
    >>> from ncs.detect import mark
    >>> one = simulate.cmap(1, seed=1).clean_uv
    >>> noise = np.random.default_rng(1).normal(0.0, 10.0, (20, one.size))
    >>> onset_spread(mark(one + noise, 20_000.0, stimulus_ms=3.0)).exceeds
    False
    """
    chosen = np.arange(len(marks)) if sweeps is None else np.asarray(sweeps, np.intp)
    onset, stated = marks.onset_ms[chosen], marks.onset_sd_ms[chosen]
    known = np.isfinite(onset) & (stated > 0)
    n = int(known.sum())
    if n < LEAST_SWEEPS:
        return None
    onset = onset[known]
    spread = MAD_TO_SD * float(np.median(np.abs(onset - np.median(onset))))
    usual = float(np.median(stated[known]))
    ratio, deviation = spread / usual, 1.2 / math.sqrt(n)
    return OnsetSpread(
        n_sweeps=n,
        spread_ms=spread,
        stated_sd_ms=usual,
        ratio=ratio,
        ratio_sd=deviation,
        exceeds=spread > LEAST_SPREAD_MS and ratio > math.exp(-1.6 / n + MOST_CHANCE_DEVIATION * deviation),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MethodSpread:
    """How far named onset rules differ in every sweep, each freed from what its own definition adds.

    Parameters
    ----------
    methods
        Names of the rules.
    onset_ms
        What they found, shape ``(n_methods, n_sweeps)``, as published; NaN where one found nothing.
    shift_ms
        Where the definition of each puts the onset relative to 2 % of the negative peak, same shape.
    centre_ms
        Median of ``onset_ms - shift_ms`` over the rules, shape ``(n_sweeps,)``.
    spread_ms
        Robust standard deviation of the same, shape ``(n_sweeps,)``; NaN with fewer than three rules.
    deviation_ms
        Onset of the default method minus ``centre_ms``, shape ``(n_sweeps,)``.
    limit_ms
        What ``deviation_ms`` may be, given the rise and the noise of the sweep, shape ``(n_sweeps,)``.
    disagree
        Whether it is more, or fewer than three rules found an onset where the default method did, shape
        ``(n_sweeps,)``.
    """

    methods: tuple[str, ...]
    onset_ms: FloatArray
    shift_ms: FloatArray
    centre_ms: FloatArray
    spread_ms: FloatArray
    deviation_ms: FloatArray
    limit_ms: FloatArray
    disagree: NDArray[np.bool_]


def method_spread(
    samples_uv: ArrayLike,
    sampling_rate_hz: float,
    *,
    stimulus_ms: ArrayLike,
    response: str = "cmap",
    window_ms: tuple[float, float] | None = None,
    methods: tuple[str, ...] = REVIEW_METHODS,
) -> MethodSpread:
    """Return how far the named onset rules agree on every sweep; each rule costs a pass of the detector.

    Parameters
    ----------
    samples_uv, sampling_rate_hz, stimulus_ms, response, window_ms
        As in ``mark``.
    methods
        At least three names in ``ncs.detect.ONSET_METHODS``.

    Returns
    -------
    MethodSpread
        What each found, and which sweeps a person should look at.

    Raises
    ------
    InvalidInputError
        When an argument has a wrong shape or value.

    Notes
    -----
    A rule that waits for 5 % of the peak is late by what the rise takes from 2 % to 5 %; that is not disagreement. The
    shift of every rule is a share of the rise (onset to peak) that depends on its level, or on the noise, relative to
    the peak; it was read from simulated responses. A sweep is for review where the default method is off the median of
    the others by more than 0.1 ms and by more than ``0.08 + 1.5 noise / peak`` (SNAP: ``0.16 + 2 noise / peak``) of the
    rise.

    Examples
    --------
    >>> from ncs import simulate
    >>> sweeps = simulate.cmap(3, seed=1, contamination=simulate.Contamination(noise_uv=10.0))
    >>> method_spread(sweeps.samples_uv, 20_000.0, stimulus_ms=sweeps.stimulus_ms).disagree.tolist()
    [False, False, False]
    """
    if response not in _LIMITS:
        raise InvalidInputError(f"response: expected one of {', '.join(_LIMITS)}, found {response!r}")
    for name in methods:
        check_method(name)
    if len(set(methods)) < 3:
        raise InvalidInputError(f"methods: expected at least three different names, found {', '.join(methods)}")
    found = [
        mark(
            samples_uv, sampling_rate_hz, stimulus_ms=stimulus_ms, response=response, window_ms=window_ms,
            onset_method=name,
        )
        for name in (DEFAULT_ONSET_METHOD, *methods)
    ]  # fmt: skip
    default, others = found[0], found[1:]
    rise = default.peak_ms - default.onset_ms
    onset = np.array([marks.onset_ms for marks in others])
    shift = np.array([_shift_share(name, response, default) * rise for name in methods])
    centre, spread = _centre_and_spread(onset - shift)
    deviation = default.onset_ms - centre
    constant, by_noise = _LIMITS[response]
    limit = np.maximum((constant + by_noise * default.noise_uv / default.peak_uv) * rise, _LEAST_LIMIT_MS)
    enough = np.isfinite(onset).sum(axis=0) >= 3
    return MethodSpread(
        methods=tuple(methods),
        onset_ms=onset,
        shift_ms=shift,
        centre_ms=centre,
        spread_ms=np.where(enough, spread, np.nan),
        deviation_ms=deviation,
        limit_ms=limit,
        disagree=np.isfinite(default.onset_ms) & ~(enough & (np.abs(deviation) <= limit)),
    )


def _shift_share(method: str, response: str, marks: Marks) -> FloatArray:
    """Return where a rule puts the onset of every sweep, as a share of its rise."""
    noise = marks.noise_uv / marks.peak_uv
    if method in _NOISE_BIAS:
        at, share = _NOISE_BIAS[method]
        level = noise
    else:
        at, share = _LEVEL_BIAS
        stated = ONSET_METHODS[method].parameter[response]
        level = {"threshold": stated / marks.peak_uv, "sd": stated * noise}.get(method, np.full_like(noise, stated))
    return np.asarray(np.interp(np.log(np.maximum(level, 1e-9)), np.log(at), share))


def _centre_and_spread(onset: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return median and robust standard deviation over the rules that found something; NaN where none did."""
    centre, spread = np.full(onset.shape[1], np.nan), np.full(onset.shape[1], np.nan)
    some = np.isfinite(onset).any(axis=0)
    centre[some] = np.nanmedian(onset[:, some], axis=0)
    spread[some] = MAD_TO_SD * np.nanmedian(np.abs(onset[:, some] - centre[some]), axis=0)
    return centre, spread
