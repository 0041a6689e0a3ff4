"""F-wave and H-reflex studies with known truth, built of motor units that can be followed one by one.

In an F wave a few units fire back, each with the latency that its own velocity gives it; in an H reflex the units that
the stimulus excites directly cancel their own reflex by collision. How units look is in ``_bank``, how they are placed
in ``_late``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncs.model import Side, Study, Technique
from ncs.simulate._bank import Population, muscle_bank
from ncs.simulate._compose import add_up, read_at
from ncs.simulate._late import (
    LateTruth,
    Sampling,
    as_sampled,
    fine_grid,
    late_study,
    late_trace,
    slow_tail,
    truth_of,
    unit_pool,
)
from ncs.simulate._ranges import Range, Seed, check_ranges, draw, entropy, raise_all, seeds
from ncs.simulate.contamination import Contamination
from ncs.simulate.nerves import Recording
from ncs.simulate.sweeps import Cmap, motor_units
from ncs.simulate.truth import Truth

__all__ = [
    "F_RECORDING", "H_RECORDING", "LEAST_F_UV", "AWave", "FWaveTruth", "FWaves", "HReflex", "HReflexTruth",
    "f_wave_study", "h_reflex_study",
]  # fmt: skip

FloatArray = NDArray[np.float64]

LEAST_F_UV = 40.0
"""Peak-to-peak amplitude from which a late wave counts as an F wave."""
_TURNAROUND_MS = 1.0

_CONTAMINATION = Contamination(
    noise_uv=5.0, artefact_uv=(500.0, 3000.0), tail_uv=(20.0, 150.0), tail_ms=(0.5, 2.0), offset_uv=5.0
)
F_RECORDING = Recording(n_sweeps=20, duration_ms=60.0, stimulus_ms=5.0, contamination=_CONTAMINATION)
H_RECORDING = Recording(
    n_sweeps=40, sampling_rate_hz=10_000.0, duration_ms=70.0, stimulus_ms=5.0, stimulus_duration_ms=1.0,
    contamination=_CONTAMINATION,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class AWave:
    """A wave of constant latency and shape that is no F wave.

    Parameters
    ----------
    latency_ms
        Its onset.
    amplitude_uv
        From peak to peak.
    share
        Share of the sweeps in which it is seen.
    jitter_ms
        Standard deviation of its latency.
    """

    latency_ms: float = 17.0
    amplitude_uv: float = 150.0
    share: float = 1.0
    jitter_ms: float = 0.05

    def __post_init__(self) -> None:
        least = {"latency_ms": 0.0, "amplitude_uv": 0.0, "share": 0.0, "jitter_ms": 0.0}
        raise_all(check_ranges(self, least=least, most={"share": 1.0, "jitter_ms": 5.0}))


@dataclass(frozen=True, slots=True, kw_only=True)
class FWaves:
    """A motor nerve whose F waves are examined, stimulated at one site.

    Parameters
    ----------
    nerve, side, recording_site, site
        Which one.
    distal_latency_ms
        True onset of the M wave.
    distance_mm, cord_distance_mm
        From the cathode to the muscle, and from the cathode to the spinal cord.
    velocity_m_s, velocity_spread
        Of the fastest axon, and how much longer the slowest takes, as a share: a unit's latency is distal latency, 1 ms
        and twice the distance to the cord over its velocity.
    n_units
        Units that can fire back.
    persistence
        How probable it is that any does.
    units_per_wave
        How many fire together.
    unit_uv
        Peak-to-peak amplitude of a unit, drawn uniformly in the logarithm.
    positive_share
        Share of the units that begin with a positive deflection.
    repeater_sweeps
        In how many sweeps one and the same unit fires alone.
    a_waves
        Waves that are none of these.
    m_amplitude_uv, m_variation
        Negative peak of the M wave, and standard deviation of its size from sweep to sweep, as a share.
    low_cut_hz, afterwave_share, afterwave_ms
        The M wave's tail: corner of the filter that makes its undershoot, and a slow afterwave.
    """

    nerve: str = "median"
    side: Side = Side.RIGHT
    recording_site: str = "APB"
    site: str = "wrist"
    distal_latency_ms: float = 3.4
    distance_mm: float = 70.0
    cord_distance_mm: float = 650.0
    velocity_m_s: float = 58.0
    velocity_spread: float = 0.2
    n_units: int = 60
    persistence: float = 0.8
    units_per_wave: Range = (1, 3)
    unit_uv: Range = (60.0, 300.0)
    positive_share: float = 0.3
    repeater_sweeps: int = 0
    a_waves: tuple[AWave, ...] = ()
    m_amplitude_uv: float = 9000.0
    m_variation: float = 0.005
    low_cut_hz: Range = (2.0, 20.0)
    afterwave_share: Range = (0.0, 0.02)
    afterwave_ms: Range = (4.0, 10.0)

    def __post_init__(self) -> None:
        least = {
            "distal_latency_ms": 0.1, "distance_mm": 0.0, "cord_distance_mm": 1.0, "velocity_m_s": 0.5,
            "velocity_spread": 0.0, "n_units": 1.0, "persistence": 0.0, "units_per_wave": 1.0, "unit_uv": 1e-3,
            "positive_share": 0.0, "repeater_sweeps": 0.0, "m_amplitude_uv": 1e-3, "m_variation": 0.0,
            "low_cut_hz": 0.01, "afterwave_share": 0.0, "afterwave_ms": 0.1,
        }  # fmt: skip
        raise_all(check_ranges(self, least=least, most={"persistence": 1.0, "positive_share": 1.0}))

    @property
    def shortest_ms(self) -> float:
        """Latency of the fastest axon's F wave."""
        return self.distal_latency_ms + _TURNAROUND_MS + 2.0 * self.cord_distance_mm / self.velocity_m_s


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FWaveTruth:
    """What is true of an F-wave study.

    Parameters
    ----------
    f_waves
        One per sweep; present from 40 uV peak to peak.
    m_wave
        Of length one, without its tail (which takes some of its negative peak away); it holds for every sweep.
    fired
        Which units fired, shape ``(n_sweeps, n_units)``.
    a_wave_onset_ms
        True onset of every A wave, shape ``(n_sweeps, n_a_waves)``; NaN in a sweep without it.
    """

    f_waves: LateTruth
    m_wave: Truth
    fired: NDArray[np.bool_]
    a_wave_onset_ms: FloatArray

    @property
    def persistence(self) -> float:
        """Share of the stimuli that an F wave followed."""
        return float(self.f_waves.has_response.mean())

    @property
    def latencies_ms(self) -> FloatArray:
        """Onsets of the F waves that are present."""
        return np.asarray(self.f_waves.onset_ms[self.f_waves.has_response])


