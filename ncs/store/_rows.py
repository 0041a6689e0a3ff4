"""A result as rows: one tuple per row, its values in the order of the table's columns, without what the store numbers.

No database here: workers do this part, so that the one writer has little left to do.
"""

from __future__ import annotations

import hashlib
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ncs.errors import Problem
from ncs.model import SourceFile
from ncs.store._codec import dumps, encode_samples, floats_to_json, sample_digest, storable

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from ncs.detect.marks import Marks
    from ncs.model import Provenance, Side, Technique, Trace, Visit
    from ncs.results import VisitResult

__all__ = [
    "KIND_COLUMNS",
    "MARK_COLUMNS",
    "MEASURED",
    "CovariateFacts",
    "Head",
    "Kind",
    "Prepared",
    "Row",
    "covariate_value",
    "digest_of",
    "head_of",
    "identity_problems",
    "kind_row",
    "prepare",
    "problems_json",
    "source_row",
]

Row = tuple[Any, ...]

Kind = tuple[str | None, ...]
"""What a measurement has in common with those of other visits: the values of ``KIND_COLUMNS``."""

KIND_COLUMNS = ("quantity", "unit", "method", "nerve", "side", "technique", "recording_site", "site", "segment")

MEASURED = -1
"""Sweep number of the marks that the measurements rest on."""


