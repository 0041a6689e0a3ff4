"""Single sweeps of one sensory response, and what spoils some of them."""

import numpy as np

from ncs import simulate
from ncs.simulate import Contamination, Snap, Truth

RATE_HZ = 20_000.0
STIMULUS_MS = 2.0


def many_sweeps(
    seed: int, *, n_sweeps: int = 100, amplitude_uv: float = 5.0, contamination: Contamination
) -> tuple[np.ndarray, Truth]:
    """The same SNAP in every sweep, other noise in each; and its truth."""
    one = simulate.snap(1, seed=seed, stimulus_ms=STIMULUS_MS, response=Snap(amplitude_uv=amplitude_uv))
    sweeps = simulate.contaminate(
        np.repeat(one.clean_uv.astype(np.float64), n_sweeps, axis=0), sampling_rate_hz=RATE_HZ,
        stimulus_ms=np.full(n_sweeps, STIMULUS_MS), contamination=contamination, seed=seed + 1000,
    )  # fmt: skip
    return sweeps, one.truth


def spoil(sweeps: np.ndarray, seed: int, share: float = 0.05) -> list[int]:
    """Put an artefact into a share of the sweeps: a burst of muscle, saturation, a spike, a movement, in turn."""
    rng = np.random.default_rng(seed)
    spoilt = rng.choice(len(sweeps), round(share * len(sweeps)), replace=False).tolist()
    for turn, index in enumerate(spoilt):
        at = int(rng.integers(70, 250))
        if turn % 4 == 0:
            sweeps[index, at : at + 100] += 300.0 * rng.standard_normal(100)
        elif turn % 4 == 1:
            sweeps[index] = np.clip(80.0 * sweeps[index], -500.0, 500.0)
        elif turn % 4 == 2:
            sweeps[index, at : at + 12] += 200.0 * np.hanning(12)
        else:
            sweeps[index] += 150.0 * np.sin(np.arange(sweeps.shape[1]) / 20.0 * 0.3 * rng.uniform(1.0, 3.0))
    return spoilt
