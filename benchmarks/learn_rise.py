"""Learn the rising-edge models of ``ncs.detect`` from simulated responses of the *train* population, and write them.

    python -m benchmarks.learn_rise ncs/detect/rise.npz

Every rise is cut from its onset to its first summit, its amplitude scaled to that summit, its time to the 60 %
crossing; the mean and the first principal components of what is left, with their standard deviations, are the model.
"""

from __future__ import annotations

import sys

import numpy as np

from ncs import simulate

U = np.arange(-2.0, 1.9 + 1e-9, 0.02)
MODES = 4
FIT_TO = 1.4
WIDEN = 1.25
"""Real responses vary more than simulated ones: prior standard deviations are widened by this."""
FLOOR = 0.0008
SUMMIT_FALL = 0.05


def rises(sweeps) -> np.ndarray:
    """Return rises on ``U``, shape (n, U.size), NaN beyond the first summit."""
    rate = sweeps.sampling_rate_hz / 1000.0
    y = -sweeps.clean_uv.astype(float)
    rows = []
    for i, row in enumerate(y):
        peak = int(np.argmax(row))
        start = int((sweeps.stimulus_ms[i] + sweeps.truth.onset_ms[i]) * rate) - int(0.3 * rate)
        up = row[start : peak + 1]
        fallen = np.flatnonzero(np.maximum.accumulate(up) - up > SUMMIT_FALL * row[peak])
        summit = start + int(np.argmax(up[: fallen[0]] if fallen.size else up))
        height = row[summit]

        def crossing(level, row=row, summit=summit, height=height):
            k = np.flatnonzero(row[: summit + 1] <= level * height)[-1]
            return k + (level * height - row[k]) / (row[k + 1] - row[k])

        onset = crossing(0.02)
        scale = crossing(0.6) - onset
        at = onset + scale * U
        rise = np.interp(at, np.arange(row.size), row) / height
        rise[at > summit] = 1.0
        rise[at < sweeps.stimulus_ms[i] * rate] = 0.0
        rows.append(rise)
    return np.array(rows)


def model(shapes: np.ndarray) -> dict[str, np.ndarray]:
    mean = shapes.mean(axis=0)
    fitted = U <= FIT_TO
    _, _, vt = np.linalg.svd((shapes - mean)[:, fitted], full_matrices=False)
    scores = (shapes - mean)[:, fitted] @ vt[:MODES].T
    modes = (np.linalg.pinv(scores) @ (shapes - mean))[:MODES]
    sd = scores.std(axis=0)
    rest = (shapes - mean - scores @ modes).std(axis=0)
    table = np.vstack([rest * WIDEN, np.gradient(mean, U), mean, modes, np.gradient(modes, U, axis=1)]).T
    ramp = np.interp(U, [-0.3, 0.3], [0.0, FLOOR])
    table[:, 0] = np.hypot(table[:, 0], ramp)
    return {"table": np.ascontiguousarray(table), "prior_sd": sd * WIDEN, "grid": np.array([U[0], U[1] - U[0]])}


def main(destination: str) -> None:
    rate = 100_000.0
    cmaps = [
        simulate.cmap(1500, seed=101, sampling_rate_hz=rate, duration_ms=40, response=simulate.Cmap(amplitude_uv=1e3)),
        simulate.cmap(
            300, seed=102, sampling_rate_hz=rate, duration_ms=60,
            response=simulate.Cmap(amplitude_uv=1e3, two_peaked=True),
        ),
    ]  # fmt: skip
    snaps = [simulate.snap(1500, seed=103, sampling_rate_hz=200_000.0, response=simulate.Snap(amplitude_uv=1e3))]
    out = {}
    for name, sets in (("cmap", cmaps), ("snap", snaps)):
        learned = model(np.vstack([rises(s) for s in sets]))
        print(name, "prior sd", learned["prior_sd"].round(4), "rest", learned["table"][:, 0].max().round(4))
        out.update({f"{name}_{key}": value for key, value in learned.items()})
    np.savez_compressed(destination, **out)


if __name__ == "__main__":
    main(sys.argv[1])
