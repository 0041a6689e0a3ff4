"""Exported tables back as data frames, with the types and the missing values that they had in the store."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncs.errors import FileAccessError, Problem, ReadError
from ncs.export._columns import Kind
from ncs.export._files import import_pyarrow, unguarded
from ncs.export._folder import DICTIONARY

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import pandas as pd

__all__ = ["read_table"]


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read one table of an export as it was in the store; the types come from the dictionary beside it.

    Numbers are the same to the last bit. Dates are texts as ``YYYY-MM-DD``, as in the store's own tables; a text that
    was guarded against spreadsheets loses its apostrophe again.

    Parameters
    ----------
    path
        ``long.csv``, ``wide.parquet``, … in the folder of an export.

    Raises
    ------
    FileAccessError
        When the table or its dictionary cannot be opened.
    ReadError
        When the two do not fit together.
    MissingDependencyError
        When a Parquet file is given and pyarrow is not installed.
    """
    import pandas as pd

    place = Path(path)
    types = _types(place)
    names, columns = _parquet(place) if place.suffix == ".parquet" else _csv(place)
    if names != list(types):
        raise _misfit(place, f"the columns of {DICTIONARY}", f"{', '.join(names[:3])} …")
    return pd.DataFrame(
        {name: _typed(cells, *types[name]) for name, cells in zip(names, columns, strict=True)}, columns=names
    )


def _types(place: Path) -> dict[str, tuple[Kind, bool]]:
    """Return kind and whether cells may be absent, by column."""
    if place.name == DICTIONARY:
        with _opened(place) as stream:
            return dict.fromkeys(next(csv.reader(stream), []), (Kind.TEXT, False))
    with _opened(place.with_name(DICTIONARY)) as stream:
        rows = [row for row in csv.DictReader(stream) if row["table"] == place.stem]
    try:
        return {row["column"]: (Kind(row["type"]), row["absent"] != "never") for row in rows}
    except (KeyError, ValueError) as error:
        raise _misfit(place.with_name(DICTIONARY), "a dictionary of an export", str(error)) from error


def _csv(place: Path) -> tuple[list[str], list[Sequence[Any]]]:
    with _opened(place) as stream:
        lines = csv.reader(stream)
        names = next(lines, [])
        columns: list[list[Any]] = [[] for _ in names]
        for number, row in enumerate(lines, start=1):
            if len(row) != len(names):
                raise _misfit(place, f"{len(names)} cells", f"{len(row)} in row {number}")
            for column, cell in zip(columns, row, strict=True):
                column.append(unguarded(cell))
    return names, list(columns)


def _parquet(place: Path) -> tuple[list[str], list[Sequence[Any]]]:
    _, parquet = import_pyarrow()
    try:
        table = parquet.read_table(place)
    except OSError as error:
        raise _unreadable(place, error) from error
    except ValueError as error:  # pyarrow's own errors are of this kind
        raise _misfit(place, "a Parquet file", str(error)) from error
    return list(table.column_names), [column.to_pylist() for column in table.columns]


def _typed(cells: Sequence[Any], kind: Kind, may_be_absent: bool) -> Any:  # noqa: FBT001
    import numpy as np
    import pandas as pd

    if kind is Kind.FLOAT:
        return np.array([np.nan if cell in {None, ""} else float(cell) for cell in cells], np.float64)
    if kind is Kind.INTEGER:
        whole = [None if cell in {None, ""} else int(cell) for cell in cells]
        return pd.array(whole, dtype="Int64") if may_be_absent else np.array(whole, np.int64)
    if kind is Kind.TIME:
        return pd.to_datetime(pd.Series([cell or None for cell in cells], dtype=object), utc=True, format="ISO8601")
    if kind is Kind.DATE:
        return [cell.isoformat() if isinstance(cell, dt.date) else cell or None for cell in cells]
    return [None if cell is None or (may_be_absent and cell == "") else cell for cell in cells]


def _opened(place: Path) -> Any:
    try:
        return place.open(encoding="utf-8", newline="")
    except OSError as error:
        raise _unreadable(place, error) from error


def _unreadable(place: Path, error: OSError) -> FileAccessError:
    found = (error.strerror or str(error)).lower()
    return FileAccessError([Problem(file=str(place), place="", field="", expected="a file of an export", found=found)])


def _misfit(place: Path, expected: str, found: str) -> ReadError:
    return ReadError([Problem(file=str(place), place="", field="", expected=expected, found=found)])
