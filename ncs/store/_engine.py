"""From a path or URL to an open database of the right version. Every database's own manners are here and only here."""

from __future__ import annotations

import importlib.util
import re
import sqlite3
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from ncs import __version__
from ncs.errors import (
    InvalidInputError,
    MissingDependencyError,
    StoreAccessError,
    StoreError,
    StoreLostError,
    StoreVersionError,
)
from ncs.store._codec import dumps
from ncs.store._schema import REVISIONS, alembic_version, metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["begin_writing", "open_engine", "translated", "upgrade"]

_BUSY_MS = 30_000
_POSTGRES_LOCK = 0x6E6373
"""Key of the advisory lock that makes writers take turns, as SQLite's do."""
_PASSWORD = re.compile(r"(?<=//)([^:/@]*):.*(?=@)")
_NO_TABLE = "42P01"
"""SQL state of a table that is not there."""


def open_engine(url_or_path: str | Path, *, create: bool) -> sa.Engine:
    """Return an engine on a store of this version, made or migrated where needed.

    Raises
    ------
    StoreAccessError
        When the database cannot be opened, is none of ours, or is absent and ``create`` is false.
    StoreVersionError
        When a newer ncs made it.
    MissingDependencyError
        When the database's driver is not installed.
    """
    url = _url(url_or_path)
    if url.get_backend_name() == "sqlite":
        _check_path(url, create=create)
    engine = _engine(url)
    try:
        with translated(url):
            _bring_up_to_date(engine, create=create)
    except BaseException:
        engine.dispose()
        raise
    return engine


def begin_writing(connection: sa.Connection) -> None:
    """Start a transaction that already holds the right to write, so that it cannot fail half-way for want of it."""
    connection.begin()
    cursor = connection.connection.cursor()
    if connection.dialect.name == "sqlite":
        cursor.execute("BEGIN IMMEDIATE")
    else:
        cursor.execute(f"SELECT pg_advisory_xact_lock({_POSTGRES_LOCK})")
    cursor.close()


