"""What follows an M wave, cut into single waves: tail, noise, and the stretches that stand out.

Rows of every two-dimensional array are sweeps with the stimulus in the same column, negative up, in microvolts;
``t_ms`` is the time of the columns after the stimulus.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Wave",
    "averaged",
    "find_waves",
    "m_wave_end",
    "m_wave_sizes",
    "noise_of",
    "noise_outside",
    "smoothed",
    "smoothing_ms",
    "without_tail",
]

Array = NDArray[Any]

TAIL_MS: Final = (2.5, 6.0, 15.0)
"""Time constants whose sum, with a straight line, an M wave's tail is."""
SWEEP_TAIL_MS: Final = (15.0,)
"""Time constant of what the tail of one sweep differs in from that of all, besides its size."""
LINE_MS: Final = 20.0
LOOSE_UV: Final = (1e5,)
SWEEP_UV: Final = (100.0, 20.0, 15.0)
"""How much the tail of one sweep is expected to differ: offset, drift over 20 ms, slow exponential."""
LEAST_M_UV: Final = 100.0
MOST_SIZE_CHANGE: Final = 0.3
BIN_MS: Final = 0.5
ROBUST_STEPS: Final = 12
ROBUST_SPAN: Final = 3.0
M_OVER_SHARE: Final = 0.15
M_GENTLE_SHARE: Final = 0.01
"""An M wave is over where it has come back to a share of its peak-to-peak amplitude, and then turned, or slowed down to
a share of its steepest slope."""
M_LATEST_MS: Final = 40.0
M_EARLIEST_MS: Final = 1.5
M_TURN_MS: Final = 4.0
SMOOTH_MS: Final = (0.5, 1.5)
NOISE_MS: Final = 3.0
QUIET_SHARE: Final = 0.25
QUIET_DEVIATION: Final = -0.6745
STARTS_SD: Final = 3.5
GOES_ON_SD: Final = 1.5
GAP_MS: Final = 2.0
MARGIN_MS: Final = 1.0
LEAST_QUIET: Final = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """A stretch of a sweep that stands out of the noise: columns ``first`` to ``last``, and its extremes."""

    sweep: int
    first: int
    last: int
    height_uv: float


def smoothed(y: Array, width_ms: float, rate_khz: float) -> Array:
    """Return the rows smoothed with a triangle as wide (at half height) as ``width_ms``; a symmetric filter."""
    n = max(1, round(width_ms * rate_khz / 2)) | 1
    return _moving_mean(_moving_mean(y, n), n)


def averaged(y: Array, width_ms: float, rate_khz: float) -> Array:
    """Return the mean of the rows over ``width_ms``, at least one column, around every column."""
    return _moving_mean(y, max(1, round(width_ms * rate_khz)))


def _moving_mean(y: Array, n: int) -> Array:
    before = n // 2
    padded = np.pad(y, [(0, 0)] * (y.ndim - 1) + [(before + 1, n - 1 - before)], mode="edge")
    total = np.cumsum(padded, axis=-1)
    return np.asarray((total[..., n:] - total[..., :-n]) / n)


def m_wave_end(y: Array, t_ms: Array, rate_khz: float) -> float:
    """Return when the M wave of one (typical) sweep is over and its tail begins; the first column without one."""
    usable = t_ms > M_EARLIEST_MS
    if np.count_nonzero(usable) < 4:
        return float(t_ms[0])
    z = smoothed(y, SMOOTH_MS[1], rate_khz)
    away = np.abs(z - np.median(z[t_ms > t_ms[-1] - 8.0]))
    big = np.flatnonzero(usable & (t_ms < M_LATEST_MS) & (away > M_OVER_SHARE * np.ptp(z[usable])))
    if big.size == 0:
        return float(t_ms[usable][0])
    last = int(big[-1])
    step = np.diff(z)
    gentle = M_GENTLE_SHARE * float(np.abs(step[usable[1:]]).max())
    after = step[last:]
    over = np.flatnonzero((after * after[:1] < 0) | (np.abs(after) < gentle))
    return float(t_ms[last + int(over[0]) if over.size else min(t_ms.size - 1, last + int(M_TURN_MS * rate_khz))])


def without_tail(y: Array, t_ms: Array, rate_khz: float, *, sizes: Array | None) -> Array:
    """Return the rows without the tail of the M wave.

    A robust fit, blind to waves, of exponentials and a straight line: to what the sweeps have in common (their median),
    taken away in proportion to ``sizes``, the M wave of each sweep over the usual one; then, within narrow limits, to
    what each sweep differs by. Without ``sizes`` every sweep is fitted by itself.
    """
    t = t_ms - t_ms[0]
    n = max(1, round(BIN_MS * rate_khz))
    length = t.size // n * n
    binned = y[:, :length].reshape(y.shape[0], -1, n).mean(axis=2)
    coarse = t[:length].reshape(-1, n).mean(axis=1)
    basis, fine = _tail_basis(coarse, TAIL_MS), _tail_basis(t, TAIL_MS)
    if sizes is None:
        return np.asarray(y - np.stack([_robust_fit(basis, row, LOOSE_UV) for row in binned]) @ fine.T)
    common = _robust_fit(basis, np.median(binned, axis=0), LOOSE_UV)
    size = sizes[:, np.newaxis]
    own, own_fine = _tail_basis(coarse, SWEEP_TAIL_MS), _tail_basis(t, SWEEP_TAIL_MS)
    weights = np.stack([_robust_fit(own, row, SWEEP_UV) for row in binned - size * (basis @ common)])
    return np.asarray(y - size * (fine @ common) - weights @ own_fine.T)