@dataclass(frozen=True, slots=True, kw_only=True)
class HReflex:
    """A muscle whose H reflex is examined with stimuli of rising intensity.

    Parameters
    ----------
    nerve, side, recording_site, site
        Which one.
    m_latency_ms, h_latency_ms
        Onset of the earliest unit in M wave and H reflex.
    m_spread_ms, h_spread_ms
        From the first unit's arrival to the last one's.
    distance_mm
        From the cathode to the muscle.
    n_units
        Number of motor units.
    m_amplitude_uv
        Negative peak of the M wave in which all units take part.
    reflex_share
        Share of the units that the reflex reaches.
    intensity_ma
        Weakest and strongest stimulus; the others lie evenly between them.
    m_threshold_ma, h_threshold_ma
        Mean and standard deviation of the thresholds of motor axons, and of the intensities at which the reflex
        reaches a unit: large units have the lowest of the former and the highest of the latter.
    threshold_noise
        Standard deviation of the effective intensity from stimulus to stimulus, as a share.
    positive_share
        Share of the units that begin with a positive deflection.
    low_cut_hz, afterwave_share, afterwave_ms
        As in `FWaves`.
    """

    nerve: str = "tibial"
    side: Side = Side.RIGHT
    recording_site: str = "soleus"
    site: str = "popliteal fossa"
    m_latency_ms: float = 5.0
    h_latency_ms: float = 29.5
    m_spread_ms: float = 3.0
    h_spread_ms: float = 4.0
    distance_mm: float = 180.0
    n_units: int = 120
    m_amplitude_uv: float = 9000.0
    reflex_share: float = 0.7
    intensity_ma: tuple[float, float] = (3.0, 20.0)
    m_threshold_ma: tuple[float, float] = (12.0, 2.0)
    h_threshold_ma: tuple[float, float] = (7.5, 1.5)
    threshold_noise: float = 0.01
    positive_share: float = 0.0
    low_cut_hz: Range = (2.0, 20.0)
    afterwave_share: Range = (0.0, 0.02)
    afterwave_ms: Range = (4.0, 8.0)

    def __post_init__(self) -> None:
        least = {
            "m_latency_ms": 0.1, "h_latency_ms": 0.2, "m_spread_ms": 0.0, "h_spread_ms": 0.0, "distance_mm": 0.0,
            "n_units": 1.0, "m_amplitude_uv": 1e-3, "reflex_share": 0.0, "intensity_ma": 0.0, "threshold_noise": 0.0,
            "positive_share": 0.0, "low_cut_hz": 0.01, "afterwave_share": 0.0, "afterwave_ms": 0.1,
        }  # fmt: skip
        faults = check_ranges(self, least=least, most={"reflex_share": 1.0, "positive_share": 1.0})
        for name in ("m_threshold_ma", "h_threshold_ma"):
            mean, sd = getattr(self, name)
            if not (mean > 0 and sd >= 0):
                faults.append(f"{name}: expected (mean above 0, standard deviation of at least 0), found {(mean, sd)}")
        raise_all(faults)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HReflexTruth:
    """What is true of an H-reflex study: M wave and H reflex of every sweep, and of all units at once.

    ``m_maximum_uv`` and ``h_maximum_uv`` are the largest peak-to-peak amplitudes of the series.
    """

    intensity_ma: FloatArray
    m_wave: LateTruth
    h_reflex: LateTruth

    @property
    def m_maximum_uv(self) -> float:
        """Largest M wave of the series, peak to peak."""
        return float(self.m_wave.peak_to_peak_uv.max())

    @property
    def h_maximum_uv(self) -> float:
        """Largest H reflex of the series, peak to peak."""
        return float(self.h_reflex.peak_to_peak_uv.max())


