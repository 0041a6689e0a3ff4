"""Visit to VisitResult: mark every trace, measure every study. The whole walk on one screen.

A new technique is one module in ``ncs.measure``; nothing here has to know it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from ncs import __version__, detect
from ncs._stimulus import with_artefact_times
from ncs.detect.artefact import ARTEFACT_PARAMETERS
from ncs.detect.marks import Marks
from ncs.measure import MEASURE_VERSION
from ncs.measure._edited import edited
from ncs.measure._edits import Edit
from ncs.measure._sweeps import mean_sweep, measured_sweeps
from ncs.measure._technique import Window
from ncs.measure._visit import measure_visit, technique_of, unmarked
from ncs.model import SampleArray, Study, Trace, Visit
from ncs.results import TraceMarks, VisitResult

__all__ = ["Edit", "analysis_fingerprint", "analyze", "edited", "mean_sweep"]


def analyze(
    visit: Visit, *, onset_method: str = detect.DEFAULT_ONSET_METHOD, find_stimulus: bool = False
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

    Returns
    -------
    VisitResult
        Marks per trace and measurements per study. What cannot be measured is there with its reason.

    Raises
    ------
    InvalidInputError
        When there is no such onset method.
    """
    parameters = _parameters(onset_method, find_stimulus=find_stimulus)
    if find_stimulus:
        visit = with_artefact_times(visit)
    marks = tuple(
        found for index, study in enumerate(visit.studies) for found in _mark_study(study, index, onset_method)
    )
    source = visit.sources[0] if visit.sources else None
    return VisitResult(
        visit=visit,
        marks=marks,
        measurements=measure_visit(visit, marks, onset_method=onset_method),
        parameters=parameters,
        version=__version__,
        fingerprint=analysis_fingerprint(
            onset_method=onset_method,
            find_stimulus=find_stimulus,
            sidecar_sha256=source.sidecar_sha256 if source is not None else "",
            protocol_sha256=source.protocol_sha256 if source is not None else "",
        ),
    )


def _parameters(onset_method: str, *, find_stimulus: bool) -> dict[str, Any]:
    detect.check_method(onset_method)
    artefact = {"find_stimulus": dict(ARTEFACT_PARAMETERS)} if find_stimulus else {}
    return {
        **artefact,
        "onset_method": onset_method,
        "onset_parameter": dict(detect.ONSET_METHODS[onset_method].parameter),
        "detector": detect.DETECTOR_VERSION,
        "measure": MEASURE_VERSION,
        **detect.DETECTOR_PARAMETERS,
    }


@lru_cache(maxsize=256)
def analysis_fingerprint(
    *,
    onset_method: str = detect.DEFAULT_ONSET_METHOD,
    find_stimulus: bool = False,
    sidecar_sha256: str = "",
    protocol_sha256: str = "",
) -> str:
    """Return the SHA-256 (hex) that tells one way of analysing a file from another.

    Everything that can change a number goes in: the detector's version and parameters, and the content of the sidecar
    and the protocol.
    """
    facts = {
        **_parameters(onset_method, find_stimulus=find_stimulus),
        "sidecar": sidecar_sha256,
        "protocol": protocol_sha256,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _mark_study(study: Study, index: int, onset_method: str) -> Iterator[TraceMarks]:
    """Yield the marks of every trace that can be marked, one entry per response."""
    technique = technique_of(study)
    for position, trace in enumerate(study.traces):
        if technique is None or unmarked(study, trace) is not None:
            continue
        for response in technique.responses:
            window_ms = technique.window(study, trace, response)
            yield _mark_trace(trace, response, onset_method, (index, position), window_ms)


def _mark_trace(
    trace: Trace, response: str, onset_method: str, place: tuple[int, int], window_ms: Window | None
) -> TraceMarks:
    assert trace.stimulus_ms is not None  # the caller has asked

    def mark(samples_uv: SampleArray, stimulus_ms: Any) -> Marks:
        return detect.mark(
            samples_uv,
            trace.sampling_rate_hz,
            stimulus_ms=stimulus_ms,
            response=response,
            window_ms=window_ms,
            onset_method=onset_method,
        )

    sweeps = mark(trace.samples_uv, trace.stimulus_ms)
    chosen = measured_sweeps(trace)
    if len(chosen) == 1:
        measured = sweeps if len(sweeps) == 1 else sweeps.sweep(chosen[0])
    else:
        measured = mark(*mean_sweep(trace, chosen))
    return TraceMarks(
        study_index=place[0],
        trace_index=place[1],
        response=response,
        sweeps=sweeps,
        measured=measured,
        measured_sweeps=chosen,
    )