def m_wave_sizes(y: Array) -> Array:
    """Return the M wave of each row over that of their median, shape ``(n_sweeps,)``; ``y`` ends where the tail begins.

    One where the rows have no M wave to speak of.
    """
    if y.shape[1] == 0:
        return np.ones(y.shape[0])
    usual = np.median(y, axis=0)
    usual = usual - np.median(usual)
    power = float((usual**2).sum())
    if power <= LEAST_M_UV**2 * usual.size:
        return np.ones(y.shape[0])
    size = y @ usual / power
    return np.asarray(np.where(np.abs(size - 1.0) < MOST_SIZE_CHANGE, size, 1.0))


def _tail_basis(t: Array, constants_ms: tuple[float, ...]) -> Array:
    return np.stack([np.ones_like(t), t / LINE_MS, *(np.exp(-t / constant) for constant in constants_ms)], axis=1)


def _robust_fit(basis: Array, y: Array, prior_uv: tuple[float, ...]) -> Array:
    """Return the weights of a fit by Tukey's biweight; ``prior_uv`` is how large the weights are expected to be."""
    weight = np.ones_like(y)
    spread = 1.4826 * float(np.median(np.abs(y - np.median(y))))
    prior = np.diag(1.0 / np.resize(np.array(prior_uv), basis.shape[1]) ** 2)
    for _ in range(ROBUST_STEPS):
        precision = weight / (spread**2 + 1e-12)
        weighted = basis * precision[:, np.newaxis]
        x = np.linalg.solve(weighted.T @ basis + prior, weighted.T @ y)
        away = np.abs(y - basis @ x)
        spread = 1.4826 * float(np.median(away)) + 1e-6
        weight = np.where(away < ROBUST_SPAN * spread, (1.0 - (away / (ROBUST_SPAN * spread)) ** 2) ** 2, 0.0) + 1e-6
    return np.asarray(x)


def noise_of(z: Array, rate_khz: float, *, width_ms: float) -> Array:
    """Return the noise of each row where no wave is; at least that of a typical row.

    Taken from the quieter stretches, and put right for being the quieter ones of noise smoothed over ``width_ms``.
    """
    n = max(4, round(NOISE_MS * rate_khz))
    length = z.shape[1] // n * n
    if length < 2 * n:
        return np.asarray(z.std(axis=1))
    parts = z[:, :length].reshape(z.shape[0], -1, n)
    spread = np.sqrt((parts**2).mean(axis=2))
    freedom = max(1.0, NOISE_MS / max(width_ms, 1.0 / rate_khz))
    # the cube root of a chi-square per degree of freedom is nearly normal (Wilson & Hilferty 1931)
    usual = (1.0 - 2.0 / (9.0 * freedom) + QUIET_DEVIATION * np.sqrt(2.0 / (9.0 * freedom))) ** 1.5
    own = np.quantile(spread, QUIET_SHARE, axis=1) / usual
    return np.asarray(np.maximum(own, np.quantile(spread, QUIET_SHARE) / usual))


def noise_outside(z: Array, waves: Sequence[Wave], rate_khz: float) -> Array:
    """Return the noise of each row outside its waves; at least that of all rows together."""
    quiet = np.ones(z.shape, np.bool_)
    margin = round(MARGIN_MS * rate_khz)
    for wave in waves:
        quiet[wave.sweep, max(0, wave.first - margin) : wave.last + margin + 1] = False
    kept = np.where(quiet, z, 0.0)
    count = quiet.sum(axis=1)
    all_rows = np.sqrt((kept**2).sum() / max(int(count.sum()), 1))
    own = np.sqrt((kept**2).sum(axis=1) / np.maximum(count, 1))
    enough = count >= LEAST_QUIET * z.shape[1]
    return np.asarray(np.maximum(np.where(enough, own, all_rows), all_rows))


def smoothing_ms(y: Array, rate_khz: float, *, wanted_uv: float) -> float:
    """Return how much smoothing brings the noise down to what is wanted, within limits."""
    for width in np.linspace(*SMOOTH_MS, 5):
        if float(np.median(noise_of(smoothed(y, width, rate_khz), rate_khz, width_ms=width))) <= wanted_uv:
            break
    return float(width)


def find_waves(z: Array, noise_uv: Array, rate_khz: float) -> list[Wave]:
    """Return every stretch of the smoothed rows that stands out; neighbours with a short gap are one wave."""
    found = []
    gap = max(1, round(GAP_MS * rate_khz))
    for sweep in range(z.shape[0]):
        size = np.abs(z[sweep]) / max(float(noise_uv[sweep]), 1e-9)
        for first, last in _joined(_stretches(size > GOES_ON_SD), gap, size):
            height = float(np.ptp(np.append(z[sweep, first : last + 1], 0.0)))
            found.append(Wave(sweep=sweep, first=first, last=last, height_uv=height))
    return found


def _stretches(above: Array) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], above.astype(np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]


def _joined(stretches: list[tuple[int, int]], gap: int, size: Array) -> list[tuple[int, int]]:
    """Return the stretches that stand out somewhere, those with a short gap between them as one."""
    joined: list[tuple[int, int]] = []
    for first, last in stretches:
        if size[first : last + 1].max() < STARTS_SD:
            continue
        if joined and first - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined
