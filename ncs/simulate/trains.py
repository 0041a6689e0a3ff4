"""Repetitive stimulation with known truth: trains of CMAPs that shrink, recover, grow or merely change their shape.

One muscle, the same units in every response; what transmission does to each unit is a function here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncs.model import Filters, Origin, Provenance, Side, Stimulus, Study, Technique, Trace, readonly_samples
from ncs.simulate._bank import Population, muscle_bank
from ncs.simulate._compose import Units, add_up
from ncs.simulate._ranges import Range, Seed, check_ranges, entropy, raise_all, seeds
from ncs.simulate.contamination import contaminate
from ncs.simulate.nerves import MOTOR_RECORDING, Recording
from ncs.simulate.sweeps import Cmap, motor_units, place
from ncs.simulate.truth import Truth

__all__ = ["RepetitiveNerve", "Train", "TrainTruth", "repetitive_study"]

FloatArray = NDArray[np.float64]

_COURSE = (0.0, 0.55, 0.85, 1.0)
"""Share of the whole decrement that the first responses of a slow train have reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Train:
    """One train of stimuli.

    Parameters
    ----------
    condition
        When it was given, as a person would write it: ``"at rest"``, ``"after exercise 30 s"``.
    decrement_percent
        How much of the transmission is lost by the fourth response; negative for facilitation.
    recovery_share
        Share of it that has come back by the last response: above 0, the course has the shape of a U.
    first_share
        Transmission at the first response over that of a full response: below 1 in presynaptic failure and in
        exhaustion after exercise.
    synchrony
        How much closer together the units fire at the last response, as a share: amplitude rises, the area does not.
    n_responses, rate_hz
        How many, and how fast.
    """

    condition: str = "at rest"
    decrement_percent: float = 0.0
    recovery_share: float = 0.0
    first_share: float = 1.0
    synchrony: float = 0.0
    n_responses: int = 10
    rate_hz: float = 3.0

    def __post_init__(self) -> None:
        least = {
            "decrement_percent": -900.0, "recovery_share": 0.0, "first_share": 0.01, "synchrony": 0.0,
            "n_responses": 1, "rate_hz": 0.1,
        }  # fmt: skip
        most = {
            "decrement_percent": 95.0, "recovery_share": 1.0, "first_share": 10.0, "synchrony": 0.9,
            "n_responses": 1000, "rate_hz": 100.0,
        }  # fmt: skip
        raise_all(check_ranges(self, least=least, most=most))

    def loss(self) -> FloatArray:
        """Return what transmission has lost at each response, as a share, shape ``(n_responses,)``."""
        index = np.arange(self.n_responses)
        course = np.interp(index, np.arange(len(_COURSE)), _COURSE)
        late = np.clip((index - len(_COURSE)) / max(self.n_responses - 1 - len(_COURSE), 1), 0.0, 1.0)
        return np.asarray(self.decrement_percent / 100 * course * (1.0 - self.recovery_share * late))


@dataclass(frozen=True, slots=True, kw_only=True)
class RepetitiveNerve:
    """A motor nerve and its muscle under repetitive stimulation.

    Parameters
    ----------
    nerve, side, recording_site, stimulation_site
        Which one, and where.
    amplitude_uv, latency_ms
        Of a full response: its negative peak, and its true onset.
    distance_mm
        From the cathode to the active electrode.
    n_units, latency_spread_ms, size_spread
        As in `MotorNerve`.
    unevenness
        Standard deviation of the logarithm of how strongly transmission to single units is affected: at 0 all shrink
        alike, and the response keeps its shape.
    """

    nerve: str = "ulnar"
    side: Side = Side.RIGHT
    recording_site: str = "ADM"
    stimulation_site: str = "wrist"
    amplitude_uv: float = 9000.0
    latency_ms: float = 2.8
    distance_mm: float = 70.0
    n_units: Range = (100, 200)
    latency_spread_ms: Range = (1.5, 3.0)
    size_spread: Range = (0.4, 0.7)
    unevenness: float = 0.5

    def __post_init__(self) -> None:
        least = {"amplitude_uv": 1e-6, "latency_ms": 0.1, "distance_mm": 0.0, "unevenness": 0.0}
        raise_all(check_ranges(self, least=least, most={"unevenness": 3.0}))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainTruth:
    """What is true of one train; ``marks`` has one element per response."""

    train: Train
    marks: Truth

    @property
    def decrement_percent(self) -> FloatArray:
        """Loss of amplitude of every response against the first, shape ``(n_responses,)``."""
        return _loss_percent(self.marks.peak_uv)

    @property
    def area_decrement_percent(self) -> FloatArray:
        """Loss of area of every response against the first, shape ``(n_responses,)``."""
        return _loss_percent(self.marks.area_uv_ms)


def _loss_percent(sizes: FloatArray) -> FloatArray:
    return np.asarray(100.0 * (sizes[0] - sizes) / sizes[0])


