"""The data dictionary of an export: a row for every column of every file, and for every word that stands in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ncs.export._columns import Column, Kind
from ncs.export._folder import DICTIONARY_HEADER
from ncs.quantities import QUANTITIES
from ncs.results import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["COLUMNS", "dictionary_cells"]

COLUMNS = tuple(Column(name=name, kind=Kind.TEXT, definition="") for name in DICTIONARY_HEADER)


def dictionary_cells(tables: Mapping[str, Sequence[Column]]) -> dict[str, list[Any]]:
    """Return the rows of the dictionary, as cells by column."""
    rows = [*_column_rows(tables), *_word_rows()]
    return {name: [row[index] for row in rows] for index, name in enumerate(DICTIONARY_HEADER)}


def _column_rows(tables: Mapping[str, Sequence[Column]]) -> Iterator[tuple[str, ...]]:
    for table, columns in tables.items():
        for c in columns:
            yield table, c.name, c.unit, c.kind.value, c.absent or "never", c.definition, c.source


def _word_rows() -> Iterator[tuple[str, ...]]:
    for row in QUANTITIES.values():
        yield "values of quantity", row.name, row.unit, "float", "see reason", row.definition, row.source
    for reason in Reason:
        yield (
            "values of reason",
            reason.value,
            "",
            "text",
            "",
            f"{reason.sentence[:1].upper()}{reason.sentence[1:]}.",
            "ncs",
        )
