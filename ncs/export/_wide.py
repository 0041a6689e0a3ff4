"""Measurements side by side: one row per recording of a nerve, a column for every quantity at every place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ncs.errors import StoreError
from ncs.export._columns import KEYS, Column, Kind
from ncs.quantities import QUANTITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

__all__ = ["Place", "WideColumn", "laid_out", "places_of", "wide_columns"]

_ROW = ("nerve", "side", "technique", "recording_site")
_ORDER = {name: index for index, name in enumerate(QUANTITIES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What makes a column: a quantity, its unit, and where it was measured."""

    quantity: str
    unit: str
    site: str | None
    segment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WideColumn:
    """A column of the wide table; ``cell`` is what of a measurement stands in it: ``value``, ``sd`` or ``reason``."""

    place: Place
    cell: str
    column: Column


def places_of(cells: Mapping[str, Sequence[Any]]) -> Iterator[tuple[Place, str]]:
    """Return for every cell of a long table that is not empty its place, and what it is."""
    for quantity, unit, site, segment, value, sd, reason in zip(
        *(cells[name] for name in ("quantity", "unit", "site", "segment", "value", "sd", "reason")), strict=True
    ):
        place = Place(quantity=quantity, unit=unit, site=site, segment=segment)
        yield place, "value"
        if sd is not None:
            yield place, "sd"
        if reason is not None or value is None:
            yield place, "reason"


def wide_columns(found: Collection[tuple[Place, str]]) -> list[WideColumn]:
    """Return the columns for all places, in the order of the table of quantities, then by place."""
    places = sorted({place for place, _ in found}, key=_sort_key)
    names = [_name(place, place.segment or place.site) for place in places]
    made = []
    for place, name in zip(places, names, strict=True):
        both = ".".join(part for part in (place.site, place.segment) if part)
        unique = name if names.count(name) == 1 else _name(place, both)
        made += [
            WideColumn(place=place, cell=cell, column=_column(place, cell, unique))
            for cell in ("value", "sd", "reason")
            if (place, cell) in found
        ]
    return made


def _sort_key(place: Place) -> tuple[int, str, str, str, str]:
    last = len(_ORDER)
    return _ORDER.get(place.quantity, last), place.quantity, place.segment or "", place.site or "", place.unit


def _name(place: Place, where: str | None) -> str:
    """Return a name that ends like the rest of ncs in its unit, and in the place.

    >>> _name(Place(quantity="motor_conduction_velocity", unit="m/s", site=None, segment=None), "wrist-elbow")
    'motor_conduction_velocity_m_s.wrist-elbow'
    """
    unit = "" if place.unit in {"", "1"} else "_" + place.unit.lower().replace("%", "percent")
    unit = "".join(letter if letter.isalnum() else "_" for letter in unit)
    return f"{place.quantity}{unit}" + (f".{where}" if where else "")


def _column(place: Place, cell: str, name: str) -> Column:
    row = QUANTITIES.get(place.quantity)
    where = "".join(
        f" {word} {text}." for word, text in (("Site", place.site), ("Segment", place.segment)) if text is not None
    )
    definition = f"{row.definition if row is not None else place.quantity}{where}"
    source = row.source if row is not None else ""
    whole = Column(
        name=name, kind=Kind.FLOAT, unit=place.unit, definition=definition, source=source,
        absent="not measured; the column that ends in .reason says why where it was tried",
    )  # fmt: skip
    if cell == "sd":
        return replace(
            whole, name=f"{name}.sd", definition=f"Standard deviation of {name}.", absent="not known", source="ncs"
        )
    if cell == "reason":
        return Column(
            name=f"{name}.reason", kind=Kind.TEXT, absent="there is a value, or it was not tried",
            definition=f"Why there is no value in {name}; defined under 'values of reason'.",
        )  # fmt: skip
    return whole


def laid_out(
    cells: Mapping[str, Sequence[Any]], columns: Sequence[WideColumn], studies_of: Callable[[int], Sequence[int]]
) -> dict[str, list[Any]]:
    """Return a long table of whole visits as cells of the wide one.

    Parameters
    ----------
    cells
        Columns of the long table, rows in the order of the store.
    columns
        All columns that may occur.
    studies_of
        Gives, for the number of a run, the index of the study of each of its measurements; asked only where one run
        has two measurements of the same quantity at the same place.

    Raises
    ------
    StoreError
        When there is a measurement that none of the columns is for.
    """
    names = {(wide.place, wide.cell): wide.column.name for wide in columns}
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    recordings: dict[tuple[Any, ...], int] = {}
    for index, study in enumerate(_studies(cells, studies_of)):
        run = cells["run"][index]
        kind = tuple(cells[name][index] for name in _ROW)
        key = (run, study, *kind)
        if key not in rows:
            same = (cells["subject"][index], cells["date"][index], *kind)
            recordings[same] = recordings.get(same, 0) + 1
            rows[key] = {column.name: cells[column.name][index] for column in KEYS if column.name in cells}
            rows[key]["recording"] = recordings[same]
        _fill(rows[key], cells, index, names)
    wanted = [column.name for column in KEYS] + [wide.column.name for wide in columns]
    return {name: [row.get(name) for row in rows.values()] for name in wanted}


def _fill(
    row: dict[str, Any], cells: Mapping[str, Sequence[Any]], index: int, names: Mapping[tuple[Place, str], str]
) -> None:
    place = Place(**{name: cells[name][index] for name in ("quantity", "unit", "site", "segment")})
    for cell in ("value", "sd", "reason"):
        found = cells[cell][index]
        if found is None:
            continue
        name = names.get((place, cell))
        if name is None:
            raise StoreError(
                f"export: expected a store that stays as it is, found a new {place.quantity}: another program writes "
                "to it. Export again when that is done."
            )
        row[name] = found


def _studies(cells: Mapping[str, Sequence[Any]], studies_of: Callable[[int], Sequence[int]]) -> list[int]:
    """Return for every row which of several like studies of its run it belongs to; 0 where there is only one."""
    columns = [cells[name] for name in ("run", *_ROW, "quantity", "unit", "site", "segment")]
    seen: set[tuple[Any, ...]] = set()
    ambiguous: set[int] = set()
    for row in zip(*columns, strict=True):
        if row in seen:
            ambiguous.add(row[0])
        seen.add(row)
    waiting = {run: iter(studies_of(run)) for run in ambiguous}
    return [next(waiting[run]) if run in waiting else 0 for run in cells["run"]]
