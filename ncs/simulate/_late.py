"""Motor units one by one on a fixed fine grid: what late responses are made of, and what is true of their sums.

Times are milliseconds after the stimulus; samples have their true sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ncs.model import Filters, Origin, Provenance, Side, Stimulus, Study, Technique, Trace, readonly_samples
from ncs.simulate._bank import DT_MS, Population, muscle_bank
from ncs.simulate._compose import FineResponse, Units, add_up, read_at
from ncs.simulate._ranges import Seed, entropy
from ncs.simulate.contamination import contaminate
from ncs.simulate.nerves import Recording
from ncs.simulate.truth import ONSET_FRACTION

__all__ = [
    "LateTruth", "Sampling", "UnitPool", "as_sampled", "fine_grid", "late_study", "late_trace", "slow_tail", "truth_of",
    "unit_pool",
]  # fmt: skip

FloatArray = NDArray[np.float64]


class Examined(Protocol):
    """What names a study."""

    @property
    def nerve(self) -> str:
        """Name of the nerve."""

    @property
    def side(self) -> Side:
        """Side of the body."""

    @property
    def recording_site(self) -> str:
        """Muscle."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LateTruth:
    """What is true of one kind of response in ``n_sweeps`` sweeps; every field has shape ``(n_sweeps,)``.

    Parameters
    ----------
    onset_ms
        First moment at which the noise-free response has reached 2 % of its largest deflection, of either polarity;
        NaN where there is none.
    peak_to_peak_uv
        From its lowest to its highest point; 0 where nothing was evoked.
    peak_uv
        Its largest negative deflection, as a positive number; 0 where nothing was evoked.
    has_response
        Whether there is one that counts as such.
    """

    onset_ms: FloatArray
    peak_to_peak_uv: FloatArray
    peak_uv: FloatArray
    has_response: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnitPool:
    """Potentials of single motor units, each one microvolt from peak to peak, on the internal grid.

    Parameters
    ----------
    potentials
        Shape ``(n_units, n_fine)``.
    onset_ms
        Either-polarity onset of each on the time axis of ``potentials``, shape ``(n_units,)``.
    """

    potentials: FineResponse
    onset_ms: FloatArray

    def placed(self, onset_ms: FloatArray, grid_ms: FloatArray) -> FloatArray:
        """Return every unit with its onset where it is wanted, shape ``(n_units, n_grid)``."""
        shift = (onset_ms - self.onset_ms)[:, np.newaxis]
        return read_at(self.potentials, grid_ms[np.newaxis, :] - shift)


def fine_grid(duration_ms: float) -> FloatArray:
    """Return the internal grid from the stimulus on."""
    return np.asarray(np.arange(int(np.ceil(duration_ms / DT_MS)) + 8) * DT_MS, np.float64)


def unit_pool(
    n_units: int, *, seed: Seed, population: Population, positive_share: float, one_muscle: bool = False
) -> UnitPool:
    """Draw motor units.

    Parameters
    ----------
    n_units
        How many.
    seed, population
        As in `ncs.simulate.cmap`.
    positive_share
        Share of the units whose end-plates lie off the electrode, so that they begin with a positive deflection.
    one_muscle
        Whether the shapes come from one body of the bank: units that sum to a CMAP do.
    """
    rng = np.random.default_rng(entropy(seed))
    off = rng.random(n_units) < positive_share
    banks = muscle_bank(population), muscle_bank(population, initial_positivity=True)
    waves = []
    for bank in banks:
        body = (
            np.full(n_units, rng.integers(bank.n_bodies)) if one_muscle else rng.integers(bank.n_bodies, size=n_units)
        )
        units = Units(
            body=np.broadcast_to(body, (n_units,)),
            shape=rng.integers(bank.n_shapes, size=(n_units, 1)),
            weight=np.ones((n_units, 1)),
            delay_ms=np.zeros((n_units, 1)),
        )
        waves.append(add_up(bank, units))
    samples = np.where(off[:, np.newaxis], waves[1].samples_uv, waves[0].samples_uv)
    samples = samples / np.ptp(samples, axis=1)[:, np.newaxis]
    fine = FineResponse(samples_uv=samples, start_ms=waves[0].start_ms)
    return UnitPool(potentials=fine, onset_ms=fine.start_ms + _first_sign(samples) * DT_MS)


def _first_sign(samples: FloatArray) -> FloatArray:
    """Return the position (in grid steps) at which each wave first reaches 2 % of its largest deflection."""
    size = np.abs(samples)
    level = ONSET_FRACTION * size.max(axis=1)
    at = np.maximum((size >= level[:, np.newaxis]).argmax(axis=1), 1)
    rows = np.arange(at.size)
    low, high = size[rows, at - 1], size[rows, at]
    step = np.where(high > low, high - low, 1.0)
    return np.asarray(at - 1 + np.clip((level - low) / step, 0.0, 1.0))


