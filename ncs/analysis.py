"""Visit to VisitResult: mark every trace, measure every study. The whole walk on one screen.

A new technique is one module in ``ncs.measure``; nothing here has to know it.
"""

from __future__ import annotations

import hashlib
import json
import math
from functools import lru_cache
from typing import Any

import numpy as np

from ncs import __version__, detect
from ncs._stimulus import with_artefact_times
from ncs.detect.artefact import ARTEFACT_PARAMETERS
from ncs.detect.marks import Marks
from ncs.measure import MEASURE_VERSION, techniques
from ncs.measure._study import MarkedTrace, StudyPart, Value
from ncs.measure._technique import TechniqueMeasures, Window
from ncs.model import SampleArray, Study, Trace, Visit
from ncs.results import REPORTED_BY, Measurement, Reason, TraceMarks, VisitResult

__all__ = ["analysis_fingerprint", "analyze", "mean_sweep"]


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
    marks: list[TraceMarks] = []
    measurements: list[Measurement] = []
    for index, study in enumerate(visit.studies):
        part = _mark_study(study, index, onset_method, marks)
        technique = _technique(study)
        if technique is not None and study.traces:
            technique.measure(part)
        else:
            _unmeasured(part)
        measurements.extend(part.rows)
        measurements.extend(_reported(study, index))
    source = visit.sources[0] if visit.sources else None
    return VisitResult(
        visit=visit,
        marks=tuple(marks),
        measurements=tuple(measurements),
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


def _mark_study(study: Study, index: int, onset_method: str, marks: list[TraceMarks]) -> StudyPart:
    technique = _technique(study)
    marked = []
    for position, trace in enumerate(study.traces):
        if technique is None:
            marked.append(MarkedTrace(trace=trace, marks=None, reason=Reason.NO_TECHNIQUE))
        elif trace.stimulus_ms is None or (trace.n_sweeps > 0 and not np.isfinite(trace.stimulus_ms).any()):
            marked.append(MarkedTrace(trace=trace, marks=None, reason=Reason.NO_STIMULUS_TIME))
        else:
            found = {
                response: _mark_trace(
                    trace, response, onset_method, (index, position), technique.window(study, trace, response)
                )
                for response in technique.responses
            }
            marks.extend(found.values())
            first = found[technique.responses[0]]
            marked.append(MarkedTrace(trace=trace, marks=first.measured, how=_averaging(trace, first), found=found))
    method = f"onset {onset_method}"
    return StudyPart(study=study, study_index=index, marked=tuple(marked), method=method)


def _technique(study: Study) -> TechniqueMeasures | None:
    return techniques().get(study.technique) if study.technique is not None else None


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
    chosen = _measured_sweeps(trace)
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


def _measured_sweeps(trace: Trace) -> tuple[int, ...]:
    """Return the sweeps that are averaged: all of one stimulus, or those of the highest stated intensity.

    A sweep whose stimulus time is not a number is never among them.
    """
    assert trace.stimulus_ms is not None  # the caller has asked
    if trace.n_sweeps == 1 and math.isfinite(trace.stimulus_ms[0]):
        return (0,)
    usable = np.isfinite(trace.stimulus_ms)
    for intensity in (trace.stimulus.intensity_ma, trace.stimulus.intensity_v):
        if intensity is not None and np.isfinite(intensity[usable]).any():
            usable &= intensity == np.nanmax(intensity[usable])
            break
    return tuple(int(i) for i in np.flatnonzero(usable))


def mean_sweep(trace: Trace, chosen: tuple[int, ...]) -> tuple[SampleArray, float]:
    """Return the mean of sweeps after whole-sample alignment at the stimulus, and the stimulus time in it.

    Where there is none, or they do not overlap around their stimuli, that is a sweep without samples.
    """
    assert trace.stimulus_ms is not None  # the caller has asked
    nothing = np.empty((1, 0), np.float32), 0.0
    if not chosen:
        return nothing
    rate = trace.sampling_rate_hz
    times = trace.stimulus_ms[list(chosen)]
    shifts = np.rint((times - times.min()) * rate / 1000)
    length = trace.n_samples - shifts.max()
    if length < 1:
        return nothing
    rows = [trace.samples_uv[i, int(s) : int(s + length)] for i, s in zip(chosen, shifts, strict=True)]
    residual = times - shifts * 1000 / rate
    mean = np.stack(rows).mean(axis=0, dtype=np.float64, keepdims=True)
    return np.asarray(mean, np.float32), float(residual.mean())


def _averaging(trace: Trace, found: TraceMarks) -> str:
    if trace.n_sweeps == 1:
        return ""
    if len(found.measured_sweeps) == 1:
        return f"sweep {found.measured_sweeps[0] + 1} of {trace.n_sweeps}"
    return f"mean of {len(found.measured_sweeps)} of {trace.n_sweeps} sweeps"


def _unmeasured(part: StudyPart) -> None:
    """Say for every trace that its technique is unknown, so that nothing disappears silently."""
    for at in part.marked:
        part.add("onset_latency", Value.missing(Reason.NO_TECHNIQUE), at=at)


def _reported(study: Study, index: int) -> list[Measurement]:
    """Pass on what the recorder itself measured and gave without waveforms."""
    return [
        Measurement(
            quantity=value.quantity,
            value=value.value,
            unit=value.unit,
            method=f"{REPORTED_BY}{value.source}",
            nerve=study.nerve,
            side=study.side,
            technique=study.technique,
            recording_site=study.recording_site,
            site=value.site,
            skin_temperature_c=study.skin_temperature_c,
            study_index=index,
        )
        for value in study.reported
    ]
