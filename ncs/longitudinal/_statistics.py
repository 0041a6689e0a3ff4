"""Rank statistics of few subjects, exact where that is possible. Arrays and numbers only, no store and no nouns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["HodgesLehmann", "hodges_lehmann", "holm", "signed_rank_p", "spearman"]

_MOST_PERMUTED = 9
"""Pairs up to which every order is tried: 9! = 362 880."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HodgesLehmann:
    """The median of the pairwise means with its interval, ``None`` where there are too few numbers for one."""

    shift: float
    low: float | None
    high: float | None
    confidence: float | None


def signed_rank_p(differences: Sequence[float]) -> float | None:
    r"""Return the exact two-sided p value of Wilcoxon's signed-rank test; ``None`` when every difference is zero.

    Zeros are left out and ties share their ranks (Wilcoxon 1945); the distribution is that of all :math:`2^n` signs of
    the ranks at hand, so it holds with ties as well.

    Examples
    --------
    >>> signed_rank_p([1.0, 2.0, 3.0, 4.0, 5.0])
    0.0625
    """
    numbers = np.asarray(differences, dtype=float)
    numbers = numbers[numbers != 0]
    if numbers.size == 0:
        return None
    doubled = _doubled_ranks(np.abs(numbers))
    chances = _chances(doubled)
    positive = int(doubled[numbers > 0].sum())
    tail = min(chances[: positive + 1].sum(), chances[positive:].sum())
    return float(min(1.0, 2 * tail))


def _doubled_ranks(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return twice the ranks from 1 on, whole numbers even where ties share one."""
    ordered = np.sort(numbers)
    first = np.searchsorted(ordered, numbers, side="left")
    last = np.searchsorted(ordered, numbers, side="right")
    return (first + last + 1).astype(np.int64)


def _chances(doubled: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the probability of every sum of doubled ranks when each is counted with probability one half."""
    chances = np.zeros(int(doubled.sum()) + 1)
    chances[0] = 1.0
    for rank in doubled:
        moved = np.zeros_like(chances)
        moved[rank:] = chances[: chances.size - rank]
        chances = (chances + moved) / 2
    return chances


def hodges_lehmann(differences: Sequence[float], confidence: float = 0.95) -> HodgesLehmann:
    """Return the Hodges-Lehmann shift and the interval that inverts the signed-rank test.

    The interval reaches from the k-th smallest to the k-th largest pairwise (Walsh) mean, k being the largest number
    that leaves at most ``1 - confidence`` outside; its real confidence is a step above that. Five numbers or fewer
    allow no interval of 95 %.

    Examples
    --------
    >>> hodges_lehmann([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    HodgesLehmann(shift=3.5, low=1.0, high=6.0, confidence=0.96875)
    """
    numbers = np.asarray(differences, dtype=float)
    rows, columns = np.triu_indices(numbers.size)
    means = np.sort((numbers[rows] + numbers[columns]) / 2)
    chances = _chances(2 * np.arange(1, numbers.size + 1))[::2]
    below = np.cumsum(chances)
    k = int(np.searchsorted(below, (1 - confidence) / 2, side="right"))
    shift = float(np.median(means))
    if k == 0:
        return HodgesLehmann(shift=shift, low=None, high=None, confidence=None)
    return HodgesLehmann(
        shift=shift,
        low=float(means[k - 1]),
        high=float(means[means.size - k]),
        confidence=float(1 - 2 * below[k - 1]),
    )


def spearman(first: Sequence[float], second: Sequence[float]) -> tuple[float, float] | None:
    """Return Spearman's rank correlation and its two-sided p value; ``None`` when one side does not vary.

    Up to nine pairs the p value counts all orders; beyond, it is that of Student's t with n - 2 degrees of freedom.

    Examples
    --------
    >>> rho, p = spearman([1, 2, 3, 4], [10, 20, 30, 40])
    >>> round(rho, 12), round(p, 12)  # 2 of 24 orders are as extreme
    (1.0, 0.083333333333)
    """
    x, y = (_centred(_doubled_ranks(np.asarray(side, dtype=float))) for side in (first, second))
    size = math.sqrt(float(x @ x) * float(y @ y))
    if size == 0:
        return None
    rho = float(x @ y) / size
    if x.size > _MOST_PERMUTED:
        return rho, _t_tail(rho, x.size)
    every = (y[_permutations(x.size)] @ x) / size
    return rho, float(np.mean(np.abs(every) >= abs(rho) - 1e-12))


def _centred(ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    return ranks / 2 - (ranks.size + 1) / 2


def _permutations(n: int) -> NDArray[np.int8]:
    """Return every order of n things, shape ``(n!, n)``."""
    orders = np.zeros((1, 1), dtype=np.int8)
    for size in range(1, n):
        grown = []
        for place in range(size + 1):
            new = np.full((orders.shape[0], 1), size, dtype=np.int8)
            grown.append(np.hstack([orders[:, :place], new, orders[:, place:]]))
        orders = np.vstack(grown)
    return orders


def _t_tail(rho: float, n: int) -> float:
    from scipy.special import stdtr

    if abs(rho) >= 1:
        return 0.0
    t = abs(rho) * math.sqrt((n - 2) / (1 - rho**2))
    return float(2 * stdtr(n - 2, -t))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return the p values after Holm's step-down correction (Scand J Stat 1979;6:65), in their own order.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    (0.03, 0.06, 0.06)
    """
    count = len(p_values)
    adjusted = [0.0] * count
    running = 0.0
    for rank, index in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (count - rank) * p_values[index]))
        adjusted[index] = running
    return tuple(adjusted)
