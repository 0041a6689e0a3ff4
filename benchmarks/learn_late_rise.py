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
from ncs.simulate.late import FWaves, _backfiring, _unit_waves

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


def rises() -> tuple[np.ndarray, np.ndarray]:
    """Rises on ``U``, shape (n, U.size), and the time from onset to 60 %, ms."""
    shapes, scales = [], []
    grid = fine_grid(55.0)
    for seed in range(STUDIES):
        rng = np.random.default_rng([77, seed])
        nerve = FWaves(persistence=1.0)
        fired = _backfiring(rng, nerve, SWEEPS)
        waves = fired.astype(float) @ _unit_waves(rng, nerve, 1000 + seed, "train", grid)
        onset = truth_of(waves, least_uv=1e-3).onset_ms
        for wave, at in zip(waves, onset, strict=True):
            top = first_extreme(wave)
            up = wave * np.sign(wave[top]) / abs(wave[top])
            crossed = np.flatnonzero(up[: top + 1] <= 0.6)[-1]
            scale = (crossed + (0.6 - up[crossed]) / (up[crossed + 1] - up[crossed])) * DT_MS - at
            if scale < 0.1:
                continue
            shapes.append(np.interp(at + scale * U, grid, up))
            scales.append(scale)
    return np.array(shapes), np.array(scales)


def main(destination: str) -> None:
    shapes, scales = rises()
    mean = shapes.mean(axis=0)
    _, size, vt = np.linalg.svd(shapes - mean, full_matrices=False)
    sd = size[:MODES] / np.sqrt(len(shapes)) * WIDEN
    rest = (shapes - mean - (shapes - mean) @ vt[:MODES].T @ vt[:MODES]).std(axis=0) * WIDEN
    log_scale = np.log(scales)
    middle = float(np.median(log_scale))
    spread = 1.4826 * float(np.median(np.abs(log_scale - middle))) * WIDEN
    print(len(shapes), "rises; scale", np.exp(middle).round(3), "spread", round(spread, 3), "modes", sd.round(3))
    np.savez_compressed(
        destination, grid=np.array([U[0], U[1] - U[0]]), mean=mean, modes=vt[:MODES], prior_sd=sd, rest=rest,
        log_scale=np.array([middle, spread]),
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1])
