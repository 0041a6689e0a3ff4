"""The way in: statements compiled once, and the order in which a result's rows are written.

Everything runs on a driver's cursor inside a transaction that the caller holds; nothing here begins or commits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ncs.store import _rows, _seen
from ncs.store import _schema as s
from ncs.store._codec import storable

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ncs.model import SourceFile
    from ncs.store.failure import Failure
    from ncs.store.seen import Seen

__all__ = ["Group", "Place", "Statement", "Writer"]


_READY = (sa.Float, sa.LargeBinary, sa.JSON)
"""What ``_rows`` hands over as the drivers take it: floats, bytes, and JSON as text."""


_MOST_ANALYSES = 64
_NO_FACTS = _rows.CovariateFacts()


class Statement:
    """SQL text for one driver with its positional parameters; SQLAlchemy's work is done once instead of per row."""

    __slots__ = ("_converters", "sql")

    def __init__(self, clause: Any, dialect: sa.Dialect, names: Sequence[str]) -> None:
        positional = type(dialect)(paramstyle="qmark" if dialect.name == "sqlite" else "format")  # type: ignore[call-arg]
        compiled = clause.compile(dialect=positional, column_keys=list(names) if clause.is_insert else None)
        if tuple(compiled.positiontup) != tuple(names):
            raise RuntimeError(f"expected parameters {names}, found {compiled.positiontup} in {compiled}")
        self.sql = str(compiled)
        self._converters: list[tuple[int, Callable[[Any], Any]]] = []
        for index, name in enumerate(names):
            kind = compiled.binds[name].type
            convert = kind.dialect_impl(dialect).bind_processor(dialect)
            if convert is not None and not isinstance(kind, _READY):
                self._converters.append((index, lru_cache(maxsize=8)(convert)))  # moments repeat, days nearly so

    def run(self, cursor: Any, *values: Any) -> Any:
        """Execute once and return the cursor."""
        cursor.execute(self.sql, self._converted(values))
        return cursor

    def run_many(self, cursor: Any, rows: Iterable[_rows.Row]) -> None:
        """Execute once per row."""
        cursor.executemany(self.sql, [self._converted(row) for row in rows])

    def _converted(self, row: _rows.Row) -> _rows.Row:
        if not self._converters:
            return row
        values = list(row)
        for index, convert in self._converters:
            if values[index] is not None:
                values[index] = convert(values[index])
        return tuple(values)


Runs = tuple[int, ...]


class Place(NamedTuple):
    """Where a result belongs: its run if it is stored, its visit, and its files, ``None`` for those not known yet."""

    run: int | None
    visit_id: int
    is_new_visit: bool
    sources: list[int | None]


@dataclass(slots=True)
class Group:
    """Results that are written together: their rows, table by table, and the visits they belong to.

    ``heals`` unless no failure is stored that one of them could resolve.
    """

    heals: bool
    waveforms: list[_rows.Row] = field(default_factory=list)
    studies: list[_rows.Row] = field(default_factory=list)
    traces: list[_rows.Row] = field(default_factory=list)
    marks: list[_rows.Row] = field(default_factory=list)
    measurements: list[_rows.Row] = field(default_factory=list)
    visits: dict[tuple[str | None, dt.date | None], int] = field(default_factory=dict)

    def take(self, run: int, result: _rows.Prepared, kinds: Sequence[int]) -> None:
        """Take in the rows of a run; ``kinds`` has the numbers of the kinds of its measurements."""
        self.waveforms += result.waveforms
        self.studies += [(run, *row) for row in result.studies]
        self.traces += [(run, *row) for row in result.traces]
        self.marks += [(run, *row) for row in result.marks]
        self.measurements += [
            (run, position, study, kind, value, sd, reason, distance, temperature, flags)
            for kind, (position, study, _, value, sd, reason, distance, temperature, flags) in zip(
                kinds, result.measurements, strict=True
            )
        ]


