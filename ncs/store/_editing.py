"""The store's part for people: move a mark, take that back, see who did what. What follows from it is in ``_edits``."""

from __future__ import annotations

import datetime as dt
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from ncs.errors import InvalidInputError, StoreError
from ncs.store import _frames
from ncs.store import _schema as s
from ncs.store._rows import MEASURED

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from ncs.measure._edits import Edit
    from ncs.store._edits import Session, Target
    from ncs.store._write import Writer

__all__ = ["EditingStore"]

_NOT_ASKED: Final = object()
_AS_SEEN_MS: Final = 0.005
"""Half of the last digit that is shown to people."""


class EditingStore:
    """What ``Store`` can do for a person who corrects marks."""

    _connection: sa.Connection | None
    _cursor: Any

    if TYPE_CHECKING:

        @cached_property
        def _writer(self) -> Writer: ...
        def transaction(self) -> AbstractContextManager[None]: ...
        def _reading(self) -> AbstractContextManager[sa.Connection]: ...

    def edit_mark(
        self,
        subject: str,
        date: dt.date | str,
        *,
        mark: str,
        value: float | None,
        author: str,
        reason: str,
        nerve: str | None = None,
        side: str | None = None,
        technique: str | None = None,
        site: str | None = None,
        recording_site: str | None = None,
        source: str | None = None,
        study_index: int | None = None,
        trace_index: int | None = None,
        response: str = "",
        sweep: int | None = None,
        seen: Any = _NOT_ASKED,
    ) -> int:
        """Move a mark, or take it away. Every number that rests on it is derived again.

        The automatic mark stays stored, in the run that was current until now; a run with the edit is current instead.
        A later analysis of the same recording, in whatever way, gets the edit again.

        Parameters
        ----------
        subject, date
            The visit.
        mark
            ``onset_ms``, ``peak_ms``, ``end_ms``, ``last_end_ms`` or ``trough_ms``; ``response`` takes the whole
            response away, so that there is none.
        value
            Milliseconds after the stimulus; ``None`` takes the mark away.
        author, reason
            Who does it, and why.
        nerve, side, technique, site, recording_site, source, study_index, trace_index
            What tells the trace from the others of the visit; ``source`` is the name of its file, ``site`` its
            stimulation site.
        response
            Which response, where a trace has several.
        sweep
            Index of a sweep; by default what is measured, the only sweep or the mean.
        seen
            The value that the author saw (or ``None``). If it is no longer that one, somebody else was faster, and
            nothing is done.

        Returns
        -------
        int
            Number of the edit.

        Raises
        ------
        InvalidInputError
            When author or reason is empty, no trace or several traces are meant, there is no such mark or sweep, or the
            time cannot be one of it.
        StoreError
            When there is no such visit, or the mark is not where it was seen.
        """
        who, why = _person(author, reason)
        where = {
            "nerve": nerve, "side": side, "technique": technique, "site": site, "recording_site": recording_site,
            "source": source, "study_index": study_index, "trace_index": trace_index,
        }  # fmt: skip
        with self.transaction():
            session = self._session()
            target = self._target(session.connection, subject, _frames.as_date(date), where)
            made = _new_edit(target, mark_name(mark), value, who, (response, sweep))
            facts = self._examined(session.connection, target, made)
            before = facts["value_before"]
            if seen is not _NOT_ASKED and not _is_same(seen, before):
                raise StoreError(_overtaken(session.connection, target, facts, seen))
            row = {**facts, "reason": why, "created_utc": session.now, "withdraws": None}
            edit_id = self._add(session.connection, row)
            session.settle_visit(target.visit_id, target.content_key)
        return edit_id

    def withdraw_edit(self, edit: int, author: str, reason: str) -> int:
        """Take an edit back: the mark is where it would be without it. The edit stays in the history.

        Parameters
        ----------
        edit
            Its number, as ``edit_mark`` returned it and ``history`` lists it.
        author, reason
            Who takes it back, and why.

        Returns
        -------
        int
            Number of the withdrawal, which is a row of the history too.

        Raises
        ------
        InvalidInputError
            When author or reason is empty.
        StoreError
            When there is no such edit, or it has been taken back already.
        """
        from ncs.store import _edits

        who, why = _person(author, reason)
        with self.transaction():
            session = self._session()
            row = _withdrawable(session.connection, edit)
            facts = {name: value for name, value in row._mapping.items() if name != "id"}  # noqa: SLF001 - public
            here = s.runs.c.visit_id == row.visit_id
            places = _edits.matching(row, _edits.targets(session.connection, here))
            now, after = _values_around(session, places[0], row) if places else (None, None)
            facts |= {
                "value_before": now, "value": after, "author": who, "reason": why, "created_utc": session.now,
                "withdraws": edit,
            }  # fmt: skip
            made = self._add(session.connection, facts)
            session.settle_visit(row.visit_id, row.content_key)
        return made

    def history(self, subject: Any = None, date: Any = None) -> pd.DataFrame:
        """Return everything that people did to marks, oldest first.

        Returns
        -------
        pandas.DataFrame
            Columns ``edit, subject, date, nerve, side, technique, recording_site, site, response, sweep, mark,
            value_before, value, author, reason, created_utc, withdraws, withdrawn_by, in_force, applied, source,
            waveform_sha256``. ``sweep`` is absent where the mark is that of what is measured. ``withdraws`` names the
            edit that a withdrawal takes back, ``withdrawn_by`` the other way round. An edit is ``in_force`` unless it
            was withdrawn or a later one moved the same mark, and ``applied`` where a current run has it.
        """
        from ncs.store import _history

        with self._reading() as connection:
            return _history.history(connection, subject=subject, date=date)

    def runs(self, subject: Any = None, date: Any = None) -> pd.DataFrame:
        """Return every run, current or not, oldest first.

        Returns
        -------
        pandas.DataFrame
            Columns ``run, subject, date, source, files, onset_method, version, measurements, edits, base_run,
            created_utc, current, fingerprint``. ``edits`` counts the marks that a person moved; ``base_run`` is then
            the run without them.
        """
        from ncs.store import _history

        with self._reading() as connection:
            return _history.runs(connection, subject=subject, date=date)

    def _session(self) -> Session:
        from ncs.store._edits import Session

        assert self._connection is not None  # inside a transaction
        now = dt.datetime.now(dt.UTC)
        return Session(connection=self._connection, cursor=self._cursor, writer=self._writer, now=now)

    def _apply_edits(self, visit_id: int, content_key: str | None = None) -> tuple[dict[int, int], tuple[int, ...]]:
        """Let people's edits win in every current run of a visit.

        Return which run stands for which, and the edits of a file that find no place in its new run.
        """
        if not self._writer.has_edits(self._cursor):
            return {}, ()
        session = self._session()
        return session.settle_visit(visit_id, content_key), tuple(sorted(session.unplaced))

    def _unrepresented(self, runs: Sequence[Any]) -> list[Any]:
        """Return those of some runs in whose place no run with people's edits is current already."""
        from ncs.store import _edits

        assert self._connection is not None  # inside a transaction
        done = _edits.represented(self._connection, [row.id for row in runs])
        return [row for row in runs if row.id not in done]

    def _target(
        self, connection: sa.Connection, subject: str, date: dt.date, where: dict[str, str | int | None]
    ) -> Target:
        """Return the one trace that is meant."""
        from ncs.store import _edits, _load

        runs = _load.current_runs(connection, subject, date)
        everything = _edits.targets(connection, s.runs.c.id.in_(runs))
        asked = {name: value for name, value in where.items() if value is not None}
        found = [each for each in everything if all(_agrees(getattr(each, name), asked[name]) for name in asked)]
        if len(found) == 1:
            return found[0]
        said = ", ".join(f"{name} {value!r}" for name, value in asked.items()) or "nothing that tells them apart"
        if not found:
            listed = "\n".join(f"  {each.words}" for each in everything) or "  none with a waveform"
            raise InvalidInputError(
                f"trace: expected one of {subject} on {date}, found none with {said}. There are:\n{listed}"
            )
        listed = "\n".join(f"  {each.words}" for each in found)
        raise InvalidInputError(
            f"trace: expected one of {subject} on {date}, found {len(found)} with {said}. Say which, by side, "
            f"technique, site, recording_site, source (the file), study_index or trace_index:\n{listed}"
        )

    @staticmethod
    def _examined(connection: sa.Connection, target: Target, edit: Edit) -> dict[str, Any]:
        """Check an edit against the marks as they are; return its row as far as it is known."""
        from dataclasses import replace

        from ncs.measure._edited import is_measured
        from ncs.measure._edits import RESPONSE, check
        from ncs.store import _edits, _load

        result = _load.load_results(connection, [target.run])[0]
        entry, wave = _edits.entry_and_wave(result, edit)
        if is_measured(edit, entry):
            edit = replace(edit, sweep=None)
        place = {
            "content_key": target.content_key, "study_index": target.study_index, "trace_index": target.trace_index,
            "response": edit.response, "sweep": MEASURED if edit.sweep is None else edit.sweep,
        }  # fmt: skip
        if edit.mark != RESPONSE:
            e = s.mark_edits.c
            gone = [e[name] == value for name, value in place.items()]
            for row in _edits.in_force(connection, e.mark == RESPONSE, e.visit_id == target.visit_id, *gone):
                raise InvalidInputError(
                    f"{edit.mark}: expected a response, found that {row.author} took it away (edit {row.id}: "
                    f"{row.reason}). Withdraw that edit first."
                )
        check(edit, entry.measured if edit.sweep is None else entry.sweeps.sweep(edit.sweep), wave)
        labels = {name: getattr(target, name) for name in ("nerve", "side", "technique", "recording_site", "site")}
        return {
            **place,
            **labels,
            "visit_id": target.visit_id,
            "waveform_sha256": target.waveform_sha256,
            "mark": edit.mark,
            "value_before": _edits.value_of(result, edit),
            "value": edit.value_ms,
            "stimulus_ms": wave.stimulus_ms,
            "author": edit.author,
        }

    @staticmethod
    def _add(connection: sa.Connection, row: dict[str, Any]) -> int:
        made = connection.execute(sa.insert(s.mark_edits).returning(s.mark_edits.c.id), row)
        return int(made.scalar_one())


