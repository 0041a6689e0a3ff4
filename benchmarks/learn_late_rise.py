"""Learn how F waves and H reflexes rise, from simulated motor units of the *train* population, and write it.

    python -m benchmarks.learn_late_rise ncs/detect/late_rise.npz

Noise is added, the detector finds the wave and where its first deflection crosses 60 %, and the wave without the noise
is laid with that crossing at time 0, in units of the height that the detector saw. What all these rises have in
common, and the time from the crossing to the true onset, is written as a mixture of normal distributions.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import numpy as np

from ncs.detect import late
from ncs.detect._late_onset import BIN_MS
from ncs.detect._late_waves import find_waves
from ncs.simulate._bank import DT_MS
from ncs.simulate._late import Sampling, as_sampled, fine_grid, truth_of
from ncs.simulate.late import FWaves, HReflex, _backfiring, _recruited_waves, _unit_waves

RATE_KHZ = 20.0
DURATION_MS = 60.0
TIMES_MS = np.arange(-8.0 + BIN_MS / 2, 2.0, BIN_MS)
KINDS = {"f_wave": 24, "h_reflex": 8}
SERIES = {"f_wave": 600, "h_reflex": 300}
SWEEPS = 20
MODES = 10
NOISE_UV = (1.0, 25.0)
STRETCH = 0.12
"""Real waves vary more than simulated ones: those of a series are stretched in time by a factor of this spread."""
RIDGE = 0.02
"""No kind of rise is known better than to this share of its height, nor any onset better than to this, in ms."""
SHRINK = 20
FEWEST = 40
"""A kind of fewer examples than this is none."""
ROUNDS = 25
COARSE_MODES = 8

Waves = Callable[[np.random.Generator, int, np.ndarray], np.ndarray]


def f_waves(rng: np.random.Generator, seed: int, grid: np.ndarray) -> np.ndarray:
    """F waves of one nerve, a row each."""
    nerve = FWaves(persistence=1.0)
    return _backfiring(rng, nerve, SWEEPS).astype(float) @ _unit_waves(rng, nerve, 1000 + seed, "train", grid)


def reflexes(rng: np.random.Generator, seed: int, grid: np.ndarray) -> np.ndarray:
    """H reflexes of one muscle, a row each."""
    muscle = HReflex(
        h_spread_ms=float(rng.uniform(2.0, 6.0)), n_units=int(rng.integers(60, 200)),
        positive_share=float(rng.choice([0.0, 0.0, 0.5, 1.0])),
    )  # fmt: skip
    _, waves, _, _ = _recruited_waves(rng, muscle, 2000 + seed, SWEEPS, "train", grid)
    return waves


def examples(response: str, waves_of: Waves) -> Iterator[np.ndarray]:
    """Yield rises on ``TIMES_MS``, each followed by its onset."""
    grid = fine_grid(DURATION_MS)
    sampling = Sampling(stimulus_ms=0.0, sampling_rate_hz=1e3 * RATE_KHZ, n_samples=int(DURATION_MS * RATE_KHZ))
    bin_width = round(BIN_MS / DT_MS)
    for seed in range(SERIES[response]):
        rng = np.random.default_rng([77, seed])
        waves = stretched(waves_of(rng, seed, grid), grid, float(np.exp(STRETCH * rng.standard_normal())))
        true = truth_of(waves, least_uv=late.LATE[response].least_uv)
        noise_uv = float(np.exp(rng.uniform(*np.log(NOISE_UV))))
        noisy = -as_sampled(waves, sampling)
        noisy += noise_uv * rng.standard_normal(noisy.shape)
        for sweep, (sign, crossed, height) in first_rises(noisy, response):
            if true.has_response[sweep]:
                smooth = np.convolve(-sign * waves[sweep], np.full(bin_width, 1.0 / bin_width), "same")
                at = crossed / RATE_KHZ
                rise = np.interp(at + TIMES_MS, grid, smooth, left=0.0) / height
                yield np.append(rise, true.onset_ms[sweep] - at)


def stretched(waves: np.ndarray, grid: np.ndarray, factor: float) -> np.ndarray:
    """Return waves slower by a factor, about the middle of the record."""
    middle = DURATION_MS / 2
    at = middle + (grid - middle) / factor
    return np.stack([np.interp(at, grid, wave, left=0.0, right=0.0) for wave in waves])


def first_rises(noisy: np.ndarray, response: str) -> Iterator[tuple[int, tuple[float, float, float]]]:
    """Yield each sweep in which the detector finds a wave, and how it begins."""
    kind = late.LATE[response]
    z, noise = late._smooth(noisy, RATE_KHZ, kind)
    for wave in late._chosen(find_waves(z, noise, RATE_KHZ), noise, RATE_KHZ, kind, noisy.shape[0]):
        if wave is not None:
            k = wave.sweep
            first = late.first_rise(noisy[k], z[k], float(noise[k]), wave, RATE_KHZ)
            if first is not None:
                yield k, first


def mixture(rows: np.ndarray, n_kinds: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return weights, means and covariances of a mixture of normal distributions, by expectation maximisation."""
    n, size = rows.shape
    overall = np.diag(rows.var(axis=0)) * RIDGE
    belongs = coarse(rows, n_kinds)
    for _ in range(ROUNDS):
        belongs = belongs[:, belongs.sum(axis=0) >= FEWEST]
        count = belongs.sum(axis=0)
        means = belongs.T @ rows / count[:, np.newaxis]
        spreads, scores = [], []
        for k in range(count.size):
            away = rows - means[k]
            spread = (belongs[:, k, np.newaxis] * away).T @ away
            spread = (spread + SHRINK * overall) / (count[k] + SHRINK) + RIDGE**2 * np.eye(size)
            lower = np.linalg.cholesky(spread)
            solved = np.linalg.solve(lower, away.T)
            scores.append(np.log(count[k] / n) - 0.5 * (solved**2).sum(axis=0) - np.log(np.diag(lower)).sum())
            spreads.append(spread)
        score = np.stack(scores, axis=1)
        belongs = np.exp(score - score.max(axis=1, keepdims=True))
        belongs /= belongs.sum(axis=1, keepdims=True)
    return belongs.mean(axis=0), means, np.stack(spreads)


