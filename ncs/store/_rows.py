"""A result as rows: one tuple per row, its values in the order of the table's columns (without a generated ``id``)."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ncs.errors import Problem
from ncs.store._codec import encode_samples, floats_to_json, sample_digest
from ncs.store._schema import MARK_COLUMNS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from ncs.detect.marks import Marks
    from ncs.model import Provenance, Segment, SourceFile, Trace, Visit
    from ncs.results import VisitResult

__all__ = [
    "MEASURED",
    "Row",
    "content_key_of",
    "covariate_value",
    "identity_problems",
    "mark_rows",
    "measurement_rows",
    "problems_json",
    "run_row",
    "source_row",
    "study_rows",
    "trace_rows",
    "waveform_row",
]

Row = tuple[Any, ...]

MEASURED = -1
"""Sweep number of the marks that the measurements rest on."""


def content_key_of(visit: Visit) -> str:
    """Return what identifies the content: a file's SHA-256, one over several of them, or one over samples."""
    hashes = sorted(source.sha256 for source in visit.sources)
    if len(hashes) == 1:
        return hashes[0]
    if not hashes:  # made in memory
        hashes = [
            f"{study.nerve} {study.side} {study.technique} {study.recording_site} {trace.stimulation_site} "
            f"{trace.sampling_rate_hz!r} {trace.samples_uv.shape} {sample_digest(trace.samples_uv)}"
            for study in visit.studies
            for trace in study.traces
        ]
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def identity_problems(visit: Visit) -> tuple[Problem, ...]:
    """Return what keeps a visit from being filed: no subject, no date."""
    name = ", ".join(source.name for source in visit.sources) or "(no file)"
    problems = []
    if not visit.subject.id:
        hint = "Give the subject with --subject, or as subject in the sidecar."
        problems.append(Problem(file=name, place="", field="subject", expected="a code", found="none", hint=hint))
    if visit.date is None:
        hint = "Give the date in the sidecar."
        problems.append(Problem(file=name, place="", field="date", expected="a date", found="none", hint=hint))
    return tuple(problems)


def problems_json(problems: Iterable[Problem]) -> list[dict[str, str]] | None:
    """Return problems as JSON, ``None`` where there are none."""
    return [asdict(problem) for problem in problems] or None


def _origins(provenance: Provenance) -> dict[str, str] | None:
    return {key: origin.value for key, origin in provenance.items()} or None


def _number(value: float | None) -> float | None:
    """Return a Python float; NaN becomes NULL, because SQLite would do so silently and PostgreSQL would not."""
    if value is None:
        return None
    value = float(value)
    return None if math.isnan(value) else value


def source_row(source: SourceFile) -> Row:
    """Return a row of ``source_files``."""
    return source.sha256, source.name, source.size_bytes, source.format


def run_row(result: VisitResult, visit_id: int, key: str, now: dt.datetime) -> Row:
    """Return a row of ``runs``."""
    visit, subject = result.visit, result.visit.subject
    return (
        visit_id, key, result.fingerprint, result.version, result.parameters, now, True, subject.sex, subject.name,
        subject.birth_date, problems_json(visit.problems), _origins(visit.provenance),
    )  # fmt: skip


def covariate_value(value: float | str) -> tuple[float | None, str | None]:
    """Return a covariate's columns ``number, text``."""
    return (None, value) if isinstance(value, str) else (_number(value), None)


def study_rows(visit: Visit, run_id: int) -> list[Row]:
    """Return the rows of ``studies``."""
    return [
        (
            run_id, index, study.nerve, study.side and study.side.value, study.technique and study.technique.value,
            study.recording_site, study.temperature_site, _number(study.skin_temperature_c),
            _number(study.distance_sd_mm), [_segment(segment) for segment in study.segments] or None,
            _origins(study.provenance),
        )
        for index, study in enumerate(visit.studies)
    ]  # fmt: skip


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "distal_site": segment.distal_site,
        "proximal_site": segment.proximal_site,
        "distance_mm": segment.distance_mm,
        "origin": segment.origin.value,
    }


def trace_rows(visit: Visit, run_id: int, digests: list[str]) -> list[Row]:
    """Return the rows of ``traces``; ``digests`` has one waveform key per trace, in order."""
    remaining = iter(digests)
    return [
        _trace_row(trace, (run_id, index, position), next(remaining))
        for index, study in enumerate(visit.studies)
        for position, trace in enumerate(study.traces)
    ]


def _trace_row(trace: Trace, place: tuple[int, int, int], digest: str) -> Row:
    stimulus, filters, calibration = trace.stimulus, trace.filters, trace.calibration
    reported = [{"kind": r.kind, "value": floats_to_json([r.value])[0], "mode": r.mode} for r in trace.reported]
    return (
        *place, trace.stimulation_site, float(trace.sampling_rate_hz), trace.n_sweeps, trace.n_samples,
        None if trace.stimulus_ms is None else floats_to_json(trace.stimulus_ms), _number(trace.distance_mm),
        None if stimulus.intensity_ma is None else floats_to_json(stimulus.intensity_ma),
        None if stimulus.intensity_v is None else floats_to_json(stimulus.intensity_v),
        _number(stimulus.duration_ms), stimulus.label,
        _number(filters.low_cut_hz), _number(filters.high_cut_hz), _number(filters.notch_hz), filters.text,
        *((None,) * 5 if calibration is None else (
            calibration.unit, calibration.digital_min, calibration.digital_max,
            _number(calibration.physical_min), _number(calibration.physical_max),
        )),
        trace.averaged_count, trace.channel, reported or None, list(trace.notes) or None, _origins(trace.provenance),
        digest,
    )  # fmt: skip


def waveform_row(trace: Trace, digest: str) -> Row:
    """Return a row of ``waveforms``."""
    return digest, *encode_samples(trace.samples_uv, trace.calibration)


def mark_rows(result: VisitResult, run_id: int) -> list[Row]:
    """Return the rows of ``marks``: every sweep, and the measured one."""
    rows: list[Row] = []
    for entry in result.marks:
        place = (run_id, entry.study_index, entry.trace_index)
        rows.append((*place, MEASURED, list(entry.measured_sweeps), *_mark_columns(entry.measured)[0]))
        rows.extend((*place, index, None, *values) for index, values in enumerate(_mark_columns(entry.sweeps)))
    return rows


def _mark_columns(marks: Marks) -> list[Row]:
    columns = [[None if x != x else x for x in getattr(marks, name).tolist()] for name in MARK_COLUMNS]  # noqa: PLR0124
    return list(zip(*columns, marks.outcome.tolist(), marks.flags.tolist(), strict=True))


def measurement_rows(result: VisitResult, run_id: int) -> list[Row]:
    """Return the rows of ``measurements``."""
    return [
        (
            run_id, position, m.study_index, m.quantity, _number(m.value), _number(m.sd), m.unit,
            m.reason and m.reason.value, m.method, m.nerve, m.side and m.side.value,
            m.technique and m.technique.value, m.recording_site, m.site, m.segment, _number(m.distance_mm),
            _number(m.skin_temperature_c), ";".join(m.flags),
        )
        for position, m in enumerate(result.measurements)
    ]  # fmt: skip