def mark_name(mark: str) -> str:
    """Return the full name of a mark: ``onset`` for short is ``onset_ms``."""
    from ncs.measure._edits import MARK_WORDS

    name = mark.strip().lower().replace("-", "_")
    return f"{name}_ms" if f"{name}_ms" in MARK_WORDS else name


def _person(author: str, reason: str) -> tuple[str, str]:
    """Return author and reason on one line each; both must be there."""
    said = []
    for name, text, hint in (
        ("author", author, "Say who moves the mark."),
        ("reason", reason, "Say why; somebody will ask."),
    ):
        line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
        if not line:
            raise InvalidInputError(f"{name}: expected some words, found none. {hint}")
        said.append(line)
    return said[0], said[1]


def _new_edit(target: Target, mark: str, value: float | None, author: str, which: tuple[str, int | None]) -> Edit:
    from ncs.measure._edits import Edit

    return Edit(
        study_index=target.study_index,
        trace_index=target.trace_index,
        mark=mark,
        value_ms=None if value is None else float(value),
        author=author,
        response=which[0],
        sweep=which[1],
    )


def _agrees(found: str | int | None, asked: str | int) -> bool:
    if isinstance(asked, str) and isinstance(found, str):
        return found.casefold() == asked.strip().casefold()
    return found == asked


