"""Visit to VisitResult: mark every trace, measure every study. The whole walk on one screen.

A new technique is one module in ``ncs.measure``; nothing here has to know it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from ncs import __version__, detect
from ncs._stimulus import with_artefact_times
from ncs.detect.artefact import ARTEFACT_PARAMETERS
from ncs.detect.ensemble import REVIEW_PARAMETERS
from ncs.measure import MEASURE_VERSION
from ncs.measure._edited import edited
from ncs.measure._edits import Edit
from ncs.measure._marking import NERVE_POTENTIAL_PARAMETERS, HowToMark, mark_trace
from ncs.measure._sides import side_differences
from ncs.measure._sweeps import mean_sweep
from ncs.measure._temperature import TemperatureCorrection
from ncs.measure._visit import measure_visit, technique_of, unmarked
from ncs.model import Study, Visit
from ncs.results import TraceMarks, VisitResult

__all__ = [
    "Edit",
    "TemperatureCorrection",
    "analysis_fingerprint",
    "analyze",
    "edited",
    "how_of",
    "mean_sweep",
    "side_differences",
]


def analyze(
    visit: Visit,
    *,
    onset_method: str = detect.DEFAULT_ONSET_METHOD,
    find_stimulus: bool = False,
    review: bool = False,
    temperature_correction: TemperatureCorrection | None = None,
) -> VisitResult:
    """Mark and measure everything in a visit.

    Parameters
    ----------
    visit
        As returned by ``ncs.read``.
    onset_method
        A name in ``ncs.detect.ONSET_METHODS``.
    find_stimulus
        Whether to take the beginning of the stimulus artefact for the stimulus where nothing states its time. Every
        number that rests on it then has the flag ``stimulus_from_artefact``.
    review
        Whether to compare the onset with those of other named rules, which takes about five times as long. Every number
        at a site where they contradict each other then has the flag ``methods_disagree``.
    temperature_correction
        How to bring velocities and latencies of cool limbs to a reference temperature. The corrected values are
        quantities of their own (``…_temperature_corrected``) beside those that were measured; default none.

    Returns
    -------
    VisitResult
        Marks per trace and measurements per study. What cannot be measured is there with its reason.

    Raises
    ------
    InvalidInputError
        When there is no such onset method.
    """
    parameters = _parameters(
        onset_method, find_stimulus=find_stimulus, review=review, temperature_correction=temperature_correction
    )
    how = HowToMark(onset_method=onset_method, review=review)
    if find_stimulus:
        visit = with_artefact_times(visit)
    marks = tuple(found for index, study in enumerate(visit.studies) for found in _mark_study(study, index, how))
    source = visit.sources[0] if visit.sources else None
    return VisitResult(
        visit=visit,
        marks=marks,
        measurements=measure_visit(visit, marks, onset_method=onset_method, temperature=temperature_correction),
        parameters=parameters,
        version=__version__,
        fingerprint=analysis_fingerprint(
            onset_method=onset_method,
            find_stimulus=find_stimulus,
            review=review,
            temperature_correction=temperature_correction,
            sidecar_sha256=source.sidecar_sha256 if source is not None else "",
            protocol_sha256=source.protocol_sha256 if source is not None else "",
        ),
    )


def how_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with which ``analyze`` makes a result that has these parameters."""
    return {
        "onset_method": parameters.get("onset_method", ""),
        "find_stimulus": "find_stimulus" in parameters,
        "review": "review" in parameters,
        "temperature_correction": TemperatureCorrection.of(parameters),
    }


def _parameters(
    onset_method: str, *, find_stimulus: bool, review: bool, temperature_correction: TemperatureCorrection | None
) -> dict[str, Any]:
    detect.check_method(onset_method)
    asked: dict[str, Any] = {"find_stimulus": dict(ARTEFACT_PARAMETERS)} if find_stimulus else {}
    if review:
        asked["review"] = dict(REVIEW_PARAMETERS)
    if temperature_correction is not None:
        asked["temperature_correction"] = temperature_correction.parameters
    return {
        **asked,
        "onset_method": onset_method,
        "onset_parameter": dict(detect.ONSET_METHODS[onset_method].parameter),
        "detector": detect.DETECTOR_VERSION,
        "measure": MEASURE_VERSION,
        "nerve_potential": dict(NERVE_POTENTIAL_PARAMETERS),
        **detect.DETECTOR_PARAMETERS,
    }


@lru_cache(maxsize=256)
def analysis_fingerprint(
    *,
    onset_method: str = detect.DEFAULT_ONSET_METHOD,
    find_stimulus: bool = False,
    review: bool = False,
    temperature_correction: TemperatureCorrection | None = None,
    sidecar_sha256: str = "",
    protocol_sha256: str = "",
) -> str:
    """Return the SHA-256 (hex) that tells one way of analysing a file from another.

    Everything that can change a number goes in: the detector's version and parameters, and the content of the sidecar
    and the protocol.
    """
    facts = {
        **_parameters(
            onset_method, find_stimulus=find_stimulus, review=review, temperature_correction=temperature_correction
        ),
        "sidecar": sidecar_sha256,
        "protocol": protocol_sha256,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _mark_study(study: Study, index: int, how: HowToMark) -> Iterator[TraceMarks]:
    """Yield the marks of every trace that can be marked, one entry per response."""
    technique = technique_of(study)
    if technique is None:
        return
    for position, trace in enumerate(study.traces):
        if unmarked(study, trace) is None:
            for response in technique.responses:
                yield mark_trace(study, trace, technique, response, place=(index, position), how=how)
