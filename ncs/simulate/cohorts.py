"""Whole cohorts with known truth: what is planned, plus what differs between two sessions with the same nerve.

Who is examined when, and what is true of them, stands in ``cohort_plan``; what the nerves are like, here.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ncs.errors import InvalidInputError
from ncs.simulate._ranges import Seed, entropy
from ncs.simulate.cohort_plan import PUBLISHED_SUMMARY, UNITS, UPPER_LIMITS, SubjectPlan, VisitPlan
from ncs.simulate.nerves import MOTOR_RECORDING, SENSORY_RECORDING, MotorNerve, Recording, SensoryNerve
from ncs.simulate.studies import visit
from ncs.simulate.study_truth import SegmentTruth, StudyTruth, VisitTruth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncs.model import Study, Visit

__all__ = ["CovariateValue", "SimulatedCohort", "SimulatedVisit", "cohort"]

_HEALTHY_M_S = 56.0
_WARM_C = 33.4
_PERCENT_PER_DEGREE = 3.5
"""Change of a conduction velocity with skin temperature: 2 m/s per degree of a healthy nerve's 57 m/s."""
_AMPLITUDE_TO_VELOCITY = 10.0 / 3.0
"""Ratio of the coefficients of variation of CMAP amplitude and MCV in Muscle Nerve 1998;21:1368."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CovariateValue:
    """One value of one day as a laboratory states it; ``value`` is text, such as ``"<15"``."""

    subject: str
    date: dt.date
    name: str
    value: str
    unit: str
    upper_limit: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimulatedVisit:
    """One visit of a cohort.

    Parameters
    ----------
    visit, truth
        What was recorded, and what flawless marks would give with the distances stated there.
    plan
        What was planned; its velocity lacks what the session added.
    number
        1 for the subject's first visit.
    """

    visit: Visit
    truth: VisitTruth
    plan: VisitPlan
    number: int

    @property
    def true_velocity_m_s(self) -> float | None:
        """Motor conduction velocity of the median nerve that flawless marks would give; ``None`` without response."""
        return self.truth.studies[0].true_velocity_m_s


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimulatedCohort:
    """A simulated cohort: visits by subject, then by date, and the covariates in the same order."""

    plan: tuple[SubjectPlan, ...]
    visits: tuple[SimulatedVisit, ...]
    covariates: tuple[CovariateValue, ...]


def cohort(
    plan: Sequence[SubjectPlan] = PUBLISHED_SUMMARY, *, seed: Seed, session_cv_percent: float = 1.0
) -> SimulatedCohort:
    """Simulate a cohort over all its visits: nobody was examined.

    The slower a nerve, the longer its distal latency, the smaller and the more dispersed its response, as where myelin
    is lost. Every session differs from every other one of the same nerve in three independent ways of equal size: the
    tape measure, the temperature of the limb, and the place of the electrodes. Noise and artefacts come on top.

    Parameters
    ----------
    plan
        Subjects and their visits; default nine subjects modelled on a published summary.
    seed
        The same seed gives the same samples.
    session_cv_percent
        Coefficient of variation of the motor conduction velocity between sessions with an unchanged nerve. The
        default is that of one careful examiner, made up, and small beside the planned changes, so that these decide who
        changes; 3 is what a core laboratory of 60 sites found (Muscle Nerve 1998;21:1368).

    Raises
    ------
    InvalidInputError
        When the seed or the coefficient of variation is out of its limits, or two subjects have the same code.

    Examples
    --------
    >>> simulated = cohort(seed=1)
    >>> len(simulated.plan), len(simulated.visits)
    (9, 35)
    >>> simulated.covariates[0].name, simulated.covariates[0].value, simulated.covariates[0].unit
    ('VEGF', '1420', 'pg/mL')
    """
    if not 0.0 <= session_cv_percent <= 10.0:
        raise InvalidInputError(f"session_cv_percent: expected 0 to 10, found {session_cv_percent!r}")
    codes = [subject.subject for subject in plan]
    if len(set(codes)) < len(codes):
        raise InvalidInputError(f"plan: expected every subject once, found {', '.join(codes)}")
    of_cohort = entropy(seed)
    sessions = [
        (subject, number, planned, (*of_cohort, index, number))
        for index, subject in enumerate(plan)
        for number, planned in enumerate(subject.visits, 1)
    ]
    anatomies = {
        subject.subject: (*of_cohort, index) if subject.anatomy is None else (subject.anatomy,)
        for index, subject in enumerate(plan)
    }
    return SimulatedCohort(
        plan=tuple(plan),
        visits=tuple(
            _examine(
                subject, number, planned, seed=own, anatomy=anatomies[subject.subject], cv=session_cv_percent / 100
            )
            for subject, number, planned, own in sessions
        ),
        covariates=tuple(row for subject, _, planned, _ in sessions for row in _covariates(subject, planned)),
    )


def _date(subject: SubjectPlan, planned: VisitPlan) -> dt.date:
    return subject.first_visit + dt.timedelta(days=planned.day)


def _covariates(subject: SubjectPlan, planned: VisitPlan) -> list[CovariateValue]:
    return [
        CovariateValue(
            subject=subject.subject,
            date=_date(subject, planned),
            name=name,
            value=value,
            unit=UNITS.get(name, ""),
            upper_limit=UPPER_LIMITS.get(name),
        )
        for name, value in planned.covariates.items()
    ]


def _examine(
    subject: SubjectPlan,
    number: int,
    planned: VisitPlan,
    *,
    seed: tuple[int, ...],
    anatomy: tuple[int, ...],
    cv: float,
) -> SimulatedVisit:
    rng = np.random.default_rng(seed)
    warmth, electrodes, size, *tape = (float(deviate) for deviate in rng.normal(size=5))
    part = cv / math.sqrt(3.0)

    def in_session(recording: Recording) -> Recording:
        return replace(
            recording,
            latency_scale=1.0 / (1.0 + part * (warmth + electrodes)),
            amplitude_scale=math.exp(_AMPLITUDE_TO_VELOCITY * cv * size),
            skin_temperature_c=round(_WARM_C + 100.0 * part * warmth / _PERCENT_PER_DEGREE, 1),
        )

    motor, sensory = _nerves(subject, planned)
    examined, truth = visit(
        subject.subject,
        _date(subject, planned),
        seed=seed,
        anatomy=anatomy,
        motor=motor,
        sensory=sensory,
        motor_recording=in_session(MOTOR_RECORDING),
        sensory_recording=in_session(SENSORY_RECORDING),
    )
    errors = [*(1.0 + part * error for error in tape[: len(motor)]), *(1.0 for _ in sensory)]
    taped = [_taped(*pair) for pair in zip(examined.studies, truth.studies, errors, strict=True)]
    return SimulatedVisit(
        visit=replace(examined, studies=tuple(study for study, _ in taped)),
        truth=VisitTruth(studies=tuple(study for _, study in taped)),
        plan=planned,
        number=number,
    )


def _nerves(subject: SubjectPlan, planned: VisitPlan) -> tuple[list[MotorNerve], list[SensoryNerve]]:
    """Return the nerves of a visit, motor first and the median nerve first of all."""
    health = planned.velocity_m_s / _HEALTHY_M_S
    size = health**1.5 * subject.strength
    median = MotorNerve(
        velocity_m_s=planned.velocity_m_s,
        distal_latency_ms=round(3.4 / health, 2),
        segment_mm=subject.segment_mm if planned.segment_mm is None else planned.segment_mm,
        amplitude_uv=round(9000.0 * size) if planned.has_motor_response else 0.0,
        velocity_spread=0.15 + 0.25 * max(1.0 - health, 0.0) + subject.dispersion,
    )
    if subject.only_median_motor:
        return [median], []
    ulnar = replace(
        median,
        nerve="ulnar",
        velocity_m_s=round(1.06 * planned.velocity_m_s, 1),
        distal_latency_ms=round(2.7 / health, 2),
        segment_mm=round(0.95 * subject.segment_mm),
        amplitude_uv=round(8000.0 * size),
    )
    sensory = SensoryNerve(
        velocity_m_s=round(57.0 * health**0.8, 1),
        amplitude_uv=round(35.0 * size, 1) if planned.has_sensory_response else 0.0,
    )
    return [median, ulnar], [sensory]


def _taped(study: Study, truth: StudyTruth, factor: float) -> tuple[Study, StudyTruth]:
    """Return a study whose segments are stated as a tape that is wrong by a factor has them, in whole millimetres."""
    if factor == 1.0:
        return study, truth
    lengths = [float(round(segment.distance_mm * factor)) for segment in truth.segments]
    distances = [float(d) for d in np.cumsum([truth.sites[0].distance_mm, *lengths])]
    sites = [replace(site, distance_mm=d) for site, d in zip(truth.sites, distances, strict=True)]
    traces = [replace(trace, distance_mm=d) for trace, d in zip(study.traces, distances, strict=True)]
    segments = [_restated(segment, length) for segment, length in zip(truth.segments, lengths, strict=True)]
    return replace(study, traces=tuple(traces)), StudyTruth(sites=tuple(sites), segments=tuple(segments))


def _restated(segment: SegmentTruth, length_mm: float) -> SegmentTruth:
    known = segment.true_velocity_m_s
    velocity = None if known is None else known * length_mm / segment.distance_mm
    return replace(segment, distance_mm=length_mm, true_velocity_m_s=velocity)
