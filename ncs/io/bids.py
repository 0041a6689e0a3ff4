"""Reader of a recording in a BIDS data set: an EDF or BDF file, and what the tables beside it say.

The samples, and whatever EDF+ annotations say, are read by the EDF reader; the tables fill what is absent. A new column
is one row in ``_bids_columns``.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ncs.errors import ConflictError, Problem
from ncs.io import _bids
from ncs.io._bids_columns import STUDY_FIELDS, TRACE_FIELDS
from ncs.io._sites import split_side
from ncs.io._stimulus_notes import is_stimulus
from ncs.io._units import voltage_factor
from ncs.io.edf import EDF
from ncs.model import Direction, Filters, Origin, Side, Study, Technique, Trace, Visit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ncs.io._bids import Row
    from ncs.io._recording import ReadRequest
    from ncs.io.sidecar import Sidecar

__all__ = ["BIDS", "BidsReader"]

_CARRIES = MappingProxyType(
    {
        "waveforms": "yes",
        "site": "events.tsv",
        "distance": "events.tsv",
        "intensity": "events.tsv",
        "units": "yes",
        "filters": "channels.tsv",
        "stimulus time": "events.tsv",
        "temperature": "events.tsv",
    }
)
_KINDS: dict[str, Any] = {"side": Side, "technique": Technique, "direction": Direction}
_NUMBERS = frozenset({"skin_temperature_c", "distance_mm", "pulse_duration_ms", "averaged_count"})
_SIDECAR = Origin.SIDECAR
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class BidsReader:
    """Reader of ``sub-…_emg.edf`` and ``.bdf``; see ``ncs.io._recording.Reader``."""

    name: str = "bids"
    description: str = "EDF or BDF recordings in a BIDS data set, with its tables of channels and events"
    extensions: tuple[str, ...] = (".edf", ".bdf")
    carries: Mapping[str, str] = field(default_factory=lambda: _CARRIES)
    experimental: bool = False
    refines: tuple[str, ...] = ("edf",)
    """Formats whose content this one reads as well: of two equal claims, this reader's goes first."""

    def sniff(self, head: bytes, path: Path) -> float:
        """Return the confidence of the EDF reader for a file that has the name and the company of a BIDS recording."""
        return EDF.sniff(head, path) if _bids.is_recording(path) else 0.0

    def read(self, request: ReadRequest) -> Visit:
        """Read a recording and its tables.

        Parameters
        ----------
        request
            As for the EDF reader; a sidecar of ncs goes before the tables.

        Raises
        ------
        ReadError
            With everything that is wrong with the EDF file.
        ConflictError
            When a table contradicts it.
        """
        problems: list[Problem] = []
        tables = _Tables(
            path=request.path,
            channels=_bids.read_table(_bids.table_beside(request.path, "channels"), problems),
            events=_bids.read_table(_bids.table_beside(request.path, "events"), problems),
            metadata=_bids.metadata(request.path, problems),
            problems=problems,
        )
        rows = tables.stimuli()
        visit = EDF.read(
            replace(
                request,
                sidecar=request.sidecar or _how_to_read(tables, [] if _is_discontinuous(request.content) else rows),
            )
        )
        studies = tuple(_with_tables(study, tables, rows) for study in visit.studies)
        if tables.conflicts:
            raise ConflictError(tables.conflicts)
        visit = _with_identity(replace(visit, studies=studies), request.path, problems)
        # a header without a subject is as it should be: the file's name states it
        remarks = [problem for problem in visit.problems if problem.field != "patient identification"]
        return replace(visit, problems=(*remarks, *problems))


BIDS = BidsReader()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tables:
    """What stands beside one recording, and what is found wrong with it."""

    path: Path
    channels: list[Row]
    events: list[Row]
    metadata: dict[str, Any]
    problems: list[Problem]
    conflicts: list[Problem] = field(default_factory=list)

    def stimuli(self) -> list[Row]:
        """Return the events that are stimuli, each with its ``key`` among them."""
        rows = []
        for event in self.events:
            named = event.get("stimulus_label") or event.get("stimulation_site")
            if (named or is_stimulus(event.get("trial_type") or "")) and _bids.number(event.get("onset")) is not None:
                rows.append({**event, "key": named or event.get("trial_type")})
        return rows

    def channel(self, label: str, count: int) -> Row:
        """Return the row of a channel: by its name or, where the only one is called otherwise, that one."""
        row = next((row for row in self.channels if row.get("name") == label), None)
        return row or (self.channels[0] if len(self.channels) == count == 1 else {})

    def note(self, table: str, name: str, expected: str, found: str, hint: str) -> None:
        self.problems.append(
            Problem(file=str(self.path), place=table, field=name, expected=expected, found=found, hint=hint)
        )