def f_wave_study(
    nerve: FWaves | None = None,
    *,
    seed: Seed,
    recording: Recording = F_RECORDING,
    population: Population = "train",
    **changes: Any,
) -> tuple[Study, FWaveTruth]:
    """Simulate an F-wave study of one stimulation site.

    Parameters
    ----------
    nerve
        The nerve; default ``FWaves()``, a healthy median nerve.
    seed, recording, population
        As in `motor_study`; ``recording.n_sweeps`` is the number of stimuli.
    **changes
        Fields of `FWaves` that replace those of ``nerve``.

    Returns
    -------
    Study, FWaveTruth
        One trace, and what is true of it.

    Raises
    ------
    InvalidInputError
        When a parameter is out of its limits.

    Examples
    --------
    >>> study, truth = f_wave_study(seed=1, persistence=1.0)
    >>> study.traces[0].n_sweeps, round(truth.persistence, 2)
    (20, 1.0)
    """
    f = replace(nerve or FWaves(), **changes)
    r = recording
    for_pool, for_units, for_m, for_a, for_noise = seeds(entropy(seed, "f_wave", f.nerve, f.side), 5)
    rng = np.random.default_rng(for_units)
    grid = fine_grid(r.duration_ms)
    fired = _backfiring(rng, f, r.n_sweeps)
    placed = _unit_waves(rng, f, for_pool, population, grid)
    waves = fired.astype(np.float64) @ placed
    m_fine, m_truth = _m_wave(np.random.default_rng(for_m), f, population, grid)
    size = 1.0 + f.m_variation * np.random.default_rng(for_m).standard_normal(r.n_sweeps)
    sampling = Sampling.of(r)
    clean = as_sampled(waves + size[:, np.newaxis] * m_fine, sampling)
    a_waves, a_onsets = _a_waves(np.random.default_rng(for_a), f, r.n_sweeps, grid, sampling, population)
    trace = late_trace(clean + a_waves, r, seed=for_noise, site=f.site, distance_mm=f.distance_mm, side=f.side)
    truth = FWaveTruth(
        f_waves=truth_of(waves, least_uv=LEAST_F_UV), m_wave=m_truth, fired=fired, a_wave_onset_ms=a_onsets
    )
    return late_study(trace, f, Technique.F_WAVE, r), truth


