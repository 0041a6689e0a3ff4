"""What a simulated cohort shall be like: who is examined when, and what is true of the nerves and of the blood.

Nobody was examined. ``PUBLISHED_SUMMARY`` is modelled on what the abstract of Kuwabara et al., J Neurol Neurosurg
Psychiatry 2008;79:1255-7, says of nine patients as a group; it prints no value of any patient, so every number in the
tables below is made up. Another study is another tuple of `SubjectPlan`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from ncs.simulate._ranges import raise_all

__all__ = ["PUBLISHED_SUMMARY", "UNITS", "UPPER_LIMITS", "SubjectPlan", "VisitPlan", "steady_plan"]

UNITS: Mapping[str, str] = {"VEGF": "pg/mL", "ONLS": "points", "grip": "kg", "thalidomide": "mg/day"}
"""Unit of every covariate. ONLS is the overall neuropathy limitations scale, 0 (none) to 12."""
UPPER_LIMITS: Mapping[str, float] = {"VEGF": 100.0}
"""Upper limits of normal of a laboratory that does not exist; its assay reads nothing below 15 pg/mL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitPlan:
    """One visit as it shall be.

    Parameters
    ----------
    day
        Days after the first visit.
    velocity_m_s
        Motor conduction velocity of the median nerve in the forearm, before the session adds its own variation.
    has_motor_response, has_sensory_response
        Whether the median nerve responds.
    segment_mm
        Length of the forearm segment, where this visit used another one than the subject's.
    covariates
        Name to value as a laboratory writes it: ``"310"``, ``"<15"``.
    """

    day: int
    velocity_m_s: float
    has_motor_response: bool = True
    has_sensory_response: bool = True
    segment_mm: float | None = None
    covariates: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        faults = []
        if self.day < 0:
            faults.append(f"day: expected at least 0, found {self.day!r}")
        if not 1.0 <= self.velocity_m_s <= 100.0:
            faults.append(f"velocity_m_s: expected 1 to 100, found {self.velocity_m_s!r}")
        if self.segment_mm is not None and not 10.0 <= self.segment_mm <= 1000.0:
            faults.append(f"segment_mm: expected 10 to 1000 or None, found {self.segment_mm!r}")
        raise_all(faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectPlan:
    """One subject as it shall be.

    Parameters
    ----------
    subject
        Code.
    first_visit
        Date of day 0.
    visits
        In the order of their days.
    segment_mm
        Length of the forearm segment of the median nerve.
    strength
        Size of the responses over what is usual for nerves of that velocity; small where axons are lost.
    dispersion
        How much longer the slowest motor fibre takes over the forearm than the fastest one, as a share, on top of
        what goes with the velocity.
    only_median_motor
        Whether the median motor study is the only one; otherwise median sensory and ulnar motor studies are made too.
    anatomy
        Number of the nerve and muscle; subjects with the same number have responses of the same shape. ``None``: each
        subject of a cohort has its own.
    """

    subject: str
    first_visit: dt.date
    visits: tuple[VisitPlan, ...]
    segment_mm: float = 222.0
    strength: float = 1.0
    dispersion: float = 0.0
    only_median_motor: bool = False
    anatomy: int | None = None

    def __post_init__(self) -> None:
        faults = []
        days = [visit.day for visit in self.visits]
        if not days or days != sorted(set(days)):
            faults.append(f"visits: expected at least one, each on a later day than the one before, found days {days}")
        if not 10.0 <= self.segment_mm <= 1000.0:
            faults.append(f"segment_mm: expected 10 to 1000, found {self.segment_mm!r}")
        if not self.strength >= 0.0:
            faults.append(f"strength: expected at least 0, found {self.strength!r}")
        if not 0.0 <= self.dispersion <= 3.0:
            faults.append(f"dispersion: expected 0 to 3, found {self.dispersion!r}")
        raise_all([f"{self.subject}: {fault}" for fault in faults])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One subject of the table below; every tuple has one entry per visit."""

    start: tuple[int, int, int]
    day: tuple[int, ...]
    velocity_m_s: tuple[float, ...]
    vegf: tuple[str, ...]
    onls: tuple[int, ...]
    grip: tuple[float, ...]
    dose: tuple[int, ...]
    segment_mm: float
    strength: float = 1.0
    dispersion: float = 0.0
    no_motor_at: tuple[int, ...] = ()
    no_sensory_at: tuple[int, ...] = ()
    other_segment: tuple[tuple[int, float], ...] = ()

    def plan(self, subject: str) -> SubjectPlan:
        elsewhere = dict(self.other_segment)
        values = zip(self.vegf, self.onls, self.grip, self.dose, strict=True)
        visits = [
            VisitPlan(
                day=day,
                velocity_m_s=velocity,
                has_motor_response=number not in self.no_motor_at,
                has_sensory_response=number not in self.no_sensory_at,
                segment_mm=elsewhere.get(number),
                covariates={name: str(value) for name, value in zip(UNITS, stated, strict=True) if value != _NOT_TAKEN},
            )
            for number, (day, velocity, stated) in enumerate(zip(self.day, self.velocity_m_s, values, strict=True), 1)
        ]
        return SubjectPlan(
            subject=subject,
            first_visit=dt.date(*self.start),
            visits=tuple(visits),
            segment_mm=self.segment_mm,
            strength=self.strength,
            dispersion=self.dispersion,
        )


_NOT_TAKEN = ""
_ROWS = {
    "S01": _Row(
        start=(2020, 3, 2), day=(0, 98, 231, 455, 700), velocity_m_s=(27, 31, 35, 39, 42),
        vegf=("1420", "760", "310", "120", "64"), onls=(8, 7, 6, 4, 3), grip=(9, 11, 15, 19, 22),
        dose=(0, 100, 200, 200, 200), segment_mm=229, no_sensory_at=(1,),
    ),
    "S02": _Row(
        start=(2020, 3, 16), day=(0, 119, 280, 457), velocity_m_s=(31, 33, 36, 41),
        vegf=("640", "410", "180", "72"), onls=(6, 5, 4, 3), grip=(14, 16, 19, 23),
        dose=(0, 100, 200, 200), segment_mm=216,
    ),
    "S03": _Row(
        start=(2020, 4, 6), day=(0, 126, 315, 548), velocity_m_s=(24, 23, 28, 33),
        vegf=("980", "870", "350", "210"), onls=(9, 10, 8, 7), grip=(4, 3, 5, 9),
        dose=(0, 100, 200, 100), segment_mm=211, strength=0.3, dispersion=0.3, no_motor_at=(2,),
        no_sensory_at=(1, 2, 3, 4),
    ),
    "S04": _Row(
        start=(2020, 5, 11), day=(0, 112, 245, 365), velocity_m_s=(35, 38, 41, 44),
        vegf=("390", "230", "110", "<15"), onls=(4, 4, 4, 4), grip=(21, 22, 24, 25),
        dose=(0, 100, 200, 200), segment_mm=234, other_segment=((2, 276.0),),
    ),
    "S05": _Row(
        start=(2020, 6, 8), day=(0, 140, 304), velocity_m_s=(29, 29, 28.6),
        vegf=("720", "540", "460"), onls=(6, 6, 6), grip=(12, 13, 12),
        dose=(0, 200, 200), segment_mm=220,
    ),
    "S06": _Row(
        start=(2020, 7, 6), day=(0, 84, 224, 406, 578), velocity_m_s=(22, 24, 28, 32, 35),
        vegf=("1130", "900", "420", "170", "90"), onls=(10, 9, 8, 6, 5), grip=(3, 4, 7, 11, 14),
        dose=(0, 100, 100, 200, 200), segment_mm=207, strength=0.4, dispersion=0.6, no_sensory_at=(1, 2, 3),
    ),
    "S07": _Row(
        start=(2020, 9, 14), day=(0, 203, 426), velocity_m_s=(33, 32.6, 33),
        vegf=("310", _NOT_TAKEN, "190"), onls=(5, 5, 5), grip=(17, 17, 18),
        dose=(0, 100, 100), segment_mm=225,
    ),
    "S08": _Row(
        start=(2020, 10, 5), day=(0, 133, 301, 487), velocity_m_s=(37, 40, 43, 47),
        vegf=("280", "160", "88", "<15"), onls=(4, 3, 3, 2), grip=(23, 25, 27, 29),
        dose=(0, 100, 200, 200), segment_mm=238,
    ),
    "S09": _Row(
        start=(2021, 1, 18), day=(0, 105, 243), velocity_m_s=(26, 29, 34),
        vegf=("860", "520", "330"), onls=(8, 7, 6), grip=(8, 10, 12),
        dose=(0, 200, 300), segment_mm=214, dispersion=0.15,
    ),
}  # fmt: skip

PUBLISHED_SUMMARY: tuple[SubjectPlan, ...] = tuple(row.plan(subject) for subject, row in _ROWS.items())
"""Nine subjects, 8 to 23 months (mean 15), three to five visits each.

Median motor conduction velocity rises by at least 8 m/s in seven and by no more than 0.4 m/s in two (S05, S07). VEGF
falls in nine and ends at or below 100 pg/mL in five (S01, S02, S04, S06, S08). The score improves in six and stays in
three (S04, S05, S07). S03 and S06 have low and dispersed responses; S03 has no motor response at its second visit and
never a sensory one; S01 and S06 regain their sensory response; S04 is stimulated farther up the arm at its second
visit; one blood sample of S07 was not taken.
"""


def steady_plan(
    n_subjects: int = 9,
    *,
    rise_m_s: float = 0.0,
    n_visits: int = 2,
    follow_up_days: int = 456,
    velocity_m_s: tuple[float, float] = (20.0, 38.0),
    prefix: str = "S",
    anatomy: int | None = None,
) -> tuple[SubjectPlan, ...]:
    """Return a cohort in which every median nerve changes by the same amount, evenly over the follow-up.

    Parameters
    ----------
    n_subjects
        Number of subjects.
    rise_m_s
        True change between the first and the last visit; 0 for a cohort in which nothing happens.
    n_visits, follow_up_days
        Visits of every subject, and days from the first to the last of them.
    velocity_m_s
        Velocity of the slowest and of the fastest subject at the first visit; the others lie evenly between them.
    prefix
        Subjects are named with it and a number.
    anatomy
        Number of the first subject's nerve; cohorts with the same number have responses of the same shapes.

    Raises
    ------
    InvalidInputError
        When there are fewer than one subject or two visits, or a velocity is none of a nerve.

    Examples
    --------
    >>> [visit.velocity_m_s for visit in steady_plan(1, rise_m_s=5.0, n_visits=3)[0].visits]
    [29.0, 31.5, 34.0]
    """
    faults = []
    if n_subjects < 1:
        faults.append(f"n_subjects: expected at least 1, found {n_subjects!r}")
    if n_visits < 2:
        faults.append(f"n_visits: expected at least 2, found {n_visits!r}")
    if follow_up_days < n_visits - 1:
        faults.append(f"follow_up_days: expected at least one per visit, found {follow_up_days!r}")
    raise_all(faults)
    low, high = velocity_m_s
    shares = [visit / (n_visits - 1) for visit in range(n_visits)]
    return tuple(
        SubjectPlan(
            subject=f"{prefix}{number + 1:0{max(2, len(str(n_subjects)))}d}",
            first_visit=dt.date(2020, 3, 2) + dt.timedelta(days=7 * number),
            visits=tuple(
                VisitPlan(
                    day=round(share * follow_up_days),
                    velocity_m_s=low + (high - low) * (number + 0.5) / n_subjects + rise_m_s * share,
                )
                for share in shares
            ),
            only_median_motor=True,
            anatomy=None if anatomy is None else anatomy + number,
        )
        for number in range(n_subjects)
    )