def _is_discontinuous(content: bytes) -> bool:
    """Return whether a file has gaps; then its own annotations say where the stimuli are."""
    return content[192:197] in {b"EDF+D", b"BDF+D"}


def _how_to_read(tables: _Tables, rows: Sequence[Row]) -> Sidecar | None:
    """Return as a sidecar what the EDF reader has to know: times of stimuli, the trigger channel, a unit."""
    from ncs.io.sidecar import load_sidecar

    stated: dict[str, Any] = {}
    keys = list(dict.fromkeys(row["key"] for row in rows))
    if rows:
        times = {
            f"event {at}": [float(row["onset"] or 0) for row in rows if row["key"] == key]
            for at, key in enumerate(keys)
        }
        stated["stimuli"] = {"times_s": times}
    triggers = [row["name"] for row in tables.channels if row.get("type") == "TRIG" and row.get("name")]
    if len(triggers) == 1 and not rows:
        stated["stimuli"] = {"trigger_channel": triggers[0]}
    units = {row.get("units") for row in tables.channels if row.get("type") != "TRIG"}
    unit = units.pop() if len(units) == 1 else None
    if unit is not None and voltage_factor(unit) is not None:
        stated["unit"] = unit
    return load_sidecar({"ncs_sidecar": 1, **stated}) if stated else None


def _with_tables(study: Study, tables: _Tables, rows: Sequence[Row]) -> Study:
    row = tables.channel(next((trace.channel for trace in study.traces), ""), len(tables.channels))
    keys = list(dict.fromkeys(each["key"] for each in rows))
    by_key: dict[str, list[Row]] = defaultdict(list)
    for each in rows:
        by_key[(each["key"] or "").casefold()].append(each)
    traces = []
    used: list[Row] = []
    for number, trace in enumerate(study.traces, start=1):
        named, mine = _renamed(trace, keys, by_key)
        used += mine
        traces.append(_filtered(_with_events(named, mine, tables, f"trace {number}"), row, tables))
    changes = _Changes(tables, "events.tsv")
    for column in STUDY_FIELDS:
        changes.take(column.name, getattr(study, column.name), _one_value(column.name, used, tables))
    if study.recording_site is None and "recording_site" not in changes.values and row.get("target_muscle"):
        _, changes.values["recording_site"] = split_side(row["target_muscle"] or "")
        changes.origins["recording_site"] = _SIDECAR
    origins = study.provenance.with_origins(**changes.origins)
    return replace(study, traces=tuple(traces), provenance=origins, **changes.values)


def _renamed(trace: Trace, keys: Sequence[str | None], by_key: Mapping[str, list[Row]]) -> tuple[Trace, list[Row]]:
    """Return a trace with the name that the events give to its stimulus, and these events."""
    label = trace.stimulus.label
    for at, key in enumerate(keys):
        if label == f"event {at}":
            mine = by_key[(key or "").casefold()]
            origins = trace.provenance.with_origins(stimulus_ms=_SIDECAR)
            return replace(trace, stimulus=replace(trace.stimulus, label=key or ""), provenance=origins), mine
    mine = by_key.get(label.casefold()) or by_key.get((trace.stimulation_site or "").casefold()) or []
    return trace, mine


@dataclass(slots=True)
class _Changes:
    """What the tables fill into one noun; what contradicts it is a conflict."""

    tables: _Tables
    place: str
    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)

    def take(self, name: str, current: Any, stated: Any, *, called: str = "") -> None:
        if stated is None:
            return
        if current is None:
            self.values[name] = stated
            self.origins[called or name] = _SIDECAR
        elif not _agree(current, stated):
            self.tables.conflicts.append(
                Problem(file=str(self.tables.path), place=self.place, field=called or name,
                        expected=f"{_shown(current)} (the EDF file)", found=f"{_shown(stated)} (events.tsv)",
                        hint="Correct the table, or write n/a there.")
            )  # fmt: skip


def _agree(current: Any, stated: Any) -> bool:
    if isinstance(current, str) and isinstance(stated, str):
        return current.strip().casefold() == stated.strip().casefold()
    return bool(np.allclose(current, stated, rtol=_TOLERANCE, atol=1e-12, equal_nan=True))


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return ", ".join(f"{each:g}" for each in value[:4]) + (", …" if len(value) > 4 else "")
    return f"{value:g}" if isinstance(value, float) else str(value)