class Writer:
    """Writes results and failures; one for every open store."""

    def __init__(self, dialect: sa.Dialect) -> None:
        self._dialect = dialect
        self._kinds: dict[_rows.Kind, int] = {}
        self._analyses: dict[str, int] = {}
        self._insert: Any = sqlite.insert if dialect.name == "sqlite" else postgresql.insert
        self._compile_lookups()
        self._compile_inserts()
        self._compile_updates()

    def _statement(self, clause: Any, *names: str) -> Statement:
        return Statement(clause, self._dialect, names)

    def _into(self, table: sa.Table, *, keys: str = "", returning: bool = False) -> Statement:
        names = [column.name for column in table.columns if column.name != "id"]
        clause = self._insert(table)
        if keys:
            clause = clause.on_conflict_do_nothing(index_elements=keys.split())
        if returning:
            clause = clause.returning(table.c.id)
        return self._statement(clause, *names)

    def _compile_lookups(self) -> None:
        v, r, one = s.visits.c, s.runs.c, sa.bindparam
        self._find_subject = self._statement(sa.select(s.subjects.c.id).where(s.subjects.c.code == one("code")), "code")
        self._find_visit = self._statement(
            sa.select(v.id).where(v.subject_id == one("subject_id"), v.date == one("date")), "subject_id", "date"
        )
        of_kind, of_analysis = s.kinds.c, s.analyses.c
        self._find_kind = self._statement(sa.select(of_kind.id).where(of_kind.sha256 == one("sha256")), "sha256")
        self._find_analysis = self._statement(
            sa.select(of_analysis.id).where(of_analysis.sha256 == one("sha256")), "sha256"
        )
        self._find_source = self._statement(
            sa.select(s.source_files.c.id).where(s.source_files.c.sha256 == one("sha256")), "sha256"
        )
        same = (r.content_key == one("key"), r.fingerprint == one("fingerprint"), r.visit_id == one("visit_id"))
        self._find_run = self._statement(sa.select(r.id).where(*same), "key", "fingerprint", "visit_id")
        self._current_of_content = self._statement(
            sa.select(r.id).where(r.content_key == one("key"), r.current.is_(sa.true())), "key"
        )
        x = s.run_sources.c
        self._current_of_source = self._statement(
            sa.select(x.run_id)
            .join(s.runs, r.id == x.run_id)
            .where(x.source_id == one("id"), r.current.is_(sa.true())),
            "id",
        )
        self._sources_of_run = self._statement(sa.select(x.source_id).where(x.run_id == one("id")), "id")
        several = sa.select(x.run_id).where(x.position > sa.literal_column("0"), x.run_id == r.id)
        self._newest_alone = self._statement(
            sa.select(sa.func.max(r.id))
            .join(s.run_sources, r.id == x.run_id)
            .where(x.source_id == one("id"), ~several.correlate(s.runs).exists()),
            "id",
        )

        self._compile_part_lookups()
        self._last_edit = self._statement(sa.select(sa.func.max(s.mark_edits.c.id)))

    def _compile_part_lookups(self) -> None:
        r, p, one = s.runs.c, s.run_parts.c, sa.bindparam
        part, whole = s.runs.alias("part"), s.runs.alias("whole")
        x, in_parts = s.run_sources.c, s.run_parts.alias()
        is_joined = sa.exists().where(in_parts.c.run_id == r.id)
        in_force = sa.exists().where(
            in_parts.c.part_run_id == r.id, whole.c.id == in_parts.c.run_id, whole.c.current.is_(sa.true())
        )
        self._find_name = self._statement(
            sa.select(x.run_id)
            .join(s.runs, r.id == x.run_id)
            .where(r.visit_id == one("visit_id"), x.name == one("name"))
            .where((r.current.is_(sa.true()) & ~is_joined) | in_force),
            "visit_id",
            "name",
        )
        self._joined_with = self._statement(
            sa.select(p.run_id)
            .join(s.runs, r.id == p.run_id)
            .where(p.part_run_id == one("id"), r.current.is_(sa.true())),
            "id",
        )
        self._parts_of_run = self._statement(sa.select(p.part_run_id).where(p.run_id == one("id")), "id")
        self._current_joined = self._statement(
            sa.select(p.run_id, p.part_run_id)
            .join(s.runs, r.id == p.run_id)
            .join(part, part.c.id == p.part_run_id)
            .where(part.c.content_key == one("key"), r.current.is_(sa.true())),
            "key",
        )

    def _compile_inserts(self) -> None:
        self._new_subject = self._into(s.subjects, keys="code", returning=True)
        self._new_visit = self._into(s.visits, keys="subject_id date", returning=True)
        self._new_source = self._into(s.source_files, keys="sha256", returning=True)
        self._new_analysis = self._into(s.analyses, keys="sha256", returning=True)
        self._new_kind = self._into(s.kinds, keys="sha256", returning=True)
        self._new_run = self._into(s.runs, returning=True)
        self._new_run_source = self._into(s.run_sources)
        self._new_covariate = self._into(s.covariates)
        self._new_study = self._into(s.studies)
        self._new_waveform = self._into(s.waveforms, keys="sha256")
        self._new_trace = self._into(s.traces)
        self._new_marks = self._into(s.marks)
        self._new_measurement = self._into(s.measurements)
        self._remember = self._statement(_seen.remembering(self._insert), *s.seen_files.columns.keys())
        new = self._insert(s.failures)
        renewed = ("error", "message", "problems", "failed_utc", "resolved_utc")
        self._new_failure = self._statement(
            new.on_conflict_do_update(
                index_elements=["path", "sha256", "version"], set_={name: new.excluded[name] for name in renewed}
            ),
            *(column.name for column in s.failures.columns if column.name != "id"),
        )

    def _compile_updates(self) -> None:
        f, one = s.failures.c, sa.bindparam
        self._set_current = self._statement(
            sa.update(s.runs).where(s.runs.c.id == one("run")).values(current=one("flag")), "flag", "run"
        )
        resolved = sa.update(s.failures).values(resolved_utc=one("now"))
        self._resolve_sha = self._statement(
            resolved.where(f.sha256 == one("sha"), f.resolved_utc.is_(None)), "now", "sha"
        )
        self._resolve_path = self._statement(
            resolved.where(f.path == one("file"), f.resolved_utc.is_(None)), "now", "file"
        )

    def find(self, cursor: Any, head: _rows.Head, now: dt.datetime, group: Group) -> Place:
        """Return where a result belongs, and its run where it is stored; either way its content no longer fails."""
        sources = []
        for source in head.sources:
            if group.heals:
                self._resolve_sha.run(cursor, now, source.sha256)
            found = self._find_source.run(cursor, source.sha256).fetchone()
            sources.append(None if found is None else int(found[0]))
        visit = (head.subject, head.date)
        known = group.visits.get(visit)
        visit_id, is_new = self._visit(cursor, *visit) if known is None else (known, False)
        group.visits[visit] = visit_id
        if is_new or None in sources:
            return Place(None, visit_id, is_new, sources)
        run = self._find_run.run(cursor, head.key, head.fingerprint, visit_id).fetchone()
        return Place(None if run is None else int(run[0]), visit_id, is_new, sources)

    def add(
        self, cursor: Any, result: _rows.Prepared, place: Place, now: dt.datetime, group: Group
    ) -> tuple[int, Runs, Runs]:
        """Write a result that is not stored; return its run, the runs it takes the place of, and its namesakes.

        What no other result depends on waits in the group until ``flush``.
        """
        head, visit_id = result.head, place.visit_id
        sources = [self._source_id(cursor, *pair) for pair in zip(head.sources, place.sources, strict=True)]
        is_known = not sources or any(known is not None for known in place.sources)
        superseded = self._make_room(cursor, head.key, sources) if is_known else ()
        namesakes = () if place.is_new_visit else self._namesakes(cursor, head, visit_id)
        parameters, *subject = result.run
        values = (
            visit_id, head.key, head.fingerprint, result.version, now, True, *subject,
            self._analysis_id(cursor, parameters),
        )  # fmt: skip
        run_id = int(self._new_run.run(cursor, *values).fetchone()[0])
        names = [
            (run_id, position, source_id, source.name, source.sidecar_sha256 or None, source.protocol_sha256 or None)
            for position, (source_id, source) in enumerate(zip(sources, head.sources, strict=True))
        ]
        for name in names:
            self._new_run_source.run(cursor, *name)
        if result.covariates:
            where = ", ".join(source.name for source in head.sources)
            self.add_covariates(cursor, visit_id, result.covariates, (where, now), run_id)
        known = self._kinds
        kinds = [known.get(row[2]) or self._kind_id(cursor, row[2]) for row in result.measurements]
        group.take(run_id, result, kinds)
        return run_id, superseded, namesakes

    def flush(self, cursor: Any, group: Group) -> None:
        """Write the rows of a group that wait."""
        for statement, rows in (
            (self._new_waveform, group.waveforms),
            (self._new_study, group.studies),
            (self._new_trace, group.traces),
            (self._new_marks, group.marks),
            (self._new_measurement, group.measurements),
        ):
            if rows:
                statement.run_many(cursor, rows)
                rows.clear()

    def forget(self) -> None:
        """Forget the numbers of rows that an undone transaction may have made."""
        self._kinds.clear()
        self._analyses.clear()

    def _kind_id(self, cursor: Any, kind: _rows.Kind) -> int:
        self._kinds[kind] = self._one(cursor, self._find_kind, self._new_kind, _rows.kind_row(kind))
        return self._kinds[kind]

    def _analysis_id(self, cursor: Any, parameters: str) -> int:
        known = self._analyses.get(parameters)
        if known is None:
            row = (_rows.digest_of(parameters), parameters)
            if len(self._analyses) >= _MOST_ANALYSES:  # every edited run has parameters of its own
                self._analyses.clear()
            known = self._analyses[parameters] = self._one(cursor, self._find_analysis, self._new_analysis, row)
        return known

    @staticmethod
    def _one(cursor: Any, find: Statement, make: Statement, row: _rows.Row) -> int:
        """Return the number of a row that begins with its digest, made where there is none."""
        found = find.run(cursor, row[0]).fetchone() or make.run(cursor, *row).fetchone()
        return int((found or find.run(cursor, row[0]).fetchone())[0])  # another writer may have made it meanwhile

    def _namesakes(self, cursor: Any, head: _rows.Head, visit_id: int) -> Runs:
        return tuple(
            [row[0] for source in head.sources for row in self._find_name.run(cursor, visit_id, source.name).fetchall()]
        )

    def visit_id(self, cursor: Any, code: str | None, date: dt.date | None) -> int:
        """Return the visit of a subject on a date, made if there is none."""
        return self._visit(cursor, code, date)[0]

    def _visit(self, cursor: Any, code: str | None, date: dt.date | None) -> tuple[int, bool]:
        """Return the visit, and whether it was made just now."""
        found = self._find_subject.run(cursor, code).fetchone()
        subject = found or self._new_subject.run(cursor, code).fetchone()
        if found is not None:
            found = self._find_visit.run(cursor, subject[0], date).fetchone()
            if found is not None:
                return int(found[0]), False
        return int(self._new_visit.run(cursor, subject[0], date).fetchone()[0]), True

    def _source_id(self, cursor: Any, source: SourceFile, known: int | None) -> int:
        # A file may be among the sources twice, so that one that was unknown may be there by now.
        found = None if known is None else (known,)
        found = found or self._new_source.run(cursor, *_rows.source_row(source)).fetchone()
        found = found or self._find_source.run(cursor, source.sha256).fetchone()
        return int(found[0])

    def add_covariates(
        self,
        cursor: Any,
        visit_id: int,
        values: Mapping[str, float | str],
        origin: tuple[str, dt.datetime],
        run_id: int | None = None,
        facts: Mapping[str, _rows.CovariateFacts] | None = None,
    ) -> None:
        """Append covariates of a visit; ``origin`` is where they were stated, and when."""
        known = facts or {}
        rows = [
            (visit_id, run_id, name, *_rows.covariate_value(value), *origin, *known.get(name, _NO_FACTS).row)
            for name, value in values.items()
        ]
        self._new_covariate.run_many(cursor, rows)

    def _make_room(self, cursor: Any, key: str, sources: list[int]) -> tuple[int, ...]:
        """Withdraw the runs a new one takes the place of.

        Every file has one current run. A run over several files takes the place of theirs; when one of those files gets
        a newer run of its own, the others get theirs back.
        """
        current = {row[0] for row in self._current_of_content.run(cursor, key).fetchall()}
        for source_id in sources:
            current.update(row[0] for row in self._current_of_source.run(cursor, source_id).fetchall())
        if not current:
            return ()
        members = {run: self._ids(cursor, self._sources_of_run, run) for run in current}
        parts = {run: self._ids(cursor, self._parts_of_run, run) for run in current}
        self._set_current.run_many(cursor, [(False, run) for run in sorted(current)])
        for part in sorted(set().union(*parts.values())):
            if not self._ids(cursor, self._sources_of_run, part) & set(sources):
                self._set_current.run(cursor, True, part)  # noqa: FBT003
        orphans = set().union(*(members[run] for run in current if not parts[run])) - set(sources)
        for orphan in sorted(orphans):
            newest = self._newest_alone.run(cursor, orphan).fetchone()[0]
            if newest is not None:
                self._set_current.run(cursor, True, newest)  # noqa: FBT003
        return tuple(sorted(current))

    @staticmethod
    def _ids(cursor: Any, statement: Statement, value: int) -> set[int]:
        return {row[0] for row in statement.run(cursor, value).fetchall()}

    def has_edits(self, cursor: Any) -> bool:
        """Return whether anybody has ever moved a mark."""
        return self._last_edit.run(cursor).fetchone()[0] is not None

    def make_current(self, cursor: Any, run_id: int, key: str) -> bool:
        """Let a stored run take the place of another run of the same content; return whether there was one."""
        rivals = [row[0] for row in self._current_of_content.run(cursor, key).fetchall() if row[0] != run_id]
        if rivals:
            self._set_current.run_many(cursor, [*((False, rival) for rival in rivals), (True, run_id)])
        return bool(rivals) or self._step_out(cursor, run_id, key)

    def _step_out(self, cursor: Any, run_id: int, key: str) -> bool:
        """Take a run out of a joined one that was made of this content analysed in another way."""
        by_joined: dict[int, set[int]] = {}
        for joined, part in self._current_joined.run(cursor, key).fetchall():
            by_joined.setdefault(joined, set()).add(part)
        others = {joined: parts for joined, parts in by_joined.items() if run_id not in parts}
        for joined, same_content in others.items():
            remaining = self._ids(cursor, self._parts_of_run, joined) - same_content
            self._set_current.run_many(
                cursor, [(False, joined), *((True, part) for part in sorted(remaining | {run_id}))]
            )
        return bool(others)

    def withdraw(self, cursor: Any, run_id: int) -> bool:
        """Let a run be no longer current; return whether there is one of that number.

        Where a joined run stands in its place, its other parts come back.
        """
        for joined in self._ids(cursor, self._joined_with, run_id):
            parts = self._ids(cursor, self._parts_of_run, joined)
            self._set_current.run_many(cursor, [(False, joined), *((True, part) for part in sorted(parts))])
        return int(self._set_current.run(cursor, False, run_id).rowcount) > 0  # noqa: FBT003

    def record_failures(self, cursor: Any, failures: Iterable[Failure], version: str, now: dt.datetime) -> None:
        """Write failures; older ones of the same path are done with."""
        rows = [
            (
                storable(f.path), f.sha256, version, f.error, storable(f.message), _rows.problems_json(f.problems),
                now, None,
            )
            for f in failures
        ]  # fmt: skip
        self.resolve_paths(cursor, [row[0] for row in rows], now)
        self._new_failure.run_many(cursor, rows)

    def resolve_paths(self, cursor: Any, paths: Iterable[str], now: dt.datetime) -> None:
        """Mark the failures of these paths as resolved."""
        self._resolve_path.run_many(cursor, [(now, storable(path)) for path in paths])

    def remember(self, cursor: Any, files: Iterable[Seen]) -> None:
        """Remember files, instead of what was remembered of them so far."""
        self._remember.run_many(cursor, [(storable(path), *rest) for path, *rest in files])
