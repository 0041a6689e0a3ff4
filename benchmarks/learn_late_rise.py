"""Learn how F waves and H reflexes rise, from simulated motor units of the *train* population, and write it.

    python -m benchmarks.learn_late_rise ncs/detect/late_rise.npz

A rise runs from the onset (2 % of the largest deflection, of either polarity) to the first deflection that counts;
it is turned upwards, its amplitude scaled to that deflection, its time to the first crossing of 60 % of it.
"""

from __future__ import annotations

import sys

import numpy as np

from ncs.simulate._bank import DT_MS
from ncs.simulate._late import fine_grid, truth_of
from ncs.simulate.late import FWaves, HReflex, _backfiring, _recruited_waves, _unit_waves

U = np.arange(-2.0, 1.0 + 1e-9, 0.02)
MODES = 4
FIRST_SHARE = 0.15
WIDEN = 1.25
STUDIES, SWEEPS = 60, 60


def first_extreme(wave: np.ndarray) -> int:
    """Index of the first deflection of at least ``FIRST_SHARE`` of the largest one."""
    above = int((np.abs(wave) >= FIRST_SHARE * np.abs(wave).max()).argmax())
    sign = np.sign(wave[above])
    back = np.flatnonzero(sign * wave[above:] <= 0)
    end = above + (int(back[0]) if back.size else wave.size - above)
    return above + int((sign * wave[above:end]).argmax())


def f_waves(seed: int, grid: np.ndarray) -> np.ndarray:
    """F waves of one nerve, a row each."""
    rng = np.random.default_rng([77, seed])
    nerve = FWaves(persistence=1.0)
    fired = _backfiring(rng, nerve, SWEEPS)
    return fired.astype(float) @ _unit_waves(rng, nerve, 1000 + seed, "train", grid)


def reflexes(seed: int, grid: np.ndarray) -> np.ndarray:
    """H reflexes of one muscle, a row each: those of at least a tenth of the largest one."""
    rng = np.random.default_rng([78, seed])
    muscle = HReflex(
        h_spread_ms=float(rng.uniform(2.0, 6.0)), n_units=int(rng.integers(60, 200)),
        positive_share=float(rng.choice([0.0, 0.0, 0.5, 1.0])),
    )  # fmt: skip
    _, waves, _, _ = _recruited_waves(rng, muscle, 2000 + seed, SWEEPS, "train", grid)
    height = np.ptp(waves, axis=1)
    return waves[height > 0.1 * height.max()]


def rises(kind) -> tuple[np.ndarray, np.ndarray]:
    """Rises on ``U``, shape (n, U.size), and the time from onset to 60 %, ms."""
    shapes, scales = [], []
    grid = fine_grid(60.0)
    for seed in range(STUDIES):
        waves = kind(seed, grid)
        for wave, at in zip(waves, truth_of(waves, least_uv=1e-3).onset_ms, strict=True):
            top = first_extreme(wave)
            up = wave * np.sign(wave[top]) / abs(wave[top])
            crossed = np.flatnonzero(up[: top + 1] <= 0.6)[-1]
            scale = (crossed + (0.6 - up[crossed]) / (up[crossed + 1] - up[crossed])) * DT_MS - at
            if scale >= 0.1:
                shapes.append(np.interp(at + scale * U, grid, up))
                scales.append(scale)
    return np.array(shapes), np.array(scales)


def model(name: str, shapes: np.ndarray, scales: np.ndarray) -> dict[str, np.ndarray]:
    mean = shapes.mean(axis=0)
    _, size, vt = np.linalg.svd(shapes - mean, full_matrices=False)
    sd = size[:MODES] / np.sqrt(len(shapes)) * WIDEN
    rest = (shapes - mean - (shapes - mean) @ vt[:MODES].T @ vt[:MODES]).std(axis=0) * WIDEN
    middle = float(np.median(np.log(scales)))
    spread = 1.4826 * float(np.median(np.abs(np.log(scales) - middle))) * WIDEN
    print(name, len(shapes), "rises; scale", np.exp(middle).round(3), "spread", round(spread, 3), "modes", sd.round(3))
    parts = {
        "grid": np.array([U[0], U[1] - U[0]]), "mean": mean, "modes": vt[:MODES], "prior_sd": sd, "rest": rest,
        "log_scale": np.array([middle, spread]),
    }  # fmt: skip
    return {f"{name}_{part}": value for part, value in parts.items()}


def main(destination: str) -> None:
    learned = model("f_wave", *rises(f_waves)) | model("h_reflex", *rises(reflexes))
    np.savez_compressed(destination, **learned)


if __name__ == "__main__":
    main(sys.argv[1])