def _one_value(name: str, rows: Sequence[Row], tables: _Tables) -> Any:
    """Return the value that all events of a trace or study have in a column; several, or a wrong one, are noted."""
    stated = list(dict.fromkeys(cell for row in rows if (cell := row.get(name)) is not None))
    if not stated:
        return None
    if len(stated) > 1:
        tables.note("events.tsv", name, f"one value, {stated[0]}", stated[1], "None was used.")
        return None
    if name in _KINDS:
        value = next((member for member in _KINDS[name] if member.value == stated[0].casefold()), None)
        if value is None:
            known = ", ".join(member.value for member in _KINDS[name])
            tables.note("events.tsv", name, f"one of {known}", stated[0], "It was not used.")
        return value
    if name not in _NUMBERS:
        return stated[0]
    number = _bids.number(stated[0])
    if number is None:
        tables.note("events.tsv", name, "a number", stated[0], "It was not used.")
        return None
    return int(number) if name == "averaged_count" and number.is_integer() else number


def _with_events(trace: Trace, rows: Sequence[Row], tables: _Tables, place: str) -> Trace:
    changes, pulse = _Changes(tables, place), _Changes(tables, place)
    for column in TRACE_FIELDS:
        value = _one_value(column.name, rows, tables)
        if column.name == "pulse_duration_ms":
            pulse.take("duration_ms", trace.stimulus.duration_ms, value, called="stimulus_duration_ms")
        else:
            changes.take(column.name, getattr(trace, column.name), value)
    for name in ("intensity_ma", "intensity_v"):
        stated = [_bids.number(row.get(name)) for row in rows]
        if len(stated) == trace.n_sweeps and any(value is not None for value in stated):
            values = np.array([np.nan if value is None else value for value in stated])
            pulse.take(name, getattr(trace.stimulus, name), values)
    if not changes.values and not pulse.values:
        return trace
    origins = trace.provenance.with_origins(**changes.origins, **pulse.origins)
    stimulus = replace(trace.stimulus, **pulse.values)
    return replace(trace, stimulus=stimulus, provenance=origins, **changes.values)


def _filtered(trace: Trace, row: Row, tables: _Tables) -> Trace:
    """Return a trace with the filters of its channel, where the EDF file states none; a differing unit is noted."""
    unit = row.get("units")
    mine = trace.calibration.unit if trace.calibration is not None else ""
    if unit is not None and mine and voltage_factor(unit) != voltage_factor(mine):
        found = f"{unit} in channels.tsv"
        tables.note("channels.tsv", "units", f"{mine}, as in the EDF header", found, "The EDF header's unit was used.")
    if row.get("status") == "bad":
        found = f"bad: {row.get('status_description') or 'no description'}"
        tables.note("channels.tsv", "status", "a good channel", found, "It was read.")
    columns = {"low_cut_hz": "low_cutoff", "high_cut_hz": "high_cutoff", "notch_hz": "notch"}
    stated = {name: _bids.number(row.get(column)) for name, column in columns.items()}
    known = (trace.filters.low_cut_hz, trace.filters.high_cut_hz, trace.filters.notch_hz)
    if any(value is not None for value in known) or not any(value is not None for value in stated.values()):
        return trace
    filters = Filters(**stated, text=trace.filters.text)
    return replace(trace, filters=filters, provenance=trace.provenance.with_origins(filters=_SIDECAR))


def _with_identity(visit: Visit, path: Path, problems: list[Problem]) -> Visit:
    """Return the visit of the participant, on the day that the data set states; a date in the header goes first."""
    label = _bids.entities(path.name).get("sub")
    subject, origins = visit.subject, {}
    if subject.id is not None and label is not None and subject.id != label:
        problems.append(
            Problem(file=str(path), place="byte 8", field="patient identification", expected=f"{label}, as in the name",
                    found="another code", hint="The participant's label was used. Clear the header before sharing.")
        )  # fmt: skip
    if subject.id != label:
        subject, origins["subject"] = replace(subject, id=label), _SIDECAR
    sex = (_bids.participant(path, problems).get("sex") or "").upper()[:1]
    if subject.sex is None and sex in {"F", "M"}:
        subject, origins["sex"] = replace(subject, sex=sex), _SIDECAR
    date = visit.date
    stated = _bids.recorded(path, problems)
    if stated is not None:
        try:
            day = dt.date.fromisoformat(stated[:10])
        except ValueError:
            day = None
        if day is None:
            problems.append(
                Problem(file=str(path), place="acq_time", field="date", expected="a date, as 2024-02-03T10:30:00",
                        found=stated, hint="It was not used.")
            )  # fmt: skip
        elif date is None:
            date, origins["date"] = day, _SIDECAR
        elif day != date:
            problems.append(
                Problem(file=str(path), place="acq_time", field="date", expected=f"{date}, as in the EDF header",
                        found=stated, hint="The header's date was used.")
            )  # fmt: skip
    return replace(visit, subject=subject, date=date, provenance=visit.provenance.with_origins(**origins))
