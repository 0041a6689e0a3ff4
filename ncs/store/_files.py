"""What a store knows of files beside results: which failed, and what each looked like when it was dealt with."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ncs import __version__
from ncs.store import _frames, _seen
from ncs.store import _schema as s

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager
    from functools import cached_property

    import pandas as pd

    from ncs.store._write import Writer
    from ncs.store.failure import Failure
    from ncs.store.seen import Recalled, Seen

__all__ = ["FileStore"]


class FileStore:
    """What ``Store`` keeps for a batch."""

    _cursor: Any

    if TYPE_CHECKING:

        @cached_property
        def _writer(self) -> Writer: ...
        def transaction(self) -> AbstractContextManager[None]: ...
        def _reading(self) -> AbstractContextManager[sa.Connection]: ...

    def failures(self, *, include_resolved: bool = False) -> pd.DataFrame:
        """Return the files that failed and have not succeeded since, or all that ever failed.

        Columns ``path, sha256, error, message, problems, version, failed_utc, resolved_utc``.
        """
        with self._reading() as connection:
            return _frames.failures(connection, include_resolved=include_resolved)

    @property
    def has_failures(self) -> bool:
        """Whether a file failed and has not succeeded since."""
        query = sa.select(s.failures.c.id).where(s.failures.c.resolved_utc.is_(None)).limit(1)
        with self._reading() as connection:
            return connection.execute(query).first() is not None

    def record_failures(self, failures: Iterable[Failure]) -> None:
        """Record files that could not be analysed; a file that fails again renews its record."""
        with self.transaction():
            self._writer.record_failures(self._cursor, failures, __version__, dt.datetime.now(dt.UTC))

    def resolve_failures(self, paths: Iterable[str]) -> None:
        """Mark the failures of these paths as resolved (``save`` does it for the content it saves)."""
        with self.transaction():
            self._writer.resolve_paths(self._cursor, paths, dt.datetime.now(dt.UTC))

    def seen(self, paths: Sequence[str], *, subject: str | None = None) -> Recalled:
        """Return what is remembered of files, given their absolute paths, and the runs of their contents."""
        with self._reading() as connection:
            return _seen.look_up(connection, paths, subject)

    def failures_at(self, paths: Sequence[str]) -> dict[str, Failure]:
        """Return the failures of files that have not succeeded since."""
        with self._reading() as connection:
            return _seen.failures_at(connection, paths)

    def remember(self, files: Iterable[Seen]) -> None:
        """Remember what files looked like when they were dealt with."""
        with self.transaction():
            self._writer.remember(self._cursor, files)