def _is_same(seen: float | None, now: float | None) -> bool:
    if seen is None or now is None:
        return seen is now
    return abs(seen - now) <= _AS_SEEN_MS


def _ms(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f} ms"


def _overtaken(connection: sa.Connection, target: Target, facts: dict[str, Any], seen: float | None) -> str:
    """Return the sentence for somebody whose mark another person has moved in the meantime."""
    e = s.mark_edits.c
    same = [e[name] == facts[name] for name in ("visit_id", "waveform_sha256", "mark", "sweep")]
    last = connection.execute(sa.select(s.mark_edits).where(*same).order_by(e.id.desc()).limit(1)).first()
    who = f"; {last.author} changed it on {last.created_utc:%Y-%m-%d at %H:%M} UTC ({last.reason})" if last else ""
    return (
        f"{facts['mark']} of {target.words}: expected it at {_ms(seen)}, as you saw it, found it at "
        f"{_ms(facts['value_before'])}{who}. Look at it again before you move it."
    )


def _withdrawable(connection: sa.Connection, edit: int) -> Any:
    """Return the row of an edit that can be taken back."""
    e = s.mark_edits.c
    row = connection.execute(sa.select(s.mark_edits).where(e.id == edit)).first()
    if row is None:
        raise StoreError(f"edit: expected a stored edit, found none with number {edit}")
    if row.withdraws is not None:
        raise StoreError(f"edit: expected an edit of a mark, found that {edit} withdraws edit {row.withdraws}")
    done = connection.execute(sa.select(s.mark_edits).where(e.withdraws == edit)).first()
    if done is not None:
        when = f"{done.created_utc:%Y-%m-%d at %H:%M} UTC"
        raise StoreError(
            f"edit: expected one in force, found that {done.author} withdrew edit {edit} on {when} ({done.reason})"
        )
    return row


def _values_around(session: Session, place: Target, row: Any) -> tuple[float | None, float | None]:
    """Return where a mark is now, and where it will be without an edit."""
    from ncs.store import _edits, _load

    result = _load.load_results(session.connection, [place.run])[0]
    edit = _edits.bound(result, row, place)
    if edit is None:
        return None, None
    return _edits.value_of(result, edit), session.value_without(place.base, row)
