"""The memory for files: which ones a batch need not read again. Losing it costs time, never a result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ncs.errors import Problem
from ncs.store import _schema as s
from ncs.store._codec import storable
from ncs.store.failure import Failure
from ncs.store.seen import Recalled, Seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["failures_at", "look_up", "remembering"]

_AT_ONCE = 1000
"""Databases limit how many parameters one statement takes."""


def look_up(connection: sa.Connection, paths: Sequence[str], subject: str | None) -> Recalled:
    """Return what is remembered of files, and the runs of their content: those of one subject where one is given."""
    f, r = s.seen_files.c, s.runs.c
    query = sa.select(r.content_key, r.fingerprint, r.current)
    if subject is not None:
        query = query.select_from(s.runs.join(s.visits).join(s.subjects)).where(s.subjects.c.code == subject)
    files: dict[str, Seen] = {}
    runs: dict[tuple[str, str], bool] = {}
    for some in _portions(paths):
        rows = connection.execute(sa.select(s.seen_files).where(f.path.in_(some))).all()
        files.update({row[0]: Seen._make(row) for row in rows})
        contents = list({row[3] for row in rows if row[3] is not None})
        if contents:
            for key, fingerprint, current in connection.execute(query.where(r.content_key.in_(contents))).all():
                runs[key, fingerprint] = current or runs.get((key, fingerprint), False)
    return Recalled(files, runs)


def failures_at(connection: sa.Connection, paths: Sequence[str]) -> dict[str, Failure]:
    """Return the failures of files that have not succeeded since."""
    f = s.failures.c
    query = sa.select(f.path, f.sha256, f.error, f.message, f.problems).where(f.resolved_utc.is_(None)).order_by(f.id)
    found = {}
    for some in _portions(paths):
        for row in connection.execute(query.where(f.path.in_(some))):
            problems = tuple(Problem(**problem) for problem in row.problems or ())
            found[row.path] = Failure(
                path=row.path, error=row.error, problems=problems, message=row.message, sha256=row.sha256
            )
    return found


def _portions(paths: Sequence[str]) -> Iterable[list[str]]:
    for start in range(0, len(paths), _AT_ONCE):
        yield [storable(path) for path in paths[start : start + _AT_ONCE]]


def remembering(insert: Any) -> Any:
    """Return the statement that remembers one file, made with the ``insert`` of a dialect."""
    new = insert(s.seen_files)
    renewed = [column.name for column in s.seen_files.columns if not column.primary_key]
    return new.on_conflict_do_update(index_elements=["path"], set_={name: new.excluded[name] for name in renewed})