def h_reflex_study(
    nerve: HReflex | None = None,
    *,
    seed: Seed,
    recording: Recording = H_RECORDING,
    population: Population = "train",
    **changes: Any,
) -> tuple[Study, HReflexTruth]:
    """Simulate an H-reflex study: one sweep per stimulus, from the weakest to the strongest.

    Parameters
    ----------
    nerve
        The muscle; default ``HReflex()``, a healthy soleus.
    seed, recording, population
        As in `f_wave_study`.
    **changes
        Fields of `HReflex` that replace those of ``nerve``.

    Returns
    -------
    Study, HReflexTruth
        One trace with the intensity of every sweep, and what is true of it.

    Raises
    ------
    InvalidInputError
        When a parameter is out of its limits.

    Examples
    --------
    >>> study, truth = h_reflex_study(seed=1)
    >>> study.traces[0].n_sweeps, bool(truth.h_maximum_uv < truth.m_maximum_uv)
    (40, True)
    """
    h = replace(nerve or HReflex(), **changes)
    r = recording
    for_pool, for_units, for_tail, for_noise = seeds(entropy(seed, "h_reflex", h.nerve, h.side), 4)
    rng = np.random.default_rng(for_units)
    grid = fine_grid(r.duration_ms)
    m_waves, reflexes, whole, intensity = _recruited_waves(rng, h, for_pool, r.n_sweeps, population, grid)
    tail = slow_tail(whole, **_tail(np.random.default_rng(for_tail), h))
    size = np.maximum(-m_waves.min(axis=1), 0.0) / h.m_amplitude_uv
    clean = as_sampled(m_waves + reflexes + size[:, np.newaxis] * tail, Sampling.of(r))
    trace = late_trace(
        clean, r, seed=for_noise, site=h.site, distance_mm=h.distance_mm, side=h.side, intensity_ma=intensity
    )
    truth = HReflexTruth(
        intensity_ma=intensity, m_wave=truth_of(m_waves, least_uv=1e-6), h_reflex=truth_of(reflexes, least_uv=1e-6)
    )
    return late_study(trace, h, Technique.H_REFLEX, r), truth


def _backfiring(rng: np.random.Generator, f: FWaves, n_sweeps: int) -> NDArray[np.bool_]:
    """Return which units fire back in which sweep."""
    fired = np.zeros((n_sweeps, f.n_units), np.bool_)
    any_fires = rng.random(n_sweeps) < f.persistence
    together = np.maximum(np.round(draw(rng, f.units_per_wave, n_sweeps)), 1).astype(int)
    repeating = rng.permutation(n_sweeps)[: f.repeater_sweeps]
    for k in range(n_sweeps):
        chosen = rng.choice(f.n_units, min(int(together[k]), f.n_units), replace=False)
        fired[k, [0] if k in repeating else chosen] = any_fires[k] or k in repeating
    return fired


def _unit_waves(rng: np.random.Generator, f: FWaves, seed: int, population: Population, grid: FloatArray) -> FloatArray:
    """Return the potential of every unit where its axon's velocity puts it, shape ``(n_units, n_grid)``."""
    pool = unit_pool(f.n_units, seed=seed, population=population, positive_share=f.positive_share)
    slowness = 1.0 + f.velocity_spread * rng.beta(2.0, 2.0, f.n_units)
    latency = f.distal_latency_ms + _TURNAROUND_MS + 2.0 * f.cord_distance_mm / f.velocity_m_s * slowness
    size = draw(rng, f.unit_uv, f.n_units, logarithmic=True)
    return size[:, np.newaxis] * pool.placed(latency, grid)


def _tail(rng: np.random.Generator, nerve: FWaves | HReflex) -> dict[str, float]:
    return {
        name: float(draw(rng, getattr(nerve, name), 1)[0]) for name in ("low_cut_hz", "afterwave_share", "afterwave_ms")
    }


