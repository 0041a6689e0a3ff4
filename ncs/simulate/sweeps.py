"""Sweeps with known truth: CMAPs, SNAPs and sweeps without a response.

The parameters of a response are dataclasses here; how units look is in ``_fibre`` and ``_bank``, how they add up in
``_compose``, what is added to them in ``contamination``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ncs.errors import InvalidInputError
from ncs.model import SampleArray, readonly_samples
from ncs.simulate._bank import Bank, Population, muscle_bank, nerve_bank
from ncs.simulate._compose import FineResponse, Units, add_up, read_at
from ncs.simulate._ranges import Range, Seed, check_ranges, draw, raise_all, seeds, upper
from ncs.simulate.contamination import Contamination, contaminate
from ncs.simulate.truth import Truth, first_sign_ms

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Cmap", "SimulatedSweeps", "Snap", "cmap", "nothing", "snap"]

FloatArray = NDArray[np.float64]
StimulusTime: TypeAlias = float | tuple[float, float] | NDArray[np.float64]

_CHUNK = 128
_SOONEST_MS = 0.1
ENTRANCE_MM = {"antidromic": (0.0, 5.0), "orthodromic": (35.0, 45.0)}
CLEAN = Contamination()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cmap:
    """A compound muscle action potential: what is drawn for every sweep.

    A field of type ``Range`` is a number, or ``(low, high)`` drawn uniformly for every sweep (``amplitude_uv``
    uniformly in the logarithm).

    Parameters
    ----------
    amplitude_uv
        Baseline to the (largest) negative peak.
    onset_ms
        True onset after the stimulus; met exactly, unless an initial positivity would then begin before the stimulus:
        such a response comes as early as it can.
    n_units
        Number of motor units.
    latency_spread_ms
        From the first unit's arrival to the last one's.
    size_spread
        Standard deviation of the logarithm of the units' sizes.
    two_peaked
        Whether a part of the units forms a second cluster that arrives later.
    second_cluster_share, second_cluster_delay_ms
        That part, and how much later it arrives.
    initial_positivity
        Whether the active electrode lies several millimetres off the end-plates, so that a positive dip comes first.
    """

    amplitude_uv: Range = 8000.0
    onset_ms: Range = (2.5, 8.0)
    n_units: Range = (8, 200)
    latency_spread_ms: Range = (0.6, 4.0)
    size_spread: Range = (0.3, 0.8)
    two_peaked: bool = False
    second_cluster_share: Range = (0.3, 0.65)
    second_cluster_delay_ms: Range = (4.5, 8.0)
    initial_positivity: bool = False

    def __post_init__(self) -> None:
        least = {
            "amplitude_uv": 1e-6, "onset_ms": 0.0, "n_units": 1, "latency_spread_ms": 0.0, "size_spread": 0.0,
            "second_cluster_share": 0.0, "second_cluster_delay_ms": 0.0,
        }  # fmt: skip
        most = {
            "n_units": 5000.0, "latency_spread_ms": 100.0, "size_spread": 3.0, "second_cluster_share": 1.0,
            "second_cluster_delay_ms": 100.0,
        }  # fmt: skip
        raise_all(check_ranges(self, least=least, most=most))


@dataclass(frozen=True, slots=True, kw_only=True)
class Snap:
    """A sensory nerve action potential: what is drawn for every sweep; ranges as in `Cmap`.

    Parameters
    ----------
    amplitude_uv
        Baseline to the negative peak.
    onset_ms
        True onset after the stimulus; met as in `Cmap`.
    n_fibres
        Number of groups of nerve fibres.
    latency_spread_ms
        From the fastest group's arrival to the slowest one's.
    size_spread
        Standard deviation of the logarithm of the groups' sizes.
    direction
        ``"antidromic"``: recorded from a finger, with little or no initial positivity; ``"orthodromic"``: recorded
        over a nerve trunk, with a clear positive peak first.
    """

    amplitude_uv: Range = (8.0, 60.0)
    onset_ms: Range = (1.8, 3.6)
    n_fibres: Range = (60, 300)
    latency_spread_ms: Range = (0.6, 2.0)
    size_spread: Range = (0.3, 0.8)
    direction: Literal["antidromic", "orthodromic"] = "antidromic"

    def __post_init__(self) -> None:
        least = {"amplitude_uv": 1e-6, "onset_ms": 0.0, "n_fibres": 1, "latency_spread_ms": 0.0, "size_spread": 0.0}
        most = {"n_fibres": 5000.0, "latency_spread_ms": 100.0, "size_spread": 3.0}
        faults = check_ranges(self, least=least, most=most)
        if self.direction not in ENTRANCE_MM:
            faults.append(f"direction: expected one of {sorted(ENTRANCE_MM)}, found {self.direction!r}")
        raise_all(faults)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimulatedSweeps:
    """Sweeps and what is true of them.

    Parameters
    ----------
    samples_uv, clean_uv
        With and without everything that was added; shape ``(n_sweeps, n_samples)``, float32, true sign, read-only.
    sampling_rate_hz
        Samples per second.
    stimulus_ms
        Stated time of the stimulus after sample 0, shape ``(n_sweeps,)``.
    trigger_error_ms
        True minus stated time of the stimulus, shape ``(n_sweeps,)``.
    truth
        The true marks, after the true stimulus. A mark made after the stated stimulus is to be compared with
        ``truth.onset_ms + trigger_error_ms``.
    """

    samples_uv: SampleArray
    clean_uv: SampleArray
    sampling_rate_hz: float
    stimulus_ms: FloatArray
    trigger_error_ms: FloatArray
    truth: Truth

    def __post_init__(self) -> None:
        for name in ("stimulus_ms", "trigger_error_ms"):
            getattr(self, name).flags.writeable = False

    def __len__(self) -> int:
        return int(self.samples_uv.shape[0])


def cmap(
    n_sweeps: int,
    *,
    seed: Seed,
    sampling_rate_hz: float = 20_000.0,
    duration_ms: float = 50.0,
    stimulus_ms: StimulusTime = 3.0,
    response: Cmap | None = None,
    contamination: Contamination = CLEAN,
    population: Population = "train",
) -> SimulatedSweeps:
    """Simulate compound muscle action potentials.

    Parameters
    ----------
    n_sweeps
        Number of sweeps; each is another muscle, another nerve.
    seed
        The same seed gives the same sweeps. Response, stimulus times and every contaminant have random numbers of
        their own: changing one leaves the others as they were.
    sampling_rate_hz
        Samples per second. Samples are taken from a continuous waveform; its truth does not depend on the rate.
    duration_ms
        Length of a sweep.
    stimulus_ms
        Time of the stimulus after sample 0: a number, a tuple ``(low, high)`` to draw from, or an array of shape
        ``(n_sweeps,)``; may be negative.
    response
        What the responses are like; default ``Cmap()``.
    contamination
        What is added to them; default nothing.
    population
        ``"train"`` or ``"test"``: two different ranges of physiology.

    Returns
    -------
    SimulatedSweeps
        Samples in microvolts, true sign.

    Raises
    ------
    InvalidInputError
        When an argument is out of its limits.

    Examples
    --------
    >>> sweeps = cmap(2, seed=1, response=Cmap(amplitude_uv=5000.0, onset_ms=3.5))
    >>> sweeps.samples_uv.shape, round(float(sweeps.clean_uv.min()), -1)
    ((2, 1000), -5000.0)
    >>> sweeps.truth.onset_ms.round(6)
    array([3.5, 3.5])
    """
    r = Cmap() if response is None else response
    _check_population(population)
    bank = muscle_bank(population, initial_positivity=r.initial_positivity)
    return _sweeps(
        n_sweeps, seed=seed, sampling_rate_hz=sampling_rate_hz, duration_ms=duration_ms, stimulus_ms=stimulus_ms,
        contamination=contamination,
        evoked=lambda rng, n: add_up(bank, motor_units(rng, n, bank, r, population)),
        onset_ms=r.onset_ms, amplitude_uv=r.amplitude_uv,
    )  # fmt: skip


def snap(
    n_sweeps: int,
    *,
    seed: Seed,
    sampling_rate_hz: float = 20_000.0,
    duration_ms: float = 20.0,
    stimulus_ms: StimulusTime = 2.0,
    response: Snap | None = None,
    contamination: Contamination = CLEAN,
    population: Population = "train",
) -> SimulatedSweeps:
    """Simulate sensory nerve action potentials.

    Parameters
    ----------
    n_sweeps, seed, sampling_rate_hz, duration_ms, stimulus_ms, contamination, population
        As in `cmap`.
    response
        What the responses are like; default ``Snap()``.

    Returns
    -------
    SimulatedSweeps
        Samples in microvolts, true sign.

    Raises
    ------
    InvalidInputError
        When an argument is out of its limits.

    Examples
    --------
    >>> sweeps = snap(3, seed=1, response=Snap(amplitude_uv=20.0))
    >>> sweeps.truth.peak_uv.round(6)
    array([20., 20., 20.])
    """
    r = Snap() if response is None else response
    _check_population(population)
    bank = nerve_bank(population, ENTRANCE_MM[r.direction])
    return _sweeps(
        n_sweeps, seed=seed, sampling_rate_hz=sampling_rate_hz, duration_ms=duration_ms, stimulus_ms=stimulus_ms,
        contamination=contamination,
        evoked=lambda rng, n: add_up(bank, nerve_fibres(rng, n, bank, r, population)),
        onset_ms=r.onset_ms, amplitude_uv=r.amplitude_uv,
    )  # fmt: skip


def nothing(
    n_sweeps: int,
    *,
    seed: Seed,
    sampling_rate_hz: float = 20_000.0,
    duration_ms: float = 50.0,
    stimulus_ms: StimulusTime = 3.0,
    contamination: Contamination = CLEAN,
) -> SimulatedSweeps:
    """Simulate sweeps without any response: only what ``contamination`` adds.

    Parameters
    ----------
    n_sweeps, seed, sampling_rate_hz, duration_ms, stimulus_ms, contamination
        As in `cmap`.

    Returns
    -------
    SimulatedSweeps
        Its truth has ``has_response`` False and NaN everywhere else.

    Raises
    ------
    InvalidInputError
        When an argument is out of its limits.
    """
    return _sweeps(
        n_sweeps, seed=seed, sampling_rate_hz=sampling_rate_hz, duration_ms=duration_ms, stimulus_ms=stimulus_ms,
        contamination=contamination,
        evoked=None, onset_ms=1.0, amplitude_uv=1.0,
    )  # fmt: skip


def motor_units(rng: np.random.Generator, n: int, bank: Bank, r: Cmap, population: Population) -> Units:
    """Draw the motor units of ``n`` sweeps."""
    count = _counts(rng, n, r.n_units)
    spread = draw(rng, r.latency_spread_ms, n)[:, np.newaxis]
    size_spread = draw(rng, r.size_spread, n)[:, np.newaxis]
    share = draw(rng, r.second_cluster_share, n)
    later = draw(rng, r.second_cluster_delay_ms, n)[:, np.newaxis]
    present, order = _arrivals(rng, count, int(upper(r.n_units)), population)
    index = np.arange(present.shape[1])
    delay = spread * order
    if r.two_peaked:
        delay = delay + np.where(index < np.round(share * count)[:, np.newaxis], later, 0.0)
    return Units(
        body=rng.integers(bank.n_bodies, size=n),
        shape=rng.integers(bank.n_shapes, size=present.shape),
        weight=np.exp(size_spread * rng.standard_normal(present.shape)) * present,
        delay_ms=np.where(present, delay, 0.0),
    )


def nerve_fibres(rng: np.random.Generator, n: int, bank: Bank, r: Snap, population: Population) -> Units:
    """Draw the groups of nerve fibres of ``n`` sweeps; a late group has the potential of a slow fibre."""
    count = _counts(rng, n, r.n_fibres)
    spread = draw(rng, r.latency_spread_ms, n)[:, np.newaxis]
    size_spread = draw(rng, r.size_spread, n)[:, np.newaxis]
    present, order = _arrivals(rng, count, int(upper(r.n_fibres)), population)
    slowness = np.minimum((order * bank.n_shapes).astype(np.intp), bank.n_shapes - 1)
    return Units(
        body=rng.integers(bank.n_bodies, size=n),
        shape=np.where(present, slowness, 0),
        weight=np.exp(size_spread * rng.standard_normal(present.shape)) * present,
        delay_ms=np.where(present, spread * order, 0.0),
    )


def _counts(rng: np.random.Generator, n: int, how_many: Range) -> NDArray[np.intp]:
    return np.maximum(np.round(draw(rng, how_many, n)), 1).astype(np.intp)


def _arrivals(
    rng: np.random.Generator, count: NDArray[np.intp], most: int, population: Population
) -> tuple[NDArray[np.bool_], FloatArray]:
    """Return which units exist, and the order of their arrivals scaled to 0 (the first) … 1 (the last)."""
    n = count.size
    low, high = ((2.0, 2.0), (2.5, 3.5)) if population == "train" else ((1.2, 3.0), (1.5, 5.0))
    first, second = rng.uniform(*low, n)[:, np.newaxis], rng.uniform(*high, n)[:, np.newaxis]
    drawn = rng.beta(first, second, (n, most))
    present = np.arange(most) < count[:, np.newaxis]
    earliest = np.where(present, drawn, np.inf).min(axis=1, keepdims=True)
    latest = np.where(present, drawn, -np.inf).max(axis=1, keepdims=True)
    width = np.where(latest > earliest, latest - earliest, 1.0)
    return present, np.clip((drawn - earliest) / width, 0.0, 1.0)


def place(
    fine: FineResponse,
    truth: Truth,
    *,
    onset_ms: FloatArray,
    stimulus_ms: FloatArray,
    sampling_rate_hz: float,
    n_samples: int,
) -> tuple[FloatArray, Truth]:
    """Return sweeps in which every response has the wanted onset, and their truth after the stimulus.

    No response begins before the stimulus.
    """
    shift = np.maximum(onset_ms - truth.onset_ms, _SOONEST_MS - first_sign_ms(fine))
    rows = np.arange(shift.size)[:, np.newaxis]
    per_ms = sampling_rate_hz / 1e3
    first = np.floor((stimulus_ms + shift + fine.start_ms) * per_ms).astype(np.intp)[:, np.newaxis]
    columns = first + np.arange(int(np.ceil((fine.end_ms - fine.start_ms) * per_ms)) + 2)
    values = read_at(fine, columns / per_ms - (stimulus_ms + shift)[:, np.newaxis])
    inside = (columns >= 0) & (columns < n_samples)
    samples = np.zeros((shift.size, n_samples))
    samples[np.broadcast_to(rows, columns.shape)[inside], columns[inside]] = values[inside]
    return samples, truth.moved(shift)


def _sweeps(
    n_sweeps: int,
    *,
    seed: Seed,
    sampling_rate_hz: float,
    duration_ms: float,
    stimulus_ms: StimulusTime,
    contamination: Contamination,
    evoked: Callable[[np.random.Generator, int], FineResponse] | None,
    onset_ms: Range,
    amplitude_uv: Range,
) -> SimulatedSweeps:
    n_samples = _checked_length(n_sweeps, sampling_rate_hz, duration_ms)
    seed_times, seed_error, seed_marks, seed_units, seed_added = seeds(seed, 5)
    stated = _stimulus_times(stimulus_ms, n_sweeps, seed_times)
    error = draw(np.random.default_rng(seed_error), contamination.trigger_error_ms, n_sweeps)
    for_marks, for_units = np.random.default_rng(seed_marks), np.random.default_rng(seed_units)
    onset = draw(for_marks, onset_ms, n_sweeps)
    amplitude = draw(for_marks, amplitude_uv, n_sweeps, logarithmic=True)
    clean = np.zeros((n_sweeps, n_samples), np.float32)
    samples = np.zeros((n_sweeps, n_samples), np.float32)
    truths: list[Truth] = []
    starts = range(0, n_sweeps, _CHUNK)
    for start, seed_chunk in zip(starts, seeds(seed_added, len(starts)), strict=True):
        part = slice(start, min(start + _CHUNK, n_sweeps))
        n = part.stop - part.start
        stimulus = (stated + error)[part]
        exact = np.zeros((n, n_samples))
        if evoked is None:
            truths.append(Truth.absent(n))
        else:
            fine = evoked(for_units, n)
            truth = Truth.of(fine)
            factor = amplitude[part] / truth.peak_uv
            exact, placed = place(
                fine.scaled(factor), truth.scaled(factor), onset_ms=onset[part], stimulus_ms=stimulus,
                sampling_rate_hz=sampling_rate_hz, n_samples=n_samples,
            )  # fmt: skip
            truths.append(placed)
        clean[part] = exact
        samples[part] = contaminate(
            exact, sampling_rate_hz=sampling_rate_hz, stimulus_ms=stimulus, contamination=contamination,
            seed=seed_chunk,
        )  # fmt: skip
    return SimulatedSweeps(
        samples_uv=readonly_samples(samples),
        clean_uv=readonly_samples(clean),
        sampling_rate_hz=float(sampling_rate_hz),
        stimulus_ms=stated,
        trigger_error_ms=error,
        truth=Truth.concatenated(truths),
    )


def _checked_length(n_sweeps: int, sampling_rate_hz: float, duration_ms: float) -> int:
    faults = []
    if not n_sweeps >= 1:
        faults.append(f"n_sweeps: expected at least 1, found {n_sweeps!r}")
    if not 0 < sampling_rate_hz < np.inf:
        faults.append(f"sampling_rate_hz: expected more than 0, found {sampling_rate_hz!r}")
    elif not 1 <= duration_ms * sampling_rate_hz / 1e3 < np.inf:
        faults.append(f"duration_ms: expected at least one sample, found {duration_ms!r}")
    raise_all(faults)
    return round(duration_ms * sampling_rate_hz / 1e3)


def _stimulus_times(stimulus_ms: StimulusTime, n_sweeps: int, seed: int) -> FloatArray:
    if isinstance(stimulus_ms, np.ndarray) and stimulus_ms.ndim > 0:
        if stimulus_ms.shape != (n_sweeps,) or not np.isfinite(stimulus_ms).all():
            raise InvalidInputError(
                f"stimulus_ms: expected {n_sweeps} finite numbers, found an array of shape {stimulus_ms.shape}"
            )
        return stimulus_ms.astype(np.float64)
    value = stimulus_ms if isinstance(stimulus_ms, tuple) else float(stimulus_ms)
    return draw(np.random.default_rng(seed), value, n_sweeps)


def _check_population(population: str) -> None:
    if population not in ("train", "test"):
        raise InvalidInputError(f"population: expected 'train' or 'test', found {population!r}")