MARK_COLUMNS = (
    "onset_ms", "onset_sd_ms", "peak_ms", "peak_sd_ms", "peak_uv", "peak_sd_uv", "end_ms", "last_end_ms", "trough_ms",
    "trough_uv", "area_uv_ms", "area_sd_uv_ms", "peak_to_peak_uv", "peak_to_peak_sd_uv", "duration_ms",
    "duration_sd_ms", "total_duration_ms", "peak_threshold_uv", "baseline_uv", "noise_uv",
)  # fmt: skip
"""The floating-point fields of ``ncs.detect.marks.Marks``; listed, because importing them would load the detectors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a result is filed under."""

    subject: str | None
    date: dt.date | None
    key: str
    fingerprint: str
    sources: tuple[SourceFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A result ready to be written, quick to send between processes; ``run`` and the lists hold rows.

    The rows lack what only the store knows: the visit, the run, the moment. Where a row of ``measurements`` has a
    number in the store, it has the whole kind here, and the first value of ``run`` is the text of the parameters.
    """

    head: Head
    problems: tuple[Problem, ...]
    covariates: dict[str, float | str]
    version: str
    run: Row
    studies: list[Row]
    waveforms: list[Row]
    traces: list[Row]
    marks: list[Row]
    measurements: list[Row]

    def __reduce__(self) -> tuple[Any, Row]:
        """Send values only: left to itself, ``pickle`` asks each noun for its fields, on both sides and every time."""
        head = self.head
        sources = [_SOURCE(source) for source in head.sources]
        return _received, (
            (head.subject, head.date, head.key, head.fingerprint), sources, self.problems, self.covariates,
            self.version, self.run, self.studies, self.waveforms, self.traces, self.marks, self.measurements,
        )  # fmt: skip


_SOURCE = attrgetter("name", "sha256", "size_bytes", "format", "sidecar_sha256", "protocol_sha256")


def _received(
    head: Row,
    sources: list[Row],
    problems: tuple[Problem, ...],
    covariates: dict[str, float | str],
    version: str,
    run: Row,
    studies: list[Row],
    waveforms: list[Row],
    traces: list[Row],
    marks: list[Row],
    measurements: list[Row],
) -> Prepared:
    """Undo ``Prepared.__reduce__``."""
    subject, date, key, fingerprint = head
    files = tuple([_source(*values) for values in sources])
    return Prepared(
        head=Head(subject=subject, date=date, key=key, fingerprint=fingerprint, sources=files),
        problems=problems,
        covariates=covariates,
        version=version,
        run=run,
        studies=studies,
        waveforms=waveforms,
        traces=traces,
        marks=marks,
        measurements=measurements,
    )


def _source(
    name: str, sha256: str, size_bytes: int, form: str, sidecar_sha256: str, protocol_sha256: str
) -> SourceFile:
    return SourceFile(
        name=name, sha256=sha256, size_bytes=size_bytes, format=form,
        sidecar_sha256=sidecar_sha256, protocol_sha256=protocol_sha256,
    )  # fmt: skip


def head_of(result: VisitResult) -> Head:
    """Return what a result is filed under."""
    visit = result.visit
    return Head(
        subject=visit.subject.id,
        date=visit.date,
        key=_content_key(visit),
        fingerprint=result.fingerprint,
        sources=_storable(visit.sources),
    )


def _storable(sources: tuple[SourceFile, ...]) -> tuple[SourceFile, ...]:
    if all(source.name.isascii() for source in sources):
        return sources
    return tuple(replace(source, name=storable(source.name)) for source in sources)


def prepare(result: VisitResult) -> Prepared:
    """Return a result ready to be written."""
    visit = result.visit
    traces = [trace for study in visit.studies for trace in study.traces]
    digests = [sample_digest(trace.samples_uv) for trace in traces]
    return Prepared(
        head=head_of(result),
        problems=visit.problems,
        covariates=dict(visit.covariates),
        version=result.version,
        run=_run_row(result),
        studies=_study_rows(visit),
        waveforms=[_waveform_row(trace, digest) for trace, digest in zip(traces, digests, strict=True)],
        traces=_trace_rows(visit, digests),
        marks=_mark_rows(result),
        measurements=_measurement_rows(result),
    )


def _content_key(visit: Visit) -> str:
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


def identity_problems(head: Head) -> tuple[Problem, ...]:
    """Return what keeps a result from being filed: no subject, no date."""
    name = ", ".join(source.name for source in head.sources) or "(no file)"
    problems = []
    if not head.subject:
        hint = "Give the subject with --subject, or as subject in the sidecar."
        problems.append(Problem(file=name, place="", field="subject", expected="a code", found="none", hint=hint))
    if head.date is None:
        hint = "Give the date in the sidecar."
        problems.append(Problem(file=name, place="", field="date", expected="a date", found="none", hint=hint))
    return tuple(problems)


def problems_json(problems: tuple[Problem, ...]) -> str | None:
    """Return problems as JSON, ``None`` where there are none."""
    return _records(tuple(problems), ("file", "place", "field", "expected", "found", "hint"))


def _origins(provenance: Provenance) -> str | None:
    return _mapping(tuple(provenance.items()))


# What repeats from file to file is turned into text once.


@lru_cache(maxsize=512)
def _mapping(items: tuple[tuple[str, str], ...]) -> str | None:
    return dumps(dict(items)) if items else None


_last_parameters: tuple[Mapping[str, Any], str] = ({}, "{}")


def _parameters_json(parameters: Mapping[str, Any]) -> str:
    global _last_parameters  # noqa: PLW0603 - one entry is enough: all files of a batch are analysed alike
    known, text = _last_parameters
    if known != parameters:
        text = dumps(parameters)
        _last_parameters = (deepcopy(parameters), text)
    return text


@lru_cache(maxsize=512)
def _records(nouns: tuple[Any, ...], names: tuple[str, ...]) -> str | None:
    return dumps([{name: getattr(noun, name) for name in names} for noun in nouns]) if nouns else None


@lru_cache(maxsize=512)
def _list(values: tuple[str | int, ...]) -> str:
    return dumps(values)


@lru_cache(maxsize=4096)
def _kind(
    quantity: str,
    unit: str,
    method: str,
    nerve: str | None,
    side: Side | None,
    technique: Technique | None,
    recording_site: str | None,
    site: str | None,
    segment: str | None,
) -> Kind:
    """Return the kind of a measurement, one object for all that are equal: what repeats is sent once to the writer."""
    return quantity, unit, method, nerve, _text(side), _text(technique), recording_site, site, segment


def _number(value: float | None) -> float | None:
    """Return a Python float; NaN becomes NULL, because SQLite would do so silently and PostgreSQL would not."""
    if value is None:
        return None
    value = float(value)
    return value if value == value else None  # noqa: PLR0124 - the quickest question for NaN


def _text(value: str | None) -> str | None:
    """Return a plain string for a member of an enumeration."""
    return None if value is None else str.__str__(value)


def source_row(source: SourceFile) -> Row:
    """Return a row of ``source_files``."""
    return source.sha256, source.name, source.size_bytes, source.format


def kind_row(kind: Kind) -> Row:
    """Return a row of ``kinds``."""
    return digest_of(dumps(kind)), *kind


def digest_of(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _run_row(result: VisitResult) -> Row:
    visit, subject = result.visit, result.visit.subject
    return (
        _parameters_json(result.parameters), subject.sex, subject.name, subject.birth_date,
        problems_json(visit.problems), _origins(visit.provenance),
    )  # fmt: skip


def covariate_value(value: float | str) -> tuple[float | None, str | None]:
    """Return a covariate's columns ``number, text``."""
    return (None, value) if isinstance(value, str) else (_number(value), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CovariateFacts:
    """What is stated about a covariate beside its value: columns ``unit, upper_limit, stated_date``."""

    unit: str | None = None
    upper_limit: float | None = None
    stated_date: dt.date | None = None

    @property
    def row(self) -> Row:
        """The end of a row of ``covariates``."""
        return self.unit or None, _number(self.upper_limit), self.stated_date


def _study_rows(visit: Visit) -> list[Row]:
    """Return the rows of ``studies``."""
    return [
        (
            index, study.nerve, _text(study.side), _text(study.technique),
            study.recording_site, study.temperature_site, _number(study.skin_temperature_c),
            _number(study.distance_sd_mm), _records(study.segments, _SEGMENT), _records(study.curves, _CURVE),
            _origins(study.provenance), _text(study.direction),
        )
        for index, study in enumerate(visit.studies)
    ]  # fmt: skip


_SEGMENT = ("distal_site", "proximal_site", "distance_mm", "origin")
_REPORTED = ("kind", "value", "mode")
_CURVE = ("name", "columns", "rows")


def _trace_rows(visit: Visit, digests: list[str]) -> list[Row]:
    """Return the rows of ``traces``; ``digests`` has one waveform key per trace, in order."""
    remaining = iter(digests)
    return [
        _trace_row(trace, (index, position), next(remaining))
        for index, study in enumerate(visit.studies)
        for position, trace in enumerate(study.traces)
    ]


def _trace_row(trace: Trace, place: tuple[int, int], digest: str) -> Row:
    stimulus, filters, calibration = trace.stimulus, trace.filters, trace.calibration
    return (
        *place, trace.stimulation_site, float(trace.sampling_rate_hz), trace.n_sweeps, trace.n_samples,
        None if trace.stimulus_ms is None else floats_to_json(trace.stimulus_ms),
        None if trace.elapsed_s is None else floats_to_json(trace.elapsed_s), _number(trace.distance_mm),
        None if stimulus.intensity_ma is None else floats_to_json(stimulus.intensity_ma),
        None if stimulus.intensity_v is None else floats_to_json(stimulus.intensity_v),
        _number(stimulus.duration_ms), stimulus.label,
        _number(filters.low_cut_hz), _number(filters.high_cut_hz), _number(filters.notch_hz), filters.text,
        *((None,) * 5 if calibration is None else (
            calibration.unit, calibration.digital_min, calibration.digital_max,
            _number(calibration.physical_min), _number(calibration.physical_max),
        )),
        trace.averaged_count, trace.channel, _records(trace.reported, _REPORTED),
        _list(trace.notes) if trace.notes else None, _origins(trace.provenance), digest,
    )  # fmt: skip


def _waveform_row(trace: Trace, digest: str) -> Row:
    """Return a row of ``waveforms``."""
    return digest, *encode_samples(trace.samples_uv, trace.calibration)


def _mark_rows(result: VisitResult) -> list[Row]:
    """Return the rows of ``marks``: every sweep, and the measured one."""
    rows: list[Row] = []
    for entry in result.marks:
        place = (entry.study_index, entry.trace_index, entry.response)
        sweeps = _mark_columns(entry.sweeps)
        measured = sweeps if entry.measured is entry.sweeps else _mark_columns(entry.measured)
        rows.append((*place, MEASURED, _list(entry.measured_sweeps), *measured[0]))
        rows += [(*place, index, None, *values) for index, values in enumerate(sweeps)]
    return rows


def _mark_columns(marks: Marks) -> list[Row]:
    return [tuple([x if x == x else None for x in row]) for row in marks.rows()]  # noqa: PLR0124


def _measurement_rows(result: VisitResult) -> list[Row]:
    """Return the rows of ``measurements``."""
    return [
        (
            position, m.study_index,
            _kind(m.quantity, m.unit, m.method, m.nerve, m.side, m.technique, m.recording_site, m.site, m.segment),
            _number(m.value), _number(m.sd), _text(m.reason), _number(m.distance_mm), _number(m.skin_temperature_c),
            ";".join(m.flags),
        )
        for position, m in enumerate(result.measurements)
    ]  # fmt: skip