@contextmanager
def translated(url: sa.URL) -> Iterator[None]:
    """Turn the errors of a database into ours, with the way out."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise _error(url, error.orig or error) from error
    except _driver_errors() as error:
        raise _error(url, error) from error


def _driver_errors() -> tuple[type[Exception], ...]:
    """Return what the drivers in use raise; psycopg is not loaded for a store that does without."""
    psycopg = sys.modules.get("psycopg")
    return (sqlite3.Error,) if psycopg is None else (sqlite3.Error, psycopg.Error)


def _name(url: sa.URL) -> str:
    if url.get_backend_name() == "sqlite":
        return url.database or ":memory:"
    return url.set(drivername="postgresql").render_as_string()


_KEPT = "What was committed is kept"
_LOCKED = ("a free database", "one that another program holds",
           f"Close that program or wait, then start again. {_KEPT}.")  # fmt: skip
_READ_ONLY = ("a database that may be written", "a read-only one", "Check the permissions of file and folder.")
_FULL = ("room for the data", "a full disk", f"Free some space, then start again: {_KEPT.lower()}.")
_SQLITE_ADVICE = (
    ("is not a database", ("a store", "a file of another kind", "Name another file, or move this one away.")),
    ("malformed", ("a store", "a damaged database", "Restore it from a copy.")),
    ("locked", _LOCKED),
    ("readonly", _READ_ONLY),
    ("full", _FULL),
    ("disk I/O error", ("a disk that can be written", "one that cannot, or is full",
                        f"Check the disk and the quota, then start again: {_KEPT.lower()}.")),
)  # fmt: skip
_POSTGRES_ADVICE = (
    ("53100", _FULL),
    ("25006", ("a database that may be written", "a read-only one", "Ask who runs the server.")),
    ("55P03", _LOCKED),
    ("42501", ("rights to create and write tables", "none", "Ask who runs the server to grant them.")),
)  # fmt: skip
_GONE = ("08", "57P01", "57P02", "57P03")
"""SQL states of a server that has gone away, is going, or is not there yet."""


def _error(url: sa.URL, error: BaseException) -> StoreError:
    text = " ".join(str(error).split())
    if url.get_backend_name() != "sqlite":
        return _postgres_error(url, error, text)
    for sign, advice in _SQLITE_ADVICE:
        if sign in text:
            return _access_error(url, advice, text)
    if isinstance(error, sqlite3.IntegrityError):
        return StoreError(f"{_name(url)}: expected rows that fit together, found: {text}")
    hint = "Check that the folder exists and may be written."
    return StoreAccessError(f"{_name(url)}: expected a database that can be used, found: {text}. {hint}")


def _postgres_error(url: sa.URL, error: BaseException, text: str) -> StoreError:
    import psycopg

    state = _state(error)
    for sign, advice in _POSTGRES_ADVICE:
        if state.startswith(sign):
            return _access_error(url, advice, text)
    if isinstance(error, psycopg.IntegrityError | psycopg.DataError):
        return StoreError(f"{_name(url)}: expected rows that fit together, found: {text}")
    if state.startswith(_GONE) or (not state and isinstance(error, psycopg.OperationalError)):
        hint = f"Check the address (user, host, database) and the server, then start again: {_KEPT.lower()}."
        return StoreLostError(f"{_name(url)}: expected a server that answers, found: {text}. {hint}")
    return StoreAccessError(f"{_name(url)}: expected a database that can be used, found: {text}. {_KEPT}.")


def _state(error: BaseException | None) -> str:
    return getattr(error, "sqlstate", None) or ""


def _access_error(url: sa.URL, advice: tuple[str, str, str], text: str) -> StoreAccessError:
    expected, found, hint = advice
    return StoreAccessError(f"{_name(url)}: expected {expected}, found {found} ({text}). {hint}")


def _url(url_or_path: str | Path) -> sa.URL:
    text = str(url_or_path)
    if "://" not in text:
        return sa.URL.create("sqlite", database=None if text == ":memory:" else text)
    try:
        url = sa.make_url(text)
        backend = url.get_backend_name()
    except (sa.exc.ArgumentError, ValueError) as error:  # ValueError: a port that is no number
        hidden = _PASSWORD.sub(r"\1:***", text)
        raise InvalidInputError(f"store: expected a path or a database URL, found {hidden!r}") from error
    if backend in {"postgres", "postgresql"}:
        if importlib.util.find_spec("psycopg") is None:
            raise MissingDependencyError(
                "a store in PostgreSQL needs psycopg, which is not installed: pip install 'ncs[postgres]'"
            )
        return url.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise InvalidInputError(
            f"store: expected a path, sqlite:///… or postgresql://…, found {url.render_as_string()!r}"
        )
    return url


def _check_path(url: sa.URL, *, create: bool) -> None:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        return
    path = Path(url.database)
    if path.is_dir():
        raise StoreAccessError(
            f"{path}: expected a database file, found a folder. Name a file in it: {path / 'ncs.db'}"
        )
    if not path.parent.is_dir():
        raise StoreAccessError(
            f"{path}: expected a file in an existing folder, found no folder {path.parent}. Make that folder first."
        )
    if not create and not path.exists():
        raise StoreAccessError(f"{path}: expected a store, found no file. Analyse something into it first.")


def _engine(url: sa.URL) -> sa.Engine:
    options: dict[str, Any] = {"json_serializer": dumps}
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_pre_ping=True, **options)
    options["connect_args"] = {"timeout": _BUSY_MS / 1000, "check_same_thread": False}
    if not url.database or url.database == ":memory:":
        options["poolclass"] = StaticPool
    engine = sa.create_engine(url, **options)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # Without this the driver begins transactions by itself, late and never for DDL.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA cache_size = -32768")
    cursor.execute("PRAGMA wal_autocheckpoint = 8000")  # 32 MB: a checkpoint waits for the disk, a commit does not
    _use_write_ahead_log(cursor)
    cursor.close()


def _use_write_ahead_log(cursor: sqlite3.Cursor) -> None:
    """Switch the journal; SQLite's own waiting does not cover this switch, so that openers at once collide."""
    deadline = time.monotonic() + _BUSY_MS / 1000
    while True:
        try:
            if cursor.execute("PRAGMA journal_mode").fetchone()[0] in {"wal", "memory"}:
                return
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "readonly" in str(error):  # a read-only store can still be read
                return
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _bring_up_to_date(engine: sa.Engine, *, create: bool) -> None:
    with engine.connect() as connection:
        found = _revision(connection)
        if found is None:
            _refuse_strangers(connection, engine.url, create=create)
            connection.rollback()
            _create(connection)
            found = _revision(connection)
    if found == REVISIONS[-1]:
        return
    if found not in REVISIONS:
        raise StoreVersionError(
            f"{_name(engine.url)}: expected a store of revision {REVISIONS[-1]} or older, found {found!r}. "
            f"A newer ncs made it; this is ncs {__version__}: upgrade ncs to open it."
        )
    upgrade(engine)


def _revision(connection: sa.Connection) -> str | None:
    try:
        return connection.execute(sa.select(alembic_version.c.version_num)).scalar()
    except (sa.exc.OperationalError, sa.exc.ProgrammingError) as error:
        connection.rollback()
        if f"no such table: {alembic_version.name}" in str(error.orig) or _state(error.orig) == _NO_TABLE:
            return None
        raise  # locked, unreachable, not ours to read, …


def _refuse_strangers(connection: sa.Connection, url: sa.URL, *, create: bool) -> None:
    """Never add our tables to a database that holds something else.

    Where somebody else has made the store in the meantime, our own mark is among the tables.
    """
    present = sa.inspect(connection).get_table_names()
    if alembic_version.name in present:
        return
    if present:
        raise StoreAccessError(
            f"{_name(url)}: expected a store, found a database with other tables: {', '.join(sorted(present)[:3])}. "
            "Name another file or database."
        )
    if not create:
        raise StoreAccessError(f"{_name(url)}: expected a store, found an empty database. Analyse into it first.")


def _create(connection: sa.Connection) -> None:
    begin_writing(connection)
    if sa.inspect(connection).has_table(alembic_version.name):  # somebody else was faster
        connection.rollback()
        return
    metadata.create_all(connection, checkfirst=False)
    alembic_version.create(connection)
    connection.execute(alembic_version.insert(), {"version_num": REVISIONS[-1]})
    connection.commit()


def upgrade(engine: sa.Engine, revision: str = "head") -> None:
    """Run the migrations up to a revision, in one transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with engine.connect() as connection:
        begin_writing(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()
