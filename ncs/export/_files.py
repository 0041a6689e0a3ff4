"""One table as one file, written in pieces: CSV that a spreadsheet cannot run, or Parquet with its definitions."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, Protocol, Self, TextIO

from ncs.errors import MissingDependencyError
from ncs.export._columns import Column, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["CsvFile", "ParquetFile", "TableFile", "guarded", "import_pyarrow", "unguarded"]

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "'")


def guarded(text: str) -> str:
    """Return text that a spreadsheet does not take for a formula: with an apostrophe before what could begin one.

    >>> guarded("=1+1"), guarded("'tis"), guarded("wrist")
    ("'=1+1", "''tis", 'wrist')
    """
    return f"'{text}" if text.startswith(_DANGEROUS) else text


def unguarded(text: str) -> str:
    """Undo ``guarded``.

    >>> unguarded(guarded("'=1+1"))
    "'=1+1"
    """
    return text.removeprefix("'")


class TableFile(Protocol):
    """A file that takes a table in pieces."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def write(self, cells: Mapping[str, Sequence[Any]]) -> None:
        """Append rows."""


class _Lines:
    """Ends lines in a newline alone; the csv module quotes a carriage return only where it belongs to the line end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, line: str) -> None:
        self._stream.write(line.removesuffix("\r\n") + "\n")


class CsvFile:
    """UTF-8, decimal points, lines that end in a newline; numbers with as many digits as they need to be exact."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._stream = path.open("x", encoding="utf-8", newline="")
        self._writer = csv.writer(_Lines(self._stream), lineterminator="\r\n")
        self._writer.writerow([column.name for column in columns])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def write(self, cells: Mapping[str, Sequence[Any]]) -> None:
        """Append rows."""
        shown = [_csv_cells(cells[column.name], column.kind) for column in self._columns]
        self._writer.writerows(zip(*shown, strict=True))


def _csv_cells(cells: Sequence[Any], kind: Kind) -> Sequence[Any]:
    if kind is Kind.TEXT:
        return [None if cell is None else guarded(cell) for cell in cells]
    if kind in {Kind.DATE, Kind.TIME}:
        return [None if cell is None else cell.isoformat() for cell in cells]
    return cells


class ParquetFile:
    """Typed columns that carry their units and definitions as metadata."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        pa, parquet = import_pyarrow()
        types = {
            Kind.TEXT: pa.string(),
            Kind.DATE: pa.date32(),
            Kind.TIME: pa.timestamp("us", tz="UTC"),
            Kind.FLOAT: pa.float64(),
            Kind.INTEGER: pa.int64(),
        }
        self._pa = pa
        self._schema = pa.schema(
            [
                pa.field(column.name, types[column.kind], nullable=bool(column.absent), metadata=_metadata(column))
                for column in columns
            ]
        )
        self._writer = parquet.ParquetWriter(path, self._schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def write(self, cells: Mapping[str, Sequence[Any]]) -> None:
        """Append rows."""
        arrays = [self._pa.array(cells[field.name], field.type) for field in self._schema]
        if arrays and len(arrays[0]):
            self._writer.write_table(self._pa.Table.from_arrays(arrays, schema=self._schema))


def _metadata(column: Column) -> dict[str, str]:
    return {"unit": column.unit, "definition": column.definition, "absent": column.absent}


def import_pyarrow() -> tuple[Any, Any]:
    """Return ``pyarrow`` and ``pyarrow.parquet``.

    Raises
    ------
    MissingDependencyError
        When pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingDependencyError(
            "Parquet needs pyarrow, which is not installed: pip install 'ncs[parquet]', or export --to csv"
        ) from error
    return pa, parquet