def truth_of(waves: FloatArray, *, least_uv: float) -> LateTruth:
    """Return what is true of noise-free responses on the grid, shape ``(n_sweeps, n_grid)``.

    A response counts from ``least_uv`` peak to peak.
    """
    some = np.ptp(waves, axis=1) > 0.0
    onset = np.where(some, _first_sign(waves) * DT_MS, np.nan)
    height = np.ptp(waves, axis=1)
    return LateTruth(
        onset_ms=onset,
        peak_to_peak_uv=height,
        peak_uv=np.maximum(-waves.min(axis=1), 0.0),
        has_response=height >= least_uv,
    )


def slow_tail(m_wave: FloatArray, *, low_cut_hz: float, afterwave_share: float, afterwave_ms: float) -> FloatArray:
    """Return what follows an M wave on the grid, shape ``(n_grid,)``: the amplifier's undershoot and a slow afterwave.

    The undershoot is what a first-order high-pass filter takes away; the afterwave is a positive potential that rises
    and falls with one time constant, as large as a share of the M wave's negative peak.
    """
    from scipy.signal import lfilter

    keep = float(np.exp(-2.0 * np.pi * low_cut_hz * DT_MS * 1e-3))
    undershoot = -lfilter([1.0 - keep], [1.0, -keep], m_wave)
    since = np.maximum(np.arange(m_wave.size) - int(np.argmin(m_wave)), 0) * DT_MS / afterwave_ms
    afterwave = afterwave_share * -float(m_wave.min()) * since * np.exp(1.0 - since)
    return np.asarray(undershoot + afterwave)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """When samples are taken: their rate, their number, and the stimulus after the first of them."""

    stimulus_ms: float
    sampling_rate_hz: float
    n_samples: int

    @classmethod
    def of(cls, recording: Recording) -> Sampling:
        """Return the sampling of a recording."""
        n_samples = round(recording.duration_ms * recording.sampling_rate_hz / 1e3)
        return cls(stimulus_ms=recording.stimulus_ms, sampling_rate_hz=recording.sampling_rate_hz, n_samples=n_samples)


def as_sampled(waves: FloatArray, sampling: Sampling, *, delay_ms: FloatArray | None = None) -> FloatArray:
    """Return responses on the grid as a recorder samples them, shape ``(n_sweeps, n_samples)``.

    ``delay_ms``, shape ``(n_sweeps,)``, moves each of them.
    """
    times = np.arange(sampling.n_samples) * (1e3 / sampling.sampling_rate_hz) - sampling.stimulus_ms
    shift = np.zeros(waves.shape[0]) if delay_ms is None else delay_ms
    return read_at(FineResponse(samples_uv=waves, start_ms=0.0), times[np.newaxis, :] - shift[:, np.newaxis])


def late_trace(
    clean: FloatArray,
    r: Recording,
    *,
    seed: int,
    site: str,
    distance_mm: float,
    side: Side,
    intensity_ma: FloatArray | None = None,
) -> Trace:
    """Return what a recorder makes of clean sweeps, shape ``(n_sweeps, n_samples)``."""
    n_sweeps = clean.shape[0]
    samples = contaminate(
        clean, sampling_rate_hz=r.sampling_rate_hz, stimulus_ms=np.full(n_sweeps, r.stimulus_ms),
        contamination=r.contamination, seed=seed,
    )  # fmt: skip
    known = ("stimulation_site", "distance_mm", "stimulus_ms", "sampling_rate_hz", "unit", "stimulus", "filters")
    return Trace(
        samples_uv=readonly_samples(samples.astype(np.float32)),
        sampling_rate_hz=r.sampling_rate_hz,
        stimulus_ms=np.full(n_sweeps, r.stimulus_ms),
        stimulation_site=site,
        distance_mm=distance_mm,
        stimulus=Stimulus(
            intensity_ma=np.full(n_sweeps, r.intensity_ma) if intensity_ma is None else intensity_ma,
            duration_ms=r.stimulus_duration_ms,
            label=f"Stimulus {side.value} {site}",
        ),
        filters=Filters(low_cut_hz=r.contamination.low_cut_hz, high_cut_hz=r.contamination.high_cut_hz),
        averaged_count=r.averaged_count,
        provenance=Provenance(dict.fromkeys(known, Origin.FILE)),
    )


def late_study(trace: Trace, nerve: Examined, technique: Technique, r: Recording) -> Study:
    """Return the study of one trace."""
    known = ["nerve", "side", "technique", "recording_site"]
    if r.skin_temperature_c is not None:
        known.append("skin_temperature_c")
    return Study(
        traces=(trace,),
        nerve=nerve.nerve,
        side=nerve.side,
        technique=technique,
        recording_site=nerve.recording_site,
        skin_temperature_c=r.skin_temperature_c,
        provenance=Provenance(dict.fromkeys(known, Origin.FILE)),
    )
