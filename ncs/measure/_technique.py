"""What a module of ``ncs.measure`` says of its technique; ``ncs.analysis`` needs to know no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ncs.measure._study import StudyPart
from ncs.model import Study, Technique, Trace

__all__ = ["TechniqueMeasures", "Window"]

Window = tuple[float, float]
"""Earliest and latest time of a peak after the stimulus, ms."""


def _usual_window(study: Study, trace: Trace, response: str) -> Window | None:
    """Leave the window to the detector."""
    del study, trace, response
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class TechniqueMeasures:
    """One technique.

    Parameters
    ----------
    technique
        Its name in the model.
    responses
        Keys of ``ncs.detect.RESPONSES``: what is marked in every trace. The marks of the first are those of
        ``MarkedTrace.marks``; all of them are in ``MarkedTrace.found``.
    measure
        Appends the measurements of a study.
    window
        Where a response is sought in a trace; ``None`` leaves it to the detector.
    is_nerve_potential
        Whether sweeps with artefacts are kept out of the average, a weak response is sought with the help of the single
        sweeps, and an orthodromic one is timed at its initial positive peak.
    needs_others
        Whether the study is measured after those of other techniques, whose numbers are then in ``StudyPart.others``.
    """

    technique: Technique
    responses: tuple[str, ...]
    measure: Callable[[StudyPart], None]
    window: Callable[[Study, Trace, str], Window | None] = _usual_window
    is_nerve_potential: bool = False
    needs_others: bool = False
