"""Marks that a person moved: rows that are only ever added, and runs in which they stand in place of automatic ones.

A row belongs to a recording, known by its samples and its file's content, never to a run. So every new analysis of that
recording gets them again, and a run without them stays beside the run with them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from ncs.errors import InvalidInputError
from ncs.measure._edited import edited, trace_marks
from ncs.measure._edits import Edit, measured_wave, sweep_wave
from ncs.store import _load
from ncs.store import _schema as s
from ncs.store._rows import MEASURED, prepare
from ncs.store._write import Group, Place

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

    from ncs.measure._edits import Wave
    from ncs.results import TraceMarks, VisitResult
    from ncs.store._write import Writer

__all__ = [
    "Session", "Target", "base_of", "bound", "entry_and_wave", "in_force", "matching", "represented", "targets",
    "value_of",
]  # fmt: skip

_LABELS = ("nerve", "side", "technique", "recording_site", "site")


class Target(NamedTuple):
    """One trace of a current run: what an edit can be made of. ``base`` is the run without any edits."""

    run: int
    base: int
    visit_id: int
    content_key: str
    study_index: int
    trace_index: int
    waveform_sha256: str
    nerve: str | None
    side: str | None
    technique: str | None
    recording_site: str | None
    site: str | None
    source: str | None

    @property
    def words(self) -> str:
        """What a person calls it, and how to name it in a choice."""
        named = " ".join(part or "?" for part in (self.side, self.nerve, self.technique))
        place = f"study {self.study_index}, trace {self.trace_index} of {self.source or '(no file)'}"
        return f"{named}, {self.site or '?'}, recorded from {self.recording_site or '?'} ({place})"


def in_force(connection: sa.Connection, *conditions: Any) -> list[Any]:
    """Return the edits that nobody has withdrawn, oldest first."""
    e, later = s.mark_edits.c, s.mark_edits.alias("later")
    gone = sa.select(later.c.id).where(later.c.withdraws == e.id).correlate(s.mark_edits).exists()
    query = sa.select(s.mark_edits).where(e.withdraws.is_(None), ~gone, *conditions)
    return list(connection.execute(query.order_by(e.id)))


def base_of(connection: sa.Connection, runs: Iterable[int]) -> dict[int, int]:
    """Return for runs in which edits are applied the run without them."""
    e = s.edited_runs.c
    rows = connection.execute(sa.select(e.run_id, e.base_run_id).where(e.run_id.in_(list(runs))))
    return {row.run_id: row.base_run_id for row in rows}


def represented(connection: sa.Connection, runs: Iterable[int]) -> set[int]:
    """Return those of some runs in whose place a run with their edits is current."""
    e, r = s.edited_runs.c, s.runs.c
    query = sa.select(e.base_run_id).join(s.runs, r.id == e.run_id)
    return set(connection.execute(query.where(e.base_run_id.in_(list(runs)), r.current.is_(sa.true()))).scalars())


def targets(connection: sa.Connection, *conditions: Any) -> list[Target]:
    """Return the traces of current runs that fulfil conditions, in the order of files, studies and traces."""
    r, t, x, f = s.runs.c, s.studies.c, s.traces.c, s.run_sources.c
    query = (
        sa.select(
            r.id, s.edited_runs.c.base_run_id, r.visit_id, r.content_key, x.study_index, x.trace_index,
            x.waveform_sha256, t.nerve, t.side, t.technique, t.recording_site, x.stimulation_site, f.name,
        )
        .select_from(
            s.traces.join(s.studies, (t.run_id == x.run_id) & (t.study_index == x.study_index))
            .join(s.runs, r.id == x.run_id)
            .outerjoin(s.edited_runs, s.edited_runs.c.run_id == r.id)
            .outerjoin(s.run_sources, (f.run_id == r.id) & (f.position == 0))
        )
        .where(r.current.is_(sa.true()), *conditions)
        .order_by(f.name, r.content_key, x.study_index, x.trace_index)
    )  # fmt: skip
    return [_target(row[0], row[0] if row[1] is None else row[1], *row[2:]) for row in connection.execute(query)]


def _target(*fields: Any) -> Target:
    return Target(*fields)


def _rows_of(connection: sa.Connection, run: int) -> tuple[Any, list[Target]]:
    """Return the edits in force that may concern a run, and its traces."""
    r, t, x, e = s.runs.c, s.studies.c, s.traces.c, s.mark_edits.c
    row = connection.execute(sa.select(r.visit_id, r.content_key).where(r.id == run)).one()
    edits = in_force(connection, (e.visit_id == row.visit_id) | (e.content_key == row.content_key))
    if not edits:
        return [], []
    query = (
        sa.select(
            x.study_index, x.trace_index, x.waveform_sha256,
            t.nerve, t.side, t.technique, t.recording_site, x.stimulation_site,
        )
        .select_from(s.traces.join(s.studies, (t.run_id == x.run_id) & (t.study_index == x.study_index)))
        .where(x.run_id == run)
    )  # fmt: skip
    return edits, [_target(run, run, *row, *found, None) for found in connection.execute(query)]


def matching(edit: Any, traces: Sequence[Target]) -> list[Target]:
    """Return the traces of a run that are the recording an edit was made of.

    The samples decide. Where several traces have the same ones (flat lines do), the place in the same file does, or
    else what the traces are called. Where none has (a corrected gain changes all samples), it is the trace that has
    the same place in the same file and the same name.
    """

    def is_named_alike(trace: Target) -> bool:
        return all(getattr(trace, name) == getattr(edit, name) for name in _LABELS)

    place = (edit.content_key, edit.study_index, edit.trace_index)
    here = [trace for trace in traces if (trace.content_key, trace.study_index, trace.trace_index) == place]
    same = [trace for trace in traces if trace.waveform_sha256 == edit.waveform_sha256]
    if not same:
        return [trace for trace in here if is_named_alike(trace)]
    if len(same) == 1:
        return same
    return [trace for trace in here if trace in same] or [trace for trace in same if is_named_alike(trace)] or same


def bound(result: VisitResult, row: Any, trace: Target) -> Edit | None:
    """Return a stored edit as one of a result; ``None`` where the result has no such mark any more.

    The place in the sweep is what was marked: if the stimulus time has been corrected since, the latency changes. Where
    the samples have changed as well, that place cannot be known any more.
    """
    edit = Edit(
        study_index=trace.study_index,
        trace_index=trace.trace_index,
        mark=row.mark,
        value_ms=row.value,
        author=row.author,
        response=row.response,
        sweep=None if row.sweep == MEASURED else row.sweep,
    )
    try:
        _, wave = entry_and_wave(result, edit)
    except InvalidInputError:
        return None
    if edit.value_ms is None:
        return edit
    if wave.stimulus_ms != row.stimulus_ms:
        if trace.waveform_sha256 != row.waveform_sha256:
            return None
        edit = replace(edit, value_ms=edit.value_ms + row.stimulus_ms - wave.stimulus_ms)
    assert edit.value_ms is not None  # replaced by a number
    return edit if 0 < edit.value_ms <= wave.last_ms else None


def entry_and_wave(result: VisitResult, edit: Edit) -> tuple[TraceMarks, Wave]:
    """Return the marks of the trace an edit is about, and the sweep it is about.

    Raises
    ------
    InvalidInputError
        When the result has no such trace, sweep or mark.
    """
    index, trace = trace_marks(result.visit, result.marks, edit)
    entry = result.marks[index]
    wave = measured_wave(trace, entry.measured_sweeps) if edit.sweep is None else sweep_wave(trace, edit.sweep)
    return entry, wave


def value_of(result: VisitResult, edit: Edit) -> float | None:
    """Return where a mark is in a result, ms after the stimulus; ``None`` where it is not."""
    entry, _ = entry_and_wave(result, edit)
    marks = entry.measured if edit.sweep is None else entry.sweeps.sweep(edit.sweep)
    value = float(getattr(marks, edit.mark)[0]) if hasattr(marks, edit.mark) else math.nan
    return None if math.isnan(value) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One transaction: the connection to read with, the cursor and the writer to write with, the moment.

    ``unplaced`` collects edits of a file that find no place in a new run of the same file.
    """

    connection: sa.Connection
    cursor: Any
    writer: Writer
    now: dt.datetime
    unplaced: set[int] = field(default_factory=set)

    def settle_visit(self, visit_id: int, content_key: str | None = None) -> dict[int, int]:
        """Let every current run of a visit (and of a content) be the one with the edits in force.

        Returns
        -------
        dict
            Run without edits to the run that is current.
        """
        r = s.runs.c
        where = r.visit_id == visit_id
        if content_key is not None:
            where |= r.content_key == content_key
        runs = list(self.connection.execute(sa.select(r.id).where(where, r.current.is_(sa.true()))).scalars())
        bases = base_of(self.connection, runs)
        return {base: self.settle(base) for base in dict.fromkeys(bases.get(run, run) for run in runs)}

    def settle(self, base: int) -> int:
        """Make the run that has the edits in force current in the place of a run and all others made from it."""
        rows, traces = _rows_of(self.connection, base)
        chosen = self._edited_run(base, rows, traces) if rows else base
        derived = self._derived(base)
        for run in {base, *derived} - {chosen}:
            self._set_current(run, flag=False)
        self._set_current(chosen, flag=True)
        return chosen

    def _derived(self, base: int) -> set[int]:
        e = s.edited_runs.c
        return set(self.connection.execute(sa.select(e.run_id).where(e.base_run_id == base)).scalars())

    def _set_current(self, run: int, *, flag: bool) -> None:
        r = s.runs.c
        self.connection.execute(sa.update(s.runs).where(r.id == run, r.current.is_not(flag)).values(current=flag))

    def _bound(
        self, base: int, rows: Sequence[Any], traces: Sequence[Target]
    ) -> tuple[VisitResult, dict[Any, list[Edit]]]:
        """Return a run's result, and every edit as those of the result."""
        result = _load.load_results(self.connection, [base])[0]
        found = [(row, bound(result, row, trace)) for row in rows for trace in matching(row, traces)]
        by_row: dict[Any, list[Edit]] = {row: [] for row in rows}
        for row, edit in found:
            if edit is not None:
                by_row[row].append(edit)
        return result, by_row

    def _edited_run(self, base: int, rows: Sequence[Any], traces: Sequence[Target]) -> int:
        """Return the run with the edits, made if it is not stored."""
        keys = {trace.content_key for trace in traces}
        expected = [row for row in rows if row.content_key in keys]
        if not any(matching(row, traces) for row in rows):
            self.unplaced.update(row.id for row in expected)
            return base
        result, by_row = self._bound(base, rows, traces)
        self.unplaced.update(row.id for row in expected if not by_row[row])
        edits = [edit for row in rows for edit in by_row[row]]
        if not edits:
            return base
        ready = prepare(edited(result, edits))
        group = Group(heals=False)
        place = self.writer.find(self.cursor, ready.head, self.now, group)
        if place.run is None:
            # Covariates stay those of the run without edits: a person who moves a mark states none.
            ready = replace(ready, covariates={})
            place = Place(self.writer.add(self.cursor, ready, place, self.now, group)[0], *place[1:])
            self.writer.flush(self.cursor, group)
        run = place.run
        assert run is not None  # stored, or written just now
        self._remember(run, base)
        return run

    def _remember(self, run: int, base: int) -> None:
        e, p = s.edited_runs.c, s.run_parts.c
        if self.connection.execute(sa.select(e.run_id).where(e.run_id == run)).first() is None:
            self.connection.execute(sa.insert(s.edited_runs), {"run_id": run, "base_run_id": base})
        known = set(self.connection.execute(sa.select(p.part_run_id).where(p.run_id == run)).scalars())
        parts = set(self.connection.execute(sa.select(p.part_run_id).where(p.run_id == base)).scalars()) or {base}
        if parts != known:
            self.connection.execute(sa.delete(s.run_parts).where(p.run_id == run))
            self.connection.execute(
                sa.insert(s.run_parts), [{"run_id": run, "part_run_id": part} for part in sorted(parts)]
            )

    def value_without(self, base: int, row: Any) -> float | None:
        """Return where a mark would be if one edit were not there."""
        result, by_row = self._bound(base, *_rows_of(self.connection, base))
        own = [edit for other, edits in by_row.items() if other.id == row.id for edit in edits]
        others = [edit for other, edits in by_row.items() if other.id != row.id for edit in edits]
        return value_of(edited(result, others), own[0]) if own else None
