"""Whole studies and visits with known truth, as ``ncs.model`` nouns.

What a nerve is like and how it is recorded stands in ``nerves``; how its response changes along it, in ``_nerves``.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ncs.model import (
    Filters,
    Origin,
    Provenance,
    Side,
    Stimulus,
    Study,
    Subject,
    Technique,
    Trace,
    Visit,
    readonly_samples,
)
from ncs.simulate._bank import Population, muscle_bank, nerve_bank
from ncs.simulate._nerves import Leg, SiteResponse, respond
from ncs.simulate._ranges import Seed, draw, entropy, seeds
from ncs.simulate.contamination import contaminate
from ncs.simulate.nerves import (
    MOTOR_RECORDING,
    MOTOR_SITES,
    SENSORY_RECORDING,
    SENSORY_SITES,
    MotorNerve,
    Recording,
    SensoryNerve,
    places,
)
from ncs.simulate.study_truth import SegmentTruth, SiteTruth, StudyTruth, VisitTruth
from ncs.simulate.sweeps import ENTRANCE_MM, Cmap, Snap, motor_units, nerve_fibres, place

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

__all__ = ["motor_study", "sensory_study", "visit"]

FloatArray = NDArray[np.float64]


def motor_study(
    nerve: MotorNerve | None = None,
    *,
    seed: Seed,
    anatomy: Seed | None = None,
    recording: Recording = MOTOR_RECORDING,
    population: Population = "train",
    **changes: Any,
) -> tuple[Study, StudyTruth]:
    """Simulate a motor nerve conduction study.

    Parameters
    ----------
    nerve
        The nerve; default ``MotorNerve()``, a healthy median nerve.
    seed
        The same seed gives the same samples.
    anatomy
        Seed of muscle and motor units; default ``seed``. The same in every visit of a subject, it keeps the shape of
        the responses while noise and artefacts change.
    recording
        How it is recorded.
    population
        As in `cmap`.
    **changes
        Fields of `MotorNerve` that replace those of ``nerve``.

    Returns
    -------
    Study, StudyTruth
        Traces distal first, and what is true of them.

    Raises
    ------
    InvalidInputError
        When a parameter is out of its limits.

    Examples
    --------
    >>> study, truth = motor_study(velocity_m_s=38.0, distal_latency_ms=4.9, seed=1)
    >>> [trace.stimulation_site for trace in study.traces], round(truth.true_velocity_m_s, 6)
    (['wrist', 'elbow'], 38.0)
    """
    m = replace(nerve or MotorNerve(), **changes)
    recording_site, sites, lengths = places(m, MOTOR_SITES)
    responses = _motor_responses(m, tuple(entropy(seed if anatomy is None else anatomy)), population)
    velocities = (m.velocity_m_s, *m.further_velocities_m_s)
    distances = m.distal_distance_mm + np.cumsum([0.0, *lengths])
    traces, truths = _traces(
        responses, sites=sites, distances_mm=distances, side=m.side, recording=recording, seed=seed,
        words=(m.nerve, m.side, "motor"),
    )  # fmt: skip
    segments = _segments(truths, velocities)
    study = _study(traces, m, technique=Technique.MOTOR, recording_site=recording_site, recording=recording)
    return study, StudyTruth(sites=truths, segments=segments)


def sensory_study(
    nerve: SensoryNerve | None = None,
    *,
    seed: Seed,
    anatomy: Seed | None = None,
    recording: Recording = SENSORY_RECORDING,
    population: Population = "train",
    **changes: Any,
) -> tuple[Study, StudyTruth]:
    """Simulate a sensory nerve conduction study.

    Parameters
    ----------
    nerve
        The nerve; default ``SensoryNerve()``, a healthy median nerve, antidromic from finger II.
    seed, anatomy, recording, population
        As in `motor_study`.
    **changes
        Fields of `SensoryNerve` that replace those of ``nerve``.

    Returns
    -------
    Study, StudyTruth
        Traces distal first, and what is true of them; the first segment runs from the recording electrode to the
        distal stimulation site.

    Raises
    ------
    InvalidInputError
        When a parameter is out of its limits.

    Examples
    --------
    >>> study, truth = sensory_study(velocity_m_s=50.0, distance_mm=140.0, seed=1)
    >>> float(truth.sites[0].marks.onset_ms[0].round(9))
    2.8
    """
    s = replace(nerve or SensoryNerve(), **changes)
    recording_site, sites, lengths = places(s, SENSORY_SITES)
    bank = nerve_bank(population, ENTRANCE_MM[s.direction])
    for_units, for_order = _anatomy(seed if anatomy is None else anatomy, s.nerve, s.side, "sensory")
    latency = s.distance_mm / s.velocity_m_s
    spread = max(s.velocity_spread * latency, 1e-9)
    shape = Snap(n_fibres=s.n_fibres, latency_spread_ms=spread, size_spread=s.size_spread, direction=s.direction)
    units = nerve_fibres(for_units, 1, bank, shape, population)
    responses = respond(
        bank, units, slowness=s.velocity_spread * units.delay_ms / spread, amplitude_uv=s.amplitude_uv,
        first_onset_ms=latency,
        legs=[Leg(length_mm=length, velocity_m_s=v)
              for length, v in zip(lengths, s.further_velocities_m_s, strict=True)],
        rng=for_order,
    )  # fmt: skip
    distances = s.distance_mm + np.cumsum([0.0, *lengths])
    traces, truths = _traces(
        responses, sites=sites, distances_mm=distances, side=s.side, recording=recording, seed=seed,
        words=(s.nerve, s.side, "sensory"),
    )  # fmt: skip
    onset = _onset(truths[0])
    first = SegmentTruth(
        distal_site=recording_site, proximal_site=sites[0], distance_mm=s.distance_mm,
        nominal_velocity_m_s=s.velocity_m_s, true_velocity_m_s=None if onset is None else s.distance_mm / onset,
    )  # fmt: skip
    segments = (first, *_segments(truths, s.further_velocities_m_s))
    study = _study(traces, s, technique=Technique.SENSORY, recording_site=recording_site, recording=recording)
    return study, StudyTruth(sites=truths, segments=segments)


def visit(
    subject: Subject | str,
    date: dt.date,
    *,
    seed: Seed,
    anatomy: Seed | None = None,
    motor: Sequence[MotorNerve] = (MotorNerve(),),
    sensory: Sequence[SensoryNerve] = (SensoryNerve(),),
    motor_recording: Recording = MOTOR_RECORDING,
    sensory_recording: Recording = SENSORY_RECORDING,
    covariates: Mapping[str, float | str] | None = None,
    population: Population = "train",
) -> tuple[Visit, VisitTruth]:
    """Simulate one examination of one subject.

    Parameters
    ----------
    subject
        The subject, or its id.
    date
        Date of the examination.
    seed, anatomy, population
        As in `motor_study`; every nerve has random numbers of its own, so adding one leaves the others as they were.
    motor, sensory
        The nerves examined; default the median nerve of the right side, motor and sensory.
    motor_recording, sensory_recording
        How they are recorded.
    covariates
        Of the visit.

    Returns
    -------
    Visit, VisitTruth
        Motor studies first.

    Raises
    ------
    InvalidInputError
        When a parameter is out of its limits.

    Examples
    --------
    >>> import datetime as dt
    >>> examined, truth = visit("P01", dt.date(2020, 5, 4), seed=7)
    >>> [study.technique.value for study in examined.studies]
    ['motor', 'sensory']
    """
    both = [
        motor_study(m, seed=seed, anatomy=anatomy, recording=motor_recording, population=population) for m in motor
    ] + [
        sensory_study(s, seed=seed, anatomy=anatomy, recording=sensory_recording, population=population)
        for s in sensory
    ]
    examined = Visit(
        subject=subject if isinstance(subject, Subject) else Subject(id=subject),
        date=date,
        studies=tuple(study for study, _ in both),
        covariates=dict(covariates or {}),
        provenance=Provenance(subject=Origin.FILE, date=Origin.FILE),
    )
    return examined, VisitTruth(studies=tuple(truth for _, truth in both))


@lru_cache(maxsize=256)
def _motor_responses(m: MotorNerve, anatomy: tuple[int, ...], population: Population) -> tuple[SiteResponse, ...]:
    """Return the noise-free responses of a nerve, which are the same whenever it is examined."""
    _, _, lengths = places(m, MOTOR_SITES)
    bank = muscle_bank(population, initial_positivity=m.initial_positivity)
    for_units, for_order = _anatomy(anatomy, m.nerve, m.side, "motor")
    shape = Cmap(n_units=m.n_units, latency_spread_ms=m.latency_spread_ms, size_spread=m.size_spread)
    units = motor_units(for_units, 1, bank, shape, population)
    latest = max(float(units.delay_ms.max()), 1e-9)
    slowness = m.velocity_spread * (0.6 * units.delay_ms / latest + 0.4 * for_order.random(units.delay_ms.shape))
    velocities = (m.velocity_m_s, *m.further_velocities_m_s)
    blocked = (m.blocked_fraction, *(m.further_blocked_fractions or (0.0 for _ in m.further_velocities_m_s)))
    return respond(
        bank, units, slowness=slowness, amplitude_uv=m.amplitude_uv, first_onset_ms=m.distal_latency_ms,
        legs=[Leg(length_mm=length, velocity_m_s=v, blocked_fraction=b)
              for length, v, b in zip(lengths, velocities, blocked, strict=True)],
        rng=for_order,
    )  # fmt: skip


def _anatomy(seed: Seed, *words: str) -> tuple[np.random.Generator, np.random.Generator]:
    """Return the random numbers of a nerve: its units, and what happens to them on the way."""
    first, second = seeds(entropy(seed, "anatomy", *words), 2)
    return np.random.default_rng(first), np.random.default_rng(second)


def _traces(
    responses: Sequence[SiteResponse],
    *,
    sites: Sequence[str],
    distances_mm: FloatArray,
    side: Side,
    recording: Recording,
    seed: Seed,
    words: tuple[str, ...],
) -> tuple[tuple[Trace, ...], tuple[SiteTruth, ...]]:
    r = recording
    n_samples = round(r.duration_ms * r.sampling_rate_hz / 1e3)
    traces, truths = [], []
    seeds_added = seeds(entropy(seed, "recording", *words), len(sites))
    errors = draw(np.random.default_rng(entropy(seed, "trigger", *words)), r.contamination.trigger_error_ms, len(sites))
    for response, site, distance, seed_added, error in zip(
        responses, sites, distances_mm, seeds_added, errors, strict=True
    ):
        stimulus = np.full(1, r.stimulus_ms + error)
        clean, marks = np.zeros((1, n_samples)), response.truth
        if response.fine is not None:
            onset, size = np.full(1, response.onset_ms * r.latency_scale), np.full(1, r.amplitude_scale)
            clean, marks = place(
                response.fine.scaled(size), response.truth.scaled(size), onset_ms=onset, stimulus_ms=stimulus,
                sampling_rate_hz=r.sampling_rate_hz, n_samples=n_samples,
            )  # fmt: skip
        samples = contaminate(
            np.repeat(clean, r.n_sweeps, axis=0), sampling_rate_hz=r.sampling_rate_hz,
            stimulus_ms=np.repeat(stimulus, r.n_sweeps), contamination=r.contamination, seed=seed_added,
        )  # fmt: skip
        truths.append(
            SiteTruth(stimulation_site=site, distance_mm=float(distance), marks=marks, trigger_error_ms=float(error))
        )
        traces.append(_trace(samples, site, float(distance), side, r))
    return tuple(traces), tuple(truths)


def _trace(samples: FloatArray, site: str, distance_mm: float, side: Side, r: Recording) -> Trace:
    known = ("stimulation_site", "distance_mm", "stimulus_ms", "sampling_rate_hz", "unit", "stimulus", "filters")
    return Trace(
        samples_uv=readonly_samples(samples.astype(np.float32)),
        sampling_rate_hz=r.sampling_rate_hz,
        stimulus_ms=np.full(r.n_sweeps, r.stimulus_ms),
        stimulation_site=site,
        distance_mm=distance_mm,
        stimulus=Stimulus(
            intensity_ma=np.full(r.n_sweeps, r.intensity_ma),
            duration_ms=r.stimulus_duration_ms,
            label=f"Stimulus {side.value} {site}",
        ),
        filters=Filters(low_cut_hz=r.contamination.low_cut_hz, high_cut_hz=r.contamination.high_cut_hz),
        averaged_count=r.averaged_count,
        provenance=Provenance(dict.fromkeys(known, Origin.FILE)),
    )


def _study(
    traces: tuple[Trace, ...],
    nerve: MotorNerve | SensoryNerve,
    *,
    technique: Technique,
    recording_site: str,
    recording: Recording,
) -> Study:
    known = ["nerve", "side", "technique", "recording_site"]
    if recording.skin_temperature_c is not None:
        known.append("skin_temperature_c")
    return Study(
        traces=traces,
        nerve=nerve.nerve,
        side=nerve.side,
        technique=technique,
        recording_site=recording_site,
        skin_temperature_c=recording.skin_temperature_c,
        provenance=Provenance(dict.fromkeys(known, Origin.FILE)),
    )


def _onset(site: SiteTruth) -> float | None:
    return float(site.marks.onset_ms[0]) if bool(site.marks.has_response[0]) else None


def _segments(sites: Sequence[SiteTruth], velocities: Sequence[float]) -> tuple[SegmentTruth, ...]:
    """Return the segments between neighbouring stimulation sites."""
    segments = []
    for near, far, nominal in zip(sites[:-1], sites[1:], velocities, strict=True):
        early, late = _onset(near), _onset(far)
        length = far.distance_mm - near.distance_mm
        segments.append(
            SegmentTruth(
                distal_site=near.stimulation_site,
                proximal_site=far.stimulation_site,
                distance_mm=length,
                nominal_velocity_m_s=nominal,
                true_velocity_m_s=None if early is None or late is None else length / (late - early),
            )
        )
    return tuple(segments)
