"""A CMAP scan with known truth: every motor unit has its own threshold, and fires above it with growing certainty.

Sweeps are those of one muscle; what changes from stimulus to stimulus is only which units fire.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncs.model import Filters, Origin, Provenance, Side, Stimulus, Study, Technique, Trace, readonly_samples
from ncs.simulate._bank import Bank, Population, muscle_bank
from ncs.simulate._compose import FineResponse, Units, add_up
from ncs.simulate._ranges import Range, Seed, check_ranges, entropy, raise_all, seeds
from ncs.simulate.contamination import contaminate
from ncs.simulate.nerves import MOTOR_RECORDING, Recording
from ncs.simulate.sweeps import Cmap, motor_units, place
from ncs.simulate.truth import Truth

__all__ = ["ScanNerve", "ScanTruth", "cmap_scan_study"]

FloatArray = NDArray[np.float64]

_GRID = 400
_CERTAIN = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanNerve:
    """A motor nerve and its muscle, stimulated with every current from nothing to the maximum.

    Parameters
    ----------
    nerve, side, recording_site, stimulation_site
        Which one, and where.
    amplitude_uv, latency_ms
        Negative peak when all units fire, and its true onset.
    distance_mm
        From the cathode to the active electrode.
    n_units, size_spread, latency_spread_ms
        As in `MotorNerve`; few units with a large spread are what reinnervation leaves.
    threshold_ma, threshold_spread
        Mean of the units' thresholds, and their standard deviation as a share of it.
    uncertainty
        Range over which a unit sometimes fires: standard deviation, as a share of its threshold.
    n_stimuli
        Stimuli, from the strongest to the weakest.
    margin
        How far the stimuli reach beyond the lowest and highest threshold, as a share of the thresholds' range.
    """

    nerve: str = "median"
    side: Side = Side.RIGHT
    recording_site: str = "APB"
    stimulation_site: str = "wrist"
    amplitude_uv: float = 9000.0
    latency_ms: float = 3.4
    distance_mm: float = 70.0
    n_units: Range = (80, 160)
    size_spread: Range = (0.4, 0.7)
    latency_spread_ms: Range = (1.5, 3.0)
    threshold_ma: float = 12.0
    threshold_spread: float = 0.08
    uncertainty: float = 0.01
    n_stimuli: int = 400
    margin: float = 0.15

    def __post_init__(self) -> None:
        least = {
            "amplitude_uv": 1e-6, "latency_ms": 0.1, "distance_mm": 0.0, "threshold_ma": 0.01,
            "threshold_spread": 0.001, "uncertainty": 1e-4, "n_stimuli": 2, "margin": 0.0,
        }  # fmt: skip
        raise_all(check_ranges(self, least=least, most={"threshold_spread": 0.3, "uncertainty": 0.2}))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScanTruth:
    """What is true of a scan.

    Parameters
    ----------
    thresholds_ma, unit_uv
        Of every unit, sorted by threshold: the current at which it fires half of the time, and its own negative peak.
    peak_uv
        True amplitude of every sweep; 0 where no unit fired.
    maximum_uv
        When all units fire.
    s5_ma, s50_ma, s95_ma
        Where the expected response has these shares of the maximum.
    """

    thresholds_ma: FloatArray
    unit_uv: FloatArray
    peak_uv: FloatArray
    maximum_uv: float
    s5_ma: float
    s50_ma: float
    s95_ma: float

    @property
    def s0_ma(self) -> float:
        """Lowest threshold."""
        return float(self.thresholds_ma[0])

    @property
    def s100_ma(self) -> float:
        """Highest threshold."""
        return float(self.thresholds_ma[-1])


def cmap_scan_study(
    nerve: ScanNerve | None = None,
    *,
    seed: Seed,
    recording: Recording = MOTOR_RECORDING,
    population: Population = "train",
    **changes: Any,
) -> tuple[Study, ScanTruth]:
    """Simulate a CMAP scan.

    Parameters
    ----------
    nerve
        Default ``ScanNerve()``, a healthy median nerve.
    seed
        The same seed gives the same samples.
    recording
        How it is recorded; ``n_sweeps`` and ``intensity_ma`` are not used.
    population
        As in `cmap`.
    **changes
        Fields of `ScanNerve` that replace those of ``nerve``.

    Returns
    -------
    Study, ScanTruth
        One trace with one sweep per stimulus.

    Raises
    ------
    InvalidInputError
        When a parameter is out of its limits.

    Examples
    --------
    >>> study, truth = cmap_scan_study(seed=1, n_units=6, n_stimuli=50)
    >>> study.traces[0].n_sweeps, truth.thresholds_ma.size, truth.s0_ma < truth.s50_ma < truth.s100_ma
    (50, 6, True)
    """
    s = replace(nerve or ScanNerve(), **changes)
    words = (s.nerve, s.side, "cmap scan")
    for_units, for_firing = (np.random.default_rng(n) for n in seeds(entropy(seed, "anatomy", *words), 2))
    bank = muscle_bank(population)
    shape = Cmap(n_units=s.n_units, latency_spread_ms=s.latency_spread_ms, size_spread=s.size_spread)
    units = motor_units(for_units, 1, bank, shape, population)
    present = np.flatnonzero(units.weight[0] > 0)
    threshold = s.threshold_ma * (1.0 + s.threshold_spread * for_firing.standard_normal(present.size))
    threshold = np.sort(np.maximum(threshold, 0.1 * s.threshold_ma))
    order = for_firing.permutation(present)
    full = Truth.of(add_up(bank, units))
    factor = s.amplitude_uv / float(full.peak_uv[0])
    reach = s.margin * max(float(np.ptp(threshold)), s.uncertainty * s.threshold_ma)
    lowest = threshold[0] * (1 - _CERTAIN * s.uncertainty) - reach
    highest = threshold[-1] * (1 + _CERTAIN * s.uncertainty) + reach
    current = np.linspace(highest, max(lowest, 0.01), s.n_stimuli)
    fired = for_firing.random((s.n_stimuli, threshold.size)) < _certainty(current, threshold, s.uncertainty)
    clean, peak_uv = _sweeps(bank, units, order, fired, factor, s.latency_ms - float(full.onset_ms[0]), recording)
    grid = np.linspace(max(lowest, 0.01), highest, _GRID)
    expected = _peaks(bank, units, order, _certainty(grid, threshold, s.uncertainty)) * factor
    places = np.interp(np.array([0.05, 0.5, 0.95]) * s.amplitude_uv, np.maximum.accumulate(expected), grid)
    (noise_seed,) = seeds(entropy(seed, "recording", *words), 1)
    truth = ScanTruth(
        thresholds_ma=threshold,
        unit_uv=_peaks(bank, units, order, np.eye(threshold.size)) * factor,
        peak_uv=peak_uv,
        maximum_uv=s.amplitude_uv,
        s5_ma=float(places[0]),
        s50_ma=float(places[1]),
        s95_ma=float(places[2]),
    )
    return _study(clean, s, current, recording, noise_seed), truth


def _certainty(current: FloatArray, threshold: FloatArray, uncertainty: float) -> FloatArray:
    """Return how surely each unit fires at each current, shape ``(n_currents, n_units)``: a Gaussian threshold."""
    away = (current[:, np.newaxis] - threshold) / (uncertainty * threshold * math.sqrt(2.0))
    return np.asarray(0.5 * (1.0 + np.vectorize(math.erf)(np.clip(away, -6.0, 6.0))))


def _responses(bank: Bank, units: Units, order: NDArray[np.intp], share: FloatArray) -> FineResponse:
    """Return the responses in which each unit has its share, shape of ``share``: ``(n_sweeps, n_units)``."""
    n = share.shape[0]
    weight = np.zeros((n, units.weight.shape[1]))
    weight[:, order] = share * units.weight[0, order]
    return add_up(
        bank,
        Units(
            body=np.repeat(units.body, n),
            shape=np.repeat(units.shape, n, axis=0),
            weight=weight,
            delay_ms=np.repeat(units.delay_ms, n, axis=0),
        ),
    )


def _peaks(bank: Bank, units: Units, order: NDArray[np.intp], share: FloatArray) -> FloatArray:
    return np.asarray(np.maximum(-_responses(bank, units, order, share).samples_uv.min(axis=1), 0.0))


def _sweeps(
    bank: Bank, units: Units, order: NDArray[np.intp], fired: NDArray[np.bool_], factor: float, shift_ms: float,
    r: Recording,
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """Return noise-free sweeps, and the true amplitude of each."""
    n_samples = round(r.duration_ms * r.sampling_rate_hz / 1e3)
    clean, peak_uv = np.zeros((fired.shape[0], n_samples)), np.zeros(fired.shape[0])
    some = np.flatnonzero(fired.any(axis=1))
    for first in range(0, some.size, 128):
        part = some[first : first + 128]
        fine, size = _responses(bank, units, order, fired[part].astype(np.float64)), np.full(part.size, factor)
        marks = Truth.of(fine)
        clean[part], truth = place(
            fine.scaled(size), marks.scaled(size), onset_ms=marks.onset_ms + shift_ms,
            stimulus_ms=np.full(part.size, r.stimulus_ms), sampling_rate_hz=r.sampling_rate_hz, n_samples=n_samples,
        )  # fmt: skip
        peak_uv[part] = truth.peak_uv
    return clean, peak_uv


def _study(clean: FloatArray, s: ScanNerve, current: FloatArray, r: Recording, seed: int) -> Study:
    n = current.size
    stimulus = np.full(n, r.stimulus_ms)
    samples = contaminate(
        clean, sampling_rate_hz=r.sampling_rate_hz, stimulus_ms=stimulus, contamination=r.contamination, seed=seed
    )
    of_trace = ("stimulation_site", "distance_mm", "stimulus_ms", "sampling_rate_hz", "unit", "stimulus", "filters")
    trace = Trace(
        samples_uv=readonly_samples(samples.astype(np.float32)),
        sampling_rate_hz=r.sampling_rate_hz,
        stimulus_ms=stimulus,
        stimulation_site=s.stimulation_site,
        distance_mm=s.distance_mm,
        stimulus=Stimulus(
            intensity_ma=current,
            duration_ms=r.stimulus_duration_ms,
            label=f"Stimulus {s.side.value} {s.stimulation_site}",
        ),
        filters=Filters(low_cut_hz=r.contamination.low_cut_hz, high_cut_hz=r.contamination.high_cut_hz),
        provenance=Provenance(dict.fromkeys(of_trace, Origin.FILE)),
    )
    of_study = ("nerve", "side", "technique", "recording_site", "skin_temperature_c")
    return Study(
        traces=(trace,),
        nerve=s.nerve,
        side=s.side,
        technique=Technique.CMAP_SCAN,
        recording_site=s.recording_site,
        skin_temperature_c=r.skin_temperature_c,
        provenance=Provenance(dict.fromkeys(of_study, Origin.FILE)),
    )
