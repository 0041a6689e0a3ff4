"""From a store to a folder of tables: in pieces of whole subjects, so that memory does not grow with the store."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncs.export import _files
from ncs.export._authors import without_authors
from ncs.export._columns import COVARIATES, LONG, MARKS, TABLES, VISITS, Column, Kind
from ncs.export._dictionary import COLUMNS, dictionary_cells
from ncs.export._folder import DICTIONARY, staged
from ncs.export._wide import Place, WideColumn, laid_out, places_of, wide_columns

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pandas as pd

    from ncs.store import Store

    Cells = dict[str, list[Any]]

__all__ = ["WrittenTable", "write_csv", "write_parquet"]

_MEASUREMENTS_AT_ONCE = 50_000
_SUBJECTS_AT_ONCE = 400
"""Databases limit how many parameters one statement takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenTable:
    """One file of an export, and how many rows it has."""

    name: str
    path: Path
    rows: int


def write_csv(
    store: Store,
    folder: str | os.PathLike[str],
    *,
    subject: str | Sequence[str] | None = None,
    since: str | dt.date | None = None,
    until: str | dt.date | None = None,
    file_names: bool = True,
) -> tuple[WrittenTable, ...]:
    """Write what is stored as CSV files: ``long``, ``wide``, ``marks``, ``covariates``, ``visits``, ``dictionary``.

    Numbers are written exactly, with a decimal point; a missing one is an empty cell with its reason beside it. A text
    that a spreadsheet could take for a formula gets an apostrophe before it. All files appear at once, or none.

    Parameters
    ----------
    store
        An open store; its current runs are written.
    folder
        New, empty, or an earlier export of the same kind, which is replaced.
    subject, since, until
        Which visits, as in ``Store.visits``; all if not given.
    file_names
        Whether the column ``source`` is written; laboratories sometimes name files after people.

    Returns
    -------
    tuple of WrittenTable
        One per file.

    Raises
    ------
    FileAccessError
        When the folder holds other files, or cannot be written.
    InvalidInputError
        When ``since`` or ``until`` is no date.
    StoreAccessError
        When the database cannot be read.
    """
    export = _Export(store, subject, since, until, file_names=file_names)
    return export.write(Path(folder), "csv", _files.CsvFile)


def write_parquet(
    store: Store,
    folder: str | os.PathLike[str],
    *,
    subject: str | Sequence[str] | None = None,
    since: str | dt.date | None = None,
    until: str | dt.date | None = None,
    file_names: bool = True,
) -> tuple[WrittenTable, ...]:
    """Write what is stored as Parquet files; the dictionary is a CSV file here too, for people.

    Parameters, result and errors are those of ``write_csv``; texts stand as they are.

    Raises
    ------
    MissingDependencyError
        When pyarrow is not installed.
    """
    _files.import_pyarrow()
    export = _Export(store, subject, since, until, file_names=file_names)
    return export.write(Path(folder), "parquet", _files.ParquetFile)


class _Export:
    """One export: what was chosen, and its tables one after the other."""

    def __init__(self, store: Store, subject: Any, since: Any, until: Any, *, file_names: bool) -> None:
        self._store = store
        self._since, self._until = since, until
        self._visits = store.visits(subject, since=since, until=until)
        self._chosen = set(zip(self._visits["subject"], self._visits["date"], strict=True))
        self._hidden = set() if file_names else {"source"}

    def write(self, folder: Path, suffix: str, file: Callable[..., _files.TableFile]) -> tuple[WrittenTable, ...]:
        names = {**{table: f"{table}.{suffix}" for table in TABLES}, "dictionary": DICTIONARY}
        columns = {table: self._without_names(fixed) for table, fixed in TABLES.items()}
        found: set[tuple[Place, str]] = set()
        pieces: dict[str, Iterable[Cells]] = {
            "long": self._long(found),
            "marks": self._marks(),
            "covariates": self._covariates(),
            "visits": [_cells(self._visits, VISITS)],
        }
        with staged(folder, names.values()) as place:
            rows = {table: _written(file(place(names[table]), columns[table]), some) for table, some in pieces.items()}
            wide = wide_columns(found)
            columns["wide"] += tuple(one.column for one in wide)
            rows["wide"] = _written(file(place(names["wide"]), columns["wide"]), self._wide(wide))
            dictionary = _files.CsvFile(place(DICTIONARY), COLUMNS)
            rows["dictionary"] = _written(dictionary, [dictionary_cells(columns)])
        return tuple(WrittenTable(name=name, path=folder / names[name], rows=rows[name]) for name in names)

    def _without_names(self, columns: Sequence[Column]) -> tuple[Column, ...]:
        return tuple(column for column in columns if column.name not in self._hidden)

    def _groups(self) -> Iterator[list[str]]:
        """Return the subjects in groups whose measurements fit into memory."""
        group: list[str] = []
        size = 0
        for subject, count in self._visits.groupby("subject", sort=False)["measurements"].sum().items():
            group.append(str(subject))
            size += int(count)
            if size >= _MEASUREMENTS_AT_ONCE or len(group) == _SUBJECTS_AT_ONCE:
                yield group
                group, size = [], 0
        if group:
            yield group

    def _measurements(self) -> Iterator[Cells]:
        for subjects in self._groups():
            cells = _cells(self._store.measurements(subjects, since=self._since, until=self._until), LONG)
            authors = set(self._store.history(subjects)["author"])
            cells["method"] = [without_authors(text, authors) for text in cells["method"]]
            yield cells

    def _long(self, found: set[tuple[Place, str]]) -> Iterator[Cells]:
        for cells in self._measurements():
            found.update(places_of(cells))
            yield cells

    def _wide(self, columns: Sequence[WideColumn]) -> Iterator[Cells]:
        for cells in self._measurements():
            yield laid_out(cells, columns, self._studies_of)

    def _studies_of(self, run: int) -> list[int]:
        return [m.study_index for m in self._store.load_run(run).measurements]

    def _marks(self) -> Iterator[Cells]:
        for subjects in self._groups():
            yield _cells(self._of_chosen(self._store.marks(subjects)), MARKS)

    def _covariates(self) -> Iterator[Cells]:
        for subjects in self._groups():
            yield _cells(self._of_chosen(self._store.covariates(subjects)), COVARIATES)

    def _of_chosen(self, frame: pd.DataFrame) -> pd.DataFrame:
        keep = [visit in self._chosen for visit in zip(frame["subject"], frame["date"], strict=True)]
        return frame.loc[keep] if keep else frame


def _written(file: _files.TableFile, pieces: Iterable[Cells]) -> int:
    rows = 0
    with file as opened:
        for cells in pieces:
            opened.write(cells)
            rows += len(next(iter(cells.values())))
    return rows


def _cells(frame: pd.DataFrame, columns: Sequence[Column]) -> Cells:
    """Return the columns of a frame as plain Python values, ``None`` where there is none."""
    return {column.name: _plain(frame[column.name], column) for column in columns}


def _plain(series: pd.Series[Any], column: Column) -> list[Any]:
    absent = series.isna().tolist()
    values = series.tolist()
    if column.kind is Kind.DATE:
        return [None if gone else dt.date.fromisoformat(value) for value, gone in zip(values, absent, strict=True)]
    if column.kind is Kind.TIME:
        return [None if gone else value.to_pydatetime() for value, gone in zip(values, absent, strict=True)]
    return [None if gone else value for value, gone in zip(values, absent, strict=True)]