def coarse(rows: np.ndarray, n_kinds: int) -> np.ndarray:
    """Return a first guess at which kind each row is of, by k-means on the largest principal components."""
    rng = np.random.default_rng(77)
    u, size, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    points = u[:, :COARSE_MODES] * size[:COARSE_MODES]
    centres = points[rng.choice(points.shape[0], n_kinds, replace=False)]
    for _ in range(30):
        nearest = np.stack([((points - c) ** 2).sum(axis=1) for c in centres], axis=1).argmin(axis=1)
        centres = np.stack(
            [points[nearest == k].mean(axis=0) if np.any(nearest == k) else c for k, c in enumerate(centres)]
        )
    return np.eye(n_kinds)[nearest]


def model(response: str, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return the learned rises of a response: of every kind the mean, the largest modes, and what these leave."""
    weight, means, spreads = mixture(rows, KINDS[response])
    modes, rest = [], []
    for spread in spreads:
        size, axes = np.linalg.eigh(spread)
        largest = axes[:, -MODES:] * np.sqrt(size[-MODES:])
        modes.append(largest.T)
        rest.append(np.sqrt(np.maximum(np.diag(spread) - (largest**2).sum(axis=1), RIDGE**2)))
    shape, left = np.stack(modes), np.stack(rest)
    print(response, rows.shape[0], "rises; kinds of", weight.min().round(4), "to", weight.max().round(3))
    parts = {
        "weight": weight, "mean": means[:, :-1], "modes": shape[:, :, :-1], "rest": left[:, :-1],
        "onset_ms": means[:, -1], "onset_modes_ms": shape[:, :, -1], "onset_rest_ms": left[:, -1],
    }  # fmt: skip
    learned = {f"{response}_{part}": value.astype(np.float32) for part, value in parts.items()}
    return learned | {f"{response}_times": np.array([TIMES_MS[0], BIN_MS])}


def main(destination: str) -> None:
    learned: dict[str, np.ndarray] = {}
    for response, waves_of in (("f_wave", f_waves), ("h_reflex", reflexes)):
        learned |= model(response, np.stack(list(examples(response, waves_of))))
    np.savez_compressed(destination, **learned)


if __name__ == "__main__":
    main(sys.argv[1])
