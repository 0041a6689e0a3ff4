"""The shortest and the longest of many latencies that are each known with an error.

The shortest of the measured values is too short, the more the noisier they are: it is the one whose error happened to
be largest. So each is first drawn towards where the others lie, then the expected shortest of all is taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["STEP_MS", "Extremes", "drawn_together", "extremes_of"]

FloatArray = NDArray[np.float64]

STEP_MS: Final = 0.02
LEAST_SD_MS: Final = 0.03
"""A value without a standard deviation is taken as known to this."""
REACH_SD: Final = 5.0
WIDTH_MS: Final = 0.4
"""How far the distribution of latencies is smoothed."""
FEW: Final = 2.0
"""How many values the wide distribution counts for that stands for what no value has shown."""
WIDE: Final = 2.0
LEAST_WIDE_MS: Final = 1.0
"""Its standard deviation: this many times the spread of the values, and at least this."""
LEAST_SHARE: Final = 1e-9
"""Nothing is impossible: without it, a value very far from all others would have no distribution."""
ROUNDS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Extremes:
    """Expected shortest and longest of the true values, each with its standard deviation (NaN for none), in ms."""

    shortest: float
    shortest_sd: float
    longest: float
    longest_sd: float


def extremes_of(value_ms: FloatArray, sd_ms: FloatArray) -> Extremes:
    r"""Return the expected extremes of true values behind measured ones.

    Parameters
    ----------
    value_ms, sd_ms
        Measured values and their standard deviations, shape ``(n,)``, at least one; a standard deviation that is not
        finite stands for none. Where there is none at all, the values are taken as they are.

    Notes
    -----
    Empirical Bayes (Robbins 1956, Proc Third Berkeley Symp 1:157). With the probability :math:`p_i(t)` of each true
    value and its distribution function :math:`P_i`, what the values of a series have in common is the smoothed mean of
    the others' :math:`p_j` with a wide normal distribution; :math:`p_i` is that times the normal error law of value
    :math:`i`. The shortest is later than :math:`t` with the probability :math:`\prod_i (1 - P_i(t))`. One value alone
    is met by the wide distribution only.

    Examples
    --------
    >>> import numpy as np
    >>> exact = extremes_of(np.array([27.0, 28.0, 29.0]), np.full(3, 0.01))
    >>> round(exact.shortest, 2), round(exact.longest, 2)
    (27.0, 29.0)
    >>> extremes_of(np.full(10, 27.0), np.full(10, 0.3)).shortest < 27.0
    True
    """
    if not np.isfinite(sd_ms).any():
        low, high = float(value_ms.min()), float(value_ms.max())
        return Extremes(shortest=low, shortest_sd=math.nan, longest=high, longest_sd=math.nan)
    sd = np.where(np.isfinite(sd_ms), np.maximum(sd_ms, LEAST_SD_MS), LEAST_SD_MS)
    at = np.arange((value_ms - REACH_SD * sd).min(), (value_ms + REACH_SD * sd).max() + STEP_MS, STEP_MS)
    each = drawn_together(at, _normal(at, value_ms[:, np.newaxis], sd[:, np.newaxis]), value_ms)
    until = np.minimum(np.cumsum(each, axis=1), 1.0)
    shortest, shortest_sd = _moments(at, 1.0 - np.prod(1.0 - until, axis=0))
    longest, longest_sd = _moments(at, np.prod(until, axis=0))
    return Extremes(shortest=shortest, shortest_sd=shortest_sd, longest=longest, longest_sd=longest_sd)


def drawn_together(at: FloatArray, error: FloatArray, value_ms: FloatArray) -> FloatArray:
    """Return the probability of every true value on the grid, given how it was measured and where the others lie.

    Parameters
    ----------
    at
        Times of ``STEP_MS``, shape ``(n_times,)``.
    error
        Probability of each true value by its own measurement alone, shape ``(n, n_times)``; rows add up to one.
    value_ms
        What was measured, shape ``(n,)``.
    """
    middle = float(np.median(value_ms))
    spread = 1.4826 * float(np.median(np.abs(value_ms - middle)))
    wide = _normal(at, middle, max(WIDE * spread, LEAST_WIDE_MS)) + LEAST_SHARE / at.size
    each = error
    for _ in range(ROUNDS):
        seen = _smooth(each)
        others = seen.sum(axis=0) - seen
        each = error * (others + FEW * wide)
        each = each / each.sum(axis=1, keepdims=True)
    return each


def _normal(at: NDArray[Any], middle: FloatArray | float, sd: FloatArray | float) -> FloatArray:
    """Return normal densities on the grid that add up to one in each row."""
    density = np.exp(-0.5 * ((at - middle) / sd) ** 2)
    return np.asarray(density / density.sum(axis=-1, keepdims=True))


def _smooth(rows: FloatArray) -> FloatArray:
    """Return the rows smoothed with a normal law of ``WIDTH_MS``; what leaves the grid is lost."""
    reach = round(3.0 * WIDTH_MS / STEP_MS)
    law = _normal(np.arange(-reach, reach + 1) * STEP_MS, 0.0, WIDTH_MS)
    return np.stack([np.convolve(row, law)[reach : reach + row.size] for row in rows])


def _moments(at: FloatArray, until: FloatArray) -> tuple[float, float]:
    """Return mean and standard deviation of a distribution function on the grid."""
    share = np.diff(until, prepend=0.0)
    share = share / share.sum()
    mean = float(share @ at)
    return mean, float(np.sqrt(share @ (at - mean) ** 2))