def repetitive_study(
    nerve: RepetitiveNerve | None = None,
    *,
    seed: Seed,
    trains: tuple[Train, ...] = (Train(),),
    recording: Recording = MOTOR_RECORDING,
    population: Population = "train",
    **changes: Any,
) -> tuple[Study, tuple[TrainTruth, ...]]:
    """Simulate a study of repetitive stimulation.

    Parameters
    ----------
    nerve
        Nerve and muscle; default ``RepetitiveNerve()``.
    seed
        The same seed gives the same samples.
    trains
        In the order in which they were given; one trace each. A minute lies between the end of one and the next.
    recording
        How it is recorded; ``n_sweeps`` is not used.
    population
        As in `cmap`.
    **changes
        Fields of `RepetitiveNerve` that replace those of ``nerve``.

    Returns
    -------
    Study, tuple of TrainTruth
        One trace and one truth per train.

    Raises
    ------
    InvalidInputError
        When a parameter is out of its limits.

    Examples
    --------
    >>> study, truth = repetitive_study(seed=1, trains=(Train(decrement_percent=30.0),), unevenness=0.0)
    >>> study.traces[0].n_sweeps, truth[0].decrement_percent.round(1).tolist()[:5]
    (10, [0.0, 16.5, 25.5, 30.0, 30.0])
    """
    m = replace(nerve or RepetitiveNerve(), **changes)
    words = (m.nerve, m.side, "repetitive stimulation")
    for_units, for_weakness = (np.random.default_rng(s) for s in seeds(entropy(seed, "anatomy", *words), 2))
    bank = muscle_bank(population)
    shape = Cmap(n_units=m.n_units, latency_spread_ms=m.latency_spread_ms, size_spread=m.size_spread)
    units = motor_units(for_units, 1, bank, shape, population)
    weakness = np.exp(m.unevenness * for_weakness.standard_normal(units.weight.shape))
    full = Truth.of(add_up(bank, units))
    factor = m.amplitude_uv / float(full.peak_uv[0])
    traces, truths = [], []
    start_s = 1.0
    for train, noise_seed in zip(trains, seeds(entropy(seed, "recording", *words), len(trains)), strict=True):
        fine = add_up(bank, _fired(units, weakness, train))
        marks, size = Truth.of(fine), np.full(train.n_responses, factor)
        onset = m.latency_ms + marks.onset_ms - full.onset_ms[0]
        r = recording
        clean, truth = place(
            fine.scaled(size), marks.scaled(size), onset_ms=onset,
            stimulus_ms=np.full(train.n_responses, r.stimulus_ms), sampling_rate_hz=r.sampling_rate_hz,
            n_samples=round(r.duration_ms * r.sampling_rate_hz / 1e3),
        )  # fmt: skip
        traces.append(_trace(clean, m, train, r, noise_seed, start_s))
        truths.append(TrainTruth(train=train, marks=truth))
        start_s += train.n_responses / train.rate_hz + 60.0
    known = ("nerve", "side", "technique", "recording_site", "skin_temperature_c")
    study = Study(
        traces=tuple(traces),
        nerve=m.nerve,
        side=m.side,
        technique=Technique.REPETITIVE_STIMULATION,
        recording_site=m.recording_site,
        skin_temperature_c=recording.skin_temperature_c,
        provenance=Provenance(dict.fromkeys(known, Origin.FILE)),
    )
    return study, tuple(truths)


def _fired(units: Units, weakness: FloatArray, train: Train) -> Units:
    """Return the units of every response of a train.

    A unit that is ``k`` times as weak as the others loses ``k`` times as much; the strengths are scaled until the sum
    of all units loses what was asked for.
    """
    n = train.n_responses
    weight = units.weight[0]
    lost = train.loss()[:, np.newaxis]
    share = weakness[0] * weight.sum() / (weakness[0] * weight).sum()
    transmitted = np.clip(1.0 - lost * share, 0.0, None)
    whole = transmitted @ weight
    wanted = (1.0 - lost[:, 0]) * weight.sum()
    sizes = train.first_share * weight * transmitted * (wanted / whole)[:, np.newaxis]
    closer = 1.0 - train.synchrony * np.linspace(0.0, 1.0, n) if n > 1 else np.ones(1)
    return Units(
        body=np.repeat(units.body, n),
        shape=np.repeat(units.shape, n, axis=0),
        weight=sizes,
        delay_ms=units.delay_ms * closer[:, np.newaxis],
    )


def _trace(clean: FloatArray, m: RepetitiveNerve, train: Train, r: Recording, seed: int, start_s: float) -> Trace:
    n = train.n_responses
    stimulus = np.full(n, r.stimulus_ms)
    samples = contaminate(
        clean, sampling_rate_hz=r.sampling_rate_hz, stimulus_ms=stimulus, contamination=r.contamination, seed=seed
    )
    known = (
        "stimulation_site", "distance_mm", "stimulus_ms", "elapsed_s", "sampling_rate_hz", "unit", "stimulus", "filters"
    )  # fmt: skip
    return Trace(
        samples_uv=readonly_samples(samples.astype(np.float32)),
        sampling_rate_hz=r.sampling_rate_hz,
        stimulus_ms=stimulus,
        elapsed_s=start_s + np.arange(n) / train.rate_hz,
        stimulation_site=m.stimulation_site,
        distance_mm=m.distance_mm,
        stimulus=Stimulus(
            intensity_ma=np.full(n, r.intensity_ma),
            duration_ms=r.stimulus_duration_ms,
            label=f"Stimulus {m.side.value} {m.stimulation_site}, {train.condition}",
        ),
        filters=Filters(low_cut_hz=r.contamination.low_cut_hz, high_cut_hz=r.contamination.high_cut_hz),
        averaged_count=r.averaged_count,
        provenance=Provenance(dict.fromkeys(known, Origin.FILE)),
    )
