"""What is true of a simulated study and of a simulated visit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ncs.simulate.truth import Truth

__all__ = ["SegmentTruth", "SiteTruth", "StudyTruth", "VisitTruth"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SiteTruth:
    """What is true at one stimulation site; ``marks`` has length one and holds for every sweep of the trace.

    Times of the marks count from the true stimulus, which came ``trigger_error_ms`` after the stated one.
    """

    stimulation_site: str
    distance_mm: float
    marks: Truth
    trigger_error_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentTruth:
    """What is true of one segment.

    Parameters
    ----------
    distal_site, proximal_site
        Its ends; ``distal_site`` of a sensory nerve's first segment is the recording site.
    distance_mm
        Its length.
    nominal_velocity_m_s
        What was asked for.
    true_velocity_m_s
        Distance over the difference of the true onsets (over the true onset, where one end is the recording
        electrode); ``None`` where one of the ends has no response.
    """

    distal_site: str
    proximal_site: str
    distance_mm: float
    nominal_velocity_m_s: float
    true_velocity_m_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudyTruth:
    """What is true of a study: one entry per trace, one per segment, distal first."""

    sites: tuple[SiteTruth, ...]
    segments: tuple[SegmentTruth, ...]

    @property
    def true_velocity_m_s(self) -> float | None:
        """Velocity of the first segment."""
        return self.segments[0].true_velocity_m_s

    @property
    def nominal_velocity_m_s(self) -> float:
        """Velocity that was asked for in the first segment."""
        return self.segments[0].nominal_velocity_m_s


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VisitTruth:
    """What is true of a visit: one entry per study."""

    studies: tuple[StudyTruth, ...]
