"""A visit with its marks to measurements, study by study; where the marks come from does not matter here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from ncs.detect.ensemble import OnsetSpread, onset_spread
from ncs.measure import techniques
from ncs.measure._averaging import averaging_words, n_rejected
from ncs.measure._edits import Moved
from ncs.measure._study import MarkedTrace, StudyPart, Value
from ncs.measure._technique import TechniqueMeasures
from ncs.measure._temperature import TemperatureCorrection, corrected
from ncs.model import Study, Trace, Visit
from ncs.results import REPORTED_BY, Measurement, Reason, TraceMarks

__all__ = ["measure_visit", "technique_of", "unmarked"]

_Moved = Mapping[tuple[int, int], Moved]
_NOTHING_MOVED: Final[_Moved] = MappingProxyType({})


def technique_of(study: Study) -> TechniqueMeasures | None:
    """Return what is known of a study's technique, ``None`` where it is not stated or not measured."""
    return techniques().get(study.technique) if study.technique is not None else None


def unmarked(study: Study, trace: Trace) -> Reason | None:
    """Return why a trace cannot be marked, ``None`` where it can."""
    if technique_of(study) is None:
        return Reason.NO_TECHNIQUE
    times = trace.stimulus_ms
    if times is None or (times.size > 0 and not any(map(math.isfinite, times.tolist()))):
        return Reason.NO_STIMULUS_TIME
    return None


def measure_visit(
    visit: Visit,
    marks: Sequence[TraceMarks],
    *,
    onset_method: str,
    moved: _Moved = _NOTHING_MOVED,
    temperature: TemperatureCorrection | None = None,
) -> tuple[Measurement, ...]:
    """Return every measurement of a visit.

    Parameters
    ----------
    visit
        With the stimulus times that the marks count from.
    marks
        Of every trace that can be marked.
    onset_method
        How the onsets were found; goes into the method of every measurement.
    moved
        By study and trace, what a person did to its marks; ``marks`` are those after it.
    temperature
        How velocities and latencies are corrected; the corrected ones follow those that were measured.
    """
    found: dict[tuple[int, int], list[TraceMarks]] = {}
    for entry in marks:
        found.setdefault((entry.study_index, entry.trace_index), []).append(entry)
    by_study: dict[int, list[Measurement]] = {}
    for index in _order(visit):
        study = visit.studies[index]
        marked = [
            _marked(study, trace, found.get((index, position), ()), moved.get((index, position)))
            for position, trace in enumerate(study.traces)
        ]
        technique = technique_of(study)
        part = StudyPart(
            study=study,
            study_index=index,
            marked=tuple(marked),
            method=f"onset {onset_method}",
            covariates=visit.covariates,
            others=[row for rows in by_study.values() for row in rows] if _is_late(study) else (),
        )
        if technique is not None and study.traces:
            technique.measure(part)
        else:
            _unmeasured(part)
        rows = list(part.rows)
        if temperature is not None:
            rows.extend(corrected(part.rows, temperature))
        by_study[index] = [*rows, *_reported(study, index)]
    return tuple(row for index in range(len(visit.studies)) for row in by_study[index])


def _is_late(study: Study) -> bool:
    """Return whether a study is measured after those of other techniques."""
    technique = technique_of(study)
    return technique is not None and technique.needs_others


def _order(visit: Visit) -> list[int]:
    """Return the studies in the order in which they are measured."""
    return sorted(range(len(visit.studies)), key=lambda index: _is_late(visit.studies[index]))


def _marked(study: Study, trace: Trace, entries: Sequence[TraceMarks], moved: Moved | None) -> MarkedTrace:
    technique = technique_of(study)
    if technique is None or not entries:
        return MarkedTrace(trace=trace, marks=None, reason=unmarked(study, trace) or Reason.NO_STIMULUS_TIME)
    found = {entry.response or technique.responses[0]: entry for entry in entries}
    first = found[technique.responses[0]]
    rejected = n_rejected(trace, first.measured_sweeps) if technique.is_nerve_potential else 0
    spread = onset_spread(first.sweeps, first.measured_sweeps) if len(first.measured_sweeps) > 1 else None
    made = MarkedTrace(
        trace=trace,
        marks=first.measured,
        how="; ".join(filter(None, (averaging_words(trace, first.measured_sweeps, rejected), _spread_words(spread)))),
        found=found,
        more_flags=(
            *(("sweeps_rejected",) if rejected else ()),
            *(("spread_exceeds_sd",) if spread is not None and spread.exceeds else ()),
        ),
    )
    return made if moved is None else moved.onto(made)


def _spread_words(spread: OnsetSpread | None) -> str:
    if spread is None or not spread.exceeds:
        return ""
    return (
        f"onsets of {spread.n_sweeps} sweeps spread by {spread.spread_ms:.3f} ms (SD), "
        f"{spread.ratio:.1f} times the {spread.stated_sd_ms:.3f} ms stated for each"
    )


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
