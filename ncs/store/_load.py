"""The way out to nouns: stored rows back to the visits and results they were."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from ncs.errors import Problem, StoreError
from ncs.model import (
    Calibration,
    Direction,
    Filters,
    Origin,
    Provenance,
    ReportedCurve,
    ReportedMeasurement,
    ReportedValue,
    Segment,
    Side,
    SourceFile,
    Stimulus,
    Study,
    Subject,
    Technique,
    Trace,
    Visit,
)
from ncs.results import REPORTED_BY, Measurement, Reason, TraceMarks, VisitResult
from ncs.store import _schema as s
from ncs.store._codec import decode_samples, floats_from_json, sample_digest
from ncs.store._rows import KIND_COLUMNS, MARK_COLUMNS, MEASURED

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

    from ncs.detect.marks import Marks

__all__ = ["current_runs", "load_results", "load_visits"]

_STUDY = attrgetter("run_id", "study_index")


def current_runs(connection: sa.Connection, subject: str, date: dt.date) -> list[int]:
    """Return the current runs of a visit, in the order of their files' names.

    Raises
    ------
    StoreError
        When the store has no such visit, or the visit has no recording.
    """
    visit = connection.execute(
        sa.select(s.visits.c.id).join(s.subjects).where(s.subjects.c.code == subject, s.visits.c.date == date)
    ).scalar()
    if visit is None:
        raise StoreError(_no_visit(connection, subject, date))
    first = s.run_sources.c.position == 0
    runs = connection.execute(
        sa.select(s.runs.c.id)
        .outerjoin(s.run_sources, (s.run_sources.c.run_id == s.runs.c.id) & first)
        .outerjoin(s.source_files, s.source_files.c.id == s.run_sources.c.source_id)
        .where(s.runs.c.visit_id == visit, s.runs.c.current.is_(sa.true()))
        .order_by(s.run_sources.c.name, s.source_files.c.sha256, s.runs.c.content_key)
    ).scalars()
    found = list(runs)
    if not found:
        raise StoreError(f"visit: expected recordings of subject {subject!r} on {date}, found only covariates")
    return found


def _no_visit(connection: sa.Connection, subject: str, date: dt.date) -> str:
    query = sa.select(s.visits.c.date).join(s.subjects).where(s.subjects.c.code == subject).order_by(s.visits.c.date)
    dates = [str(found) for found in connection.execute(query).scalars()]
    found = f"visits on {', '.join(dates)}" if dates else "no visit of that subject"
    return f"visit: expected one of subject {subject!r} on {date}, found {found}"


def load_visits(connection: sa.Connection, run_ids: Sequence[int]) -> list[Visit]:
    """Return the visit of every run as it was analysed."""
    return _visits(connection, _run_rows(connection, run_ids))


def load_results(connection: sa.Connection, run_ids: Sequence[int]) -> list[VisitResult]:
    """Return every run as it was saved."""
    rows = _run_rows(connection, run_ids)
    marks, measurements = _marks(connection, run_ids), _measurements(connection, run_ids)
    return [
        VisitResult(
            visit=visit,
            marks=tuple(marks[row.id]),
            measurements=tuple(measurements[row.id]),
            parameters=row.parameters,
            version=row.version,
            fingerprint=row.fingerprint,
        )
        for row, visit in zip(rows, _visits(connection, rows), strict=True)
    ]


def _run_rows(connection: sa.Connection, run_ids: Sequence[int]) -> list[Any]:
    rows = connection.execute(
        sa.select(s.runs, s.analyses.c.parameters, s.subjects.c.code, s.visits.c.date)
        .join(s.analyses, s.analyses.c.id == s.runs.c.analysis_id)
        .join(s.visits, s.visits.c.id == s.runs.c.visit_id)
        .join(s.subjects, s.subjects.c.id == s.visits.c.subject_id)
        .where(s.runs.c.id.in_(run_ids))
    )
    found = {row.id: row for row in rows}
    missing = [str(run) for run in run_ids if run not in found]
    if missing:
        raise StoreError(f"run: expected a stored run, found none with number {', '.join(missing)}")
    return [found[run] for run in run_ids]


def _visits(connection: sa.Connection, rows: Iterable[Any]) -> list[Visit]:
    rows = list(rows)
    ids = [row.id for row in rows]
    sources, covariates = _sources(connection, ids), _covariates(connection, ids)
    studies = _studies(connection, ids)
    return [
        Visit(
            subject=Subject(id=row.code, sex=row.sex, name=row.subject_name, birth_date=row.birth_date),
            date=row.date,
            studies=tuple(studies[row.id]),
            covariates=covariates[row.id],
            sources=tuple(sources[row.id]),
            problems=tuple(Problem(**problem) for problem in row.problems or ()),
            provenance=_provenance(row.provenance),
        )
        for row in rows
    ]


def _of_runs(connection: sa.Connection, table: sa.Table, run_ids: Sequence[int]) -> Iterable[Any]:
    order = list(table.primary_key.columns)
    return connection.execute(sa.select(table).where(table.c.run_id.in_(run_ids)).order_by(*order))


def _sources(connection: sa.Connection, run_ids: Sequence[int]) -> dict[int, list[SourceFile]]:
    found: dict[int, list[SourceFile]] = defaultdict(list)
    x, f = s.run_sources.c, s.source_files.c
    query = sa.select(x.run_id, x.name, x.sidecar_sha256, x.protocol_sha256, f.sha256, f.size_bytes, f.format)
    query = query.join(s.source_files, f.id == x.source_id).where(x.run_id.in_(run_ids)).order_by(x.run_id, x.position)
    for row in connection.execute(query):
        found[row.run_id].append(
            SourceFile(
                name=row.name,
                sha256=row.sha256,
                size_bytes=row.size_bytes,
                format=row.format,
                sidecar_sha256=row.sidecar_sha256 or "",
                protocol_sha256=row.protocol_sha256 or "",
            )
        )
    return found


def _covariates(connection: sa.Connection, run_ids: Sequence[int]) -> dict[int, dict[str, float | str]]:
    e = s.edited_runs.c
    bases = connection.execute(sa.select(e.run_id, e.base_run_id).where(e.run_id.in_(run_ids)))
    stated_in = {run: run for run in run_ids} | {row.run_id: row.base_run_id for row in bases}
    stated: dict[int, dict[str, float | str]] = defaultdict(dict)
    for row in _of_runs(connection, s.covariates, sorted(set(stated_in.values()))):
        stated[row.run_id][row.name] = row.text if row.text is not None else _or_nan(row.number)
    return {run: dict(stated[base]) for run, base in stated_in.items()}


def _studies(connection: sa.Connection, run_ids: Sequence[int]) -> dict[int, list[Study]]:
    query = (
        sa.select(s.traces, s.waveforms.c.encoding, s.waveforms.c.data)
        .join(s.waveforms, s.waveforms.c.sha256 == s.traces.c.waveform_sha256)
        .where(s.traces.c.run_id.in_(run_ids))
        .order_by(*s.traces.primary_key.columns)
    )
    traces = {place: tuple(map(_trace, rows)) for place, rows in groupby(connection.execute(query), key=_STUDY)}
    reported = _reported(connection, run_ids)
    found: dict[int, list[Study]] = defaultdict(list)
    for row in _of_runs(connection, s.studies, run_ids):
        study = _study(row, traces.get(_STUDY(row), ()))
        found[row.run_id].append(replace(study, reported=tuple(reported.get(_STUDY(row), ()))))
    return found


def _reported(connection: sa.Connection, run_ids: Sequence[int]) -> dict[tuple[int, int], list[ReportedMeasurement]]:
    """Return what recorders reported without waveforms: the analysis has passed it on to the measurements as it is."""
    m, k = s.measurements.c, s.kinds.c
    query = sa.select(m.run_id, m.study_index, m.value, k.quantity, k.unit, k.method, k.site)
    query = query.join(s.kinds, k.id == m.kind_id)
    query = query.where(m.run_id.in_(run_ids), k.method.startswith(REPORTED_BY, autoescape=True))
    found: dict[tuple[int, int], list[ReportedMeasurement]] = defaultdict(list)
    for row in connection.execute(query.order_by(m.run_id, m.position)):
        source = row.method.removeprefix(REPORTED_BY)
        found[_STUDY(row)].append(
            ReportedMeasurement(quantity=row.quantity, value=row.value, unit=row.unit, source=source, site=row.site)
        )
    return found


def _study(row: Any, traces: tuple[Trace, ...]) -> Study:
    return Study(
        traces=traces,
        nerve=row.nerve,
        side=Side(row.side) if row.side is not None else None,
        technique=Technique(row.technique) if row.technique is not None else None,
        direction=Direction(row.direction) if row.direction is not None else None,
        recording_site=row.recording_site,
        skin_temperature_c=row.skin_temperature_c,
        temperature_site=row.temperature_site,
        segments=tuple(_segment(part) for part in row.segments or ()),
        distance_sd_mm=row.distance_sd_mm,
        curves=tuple(_curve(part) for part in row.curves or ()),
        provenance=_provenance(row.provenance),
    )


def _segment(part: Mapping[str, Any]) -> Segment:
    return Segment(**{**part, "distance_mm": float(part["distance_mm"]), "origin": Origin(part["origin"])})


def _curve(part: Mapping[str, Any]) -> ReportedCurve:
    rows = tuple(tuple(None if cell is None else float(cell) for cell in row) for row in part["rows"])
    return ReportedCurve(name=part["name"], columns=tuple(part["columns"]), rows=rows)


def _trace(row: Any) -> Trace:
    samples = decode_samples(row.encoding, row.data, (row.n_sweeps, row.n_samples))
    if sample_digest(samples) != row.waveform_sha256:
        raise StoreError(
            f"waveforms: expected samples with SHA-256 {row.waveform_sha256}, found others: restore a copy"
        )
    return Trace(
        samples_uv=samples,
        sampling_rate_hz=row.sampling_rate_hz,
        stimulus_ms=_array(row.stimulus_ms),
        elapsed_s=_array(row.elapsed_s),
        stimulation_site=row.stimulation_site,
        distance_mm=row.distance_mm,
        stimulus=Stimulus(
            intensity_ma=_array(row.intensity_ma),
            intensity_v=_array(row.intensity_v),
            duration_ms=row.duration_ms,
            label=row.stimulus_label,
        ),
        filters=Filters(
            low_cut_hz=row.low_cut_hz, high_cut_hz=row.high_cut_hz, notch_hz=row.notch_hz, text=row.filter_text
        ),
        calibration=_calibration(row),
        averaged_count=row.averaged_count,
        channel=row.channel,
        reported=tuple(
            ReportedValue(kind=value["kind"], value=float(value["value"]), mode=value["mode"])
            for value in row.reported or ()
        ),
        notes=tuple(row.notes or ()),
        provenance=_provenance(row.provenance),
    )


def _calibration(row: Any) -> Calibration | None:
    if row.unit is None:
        return None
    return Calibration(
        unit=row.unit,
        digital_min=row.digital_min,
        digital_max=row.digital_max,
        physical_min=row.physical_min,
        physical_max=row.physical_max,
    )


def _marks(connection: sa.Connection, run_ids: Sequence[int]) -> dict[int, list[TraceMarks]]:
    found: dict[int, list[TraceMarks]] = defaultdict(list)
    place = attrgetter("run_id", "study_index", "trace_index", "response")
    for (run, study, trace, response), rows in groupby(_of_runs(connection, s.marks, run_ids), key=place):
        measured, *sweeps = rows  # the measured one is number -1, hence first
        if measured.sweep != MEASURED:
            raise StoreError(
                f"marks: expected the measured marks of run {run}, study {study}, trace {trace}, found none"
            )
        found[run].append(
            TraceMarks(
                study_index=study,
                trace_index=trace,
                response=response,
                sweeps=_mark_arrays(sweeps),
                measured=_mark_arrays([measured]),
                measured_sweeps=tuple(measured.averaged_sweeps),
            )
        )
    return found


def _mark_arrays(rows: Sequence[Any]) -> Marks:
    from ncs.detect.marks import Marks

    return Marks(
        **{name: np.array([_or_nan(getattr(row, name)) for row in rows]) for name in MARK_COLUMNS},
        outcome=np.array([row.outcome for row in rows], np.int8),
        flags=np.array([row.flags for row in rows], np.int8),
    )


def _measurements(connection: sa.Connection, run_ids: Sequence[int]) -> dict[int, list[Measurement]]:
    found: dict[int, list[Measurement]] = defaultdict(list)
    kinds = _kinds(connection, run_ids)
    for row in _of_runs(connection, s.measurements, run_ids):
        fields: Mapping[str, Any] = row._mapping  # noqa: SLF001 - public in spite of its name
        values = {name: value for name, value in fields.items() if name not in {"run_id", "position", "kind_id"}}
        values |= zip(KIND_COLUMNS, kinds[row.kind_id], strict=True)
        values["reason"] = Reason(row.reason) if row.reason is not None else None
        values["side"] = Side(values["side"]) if values["side"] is not None else None
        values["technique"] = Technique(values["technique"]) if values["technique"] is not None else None
        values["flags"] = tuple(row.flags.split(";")) if row.flags else ()
        found[row.run_id].append(Measurement(**values))
    return found


def _kinds(connection: sa.Connection, run_ids: Sequence[int]) -> dict[int, tuple[str | None, ...]]:
    k, m = s.kinds.c, s.measurements.c
    used = sa.select(m.kind_id).where(m.run_id.in_(run_ids))
    query = sa.select(k.id, *(k[name] for name in KIND_COLUMNS)).where(k.id.in_(used))
    return {number: tuple(kind) for number, *kind in connection.execute(query)}


def _provenance(origins: Mapping[str, str] | None) -> Provenance:
    return Provenance({key: Origin(value) for key, value in (origins or {}).items()})


def _array(values: list[float | str] | None) -> Any:
    return None if values is None else np.array(floats_from_json(values))


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value
