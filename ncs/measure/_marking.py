"""One trace to its marks: every sweep, and the mean that is measured; what nerve potentials need beside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from ncs import detect
from ncs.detect.averaging import AVERAGING_PARAMETERS
from ncs.detect.ensemble import REVIEWED_RESPONSES, method_spread
from ncs.detect.marks import Flag, Marks
from ncs.detect.positive import POSITIVE_PEAK_PARAMETERS, onset_at_positive_peak
from ncs.detect.weak import WEAK_PARAMETERS
from ncs.measure._averaging import kept_sweeps, with_weak_response
from ncs.measure._sweeps import mean_sweep, measured_sweeps
from ncs.measure._technique import TechniqueMeasures
from ncs.model import Direction, SampleArray, Study, Trace
from ncs.results import TraceMarks

__all__ = ["NERVE_POTENTIAL_PARAMETERS", "HowToMark", "mark_trace"]

_WEAK_SMOOTH_MS: Final = 0.5
NERVE_POTENTIAL_PARAMETERS: Final[dict[str, Any]] = {
    "averaging": AVERAGING_PARAMETERS,
    "weak_response": {**WEAK_PARAMETERS, "second_smooth_ms": _WEAK_SMOOTH_MS},
    "positive_peak": POSITIVE_PEAK_PARAMETERS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HowToMark:
    """What is the same for all traces of an analysis."""

    onset_method: str
    review: bool = False


def mark_trace(
    study: Study,
    trace: Trace,
    technique: TechniqueMeasures,
    response: str,
    *,
    place: tuple[int, int],
    how: HowToMark,
) -> TraceMarks:
    """Return the marks of a trace whose stimulus time is known; ``place`` is its study's index and its own."""
    assert trace.stimulus_ms is not None  # the caller has asked
    window_ms = technique.window(study, trace, response)
    is_orthodromic = technique.is_nerve_potential and study.direction is Direction.ORTHODROMIC

    def mark(samples_uv: SampleArray, stimulus_ms: Any, smooth_ms: float | None = None) -> Marks:
        marks = detect.mark(
            samples_uv, trace.sampling_rate_hz, stimulus_ms=stimulus_ms, response=response, window_ms=window_ms,
            onset_method=how.onset_method, smooth_ms=smooth_ms,
        )  # fmt: skip
        if not is_orthodromic:
            return marks
        return onset_at_positive_peak(samples_uv, trace.sampling_rate_hz, stimulus_ms=stimulus_ms, marks=marks)

    sweeps = mark(trace.samples_uv, trace.stimulus_ms)
    chosen = measured_sweeps(trace)
    if technique.is_nerve_potential:
        chosen = kept_sweeps(trace, chosen)
    if len(chosen) == 1:
        measured = sweeps if len(sweeps) == 1 else sweeps.sweep(chosen[0])
    else:
        mean = mean_sweep(trace, chosen)
        measured = mark(*mean)
        if technique.is_nerve_potential:
            measured = with_weak_response(trace, chosen, measured, lambda: mark(*mean, _WEAK_SMOOTH_MS))
    if how.review and response in REVIEWED_RESPONSES:
        measured = _reviewed(trace, chosen, measured, response, window_ms)
    return TraceMarks(
        study_index=place[0],
        trace_index=place[1],
        response=response,
        sweeps=sweeps,
        measured=measured,
        measured_sweeps=chosen,
    )


def _reviewed(
    trace: Trace, chosen: tuple[int, ...], measured: Marks, response: str, window_ms: tuple[float, float] | None
) -> Marks:
    """Return the measured marks with the flag that named onset rules disagree, where they do.

    An onset at the initial positive peak is another thing than what these rules look for.
    """
    flags = int(measured.flags[0])
    if Flag.ONSET_AT_POSITIVE_PEAK in Flag(flags) or not np.isfinite(measured.onset_ms[0]):
        return measured
    samples, stimulus_ms = mean_sweep(trace, chosen)
    found = method_spread(
        samples, trace.sampling_rate_hz, stimulus_ms=stimulus_ms, response=response, window_ms=window_ms
    )
    if not found.disagree[0]:
        return measured
    return replace(measured, flags=np.array([flags | Flag.METHODS_DISAGREE], np.int8))