def _m_wave(rng: np.random.Generator, f: FWaves, population: Population, grid: FloatArray) -> tuple[FloatArray, Truth]:
    """Return the M wave with its tail on the grid, and what is true of the M wave."""
    bank = muscle_bank(population)
    shape = Cmap(n_units=(100, 200), latency_spread_ms=(1.5, 3.0), size_spread=(0.4, 0.7))
    raw = add_up(bank, motor_units(rng, 1, bank, shape, population))
    truth = Truth.of(raw)
    factor = f.m_amplitude_uv / truth.peak_uv
    move = f.distal_latency_ms - truth.onset_ms
    wave = read_at(raw.scaled(factor), grid[np.newaxis, :] - move[:, np.newaxis])
    fine = wave[0] + slow_tail(wave[0], **_tail(rng, f))
    return fine, truth.scaled(factor).moved(move)


def _a_waves(
    rng: np.random.Generator,
    f: FWaves,
    n_sweeps: int,
    grid: FloatArray,
    sampling: Sampling,
    population: Population,
) -> tuple[FloatArray, FloatArray]:
    """Return the sampled A waves of every sweep, and their onsets."""
    total = np.zeros((n_sweeps, sampling.n_samples))
    onsets = np.full((n_sweeps, len(f.a_waves)), np.nan)
    for column, a in enumerate(f.a_waves):
        seen = rng.random(n_sweeps) < a.share
        jitter = a.jitter_ms * rng.standard_normal(n_sweeps)
        pool = unit_pool(1, seed=int(rng.integers(2**31)), population=population, positive_share=f.positive_share)
        wave = a.amplitude_uv * pool.placed(np.full(1, a.latency_ms), grid)
        total += seen[:, np.newaxis] * as_sampled(np.repeat(wave, n_sweeps, axis=0), sampling, delay_ms=jitter)
        onsets[seen, column] = a.latency_ms + jitter[seen]
    return total, onsets


def _recruited_waves(
    rng: np.random.Generator, h: HReflex, seed: int, n_sweeps: int, population: Population, grid: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return M waves and H reflexes of a recruitment series on the grid, the whole M wave, and the intensities."""
    direct, reflex, intensity = _recruited(rng, h, n_sweeps)
    pool = unit_pool(h.n_units, seed=seed, population=population, positive_share=h.positive_share, one_muscle=True)
    weight = np.exp(0.6 * np.sort(rng.standard_normal(h.n_units)))[:, np.newaxis]
    arrivals = np.sort(rng.beta(2.0, 3.0, h.n_units))[::-1]
    arrivals = (arrivals - arrivals.min()) / max(float(np.ptp(arrivals)), 1e-9)
    m_units = weight * pool.placed(h.m_latency_ms + h.m_spread_ms * arrivals, grid)
    h_units = weight * pool.placed(h.h_latency_ms + h.h_spread_ms * arrivals, grid)
    whole = m_units.sum(axis=0)
    factor = h.m_amplitude_uv / -float(whole.min())
    return factor * (direct @ m_units), factor * (reflex @ h_units), factor * whole, intensity


def _recruited(rng: np.random.Generator, h: HReflex, n_sweeps: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return which units each stimulus excites directly and by reflex, shape ``(n_sweeps, n_units)``; intensities.

    Units are ordered by size. The antidromic impulse of a unit that is excited directly meets its reflex.
    """
    intensity = np.linspace(*h.intensity_ma, n_sweeps)
    effective = (intensity * (1.0 + h.threshold_noise * rng.standard_normal(n_sweeps)))[:, np.newaxis]
    rank = np.linspace(-1.7, 1.7, h.n_units)
    mean, sd = h.m_threshold_ma
    motor = mean + sd * (-0.8 * rank + 0.6 * rng.standard_normal(h.n_units))
    mean, sd = h.h_threshold_ma
    afferent = mean + sd * (0.8 * rank + 0.6 * rng.standard_normal(h.n_units))
    reached = rng.random(h.n_units) < h.reflex_share
    direct = effective > motor
    reflex = (effective > afferent) & reached & ~direct
    return direct.astype(np.float64), reflex.astype(np.float64), intensity
