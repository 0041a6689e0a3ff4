"""The store as users see it: thin, one method per thing to do; the work is in the rooms beside it."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa

from ncs.errors import InvalidInputError, StoreError
from ncs.io.merging import merge
from ncs.store import _frames, _load, _parts
from ncs.store import _schema as s
from ncs.store._editing import EditingStore
from ncs.store._engine import begin_writing, open_engine, translated
from ncs.store._files import FileStore
from ncs.store._outcome import SaveOutcome
from ncs.store._rows import CovariateFacts, Prepared, head_of, identity_problems, prepare
from ncs.store._write import Group, Writer

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from ncs.model import Visit
    from ncs.results import VisitResult

__all__ = ["SaveOutcome", "Store"]

_KEYS_AT_ONCE = 400
"""Databases limit how many parameters one statement takes."""
_ROWS_AT_ONCE = 1000

Choice = str | Sequence[str] | None
DateChoice = str | dt.date | Sequence[str | dt.date] | None


class Store(FileStore, EditingStore):
    """A database of visits, marks and measurements; make one with ``ncs.open_store``.

    Writing is append-only: a file analysed in another way makes a new run, and the newest run of a file is its current
    one. Every stored number belongs to a run, and through it to the SHA-256 of its file, the version of ncs, and every
    parameter. One store may be used by several threads; writers take turns.
    """

    def __init__(self, url_or_path: str | Path, *, create: bool = True) -> None:
        self._engine: sa.Engine | None = open_engine(url_or_path, create=create)
        self.url = self._engine.url.render_as_string()
        """Address of the database, without a password."""
        self._lock = threading.RLock()
        self._connection: sa.Connection | None = None
        self._cursor: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({self.url!r})"

    def close(self) -> None:
        """Close the database; closing twice does no harm."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    @property
    def _open_engine(self) -> sa.Engine:
        if self._engine is None:
            raise StoreError(f"{self.url}: expected an open store, found a closed one")
        return self._engine

    @cached_property
    def _writer(self) -> Writer:
        return Writer(self._open_engine.dialect)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Group what is saved inside into one commit; an exception undoes all of it. May be nested.

        Raises
        ------
        StoreAccessError
            When the database is locked for longer than half a minute, cannot be written, or is full.
        """
        with self._lock:
            if self._cursor is not None:
                yield
                return
            engine = self._open_engine
            with translated(engine.url):
                if self._connection is None:
                    self._connection = engine.connect()
                connection = self._connection
                try:
                    begin_writing(connection)
                    self._cursor = connection.connection.cursor()
                    yield
                    connection.commit()
                except BaseException:
                    self._undo(connection)
                    raise
                finally:
                    if self._cursor is not None:
                        self._cursor.close()
                    self._cursor = None

    def _undo(self, connection: sa.Connection) -> None:
        """Roll back; where even that fails, the connection is lost, and the database has rolled back by itself."""
        self._writer.forget()
        lost = self._open_engine.dialect.name != "sqlite"  # it may be so without knowing
        try:
            connection.rollback()
        except Exception:  # noqa: BLE001 - the error that led here is the one to tell
            lost = True
        if lost:
            connection.invalidate()
            connection.close()
            self._connection = None

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        engine = self._open_engine
        with translated(engine.url):
            if self._cursor is not None and self._connection is not None:
                yield self._connection
                return
            with engine.connect() as connection:
                if engine.dialect.name == "sqlite":
                    connection.exec_driver_sql("BEGIN")  # one picture for all statements
                yield connection

    def save(self, result: VisitResult | Prepared) -> SaveOutcome:
        """Save a result; saving the same again changes nothing.

        Raises
        ------
        StoreError
            When the visit has no subject or no date.
        StoreAccessError
            When the database cannot be written.
        """
        return self.save_many([result])[0]

    def save_many(self, results: Iterable[VisitResult | Prepared]) -> tuple[SaveOutcome, ...]:
        """Save several results in one transaction: all of them or, on an error, none.

        Parameters
        ----------
        results
            As returned by ``ncs.analyze``, or as workers have prepared them.

        Returns
        -------
        tuple of SaveOutcome
            One per result, in order.

        Raises
        ------
        StoreError
            When a visit has no subject or no date.
        StoreAccessError
            When the database cannot be written.
        """
        now = _now()
        outcomes = []
        with self.transaction():
            group = Group(heals=self.has_failures)
            for result in results:
                outcomes.append(self._save(result, now, group))
                if len(group.waveforms) >= _ROWS_AT_ONCE:
                    self._writer.flush(self._cursor, group)
            self._writer.flush(self._cursor, group)
        return tuple(outcomes)

    def _save(self, result: VisitResult | Prepared, now: dt.datetime, group: Group) -> SaveOutcome:
        head = result.head if isinstance(result, Prepared) else head_of(result)
        problems = identity_problems(head)
        if problems:
            raise StoreError("\n".join(map(str, problems)))
        place = self._writer.find(self._cursor, head, now, group)
        if place.run is not None:
            return SaveOutcome(run=place.run, saved=False)
        ready = result if isinstance(result, Prepared) else prepare(result)
        run, superseded, namesakes = self._writer.add(self._cursor, ready, place, now, group)
        is_new = None in place.sources  # nobody can have moved a mark in a file that was not stored
        if is_new:
            return SaveOutcome(run=run, saved=True, superseded=superseded, same_name=namesakes)
        self._writer.flush(self._cursor, group)
        stand_ins, lost = self._apply_edits(place.visit_id, head.key)
        edited = stand_ins.get(run, run)
        return SaveOutcome(
            run=run,
            saved=True,
            superseded=superseded,
            same_name=namesakes,
            edited=None if edited == run else edited,
            lost_edits=lost,
        )

    def has(self, content_key: str, fingerprint: str) -> bool:
        """Return whether this content, analysed this way, is stored."""
        return bool(self.known([(content_key, fingerprint)]))

    def known(self, keys: Iterable[tuple[str, str]], *, subject: str | None = None) -> set[tuple[str, str]]:
        """Return those of many ``(content_key, fingerprint)`` that are stored, of one subject where one is given."""
        return {(row.content_key, row.fingerprint) for row in self._runs_of(keys, subject)}

    def make_current(self, keys: Iterable[tuple[str, str]], *, subject: str | None = None) -> int:
        """Let stored runs take the place of other runs of the same content; return how many did.

        A key that has a current run, of the subject where one is given, is left as it is.
        """
        found = {(row.content_key, row.fingerprint): row for row in self._runs_of(keys, subject, idle_first=True)}
        idle = [row for row in found.values() if not row.current]
        if not idle:
            return 0
        with self.transaction():
            idle = self._unrepresented(idle)
            changed = [row for row in idle if self._writer.make_current(self._cursor, row.id, row.content_key)]
            for visit_id in {row.visit_id for row in changed}:
                self._apply_edits(visit_id)
            return len(changed)

    def split_visits(self) -> list[int]:
        """Return the visits in which several current runs hold one study at different sites."""
        with self._reading() as connection:
            return _parts.split_visits(connection)

    def load_parts(self, visit_id: int) -> tuple[list[_parts.Part], set[int]]:
        """Return the runs of the files of a visit, joined ones taken apart, and the numbers of the current runs."""
        with self._reading() as connection:
            return _parts.parts_of(connection, visit_id)

    def join(self, visit_id: int, joined: Sequence[_parts.Joined], *, instead_of: Collection[int]) -> None:
        """Let joined runs be the current ones of a visit; what is not stored yet is analysed and saved.

        Parameters
        ----------
        visit_id
            The visit.
        joined
            What becomes one run each.
        instead_of
            The runs of all files of the visit and its current runs; the files' runs in no joined one become current.
        """
        with self._reading() as connection:
            stored = [_parts.joined_run(connection, visit_id, each) for each in joined]
            covariates = _parts.stated_elsewhere(connection, visit_id)
        made = [prepare(each.analyse()) if run is None else None for run, each in zip(stored, joined, strict=True)]
        with self.transaction(), self._reading() as connection:
            wanted = _parts.alone(connection, instead_of, joined)
            for each, run, result in zip(joined, stored, made, strict=True):
                if run is not None:
                    wanted.add(run)
                if result is None:
                    continue
                outcome = self.save(_parts.without(result, covariates))
                if outcome.saved:
                    _parts.record(connection, outcome.run, each.parts)
                wanted.add(outcome.run)
            _parts.settle(connection, instead_of=instead_of, wanted=wanted)
            self._apply_edits(visit_id)

    def withdraw(self, run: int) -> None:
        """Take a run out of the current ones; it stays stored, and ``run=`` still finds it.

        Raises
        ------
        StoreError
            When there is no such run.
        """
        with self.transaction():
            if not self._writer.withdraw(self._cursor, run):
                raise StoreError(f"run: expected a stored run, found none with number {run}")

    def _runs_of(self, keys: Iterable[tuple[str, str]], subject: str | None, *, idle_first: bool = False) -> list[Any]:
        wanted = set(keys)
        contents = sorted({key for key, _ in wanted})
        r = s.runs.c
        query = sa.select(r.id, r.visit_id, r.content_key, r.fingerprint, r.current)
        query = query.order_by(r.current, r.id) if idle_first else query.order_by(r.id)
        if subject is not None:
            query = query.select_from(s.runs.join(s.visits).join(s.subjects)).where(s.subjects.c.code == subject)
        found = []
        with self._reading() as connection:
            for start in range(0, len(contents), _KEYS_AT_ONCE):
                some = contents[start : start + _KEYS_AT_ONCE]
                rows = connection.execute(query.where(r.content_key.in_(some)))
                found += [row for row in rows if (row.content_key, row.fingerprint) in wanted]
        return found

    @property
    def is_empty(self) -> bool:
        """Whether no result is stored."""
        with self._reading() as connection:
            return connection.execute(sa.select(s.runs.c.id).limit(1)).first() is None

    def add_covariates(
        self,
        subject: str,
        date: dt.date | str,
        values: Mapping[str, float | str],
        *,
        source: str,
        units: Mapping[str, str] | None = None,
        upper_limits: Mapping[str, float] | None = None,
        stated_date: dt.date | str | None = None,
    ) -> None:
        """Append covariates of a visit (a score, a laboratory value); the last one stated of a name is in force.

        Parameters
        ----------
        subject, date
            The visit; made if there is none.
        values
            Name to number or text.
        source
            Where they come from: a file's name, a person.
        units, upper_limits
            Name to unit, and to upper limit of normal, of those that have one.
        stated_date
            The date that the values themselves carry, where it is not that of the visit.

        Raises
        ------
        InvalidInputError
            When the subject is empty or the date is none.
        """
        if not subject:
            raise InvalidInputError("subject: expected a code, found none")
        taken = None if stated_date is None else _frames.as_date(stated_date, "stated_date")
        facts = {
            name: CovariateFacts(
                unit=(units or {}).get(name), upper_limit=(upper_limits or {}).get(name), stated_date=taken
            )
            for name in values
        }
        with self.transaction():
            visit_id = self._writer.visit_id(self._cursor, subject, _frames.as_date(date))
            self._writer.add_covariates(self._cursor, visit_id, values, (source, _now()), facts=facts)

    def visits(
        self,
        subject: Choice = None,
        *,
        since: str | dt.date | None = None,
        until: str | dt.date | None = None,
    ) -> pd.DataFrame:
        """Return one row per visit: ``subject, date, sex, files, nerves, measurements, version, analysed_utc``.

        ``since`` and ``until`` are inclusive. What is counted belongs to current runs.
        """
        with self._reading() as connection:
            return _frames.visits(connection, subject=subject, since=since, until=until)

    def measurements(
        self,
        subject: Choice = None,
        date: DateChoice = None,
        *,
        nerve: Choice = None,
        side: Choice = None,
        quantity: Choice = None,
        segment: Choice = None,
        site: Choice = None,
        run: int | Sequence[int] | None = None,
        since: str | dt.date | None = None,
        until: str | dt.date | None = None,
    ) -> pd.DataFrame:
        """Return measurements as a long table.

        Every choice is one value or several; none means all. Only current runs are searched unless ``run`` names some.

        Returns
        -------
        pandas.DataFrame
            The columns of ``VisitResult.to_dataframe()``, and ``run``.

        Raises
        ------
        InvalidInputError
            When there is no such quantity, or a date is none.
        """
        with self._reading() as connection:
            return _frames.measurements(
                connection,
                subject=subject,
                date=date,
                nerve=nerve,
                side=side,
                quantity=quantity,
                segment=segment,
                site=site,
                run=run,
                since=since,
                until=until,
            )

    def marks(
        self,
        subject: Choice = None,
        date: DateChoice = None,
        *,
        nerve: Choice = None,
        side: Choice = None,
        site: Choice = None,
        run: int | Sequence[int] | None = None,
    ) -> pd.DataFrame:
        """Return marks: one row per sweep, and one per trace, of ``kind`` ``"measured"``, that the numbers rest on."""
        with self._reading() as connection:
            return _frames.marks(connection, subject=subject, date=date, nerve=nerve, side=side, site=site, run=run)

    def covariates(self, subject: Choice = None, date: DateChoice = None) -> pd.DataFrame:
        """Return the covariates in force, per visit and name the one stated last.

        Columns ``subject, date, name, number, text, source, created_utc, unit, upper_limit, stated_date``. A value
        below or above what is detected stands in ``text`` (``"<15"``) and has no ``number``. ``stated_date`` is the
        date the value itself carries, where it is not that of the visit.
        """
        with self._reading() as connection:
            return _frames.covariates(connection, subject=subject, date=date)

    def load_visit(self, subject: str, date: dt.date | str) -> Visit:
        """Return a visit put together from all its current files, waveforms included; ready for ``ncs.analyze``.

        Raises
        ------
        StoreError
            When there is no such visit, or it has no recording, or its waveforms are damaged.
        """
        with self._reading() as connection:
            runs = _load.current_runs(connection, subject, _frames.as_date(date))
            return merge(_load.load_visits(connection, runs))

    def load_results(self, subject: str, date: dt.date | str) -> tuple[VisitResult, ...]:
        """Return the current results of a visit as they were saved, one per file, in the order of the files' names.

        Raises
        ------
        StoreError
            As ``load_visit``.
        """
        with self._reading() as connection:
            runs = _load.current_runs(connection, subject, _frames.as_date(date))
            return tuple(_load.load_results(connection, runs))

    def load_run(self, run: int) -> VisitResult:
        """Return one run as it was saved, current or not.

        Raises
        ------
        StoreError
            When there is no such run.
        """
        with self._reading() as connection:
            return _load.load_results(connection, [run])[0]


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
