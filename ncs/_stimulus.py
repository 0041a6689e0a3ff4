"""Stimulus times from the artefact, for traces that nothing else gives one: the step between reading and marking.

Only on request. A recording that was never cut into sweeps is cut here, as ``ncs.io`` cuts one with marked stimuli.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ncs.detect.artefact import ArtefactOutcome, find_artefacts, stimulus_artefact
from ncs.errors import Problem
from ncs.io import _sweeps as sweeping
from ncs.io._faults import Faults
from ncs.io._stimulus_notes import Statement
from ncs.model import Origin, Study, Trace, Visit

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["with_artefact_times"]

_LONGEST_SWEEP_S = 1.0
_MOST_SHOWN = 10
_WORDS = {
    ArtefactOutcome.NONE: "no artefact",
    ArtefactOutcome.SEVERAL: "several artefacts",
    ArtefactOutcome.AT_START: "an artefact without a baseline before it",
    ArtefactOutcome.TOO_SLOW: "a sampling rate too low to tell an artefact from a response",
}


def with_artefact_times(visit: Visit) -> Visit:
    """Return the visit with stimulus times from the artefacts, where nothing states them.

    Parameters
    ----------
    visit
        As returned by ``ncs.read``. Stimulus times that it has are kept.

    Returns
    -------
    Visit
        Traces that got a time have ``provenance["stimulus_ms"]`` of ``Origin.ARTEFACT``; ``problems`` says which sweeps
        got none, and when the stimuli of a continuous recording were found.
    """
    problems: list[Problem] = []
    file = visit.sources[0].name if visit.sources else ""
    studies = tuple(_study(study, f"study {number}", file, problems) for number, study in enumerate(visit.studies, 1))
    if all(new is old for new, old in zip(studies, visit.studies, strict=True)) and not problems:
        return visit
    timed = all(trace.stimulus_ms is not None for study in studies for trace in study.traces)
    kept = [known for known in visit.problems if not (timed and "--find-stimulus" in known.hint)]
    return replace(visit, studies=studies, problems=(*kept, *problems))


def _study(study: Study, place: str, file: str, problems: list[Problem]) -> Study:
    traces = []
    for number, trace in enumerate(study.traces, start=1):
        if trace.stimulus_ms is not None and np.isfinite(trace.stimulus_ms).all():
            traces.append(trace)
            continue
        where = f"{place}, trace {number}" + (f" ({trace.channel})" if trace.channel else "")
        traces.append(_trace(trace, where, file, problems))
    if all(new is old for new, old in zip(traces, study.traces, strict=True)):
        return study
    return replace(study, traces=tuple(traces))


def _trace(trace: Trace, where: str, file: str, problems: list[Problem]) -> Trace:
    if trace.n_sweeps == 1:
        begins = find_artefacts(trace.samples_uv[0], trace.sampling_rate_hz)
        begins = begins[np.isfinite(begins)]
        is_long = trace.n_samples > _LONGEST_SWEEP_S * trace.sampling_rate_hz
        if len(begins) > 1 or (is_long and len(begins)):
            return _cut(trace, begins, where, file, problems)
    found = stimulus_artefact(trace.samples_uv, trace.sampling_rate_hz)
    for outcome, words in _WORDS.items():
        untimed = np.flatnonzero(found.outcome == outcome)
        if len(untimed):
            sweeps = ", ".join(str(index + 1) for index in untimed[:_MOST_SHOWN])
            more = ", …" if len(untimed) > _MOST_SHOWN else ""
            hint = "State the time of the stimulus in the sidecar (`stimulus_ms`, or `stimuli`)."
            spot = f"{where}, sweep {sweeps}{more}"
            problems.append(_problem(file, spot, "one stimulus artefact that stands out", words, hint))
    known = trace.stimulus_ms if trace.stimulus_ms is not None else np.full(trace.n_sweeps, np.nan)
    times = np.where(np.isfinite(known), known, found.stimulus_ms)
    if not np.isfinite(found.stimulus_ms[~np.isfinite(known)]).any():
        return trace
    origins = trace.provenance.with_origins(stimulus_ms=Origin.ARTEFACT)
    return replace(trace, stimulus_ms=times, provenance=origins)


def _cut(trace: Trace, begins_ms: NDArray[np.float64], where: str, file: str, problems: list[Problem]) -> Trace:
    """Return the recording as one sweep for each artefact."""
    faults = Faults(file=file)
    rate = trace.sampling_rate_hz
    found = [
        sweeping.Sweep(
            "", None, begin / 1000, 0, Statement(), f"{where}, artefact at {begin / 1000:.4f} s", begin / 1000
        )
        for begin in begins_ms
    ]
    run = sweeping.Run("0", 0, trace.n_samples)
    (one,) = sweeping.cut(sweeping.group(found, faults), [run], 1, rate, faults, channel=trace.channel)
    samples = trace.samples_uv[0][one.starts[:, np.newaxis] + np.arange(one.length)]
    intensities = (trace.stimulus.intensity_ma, trace.stimulus.intensity_v)
    ma, volts = (None if stated is None else np.repeat(stated, len(one.sweeps)) for stated in intensities)
    times = ", ".join(f"{begin / 1000:.4f}" for begin in begins_ms[:_MOST_SHOWN])
    seconds = f"{times}{', …' if len(begins_ms) > _MOST_SHOWN else ''} s"
    hint = "Once you have checked them, state them in the sidecar, by stimulation site: `times_s` in `stimuli`."
    problems.append(
        _problem(file, where, "stimuli that the recording or a sidecar states", f"artefacts at {seconds}", hint)
    )
    problems.extend(faults.noted)
    return replace(
        trace,
        samples_uv=samples,
        stimulus_ms=one.stimulus_ms,
        elapsed_s=sweeping.elapsed(one.sweeps),
        stimulus=replace(trace.stimulus, intensity_ma=ma, intensity_v=volts),
        provenance=trace.provenance.with_origins(stimulus_ms=Origin.ARTEFACT),
    )


def _problem(file: str, place: str, expected: str, found: str, hint: str) -> Problem:
    return Problem(file=file, place=place, field="stimulus", expected=expected, found=found, hint=hint)
