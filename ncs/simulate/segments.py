"""Inching and mixed nerve studies with known truth, out of the nerves of ``studies``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ncs.model import Study, Technique
from ncs.simulate._ranges import Seed, check_ranges, raise_all
from ncs.simulate.nerves import MOTOR_RECORDING, SENSORY_RECORDING, MotorNerve, Recording, SensoryNerve
from ncs.simulate.studies import motor_study, sensory_study

if TYPE_CHECKING:
    from ncs.simulate._bank import Population
    from ncs.simulate.study_truth import StudyTruth

__all__ = ["FocalLesion", "InchingNerve", "inching_study", "mixed_study"]


_BELOW_ELBOW = MotorNerve(nerve="ulnar", distal_distance_mm=220.0, distal_latency_ms=6.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FocalLesion:
    """What is wrong with one of the short segments.

    Parameters
    ----------
    segment
        Which one, counted from 0 at the distal end.
    delay_ms
        How much longer the impulse takes over it.
    blocked_fraction
        Share of the units that stop there.
    """

    segment: int = 3
    delay_ms: float = 0.6
    blocked_fraction: float = 0.0

    def __post_init__(self) -> None:
        faults = check_ranges(
            self, least={"segment": 0, "delay_ms": 0.0, "blocked_fraction": 0.0}, most={"blocked_fraction": 1.0}
        )
        raise_all(faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class InchingNerve:
    """A motor nerve stimulated in short steps.

    Parameters
    ----------
    motor
        The nerve at its most distal site; its own segments and sites are not used.
    step_mm, n_sites
        Distance between neighbouring sites, and how many there are.
    velocity_m_s
        Of every step without a lesion.
    lesion
        ``None`` for a healthy nerve.
    """

    motor: MotorNerve = _BELOW_ELBOW
    step_mm: float = 20.0
    n_sites: int = 7
    velocity_m_s: float = 55.0
    lesion: FocalLesion | None = None

    def __post_init__(self) -> None:
        faults = check_ranges(self, least={"step_mm": 1.0, "n_sites": 2, "velocity_m_s": 0.5})
        if self.lesion is not None and self.lesion.segment > self.n_sites - 2:
            faults.append(f"lesion.segment: expected 0 to {self.n_sites - 2}, found {self.lesion.segment}")
        raise_all(faults)


def inching_study(
    nerve: InchingNerve | None = None,
    *,
    seed: Seed,
    recording: Recording = MOTOR_RECORDING,
    population: Population = "train",
    **changes: Any,
) -> tuple[Study, StudyTruth]:
    """Simulate an inching study.

    Parameters
    ----------
    nerve
        Default ``InchingNerve()``, a healthy ulnar nerve across the elbow.
    seed, recording, population
        As in `motor_study`.
    **changes
        Fields of `InchingNerve` that replace those of ``nerve``.

    Returns
    -------
    Study, StudyTruth
        Traces distal first; the sites are called ``"point 1"``, ``"point 2"``, …

    Raises
    ------
    InvalidInputError
        When a parameter is out of its limits.

    Examples
    --------
    >>> study, truth = inching_study(seed=1, lesion=FocalLesion(segment=2, delay_ms=0.5), n_sites=5)
    >>> from itertools import pairwise
    >>> onsets = [float(site.marks.onset_ms[0]) for site in truth.sites]
    >>> [round(far - near, 3) for near, far in pairwise(onsets)]
    [0.364, 0.364, 0.864, 0.364]
    """
    i = replace(nerve or InchingNerve(), **changes)
    n_steps = i.n_sites - 1
    times = [i.step_mm / i.velocity_m_s] * n_steps
    blocked = [0.0] * n_steps
    if i.lesion is not None:
        times[i.lesion.segment] += i.lesion.delay_ms
        blocked[i.lesion.segment] = i.lesion.blocked_fraction
    velocities = [i.step_mm / time for time in times]
    motor = replace(
        i.motor,
        segment_mm=(i.step_mm,) * n_steps,
        velocity_m_s=velocities[0],
        further_velocities_m_s=tuple(velocities[1:]),
        blocked_fraction=blocked[0],
        further_blocked_fractions=tuple(blocked[1:]),
        sites=tuple(f"point {number}" for number in range(1, i.n_sites + 1)),
    )
    study, truth = motor_study(motor, seed=seed, recording=recording, population=population)
    return replace(study, technique=Technique.INCHING), truth


def mixed_study(
    nerve: SensoryNerve | None = None,
    *,
    seed: Seed,
    recording: Recording = SENSORY_RECORDING,
    population: Population = "train",
    **changes: Any,
) -> tuple[Study, StudyTruth]:
    """Simulate a mixed nerve study.

    Parameters
    ----------
    nerve
        Default: the median nerve, stimulated in the palm and recorded over the wrist.
    seed, recording, population
        As in `sensory_study`.
    **changes
        Fields of `SensoryNerve` that replace those of ``nerve``.

    Returns
    -------
    Study, StudyTruth
        As `sensory_study` gives them.

    Raises
    ------
    InvalidInputError
        When a parameter is out of its limits.

    Examples
    --------
    >>> study, truth = mixed_study(seed=1, velocity_m_s=50.0)
    >>> study.technique.value, float(truth.sites[0].marks.onset_ms[0].round(9))
    ('mixed', 1.6)
    """
    palm = SensoryNerve(
        distance_mm=80.0, amplitude_uv=60.0, direction="orthodromic", recording_site="wrist", sites=("palm",)
    )
    study, truth = sensory_study(
        replace(nerve or palm, **changes), seed=seed, recording=recording, population=population
    )
    return replace(study, technique=Technique.MIXED), truth
