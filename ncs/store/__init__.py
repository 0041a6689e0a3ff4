"""Results to SQL and back: ``open_store`` and what it returns. SQLAlchemy is loaded when a store is opened.

Tables are in ``_schema``, the ways in are ``_write`` and ``_rows``, the ways out ``_load`` and ``_frames``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ncs.store.failure import Failure

if TYPE_CHECKING:
    from pathlib import Path

    from ncs.store._store import SaveOutcome, Store

__all__ = ["Failure", "SaveOutcome", "Store", "open_store"]


def open_store(url_or_path: str | Path, *, create: bool = True) -> Store:
    """Open a store of results.

    Parameters
    ----------
    url_or_path
        Path of an SQLite file, ``sqlite:///path``, or ``postgresql://user@host/database``.
    create
        Whether to make the store if there is none.

    Returns
    -------
    Store
        A context manager; leaving it closes the database.

    Raises
    ------
    StoreAccessError
        When the database cannot be opened, or holds something else.
    StoreVersionError
        When a newer ncs made it.
    MissingDependencyError
        When a PostgreSQL address is given and psycopg is not installed.
    InvalidInputError
        When the address is neither a path nor a known kind of URL.

    Examples
    --------
    >>> with open_store(":memory:") as store:
    ...     len(store.visits())
    0
    """
    from ncs.store._store import Store

    return Store(url_or_path, create=create)


def __getattr__(name: str) -> Any:
    if name in {"SaveOutcome", "Store"}:
        from ncs.store import _store

        return getattr(_store, name)
    raise AttributeError(f"module 'ncs.store' has no attribute {name!r}")
